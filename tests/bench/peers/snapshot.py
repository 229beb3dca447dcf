"""DuckDB: the snapshot of a dataset by SQL, from its parts alone; or, with `equal`, the tables that are not as `latest` has them.

    snapshot.py SCHEMA DATASET DIRECTORY [equal]

SCHEMA is the output of `civitrawl schema --format json`. The rows of a table must be of one walk: with several, the place of each
in the crawl file decides within a pass. No row may be gone.
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


def path(table):
    """The table in `latest`: a file, or a directory of ranges."""
    file = Path(dataset, "latest", f"{table}.parquet")
    return f"{file}/*.parquet" if file.is_dir() else file


def columns(table):
    return [name for name, *_ in connection.execute(f"DESCRIBE FROM '{path(table)}'").fetchall()]


def select(table, key):
    """The rows of a table in a snapshot, as SQL: of an entity the latest, of what belongs to one those beside it."""
    parts, names = f"'{dataset}/parts/{table}/*.parquet'", columns(table)
    kept = ", ".join(name for name in names if name not in ("first_seen_at", "last_seen_at", "gone_at"))
    if "first_seen_at" in names:
        return f"""SELECT {kept}, first_seen_at, last_seen_at, NULL::TIMESTAMPTZ AS gone_at FROM (
            SELECT *, min(fetched_at) OVER same AS first_seen_at, max(fetched_at) OVER same AS last_seen_at,
                row_number() OVER (PARTITION BY {', '.join(key)}
                    ORDER BY pass DESC, fetched_at DESC, page DESC, walk DESC) AS place
            FROM {parts} WINDOW same AS (PARTITION BY {', '.join(key)})) WHERE place = 1"""
    if "gone_at" in names:
        owner = f"'{directory}/{OWNERS[key[0]]}.parquet'"
        beside = " AND ".join(f"child.{name} = owner.{name}" for name in PAGE)
        return f"""SELECT {kept}, NULL::TIMESTAMPTZ AS gone_at FROM {parts} AS child
            SEMI JOIN {owner} AS owner ON child.{key[0]} = owner.id AND {beside}"""
    return f"SELECT {kept} FROM {parts}"


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
