"""Do engines that read a table by its Delta log see the snapshots?

    delta.py versions PLACE DATASET N,N...   the versions of each table are these snapshots of the dataset, in this order: the
                                             same rows to delta-rs and polars, and only files that differ added and removed
    delta.py latest PLACE DATASET            the last version of each table is the dataset's newest snapshot
    delta.py meddle PLACE TABLE              compacts, vacuums and describes the table anew, as somebody may
    delta.py readme PLACE README             runs the README's Python that reads a bucket on this place
    delta.py poll PLACE TABLE                reads the table again and again until stdin ends; prints each version seen with a
                                             digest of its rows, as JSON

PLACE is a directory, or a URL of a store that the environment names.
"""

import json
import os
import re
import sys
import threading
from pathlib import Path

import duckdb
import polars
from deltalake import DeltaTable, Field
from deltalake.schema import PrimitiveType

from dataset import end


def options(place):
    """How the store is reached; nothing for a directory."""
    if "://" not in place:
        return None
    named = ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    return {name: os.environ[name] for name in named} | {"AWS_ALLOW_HTTP": "true", "AWS_REGION": "us-east-1"}


def opened(place, table, version=None):
    return DeltaTable(f"{place}/tables/{table}", version=version, storage_options=options(place))


def snapshots(dataset):
    """number → the files of each table, by name, of each snapshot that the dataset keeps."""
    found = {}
    for path in sorted(Path(dataset, "snapshots").glob("*/snapshot.json")):
        inventory = json.loads(path.read_text())
        tables = found.setdefault(inventory["snapshot"], {})
        for file in inventory["files"]:
            name = file["table"] + ("_history" if file["history"] else "")
            tables.setdefault(name, set()).add(f"{file['hash']}.parquet")
    return found


def compare(name, seen, path):
    columns = [f'"{column}"' for column, *_ in duckdb.sql(f"DESCRIBE SELECT * FROM '{path}'").fetchall()]
    if sorted(columns) != sorted(f'"{column}"' for column in seen.column_names):
        return [f"{name}: has columns {seen.column_names}, and not {columns}"]
    faults = []
    for here, other in (("seen", f"'{path}'"), (f"'{path}'", "seen")):
        rows = f"SELECT {', '.join(columns)} FROM {here} EXCEPT ALL SELECT {', '.join(columns)} FROM {other}"
        count = duckdb.sql(f"SELECT count(*) FROM ({rows})").fetchall()[0][0]
        faults += [f"{name}: {count} rows of {here} are not in {other}"] if count else []
    return faults


def actions(place, table, version):
    """kind → actions of a version."""
    found = {}
    for line in Path(place, "tables", table, "_delta_log", f"{version:020}.json").read_text().splitlines():
        ((kind, action),) = json.loads(line).items()
        found.setdefault(kind, []).append(action)
    return found


def check_version(place, dataset, table, version, snapshot):
    path = Path(dataset, "snapshots", f"{snapshot:06}", f"{table}.parquet")
    name = f"version {version} of {table}"
    log = opened(place, table, version)
    faults = compare(f"{name} to delta-rs", log.to_pyarrow_table(), path)
    frame = polars.scan_delta(f"{place}/tables/{table}", version=version, storage_options=options(place)).collect()
    faults += compare(f"{name} to polars", frame.to_arrow(), path)
    rows = duckdb.sql(f"SELECT count(*) FROM '{path}'").fetchall()[0][0]
    counted = sum(log.get_add_actions(flatten=True)["num_records"].to_pylist())
    return faults + ([f"{name} says that it has {counted} rows of {rows}"] if counted != rows else [])


def versions(place, dataset, numbers):
    faults, wanted, kept = [], [int(number) for number in numbers.split(",")], snapshots(dataset)
    tables = set.union(*(set(kept[number]) for number in wanted))
    for table in sorted(tables):
        history = sorted((entry["version"], int(entry["snapshot"])) for entry in named(opened(place, table)))
        numbered = list(enumerate(number for number in wanted if table in kept[number]))
        if history != numbered:
            faults.append(f"{table} has the versions {history}, and not {numbered}")
            continue
        before = set()
        for version, snapshot in numbered:
            faults += check_version(place, dataset, table, version, snapshot)
            files = kept[snapshot][table]
            if "://" not in place:
                log = actions(place, table, version)
                sides = [("add", files - before), ("remove", before - files)]
                for kind, due in sides:
                    touched = {action["path"] for action in log.get(kind, [])}
                    faults += [f"version {version} of {table}: {kind} of {touched}, and not {due}"] if touched != due else []
                if ("metaData" in log) != (version == 0):
                    faults.append(f"version {version} of {table} describes it, or does not")
            before = files
    end(faults, json.dumps({"tables": len(tables), "versions": len(wanted)}))


def named(log):
    """The versions that name a snapshot."""
    entries = ({"version": entry["version"], **entry.get("operationParameters", {})} for entry in log.history())
    return [entry for entry in entries if "snapshot" in entry]


def latest(place, dataset):
    faults, (snapshot, tables) = [], max(snapshots(dataset).items())
    for table in tables:
        log = opened(place, table)
        faults += check_version(place, dataset, table, log.version(), snapshot)
        described = log.metadata()
        if described.name != table or [field.name for field in log.schema().fields if field.name == "meddled"]:
            faults.append(f"{table} is described otherwise: {described}")
    end(faults, json.dumps({"tables": len(tables)}))


def meddle(place, table):
    log = opened(place, table)
    removed = log.vacuum(dry_run=False)
    compacted = log.optimize.compact(target_size=1 << 40)
    log.alter.add_columns([Field("meddled", PrimitiveType("long"))])
    log.create_checkpoint()
    # Nothing is removed unless somebody insists.
    end([f"a vacuum removed {removed}"] if removed else [], json.dumps(compacted))


def readme(place, text):
    blocks = re.findall(r"^```python\n(.*?)^```$", Path(text).read_text(), re.MULTILINE | re.DOTALL)
    blocks = [block for block in blocks if "s3://my-bucket/models" in block]
    for block in blocks:
        exec(compile(block.replace("s3://my-bucket/models", place), text, "exec"), {})
    end([] if blocks else ["the README has lost its Python"], len(blocks))


def poll(place, table):
    seen, faults, ended = {}, [], threading.Event()

    def look():
        log = opened(place, table)
        rows = log.to_pyarrow_table()
        digest = duckdb.sql("SELECT count(*), sum(id)::BIGINT, sum(like_count)::BIGINT FROM rows").fetchall()[0]
        if seen.setdefault(log.version(), digest) != digest:
            faults.append(f"version {log.version()} is {digest}, and was {seen[log.version()]}")

    look()
    print(json.dumps("ready"), flush=True)
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    while not ended.is_set():
        look()
    # However slow it was, it sees the last one.
    look()
    end(faults, json.dumps(seen))


globals()[sys.argv[1]](*sys.argv[2:])
