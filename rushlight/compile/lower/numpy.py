"""NumPy's own functions and methods, as rules call them on arrays, in core ops."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...core.primitive import REGISTRY
from .builder import Builder
from .contract import matmul, outer, vector_dot
from .elementwise import TABLE as ELEMENTWISE
from .indexing import TABLE as INDEXING
from .reduce import TABLE as REDUCTIONS
from .structure import TABLE as STRUCTURE
from .structure import part, spelled_out
from .value import WEAK, NotNative, Value


def _plain(rule: Any) -> Any:
    """A rule of operands alone; Python numbers are their own weak selves."""
    return lambda s, *xs: rule(s, *(_number(s, x) for x in xs))


def _number(s: Any, x: Any) -> Any:
    return x if type(x) in WEAK or type(x) is Value else s.wrap(x)


def _reduced(name: str, where_from: int = 0) -> Any:
    """A reduction as `ufunc.reduce` (which takes the first dimension) or as a function (all)."""

    def rule(s: Any, x: Any, axis: Any = ..., dtype: Any = None, out: Any = None,
             keepdims: bool = False) -> Any:  # fmt: skip
        x = s.wrap(x)
        if out is not None:
            raise NotNative("a result written elsewhere")
        axis = (0 if where_from else None) if axis is ... else axis
        if dtype is not None:
            x = s.cast(x, dtype)
        elif name in ("sum", "prod") and x.dtype.kind in "iub":
            x = s.cast(x, np.uint64 if x.dtype.kind == "u" else np.int64)
        return getattr(s, name)(x, s.dims(x, axis), keepdims)

    return rule


def _truth(name: str) -> Any:
    return lambda s, x, axis=None, keepdims=False: getattr(s, name)(
        s.cast(x, bool), s.dims(x, axis), keepdims)  # fmt: skip


def _mean(s: Any, x: Any, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Any:
    return s.mean(x if dtype is None else s.cast(x, dtype), axis, keepdims)


def _spread(name: str) -> Any:
    return lambda s, x, axis=None, ddof=0, keepdims=False: REDUCTIONS[name](
        s, x, axis, ddof, keepdims)  # fmt: skip


def _place(name: str) -> Any:
    return lambda s, x, axis=None, keepdims=False: REDUCTIONS[name](s, x, axis, keepdims)


def _shape(shape: Any) -> tuple[int, ...]:
    if len(shape) == 1 and isinstance(shape[0], (tuple, list)):
        shape = shape[0]
    return tuple(int(n) for n in shape)


def _reshape(s: Any, x: Any, *shape: Any, order: str = "C", copy: Any = None) -> Any:
    if order != "C":
        raise NotNative("another order of elements")
    return s.reshape(x, _shape(shape))


def _transpose(s: Any, x: Any, *order: Any, axes: Any = None) -> Any:
    order = axes if axes is not None else order
    if isinstance(order, tuple) and len(order) == 1 and not isinstance(order[0], int):
        (order,) = order
    return s.permute(x, order if order else tuple(range(x.ndim))[::-1])


def _astype(s: Any, x: Any, dtype: Any, order: str = "K", casting: str = "unsafe",
            subok: bool = True, copy: bool = True) -> Any:  # fmt: skip
    return s.cast(x, dtype)


def _squeeze(s: Any, x: Any, axis: Any = None) -> Any:
    dims = s.dims(x, axis)
    return STRUCTURE["squeeze"](s, x, dims)


def _expand_dims(s: Any, x: Any, axis: Any) -> Any:
    axes = (axis,) if isinstance(axis, int) else tuple(axis)
    ndim = x.ndim + len(axes)
    axes = {one % ndim for one in axes}
    sizes = iter(x.shape)
    return s.reshape(x, [1 if i in axes else next(sizes) for i in range(ndim)])


def _moveaxis(s: Any, x: Any, source: Any, destination: Any) -> Any:
    from_dims = [one % x.ndim for one in np.atleast_1d(source).tolist()]
    to_dims = [one % x.ndim for one in np.atleast_1d(destination).tolist()]
    order = [i for i in range(x.ndim) if i not in from_dims]
    for place, dim in sorted(zip(to_dims, from_dims)):
        order.insert(place, dim)
    return s.permute(x, order)


def _attribute(s: Any, x: Any, name: str) -> Any:
    if name == "T":
        return s.permute(x, tuple(range(x.ndim))[::-1])
    if name == "mT":
        return s.transpose(x, -1, -2)
    if name == "real":
        return x
    raise NotNative(name)


def _same(s: Any, x: Any, *_: Any, **__: Any) -> Any:
    return s.wrap(x)


def _array(s: Any, x: Any, dtype: Any = None, *, copy: Any = None) -> Any:
    return s.wrap(x) if dtype is None else s.cast(s.wrap(x), dtype)


def _clip(s: Any, x: Any, a_min: Any = None, a_max: Any = None, **bounds: Any) -> Any:
    low, high = bounds.get("min", a_min), bounds.get("max", a_max)
    return s.clamp(x, *(None if one is None else _number(s, one) for one in (low, high)))


def _like(value: int) -> Any:
    def rule(s: Any, x: Any, dtype: Any = None, **_: Any) -> Any:
        return s.full(x.shape, value, x.dtype if dtype is None else dtype)

    return rule


def _full_like(s: Any, x: Any, value: Any, dtype: Any = None, **_: Any) -> Any:
    dtype = x.dtype if dtype is None else np.dtype(dtype)
    return s.expand(s.cast(s.wrap(value), dtype), x.shape)


def _get_item(s: Any, x: Any, key: Any) -> Any:
    parts = key if isinstance(key, tuple) else (key,)
    if any(isinstance(one, (np.ndarray, Value, list)) for one in parts):
        return INDEXING["index"](s, x, tuple(parts))
    return part(s, x, key)


def _take(s: Any, x: Any, indices: Any, axis: Any = None, out: Any = None,
          mode: str = "raise") -> Any:  # fmt: skip
    if axis is None:
        return INDEXING["take"](s, x, indices)
    return INDEXING["index_select"](s, x, axis % x.ndim, indices)


def _take_along(s: Any, x: Any, indices: Any, axis: Any = -1) -> Any:
    if axis is None or x.ndim != indices.ndim:
        raise NotNative("flat indices")
    return INDEXING["gather"](s, x, axis % x.ndim, indices)


def _written(s: Any, x: Any, value: Any) -> Any:
    """What an in-place write leaves: the value in the target's shape and type."""
    value = s.cast(s.wrap(value), x.dtype)
    while value.ndim > x.ndim and value.shape[0] == 1:
        value = s.reshape(value, value.shape[1:])
    return s.expand(value, x.shape)


