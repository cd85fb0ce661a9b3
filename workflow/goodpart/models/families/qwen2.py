"""Autoregressive decoding, whatever the architecture: token by token, with a cache."""

from __future__ import annotations

from dataclasses import dataclass

from goodpart.models.families import check_settings

AUTOREGRESSIVE = True
COLUMN_SHIFT = 1


@dataclass(frozen=True)
class Settings:
    """Temperature 0 is greedy; above, nucleus sampling with `top_p`."""

    max_new_tokens: int
    temperature: float = 0.0
    top_p: float = 0.95
    stop_early: bool = True

    def __post_init__(self) -> None:
        check_settings(self)

    @property
    def total_steps(self) -> int:
        """Tokens generated at most."""
        return self.max_new_tokens
