"""Matrix products of arrays, with ways round where BLAS is slow.

OpenBLAS has kernels without packing for products of at most a million multiplications, on
processors with AVX-512. A thin product (up to 16 rows or columns: the last layer of a classifier)
that is larger runs up to twice as fast in blocks that stay below that bound.
What was measured: docs/notes/0001-thin-products.md. Native kernels are faster on transposed second
operands (every linear layer), whose packing OpenBLAS pays dearly for, where a side is short, and
nearly everywhere on processors that OpenBLAS does not know, where it uses half of each vector.
"""

from __future__ import annotations

import ctypes
import functools
import sys
from typing import Any

import numpy as np

from ..core.dispatch import not_implemented
from ..core.dtypes import bool_
from ..core.heavy import LONG, SWITCH, fitted, heavy

SMALL = 1_000_000
THIN = 16
FEW = 4096  # numbers of an operand up to which BLAS is called without more ado
VECTORS = 3  # rows so few that each is sooner multiplied alone, where columns lie in one piece
WORTH = 1 << 18  # multiplications from which a program pays, where BLAS takes twice its time
FEW_ROWS = 1 << 19  # the same where only rows of a transposed operand are few
MANY_ROWS = 64  # from which a weight in bfloat16 had better become float32 first
NARROW = 8  # columns up to which BLAS is good enough at operands that lie as they are
multiply = np.matmul
_SINGLE = np.dtype(np.float32)
_NAMES = ("scipy_openblas_get_corename64_", "scipy_openblas_get_corename", "openblas_get_corename")
_WITH_AVX512 = ("SkylakeX", "Cooperlake", "SapphireRapids")  # OpenBLAS's names for its kernels


@functools.cache
def _has_avx512() -> bool:
    try:
        found = np.show_config(mode="dicts")["SIMD Extensions"]["found"]
    except (KeyError, TypeError):
        return False
    return any(name.startswith("AVX512") or name == "X86_V4" for name in found)


@functools.cache
def blas_kernels() -> str | None:
    """Which processor OpenBLAS has taken this one for; None where another BLAS is in use."""
    try:
        module = sys.modules["numpy._core._multiarray_umath"]
        library = ctypes.CDLL(module.__file__)  # and what it is linked with
    except (KeyError, OSError, TypeError):
        return None
    for name in _NAMES:
        if hasattr(library, name):
            ask = getattr(library, name)
            ask.restype = ctypes.c_char_p
            return (ask() or b"").decode()
    return None


@functools.cache
def _has_small_kernels() -> bool:
    return _has_avx512() and blas_kernels() in (None, *_WITH_AVX512)


@functools.cache
def _takes_half_vectors() -> bool:
    """Whether BLAS leaves half of each vector of this processor unused."""
    return _has_avx512() and blas_kernels() not in (None, *_WITH_AVX512)


def product(a: np.ndarray, b: np.ndarray) -> Any:
    """a @ b for operands of one data type; half precision sums in float32 as torch does."""
    if a.dtype.itemsize <= 2 and a.dtype.kind in "fVb":
        if a.dtype.kind == "b":
            return _of_bools(a, b)
        return _short(a, b.T) if _reads_short(a, b) else _product_of_shorts(a, b)
    if (a.size > FEW or b.size > FEW) and a.dtype.char in "fd" and a.ndim > 1 < b.ndim:
        return _large(a, b)
    if a.ndim > 2 or b.ndim > 2:
        return multiply(a, b, order="C")
    if type(a) is type(b) is np.ndarray and a.ndim and b.ndim:
        return a.dot(b)  # the same calls of BLAS in half the time, where there is little to do
    return multiply(a, b)


def _of_bools(a: np.ndarray, b: np.ndarray) -> Any:
    """torch's refusal, by the kernel it would have called; of nothing there is a product."""
    if a.size and b.size:
        vector = "addmv_impl_cpu" if a.ndim > 1 else "dot"
        matrix = "bmm" if a.ndim > 2 < b.ndim else "addmm_impl_cpu_"
        raise not_implemented(vector if b.ndim == 1 else matrix, bool_)
    return multiply(a, b)


def affine(x: np.ndarray, w: np.ndarray, bias: np.ndarray) -> Any:
    """x w^T + bias; the sum of half precision, too, is rounded once."""
    if x.dtype.itemsize <= 2 and x.dtype.kind in "fV":
        return (_short_affine if _reads_short(x, w.T) else _affine_of_shorts)(x, w, bias)
    y = product(x, w.T)
    return np.add(y, bias, y)


