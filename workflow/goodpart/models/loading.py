"""The one model loader: a hub name or a local folder in a public format -> `Model`."""

from __future__ import annotations

import contextlib
import ctypes
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from goodpart.errors import GoodpartError
from goodpart.jobs.downloads import PATTERNS, downloaded
from goodpart.models import devices, weights
from goodpart.models.checkpoints.files import content_state, parse_object, read_text
from goodpart.models.checkpoints.reading import Checkpoint, read_checkpoint
from goodpart.models.families import SpecialTokens

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
    architecture: str = ""  # the module of `architectures` that built it
    cuda_graphs: bool = False  # whether decoding repeats recorded passes (`models.graphs`)

    @property
    def layers(self) -> int:
        """Number of layers L that are active now."""
        return len(self.module.model.layers)

    @property
    def device(self) -> torch.device:
        """Device of ids and logits; of a model that is spread, that of its head."""
        return weights.device_of(self.module.lm_head)

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
        plain = hidden.device.type == head.weight.device.type == "cpu" and hidden.dtype == torch.float32
        with torch.inference_mode():
            if plain and torch.backends.mkldnn.is_available():
                made = torch.ops.mkldnn._linear_pointwise(hidden, head.weight, head.bias, "none", [], "")
            else:
                made = head(hidden)
            return self._scaled(made)

    def _scaled(self, logits: torch.Tensor) -> torch.Tensor:
        """What some architectures do to their logits: Cohere and Granite scale them, Gemma 2 caps them."""
        if (factor := getattr(self.module.config, "logit_scale", None)) is not None:
            logits = logits * factor
        if (divisor := getattr(self.module.config, "logits_scaling", None)) is not None:
            logits = logits / divisor
        if (cap := getattr(self.module.config, "final_logit_softcapping", None)) is not None:
            logits = (logits / cap).tanh() * cap
        return logits


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
    name_or_path: str | Path,
    *,
    revision: str | None = None,
    dtype: str | None = None,
    device: str | torch.device | None = None,
    cuda_graphs: bool = False,
) -> Model:
    """Load a checkpoint of LLaDA, Dream, or an architecture of transformers' own, for evaluation.

    `dtype`: a torch dtype's name; by default bfloat16 on a GPU and float32 on a CPU. `device`: by default
    the GPU if there is one; `cuda` is a GPU that no other process of this project holds; `auto` spreads the
    model over all GPUs and the host. `cuda_graphs`: see `goodpart.models.graphs`. No remote code is executed
    and no pickle opened. Raises GoodpartError for a checkpoint that is not understood in every key and
    tensor, whose weights are not finite, or with `cuda_graphs` on another device than one GPU.
    """
    name_or_path, device = str(name_or_path), None if device is None else str(device)
    if dtype not in (None, *DTYPES):
        raise GoodpartError(f"dtype {dtype!r} is unknown: one of {', '.join(DTYPES)}")
    checkpoint = read_checkpoint(checkpoint_folder(name_or_path, revision))
    return _load(checkpoint, name_or_path, revision, dtype, device, cuda_graphs)


def _load(
    checkpoint: Checkpoint,
    name_or_path: str,
    revision: str | None,
    dtype: str | None,
    device: str | None,
    cuda_graphs: bool,
) -> Model:
    import torch
    from transformers.utils import logging

    logging.set_verbosity_error()
    place = devices.chosen(device, name_or_path)
    if cuda_graphs and (place is None or place.type != "cuda"):
        raise GoodpartError(
            f"{name_or_path}: cuda_graphs needs the whole model on one GPU; remove it, or set device: cuda"
        )
    if place is not None:
        devices.reachable(place, name_or_path)
    on_cpu = place is not None and place.type == "cpu"
    kind = getattr(torch, dtype or ("float32" if on_cpu else "bfloat16"))
    module = weights.build(checkpoint, kind, place)
    keep_freed_memory()  # now: weights are loaded piece by piece, and nothing of that is kept
    shape = checkpoint.architecture
    tokenizer = loaded_tokenizer(checkpoint)
    tokens = checkpoint.ids.tokens
    model = Model(name_or_path, revision, shape.family, module, tokenizer, tokens, shape.module, cuda_graphs)
    if shape.base:
        refuse_other_logits(model)
    return model


def refuse_other_logits(model: Model) -> None:
    """GoodpartError where the logits that are computed here are not those of transformers' own class."""
    import torch

    ids = torch.arange(4, device=model.device)[None]
    try:
        with torch.inference_mode():
            own = model.module(input_ids=ids, use_cache=False).logits.float()
            states = model.module.model(input_ids=ids, use_cache=False).last_hidden_state
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # of values that do not fit together
        said = " ".join(str(error).split())[:300]
        said = f"transformers cannot run it ({said}); correct config.json"
        raise GoodpartError(f"{model.name}: {said}") from None
    here = model.logits(states.to(model.device)).float().to(own.device)
    if not torch.allclose(here, own, rtol=1e-2, atol=1e-2 * float(own.abs().max())):
        kind = type(model.module).__name__
        raise GoodpartError(
            f"{model.name}: {kind} does something to its logits that is not implemented; take another model"
        )


