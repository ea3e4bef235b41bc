"""LAPACK's own routines, from the library that NumPy brought: the one door to it.

NumPy's wheels carry OpenBLAS with all of LAPACK, of which NumPy itself calls a part. The routines
are found through LAPACKE, whose functions take sizes by value and return their `info`; where there
is none (Accelerate, MKL without its names) `routine` answers None, and NumPy's own functions serve.

Matrices lie column by column, as LAPACK and torch have them.
Source: https://www.netlib.org/lapack/lapacke.html
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Iterator
from itertools import repeat
from math import prod
from typing import Any

import numpy as np

from ..core.shapes import broadcast

BY_COLUMNS, BY_ROWS = 102, 101
LETTERS = {"f": "s", "d": "d", "F": "c", "D": "z"}
# How routines are called: i a whole number, c a letter, p the address of an array, e a number of
# an enumeration, a the factor of a product (by value if it is real), r a real number, w room for
# real numbers that routines on complex ones want.
FORMS = {
    "getrf": "iipip", "getri": "ipippi", "getrs": "ciipippi", "potrf": "cipi", "potri": "cipi",
    "potrs": "ciipipi", "geqrf": "iipippi", "orgqr": "iiipippi", "sytrf": "cipippi",
    "hetrf": "cipippi", "sytrs": "ciipippi", "hetrs": "ciipippi", "trsm": "eeeeiiapipi",
    "gels": "ciiipipipi", "gelsy": "iiipipiprppiw", "gelsd": "iiipipiprppiwp",
    "gelss": "iiipipiprppiw",
}  # fmt: skip
COMPLEX = {"orgqr": "ungqr"}
# NumPy's wheels (64 and 32 bit numbers), OpenBLAS as distributions build it.
_NAMES = (("scipy_", "64_", 8), ("scipy_", "", 4), ("", "64_", 8), ("", "", 4))
_BLOCK = 64  # columns that LAPACK's routines take at a time, at most


def libraries() -> Iterator[str]:
    """Linear algebra libraries that this process has loaded, NumPy's own first."""
    home = os.path.dirname(np.__file__)
    for folder in (os.path.join(os.path.dirname(home), "numpy.libs"), f"{home}/.dylibs"):
        if os.path.isdir(folder):
            names = sorted(name for name in os.listdir(folder) if "blas" in name.lower())
            yield from (os.path.join(folder, name) for name in names)
    if sys.platform == "linux" and os.path.exists("/proc/self/maps"):
        with open("/proc/self/maps", encoding="utf-8", errors="replace") as lines:
            paths = {line.split(maxsplit=5)[-1].strip() for line in lines if "/" in line}
        wanted = ("openblas", "mkl_rt", "libblis", "libblas")
        yield from (path for path in sorted(paths) if any(name in path for name in wanted))


@functools.cache
def _library() -> tuple[Any, str, str, int] | None:
    """An OpenBLAS with LAPACKE, what its names begin and end with, the bytes of its integers."""
    import ctypes  # milliseconds that most programs need not spend

    for path in libraries():
        if "openblas" not in path.lower():
            continue
        try:
            library = ctypes.CDLL(path)
        except OSError:
            continue
        for before, after, size in _NAMES:
            if hasattr(library, f"{before}LAPACKE_sgetrf_work{after}"):
                return library, before, after, size
    return None


@functools.cache
def routine(name: str, kind: str) -> Callable[..., int] | None:
    """The routine for arrays of a type (NumPy's letter), or None."""
    found, letter = _library(), LETTERS.get(kind)
    if found is None or letter is None:
        return None
    import ctypes

    library, before, after, size = found
    form, whole = FORMS[name], ctypes.c_int64 if size == 8 else ctypes.c_int32
    if kind in "FD":
        name = COMPLEX.get(name, name)
    blas = name == "trsm"
    label = f"cblas_{letter}{name}" if blas else f"LAPACKE_{letter}{name}_work"
    function = getattr(library, f"{before}{label}{after}", None)
    if function is None:
        return None
    real = ctypes.c_float if kind in "fF" else ctypes.c_double
    kinds = {
        "i": whole, "c": ctypes.c_char, "p": ctypes.c_void_p, "e": ctypes.c_int, "r": real,
        "a": ctypes.c_void_p if kind in "FD" else real, "w": ctypes.c_void_p,
    }  # fmt: skip
    form = form if kind in "FD" else form.replace("w", "")
    function.argtypes = [ctypes.c_int, *(kinds[one] for one in form)]
    function.restype = None if blas else whole
    return function


def whole_type() -> Any:
    """The type of the library's integers."""
    found = _library()
    return np.int32 if found is not None and found[3] == 4 else np.int64


def columns(a: np.ndarray) -> np.ndarray:
    """A copy whose matrices lie column by column."""
    return a.swapaxes(-1, -2).copy().swapaxes(-1, -2)


def empty_columns(batch: tuple[int, ...], rows: int, width: int, kind: Any) -> np.ndarray:
    """Room for matrices that lie column by column."""
    return np.empty((*batch, width, rows), kind).swapaxes(-1, -2)


def address(x: np.ndarray) -> int:
    """Where an array begins."""
    return x.__array_interface__["data"][0]


def each(function: Callable[..., int], count: int, *args: Any, order: int = BY_COLUMNS) -> Any:
    """Call a routine for every one of `count` matrices; arrays give theirs in turn. The infos.

    An array of a single matrix (a tuple around it says so) serves all.
    """
    if count == 1:
        given = (x[0] if type(x) is tuple else x for x in args)
        given = (address(x) if isinstance(x, np.ndarray) else x for x in given)
        return [function(order, *given)]
    turns: list[Any] = [repeat(order, count)]
    for x in args:
        if type(x) is tuple:
            turns.append(repeat(address(x[0])))
        elif isinstance(x, np.ndarray):
            start, step = address(x), x.nbytes // count
            turns.append(range(start, start + count * step, step) if step else repeat(start))
        else:
            turns.append(repeat(x))
    return list(map(function, *turns))


def room(size: int, kind: Any) -> tuple[tuple[np.ndarray], int]:
    """Working memory for `size` columns or rows, as two arguments."""
    length = max(1, size) * _BLOCK
    return (np.empty(length, kind),), length


def lead(*arrays: np.ndarray) -> tuple[tuple[int, ...], int]:
    """The sizes before the matrices, all together, and how many matrices that makes."""
    batch = broadcast(*(x.shape[:-2] for x in arrays))
    return batch, prod(batch)
