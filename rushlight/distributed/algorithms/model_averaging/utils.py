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
    """Put the mean over the processes into each parameter; one message for all of a type."""
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
    """The same, of an optimiser's groups: those with gradients."""
    found: list[Any] = []
    for one in params:
        found += one["params"] if isinstance(one, dict) else [one]
    average_parameters([one for one in found if one.grad is not None], process_group)


_explain_missing(__name__)
