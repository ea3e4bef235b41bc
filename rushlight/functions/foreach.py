"""`torch._foreach_*`: one operation over lists of tensors, as optimisers for torch use them.

Each is its plain function for every tensor in turn: there is nothing to launch once on a CPU.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ..core.tensor import Tensor

UNARY = (
    "abs acos asin atan ceil cos cosh erf erfc exp expm1 floor frac lgamma log log10 log1p log2"
    " neg reciprocal round rsqrt sigmoid sign sin sinh sqrt tan tanh trunc"
).split()
BINARY = "add sub mul div clamp_min clamp_max maximum minimum pow mm".split()
PLAIN = ("clone", "max")  # without an in-place form
TERNARY = ("addcmul", "addcdiv")
_CLAMPS = {"maximum": "clamp_min", "minimum": "clamp_max", "maximum_": "clamp_min_",
           "minimum_": "clamp_max_"}  # fmt: skip
_METHODS = {"maximum_": "clamp_min_", "minimum_": "clamp_max_"}  # Tensor has no maximum_

_OTHERS = {"scalar", "scalars", "tensor", "exponent"}  # torch's names of a second operand

Tensors = Sequence[Tensor]
Family = Callable[..., Any]


def _check(first: Tensors, *others: Tensors) -> None:
    if not len(first):
        raise RuntimeError("Tensor list must have at least one tensor.")
    for other in others:
        if len(other) != len(first):
            raise _lengths(first, other)


def _lengths(first: Sequence[Any], other: Sequence[Any]) -> RuntimeError:
    return RuntimeError(
        f"Tensor lists must have the same number of tensors, got {len(first)} and {len(other)}"
    )


def _spread(other: Any, first: Sequence[Any]) -> Sequence[Any]:
    """A list as it is; a number or 0-d tensor for every tensor."""
    if isinstance(other, (list, tuple)) and len(other) != len(first):
        if any(isinstance(one, Tensor) for one in other):
            raise _lengths(first, other)
        raise RuntimeError("Tensor list must have same number of elements as scalar list.")
    if isinstance(other, Tensor) and other.dim():
        raise RuntimeError(
            f"scalar tensor expected to be 0 dim but it has {other.dim()} dimensions and"
            f" {other.numel()} elements."
        )
    return other if isinstance(other, (list, tuple)) else [other] * len(first)


def _unpacked(scalars: Tensor, count: int) -> list[Any]:
    """The numbers of a tensor that has one for each tensor of a list."""
    if not scalars.is_contiguous():
        raise RuntimeError("Expected scalars to be contiguous.")
    if scalars.dim() != 1:
        raise RuntimeError(
            f"Expected packed scalar Tensor to be of dimension 1. Got {scalars.dim()} instead."
        )
    if len(scalars) != count:
        raise RuntimeError(
            f"Expected length of scalars to match input of length {count} but got {len(scalars)}"
            " instead."
        )
    return scalars.tolist()


def _second(name: str, other: Any, named: dict[str, Any]) -> Any:
    """The second operand by one of torch's names for it."""
    if other is not None or len(named) != 1 or not named.keys() <= _OTHERS:
        raise TypeError(f"_foreach_{name}() received an invalid combination of arguments")
    return next(iter(named.values()))


def _gathered(name: str, first: Tensors, results: Iterable[Any]) -> Any:
    """The list that was written to, or the results."""
    found = tuple(results)
    return first if name.endswith("_") else found


def _unary(name: str) -> Family:
    def each(self: Tensors, *args: Any, **options: Any) -> Any:
        _check(self)
        if name == "max" and not all(one.numel() for one in self):
            raise RuntimeError(
                "_foreach_max cannot compute the maximum of an empty tensor; max over zero elements"
                " is undefined."
            )
        return _gathered(name, self, [getattr(one, name)(*args, **options) for one in self])

    return each


def _binary(name: str) -> Family:
    def call(one: Any, other: Any, **options: Any) -> Any:
        if not isinstance(one, Tensor):  # 2 ** x
            return one**other
        number = name in _CLAMPS and not isinstance(other, Tensor)
        method = _CLAMPS[name] if number else _METHODS.get(name, name)
        return getattr(one, method)(other, **options)

    def each(self: Any, other: Any = None, *, alpha: Any = 1, **named: Any) -> Any:
        other = _second(name, other, named) if named or other is None else other
        first = self if isinstance(self, (list, tuple)) else [self] * len(other)
        _check(first)
        options = {} if alpha == 1 else {"alpha": alpha}
        pairs = zip(first, _spread(other, first), strict=True)
        return _gathered(name, first, [call(one, another, **options) for one, another in pairs])

    return each


def _ternary(name: str) -> Family:
    def each(self: Tensors, tensors1: Tensors, tensors2: Tensors, value: Any = 1, **also: Any):
        _check(self, tensors1, tensors2)
        value = also.get("scalars", value)
        if isinstance(value, Tensor):
            value = _unpacked(value, len(self))
        rows = zip(self, tensors1, tensors2, _spread(value, self), strict=True)
        return _gathered(name, self, [getattr(a, name)(b, c, value=v) for a, b, c, v in rows])

    return each


def _lerp(name: str) -> Family:
    def each(self: Tensors, tensors1: Tensors, weight: Any) -> Any:
        _check(self, tensors1)
        rows = zip(self, tensors1, _spread(weight, self), strict=True)
        return _gathered(name, self, [getattr(one, name)(end, w) for one, end, w in rows])

    return each


def _foreach_copy_(self: Tensors, src: Tensors, non_blocking: bool = False) -> Any:
    """Write each tensor of `src` into the one at its place."""
    _check(src)
    _check(self, src)
    return _gathered("copy_", self, (a.copy_(b) for a, b in zip(self, src, strict=True)))


def _foreach_norm(self: Tensors, ord: Any = 2, dtype: Any = None) -> Any:
    """The norm of each tensor: the sum of |x|^ord, to the power of 1 / ord."""
    _check(self)
    return tuple(one.norm(ord, dtype=dtype) for one in self)


def _foreach_powsum(self: Tensors, ord: Any = 2, dtype: Any = None) -> Any:
    """The sum of |x|^ord of each tensor."""
    _check(self)
    return tuple(one.abs().pow(ord).sum(dtype=dtype) for one in self)


def _foreach_zero_(self: Tensors) -> Any:
    """Fill each tensor with zeros."""
    _check(self)
    return _gathered("zero_", self, (one.zero_() for one in self))


def _declare(make: Callable[[str], Family], names: Sequence[str]) -> None:
    for name in names:
        function = make(name)
        function.__name__ = function.__qualname__ = f"_foreach_{name}"
        function.__doc__ = f"`{name}` of each tensor of a list."
        globals()[function.__name__] = function


for _form in ("", "_"):
    _declare(_unary, [name + _form for name in UNARY])
    _declare(_binary, [name + _form for name in BINARY if name + _form != "mm_"])
    _declare(_ternary, [name + _form for name in TERNARY])
    _declare(_lerp, ["lerp" + _form])
_declare(_unary, PLAIN)
NAMES = tuple(name for name in globals() if name.startswith("_foreach_"))
