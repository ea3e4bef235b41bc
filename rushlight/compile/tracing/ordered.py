"""Ordered dictionaries with attributes, as `state_dict` gives them, taken apart as results."""

from __future__ import annotations

import copy
from collections import OrderedDict
from typing import Any

from ..calls.guards import SCALARS
from .results import Container


class Ordered(Container):
    """One that a call gives or keeps; `context` has its keys and attributes."""

    __slots__ = ()

    def built(self, parts: list[Any]) -> Any:
        """Such a dictionary of other parts, with attributes of its own."""
        keys, attributes = self.context
        made = OrderedDict(zip(keys, parts))
        vars(made).update(copy.deepcopy(attributes))
        return made


def ordered(value: Any) -> tuple[list[Any], Any] | None:
    """The values of such a dictionary, and its keys and attributes, if these are constants."""
    if type(value) is not OrderedDict or not vars(value) or not _is_plain(vars(value)):
        return None
    return [*value.values()], ([*value], copy.deepcopy(vars(value)))


def _is_plain(value: Any) -> bool:
    if type(value) in (dict, OrderedDict):
        return all(_is_plain(key) and _is_plain(part) for key, part in value.items())
    if type(value) in (list, tuple):
        return all(map(_is_plain, value))
    return type(value) in SCALARS
