"""torch's statistics: variances, norms, sums that skip nan, covariances."""

from __future__ import annotations

from math import inf
from typing import Any

import numpy as np

from ..core import dtypes
from ..core.dispatch import scalar_type_name, wrap_array
from ..core.errors import fail, warn
from ..core.meta import Meta
from ..core.operands import refuse_numbers
from ..core.shapes import dimension, required_dim
from ..core.state import DEFAULTS
from ..core.tensor import Tensor
from ..core.values import noted, refuses
from ..ops import compare as c
from ..ops import elementwise as e
from ..ops import moments as m
from ..ops import reduce as r
from ..ops import sort as o
from ..ops import structure as s
from ..ops.contract import matmul
from ..ops.distance import vector_norm
from ..ops.linalg_factors import svd
from ..ops.transcendental import conj, sqrt
from .complex_parts import complex as from_parts
from .complex_parts import imag, real
from .matrix_norms import refuse_nothing
from .reduction import dims_of, pick, same_kind
from .reduction import put as _out
from .results import named_result

__all__ = [
    "aminmax", "corrcoef", "count_nonzero", "cov", "dist", "hash_tensor", "logsumexp", "nanmean",
    "nansum", "norm", "renorm", "std", "std_mean", "var", "var_mean",
]  # fmt: skip

_NOT_GIVEN: Any = object()


def _correction(unbiased: Any, correction: Any, dim: Any) -> tuple[Any, float]:
    """The dims and the correction; `var(x, False)` means unbiased=False."""
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    if correction is _NOT_GIVEN or correction is None:
        correction = 1 if unbiased is None or unbiased else 0
    return dim, correction


def _tell_of_freedom(name: str, input: Tensor) -> None:
    """torch's warning, of complex numbers' parts each, where as much is taken from n as it is."""
    if isinstance(input._array, Meta):
        return
    for _ in range(1 + (input.dtype.category == dtypes.COMPLEX)):
        warn(
            f"{name}(): degrees of freedom is <= 0. Correction should be strictly less than the"
            " reduction factor (input numel divided by output numel)."
        )


def _spread(name: str, op: Any, doc: str) -> Any:
    def function(
        input: Tensor, dim: Any = None, unbiased: Any = None, keepdim: bool = False, *,
        correction: Any = _NOT_GIVEN, axis: Any = None, keepdims: Any = None, out: Any = None,
    ) -> Any:  # fmt: skip
        dim, keepdim = pick(dim, axis, keepdim, keepdims)
        dim, wanted = _correction(unbiased, correction, dim)
        if input.dtype.category < dtypes.FLOAT:
            label = name if name.endswith("mean") else "std and var"
            raise RuntimeError(f"{label} only support floating point and complex dtypes")
        dims = dims_of(dim, input._array.ndim)
        found = op(input, dims, wanted, keepdim)
        left = found[0] if type(found) is tuple else found
        if input._array.size <= wanted * left._array.size:
            _tell_of_freedom(name, input)
        return _out(found, out)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    return function


var = _spread(
    "var",
    m.variance,
    """The variance over dimensions: squared distances from the mean, over n - correction (1).

    dim: one, several, or all without it; keepdim: they stay, with size 1. correction=0 divides
    by n, as does unbiased=False. Raises: RuntimeError for bools and whole numbers, IndexError
    for a dimension that is not there. Where nothing is left to divide by, the result is nan or
    inf, with a warning.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.var.html

    >>> import rushlight as torch
    >>> torch.var(torch.tensor([1.0, 2.0, 3.0]))
    tensor(1.)
    """,
)
std = _spread(
    "std",
    m.deviation,
    """The standard deviation over dimensions, with n - correction (1) degrees of freedom.

    Arguments and errors are those of `var`.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.std.html

    >>> import rushlight as torch
    >>> torch.std(torch.tensor([1.0, 3.0]), correction=0)
    tensor(1.)
    """,
)
var_mean = _spread(
    "var_mean",
    m.variance_mean,
    """The variance and the mean over dimensions.

    Arguments and errors are those of `var`; both results have the shape of the one there.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.var_mean.html

    >>> import rushlight as torch
    >>> torch.var_mean(torch.tensor([1.0, 2.0, 3.0]))
    (tensor(1.), tensor(2.))
    """,
)
std_mean = _spread(
    "std_mean",
    m.deviation_mean,
    """The standard deviation and the mean over dimensions.

    Arguments and errors are those of `std`; both results have the shape of the one there.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.std_mean.html

    >>> import rushlight as torch
    >>> torch.std_mean(torch.tensor([1.0, 2.0, 3.0]))
    (tensor(1.), tensor(2.))
    """,
)


