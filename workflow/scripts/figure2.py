"""Figure 2: how layers are skipped. Rows are denoising steps, boxes are layers, arrows bypass skipped layers.

The skip set is a real one. Top: without a cache. Bottom: with the prefix cache of a diffusion model (filled
by a pass over the whole canvas at the start of a block), or the key-value cache of an autoregressive model.
The tokens that a pass processes are on its left. The canvas is schematic (at most 24 generated tokens); the
layers and the processed positions are those of the sampler.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from goodpart.evaluation.drawing import style
from goodpart.jobs.job import Job
from goodpart.models.families import autoregressive, blocks_of, family_module, fed_columns
from goodpart.policies.skip_sets import SkipSet, read_skip_set

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PROMPT = 6  # number of prompt tokens that are drawn
CANVAS_WIDTH = 8.5  # width of the canvas, in layers
FED, CACHED, ABSENT = "#56B4E9", "#E8E8E8", "white"
ACTIVE, SKIPPED = "#0072B2", "#D9D9D9"


@dataclass(frozen=True)
class Pass:
    """One forward pass: its step, the drawn tokens that it processes, how many exist, which are masked."""

    step: int
    fed: tuple[int, int]
    tokens: int
    masked: frozenset[int]


def forward_passes(family: str, arguments: dict[str, Any], cached: bool) -> tuple[list[Pass], int]:
    """The passes to draw (two of the first block, two of a later one), and the total number of steps.

    Tokens are numbered from the first token of the prompt, which has `PROMPT` tokens.
    """
    settings = family_module(family).Settings(**arguments)
    total = settings.total_steps
    if autoregressive(family):
        steps = [s for s in (0, 1, 2, 3) if s < total]
        ends = [PROMPT + s for s in steps]
        return [
            Pass(s, (end - 1 if cached and s else 0, end), end, frozenset())
            for s, end in zip(steps, ends, strict=True)
        ], total
    generated = min(settings.max_new_tokens, 24)
    blocks = blocks_of(settings)
    if cached and blocks == 1 and not getattr(settings, "block_length", None):
        # A cache needs blocks. Without any (Dream's default), take quarters of the canvas, or fewer if it is
        # short.
        blocks = min(4, settings.max_new_tokens, total)
    # With more blocks than drawn tokens, show the first blocks with one token each.
    each, width = total // blocks, max(1, generated // blocks)
    chosen = [0, 1, each, each + 1] if blocks > 1 else [0, 1, total // 2, total // 2 + 1]
    passes = []
    for step in sorted({s for s in chosen if s < each * blocks}):
        block, within = divmod(step, each)
        first, end = PROMPT + block * width, PROMPT + (block + 1) * width
        kind = "prefix" if cached else "none"
        fed = fed_columns(kind, within == 0, first, end, PROMPT + generated)
        done = first + within * width // each
        passes.append(Pass(step, fed, PROMPT + generated, frozenset(range(done, PROMPT + generated))))
    return passes, total


def draw_canvas(axis: Axes, at: Pass, y: float, tokens: int) -> None:
    """Draw the tokens of one pass, processed or read from the cache; a dot marks a masked token."""
    from matplotlib.patches import Rectangle

    width = CANVAS_WIDTH / tokens
    for token in range(at.tokens):
        fed = at.fed[0] <= token < at.fed[1]
        axis.add_patch(
            Rectangle(
                (-CANVAS_WIDTH - 1.6 + token * width, y - 0.3),
                *(width, 0.6),
                facecolor=FED if fed else CACHED,
                edgecolor="white",
                lw=0.4,
            )
        )
        if token in at.masked:
            axis.plot(-CANVAS_WIDTH - 1.6 + (token + 0.5) * width, y, ".", color="0.15", ms=1.3)
    axis.plot([-CANVAS_WIDTH - 1.6 + PROMPT * width] * 2, [y - 0.42, y + 0.42], color="0.3", lw=0.6)


def draw_layers(axis: Axes, skipped: list[int], layers: int, y: float) -> None:
    """Draw a box for each layer, and arrows of the hidden state past skipped layers."""
    from matplotlib.patches import FancyArrowPatch, Rectangle

    for layer in range(layers):
        gone = layer in skipped
        style_of = (
            {"facecolor": SKIPPED, "edgecolor": "0.55", "ls": (0, (2, 1.5))}
            if gone
            else {"facecolor": ACTIVE}
        )
        axis.add_patch(Rectangle((layer + 0.14, y - 0.3), 0.72, 0.6, lw=0.5, **style_of))
    active = [-1, *(layer for layer in range(layers) if layer not in skipped), layers]
    for before, after in pairwise(active):
        start, end = before + 0.86, after + 0.14
        near = after == before + 1
        axis.add_patch(
            FancyArrowPatch(
                *((start, y if near else y + 0.3), (end, y if near else y + 0.3)),
                connectionstyle="arc3" if near else f"arc3,rad={-0.35 / (after - before - 1):.2f}",
                arrowstyle="-" if near else "-|>,head_length=1.6,head_width=0.9",
                color="0.35" if near else "#D55E00",
                lw=0.5 if near else 0.8,
                shrinkA=0,
                shrinkB=0,
            )
        )


def draw(axis: Axes, passes: list[Pass], skip_set: SkipSet, layers: int, total: int, title: str) -> None:
    """Draw one panel, with one row per pass."""
    skip_at = skip_set.skip_at(total)
    for row, at in enumerate(passes):
        y = -row - (0.55 if at.step > row else 0)
        draw_canvas(axis, at, y, max(p.tokens for p in passes))
        axis.text(-CANVAS_WIDTH - 2.1, y, f"step {at.step}", ha="right", va="center", fontsize=6.5)
        axis.annotate("", (-0.25, y), (-1.35, y), arrowprops={"arrowstyle": "->", "lw": 0.6, "color": "0.35"})
        draw_layers(axis, skip_at(at.step) if skip_at else skip_set.of_item("", ""), layers, y)
    gap = next((row for row, at in enumerate(passes) if at.step > row), None)
    if gap:
        axis.text(-CANVAS_WIDTH / 2 - 1.6, -gap + 0.22, "$\\cdots$", ha="center", va="center", fontsize=8)
    axis.set_title(title, loc="left", fontsize=7.5, pad=3)
    axis.set_xlim(-CANVAS_WIDTH - 5.2, layers + 0.6)
    axis.set_ylim(-len(passes) - 0.1, 0.75)
    axis.axis("off")


def main(job: Job) -> None:
    """Draw the two panels, and write what each pass processes and skips."""
    skip_set = read_skip_set(job.input.skip_set, job.params.layers)
    settings = job.params.settings
    style.use()
    import matplotlib.pyplot as plt
    from matplotlib.patches import Patch

    figure, axes = plt.subplots(2, 1, figsize=(style.WIDE, 3.1))
    name = "key-value cache" if autoregressive(job.params.family) else "prefix cache"
    known = autoregressive(job.params.family) or hasattr(family_module(job.params.family).Settings, "cache")
    with_cache = f"with the {name}" if known else f"with a {name}, which its sampler does not have"
    rows = []
    for axis, cached in zip(axes, (False, True), strict=True):
        passes, total = forward_passes(job.params.family, settings, cached)
        draw(
            axis,
            passes,
            skip_set,
            job.params.layers,
            total,
            f"{job.params.name}: " + (with_cache if cached else "without a cache"),
        )
        skip_at = skip_set.skip_at(total)
        for at in passes:
            skipped = skip_at(at.step) if skip_at else skip_set.of_item("", "")
            rows.append(
                [
                    *(name if cached else "none", at.step, at.fed[1] - at.fed[0], at.tokens),
                    *(len(at.masked), " ".join(map(str, skipped))),
                ]
            )
    bottom, width = axes[1].get_ylim()[0] - 0.02, CANVAS_WIDTH / max(at.tokens for at in passes)
    small = {"ha": "center", "va": "top", "fontsize": 6.5}
    for layer in range(0, job.params.layers, 4):
        axes[1].text(layer + 0.5, bottom, str(layer), **small)
    axes[1].text(job.params.layers / 2, bottom - 0.65, "Layer", **small)
    left = -CANVAS_WIDTH - 1.6
    axes[1].text(left + PROMPT / 2 * width, bottom, "prompt", **small)
    axes[1].text(left + (CANVAS_WIDTH + PROMPT * width) / 2, bottom, "generated", **small)
    patches = [
        Patch(facecolor=FED, label="fed to the pass"),
        Patch(facecolor=CACHED, label="read from the cache"),
        plt.Line2D([], [], color="0.15", marker=".", ms=3, ls="", label="masked token"),
        Patch(facecolor=ACTIVE, label="active layer"),
        Patch(facecolor=SKIPPED, edgecolor="0.55", ls="--", lw=0.5, label="skipped layer"),
        plt.Line2D([], [], color="#D55E00", lw=1, label="h passed on"),
    ]
    figure.subplots_adjust(left=0, right=1, top=0.93, bottom=0.06, hspace=0.12)
    figure.legend(handles=patches, loc="lower center", bbox_to_anchor=(0.5, 0.99), ncols=6, columnspacing=1.2,
                  handlelength=1.2, fontsize=7)  # fmt: skip
    header = ["cache", "step", "tokens_fed", "tokens", "masked", "layers_skipped"]
    style.save(figure, job.outputs, header, rows)
    plt.close(figure)
