"""Layers and losses: what torch's functions call below autograd, and their gradients."""

from __future__ import annotations

import math
from typing import Any

import rushlight as rl

from .operators import OPERATORS, Saved, call, composite, operator, run

F = rl.nn.functional


def gradients_of(function: Any, inputs: Any, mask: Any, g: Any) -> list[Any]:
    """Gradients of a function by its own tape: of the inputs that `mask` asks for."""
    recorded = rl.is_grad_enabled() and any(
        isinstance(x, rl.Tensor) and x.requires_grad for x in (*inputs, g)
    )
    with rl.enable_grad():
        given = [
            x if x is None or (recorded and x.requires_grad) else x.detach().requires_grad_()
            for x in inputs
        ]
        y = function(*given)
    asked = [x for x, want in zip(given, mask) if want and x is not None]
    found = iter(rl.autograd.grad(y, asked, g, create_graph=recorded) if asked else ())
    return [next(found) if want and x is not None else None for x, want in zip(given, mask)]


@operator("native_layer_norm_backward.default")
def _layer_norm_back(g: Any, x: Any, shape: Any, mean: Any, rstd: Any, weight: Any, bias: Any,
                     mask: Any) -> Any:  # fmt: skip
    eps = _eps(x, rstd, list(range(x.ndim - len(shape), x.ndim)))
    return tuple(gradients_of(
        lambda a, w, b: F.layer_norm(a, list(shape), w, b, eps), (x, weight, bias), mask, g
    ))  # fmt: skip


def _eps(x: Any, rstd: Any, dims: list[int]) -> float:
    """The small number that was added to variances, from what came out."""
    with rl.no_grad():
        variance = x.double().var(dims, correction=0, keepdim=True).flatten()
        eps = (rstd.double().flatten() ** -2 - variance).median().item() if x.numel() else 0.0
    return float(f"{max(eps, 0.0):.3g}")


def _with_mask(saved: Saved, name: str, g: Any, *given: Any) -> Any:
    found = OPERATORS[name](g, *given)
    return [one for one, x in zip(found, saved.args[:1] + saved.args[2:4]) if _is(x)][: len(
        saved.shapes)]  # fmt: skip


def _is(x: Any) -> bool:
    return isinstance(x, rl.Tensor)


def _layer_norm_backward(saved: Saved, g: Any) -> Any:
    x, shape, weight, bias = saved.args[:4]
    mean, rstd = saved.outputs[:2]
    mask = [saved.wanted[0], *(saved.wanted[k] for k in _places(saved))]
    return _with_mask(saved, "native_layer_norm_backward.default", g, x, shape, mean, rstd, weight,
                      bias, mask)  # fmt: skip


def _places(saved: Saved) -> tuple[int, int]:
    """Where `wanted` speaks of weight and bias: behind the sizes, which are a list."""
    extra = len(saved.args[1])
    return 1 + extra, 2 + extra


@operator("native_layer_norm.default", _layer_norm_backward, "0 2 3 more",
          node="NativeLayerNormBackward0")  # fmt: skip
def _native_layer_norm(x: Any, shape: Any, weight: Any, bias: Any, eps: float) -> Any:
    dims = list(range(x.ndim - len(shape), x.ndim))
    variance, mean = rl.var_mean(x, dims, correction=0, keepdim=True)
    return F.layer_norm(x, list(shape), weight, bias, eps), mean, (variance + eps).rsqrt()


@composite("layer_norm")
def _layer_norm(x: Any, shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5,
                enable: bool = True) -> Any:  # fmt: skip
    return run("native_layer_norm.default", x, list(shape), weight, bias, eps)[0]


@operator("native_batch_norm_backward.default")
def _batch_norm_back(g: Any, x: Any, weight: Any, mean: Any, var: Any, save_mean: Any,
                     save_rstd: Any, train: bool, eps: float, mask: Any) -> Any:  # fmt: skip
    ones = rl.ones(x.shape[1], dtype=x.dtype)

    def again(a: Any, w: Any, b: Any) -> Any:
        return F.batch_norm(a, None if train else mean, None if train else var, w, b, train, 0.0,
                            eps)  # fmt: skip

    inputs = (x, ones if weight is None else weight, rl.zeros_like(ones))
    return tuple(gradients_of(again, inputs, mask, g))


def _batch_norm_backward(saved: Saved, g: Any) -> Any:
    x, weight, _, mean, var, train, _, eps = saved.args
    mask = list(saved.wanted[:3])
    found = run("native_batch_norm_backward.default", g, x, weight, mean, var, *saved.outputs,
                train, eps, mask)  # fmt: skip
    grads = [one for one, x in zip(found, saved.args[:3]) if x is not None]
    return grads + [None] * (len(saved.shapes) - len(grads))


