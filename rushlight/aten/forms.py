"""Operators whose arguments come in another order than those of torch's functions."""

from __future__ import annotations

import importlib
import itertools
import operator
from typing import Any

import rushlight as rl

F = rl.nn.functional
_REDUCTIONS = ("none", "mean", "sum")


def _batch_norm(x: Any, weight: Any, bias: Any, mean: Any, var: Any, training: bool,
                momentum: float, eps: float, cudnn_enabled: bool) -> Any:  # fmt: skip
    return F.batch_norm(x, mean, var, weight, bias, training, momentum, eps)


def _instance_norm(x: Any, weight: Any, bias: Any, mean: Any, var: Any, use_input_stats: bool,
                   momentum: float, eps: float, cudnn_enabled: bool) -> Any:  # fmt: skip
    return F.instance_norm(x, mean, var, weight, bias, use_input_stats, momentum, eps)


def _layer_norm(x: Any, shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5,
                cudnn_enable: bool = True) -> Any:  # fmt: skip
    return F.layer_norm(x, shape, weight, bias, eps)


def _group_norm(x: Any, groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5,
                cudnn_enabled: bool = True) -> Any:  # fmt: skip
    return F.group_norm(x, groups, weight, bias, eps)


def _embedding(weight: Any, places: Any, padding_idx: int = -1, scale_grad_by_freq: bool = False,
               sparse: bool = False) -> Any:  # fmt: skip
    padding = None if padding_idx < 0 else padding_idx
    return F.embedding(places, weight, padding, None, 2.0, scale_grad_by_freq, sparse)


def _cross_entropy(x: Any, target: Any, weight: Any = None, reduction: int = 1,
                   ignore_index: int = -100, label_smoothing: float = 0.0) -> Any:  # fmt: skip
    return F.cross_entropy(
        x, target, weight, ignore_index=ignore_index, reduction=_REDUCTIONS[reduction],
        label_smoothing=label_smoothing,
    )  # fmt: skip


def _nll_loss(x: Any, target: Any, weight: Any = None, reduction: int = 1,
              ignore_index: int = -100) -> Any:  # fmt: skip
    return F.nll_loss(
        x, target, weight, ignore_index=ignore_index, reduction=_REDUCTIONS[reduction]
    )


def _reduced(function: Any) -> Any:
    """A loss of two tensors whose reduction is a number."""

    def loss(x: Any, target: Any, reduction: int = 1, *rest: Any) -> Any:
        named = {"beta": rest[0]} if rest and function is F.smooth_l1_loss else {}
        named = {"delta": rest[0]} if rest and function is F.huber_loss else named
        return function(x, target, reduction=_REDUCTIONS[reduction], **named)

    return loss


def _with_logits(x: Any, target: Any, weight: Any = None, pos_weight: Any = None,
                 reduction: int = 1) -> Any:  # fmt: skip
    return F.binary_cross_entropy_with_logits(
        x, target, weight, reduction=_REDUCTIONS[reduction], pos_weight=pos_weight
    )


def _binary_cross_entropy(x: Any, target: Any, weight: Any = None, reduction: int = 1) -> Any:
    return F.binary_cross_entropy(x, target, weight, reduction=_REDUCTIONS[reduction])


def _upsample(mode: str) -> Any:
    smooth = mode not in ("nearest",)

    def upsample(x: Any, size: Any = None, *rest: Any) -> Any:
        corners, factors = rest if smooth else (None, *rest)
        factors = None if factors is None else list(factors)
        return F.interpolate(x, size, factors, mode, corners)

    return upsample


def _pad(x: Any, pad: Any, mode: str = "constant", value: Any = None) -> Any:
    return F.pad(x, tuple(pad), mode, value)


def _sequence(kind: str) -> Any:
    """A recurrent network of torch's operators: the parameters come as one list."""
    slots = 2 if kind == "lstm" else 1
    classes = {"lstm": rl.nn.LSTM, "gru": rl.nn.GRU}

    def run(x: Any, hx: Any, params: Any, has_biases: bool, layers: int, dropout: float,
            train: bool, bidirectional: bool, batch_first: bool) -> Any:  # fmt: skip
        hidden = (hx if slots == 1 else hx[0]).shape[-1]
        known = kind.partition("_")[2]
        named = {"nonlinearity": known} if known else {}
        net = classes.get(kind, rl.nn.RNN)(
            x.shape[-1], hidden, layers, bias=has_biases, batch_first=batch_first, dropout=dropout,
            bidirectional=bidirectional, device="meta", **named,
        )  # fmt: skip
        names = list(itertools.chain(*net._all_weights)) if hasattr(net, "_all_weights") else [
            name for name, _ in net.named_parameters()]  # fmt: skip
        net.train(train)
        call = importlib.import_module("rushlight.func").functional_call
        y, state = call(net, dict(zip(names, params)), (x, tuple(hx) if slots == 2 else hx))
        return (y, *state) if slots == 2 else (y, state)

    return run


def _copied(x: Any) -> Any:
    return x.clone()


def _sym_size(x: Any, dim: int) -> int:
    return x.shape[dim]


FORMS = {
    "batch_norm": _batch_norm, "instance_norm": _instance_norm, "layer_norm": _layer_norm,
    "group_norm": _group_norm, "embedding": _embedding, "cross_entropy_loss": _cross_entropy,
    "nll_loss_nd": _nll_loss, "mse_loss": _reduced(F.mse_loss), "l1_loss": _reduced(F.l1_loss),
    "smooth_l1_loss": _reduced(F.smooth_l1_loss), "huber_loss": _reduced(F.huber_loss),
    "binary_cross_entropy_with_logits": _with_logits, "pad": _pad,
    "binary_cross_entropy": _binary_cross_entropy, "lift_fresh_copy": _copied,
    "__and__": operator.and_, "__or__": operator.or_, "__xor__": operator.xor,
    "numpy_T": lambda x: x.permute(*range(x.ndim - 1, -1, -1)), "mT": lambda x: x.mT,
    "mH": lambda x: x.mH, "sym_size": _sym_size, "im2col": F.unfold,
    "zero_": lambda x: x.zero_(), "detach_": lambda x: x.detach_(),
    "scaled_dot_product_attention": F.scaled_dot_product_attention,
    **{f"upsample_nearest{k}d": _upsample("nearest") for k in (1, 2, 3)},
    "upsample_linear1d": _upsample("linear"), "upsample_bilinear2d": _upsample("bilinear"),
    "upsample_trilinear3d": _upsample("trilinear"), "upsample_bicubic2d": _upsample("bicubic"),
    **{kind: _sequence(kind) for kind in ("lstm", "gru", "rnn_tanh", "rnn_relu")},
}  # fmt: skip
