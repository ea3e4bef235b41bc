"""What DistributedDataParallel may do with a bucket of gradients in place of the plain mean."""

from __future__ import annotations

import functools
from collections.abc import Callable
from enum import Enum
from typing import Any

from ....core.names import explain_missing as _explain_missing
from . import default_hooks, powerSGD_hook

__all__ = ["DDPCommHookType", "register_ddp_comm_hook"]


def _plain(hook: Callable[..., Any], model: Any, state: Any) -> None:
    model.register_comm_hook(state, hook)


def _power(rank: int, hook: Callable[..., Any], model: Any, state: Any) -> None:
    kept = powerSGD_hook.PowerSGDState(state, matrix_approximation_rank=rank)
    model.register_comm_hook(kept, hook)


class DDPCommHookType(Enum):
    """The hooks by name: `DDPCommHookType.POWER_SGD.value(model=..., state=group)`.

    >>> from rushlight.distributed.algorithms.ddp_comm_hooks import DDPCommHookType
    >>> [kind.name for kind in DDPCommHookType][:3]
    ['ALLREDUCE', 'FP16_COMPRESS', 'BF16_COMPRESS']
    """

    ALLREDUCE = functools.partial(_plain, default_hooks.allreduce_hook)
    FP16_COMPRESS = functools.partial(_plain, default_hooks.fp16_compress_hook)
    BF16_COMPRESS = functools.partial(_plain, default_hooks.bf16_compress_hook)
    POWER_SGD = functools.partial(_power, 1, powerSGD_hook.powerSGD_hook)
    POWER_SGD_RANK2 = functools.partial(_power, 2, powerSGD_hook.powerSGD_hook)
    BATCHED_POWER_SGD = functools.partial(_power, 1, powerSGD_hook.batched_powerSGD_hook)
    BATCHED_POWER_SGD_RANK2 = functools.partial(_power, 2, powerSGD_hook.batched_powerSGD_hook)
    NOOP = functools.partial(_plain, default_hooks.noop_hook)

    def __call__(self, model: Any, state: Any) -> None:
        """Register it with a model."""
        self.value(model, state)


def register_ddp_comm_hook(comm_hook_type: DDPCommHookType, model: Any, state: Any = None) -> None:
    """Register a hook by its name with a DistributedDataParallel.

    >>> import rushlight as torch
    >>> import rushlight.distributed as dist
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> from rushlight.distributed.algorithms.ddp_comm_hooks import DDPCommHookType
    >>> from rushlight.distributed.algorithms.ddp_comm_hooks import register_ddp_comm_hook
    >>> net = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(2, 1))
    >>> register_ddp_comm_hook(DDPCommHookType.FP16_COMPRESS, net)
    >>> net(torch.ones(3, 2)).mean().backward()
    >>> net.module.weight.grad
    tensor([[1., 1.]])
    >>> dist.destroy_process_group()
    """
    comm_hook_type(model, state)


_explain_missing(
    __name__,
    {
        name: (f"{__name__}.{name}", None)
        for name in ("default_hooks", "post_localSGD_hook", "powerSGD_hook")
    },
)
