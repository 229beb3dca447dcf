"""Do the ready queries answer what they ask?

    study.py DATASET SIDE QUERIES POSTS

Runs each of the SQL files in QUERIES as its users do, in the dataset's directory, and compares the rows and their order
with an answer computed here, without SQL, from the rows that a perfect client has (`SIDE/truth/<table>`) and from all
models of the sandbox, hidden ones included (`SIDE/entries`). SIDE is `http://host:port/sandbox`, POSTS the ids of the posts
that were crawled, with commas; they and the users are asked of the sandbox as it answers them. Prints the differences, and the
number of rows of each query; exit code 1 when anything differs.
"""

import json
import math
import os
import statistics
import sys
import urllib.request
from collections import Counter, defaultdict
from functools import cache, cmp_to_key
from itertools import combinations, zip_longest
from pathlib import Path

import duckdb

from dataset import end

LEVELS = [(32, "Blocked"), (16, "XXX"), (8, "X"), (4, "R"), (2, "PG13"), (1, "PG")]

# The ids that a user can have.
USERS = 1000, 2000


class Sandbox:
    """The sandbox's own knowledge."""

    def __init__(self, side, posts):
        self.side, self.chosen = side, posts.split(",")

    @cache
    def lines(self, path):
        with urllib.request.urlopen(f"{self.side}/{path}") as answer:
            return [json.loads(line) for line in answer]

    def rows(self, table):
        """Every row of a table that some query of a list could show."""
        return self.lines(f"truth/{table}")

    def entries(self):
        """Every model, hidden ones included: id, name, type, levels, versions, hidden, gained_downloads."""
        return self.lines("entries")

    def answer(self, request):
        """The API's own answer."""
        with urllib.request.urlopen(f"{self.side.removesuffix('/sandbox')}/api/v1/{request}") as answer:
            return json.load(answer)

    def posts(self):
        return [self.answer(f"posts/{id}") for id in self.chosen]

    def users(self):
        batches = [",".join(str(id) for id in range(first, first + 100)) for first in range(*USERS, 100)]
        return [user for batch in batches for user in self.answer(f"users?ids={batch}")["items"]]


def grouped(rows, *columns):
    """The rows that agree in these columns, each set behind a row of these columns."""
    groups = defaultdict(list)
    for row in rows:
        groups[tuple(row[column] for column in columns)].append(row)
    return [(dict(zip(columns, key)), members) for key, members in groups.items()]


def by(rows, column):
    """The values of a column, each with its rows."""
    return [(key[column], members) for key, members in grouped(rows, column)]


def ordered(rows, *columns):
    """The rows in the order of these columns, those marked `-` from high to low; nulls last."""

    def compare(a, b):
        for column in columns:
            one, other = a[column.lstrip("-")], b[column.lstrip("-")]
            if one == other:
                continue
            if one is None or other is None:
                return 1 if one is None else -1
            return -1 if (one > other) == column.startswith("-") else 1
        return 0

    return sorted(rows, key=cmp_to_key(compare))


def present(rows, column):
    """The values of a column without nulls."""
    return [row[column] for row in rows if row[column] is not None]


def reactions(images):
    return sum(sum(present(images, f"{kind}_count")) for kind in ["like", "heart", "laugh", "cry"])


