"""How far a model is from itself at full depth, on the canvases of calibration prompts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from goodpart.errors import GoodpartError
from goodpart.jobs.parquet import read_table

if TYPE_CHECKING:
    from goodpart.models.loading import Model

Canvas = tuple[NDArray[np.int64], NDArray[np.bool_]]  # token ids [T], which of them are predicted [T]


def cached_canvases(file: Path, steps: str) -> list[Canvas]:
    """The canvases of one prompt that a model decoded, from its cache of hidden states.

    `steps`: that of the `first` denoising step, or `all` captured ones. Predicted are the masked positions
    of a diffusion model, the tokens of its completion for an autoregressive one.
    """
    table = read_table(file, ["step", "depth", "token_id", "kind"]).to_pandas()
    table = table[table["depth"] == 0]
    canvases = []
    predicts = "masked" if (table["kind"] == "masked").any() else "decoded"
    for step, canvas in table.groupby("step"):
        predicted = (canvas["kind"] == predicts).to_numpy()
        if predicted.any() and (steps == "all" or step == 0):
            canvases.append((canvas["token_id"].to_numpy(np.int64), predicted))
    return canvases


class ModelDivergence:
    """`goodpart.policies.Divergence` of a loaded model; each set of layers is tried once."""

    def __init__(self, model: Model, canvases: Sequence[Canvas], batch_size: int) -> None:
        """Pad `canvases` into batches and keep their hidden states at full depth.

        Raises GoodpartError without canvases.
        """
        import torch

        from goodpart.decoding.likelihoods import final_hidden

        if not canvases:
            raise GoodpartError("no canvas to compare on; let capture.steps begin with 0")
        self.model, self.layers = model, model.layers
        self.tried: dict[tuple[int, ...], float] = {}
        self.batches = []
        ordered = sorted(canvases, key=lambda canvas: len(canvas[0]))
        for first in range(0, len(ordered), batch_size):
            group = ordered[first : first + batch_size]
            width = len(group[-1][0])
            ids = torch.full((len(group), width), model.tokens.pad)
            where, exists = (torch.zeros(ids.shape, dtype=torch.bool) for _ in range(2))
            for row, (tokens, predicted) in enumerate(group):
                ids[row, width - len(tokens) :] = torch.from_numpy(tokens)
                where[row, width - len(tokens) :] = torch.from_numpy(predicted)
                exists[row, width - len(tokens) :] = True
            at = tuple(tensor.to(model.device) for tensor in (ids, where, exists))
            self.batches.append((*at, final_hidden(model, at[0], at[2])))

    def __call__(self, skipped: Sequence[int]) -> float:
        """Mean KL(full depth || without `skipped`) in nats a predicted token, over all canvases."""
        from goodpart.decoding.likelihoods import kl_from_full_depth

        key = tuple(sorted(skipped))
        if key not in self.tried:
            parts = [
                kl_from_full_depth(self.model, ids, key, where, exists, full)
                for ids, where, exists, full in self.batches
            ]
            self.tried[key] = float(sum(part.double().sum() for part in parts)) / sum(map(len, parts))
        return self.tried[key]
