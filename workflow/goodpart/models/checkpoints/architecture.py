"""config.json as numbers: what an architecture is made of, each value checked for type and range."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from numbers import Real
from typing import Any

from goodpart.errors import GoodpartError
from goodpart.models.architectures import STANDARD, Kind, architecture_module, kind_of
from goodpart.models.checkpoints.keys import check_keys
from goodpart.models.families import autoregressive

MOST = 2**31 - 1  # of a count
EPS = (1e-9, 1e-3)  # of a norm: where any trained model lies; beyond, a file is damaged
THETA = (1e2, 1e9)  # base of the rotary angles, both ends excluded
# Keys of a standard config.json that may be missing where they have their class's default.
SIZES = (
    *("hidden_size", "num_attention_heads", "num_key_value_heads", "head_dim", "intermediate_size"),
    *("vocab_size", "num_hidden_layers"),
)
MAX_LAYERS = 10_000
CONTEXT = 2**24


@dataclass(frozen=True)
class Dimensions:
    """The widths and counts of a decoder, which FLOPs and memory depend on."""

    family: str
    module: str  # of `goodpart.models.architectures`, that builds it
    layers: int
    width: int
    heads: int
    kv_heads: int
    head_width: int
    mlp: int
    vocabulary: int


@dataclass(frozen=True)
class Architecture(Dimensions):
    """All that the mathematics of a checkpoint depends on, but its weights."""

    eps: float
    rope_theta: float
    context: int
    tied: bool
    # Where transformers' own class reads it (`architectures.standard`): config.json and its base type.
    standard: Mapping[str, Any] = field(default_factory=dict, compare=False)
    base: str = ""

    @property
    def causal(self) -> bool:
        """Whether a position sees those before it alone."""
        return autoregressive(self.family)

    @property
    def transformers_arguments(self) -> dict[str, Any]:
        """Arguments that transformers' configurations of Llama and of Qwen2 share."""
        return {
            "vocab_size": self.vocabulary,
            "hidden_size": self.width,
            "intermediate_size": self.mlp,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads,
            "num_key_value_heads": self.kv_heads,
            "head_dim": self.head_width,
            "max_position_embeddings": self.context,
            "rms_norm_eps": self.eps,
            "rope_parameters": {"rope_type": "default", "rope_theta": self.rope_theta},
            "hidden_act": "silu",
            "bos_token_id": None,
            "eos_token_id": None,
            "pad_token_id": None,
        }


class Values:
    """The values of one config.json by key; GoodpartError names file and key."""

    def __init__(self, raw: Mapping[str, Any], where: str) -> None:
        self.raw, self.where = raw, where

    def whole(self, key: str, default: int | None = None, most: int = MOST) -> int:
        """A whole number from 1 to `most`; `default` where the key is missing or null."""
        value = self._given(key, default)
        if type(value) is not int or not 1 <= value <= most:
            raise self.wrong(key, value, f"a whole number from 1 to {most}")
        return value

    def number(self, key: str, low: float, high: float, default: float | None = None) -> float:
        """A number above `low` and below `high`."""
        value = self._given(key, default)
        if isinstance(value, bool) or not isinstance(value, Real) or not low < value < high:
            raise self.wrong(key, value, f"a number between {low:g} and {high:g}")
        return float(value)

    def flag(self, key: str, default: bool) -> bool:
        """true or false."""
        value = self._given(key, default)
        if not isinstance(value, bool):
            raise self.wrong(key, value, "true or false")
        return value

    def wrong(self, key: str, value: Any, expected: str) -> GoodpartError:
        """The error for a value that is none of what is `expected`."""
        return GoodpartError(f"{self.where}: {key} = {_cut(value)} is not {expected}; correct it")

    def _given(self, key: str, default: Any) -> Any:
        value = self.raw.get(key)
        if value is None:
            if default is None:
                raise GoodpartError(f"{self.where}: the key {key!r} is missing; add it")
            return default
        return value


