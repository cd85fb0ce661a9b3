"""What README.md shows works as it stands."""

import re
import subprocess

from conftest import ROOT

TEXT = (ROOT / "README.md").read_text()


def test_the_python_example_runs(monkeypatch, capsys):
    [code] = [b for b in re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL) if "skipping" in b]
    monkeypatch.chdir(ROOT)
    exec(code, {})
    assert capsys.readouterr().out.strip()


def test_the_two_commands_are_the_only_bash_blocks():
    """.ci/run takes them from there."""
    blocks = re.findall(r"```bash\n(.*?)```", TEXT, re.DOTALL)
    assert len(blocks) == 2
    assert all(len(block.strip().splitlines()) == 1 for block in blocks)
    assert "snakemake --cores 8 paper_figs/table1.csv" in blocks[0]
    for block in blocks:
        subprocess.run(["bash", "-n", "-c", block], check=True)


def test_the_first_screen_has_a_picture_and_the_page_is_short():
    """Pictures are small enough for the page to load at once."""
    pictures = [ROOT / name for name in re.findall(r"!\[[^\]]+\]\(([^)]+)\)", TEXT)]
    assert len(pictures) >= 3
    assert all(picture.stat().st_size < 200_000 for picture in pictures)
    assert TEXT.index("![") < TEXT.index("```bash")
    assert len(TEXT.splitlines()) <= 150
