"""Native code for random numbers: MT19937's words, and what `core/random_draws.py` makes of them.

- `words(key, out, blocks)` fills `out` with blocks of 624 words and leaves the state in `key`;
- `below(words, out, count, limit)` says for pairs of words, 53 bits each, which are below a limit;
- `normals(values, rows, mean, std)` is Box-Muller on rows of 16 float32, two rows at a time;
- `swap(partners, items, count)` makes a permutation of swaps.

Nothing here may be reordered or contracted: results are the same to the last bit everywhere. The
references are Matsumoto and Nishimura's generator (1998) and Moshier's Cephes library.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable, Sequence
from typing import Any

from . import llvm

_BLOCK, _AHEAD = 624, 397
_INTS, _FLOATS, _PAIRS = "<16 x i32>", "<16 x float>", "<8 x i64>"
_FIRST = ", ".join(f"i32 {k if k < 8 else k + 8}" for k in range(16))  # of two rows, the radii
_SECOND = ", ".join(f"i32 {k + 8 if k < 8 else k + 16}" for k in range(16))
_LOG = (
    7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1,
    -1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1,
)  # fmt: skip
_SINE = -1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1
_COSINE = 2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2
_PI_4 = -0.78515625, -2.4187564849853515625e-4, -3.77489497744594108e-8


class _Text:
    """Lines of one function; every method adds an instruction and gives its value's name."""

    def __init__(self, head: str) -> None:
        self.lines, self.count = [f"define void {head} {{", "start:"], 0
        self.block = "start"

    def name(self) -> str:
        self.count += 1
        return f"%v{self.count}"

    def put(self, text: str) -> str:
        found = self.name()
        self.lines.append(f"  {found} = {text}")
        return found

    def say(self, text: str) -> None:
        self.lines.append(f"  {text}")

    def enter(self, block: str) -> None:
        self.lines.append(f"{block}:")
        self.block = block

    def int(self, op: str, x: str, y: str | int) -> str:
        y = f"splat (i32 {y})" if isinstance(y, int) else y
        return self.put(f"{op} {_INTS} {x}, {y}")

    def float(self, op: str, x: str, y: str | float) -> str:
        return self.put(f"{op} {_FLOATS} {x}, {_splat(y)}")

    def fused(self, x: str, y: str | float, z: str | float) -> str:
        """x y + z, rounded once."""
        return self.put(
            f"call {_FLOATS} @llvm.fma.v16f32({_FLOATS} {x}, {_FLOATS} {_splat(y)}, "
            f"{_FLOATS} {_splat(z)})"
        )

    def cast(self, op: str, x: str, kind: str, into: str) -> str:
        return self.put(f"{op} {kind} {x} to {into}")

    def load(self, place: str, index: str | int, kind: str) -> str:
        at = self.put(f"getelementptr i32, ptr {place}, i64 {index}")
        return self.put(f"load {kind}, ptr {at}, align 4")

    def store(self, value: str, place: str, index: str | int, kind: str) -> None:
        at = self.put(f"getelementptr i32, ptr {place}, i64 {index}")
        self.say(f"store {kind} {value}, ptr {at}, align 4")

    def loop(self, start: int, stop: str | int, step: int, body: Callable[[str], None]) -> None:
        """`body(index)` for start, start + step ... below stop, which is tried first."""
        self.count += 1
        label, before = f"loop{self.count}", self.block
        self.say(f"br label %{label}")
        self.enter(label)
        index, after = f"%{label}i", f"%{label}n"
        self.say(f"{index} = phi i64 [ {start}, %{before} ], [ {after}, %{label}e ]")
        more = self.put(f"icmp slt i64 {index}, {stop}")
        self.say(f"br i1 {more}, label %{label}b, label %{label}x")
        self.enter(f"{label}b")
        body(index)
        self.say(f"br label %{label}e")
        self.enter(f"{label}e")
        self.say(f"{after} = add i64 {index}, {step}")
        self.say(f"br label %{label}")
        self.enter(f"{label}x")

    def end(self) -> str:
        return "\n".join([*self.lines, "  ret void", "}", ""])


def _splat(x: str | float) -> str:
    """A register, or a float32 in all lanes."""
    if isinstance(x, str):
        return x
    single = struct.unpack("f", struct.pack("f", x))[0]
    bits = struct.unpack("<Q", struct.pack("<d", single))[0]
    return f"splat (float 0x{bits:016X})"


# -- words ---------------------------------------------------------------------------------------


def _twist(t: _Text, lanes: int, start: int, stop: int, other: int) -> int:
    """Renew `lanes` words of the state at a time; returns where the rest begins."""
    kind = f"<{lanes} x i32>"
    end = start + (stop - start) // lanes * lanes

    def step(i: str) -> None:
        a = t.load("%key", i, kind)
        b = t.load("%key", t.put(f"add i64 {i}, 1"), kind)
        c = t.load("%key", t.put(f"add i64 {i}, {other}"), kind)
        _renew(t, kind, a, b, c, i)

    if end > start:
        t.loop(start, end, lanes, step)
    return end


