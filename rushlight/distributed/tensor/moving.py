"""How the parts of a tensor move between processes: gathered, reduced, scattered, cut anew."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

import rushlight as rl

from ...core.tensor import wrap
from .placements import NormPartial, Partial, Placement, Replicate, Shard, part_of

if TYPE_CHECKING:
    from .laid import Laid

dist: Any = rl.distributed
ndarray = np.ndarray


def local_shape(shape: Any, mesh: Any, placements: Any, place: Any = None) -> tuple[int, ...]:
    """The shape of this process's part (of that at `place` in the mesh)."""
    sizes, here = list(shape), mesh.get_coordinate() if place is None else place
    for dim, placement in enumerate(placements):
        if isinstance(placement, Shard):
            begin, end = part_of(sizes[placement.dim], mesh.size(dim), here[dim])
            sizes[placement.dim] = end - begin
    return tuple(sizes)


def redistributed(value: Laid, placements: Any) -> Laid:
    """The same tensor laid in another way.

    What is not to stay is brought together from the last dimension of the mesh to the first, and
    then cut from the first to the last: a dimension may be cut along several of the mesh.
    """
    wanted = tuple(placements)
    if wanted == value.placements:
        return value
    if value.mesh.get_coordinate() is None:
        return value.like(value.local, wanted)
    (now, *others), (then, *_) = value.placements, wanted
    if not others and isinstance(now, Partial) and isinstance(then, Shard):
        return value.like(_scattered(value.local, value.mesh, 0, now, then.dim), wanted)
    (local, kept), mesh = _brought_together(value, wanted), value.mesh
    for dim, then in enumerate(wanted):
        if isinstance(then, Shard) and kept[dim] != then:
            begin, end = part_of(local.shape[then.dim], mesh.size(dim), mesh._place[dim])
            local = local[(slice(None),) * then.dim + (slice(begin, end),)]
    return value.like(local, wanted)


def _brought_together(value: Laid, wanted: tuple[Any, ...]) -> tuple[ndarray, list[Any]]:
    """The values, whole or summands along what is to change, and how they lie then.

    A dimension that moves comes together along all of the mesh that cuts it.
    """
    kept = list(value.placements)
    moving = {
        p.dim for now, then in zip(kept, wanted) if now != then
        for p in (now, then) if isinstance(p, Shard)
    }  # fmt: skip
    local, mesh = value.local, value.mesh
    for dim in reversed(range(len(kept))):
        now, then = kept[dim], wanted[dim]
        nested = isinstance(now, Shard) and now.dim in moving and len(kept) > 1
        if now == then and not nested:
            continue
        sizes = local_shape(value.shape, mesh, kept[:dim])
        local, kept[dim] = _joined(local, mesh, dim, now, sizes), Replicate()
        if isinstance(then, Partial):
            local, kept[dim] = _summand(local, mesh, dim, then), then
    return local, kept


def _summand(local: ndarray, mesh: Any, dim: int, then: Partial) -> ndarray:
    """Whole values as summands: all of them on the first process, where they would add up."""
    if then.reduce_op not in ("sum", "product") or mesh._place[dim] == 0:
        return local
    return (np.zeros_like if then.reduce_op == "sum" else np.ones_like)(local)


_OPS = {"sum": "SUM", "avg": "AVG", "product": "PRODUCT", "max": "MAX", "min": "MIN"}


def _joined(local: ndarray, mesh: Any, dim: int, now: Placement, sizes: Any) -> ndarray:
    """The parts of all processes along a dimension of the mesh together."""
    if isinstance(now, Shard):
        return gathered(local, mesh, dim, now.dim, sizes[now.dim])
    if isinstance(now, Partial):
        return _reduced(local, mesh.get_group(dim), now)
    return local


def _reduced(local: ndarray, group: Any, now: Partial) -> ndarray:
    if isinstance(now, NormPartial):
        order = now.norm_type
        if order in (np.inf, -np.inf):
            return _reduced(local, group, Partial("max" if order > 0 else "min"))
        total = _reduced(np.asarray(np.power(local, order)), group, Partial())
        return np.asarray(np.power(total, 1 / order), local.dtype)
    total = wrap(np.array(local, order="C"))
    dist.all_reduce(total, getattr(dist.ReduceOp, _OPS[now.reduce_op]), group)
    return total._array


def gathered(local: ndarray, mesh: Any, dim: int, axis: int, size: int) -> ndarray:
    """All parts along `axis`, whose whole size is `size`; shorter ones travel with a filling."""
    count = mesh.size(dim)
    step = -(-size // count)
    part = np.moveaxis(local, axis, 0)
    if part.shape[0] != step:
        filled = np.zeros((step, *part.shape[1:]), part.dtype)
        filled[: part.shape[0]] = part
        part = filled
    found = np.empty((step * count, *part.shape[1:]), part.dtype)
    given = wrap(np.ascontiguousarray(part))
    dist.all_gather_into_tensor(wrap(found), given, mesh.get_group(dim))
    joined = np.moveaxis(found[:size], 0, axis)
    return joined if axis == 0 else np.ascontiguousarray(joined)


def _scattered(local: ndarray, mesh: Any, dim: int, now: Partial, axis: int) -> ndarray:
    """This process's part of the reduction of what all have."""
    group, count = mesh.get_group(dim), mesh.size(dim)
    size, here = local.shape[axis], mesh._place[dim]
    begin, end = part_of(size, count, here)
    if isinstance(now, NormPartial):
        total = _reduced(local, group, now)
        return total[(slice(None),) * axis + (slice(begin, end),)]
    step = -(-size // count)
    rows = np.moveaxis(local, axis, 0)
    given = np.ascontiguousarray(rows)
    if size != step * count:
        given = np.zeros((step * count, *rows.shape[1:]), rows.dtype)
        given[:size] = rows
    found = np.empty((step, *rows.shape[1:]), rows.dtype)
    op = getattr(dist.ReduceOp, _OPS[now.reduce_op])
    dist.reduce_scatter_tensor(wrap(found), wrap(given), op, group)
    return np.ascontiguousarray(np.moveaxis(found[: end - begin], 0, axis))
