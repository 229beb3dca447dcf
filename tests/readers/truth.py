"""Is a dataset complete and true?

    truth.py DATASET SIDE WALK=QUERY...

SIDE is the sandbox's `http://host:port/sandbox`; QUERY is what the walk asks, as in `sort=Oldest&nsfw=true`. The rows of
each walk are compared with the rows that `SIDE/truth/<table>?QUERY` says a perfect client ends up with: keys both ways,
and the value of every column (times as instants, lists as lists, floats exactly). Rows found on several pages must agree
with each other, be there once per page, and be counted in the last commit record; as many items must have been kept as
the server's log says it served. Prints what differs; exit code 1 when anything does.
"""

import json
import sys
import tempfile
import urllib.request

import duckdb

from dataset import KEYS, end, last_record, parts

SHOWN = 5


def fetch(url, file):
    with urllib.request.urlopen(url) as answer:
        while block := answer.read(1 << 20):
            file.write(block)
    file.flush()
    return file.name


def first(db, sql):
    return db.execute(sql).fetchall()[0]


def quoted(names):
    return ", ".join(f'"{name}"' for name in names)


def examples(db, sql):
    """How many rows the query has, and the first few."""
    count = first(db, f"SELECT count(*) FROM ({sql})")[0]
    return count, db.execute(f"SELECT * FROM ({sql}) LIMIT {SHOWN}").fetchall() if count else []


def of_walk(walk):
    """Which rows are of the walk's own pages, which of models asked for by their ids because the list kept versions back, and
    which of models looked up because the list showed none: answers of three kinds, each with a truth of its own."""
    early, again = f"walk LIKE '{walk}/recheck/ids/%'", f"walk SIMILAR TO '{walk}/recheck/[0-9]+'"
    own = f"(walk = '{walk}' OR walk LIKE '{walk}/%') AND NOT ({early}) AND NOT ({again})"
    return own, early, again


def load(db, dataset, table, rows, truth):
    """Makes the views `seen` (the rows that the condition picks) and `truth`; returns the columns to compare, and faults."""
    described = db.execute(f"DESCRIBE FROM read_parquet({parts(dataset, table)})").fetchall()
    columns = {name: kind for name, kind, *_ in described}
    with open(truth) as lines:
        known = list(json.loads(next(lines, "{}")))
    faults = [f"{table}: the truth has a column `{name}`, the dataset has not" for name in known if name not in columns]
    types = {name: columns[name] for name in (known or KEYS[table]) if name in columns}
    db.execute(f"CREATE OR REPLACE TEMP TABLE seen AS FROM read_parquet({parts(dataset, table)}) WHERE {rows}")
    db.execute(
        f"CREATE OR REPLACE TEMP TABLE truth AS FROM read_json('{truth}', format = 'newline_delimited', "
        f"columns = {types}, maximum_object_size = 1 << 28)"
    )
    return list(types), faults


def compare(db, table, columns):
    """Compares `seen` with `truth`: the differences, as (what, how many, examples)."""
    key, on = quoted(KEYS[table]), f"USING ({quoted(KEYS[table])})"
    db.execute(f"CREATE OR REPLACE TEMP TABLE distinct_rows AS SELECT DISTINCT {quoted(columns)} FROM seen")
    # The same rows in any order, none of them twice: each query below would find nothing, and takes as long as this one.
    counted = f"SELECT count(*), sum(hash({quoted(columns)})), count(DISTINCT ({key}))"
    (rows, *rest), truth = (first(db, f"{counted} FROM {table}") for table in ("distinct_rows", "truth"))
    on_pages = first(db, f"SELECT count(*) - count(DISTINCT (pass, walk, page, {key})) FROM seen")[0]
    if (rows, *rest) == truth and rest[-1] == rows and on_pages == 0:
        return
    yield "missing", *examples(db, f"SELECT {key} FROM truth ANTI JOIN seen {on}")
    yield "extra", *examples(db, f"SELECT DISTINCT {key} FROM seen ANTI JOIN truth {on}")
    yield "doubled in the truth", *examples(db, f"SELECT {key} FROM truth GROUP BY ALL HAVING count(*) > 1")
    yield "doubled on a page", *examples(db, f"SELECT pass, walk, page, {key} FROM seen GROUP BY ALL HAVING count(*) > 1")
    yield "unequal on two pages", *examples(db, f"SELECT {key} FROM distinct_rows GROUP BY ALL HAVING count(*) > 1")
    differ = {name: f'd."{name}" IS DISTINCT FROM t."{name}"' for name in columns if name not in KEYS[table]}
    both = f"FROM distinct_rows d JOIN truth t {on} WHERE"
    # Column by column only where something differs: so many queries take longer than all the others.
    if differ and first(db, f"SELECT count(*) {both} {' OR '.join(differ.values())}")[0]:
        for column, differs in differ.items():
            sql = f'SELECT {key}, d."{column}"::VARCHAR AS dataset, t."{column}"::VARCHAR AS truth {both} {differs}'
            yield f"unequal in `{column}`", *examples(db, sql)


