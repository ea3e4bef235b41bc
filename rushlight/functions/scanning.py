"""torch's running sums, products and extrema, differences and the trapezoidal rule."""

from __future__ import annotations

from typing import Any

from ..core import dtypes
from ..core.dispatch import named, not_implemented, refuse
from ..core.overlaps import refuse_overlap
from ..core.shapes import dimension
from ..core.tensor import Tensor
from ..ops import compare as c
from ..ops import elementwise as e
from ..ops import scan
from ..ops import structure as s
from ..ops.reduce import sum as sum_of
from .joining import cat
from .reduction import pick
from .reduction import put as _out
from .results import named_result

__all__ = [
    "cummax", "cummin", "cumprod", "cumsum", "cumulative_trapezoid", "diff", "logcumsumexp",
    "prod", "trapezoid", "trapz",
]  # fmt: skip


def _typed(input: Tensor, dtype: Any) -> Tensor:
    return input if dtype is None else s.cast(input, dtype)


def _as_sum(result: Tensor, dtype: Any) -> Tensor:
    """Sums of integers are int64 unless a type was asked for."""
    return result if dtype is None else s.cast(result, dtype)


def cumsum(
    input: Tensor, dim: Any = None, *, dtype: Any = None, axis: Any = None, out: Any = None
) -> Tensor:
    """Running sums along a dimension; integers sum as int64.

    Args: dtype, to which the input is cast first; whole numbers give int64. Shapes: as the input.
    Raises: IndexError for a dimension that is not there.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.cumsum.html

    >>> import rushlight as torch
    >>> torch.cumsum(torch.tensor([1, 2, 3]), 0)
    tensor([1, 3, 6])
    """
    if out is not None:  # which says the type, as in torch
        dtype = dtype or out.dtype
        refuse_overlap(out, (input,))
    input = _typed(input, dtype)
    if dtype is not None:
        refuse(input, "bool", "cumsum_out_cpu")
    place = dimension(dim if axis is None else axis, input._array.ndim)
    return _out(_as_sum(scan.cumsum(input, place), dtype), out)


def cumprod(
    input: Tensor, dim: Any = None, *, dtype: Any = None, axis: Any = None, out: Any = None
) -> Tensor:
    """Running products along a dimension.

    Args: dtype, to which the input is cast first; whole numbers give int64. Shapes: as the input.
    Raises: IndexError for a dimension that is not there.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.cumprod.html

    >>> import rushlight as torch
    >>> torch.cumprod(torch.tensor([1, 2, 3]), 0)
    tensor([1, 2, 6])
    """
    if out is not None:  # which says the type, as in torch
        dtype = dtype or out.dtype
    input = _typed(input, dtype)
    if dtype is not None:
        refuse(input, "bool", "cumprod_out_cpu")
    place = dimension(dim if axis is None else axis, input._array.ndim)
    return _out(_as_sum(scan.cumprod(input, place), dtype), out)


def prod(
    input: Tensor, dim: int | None = None, keepdim: bool = False, *, dtype: Any = None,
    axis: Any = None, keepdims: Any = None, out: Any = None,
) -> Tensor:  # fmt: skip
    """The product of all elements, or along a dimension; integers multiply as int64.

    Args: dtype, to which the input is cast first; whole numbers give int64.
    Shapes: (), or without `dim`, which `keepdim` keeps at size 1.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.prod.html

    >>> import rushlight as torch
    >>> torch.prod(torch.tensor([[1., 2.], [3., 4.]]), 1)
    tensor([ 2., 12.])
    """
    dim, keepdim = pick(dim, axis, keepdim, keepdims)
    if out is not None:
        dtype = dtype or out.dtype
    input = _typed(input, dtype)
    place = None if dim is None else dimension(dim, input._array.ndim)
    if not input._array.ndim and place is not None:
        result = named(scan.prod(input, None, False), "ProdBackward1")
    else:
        result = scan.prod(input, place, keepdim and dim is not None)
    return _out(_as_sum(result, dtype), out)


_running = {
    name: named_result(name, ("values", "indices")) for name in ("cummax", "cummin")
}  # fmt: skip


