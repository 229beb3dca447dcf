"""Fails unless the newest snapshot of a dataset is what its parts and records say, computed by other means.

    snapshot.py DATASET [OTHER]

Every table: the newest observation of each thing, its child rows, when it was first and last seen and when it had
gone, by the records, and by `scripts/queries/snapshot.sql`; every history: a row per change. OTHER is a dataset with all parts, where DATASET's own have been pruned.
"""

import functools
import json
import sys
from pathlib import Path

import duckdb
import pyarrow.parquet

from dataset import KEYS, end, last_record, parts

ENTITIES = [
    "models", "model_versions", "images", "gallery_images", "creators", "tags", "posts", "users", "enums",
]
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
    "post_tags": ("posts", "post_id"),
    "post_images": ("posts", "post_id"),
}
ALL_KEYS = KEYS | LOGS | {
    "images": ["id"], "creators": ["username"], "tags": ["name"], "image_meta": ["image_id"],
    "image_resources": ["image_id", "position"], "image_model_versions": ["image_id", "model_version_id"],
    "image_tags": ["image_id", "tag_id"], "gallery_images": ["image_id", "model_version_id"],
    "posts": ["id"], "post_tags": ["post_id", "position"], "post_images": ["post_id", "position"],
    "users": ["id"], "enums": ["kind", "value"],
}
# What a history leaves out: what is long, hardly repeats, or is only a place.
STATELESS = {
    "id", "username", "name", "description", "extra", "creator_image", "link", "image", "url", "hash", "download_url",
    "position", "pass", "walk", "page", "fetched_at", "air", "cosmetic", "early_access_config",
    "training_details", "model", "thumbnail_url",
    "title", "detail",
}
TEXT_STATES = {("model_versions", "name"), ("model_versions", "air"), ("posts", "username"), ("users", "username")}
SHOWN = 5
# So many mild images, and no other, look like a region's clamp.
CLAMP_ITEMS = 500


def states(table):
    """Returns the columns whose changes a history records."""
    glob = source(table)
    names = [name for name, *_ in duckdb.execute(f"DESCRIBE SELECT * FROM {glob}").fetchall()]
    return [name for name in names if name not in STATELESS or (table, name) in TEXT_STATES]


def records(dataset):
    return [json.loads(path.read_text()) for path in sorted(Path(dataset, "commits").glob("*.json"))]


def is_clamped(walk):
    """Returns whether nothing above PG13 was sent where it was asked for: a region's clamp proves no deletion."""
    return not walk.get("above_pg13") and (walk.get("unasked_mild", 0) > 0 or walk.get("mild", 0) >= CLAMP_ITEMS)


def is_believed(walk):
    """Whether it went through a whole list to an end that counts; what was rejected or given up costs only itself."""
    ends = [walk["end"]["why"], *walk.get("ends", {})]
    return set(ends) <= {"complete", "not_found", "unlistable"} and walk.get("since") is None and not is_clamped(walk)


def passes(dataset):
    """pass → walks in order, question of each, how each stood last, and when all were over."""
    found = {}
    for record in records(dataset):
        definition = record["definition"]
        walks = definition["walks"]
        one = found.setdefault(record["pass"], {"order": [walk["name"] for walk in walks], "over": None})
        questions = ([definition["server"], walk["endpoint"], walk["params"], walk.get("for_each")] for walk in walks)
        one["asks"] = {walk["name"]: asks for walk, asks in zip(walks, questions)}
        one["walks"] = record["walks"]
        one["partial"] = {
            walk["name"] for walk in walks
            if (walk.get("for_each") or {}).get("only") or walk.get("finds_gone") is not None
        }
        if one["over"] is None and all(walk.get("end") for walk in record["walks"].values()):
            one["over"] = record["at"]
    return found


