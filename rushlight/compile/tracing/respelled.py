"""Public calls with numbers where programs have constants, said with tensors in their places.

`x.clamp(max=bound)` has its bound as a parameter, and a program of it would be for one bound. With
a 0-d tensor for the bound one program serves all. So it is said where that gives the same results
and gradients: on tensors of float32 and float64.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ...core import dispatch, dtypes
from ...core.primitive import REGISTRY
from ...core.state import DEFAULTS
from ...core.tensor import Tensor
from .numbers import Number

_FLOATS = (dtypes.float32, dtypes.float64)
_MOST = 256  # numbers of a list
_PACKAGE = __name__.partition(".")[0]


OTHERWISE = object()  # the call is made with constants


class _Otherwise(Exception):
    """That is found out."""


def respelled(func: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """What a public call gives in whose arguments there are numbers, or OTHERWISE."""
    way = _WAYS.get(func.__name__)
    if way is None or func.__module__.partition(".")[0] != _PACKAGE:
        return OTHERWISE
    try:
        return way(func, *args, **kwargs)
    except (_Otherwise, TypeError):  # arguments in other places: the call itself will say so
        return OTHERWISE


def _float(x: Any) -> Any:
    if not isinstance(x, Tensor) or x.dtype not in _FLOATS:
        raise _Otherwise
    return x


def _cast(x: Any, kind: Any) -> Any:
    """A number as a 0-d tensor of a type of floats; anything else as it is."""
    if type(x) is not Number:
        return x
    if x.tensor is None or kind not in _FLOATS:
        raise _Otherwise
    return dispatch.LATE.cast(x.tensor, kind)


def _added(sign: str) -> Callable[..., Any]:
    def way(func: Any, x: Any, a: Any, b: Any, *, value: Any) -> Any:
        if not _float(x).dtype is _float(a).dtype is _float(b).dtype:
            raise _Otherwise
        part = _cast(value, x.dtype) * _apply(sign, a, b)
        return x.add_(part) if func.__name__[-1] == "_" else x + part

    return way


def _apply(name: str, *inputs: Any) -> Any:
    return dispatch.apply(REGISTRY[name], inputs, ())


def _clamped(func: Any, input: Any, min: Any = None, max: Any = None) -> Any:
    """A bound lets through what it is equal to, with its gradient; the upper one is the last."""
    x = _float(input)
    bounds = min, max
    if any(bound is not None and bound != bound for bound in bounds):
        raise _Otherwise
    if any(isinstance(bound, Tensor) for bound in bounds):
        raise _Otherwise
    low, high = (_cast(bound, x.dtype) for bound in bounds)
    y = _apply("where", x == x, x, x.detach()) if x.requires_grad else x  # no number, no gradient
    y = y if low is None else _apply("where", y < low, low, y)
    y = y if high is None else _apply("where", y > high, high, y)
    return x.copy_(y) if func.__name__[-1] == "_" else y


def _at_least(func: Any, input: Any, min: Any) -> Any:
    return _clamped(func, input, min)


def _at_most(func: Any, input: Any, max: Any) -> Any:
    return _clamped(func, input, None, max)


def _made(value: Any, dtype: Any) -> Tensor:
    """A new 0-d tensor, as `tensor(value)`."""
    kind = DEFAULTS.dtype if dtype is None else dtype
    if type(value) is not Number or (dtype is None and value.kind is not float):
        raise _Otherwise
    return _cast(value, kind)


def _full(func: Any, size: Any, fill_value: Any, *, dtype: Any = None, device: Any = None) -> Any:
    return func(size, 0.0, dtype=dtype, device=device).copy_(_made(fill_value, dtype))


def _full_like(func: Any, input: Any, fill_value: Any) -> Any:
    return func(_float(input), 0.0).copy_(_cast(fill_value, input.dtype))


def _new_full(func: Any, x: Any, size: Any, fill_value: Any) -> Any:
    return func(_float(x), size, 0.0).copy_(_cast(fill_value, x.dtype))


def _filled(func: Any, x: Any, value: Any) -> Any:
    return func(_float(x), _cast(value, x.dtype))


def _masked(func: Any, input: Any, mask: Any, value: Any) -> Any:
    return func(_float(input), mask, _cast(value, input.dtype))


def _filled_at(func: Any, input: Any, dim: Any, index: Any, value: Any) -> Any:
    return func(_float(input), dim, index, _cast(value, input.dtype))


def _stored(func: Any, x: Any, key: Any, value: Any) -> Any:
    if type(value) is not Number:
        raise _Otherwise
    return func(_float(x), key, _cast(value, x.dtype))


def _chosen(func: Any, condition: Any, input: Any, other: Any) -> Any:
    sides = [x for x in (input, other) if isinstance(x, Tensor)]
    if len(sides) != 1 or getattr(condition, "dtype", None) is not dtypes.bool_:
        raise _Otherwise
    kind = _float(sides[0]).dtype
    return func(condition, _cast(input, kind), _cast(other, kind))


def _sloped(func: Any, input: Any, negative_slope: Any, inplace: bool = False) -> Any:
    x = _float(input)
    if type(negative_slope) is not Number or inplace:
        raise _Otherwise
    return _apply("where", x > 0, x, x * _cast(negative_slope, x.dtype))


def _scattered(
    func: Any, input: Any, dim: Any, index: Any, src: Any = None, *, value: Any = None
) -> Any:
    """One number in all places: as many of it as there are places."""
    number = src if value is None else value
    if type(number) is not Number or (src is None) is (value is None):
        raise _Otherwise
    one = _cast(number, _float(input).dtype)
    return func(input, dim, index, one.expand(index.shape))


def _tensor(func: Any, data: Any, *, dtype: Any = None, device: Any = None) -> Any:
    if type(data) is Number:
        return _made(data, dtype).clone()
    if type(data) not in (list, tuple) or len(data) > _MOST:
        raise _Otherwise
    kinds = {x.kind if type(x) is Number else type(x) for x in data}
    if not kinds <= {float, int} or (dtype is None and float not in kinds):
        raise _Otherwise
    kind = DEFAULTS.dtype if dtype is None else dtype
    parts = [
        _cast(x, kind) if type(x) is Number else func(x, dtype=kind, device=device) for x in data
    ]  # fmt: skip
    return dispatch.apply(REGISTRY["stack"], tuple(parts), (0,))


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
    "leaky_relu": _sloped,
    "__setitem__": _stored, "where": _chosen, "tensor": _tensor,
}  # fmt: skip
