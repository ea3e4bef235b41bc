"""What modes and their handlers use among themselves."""

from __future__ import annotations

from typing import Any

from ._python_dispatch import _disable_current_modes

__all__ = ["all_same_mode", "no_dispatch"]


def all_same_mode(modes: Any) -> bool:
    """Whether all modes of a sequence are one.

    >>> from rushlight.utils._mode_utils import all_same_mode
    >>> mode = object()
    >>> all_same_mode([mode, mode]), all_same_mode([mode, object()])
    (True, False)
    """
    return all(mode == modes[0] for mode in modes)


def no_dispatch() -> Any:
    """A block in which no mode sees an operator."""
    return _disable_current_modes()
