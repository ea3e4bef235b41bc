"""Weights in parts on several processes: what says how, and the layers that compute with parts.

There is no tensor class for it: a layer that was split holds its part as an ordinary parameter.
"""

from __future__ import annotations

from typing import Any

import rushlight as rl

from ...core.errors import fail
from ...core.names import explain_missing as _explain_missing
from .placements import Placement, Replicate, Shard

__all__ = ["DTensor", "Placement", "Replicate", "Shard", "distribute_tensor"]


class DTensor(rl.Tensor):
    """A tensor in parts on several processes: no tensor here is one, and none can be made."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        return distribute_tensor()


def distribute_tensor(*args: Any, **kwargs: Any) -> Any:
    """Refused: NotImplementedError, or ValueError where there is no group of processes."""
    rl.distributed.get_rank()
    raise fail(
        NotImplementedError,
        "a tensor in parts is no class here",
        "split whole layers: torch.distributed.tensor.parallel.parallelize_module",
    )


_explain_missing(__name__, {"parallel": (f"{__name__}.parallel", None)})
