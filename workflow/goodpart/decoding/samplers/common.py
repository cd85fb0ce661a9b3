"""What the samplers share: results, canvases, random numbers, ranking, and when a row has ended."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import compress

import torch

from goodpart.decoding.caches import BlockCache
from goodpart.models.finite import explain, is_finite
from goodpart.models.loading import Model

Observe = Callable[[int, torch.Tensor], None]  # (denoising step, ids [B, T] fed to the model)
Choose = Callable[[torch.Tensor], torch.Tensor]  # confidence [B, T] -> what is committed [B, T]

NEVER = 2**31 - 1
SYNC_EVERY = 32  # denoising steps inside a block between two looks at the canvas of a GPU


@dataclass(frozen=True)
class Decoded:
    """One completion: its token ids (cut before the first end marker) and how it came about."""

    token_ids: list[int]
    ended: bool
    forward_passes: int
    canvas: torch.Tensor  # [T] ids of prompt and generated positions, padding removed
    commit_steps: list[int]  # of each generated position, the step that committed it; -1 for none


def item_seed(run_seed: int, item_id: str, sample: int) -> int:
    """A seed for one sample of one item that no batch, shard or order can change."""
    text = f"{run_seed}\0{item_id}\0{sample}".encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:8], "big") >> 1


@dataclass
class Draws:
    """Random numbers: one generator a row (`seeds`), or the global stream (`seeds` None).

    The global stream reproduces the official code, which draws for whole tensors in a fixed order. It is
    that of the CPU whatever the device: golden outputs were drawn from it.
    """

    seeds: Sequence[int] | None
    device: torch.device

    def __post_init__(self) -> None:
        self.generators = (
            None if self.seeds is None else [torch.Generator(self.device).manual_seed(s) for s in self.seeds]
        )

    @property
    def official(self) -> bool:
        """Whether the official code's global stream is used."""
        return self.generators is None

    def row(self, row: int) -> torch.Generator:
        """The generator of one row of the first batch."""
        assert self.generators is not None
        return self.generators[row]

    def shared(self, shape: Sequence[int], dtype: torch.dtype = torch.float32) -> torch.Tensor:
        """Uniform numbers of one shape from the official stream."""
        return torch.rand(*shape, dtype=dtype).to(self.device)

    def shared_multinomial(self, weights: torch.Tensor, count: int, replacement: bool) -> torch.Tensor:
        """`count` indices a row of `weights` [N, V] from the official stream [N, count]."""
        return weights.cpu().multinomial(count, replacement=replacement).to(self.device)


def canvas_of(
    prompts: Sequence[Sequence[int]], length: int, fill: int, pad: int, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor, int]:
    """Left-pad prompts and append `length` positions of `fill`.

    Returns ids [B, P + length], which of them exist [B, P + length] (bool), and P.
    """
    width = max(map(len, prompts))
    ids = torch.full((len(prompts), width + length), fill)
    exists = torch.ones_like(ids, dtype=torch.bool)
    for i, prompt in enumerate(prompts):
        gap = width - len(prompt)
        ids[i, :gap] = pad
        exists[i, :gap] = False
        ids[i, gap:width] = torch.tensor(prompt)
    return ids.to(device), exists.to(device), width


def unpadded_positions(exists: torch.Tensor) -> torch.Tensor:
    """Position ids [B, T] that count only what exists [B, T], 1 at padding: Dream's and Qwen2's rule."""
    exists = exists.long()
    return (exists.cumsum(1) - 1).masked_fill(exists == 0, 1)


def picked(values: torch.Tensor, column: torch.Tensor) -> torch.Tensor:
    """Values [B, T, ...] at the columns [B, W]: [B, W, ...].

    A column outside takes the nearest: those that are not masked may lie outside what a pass was fed.
    """
    rows = torch.arange(len(column), device=column.device)[:, None]
    return values[rows, column.clamp(0, values.shape[1] - 1)]


def synchronises_each_step(device: torch.device) -> bool:
    """Whether reading a tensor from the host is free. On a GPU it holds up the passes that are queued."""
    return device.type == "cpu"


