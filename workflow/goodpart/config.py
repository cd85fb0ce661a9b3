"""The configuration: every mistake is found here, before any job runs, and named with its fix."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from goodpart import benchmarks, capture_config
from goodpart.benchmark_sources import example_mistakes, same_rows, source_mistakes
from goodpart.capture_config import calibration_benchmarks
from goodpart.checkpoints.reading import entry_mistakes
from goodpart.decode_config import decode_settings
from goodpart.errors import GoodpartError, nearest
from goodpart.families import FAMILIES
from goodpart.latency_config import latency_mistakes, latency_models
from goodpart.paths import FULL_DEPTH
from goodpart.policies import kind_exists, varies
from goodpart.policy_config import asked_ks, fill_policies, policy_mistakes

SCHEMA = Path(__file__).parents[1] / "schemas" / "config.schema.yaml"


def check(config: dict[str, Any], root: Path = Path()) -> None:
    """Validate `config` in place: schema, defaults, and everything the schema cannot say.

    Local paths are taken relative to `root`. Raises GoodpartError with one line a mistake.
    """
    import yaml

    schema = yaml.safe_load(SCHEMA.read_text())
    on_evaluated = _calibrate_on_evaluated(config)
    mistakes = [*_not_finite(config), *_schema_mistakes(config, schema)]
    if not mistakes:
        _fill_defaults(config, schema, schema)
        fill_policies(config)
        config["paths"] = {name: str(Path(path)) for name, path in config["paths"].items()}
        mistakes = list(_meaning_mistakes(config, root))
        mistakes += _leaks(config, on_evaluated)
    if not mistakes:
        mistakes = list(capture_config.mistakes(config, root))
    if mistakes:
        raise GoodpartError("\n".join(["the configuration is not valid:", *mistakes]))


def _calibrate_on_evaluated(config: dict[str, Any]) -> set[str]:
    """Put the evaluated items for `calibration: evaluation`; return the benchmarks that ask for it."""
    entries = config.get("benchmarks")
    asked = {
        name
        for name, entry in (entries.items() if isinstance(entries, dict) else ())
        if isinstance(entry, dict) and entry.get("calibration") == "evaluation" and "evaluation" in entry
    }
    for name in asked:
        config["benchmarks"][name]["calibration"] = config["benchmarks"][name]["evaluation"]
    return asked


def _leaks(config: dict[str, Any], on_evaluated: set[str]) -> Iterable[str]:
    """Benchmarks that would calibrate on evaluated items without having asked for it."""
    for name in calibration_benchmarks(config):
        entry = config["benchmarks"].get(name, {})
        if "calibration" not in entry or name in on_evaluated:
            continue
        if same_rows(entry["calibration"], entry["evaluation"]):
            yield (
                f"  benchmarks.{name}.calibration: these are the evaluated items; name a training split, or "
                "write calibration: evaluation if that is what you want"
            )


def _not_finite(value: Any, at: str = "") -> Iterable[str]:
    """Numbers that are none, which no bound of the schema stops."""
    if isinstance(value, (dict, list)):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _not_finite(item, f"{at}.{key}" if at else str(key))
    elif isinstance(value, float) and not math.isfinite(value):
        yield f"  {at}: {value} is not a number that can be used; give a finite one"


def _schema_mistakes(config: dict[str, Any], schema: dict[str, Any]) -> Iterable[str]:
    from jsonschema import Draft202012Validator

    for error in Draft202012Validator(schema).iter_errors(config):
        key = ".".join(map(str, error.absolute_path)) or "(top level)"
        if error.validator == "additionalProperties":
            known = list(error.schema.get("properties", {}))
            for name in sorted(set(error.instance) - set(known)):
                yield f"  {key}: unknown key {name!r}; {nearest(name, known)}"
        elif error.validator == "required":
            missing = [name for name in error.validator_value if name not in error.instance]
            yield f"  {key}: the key {', '.join(missing)} is missing; add it"
        elif error.validator == "enum":
            allowed = ", ".join(map(str, error.validator_value))
            yield f"  {key}: {error.instance!r} is unknown; use one of: {allowed}"
        elif "description" in error.schema:
            yield f"  {key}: {error.instance!r} is not allowed; give {error.schema['description']}"
        else:
            yield f"  {key}: {error.message}"


def _fill_defaults(value: Any, schema: dict[str, Any], root: dict[str, Any]) -> None:
    if "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rsplit("/", 1)[1]]
    if not isinstance(value, dict):
        return
    properties = schema.get("properties", {})
    for key, sub in properties.items():
        if "default" in sub:
            default = sub["default"]
            value.setdefault(key, dict(default) if isinstance(default, dict) else default)
    others = schema.get("additionalProperties")
    for key, item in value.items():
        sub = properties.get(key, others if isinstance(others, dict) else {})
        _fill_defaults(item, sub, root)


def _meaning_mistakes(config: dict[str, Any], root: Path) -> Iterable[str]:
    run = config["run"]
    for name, path in config["paths"].items():
        if (root / path).is_file():
            yield f"  paths.{name}: {path} is a file; name a folder"
    for kind in ("models", "benchmarks", "policies"):
        for name in run[kind]:
            if name not in config[kind]:
                yield f"  run.{kind}: {name!r} is not in {kind}; {nearest(name, config[kind])}"
    rows: dict[str, str] = {}
    for name in run["benchmarks"]:
        label = config["benchmarks"].get(name, {}).get("label", name)
        if label in rows:
            yield (
                f"  benchmarks.{name}.label: {label!r} is also that of {rows[label]}, which runs too; give "
                "it another, for its own rows in the tables"
            )
        rows.setdefault(label, name)
    if run["decode"] not in config["decodes"]:
        yield f"  run.decode: {nearest(run['decode'], config['decodes'])}"
    for preset, families in config["decodes"].items():
        for family, arguments in families.items():
            for kind in arguments.get("by_kind", {}):
                if not benchmarks.kind_exists(kind):
                    at = f"  decodes.{preset}.{family}.by_kind"
                    yield f"{at}: there is no goodpart/benchmarks/{kind}.py; give a kind of benchmark"
    if FULL_DEPTH in config["policies"]:
        yield f"  policies.{FULL_DEPTH}: the name is taken by full depth; choose another"
    study = config.get("controlled_study", {})
    yield from _study_mistakes(study, config)
    policies = config.get("policy_study", {})
    latency = latency_models(config)
    mistakes = list(latency_mistakes(config))
    yield from mistakes or _preset_mistakes(latency, config)
    named = {*run["models"], *latency, *study.get("models", []), *filter(None, [policies.get("model")])}
    for name in named:
        if name in config["models"]:
            yield from _model_mistakes(name, config, root)
    taken: dict[str, str] = {}
    for name in run["models"]:
        if name in config["models"]:
            column = config["models"][name].get("paper_column")
            if column in taken:
                yield (
                    f"  models.{name}.paper_column: {column!r} is also that of {taken[column]}, which runs "
                    "too; remove one, and the model gets a column of its own"
                )
            elif column:
                taken[column] = name
    studied = [*study.get("benchmarks", []), *filter(None, [policies.get("benchmark")])]
    studied += [config["latency"]["benchmark"]] if latency else []
    for name in {*run["benchmarks"], *calibration_benchmarks(config), *studied}:
        if name in config["benchmarks"]:
            yield from _benchmark_mistakes(name, config, root)
        elif name not in {*run["benchmarks"], *studied}:
            yield f"  capture.benchmarks: {name!r} is not in benchmarks; choose one that is"
    for name in calibration_benchmarks(config):
        if name in config["benchmarks"] and "calibration" not in config["benchmarks"][name]:
            yield f"  benchmarks.{name}.calibration: is missing, and capture.benchmarks names {name}"
    yield from policy_mistakes(config, root)


def _preset_mistakes(models: list[str], config: dict[str, Any]) -> Iterable[str]:
    """Mistakes of the decoding presets under which `latency` times some models."""
    study = config.get("latency", {})
    for family in dict.fromkeys(config["models"][model]["family"] for model in models):
        for decode in study["decodes"]:
            try:
                decode_settings(config, decode, family, study["benchmark"])
            except GoodpartError as error:
                yield f"  decodes.{decode}.{family} with benchmarks.{study['benchmark']}: {error}"


def _study_mistakes(study: dict[str, Any], config: dict[str, Any]) -> Iterable[str]:
    """Mistakes of `controlled_study`, which is optional."""
    for kind in ("models", "benchmarks"):
        for name in study.get(kind, []):
            if name not in config[kind]:
                yield f"  controlled_study.{kind}: {name!r} is not in {kind}; {nearest(name, config[kind])}"
    if study and study["policy"] not in config["policies"]:
        yield f"  controlled_study.policy: {nearest(study['policy'], config['policies'])}"
    policy = config["policies"].get(study.get("policy"))
    if policy and kind_exists(policy["kind"]) and varies(policy):
        yield (
            f"  controlled_study.policy: the sets of {study['policy']!r} change by prompt or by step, and "
            "the study reads one fixed set; choose a static policy"
        )
    for contrast in study.get("contrasts", []):
        for name in (contrast["first"], contrast["second"]):
            if name not in study["models"]:
                known = nearest(name, study["models"])
                yield f"  controlled_study.contrasts: {name!r} is not among its models; {known}"


def _model_mistakes(name: str, config: dict[str, Any], root: Path) -> Iterable[str]:
    model, at = config["models"][name], f"  models.{name}"
    if not {"path", "hub"} & model.keys():
        yield f"{at}: give path (a local folder) or hub (owner/name)"
        return
    if "path" in model and not config["redraw"]:  # what is only redrawn needs no weights
        mistakes = list(entry_mistakes(model, root))
        yield from (f"{at}{mistake}" for mistake in mistakes)
        if mistakes:
            return
    asked: list[tuple[str, str, list[int]]] = []
    if name in config["run"]["models"]:
        for policy in config["run"]["policies"]:
            own = "layers_skipped" in config["policies"].get(policy, {})
            ks = asked_ks(config, policy, name, model["layers_skipped"])
            asked.append((policy, f"  policies.{policy}" if own else at, ks))
    study = config.get("controlled_study", {"models": []})
    if name in study["models"]:
        asked.append((study["policy"], "  controlled_study", study["layers_skipped"]))
    if name in latency_models(config):
        k = config["latency"]["layers_skipped"].get(name, 0)
        asked.append((config["latency"]["policy"], "  latency", [k]))
    study = config.get("policy_study", {"model": None})
    if name == study["model"]:
        asked += [(policy, "  policy_study", study["layers_skipped"]) for policy in study["policies"]]
    for policy, where, ks in dict.fromkeys((p, w, tuple(ks)) for p, w, ks in asked):
        adjacent = config["policies"].get(policy, {"adjacent": False}).get("adjacent", True)
        most = model["layers"] - 1 if adjacent else (model["layers"] + 1) // 2
        for k in ks:
            if k > most:
                yield (
                    f"{where}.layers_skipped: {k} is more than {model['layers']} layers allow under the "
                    f"policy {policy!r} ({most} at most); remove it"
                )


def _benchmark_mistakes(name: str, config: dict[str, Any], root: Path) -> Iterable[str]:
    benchmark, at = config["benchmarks"][name], f"  benchmarks.{name}"
    calibration = calibration_benchmarks(config)
    if not benchmarks.kind_exists(benchmark["kind"]):
        yield f"{at}.kind: there is no goodpart/benchmarks/{benchmark['kind']}.py"
        return
    for split in ("evaluation", "calibration"):
        if split in benchmark:
            yield from source_mistakes(f"{at}.{split}", benchmark[split], root)
    yield from example_mistakes(name, config, root)
    if benchmark["n"] != "all" and benchmark["n"] > benchmark["evaluation"]["rows"]:
        rows = benchmark["evaluation"]["rows"]
        yield f"{at}.n: {benchmark['n']} is more than the {rows} items there are; lower it"
    # The study's own benchmarks may not fit a decoding preset of another scale; only its jobs would mind.
    models = config["run"]["models"] if name in {*config["run"]["benchmarks"], *calibration} else []
    families = {config["models"][m]["family"] for m in models if m in config["models"]}
    for family in FAMILIES:
        if family in families:
            at_decode = f"  decodes.{config['run']['decode']}.{family} with benchmarks.{name}"
            try:
                chosen = decode_settings(config, config["run"]["decode"], family, name)
            except GoodpartError as error:
                yield f"{at_decode}: {error}"
                continue
            if benchmark["samples"] > 1 and not chosen.get("temperature"):
                yield (
                    f"{at_decode}: {benchmark['samples']} samples an item are all the same at temperature 0; "
                    "set a temperature above 0, or samples: 1"
                )


def item_count(config: Mapping[str, Any], benchmark: str) -> int:
    """Number of evaluated items of a benchmark."""
    entry = config["benchmarks"][benchmark]
    return entry["evaluation"]["rows"] if entry["n"] == "all" else entry["n"]


def shards(config: Mapping[str, Any], benchmark: str) -> list[tuple[int, int]]:
    """Item ranges (first, last), both included, in fixed chunks: raising n keeps the full ones."""
    n, size = item_count(config, benchmark), config["generation"]["shard_size"]
    return [(first, min(first + size, n) - 1) for first in range(0, n, size)]
