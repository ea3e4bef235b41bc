"""What parameters are called, whatever wraps the modules that have them."""

from __future__ import annotations

import functools
from typing import Any

import rushlight as rl

_package: Any = rl
WRAPPERS = ("_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module")


def plain_name(model: Any, name: str) -> str:
    """A name without the parts that wrappers have put into it."""
    kept: list[str] = []
    at: Any = model
    for part in name.split("."):
        wraps = part == "module" and isinstance(
            at, _package.nn.parallel.DistributedDataParallel | _package.nn.DataParallel
        )
        if part not in WRAPPERS and not wraps:
            kept.append(part)
        at = getattr(at, part, None)
    return ".".join(kept)


def parameter_names(model: Any) -> dict[Any, str]:
    """The name of each parameter of a model."""
    return {one: plain_name(model, name) for name, one in model.named_parameters()}


def hide(wrapper: Any, inside: str) -> None:
    """Leave the name of a wrapper's only child out of states, and out of what is loaded."""

    def lengthened(module: Any, state: Any, prefix: str, *_: Any) -> None:
        for key in list(state):
            if key.startswith(prefix) and not key.startswith(f"{prefix}{inside}."):
                state[f"{prefix}{inside}.{key.removeprefix(prefix)}"] = state.pop(key)

    wrapper.register_state_dict_post_hook(functools.partial(_shortened, inside))
    wrapper.register_load_state_dict_pre_hook(lengthened)


def _shortened(inside: str, module: Any, state: Any, prefix: str, *_: Any) -> None:
    for key in list(state):
        if key.startswith(f"{prefix}{inside}."):
            state[prefix + key.removeprefix(f"{prefix}{inside}.")] = state.pop(key)
