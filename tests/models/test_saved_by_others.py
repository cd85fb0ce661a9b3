"""Checkpoints that other programs save: read as transformers reads them, or refused with the reason."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file, save_model
from transformers import AutoModel, AutoModelForCausalLM, LlamaConfig, Phi3Config, Qwen2Config, Qwen3Config

from conftest import ROOT
from goodpart.benchmarks import benchmark_module, items, scorer_module
from goodpart.decoding.decode import decode, settings_for
from goodpart.decoding.prompts import render
from goodpart.errors import GoodpartError
from goodpart.models.checkpoints.architecture import architecture
from goodpart.models.checkpoints.reading import read_checkpoint
from goodpart.models.loading import load, load_tokenizer
from goodpart.states.first_pass import first_pass

QWEN = ROOT / "workflow" / "resources" / "models" / "qwen2.5-tiny"
SMALL = {
    **{"vocab_size": 608, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3},
    **{"num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 64},
    **{"bos_token_id": 1, "eos_token_id": 0, "pad_token_id": 0},
}
NEXT = 608  # the id of the next token of that tokenizer


@pytest.fixture
def qwen(tmp_path):
    return shutil.copytree(QWEN, tmp_path / "model")


def edit(folder, name, **keys):
    file = folder / name
    raw = json.loads(file.read_text()) if file.exists() else {}
    file.write_text(json.dumps({**raw, **keys}))


def saved(folder, config, kind=AutoModelForCausalLM):
    """A checkpoint as transformers writes it, with random weights and the tiny tokenizer."""
    torch.manual_seed(0)
    model = kind.from_config(config).eval()
    model.save_pretrained(folder)
    for file in QWEN.glob("tokenizer*"):
        shutil.copy(file, folder)
    return model


def test_slow_files_of_another_class_are_refused(qwen):
    tokenizer = json.loads((qwen / "tokenizer.json").read_text())
    (qwen / "tokenizer.json").unlink()
    pairs = [m if isinstance(m, str) else " ".join(m) for m in tokenizer["model"]["merges"]]
    (qwen / "vocab.json").write_text(json.dumps(tokenizer["model"]["vocab"]))
    (qwen / "merges.txt").write_text("#version: 0.2\n" + "\n".join(pairs) + "\n")
    (qwen / "added_tokens.json").write_text(
        json.dumps({one["content"]: one["id"] for one in tokenizer["added_tokens"]})
    )
    edit(qwen, "tokenizer_config.json", tokenizer_class="Qwen2Tokenizer")
    assert load_tokenizer(qwen)("x = 3")["input_ids"] == load_tokenizer(QWEN)("x = 3")["input_ids"]
    edit(qwen, "tokenizer_config.json", tokenizer_class="GPT2Tokenizer")
    with pytest.raises(GoodpartError, match=r"'GPT2Tokenizer' are split by other rules.*save a token"):
        read_checkpoint(qwen)


def resize(folder, rows):
    """An embedding with other numbers of rows."""
    weights = load_file(folder / "model.safetensors")
    for name in ("model.embed_tokens.weight", "lm_head.weight"):
        weights[name] = weights[name].repeat(2, 1)[:rows].clone()
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    edit(folder, "config.json", vocab_size=rows)


@pytest.mark.parametrize("special", [True, False])
def test_a_declared_token_is_special_where_its_file_says_so(qwen, special):
    resize(qwen, NEXT + 1)
    declared = {str(NEXT): {"content": "<think>", "special": special}}
    edit(qwen, "tokenizer_config.json", added_tokens_decoder=declared)
    tokenizer = load_tokenizer(qwen)
    ids = tokenizer("a<think>b")["input_ids"]
    assert NEXT in ids
    assert ("<think>" in tokenizer.decode(ids, skip_special_tokens=True)) is not special


def test_tokens_of_older_files_are_taken_or_refused(qwen):
    resize(qwen, NEXT + 1)
    edit(qwen, "added_tokens.json", **{"<think>": NEXT})
    assert NEXT in load_tokenizer(qwen)("a<think>b")["input_ids"]
    edit(qwen, "special_tokens_map.json", additional_special_tokens=["<zzz>"])
    with pytest.raises(GoodpartError, match="additional_special_tokens: '<zzz>' has no id; declare it"):
        read_checkpoint(qwen)


def test_an_added_token_beyond_the_embedding_is_no_token_of_a_prompt(qwen):
    """As Gemma 3's of images in models without them."""
    resize(qwen, NEXT)
    tokenizer = json.loads((qwen / "tokenizer.json").read_text())
    one = {**tokenizer["added_tokens"][0], "id": NEXT, "content": "<image_soft_token>"}
    tokenizer["added_tokens"].append(one)
    (qwen / "tokenizer.json").write_text(json.dumps(tokenizer))
    assert max(load_tokenizer(qwen)("a <image_soft_token> b")["input_ids"]) < NEXT
    edit(qwen, "tokenizer_config.json", eos_token="<image_soft_token>")
    with pytest.raises(GoodpartError, match=f"eos_token has the id {NEXT}, outside the vocabulary"):
        read_checkpoint(qwen)