@operator("native_batch_norm.default", _batch_norm_backward, "0 1 2 3 4 more")
def _native_batch_norm(x: Any, weight: Any, bias: Any, mean: Any, var: Any, train: bool,
                       momentum: float, eps: float) -> Any:  # fmt: skip
    y = F.batch_norm(x, mean, var, weight, bias, train, momentum, eps)
    if not train:
        return y, x.new_empty(0), x.new_empty(0)
    spread, middle = rl.var_mean(x, [0, *range(2, x.ndim)], correction=0)
    return y, middle, (spread + eps).rsqrt()


@composite("batch_norm")
def _batch_norm(x: Any, weight: Any, bias: Any, mean: Any, var: Any, training: bool,
                momentum: float, eps: float, enabled: bool = True) -> Any:  # fmt: skip
    if momentum is None:
        return NotImplemented
    with rl.no_grad():
        run("empty.memory_format", [0], dtype=rl.uint8, layout=rl.strided, device=rl.device("cpu"))
    train = training or mean is None
    return run("native_batch_norm.default", x, weight, bias, mean, var, train, momentum, eps)[0]


@operator("native_group_norm_backward.default")
def _group_norm_back(g: Any, x: Any, mean: Any, rstd: Any, weight: Any, n: int, channels: int,
                     area: int, groups: int, mask: Any) -> Any:  # fmt: skip
    eps = _eps(x.reshape(n, groups, -1), rstd, [2])
    ones = rl.ones(channels, dtype=x.dtype)
    inputs = (x, ones if weight is None else weight, rl.zeros_like(ones))
    return tuple(gradients_of(
        lambda a, w, b: F.group_norm(a, groups, w, b, eps), inputs, mask, g
    ))  # fmt: skip


def _group_norm_backward(saved: Saved, g: Any) -> Any:
    x, weight, bias, *sizes, _ = saved.args
    mask = list(saved.wanted[:3])
    found = run("native_group_norm_backward.default", g, x, *saved.outputs, weight, *sizes, mask)
    return [one for one, x in zip(found, (x, weight, bias)) if x is not None]


@operator("native_group_norm.default", _group_norm_backward, "0 1 2 more")
def _native_group_norm(x: Any, weight: Any, bias: Any, n: int, channels: int, area: int,
                       groups: int, eps: float) -> Any:  # fmt: skip
    spread, mean = rl.var_mean(x.reshape(n, groups, -1), 2, correction=0)
    return F.group_norm(x, groups, weight, bias, eps), mean, (spread + eps).rsqrt()


@composite("group_norm")
def _group_norm(x: Any, groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5,
                enabled: bool = True) -> Any:  # fmt: skip
    n, channels, area = x.shape[0], x.shape[1], math.prod(x.shape[2:])
    sizes = (n, channels, area, groups, eps)
    return run("native_group_norm.default", x, weight, bias, *sizes)[0]


@composite("dropout")
def _dropout(x: Any, p: float, train: bool) -> Any:
    """A mask drawn, scaled, and multiplied in."""
    if p == 0 or not train or not x.numel():
        return x
    if p == 1:
        return call("mul", x, rl.zeros_like(x))
    mask = run("empty_like.default", x)
    with rl.no_grad():
        run("bernoulli_.float", mask, *(() if p == 0.5 else (1 - p,)))
        run("div_.Scalar", mask, 1 - p)
    return call("mul", x, mask)


operator("bernoulli_.float")(lambda x, p=0.5: x.bernoulli_(p))
operator("div_.Scalar")(lambda x, n: x.div_(n))


def _embedding_backward(saved: Saved, g: Any) -> Any:
    places = saved.args[1]
    padding = saved.args[2] if len(saved.args) > 2 else -1
    rows = saved.shapes[0][0]
    return [run("embedding_dense_backward.default", g, places, rows, padding, False), None]


@operator("embedding.default", _embedding_backward, "1")
def _embedding(weight: Any, places: Any, padding: int = -1, by_count: bool = False,
               sparse: bool = False) -> Any:  # fmt: skip
    return F.embedding(places, weight, None if padding < 0 else padding)


@operator("embedding_dense_backward.default")
def _embedding_back(g: Any, places: Any, rows: int, padding: int, by_count: bool) -> Any:
    total = rl.zeros(rows, g.shape[-1], dtype=g.dtype)
    flat, rest = places.reshape(-1), g.reshape(-1, g.shape[-1])
    if padding >= 0:
        rest = rest * (flat != padding).unsqueeze(1)
    return total.index_add(0, flat, rest)


def _pool_backward(saved: Saved, g: Any) -> Any:
    x, *rest = saved.args
    kernel, stride, padding, dilation, ceil = (
        *rest, *(None, [], [0, 0], [1, 1], False)[len(rest) :])  # fmt: skip
    return [run("max_pool2d_with_indices_backward.default", g, x, kernel, stride, padding, dilation,
                ceil, *saved.outputs)]  # fmt: skip


@operator("max_pool2d_with_indices.default", _pool_backward, "0 more")
def _max_pool2d(x: Any, kernel: Any, stride: Any = (), padding: Any = 0, dilation: Any = 1,
                ceil: bool = False) -> Any:  # fmt: skip
    return F.max_pool2d(x, kernel, stride or None, padding, dilation, ceil, return_indices=True)


