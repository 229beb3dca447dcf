"""Fails unless the newest snapshot of a dataset is what its parts and records say, computed by other means.

    snapshot.py DATASET [OTHER]

Every table: the newest observation of each thing, its child rows, when it was first and last seen and when it had
gone; every history: a row per change. OTHER is a dataset with all parts, where DATASET's own have been pruned.
"""

import json
import sys
from pathlib import Path

import duckdb
import pyarrow.parquet

from dataset import KEYS, end, last_record, parts

ENTITIES = ["models", "model_versions", "images", "gallery_images", "creators", "tags"]
LOGS = {"pages": ["pass", "walk", "page"], "rejects": ["pass", "walk", "page", "position"]}
# Child tables: the table of the things they belong to, and the column that names the thing.
OWNERS = {
    "model_tags": ("models", "model_id"),
    "version_files": ("model_versions", "version_id"),
    "file_hashes": ("model_versions", "version_id"),
    "version_images": ("model_versions", "version_id"),
    "image_meta": ("images", "image_id"),
    "image_resources": ("images", "image_id"),
    "image_model_versions": ("images", "image_id"),
    "image_tags": ("images", "image_id"),
}
ALL_KEYS = KEYS | LOGS | {
    "images": ["id"], "creators": ["username"], "tags": ["name"], "image_meta": ["image_id"],
    "image_resources": ["image_id", "position"], "image_model_versions": ["image_id", "model_version_id"],
    "image_tags": ["image_id", "tag_id"], "gallery_images": ["image_id", "model_version_id"],
}
# What a history leaves out: what is long, hardly repeats, or is only a place.
STATELESS = {
    "id", "username", "name", "description", "extra", "creator_image", "link", "image", "url", "hash", "download_url",
    "position", "pass", "walk", "page", "fetched_at", "air",
}
TEXT_STATES = {("model_versions", "name"), ("model_versions", "air")}
SHOWN = 5


def states(table):
    """The columns whose changes a history tells."""
    glob = source(table)
    names = [name for name, *_ in duckdb.sql(f"DESCRIBE SELECT * FROM {glob}").fetchall()]
    return [name for name in names if name not in STATELESS or (table, name) in TEXT_STATES]


def records(dataset):
    return [json.loads(path.read_text()) for path in sorted(Path(dataset, "commits").glob("*.json"))]


def is_complete(walk):
    end = walk.get("end") or {}
    doubts = walk.get("rejects") or walk.get("given_up") or walk.get("troubles")
    return end.get("why") == "complete" and not doubts and walk.get("since") is None


def passes(dataset):
    """pass → walks in order, question of each, and when it ended with which complete walks."""
    found = {}
    for record in records(dataset):
        walks = record["definition"]["walks"]
        one = found.setdefault(record["pass"], {"order": [walk["name"] for walk in walks], "over": None})
        one["asks"] = {walk["name"]: (walk["endpoint"], walk["params"], walk.get("for_each")) for walk in walks}
        if one["over"] is None and all(walk.get("end") for walk in record["walks"].values()):
            partial = {walk["name"] for walk in walks if (walk.get("for_each") or {}).get("only")}
            complete = [name for name, walk in record["walks"].items() if is_complete(walk) and name not in partial]
            one["over"] = (record["at"], complete)
    return found


def gone(found):
    """(pass, walk) → (pass that missed it, when)."""
    answers = {}
    for number, one in found.items():
        for walk, asks in one["asks"].items():
            later = (q for q in sorted(found) if q > number and found[q]["over"])
            full = (q for q in later if walk in found[q]["over"][1] and found[q]["asks"].get(walk) == asks)
            missed = next(full, None)
            answers[number, walk] = (missed, found[missed]["over"][0]) if missed else None
    return answers


