"""Sums of products over labelled dimensions (einsum), two operands at a time, by matmul.

Dimensions are named by integers. Every step is an op with a derivative, so the whole is
differentiable as often as one likes.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

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


def _pair(a: Operand, b: Operand, kept: set[int], output: Labels) -> Operand:
    """The product of two operands with the labels that are not kept summed out."""
    a = _summed(a, kept | set(b[1]))
    b = _summed(b, kept | set(a[1]))
    (x, x_names), (y, y_names) = a, b
    inner = [name for name in x_names if name in y_names and name not in kept]
    batch = [name for name in x_names if name in y_names and name in kept]
    left = [name for name in x_names if name not in y_names]
    right = [name for name in y_names if name not in x_names]
    if not inner:
        names = (*batch, *left, *right)
        if set(names) == set(output):
            names = output
        return mul(_ordered(x, x_names, names), _ordered(y, y_names, names)), names
    if _turned(left, right, output):
        x, y, x_names, y_names, left, right = y, x, y_names, x_names, right, left
    sizes = {**dict(zip(x_names, x.shape)), **dict(zip(y_names, y.shape))}
    x = _grouped(_ordered(x, x_names, [*batch, *left, *inner]), sizes, batch, left, inner)
    y = _grouped(_ordered(y, y_names, [*batch, *inner, *right]), sizes, batch, inner, right)
    names = (*batch, *left, *right)
    product = matmul(x, y)
    shape = tuple(sizes[name] for name in names)
    return (product if product.shape == shape else reshape(product, shape)), names


def _turned(left: list[int], right: list[int], output: Labels) -> bool:
    """Whether the other order of the factors saves a permutation at the end."""
    first = next((name for name in output if name in left or name in right), None)
    return first is not None and first in right


def _grouped(x: Any, sizes: dict[int, int], batch: list[int], *groups: list[int]) -> Any:
    """Each group of dimensions as one, behind the batch dimensions."""
    if all(len(group) == 1 for group in groups):
        return x
    shape = [sizes[name] for name in batch]
    shape += [prod(sizes[name] for name in group) for group in groups]
    return reshape(x, tuple(shape))
