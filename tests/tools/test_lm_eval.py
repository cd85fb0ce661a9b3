"""The bridge to lm-evaluation-harness, on local tasks without a network."""

import importlib
import json
import re

import pytest

from conftest import ROOT, tool
from goodpart.benchmarks import benchmark_module, scorer_module
from goodpart.decoding.decode import decode, settings_for
from goodpart.errors import GoodpartError
from goodpart.jobs.files import read_jsonl, write_json
from goodpart.models.loading import load
from goodpart.models.skipping import skipping
from goodpart_tools.lm_eval_model import Goodpart, _cut, layers_of, register

MODELS = ROOT / "workflow" / "resources" / "models"
DATA = ROOT / "workflow" / "resources" / "benchmarks" / "gsm8k-test.jsonl"
# As lm-evaluation-harness's own gsm8k task reads answers.
STRICT, FLEXIBLE = r"#### (\-?[0-9\.\,]+)", r"(-?[$0-9.,]{2,})|(-?[0-9]+)"


def test_without_the_library_it_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "lm_eval.api.registry", None)
    with pytest.raises(GoodpartError, match=r"pip install -e '\.\[lm-eval\]'"):
        register()


@pytest.mark.parametrize(
    ("skip", "layers"), [(None, []), ("", []), ("3+7", [3, 7]), (5, [5]), ([9, 2], [2, 9])]
)
def test_layers_of_an_argument(skip, layers):
    assert layers_of(skip, 28) == layers


def test_layers_of_a_file_and_of_nonsense(tmp_path):
    write_json(tmp_path / "k2.json", {"layers": [4, 8], "index_base": 0})
    assert layers_of(str(tmp_path / "k2.json"), 28) == [4, 8]
    with pytest.raises(GoodpartError, match=r"give a skip set's file, or layers as 3\+7"):
        layers_of("three", 28)
    with pytest.raises(GoodpartError, match="do not exist"):
        layers_of("99", 28)


def test_a_text_ends_at_the_first_of_its_ends():
    assert _cut("a\n\nb; c", ["; ", "\n\n"]) == "a"
    assert _cut("abc", None) == "abc"
    assert _cut("abc", "c") == "ab"


@pytest.fixture(scope="module")
def lm_eval():
    return pytest.importorskip("lm_eval", reason="lm-evaluation-harness is not installed (the extra lm-eval)")


class Request:
    def __init__(self, *args):
        self.args = args


def test_likelihoods_are_those_of_its_own_model(lm_eval):
    """Autoregressive: its `hf` model reads the same checkpoint by plain transformers."""
    huggingface = importlib.import_module("lm_eval.models.huggingface")
    folder = str(MODELS / "qwen2.5-tiny")
    own = huggingface.HFLM(pretrained=folder, dtype="float32", device="cpu", batch_size=4)
    here = Goodpart(pretrained=folder, dtype="float32", device="cpu", batch_size=3)
    requests = [
        Request("Solve $x+3=9$.\n", "9-3=\\boxed{6}"),
        Request("Ann has 3 pens, finds 2. How many now?\n", "3+2=5\n#### 5"),
        Request("Ann has 3 pens, finds 2. How many now?\n", "3+2=7"),
        Request("", "def calc(x):\n    return x"),
    ]
    expected = own.loglikelihood(requests, disable_tqdm=True)
    for (a, greedy), (b, also) in zip(here.loglikelihood(requests, True), expected, strict=True):
        assert a == pytest.approx(b, abs=1e-4)
        assert greedy == also
    texts = [Request("Solve $x+3=9$."), Request("def f(x):")]
    rolled = own.loglikelihood_rolling(texts, disable_tqdm=True)
    assert here.loglikelihood_rolling(texts) == pytest.approx(rolled, abs=1e-4)


