"""Is a report's page what it should be?

    page.py DATASET PAGE [BROWSER]

Reads the page as a parser does: nothing in it may run or be fetched, every element is one this program writes, and its
figures, bars and tables are what DuckDB counts in `latest/`. With the path of a Chromium, the page is opened in it too:
no word on the console, no request but for the page itself, and the same text. Prints what is wrong; exit code 1 then.
"""

import json
import subprocess
import sys
import tempfile
from html.parser import HTMLParser
from pathlib import Path

import duckdb

from dataset import end

ELEMENTS = set(
    "html head meta title style body header h1 h2 h3 p time main section div dl dt dd data table caption colgroup col "
    "thead tbody tr th td span bdi i figure figcaption ul li details summary footer svg rect line polyline text".split()
)
VOID = {"meta", "col"}


class Page(HTMLParser):
    """Figures by name, and rows by the caption of their table."""

    def __init__(self):
        super().__init__()
        self.open, self.elements, self.attributes, self.declared = [], set(), set(), None
        self.figures, self.tables, self.text, self.drawings = {}, {}, {}, []
        self.name = self.rows = None

    def handle_decl(self, declaration):
        self.declared = declaration

    def handle_starttag(self, tag, attributes):
        self.elements.add(tag)
        self.attributes |= {name for name, _ in attributes}
        if tag not in VOID:
            self.open.append(tag)
        self.text[tag] = ""
        if tag == "data":
            self.figures.setdefault(self.text["dt"], int(dict(attributes)["value"]))
        if tag == "tr":
            self.cells = []
        if tag == "svg":
            self.drawings.append([])
        if tag == "rect":
            self.drawings[-1].append(dict(attributes))

    def handle_data(self, text):
        for tag in set(self.open):
            self.text[tag] += text

    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, f"<{'> <'.join(self.open)}> is closed by </{tag}>"
        self.open.pop()
        if tag == "caption":
            self.rows = self.tables.setdefault(self.text[tag], {})
        if tag in ("td", "th"):
            self.cells.append(self.text[tag].replace("\u202f", ""))
        if tag == "tr" and self.rows is not None and self.cells:
            self.rows[self.cells[0]] = self.cells[1:]


def parsed(text):
    page = Page()
    page.feed(text)
    page.close()
    faults = [f"an element <{name}>" for name in page.elements - ELEMENTS]
    faults += [f"an attribute `{name}`" for name in page.attributes if name.startswith("on") or name in ("src", "href")]
    faults += [f"<{name}> is not closed" for name in page.open]
    faults += [] if page.declared == "DOCTYPE html" else ["it is not declared as HTML"]
    return page, faults


# Bars by their caption: a name, and how often.
BARS = {
    "By type": "SELECT type, count(*) FROM models WHERE gone_at IS NULL GROUP BY 1",
    "By base model": "SELECT base_model, count(*) FROM model_versions WHERE gone_at IS NULL GROUP BY 1",
    "Commercial uses that creators permit":
        "SELECT unnest(allow_commercial_use), count(*) FROM models WHERE gone_at IS NULL GROUP BY 1",
    "Creators whose models are downloaded most":
        "SELECT creator_username, sum(download_count)::BIGINT FROM models WHERE gone_at IS NULL GROUP BY 1",
    "Tags that most models carry": "SELECT tag, count(*) FROM model_tags WHERE gone_at IS NULL GROUP BY 1",
    "Formats": "SELECT format, count(*) FROM version_files WHERE gone_at IS NULL GROUP BY 1",
    "Pickle scans": "SELECT pickle_scan_result, count(*) FROM version_files WHERE gone_at IS NULL GROUP BY 1",
    "Virus scans": "SELECT virus_scan_result, count(*) FROM version_files WHERE gone_at IS NULL GROUP BY 1",
    "Items that no table could take": "SELECT reason, count(*) FROM rejects GROUP BY 1",
}
FIGURES = {
    "models": "SELECT count(*) FROM models WHERE gone_at IS NULL",
    "versions": "SELECT count(*) FROM model_versions WHERE gone_at IS NULL",
    "files": "SELECT count(*) FROM version_files WHERE gone_at IS NULL",
    "creators": "SELECT count(*) FROM creators WHERE gone_at IS NULL",
    "tags": "SELECT count(*) FROM tags WHERE gone_at IS NULL",
    "downloads": "SELECT sum(download_count) FROM models WHERE gone_at IS NULL",
    "pages": "SELECT count(*) FROM pages WHERE pass = (SELECT max(pass) FROM pages)",
    "rejects": "SELECT count(*) FROM rejects WHERE pass = (SELECT max(pass) FROM pages)",
}
LATENCIES = """SELECT endpoint, count(*), sum(items), list_transform([0.5, 0.95, 0.99, 1.0],
    lambda part: list_sort(list(latency_ms))[ceil(part * count(*))::INT])
    FROM pages WHERE pass = (SELECT max(pass) FROM pages) GROUP BY 1"""


def shown(name):
    name = "".join("\ufffd" if ord(c) < 32 or 127 <= ord(c) < 160 else c for c in name)
    return name if name.strip() else "empty"


