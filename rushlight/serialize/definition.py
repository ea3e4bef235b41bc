"""A whole model as plain data: for each module its class's name, attributes, weights and parts.

`save(model)` stores this description instead of code. `load` rebuilds Module classes of rushlight,
classes declared by `add_safe_globals`, and (only with `weights_only=False`) Module classes that
the running program has imported already. No constructor runs and nothing is ever imported, so a
file cannot bring code with it; a model of your own loads where its class is defined.
"""

from __future__ import annotations

import functools
from typing import Any

import rushlight as rl

from ..core.names import class_path
from ..core.tensor import Tensor
from .errors import CheckpointError, short
from .safe import loaded_class, safe_class, safe_name

KEY = "__rushlight__"
# Hooks are code: a module that has some cannot be stored as data.
HOOKS = "_hooks"
PARTS = ("_parameters", "_buffers", "_modules")
OUR_MODULES = "rushlight."


def is_definable(value: Any) -> bool:
    """Whether the value is a module, or a function that modules keep (`activation=F.relu`)."""
    return _is_module(value) or _function_name(value) is not None


def _is_module(value: Any) -> bool:
    return isinstance(value, rl.nn.Module)


def describe(value: Any) -> dict[str, Any]:
    """The module or function as plain data."""
    name = _function_name(value)
    if name is not None:
        return {KEY: "function", "name": name}
    kind = type(value)
    state = value.__getstate__()
    attributes = {key: held for key, held in state.items() if key not in (*PARTS, "training")}
    for key, held in attributes.items():
        if HOOKS in key and isinstance(held, dict) and held:
            raise _has_hooks(kind, key)
    return {
        KEY: "module",
        "class": safe_name(kind) or class_path(kind),
        "training": value.training,
        "attributes": attributes,
        **{key.removeprefix("_"): dict(state[key]) for key in PARTS},
    }


def _has_hooks(kind: type, key: str) -> TypeError:
    error = TypeError(f"cannot save a {kind.__qualname__} with hooks ({key}): hooks are code")
    error.add_note("remove them first, or save the weights: torch.save(model.state_dict(), path)")
    return error


@functools.cache
def _functions() -> dict[str, Any]:
    """The functions that a description may name: those of `nn.functional`, by path."""
    names = [name for name in vars(rl.nn.functional) if not name.startswith("_")]
    found = {}
    for home, space in (("rushlight.nn.functional", rl.nn.functional), ("rushlight", rl)):
        for name in names:
            value = getattr(space, name, None)
            if callable(value) and not isinstance(value, type):
                found[f"{home}.{name}"] = value
    return found


@functools.cache
def _function_names() -> dict[int, str]:
    return {id(value): name for name, value in reversed(_functions().items())}


def _function_name(value: Any) -> str | None:
    if not callable(value) or isinstance(value, type) or _is_module(value):
        return None
    return _function_names().get(id(value))


def is_description(value: Any) -> bool:
    """Whether the dictionary describes a module or a function."""
    return type(value.get(KEY)) is str


def revive(found: dict[Any, Any], trusted: bool) -> Any:
    """The module or function that the (already rebuilt) description stands for."""
    if found[KEY] == "function":
        return _revive_function(found.get("name"))
    _check(found)
    kind = _class(found["class"], trusted)
    module = kind.__new__(kind)
    state = dict(found["attributes"])
    for key in PARTS:
        state[key] = dict(found[key.removeprefix("_")])
    state["training"] = found["training"]
    module.__setstate__(state)
    return module


def _check(found: dict[Any, Any]) -> None:
    shape = {"class": str, "training": bool, "attributes": dict}
    shape |= dict.fromkeys(("parameters", "buffers", "modules"), dict)
    for key, kind in shape.items():
        if type(found.get(key)) is not kind:
            raise CheckpointError(f"the description of a module lacks {key!r}; refused")
    if set(found) != {KEY, *shape} or found[KEY] != "module":
        raise CheckpointError("the description of a module has unknown parts; refused")
    _check_parts(found["parameters"], Tensor, "parameter")
    _check_parts(found["buffers"], Tensor, "buffer")
    _check_parts(found["modules"], rl.nn.Module, "module")
    for key in found["attributes"]:
        if type(key) is not str or key in PARTS or (key.startswith("__") and key.endswith("__")):
            raise CheckpointError(f"a module's attribute {short(str(key))} is not plain; refused")


def _check_parts(found: dict[Any, Any], kind: type, what: str) -> None:
    for name, value in found.items():
        if type(name) is not str or not (value is None or isinstance(value, kind)):
            raise CheckpointError(f"{what} {short(str(name))} of a module is none; refused")


def _class(name: str, trusted: bool) -> Any:
    kind = safe_class(name, trusted)
    if kind is None and (name.startswith(OUR_MODULES) or trusted):
        kind = loaded_class(name)
    if isinstance(kind, type) and issubclass(kind, rl.nn.Module):
        return kind
    error = CheckpointError(
        f"the file holds a model of class {short(name)}, which is not known here; refused"
    )
    error.add_note("define or import the class, then: torch.load(path, weights_only=False), or")
    error.add_note("torch.serialization.add_safe_globals([the class]) before torch.load(path);")
    error.add_note("or save model.state_dict() and load it into a model you build")
    raise error


def _revive_function(name: Any) -> Any:
    found = _functions().get(name) if type(name) is str else None
    if found is None:
        raise CheckpointError(f"the file names the function {short(str(name))}; refused")
    return found
