"""Do DuckDB, pyarrow, pandas and polars read a dataset as it is declared?

    schema.py DATASET PROGRAM

PROGRAM is the civitrawl whose `schema --format json` declares the tables. Each table must have exactly the declared
columns with the declared types in every reader, and the same rows: their number, checksums of a few columns, and the
join models, model_versions, version_files, file_hashes. Prints what differs; exit code 1 when anything does.
"""

import json
import subprocess
import sys

import duckdb
import pandas
import polars
import pyarrow.compute as pc
import pyarrow.dataset

from dataset import end, parts

# A declared type as pyarrow, pandas (on pyarrow) and polars name it; DuckDB uses the declared name itself.
TYPES = {
    "BIGINT": ("int64", "int64[pyarrow]", "Int64"),
    "DOUBLE": ("double", "double[pyarrow]", "Float64"),
    "BOOLEAN": ("bool", "bool[pyarrow]", "Boolean"),
    "VARCHAR": ("string", "string[pyarrow]", "String"),
    "BLOB": ("binary", "binary[pyarrow]", "Binary"),
    "TIMESTAMP WITH TIME ZONE": (
        "timestamp[ms, tz=UTC]",
        "timestamp[ms, tz=UTC][pyarrow]",
        "Datetime(time_unit='ms', time_zone='UTC')",
    ),
    "VARCHAR[]": ("list<item: string>", "list<item: string>[pyarrow]", "List(String)"),
}


def declared(program):
    """table → column → (type, nullable)."""
    schema = json.loads(subprocess.run([program, "schema", "--format", "json"], check=True, capture_output=True).stdout)
    columns = lambda table: {column["name"]: (column["type"], column["nullable"]) for column in table["columns"]}
    return {table["name"]: columns(table) for table in schema["tables"]}


class DuckDb:
    def __init__(self, files):
        self.files = files

    def types(self, table):
        return {name: kind for name, kind, *_ in duckdb.execute(f"DESCRIBE {self._from(table)}").fetchall()}

    def wanted(self, kind):
        return kind

    def checksums(self, table, columns):
        one = {
            "BIGINT": 'sum("{0}")::BIGINT', "DOUBLE": 'max("{0}")', "BOOLEAN": 'count(*) FILTER ("{0}")',
            "VARCHAR": 'sum(strlen("{0}"))::BIGINT', "TIMESTAMP WITH TIME ZONE": 'sum(epoch_ms("{0}"))::BIGINT',
            "VARCHAR[]": 'sum(len("{0}"))::BIGINT', "BLOB": 'sum(octet_length("{0}"))::BIGINT',
        }
        sums = [f'count("{name}"), {one[kind].format(name)}' for name, kind in columns.items()]
        found = duckdb.execute(f"SELECT count(*), {', '.join(sums)} {self._from(table)}").fetchall()[0]
        return found[0], {name: (found[2 * n + 1], found[2 * n + 2] or 0) for n, name in enumerate(columns)}

    def join(self):
        tables = ["models", "model_versions", "version_files", "file_hashes"]
        m, v, f, h = (f"({self._from(table)})" for table in tables)
        sql = f"""SELECT algorithm, count(*), count(DISTINCT m.id), sum(strlen(hash))::BIGINT FROM {m} m
            JOIN {v} v ON v.model_id = m.id AND v.walk = m.walk AND v.page = m.page
            JOIN {f} f ON f.version_id = v.id AND f.walk = v.walk AND f.page = v.page
            JOIN {h} h ON h.version_id = f.version_id AND h.file_id = f.id AND h.walk = f.walk AND h.page = f.page
            GROUP BY algorithm ORDER BY algorithm"""
        return duckdb.execute(sql).fetchall()

    def _from(self, table):
        return f"FROM read_parquet({self.files[table]})"


class PyArrow:
    def __init__(self, files):
        self.tables = {table: pyarrow.dataset.dataset(paths).to_table() for table, paths in files.items()}

    def types(self, table):
        return {field.name: str(field.type).replace("element:", "item:") for field in self.tables[table].schema}

    def wanted(self, kind):
        return TYPES[kind][0]

    def checksums(self, table, columns):
        one = {
            "BIGINT": pc.sum, "DOUBLE": pc.max, "BOOLEAN": pc.sum,
            "VARCHAR": lambda column: pc.sum(pc.binary_length(column)),
            "BLOB": lambda column: pc.sum(pc.binary_length(column)),
            "TIMESTAMP WITH TIME ZONE": lambda column: pc.sum(pc.cast(column, "int64")),
            "VARCHAR[]": lambda column: pc.sum(pc.list_value_length(column)),
        }
        data = self.tables[table]
        of = lambda name, kind: (len(data[name]) - data[name].null_count, one[kind](data[name]).as_py() or 0)
        return len(data), {name: of(name, kind) for name, kind in columns.items()}

    def join(self):
        on = ["walk", "page"]
        m = self.tables["models"].select(["id", *on])
        v = self.tables["model_versions"].select(["id", "model_id", *on])
        f = self.tables["version_files"].select(["id", "version_id", *on])
        h = self.tables["file_hashes"].select(["version_id", "file_id", "algorithm", "hash", *on])
        joined = m.join(v.rename_columns(["version", "model_id", *on]), ["id", *on], ["model_id", *on], "inner")
        joined = joined.join(f.rename_columns(["file", "version_id", *on]), ["version", *on], ["version_id", *on], "inner")
        joined = joined.join(h, ["version", "file", *on], ["version_id", "file_id", *on], "inner")
        joined = joined.append_column("bytes", pc.binary_length(joined["hash"]))
        sums = [("id", "count"), ("id", "count_distinct"), ("bytes", "sum")]
        grouped = joined.group_by("algorithm").aggregate(sums).sort_by("algorithm")
        names = ["algorithm", "id_count", "id_count_distinct", "bytes_sum"]
        return list(zip(*(grouped[name].to_pylist() for name in names)))


