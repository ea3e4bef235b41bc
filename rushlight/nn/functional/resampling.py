"""Images at other sizes: each method is one constant matrix per dimension."""

from __future__ import annotations

import math
import warnings
from functools import lru_cache
from typing import Any

import numpy as np

import rushlight as rl

from ...core.errors import fail
from ...core.tensor import wrap
from ...functions import neural as n
from ...functions.layouts import keep, lies_channels_last

__all__ = [
    "interpolate", "upsample", "upsample_bilinear", "upsample_nearest",
]  # fmt: skip

Tensor = rl.Tensor
Array = np.ndarray

_SMOOTH = ("linear", "bilinear", "bicubic", "trilinear")
_RANKS = {"linear": 3, "bilinear": 4, "bicubic": 4, "lanczos": 4, "trilinear": 5}


def _step(size: int, out: int, align: bool, factor: float | None) -> float:
    """How far apart two results' sources lie."""
    if align:
        return (size - 1) / (out - 1) if out > 1 else 0.0
    return 1.0 / factor if factor else size / out


def _positions(size: int, out: int, align: bool, factor: float | None) -> Array:
    step = _step(size, out, align, factor)
    return np.arange(out) * step if align else (np.arange(out) + 0.5) * step - 0.5


_SMALL = 128  # height and width together: up to here torch takes another kernel for pictures


def _nearest(size: int, out: int, factor: float | None, exact: bool, small: bool) -> Array:
    if small and not exact and out in (size, 2 * size):  # whatever factor was asked for
        return np.arange(out) * size // out
    step = np.float32(1.0 / factor if factor else size / out)
    places = np.arange(out, dtype=np.float32)
    found = np.floor((places + np.float32(0.5)) * step if exact else places * step)
    return np.minimum(found.astype(np.int64), size - 1)


def _scattered(size: int, taps: list[tuple[Array, Array]]) -> Array:
    """The matrix with the given (column, weight) pairs in each row."""
    rows = np.arange(len(taps[0][0]))
    matrix = np.zeros((len(rows), size))
    reached = [(rows, np.clip(columns, 0, size - 1)) for columns, _ in taps]
    for places, (_, weights) in zip(reached, taps):
        np.add.at(matrix, places, weights)
    for places in reached:  # a neighbour of weight 0 still has a part: torch's nan is nan here
        matrix[places] = np.where(matrix[places] == 0, -0.0, matrix[places])
    return matrix


def _linear(size: int, out: int, align: bool, factor: float | None) -> Array:
    source = np.maximum(_positions(size, out, align, factor), 0)
    low = np.minimum(np.floor(source).astype(np.int64), size - 1)
    part = source - low
    return _scattered(size, [(low, 1 - part), (low + 1, part)])


def _bicubic(size: int, out: int, align: bool, factor: float | None) -> Array:
    source = _positions(size, out, align, factor)
    low = np.floor(source).astype(np.int64)
    weights = n.cubic(source - low, -0.75)
    return _scattered(size, [(low + k - 1, w) for k, w in enumerate(weights)])


def _triangle(x: Array) -> Array:
    return np.maximum(1 - np.abs(x), 0)


def _cubic_kernel(x: Array) -> Array:
    x, a = np.abs(x), -0.5
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = (((x - 5) * x + 8) * x - 4) * a
    return np.where(x < 1, near, np.where(x < 2, far, 0.0))


def _lanczos_kernel(x: Array) -> Array:
    return np.where(np.abs(x) < 3, np.sinc(x) * np.sinc(x / 3), 0.0)


_KERNELS = {
    "bilinear": (_triangle, 1),
    "bicubic": (_cubic_kernel, 2),
    "lanczos": (_lanczos_kernel, 3),
}


def _smoothed(size: int, out: int, align: bool, factor: float | None, mode: str) -> Array:
    """Anti-aliased: the kernel is stretched to cover all that one result stands for."""
    kernel, reach = _KERNELS[mode]
    step = _step(size, out, align, factor)
    stretch = max(step, 1.0)
    centers = (np.arange(out) + 0.5) * step
    first = np.maximum((centers - reach * stretch + 0.5).astype(np.int64), 0)
    last = np.minimum((centers + reach * stretch + 0.5).astype(np.int64), size)
    columns = np.arange(size)
    weights = kernel((columns - centers[:, None] + 0.5) / stretch)
    inside = (columns >= first[:, None]) & (columns < last[:, None])
    weights = np.where(inside, np.where(weights == 0, -0.0, weights), 0)
    return weights / weights.sum(1, keepdims=True)


