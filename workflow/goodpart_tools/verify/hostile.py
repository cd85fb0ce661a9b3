"""Hostile programs in the sandbox: they must not reach files, sockets, other processes or the next item.

Each program runs on its own, with its own time limit. Next to it there are a folder with canary files, a
secret in the environment, a listening TCP port and a listening abstract socket. After it, all of these are
checked, and a correct program must still pass. Hostile programs never run without bubblewrap.
"""

from __future__ import annotations

import os
import secrets
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from goodpart.benchmarks.sandbox import Sandbox
from goodpart.errors import GoodpartError
from goodpart_tools.verify.oracles import Found, agreement, judged, reference_of

CANARIES = {"canary.txt": "unchanged", "secret.txt": "a secret"}
# Folders in which hostile programs try to leave files.
OUTSIDE = ("/tmp", "/etc", "/root", "/var/tmp", "/dev/shm")  # noqa: S108
LINGER = 2.0  # seconds in which the kernel may still reap a killed process


def check_hostile(rows: list[dict[str, Any]], folder: Path, kind: str) -> Iterator[Found]:
    """Run every row. A breach of containment, or a program that takes too long, is a differing `must` row."""
    if kind != "bubblewrap":
        raise GoodpartError("hostile programs run only in bubblewrap; remove --sandbox none")
    Sandbox().probe()
    with ExitStack() as stack:
        canaries = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="goodpart-canary-")))
        for name, text in CANARIES.items():
            (canaries / name).write_text(text)
        port = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        abstract = stack.enter_context(socket.socket(socket.AF_UNIX))
        name = f"goodpart-{secrets.token_hex(8)}"
        abstract.bind(f"\0{name}")
        abstract.listen()
        os.environ.update(ORACLE_SECRET="1")  # noqa: S106
        stack.callback(os.environ.pop, "ORACLE_SECRET")
        for listener in (port, abstract):
            listener.setblocking(False)
        filled = {
            "@CANARY_DIR@": str(canaries),
            "@PORT@": str(port.getsockname()[1]),
            "@ABSTRACT@": name,
        }
        for row in rows:
            reference_of(row, folder)  # read before the clock starts
            for mark, value in filled.items():
                row = {**row, "completion": row["completion"].replace(mark, value)}
            before, processes = _outside(), sandboxed()
            sandbox = Sandbox(cpu_seconds=row["timeout_s"], wall_seconds=row["timeout_s"])
            began = time.monotonic()
            verdict = judged(row, folder, sandbox)
            seconds = time.monotonic() - began
            breaches = list(_breaches(canaries, (port, abstract), before, processes))
            if seconds > row["max_wall_s"]:
                breaches.append(f"took {seconds:.1f} s of {row['max_wall_s']:g}")
            if not Sandbox(wall_seconds=30).run("assert True").passed:
                breaches.append("the next program did not pass")
            if breaches:
                yield row["id"], "must", False, "; ".join(breaches)
            else:
                yield agreement(row, verdict)


def _outside() -> set[str]:
    """Files in folders that programs try to write to, without those of this process."""
    found = set()
    for folder in OUTSIDE:
        if os.access(folder, os.R_OK | os.X_OK):
            found.update(f"{folder}/{name}" for name in os.listdir(folder) if "pwned" in name)
    return found


def _breaches(
    canaries: Path, listeners: tuple[socket.socket, ...], before: set[str], processes: set[int]
) -> Iterator[str]:
    files = {path.name: path.read_text() for path in canaries.iterdir()}
    if files != CANARIES:
        yield f"the canary folder has {sorted(files)}, or changed content"
    if new := _outside() - before:
        yield f"files left outside: {sorted(new)}"
    for listener in listeners:
        try:
            connection, _ = listener.accept()
        except BlockingIOError:
            continue
        connection.close()
        yield f"a connection to {listener.getsockname()!a}"
    if left := remaining(processes):
        yield f"processes left: {sorted(left)}"


def remaining(before: set[int]) -> set[int]:
    """New processes that a sandbox left, after some time for the kernel to reap killed ones."""
    deadline = time.monotonic() + LINGER
    left = sandboxed() - before
    while left and time.monotonic() < deadline:
        time.sleep(0.02)
        left &= sandboxed()
    return left


def sandboxed() -> set[int]:
    """Processes in other PID namespaces that belong to this process, or whose bwrap has exited."""
    own = os.readlink("/proc/self/ns/pid")
    parents, names, foreign = {}, {}, set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                said, fields = (entry / "stat").read_text().rsplit(")", 1)
                parents[int(entry.name)] = int(fields.split()[1])
                names[int(entry.name)] = said.split("(", 1)[1]
                if os.readlink(entry / "ns" / "pid") != own:
                    foreign.add(int(entry.name))
            except OSError:  # the process has ended
                continue
    found = set()
    for pid in foreign:
        at = pid
        while at in foreign:
            at = parents.get(at, 0)
        if names.get(at) != "bwrap" or parents[at] == os.getpid():
            found.add(pid)
    return found
