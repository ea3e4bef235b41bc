"""Where random numbers go, and what may be asked for: shapes, memory order, ranges and refusals."""

from __future__ import annotations

import functools
import math
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from .dtypes import COMPLEX_CODES, part_of
from .errors import fail
from .random_draws import Array

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

# NumPy's name -> torch's scalar type, C++ type.
_NAMES = {
    "bool": ("Bool", "bool"), "uint8": ("Byte", "unsigned char"), "int8": ("Char", "signed char"),
    "int16": ("Short", "short int"), "int32": ("Int", "int"), "int64": ("Long", "long int"),
    "uint16": ("UInt16", "short unsigned int"), "uint32": ("UInt32", "unsigned int"),
    "uint64": ("UInt64", "long unsigned int"), "float16": ("Half", "c10::Half"),
    "bfloat16": ("BFloat16", "c10::BFloat16"), "float32": ("Float", "float"),
    "float64": ("Double", "double"), "complex64": ("ComplexFloat", "c10::complex<float>"),
    "complex32": ("ComplexHalf", "c10::complex<c10::Half>"),
    "complex128": ("ComplexDouble", "c10::complex<double>"),
    **{f"float8_{kind}": (f"Float8_{kind}", f"c10::Float8_{kind}")
       for kind in ("e4m3fn", "e5m2", "e4m3fnuz", "e5m2fnuz", "e8m0fnu")},
}  # fmt: skip
_DIGITS = {"float16": 11, "bfloat16": 8, "float32": 24, "float64": 53}
_LARGEST = {"float16": 65504.0, "bfloat16": 3.3895313892515355e38,
            "float32": 3.4028234663852886e38, "float64": 1.7976931348623157e308}  # fmt: skip
_HELD_BY_ALL = 32000.0  # less than half of the least of these
_WHOLE = {
    name: (int(np.iinfo(name).min), int(np.iinfo(name).max)) for name in _NAMES if "int" in name
}
_KINDS = {"float16": "half", "bfloat16": "half", "float32": "single", "float64": "double",
          "bool": "bool", "complex32": "complex", "complex64": "complex",
          "complex128": "complex"}  # fmt: skip


FEW_SAMPLES = 32  # of each row, which are found for all rows at once


@functools.cache
def name_of(dtype: np.dtype) -> str:
    """NumPy's name of a dtype, which it composes anew (and slowly) each time it is asked."""
    return dtype.name


def c_name(dtype: np.dtype) -> str:
    """The C++ type of a dtype as torch's messages spell it.

    >>> from rushlight.core.random_places import c_name
    >>> c_name(np.dtype(np.int64))
    'long int'
    """
    return _NAMES[name_of(dtype)][1]


def kind_of(dtype: np.dtype, kernel: str, *allowed: str) -> str:
    """half, single, double, complex, integer or bool; NotImplementedError if not allowed."""
    kind = _kind(dtype)
    if kind not in allowed:
        message = f"{kernel} not implemented for '{_NAMES[name_of(dtype)][0]}'"
        raise fail(NotImplementedError, message, f"it takes: {', '.join(allowed)}")
    return kind


@functools.cache
def _kind(dtype: np.dtype) -> str:
    name = name_of(dtype)
    if name.startswith("float8"):
        return "eighth"
    # torch's kernels for whole numbers leave the three larger unsigned types out.
    return _KINDS.get(name) or ("unsigned" if name[:2] == "ui" and name != "uint8" else "integer")


def size_of(shape: Any, dtype: DTypeLike, out: Array | None) -> tuple[tuple, np.dtype, int]:
    """The shape, dtype and number of elements wanted; those of `out` where it is given."""
    if out is not None:
        return out.shape, out.dtype, out.size
    shape = tuple(shape) if isinstance(shape, (tuple, list)) else (int(shape),)
    return shape, np.dtype(dtype), math.prod(shape)


def place(values: Array, shape: tuple, dtype: np.dtype, out: Array | None) -> Array:
    """Give drawn values their dtype and their place: `out` is filled as its memory lies."""
    if values.dtype is not dtype:
        if dtype.itemsize == 2 and values.dtype == np.float64 and _kind(dtype) == "half":
            values = values.astype(np.float32)  # torch rounds twice, too
        if out is None:
            values = values.astype(dtype, copy=False)
    if out is None:
        return values.reshape(shape)
    if out.flags.c_contiguous:
        out[...] = values if values.shape == shape else values.reshape(shape)
        return out
    lying = out.transpose(memory_axes(out))
    lying[...] = values.reshape(lying.shape)
    return out


