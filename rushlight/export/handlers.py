"""Public functions that become other operators, or several of them, by name.

A handler gets the recorder and what the function was called with, and gives the function's result.
"""

from __future__ import annotations

import functools
import operator
from typing import Any

import rushlight as rl

from .attention import multi_head_attention
from .schemas import bound

getitem = operator.getitem
_REDUCTIONS = {"none": 0, "mean": 1, "sum": 2}


@functools.cache
def _property_names() -> dict[int, str]:
    return {id(v): k for kind in rl.Tensor.__mro__ for k, v in vars(kind).items()}


def property_name(found: property) -> str:
    """The name of one of Tensor's properties: while a mode is active others stand in its place."""
    if id(found) not in _property_names():
        named = {id(v.own): k for k, v in vars(rl.Tensor).items() if hasattr(v, "own")}
        _property_names().update(named)
    return _property_names().get(id(found), "")


def _activation(name: str, *numbers: str, **defaults: Any) -> Any:
    """A function with `inplace` behind its numbers."""

    def handler(rec: Any, input: Any, *args: Any, inplace: bool = False, **named: Any) -> Any:
        values = [*args]
        if len(values) > len(numbers):
            inplace = values.pop()
        for number in numbers[len(values) :]:
            value = named.pop(number, defaults.get(number))
            if value is None:
                break
            values.append(value)
        return rec.call(f"{name}_" if inplace else name, input, *values)

    return handler


def _dropout(rec: Any, input: Any, p: float = 0.5, training: bool = True,
             inplace: bool = False) -> Any:  # fmt: skip
    return rec.call("dropout", input, float(p), training)


def _softmax(name: str) -> Any:
    def handler(rec: Any, input: Any, dim: Any = None, *rest: Any, dtype: Any = None,
                _stacklevel: int = 3) -> Any:  # fmt: skip
        if rest and isinstance(rest[-1], rl.dtype):
            dtype = rest[-1]
        dim = (0 if input.ndim in (0, 1, 3) else 1) if dim is None else dim
        return rec.call(name, input, dim, *([] if dtype is None else [dtype]))

    return handler


def _pool(name: str) -> Any:
    def handler(rec: Any, input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0,
                dilation: Any = 1, ceil_mode: bool = False,
                return_indices: bool = False) -> Any:  # fmt: skip
        if return_indices:
            raise rec.unsupported(f"{name} with return_indices")
        stride = [] if stride is None else stride
        return rec.call(name, input, kernel_size, stride, padding, dilation, ceil_mode)

    return handler


def _batch_norm(rec: Any, input: Any, running_mean: Any, running_var: Any, weight: Any = None,
                bias: Any = None, training: bool = False, momentum: float = 0.1,
                eps: float = 1e-5) -> Any:  # fmt: skip
    return rec.call("batch_norm", input, weight, bias, running_mean, running_var, training,
                    momentum, eps, False)  # fmt: skip


def _instance_norm(rec: Any, input: Any, running_mean: Any = None, running_var: Any = None,
                   weight: Any = None, bias: Any = None, use_input_stats: bool = True,
                   momentum: float = 0.1, eps: float = 1e-5) -> Any:  # fmt: skip
    return rec.call("instance_norm", input, weight, bias, running_mean, running_var,
                    use_input_stats, momentum, eps, False)  # fmt: skip


def _layer_norm(rec: Any, input: Any, normalized_shape: Any, weight: Any = None, bias: Any = None,
                eps: float = 1e-5) -> Any:  # fmt: skip
    return rec.call("layer_norm", input, list(normalized_shape), weight, bias, eps, False)


def _group_norm(rec: Any, input: Any, num_groups: int, weight: Any = None, bias: Any = None,
                eps: float = 1e-5) -> Any:  # fmt: skip
    return rec.call("group_norm", input, num_groups, weight, bias, eps, False)