def row_has_ended(ids: torch.Tensor, start: int, mask: int, ends: torch.Tensor) -> torch.Tensor:
    """Which rows [B] hold an end marker at or after `start` with no mask before it.

    Nothing that a sampler does later can change such a row up to its end marker.
    """
    generated = ids[:, start:]
    end = torch.isin(generated, ends)
    masked_before = (generated == mask).cumsum(1) > 0
    return (end & ~masked_before).any(1)


class Rows:
    """The rows of a batch that are still being decoded, and the results of those that are not."""

    def __init__(
        self, model: Model, prompts: Sequence[Sequence[int]], length: int, cache: str = "none"
    ) -> None:
        tokens = model.tokens
        assert tokens.mask is not None
        self.model, self.prompts, self.mask = model, prompts, tokens.mask
        self.ids, self.exists, self.start = canvas_of(prompts, length, tokens.mask, tokens.pad, model.device)
        self.active = list(range(len(prompts)))
        self.padding = self._padding()
        self.committed = torch.full_like(self.ids, -1)  # the denoising step that committed each position
        self.passes = torch.zeros(len(prompts), dtype=torch.long, device=self.ids.device)  # of each row
        self.cache = None if cache == "none" else BlockCache()
        self.counts: list[int] = []  # a row: masked columns that the head runs on, or a few more
        self._waits = synchronises_each_step(model.device)
        self._ends = torch.tensor(sorted(tokens.ends), device=self.ids.device)
        self._done: dict[int, Decoded] = {}
        self._bad_step = torch.full((), NEVER, device=self.ids.device)
        self._again: Callable[[], object] = lambda: None

    def open_columns(self, begin: int, end: int, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Columns [B, W] where a token can be committed, and which of them are masked [B, W].

        A row's masked columns, those of `begin` to `end` - 1, come first, from left to right; W is the most
        that any row has. On a GPU it is what it was at step 0 of the block, or `SYNC_EVERY` steps ago: too
        many, but known to the host.
        """
        masked = self.ids == self.mask
        masked[:, :begin] = False
        masked[:, end:] = False
        if self._waits or step % SYNC_EVERY == 0:
            if not self._waits:
                self.require_finite()
            self.counts = masked.sum(1).tolist()
        order = masked.to(torch.uint8).sort(dim=1, descending=True, stable=True).indices
        column = order[:, : max(self.counts)]
        return column, masked.gather(1, column)

    def uniform(self, draws: Draws, width: int, last: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
        """Uniform numbers [B, W, *last] for W = `width` open columns, each row's from its own generator.

        A row draws for its own count of columns; after them stands 1/2.
        """
        device = self.ids.device
        made = torch.full((len(self.active), width, *last), 0.5, dtype=dtype, device=device)
        for i, (row, count) in enumerate(zip(self.active, self.counts, strict=True)):
            made[i, :count] = torch.rand((count, *last), dtype=dtype, device=device, generator=draws.row(row))
        return made

    def check(self, logits: torch.Tensor, step: int, forward: Callable[[], object]) -> None:
        """Remember the first step whose `logits` are not finite; `forward` repeats the pass.

        Raises GoodpartError with the layer: at once, or on a GPU when its canvas is looked at.
        """
        now = torch.where(is_finite(logits), NEVER, step)
        self._bad_step, self._again = torch.minimum(self._bad_step, now), forward
        if self._waits:
            self.require_finite()

    def require_finite(self) -> None:
        """GoodpartError if the logits of a step were not finite; waits for the device."""
        step = int(self._bad_step)
        if step != NEVER:
            raise explain(self.model, step, self._again)

    def may_retire(self, step: int, steps: int) -> bool:
        """Whether to look, after `step` of `steps`, for rows that have ended: not where it costs a wait."""
        return self._waits or step == steps - 1 or (step + 1) % SYNC_EVERY == 0

    def commit(
        self,
        column: torch.Tensor,
        token: torch.Tensor,
        confidence: torch.Tensor,
        chosen: Choose,
        fed: torch.Tensor | None = None,
    ) -> None:
        """End a pass: put tokens [B, W] in the columns [B, W] that `chosen(score [B, T])` marks [B, T].

        `confidence` [B, W] is -inf where nothing may be committed. `fed` [B] (bool): the rows that the pass
        counts for, by default all; the others only wait for them.
        """
        score = torch.full(self.ids.shape, -torch.inf, dtype=confidence.dtype, device=self.ids.device)
        score.scatter_(1, column, confidence)
        marked = chosen(score) & (score > -torch.inf)
        self.committed = torch.where(marked, self.passes[:, None], self.committed)
        now = self.ids.gather(1, column)
        self.ids.scatter_(1, column, torch.where(marked.gather(1, column), token, now))

        self.passes += 1 if fed is None else fed

    def retire(self) -> torch.Tensor:
        """Take out the rows that have ended; return which stay [B]."""
        ended = row_has_ended(self.ids, self.start, self.mask, self._ends)
        if ended.any():
            self.require_finite()
            self._finish(ended.nonzero()[:, 0].tolist())
            stays = [not e for e in ended.tolist()]
            self.active, self.counts = (list(compress(x, stays)) for x in (self.active, self.counts))
            self.ids, self.exists = self.ids[~ended], self.exists[~ended]
            self.committed, self.passes = self.committed[~ended], self.passes[~ended]
            self.padding = self._padding()
            if self.cache is not None:
                self.cache.keep(~ended)
        return ~ended

    def hidden(self, first: int, last: int, positions: torch.Tensor | None = None) -> torch.Tensor:
        """Normed hidden states [B, last - first, D] of one pass over canvas columns `first` to `last` - 1.

        Less than the whole canvas needs a cache, which an earlier pass over the whole has filled.
        `positions` [B, T]: position ids of the canvas, where they are not its columns.
        """
        decoder = self.model.module.model
        if positions is None:
            positions = torch.arange(self.ids.shape[1], device=self.ids.device)[None]
        if self.cache is not None:
            self.cache.feed(first, last, self.ids.device)
        return decoder(
            input_ids=self.ids[:, first:last],
            attention_mask=self.visible(last - first),
            position_ids=positions[:, first:last],
            past_key_values=self.cache,
            use_cache=self.cache is not None,
        ).last_hidden_state.to(self.ids.device)

    def visible(self, queries: int) -> torch.Tensor | None:
        """0 where each of `queries` fed positions sees one of the canvas, else -inf [B, 1, queries, T].

        None where all see all. Given in full, since transformers would wait for a GPU to see whether a 2-D
        mask hides anything; and in numbers, since attention would turn truth values into them in each layer.
        """
        if self.padding is None:
            return None
        return self.padding[:, None, None, :].expand(-1, 1, queries, -1).contiguous()

    def _padding(self) -> torch.Tensor | None:
        """-inf where the active rows are padded, else 0 [B, T]; None where none of them is."""
        if bool(self.exists.all()):
            return None
        zero = torch.zeros((), dtype=self.model.dtype, device=self.exists.device)
        return torch.where(self.exists, zero, -torch.inf)

    def results(self) -> list[Decoded]:
        """Results of all rows in the order of the prompts."""
        self.require_finite()
        self._finish(range(len(self.active)))
        return [self._done[r] for r in range(len(self.prompts))]

    def _finish(self, indices: Iterable[int]) -> None:
        passes = self.passes.tolist()
        for i in indices:
            row = self.active[i]
            gap = self.start - len(self.prompts[row])
            steps = self.committed[i, self.start :].tolist()
            self._done[row] = finish(self.ids[i, gap:], self.start - gap, self.model, passes[i], steps)


def finish(ids: torch.Tensor, start: int, model: Model, passes: int, steps: list[int]) -> Decoded:
    """Cut one row of ids [T] (padding removed, generation from `start` on) at its first end marker."""
    generated = ids[start:].tolist()
    ends = model.tokens.ends
    stop = next((i for i, token in enumerate(generated) if token in ends), None)
    return Decoded(
        token_ids=generated if stop is None else generated[:stop],
        ended=stop is not None,
        forward_passes=passes,
        canvas=ids.cpu(),
        commit_steps=steps,
    )
