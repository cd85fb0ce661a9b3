"""Mistakes in a benchmark or policy of one's own are named by file and function, without a traceback."""

import copy
import json
import re
import sys

import pytest
import torch
from test_config import CONFIG, message

import goodpart.benchmarks
import goodpart.policies
from conftest import ROOT, described
from goodpart.benchmarks import items, scoring
from goodpart.benchmarks.guard import Guarded
from goodpart.config import check, plugins
from goodpart.errors import GoodpartError
from goodpart.jobs.runtime import run
from goodpart.policies.guard import chooser
from scripts import skip_set

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
# The same in two files: items and prompts, and the scorer.
HEAD, SCORE = BENCHMARK.split("def score")
HALVES = (
    HEAD.replace("SANDBOX = False\n", ""),
    f"{HEAD.split('FIELDS')[0]}\nSANDBOX = False\n\n\ndef score{SCORE}",
)
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


def guarded(kind):
    return Guarded(goodpart.benchmarks.benchmark_module(kind), {**items.RESULTS, **scoring.RESULTS})


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
    ("name", "items", "scorer", "said"),
    [
        ("own_two", HALVES[0], HALVES[1], None),
        (
            "own_two_b",
            HALVES[0],
            HALVES[1].replace("def score", "def scores"),
            "scoring/own_two_b.py has no score;",
        ),
        (
            "own_two_c",
            HALVES[0],
            "import nowhere",
            "scoring/own_two_c.py cannot be imported (ModuleNotFoundError",
        ),
        (
            "own_two_d",
            BENCHMARK,
            HALVES[1],
            "own_two_d.py has SANDBOX, score, and there is a module of scoring",
        ),
        ("own_two_e", "", HALVES[1], "there is no goodpart/benchmarks/own_two_e.py with FIELDS, item_id"),
    ],
)
def test_a_benchmark_in_two_files(write, tmp_path, monkeypatch, name, items, scorer, said):
    folder = tmp_path / "scoring"
    folder.mkdir()
    monkeypatch.setattr(scoring, "__path__", [*scoring.__path__, str(folder)])
    (folder / f"{name}.py").write_text(scorer)
    write(name, items)
    mistake = plugins.benchmark_mistake(name)
    assert mistake is None if said is None else said in mistake
    if said is None:
        [module, scorer] = goodpart.benchmarks.benchmark_module(name), goodpart.benchmarks.scorer_module(name)
        assert scoring.judge(scorer, module.reference({}), "1", "bare", None).correct
        assert not hasattr(module, "score")


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
    raising = guarded(write(f"own_raises_{function}", BENCHMARK.replace(head, head + "    1 / 0\n")))
    said = rf"own_raises_{function}\.py: {function} raised ZeroDivisionError: .* \(line \d+\)"
    with pytest.raises(GoodpartError, match=said):
        getattr(raising, function)(*CALLS[function])
    wrong = guarded(write(f"own_wrong_{function}", BENCHMARK.replace(head, head + "    return True\n")))
    with pytest.raises(GoodpartError, match=rf"{function} returned True for .*; return a (str|Verdict)"):
        getattr(wrong, function)(*CALLS[function])
    right = guarded(write(f"own_right_{function}", BENCHMARK))
    getattr(right, function)(*CALLS[function])


def test_a_reference_that_json_does_not_have(write):
    text = BENCHMARK.replace('{"answer": "1"}', '{"answer": {1, 2}}')
    with pytest.raises(GoodpartError, match=r"reference returned .* return values that JSON has"):
        guarded(write("own_reference", text)).reference({"question": "?"})
    assert json.dumps(guarded(write("own_other", BENCHMARK)).reference({}))


CHOICE = "from goodpart.policies import Choice\n" + POLICY
NEEDED = {
    "layers": ("{}", 6),
    "similarities": ('{"positions": "prompt"}', [0.9] * 6),
    "phases": ('{"positions": "all", "phases": 2}', [[0.9] * 6] * 2),
    "angles": ('{"positions": "last"}', [[0.1] * 7] * 7),
    "divergence": ('{"steps": "first"}', None),
}


def module_name(request):
    return "own_" + re.sub(r"\W+", "_", request.node.name)


def own_policy(write, needs, body, name):
    text = CHOICE.replace('"layers"', repr(needs)).replace("{}", NEEDED[needs][0])
    kind = write(name, text.replace("return None", body))
    assert plugins.policy_mistake(kind) is None
    return chooser(kind, 6)


