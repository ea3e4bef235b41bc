"""One network trained by several processes, each on its own part of every batch.

Source: https://docs.pytorch.org/docs/stable/notes/ddp.html
"""

from __future__ import annotations

import contextlib
import warnings
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import rushlight as rl

from ...core.errors import fail
from ..module import Module
from .reducer import Reducer, not_compiled

__all__ = ["DistributedDataParallel"]

dist: Any = rl.distributed
_Join = dist.algorithms.join
share, MEBIBYTE = dist.algorithms.buckets.share, dist.algorithms.buckets.MEBIBYTE


class DistributedDataParallel(Module, _Join.Joinable):
    """Wrap a module so that all processes train the same weights, each on its own inputs.

    The weights and buffers of rank 0 go to all; after each backward pass every `.grad` is the mean
    over the processes, so equal optimisers keep the weights equal. Buffers (running means) are
    taken from rank 0 before each forward.

    Arguments: `module`; `process_group`, by default the whole one, or a `device_mesh` of one
    dimension; `bucket_cap_mb` (25), megabytes of gradients that are summed at once;
    `find_unused_parameters`, needed where a forward leaves parameters out;
    `gradient_as_bucket_view`, gradients live in the buckets and are not copied back;
    `static_graph`, the same parameters are used at every step, perhaps several times;
    `forward_sync_buffers` and, older, `broadcast_buffers` (True); `init_sync` (True);
    `check_weights_every` (0): at every so many steps, compare the weights of all processes.
    `device_ids` and `output_device` must be None, as for torch's modules on the CPU.

    Raises RuntimeError when the modules differ between processes, naming rank and parameter;
    when no parameter needs gradients; in forward, when the last backward left some out.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.parallel.DistributedDataParallel.html

    >>> import rushlight as torch
    >>> import rushlight.distributed as dist
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> net = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(2, 1))
    >>> net(torch.ones(3, 2)).mean().backward()  # gradients are the mean over processes
    >>> net.module.weight.grad
    tensor([[1., 1.]])
    >>> dist.destroy_process_group()
    """

    def __init__(
        self,
        module: Any,
        device_ids: Any = None,
        output_device: Any = None,
        dim: int = 0,
        broadcast_buffers: bool | None = None,
        init_sync: bool = True,
        process_group: Any = None,
        bucket_cap_mb: float | None = None,
        find_unused_parameters: bool = False,
        check_reduction: bool = False,
        gradient_as_bucket_view: bool = False,
        static_graph: bool = False,
        device_mesh: Any = None,
        forward_sync_buffers: bool | None = None,
        check_weights_every: int = 0,
    ) -> None:
        super().__init__()
        _Join.Joinable.__init__(self)
        self.process_group = _group(process_group, device_mesh)
        self.parameters_to_ignore = set(getattr(module, "_ddp_params_and_buffers_to_ignore", ()))
        self.module = module
        self._check_module(device_ids, output_device)
        self.dim, self.device_ids, self.output_device = dim, None, None
        self.device = next(iter(module.parameters())).device
        self.forward_sync_buffers, init_buffers = _buffers_wanted(
            broadcast_buffers, forward_sync_buffers
        )
        self.find_unused_parameters = find_unused_parameters
        self.require_backward_grad_sync = self.require_forward_param_sync = True
        self.gradient_as_bucket_view = gradient_as_bucket_view
        self.static_graph = static_graph
        self.bucket_bytes_cap = int((25 if bucket_cap_mb is None else bucket_cap_mb) * MEBIBYTE)
        self._caps = [self.bucket_bytes_cap]
        if bucket_cap_mb is None:
            self._caps.insert(0, MEBIBYTE)  # a small one first, so that its sum begins early
        self.check_weights_every, self._steps = check_weights_every, 0
        self._divide_by_initial_world_size = True
        if init_sync:
            compare(self._named("named_parameters", False), self.process_group)
            found = self._named("named_parameters", False)
            found += self._named("named_buffers") if init_buffers else []
            share([tensor for _, tensor in found], 0, self.process_group)
        self._make_reducer()

    def _check_module(self, device_ids: Any, output_device: Any) -> None:
        parameters = [tensor for _, tensor in self._named("named_parameters", False)]
        if not any(parameter.requires_grad for parameter in parameters):
            raise RuntimeError(
                "DistributedDataParallel is not needed when a module doesn't have any parameter"
                " that requires a gradient."
            )
        if device_ids is not None and len(device_ids) > 1:
            raise ValueError("device_ids can only be None or contain a single element.")
        if device_ids or output_device:
            raise ValueError(
                "DistributedDataParallel device_ids and output_device arguments only work with"
                " single-device/multiple-device GPU modules or CPU modules, but got device_ids"
                f" {device_ids}, output_device {output_device}, and module parameters"
                f" { {parameter.device for parameter in parameters} }."
            )
        if any(isinstance(p, rl.nn.parameter.UninitializedParameter) for p in parameters):
            raise RuntimeError(
                "Modules with uninitialized parameters can't be used with"
                " `DistributedDataParallel`. Run a dummy forward pass to correctly initialize the"
                " modules"
            )

    def _named(self, method: str, trained: bool = False) -> list[tuple[str, Any]]:
        """Parameters or buffers that are not to be ignored."""
        return [
            (name, tensor)
            for name, tensor in getattr(self.module, method)()
            if name not in self.parameters_to_ignore and (tensor.requires_grad or not trained)
        ]

    def _make_reducer(self) -> None:
        named = self._named("named_parameters", True)
        tables = (rl.nn.Embedding, rl.nn.EmbeddingBag)
        sparse = {
            f"{name}.weight".removeprefix(".")
            for name, module in self.module.named_modules()
            if isinstance(module, tables) and module.sparse
        }
        self.reducer = Reducer(named, self.process_group, self._caps, sparse)
        self.reducer.as_views = self.gradient_as_bucket_view
        self.reducer.find_unused = self.find_unused_parameters
        self.reducer.static = self.static_graph

    @property
    def broadcast_buffers(self) -> bool:
        """The older name of `forward_sync_buffers`."""
        return self.forward_sync_buffers

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        """What the module returns; its gradients will be the mean over all processes."""
        self._before()
        return self.module(*inputs, **kwargs)

    def _before(self) -> None:
        """Share buffers, and await the gradients of a backward pass."""
        not_compiled()
        syncs = rl.is_grad_enabled() and self.require_backward_grad_sync
        told = _Join.announce(self)
        if told is not None:
            told[0].wait()
            self.reducer.count = None if self._divide_by_initial_world_size else told[1]
        elif not self._join_config.enable:
            self.reducer.count = None
        self._sync_buffers(self.process_group.rank())
        if self._join_config.enable:
            self._anyone_syncs(self.require_backward_grad_sync)
        if syncs:
            self.reducer.prepare()
            self._check_weights()
        self.require_forward_param_sync = syncs

    def _sync_buffers(self, rank: int) -> None:
        """Take the buffers of rank 0, or among the unequal of the last rank that has inputs."""
        buffers = [tensor for _, tensor in self._named("named_buffers")]
        if not (self.require_forward_param_sync and self.forward_sync_buffers and buffers):
            return
        source = self._last(rank) if self._join_config.enable else 0
        share(buffers, source, self.process_group)

    def _last(self, rank: int) -> int:
        """The largest of what the processes give."""
        number = rl.tensor([rank])
        dist.all_reduce(number, dist.ReduceOp.MAX, self.process_group)
        return int(number.item())

    def _anyone_syncs(self, mine: bool) -> bool:
        """Whether some process will sum its gradients in this round."""
        number = rl.full((1,), float(mine))
        dist.all_reduce(number, group=self.process_group)
        return bool(number.item())

    def _check_weights(self) -> None:
        """At every `check_weights_every`-th step, compare the weights of all processes."""
        self._steps += 1
        if not self.check_weights_every or self._steps % self.check_weights_every:
            return
        found = self._named("named_parameters", False)
        sums = rl.tensor([zlib.crc32(p.detach().numpy().tobytes()) for _, p in found])
        every = [rl.empty_like(sums) for _ in range(self.reducer.size)]
        dist.all_gather(every, sums, group=self.process_group)
        for rank, theirs in enumerate(every):
            for (name, _), same in zip(found, (theirs == every[0]).tolist()):
                if not same:
                    raise fail(
                        RuntimeError,
                        f"step {self._steps}: {name} has other values on rank {rank} than on"
                        " rank 0",
                        "all processes must take the same optimiser steps, from the same state",
                    )

    @contextlib.contextmanager
    def no_sync(self) -> Iterator[None]:
        """Gradients of forwards in here stay this process's own, and add up."""
        before = self.require_backward_grad_sync
        self.require_backward_grad_sync = False
        try:
            yield
        finally:
            self.require_backward_grad_sync = before

    def join(
        self,
        divide_by_initial_world_size: bool = True,
        enable: bool = True,
        throw_on_early_termination: bool = False,
    ) -> Any:
        """A context in which processes may have different numbers of inputs.

        Those that are done give zeros to the mean, over all processes, or with
        `divide_by_initial_world_size=False` over those that have inputs.
        """
        return _Join.Join(
            [self],
            enable,
            throw_on_early_termination,
            divide_by_initial_world_size=divide_by_initial_world_size,
        )

    def join_hook(self, **kwargs: Any) -> Any:
        """What `Join` calls when inputs have run out."""
        self._divide_by_initial_world_size = kwargs.get("divide_by_initial_world_size", True)
        return _Shadow(self)

    @property
    def join_device(self) -> Any:
        """The device of the parameters."""
        return self.device

    @property
    def join_process_group(self) -> Any:
        """The group of processes."""
        return self.process_group

    def register_comm_hook(self, state: object, hook: Callable[..., Any]) -> None:
        """Let `hook(state, bucket)` make of each bucket what becomes its gradients.

        It returns a future of a tensor like `bucket.buffer()`. To be called once; raises
        TypeError for what cannot be called, RuntimeError the second time.
        """
        if not callable(hook):
            raise TypeError("Communication hook must be callable.")
        if self.reducer.hook is not None:
            raise RuntimeError(
                "register_comm_hook or register_builtin_comm_hook can only be called once."
            )
        self.reducer.hook = (state, hook)

    def _set_static_graph(self) -> None:
        """`static_graph=True`, said later."""
        self.static_graph = self.reducer.static = True

    def __getstate__(self) -> dict[str, Any]:
        if self.process_group != dist.group.WORLD:
            raise RuntimeError(
                "DDP Pickling/Unpickling are only supported when using DDP with the default"
                " process group. That is, when you have called init_process_group and have not"
                " passed process_group argument to DDP constructor"
            )
        state = self.__dict__.copy()
        del state["process_group"], state["reducer"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self.process_group = _group(None, None)
        self._make_reducer()


class _Shadow(_Join.JoinHook):
    """A process without inputs, in step with the forwards and backwards of the others."""

    def __init__(self, model: DistributedDataParallel) -> None:
        self.model = model

    def main_hook(self) -> None:
        """One forward and backward of the others."""
        model = self.model
        model._sync_buffers(-1)
        model.require_forward_param_sync = model._anyone_syncs(False)
        if model.require_forward_param_sync:
            if model.check_weights_every:
                model._check_weights()
            model.reducer.shadow()

    def post_hook(self, is_last_joiner: bool) -> None:
        """All take weights and buffers of the one that learnt last."""
        model = self.model
        source = model._last(model.process_group.rank() if is_last_joiner else -1)
        found = model._named("named_parameters") + model._named("named_buffers")
        share([tensor for _, tensor in found], source, model.process_group)


def _group(group: Any, mesh: Any) -> Any:
    """The group to work in; raises as torch where none or two are given."""
    if group is not None and mesh is not None:
        raise RuntimeError("Cannot specify both process_group and device_mesh arguments.")
    if mesh is not None:
        if mesh.ndim != 1:
            raise RuntimeError(f"Only 1D device mesh is supported, but got {mesh}.")
        return mesh.get_group(mesh_dim=0)
    if group is None:
        dist.get_rank()  # refuses where there is no group
        return dist.group.WORLD
    return group


def _buffers_wanted(old: bool | None, new: bool | None) -> tuple[bool, bool]:
    """Whether buffers are shared before each forward, and whether at the beginning."""
    if old is not None:
        warnings.warn(
            "`broadcast_buffers` is deprecated. Use `forward_sync_buffers` instead."
            if new is None
            else "Both `broadcast_buffers` and `forward_sync_buffers` were specified."
            " `broadcast_buffers` is deprecated and its value is ignored when"
            " `forward_sync_buffers` is provided.",
            FutureWarning,
            stacklevel=3,
        )
    if new is not None:
        return new, True
    wanted = True if old is None else old
    return wanted, wanted


def compare(named: list[tuple[str, Any]], group: Any) -> None:
    """RuntimeError where the processes have different parameters, the same one on all of them."""
    mine = [(name, tuple(p.shape), str(p.dtype)) for name, p in named]
    every: list[Any] = [None] * dist.get_world_size(group)
    dist.all_gather_object(every, mine, group=group)
    for rank, theirs in enumerate(every):
        if theirs == every[0]:
            continue
        differing = [pair for pair in zip(every[0], theirs) if pair[0] != pair[1]]
        notes = [
            f"rank 0 has {one[0]} {one[1]} {one[2]}, rank {rank} has {two[0]} {two[1]} {two[2]}"
            for one, two in differing[:5]
        ]
        if len(theirs) != len(every[0]):
            first = (
                "DDP expects same model across all ranks, but Rank 0 has "
                f"{len(every[0])} params, while rank {rank} has inconsistent {len(theirs)} params."
            )
            alone = sorted({name for name, *_ in every[0]} ^ {name for name, *_ in theirs})
            notes = [f"only on one of them: {', '.join(alone[:8])}"] if alone else notes
        elif differing[0][0][1] != differing[0][1][1]:
            place = theirs.index(differing[0][1])
            first = (
                f"[{rank}]: params[{place}] in this process with sizes "
                f"{list(differing[0][1][1])} appears not to match sizes of the same param in"
                " process 0."
            )
        else:
            first = f"DDP expects same model across all ranks, but Rank {rank} has other parameters"
        raise fail(RuntimeError, first, *notes)
