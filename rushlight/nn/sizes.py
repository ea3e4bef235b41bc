"""One number for every dimension, or a number for each: the arguments of spatial layers.

Torch keeps beside them what takes a wrapper's prefix off the names of a state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

__all__ = ["consume_prefix_in_state_dict_if_present"]


def _ntuple(n: int, name: str = "parse") -> Callable[[Any], tuple]:
    """A function that repeats a single value `n` times and leaves a sequence as a tuple."""

    def spread(x: Any) -> tuple:
        return tuple(x) if isinstance(x, Iterable) else (x,) * n

    spread.__name__ = name
    return spread


repeated = _ntuple
_single, _pair = _ntuple(1, "_single"), _ntuple(2, "_pair")
_triple, _quadruple = _ntuple(3, "_triple"), _ntuple(4, "_quadruple")


def _reverse_repeat_tuple(t: tuple, n: int) -> tuple:
    """The elements in the other order, each `n` times: paddings of dimensions as `pad` takes them.

    >>> _reverse_repeat_tuple((1, 2), 2)
    (2, 2, 1, 1)
    """
    return tuple(x for x in reversed(t) for _ in range(n))


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
