"""Values as people write them: paths, names of the hub, text of the command line, keys given twice."""

import copy
import json
import re
import shutil
import subprocess
import sys
from graphlib import TopologicalSorter

import pytest
import yaml
from test_config import CONFIG, message

from conftest import ROOT
from goodpart.config import Configuration, check, load, mark_texts, refuse_misleading
from goodpart.config.catalogue import Model, Policy
from goodpart.config.schema import FILE, as_yaml, schema
from goodpart.errors import GoodpartError
from small_run import SMALL

SPLITS = ("evaluation", "calibration")


def test_the_shipped_schema_is_the_one_of_the_types():
    assert FILE.read_text() == as_yaml(), f"run goodpart config schema > {FILE.relative_to(ROOT)}"


def test_the_schema_accepts_the_shipped_configurations_and_refuses_others():
    from jsonschema import Draft202012Validator

    Draft202012Validator.check_schema(schema())
    validator = Draft202012Validator(schema())
    for file in [ROOT / "config.yaml", *(ROOT / "workflow" / "configs").glob("*.yaml")]:
        validator.validate(yaml.safe_load(file.read_text()))
    for wrong in ({"sede": 1}, {"seed": -1}, {"run": {"models": []}}, {"capture": {"steps": "some"}}):
        assert list(validator.iter_errors(wrong)), wrong


# Paths


def everywhere(folder):
    """A configuration whose paths all lie in one folder, and those paths by key."""
    config = copy.deepcopy(CONFIG)
    only = ("qwen2.5-tiny", "tiny-mbpp")
    config["run"] = {"models": [only[0]], "benchmarks": [only[1]], "policies": ["mine"]}
    config["capture"]["benchmarks"] = [only[1]]
    for key in ("latency", "policy_study", "controlled_study", "skip_figures"):
        config.pop(key)
    config["models"][only[0]]["path"] = f"{folder}/model"
    config["models"][only[0]]["shape"] = f"{folder}/SHAPE.JSON"
    for split in SPLITS:
        config["benchmarks"][only[1]][split]["path"] = f"{folder}/{split}.JSONL"
    config["policies"]["mine"] = {"kind": "file", "path": f"{folder}/{{model}} k{{k}}.JSON"}
    config["paths"] = {"results": f"{folder}/results", "figures": f"{folder}/figures"}
    config["downloads"]["folder"] = f"{folder}/downloads"
    return config


@pytest.mark.parametrize("written", ["~", "$DATA", "${DATA}", "relative", "absolute"])
def test_every_configured_path_may_be_written_in_any_way(written, tmp_path, monkeypatch):
    """With spaces, quotes and brackets in its name, and suffixes in capital letters."""
    odd = 'it\'s [my] "data" & (more)'
    folder = tmp_path / odd
    (folder / "model").mkdir(parents=True)
    for file in (ROOT / CONFIG["models"]["qwen2.5-tiny"]["path"]).glob("*.*"):
        shutil.copy(file, folder / "model")
    for split in SPLITS:
        source = CONFIG["benchmarks"]["tiny-mbpp"][split]["path"]
        shutil.copy(ROOT / source, folder / f"{split}.JSONL")
    for k in (2, 3, 4):
        (folder / f"qwen2.5-tiny k{k}.JSON").write_text(json.dumps({"layers": [3, 5]}))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DATA", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    start = {"relative": "", "absolute": f"{tmp_path}/"}.get(written, f"{written}/")
    config = everywhere(start + odd)
    checked = check(config)
    found = [
        checked.models["qwen2.5-tiny"].path, checked.models["qwen2.5-tiny"].shape,
        *(getattr(checked.benchmarks["tiny-mbpp"], split).path for split in SPLITS),
        checked.policies["mine"].path, checked.paths.results, checked.paths.figures, checked.downloads.folder,
    ]  # fmt: skip
    expected = odd if written == "relative" else str(folder)
    assert all(path.startswith(f"{expected}/") for path in found), found
    assert config["paths"]["results"] == checked.paths.results  # rules read the mapping


@pytest.mark.parametrize("key", ["paths.results", "downloads.folder", "models.qwen2.5-tiny.path"])
def test_a_variable_that_is_not_set_is_named(key, monkeypatch):
    monkeypatch.delenv("NOT_SET", raising=False)
    config = copy.deepcopy(CONFIG)
    at = config
    *parents, last = key.split(".") if not key.startswith("models") else ["models", "qwen2.5-tiny", "path"]
    for name in parents:
        at = at[name]
    at[last] = "$NOT_SET/x"
    assert f"{key}: the environment variable NOT_SET is not set; set it, or write the path out" in message(
        config
    )
    at[last] = "~nobody-of-this-name/x"
    assert f"{key}: there is no home folder ~nobody-of-this-name; write" in message(config)


