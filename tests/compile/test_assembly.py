"""Tiles written as assembly: what they compute, by definition and beside what LLVM makes of them.

`Machine` carries out the few instructions that occur, so that tiles for processors other than this
one are held to their meaning too; LLVM then has only to know their names.
"""

import ctypes
import itertools
import random
import re

import numpy as np
import pytest

from rushlight.compile.code import llvm
from rushlight.compile.code.emit import Module, vector
from rushlight.compile.products import tiles
from rushlight.compile.products.assembly import SETS, suits
from rushlight.compile.products.gemm_plan import tile_shapes
from rushlight.compile.products.tiles import Tile, emit_tile, unrolled
from rushlight.compile.records import replace

SIZE, X, Y, OUT, KEPT, ROWS, WANTED, STACK = (
    1 << 19, 40000, 140000, 300000, 340000, 450000, 460000, 800
)  # fmt: skip
SYSTEMS = {  # registers of arguments, words above those before the next, what the caller keeps
    "linux": ("rdi rsi rdx rcx r8 r9".split(), 0, "rbx rbp r12 r13 r14 r15".split(), []),
    "windows": ("rcx rdx r8 r9".split(), 4, "rbx rbp rdi rsi r12 r13 r14 r15".split(),
                [f"%xmm{k}" for k in range(6, 16)]),
}  # fmt: skip
LINES = [470000, 480000]  # where others want to read


STEPS = {  # of what stood there, another number, and what was carried
    "movq": lambda old, new, _: new, "addq": lambda old, new, _: old + new,
    "adcq": lambda old, new, carry: old + new + carry, "andq": lambda old, new, _: old & new,
    "shrq": lambda old, new, _: old >> new, "shlq": lambda old, new, _: old << new,
    "subq": lambda old, new, _: old - new,
    "incq": lambda old, new, _: old + new, "decq": lambda old, new, _: old - new,
}  # fmt: skip


def added(sums, one, other, pairs):
    """One multiply-add; that of pairs takes the second number of each word first, then the first.

    It rounds after either (with small numbers, nothing is lost before), and takes denormals for 0.
    """
    if not pairs:
        return sums + one * other
    words = [np.ascontiguousarray(x).view(np.uint32) for x in (one, other)]
    for shift, kept in ((0, 0xFFFF0000), (16, 0xFFFF0000)):
        x, y = (((word << shift) & kept).view(np.float32).astype("d") for word in words)
        sums = (flushed(sums) + x * y).astype("f")
    return flushed(sums)


def flushed(x):
    return np.where(np.abs(x) < np.finfo("f").tiny, 0, x).astype("f")


def number_of(tile):
    """The type of a tile's sums, in which words of pairs are moved as well."""
    return np.dtype("f") if tile.type.name == "pairs" else tile.type.dtype


