"""Does Spark read what is there as DuckDB does? spark.py DATASET PROGRAM README

Runs the README's block for Spark on the dataset, and what `schema --format spark` prints, twice, as two starts of
`spark-sql -i` do. Of every column of every table it then has, the values are compared with those that DuckDB sees in the
views of `schema --format sql`. Prints what differs, and how many rows and columns were compared.
"""

import re
import subprocess
import sys
from pathlib import Path

import duckdb

from dataset import end
from spark_session import session

# Of each type what two engines must agree on, in the words of DuckDB and of Spark, `#` being the column. Sums are of whole
# numbers: they depend on no order.
# Spark plans a set as any other sum, and each `count(DISTINCT)` as one more copy of all rows.
DISTINCT = ("count(DISTINCT #)", "size(collect_set(#))")
DIGESTS = {
    "BIGINT": [("sum(#::HUGEINT)", "sum(CAST(# AS DECIMAL(38, 0)))"), "min(#)", "max(#)"],
    "DOUBLE": ["min(#)", "max(#)", DISTINCT],
    "BOOLEAN": ["count_if(#)"],
    "VARCHAR": ["sum(length(#))", "min(#)", "max(#)", DISTINCT],
    "VARCHAR[]": [
        ("sum(len(#))", "sum(if(# IS NULL, NULL, size(#)))"),
        ("sum(length(array_to_string(#, ',')))", "sum(length(array_join(#, ',')))"),
    ],
    "TIMESTAMP WITH TIME ZONE": [
        ("sum(epoch_ms(#)::HUGEINT)", "sum(CAST(unix_millis(#) AS DECIMAL(38, 0)))"),
        ("min(epoch_ms(#))", "min(unix_millis(#))"),
    ],
    "BLOB": ["sum(octet_length(#))"],
}


def printed(program, form, dataset):
    command = [program, "schema", "--format", form, "--dataset", dataset]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def asked(columns):
    """What is asked of a table, in the words of each."""
    for name, kind in columns.items():
        for digest in ["count(#)", *DIGESTS[kind]]:
            ours, theirs = digest if isinstance(digest, tuple) else (digest, digest)
            yield ours.replace("#", f'"{name}"'), theirs.replace("#", f"`{name}`")


def main(dataset, program, readme):
    faults, compared, db = [], 0, duckdb.connect()
    db.execute(printed(program, "sql", dataset))
    spark = session(dataset)
    blocks = re.findall(r"^```python\n(.*?)^```$", Path(readme).read_text(), re.MULTILINE | re.DOTALL)
    block = next(block for block in blocks if block.startswith("spark."))
    exec(block.replace("data/sandbox", dataset), {"spark": spark})
    for _ in range(2):
        for statement in re.sub(r"^--.*$", "", printed(program, "spark", dataset), flags=re.MULTILINE).split(";\n"):
            if statement.strip():
                spark.sql(statement)
    for (table,) in db.execute("SELECT view_name FROM duckdb_views() WHERE NOT internal ORDER BY 1").fetchall():
        columns = {name: kind for name, kind, *_ in db.execute(f"DESCRIBE {table}").fetchall()}
        pairs = [("count(*)", "count(*)"), *asked(columns)]
        ours = db.execute(f"SELECT {', '.join(our for our, _ in pairs)} FROM {table}").fetchone()
        theirs = spark.sql(f"SELECT {', '.join(their for _, their in pairs)} FROM {table}").collect()[0]
        for (what, _), our, their in zip(pairs, ours, theirs):
            if str(our) != str(their):
                faults.append(f"{table}: {what} is {our} to DuckDB and {their} to Spark")
        compared += len(columns)
    spark.stop()
    end(faults, f"{compared} columns are the same")


main(*sys.argv[1:])
