"""The policies of a configuration: which cells each has, and its mistakes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from goodpart.capture_config import calibration_benchmarks
from goodpart.capture_plan import chosen_steps
from goodpart.decode_config import sampler_settings
from goodpart.errors import GoodpartError, nearest
from goodpart.latency_config import quality_cells
from goodpart.paths import FULL_DEPTH
from goodpart.policies import COMMON, kind_exists, policy_module, varies, with_defaults
from goodpart.skip_sets import read_skip_set

Cell = tuple[str, str, str, int]  # model, benchmark, policy, k
AUTOREGRESSIVE = ("qwen2",)


def fill_policies(config: dict[str, Any]) -> None:
    """Complete every entry of `policies` by the defaults of its kind, where that exists."""
    for name, entry in config["policies"].items():
        if kind_exists(entry["kind"]):
            config["policies"][name] = with_defaults(entry)


def asked_ks(config: Mapping[str, Any], policy: str, model: str, ks: Iterable[int]) -> list[int]:
    """k above 0 that a policy has for a model: its own `layers_skipped`, else those of `ks`."""
    own = config["policies"].get(policy, {}).get("layers_skipped")
    if own is not None:
        ks = own.get(model, []) if isinstance(own, Mapping) else own
    return sorted(k for k in ks if k)


def run_cells(config: Mapping[str, Any]) -> list[Cell]:
    """All cells of the run: of each model and benchmark full depth, then its policies by k."""
    run, cells = config["run"], []
    for model in run["models"]:
        ks = config["models"][model]["layers_skipped"]
        for benchmark in run["benchmarks"]:
            cells.append((model, benchmark, FULL_DEPTH, 0))
            for policy in run["policies"]:
                if benchmark in config["policies"][policy].get("benchmarks", [benchmark]):
                    cells += [(model, benchmark, policy, k) for k in asked_ks(config, policy, model, ks)]
    return cells


def study_cells(config: Mapping[str, Any]) -> list[Cell]:
    """All cells of `policy_study`: full depth and every policy by k; none without the section."""
    study = config.get("policy_study")
    if not study:
        return []
    where = (study["model"], study["benchmark"])
    cells = [(*where, policy, k) for policy in study["policies"] for k in study["layers_skipped"] if k]
    return [(*where, FULL_DEPTH, 0), *cells]


def searched_ks(config: Mapping[str, Any], policy: str, model: str) -> list[int]:
    """Every k of a policy and model that some part of the configuration asks for."""
    cells = [*run_cells(config), *study_cells(config), *quality_cells(config)]
    ks = {k for m, _, p, k in cells if (m, p) == (model, policy)}
    study = config.get("controlled_study", {})
    if study.get("policy") == policy and model in study["models"]:
        ks |= {k for k in study["layers_skipped"] if k}
    drawn = config.get("skip_figures", {}).get("mechanism")
    if drawn and drawn["policy"] == policy:
        models = config["run"]["models"]
        shown = drawn["model"] if drawn["model"] in models else models[0]  # as Figure 2 does
        ks |= {drawn["k"]} if shown == model else set()
    return sorted(ks)


def policy_mistakes(config: Mapping[str, Any], root: Path) -> Iterable[str]:
    """One line a mistake in the policies that something asks for."""
    study = config.get("policy_study", {})
    used = {*config["run"]["policies"], *study.get("policies", [])}
    used |= {config[part]["policy"] for part in ("controlled_study", "latency") if part in config}
    figures, policies = config.get("skip_figures", {}), config["policies"]
    used |= {figures[key]["policy"] for key in ("mechanism", "selection") if key in figures}
    for name in sorted(used & set(config["policies"])):
        yield from _entry_mistakes(name, config["policies"][name], config)
    yield from _study_mistakes(study, config)
    for key in ("mechanism", "selection"):
        if key not in figures:
            continue
        policy = figures[key]["policy"]
        yield from _shown_mistakes(key, figures[key], config)
        if policy not in policies:
            yield f"  skip_figures.{key}.policy: {policy!r} is not in policies; {nearest(policy, policies)}"
        elif (config["policies"][policy].get("mode") == "per_prompt") != (key == "selection"):
            kind = "needs a policy with" if key == "selection" else "cannot be drawn of one with"
            yield f"  skip_figures.{key}.policy: {policy!r}: the figure {kind} mode: per_prompt"
    shown, run = config["table"].get("policy"), config["run"]["policies"]
    if shown is not None and shown not in run:
        yield f"  table.policy: {shown!r} is not in run.policies; name one of {', '.join(run)}, or remove it"
    adjacent = config["table"].get("adjacent_policy")
    if adjacent and adjacent not in policies:
        yield f"  table.adjacent_policy: {adjacent!r} is not in policies; {nearest(adjacent, policies)}"
    if not any(policy not in config["policies"] for policy in config["run"]["policies"]):
        yield from _pair_mistakes(config, root)


def _shown_mistakes(key: str, figure: Mapping[str, Any], config: Mapping[str, Any]) -> Iterable[str]:
    """A figure's model or benchmark that does not exist, and more layers than its model has."""
    for kind in ("model", "benchmark"):
        name, known = figure.get(kind), config[f"{kind}s"]
        if name is not None and name not in known:
            yield f"  skip_figures.{key}.{kind}: {name!r} is not in {kind}s; {nearest(name, known)}"
    models = config["run"]["models"]
    shown = figure["model"] if figure["model"] in models else models[0]
    layers = config["models"].get(shown, {}).get("layers", math.inf)
    if figure["k"] >= layers:
        yield f"  skip_figures.{key}.k: {figure['k']} of {shown}'s {layers} layers; lower it"


