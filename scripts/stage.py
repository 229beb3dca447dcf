#!/usr/bin/env python3
# Proves nothing itself: the parts that the proofs share. A server, crawl files, runs of the program, and the exact comparison of
# datasets.
# Takes no time.

import atexit
import json
import os
import random
import subprocess
import sys
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTHON = os.path.abspath(os.environ.get("CIVITRAWL_PYTHON", ROOT / ".venv/bin/python"))
ENVIRONMENT = {"PATH": os.environ.get("PATH", "")}
BINARY = ROOT / "target/release/civitrawl"

# Tied dates are left out: with pages this small, models of one instant would send the server's cursors in circles.
TRAPS = "all,-tied-dates"
# Each kind strikes a page at most once, so no page is ever asked for in smaller pieces, which would renumber pages.
FAULTS = [
    "kind=status,code=503,share=0.02",
    "kind=status,code=503,retry_after=0,share=0.02",
    "kind=status,code=502,share=0.02",
    "kind=reset,share=0.02",
    "kind=cut,share=0.02",
    "kind=truncate,share=0.02",
    "kind=html,share=0.02",
    "kind=invalid-json,share=0.02",
    "kind=bad-gzip,share=0.02",
]
CRAWL = """
server = "{base}"
dataset = "{dataset}"
pace = {{ requests_per_second = 1000.0, burst = 1000, in_flight = 8 }}
commit = {{ every = "100ms" }}
retry = {{ attempts = 20 }}
"""
WALKS = """
[[walk]]
name = "models"
endpoint = "models"
params = { sort = "Oldest", period = "AllTime", nsfw = true, archived = true, limit = 10 }
[[walk]]
name = "models_pg"
endpoint = "models"
params = { sort = "Oldest", period = "AllTime", archived = true, limit = 10 }
"""


class Sandbox:
    """A server in a process of its own."""

    def __init__(self, binary, models, seed, faults=(), latency=5, traps=TRAPS, more=()):
        command = [binary, "sandbox", "--models", str(models), "--seed", str(seed), "--traps", traps]
        command += ["--latency", str(latency), *more] + [word for fault in faults for word in ("--fault", fault)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, env=ENVIRONMENT, text=True)
        self.base = self.process.stdout.readline().strip()
        atexit.register(self.stop)

    def log(self):
        url = self.base.removesuffix("/api/v1") + "/sandbox/log"
        return [json.loads(line) for line in urllib.request.urlopen(url)]

    def stop(self):
        self.process.kill()
        self.process.wait()


def seed():
    """`SEED=…`, or a new one; printed."""
    number = int(os.environ.get("SEED") or random.SystemRandom().randrange(1 << 31))
    print(f"SEED={number}", flush=True)
    return number


def crawl_file(room, name, base, more="", walks=WALKS):
    """A crawl file of these walks, with `more` keys at its top, and the dataset it names, in a directory of their own below `room`."""
    # The file's stem names the crawl, so every dataset's file has the same one.
    place = Path(room, name)
    place.mkdir(parents=True)
    file = place / "crawl.toml"
    file.write_text(more + CRAWL.format(base=base, dataset=place / "dataset") + walks)
    return file, place / "dataset"


def begin(command):
    """Starts a command that prints its errors only."""
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, env=ENVIRONMENT, text=True, errors="replace", **quiet)


def finish(command):
    """Runs a command; its exit code and its errors."""
    process = begin(command)
    _, errors = process.communicate(timeout=600)
    return process.returncode, errors


def undisturbed(binary, room, models, seed, more="", walks=WALKS):
    """A crawl that nothing disturbs: its dataset, and the code it ended with."""
    sandbox = Sandbox(binary, models, seed)
    file, dataset = crawl_file(room, "undisturbed", sandbox.base, more, walks)
    code, errors = finish([binary, "crawl", file])
    sandbox.stop()
    if code not in (0, 4):
        sys.exit(f"the undisturbed crawl ended with {code}:\n{errors}")
    return dataset, code


def verify(binary, dataset):
    """Returns the fault of a dataset, or `None`; one that is not there yet is in order."""
    found = subprocess.run([binary, "verify", dataset], env=ENVIRONMENT, capture_output=True, text=True)
    begun = dataset.exists() and any(dataset.iterdir())
    # 2: there is no dataset.
    expected = 0 if begun else 2
    return None if found.returncode == expected else f"verify says {found.returncode}:\n{found.stdout}{found.stderr}"


def compare(reference, datasets, *options):
    """Fails unless all these datasets hold the rows of the first; says how many those are."""
    command = [PYTHON, ROOT / "tests/readers/same.py", *options, reference, *datasets]
    same = subprocess.run(command, capture_output=True, text=True)
    if same.returncode:
        sys.exit(f"rows differ:\n{same.stdout}{same.stderr}\nthe datasets are kept")
    return same.stdout.strip()


def last_record(dataset):
    """The last commit record, or `None`."""
    records = sorted(dataset.glob("commits/*.json"))
    return json.loads(records[-1].read_text()) if records else None


def is_over(dataset):
    """Returns whether all walks of the dataset's pass are over."""
    record = last_record(dataset)
    return record is not None and all("end" in walk for walk in record["walks"].values())
