"""Runs the README's Python as a reader pastes it: readme.py README DIRECTORY, where `data/sandbox` was crawled.

Spark is no part of this Python: its block is left out.
"""

import os
import re
import sys
from pathlib import Path


def main(readme, directory):
    blocks = re.findall(r"^```python\n(.*?)^```$", Path(readme).read_text(), re.MULTILINE | re.DOTALL)
    blocks = [block for block in blocks if not block.startswith("spark.")]
    assert blocks, "the README has lost its Python"
    os.chdir(directory)
    for block in blocks:
        exec(compile(block, readme, "exec"), {})


main(*sys.argv[1:])
