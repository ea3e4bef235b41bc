"""Products and convolutions: how torch takes them apart, and their gradients."""

from __future__ import annotations

from math import prod
from typing import Any

import rushlight as rl

from .operators import OPERATORS, Saved, call, composite, operator, run

F = rl.nn.functional


def _columns_first(x: Any) -> bool:
    """Whether a matrix lies as the transpose of a dense one."""
    steps, size = x._array.strides, x._array.itemsize
    return steps[0] == size and steps[1] == size * x.shape[0]


def _mm(a: Any, b: Any) -> Any:
    return run("mm.default", a, b)


def _t(x: Any) -> Any:
    return run("t.default", x)


def _first_gradient(g: Any, b: Any, turned: bool) -> Any:
    """Of the left matrix, laid out as that one."""
    return _t(_mm(b, _t(g))) if turned else _mm(g, _t(b))


def _second_gradient(g: Any, a: Any, turned: bool) -> Any:
    return _t(_mm(_t(g), a)) if turned else _mm(_t(a), g)


def _mm_backward(saved: Saved, g: Any) -> Any:
    (a, b), want = saved.args, saved.wanted
    second = _second_gradient(g, a, _columns_first(b)) if want[1] else None
    return _first_gradient(g, b, _columns_first(a)) if want[0] else None, second


operator("mm.default", _mm_backward, "0 1")(None)


def _scaled(g: Any, number: Any) -> Any:
    return g if number == 1 else call("mul", g, number)


def _addmm_backward(saved: Saved, g: Any) -> Any:
    (_, a, b), want = saved.args[:3], saved.wanted
    alpha, beta = saved.kwargs.get("alpha", 1), saved.kwargs.get("beta", 1)
    first = _first_gradient(g, b, _columns_first(a)) if want[1] else None
    second = _second_gradient(g, a, _columns_first(b)) if want[2] else None
    return (
        _scaled(g, beta) if want[0] else None,
        None if first is None else _scaled(first, alpha),
        None if second is None else _scaled(second, alpha),
    )


operator("addmm.default", _addmm_backward, "1 2")(None)


def _turned(x: Any) -> Any:
    return run("transpose.int", x, 1, 2)


def _bmm_backward(saved: Saved, g: Any) -> Any:
    (a, b), want = saved.args, saved.wanted
    second = run("bmm.default", _turned(a), g) if want[1] else None
    return run("bmm.default", g, _turned(b)) if want[0] else None, second


operator("bmm.default", _bmm_backward, "0 1")(None)


def _mv_backward(saved: Saved, g: Any) -> Any:
    (a, b), want = saved.args, saved.wanted
    first = call("mul", call("view", g, [len(g), 1]), b) if want[0] else None
    return first, run("mv.default", _t(a), g) if want[1] else None


operator("mv.default", _mv_backward, "0 1")(None)


def _dot_backward(saved: Saved, g: Any) -> Any:
    (a, b), want = saved.args, saved.wanted
    first = call("mul", g, b) if want[0] else None
    return first, call("mul", g, a) if want[1] else None


operator("dot.default", _dot_backward, "0 1")(None)


@composite("linear")
def _linear(x: Any, weight: Any, bias: Any = None) -> Any:
    """One product of matrices where it can be; the rows of a whole stack lie below each other."""
    if bias is None:
        return call("matmul", x, _t(weight))
    if x.ndim == 2:
        return run("addmm.default", bias, x, _t(weight))
    if x.ndim == 3 and x.is_contiguous():
        flat = call("view", x, [x.shape[0] * x.shape[1], x.shape[2]])
        y = run("addmm.default", bias, flat, _t(weight))
        return call("view", y, [*x.shape[:-1], y.shape[-1]])
    return call("add", call("matmul", x, _t(weight)), bias)


@composite("matmul")
def _matmul(a: Any, b: Any) -> Any:
    if a.ndim < 1 or b.ndim < 1:
        return NotImplemented
    if a.ndim <= 2 and b.ndim <= 2:
        return _of_matrices(a, b)
    if a.ndim >= 3 and b.ndim <= 2 and _folds(a, b):
        flat = call("reshape", a, [prod(a.shape[:-1]), a.shape[-1]])
        y = run("mv.default" if b.ndim == 1 else "mm.default", flat, b)
        return run("_unsafe_view.default", y, [*a.shape[:-1], *b.shape[1:]])
    if b.ndim >= 3 and a.ndim <= 2 and _folds(b, a):
        flat = call("reshape", call("mT", b), [prod(b.shape[:-2]) * b.shape[-1], b.shape[-2]])
        sizes = [*b.shape[:-2], b.shape[-1]]
        if a.ndim == 1:
            return run("_unsafe_view.default", run("mv.default", flat, a), sizes)
        y = run("mm.default", flat, _t(a))
        return call("mT", run("_unsafe_view.default", y, [*sizes, a.shape[0]]))
    return _of_stacks(a, b)


