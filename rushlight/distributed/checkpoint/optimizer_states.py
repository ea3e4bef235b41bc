"""States of optimisers by the names of parameters instead of their numbers, and back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import rushlight as rl

from ...core.errors import fail
from ..tensor.dtensor import DTensor
from ..tensor.making import distribute_tensor
from .naming import parameter_names

dist: Any = rl.distributed
State = dict[str, Any]


def several(optimizers: Any) -> tuple[Any, ...]:
    """One optimiser or several, as several."""
    return tuple(optimizers) if isinstance(optimizers, Iterable) else (optimizers,)


def begin(optimizer: Any) -> None:
    """Have an optimiser that took no step make its state: a step of length zero.

    Raises: RuntimeError where there are gradients, which such a step would take in.
    """
    if optimizer.state:
        return
    every = [p for group in optimizer.param_groups for p in group["params"] if p.requires_grad]
    if any(p.grad is not None for p in every):
        raise RuntimeError(
            "state_dict can only be used if the optimizer states are initialized (usually after"
            " one step() with gradients) or gradients are None. For the later case, state_dict will"
            " fake the gradients as zero to initialize the optimizer states. However, the"
            " gradients are not None."
        )
    rates = [group.get("lr") for group in optimizer.param_groups]
    for p in every:
        p.grad = rl.zeros_like(p)
    for group in optimizer.param_groups:
        if "lr" in group:
            group["lr"] = rl.tensor(0.0) if isinstance(group["lr"], rl.Tensor) else 0.0
    optimizer.step(closure=None)
    for group, rate in zip(optimizer.param_groups, rates):
        if "lr" in group:
            group["lr"] = rate
    optimizer.zero_grad(set_to_none=True)


def names_in(model: Any, optimizer: Any) -> list[list[str]]:
    """The names of the parameters of each group."""
    known = parameter_names(model)
    missing = [p for g in optimizer.param_groups for p in g["params"] if p not in known]
    if missing:
        raise fail(
            AssertionError, f"{len(missing)} of the optimizer's parameters are not in the model",
            f"the first has the shape {tuple(missing[0].shape)}",
        )  # fmt: skip
    return [[known[p] for p in group["params"]] for group in optimizer.param_groups]


def named(model: Any, optimizers: tuple[Any, ...]) -> State:
    """The states of optimisers, by the names of the model's parameters."""
    found: State = {"state": {}, "param_groups": []}
    for one in optimizers:
        begin(one)
        found_here = renamed(one.state_dict(), names_in(model, one))
        found["state"].update(found_here["state"])
        found["param_groups"] += found_here["param_groups"]
    return found


def renamed(state: State, names: list[list[str]]) -> State:
    """A state with names (given by groups) in the places of numbers."""
    known: dict[Any, str] = {}
    groups = []
    for group, some in zip(state["param_groups"], names):
        known.update(zip(group["params"], some))
        groups.append({**group, "params": list(some)})
    by_name = {known[number]: one for number, one in state["state"].items()}
    return {"state": by_name, "param_groups": groups}


def whole(state: State) -> State:
    """The state with whole tensors; all processes call it."""
    every = {
        name: {key: _gathered(value) for key, value in one.items()}
        for name, one in state["state"].items()
    }
    return {"state": every, "param_groups": state["param_groups"]}


def _gathered(value: Any) -> Any:
    return value.detach().full_tensor() if isinstance(value, DTensor) else value


def flat(state: State) -> State:
    """One dictionary: `state.name.key`, and `param_groups.name.key` for each parameter."""
    found: State = {}
    for name, one in state["state"].items():
        found |= {f"state.{name}.{key}": value for key, value in one.items()}
    for group in state["param_groups"]:
        for name in group["params"]:
            for key, value in group.items():
                if key != "params":
                    found[f"param_groups.{name}.{key}"] = value
    return found


