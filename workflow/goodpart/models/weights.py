"""Weights: read from safetensors straight onto their device, in their dtype, and required to be finite.

The module is built without memory (torch's `meta` device), and each tensor of the files is put in as it is
read: at no time is there more of it than the weights and one tensor.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from goodpart.errors import GoodpartError
from goodpart.models.architectures import architecture_module
from goodpart.models.checkpoints.files import listed
from goodpart.models.checkpoints.reading import Checkpoint
from goodpart.models.checkpoints.tensors import Tensor
from goodpart.models.finite import is_finite

if TYPE_CHECKING:
    import torch

HEAD, EMBEDDING = "lm_head.weight", "model.embed_tokens.weight"
FOR_WEIGHTS = 0.8  # share of a GPU's free memory that `auto` fills with weights; the rest is for a batch


def build(checkpoint: Checkpoint, dtype: torch.dtype, device: torch.device | None) -> Any:
    """transformers' module of a checkpoint with its weights, for evaluation.

    `device` None spreads it over all GPUs and, where they are too small, the host's memory. Raises
    GoodpartError for weights that are cut, not finite in `dtype`, or too large for the device.
    """
    import torch

    shape = checkpoint.architecture
    architecture = architecture_module(shape.module)
    config = architecture.transformers_config(shape)
    kind = architecture.model_class(shape.base)
    # Capped attention scores are what transformers' own attention has, and torch's has not.
    capped = getattr(config, "attn_logit_softcapping", None)
    attention = "sdpa" if kind._supports_sdpa and not capped else "eager"
    with torch.device("meta"):
        module = kind._from_config(config, dtype=dtype, attn_implementation=attention)
    places = {"": device} if device is not None else spread(module, dtype)
    try:
        state = read_state(checkpoint, dtype, places)
    except torch.OutOfMemoryError as error:
        raise GoodpartError(
            f"{checkpoint.folder}: the weights do not fit into the device's memory ({error}); take a larger "
            "one, or device: auto, which spreads them"
        ) from error
    module.load_state_dict(state, assign=True)
    _fill_constants(module, config, places)
    for number, layer in enumerate(module.model.layers):
        layer.number = number  # for messages, while others are skipped
    module.lm_head.register_forward_pre_hook(in_one_piece)
    module.eval().requires_grad_(False)
    return module if device is not None else dispatched(module, places)


def in_one_piece(_: Any, hidden: tuple[Any, ...]) -> tuple[Any, ...]:
    """Copy the head's hidden states [B, T, D] where they are a slice of longer rows, as in a prefill.

    For a slice, PyTorch repeats the head's weights for each row of the batch: hundreds of times slower.
    """
    return (hidden[0].contiguous(), *hidden[1:])


def _fill_constants(module: Any, config: Any, places: Mapping[str, torch.device]) -> None:
    """What is no weight and in no file: the angles, kept in float32 whatever the dtype, and Gemma's scale."""
    for name in ("rotary_emb", "rotary_emb_local"):
        if (old := getattr(module.model, name, None)) is not None:
            setattr(module.model, name, type(old)(config).to(placed(f"model.{name}", places)))
    embedding = module.model.embed_tokens
    if hasattr(embedding, "embed_scale"):
        import torch

        scale = torch.tensor(embedding.scalar_embed_scale, device=placed("model.embed_tokens", places))
        embedding.register_buffer("embed_scale", scale, persistent=False)
    left = [name for name, buffer in module.named_buffers() if buffer.is_meta]
    if left:
        raise GoodpartError(f"{type(module).__name__} has constants that are not known here: {listed(left)}")


