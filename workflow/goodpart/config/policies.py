"""Mistakes in policies: their module and settings, their files, and layers that change by phase."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from goodpart.config.catalogue import Policy
from goodpart.config.cells import Cell, asked_ks, grid_cells, policy_study_cells, run_cells
from goodpart.config.configuration import Configuration
from goodpart.config.decodes import sampler_settings
from goodpart.config.plugins import policy_mistake
from goodpart.errors import GoodpartError, nearest
from goodpart.policies import COMMON, policy_module
from goodpart.policies.skip_sets import read_skip_set
from goodpart.states.captured_steps import chosen_steps

AUTOREGRESSIVE = ("qwen2",)


def policy_mistakes(configuration: Configuration, used: Iterable[str], root: Path) -> Iterable[str]:
    """One line a mistake in the policies that are `used`, and in those of the run with its models."""
    for name in sorted(set(used) & set(configuration.policies)):
        yield from entry_mistakes(name, configuration.policies[name], configuration)
    cells = known_cells(configuration)
    yield from _protected_mistakes(configuration, cells)
    yield from _pair_mistakes(configuration, cells, root)


def known_cells(configuration: Configuration) -> list[Cell]:
    """Cells of the run, `policy_study` and `studies` whose model and policy exist, with layers skipped."""
    run, models = configuration.run, configuration.models
    known = run.model_copy(
        update={
            "models": [m for m in run.models if m in models],
            "policies": [p for p in run.policies if p in configuration.policies],
        }
    )
    cells = [*run_cells(configuration.model_copy(update={"run": known})), *policy_study_cells(configuration)]
    cells += [cell for grid in configuration.studies.values() for cell in grid_cells(grid)]
    return [cell for cell in cells if cell[3] and cell[0] in models and cell[2] in configuration.policies]


def entry_mistakes(name: str, entry: Policy, configuration: Configuration) -> Iterable[str]:
    """Mistakes of one entry of `policies` alone."""
    at, kind = f"  policies.{name}", entry.kind
    if mistake := policy_mistake(kind):
        yield f"{at}.kind: {mistake}"
        return
    module = policy_module(kind)
    allowed = [*module.SETTINGS, *COMMON]
    for key in sorted(set(entry.settings()) - set(allowed)):
        yield f"{at}: the kind {kind} has no setting {key!r}; {nearest(key, allowed)}"
    if kind == "file" and entry.path is None:
        yield f"{at}.path: is missing; name the file of the skip set, as my-sets/{{model}}-k{{k}}.json"
    elif kind == "file" and not entry.path.lower().endswith((".json", ".parquet")):
        yield f"{at}.path: {entry.path} ends in neither .json nor .parquet; give a file that does"
    if entry.mode == "per_prompt" and module.NEEDS != "similarities":
        yield f"{at}.mode: per_prompt needs a kind that chooses from similarities; {kind} does not"
    if entry.positions == "last" and module.NEEDS != "angles":
        yield f"{at}.positions: last is for angles only; use prompt, masked or all"
    ks = entry.layers_skipped
    for key, names, known in (
        ("benchmarks", entry.benchmarks or [], configuration.benchmarks),
        ("layers_skipped", list(ks) if isinstance(ks, Mapping) else [], configuration.models),
    ):
        for other in names:
            if other not in known:
                yield (f"{at}.{key}: {other!r} is in neither benchmarks nor models; {nearest(other, known)}")


def _protected_mistakes(configuration: Configuration, cells: list[Cell]) -> Iterable[str]:
    """Protected layers that no model has which a policy is evaluated on."""
    for name, entry in configuration.policies.items():
        models = {model for model, _, policy, _ in cells if policy == name}
        most = max((configuration.models[model].layers for model in models), default=None)
        beyond = [layer for layer in entry.protected or [] if most is not None and layer >= most]
        if beyond:
            yield (
                f"  policies.{name}.protected: {beyond} do not exist: layers are numbered from 0, and the "
                f"last is {most - 1}; remove them"
            )


def _pair_mistakes(configuration: Configuration, cells: list[Cell], root: Path) -> Iterable[str]:
    """Mistakes that need a model, a policy and a k at once: files, and layers that change by phase."""
    pairs: dict[tuple[str, str], set[int]] = {}
    for model, _, policy, k in cells:
        if not policy_mistake(configuration.policies[policy].kind):
            pairs.setdefault((model, policy), set()).add(k)
    for (model, policy), ks in pairs.items():
        entry, layers = configuration.policies[policy], configuration.models[model].layers
        if entry.kind == "file" and entry.path is not None:
            for k in sorted(ks):
                try:
                    file = root / entry.path.format(model=model, k=k)
                except (AttributeError, IndexError, KeyError, TypeError, ValueError):
                    yield (
                        f"  policies.{policy}.path: {entry.path!r} cannot be filled in; use no braces but "
                        "{model} and {k}"
                    )
                    break
                yield from _file_mistakes(policy, file, k, layers)
    # Those of the study stop only what asks for it: another run need not capture steps for it.
    for model, policy in pairs:
        if _in_run(configuration, policy, model):
            yield from phase_mistakes(configuration, policy, model)


def _file_mistakes(policy: str, file: Path, k: int, layers: int) -> Iterable[str]:
    try:
        if not file.is_file():
            raise GoodpartError(f"{file}: no such file")
        if any(len(chosen) > k for chosen in read_skip_set(file, layers).sets.values()):
            raise GoodpartError(f"{file}: has more layers than k = {k}")
    except GoodpartError as error:
        yield f"  policies.{policy}.path: {error}; correct the path, the file or layers_skipped"


def phase_mistakes(configuration: Configuration, policy: str, model: str) -> Iterable[str]:
    """Why a policy cannot change layers by phase of denoising with one model; nothing where it can."""
    entry, preset = configuration.policies[policy], configuration.run.decode
    family = configuration.models[model].family
    if entry.kind == "file" or entry.varies != "phase":
        return
    if family in AUTOREGRESSIVE:
        fix = f"name the diffusion models in policies.{policy}.layers_skipped"
        if not _in_run(configuration, policy, model):  # but in the study, whose k are its own
            fix = f"take {policy} out of policy_study.policies, or choose a diffusion model"
        yield f"  policies.{policy}: {model} is autoregressive, without denoising steps to adapt to; {fix}"
        return
    sampler = configuration.decodes.get(preset, {}).get(family)
    if sampler and (sampler.model_extra or {}).get("cache", "none") != "none":
        yield (
            f"  policies.{policy}: layers that change by step and a cache exclude each other; let "
            f"decodes.{preset}.{family}.cache be none"
        )
    if sampler and (sampler.model_extra or {}).get("confidence_threshold") is not None:
        yield (
            f"  policies.{policy}: layers that change by step need a known number of steps; let "
            f"decodes.{preset}.{family} have no confidence_threshold"
        )
    captured = _captured_steps(configuration, preset, family)
    phases = entry.phases or 1
    reached = {step * phases // total for total, steps in captured.items() for step in steps}
    missed = [str(phase) for phase in range(phases) if phase not in reached]
    if captured and missed:
        yield (
            f"  capture.steps: {max(map(len, captured.values()))} of them do not reach {phases} phases of "
            f"policies.{policy} (none is in phase {', '.join(missed[:8])}); capture more steps, or lower its "
            "phases"
        )


def _in_run(configuration: Configuration, policy: str, model: str) -> bool:
    """Whether the run, and not a study alone, evaluates a model under a policy."""
    run, ks = configuration.run, configuration.models[model].layers_skipped
    return model in run.models and policy in run.policies and bool(asked_ks(configuration, policy, model, ks))


def _captured_steps(configuration: Configuration, preset: str, family: str) -> dict[int, list[int]]:
    """Denoising steps of a preset, in all -> those that `capture.steps` takes, over calibration benchmarks.

    Empty where no number of steps can be told: there is no benchmark, and that is a mistake of its own.
    """
    captured: dict[int, list[int]] = {}
    for benchmark in configuration.calibration_benchmarks:
        if benchmark in configuration.benchmarks:
            try:
                total = sampler_settings(configuration, preset, family, benchmark).total_steps
            except GoodpartError:
                continue
            try:
                captured[total] = chosen_steps(configuration.capture.steps, total)
            except GoodpartError:
                captured[total] = []
    return captured
