"""Masked diffusion with shifted logits, as Dream decodes: those at position i - 1 predict token i."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from goodpart.errors import GoodpartError
from goodpart.models.families import check_settings, check_threshold

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

AUTOREGRESSIVE = False
COLUMN_SHIFT = 1  # token i is predicted at position i - 1
ALGORITHMS = ("origin", "maskgit_plus", "topk_margin", "entropy")


@dataclass(frozen=True)
class Settings:
    """Arguments of the official `diffusion_generate`; `steps` None means one step a generated token.

    `block_length`: decode block by block, each with its share of the steps (None: the whole canvas, as
    the official code). `confidence_threshold`: as LLaDA's, for `alg: maskgit_plus`. `cache`: `none`,
    `prefix` or `dual` (see `goodpart.decoding.caches`), which approximate.
    """

    max_new_tokens: int
    steps: int | None = None
    temperature: float = 0.0
    top_p: float | None = None
    top_k: int | None = None
    alg: str = "entropy"
    alg_temp: float | None = None
    eps: float = 1e-3
    block_length: int | None = None
    cache: str = "none"
    stop_early: bool = True
    confidence_threshold: float | None = None

    def __post_init__(self) -> None:
        check_settings(self)
        check_threshold(self)
        if self.confidence_threshold is not None and (self.alg != "maskgit_plus" or self.alg_temp):
            raise GoodpartError(
                "confidence_threshold compares probabilities; let alg be maskgit_plus, without alg_temp"
            )
        length = self.block_length or self.max_new_tokens
        if self.max_new_tokens % length:
            raise GoodpartError(
                f"max_new_tokens {self.max_new_tokens} is not a multiple of block_length {length}"
            )
        if self.total_steps % self.blocks:
            raise GoodpartError(
                f"steps {self.total_steps} is not a multiple of the number of blocks {self.blocks} "
                f"(max_new_tokens {self.max_new_tokens} in blocks of {length})"
            )
        if self.alg not in ALGORITHMS:
            raise GoodpartError(f"alg {self.alg!r} is unknown: one of {', '.join(ALGORITHMS)}")

    @property
    def blocks(self) -> int:
        """Number of blocks."""
        return self.max_new_tokens // (self.block_length or self.max_new_tokens)

    @property
    def total_steps(self) -> int:
        """Total number of denoising steps."""
        return self.max_new_tokens if self.steps is None else self.steps

    def reach(self, step: int) -> int:
        """Generated positions up to the end of the block that is decoded in this step."""
        return (step * self.blocks // self.total_steps + 1) * (self.max_new_tokens // self.blocks)


def masks_left(settings: Settings, masks: int, steps: int) -> NDArray[np.int64]:
    """Masks that are left before each of `steps` steps [steps], as the official schedule of times has it.

    With the rule `origin`, which commits a random number, the expected ones, rounded.
    """
    import numpy as np

    grid = np.linspace(1, settings.eps, steps + 1, dtype=np.float32)
    share = 1 - grid[1:] / grid[:-1]
    left = [float(masks)]
    for s in share[:-1]:
        gone = left[-1] * float(s)
        left.append(left[-1] - (gone if settings.alg == "origin" else int(gone)))
    return np.round(left).astype(np.int64)