_KEPT = 1 << 16  # numbers of a matrix that is kept


def _matrix(size: int, out: int, mode: str, align: bool, factor: Any, smooth: bool) -> Array:
    """The weights (out, size) of all sources in all results; to be read only."""
    make = _kept_matrix if size * out <= _KEPT else _kept_matrix.__wrapped__
    return make(size, out, mode, align, factor, smooth)


@lru_cache(16)
def _kept_matrix(
    size: int, out: int, mode: str, align: bool, factor: Any, smooth: bool
) -> Array:  # fmt: skip
    if smooth:
        found = _smoothed(size, out, align, factor, mode)
    else:
        found = (_bicubic if mode == "bicubic" else _linear)(size, out, align, factor)
    found.flags.writeable = False
    return found


def _resampled(
    input: Tensor, out: list[int], mode: str, align: bool, factors: Any, smooth: bool
) -> Tensor:
    kind, small = input.dtype, len(out) == 2 and sum(out) <= _SMALL
    for place, size in enumerate(out):
        dim, factor = 2 + place, factors[place]
        old = input.shape[dim]
        if mode.startswith("nearest"):
            places = _nearest(old, size, factor, mode == "nearest-exact", small)
            input = n.take_slices(input, dim, places)
        elif size != old or (factor and factor != 1):
            weights = _matrix(old, size, mode, align, factor, smooth)
            wide = input.float() if kind.itemsize < 4 else input  # rounded once, at the end
            input = n.map_dim(wide, dim, weights)
    return input.to(kind)


def _fixed(matrix: Array) -> tuple[Array, int]:
    """Weights as whole numbers of 16 bits, and how many of their bits are a fraction."""
    bits, most = 0, matrix.max()
    while bits < 22 and int(0.5 + most * (1 << (bits + 1))) < 1 << 15:
        bits += 1
    return np.trunc(matrix * (1 << bits) + np.copysign(0.5, matrix)), bits


def _bytes_resampled(
    input: Tensor, out: list[int], mode: str, align: bool, factors: Any, smooth: bool
) -> Tensor:
    """Pictures of bytes: in whole numbers, rounded after each dimension, the last one first.

    The sums are below 2**53: float64 holds them exactly.
    """
    y = input._array
    for place in reversed(range(len(out))):
        old, size, factor = y.shape[2 + place], out[place], factors[place]
        if size == old and (not factor or factor == 1):
            continue
        weights, bits = _fixed(_matrix(old, size, mode, align, factor, smooth))
        sums = np.moveaxis(y, 2 + place, -1).astype(np.float64) @ weights.T + (1 << (bits - 1))
        bounded = np.clip(np.floor(sums / (1 << bits)), 0, 255).astype(np.uint8)
        y = np.ascontiguousarray(np.moveaxis(bounded, -1, 2 + place))
    return wrap(y) if y is not input._array else input


def _check_type(input: Tensor, mode: str, smooth: bool) -> None:
    """torch resamples floating numbers, and bytes by some modes."""
    if input.is_floating_point() or mode == "area":
        return
    pictures = mode in ("bilinear", "bicubic", "lanczos") or mode.startswith("nearest")
    if pictures and input.dtype is rl.uint8:
        return
    kernel = "compute_index_ranges_weights" if smooth else {
        "linear": "compute_indices_weights_linear", "trilinear": "compute_indices_weights_linear",
        "bicubic": "compute_indices_weights_cubic",
    }.get(mode, f"upsample_{mode.partition('-')[0]}2d_channels_last")  # fmt: skip
    kind = input.type().rpartition(".")[2].removesuffix("Tensor")
    raise fail(
        NotImplementedError, f"\"{kernel}\" not implemented for '{kind}'",
        "resample floating numbers: x.float()",
    )  # fmt: skip


def _whole_number(value: Any) -> bool:
    if isinstance(value, rl.Tensor):
        return value.numel() == 1 and not (value.is_floating_point() or value.is_complex())
    return hasattr(type(value), "__index__")


