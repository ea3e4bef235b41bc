"""Scaled dot-product attention: torch's single operator on the CPU, or its steps one by one."""

from __future__ import annotations

import math
from typing import Any

import rushlight as rl

from .layers import gradients_of
from .operators import OPERATORS, Saved, call, composite, operator, run

F = rl.nn.functional
_NAME = "_scaled_dot_product_flash_attention_for_cpu"


def _backward(saved: Saved, g: Any) -> Any:
    q, k, v, *rest = saved.args
    dropout, causal = (*rest, *(0.0, False)[len(rest) :])
    total = saved.outputs[0]
    named = {"attn_mask": saved.kwargs.get("attn_mask")}
    if saved.kwargs.get("scale") is not None:
        named["scale"] = saved.kwargs["scale"]
    return list(OPERATORS[f"{_NAME}_backward.default"](
        g, q, k, v, saved.y, total, dropout, causal, **named
    ))  # fmt: skip


@operator(f"{_NAME}.default", _backward, "0 1 2 y more")
def _flash(q: Any, k: Any, v: Any, dropout: float = 0.0, causal: bool = False, *,
           attn_mask: Any = None, scale: Any = None) -> Any:  # fmt: skip
    y = F.scaled_dot_product_attention(q, k, v, attn_mask, dropout, causal, scale=scale)
    scores = q @ k.mT * (1 / math.sqrt(q.shape[-1]) if scale is None else scale)
    if causal:
        scores = scores + rl.full(scores.shape[-2:], -math.inf).triu(1)
    if attn_mask is not None:
        scores = scores + attn_mask
    return y, scores.logsumexp(-1)


@operator(f"{_NAME}_backward.default")
def _flash_back(g: Any, q: Any, k: Any, v: Any, y: Any, total: Any, dropout: float, causal: bool,
                *, attn_mask: Any = None, scale: Any = None) -> Any:  # fmt: skip
    def again(a: Any, b: Any, c: Any) -> Any:
        return F.scaled_dot_product_attention(a, b, c, attn_mask, dropout, causal, scale=scale)

    return tuple(gradients_of(again, (q, k, v), (True, True, True), g))


@composite("scaled_dot_product_attention")
def _attention(
    q: Any, k: Any, v: Any, mask: Any = None, dropout: float = 0.0, causal: bool = False,
    *, scale: Any = None, enable_gqa: bool = False,
) -> Any:  # fmt: skip
    if enable_gqa or (mask is not None and mask.requires_grad):
        return NotImplemented
    if mask is not None and mask.dtype is rl.bool:
        mask = rl.zeros(mask.shape, dtype=q.dtype).masked_fill_(mask.logical_not(), -math.inf)
    if dropout == 0.0 and q.ndim == 4:
        named = {"attn_mask": mask, "scale": scale}
        rest = [0.0, True] if causal else []
        named = {key: one for key, one in named.items() if one is not None}
        return run(f"{_NAME}.default", q, k, v, *rest, **named)[0]
    return _steps(q, k, v, mask, dropout, causal, scale)


def _steps(q: Any, k: Any, v: Any, mask: Any, dropout: float, causal: bool, scale: Any) -> Any:
    """Products and softmax, each factor taking the root of the scale."""
    if causal:
        mask = rl.zeros(q.shape[-2], k.shape[-2], dtype=q.dtype)
        mask = mask.masked_fill_(rl.ones_like(mask, dtype=rl.bool).triu(1), -math.inf)
    root = math.sqrt(1 / math.sqrt(q.shape[-1]) if scale is None else scale)
    q = run("mul.Scalar", q, root)
    turned = run("mul.Scalar", run("transpose.int", k, -2, -1), root)
    scores = call("matmul", q, turned)
    scores = scores if mask is None else call("add", scores, mask)
    weights = run("_safe_softmax.default", scores, -1)
    return call("matmul", call("dropout", weights, dropout, True), v)
