"""Products that sum over a shared dimension: matmul, linear layers, dot, outer."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from ..core import dtypes
from ..core.dispatch import scalar_type_name
from ..core.errors import DTypeError, ShapeError, fail
from ..core.families import multilinear
from ..core.heavy import FORMULAS
from ..core.primitive import AFFINE, CROSSED, bake_multilinear
from ..core.tape import INPUTS, PARENTS, SHAPE
from .gemm import FEW, affine, native_affine, product
from .reduce import sum as sum_of
from .structure import reshape, sum_to, transpose, unsqueeze


def _type_name(x: np.ndarray) -> str:
    return scalar_type_name(dtypes.of(x)).lower().replace("complexfloat", "c10::complex<float>")


_C_NAMES = {"byte": "unsigned char", "char": "signed char", "long": "long int",
            "short": "short int", "half": "c10::Half", "bfloat16": "c10::BFloat16"}  # fmt: skip


def c_name(x: np.ndarray) -> str:
    """The C++ name of an array's element type, as torch's messages have it."""
    return _C_NAMES.get(_type_name(x), _type_name(x))


def same_types(a: np.ndarray, b: np.ndarray, *notes: str) -> None:
    """torch's error when two operands of a product differ in data type."""
    if a.dtype != b.dtype:
        names = [c_name(a), c_name(b)]
        raise fail(
            DTypeError,
            f"expected m1 and m2 to have the same dtype, but got: {names[0]} != {names[1]}",
            f"convert one of them, for example with .to(torch.{dtypes.of(a).name})",
            *notes,
        )


def _unlike(a: np.ndarray, b: np.ndarray) -> BaseException:
    """torch's error for a product of two types, in the words of the kernel it would have called."""
    first, second = (scalar_type_name(dtypes.of(one)) for one in (a, b))
    if b.ndim == 1 == a.ndim:
        said = f"dot : expected both vectors to have same dtype, but found {first} and {second}"
    elif b.ndim == 1:
        said = "addmv input tensors must have the same dtype, but got"
        said = f"{said} {second}, {first}, and {second}"
    elif b.ndim > 2:
        said = f"expected scalar type {first} but found {second}"
    else:
        said = f"expected m1 and m2 to have the same dtype, but got: {c_name(a)} != {c_name(b)}"
    note = f"convert one of them, for example with .to(torch.{dtypes.of(a).name})"
    return fail(DTypeError, said, note)


def _matmul(a: np.ndarray, b: np.ndarray) -> Any:
    try:
        if a.dtype is not b.dtype and a.dtype != b.dtype:
            raise _unlike(a, b)
        return product(a, b)
    except ValueError:
        raise _misfit(a, b) from None


def _misfit(a: np.ndarray, b: np.ndarray) -> BaseException:
    """torch's error for a product whose shapes do not fit, in the words of the kernel it calls."""
    inner = b.shape[-2] if b.ndim > 1 else b.shape[0] if b.ndim else 1
    notes = [f"inner sizes {a.shape[-1] if a.ndim else 1} and {inner} must be equal"]
    if a.ndim == 2 and b.ndim == 2 and a.shape[1] == b.shape[1]:
        notes.append("the shapes fit as a @ b.T")
    elif a.ndim == 2 and b.ndim == 2 and a.shape[0] == b.shape[0]:
        notes.append("the shapes fit as a.T @ b")
    return fail(ShapeError, _misfit_said(a, b), f"the shapes are {a.shape} and {b.shape}", *notes)


def _misfit_said(a: np.ndarray, b: np.ndarray) -> str:
    if a.ndim == 0 or b.ndim == 0:
        dims = f"{a.ndim}D and {b.ndim}D"
        return f"both arguments to matmul need to be at least 1D, but they are {dims}"
    if a.ndim > 2 and b.ndim > 2:
        return _batches_said(a.shape, b.shape)
    if a.ndim == 2 and b.ndim == 1:
        rows, columns = a.shape
        return f"size mismatch, got input ({rows}), mat ({rows}x{columns}), vec ({b.shape[0]})"
    if a.ndim == 1 and b.ndim == 1:
        return (
            f"inconsistent tensor size, expected tensor [{len(a)}] and src [{len(b)}] to have the"
            f" same number of elements, but got {len(a)} and {len(b)} elements respectively"
        )
    first = f"{prod(a.shape[:-1])}x{a.shape[-1]}"
    second = f"{b.shape[-2]}x{b.shape[-1]}" if b.ndim > 1 else f"{b.shape[0]}x1"
    return f"mat1 and mat2 shapes cannot be multiplied ({first} and {second})"


