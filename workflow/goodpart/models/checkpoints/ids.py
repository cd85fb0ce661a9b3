"""Ids of mask, padding and ends, from all files that name them, with where each came from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from goodpart.errors import GoodpartError
from goodpart.models.checkpoints.tokenizer import TokenizerFiles
from goodpart.models.families import SpecialTokens, autoregressive, family_module

ENDS = ("<|endoftext|>", "<|im_end|>")  # ends that Qwen2.5's and Dream's tokenizers hold
# Ends of a turn of other models of transformers, where they are markers.
TURNS = ("<|eot_id|>", "<end_of_turn>", "<|end|>", "<|end_of_text|>")
CONFIG, GENERATION = "config.json", "generation_config.json"


@dataclass(frozen=True)
class Named:
    """An id and where it came from."""

    id: int
    origin: str


@dataclass(frozen=True)
class Ids:
    """What samplers need, and the origins: of mask, pad and each end."""

    tokens: SpecialTokens
    mask: Named | None
    pad: Named
    ends: tuple[Named, ...]


def read_ids(
    family: str,
    vocabulary: int,
    files: Mapping[str, Mapping[str, Any]],
    tokenizer: TokenizerFiles | None,
    folder: str,
    *,
    standard: bool = False,
) -> Ids:
    """The ids of a checkpoint; `files`: config.json and generation_config.json by name.

    standard: of an architecture of transformers' own, whose tokenizers name the ends of their turns.

    Every end that config.json, generation_config.json or the tokenizer names ends a completion; in diffusion
    models, whose completions are padded by the model itself, so does every padding token that is a marker and
    no piece of text. Raises GoodpartError, with file and key, for an id that is missing, outside the
    vocabulary, or not apart from another where samplers need it to be.
    """
    found = _Found(vocabulary, files, tokenizer, folder)
    diffusion, module = not autoregressive(family), family_module(family)
    eos, pads = found.all("eos_token"), found.all("pad_token")
    ends = [*eos, *found.marks(getattr(module, "ENDS", ENDS))]
    if tokenizer is not None and standard:
        ends += [turn for turn in found.marks([*TURNS, *ENDS]) if turn.id in tokenizer.added]
    if not eos:
        raise GoodpartError(
            f"{folder}/{CONFIG}: no eos_token_id, nor in {GENERATION} or the tokenizer; add it: nothing else "
            "ends a completion"
        )
    _check_piece(found, eos)
    if diffusion:
        ends += [pad for pad in pads if tokenizer is None or pad.id in tokenizer.added]
    pad = (pads or eos)[0]
    mask = _mask(found, ends, pads) if diffusion else None
    first = {end.id: end for end in reversed(ends)}
    ends = [end for end in dict.fromkeys(ends) if first[end.id] is end]
    turn = getattr(module, "EOT", None)
    eot = tokenizer.id_of(turn) if tokenizer and turn else None
    tokens = SpecialTokens(
        mask.id if mask else None, pad.id, eos[0].id, eot, frozenset(end.id for end in ends)
    )
    return Ids(tokens, mask, pad, tuple(ends))


def _check_piece(found: _Found, eos: list[Named]) -> None:
    """GoodpartError where only the tokenizer names an end, and that is a piece of text and no marker."""
    last = eos[-1]
    confirmed = {one.id for one in eos[:-1]}
    if last.origin.endswith(": eos_token") and found.tokenizer is not None:
        text = found.tokenizer.special["eos_token"]
        if last.id not in found.tokenizer.added | confirmed:
            raise GoodpartError(
                f"{found.folder}/{last.origin} = {text!r} is a piece of text and no marker, and no "
                f"eos_token_id confirms it; correct it, or add {last.id} to eos_token_id in {GENERATION}"
            )


def _mask(found: _Found, ends: Iterable[Named], pads: Iterable[Named]) -> Named:
    masks = found.all("mask_token")
    if not masks:
        raise GoodpartError(f"{found.folder}/{CONFIG}: the key 'mask_token_id' is missing; add it")
    odd = next((m for m in masks if m.id != masks[0].id), None)
    if odd is not None:
        raise GoodpartError(
            f"{found.folder}/{masks[0].origin} = {masks[0].id}, but {odd.origin} = {odd.id}; keep the mask "
            "that the model was trained with"
        )
    same = next((n for n in (*ends, *pads) if n.id == masks[0].id), None)
    if same is not None:
        raise GoodpartError(
            f"{found.folder}/{masks[0].origin} = {masks[0].id} is also {same.origin}; the mask must differ "
            "from padding and ends: correct one of them"
        )
    return masks[0]


class _Found:
    """Ids by name, in all files."""

    def __init__(
        self,
        vocabulary: int,
        files: Mapping[str, Mapping[str, Any]],
        tokenizer: TokenizerFiles | None,
        folder: str,
    ) -> None:
        self.vocabulary, self.files, self.tokenizer, self.folder = vocabulary, files, tokenizer, folder
        if tokenizer is not None:
            # Added tokens may lie beyond the embedding (Gemma 3's of images): no prompt is given them.
            ordinary = {t: n for t, n in tokenizer.vocabulary.items() if n not in tokenizer.added}
            beyond = sorted(t for t, number in ordinary.items() if number >= vocabulary)
            if beyond:
                raise GoodpartError(
                    f"{folder}: the tokenizer's {beyond[0]!r} has the id {tokenizer.vocabulary[beyond[0]]}, "
                    f"and the vocabulary of {CONFIG} ends at {vocabulary - 1} ({len(beyond)} such tokens); "
                    "take the tokenizer that belongs to the weights"
                )

    def all(self, name: str) -> list[Named]:
        """Every id of `name` (as `eos_token`): of config.json, generation_config.json, the tokenizer."""
        key = f"{name}_id"
        ids = [one for file in (CONFIG, GENERATION) for one in self._of_file(file, key)]
        if self.tokenizer is not None and name in self.tokenizer.special:
            number = self.tokenizer.vocabulary[self.tokenizer.special[name]]
            if number >= self.vocabulary:
                raise GoodpartError(
                    f"{self.folder}/{self.tokenizer.origins[name]}: {name} has the id {number}, outside the "
                    f"vocabulary of {self.vocabulary} tokens; correct it"
                )
            ids.append(Named(number, f"{self.tokenizer.origins[name]}: {name}"))
        return ids

    def marks(self, tokens: Iterable[str]) -> list[Named]:
        """Tokens of the vocabulary that end a turn."""
        known = self.tokenizer.vocabulary if self.tokenizer else {}
        return [Named(known[token], f"tokenizer: {token}") for token in tokens if token in known]

    def _of_file(self, file: str, key: str) -> list[Named]:
        given = self.files.get(file, {}).get(key)
        if given is None:
            return []
        many = key == "eos_token_id" and isinstance(given, list)
        if many and not given:
            raise GoodpartError(
                f"{self.folder}/{file}: {key} = [] is not a token id or a list of them; add one"
            )
        for number in given if many else [given]:
            if type(number) is not int:
                expected = "a token id or a list of them" if key == "eos_token_id" else "a token id"
                raise GoodpartError(f"{self.folder}/{file}: {key} = {given!r} is not {expected}; correct it")
            if not 0 <= number < self.vocabulary:
                raise GoodpartError(
                    f"{self.folder}/{file}: {key} = {number} is outside the vocabulary of "
                    f"{self.vocabulary} tokens; correct it"
                )
        return [Named(number, f"{file}: {key}") for number in (given if many else [given])]
