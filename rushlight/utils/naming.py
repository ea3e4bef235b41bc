"""Under which module something prints."""

from __future__ import annotations

from typing import Any

__all__ = ["set_module"]


def set_module(obj: Any, mod: str) -> None:
    """Let a class or function say that it stands in the module of that name.

    Raises: TypeError for a name that is no text.

    >>> import rushlight as torch
    >>> class Layer:
    ...     pass
    >>> torch.utils.set_module(Layer, "layers")
    >>> Layer
    <class 'layers.Layer'>
    """
    if not isinstance(mod, str):
        raise TypeError("The mod argument should be a string")
    obj.__module__ = mod
