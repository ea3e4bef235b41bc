"""Numbers on their way into arrays and a tensor's data type: what torch refuses, what wraps; and
evaluations of half types, which NumPy widens beside a number, or rounds at each step; the next
number.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from . import dtypes, heavy
from .memory import dense_like

# the names in torch's error, where they are not NumPy's with a `_t`
_C_NAMES = {"int32": "int", "float16": "c10::Half", "bfloat16": "c10::BFloat16",
            "float32": "float", "float64": "double", "float8_e4m3fn": "c10::Float8_e4m3fn",
            "complex64": "c10::complex<float>", "complex128": "c10::complex<double>"}  # fmt: skip
_NARROW = np.dtype(np.float32)
_SINGLE = float(np.finfo(np.float32).max)
_LARGEST = {"float16": 65504.0, "bfloat16": 3.3895313892515355e38, "float32": _SINGLE,
            "complex64": _SINGLE}  # fmt: skip


@lru_cache(1024)
def number(value: float, kind: np.dtype) -> np.ndarray:
    """A number as an array without a dimension, to be read only; of zeros only the whole one.

    An operation takes it 400 ns sooner than a Python number, which NumPy has to look at each time.
    (0.0 and -0.0 are equal, so that one would be found for the other.) What is too large for a type
    of whole numbers wraps around.
    """
    with np.errstate(over="ignore"):
        found = np.array(wrapped(value, kind) if kind.kind in "iu" else value, kind)
    found.flags.writeable = False
    return found


def wrapped(value: Any, kind: np.dtype) -> Any:
    """A whole number as a type of whole numbers has it, around whose ends it goes."""
    bits = 8 * kind.itemsize
    value &= (1 << bits) - 1
    return value - (1 << bits) if kind.kind == "i" and value >> (bits - 1) else value


def anywhere(mask: np.ndarray) -> bool:
    """Whether a mask holds at some place: its bytes are searched in a tenth of `any`'s time."""
    return 1 in mask.tobytes()


def everywhere(mask: np.ndarray) -> bool:
    """Whether a mask holds at all places."""
    return 0 not in mask.tobytes()


def unrepeated(places: np.ndarray) -> np.ndarray:
    """What of an expanded array stands in memory: of dimensions without a step the first entry."""
    return places[tuple([slice(None, None if step else 1) for step in places.strides])]


KEPT = 4096  # elements of masks that are kept


def lower(rows: int, columns: int, diagonal: int) -> np.ndarray:
    """Where a matrix's lower triangle is, up to a diagonal; to be read only."""
    make = _lower if rows * columns <= KEPT else _lower.__wrapped__
    return make(rows, columns, diagonal)


@lru_cache(64)
def _lower(rows: int, columns: int, diagonal: int) -> np.ndarray:
    found = np.tri(rows, columns, diagonal, bool)
    found.flags.writeable = False
    return found


MATRICES = 1 << 18  # elements of a matrix up to which the bits of a triangle are kept
_BYTES = {4: np.dtype(np.int32), 8: np.dtype(np.int64)}


@lru_cache(4)
def _bits(rows: int, columns: int, diagonal: int, below: bool, size: int) -> np.ndarray:
    """All bits of a number, or none of them."""
    mask = np.tri(rows, columns, diagonal, bool)
    found = np.negative(mask if below else ~mask, dtype=_BYTES[size])
    found.flags.writeable = False
    return found


def triangle(x: np.ndarray, diagonal: int, below: bool) -> np.ndarray:
    """Matrices with zeros behind a diagonal, or up to it."""
    rows, columns = x.shape[-2:]
    count = rows * columns
    if KEPT < count <= MATRICES and x.dtype.kind in "fiu" and x.itemsize in _BYTES:
        whole = x.view(_BYTES[x.itemsize])
        return (whole & _bits(rows, columns, diagonal, below, x.itemsize)).view(x.dtype)
    kept, zero = lower(rows, columns, diagonal), np.zeros((), x.dtype)
    return np.where(kept, x, zero) if below else np.where(kept, zero, x)


def refused(kind: np.dtype) -> RuntimeError:
    """torch's error for a number outside a data type."""
    name = _C_NAMES.get(kind.name, f"{kind.name}_t")
    return RuntimeError(f"value cannot be converted to type {name} without overflow")


def held(value: Any, kind: np.dtype) -> Any:
    """The number as the data type holds it: negative integers wrap around once in unsigned types.

    Raises RuntimeError for what the type does not hold, as torch does before it fills or compares:
    floats beyond the largest (infinities are held), fractions beyond an integer type's last number,
    imaginary parts in real types.
    """
    code = kind.char
    if code == "d" or code == "?" or (code == "f" and not _SINGLE < abs(value.real) < math.inf):
        if type(value) is not complex or code == "?":
            return value
        if not value.imag:
            return value.real
        raise refused(kind)
    if isinstance(value, (complex, np.complexfloating)):
        if kind.kind == "c" or code == "O":  # complex32
            return _checked(value, kind)
        if value.imag:
            raise refused(kind)
        value = value.real
    return _whole(value, kind) if kind.kind in "iu" else _checked(value, kind)


def _checked(value: Any, kind: np.dtype) -> Any:
    largest = _LARGEST.get(kind.name, math.inf)
    if any(abs(part) > largest and abs(part) != math.inf for part in (value.real, value.imag)):
        raise refused(kind)
    return value


