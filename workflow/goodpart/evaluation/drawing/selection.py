"""Shared parts of the figures of hidden states: the statistics that they read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from goodpart import paths
from goodpart.errors import GoodpartError
from goodpart.evaluation.drawing import style
from goodpart.jobs.job import Job
from goodpart.jobs.parquet import read_groups, read_table

if TYPE_CHECKING:
    import pandas as pd

PROMPT_KINDS = ("prompt", "masked", "decoded")


@dataclass(frozen=True)
class FigureModel:
    """A model in a figure: its name, label, family, number of layers L and colour.

    `one_pass`: it has no denoising steps, and its states are those of one pass over prompt and completion.
    """

    name: str
    label: str
    family: str
    layers: int
    colour: str
    one_pass: bool


@dataclass(frozen=True)
class FigureData:
    """The statistics behind one figure.

    windows: `limited` and `full`, each with its decoding preset (`decode`) and number of tokens (`tokens`).
    """

    results: Path
    models: list[FigureModel]
    windows: dict[str, dict[str, Any]]
    benchmarks: list[str]

    @classmethod
    def of(cls, chosen: dict[str, Any], results: Path) -> FigureData:
        """From a rule's selection of models, windows and benchmarks, and the results folder."""
        columns = {name: model["paper_column"] for name, model in chosen["models"].items()}
        palette = style.colours(columns)
        models = [
            FigureModel(
                name,
                columns[name] or name,
                model["family"],
                model["layers"],
                palette[name],
                model["one_pass"],
            )
            for name, model in chosen["models"].items()
        ]
        return cls(results, models, chosen["windows"], chosen["benchmarks"])

    def in_order(self, *families: str) -> list[FigureModel]:
        """All models: those of these families, family by family, then those of others."""
        others = dict.fromkeys(model.family for model in self.models if model.family not in families)
        return [model for family in (*families, *others) for model in self.models if model.family == family]

    def window_label(self, window: str) -> str:
        """Title of a window."""
        tokens = self.windows[window]["tokens"]
        return f"All {tokens} tokens decoded" if window == "full" else f"{tokens} tokens decoded"

    def files(self, model: FigureModel, statistic: str, window: str = "full") -> list[Path]:
        """The files of a statistic, one per benchmark."""
        where = {"model": model.name, "decode": self.windows[window]["decode"], "statistic": statistic}
        return [self.results / paths.STATISTICS.format(**where, benchmark=b) for b in self.benchmarks]

    def tables(
        self, model: FigureModel, statistic: str, columns: list[str], window: str = "full"
    ) -> Iterator[pa.Table]:
        """The tables of a statistic, one benchmark after the other."""
        for file in self.files(model, statistic, window):
            yield read_table(file, columns)

    def first_prompt(self, model: FigureModel, statistic: str, window: str = "full") -> pd.DataFrame:
        """Rows of the first prompt of the first benchmark, which is the same for every model."""
        path = self.files(model, statistic, window)[0]
        parts, name = [], None
        for part in read_groups(path):
            name = name or part["prompt_id"][0].as_py()
            if part["prompt_id"][0].as_py() != name:
                break
            parts.append(part)
        if not parts:
            raise GoodpartError(f"{path}: has no prompts; delete it and run again")
        return pa.concat_tables(parts).to_pandas()


def draw_job(job: Job, draw: Callable[[FigureData, list[Path]], None]) -> None:
    """Run a figure's script: `draw(measured, outputs)`, where outputs are PDF, PNG, CSV and note."""
    style.use()
    draw(FigureData.of(job.params.selection, Path(job.params.results)), job.outputs)


def prompt_end(rows: pd.DataFrame) -> int:
    """Number of prompt tokens T_p in one prompt's rows (one row per position and depth)."""
    return int(rows.loc[rows["kind"] == "prompt", "position"].max()) + 1
