"""Every mistake stops before any work, with a message that names the key and the fix."""

import copy
import re

import pytest
import yaml

from conftest import ROOT
from goodpart.config import check
from goodpart.config.catalogue import Source
from goodpart.errors import GoodpartError
from goodpart.jobs.runtime import processors

CONFIG = yaml.safe_load((ROOT / "config.yaml").read_text())
PAPER = ROOT / "workflow" / "configs" / "paper.yaml"


def broken(**changes):
    """The default configuration with some dotted keys set (`a__b=1`), or removed (None)."""
    config = copy.deepcopy(CONFIG)
    for path, value in changes.items():
        *parents, last = path.split("__")
        at = config
        for key in parents:
            at = at[key.replace("_", "-") if key.replace("_", "-") in at else key]
        at[last] = value
    return config


def message(config):
    with pytest.raises(GoodpartError) as error:
        check(config, ROOT)
    return str(error.value)


def test_the_default_configuration_is_valid():
    check(copy.deepcopy(CONFIG), ROOT)


def test_defaults_are_filled_in():
    config = broken()
    del config["capture"], config["policies"]["similarity"]["threshold"]
    check(config, ROOT)
    assert config["capture"]["steps"] == [0]
    assert config["policies"]["similarity"]["threshold"] == 0.95
    assert config["models"]["qwen2.5-tiny"]["batch_size"] == 32


def test_a_misspelt_key():
    assert "unknown key 'sede'; did you mean 'seed'?" in message({**broken(), "sede": 1})
    config = broken()
    config["models"]["qwen2.5-tiny"]["familly"] = "qwen2"
    assert "models.qwen2.5-tiny: unknown key 'familly'; did you mean 'family'?" in message(config)


def test_a_misspelt_decoding_argument():
    config = broken()
    config["decodes"]["default"]["llada"]["block_lenght"] = 8
    said = message(config)
    assert "decodes.default.llada" in said
    assert "did you mean 'block_length'?" in said


def test_a_block_length_that_does_not_fit():
    config = broken()
    config["decodes"]["default"]["llada"]["block_length"] = 7
    assert "is not a multiple of block_length 7" in message(config)


@pytest.mark.parametrize(
    ("family", "key", "value", "said"),
    [
        ("dream", "steps", 0, "steps 0 is not a whole number of at least 1"),
        ("llada", "block_length", 0, "block_length 0 is not a whole number"),
        ("llada", "max_new_tokens", "512", "max_new_tokens '512' is not a whole number"),
        ("dream", "top_k", 0, "top_k 0 is not a whole number"),
        ("qwen2", "temperature", -1, "temperature -1 is not a number of at least 0"),
        ("dream", "temperature", "0.2", "temperature '0.2' is not a number"),
        ("qwen2", "top_p", 1.5, "top_p 1.5 is not a number above 0 and at most 1"),
    ],
)
def test_a_setting_out_of_its_range(family, key, value, said):
    config = broken()
    config["decodes"]["default"].setdefault(family, {})[key] = value
    assert f"decodes.default.{family} with benchmarks.tiny-gsm8k: {said}" in message(config)


def test_two_benchmarks_of_one_label():
    config = broken(run__benchmarks=["tiny-gsm8k", "tiny-gsm8k-128"])
    assert "benchmarks.tiny-gsm8k-128.label: 'GSM8K (tiny)' is also that of tiny-gsm8k" in message(config)


def test_calibration_on_evaluated_items_must_be_asked_for():
    config = broken()
    gsm8k = config["benchmarks"]["tiny-gsm8k"]
    gsm8k["calibration"] = copy.deepcopy(gsm8k["evaluation"])
    assert "benchmarks.tiny-gsm8k.calibration: these are the evaluated items" in message(config)
    gsm8k["calibration"]["path"] = f"./{gsm8k['evaluation']['path']}"
    assert "benchmarks.tiny-gsm8k.calibration: these are the evaluated items" in message(config)
    config = broken()
    config["benchmarks"]["tiny-gsm8k"]["calibration"] = "evaluation"
    check(config, ROOT)
    assert config["benchmarks"]["tiny-gsm8k"]["calibration"] == gsm8k["evaluation"]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({"hub": "a/b"}, {"hub": "a/b", "split": "test"}, True),
        ({"hub": "a/b", "split": "train"}, {"hub": "a/b", "split": "test"}, False),
        ({"hub": "a/b", "ids": [1, 100]}, {"hub": "a/b", "ids": [100, 200]}, True),
        ({"hub": "a/b", "ids": [1, 99]}, {"hub": "a/b", "ids": [100, 200]}, False),
        ({"hub": "a/b"}, {"hub": "a/b", "ids": [100, 200]}, True),
        ({"hub": "a/b"}, {"path": "a/b"}, False),
    ],
)
def test_sources_share_rows_however_they_are_written(one, other, same):
    sources = [Source.model_validate({"rows": 9, **given}) for given in (one, other)]
    assert sources[0].same_rows(sources[1]) is sources[1].same_rows(sources[0]) is same


