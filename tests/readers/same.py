"""Fails unless the parts of datasets hold the same rows: same.py [--exactly|--latest|--contents] A B [C ...] compares each with the
first.

Rows are compared as multisets over every column, except those that record the fetching rather than the
catalog; with `--exactly` over all; with `--latest` those of the newest snapshots. With `--contents` it does not count which window and
page showed a row, or how many did, for windows are split as time allows; but none may be twice on its page. The server's address is put aside too, so that crawls of two sandboxes can be compared.
"""

import sys
from pathlib import Path

import duckdb

FETCHING = {"fetched_at", "run", "latency_ms", "attempts", "cache_status", "age_s"}
# Of snapshots.
FETCHING |= {"first_seen_at", "last_seen_at", "valid_from"}
SHOWN = 5
# The columns that depend on how a walk is split.
SPLIT = {"walk", "page"}
OPTIONS = {"--exactly", "--latest", "--contents"} & set(sys.argv)
if "--exactly" in OPTIONS:
    FETCHING.clear()
if "--contents" in OPTIONS:
    FETCHING |= SPLIT


def tables(dataset):
    if "--latest" in OPTIONS:
        found = {file.stem for file in Path(dataset, "latest").glob("*.parquet")}
    else:
        found = {d.name for d in Path(dataset, "parts").iterdir() if any(d.glob("*.parquet"))}
    return found - ({"pages"} if "--contents" in OPTIONS else set())


def source(dataset, table):
    return f"{dataset}/latest/{table}.parquet" if "--latest" in OPTIONS else f"{dataset}/parts/{table}/*.parquet"


def rows(dataset, table):
    glob = source(dataset, table)
    columns = duckdb.execute(f"DESCRIBE SELECT * FROM '{glob}'").fetchall()
    # The address, and the key that makes a question asked again another one to caches.
    address = r"https?://127\.0\.0\.1:[0-9]+|[?&]_=[0-9]+"
    kept = [
        f"regexp_replace(\"{name}\", '{address}', '', 'g') AS \"{name}\"" if kind == "VARCHAR" else f'"{name}"'
        for name, kind, *_ in columns
        if name not in FETCHING
    ]
    return f"SELECT {'DISTINCT ' if '--contents' in OPTIONS else ''}{', '.join(kept)} FROM '{glob}'"


def doubled(dataset, table):
    """Rows that are twice on a page."""
    found = duckdb.execute(f"SELECT count(*) - (SELECT count(*) FROM (SELECT DISTINCT * FROM '{source(dataset, table)}')) FROM '{source(dataset, table)}'")
    return found.fetchall()[0][0]


def sums(dataset, table):
    """How many rows there are, and the sum of their hashes: what two tables of the same rows share in any order."""
    every = rows(dataset, table)
    names = ", ".join(f'"{name}"' for name, *_ in duckdb.execute(f"DESCRIBE {every}").fetchall())
    return duckdb.execute(f"SELECT count(*), sum(hash({names})) FROM ({every})").fetchall()[0]


def differences(a, b, known):
    faults = []
    if tables(a) != tables(b):
        faults.append(f"tables differ: {sorted(tables(a) ^ tables(b))}")
    for table in sorted(tables(a) & tables(b)):
        if "--contents" in OPTIONS and (twice := doubled(b, table)):
            faults.append(f"{table}: {twice} rows are twice on a page of {b}")
        if table not in known:
            known[table] = sums(a, table)
        if sums(b, table) == known[table]:
            continue
        for here, there in ((a, b), (b, a)):
            alone = f"({rows(here, table)}) EXCEPT ALL ({rows(there, table)})"
            # As text: times with a zone need a module more to become objects.
            found = duckdb.execute(f"SELECT CAST(alone AS VARCHAR) FROM ({alone}) alone").fetchall()
            if found:
                faults.append(f"{table}: {len(found)} rows only in {here}:")
                faults.extend(f"  {row[0][:300]}" for row in found[:SHOWN])
    return faults


def main(first, *others):
    duckdb.execute("SET threads = 1")
    known = {}
    faults = [fault for other in others for fault in differences(first, other, known)]
    print("\n".join(faults) if faults else f"same: {sum(count for count, _ in known.values())} rows")
    sys.exit(1 if faults else 0)


main(*(argument for argument in sys.argv[1:] if argument not in OPTIONS))