def _with_item(s: Any, x: Any, key: Any, value: Any) -> Any:
    """`x[key] = value` on a copy: by a mask, at places of a dimension, or to a part."""
    parts = key if isinstance(key, tuple) else (key,)
    if any(type(one) is Value for one in parts):
        return INDEXING["index_put"](s, x, s.wrap(value), key, False)
    spelled_out(key, x.ndim)
    return STRUCTURE["slice_scatter"](s, x, s.wrap(value), key)


def _joined(s: Any, xs: Any, axis: int = 0) -> Any:
    return s.cat([s.wrap(x) for x in xs], axis)


_UFUNCS: dict[str, str] = {
    "add": "add", "subtract": "sub", "multiply": "mul", "divide": "div", "true_divide": "div",
    "power": "pow", "negative": "neg", "absolute": "abs", "abs": "abs", "sign": "sign",
    "maximum": "max", "minimum": "min", "fmod": "fmod", "exp": "exp", "exp2": "exp2",
    "expm1": "expm1", "log": "log", "log2": "log2", "log10": "log10", "log1p": "log1p",
    "sqrt": "sqrt", "sin": "sin", "cos": "cos", "tan": "tan", "arcsin": "asin", "arccos": "acos",
    "arctan": "atan", "arctan2": "atan2", "sinh": "sinh", "cosh": "cosh", "tanh": "tanh",
    "arcsinh": "asinh", "arccosh": "acosh", "arctanh": "atanh", "floor": "floor", "ceil": "ceil",
    "rint": "round", "trunc": "trunc", "equal": "eq", "not_equal": "ne", "less": "lt",
    "less_equal": "le", "greater": "gt", "greater_equal": "ge", "bitwise_and": "and_",
    "bitwise_or": "or_", "bitwise_xor": "xor", "invert": "not_", "isnan": "isnan",
    "isinf": "isinf", "isfinite": "isfinite", "copysign": "copysign", "where": "where",
}  # fmt: skip
_OPS = ("logical_and logical_or logical_xor logical_not signbit hypot heaviside logaddexp"
        " logaddexp2 fmax fmin remainder").split()  # fmt: skip