def nansum(
    input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None, axis: Any = None,
    keepdims: Any = None, out: Any = None,
) -> Tensor:  # fmt: skip
    """The sum of all elements but nan, or over the given dimensions.

    dim: one, several, or all without it; keepdim: they stay, with size 1; axis and keepdims
    are NumPy's names for the two. dtype: of the sum. Only nans: 0. Raises: RuntimeError for
    complex numbers.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nansum.html

    >>> import rushlight as torch
    >>> torch.nansum(torch.tensor([1.0, torch.nan]))
    tensor(1.)
    """
    dim, keepdim = pick(dim, axis, keepdim, keepdims)
    if input.dtype.is_complex:
        raise RuntimeError("nansum on CPU does not support complex inputs")
    if dtype is not None:
        input = s.cast(input, dtype)
    dims = dims_of(dim, input._array.ndim)
    if input.dtype.is_floating_point:
        result = m.nansum(input, dims, keepdim, ~np.isnan(input._array))
    else:
        result = r.sum(input, dims, keepdim)
    return _out(result if dtype is None else s.cast(result, dtype), out)


def nanmean(
    input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None, axis: Any = None,
    keepdims: Any = None, out: Any = None,
) -> Tensor:  # fmt: skip
    """The mean of all elements but nan, or over the given dimensions.

    Arguments are those of `nansum`. Only nans: nan. Raises: RuntimeError for all but floats.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nanmean.html

    >>> import rushlight as torch
    >>> torch.nanmean(torch.tensor([1.0, 3.0, torch.nan]))
    tensor(2.)
    """
    dim, keepdim = pick(dim, axis, keepdim, keepdims)
    if input.dtype.category < dtypes.FLOAT:
        raise RuntimeError(
            "nanmean(): expected input to have floating point or complex dtype but got"
            f" {scalar_type_name(input.dtype)}"
        )
    dims = dims_of(dim, input._array.ndim)
    total = nansum(input, dim, keepdim, dtype=dtype)
    present = r.sum(c.logical_not(c.isnan(input)), dims, keepdim)
    return _out(e.div(total, present), out)


def logsumexp(
    input: Tensor, dim: Any = None, keepdim: bool = False, *, axis: Any = None,
    keepdims: Any = None, out: Any = None,
) -> Tensor:  # fmt: skip
    """log(sum of e^x) over dimensions, without overflow.

    dim: one or several; keepdim: they stay, with size 1; axis and keepdims are NumPy's names for
    both. Whole numbers become the default type. Raises: IndexError for a dimension not there.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.logsumexp.html

    >>> import rushlight as torch
    >>> torch.logsumexp(torch.tensor([[0.0, 0.0]]), 1)
    tensor([0.6931])
    """
    keepdim = keepdim if keepdims is None else keepdims
    dim = required_dim("logsumexp", dim, axis)
    if input.dtype.category < dtypes.FLOAT:
        input = s.cast(input, DEFAULTS.dtype)
    return _out(m.logsumexp(input, dims_of(dim, input._array.ndim), keepdim), out)


def count_nonzero(input: Tensor, dim: Any = None, *, axis: Any = None) -> Tensor:
    """How many elements are not zero, in all or over dimensions.

    dim: one, several, or all without it; axis is NumPy's name for it. Shapes: the named
    dimensions disappear; of int64. Gradient: none.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.count_nonzero.html

    >>> import rushlight as torch
    >>> torch.count_nonzero(torch.tensor([0, 2, 3]))
    tensor(2)
    """
    dim = dim if axis is None else axis
    dims = dims_of(dim, input._array.ndim)
    return wrap_array(np.asarray(np.add.reduce(input._array != 0, dims, np.int64)))


