"""Prompts of every style, their worked examples, and published settings by name."""

import copy
import json

import pytest
import yaml

from conftest import ROOT, run_script
from goodpart import config as settings_of
from goodpart.benchmarks import benchmark_module, scorer_module
from goodpart.benchmarks.math500 import EXAMPLES
from goodpart.config import decode_settings
from goodpart.config.benchmarks import example_mistakes, worked_examples
from goodpart.decoding.prompts import render
from goodpart.errors import GoodpartError
from goodpart.jobs.parquet import read_metadata, read_table

PAPER = yaml.safe_load((ROOT / "workflow" / "configs" / "paper.yaml").read_text())
GSM8K, MATH, HUMANEVAL, MBPP = map(benchmark_module, ("gsm8k", "math500", "humaneval", "mbpp"))
TRAIN = [{"question": f"{i} and 1?", "answer": f"<<{i}+1={i + 1}>>{i + 1}.\n#### {i + 1}"} for i in range(9)]
FUNCTION = {
    "task_id": 601,
    "text": "Return one.",
    "code": "def f():\r\n    return 1",
    "test_list": ["assert f()"],
}


def test_few_shot_rationales_end_in_a_final_answer():
    shown = tuple(GSM8K.example(row, "paper") for row in TRAIN[:2])
    text = GSM8K.prompt(TRAIN[5], "paper", shown)
    assert "Question: 0 and 1?\nAnswer: 1.\nFinal Answer: 1\n\nQuestion: 1 and 1?\n" in text
    assert text.endswith("\n\nQuestion: 5 and 1?\nAnswer:")
    assert "<<" not in text


def test_worked_mathematics_is_right_by_the_benchmarks_own_scorer():
    for example in EXAMPLES:
        gold = {"answer": example["solution"].rsplit("\\boxed{", 1)[1].rsplit("}", 1)[0]}
        assert scorer_module("math500").score(gold, example["solution"]).correct
    text = MATH.prompt({"problem": "?"}, "paper", tuple(MATH.example(e, "paper") for e in EXAMPLES[:4]))
    assert text.count("Problem:") == 5
    assert text.endswith("\n\nProblem: ?\nSolution:")


def test_one_function_is_asked_for():
    text = HUMANEVAL.prompt({"prompt": "def f():\n"}, "paper")
    assert "one function" in text
    assert text.endswith("\n\ndef f():\n")
    text = MBPP.prompt({**FUNCTION, "text": "Two."}, "paper", (MBPP.example(FUNCTION, "paper"),))
    assert "one Python function" in text
    assert "Function:\n```python\ndef f():\n    return 1\n```\n\nProblem: Two.\nTests:\nassert f()" in text
    assert "\r" not in text


@pytest.mark.parametrize("module", [GSM8K, MATH, HUMANEVAL, MBPP])
def test_an_unknown_style_is_refused(module):
    row = {**TRAIN[0], **FUNCTION, "problem": "?", "prompt": "?"}
    with pytest.raises(GoodpartError, match="has no prompt style 'papr': use one of bare, paper"):
        module.prompt(row, "papr")


class Tokenizer:
    """A token a character; a start marker before a text that is tokenized with special tokens."""

    def apply_chat_template(self, turns, **options):
        assert options == {"add_generation_prompt": True, "tokenize": False}
        return f"<user>{turns[0]['content']}<assistant>"

    def __call__(self, texts, add_special_tokens):
        if isinstance(texts, str):
            return {"input_ids": ["<s>"] * add_special_tokens + list(texts)}
        assert not add_special_tokens
        return {"input_ids": [list(text) for text in texts]}


def test_the_chat_template_where_a_model_has_one_and_plain_text_where_not():
    assert render(Tokenizer(), ["a"], True) == [list("<user>a<assistant>")]
    assert render(Tokenizer(), ["a", "b\n"], False) == [["<s>", "a", "\n"], ["<s>", "b", "\n"]]


def run_items(tmp_path, split, **spec):
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in TRAIN))
    source = {"path": str(tmp_path / "train.jsonl"), "rows": len(TRAIN)}
    examples = {"count": 4, "rows": None, "source": source, **spec}
    output = tmp_path / "items.parquet"
    chosen = {"kind": "gsm8k", "style": "paper", "n": 3, "subset": "first"}
    where = {"benchmark": "b", "split": split}
    run_script("items", output, wildcards=where, source=source, examples=examples, **chosen)
    return output


def test_a_calibration_prompt_never_shows_its_own_solution(tmp_path):
    file = run_items(tmp_path, "calibration")
    table = read_table(file).to_pylist()
    assert [row["item_id"] for row in table] == ["calibration/4", "calibration/5", "calibration/6"]
    assert all(row["prompt"].count("Final Answer: ") == 4 for row in table)
    assert read_metadata(file)["examples"]["count"] == 4


def test_examples_by_number(tmp_path):
    table = read_table(run_items(tmp_path, "calibration", rows=[7, 0], count=2)).to_pylist()
    assert [row["item_id"] for row in table] == ["calibration/1", "calibration/2", "calibration/3"]
    assert table[0]["prompt"].index("Question: 7") < table[0]["prompt"].index("Question: 0")
    with pytest.raises(GoodpartError, match="there is no row 9, the last is 8"):
        run_items(tmp_path, "calibration", rows=[9], count=1)


