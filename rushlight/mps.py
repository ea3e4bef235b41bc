"""torch.mps on a machine without Apple's GPUs: questions are answered, requests refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from .core.names import explain_missing as _explain_missing
from .cuda import device_count, is_available

__all__ = [
    "current_allocated_memory", "device_count", "driver_allocated_memory", "empty_cache",
    "is_available", "manual_seed", "recommended_max_memory", "synchronize",
]  # fmt: skip


def _refused(name: str) -> Callable[..., NoReturn]:
    def refused(*_: Any, **__: Any) -> NoReturn:
        """What only one of Apple's GPUs has or does. Raises: RuntimeError, for there is none here.

        >>> import rushlight as torch
        >>> try:
        ...     torch.mps.synchronize()
        ... except RuntimeError as error:
        ...     print(error)
        Cannot execute deviceSynchronize() without MPS backend.
        """
        raise RuntimeError(f"Cannot execute {name}() without MPS backend.")

    return refused


current_allocated_memory = _refused("getCurrentAllocatedMemory")
driver_allocated_memory = _refused("getDriverAllocatedMemory")
empty_cache = _refused("emptyCache")
recommended_max_memory = _refused("getRecommendedMaxMemory")
synchronize = _refused("deviceSynchronize")


def manual_seed(seed: int) -> None:
    """Do nothing: there is no generator of another device; `torch.manual_seed` seeds the CPU's.

    >>> import rushlight as torch
    >>> torch.mps.manual_seed(0)
    """


_explain_missing(__name__)
