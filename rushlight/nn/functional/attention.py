"""Attention: weights from queries and keys, and their mean of the values."""

from __future__ import annotations

import math
import warnings
from typing import Any

import rushlight as rl

from ...functions import neural as n
from ...functions.layouts import in_order

__all__ = [
    "multi_head_attention_forward", "scaled_dot_product_attention",
]  # fmt: skip

Tensor = rl.Tensor
_C_NAMES = {rl.float32: "float", rl.float64: "double", rl.float16: "c10::Half",
            rl.bfloat16: "c10::BFloat16", rl.int64: "long int", rl.int32: "int",
            rl.uint8: "unsigned char", rl.int8: "signed char", rl.int16: "short int"}  # fmt: skip
_NO_WAY = (
    "No viable backend for scaled_dot_product_attention was found. This is likely due to turning"
    " off both the math kernel and the fused kernels."
)


def _check_attention(query: Tensor, key: Tensor, value: Tensor, mask: Any, causal: bool) -> None:
    if mask is not None and causal:
        raise RuntimeError(
            "_scaled_dot_product_attention: Explicit attn_mask should not be set when"
            " is_causal=True"
        )
    q, k, v = query._array, key._array, value._array
    if q.ndim < 2 or k.ndim < 2 or v.ndim < 2:
        raise RuntimeError(
            "Expected query, key, and value to all be  at least 2 dimensional, but got query.dim:"
            f" {query.ndim} key.dim: {key.ndim} and value.dim: {value.ndim} instead."
        )
    if not q.dtype is k.dtype is v.dtype and not query.dtype is key.dtype is value.dtype:
        raise RuntimeError(
            "Expected query, key, and value to have the same dtype, but got query.dtype:"
            f" {_c_name(query)} key.dtype: {_c_name(key)} and value.dtype: {_c_name(value)}"
            " instead."
        )
    if mask is not None and mask.dtype not in (rl.bool, rl.float32, query.dtype):
        raise RuntimeError(
            "Expected attn_mask dtype to be bool or float or to match query dtype, but got"
            f" attn_mask.dtype: {_c_name(mask)} and  query.dtype: {_c_name(query)} instead."
        )


def _c_name(x: Tensor) -> str:
    return _C_NAMES.get(x.dtype, str(x.dtype))


