"""Healing: the `heal` of a policy's entry, and the study that compares it with the same layers unhealed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from goodpart.config.selections import Grid
from goodpart.config.types import Count, CountFromZero, Counts, Names, Positive, Section, Text
from goodpart.errors import nearest

if TYPE_CHECKING:
    from goodpart.config.configuration import Configuration

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


def study_mistakes(configuration: Configuration) -> Iterable[str]:
    """Mistakes in the names of `healing_study`, which is optional."""
    study = configuration.healing_study
    if not study:
        return
    for kind in ("models", "benchmarks"):
        known = getattr(configuration, kind)
        for name in getattr(study, kind):
            if name not in known:
                yield f"  healing_study.{kind}: {name!r} is not in {kind}; {nearest(name, known)}"
    for key in ("policy", "healed"):
        name = getattr(study, key)
        if name not in configuration.policies:
            known = nearest(name, configuration.policies)
            yield f"  healing_study.{key}: {name!r} is not in policies; {known}"
    if study.policy == study.healed:
        yield f"  healing_study.healed: {study.healed!r} is also its policy; name an entry with heal"


def healing_mistakes(configuration: Configuration, policy: str) -> Iterable[str]:
    """Why a policy cannot be healed. They stop only what asks for it."""
    at, entry = f"  policies.{policy}", configuration.policies[policy]
    if entry.varies:
        yield f"{at}.heal: its layers change by {entry.varies}, and one fixed set is healed; remove heal"
    for name in configuration.calibration_benchmarks:
        benchmark = configuration.benchmarks[name]
        if benchmark.calibration and benchmark.calibration.same_rows(benchmark.evaluation):
            yield (
                f"{at}.heal: it would train on evaluated items, which are the calibration split of {name}; "
                f"name a training split as benchmarks.{name}.calibration"
            )
    study = configuration.healing_study
    if study and policy == study.healed:
        if entry.heal is None:
            yield f"{at}: healing_study.healed names it, and it has no heal; add heal: {{}}"
        if _rule(configuration, study.healed) != _rule(configuration, study.policy):
            yield (
                f"{at}: it chooses other layers than {study.policy}, which healing_study compares it with; "
                "give both the same keys, but for heal"
            )


def _rule(configuration: Configuration, policy: str) -> dict[str, Any]:
    """What decides the layers of a policy."""
    settings = configuration.policies[policy].settings()
    return {k: v for k, v in settings.items() if k not in ("heal", "benchmarks", "layers_skipped")}