def answers(found):
    """Each pass and walk with the later believed passes that asked the same: number, end, and the things left open."""
    for number, one in found.items():
        for walk, asks in one["asks"].items():
            if is_clamped(one["walks"].get(walk, {})):
                # It shows what was not asked for, which no later one shows.
                continue
            for later, other in found.items():
                same = later > number and other["over"] and other["asks"].get(walk) == asks
                if same and walk not in other["partial"] and is_believed(other["walks"][walk]):
                    yield number, walk, later, other["over"], other["walks"][walk].get("withheld", [])


def prepare(dataset):
    """The tables `ranks`, `answers` and `withheld` for the queries below."""
    found = passes(dataset)
    duckdb.execute("CREATE TABLE ranks (pass BIGINT, base VARCHAR, rank BIGINT)")
    duckdb.execute("CREATE TABLE answers (pass BIGINT, base VARCHAR, missed BIGINT, gone_at TIMESTAMPTZ)")
    duckdb.execute("CREATE TABLE withheld (base VARCHAR, missed BIGINT, thing VARCHAR)")
    for number, one in found.items():
        for rank, walk in enumerate(one["order"]):
            duckdb.execute("INSERT INTO ranks VALUES (?, ?, ?)", [number, walk, rank])
    for number, walk, missed, at, withheld in answers(found):
        # Tables hold milliseconds.
        row = [number, walk, missed, at]
        duckdb.execute("INSERT INTO answers VALUES (?, ?, ?, date_trunc('milliseconds', ?::TIMESTAMPTZ))", row)
        for thing in withheld:
            duckdb.execute("INSERT INTO withheld VALUES (?, ?, ?)", [walk, missed, thing])


def source(table):
    """All rows of a table; of one without parts none, in the columns that it has."""
    if files := parts(PARTS, table):
        return f"read_parquet({files}, union_by_name = true)"
    return f"(SELECT * EXCLUDE ({', '.join(added(table))}) FROM '{LATEST}/{table}.parquet' WHERE false)"


def added(table):
    """The columns that only a snapshot has."""
    return [] if table in LOGS else ["gone_at"] if table in OWNERS else ["first_seen_at", "last_seen_at", "gone_at"]


NEWEST = "pass DESC, rank, fetched_at DESC, page DESC, walk DESC"


def ranked(table):
    """All rows with their walk's place, and the first pass that finds what they show gone."""
    # A list of models shows their versions.
    key = "model_id" if table == "model_versions" else ALL_KEYS[table][0]
    return f"""WITH o AS (SELECT *, split_part(walk, '/', 1) AS base, CAST("{key}" AS VARCHAR) AS thing FROM {source(table)}),
        asked AS (SELECT DISTINCT pass, base, thing FROM o),
        goes AS (SELECT pass, base, thing, min(missed) AS missed, min(gone_at) AS gone_at
            FROM (FROM asked JOIN answers USING (pass, base)) ANTI JOIN withheld USING (base, missed, thing) GROUP BY ALL)
        SELECT o.* EXCLUDE (base, thing), rank, missed, gone_at FROM o
        LEFT JOIN ranks USING (pass, base) LEFT JOIN goes USING (pass, base, thing)"""


def winners(table):
    key = ", ".join(f'"{column}"' for column in ALL_KEYS[table])
    return f"""SELECT * EXCLUDE (rank, missed) FROM (
        SELECT *, min(fetched_at) OVER (PARTITION BY {key}) AS first_seen_at,
            max(fetched_at) OVER (PARTITION BY {key}) AS last_seen_at FROM ({ranked(table)})
        QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY {NEWEST}) = 1)"""


def expected(table):
    if table in ENTITIES:
        return winners(table)
    if table in OWNERS:
        owner, link = OWNERS[table]
        return f"""SELECT c.*, w.gone_at FROM {source(table)} c JOIN ({winners(owner)}) w
            ON w."{ALL_KEYS[owner][0]}" = c."{link}" AND w.pass = c.pass AND w.walk = c.walk AND w.page = c.page"""
    bodies = "EXCLUDE (body, body_encoding)" if table == "pages" else ""
    return f"SELECT * {bodies} FROM {source(table)}"


