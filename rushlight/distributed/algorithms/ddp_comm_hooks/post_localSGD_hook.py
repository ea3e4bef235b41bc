"""Means over all processes at first, and later over a few: averages of weights do the rest.

Source: Lin et al. 2018, https://arxiv.org/abs/1808.07217
"""

from __future__ import annotations

from typing import Any

import rushlight as rl

from ....core.names import explain_missing as _explain_missing
from ....futures import Future
from .default_hooks import allreduce_hook

__all__ = ["PostLocalSGDState", "post_localSGD_hook"]
dist: Any = rl.distributed


class PostLocalSGDState:
    """`process_group`, all processes; `subgroup`, those that share gradients after
    `start_localSGD_iter` steps (None: those of a machine), or none without
    `post_local_gradient_allreduce`."""

    def __init__(
        self, process_group: Any, subgroup: Any, start_localSGD_iter: int,
        post_local_gradient_allreduce: bool = True,
    ) -> None:  # fmt: skip
        self.process_group, self.subgroup = process_group, subgroup
        self.start_localSGD_iter = start_localSGD_iter
        self.post_local_gradient_allreduce = post_local_gradient_allreduce
        self.iter = 0

    def maybe_increase_iter(self, bucket: Any) -> None:
        """Count a step once its last bucket has come."""
        if bucket.is_last():
            self.iter += 1


def post_localSGD_hook(state: PostLocalSGDState, bucket: Any) -> Any:
    """The mean over all processes, and from `start_localSGD_iter` on over the subgroup."""
    if state.iter < state.start_localSGD_iter:
        state.maybe_increase_iter(bucket)
        return allreduce_hook(state.process_group, bucket)
    if not state.post_local_gradient_allreduce:
        future: Any = Future()
        future.set_result(bucket.buffer())
        return future
    if state.subgroup is None:
        state.subgroup, _ = dist.new_subgroups(dist.get_world_size())
    return allreduce_hook(state.subgroup, bucket)


_explain_missing(__name__)
