"""A GradScaler for parameters in parts: a step is left out on all processes or on none."""

from __future__ import annotations

from typing import Any

import rushlight as rl

from ...core.names import explain_missing as _explain_missing

__all__ = ["ShardedGradScaler"]
_package: Any = rl
dist: Any = rl.distributed


class ShardedGradScaler(_package.amp.GradScaler):
    """`amp.GradScaler` whose processes agree on whether some gradient is not finite.

    Source: https://docs.pytorch.org/docs/stable/fsdp.html

    >>> import rushlight as torch
    >>> import rushlight.distributed as dist
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> from rushlight.distributed.fsdp.sharded_grad_scaler import ShardedGradScaler
    >>> ShardedGradScaler(device="cpu", init_scale=4.0).scale(torch.ones(1))
    tensor([4.])
    >>> dist.destroy_process_group()
    """

    def __init__(
        self, device: str = "cpu", init_scale: float = 2.0**16, backoff_factor: float = 0.5,
        growth_factor: float = 2.0, growth_interval: int = 2000, enabled: bool = True,
        process_group: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(
            device, init_scale, growth_factor, backoff_factor, growth_interval, enabled
        )
        self.process_group = process_group

    def unscale_(self, optimizer: Any) -> None:
        """Divide the gradients by the scale, and learn from all whether they are finite."""
        super().unscale_(optimizer)
        if not self._enabled:
            return
        found = self._per_optimizer_states[id(optimizer)]["found_inf_per_device"]
        for device, bad in found.items():
            agreed = bad.clone()
            dist.all_reduce(agreed, dist.ReduceOp.MAX, self.process_group)
            found[device] = agreed


_explain_missing(__name__)
