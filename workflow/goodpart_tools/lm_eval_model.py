"""lm-evaluation-harness with layers skipped: its command line, with `--model goodpart`.

    goodpart lm-eval run --model goodpart --model_args pretrained=CHECKPOINT,skip=SET.json --tasks gsm8k

`pretrained`: a folder or a hub name (with `revision`). `skip`: a file of a static skip set, or layers as 3+7.
`cache`, `block_length`, `steps`, `confidence_threshold` and the like are the decoding settings of its family;
`max_new_tokens` is the length where a task names none; `draws` masks a likelihood of a diffusion model takes.
Needs `pip install -e '.[lm-eval]'`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from goodpart.benchmarks.scoring import before_stops
from goodpart.decoding.decode import decode, settings_for
from goodpart.decoding.prompts import batches
from goodpart.decoding.references import Reference, negative_log_likelihoods
from goodpart.decoding.samplers.common import item_seed
from goodpart.errors import GoodpartError
from goodpart.models.families import family_module
from goodpart.models.loading import Model, load
from goodpart.models.skipping import check_layers, skipping
from goodpart.policies.skip_sets import static_layers

try:
    from lm_eval.api.model import TemplateLM
except ImportError:  # said by `register`
    TemplateLM = object


def layers_of(skip: str | int | Sequence[int] | None, total: int) -> list[int]:
    """Layers to skip: of a file of a static skip set, of text such as 3+7, of a list, or none."""
    if skip is None or skip == "":
        return []
    if isinstance(skip, str) and skip.endswith((".json", ".parquet")):
        return static_layers(Path(skip), total)
    try:
        layers = [int(part) for part in skip.split("+")] if isinstance(skip, str) else list(_listed(skip))
    except ValueError:
        raise GoodpartError(f"skip = {skip!r}: give a skip set's file, or layers as 3+7") from None
    return check_layers(layers, total)


def _listed(skip: int | Sequence[int]) -> Sequence[int]:
    return [skip] if isinstance(skip, int) else skip


def greedy_match(model: Model, prompt: Sequence[int], answer: Sequence[int]) -> bool:
    """Whether greedy decoding of an autoregressive model would give `answer` (token ids) after `prompt`."""
    import torch

    from goodpart.decoding.likelihoods import final_hidden

    ids = torch.tensor([[*prompt, *answer]], device=model.device)
    found = model.logits(final_hidden(model, ids)[0, len(prompt) - 1 : -1]).argmax(-1)
    return found.tolist() == list(answer)


def has_gpu() -> bool:
    """Whether torch sees a GPU."""
    import torch

    return torch.cuda.is_available()


class Goodpart(TemplateLM):
    """A checkpoint of this project under lm-evaluation-harness, without some of its layers."""

    def __init__(
        self,
        pretrained: str,
        skip: str | int | Sequence[int] | None = None,
        revision: str | None = None,
        dtype: str | None = None,
        device: str | None = None,
        batch_size: int | str = 8,
        max_new_tokens: int = 256,
        draws: int = 32,
        seed: int = 0,
        max_batch_size: int | None = None,
        **decoding: Any,
    ) -> None:
        super().__init__()
        if device == "cuda:0" and not has_gpu():
            device = None  # the harness's own default, whatever the machine has
        self.model = load(pretrained, revision=revision, dtype=dtype, device=device)
        if self.model.tokenizer is None:
            raise GoodpartError(f"{pretrained}: the checkpoint has no tokenizer files")
        self.layers = layers_of(skip, self.model.layers)
        self.tokenizer, self.decoding = self.model.tokenizer, decoding
        self.size = 8 if str(batch_size).startswith("auto") else int(batch_size)
        self.new_tokens, self.draws, self.seed = int(max_new_tokens), int(draws), int(seed)
        self.settings(self.new_tokens)  # a mistake in `decoding` stops now

    @property
    def eot_token_id(self) -> int:
        """The end marker."""
        return self.model.tokens.eos

    @property
    def prefix_token_id(self) -> int:
        """What an empty context is: the start marker, or the end marker where there is none."""
        start = self.tokenizer.bos_token_id
        return self.eot_token_id if start is None else start

    @property
    def tokenizer_name(self) -> str:
        """A name for the harness's cache of requests."""
        return self.model.name.replace("/", "__")

    def apply_chat_template(
        self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True
    ) -> str:
        """A conversation in the checkpoint's template, as text."""
        return self.tokenizer.apply_chat_template(
            chat_history, tokenize=False, add_generation_prompt=add_generation_prompt
        )

    def tok_encode(self, string: str, add_special_tokens: bool | None = None, **kwargs: Any) -> list[int]:
        """Token ids, with the start marker that the tokenizer adds, unless the text has it already."""
        start = self.tokenizer.bos_token
        adds = add_special_tokens
        if adds is None:
            adds = not (start and string.startswith(start))
        return self.tokenizer(string, add_special_tokens=adds)["input_ids"]

    def settings(self, new_tokens: int) -> Any:
        """Decoding settings for a length, which blocks round up."""
        block = self.decoding.get("block_length")
        usual = {field.name: field.default for field in fields(family_module(self.model.family).Settings)}
        if block is None and isinstance(usual.get("block_length"), int):
            block = min(usual["block_length"], new_tokens)
        length = new_tokens if block is None else -(-new_tokens // int(block)) * int(block)
        given = self.decoding | ({} if block is None else {"block_length": int(block)})
        return settings_for(self.model, max_new_tokens=length, **given)

    def _loglikelihood_tokens(
        self, requests: list[tuple[Any, list[int], list[int]]], **kwargs: Any
    ) -> list[tuple[float, bool]]:
        references = [
            Reference(context, answer, item_seed(self.seed, repr(texts), 0))
            for texts, context, answer in requests
        ]
        with skipping(self.model, self.layers):
            found = negative_log_likelihoods(
                self.model, references, lambda item, share: [], self.draws, self.size
            )
            exact = self.model.tokens.mask is None
            # A diffusion model has no greedy next token; lm-eval's exact matches do not hold for it.
            greedy = [exact and greedy_match(self.model, r.prompt, r.solution) for r in references]
        return [(-nll, matches) for nll, matches in zip(found, greedy, strict=True)]

    def loglikelihood_rolling(self, requests: list[Any], disable_tqdm: bool = False) -> list[float]:
        """Log-likelihood of whole texts, each in one window."""
        encoded = [self.tok_encode(r.args[0], add_special_tokens=False) for r in requests]
        pairs = [(r.args, [self.prefix_token_id], ids) for r, ids in zip(requests, encoded, strict=True)]
        return [found for found, _ in self._loglikelihood_tokens(pairs)]

    def generate_until(self, requests: list[Any], disable_tqdm: bool = False) -> list[str]:
        """Completions, with the layers skipped; a diffusion model's length is the task's, in whole blocks."""
        texts: list[str] = [""] * len(requests)
        for length, members in self._by_length(requests):
            prompts = [self.tok_encode(requests[i].args[0]) for i in members]
            settings = self.settings(length)
            for group in batches([len(prompt) for prompt in prompts], self.size):
                seeds = [item_seed(self.seed, requests[members[i]].args[0], 0) for i in group]
                with skipping(self.model, self.layers):
                    made = decode(self.model, [prompts[i] for i in group], settings, seeds=seeds)
                for i, one in zip(group, made, strict=True):
                    text = self.tokenizer.decode(one.token_ids, skip_special_tokens=True)
                    texts[members[i]] = _cut(text, requests[members[i]].args[1].get("until"))
        return texts

    def _by_length(self, requests: list[Any]) -> Iterator[tuple[int, list[int]]]:
        """Requests of the same length to generate: that length, and their numbers."""
        groups: dict[int, list[int]] = {}
        for number, request in enumerate(requests):
            given = request.args[1]
            if given.get("do_sample") or given.get("temperature", 0) not in (0, 0.0):
                raise GoodpartError("a task asks to sample; give temperature in --model_args instead")
            length = int(given.get("max_gen_toks") or self.new_tokens)
            groups.setdefault(length, []).append(number)
        yield from groups.items()


def _cut(text: str, until: str | Sequence[str] | None) -> str:
    """The text before the first of the strings that end it."""
    return before_stops(text, [until] if isinstance(until, str) else list(filter(None, until or [])))


def register() -> None:
    """Let lm-evaluation-harness know the model; GoodpartError without that library."""
    try:
        from lm_eval.api.registry import register_model
    except ImportError:
        raise GoodpartError(
            "lm-evaluation-harness is not installed; install it with pip install -e '.[lm-eval]'"
        ) from None
    register_model("goodpart")(Goodpart)


def main(arguments: argparse.Namespace) -> None:
    """Hand the words to lm-evaluation-harness's own command line, with the model known to it."""
    register()
    from lm_eval.__main__ import cli_evaluate

    sys.argv = ["lm-eval", *arguments.words]
    cli_evaluate()


def add_arguments(options: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    options.add_argument("words", nargs=argparse.REMAINDER, help="of lm-evaluation-harness's own command")
