"""Do the views that `schema --format sql` prints work, wherever they are used? views.py DATASET PROGRAM

Runs them as they are, and reads every view in full; the tables that `--format spark` prints must be the same ones, with
the columns and types that DuckDB sees. Prints what differs, and of each view where its files are and how many rows it has.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import duckdb

from dataset import end

TYPES = {"TIMESTAMP": "TIMESTAMP WITH TIME ZONE", "ARRAY<STRING>": "VARCHAR[]", "STRING": "VARCHAR", "BINARY": "BLOB"}


def printed(program, form, dataset):
    # By a path as users type it, from where they are.
    command = [program, "schema", "--format", form, "--dataset", Path(dataset).name]
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd=Path(dataset).parent).stdout


def main(dataset, program):
    faults, counts, db = [], {}, duckdb.connect()
    views, tables = printed(program, "sql", dataset), printed(program, "spark", dataset)
    os.chdir("/")
    db.execute(views)
    declared = dict(re.findall(r"^CREATE TABLE IF NOT EXISTS (\w+) \((.*?)^\) USING PARQUET LOCATION", tables, re.MULTILINE | re.DOTALL))
    places = dict(re.findall(r"VIEW (\w+) AS FROM read_parquet\('(.*)'\);", views))
    if list(declared) != list(places):
        faults.append(f"DuckDB has {list(places)}, Spark {list(declared)}")
    for view, place in places.items():
        columns = {name: kind for name, kind, *_ in db.execute(f"DESCRIBE {view}").fetchall()}
        spark = dict(re.findall(r"^  `(\w+)` (\S+) COMMENT", declared[view], re.MULTILINE))
        spark = {name: TYPES.get(kind, kind) for name, kind in spark.items()}
        if spark != columns:
            faults.append(f"{view}: Spark declares {spark}, DuckDB sees {columns}")
        rows = db.execute(f"SELECT count(*) FROM {view} WHERE hash(COLUMNS(*)) IS NOT NULL").fetchone()[0]
        counts[view] = [place.removeprefix(str(Path(dataset).absolute())).split("/")[1], rows]
    end(faults, json.dumps(counts))


if __name__ == "__main__":
    main(*sys.argv[1:])