def _wide(x: np.ndarray) -> np.ndarray:
    """Numbers of 16 bits as float32, in the order of memory that they have."""
    turned = x.ndim == 2 and not x.flags.c_contiguous
    return fitted(x.T, _SINGLE).T if turned else fitted(x, _SINGLE)


def _product_of_shorts(a: np.ndarray, b: np.ndarray) -> Any:
    return fitted(product(_wide(a), _wide(b)), a.dtype)


def _affine_of_shorts(x: np.ndarray, w: np.ndarray, bias: np.ndarray) -> Any:
    return fitted(affine(*map(_wide, (x, w, bias))), x.dtype)


def _reads_short(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether a large weight in bfloat16 meets so few rows that float32 is not worth making."""
    return (
        b.ndim == 2 and b.size >= LONG and a.ndim > 1 and a.size <= MANY_ROWS * len(b)
        and a.dtype.char == "E" and b.strides[0] == b.itemsize and SWITCH.on
    )  # fmt: skip


_short = heavy("short_linear", lambda x, w: _product_of_shorts(x, w.T), chosen=True, rounds=True)
_short_affine = heavy("short_linear_bias", _affine_of_shorts, chosen=True, rounds=True)


_native, native_affine = (
    heavy("matmul", lambda a, b: _without(a, b), chosen=True),
    heavy("linear_bias", affine, once=True),
)


def _large(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    if a.ndim > 2 == b.ndim and a.size:  # many rows, not many matrices
        y = _large(a.reshape(-1, a.shape[-1]), b)
        return y.reshape(*a.shape[:-1], b.shape[1])
    if SWITCH.on and _suits(a, b):
        return _native(a, b)
    if 1 < a.shape[0] <= VECTORS and a.ndim == 2 == b.ndim and b.strides[0] == b.itemsize:
        return multiply(b.T, a[:, :, None])[:, :, 0]
    return _without(a, b)


def _suits(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether native kernels are faster than BLAS, by what was measured."""
    rows, inner, columns = a.shape[-2], a.shape[-1], b.shape[-1]
    if min(rows, columns) < 2:
        return False
    work, enough = a.size * columns, a.size >= SWITCH.least
    if b.strides[-2] == b.itemsize < b.strides[-1]:
        return enough or work >= FEW_ROWS
    turned = a.strides[-2] == a.itemsize
    if _takes_half_vectors() and work >= WORTH and (columns > NARROW or turned):
        return True
    if not enough:
        return False
    if a.ndim > 2 or inner <= 4 * THIN:
        return rows * inner * columns >= SMALL
    if turned:
        return columns <= THIN or inner >= 1000
    return rows >= 256 and work >= 8 * SMALL


def _without(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return _matrices(a, b) if a.ndim == 2 == b.ndim else multiply(a, b, order="C")


def _matrices(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    rows, inner = a.shape
    columns = b.shape[1]
    if inner == 1 == b.shape[0]:
        return a * b  # every product with every other: BLAS has no sums to gain from
    if rows * inner * columns <= SMALL or not 1 < min(rows, columns) <= THIN or inner != len(b):
        return multiply(a, b)
    if a.dtype.char != "f" or not _has_small_kernels():
        return multiply(a, b)
    if rows <= columns:
        step = _even(inner, SMALL // (rows * columns) // 8 * 8)
        return _by_inner(a, b, step) if step >= 24 else multiply(a, b)
    step = _even(rows, SMALL // (inner * columns) // 8 * 8)
    return _by_rows(a, b, step) if step >= 16 else multiply(a, b)


def _even(size: int, most: int) -> int:
    """The step, at most `most` and a multiple of 8, that leaves no short rest at the end."""
    return 0 if most < 8 else min(most, (-(-size // -(-size // most)) + 7) // 8 * 8)


def _by_inner(a: np.ndarray, b: np.ndarray, step: int) -> np.ndarray:
    y = multiply(a[:, :step], b[:step])
    for start in range(step, len(b), step):
        y += multiply(a[:, start : start + step], b[start : start + step])
    return y


def _by_rows(a: np.ndarray, b: np.ndarray, step: int) -> np.ndarray:
    y = np.empty((len(a), b.shape[1]), a.dtype)
    for start in range(0, len(a), step):
        multiply(a[start : start + step], b, out=y[start : start + step])
    return y
