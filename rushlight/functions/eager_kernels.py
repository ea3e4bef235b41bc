"""Native kernels of eager mode: the switch, and where they come from."""

from __future__ import annotations

import importlib
import sys
from typing import Any

from ..core import heavy

__all__ = ["eager_kernels"]


def eager_kernels(enabled: bool | None = None) -> bool:
    """Whether eager operations on large arrays run as native programs; with an argument, set it.

    Convolutions, pooling, norms and the like are compiled when a call first comes with its shapes,
    types and parameters, and the code is kept on disk. Without llvmlite, or
    after `eager_kernels(False)`, NumPy computes everything. Results agree but for the last bits.
    `RUSHLIGHT_EAGER_KERNELS=0` in the environment is the same from the start.
    Returns the setting that holds after the call.

    >>> import rushlight as torch
    >>> before = torch.eager_kernels()
    >>> torch.eager_kernels(False)
    False
    >>> torch.eager_kernels(before) == before
    True
    """
    if enabled is not None:
        heavy.SWITCH.on = bool(enabled)
        swift = sys.modules.get("rushlight.core.swift")  # there if operators are native by now
        if swift is not None:
            (swift.hasten if enabled else swift.relent)()
    return heavy.SWITCH.on


def _native() -> Any:
    """The maker of programs: it loads when one is asked for."""
    return importlib.import_module("rushlight.compile.single.eager")


def _make(*args: Any) -> Any:
    return _native().make(*args)


def _piece(name: str) -> Any:
    return importlib.import_module("rushlight.compile.single.pieces").piece(name)


heavy.MAKERS.append(_make)
heavy.PIECES.append(_piece)
