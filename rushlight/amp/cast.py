"""Casts operands, and remembers the weights that were cast before."""

from __future__ import annotations

import threading
from typing import Any

import rushlight as rl


class _Cache(threading.local):
    """Weights in the fast type, kept until the outermost region of the thread is left."""

    enabled = True
    depth = 0

    def __init__(self) -> None:
        self.kept: dict[tuple[int, Any], tuple[Any, Any]] = {}


class _Chosen(threading.local):
    """The fast type of each device outside of regions, and devices that are switched on."""

    def __init__(self) -> None:
        self.types: dict[str, Any] = {"cpu": rl.bfloat16}
        self.on: set[str] = set()  # others than the CPU, where nothing comes of it


CACHE, CHOSEN = _Cache(), _Chosen()


def clear_autocast_cache() -> None:
    """Forget the weights that were cast.

    >>> import rushlight as torch
    >>> torch.clear_autocast_cache()
    """
    CACHE.kept.clear()


def to_kind(value: Any, kind: Any) -> Any:
    """A tensor of floats (but float64) in `kind`; leaves that learn are cast once per region."""
    if not isinstance(value, rl.Tensor):
        return value
    now = value.dtype
    if now is kind or not now.is_floating_point or now is rl.float64:
        return value
    once = CACHE.enabled and value.is_leaf and value.requires_grad and now is rl.float32
    if not (once and CACHE.depth and rl.is_grad_enabled()):
        return value.to(kind)
    key = (id(value), kind)
    if key not in CACHE.kept:
        CACHE.kept[key] = (value, value.to(kind))
    return CACHE.kept[key][1]