def _embedding(rec: Any, input: Any, weight: Any, padding_idx: Any = None, max_norm: Any = None,
               norm_type: float = 2.0, scale_grad_by_freq: bool = False,
               sparse: bool = False) -> Any:  # fmt: skip
    if max_norm is not None:
        raise rec.unsupported("embedding with max_norm writes to its weight")
    padding = -1 if padding_idx is None else padding_idx % weight.shape[0]
    return rec.call("embedding", weight, input, padding, scale_grad_by_freq, sparse)


def _weighted_loss(name: str) -> Any:
    def handler(rec: Any, input: Any, target: Any, weight: Any = None, size_average: Any = None,
                ignore_index: int = -100, reduce: Any = None, reduction: str = "mean",
                label_smoothing: float = 0.0) -> Any:  # fmt: skip
        last = [label_smoothing] if name == "cross_entropy_loss" else []
        return rec.call(name, input, target, weight, _REDUCTIONS[reduction], ignore_index, *last)

    return handler


def _plain_loss(name: str, number: str = "") -> Any:
    def handler(rec: Any, input: Any, target: Any, *args: Any, reduction: str = "mean",
                weight: Any = None, size_average: Any = None, reduce: Any = None,
                **named: Any) -> Any:  # fmt: skip
        if args or weight is not None:
            raise rec.unsupported(f"{name} with weights, or arguments that go by name")
        input, target = rec.call("broadcast_tensors", [input, target])
        last = [float(named[number])] if number in named else []
        return rec.call(name, input, target, _REDUCTIONS[reduction], *last)

    return handler


def _with_logits(rec: Any, input: Any, target: Any, weight: Any = None, size_average: Any = None,
                 reduce: Any = None, reduction: str = "mean",
                 pos_weight: Any = None) -> Any:  # fmt: skip
    return rec.call("binary_cross_entropy_with_logits", input, target, weight, pos_weight,
                    _REDUCTIONS[reduction])  # fmt: skip


def _interpolate(rec: Any, input: Any, size: Any = None, scale_factor: Any = None,
                 mode: str = "nearest", align_corners: Any = None,
                 recompute_scale_factor: Any = None, antialias: bool = False) -> Any:  # fmt: skip
    if (
        mode not in ("nearest", "linear", "bilinear", "bicubic", "trilinear")
        or antialias
        or recompute_scale_factor
    ):
        raise rec.unsupported(f"interpolate in mode {mode}, with antialias or new factors")
    rank = input.ndim - 2
    size = [size] * rank if isinstance(size, int) else size
    factors = [scale_factor] * rank if isinstance(scale_factor, (int, float)) else scale_factor
    factors = None if factors is None else [float(one) for one in factors]
    rest = [factors] if mode == "nearest" else [bool(align_corners), factors]
    return rec.call(f"upsample_{mode}{rank}d", input, size, *rest)


def _normalize(rec: Any, input: Any, p: float = 2.0, dim: Any = 1, eps: float = 1e-12,
               out: Any = None) -> Any:  # fmt: skip
    size = rec.call("clamp_min", rec.call("linalg_vector_norm", input, float(p), dim, True), eps)
    return rec.call("div", input, rec.call("expand_as", size, input))


def _norm(rec: Any, input: Any, p: Any = "fro", dim: Any = None, keepdim: bool = False,
          dtype: Any = None, out: Any = None) -> Any:  # fmt: skip
    p = 2 if p in ("fro", None) else p
    return rec.call("linalg_vector_norm", input, p, dim, keepdim, dtype=dtype)


def _cast(kind: Any) -> Any:
    return lambda rec, x, *_, **__: rec.call("to", x, kind)


def _to(rec: Any, x: Any, *args: Any, dtype: Any = None, **named: Any) -> Any:
    for one in args:
        if isinstance(one, rl.dtype):
            dtype = one
        elif isinstance(one, rl.Tensor):
            return rec.call("to", x, one)
    return x if dtype is None else rec.call("to", x, dtype)


