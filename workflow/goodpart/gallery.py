"""The gallery page of the documentation: `python -m goodpart.gallery`, after a run.

It copies the pictures of a run, made small, and writes a page with what each shows and what the comparison
with the paper says of it: nothing on the page is written by hand.
"""

from __future__ import annotations

import argparse
import csv
import re
from pathlib import Path

from goodpart.errors import GoodpartError
from goodpart.files import write_text, written
from goodpart.runtime import logger, parser, run

# Figure -> its title, and the claims of the paper that it bears on.
FIGURES: dict[str, tuple[str, tuple[str, ...]]] = {
    "figure1": ("Figure 1: retention against FLOPs", ("C03", "C09")),
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

All figures of the default run (`snakemake --cores 8`, tiny checkpoints), copied from it by `python -m
goodpart.gallery`. Each has what it shows, and what becomes here of the claims of the paper that it bears
on; the numbers behind each verdict, and the cells of all tables, are in `paper_figs/comparison.md`. **The
tiny checkpoints are other models**: where they contradict the paper, it is about them.
"""
VERDICTS = {
    "true": "holds here",
    "partly": "holds here in part",
    "false": "does not hold here",
    "not evaluated": "was not evaluated here",
}


def caption(name: str, captions: Path) -> str:
    """A figure's caption in the report, as one line of Markdown."""
    return " ".join((captions / f"{name}.rst").read_text(encoding="utf-8").split())


def sentence(ids: tuple[str, ...], claims: dict[str, dict[str, str]]) -> str:
    """What the comparison says of some claims."""
    if not ids:
        return "The text makes no claim of its own on it that a number could decide."
    said = []
    for name in ids:
        row = claims[name]
        numbers = re.sub(r"(?<=\d)\.(?=;|$)", "", row["note"])
        said.append(f"“{row['what']}” ({name}) **{VERDICTS[row['here_verdict']]}**: {numbers}.")
    return " ".join(said)


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
            logger.warning("%s: not there, left out", source)
            continue
        target = arguments.output / "gallery" / f"{name}.png"
        shrink(source, target, arguments.width, arguments.colours)
        size += target.stat().st_size
        text = f"{caption(name, arguments.captions)} {sentence(ids, claims)}"
        parts.append(f"## {title}\n\n![{title}](gallery/{name}.png)\n\n{text}\n")
    write_text(arguments.output / "gallery.md", "\n".join(parts))
    logger.info("%d figures, %.2f MB", len(parts) - 1, size / 1e6)


if __name__ == "__main__":
    options = parser(__doc__)
    options.add_argument("--figures", type=Path, default=Path("paper_figs"), help="of the run")
    options.add_argument("--captions", type=Path, default=Path("workflow/report"), help="of the report")
    options.add_argument("--output", type=Path, default=Path("docs"), help="folder of the documentation")
    options.add_argument("--width", type=int, default=1100, help="of a picture, in pixels at most")
    options.add_argument("--colours", type=int, default=256, help="of a picture's palette")
    run(main, options.parse_args())
