"""Finds the size and type of every value in a graph by running it."""

from __future__ import annotations

from typing import Any, NamedTuple

import rushlight as rl

from ..interpreter import Interpreter
from ..node import Node, map_aggregate

__all__ = ["ShapeProp", "TensorMetadata"]


class TensorMetadata(NamedTuple):
    """What is known of a tensor without its values.

    >>> import rushlight as torch
    >>> graph = torch.fx.symbolic_trace(torch.nn.Linear(2, 3))
    >>> y = torch.fx.passes.shape_prop.ShapeProp(graph).propagate(torch.zeros(4, 2))
    >>> [node.meta["tensor_meta"].shape for node in graph.graph.nodes][-1]
    torch.Size([4, 3])
    """

    shape: Any
    dtype: Any
    requires_grad: bool
    stride: tuple[int, ...]
    memory_format: Any
    is_quantized: bool
    qparams: dict[str, Any]


def _extract_tensor_metadata(result: Any) -> TensorMetadata:
    formats = (rl.contiguous_format, rl.channels_last, rl.channels_last_3d)
    laid = (f for f in formats if _fits(result, f) and result.is_contiguous(memory_format=f))
    return TensorMetadata(
        result.shape, result.dtype, result.requires_grad, result.stride(), next(laid, None),
        False, {},
    )  # fmt: skip


def _fits(x: Any, kind: Any) -> bool:
    needed = {rl.channels_last: 4, rl.channels_last_3d: 5}.get(kind)
    return needed is None or x.ndim == needed


class ShapeProp(Interpreter):
    """Runs a graph and notes in `node.meta` the "tensor_meta" and the "type" of each result.

    Source: https://docs.pytorch.org/docs/stable/fx.html#torch.fx.Interpreter

    >>> import rushlight as torch
    >>> from rushlight.fx.passes.shape_prop import ShapeProp
    >>> gm = torch.fx.symbolic_trace(lambda x: x.sum(0))
    >>> _ = ShapeProp(gm).propagate(torch.ones(2, 3))
    >>> [tuple(node.meta["tensor_meta"].shape) for node in gm.graph.nodes]
    [(2, 3), (3,), (3,)]
    """

    def run_node(self, n: Node) -> Any:
        """Run a node as ever, and note what it gave."""
        result = super().run_node(n)
        tensors = 0

        def seen(value: Any) -> Any:
            nonlocal tensors
            if not isinstance(value, rl.Tensor):
                return value
            tensors += 1
            return _extract_tensor_metadata(value)

        meta = map_aggregate(result, seen)
        if tensors:
            n.meta["tensor_meta"] = meta
        n.meta["type"] = type(result)
        return result

    def propagate(self, *args: Any) -> Any:
        """Run the graph on these values and return what it returns."""
        return self.run(*args)
