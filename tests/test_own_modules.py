"""Mistakes in a benchmark or policy of one's own are named by file and function, without a traceback."""

import copy
import json
import re
import sys

import pytest

import goodpart.benchmarks
import goodpart.policies
from conftest import ROOT
from goodpart.benchmarks.guard import Guarded
from goodpart.config import check, plugins
from goodpart.errors import GoodpartError
from test_config import CONFIG, message

BENCHMARK = """
from goodpart.benchmarks import Verdict

FIELDS = ("question",)
SANDBOX = False


def item_id(row, split, index):
    return f"own-{index}"


def prompt(row, style, examples=()):
    return row["question"]


def reference(row):
    return {"answer": "1"}


def score(reference, completion, sandbox):
    return Verdict(True, "1", "")
"""
POLICY = """
NEEDS = "layers"
SETTINGS = {}


def choose(layers, k, settings):
    return None
"""


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write a module into a folder that the package also looks into."""
    (tmp_path / "modules").mkdir()
    for package in (goodpart.benchmarks, goodpart.policies):
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path / "modules")])
    before = set(sys.modules)
    plugins._mistake.cache_clear()

    def write(name, text):
        (tmp_path / "modules" / f"{name}.py").write_text(text)
        return name

    yield write
    plugins._mistake.cache_clear()
    for name in set(sys.modules) - before:
        if name.rpartition(".")[2].startswith("own"):
            del sys.modules[name]


def with_benchmark(kind):
    config = copy.deepcopy(CONFIG)
    config["benchmarks"]["mine"] = {**config["benchmarks"]["tiny-gsm8k"], "kind": kind, "label": "Mine"}
    config["run"]["benchmarks"] = ["mine"]
    return config


def test_a_benchmark_of_ones_own_is_valid(write):
    check(with_benchmark(write("own_right", BENCHMARK)), ROOT)


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("own_a", "def score", "def scores", "has no score; add what goodpart/benchmarks/__init__"),
        ("own_b", "SANDBOX = False", "", "has no SANDBOX; add"),
        ("own_c", '("question",)', '"question"', "FIELDS is 'question'; make it"),
        ("own_d", "SANDBOX = False", "SANDBOX = 'no'", "SANDBOX is 'no'; make it"),
        ("own_e", "SANDBOX = False", "1 / 0", "cannot be imported (ZeroDivisionError: division by zero)"),
        ("own_f", "SANDBOX = False", "SANDBOX = (", "cannot be imported (SyntaxError: "),
        ("own_g", "SANDBOX = False", "import no_such_module", "cannot be imported (ModuleNotFoundError: "),
        ("own_h", BENCHMARK, "", "there is no goodpart/benchmarks/own_h.py with FIELDS, SANDBOX"),
    ],
)  # fmt: skip
def test_a_benchmark_module_that_cannot_be_used(write, name, old, new, said):
    write(name, BENCHMARK.replace(old, new))
    lines = message(with_benchmark(name)).splitlines()
    assert any(line.startswith("  benchmarks.mine.kind: ") and said in line for line in lines), lines


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("own_i", "NEEDS", "NEED", "has no NEEDS; add what goodpart/policies/__init__.py describes"),
        ("own_j", '"layers"', '"layer"', "NEEDS is 'layer'; make it"),
        ("own_k", "{}", "[]", "SETTINGS is []; make it"),
        ("own_l", "SETTINGS", "import nowhere\nSETTINGS", "cannot be imported (ModuleNotFoundError"),
    ],
)
def test_a_policy_module_that_cannot_be_used(write, name, old, new, said):
    write(name, POLICY.replace(old, new))
    config = copy.deepcopy(CONFIG)
    config["policies"]["mine"] = {"kind": name}
    config["run"]["policies"] = ["mine"]
    assert re.search(rf"^  policies\.mine\.kind: .*{re.escape(said)}", message(config), re.M)


CALLS = {
    "item_id": ({"question": "?"}, "evaluation", 0),
    "prompt": ({"question": "?"}, "bare"),
    "score": ({"answer": "1"}, "1", None),
}


@pytest.mark.parametrize("function", CALLS)
def test_a_function_that_raises_or_returns_a_wrong_type(write, function):
    head = re.search(rf"def {function}\(.*\n", BENCHMARK)[0]
    raising = Guarded(write(f"own_raises_{function}", BENCHMARK.replace(head, head + "    1 / 0\n")))
    said = rf"own_raises_{function}\.py: {function} raised ZeroDivisionError: .* \(line \d+\)"
    with pytest.raises(GoodpartError, match=said):
        getattr(raising, function)(*CALLS[function])
    wrong = Guarded(write(f"own_wrong_{function}", BENCHMARK.replace(head, head + "    return True\n")))
    with pytest.raises(GoodpartError, match=rf"{function} returned True for .*; return a (str|Verdict)"):
        getattr(wrong, function)(*CALLS[function])
    right = Guarded(write(f"own_right_{function}", BENCHMARK))
    getattr(right, function)(*CALLS[function])


def test_a_reference_that_json_does_not_have(write):
    text = BENCHMARK.replace('{"answer": "1"}', '{"answer": {1, 2}}')
    with pytest.raises(GoodpartError, match=r"reference returned .* return values that JSON has"):
        Guarded(write("own_reference", text)).reference({"question": "?"})
    assert json.dumps(Guarded(write("own_other", BENCHMARK)).reference({}))