def _cut(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def dimensions(raw: Mapping[str, Any], where: str = "config.json") -> Dimensions:
    """Dimensions of a public config.json (`raw`, found at `where`), of which other keys may be missing.

    Raises GoodpartError for an unknown family or key, and a missing or impossible value.
    """
    return _dimensions(check_keys(raw, where, complete=False), Values(raw, where))


def _dimensions(kind: Kind, given: Values) -> Dimensions:
    if kind.architecture == STANDARD:
        read = architecture_module(STANDARD).read_config(given.raw, kind.base, given.where)
        filled = {name: getattr(read, name) for name in SIZES if getattr(read, name, None) is not None}
        given = Values({**given.raw, **filled}, given.where)
    if kind.architecture == "llada":
        width, heads = given.whole("d_model"), given.whole("n_heads")
        kv_heads = given.whole("n_kv_heads", heads)
        mlp = _llada_mlp(given, width)
        vocabulary = given.whole(
            "vocab_size" if given.raw.get("embedding_size") is None else "embedding_size"
        )
        if given.whole("vocab_size", vocabulary) > vocabulary:
            raise given.wrong("vocab_size", given.raw["vocab_size"], f"at most embedding_size ({vocabulary})")
        layers = given.whole("n_layers", most=MAX_LAYERS)
        names = ("d_model", "n_heads", "n_kv_heads")
    else:
        width, heads = given.whole("hidden_size"), given.whole("num_attention_heads")
        kv_heads = given.whole("num_key_value_heads")
        mlp, vocabulary = given.whole("intermediate_size"), given.whole("vocab_size")
        layers = given.whole("num_hidden_layers", most=MAX_LAYERS)
        names = ("hidden_size", "num_attention_heads", "num_key_value_heads")
    if given.raw.get("head_dim") is None and width % heads:
        raise given.wrong(names[1], heads, f"a divisor of {names[0]} ({width})")
    head = given.whole("head_dim", max(1, width // heads))
    if head % 2:
        raise given.wrong(names[1], heads, f"right: heads of {head} channels cannot be rotated in pairs")
    if heads % kv_heads:
        raise given.wrong(names[2], kv_heads, f"a divisor of {names[1]} ({heads})")
    return Dimensions(kind.family, kind.architecture, layers, width, heads, kv_heads, head, mlp, vocabulary)


def _llada_mlp(given: Values, width: int) -> int:
    """Width of the MLP: `mlp_hidden_size`, else `mlp_ratio` (4) times `d_model`."""
    if given.raw.get("mlp_hidden_size") is not None:
        return given.whole("mlp_hidden_size")
    return int(given.number("mlp_ratio", 0, 1000, 4) * width)


def architecture(raw: Mapping[str, Any], where: str = "config.json") -> Architecture:
    """The architecture that a public config.json (`raw`, found at `where`) describes.

    Raises GoodpartError that names the key for everything that is not understood, missing or impossible.
    """
    kind = kind_of(raw, where)
    if kind.architecture == STANDARD:
        architecture_module(STANDARD).refuse_unknown(raw, kind.base, where)
    check_keys(raw, where)
    given = Values(raw, where)
    shape = _dimensions(kind, given)
    if kind.architecture == STANDARD:
        return _standard(kind, shape, raw, where)
    llada = kind.architecture == "llada"
    _check_layer_types(given, shape.layers)
    return Architecture(
        **vars(shape),
        eps=given.number("rms_norm_eps", *EPS),
        rope_theta=_rope_theta(given),
        context=given.whole("max_sequence_length" if llada else "max_position_embeddings", most=CONTEXT),
        tied=False if llada else given.flag("tie_word_embeddings", False),
    )


def _standard(kind: Kind, shape: Dimensions, raw: Mapping[str, Any], where: str) -> Architecture:
    """An architecture that transformers' own class reads."""
    config = architecture_module(STANDARD).read_config(raw, kind.base, where)
    made = Architecture(
        **vars(shape),
        eps=0.0,  # as the angles, known to transformers' config
        rope_theta=0.0,
        context=config.max_position_embeddings,
        tied=bool(config.tie_word_embeddings),
        standard=dict(raw),
        base=kind.base,
    )
    if "layer_types" not in architecture_module(STANDARD).fields(kind.base):
        _check_layer_types(Values(raw, where), made.layers)
    window = raw.get("sliding_window")
    if window is not None and not (type(window) is int and window > 0):
        raise Values(raw, where).wrong("sliding_window", window, "a number of tokens, 1 or more")
    types = getattr(config, "layer_types", None) or []
    if not made.causal and set(types) - {"full_attention"}:
        raise GoodpartError(
            f"{where}: layer_types holds {sorted(set(types))}, and layers of a diffusion model see "
            "everything; only 'full_attention' is implemented"
        )
    return made


def _rope_theta(given: Values) -> float:
    """The base of the rotary angles, from `rope_theta` or `rope_parameters`; a scaled rotation is refused."""
    found: dict[str, float] = {}
    for key in ("rope_parameters", "rope_scaling"):
        rotation = given.raw.get(key)
        if rotation is None:
            continue
        if not isinstance(rotation, dict):
            raise given.wrong(key, rotation, "an object")
        inner = Values(rotation, f"{given.where}: {key}")
        rotation = _without_identities(rotation)
        for name in ("rope_type", "type"):
            if rotation.get(name, "default") != "default":
                raise GoodpartError(
                    f"{given.where}: {key}: {name} = {_cut(rotation[name])} is not implemented (only "
                    "'default'); take a checkpoint without a scaled rotation, or remove the key to run "
                    "within the original context"
                )
        for name, value in rotation.items():
            if name not in ("rope_type", "type", "rope_theta") and value is not None:
                raise GoodpartError(
                    f"{given.where}: {key}: the key {name!r} ({_cut(value)}) is not implemented; only "
                    "rope_theta and rope_type: default are"
                )
        if rotation.get("rope_theta") is not None:
            found[f"{key}.rope_theta"] = inner.number("rope_theta", *THETA)
    if given.raw.get("rope_theta") is not None or not found:
        found["rope_theta"] = given.number("rope_theta", *THETA)
    if len(set(found.values())) > 1:
        raise GoodpartError(
            f"{given.where}: {' and '.join(f'{key} = {value:g}' for key, value in found.items())} contradict "
            "each other; keep the one that the model was trained with"
        )
    return next(iter(found.values()))


def _without_identities(rotation: dict[str, Any]) -> dict[str, Any]:
    """A rotation without what changes no angle: the whole width rotated, positions divided by 1."""
    whole = {name: value for name, value in rotation.items() if (name, value) != ("partial_rotary_factor", 1)}
    linear = {rotation.get(name) for name in ("rope_type", "type")} - {None} == {"linear"}
    if linear and not isinstance(rotation.get("factor"), bool) and rotation.get("factor") == 1:
        return {name: value for name, value in whole.items() if name not in ("rope_type", "type", "factor")}
    return whole


def _check_layer_types(given: Values, layers: int) -> None:
    types = given.raw.get("layer_types")
    if types is None:
        return
    if not isinstance(types, list) or len(types) != layers:
        raise given.wrong("layer_types", types, f"a list of {layers}, one a layer")
    others = [kind for kind in types if kind != "full_attention"]
    if others:
        raise GoodpartError(
            f"{given.where}: layer_types holds {_cut(others[0])}, which is not implemented (only "
            "'full_attention', for every layer)"
        )
