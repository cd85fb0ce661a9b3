"""The one model loader: a hub name or a local folder in a public format -> `Model`."""

from __future__ import annotations

import contextlib
import ctypes
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from goodpart import gpu
from goodpart.downloads import PATTERNS, downloaded
from goodpart.errors import GoodpartError
from goodpart.families import SpecialTokens, family_module, family_of
from goodpart.files import read_json

if TYPE_CHECKING:
    import torch

DTYPES = ("float32", "bfloat16", "float16")
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of malloc.h


@dataclass(frozen=True)
class Model:
    """A loaded checkpoint: transformers' module, tokenizer (None if the folder has none), token ids."""

    name: str
    revision: str | None
    family: str
    module: Any
    tokenizer: Any
    tokens: SpecialTokens

    @property
    def layers(self) -> int:
        """Number of layers L that are active now."""
        return len(self.module.model.layers)

    @property
    def device(self) -> torch.device:
        """Device of the weights."""
        return self.module.lm_head.weight.device

    @property
    def dtype(self) -> torch.dtype:
        """Dtype of the weights."""
        return self.module.lm_head.weight.dtype

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """Logits [..., V] of normed hidden states [..., D].

        In float32 on a CPU by oneDNN's product: for the few positions of a block, where the time goes on
        reading the head, it takes two thirds of the time of `Linear`'s.
        """
        import torch

        head = self.module.lm_head
        plain = hidden.device.type == "cpu" and hidden.dtype == torch.float32
        with torch.inference_mode():
            if plain and torch.backends.mkldnn.is_available():
                return torch.ops.mkldnn._linear_pointwise(hidden, head.weight, None, "none", [], "")
            return head(hidden)


def checkpoint_folder(name_or_path: str, revision: str | None) -> Path:
    """The local folder of a checkpoint: itself, its download, or the hub's snapshot of `revision`.

    Raises GoodpartError when neither exists.
    """
    folder = Path(name_or_path)
    if folder.is_dir():
        return folder
    if folder.is_absolute() or not re.fullmatch(r"[\w.-]+/[\w.-]+", name_or_path):
        raise GoodpartError(f"{name_or_path}: no such folder, and not a hub name of the form owner/name")
    if found := downloaded("model", name_or_path, revision):
        return found
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name_or_path, revision=revision, allow_patterns=PATTERNS["model"]))
    except Exception as error:
        raise GoodpartError(
            f"{name_or_path} (revision {revision}): cannot be loaded from the hub ({error}); "
            "check the name, the revision and the network, or give a local folder instead"
        ) from error


def checkpoint_state(name_or_path: str) -> list[list[Any]]:
    """Name, size and time of a local checkpoint's files; empty for a hub name."""
    folder = Path(name_or_path)
    files = sorted(folder.glob("*")) if folder.is_dir() else []
    return [[file.name, file.stat().st_size, file.stat().st_mtime_ns] for file in files]


def check_weights(folder: Path) -> None:
    """Require safetensors, whole or sharded; GoodpartError says what is there instead."""
    if (folder / "model.safetensors").exists():
        return
    index = folder / "model.safetensors.index.json"
    if index.exists():
        shards = set(read_json(index)["weight_map"].values())
        missing = sorted(s for s in shards if not (folder / s).exists())
        if missing:
            raise GoodpartError(f"{folder}: shards are missing: {', '.join(missing)}")
        return
    pickles = [p.name for pattern in ("*.bin", "*.pt", "*.pth") for p in folder.glob(pattern)]
    if pickles:
        raise GoodpartError(
            f"{folder}: only pickled weights ({', '.join(sorted(pickles))}); these are never loaded: "
            "convert them to safetensors first"
        )
    raise GoodpartError(f"{folder}: no weights (model.safetensors, or an index and its shards)")


def keep_freed_memory() -> None:
    """Let this process keep what it frees, up to 256 MB, where the C library is glibc.

    glibc gives some of it back, and the next denoising step faults the pages in again: up to 740,000 times
    in a batch of 32 of the tiny LLaDA, a quarter of its time.
    """
    with contextlib.suppress(AttributeError, OSError, TypeError):  # another C library
        libc = ctypes.CDLL(None)
        libc.mallopt(M_TRIM_THRESHOLD, 256 << 20)
        libc.mallopt(M_MMAP_THRESHOLD, 32 << 20)  # the most that glibc takes


