"""Was any field lost? Rebuilds every item from the tables and compares it with what the server sent.

    rebuild.py DATASET          asks the server again for every page of the dataset (by the `url` of its `pages` row)
    rebuild.py DATASET FILE     compares with the items of a JSON-lines file, wherever in the dataset they are

Every value of every item must be in a column or in `extra`, and nothing may be there that was not sent. Equal are: a null
or empty container and its absence where a column or table stands for it, the forms of `allowCommercialUse`, the names of
`supportsGeneration` and `earlyAccessDeadline`, a tag and an object with that name, a text column and the number that was sent, times of one instant. Key order is free.
Prints what differs; exit code 1 when anything does.
"""

import json
import re
import sys
import urllib.request
from datetime import datetime, timezone
from decimal import Decimal

import pyarrow.parquet

from dataset import KEYS, end, parts

SHOWN = 20
OF_IMAGES = ["image_meta", "image_resources", "image_model_versions", "image_tags"]
LONE_SURROGATE = re.compile("[\ud800-\udfff]")

# Where each column's value stands in the server's JSON.
MODEL = {
    "name": "name", "description": "description", "type": "type", "nsfw": "nsfw", "nsfwLevel": "nsfw_levels",
    "minor": "minor", "sfwOnly": "sfw_only", "poi": "poi", "mode": "mode", "availability": "availability",
    "userId": "user_id", "creator.username": "creator_username", "creator.image": "creator_image",
    "supportsGeneration": "supports_generation", "allowNoCredit": "allow_no_credit",
    "allowCommercialUse": "allow_commercial_use", "allowDerivatives": "allow_derivatives",
    "allowDifferentLicense": "allow_different_license", "baseModels": "base_models",
    "stats.downloadCount": "download_count", "stats.favoriteCount": "favorite_count",
    "stats.thumbsUpCount": "thumbs_up_count", "stats.thumbsDownCount": "thumbs_down_count",
    "stats.commentCount": "comment_count", "stats.ratingCount": "rating_count", "stats.rating": "rating",
    "stats.tippedAmountCount": "tipped_amount_count", "cosmetic": "cosmetic",
}
VERSION = {
    "name": "name", "description": "description", "baseModel": "base_model", "baseModelType": "base_model_type",
    "status": "status", "availability": "availability", "nsfwLevel": "nsfw_levels", "createdAt": "created_at",
    "updatedAt": "updated_at", "publishedAt": "published_at", "trainedWords": "trained_words",
    "downloadUrl": "download_url", "stats.downloadCount": "download_count", "stats.thumbsUpCount": "thumbs_up_count",
    "stats.thumbsDownCount": "thumbs_down_count", "stats.ratingCount": "rating_count", "stats.rating": "rating",
    "supportsGeneration": "supports_generation", "earlyAccessDeadline": "early_access_deadline", "air": "air",
    "usageControl": "usage_control", "uploadType": "upload_type", "index": "index", "vaeId": "vae_id", "flags": "flags",
    "earlyAccessTimeFrame": "early_access_days", "earlyAccessConfig": "early_access_config",
    "paidAccess.permanent": "paid_access_permanent", "paidAccess.endsAt": "paid_access_ends_at",
    "licensingFee": "licensing_fee", "trainingStatus": "training_status", "trainingDetails": "training_details",
    "model": "model",
}
FILE = {
    "name": "name", "overrideName": "override_name", "type": "type", "sizeKB": "size_kb", "metadata.format": "format", "metadata.size": "size",
    "metadata.fp": "fp", "metadata.quantType": "quant_type", "metadata.isRequired": "is_required", "pickleScanResult": "pickle_scan_result",
    "pickleScanMessage": "pickle_scan_message", "virusScanResult": "virus_scan_result",
    "virusScanMessage": "virus_scan_message", "scannedAt": "scanned_at", "downloadUrl": "download_url",
}
IMAGE = {
    "url": "url", "type": "type", "nsfw": "nsfw_word", "nsfwLevel": "nsfw_level", "width": "width", "height": "height",
    "hash": "hash", "hasMeta": "has_meta", "hasPositivePrompt": "has_positive_prompt", "onSite": "on_site",
    "remixOfId": "remix_of_id", "minor": "minor", "poi": "poi", "availability": "availability", "flags": "flags",
    "metadata": "metadata", "meta": "meta",
}
PICTURE = {
    "url": "url", "type": "type", "width": "width", "height": "height", "hash": "hash", "nsfw": "nsfw",
    "nsfwLevel": "nsfw_word", "browsingLevel": "nsfw_level", "createdAt": "created_at", "postId": "post_id",
    "username": "username", "baseModel": "base_model", "stats.cryCount": "cry_count", "stats.laughCount": "laugh_count",
    "stats.likeCount": "like_count", "stats.dislikeCount": "dislike_count", "stats.heartCount": "heart_count",
    "stats.commentCount": "comment_count", "thumbnail.url": "thumbnail_url", "thumbnail.width": "thumbnail_width",
    "thumbnail.height": "thumbnail_height",
}
META = {
    "prompt": "prompt", "negativePrompt": "negative_prompt", "seed": "seed", "steps": "steps", "sampler": "sampler",
    "cfgScale": "cfg_scale", "clipSkip": "clip_skip", "Size": "size", "Model": "model", "Model hash": "model_hash",
    "Version": "version", "workflow": "workflow", "Denoising strength": "denoising_strength", "comfy": "comfy",
}
# Other spellings of a key: while one of them is in `extra`, the column does not count.
SPELLINGS = {"clipSkip": "Clip skip", "Denoising strength": "denoise"}
# The lists of resources, and where the columns `name` and `weight` come from.
SOURCES = {
    "resources": ("name", "weight"), "civitaiResources": ("modelVersionName", "weight"),
    "additionalResources": ("name", "strength"),
}
# Columns that hold JSON text.
JSON = {"cosmetic", "early_access_config", "training_details", "model", "metadata", "meta"}
# Names of one thing.
ALSO = {"covered": "supportsGeneration", "earlyAccessEndsAt": "earlyAccessDeadline"}


