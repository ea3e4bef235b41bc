"""Values in hand while a graph is lowered, and the core ops on their elements.

A `Value` is a node and the builder that extends it: operators on it make further nodes, so that a
formula reads as one. Types are inferred as NumPy does, a Python number takes the other operand's.
What cannot be said in core ops raises `NotNative`; the op then stays a call of its NumPy self.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from math import prod
from typing import Any

import numpy as np

from ..middle.graph import Node, native

BOOL, INT64 = np.dtype(bool), np.dtype(np.int64)
FLOAT32, FLOAT64 = np.dtype(np.float32), np.dtype(np.float64)
WEAK = frozenset((bool, int, float))


class NotNative(Exception):
    """An op, or these operands of it, that core ops do not cover."""


class Value:
    """A node and the builder that extends it."""

    __slots__ = ("node", "s")

    def __init__(self, s: Any, node: Node) -> None:
        self.s = s
        self.node = node

    @property
    def shape(self) -> tuple[int, ...]:
        return self.node.shape

    @property
    def dtype(self) -> np.dtype:
        return self.node.dtype

    @property
    def ndim(self) -> int:
        return len(self.node.shape)

    @property
    def size(self) -> int:
        return prod(self.node.shape)

    @property
    def number(self) -> Any:
        """The Python number of a 0-d constant, else None."""
        node = self.node
        if node.op == "constant" and np.ndim(node.params[0]) == 0:
            return np.asarray(node.params[0]).item()
        return None

    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other

    def __neg__(self) -> Value:
        return self.s.neg(self)

    def __invert__(self) -> Value:
        return self.s.not_(self)

    def __add__(self, other: Any) -> Value:
        return self.s.add(self, other)

    def __radd__(self, other: Any) -> Value:
        return self.s.add(other, self)

    def __sub__(self, other: Any) -> Value:
        return self.s.sub(self, other)

    def __rsub__(self, other: Any) -> Value:
        return self.s.sub(other, self)

    def __mul__(self, other: Any) -> Value:
        return self.s.mul(self, other)

    def __rmul__(self, other: Any) -> Value:
        return self.s.mul(other, self)

    def __truediv__(self, other: Any) -> Value:
        return self.s.div(self, other)

    def __rtruediv__(self, other: Any) -> Value:
        return self.s.div(other, self)

    def __and__(self, other: Any) -> Value:
        return self.s.and_(self, other)

    def __or__(self, other: Any) -> Value:
        return self.s.or_(self, other)

    def __xor__(self, other: Any) -> Value:
        return self.s.xor(self, other)

    def __lt__(self, other: Any) -> Value:
        return self.s.compare("lt", self, other)

    def __le__(self, other: Any) -> Value:
        return self.s.compare("le", self, other)

    def __gt__(self, other: Any) -> Value:
        return self.s.compare("gt", self, other)

    def __ge__(self, other: Any) -> Value:
        return self.s.compare("ge", self, other)


def broadcast(shapes: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    """The common shape, as NumPy broadcasts."""
    result = max(shapes, key=len)
    for shape in shapes:
        if shape == result:
            continue
        shape = (1,) * (len(result) - len(shape)) + tuple(shape)
        if any(a != b and 1 not in (a, b) for a, b in zip(result, shape)):
            raise NotNative(f"shapes {shapes}")
        result = tuple(b if a == 1 else a for a, b in zip(result, shape))
    return tuple(result)


def _real(name: str) -> Callable[[Any, Any], Value]:
    return lambda self, x: self.pointwise(name, self.floats(x))


def _whole(name: str) -> Callable[[Any, Any], Value]:
    def rounded(self: Any, x: Any) -> Value:
        x = self.wrap(x)
        return x if x.dtype.kind != "f" else self.pointwise(name, (x,))

    return rounded


def _comparison(name: str) -> Callable[[Any, Any, Any], Value]:
    return lambda self, x, y: self.compare(name, x, y)


_SIGNS = {"==": "eq", "!=": "ne", "<": "lt", "<=": "le", ">": "gt", ">=": "ge"}
_OF_BOOLS: dict[str, Callable[..., Value]] = {
    "eq": lambda s, x, y: ~(x ^ y), "ne": lambda s, x, y: x ^ y, "lt": lambda s, x, y: ~x & y,
    "le": lambda s, x, y: ~x | y, "gt": lambda s, x, y: x & ~y, "ge": lambda s, x, y: x | ~y,
}  # fmt: skip
_FACTORS: dict[Any, Callable[..., Value]] = {
    1: lambda s, x: x, 2: lambda s, x: x * x, 3: lambda s, x: x * x * x,
    0.5: lambda s, x: s.sqrt(x), -1: lambda s, x: 1 / x, -2: lambda s, x: 1 / (x * x),
}  # fmt: skip


class Elements:
    """The ops on elements; `Builder` adds the others."""

    def __init__(self) -> None:
        self.line = self.module = ""
        self.wanted: Collection[int] = ()  # of an op's outputs, those that are read
        self.kinds: tuple[Any, ...] = ()  # their types; rules see bfloat16 as float32
        self.made: list[Node] = []
        self._constants: dict[Any, Value] = {}

    # -- making nodes ---------------------------------------------------------------------------

    def make(
        self, op: str, xs: Sequence[Value], params: tuple[Any, ...], shape: Any, dtype: Any
    ) -> Value:
        """A node as given."""
        node = Node(op, [x.node for x in xs], params, shape, dtype, self.line, self.module)
        self.made.append(node)
        return Value(self, node)

    def constant(self, value: Any, dtype: Any = None) -> Value:
        """A number or an array; 0-d ones are shared."""
        try:
            with np.errstate(all="ignore"):
                array = np.asarray(value, dtype)
        except (OverflowError, TypeError, ValueError):
            raise NotNative(f"{value!r} as {dtype}") from None
        if not native(array.dtype):
            raise NotNative(f"a constant of {array.dtype}")
        if array.ndim:
            return self.make("constant", (), (array,), array.shape, array.dtype)
        key = (array.dtype.char, array.tobytes())
        found = self._constants.get(key)
        if found is None:
            found = self.make("constant", (), (array,), (), array.dtype)
            self._constants[key] = found
        return found

    def wrap(self, x: Any) -> Value:
        """A Value of whatever an operand or an array-like param is."""
        return x if type(x) is Value else self.constant(x)

    def full(self, shape: Sequence[int], value: Any, dtype: Any) -> Value:
        """One number everywhere."""
        return self.expand(self.constant(value, dtype), shape)

    def expand(self, x: Any, shape: Sequence[int]) -> Value:
        """Dimensions of size 1, and new ones in front, repeated."""
        x, shape = self.wrap(x), tuple(int(n) for n in shape)
        if shape == x.shape:
            return x
        if broadcast([x.shape, shape]) != shape:
            raise NotNative(f"{x.shape} expanded to {shape}")
        return self.make("expand", (x,), (shape,), shape, x.dtype)

    def zeros(self, shape: Sequence[int], dtype: Any) -> Value:
        return self.full(shape, 0, dtype)

    def iota(self, shape: Sequence[int], dim: int) -> Value:
        """The index along a dimension."""
        return self.make("iota", (), (dim,), tuple(shape), INT64)

    # -- operands of one type -------------------------------------------------------------------

    def same(self, *xs: Any) -> list[Value]:
        """Operands in their common type: NumPy's, where Python numbers take the others' type."""
        if all(type(x) is Value for x in xs):
            kind = xs[0].dtype
            if all(x.dtype == kind for x in xs):
                return list(xs)
        xs = tuple(x if type(x) in WEAK else self.wrap(x) for x in xs)
        kinds = [x if type(x) in WEAK else x.dtype for x in xs]
        kind = np.result_type(*kinds)
        if not native(kind):
            raise NotNative(f"operands of {kind}")
        return [self.constant(x, kind) if type(x) in WEAK else self.cast(x, kind) for x in xs]

    def floats(self, *xs: Any) -> list[Value]:
        """The same for functions of real numbers: integers become float64."""
        found = self.same(*xs)
        kind = found[0].dtype
        if kind.kind == "f":
            return found
        if kind.itemsize < 4 or kind.kind not in "iu":
            raise NotNative(f"a real function of {kind}")
        return [self.cast(x, FLOAT64) for x in found]

    def pointwise(self, op: str, xs: Sequence[Value], dtype: Any = None) -> Value:
        shapes = [x.shape for x in xs]
        return self.make(op, xs, (), broadcast(shapes), dtype or xs[-1].dtype)

    def cast(self, x: Any, dtype: Any) -> Value:
        """x in another type (x itself if it has it)."""
        x, dtype = self.wrap(x), np.dtype(dtype)
        if x.dtype == dtype:
            return x
        if not native(dtype):
            raise NotNative(f"a cast to {dtype}")
        if x.number is not None:
            with np.errstate(all="ignore"):
                return self.constant(x.node.params[0].astype(dtype))
        if dtype == BOOL:
            return self.ne(x, 0)
        return self.make("cast", (x,), (), x.shape, dtype)

    # -- arithmetic -----------------------------------------------------------------------------

    def _binary(self, op: str, x: Any, y: Any, of_bool: str | None = None) -> Value:
        x, y = self.same(x, y)
        if x.dtype == BOOL:
            if of_bool is None:
                raise NotNative(f"{op} of bool")
            op = of_bool
        return self.pointwise(op, (x, y))

    def add(self, x: Any, y: Any) -> Value:
        return self._binary("add", x, y, "or")

    def sub(self, x: Any, y: Any) -> Value:
        return self._binary("sub", x, y)

    def mul(self, x: Any, y: Any) -> Value:
        return self._binary("mul", x, y, "and")

    def max(self, x: Any, y: Any) -> Value:
        return self._binary("max", x, y, "or")

    def min(self, x: Any, y: Any) -> Value:
        return self._binary("min", x, y, "and")

    def div(self, x: Any, y: Any) -> Value:
        """True division; that of integers is float64's."""
        x, y = self.same(x, y)
        if x.dtype.kind != "f":
            x, y = self.cast(x, FLOAT64), self.cast(y, FLOAT64)
        return self.pointwise("div", (x, y))

    def pow(self, x: Any, y: Any) -> Value:
        """Small whole powers by multiplication; of integers only those."""
        if type(y) is Value and y.dtype == (x.dtype if type(x) is Value else None):
            y = y if y.number is None else y.number
        factors = _FACTORS.get(y) if type(y) in WEAK else None
        kinds = "fiu" if factors is not None and y > 0 else "f"
        if (
            factors is not None
            and type(x) is Value
            and x.dtype.kind in kinds
            and np.result_type(x.dtype, y) == x.dtype
        ):
            return factors(self, x)
        x, y = self.same(x, y)
        if x.dtype.kind != "f":
            raise NotNative("a power of integers")
        return self.pointwise("pow", (x, y))

    def neg(self, x: Any) -> Value:
        return self._unary("neg", x)

    def abs(self, x: Any) -> Value:
        return self.wrap(x) if self.wrap(x).dtype == BOOL else self._unary("abs", x)

    def sign(self, x: Any) -> Value:
        return self.wrap(x) if self.wrap(x).dtype == BOOL else self._unary("sign", x)

    def _unary(self, op: str, x: Any) -> Value:
        x = self.wrap(x)
        if x.dtype == BOOL:
            raise NotNative(f"{op} of bool")
        return self.pointwise(op, (x,))

    def _divided(self, op: str, x: Any, y: Any) -> Value:
        """Whole division: of integers only by a positive number, which a processor cannot trap."""
        x, y = self.same(x, y)
        if x.dtype.kind != "f" and not (y.number or 0) > 0:
            raise NotNative("a whole division by what is not known")
        return self.pointwise(op, (x, y))

    def fmod(self, x: Any, y: Any) -> Value:
        return self._divided("fmod", x, y)

    def floor_div(self, x: Any, y: Any) -> Value:
        return self._divided("floor_div", x, y)

    def clamp(self, x: Any, low: Any, high: Any) -> Value:
        """min(max(x, low), high); a bound may be None."""
        x = x if low is None else self.max(x, low)
        return x if high is None else self.min(x, high)

    def copysign(self, x: Any, y: Any) -> Value:
        return self.pointwise("copysign", self.floats(x, y))

    def atan2(self, x: Any, y: Any) -> Value:
        return self.pointwise("atan2", self.floats(x, y))

    # -- comparisons, masks and bits ------------------------------------------------------------

    def compare(self, sign: str, x: Any, y: Any) -> Value:
        """x == y and its kin; of bools by logic."""
        op = _SIGNS.get(sign, sign)
        x, y = self.same(x, y)
        if x.dtype == BOOL:
            return _OF_BOOLS[op](self, x, y)
        return self.pointwise(op, (x, y), BOOL)

    def where(self, mask: Any, x: Any, y: Any) -> Value:
        """x where the mask holds, else y."""
        mask = self.cast(mask, BOOL)
        x, y = self.same(x, y)
        shape = broadcast([mask.shape, x.shape, y.shape])
        return self.make("where", (mask, x, y), (), shape, x.dtype)

    def _bits(self, op: str, x: Any, y: Any) -> Value:
        x, y = self.same(x, y)
        if x.dtype.kind == "f":
            raise NotNative(f"{op} of floats")
        return self.pointwise(op, (x, y))

    def and_(self, x: Any, y: Any) -> Value:
        return self._bits("and", x, y)

    def or_(self, x: Any, y: Any) -> Value:
        return self._bits("or", x, y)

    def xor(self, x: Any, y: Any) -> Value:
        return self._bits("xor", x, y)

    def not_(self, x: Any) -> Value:
        x = self.wrap(x)
        if x.dtype.kind == "f":
            raise NotNative("the bits of floats")
        return self.pointwise("not", (x,))

    def _shifted(self, op: str, x: Any, y: Any, beyond: Callable[[Value], Any]) -> Value:
        """A shift; by a number outside of the type's bits what `beyond` gives of x."""
        x, y = self.same(x, y)
        bits = 8 * x.dtype.itemsize
        if x.dtype.kind not in "iu":
            raise NotNative(f"a shift of {x.dtype}")
        if y.number is not None and 0 <= y.number < bits:
            return self.pointwise(op, (x, y))
        inside = (y >= 0) & (y < bits)
        found = self.pointwise(op, (x, self.where(inside, y, self.constant(0, y.dtype))))
        return self.where(inside, found, beyond(x))

    def shift_left(self, x: Any, y: Any) -> Value:
        return self._shifted("shift_left", x, y, lambda x: self.constant(0, x.dtype))

    def shift_right(self, x: Any, y: Any) -> Value:
        return self._shifted("shift_right", x, y, lambda x: self.where(
            x < 0, self.constant(-1 if x.dtype.kind == "i" else 0, x.dtype),
            self.constant(0, x.dtype)))  # fmt: skip

    def _asked(self, op: str, x: Any, otherwise: bool) -> Value:
        x = self.wrap(x)
        if x.dtype.kind != "f":
            return self.full(x.shape, otherwise, BOOL)
        return self.pointwise(op, (x,), BOOL)

    def isnan(self, x: Any) -> Value:
        return self._asked("isnan", x, False)

    def isinf(self, x: Any) -> Value:
        return self._asked("isinf", x, False)

    def isfinite(self, x: Any) -> Value:
        return self._asked("isfinite", x, True)

    exp, expm1, exp2 = _real("exp"), _real("expm1"), _real("exp2")
    log, log1p, log2 = _real("log"), _real("log1p"), _real("log2")
    log10, sqrt, rsqrt = _real("log10"), _real("sqrt"), _real("rsqrt")
    sin, cos, tan = _real("sin"), _real("cos"), _real("tan")
    asin, acos, atan = _real("asin"), _real("acos"), _real("atan")
    sinh, cosh, tanh = _real("sinh"), _real("cosh"), _real("tanh")
    asinh, acosh, atanh = _real("asinh"), _real("acosh"), _real("atanh")
    sigmoid, erf, erfc = _real("sigmoid"), _real("erf"), _real("erfc")
    normal_cdf = _real("normal_cdf")
    floor, ceil = _whole("floor"), _whole("ceil")
    round, trunc = _whole("round"), _whole("trunc")
    eq, ne, lt = _comparison("eq"), _comparison("ne"), _comparison("lt")
    le, gt, ge = _comparison("le"), _comparison("gt"), _comparison("ge")
