"""A process that has imported the slow libraries and forks for each job of a run on one machine.

Importing torch, transformers and pandas takes seconds, more than many jobs of tiny models compute. The server
imports them once. A job's process asks over a socket for a child, lends it its output streams, environment
and working directory, and ends with the child's exit status. Without a server (on a cluster, on macOS, in
another environment, for a model on a GPU, which no forked process may share) a job runs in its own process.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NoReturn

SOCKET = "GOODPART_FORKS"  # the environment variable that names the server's socket
ENVIRONMENT = "GOODPART_FORKS_PREFIX"  # and the one that names its environment of Python
LIBRARIES = (
    *("numpy", "pyarrow.parquet", "pyarrow.compute", "pandas", "torch", "safetensors.torch", "tokenizers"),
    *("transformers.masking_utils", "transformers.models.qwen2.modeling_qwen2"),
    *("transformers.models.llama.modeling_llama", "transformers.tokenization_utils_tokenizers"),
    *("matplotlib.pyplot", "seaborn"),
)


def start() -> subprocess.Popen[bytes] | None:
    """Start a server for the jobs of this process, with which it ends; None where forking is unsafe."""
    if not sys.platform.startswith("linux"):
        return None
    folder = tempfile.mkdtemp(prefix="goodpart-forks-")
    path = str(Path(folder, "socket"))
    listener = socket.socket(socket.AF_UNIX)
    try:
        listener.bind(path)
    except OSError:  # a temporary folder whose path is too long for a socket: each job starts by itself
        listener.close()
        Path(folder).rmdir()
        return None
    listener.listen(128)
    # One thread while the libraries are imported: a pool of threads would not survive a fork.
    threads = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL", "NUMEXPR")}
    server = subprocess.Popen(
        [sys.executable, "-m", "goodpart.jobs.forks", str(listener.fileno()), path],
        stdin=subprocess.PIPE,
        pass_fds=[listener.fileno()],
        env={**os.environ, **threads, "MPLBACKEND": "Agg"},
    )
    listener.close()
    os.environ.update({SOCKET: path, ENVIRONMENT: sys.prefix})
    return server


def reachable(description: str) -> socket.socket | None:
    """A connection to the run's server, if a job of this description may be forked."""
    path = os.environ.get(SOCKET)
    if not path or os.environ.get(ENVIRONMENT) != sys.prefix:
        return None
    model = json.loads(description.splitlines()[1])["params"].get("model")
    if isinstance(model, dict) and model.get("device", "cpu") != "cpu":
        return None
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(path)
    except OSError:
        connection.close()
        return None
    return connection


def ask(server: socket.socket, words: list[str], description: str) -> int:
    """Have the server fork a child for this job; its exit status, 128 + the signal's number if killed."""
    text = json.dumps([words, description, dict(os.environ), os.getcwd()]).encode()
    socket.send_fds(server, [len(text).to_bytes(8, "big")], [1, 2])
    server.sendall(text)
    answer = b"".join(iter(lambda: server.recv(4), b""))
    if not answer:
        print("error: the fork server ended before this job did; run again", file=sys.stderr)
    return int(answer) if answer else 1


def _receive(connection: socket.socket) -> tuple[list[int], bytes]:
    head, descriptors, _, _ = socket.recv_fds(connection, 8, 2)
    size, parts = int.from_bytes(head, "big"), bytearray()
    while len(parts) < size:
        part = connection.recv(size - len(parts))
        if not part:
            break
        parts += part
    return list(descriptors), bytes(parts)


def _work(connection: socket.socket) -> NoReturn:
    """Be the job: take over its streams and environment, run it, and leave with its exit status."""
    from goodpart.jobs.start import run_job

    signal.signal(signal.SIGINT, signal.default_int_handler)
    status = 1
    try:
        descriptors, text = _receive(connection)
        words, description, environment, folder = json.loads(text)
        sys.argv[1:] = words  # in place of the server's
        for stream, descriptor in zip((1, 2), descriptors, strict=True):
            os.dup2(descriptor, stream)
            os.close(descriptor)
        os.environ.clear()
        os.environ.update(environment)
        os.chdir(folder)
        threading.Thread(target=_end_with, args=[connection], daemon=True).start()
        run_job(words, description)
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _end_with(connection: socket.socket) -> None:
    """Stop this process when the one that asked for it is gone."""
    connection.recv(1)
    os.kill(os.getpid(), signal.SIGTERM)


def serve(listener: socket.socket) -> None:
    """Import the libraries, parse the sources, and fork for each connection, until standard input ends."""
    from goodpart.jobs import sources  # late: every job's process imports this module

    # An interrupt ends the children; this process ends with the run.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    waiting: list[Callable[[], object]] = [
        *(partial(sources.read_ahead, path) for path in sources.all_files()),
        *(partial(importlib.import_module, name) for name in reversed(LIBRARIES)),
    ]
    children: dict[int, socket.socket] = {}
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    os.set_blocking(writing, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(writing)
    while True:
        ready, _, _ = select.select([0, reading, listener], [], [], 0 if waiting else None)
        if reading in ready:
            os.read(reading, 4096)
        while children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                break
            code = os.waitstatus_to_exitcode(status)
            with children.pop(pid) as connection, contextlib.suppress(OSError):
                connection.sendall(str(code if code >= 0 else 128 - code).encode())
        if 0 in ready and not os.read(0, 1):
            return
        if listener in ready:
            connection, _ = listener.accept()
            pid = os.fork()
            if pid == 0:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                listener.close()
                for other in children.values():
                    other.close()
                _work(connection)
            children[pid] = connection
        elif waiting:
            with contextlib.suppress(ImportError):  # a job that needs it says so
                waiting.pop()()


if __name__ == "__main__":
    number, path = sys.argv[1:]
    try:
        serve(socket.socket(fileno=int(number)))
    finally:
        Path(path).unlink(missing_ok=True)
        Path(path).parent.rmdir()