def _repeated_heads(query: Tensor, x: Tensor) -> Tensor:
    """Each head of x for several heads of the query."""
    return x.repeat_interleave(query.shape[-3] // x.shape[-3], -3)


def _past_alone(scores: Tensor) -> Tensor:
    """Scores (*, L, S) with -inf where the key comes after the query."""
    rows, columns = scores.shape[-2:]
    if n.STATE.tracer is None and scores.is_floating_point():
        return scores + n.causal_mask(rows, columns, scores.dtype)  # a third of the time
    return scores.masked_fill(~rl.ones(rows, columns, dtype=rl.bool).tril(), -math.inf)


def _laid_as_query(y: Tensor, query: Tensor, key: Tensor, value: Tensor, mask: Any) -> Tensor:
    """The result in memory as the query lies, where torch's kernel on processors gives it so.

    Heads of a projection are a turned view; users turn the result back and `view` it as rows.
    """
    if query._array.ndim != 4 or query.is_contiguous():
        return y
    steps = query.stride()
    if steps[0] >= steps[1] >= steps[2] or steps[3] != 1 or 0 in steps:
        return y
    batch, heads, _, size = query.shape
    for x in (key, value):
        there = x.shape
        if there[0] != batch or there[1] != heads or there[3] != size:
            return y
    plain = mask is None or (mask.ndim in (2, 4) and not mask.requires_grad)
    if not plain or not rl.backends.attention.flash:
        return y
    return in_order(y, (*sorted(range(3), key=lambda dim: -steps[dim]), 3))


def scaled_dot_product_attention(
    query: Tensor, key: Tensor, value: Tensor, attn_mask: Any = None, dropout_p: float = 0.0,
    is_causal: bool = False, *, scale: float | None = None, enable_gqa: bool = False,
) -> Tensor:  # fmt: skip
    """softmax(q k^T / sqrt(d) + mask) v.

    Shapes: query (*, L, E), key (*, S, E), value (*, S, V), mask broadcast to (*, L, S): True (or a
    number to add) where a key may be seen. A row that may see nothing gives zeros.
    Source: Vaswani et al. 2017, https://arxiv.org/abs/1706.03762

    >>> import rushlight as torch
    >>> q = torch.ones(2, 4, 8)
    >>> torch.nn.functional.scaled_dot_product_attention(q, q, q, is_causal=True).shape
    torch.Size([2, 4, 8])
    """
    ways = rl.backends.attention
    if not (ways.flash or ways.math):
        raise RuntimeError(_NO_WAY)
    _check_attention(query, key, value, attn_mask, is_causal)
    if enable_gqa:
        key, value = _repeated_heads(query, key), _repeated_heads(query, value)
    if scale is None:
        scale = 1 / math.sqrt(query._array.shape[-1])
    kind = query.dtype
    if kind.itemsize < 4:  # half precision: as in float32, rounded once
        mask = attn_mask if attn_mask is None or attn_mask.dtype is rl.bool else attn_mask.float()
        y = scaled_dot_product_attention(
            query.float(), key.float(), value.float(), mask, dropout_p, is_causal, scale=scale
        )
        return _laid_as_query(y.to(kind), query, key, value, attn_mask)
    # (*, L, E) @ (*, E, S) -> (*, L, S)
    scores = (query * scale) @ n.turned(key)
    hidden = None
    if is_causal:
        scores = _past_alone(scores)
    elif attn_mask is not None:
        if attn_mask.dtype is rl.bool:
            scores = scores.masked_fill(~attn_mask, -math.inf)
            hidden = ~attn_mask.any(-1, keepdim=True)
        else:
            scores = scores + attn_mask
            hidden = (attn_mask == -math.inf).all(-1, keepdim=True)
    if hidden is not None and n.some(hidden):  # numbers in their place, for gradients as well
        weights = n.softmax(scores.masked_fill(hidden, 0.0), -1).masked_fill(hidden, 0.0)
    else:
        weights = n.softmax(scores, -1)
    if dropout_p > 0:
        return rl.nn.functional.dropout(weights, dropout_p) @ value
    return _laid_as_query(weights @ value, query, key, value, attn_mask)


def _check_ranks(
    query: Tensor, key: Tensor, value: Tensor, padding: Any, mask: Any, heads: int
) -> None:
    """Refuse what is batched beside what is not, as torch words it."""
    if query.ndim not in (2, 3):
        raise AssertionError(
            "query should be unbatched 2D or batched 3D tensor but received"
            f" {query.ndim}-D query tensor"
        )
    kind = "batched" if query.ndim == 3 else "unbatched"
    if key.ndim != query.ndim or value.ndim != query.ndim:
        raise AssertionError(
            f"For {kind} ({query.ndim}-D) `query`, expected `key` and `value` to be {query.ndim}-D"
            " but"
            f" found {key.ndim}-D and {value.ndim}-D tensors respectively"
        )
    if padding is not None and padding.ndim != query.ndim - 1:
        raise AssertionError(
            f"For {kind} ({query.ndim}-D) `query`, expected `key_padding_mask` to be `None` or"
            f" {query.ndim - 1}-D but found {padding.ndim}-D tensor instead"
        )
    if mask is not None and mask.ndim not in (2, 3):
        raise AssertionError(
            f"For {kind} ({query.ndim}-D) `query`, expected `attn_mask` to be `None`, 2-D or 3-D"
            f" but found {mask.ndim}-D tensor instead"
        )
    wanted = (heads, query.shape[0], key.shape[0])
    if mask is not None and query.ndim == 2 and mask.ndim == 3 and mask.shape != wanted:
        raise AssertionError(f"Expected `attn_mask` shape to be {wanted} but got {mask.shape}")


def _check_heads(
    query: Tensor, key: Tensor, value: Tensor, dim: int, heads: int, separate: bool
) -> None:
    if query.shape[-1] != dim:
        raise AssertionError(
            f"was expecting embedding dimension of {dim}, but got {query.shape[-1]}"
        )
    if dim % heads:
        raise AssertionError(f"embed_dim {dim} not divisible by num_heads {heads}")
    if separate and key.shape[:2] != value.shape[:2]:
        raise AssertionError(
            f"key's sequence and batch dims {key.shape[:2]} do not match value's {value.shape[:2]}"
        )
    if not separate and key.shape != value.shape:
        raise AssertionError(f"key shape {key.shape} does not match value shape {value.shape}")


def _float_mask(mask: Any, name: str, like: Tensor) -> Any:
    """A mask as numbers to add: -inf where a boolean mask says True."""
    if mask is None:
        return None
    if mask.dtype is rl.bool:
        return rl.zeros(mask.shape, dtype=like.dtype).masked_fill(mask, -math.inf)
    if not mask.is_floating_point():
        raise AssertionError(f"only bool and floating types of {name} are supported")
    return mask


def _projected(
    query: Tensor, key: Tensor, value: Tensor, weight: Any, bias: Any, separate: Any
) -> tuple[Tensor, Tensor, Tensor]:
    weights = separate if weight is None else weight.chunk(3)
    biases = (None,) * 3 if bias is None else bias.chunk(3)
    q, k, v = (n.linear(x, w, b) for x, w, b in zip((query, key, value), weights, biases))
    return q, k, v


def _split_heads(x: Tensor, batch: int, heads: int) -> Tensor:
    """(L, N, E) -> (N * heads, L, E / heads)."""
    return x.reshape(x.shape[0], batch * heads, x.shape[2] // heads).transpose(0, 1)


def _joint_mask(mask: Any, padding: Any, batch: int, heads: int, sources: int) -> Any:
    """The masks added into one of (N * heads, L or 1, S)."""
    if mask is not None and mask.ndim == 2:
        mask = mask.unsqueeze(0)
    if padding is None:
        return mask
    padding = padding.reshape(batch, 1, 1, sources).expand(batch, heads, 1, sources)
    padding = padding.reshape(batch * heads, 1, sources)
    return padding if mask is None else mask + padding


def _with_biases(
    k: Tensor, v: Tensor, biases: tuple[Any, Any], static: tuple[Any, Any]
) -> tuple[Tensor, Tensor]:
    """(S, N, E) -> (S + 1, N, E): one more source, learned, where both biases are given."""
    bias_k, bias_v = biases
    if bias_k is None and bias_v is None:
        return k, v
    if bias_v is None:
        raise AssertionError("bias_k is set but bias_v is None")
    if bias_k is None:
        raise AssertionError("bias_v is set but bias_k is None")
    for kind, given in zip(("key", "value"), static):
        if given is not None:
            raise AssertionError(f"bias cannot be added to static {kind}.")
    batch = k.shape[1]
    return rl.cat([k, bias_k.expand(1, batch, -1)]), rl.cat([v, bias_v.expand(1, batch, -1)])


def _or_static(x: Tensor, static: Any, name: str) -> Tensor:
    """The heads (N h, S, d), or what is given in their place."""
    if static is None:
        return x
    for place in (0, 2):
        if static.shape[place] != x.shape[place]:
            raise AssertionError(
                f"expecting {name}.size({place}) of {x.shape[place]}, but got {static.shape[place]}"
            )
    return static


def _open_to(mask: Any, added: int) -> Any:
    """A mask that lets everything attend to `added` more sources."""
    return mask if mask is None or not added else rl.nn.functional.pad(mask, (0, added))


def _attend(
    q: Tensor, k: Tensor, v: Tensor, mask: Any, dropout: float, weights_too: bool, causal: bool
) -> tuple[Tensor, Any]:
    if not weights_too:
        return scaled_dot_product_attention(q, k, v, mask, dropout, causal and mask is None), None
    # (N h, L, d) @ (N h, d, S) -> (N h, L, S)
    scores = (q * math.sqrt(1.0 / q.shape[-1])) @ k.transpose(-2, -1)
    weights = n.softmax(scores if mask is None else scores + mask, -1)
    if dropout > 0:
        weights = rl.nn.functional.dropout(weights, dropout)
    return weights @ v, weights


def _check_masks(attn_mask: Any, padding: Any, sizes: tuple[int, ...]) -> None:
    batch, heads, length, sources = sizes
    if attn_mask is not None and padding is not None and attn_mask.dtype is not padding.dtype:
        warnings.warn(
            "Support for mismatched key_padding_mask and attn_mask is deprecated. Use same type"
            " for both instead.",
            stacklevel=3,
        )
    if attn_mask is not None:
        wanted = (length, sources) if attn_mask.ndim == 2 else (batch * heads, length, sources)
        if attn_mask.ndim not in (2, 3):
            raise RuntimeError(f"attn_mask's dimension {attn_mask.ndim} is not supported")
        if tuple(attn_mask.shape) != wanted:
            raise RuntimeError(
                f"The shape of the {attn_mask.ndim}D attn_mask is {attn_mask.shape}, but should be"
                f" {wanted}."
            )
    given = () if padding is None else padding.shape
    for place, (size, wanted) in enumerate(zip(given, (batch, sources))):
        if size != wanted:
            raise AssertionError(
                f"Expected key_padded_mask.shape[{place}] to be {wanted}, but got {size}"
            )


_CAUSAL_WITHOUT_MASK = (
    "Need attn_mask if specifying the is_causal hint. You may use the Transformer module method"
    " `generate_square_subsequent_mask` to create this mask."
)


def multi_head_attention_forward(
    query: Tensor, key: Tensor, value: Tensor, embed_dim_to_check: int, num_heads: int,
    in_proj_weight: Any, in_proj_bias: Any, bias_k: Any, bias_v: Any, add_zero_attn: bool,
    dropout_p: float, out_proj_weight: Tensor, out_proj_bias: Any, training: bool = True,
    key_padding_mask: Any = None, need_weights: bool = True, attn_mask: Any = None,
    use_separate_proj_weight: bool = False, q_proj_weight: Any = None, k_proj_weight: Any = None,
    v_proj_weight: Any = None, static_k: Any = None, static_v: Any = None,
    average_attn_weights: bool = True, is_causal: bool = False,
) -> tuple[Tensor, Any]:  # fmt: skip
    """Attention in several heads: project, attend in each head, join, project.

    Shapes: query (L, N, E), key and value (S, N, *) (or all without N), in_proj_weight (3 E, E).
    Gives the result (L, N, E) and the weights (N, L, S), averaged over heads, or None.
    Source: Vaswani et al. 2017, https://arxiv.org/abs/1706.03762

    >>> import rushlight as torch
    >>> x, w = torch.zeros(5, 1, 4), torch.zeros(12, 4)
    >>> y, weights = torch.nn.functional.multi_head_attention_forward(
    ...     x, x, x, 4, 2, w, None, None, None, False, 0.0, torch.eye(4), None
    ... )
    >>> y.shape, weights.shape
    (torch.Size([5, 1, 4]), torch.Size([1, 5, 5]))
    """
    _check_ranks(query, key, value, key_padding_mask, attn_mask, num_heads)
    batched = query.ndim == 3
    if not batched:
        query, key, value = (x.unsqueeze(1) for x in (query, key, value))
        if key_padding_mask is not None:
            key_padding_mask = key_padding_mask.unsqueeze(0)
    if is_causal and attn_mask is None:
        raise RuntimeError(_CAUSAL_WITHOUT_MASK)
    if is_causal and key_padding_mask is None and not need_weights:
        attn_mask = None  # the hint goes before the mask
    _check_heads(query, key, value, embed_dim_to_check, num_heads, use_separate_proj_weight)
    length, batch, width = query.shape
    separate = (q_proj_weight, k_proj_weight, v_proj_weight)
    q, k, v = _projected(query, key, value, None if use_separate_proj_weight else in_proj_weight,
                         in_proj_bias, separate)  # fmt: skip
    _check_masks(attn_mask, key_padding_mask, (batch, num_heads, length, k.shape[0]))
    mask = _float_mask(attn_mask, "attn_mask", q)
    padding = _float_mask(key_padding_mask, "key_padding_mask", q)
    k, v = _with_biases(k, v, (bias_k, bias_v), (static_k, static_v))
    q, k, v = (_split_heads(x, batch, num_heads) for x in (q, k, v))
    k, v = _or_static(k, static_k, "static_k"), _or_static(v, static_v, "static_v")
    if add_zero_attn:
        k, v = (rl.cat([x, rl.zeros(x.shape[0], 1, x.shape[2], dtype=x.dtype)], 1) for x in (k, v))
    added = (bias_k is not None and bias_v is not None) + bool(add_zero_attn)
    mask, padding = (_open_to(x, added) for x in (mask, padding))
    joint = _joint_mask(mask, padding, batch, num_heads, k.shape[1])
    y, weights = _attend(q, k, v, joint, dropout_p if training else 0.0, need_weights, is_causal)
    # (N h, L, d) -> (L, N, E)
    y = y.transpose(0, 1).reshape(length * batch, width)
    y = n.linear(y, out_proj_weight, out_proj_bias)
    y = y.reshape(length, batch, out_proj_weight.shape[0])
    if weights is not None:
        weights = weights.reshape(batch, num_heads, length, weights.shape[2])
        weights = weights.mean(1) if average_attn_weights else weights
    if not batched:
        y = y.squeeze(1)
        weights = None if weights is None else weights.squeeze(0)
    return y, weights