def test_the_suffix_of_a_skip_set_is_read_in_any_case():
    for path, varies in (("a.JSON", ""), ("a.json", ""), ("a.PARQUET", "prompt")):
        assert Policy(kind="file", path=path).varies == varies
    config = copy.deepcopy(CONFIG)
    config["policies"]["mine"] = {"kind": "file", "path": "mine.yaml"}
    config["run"]["policies"] = ["mine"]
    assert "policies.mine.path: mine.yaml ends in neither .json nor .parquet; give" in message(config)


# Names of the hub

ENTRY = {"family": "qwen2", "layers": 28, "layers_skipped": [0]}


@pytest.mark.parametrize(
    ("hub", "said"),
    [
        ("gsm8k", "it has no owner; give owner/name"),
        ("https://huggingface.co/datasets/openai/gsm8k", "give owner/name alone: openai/gsm8k"),
        ("huggingface.co/openai/gsm8k/tree/main", "give owner/name alone: openai/gsm8k"),
        ("datasets/openai/gsm8k", "give owner/name alone: openai/gsm8k"),
        ("hf://datasets/openai/gsm8k@main", "give owner/name alone: openai/gsm8k"),
        ("https://user@hub.example.org:8080/models/a/b.git", "give owner/name"),
        ("openai/gsm8k@main", "give owner/name alone: openai/gsm8k"),
        ("../openai/gsm8k", "give owner/name"),
        ("open ai/gsm8k", "give owner/name"),
        ("/openai/gsm8k", "give owner/name"),
    ],
)
def test_a_name_that_the_hub_does_not_have(hub, said):
    config = copy.deepcopy(CONFIG)
    config["models"]["mine"] = {"hub": hub, **ENTRY}
    config["benchmarks"]["mine"] = {
        "kind": "gsm8k", "max_new_tokens": 8, "evaluation": {"hub": hub, "rows": 3},
        "examples": {"source": {"hub": hub, "rows": 3}},
    }  # fmt: skip
    lines = message(config).splitlines()
    for key in ("models.mine.hub", "benchmarks.mine.evaluation.hub", "benchmarks.mine.examples.source.hub"):
        [line] = [line for line in lines if line.startswith(f"  {key}: ")]
        assert said in line


@pytest.mark.parametrize("revision", ["refs/convert/parquet", "refs/pr/1", "a b", "../x", ""])
def test_a_revision_that_is_no_name_of_a_folder(revision):
    config = copy.deepcopy(CONFIG)
    config["models"]["mine"] = {"hub": "owner/name", "revision": revision, **ENTRY}
    assert "models.mine.revision: " in message(config)
    assert "give the commit that it points at" in message(config)


def test_names_that_the_hub_has():
    for hub in ("Qwen/Qwen2.5-7B", "GSAI-ML/LLaDA-8B-Base", "HuggingFaceH4/MATH-500", "0-hero/x_y"):
        assert Model(hub=hub, revision="v1.0", **ENTRY).hub == hub


# Text of the command line


def given(text):
    """A configuration with what Snakemake makes of `--config TEXT`."""
    from snakemake.cli import parse_config
    from snakemake.utils import update_config

    config, values = copy.deepcopy(CONFIG), parse_config(text)
    update_config(config, copy.deepcopy(values))
    mark_texts(config, values)
    return config


def test_nested_numbers_of_the_command_line_are_numbers():
    text = [
        "generation={kl_items: 4}",
        "models={qwen2.5-tiny: {layers_skipped: [0, 3], chat: true}}",
        "benchmarks={tiny-mbpp: {n: 5, label: 7}}",
        "decodes={default: {llada: {block_length: 4, temperature: 0.5, remasking: random}}}",
        "policies={similarity: {threshold: 0.5}}",
        "capture={steps: [0, 2], max_gb: 1.5}",
        "redraw=false",
        "seed=3",
    ]
    config = given(text)
    checked = check(config, ROOT)
    assert checked.generation.kl_items == config["generation"]["kl_items"] == 4
    assert checked.models["qwen2.5-tiny"].layers_skipped == [0, 3]
    assert checked.models["qwen2.5-tiny"].chat is True
    assert (checked.benchmarks["tiny-mbpp"].n, checked.benchmarks["tiny-mbpp"].label) == (5, "7")
    assert config["decodes"]["default"]["llada"] == {
        "block_length": 4, "temperature": 0.5, "remasking": "random",
    }  # fmt: skip
    assert config["policies"]["similarity"]["threshold"] == 0.5
    assert (checked.capture.steps, checked.capture.max_gb) == ([0, 2], 1.5)
    json.dumps(config)
    assert {type(value) for value in config["benchmarks"]["tiny-mbpp"].values()} <= {str, int, dict}