def read_entry(entry: dict[str, Any]) -> Checkpoint:
    """The checkpoint of a job's entry (name, revision, layers), without its weights.

    Raises GoodpartError as `load` does, and for another number of layers or a missing tokenizer.
    """
    checkpoint = read_checkpoint(checkpoint_folder(entry["name"], entry["revision"]))
    layers = checkpoint.architecture.layers
    if layers != entry["layers"]:
        raise GoodpartError(
            f"{entry['name']} has {layers} layers; correct models.<name>.layers ({entry['layers']})"
        )
    if checkpoint.tokenizer is None:
        raise GoodpartError(f"{entry['name']}: the checkpoint has no tokenizer files")
    return checkpoint


def with_content(entry: dict[str, Any], checkpoint: Checkpoint) -> dict[str, Any]:
    """A job's entry with a digest of the checkpoint's content, for the keys of results made with it.

    The entry of a local checkpoint has one. A hub's names a revision, and a branch moves.
    """
    return {**entry, "content": entry.get("content") or content_state(checkpoint.folder)}


def load_entry(entry: dict[str, Any], checkpoint: Checkpoint | None = None) -> Model:
    """Load the model of a job's entry (name, revision, dtype, device, layers, cuda_graphs); errors as for
    `read_entry` and `load`.

    `checkpoint`: what `read_entry` gave, where the job has read it already.
    """
    checkpoint = checkpoint or read_entry(entry)
    return _load(
        checkpoint,
        entry["name"],
        entry["revision"],
        entry["dtype"],
        entry["device"],
        entry["cuda_graphs"],
    )


def load_tokenizer(folder: Path) -> Any:
    """The tokenizer of a checkpoint's folder; None when it holds none. Errors as for `read_checkpoint`."""
    return loaded_tokenizer(read_checkpoint(folder))


def _splitter(checkpoint: Checkpoint) -> Any:
    """The splitting of a tokenizer.json, without added tokens that the embedding has no row for."""
    from tokenizers import Tokenizer

    path, rows = checkpoint.folder / "tokenizer.json", checkpoint.architecture.vocabulary
    assert checkpoint.tokenizer is not None
    if max(checkpoint.tokenizer.added, default=0) < rows:
        return Tokenizer.from_file(str(path))
    file = parse_object(read_text(path), str(path))
    file["added_tokens"] = [one for one in file.get("added_tokens") or [] if one["id"] < rows]
    return Tokenizer.from_str(json.dumps(file))


def _added(token: str, flags: Mapping[str, Any]) -> Any:
    """A marker as `flags` of tokenizer_config.json have it."""
    from transformers import AddedToken

    special = bool(flags.get("special", False))
    strips = {key: bool(flags.get(key, False)) for key in ("lstrip", "rstrip", "single_word")}
    return AddedToken(token, special=special, normalized=bool(flags.get("normalized", not special)), **strips)


def loaded_tokenizer(checkpoint: Checkpoint) -> Any:
    """The tokenizer as its files say: tokenizer.json, else Qwen2's from vocab.json and merges.txt.

    AutoTokenizer would ask for Dream's remote code, and replace the splitting rules of a tokenizer.json
    by those of the class that it knows for the model's type. None when the folder holds no tokenizer.
    """
    files, folder = checkpoint.tokenizer, checkpoint.folder
    if files is None:
        return None
    from transformers import PreTrainedTokenizerFast, Qwen2Tokenizer

    # A piece of text that a file names as special would split other words: only markers are registered.
    markers = {name: t for name, t in files.special.items() if files.vocabulary[t] in files.added}
    named = {"clean_up_tokenization_spaces": bool(files.cleans_up), **markers}
    try:
        if files.fast:
            made = PreTrainedTokenizerFast(tokenizer_object=_splitter(checkpoint), **named)
            rows = checkpoint.architecture.vocabulary
            more = [one for one in files.declared.items() if files.vocabulary[one[0]] < rows]
            made.add_tokens([_added(token, flags) for token, flags in more])
        else:
            made = Qwen2Tokenizer.from_pretrained(folder)
    except Exception as error:  # transformers and tokenizers raise nothing more precise
        raise GoodpartError(
            f"{folder}: the tokenizer cannot be loaded ({error}); fetch its files again"
        ) from error
    made.chat_template = files.template
    return made
