"""The tokenizer of all tiny checkpoints: byte-level BPE on Qwen2's word splits, with single digits."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from goodpart_tools.tiny.corpus import training_tasks

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

VOCABULARY = 640
# Qwen2's splitting rule. transformers applies it to every checkpoint of model type qwen2, whatever its
# tokenizer.json has. All families use this rule, so all loaders agree.
QWEN2_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
# As in the public models, eos is also the pad token; mask, bos and the turn markers are separate tokens.
SPECIAL = {
    "eos": "<|endoftext|>",
    "bos": "<|startoftext|>",
    "mask": "<|mask|>",
    "header": "<|start_header_id|>",
    "header_end": "<|end_header_id|>",
    "eot": "<|eot_id|>",
    "im_start": "<|im_start|>",
    "im_end": "<|im_end|>",
}
# LLaDA's template always opens the assistant's turn; ChatML does so on request.
CHAT_TEMPLATES = {
    "llada": (
        "{{ '<|startoftext|>' }}{% for message in messages %}{{ '<|start_header_id|>' + message['role']"
        " + '<|end_header_id|>\\n\\n' + message['content'] | trim + '<|eot_id|>' }}{% endfor %}"
        "{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}"
    ),
    "dream": (
        "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content']"
        " + '<|im_end|>\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}"
        "{% endif %}"
    ),
}
CHAT_TEMPLATES["qwen2"] = CHAT_TEMPLATES["dream"]


def train_tokenizer(seed: int, tasks: int = 20_000) -> str:
    """Train the byte-level BPE on `tasks` training tasks; return tokenizer.json as text."""
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(QWEN2_WORDS), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    texts = (f"{t.prompt}\n{t.response}\nuser\nassistant\n\n" for t in training_tasks(seed, set()))
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=list(SPECIAL.values()),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(islice(texts, tasks), trainer)
    return tokenizer.to_str(pretty=True)


def family_tokenizer(tokenizer_json: Path, family: str) -> PreTrainedTokenizerFast:
    """The shared tokenizer with one family's chat template and special tokens."""
    from transformers import PreTrainedTokenizerFast

    end = SPECIAL["eos"]
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=str(tokenizer_json),
        eos_token=end,
        pad_token=end,
        bos_token=SPECIAL["bos"],
        mask_token=SPECIAL["mask"],
        clean_up_tokenization_spaces=False,
    )
    tokenizer.chat_template = CHAT_TEMPLATES[family]
    return tokenizer
