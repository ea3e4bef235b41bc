"""What a DTensor holds in place of an array: this process's part, and the layout of the whole.

A `Laid` is one more class of arrays (`core/values.py`): ops on it come to `dispatching.apply`,
which runs them on the parts. Derivative rules run on it like on arrays, so the backward pass of an
op is made of ops on tensors in parts too.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import rushlight as rl

from ...core.errors import fail
from ...core.tensor import Tensor, wrap
from ...core.values import Value
from .placements import NormPartial, Partial, Placement, Replicate, Shard, part_of

dist: Any = rl.distributed
ndarray = np.ndarray


class _Level:
    """Below all transforms."""

    depth = 0


class Laid(Value):
    """This process's part `local` of a tensor of `shape`, laid over `mesh` by `placements`."""

    __slots__ = ("local", "mesh", "placements", "shape")
    level: Any = _Level

    def __init__(self, local: ndarray, mesh: Any, placements: Any, shape: Any) -> None:
        self.local, self.mesh, self.placements = local, mesh, tuple(placements)
        self.shape = tuple(shape)

    def core(self) -> Tensor:
        return wrap(self.local)

    @property
    def strides(self) -> tuple[int, ...]:
        """Those of the whole, if it lay in the order in which this part lies."""
        order = sorted(range(self.ndim), key=lambda dim: -abs(self.local.strides[dim]))
        steps, step = [0] * self.ndim, self.local.itemsize
        for dim in reversed(order):
            steps[dim] = step
            step *= max(self.shape[dim], 1)
        return tuple(steps)

    def like(self, local: ndarray, placements: Any = None) -> Laid:
        """Another part of a tensor of this shape."""
        kept = self.placements if placements is None else placements
        return Laid(local, self.mesh, kept, self.shape)

    def values(self, how: str) -> ndarray:
        if how == ".numpy()":
            raise RuntimeError(".numpy() is not supported for tensor subclasses.")
        if how == ".tolist()":
            raise RuntimeError(".tolist() is not supported for tensor subclasses, got DTensor")
        if self.local.size == 1 == self.size:
            return self.local  # no hidden exchange where one process alone asks, as in torch
        return whole(self).local

    def everything(self) -> ndarray:
        return self.local

    def detached(self) -> Laid:
        return self

    def for_each(self, x: Tensor) -> Tensor:
        """A fresh tensor of the whole's shape, laid as this one."""
        return wrapped(cut(x._array, self))

    def copy(self, order: Any = "C") -> Laid:
        return self.like(self.local.copy(order))

    def describe(self) -> str:
        return (
            f"DTensor(local_tensor={wrap(self.local)}, device_mesh={self.mesh},"
            f" placements={self.placements})"
        )

    def drawn(self, x: Tensor) -> Tensor:
        """Numbers drawn for the whole, which every process draws alike, laid as this."""
        return wrapped(cut(x._array, self)) if x._array.size > 1 else x

    def blank(self, name: str, kind: np.dtype | None) -> Tensor:
        """What `zeros_like` and its kin give: this process's part of it."""
        kept = [Replicate() if isinstance(p, Partial) else p for p in self.placements]
        shape = local_shape(self.shape, self.mesh, kept)
        make = getattr(np, name.removesuffix("_like"))
        return wrapped(self.like(make(shape, kind or self.dtype), kept))

    def gradient(self, before: Tensor | None) -> Tensor:
        """What `.grad` becomes when this arrives."""
        if before is None:
            return wrapped(self)
        return before.detach() + wrapped(self)

    @staticmethod
    def put(level: Any, target: Tensor, result: Tensor) -> None:
        into, found = target._array, result._array
        if type(into) is not Laid:
            raise mixed("aten.copy_.default")
        if type(found) is not Laid:
            found = cut(found, into)
        np.copyto(into.local, redistributed(found, into.placements).local, casting="unsafe")


KIND: list[type] = [Tensor]  # DTensor, once it is there


def wrapped(value: Laid, entry: Any = None) -> Any:
    """A DTensor around a part."""
    result = wrap(value, entry)
    result.__class__ = KIND[0]
    return result


def mixed(name: str) -> BaseException:
    """torch's error for plain tensors beside DTensors."""
    return fail(
        RuntimeError,
        f"{name} got mixed torch.Tensor and DTensor, need to convert all torch.Tensor to DTensor"
        " before calling distributed operators!",
        "distribute_tensor(x, mesh, [Replicate()]) makes one of a tensor that all have",
    )


def local_shape(shape: Any, mesh: Any, placements: Any, place: Any = None) -> tuple[int, ...]:
    """The shape of this process's part (of that at `place` in the mesh)."""
    sizes, here = list(shape), mesh.get_coordinate() if place is None else place
    for dim, placement in enumerate(placements):
        if isinstance(placement, Shard):
            begin, end = part_of(sizes[placement.dim], mesh.size(dim), here[dim])
            sizes[placement.dim] = end - begin
    return tuple(sizes)


def cut(array: ndarray, like: Laid) -> Laid:
    """A whole array, which every process has, laid as another."""
    plan = Laid(array, like.mesh, (Replicate(),) * len(like.placements), array.shape)
    kept = [Replicate() if isinstance(p, Partial) else p for p in like.placements]
    found = redistributed(plan, kept)
    local = found.local
    return found.like(local.copy() if local.base is not None else local)


def whole(value: Laid) -> Laid:
    """The same on every process."""
    return redistributed(value, (Replicate(),) * len(value.placements))


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
    kept = list(value.placements)
    changed = [a != b for a, b in zip(kept, wanted)]
    moving = {p.dim for i, p in enumerate((*kept, *wanted))
              if isinstance(p, Shard) and changed[i % len(kept)]}  # fmt: skip
    local, mesh = value.local, value.mesh
    for dim in reversed(range(len(kept))):
        now, then = kept[dim], wanted[dim]
        nested = isinstance(now, Shard) and now.dim in moving and len(kept) > 1
        if now == then and not nested:
            continue
        if isinstance(now, Partial) and isinstance(then, Shard) and len(kept) == 1:
            local = _scattered(local, mesh, dim, now, then.dim)
            kept[dim] = then
            continue
        sizes = local_shape(value.shape, mesh, kept[:dim])
        local = _joined(local, mesh, dim, now, sizes)
        kept[dim] = Replicate()
        if isinstance(then, Partial):
            local = _summand(local, mesh, dim, then)
            kept[dim] = then
    for dim, then in enumerate(wanted):
        if isinstance(then, Shard) and kept[dim] != then:
            begin, end = part_of(local.shape[then.dim], mesh.size(dim), mesh._place[dim])
            local = local[(slice(None),) * then.dim + (slice(begin, end),)]
    return value.like(local, wanted)


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
