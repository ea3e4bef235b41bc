"""`fully_shard`: parameters in parts on several processes, whole only while they are used."""

from __future__ import annotations

from ...core.names import explain_missing as _explain_missing
from .fully import (
    FSDPModule,
    UnshardHandle,
    fully_shard,
    register_fsdp_forward_method,
    share_comm_ctx,
)
from .policies import CPUOffloadPolicy, MixedPrecisionPolicy, OffloadPolicy
from .wrapper import FullyShardedDataParallel, MixedPrecision, ShardingStrategy

__all__ = [
    "CPUOffloadPolicy", "FSDPModule", "FullyShardedDataParallel", "MixedPrecision",
    "MixedPrecisionPolicy", "OffloadPolicy", "ShardingStrategy", "UnshardHandle", "fully_shard",
    "register_fsdp_forward_method", "share_comm_ctx",
]  # fmt: skip

_explain_missing(__name__)
