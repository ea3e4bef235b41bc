"""Finished programs remembered on disk by what they were to do, so that no code is written twice.

The object cache is keyed by the IR, and writing IR takes longer than loading an object. An entry
here is keyed by the kernels' signatures, and holds the IR and what is known of each kernel. Only
programs that cannot be kept whole (`remembered.py`) have one: to compress IR takes a while.
"""

from __future__ import annotations

import functools
import json
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ...core.folders import modules_state
from ..code import cache, llvm

Facts = list[list[Any]]  # per kernel, in the order of the signatures


@functools.cache
def _writers() -> str:
    """Changes whenever a module that writes code does."""
    home = Path(__file__).parents[1]
    return modules_state(*(home / folder for folder in ("kernels", "products", "code")))


def key(parts: Iterable[str], target: llvm.Target) -> str:
    """The name of a program that does what `parts` say."""
    return cache.key("program", _writers(), llvm.version(), repr(target), *parts)


def load(name: str) -> tuple[str, Facts] | None:
    """IR and facts of a program made before."""
    body = cache.load(name)
    if body is None:
        return None
    try:
        found = json.loads(zlib.decompress(body))
        return found["ir"], found["facts"]
    except (ValueError, KeyError, TypeError, zlib.error):
        cache.drop(name)
        return None


def store(name: str, ir: str, facts: Facts) -> None:
    if cache.folder() is not None:
        text = json.dumps({"ir": ir, "facts": facts})
        cache.store(name, zlib.compress(text.encode(), 1))