class Machine:
    """Registers, flags and memory of a processor that is given one tile."""

    def __init__(self, text, memory, given, lanes, dtype):
        self.lines = [line.replace("$$", "$") for line in text.splitlines()]
        self.memory, self.lanes, self.dtype = memory, lanes, np.dtype(dtype)
        self.general, self.vectors, self.flags = dict(given), {}, (0, 0)
        self.asked = []

    def run(self):
        at = 0
        while (line := self.lines[at]) != "retq":
            at += 1
            if line.endswith(":"):
                continue
            name, _, rest = line.partition(" ")
            words = re.findall(r"-?\d*\([^)]*\)(?:\{1to\d+\})?|[^,\s]+", rest)
            if name in ("jz", "jnz", "jle"):
                at = self._jump(name, *words, at)
            elif name[0] == "v" and name != "vzeroupper":
                self._vector(name[1:], *words)
            elif name.startswith("prefetch"):
                self.asked.append((name, self._place(words[0])))
            elif name != "vzeroupper":
                self._general(name, *words)

    def _jump(self, name, label, at):
        left, right = self.flags
        if not {"jz": left == right, "jnz": left != right, "jle": left <= right}[name]:
            return at
        found = [k for k, line in enumerate(self.lines) if line == f"{label[:-1]}:"]
        return min(k for k in found if k >= at) if label[-1] == "f" else max(
            k for k in found if k < at)  # fmt: skip

    def _place(self, word):
        far, base, index, scale = re.fullmatch(
            r"(-?\d*)\((%\w+)(?:,(%\w+))?(?:,(\d))?\).*", word
        ).groups()
        more = self.general[index] * int(scale or 1) if index else 0
        return int(far or 0) + self.general[base] + more

    def _read(self, word):
        if word[0] == "$":
            return int(word[1:])
        if word[0] == "%":
            return self.general[word]
        return int(self.memory[(place := self._place(word)) : place + 8].view(np.int64)[0])

    def _write(self, word, value):
        if word[0] == "%":
            self.general[word] = value
        else:
            place = self._place(word)
            self.memory[place : place + 8] = np.array([value], np.int64).view(np.uint8)

    def _general(self, name, *words):
        *sources, target = words
        if name == "pushq":
            self.general["%rsp"] -= 8
            return self._write("(%rsp)", self.general[target])
        if name == "popq":
            self.general[target] = self._read("(%rsp)")
            self.general["%rsp"] += 8
            return None
        if name == "leaq":
            return self._write(target, self._place(sources[0]))
        if name in ("cmpq", "testq"):
            right = self._read(sources[0]) if name == "cmpq" else 0
            self.flags = self._read(target), right
            return None
        if name == "cmoveq":
            return self._write(target, self._read(words[self.flags[0] != self.flags[1]]))
        if name == "imulq":
            return self._write(target, int(sources[0][1:]) * self._read(sources[1]))
        value = STEPS[name](
            self._read(target) if name != "movq" else 0,
            self._read(sources[0]) if sources else 1, self.flags[0] < self.flags[1],
        )  # fmt: skip
        if name == "decq":
            self.flags = value, 0
        return self._write(target, value)

    def _vector(self, name, *words):
        if name == "xorps":
            self.vectors[words[0].replace("xmm", self._width)] = np.zeros(self.lanes, self.dtype)
        elif name == "movups" and "%xmm" in "".join(words):
            self._half(*words)
        elif name == "movups" and words[1][0] != "%":
            place = self._place(words[1])
            raw = self.vectors[words[0]].view(np.uint8)
            self.memory[place : place + raw.size] = raw
        elif name == "movups":
            self.vectors[words[1]] = self._lanes(words[0]).copy()
        elif name in ("broadcastss", "broadcastsd"):
            self.vectors[words[1]] = np.repeat(self._lanes(words[0])[0], self.lanes)
        else:
            assert name in ("dpbf16ps", f"fmadd231p{'ds'[self.dtype.itemsize == 4]}")
            factors = map(self._lanes, words[:2])
            self.vectors[words[2]] = added(self.vectors[words[2]], *factors, name == "dpbf16ps")

    def _half(self, source, target):
        """The first 16 bytes of a vector register from or to memory: the others are lost."""
        if source[0] == "%":
            held = self.vectors[source.replace("xmm", self._width)].view(np.uint8)[:16]
            self.memory[(place := self._place(target)) : place + 16] = held
        else:
            found = np.zeros(self.lanes * self.dtype.itemsize, np.uint8)
            found[:16] = self.memory[(place := self._place(source)) : place + 16]
            self.vectors[target.replace("xmm", self._width)] = found.view(self.dtype)

    @property
    def _width(self):
        return "zmm" if self.lanes * self.dtype.itemsize == 64 else "ymm"

    def _lanes(self, word):
        if word[0] == "%":
            return self.vectors[word]
        place, size = self._place(word), self.dtype.itemsize
        if "{" in word:
            return np.repeat(self.memory[place : place + size].view(self.dtype), self.lanes)
        return self.memory[place : place + size * self.lanes].view(self.dtype)