def _whole(value: Any, kind: np.dtype) -> int:
    limits = np.iinfo(kind)
    low, high = int(limits.min), int(limits.max)
    if isinstance(value, (float, np.floating)):
        if not float(low) <= value <= float(high):  # nan too
            raise refused(kind)
        value = min(int(value), high + 1)
    elif not (-high if low == 0 else low) <= value <= high:
        raise refused(kind)
    value = int(value)
    return value if low <= value <= high else (value - low) % (high - low + 1) + low


def cast_of(x: Any, target: dtypes.dtype, source: dtypes.dtype) -> np.ndarray:
    """An array of one data type in another, as torch's casts give it."""
    if source.category == dtypes.COMPLEX and dtypes.BOOL < target.category < dtypes.COMPLEX:
        x = x.real if x.dtype.kind == "c" else dtypes.parts(np.asarray(x))[0]
    kind = target.numpy
    if target is dtypes.bool_ and source is dtypes.complex32:  # ml_dtypes asks the real part alone
        return np.not_equal(x, 0)
    if x.size >= heavy.CAST and (y := heavy.halves(x, kind)) is not None:
        return y
    if kind.kind == "V":
        return dtypes.narrowed(x, kind)
    if x.base is not None and 0 in x.strides:  # expanded: NumPy would put such an axis innermost
        y = dense_like(x, kind)
        np.copyto(y, x, casting="unsafe")
        return y
    return x.astype(kind)


HALVES = "eE"  # float16 and bfloat16
_np_where: Any = getattr(np.where, "_implementation", np.where)  # or it asks all operands first


def kept(y: Any, x: Any) -> Any:
    """y in bfloat16 where x is: NumPy widens that to meet a number."""
    return y.astype(x.dtype) if getattr(x, "dtype", y.dtype).kind == "V" else y


def chosen(condition: Any, a: Any, b: Any) -> Any:
    """np.where, which gives bfloat16 where a number stands beside it."""
    if type(b) is float:
        b = _beside(b, a)
    elif type(a) is float:
        a = _beside(a, b)
    return _np_where(condition, a, b)


_NOUGHTS = {letter: number(0, np.dtype(letter)) for letter in "fd"}


def masked(g: Any, mask: Any) -> np.ndarray:
    """g where the mask holds, else 0, also of what is not finite.

    Longer arrays by their bits: choosing by a mask of random signs costs NumPy 15 times as much.

    >>> import numpy as np
    >>> from rushlight.core.numbers import masked
    >>> masked(np.array([np.inf, 2.0]), np.array([False, True])).tolist()
    [0.0, 2.0]
    """
    letter = g.dtype.char
    if letter not in _BITS:
        return chosen(mask, g, 0.0)
    if g.size < 256 or g.shape != mask.shape or not g.flags.c_contiguous:
        return _np_where(mask, g, _NOUGHTS[letter])
    kind = _BITS[letter]
    bits = mask.astype(kind, order="C")
    np.negative(bits, bits)
    np.bitwise_and(bits, g.view(kind), bits)
    return bits.view(g.dtype)


def _beside(x: float, array: Any) -> Any:
    """A number in an array's bfloat16, which NumPy would widen to meet it."""
    kind = getattr(array, "dtype", None)
    return x if kind is None or kind.char != "E" else kind.type(x)


def wide(evaluate: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
    """An evaluation that takes halves as float32 and rounds once: sums of ones would else end at
    256, or 2048."""

    @functools.wraps(evaluate)
    def evaluated(x: np.ndarray, *rest: Any) -> np.ndarray:
        if x.dtype.char not in HALVES:
            return evaluate(x, *rest)
        halves = (type(one) is np.ndarray and one.dtype is x.dtype for one in rest)
        given = [heavy.fitted(one, _NARROW) if half else one for one, half in zip(rest, halves)]
        return heavy.fitted(evaluate(heavy.fitted(x, _NARROW), *given), x.dtype)

    return evaluated


_MANY = 1024  # elements from which steps of whole numbers pay
_PIECE = 1 << 14  # elements at a time, so that what is made on the way stays in the cache
_BITS = {"f": np.dtype(np.int32), "d": np.dtype(np.int64)}


def next_after(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """`np.nextafter`, which takes 8 ns an element and more: one more or less as a whole number."""
    bits = _BITS.get(x.dtype.char) if type(x) is type(y) is np.ndarray else None
    if bits is None or x.dtype != y.dtype or max(x.size, y.size) < _MANY:
        return np.nextafter(x, y)
    if x.shape != y.shape:
        x, y = (np.ascontiguousarray(one) for one in np.broadcast_arrays(x, y))
    if not (x.flags.c_contiguous and y.flags.c_contiguous and x.dtype.isnative):
        return np.nextafter(x, y)
    out = np.empty(x.shape, x.dtype)
    flat, to, into = x.reshape(-1), y.reshape(-1), out.reshape(-1)
    for start in range(0, x.size, _PIECE):
        part = slice(start, start + _PIECE)
        _next_after(flat[part], to[part], into[part], bits)
    return out


def _next_after(x: np.ndarray, y: np.ndarray, out: np.ndarray, kind: np.dtype) -> None:
    whole, into = x.view(kind), out.view(kind)
    further = x < y
    plain = x > y
    plain |= further  # they differ, and both are numbers
    plain &= x != 0
    further ^= whole < 0  # away from zero, where the whole number grows whatever the sign
    step = further.view(np.int8)
    step += step
    step -= np.int8(1)
    np.add(whole, step, out=into)
    if not plain.all():
        rest = (~plain).nonzero()[0]
        out[rest] = np.nextafter(x[rest], y[rest])
