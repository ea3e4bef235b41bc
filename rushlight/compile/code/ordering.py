"""Native code for orders in which equal elements stand where the C++ library leaves them.

The steps are those of `ops/introsort.py`, on whole numbers and the places that move with them:

- `sort(keys, places, rows, count, ...)`: each row of keys in order;
- `select(keys, places, rows, count, first, ...)`: the first so many of each row, in order.

Behind them come how deep splits may go: of a row, and of the first ones.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

from . import llvm
from .emit import I64, PTR, VOID, Module, Value
from .variables import Variable, during, either

SMALL = 16


class _Steps:
    """One function over keys and places, and the words it is written in."""

    def __init__(self, module: Module, name: str, *numbers: str, result: Any = VOID) -> None:
        arguments = [("keys", PTR), ("places", PTR), *((one, I64) for one in numbers)]
        self.f = f = module.function(name, arguments, result, internal=True)
        self.keys, self.places, *self.numbers = f.arguments

    def variable(self, value: Any) -> Variable:
        return Variable(self.f, value)

    def key(self, at: Any) -> Value:
        return self.f.load(I64, self.keys, at)

    def place(self, at: Any) -> Value:
        return self.f.load(I64, self.places, at)

    def put(self, at: Any, key: Value, place: Value) -> None:
        self.f.store(key, self.keys, at)
        self.f.store(place, self.places, at)

    def move(self, source: Any, target: Any) -> None:
        self.put(target, self.key(source), self.place(source))

    def swap(self, i: Any, j: Any) -> None:
        key, place = self.key(i), self.place(i)
        self.move(j, i)
        self.put(j, key, place)

    def less(self, x: Any, y: Any) -> Value:
        return self.f.compare("<", x, y)

    def call(self, name: str, *numbers: Any, result: Any = VOID) -> Any:
        return self.f.call(name, result, self.keys, self.places,
                           *(self.f.coerce(one, I64) for one in numbers))  # fmt: skip

    def during(self, condition: Callable[[], Value], body: Callable[[], Any]) -> None:
        during(self.f, condition, body)

    def either(self, condition: Value, yes: Callable[[], Any], no: Callable[[], Any]) -> None:
        either(self.f, condition, yes, no)


def _settle(module: Module) -> None:
    """An element goes back until the one before it is not larger; some smaller one stands there."""
    s = _Steps(module, "settle", "last")
    key, place = s.key(s.numbers[0]), s.place(s.numbers[0])
    at = s.variable(s.numbers[0])

    def before() -> Value:
        return s.f.sub(at.get(), 1)

    def step() -> None:
        s.move(before(), at.get())
        at.set(before())

    s.during(lambda: s.less(key, s.key(before())), step)
    s.put(at.get(), key, place)


def _insert(module: Module) -> None:
    """Insertion from `a` to `b`."""
    s = _Steps(module, "insert", "a", "b")
    a, b = s.numbers
    with s.f.loop(s.f.add(a, 1), b, 1) as loop:
        key, place = s.key(loop.index), s.place(loop.index)

        def front() -> None:
            at = s.variable(loop.index)

            def step() -> None:
                s.move(s.f.sub(at.get(), 1), at.get())
                at.set(s.f.sub(at.get(), 1))

            s.during(lambda: s.less(a, at.get()), step)
            s.put(a, key, place)

        s.either(s.less(key, s.key(a)), front, lambda: s.call("settle", loop.index))


def _sink(module: Module) -> None:
    """A heap from `a` on, of `length`: the hole sinks, then the element rises into it."""
    s = _Steps(module, "sink", "a", "top", "length", "key", "place")
    a, top, length, key, place = s.numbers
    f = s.f
    hole, child = s.variable(top), s.variable(top)

    def at(x: Any) -> Value:
        return f.add(a, x)

    def down() -> None:
        child.set(f.add(f.mul(child.get(), 2), 2))
        less = s.less(s.key(at(child.get())), s.key(at(f.sub(child.get(), 1))))
        child.set(f.select(less, f.sub(child.get(), 1), child.get()))
        s.move(at(child.get()), at(hole.get()))
        hole.set(child.get())

    half = f.ashr(f.sub(length, 1), 1)
    s.during(lambda: s.less(child.get(), half), down)
    even = f.compare("==", f.bit_and(length, 1), 0)
    alone = f.compare("==", child.get(), f.ashr(f.sub(length, 2), 1))
    with f.if_(f.bit_and(even, alone)):
        child.set(f.add(f.mul(child.get(), 2), 1))
        s.move(at(child.get()), at(hole.get()))
        hole.set(child.get())

    def parent() -> Value:
        return f.ashr(f.sub(hole.get(), 1), 1)

    def rises() -> Value:
        above = f.select(s.less(parent(), 0), 0, parent())
        return f.bit_and(s.less(top, hole.get()), s.less(s.key(at(above)), key))

    def up() -> None:
        s.move(at(parent()), at(hole.get()))
        hole.set(parent())

    s.during(rises, up)
    s.put(at(hole.get()), key, place)


def _gather(module: Module) -> None:
    """The smallest of `a` to `b` go to `a` to `middle`, as a heap of the largest."""
    s = _Steps(module, "gather", "a", "middle", "b")
    a, middle, b = s.numbers
    f = s.f
    length = f.sub(middle, a)
    at = s.variable(f.ashr(f.sub(length, 2), 1))

    def build() -> None:
        here = f.add(a, at.get())
        s.call("sink", a, at.get(), length, s.key(here), s.place(here))
        at.set(f.sub(at.get(), 1))

    with f.if_(s.less(1, length)):
        s.during(lambda: s.less(-1, at.get()), build)
    with f.loop(middle, b, 1) as loop, f.if_(s.less(s.key(loop.index), s.key(a))):
        key, place = s.key(loop.index), s.place(loop.index)
        s.move(a, loop.index)
        s.call("sink", a, 0, length, key, place)


def _unpile(module: Module) -> None:
    """A heap from `a` to `b`, put in order."""
    s = _Steps(module, "unpile", "a", "b")
    a, b = s.numbers
    f = s.f
    end = s.variable(b)

    def take() -> None:
        end.set(f.sub(end.get(), 1))
        key, place = s.key(end.get()), s.place(end.get())
        s.move(a, end.get())
        s.call("sink", a, 0, f.sub(end.get(), a), key, place)

    s.during(lambda: s.less(1, f.sub(end.get(), a)), take)


def _split(module: Module) -> None:
    """Around the middle one of three: where the larger ones begin."""
    s = _Steps(module, "split", "a", "b", result=I64)
    a, b = s.numbers
    f = s.f
    x, z = f.add(a, 1), f.sub(b, 1)
    y = f.add(a, f.ashr(f.sub(b, a), 1))
    kx, ky, kz = s.key(x), s.key(y), s.key(z)
    rising = f.select(s.less(ky, kz), y, f.select(s.less(kx, kz), z, x))
    falling = f.select(s.less(kx, kz), x, f.select(s.less(ky, kz), z, y))
    s.swap(a, f.select(s.less(kx, ky), rising, falling))
    pivot = s.key(a)
    first, last, going = s.variable(f.add(a, 1)), s.variable(b), s.variable(1)

    def step() -> None:
        s.during(lambda: s.less(s.key(first.get()), pivot),
                 lambda: first.set(f.add(first.get(), 1)))  # fmt: skip
        last.set(f.sub(last.get(), 1))
        s.during(lambda: s.less(pivot, s.key(last.get())),
                 lambda: last.set(f.sub(last.get(), 1)))  # fmt: skip

        def exchange() -> None:
            s.swap(first.get(), last.get())
            first.set(f.add(first.get(), 1))

        s.either(s.less(first.get(), last.get()), exchange, lambda: going.set(0))

    s.during(lambda: f.compare("==", going.get(), 1), step)
    f.ret(first.get())


def _divide(module: Module) -> None:
    """Split until what is left is small; a heap takes over where splits do not halve."""
    s = _Steps(module, "divide", "a", "b", "depth")
    a, b, depth = s.numbers
    f = s.f
    end, left = s.variable(b), s.variable(depth)

    def step() -> None:
        with f.if_(f.compare("==", left.get(), 0)):
            s.call("gather", a, end.get(), end.get())
            s.call("unpile", a, end.get())
            f.ret()
        left.set(f.sub(left.get(), 1))
        cut = s.call("split", a, end.get(), result=I64)
        s.call("divide", cut, end.get(), left.get())
        end.set(cut)

    s.during(lambda: s.less(SMALL, f.sub(end.get(), a)), step)


def _order(module: Module) -> None:
    """All of the `count` elements from `a` on."""
    s = _Steps(module, "order", "a", "count", "depth")
    a, count, depth = s.numbers
    f = s.f
    end = f.add(a, count)
    s.call("divide", a, end, depth)

    def long() -> None:
        s.call("insert", a, f.add(a, SMALL))
        with f.loop(f.add(a, SMALL), end, 1) as loop:
            s.call("settle", loop.index)

    s.either(s.less(SMALL, count), long, lambda: s.call("insert", a, end))


def _nearest(module: Module) -> None:
    """Element `nth` where it belongs, the smaller ones before it."""
    s = _Steps(module, "nearest", "a", "nth", "b", "depth")
    a, nth, b, depth = s.numbers
    f = s.f
    first, end, left = s.variable(a), s.variable(b), s.variable(depth)

    def step() -> None:
        with f.if_(f.compare("==", left.get(), 0)):
            s.call("gather", first.get(), f.add(nth, 1), end.get())
            s.swap(first.get(), nth)
            f.ret()
        left.set(f.sub(left.get(), 1))
        cut = s.call("split", first.get(), end.get(), result=I64)
        s.either(f.compare("<=", cut, nth), lambda: first.set(cut), lambda: end.set(cut))

    s.during(lambda: s.less(3, f.sub(end.get(), first.get())), step)
    s.call("insert", first.get(), end.get())


def _rows(module: Module, name: str, body: Callable[[_Steps, Value, Value], None]) -> None:
    """`body(steps, a, count)` for each row."""
    s = _Steps(module, name, "rows", "count", "first", "depth", "inner")
    s.f.internal = False
    with s.f.loop(0, s.numbers[0], 1) as loop:
        body(s, s.f.mul(loop.index, s.numbers[1]), s.numbers[1])


def _sort_row(s: _Steps, a: Value, count: Value) -> None:
    s.call("order", a, count, s.numbers[3])


def _select_row(s: _Steps, a: Value, count: Value) -> None:
    f, first = s.f, s.numbers[2]
    end, middle = f.add(a, count), f.add(a, first)

    def few() -> None:
        s.call("gather", a, middle, end)
        s.call("unpile", a, middle)

    def many() -> None:
        s.call("nearest", a, f.sub(middle, 1), end, s.numbers[3])
        s.call("order", a, f.sub(first, 1), s.numbers[4])

    s.either(f.compare("<=", f.mul(first, 64), count), few, many)


class Ordering:
    """The functions, for addresses of rows of keys and of their places."""

    def __init__(self) -> None:
        module = Module(llvm.target())
        for write in (_settle, _insert, _sink, _gather, _unpile, _split, _divide, _order, _nearest):
            write(module)
        _rows(module, "sort", _sort_row)
        _rows(module, "select", _select_row)
        self._code = code = llvm.compile(module.text())
        kinds = (*(ctypes.c_void_p,) * 2, *(ctypes.c_int64,) * 5)
        kind = ctypes.CFUNCTYPE(None, *kinds)
        self.sort, self.select = kind(code.address("sort")), kind(code.address("select"))