def _option(given: State, name: str, key: str, group: State | None, default: Any) -> Any:
    """An option of a parameter's group, in a flat or a nested state."""
    if group is not None:
        return group.get(key, default)
    return given.get(f"param_groups.{name}.{key}", default)


def numbered(model: Any, optimizer: Any, given: State) -> State:
    """A state by names as this optimiser's own, with tensors laid as its own are.

    Raises: KeyError for a parameter of which the state says nothing.
    """
    own = optimizer.state_dict()
    groups = []
    for group, names in zip(own["param_groups"], names_in(model, optimizer)):
        for number, name in zip(group["params"], names):
            if number in own["state"]:
                own["state"][number] = _filled(own["state"][number], name, given)
        groups.append(_options(group, names, given))
    return {"state": own["state"], "param_groups": groups}


def to_numbers(model: Any, optimizer: Any, given: State) -> State:
    """A state by names as this optimiser's own, which need not have begun: tensors of a
    parameter's shape are laid as the parameter is.
    """
    names = names_in(model, optimizer)
    numbers, state = optimizer.state_dict()["param_groups"], {}
    groups = []
    for own, some, group in zip(numbers, names, optimizer.param_groups):
        for number, name, parameter in zip(own["params"], some, group["params"]):
            if name in given["state"]:
                state[number] = {
                    key: _laid(value, parameter) if _same_shape(value, parameter) else value
                    for key, value in given["state"][name].items()
                }
        groups.append(_options(own, some, given))
    return {"state": state, "param_groups": groups}


def _same_shape(value: Any, parameter: Any) -> bool:
    return isinstance(value, rl.Tensor) and value.shape == parameter.shape


def _options(group: State, names: list[str], given: State) -> State:
    """The options of a group: those of its first parameter."""
    first = names[0] if names else ""
    theirs = next((g for g in given.get("param_groups", ()) if first in g["params"]), None)
    return {
        key: value if key == "params" else _option(given, first, key, theirs, value)
        for key, value in group.items()
    }


def _filled(own: State, name: str, given: State) -> State:
    if "state" not in given:
        return {key: _laid(given[f"state.{name}.{key}"], old) for key, old in own.items()}
    theirs = given["state"][name]
    return {key: _laid(theirs.get(key, old), old) for key, old in own.items()}


def _laid(value: Any, like: Any) -> Any:
    """A value that lies as another one."""
    if not isinstance(value, rl.Tensor):
        return value
    if not isinstance(like, DTensor):
        return _gathered(value)
    if isinstance(value, DTensor):
        if (value.device_mesh, value.placements) == (like.device_mesh, like.placements):
            return value
        value = _gathered(value)
    return distribute_tensor(value.detach(), like.device_mesh, like.placements, src_data_rank=None)


def from_first(given: State) -> State:
    """The state that the first process has, on all."""
    tensors: list[Any] = []

    def noted(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: noted(one) for key, one in value.items()}
        if isinstance(value, list):
            return [noted(one) for one in value]
        if isinstance(value, rl.Tensor):
            tensors.append(_gathered(value).contiguous())
            return _Place(len(tensors) - 1, tuple(value.shape), value.dtype)
        return value

    def filled(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: filled(one) for key, one in value.items()}
        if isinstance(value, list):
            return [filled(one) for one in value]
        if isinstance(value, _Place):
            return value.received(tensors)
        return value

    box = [noted(given) if not dist.get_rank() else None]
    dist.broadcast_object_list(box, 0)
    return filled(box[0])


class _Place:
    """Where a tensor belongs that travels by itself."""

    def __init__(self, number: int, shape: tuple[int, ...], dtype: Any) -> None:
        self.number, self.shape, self.dtype = number, shape, dtype

    def received(self, tensors: list[Any]) -> Any:
        """The tensor, from the first process."""
        mine = not dist.get_rank()
        value = tensors[self.number] if mine else rl.empty(self.shape, dtype=self.dtype)
        dist.broadcast(value, 0)
        return value
