"""Healing: the `heal` of a policy's entry, and the study that compares it with the same layers unhealed."""

from __future__ import annotations

from goodpart.config.selections import Grid
from goodpart.config.types import Count, CountFromZero, Counts, Names, Positive, Section, Text

TABLE = "healing_study_cells"  # of the study, in results/


class Heal(Section):
    """Light fine-tuning of the layers that stay: LoRA of a rank, for a number of steps."""

    rank: Count = 8
    steps: Count = 200
    batch: Count = 8
    learning_rate: Positive = 0.001
    prompts: Count = 64  # of each calibration benchmark
    seed: CountFromZero = 0


class HealingStudy(Section):
    """Models without some layers, before (`policy`) and after healing (`healed`)."""

    models: Names
    benchmarks: Names
    policy: Text
    healed: Text
    layers_skipped: Counts

    @property
    def grid(self) -> Grid:
        """Its cells, as those of a study of one's own."""
        return Grid(
            models=self.models,
            benchmarks=self.benchmarks,
            policies=list(dict.fromkeys((self.policy, self.healed))),
            layers_skipped=self.layers_skipped,
        )
