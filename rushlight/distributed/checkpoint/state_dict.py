"""State dictionaries of networks and optimisers, by names: in parts, or whole.

They are the same however the network is wrapped, so that what was saved of one can be loaded into
another. Source: https://docs.pytorch.org/docs/stable/distributed.checkpoint.html
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import rushlight as rl

from ...core.names import explain_missing as _explain_missing
from ..tensor.dtensor import DTensor
from ..tensor.making import distribute_tensor
from . import optimizer_states
from .naming import plain_name

__all__ = [
    "StateDictOptions", "get_model_state_dict", "get_optimizer_state_dict", "get_state_dict",
    "set_model_state_dict", "set_optimizer_state_dict", "set_state_dict",
]  # fmt: skip
dist: Any = rl.distributed
_init_optim_state = optimizer_states.begin


@dataclass
class StateDictOptions:
    """What states look like: `full_state_dict`: whole; with `cpu_offload` too: on rank 0 alone.

    `broadcast_from_rank0`: rank 0 alone has the state that is set. `strict` as in
    `load_state_dict`. `flatten_optimizer_state_dict`: names joined by dots in one dictionary.

    >>> from rushlight.distributed.checkpoint.state_dict import StateDictOptions
    >>> StateDictOptions(full_state_dict=True).full_state_dict
    True
    """

    full_state_dict: bool = False
    cpu_offload: bool = False
    ignore_frozen_params: bool = False
    keep_submodule_prefixes: bool = True
    strict: bool = True
    broadcast_from_rank0: bool = False
    flatten_optimizer_state_dict: bool = False
    dsd_fqn_modifiers: str = "_fqn_modifiers"


def _elsewhere(how: StateDictOptions) -> bool:
    """Whether another process alone gets the whole."""
    return how.full_state_dict and how.cpu_offload and bool(_rank())


def _rank() -> int:
    return dist.get_rank() if dist.is_initialized() else 0


def get_model_state_dict(
    model: Any, *, submodules: Any = None, options: StateDictOptions | None = None
) -> dict[str, Any]:
    """The parameters and buffers of a model, whatever wraps it; all processes call it.

    `submodules`: those of these modules in it only.

    >>> import rushlight as torch
    >>> from rushlight.distributed.checkpoint.state_dict import get_model_state_dict
    >>> list(get_model_state_dict(torch.nn.Linear(2, 1)))
    ['weight', 'bias']
    """
    how = options or StateDictOptions()
    frozen = {name for name, p in model.named_parameters() if not p.requires_grad}
    inside = _names_inside(model, submodules, how.keep_submodule_prefixes)
    found: dict[str, Any] = {}
    for name, one in model.state_dict().items():
        if how.ignore_frozen_params and name in frozen:
            continue
        plain = plain_name(model, name)
        if inside is not None:
            prefix = next((p for p in inside if plain.startswith(p)), None)
            if prefix is None:
                continue
            plain = inside[prefix] + plain.removeprefix(prefix)
        if how.full_state_dict and isinstance(one, DTensor):
            one = one.detach().full_tensor()
        if not _elsewhere(how):
            found[plain] = one
    return found


def _names_inside(model: Any, submodules: Any, keep: bool) -> dict[str, str] | None:
    """The beginnings of names in some modules, and what they become; None for all of a model."""
    if not submodules:
        return None
    return {
        (prefix := plain_name(model, name) + "."): prefix if keep else ""
        for name, one in model.named_modules() if one in submodules
    }  # fmt: skip


def get_optimizer_state_dict(
    model: Any, optimizers: Any, *, submodules: Any = None,
    options: StateDictOptions | None = None,
) -> dict[str, Any]:  # fmt: skip
    """The states of optimisers (one, or several) by the names of the model's parameters.

    One that has taken no step is given its first state. All processes call it.

    >>> import rushlight as torch
    >>> from rushlight.distributed.checkpoint.state_dict import get_optimizer_state_dict
    >>> net = torch.nn.Linear(2, 1)
    >>> state = get_optimizer_state_dict(net, torch.optim.SGD(net.parameters(), momentum=0.9))
    >>> state["param_groups"][0]["params"]
    ['weight', 'bias']
    """
    how = options or StateDictOptions()
    found = optimizer_states.named(model, optimizer_states.several(optimizers))
    if how.full_state_dict:
        found = optimizer_states.whole(found)
    if _elsewhere(how):
        return {}
    return optimizer_states.flat(found) if how.flatten_optimizer_state_dict else found


def get_state_dict(
    model: Any, optimizers: Any, *, submodules: Any = None,
    options: StateDictOptions | None = None,
) -> tuple[dict[str, Any], dict[str, Any]]:  # fmt: skip
    """Both: of the model, and of its optimisers.

    >>> import rushlight as torch
    >>> from rushlight.distributed.checkpoint.state_dict import get_state_dict
    >>> net = torch.nn.Linear(2, 1)
    >>> model_state, optim_state = get_state_dict(net, torch.optim.SGD(net.parameters()))
    >>> list(model_state), list(optim_state)
    (['weight', 'bias'], ['state', 'param_groups'])
    """
    return (
        get_model_state_dict(model, submodules=submodules, options=options),
        get_optimizer_state_dict(model, optimizers, submodules=submodules, options=options),
    )


def _named(model: Any) -> Iterator[tuple[str, Any]]:
    for every in (model.named_parameters, model.named_buffers):
        for name, one in every(remove_duplicate=False):
            yield plain_name(model, name), one


def set_model_state_dict(
    model: Any, model_state_dict: dict[str, Any], *, options: StateDictOptions | None = None
) -> Any:
    """Load a state, whole or in parts, into a model whatever wraps it; all processes call it.

    >>> import rushlight as torch
    >>> from rushlight.distributed.checkpoint.state_dict import set_model_state_dict
    >>> net = torch.nn.Linear(1, 1)
    >>> set_model_state_dict(net, {"weight": torch.ones(1, 1), "bias": torch.zeros(1)})
    <All keys matched successfully>
    >>> net.weight.data
    tensor([[1.]])
    """
    how = options or StateDictOptions()
    given = dict(model_state_dict)
    own = model.state_dict()
    laid: dict[str, Any] = {}
    places = dict(_named(model))  # a wrapper inside may have gathered what its state shows
    for name, shown in own.items():
        key = plain_name(model, name)
        target = places.get(key, shown)
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
    known = {plain_name(model, name) for name in own}
    extra = {name: one for name, one in given.items() if name not in known}
    return model.load_state_dict({**laid, **extra}, strict=how.strict)


def set_optimizer_state_dict(
    model: Any, optimizers: Any, optim_state_dict: dict[str, Any], *,
    options: StateDictOptions | None = None,
) -> None:  # fmt: skip
    """Load the states of optimisers, whole or in parts, by names; all processes call it.

    >>> import rushlight as torch
    >>> from rushlight.distributed.checkpoint import state_dict as states
    >>> net = torch.nn.Linear(2, 1)
    >>> opt = torch.optim.SGD(net.parameters(), lr=0.5)
    >>> state = states.get_optimizer_state_dict(net, opt)
    >>> state["param_groups"][0]["lr"] = 0.25
    >>> states.set_optimizer_state_dict(net, opt, state)
    >>> opt.param_groups[0]["lr"]
    0.25
    """
    how = options or StateDictOptions()
    given = optim_state_dict
    if how.broadcast_from_rank0:
        given = optimizer_states.from_first(given)
    for one in optimizer_states.several(optimizers):
        optimizer_states.begin(one)
        one.load_state_dict(optimizer_states.numbered(model, one, given))


def set_state_dict(
    model: Any, optimizers: Any, *, model_state_dict: dict[str, Any],
    optim_state_dict: dict[str, Any], options: StateDictOptions | None = None,
) -> Any:  # fmt: skip
    """Load both: the model's state, and those of its optimisers.

    >>> import rushlight as torch
    >>> from rushlight.distributed.checkpoint import state_dict as states
    >>> net = torch.nn.Linear(2, 1)
    >>> opt = torch.optim.SGD(net.parameters())
    >>> model, optim = states.get_state_dict(net, opt)
    >>> states.set_state_dict(net, opt, model_state_dict=model, optim_state_dict=optim)
    <All keys matched successfully>
    """
    missing = set_model_state_dict(model, model_state_dict, options=options)
    set_optimizer_state_dict(model, optimizers, optim_state_dict, options=options)
    return missing


_explain_missing(__name__)