def read_json(text):
    """JSON with exact numbers; control bytes in strings pass, half of a surrogate pair is the replacement character."""
    mend = lambda value: LONE_SURROGATE.sub("\ufffd", value) if isinstance(value, str) else value
    pairs = lambda pairs: {mend(key): mended(value) for key, value in pairs}
    mended = lambda value: [mended(element) for element in value] if isinstance(value, list) else mend(value)
    return json.loads(text, parse_float=Decimal, object_pairs_hook=pairs, strict=False)


# From rows to items.


def put(item, path, value):
    """Sets the value at a path; never over one that is there."""
    *outer, last = path.split(".")
    for key in outer:
        item = item.setdefault(key, {})
    if last in item:
        raise ValueError(f"both a column and `extra` hold `{path}`")
    item[last] = value


def unfold(row, columns):
    """A row's `extra` with the columns' values put back in their places."""
    item = read_json(row["extra"]) if row["extra"] else {}
    for path, column in columns.items():
        if row[column] is not None:
            put(item, path, read_json(row[column]) if column in JSON else row[column])
    return item


def of_image(row, sent):
    item = unfold(row, IMAGE)
    # The column also takes the number that names the file; only what was sent as `id` stands for it.
    if row["image_id"] is not None and "id" not in item and "id" in sent:
        item["id"] = row["image_id"]
    elif row["image_id"] is not None and f"/{row['image_id']}" not in (row["url"] or ""):
        item["id"] = row["image_id"]
    return item


def of_file(row, hashes):
    item = unfold(row, FILE)
    item["id"] = row["id"]
    if row["is_primary"]:
        put(item, "primary", True)
    for hash_ in hashes.get((row["version_id"], row["id"]), []):
        put(item, f"hashes.{hash_['algorithm']}", hash_["hash"])
    return item


def of_version(row, page, sent):
    item = unfold(row, VERSION)
    item["id"] = row["id"]
    if "modelId" in sent and "modelId" not in item:
        item["modelId"] = row["model_id"]
    items = lambda key: sent.get(key) if isinstance(sent.get(key), list) else []
    if files := page["version_files"].get(row["id"]):
        item["files"] = [of_file(file, page["file_hashes"]) for file in in_order(files, items("files"))]
    if images := page["version_images"].get(row["id"]):
        images.sort(key=lambda image: image["position"])
        item["images"] = [of_image(image, at(items("images"), n)) for n, image in enumerate(images)]
    return item


def of_model(row, page, sent):
    item = unfold(row, MODEL)
    item["id"] = row["id"]
    # Tag objects with more than a name stay in `extra` whole; their names are rows all the same.
    if tags := page["model_tags"].get(row["id"]):
        names = [tag["tag"] for tag in sorted(tags, key=lambda tag: tag["position"])]
        if name_tags(item.setdefault("tags", names)) != names:
            raise ValueError(f"tags are {names} in rows, {item['tags']} in `extra`")
    if versions := page["model_versions"].get(row["id"]):
        versions.sort(key=lambda version: version["position"])
        listed = sent.get("modelVersions") if isinstance(sent.get("modelVersions"), list) else []
        item["modelVersions"] = [of_version(version, page, at(listed, n)) for n, version in enumerate(versions)]
    return item


