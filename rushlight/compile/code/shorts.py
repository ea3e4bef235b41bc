"""NumPy's functions of bfloat16, sixteen numbers at a time, in the place of ml_dtypes' loops.

Those take one number at a time, some ten times as long as a function of float32. NumPy looks its
loops up by the types of the operands, and who gives one for types that have one replaces it. Each
number is computed in float32 and rounded once, as before; arithmetic, extrema and comparisons give
the same bits, exponentials and their like may differ where the float32 result is off by its last.

A loop gets what NumPy's do: addresses of operands and result, a count, strides, and data.
"""

from __future__ import annotations

import ctypes
import importlib
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ...core.dtypes import bfloat16
from . import llvm
from .emit import BOOL, I64, PTR, U8, Function, Module, Type, Value, vector
from .scalar import Emitter

LANES = 16
_REGISTER = 2  # the place of PyUFunc_RegisterLoopForType among NumPy's functions
_BINARY = {
    np.add: "add", np.subtract: "sub", np.multiply: "mul", np.true_divide: "div",
    np.maximum: "max", np.minimum: "min",
}  # fmt: skip
_COMPARED = {
    np.equal: "eq", np.not_equal: "ne", np.less: "lt", np.less_equal: "le", np.greater: "gt",
    np.greater_equal: "ge",
}  # fmt: skip
_UNARY = {
    np.negative: "neg", np.absolute: "abs", np.sqrt: "sqrt", np.exp: "exp", np.log: "log",
    np.tanh: "tanh", np.sin: "sin", np.cos: "cos", np.exp2: "exp2", np.expm1: "expm1",
    np.log1p: "log1p", np.log2: "log2", np.arctan: "atan", np.floor: "floor", np.ceil: "ceil",
    np.trunc: "trunc", np.rint: "round", np.log10: "log10", np.arcsin: "asin", np.arccos: "acos",
    np.sinh: "sinh", np.cosh: "cosh", np.tan: "tan",
}  # fmt: skip

_OTHERS: dict[Any, Any] = {
    np.square: lambda s, x: s.mul(x, x),
    np.reciprocal: lambda s, x: s.div(1.0, x),
}


