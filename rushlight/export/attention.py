"""Multi-head attention as the operators that torch's function of that name calls."""

from __future__ import annotations

import math
from typing import Any

import rushlight as rl


def multi_head_attention(
    rec: Any, query: Any, key: Any, value: Any, embed_dim_to_check: int, num_heads: int,
    in_proj_weight: Any, in_proj_bias: Any, bias_k: Any, bias_v: Any, add_zero_attn: bool,
    dropout_p: float, out_proj_weight: Any, out_proj_bias: Any, training: bool = True,
    key_padding_mask: Any = None, need_weights: bool = True, attn_mask: Any = None,
    use_separate_proj_weight: bool = False, q_proj_weight: Any = None, k_proj_weight: Any = None,
    v_proj_weight: Any = None, static_k: Any = None, static_v: Any = None,
    average_attn_weights: bool = True, is_causal: bool = False,
) -> tuple[Any, Any]:  # fmt: skip
    """What `F.multi_head_attention_forward` gives, noted step by step."""
    others = (bias_k, bias_v, static_k, static_v)
    if (
        query.ndim != 3
        or use_separate_proj_weight
        or add_zero_attn
        or any(x is not None for x in others)
    ):
        raise rec.unsupported(
            "attention without a batch, with weights apart, added keys or static keys"
        )
    call, (length, batch, size), heads = rec.call, query.shape, num_heads
    lowest, each = batch * heads, size // heads
    q, k, v = _projected(rec, query, key, value, in_proj_weight, in_proj_bias)
    q, k, v = (
        call("transpose", call("view", x, [x.shape[0], lowest, each]), 0, 1) for x in (q, k, v)
    )
    causal = is_causal and key_padding_mask is None and not need_weights
    mask = None if causal else _mask(rec, q, k, attn_mask, key_padding_mask, batch, heads)
    dropout = dropout_p if training else 0.0
    if need_weights:
        y, weights = _step_by_step(rec, q, k, v, mask, dropout)
    else:
        y, weights = _in_one(rec, q, k, v, mask, dropout, causal, heads), None
    y = _put_out(rec, y, (length, batch, size), out_proj_weight, out_proj_bias)
    if weights is not None:
        weights = call("view", weights, [batch, heads, length, k.shape[1]])
        weights = call("mean", weights, 1) if average_attn_weights else weights
    return y, weights


def _step_by_step(
    rec: Any, q: Any, k: Any, v: Any, mask: Any, dropout: float
) -> tuple[Any, Any]:  # fmt: skip
    """The result of all heads, and the weights, where these are wanted."""
    call = rec.call
    scaled = call("mul", q, math.sqrt(1.0 / q.shape[-1]))
    turned = call("transpose", k, -2, -1)
    scores = call("bmm", scaled, turned) if mask is None else (
        call("baddbmm", mask, scaled, turned))  # fmt: skip
    weights = call("softmax", scores, -1)
    kept = call("dropout", weights, dropout, True) if dropout > 0 else weights
    return call("transpose", call("bmm", kept, v), 0, 1), weights


def _in_one(
    rec: Any, q: Any, k: Any, v: Any, mask: Any, dropout: float, causal: bool, heads: int
) -> Any:
    """The result of all heads by the one operator of attention."""
    call, batch = rec.call, q.shape[0] // heads
    if mask is not None:
        apart = mask.ndim == 3 and mask.shape[0] != 1
        mask = (call("view", mask, [batch, heads, -1, k.shape[1]]) if apart
                else call("unsqueeze", mask, 0))  # fmt: skip
    parts = [call("view", x, [batch, heads, *x.shape[1:]]) for x in (q, k, v)]
    y = call("scaled_dot_product_attention", *parts, mask, dropout, causal)
    return call("permute", y, [2, 0, 1, 3])


def _projected(rec: Any, query: Any, key: Any, value: Any, weight: Any, bias: Any) -> Any:
    """Queries, keys and values: by one product where they come from the same tensor."""
    call, size = rec.call, query.shape[-1]
    if key is value and query is key:
        return _apart(rec, call("linear", query, weight, bias), 3, size)
    biases: Any = (None, None, None)
    if key is value:
        weights = call("split_with_sizes", weight, [size, 2 * size])
        biases = biases if bias is None else call("split_with_sizes", bias, [size, 2 * size])
        q = call("linear", query, weights[0], biases[0])
        return (q, *_apart(rec, call("linear", key, weights[1], biases[1]), 2, size))
    weights = call("chunk", weight, 3)
    biases = biases if bias is None else call("chunk", bias, 3)
    return tuple(call("linear", x, w, b) for x, w, b in zip((query, key, value), weights, biases))


def _apart(rec: Any, joint: Any, count: int, size: int) -> Any:
    """The parts of a product that stand side by side."""
    call = rec.call
    x = call("unsqueeze", call("unflatten", joint, -1, [count, size]), 0)
    x = call("contiguous", call("squeeze", call("transpose", x, 0, -2), -2))
    return [call("select", x, 0, place) for place in range(count)]


def _mask(rec: Any, q: Any, k: Any, attn_mask: Any, padding: Any, batch: int, heads: int) -> Any:
    """Both masks as one tensor to be added; None without any."""
    call = rec.call

    def floating(mask: Any) -> Any:
        if mask is None or mask.dtype is not rl.bool:
            return mask
        zeros = call("zeros_like", mask, dtype=q.dtype)
        return call("masked_fill_", zeros, mask, -math.inf)

    attn_mask, padding = floating(attn_mask), floating(padding)
    if attn_mask is not None and attn_mask.ndim == 2:
        attn_mask = call("unsqueeze", attn_mask, 0)
    if padding is None:
        return attn_mask
    length = k.shape[1]
    padding = call("expand", call("view", padding, [batch, 1, 1, length]), [-1, heads, -1, -1])
    padding = call("reshape", padding, [batch * heads, 1, length])
    return padding if attn_mask is None else call("add", attn_mask, padding)


def _put_out(rec: Any, y: Any, shape: tuple[int, int, int], weight: Any, bias: Any) -> Any:
    length, batch, size = shape
    y = rec.call("linear", rec.call("reshape", y, [length * batch, size]), weight, bias)
    return rec.call("view", y, [length, batch, y.shape[1]])