def memory_axes(array: Array) -> list[int]:
    """The axes in the order that torch's serial kernels walk them: largest stride first."""
    axes = list(range(array.ndim))
    if not array.flags.c_contiguous:
        axes.sort(key=lambda axis: -abs(array.strides[axis]))
    return axes


def check_bounds(low: float, high: float, dtype: np.dtype) -> None:
    """Refuse what `uniform_` refuses."""
    if -_HELD_BY_ALL <= low <= high <= _HELD_BY_ALL:
        return
    real = name_of(part_of(dtype)) if dtype.char in COMPLEX_CODES else name_of(dtype)
    largest, name = _LARGEST[real], _NAMES[real]
    for word, value in (("from", low), ("to", high)):
        if not -largest <= value <= largest:
            raise fail(RuntimeError, f"{word} is out of bounds for {name[1]}")
    if low > high:
        raise fail(
            RuntimeError,
            f"uniform_ expects to return a [from, to) range, but found from={low:g} > to={high:g}",
        )
    if high - low > largest:
        raise fail(
            RuntimeError,
            f"uniform_ expects to-from <= std::numeric_limits<{name[0]}>::max(), but found "
            f"to={high:g} and from={low:g} which result in to-from to exceed the limit",
        )


def check_continuous(distribution: str, dtype: np.dtype) -> None:
    """Refuse a dtype that cannot hold fractions."""
    if _KINDS.get(name_of(dtype)) not in ("half", "single", "double"):
        names = _NAMES[name_of(dtype)]
        raise fail(
            RuntimeError,
            f"{distribution} distribution is a continuous probability distribution. dtype must be "
            f"a floating point but you specified {names[distribution == 'Cauchy']}",
        )


def check_integers(dtype: np.dtype, low: int, high: int | None) -> tuple[int, int]:
    """The start and the width of the range of `random_(low, high)`, refusing what torch refuses."""
    if high is not None and 0 <= low < high <= _exact(dtype):
        return low, high - low
    if name_of(dtype).startswith("float8"):
        kind_of(dtype, '"random_update_from_to"', "integer")
    digits = _DIGITS.get(name_of(dtype))
    if high is None:
        return _open_range(dtype, low, digits)
    if low >= high:
        message = f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high}"
        raise fail(RuntimeError, message)
    _check_inside(dtype, low, "from")
    _check_inside(dtype, high - 1, "to - 1")
    if digits is not None:
        low, high = _round_inward(low, dtype, digits, 1), _round_inward(high, dtype, digits, -1)
        if low >= high:
            raise fail(
                RuntimeError,
                "random_ expects 'from' casted to dtype to be less than 'to' casted to dtype, "
                f"but got from={low} >= to={high}",
            )
    return low, high - low


@functools.cache
def _exact(dtype: np.dtype) -> int:
    """The last number of which all from 0 on are held exactly; 0 for types not drawn so."""
    name = name_of(dtype)
    return 1 << _DIGITS[name] if name in _DIGITS else _WHOLE.get(name, (0, 0))[1]


def _open_range(dtype: np.dtype, low: int, digits: int | None) -> tuple[int, int]:
    """From `low` to the largest number that `random_(low, None)` reaches."""
    if low == -(1 << 63):
        name = name_of(dtype)
        if name in ("float16", "bool"):
            kernel = '"random_full_64_bits_range_kernel_cpu"'
            message = f"{kernel} not implemented for '{_NAMES[name][0]}'"
            raise fail(NotImplementedError, message)
        if name not in ("int64", "float64", "float32", "bfloat16"):
            raise fail(
                RuntimeError,
                "random_full_64_bits_range_kernel_cpu handles only int64, double, float and "
                "bfloat16",
            )
        return low, 1 << 64
    _check_inside(dtype, low, "from")
    if digits is not None:
        low = _round_inward(low, dtype, digits, 1)
        return low, (1 << digits) - low + 1
    last = 1 if name_of(dtype) == "bool" else min(_WHOLE[name_of(dtype)][1], (1 << 63) - 1)
    return low, last - low + 1