def prepare(dataset):
    """The tables `ranks` and `goes` for the queries below."""
    found = passes(dataset)
    duckdb.sql("CREATE TABLE ranks (pass BIGINT, base VARCHAR, rank BIGINT)")
    duckdb.sql("CREATE TABLE goes (pass BIGINT, base VARCHAR, missed BIGINT, gone_at TIMESTAMPTZ)")
    for number, one in found.items():
        for rank, walk in enumerate(one["order"]):
            duckdb.execute("INSERT INTO ranks VALUES (?, ?, ?)", [number, walk, rank])
    for (number, walk), missed in gone(found).items():
        if missed:
            row = [number, walk, missed[0], missed[1]]
            # Tables hold milliseconds.
            duckdb.execute("INSERT INTO goes VALUES (?, ?, ?, date_trunc('milliseconds', ?::TIMESTAMPTZ))", row)


def source(table):
    files = parts(PARTS, table)
    return f"read_parquet({files}, union_by_name = true)"


NEWEST = "pass DESC, rank, fetched_at DESC, page DESC, walk DESC"


def ranked(table, columns="*"):
    return f"""SELECT {columns}, rank, missed, gone_at FROM {source(table)} o
        LEFT JOIN ranks r ON r.pass = o.pass AND r.base = split_part(o.walk, '/', 1)
        LEFT JOIN goes g ON g.pass = o.pass AND g.base = split_part(o.walk, '/', 1)"""


def winners(table):
    key = ", ".join(f'"{column}"' for column in ALL_KEYS[table])
    return f"""SELECT * EXCLUDE (rank, missed) FROM (
        SELECT *, min(fetched_at) OVER (PARTITION BY {key}) AS first_seen_at,
            max(fetched_at) OVER (PARTITION BY {key}) AS last_seen_at FROM ({ranked(table, 'o.*')})
        QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY {NEWEST}) = 1)"""


def expected(table):
    if table in ENTITIES:
        return winners(table)
    if table in OWNERS:
        owner, link = OWNERS[table]
        if not parts(PARTS, owner):
            return f"SELECT *, NULL AS gone_at FROM {source(table)} WHERE false"
        return f"""SELECT c.*, w.gone_at FROM {source(table)} c JOIN ({winners(owner)}) w
            ON w."{ALL_KEYS[owner][0]}" = c."{link}" AND w.pass = c.pass AND w.walk = c.walk AND w.page = c.page"""
    bodies = "EXCLUDE (body, body_encoding)" if table == "pages" else ""
    return f"SELECT * {bodies} FROM {source(table)}"


def compare(name, wanted, path):
    columns = ", ".join(f'"{column}"' for column, *_ in duckdb.sql(f"DESCRIBE {wanted}").fetchall())
    there = {column for column, *_ in duckdb.sql(f"DESCRIBE SELECT * FROM '{path}'").fetchall()}
    missing = there.symmetric_difference(column.strip('"') for column in columns.split(", "))
    if missing:
        return [f"{name}: columns differ: {sorted(missing)}"]
    faults = []
    for what, here, other in (("missing", wanted, f"FROM '{path}'"), ("too many", f"FROM '{path}'", wanted)):
        rows = f"(SELECT {columns} FROM ({here})) EXCEPT ALL (SELECT {columns} FROM ({other}))"
        found = duckdb.sql(f"SELECT CAST(r AS VARCHAR) FROM ({rows}) r").fetchall()
        if found:
            faults.append(f"{name}: {len(found)} rows {what}:")
            faults.extend(f"  {row[0][:400]}" for row in found[:SHOWN])
    return faults


def is_sorted(name, path, key):
    columns = pyarrow.parquet.read_table(path, columns=key)
    rows = list(zip(*(columns[column].to_pylist() for column in key)))
    # Texts in the order of their bytes, as the files have them.
    rows = [tuple(v.encode() if isinstance(v, str) else v for v in row) for row in rows]
    faults = [] if rows == sorted(rows) else [f"{name}: not sorted by {key}"]
    return faults if len(set(rows)) == len(rows) else [*faults, f"{name}: a key twice"]


