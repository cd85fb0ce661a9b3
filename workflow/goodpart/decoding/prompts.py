"""Prompt text to token ids: the chat template where a model is used with one, plain text where not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any


def render(tokenizer: Any, texts: Sequence[str], chat: bool) -> list[list[int]]:
    """Token ids of each prompt in `texts`.

    With `chat`, the text is one user turn and the assistant's turn is opened; without, the text is
    followed by one newline and continued, after the start marker where the tokenizer writes one by itself
    (as Llama's and Gemma's do). Templates write their own special tokens, so none are added to them.
    """
    if chat:
        turns = [[{"role": "user", "content": text}] for text in texts]
        rendered = [
            tokenizer.apply_chat_template(turn, add_generation_prompt=True, tokenize=False) for turn in turns
        ]
    else:
        rendered = [text if text.endswith("\n") else text + "\n" for text in texts]
    ids = tokenizer(rendered, add_special_tokens=False)["input_ids"]
    start = None if chat else getattr(tokenizer, "bos_token_id", None)
    writes_it = start is not None and tokenizer("")["input_ids"][:1] == [start]
    return [[start, *row] for row in ids] if writes_it else ids


def batches(lengths: list[int], size: int) -> Iterator[list[int]]:
    """Indices in batches of at most `size`, prompts of similar length together."""
    order = sorted(range(len(lengths)), key=lambda i: (lengths[i], i))
    for first in range(0, len(order), size):
        yield order[first : first + size]
