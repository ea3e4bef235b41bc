"""Where an element lies: affine functions of a kernel's loop variables.

An index is `(constant, ((variable, coefficient), ...))`, the terms in rising order of the variable
and without zeros. The coordinates of a value are a tuple of indices, one per dimension. Moves
(permute, slice, reshape, ...) only rewrite coordinates, so a kernel reads through them for free.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

from ...core.shapes import contiguous_strides

Index = tuple[int, tuple[tuple[int, int], ...]]
Coordinates = tuple[Index, ...]

ZERO: Index = (0, ())
_FAR = 1 << 30
_memo: Any = functools.lru_cache(1 << 13)  # steps of a loop ask the same of equal coordinates
_MEMORY: Index = (-1, ((_FAR, 0),))  # like no coordinate: stands before a place in memory


class Space(dict[int, int]):
    """Extents by variable. A negative variable is an index that is read from memory: `looked`."""

    def __init__(self, extents: Sequence[int]) -> None:
        super().__init__(enumerate(extents))
        self.looked: dict[int, tuple[Any, Coordinates]] = {}
        self._known: dict[Any, int] = {}

    def lookup(self, indices: Any, at: Coordinates, size: int) -> Index:
        """The variable that stands for the element of `indices` at `at`, in 0..size-1."""
        key = (indices, at, size)
        number = self._known.get(key)
        if number is None:
            number = self._known[key] = -1 - len(self._known)
            self[number] = size
            self.looked[number] = (indices, at)
        return variable(number)


def in_memory(index: Index) -> Coordinates:
    """The coordinates of an element of which only the place in (contiguous) memory is known."""
    return (_MEMORY, index)


def variable(number: int) -> Index:
    """The index that is a loop variable itself."""
    return (0, ((number, 1),))


def identity(shape: Sequence[int], first: int = 0) -> tuple[Coordinates, list[int]]:
    """Coordinates with a fresh variable per dimension of more than one, and their extents."""
    coordinates, extents = [], []
    for size in shape:
        if size == 1:
            coordinates.append(ZERO)
        else:
            coordinates.append(variable(first + len(extents)))
            extents.append(size)
    return tuple(coordinates), extents


def scaled(index: Index, factor: int, offset: int = 0) -> Index:
    """`index * factor + offset`."""
    constant, terms = index
    if factor == 1:
        return (constant + offset, terms)
    if factor == 0 or not terms:
        return (constant * factor + offset, ())
    return (constant * factor + offset, tuple([(v, c * factor) for v, c in terms]))


def combined(parts: Sequence[Index]) -> Index:
    """The sum of indices."""
    constant, several = 0, False
    only: tuple[tuple[int, int], ...] = ()
    for offset, terms in parts:
        constant += offset
        if terms:
            several = several or bool(only)
            only = terms
    if not several:  # they are in order
        return (constant, only)
    total: dict[int, int] = {}
    for _, terms in parts:
        for v, c in terms:
            total[v] = total.get(v, 0) + c
    return (constant, tuple(sorted([(v, c) for v, c in total.items() if c])))


@_memo
def flat(coordinates: Coordinates, strides: tuple[int, ...], offset: int = 0) -> Index:
    """The place in memory, in elements."""
    if coordinates and coordinates[0] == _MEMORY:
        return scaled(coordinates[1], 1, offset)
    parts = [
        x if stride == 1 else scaled(x, stride) for x, stride in zip(coordinates, strides)
        if x != ZERO
    ]  # fmt: skip
    if len(parts) == 1:
        return (parts[0][0] + offset, parts[0][1])
    constant, terms = combined(parts)
    return (constant + offset, terms)


contiguous = _memo(contiguous_strides)


def divided(index: Index, by: int, extents: Mapping[int, int]) -> tuple[Index, Index] | None:
    """Quotient and remainder of an index by a number, where both are affine."""
    constant, rest = divmod(index[0], by)
    quotient, remainder = [], []
    low = high = rest
    for v, c in index[1]:
        q, r = divmod(c, by)
        if q:
            quotient.append((v, q))
        if r:
            remainder.append((v, r))
            high += r * (extents[v] - 1)
    if low < 0 or high >= by:
        return None
    return (constant, tuple(quotient)), (rest, tuple(remainder))


def unravelled(
    index: Index, shape: Sequence[int], extents: Mapping[int, int]
) -> Coordinates | None:
    """Coordinates in `shape` of a flat index, where they are affine."""
    found = []
    for size, step in zip(shape, contiguous(shape)):
        if size == 1:
            found.append(ZERO)
            continue
        parts = divided(index, step, extents) if step > 1 else (index, ZERO)
        if parts is None:
            return None
        found.append(parts[0])
        index = parts[1]
    return tuple(found)


def reshaped(
    coordinates: Coordinates,
    shape: Sequence[int],
    source: Sequence[int],
    extents: Mapping[int, int],
) -> Coordinates | None:
    """Coordinates in `source` of an element of its reshape to `shape`."""
    given = [(n, x) for n, x in zip(shape, coordinates) if n != 1]
    if [n for n, _ in given] == [n for n in source if n != 1]:
        left = iter(given)
        return tuple(ZERO if n == 1 else next(left)[1] for n in source)
    return unravelled(flat(coordinates, contiguous(shape)), source, extents)


def through(node: Any, coordinates: Coordinates, extents: Mapping[int, int]) -> Coordinates | None:
    """Coordinates in a move's operand of an element of its result; None where not affine."""
    op, params = node.op, node.params
    source = node.inputs[0].shape
    if 0 in node.shape:
        return tuple(ZERO for _ in source)
    if op == "reshape":
        return reshaped(coordinates, node.shape, source, extents)
    if op == "expand":
        own = coordinates[len(coordinates) - len(source) :]
        return tuple(ZERO if n == 1 else x for n, x in zip(source, own))
    if op == "permute":
        back: list[Index] = [ZERO] * len(source)
        for place, dim in enumerate(params[0]):
            back[dim] = coordinates[place]
        return tuple(back)
    if op == "slice":
        bounds = [slice(*b).indices(n) for n, *b in zip(source, *params)]
        return tuple(scaled(x, step, start) for x, (start, _, step) in zip(coordinates, bounds))
    if op == "flip":
        return tuple(
            scaled(x, -1, n - 1) if dim in params[0] else x
            for dim, (x, n) in enumerate(zip(coordinates, source))
        )
    _, strides, offset = params  # strided
    return unravelled(flat(coordinates, strides, offset), source, extents)