def periods(rows):
    """(key, state, pass, walk, page, fetched_at, missed, gone_at) of each pass → the rows of a history."""
    told, last = [], None
    for row in rows:
        key, state, number, walk, page, at, missed, gone_at = row
        if last and last[0] is not None and last[0] < number and told[-1][-1] is None:
            told[-1][-1] = last[1]
        if not told or told[-1][-1] is not None or told[-1][1] != state:
            if told and told[-1][-1] is None:
                told[-1][-1] = at
            told.append([key, state, number, walk, page, at, None])
        last = (missed, gone_at)
    if last and last[0] is not None:
        told[-1][-1] = last[1]
    return told


def check_history(table, path):
    key, columns = ALL_KEYS[table][0], states(table)
    state = ", ".join(f'"{column}"' for column in columns)
    at = "epoch_ms(fetched_at), missed, epoch_ms(gone_at)"
    newest = f"""SELECT "{key}", [{', '.join(f'CAST("{c}" AS VARCHAR)' for c in columns)}], pass, walk, page, {at}
        FROM ({ranked(table, 'o.*')}) QUALIFY row_number() OVER (PARTITION BY "{key}", pass ORDER BY {NEWEST}) = 1
        ORDER BY "{key}", pass"""
    wanted, rows = [], []
    for row in duckdb.sql(newest).fetchall():
        if rows and rows[-1][0] != row[0]:
            wanted += periods(rows)
            rows = []
        rows.append(row)
    wanted += periods(rows) if rows else []
    told = f"""SELECT "{key}", [{', '.join(f'CAST("{c}" AS VARCHAR)' for c in columns)}], pass, walk, page,
        epoch_ms(valid_from), epoch_ms(valid_to) FROM (SELECT "{key}", {state}, pass, walk, page, valid_from, valid_to
        FROM '{path}') ORDER BY "{key}", valid_from"""
    found = [list(row) for row in duckdb.sql(told).fetchall()]
    if found == wanted:
        return [], len(found)
    differ = [(a, b) for a, b in zip(wanted, found) if a != b][:SHOWN]
    return [f"{table}_history: {len(wanted)} rows wanted, {len(found)} found; first differences {differ}"], len(found)


def main(dataset, other=None):
    global PARTS
    PARTS = other or dataset
    prepare(dataset)
    faults, counts = [], {}
    latest = Path(dataset, "latest")
    inventory = json.loads(Path(latest, "snapshot.json").read_text())
    files = {(file["table"], file["history"]): file for file in inventory["files"]}
    tables = {path.name for path in Path(PARTS, "parts").iterdir() if any(path.glob("*.parquet"))}
    if tables != {table for table, history in files if not history}:
        faults.append(f"tables {sorted(tables)}, files {sorted(files)}")
    if inventory["commit"] != last_record(dataset)["commit"] and other is None:
        faults.append(f"it reaches commit {inventory['commit']} only")
    for (table, history), file in files.items():
        path = latest / f"{table}{'_history' if history else ''}.parquet"
        if history:
            found, counts[f"{table}_history"] = check_history(table, path)
            faults += found
        else:
            faults += compare(table, expected(table), path)
            faults += is_sorted(table, path, ALL_KEYS[table])
            counts[table] = duckdb.sql(f"SELECT count(*) FROM '{path}'").fetchall()[0][0]
        if pyarrow.parquet.ParquetFile(path).metadata.num_rows != file["rows"]:
            faults.append(f"{path}: its rows are not {file['rows']}")
    gone_rows = sum(
        duckdb.sql(f"SELECT count(gone_at) FROM '{latest / table}.parquet'").fetchall()[0][0]
        for table, history in files
        if not history and table not in LOGS
    )
    end(faults, json.dumps(counts | {"gone": gone_rows, "from": inventory["from"]}))


main(*sys.argv[1:])
