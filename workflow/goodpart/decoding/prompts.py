"""Prompt text to token ids: the chat template where a model is used with one, plain text where not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any


def render(tokenizer: Any, texts: Sequence[str], chat: bool) -> list[list[int]]:
    """Token ids of each prompt in `texts`.

    With `chat`, the text is one user turn and the assistant's turn is opened; without, the text is
    followed by one newline and continued, after the start markers that the tokenizer writes by itself (as
    Llama's, Gemma's and GLM's do). Templates write their own special tokens, so none are added to them.
    """
    if chat:
        turns = [[{"role": "user", "content": text}] for text in texts]
        rendered = [
            tokenizer.apply_chat_template(turn, add_generation_prompt=True, tokenize=False) for turn in turns
        ]
    else:
        rendered = [text if text.endswith("\n") else text + "\n" for text in texts]
    ids = tokenizer(rendered, add_special_tokens=False)["input_ids"]
    start = [] if chat else start_markers(tokenizer)
    return [[*start, *row] for row in ids]


def start_markers(tokenizer: Any) -> list[int]:
    """Ids that the tokenizer puts in front of a text."""
    plain, marked = (tokenizer("a", add_special_tokens=added)["input_ids"] for added in (False, True))
    places = [i for i in range(len(marked)) if marked[i : i + len(plain)] == plain]
    return marked[: places[0]] if places else []


def batches(lengths: list[int], size: int) -> Iterator[list[int]]:
    """Indices in batches of at most `size`, prompts of similar length together."""
    order = sorted(range(len(lengths)), key=lambda i: (lengths[i], i))
    for first in range(0, len(order), size):
        yield order[first : first + size]
