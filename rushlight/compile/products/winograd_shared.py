"""The transforms of minimal filtering over whole blocks: functions that layers of all sizes share.

Sizes and steps, in elements, are arguments: each function is made once for a program. Vectors hold
as many terms, or channels, as there are lanes.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..code.emit import I64, PTR, VOID, Function, Module, Type, Value, constant
from .packing import turn_name
from .winograd_transform import POSITIONS, TAPS, TILE, WINDOW, plane, sums, weights, windows


def _made(module: Module, name: str, pointers: str, numbers: str) -> Function:
    """A function of so many pointers and numbers, by their names."""
    given = [(word, PTR) for word in pointers.split()] + [(word, I64) for word in numbers.split()]
    return module.function(name, given, internal=True)


def weights_name(module: Module, type: Type, turned: bool, few: int = 0) -> str:
    """The function that makes factors of the weights of one vector of channels, term by term.

    `turned` taps are read from the last to the first; a last vector may have `few` channels.
    """
    name = f"filter_weights_{type.suffix}{'_turned' * turned}{f'_{few}' * bool(few)}"
    if name in module.functions:
        return name
    f = _made(module, name, "weight target", "terms row term to position")
    weight, target, terms, row, term, to, position = f.arguments
    room = f.stack(type.scalar, TAPS * TAPS * type.lanes)
    with f.loop(0, terms, carry=[weight, target], some=True) as loop:
        here, there = loop.carried
        _taps(f, type, here, row, room, few)
        places = range(TAPS * TAPS)
        grid = [f.load(type, room, at * type.lanes) for at in (places[::-1] if turned else places)]
        _store(f, type, plane(f, weights, grid, TAPS), there, position)
        loop.next(f.at(here, term, type), f.at(there, to, type))
    return name


def _taps(f: Function, type: Type, weight: Value, row: Value, room: Value, few: int) -> None:
    """The taps of a term, each a vector of channels; lanes beyond the few are filled too."""
    lanes, kinds, wide = type.lanes, TAPS * TAPS, min(8, type.lanes)
    for lane in range(0, lanes, wide):
        start = lane if lane < (few or lanes) else 0
        left = (few or lanes) - start
        edge = left < wide
        turn = turn_name(f.module, type.wide(wide), edge)
        more = [constant(left, I64)] if edge else []
        for tap in sorted({*range(0, kinds - wide + 1, wide), kinds - wide}):
            come = f.at(f.at(weight, f.mul(row, start), type), tap, type)
            to = f.at(room, tap * lanes + lane, type)
            f.call(turn, VOID, come, row, to, constant(lanes, I64), *more)


def _store(f: Function, type: Type, values: Sequence[Value], target: Value, step: Value) -> None:
    """A vector for each position."""
    for number, value in enumerate(values):
        f.store(value, f.at(target, f.mul(step, number), type))


def windows_name(module: Module, type: Type) -> str:
    """The function that makes factors of padded lines of `pitch` places, terms side by side."""
    name = f"filter_windows_{type.suffix}"
    if name in module.functions:
        return name
    f = _made(module, name, "places target", "rows columns pitch tile position")
    places, target, rows, columns, pitch, tile, position = f.arguments
    lanes = type.lanes
    line = f.mul(pitch, lanes)
    with f.loop(0, rows, carry=[places, target], some=True) as loop:
        here, there = loop.carried
        with f.loop(0, columns, carry=[here, there], some=True) as inner:
            at, to = inner.carried
            grid = [
                f.load(type, f.at(at, f.mul(line, i), type), j * lanes)
                for i in range(WINDOW) for j in range(WINDOW)
            ]  # fmt: skip
            _store(f, type, plane(f, windows, grid, WINDOW), to, position)
            inner.next(f.at(at, TILE * lanes, type), f.at(to, tile, type))
        loop.next(f.at(here, f.mul(line, TILE), type), inner.results[1])
    return name


def sums_name(module: Module, type: Type) -> str:
    """The function that adds up products of one vector of channels, and turns them.

    `places` has room for lines of `width` places, channels side by side; `turned` for every
    channel's, `room` apart.
    """
    name = f"filter_sums_{type.suffix}"
    if name in module.functions:
        return name
    numbers = "rows columns width tile position room"
    f = _made(module, name, "products places turned", numbers)
    products, places, turned, rows, columns, width, tile, position, room = f.arguments
    lanes = type.lanes
    line = f.mul(width, lanes)
    with f.loop(0, rows, carry=[products, places], some=True) as loop:
        come, to = loop.carried
        with f.loop(0, columns, carry=[come, to], some=True) as inner:
            here, there = inner.carried
            grid = [f.load(type, f.at(here, f.mul(position, n), type)) for n in range(POSITIONS)]
            for number, value in enumerate(plane(f, sums, grid, WINDOW)):
                i, j = divmod(number, TILE)
                f.store(value, f.at(there, f.mul(line, i), type), j * lanes)
            inner.next(f.at(here, tile, type), f.at(there, TILE * lanes, type))
        loop.next(inner.results[0], f.at(to, f.mul(line, TILE), type))
    turn, across = turn_name(module, type), constant(lanes, I64)
    with f.loop(0, room, lanes, some=True) as at:
        here = f.at(places, f.mul(at.index, lanes), type)
        f.call(turn, VOID, here, across, f.at(turned, at.index, type), room)
    return name