def test_text_in_a_file_stays_text():
    config = copy.deepcopy(CONFIG)
    config["generation"]["kl_items"] = "4"
    assert "generation.kl_items: '4' is not allowed; give a whole number, 0 or more" in message(config)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("seed=3.0", "seed: 3.0 is not allowed; give a whole number, 0 or more"),
        ("seed=three", "seed: 'three' is not allowed; give a whole number"),
        ("generation={kl_items: 4.0}", "generation.kl_items: 4.0 is not allowed; give a whole number"),
        ("redraw=maybe", "redraw: 'maybe' is not allowed; give true or false"),
        ("seed=", "seed: null is not allowed"),
    ],
)
def test_a_wrong_value_of_the_command_line_is_named(text, said):
    assert said in message(given([text]))


# Keys given twice

TWICE = [
    ("run: {models: [a]}\nrun: {models: [b]}\n", "run: in lines 1 and 2"),
    ("run:\n  models: [a]\n  policies: [c]\n  models: [b]\n", "run.models: in lines 2 and 4"),
    ("run: {models: [a], models: [b]}\n", "run.models: in lines 1 and 1"),
    ("capture:\n  a:\n    - {first: a,\n       first: b}\n", "capture.a.0.first: in lines 3 and 4"),
    ("# comment\n'seed': 1\nseed: 2\n", "seed: in lines 2 and 3"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "said"), TWICE)
def test_a_key_given_twice_is_refused_with_both_lines(text, said, tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(GoodpartError, match=re.escape(said)) as error:
        refuse_misleading([ROOT / "config.yaml", file])
    assert f"{file}: " in str(error.value)
    assert "merge them, or remove one" in str(error.value)
    with pytest.raises(GoodpartError, match=re.escape(said)):
        load([file], ROOT)


def test_json_and_aliases_are_read_too(tmp_path):
    (tmp_path / "a.json").write_text('{\n\t"seed": 1,\n\t"seed": 2\n}\n')
    with pytest.raises(GoodpartError, match="seed: in lines 2 and 3"):
        refuse_misleading([tmp_path / "a.json"])
    (tmp_path / "b.yaml").write_text("a: &x {b: 1}\nc: *x\nd: {<<: *x, b: 2}\n")
    refuse_misleading([tmp_path / "b.yaml", *(ROOT / "workflow" / "configs").glob("*.yaml")])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("benchmarks:\n  tiny-mbpp: {n: 010}\n", "line 2: 010 is 8; write that, or '010' for text"),
        ("models: {m: {runtime: 1:30}}\n", "line 1: 1:30 is 90;"),
        ("seed: -017", "line 1: -017 is -15;"),
    ],
)
def test_numbers_that_yaml_reads_otherwise_are_refused(text, said, tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(GoodpartError, match=re.escape(f"{file}: {said}")):
        load([file], ROOT)


def test_numbers_that_yaml_reads_as_people_do_are_taken(tmp_path):
    (tmp_path / "a.yaml").write_text("a: '010'\nb: 0\nc: 0.5\nd: 1_000\ne: 12:00 noon\nf: 089\ng: 1e5\n")
    refuse_misleading([tmp_path / "a.yaml"])


@pytest.mark.parametrize("name", ["..", "-x", ".hidden", "a/b", "a b"])
def test_names_that_make_no_folder_are_refused(name, tmp_path):
    entry = yaml.safe_load((ROOT / "config.yaml").read_text())["models"]["qwen2.5-tiny"]
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump({"models": {name: entry}}))
    with pytest.raises(GoodpartError, match="a name of letters, digits, dots, dashes and underscores"):
        load([ROOT / "config.yaml", tmp_path / "mine.yaml"], ROOT)


