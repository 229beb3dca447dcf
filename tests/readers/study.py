"""Do the ready queries answer what they ask?

    study.py DATASET SIDE QUERIES

Runs each of the SQL files in QUERIES as its users do, in the dataset's directory, and compares the rows and their order
with what the sandbox at SIDE (`http://host:port/sandbox`) says of the same name. Prints what differs, and the number of
rows of each; exit code 1 when anything differs.
"""

import json
import os
import sys
import urllib.request
from itertools import zip_longest
from pathlib import Path

import duckdb

from dataset import end


def asked(side, name):
    with urllib.request.urlopen(f"{side}/study/{name}") as answer:
        return [json.loads(line) for line in answer]


def answered(sql):
    """Also by a reader elsewhere: what is a month must not depend on where they are."""
    db = duckdb.connect()
    db.execute("SET TimeZone = 'Pacific/Auckland'")
    result = db.execute(sql)
    columns = [column[0] for column in result.description]
    return [dict(zip(columns, row)) for row in result.fetchall()]


def all_weeks(rows):
    """The week is that of the crawl; only what all weeks sum up to is known before."""
    sums = {}
    for row in rows:
        assert len(row["week"]) == len("2026-01-05"), row
        sums[row["base_model"]] = sums.get(row["base_model"], 0) + row["downloads"]
    rows = [{"base_model": base_model, "downloads": downloads} for base_model, downloads in sums.items()]
    return sorted(rows, key=lambda row: (-row["downloads"], row["base_model"]))


def main(dataset, side, queries):
    faults, counts = [], {}
    files = sorted(Path(queries).absolute().glob("*.sql"))
    os.chdir(dataset)
    for file in files:
        expected, found = asked(side, file.stem), answered(file.read_text())
        found = all_weeks(found) if file.stem == "downloads-by-week" else found
        differ = [pair for pair in zip_longest(found, expected) if pair[0] != pair[1]]
        if differ:
            faults.append(f"{file.stem}: {len(differ)} rows differ, such as {differ[0]}")
        if not expected:
            faults.append(f"{file.stem}: nothing was asked for")
        counts[file.stem] = len(found)
    end(faults, json.dumps(counts))


if __name__ == "__main__":
    main(*sys.argv[1:])