def drawn(target, draws):
    """A tile that is written as assembly, and what else it is told."""
    while True:
        tile, keeps, told = any_tile(target, draws)
        if suits(target, tile, keeps):
            return tile, keeps, told


def any_tile(target, draws):
    """A tile of some shape with some of what tiles can do, and what else it is told."""
    dtype = draws.choice(["float32", "float64", *["pairs"] * 2 * target.pairs])
    kind = vector(dtype, target.bits // (8 * vector(dtype).size))
    w = kind.lanes
    rows, vectors = draws.choice([*tile_shapes(target.registers, True, w), (5, 2), (3, 3), (1, 8)])
    way, lanes = draws.choice(["nest", "cut", "asks"]), tuple(range(0, vectors * w, w))
    loops = tuple(
        (draws.choice([1, 1, 2, 3, 5, 7]), draws.choice([1, 3, -2]), draws.choice([w, 3 * w]))
        for _ in range(draws.choice([1, 2, 3]) if way == "nest" else 1)
    )
    many = sum(trip > 1 for trip, _, _ in loops[:-1])
    tile = Tile(
        kind, tuple(n * draws.choice([7]) for n in range(rows)), lanes, loops,
        (tuple(n * vectors * w for n in range(rows)), lanes), unroll=draws.choice([1, 4]),
        adds=draws.random() < 0.5, ahead=draws.choice([(0, 0), (0, 16), (8, 8)]),
        cut=way == "cut", asks=draws.choice([1, 2]) * (way == "asks"), free=way != "nest",
        group=draws.choice([1, 2, 3]), onward=0 if many else draws.choice([0, 2]),
        walks=(1, 2) if many and draws.random() < 0.7 else (),
    )  # fmt: skip
    told = {"terms": draws.choice([1, 3, 4, 9]), "more": 1, "each": draws.choice([2, 4]),
            "rounds": 3, "kinds": draws.choice([1, 2, 3]), "down": vectors * w}  # fmt: skip
    return tile, 0 if many else vectors * w * draws.choice([0, 1]), told


def memory(dtype, pairs=False):
    """Small whole numbers, whose sums are exact in any order; below them, addresses."""
    found = np.zeros(SIZE, np.uint8)
    draws = np.random.default_rng(0).integers(-3, 4, (OUT + 20000 - X) // 8)
    values = draws.astype(dtype)
    if pairs:  # the same in both halves, so that a word is near a small number too
        values = (values.view(np.uint32) | values.view(np.uint32) >> 16).view(dtype)
    found[X : X + values.nbytes] = values.view(np.uint8)
    for k in range(3):
        found[WANTED + 16 * k : WANTED + 16 * k + 16] = np.array([ROWS + 100 * k, 25 + k]).view(
            "u1"
        )
    return found


def arguments(tile, told, base=0):
    """By name what a tile is given, with addresses from `base` on."""
    places = {"x": X + 20000, "y": Y, "out": OUT, "wanted": WANTED, "later": LINES[0],
              "walk0": LINES[0], "walk1": LINES[1], "kept": KEPT}  # fmt: skip
    return {**told, **{name: place + base for name, place in places.items()}}


def written(tile, target, keeps):
    module = Module(target)
    emit_tile(module, "tile", tile, keeps)
    return module.functions["tile"], module.text().replace("define internal", "define")


def of(target, system):
    """The target on another system."""
    return replace(target, triple=f"x86_64-pc-{system}-elf")


def simulated(tile, target, keeps, told, system):
    """The memory after the assembly was carried out, and what it asked for."""
    arguments_in, room, saved, saved_vectors = SYSTEMS[system]
    f, text = written(tile, of(target, system), keeps)
    found = memory(number_of(tile), tile.type.name == "pairs")
    given = arguments(tile, told)
    values = [given[value.name[1:]] for value in f.arguments]
    own = {f"%{name}": 7 * k for k, name in enumerate(saved)}
    above = np.array(values[len(arguments_in) :], np.int64).view(np.uint8)
    found[(place := STACK + 8 + 8 * room) : place + above.size] = above
    registers = {f"%{name}": value for name, value in zip(arguments_in, values)}
    (body,) = re.findall(r'asm sideeffect "([^"]*)"', text)
    machine = Machine(body, found, {"%rsp": STACK, **registers, **own}, tile.type.lanes,
                      number_of(tile))  # fmt: skip
    wide = [name.replace("xmm", machine._width) for name in saved_vectors]
    machine.vectors = {
        name: np.full(tile.type.lanes, k, number_of(tile)) for k, name in enumerate(wide)
    }
    machine.run()
    assert {"%rsp": STACK, **own}.items() <= machine.general.items()  # as its caller needs them
    for k, name in enumerate(wide):
        first = machine.vectors[name][: 16 // machine.dtype.itemsize]
        assert (first == k).all(), name
    return found, machine.asked


def terms_of(tile, told):
    """The places in x and y of all terms of a tile, in elements."""
    if tile.cut or tile.asks:
        count = told["terms"] if tile.cut else told["rounds"] * told["each"] + told["more"]
        return [(k * tile.loops[0][1], k * told["down"]) for k in range(count)]
    indices = itertools.product(*(range(trip) for trip, _, _ in tile.loops))
    return [
        tuple(sum(k * loop[side] for k, loop in zip(at, tile.loops)) for side in (1, 2))
        for at in indices
    ]


def defined(tile, keeps, told):
    """The memory after a tile, by its definition."""
    dtype, w, pairs = number_of(tile), tile.type.lanes, tile.type.name == "pairs"
    found, size = memory(dtype, pairs), dtype.itemsize

    def part(place, at, count):
        return found[place + at * size : place + (at + count) * size].view(dtype)

    for k, (x, y) in enumerate(terms_of(tile, told)):
        for row, (r, v) in itertools.product(range(len(tile.x)), enumerate(tile.y)):
            out = part(OUT, tile.out[0][row] + tile.out[1][r], w)
            if not k and not tile.adds:
                out[:] = 0
            number = np.repeat(part(X + 20000, tile.x[row] + x, 1), w)
            out[:] = added(out, number, part(Y, y + v, w), pairs)
        for v in tile.y if keeps else ():
            part(KEPT, k * keeps + v, w)[:] = part(Y, y + v, w)
    for k in range(told["rounds"] * tile.group if tile.asks else 0):
        at = WANTED + 16 * (k % told["kinds"])
        row = found[at : at + 16].view(np.int64)
        row[0] += row[1] * size
    return found


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("seed", range(60))
def test_a_tile_does_what_it_says(name, seed):
    target = llvm.named(name)
    tile, keeps, told = drawn(target, random.Random(seed))
    found, asked = simulated(tile, target, keeps, told, ["linux", "windows"][seed % 2])
    wanted = defined(tile, keeps, told)
    np.testing.assert_array_equal(found[2 * STACK :], wanted[2 * STACK :])
    rows = [place for kind, place in asked if kind == "prefetchw"]
    assert len(rows) == tile.asks * tile.group * told["rounds"] * bool(tile.asks)
    assert rows[:1] == [ROWS] * bool(tile.asks)
    if tile.walks:
        rounds = next(trip for trip, _, _ in tile.loops if trip > 1)
        later = [place for kind, place in asked if kind == "prefetcht1"]
        assert sorted(later) == [
            start + 64 * k for start, lines in zip(LINES, tile.walks) for k in range(lines * rounds)
        ]


CALL = """
define void @called(CALLED) {
  call WAYvoid @tile(CALLED)
  ret void
}
"""


def native(tile, target, keeps, told, system=""):
    """The memory after the tile ran here, with addresses as places in it.

    `system`: written for another one, and called as is usual there.
    """
    f, text = written(tile, of(target, system) if system else target, keeps)
    way = {"linux": "x86_64_sysvcc ", "windows": "win64cc "}.get(system, "")
    text = text.replace("define void @tile", f"define {way}void @tile")
    inside = ", ".join(value.typed for value in f.arguments)
    text += CALL.replace("CALLED", inside).replace("WAY", way)
    code = llvm.compile(text, target)
    found = np.zeros(SIZE + 64, np.uint8)
    found = found[-found.ctypes.data % 64 :][:SIZE]
    found[:] = memory(number_of(tile))
    noise = np.random.default_rng(1).standard_normal((OUT - X) // 8).astype(number_of(tile))
    found[X : X + noise.nbytes] = noise.view(np.uint8)
    base = found.ctypes.data
    found[WANTED : WANTED + 48].view(np.int64)[::2] += base
    given = arguments(tile, told, base)
    values = [given[value.name[1:]] for value in f.arguments]
    ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * len(values))(code.address("called"))(*values)
    found[WANTED : WANTED + 48].view(np.int64)[::2] -= base
    return found


@pytest.mark.skipif(llvm.target().name not in SETS, reason="tiles are left to LLVM here")
@pytest.mark.parametrize("seed", range(30))
def test_bits_are_those_of_what_llvm_makes(seed, monkeypatch):
    target = llvm.target()
    tile, keeps, told = drawn(target, random.Random(seed))
    found = native(tile, target, keeps, told)
    for system in SYSTEMS:
        np.testing.assert_array_equal(found, native(tile, target, keeps, told, system))
    monkeypatch.setattr(tiles, "suits", lambda *_: False)
    assert " asm " not in written(tile, target, keeps)[1]
    np.testing.assert_array_equal(found, native(tile, target, keeps, told))


@pytest.mark.skipif(
    not llvm.target().triple.startswith("x86_64"), reason="LLVM for another processor knows none"
)
@pytest.mark.parametrize("name", SETS)
def test_llvm_knows_all_words(name):
    target, module = llvm.named(name), Module(llvm.named(name))
    for seed in range(100):
        tile, keeps, _ = drawn(target, random.Random(seed))
        emit_tile(module, f"tile{seed}", tile, keeps)
    text = module.text().replace("define internal", "define")
    assert text.count(" asm ") == 100
    words = llvm.assembly(text, target)
    assert "vfmadd231ps" in words
    assert ("vdpbf16ps" in words) == target.pairs


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_no_instruction_is_idle(name, dtype):
    target = llvm.named(name)
    kind = vector(dtype, target.lanes(dtype))
    for rows, vectors in tile_shapes(target.registers, target.fma, kind.lanes):
        lanes, unroll = (
            tuple(range(0, vectors * kind.lanes, kind.lanes)),
            unrolled(kind, vectors, rows),
        )
        tile = Tile(
            kind, tuple(range(rows)), lanes, ((64, 1, vectors * kind.lanes),),
            (tuple(n * vectors * kind.lanes for n in range(rows)), lanes), unroll,
        )  # fmt: skip
        assert suits(target, tile)
        body = re.search(r"\n2:\n(.*)\njnz 2b", written(tile, target, 0)[1], re.S)[1]
        numbers = 0 if target.bits == 512 and vectors == 1 and rows > 1 else rows
        reads = vectors if rows > 1 else 0
        assert body.count("\n") + 1 == unroll * (rows * vectors + numbers + reads) + 3


def test_other_tiles_are_left_to_llvm():
    target, kind = llvm.named("avx2"), vector("float32", 8)
    plain = Tile(kind, (0, 1), (0,), ((5, 1, 8),), ((0, 8), (0,)))
    assert suits(target, plain)
    for changed in ({"inner": True}, {"tail": 3}, {"out_tail": 3}, {"x": tuple(range(15))},
                    {"x": (0, 1 << 30)}, {"walks": (1,) * 12}):  # fmt: skip
        assert not suits(target, tiles_with(plain, changed)), changed
    assert not suits(llvm.named("sse"), plain)
    assert not suits(None, plain)


def tiles_with(tile, changes):
    return Tile(**{**{name: getattr(tile, name) for name in tile._fields}, **changes})
