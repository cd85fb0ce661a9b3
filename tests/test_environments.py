"""pyproject.toml, the conda environments and the lock name the same versions."""

import re
import tomllib

import pytest
import yaml

from conftest import ROOT


def pins(lines):
    found = {}
    for line in lines:
        name, _, version = line.partition("==")
        if version:
            found[re.sub(r"\[.*\]", "", name).lower().replace("_", "-")] = version.strip()
    return found


LOCK = pins((ROOT / "envs" / "lock.txt").read_text().splitlines())


def test_pyproject_agrees_with_the_lock():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = pins([*project["dependencies"], *project["optional-dependencies"]["test"]])
    assert wanted["torch"] == "2.13.0"
    assert {name: LOCK.get(name) for name in wanted} == wanted


@pytest.mark.parametrize("path", sorted((ROOT / "envs").glob("*.yaml")), ids=lambda p: p.name)
def test_conda_environments_agree_with_the_lock(path):
    [pip] = [d["pip"] for d in yaml.safe_load(path.read_text())["dependencies"] if isinstance(d, dict)]
    wanted = pins(pip)
    assert len(wanted) == len(pip)
    assert {name: LOCK.get(name) for name in wanted} == wanted
