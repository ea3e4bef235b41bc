"""Tensors in parts on several processes: DTensor, its placements, and what makes it."""

from __future__ import annotations

from ...core.names import explain_missing as _explain_missing
from ..device_mesh import DeviceMesh, init_device_mesh
from .dtensor import DTensor
from .making import (
    distribute_module,
    distribute_tensor,
    empty,
    full,
    ones,
    rand,
    randn,
    zeros,
)
from .placements import Partial, Placement, Replicate, Shard

__all__ = [
    "DTensor", "DeviceMesh", "Partial", "Placement", "Replicate", "Shard", "distribute_module",
    "distribute_tensor", "empty", "full", "init_device_mesh", "ones", "rand", "randn", "zeros",
]  # fmt: skip

_explain_missing(__name__, {
    "experimental": (f"{__name__}.experimental", None), "parallel": (f"{__name__}.parallel", None),
})  # fmt: skip