def _batches_said(a: tuple[int, ...], b: tuple[int, ...]) -> str:
    """The shapes of two batches of matrices: either the batches or the matrices do not fit."""
    if a[-1] != b[-2]:
        return (
            f"Expected size for first two dimensions of batch2 tensor to be:"
            f" [{prod(a[:-2])}, {a[-1]}] but got: [{prod(b[:-2])}, {b[-2]}]."
        )
    pairs = enumerate(zip(a[-3::-1], b[-3::-1]), start=3)
    back, m, n = next((back, m, n) for back, (m, n) in pairs if m != n and 1 not in (m, n))
    return (
        f"The size of tensor a ({m}) must match the size of tensor b ({n})"
        f" at non-singleton dimension {max(len(a), len(b)) - back}"
    )


def _left(g: Any, a: Any, b: Any) -> Any:
    if b.ndim == 1:
        if a.ndim == 1:
            return g * b.conj()
        return unsqueeze(g, g.ndim) * b.conj()
    if a.ndim == 1:
        g = unsqueeze(g, g.ndim - 1)
        return sum_to(matmul(g, _adjoint(b)), (1, a.shape[0])) if b.ndim > 2 else (
            reshape(matmul(g, _adjoint(b)), a.shape))  # fmt: skip
    return matmul(g, _adjoint(b))


def _right(g: Any, a: Any, b: Any) -> Any:
    if a.ndim == 1:
        if b.ndim == 1:
            return g * a.conj()
        return unsqueeze(a.conj(), 1) * unsqueeze(g, g.ndim - 1)
    if b.ndim == 1:
        rows = reshape(a, (prod(a.shape[:-1]), a.shape[-1])) if a.ndim > 2 else a
        flat = reshape(g, (rows.shape[0],))
        return matmul(_adjoint(rows), flat)
    if b.ndim == 2 and a.ndim > 2:
        rows = prod(a.shape[:-1])
        a, g = reshape(a, (rows, a.shape[-1])), reshape(g, (rows, g.shape[-1]))
    return matmul(_adjoint(a), g)


def _turned(x: Any) -> Any:
    return x.swapaxes(-1, -2) if isinstance(x, np.ndarray) else transpose(x, -1, -2)


def _adjoint(x: Any) -> Any:
    if isinstance(x, np.ndarray):
        x = x.swapaxes(-1, -2)
        return x.conj() if x.dtype.kind == "c" else x
    return transpose(x, -1, -2).conj()


_NODES = {
    (1, 1): "DotBackward0",
    (2, 1): "MvBackward0",
    (1, 2): "SqueezeBackward4",
    (2, 2): "MmBackward0",
}


def _matmul_node(entry: Any) -> str:
    kept = entry[INPUTS]
    ranks = tuple(x.ndim for x in kept) if type(kept) is tuple else (2, len(entry[SHAPE]))
    return _NODES.get(ranks, "UnsafeViewBackward0")


def _linear_node(entry: Any) -> str:
    flat = len(entry[SHAPE]) == 2
    if len(entry[PARENTS]) == 3:
        return "AddmmBackward0" if flat else "ViewBackward0"
    return "MmBackward0" if flat else _NODES_OF_LINEAR.get(len(entry[SHAPE]), "UnsafeViewBackward0")


def _linear_edges(entry: Any) -> tuple[Any, ...]:
    """As in torch, which turns the weight and flattens the input by nodes of their own."""
    bias = (2,) if len(entry[PARENTS]) == 3 else ()
    if len(entry[SHAPE]) == 2:
        return *bias, 0, ("TBackward0", 1)
    name = "AddmmBackward0" if bias else "MmBackward0"
    return ((name, *bias, ("ViewBackward0", 0), ("TBackward0", 1)),)


_NODES_OF_LINEAR = {1: "SqueezeBackward4"}


bmm = multilinear(
    "bmm", eval=_matmul, adjoints=[_left, _right], reads=CROSSED,
    lower=("contraction", "bik,bkj->bij"), doc="Products of batches of matrices.",
)  # fmt: skip
matmul = multilinear(
    "matmul", eval=_matmul, adjoints=[_left, _right], node=_matmul_node, reads=CROSSED,
    numbers="none",
    lower=("contraction", "...ik,...kj->...ij"),
    doc="The matrix product, batched and broadcast over leading dimensions.",
)  # fmt: skip


def _linear(x: np.ndarray, w: np.ndarray, *bias: np.ndarray) -> Any:
    kind = x.dtype
    if (
        bias and type(x) is type(w) is type(bias[0]) is np.ndarray  # a trace may follow one of them
        and kind is w.dtype is bias[0].dtype and kind.char in "fd" and x.ndim == 2 == w.ndim
        and x.shape[1] == w.shape[1] and x.size <= FEW >= w.size
    ):  # fmt: skip
        y = x.dot(w.T)  # nothing is to be chosen
        return np.add(y, bias[0], y)
    if x.shape[-1:] != w.shape[-1:] or w.ndim != 2:
        _linear_misfit(x, w)
    if x.dtype is not w.dtype and x.dtype != w.dtype:
        raise _linear_types(x, w, *bias)
    if not bias:
        return product(x, w.T)
    if bias[0].dtype is not w.dtype and bias[0].dtype != w.dtype:
        raise _linear_types(x, w, *bias)
    large = x.size > FEW and x.dtype.char in "fd" and x.ndim > 1 and w.size > 256
    return (native_affine if large else affine)(x, w, bias[0])


