"""Is a dataset of `crawls/everything.toml` or `crawls/images-by-version.toml` complete, true, and had for no more requests than
it takes?

    everything.py DATASET SIDE CRAWL [throughout] [killed] [cut]

SIDE is the sandbox's `http://host:port/sandbox`, CRAWL the crawl file's stem. What the walks took of each table is compared with
what the sandbox says a perfect client of the same queries ends up with: keys both ways, and the value of every column. Models
that were listed without versions must have been looked up. The images must be those of the whole feed, or those of every
version in the tables with their memberships. With `throughout` the catalog changed meanwhile: all that was there from
beginning to end must be in the tables, with the values that did not change. With `killed` the requests are not counted. With
`cut` the server has no feed by time: images may be missing.

Requests are counted from the server's log. Those that a fault spoilt (each is sent again), those asked once more because
the answer was doubtful (they carry a key `_`), and look-ups of single models and images are set apart; the others, those included
that read the boundary page of a list once more, must be at most 1.02 times the fewest with which any client could have the
pages of the same queries, as `SIDE/least` reports, and some that do not grow with the catalog.

Prints what differs, and figures as a line of JSON; exit code 1 when anything differs.
"""

import http.client
import json
import sys
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

import duckdb

from dataset import KEYS as OF_MODELS
from dataset import end, parts

SHOWN, SPARE = 5, 1.02
DATED = "sort=Oldest&period=AllTime&archived=true&limit=100"
MODELS = {"models": DATED + "&nsfw=true", "models_pg": DATED}
SWEEPS = {"by_id": MODELS["models"], "by_id_pg": MODELS["models_pg"]}
OF_IMAGES = {
    "images": ["id"],
    "image_meta": ["image_id"],
    "image_resources": ["image_id", "position"],
    "image_model_versions": ["image_id", "model_version_id"],
    "image_tags": ["image_id", "tag_id"],
}
GALLERIES = {"gallery_images": ["image_id", "model_version_id"]}
IMAGES = {"images": "browsingLevel=3", "images_mature": "browsingLevel=28"}
PICTURES = "withMeta=true&flatMeta=true&withTags=true&period=AllTime&limit=200"
FEED, OF_A_VERSION = PICTURES + "&sort=Oldest", PICTURES + "&sort=Newest"
NUMBERED = {"creators": ["limit=200"] * 2, "tags": ["query=%25&limit=200", "limit=200"]}
ALONE = {"creators": ["username"], "tags": ["name"], "users": ["id"], "enums": ["kind", "value"]}
KEYS = {**OF_MODELS, **OF_IMAGES, **GALLERIES, **ALONE}
# Each crawl file's requests that do not grow with the catalog: ids beyond the newest in both sweeps, the last page of each window,
# and pages requested ahead of the end of numbered lists.
FIXED = {"everything": 2 * 10 + 24 + 4 * 8, "images-by-version": 2 * 10 + 8}
# Each crawl file's tables.
CRAWLS = {
    "everything": [*OF_MODELS, *OF_IMAGES, *ALONE],
    "images-by-version": [*OF_MODELS, *OF_IMAGES, *GALLERIES],
}
AGAIN = "walk SIMILAR TO '.*/recheck/[0-9]+'"


class Side:
    """The sandbox beside its API, over one connection."""

    def __init__(self, url):
        parts = urlsplit(url)
        connection = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self.connection, self.path = connection(parts.netloc), parts.path

    def get(self, what):
        return self.ask(f"{self.path}/{what}")

    def api(self, request):
        return json.loads(self.ask(f"{self.path.removesuffix('/sandbox')}/api/v1/{request}"))

    def ask(self, what):
        self.connection.request("GET", what)
        answer = self.connection.getresponse()
        body = answer.read()
        assert answer.status == 200, (what, answer.status, body[:300])
        return body

    def least(self, what):
        return json.loads(self.get(f"least/{what}"))["requests"]


