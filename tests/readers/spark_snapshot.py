"""Is the latest snapshot what `scripts/queries/snapshot-spark.sql` says? spark_snapshot.py DATASET, of which no part is pruned

Has Spark make each table from the parts, and compares all rows with those of `latest`. Prints how many rows were compared, and
how many of them are gone.
"""

import json
import re
import sys
from pathlib import Path

from dataset import end, parts
from spark_session import session

QUERY = Path(__file__).resolve().parents[2] / "scripts/queries/snapshot-spark.sql"
# Table → key, what its walk lists, and its children with their link.
THINGS = {
    "models": ("id", "id", {"model_tags": "model_id"}),
    "model_versions": (
        "id", "model_id", {"version_files": "version_id", "file_hashes": "version_id", "version_images": "version_id"},
    ),
    "images": (
        "id", "id",
        {"image_meta": "image_id", "image_resources": "image_id", "image_model_versions": "image_id", "image_tags": "image_id"},
    ),
    "gallery_images": ("image_id,model_version_id", "image_id", {}),
    "creators": ("username", "username", {}),
    "tags": ("name", "name", {}),
    "enums": ("kind,value", "kind", {}),
}


def main(dataset):
    spark = session(dataset)
    spark.conf.set("spark.sql.session.timeZone", "UTC")
    settings, walks, things, children = re.sub(r"^--.*$", "", QUERY.read_text(), flags=re.MULTILINE).split(";\n")[:4]
    faults, counts = [], {}

    def run(statement, **values):
        for name, value in values.items():
            spark.conf.set(name, value)
        spark.sql(statement)

    def compare(table):
        made, kept = spark.table(f"latest_{table}"), spark.read.parquet(f"{dataset}/latest/{table}.parquet")
        made = made.select(kept.columns).cache()
        counts[table], gone = kept.selectExpr("count(*)", "count(gone_at)").first()
        counts["gone"] = counts.get("gone", 0) + gone
        # Where there are as many, and none too many, none is missing.
        rows, found = made.count(), made.exceptAll(kept).count()
        if found or rows != counts[table]:
            faults.append(f"{table}: {rows} rows for {counts[table]}, {found} of them too many")

    run(settings)
    run(walks, dataset=dataset)
    for table, (key, thing, of_it) in THINGS.items():
        if not parts(dataset, table):
            continue
        run(things, dataset=dataset, table=table, key=key, thing=thing)
        compare(table)
        for child, link in of_it.items():
            if parts(dataset, child):
                run(children, dataset=dataset, table=table, child=child, link=link)
                compare(child)
    spark.stop()
    end(faults, json.dumps(counts))


main(*sys.argv[1:])