def _renew(t: _Text, kind: str, a: str, b: str, c: str, i: str | int) -> None:
    def op(name: str, x: str, number: int) -> str:
        return t.put(f"{name} {kind} {x}, splat (i32 {number})")

    high, low = op("and", a, -(1 << 31)), op("and", b, (1 << 31) - 1)
    half = op("lshr", t.put(f"or {kind} {high}, {low}"), 1)
    odd = t.put(f"sub {kind} zeroinitializer, {op('and', b, 1)}")
    mixed = t.put(f"xor {kind} {half}, {op('and', odd, 0x9908B0DF - (1 << 32))}")
    t.store(t.put(f"xor {kind} {mixed}, {c}"), "%key", i, kind)


def _words() -> str:
    t = _Text("@words(ptr %key, ptr %out, i64 %blocks)")

    def block(k: str) -> None:
        turn = _BLOCK - _AHEAD
        for start, stop, other in ((0, turn, _AHEAD), (turn, _BLOCK - 1, -turn)):
            for lanes in (16, 4, 1):
                start = _twist(t, lanes, start, stop, other)
        kind = "<1 x i32>"
        a, b, c = (t.load("%key", i, kind) for i in (_BLOCK - 1, 0, _AHEAD - 1))
        _renew(t, kind, a, b, c, _BLOCK - 1)
        first = t.put(f"mul i64 {k}, {_BLOCK}")

        def temper(i: str) -> None:
            x = t.load("%key", i, _INTS)
            x = t.int("xor", x, t.int("lshr", x, 11))
            x = t.int("xor", x, t.int("and", t.int("shl", x, 7), 0x9D2C5680 - (1 << 32)))
            x = t.int("xor", x, t.int("and", t.int("shl", x, 15), 0xEFC60000 - (1 << 32)))
            x = t.int("xor", x, t.int("lshr", x, 18))
            t.store(x, "%out", t.put(f"add i64 {first}, {i}"), _INTS)

        t.loop(0, _BLOCK, 16, temper)

    t.loop(0, "%blocks", 1, block)
    return t.end()


# -- what is made of them ------------------------------------------------------------------------


def _below() -> str:
    t = _Text("@below(ptr %words, ptr %out, i64 %count, i64 %limit)")
    one = t.put(f"insertelement {_PAIRS} poison, i64 %limit, i64 0")
    limits = t.put(f"shufflevector {_PAIRS} {one}, {_PAIRS} poison, <8 x i32> zeroinitializer")

    def step(i: str) -> None:
        pairs = t.load("%words", t.put(f"shl i64 {i}, 1"), _PAIRS)
        turned = t.put(
            f"call {_PAIRS} @llvm.fshl.v8i64({_PAIRS} {pairs}, {_PAIRS} {pairs}, "
            f"{_PAIRS} splat (i64 32))"
        )
        bits = t.put(f"and {_PAIRS} {turned}, splat (i64 {(1 << 53) - 1})")
        is_below = t.put(f"icmp ult {_PAIRS} {bits}, {limits}")
        found = t.put(f"zext <8 x i1> {is_below} to <8 x i8>")
        at = t.put(f"getelementptr i8, ptr %out, i64 {i}")
        t.say(f"store <8 x i8> {found}, ptr {at}, align 1")

    t.loop(0, "%count", 8, step)
    return t.end()


def _log(t: _Text, u: str) -> str:
    """Natural logarithm of float32 in (0, 1]."""
    bits = t.cast("bitcast", u, _FLOATS, _INTS)
    power = t.int("ashr", t.int("sub", bits, 0x3F3504F3), 23)  # u = x 2**power, x near 1
    exponent = t.cast("sitofp", power, _INTS, _FLOATS)
    mantissa = t.int("sub", bits, t.int("shl", power, 23))
    x = t.float("fsub", t.cast("bitcast", mantissa, _INTS, _FLOATS), 1.0)
    y: str | float = _LOG[0]
    for coefficient in _LOG[1:]:
        y = t.fused(x, y, coefficient)
    z = t.float("fmul", x, x)
    y = t.fused(t.float("fmul", x, y), z, t.float("fmul", exponent, -2.12194440e-4))
    y = t.float("fsub", y, t.float("fmul", z, 0.5))
    return t.float("fadd", t.float("fadd", x, y), t.float("fmul", exponent, 0.693359375))


def _sine_cosine(t: _Text, theta: str) -> tuple[str, str]:
    """Sine and cosine of float32 in [0, 2 pi)."""
    octant = t.cast("fptosi", t.float("fmul", theta, 1.27323954473516), _FLOATS, _INTS)
    octant = t.int("and", t.int("add", octant, 1), -2)
    turns, x = t.cast("sitofp", octant, _INTS, _FLOATS), theta
    for part in _PI_4:
        x = t.float("fadd", x, t.float("fmul", turns, part))
    z = t.float("fmul", x, x)
    series = []
    for c0, c1, c2 in (_SINE, _COSINE):
        series.append(t.float("fmul", t.fused(t.fused(z, c0, c1), z, c2), z))
    sine = t.fused(x, series[0], x)
    cosine = t.float("fadd", t.fused(z, series[1], t.float("fmul", z, -0.5)), 1.0)
    return _placed(t, sine, cosine, octant)