def compare(db, tables, page):
    """Only what was crawled is on the page."""
    for caption, sql in BARS.items():
        if not any(f"FROM {table} " in sql + " " for table in tables):
            continue
        counts = [(name, count or 0) for name, count in db.execute(sql).fetchall() if name is not None]
        most = sorted(counts, key=lambda pair: (-pair[1], pair[0]))[:12]
        expected = {shown(name): str(count) for name, count in most}
        known = {shown(name) for name, _ in counts}
        found = {name: cells[0] for name, cells in page.tables[caption].items() if name in known}
        if found != expected:
            yield f"`{caption}` shows {found}, DuckDB counts {expected}"
    for name, sql in FIGURES.items():
        if any(f"FROM {table} " in sql + " " for table in tables):
            expected = db.execute(sql).fetchone()[0] or 0
            if page.figures.get(name, 0) != expected:
                yield f"`{name}` is {page.figures.get(name)}, DuckDB counts {expected}"
    for endpoint, pages, items, times in db.execute(LATENCIES).fetchall():
        cells = page.tables["Pages of this pass, and how long their answers took"][endpoint]
        expected = [str(pages), str(items), *(f"{ms}\u00a0ms" for ms in times)]
        if cells[:2] + cells[4:] != expected:
            yield f"`{endpoint}` has {cells}, DuckDB counts {expected}"


def compare_drawings(db, page):
    """Every month's column is as high as what DuckDB counts, and parted as the base models are."""
    counts = dict(db.execute("""SELECT strftime(published_at, '%Y-%m') AS month, count(*) FROM model_versions
        WHERE gone_at IS NULL AND published_at IS NOT NULL GROUP BY 1 ORDER BY 1""").fetchall())
    most = [name for name, _ in db.execute("""SELECT base_model, count(*) FROM model_versions WHERE gone_at IS NULL AND base_model
        IS NOT NULL GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 7""").fetchall()]
    parts = db.execute("""SELECT strftime(published_at, '%Y-%m'), coalesce(list_position($1, base_model) - 1, 7), count(*)
        FROM model_versions WHERE gone_at IS NULL AND published_at IS NOT NULL GROUP BY ALL ORDER BY 1, 2""", [most]).fetchall()
    for drawing in page.drawings:
        drawn = {}
        for rect in drawing:
            drawn.setdefault(float(rect["x"]), []).append((int(rect["class"][1:]), float(rect["height"])))
        heights = {month: sum(height for _, height in drawn[x]) for month, x in zip(counts, sorted(drawn))}
        if len(drawn) != len(counts):
            yield f"{len(drawn)} columns are drawn, DuckDB counts {len(counts)} months"
            continue
        scale = max(heights.values()) / max(counts.values())
        yield from (f"{month} is drawn {heights[month]} high, not {count * scale}"
                    for month, count in counts.items() if abs(heights[month] - count * scale) > 0.2)
        expected = [(colour if len(most) == 7 or colour < 7 else len(most), count * scale) for _, colour, count in parts]
        found = [part for x in sorted(drawn) for part in drawn[x]]
        if [colour for colour, _ in found] != [colour for colour, _ in expected]:
            yield f"the parts drawn are {found}, DuckDB counts {expected}"
        yield from (f"a part is drawn {height} high, not {wanted}"
                    for (_, height), (_, wanted) in zip(found, expected) if abs(height - wanted) > 0.2)
    if len(page.drawings) != 2:
        yield f"{len(page.drawings)} drawings are on the page"


def browsed(browser, path, page):
    """What a browser has to say."""
    with tempfile.TemporaryDirectory() as directory:
        log = Path(directory, "requests.json")
        quiet = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
        quiet += ["--disable-component-update", "--disable-sync", f"--user-data-dir={directory}/profile"]
        command = [browser, *quiet, "--enable-logging=stderr", f"--log-net-log={log}", "--dump-dom", Path(path).absolute().as_uri()]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=120)
        seen, faults = parsed(ended.stdout)
        yield from faults
        yield from (line for line in ended.stderr.splitlines() if "CONSOLE" in line)
        requests = json.loads(log.read_text())
        kind = requests["constants"]["logEventTypes"]["URL_REQUEST_START_JOB"]
        asked = [event["params"] for event in requests["events"] if event["type"] == kind and "url" in event.get("params", {})]
        # What the browser asks for by itself has no origin.
        yield from (f"it asked for {one['url']}" for one in asked if one["initiator"] != "not an origin")
        for what in ("figures", "tables"):
            if getattr(seen, what) != getattr(page, what):
                yield f"the browser sees other {what}"
        if seen.text["title"] != page.text["title"]:
            yield f"its title is {seen.text['title']!r}"


def main(dataset, path, browser=None):
    db = duckdb.connect()
    files = sorted(Path(dataset, "latest").glob("*.parquet"))
    for file in files:
        db.execute(f"CREATE VIEW {file.stem} AS FROM '{file}'")
    page, faults = parsed(Path(path).read_text())
    faults += compare(db, [file.stem for file in files], page)
    faults += compare_drawings(db, page)
    faults += browsed(browser, path, page) if browser else []
    end(faults, json.dumps({"figures": page.figures, "tables": len(page.tables)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
