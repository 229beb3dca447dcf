"""A dataset as its readers see it: the newest commit record, and the parts of each table."""

import json
from pathlib import Path

# The columns that distinguish the rows of a table within one page.
KEYS = {
    "models": ["id"],
    "model_tags": ["model_id", "position"],
    "model_versions": ["id"],
    "version_files": ["version_id", "id"],
    "file_hashes": ["version_id", "file_id", "algorithm"],
    "version_images": ["version_id", "position"],
}


def parts(dataset, table):
    """The Parquet files of a table."""
    return sorted(str(path) for path in Path(dataset, "parts", table).glob("*.parquet"))


def last_record(dataset):
    """The newest commit record."""
    return json.loads(max(Path(dataset, "commits").glob("*.json")).read_text())


def end(faults, summary):
    """Prints what was found and ends the process: 1 when there is any fault."""
    for fault in faults:
        print("FAULT", fault)
    print(summary)
    raise SystemExit(1 if faults else 0)
