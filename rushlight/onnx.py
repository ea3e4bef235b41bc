"""torch.onnx: whether a model is being exported. There is no export here, so it never is."""

from __future__ import annotations

__all__ = ["is_in_onnx_export"]


def is_in_onnx_export() -> bool:
    """False: models ask this to choose a simpler way where one is exported.

    >>> import rushlight as torch
    >>> torch.onnx.is_in_onnx_export()
    False
    """
    return False
