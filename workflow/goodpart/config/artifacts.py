"""Which files of results/ and paper_figs/ belong to what, and which files a job reads."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from goodpart import paths
from goodpart.config.benchmarks import worked_examples
from goodpart.config.cells import Study, policy_benchmarks, studies
from goodpart.config.configuration import Configuration
from goodpart.config.policies import phase_mistakes
from goodpart.errors import GoodpartError
from goodpart.jobs import downloads
from goodpart.models.checkpoints.files import files_read
from goodpart.policies import policy_module


class Artifacts:
    """Paths of a configuration's artifacts, under its folders of results and figures."""

    def __init__(self, configuration: Configuration) -> None:
        self.configuration = configuration
        self.results = str(configuration.paths.results)
        self.figures = str(configuration.paths.figures)

    @cached_property
    def studies(self) -> dict[str, Study]:
        """Every study, by the name of its table."""
        return studies(self.configuration)

    def result(self, pattern: str, **values: Any) -> str:
        """A path of results/: the grammar's pattern with some of its wildcards filled in."""
        for name, value in values.items():
            pattern = pattern.replace(f"{{{name}}}", str(value))
        return f"{self.results}/{pattern}"

    @cached_property
    def notes(self) -> str:
        """Where logs go: beside the results, or beside the figures where the results are read-only."""
        results = Path(self.results)
        return self.figures if results.exists() and not os.access(results, os.W_OK) else self.results

    def page(self, name: str) -> str:
        """The page of the report that shows a table.

        It lies beside the table: an output in another folder would have no record where only that folder is
        new, and Snakemake would not see that the table itself is of another run.
        """
        return f"{self.figures}/{paths.PAGE.format(page=name)}"

    def figure(self, name: str, suffixes: Sequence[str]) -> list[str]:
        """The files of one figure or table."""
        return [f"{self.figures}/{name}.{suffix}" for suffix in suffixes]

    def download(self, kind: str, entry: Any) -> str:
        """The record of what an entry with `hub` has on the hub, once it is downloaded."""
        folder = downloads.place(kind, entry["hub"], entry.get("revision"))
        return f"{self.configuration.downloads.folder}/{folder}/{downloads.MANIFEST}"

    def checkpoint(self, model: str) -> list[str]:
        """Files of a local checkpoint that loading reads; the record of its download for one of the hub."""
        entry = self.configuration.models[model]
        if entry.path is None:
            return [self.download("model", {"hub": entry.hub, "revision": entry.revision})]
        return [str(file) for file in files_read(Path(entry.path))]

    def sources(self, benchmark: str, split: str) -> list[str]:
        """Local files, or records of downloads, of a benchmark's split and of its prompts' examples."""
        examples = worked_examples(self.configuration, benchmark) or {}
        own = self.configuration.benchmarks[benchmark].source(split)
        read = [own.plain() if own else None, examples.get("source")]
        return sorted({s.get("path") or self.download("dataset", s) for s in read if s})

    def skip_set(self, model: str, policy: str, k: int | str) -> str:
        """The file of one skip set: JSON, or Parquet where it differs by prompt or by phase."""
        varies = self.configuration.policies[policy].varies
        return self.result(paths.SKIP_SETS if varies else paths.SKIP_SET, model=model, policy=policy, k=k)

    def healed(self, model: str, policy: str, k: int | str) -> str | list[str]:
        """The healed checkpoint that a cell decodes with; none for a policy that does not heal."""
        entry = self.configuration.policies.get(policy)
        return self.result(paths.HEALED, model=model, policy=policy, k=k) if entry and entry.heal else []

    def generations(self, benchmark: str, **where: Any) -> list[str]:
        """The shards of one benchmark's completions; wildcards that `where` does not name stay open."""
        return [
            self.result(paths.GENERATIONS, benchmark=benchmark, first=first, last=last, **where)
            for first, last in self.configuration.shards(benchmark)
        ]

    def full_depth(self, where: dict[str, str]) -> str | list[str]:
        """Full depth's shard of the same items, to measure the KL on; none where it is not measured."""
        if (
            where["policy"] == paths.FULL_DEPTH
            or int(where["first"]) >= self.configuration.generation.kl_items
        ):
            return []
        return self.result(paths.GENERATIONS, **{**where, "policy": paths.FULL_DEPTH, "k": "0"})

    def of_study(self, study: Study) -> dict[str, list[str]]:
        """Scores, generations, skip sets and likelihoods of a study's cells, by the name of the input."""
        names = ("scores", "generations", "skip_sets", "likelihoods")
        found: dict[str, list[str]] = {name: [] for name in names}
        for model, benchmark, policy, k in study.cells:
            where = {"model": model, "decode": study.decode, "policy": policy, "k": k}
            found["scores"].append(self.result(paths.SCORES, benchmark=benchmark, **where))
            found["generations"] += self.generations(benchmark, **where)
            if k:
                found["skip_sets"].append(self.skip_set(model, policy, k))
            if self.configuration.generation.likelihood_items:
                place = {"table": study.table, "model": model, "benchmark": benchmark}
                found["likelihoods"].append(self.result(paths.LIKELIHOODS, **place))
        return {name: list(dict.fromkeys(files)) for name, files in found.items()}

    def basis(self, model: str, policy: str, k: str) -> list[str]:
        """The files that a policy chooses a skip set from. Raises GoodpartError where it cannot have them."""
        configuration = self.configuration
        entry = configuration.policies[policy]
        needs = policy_module(entry.kind).NEEDS
        if needs == "layers":
            return []
        if needs == "file":
            return [str(entry.path).format(model=model, k=k)]
        if needs == "divergence":
            return [self.result(paths.SEARCH, model=model, policy=policy)]
        if mistakes := list(phase_mistakes(configuration, policy, model)):
            raise GoodpartError("\n".join(mistakes))
        benchmarks = configuration.calibration_benchmarks
        if entry.mode == "per_prompt":
            pattern, benchmarks = paths.PROMPT_SIMILARITIES, policy_benchmarks(configuration, policy)
        elif needs == "phases":
            pattern = paths.STATISTICS.replace("{statistic}", "layers")
        else:
            pattern = paths.ANGLES if needs == "angles" else paths.CALIBRATION
        where = {"model": model, "decode": configuration.run.decode}
        return [self.result(pattern, benchmark=b, **where) for b in benchmarks]
