"""Register tiles: the inner kernels that products and convolutions share.

A tile is an internal function `(ptr x, ptr y, ptr out)` that keeps a block of sums in registers
while it walks over the reduction. There are two kinds. An *outer* tile multiplies single numbers of
`x` by vectors of `y` (lanes are columns of the result), so `y` must be contiguous along its lanes.
An *inner* tile multiplies vectors of both along the reduction (lanes are terms of the sum) and
leaves vectors of partial sums for `fold` to add up; both operands must be contiguous along it.
All offsets are known numbers of elements, so the walk is one pointer per operand.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

from ..code.emit import BOOL, I64, PTR, Function, Module, Type, Value, constant, lanes_of
from ..records import record
from .assembly import Assembly, suits

Loop = tuple[int, int, int]  # how often, and the steps of x and y in elements


@record(frozen=True)
class Tile:
    """Rows of `x` by vectors (or rows) of `y`, summed over `loops`, the outermost first.

    `x`, `y` and `out` hold offsets of rows and vectors; sum (r, v) goes to out[0][r] + out[1][v].
    `tail` is how many lanes of the last vector of `y` exist (0: all), `out_tail` those of `out`;
    `adds` starts from what `out` holds. `copies` splits the sums of an inner tile, so that
    additions need not wait on each other. With `cut` the innermost count is a fourth argument.
    `ahead` says how many steps early lines of x and y are asked for, where they lie far apart.
    With `asks` it asks, some between a few terms and the next, for so many lines of each row that
    is wanted after the sum, as few requests can be under way at once: it is told how many `rounds`
    there are, a `group` of rows in each, and of how many `kinds` of arrays, whose next rows and
    steps stand in `wanted`. `onward` is how many elements per term to ask for at a last pointer,
    for later tiles.
    `walks` are lines to ask for in every round of the outermost loop, at one more pointer each.
    A `free` tile of one loop, as one that asks must be, is told at each call how far it goes and
    the step of `y`, so that products of several sizes share it: none costs LLVM less than 5 ms.
    """

    type: Type
    x: tuple[int, ...]
    y: tuple[int, ...]
    loops: tuple[Loop, ...]
    out: tuple[tuple[int, ...], tuple[int, ...]]
    unroll: int = 1
    tail: int = 0
    out_tail: int = 0
    adds: bool = False
    inner: bool = False
    copies: int = 1
    cut: bool = False
    ahead: tuple[int, int] = (0, 0)
    asks: int = 0
    group: int = 1
    onward: int = 0
    walks: tuple[int, ...] = ()
    free: bool = False


def emit_tile(module: Module, name: str, tile: Tile, keeps: int = 0) -> str:
    """Add the function of `tile`; give its name.

    With `keeps` it writes what it reads of y, in order, to a last pointer: so many elements per
    term. Later tiles find it there, and packing takes no time of its own.
    """
    given = [("x", PTR), ("y", PTR), ("out", PTR)] + [("terms", I64)] * tile.cut
    if tile.free:
        given += [("each", I64), ("more", I64)] * (not tile.cut) + [("down", I64)]
    if tile.asks:
        given += [("rounds", I64), ("kinds", I64), ("wanted", PTR)]
    given += [("later", PTR)] * bool(tile.onward)
    given += [(f"walk{n}", PTR) for n in range(len(tile.walks))]
    given += [("kept", PTR)] * bool(keeps)
    writer = Assembly if suits(module.target, tile, keeps) else _Walk
    writer(module.function(name, given, internal=True), tile, keeps).emit()
    return name


def tile_name(module: Module, tile: Tile, keeps: int = 0) -> str:
    """The function of `tile`, which all kernels of a module that need the same one share."""
    digest = hashlib.sha256(repr(tile).encode()).hexdigest()[:16]
    name = f"tile{len(tile.x)}x{len(tile.y)}_{digest}{f'_keeps{keeps}' * bool(keeps)}"
    return name if name in module.functions else emit_tile(module, name, tile, keeps)


def in_rounds(type: Type) -> bool:
    """Whether tiles of such vectors go through several terms a round."""
    return type.lanes * type.size == 32


def unrolled(type: Type, vectors: int, rows: int = 0, keeps: bool = False) -> int:
    """Terms per round of an outer tile; `rows` 0: of any height.

    With one vector a 512-bit multiply-add takes its number from memory, and the loop's own
    instructions weigh; elsewhere more terms at once only bring spills. Tiles of 256-bit vectors
    need an instruction for each number, and the core another six for each round: that is more than
    it takes in while it multiplies, so much so where a neighbour shares it. High tiles of one
    vector would spill, and those of many that keep them.
    """
    if in_rounds(type) and rows and (rows <= 8 if vectors == 1 else vectors == 2 or not keeps):
        return 4
    return 4 if vectors == 1 and type.lanes * type.size == 64 else 1


def known_mask(type: Type, count: int) -> Value | None:
    """The first `count` lanes; None for all of them, which 0 stands for."""
    if count % type.lanes == 0:
        return None
    return lanes_of([lane < count for lane in range(type.lanes)], BOOL.wide(type.lanes))


class _Walk:
    """Writes one tile: sums carried through a nest of loops, then the stores."""

    def __init__(self, f: Function, tile: Tile, keeps: int) -> None:
        self.f, self.tile, self.type = f, tile, tile.type
        self.count = len(tile.x) * len(tile.y)
        self.loops = tuple(loop for loop in tile.loops[:-1] if loop[0] != 1) + tile.loops[-1:]
        self.given = {value.name[1:]: value for value in f.arguments}
        moving = {"later": tile.onward, "kept": keeps}  # pointers, and their steps per term
        self.moves = {name: step for name, step in moving.items() if step}
        self.moved = [self.given[name] for name in self.moves]
        self.early = self.given.get("down")

    def emit(self) -> None:
        f = self.f
        x, y, out = f.arguments[:3]
        if self.early is not None:
            self.early = f.mul(self.early, self.tile.ahead[1])
        sums = self._begin(out)
        if all(trip for trip, _, _ in self.loops):
            sums = (self._walking if self.tile.walks else self._nest)(0, x, y, sums)
        while len(sums) > self.count:
            head, last = sums[: -self.count], sums[-self.count :]
            sums = [f.add(a, b) for a, b in zip(head, last)] + head[self.count :]
        for value, (at, mask) in zip(sums, self._places()):
            f.store(value, out, at, mask)

    def _begin(self, out: Value) -> list[Value]:
        """What the sums start from."""
        if not self.tile.adds:
            return [constant(0.0, self.type)] * (self.count * self.tile.copies)
        return [self.f.load(self.type, out, at, mask) for at, mask in self._places()]

    def _places(self) -> list[tuple[int, Value | None]]:
        """The offset in `out` of every sum, and which lanes of it are written."""
        rows, vectors = self.tile.out
        masks = [None] * (len(vectors) - 1) + [known_mask(self.type, self.tile.out_tail)]
        return [(row + at, mask) for row in rows for at, mask in zip(vectors, masks)]

    def _nest(self, depth: int, x: Value, y: Value, sums: list[Value]) -> list[Value]:
        """One loop of the nest and all inside it; gives the sums after it."""
        if depth == len(self.loops) - 1:
            return self._innermost(x, y, sums)
        trip, *steps = self.loops[depth]
        return self._loop(
            trip, x, y, steps, sums, lambda x, y, sums: self._nest(depth + 1, x, y, sums)
        )

    def _walking(self, depth: int, x: Value, y: Value, sums: list[Value]) -> list[Value]:
        """The outermost loop, of several, which asks for what others want."""
        f, walks, line = self.f, self.tile.walks, 64 // self.type.size
        count = len(sums)

        def body(x: Value, y: Value, inside: list[Value]) -> list[Value]:
            pointers = inside[count:]
            for pointer, lines in zip(pointers, walks):
                for n in range(lines):
                    f.prefetch(f.at(pointer, n * line, self.type), near=2)
            sums = self._nest(depth + 1, x, y, inside[:count])
            return [*sums, *(f.at(p, n * line, self.type) for p, n in zip(pointers, walks))]

        trip, *steps = self.loops[depth]
        pointers = f.arguments[-len(walks) :]
        return self._loop(trip, x, y, steps, [*sums, *pointers], body)[:count]

    def _loop(
        self, trips: int | Value, x: Value, y: Value, steps: Sequence[Any], sums: list[Value],
        body: Callable[[Value, Value, list[Value]], list[Value]], terms: int = 1, some: bool = True,
    ) -> list[Value]:  # fmt: skip
        """`trips` rounds of body(x, y, sums), of `terms` each; x and y move by their steps.

        There is at least one if there are `some`.
        """
        f, more = self.f, len(self.moved)
        with f.loop(0, trips, carry=[x, y, *self.moved, *sums], some=some) as loop:
            x, y, *inside = loop.carried
            self.moved = inside[:more]
            new = body(x, y, inside[more:])
            moves = zip(self.moved, self.moves.values())
            moved = [f.at(pointer, step * terms, self.type) for pointer, step in moves]
            loop.next(f.at(x, steps[0], self.type), f.at(y, steps[1], self.type), *moved, *new)
        self.reached = loop.results[:2]
        self.moved = loop.results[2 : 2 + more]
        return loop.results[2 + more :]

    @property
    def _rounds(self) -> bool:
        """Whether a number of terms that is told is gone through in rounds of several."""
        return self.tile.unroll > 1 and in_rounds(self.type)

    def _counted(
        self, count: Value, x: Value, y: Value, steps: Sequence[Any], sums: list[Value]
    ) -> list[Value]:
        """The sums after `count` terms, at least one."""
        f, each = self.f, self.tile.unroll
        if not self._rounds:
            return self._loop(
                count, x, y, steps, sums, lambda x, y, sums: self._terms(x, y, sums, 1)
            )
        rounds = f.lshr(count, each.bit_length() - 1)
        for trips, terms in ((rounds, each), (f.bit_and(count, each - 1), 1)):
            far = [f.mul(f.coerce(step, I64), terms) for step in steps]
            sums = self._loop(
                trips, x, y, far, sums,
                lambda x, y, sums, terms=terms: self._terms(x, y, sums, terms), terms, some=False,
            )  # fmt: skip
            x, y = self.reached
        return sums

    def _last(self) -> tuple[int, int, Any]:
        """The innermost loop: how often, and the steps of x and y."""
        trip, x_step, y_step = self.loops[-1]
        return trip, x_step, self.given["down"] if self.tile.free else y_step

    def _innermost(self, x: Value, y: Value, sums: list[Value]) -> list[Value]:
        trip, x_step, y_step = self._last()
        tile = self.tile
        if tile.cut:
            return self._counted(self.given["terms"], x, y, (x_step, y_step), sums)
        if tile.asks:
            return self._spread(x, y, sums)
        step = self.type.lanes * tile.copies if tile.inner else tile.unroll
        rounds, rest = divmod(trip, step)
        if rounds:
            steps = (x_step * step, y_step * step)
            sums = self._loop(
                rounds, x, y, steps, sums, lambda x, y, sums: self._terms(x, y, sums, step), step
            )
        if rest:
            done = rounds * step
            x = self.f.at(x, done * x_step, self.type)
            y = self.f.at(y, done * y_step, self.type)
            sums = self._terms(x, y, sums, rest)
        return sums

    def _spread(self, x: Value, y: Value, sums: list[Value]) -> list[Value]:
        """The terms in stretches, some rows being asked for before each."""
        f, ahead = self.f, len(self.moved)
        _, *steps = self._last()
        each, more = self.given["each"], self.given["more"]
        start = f.coerce(0, I64)
        with f.loop(0, self.given["rounds"], carry=[start, x, y, *self.moved, *sums]) as loop:
            at, x, y, *rest = loop.carried
            self.moved = rest[:ahead]
            at = self._wanted(at)
            early = f.compare("<", loop.index, more)
            count = f.select(early, f.coerce(f.add(each, 1), I64), each)
            sums = self._counted(count, x, y, steps, rest[ahead:])
            if self._rounds:
                x, y = self.reached
            else:
                x, y = (f.at(z, f.mul(count, s), self.type) for z, s in zip((x, y), steps))
            loop.next(at, x, y, *self.moved, *sums)
        return loop.results[3 + ahead :]

    def _wanted(self, at: Value) -> Value:
        """Ask for the next rows of a group of arrays from number `at` on; the number after."""
        f, line = self.f, 64 // self.type.size
        for _ in range(self.tile.group):
            pair = f.at(self.given["wanted"], f.mul(at, 2), I64)
            row = f.load(PTR, pair)
            for n in range(self.tile.asks):
                f.prefetch(f.at(row, n * line, self.type), write=True)
            f.store(f.at(row, f.load(I64, pair, 1), self.type), pair)
            at = f.add(at, 1)
            done = f.compare("==", at, self.given["kinds"])
            at = f.select(done, f.coerce(0, I64), at)
        return at

    def _terms(self, x: Value, y: Value, sums: list[Value], terms: int) -> list[Value]:
        """`terms` steps of the innermost loop, written out."""
        _, x_step, y_step = self._last()
        if not self.tile.inner:
            told = isinstance(y_step, Value)
            for k in range(terms):
                here = self.f.at(y, self.f.mul(y_step, k), self.type) if told and k else y
                self._onward(k)
                sums = self._outer(x, here, k * x_step, 0 if told else k * y_step, sums, k)
            return sums
        sums, width = list(sums), self.type.lanes
        for index, k in enumerate(range(0, terms, width)):
            part = slice(index * self.count, (index + 1) * self.count)
            mask = known_mask(self.type, min(width, terms - k))
            sums[part] = self._inner(x, y, k, mask, sums[part])
        return sums

    def _outer(
        self, x: Value, y: Value, dx: int, dy: int, sums: list[Value], term: int
    ) -> list[Value]:
        f, type = self.f, self.type
        masks = [None] * (len(self.tile.y) - 1) + [known_mask(type, self.tile.tail)]
        self._ask(x, y, dx, dy)
        vectors = [f.load(type, y, at + dy, mask) for at, mask in zip(self.tile.y, masks)]
        if keeps := self.moves.get("kept"):
            for at, vector in zip(self.tile.y, vectors):
                f.store(vector, self.moved[-1], term * keeps + at)
        result: list[Value] = []
        for row in self.tile.x:
            number = f.splat(f.load(type.scalar, x, row + dx), type.lanes)
            for vector in vectors:
                result.append(f.fma(number, vector, sums[len(result)]))
        return result

    def _onward(self, term: int) -> None:
        """Ask for lines that later tiles read, at term `term` of a round."""
        f, line = self.f, 64 // self.type.size
        for pointer in self.moved[:1] if self.tile.onward else ():
            for n in range(0, self.tile.onward, line):
                f.prefetch(f.at(pointer, n + term * self.tile.onward, self.type), near=2)

    def _ask(self, x: Value, y: Value, dx: int, dy: int) -> None:
        """Ask for the lines of a later step."""
        f, line = self.f, 64 // self.type.size
        _, *steps = self._last()
        for pointer, offset, places, step, ahead in zip(
            (x, y), (dx, dy), (self.tile.x, self.tile.y), steps, self.tile.ahead
        ):
            if ahead and isinstance(step, Value):
                pointer, step = f.at(pointer, self.early, self.type), 0
            for at in {place // line * line: place for place in places}.values() if ahead else ():
                f.prefetch(f.at(pointer, at + offset + ahead * step, self.type))

    def _inner(
        self, x: Value, y: Value, k: int, mask: Value | None, sums: list[Value]
    ) -> list[Value]:
        f, type = self.f, self.type
        columns = [f.load(type, y, at + k, mask) for at in self.tile.y]
        result: list[Value] = []
        for row in self.tile.x:
            vector = f.load(type, x, row + k, mask)
            for column in columns:
                result.append(f.fma(vector, column, sums[len(result)]))
        return result
