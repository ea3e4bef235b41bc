"""torch.linalg's norms and small vector products; distances between points."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import dtypes
from ..core.dispatch import named, refuse, scalar_type_name
from ..core.dispatch import whole as one_node
from ..core.errors import DTypeError, ShapeError, fail, warn_once
from ..core.shapes import broadcast, dimension, dimensions, is_one
from ..core.tensor import Tensor, wrap
from ..ops import distance as d
from ..ops import elementwise as e
from ..ops import linalg_factors as f
from ..ops import reduce as r
from ..ops import structure as s
from ..ops.transcendental import conj
from .linear_algebra import inv
from .matrix_checks import check, check_type
from .reduction import pick, put

INF = float("inf")


def vector_norm(x: Tensor, ord: Any = 2, dim: Any = None, keepdim: bool = False, *,
    axis: Any = None, keepdims: Any = None,
                dtype: Any = None, out: Any = None) -> Tensor:  # fmt: skip
    """(sum |x|^ord)^(1/ord) over dimensions; the largest or smallest |x| for +-inf; a count for 0.

    Source: https://pytorch.org/docs/stable/generated/torch.linalg.vector_norm.html

    >>> import rushlight as torch
    >>> torch.linalg.vector_norm(torch.tensor([3.0, 4.0]))
    tensor(5.)
    """
    dim, keepdim = pick(dim, axis, keepdim, keepdims)
    if x.dtype.category < dtypes.FLOAT:
        raise RuntimeError(
            "linalg.vector_norm: Expected a floating point or complex tensor as input. Got"
            f" {scalar_type_name(x.dtype)}"
        )
    if dtype is not None:
        x = s.cast(x, dtype)
    every = dim is None or (type(dim) is tuple and not dim)
    dims = None if every else dimensions(dim, x._array.ndim)
    if not x._array.ndim:  # torch lets dim be 0 or -1 for a single number
        dims = None
    order = float(ord)
    if (order < 0 or order == INF) and not x._array.size:
        refuse_nothing(x, order, () if dims is None else (dim,) if is_one(dim) else dim)
    return put(d.vector_norm(x, order, dims, bool(keepdim)), out)


def refuse_nothing(x: Tensor, order: float, dims: Any) -> None:
    """torch's errors for a norm along dimensions (all, if none is named) that are empty."""
    said = f"linalg.vector_norm cannot compute the {order:g} norm on"
    if not dims:
        raise RuntimeError(
            f"{said} an empty tensor because the operation does not have an identity"
        )
    for dim in dims:
        if not x._array.shape[dim]:
            raise RuntimeError(
                f"{said} the dimension {dim}because this dimension is empty and the operation"
                " does not have an identity"
            )


def matrix_norm(A: Tensor, ord: Any = "fro", dim: Any = (-2, -1), keepdim: bool = False, *,
    axis: Any = None, keepdims: Any = None,
                dtype: Any = None, out: Any = None) -> Tensor:  # fmt: skip
    """A norm of matrices: "fro", "nuc", +-inf (rows), +-1 (columns), +-2 (singular values).

    Shapes: the dimensions `dim` go, or stay at size 1 if `keepdim`. A is cast to `dtype` first.
    Raises: RuntimeError for fewer than two dimensions, another `ord`, and whole numbers.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.linalg.matrix_norm.html

    >>> import rushlight as torch
    >>> torch.linalg.matrix_norm(torch.tensor([[3.0, 0.0], [0.0, 4.0]]))
    tensor(5.)
    """
    dim, keepdim = pick(dim, axis, keepdim, keepdims)
    if A._array.ndim < 2:
        raise RuntimeError(
            "linalg.matrix_norm: The input tensor A must have at least 2 dimensions."
        )
    known = ("fro", "nuc") if isinstance(ord, str) else (1, -1, 2, -2, INF, -INF)
    if ord not in known:
        text = ord if isinstance(ord, str) else f"{ord:g}"
        raise RuntimeError(f"linalg.matrix_norm: Order {text} not supported.")
    pair = [dim] if isinstance(dim, int) else [*dim]
    if len(pair) != 2:
        first = pair[0] if pair else ""
        raise RuntimeError(f"linalg.matrix_norm: dim must be a 2-tuple. Got {first}")
    rows, columns = (dimension(one, A._array.ndim) for one in pair)
    if rows == columns:
        raise RuntimeError(
            f"linalg.matrix_norm: dims must be different. Got ({pair[0]}, {pair[1]})"
        )
    if dtype is not None:
        A = s.cast(A, dtype)
    if ord == "fro":
        return put(vector_norm(A, 2, (rows, columns), keepdim), out)
    if ord in ("nuc", 2, -2):
        return put(_spectral(A, ord, rows, columns, keepdim), out)
    summed, reduced = (rows, columns) if ord in (1, -1) else (columns, rows)
    totals = r.sum(e.abs(A), (summed,), True)
    y = _extreme(totals, ord in (1, INF), reduced, True)
    if not keepdim:
        node = "AmaxBackward0" if ord in (1, INF) else "AminBackward0"
        y = one_node(s.squeeze(y, (rows, columns)), node)
    return put(y, out)