def of_picture(row, page):
    item = unfold(row, PICTURE)
    item["id"] = row["id"]
    of = lambda table: page[table].get(row["id"], [])
    item.setdefault("modelVersionIds", sorted(version["model_version_id"] for version in of("image_model_versions")))
    tags = sorted(of("image_tags"), key=lambda tag: tag["tag_id"])
    item.setdefault("tags", [{"id": tag["tag_id"], "name": tag["tag"]} for tag in tags])
    for meta in of("image_meta"):
        put(item, "meta", of_meta(meta, sorted(of("image_resources"), key=lambda resource: resource["position"])))
    return item


def of_meta(row, resources):
    """Generation data: what is in `extra` counts, a column or list of resources only for what is not."""
    item = read_json(row["extra"]) if row["extra"] else {}
    wrapped = item.keys() == {"id", "meta"} and (item["meta"] is None or isinstance(item["meta"], dict))
    inner = item["meta"] if wrapped else item
    if inner is None:
        return item
    if row["remix_of_id"] is not None:
        inner.setdefault("extra", {"remixOfId": row["remix_of_id"]})
    for key, column in META.items():
        value = row[column]
        if value is None or key in inner or SPELLINGS.get(key) in inner:
            continue
        if column == "denoising_strength":
            value = f"{Decimal(repr(value)).normalize():f}"
        inner[key] = read_json(value) if column == "comfy" else value
    for source, (name, weight) in SOURCES.items():
        keys = {"type": "type", "name": name, "hash": "hash", "weight": weight, "model_version_id": "modelVersionId"}
        of_source = [resource for resource in resources if resource["source"] == source]
        element = lambda of: {key: of[column] for column, key in keys.items() if of[column] is not None}
        if of_source:
            inner.setdefault(source, [element(resource) for resource in of_source])
    labels = {of["name"]: of["hash"] for of in resources if of["source"] == "hashes" and of["name"] is not None}
    if labels:
        inner.setdefault("hashes", labels)
    return item


def at(items, position):
    """The object at a position of what was sent, if there is one."""
    item = items[position] if position < len(items) else None
    return item if isinstance(item, dict) else {}


def in_order(files, sent):
    """Files have no position of their own: the order they were sent in, by id."""
    ids = [at(sent, n).get("id") for n in range(len(sent))]
    return sorted(files, key=lambda file: ids.index(file["id"]) if file["id"] in ids else len(ids))


# From what was sent to what counts.


def name_tags(tags):
    return [tag["name"] if isinstance(tag, dict) and isinstance(tag.get("name"), str) else tag for tag in tags]


def licences(value):
    if not isinstance(value, str):
        return value
    inner = value[1:-1] if value.startswith("{") and value.endswith("}") else value
    return [word for word in inner.split(",") if word] if inner != value else [value]


def differences(sent, built, path=""):
    """Every path where what was sent and what was built are not one and the same."""
    if isinstance(sent, dict) and isinstance(built, dict):
        for key in sent.keys() | built.keys():
            inner = f"{path}.{key}" if path else key
            yield from differences(sent.get(key), built.get(key), inner)
    elif isinstance(sent, list) and isinstance(built, list) and len(sent) == len(built):
        for n, (left, right) in enumerate(zip(sent, built)):
            yield from differences(left, right, f"{path}[{n}]")
    elif not same(sent, built, path):
        yield f"{path}: sent {json.dumps(sent, default=str)[:200]}, kept {json.dumps(built, default=str)[:200]}"


def same(sent, built, path):
    if sent == built and isinstance(sent, bool) == isinstance(built, bool):
        return True
    if empty(sent) and empty(built):
        return True
    if isinstance(built, datetime):
        return isinstance(sent, str) and instant(sent) == built
    if isinstance(built, float) and isinstance(sent, Decimal):
        return float(sent) == built
    if isinstance(built, str) and isinstance(sent, bool):
        return path.endswith("].nsfw") and built == str(sent).lower()
    if isinstance(built, str) and isinstance(sent, int):
        return built == str(sent)
    return False


def empty(value):
    """Null, absent, or a container of nothing: what has no value to lose."""
    if isinstance(value, dict):
        return all(empty(inner) for inner in value.values())
    return value is None or value == []


def instant(text):
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=timezone.utc)