@operator("max_pool2d_with_indices_backward.default")
def _max_pool2d_back(g: Any, x: Any, kernel: Any, stride: Any, padding: Any, dilation: Any,
                     ceil: bool, indices: Any) -> Any:  # fmt: skip
    flat = rl.zeros(*x.shape[:-2], x.shape[-2] * x.shape[-1], dtype=g.dtype)
    placed = flat.scatter_add(-1, indices.flatten(-2), g.flatten(-2))
    return placed.reshape(x.shape)


@composite("max_pool2d")
def _above_max_pool2d(x: Any, kernel: Any, stride: Any = (), padding: Any = 0, dilation: Any = 1,
                      ceil: bool = False) -> Any:  # fmt: skip
    args = [_pair(one) for one in (kernel, stride or kernel, padding, dilation)]
    given: list[Any] = [*args, ceil]
    for usual in (False, [1, 1], [0, 0]):
        if given[-1] != usual:
            break
        given.pop()
    return run("max_pool2d_with_indices.default", x, *given)[0]


def _pair(one: Any) -> list[int]:
    one = [one] if isinstance(one, int) else list(one)
    return one * 2 if len(one) == 1 else one


@composite("adaptive_avg_pool2d")
def _adaptive(x: Any, size: Any) -> Any:
    if _pair(size) == [1, 1]:
        return run("mean.dim", x, [-1, -2], True)
    return NotImplemented


def _nll_backward(saved: Saved, g: Any) -> Any:
    x, target, weight, reduction, ignored = saved.args
    name = _nll(len(saved.shapes[0]))
    found = run(f"{name}_backward.default", g, x, target, weight, reduction, ignored,
                *saved.outputs)  # fmt: skip
    return [found] + [None] * (len(saved.shapes) - 1)


def _nll(rank: int) -> str:
    return "nll_loss2d" if rank == 4 else "nll_loss"


_REDUCTIONS = ("none", "mean", "sum")


def _nll_forward(x: Any, target: Any, weight: Any, reduction: int, ignored: int) -> Any:
    y = F.nll_loss(x, target, weight, ignore_index=ignored, reduction=_REDUCTIONS[reduction])
    kept = target != ignored
    each = kept.to(x.dtype) if weight is None else weight[target.clamp(0)] * kept
    return y, each.sum() if reduction else x.new_zeros(())


def _nll_back(g: Any, x: Any, target: Any, weight: Any, reduction: int, ignored: int,
              total: Any) -> Any:  # fmt: skip
    def again(a: Any) -> Any:
        return F.nll_loss(a, target, weight, ignore_index=ignored, reduction=_REDUCTIONS[reduction])

    return gradients_of(again, (x,), (True,), g)[0]


for _name in ("nll_loss", "nll_loss2d"):
    operator(f"{_name}_forward.default", _nll_backward, "0 1 2 more", node="NllLossBackward0")(
        _nll_forward
    )
    operator(f"{_name}_backward.default")(_nll_back)


@composite("nll_loss_nd")
def _nll_loss(x: Any, target: Any, weight: Any = None, reduction: int = 1,
              ignored: int = -100) -> Any:  # fmt: skip
    if x.ndim not in (1, 2, 4):
        return NotImplemented
    name = f"{_nll(x.ndim)}_forward.default"
    return run(name, x, target, weight, reduction, ignored)[0]


@composite("cross_entropy_loss")
def _cross_entropy(x: Any, target: Any, weight: Any = None, reduction: int = 1,
                   ignored: int = -100, smoothing: float = 0.0) -> Any:  # fmt: skip
    if smoothing or target.is_floating_point() or x.ndim not in (1, 2, 4):
        return NotImplemented
    scores = call("log_softmax", x, 0 if x.ndim == 1 else 1)
    return call("nll_loss_nd", scores, target, weight, reduction, ignored)


@composite("broadcast_tensors")
def _alike(tensors: Any) -> Any:
    if all(x.shape == tensors[0].shape for x in tensors):
        return list(tensors)
    sizes = list(rl.broadcast_shapes(*(x.shape for x in tensors)))
    return [run("expand.default", x, sizes) for x in tensors]


def _mse_backward(saved: Saved, g: Any) -> Any:
    x, target, *rest = saved.args
    reduction = rest[0] if rest else 1
    second = run("mse_loss_backward.default", g, target, x, reduction) if saved.wanted[1] else None
    first = run("mse_loss_backward.default", g, x, target, reduction) if saved.wanted[0] else None
    return [first, second]


operator("mse_loss.default", _mse_backward, "0 1")(
    lambda x, target, reduction=1: F.mse_loss(x, target, reduction=_REDUCTIONS[reduction])
)


@operator("mse_loss_backward.default")
def _mse_back(g: Any, x: Any, target: Any, reduction: int) -> Any:
    return (2.0 / x.numel() if reduction == 1 else 2.0) * (x - target) * g
