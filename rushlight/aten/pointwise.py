"""Elementwise functions, sums and softmax: gradients as torch's operators, and their names."""

from __future__ import annotations

from typing import Any

import rushlight as rl

from .operators import Saved, call, composite, operator, run

F = rl.nn.functional


def _through(function: Any) -> Any:
    """A gradient by the function itself, where torch has an operator for it."""

    def kernel(g: Any, x: Any, *rest: Any, **named: Any) -> Any:
        recorded = rl.is_grad_enabled() and (x.requires_grad or g.requires_grad)
        with rl.enable_grad():
            a = x if recorded and x.requires_grad else x.detach().requires_grad_()
            y = function(a, *rest, **named)
        return rl.autograd.grad(y, a, g, create_graph=recorded)[0]

    return kernel


for _name, _kernel in {
    "threshold_backward.default": lambda g, x, threshold: g * (x > threshold),
    "sigmoid_backward.default": lambda g, y: g * (y * (1 - y)),
    "tanh_backward.default": lambda g, y: g * (1 - y * y),
    "_softmax_backward_data.default": lambda g, y, dim, kind: (
        (g - (g * y).sum(dim, keepdim=True)) * y),
    "_log_softmax_backward_data.default": lambda g, y, dim, kind: (
        g - y.exp() * g.sum(dim, keepdim=True)),
    "silu_backward.default": _through(F.silu),
    "gelu_backward.default": _through(F.gelu),
    "mish_backward.default": _through(F.mish),
    "hardtanh_backward.default": _through(F.hardtanh),
    "hardswish_backward.default": _through(F.hardswish),
    "hardsigmoid_backward.default": _through(F.hardsigmoid),
    "softplus_backward.default": _through(F.softplus),
    "leaky_relu_backward.default": lambda g, x, slope, result: _through(F.leaky_relu)(g, x, slope),
    "elu_backward.default": lambda g, alpha, scale, inner, result, x: (
        _through(lambda a: scale * F.elu(a * inner, alpha))(g, x)),
    "log_sigmoid_backward.default": lambda g, x, buffer: _through(F.logsigmoid)(g, x),
}.items():  # fmt: skip
    operator(_name)(_kernel)


def _by(name: str, *more: Any) -> Any:
    """The gradient by an operator that reads the argument."""
    return lambda s, g: [run(name, g, s.args[0], *more)]


def _by_result(name: str, *more: Any) -> Any:
    return lambda s, g: [run(name, g, s.y, *more)]


def _times(slope: Any) -> Any:
    return lambda s, g: [call("mul", g, slope(s))]


operator("relu.default", _by_result("threshold_backward.default", 0), "y")(None)
operator("sigmoid.default", _by_result("sigmoid_backward.default"), "y")(None)
operator("tanh.default", _by_result("tanh_backward.default"), "y")(None)
operator("exp.default", _times(lambda s: s.y), "y")(None)
operator("sin.default", _times(lambda s: call("cos", s.args[0])), "0")(None)
operator("cos.default", _times(lambda s: call("neg", call("sin", s.args[0]))), "0")(None)
operator("abs.default", _times(lambda s: call("sgn", s.args[0])), "0")(None)
operator("log.default", lambda s, g: [run("div.Tensor", g, s.args[0])], "0")(None)
operator("sqrt.default", lambda s, g: [run("div.Tensor", g, call("mul", s.y, 2))], "y")(None)
operator("silu.default", _by("silu_backward.default"), "0")(None)
operator("mish.default", _by("mish_backward.default"), "0")(None)
operator("hardswish.default", _by("hardswish_backward.default"), "0")(None)
operator("hardsigmoid.default", _by("hardsigmoid_backward.default"), "0")(None)


def _gelu_backward(saved: Saved, g: Any) -> Any:
    return [run("gelu_backward.default", g, saved.args[0], **saved.kwargs)]


operator("gelu.default", _gelu_backward, "0")(
    lambda x, *, approximate="none": F.gelu(x, approximate)
)


@composite("gelu")
def _gelu(x: Any, *rest: Any, approximate: str = "none") -> Any:
    approximate = rest[0] if rest else approximate
    return run("gelu.default", x, **({} if approximate == "none" else {"approximate": approximate}))


def _leaky_backward(saved: Saved, g: Any) -> Any:
    slope = saved.args[1] if len(saved.args) > 1 else 0.01
    return [run("leaky_relu_backward.default", g, saved.args[0], slope, False)]


operator("leaky_relu.default", _leaky_backward, "0")(None)


def _elu_backward(saved: Saved, g: Any) -> Any:
    alpha, scale, inner = (*saved.args[1:], *(1.0, 1, 1)[len(saved.args) - 1 :])
    return [run("elu_backward.default", g, alpha, scale, inner, False, saved.args[0])]


operator("elu.default", _elu_backward, "0")(
    lambda x, alpha=1.0, scale=1, inner=1: scale * F.elu(x * inner, alpha)
)


def _hardtanh_backward(saved: Saved, g: Any) -> Any:
    low, high = (*saved.args[1:], *(-1.0, 1.0)[len(saved.args) - 1 :])
    return [run("hardtanh_backward.default", g, saved.args[0], low, high)]


operator("hardtanh.default", _hardtanh_backward, "0")(None)
composite("relu6")(lambda x: run("hardtanh.default", x, 0.0, 6.0))


