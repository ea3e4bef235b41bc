"""In-place writes to values inside transforms.

A batch is real memory: the write goes through to it. Tangents, and what a nested gradient sees,
are not: a write gives the base a new one, and every view of the base reads its region of that.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.errors import fail
from ..core.inplace import geometry, is_complex, store
from ..core.tensor import Tensor, wrap
from ..ops.assembly import as_pairs, from_pairs
from ..ops.structure import contiguous, expand, replace_region, strided_view
from .batched import Batched
from .dual import Dual
from .levels import Level
from .nested import Nested


def _base(target: Tensor) -> Tensor:
    return target if target._base is None else target._base


def _views(base: Tensor) -> list[Tensor]:
    found = (ref() for ref in base._views or ())
    return [view for view in found if view is not None]


def _inside(x: Tensor, kind: type, level: Level) -> Any:
    """The value of this level, or None."""
    value = x._array
    return value if type(value) is kind and value.level is level else None


def _below(x: Tensor) -> Tensor:
    """A tensor of the levels below as what it is there."""
    return wrap(x._array, x._entry)


def zeros_of(x: Tensor) -> Tensor:
    """Zeros like the values of a level."""
    return wrap(np.zeros(x._array.shape, x._array.dtype))


def _place(view: Tensor, base: Tensor) -> Any:
    """Where a view lies in its base: in its elements, or in its pairs where one is complex."""
    inner, outer = view._array, base._array
    if is_complex(inner) == is_complex(outer):
        return geometry(inner, outer)
    return geometry(*(as_pairs(wrap(x))._array if is_complex(x) else x for x in (inner, outer)))


def _replaced(whole: Tensor, part: Tensor, region: Any) -> Tensor:
    if is_complex(whole._array) == is_complex(part._array):
        return replace_region(contiguous(whole), part, *region)
    if is_complex(part._array):
        return _replaced(whole, as_pairs(part), region)
    return from_pairs(_replaced(as_pairs(contiguous(whole)), part, region))


def _read(whole: Tensor, view: Tensor, region: Any) -> Tensor:
    if is_complex(whole._array) == is_complex(view._array):
        return strided_view(contiguous(whole), *region)
    if is_complex(view._array):
        return from_pairs(strided_view(contiguous(whole), *region))
    return strided_view(as_pairs(contiguous(whole)), *region)


def put_dual(level: Level, target: Tensor, result: Tensor) -> None:
    """The value goes to memory, the tangent becomes the base's new one."""
    base = _base(target)
    views = [] if base is target and not base._views else _views(base)
    regions = [_place(view, base) for view in views]
    for x in (base, *views):
        if _inside(x, Dual, level) is None:
            below = _below(x)
            x._array, x._entry = Dual(level, below, zeros_of(below)), None
    if _inside(target, Dual, level) is None:  # a view that nothing else knows of
        target._array = Dual(level, _below(target), zeros_of(target))
    new = _inside(result, Dual, level)
    value, tangent = (
        (new.primal, new.tangent) if new is not None else (_below(result), zeros_of(result))
    )
    store(target._array.primal, value)
    if base is target:
        target._array = Dual(level, target._array.primal, tangent)
    else:
        region = _place(target, base)
        whole = _replaced(base._array.tangent, tangent, region)
        base._array = Dual(level, base._array.primal, whole)
        target._array = Dual(level, target._array.primal, tangent)
    for view, region in zip(views, regions):
        part = _read(base._array.tangent, view, region)
        view._array = Dual(level, view._array.primal, part)


def put_nested(level: Level, target: Tensor, result: Tensor) -> None:
    """The base stands for a new Tensor below; what was kept of the old one stays right."""
    base = _base(target)
    views = _views(base)
    regions = [_place(view, base) for view in views]
    own = _place(target, base) if base is not target else None
    new = _inside(result, Nested, level)
    value = new.inner if new is not None else _below(result)
    found = _inside(base, Nested, level)
    whole = value if own is None else _replaced(
        found.inner if found is not None else _below(base), value, own)  # fmt: skip
    if found is None:
        base._entry = None
    base._array = Nested(level, whole)
    target._array = Nested(level, value)
    for view, region in zip(views, regions):
        view._array = Nested(level, _read(whole, view, region))


def put_batched(level: Level, target: Tensor, result: Tensor) -> None:
    """Every sample of the target takes its result."""
    held, new = _inside(target, Batched, level), _inside(result, Batched, level)
    if held is None:
        raise fail(
            RuntimeError,
            "vmap: inplace arithmetic(self, *extra_args) is not possible because there exists a"
            " Tensor `other` in extra_args that has more elements than `self`. This happened due to"
            " `other` being vmapped over but `self` not being vmapped over in a vmap. Please try to"
            " use out-of-place operators instead of inplace arithmetic. If said operator is being"
            " called inside the PyTorch framework, please file a bug report instead.",
            "the target is the same for all samples; make it from one of them: x.new_zeros(n)",
        )
    value = new.inner if new is not None else expand(_below(result), held.inner._array.shape)
    store(held.inner, value)


Dual.put, Nested.put, Batched.put = map(staticmethod, (put_dual, put_nested, put_batched))
