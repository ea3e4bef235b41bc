"""Histograms of points in several dimensions."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.dispatch import not_implemented, wrap_array
from ..core.tensor import Tensor
from .creation import linspace
from .results import named_result
from .underived import by_aten

__all__ = ["histogramdd"]

_result = named_result("histogramdd", ("hist", "bin_edges"))


def histogramdd(
    input: Tensor, bins: Any, range: Any = None, weight: Any = None, density: bool = False
) -> Any:
    """Counts (or weights) of points, the rows of `input`, in a grid of bins, and the grid's edges.

    Arguments: `bins`, a number, a number per dimension, or the edges per dimension; `range`, the
    lowest and highest edge per dimension, one after another; `density`: the integral is 1.
    Source: https://pytorch.org/docs/stable/generated/torch.histogramdd.html

    >>> import rushlight as torch
    >>> torch.histogramdd(torch.tensor([[0.0, 0.0], [1.0, 1.0]]), bins=[2, 2]).hist
    tensor([[1., 0.],
            [0., 1.]])
    """
    x = input._array
    if x.ndim < 2:
        raise RuntimeError("torch.histogramdd: input tensor should have at least 2 dimensions")
    if x.dtype not in (np.float32, np.float64):
        raise not_implemented("histogramdd", input.dtype)
    points = x.reshape(-1, x.shape[-1])
    _check(input, weight, range, points.shape[1])
    edges = _edges(points, bins, range)
    weights = None if weight is None else weight._array.reshape(-1).astype(np.float64)
    wide = [edge.astype(np.float64) for edge in edges]
    counts = _counted(points.astype(np.float64), wide, weights)
    if density:
        counts = counts / counts.sum()
        for place, edge in enumerate(wide):
            shape = [1] * len(wide)
            shape[place] = -1
            counts = counts / np.diff(edge).reshape(shape)
    hist = by_aten("_histogramdd_from_bin_cts", wrap_array(counts.astype(x.dtype)), input)
    return _result(hist, tuple(map(wrap_array, edges)))


def _counted(points: np.ndarray, edges: list[np.ndarray], weights: Any) -> np.ndarray:
    """Weights per bin: a bin holds its lower edge, and the last its upper one too."""
    shape = tuple(len(edge) - 1 for edge in edges)
    inside = np.ones(len(points), bool)
    places = []
    for column, edge in zip(points.T, edges):
        inside &= (column >= edge[0]) & (column <= edge[-1])
        found = np.searchsorted(edge, column, side="right") - 1
        places.append(np.minimum(found, len(edge) - 2))
    if not len(points):
        return np.zeros(shape)
    flat = np.ravel_multi_index([place[inside] for place in places], shape, mode="clip")
    kept = None if weights is None else weights[inside]
    return np.bincount(flat, kept, int(np.prod(shape))).astype(np.float64).reshape(shape)


def _check(input: Tensor, weight: Any, range: Any, count: int) -> None:
    shape = input._array.shape
    if weight is not None and weight._array.shape != shape[:-1]:
        raise RuntimeError(
            "torch.histogramdd: if weight tensor is provided it should have the same shape as the"
            " input tensor excluding its innermost dimension, but got input with shape"
            f" {list(shape)} and weight with shape {list(weight.shape)}"
        )
    if range is not None and len(range) != 2 * count:
        raise RuntimeError(
            f"torch.histogramdd: for a {count}-dimensional histogram range should have {2 * count}"
            f" elements, but got {len(range)}"
        )


def _edges(points: np.ndarray, bins: Any, range: Any) -> list[np.ndarray]:
    count = points.shape[1]
    if isinstance(bins, int):
        bins = [bins] * count
    if len(bins) != count:
        raise RuntimeError(
            "histogramdd: The size of bins must be equal to the innermost dimension of the input."
        )
    edges = []
    for place, wanted in enumerate(bins):
        if isinstance(wanted, Tensor):
            edges.append(wanted._array.copy())
            continue
        if wanted <= 0:
            raise RuntimeError(
                f"torch.histogram(): bins must be > 0, but got {wanted} for dimension {place}"
            )
        column = points[:, place]
        if range is not None:
            low, high = range[2 * place : 2 * place + 2]
        else:
            low, high = (column.min(), column.max()) if column.size else (0.0, 1.0)
        if low == high:
            low, high = low - 0.5, high + 0.5
        kind = wrap_array(column).dtype
        edges.append(linspace(float(low), float(high), wanted + 1, dtype=kind)._array)
    return edges
