"""Masked diffusion in blocks, as LLaDA decodes: the logits at a position predict its own token."""

from __future__ import annotations

from dataclasses import dataclass

from goodpart.errors import GoodpartError
from goodpart.models.families import check_settings, check_threshold

AUTOREGRESSIVE = False
COLUMN_SHIFT = 0  # logits at position i predict token i
COUNTS_PADDING = True
EOT = "<|eot_id|>"
ENDS = (EOT,)


@dataclass(frozen=True)
class Settings:
    """Arguments of the official `generate`; `steps` None means one step a generated token.

    `confidence_threshold`: commit every position of the block whose confidence reaches it, and the best one,
    until none is masked (Fast-dLLM); `total_steps` is then the most that there can be. `cache`: `none`, or
    Fast-dLLM's `prefix` or `dual` (see `goodpart.decoding.caches`), which approximate.
    """

    max_new_tokens: int
    block_length: int = 32
    steps: int | None = None
    temperature: float = 0.0
    cfg_scale: float = 0.0
    remasking: str = "low_confidence"
    logits_eos_inf: bool = False
    confidence_eos_eot_inf: bool = False
    cache: str = "none"
    stop_early: bool = True
    confidence_threshold: float | None = None

    def __post_init__(self) -> None:
        check_settings(self)
        check_threshold(self)
        if self.confidence_threshold is not None and self.remasking != "low_confidence":
            raise GoodpartError("confidence_threshold compares confidences; let remasking be low_confidence")
        if self.cache != "none" and self.cfg_scale > 0:
            raise GoodpartError("cfg_scale above 0 and a cache do not go together; leave one out")
        if self.max_new_tokens % self.block_length:
            raise GoodpartError(
                f"max_new_tokens {self.max_new_tokens} is not a multiple of block_length {self.block_length}"
            )
        if self.total_steps % self.blocks:
            raise GoodpartError(
                f"steps {self.total_steps} is not a multiple of the number of blocks {self.blocks} "
                f"(max_new_tokens {self.max_new_tokens} in blocks of {self.block_length})"
            )
        if self.remasking not in ("low_confidence", "random"):
            raise GoodpartError(f"remasking {self.remasking!r} is unknown: low_confidence or random")

    @property
    def blocks(self) -> int:
        """Number of blocks."""
        return self.max_new_tokens // self.block_length

    @property
    def total_steps(self) -> int:
        """Total number of denoising steps."""
        return self.max_new_tokens if self.steps is None else self.steps

    def reach(self, step: int) -> int:
        """Generated positions up to the end of the block that is decoded in this step."""
        return (step * self.blocks // self.total_steps + 1) * self.block_length
