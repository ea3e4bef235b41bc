"""`torch.autograd.profiler`: the older door to the profiler."""

from __future__ import annotations

from typing import Any, NoReturn

from ..core.errors import fail
from ..core.names import explain_missing as _explain_missing


class emit_nvtx:  # torch's name
    """Marks for NVIDIA's viewer, of which there are none without a GPU: entering it is refused.

    >>> import rushlight as torch
    >>> try:
    ...     with torch.autograd.profiler.emit_nvtx():
    ...         pass
    ... except RuntimeError:
    ...     print("no GPU")
    no GPU
    """

    def __init__(self, enabled: bool = True, record_shapes: bool = False) -> None:
        self.enabled, self.record_shapes = enabled, record_shapes

    def __enter__(self) -> Any:
        if self.enabled:
            self._refuse()
        return self

    def _refuse(self) -> NoReturn:
        raise fail(
            RuntimeError, "NVTX functions not installed. Are you sure you have a CUDA build?",
            "torch.profiler.profile() measures on the processor",
        )  # fmt: skip

    def __exit__(self, *error: Any) -> None:
        """Nothing was begun."""


_explain_missing(__name__, {
    "EventList": ("rushlight.profiler.averages", "EventList"),
    "profile": ("rushlight.profiler.profiler", "old_profile"),
    "record_function": ("rushlight.profiler", "record_function"),
})  # fmt: skip
