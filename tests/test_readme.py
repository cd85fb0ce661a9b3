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


def test_linked_files_exist():
    for target in re.findall(r"\]\((?!http|#)([^)]+)\)", TEXT):
        assert (ROOT / target).exists(), target