def canonical(item):
    """What was sent, in the one form among those that mean the same."""
    item = dict(item)
    if "modelVersionIds" in item:
        item["modelVersionIds"] = sorted(set(item["modelVersionIds"]))
    if "allowCommercialUse" in item:
        item["allowCommercialUse"] = licences(item["allowCommercialUse"])
    if isinstance(item.get("tags"), list):
        plain = all(not isinstance(tag, dict) or tag.keys() == {"name"} for tag in item["tags"])
        item["tags"] = name_tags(item["tags"]) if plain else item["tags"]
    for version in item.get("modelVersions") or []:
        for other, own in ALSO.items() if isinstance(version, dict) else []:
            if other in version and own not in version:
                version[own] = version.pop(other)
        for file in (version.get("files") or []) if isinstance(version, dict) else []:
            if isinstance(file, dict):
                if "sizeKb" in file:
                    file["sizeKB"] = file.pop("sizeKb")
                if file.get("primary") is False:
                    del file["primary"]
    return item


# From pages and files to verdicts.


def rows(dataset, table):
    for part in parts(dataset, table):
        for batch in pyarrow.parquet.ParquetFile(part).iter_batches():
            yield from batch.to_pylist()


def gather(dataset):
    """(walk, page) → table → parent's key → rows."""
    parents = {"models": ["id"], "model_tags": ["model_id"], "model_versions": ["model_id"],
               "version_files": ["version_id"], "file_hashes": ["version_id", "file_id"], "version_images": ["version_id"],
               "images": ["id"], **{table: ["image_id"] for table in OF_IMAGES}}
    pages = {}
    for table in parents:
        for row in rows(dataset, table):
            page = pages.setdefault((row["walk"], row["page"]), {name: {} for name in parents})
            keys = [row[name] for name in parents[table]]
            page[table].setdefault(keys[0] if len(keys) == 1 else tuple(keys), []).append(row)
    return pages


def check(sent, page):
    """What is wrong with one item."""
    sent = canonical(sent)
    try:
        for row in page["models"].get(sent["id"], []):
            yield from differences(sent, of_model(row, page, sent))
        for row in page["images"].get(sent["id"], []):
            by_id = {**sent, "tags": sorted(sent.get("tags") or [], key=lambda tag: tag["id"])}
            yield from differences(by_id, of_picture(row, page))
    except ValueError as error:
        yield str(error)


def from_server(dataset, pages, rejects):
    """(what it is, item, page) for every item of every page, fetched again."""
    for listed in sorted(rows(dataset, "pages"), key=lambda row: (row["walk"], row["page"])):
        where = (listed["walk"], listed["page"])
        if listed["status"] != 200:
            continue
        with urllib.request.urlopen(listed["url"]) as answer:
            page = read_json(answer.read().decode())
        for position, item in enumerate(page.get("items", [page])):
            if (*where, position) not in rejects:
                yield f"walk {where[0]}, page {where[1]}", item, pages.get(where)


def from_file(file, pages):
    of_model = {id_: page for page in pages.values() for id_ in page["models"]}
    with open(file, encoding="utf-8") as lines:
        for line in filter(str.strip, lines):
            item = read_json(line)
            yield file, item, of_model.get(item["id"])


def main(dataset, file=None):
    rejects = {(row["walk"], row["page"], row["position"]): row["item"] for row in rows(dataset, "rejects")}
    pages = gather(dataset)
    faults, items, extras = [], 0, 0
    for where, item, page in from_file(file, pages) if file else from_server(dataset, pages, rejects):
        items += 1
        if page is None or (item["id"] not in page["models"] and item["id"] not in page["images"]):
            faults.append(f"{where}: item {item['id']} is in no row")
            continue
        faults += [f"{where}, item {item['id']}: {fault}" for fault in check(item, page)]
    kept = []
    for page in pages.values():
        kept += [row["id"] for table in ("models", "images") for rows in page[table].values() for row in rows]
        tables = ("models", "model_versions", "version_files", "version_images", "images")
        extras += sum(row["extra"] is not None for table in tables for rows in page[table].values() for row in rows)
    # Of a file it does not matter on how many pages an item was.
    if (kept := len(set(kept) if file else kept)) != items:
        faults.append(f"{items} items were sent, {kept} are in rows")
    shown = faults[:SHOWN] + [f"... {len(faults) - SHOWN} more"] * (len(faults) > SHOWN)
    counts = {table: sum(1 for _ in rows(dataset, table)) for table in [*KEYS, "rejects"]}
    end(shown, json.dumps({"items": items, "with_extra": extras, **counts}))


if __name__ == "__main__":
    main(*sys.argv[1:])
