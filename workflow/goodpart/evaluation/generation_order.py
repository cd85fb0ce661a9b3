"""In which order a model commits its tokens: local and global AR-ness (Gong et al., 2025, DiffuCoder)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise


def ar_ness(commit_steps: Sequence[int], length: int) -> tuple[float, float] | None:
    """Local and global AR-ness of one completion (0..1); None where it has fewer than two tokens.

    commit_steps: the denoising step that committed each generated position (-1: none did); tokens of one step
    count from left to right. length: positions that count, up to the end of the text: after it a diffusion
    model commits nothing but end markers, often first. Local: the share of tokens, but the first, that
    stand right after the token that was committed before them. Global: the share of tokens that were the
    leftmost masked position when they were committed. Both are 1 for an autoregressive model.
    """
    order = sorted((step, at) for at, step in enumerate(commit_steps[:length]) if step >= 0)
    places = [at for _, at in order]
    if len(places) < 2:
        return None
    local = sum(after == before + 1 for before, after in pairwise(places))
    # A position is the leftmost mask if everything on its left is committed before it.
    leftmost, filled, first_open = 0, set(), min(places)
    inside = sorted(places)
    rank = 0
    for at in places:
        leftmost += at == first_open
        filled.add(at)
        while rank < len(inside) and inside[rank] in filled:
            rank += 1
        first_open = inside[rank] if rank < len(inside) else -1
    return local / (len(places) - 1), leftmost / len(places)
