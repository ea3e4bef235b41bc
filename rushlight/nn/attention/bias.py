"""Causal masks of attention, given by their sizes alone."""

from __future__ import annotations

import enum
import warnings
from typing import Any

import rushlight as rl

__all__ = ["causal_upper_left", "causal_lower_right", "CausalVariant", "CausalBias"]


class CausalVariant(enum.IntEnum):
    """Where the diagonal of a mask that is not square begins, or ends: at the first, or last, key.

    >>> from rushlight.nn.attention.bias import CausalVariant
    >>> [variant.name for variant in CausalVariant]
    ['UPPER_LEFT', 'LOWER_RIGHT']
    """

    UPPER_LEFT = 1
    LOWER_RIGHT = 2


class CausalBias(rl.Tensor):
    """A causal mask of `seq_len_q` rows and `seq_len_kv` columns, told and not stored.

    It is handed to `scaled_dot_product_attention` as `attn_mask`.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.attention.bias.CausalBias.html

    >>> import rushlight as torch
    >>> torch.nn.attention.bias.causal_lower_right(2, 3)
    tensor([[ True,  True, False],
            [ True,  True,  True]])
    """

    def __init__(self, variant: CausalVariant, seq_len_q: int, seq_len_kv: int) -> None:
        if not isinstance(variant, CausalVariant):
            raise AssertionError(f"variant must be a CausalVariant, got {type(variant)}")
        self.variant, self.seq_len_q, self.seq_len_kv = variant, seq_len_q, seq_len_kv
        if variant is CausalVariant.LOWER_RIGHT and seq_len_q > seq_len_kv:
            warnings.warn(
                "Lower right causal bias will produce NaNs in the output when seq_len_q >"
                " seq_len_kv!",
                stacklevel=3,
            )

    def _materialize(self, device: Any = None) -> Any:
        """The mask itself, True where a key may be seen."""
        shift = self.seq_len_kv - self.seq_len_q
        diagonal = shift if self.variant is CausalVariant.LOWER_RIGHT else 0
        seen = rl.ones(self.seq_len_q, self.seq_len_kv, device=device, dtype=rl.bool)
        return rl.tril(seen, diagonal=diagonal)

    @classmethod
    def __torch_function__(
        cls, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        attention = rl.nn.functional.scaled_dot_product_attention
        if func is not attention:
            inherited: Any = super()
            return inherited.__torch_function__(func, types, args, kwargs or {})
        return _attend(*args, **(kwargs or {}))

    def __repr__(self, **kwargs: Any) -> str:  # as the mask is shown, like torch's
        return repr(self._materialize())


def _attend(
    query: Any, key: Any, value: Any, attn_mask: Any = None, dropout_p: float = 0.0,
    is_causal: bool = False, *, scale: float | None = None, enable_gqa: bool = False,
) -> Any:  # fmt: skip
    if is_causal:
        raise ValueError("CausalBias should not be used with causal=True")
    from_corner = attn_mask.variant is CausalVariant.UPPER_LEFT
    alone = from_corner or attn_mask.seq_len_q == attn_mask.seq_len_kv
    return rl.nn.functional.scaled_dot_product_attention(
        query, key, value, None if alone else attn_mask._materialize(query.device), dropout_p,
        alone, scale=scale, enable_gqa=enable_gqa,
    )  # fmt: skip


def causal_upper_left(*size: int) -> CausalBias:
    """A causal mask whose diagonal begins at the first key. Shape: (rows, columns).

    Raises: AssertionError for another number of sizes.

    >>> import rushlight as torch
    >>> from rushlight.nn.attention.bias import causal_upper_left
    >>> q, k = torch.zeros(1, 2, 4), torch.zeros(1, 3, 4)
    >>> mask = causal_upper_left(2, 3)  # the first query sees the first key alone
    >>> torch.nn.functional.scaled_dot_product_attention(q, k, k, attn_mask=mask).shape
    torch.Size([1, 2, 4])
    """
    return _of(CausalVariant.UPPER_LEFT, "causal_upper_left", size)


def causal_lower_right(*size: int) -> CausalBias:
    """A causal mask whose diagonal ends at the last key. Shape: (rows, columns).

    Raises: AssertionError for another number of sizes.

    >>> import rushlight as torch
    >>> from rushlight.nn.attention.bias import causal_lower_right
    >>> q, k = torch.zeros(1, 2, 4), torch.zeros(1, 3, 4)
    >>> mask = causal_lower_right(2, 3)  # the last query sees all keys
    >>> torch.nn.functional.scaled_dot_product_attention(q, k, k, attn_mask=mask).shape
    torch.Size([1, 2, 4])
    """
    return _of(CausalVariant.LOWER_RIGHT, "causal_lower_right", size)


def _of(variant: CausalVariant, name: str, size: tuple[int, ...]) -> CausalBias:
    if len(size) != 2:
        raise AssertionError(f"{name} only supports 2D tensors")
    rows, columns = size
    made: Any = CausalBias(variant, rows, columns)  # the class's base tells another result
    return made
