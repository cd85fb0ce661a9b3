"""Tokenizer of a checkpoint, read without transformers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from goodpart.errors import GoodpartError
from goodpart.models.checkpoints.chat_template import read_template
from goodpart.models.checkpoints.files import parse_object, read_object, read_text

NAMED = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
# Values of tokenizer_config.json that change how text is split, and are not implemented.
FIXED = {"do_lower_case": False, "split_special_tokens": False}
PREFIX = "add_prefix_space"
# Classes whose vocab.json and merges.txt are split as Qwen2's are; those of others have other rules.
SLOW = ("Qwen2Tokenizer", "Qwen2TokenizerFast", "DreamTokenizer")
UNUSED = ("unk_token", "sep_token", "cls_token")  # named in files, and never asked for here
CONFIG, SPECIAL, ADDED = "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"
DECODER = "added_tokens_decoder"
LISTS = ("additional_special_tokens", "extra_special_tokens")


@dataclass(frozen=True)
class TokenizerFiles:
    """What the files of a tokenizer say; nothing is loaded yet."""

    vocabulary: Mapping[str, int]  # token -> id, added ones among them
    special: Mapping[str, str]  # `eos_token`, ... -> token
    origins: Mapping[str, str]  # `eos_token`, ... -> the file that names it
    added: frozenset[int]  # ids of tokens that no merge makes: markers of the model's own
    # Markers that files beside tokenizer.json declare, by id, with what tokenizer_config.json says of each.
    declared: Mapping[str, Mapping[str, Any]]
    cleans_up: bool | None
    fast: bool  # whether there is a tokenizer.json
    template: str | None
    template_file: str | None

    def id_of(self, token: str) -> int | None:
        """The id of a token that the vocabulary holds as one piece, or None."""
        return self.vocabulary.get(token)


def read_tokenizer(folder: Path) -> TokenizerFiles | None:
    """The tokenizer of a checkpoint; None where the folder has none.

    Raises GoodpartError for a file that is cut, a Git LFS pointer, of a wrong kind, or contradicts another.
    """
    fast = (folder / "tokenizer.json").exists()
    slow = [folder / name for name in ("vocab.json", "merges.txt")]
    if not fast and not all(file.exists() for file in slow):
        there = [file.name for file in slow if file.exists()]
        if there or (folder / CONFIG).exists():
            lacking = "tokenizer.json, or vocab.json and merges.txt"
            raise GoodpartError(f"{folder}: the tokenizer is incomplete; there is no {lacking}: fetch them")
        return None
    config = read_object(folder / CONFIG) if (folder / CONFIG).exists() else {}
    vocabulary, added = _fast_vocabulary(folder / "tokenizer.json") if fast else _slow_vocabulary(folder)
    _check_config(config, folder / CONFIG, fast)
    if not fast:
        _check_class(config, folder)
    new = _declared(config, vocabulary, folder / CONFIG)
    if fast and (folder / ADDED).exists():
        numbered = {str(number): token for token, number in read_object(folder / ADDED).items()}
        new |= _declared({DECODER: numbered}, {**vocabulary, **new}, folder / ADDED)
    vocabulary = {**vocabulary, **new}
    older = read_object(folder / SPECIAL) if (folder / SPECIAL).exists() else {}
    files = {SPECIAL: older, CONFIG: config}
    listed = _listed(folder, files, vocabulary)
    flags = {token: {"special": True} for token in listed if vocabulary[token] not in added}
    flags |= {token: {} for token in new if token not in flags}
    special, origins = _special(folder, files, vocabulary)
    for entry in (config.get(DECODER) or {}).values():
        token = str(_content(entry))
        # A named marker of tokenizer.json keeps its own flags, as in transformers.
        if isinstance(entry, dict) and not (token in special.values() and vocabulary[token] in added):
            flags[token] = entry
    added |= {vocabulary[token] for token in flags}
    template, template_file = read_template(folder, config)
    return TokenizerFiles(
        vocabulary,
        special,
        origins,
        frozenset(added),
        {token: flags[token] for token in sorted(flags, key=lambda token: vocabulary[token])},
        config.get("clean_up_tokenization_spaces"),
        fast,
        template,
        template_file,
    )


def _fast_vocabulary(path: Path) -> tuple[dict[str, int], set[int]]:
    """All tokens of a tokenizer.json, and the ids of the added ones."""
    from tokenizers import Tokenizer

    text = read_text(path)
    parse_object(text, str(path))
    try:
        made = Tokenizer.from_str(text)
        return made.get_vocab(with_added_tokens=True), set(made.get_added_tokens_decoder())
    except Exception as error:  # the library raises nothing more precise
        raise GoodpartError(f"{path}: is no tokenizer ({error}); fetch it again") from error


def _slow_vocabulary(folder: Path) -> tuple[dict[str, int], set[int]]:
    """The same of Qwen2's vocab.json, merges.txt and added_tokens.json."""
    vocabulary: dict[str, Any] = {}
    for name in ("vocab.json", ADDED):
        if (folder / name).exists():
            vocabulary |= read_object(folder / name)
    wrong = [token for token, number in vocabulary.items() if type(number) is not int or number < 0]
    if wrong or not vocabulary:
        raise GoodpartError(f"{folder}/vocab.json: {wrong[:1] or 'the file'} has no id; fetch it again")
    merges = read_text(folder / "merges.txt").splitlines()
    odd = next((i for i, m in enumerate(merges, 1) if m and m[0] != "#" and len(m.split(" ")) != 2), None)
    if odd is not None or not merges:
        raise GoodpartError(f"{folder}/merges.txt, line {odd or 1}: is no pair; fetch the file again")
    added = read_object(folder / ADDED) if (folder / ADDED).exists() else {}
    return vocabulary, set(added.values())