@pytest.mark.parametrize("name", ["qwen2.5-tiny", "llada-tiny-instruct", "dream-tiny-base"])
def test_completions_are_those_of_this_project(lm_eval, name):
    model = load(str(MODELS / name), dtype="float32", device="cpu")
    here = Goodpart(pretrained=str(MODELS / name), dtype="float32", device="cpu", skip="3+9", batch_size=2)
    prompts = [f"Solve $x+{n}=9$.\n" for n in (2, 3, 5)]
    made = here.generate_until([Request(p, {"until": ["\n\n"], "max_gen_toks": 16}) for p in prompts])
    more = {"block_length": 16} if model.family == "llada" else {}
    ids = model.tokenizer(prompts)["input_ids"]
    with skipping(model, [3, 9]):
        alone = decode(model, ids, settings_for(model, max_new_tokens=16, **more))
    assert made == [
        _cut(model.tokenizer.decode(o.token_ids, skip_special_tokens=True), "\n\n") for o in alone
    ]


def test_sampling_that_a_task_asks_for_is_refused(lm_eval):
    here = Goodpart(pretrained=str(MODELS / "qwen2.5-tiny"), device="cpu")
    with pytest.raises(GoodpartError, match="asks to sample"):
        here.generate_until([Request("a", {"do_sample": True})])


def test_a_local_task_from_its_command_line(lm_eval, tmp_path, monkeypatch, capsys):
    """GSM8K in its own format: the harness's two readings of each completion agree with ours."""
    rows = read_jsonl(DATA)[:8]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    first = "  - function: take_first"
    (tmp_path / "local.yaml").write_text(f"""
task: local_gsm8k
dataset_path: json
dataset_kwargs: {{data_files: {{test: {tmp_path}/rows.jsonl}}}}
output_type: generate_until
test_split: test
doc_to_text: "{{{{question}}}}\\n"
doc_to_target: "{{{{answer.split('####')[-1].strip()}}}}"
generation_kwargs: {{until: ["<|end|>"], do_sample: false, max_gen_toks: 24}}
metric_list: [{{metric: exact_match, aggregation: mean, higher_is_better: true}}]
filter_list:
- name: strict
  filter:
  - {{function: regex, regex_pattern: '{STRICT}'}}
{first}
- name: flexible
  filter:
  - {{function: regex, group_select: -1, regex_pattern: '{FLEXIBLE}'}}
{first}
""")
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.chdir(tmp_path)
    model = f"pretrained={MODELS / 'qwen2.5-tiny'},dtype=float32,skip=3"
    words = ["run", "--model", "goodpart", "--model_args", model, "--tasks", "local_gsm8k"]
    words += ["--include_path", str(tmp_path), "--output_path", "out", "--log_samples"]
    tool("lm_eval_model", words)
    [results] = (tmp_path / "out").rglob("results*.json")
    scored = json.loads(results.read_text())["results"]["local_gsm8k"]
    [samples] = (tmp_path / "out").rglob("samples*.jsonl")
    made = [json.loads(line) for line in samples.read_text().splitlines()]
    texts = {one["doc_id"]: one["resps"][0][0] for one in made}
    assert len(texts) == len(rows)
    module, scorer = benchmark_module("gsm8k"), scorer_module("gsm8k")
    strict = [scorer.strict(module.reference(row), texts[n]) for n, row in enumerate(rows)]
    assert scored["exact_match,strict"] == pytest.approx(sum(map(bool, strict)) / len(rows))
    found = [re.findall(FLEXIBLE, texts[n]) for n in range(len(rows))]
    last = [next(filter(None, parts[-1]), "") if parts else "" for parts in found]
    ours = [scorer.score(module.reference(row), texts[n]).correct for n, row in enumerate(rows)]
    same = [a == module.reference(row)["answer"] for a, row in zip(last, rows, strict=True)]
    assert scored["exact_match,flexible"] == pytest.approx(sum(same) / len(rows))
    # Where there is a ####, our reading takes only what follows it.
    assert sum(map(bool, ours)) <= sum(same)
