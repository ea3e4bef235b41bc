"""`FullyShardedDataParallel`: the older way to say what `fully_shard` does, as a wrapper.

Parameters are DTensors of their own, as with torch's `use_orig_params=True`, and not joined into a
flat one. Source: https://docs.pytorch.org/docs/stable/fsdp.html
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

import rushlight as rl

from ...core.errors import fail
from ..checkpoint import optimizer_states
from ..checkpoint.naming import hide
from ..checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    set_model_state_dict,
)
from ..device_mesh import DeviceMesh, whole_mesh
from .fully import FSDPModule, fully_shard
from .policies import MixedPrecisionPolicy
from .states import (
    OptimStateDictConfig,
    OptimStateKeyType,
    StateDictConfig,
    StateDictSettings,
    StateDictType,
    settings,
)
from .summoning import summoned
from .wrap import chosen

dist: Any = rl.distributed


INSIDE = "_fsdp_wrapped_module"


class ShardingStrategy(Enum):
    """Whether parameters are in parts between forward and backward too (FULL_SHARD), then whole
    (SHARD_GRAD_OP) or always (NO_SHARD); HYBRID_SHARD has copies of the parts.

    >>> from rushlight.distributed.fsdp import ShardingStrategy
    >>> [strategy.name for strategy in ShardingStrategy][:3]
    ['FULL_SHARD', 'SHARD_GRAD_OP', 'NO_SHARD']
    """

    FULL_SHARD = auto()
    SHARD_GRAD_OP = auto()
    NO_SHARD = auto()
    HYBRID_SHARD = auto()
    _HYBRID_SHARD_ZERO2 = auto()


@dataclass(frozen=True)
class MixedPrecision:
    """In which types is computed (`param_dtype`) and reduced (`reduce_dtype`); None: as it is kept.

    >>> import rushlight as torch
    >>> from rushlight.distributed.fsdp import MixedPrecision
    >>> MixedPrecision(param_dtype=torch.bfloat16, reduce_dtype=torch.float32).param_dtype
    torch.bfloat16
    """

    param_dtype: Any = None
    reduce_dtype: Any = None
    buffer_dtype: Any = None
    keep_low_precision_grads: bool = False
    cast_forward_inputs: bool = False
    cast_root_forward_inputs: bool = True


class FullyShardedDataParallel(rl.nn.Module):
    """Wrap a module whose parameters, gradients and optimiser state shall be in parts.

    `auto_wrap_policy` (`fsdp.wrap`) chooses inner modules that are gathered by themselves: a set of
    classes, or a function of `module`, `recurse` and `nonwrapped_numel`.
    `sync_module_states=True` starts from the values of rank 0. `state_dict()` has whole tensors,
    unless `state_dict_type` says otherwise.
    HYBRID_SHARD takes a mesh of two dimensions (copies, parts) or two groups (parts, copies).

    >>> import rushlight as torch
    >>> import rushlight.distributed as dist
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> from rushlight.distributed.fsdp import FullyShardedDataParallel
    >>> net = FullyShardedDataParallel(torch.nn.Linear(2, 1))
    >>> net(torch.ones(3, 2)).mean().backward()
    >>> torch.optim.SGD(net.parameters(), lr=0.1).step()
    >>> sorted(net.state_dict())
    ['bias', 'weight']
    >>> dist.destroy_process_group()
    """

    def __init__(
        self, module: Any, process_group: Any = None,
        sharding_strategy: ShardingStrategy | None = None, cpu_offload: Any = None,
        auto_wrap_policy: Any = None, backward_prefetch: Any = None,
        mixed_precision: MixedPrecision | None = None, ignored_modules: Any = None,
        param_init_fn: Any = None, device_id: Any = None, sync_module_states: bool = False,
        forward_prefetch: bool = False, limit_all_gathers: bool = True,
        use_orig_params: bool = False, ignored_states: Any = None, device_mesh: Any = None,
    ) -> None:  # fmt: skip
        super().__init__()
        if sync_module_states:
            for one in (*module.parameters(), *module.buffers()):
                dist.broadcast(one.detach(), 0)
        ignored = {p for one in ignored_modules or () for p in one.parameters()}
        how: dict[str, Any] = {
            "mesh": _mesh(device_mesh, process_group, sharding_strategy),
            "ignored_params": ignored | set(ignored_states or ()),
        }
        asked = {"sharding_strategy": sharding_strategy, "mixed_precision": mixed_precision}
        for inner, own in list(chosen(module, auto_wrap_policy, how["ignored_params"])):
            if not isinstance(inner, FSDPModule):
                fully_shard(inner, **how, **_options(asked | own))
        self._fsdp_wrapped_module = fully_shard(module, **how, **_options(asked))
        self._state_settings = settings(StateDictType.FULL_STATE_DICT)
        self._shows_inside = False  # whether names are those of the module inside
        hide(self, INSIDE)

    @property
    def module(self) -> Any:
        """The module inside."""
        return self._fsdp_wrapped_module

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("_fsdp_wrapped_module"), name)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Call the module inside."""
        return self._fsdp_wrapped_module(*args, **kwargs)

    def state_dict(
        self, *args: Any, destination: Any = None, prefix: str = "", keep_vars: bool = False
    ) -> dict[str, Any]:
        """The state of the module inside, under its own names; all processes call it.

        Whole, unless `state_dict_type` has said that it shall be in parts.
        """
        said, how = self._state_settings, StateDictOptions()
        if said.state_dict_type is not StateDictType.SHARDED_STATE_DICT:
            alone = getattr(said.state_dict_config, "rank0_only", False)
            how = StateDictOptions(full_state_dict=True, cpu_offload=alone)
        found = get_model_state_dict(self.module, options=how)
        into = {} if destination is None else destination
        into.update({prefix + name: one for name, one in found.items()})
        return into

    def named_parameters(self, *args: Any, **kwargs: Any) -> Iterator[tuple[str, Any]]:
        """The parameters; in a block of `summon_full_params` under their names inside."""
        for name, parameter in super().named_parameters(*args, **kwargs):
            yield name.replace(f"{INSIDE}.", "") if self._shows_inside else name, parameter

    @staticmethod
    def set_state_dict_type(
        module: Any, state_dict_type: StateDictType,
        state_dict_config: StateDictConfig | None = None,
        optim_state_dict_config: OptimStateDictConfig | None = None,
    ) -> StateDictSettings:  # fmt: skip
        """Choose in which form `state_dict` gives the state; the choice before."""
        made = settings(state_dict_type, state_dict_config, optim_state_dict_config)
        wrapped = _wrappers(module)
        before = FullyShardedDataParallel.get_state_dict_type(module)
        for one in wrapped:
            one._state_settings = made
        return before

    @staticmethod
    def get_state_dict_type(module: Any) -> StateDictSettings:
        """The form in which `state_dict` gives the state."""
        wrapped = _wrappers(module)
        if not wrapped:
            raise RuntimeError("there is no FullyShardedDataParallel in the module")
        return wrapped[0]._state_settings

    @staticmethod
    @contextlib.contextmanager
    def state_dict_type(
        module: Any, state_dict_type: StateDictType,
        state_dict_config: StateDictConfig | None = None,
        optim_state_dict_config: OptimStateDictConfig | None = None,
    ) -> Iterator[None]:  # fmt: skip
        """A block in which `state_dict` gives the state in a form."""
        kind = FullyShardedDataParallel
        before = kind.set_state_dict_type(
            module, state_dict_type, state_dict_config, optim_state_dict_config
        )
        try:
            yield
        finally:
            kind.set_state_dict_type(
                module, before.state_dict_type, before.state_dict_config,
                before.optim_state_dict_config,
            )  # fmt: skip

    @staticmethod
    @contextlib.contextmanager
    def summon_full_params(
        module: Any, recurse: bool = True, writeback: bool = True, rank0_only: bool = False,
        offload_to_cpu: bool = False, with_grads: bool = False,
    ) -> Iterator[None]:  # fmt: skip
        """A block in which the parameters are whole, on every process.

        What is written to them is kept with `writeback`; with `with_grads` they have gradients.
        Raises: NotImplementedError for `rank0_only` with `writeback`, as torch.
        """
        if writeback and rank0_only:
            raise NotImplementedError(
                "writeback=True and rank0_only=True is not supported, since this would result in"
                " inconsistent parameters across ranks."
            )
        wrapped = _wrappers(module) if recurse else [module]
        states = dict.fromkeys(s for one in wrapped for s in one.module._states(recurse))
        for one in wrapped:
            one._shows_inside = True
        try:
            with summoned([state.group for state in states], writeback, with_grads):
                yield
        finally:
            for one in wrapped:
                one._shows_inside = False

    @staticmethod
    def optim_state_dict(
        model: Any, optim: Any, optim_state_dict: Any = None, group: Any = None
    ) -> dict[str, Any]:
        """The state of an optimiser by the names of parameters, in the form of `state_dict_type`:
        whole (on rank 0 alone, if asked) or in parts. All processes call it."""
        said = FullyShardedDataParallel.get_state_dict_type(model)
        state = optim.state_dict() if optim_state_dict is None else optim_state_dict
        found = optimizer_states.renamed(state, optimizer_states.names_in(model, optim))
        if said.state_dict_type is StateDictType.FULL_STATE_DICT:
            found = optimizer_states.whole(found)
        alone = getattr(said.optim_state_dict_config, "rank0_only", False)
        return {} if alone and dist.get_rank() else found

    @staticmethod
    def full_optim_state_dict(
        model: Any, optim: Any, optim_input: Any = None, rank0_only: bool = True,
        group: Any = None,
    ) -> dict[str, Any]:  # fmt: skip
        """The whole state of an optimiser by names, on rank 0 alone unless told otherwise."""
        names = optimizer_states.names_in(model, optim)
        found = optimizer_states.whole(optimizer_states.renamed(optim.state_dict(), names))
        return {} if rank0_only and dist.get_rank() else found

    @staticmethod
    def sharded_optim_state_dict(model: Any, optim: Any, group: Any = None) -> dict[str, Any]:
        """The state of an optimiser by names, in parts."""
        names = optimizer_states.names_in(model, optim)
        return optimizer_states.renamed(optim.state_dict(), names)

    @staticmethod
    def optim_state_dict_to_load(
        model: Any, optim: Any, optim_state_dict: dict[str, Any],
        is_named_optimizer: bool = False, load_directly: bool = False, group: Any = None,
    ) -> dict[str, Any]:  # fmt: skip
        """What `optim.load_state_dict` takes, from a state by names, whole or in parts.

        Where `state_dict_type` says that rank 0 alone has it, the others are given it.
        """
        said = FullyShardedDataParallel.get_state_dict_type(model).optim_state_dict_config
        if getattr(said, "rank0_only", False):
            optim_state_dict = optimizer_states.from_first(optim_state_dict)
        found = optimizer_states.to_numbers(model, optim, optim_state_dict)
        if load_directly:
            optim.load_state_dict(found)
        return found

    @staticmethod
    def shard_full_optim_state_dict(
        full_optim_state_dict: dict[str, Any], model: Any, optim_input: Any = None,
        optim: Any = None,
    ) -> dict[str, Any]:  # fmt: skip
        """What `optim.load_state_dict` takes, from a whole state that every process has."""
        return optimizer_states.to_numbers(model, optim, full_optim_state_dict)

    @staticmethod
    def scatter_full_optim_state_dict(
        full_optim_state_dict: dict[str, Any] | None, model: Any, optim_input: Any = None,
        optim: Any = None, group: Any = None,
    ) -> dict[str, Any]:  # fmt: skip
        """What `optim.load_state_dict` takes, from a whole state that rank 0 has."""
        given = optimizer_states.from_first(full_optim_state_dict or {})
        return optimizer_states.to_numbers(model, optim, given)

    @staticmethod
    def rekey_optim_state_dict(
        optim_state_dict: dict[str, Any], optim_state_key_type: OptimStateKeyType, model: Any,
        optim_input: Any = None, optim: Any = None,
    ) -> dict[str, Any]:  # fmt: skip
        """A state by names as one by numbers, or the other way, for a model that is not wrapped."""
        names = [name for name, _ in model.named_parameters()]
        table: dict[Any, Any] = dict(zip(names, range(len(names))))
        if optim_state_key_type is OptimStateKeyType.PARAM_NAME:
            table = dict(enumerate(names))
        state, groups = optim_state_dict["state"], optim_state_dict["param_groups"]
        return {
            "state": {table.get(key, key): one for key, one in state.items()},
            "param_groups": [
                {**one, "params": sorted(table.get(key, key) for key in one["params"])}
                for one in groups
            ],
        }

    @staticmethod
    def fsdp_modules(module: Any, root_only: bool = False) -> list[Any]:
        """The wrappers in a module."""
        return _wrappers(module)[:1] if root_only else _wrappers(module)

    def load_state_dict(self, state_dict: Any, strict: bool = True, assign: bool = False) -> Any:
        """Load what `state_dict` gave."""
        options = StateDictOptions(strict=strict)
        return set_model_state_dict(self.module, dict(state_dict), options=options)

    def clip_grad_norm_(self, max_norm: float, norm_type: float = 2.0) -> Any:
        """Scale the gradients so that their norm over all processes is at most `max_norm`."""
        total = rl.nn.utils.clip_grad_norm_(self.parameters(), max_norm, norm_type)
        return total.full_tensor() if hasattr(total, "full_tensor") else total

    @contextlib.contextmanager
    def no_sync(self) -> Iterator[None]:
        """A block in which gradients add up on each process and are not reduced."""
        self.module.set_requires_gradient_sync(False)
        try:
            yield
        finally:
            self.module.set_requires_gradient_sync(True)