def hash_tensor(
    input: Tensor, dim: Any = None, *, keepdim: bool = False, mode: int = 0, out: Any = None
) -> Tensor:
    """The exclusive or of all elements' bits, in all or over dimensions, as a uint64.

    Real numbers are taken as float64 and others as int64 before. `mode` must be 0.

    Raises: RuntimeError for another mode, for an `out` of another type, and for no elements where
    no dimension is named; IndexError for a dimension without elements.

    >>> import rushlight as torch
    >>> torch.hash_tensor(torch.tensor([5, 1]))
    tensor(4, dtype=torch.uint64)
    """
    if mode != 0:
        raise RuntimeError(f"Unknown hash_tensor mode: {mode}")
    dims = dims_of(dim, input._array.ndim)
    if dims is None and input._array.size == 0:
        raise RuntimeError(
            "hash_tensor: Expected reduction dim to be specified for input.numel() == 0. Specify"
            " the reduction dim with the 'dim' argument."
        )
    for place in dims or ():
        if input._array.shape[place] == 0:
            raise IndexError(f"hash_tensor: Expected reduction dim {place} to have non-zero size.")
    if out is not None and out.dtype is not dtypes.uint64:
        raise RuntimeError(
            f"Expected result to be of dtype uint64, but got {scalar_type_name(out.dtype)}"
        )
    return _out(r.hash_tensor(input, dims, keepdim), out)


_aminmax = named_result("aminmax", ("min", "max"))


def aminmax(
    input: Tensor, *, axis: Any = None, keepdims: Any = None, dim: int | None = None,
    keepdim: bool = False, out: Any = None,
) -> Any:  # fmt: skip
    """The smallest and the largest element, in all or along a dimension.

    dim: one dimension, or all without it; keepdim: it stays, with size 1. The result is a pair
    with fields min and max. Raises: RuntimeError for no elements where no dim is named,
    IndexError for a dimension without elements.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.aminmax.html

    >>> import rushlight as torch
    >>> torch.aminmax(torch.tensor([3, 1, 2])).max
    tensor(3)
    """
    dim, keepdim = pick(dim, axis, keepdim, keepdims)
    if input._array.size == 0 and dim is None:
        raise RuntimeError(
            "aminmax(): cannot compute aminmax over an empty dimension as the operation"
            " has no identity."
        )
    dims = None if dim is None else (dimension(dim, input._array.ndim),)
    if dims and input._array.ndim and input._array.shape[dims[0]] == 0:
        raise IndexError(f"aminmax: Expected reduction dim {dims[0]} to have non-zero size.")
    dims = dims if input._array.ndim else None
    same_kind(input, *(out or ()))
    return _out(_aminmax(*o.aminmax(input, dims, keepdim)), out)


def norm(
    input: Tensor, p: Any = "fro", dim: Any = None, keepdim: bool = False, out: Any = None,
    dtype: Any = None,
) -> Tensor:  # fmt: skip
    """The p-norm of all elements (or over dimensions): (sum |x|^p)^(1/p), 2 unless given.

    p may be 'fro' (as 2), 'nuc' (the sum of singular values), inf, -inf or any number.
    dim: one, several, or all without it; keepdim: they stay, with size 1. dtype: what the
    input is turned into before. Raises: RuntimeError for bools and whole numbers, and for
    another text than 'fro' and 'nuc'.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.norm.html

    >>> import rushlight as torch
    >>> torch.norm(torch.tensor([3.0, 4.0]))
    tensor(5.)
    """
    if dtype is not None:
        input = s.cast(input, dtype)
    if p == "nuc":
        return _out(_nuclear(input, dim, keepdim), out)
    order = 2.0 if p in ("fro", None) else p
    if isinstance(order, str):
        order = {"inf": inf, "-inf": -inf}.get(order, order)
        if isinstance(order, str):
            raise RuntimeError(f"only valid string values are 'fro' and 'nuc', found {order}")
    if input.dtype.category < dtypes.FLOAT:
        raise RuntimeError(
            "linalg.vector_norm: Expected a floating point or complex tensor as input. Got"
            f" {scalar_type_name(input.dtype)}"
        )
    return _out(vector_norm(input, float(order), dims_of(dim, input._array.ndim), keepdim), out)


