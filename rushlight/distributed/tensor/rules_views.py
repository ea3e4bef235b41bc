"""How ops that change shapes, look up or join work on tensors in parts.

The sizes among their parameters are those of the whole: `LOCAL` has what makes of them those of a
part, given the shapes of the operands' parts and of the result's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .placements import Partial, Shard, part_of
from .rules import AVG, SUM, Operand, R, Way, rule

LOCAL: dict[str, Callable[..., Any]] = {}
Operands = Sequence[Operand | None]


def _partial(x: Operand, listed: list[Way]) -> list[Way]:
    """The same for summands: what only moves values goes with any of them."""
    if isinstance(x.now, Partial):
        listed.append(((x.now,), x.now))
    return listed


def _moved(x: Operand, places: Sequence[int | None]) -> list[Way]:
    """Ways of an op that brings dimension i to places[i] (None: it cannot stay cut)."""
    listed: list[Way] = [
        ((Shard(dim),), Shard(place)) for dim, place in enumerate(places)
        if place is not None and x.splits(dim)
    ]  # fmt: skip
    return _partial(x, listed)


@rule("permute")
def _permute(operands: Operands, order: Sequence[int]) -> list[Way]:
    x = operands[0]
    assert x is not None
    order = [dim % len(x.shape) for dim in order]
    return _moved(x, [order.index(dim) for dim in range(len(x.shape))])


@rule("transpose", "transpose_")
def _transpose(operands: Operands, a: int, b: int) -> list[Way]:
    x = operands[0]
    assert x is not None
    places = list(range(len(x.shape)))
    if places:
        places[a], places[b] = places[b], places[a]
    return _moved(x, places)


@rule("t", "t_")
def _t(operands: Operands) -> list[Way]:
    x = operands[0]
    assert x is not None
    return _moved(x, list(reversed(range(len(x.shape)))))


@rule("unsqueeze", "unsqueeze_")
def _unsqueeze(operands: Operands, dim: int) -> list[Way]:
    x = operands[0]
    assert x is not None
    dim %= len(x.shape) + 1
    return _moved(x, [i + (i >= dim) for i in range(len(x.shape))])


@rule("squeeze", "squeeze_all", "squeeze_many", "squeeze_all_", "squeeze_dim_", "squeeze_many_")
def _squeeze(operands: Operands, dims: Any) -> list[Way]:
    x = operands[0]
    assert x is not None
    chosen = range(len(x.shape)) if dims is None else [d % len(x.shape) for d in _tuple(dims)]
    gone = {dim for dim in chosen if x.shape[dim] == 1}
    places = [None if i in gone else i - sum(dim < i for dim in gone) for i in range(len(x.shape))]
    return _moved(x, places)


def _tuple(dims: Any) -> tuple[int, ...]:
    return (dims,) if isinstance(dims, int) else tuple(dims)


def _local_squeeze(given: Any, out: Any, dims: Any, wholes: Any) -> tuple[Any, ...]:
    """Only what has size 1 in the whole goes: a part may have it by chance."""
    whole = wholes[0]
    chosen = range(len(whole)) if dims is None else [d % len(whole) for d in _tuple(dims)]
    return (tuple(dim for dim in chosen if whole[dim] == 1),)


for _name in "squeeze squeeze_all squeeze_many squeeze_all_ squeeze_dim_ squeeze_many_".split():
    LOCAL[_name] = _local_squeeze


@rule("expand")
def _expand(operands: Operands, shape: Sequence[int]) -> list[Way]:
    x = operands[0]
    assert x is not None
    extra = len(shape) - len(x.shape)
    listed = _moved(x, [dim + extra if n == shape[dim + extra] else None
                        for dim, n in enumerate(x.shape)])  # fmt: skip
    return listed


@rule("view", "unsafe_view")
def _view(operands: Operands, shape: Sequence[int]) -> list[Way]:
    """A dimension that stays, or is the first of those that are joined, or is split, evenly."""
    x = operands[0]
    assert x is not None
    places: list[int | None] = [None] * len(x.shape)
    for before, after in groups(x.shape, shape):
        first, target = before[0], after[0]
        if len(before) == len(after) == 1 or (x.even(first) and shape[target] % x.count == 0):
            places[first] = target
    return _moved(x, places)


def groups(old: Sequence[int], new: Sequence[int]) -> list[tuple[list[int], list[int]]]:
    """Which dimensions of one shape become which of another, apart from those of size 1.

    >>> groups((2, 3, 4), (6, 2, 2))
    [([0, 1], [0]), ([2], [1, 2])]
    """
    mine = [dim for dim, n in enumerate(old) if n != 1]
    theirs = [dim for dim, n in enumerate(new) if n != 1]
    found: list[tuple[list[int], list[int]]] = []
    if 0 in old:
        return found
    while mine and theirs:
        before, after = [mine.pop(0)], [theirs.pop(0)]
        have, want = old[before[0]], new[after[0]]
        while have != want:
            if have < want:
                before.append(mine.pop(0))
                have *= old[before[-1]]
            else:
                after.append(theirs.pop(0))
                want *= new[after[-1]]
        found.append((before, after))
    return found


for _name in ("view", "unsafe_view", "expand", "sum_to"):
    LOCAL[_name] = lambda given, out, shape, wholes: (out,)


@rule("slice")
def _slice(operands: Operands, dim: int, start: int, length: int) -> list[Way]:
    x = operands[0]
    assert x is not None
    kept = start == 0 and length == x.shape[dim]
    return _moved(x, [i if i != dim or kept else None for i in range(len(x.shape))])


LOCAL["slice"] = lambda given, out, dim, start, length, wholes: (dim, start, out[dim])


@rule("select")
def _select(operands: Operands, dim: int, place: int) -> list[Way]:
    x = operands[0]
    assert x is not None
    dim %= len(x.shape)
    return _moved(x, [None if i == dim else i - (i > dim) for i in range(len(x.shape))])


@rule("part")
def _part(operands: Operands, key: Any) -> list[Way]:
    """Of `x[key]`: dimensions that are taken whole."""
    x = operands[0]
    assert x is not None
    if not isinstance(key, tuple) or any(not isinstance(k, (int, slice)) and k is not None
                                         and k is not Ellipsis for k in key):  # fmt: skip
        return []
    used = sum(isinstance(k, (int, slice)) for k in key)
    places: list[int | None] = []
    out = 0
    for k in key if Ellipsis in key else (*key, Ellipsis):
        if k is None:
            out += 1
        elif k is Ellipsis:
            for _ in range(len(x.shape) - used):
                places.append(out)
                out += 1
        elif isinstance(k, int):
            places.append(None)
        elif isinstance(k, slice):
            whole = k.indices(x.shape[len(places)]) == (0, x.shape[len(places)], 1)
            places.append(out if whole else None)
            out += 1
    return _moved(x, places)


def _local_part(given: Any, out: Any, key: Any, wholes: Any) -> tuple[Any, ...]:
    """Slices that take all take all of a part."""
    keys, dim, found = key if Ellipsis in key else (*key, Ellipsis), 0, []
    used = sum(isinstance(k, (int, slice)) for k in keys)
    for k in keys:
        if k is Ellipsis:
            dim += len(wholes[0]) - used
        elif k is not None:
            if isinstance(k, slice) and k.indices(wholes[0][dim]) == (0, wholes[0][dim], 1):
                k = slice(None)
            dim += 1
        found.append(k)
    return (tuple(found),)


LOCAL["part"] = _local_part


@rule("split", "split_with_sizes", "unsafe_split", "unsafe_split_with_sizes")
def _split(operands: Operands, dim: int, lengths: Any) -> list[Way]:
    x = operands[0]
    assert x is not None
    return _moved(x, [None if i == dim else i for i in range(len(x.shape))])


@rule("unbind")
def _unbind(operands: Operands, dim: int) -> list[Way]:
    return _select(operands, dim, 0)


@rule("cat")
def _cat(operands: Operands, dim: int, *widths: Any) -> list[Way]:
    xs = [x for x in operands if x is not None]
    if len({len(x.shape) for x in xs}) != 1:
        return []
    return [((Shard(i),) * len(xs), Shard(i)) for i in range(len(xs[0].shape))
            if i != dim % len(xs[0].shape) and any(x.splits(i) for x in xs)]  # fmt: skip


@rule("stack")
def _stack(operands: Operands, dim: int) -> list[Way]:
    xs = [x for x in operands if x is not None]
    dim %= len(xs[0].shape) + 1
    return [((Shard(i),) * len(xs), Shard(i + (i >= dim))) for i in range(len(xs[0].shape))
            if any(x.splits(i) for x in xs)]  # fmt: skip


# Layers that look up and normalise


@rule("embedding", "weighted_rows")
def _embedding(operands: Operands, padding: int, by_count: bool) -> list[Way]:
    """Cut along the numbers, or along the entries of the vectors."""
    table, places = operands
    if table is None or places is None or by_count:
        return []
    rank = len(places.shape)
    listed: list[Way] = [((R, Shard(d)), Shard(d)) for d in range(rank) if places.splits(d)]
    if table.splits(1):
        listed.append(((Shard(1), R), Shard(rank)))
    return listed


@rule("embedding_back")
def _embedding_back(operands: Operands, rows: int, padding: int, by_count: bool) -> list[Way]:
    g, places = operands
    if g is None or places is None or by_count:
        return []
    rank = len(places.shape)
    listed: list[Way] = [((Shard(d), Shard(d)), SUM) for d in range(rank) if g.splits(d)]
    if g.splits(rank):
        listed.append(((Shard(rank), R), Shard(1)))
    if g.now in (SUM, AVG):
        listed.append(((g.now, R), g.now))
    return listed


@rule("standardise")
def _standardise(operands: Operands, dims: Any, eps: float) -> list[Way]:
    """Cut along what is not averaged over, where the weights are the same for all of it."""
    x, *small = operands
    assert x is not None
    if any(s is not None and len(s.shape) > len(dims) for s in small):
        return []
    return [
        ((Shard(d), *(None if s is None else R for s in small)), (Shard(d),) * 3)
        for d in range(len(x.shape)) if d not in dims and x.splits(d)
    ]  # fmt: skip


@rule("root_mean_square")
def _root_mean_square(operands: Operands, dims: Any, eps: float) -> list[Way]:
    x = operands[0]
    assert x is not None
    return [((Shard(d),), Shard(d)) for d in range(len(x.shape))
            if d not in [one % len(x.shape) for one in dims] and x.splits(d)]  # fmt: skip


def begin_of(table: Any, dim: int) -> tuple[int, int]:
    """Where this process's rows of a table begin and end."""
    return part_of(table.shape[0], table.mesh.size(dim), table.mesh.get_coordinate()[dim])


@rule("convolution", "convolution_bias")
def _convolution(operands: Operands, *params: Any) -> list[Way]:
    """Cut along the batch."""
    x, *rest = operands
    assert x is not None
    return [((Shard(0), *(None if s is None else R for s in rest)), Shard(0))] * x.splits(0)


@rule("cross_entropy")
def _cross_entropy(operands: Operands, ignore: int, reduction: str) -> list[Way]:
    """Cut along the batch; a mean would need the number of labels that count, so it is whole."""
    x, labels, weight = operands
    if x is None or labels is None or reduction == "mean" or not x.splits(0) or len(x.shape) < 2:
        return []
    out = Shard(0) if reduction == "none" else SUM
    small = None if weight is None else R
    return [((Shard(0), Shard(0), small), (out, Shard(0)))]