def load(
    name_or_path: str,
    *,
    revision: str | None = None,
    dtype: str | None = None,
    device: str | None = None,
) -> Model:
    """Load a LLaDA, Dream or Qwen2.5 checkpoint for evaluation.

    `dtype`: a torch dtype's name; by default bfloat16 on a GPU and float32 on a CPU. `device`: by default
    the GPU if there is one; `cuda` is a GPU that no other process of this project holds. No
    remote code is executed and no pickle opened. Raises GoodpartError for a checkpoint that does not fit its
    family in every tensor.
    """
    import torch
    from huggingface_hub.errors import StrictDataclassError
    from safetensors import SafetensorError
    from transformers.utils import logging

    if dtype not in (None, *DTYPES):
        raise GoodpartError(f"dtype {dtype!r} is unknown: one of {', '.join(DTYPES)}")

    logging.disable_progress_bar()
    logging.set_verbosity_error()  # it warns of generation_config.json, which nothing here reads
    folder = checkpoint_folder(name_or_path, revision)
    raw = read_json(folder / "config.json")
    family = family_of(raw, str(folder / "config.json"))
    module = family_module(family)
    check_weights(folder)
    if device == "cuda":
        gpu.take()
        if not torch.cuda.is_available():
            raise GoodpartError(
                f"{name_or_path}: is to run on a GPU, and torch finds none here; install a driver and a "
                "torch that fit it, or set gpu: 0 in the model's entry to run on the CPU"
            )
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    kind = getattr(torch, dtype or ("float32" if device == "cpu" else "bfloat16"))
    try:
        config = module.transformers_config(raw)
    except GoodpartError as error:
        raise GoodpartError(f"{folder}: {error}; take another checkpoint") from error
    except StrictDataclassError as error:
        raise GoodpartError(f"{folder}/config.json: a value of a wrong kind ({error})") from error
    try:
        loaded, info = module.MODEL_CLASS().from_pretrained(
            folder,
            config=config,
            key_mapping=module.KEY_MAPPING or None,
            dtype=kind,
            device_map=None if device == "cpu" else device,
            attn_implementation="sdpa",
            use_safetensors=True,
            local_files_only=True,
            output_loading_info=True,
        )
    except SafetensorError as error:
        raise GoodpartError(
            f"{folder}: the weights are cut short, or a Git LFS pointer ({error}); fetch them again"
        ) from error
    except (OSError, RuntimeError) as error:
        raise GoodpartError(f"{folder}: the weights do not fit config.json ({error})") from error
    wrong = {key: sorted(map(str, info[key])) for key in info if info[key]}
    if wrong:
        found = "; ".join(f"{key}: {', '.join(names[:4])}" for key, names in wrong.items())
        raise GoodpartError(f"{folder}: the weights do not fit config.json ({found})")
    loaded.eval().requires_grad_(False)
    keep_freed_memory()  # now: weights are loaded piece by piece, and nothing of that is kept
    tokenizer = load_tokenizer(folder)
    try:
        special = module.special_tokens(raw, tokenizer)
    except KeyError as missing:
        raise GoodpartError(f"{folder}/config.json: the key {missing} is missing") from missing
    except GoodpartError as error:
        raise GoodpartError(f"{folder}: {error}") from error
    return Model(name_or_path, revision, family, loaded, tokenizer, special)


def load_tokenizer(folder: Path) -> Any:
    """The tokenizer as its files say: tokenizer.json, else Qwen2's from vocab.json and merges.txt.

    AutoTokenizer would ask for Dream's remote code, and replace the splitting rules of a tokenizer.json
    by those of the class that it knows for the model's type. None when the folder holds no tokenizer.
    """
    if (folder / "tokenizer.json").exists():
        from transformers import PreTrainedTokenizerFast

        return PreTrainedTokenizerFast.from_pretrained(folder)
    if (folder / "vocab.json").exists() and (folder / "merges.txt").exists():
        from transformers import Qwen2Tokenizer

        return Qwen2Tokenizer.from_pretrained(folder)
    return None