def _nuclear(input: Tensor, dim: Any, keepdim: bool) -> Tensor:
    """The sum of the singular values of the matrices in two dimensions."""
    ndim = input._array.ndim
    first, second = dims_of((0, 1) if dim is None else dim, ndim)
    if dim is None and ndim != 2:
        raise RuntimeError(
            "linalg.matrix_norm: The input tensor A must have at least 2 dimensions."
            if ndim < 2
            else f"Expected a tensor with 2 dimensions, but got {ndim}"
        )
    rest = tuple(i for i in range(ndim) if i not in (first, second))
    total = r.sum(svd(s.permute(input, (*rest, first, second)))[1], (len(rest),), False)
    for place in sorted((first, second)) if keepdim else ():
        total = s.unsqueeze(total, place)
    return total


def dist(input: Tensor, other: Tensor, p: float = 2) -> Tensor:
    """The p-norm of input - other.

    Shapes: the operands broadcast together; the result is a single number.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.dist.html

    >>> import rushlight as torch
    >>> torch.dist(torch.tensor([1.0, 2.0]), torch.tensor([4.0, 6.0]))
    tensor(5.)
    """
    refuse_numbers(m.distance.primitive, (input, other))
    return m.distance(input, other, float(p))


def renorm(input: Tensor, p: float, dim: int, maxnorm: float, *, out: Any = None) -> Tensor:
    """Every slice along a dimension scaled down to p-norm `maxnorm` where it is longer.

    Shapes: two dimensions or more, and the result the same; the norm of each slice x[i] along
    dim is over all other dimensions. Raises: RuntimeError for p <= 0, for a negative maxnorm
    and for fewer than two dimensions.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.renorm.html

    >>> import rushlight as torch
    >>> torch.renorm(torch.tensor([[3.0, 4.0], [0.3, 0.4]]), 2, 0, 1.0).round(decimals=3)
    tensor([[0.6000, 0.8000],
            [0.3000, 0.4000]])
    """
    if p <= 0:
        raise RuntimeError("renorm: non-positive-norm not supported")
    if maxnorm < 0:
        raise RuntimeError(f"renorm: expected maxnorm to be >= 0 but got {maxnorm}")
    ndim = input._array.ndim
    if ndim < 2:
        raise fail(
            RuntimeError,
            f"renorm: input needs at least 2 dimensions, got {ndim} dimensions",
        )
    place = dimension(dim, ndim)
    dims = tuple(i for i in range(ndim) if i != place)
    if p == inf and not input._array.size:
        refuse_nothing(input, p, dims)
    return _out(m.renorm(input, float(p), dims, float(maxnorm)), out)


