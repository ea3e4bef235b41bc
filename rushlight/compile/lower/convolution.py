"""Convolution as one contraction of the weight with a strided view of the padded image.

Nothing is copied side by side: the product reads the view. Each of the three ops that are each
other's adjoints has its own labels; the way back in the input looks, from each element, at the
outputs that saw it.
"""

from __future__ import annotations

import importlib
from math import prod
from typing import Any

from .pool import looking_back
from .value import NotNative

FORWARD, DATA, WEIGHT = "ngchw,gocij->ngoab", "ngoab,gocij->ngchw", "ngoab,ngchw->gocij"

_KERNEL, _PLACES = "ijkl", "wxyz"  # labels of the kernel's and of the result's spatial dimensions
_PLACES_WORTH, _MANY = 32, 64  # places from which rows of them, up to which sums of them, are quick


def _checked(*xs: Any) -> None:
    if any(x.dtype != xs[0].dtype or x.dtype.kind != "f" for x in xs):
        raise NotNative("a convolution of other types")
    if any(not x.size for x in xs) or xs[0].ndim - 2 > len(_KERNEL):
        raise NotNative("a convolution of nothing")


def _labels(dims: int) -> tuple[str, str]:
    return _KERNEL[:dims], _PLACES[:dims]


def _grouped(s: Any, x: Any, groups: int) -> Any:
    """x (n, channels, ...) with the channels of each group apart (for a weight, the outputs)."""
    return s.reshape(x, (x.shape[0], groups, x.shape[1] // groups, *x.shape[2:]))


def _weights(s: Any, w: Any, groups: int) -> Any:
    return s.reshape(w, (groups, w.shape[0] // groups, *w.shape[1:]))


def _patches(s: Any, x: Any, kernel: Any, out: Any, at: Any) -> Any:
    """The view (n, groups, channels, *kernel, *out) of every place under the kernel."""
    stride, padding, dilation, groups = at
    x = s.pad(x, (0, 0, *padding), (0, 0, *padding))
    steps = [prod(x.shape[i + 1 :]) for i in range(x.ndim)]
    channels = x.shape[1] // groups
    strides = (
        steps[0],
        steps[1] * channels,
        steps[1],
        *(a * b for a, b in zip(dilation, steps[2:])),
        *(a * b for a, b in zip(stride, steps[2:])),
    )
    return s.strided(x, (x.shape[0], groups, channels, *kernel, *out), strides, 0)


def _size(x: Any, kernel: Any, at: Any) -> tuple[int, ...]:
    stride, padding, dilation, _ = at
    return tuple(
        (n + 2 * p - d * (k - 1) - 1) // t + 1
        for n, k, t, p, d in zip(x.shape[2:], kernel, stride, padding, dilation)
    )


def _own_kernel(s: Any, spec: str, a: Any, b: Any, result: Any, at: Any) -> Any:
    """The op `conv` where its kernels can do it: one or two spatial dimensions; else None."""
    *sizes, groups = at
    dims = len(sizes[0])
    parts = [*spec.split("->")[0].split(","), spec.split("->")[1]]
    if _per_place(spec, a, b, result, at):
        return _product(s, spec, parts, a, b, result, at)
    if dims > 2:
        return None
    shapes = [_apart(shape, part, groups) for shape, part in zip((a.shape, b.shape, result), parts)]
    sizes = [(*(neutral,) * (2 - dims), *of) for neutral, of in zip((1, 0, 1), sizes)]
    letters = {c: n for part, shape in zip(parts, shapes) for c, n in zip(part, shape)}
    conv = importlib.import_module("..products.conv", __package__)  # most programs have none
    if spec == DATA and letters["i"] * letters["j"] > conv.PLACES:
        raise NotNative("a wide window: each element would look at all its places")
    if not conv.native(spec, letters, a.dtype, sizes):
        return None
    operands = [s.reshape(x, shape) for x, shape in zip((a, b), shapes)]
    return s.reshape(s.make("conv", operands, (spec, *sizes), shapes[2], a.dtype), result)


def _per_place(spec: str, a: Any, b: Any, result: Any, at: Any) -> bool:
    """Whether a product of matrices at every place is what costs least.

    Its kernels want long rows of places; gradients of weights sum over these, and long sums of
    few results suit the kernels of convolutions.
    """
    stride, padding, _, _ = at
    kernel, places = (result if spec == WEIGHT else b.shape)[2:], prod(result[2:])
    if any(padding) or set(kernel) != {1}:
        return False
    if spec == FORWARD:
        return places >= _PLACES_WORTH
    places = prod(a.shape[2:])
    return set(stride) == {1} and (places < _MANY if spec == WEIGHT else places >= _PLACES_WORTH)


def _product(s: Any, spec: str, parts: Any, a: Any, b: Any, result: Any, at: Any) -> Any:
    """A convolution whose kernel has one element, as a product of matrices at every place."""
    stride, _, _, groups = at
    dims = len(stride)
    if spec == FORWARD and set(stride) != {1}:
        a = s.slice(a, (0,) * a.ndim, a.shape, (1, 1, *stride))
    letters = dict.fromkeys("wbij", "") | dict.fromkeys("ha", _PLACES[:dims])
    spec = "".join(letters.get(c, c) for c in spec)
    operands = [s.reshape(x, _grouped_as(x, part, groups)) for x, part in zip((a, b), parts)]
    return s.reshape(s.dot(spec, *operands), tuple(result))


def _grouped_as(x: Any, part: str, groups: int) -> tuple[int, ...]:
    if part[0] == "g":
        return (groups, x.shape[0] // groups, x.shape[1])
    return (x.shape[0], groups, x.shape[1] // groups, *x.shape[2:])


def _apart(shape: Any, part: str, groups: int) -> tuple[int, ...]:
    """A shape with its groups apart and two spatial dimensions."""
    lead, rest = shape[:2], shape[2:]
    rest = (*(1,) * (2 - len(rest)), *rest)
    if part[0] == "g":
        return (groups, lead[0] // groups, lead[1], *rest)
    return (lead[0], groups, lead[1] // groups, *rest)


def _convolution(s: Any, x: Any, w: Any, *at: Any) -> Any:
    _checked(x, w)
    kernel, groups = w.shape[2:], at[3]
    out = _size(x, kernel, at)
    found = _own_kernel(s, FORWARD, x, w, (x.shape[0], w.shape[0], *out), at)
    if found is not None:
        return found
    k, p = _labels(len(kernel))
    seen = _patches(s, x, kernel, out, at)
    y = s.dot(f"goc{k},ngc{k}{p}->ngo{p}", _weights(s, w, groups), seen)
    return s.reshape(y, (x.shape[0], w.shape[0], *out))


def _with_bias(s: Any, x: Any, w: Any, bias: Any, *at: Any) -> Any:
    y = _convolution(s, x, w, *at)
    return y + s.reshape(s.cast(bias, y.dtype), (-1, *(1,) * (y.ndim - 2)))


def _data(s: Any, y: Any, w: Any, size: Any, *at: Any) -> Any:
    _checked(y, w)
    stride, padding, dilation, groups = at
    kernel = w.shape[2:]
    found = _own_kernel(s, DATA, y, w, (y.shape[0], w.shape[1] * groups, *size), at)
    if found is not None:
        return found
    k, p = _labels(len(kernel))
    window = (kernel, stride, padding, dilation, y.shape[2:])
    seen = looking_back(s, y, tuple(size), window, 0)
    seen = _grouped(s, seen, groups)
    turned = s.flip(w, tuple(range(2, w.ndim)))
    x = s.dot(f"goc{k},ngo{p}{k}->ngc{p}", _weights(s, turned, groups), seen)
    return s.reshape(x, (y.shape[0], w.shape[1] * groups, *size))


def _weight(s: Any, y: Any, x: Any, kernel: Any, *at: Any) -> Any:
    _checked(y, x)
    groups = at[3]
    found = _own_kernel(s, WEIGHT, y, x, (y.shape[1], x.shape[1] // groups, *kernel), at)
    if found is not None:
        return found
    k, p = _labels(len(kernel))
    seen = _patches(s, x, tuple(kernel), y.shape[2:], at)
    w = s.dot(f"ngo{p},ngc{k}{p}->goc{k}", _grouped(s, y, groups), seen)
    return s.reshape(w, (y.shape[1], x.shape[1] // groups, *kernel))


TABLE: dict[str, Any] = {
    "convolution": _convolution, "convolution_bias": _with_bias, "convolution_data": _data,
    "convolution_weight": _weight,
}  # fmt: skip
