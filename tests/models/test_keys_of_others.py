"""Keys and markers that public checkpoints have beside what their class reads: as transformers takes them."""

import json
import shutil

import pytest
import torch
from test_saved_by_others import QWEN, SMALL, edit, saved
from transformers import CONFIG_MAPPING, AutoModelForCausalLM, AutoTokenizer

from goodpart.decoding.decode import decode, settings_for
from goodpart.decoding.prompts import render
from goodpart.errors import GoodpartError
from goodpart.models.checkpoints.reading import read_checkpoint
from goodpart.models.export import export
from goodpart.models.loading import load, load_tokenizer

IDS = torch.arange(3, 33)[None]
MARKERS = ["<|im_start|>", "<|im_end|>"]
CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m.content + '<|im_end|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>' }}{% endif %}"
)


def made(kind, folder, **more):
    """A random checkpoint of a type, and transformers' own module."""
    return saved(folder, CONFIG_MAPPING[kind](**{**SMALL, **more}))


def same_logits(folder):
    """Whether a checkpoint gives the logits of the class that transformers picks for it."""
    theirs = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.inference_mode():
        ours = load(folder, dtype="float32", device="cpu").module(IDS).logits
        return torch.allclose(ours, theirs(IDS).logits, atol=1e-4)


def test_mistral_with_layer_types_is_the_class_that_reads_them(tmp_path):
    made("mistral", tmp_path, sliding_window=4)
    edit(tmp_path, "config.json", layer_types=["sliding_attention", "full_attention", "sliding_attention"])
    assert same_logits(tmp_path)
    model = load(tmp_path, dtype="float32", device="cpu")
    assert type(model.module).__name__ == "MinistralForCausalLM"
    prompts = [IDS[0].tolist(), [5, 6, 7]]
    settings = settings_for(model, max_new_tokens=6)
    alone = [decode(model, [prompt], settings)[0].token_ids for prompt in prompts]
    assert [one.token_ids for one in decode(model, prompts, settings)] == alone


@pytest.mark.parametrize(
    ("kind", "keys", "said"),
    [
        ("llama", {"sliding_window": 8}, "sliding_window = 8 is not implemented"),
        ("olmo2", {"layer_types": ["sliding_attention"] * 3}, "layer_types holds 'sliding_attention'"),
        ("phi3", {"layer_types": ["full_attention"] * 2}, "must be equal to the number of `layer_types`"),
        ("gemma2", {"sliding_window": 0}, "sliding_window = 0 is not a number of tokens, 1 or more"),
        ("phi3", {"attention_bias": True}, "attention_bias = True is not implemented"),
        ("olmo2", {"num_hidden_layers": 0}, "num_hidden_layers|it has no layers"),
    ],
)
def test_what_a_class_does_not_read_is_refused_unless_it_changes_nothing(tmp_path, kind, keys, said):
    made(kind, tmp_path)
    edit(tmp_path, "config.json", **keys)
    with pytest.raises(GoodpartError, match=said):
        load(tmp_path, device="cpu")


@pytest.mark.parametrize(
    ("kind", "keys"),
    [
        ("phi3", {"attention_bias": False, "mlp_bias": False, "full_attn_mod": 1, "interpolate_factor": 1}),
        ("smollm3", {"pretraining_tp": 2}),
        ("llama", {"pretraining_tp": 2, "sliding_window": None, "layer_types": ["full_attention"] * 3}),
        ("gemma2", {"attn_logit_softcapping": None, "sliding_window_size": 4096}),
        ("cohere", {"model_max_length": 8192}),
    ],
)
def test_keys_without_effect_are_taken(tmp_path, kind, keys):
    made(kind, tmp_path)
    edit(tmp_path, "config.json", **keys)
    assert same_logits(tmp_path)


def test_a_constant_of_all_layers_that_counts_them_cannot_be_exported(tmp_path):
    config = {"num_key_value_heads": 4, "qk_nope_head_dim": 8, "qk_rope_head_dim": 8, "v_head_dim": 8}
    made("minicpm3", tmp_path / "whole", **config, q_lora_rank=16, kv_lora_rank=16)
    with pytest.raises(GoodpartError, match=r"residual_scale is .* would be .* in a model of fewer layers"):
        export(tmp_path / "whole", [1], tmp_path / "shorter")
    assert not (tmp_path / "shorter").exists()


def test_export_of_what_config_json_leaves_out_and_of_folders_beside(tmp_path):
    layers = CONFIG_MAPPING["qwen3"]().num_hidden_layers
    made("qwen3", tmp_path / "whole", num_hidden_layers=layers, head_dim=8)
    raw = json.loads((tmp_path / "whole" / "config.json").read_text())
    del raw["num_hidden_layers"]
    (tmp_path / "whole" / "config.json").write_text(json.dumps(raw))
    (tmp_path / "whole" / "notes.json").mkdir()
    export(tmp_path / "whole", [1], tmp_path / "shorter")
    assert load(tmp_path / "shorter", device="cpu").layers == layers - 1