def test_an_unknown_model():
    said = message(broken(run__models=["qwen2.5-tyni"]))
    assert "run.models: 'qwen2.5-tyni' is not in models; did you mean 'qwen2.5-tiny'?" in said


def test_a_missing_checkpoint():
    config = broken()
    config["models"]["qwen2.5-tiny"]["path"] = "nowhere"
    assert "models.qwen2.5-tiny.path: nowhere is not a checkpoint" in message(config)


def test_an_unknown_family():
    config = broken()
    config["models"]["qwen2.5-tiny"]["family"] = "mamba"
    assert "models.qwen2.5-tiny.family: 'mamba' is unknown; use one of: llada, dream, qwen2" in message(
        config
    )


def test_a_family_that_the_checkpoint_is_not():
    config = broken()
    config["models"]["qwen2.5-tiny"]["family"] = "dream"
    assert "the checkpoint is 'qwen2'" in message(config)


def test_a_wrong_number_of_layers():
    config = broken()
    config["models"]["qwen2.5-tiny"]["layers"] = 30
    assert "models.qwen2.5-tiny.layers: 30, but the checkpoint has 28" in message(config)


def test_a_k_larger_than_the_model_allows():
    config = broken()
    config["models"]["qwen2.5-tiny"]["layers_skipped"] = [0, 15]
    said = message(config)
    assert "models.qwen2.5-tiny.layers_skipped: 15 is more than 28 layers allow" in said
    assert "(14 at most)" in said
    config["policies"]["similarity"]["adjacent"] = True
    check(config, ROOT)


def test_a_benchmark_without_items(tmp_path):
    config = broken()
    config["benchmarks"]["tiny-gsm8k"]["n"] = 0
    said = message(config)
    assert "benchmarks.tiny-gsm8k.n: 0 is not allowed; give a number of items, 1 or more, or all" in said
    (tmp_path / "empty.jsonl").write_text("\n\n")
    config = broken()
    config["benchmarks"]["tiny-gsm8k"]["evaluation"] = {"path": str(tmp_path / "empty.jsonl"), "rows": 1}
    config["benchmarks"]["tiny-gsm8k"]["n"] = 1
    assert "benchmarks.tiny-gsm8k.evaluation.path" in message(config)
    assert "holds no items" in message(config)


def test_more_items_than_there_are():
    config = broken()
    config["benchmarks"]["tiny-gsm8k"]["n"] = 1000
    assert "benchmarks.tiny-gsm8k.n: 1000 is more than the 217 items there are" in message(config)


def test_two_models_for_one_column():
    config = broken()
    config["models"]["dream-tiny-base"]["paper_column"] = "Qwen2.5"
    assert "paper_column: 'Qwen2.5' is also that of" in message(config)


def test_shards_keep_full_chunks_when_n_grows():
    def ranges(n):
        config = broken()
        config["generation"]["shard_size"] = 128
        config["benchmarks"]["tiny-mbpp"]["evaluation"]["rows"] = 1319
        config["benchmarks"]["tiny-mbpp"]["n"] = n
        return check(config, ROOT).shards("tiny-mbpp")

    assert ranges(128) == [(0, 127)]
    assert set(ranges(256)) > set(ranges(128))
    assert ranges(300)[-1] == (256, 299)
    assert ranges("all")[-1] == (1280, 1318)


def test_snakemake_says_it_too(workflow):
    run = workflow.snakemake("--dry-run", "--config", "sede=1")
    assert run.returncode != 0
    assert "unknown key 'sede'; did you mean 'seed'?" in run.stdout
    assert "Traceback" not in run.stdout


@pytest.mark.parametrize(("more", "almost_twice"), [(1, False), (1, True), (3, False)])
def test_no_more_models_run_at_once_than_there_are_processors(workflow, more, almost_twice):
    """With a multiple of the processors as cores a job that computes takes several cores, and still one
    thread; with less than twice as many it takes one, and no processor stands idle."""
    cores = more * processors(1_000) + almost_twice * (processors(1_000) - 1)
    target = (
        f"results/hidden_states/qwen2.5-tiny/{CONFIG['run']['decode']}/{CONFIG['capture']['benchmarks'][0]}"
    )
    planned = workflow.snakemake("--dry-run", "--printshellcmds", "--cores", str(cores), target).stdout
    [command] = [line for line in planned.splitlines() if "jobs.start hidden_states" in line]
    assert "--threads 1 " in command
    assert ("threads: 3\n" in planned) == (more == 3)
    assert ("threads: " in planned) == (more > 1)


