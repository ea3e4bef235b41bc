"""When weights are averaged.

Source: https://docs.pytorch.org/docs/stable/ddp_comm_hooks.html
"""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from typing import Any

import rushlight as rl

from ....core.names import explain_missing as _explain_missing
from .utils import average_parameters_or_parameter_groups

__all__ = ["ModelAverager", "PeriodicModelAverager"]
dist: Any = rl.distributed


class ModelAverager(ABC):
    """`average_parameters(params)` after each step, which averages when it is time to."""

    def __init__(self, process_group: Any = None) -> None:
        self.process_group = dist.group.WORLD if process_group is None else process_group
        self.step = 0

    @abstractmethod
    def average_parameters(self, params: Any) -> None:
        """Count a step, and average if it is time."""


class PeriodicModelAverager(ModelAverager):
    """At every `period`-th step, once `warmup_steps` are over, put the mean into the parameters.

    Raises: ValueError for a period below 1 or a negative number of steps. Warns of period 1.

    >>> import rushlight as torch
    >>> from rushlight.distributed.algorithms.model_averaging.averagers import PeriodicModelAverager
    >>> import rushlight.distributed as dist
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> averager, w = PeriodicModelAverager(period=2), torch.nn.Parameter(torch.ones(2))
    >>> averager.average_parameters([w])  # call it after each step
    >>> averager.step
    1
    >>> dist.destroy_process_group()
    """

    def __init__(self, period: int, warmup_steps: int = 0, process_group: Any = None) -> None:
        super().__init__(process_group)
        if warmup_steps < 0:
            raise ValueError("Arg ``warmup_steps`` must be a non-negative number.")
        self.warmup_steps, self.period = warmup_steps, period
        if period == 1:
            warnings.warn(
                "When period is 1, no need to use model averaging because the communication cost of"
                " all-reducing parameters will be no less than the cost of all-reducing gradients"
                " by DistributedDataParallel in the backward pass. Therefore, only"
                " DistributedDataParallel should be used for this case.",
                stacklevel=2,
            )
        elif period < 1:
            raise ValueError("Arg ``period`` must be a positive value.")

    def average_parameters(self, params: Any) -> None:
        """Count a step, and average if it is time."""
        if self.step >= self.warmup_steps and (self.step - self.warmup_steps) % self.period == 0:
            average_parameters_or_parameter_groups(params, self.process_group)
        self.step += 1


_explain_missing(__name__)
