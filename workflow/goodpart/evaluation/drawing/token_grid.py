"""Figures 6 and 9 to 14: cosine of consecutive tokens along prompt and completion, one panel per layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from goodpart.evaluation.drawing import style
from goodpart.evaluation.drawing.selection import FigureData, FigureModel, prompt_end

if TYPE_CHECKING:
    from matplotlib.axes import Axes

HEADER = ["model", "label", "window", "step", "layer", "position", "kind", "cosine"]
NOTE = """
# {figure}

Cosine of consecutive tokens' states after a layer, against the token's position. All models have the same
prompt, the first calibration prompt of `{benchmark}` (`{prompt}`). The dotted line is the end of the prompt.

The paper's caption does not name the denoising step. This figure shows the last captured step of diffusion
models, and the single pass over prompt and completion of autoregressive models. {more}
"""
BLANK = "A panel is empty if the model has no such layer."


@dataclass(frozen=True)
class Curves:
    """Token-wise cosines of one model, prompt and step: `cosine` [L, T - 1], and the length of the prompt."""

    model: FigureModel
    window: str
    prompt_id: str
    step: int
    cosine: NDArray[np.float32]
    kinds: list[str]
    prompt: int

    @classmethod
    def of(cls, measured: FigureData, model: FigureModel, window: str) -> Curves:
        """The first prompt at its last captured step."""
        table = measured.first_prompt(model, "tokens", window)
        table = table[(table["step"] == table["step"].max()) & (table["depth"] > 0)]
        cosine = table.pivot(index="depth", columns="position", values="cosine").to_numpy()
        kinds = table.loc[table["depth"] == 1, "kind"].tolist()
        # The pair across the end of the prompt starts with the last prompt token.
        end = prompt_end(table) + 1
        return cls(model, window, table["prompt_id"].iloc[0], int(table["step"].iloc[0]), cosine, kinds, end)

    def rows(self, layers: Sequence[int]) -> list[list[Any]]:
        """Rows of HEADER for some layers."""
        return [
            [self.model.name, self.model.label, self.window, self.step, layer, position, kind, f"{value:.6f}"]
            for layer in layers
            if layer < len(self.cosine)
            for position, (kind, value) in enumerate(zip(self.kinds, self.cosine[layer], strict=True))
        ]


def limits(curves: Sequence[Curves]) -> tuple[float, float]:
    """One scale for all panels: from the lowest value, rounded down to a tenth, to 1."""
    return float(np.floor(10 * min(c.cosine.min() for c in curves)) / 10), 1.02


def panel(axis: Axes, curves: Sequence[Curves], layer: int, scale: tuple[float, float]) -> bool:
    """Draw one layer of some models. If none has this layer, return False and leave the panel empty."""
    from matplotlib.ticker import MultipleLocator

    there = [c for c in curves if layer < len(c.cosine)]
    if not there:
        axis.axis("off")
        return False
    longest = max(c.cosine.shape[1] for c in curves)
    for c in there:
        axis.axvline(c.prompt - 1, color="0.55", lw=0.7, ls=":")
        width = 0.8 if longest < 150 else 0.45
        axis.plot(c.cosine[layer], color=c.model.colour, lw=width, label=c.model.label)
    axis.set_ylim(*scale)
    axis.yaxis.set_major_locator(MultipleLocator(0.5))
    axis.set_xlim(0, longest - 1)
    axis.tick_params(labelsize=style.SMALL, pad=1, length=2)
    return True


def share_ticks(axes: NDArray) -> None:
    """Show tick labels only at the left edge and below the lowest drawn panel of each column."""
    for (row, column), axis in np.ndenumerate(axes):
        if column and any(a.axison for a in axes[row, :column]):
            axis.tick_params(labelleft=False)
        if any(a.axison for a in axes[row + 1 :, column]):
            axis.tick_params(labelbottom=False)


def draw_blocks(
    measured: FigureData,
    figure_name: str,
    layers: Sequence[int],
    windows: Sequence[str],
    outputs: list[Path],
    more: str = "",
) -> None:
    """Draw layers (rows) by models (columns: LLaDA, Dream, Qwen); one grid per window, side by side."""
    import matplotlib.pyplot as plt

    models = measured.in_order("llada", "dream", "qwen2")
    found = {w: [Curves.of(measured, model, w) for model in models] for w in windows}
    scale = limits([curves for every in found.values() for curves in every])
    figure = plt.figure(figsize=(style.WIDE, 0.5 + 0.85 * len(layers)), layout="constrained")
    blocks = figure.subfigures(1, len(windows), squeeze=False)[0]
    rows: list[list[Any]] = []
    for block, (window, every) in zip(blocks, found.items(), strict=True):
        axes = block.subplots(len(layers), len(models), squeeze=False)
        for line, layer in zip(axes, layers, strict=True):
            drawn = [panel(axis, [c], layer, scale) for axis, c in zip(line, every, strict=True)]
            if any(drawn):
                first = line[drawn.index(True)]
                first.set_ylabel(f"Layer {layer}", fontsize=style.SMALL)
        for axis, model in zip(axes[0], models, strict=True):
            axis.set_title(model.label, fontsize=style.SMALL, pad=3)
        share_ticks(axes)
        block.suptitle(measured.window_label(window), fontsize=8)
        block.supxlabel("Token position", fontsize=7)
        rows += [row for curves in every for row in curves.rows(layers)]
    blocks[0].supylabel("Cosine of consecutive tokens", fontsize=7)
    _save(figure, measured, figure_name, outputs, rows, found[windows[0]][0], f"{BLANK} {more}")


def draw_layers(measured: FigureData, figure_name: str, family: str, outputs: list[Path]) -> None:
    """Draw one panel per layer for the models of one family, on a common scale of LLaDA and Dream."""
    import matplotlib.pyplot as plt

    both = [Curves.of(measured, model, "full") for model in measured.in_order("llada", "dream")]
    chosen = [curves for curves in both if curves.model.family == family]
    total = max(curves.model.layers for curves in chosen)
    columns = 4 if total > 8 else 2
    lines = -(-total // columns)
    figure, axes = plt.subplots(
        lines, columns, figsize=(style.WIDE, 0.6 + 0.85 * lines), squeeze=False, layout="constrained"
    )
    scale = limits(both)
    for layer, axis in enumerate(axes.flat):
        if panel(axis, chosen, layer, scale):
            axis.set_title(f"Layer {layer}", fontsize=style.SMALL, pad=2)
    share_ticks(axes)
    figure.supxlabel("Token position", fontsize=7)
    figure.supylabel("Cosine of consecutive tokens", fontsize=7)
    lines_, names = axes[0, 0].get_legend_handles_labels()
    figure.legend(lines_, names, loc="outside upper center", ncols=len(names))
    rows = [row for curves in chosen for row in curves.rows(range(total))]
    more = f"{measured.window_label('full')}. Figures 13 and 14 share one scale."
    _save(figure, measured, figure_name, outputs, rows, chosen[0], more)


def _save(
    figure: Any,
    measured: FigureData,
    name: str,
    outputs: list[Path],
    rows: list[list[Any]],
    first: Curves,
    more: str,
) -> None:
    import matplotlib.pyplot as plt

    facts = {"figure": name, "benchmark": measured.benchmarks[0], "prompt": first.prompt_id, "more": more}
    style.save(figure, outputs, HEADER, rows, NOTE.format(**facts))
    plt.close(figure)
