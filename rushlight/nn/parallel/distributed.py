"""DistributedDataParallel where there is one process."""

from __future__ import annotations

from typing import Any

from ...core.errors import fail
from ..module import Module


class DistributedDataParallel(Module):
    """A wrapper for one of several processes: none can be made, for there is no group of them.

    Programs ask whether a module is one.
    """

    def __init__(self, module: Any, *args: Any, **kwargs: Any) -> None:
        raise fail(
            ValueError,
            "Default process group has not been initialized, please make sure to call "
            "init_process_group.",
            "rushlight computes in one process: use the module itself",
        )
