"""MultiheadAttention, and the choice of how attention is computed."""

from __future__ import annotations

import contextlib
import enum
from collections.abc import Iterator
from typing import Any

import rushlight as rl

from ...core.names import explain_missing as _explain_missing
from .. import functional as F
from .. import init
from ..layers_linear import NonDynamicallyQuantizableLinear
from ..module import Module
from ..parameter import Parameter


class SDPBackend(enum.IntEnum):
    """The ways of scaled_dot_product_attention that torch has names for.

    Here there is one, which stands for the two that torch has on a CPU: MATH, FLASH_ATTENTION.

    >>> from rushlight.nn.attention import SDPBackend
    >>> SDPBackend.MATH.name, len(SDPBackend.__members__)
    ('MATH', 6)
    """

    ERROR = -1
    MATH = 0
    FLASH_ATTENTION = 1
    EFFICIENT_ATTENTION = 2
    CUDNN_ATTENTION = 3
    OVERRIDEABLE = 4

    __str__ = enum.Enum.__str__


_FLAGS = {
    "flash": SDPBackend.FLASH_ATTENTION,
    "mem_efficient": SDPBackend.EFFICIENT_ATTENTION,
    "math": SDPBackend.MATH,
    "cudnn": SDPBackend.CUDNN_ATTENTION,
}


@contextlib.contextmanager
def sdpa_kernel(backends: Any, set_priority: bool = False) -> Iterator[dict[Any, Any]]:
    """The ways that scaled_dot_product_attention may take inside the block.

    Their order (`set_priority`) has no effect. Attention raises RuntimeError where none of those
    given can run on a CPU.

    >>> import rushlight as torch
    >>> q = torch.ones(1, 2, 4)
    >>> with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
    ...     torch.nn.functional.scaled_dot_product_attention(q, q, q).shape
    torch.Size([1, 2, 4])
    """
    if not isinstance(backends, (list, SDPBackend)):
        raise AssertionError(
            "Backend must be an instance of SDPBackend or a list of SDPBackend instances, got"
            f" {type(backends).__name__}"
        )
    wanted = [backends] if isinstance(backends, SDPBackend) else backends
    flags = vars(rl.backends.attention)
    before = dict(flags)
    flags.update({name: way in wanted for name, way in _FLAGS.items()})
    try:
        yield {}
    finally:
        flags.update(before)


class MultiheadAttention(Module):
    """softmax(Q K^T / sqrt(d)) V in `num_heads` heads, between learned projections.

    Shapes: query (L, N, E), key (S, N, kdim), value (S, N, vdim), or batch first; output (L, N, E)
    and, with need_weights, the weights (N, L, S) (averaged over the heads) or (N, heads, L, S).
    Source: Vaswani et al., 2017.

    >>> import rushlight as torch
    >>> x = torch.zeros(5, 2, 8)
    >>> output, weights = torch.nn.MultiheadAttention(8, 2)(x, x, x)
    >>> weights.shape
    torch.Size([2, 5, 5])
    """

    __constants__ = ["batch_first"]

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if embed_dim <= 0 or num_heads <= 0:
            raise ValueError(
                "embed_dim and num_heads must be greater than 0, got "
                f"embed_dim={embed_dim} and num_heads={num_heads} instead"
            )
        super().__init__()
        self.embed_dim = embed_dim
        self.kdim = embed_dim if kdim is None else kdim
        self.vdim = embed_dim if vdim is None else vdim
        self._qkv_same_embed_dim = self.kdim == embed_dim and self.vdim == embed_dim
        self.num_heads = num_heads
        self.dropout = dropout
        self.batch_first = batch_first
        self.head_dim = embed_dim // num_heads
        if self.head_dim * num_heads != embed_dim:
            raise AssertionError("embed_dim must be divisible by num_heads")
        made = {"device": device, "dtype": dtype}
        self._make_projections(made)
        bias_in = Parameter(rl.empty(3 * embed_dim, **made)) if bias else None
        self.register_parameter("in_proj_bias", bias_in)
        self.out_proj = NonDynamicallyQuantizableLinear(embed_dim, embed_dim, bias=bias, **made)
        for name in ("bias_k", "bias_v"):
            extra = Parameter(rl.empty((1, 1, embed_dim), **made)) if add_bias_kv else None
            self.register_parameter(name, extra)
        self.add_zero_attn = add_zero_attn
        self._reset_parameters()

    def _make_projections(self, made: dict[str, Any]) -> None:
        """One stacked input projection if all sizes agree, otherwise three."""
        embed = self.embed_dim
        apart = {"q_proj_weight": embed, "k_proj_weight": self.kdim, "v_proj_weight": self.vdim}
        if self._qkv_same_embed_dim:
            self.in_proj_weight = Parameter(rl.empty((3 * embed, embed), **made))
        for name, columns in apart.items():
            empty = None if self._qkv_same_embed_dim else rl.empty((embed, columns), **made)
            self.register_parameter(name, None if empty is None else Parameter(empty))
        if not self._qkv_same_embed_dim:
            self.register_parameter("in_proj_weight", None)

    def _reset_parameters(self) -> None:
        for weight in (
            self.in_proj_weight, self.q_proj_weight, self.k_proj_weight, self.v_proj_weight,
        ):  # fmt: skip
            if weight is not None:
                init.xavier_uniform_(weight)
        if self.in_proj_bias is not None:
            init.constant_(self.in_proj_bias, 0.0)
            init.constant_(self.out_proj.bias, 0.0)
        if self.bias_k is not None:
            init.xavier_normal_(self.bias_k)
        if self.bias_v is not None:
            init.xavier_normal_(self.bias_v)

    def __setstate__(self, state: dict) -> None:
        state.setdefault("_qkv_same_embed_dim", True)
        super().__setstate__(state)

    def forward(
        self,
        query: Any,
        key: Any,
        value: Any,
        key_padding_mask: Any = None,
        need_weights: bool = True,
        attn_mask: Any = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Any, Any]:
        """Attend; masks are True (or -inf) where attention is forbidden."""
        flip = self.batch_first and query.dim() == 3
        if flip:
            key_is_query, value_is_key = key is query, value is key
            query = query.transpose(1, 0)
            key = query if key_is_query else key.transpose(1, 0)
            value = key if value_is_key else value.transpose(1, 0)
        apart: dict[str, Any] = {}
        if not self._qkv_same_embed_dim:
            apart = {
                "use_separate_proj_weight": True,
                "q_proj_weight": self.q_proj_weight,
                "k_proj_weight": self.k_proj_weight,
                "v_proj_weight": self.v_proj_weight,
            }
        output, weights = F.multi_head_attention_forward(
            query,
            key,
            value,
            self.embed_dim,
            self.num_heads,
            self.in_proj_weight,
            self.in_proj_bias,
            self.bias_k,
            self.bias_v,
            self.add_zero_attn,
            self.dropout,
            self.out_proj.weight,
            self.out_proj.bias,
            training=self.training,
            key_padding_mask=key_padding_mask,
            need_weights=need_weights,
            attn_mask=attn_mask,
            average_attn_weights=average_attn_weights,
            is_causal=is_causal,
            **apart,
        )
        return output.transpose(1, 0) if flip else output, weights


_explain_missing(__name__, {
    "flex_attention": ("rushlight.nn.attention.flex_attention", None),
})  # fmt: skip