def quoted(names):
    return ", ".join(f'"{name}"' for name in names)


class Check:
    """Views of one dataset, and what is wrong with it."""

    def __init__(self, dataset, side, crawl, words):
        self.db, self.side, self.everything = duckdb.connect(), side, crawl == "everything"
        self.fixed = FIXED[crawl]
        self.throughout, self.cut = "throughout" in words, "cut" in words
        self.db.execute("SET TimeZone = 'UTC'")
        self.faults, self.counts, self.tables = [], {}, CRAWLS[crawl]
        for table in [*KEYS, "pages"]:
            files, wanted = parts(dataset, table), table in [*self.tables, "pages"]
            if wanted != bool(files):
                self.faults.append(f"{table} has {'no rows' if wanted else 'rows'}")
            if files:
                self.db.execute(f"CREATE VIEW all_{table} AS FROM read_parquet({files})")

    def one(self, sql):
        return self.db.execute(sql).fetchall()[0][0]

    def fault(self, what, sql):
        """Notes it when the query has rows."""
        count = self.one(f"SELECT count(*) FROM ({sql})")
        if count:
            self.faults.append(f"{what}: {count}, such as {self.db.execute(f'{sql} LIMIT {SHOWN}').fetchall()}")

    def truth(self, table, query):
        """Makes the view `truth`; returns its columns."""
        types = {name: kind for name, kind, *_ in self.db.execute(f"DESCRIBE all_{table}").fetchall()}
        lines = self.side.get(f"truth/{table}?{query}")
        known = list(json.loads(lines[: lines.find(b"\n")] or "{}"))
        known = [name for name in known if name != "changed"] or KEYS[table]
        with tempfile.NamedTemporaryFile(suffix=".jsonl") as file:
            file.write(lines)
            file.flush()
            columns = {**{name: types[name] for name in known}, "changed": "BOOLEAN"}
            self.db.execute(
                f"CREATE OR REPLACE TEMP TABLE truth AS FROM read_json('{file.name}', format = 'newline_delimited', "
                f"columns = {columns}, maximum_object_size = 1 << 28)"
            )
        return known

    def compare(self, table, rows, query, wanted="true"):
        """Compares the rows of a table that the condition `rows` picks with the truth of a query, of which those must be there
        that the condition `wanted` picks."""
        columns, key = self.truth(table, query), quoted(KEYS[table])
        what, on = f"{table} ({query})", f"USING ({key})"
        self.db.execute(f"CREATE OR REPLACE TEMP VIEW seen AS FROM all_{table} WHERE {rows}")
        self.db.execute(f"CREATE OR REPLACE TEMP TABLE known AS SELECT DISTINCT {quoted(columns)} FROM seen")
        self.fault(f"{what}: missing", f"SELECT {key} FROM truth ANTI JOIN known {on} WHERE {wanted}")
        if not self.throughout:
            self.fault(f"{what}: not in the truth", f"SELECT {key} FROM known ANTI JOIN truth {on}")
        differ = {column: f'k."{column}" IS DISTINCT FROM t."{column}"' for column in columns}
        both = f"FROM known k JOIN truth t {on} WHERE t.changed IS NOT true AND"
        # Column by column only where something differs: so many queries take longer than all the others.
        if self.one(f"SELECT count(*) {both} ({' OR '.join(differ.values())})"):
            for column, differs in differ.items():
                self.fault(f"{what}: unequal in `{column}`", f'SELECT {key}, k."{column}"::VARCHAR, t."{column}"::VARCHAR {both} {differs}')
        self.counts[table] = self.counts.get(table, 0) + self.one(f"SELECT count(*) FROM truth WHERE {wanted}")

    def models(self):
        ids = [row[0] for row in self.db.execute(f"SELECT DISTINCT id FROM all_models WHERE {AGAIN}").fetchall()]
        throughout = "&throughout=1" if self.throughout else ""
        for table in OF_MODELS:
            for walk, query in MODELS.items():
                own = f"(walk = '{walk}' OR walk LIKE '{walk}/%') AND NOT ({AGAIN}) AND walk NOT LIKE '%/recheck/ids/%'"
                self.compare(table, own, query + throughout)
                early = self.early(walk)
                if early and not self.throughout:
                    self.compare(table, f"walk LIKE '{walk}/recheck/ids/%'", f"{query}&ids={early}")
            for walk, query in SWEEPS.items():
                self.compare(table, f"walk LIKE '{walk}/%' AND NOT ({AGAIN})", f"{query}&ids=all{throughout}")
            if ids and not self.throughout:
                self.compare(table, AGAIN, f"model_id={','.join(map(str, ids))}")
        if self.throughout:
            # Some are unpublished before they are looked up.
            of = f"regexp_extract(walk, '[0-9]+$')::BIGINT FROM all_pages WHERE {AGAIN} AND status = 404"
            ids += [row[0] for row in self.db.execute(f"SELECT DISTINCT {of}").fetchall()]
        without = "SELECT id FROM all_models WHERE NOT ({0}) AND id NOT IN (SELECT model_id FROM all_model_versions)"
        self.fault("models without versions not looked up", without.format(AGAIN) + f" AND id NOT IN {(*ids, 0, 0)}")
        self.counts["looked_up"] = len(ids)

    def early(self, walk):
        """Models that a walk asked for by their ids, because the list kept versions back."""
        sql = f"SELECT DISTINCT id FROM all_models WHERE walk LIKE '{walk}/recheck/ids/%'"
        return ",".join(str(row[0]) for row in self.db.execute(sql).fetchall())

    def images(self):
        """Those of the whole feed, as each of the two walks shows them."""
        throughout = "&throughout=1" if self.throughout else ""
        for table in OF_IMAGES:
            for walk, levels in IMAGES.items():
                own = f"(walk = '{walk}' OR walk LIKE '{walk}/%') AND walk NOT LIKE '%/gone/%'"
                self.compare(table, own, f"{levels}&{FEED}{throughout}", wanted=str(not self.cut))

    def galleries(self):
        """Those of a version that the crawl knows: no others can be asked for by version."""
        throughout = "throughout=1" if self.throughout else ""
        self.truth("gallery_images", throughout)
        known = "model_version_id IN (SELECT id FROM all_model_versions)"
        self.db.execute(f"CREATE TEMP TABLE reach AS SELECT DISTINCT image_id FROM truth WHERE {known}")
        unlisted = "SELECT count(DISTINCT image_id) FROM truth ANTI JOIN reach USING (image_id)"
        self.counts["images_of_unlisted_versions"] = self.one(unlisted)
        for table in [*OF_IMAGES, *GALLERIES]:
            reached = f"truth.{KEYS[table][0]} IN (SELECT image_id FROM reach)"
            self.compare(table, "true", throughout, wanted=known if table in GALLERIES else reached)

    def keys(self):
        for table in [*self.tables, "pages"]:
            key = quoted(["pass", "walk", "page", *KEYS.get(table, [])])
            sql = f"SELECT {key} FROM all_{table} GROUP BY ALL HAVING count(*) > 1"
            self.fault(f"{table}: doubled on a page", sql)

    def creators(self, doubts):
        """The list has no order: a creator that is missing must at least be named."""
        self.truth("creators", "limit=200")
        missing = self.one("SELECT count(*) FROM truth ANTI JOIN all_creators USING (username)")
        self.counts["creators_missing"] = missing
        if missing and not any("creators" in doubt and "not stable" in doubt for doubt in doubts):
            self.faults.append(f"creators: {missing} are missing and nothing says so: {doubts}")
        self.fault("creators: not in the truth", "SELECT username FROM all_creators ANTI JOIN truth USING (username)")

    def names(self):
        """The owners of all models, and the words of the server, as it answers them."""
        rows = lambda sql: set(self.db.execute(sql).fetchall())
        owners = sorted(id for (id,) in rows("SELECT user_id FROM all_models WHERE user_id IS NOT NULL"))
        batches = [owners[at : at + 100] for at in range(0, len(owners), 100)]
        answers = [self.side.api(f"users?ids={','.join(map(str, batch))}")["items"] for batch in batches]
        users = {(user["id"], user["username"]) for items in answers for user in items}
        words = {(kind, word) for kind, listed in self.side.api("enums").items() for word in listed}
        for table, columns, known in [("users", "id, username", users), ("enums", "kind, value", words)]:
            found = rows(f"SELECT {columns} FROM all_{table}")
            if found != known:
                self.faults.append(f"{table}: not the same are {sorted(found ^ known)[:SHOWN]}")
            self.counts[table] = len(found)

    def newest(self):
        """The highest id of a model that any list shows."""
        return max(json.loads(line)["id"] for line in self.side.get("truth/models").splitlines())

    def least_of_everything(self):
        owners = self.one("SELECT count(DISTINCT user_id) FROM all_models")
        least = -(-owners // 100) + len(["enums"])
        least += sum(self.side.least(f"{endpoint}?{query}") for endpoint in NUMBERED for query in NUMBERED[endpoint])
        return least + sum(self.side.least(f"images?{levels}&{FEED}") for levels in IMAGES.values())

    def least_of_galleries(self):
        versions = [row[0] for row in self.db.execute("SELECT DISTINCT id FROM all_model_versions").fetchall()]
        each = [f"modelVersionId={id}&{levels}&{OF_A_VERSION}" for id in versions for levels in IMAGES.values()]
        return sum(self.side.least(f"images?{query}") for query in each)

    def requests(self):
        """How many were spent, and the fewest."""
        log = [json.loads(line) for line in self.side.get("log").splitlines()]
        spoilt = sum(request["fault"] is not None for request in log)
        again = sum("_=" in request["query"] and not request["fault"] for request in log)
        single = ["/models/" in request["path"] or "imageId=" in request["query"] for request in log]
        looked_up = sum(alone and "_=" not in request["query"] for alone, request in zip(single, log))
        edges = self.one("SELECT count(*) FROM all_pages WHERE walk LIKE '%/recheck/boundary'")
        spent = len(log) - spoilt - again - looked_up + edges
        least = sum(self.side.least(f"models?{query}") for query in MODELS.values())
        early = [(query, self.early(walk)) for walk, query in MODELS.items()]
        least += sum(self.side.least(f"models?{query}&ids={ids}") for query, ids in early if ids)
        # A client that does not know which models there are has to ask for all ids.
        least += len(SWEEPS) * -(-self.newest() // 100)
        least += self.least_of_everything() if self.everything else self.least_of_galleries()
        if spent > SPARE * least + self.fixed:
            self.faults.append(f"{spent} requests were spent, {least} are the fewest")
        counts = {"all": len(log), "spoilt": spoilt, "again": again, "looked_up": looked_up, "spent": spent}
        self.counts["requests"] = {**counts, "least": least, "ratio": round(spent / least, 4)}


def main(dataset, side, crawl, *words):
    # Not by their names: those of runs that began within one second are in no order.
    reports = (json.loads(path.read_text()) for path in Path(dataset, "runs").glob("*.json"))
    report = max(reports, key=lambda report: report["written_at"])
    check = Check(dataset, Side(side), crawl, words)
    check.models()
    if check.everything:
        check.images()
        check.compare("tags", "true", "")
        check.creators(report["doubts"])
    else:
        check.galleries()
    check.keys()
    if not {"killed", "cut"} & set(words):
        check.requests()
    # Last, because the server logs what it is asked here.
    if check.everything:
        check.names()
    end(check.faults, json.dumps(check.counts))


if __name__ == "__main__":
    main(*sys.argv[1:])
