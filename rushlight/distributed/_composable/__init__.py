"""torch.distributed._composable: where programs of 2024 find `fully_shard`, and `replicate`."""

from __future__ import annotations

from ...core.names import explain_missing as _explain_missing
from ..fsdp import fully_shard
from .replicate import replicate

__all__ = ["fully_shard", "replicate"]
_explain_missing(__name__, {"fsdp": ("rushlight.distributed.fsdp", None)})
