"""torch.return_types: the classes of results with named fields, where pickles look for them.

>>> import pickle, rushlight as torch
>>> pickle.loads(pickle.dumps(torch.ones(2).max(0))).indices
tensor(0)
"""

from __future__ import annotations

import importlib
from typing import Any

from .functions.results import RETURN_TYPES

_HOMES = (
    "counting", "factorizations", "histograms", "indefinite", "linear_algebra", "old_matrices",
    "reduction", "scanning", "sorting", "special_functions", "statistics",
)  # fmt: skip


def _load() -> None:
    for home in _HOMES:
        importlib.import_module(f"{__package__}.functions.{home}")


def __getattr__(name: str) -> Any:
    if name not in RETURN_TYPES and name[:2] != "__":
        _load()
    if name not in RETURN_TYPES:
        raise AttributeError(f"module 'torch.return_types' has no attribute {name!r}")
    return RETURN_TYPES[name]


def __dir__() -> list[str]:
    _load()
    return sorted(RETURN_TYPES)