def repeats(db, record, walk, asked):
    """The record's count of repeats and items against the rows (`seen` holds the walk's models)."""
    rows, ids = first(db, "SELECT count(*), count(DISTINCT id) FROM seen")
    state = record["walks"][walk]
    if state["repeats"] != rows - ids:
        yield f"walk {walk}: the record counts {state['repeats']} repeats, the rows hold {rows - ids}"
    if state["items"] - state["rejects"] != rows + asked:
        yield f"walk {walk}: the record counts {state['items']} items, the rows are {rows} and {asked} asked for by id"


def question(query):
    """A request's parameters, without how many items it asks for and what makes it another one to caches."""
    return tuple(pair for pair in query.split("&") if not pair.startswith(("limit=", "_=")))


def served(db, dataset, side):
    """Items of whole answers, by the server's log; without answers that were not taken and asked for once more."""
    pages = db.execute(f"SELECT url FROM read_parquet({parts(dataset, 'pages')})").fetchall()
    taken = {url.partition("?")[2] for (url,) in pages}
    with urllib.request.urlopen(f"{side}/log") as answer:
        asked = [json.loads(line) for line in answer]
    again = {question(one["query"]) for one in asked if "_=" in one["query"] and one["query"] in taken}
    counts = (one["query"] in taken or question(one["query"]) not in again for one in asked)
    return sum(one["items"] or 0 for one, count in zip(asked, counts) if count)


def against(db, dataset, side, table, walk, rows, query):
    """Compares the rows that the condition picks with the truth of a query: faults, and how many rows the truth has."""
    with tempfile.NamedTemporaryFile(suffix=".jsonl") as file:
        truth = fetch(f"{side}/truth/{table}?{query}", file)
        if not parts(dataset, table):
            return [f"{table} has no rows, the truth has"] if file.tell() else [], 0
        columns, faults = load(db, dataset, table, rows, truth)
    for what, count, examples in compare(db, table, columns):
        if count:
            faults.append(f"{table} of walk {walk} ({query[:99]}): {count} {what}, such as {examples}")
    return faults, first(db, "SELECT count(*) FROM truth")[0]


def main(dataset, side, *walks):
    db = duckdb.default_connection()
    db.execute("SET TimeZone = 'UTC'; SET threads = 1")
    record, faults, counts, items = last_record(dataset), [], {}, 0
    for walk, query in (walk.split("=", 1) for walk in walks):
        own, early, again = of_walk(walk)
        models = f"FROM read_parquet({parts(dataset, 'models')})"
        ids = ",".join(str(row[0]) for row in db.execute(f"SELECT DISTINCT id {models} WHERE {early}").fetchall())
        for table in KEYS:
            wrong, count = against(db, dataset, side, table, walk, own, query)
            counts[table] = counts.get(table, 0) + count
            faults += wrong
            if table == "models":
                asked = first(db, f"SELECT count(*) {models} WHERE ({early}) OR ({again})")[0]
                faults += repeats(db, record, walk, asked)
                items += first(db, "SELECT count(*) FROM seen")[0] + asked
            if ids:
                faults += against(db, dataset, side, table, walk, early, f"{query}&ids={ids}")[0]
    if items != (count := served(db, dataset, side)):
        faults.append(f"the dataset holds {items} models in all pages, the server served {count}")
    end(faults, json.dumps(counts))


if __name__ == "__main__":
    main(*sys.argv[1:])
