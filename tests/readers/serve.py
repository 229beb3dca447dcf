"""Runs readers in copies of one process that has their libraries loaded: loading them takes longer than most readers.

    serve.py SOCKET

A request is one JSON object a connection, with `arguments` (those of a Python: the script first), `directory` and
`environment`; its answer is one with `code`, `stdout` and `stderr`. Each script runs in a process of its own; one that dies in it
gives no answer. Ends with its parent.
"""

import ctypes
import json
import os
import runpy
import signal
import socket
import sys
import tempfile
import traceback

import duckdb
import pandas  # noqa: F401
import polars  # noqa: F401
import pyarrow.compute  # noqa: F401
import pyarrow.dataset  # noqa: F401
import pyarrow.parquet  # noqa: F401

PR_SET_PDEATHSIG = 1


def run(request):
    """Becomes the script; returns its exit code."""
    os.chdir(request["directory"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv, sys.path[0] = request["arguments"], os.path.dirname(request["arguments"][0])
    try:
        runpy.run_path(sys.argv[0], run_name="__main__")
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def serve(connection):
    """Answers one request."""
    with connection, connection.makefile("rw") as lines, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        request = json.loads(lines.readline())
        os.dup2(out.fileno(), 1)
        os.dup2(err.fileno(), 2)
        code, texts = run(request), []
        sys.stdout.flush()
        sys.stderr.flush()
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode(errors="replace"))
        lines.write(json.dumps({"code": code, "stdout": texts[0], "stderr": texts[1]}) + "\n")


def main(address):
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    # Opening a database is most of what a query costs. A copy has none of its parent's threads, so this one has no others.
    duckdb.set_default_connection(duckdb.connect(config={"threads": 1, "async_threads": 0}))
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen(64)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        while True:
            connection, _ = listener.accept()
            if os.fork() == 0:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                listener.close()
                serve(connection)
                os._exit(0)
            connection.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
