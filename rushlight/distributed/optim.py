"""Optimisers whose state is spread over processes: there are none here."""

from __future__ import annotations

from typing import Any

import rushlight as rl

from ..core.names import explain_missing as _explain_missing
from . import _no_group


class ZeroRedundancyOptimizer(rl.optim.Optimizer):
    """An optimiser that keeps part of the state: no optimiser is one, and none can be made."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        _no_group()


_explain_missing(__name__)