def read_state(
    checkpoint: Checkpoint, dtype: torch.dtype, places: Mapping[str, torch.device]
) -> dict[str, torch.Tensor]:
    """All parameters by their names in transformers' class, each on its device."""
    import torch

    state: dict[str, torch.Tensor] = {}
    damaged: list[str] = []
    for tensor, values in stored(checkpoint):
        assert tensor.expected is not None
        target = tensor.expected.target
        made = torch.empty(values.shape, dtype=dtype, device=placed(target, places))
        state[target] = made.copy_(values)  # into memory of our own: the file may change while a job runs
        if not is_finite(made):
            damaged.append(f"{tensor.name} ({tensor.file}, {tensor.dtype})")
    if damaged:
        kind = str(dtype).removeprefix("torch.")
        raise GoodpartError(
            f"{checkpoint.folder}: weights are not finite in {kind}: {listed(damaged)}; "
            + ("take bfloat16 or float32, " if kind == "float16" else "")
            + "fetch the checkpoint again, or take another"
        )
    if checkpoint.architecture.tied:
        if EMBEDDING not in state:
            state[EMBEDDING] = state[HEAD].to(placed(EMBEDDING, places))
        embedding = state[EMBEDDING]
        if HEAD in state and not torch.equal(state[HEAD].to(embedding.device), embedding):
            raise GoodpartError(
                f"{checkpoint.folder}/config.json: tie_word_embeddings = true, but the weights hold a head "
                "of their own that differs from the embedding; write false, or remove that tensor"
            )
        state[HEAD] = embedding.to(placed(HEAD, places))
    return state


def stored(checkpoint: Checkpoint) -> Iterator[tuple[Tensor, torch.Tensor]]:
    """Each tensor that belongs to the architecture, with its values as the file holds them (mapped)."""
    from safetensors import SafetensorError, safe_open

    by_file: dict[str, list[Tensor]] = {}
    for tensor in checkpoint.tensors:
        if tensor.expected is not None:
            by_file.setdefault(tensor.file, []).append(tensor)
    for name, tensors in by_file.items():
        try:
            with safe_open(checkpoint.folder / name, framework="pt") as file:
                for tensor in tensors:
                    yield tensor, file.get_tensor(tensor.name)
        except (SafetensorError, OSError) as error:
            raise GoodpartError(
                f"{checkpoint.folder}/{name}: cannot be read ({error}); fetch it again"
            ) from error


def placed(name: str, places: Mapping[str, torch.device]) -> torch.device:
    """The device of a parameter or module by the longest part of its name in `places`."""
    parts = name.split(".")
    return next(
        places[start] for start in (".".join(parts[:n]) for n in range(len(parts), -1, -1)) if start in places
    )


def spread(module: Any, dtype: torch.dtype) -> dict[str, torch.device]:
    """A device for each part of a module without memory: the GPUs in turn, then the host (`cpu`).

    Raises GoodpartError where even both together are too small.
    """
    import torch
    from accelerate import infer_auto_device_map
    from accelerate.utils import get_max_memory

    room = {
        device: size if device == "cpu" else int(FOR_WEIGHTS * size)
        for device, size in get_max_memory().items()
    }
    layer = type(module.model.layers[0]).__name__
    found = infer_auto_device_map(module, max_memory=room, no_split_module_classes=[layer], dtype=dtype)
    if "disk" in found.values():
        sizes = ", ".join(f"{device}: {size / 1e9:.1f} GB" for device, size in room.items())
        raise GoodpartError(
            f"the weights do not fit into the memory of all devices ({sizes}); take larger ones"
        )
    return {name: torch.device(device) for name, device in found.items()}


def dispatched(module: Any, places: Mapping[str, torch.device]) -> Any:
    """The module with hooks that move what each part is fed to its device, and the host's parts to a GPU."""
    from accelerate import dispatch_model

    named = {name: device.index if device.type == "cuda" else device.type for name, device in places.items()}
    return dispatch_model(module, named, skip_keys="past_key_values")


def device_of(part: Any) -> torch.device:
    """The device that a part of a module computes on, wherever its weights are kept."""
    import torch

    hook = getattr(part, "_hf_hook", None)
    for one in getattr(hook, "hooks", [hook]):
        if (device := getattr(one, "execution_device", None)) is not None:
            return torch.device(device)
    return part.weight.device
