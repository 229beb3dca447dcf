"""The rejects of a dataset.

    rejects.py DATASET          prints a JSON list of [position, item] in the order of pages, the items read back as JSON
"""

import json
import sys

import pyarrow.parquet

from dataset import parts

rows = [row for part in parts(sys.argv[1], "rejects") for row in pyarrow.parquet.read_table(part).to_pylist()]
rows.sort(key=lambda row: (row["walk"], row["page"], row["position"]))
print(json.dumps([[row["position"], json.loads(row["item"])] for row in rows]))
