"""DuckDB: `read_json` of pages that lie on the disk already, and a `COPY` of each table; no download is counted.

    with_duckdb.py ENDPOINT PAGES DIRECTORY
"""

import sys

import duckdb

endpoint, pages, directory = sys.argv[1:4]
STATS = "STRUCT(downloadCount BIGINT, thumbsUpCount BIGINT, thumbsDownCount BIGINT, commentCount BIGINT, tippedAmountCount BIGINT)"
FILES = """STRUCT(id BIGINT, name VARCHAR, type VARCHAR, "primary" BOOLEAN, sizeKB DOUBLE, pickleScanResult VARCHAR,
    pickleScanMessage VARCHAR, virusScanResult VARCHAR, virusScanMessage VARCHAR, scannedAt VARCHAR, downloadUrl VARCHAR,
    metadata STRUCT(format VARCHAR, size VARCHAR, fp VARCHAR), hashes MAP(VARCHAR, VARCHAR))[]"""
IMAGES = """STRUCT(id BIGINT, url VARCHAR, type VARCHAR, nsfwLevel BIGINT, width BIGINT, height BIGINT, hash VARCHAR,
    hasMeta BOOLEAN)[]"""
VERSIONS = f"""STRUCT(id BIGINT, name VARCHAR, description VARCHAR, baseModel VARCHAR, baseModelType VARCHAR,
    availability VARCHAR, nsfwLevel BIGINT, publishedAt VARCHAR, trainedWords VARCHAR[], downloadUrl VARCHAR,
    supportsGeneration BOOLEAN, air VARCHAR, stats {STATS}, files {FILES}, images {IMAGES})[]"""
ITEM = {
    "models": f"""STRUCT(id BIGINT, name VARCHAR, description VARCHAR, type VARCHAR, nsfw BOOLEAN, nsfwLevel BIGINT,
        minor BOOLEAN, sfwOnly BOOLEAN, poi BOOLEAN, mode VARCHAR, availability VARCHAR, userId BIGINT,
        supportsGeneration BOOLEAN, allowNoCredit BOOLEAN, allowCommercialUse VARCHAR[], allowDerivatives BOOLEAN,
        allowDifferentLicense BOOLEAN, baseModels VARCHAR[], creator STRUCT(username VARCHAR, image VARCHAR),
        stats {STATS}, tags VARCHAR[], modelVersions {VERSIONS})[]""",
    "images": """STRUCT(id BIGINT, url VARCHAR, type VARCHAR, width BIGINT, height BIGINT, hash VARCHAR, nsfw BOOLEAN,
        nsfwLevel VARCHAR, browsingLevel BIGINT, createdAt VARCHAR, postId BIGINT, username VARCHAR, baseModel VARCHAR,
        modelVersionIds BIGINT[], tags STRUCT(id BIGINT, name VARCHAR)[], meta JSON, stats STRUCT(cryCount BIGINT,
        laughCount BIGINT, likeCount BIGINT, dislikeCount BIGINT, heartCount BIGINT, commentCount BIGINT))[]""",
}[endpoint]
TEXTS = ["prompt", "negativePrompt", "sampler", "Size", "Model", "Model hash"]
NUMBERS = ["seed", "steps", "clipSkip"]
META = [f"meta->>'{key}' AS \"{key}\"" for key in TEXTS]
META += [f"TRY_CAST(meta->>'{key}' AS BIGINT) AS \"{key}\"" for key in NUMBERS]
RESOURCES = [
    f"""SELECT image_id, '{source}' AS source, r->>'type' AS type, r->>'name' AS name, r->>'hash' AS hash,
        TRY_CAST(r->>'weight' AS DOUBLE) AS weight, TRY_CAST(r->>'modelVersionId' AS BIGINT) AS model_version_id
        FROM (SELECT id AS image_id, unnest(TRY_CAST(meta->'{source}' AS JSON[])) AS r FROM item)"""
    for source in ["resources", "civitaiResources", "additionalResources"]
]
TABLES = {
    "models": {
        "models": "SELECT * EXCLUDE (creator, stats, tags, modelVersions), unnest(creator), unnest(stats) FROM item",
        "model_tags": "SELECT id AS model_id, generate_subscripts(tags, 1) AS position, unnest(tags) AS tag FROM item",
        "model_versions": "SELECT model_id, * EXCLUDE (model_id, stats, files, images), unnest(stats) FROM version",
        "version_files": """SELECT version_id, * EXCLUDE (version_id, metadata, hashes), unnest(metadata) FROM file""",
        "file_hashes": """SELECT version_id, id AS file_id, unnest(h) FROM
            (SELECT version_id, id, unnest(map_entries(hashes)) AS h FROM file)""",
        "version_images": """SELECT model_id, version_id, unnest(p) FROM
            (SELECT model_id, id AS version_id, unnest(images) AS p FROM version)""",
    },
    "images": {
        "images": "SELECT * EXCLUDE (modelVersionIds, tags, meta, stats), unnest(stats) FROM item",
        "image_meta": f"""SELECT id AS image_id, {", ".join(META)}, TRY_CAST(meta->>'cfgScale' AS DOUBLE) AS cfgScale,
            meta AS extra FROM item WHERE meta IS NOT NULL""",
        "image_resources": " UNION ALL ".join(RESOURCES),
        "image_model_versions": "SELECT id AS image_id, unnest(modelVersionIds) AS model_version_id FROM item",
        "image_tags": "SELECT image_id, unnest(t) FROM (SELECT id AS image_id, unnest(tags) AS t FROM item)",
    },
}[endpoint]

db = duckdb.connect()
db.execute(f"""CREATE TABLE item AS SELECT unnest(i) FROM (SELECT unnest(items) AS i
    FROM read_json('{pages}/*.json', columns = {{items: '{ITEM}'}}, maximum_object_size = 67108864))""")
if endpoint == "models":
    db.execute("CREATE VIEW version AS SELECT model_id, unnest(v) FROM (SELECT id AS model_id, unnest(modelVersions) AS v FROM item)")
    db.execute("""CREATE VIEW file AS SELECT model_id, version_id, unnest(f) FROM
        (SELECT model_id, id AS version_id, unnest(files) AS f FROM version)""")
for name, query in TABLES.items():
    db.execute(f"COPY ({query}) TO '{directory}/{name}.parquet' (COMPRESSION zstd, COMPRESSION_LEVEL 1)")
