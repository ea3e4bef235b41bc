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

    `auto_wrap_policy` chooses inner modules that are gathered by themselves: a set of classes, or a
    function of `module`, `recurse` and `nonwrapped_numel`. `sync_module_states=True` starts from
    the values of rank 0. `state_dict()` has whole tensors.
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
        strategy = sharding_strategy or ShardingStrategy.FULL_SHARD
        if strategy not in (ShardingStrategy.FULL_SHARD, ShardingStrategy.SHARD_GRAD_OP):
            raise NotImplementedError(f"{strategy} is not there: fully_shard takes a 2D mesh")
        if process_group is not None:
            raise NotImplementedError("process_group is not taken: give a device_mesh")
        if sync_module_states:
            for one in (*module.parameters(), *module.buffers()):
                dist.broadcast(one.detach(), 0)
        kinds = mixed_precision or MixedPrecision()
        ignored = {p for one in ignored_modules or () for p in one.parameters()}
        how: dict[str, Any] = {
            "mesh": whole_mesh() if device_mesh is None else device_mesh,
            "mp_policy": MixedPrecisionPolicy(kinds.param_dtype, kinds.reduce_dtype),
            "ignored_params": ignored | set(ignored_states or ()),
        }
        if strategy is ShardingStrategy.SHARD_GRAD_OP:
            how["reshard_after_forward"] = False
        for inner in reversed(list(module.modules())[1:]):
            if _chosen(auto_wrap_policy, inner) and not isinstance(inner, FSDPModule):
                fully_shard(inner, **how)
        self._fsdp_wrapped_module = fully_shard(module, **how)

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
        """The state of the module inside, whole, under its own names; all processes call it."""
        return get_model_state_dict(self.module, options=StateDictOptions(full_state_dict=True))

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


def _chosen(policy: Any, module: Any) -> bool:
    """Whether a module is gathered by itself."""
    if policy is None:
        return False
    if isinstance(policy, set | frozenset | tuple):
        return isinstance(module, tuple(policy))
    count = sum(p.numel() for p in module.parameters())
    return bool(policy(module=module, recurse=False, nonwrapped_numel=count))