def _extremum(name: str, op: Any, doc: str) -> Any:
    def extremum(input: Tensor, dim: Any = None, *, axis: Any = None, out: Any = None) -> Any:
        if input.dtype.is_complex:
            raise not_implemented(f"{name}_cpu", input.dtype)
        place = dimension(dim if axis is None else axis, input._array.ndim)
        return _out(_running[name](*op(input, place)), out)

    extremum.__name__ = extremum.__qualname__ = name
    extremum.__doc__ = doc
    return extremum


cummax = _extremum("cummax", scan.cummax, """The largest element so far, and its (last) index.

    >>> import rushlight as torch
    >>> torch.cummax(torch.tensor([1, 3, 2]), 0).values
    tensor([1, 3, 3])
    """)  # fmt: skip
cummin = _extremum("cummin", scan.cummin, """The smallest element so far, and its (last) index.

    >>> import rushlight as torch
    >>> torch.cummin(torch.tensor([2, 1, 3]), 0).indices
    tensor([0, 1, 1])
    """)  # fmt: skip


def logcumsumexp(input: Tensor, dim: Any = None, *, axis: Any = None, out: Any = None) -> Tensor:
    """The logarithm of running sums of e^x along a dimension.

    Shapes: as the input. Raises: IndexError for a dimension that is not there.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.logcumsumexp.html

    >>> import rushlight as torch
    >>> torch.logcumsumexp(torch.tensor([0.0, 0.0]), 0)
    tensor([0.0000, 0.6931])
    """
    place = dimension(dim if axis is None else axis, input._array.ndim)
    if input.dtype.category < dtypes.FLOAT:
        raise not_implemented("logcumsumexp_out_cpu", input.dtype)
    return _out(scan.logcumsumexp(input, place), out)


def diff(
    input: Tensor, n: int = 1, dim: int = -1, prepend: Any = None, append: Any = None, *,
    axis: Any = None,
    out: Any = None,
) -> Tensor:  # fmt: skip
    """Differences of neighbours along a dimension, n times over.

    Args: n, how often; prepend and append, tensors put before and behind first.
    Shapes: `dim` becomes n shorter. Raises: RuntimeError for a number and for a negative n.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.diff.html

    >>> import rushlight as torch
    >>> torch.diff(torch.tensor([1, 4, 9]))
    tensor([3, 5])
    """
    dim = dim if axis is None else axis
    if input._array.ndim == 0:
        raise RuntimeError("diff expects input to be at least one-dimensional")
    if n < 0:
        raise RuntimeError(f"order must be non-negative but got {n}")
    place = dimension(dim, input._array.ndim)
    for extra in (prepend, append):
        if extra is not None and extra._array.ndim != input._array.ndim:
            raise RuntimeError("diff expects prepend or append to be the same dimension as input")
        for at, size in enumerate(() if extra is None else extra._array.shape):
            if at != place and size != input._array.shape[at]:
                raise RuntimeError(
                    "diff expects the shape of tensor to prepend or append to match that of input"
                    " except along the differencing dimension;"
                    f" input.size({at}) = {input._array.shape[at]}, but got"
                    f" tensor.size({at}) = {size}"
                )
    parts = [part for part in (prepend, input, append) if part is not None]
    if n == 0:
        return _out(named(s.clone(input), "torch::autograd::CopyBackwards"), out)
    joined = cat(parts, place) if len(parts) > 1 else input
    subtract = c.logical_xor if input.dtype is dtypes.bool_ else e.sub
    for _ in range(min(n, joined._array.shape[place])):
        length = max(joined._array.shape[place] - 1, 0)
        start = min(1, joined._array.shape[place])
        joined = subtract(
            s.narrow(joined, place, start, length), s.narrow(joined, place, 0, length)
        )
    return _out(joined, out)


def _pairs(y: Tensor, dim: int) -> tuple[int, Tensor, Tensor]:
    place = dimension(dim, y._array.ndim)
    length = max(y._array.shape[place] - 1, 0)
    start = min(1, y._array.shape[place])
    return place, s.narrow(y, place, start, length), s.narrow(y, place, 0, length)


