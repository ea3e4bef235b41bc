"""Nested states as flat ones: every value under the way to it, joined by dots, and back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import rushlight as rl

from ...core.errors import fail

Way = tuple[Any, ...]


def _is_one_value(value: Any) -> bool:
    """Whether nothing in it is a state of its own: lists of plain values stay whole."""
    if isinstance(value, Mapping):
        return False
    if not isinstance(value, list):
        return True
    return not any(
        isinstance(one, rl.Tensor) or (isinstance(one, Mapping | list) and not _is_one_value(one))
        for one in value
    )


def _walk(value: Any, way: Way) -> Iterator[tuple[Way, Any]]:
    if isinstance(value, Mapping):
        for name, one in value.items():
            yield from _walk(one, (*way, name))
    elif _is_one_value(value):
        yield way, value
    else:
        for place, one in enumerate(value):
            yield from _walk(one, (*way, place))


def flattened(state: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Way]]:
    """The values by their joined names, and the way to each.

    Raises: ValueError where two ways have one name.

    >>> flattened({"a": {"b": 1, 0: 2}, "c": [3, 4]})[0]
    {'a.b': 1, 'a.0': 2, 'c': [3, 4]}
    """
    values: dict[str, Any] = {}
    ways: dict[str, Way] = {}
    for way, value in _walk(state, ()):
        name = ".".join(map(str, way))
        if name in values:
            raise fail(ValueError, f"duplicated flatten key {name}")
        values[name], ways[name] = value, way
    return values, ways


def put(state: Any, way: Way, value: Any) -> None:
    """Set what a way leads to, making what is missing on it."""
    for place, name in enumerate(way[:-1]):
        follows: Any = [] if isinstance(way[place + 1], int) else {}
        state = _entered(state, name, follows)
    if isinstance(state, list):
        state.extend([None] * (way[-1] + 1 - len(state)))
    state[way[-1]] = value


def _entered(state: Any, name: Any, follows: Any) -> Any:
    if isinstance(state, list):
        state.extend([None] * (name + 1 - len(state)))
        if state[name] is None:
            state[name] = follows
        return state[name]
    return state.setdefault(name, follows)