def _check_inside(dtype: np.dtype, bound: int, word: str) -> None:
    if dtype.kind == "c":
        message = "check_random_bounds handles only integral, floating-point and boolean types"
        raise fail(RuntimeError, message)
    name, cpp = name_of(dtype), _NAMES[name_of(dtype)][1]
    if name in _DIGITS:
        digits, largest = _DIGITS[name], _LARGEST[name]
        inside = -largest <= bound <= largest
        if inside and not -(1 << digits) <= bound <= 1 << digits:
            warnings.warn(
                f"{word} is out of bounds [-(2^{digits}), 2^{digits}]. Due to precision "
                f"limitations {cpp} can support discrete uniform distribution only within this "
                "range. This warning will become an error in version 1.7 release, please fix the "
                "code in advance",
                UserWarning,
                stacklevel=5,
            )
    elif name == "bool":
        inside = 0 <= bound <= 1
    else:
        least, largest = _WHOLE[name]
        inside = least <= bound <= largest
    if not inside:
        raise fail(RuntimeError, f"{word} is out of bounds for {cpp}")


def _round_inward(bound: int, dtype: np.dtype, digits: int, step: int) -> int:
    """Move a bound that rounding would carry outwards to the next number the dtype holds."""
    beside = bound + step
    cast = int(np.float64(beside).astype(dtype) if digits < 53 else float(beside))
    if (cast < bound) if step == 1 else (cast >= bound):
        return cast + step * (1 << (abs(beside).bit_length() - 1 - digits + 1))
    return bound


def check_multinomial(p: Array, num_samples: int, replacement: bool) -> None:
    """Refuse what `torch.multinomial` refuses before it looks at the weights."""
    if _KINDS.get(name_of(p.dtype)) not in ("half", "single", "double"):
        name = _NAMES[name_of(p.dtype)][0]
        message = f"multinomial only supports floating-point dtypes for input, got: {name}"
        raise fail(RuntimeError, message)
    if not 0 < p.ndim <= 2:
        raise fail(RuntimeError, "prob_dist must be 1 or 2 dim")
    if num_samples <= 0:
        raise fail(RuntimeError, "cannot sample n_sample <= 0 samples")
    if p.shape[-1] > 2**24:  # more than float32 can count
        raise fail(RuntimeError, "number of categories cannot exceed 2^24")
    if not replacement and num_samples > p.shape[-1]:
        message = "cannot sample n_sample > prob_dist.size(-1) samples without replacement"
        raise fail(RuntimeError, message, f"there are {p.shape[-1]} categories")


def check_weights(p: Array) -> None:
    """Refuse weights that the race of exponentials cannot take."""
    if p.size and not ((p >= 0) & (p < np.inf)).all():
        message = "probability tensor contains either `inf`, `nan` or element < 0"
        raise fail(RuntimeError, message)
    if p.size and (p.sum(axis=-1) == 0).any():
        message = "invalid multinomial distribution (sum of probabilities <= 0)"
        raise fail(RuntimeError, message)


def check_rows(p: Array, sums: Array) -> None:
    """Refuse weights that the search in cumulated weights cannot take."""
    if p.size and p.min() >= 0 and p.max() < np.inf and sums.min() > 0:
        return
    start = "invalid multinomial distribution "
    for row, total in zip(p, sums):
        bad = row[~((row >= 0) & (row < np.inf))]
        if bad.size:
            what = "= infinity or NaN" if bad[0] >= 0 else "< 0"
            raise fail(RuntimeError, f"{start}(encountering probability entry {what})")
        if not total > 0:
            raise fail(RuntimeError, f"{start}(sum of probabilities <= 0)")


def below_shares(rows: Array, unit: Array) -> Array:
    """How many shares of its row, cumulated weights over the last of them, lie below each number.

    All numbers are searched at once, by steps that are halved; the last share is 1.
    """
    size, totals = rows.shape[-1], rows[:, -1:]
    starts = np.arange(0, rows.size, size)[:, None]
    found = np.zeros(unit.shape, np.int64)
    step = 1 << (size - 1).bit_length() >> 1
    while step:
        place = found + (step - 1)
        shares = rows.reshape(-1).take(starts + np.minimum(place, size - 1)) / totals
        found += step * ((place < size - 1) & (shares < unit))
        step >>= 1
    return found


def first_of_race(race: Array, count: int) -> Array:
    """The places of the `count` largest numbers of each row, in stable order."""
    size = race.shape[-1]
    if size < 1024 or 8 * count > size:
        found = np.argsort(-race, axis=-1, kind="stable")[..., :count]
        return np.ascontiguousarray(found)
    if race.ndim > 1:
        return np.stack([first_of_race(row, count) for row in race])
    few = np.flatnonzero(race >= np.partition(race, size - count)[size - count])
    return few[np.argsort(-race[few], kind="stable")[:count]]
