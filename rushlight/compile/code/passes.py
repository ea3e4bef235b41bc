"""Native code for single passes over large arrays, which NumPy takes one number at a time.

Each is there for float32 and float64, with the letter of the type at its end:

- `running_sums`, `running_products`, `cummax`, `cummin`: along rows, with places for the latter;
- the same with `_down`: along the columns of matrices that lie one behind the other;
- `amax`, `amin`, `sums`, `products`: of each row, the last by halves as `ops/scan.py` takes them;
- `add_rows`: rows added at places, one after the other (of bfloat16 too, with an E);
- `counted`, `spaced`: evenly spaced numbers, rounded as `functions/sequences.py` says.

`powers` raises a number as the C library does; `to_half` and `from_half`, `to_bfloat` and
`from_bfloat` are there for float32.
Results are those of NumPy, to the last bit.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from typing import Any

from . import llvm
from .emit import F32, F64, I64, PTR, Function, Module, Type, Value, vector
from .scalar import Emitter
from .variables import Variable, during

_TOGETHER = 4  # rows side by side, where each number waits for the one before
_TREES = (64, 128, 256, 512, 1024)  # rows whose products have code of their own
_BLOCK = 128  # numbers that NumPy adds at a time
_SMALL = 8  # numbers of a row that are multiplied one after the other
_FLOATS = (("f", F32, 16), ("d", F64, 8))
Body = Callable[[Function, Type, int], None]


def _rows(f: Function, one: Callable[[Value, int], None]) -> None:
    """`one(row, count)` for so many rows at a time, and for those that are left."""
    rows = f.arguments[-2]
    whole = f.bit_and(rows, -_TOGETHER)
    for start, stop, count in ((0, whole, _TOGETHER), (whole, rows, 1)):
        with f.loop(start, stop, count) as loop:
            one(loop.index, count)


def _running(op: str) -> Body:
    def write(f: Function, of: Type, lanes: int) -> None:
        x, out, _, n = f.arguments

        def one(row: Value, count: int) -> None:
            firsts = [f.mul(f.add(row, k), n) for k in range(count)]
            now = [f.load(of, x, first) for first in firsts]
            for value, first in zip(now, firsts):
                f.store(value, out, first)
            with f.loop(1, n, 1, carry=now) as loop:
                after = []
                for value, first in zip(loop.carried, firsts):
                    place = f.add(first, loop.index)
                    after.append(f.binary(op, value, f.load(of, x, place)))
                    f.store(after[-1], out, place)
                loop.next(*after)

        _rows(f, one)

    return write


def _later(f: Function, sign: str, old: Value, new: Value) -> tuple[Value, Value]:
    """Whether the place of a new number is taken, and whether its value is."""
    # it is nan, or neither is and it is not behind: one comparison turned round
    hit = f.bit_or(f.compare(sign + "=", new, old), f.compare("!=", new, new))
    return hit, f.bit_and(hit, f.compare("!=", new, old))  # 0 is not -0


def _running_extremum(sign: str) -> Body:
    """The largest so far; its place is the last that equals it, or holds nan."""

    def write(f: Function, of: Type, lanes: int) -> None:
        x, out, places, rows, n = f.arguments
        with f.loop(0, rows, 1) as outer:
            first = f.mul(outer.index, n)
            begin = [f.load(of, x, first), f.constant(0, I64)]
            with f.loop(0, n, 1, carry=begin) as loop:
                (old, held), index = loop.carried, loop.index
                place = f.add(first, index)
                new = f.load(of, x, place)
                hit, differs = _later(f, sign, old, new)
                # a jump that is foreseen waits for no number before
                best, at = f.branch(
                    hit, lambda: [f.select(differs, new, old), index], lambda: [old, held]
                )
                f.store(best, out, place)
                f.store(at, places, place)
                loop.next(best, at)

    return write


def _down(f: Function, of: Type, step: Callable[..., None], lanes: int) -> None:
    """`step(now, before, mask, row)` for each row of matrices after its first, from two places."""
    blocks, n, width = f.arguments[-3:]
    with f.loop(0, blocks, 1) as outer:
        first = f.mul(outer.index, f.mul(n, width))

        def line(row: Value, begin: Value, first_one: bool) -> None:
            def one(index: Value, mask: Value | None, _: Any) -> None:
                now = f.add(begin, index)
                step(now, None if first_one else f.sub(now, width), mask, row)

            f.vectors(0, width, lanes, one)

        line(f.constant(0, I64), first, True)
        with f.loop(1, n, 1) as loop:
            line(loop.index, f.add(first, f.mul(loop.index, width)), False)


def _running_down(op: str) -> Body:
    """The same as along rows, for each column of matrices."""

    def write(f: Function, of: Type, lanes: int) -> None:
        x, out, wide = f.arguments[0], f.arguments[1], of.wide(lanes)

        def step(now: Value, before: Value | None, mask: Value | None, row: Value) -> None:
            value = f.load(wide, x, now, mask)
            if before is not None:
                value = f.binary(op, f.load(wide, out, before, mask), value)
            f.store(value, out, now, mask)

        _down(f, of, step, lanes)

    return write


def _extremum_down(sign: str) -> Body:
    """The largest so far of each column of matrices, and its row."""

    def write(f: Function, of: Type, lanes: int) -> None:
        x, out, places = f.arguments[:3]
        wide, whole = of.wide(lanes), I64.wide(lanes)

        def step(now: Value, before: Value | None, mask: Value | None, row: Value) -> None:
            new, at = f.load(wide, x, now, mask), f.splat(row, lanes)
            if before is not None:
                old = f.load(wide, out, before, mask)
                hit, differs = _later(f, sign, old, new)
                new = f.select(differs, new, old)
                at = f.select(hit, at, f.load(whole, places, before, mask))
            f.store(new, out, now, mask)
            f.store(at, places, now, mask)

        _down(f, of, step, lanes)

    return write


def _extremum(op: str) -> Body:
    def write(f: Function, of: Type, lanes: int) -> None:
        x, out, rows, n = f.arguments
        choose = getattr(Emitter(f), op)
        with f.loop(0, rows, 1) as loop:
            row = f.at(x, f.mul(loop.index, n), of)

            def step(index: Value, mask: Value | None, held: list[Value]) -> Sequence[Value]:
                new = f.load(of.wide(lanes), row, index, mask)
                found = choose(held[0], new)
                return [found if mask is None else f.select(mask, found, held[0])]

            (best,) = f.vectors(0, n, lanes, step, [f.splat(f.load(of, row), lanes)])
            width = lanes
            while width > 1:
                width //= 2
                high = [*range(width, 2 * width), *[-1] * (lanes - width)]
                best = choose(best, f.shuffle(best, None, high))
            f.store(f.extract(best, 0), out, loop.index)

    return write


def _tree(f: Function, of: Type, lanes: int, row: Value, size: int) -> Value:
    """The product of a row of so many numbers, as by halves, in registers."""
    parts = [f.load(of.wide(lanes), row, at) for at in range(0, size, lanes)]
    while len(parts) > 1:
        half = len(parts) // 2
        parts = [f.mul(parts[k], parts[k + half]) for k in range(half)]
    (whole,) = parts
    if lanes > _SMALL:
        low, high = (f.shuffle(whole, None, range(k, k + _SMALL)) for k in (0, _SMALL))
        whole = f.mul(low, high)
    found = f.extract(whole, 0)
    for lane in range(1, _SMALL):
        found = f.mul(found, f.extract(whole, lane))
    return found


def _products(f: Function, of: Type, lanes: int) -> None:
    """The second half times the first, again and again, until few are left."""
    x, out, scratch, rows, n = f.arguments
    for size in _TREES:
        with f.if_(f.compare("==", n, size)):
            with f.loop(0, rows, 1) as loop:
                row = f.at(x, f.mul(loop.index, size), of)
                f.store(_tree(f, of, lanes, row, size), out, loop.index)
            f.ret()
    with f.loop(0, rows, 1) as loop:
        row = f.at(x, f.mul(loop.index, n), of)
        size, source = Variable(f, n), Variable(f, row, PTR)

        def halve(size: Variable = size, source: Variable = source) -> None:
            half, old = f.ashr(size.get(), 1), source.get()

            def step(index: Value, mask: Value | None, _: Any) -> None:
                low = f.load(of.wide(lanes), old, index, mask)
                high = f.load(of.wide(lanes), old, f.add(index, half), mask)
                f.store(f.mul(low, high), scratch, index, mask)

            last = f.load(of, old, f.sub(size.get(), 1))
            f.vectors(0, half, lanes, step)
            with f.if_(f.compare("!=", f.bit_and(size.get(), 1), 0)):
                f.store(f.mul(f.load(of, scratch), last), scratch)
            size.set(half)
            source.set(scratch)

        def more(size: Variable = size) -> Value:
            return f.compare(">", size.get(), _SMALL)

        during(f, more, halve)
        few = source.get()
        with f.loop(1, size.get(), 1, carry=[f.load(of, few)]) as inner:
            inner.next(f.mul(inner.carried[0], f.load(of, few, inner.index)))
        f.store(inner.results[0], out, loop.index)


def _block(f: Function, of: Type, start: Value, count: Value | int) -> Value:
    """The sum of at most a block: eight running sums, added in pairs, and what is left over."""
    eight = of.wide(8)
    total = f.load(eight, start)
    if isinstance(count, int):
        for at in range(8, count, 8):
            total = f.add(total, f.load(eight, start, at))
    else:
        with f.loop(8, f.bit_and(count, -8), 8, carry=[total]) as loop:
            loop.next(f.add(loop.carried[0], f.load(eight, start, loop.index)))
        (total,) = loop.results
    for width in (4, 2):
        even, odd = (f.shuffle(total, None, range(k, 2 * width, 2)) for k in (0, 1))
        total = f.add(even, odd)
    found = f.add(f.extract(total, 0), f.extract(total, 1))
    if isinstance(count, int):
        return found
    with f.loop(f.bit_and(count, -8), count, 1, carry=[found]) as loop:
        loop.next(f.add(loop.carried[0], f.load(of, start, loop.index)))
    return loop.results[0]


def _pairwise(f: Function, of: Type) -> None:
    """The sum of numbers, by halves that are whole eights as NumPy takes them."""
    start, count = f.arguments
    with f.if_(f.compare("==", count, _BLOCK)):
        f.ret(_block(f, of, start, _BLOCK))
    with f.if_(f.compare("<", count, 8)):
        with f.loop(0, count, 1, carry=[f.constant(0.0, of)]) as loop:
            loop.next(f.add(loop.carried[0], f.load(of, start, loop.index)))
        f.ret(loop.results[0])
    with f.if_(f.compare("<", count, _BLOCK)):
        f.ret(_block(f, of, start, count))
    half = f.bit_and(f.ashr(count, 1), -8)
    low = f.call(f.name, of, start, half)
    high = f.call(f.name, of, f.at(start, half, of), f.sub(count, half))
    f.ret(f.add(low, high))


def _sums(f: Function, of: Type, lanes: int) -> None:
    x, out, rows, n = f.arguments
    name = f"pairwise_{of.name}"
    _pairwise(f.module.function(name, [("start", PTR), ("count", I64)], of, internal=True), of)
    with f.loop(0, rows, 1) as loop:
        row = f.at(x, f.mul(loop.index, n), of)
        f.store(f.add(f.call(name, of, row, n), 0.0), out, loop.index)  # -0 becomes 0


def _add_rows(f: Function, of: Type, lanes: int) -> None:
    y, places, g, count, width = f.arguments
    with f.loop(0, count, 1) as loop:
        to = f.at(y, f.mul(f.load(I64, places, loop.index), width), of)
        start = f.at(g, f.mul(loop.index, width), of)

        # no masks: what was written under one is not there yet for the next row of that place
        begin: Any = 0
        for many in sorted({lanes, 8, 1}, reverse=True):
            end, wide = f.bit_and(width, -many), of.wide(many)
            with f.loop(begin, end, many) as inner:
                x, y = (f.load(wide, one, inner.index) for one in (to, start))
                f.store(_sum(f, x, y), to, inner.index)
            begin = end


def _sum(f: Function, x: Value, y: Value) -> Value:
    """Of bfloat16 it is rounded, each time."""
    if x.type.name != "bfloat16":
        return f.add(x, y)
    single = x.type.of("float32")
    total = f.add(Value(x.name, single), Value(y.name, single))
    return Value(Emitter(f).few_digits(total).name, x.type)


def _numbers(f: Function, index: Value, lanes: int) -> Value:
    """index, index + 1, ... as float64."""
    whole = f.add(f.splat(index, lanes), f.steps(I64.wide(lanes)))
    return f.convert("sitofp", whole, "float64")


def _narrowed(f: Function, x: Value, of: Type) -> Value:
    return x if of.name == "float64" else f.convert("fptrunc", x, of.name)


def _widened(f: Function, x: Value, of: Type) -> Value:
    return x if of.name == "float64" else f.convert("fpext", x, "float64")


def _counted(f: Function, of: Type, lanes: int) -> None:
    """From the beginning of each group, where groups come in pairs, then one by one."""
    out, start, step, count = f.arguments
    group = lanes // 2
    begin, by = f.splat(start, group), f.splat(step, group)
    inner = f.convert("sitofp", f.steps(I64.wide(group)), "float64")
    whole = f.bit_and(count, -2 * group)
    with f.loop(0, whole, group) as loop:
        at = f.splat(f.convert("sitofp", loop.index, "float64"), group)
        first = f.intrinsic("fma", by, at, begin)
        first = _widened(f, _narrowed(f, first, of), of)
        f.store(_narrowed(f, f.intrinsic("fma", by, inner, first), of), out, loop.index)
    with f.loop(whole, count, 1) as loop:
        value = f.intrinsic("fma", step, f.convert("sitofp", loop.index, "float64"), start)
        f.store(_narrowed(f, value, of), out, loop.index)


def _spaced(f: Function, of: Type, lanes: int) -> None:
    """The first half from the first number, the rest from the last, backwards."""
    out, first, last, step, count = f.arguments
    half = f.ashr(count, 1)
    back = f.neg(step)

    def line(index: Value, mask: Value | None, begin: Value, by: Value, turned: bool) -> None:
        at = _numbers(f, index, 8)
        if turned:
            end = f.convert("sitofp", f.sub(count, 1), "float64")
            at = f.sub(f.splat(end, 8), at)
        begin, by = f.splat(begin, 8), f.splat(by, 8)
        # of float32 the product is exact, and so the sum is rounded as NumPy rounds it
        exact = of.name == "float32"
        value = f.add(begin, f.mul(by, at)) if exact else f.intrinsic("fma", by, at, begin)
        f.store(_narrowed(f, value, of), out, index, mask)

    f.vectors(0, half, 8, lambda index, mask, _: line(index, mask, first, step, False))
    f.vectors(half, count, 8, lambda index, mask, _: line(index, mask, last, back, True))


def _rounded(f: Function, x: Value) -> Value:
    """The upper halves of float32, ties to even; of nan the sign alone."""
    bits = f.bitcast(x, "uint32")
    near = f.add(f.add(bits, f.bit_and(f.lshr(bits, 16), 1)), 0x7FFF)
    strange = f.bit_or(f.bit_and(bits, 0x80000000), 0x7FC00000)
    kept = f.select(f.compare("!=", x, x), strange, near)
    return f.convert("trunc", f.lshr(kept, 16), "uint16")


def _bfloats(f: Function, to: bool) -> None:
    x, out, count = f.arguments
    single, word = F32.wide(16), vector("uint16", 16)

    def step(index: Value, mask: Value | None, _: Any) -> None:
        if to:
            f.store(_rounded(f, f.load(single, x, index, mask)), out, index, mask)
        else:
            bits = f.convert("zext", f.load(word, x, index, mask), "uint32")
            f.store(f.bitcast(f.shl(bits, 16), "float32"), out, index, mask)

    f.vectors(0, count, 16, step)


def _powers(f: Function) -> None:
    out, exponents, root, count = f.arguments
    with f.loop(0, count, 1) as loop:
        value = f.call("pow", F64, root, f.load(F64, exponents, loop.index))
        f.store(value, out, loop.index)


def _halves(f: Function, to: bool) -> None:
    """Between float32 and float16, which the words of the IR leave out."""
    x, out, count = f.arguments
    lanes = 16
    single, word, half = F32.wide(lanes), vector("uint16", lanes), f"<{lanes} x half>"

    def step(index: Value, mask: Value | None, _: Any) -> None:
        if to:
            value = f.load(single, x, index, mask)
            cut = f.emit(word, f"fptrunc {value.typed} to {half}")
            bits = f.emit(word, f"bitcast {half} {cut.name} to {word.text}")
            f.store(bits, out, index, mask)
        else:
            bits = f.emit(word, f"bitcast {f.load(word, x, index, mask).typed} to {half}")
            f.store(f.emit(single, f"fpext {half} {bits.name} to {single.text}"), out, index, mask)

    f.vectors(0, count, lanes, step)


_PLACES, _NUMBERS = ctypes.c_void_p, ctypes.c_int64
_EACH: dict[str, tuple[str, Body]] = {  # arguments: p is an array, i a count, d a number
    "running_sums": ("ppii", _running("add")), "running_products": ("ppii", _running("mul")),
    "cummax": ("pppii", _running_extremum(">")), "cummin": ("pppii", _running_extremum("<")),
    "running_sums_down": ("ppiii", _running_down("add")),
    "running_products_down": ("ppiii", _running_down("mul")),
    "cummax_down": ("pppiii", _extremum_down(">")), "cummin_down": ("pppiii", _extremum_down("<")),
    "amax": ("ppii", _extremum("max")), "amin": ("ppii", _extremum("min")),
    "sums": ("ppii", _sums), "products": ("pppii", _products), "add_rows": ("pppii", _add_rows),
    "counted": ("pddi", _counted), "spaced": ("pdddi", _spaced),
}  # fmt: skip
_FUSED = ("counted", "spaced")  # what rounds a product and its sum once
_TYPES = {"p": PTR, "i": I64, "d": F64}
_KINDS = {"p": ctypes.c_void_p, "i": ctypes.c_int64, "d": ctypes.c_double}


class Passes:
    """The functions by name; None for what the processor has no instruction for."""

    def __init__(self) -> None:
        target = llvm.target()
        module = Module(target)
        module.declare("pow", F64, [F64, F64])
        made: dict[str, str] = {}

        def function(name: str, spelt: str) -> Function:
            made[name] = spelt
            arguments = [(f"{kind}{k}", _TYPES[kind]) for k, kind in enumerate(spelt)]
            return module.function(name, arguments)

        for name, (spelt, write) in _EACH.items():
            for letter, of, lanes in _FLOATS if target.fma or name not in _FUSED else ():
                write(function(f"{name}_{letter}", spelt), of, lanes)
        _add_rows(function("add_rows_E", "pppii"), vector("bfloat16"), 16)
        _powers(function("powers", "ppdi"))
        for name, to in (("to_bfloat", True), ("from_bfloat", False)):
            _bfloats(function(name, "ppi"), to)
        if target.fma:  # processors with the one have the other
            for name, to in (("to_half", True), ("from_half", False)):
                _halves(function(name, "ppi"), to)
        self._code = code = llvm.compile(module.text())
        self._functions = {
            name: ctypes.CFUNCTYPE(None, *(_KINDS[kind] for kind in spelt))(code.address(name))
            for name, spelt in made.items()
        }

    def get(self, name: str, letter: str = "") -> Any:
        """A function by its name and the letter of a type; None where there is none."""
        return self._functions.get(f"{name}_{letter}" if letter else name)
