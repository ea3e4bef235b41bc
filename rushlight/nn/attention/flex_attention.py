"""Attention with a user's function applied to its scores, and masks given as functions.

Source: https://pytorch.org/docs/stable/nn.attention.flex_attention.html
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple, TypedDict

import rushlight as rl

from .block_mask import (
    _DEFAULT_SPARSE_BLOCK_SIZE,
    BlockMask,
    and_masks,
    create_block_mask,
    create_mask,
    noop_mask,
    of_places,
    or_masks,
)  # fmt: skip

__all__ = [
    "AuxOutput", "AuxRequest", "BlockMask", "FlexKernelOptions", "and_masks", "create_block_mask",
    "create_mask", "flex_attention", "noop_mask", "or_masks",
]  # fmt: skip
assert _DEFAULT_SPARSE_BLOCK_SIZE


class AuxRequest(NamedTuple):
    """What `flex_attention` is to return beside its output.

    >>> import rushlight as torch
    >>> from rushlight.nn.attention.flex_attention import AuxRequest, flex_attention
    >>> q = torch.zeros(1, 1, 2, 4)
    >>> y, more = flex_attention(q, q, q, return_aux=AuxRequest(lse=True))
    >>> more.lse
    tensor([[[0.6931, 0.6931]]])
    """

    lse: bool = False
    max_scores: bool = False


class AuxOutput(NamedTuple):
    """What `flex_attention` returned beside its output.

    >>> import rushlight as torch
    >>> from rushlight.nn.attention.flex_attention import AuxRequest, flex_attention
    >>> q = torch.zeros(1, 1, 2, 4)
    >>> more = flex_attention(q, q, q, return_aux=AuxRequest(lse=True))[1]
    >>> type(more).__name__, more.lse.shape, more.max_scores
    ('AuxOutput', torch.Size([1, 1, 2]), None)
    """

    lse: Any = None
    max_scores: Any = None


class FlexKernelOptions(TypedDict, total=False):
    """Hints to a GPU's kernel; they are taken and change nothing on the CPU.

    >>> import rushlight as torch
    >>> from rushlight.nn.attention.flex_attention import FlexKernelOptions, flex_attention
    >>> options: FlexKernelOptions = {"BLOCK_M": 64}
    >>> q = torch.zeros(1, 1, 2, 4)
    >>> flex_attention(q, q, q, kernel_options=options).shape
    torch.Size([1, 1, 2, 4])
    """

    num_warps: int
    num_stages: int
    BLOCK_M: int
    BLOCK_N: int
    PRESCALE_QK: bool
    BACKEND: str


def _checked(query: Any, key: Any, value: Any, mask: Any, shared: bool) -> None:
    """torch's errors for operands that do not belong together."""
    if query.dim() != 4 or key.dim() != 4 or value.dim() != 4:
        raise NotImplementedError("NYI: query, key, and value must be 4D tensors")
    if query.size(-1) != key.size(-1):
        raise ValueError(
            "Expect query and key/value to have the same embedding dimension but got"
            f" E={query.size(-1)} and E={key.size(-1)}."
        )
    if not shared and query.size(-3) != key.size(-3):
        raise ValueError(
            "Expect query and key/value to have the same number of heads but got"
            f" Hq={query.size(-3)} and Hkv={key.size(-3)}. Try setting enable_gqa=True for GQA."
        )
    if query.size(-3) % key.size(-3):
        raise ValueError(
            "Expect number of query heads to be a multiple of kv heads for GQA but got"
            f" Hq={query.size(-3)} and Hkv={key.size(-3)}."
        )
    if query.size(0) != key.size(0) and (mask is None or key.size(0) != 1):
        raise ValueError(
            "Expect query and key/value to have the same batch size, or non-none block_mask, but"
            f" got block_mask={mask}, Bq={query.size(0)}, and Bkv={key.size(0)}."
        )
    if mask is not None and mask.seq_lengths != (query.size(-2), key.size(-2)):
        raise ValueError(
            f"block_mask was created for block_mask.shape={mask.shape} but got"
            f" q_len={query.size(-2)} and kv_len={key.size(-2)}. As the block mask was created for"
            " another length than you're using it for, create a new block mask."
        )


def flex_attention(
    query: Any, key: Any, value: Any, score_mod: Callable[..., Any] | None = None,
    block_mask: BlockMask | None = None, scale: float | None = None, enable_gqa: bool = False,
    return_lse: bool = False, kernel_options: Any = None, *, return_aux: AuxRequest | None = None,
) -> Any:  # fmt: skip
    """softmax(score_mod(scale * Q K^T)) V, where `block_mask` lets pass.

    Shapes: query (B, H, L, E), key (B, H, S, E), value (B, H, S, V), output (B, H, L, V).
    Arguments: `score_mod(score, b, h, q_idx, kv_idx)` and the mask's function are written for one
    score; `scale`, 1 / sqrt(E); `enable_gqa`, heads of key and value serve several of the query;
    `return_aux`, the log of the softmax's sum too. Rows that nothing reaches give 0.
    All scores are computed: masks save no time here, and gradients flow as through other ops.
    Raises ValueError for sizes that do not fit.

    >>> import rushlight as torch
    >>> from torch.nn.attention.flex_attention import flex_attention  # doctest: +SKIP
    >>> q = torch.ones(1, 1, 3, 4)
    >>> flex_attention(q, q, q, lambda score, b, h, i, j: score - (i - j).abs()).shape
    torch.Size([1, 1, 3, 4])
    """
    _checked(query, key, value, block_mask, enable_gqa)
    if return_aux is not None and return_aux.max_scores:
        raise NotImplementedError("Returning max scores is not supported on CPU/MPS.")
    wide = rl.float64 if query.dtype is rl.float64 else rl.float32
    groups = query.size(1) // key.size(1)
    if groups > 1:
        key, value = (x.repeat_interleave(groups, dim=1) for x in (key, value))
    scores = (query @ key.to(query.dtype).transpose(-2, -1)).to(wide)
    scores = scores * (1 / math.sqrt(query.size(-1)) if scale is None else scale)
    if score_mod is not None:
        scores = of_places(score_mod, scores.shape, scores).to(wide)
    if block_mask is not None:
        allowed = of_places(block_mask.mask_mod, scores.shape)
        scores = scores.masked_fill(~allowed, -math.inf)
    lse = scores.logsumexp(-1)
    weights = (scores - lse.masked_fill(lse == -math.inf, 0).unsqueeze(-1)).exp()
    output = weights.to(query.dtype) @ value.to(query.dtype)
    if return_aux is not None:
        return output, AuxOutput(lse if return_aux.lse else None)
    return (output, lse) if return_lse else output
