"""Answers one SQL query about a dataset, whose tables are named as they are: query.py DATASET SQL. Prints JSON rows."""

import json
import sys
from pathlib import Path

import duckdb


def main(dataset, sql):
    duckdb.execute("SET threads = 1")
    for directory in Path(dataset, "parts").iterdir():
        if directory.name in sql and any(directory.glob("*.parquet")):
            duckdb.execute(f"CREATE VIEW {directory.name} AS SELECT * FROM '{directory}/*.parquet'")
    for row in duckdb.execute(sql).fetchall():
        print(json.dumps(row, default=str))


main(*sys.argv[1:])
