"""torch.fft: discrete Fourier transforms, over one dimension (`fft`), two (`fft2`) or any (`fftn`).

`r` is for real input (the result keeps the half that says all), `h` for input whose transform is
real, `i` for the inverse. `norm` says where the factor 1/n goes: "backward" (the inverse), "ortho"
(both, as square roots) or "forward".
Source: https://pytorch.org/docs/stable/fft.html
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod, sqrt
from operator import index as as_index
from typing import Any

import numpy as np

from .core import dtypes
from .core.dispatch import named, scalar_type_name, write_out
from .core.gates import publish_all as _publish_all
from .core.shapes import also_axis, dimension, dimensions, is_one
from .core.state import DEFAULTS
from .core.tensor import Tensor, set_requires_grad, wrap
from .functions.arguments import misfit
from .functions.examples import attach_all as _attach_all
from .ops import fft as ops
from .ops import structure as s
from .ops.transcendental import conj

__all__ = [
    "fft", "fft2", "fftfreq", "fftn", "fftshift", "hfft", "hfft2", "hfftn", "ifft", "ifft2",
    "ifftn", "ifftshift", "ihfft", "ihfft2", "ihfftn", "irfft", "irfft2", "irfftn", "rfft",
    "rfft2", "rfftfreq", "rfftn",
]  # fmt: skip


def _floating(name: str, input: Any) -> Tensor:
    """The input as floating point numbers; torch's errors for what has no transform."""
    if not isinstance(input, Tensor):
        raise misfit(f"fft_{name}", "input", 1, "Tensor", input)
    if input.dtype.category < dtypes.FLOAT:
        return s.cast(input, DEFAULTS.dtype)
    if input.dtype.itemsize == 2:
        raise RuntimeError(f"Unsupported dtype {scalar_type_name(input.dtype)}")
    return input


def _place(x: Tensor, dim: int) -> int:
    if not x._array.ndim:
        raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
    return dimension(dim, x._array.ndim)


def _checked(n: int) -> int:
    if n < 1:
        raise RuntimeError(f"Invalid number of data points ({n}) specified")
    return n


def _scale(norm: str | None, n: int, forward: bool) -> float:
    if norm not in (None, "backward", "ortho", "forward"):
        raise RuntimeError(f'Invalid normalization mode: "{norm}"')
    if norm == "ortho":
        return 1.0 / sqrt(n)
    return 1.0 / n if (norm == "forward") == forward else 1.0


def _put(result: Tensor, out: Any) -> Tensor:
    return result if out is None else write_out(result, out)


def _region(x: Tensor, size: Any, dims: Any) -> tuple[Tensor, tuple[int, ...], list[int]]:
    """The dimensions to transform and their sizes (those given, else the tensor's)."""
    ndim = x._array.ndim
    if dims is None:
        count = ndim if size is None else len(size)
        places = tuple(range(ndim - count, ndim))
        if count > ndim:
            raise RuntimeError(f"Got shape with {count} values but input tensor only has"
                               f" {ndim} dimensions.")  # fmt: skip
    else:
        places = dimensions_of(dims, ndim)
    if size is not None and len(size) != len(places):
        raise RuntimeError("When given, dim and shape arguments must have the same length")
    sizes = [x._array.shape[i] for i in places]
    for place, wanted in enumerate(() if size is None else size):
        if wanted != -1:
            sizes[place] = _checked(wanted)
    return x, places, sizes


def dimensions_of(dims: Any, ndim: int) -> tuple[int, ...]:
    """The dimensions counted from the front, each once."""
    dims = (as_index(dims),) if is_one(dims) else tuple(dims)
    if dims and not ndim:
        raise IndexError(f"Dimension specified as {dims[0]} but tensor has no dimensions")
    places = tuple(dimension(dim, ndim) for dim in dims)
    if len(set(places)) != len(places):
        raise RuntimeError("FFT dims must be unique")
    return places


def _resized(x: Tensor, places: Sequence[int], sizes: Sequence[int]) -> Tensor:
    for place, size in zip(places, sizes):
        x = ops.resized(x, place, size)
    return x


def _to_complex(name: str, input: Any, size: Any, dims: Any, norm: Any, forward: bool) -> Tensor:
    x, places, sizes = _region(_floating(name, input), size, dims)
    for n in sizes:
        _checked(n)
    if x.dtype.category == dtypes.FLOAT:
        x = s.cast(x, x.dtype.to_complex())
    if not places:
        return s.clone(x)
    scale = _scale(norm, prod(sizes), forward)
    return ops.full(_resized(x, places, sizes), places, forward, scale)


