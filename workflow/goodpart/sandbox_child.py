"""Runs inside the sandbox: limit itself, execute one program, answer with the nonce if it ended well.

The answer is a nonce that waits in a pipe and is read only after the program has run to its end, so
nothing in this interpreter holds it while the program runs. Started as `python -I -S -c SOURCE`; its
arguments: verdict descriptor, nonce descriptor, CPU seconds, bytes of memory, uid to become or -1.
"""

import os
import resource
import sys


def main() -> None:
    """Read the program from standard input and run it."""
    verdict, secret, cpu, memory, uid = (int(word) for word in sys.argv[1:6])
    program = sys.stdin.buffer.read()
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    if uid >= 0:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    for name, value in (
        (resource.RLIMIT_CPU, cpu),
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_FSIZE, 64 << 20),
        (resource.RLIMIT_NOFILE, 128),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NPROC, 128),
    ):
        soft = resource.getrlimit(name)[1]
        value = value if soft == resource.RLIM_INFINITY else min(value, soft)
        resource.setrlimit(name, (value, value))
    read, write, leave = os.read, os.write, os._exit
    try:
        exec(compile(program.decode("utf-8", "surrogatepass"), "<program>", "exec"), {"__name__": "program"})  # noqa: S102
    except BaseException:
        leave(1)
    write(verdict, read(secret, 64))
    leave(0)


if __name__ == "__main__":
    main()