def by_query(table):
    """The table as `scripts/queries/snapshot.sql` defines it; `None` where it lacks parts."""
    owner, link = OWNERS.get(table, (table, None))
    if table in LOGS or not parts(PARTS, table) or not parts(PARTS, owner):
        return None
    key = ", ".join(f'"{column}"' for column in ALL_KEYS[owner])
    thing = "model_id" if owner == "model_versions" else f'"{ALL_KEYS[owner][0]}"'
    if table in OWNERS:
        return f"FROM latest_children('{table}', {link}, '{owner}', {thing})"
    return f"FROM latest_things('{table}', [{key}], {thing})"


# A file is compared with two definitions of it, and read once.
@functools.cache
def columns_of(rows):
    return tuple(duckdb.sql(rows).columns)


@functools.cache
def digest(rows, columns):
    """Returns how many rows there are, and a number that the same rows have in any order."""
    names = ", ".join(f'"{column}"' for column in columns)
    return duckdb.execute(f"SELECT count(*), sum(hash({names})) FROM ({rows})").fetchall()[0]


def compare(name, wanted, path):
    there = f"FROM '{path}'"
    columns = columns_of(there)
    if missing := set(columns).symmetric_difference(columns_of(wanted)):
        return [f"{name}: columns differ: {sorted(missing)}"]
    if digest(wanted, columns) == digest(there, columns):
        return []
    duckdb.execute(f"CREATE OR REPLACE TEMP TABLE wanted AS {wanted}")
    counts = [digest(rows, columns)[0] for rows in (wanted, there)]
    faults = [f"{name}: {counts[1]} rows, not {counts[0]}"] if counts[0] != counts[1] else []
    names = ", ".join(f'"{column}"' for column in columns)
    # As sets, which takes far less: no row is there twice, see `is_sorted`, and there are as many.
    for what, here, other in (("missing", "FROM wanted", there), ("too many", there, "FROM wanted")):
        found = duckdb.execute(f"SELECT CAST(r AS VARCHAR) FROM (SELECT {names} {here} EXCEPT SELECT {names} {other}) r").fetchall()
        if found:
            faults.append(f"{name}: {len(found)} rows {what}:")
            faults.extend(f"  {row[0][:400]}" for row in found[:SHOWN])
    return faults


def is_sorted(name, path, key):
    columns = pyarrow.parquet.read_table(path, columns=key)
    # Texts in the order of their bytes, as the files have them.
    faults = [] if columns == columns.sort_by([(column, "ascending") for column in key]) else [f"{name}: not sorted by {key}"]
    return faults if len(columns.group_by(key).aggregate([])) == len(columns) else [*faults, f"{name}: a key twice"]


def periods(rows):
    """(key, state, pass, walk, page, fetched_at, missed, gone_at) of each pass → the rows of a history."""
    periods, last = [], None
    for row in rows:
        key, state, number, walk, page, at, missed, gone_at = row
        if last and last[0] is not None and last[0] < number and periods[-1][-1] is None:
            periods[-1][-1] = last[1]
        if not periods or periods[-1][-1] is not None or periods[-1][1] != state:
            if periods and periods[-1][-1] is None:
                periods[-1][-1] = at
            periods.append([key, state, number, walk, page, at, None])
        last = (missed, gone_at)
    if last and last[0] is not None:
        periods[-1][-1] = last[1]
    return periods