def _entry_mistakes(name: str, entry: Mapping[str, Any], config: Mapping[str, Any]) -> Iterable[str]:
    at, kind = f"  policies.{name}", entry["kind"]
    if not kind_exists(kind):
        yield f"{at}.kind: there is no goodpart/policies/{kind}.py"
        return
    module = policy_module(kind)
    allowed = [*module.SETTINGS, *COMMON]
    for key in sorted(set(entry) - set(allowed)):
        yield f"{at}: the kind {kind} has no setting {key!r}; {nearest(key, allowed)}"
    if kind == "file" and "path" not in entry:
        yield f"{at}.path: is missing; name the file of the skip set, as my-sets/{{model}}-k{{k}}.json"
    if entry.get("mode") == "per_prompt" and module.NEEDS != "similarities":
        yield f"{at}.mode: per_prompt needs a kind that chooses from similarities; {kind} does not"
    if entry.get("positions") == "last" and module.NEEDS != "angles":
        yield f"{at}.positions: last is for angles only; use prompt, masked or all"
    unknown = [b for b in entry.get("benchmarks", []) if b not in config["benchmarks"]]
    ks = entry.get("layers_skipped")
    unknown += [m for m in ks if m not in config["models"]] if isinstance(ks, Mapping) else []
    for other in unknown:
        yield f"{at}: {other!r} is in neither benchmarks nor models; correct it"


def _study_mistakes(study: Mapping[str, Any], config: Mapping[str, Any]) -> Iterable[str]:
    """Mistakes of `policy_study`, which is optional."""
    if not study:
        return
    for kind in ("model", "benchmark"):
        if study[kind] not in config[f"{kind}s"]:
            yield f"  policy_study.{kind}: {study[kind]!r} is not in {kind}s; choose one that is"
    for policy in [*study["policies"], study["overlap"]]:
        if policy not in config["policies"]:
            yield f"  policy_study: {policy!r} is not in policies; {nearest(policy, config['policies'])}"
    overlap = config["policies"].get(study["overlap"], {"mode": "per_prompt"})
    if overlap.get("mode") != "per_prompt":
        yield f"  policy_study.overlap: {study['overlap']!r} is not per_prompt; name a policy of that mode"


