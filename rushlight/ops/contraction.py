"""Sums of products over labelled dimensions (einsum), two operands at a time, by matmul.

Dimensions are named by integers. Every step is an op with a derivative, so the whole is
differentiable as often as one likes.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import prod
from typing import Any

from ..core.tensor import Tensor
from . import reduce
from .contract import matmul
from .elementwise import mul
from .structure import diagonal, permute, reshape

Labels = tuple[int, ...]
Operand = tuple[Any, Labels]


def contract(operands: Sequence[Any], labels: Sequence[Labels], output: Labels) -> Any:
    """sum over the labels not in `output` of the product of all operands."""
    terms = [_once(x, names) for x, names in zip(operands, labels)]
    terms = _unstretched(terms)
    while len(terms) > 1:
        i, j = (0, 1) if len(terms) == 2 else _cheapest(terms, output)
        rest = [term for place, term in enumerate(terms) if place not in (i, j)]
        kept = set(output).union(*(names for _, names in rest))
        terms = [_pair(terms[i], terms[j], kept, output), *rest]
    x, names = _summed(terms[0], set(output))
    return _ordered(x, names, output)


def _once(x: Any, names: Labels) -> Operand:
    """A label that stands twice selects the diagonal."""
    for place, name in enumerate(names):
        again = names.index(name)
        if again != place:
            rest = tuple(n for i, n in enumerate(names) if i not in (again, place))
            return _once(diagonal(x, 0, again, place), (*rest, name))
    return x, names


def _unstretched(terms: list[Operand]) -> list[Operand]:
    """Drop size-1 dimensions whose label is longer elsewhere: the product broadcasts them."""
    if not any(1 in shape_of(x) for x, _ in terms):
        return terms
    sizes: dict[int, int] = {}
    for x, names in terms:
        for size, name in zip(x.shape, names):
            if sizes.get(name, 1) == 1:
                sizes[name] = size
    result = []
    for x, names in terms:
        kept = [i for i, name in enumerate(names) if x.shape[i] == sizes[name]]
        if len(kept) < len(names):
            x = reshape(x, tuple(x.shape[i] for i in kept))
            names = tuple(names[i] for i in kept)
        result.append((x, names))
    return result


def _cheapest(terms: list[Operand], output: Labels) -> tuple[int, int]:
    """The pair whose product shrinks the most (or grows the least)."""
    best, chosen = None, (0, 1)
    sizes = {name: size for x, names in terms for size, name in zip(x.shape, names)}
    for i in range(len(terms)):
        for j in range(i + 1, len(terms)):
            others = (names for place, (_, names) in enumerate(terms) if place not in (i, j))
            kept = set(output).union(*others)
            both = set(terms[i][1]) | set(terms[j][1])
            result = prod(sizes[name] for name in both & kept)
            gain = result - prod(terms[i][0].shape) - prod(terms[j][0].shape)
            cost = (gain, prod(sizes[name] for name in both))
            if best is None or cost < best:
                best, chosen = cost, (i, j)
    return chosen


def _summed(term: Operand, kept: set[int]) -> Operand:
    """Sum out the labels that nothing else needs."""
    x, names = term
    dims = tuple(i for i, name in enumerate(names) if name not in kept)
    if not dims:
        return term
    dtype = x.dtype
    x = reduce.sum(x, dims, False)
    if x.dtype != dtype:  # integers sum as int64, einsum keeps their type
        x = x.astype(dtype) if not hasattr(x, "to") else x.to(dtype)
    return x, tuple(name for name in names if name in kept)


def _ordered(x: Any, names: Labels, wanted: Sequence[int]) -> Any:
    """Permute to the wanted order; labels that are missing become dimensions of size 1."""
    order = tuple(names.index(name) for name in wanted if name in names)
    if order != tuple(range(len(order))):
        x = permute(x, order)
    if len(order) < len(wanted):
        sizes = dict(zip(names, (x.shape[order.index(i)] for i in range(len(names)))))
        x = reshape(x, tuple(sizes.get(name, 1) for name in wanted))
    return x


def shape_of(x: Any) -> tuple[int, ...]:
    """The shape of an array or tensor, as a plain tuple."""
    return x._array.shape if isinstance(x, Tensor) else x.shape


def _pair(a: Operand, b: Operand, kept: set[int], output: Labels) -> Operand:
    """The product of two operands with the labels that are not kept summed out."""
    (x, x_names), (y, y_names) = a, b
    if not kept.issuperset(set(x_names) ^ set(y_names)):
        x, x_names = _summed(a, kept | set(y_names))
        y, y_names = _summed(b, kept | set(x_names))
    plan = _planned(shape_of(x), x_names, shape_of(y), y_names, frozenset(kept), output)
    turned, left, right, shape, names = plan
    if left is None:
        return mul(_ordered(x, x_names, names), _ordered(y, y_names, names)), names
    if turned:
        x, y = y, x
    product = matmul(_laid(x, *left), _laid(y, *right))
    return (product if shape_of(product) == shape else reshape(product, shape)), names


def _laid(x: Any, order: tuple[int, ...] | None, shape: tuple[int, ...] | None) -> Any:
    if order is not None:
        x = permute(x, order)
    return x if shape is None else reshape(x, shape)


@lru_cache(512)
def _planned(
    x_shape: Labels, x_names: Labels, y_shape: Labels, y_names: Labels, kept: frozenset[int],
    output: Labels,
) -> tuple[bool, Any, Any, tuple[int, ...], Labels]:  # fmt: skip
    """How a pair becomes one matmul: turned or not, both layouts, the result's shape and labels."""
    inner = [name for name in x_names if name in y_names and name not in kept]
    batch = [name for name in x_names if name in y_names and name in kept]
    left = [name for name in x_names if name not in y_names]
    right = [name for name in y_names if name not in x_names]
    if not inner:
        names = (*batch, *left, *right)
        return False, None, None, (), output if set(names) == set(output) else names
    turned = _turned(left, right, output)
    if turned:
        x_shape, x_names, y_shape, y_names = y_shape, y_names, x_shape, x_names
        left, right = right, left
    sizes = {**dict(zip(x_names, x_shape)), **dict(zip(y_names, y_shape))}
    names = (*batch, *left, *right)
    return (
        turned, _layout(x_names, sizes, batch, left, inner),
        _layout(y_names, sizes, batch, inner, right), tuple(sizes[name] for name in names), names,
    )  # fmt: skip


def _layout(names: Labels, sizes: dict[int, int], batch: list[int], *groups: list[int]) -> Any:
    """The permutation and the shape (None where not needed) with each group as one dimension."""
    wanted = [*batch, *(name for group in groups for name in group)]
    order = tuple(names.index(name) for name in wanted)
    shape = None
    if any(len(group) != 1 for group in groups):
        shape = (
            *(sizes[name] for name in batch),
            *(prod(sizes[name] for name in group) for group in groups),
        )
    return (None if order == tuple(range(len(order))) else order), shape


def _turned(left: list[int], right: list[int], output: Labels) -> bool:
    """Whether the other order of the factors saves a permutation at the end."""
    first = next((name for name in output if name in left or name in right), None)
    return first is not None and first in right
