"""Optimisers whose state is spread over processes.

Source: Rajbhandari et al. 2019, https://arxiv.org/abs/1910.02054 (its first stage)
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from copy import deepcopy
from typing import Any

import rushlight as rl

from ..core.errors import fail
from ..core.names import explain_missing as _explain_missing
from .algorithms import buckets
from .algorithms.join import Joinable, JoinHook, announce

dist: Any = rl.distributed
__path__: list[str] = []  # torch has modules below it, whose names are found here


class ZeroRedundancyOptimizer(rl.optim.Optimizer, Joinable):
    """Any optimiser, with its state for each parameter on one process only.

    Each process updates its own share of the parameters and sends them to the others, so the state
    (Adam's: twice the weights) takes 1/n of the memory on each of n. Gradients must be the same
    everywhere, as DistributedDataParallel leaves them; results are those of the plain optimiser.

    Arguments: `params`; `optimizer_class`, such as `torch.optim.Adam`, and its options;
    `process_group`, by default the whole one; `parameters_as_bucket_view` keeps each share in one
    piece of memory, which is then sent without copying. `overlap_with_ddp` must be False.
    Raises TypeError or ValueError for wrong or no parameters.
    Source: https://docs.pytorch.org/docs/stable/distributed.optim.html

    >>> import rushlight as torch
    >>> import rushlight.distributed as dist
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> net = torch.nn.Linear(2, 1)
    >>> opt = dist.optim.ZeroRedundancyOptimizer(net.parameters(), torch.optim.Adam, lr=0.01)
    >>> net(torch.ones(1, 2)).sum().backward()
    >>> opt.step()
    >>> dist.destroy_process_group()
    """

    optim: Any

    def __init__(
        self,
        params: Any,
        optimizer_class: Any,
        process_group: Any = None,
        parameters_as_bucket_view: bool = False,
        overlap_with_ddp: bool = False,
        **defaults: Any,
    ) -> None:
        if overlap_with_ddp:
            raise fail(
                NotImplementedError,
                "ZeroRedundancyOptimizer with overlap_with_ddp=True is not built",
                "call step() after backward",
            )
        self.optim = None
        params = _checked(params)
        dist.get_rank()  # refuses where there is no group
        self.process_group = dist.group.WORLD if process_group is None else process_group
        self.rank = dist.get_rank(self.process_group)
        self.world_size = dist.get_world_size(self.process_group)
        rl.optim.Optimizer.__init__(self, params, defaults)
        Joinable.__init__(self)
        self.parameters_as_bucket_view = parameters_as_bucket_view
        self._every: list[dict[str, Any]] = []
        self._owner: dict[Any, int] = {}
        self._sizes = [0] * self.world_size
        self._shares: list[list[dict[str, Any]]] = [[] for _ in range(self.world_size)]
        for group in self.param_groups:
            self._deal(group)
        self.optim = optimizer_class(self._shares[self.rank], **defaults)
        _match(self.optim.param_groups, self.param_groups)  # what the class sets by default
        self._flatten()

    def _deal(self, group: dict[str, Any]) -> None:
        """Give each parameter of a group to the process with the least, the largest ones first."""
        parts: list[list[Any]] = [[] for _ in range(self.world_size)]
        for parameter in sorted(group["params"], key=lambda p: p.numel(), reverse=True):
            owner = self._sizes.index(min(self._sizes))
            self._sizes[owner] += parameter.numel()
            self._owner[parameter] = owner
            parts[owner].append(parameter)
        for share, part in zip(self._shares, parts):
            share.append(group | {"params": part})

    def _flatten(self) -> None:
        """Lay what each process owns into pieces of memory, by data type."""
        self._flat: list[tuple[int, Any]] = []
        if not self.parameters_as_bucket_view:
            return
        with rl.no_grad():
            for owner in range(self.world_size):
                owned = self._owned(owner)
                for places in buckets.layout(owned, [float("inf")]):
                    some = [owned[place] for place in places]
                    flat = rl.cat([parameter.reshape(-1) for parameter in some])
                    self._flat.append((owner, flat))
                    for parameter, part in zip(some, flat.split([p.numel() for p in some])):
                        parameter.data = part.view(parameter.shape)

    def _owned(self, owner: int) -> list[Any]:
        return [parameter for group in self._shares[owner] for parameter in group["params"]]

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group; what was there stays with the processes that have it."""
        super().add_param_group(param_group)
        if self.optim is not None:
            self._deal(self.param_groups[-1])
            self.optim.add_param_group(self._shares[self.rank][-1])
            self._flatten()

    def step(self, closure: Callable[[], Any] | None = None, **kwargs: Any) -> Any:
        """Update this process's share of the parameters, and send and receive the shares."""
        announce(self)
        return self._step(closure, **kwargs)

    def _step(self, closure: Callable[[], Any] | None = None, **kwargs: Any) -> Any:
        _match(self.param_groups, self.optim.param_groups)
        loss = self.optim.step(**kwargs) if closure is None else self.optim.step(closure, **kwargs)
        _match(self.optim.param_groups, self.param_groups)
        if self.parameters_as_bucket_view:
            for owner, flat in self._flat:
                source = dist.get_global_rank(self.process_group, owner)
                dist.broadcast(flat, source, group=self.process_group)
            return loss
        for owner in range(self.world_size):
            buckets.share(self._owned(owner), owner, self.process_group)
        return loss

    def consolidate_state_dict(self, to: int = 0) -> None:
        """Bring the state of all processes to rank `to`, for `state_dict` there. All must call."""
        _match(self.param_groups, self.optim.param_groups)
        every: Any = [None] * self.world_size if self.rank == to else None
        target = dist.get_global_rank(self.process_group, to)
        dist.gather_object(self.optim.state_dict(), every, target, group=self.process_group)
        self._every = every or []

    def state_dict(self) -> dict[str, Any]:
        """The whole state, as the plain optimiser would give it.

        Raises RuntimeError where `consolidate_state_dict` has not brought it.
        """
        if not self._every:
            raise RuntimeError(
                "Optimizer state has not been consolidated on this rank. Please call"
                f" `consolidate_state_dict(to={self.rank})` on all ranks beforehand if you meant"
                " to save the global state."
            )
        whole = super().state_dict()
        number = self._numbers()
        for share, local in zip(self._shares, self._every):
            for group, numbered in zip(share, local["param_groups"]):
                for parameter, place in zip(group["params"], numbered["params"]):
                    if place in local["state"]:
                        whole["state"][number[parameter]] = local["state"][place]
        whole["state"] = dict(sorted(whole["state"].items()))
        return whole

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take a whole state, of this or of the plain optimiser; each process keeps its share."""
        super().load_state_dict({**state_dict, "state": {}})
        _match(self.param_groups, self.optim.param_groups)
        number, local = self._numbers(), self.optim.state_dict()
        local["state"] = {}
        for group, numbered in zip(self._shares[self.rank], local["param_groups"]):
            for parameter, place in zip(group["params"], numbered["params"]):
                if number[parameter] in state_dict["state"]:
                    local["state"][place] = deepcopy(state_dict["state"][number[parameter]])
        self.optim.load_state_dict(local)

    def _numbers(self) -> dict[Any, int]:
        """The place of each parameter among all."""
        every = (parameter for group in self.param_groups for parameter in group["params"])
        return {parameter: place for place, parameter in enumerate(every)}

    def join_hook(self, **kwargs: Any) -> JoinHook:
        """What `Join` calls when inputs have run out."""
        return _Shadow(self)

    @property
    def join_device(self) -> Any:
        """The device of the parameters."""
        return self.param_groups[0]["params"][0].device

    @property
    def join_process_group(self) -> Any:
        """The group of processes."""
        return self.process_group


class _Shadow(JoinHook):
    """A process without inputs still updates its share: nobody else can."""

    def __init__(self, optimizer: ZeroRedundancyOptimizer) -> None:
        self.optimizer = optimizer

    def main_hook(self) -> None:
        """One step of the others."""
        self.optimizer._step()


def _match(source: list[dict[str, Any]], target: list[dict[str, Any]]) -> None:
    """Give groups the options of others: schedulers change the ones, steps read the others."""
    for one, two in zip(source, target):
        two.update({key: value for key, value in one.items() if key != "params"})


def _checked(params: Any) -> list[Any]:
    """The parameters or groups as a list; raises as torch for what is neither."""
    if isinstance(params, rl.Tensor) or not isinstance(params, Iterable):
        kind = params.type() if isinstance(params, rl.Tensor) else type(params).__name__
        more = "" if isinstance(params, rl.Tensor) else " or dicts"
        raise TypeError(f"`params` argument should be an iterable of Tensors{more}, but got {kind}")
    found = list(params)
    if not found:
        raise ValueError("ZeroRedundancyOptimizer got an empty parameter list")
    if len({isinstance(one, rl.Tensor) for one in found}) > 1 or not isinstance(
        found[0], (rl.Tensor, dict)
    ):
        raise TypeError("`params` argument should be an iterable of Tensors or dicts")
    for group in found:
        if isinstance(group, dict) and "params" not in group:
            raise ValueError(
                "Each parameter group passed-in via `params` must have a 'params' key mapping to"
                " the parameters in the group"
            )
    return found


class PostLocalSGDOptimizer(rl.optim.Optimizer):
    """An optimiser `optim`, after whose steps `averager` averages the weights when it is time to.

    Source: https://docs.pytorch.org/docs/stable/distributed.optim.html

    >>> import rushlight as torch
    >>> from rushlight.distributed.algorithms.model_averaging.averagers import PeriodicModelAverager
    >>> import rushlight.distributed as dist
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> net = torch.nn.Linear(2, 1)
    >>> plain, averager = torch.optim.SGD(net.parameters(), lr=0.1), PeriodicModelAverager(period=4)
    >>> opt = dist.optim.PostLocalSGDOptimizer(plain, averager)
    >>> net(torch.ones(1, 2)).sum().backward()
    >>> opt.step()
    >>> averager.step
    1
    >>> dist.destroy_process_group()
    """

    def __init__(self, optim: Any, averager: Any) -> None:
        self.optim, self.averager = optim, averager
        self.param_groups = optim.param_groups

    @property
    def state(self) -> Any:
        """The optimiser's."""
        return self.optim.state

    def __repr__(self) -> str:
        return repr(self.optim)

    def state_dict(self) -> dict[str, Any]:
        """The optimiser's state, and how many steps there were."""
        return {**self.optim.state_dict(), "step": self.averager.step}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take a state; without "step", the averager begins anew, with a warning."""
        self.optim.load_state_dict(state_dict)
        if "step" not in state_dict:
            warnings.warn(
                "Loaded state dict does not contain a step counter for an averager. Setting step"
                " counter to 0.",
                stacklevel=2,
            )
        self.averager.step = state_dict.get("step", 0)

    def step(self, *args: Any, **kwargs: Any) -> Any:
        """A step of the optimiser, and an average."""
        loss = self.optim.step(*args, **kwargs)
        self.averager.average_parameters(self.param_groups)
        return loss

    def zero_grad(self, set_to_none: bool = True) -> None:
        """The optimiser's."""
        self.optim.zero_grad(set_to_none=set_to_none)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """The optimiser's."""
        self.optim.add_param_group(param_group)


_explain_missing(__name__)
