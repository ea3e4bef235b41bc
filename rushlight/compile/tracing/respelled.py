"""Public calls with numbers where programs have constants, said with tensors in their places.

`x.clamp(max=bound)` has its bound as a parameter, and a program of it would be for one bound. With
a 0-d tensor for the bound one program serves all. So it is said where that gives the same results
and gradients: on tensors of float32 and float64, and of int64 for whole numbers. Layers, losses
and products are in `formulas.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...core import dispatch, dtypes
from ...core.primitive import REGISTRY
from ...core.state import DEFAULTS
from ...core.tensor import Tensor, wrap
from .formulas import FORMULAS
from .numbers import Number, asked
from .put_in import Otherwise, applied, cast, floats, held

_MOST = 256  # numbers of a list
_PACKAGE = __name__.partition(".")[0]


OTHERWISE = object()  # the call is made with constants


def respelled(func: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """What a public call gives in whose arguments there are numbers, or OTHERWISE."""
    way = _WAYS.get(func.__name__)
    if way is None or func.__module__.partition(".")[0] != _PACKAGE:
        return OTHERWISE
    try:
        return way(func, *args, **kwargs)
    except (Otherwise, TypeError):  # arguments in other places: the call itself will say so
        return OTHERWISE


def _added(sign: str) -> Callable[..., Any]:
    def way(func: Any, x: Any, a: Any, b: Any, *, value: Any) -> Any:
        if not floats(x).dtype is floats(a).dtype is floats(b).dtype:
            raise Otherwise
        part = cast(value, x.dtype) * applied(sign, a, b)
        return x.add_(part) if func.__name__[-1] == "_" else x + part

    return way


def _clamped(func: Any, input: Any, min: Any = None, max: Any = None) -> Any:
    """A bound lets through what it is equal to, with its gradient; the upper one is the last."""
    x = held(input)
    bounds = min, max
    if any(bound is not None and bound != bound for bound in bounds):
        raise Otherwise
    if any(isinstance(bound, Tensor) for bound in bounds):
        raise Otherwise
    low, high = (cast(bound, x.dtype) for bound in bounds)
    y = applied("where", x == x, x, x.detach()) if x.requires_grad else x  # no number, no gradient
    y = y if low is None else applied("where", y < low, low, y)
    y = y if high is None else applied("where", y > high, high, y)
    return x.copy_(y) if func.__name__[-1] == "_" else y


def _at_least(func: Any, input: Any, min: Any) -> Any:
    return _clamped(func, input, min)


def _at_most(func: Any, input: Any, max: Any) -> Any:
    return _clamped(func, input, None, max)


def _made(value: Any, dtype: Any) -> Tensor:
    """A new 0-d tensor, as `tensor(value)`."""
    if type(value) is not Number:
        raise Otherwise
    usual = DEFAULTS.dtype if value.kind is float else dtypes.int64
    return cast(value, usual if dtype is None else dtype)


def _full(func: Any, size: Any, fill_value: Any, *, dtype: Any = None, device: Any = None) -> Any:
    value = _made(fill_value, dtype)
    return func(size, 0, dtype=value.dtype, device=device).copy_(value)


def _full_like(func: Any, input: Any, fill_value: Any) -> Any:
    return func(held(input), 0).copy_(cast(fill_value, input.dtype))


def _new_full(func: Any, x: Any, size: Any, fill_value: Any) -> Any:
    return func(held(x), size, 0).copy_(cast(fill_value, x.dtype))


def _filled(func: Any, x: Any, value: Any) -> Any:
    return func(held(x), cast(value, x.dtype))


def _masked(func: Any, input: Any, mask: Any, value: Any) -> Any:
    return func(held(input), mask, cast(value, input.dtype))


def _filled_at(func: Any, input: Any, dim: Any, index: Any, value: Any) -> Any:
    return func(held(input), dim, index, cast(value, input.dtype))


def _stored(func: Any, x: Any, key: Any, value: Any) -> Any:
    if type(value) is not Number:
        raise Otherwise
    return func(held(x), key, cast(value, x.dtype))


def _chosen(func: Any, condition: Any, input: Any, other: Any) -> Any:
    sides = [x for x in (input, other) if isinstance(x, Tensor)]
    if getattr(condition, "dtype", None) is not dtypes.bool_ or len(sides) > 1:
        raise Otherwise
    kind = held(sides[0]).dtype if sides else _kind_of((input, other), None)
    made = [_scalar(x, kind) if not sides else cast(x, kind) for x in (input, other)]
    return func(condition, *made)


def _scalar(x: Any, kind: Any) -> Tensor:
    """A number of a trace, or a plain one, as a 0-d tensor."""
    return cast(x, kind) if type(x) is Number else dispatch.LATE.cast(wrap(np.asarray(x)), kind)


def _kind_of(values: Sequence[Any], dtype: Any) -> Any:
    """The type of a tensor that is made of numbers."""
    kinds = {x.kind if type(x) is Number else type(x) for x in values}
    if not kinds <= {float, int}:
        raise Otherwise
    usual = DEFAULTS.dtype if float in kinds else dtypes.int64
    return usual if dtype is None else dtype


def _scattered(
    func: Any, input: Any, dim: Any, index: Any, src: Any = None, *, value: Any = None
) -> Any:
    """One number in all places: as many of it as there are places."""
    number = src if value is None else value
    if type(number) is not Number or (src is None) is (value is None):
        raise Otherwise
    one = cast(number, held(input).dtype)
    return func(input, dim, index, one.expand(index.shape))


def _tensor(
    func: Any, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Any:
    if type(data) is Number:
        made = _made(data, dtype).clone()
    else:
        cells = _cells(data)
        if len(cells) > _MOST:
            raise Otherwise
        made = _rows(data, _kind_of(cells, dtype))
    return made.requires_grad_() if requires_grad else made


def _new_tensor(func: Any, x: Any, data: Any, *, dtype: Any = None, **options: Any) -> Any:
    return _tensor(func, data, dtype=x.dtype if dtype is None else dtype, **options)


def _cells(data: Any) -> list[Any]:
    """The numbers of nested lists."""
    if type(data) not in (list, tuple):
        return [data]
    return [x for part in data for x in _cells(part)]


def _rows(data: Any, kind: Any) -> Tensor:
    """Nested lists as a tensor; rows of other lengths are refused by the call itself."""
    if type(data) not in (list, tuple):
        return _scalar(data, kind)
    parts = [_rows(part, kind) for part in data]
    if len({part.shape for part in parts}) != 1:
        raise Otherwise
    return dispatch.apply(REGISTRY["stack"], tuple(parts), (0,))


def _scalar_tensor(func: Any, s: Any, *, dtype: Any = None, device: Any = None) -> Any:
    return _made(s, DEFAULTS.dtype if dtype is None else dtype).clone()


def _counted(func: Any, *ends: Any, device: Any = None, dtype: Any = None) -> Any:
    """As many numbers as there were, from wherever they begin."""
    start, end, step = (0, *ends, 1) if len(ends) == 1 else (*ends, 1)[:3]
    kind = _kind_of((start, end, step), dtype)
    whole = kind is dtypes.int64
    if type(step) is Number or step == 0 or (whole and float in map(_python_kind, (start, end))):
        raise Otherwise
    size = (end - start) / step
    count = asked(f"math.ceil({size.text})") if type(size) is Number else math.ceil(size)
    if count < 0:
        raise Otherwise
    return func(count, dtype=kind, device=device) * step + _scalar(start, kind)


def _python_kind(x: Any) -> type:
    return x.kind if type(x) is Number else type(x)


def _spaced(
    func: Any, start: Any, end: Any, steps: Any, *, dtype: Any = None, device: Any = None
) -> Any:
    """From both ends to the middle, so that the last number is the end."""
    kind = DEFAULTS.dtype if dtype is None else dtype
    if type(steps) is not int or steps < 2:
        raise Otherwise
    low, high = (_scalar(x, kind) for x in (start, end))
    step, way = (high - low) / (steps - 1), func(0, steps - 1, steps, dtype=kind, device=device)
    return applied("where", way < steps // 2, low + way * step, high - (steps - 1 - way) * step)


def _beside(func: Any, input: Any, other: Any, **options: Any) -> Any:
    """A call that takes a tensor for the number."""
    return func(input, cast(other, floats(input).dtype), **options)


def _finite(
    func: Any, input: Any, nan: Any = None, posinf: Any = None, neginf: Any = None
) -> Any:  # fmt: skip
    x = floats(input)
    new = [one if type(one) is Number else None for one in (nan, posinf, neginf)]
    old = [None if type(one) is Number else one for one in (nan, posinf, neginf)]
    y = func(x, *old)
    for places, one in zip((x != x, x == math.inf, x == -math.inf), new):
        y = y if one is None else applied("where", places, cast(one, x.dtype), y)
    return y


def _padded(func: Any, input: Any, pad: Any, mode: str = "constant", value: Any = None) -> Any:
    x = floats(input)
    if mode != "constant" or type(value) is not Number:
        raise Otherwise
    inside = func(x.detach() * 0 == 1, pad, value=1) == 0
    return applied("where", inside, func(x, pad), cast(value, x.dtype))


_WAYS: dict[str, Callable[..., Any]] = {
    **dict.fromkeys(("addcmul", "addcmul_"), _added("mul")),
    **dict.fromkeys(("addcdiv", "addcdiv_"), _added("div")),
    **dict.fromkeys("clamp clamp_ clip clip_".split(), _clamped),
    **dict.fromkeys(("clamp_min", "clamp_min_"), _at_least),
    **dict.fromkeys(("clamp_max", "clamp_max_"), _at_most),
    **dict.fromkeys(("masked_fill", "masked_fill_"), _masked),
    **dict.fromkeys(("index_fill", "index_fill_"), _filled_at),
    "full": _full, "full_like": _full_like, "new_full": _new_full, "fill_": _filled,
    **dict.fromkeys(("scatter", "scatter_"), _scattered),
    **dict.fromkeys("remainder remainder_ fmod fmod_ xlogy".split(), _beside),
    **dict.fromkeys(("floor_divide", "__floordiv__"), _beside), "new_tensor": _new_tensor,
    "__setitem__": _stored, "where": _chosen, "tensor": _tensor, "scalar_tensor": _scalar_tensor,
    "arange": _counted, "linspace": _spaced, "nan_to_num": _finite, "pad": _padded, **FORMULAS,
}  # fmt: skip
