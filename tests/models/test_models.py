"""The loader refuses what does not fit, with the reason."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.utils._python_dispatch import TorchDispatchMode

from conftest import ROOT
from goodpart.decoding.decode import decode, settings_for
from goodpart.errors import GoodpartError
from goodpart.models.flops import Shape
from goodpart.models.loading import load
from goodpart_tools.tiny.architectures import initial_model, public_config, public_names

PARITY = Path(__file__).parents[1] / "data" / "parity"
TINY = ROOT / "workflow" / "resources" / "models"


@pytest.fixture
def llada(tmp_path):
    return Path(shutil.copytree(PARITY / "llada-mha", tmp_path / "model"))


def set_key(folder, **keys):
    config = json.loads((folder / "config.json").read_text()) | keys
    (folder / "config.json").write_text(json.dumps(config))


def test_it_loads(llada):
    model = load(str(llada), device="cpu")
    assert model.family == "llada"
    assert model.dtype == torch.float32
    assert model.layers == 4
    assert (model.tokens.mask, model.tokens.eos) == (500, 481)


class Heads(TorchDispatchMode):
    """Whether the hidden states that the head got were in one piece, product by product."""

    def __init__(self, weights):
        super().__init__()
        self.weights, self.whole = weights, []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if len(args) > 1 and isinstance(args[1], torch.Tensor) and args[1].shape == self.weights.shape:
            self.whole.append(args[0].is_contiguous())
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize(
    ("name", "options"),
    [
        (TINY / "qwen2.5-tiny", {}),
        ("llada-mha", {"block_length": 4, "cache": "dual"}),
        ("dream", {"cache": "prefix"}),
    ],
)
def test_the_head_gets_rows_in_one_piece(name, options, dtype):
    """Of a slice, the product repeats the head's weights for each row of the batch."""
    model = load(str(PARITY / name), device="cpu", dtype=dtype)
    prompts = [list(range(10, 30)), list(range(40, 55))]
    with Heads(model.module.lm_head.weight) as seen:
        decode(model, prompts, settings_for(model, max_new_tokens=8, **options))
    assert len(seen.whole) >= 8 // 4
    assert all(seen.whole)


def test_a_c_library_without_mallopt_is_no_obstacle(llada, monkeypatch):
    monkeypatch.setattr("goodpart.models.loading.ctypes.CDLL", lambda name: object())
    assert load(str(llada), device="cpu").layers == 4


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("alibi", True),
        ("rope", False),
        ("block_type", "sequential"),
        ("layer_norm_type", "default"),
        ("weight_tying", True),
        ("include_qkv_bias", True),
        ("scale_logits", True),
        ("activation_type", "gelu"),
    ],
)
def test_a_value_that_is_not_implemented(llada, key, value):
    set_key(llada, **{key: value})
    with pytest.raises(GoodpartError, match=f"{llada}/config.json: {key} = .* is not implemented"):
        load(str(llada), device="cpu")


