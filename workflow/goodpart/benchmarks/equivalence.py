r"""math-verify in a process of its own: an answer such as \binom{10^9}{10^8} must not hang a run."""

from __future__ import annotations

import atexit
import json
import select
import subprocess
import sys
from functools import cache

ADDRESS_SPACE = 4 << 30  # bytes; sympy needs a fraction of it for any honest answer


class Judge:
    """A child process that compares one pair of answers at a time and is replaced when it hangs."""

    def __init__(self) -> None:
        self.child: subprocess.Popen[bytes] | None = None

    def ask(self, gold: str, answer: str, seconds: float) -> tuple[bool, str]:
        """Whether the answers are equal, and how that was decided."""
        if self.child is None or self.child.poll() is not None:
            self.child = subprocess.Popen(
                [sys.executable, "-m", "goodpart.benchmarks.equivalence"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
            self._wait(60)  # imports
        assert self.child.stdin
        self.child.stdin.write(json.dumps([gold, answer]).encode() + b"\n")
        self.child.stdin.flush()
        reply = self._wait(seconds)
        if reply is None:
            self.close()
            return False, f"math-verify gave no verdict in {seconds:g} s"
        return reply == b"1\n", "math-verify"

    def _wait(self, seconds: float) -> bytes | None:
        assert self.child
        assert self.child.stdout
        ready, _, _ = select.select([self.child.stdout], [], [], seconds)
        return (self.child.stdout.readline() or None) if ready else None

    def close(self) -> None:
        """End the child."""
        if self.child:
            self.child.kill()
            self.child.wait()
            self.child = None


@cache
def _judge() -> Judge:
    judge = Judge()
    atexit.register(judge.close)
    return judge


def equivalent(gold: str, answer: str, seconds: float) -> tuple[bool, str]:
    """Whether two LaTeX answers have the same value, by math-verify within `seconds`."""
    return _judge().ask(gold, answer, seconds)


def _serve() -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    from math_verify import parse, verify

    print("ready", flush=True)
    for line in sys.stdin:
        try:
            gold, answer = (f"\\boxed{{{text}}}" for text in json.loads(line))
            same = verify(
                parse(gold, parsing_timeout=None), parse(answer, parsing_timeout=None), timeout_seconds=None
            )
        except Exception:  # a sympy error on a malformed answer means: not equal
            same = False
        print(int(bool(same)), flush=True)


if __name__ == "__main__":
    _serve()
