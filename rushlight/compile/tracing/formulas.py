"""Layers, losses, products and draws in which numbers are constants, as formulas of tensors.

Each gives what the call gives for any number, and its gradients; where it does not (a smoothing of
zero beside infinite scores, a variance below zero), the number is asked, or the call made as it is.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ...core import dtypes
from ...core.tensor import Tensor
from .numbers import Number
from .put_in import Otherwise, cast, chosen, floats

_AXES = {"dropout1d": 3, "dropout2d": 4, "dropout3d": 5}


def _only(*others: Any) -> None:
    """Other arguments have to be constants."""
    if any(type(x) is Number for x in others):
        raise Otherwise


def _given(func: Any, x: Tensor, y: Any, inplace: bool) -> Any:
    return x.copy_(y) if inplace or func.__name__[-1] == "_" else y


# --- activations


def _leaky(func: Any, input: Any, negative_slope: Any, inplace: bool = False) -> Any:
    x = floats(input)
    return _given(func, x, chosen(x > 0, x, x * cast(negative_slope, x.dtype)), inplace)


def _random_slopes(
    func: Any, input: Any, lower: Any = 1 / 8, upper: Any = 1 / 3, training: bool = False,
    inplace: bool = False,
) -> Any:  # fmt: skip
    if training or lower > upper:
        raise Otherwise
    return _leaky(func, input, (lower + upper) / 2, inplace)


def _elu(func: Any, input: Any, alpha: Any = 1.0, inplace: bool = False) -> Any:
    x = floats(input)
    kept = x.clone() if inplace or func.__name__[-1] == "_" else x
    below = func(kept) * cast(alpha, x.dtype)
    return _given(func, x, chosen(x > 0, x, below), inplace)


def _celu(func: Any, input: Any, alpha: Any = 1.0, inplace: bool = False) -> Any:
    x = floats(input)
    if not alpha > 0:
        raise Otherwise
    by = cast(alpha, x.dtype)
    return _given(func, x, chosen(x > 0, x, func(x / by) * by), inplace)


def _softplus(func: Any, input: Any, beta: Any = 1.0, threshold: Any = 20.0) -> Any:
    x = floats(input)
    _only(threshold)
    if beta == 0:
        raise Otherwise
    by = cast(beta, x.dtype)
    return func(x * by, 1.0, threshold) / by


def _hardtanh(
    func: Any, input: Any, min_val: Any = -1.0, max_val: Any = 1.0, inplace: bool = False
) -> Any:
    x = floats(input)
    if not min_val <= max_val:
        raise Otherwise
    low, high = cast(min_val, x.dtype), cast(max_val, x.dtype)
    return _given(func, x, chosen(x <= low, low, chosen(x >= high, high, x)), inplace)


def _threshold(func: Any, input: Any, threshold: Any, value: Any, inplace: bool = False) -> Any:
    x = floats(input)
    return _given(
        func, x, chosen(x <= cast(threshold, x.dtype), cast(value, x.dtype), x), inplace
    )  # fmt: skip


def _hardshrink(func: Any, input: Any, lambd: Any = 0.5) -> Any:
    x = floats(input)
    bound = cast(lambd, x.dtype)
    return chosen((x >= -bound) & (x <= bound), 0.0, x)


def _softshrink(func: Any, input: Any, lambd: Any = 0.5) -> Any:
    x = floats(input)
    if not lambd >= 0:
        raise Otherwise
    bound = cast(lambd, x.dtype)
    return chosen(x > bound, x - bound, chosen(x < -bound, x + bound, x * 0))


# --- losses


def _apart(input: Any, target: Any) -> Any:
    same = floats(input).dtype is floats(target).dtype and input.shape == target.shape
    if not same:
        raise Otherwise
    return input - target


def _huber(
    func: Any, input: Any, target: Any, reduction: str = "mean", delta: Any = 1.0,
    weight: Any = None,
) -> Any:  # fmt: skip
    apart = _apart(input, target)
    if not delta > 0:
        raise Otherwise
    by = cast(delta, apart.dtype)
    unit = apart / by
    return func(unit, unit.new_zeros(unit.shape), reduction, weight=weight) * by * by


def _smooth(
    func: Any, input: Any, target: Any, size_average: Any = None, reduce: Any = None,
    reduction: str = "mean", beta: Any = 1.0,
) -> Any:  # fmt: skip
    apart = _apart(input, target)
    if not beta > 0:
        raise Otherwise
    by = cast(beta, apart.dtype)
    unit = apart / by
    return func(unit, unit.new_zeros(unit.shape), size_average, reduce, reduction) * by


def _smoothed(
    func: Any, input: Any, target: Any, weight: Any = None, size_average: Any = None,
    ignore_index: int = -100, reduce: Any = None, reduction: str = "mean",
    label_smoothing: Any = 0.0,
) -> Any:  # fmt: skip
    """The loss is linear in the smoothing; of infinite scores it has none of it but at 0."""
    _only(ignore_index)
    x = floats(input)
    if not 0 < label_smoothing <= 1:
        raise Otherwise
    share = cast(label_smoothing, x.dtype)
    given = weight, size_average, ignore_index, reduce, reduction
    plain, even = func(x, target, *given), func(x, target, *given, 1.0)
    return plain * (1 - share) + even * share


# --- products, attention, norms


def _plus(
    func: Any, input: Any, first: Any, second: Any, *, beta: Any = 1, alpha: Any = 1
) -> Any:  # fmt: skip
    x = floats(input)
    if not x.dtype is floats(first).dtype is floats(second).dtype:
        raise Otherwise
    inside = func.__name__[-1] == "_"
    product = func(x.detach().clone() if inside else x, first, second, beta=0)
    y = product * cast(alpha, x.dtype)
    y = y if beta == 0 else y + x * cast(beta, x.dtype)  # at 0 x is not looked at
    return x.copy_(y) if inside else y


def _index_add(func: Any, input: Any, dim: Any, index: Any, source: Any, *, alpha: Any) -> Any:
    _only(dim)
    return func(input, dim, index, source * cast(alpha, floats(source).dtype))


def _attention(
    func: Any, query: Any, key: Any, value: Any, attn_mask: Any = None, dropout_p: Any = 0.0,
    is_causal: bool = False, *, scale: Any = None, enable_gqa: bool = False,
) -> Any:  # fmt: skip
    _only(dropout_p)
    scaled = query * cast(scale, floats(query).dtype)
    return func(
        scaled, key, value, attn_mask, dropout_p, is_causal, scale=1.0, enable_gqa=enable_gqa
    )


def _batch_norm(
    func: Any, input: Any, running_mean: Any, running_var: Any, weight: Any = None,
    bias: Any = None, training: bool = False, momentum: Any = 0.1, eps: Any = 1e-5,
) -> Any:  # fmt: skip
    """What the batch says is kept beside, and then mixed into the running statistics."""
    _only(eps)
    floats(input)
    if not training:
        return func(input, running_mean, running_var, weight, bias, False, 0.1, eps)
    running = [floats(x) for x in (running_mean, running_var)]
    share = [cast(momentum, x.dtype) for x in running]
    found = [x.new_zeros(x.shape) for x in running]
    y = func(input, *found, weight, bias, True, 1.0, eps)
    for old, new, by in zip(running, found, share):
        old.mul_(1 - by).add_(new * by)
    return y


# --- draws


def _units(like: Tensor, shape: Any, generator: Any = None) -> Tensor:
    """The numbers below which draws by a chance come out."""
    return like.new_empty(shape, dtype=dtypes.float64).uniform_(generator=generator)


def _is_chance(p: Any) -> bool:
    chance: Any = p if type(p) is Number else -1
    return 0 < chance < 1


def _dropout(
    func: Any, input: Any, p: Any = 0.5, training: bool = True, inplace: bool = False
) -> Any:
    x = floats(input)
    shape, dims = tuple(x.shape), _AXES.get(func.__name__)
    if dims is not None:
        shape = (*shape[:2], *(1,) * (dims - 2))
    unlike = x.dim() != dims if dims is not None else not x.is_contiguous()
    if not training or unlike or not x.numel() or not _is_chance(p):
        raise Otherwise
    kept = _units(x, shape) < cast(1 - p, dtypes.float64)
    noise = kept.to(x.dtype) / cast(1 - p, x.dtype)
    return x.mul_(noise) if inplace else x * noise


def _bernoulli(func: Any, input: Any, p: Any = None, *, generator: Any = None) -> Any:
    x = floats(input)
    if not _is_chance(p) or x.requires_grad or not x.is_contiguous():
        raise Otherwise
    drawn = (_units(x, x.shape, generator) < cast(p, dtypes.float64)).to(x.dtype)
    return x.copy_(drawn) if func.__name__[-1] == "_" else drawn


def _normal_in(
    func: Any, x: Any, mean: Any = 0.0, std: Any = 1.0, *, generator: Any = None
) -> Any:  # fmt: skip
    by, around = cast(std, floats(x).dtype), cast(mean, x.dtype)
    if not std >= 0:
        raise Otherwise
    return func(x, generator=generator).mul_(by).add_(around)


def _normal(
    func: Any, mean: Any = 0.0, std: Any = 1.0, size: Any = None, *, generator: Any = None,
    dtype: Any = None, device: Any = None,
) -> Any:  # fmt: skip
    if isinstance(mean, Tensor) or isinstance(std, Tensor) or not std >= 0:
        raise Otherwise
    drawn = func(0.0, 1.0, size, generator=generator, dtype=dtype, device=device)
    return drawn * cast(std, drawn.dtype) + cast(mean, drawn.dtype)


def _uniform_in(func: Any, x: Any, low: Any = 0.0, high: Any = 1.0, **options: Any) -> Any:
    low, high = (options.pop(name, one) for name, one in (("from", low), ("to", high)))
    floats(x)
    if not low <= high:
        raise Otherwise
    return func(x, **options).mul_(cast(high - low, x.dtype)).add_(cast(low, x.dtype))


def _exponential_in(func: Any, x: Any, lambd: Any = 1.0, *, generator: Any = None) -> Any:
    by = cast(lambd, floats(x).dtype)
    if not 0 < lambd < math.inf:
        raise Otherwise
    return func(x, generator=generator).div_(by)


FORMULAS: dict[str, Callable[..., Any]] = {
    **dict.fromkeys(("leaky_relu", "leaky_relu_"), _leaky),
    "rrelu": _random_slopes, **dict.fromkeys(("elu", "elu_"), _elu), "celu": _celu,
    "softplus": _softplus, **dict.fromkeys(("hardtanh", "hardtanh_"), _hardtanh),
    **dict.fromkeys(("threshold", "threshold_"), _threshold),
    "hardshrink": _hardshrink, "softshrink": _softshrink,
    "huber_loss": _huber, "smooth_l1_loss": _smooth, "cross_entropy": _smoothed,
    **dict.fromkeys("addmm addmv addr addbmm baddbmm".split(), _plus),
    **dict.fromkeys("addmm_ addmv_ addr_ addbmm_ baddbmm_".split(), _plus),
    **dict.fromkeys(("index_add", "index_add_"), _index_add),
    "scaled_dot_product_attention": _attention, "batch_norm": _batch_norm,
    **dict.fromkeys(("dropout", *_AXES), _dropout),
    **dict.fromkeys(("bernoulli", "bernoulli_"), _bernoulli),
    "normal_": _normal_in, "normal": _normal, "uniform_": _uniform_in,
    "exponential_": _exponential_in,
}  # fmt: skip
