"""One method per kind of instruction: arithmetic, moves of lanes, memory.

`Function` in emit.py adds the blocks. Sign follows the type (uint8 divides and compares unsigned).
Integer scalars fold what they can: adding 0, multiplying by 1, two numbers.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

from .values import (
    BOOL,
    I32,
    I64,
    MEMORY,
    PTR,
    VOID,
    Type,
    Value,
    constant,
    lanes_of,
    numbers_of,
    vector,
)

Operand = Any  # Value | int | float
_FLOAT = {"==": "oeq", "!=": "une", "<": "olt", "<=": "ole", ">": "ogt", ">=": "oge"}
_SIGNED = {"==": "eq", "!=": "ne", "<": "slt", "<=": "sle", ">": "sgt", ">=": "sge"}
_UNSIGNED = {"==": "eq", "!=": "ne", "<": "ult", "<=": "ule", ">": "ugt", ">=": "uge"}
_FOLDS = {
    "add": operator.add, "sub": operator.sub, "mul": operator.mul, "and": operator.and_,
    "or": operator.or_, "shl": operator.lshift,
}  # fmt: skip
_REDUCE = {
    "f": {"sum": "fadd", "prod": "fmul", "max": "fmaximum", "min": "fminimum"},
    "i": {"sum": "add", "prod": "mul", "max": "smax", "min": "smin", "and": "and", "or": "or"},
    "u": {"sum": "add", "prod": "mul", "max": "umax", "min": "umin", "and": "and", "or": "or"},
    "b": {"sum": "or", "prod": "and", "max": "or", "min": "and", "and": "and", "or": "or"},
}
_ORDERS = {
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le,
    ">": operator.gt, ">=": operator.ge,
}  # fmt: skip


def known(x: Operand) -> Operand:
    """The number that a constant index is; other operands as they are."""
    if x.__class__ is Value and x.type is I64 and x.name[0] != "%":
        return int(x.name)
    return x


class Instructions:
    """Writes instructions to `lines` and hands out registers."""

    module: Any  # where the function goes: `emit.Function` has it

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._count = 0

    def register(self, type: Type) -> Value:
        """A name for a value that is written later."""
        self._count += 1
        return Value(f"%v{self._count}", type)

    def emit(self, type: Type, text: str) -> Value:
        """A new register that holds what `text` computes."""
        self._count = count = self._count + 1
        name = f"%v{count}"
        self.lines.append(f"  {name} = {text}")
        return Value(name, type)

    def do(self, text: str) -> None:
        """An instruction without a result."""
        self.lines.append("  " + text)

    def comment(self, text: str) -> None:
        self.lines.append(f"  ; {text}")

    def constant(self, number: Any, type: Type) -> Value:
        return constant(number, type)

    def coerce(self, x: Operand, type: Type) -> Value:
        """A number as a constant of `type`; a value as it is."""
        return x if isinstance(x, Value) else constant(x, type)

    def pair(self, x: Operand, y: Operand) -> tuple[Value, Value]:
        """Two operands of one type, either of which may be a number."""
        if isinstance(x, Value):
            return x, y if isinstance(y, Value) else constant(y, x.type)
        return (constant(x, y.type) if isinstance(y, Value) else constant(x, I64)), y

    # --- arithmetic --------------------------------------------------------------------------
    def binary(self, op: str, x: Operand, y: Operand, flags: str = "") -> Any:
        """An instruction of two operands, by LLVM's name without the f of floats."""
        a, b = known(x), known(y)
        if not isinstance(b, Value):
            if not isinstance(a, Value) and op in _FOLDS:
                found = _FOLDS[op](a, b)
                return (
                    constant(found, I64) if isinstance(x, Value) or isinstance(y, Value) else found
                )
            x = self.coerce(x, I64)
            if x.type is I64 and (
                (b == 0 and op in ("add", "sub", "shl", "or")) or (b == 1 and op == "mul")
            ):
                return x
            if x.type is I64 and b == 0 and op == "mul":
                return constant(0, I64)
            y = constant(b, x.type)
        elif not isinstance(a, Value):
            if b.type is I64 and (a, op) in ((0, "add"), (1, "mul")):
                return b
            if b.type is I64 and (a, op) == (0, "mul"):
                return constant(0, I64)
            x = constant(a, b.type)
        of = x.type
        if of.kind == "f":
            op = "f" + op
        mark = flags + " " if flags else ""
        return self.emit(of, f"{op} {mark}{of.text} {x.name}, {y.name}")

    def add(self, x: Operand, y: Operand, flags: str = "") -> Any:
        return self.binary("add", x, y, flags)

    def sub(self, x: Operand, y: Operand, flags: str = "") -> Any:
        return self.binary("sub", x, y, flags)

    def mul(self, x: Operand, y: Operand, flags: str = "") -> Any:
        return self.binary("mul", x, y, flags)

    def fdiv(self, x: Operand, y: Operand, flags: str = "") -> Value:
        return self.binary("div", x, y, flags)

    def bit_and(self, x: Operand, y: Operand) -> Any:
        return self.binary("and", x, y)

    def bit_or(self, x: Operand, y: Operand) -> Any:
        return self.binary("or", x, y)

    def bit_xor(self, x: Operand, y: Operand) -> Any:
        return self.binary("xor", x, y)

    def bit_not(self, x: Value) -> Value:
        return self.binary("xor", x, True if x.type.kind == "b" else -1)

    def shl(self, x: Operand, y: Operand) -> Any:
        return self.binary("shl", x, y)

    def ashr(self, x: Value, y: Operand) -> Value:
        return self.binary("ashr", x, y)

    def lshr(self, x: Value, y: Operand) -> Value:
        return self.binary("lshr", x, y)

    def neg(self, x: Value) -> Value:
        if x.type.kind == "f":
            return self.emit(x.type, f"fneg {x.typed}")
        return self.binary("sub", 0, x) if x.type is not I64 else self.sub(constant(0, I64), x)

    def fma(self, x: Operand, y: Operand, z: Operand) -> Value:
        """x * y + z: one rounding where the processor has it, else two (never a library call)."""
        type = next(v.type for v in (x, y, z) if isinstance(v, Value))
        if type.name == "pairs":
            return self._sums_of_pairs(x, y, z)
        return self.intrinsic("fmuladd", *(self.coerce(v, type) for v in (x, y, z)))

    def _sums_of_pairs(self, x: Value, y: Value, z: Value) -> Value:
        """z and the products of both numbers in each lane, as AVX512-BF16 adds them up."""
        wide = f"<{2 * x.type.lanes} x bfloat>"
        both = [self.emit(one.type, f"bitcast {one.typed} to {wide}").name for one in (x, y)]
        name = f"@llvm.x86.avx512bf16.dpbf16ps.{32 * z.type.lanes}"
        factors = ", ".join(f"{wide} {half}" for half in both)
        return self.emit(z.type, f"call {z.type.text} {name}({z.typed}, {factors})")

    def intrinsic(self, name: str, *operands: Value, flags: str = "") -> Value:
        """llvm.<name> overloaded on the type of its operands, which is that of the result."""
        type = operands[0].type
        inside = ", ".join(v.typed for v in operands)
        mark = flags + " " if flags else ""
        return self.emit(type, f"call {mark}{type.text} @llvm.{name}.{type.suffix}({inside})")

    def compare(self, sign: str, x: Operand, y: Operand) -> Value:
        """A mask of where `x sign y` holds; nan compares unequal to all."""
        a, b = self.pair(x, y)
        if isinstance(m := known(a), int) and isinstance(n := known(b), int):
            return constant(_ORDERS[sign](m, n), BOOL)
        kind = a.type.kind
        table = _FLOAT if kind == "f" else _SIGNED if kind == "i" else _UNSIGNED
        op = "fcmp" if kind == "f" else "icmp"
        return self.emit(a.type.of("bool"), f"{op} {table[sign]} {a.type.text} {a.name}, {b.name}")

    def select(self, mask: Value, x: Operand, y: Operand) -> Value:
        """x where the mask holds, else y."""
        a, b = self.pair(x, y)
        if mask.name in ("true", "false") and mask.type is BOOL:
            return a if mask.name == "true" else b
        return self.emit(a.type, f"select {mask.typed}, {a.typed}, {b.typed}")

    def call(self, name: str, result: Type, *operands: Value) -> Any:
        """A call of a function by name; None if it returns nothing."""
        text = f"call {result.text} @{name}({', '.join(v.typed for v in operands)})"
        return self.do(text) if result is VOID else self.emit(result, text)

    # --- one type to another -----------------------------------------------------------------
    def convert(self, op: str, x: Value, dtype: Any) -> Value:
        """LLVM's conversion `op` (sext, trunc, fpext, sitofp, ...) lane by lane."""
        to = x.type.of(dtype)
        return self.emit(to, f"{op} {x.typed} to {to.text}")

    def bitcast(self, x: Value, dtype: Any) -> Value:
        return self.convert("bitcast", x, dtype)

    # --- lanes -------------------------------------------------------------------------------
    def splat(self, x: Value, lanes: int) -> Value:
        """A scalar in every lane."""
        if lanes == 1 or x.type.lanes == lanes:
            return x
        to = x.type.wide(lanes)
        if x.name[0] != "%":  # a constant
            return Value(f"splat ({x.typed})", to)
        one = self.emit(to, f"insertelement {to.text} poison, {x.typed}, i32 0")
        return self.emit(
            to, f"shufflevector {one.typed}, {to.text} poison, <{lanes} x i32> zeroinitializer"
        )

    def extract(self, x: Value, lane: Operand) -> Value:
        lane = self.coerce(lane, I32)
        return self.emit(x.type.scalar, f"extractelement {x.typed}, {lane.typed}")

    def insert(self, x: Value, element: Value, lane: Operand) -> Value:
        lane = self.coerce(lane, I32)
        return self.emit(x.type, f"insertelement {x.typed}, {element.typed}, {lane.typed}")

    def shuffle(self, x: Value, y: Value | None, lanes: Sequence[int]) -> Value:
        """Lanes of x, then of y, by number; -1 leaves a lane undefined."""
        to = x.type.wide(len(lanes))
        other = y.typed if y else f"{x.type.text} poison"
        places = ", ".join(f"i32 {k}" if k >= 0 else "i32 poison" for k in lanes)
        return self.emit(to, f"shufflevector {x.typed}, {other}, <{len(lanes)} x i32> <{places}>")

    def steps(self, type: Type, by: int = 1) -> Value:
        """0, by, 2 by, ... in the lanes."""
        return lanes_of([k * by for k in range(type.lanes)], type)

    def first_lanes(self, count: Operand, lanes: int) -> Value:
        """A mask of the first `count` lanes; `count` is at least 0."""
        if isinstance(count, int):
            return lanes_of([k < count for k in range(lanes)], BOOL.wide(lanes))
        few = self.intrinsic("smin", count, constant(lanes, I64))
        all_of = self.splat(self.convert("trunc", few, "int32"), lanes)
        return self.compare(">", all_of, self.steps(I32.wide(lanes)))

    def reduce(self, op: str, x: Value) -> Value:
        """The sum, prod, max, min, and, or of the lanes; max and min pass nan on."""
        if x.type.lanes == 1:
            return x
        name = _REDUCE[x.type.kind][op]
        to = x.type.scalar
        first, flags = "", ""
        if name in ("fadd", "fmul"):
            first, flags = constant(-0.0 if op == "sum" else 1.0, to).typed + ", ", "reassoc "
        call = f"call {flags}{to.text} @llvm.vector.reduce.{name}.{x.type.suffix}({first}{x.typed})"
        return self.emit(to, call)

    def any(self, mask: Value) -> Value:
        """Whether a lane of the mask holds."""
        return self.reduce("or", mask)

    # --- memory ------------------------------------------------------------------------------
    def packed(self, x: Value) -> Value:
        """A value as it stands in memory, where that is of another type."""
        if x.type.kind == "b":
            return self.convert("zext", x, MEMORY[x.type.name])
        if x.type.name not in MEMORY:
            return x
        return self.convert("trunc", self.lshr(self.bitcast(x, "uint32"), 16), MEMORY[x.type.name])

    def unpacked(self, x: Value, type: Type) -> Value:
        """What stands in memory as a value of such a type."""
        if type.kind == "b":
            return self.compare("!=", x, 0)
        return self.bitcast(self.shl(self.convert("zext", x, "uint32"), 16), type.name)

    def at(self, pointer: Value, index: Operand, type: Type) -> Value:
        """The address of element `index` of a type (its lanes do not count)."""
        if known(index) == 0:
            return pointer
        index = self.coerce(index, I64)
        return self.emit(PTR, f"getelementptr {type.memory}, ptr {pointer.name}, {index.typed}")

    def load(
        self, type: Type, pointer: Value, index: Operand = 0, mask: Value | None = None,
        align: int | None = None, other: Operand = 0,
    ) -> Value:  # fmt: skip
        """Lanes from pointer[index] on; masked lanes are not read and become `other`."""
        if type.name in MEMORY:
            return self.unpacked(self.load(type.of(MEMORY[type.name]), pointer, index, mask), type)
        where = self.at(pointer, index, type)
        align = align or type.size
        if mask is None:
            return self.emit(type, f"load {type.text}, {where.typed}, align {align}")
        rest = self.coerce(other, type)
        return self.emit(
            type, f"call {type.text} @llvm.masked.load.{type.suffix}.p0({where.typed},"
            f" i32 {align}, {mask.typed}, {rest.typed})",
        )  # fmt: skip

    def store(
        self, x: Value, pointer: Value, index: Operand = 0, mask: Value | None = None,
        align: int | None = None,
    ) -> None:  # fmt: skip
        """Lanes to pointer[index] on; masked lanes are not written."""
        type = x.type
        if type.name in MEMORY:
            return self.store(self.packed(x), pointer, index, mask)
        where = self.at(pointer, index, type)
        align = align or type.size
        if mask is None:
            return self.do(f"store {x.typed}, {where.typed}, align {align}")
        kept = numbers_of(mask)
        if kept is not None and sum(kept) == 1:
            # x86 LLVM writes such a lane as wide as it was before it was cut: over its neighbour
            return self.store(self.extract(x, kept.index(1)), where, kept.index(1))
        return self.do(
            f"call void @llvm.masked.store.{type.suffix}.p0({x.typed}, {where.typed},"
            f" i32 {align}, {mask.typed})"
        )

    def _addresses(self, pointer: Value, indices: Value, type: Type) -> Value:
        many = vector("ptr", indices.type.lanes)
        return self.emit(many, f"getelementptr {type.memory}, {pointer.typed}, {indices.typed}")

    def _lanes_apart(self, indices: Value, mask: Value | None) -> list[tuple[int, int]] | None:
        """The lanes that are there, each with its index, where they had better go one by one.

        Processors without vectors of 512 bits gather no faster, and never scatter: LLVM takes such
        accesses apart, but computes their addresses in vectors first, for twice its time.
        """
        target = self.module.target
        if target is None or target.bits == 512:
            return None
        steps, kept = numbers_of(indices), None if mask is None else numbers_of(mask)
        if steps is None or (mask is not None and kept is None):
            return None
        return [(lane, step) for lane, step in enumerate(steps) if kept is None or kept[lane]]

    def gather(
        self, type: Type, pointer: Value, indices: Value, mask: Value | None = None
    ) -> Value:
        """pointer[indices[k]] in lane k; masked lanes are not read and become 0."""
        if type.lanes == 1:
            return self.load(type, pointer, indices)
        if type.name in MEMORY:
            raw = self.gather(type.of(MEMORY[type.name]), pointer, indices, mask)
            return self.unpacked(raw, type)
        if (each := self._lanes_apart(indices, mask)) is not None:
            found = constant(0, type)
            for lane, index in each:
                found = self.insert(found, self.load(type.scalar, pointer, index), lane)
            return found
        places = self._addresses(pointer, indices, type)
        keep = mask or constant(True, BOOL.wide(type.lanes))
        zero = constant(0, type)
        return self.emit(
            type, f"call {type.text} @llvm.masked.gather.{type.suffix}.{places.type.suffix}("
            f"{places.typed}, i32 {type.size}, {keep.typed}, {zero.typed})",
        )  # fmt: skip

    def scatter(self, x: Value, pointer: Value, indices: Value, mask: Value | None = None) -> None:
        """pointer[indices[k]] = lane k, in the order of the lanes."""
        if x.type.lanes == 1:
            return self.store(x, pointer, indices)
        if x.type.name in MEMORY:
            return self.scatter(self.packed(x), pointer, indices, mask)
        if (each := self._lanes_apart(indices, mask)) is not None:
            for lane, index in each:
                self.store(self.extract(x, lane), pointer, index)
            return None
        places = self._addresses(pointer, indices, x.type)
        keep = mask or constant(True, BOOL.wide(x.type.lanes))
        return self.do(
            f"call void @llvm.masked.scatter.{x.type.suffix}.{places.type.suffix}("
            f"{x.typed}, {places.typed}, i32 {x.type.size}, {keep.typed})"
        )

    def prefetch(self, pointer: Value, write: bool = False, near: int = 3) -> None:
        """Ask for a cache line early; `near` is 3 for the nearest cache, 2 for the next one."""
        asked = f"{pointer.typed}, i32 {int(write)}, i32 {near}"
        self.do(f"call void @llvm.prefetch.p0({asked}, i32 1)")