class Pandas(PyArrow):
    """pandas on pyarrow's types; its values are taken back through pyarrow, its join is its own."""

    def __init__(self, files):
        self.frames = {table: pandas.read_parquet(paths, dtype_backend="pyarrow") for table, paths in files.items()}
        self.tables = {table: pyarrow.Table.from_pandas(frame) for table, frame in self.frames.items()}

    def types(self, table):
        return {name: str(kind).replace("element:", "item:") for name, kind in self.frames[table].dtypes.items()}

    def wanted(self, kind):
        return TYPES[kind][1]

    def join(self):
        on = ["walk", "page"]
        m = self.frames["models"][["id", *on]].rename(columns={"id": "model_id"})
        v = self.frames["model_versions"][["id", "model_id", *on]].rename(columns={"id": "version_id"})
        f = self.frames["version_files"][["id", "version_id", *on]].rename(columns={"id": "file_id"})
        h = self.frames["file_hashes"][["version_id", "file_id", "algorithm", "hash", *on]]
        joined = m.merge(v, on=["model_id", *on]).merge(f, on=["version_id", *on])
        joined = joined.merge(h, on=["version_id", "file_id", *on])
        joined["bytes"] = joined["hash"].str.len()
        grouped = joined.groupby("algorithm", sort=True)
        sums = grouped.agg(rows=("model_id", "size"), models=("model_id", "nunique"), bytes=("bytes", "sum"))
        return [(name, int(row["rows"]), int(row["models"]), int(row["bytes"])) for name, row in sums.iterrows()]


class Polars:
    def __init__(self, files):
        self.frames = {table: polars.read_parquet(paths) for table, paths in files.items()}

    def types(self, table):
        return {name: str(kind) for name, kind in self.frames[table].schema.items()}

    def wanted(self, kind):
        return TYPES[kind][2]

    def checksums(self, table, columns):
        one = {
            "BIGINT": lambda column: column.sum(), "DOUBLE": lambda column: column.max(),
            "BOOLEAN": lambda column: column.sum(), "VARCHAR": lambda column: column.str.len_bytes().sum(),
            "BLOB": lambda column: column.bin.size().sum(),
            "TIMESTAMP WITH TIME ZONE": lambda column: column.dt.epoch("ms").sum(),
            "VARCHAR[]": lambda column: column.list.len().sum(),
        }
        data = self.frames[table]
        of = lambda name, kind: (len(data) - data[name].null_count(), one[kind](data[name]) or 0)
        return len(data), {name: of(name, kind) for name, kind in columns.items()}

    def join(self):
        on, frames = ["walk", "page"], self.frames
        joined = frames["models"].select("id", *on).rename({"id": "model_id"})
        for table, columns, id_ in [("model_versions", ["id", "model_id"], "version_id"), ("version_files", ["id", "version_id"], "file_id")]:
            joined = joined.join(frames[table].select(*columns, *on).rename({"id": id_}), on=[columns[1], *on])
        hashes = frames["file_hashes"].select("version_id", "file_id", "algorithm", "hash", *on)
        joined = joined.join(hashes, on=["version_id", "file_id", *on])
        grouped = joined.group_by("algorithm").agg(
            polars.len(), polars.col("model_id").n_unique(), polars.col("hash").str.len_bytes().sum()
        )
        return grouped.sort("algorithm").rows()


def main(dataset, program):
    faults, schema = [], declared(program)
    files = {table: parts(dataset, table) for table in schema if parts(dataset, table)}
    readers = {reader.__name__: reader(files) for reader in (DuckDb, PyArrow, Pandas, Polars)}
    sums = {}
    for table in files:
        columns = {name: kind for name, (kind, _) in schema[table].items()}
        for name, reader in readers.items():
            wanted, seen = {column: reader.wanted(kind) for column, kind in columns.items()}, reader.types(table)
            if list(seen.items()) != list(wanted.items()):
                differ = set(seen.items()) ^ set(wanted.items())
                faults.append(f"{table} in {name}: not as declared: {differ or 'another order'}")
                continue
            found = reader.checksums(table, columns)
            expected = sums.setdefault(table, found)
            for column in (column for column in columns if found[1][column] != expected[1][column]):
                faults.append(f"{table}.{column}: {name} sums {found[1][column]}, DuckDb {expected[1][column]}")
            if found[0] != expected[0]:
                faults.append(f"{table}: {name} has {found[0]} rows, DuckDb {expected[0]}")
            nulls = [c for c, (_, nullable) in schema[table].items() if not nullable and found[1][c][0] != found[0]]
            faults += [f"{table}.{column}: {name} sees nulls where none may be" for column in nulls]
    joins = {name: [tuple(row) for row in reader.join()] for name, reader in readers.items()}
    faults += [f"the join in {name}: {rows}, in DuckDb: {joins['DuckDb']}" for name, rows in joins.items() if rows != joins["DuckDb"]]
    if not joins["DuckDb"]:
        faults.append("the join has no rows")
    end(faults, json.dumps({table: rows for table, (rows, _) in sums.items()}))


if __name__ == "__main__":
    main(*sys.argv[1:])
