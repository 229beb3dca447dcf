"""dlt: its REST source with a cursor, its own normalization into child tables, Parquet in a directory.

    with_dlt.py ENDPOINT FIRST_URL DIRECTORY
"""

import json
import os
import sys
from urllib.parse import parse_qsl, urlsplit

os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
import dlt
from dlt.sources.helpers.rest_client.paginators import JSONResponseCursorPaginator
from dlt.sources.rest_api import rest_api_source

endpoint, first, directory = sys.argv[1:4]


def plain(item):
    """Generation data as text: dlt ends at its seeds of more than 64 bits."""
    if item.get("meta"):
        item["meta"] = json.dumps(item["meta"])
    return item


parts = urlsplit(first)
source = rest_api_source({
    "client": {"base_url": f"{parts.scheme}://{parts.netloc}{parts.path.rpartition('/')[0]}/"},
    "resources": [{
        "name": endpoint,
        "processing_steps": [{"map": plain}],
        "endpoint": {
            "path": endpoint,
            "params": dict(parse_qsl(parts.query)),
            "data_selector": "items",
            "paginator": JSONResponseCursorPaginator(cursor_path="metadata.nextCursor", cursor_param="cursor"),
        },
    }],
})
pipeline = dlt.pipeline(
    pipeline_name="peer",
    pipelines_dir=os.path.join(directory, "pipelines"),
    destination=dlt.destinations.filesystem(bucket_url=f"file://{directory}/out"),
    dataset_name="peer",
)
pipeline.run(source, loader_file_format="parquet")
