"""Expressions: what an op would compute, as shared, immutable data.

An `Expr` stands where a Tensor has its array, so it answers the questions that ops and rules ask
of arrays (shape, dtype, strides). Equal expressions are one object: comparing is `is`.
"""

from __future__ import annotations

import weakref
from collections.abc import Container, Iterable, Iterator, Sequence
from fractions import Fraction
from math import isfinite, prod
from typing import Any

import numpy as np

from ...core.holes import Hole
from ...core.shapes import contiguous_strides

VARIABLE, CONSTANT, OUTPUT, DETACH = "variable", "constant", "output_of", "detach"


class _Flags:
    c_contiguous = True
    writeable = False


def first_hole(params: Any) -> int:
    """The lowest operand that stands among the parameters."""
    if isinstance(params, (tuple, list)):
        return min(map(first_hole, params), default=1 << 30)
    return params.index if isinstance(params, Hole) else 1 << 30


class Expr:
    """One value: `op(*args, *params)` of one shape and NumPy dtype.

    `op` is an op of the registry, or one of `variable` (params: name, whether its shape is known),
    `constant` (params: a number or an array) and `output_of` (params: which output). `open` says
    that a variable without a known shape is inside. `line` is the user's line.
    """

    __slots__ = ("__weakref__", "args", "dtype", "line", "op", "open", "params", "shape")

    args: tuple[Expr, ...]
    flags = _Flags

    op: str
    params: tuple[Any, ...]
    shape: Any
    dtype: Any
    open: bool
    line: str

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return prod(self.shape)

    @property
    def itemsize(self) -> int:
        return self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        return self.size * self.dtype.itemsize

    @property
    def strides(self) -> tuple[int, ...]:
        return tuple(step * self.dtype.itemsize for step in contiguous_strides(self.shape))

    base = None

    @property
    def name(self) -> str:
        """A variable's name."""
        return self.params[0]

    @property
    def value(self) -> Any:
        """A constant's number or array."""
        return self.params[0]

    @property
    def weak(self) -> bool:
        """Whether a constant takes the type of what it meets."""
        return len(self.params) > 1 and self.op == CONSTANT

    def __len__(self) -> int:
        return self.shape[0]

    def any(self) -> bool:
        """Rules ask this of the points where they have a special case: a formula is generic."""
        return False

    def conj(self) -> Expr:
        """Itself: rules conjugate what may be complex."""
        return self

    def __repr__(self) -> str:
        inside = ", ".join([*map(repr, self.args), *map(repr, self.params)])
        return f"{self.op}({inside})"


_KNOWN: weakref.WeakValueDictionary[Any, Expr] = weakref.WeakValueDictionary()


def _frozen(value: Any) -> Any:
    """A hashable stand-in for a parameter; its type counts, since 1 == 1.0 == True."""
    if isinstance(value, (tuple, list)):
        return tuple(map(_frozen, value))
    if isinstance(value, slice):
        return "slice", value.start, value.stop, value.step
    if isinstance(value, float):
        return float, value.hex()
    if isinstance(value, (np.ndarray, np.generic)):
        array = np.asarray(value)
        return array.shape, array.dtype.str, array.tobytes() if array.size < 1000 else id(value)
    try:
        hash(value)
    except TypeError:
        return id(value)
    return type(value), value


def make(
    op: str, args: Iterable[Expr], params: Sequence[Any], shape: Any, dtype: Any, line: str = ""
) -> Expr:
    """The expression with this content: the one there is, or a new one."""
    args, params = tuple(args), tuple(params)
    kind = dtype.str if isinstance(dtype, np.dtype) else str(dtype)
    key = (op, tuple(map(id, args)), _frozen(params), _frozen(shape), kind)
    found = _KNOWN.get(key)
    if found is None:
        found = Expr.__new__(Expr)
        found.op, found.args, found.params = op, args, params
        found.shape, found.dtype, found.line = shape, dtype, line
        found.open = any(x.open for x in args) or (op == VARIABLE and not params[1])
        _KNOWN[key] = found
    return found


def variable(name: str, shape: Sequence[int] | None, dtype: Any) -> Expr:
    """A named value that is given later; without a shape it stands for one of any shape."""
    known = shape is not None
    return make(VARIABLE, (), (name, known), tuple(shape or ()), np.dtype(dtype))


def constant(value: Any, dtype: Any = None, shape: tuple[int, ...] | None = None) -> Expr:
    """A number (repeated over `shape`) or an array; an array of one repeated number is one."""
    if isinstance(value, np.generic):
        value, dtype = value.item(), value.dtype
    if isinstance(value, np.ndarray):
        flat = value.reshape(-1)
        same = value.dtype.kind in "fiub" and (value.size == 1 or (
            value.size and bool((flat == flat[0]).all())
        ))  # fmt: skip
        if not same:
            return make(CONSTANT, (), (value,), value.shape, value.dtype)
        value, dtype, shape = flat[0].item(), value.dtype, value.shape
    if dtype is None:  # a number of Python's, which takes the type of what it meets
        dtype = np.asarray(value).dtype if value is not None else np.dtype(object)
        return make(CONSTANT, (), (value, "weak"), shape or (), np.dtype(dtype))
    if isinstance(value, float) and np.dtype(dtype) == np.float32:
        value = _shortest(value)
    return make(CONSTANT, (), (value,), shape or (), np.dtype(dtype))


def _shortest(value: float) -> float:
    """The simplest number of those that are the same float32: 0.4, not 0.4000000059604645."""
    if not isfinite(value) or value == 0:
        return value
    near = float(Fraction(value).limit_denominator(1000))
    single = np.float32(value)
    return near if np.float32(near) == single else float(str(single))


def is_number(expr: Expr, value: Any = None) -> bool:
    """Whether it is a constant of one (given) number, of any shape."""
    if expr.op != CONSTANT or not isinstance(expr.value, (int, float)):
        return False
    return value is None or expr.value == value


def order(outputs: Iterable[Expr], known: Container[Expr] = ()) -> list[Expr]:
    """Every expression that the outputs need, each after what it reads; depth costs no stack.

    What is `known` is listed, but not what it reads.
    """
    done: dict[int, Expr] = {}
    stack = [(x, False) for x in reversed(list(outputs))]
    while stack:
        expr, ready = stack.pop()
        if id(expr) in done:
            continue
        if ready:
            done[id(expr)] = expr
            continue
        stack.append((expr, True))
        if expr in known:
            continue
        stack.extend((x, False) for x in reversed(expr.args) if id(x) not in done)
    return list(done.values())


def variables(outputs: Iterable[Expr]) -> list[Expr]:
    """The variables inside, in order of first use."""
    return [x for x in order(outputs) if x.op == VARIABLE]


def count(expr: Expr) -> int:
    """How many operations it takes (shared ones once)."""
    return sum(bool(x.args) for x in order([expr]))


def rebuilt(expr: Expr, args: Sequence[Expr]) -> Expr:
    """The same operation on other operands of the same shapes and types."""
    if all(a is b for a, b in zip(args, expr.args)):
        return expr
    return make(expr.op, args, expr.params, expr.shape, expr.dtype, expr.line)


def replaced(expr: Expr, table: dict[Expr, Expr]) -> Expr:
    """The expression with some parts exchanged for others of the same shape."""
    done: dict[Expr, Expr] = {}
    for x in order([expr]):
        done[x] = table[x] if x in table else rebuilt(x, [done[a] for a in x.args])
    return done[expr]


def walk(expr: Expr) -> Iterator[Expr]:
    """Every expression inside, operands first."""
    return iter(order([expr]))
