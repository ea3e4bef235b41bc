"""After a trace: whoever holds a number that stood for one of the call gets the number itself."""

from __future__ import annotations

import gc
import types
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from .alive import nothing_aside
from .numbers import Number
from .written import Text


def let_go(made: Sequence[Any]) -> None:
    """Objects in which a call left numbers (weak references) get their values instead."""
    left = {id(one): one for ref in made if (one := ref()) is not None}
    if left:
        values = {key: one.value for key, one in left.items()}
        with nothing_aside():
            _exchange(left, values)


def _exchange(old: Mapping[int, Any], new: Mapping[int, Any]) -> None:
    """Have those who refer to some objects refer to others."""
    again: dict[int, Any] = {}
    copies: dict[int, Any] = {}
    asked = tuple(old.values())  # which is a holder too, from Python 3.13 on
    for holder in gc.get_referrers(*asked):
        if holder is old or holder is asked or isinstance(holder, types.FrameType):
            continue
        if isinstance(holder, tuple):  # another one takes its place
            again[id(holder)] = holder
            parts = [new.get(id(x), x) for x in holder]
            copies[id(holder)] = type(holder)(*parts) if hasattr(holder, "_fields") else (
                type(holder)(parts))  # fmt: skip
        elif isinstance(holder, types.CellType):
            holder.cell_contents = new[id(holder.cell_contents)]
        else:
            _put(holder, new)
    if again:
        _exchange(again, copies)


def _put(holder: Any, new: Mapping[int, Any]) -> None:
    """Put values into the places of one object."""
    if isinstance(holder, (list, deque)):
        for place, value in enumerate(holder):
            if id(value) in new:
                holder[place] = new[id(value)]
        return
    if isinstance(holder, set):
        for value in [x for x in holder if id(x) in new]:
            holder.discard(value)
            holder.add(new[id(value)])
        return
    table = holder if isinstance(holder, dict) else getattr(holder, "__dict__", {})
    if isinstance(table, dict) and any(id(key) in new for key in table):
        pairs = [(new.get(id(key), key), value) for key, value in table.items()]
        table.clear()
        table.update(pairs)
    classes = [x for x in gc.get_referrers(table) if isinstance(x, type)] if table else []
    for key, value in list(table.items()):
        if id(value) not in new:
            continue
        if classes:  # the interpreter remembers what they hold, without a reference to it
            setattr(classes[0], key, new[id(value)])
        else:
            table[key] = new[id(value)]
    for kind in () if holder is table else type(holder).__mro__:
        for name, part in vars(kind).items():
            if isinstance(part, types.MemberDescriptorType) and id(
                    value := getattr(holder, name, None)) in new:  # fmt: skip
                with suppress(AttributeError):  # a number's own method, in the middle of a call
                    part.__set__(holder, new[id(value)])


def values_in(result: Any) -> Any:
    """What a call returns, with values for its numbers: where no object could be given them."""
    if type(result) in (Number, Text):
        return result.value
    if isinstance(result, tuple):
        parts = list(map(values_in, result))
        same = all(a is b for a, b in zip(parts, result))
        return result if same else type(result)(*parts) if hasattr(result, "_fields") else (
            type(result)(parts))  # fmt: skip
    return result
