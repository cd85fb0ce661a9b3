"""Where a benchmark's rows and the solved examples of its prompts come from, as the configuration says it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from goodpart.benchmarks import benchmark_module

EXAMPLES = 4  # solved problems in a few-shot prompt, unless the configuration says otherwise


def worked_examples(config: Mapping[str, Any], benchmark: str) -> dict[str, Any] | None:
    """Solved problems in a benchmark's prompts: `count`, or `rows`, of `source`; None for no examples.

    Without a `source` they are the calibration split's, or, where there is none, the module's own.
    """
    entry = config["benchmarks"][benchmark]
    module = benchmark_module(entry["kind"])
    asked = entry.get("examples", {})
    if entry["style"] != "paper" or not (hasattr(module, "example") or asked):
        return None
    rows = asked.get("rows")
    count = asked.get("count", EXAMPLES if rows is None else len(rows))
    source = asked.get("source") or entry.get("calibration")
    return {"count": count, "rows": rows, "source": source} if count else None


def example_mistakes(name: str, config: dict[str, Any], root: Path) -> Iterable[str]:
    """Mistakes of a benchmark's `examples`."""
    entry, at = config["benchmarks"][name], f"  benchmarks.{name}.examples"
    module = benchmark_module(entry["kind"])
    if "examples" in entry and entry["style"] != "paper":
        yield f"{at}: only the style paper shows examples; set style: paper, or remove it"
        return
    spec = worked_examples(config, name)
    if spec is None:
        return
    own = getattr(module, "EXAMPLES", ())
    if not hasattr(module, "example"):
        yield f"{at}: {entry['kind']} has no solved examples; remove it"
    elif spec["rows"] is not None and len(spec["rows"]) != spec["count"]:
        yield f"{at}.count: {spec['count']}, but {len(spec['rows'])} rows are named; remove it"
    elif spec["source"] is None and spec["count"] > len(own):
        known = f"it has {len(own)} of its own" if own else "it has none of its own"
        yield f"{at}: {spec['count']} are asked for, and {known}; name a training split as its source"
    elif spec["source"] is None and spec["rows"] and max(spec["rows"]) >= len(own):
        yield f"{at}.rows: there are {len(own)} examples, from 0; correct the numbers"
    elif spec["source"] is not None:
        yield from source_mistakes(f"{at}.source", spec["source"], root)
        if same_rows(spec["source"], entry["evaluation"]):
            yield f"{at}.source: these are the evaluated items; name a training split"
        elif spec["count"] > spec["source"]["rows"]:
            yield f"{at}.count: {spec['count']} is more than the {spec['source']['rows']} rows; lower it"


def same_rows(first: Mapping[str, Any], second: Mapping[str, Any]) -> bool:
    """Whether two sources name the same rows."""
    return all(first.get(key) == second.get(key) for key in ("path", "hub", "name", "split", "ids"))


def source_mistakes(at: str, source: dict[str, Any], root: Path) -> Iterable[str]:
    """Mistakes of one source of rows, with `at`, its place in the configuration, in front."""
    if not {"path", "hub"} & set(source):
        yield f"{at}: give a path (a local file) or a hub name (owner/name)"
    elif "path" in source:
        file = root / source["path"]
        if not file.is_file():
            yield f"{at}.path: {source['path']} does not exist; correct the path"
        elif not _has_content(file):
            yield f"{at}.path: {source['path']} holds no items; give a file that does"


def _has_content(file: Path) -> bool:
    with file.open("rb") as opened:
        return bool(opened.read(1 << 16).strip())
