"""Recipes of the tiny checkpoints."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from goodpart.config.types import (
    Count,
    CountFromZero,
    Flag,
    Names,
    Positive,
    Section,
    Share,
    Text,
    choice,
    described,
    integer,
)
from goodpart.models.families import FAMILIES

TASKS = ("gsm8k", "math500", "humaneval", "mbpp")


class Shape(Section):
    """Width and depth of a tiny model."""

    width: Count
    layers: integer("a number of layers, 2 or more", ge=2)
    heads: Count
    kv_heads: Count
    mlp: Count


class Recipe(Section):
    """How one tiny model is trained."""

    family: choice(*FAMILIES)
    objective: choice("next_token", "diffusion")
    initial: Text | None = None
    shape: Shape
    steps: Count
    batch: Count
    learning_rate: Positive
    seed: CountFromZero
    chat_fraction: Share
    canvas: Count | None = None
    embedding_std: Positive = 0.02
    easy: (
        Annotated[list[choice(*TASKS)], Field(min_length=1), *described(f"a list of {', '.join(TASKS)}")]
        | None
    ) = None
    easy_steps: CountFromZero | None = None
    computed: Flag | None = None


class Checked(Section):
    """Bounds of the accuracy on each benchmark, for the checkpoints of `matched`."""

    items: Count
    required: Share
    most: Share = 1
    matched: Names | None = None
    max_new_tokens: dict[choice(*TASKS), Count]


class TinyModels(Section):
    """All recipes, and the corpus that they share."""

    seed: CountFromZero
    items: Count
    calibration: Count
    largest: integer("a whole number, 9 or more", ge=9)
    compiled: Flag = False
    checked: Checked
    recipes: dict[str, Recipe]
