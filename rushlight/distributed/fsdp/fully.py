"""`fully_shard`: parameters, gradients and optimiser state in parts, whole only while used.

Sources: Rajbhandari et al. 2020, https://arxiv.org/abs/1910.02054;
https://docs.pytorch.org/docs/stable/distributed.fsdp.fully_shard.html
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import rushlight as rl

from ...core.errors import fail
from ..device_mesh import DeviceMesh, whole_mesh
from .param_group import Group, Held, collect, first_values
from .policies import MixedPrecisionPolicy, OffloadPolicy

_package: Any = rl
tree = _package.utils._pytree
_AS_IT_COMES, _WHERE_IT_IS = MixedPrecisionPolicy(), OffloadPolicy()


class State:
    """What a module that was given to `fully_shard` knows: its group, and when it is whole."""

    def __init__(self, modules: list[Any], group: Group, reshard: bool | int | None) -> None:
        self.modules, self.group = modules, group
        self.asked = reshard  # None: all but the outermost module
        self.root: State | None = None
        self.states: list[State] = []  # of the outermost: all
        self.prefetch: list[Any] = []
        self.queued = False

    @property
    def reshards(self) -> bool:
        """Whether parameters go back to parts after forward."""
        if self.asked is None:
            return self.root is not self
        return bool(self.asked)

    def settle(self) -> None:
        """The first call reaches the outermost module first: it learns what is inside."""
        if self.root is not None:
            return
        self.root = self
        found: dict[int, State] = {id(self): self}
        for module in self.modules:
            for inner in module.modules():
                state = inner.__dict__.get("_fsdp")
                if state is not None:
                    found[id(state)] = state
        self.states = list(found.values())
        for state in self.states:
            if state.root is not None and state.root is not state:
                continue
            state.root = self

    def before(self, module: Any, args: Any, kwargs: Any) -> Any:
        """Before forward: gather, and cast the inputs."""
        self.settle()
        self.group.unshard()
        for other in self.prefetch:
            other._fsdp.group.unshard()
        kind = self.group.policy.param_dtype
        if kind is None or not self.group.policy.cast_forward_inputs:
            return args, kwargs
        return _cast(args, kind), _cast(kwargs, kind)

    def after(self, module: Any, args: Any, outputs: Any) -> Any:
        """After forward: back to parts; the backward pass gathers again when it comes here."""
        kind = self.group.policy.output_dtype
        if kind is not None:
            outputs = _cast(outputs, kind)
        if rl.is_grad_enabled():
            for one in tree.tree_leaves(outputs):
                if isinstance(one, rl.Tensor) and one.requires_grad:
                    one.register_hook(self.reached)
        if self.reshards:
            self.group.reshard()
        return outputs

    def reached(self, g: Any) -> None:
        """The backward pass has come to an output of the module."""
        root = self.root or self
        if not root.queued:
            root.queued = True
            rl.autograd.Variable._execution_engine.queue_callback(root.finish)
        if not self.group.waiting:
            self.group.expect()

    def finish(self) -> None:
        """The backward pass is over."""
        self.queued = False
        for state in self.states:
            state.group.finish()


def _cast(values: Any, kind: Any) -> Any:
    return tree.tree_map(
        lambda x: x.to(kind) if isinstance(x, rl.Tensor) and x.is_floating_point() else x, values
    )


class UnshardHandle:
    """What `unshard(async_op=True)` gives.

    >>> import rushlight as torch
    >>> from rushlight.distributed.fsdp import fully_shard
    >>> import rushlight.distributed as dist
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> net = fully_shard(torch.nn.Linear(2, 2))
    >>> net.unshard(async_op=True).wait()
    >>> dist.destroy_process_group()
    """

    def wait(self) -> None:
        """The parameters are whole already."""


class FSDPModule:
    """What modules become by `fully_shard`, beside their own class.

    >>> import rushlight as torch
    >>> from rushlight.distributed.fsdp import FSDPModule, fully_shard
    >>> import rushlight.distributed as dist
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> net = fully_shard(torch.nn.Linear(2, 2))
    >>> type(net).__name__, isinstance(net, FSDPModule), isinstance(net, torch.nn.Linear)
    ('FSDPLinear', True, True)
    >>> dist.destroy_process_group()
    """

    _fsdp: State

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """A plain module of the class before: what was in parts cannot be made by calling it."""
        original = cls.__mro__[2]
        made = original.__new__(original, *args, **kwargs)
        made.__init__(*args, **kwargs)
        return made

    def _states(self, recurse: bool = True) -> list[State]:
        if not recurse:
            return [self._fsdp]
        # self is a module too: `fully_shard` mixes this class into the module's own
        found = {id(m._fsdp): m._fsdp for m in self.modules()  # type: ignore[attr-defined]  # see above
                 if isinstance(m, FSDPModule)}  # fmt: skip
        return list(found.values())

    def unshard(self, async_op: bool = False) -> UnshardHandle | None:
        """Gather the module's own parameters now."""
        self._fsdp.group.unshard()
        return UnshardHandle() if async_op else None

    def reshard(self) -> None:
        """Give the whole of the module's own parameters back."""
        self._fsdp.group.reshard()

    def set_requires_gradient_sync(
        self, requires_gradient_sync: bool, *, recurse: bool = True
    ) -> None:
        """Whether gradients are reduced; until then they add up, whole, on each process."""
        for state in self._states(recurse):
            state.group.sync = requires_gradient_sync

    def set_requires_all_reduce(self, requires_all_reduce: bool, *, recurse: bool = True) -> None:
        """On a mesh of two dimensions: whether gradients are also reduced between replicas."""
        for state in self._states(recurse):
            state.group.all_reduce = requires_all_reduce

    def set_reshard_after_forward(self, reshard_after_forward: bool, recurse: bool = True) -> None:
        """Whether parameters go back to parts after forward."""
        for state in self._states(recurse):
            state.asked = reshard_after_forward

    def set_reshard_after_backward(
        self, reshard_after_backward: bool, *, recurse: bool = True
    ) -> None:
        """Whether parameters go back to parts after backward."""
        for state in self._states(recurse):
            state.group.reshard_after_backward = reshard_after_backward

    def set_gradient_divide_factor(self, factor: float) -> None:
        """What sums of gradients are divided by, in place of the number of processes."""
        self._fsdp.group.divisor = factor

    set_reduce_scatter_divide_factor = set_gradient_divide_factor

    def set_modules_to_forward_prefetch(self, modules: list[Any]) -> None:
        """Modules whose parameters are gathered together with this one's, in forward."""
        self._fsdp.prefetch = list(modules)

    def set_modules_to_backward_prefetch(self, modules: list[Any]) -> None:
        """Nothing is gathered ahead in backward: it would only take memory earlier."""

    def set_is_last_backward(self, is_last_backward: bool) -> None:
        """Nothing is put off to a later pass here."""

    def set_unshard_in_backward(self, unshard_in_backward: bool) -> None:
        """The parameters are gathered in backward when it comes to the module."""


