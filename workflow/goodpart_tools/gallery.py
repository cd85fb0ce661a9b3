"""Write the gallery page of the documentation, after a run.

The page has a small copy of each figure, its caption in the report, and the claims of the paper that the
figure bears on, each with its verdict from the comparison with the paper. Nothing on the page is written by
hand.
"""

from __future__ import annotations

import argparse
import csv
import re
from pathlib import Path

from goodpart.errors import GoodpartError
from goodpart.evaluation.paper.verdicts import NOT_COMPARABLE, NOT_EVALUATED
from goodpart.jobs.files import write_text, written
from goodpart.jobs.runtime import logger

# Figure -> its title, and the ids of the paper's claims that it bears on.
FIGURES: dict[str, tuple[str, tuple[str, ...]]] = {
    "figure1": ("Figure 1: retention against FLOPs", ("C03", "C09")),
    "likelihood": ("Likelihood of the reference solutions", ()),
    "figure2": ("Figure 2: how layers are skipped", ()),
    "figure3": ("Figure 3: token-wise similarity by layer", ("C16", "C19")),
    "figure4": ("Figure 4: layer-wise similarity, first tokens decoded", ()),
    "figure5": ("Figure 5: layer-wise similarity, all tokens decoded", ("C16", "C17")),
    "figure6": ("Figure 6: token-wise similarity in four layers", ("C18",)),
    "figure7": ("Figure 7: norms", ("C20", "C21")),
    "figure8": ("Figure 8: which layers are skipped", ("C15", "C23")),
    **{f"figure{n}": (f"Figure {n}: layers {8 * n - 72} to {8 * n - 65}", ("C18",)) for n in range(9, 13)},
    "figure13": ("Figure 13: all layers of LLaDA", ("C22",)),
    "figure14": ("Figure 14: all layers of Dream", ("C18",)),
    "block_similarity": ("All pairs of layers", ()),
    "mask_ratio": ("Layer similarity against mask ratio", ()),
    "quality_latency": ("Quality against latency", ("C24",)),
}
INTRODUCTION = """# Gallery

All figures of the default run (`snakemake --cores 8`), with the claims of the paper that they bear on, and
whether these claims hold in this run. `paper_figs/comparison.md` has all numbers behind the verdicts.
`goodpart gallery` writes this page after a run. **The tiny checkpoints are other models than the paper's**:
their numbers are no evidence for or against the paper's results. A verdict is *unresolved* where an interval
includes its limit: another run may give the other one. *Error unknown* marks one that has no interval.
"""
CERTAINTY = {"yes": "", "no": ", but unresolved", "": " (error unknown)"}  # by `here_resolved`
SHOWN = 4  # comparisons of a claim that the page quotes
VERDICTS = {
    "true": "holds here",
    "partly": "holds here in part",
    "false": "does not hold here",
    "not evaluated": "was not evaluated here",
    "not comparable": "cannot be decided here (unequal skill, or a model at its limit)",
}


def caption(name: str, captions: Path) -> str:
    """A figure's caption in the report, as one line of Markdown."""
    return " ".join((captions / f"{name}.rst").read_text(encoding="utf-8").split())


def sentence(ids: tuple[str, ...], claims: dict[str, dict[str, str]]) -> str:
    """A Markdown list: each claim with its verdict and the first numbers behind it. Empty without claims."""
    lines = []
    for name in ids:
        row = claims[name]
        numbers = re.sub(r"(?<=\d)\.(?=;|$)", "", row["note"]).split("; ")
        more = len(numbers) - SHOWN
        numbers = [*numbers[:SHOWN], f"and {more} more in `comparison.md`"] if more > 1 else numbers
        verdict = VERDICTS[row["here_verdict"]]
        if row["here_verdict"] not in (NOT_EVALUATED, NOT_COMPARABLE):
            verdict += CERTAINTY[row["here_resolved"]]
        lines.append(f"* “{row['what']}” ({name}) **{verdict}**: {'; '.join(numbers)}.\n")
    return "".join(lines)


def section(name: str, title: str, text: str, verdicts: str) -> str:
    """A figure's part of the page, in Markdown."""
    listed = f"\n{verdicts}" if verdicts else ""
    return f"## {title}\n\n![{title}](gallery/{name}.png)\n\n{text}\n{listed}"


def shrink(source: Path, target: Path, width: int, colours: int) -> None:
    """Copy a picture, at most `width` pixels wide, in a palette of `colours`."""
    from PIL import Image

    with Image.open(source) as opened:
        picture = opened.convert("RGB")
    if picture.width > width:
        picture = picture.resize(
            (width, round(picture.height * width / picture.width)), Image.Resampling.LANCZOS
        )
    with written(target) as partial:
        picture.quantize(colours, dither=Image.Dither.NONE).save(partial, format="png", optimize=True)


def main(arguments: argparse.Namespace) -> None:
    """Write gallery.md and the pictures beside it."""
    comparison = arguments.figures / "comparison.csv"
    if not comparison.exists():
        raise GoodpartError(f"{comparison}: no such file; run snakemake first")
    with comparison.open(newline="", encoding="utf-8") as file:
        claims = {row["id"]: row for row in csv.DictReader(file) if row["kind"] == "claim"}
    parts, size = [INTRODUCTION], 0
    for name, (title, ids) in FIGURES.items():
        source = arguments.figures / f"{name}.png"
        if not source.exists():
            logger.warning("%s: does not exist; the page leaves it out", source)
            continue
        target = arguments.output / "gallery" / f"{name}.png"
        shrink(source, target, arguments.width, arguments.colours)
        size += target.stat().st_size
        parts.append(section(name, title, caption(name, arguments.captions), sentence(ids, claims)))
    write_text(arguments.output / "gallery.md", "\n".join(parts))
    logger.info("%d figures, %.2f MB", len(parts) - 1, size / 1e6)


def add_arguments(options: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    options.add_argument(
        "--figures", type=Path, default=Path("paper_figs"), help="folder of the run's figures"
    )
    options.add_argument(
        "--captions", type=Path, default=Path("workflow/report"), help="folder of the report's captions"
    )
    options.add_argument("--output", type=Path, default=Path("docs"), help="folder of the documentation")
    options.add_argument("--width", type=int, default=1100, help="largest width of a picture, in pixels")
    options.add_argument("--colours", type=int, default=256, help="number of colours of a picture")