def _no_size(size: Any, dims: int, mode: str, antialias: bool) -> BaseException:
    """torch's error for a size that is no whole number, in the words of the mode's kernel."""
    if mode == "area":
        kind = "Tensor" if isinstance(size, rl.Tensor) else type(size).__name__
        return TypeError(
            f"adaptive_avg_pool{dims}d(): argument 'output_size' (position 2) must be tuple of"
            f" ints, but found element of type {kind} at pos 0"
        )
    kernel = f"{mode.replace('-', '_')}{dims}d"
    kernel = f"_upsample_{kernel}" if mode == "nearest-exact" else f"upsample_{kernel}"
    kernel = f"_{kernel}_aa" if antialias else kernel
    corners = "" if mode.startswith("nearest") else "bool, "
    return fail(
        TypeError,
        f"{kernel}() received an invalid combination of arguments - got (Tensor, list,"
        f" {corners}NoneType), but expected one of:",
        f"the size is {size!r}: a share of one is size=int(...), or scale_factor=",
    )


def _sizes(
    input: Tensor, size: Any, scale_factor: Any, mode: str, antialias: bool
) -> tuple[list[int] | None, Any]:
    dims = input.ndim - 2
    if size is not None and scale_factor is not None:
        raise ValueError("only one of size or scale_factor should be defined")
    spatial = list(input.shape[2:])
    if size is not None:
        if isinstance(size, (list, tuple)):
            if len(size) != dims:
                raise ValueError(
                    "Input and output must have the same number of spatial dimensions, but got"
                    " input"
                    f" with spatial dimensions of {spatial} and output size of {size}. Please"
                    " provide"
                    " input tensor in (N, C, d1, d2, ...,dK) format and output size in (o1, o2,"
                    " ...,oK) format."
                )
            if not all(map(_whole_number, size)):
                kinds = [rl.Tensor if isinstance(one, rl.Tensor) else type(one) for one in size]
                raise TypeError(
                    "expected size to be one of int or Tuple[int] or Tuple[int, int] or"
                    f" Tuple[int, int, int], but got size with types {kinds}"
                )
            return [int(one) for one in size], None
        if isinstance(size, bool) or not _whole_number(size):
            raise _no_size(size, dims, mode, antialias)
        return [int(size)] * dims, None
    if scale_factor is None:
        raise ValueError("either size or scale_factor should be defined")
    if isinstance(scale_factor, (list, tuple)):
        if len(scale_factor) != dims:
            raise ValueError(
                "Input and scale_factor must have the same number of spatial dimensions, but got"
                " input"
                f" with spatial dimensions of {spatial} and scale_factor of shape {scale_factor}."
                " Please provide input tensor in (N, C, d1, d2, ...,dK) format and scale_factor in"
                " (s1, s2, ...,sK) format."
            )
        return None, [float(one) for one in scale_factor]
    return None, [float(scale_factor)] * dims


def _check_mode(input: Tensor, mode: str, align_corners: bool | None, antialias: bool) -> None:
    if mode == "lanczos" and align_corners:
        raise ValueError("Lanczos mode does not support align_corners=True")
    if mode == "lanczos" and not antialias:
        raise ValueError("Lanczos mode requires antialias=True")
    if mode in ("nearest", "area", "nearest-exact", "lanczos"):
        if align_corners is not None:
            raise ValueError(
                "align_corners option can only be set with the interpolating modes: linear |"
                " bilinear"
                " | bicubic | trilinear"
            )
    elif mode not in _SMOOTH or not 3 <= input.ndim <= 5:
        raise _unknown(input, mode)
    if antialias and not (mode in ("bilinear", "bicubic", "lanczos") and input.ndim == 4):
        raise ValueError(
            "Anti-alias option is restricted to bilinear, bicubic, and lanczos modes and requires a"
            " 4-D tensor as input"
        )


def _unknown(input: Tensor, mode: str) -> BaseException:
    return NotImplementedError(
        f"Input Error: Only 3D, 4D and 5D input Tensors supported (got {input.ndim}D) for the"
        " modes:"
        " nearest | linear | bilinear | bicubic | trilinear | lanczos | area | nearest-exact (got"
        f" {mode})"
    )


def _check_out(input: Tensor, out: list[int]) -> None:
    if min(out) > 0 and 0 not in input.shape[1:]:
        return
    names = ("D", "H", "W")[-len(out) :]
    old, new = (", ".join(f"{name}: {size}" for name, size in zip(names, sizes))
                for sizes in (input.shape[2:], out))  # fmt: skip
    raise RuntimeError(
        f"Input and output sizes should be greater than 0, but got input ({old}) output ({new})"
    )


def _node(mode: str, dims: int, smooth: bool) -> str:
    kind = "".join(part.title() for part in mode.split("-"))
    if smooth:
        return f"Upsample{kind}2DAaBackward0"
    return f"Upsample{kind}{dims}DBackward0"