@pytest.fixture
def unmarked(tmp_path):
    """A tokenizer.json that has two markers in its vocabulary, not among its added tokens."""
    folder = shutil.copytree(QWEN, tmp_path / "model")
    file = json.loads((folder / "tokenizer.json").read_text())
    vocabulary = file["model"]["vocab"]
    for marker, piece in zip(MARKERS, list(vocabulary)[-2:], strict=True):  # of merges that are left out
        vocabulary[marker] = vocabulary.pop(piece)
        file["model"]["merges"] = [m for m in file["model"]["merges"] if "".join(m).replace(" ", "") != piece]
    (folder / "tokenizer.json").write_text(json.dumps(file))
    edit(folder, "tokenizer_config.json", chat_template=CHATML)
    (folder / "chat_template.jinja").unlink(missing_ok=True)
    return folder


@pytest.mark.parametrize("key", ["added_tokens_decoder", "additional_special_tokens", "extra_special_tokens"])
def test_markers_of_the_vocabulary_are_single_where_a_file_declares_them(unmarked, key):
    ids = json.loads((unmarked / "tokenizer.json").read_text())["model"]["vocab"]
    declared = {str(ids[marker]): {"content": marker, "special": True} for marker in MARKERS}
    edit(unmarked, "tokenizer_config.json", **{key: declared if key.startswith("added") else MARKERS})
    [row] = render(load_tokenizer(unmarked), ["hi"], True)
    turn = [{"role": "user", "content": "hi"}]
    theirs = AutoTokenizer.from_pretrained(unmarked)
    assert row == theirs.apply_chat_template(turn, add_generation_prompt=True, return_dict=False)
    assert [row.count(ids[marker]) for marker in MARKERS] == [2, 1]


def test_flags_are_those_of_tokenizer_config_json(unmarked):
    file = json.loads((unmarked / "tokenizer.json").read_text())
    number = file["model"]["vocab"][MARKERS[0]]
    one = {**file["added_tokens"][0], "id": number, "content": MARKERS[0], "special": False, "lstrip": False}
    file["added_tokens"].append(one)
    (unmarked / "tokenizer.json").write_text(json.dumps(file))
    entry = {**one, "lstrip": True, "special": True}
    edit(unmarked, "tokenizer_config.json", added_tokens_decoder={str(number): entry})
    ours, theirs = load_tokenizer(unmarked), AutoTokenizer.from_pretrained(unmarked)
    text = f"a  {MARKERS[0]} b"
    ids = ours(text)["input_ids"]
    assert ids == theirs(text)["input_ids"]
    assert ours.decode(ids, skip_special_tokens=True) == theirs.decode(ids, skip_special_tokens=True)


def test_markers_without_an_id_are_refused(unmarked):
    edit(unmarked, "tokenizer_config.json", extra_special_tokens=["<nowhere>"])
    with pytest.raises(GoodpartError, match="extra_special_tokens: '<nowhere>' has no id; declare it"):
        read_checkpoint(unmarked)


def test_all_that_a_tokenizer_writes_before_a_text_begins_a_plain_prompt(unmarked):
    file = json.loads((unmarked / "tokenizer.json").read_text())
    ids = {marker: file["model"]["vocab"][marker] for marker in MARKERS}
    file["post_processor"] = {
        "type": "TemplateProcessing",
        "single": [
            *({"SpecialToken": {"id": m, "type_id": 0}} for m in MARKERS),
            {"Sequence": {"id": "A", "type_id": 0}},
        ],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {m: {"id": m, "ids": [i], "tokens": [m]} for m, i in ids.items()},
    }
    (unmarked / "tokenizer.json").write_text(json.dumps(file))
    [row] = render(load_tokenizer(unmarked), ["hi\n"], False)
    assert row == AutoTokenizer.from_pretrained(unmarked)("hi\n")["input_ids"]
    assert row[:2] == list(ids.values())
    assert render(load_tokenizer(unmarked), ["hi"], True)[0][:2] != row[:2]


def test_slow_files_are_split_as_the_class_in_config_json_says(tmp_path):
    folder = shutil.copytree(QWEN, tmp_path / "model")
    file = json.loads((folder / "tokenizer.json").read_text())
    pairs = [m if isinstance(m, str) else " ".join(m) for m in file["model"]["merges"]]
    (folder / "tokenizer.json").unlink()
    (folder / "vocab.json").write_text(json.dumps(file["model"]["vocab"]))
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(pairs) + "\n")
    (folder / "added_tokens.json").write_text(
        json.dumps({t["content"]: t["id"] for t in file["added_tokens"]})
    )
    config = json.loads((folder / "tokenizer_config.json").read_text())
    config.pop("tokenizer_class", None)
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    assert load_tokenizer(folder) is not None  # Qwen2's by its model_type
    edit(folder, "config.json", tokenizer_class="GPT2Tokenizer")
    with pytest.raises(GoodpartError, match="'GPT2Tokenizer' are split by other rules"):
        read_checkpoint(folder)


def test_a_processors_template_stands_behind_the_tokenizers(unmarked):
    edit(unmarked, "chat_template.json", chat_template="{{ messages[0].content }}")
    assert read_checkpoint(unmarked).tokenizer.template == CHATML
