"""Do the one-liners of the README read a table in ranges as they read a file? ranges.py DATASET TABLE...

Fails unless DuckDB, pandas, polars and pyarrow see the same rows, in the order of the first column; prints the counts as JSON.
"""

import json
import sys
from pathlib import Path

import duckdb
import pandas
import polars
import pyarrow.parquet

from dataset import end


def main(dataset, *tables):
    faults, counts = [], {}
    for table in tables:
        path = str(Path(dataset, "latest", f"{table}.parquet"))
        key = duckdb.sql(f"DESCRIBE SELECT * FROM '{path}'").fetchall()[0][0]
        seen = {
            "DuckDB": [row[0] for row in duckdb.sql(f"SELECT {key} FROM '{path}' ORDER BY 1").fetchall()],
            "pandas": pandas.read_parquet(path, columns=[key])[key].tolist(),
            "polars": polars.scan_parquet(path).select(key).collect()[key].to_list(),
            "pyarrow": pyarrow.parquet.read_table(path, columns=[key])[key].to_pylist(),
        }
        counts[table] = len(seen["DuckDB"])
        faults += [f"{table}: {reader} sees other rows" for reader, ids in seen.items() if ids != seen["DuckDB"]]
    end(faults, json.dumps(counts))


main(*sys.argv[1:])