def fully_shard(
    module: Any,
    *,
    mesh: DeviceMesh | None = None,
    reshard_after_forward: bool | int | None = None,
    shard_placement_fn: Callable[[Any], Any] | None = None,
    mp_policy: MixedPrecisionPolicy = _AS_IT_COMES,
    offload_policy: OffloadPolicy = _WHERE_IT_IS,
    ignored_params: set[Any] | None = None,
) -> Any:
    """Keep the parameters of a module in parts, one on each process, and return the module.

    Each process keeps its part along dimension 0 (or what `shard_placement_fn(parameter)` says), a
    DTensor. Forward gathers the whole first and gives it back afterwards, backward gathers it
    again, and each gradient is averaged over the processes and cut as soon as it is whole. Call it
    on the inner modules first: each call is one group that is gathered together.
    `reshard_after_forward`: False keeps the whole until backward is over; None is True but for the
    outermost module. A mesh of two dimensions keeps copies along the first. Every process keeps its
    part of its own values: seed them alike.
    Raises ValueError for containers without forward and meshes of other sizes, AssertionError
    where it was called before.

    >>> import rushlight as torch
    >>> from rushlight.distributed.fsdp import fully_shard
    >>> import rushlight.distributed as dist
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> net = fully_shard(torch.nn.Linear(2, 3))
    >>> net.weight.placements, net.weight.to_local().shape
    ((Shard(dim=0),), torch.Size([3, 2]))
    >>> net(torch.zeros(4, 2)).shape
    torch.Size([4, 3])
    >>> dist.destroy_process_group()
    """
    modules = list(module) if isinstance(module, list | tuple) else [module]
    for one in modules:
        _check(one)
    mesh = whole_mesh() if mesh is None else mesh
    if mesh.ndim not in (1, 2):
        raise ValueError(f"fully_shard expects a 1D or 2D DeviceMesh but got {mesh}")
    held = [_held(places, one, mesh, shard_placement_fn)
            for places, one in collect(modules, ignored_params or set(), mesh)]  # fmt: skip
    state = State(modules, Group(held, mesh, mp_policy), reshard_after_forward)
    for one in modules:
        one.__dict__["_fsdp"] = state
        one.__class__ = _class_of(type(one))
        one.register_state_dict_pre_hook(_in_parts)
        one._load_state_dict_pre_hooks[_Loading.key] = _Loading(one)
    modules[0].register_forward_pre_hook(state.before, prepend=True, with_kwargs=True)
    modules[-1].register_forward_hook(state.after)
    return module


