"""torch's products of matrices and vectors."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from ..core.dispatch import named, refuse, result_type, scalar_type_name, whole
from ..core.dtypes import FLOAT, bool_, float32
from ..core.errors import DTypeError, ShapeError, fail
from ..core.shapes import dimensions
from ..core.tensor import Tensor
from ..ops import compare as cmp
from ..ops import contract as c
from ..ops import elementwise as e
from ..ops import reduce as r
from ..ops import structure as s
from ..ops.transcendental import conj
from .arguments import misfit
from .reduction import put as _out

__all__ = [
    "addbmm", "addmm", "addmv", "addr", "baddbmm", "bmm", "dot", "ger", "inner",
    "kron", "matmul", "mm", "mv", "outer", "tensordot", "trace", "vdot",
]  # fmt: skip


def matmul(input: Tensor, other: Tensor, *, out: Any = None) -> Tensor:
    """The matrix product, batched and broadcast over leading dimensions.

    Shapes: (..., n, k) and (..., k, m) give (..., n, m); vectors count as one row or column.
    Raises ShapeError (a RuntimeError) naming both inner sizes.
    Source: https://pytorch.org/docs/stable/generated/torch.matmul.html

    >>> import rushlight as torch
    >>> torch.matmul(torch.ones(2, 3), torch.ones(3))
    tensor([3., 3.])
    """
    return _out(c.matmul(input, other), out)


def _expect(name: str, *wanted: tuple[Tensor, str, int]) -> None:
    for x, label, ndim in wanted:
        if x._array.ndim != ndim:
            what = "a matrix" if ndim == 2 else f"a {ndim}D tensor"
            shape = tuple(x._array.shape)
            raise fail(ShapeError, f"{label} must be {what}", f"{name} got shape {shape}")


def mm(input: Tensor, mat2: Tensor, *, out: Any = None) -> Tensor:
    """The product of two matrices.

    Shapes: (n, k) and (k, m) give (n, m); nothing broadcasts. Raises: RuntimeError for other
    numbers of dimensions, sizes that do not fit, and operands of two types.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.mm.html

    >>> import rushlight as torch
    >>> torch.mm(torch.ones(1, 2), torch.ones(2, 1))
    tensor([[2.]])
    """
    _expect("mm", (input, "self", 2), (mat2, "mat2", 2))
    return _out(c.matmul(input, mat2), out)


def mv(input: Tensor, vec: Tensor, *, out: Any = None) -> Tensor:
    """The product of a matrix and a vector.

    Shapes: (n, k) and (k,) give (n,). Raises: RuntimeError for other numbers of dimensions,
    sizes that do not fit, and operands of two types.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.mv.html

    >>> import rushlight as torch
    >>> torch.mv(torch.tensor([[1.0, 2.0]]), torch.tensor([3.0, 4.0]))
    tensor([11.])
    """
    if input._array.ndim != 2 or vec._array.ndim != 1:
        raise RuntimeError(
            f"vector + matrix @ vector expected, got {min(1, vec.ndim)}, {input.ndim}, {vec.ndim}"
        )
    return _out(c.matmul(input, vec), out)


def bmm(input: Tensor, mat2: Tensor, *, out: Any = None) -> Tensor:
    """The products of two batches of matrices, (b, n, k) and (b, k, m).

    Shapes: (b, n, m), of as many batches; nothing broadcasts. Raises: RuntimeError for other
    numbers of dimensions, sizes that do not fit, and operands of two types.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.bmm.html

    >>> import rushlight as torch
    >>> torch.bmm(torch.ones(5, 2, 3), torch.ones(5, 3, 4)).shape
    torch.Size([5, 2, 4])
    """
    _expect_batches(input, mat2)
    return _out(c.bmm(input, mat2), out)


def _expect_batches(input: Tensor, mat2: Tensor) -> None:
    if input._array.ndim != 3 or mat2._array.ndim != 3:
        raise RuntimeError(
            "batch1 must be a 3D tensor" if input._array.ndim != 3 else "batch2 must be a 3D tensor"
        )
    a, b = input._array.shape, mat2._array.shape
    if a[0] != b[0] or a[2] != b[1]:
        raise fail(
            ShapeError,
            f"Expected size for first two dimensions of batch2 tensor to be: [{a[0]}, {a[2]}] but"
            f" got: [{b[0]}, {b[1]}].",
            f"the shapes are {a} and {b}",
        )


def _expect_vectors(a: Tensor, b: Tensor) -> None:
    if a._array.ndim != 1 or b._array.ndim != 1:
        raise fail(
            RuntimeError,
            f"1D tensors expected, but got {a.ndim}D and {b.ndim}D tensors",
            f"the shapes are {a._array.shape} and {b._array.shape}; a @ b multiplies matrices,"
            " (a * b).sum() all elements",
        )
    if a.dtype is not b.dtype:
        kinds = f"{scalar_type_name(a.dtype)} and {scalar_type_name(b.dtype)}"
        raise RuntimeError(f"dot : expected both vectors to have same dtype, but found {kinds}")


def dot(input: Tensor, tensor: Tensor, *, out: Any = None) -> Tensor:
    """The inner product of two vectors.

    Shapes: (n,) and (n,) give a single number. Raises: RuntimeError for other numbers of
    dimensions, sizes that do not fit, and operands of two types.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.dot.html

    >>> import rushlight as torch
    >>> torch.dot(torch.tensor([2.0, 3.0]), torch.tensor([2.0, 1.0]))
    tensor(7.)
    """
    _expect_vectors(input, tensor)
    return _out(c.matmul(input, tensor), out)


def vdot(input: Tensor, other: Tensor, *, out: Any = None) -> Tensor:
    """The inner product of two vectors, the first conjugated.

    Shapes: (n,) and (n,) give a single number. Raises: RuntimeError for other numbers of
    dimensions, sizes that do not fit, and operands of two types.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.vdot.html

    >>> import rushlight as torch
    >>> torch.vdot(torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0]))
    tensor(11.)
    """
    _expect_vectors(input, other)
    return _out(named(c.matmul(conj(input), other), "VdotBackward0"), out)


def outer(input: Tensor, vec2: Tensor, *, out: Any = None) -> Tensor:
    """All products of an element of one vector and one of the other: (n,), (m,) give (n, m).

    Operands are promoted together. Raises: RuntimeError for operands of other than one
    dimension.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.outer.html

    >>> import rushlight as torch
    >>> torch.outer(torch.tensor([1, 2]), torch.tensor([3, 4]))
    tensor([[3, 4],
            [6, 8]])
    """
    for label, x in (("self", input), ("vec2", vec2)):
        if x._array.ndim != 1:
            raise RuntimeError(f"outer: Expected 1-D argument {label}, but got {x.ndim}-D")
    return _out(e.mul(s.unsqueeze(input, 1), vec2), out)


ger = outer


def inner(input: Tensor, other: Tensor, *, out: Any = None) -> Tensor:
    """The sum over the last dimension of both: (..., k) and (*, k) give (..., *).

    A single number multiplies every element. Raises: RuntimeError for last dimensions of two
    sizes, and for operands of two types.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.inner.html

    >>> import rushlight as torch
    >>> torch.inner(torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0]))
    tensor(11.)
    """
    if input._array.ndim == 0 or other._array.ndim == 0:
        return _out(e.mul(input, other), out)
    a, b = input._array.shape, other._array.shape
    if a[-1] != b[-1]:
        raise fail(
            ShapeError,
            "inner() the last dimension must match on both input tensors but got shapes"
            f" {list(a)} and {list(b)}",
        )
    return _out(tensordot(input, other, dims=([-1], [-1])), out)


def tensordot(a: Tensor, b: Tensor, dims: Any = 2, out: Any = None) -> Tensor:
    """The sum over several dimensions of both at once.

    Arguments: `dims`, how many (the last of `a` with the first of `b`), or two lists of them.
    Source: https://pytorch.org/docs/stable/generated/torch.tensordot.html

    >>> import rushlight as torch
    >>> torch.tensordot(torch.ones(2, 3, 4), torch.ones(3, 4, 5)).shape
    torch.Size([2, 5])
    """
    left, right = _contracted(a, b, dims.tolist() if isinstance(dims, Tensor) else dims)
    for i, j in zip(left, right):
        m, n = a._array.shape[i], b._array.shape[j]
        if m == n:
            continue
        if m == 1:
            b = r.sum(b, (j,), True)
        elif n == 1:
            a = r.sum(a, (i,), True)
        else:
            raise fail(
                ShapeError,
                f"contracted dimensions need to match, but first has size {m} in dim {i} and"
                f" second has size {n} in dim {j}",
            )
    if a.dtype is not b.dtype:
        raise DTypeError("both inputs should have same dtype")
    places = [i % a._array.ndim for i in left], [j % b._array.ndim for j in right]
    return _out(_tensordot(a, b, *places), out)


def _contracted(a: Tensor, b: Tensor, dims: Any) -> tuple[Sequence[int], Sequence[int]]:
    """The dimensions of `a` and of `b` that `tensordot` sums over, pair by pair."""
    ndim_a, ndim_b = a._array.ndim, b._array.ndim
    if isinstance(dims, (list, tuple)):
        if any(isinstance(one, int) for one in dims):
            raise TypeError("tensordot(): argument 'dims_self' (position 3) must be tuple of ints,"
                            f" not {type(dims[0]).__name__}")  # fmt: skip
        left, right = ([*one] for one in dims)
        if len(left) != len(right):
            raise RuntimeError("both dimension lists should have same length")
        for named, ndim in ((left, ndim_a), (right, ndim_b)):
            dimensions(named, ndim)  # which says what is none
        return left, right
    if not isinstance(dims, int):
        raise RuntimeError(
            "tensordot expects dims to be int or tuple[list[int], list[int]] or list[list[int]]"
            f" containing two lists, but got dims={dims}"
        )
    if dims < 0:
        raise RuntimeError(f"tensordot expects dims >= 0, but got dims={dims}")
    if dims > min(ndim_a, ndim_b):
        raise RuntimeError(f"tensordot expects dims < ndim_a or ndim_b, but got dims={dims}")
    return range(-dims, 0), range(dims)


def _tensordot(a: Tensor, b: Tensor, left: Sequence[int], right: Sequence[int]) -> Tensor:
    rows = [i for i in range(a._array.ndim) if i not in left]
    columns = [j for j in range(b._array.ndim) if j not in right]
    n, m = ([x._array.shape[i] for i in dims] for x, dims in ((a, rows), (b, columns)))
    k = prod(a._array.shape[i] for i in left)
    x = s.reshape(s.permute(a, (*rows, *left)), (prod(n), k))
    y = s.reshape(s.permute(b, (*right, *columns)), (k, prod(m)))
    return s.reshape(c.matmul(x, y), (*n, *m))


def kron(input: Tensor, other: Tensor, *, out: Any = None) -> Tensor:
    """The Kronecker product: every element of `input` times the whole of `other`.

    Shapes: each size is the product of the two operands'; the one of fewer dimensions gets
    sizes of 1 in front. Operands are promoted together.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.kron.html

    >>> import rushlight as torch
    >>> torch.kron(torch.tensor([1, 10]), torch.tensor([1, 2]))
    tensor([ 1,  2, 10, 20])
    """
    ndim = max(input._array.ndim, other._array.ndim)
    a, b = ((1,) * (ndim - x._array.ndim) + x._array.shape for x in (input, other))
    x = s.reshape(input, tuple(size for n in a for size in (n, 1)))
    y = s.reshape(other, tuple(size for n in b for size in (1, n)))
    y = s.reshape(e.mul(x, y), tuple(m * n for m, n in zip(a, b)))
    return _out(whole(y, "UnsafeViewBackward0"), out)


def trace(input: Tensor) -> Tensor:
    """The sum of a matrix's diagonal.

    Shapes: (n, m) gives a single number; whole numbers give int64. Raises: RuntimeError for
    other than two dimensions, NotImplementedError for bools.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.trace.html

    >>> import rushlight as torch
    >>> torch.trace(torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
    tensor(5.)
    """
    if input._array.ndim != 2:
        raise RuntimeError(f"trace: expected a matrix, but got tensor with dim {input.ndim}")
    refuse(input, "bool", "trace")
    return named(r.sum(s.diagonal(input, 0, 0, 1), None, False), "TraceBackward0")


# --- beta * input + alpha * product


def _factors_first(name: str, given: tuple[Any, ...], beta: Any, alpha: Any) -> list[Any]:
    """Old programs' order, in which each factor stands before what it multiplies.

    A function is given (beta, input, alpha, a, b) or without alpha; a method has input first.
    """
    numbers = [place for place, x in enumerate(given) if not isinstance(x, Tensor)]
    if numbers not in ([0], [0, 2], [1], [1, 2]) or len(given) != 3 + len(numbers):
        if len(given) == 3 and numbers == [0]:
            raise misfit(name, "input", 1, "Tensor", given[0])
        raise TypeError(f"{name}() takes 3 positional arguments but {len(given)} were given")
    factors = [given[place] for place in numbers] + [beta, alpha][len(numbers) :]
    return [*(x for x in given if isinstance(x, Tensor)), *factors]


def _plus(name: str, input: Any, product: Tensor, beta: Any, alpha: Any) -> Tensor:
    if not isinstance(input, Tensor):
        raise misfit(name, "input", 1, "Tensor", input)
    if input.dtype is not product.dtype:
        kinds = f"{scalar_type_name(input.dtype)} and {scalar_type_name(product.dtype)}"
        if name == "addmv":
            kinds = f"{kinds.replace(' and', ',')}, and {scalar_type_name(product.dtype)}"
            raise DTypeError(f"addmv input tensors must have the same dtype, but got {kinds}")
        raise DTypeError(f"self and mat2 must have the same dtype, but got {kinds}")
    have, want = input._array.shape, product._array.shape
    fits = len(have) <= len(want)
    for i in range(1, min(len(have), len(want)) + 1) if have != want else ():
        if have[-i] not in (1, want[-i]):
            raise fail(
                ShapeError,
                f"The expanded size of the tensor ({want[-i]}) must match the existing size"
                f" ({have[-i]}) at non-singleton dimension {len(want) - i}.  Target sizes:"
                f" {list(want)}.  Tensor sizes: {list(have)}",
                "the first argument is added to the product, so it must broadcast to its shape",
            )
    if not fits:
        raise fail(ShapeError, f"expand: the product has shape {list(want)}, not {list(have)}")
    if product.dtype.category < FLOAT:  # torch cuts the fractions off
        beta, alpha = _whole(name, "beta", beta), _whole(name, "alpha", alpha)
    elif product.dtype.category == FLOAT and (
        isinstance(beta, complex) or isinstance(alpha, complex)
    ):
        kind = product.dtype.numpy.name.replace("float64", "double").replace("float32", "float")
        raise RuntimeError(f"value cannot be converted to type {kind} without overflow")
    if alpha != 1:
        product = e.mul(product, alpha)
    if beta == 0:
        return product
    return e.add(input if beta == 1 else e.mul(input, beta), product)


def _whole(name: str, argument: str, value: Any) -> int:
    if isinstance(value, complex) or (name == "addr" and isinstance(value, float)):
        raise RuntimeError(
            f"For integral input tensors, argument {argument} must not be a floating point number."
        )
    return int(value)


def _kind(x: Any) -> Any:
    """The type of a tensor; None for a number."""
    return getattr(x, "dtype", None)


def addmm(input: Tensor, mat1: Tensor, mat2: Tensor, *late: Any, beta: Any = 1, alpha: Any = 1,
          out: Any = None) -> Tensor:  # fmt: skip
    """beta * input + alpha * (mat1 @ mat2).

    Shapes: (n, k) and (k, m) give (n, m), to which `input` broadcasts.
    Source: https://pytorch.org/docs/stable/generated/torch.addmm.html

    >>> import rushlight as torch
    >>> torch.addmm(torch.ones(2), torch.eye(2), torch.eye(2), beta=2)
    tensor([[3., 2.],
            [2., 3.]])
    """
    if late or not isinstance(input, Tensor):
        given = (input, mat1, mat2, *late)
        input, mat1, mat2, beta, alpha = _factors_first("addmm", given, beta, alpha)
    if not mat1._array.ndim == mat2._array.ndim == 2:
        label, x = ("mat1", mat1) if mat1._array.ndim != 2 else ("mat2", mat2)
        raise RuntimeError(f"{label} must be a matrix, got {x.ndim}-D tensor")
    kind = mat1.dtype
    if kind.itemsize == 2 and kind.is_floating_point and mat2.dtype is kind is _kind(input):
        # half precision is rounded once, at the end
        wide = [s.cast(x, float32) for x in (input, mat1, mat2)]
        return _out(s.cast(addmm(*wide, beta=beta, alpha=alpha), kind), out)
    return _out(
        named(_plus("addmm", input, c.matmul(mat1, mat2), beta, alpha), "AddmmBackward0"), out
    )


def addmv(input: Tensor, mat: Tensor, vec: Tensor, *late: Any, beta: Any = 1, alpha: Any = 1,
          out: Any = None) -> Tensor:  # fmt: skip
    """beta * input + alpha * (mat @ vec).

    >>> import rushlight as torch
    >>> torch.addmv(torch.ones(2), torch.eye(2), torch.tensor([1.0, 2.0]))
    tensor([2., 3.])
    """
    if late or not isinstance(input, Tensor):
        given = (input, mat, vec, *late)
        input, mat, vec, beta, alpha = _factors_first("addmv", given, beta, alpha)
    if mat._array.ndim != 2 or vec._array.ndim != 1:
        raise RuntimeError(
            f"vector + matrix @ vector expected, got {input.ndim}, {mat.ndim}, {vec.ndim}"
        )
    (n, m), k, size = mat._array.shape, vec._array.shape[0], input._array.size
    if k != m or size not in (1, n):
        raise fail(
            ShapeError, f"size mismatch, got input ({size}), mat ({n}x{m}), vec ({k})"
        )  # fmt: skip
    return _out(
        named(_plus("addmv", input, c.matmul(mat, vec), beta, alpha), "AddmvBackward0"), out
    )


def addr(input: Tensor, vec1: Tensor, vec2: Tensor, *late: Any, beta: Any = 1, alpha: Any = 1,
         out: Any = None) -> Tensor:  # fmt: skip
    """beta * input + alpha * outer(vec1, vec2).

    Shapes: vec1 (n,), vec2 (m,); input is broadcast to the result's (n, m).
    Raises: RuntimeError for other numbers of dimensions, and an input that does not fit.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.addr.html

    >>> import rushlight as torch
    >>> torch.addr(torch.zeros(1, 2), torch.tensor([2.0]), torch.tensor([1.0, 3.0]))
    tensor([[2., 6.]])
    """
    if late or not isinstance(input, Tensor):
        given = (input, vec1, vec2, *late)
        input, vec1, vec2, beta, alpha = _factors_first("addr", given, beta, alpha)
    for label, x in (("vec1", vec1), ("vec2", vec2)):
        if x._array.ndim != 1:
            raise RuntimeError(f"addr: Expected 1-D argument {label}, but got {x.ndim}-D")
    kind = result_type(input, vec1, vec2)
    input, vec1, vec2 = (x if x.dtype is kind else s.cast(x, kind) for x in (input, vec1, vec2))
    product = outer(vec1, vec2)
    if kind is bool_:  # factors count as true or false
        beta, alpha = _whole("addr", "beta", beta), _whole("addr", "alpha", alpha)
        product = product if alpha else s.zero(product)
        return _out(cmp.logical_or(product, input) if beta else product, out)
    return _out(named(_plus("addr", input, product, beta, alpha), "AddrBackward0"), out)


def _batched(batch1: Tensor, batch2: Tensor) -> Tensor:
    for x in (batch1, batch2):
        if x._array.ndim < 3:
            dimensions(2, x._array.ndim)
    _expect_batches(batch1, batch2)
    return c.matmul(batch1, batch2)


def addbmm(input: Tensor, batch1: Tensor, batch2: Tensor, *late: Any, beta: Any = 1, alpha: Any = 1,
           out: Any = None) -> Tensor:  # fmt: skip
    """beta * input + alpha * (the sum over the batch of batch1 @ batch2).

    >>> import rushlight as torch
    >>> torch.addbmm(torch.zeros(2, 2), torch.ones(3, 2, 1), torch.ones(3, 1, 2))[0]
    tensor([3., 3.])
    """
    if late or not isinstance(input, Tensor):
        given = (input, batch1, batch2, *late)
        input, batch1, batch2, beta, alpha = _factors_first("addbmm", given, beta, alpha)
    product = r.sum(_batched(batch1, batch2), (0,), False)
    return _out(named(_plus("addbmm", input, product, beta, alpha), "AddbmmBackward0"), out)


def baddbmm(input: Tensor, batch1: Tensor, batch2: Tensor, *late: Any, beta: Any = 1,
            alpha: Any = 1, out: Any = None) -> Tensor:  # fmt: skip
    """beta * input + alpha * (batch1 @ batch2), batch by batch.

    >>> import rushlight as torch
    >>> torch.baddbmm(torch.zeros(1, 1, 1), torch.ones(1, 1, 3), torch.ones(1, 3, 1))
    tensor([[[3.]]])
    """
    if late or not isinstance(input, Tensor):
        given = (input, batch1, batch2, *late)
        input, batch1, batch2, beta, alpha = _factors_first("baddbmm", given, beta, alpha)
    if isinstance(batch1, Tensor) and input.dtype is not batch1.dtype:
        kinds = [c.c_name(x._array) for x in (input, batch1, batch2)]
        raise DTypeError(
            "Input dtypes must be the same, got:"
            f" input {kinds[0]}, batch1: {kinds[1]}, batch2: {kinds[2]}"
        )
    return _out(
        named(_plus("baddbmm", input, _batched(batch1, batch2), beta, alpha), "BaddbmmBackward0"),
        out,
    )
