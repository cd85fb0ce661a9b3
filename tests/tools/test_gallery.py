"""The gallery and the report's pages: made from what a run has drawn, nothing by hand."""

import csv
from argparse import Namespace

import numpy as np
import pytest
import yaml
from PIL import Image

from conftest import ROOT
from goodpart.errors import GoodpartError
from goodpart.evaluation.pages import page
from goodpart.evaluation.paper.claims import PREDICATES
from goodpart.evaluation.paper.side_by_side import FIELDS
from goodpart_tools import gallery
from scripts.run_page import markdown

REPORT = ROOT / "workflow" / "report"


def options(tmp_path):
    return Namespace(
        figures=tmp_path / "figs", captions=REPORT, output=tmp_path / "docs", width=300, colours=16
    )


def drawn(tmp_path):
    """Two pictures and a comparison."""
    folder = tmp_path / "figs"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name in ("figure3", "figure7"):
        pixels = rng.integers(0, 255, (200, 900, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{name}.png")
    with (folder / "comparison.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, FIELDS)
        writer.writeheader()
        for name in PREDICATES:
            verdict = "partly" if name == "C20" else "false"
            resolved = {"C19": "no", "C20": ""}.get(name, "yes")
            writer.writerow({"kind": "claim", "id": name, "what": f"claim {name}", "here_verdict": verdict,
                             "here_resolved": resolved, "note": f"{name}: 0.91 > 0.95"})  # fmt: skip


def test_the_gallery_shows_what_was_drawn_and_what_became_of_the_claims(tmp_path):
    drawn(tmp_path)
    gallery.main(options(tmp_path))
    text = (tmp_path / "docs" / "gallery.md").read_text()
    assert text.count("![") == 2
    assert "(gallery/figure3.png)" in text
    assert "“claim C16” (C16) **does not hold here**: C16: 0.91 > 0.95." in text
    assert "(C20) **holds here in part (error unknown)**" in text
    assert "(C19) **does not hold here, but unresolved**" in text
    with Image.open(tmp_path / "docs" / "gallery" / "figure7.png") as picture:
        assert picture.size == (300, 67)


def test_a_gallery_needs_a_run(tmp_path):
    (tmp_path / "figs").mkdir()
    with pytest.raises(GoodpartError, match=r"comparison\.csv: no such file; run snakemake first"):
        gallery.main(options(tmp_path))


def test_every_figure_of_the_gallery_has_a_caption_without_templates_and_known_claims():
    for name, (_, claims) in gallery.FIGURES.items():
        assert len(gallery.caption(name, REPORT)) > 40
        assert "{{" not in gallery.caption(name, REPORT)
        assert set(claims) <= set(PREDICATES)


def test_the_gallery_in_the_documentation_is_whole_and_small():
    text = (ROOT / "docs" / "gallery.md").read_text()
    pictures = sorted((ROOT / "docs" / "gallery").glob("*.png"))
    assert {file.stem for file in pictures} == set(gallery.FIGURES)
    assert all(f"(gallery/{file.name})" in text for file in pictures)
    assert sum(file.stat().st_size for file in pictures) < 3e6


def test_a_page_shows_tables_and_runs_nothing():
    made = page("t", "# Title\n\n| a | b |\n| --- | --- |\n| 1 | <script>alert(1)</script> |\n")
    assert "<td>1</td>" in made
    assert "<script" not in made
    assert "&lt;script&gt;" in made


def test_the_page_of_the_run_has_versions_and_a_configuration_that_can_be_read_back():
    config = {"run": {"models": ["a"]}, "seed": 3}
    text = markdown({"versions": {"pyarrow": "26.0.1"}, "host": "h", "keys": ["x"]}, config)
    assert "| pyarrow | 26.0.1 |" in text
    assert "| host | h |" in text
    assert yaml.safe_load(text.split("```yaml\n")[1].split("```")[0]) == config