def _extreme(x: Tensor, largest: bool, dim: int, keep: bool, named: int | None = None) -> Tensor:
    """The largest (0 of nothing) or smallest along a dimension."""
    if x._array.shape[dim]:
        return (r.amax if largest else r.amin)(x, (dim,), keep)
    if largest:
        return r.sum(x, (dim,), keep)
    raise IndexError(
        f"amin(): Expected reduction dim {dim if named is None else named} to have non-zero size."
    )


def _spectral(A: Tensor, ord: Any, rows: int, columns: int, keepdim: bool) -> Tensor:
    ndim = A._array.ndim
    rest = [i for i in range(ndim) if i not in (rows, columns)]
    check("linalg.matrix_norm", A)
    values = f.svd(s.permute(A, (*rest, rows, columns)))[1]
    last = values._array.ndim - 1
    if ord == "nuc":
        y = r.sum(values, (last,), False)
    else:
        y = _extreme(values, ord == 2, last, False, -1)
    if keepdim:
        kept = tuple(1 if i in (rows, columns) else A._array.shape[i] for i in range(ndim))
        y = named(s.reshape(y, kept), "PermuteBackward0")
    return y


def norm(A: Tensor, ord: Any = None, dim: Any = None, keepdim: bool = False, *,
    axis: Any = None, keepdims: Any = None,
         dtype: Any = None, out: Any = None) -> Tensor:  # fmt: skip
    """A vector norm, or a matrix norm where `ord` is a string or two dimensions are meant.

    Shapes: the dimensions `dim` go (all without it), or are kept at size 1 with `keepdim`.
    Raises: RuntimeError for `ord` without `dim` on over two dimensions, and for whole numbers.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.linalg.norm.html

    >>> import rushlight as torch
    >>> torch.linalg.norm(torch.tensor([3.0, 4.0]))
    tensor(5.)
    """
    dim, keepdim = pick(dim, axis, keepdim, keepdims)
    ndim = A._array.ndim
    if dim is not None:
        pair = not is_one(dim) and len(dim) == 2
    elif ord is not None and ndim not in (1, 2):
        raise RuntimeError(
            "linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. Got"
            f" {ndim}D."
        )
    else:
        pair = ndim == 2
    if ord is not None and (isinstance(ord, str) or pair):
        dims: Any = (-2, -1) if dim is None else dim
        return matrix_norm(A, ord, dims, keepdim, dtype=dtype, out=out)
    return vector_norm(A, 2 if ord is None else ord, dim, keepdim, dtype=dtype, out=out)


def cond(A: Tensor, p: Any = None, *, out: Any = None) -> Tensor:
    """The condition number |A| |A^-1|; for None and 2 the quotient of the singular values.

    Args: p, a norm of `matrix_norm`. Shapes: (*, n, n), for None, 2 and -2 also (*, m, n), to (*).
    Raises: RuntimeError for another norm, and where p asks for square matrices and A has others.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.linalg.cond.html

    >>> import rushlight as torch
    >>> torch.linalg.cond(torch.diag(torch.tensor([4.0, 2.0])))
    tensor(2.)
    """
    if isinstance(p, str) and p not in ("fro", "nuc"):
        raise RuntimeError(f"linalg.cond got an invalid norm type: {p}")
    if not isinstance(p, str) and isinstance(A, Tensor) and A._array.ndim < 2:
        raise RuntimeError("linalg.cond: The input tensor must have at least 2 dimensions.")
    if not isinstance(p, str) and isinstance(A, Tensor) and not A._array.size:
        return put(wrap(np.zeros(A._array.shape[:-2], A._array.real.dtype)), out)
    if p in (None, 2, -2):
        check("linalg.svd", A)
        values = f.svd(A)[1]
        ends = values[..., 0], values[..., -1]
        quotient = e.div(*(ends[::-1] if p == -2 else ends))
        return put(named(quotient, "SqueezeBackward1"), out)
    check(f"linalg.cond(ord={p})", A, square=True, types=False)
    check_type("linalg.inv", A)
    try:
        other = inv(A)
    except RuntimeError:
        return put(wrap(np.full(A._array.shape[:-2], INF, A._array.real.dtype)), out)
    product = e.mul(matrix_norm(A, p), matrix_norm(other, p))
    return put(product if p == "nuc" else named(product, "NanToNumBackward0"), out)