def interpolate(
    input: Tensor, size: Any = None, scale_factor: Any = None, mode: str = "nearest",
    align_corners: bool | None = None, recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:  # fmt: skip
    """(N, C, *) at another size, given outright or as a factor.

    Modes: nearest, nearest-exact, linear (3-D), bilinear, bicubic, lanczos (4-D), trilinear (5-D),
    area. Raises ValueError or NotImplementedError for arguments that do not fit together.
    Source: https://pytorch.org/docs/stable/generated/torch.nn.functional.interpolate.html

    >>> import rushlight as torch
    >>> torch.nn.functional.interpolate(torch.tensor([[[1.0, 2.0]]]), scale_factor=2)
    tensor([[[1., 1., 2., 2.]]])
    """
    if not input._array.flags.c_contiguous and lies_channels_last(input._array) and keep():
        return rl.nn.functional.interpolate(
            input, size, scale_factor, mode, align_corners, recompute_scale_factor, antialias
        )  # which keeps the layout from now on
    _check_mode(input, mode, align_corners, antialias)
    out, factors = _sizes(input, size, scale_factor, mode, antialias)
    if recompute_scale_factor and out is not None:
        raise ValueError("recompute_scale_factor is not meaningful with an explicit size.")
    if out is None:
        out = [math.floor(old * factor) for old, factor in zip(input.shape[2:], factors)]
        if recompute_scale_factor:
            factors = None
    if not 3 <= input.ndim <= 5:
        raise _unknown(input, mode)
    if _RANKS.get(mode, input.ndim) != input.ndim:
        raise NotImplementedError(
            f"Got {input.ndim}D input, but {mode} mode needs {_RANKS[mode]}D input"
        )
    _check_out(input, out)
    if mode == "area":
        return getattr(rl.nn.functional, f"adaptive_avg_pool{len(out)}d")(input, tuple(out))
    smooth = antialias or mode == "lanczos"
    _check_type(input, mode, smooth)
    whole = input.dtype is rl.uint8 and not mode.startswith("nearest")
    resample = _bytes_resampled if whole else _resampled
    y = resample(input, out, mode, bool(align_corners), factors or [None] * len(out), smooth)
    if y is input:
        y = input.clone()
    return n.named(y, _node(mode, len(out), smooth))


def _deprecated(name: str) -> None:
    warnings.warn(
        f"`nn.functional.{name}` is deprecated. Use `nn.functional.interpolate` instead.",
        stacklevel=3,
    )


def upsample(
    input: Tensor, size: Any = None, scale_factor: Any = None, mode: str = "nearest",
    align_corners: bool | None = None,
) -> Tensor:  # fmt: skip
    """`interpolate`, under its old name.

    Arguments and errors are those of `interpolate`.

    >>> import rushlight as torch
    >>> import warnings
    >>> with warnings.catch_warnings(action="ignore"):  # torch deprecates the name
    ...     torch.nn.functional.upsample(torch.tensor([[[1.0, 2.0]]]), scale_factor=2)
    tensor([[[1., 1., 2., 2.]]])
    """
    _deprecated("upsample")
    return interpolate(input, size, scale_factor, mode, align_corners)


def upsample_nearest(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """`interpolate` by nearest neighbours.

    Shapes: (N, C, *). Arguments: one of size and scale_factor.

    >>> import rushlight as torch
    >>> import warnings
    >>> with warnings.catch_warnings(action="ignore"):  # torch deprecates the name
    ...     torch.nn.functional.upsample_nearest(torch.tensor([[[[1.0, 2.0]]]]), (1, 4))
    tensor([[[[1., 1., 2., 2.]]]])
    """
    _deprecated("upsample_nearest")
    return interpolate(input, size, scale_factor, "nearest")


def upsample_bilinear(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """`interpolate` bilinearly with aligned corners.

    Shapes: (N, C, H, W). Arguments: one of size and scale_factor.

    >>> import rushlight as torch
    >>> import warnings
    >>> with warnings.catch_warnings(action="ignore"):  # torch deprecates the name
    ...     torch.nn.functional.upsample_bilinear(torch.tensor([[[[0.0, 1.0]]]]), (1, 3))
    tensor([[[[0.0000, 0.5000, 1.0000]]]])
    """
    _deprecated("upsample_bilinear")
    return interpolate(input, size, scale_factor, "bilinear", True)
