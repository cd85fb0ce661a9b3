"""Passes of a decode as CUDA graphs: the GPU repeats a pass's kernels, with no Python between them.

A pass asks for some hundred kernels, one by one; a small model, or a batch of one, computes them faster than
Python asks. A graph of them is asked for once. It repeats the kernels that were recorded, on the memory that
they were recorded with: inputs are copied there, and the next pass overwrites the result.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from goodpart.errors import GoodpartError
from goodpart.models.hooks import is_captured

if TYPE_CHECKING:
    import torch

    from goodpart.models.loading import Model

MOST = 4  # graphs that are kept at a time; the memory of their passes is one pool


@dataclass(frozen=True)
class Graph:
    """A recorded pass: its input tensors and its output."""

    graph: torch.cuda.CUDAGraph
    inputs: list[torch.Tensor]
    output: Any

    def replay(self, inputs: list[torch.Tensor]) -> Any:
        """The pass over `inputs`, of the shapes of the recorded ones."""
        for recorded, given in zip(self.inputs, inputs, strict=True):
            recorded.copy_(given)
        self.graph.replay()
        return self.output


class GraphedForward:
    """A decoder's `forward`, each kind of pass but its first as a CUDA graph.

    Passes are of one kind where their shapes, layers and cache are the same. The first runs as usual,
    because libraries and caches allocate memory in it. Passes whose hidden states are captured run as usual
    too, since a graph calls no hooks.
    """

    def __init__(self, model: Model) -> None:
        import torch

        self.model, self.decoder = model, model.module.model
        self.forward = self.decoder.forward
        self.graphs: dict[Any, Graph | None] = {}  # None: one pass of this kind ran
        self.pool = torch.cuda.graph_pool_handle()

    def __call__(self, **named: Any) -> Any:
        """What `forward` returns, whose tensors hold until the next call."""
        import torch
        from torch.utils._pytree import tree_flatten

        if is_captured(self.model):
            return self.forward(**named)
        values, form = tree_flatten(named)
        inputs = [value for value in values if isinstance(value, torch.Tensor)]
        # The layers and the cache stand for themselves: while they are in a key, no other has their identity.
        shapes = (
            (value.shape, value.dtype) if isinstance(value, torch.Tensor) else value for value in values
        )
        kind = (str(form), *shapes, *self.decoder.layers)
        if kind not in self.graphs:
            if len(self.graphs) == MOST:
                del self.graphs[next(iter(self.graphs))]
            self.graphs[kind] = None
            return self.forward(**named)
        graph = self.graphs[kind] = self.graphs[kind] or self._record(values, form)
        return graph.replay(inputs)

    def _record(self, values: list[Any], form: Any) -> Graph:
        import torch
        from torch.utils._pytree import tree_unflatten

        own = [value.clone() if isinstance(value, torch.Tensor) else value for value in values]
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph, pool=self.pool):
                output = self.forward(**tree_unflatten(own, form))
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            said = " ".join(str(error).split())[:200]
            raise GoodpartError(
                f"{self.model.name}: its passes cannot be CUDA graphs ({said}); remove cuda_graphs from "
                "its entry"
            ) from error
        return Graph(graph, [value for value in own if isinstance(value, torch.Tensor)], output)


@contextmanager
def graphed(model: Model) -> Iterator[None]:
    """Run the passes of a decode as CUDA graphs, where the model asks for them (`Model.cuda_graphs`)."""
    if not model.cuda_graphs:
        yield
        return
    decoder = model.module.model
    decoder.forward = GraphedForward(model)
    try:
        yield
    finally:
        del decoder.forward