def _check(module: Any) -> None:
    if not isinstance(module, rl.nn.Module):
        raise TypeError(f"{type(module).__name__!r} object is not iterable")
    if isinstance(module, rl.nn.ModuleList | rl.nn.ModuleDict):
        raise ValueError(
            f"fully_shard does not support containers that do not implement forward: {module}"
        )
    if isinstance(module, FSDPModule):
        raise AssertionError(
            "Each distinct composable distributed API can only be applied to a module once."
            f" fully_shard has already been applied to the following module:\n{module}"
        )


def _held(places: Any, parameter: Any, mesh: Any, chosen: Any) -> Held:
    placement = None if chosen is None else chosen(parameter)
    dim = 0 if placement is None else placement.dim % max(parameter.dim(), 1)
    if parameter.dim() == 0:
        raise fail(
            ValueError, "fully_shard doesn't support scalar parameters. Change"
            f" {places[0][1]} to a 1D tensor with numel equal to 1.",
        )  # fmt: skip
    if dim and parameter.shape[dim] % mesh.size(mesh.ndim - 1):
        raise NotImplementedError(
            f"FSDP does not support uneven sharding on dim {dim}: {parameter.shape} (world size:"
            f" {mesh.size(mesh.ndim - 1)})"
        )
    held = Held(places, parameter, mesh, dim, first_values(parameter))
    held.part._fully_sharded = True
    return held


@functools.cache
def _class_of(kind: type) -> type:
    """The module's class with FSDPModule before it, as `FSDPName`."""
    return type(f"FSDP{kind.__name__}", (FSDPModule, kind), {"__deepcopy__": _refuse_copy})


def _refuse_copy(self: Any, memo: Any) -> Any:
    raise AssertionError("FSDP does not support deepcopy. Please use state dict for serialization.")


def _in_parts(module: Any, prefix: str, keep_vars: bool) -> None:
    """Before `state_dict`: everything in parts."""
    module._fsdp.group.reshard()


class _Loading:
    """Before `load_state_dict` looks at a module: everything in parts."""

    key = -1

    def __init__(self, module: Any) -> None:
        self.module = module

    def __call__(self, *_: Any) -> None:
        self.module._fsdp.group.reshard()


def register_fsdp_forward_method(module: Any, method_name: str) -> None:
    """Have a method other than `forward` gather and give back the parameters too.

    Does nothing for a module that is no FSDPModule. Raises: ValueError if it has no such method.

    >>> import rushlight as torch
    >>> from rushlight.distributed.fsdp import fully_shard, register_fsdp_forward_method
    >>> class Doubled(torch.nn.Linear):
    ...     def twice(self, x):
    ...         return 2 * self(x)
    >>> import rushlight.distributed as dist
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> net = fully_shard(Doubled(2, 3))
    >>> register_fsdp_forward_method(net, "twice")
    >>> net.twice(torch.zeros(4, 2)).shape
    torch.Size([4, 3])
    >>> dist.destroy_process_group()
    """
    if not isinstance(module, FSDPModule):
        return
    if not hasattr(module, method_name):
        raise ValueError(f"{type(module)} does not have a method {method_name}")
    inner, state = getattr(module, method_name), module._fsdp

    @functools.wraps(inner)
    def method(*args: Any, **kwargs: Any) -> Any:
        args, kwargs = state.before(module, args, kwargs)
        return state.after(module, args, inner(*args, **kwargs))

    module.__dict__[method_name] = method


def share_comm_ctx(modules: list[Any]) -> None:
    """All modules share one way between the processes here: does nothing.

    >>> from rushlight.distributed.fsdp import share_comm_ctx
    >>> share_comm_ctx([])
    """
