"""Native code for numbers that take as many random words as it needs, one result at a time.

The steps are those of `core/random_rejection.py`, with the C library's functions, as there:

- `gamma(power, shape, scale, ...)`: what a uniform is raised to (0: nothing), d, 1 / sqrt(9 d);
  where d is 0 the result is 0, and no word is taken;
- `poisson(rate, ...)`: rates below 10;
- `binomial(failure, trials, ...)`: log(1 - p) and n; where the first is 0 the result is 0.

Behind them come the results, their number, words, their number, and the state: words used, whether
there is a normal left over, and that normal. A result whose words run out is not begun: the answer
is how many there are, and the state is that after them.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from math import pi
from typing import Any

from ...core.random_rejection import SQUEEZE
from . import llvm
from .emit import F64, I64, PTR, Module, Value, vector
from .variables import Variable, during, either

_WORD = vector("uint32")
_USED, _LEFT_OVER, _NORMAL = 0, 1, 2  # places of the state
_LIBRARY = {"log": 1, "log1p": 1, "exp": 1, "cos": 1, "sin": 1, "pow": 2}


class _Draws:
    """One function over columns of numbers, and the words it is written in."""

    def __init__(self, module: Module, name: str, columns: int) -> None:
        given = [(f"column{k}", PTR) for k in range(columns)]
        rest = [("out", PTR), ("count", I64), ("words", PTR), ("length", I64), ("state", PTR)]
        self.f = module.function(name, [*given, *rest], I64)
        self.columns = self.f.arguments[:columns]
        self.out, self.count, self.words, self.length, self.state = self.f.arguments[columns:]
        self.used, self.has = (Variable(self.f, self.f.load(I64, self.state, k)) for k in (0, 1))
        self.normal_kept = Variable(self.f, self.f.load(F64, self.state, _NORMAL), F64)
        self.index: Value

    def write(self, one: Callable[..., Value]) -> None:
        """`one(draws, *numbers)` for each place; what it took is settled when it is done."""
        f = self.f
        with f.loop(0, self.count, 1) as loop:
            self.index = loop.index
            found = one(self, *(f.load(F64, column, loop.index) for column in self.columns))
            f.store(found, self.out, loop.index)
            f.store(self.used.get(), self.state, _USED)
            f.store(self.has.get(), self.state, _LEFT_OVER)
            f.store(self.normal_kept.get(), self.state, _NORMAL)
        f.ret(self.count)

    def library(self, name: str, *numbers: Value) -> Value:
        return self.f.call(name, F64, *numbers)

    def unit(self) -> Value:
        """A uniform number of 53 bits; where there is none left, the function ends."""
        f, at = self.f, self.used.get()
        after = f.add(at, 2)
        with f.if_(f.compare(">", after, self.length)):
            f.ret(self.index)
        high = f.bit_and(f.load(_WORD, self.words, at), 0x1FFFFF)
        low = f.convert("zext", f.load(_WORD, self.words, f.add(at, 1)), "int64")
        self.used.set(after)
        whole = f.bit_or(f.shl(f.convert("zext", high, "int64"), 32), low)
        return f.mul(f.convert("sitofp", whole, "float64"), 2.0**-53)

    def normal(self) -> Value:
        """A normal number: the one left over, or the first of a pair."""
        f = self.f

        def kept() -> list[Value]:
            self.has.set(0)
            return [self.normal_kept.get()]

        def pair() -> list[Value]:
            turn, u = self.unit(), self.unit()
            radius = f.intrinsic("sqrt", f.mul(self.library("log1p", f.neg(u)), -2.0))
            theta = f.mul(turn, 2.0 * pi)
            self.normal_kept.set(f.mul(radius, self.library("sin", theta)))
            self.has.set(1)
            return [f.mul(radius, self.library("cos", theta))]

        return f.branch(f.compare("!=", self.has.get(), 0), kept, pair)[0]

    def either(self, condition: Value, yes: Callable[[], Any], no: Callable[[], Any]) -> None:
        either(self.f, condition, yes, no)


def _gamma(s: _Draws, power: Value, d: Value, c: Value) -> Value:
    f = s.f
    found, scale = Variable(f, 0.0, F64), Variable(f, 1.0, F64)
    going = Variable(f, f.select(f.compare("==", d, 0.0), f.constant(0, I64), 1))

    def positive(y: Value) -> None:
        v = f.mul(f.mul(y, y), y)
        u, square = f.sub(1.0, s.unit()), f.mul(x.get(), x.get())
        near = f.mul(f.mul(square, SQUEEZE), square)

        def take() -> None:
            found.set(f.mul(f.mul(scale.get(), d), v))
            going.set(0)

        def doubt() -> None:
            log_v = s.library("log", v)
            bound = f.mul(d, f.add(f.sub(1.0, v), log_v))
            bound = f.add(f.mul(square, 0.5), bound)
            with f.if_(f.compare("<", s.library("log", u), bound)):
                take()

        s.either(f.compare("<", u, f.sub(1.0, near)), take, doubt)

    def turn() -> None:
        x.set(s.normal())
        y = f.add(f.mul(x.get(), c), 1.0)
        s.either(f.compare("<=", y, 0.0), lambda: None, lambda: positive(y))

    x = Variable(f, 0.0, F64)
    with f.if_(f.compare("!=", power, 0.0)):
        scale.set(s.library("pow", f.sub(1.0, s.unit()), power))
    during(f, lambda: f.compare("!=", going.get(), 0), turn)
    return found.get()


def _poisson(s: _Draws, rate: Value) -> Value:
    """Products of uniforms (Knuth)."""
    f = s.f
    count = Variable(f, 0.0, F64)

    def draw() -> None:
        limit, product = s.library("exp", f.neg(rate)), Variable(f, s.unit(), F64)

        def factor() -> None:
            product.set(f.mul(product.get(), s.unit()))
            count.set(f.add(count.get(), 1.0))

        during(f, lambda: f.compare(">", product.get(), limit), factor)

    s.either(f.compare("==", rate, 0.0), lambda: None, draw)
    return count.get()


def _binomial(s: _Draws, failure: Value, trials: Value) -> Value:
    """Gaps between successes are geometric."""
    f = s.f
    successes, at = Variable(f, 0.0, F64), Variable(f, 0.0, F64)

    def step() -> None:
        gap = f.fdiv(s.library("log", s.unit()), failure)
        at.set(f.add(at.get(), f.intrinsic("ceil", gap)))
        with f.if_(f.compare("<=", at.get(), trials)):
            successes.set(f.add(successes.get(), 1.0))

    def draw() -> None:
        during(f, lambda: f.compare("<=", at.get(), trials), step)

    s.either(f.compare("==", failure, 0.0), lambda: None, draw)
    return successes.get()


class Sampling:
    """The functions, for addresses of arrays."""

    def __init__(self) -> None:
        module = Module(llvm.target())
        for name, count in _LIBRARY.items():
            module.declare(name, F64, [F64] * count)
        for name, columns, one in (("gamma", 3, _gamma), ("poisson", 1, _poisson),
                                   ("binomial", 2, _binomial)):  # fmt: skip
            _Draws(module, name, columns).write(one)
        self._code = code = llvm.compile(module.text())

        def function(name: str, columns: int) -> Any:
            array, count = ctypes.c_void_p, ctypes.c_int64
            kinds = (*[array] * columns, array, count, array, count, array)
            return ctypes.CFUNCTYPE(count, *kinds)(code.address(name))

        self.gamma, self.poisson = function("gamma", 3), function("poisson", 1)
        self.binomial = function("binomial", 2)
