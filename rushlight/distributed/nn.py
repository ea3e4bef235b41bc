"""torch.distributed.nn: collectives that carry gradients, refused as the plain ones are."""

from __future__ import annotations

from ..core.names import explain_missing as _explain_missing
from . import all_gather, all_reduce, broadcast, gather, reduce, reduce_scatter, scatter

__all__ = [
    "all_gather", "all_reduce", "broadcast", "gather", "reduce", "reduce_scatter", "scatter",
]  # fmt: skip
_explain_missing(__name__)