def owner_of(version, entries):
    """The model of a version, also of one that is gone: its id holds its model and its position there."""
    entry = None if version is None else entries.get(version // 16)
    return entry if entry and version % 16 < entry["versions"] else None


def rounded(number, decimals):
    """Halves are rounded up, as the database does."""
    return math.floor(number * 10**decimals + 0.5) / 10**decimals


def dated_versions(sandbox):
    """The published versions, with their months."""
    versions = sandbox.rows("model_versions")
    return [{**row, "month": row["published_at"][:7]} for row in versions if row["published_at"] is not None]


def base_models_by_month(sandbox):
    groups = grouped(dated_versions(sandbox), "month", "base_model")
    return ordered([{**key, "versions": len(rows)} for key, rows in groups], "month", "-versions", "base_model")


def deleted_share(sandbox):
    """Of the models that a client may have seen before the hidden ones were hidden."""
    result = []
    for key, rows in grouped([entry for entry in sandbox.entries() if entry["levels"] != 0], "type"):
        gone = sum(entry["hidden"] for entry in rows)
        result.append({**key, "seen": len(rows), "gone": gone, "share_gone": rounded(gone / len(rows), 4)})
    return ordered(result, "-seen", "type")


def downloads_by_week(sandbox):
    """The gains of edited versions. Their week depends on the client, so all weeks are one."""
    gains = {entry["id"]: entry["gained_downloads"] for entry in sandbox.entries()}
    versions = [row for row in sandbox.rows("model_versions") if row["download_count"] is not None]
    gained = [{**row, "gained": gains[row["model_id"]]} for row in versions if gains[row["model_id"]] != 0]
    groups = grouped(gained, "base_model")
    result = [{**key, "downloads": sum(row["gained"] for row in rows)} for key, rows in groups]
    return ordered(result, "-downloads", "base_model")


def files_and_scans(sandbox):
    """A file of several versions counts once, as the lowest of these versions lists it."""
    files = {}
    for row in sorted(sandbox.rows("version_files"), key=lambda row: row["version_id"]):
        renamed = {"pickle_scan": row["pickle_scan_result"], "virus_scan": row["virus_scan_result"]}
        files.setdefault(row["id"], {**row, **renamed})
    result = []
    for key, rows in grouped(files.values(), "format", "pickle_scan", "virus_scan"):
        gib = sum(present(rows, "size_kb")) / 1024 / 1024
        result.append({**key, "files": len(rows), "gib": rounded(gib, 3)})
    return ordered(result, "-files", "format", "pickle_scan", "virus_scan")


def growth_by_month(sandbox):
    versions = dated_versions(sandbox)
    firsts = [min(row["month"] for row in rows) for _, rows in grouped(versions, "model_id")]
    result, models, total = [], 0, 0
    for month in sorted({row["month"] for row in versions}):
        new_models, new_versions = firsts.count(month), sum(row["month"] == month for row in versions)
        models, total = models + new_models, total + new_versions
        row = {"month": month, "new_models": new_models, "new_versions": new_versions}
        result.append({**row, "models": models, "versions": total})
    return result


def images_with_metadata(sandbox):
    metas = {row["image_id"]: row for row in sandbox.rows("image_meta")}
    result = []
    for key, images in grouped(sandbox.rows("images"), "type"):
        with_meta = [metas[image["id"]] for image in images if image["id"] in metas]
        share = rounded(len(with_meta) / len(images), 4)
        row = {"images": len(images), "with_metadata": len(with_meta), "with_prompt": len(present(with_meta, "prompt"))}
        result.append({**key, **row, "share_with_metadata": share})
    return ordered(result, "-images", "type")


def licence_mix(sandbox):
    def licence(model):
        uses = model["allow_commercial_use"]
        return {
            **model,
            "commercial_use": None if uses is None else " ".join(sorted(uses)),
            "no_credit": model["allow_no_credit"],
            "derivatives": model["allow_derivatives"],
            "other_terms": model["allow_different_license"],
        }

    columns = ["commercial_use", "no_credit", "derivatives", "other_terms"]
    result = []
    for key, rows in grouped(map(licence, sandbox.rows("models")), *columns):
        downloads = present(rows, "download_count")
        result.append({**key, "models": len(rows), "downloads": sum(downloads) if downloads else None})
    return ordered(result, "-models", *columns)


def models_by_type_and_level(sandbox):
    def level(model):
        return next((name for bit, name in LEVELS if (model["nsfw_levels"] or 0) & bit), None)

    groups = grouped([{**model, "level": level(model)} for model in sandbox.rows("models")], "type", "level")
    return ordered([{**key, "models": len(rows)} for key, rows in groups], "-models", "type", "level")


def models_by_images_and_reactions(sandbox):
    """By the versions that the items themselves name."""
    models = {row["id"]: row for row in sandbox.rows("models")}
    owners = {row["id"]: row["model_id"] for row in sandbox.rows("model_versions") if row["model_id"] in models}
    images = {row["id"]: row for row in sandbox.rows("images")}
    made = defaultdict(set)
    for row in sandbox.rows("image_model_versions"):
        if row["model_version_id"] in owners:
            made[owners[row["model_version_id"]]].add(row["image_id"])
    result = []
    for model, ids in made.items():
        row = {"model_id": model, "model": models[model]["name"], "type": models[model]["type"], "images": len(ids)}
        shown = [images[id] for id in ids]
        result.append({**row, "reactions": reactions(shown), "comments": sum(present(shown, "comment_count"))})
    return ordered(result, "-images", "model_id")[:1000]


def posts_by_version(sandbox):
    """Images name their post."""
    images = dict(by(sandbox.rows("images"), "post_id"))
    versions = {row["id"]: row for row in sandbox.rows("model_versions")}
    models = {row["id"]: row["name"] for row in sandbox.rows("models")}
    result = []
    for version, posts in by(sandbox.posts(), "modelVersionId"):
        if version is not None:
            shown = [image for post in posts for image in images.get(post["id"], [])]
            name, model = versions[version]["name"], models[versions[version]["model_id"]]
            row = {"model_version_id": version, "version": name, "model": model, "posts": len(posts)}
            result.append({**row, "images": len(shown), "reactions": reactions(shown)})
    return ordered(result, "-posts", "model_version_id")


def prompts_by_month_and_base_model(sandbox):
    images = {image["id"]: image for image in sandbox.rows("images") if image["base_model"]}
    metas = []
    for row in sandbox.rows("image_meta"):
        if row["prompt"] is not None and row["image_id"] in images:
            image = images[row["image_id"]]
            metas.append({**row, "month": image["created_at"][:7], "base_model": image["base_model"]})
    result = []
    for key, rows in grouped(metas, "month", "base_model"):
        prompts, steps = present(rows, "prompt"), present(rows, "steps")
        row = {
            "prompts": len(rows),
            "different": len(set(prompts)),
            "median_characters": statistics.median(map(len, prompts)),
            "median_steps": statistics.median(steps) if steps else None,
            "share_with_negative": rounded(len(present(rows, "negative_prompt")) / len(rows), 4),
        }
        result.append({**key, **row})
    return ordered(result, "month", "-prompts", "base_model")


def resources_used_together(sandbox):
    """A version of no known model is a resource of its own."""
    entries = {entry["id"]: entry for entry in sandbox.entries()}
    used = defaultdict(set)
    for row in sandbox.rows("image_resources"):
        version = row["model_version_id"]
        owner = owner_of(version, entries)
        if owner:
            resource = owner["name"], owner["type"], owner["id"]
        else:
            resource = row["name"] if version is None else f"version {version}", row["type"] or "", 0
        if row["source"] != "hashes" and resource[0] is not None:
            used[row["image_id"], row["source"]].add(resource)
    pairs = defaultdict(set)
    for (image, _), resources in used.items():
        for pair in combinations(sorted(resources), 2):
            pairs[pair].add(image)
    result = []
    for (a, b), images in pairs.items():
        one = {"resource": a[0], "type": a[1], "model_id": a[2] or None}
        other = {"with_resource": b[0], "with_type": b[1], "with_model_id": b[2] or None}
        result.append({**one, **other, "images": len(images)})
    return ordered(result, "-images", *one, *other)[:1000]


def resources_used_with_models(sandbox):
    entries = {entry["id"]: entry for entry in sandbox.entries()}
    known = {row["id"]: row["model_id"] for row in sandbox.rows("model_versions")}
    shown = defaultdict(set)
    for row in sandbox.rows("image_model_versions"):
        if row["model_version_id"] in known:
            shown[row["image_id"]].add(known[row["model_version_id"]])
    used = defaultdict(set)
    for row in sandbox.rows("image_resources"):
        version = row["model_version_id"]
        owner = owner_of(version, entries)
        resource = owner["name"] if owner else row["name"] if version is None else f"version {version}"
        if row["source"] == "hashes" or resource is None:
            continue
        for model in shown[row["image_id"]]:
            if owner is None or model != owner["id"]:
                used[model, row["type"], resource].add(row["image_id"])
    result = [
        {"model_id": model, "model": entries[model]["name"], "type": kind, "resource": resource, "images": len(images)}
        for (model, kind, resource), images in used.items()
    ]
    return ordered(result, "-images", "model_id", "type", "resource")[:1000]


def top_creators(sandbox):
    models = [model for model in sandbox.rows("models") if model["creator_username"] is not None]
    result = []
    for key, rows in grouped(models, "creator_username"):
        downloads, likes = sum(present(rows, "download_count")), sum(present(rows, "thumbs_up_count"))
        creator = {"creator": key["creator_username"], "models": len(rows)}
        result.append({**creator, "downloads": downloads, "likes": likes})
    return ordered(result, "-downloads", "creator")[:100]


def users_by_contributions(sandbox):
    models, images = dict(by(sandbox.rows("models"), "user_id")), dict(by(sandbox.rows("images"), "username"))
    counted = {row["username"]: row["model_count"] for row in sandbox.rows("creators")}
    posts = [post["user"]["id"] for post in sandbox.posts()]
    result = []
    for user in sandbox.users():
        own, shown = models.get(user["id"], []), images.get(user["username"], [])
        row = {"user_id": user["id"], "username": user["username"], "models": len(own)}
        row |= {"models_counted": counted.get(user["username"]), "downloads": sum(present(own, "download_count"))}
        row |= {"posts": posts.count(user["id"]), "images": len(shown), "reactions": reactions(shown)}
        result.append(row)
    return ordered(result, "-images", "user_id")[:1000]


def loras_and_prompts(sandbox):
    names = {row["id"]: row["name"] for row in sandbox.rows("models") if row["type"] == "LORA"}
    versions = [row for row in sandbox.rows("model_versions") if row["model_id"] in names and row["download_count"] is not None]
    prompts = {row["image_id"]: row["prompt"] for row in sandbox.rows("image_meta") if row["prompt"] is not None}
    galleries, result = dict(by(sandbox.rows("gallery_images"), "model_version_id")), []
    for base_model, own in by(versions, "base_model"):
        for place, version in enumerate(ordered(own, "-download_count", "id")[:10], 1):
            texts = [prompts[row["image_id"]] for row in galleries.get(version["id"], []) if row["image_id"] in prompts]
            phrases = ({phrase.strip(" ") for phrase in text.lower().replace("\n", " ").split(",")} for text in texts)
            counts = Counter(phrase for own in phrases for phrase in own if phrase)
            most = sorted(counts, key=lambda phrase: (-counts[phrase], phrase))[:8]
            row = {"base_model": base_model, "place": place, "lora": f"{names[version['model_id']]}, {version['name']}"}
            row |= {"downloads": version["download_count"], "prompts": len(texts), "prompted_with": ", ".join(most) or None}
            result.append(row)
    return ordered(result, "base_model", "place")


def answered(sql):
    """Asked by a reader in another time zone: the months must not depend on where they are."""
    db = duckdb.connect()
    db.execute("SET TimeZone = 'Pacific/Auckland'")
    result = db.execute(sql)
    columns = [column[0] for column in result.description]
    return [dict(zip(columns, row)) for row in result.fetchall()]


def all_weeks(rows):
    """The week is that of the crawl; only the sum of all weeks is known before."""
    assert all(len(row["week"]) == len("2026-01-05") for row in rows), rows
    groups = grouped(rows, "base_model")
    sums = [{**key, "downloads": sum(row["downloads"] for row in rows)} for key, rows in groups]
    return ordered(sums, "-downloads", "base_model")


def main(dataset, side, queries, posts):
    faults, counts, sandbox = [], {}, Sandbox(side, posts)
    # Two have no answer of their own: they define the snapshot, and `snapshot.py` and `spark_snapshot.py` compare that.
    files = sorted(file for file in Path(queries).absolute().glob("*.sql") if not file.stem.startswith("snapshot"))
    os.chdir(dataset)
    for file in files:
        expected, found = globals()[file.stem.replace("-", "_")](sandbox), answered(file.read_text())
        found = all_weeks(found) if file.stem == "downloads-by-week" else found
        differ = [pair for pair in zip_longest(found, expected) if pair[0] != pair[1]]
        if differ:
            faults.append(f"{file.stem}: {len(differ)} rows differ, such as {differ[0]}")
        if not expected:
            faults.append(f"{file.stem}: nothing is expected")
        counts[file.stem] = len(found)
    end(faults, json.dumps(counts))


if __name__ == "__main__":
    main(*sys.argv[1:])
