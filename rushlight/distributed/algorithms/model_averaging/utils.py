"""Averages of parameters over processes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import rushlight as rl

from ....core.names import explain_missing as _explain_missing

__all__ = ["average_parameters", "average_parameters_or_parameter_groups"]
dist: Any = rl.distributed


@rl.no_grad()
def average_parameters(params: Iterable[Any], process_group: Any) -> None:
    """Put the mean over the processes into each parameter; one message for all of a type.

    >>> import rushlight as torch
    >>> import rushlight.distributed as dist
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> w = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
    >>> from rushlight.distributed.algorithms.model_averaging.utils import average_parameters
    >>> average_parameters([w], None)
    >>> w.data
    tensor([1., 2.])
    >>> dist.destroy_process_group()
    """
    by_type: dict[Any, list[Any]] = {}
    for parameter in params:
        by_type.setdefault(parameter.dtype, []).append(parameter.detach())
    for some in by_type.values():
        flat = rl.cat([one.reshape(-1) for one in some])
        flat.div_(dist.get_world_size(process_group))
        dist.all_reduce(flat, group=process_group)
        for one, part in zip(some, flat.split([one.numel() for one in some])):
            one.copy_(part.view(one.shape))


def average_parameters_or_parameter_groups(params: Any, process_group: Any) -> None:
    """`average_parameters` of an optimiser's groups, or of parameters: of those with gradients.

    >>> import rushlight as torch
    >>> import rushlight.distributed as dist
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> from rushlight.distributed.algorithms.model_averaging import utils
    >>> w = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
    >>> utils.average_parameters_or_parameter_groups([{"params": [w]}], None)
    >>> dist.destroy_process_group()
    """
    found: list[Any] = []
    for one in params:
        found += one["params"] if isinstance(one, dict) else [one]
    average_parameters([one for one in found if one.grad is not None], process_group)


_explain_missing(__name__)