def cov(
    input: Tensor, *, correction: int = 1, fweights: Any = None, aweights: Any = None
) -> Tensor:
    """The covariances of the rows: variables in rows, observations in columns.

    `fweights` counts each observation, `aweights` weighs it.
    Shapes: (variables, observations) gives (variables, variables), a single row a number. The
    sums are divided by observations - correction. Raises: RuntimeError for bools, more than
    two dimensions, and weights of other sizes or types, negative ones, or of sum 0.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.cov.html

    >>> import rushlight as torch
    >>> torch.cov(torch.tensor([[0.0, 1.0, 2.0], [2.0, 1.0, 0.0]]))
    tensor([[ 1., -1.],
            [-1.,  1.]])
    """
    if input._array.ndim > 2:
        raise RuntimeError("cov(): expected input to have two or fewer dimensions but got an input"
                           f" with {input._array.ndim} dimensions")  # fmt: skip
    if input.dtype is dtypes.bool_:
        raise RuntimeError("cov(): bool dtype is not supported for input")
    kind = input.dtype if input.dtype.category >= dtypes.FLOAT else DEFAULTS.dtype
    columns = 1 if input._array.ndim == 0 else input._array.shape[-1]
    rows = s.reshape(input, (input._array.size // max(columns, 1) if columns else 1, columns)) if (
        input._array.ndim < 2) else input  # fmt: skip
    weights = _weights(columns, fweights, aweights)
    if weights is None:
        freedom, total = float(columns), None
    else:
        total = r.sum(weights, None, False)
        freedom = total
        if not total._array:
            raise RuntimeError("cov(): weights sum to zero, can't be normalized")
    x = s.cast(rows, kind)
    mean = r.mean(x, (1,), True) if weights is None else e.div(
        r.sum(e.mul(x, weights), (1,), True), total)  # fmt: skip
    divisor = _divisor(freedom, weights, aweights, correction, total)
    gap = e.sub(x, mean)
    weighted = gap if weights is None else e.mul(gap, weights)
    product = matmul(gap, conj(s.transpose(weighted, 0, 1)))
    result = e.div(product, divisor)
    return s.squeeze_all(result, (0, 1))


def _weights(columns: int, counts: Any, given: Any) -> Any:
    for name, w in (("fweights", counts), ("aweights", given)):
        if w is None:
            continue
        if w._array.ndim > 1:
            raise RuntimeError(f"cov(): expected {name} to have one or fewer dimensions but got"
                               f" {name} with {w._array.ndim} dimensions")  # fmt: skip
        if name == "fweights" and w._array.dtype.kind not in "iu":
            raise RuntimeError(
                "cov(): expected fweights to have integral dtype but got fweights with"
                f" {scalar_type_name(w.dtype)} dtype"
            )
        if name == "aweights" and w._array.dtype.kind != "f":
            raise RuntimeError(
                "cov(): expected aweights to have floating point dtype but got aweights"
                f" with {scalar_type_name(w.dtype)} dtype"
            )
        if w._array.size != columns:
            raise RuntimeError(
                f"cov(): expected {name} to have the same numel as there are"
                f" observations in the input but got {w._array.size} != {columns}"
            )
        if refuses(noted(w) < 0):
            raise RuntimeError(f"cov(): {name} cannot be negative")
    if counts is None or given is None:
        return given if counts is None else counts
    return e.mul(counts, given)


def _divisor(freedom: Any, weights: Any, given: Any, correction: int, total: Any) -> Any:
    """n - correction, or its counterpart for weights; never below 0."""
    if weights is None:
        return max(freedom - correction, 0.0)
    if given is None or correction == 0:
        left = e.sub(total, correction) if correction else total
    else:
        square = r.sum(e.mul(weights, given), None, False)
        left = e.sub(total, e.div(e.mul(square, correction), total))
    return e.clamp(s.cast(left, left.dtype), 0, None)


def corrcoef(input: Tensor) -> Tensor:
    """The correlation coefficients of the rows.

    Shapes: (variables, observations) gives (variables, variables), a single row a number;
    complex parts are held between -1 and 1. Raises: RuntimeError for more than two dimensions.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.corrcoef.html

    >>> import rushlight as torch
    >>> torch.corrcoef(torch.tensor([[0.0, 1.0], [1.0, 0.0]]))
    tensor([[ 1., -1.],
            [-1.,  1.]])
    """
    if input._array.ndim > 2:
        raise RuntimeError("corrcoef(): expected input to have two or fewer dimensions but got an"
                           f" input with {input._array.ndim} dimensions")  # fmt: skip
    covariance = cov(input)
    if covariance._array.ndim == 0:
        return e.div(covariance, covariance)
    variances = s.diagonal(covariance, 0, 0, 1)
    scale = sqrt(real(variances) if variances.dtype.is_complex else variances)
    result = e.div(e.div(covariance, s.unsqueeze(scale, 1)), s.unsqueeze(scale, 0))
    if result.dtype.is_complex:
        return from_parts(e.clamp(real(result), -1, 1), e.clamp(imag(result), -1, 1))
    return e.clamp(result, -1, 1)
