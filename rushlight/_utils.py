"""`torch._utils`: tensors as one flat tensor and back, as averaging and fused steps do it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import rushlight as rl

from .core.names import explain_missing as _explain_missing


def _flatten_dense_tensors(tensors: Sequence[Any]) -> Any:
    """All elements, one tensor after the other, in one dimension."""
    return rl.cat([one.reshape(-1) for one in tensors])


def _unflatten_dense_tensors(flat: Any, tensors: Sequence[Any]) -> tuple[Any, ...]:
    """Views of a flat tensor in the shapes of `tensors`.

    >>> import rushlight as torch
    >>> from rushlight._utils import _flatten_dense_tensors, _unflatten_dense_tensors
    >>> parts = [torch.ones(2), torch.zeros(1, 2)]
    >>> _unflatten_dense_tensors(_flatten_dense_tensors(parts) * 3, parts)
    (tensor([3., 3.]), tensor([[0., 0.]]))
    """
    pieces = flat.split([one.numel() for one in tensors])
    return tuple(piece.view(one.shape) for piece, one in zip(pieces, tensors))


def _get_available_device_type() -> str | None:
    """The kind of accelerator there is: None."""
    return None


def _get_device_module(device_type: str) -> Any:
    """`torch.cuda` for "cuda" and the like. Raises: RuntimeError for a kind that torch has not."""
    module = getattr(rl, device_type, None)
    if module is None:
        raise RuntimeError(
            f"Device '{device_type}' does not have a corresponding module registered as"
            f" 'torch.{device_type}'."
        )
    return module


_explain_missing(__name__)