def test_a_path_that_names_a_file_says_which_folder_is_meant(tmp_path):
    path = "workflow/resources/models/qwen2.5-tiny"
    (tmp_path / "mine.yaml").write_text(f"models: {{qwen2.5-tiny: {{path: {path}/config.json}}}}\n")
    with pytest.raises(GoodpartError, match=f"config.json is a file; give the folder that holds it: {path}$"):
        load([ROOT / "config.yaml", tmp_path / "mine.yaml"], ROOT)


def test_snakemake_refuses_a_key_given_twice_wherever_it_reads_it(workflow):
    (workflow.folder / "mine.yaml").write_text("generation:\n  kl_items: 1\n  kl_items: 2\n")
    own = workflow.folder / "config.yaml"
    own.write_text(own.read_text() + "\nseed: 4\n")
    run = workflow.snakemake("--dry-run", "--configfile", "mine.yaml")
    assert run.returncode != 0
    assert "mine.yaml: generation.kl_items: in lines 2 and 3" in run.stdout
    assert re.search(r"config\.yaml: seed: in lines \d+ and \d+", run.stdout)
    assert "Traceback" not in run.stdout


# The rest


def test_a_protected_layer_that_no_model_of_the_policy_has():
    for layer, allowed in ((99, False), (32, False), (31, True)):
        config = copy.deepcopy(CONFIG)
        config["policies"]["similarity"]["protected"] = [layer]
        if allowed:
            check(config, ROOT)
        else:
            said = message(config)
            assert f"policies.similarity.protected: [{layer}] do not exist" in said
            assert "the last is 31; remove them" in said
    config["run"]["models"], config["policy_study"] = ["qwen2.5-tiny"], None
    assert "the last is 27" in message(config)


def test_a_mistake_of_a_preset_is_reported_once():
    config = copy.deepcopy(CONFIG)
    config["decodes"]["default"]["llada"]["threshold"] = 0.9
    [line] = message(config).splitlines()[1:]
    assert line.startswith("  decodes.default.llada with benchmarks.tiny-gsm8k: unknown setting 'threshold';")
    assert "is called confidence_threshold here" in line


def test_mistakes_of_latency_stop_only_what_asks_for_it(workflow):
    other = {"decodes": {"t16": {"llada": {"max_new_tokens": 30}}}, "latency": {"benchmark": "nowhere"}}
    (workflow.folder / "small.yaml").write_text(yaml.safe_dump({**SMALL, **other}))
    small = ("--configfile", "small.yaml")
    assert workflow.jobs("paper_figs/table1.csv", *small)["table1"] == 1
    for targets in (["paper_figs/quality_latency.png"], []):
        run = workflow.snakemake("--dry-run", *targets, *small)
        assert run.returncode != 0
        assert "latency.benchmark: 'nowhere' is unknown; use one of: tiny-" in run.stdout


def test_show_prints_the_resolved_configuration(tmp_path):
    (tmp_path / "mine.yaml").write_text("capture: {prompts: 3}\n")
    shown = subprocess.run(
        [sys.executable, "-m", "goodpart_tools", "config", "show", tmp_path / "mine.yaml"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    config = yaml.safe_load(shown.stdout)
    assert config["capture"]["prompts"] == 3
    assert config["models"]["qwen2.5-tiny"]["batch_size"] == 32
    assert check(config, ROOT) == load([tmp_path / "mine.yaml"], ROOT)


def test_the_package_has_no_import_cycle():
    from goodpart.jobs import sources

    names = [f"goodpart.config.{file.stem}" for file in (ROOT / "workflow/goodpart/config").glob("*.py")]
    names = [name for name in names if not name.endswith("__")]
    graph = {name: sources._imports(name) & set(names) for name in names}
    order = list(TopologicalSorter(graph).static_order())
    assert order.index("goodpart.config.types") < order.index("goodpart.config.checks")
    assert all(len(sources._file(name).read_text().splitlines()) <= 300 for name in names)


def test_nothing_heavy_is_imported():
    code = "import sys, goodpart.config; print({'torch', 'transformers', 'datasets'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"


def test_null_leaves_an_optional_key_out():
    config = copy.deepcopy(CONFIG)
    config["policy_study"] = None
    config["models"]["qwen2.5-tiny"]["paper_column"] = None
    checked = check(config, ROOT)
    assert checked.policy_study is None
    assert "policy_study" not in config
    assert isinstance(checked, Configuration)
