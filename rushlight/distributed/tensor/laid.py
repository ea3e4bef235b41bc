"""What a DTensor holds in place of an array: this process's part, and the layout of the whole.

A `Laid` is one more class of arrays (`core/values.py`): ops on it come to `dispatching.apply`,
which runs them on the parts. Derivative rules run on it like on arrays, so the backward pass of an
op is made of ops on tensors in parts too.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...core.errors import fail
from ...core.tensor import Tensor, wrap
from ...core.values import Value
from .moving import local_shape, redistributed
from .placements import Partial, Replicate

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