class _Loop:
    """Writes the loop of one function: whole vectors where numbers lie side by side, else one."""

    def __init__(
        self, f: Function, arity: int, result: Type, compute: Callable[..., Value], reduces: str
    ) -> None:
        self.f, self.arity, self.result, self.compute = f, arity, result, compute
        self.reduces = reduces  # "max", "min" or nothing
        arguments, counts, steps, _ = f.arguments
        self.count = f.load(I64, counts)
        self.places = [f.load(PTR, arguments, k) for k in range(arity + 1)]
        self.steps = [f.load(I64, steps, k) for k in range(arity + 1)]

    def write(self) -> None:
        f = self.f
        ways = [(True,) * self.arity]
        if self.arity == 2:
            ways += [(True, False), (False, True)]
        whole = f.bit_and(self.count, -LANES)
        for moves in ways:  # which of the operands are arrays, and which a number
            with f.if_(self._lies(moves)):
                self._vectors(moves, whole)
                self._singly(whole)
                f.ret()
        if self.reduces:
            with f.if_(self._gathers()):
                self._extremum(whole)
                f.ret()
        self._singly(0)

    def _gathers(self) -> Value:
        """Whether many numbers go into one, which is the first operand and the result."""
        f, (first, _, out) = self.f, self.places
        same = f.emit(BOOL, f"icmp eq ptr {first.name}, {out.name}")
        for step, size in zip(self.steps, (0, 2, 0)):
            same = f.bit_and(same, f.compare("==", step, size))
        return f.bit_and(same, f.compare(">=", self.count, LANES))

    def _extremum(self, whole: Value) -> None:
        """The largest, or smallest, in whatever order; a nan stays."""
        f, short = self.f, vector("bfloat16", LANES)
        out, numbers, _ = self.places
        begin = f.splat(self._single(out), LANES)
        with f.loop(0, whole, LANES, carry=[begin]) as loop:
            x = self._float(f.load(short, numbers, loop.index))
            loop.next(self.compute(loop.carried[0], x))
        self._store(f.reduce(self.reduces, loop.results[0]), out, 0)
        self._singly(whole)

    def _lies(self, moves: tuple[bool, ...]) -> Value:
        """Whether numbers lie side by side, and none is written soon before it is read."""
        f = self.f
        wanted = [2 * move for move in moves] + [self.result.size]
        parts = [f.compare("==", step, size) for step, size in zip(self.steps, wanted)]
        *operands, out = [f.emit(I64, f"ptrtoint {place.typed} to i64") for place in self.places]
        for move, place in zip(moves, operands):
            if move:  # a running sum reads what was written just before
                ahead = f.sub(out, place)
                far = f.bit_or(f.compare("<=", ahead, 0), f.compare(">=", ahead, 2 * LANES))
                parts.append(far)
        for part in parts[1:]:
            parts[0] = f.bit_and(parts[0], part)
        return parts[0]

    def _store(self, y: Value, place: Value, index: Any) -> None:
        if self.result is not BOOL:
            y = Emitter(self.f).cast(y, bfloat16.numpy)
        self.f.store(y, place, index)

    def _vectors(self, moves: tuple[bool, ...], whole: Value) -> None:
        f, short = self.f, vector("bfloat16", LANES)
        fixed = [None if move else f.splat(self._single(place), LANES)
                 for move, place in zip(moves, self.places)]  # fmt: skip
        with f.loop(0, whole, LANES) as loop:
            xs = [self._float(f.load(short, place, loop.index)) if number is None else number
                  for number, place in zip(fixed, self.places)]  # fmt: skip
            self._store(self.compute(*xs), self.places[-1], loop.index)

    def _float(self, x: Value) -> Value:
        return Value(x.name, x.type.of("float32"))

    def _single(self, place: Value) -> Value:
        return self._float(self.f.load(vector("bfloat16"), place))

    def _singly(self, start: Any) -> None:
        f = self.f
        with f.loop(start, self.count, 1) as loop:
            places = [f.at(place, f.mul(loop.index, step), U8)
                      for place, step in zip(self.places, self.steps)]  # fmt: skip
            y = self.compute(*[self._single(place) for place in places[:-1]])
            self._store(y, places[-1], 0)


class Shorts:
    """The loops, given to NumPy when they are made; they stay as long as the process."""

    def __init__(self) -> None:
        kind = bfloat16.numpy
        module = Module(llvm.target())
        tables = [(_BINARY, 2, kind.num), (_COMPARED, 2, np.dtype(bool).num),
                  (_UNARY, 1, kind.num), (_OTHERS, 1, kind.num)]  # fmt: skip
        made: dict[Any, list[int]] = {}
        for table, arity, result in tables:
            for ufunc, name in table.items():
                words = ("places", PTR), ("counts", PTR), ("steps", PTR), ("data", PTR)
                f = module.function(f"short_{ufunc.__name__}", words)
                s = Emitter(f)
                compute = getattr(s, name) if isinstance(name, str) else partial(name, s)
                of = vector("bfloat16") if result == kind.num else BOOL
                reduces = name if name in ("max", "min") else ""
                _Loop(f, arity, of, compute, str(reduces)).write()
                made[ufunc] = [kind.num] * arity + [result]
        self.code = llvm.compile(module.text())
        for ufunc, types in made.items():
            self._give(ufunc, kind.num, types)

    def _give(self, ufunc: Any, kind: int, types: list[int]) -> None:
        address = self.code.address(f"short_{ufunc.__name__}")
        _register()(ufunc, kind, address, (ctypes.c_int * len(types))(*types), None)


def _register() -> Any:
    get = ctypes.pythonapi.PyCapsule_GetPointer
    get.restype, get.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    home = importlib.import_module("numpy._core._multiarray_umath")
    table = get(vars(home)["_UFUNC_API"], None)
    functions = ctypes.cast(table, ctypes.POINTER(ctypes.c_void_p))
    kind = ctypes.PYFUNCTYPE(
        ctypes.c_int, ctypes.py_object, ctypes.c_int, ctypes.c_void_p,
        ctypes.POINTER(ctypes.c_int), ctypes.c_void_p,
    )  # fmt: skip
    return kind(functions[_REGISTER])
