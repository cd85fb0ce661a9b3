r"""math-verify in processes of its own: an answer such as \binom{10^9}{10^8} must not hang a run."""

from __future__ import annotations

import atexit
import contextlib
import json
import select
import signal
import subprocess
import sys
from typing import Any

ADDRESS_SPACE = 3 << 30  # bytes; sympy needs a fraction of it for any honest answer
DECIMALS = 10  # that a decimal and an exact value must share
RELATIVE = 1e-9  # the most that equal constants may differ: math-verify takes 1/2004! for 1/2006!
STARTING = 120.0  # seconds, for the imports
SLOWDOWN = 6.0  # seconds of waiting that a second of processor time may take on a busy machine


class Judge:
    """A child process that compares one pair of answers at a time and is replaced when it hangs."""

    def __init__(self) -> None:
        self.child: subprocess.Popen[bytes] | None = None

    def ask(self, gold: str, answer: str, seconds: float) -> tuple[bool, str]:
        """Whether the answers are equal, and how that was decided, within `seconds` of processor time."""
        if self.child is None or self.child.poll() is not None:
            self.child = subprocess.Popen(
                [sys.executable, "-m", "goodpart.benchmarks.mathematics.equivalence"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
            self._wait(STARTING)
        assert self.child.stdin
        try:
            self.child.stdin.write(json.dumps([gold, answer, seconds]).encode() + b"\n")
            self.child.stdin.flush()
            reply = self._wait(SLOWDOWN * seconds)
        except BrokenPipeError:
            reply = None
        if reply is None:
            self.close()
            return False, f"math-verify gave no verdict in {seconds:g} s of processor time"
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
            for pipe in (self.child.stdin, self.child.stdout):
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()  # type: ignore[union-attr]
            self.child = None


_idle: list[Judge] = []  # as many as threads have asked at one time


@atexit.register
def _close() -> None:
    while _idle:
        _idle.pop().close()


def equivalent(gold: str, answer: str, seconds: float) -> tuple[bool, str]:
    """Whether two LaTeX answers have the same value, by math-verify; safe to call from several threads."""
    try:
        judge = _idle.pop()
    except IndexError:
        judge = Judge()
    try:
        return judge.ask(gold, answer, seconds)
    finally:
        _idle.append(judge)


def _same(gold: str, answer: str) -> bool:
    from math_verify import LatexExtractionConfig, parse, verify
    from sympy.core.cache import clear_cache
    from sympy.core.random import seed

    # sympy asks for assumptions in random order and remembers answers: no verdict may depend on earlier ones.
    clear_cache()
    seed(0)
    # The whole box or nothing: else a number or a fraction in what cannot be read would be the answer.
    whole = {"extraction_config": [LatexExtractionConfig(boxed_match_priority=0)], "parsing_timeout": None}
    golds, answers = (
        parse(f"\\boxed{{{text}}}", extraction_mode="first_match", **whole) for text in (gold, answer)
    )
    alike = verify(
        golds, answers, float_rounding=DECIMALS, allow_set_relation_comp=True, timeout_seconds=None
    )
    return bool(alike) and not ("%" not in gold + answer and _far_apart(golds[0], answers[0]))


def _far_apart(a: Any, b: Any) -> bool:
    """Whether both are constants, and other ones, however small the difference is."""
    from sympy import Expr

    if not all(isinstance(x, Expr) and x.is_number and x.is_finite for x in (a, b)):
        return False
    return bool(abs((a - b).evalf(50, maxn=200)) > RELATIVE * abs(a.evalf(50, maxn=200)))


def _serve() -> None:
    import resource

    import math_verify  # noqa: F401

    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    print("ready", flush=True)
    for line in sys.stdin:
        gold, answer, seconds = json.loads(line)
        signal.setitimer(signal.ITIMER_PROF, seconds)  # its signal ends the process, in C code too
        try:
            same = _same(gold, answer)
        except Exception:  # a sympy error on a malformed answer means: not equal
            same = False
        signal.setitimer(signal.ITIMER_PROF, 0)
        print(int(same), flush=True)


if __name__ == "__main__":
    _serve()