def vecdot(x: Tensor, y: Tensor, *, axis: Any = None, dim: int = -1, out: Any = None) -> Tensor:
    """The sum of conj(x) * y along a dimension.

    Shapes: such as broadcast; the result has them without `dim`. Raises: RuntimeError for others.

    >>> import rushlight as torch
    >>> torch.linalg.vecdot(torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0]))
    tensor(11.)
    """
    dim = dim if axis is None else axis
    if x.dtype is not y.dtype:
        names = scalar_type_name(x.dtype), scalar_type_name(y.dtype)
        raise DTypeError(
            "linalg.vecdot: Expected x and y to have the same dtype, but found x of type"
            f" {names[0]} and y of type {names[1]} instead"
        )
    a, b = x._array.shape, y._array.shape
    if len(a) == len(b) == 1 and a != b:
        raise fail(
            ShapeError,
            f"inconsistent tensor size, expected tensor [{a[0]}] and src [{b[0]}] to have the same"
            f" number of elements, but got {a[0]} and {b[0]} elements respectively",
        )
    product = e.mul(conj(x), y)
    kind = product.dtype
    summed = r.sum(product, (dimension(dim, product._array.ndim),), False)
    y = s.cast(summed, kind)
    return put(named(y, "VdotBackward0") if len(a) == len(b) == 1 else y, out)


def _cross(a: Tensor, b: Tensor, dim: int) -> Tensor:
    """a[1:] b[2:] - a[2:] b[1:], the three components in a circle."""
    refuse(a, "bool", "cross")
    if a.dtype is not b.dtype:
        names = scalar_type_name(a.dtype), scalar_type_name(b.dtype)
        raise RuntimeError(f"expected scalar type {names[0]} but found {names[1]}")
    turn = lambda x, by: s.roll(x, (by,), (dim,))
    shape = broadcast(a._array.shape, b._array.shape)
    a, b = (x if x._array.shape == shape else s.expand(x, shape) for x in (a, b))
    return e.sub(e.mul(turn(a, -1), turn(b, -2)), e.mul(turn(a, -2), turn(b, -1)))


def linalg_cross(
    input: Tensor, other: Tensor, *, axis: Any = None, dim: int = -1, out: Any = None
) -> Tensor:
    """The cross product of vectors of 3 along a dimension.

    (a2 b3 - a3 b2, a3 b1 - a1 b3, a1 b2 - a2 b1). Shapes: as many dimensions in both, which are
    broadcast; `dim` (or `axis`) has size 3.
    Raises: RuntimeError for other numbers of dimensions, and where `dim` has another size.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.linalg.cross.html

    >>> import rushlight as torch
    >>> torch.linalg.cross(torch.tensor([1.0, 0.0, 0.0]), torch.tensor([0.0, 1.0, 0.0]))
    tensor([0., 0., 1.])
    """
    dim = dim if axis is None else axis
    if input._array.ndim != other._array.ndim:
        raise RuntimeError(
            "linalg.cross: inputs must have the same number of dimensions."
        )  # fmt: skip
    at = dimension(dim, input._array.ndim)
    m, n = input._array.shape[at], other._array.shape[at]
    if m != 3 or n != 3:
        raise fail(
            ShapeError,
            f"linalg.cross: inputs dimension {dim} must have length 3. Got {m} and {n}",
        )
    return put(named(_cross(input, other, at), "LinalgCrossBackward0"), out)


linalg_cross.__name__ = linalg_cross.__qualname__ = "cross"