def _split(rec: Any, x: Any, sizes: Any, dim: int = 0) -> Any:
    return rec.call("split" if isinstance(sizes, int) else "split_with_sizes", x, sizes, dim)


def _tensor(rec: Any, *args: Any, **kwargs: Any) -> Any:
    value = rl.tensor(*args, **kwargs)
    rec.constant(value)
    return rec.call("detach_", rec.call("lift_fresh_copy", value))


def indexed(rec: Any, x: Any, key: Any) -> Any:
    """`x[...]` as one operator after the other, in the order of the dimensions."""
    parts = _index_parts(rec, key)
    taken = sum(one.ndim if _is_mask(one) else 1 for one in parts
                if one is not None and one is not Ellipsis)  # fmt: skip
    if not any(one is Ellipsis for one in parts):
        parts.append(Ellipsis)
    dim, chosen = 0, {}
    for one in parts:
        if one is Ellipsis:
            dim += x.ndim - taken - _added(parts, one)
        elif one is None:
            x, dim = rec.call("unsqueeze", x, dim), dim + 1
        elif isinstance(one, slice):
            x, dim = _slice(rec, x, dim, one), dim + 1
        elif isinstance(one, rl.Tensor):
            chosen[dim] = one
            dim += one.ndim if _is_mask(one) else 1
        elif isinstance(one, int) and not isinstance(one, bool):
            x = rec.call("select", x, dim, one)
            taken -= 1
        else:
            raise rec.unsupported(f"an index of class {type(one).__name__}")
    if not chosen:
        return x if parts != [Ellipsis] else rec.call("alias", x)
    return rec.emit("index", "Tensor", (x, [chosen.get(k) for k in range(max(chosen) + 1)]), {})


def _index_parts(rec: Any, key: Any) -> list[Any]:
    """The parts of a key; lists and ranges as tensors that the graph knows."""
    several = isinstance(key, tuple)
    if isinstance(key, list):  # the old way to write a tuple, which programs still use
        several = any(one is None or isinstance(one, (slice, type(...))) for one in key)
    parts = list(key) if several else [key]
    if any(isinstance(one, (list, range)) for one in parts):
        parts = [rl.tensor(list(one)) if isinstance(one, (list, range)) else one for one in parts]
        for one in parts:
            if isinstance(one, rl.Tensor) and id(one) not in rec.known:
                rec.constant(one)
    return parts


def _is_mask(one: Any) -> bool:
    return isinstance(one, rl.Tensor) and one.dtype in (rl.bool, rl.uint8)


def _added(parts: list[Any], stop: Any) -> int:
    """How many of x's dimensions up to here were put in by None."""
    count = 0
    for one in parts:
        if one is stop:
            break
        count += one is None
    return count


def _slice(rec: Any, x: Any, dim: int, one: slice) -> Any:
    if one == slice(None):
        return x
    start = 0 if one.start is None else one.start
    stop = 2**63 - 1 if one.stop is None else one.stop
    return rec.call("slice", x, dim, start, stop, 1 if one.step is None else one.step)


def _store(rec: Any, x: Any, key: Any, value: Any) -> None:
    """`x[...] = value`: a copy into what the key names."""
    if any(isinstance(one, (rl.Tensor, list)) for one in (key if type(key) is tuple else (key,))):
        raise rec.unsupported("an assignment to places that a tensor chooses")
    part = indexed(rec, x, key)
    if not isinstance(value, rl.Tensor):
        rec.call("fill_", part, value)
    else:
        rec.call("copy_", part, value)


def _unfold(rec: Any, x: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0,
            stride: Any = 1) -> Any:  # fmt: skip
    return rec.call("im2col", x, kernel_size, dilation, padding, stride)


def _reflected(name: str) -> Any:
    return lambda rec, x, other: TABLE.get(f"__{name}__", _clone_of(name))(rec, other, x)