def _linear_misfit(x: np.ndarray, w: np.ndarray) -> None:
    if not x.ndim or not w.ndim:
        raise ShapeError(
            f"both arguments to linear need to be at least 1D, but they are {x.ndim}D and {w.ndim}D"
        )
    if w.ndim > 2:
        raise ShapeError(f"t() expects a tensor with <= 2 dimensions, but self is {w.ndim}D")
    rows = prod(x.shape[:-1])
    flat = prod(x.shape[1:]) == w.shape[-1]
    wider = f"Linear({x.shape[-1]}, {w.shape[0]}) would take it"
    raise fail(
        ShapeError,
        f"mat1 and mat2 shapes cannot be multiplied ({rows}x{x.shape[-1]} and"
        f" {w.shape[-1]}x{w.shape[0]})",
        f"the layer expects last size {w.shape[-1]}, got {x.shape}",
        "flatten(1) the input first" if flat else wider,
    )


def _linear_types(x: np.ndarray, w: np.ndarray, *bias: np.ndarray) -> BaseException:
    names = [scalar_type_name(dtypes.of(one)) for one in (x, w, *bias)]
    said = f"mat1 and mat2 must have the same dtype, but got {names[0]} and {names[1]}"
    if not bias:
        said = f"expected m1 and m2 to have the same dtype, but got: {c_name(x)} != {c_name(w)}"
    elif bias[0].dtype != w.dtype:
        said = f"self and mat2 must have the same dtype, but got {names[2]} and {names[1]}"
    if x.dtype == w.dtype:
        return fail(DTypeError, said, f"convert with bias.to(torch.{dtypes.of(w).name})")
    if x.dtype.kind in "iub":
        fix = "uint8 image: x.float() / 255" if x.dtype == np.uint8 else "convert with x.float()"
    else:
        fix = f"convert with x.to(torch.{dtypes.of(w).name})"
    return fail(
        DTypeError,
        said,
        f"the input is torch.{dtypes.of(x).name}, the weight torch.{dtypes.of(w).name}",
        fix,
    )


def _rows(x: Any, width: int) -> Any:
    return x if x.ndim == 2 else reshape(x, (prod(x.shape[:-1]), width))


def _by_weight(g: Any, x: Any, w: Any, *_: Any) -> Any:
    return matmul(_turned(_rows(g, w.shape[0])), _rows(x, w.shape[1]).conj())


_LINEAR = [lambda g, x, w, *_: matmul(g, w.conj()), _by_weight]
_LINEAR_BIAS = [*_LINEAR, lambda g, x, w, b: sum_of(_rows(g, w.shape[0]), (0,), False)]
_derived_pull = {2: bake_multilinear(_LINEAR, True), 3: bake_multilinear(_LINEAR_BIAS, True)}


def _pull_linear(g: Any, entry: Any) -> Any:
    """The derived pull without its generality, for matrices of real numbers."""
    x, w = entry[INPUTS][:2]
    if type(g) is not np.ndarray or g.ndim != 2 or g.dtype.char not in "fd":
        return _derived_pull[len(entry[PARENTS])](g, entry)
    by_x, by_w, *by_b = entry[PARENTS]
    few = type(x) is np.ndarray and g.size <= FEW >= x.size and x.ndim == 2
    return (
        None if by_x is None else product(g, w),
        None if by_w is None else g.T.dot(x) if few else product(g.T, x),
        None if not by_b or by_b[0] is None else np.add.reduce(g, 0),
    )


linear = multilinear(
    "linear", eval=_linear, node=_linear_node, edges=_linear_edges, reads=CROSSED,
    adjoints=_LINEAR, pull=_pull_linear, lower=("contraction", "...k,jk->...j"),
    doc="x w^T, the last dimension of x against that of w.",
)  # fmt: skip
linear_bias = multilinear(
    "linear_bias", eval=_linear, node=_linear_node, edges=_linear_edges, reads=AFFINE,
    adjoints=_LINEAR_BIAS, pull=_pull_linear, lower=("contraction", "...k,jk,j->...j"),
    doc="x w^T + b in one op.",
)  # fmt: skip


def _rounded_once(op: Any) -> Any:
    """An op of bfloat16 as a formula: what float32 gives, rounded once."""

    def formula(*xs: Any) -> Any:
        single, short = dtypes.float32.numpy, xs[0].dtype
        return xs[0].s.cast(op(*[x.s.cast(x, single) for x in xs]), short)

    return formula


FORMULAS["short_linear"] = _rounded_once(linear)
FORMULAS["short_linear_bias"] = _rounded_once(linear_bias)
