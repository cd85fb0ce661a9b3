"""What a rule hands its script: files, parameters, wildcards and threads."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any


@dataclass(frozen=True)
class Job:
    """One job of a rule, as its script's `main` sees it.

    `input` has the rule's named inputs, each a path or a list of paths; `params` and `wildcards` have
    values by name.
    """

    script: str
    input: SimpleNamespace
    outputs: list[Path]
    params: SimpleNamespace
    wildcards: SimpleNamespace
    threads: int = 1

    @classmethod
    def of(cls, script: str, threads: int, files: dict[str, Any], told: dict[str, Any]) -> Job:
        """From the descriptions that `files_of` and a rule's parameters make."""
        return cls(
            script,
            SimpleNamespace(**{name: _paths(value) for name, value in files["input"].items()}),
            [Path(file) for file in files["output"]],
            SimpleNamespace(**told["params"]),
            SimpleNamespace(**told["wildcards"]),
            threads,
        )

    @property
    def output(self) -> Path:
        """The output of a rule that has one."""
        (one,) = self.outputs
        return one


def files_of(inputs: Any, outputs: Any) -> str:
    """Named inputs and all outputs of Snakemake's job, as JSON."""
    named = {
        name: value if isinstance(value, str) else [str(file) for file in value]
        for name, value in inputs.items()
    }
    return json.dumps({"input": named, "output": [str(file) for file in outputs]})


def _paths(value: str | list[str]) -> Path | list[Path]:
    return Path(value) if isinstance(value, str) else [Path(file) for file in value]
