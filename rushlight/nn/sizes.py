"""One number for every dimension, or a number for each: the arguments of spatial layers.

Torch keeps beside them what takes a wrapper's prefix off the names of a state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

__all__ = ["consume_prefix_in_state_dict_if_present"]


def repeated(times: int) -> Callable[[Any], tuple]:
    """A function that repeats a single value `times` times and leaves a sequence as a tuple."""

    def spread(value: Any) -> tuple:
        return tuple(value) if isinstance(value, Iterable) else (value,) * times

    return spread


_single, _pair, _triple, _quadruple = map(repeated, (1, 2, 3, 4))


def consume_prefix_in_state_dict_if_present(state_dict: dict[str, Any], prefix: str) -> None:
    """Take a prefix off the names of a state, in place: what DataParallel has put before them.

    Names without it stay where they are; `_metadata` follows.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.modules.utils.consume_prefix_in_state_dict_if_present.html

    >>> import rushlight as torch
    >>> state = {"module.weight": 1, "step": 2}
    >>> torch.nn.modules.utils.consume_prefix_in_state_dict_if_present(state, "module.")
    >>> state
    {'step': 2, 'weight': 1}
    """
    for names in (state_dict, getattr(state_dict, "_metadata", {})):
        for name in list(names):
            if name.startswith(prefix) or (name and name == prefix.replace(".", "")):
                names[name[len(prefix) :]] = names.pop(name)