def _softplus_backward(saved: Saved, g: Any) -> Any:
    beta, limit = (*saved.args[1:], *(1, 20)[len(saved.args) - 1 :])
    return [run("softplus_backward.default", g, saved.args[0], beta, limit)]


operator("softplus.default", _softplus_backward, "0")(None)


def _product_backward(saved: Saved, g: Any) -> Any:
    (a, b), want = saved.args, saved.wanted
    second = run("mul.Tensor", g, a) if want[1] else None
    first = run("mul.Tensor", g, b) if want[0] else None
    return [one for one, x in ((first, a), (second, b)) if _is_tensor(x)]


def _is_tensor(x: Any) -> bool:
    return x is None or isinstance(x, rl.Tensor)


operator("mul.Tensor", _product_backward, "0 1")(None)
operator("mul.Scalar", lambda s, g: [run("mul.Scalar", g, s.args[1])])(lambda x, n: x * n)


def _quotient_backward(saved: Saved, g: Any) -> Any:
    (a, b), want = saved.args, saved.wanted
    if not isinstance(b, rl.Tensor):
        return [run("div.Tensor", g, b)]
    second = None
    if want[1]:
        inner = run("div.Tensor", run("div.Tensor", a, b), b)
        second = run("mul.Tensor", call("neg", g), inner)
    first = run("div.Tensor", g, b) if want[0] else None
    return [first, second] if _is_tensor(a) else [second]


operator("div.Tensor", _quotient_backward, "0 1")(None)
operator("div.Scalar", lambda s, g: [run("div.Scalar", g, s.args[1])])(lambda x, n: x / n)


def _power_backward(saved: Saved, g: Any) -> Any:
    x, exponent = saved.args
    if exponent == 0:
        return [rl.zeros_like(x)]
    lower = run("pow.Tensor_Scalar", x, float(exponent) - 1.0)
    return [run("mul.Tensor", g, run("mul.Scalar", lower, float(exponent)))]


operator("pow.Tensor_Scalar", _power_backward, "0")(None)
composite("square")(lambda x: run("pow.Tensor_Scalar", x, 2))


def _spread(g: Any, sizes: list[int], dims: Any, keep: bool) -> Any:
    """A gradient of a sum over some dimensions, in the size of what was summed."""
    if dims and not keep:
        single = len(dims) == 1  # which torch takes as it was given
        for dim in dims if single else sorted(dim % len(sizes) for dim in dims):
            g = run("unsqueeze.default", g, dim)
    return run("expand.default", g, sizes)


def _dims(saved: Saved) -> Any:
    rest = saved.args[1:]
    dims = rest[0] if rest else None
    dims = [dims] if isinstance(dims, int) else list(dims or ())
    return dims if dims else list(range(len(saved.shapes[0]))), len(rest) > 1 and bool(rest[1])


def _sum_backward(saved: Saved, g: Any) -> Any:
    return [_spread(g, saved.shapes[0], *_dims(saved))]


def _mean_backward(saved: Saved, g: Any) -> Any:
    dims, keep = _dims(saved)
    count = 1
    for dim in dims:
        count *= saved.shapes[0][dim]
    return [run("div.Scalar", _spread(g, saved.shapes[0], dims, keep), count)]


def _whole(x: Any, *, dtype: Any = None) -> Any:
    return x.sum() if dtype is None else x.sum(dtype=dtype)


def _whole_mean(saved: Saved, g: Any) -> Any:
    sizes, count = saved.shapes[0], 1
    for n in sizes:
        count *= n
    return [run("div.Scalar", run("expand.default", g, sizes), count)]


operator("sum.default", lambda s, g: [run("expand.default", g, s.shapes[0])])(_whole)
operator("sum.dim_IntList", _sum_backward)(None)
operator("mean.default", _whole_mean)(None)
operator("mean.dim", _mean_backward)(None)


def _softmaxes(name: str) -> None:
    """`_softmax` or `_log_softmax`, and the function above it."""

    def backward(saved: Saved, g: Any) -> Any:
        form = f"{name}_backward_data.default"
        return [run(form, g, saved.y, saved.args[1], saved.kinds[0])]

    function = getattr(F, name[1:])
    operator(f"{name}.default", backward, "y")(lambda x, dim, half: function(x, dim))

    @composite(name[1:])
    def above(x: Any, dim: int, dtype: Any = None) -> Any:
        x = x if dtype is None else call("to", x, dtype)
        return run(f"{name}.default", x, dim, False)


_softmaxes("_softmax")
_softmaxes("_log_softmax")
operator("_safe_softmax.default", lambda s, g: [run(
    "_softmax_backward_data.default", g, s.y, s.args[1], s.kinds[0])], "y")(
    lambda x, dim, dtype=None: _safe(x, dim))  # fmt: skip


def _safe(x: Any, dim: int) -> Any:
    """Softmax, and zeros in rows where all is minus infinity."""
    return rl.where((x == -float("inf")).all(dim, keepdim=True), 0.0, F.softmax(x, dim))


@composite("norm")
def _norm(x: Any, p: Any = "fro", dim: Any = None, keepdim: bool = False, **_: Any) -> Any:
    p = 2 if p in ("fro", None) else p
    return call("linalg_vector_norm", x, p, dim, keepdim)