def test_the_papers_configuration_dry_runs(workflow):
    jobs = workflow.jobs("--configfile", "workflow/configs/paper.yaml")
    # Table 1 on four benchmarks, adjacent layers on two, and two models under four presets at two depths.
    scores = sum(count for rule, count in jobs.items() if rule.startswith("scores"))
    assert scores == 4 * (7 + 4 + 4 + 4) + 2 * (3 + 3) + 2 * 4 * 2
    assert jobs["hidden_states"] == jobs["streamed_statistics"] == 4 * 2  # windows
    assert not (workflow.folder / "results-paper").exists()


def test_the_small_pairs_dry_run_without_a_network(workflow):
    """Four models whose family and layers come from their shapes."""
    files = [f"workflow/configs/{name}.yaml" for name in ("paper", "small")]
    jobs = workflow.jobs("--configfile", *files)
    assert jobs["generations"] >= 4 * 4 * 9
    assert jobs["likelihoods"] == 4 * 4
    assert workflow.jobs("controlled_study", "--configfile", *files)["controlled_study_table"] == 1


@pytest.mark.parametrize("name", ["paper-full", "paper-t16", "paper-t32"])
def test_files_that_go_after_the_papers_dry_run(workflow, name):
    """All cells, sharded, are over 1,000 jobs."""
    folder = "workflow/configs"
    jobs = workflow.jobs("--configfile", f"{folder}/paper.yaml", f"{folder}/{name}.yaml")
    assert (sum(jobs.values()) > 1000) == (name == "paper-full")
    assert jobs["download"] >= 3
    assert jobs["table1"] == 1


def test_a_folder_of_pickled_weights_is_no_checkpoint(tmp_path):
    source = ROOT / CONFIG["models"]["qwen2.5-tiny"]["path"]
    (tmp_path / "config.json").write_bytes((source / "config.json").read_bytes())
    config = broken()
    config["models"]["qwen2.5-tiny"]["path"] = str(tmp_path)
    assert "models.qwen2.5-tiny.path: " in message(copy.deepcopy(config))
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    assert "only pickled weights (pytorch_model.bin); these are never loaded" in message(config)


def test_mistakes_of_the_controlled_study():
    config = broken()
    study = config["controlled_study"]
    study["models"] = ["qwen2.5-tiny", "dream-tiny-bass"]
    study["benchmarks"] = ["tiny-gsm8k-128", "tiny-mbpp-129"]
    study["policy"] = "similarty"
    study["layers_skipped"] = [0, 15]
    study["contrasts"] = [{"differs": "x", "first": "qwen2.5-tiny", "second": "llada-tiny-instruct"}]
    said = message(config)
    assert (
        "controlled_study.models: 'dream-tiny-bass' is not in models; did you mean 'dream-tiny-base'?" in said
    )
    assert "controlled_study.benchmarks: 'tiny-mbpp-129' is not in benchmarks" in said
    assert "controlled_study.policy: 'similarty' is not in policies; did you mean 'similarity'?" in said
    assert "controlled_study.layers_skipped: 15 is more than 28 layers allow" in said
    assert "contrasts.0.second: 'llada-tiny-instruct' is not in controlled_study.models" in said
    config = broken()
    config["controlled_study"]["layers_skipped"] = [2, 4]
    assert "controlled_study.layers_skipped" in message(config)
    config = broken()
    del config["controlled_study"]
    check(config, ROOT)


def test_entries_share_nothing_that_an_override_could_change_twice():
    """YAML aliases would: the merge of a --configfile writes into the mapping that both entries hold."""
    text = (ROOT / "config.yaml").read_text()
    seen = set()

    def walk(value):
        if isinstance(value, dict):
            assert id(value) not in seen
            seen.add(id(value))
            for item in value.values():
                walk(item)

    walk(yaml.safe_load(text))


