"""State dictionaries of networks with sharded parameters: in parts, or whole.

Source: https://docs.pytorch.org/docs/stable/distributed.checkpoint.html
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import rushlight as rl

from ...core.names import explain_missing as _explain_missing
from ..tensor.dtensor import DTensor
from ..tensor.making import distribute_tensor

__all__ = ["StateDictOptions", "get_model_state_dict", "set_model_state_dict"]
dist: Any = rl.distributed


@dataclass
class StateDictOptions:
    """What states look like: `full_state_dict`: whole; with `cpu_offload` too: on rank 0 alone.

    `broadcast_from_rank0`: rank 0 alone has the state that is set. `strict` as in
    `load_state_dict`.
    """

    full_state_dict: bool = False
    cpu_offload: bool = False
    ignore_frozen_params: bool = False
    keep_submodule_prefixes: bool = True
    strict: bool = True
    broadcast_from_rank0: bool = False


def _plain(name: str) -> str:
    """A name without what wrappers put into it."""
    return ".".join(part for part in name.split(".") if part not in ("_orig_mod",)).removeprefix(
        "module." if name.startswith("module.") else ""
    )


def get_model_state_dict(
    model: Any, *, submodules: Any = None, options: StateDictOptions | None = None
) -> dict[str, Any]:
    """The parameters and buffers of a model, whatever wraps it; all processes call it."""
    how = options or StateDictOptions()
    frozen = {name for name, p in model.named_parameters() if not p.requires_grad}
    found: dict[str, Any] = {}
    for name, one in model.state_dict().items():
        if how.ignore_frozen_params and name in frozen:
            continue
        if how.full_state_dict and isinstance(one, DTensor):
            one = one.detach().full_tensor()
            if how.cpu_offload and dist.get_rank():
                continue
        elif how.full_state_dict and how.cpu_offload and dist.get_rank():
            continue
        found[_plain(name)] = one
    return found


def set_model_state_dict(
    model: Any, model_state_dict: dict[str, Any], *, options: StateDictOptions | None = None
) -> Any:
    """Load a state, whole or in parts, into a model whatever wraps it; all processes call it."""
    how = options or StateDictOptions()
    given = dict(model_state_dict)
    own = model.state_dict()
    laid: dict[str, Any] = {}
    for name, target in own.items():
        key = _plain(name)
        if how.broadcast_from_rank0:
            source = given.get(key) if not dist.get_rank() else None
            value = rl.empty(target.shape, dtype=target.dtype) if source is None else source
            value = value.detach().clone().contiguous()
            dist.broadcast(value, 0)
        elif key in given:
            value = given[key]
        else:
            continue
        if isinstance(target, DTensor) and not isinstance(value, DTensor):
            value = distribute_tensor(
                value.detach(), target.device_mesh, target.placements, src_data_rank=None
            )
        laid[name] = value
    extra = {name: one for name, one in given.items() if name not in map(_plain, own)}
    return model.load_state_dict({**laid, **extra}, strict=how.strict)


_explain_missing(__name__)
