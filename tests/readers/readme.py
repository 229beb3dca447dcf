"""Runs the README's Python as a reader pastes it, and every ready query: readme.py README DIRECTORY, where `data/sandbox` was
crawled. Only the history of a single pass may have no rows.

Spark is no part of this Python: its block is left out, and so are those that read a bucket, which `delta.py` runs.
"""

import os
import re
import sys
from pathlib import Path

import duckdb


def main(readme, directory):
    blocks = re.findall(r"^```python\n(.*?)^```$", Path(readme).read_text(), re.MULTILINE | re.DOTALL)
    blocks = [block for block in blocks if not block.startswith("spark.") and "s3://" not in block]
    assert blocks, "the README has lost its Python"
    os.chdir(directory)
    for block in blocks:
        exec(compile(block, readme, "exec"), {})
    queries = sorted(Path(readme).resolve().parent.glob("scripts/queries/*.sql"))
    assert queries, "the queries are lost"
    os.chdir("data/sandbox")
    for query in queries:
        if query.name == "snapshot.sql":
            # Definitions; `snapshot.py` asks them.
            duckdb.execute(query.read_text())
            continue
        rows = duckdb.sql(query.read_text()).fetchall()
        assert rows or query.name == "downloads-by-week.sql", f"{query.name} finds nothing"


main(*sys.argv[1:])
