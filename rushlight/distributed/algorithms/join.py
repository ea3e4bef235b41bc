"""Processes with unequal numbers of inputs: those that are done join in the others' collectives.

Source: https://docs.pytorch.org/docs/stable/distributed.algorithms.join.html
"""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from typing import Any, NamedTuple

import rushlight as rl

from ...core.errors import fail

__all__ = ["Join", "JoinHook", "Joinable"]
dist: Any = rl.distributed
MOST = 1000  # rounds taken part in without inputs, before a warning


class JoinHook:
    """What a process without inputs does for one Joinable."""

    def main_hook(self) -> None:
        """Take part in one round of collectives of the processes that still have inputs."""

    def post_hook(self, is_last_joiner: bool) -> None:
        """Called once all are done; `is_last_joiner` where inputs lasted longest."""


class _JoinConfig(NamedTuple):
    enable: bool = False
    throw_on_early_termination: bool = False
    is_first_joinable: bool = False


class Joinable(ABC):
    """A class whose steps are collectives, and which can take part in them without inputs.

    Its constructor calls that of Joinable, and its step begins with
    `Join.notify_join_context(self)`.

    >>> import rushlight as torch
    >>> from rushlight.distributed.algorithms.join import Joinable
    >>> issubclass(torch.nn.parallel.DistributedDataParallel, Joinable)
    True
    """

    @abstractmethod
    def __init__(self) -> None:
        super().__init__()
        self._join_config = _JoinConfig()

    @abstractmethod
    def join_hook(self, **kwargs: Any) -> JoinHook:
        """What to do when inputs have run out; the options are those of `Join`."""

    @property
    @abstractmethod
    def join_device(self) -> Any:
        """The device of the collectives."""

    @property
    @abstractmethod
    def join_process_group(self) -> Any:
        """The group of processes."""


class Join:
    """A context in which processes may run out of inputs at different times.

    Arguments: `joinables`, all that takes part; `enable`, False switches it off;
    `throw_on_early_termination` raises RuntimeError on all processes as soon as one has run out;
    other options go to the hooks. Raises ValueError without joinables or for several groups.

        with Join([model, optimizer]):
            for inputs in loader: ...

    >>> import rushlight as torch
    >>> import rushlight.distributed as dist
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> from rushlight.distributed.algorithms.join import Join
    >>> net = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(2, 1))
    >>> with Join([net]):
    ...     for inputs in [torch.ones(3, 2), torch.ones(1, 2)]:  # as many as this process has
    ...         net(inputs).mean().backward()
    >>> net.module.weight.grad
    tensor([[2., 2.]])
    >>> dist.destroy_process_group()
    """

    def __init__(
        self,
        joinables: list[Any],
        enable: bool = True,
        throw_on_early_termination: bool = False,
        **kwargs: Any,
    ) -> None:
        if not joinables:
            raise ValueError("The join context manager requires at least one joinable")
        self._enable, self._throw = enable, throw_on_early_termination
        self._joinables = joinables
        self._hooks = [joinable.join_hook(**kwargs) for joinable in joinables]
        self._group = joinables[0].join_process_group
        if any(joinable.join_process_group != self._group for joinable in joinables):
            raise ValueError("Using join context manager with multiple process groups")
        for place, joinable in enumerate(joinables):
            joinable._join_config = _JoinConfig(enable, throw_on_early_termination, place == 0)
        self._rank = dist.get_rank(self._group)

    def __enter__(self) -> None: ...

    def __exit__(self, kind: Any, value: Any, traceback: Any) -> None:
        if not self._enable or kind:
            return
        rounds = 0
        while _count(0, self._group):
            if self._throw:
                _count(1, self._group)
                raise RuntimeError(f"Rank {self._rank} exhausted all inputs.")
            for hook in self._hooks:
                hook.main_hook()
            rounds += 1
            if rounds == MOST + 1:
                warnings.warn(
                    f"Detected uneven input skew of greater than {MOST}. This means that rank "
                    f"{self._rank} has at least {MOST} fewer inputs than other currently-active "
                    "ranks. This level of skew could lead to performance degradation during "
                    "training.",
                    stacklevel=2,
                )
        for hook in self._hooks:
            hook.post_hook(rounds == 0)

    @staticmethod
    def notify_join_context(joinable: Any) -> Any:
        """Tell those without inputs that this process has some; the Work of that collective.

        None outside of the context, or where another joinable tells it.
        """
        told = announce(joinable)
        return None if told is None else told[0]


def _count(mine: int, group: Any) -> int:
    """The sum over processes."""
    number = rl.full((1,), float(mine))
    dist.all_reduce(number, group=group)
    return int(number.item())


def announce(joinable: Any) -> tuple[Any, Any] | None:
    """What `notify_join_context` does; also gives the number of those that have inputs."""
    config = getattr(joinable, "_join_config", None)
    if config is None:
        raise fail(
            AssertionError,
            f"Check that the {type(joinable)} constructor calls the ``Joinable`` constructor",
        )
    if not (config.enable and config.is_first_joinable):
        return None
    ones = rl.ones(1)
    group = joinable.join_process_group
    work = dist.all_reduce(ones, group=group, async_op=True)
    if config.throw_on_early_termination and _count(0, group):
        raise RuntimeError(
            "Detected at least one rank that exhausted inputs. Throwing across all ranks."
        )
    return work, ones
