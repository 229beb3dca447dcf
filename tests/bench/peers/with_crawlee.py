"""Crawlee: its HTTP crawler and its own dataset of JSON files; it has no Parquet.

    with_crawlee.py ENDPOINT FIRST_URL DIRECTORY
"""

import asyncio
import json
import os
import sys
from urllib.parse import urlencode

endpoint, first, directory = sys.argv[1:4]
os.environ["CRAWLEE_STORAGE_DIR"] = directory
os.environ["CRAWLEE_LOG_LEVEL"] = "ERROR"
from crawlee.crawlers import HttpCrawler


async def main():
    crawler = HttpCrawler(configure_logging=False)

    @crawler.router.default_handler
    async def handle(context):
        page = json.loads(await context.http_response.read())
        await context.push_data(page["items"])
        cursor = page["metadata"].get("nextCursor")
        if cursor:
            await context.add_requests([f"{first}&{urlencode({'cursor': cursor})}"])

    await crawler.run([first])


asyncio.run(main())