def _pair_mistakes(config: Mapping[str, Any], root: Path) -> Iterable[str]:
    """Mistakes that need a model, a policy and a k at once: files, and layers that change by phase."""
    pairs: dict[tuple[str, str], set[int]] = {}
    known = [m for m in config["run"]["models"] if m in config["models"]]
    run = {**config, "run": {**config["run"], "models": known}}
    of_run = run_cells(run)
    for model, _, policy, k in [*of_run, *study_cells(config)]:
        kind = config["policies"].get(policy, {}).get("kind", "")
        if k and model in config["models"] and kind and kind_exists(kind):
            pairs.setdefault((model, policy), set()).add(k)
    for (model, policy), ks in pairs.items():
        entry, layers = config["policies"][policy], config["models"][model]["layers"]
        if entry["kind"] == "file" and "path" in entry:
            for k in sorted(ks):
                try:
                    file = root / entry["path"].format(model=model, k=k)
                except (KeyError, ValueError, IndexError):
                    yield (
                        f"  policies.{policy}.path: {entry['path']!r} cannot be filled in; use no braces but "
                        "{model} and {k}"
                    )
                    break
                yield from _file_mistakes(policy, file, k, layers)
    # Those of the study stop only what asks for it: another run need not capture steps for it.
    for model, policy in dict.fromkeys((model, policy) for model, _, policy, k in of_run if k):
        if (model, policy) in pairs:
            yield from phase_mistakes(config, policy, model)


def _file_mistakes(policy: str, file: Path, k: int, layers: int) -> Iterable[str]:
    try:
        if not file.is_file():
            raise GoodpartError(f"{file}: no such file")
        if any(len(chosen) > k for chosen in read_skip_set(file, layers).sets.values()):
            raise GoodpartError(f"{file}: has more layers than k = {k}")
    except GoodpartError as error:
        yield f"  policies.{policy}.path: {error}; correct the path, the file or layers_skipped"


def phase_mistakes(config: Mapping[str, Any], policy: str, model: str) -> Iterable[str]:
    """Why a policy cannot change layers by phase of denoising with one model; nothing where it can."""
    entry, preset = config["policies"][policy], config["run"]["decode"]
    family = config["models"][model]["family"]
    if entry["kind"] == "file" or varies(entry) != "phase":
        return
    if family in AUTOREGRESSIVE:
        fix = f"name the diffusion models in policies.{policy}.layers_skipped"
        if _of_study_alone(config, policy, model):  # whose k are its own
            fix = f"take {policy} out of policy_study.policies, or choose a diffusion model"
        yield f"  policies.{policy}: {model} is autoregressive, without denoising steps to adapt to; {fix}"
        return
    if config["decodes"].get(preset, {}).get(family, {}).get("cache", "none") != "none":
        yield (
            f"  policies.{policy}: layers that change by step and a cache exclude each other; let "
            f"decodes.{preset}.{family}.cache be none"
        )
    phases, captured = entry["phases"], _captured_steps(config, preset, family)
    reached = {step * phases // total for total, steps in captured.items() for step in steps}
    missed = [str(phase) for phase in range(phases) if phase not in reached]
    if captured and missed:
        yield (
            f"  capture.steps: {max(map(len, captured.values()))} of them do not reach {phases} phases of "
            f"policies.{policy} (none is in phase {', '.join(missed)}); capture more steps, or lower its "
            "phases"
        )


def _of_study_alone(config: Mapping[str, Any], policy: str, model: str) -> bool:
    """Whether `policy_study` evaluates a model under a policy, and the run does not."""
    run, ks = config["run"], config["models"][model]["layers_skipped"]
    in_run = model in run["models"] and policy in run["policies"] and asked_ks(config, policy, model, ks)
    return not in_run and any((m, p) == (model, policy) for m, _, p, _ in study_cells(config))


def _captured_steps(config: Mapping[str, Any], preset: str, family: str) -> dict[int, list[int]]:
    """Denoising steps of a preset, in all -> those that `capture.steps` takes, over calibration benchmarks.

    Empty where no number of steps can be told: there is no benchmark, and that is a mistake of its own.
    """
    found: dict[int, list[int]] = {}
    for benchmark in calibration_benchmarks(config):
        if benchmark in config["benchmarks"]:
            try:
                total = sampler_settings(config, preset, family, benchmark).total_steps
            except GoodpartError:
                continue
            try:
                found[total] = chosen_steps(config["capture"]["steps"], total)
            except GoodpartError:
                found[total] = []
    return found
