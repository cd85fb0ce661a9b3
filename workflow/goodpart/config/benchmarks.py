"""Mistakes in benchmarks: their module, the sources of their rows, the solved examples of their prompts."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from goodpart.benchmarks import benchmark_module
from goodpart.config.catalogue import Source
from goodpart.config.configuration import Configuration
from goodpart.config.plugins import benchmark_mistake

EXAMPLES = 4  # solved problems in a few-shot prompt, unless the configuration says otherwise


def worked_examples(configuration: Configuration, benchmark: str) -> dict[str, Any] | None:
    """Solved problems in a benchmark's prompts: `count`, or `rows`, of `source`; None for no examples.

    Without a `source` they are the calibration split's, or, where there is none, the module's own.
    """
    spec = _examples(configuration, benchmark)
    return spec and {**spec, "source": spec["source"] and spec["source"].plain()}


def _examples(configuration: Configuration, benchmark: str) -> dict[str, Any] | None:
    entry = configuration.benchmarks[benchmark]
    module, asked = benchmark_module(entry.kind), entry.examples
    if entry.style != "paper" or not (hasattr(module, "example") or asked):
        return None
    rows = asked.rows if asked else None
    count = asked.count if asked else None
    if count is None:
        count = EXAMPLES if rows is None else len(rows)
    source = (asked.source if asked else None) or entry.calibration
    return {"count": count, "rows": rows, "source": source} if count else None


def benchmark_mistakes(
    name: str, configuration: Configuration, root: Path, on_evaluated: Collection[str]
) -> Iterable[str]:
    """Mistakes of one benchmark; those `on_evaluated` items may calibrate on them."""
    benchmark, at = configuration.benchmarks[name], f"  benchmarks.{name}"
    if mistake := benchmark_mistake(benchmark.kind):
        yield f"{at}.kind: {mistake}"
        return
    for split in ("evaluation", "calibration"):
        if source := getattr(benchmark, split):
            yield from source_mistakes(f"{at}.{split}", source, root)
    yield from example_mistakes(name, configuration, root)
    if benchmark.item_count > benchmark.evaluation.rows:
        yield f"{at}.n: {benchmark.n} is more than the {benchmark.evaluation.rows} items there are; lower it"
    calibration = configuration.calibration_benchmarks
    if name not in calibration:
        return
    if benchmark.calibration is None:
        yield (
            f"{at}.calibration: is missing, and capture.benchmarks names {name}; add the split, or remove "
            f"{name} there"
        )
    elif name not in on_evaluated and benchmark.calibration.same_rows(benchmark.evaluation):
        yield (
            f"{at}.calibration: these are the evaluated items; name a training split, or "
            "write calibration: evaluation if that is what you want"
        )


def example_mistakes(name: str, configuration: Configuration, root: Path) -> Iterable[str]:
    """Mistakes of a benchmark's `examples`."""
    entry, at = configuration.benchmarks[name], f"  benchmarks.{name}.examples"
    module = benchmark_module(entry.kind)
    if entry.examples and entry.style != "paper":
        yield f"{at}: only the style paper shows examples; set style: paper, or remove it"
        return
    spec = _examples(configuration, name)
    if spec is None:
        return
    own, source = getattr(module, "EXAMPLES", ()), spec["source"]
    if not hasattr(module, "example"):
        yield f"{at}: {entry.kind} has no solved examples; remove it"
    elif spec["rows"] is not None and len(spec["rows"]) != spec["count"]:
        yield f"{at}.count: {spec['count']}, but {len(spec['rows'])} rows are named; remove it"
    elif source is None and spec["count"] > len(own):
        known = f"it has {len(own)} of its own" if own else "it has none of its own"
        yield f"{at}: {spec['count']} are asked for, and {known}; name a training split as its source"
    elif source is None and spec["rows"] and max(spec["rows"]) >= len(own):
        yield f"{at}.rows: there are {len(own)} examples, from 0; correct the numbers"
    elif source is not None:
        yield from source_mistakes(f"{at}.source", source, root)
        if source.same_rows(entry.evaluation):
            yield f"{at}.source: these are the evaluated items; name a training split"
        elif spec["count"] > source.rows:
            yield f"{at}.count: {spec['count']} is more than the {source.rows} rows; lower it"
        elif spec["rows"] and max(spec["rows"]) >= source.rows:
            yield f"{at}.rows: there are {source.rows} rows, from 0; correct the numbers"


def source_mistakes(at: str, source: Source, root: Path) -> Iterable[str]:
    """Mistakes of one source of rows, with `at`, its place in the configuration, in front."""
    if source.path is None and source.hub is None:
        yield f"{at}: no rows are named; give a path (a local file) or a hub name (owner/name)"
    elif source.path is not None:
        file = root / source.path
        if not file.is_file():
            yield f"{at}.path: {source.path} does not exist; correct the path"
        elif not _has_content(file):
            yield f"{at}.path: {source.path} holds no items; give a file that does"


def _has_content(file: Path) -> bool:
    with file.open("rb") as opened:
        return bool(opened.read(1 << 16).strip())