def test_weights_that_are_cut_short_or_a_pointer(llada):
    file = llada / "model.safetensors"
    whole = file.read_bytes()
    for damaged in (whole[: len(whole) // 2], b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n"):
        file.write_bytes(damaged)
        with pytest.raises(
            GoodpartError, match=r"model.safetensors: .*cut short, or a Git LFS pointer .*; fetch them again"
        ):
            load(str(llada), device="cpu")


def test_an_unknown_dtype(llada):
    with pytest.raises(GoodpartError, match="dtype 'fp16' is unknown: one of float32, bfloat16, float16"):
        load(str(llada), device="cpu", dtype="fp16")


def test_an_unknown_architecture(llada):
    set_key(llada, model_type="mamba")
    with pytest.raises(GoodpartError, match="model_type 'mamba' is not supported"):
        load(str(llada), device="cpu")


def test_a_missing_key(llada):
    config = json.loads((llada / "config.json").read_text())
    del config["rms_norm_eps"]
    (llada / "config.json").write_text(json.dumps(config))
    with pytest.raises(GoodpartError, match="'rms_norm_eps' is missing"):
        load(str(llada), device="cpu")


def test_an_mlp_without_a_width_of_its_own_is_mlp_ratio_times_the_models(llada):
    """The official default; the weights here have a ratio of 2.5."""
    set_key(llada, mlp_hidden_size=None, mlp_ratio=2.5)
    assert load(str(llada), device="cpu").module.config.intermediate_size == 160
    config = json.loads((llada / "config.json").read_text())
    del config["mlp_hidden_size"], config["mlp_ratio"]
    (llada / "config.json").write_text(json.dumps(config))
    with pytest.raises(GoodpartError, match="do not fit config"):
        load(str(llada), device="cpu")
    assert Shape.of(config).mlp == 256


@pytest.mark.parametrize("name", ["llada-gqa", "dream"])
def test_every_eos_ends_a_completion(tmp_path, name):
    target = tmp_path / name
    shutil.copytree(PARITY / name, target)
    set_key(target, eos_token_id=[3, 4])
    tokens = load(str(target), device="cpu").tokens
    own = json.loads((target / "generation_config.json").read_text())["eos_token_id"]
    assert (tokens.eos, tokens.ends) == (3, {3, 4, own})
    for bad in ([], ["</s>"], [3, None], "3", True):
        set_key(target, eos_token_id=bad)
        with pytest.raises(GoodpartError, match=f"{target}/config.json: eos_token_id = .* is not a token id"):
            load(str(target), device="cpu")
    set_key(target, eos_token_id=None)
    assert load(str(target), device="cpu").tokens.eos == own
    (target / "generation_config.json").unlink()
    with pytest.raises(GoodpartError, match="no eos_token_id"):
        load(str(target), device="cpu")


def test_a_missing_an_unknown_and_a_misshapen_tensor(llada):
    """Each is named, with what was expected and found."""
    file = llada / "model.safetensors"
    tensors = load_file(file)
    name = "model.transformer.blocks.1.attn_out.weight"
    for changed, said in (
        (
            {k: v for k, v in tensors.items() if k != name},
            f"missing from model.safetensors: {name} .expected .64, 64.",
        ),
        ({**tensors, "model.transformer.extra.weight": torch.zeros(2)}, r"extra.weight .found .2. in model"),
        ({**tensors, name: torch.zeros(3, 3)}, f"{name} is .3, 3. in model.*, expected .64 .d_model., 64"),
    ):
        save_file(changed, file, metadata={"format": "pt"})
        with pytest.raises(GoodpartError, match=f"do not fit config.json: .*{said}"):
            load(str(llada), device="cpu")


def test_pickled_weights_are_never_opened(llada):
    (llada / "model.safetensors").rename(llada / "pytorch_model.bin")
    with pytest.raises(GoodpartError, match="only pickled weights"):
        load(str(llada), device="cpu")


def test_a_folder_without_weights_and_a_name_that_is_none(llada, tmp_path):
    (llada / "model.safetensors").unlink()
    with pytest.raises(GoodpartError, match="no weights"):
        load(str(llada), device="cpu")
    with pytest.raises(GoodpartError, match="no such folder"):
        load(str(tmp_path / "nothing"), device="cpu")


def test_bfloat16_rotates_in_float32(llada):
    """The rotary table of a bfloat16 LLaDA stays in float32, and attention gets bfloat16."""
    model = load(str(llada), dtype="bfloat16", device="cpu")
    decoder = model.module.model
    ids = torch.arange(10)[None]
    with torch.inference_mode():
        cos, _ = decoder.rotary_emb(decoder.embed_tokens(ids), ids)
        assert cos.dtype == torch.float32
        assert decoder(input_ids=ids).last_hidden_state.dtype == torch.bfloat16
    golden = load_file(llada / "golden.safetensors")
    q, k = (golden[f"rope.bfloat16.{name}_in"] for name in "qk")
    from transformers.models.llama.modeling_llama import apply_rotary_pos_emb

    positions = torch.arange(q.shape[2])[None]
    table = decoder.rotary_emb(q, positions)
    for made, name in zip(apply_rotary_pos_emb(q, k, *table), "qk", strict=True):
        assert torch.equal(made.to(torch.bfloat16), golden[f"rope.bfloat16.{name}_out"])


LOADING = """
import json, re, sys, threading, time
import torch, transformers
from goodpart.models.architectures import llada
from goodpart.models.loading import load

llada.model_class()
def private():
    return int(re.search(r"RssAnon:\\s+(\\d+)", open("/proc/self/status").read())[1]) * 1024

before, peak, done = private(), 0, False
def watch():
    global peak
    while not done:
        peak = max(peak, private())
        time.sleep(0.002)

thread = threading.Thread(target=watch)
thread.start()
model = load(sys.argv[1], dtype=sys.argv[2], device="cpu")
done = True
thread.join()
weights = sum(p.numel() * p.element_size() for p in model.module.parameters())
print(json.dumps({"weights": weights, "peak": peak - before}))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
def test_loading_takes_little_more_memory_than_the_weights(tmp_path, dtype):
    """Private memory peaks under 1.15 times the weights, in the file's dtype and in another."""
    shape = {"width": 512, "layers": 6, "heads": 8, "kv_heads": 8, "mlp": 1536}
    config = public_config("llada", shape) | {"embedding_size": 60_000, "vocab_size": 60_000}
    model = initial_model("llada", config, 0)
    state = {name: tensor.to(torch.bfloat16) for name, tensor in model.state_dict().items()}
    save_file(public_names("llada", state), tmp_path / "model.safetensors", metadata={"format": "pt"})
    (tmp_path / "config.json").write_text(json.dumps(config))
    command = [sys.executable, "-c", LOADING, str(tmp_path), dtype]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    found = json.loads(run.stdout.splitlines()[-1])
    assert found["weights"] > 150e6
    assert found["peak"] < 1.15 * found["weights"]


def test_a_qwen_with_tied_embeddings_has_no_head_of_its_own(tmp_path):
    """Qwen2.5 up to 3B shares its head with the embedding: no tensor is missing there."""
    from transformers import Qwen2Config, Qwen2ForCausalLM

    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=96,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        eos_token_id=1,
        tie_word_embeddings=True,
    )
    plain = Qwen2ForCausalLM(config).eval()
    plain.save_pretrained(tmp_path)
    model = load(str(tmp_path), dtype="float32", device="cpu")
    ids = torch.tensor([[5, 9, 30, 77]])
    with torch.inference_mode():
        expected = plain(ids).logits
        hidden = model.module.model(ids).last_hidden_state
    assert torch.allclose(model.logits(hidden), expected, atol=1e-5)
    out = plain.generate(ids, max_new_tokens=6, do_sample=False, pad_token_id=1, eos_token_id=1)
    [made] = decode(model, [[5, 9, 30, 77]], settings_for(model, max_new_tokens=6))
    assert made.canvas.tolist() == out[0].tolist()