@pytest.mark.parametrize("config", [LlamaConfig, Qwen3Config])
def test_a_base_class_without_a_head(tmp_path, config):
    base = saved(tmp_path, config(**SMALL, tie_word_embeddings=True), AutoModel)
    module = load(str(tmp_path), device="cpu").module.model
    ids = torch.arange(5, 12)[None]
    with torch.inference_mode():
        assert torch.equal(module(ids).last_hidden_state, base(ids).last_hidden_state)


def test_a_tied_matrix_may_be_stored_as_the_head(tmp_path):
    model = saved(tmp_path, Qwen2Config(**SMALL, tie_word_embeddings=True))
    save_model(model, str(tmp_path / "model.safetensors"), {"format": "pt"})
    kept = set(load_file(tmp_path / "model.safetensors"))
    assert ("lm_head.weight" in kept) != ("model.embed_tokens.weight" in kept)
    ids = torch.arange(5, 12)[None]
    with torch.inference_mode():
        assert torch.equal(load(tmp_path, device="cpu").module(ids).logits, model(ids).logits)


TURN = "{% for m in messages %}{{ m.content }}{% endfor %}"
MARKED = (
    "{% for m in messages %}{% if m.role == 'assistant' %}{% generation %}{{ m.content }}{% endgeneration %}"
    "{% else %}<{{ m.content | tojson(ensure_ascii=False) }}>{% endif %}{% endfor %}"
)


def test_templates_as_trainers_and_transformers_write_them(qwen):
    (qwen / "chat_template.jinja").write_text(MARKED)
    assert read_checkpoint(qwen).template_mistake is None
    [row] = render(load_tokenizer(qwen), ["sun"], True)
    assert load_tokenizer(qwen).decode(row) == '<"sun">'
    (qwen / "chat_template.jinja").unlink()
    edit(qwen, "tokenizer_config.json", chat_template={"default": TURN, "tool_use": ""})
    assert read_checkpoint(qwen).tokenizer.template == TURN