def _from_real(name: str, input: Any, size: Any, dims: Any, norm: Any, forward: bool) -> Tensor:
    x, places, sizes = _region(_floating(name, input), size, dims)
    if x.dtype.is_complex:
        kind = scalar_type_name(x.dtype)
        raise RuntimeError(
            f"{name} expects a real input tensor, but got {kind}" if name in ("rfft", "ihfft") else
            f"rfftn expects a real-valued input tensor, but got {kind}" if name[0] == "r" else
            f"Only supports floating-point dtypes, but found: {kind}"
        )  # fmt: skip
    if not places:
        raise RuntimeError(f"{name} must transform at least one axis")
    for n in sizes:
        _checked(n)
    scale = _scale(norm, prod(sizes), forward)
    x = _resized(x, places, sizes)
    if forward:
        return ops.half(x, places, scale)
    y = conj(ops.half(x, places[-1:], scale))
    return ops.full(y, places[:-1], False, 1.0) if places[1:] else y


def _to_real(name: str, input: Any, size: Any, dims: Any, norm: Any, forward: bool) -> Tensor:
    x, places, sizes = _region(_floating(name, input), size, dims)
    if not places:
        raise RuntimeError(f"{name} must transform at least one axis")
    if size is None or size[-1] == -1:
        sizes[-1] = 2 * (sizes[-1] - 1)
    for n in sizes:
        _checked(n)
    if x.dtype.category == dtypes.FLOAT:
        x = s.cast(x, x.dtype.to_complex())
    scale = _scale(norm, prod(sizes), forward)
    kept = [*sizes[:-1], sizes[-1] // 2 + 1]
    x = _resized(x, places, kept)
    return ops.real(conj(x) if forward else x, places, sizes[-1], scale)


_ONE = "n, the size to which `dim` is cut or filled up with zeros"
_MANY = "s, the sizes to which the dimensions `dim` are cut or filled up with zeros"
_SHAPES = {
    _to_complex: "the input's, but n along `dim`; complex.",
    _from_real: "the input's, which is real, but n // 2 + 1 along `dim`; complex.",
    _to_real: "the input's, but n along `dim`, by default 2 (size - 1); real.",
}
_SHAPES_OF_MANY = {
    _to_complex: "the input's, but `s` along `dim`; complex.",
    _from_real: "the input's, which is real, but s[-1] // 2 + 1 in the last of `dim`; complex.",
    _to_real: "the input's, but `s` along `dim`, by default 2 (size - 1) in the last; real.",
}


def _said(name: str, work: Any, doc: str, suffix: str) -> str:
    """The docstring of a transform over one dimension, the last two ("2") or any ("n")."""
    over = {"": "one dimension", "2": "the last two dimensions", "n": "all dimensions"}[suffix]
    real = ", complex numbers" if work is _from_real else ""
    return f"""{doc} Over {over}{", or those of `dim`" if suffix else ""}.

    Args: {_MANY if suffix else _ONE};
        norm, which has the factor 1/n: "backward" (the inverse), "ortho" (both), "forward".
    Shapes: {(_SHAPES_OF_MANY if suffix else _SHAPES)[work]}
    Raises: RuntimeError for a size below 1{real} and another `norm`, IndexError for another `dim`.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.fft.{name}{suffix}.html"""


def _transforms(name: str, work: Any, forward: bool, doc: str) -> tuple[Any, Any, Any]:
    """The three functions of a kind: over one dimension, over the last two, over any."""

    def one(input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None, *,
            out: Any = None) -> Tensor:  # fmt: skip
        x = _floating(name, input)
        size = None if n is None else (_checked(n),)
        y = work(name, x, size, (_place(x, dim),), norm, forward)
        if work is _to_complex and x.dtype.category < dtypes.COMPLEX:
            named(y, "FftR2CBackward0" if forward else "ConjBackward0")
        return _put(y, out)

    def two(input: Tensor, s: Any = None, dim: Any = (-2, -1), norm: str | None = None, *,
            out: Any = None) -> Tensor:  # fmt: skip
        return _put(work(name + "2", input, s, dim, norm, forward), out)

    def many(input: Tensor, s: Any = None, dim: Any = None, norm: str | None = None, *,
             out: Any = None) -> Tensor:  # fmt: skip
        return _put(work(name + "n", input, s, dim, norm, forward), out)

    for function, suffix in ((one, ""), (two, "2"), (many, "n")):
        function.__name__ = function.__qualname__ = name + suffix
        function.__doc__ = _said(name, work, doc, suffix)
    return also_axis(one), also_axis(two), also_axis(many)


fft, fft2, fftn = _transforms("fft", _to_complex, True, "The Fourier transform.")
ifft, ifft2, ifftn = _transforms("ifft", _to_complex, False, "The inverse Fourier transform.")
rfft, rfft2, rfftn = _transforms(
    "rfft", _from_real, True, "The transform of real numbers, the half that says all."
)
irfft, irfft2, irfftn = _transforms(
    "irfft", _to_real, False, "Real numbers from half of their transform."
)
hfft, hfft2, hfftn = _transforms(
    "hfft", _to_real, True, "The real transform of half of a Hermitian signal."
)
ihfft, ihfft2, ihfftn = _transforms("ihfft", _from_real, False, "The inverse of `hfft`.")


def _frequencies(values: np.ndarray, out: Any, dtype: Any, requires_grad: bool) -> Tensor:
    result = wrap(values.astype((dtype or DEFAULTS.dtype).numpy))
    if requires_grad:
        set_requires_grad(result, True)
    return _put(result, out)


def fftfreq(n: int, d: float = 1.0, *, out: Any = None, dtype: Any = None, layout: Any = None,
            device: Any = None, requires_grad: bool = False) -> Tensor:  # fmt: skip
    """The frequencies of `fft`'s results, for samples `d` apart.

    Args: dtype, the default float type unless given. Shapes: (n,).
    Source: https://docs.pytorch.org/docs/stable/generated/torch.fft.fftfreq.html

    >>> import rushlight as torch
    >>> torch.fft.fftfreq(4)
    tensor([ 0.0000,  0.2500, -0.5000, -0.2500])
    """
    dtypes.require_cpu(device)
    with np.errstate(all="ignore"):  # of no samples, or such without a distance
        found = np.fft.fftfreq(n, np.float64(d))
    return _frequencies(found, out, dtype, requires_grad)


def rfftfreq(n: int, d: float = 1.0, *, out: Any = None, dtype: Any = None, layout: Any = None,
             device: Any = None, requires_grad: bool = False) -> Tensor:  # fmt: skip
    """The frequencies of `rfft`'s results, for samples `d` apart.

    Args: dtype, the default float type unless given. Shapes: (n // 2 + 1,).
    Source: https://docs.pytorch.org/docs/stable/generated/torch.fft.rfftfreq.html

    >>> import rushlight as torch
    >>> torch.fft.rfftfreq(4)
    tensor([0.0000, 0.2500, 0.5000])
    """
    dtypes.require_cpu(device)
    with np.errstate(all="ignore"):
        found = np.fft.rfftfreq(n, np.float64(d))
    return _frequencies(found, out, dtype, requires_grad)


def _shifted(input: Tensor, dim: Any, back: bool) -> Tensor:
    places = dimensions(dim, input._array.ndim)
    sizes = [input._array.shape[i] for i in places]
    return s.roll(input, tuple(-(n // 2) if back else n // 2 for n in sizes), places)


@also_axis
def fftshift(input: Tensor, dim: Any = None) -> Tensor:
    """Move frequency 0 to the middle.

    Args: dim, one dimension or several, all by default. Shapes: the result has the input's.
    Raises: IndexError for a dimension that is not there.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.fft.fftshift.html

    >>> import rushlight as torch
    >>> torch.fft.fftshift(torch.arange(5))
    tensor([3, 4, 0, 1, 2])
    """
    return _shifted(input, dim, False)


@also_axis
def ifftshift(input: Tensor, dim: Any = None) -> Tensor:
    """Undo `fftshift`.

    Args and shapes: as there. For even sizes it is the same.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.fft.ifftshift.html

    >>> import rushlight as torch
    >>> torch.fft.ifftshift(torch.tensor([-1, 0, 1]))
    tensor([ 0,  1, -1])
    """
    return _shifted(input, dim, True)


_attach_all("fft.", globals())
_publish_all(globals(), __all__)
