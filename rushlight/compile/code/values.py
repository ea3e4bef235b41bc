"""Types and values of the IR: what a register holds, and how a number is spelt.

A `Type` is a NumPy dtype (or a pointer) with a number of lanes. bool is `i1` in registers and one
byte in memory; bfloat16 is a float of as few digits in registers, its upper half in memory; where
two of them are multiplied at once, each lane of `pairs` holds both. A `Value` is a register's name,
or a constant's spelling, with its type.
"""

from __future__ import annotations

import struct
from functools import cache
from typing import Any

import numpy as np

ELEMENTS = {
    "float32": "float", "float64": "double", "int8": "i8", "int16": "i16", "int32": "i32",
    "int64": "i64", "uint8": "i8", "uint16": "i16", "uint32": "i32", "uint64": "i64",
    "bool": "i1", "bfloat16": "float", "pairs": "float", "ptr": "ptr", "void": "void",
}  # fmt: skip
MEMORY = {"bool": "uint8", "bfloat16": "uint16"}  # what stands there for others
KINDS = {"bfloat16": "f", "pairs": "f"}  # where NumPy has another
_STAND_INS = {"bfloat16": "uint16", "pairs": "int32"}  # as large; NumPy by itself knows neither
SHORT = {"float": "f32", "double": "f64", "ptr": "p0"}


class Type:
    """`lanes` elements of one dtype; one lane is a scalar. Made by `vector`, compared by `is`.

    `kind` is f, i, u or b as NumPy has it, p for a pointer, v for nothing.
    """

    __slots__ = (
        "bits", "dtype", "element", "kind", "lanes", "memory", "name", "size", "suffix", "text",
    )  # fmt: skip

    def __init__(self, name: str, lanes: int) -> None:
        self.name = name
        self.lanes = lanes
        self.element = ELEMENTS[name]
        self.dtype: Any = None if name in ("ptr", "void") else np.dtype(_STAND_INS.get(name, name))
        self.kind: str = name[0] if self.dtype is None else KINDS.get(name) or self.dtype.kind
        self.bits = 64 if self.dtype is None else 1 if name == "bool" else 8 * self.dtype.itemsize
        self.memory = ELEMENTS[MEMORY.get(name, name)]
        self.text = self.element if lanes == 1 else f"<{lanes} x {self.element}>"
        short = SHORT.get(self.element, self.element)
        self.suffix = short if lanes == 1 else f"v{lanes}{short}"
        self.size: int = 8 if self.dtype is None else self.dtype.itemsize  # of one, in memory

    @property
    def scalar(self) -> Type:
        return _type(self.name, 1)

    def of(self, name: Any) -> Type:
        """As many lanes of another dtype."""
        return vector(name, self.lanes)

    def wide(self, lanes: int) -> Type:
        """Another number of lanes of this dtype."""
        return _type(self.name, lanes)

    def __repr__(self) -> str:
        return self.name if self.lanes == 1 else f"{self.name}x{self.lanes}"


@cache
def _type(name: str, lanes: int) -> Type:
    return Type(name, lanes)


@cache
def vector(dtype: Any, lanes: int = 1) -> Type:
    """The type of `lanes` elements of a dtype, given as a name, a NumPy dtype or "ptr"."""
    return _type(dtype if isinstance(dtype, str) else np.dtype(dtype).name, lanes)


F32, F64, BOOL = vector("float32"), vector("float64"), vector("bool")
I8, I32, I64, U8 = vector("int8"), vector("int32"), vector("int64"), vector("uint8")
PTR, VOID = vector("ptr"), vector("void")


class Value:
    """A register or a constant: its spelling and its type."""

    __slots__ = ("name", "type")

    def __init__(self, name: str, type: Type) -> None:
        self.name = name
        self.type = type

    @property
    def typed(self) -> str:
        return f"{self.type.text} {self.name}"

    def __repr__(self) -> str:
        return self.typed


def literal(number: Any, type: Type) -> str:
    """How one element is spelt: floats by the bits of the double, integers wrapped around."""
    if type.kind == "f":
        number = float(number)
        if type.bits == 32:
            if abs(number) >= 3.4028235677973366e38 and number - number == 0:
                number = float("inf") if number > 0 else float("-inf")  # as a cast rounds
            number = struct.unpack("<f", struct.pack("<f", number))[0]
        return f"0x{struct.unpack('<Q', struct.pack('<d', number))[0]:016X}"
    if type.kind == "b":
        return "true" if number else "false"
    if type.kind == "p":
        return "null"
    low = 1 << (type.bits - 1)
    return str((int(number) + low) % (2 * low) - low)


@cache
def _spelt(number: Any, of: Any, sign: Any, type: Type) -> Value:
    text = literal(number, type)
    if type.lanes > 1:
        text = f"splat ({type.element} {text})"
    return Value(text, type)


def constant(number: Any, type: Type) -> Value:
    """A number in every lane."""
    if number != number:  # nan is no key
        return _spelt("nan", None, None, type)
    return _spelt(number, number.__class__, str(number)[:1] == "-", type)


def lanes_of(numbers: Any, type: Type) -> Value:
    """A constant with its own number in each lane."""
    if type.lanes == 1:
        return constant(numbers[0], type)
    inside = ", ".join(f"{type.element} {literal(x, type)}" for x in numbers)
    return Value(f"<{inside}>", type)


def numbers_of(x: Value) -> list[int] | None:
    """The whole number, or truth value, in each lane of what `lanes_of` made; None for others."""
    if x.name[0] != "<" or x.type.kind not in "iub":
        return None
    words = [part.split()[1] for part in x.name[1:-1].split(",")]
    return [int(word) if x.type.kind != "b" else int(word == "true") for word in words]
