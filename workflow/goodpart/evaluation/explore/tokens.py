"""Texts of tokens as a page shows them: what the model's tokenizer gives, with nothing invisible in it."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable
from pathlib import Path

from goodpart.jobs.downloads import downloaded
from goodpart.models.checkpoints.tokenizer import TokenizerFiles, read_tokenizer

SIGNS = {" ": "␣", "\n": "↵", "\r": "␍", "\t": "⇥"}
# Control, format and private characters, lone surrogates, and separators of lines, paragraphs and words.
UNSEEN = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs")
BEFORE = "a"  # a piece before a token keeps decoders from taking its first space away


def visible(text: str) -> str:
    """The text with a sign for each space, tab and line break, and a code for what else cannot be seen."""

    def sign(character: str) -> str:
        if character in SIGNS:
            return SIGNS[character]
        unseen = unicodedata.category(character) in UNSEEN
        return f"\\u{{{ord(character):x}}}" if unseen else character

    return "".join(map(sign, text))


def tokenizer_folder(name: str, revision: str | None) -> Path | None:
    """The folder of a checkpoint that is on this machine: a local one, or a download; else None."""
    folder = Path(name)
    return folder if folder.is_dir() else downloaded("model", name, revision)


def texts(folder: Path | None, ids: Iterable[int]) -> dict[int, str]:
    """Visible text of each token id. Without a tokenizer, and for an id that it does not have, `#id`.

    Raises GoodpartError for a damaged tokenizer.
    """
    files = read_tokenizer(folder) if folder else None
    if folder is None or files is None:
        return {number: f"#{number}" for number in ids}
    pieces = {number: token for token, number in files.vocabulary.items()}
    decode = _decoder(folder, files)
    found = {}
    for number in ids:
        piece = pieces.get(number)
        if piece is not None:
            text = piece if number in files.added else decode(piece)
            found[number] = visible(text or piece)
        else:
            found[number] = f"#{number}"
    return found


def _decoder(folder: Path, files: TokenizerFiles) -> Callable[[str], str]:
    """Text of one piece of the vocabulary."""
    from tokenizers import Tokenizer, decoders

    fast = folder / "tokenizer.json"
    # Qwen2's vocab.json has pieces of bytes.
    decoder = Tokenizer.from_file(str(fast)).decoder if files.fast else decoders.ByteLevel()
    if decoder is None:
        return lambda piece: piece
    return lambda piece: decoder.decode([BEFORE, piece]).removeprefix(BEFORE)
