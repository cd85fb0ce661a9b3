"""Runs inside the sandbox: limit itself, execute one program, answer with the nonce if it ended well.

The first process is the sandbox's init, which only waits: a signal that a program sends itself would not
reach an init, and with its end everything inside ends. The second runs the program.

The program shares this interpreter with its tests, so whatever Python can reach, it can read. The nonce is
therefore taken from its pipe before the program starts, and held where no frame, collector or descriptor
leads: as an argument that `map` has drawn and not yet passed on, while its next argument, the program, is
executed. `send` is called with it only after that, and an exception drops it. Started as
`python -I -S -c SOURCE`; arguments: descriptor of a socket for the verdict and of the pipe with the nonce,
CPU seconds, bytes of memory, processes, uid to become or -1, and folders of further packages.
"""

import _socket
import os
import resource
import sys
from _functools import partial


def main() -> None:
    """Read the program from standard input, run it, and leave."""
    verdict, secret, cpu, memory, processes, uid = (int(word) for word in sys.argv[1:7])
    program = sys.stdin.buffer.read()
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    os.close(null)
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
        (resource.RLIMIT_NPROC, processes),
    ):
        hard = resource.getrlimit(name)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(name, (value, value))
    if packages := sys.argv[7:]:
        sys.path += packages
        os.environ["OPENBLAS_NUM_THREADS"] = "1"  # each thread reserves address space
    sys.argv[1:] = []
    if pid := os.fork():
        wait_for(pid)
    execute(program, verdict, secret)


def wait_for(pid: int) -> None:
    """End with the status of one child, after reaping those that come before it."""
    while True:
        ended, status = os.wait()
        if ended == pid:
            code = os.waitstatus_to_exitcode(status)
            os._exit(code if code >= 0 else 128 - code)


def execute(program: bytes, verdict: int, secret: int) -> None:
    """Run the program, send the nonce or the exception, and leave."""
    send, leave, text = _socket.socket(fileno=verdict).send, os._exit, str
    # Dataclasses, pickle and type hints look up the module that a class names; it is not `__main__`.
    module = sys.modules["program"] = type(sys)("program")
    try:
        code = compile(program.decode("utf-8", "surrogatepass"), "<program>", "exec")
        nonce = iter(partial(os.read, secret, 64), b"")
        run = map(bool, map(exec, [code], [vars(module)]))  # False, the flags 0 of `send`
        list(map(send, nonce, run))
    except BaseException as error:
        try:
            send(text(f"{type(error).__name__}: {error}").encode("utf-8", "replace")[:300])
        finally:
            leave(1)
    leave(0)


if __name__ == "__main__":
    main()