def _of_matrices(a: Any, b: Any) -> Any:
    if a.ndim == b.ndim:
        return run("dot.default" if a.ndim == 1 else "mm.default", a, b)
    if b.ndim == 1:
        return run("mv.default", a, b)
    return call("squeeze", run("mm.default", call("unsqueeze", a, 0), b), 0)


def _folds(larger: Any, smaller: Any) -> bool:
    return smaller.requires_grad or larger.is_contiguous()


def _of_stacks(a: Any, b: Any) -> Any:
    """Stacks of matrices, the leading sizes made equal."""
    single = a.ndim == 1, b.ndim == 1
    a = call("unsqueeze", a, 0) if single[0] else a
    b = call("unsqueeze", b, 1) if single[1] else b
    lead = list(rl.broadcast_shapes(a.shape[:-2], b.shape[:-2]))
    flat = [
        call("reshape", call("expand", x, [*lead, *x.shape[-2:]]), [prod(lead), *x.shape[-2:]])
        for x in (a, b)
    ]
    sizes = [] if single[0] else [a.shape[-2]], [] if single[1] else [b.shape[-1]]
    y = run("bmm.default", *flat)
    return run("_unsafe_view.default", y, [*lead, *sizes[0], *sizes[1]])


def _convolution(
    x: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, transposed: bool,
    output_padding: Any, groups: int,
) -> Any:  # fmt: skip
    rank = weight.ndim - 2
    stride, padding, dilation = (_spread(one, rank) for one in (stride, padding, dilation))
    if transposed:
        function = getattr(F, f"conv_transpose{rank}d")
        more = _spread(output_padding, rank)
        return function(x, weight, bias, stride, padding, more, groups, dilation)
    return getattr(F, f"conv{rank}d")(x, weight, bias, stride, padding, dilation, groups)


def _spread(one: Any, rank: int) -> Any:
    one = [one] if isinstance(one, int) else list(one)
    return tuple(one * rank if len(one) == 1 else one)


def _convolution_backward(
    g: Any, x: Any, weight: Any, bias_sizes: Any, stride: Any, padding: Any, dilation: Any,
    transposed: bool, output_padding: Any, groups: int, mask: Any,
) -> Any:  # fmt: skip
    """The gradients of a convolution; of what `mask` does not ask for, None."""
    recorded = rl.is_grad_enabled() and any(one.requires_grad for one in (g, x, weight))
    with rl.enable_grad():
        a, w = (one if recorded and one.requires_grad else one.detach().requires_grad_()
                for one in (x, weight))  # fmt: skip
        y = _convolution(a, w, None, stride, padding, dilation, transposed, output_padding, groups)
        asked = [one for one, want in zip((a, w), mask) if want]
        found = iter(rl.autograd.grad(y, asked, g, create_graph=recorded) if asked else ())
    first, second = (next(found) if want else None for want in mask[:2])
    bias = g.sum([0, *range(2, g.ndim)]) if mask[2] else None
    return first, second, bias


operator("convolution_backward.default")(_convolution_backward)


def _through_convolution(saved: Saved, g: Any) -> Any:
    x, weight, _, *rest = saved.args
    mask = [*saved.wanted[:2], saved.wanted[2]]
    sizes = None if len(saved.shapes) < 3 else [saved.shapes[2][0]]
    found = OPERATORS["convolution_backward.default"](g, x, weight, sizes, *rest, mask)
    return found[: len(saved.shapes)]


operator("convolution.default", _through_convolution, "0 1")(_convolution)


def _one_of(transposed: bool) -> Any:
    """A convolution by the names of torch's functions, as the operator below them all."""

    def plain(x: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0,
              dilation: Any = 1, groups: int = 1) -> Any:  # fmt: skip
        if isinstance(padding, str):
            return NotImplemented
        return _general(x, weight, bias, stride, padding, dilation, False, 0, groups)

    def turned(x: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0,
               output_padding: Any = 0, groups: int = 1, dilation: Any = 1) -> Any:  # fmt: skip
        return _general(x, weight, bias, stride, padding, dilation, True, output_padding, groups)

    return turned if transposed else plain


def _general(x: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any,
             transposed: bool, more: Any, groups: int) -> Any:  # fmt: skip
    rank = weight.ndim - 2
    lists = [list(_spread(one, rank)) for one in (stride, padding, dilation, more)]
    alone = x.ndim == rank + 1
    x = call("unsqueeze", x, 0) if alone else x
    y = OPERATORS["convolution.default"](x, weight, bias, *lists[:3], transposed, lists[3], groups)
    return call("squeeze", y, 0) if alone else y


for _rank in (1, 2, 3):
    composite(f"conv{_rank}d")(_one_of(False))
    composite(f"conv_transpose{_rank}d")(_one_of(True))