def _placed(t: _Text, sine: str, cosine: str, octant: str) -> tuple[str, str]:
    """The two series of an octant in their places, with their signs."""
    a, b = (t.cast("bitcast", value, _FLOATS, _INTS) for value in (sine, cosine))
    swap = t.int("ashr", t.int("shl", octant, 30), 31)  # all ones where bit 1 is set
    swap = t.int("and", swap, t.int("xor", a, b))
    signs = (octant, t.int("add", octant, 2))
    found = []
    for value, turn in zip((a, b), signs):
        sign = t.int("and", t.int("shl", turn, 29), -(1 << 31))
        bits = t.int("xor", t.int("xor", value, swap), sign)
        found.append(t.cast("bitcast", bits, _INTS, _FLOATS))
    return found[0], found[1]


def _normals() -> str:
    t = _Text("@normals(ptr %values, i64 %rows, float %mean, float %std)")
    scales = []
    for number in ("%mean", "%std"):
        one = t.put(f"insertelement {_FLOATS} poison, float {number}, i64 0")
        zeros = "<16 x i32> zeroinitializer"
        scales.append(t.put(f"shufflevector {_FLOATS} {one}, {_FLOATS} poison, {zeros}"))
    last = t.put("sub i64 %rows, 1")

    def step(row: str) -> None:  # an odd row at the end is its own neighbour
        after = t.put(f"add i64 {row}, 1")
        near = t.put(f"call i64 @llvm.smin.i64(i64 {after}, i64 {last})")
        places = [t.put(f"shl i64 {k}, 4") for k in (row, near)]
        one, two = (t.load("%values", place, _FLOATS) for place in places)
        of = f"{_FLOATS} {one}, {_FLOATS} {two}"
        u = t.put(f"shufflevector {of}, <16 x i32> <{_FIRST}>")
        v = t.put(f"shufflevector {of}, <16 x i32> <{_SECOND}>")
        log = _log(t, t.put(f"fsub {_FLOATS} {_splat(1.0)}, {u}"))
        square = t.float("fmul", log, -2.0)
        radius = t.put(f"call {_FLOATS} @llvm.sqrt.v16f32({_FLOATS} {square})")
        sine, cosine = _sine_cosine(t, t.float("fmul", v, 6.283185307179586))
        x, y = (t.fused(t.float("fmul", part, radius), scales[1], scales[0])
                for part in (cosine, sine))  # fmt: skip
        of = f"{_FLOATS} {x}, {_FLOATS} {y}"
        halves = [", ".join(f"i32 {k + 8 * (k > 7) + 8 * high}" for k in range(16))
                  for high in (0, 1)]  # fmt: skip
        for place, half in zip(places, halves):
            row_of = t.put(f"shufflevector {of}, <16 x i32> <{half}>")
            t.store(row_of, "%values", place, _FLOATS)

    t.loop(0, "%rows", 2, step)
    return t.end()


def _swap() -> str:
    t = _Text("@swap(ptr %partners, ptr %items, i64 %count)")

    def place(array: str, index: str) -> tuple[str, str]:
        at = t.put(f"getelementptr i64, ptr {array}, i64 {index}")
        return at, t.put(f"load i64, ptr {at}")

    def step(i: str) -> None:
        (at, mine), (_, partner) = place("%items", i), place("%partners", i)
        there, other = place("%items", partner)
        t.say(f"store i64 {mine}, ptr {there}")
        t.say(f"store i64 {other}, ptr {at}")

    t.loop(0, "%count", 1, step)
    return t.end()


_DECLARED = f"""\
declare {_FLOATS} @llvm.fma.v16f32({_FLOATS}, {_FLOATS}, {_FLOATS})
declare {_FLOATS} @llvm.sqrt.v16f32({_FLOATS})
declare {_PAIRS} @llvm.fshl.v8i64({_PAIRS}, {_PAIRS}, {_PAIRS})
declare i64 @llvm.smin.i64(i64, i64)
"""


class Drawing:
    """The functions, for addresses of arrays."""

    def __init__(self) -> None:
        fused = llvm.target().fma  # without it, a call into the C library for each number
        parts = [_words(), _below(), _swap(), *([_normals()] if fused else [])]
        self._code = code = llvm.compile(_DECLARED + "".join(parts))

        def function(name: str, kinds: Sequence[Any]) -> Any:
            return ctypes.CFUNCTYPE(None, *kinds)(code.address(name))

        array, count = ctypes.c_void_p, ctypes.c_int64
        self.words = function("words", (array, array, count))
        self.below = function("below", (array, array, count, count))
        self.swap = function("swap", (array, array, count))
        number = ctypes.c_float
        self.normals = function("normals", (array, count, number, number)) if fused else None
