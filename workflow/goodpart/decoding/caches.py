"""Keys and values of a canvas that is decoded block by block (Fast-dLLM; Wu et al., 2025).

At the start of a block one pass over the whole canvas fills the cache. The block's other passes feed a part
of the canvas only: everything from the block on (`prefix`), or the block alone (`dual`). They replace the
keys and values of what they feed and see all others as they were at the block's start.
"""

from __future__ import annotations

from typing import Any

import torch


class BlockCache:
    """What transformers' attention layers ask of a cache, over a canvas of fixed length.

    Everything is written in place, and where it goes is a tensor: a CUDA graph of a pass fits every block.
    """

    def __init__(self) -> None:
        self.first = 0  # canvas position of the first token that a pass feeds
        self.fed: dict[int, torch.Tensor] = {}  # number of fed positions -> those of the last such pass
        self.keys: dict[int, torch.Tensor] = {}  # layer -> [B, kv heads, T, head width]
        self.values: dict[int, torch.Tensor] = {}

    def feed(self, first: int, last: int, device: torch.device) -> None:
        """Say which canvas positions the next pass feeds: `first` to `last` - 1."""
        self.first = first
        count = last - first
        if count not in self.fed:
            self.fed[count] = torch.empty(count, dtype=torch.long, device=device)
        torch.arange(first, last, out=self.fed[count])

    def update(
        self, key: torch.Tensor, value: torch.Tensor, layer_idx: int, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Put in keys and values of the fed positions; return those of the whole canvas."""
        if layer_idx not in self.keys:
            self.keys[layer_idx], self.values[layer_idx] = key, value
        elif self.keys[layer_idx].shape == key.shape:
            self.keys[layer_idx].copy_(key)
            self.values[layer_idx].copy_(value)
        else:
            fed = self.fed[key.shape[2]].to(key.device)
            self.keys[layer_idx][:, :, fed] = key
            self.values[layer_idx][:, :, fed] = value
        return self.keys[layer_idx], self.values[layer_idx]

    def keep(self, rows: torch.Tensor) -> None:
        """Keep some rows [B] (bool) of the batch."""
        for store in (self.keys, self.values):
            for layer, tensor in store.items():
                store[layer] = tensor[rows.to(tensor.device)]

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Tokens in front of those that a pass feeds."""
        return self.first

    def get_query_offset(self, layer_idx: int = 0) -> int:
        """Canvas position of the first token that a pass feeds."""
        return self.first

    def get_mask_sizes(self, query: Any, layer_idx: int = 0) -> tuple[int, int]:
        """Length and offset of the keys that a pass sees: the whole canvas."""
        fed = query if isinstance(query, int) else query.shape[0]
        return (self.keys[layer_idx].shape[2] if self.keys else fed), 0