def _wrappers(module: Any) -> list[Any]:
    return [one for one in module.modules() if isinstance(one, FullyShardedDataParallel)]


_HYBRID = (ShardingStrategy.HYBRID_SHARD, ShardingStrategy._HYBRID_SHARD_ZERO2)
_KEPT_WHOLE = (ShardingStrategy.SHARD_GRAD_OP, ShardingStrategy._HYBRID_SHARD_ZERO2)


def _mesh(given: Any, group: Any, strategy: ShardingStrategy | None) -> Any:
    """The processes in a line along which parameters are cut, or in a grid of copies and parts."""
    if given is None and isinstance(group, tuple):  # that of the parts, and that of the copies
        parts, copies = group
        rows = [None] * dist.get_world_size(copies)
        dist.all_gather_object(rows, dist.get_process_group_ranks(parts), group=copies)
        given = DeviceMesh("cpu", rows)
    elif given is None and group is not None:
        given = DeviceMesh.from_group(group, "cpu")
    if strategy in _HYBRID and (given is None or given.ndim != 2):
        raise fail(
            ValueError,
            f"Manual wrapping with {strategy} requires explicit specification of process group or"
            " device_mesh.",
            'such as device_mesh=init_device_mesh("cpu", (copies, parts))',
        )
    if strategy is ShardingStrategy.NO_SHARD:
        ranks = range(dist.get_world_size()) if given is None else given.mesh.flatten().tolist()
        return DeviceMesh("cpu", [[rank] for rank in ranks])
    return whole_mesh() if given is None else given


def _options(asked: dict[str, Any]) -> dict[str, Any]:
    """What the wrapper's options are to `fully_shard`."""
    strategy = asked["sharding_strategy"] or ShardingStrategy.FULL_SHARD
    kinds = asked["mixed_precision"] or MixedPrecision()
    found: dict[str, Any] = {
        "mp_policy": MixedPrecisionPolicy(kinds.param_dtype, kinds.reduce_dtype)
    }
    if strategy in _KEPT_WHOLE:
        found["reshard_after_forward"] = False
    return found