@_memo
def broadcast(coordinates: Coordinates, shape: tuple[int, ...]) -> Coordinates:
    """Coordinates in an operand that is broadcast to the value at `coordinates`."""
    own = coordinates[len(coordinates) - len(shape) :]
    return tuple(ZERO if n == 1 else x for n, x in zip(shape, own))


@_memo
def placed(coordinates: Coordinates, shape: tuple[int, ...], by: tuple[Index, ...]) -> Index:
    """`flat` in C order, with an index in place of every loop variable."""
    return substituted(flat(coordinates, contiguous(shape)), by)


@_memo
def relocated(coordinates: Coordinates, by: tuple[Index, ...]) -> Coordinates:
    """The coordinates with an index in place of every loop variable."""
    return tuple([substituted(x, by) for x in coordinates])


def substituted(index: Index, by: Sequence[Index]) -> Index:
    """The index with an index in place of every loop variable."""
    if not index[1]:
        return index
    parts = [
        (by[v] if c == 1 else scaled(by[v], c)) if v >= 0 and v != _FAR else (0, ((v, c),))
        for v, c in index[1]
    ]
    constant, terms = combined(parts) if len(parts) > 1 else parts[0]
    return (constant + index[0], terms)


def refined(coarse: Sequence[int], fine: Sequence[int]) -> list[Index] | None:
    """Variables of a coarser space by those of a finer one: each is a run of neighbours there."""
    found, start = [], 0
    for size in coarse:
        stop, product = start, 1
        while stop < len(fine) and product < size:
            product *= fine[stop]
            stop += 1
        if product != size:
            return None
        steps = contiguous(tuple(fine[start:stop]))
        found.append((0, tuple((start + k, step) for k, step in enumerate(steps))))
        start = stop
    return found if start == len(fine) else None
