"""Run model-written code where it can harm nothing: bubblewrap, resource limits, a kill from outside."""

from __future__ import annotations

import contextlib
import importlib.util
import inspect
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import IO

from goodpart import sandbox_child
from goodpart.errors import GoodpartError

MEMORY = 1 << 30  # bytes of address space
SCRATCH = 128 << 20  # bytes that a program may write
PROCESSES = 64  # and threads, of one run
NOBODY = 65534
FIRST_UID = 0x7000_0000  # uids of nobody: each run as root takes one, so that runs do not share limits
MESSAGES = getattr(socket, "SOCK_SEQPACKET", socket.SOCK_DGRAM)
MOST_MESSAGES = 1000
GRACE = 10.0
PACKAGES = "/packages"  # where programs find what they may import besides the standard library
ALWAYS = ["--die-with-parent", "--new-session", "--as-pid-1"]

HELP = """model-written code cannot be run safely here: {reason}
  Debian, Ubuntu: apt-get install bubblewrap; Ubuntu 23.10 and later also need an AppArmor profile that
  allows bwrap user namespaces (or sysctl kernel.apparmor_restrict_unprivileged_userns=0); Docker needs
  --security-opt seccomp=unconfined --security-opt apparmor=unconfined; macOS has no bubblewrap.
  To run the code without any isolation all the same, set scoring.sandbox: none in the configuration."""


@dataclass(frozen=True)
class Outcome:
    """Whether the program ran to its end, and how it ended if not."""

    passed: bool
    reason: str


@dataclass(frozen=True)
class Sandbox:
    """Runs programs under `kind` (`bubblewrap`, or `none` for no isolation at all).

    `cpu_seconds` bounds the processor time of each of a program's processes, `wall_seconds` the time until
    all of them are killed. With `numpy`, programs may import this environment's numpy. Threads may share one
    sandbox; each run is on its own.
    """

    kind: str = "bubblewrap"
    cpu_seconds: float = 10.0
    wall_seconds: float = 20.0
    numpy: bool = False

    def __post_init__(self) -> None:
        """Fail before any run where numpy is wanted and missing."""
        if self.numpy:
            _numpy_folders()

    def probe(self) -> None:
        """Run an empty program once; GoodpartError says why that fails and what to do."""
        if self.kind == "none":
            return
        if not shutil.which("bwrap"):
            raise GoodpartError(HELP.format(reason="bubblewrap (bwrap) is not installed"))
        outcome = self.run("pass")
        if not outcome.passed:
            said = _try([*self._prefix[0], "true"]).stderr.strip()
            raise GoodpartError(HELP.format(reason=said or outcome.reason))

    @cached_property
    def _prefix(self) -> tuple[list[str], bool]:
        """The bwrap command line up to the program it starts; whether a process in it can change its uid.

        Limits on processes do not bind root, so root stays in its user namespace and becomes nobody inside.
        Where it may not (a container without CAP_SYS_ADMIN), and for all others, a user namespace it is.
        """
        view = _file_system(_numpy_folders() if self.numpy else [])
        root = os.geteuid() == 0
        if root:
            words = ["--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
            words += [f"--unshare-{kind}" for kind in ("ipc", "pid", "net", "uts", "cgroup-try")]
            prefix = ["bwrap", *ALWAYS, *words, *view]
            if _try([*prefix, "true"]).returncode == 0:
                return prefix, True
        nobody = ["--uid", str(NOBODY), "--gid", str(NOBODY)] if root else []
        return ["bwrap", *ALWAYS, "--unshare-all", "--cap-drop", "ALL", *nobody, *view], False

    def run(self, program: str) -> Outcome:
        """Execute Python source; passed only if it ran to its end without an exception."""
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
                child = self._start(theirs.fileno(), secret_read, info_write, text, scratch)
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
        self, verdict: int, secret: int, info: int, program: IO[bytes], scratch: str
    ) -> subprocess.Popen[bytes]:
        prefix: list[str] = []
        uid = -1
        if self.kind == "bubblewrap":
            words, changes_uid = self._prefix
            prefix = [*words, "--info-fd", str(info)]
            uid = FIRST_UID + secrets.randbelow(1 << 24) if changes_uid else -1
        numbers = [verdict, secret, max(1, round(self.cpu_seconds)), MEMORY, PROCESSES, uid]
        python = [os.path.realpath(sys.executable), "-I", "-S", "-c", _source(), *map(str, numbers)]
        if self.numpy:
            python.append(PACKAGES if prefix else str(_numpy_folders()[0].parent))
        return subprocess.Popen(
            [*prefix, *python],
            stdin=program,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(verdict, secret, info),
            start_new_session=True,
            cwd=scratch if self.kind == "none" else None,
        )


@cache
def _source() -> str:
    return inspect.getsource(sandbox_child)


def _try(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False)


def _numpy_folders() -> list[Path]:
    """The folders that numpy consists of; GoodpartError where this environment has none."""
    found = importlib.util.find_spec("numpy")
    if found is None or not found.submodule_search_locations:
        raise GoodpartError(
            "scoring.numpy is set, but this environment has no numpy; install it or set false"
        )
    folder = Path(found.submodule_search_locations[0])
    return [folder, *(libraries for libraries in [folder.with_name("numpy.libs")] if libraries.is_dir())]


def _file_system(packages: list[Path]) -> list[str]:
    """What a program sees: the system's and the interpreter's folders, read-only, and little room to write.

    packages: folders of packages, to be seen read-only under PACKAGES.

    /proc is empty: it would show the interpreter's memory, where the nonce is. So would ctypes.
    """
    words = []
    for folder in ("/usr", "/bin", "/sbin", "/lib", "/lib64"):
        path = Path(folder)
        if path.is_symlink():
            words += ["--symlink", os.readlink(path), folder]
        elif path.exists():
            words += ["--ro-bind", folder, folder]
    for prefix in {sys.base_prefix, sys.base_exec_prefix}:
        if not prefix.startswith("/usr/") or prefix.startswith("/usr/local/"):
            # nobody must be able to walk to an interpreter that lives in a home folder
            for parent in reversed(Path(prefix).parents[:-1]):
                words += ["--perms", "0755", "--dir", str(parent)]
            words += ["--ro-bind", prefix, prefix]
    ctypes = importlib.util.find_spec("_ctypes")
    if ctypes and ctypes.origin and os.path.isfile(ctypes.origin):
        words += ["--ro-bind", os.devnull, os.path.realpath(ctypes.origin)]
    for folder in packages:
        words += ["--perms", "0755", "--dir", PACKAGES, "--ro-bind", str(folder), f"{PACKAGES}/{folder.name}"]
    words += ["--perms", "0755", "--dir", "/proc", "--dev", "/dev"]
    for folder in ("/tmp", "/dev/shm"):  # noqa: S108
        words += ["--perms", "1777", "--size", str(SCRATCH), "--tmpfs", folder]
    words += ["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/tmp"]  # noqa: S108
    return [*words, "--clearenv", "--setenv", "PATH", "/usr/bin:/bin", "--setenv", "LANG", "C.UTF-8"]


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
