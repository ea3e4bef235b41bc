"""Sharing memory with other libraries by DLPack.

Source: https://pytorch.org/docs/stable/dlpack.html
"""

from __future__ import annotations

from typing import Any

import rushlight as rl

__all__ = ["from_dlpack", "to_dlpack"]


from_dlpack = rl.from_dlpack


def to_dlpack(tensor: Any) -> Any:
    """A DLPack capsule of a tensor's memory, which another library, or `from_dlpack`, takes once.

    Raises: BufferError for a tensor that requires a gradient.
    Source: https://docs.pytorch.org/docs/stable/dlpack.html

    >>> import rushlight as torch
    >>> x = torch.tensor([1.0, 2.0])
    >>> torch.utils.dlpack.from_dlpack(torch.utils.dlpack.to_dlpack(x))
    tensor([1., 2.])
    """
    return tensor.__dlpack__()
