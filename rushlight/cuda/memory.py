"""torch.cuda.memory: what a GPU's allocator counts; without one, nothing."""

from ..core.names import explain_missing as _explain_missing
from . import (
    empty_cache,
    max_memory_allocated,
    max_memory_reserved,
    mem_get_info,
    memory_allocated,
    memory_reserved,
    memory_stats,
    reset_peak_memory_stats,
)

__all__ = [
    "empty_cache", "max_memory_allocated", "max_memory_reserved", "mem_get_info",
    "memory_allocated", "memory_reserved", "memory_stats", "reset_peak_memory_stats",
]  # fmt: skip
_explain_missing(__name__)