_NO_DIM = (
    "Using torch.cross without specifying the dim arg is deprecated.\nPlease either pass the dim"
    " explicitly or simply use torch.linalg.cross.\nThe default value of dim will change to agree"
    " with that of linalg.cross in a future release."
)


def cross(
    input: Tensor, other: Tensor, dim: int | None = None, *, axis: Any = None, out: Any = None
) -> Tensor:
    """The cross product of vectors of 3, along `dim` or the first dimension of size 3.

    As `linalg.cross`; without `dim` it warns once, since another dimension is meant there.
    Raises: RuntimeError where no dimension has size 3, or `dim` has another size.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.cross.html

    >>> import rushlight as torch
    >>> torch.cross(torch.tensor([1.0, 0, 0]), torch.tensor([0.0, 1, 0]), dim=0)
    tensor([0., 0., 1.])
    """
    dim = dim if axis is None else axis
    if dim is None:
        shape = broadcast(input._array.shape, other._array.shape)
        if 3 not in shape:
            raise RuntimeError("no dimension of size 3 in input")
        warn_once(_NO_DIM)
        dim = shape.index(3)
    return linalg_cross(input, other, dim=dim, out=out)


def linalg_vander(x: Tensor, N: int | None = None) -> Tensor:
    """The powers 0 to N - 1 of every element, along a new last dimension."""
    count = N if N is not None else x._array.shape[-1] if x._array.ndim else 1
    if count <= 1:
        raise RuntimeError("N must be greater than 1.")
    powers = np.arange(count, dtype=np.float64)
    kind = x.dtype if x.dtype.category >= dtypes.FLOAT else dtypes.int64
    exponents = s.cast(wrap(powers), kind)
    base = s.cast(x, kind) if x._array.ndim else s.reshape(s.cast(x, kind), (1,))
    return named(e.pow(s.unsqueeze(base, base._array.ndim), exponents), "CatBackward0")


linalg_vander.__name__ = linalg_vander.__qualname__ = "vander"


def linalg_diagonal(A: Tensor, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """The diagonals of matrices, as the last dimension."""
    first, second = (dimension(dim, A._array.ndim) for dim in (dim1, dim2))
    if first == second:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    return s.diagonal(A, offset, first, second)


linalg_diagonal.__name__ = linalg_diagonal.__qualname__ = "diagonal"


def cdist(x1: Tensor, x2: Tensor, p: float = 2.0,
          compute_mode: str | None = "use_mm_for_euclid_dist_if_necessary") -> Tensor:  # fmt: skip
    """The p-norm distances between all rows of x1 and all rows of x2.

    Shapes: (*, n, k) and (*, m, k) give (*, n, m).
    Source: https://pytorch.org/docs/stable/generated/torch.cdist.html

    >>> import rushlight as torch
    >>> torch.cdist(torch.zeros(1, 2), torch.tensor([[3.0, 4.0]]))
    tensor([[5.]])
    """
    for label, x in (("X1", x1), ("X2", x2)):
        if x._array.ndim < 2:
            raise RuntimeError(f"cdist only supports at least 2D tensors, {label} got: {x.ndim}D")
        kind = x.dtype
        if not kind.is_floating_point:
            raise RuntimeError(f"cdist only supports floating-point dtypes, {label} got:"
                               f" {scalar_type_name(kind)}")  # fmt: skip
    refuse(x1, "float16 bfloat16", "cdist")
    if x1.dtype is not x2.dtype:
        names = scalar_type_name(x1.dtype), scalar_type_name(x2.dtype)
        raise RuntimeError(f"expected scalar type {names[0]} but found {names[1]}")
    m, n = x1._array.shape[-1], x2._array.shape[-1]
    if m != n:
        raise fail(
            ShapeError, f"X1 and X2 must have the same number of columns. X1: {m} X2: {n}"
        )  # fmt: skip
    if p < 0:
        raise RuntimeError("cdist only supports non-negative p values")
    if p == 2:
        rows, columns = x1._array.shape[-2], x2._array.shape[-2]
        mode = compute_mode or "use_mm_for_euclid_dist_if_necessary"
        return d.distances(x1, x2, d.use_product(mode, rows, columns))
    gap = e.sub(s.unsqueeze(x1, x1._array.ndim - 1), s.unsqueeze(x2, x2._array.ndim - 2))
    return named(d.vector_norm(gap, float(p), (gap._array.ndim - 1,), False), "CdistBackward0")
