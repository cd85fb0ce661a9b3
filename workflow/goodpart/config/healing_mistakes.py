"""Mistakes in healing. They stop only what asks for a healed model or for the study."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from goodpart.config.benchmarks import benchmark_mistakes
from goodpart.config.configuration import Configuration
from goodpart.config.decodes import preset_mistakes
from goodpart.config.descriptions import policy_entry
from goodpart.config.models import model_mistakes
from goodpart.config.policies import entry_mistakes
from goodpart.errors import nearest
from goodpart.policies.healing import HELD_OUT


def study_mistakes(configuration: Configuration, root: Path) -> Iterable[str]:
    """All mistakes that stop `healing_study`; local paths are relative to `root`."""
    study = configuration.healing_study
    if not study:
        yield "  healing_study: is missing; add it, as config.yaml has it"
        return
    if named := list(_names(configuration)):
        yield from named
        return
    asked = [(policy, "healing_study.layers_skipped", study.layers_skipped) for policy in study.grid.policies]
    for name in study.models:
        yield from model_mistakes(name, configuration, root, asked)
    for name in study.benchmarks:
        yield from benchmark_mistakes(name, configuration, root, list(configuration.benchmarks))
    for name in study.grid.policies:
        yield from entry_mistakes(name, configuration.policies[name], configuration)
    families = [configuration.models[name].family for name in study.models]
    yield from preset_mistakes(configuration, configuration.run.decode, families, study.benchmarks)
    if configuration.policies[study.healed].heal is None:
        yield f"  policies.{study.healed}: healing_study.healed names it, and it has no heal; add heal: {{}}"
    if policy_entry(configuration, study.healed) != policy_entry(configuration, study.policy):
        yield (
            f"  policies.{study.healed}: it chooses other layers than {study.policy}, which healing_study "
            "compares it with; give both the same keys, but for heal"
        )
    yield from healing_mistakes(configuration, study.healed)


def _names(configuration: Configuration) -> Iterable[str]:
    """Names of the study that no catalogue has."""
    study = configuration.healing_study
    assert study is not None
    for key, names, known in (
        ("models", study.models, configuration.models),
        ("benchmarks", study.benchmarks, configuration.benchmarks),
        ("policy", [study.policy], configuration.policies),
        ("healed", [study.healed], configuration.policies),
    ):
        kind = key if key.endswith("s") else "policies"
        for name in names:
            if name not in known:
                yield f"  healing_study.{key}: {name!r} is not in {kind}; {nearest(name, known)}"
    if study.policy == study.healed:
        yield f"  healing_study.healed: {study.healed!r} is also its policy; name an entry with heal"


def healing_mistakes(configuration: Configuration, policy: str) -> Iterable[str]:
    """Why a policy cannot be healed: layers that change, or evaluated items to train on."""
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
    if entry.heal and entry.heal.prompts < HELD_OUT:
        yield f"{at}.heal.prompts: {entry.heal.prompts} are too few; one in {HELD_OUT} is held out: give more"
