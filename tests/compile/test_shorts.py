"""NumPy's functions of bfloat16 by native loops: float32 rounded once, wherever numbers lie."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import rushlight as torch
from rushlight.core import heavy
from rushlight.core.dtypes import bfloat16

if not heavy.able():
    pytest.skip("without a compiler NumPy's loops stay", allow_module_level=True)

SHORT = bfloat16.numpy
TWO = [np.add, np.subtract, np.multiply, np.true_divide, np.maximum, np.minimum]
COMPARED = [np.equal, np.not_equal, np.less, np.less_equal, np.greater, np.greater_equal]
EXACT = [
    np.negative, np.absolute, np.sqrt, np.square, np.reciprocal, np.floor, np.ceil, np.trunc,
    np.rint,
]  # fmt: skip
NEAR = [
    np.exp, np.log, np.tanh, np.sin, np.cos, np.tan, np.exp2, np.expm1, np.log1p, np.log2, np.log10,
    np.arcsin, np.arccos, np.arctan, np.sinh, np.cosh,
]  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def loops() -> Any:
    assert heavy.SHORTS.found is not None
    with np.errstate(all="ignore"):
        yield


def patterns(count: int, seed: int) -> np.ndarray:
    """Numbers of every kind: subnormal, infinite, nan; the first are all pairs of special ones."""
    bits = np.random.default_rng(seed).integers(0, 1 << 16, count).astype(np.uint16)
    special = np.array([0.0, -0.0, 1, -1, np.inf, -np.inf, np.nan, 1e-40, 3.3e38]).astype(SHORT)
    found = bits.view(SHORT)
    found[:81] = (np.repeat if seed else np.tile)(special, 9)[: len(found)]
    return found


def rounded(ufunc: Any, *xs: np.ndarray) -> np.ndarray:
    y = ufunc(*[x.astype(np.float32) for x in xs])
    return y if y.dtype == bool else y.astype(SHORT)


def alike(found: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    assert found.dtype == wanted.dtype
    a, b = found.astype(np.float32), wanted.astype(np.float32)
    return (a == b) & (np.signbit(a) == np.signbit(b)) | np.isnan(a) & np.isnan(b)


@pytest.mark.parametrize("ufunc", TWO + COMPARED, ids=lambda f: f.__name__)
def test_two_operands(ufunc: np.ufunc) -> None:
    a, b = patterns(3000, 0), patterns(3000, 1)
    square = a[:2500].reshape(50, 50)
    pairs = [
        (a, b), (a, b[500:501]), (a[500:501], b), (a[::3], b[::3]), (a[::-1], b),
        (square.T, square), (square, b[:50]), (square, b[:50, None]), (a[1:], b[:-1]),
        *[(a[:n], b[:n]) for n in (0, 1, 15, 16, 17, 40)],
    ]  # fmt: skip
    for x, z in pairs:
        same = alike(ufunc(x, z), rounded(ufunc, x, z))
        if ufunc in (np.maximum, np.minimum):  # of 0 and -0 either may be taken
            same |= (x.astype(np.float32) == 0) & (z.astype(np.float32) == 0)
        assert same.all()


@pytest.mark.parametrize("ufunc", EXACT + NEAR, ids=lambda f: f.__name__)
def test_one_operand(ufunc: np.ufunc) -> None:
    a = np.arange(1 << 16, dtype=np.uint16).view(SHORT)  # all there are
    for x in (a, a[::3], a[::-1], a[:5], a[:4096].reshape(64, 64).T):
        same = alike(ufunc(x), rounded(ufunc, x))
        assert same.all() if ufunc in EXACT else same.mean() > 0.999


def test_results_over_operands_and_sums() -> None:
    a, b = (np.random.default_rng(seed).standard_normal(1000).astype(SHORT) for seed in (2, 3))
    wanted, into = rounded(np.add, a, b), a.copy()
    into += b
    assert alike(into, wanted).all()
    into = a.copy()
    np.add(into[:-1], into[1:], out=into[1:])  # NumPy copies what is written before it is read
    assert alike(into[1:], rounded(np.add, a[:-1], a[1:])).all()
    total, sums = a[0], [a[0]]
    for x in a[1:100]:
        total = np.float32(np.float32(total) + np.float32(x)).astype(SHORT)
        sums.append(total)
    assert alike(np.add.accumulate(a[:100]), np.array(sums)).all()
    assert np.float32(np.add.reduce(a[:100])) == np.float32(sums[-1])
    rows = a.reshape(20, 50)
    for ufunc in (np.maximum, np.minimum):
        for dim in (0, 1):
            wanted = ufunc.reduce(rows.astype(np.float32), dim)
            assert (ufunc.reduce(rows, dim).astype(np.float32) == wanted).all()
    rows[3, 40] = np.nan
    assert np.isnan(np.maximum.reduce(rows, 1).astype(np.float32)).tolist() == [
        k == 3 for k in range(20)
    ]


def test_division_by_what_is_not_there_is_not_remarked_on() -> None:
    x = torch.ones(37).bfloat16()
    with np.errstate(all="raise"):
        assert (x._array / x._array == 1).all()
        assert (np.log(x._array) == 0).all()