def _bits(name: str) -> Any:
    """`&`, `|` and `^`, which torch names by their signs."""

    def handler(rec: Any, x: Any, other: Any) -> Any:
        match = bound(f"bitwise_{name.strip('_')}", (x, other), {})
        if match is None:
            raise rec.unsupported(f"{name} does not take these arguments")
        return rec.emit(name, *match)

    return handler


def _divided(rec: Any, x: Any, other: Any) -> Any:
    return rec.call("mul", rec.call("reciprocal", x), other)


def _clone_of(name: str) -> Any:
    return lambda rec, *args, **kwargs: rec.call(name, *args, **kwargs)


def _iter(rec: Any, x: Any) -> Any:
    return iter(rec.call("unbind", x))


_DUNDERS = {
    "__pow__": "pow", "__floordiv__": "floor_divide", "__eq__": "eq", "__ne__": "ne",
    "__lt__": "lt", "__le__": "le", "__gt__": "gt", "__ge__": "ge", "__invert__": "bitwise_not",
    "__rsub__": "rsub", "__neg__": "neg", "__matmul__": "matmul", "__abs__": "abs",
    "__mod__": "remainder", "__truediv__": "div", "__add__": "add", "__sub__": "sub",
    "__mul__": "mul", "__iadd__": "add_", "__isub__": "sub_", "__imul__": "mul_",
    "__itruediv__": "div_", "true_divide": "div", "mse": "mse_loss",
}  # fmt: skip
TABLE: dict[str, Any] = {
    **{name: _clone_of(op) for name, op in _DUNDERS.items()},
    **{f"__r{name}__": _reflected(op) for name, op in (
        ("add", "add"), ("mul", "mul"), ("pow", "pow"), ("matmul", "matmul"),
        ("floordiv", "floor_divide"), ("mod", "remainder"), ("and", "and"), ("or", "or"),
        ("xor", "xor"),
    )},
    **{name: _bits(name) for name in ("__and__", "__or__", "__xor__")},
    "__rtruediv__": _divided, "__rdiv__": _divided, "__getitem__": indexed, "__setitem__": _store,
    "__iter__": _iter,
    **{name: _activation(name)
       for name in "relu relu6 silu mish selu hardswish hardsigmoid".split()},
    "leaky_relu": _activation("leaky_relu", "negative_slope"),
    "elu": _activation("elu", "alpha", alpha=1.0), "celu": _activation("celu", "alpha"),
    "hardtanh": _activation("hardtanh", "min_val", "max_val", min_val=-1.0, max_val=1.0),
    "threshold": _activation("threshold", "threshold", "value"),
    "dropout": _dropout, "softmax": _softmax("softmax"), "log_softmax": _softmax("log_softmax"),
    **{f"max_pool{k}d": _pool(f"max_pool{k}d") for k in (1, 2, 3)},
    "batch_norm": _batch_norm, "instance_norm": _instance_norm, "layer_norm": _layer_norm,
    "group_norm": _group_norm, "embedding": _embedding,
    "cross_entropy": _weighted_loss("cross_entropy_loss"),
    "nll_loss": _weighted_loss("nll_loss_nd"),
    "mse_loss": _plain_loss("mse_loss"), "l1_loss": _plain_loss("l1_loss"),
    "smooth_l1_loss": _plain_loss("smooth_l1_loss", "beta"),
    "huber_loss": _plain_loss("huber_loss", "delta"),
    "binary_cross_entropy_with_logits": _with_logits, "interpolate": _interpolate,
    "normalize": _normalize, "norm": _norm, "to": _to, "split": _split, "tensor": _tensor,
    "unfold": _unfold, "Tensor.unfold": _clone_of("unfold"),
    "multi_head_attention_forward": multi_head_attention,
    **{name: _cast(kind) for name, kind in (
        ("float", rl.float32), ("double", rl.float64), ("half", rl.float16), ("int", rl.int32),
        ("long", rl.int64), ("bool", rl.bool), ("bfloat16", rl.bfloat16),
    )},
}  # fmt: skip