def check_history(table, path):
    key = "[" + ", ".join(f'CAST("{column}" AS VARCHAR)' for column in ALL_KEYS[table]) + "]"
    columns = states(table)
    at = "epoch_ms(fetched_at), missed, epoch_ms(gone_at)"
    newest = f"""SELECT {key}, [{', '.join(f'CAST("{c}" AS VARCHAR)' for c in columns)}], pass, walk, page, {at}
        FROM ({ranked(table)}) QUALIFY row_number() OVER (PARTITION BY {key}, pass ORDER BY {NEWEST}) = 1
        ORDER BY {key}, pass"""
    wanted, rows = [], []
    for row in duckdb.execute(newest).fetchall():
        if rows and rows[-1][0] != row[0]:
            wanted += periods(rows)
            rows = []
        rows.append(row)
    wanted += periods(rows) if rows else []
    query = f"""SELECT {key}, [{', '.join(f'CAST("{c}" AS VARCHAR)' for c in columns)}], pass, walk, page,
        epoch_ms(valid_from), epoch_ms(valid_to) FROM '{path}' ORDER BY {key}, valid_from"""
    found = [list(row) for row in duckdb.execute(query).fetchall()]
    if found == wanted:
        return [], len(found)
    differ = [(a, b) for a, b in zip(wanted, found) if a != b][:SHOWN]
    return [f"{table}_history: {len(wanted)} rows wanted, {len(found)} found; first differences {differ}"], len(found)


def check_files(path, key, files):
    """A table is a file, or a directory of files, each with the rows of its range of ids."""
    ranges = [file.get("range") for file in files]
    places = {path / f"{range:04}.parquet" if range is not None else path: file for range, file in zip(ranges, files)}
    faults = []
    if path.is_dir() and {*path.iterdir()} != {*places}:
        faults.append(f"{path} holds {sorted(path.iterdir())}, and not {sorted(places)}")
    for place, file in places.items():
        if pyarrow.parquet.ParquetFile(place).metadata.num_rows != file["rows"]:
            faults.append(f"{place}: its rows are not {file['rows']}")
        if file.get("range") is not None:
            of = f"least(greatest({key} >> 20, 0), 2047)"
            other = duckdb.execute(f"SELECT count(*) FROM '{place}' WHERE {of} != {file['range']}").fetchall()[0][0]
            faults += [f"{place} holds {other} rows of other ranges"] if other else []
            faults += [f"{place} is empty"] if file["rows"] == 0 and len(files) > 1 else []
    return faults


def main(dataset, other=None):
    global PARTS, LATEST
    PARTS, LATEST = other or dataset, Path(dataset, "latest")
    duckdb.execute("SET threads = 1")
    prepare(dataset)
    duckdb.execute(f"SET file_search_path = '{dataset}'")
    duckdb.execute((Path(__file__).resolve().parents[2] / "scripts/queries/snapshot.sql").read_text())
    faults, counts, latest = [], {}, LATEST
    inventory = json.loads(Path(latest, "snapshot.json").read_text())
    files = {}
    for file in inventory["files"]:
        files.setdefault((file["table"], file["history"]), []).append(file)
    tables = {path.name for path in Path(PARTS, "parts").iterdir() if any(path.glob("*.parquet"))}
    # A table without rows has a file too, where it was asked for.
    if not tables <= {table for table, history in files if not history}:
        faults.append(f"tables {sorted(tables)}, files {sorted(files)}")
    if inventory["commit"] != last_record(dataset)["commit"] and other is None:
        faults.append(f"it reaches commit {inventory['commit']} only")
    for (table, history), of_table in files.items():
        path = latest / f"{table}{'_history' if history else ''}.parquet"
        if history:
            found, counts[f"{table}_history"] = check_history(table, path)
            faults += found
        else:
            faults += compare(table, expected(table), path)
            if not other and (query := by_query(table)):
                faults += compare(f"{table} by snapshot.sql", query, path)
            faults += is_sorted(table, path, ALL_KEYS[table])
            counts[table] = duckdb.execute(f"SELECT count(*) FROM '{path}'").fetchall()[0][0]
        faults += check_files(path, ALL_KEYS[table][0], of_table)
    gone_rows = sum(
        duckdb.execute(f"SELECT count(gone_at) FROM '{latest / table}.parquet'").fetchall()[0][0]
        for table, history in files
        if not history and table not in LOGS
    )
    end(faults, json.dumps(counts | {"gone": gone_rows, "from": inventory["from"]}))


main(*sys.argv[1:])
