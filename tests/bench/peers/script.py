"""What a competent engineer writes instead of a crawler: aiohttp, orjson and pyarrow, the same flat tables, no resuming.

    script.py ENDPOINT FIRST_URL DIRECTORY
"""

import asyncio
import sys
from pathlib import Path
from urllib.parse import urlencode

import aiohttp
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

PAGES_PER_GROUP = 20
INT, NUM, TEXT, FLAG = pa.int64(), pa.float64(), pa.string(), pa.bool_()
TEXTS = pa.list_(TEXT)
SCHEMAS = {
    "models": [
        ("id", INT), ("name", TEXT), ("description", TEXT), ("type", TEXT), ("nsfw", FLAG), ("nsfwLevel", INT),
        ("minor", FLAG), ("sfwOnly", FLAG), ("poi", FLAG), ("mode", TEXT), ("availability", TEXT), ("userId", INT),
        ("supportsGeneration", FLAG), ("allowNoCredit", FLAG), ("allowCommercialUse", TEXTS), ("allowDerivatives", FLAG),
        ("allowDifferentLicense", FLAG), ("baseModels", TEXTS), ("creator", TEXT), ("creatorImage", TEXT),
        ("downloadCount", INT), ("thumbsUpCount", INT), ("thumbsDownCount", INT), ("commentCount", INT),
        ("tippedAmountCount", INT),
    ],
    "model_tags": [("model_id", INT), ("position", INT), ("tag", TEXT)],
    "model_versions": [
        ("id", INT), ("name", TEXT), ("description", TEXT), ("baseModel", TEXT), ("baseModelType", TEXT),
        ("availability", TEXT), ("nsfwLevel", INT), ("publishedAt", TEXT), ("trainedWords", TEXTS), ("downloadUrl", TEXT),
        ("supportsGeneration", FLAG), ("air", TEXT), ("model_id", INT), ("position", INT), ("downloadCount", INT),
        ("thumbsUpCount", INT), ("thumbsDownCount", INT),
    ],
    "version_files": [
        ("id", INT), ("name", TEXT), ("type", TEXT), ("primary", FLAG), ("sizeKB", NUM), ("pickleScanResult", TEXT),
        ("pickleScanMessage", TEXT), ("virusScanResult", TEXT), ("virusScanMessage", TEXT), ("scannedAt", TEXT),
        ("downloadUrl", TEXT), ("version_id", INT), ("model_id", INT), ("format", TEXT), ("size", TEXT), ("fp", TEXT),
    ],
    "file_hashes": [("version_id", INT), ("file_id", INT), ("algorithm", TEXT), ("hash", TEXT)],
    "version_images": [
        ("id", INT), ("url", TEXT), ("type", TEXT), ("nsfwLevel", INT), ("width", INT), ("height", INT), ("hash", TEXT),
        ("hasMeta", FLAG), ("version_id", INT), ("model_id", INT), ("position", INT),
    ],
    "images": [
        ("id", INT), ("url", TEXT), ("type", TEXT), ("width", INT), ("height", INT), ("hash", TEXT), ("nsfw", FLAG),
        ("nsfwLevel", TEXT), ("browsingLevel", INT), ("createdAt", TEXT), ("postId", INT), ("username", TEXT),
        ("baseModel", TEXT), ("cryCount", INT), ("laughCount", INT), ("likeCount", INT), ("dislikeCount", INT),
        ("heartCount", INT), ("commentCount", INT),
    ],
    "image_meta": [
        ("image_id", INT), ("prompt", TEXT), ("negativePrompt", TEXT), ("seed", INT), ("steps", INT), ("sampler", TEXT),
        ("cfgScale", NUM), ("clipSkip", INT), ("Size", TEXT), ("Model", TEXT), ("Model hash", TEXT), ("extra", TEXT),
    ],
    "image_resources": [
        ("image_id", INT), ("position", INT), ("source", TEXT), ("type", TEXT), ("name", TEXT), ("hash", TEXT),
        ("weight", NUM), ("modelVersionId", INT),
    ],
    "image_model_versions": [("image_id", INT), ("model_version_id", INT)],
    "image_tags": [("image_id", INT), ("tag_id", INT), ("tag", TEXT)],
}
SCHEMAS = {name: pa.schema(fields) for name, fields in SCHEMAS.items()}
NAMES = {name: schema.names for name, schema in SCHEMAS.items()}
TABLES = {"models": list(SCHEMAS)[:6], "images": list(SCHEMAS)[6:]}
LISTS = {"resources": ("name", "weight"), "civitaiResources": ("modelVersionName", "weight"),
         "additionalResources": ("name", "strength")}


