"""Architectures: what turns the files of a checkpoint into one of transformers' modules.

How the module decodes is another matter: its family (`goodpart.models.families`). `KINDS` pairs the two by
config.json's `model_type`; a new pair of known parts is a line there, or in the file of a new family. Types
that are listed nowhere are autoregressive models of transformers' own, if their blocks are uniform residual
ones (`standard`).

Each architecture is one module with the same names:

* `transformers_config(shape)`: a `checkpoints.architecture.Architecture` as a transformers config;
* `model_class(base)`: the transformers class (imported late: it costs seconds);
* `LAYERS_KEY`: config.json's key of the number of layers.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from goodpart.errors import GoodpartError
from goodpart.models.families import CAUSAL, FAMILIES, SHIPPED, family_module

STANDARD = "standard"


@dataclass(frozen=True)
class Kind:
    """What a `model_type` means: the module that builds it, its family, and for `standard` the base type.

    `classes`: the names that config.json's `architectures` may hold.
    """

    architecture: str
    family: str
    classes: tuple[str, ...]
    base: str = ""


def _converted(base: str, name: str) -> Kind:
    """An autoregressive model that was made a masked diffusion model: bidirectional, unshifted logits."""
    return Kind(STANDARD, "llada", (f"A2D{name}LMHeadModel", f"A2D{name}Model"), base)


KINDS = {
    "llada": Kind("llada", "llada", ("LLaDAModelLM", "LLaDAModel")),
    "Dream": Kind("qwen2", "dream", ("DreamModel",)),
    "qwen2": Kind("qwen2", CAUSAL, ("Qwen2ForCausalLM", "Qwen2Model")),
    "a2d-llama": _converted("llama", "Llama"),
    "a2d-qwen2": _converted("qwen2", "Qwen2"),
    "a2d-qwen3": _converted("qwen3", "Qwen3"),
}
# Checked in full by the tests; others of transformers' decoders are taken if their structure is theirs.
TRIED = ("llama", "mistral", "qwen3", "olmo2", "smollm3", "phi3", "granite", "gemma2", "gemma3_text")


def own_kinds() -> dict[str, Kind]:
    """Model types that families beside the shipped ones bring along."""
    found = {}
    for family in FAMILIES[len(SHIPPED) :]:
        for name, (architecture, classes, base) in getattr(family_module(family), "MODEL_TYPES", {}).items():
            found[name] = Kind(architecture, family, tuple(classes), base)
    return found


def kind_of(raw: Mapping[str, Any], where: str) -> Kind:
    """What reads this config.json (`raw`), found at `where`.

    Raises GoodpartError for a `model_type` that nothing reads.
    """
    name = raw.get("model_type")
    if isinstance(name, str):
        if name in KINDS:
            return KINDS[name]
        standard = architecture_module(STANDARD)
        if name == "mistral" and "layer_types" in raw:  # as transformers' AutoConfig takes it
            return Kind(STANDARD, CAUSAL, standard.classes("ministral") + standard.classes(name), "ministral")
        if found := standard.classes(name):
            return Kind(STANDARD, CAUSAL, found, name)
        if own := own_kinds().get(name):
            return own
    raise GoodpartError(
        f"{where}: model_type {name!r} is not supported; supported are {', '.join([*KINDS, *TRIED])}, and "
        "other autoregressive decoders of transformers"
    )


def usual_module(family: str) -> str:
    """The architecture of a family's first model type, where no config.json says which it is."""
    kinds = [*KINDS.values(), *own_kinds().values()]
    return next((kind.architecture for kind in kinds if kind.family == family), STANDARD)


def architecture_module(name: str) -> ModuleType:
    """Import the module of one architecture."""
    return importlib.import_module(f"goodpart.models.architectures.{name}")
