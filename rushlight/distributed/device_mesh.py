"""Grids of processes: the class that annotations name. There is one process, and no grid."""

from __future__ import annotations

from typing import Any

from ..core.errors import fail


class DeviceMesh:
    """Refuse: RuntimeError."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise fail(
            RuntimeError,
            "Distributed package doesn't have a backend built in",
            "rushlight computes in one process; `torch.distributed.is_available()` says so",
        )
