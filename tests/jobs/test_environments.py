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
        if version:  # an environment marker may follow it
            found[re.sub(r"\[.*\]", "", name).lower().replace("_", "-")] = version.partition(";")[0].strip()
    return found


LOCK = pins((ROOT / "envs" / "lock.txt").read_text().splitlines())


def test_pyproject_agrees_with_the_lock():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    optional = project["optional-dependencies"]
    extras = [pin for name in ("test", "cluster", "explore", "heal") for pin in optional[name]]
    wanted = pins([*project["dependencies"], *extras])
    assert wanted["torch"] == "2.13.0"
    assert {name: LOCK.get(name) for name in wanted} == wanted


@pytest.mark.parametrize("path", sorted((ROOT / "envs").glob("*.yaml")), ids=lambda p: p.name)
def test_conda_environments_agree_with_the_lock(path):
    [pip] = [d["pip"] for d in yaml.safe_load(path.read_text())["dependencies"] if isinstance(d, dict)]
    wanted = pins(pip)
    assert len(wanted) == len(pip)
    assert {name: LOCK.get(name) for name in wanted} == wanted


def python_of(environment):
    [line] = [d for d in environment["dependencies"] if isinstance(d, str) and d.startswith("python=")]
    return line.removeprefix("python=")


@pytest.mark.parametrize("name", ["Dockerfile", "apptainer.def"])
def test_containers_install_the_lock_on_the_same_python(name):
    recipe = (ROOT / "envs" / name).read_text()
    [version] = re.findall(r"^(?:FROM|From:) python:([\d.]+)-slim$", recipe, re.M)
    environments = [yaml.safe_load(p.read_text()) for p in (ROOT / "envs").glob("*.yaml")]
    assert {python_of(environment) for environment in environments} == {version}
    assert re.findall(r"pip install .*", recipe) == [
        "pip install --no-cache-dir -c /goodpart/envs/lock.txt -e /goodpart"
    ]
    assert "bubblewrap" in recipe
    for copied in ("envs/lock.txt", "pyproject.toml", "README.md", "LICENSE", "workflow"):
        assert copied in recipe
        assert (ROOT / copied).exists()


def test_continuous_integration_installs_the_debian_packages_that_the_readme_lists():
    [packages] = re.findall(r"^packages=\((.*)\)$", (ROOT / ".ci" / "run").read_text(), re.M)
    readme = (ROOT / "README.md").read_text()
    assert all(package in readme for package in packages.split())