def test_evaluated_items_are_no_examples(tmp_path):
    with pytest.raises(GoodpartError, match="an example is among the evaluated items"):
        run_items(tmp_path, "evaluation")


def test_more_items_than_exist_names_the_key_and_how_many(tmp_path):
    beside = "2 exist beside 7 that prompts show as examples; set capture.prompts to 2 or less"
    with pytest.raises(GoodpartError, match=f"b: 3 items of the calibration split asked for, {beside}"):
        run_items(tmp_path, "calibration", count=7)
    source = {"path": str(tmp_path / "train.jsonl"), "rows": len(TRAIN)}
    chosen = {"kind": "gsm8k", "style": "paper", "n": 99, "subset": "first", "examples": None}
    where = {"benchmark": "b", "split": "evaluation"}
    with pytest.raises(GoodpartError, match=r"99 items .*, 9 exist; set benchmarks\.b\.n to 9 or less"):
        run_script("items", tmp_path / "i", wildcards=where, source=source, **chosen)


def paper_config(**changes):
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    for key in ("benchmarks", "models", "decodes"):
        config[key].update(copy.deepcopy(PAPER[key]))
    config["run"].update(PAPER["run"])
    config["capture"] = copy.deepcopy(PAPER["capture"])
    del config["controlled_study"]
    for name, change in changes.items():
        config["benchmarks"][name].update(change)
    return config


def test_examples_come_from_training_splits():
    raw = paper_config(gsm8k={"style": "paper"}, mbpp={"style": "paper", "examples": {"count": 3}})
    config = settings_of.check(raw, ROOT)
    spec = worked_examples(config, "gsm8k")
    assert (spec["count"], spec["source"]["split"]) == (4, "train")
    spec = worked_examples(config, "mbpp")
    assert (spec["count"], spec["source"]["ids"]) == (3, [601, 974])
    for name in ("math500", "humaneval"):
        raw["benchmarks"][name]["style"] = "paper"
    config = settings_of.check(raw, ROOT)
    assert worked_examples(config, "math500") == {"count": 4, "rows": None, "source": None}
    assert worked_examples(config, "humaneval") is None
    assert worked_examples(settings_of.check(paper_config(), ROOT), "gsm8k") is None


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("gsm8k", {"examples": {"count": 2}}, "only the style paper shows examples"),
        ("math500", {"style": "paper", "examples": {"count": 40}}, "it has 6 of its own"),
        ("math500", {"style": "paper", "examples": {"rows": [9]}}, "there are 6 examples, from 0"),
        ("humaneval", {"style": "paper", "examples": {"count": 2}}, "humaneval has no solved examples"),
        ("gsm8k", {"style": "paper", "examples": {"count": 2, "rows": [1]}}, "2, but 1 rows are named"),
        ("gsm8k", {"style": "paper", "examples": {"count": 9999}}, "is more than the 7473 rows"),
        ("gsm8k", {"style": "paper", "examples": {"rows": [10**6]}}, "there are 7473 rows, from 0"),
        ("gsm8k", {"style": "paper", "examples": {"source": {"path": "no", "rows": 1}}}, "does not exist"),
        (
            "gsm8k",
            {"style": "paper", "examples": {"source": PAPER["benchmarks"]["gsm8k"]["evaluation"]}},
            "these are the evaluated items",
        ),
    ],
)
def test_mistakes_in_examples_are_named(name, change, said):
    config = paper_config()
    config["benchmarks"][name].update(change)
    assert said in "\n".join(example_mistakes(name, settings_of.Configuration.model_validate(config), ROOT))
    with pytest.raises(GoodpartError, match=rf"benchmarks\.{name}\.examples"):
        settings_of.check(config, ROOT)


def test_every_published_preset_fits_every_benchmark():
    config = settings_of.check(paper_config(), ROOT)
    for preset, families in PAPER["decodes"].items():
        for family in families:
            for benchmark in PAPER["benchmarks"]:
                decode_settings(config, preset, family, benchmark)
    chosen = {b: decode_settings(config, "dream-base", "dream", b) for b in PAPER["run"]["benchmarks"]}
    assert [chosen[b]["temperature"] for b in ("gsm8k", "math500", "humaneval", "mbpp")] == [0, 0, 0.2, 0.2]
    assert [chosen[b]["max_new_tokens"] for b in ("gsm8k", "math500")] == [256, 512]
    assert all("by_kind" not in arguments for arguments in chosen.values())
    llada = decode_settings(config, "llada-instruct", "llada", "math500")
    assert llada["confidence_eos_eot_inf"]
    assert llada["block_length"] == 512


def test_a_kind_that_there_is_not_and_greedy_samples_are_refused():
    config = paper_config()
    config["decodes"]["default"]["llada"]["by_kind"] = {"gsm9k": {}}
    with pytest.raises(GoodpartError, match=r"decodes\.default\.llada\.by_kind: there is no .*gsm9k"):
        settings_of.check(config, ROOT)
    config = paper_config()
    config["benchmarks"]["humaneval"]["samples"] = 5
    with pytest.raises(GoodpartError, match="5 samples an item are all the same at temperature 0"):
        settings_of.check(config, ROOT)
