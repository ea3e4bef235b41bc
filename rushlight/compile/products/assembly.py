"""Outer tiles as assembly of x86-64, which LLVM has only to encode.

To choose instructions and registers for one tile takes LLVM 10 ms, and a program of a few layers
has thirty. A tile is simple enough to be written out: its sums stay where they are, and all else is
a few pointers. What is written here multiplies and adds in the order in which `tiles.py` does, so
the numbers are the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from ..code.emit import Function

if TYPE_CHECKING:
    from .tiles import Tile

SETS = ("avx512", "avx512bf16", "avx2")  # of instructions; tiles for others are left to LLVM
# general registers as System V has them: arguments, what may be used up, what belongs to the caller
_ARGUMENTS, _LOST = "rdi rsi rdx rcx r8 r9".split(), "rax r10 r11".split()
_SAVED = "rbx rbp r12 r13 r14 r15".split()
_REGISTERS = [*_ARGUMENTS, *_LOST, *_SAVED]
_LATER = ("out", "each", "more", "rounds", "kinds")  # in memory where lines are asked for
_REALS = ("float32", "float64", "pairs")
_REACH = 1 << 30  # bytes that an address may be from its register


def spoken(target: Any) -> bool:
    """Whether functions for that target may be written as assembly."""
    return target is not None and target.name in SETS and target.triple.startswith("x86_64")


class Passage(NamedTuple):
    """From the system's way of calling functions to System V's, and back."""

    way_in: list[str]
    way_out: list[str]
    words: int  # on the stack, besides System V's, below a function's seventh argument


def passage(target: Any, arguments: int, vectors: int) -> Passage:
    """What a function for that target begins and ends with, which uses so many vector registers.

    Windows hands over four arguments in other registers and leaves room for them on the stack; two
    more general registers and ten of the vectors (their first 16 bytes) belong to the caller.
    """
    if "windows" not in target.triple:
        return Passage([], [], 0)
    kept = [(f"{16 * n}(%rsp)", f"%xmm{k}") for n, k in enumerate(range(6, min(vectors, 16)))]
    room, fifth = 16 * len(kept), 16 * len(kept) + 8 * (2 + 1 + 4)
    moved = zip(["%rcx", "%rdx", "%r8", "%r9", f"{fifth}(%rsp)", f"{fifth + 8}(%rsp)"], _ARGUMENTS)
    way_in = [
        "pushq %rdi", "pushq %rsi", f"subq ${room}, %rsp",
        *(f"vmovups {register}, {place}" for place, register in kept),
        *(f"movq {given}, %{wanted}" for given, wanted in list(moved)[:arguments]),
    ]  # fmt: skip
    way_out = [
        *(f"vmovups {place}, {register}" for place, register in kept),
        f"addq ${room}, %rsp", "popq %rsi", "popq %rdi",
    ]  # fmt: skip
    return Passage(way_in, way_out, room // 8 + 2 + len(_ARGUMENTS))


def suits(target: Any, tile: Tile, keeps: int = 0) -> bool:
    """Whether `tile` can be written here for that target: its sums and pointers have registers."""
    if not spoken(target):
        return False
    if tile.inner or tile.tail or tile.out_tail or tile.type.name not in _REALS:
        return False
    if tile.type.lanes * tile.type.size * 8 != target.bits or tile.unroll not in (1, 4):
        return False
    return (
        _vectors(tile, keeps) <= target.registers and len(_names(tile, keeps)) <= len(_REGISTERS)
        and _reach(tile, keeps) < _REACH
    )  # fmt: skip


def _vectors(tile: Tile, keeps: int) -> int:
    """Vector registers: sums, a number, and what is read of y but for a single row."""
    held = 0 if len(tile.x) == 1 and not keeps else len(tile.y)
    return len(tile.x) * len(tile.y) + held + 1


def _names(tile: Tile, keeps: int) -> list[str]:
    """What stands in general registers: arguments, and then what is made of them."""
    given = ["x", "y"] + ["out"] * (not tile.asks) + ["terms"] * tile.cut + ["down"] * tile.free
    given += ["wanted"] * bool(tile.asks) + ["later"] * bool(tile.onward)
    given += [f"walk{n}" for n in range(len(tile.walks))] + ["kept"] * bool(keeps)
    far = tile.free and tile.ahead[1]
    made = ["far"] * bool(far) + ["triple"] * (tile.free and tile.unroll == 4)
    if tile.asks:
        return given + made + ["terms", "rest", "row"]
    return given + made + (["rest"] if tile.cut else [f"loop{n}" for n in range(len(tile.loops))])


def _reach(tile: Tile, keeps: int) -> int:
    """How far from its register an address may be, at most."""
    offsets = [*tile.x, *tile.y, *tile.out[0], *tile.out[1]]
    steps = [abs(step) for loop in tile.loops for step in loop[1:]]
    trips = max(trip for trip, _, _ in tile.loops)
    far = max(steps) * (trips + tile.unroll + max(tile.ahead))
    return 2 * tile.type.size * (max(map(abs, offsets)) + far + 4 * keeps + 4 * tile.onward)


def _placed(given: list[str], wanted: list[str]) -> dict[str, str]:
    """Registers by name: arguments stay where they come, if they come in registers."""
    kept = {name: place for name, place in zip(given, _ARGUMENTS) if name in wanted}
    free = (place for place in _REGISTERS if place not in kept.values())
    return {name: f"%{kept.get(name) or next(free)}" for name in wanted}


class Assembly:
    """Writes one tile into its function."""

    def __init__(self, f: Function, tile: Tile, keeps: int) -> None:
        self.f, self.tile, self.keeps, self.size = f, tile, keeps, tile.type.size
        self.loops = [loop for loop in tile.loops[:-1] if loop[0] != 1] + [tile.loops[-1]]
        self.lines: list[str] = []
        self.products: list[tuple[str, str]] = []
        self._labels = 1
        self.given = [value.name[1:] for value in f.arguments]
        self.passage = passage(f.module.target, len(self.given), _vectors(tile, keeps))
        self.at = _placed(self.given, _names(tile, keeps))
        self.saved = [register for register in _SAVED if f"%{register}" in self.at.values()]
        self.own = [*_LATER[:3], "at", "number"] * bool(tile.asks)  # what it keeps on the stack
        self.wide = tile.type.lanes * self.size  # bytes of a vector
        end, name = "sd"[self.size == 8], "zmm" if self.wide == 64 else "ymm"
        self.fma = "vdpbf16ps" if tile.type.name == "pairs" else f"vfmadd231p{end}"
        self.spread = f"vbroadcasts{end}"
        self.sums = [f"%{name}{n}" for n in range(len(tile.x) * len(tile.y))]
        *self.vectors, self.number = (
            f"%{name}{n}" for n in range(len(self.sums), _vectors(tile, keeps))
        )

    def emit(self) -> None:
        """Write the function."""
        self._enter()
        self._begin()
        if all(trip for trip, _, _ in self.loops):
            self._told() if self.tile.free or self.tile.cut else self._nest(0)
        self._end()
        self.f.assembly(self.lines)

    def _enter(self) -> None:
        """Save the caller's registers, and bring arguments to where they are used."""
        self.lines += self.passage.way_in
        for register in self.saved:
            self.do("pushq", f"%{register}")
        if self.own:
            self.do("subq", 8 * len(self.own), "%rsp")
        arrived = dict(zip(self.given, _ARGUMENTS))
        for name in self.own:
            self.do("movq", f"%{arrived[name]}" if name in arrived else 0, self._later(name))
        for name in self.at:
            if name in self.given and name not in arrived:
                self.do("movq", self._later(name), name)
        if self.own:
            self.do("shlq", 4, self._later("kinds"))  # two words of each

    def _later(self, name: str) -> str:
        """What is not in a register: of its own, or an argument that is on the stack."""
        if name in self.own:
            return f"{8 * self.own.index(name)}(%rsp)"
        above = len(self.own) + len(self.saved) + self.passage.words + 1
        return f"{8 * (above + self.given.index(name) - len(_ARGUMENTS))}(%rsp)"

    # --- lines --------------------------------------------------------------------------------
    def do(self, name: str, *operands: Any) -> None:
        """An instruction; numbers are themselves, names of what is at hand its registers."""
        words = [f"${x}" if isinstance(x, int) else str(self.at.get(x, x)) for x in operands]
        self.lines.append(f"{name} {', '.join(words)}".rstrip())

    def near(self, name: str, elements: int, index: str = "") -> str:
        """The memory so many elements after a pointer, and after an index in bytes."""
        more = f",{index}" if index else ""
        return f"{elements * self.size}({self.at[name]}{more})"

    def label(self) -> int:
        self._labels += 1
        return self._labels

    def rounds(self, counter: str, write: Callable[[], None], known: bool) -> None:
        """What `write` writes as often as the counter says, which may be 0 unless it is `known`."""
        here, past = self.label(), self.label()
        if not known:
            self.do("testq", counter, counter)
            self.do("jz", f"{past}f")
        self.lines.append(f"{here}:")
        write()
        self.do("decq", counter)
        self.do("jnz", f"{here}b")
        if not known:
            self.lines.append(f"{past}:")

    # --- the parts of a tile ----------------------------------------------------------------------
    def _places(self) -> list[int]:
        rows, vectors = self.tile.out
        return [row + at for row in rows for at in vectors]

    def _begin(self) -> None:
        """What sums start from, and pointers that are made of others."""
        if self.tile.asks and self.tile.adds:
            self.do("movq", self._later("out"), "row")
        for sum, place in zip(self.sums, self._places()):
            if self.tile.adds:
                self.do("vmovups", self.near("row" if self.tile.asks else "out", place), sum)
            else:
                low = f"%xmm{sum[4:]}"
                self.do("vxorps", low, low, low)
        if self.tile.free:
            self.do("shlq", self.size.bit_length() - 1, "down")
        if "triple" in self.at:
            self.do("leaq", "({0},{0},2)".format(self.at["down"]), "triple")
        if "far" in self.at:
            self.do("imulq", self.tile.ahead[1], "down", "far")
            self.do("addq", "y", "far")

    def _end(self) -> None:
        out = "row" if self.tile.asks else "out"
        if self.tile.asks:
            self.do("movq", self._later("out"), out)
        for sum, place in zip(self.sums, self._places()):
            self.do("vmovups", sum, self.near(out, place))
        self.do("vzeroupper")
        if self.own:
            self.do("addq", 8 * len(self.own), "%rsp")
        for register in reversed(self.saved):
            self.do("popq", f"%{register}")
        self.lines += [*self.passage.way_out, "retq"]

    # --- loops of known length --------------------------------------------------------------------
    def _nest(self, depth: int) -> None:
        """The loops from this one inwards."""
        trip, *steps = self.loops[depth]
        if depth == len(self.loops) - 1:
            return self._innermost()
        moved = self._moved(depth + 1)

        def inside() -> None:
            if depth == 0:
                self._walk()
            self._nest(depth + 1)
            for name, step, done in zip("xy", steps, moved):
                self._move(name, step - done)

        return self._times(f"loop{depth}", trip, inside)

    def _moved(self, depth: int) -> list[int]:
        """How far x and y have come after the loops from this one inwards."""
        trip, *steps = self.loops[depth]
        if depth == len(self.loops) - 1:
            trip = trip // self.tile.unroll * self.tile.unroll
        return [trip * step for step in steps]

    def _innermost(self) -> None:
        trip, unroll = self.loops[-1][0], self.tile.unroll
        if rounds := trip // unroll:
            self._times(f"loop{len(self.loops) - 1}", rounds, lambda: self._terms(unroll))
        self._terms(trip % unroll, moves=False)

    def _times(self, counter: str, trips: int, write: Callable[[], None]) -> None:
        if trips == 1:
            return write()
        self.do("movq", trips, counter)
        return self.rounds(counter, write, known=True)

    def _walk(self) -> None:
        """Ask for what others want, at pointers that go through it."""
        for n, lines in enumerate(self.tile.walks):
            for line in range(lines):
                self.do("prefetcht1", f"{64 * line}({self.at[f'walk{n}']})")
            self.do("addq", 64 * lines, f"walk{n}")

    # --- loops that are told how far to go --------------------------------------------------------
    def _told(self) -> None:
        if not self.tile.asks:
            return self._counted()
        again, past = self.label(), self.label()
        self.do("cmpq", 0, self._later("rounds"))
        self.do("jle", f"{past}f")
        self.lines.append(f"{again}:")
        self._wanted()
        self.do("movq", self._later("each"), "terms")
        self.do("movq", self._later("number"), "rest")
        self.do("cmpq", self._later("more"), "rest")
        self.do("adcq", 0, "terms")  # one term more in the first of them
        self._counted()
        self.do("incq", self._later("number"))
        self.do("decq", self._later("rounds"))
        self.do("jnz", f"{again}b")
        self.lines.append(f"{past}:")
        return None

    def _counted(self) -> None:
        """As many terms as the register says."""
        each = self.tile.unroll if self.wide == 32 else 1
        if each > 1:
            self.do("movq", "terms", "rest")
            self.do("andq", each - 1, "rest")
            self.do("shrq", each.bit_length() - 1, "terms")
            self.rounds("terms", lambda: self._terms(each), known=False)
        self.rounds("rest" if each > 1 else "terms", lambda: self._terms(1), known=False)

    def _wanted(self) -> None:
        """Ask for the next rows of a group of arrays."""
        pair = "({},{})".format(self.at["wanted"], self.at["rest"])
        self.do("movq", self._later("at"), "rest")
        for _ in range(self.tile.group):
            self.do("movq", pair, "row")
            for n in range(self.tile.asks):
                self.do("prefetchw", f"{64 * n}({self.at['row']})")
            self.do("movq", f"8{pair}", "terms")
            self.do("leaq", f"({self.at['row']},{self.at['terms']},{self.size})", "row")
            self.do("movq", "row", pair)
            self.do("addq", 16, "rest")
            self.do("movq", 0, "terms")
            self.do("cmpq", self._later("kinds"), "rest")
            self.do("cmoveq", "terms", "rest")
        self.do("movq", "rest", self._later("at"))

    # --- terms ------------------------------------------------------------------------------------
    def _terms(self, count: int, moves: bool = True) -> None:
        """So many terms written out, after which the pointers move."""
        for term in range(count):
            self._ask(term)
            self._term(term)
        if not moves:
            return
        _, x_step, y_step = self.loops[-1]
        self._move("x", count * x_step)
        for name in ("y", "far"):
            if name not in self.at:
                continue
            if not self.tile.free:
                self._move(name, count * y_step)
            elif count == 1:
                self.do("addq", "down", name)
            else:
                self.do("leaq", f"({self.at[name]},{self.at['down']},{count})", name)
        if self.keeps:
            self._move("kept", count * self.keeps)
        if self.tile.onward:
            self._move("later", count * self.tile.onward)

    def _move(self, name: str, elements: int) -> None:
        if elements:
            self.do("addq", elements * self.size, name)

    def _term(self, term: int) -> None:
        """One number of each row by the vectors of y."""
        tile, (_, x_step, _) = self.tile, self.loops[-1]
        read = [self._of("y", at, term) for at in tile.y]
        for vector, place in zip(self.vectors, read):
            self.do("vmovups", place, vector)
        for vector, at in zip(self.vectors, tile.y if self.keeps else ()):
            self.do("vmovups", vector, self.near("kept", term * self.keeps + at))
        if not self.products or not self.vectors:
            self.products = self._products(self.vectors or read)
        for row, (before, after) in zip(tile.x, self.products):
            self.lines.append(f"{before}{(row + term * x_step) * self.size}{after}")

    def _products(self, vectors: list[str]) -> list[tuple[str, str]]:
        """What stands before and behind the place of each row's number: the same at all terms."""
        sums, x, found = iter(self.sums), self.at["x"], []
        for _ in self.tile.x:
            if self.wide == 64 and len(vectors) == 1 and self.vectors:
                lanes = f"{{1to{self.tile.type.lanes}}}"
                found.append((f"{self.fma} ", f"({x}){lanes}, {vectors[0]}, {next(sums)}"))
                continue
            all = [f"{self.fma} {vector}, {self.number}, {next(sums)}" for vector in vectors]
            found.append((f"{self.spread} ", "\n".join([f"({x}), {self.number}", *all])))
        return found

    def _of(self, name: str, elements: int, term: int) -> str:
        """The memory after y, or ahead of it, at a term of a round."""
        if not self.tile.free:
            return self.near(name, elements + term * self.loops[-1][2])
        down, triple = self.at["down"], self.at.get("triple", "")
        return self.near(name, elements, ["", down, f"{down},2", triple][term])

    def _ask(self, term: int) -> None:
        """Ask for lines of a later term, and for those that later tiles read."""
        tile, line, (_, x_step, y_step) = self.tile, 64 // self.size, self.loops[-1]
        for n in range(0, tile.onward, line):
            self.do("prefetcht1", self.near("later", n + term * tile.onward))
        x_ahead, y_ahead = tile.ahead
        for at in {at // line: at for at in tile.x}.values() if x_ahead else ():
            self.do("prefetcht0", self.near("x", at + (term + x_ahead) * x_step))
        name, more = ("far", 0) if tile.free else ("y", y_ahead * y_step)
        for at in {at // line: at for at in tile.y}.values() if y_ahead else ():
            self.do("prefetcht0", self._of(name, at + more, term))