def _steps(y: Tensor, x: Tensor, dim: int, name: str) -> Tensor:
    """The distances between the points x, shaped to multiply with y's neighbours."""
    place = dimension(dim, y._array.ndim)
    if x._array.ndim == 1 != y._array.ndim:
        if x._array.shape[0] != y._array.shape[place]:
            raise RuntimeError(f"{name}: There must be one `x` value for each sample point")
        shape = (1,) * place + (-1,) + (1,) * (y._array.ndim - 1 - place)
        x = s.reshape(x, tuple(x._array.size if n == -1 else n for n in shape))
        return diff(x, dim=place)
    if x._array.ndim < y._array.ndim:
        x = s.reshape(x, (1,) * (y._array.ndim - x._array.ndim) + x._array.shape)
    return diff(x, dim=dim)


def _check(y: Tensor, x: Any, name: str) -> None:
    kinds = [v.dtype for v in (y, x) if isinstance(v, Tensor)]
    if dtypes.bool_ in kinds:
        raise RuntimeError(
            f"{name}: received a bool input for `{'y' if y.dtype is dtypes.bool_ else 'x'}`,"
            " but bool is not supported"
        )


def trapezoid(y: Tensor, x: Any = None, *, dx: Any = 1, dim: int = -1, axis: Any = None) -> Tensor:
    """The trapezoidal rule along a dimension, at points `x` or `dx` apart.

    Args: x, where the samples lie, or dx, how far apart. Shapes: `dim` goes.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.trapezoid.html

    >>> import rushlight as torch
    >>> torch.trapezoid(torch.tensor([1.0, 5.0, 10.0]))
    tensor(10.5000)
    """
    dim = dim if axis is None else axis
    x, dx = (x, dx) if isinstance(x, Tensor) or x is None else (None, x)
    _check(y, x, "trapezoid")
    place = dimension(dim, y._array.ndim)
    if y._array.shape[place] == 0:
        return s.cast(sum_of(y, (place,), False), y.dtype) * 0
    if x is None:  # torch's way, too: all of them, less half the ends
        ends = e.add(s.select(y, place, 0), s.select(y, place, -1))
        total = e.sub(sum_of(y, (place,), False), scan.scaled(ends, 0.5))
        return scan.scaled(total, dx)
    place, after, before = _pairs(y, dim)
    total = e.mul(_steps(y, x, dim, "trapezoid"), e.add(after, before))
    return scan.halved(sum_of(total, (dimension(dim, total._array.ndim),), False))


def trapz(y: Tensor, x: Any = None, *, dx: Any = 1, dim: int = -1, axis: Any = None) -> Tensor:
    """`trapezoid` under its older name.

    >>> import rushlight as torch
    >>> torch.trapz(torch.tensor([1.0, 2.0, 3.0]))
    tensor(4.)
    """
    return trapezoid(y, x, dx=dx, dim=dim, axis=axis)


def cumulative_trapezoid(
    y: Tensor, x: Any = None, *, dx: Any = 1, dim: int = -1, axis: Any = None
) -> Tensor:
    """The running trapezoidal rule along a dimension.

    Args: x, where the samples lie, or dx, how far apart. Shapes: `dim` becomes 1 shorter.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.cumulative_trapezoid.html

    >>> import rushlight as torch
    >>> torch.cumulative_trapezoid(torch.tensor([1.0, 5.0, 10.0]))
    tensor([ 3.0000, 10.5000])
    """
    dim = dim if axis is None else axis
    x, dx = (x, dx) if isinstance(x, Tensor) or x is None else (None, x)
    _check(y, x, "cumulative_trapezoid")
    place, after, before = _pairs(y, dim)
    if x is None:
        return scan.cumsum(scan.scaled(e.add(after, before), dx / 2), place)
    total = e.mul(_steps(y, x, dim, "cumulative_trapezoid"), e.add(after, before))
    return scan.halved(scan.cumsum(total, dimension(dim, total._array.ndim)))