def model(rows, item):
    number, stats, creator = item["id"], item.get("stats") or {}, item.get("creator") or {}
    get = item.get
    own = [get(name) for name in NAMES["models"][:18]]
    if isinstance(own[14], str):
        own[14] = own[14].strip("{}").split(",")
    counts = [stats.get(name) for name in NAMES["models"][20:]]
    rows["models"].append((*own, text(creator.get("username")), creator.get("image"), *counts))
    rows["model_tags"].extend((number, at, tag) for at, tag in enumerate(get("tags") or ()))
    for at, version in enumerate(get("modelVersions") or ()):
        version_rows(rows, number, at, version)


def version_rows(rows, model_id, at, version):
    number, get, stats = version["id"], version.get, version.get("stats") or {}
    own = [get(name) for name in NAMES["model_versions"][:12]]
    counts = [stats.get(name) for name in NAMES["model_versions"][14:]]
    rows["model_versions"].append((*own, model_id, at, *counts))
    for file in get("files") or ():
        own, more = [file.get(name) for name in NAMES["version_files"][:11]], file.get("metadata") or {}
        own[3] = bool(own[3])
        rows["version_files"].append((*own, number, model_id, more.get("format"), more.get("size"), more.get("fp")))
        hashes = file.get("hashes") or {}
        rows["file_hashes"].extend((number, file["id"], name, value) for name, value in hashes.items())
    names = NAMES["version_images"][1:8]
    for place, image in enumerate(get("images") or ()):
        link = image.get("url")
        own = [image.get(name) for name in names]
        rows["version_images"].append((image.get("id") or id_in(link), *own, number, model_id, place))


def id_in(link):
    stem = (link or "").rpartition("/")[2].partition(".")[0]
    return int(stem) if stem.isdigit() else None


def text(value):
    return value if value is None or isinstance(value, str) else str(value)


def exact(kind, value):
    """The value where the column takes it as it is, else none."""
    if kind == INT:
        return value if type(value) is int and abs(value) < 1 << 63 else None
    if kind == NUM:
        return float(value) if type(value) in (int, float) else None
    return value if isinstance(value, str) else None


def image(rows, item):
    number, stats, get = item["id"], item.get("stats") or {}, item.get
    own = [get(name) for name in NAMES["images"][:13]]
    own[11] = text(own[11])
    rows["images"].append((*own, *[stats.get(name) for name in NAMES["images"][13:]]))
    rows["image_model_versions"].extend((number, version) for version in get("modelVersionIds") or ())
    rows["image_tags"].extend((number, tag["id"], tag["name"]) for tag in get("tags") or ())
    meta = get("meta")
    if not isinstance(meta, dict):
        return
    row, left = [number], dict(meta)
    for field in list(SCHEMAS["image_meta"])[1:11]:
        value = exact(field.type, meta.get(field.name))
        row.append(value)
        if value is not None:
            del left[field.name]
    place = 0
    for source, (name, weight) in LISTS.items():
        entries = left.get(source)
        if not isinstance(entries, list):
            continue
        del left[source]
        for entry in entries:
            if isinstance(entry, dict):
                rows["image_resources"].append((
                    number, place, source, exact(TEXT, entry.get("type")), exact(TEXT, entry.get(name)),
                    exact(TEXT, entry.get("hash")), exact(NUM, entry.get(weight)),
                    exact(INT, entry.get("modelVersionId"))))
                place += 1
    row.append(orjson.dumps(left).decode() if left else None)
    rows["image_meta"].append(tuple(row))


def column(values, kind):
    try:
        return pa.array(values, kind)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.array([exact(kind, value) for value in values], kind)


def write(writers, rows):
    for name, gathered in rows.items():
        if gathered:
            columns = [column(values, field.type) for values, field in zip(zip(*gathered), SCHEMAS[name])]
            writers[name].write_table(pa.Table.from_arrays(columns, schema=SCHEMAS[name]))
            gathered.clear()


async def main(endpoint, first, directory):
    tables, flatten = TABLES[endpoint], {"models": model, "images": image}[endpoint]
    writers = {name: pq.ParquetWriter(Path(directory, f"{name}.parquet"), SCHEMAS[name], compression="zstd")
               for name in tables}
    rows = {name: [] for name in tables}
    async with aiohttp.ClientSession() as session:
        async def fetch(url):
            async with session.get(url) as answer:
                answer.raise_for_status()
                return orjson.loads(await answer.read())

        page, count = await fetch(first), 0
        while page:
            cursor = page["metadata"].get("nextCursor")
            # The next page travels while this one is taken apart.
            following = asyncio.create_task(fetch(f"{first}&{urlencode({'cursor': cursor})}")) if cursor else None
            await asyncio.sleep(0)
            for item in page["items"]:
                flatten(rows, item)
            count += 1
            if count % PAGES_PER_GROUP == 0:
                write(writers, rows)
            page = await following if following else None
    write(writers, rows)
    for writer in writers.values():
        writer.close()


asyncio.run(main(*sys.argv[1:4]))
