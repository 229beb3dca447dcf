"""DuckDB reads a snapshot, and files of the same rows that it has written itself: how large are they, how long takes each?

    scan.py SNAPSHOT DIRECTORY
"""

import statistics
import sys
import time
from pathlib import Path

import duckdb

ROUNDS = 9
snapshot, directory = map(Path, sys.argv[1:3])
db = duckdb.connect()
ours = sorted(snapshot.glob("*.parquet"))
own = [directory / file.name for file in ours]
for source, target in zip(ours, own):
    db.execute(f"COPY (FROM '{source}') TO '{target}' (COMPRESSION zstd)")


def scan(files):
    """Seconds to read every value of these files."""
    began = time.perf_counter()
    for file in files:
        columns = [name for name, *_ in db.sql(f"DESCRIBE FROM '{file}'").fetchall()]
        hashes = ", ".join(f'bit_xor(hash("{name}"))' for name in columns)
        db.sql(f"SELECT {hashes} FROM '{file}'").fetchall()
    return time.perf_counter() - began


scan(ours), scan(own)
ratios = [scan(ours) / scan(own) for _ in range(ROUNDS)]
sizes = [sum(file.stat().st_size for file in files) for files in (ours, own)]
print(f"a snapshot of {sizes[0] / 1e6:.1f} MB; the same rows written by DuckDB {sizes[1] / 1e6:.1f} MB; DuckDB reads the former in "
      f"{statistics.median(ratios):.2f}x the time ({min(ratios):.2f}-{max(ratios):.2f})")