def test_a_space_before_the_first_word_is_what_tokenizer_json_says(qwen):
    edit(qwen, "tokenizer_config.json", add_prefix_space=True)
    with pytest.raises(GoodpartError, match=r"add_prefix_space = True, and tokenizer\.json does the"):
        read_checkpoint(qwen)
    tokenizer = json.loads((qwen / "tokenizer.json").read_text())
    own = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": False, "use_regex": False}
    tokenizer["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [own]}
    (qwen / "tokenizer.json").write_text(json.dumps(tokenizer))
    assert read_checkpoint(qwen).tokenizer is not None


def test_names_that_are_never_asked_for_may_be_unknown(qwen):
    edit(qwen, "special_tokens_map.json", unk_token="<unk>", cls_token="")
    assert "unk_token" not in read_checkpoint(qwen).tokenizer.special


@pytest.mark.parametrize(
    "config",
    [
        LlamaConfig(
            **{**SMALL, "max_position_embeddings": 24}, rope_scaling={"type": "dynamic", "factor": 4.0}
        ),
        Phi3Config(
            **SMALL,
            original_max_position_embeddings=24,
            rope_scaling={"type": "longrope", "short_factor": [1.0] * 4, "long_factor": [2.0] * 4},
        ),
    ],
    ids=["dynamic", "longrope"],
)
def test_no_completion_depends_on_the_length_of_its_neighbours(tmp_path, config):
    saved(tmp_path, config)
    model = load(tmp_path, device="cpu")
    settings = settings_for(model, max_new_tokens=8)
    short, longer = list(range(5, 13)), list(range(5, 21))
    [alone], both = decode(model, [short], settings), decode(model, [short, longer], settings)
    assert both[0].token_ids == alone.token_ids
    with pytest.raises(GoodpartError, match=r"34 tokens of prompt and completion.*beyond 24 tokens"):
        decode(model, [short, list(range(5, 31))], settings)


def test_a_bidirectional_gemma_is_refused(tmp_path):
    with pytest.raises(GoodpartError, match="use_bidirectional_attention = True is not implemented"):
        architecture({"model_type": "gemma3_text", "use_bidirectional_attention": True}, "config.json")


@pytest.mark.parametrize(
    ("name", "adapter"),
    [("explorations.safetensors", False), ("my_LoRA.safetensors", True), ("adapters.safetensors", True)],
)
def test_adapters_are_known_by_their_names(qwen, name, adapter):
    shutil.copy(qwen / "model.safetensors", qwen / name)
    if adapter:
        with pytest.raises(GoodpartError, match="an adapter"):
            read_checkpoint(qwen)
    else:
        read_checkpoint(qwen)


def test_devices_and_paths_of_other_types(tmp_path):
    edit(shutil.copytree(QWEN, tmp_path / "m"), "config.json", return_dict=False)
    assert load(tmp_path / "m", device=torch.device("cpu")).device.type == "cpu"
    with pytest.raises(GoodpartError, match="no such folder"):
        load(tmp_path / "nope")


@pytest.mark.parametrize(
    ("kind", "text", "said"),
    [
        ("math500", r'{"problem": "p", "answer": "\frac{1}{2}"}', "backslashes must be doubled"),
        ("math500", r'{"problem": "p", "answer": "\text{yes}"}', "backslashes must be doubled"),
        ("math500", '{"problem": "p", "answer": NaN}', "row 0.*the answer nan is no number"),
        ("math500", r'{"problem": "p\ud83d", "answer": "1"}', "row 0 holds half of a character"),
        ("math500", "[" * 100_000, "cannot be read"),
        ("math500", '{"problem": "p", "answer": ' + "1" * 5000 + "}", "line 1 is not JSON"),
        (
            "mbpp",
            json.dumps(
                {
                    **{"task_id": 1, "text": "t", "code": "def f(x):\n    return x"},
                    **{"test_list": ["assert f(1) == 1"], "test_imports": "import math"},
                }
            ),
            "test_imports 'import math' is no list",
        ),
        (
            "humaneval",
            json.dumps(
                {
                    **{"task_id": "a/0", "prompt": "def half(x):\n", "entry_point": "hal"},
                    "test": "def check(f):\n    assert f(2) == 1",
                }
            ),
            "row 0.*its prompt does not name its entry_point 'hal'",
        ),
    ],
)
def test_data_that_would_judge_every_completion_wrong(tmp_path, kind, text, said):
    (tmp_path / "rows.jsonl").write_text(text + "\n")
    source = {"path": str(tmp_path / "rows.jsonl")}
    with pytest.raises(GoodpartError, match=said):
        items.checked_rows(source, benchmark_module(kind), scorer_module(kind))


def test_ids_that_are_no_numbers_are_named(tmp_path):
    row = {
        "task_id": "Mbpp/2",
        "text": "t",
        "code": "def f(x):\n    return x",
        "test_list": ["assert f(1) == 1"],
    }
    (tmp_path / "rows.jsonl").write_text(json.dumps(row) + "\n")
    source = {"path": str(tmp_path / "rows.jsonl"), "ids": [1, 10]}
    with pytest.raises(GoodpartError, match="task_id 'Mbpp/2' is no number"):
        items.checked_rows(source, benchmark_module("mbpp"))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("", "_orig_mod.", "a compiled model was saved .*`model._orig_mod`, or remove '_orig_mod.'"),
        ("layers.1.", "layers.1._orig_mod.", "a compiled model was saved"),
        ("", "module.", "DataParallel.*save `model.module`"),
        ("", "base_model.model.", "merge it first"),
    ],
)
def test_names_of_a_wrapper_are_explained(qwen, old, new, said):
    weights = load_file(qwen / "model.safetensors")
    renamed = {name.replace(old, new, 1): tensor for name, tensor in weights.items()}
    save_file(renamed, qwen / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(GoodpartError, match=said):
        read_checkpoint(qwen)


@pytest.mark.parametrize(
    "keys",
    [
        {"rope_scaling": {"type": "linear", "factor": 1.0}},
        {"rope_scaling": {"rope_type": "linear", "factor": 1, "rope_theta": 1000000.0}},
        {"rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "partial_rotary_factor": 1.0}},
        {"partial_rotary_factor": 1.0, "attn_implementation": "sdpa", "use_return_dict": True},
    ],
)
def test_keys_that_change_nothing_are_taken(qwen, keys):
    before = read_checkpoint(qwen).architecture
    edit(qwen, "config.json", **keys)
    assert read_checkpoint(qwen).architecture == before


@pytest.mark.parametrize(
    "keys",
    [
        {"rope_scaling": {"type": "linear", "factor": 2.0}},
        {"rope_scaling": {"type": "linear", "factor": True}},
        {"rope_scaling": {"type": "yarn", "factor": 1.0}},
        {"rope_scaling": {"type": "default", "factor": 1.0}},
        {"rope_parameters": {"rope_theta": 1e6, "partial_rotary_factor": 0.5}},
        {"partial_rotary_factor": 0.5},
    ],
)
def test_keys_that_change_the_rotation_are_refused(qwen, keys):
    edit(qwen, "config.json", **keys)
    with pytest.raises(GoodpartError, match="is not implemented"):
        read_checkpoint(qwen)


def test_the_first_pass_has_the_limit_of_decoding(tmp_path):
    rotation = {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 1e4}
    saved(tmp_path, LlamaConfig(**SMALL, rope_parameters=rotation))
    model = load(str(tmp_path))
    first_pass(model, [[5] * 64], canvas=8)
    with pytest.raises(GoodpartError, match="65 tokens"):
        first_pass(model, [[5], [5] * 65], canvas=8)