@pytest.mark.parametrize("needs", NEEDED)
@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("1 / 0", r"choose raised ZeroDivisionError: division by zero \(line \d+\) for k = 2; correct"),
        ("settings['rank']", r"choose raised KeyError: 'rank' \(line \d+\)"),
        ("return None", "choose returned None for k = 2; return "),
        ("return [1, 3]", r"choose returned \[1, 3\] for k = 2; return "),
        ("return {1: 3}", "choose returned {1: 3} for k = 2; return "),
    ],
)
def test_a_policy_that_raises_or_returns_something_else(write, needs, body, said, request):
    choose = own_policy(write, needs, body, module_name(request))
    with pytest.raises(GoodpartError, match=rf"goodpart/policies/own_\w+\.py: {said}") as caught:
        choose(NEEDED[needs][1], 2, {})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("needs", ["similarities", "phases"])
@pytest.mark.parametrize(
    ("choice", "said"),
    [
        ("[1, 2, 3, 4, 5], 2", "return at most 2 layers"),
        ("[1, 1], 2", "a layer is named twice"),
        ("[1, 6], 2", "layers [6] do not exist: the model has layers 0 to 5"),
        ("[-1], 2", "layers [-1] do not exist"),
        ("[1.0], 2", "let its layers be a list of ints"),
        ("[True], 2", "let its layers be a list of ints"),
        ("3, 2", "let its layers be a list of ints"),
        ("{1, 3}, 2", "let its layers be a list of ints"),
        ("[1], 3", "let asked_k be k"),
        ("[1], 2, None", "reason a string"),
        ("[1], 2, 'x', 0.5", "let its values be 6 finite numbers"),
        ("[1], 2, 'x', [0.5] * 5", "let its values be 6 finite numbers"),
        ("[1], 2, 'x', [float('nan')] * 6", "let its values be 6 finite numbers"),
        ("[1], 2, 'x', ['high'] * 6", "let its values be 6 finite numbers"),
    ],
)
def test_a_choice_that_cannot_be_used(write, needs, choice, said, request):
    body = f"return [Choice({choice})] * 2" if needs == "phases" else f"return Choice({choice})"
    choose = own_policy(write, needs, body, module_name(request))
    with pytest.raises(GoodpartError, match=rf"^goodpart/policies/own_\w+\.py: .*{re.escape(said)}"):
        choose(NEEDED[needs][1], 2, {})


def test_a_choice_comes_sorted_and_in_numbers_of_python(write):
    body = "import numpy\n    return Choice([4, 1], k, '', numpy.full(6, 0.5, numpy.float32))"
    choice = own_policy(write, "similarities", body, "own_sorted")([0.9] * 6, 2, {})
    assert choice.layers == [1, 4]
    assert json.dumps(choice.values) == json.dumps([0.5] * 6)


def test_the_line_is_that_of_the_module(write):
    """Also where a library that it calls is what raises."""
    body = "import json\n    json.loads('{')"
    with pytest.raises(GoodpartError, match=r"JSONDecodeError: .* \(line 9\)"):
        own_policy(write, "layers", body, "own_library")(6, 2, {})


@pytest.mark.parametrize("error", [MemoryError, torch.OutOfMemoryError])
def test_a_lack_of_memory_is_no_mistake_of_the_module(write, error):
    body = f"import torch\n    raise {'torch.' * (error is not MemoryError)}{error.__name__}('full')"
    with pytest.raises(error, match="full"):
        own_policy(write, "layers", body, f"own_{error.__name__}")(6, 2, {})


@pytest.mark.parametrize("needs", [needs for needs in NEEDED if needs != "layers"])
def test_a_policy_without_the_settings_that_its_input_takes(write, needs):
    kind = write(f"own_unset_{needs}", POLICY.replace('"layers"', repr(needs)))
    assert re.search(
        rf"own_unset_{needs}\.py: SETTINGS gives no (positions|steps).*; add", plugins.policy_mistake(kind)
    )


def test_a_pooling_that_does_not_exist(write):
    settings = '"similarities"\nPOOLING = "words"'
    text = POLICY.replace('"layers"', settings).replace("{}", '{"positions": "all"}')
    assert "POOLING is 'words'; make it prompts or tokens" in plugins.policy_mistake(write("own_pool", text))


def test_a_skip_set_job_says_it_in_one_line(write, tmp_path, caplog):
    kind = write("own_job", POLICY.replace("return None", "return layers[0]"))
    where = {"model": "m", "policy": "p", "k": "2"}
    given = {"inputs": {"basis": []}, "settings": {"kind": kind}, "layers": 6}
    job = described("skip_set", tmp_path / "k2.json", wildcards=where, **given)
    with pytest.raises(SystemExit):
        run(skip_set.main, job)
    assert "own_job.py: choose raised TypeError: 'int' object is not subscriptable" in caplog.text
    assert "Traceback" not in caplog.text
    assert not (tmp_path / "k2.json").exists()
