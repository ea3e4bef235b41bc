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

from ..checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    set_model_state_dict,
)
from ..device_mesh import whole_mesh
from .fully import FSDPModule, fully_shard
from .policies import MixedPrecisionPolicy
from .states import (
    OptimStateDictConfig,
    StateDictConfig,
    StateDictSettings,
    StateDictType,
    settings,
)
from .wrap import chosen

dist: Any = rl.distributed


class ShardingStrategy(Enum):
    """Whether parameters are in parts between forward and backward too (FULL_SHARD), or then
    whole (SHARD_GRAD_OP)."""

    FULL_SHARD = auto()
    SHARD_GRAD_OP = auto()
    NO_SHARD = auto()
    HYBRID_SHARD = auto()
    _HYBRID_SHARD_ZERO2 = auto()


@dataclass(frozen=True)
class MixedPrecision:
    """In which types is computed, and reduced."""

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
    Raises NotImplementedError for strategies other than FULL_SHARD and SHARD_GRAD_OP.
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
        if process_group is not None:
            raise NotImplementedError("process_group is not taken: give a device_mesh")
        if sync_module_states:
            for one in (*module.parameters(), *module.buffers()):
                dist.broadcast(one.detach(), 0)
        ignored = {p for one in ignored_modules or () for p in one.parameters()}
        how: dict[str, Any] = {
            "mesh": whole_mesh() if device_mesh is None else device_mesh,
            "ignored_params": ignored | set(ignored_states or ()),
        }
        asked = {"sharding_strategy": sharding_strategy, "mixed_precision": mixed_precision}
        for inner, own in list(chosen(module, auto_wrap_policy, how["ignored_params"])):
            if not isinstance(inner, FSDPModule):
                fully_shard(inner, **how, **_options(asked | own))
        self._fsdp_wrapped_module = fully_shard(module, **how, **_options(asked))
        self._state_settings = settings(StateDictType.FULL_STATE_DICT)

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

    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """The state of the module inside, under its own names; all processes call it.

        Whole, unless `state_dict_type` has said that it shall be in parts.
        """
        said = self._state_settings
        if said.state_dict_type is StateDictType.SHARDED_STATE_DICT:
            return get_model_state_dict(self.module)
        alone = getattr(said.state_dict_config, "rank0_only", False)
        how = StateDictOptions(full_state_dict=True, cpu_offload=alone)
        return get_model_state_dict(self.module, options=how)

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


def _options(asked: dict[str, Any]) -> dict[str, Any]:
    """What the wrapper's options are to `fully_shard`."""
    strategy = asked["sharding_strategy"] or ShardingStrategy.FULL_SHARD
    if strategy not in (ShardingStrategy.FULL_SHARD, ShardingStrategy.SHARD_GRAD_OP):
        raise NotImplementedError(f"{strategy} is not there: fully_shard takes a 2D mesh")
    kinds = asked["mixed_precision"] or MixedPrecision()
    found: dict[str, Any] = {
        "mp_policy": MixedPrecisionPolicy(kinds.param_dtype, kinds.reduce_dtype)
    }
    if strategy is ShardingStrategy.SHARD_GRAD_OP:
        found["reshard_after_forward"] = False
    return found
