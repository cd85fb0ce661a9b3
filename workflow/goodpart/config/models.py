"""Mistakes in models: their place, their checkpoint, their layers, and the k that something asks for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from goodpart.config.cells import asked_ks
from goodpart.config.configuration import Configuration
from goodpart.models.checkpoints.reading import entry_mistakes

Asked = tuple[str, str, Sequence[int]]  # policy, the key that says its k, those k


def model_mistakes(name: str, configuration: Configuration, root: Path, asked: list[Asked]) -> Iterable[str]:
    """Mistakes of one model, and of the k that are `asked` of it."""
    model, at = configuration.models[name], f"  models.{name}"
    if model.path is None and model.hub is None:
        yield f"{at}: no weights are named; give path (a local folder) or hub (owner/name)"
        return
    if model.cuda_graphs and not model.chosen_device.startswith("cuda"):
        yield (
            f"{at}.cuda_graphs: needs the whole model on one GPU, and it runs on {model.chosen_device}; "
            "remove it, or set gpu: 1"
        )
    if model.path is None and model.shape is not None and not (root / model.shape).is_file():
        yield f"{at}.shape: {model.shape} does not exist; correct the path, or remove the key"
    if model.path is not None and not configuration.redraw:  # a redraw needs no weights
        entry = {"path": model.path, "family": model.family, "layers": model.layers, "chat": model.chat}
        mistakes = list(entry_mistakes(entry, root))
        yield from (f"{at}{mistake}" for mistake in mistakes)
        if any(mistake.startswith(".path") for mistake in mistakes):
            return
    for policy, where, ks in dict.fromkeys((p, w, tuple(ks)) for p, w, ks in asked):
        entry = configuration.policies.get(policy)
        most = model.layers - 1 if entry and entry.skips_neighbours else (model.layers + 1) // 2
        for k in ks:
            if k > most:
                yield (
                    f"  {where}: {k} is more than {model.layers} layers allow under the "
                    f"policy {policy!r} ({most} at most); remove it"
                )


def run_asks(name: str, configuration: Configuration) -> list[Asked]:
    """What the run and its studies, but for `latency`, ask of a model."""
    asked: list[Asked] = []
    if name in configuration.run.models:
        for policy in configuration.run.policies:
            entry = configuration.policies.get(policy)
            own = entry.layers_skipped if entry else None
            where = f"{f'models.{name}' if own is None else f'policies.{policy}'}.layers_skipped"
            where += f".{name}" if isinstance(own, Mapping) else ""
            ks = asked_ks(configuration, policy, name, configuration.models[name].layers_skipped)
            asked.append((policy, where, ks))
    study = configuration.controlled_study
    if study and name in study.models:
        asked.append((study.policy, "controlled_study.layers_skipped", study.layers_skipped))
    policies = configuration.policy_study
    if policies and name == policies.model:
        asked += [
            (policy, "policy_study.layers_skipped", policies.layers_skipped) for policy in policies.policies
        ]
    for table, grid in configuration.studies.items():
        if name in grid.models:
            asked += [
                (policy, f"studies.{table}.layers_skipped", grid.layers_skipped) for policy in grid.policies
            ]
    return asked
