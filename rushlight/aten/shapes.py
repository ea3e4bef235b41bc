"""Views and copies: the operators behind torch's functions that change a tensor's shape."""

from __future__ import annotations

from math import prod
from typing import Any

import rushlight as rl

from ..core.modes import standing
from .operators import Saved, call, composite, operator, run


def _only(formula: Any) -> Any:
    """The gradient of an operator of one tensor."""
    return lambda saved, g: [formula(saved, g)]


def _sizes(saved: Saved) -> list[int]:
    return saved.shapes[0]


def fits(x: Any, sizes: list[int]) -> bool:
    """Whether a tensor's memory can be seen in other sizes."""
    with standing(silent=True, grad=False):
        if x.is_contiguous():
            return True
        try:
            x.detach().view(sizes)
        except RuntimeError:
            return False
    return True


def reshaped(x: Any, shape: Any) -> Any:
    """A view where memory allows it, else a copy."""
    shape = list(shape)
    if fits(x, shape):
        return run("view.default", x, shape)
    rest = [one for one in shape if one >= 0]
    known = prod(rest)
    whole = [one if one >= 0 else (x.numel() // known if known else 0) for one in shape]
    copy = run("clone.default", x, memory_format=rl.contiguous_format)
    return run("_unsafe_view.default", copy, whole)


operator("view.default", _only(lambda s, g: reshaped(g, _sizes(s))), node="ViewBackward0")(None)
operator("_unsafe_view.default", _only(lambda s, g: reshaped(g, _sizes(s))))(
    lambda x, sizes: x.view(sizes)
)
operator("t.default", _only(lambda s, g: run("t.default", g)))(None)
operator("transpose.int", _only(lambda s, g: run("transpose.int", g, *s.args[1:3])))(None)
operator("clone.default", lambda s, g: [g])(None)
operator("unsqueeze.default", _only(lambda s, g: run(
    "squeeze.dim", g, s.args[1] % (len(s.shapes[0]) + 1))))(None)  # fmt: skip
operator("_local_scalar_dense.default")(lambda x: x.item())
operator("lift_fresh.default")(lambda x: x)


@operator("permute.default", _only(lambda s, g: run("permute.default", g, _inverse(s.args[1]))))
def _permute(x: Any, dims: Any) -> Any:
    return x.permute(*dims)


def _inverse(dims: Any) -> list[int]:
    n = len(dims)
    return sorted(range(n), key=lambda place: dims[place] % n)


def _squeezed(saved: Saved, g: Any) -> Any:
    sizes, dim = _sizes(saved), saved.args[1]
    if sizes and sizes[dim] != 1:
        return g
    return run("unsqueeze.default", g, dim % len(sizes)) if sizes else g


operator("squeeze.dim", _only(_squeezed))(None)
operator("expand.default", lambda s, g: [g])(lambda x, sizes, implicit=False: x.expand(sizes))


def _selected(saved: Saved, g: Any) -> Any:
    return run("select_backward.default", g, _sizes(saved), *saved.args[1:])


operator("select.int", _only(_selected))(None)


@operator("select_backward.default")
def _select_backward(g: Any, sizes: Any, dim: int, index: int) -> Any:
    return rl.zeros(sizes, dtype=g.dtype).select_scatter(g, dim, index)


def _sliced(saved: Saved, g: Any) -> Any:
    given: Any = (*saved.args[1:], *(0, None, None, 1)[len(saved.args) - 1 :])
    dim, start, end, step = given
    size = _sizes(saved)[dim]
    end = size if end is None else end
    start = 0 if start is None else start
    return run("slice_backward.default", g, _sizes(saved), dim, start, end, step)


operator("slice.Tensor", _only(_sliced))(None)


@operator("slice_backward.default")
def _slice_backward(g: Any, sizes: Any, dim: int, start: int, end: int, step: int) -> Any:
    return rl.zeros(sizes, dtype=g.dtype).slice_scatter(g, dim, start, end, step)


def _cat_backward(saved: Saved, g: Any) -> Any:
    dim = saved.args[1] if len(saved.args) > 1 else 0
    found, start = [], 0
    for sizes in saved.shapes:
        end = start + sizes[dim]
        found.append(run("slice.Tensor", g, dim, start, end))
        start = end
    return found


operator("cat.default", _cat_backward)(None)


def _stack_backward(saved: Saved, g: Any) -> Any:
    dim = saved.args[1] if len(saved.args) > 1 else 0
    return [run("select.int", g, dim, place) for place in range(len(saved.shapes))]


operator("stack.default", _stack_backward)(None)


@composite("reshape")
def _reshape(x: Any, *shape: Any) -> Any:
    return reshaped(x, shape[0] if len(shape) == 1 and not isinstance(shape[0], int) else shape)


@composite("view_as")
def _view_as(x: Any, other: Any) -> Any:
    return run("view.default", x, list(other.shape))


@composite("reshape_as")
def _reshape_as(x: Any, other: Any) -> Any:
    return reshaped(x, other.shape)


@composite("expand_as")
def _expand_as(x: Any, other: Any) -> Any:
    return run("expand.default", x, list(other.shape))


@composite("flatten")
def _flatten(x: Any, start_dim: int = 0, end_dim: int = -1) -> Any:
    if not x.ndim:
        return run("view.default", x, [1])
    start, end = start_dim % x.ndim, end_dim % x.ndim
    if start == end:
        return x
    sizes = [*x.shape[:start], prod(x.shape[start : end + 1]), *x.shape[end + 1 :]]
    return reshaped(x, sizes)


@composite("ravel")
def _ravel(x: Any) -> Any:
    return reshaped(_contiguous(x), [-1])


@composite("unflatten")
def _unflatten(x: Any, dim: int, sizes: Any) -> Any:
    dim %= x.ndim
    return run("view.default", x, [*x.shape[:dim], *sizes, *x.shape[dim + 1 :]])


@composite("numpy_T")
def _numpy_t(x: Any) -> Any:
    return run("permute.default", x, list(range(x.ndim - 1, -1, -1)))


@composite("mT")
def _matrix_t(x: Any) -> Any:
    return run("transpose.int", x, -2, -1)


@composite("swapaxes")
def _swapped(x: Any, first: int, second: int) -> Any:
    return run("transpose.int", x, first, second)


@composite("chunk")
def _chunk(x: Any, chunks: int, dim: int = 0) -> Any:
    size = -(-x.shape[dim] // chunks)
    return call("split", x, size, dim)


@composite("contiguous")
def _contiguous(x: Any, memory_format: Any = None) -> Any:
    if memory_format not in (None, rl.contiguous_format):
        return NotImplemented
    if x.is_contiguous():
        return x
    return run("clone.default", x, memory_format=rl.contiguous_format)


@composite("narrow")
def _narrow(x: Any, dim: int, start: int, length: int) -> Any:
    return run("slice.Tensor", x, dim, start, start + length)


@composite("to")
def _to(x: Any, kind: Any = None, *rest: Any, dtype: Any = None, **_: Any) -> Any:
    kind = dtype if kind is None else kind.dtype if isinstance(kind, rl.Tensor) else kind
    if rest or not isinstance(kind, rl.dtype):
        return NotImplemented
    return x if x.dtype is kind else run("_to_copy.default", x, dtype=kind)


def _cast_back(saved: Saved, g: Any) -> Any:
    where = {"layout": rl.strided, "device": rl.device("cpu")}
    return [run("_to_copy.default", g, dtype=saved.kinds[0], **where)]


@operator("_to_copy.default", _cast_back)
def _to_copy(x: Any, *, dtype: Any = None, layout: Any = None, device: Any = None,
             pin_memory: Any = None, non_blocking: bool = False,
             memory_format: Any = None) -> Any:  # fmt: skip
    y = x if dtype is None else x.to(dtype)
    return x.clone() if y is x else y


@composite("type_as")
def _type_as(x: Any, other: Any) -> Any:
    return _to(x, other.dtype)


@operator("sum_to_size.default")
def _sum_to_size(x: Any, sizes: Any) -> Any:
    return x.sum_to_size(sizes)


@composite("sum_to_size")
def summed_to(x: Any, sizes: Any) -> Any:
    """A gradient brought back to a size that was spread: sums, then a view."""
    sizes = list(sizes)
    more = x.ndim - len(sizes)
    dims = [*range(more)]
    dims += [more + k for k, n in enumerate(sizes) if n == 1 and x.shape[more + k] != 1]
    y = run("sum.dim_IntList", x, dims, True) if dims else x
    return run("view.default", y, sizes) if more else y