def _check_config(config: Mapping[str, Any], path: Path, fast: bool) -> None:
    prefix = config.get(PREFIX)
    if prefix is not None and bool(prefix) != (fast and _prefixes(path.with_name("tokenizer.json"))):
        raise GoodpartError(
            f"{path}: {PREFIX} = {prefix!r}, and tokenizer.json does the opposite; correct one of them"
        )
    for key, value in FIXED.items():
        given = config.get(key)
        if given is not None and given is not value:
            raise GoodpartError(f"{path}: {key} = {given!r} is not implemented (only {value!r})")
    given = config.get("clean_up_tokenization_spaces")
    if given is not None and not isinstance(given, bool):
        raise GoodpartError(
            f"{path}: clean_up_tokenization_spaces = {given!r} is not true or false; correct it"
        )


def _check_class(config: Mapping[str, Any], folder: Path) -> None:
    """GoodpartError for a vocab.json and merges.txt that are not split as Qwen2's are."""
    model = read_object(folder / "config.json") if (folder / "config.json").exists() else {}
    kind = config.get("tokenizer_class") or model.get("tokenizer_class")
    if kind is None and "qwen" not in (name := str(model.get("model_type", "qwen2"))).lower():
        kind = None if name == "Dream" else f"that is not named, of a {name}"
    if kind not in (None, *SLOW):
        raise GoodpartError(
            f"{folder / CONFIG}: vocab.json and merges.txt of tokenizer_class {kind!r} are split by other "
            "rules than Qwen2's; save a tokenizer.json beside them (transformers: "
            "AutoTokenizer.from_pretrained, then save_pretrained)"
        )


def _prefixes(path: Path) -> bool:
    """Whether a tokenizer.json puts a space before the first word."""
    file = parse_object(read_text(path), str(path))
    parts = [file.get("normalizer"), file.get("pre_tokenizer")]
    while parts:
        part = parts.pop() or {}
        if part.get(PREFIX) or part.get("prepend") or part.get("prepend_scheme") in ("always", "first"):
            return True
        parts += [*part.get("normalizers", []), *part.get("pretokenizers", [])]
    return False


def _declared(config: Mapping[str, Any], known: Mapping[str, int], path: Path) -> dict[str, int]:
    """Tokens that `added_tokens_decoder` declares; none may contradict the vocabulary."""
    declared = config.get(DECODER) or {}
    if not isinstance(declared, dict):
        raise GoodpartError(f"{path}: {DECODER} is no object; correct it")
    found: dict[str, int] = {}
    for number, entry in declared.items():
        token = _content(entry)
        if token is None or not number.isdecimal():
            raise GoodpartError(f"{path}: {DECODER}: {number!r} is no token; correct it")
        if known.get(token, int(number)) != int(number):
            raise GoodpartError(
                f"{path}: {DECODER}: {token!r} has the id {number}, and {known[token]} in the "
                "vocabulary; keep the one that the model was trained with"
            )
        if token not in known:
            found[token] = int(number)
    ordered = sorted(found, key=lambda token: found[token])
    last = max(known.values(), default=-1)
    for place, token in enumerate(ordered, last + 1):
        if found[token] != place:
            raise GoodpartError(
                f"{path}: {DECODER}: {token!r} has the id {found[token]}, and the next free one "
                f"is {place}; take the tokenizer.json that belongs to it"
            )
    return {token: found[token] for token in ordered}


def _content(entry: Any) -> str | None:
    """The text of a token, which files hold as text or as an object with `content`."""
    text = entry.get("content") if isinstance(entry, dict) else entry
    return text if isinstance(text, str) else None


def _special(
    folder: Path, files: Mapping[str, Mapping[str, Any]], vocabulary: Mapping[str, int]
) -> tuple[dict[str, str], dict[str, str]]:
    """The named tokens, and the file that names each: tokenizer_config.json, else special_tokens_map.json."""
    special: dict[str, str] = {}
    origins: dict[str, str] = {}
    for file, values in files.items():
        for name in NAMED:
            given = values.get(name)
            if given is None:
                continue
            token = _content(given)
            if name in UNUSED and token is not None and token not in vocabulary:
                continue
            if token is None or token not in vocabulary:
                raise GoodpartError(
                    f"{folder}/{file}: {name} = {given!r} is not in the tokenizer's vocabulary; correct it"
                )
            special[name], origins[name] = token, file
    return special, origins


def _listed(folder: Path, files: Mapping[str, Mapping[str, Any]], vocabulary: Mapping[str, int]) -> list[str]:
    """Markers that files list beside the named ones."""
    found: list[str] = []
    for file, values in files.items():
        for key in LISTS:
            more = values.get(key) or []
            for token in map(_content, more.values() if isinstance(more, dict) else more):
                if token not in vocabulary:
                    raise GoodpartError(
                        f"{folder}/{file}: {key}: {token!r} has no id; declare it in {DECODER} of {CONFIG}, "
                        "with the id that the model was trained with, or remove it"
                    )
                found.append(str(token))
    return found
