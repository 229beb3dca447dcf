"""DuckDB: the snapshot of a dataset by SQL, from its parts alone; or, with `equal`, the tables that are not as `latest` has them.

    snapshot.py SCHEMA DATASET DIRECTORY [equal]

SCHEMA is the output of `civitrawl schema --format json`. Things are those of `scripts/queries/snapshot.sql`; what belongs to them is
joined to the file of its owner, which is written before.
"""

import json
import sys
from pathlib import Path

import duckdb

schema, dataset, directory = sys.argv[1:4]
OWNERS = {"model_id": "models", "version_id": "model_versions", "image_id": "images", "post_id": "posts"}
PAGE = ["pass", "walk", "page"]
connection = duckdb.connect()
connection.execute("SET threads = 2")
connection.execute(f"SET file_search_path = '{dataset}'")
connection.execute((Path(__file__).resolve().parents[3] / "scripts/queries/snapshot.sql").read_text())


def path(table):
    """The table in `latest`: a file, or a directory of ranges."""
    file = Path(dataset, "latest", f"{table}.parquet")
    return f"{file}/*.parquet" if file.is_dir() else file


def columns(table):
    return [name for name, *_ in connection.execute(f"DESCRIBE FROM '{path(table)}'").fetchall()]


def select(table, key):
    """The rows of a table in a snapshot, as SQL."""
    parts, names = f"'{dataset}/parts/{table}/*.parquet'", columns(table)
    if "first_seen_at" in names:
        thing = "model_id" if table == "model_versions" else key[0]
        return f"SELECT {', '.join(names)} FROM latest_things('{table}', {key[0] if len(key) == 1 else '[' + ', '.join(key) + ']'}, {thing})"
    if "gone_at" in names:
        owner = f"'{directory}/{OWNERS[key[0]]}.parquet'"
        beside = " AND ".join(f"child.{name} = owner.{name}" for name in PAGE)
        kept = ", ".join(f"child.{name}" for name in names if name != "gone_at")
        return f"SELECT {kept}, owner.gone_at FROM {parts} AS child JOIN {owner} AS owner ON child.{key[0]} = owner.id AND {beside}"
    return f"SELECT {', '.join(names)} FROM {parts}"


for table in json.loads(Path(schema).read_text())["tables"]:
    name, key = table["name"], table["key"]
    if not Path(dataset, "latest", f"{name}.parquet").exists() or not list(Path(dataset, "parts", name).glob("*.parquet")):
        continue
    written = f"'{directory}/{name}.parquet'"
    if sys.argv[4:] != ["equal"]:
        connection.execute(f"COPY ({select(name, key)} ORDER BY {', '.join(key)}) TO {written} (COMPRESSION zstd)")
        continue
    names = ", ".join(columns(name))
    differing = [
        connection.execute(f"SELECT count(*) FROM (SELECT {names} FROM {one} EXCEPT ALL SELECT {names} FROM {other})").fetchone()[0]
        for one, other in ((written, f"'{path(name)}'"), (f"'{path(name)}'", written))
    ]
    if any(differing):
        print(f"{name}: {differing[0]} rows only by SQL, {differing[1]} only in `latest`")
