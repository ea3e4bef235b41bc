"""Functions that rearrange elements."""

from __future__ import annotations

from typing import Any

import rushlight as rl

from .data_types import result_type

__all__ = [
    "concat", "expand_dims", "flip", "moveaxis", "permute_dims", "repeat", "reshape", "roll",
    "squeeze", "stack", "tile", "unstack",
]  # fmt: skip


def _joined(arrays: Any) -> list[Any]:
    kind = result_type(*arrays)
    return [x if x.dtype == kind else x.to(kind) for x in arrays]


def concat(arrays: Any, /, *, axis: int | None = 0) -> Any:
    """Arrays end to end along an axis; None flattens them first."""
    parts = _joined(arrays)
    if axis is None:
        return rl.cat([x.reshape(-1) for x in parts], 0)
    return rl.cat(parts, axis)


def stack(arrays: Any, /, *, axis: int = 0) -> Any:
    """Arrays side by side along a new axis."""
    return rl.stack(_joined(arrays), axis)


def unstack(x: Any, /, *, axis: int = 0) -> tuple[Any, ...]:
    """The slices along an axis."""
    return tuple(x.unbind(axis))


def expand_dims(x: Any, /, *, axis: int = 0) -> Any:
    """A new axis of size 1."""
    if not -x.ndim - 1 <= axis <= x.ndim:
        raise IndexError(f"axis {axis} is out of range for an array of {x.ndim} dimensions")
    return x.unsqueeze(axis)


def squeeze(x: Any, /, axis: Any) -> Any:
    """Without the given axes, which must be of size 1."""
    axes = (axis,) if isinstance(axis, int) else tuple(axis)
    for one in axes:
        if x.shape[one] != 1:
            raise ValueError(f"cannot squeeze axis {one} of size {x.shape[one]}")
    return x.squeeze(axes)


def flip(x: Any, /, *, axis: Any = None) -> Any:
    """Reversed along axes (None: all)."""
    if axis is None:
        axis = tuple(range(x.ndim))
    return rl.flip(x, (axis,) if isinstance(axis, int) else tuple(axis))


def moveaxis(x: Any, source: Any, destination: Any, /) -> Any:
    """Axes in other places."""
    return rl.moveaxis(x, source, destination)


def permute_dims(x: Any, /, axes: Any) -> Any:
    """Axes in another order."""
    return x.permute(tuple(axes))


def repeat(x: Any, repeats: Any, /, *, axis: int | None = None) -> Any:
    """Every element several times over."""
    if axis is None:
        x, axis = x.reshape(-1), 0
    if isinstance(repeats, rl.Tensor) and repeats.ndim == 0:
        repeats = int(repeats)
    return rl.repeat_interleave(x, repeats, dim=axis)


def reshape(x: Any, /, shape: Any, *, copy: Any = None) -> Any:
    """The same elements in another shape."""
    if copy is False:
        return x.view(tuple(shape))
    result = x.reshape(tuple(shape))
    return result.clone() if copy else result


def roll(x: Any, /, shift: Any, *, axis: Any = None) -> Any:
    """Shifted around along axes (None: as one flat array)."""
    return rl.roll(x, shift) if axis is None else rl.roll(x, shift, axis)


def tile(x: Any, repetitions: Any, /) -> Any:
    """Copies of the array beside each other."""
    return rl.tile(x, tuple(repetitions))