def _method(name: str) -> Any:
    """The builder's method of one, two or three operands."""
    rule = getattr(Builder, name)
    if name == "where":
        return lambda s, mask, x, y: s.where(s.wrap(mask), _number(s, x), _number(s, y))
    if rule.__code__.co_argcount == 2:
        return lambda s, x: rule(s, s.wrap(x))
    return lambda s, x, y: rule(s, _number(s, x), _number(s, y))


_REDUCED: dict[str, Any] = {
    "add.reduce": _reduced("sum", 1), "multiply.reduce": _reduced("prod", 1),
    "maximum.reduce": _reduced("amax", 1), "minimum.reduce": _reduced("amin", 1),
}  # fmt: skip
_SHARED: dict[str, Any] = {
    "sum": _reduced("sum"), "prod": _reduced("prod"), "max": _reduced("amax"),
    "min": _reduced("amin"), "amax": _reduced("amax"), "amin": _reduced("amin"), "mean": _mean,
    "var": _spread("var"), "std": _spread("std"), "all": _truth("amin"), "any": _truth("amax"),
    "argmax": _place("argmax"), "argmin": _place("argmin"), "reshape": _reshape,
    "transpose": _transpose, "swapaxes": lambda s, x, a, b: s.transpose(x, a, b),
    "squeeze": _squeeze, "astype": _astype, "copy": _same, "conj": _same, "conjugate": _same,
    "clip": _clip, "take": _take, "dot": lambda s, x, y: matmul(s, s.wrap(x), s.wrap(y)),
}  # fmt: skip
TABLE: dict[str, Any] = {
    **{f"numpy.{name}": _method(op) for name, op in _UFUNCS.items()},
    **{f"numpy.{name}": _plain(ELEMENTWISE.get(name) or REGISTRY[name].lower) for name in _OPS},
    **{f"numpy.{name}": rule for name, rule in {**_REDUCED, **_SHARED}.items()},
    **{f"method.{name}": rule for name, rule in _SHARED.items()},
    "numpy.square": _plain(lambda s, x: x * x), "numpy.reciprocal": _plain(lambda s, x: 1.0 / x),
    "numpy.matmul": lambda s, x, y: matmul(s, *s.same(x, y)), "numpy.outer": outer,
    "numpy.vecdot": vector_dot, "numpy.expand_dims": _expand_dims, "numpy.moveaxis": _moveaxis,
    "numpy.broadcast_to": lambda s, x, shape, subok=False: s.expand(x, shape),
    "numpy.concatenate": _joined, "numpy.stack": lambda s, xs, axis=0: STRUCTURE["stack"](
        s, [s.wrap(x) for x in xs], axis),
    "numpy.flip": lambda s, x, axis=None: s.flip(x, axis), "numpy.tile": STRUCTURE["repeat"],
    "numpy.zeros_like": _like(0), "numpy.ones_like": _like(1), "numpy.full_like": _full_like,
    "numpy.ascontiguousarray": _array, "numpy.asarray": _array, "numpy.array": _array,
    "numpy.positive": _same, "method.ravel": lambda s, x: s.reshape(x, (x.size,)),
    "method.flatten": lambda s, x: s.reshape(x, (x.size,)),
    "method.__getattribute__": _attribute, "method.__getitem__": _get_item,
    "numpy.take_along_axis": _take_along, "numpy.written": _written,
    "numpy.with_item": _with_item, "numpy.tril": lambda s, x, k=0: STRUCTURE["tril"](s, x, k),
    "numpy.triu": lambda s, x, k=0: STRUCTURE["triu"](s, x, k),
}  # fmt: skip
