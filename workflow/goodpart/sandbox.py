"""Run model-written code where it can harm nothing: bubblewrap, resource limits, a kill from outside."""

from __future__ import annotations

import contextlib
import inspect
import os
import secrets
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from goodpart import sandbox_child
from goodpart.errors import GoodpartError

MEMORY = 1 << 30  # bytes of address space
SCRATCH = 128 << 20  # bytes that a program may write
NOBODY = 65534

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

    `cpu_seconds` bounds the program's processor time, `wall_seconds` the time until it is killed.
    """

    kind: str = "bubblewrap"
    cpu_seconds: float = 10.0
    wall_seconds: float = 20.0

    def probe(self) -> None:
        """Run an empty program once; GoodpartError says why that fails and what to do."""
        if self.kind == "none":
            return
        if not shutil.which("bwrap"):
            raise GoodpartError(HELP.format(reason="bubblewrap (bwrap) is not installed"))
        outcome = self.run("pass")
        if not outcome.passed:
            said = subprocess.run(
                [*self._prefix, "/bin/true"], capture_output=True, text=True, check=False
            ).stderr.strip()
            raise GoodpartError(HELP.format(reason=said or outcome.reason))

    @cached_property
    def _prefix(self) -> list[str]:
        """The bwrap command line up to the program it starts."""
        root = os.geteuid() == 0
        words = ["bwrap", "--die-with-parent", "--new-session", "--clearenv", "--cap-drop", "ALL"]
        if root:
            # Limits on processes do not bind root: stay in the user namespace and become nobody inside.
            words += ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
            words += ["--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts"]
            words += ["--unshare-cgroup-try"]
        else:
            words += ["--unshare-all"]
        for folder in ("/usr", "/bin", "/sbin", "/lib", "/lib64"):
            path = Path(folder)
            if path.is_symlink():
                words += ["--symlink", os.readlink(path), folder]
            elif path.exists():
                words += ["--ro-bind", folder, folder]
        for prefix in {sys.base_prefix, sys.base_exec_prefix}:
            if not prefix.startswith("/usr"):
                # nobody must be able to walk to an interpreter that lives in a home folder
                for parent in reversed(Path(prefix).parents[:-1]):
                    words += ["--perms", "0755", "--dir", str(parent)]
                words += ["--ro-bind", prefix, prefix]
        words += ["--proc", "/proc", "--dev", "/dev"]
        for folder in ("/tmp", "/dev/shm"):  # noqa: S108
            words += ["--perms", "1777", "--size", str(SCRATCH), "--tmpfs", folder]
        words += ["--chdir", "/tmp"]  # noqa: S108
        words += ["--setenv", "PATH", "/usr/bin:/bin", "--setenv", "LANG", "C.UTF-8"]
        return words

    def run(self, program: str) -> Outcome:
        """Execute Python source; passed only if it ran to its end without an exception."""
        nonce = secrets.token_bytes(32)
        verdict_read, verdict_write = os.pipe()
        secret_read, secret_write = os.pipe()
        os.write(secret_write, nonce)
        os.close(secret_write)
        uid = NOBODY if self.kind == "bubblewrap" and os.geteuid() == 0 else -1
        numbers = [verdict_write, secret_read, max(1, round(self.cpu_seconds)), MEMORY, uid]
        python = os.path.realpath(sys.executable)
        source = inspect.getsource(sandbox_child)
        command = [python, "-I", "-S", "-c", source, *map(str, numbers)]
        if self.kind == "bubblewrap":
            command = [*self._prefix, *command]
        with tempfile.TemporaryDirectory() as scratch, tempfile.TemporaryFile() as text:
            text.write(program.encode("utf-8", "surrogatepass"))
            text.seek(0)
            child = subprocess.Popen(
                command,
                stdin=text,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(verdict_write, secret_read),
                start_new_session=True,
                cwd=scratch if self.kind == "none" else None,
            )
            os.close(verdict_write)
            os.close(secret_read)
            try:
                answer, late = _read(verdict_read, len(nonce), self.wall_seconds)
            finally:
                _kill(child)
                _read(verdict_read, 1 << 16, 5.0)  # until the last process inside is gone
                os.close(verdict_read)
        if answer == nonce:
            return Outcome(True, "the tests ran to their end")
        if late:
            return Outcome(False, f"killed after {self.wall_seconds:g} s")
        return Outcome(False, "ended before the tests did")


def _read(descriptor: int, size: int, seconds: float) -> tuple[bytes, bool]:
    """Read at most `size` + 1 bytes until the writers are gone; (bytes, whether time ran out)."""
    data, deadline = b"", time.monotonic() + seconds
    while len(data) <= size:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([descriptor], [], [], left)[0]:
            return data, True
        part = os.read(descriptor, size + 1 - len(data))
        if not part:
            return data, False
        data += part
    return data, False


def _kill(child: subprocess.Popen[bytes]) -> None:
    """End the sandbox's first process, and with it everything inside."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
