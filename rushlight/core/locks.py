"""Locks that a forked child finds open, whoever held them in the parent."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable
from typing import Any

_made: weakref.WeakKeyDictionary[Any, Callable[[], Any]] = weakref.WeakKeyDictionary()


def fork_safe(owner: Any, make: Callable[[], Any] = threading.Lock) -> Any:
    """A lock to keep as `owner._lock`; in a forked child there is a new one in its place.

    What the lock guards must be such that a child can begin with it anew.
    """
    _made[owner] = make
    return make()


def _renew() -> None:
    for owner, make in list(_made.items()):
        owner._lock = make()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)
