"""Mistakes in policies stop before any work; a policy of one's own is one file and one entry."""

import copy
import json
from types import SimpleNamespace

import pytest
from jinja2 import Template
from test_config import CONFIG, message

from conftest import ROOT
from goodpart.config import Configuration, check, policy_study_cells, run_cells, searched_ks
from goodpart.config.cells import asked_ks
from goodpart.config.policies import phase_mistakes


def with_policy(name="mine", in_run=True, **entry):
    config = copy.deepcopy(CONFIG)
    config["policies"][name] = entry
    if in_run:
        config["run"]["policies"] = ["similarity", name]
    return config


def filled(config):
    """The typed configuration, checked one by one alone."""
    return Configuration.model_validate(config)


def test_defaults_are_those_of_the_kind():
    config = with_policy(kind="random_layers")
    check(config, ROOT)
    assert config["policies"]["mine"] == {
        "kind": "random_layers", "seed": 0, "adjacent": False, "protected": [],
    }  # fmt: skip
    assert config["policies"]["block_influence"].keys() == {"kind", "positions", "protected"}


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"kind": "algorythm1"}, "policies.mine.kind: there is no goodpart/policies/algorythm1.py"),
        ({"kind": "algorithm1", "treshold": 0.9},
         "the kind algorithm1 has no setting 'treshold'; did you mean 'threshold'?"),
        ({"kind": "first", "threshold": 0.9}, "the kind first has no setting 'threshold'"),
        ({"kind": "first", "mode": "per_prompt"}, "per_prompt needs a kind that chooses from similarities"),
        ({"kind": "algorithm1", "positions": "last"}, "positions: last is for angles only"),
        ({"kind": "algorithm1", "benchmarks": ["tiny-gsm9k"]}, "'tiny-gsm9k' is in neither benchmarks nor"),
        ({"kind": "algorithm1", "layers_skipped": {"gpt": [2]}}, "'gpt' is in neither benchmarks nor models"),
        ({"kind": "algorithm1", "layers_skipped": []}, "policies.mine.layers_skipped: [] is not allowed"),
        ({"kind": "algorithm1", "layers_skipped": [2, 17]},
         "policies.mine.layers_skipped: 17 is more than 32 layers allow"),
        ({"kind": "adaptive"}, "qwen2.5-tiny is autoregressive, without denoising steps to adapt to"),
        ({"kind": "file"}, "policies.mine.path: is missing; name the file"),
        ({"kind": "file", "path": "nowhere/{model}-k{k}.json", "layers_skipped": [2]},
         "nowhere/llada-tiny-instruct-k2.json: no such file; correct the path"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_fix(entry, said):
    assert said in message(with_policy(**entry))


def test_an_adaptive_policy_and_a_cache():
    config = with_policy(kind="adaptive", layers_skipped={"llada-tiny-instruct": [2]})
    check(copy.deepcopy(config), ROOT)
    config["decodes"]["default"]["llada"]["cache"] = "dual"
    assert (
        "change by step and a cache exclude each other; let decodes.default.llada.cache be none"
        in message(config)
    )


def test_an_adaptive_policy_needs_a_captured_step_in_every_phase():
    config = with_policy(kind="adaptive", layers_skipped={"llada-tiny-instruct": [2]})
    for steps in ([0, 3, 9], 3):
        config["capture"]["steps"] = steps
        assert "capture.steps: 3 of them do not reach 4 phases" in message(copy.deepcopy(config))
    config["capture"]["steps"] = [0, 1, 2, 3]  # of 24 and of 32: as many as phases, and all in the first
    assert (
        "capture.steps: 4 of them do not reach 4 phases of policies.mine (none is in phase 1, 2, 3)"
        in message(copy.deepcopy(config))
    )
    for steps in ("all", [0, 7, 14, 20], [0, 8, 16, 24]):
        config["capture"]["steps"] = steps
        check(copy.deepcopy(config), ROOT)


def test_the_phases_reached_are_those_of_the_presets_own_number_of_steps():
    config = with_policy(kind="adaptive", layers_skipped={"llada-tiny-instruct": [2]})
    config["capture"]["steps"] = [0, 1, 2, 3]
    config["decodes"]["default"]["llada"]["steps"] = 4
    assert list(phase_mistakes(filled(config), "mine", "llada-tiny-instruct")) == []
    config["decodes"]["default"]["llada"]["steps"] = 8
    [said] = phase_mistakes(filled(config), "mine", "llada-tiny-instruct")
    assert "(none is in phase 2, 3)" in said
    config["capture"]["steps"] = [9]  # after the last
    [said] = phase_mistakes(filled(config), "mine", "llada-tiny-instruct")
    assert "capture.steps: 0 of them do not reach 4 phases" in said


def test_an_autoregressive_model_of_the_study_leaves_the_policy_out_there():
    config = with_policy(kind="adaptive", in_run=False, layers_skipped={"llada-tiny-instruct": [2]})
    config["policy_study"] |= {"model": "qwen2.5-tiny", "policies": ["mine"]}
    for config["run"]["policies"] in (["similarity"], ["similarity", "mine"]):
        [said] = phase_mistakes(filled(config), "mine", "qwen2.5-tiny")
        assert said.endswith("take mine out of policy_study.policies, or choose a diffusion model")
    del config["policies"]["mine"]["layers_skipped"]
    [said] = phase_mistakes(filled(config), "mine", "qwen2.5-tiny")
    assert said.endswith("name the diffusion models in policies.mine.layers_skipped")


def test_a_study_that_cannot_be_made_stops_only_its_own_target(workflow):
    (workflow.folder / "few.yaml").write_text("capture: {steps: [0]}\n")
    assert workflow.jobs("paper_figs/table1.csv", "--configfile", "few.yaml")["cells"] == 1
    run = workflow.snakemake("--dry-run", "policy_study", "--configfile", "few.yaml")
    assert run.returncode != 0
    assert "capture.steps: 1 of them do not reach 4 phases of policies.adaptive" in run.stdout


def test_a_file_is_checked_for_each_model_and_k(tmp_path):
    only = {"llada-tiny-instruct": [2]}
    path = str(tmp_path / "{model}-k{k}.json")
    file = tmp_path / "llada-tiny-instruct-k2.json"
    config = with_policy(kind="file", path=path, layers_skipped=only)
    file.write_text(json.dumps({"layers": [3, 40]}))
    assert "layers [40] do not exist: the model has layers 0 to 31" in message(copy.deepcopy(config))
    file.write_text(json.dumps({"layers": [3, 5, 7]}))
    assert "has more layers than k = 2" in message(copy.deepcopy(config))
    file.write_text(json.dumps({"layers": [3, 4]}))
    check(config, ROOT)


def test_mistakes_of_the_policy_study():
    config = copy.deepcopy(CONFIG)
    config["policy_study"] |= {"model": "llama", "benchmark": "arc", "overlap": "similarity"}
    config["policy_study"]["policies"] = ["similarity", "random-9"]
    said = message(config)
    assert "policy_study.model: 'llama' is not in models" in said
    assert "policy_study.benchmark: 'arc' is not in benchmarks" in said
    assert "policy_study.policies: 'random-9' is not in policies; did you mean 'random-" in said
    assert "policy_study.overlap: 'similarity' is not per_prompt" in said
    config = copy.deepcopy(CONFIG)
    config["policy_study"]["layers_skipped"] = [0, 17]
    assert "policy_study.layers_skipped: 17 is more than 32 layers allow" in message(config)
    config = copy.deepcopy(CONFIG)
    config["skip_figures"]["selection"]["policy"] = "similarity"
    assert "skip_figures.selection.policy: 'similarity': the figure needs a policy with" in message(config)
    for section in ("policy_study", "skip_figures"):
        config = copy.deepcopy(CONFIG)
        del config[section]
        check(config, ROOT)


def test_the_controlled_study_needs_a_static_policy():
    for name in ("per_prompt", "adaptive"):
        config = copy.deepcopy(CONFIG)
        config["controlled_study"]["policy"] = name
        said = message(config)
        assert f"controlled_study.policy: the sets of {name!r} change by prompt or by step" in said
        assert "choose a static policy" in said
    config["controlled_study"]["policy"] = "block_influence"
    check(config, ROOT)


def test_table_1_shows_a_policy_of_the_run():
    config = copy.deepcopy(CONFIG)
    config["run"]["policies"] = ["contiguous", "first"]
    check(copy.deepcopy(config), ROOT)
    config["table"]["policy"] = "similarity"
    said = message(copy.deepcopy(config))
    assert "table.policy: 'similarity' is not in run.policies; name one of contiguous, first" in said
    config["table"]["policy"] = "first"
    check(config, ROOT)


def test_the_caption_of_table_1_names_its_policy():
    caption = Template((ROOT / "workflow" / "report" / "table1.rst").read_text())
    config = {"run": {"policies": ["contiguous", "first"]}, "table": {}}
    assert "the policy contiguous." in caption.render(snakemake=SimpleNamespace(config=config))
    config["table"]["policy"] = "first"
    assert "the policy first." in caption.render(snakemake=SimpleNamespace(config=config))


def test_each_figure_of_skipping_may_be_left_out():
    for key in ("mechanism", "selection"):
        for policies in (["similarity"], ["per_prompt"]):
            config = copy.deepcopy(CONFIG)
            config["run"]["policies"] = policies
            del config["skip_figures"][key]
            check(config, ROOT)


def test_which_cells_a_run_has():
    config = copy.deepcopy(CONFIG)
    config = check(config, ROOT)
    cells = run_cells(config)
    assert len(cells) == len(set(cells)) == 4 * 4 + 4 * (6 + 3 + 3 + 3) + 2 * (3 + 3)
    adjacent = {(model, k) for model, _, policy, k in cells if policy == "adjacent"}
    assert adjacent == {("llada-tiny-instruct", k) for k in (4, 6, 8)} | {
        ("dream-tiny-base", k) for k in (2, 3, 4)
    }
    assert asked_ks(config, "adjacent", "qwen2.5-tiny", [0, 2]) == []
    assert asked_ks(config, "similarity", "qwen2.5-tiny", [0, 4, 2]) == [2, 4]
    study = config.policy_study
    assert len(policy_study_cells(config)) == 1 + 3 * len(study.policies)
    assert searched_ks(config, "kl_search", study.model) == study.layers_skipped
    assert searched_ks(config, "similarity", "dream-tiny-scratch") == [2, 4, 8]  # of the controlled study


def test_the_k_of_latency_and_of_figure_2_are_searched_too():
    config = copy.deepcopy(CONFIG)
    config["latency"] |= {"policy": "kl_search", "layers_skipped": {"dream-tiny-base": 3}}
    config["latency"]["models"] = ["dream-tiny-base"]
    config["skip_figures"]["mechanism"] = {"model": "llada-tiny-instruct", "policy": "kl_search", "k": 5}
    checked = check(config, ROOT)
    assert searched_ks(checked, "kl_search", "dream-tiny-base") == [3]
    assert searched_ks(checked, "kl_search", "llada-tiny-instruct") == [2, 4, 5, 6]
    config["skip_figures"]["mechanism"]["model"] = "not-in-the-run"
    checked = Configuration.model_validate(config)
    assert searched_ks(checked, "kl_search", config["run"]["models"][0]) == [2, 4, 5, 6]
    assert searched_ks(checked, "kl_search", "dream-tiny-instruct") == []


def test_the_policy_of_latency_is_checked_as_any_that_is_used():
    config = with_policy(in_run=False, kind="algorithm1", treshold=0.9)
    check(copy.deepcopy(config), ROOT)  # nothing asks for it
    config["latency"]["policy"] = "mine"
    assert "the kind algorithm1 has no setting 'treshold'; did you mean 'threshold'?" in message(config)


def test_a_file_without_a_path_is_named_wherever_it_is_asked_for():
    for section in ("latency", "controlled_study"):
        config = with_policy(in_run=False, kind="file")
        config[section]["policy"] = "mine"
        assert "policies.mine.path: is missing; name the file" in message(config)


def test_a_policy_of_ones_own_is_one_file_and_one_entry(workflow):
    """Every third layer, with a setting that no other policy has."""
    (workflow.folder / "workflow" / "goodpart" / "policies" / "thirds.py").write_text(
        "from goodpart.policies import choice_of\n"
        "NEEDS = 'layers'\n"
        "SETTINGS = {'start': 1}\n"
        "def choose(layers, k, settings):\n"
        "    return choice_of(range(settings['start'], layers, 3)[:k], k, 'no more')\n"
    )
    (workflow.folder / "own.yaml").write_text(
        "run: {models: [qwen2.5-tiny], benchmarks: [tiny-math500], policies: [mine]}\n"
        "policies: {mine: {kind: thirds, start: 2}}\n"
    )
    target = "results/skip_sets/qwen2.5-tiny/mine/k3.json"
    run = workflow.snakemake(target, "--cores", "1", "--configfile", "own.yaml")
    assert run.returncode == 0, run.stdout
    written = json.loads((workflow.folder / target).read_text())
    assert written["layers"] == [2, 5, 8]
    assert workflow.jobs("--configfile", "own.yaml")["generations"] == 4


OWN_STUDY = {
    "models": ["qwen2.5-tiny", "dream-tiny-base"],
    "benchmarks": ["tiny-mbpp", "tiny-gsm8k"],
    "policies": ["similarity", "adjacent"],
    "layers_skipped": [0, 2, 5],
}


def test_a_study_of_ones_own_is_one_entry_and_one_table(workflow):
    (workflow.folder / "own.yaml").write_text(json.dumps({"studies": {"mine": OWN_STUDY}}))
    jobs = workflow.jobs("results/mine.parquet", "--configfile", "own.yaml")
    cells = 2 * 2 * (1 + 2 * 2)
    assert jobs["generations"] == jobs["scores"] == cells
    assert jobs["skip_set"] == 2 * 2 * 2
    assert jobs["cells"] == 1
    assert workflow.jobs("paper_figs/table1.csv", "--configfile", "own.yaml")["cells"] == 1


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("cells", {}, "studies.cells: the name is taken by results/cells.parquet; choose another"),
        ("quality_t16", {}, "studies.quality_t16: the name is taken"),
        ("mine", {"models": ["qwen"]}, "studies.mine.models: 'qwen' is not in models; known are"),
        ("mine", {"policies": ["simlarity"]}, "studies.mine.policies: 'simlarity' is not in policies"),
        ("mine", {"layers_skipped": [30]}, "studies.mine.layers_skipped: 30 is more than 28 layers allow"),
        ("mine", {"decode": "fast"}, "studies.mine.decode: 'fast' is not in decodes"),
        ("mine", {"layers": [3]}, "studies.mine: unknown key 'layers'; did you mean 'layers_skipped'?"),
    ],
)
def test_mistakes_of_a_study_of_ones_own(name, change, said):
    config = copy.deepcopy(CONFIG)
    config["studies"] = {name: OWN_STUDY | change}
    assert said in message(config)