def test_the_larger_tiny_benchmarks_are_the_small_ones_with_more_items():
    for name in ("gsm8k", "math500", "humaneval", "mbpp"):
        small, large = (CONFIG["benchmarks"][f"tiny-{name}{end}"] for end in ("", "-128"))
        assert {key: small[key] for key in large if key != "n"} == {
            key: value for key, value in large.items() if key != "n"
        }
        assert CONFIG["tiny_models"]["checked"]["max_new_tokens"][name] == small["max_new_tokens"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda c: c["models"].update({"my model": c["models"]["qwen2.5-tiny"]}), "models: 'my model' is"),
        (lambda c: c["decodes"].update({"a/b": {}}), "decodes: 'a/b' is not allowed; give a name"),
        (lambda c: c["paths"].update(results="r{x}"), "paths.results: 'r{x}' is not allowed"),
        (lambda c: c["paths"].update(results="config.yaml"), "paths.results: config.yaml is a file"),
        (lambda c: c["benchmarks"]["tiny-mbpp"].update(kind="latex"), "tiny-mbpp.kind: there is no"),
        (lambda c: c["policies"]["similarity"].update(kind="__init__"), "policies.similarity.kind: there is"),
        (lambda c: c["policies"]["similarity"].update(threshold=float("nan")), "threshold: nan is not a"),
        (lambda c: c["models"]["qwen2.5-tiny"].update(device="gpu"), "device: 'gpu' is not allowed"),
        (lambda c: c["models"]["qwen2.5-tiny"].update(cuda_graphs=True), "cuda_graphs: needs the whole"),
        (lambda c: c["models"]["qwen2.5-tiny"].update(cuda_graphs=True, device="auto"), "it runs on auto"),
        (lambda c: c["skip_figures"]["mechanism"].update(k=99), "mechanism.k: 99 of llada-tiny"),
        (lambda c: c["skip_figures"]["selection"].update(model="lada-tiny"), "selection.model: 'lada-tiny'"),
    ],
)  # fmt: skip
def test_what_no_job_could_use_is_named_before_any_runs(change, said):
    config = copy.deepcopy(CONFIG)
    change(config)
    with pytest.raises(GoodpartError, match=re.escape(said)):
        check(config, ROOT)


def test_a_folder_may_end_with_a_slash():
    config = copy.deepcopy(CONFIG)
    config["paths"]["figures"] = "figures/"
    check(config, ROOT)
    assert config["paths"]["figures"] == "figures"


def test_family_and_layers_come_from_the_checkpoint():
    config = copy.deepcopy(CONFIG)
    for name in ("llada-tiny-instruct", "qwen2.5-tiny"):
        del config["models"][name]["family"], config["models"][name]["layers"]
    checked = check(config, ROOT)
    found = {name: (checked.models[name].family, checked.models[name].layers) for name in config["models"]}
    assert found["llada-tiny-instruct"] == ("llada", 32)
    assert found["qwen2.5-tiny"] == ("qwen2", 28)


def test_why_a_config_json_cannot_tell_them_is_said(tmp_path):
    config = copy.deepcopy(CONFIG)
    config["models"]["mine"] = {"path": str(tmp_path / "model"), "layers_skipped": [0, 2]}
    said = message(copy.deepcopy(config))
    assert "models.mine: family and layers are left out, and" in said
    assert f"{tmp_path}/model/config.json" in said
    assert "add it" not in said
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text('{"model_type": "bert"}')
    said = message(config)
    assert f"{tmp_path}/model/config.json: " in said
    assert "the key family" not in said


def test_they_come_from_a_shape_or_a_download_too(tmp_path):
    config = copy.deepcopy(CONFIG)
    entry = {"hub": "some/model", "layers_skipped": [0, 2]}
    config["models"]["mine"] = {**entry, "shape": "workflow/resources/shapes/a2d-qwen3-0.6b.json"}
    checked = check(copy.deepcopy(config), ROOT)
    assert (checked.models["mine"].family, checked.models["mine"].layers) == ("llada", 28)
    config["models"]["mine"] = entry
    assert "models.mine: the key family is missing; add it" in message(copy.deepcopy(config))
    folder = tmp_path / "model" / "some--model" / "main"
    folder.mkdir(parents=True)
    shape = (ROOT / "workflow" / "resources" / "shapes" / "qwen2.5-0.5b.json").read_text()
    (folder / "config.json").write_text(shape)
    (folder / "download.json").write_text("{}")  # a download that is complete
    config["downloads"] = {"folder": str(tmp_path)}
    checked = check(config, ROOT)
    assert (checked.models["mine"].family, checked.models["mine"].layers) == ("qwen2", 24)


def test_mistakes_of_training_seeds():
    config = broken(controlled_study__seeds={"nobody": ["y"], "qwen2.5-tiny": ["dream-tiny-base", "x"]})
    found = message(config)
    assert "nobody" not in found  # of a model that is not in the study
    assert "controlled_study.seeds.qwen2.5-tiny: 'x' is not in models" in found
    assert "'dream-tiny-base' is one of controlled_study.models; name other checkpoints" in found
