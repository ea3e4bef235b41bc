"""Passes over large arrays: native code gives NumPy's results, to the last bit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import rushlight as rl
from rushlight.core import heavy

pytest.importorskip("llvmlite")
SHAPES = (1, 1), (3, 5), (5, 8), (4, 9), (7, 17), (2, 3, 33), (6, 31), (1, 700), (64, 3), (300,)
LONG_SHAPES = (9, 129), (9, 200), (3, 256), (2, 3, 511), (5, 512), (3, 1000), (2, 1024), (2, 5000)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Native code from the first number on."""
    monkeypatch.setattr(heavy, "LONG", 0)
    monkeypatch.setattr(heavy, "_before", [0])
    before, heavy.SWITCH.on = heavy.SWITCH.on, True
    yield
    heavy.SWITCH.on = before


def same(call: Callable[[], Any], used: bool = True) -> None:
    """Whether a call gives the same bits with and without native code."""
    heavy.SWITCH.on = True
    found = call()
    heavy.SWITCH.on = False
    wanted = call()
    pairs = zip(found, wanted) if isinstance(found, tuple) else [(found, wanted)]
    for one, other in pairs:
        a, b = one.numpy(), other.numpy()
        assert (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())
    heavy.SWITCH.on = True
    assert (heavy.PASSES.found is not None) == used


def numbers(shape: tuple[int, ...], dtype: Any, missing: float = 0.0, few: bool = False) -> Any:
    """Numbers near one, or small whole ones, some of them nan."""
    rng = np.random.default_rng(len(shape) + shape[-1])
    x = rng.integers(-2, 3, shape).astype(dtype) if few else rng.uniform(0.9, 1.1, shape)
    x[rng.random(shape) < missing] = np.nan
    return rl.from_numpy(np.asarray(x, dtype))


ROWS = {
    "cumsum": lambda x: x.cumsum(-1),
    "cumprod": lambda x: x.cumprod(-1),
    "cummax": lambda x: tuple(x.cummax(-1)),
    "cummin": lambda x: tuple(x.cummin(-1)),
    "amax": lambda x: x.amax(-1),
    "amin": lambda x: x.amin(-1, keepdim=True),
    "sum": lambda x: x.sum(-1),
    "total": lambda x: x.sum(),
    "product": lambda x: x.prod(),
    "mean": lambda x: x.mean(-1, keepdim=True),
    "prod": lambda x: x.prod(-1),
    "first": lambda x: x.cumsum(0),
    "down": lambda x: (x.cumsum(0), x.cumprod(0), *x.cummax(0), *x.cummin(0)),
    "middle": lambda x: (
        (x.cumsum(-2), x.cumprod(-2), *x.cummax(-2), *x.cummin(-2)) if x.ndim > 1 else x
    ),
    "turned": lambda x: x.mT.cummax(-1).indices if x.ndim > 1 else x,
    "strided": lambda x: x[..., ::2].cumsum(-1),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ROWS)
def test_rows(name: str, dtype: Any) -> None:
    for shape in SHAPES:
        for missing, few in ((0.0, False), (0.05, False), (0.0, True), (0.3, True)):
            if few and name in ("amax", "amin"):
                continue  # which of 0 and -0 is the larger is nobody's business
            x = numbers(shape, dtype, missing, few)
            same(lambda x=x: ROWS[name](x))


def test_long_rows() -> None:
    """Sums go by blocks of NumPy's, products by halves in registers where the size allows it."""
    for dtype in (np.float32, np.float64):
        for shape in LONG_SHAPES:
            x = numbers(shape, dtype)
            x[0] = -0.0
            for name in ("sum", "total", "prod", "product", "amax"):
                same(lambda x=x, name=name: ROWS[name](x))
            same(lambda x=x: rl.nansum(x, -1))


@pytest.mark.parametrize("name", ["amax", "amin", "cummax", "cummin"])
def test_infinite_ones_and_nothing(name: str) -> None:
    x = numbers((9, 40), np.float32, 0.02)
    x[0, 3], x[1, 4], x[2] = rl.inf, -rl.inf, rl.nan
    same(lambda: ROWS[name](x))
    nothing = ROWS[name](rl.zeros(0, 4))
    assert (nothing[0] if isinstance(nothing, tuple) else nothing).shape[0] == 0


def test_little_is_passed_over_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The compiler is loaded after so many elements, unless it is there."""
    monkeypatch.setattr(heavy, "_COMPILER", "no such module")
    monkeypatch.setattr(heavy, "_before", [100])
    assert heavy.one_pass("powers", 60) is None
    assert heavy.one_pass("powers", 60) is None
    assert heavy.one_pass("powers", 60) is not None


def test_gradients_of_rows() -> None:
    for name in ("cumsum", "cumprod", "prod", "amax", "amin"):
        found = []
        for switch in (True, False):
            heavy.SWITCH.on = switch
            x = numbers((6, 33), np.float64).requires_grad_()
            ROWS[name](x).square().sum().backward()
            found.append(x.grad)
        assert rl.allclose(*found), name


@pytest.mark.parametrize("kind", [rl.float32, rl.float64, rl.float16, rl.int64])
def test_evenly_spaced(kind: Any) -> None:
    for count in (2, 7, 8, 15, 16, 17, 31, 100, 1001):
        for start, end in ((0.0, 1.0), (-3.3, 7.1), (5.0, 5.0), (1e4, -1e-3)):
            same(lambda n=count, a=start, b=end: rl.linspace(a, b, n, dtype=kind))
            same(lambda n=count, a=start, b=end: rl.logspace(a / 1e4, b / 1e4, n, dtype=kind))
        for start, step in ((0.0, 1.0), (0.3, 0.1), (-5.0, 1e-3), (2.0, -3.7)):
            end = start + step * (count - 0.5)
            if kind is not rl.int64:
                same(lambda a=start, b=end, s=step: rl.arange(a, b, s, dtype=kind))


def test_half_precision() -> None:
    rng = np.random.default_rng(1)
    for count in (1, 15, 16, 17, 4000):
        x = (rng.standard_normal(count) * 10.0 ** rng.uniform(-9, 4, count)).astype(np.float32)
        x[: min(count, 6)] = [np.inf, -np.inf, 65520, 65519, -0.0, 2.0**-25][: min(count, 6)]
        with np.errstate(over="ignore"):
            same(lambda x=x: rl.from_numpy(x).half())
            same(lambda x=x: rl.from_numpy(x).half().float())
            same(lambda x=x: rl.from_numpy(x).bfloat16().view(rl.int16))
            same(lambda x=x: rl.from_numpy(x).bfloat16().float())
    bits = rng.integers(-(2**31), 2**31, 4000, np.int32)
    bits[::3] |= 0x7F800000
    same(lambda: rl.from_numpy(bits).view(rl.float32).bfloat16().view(rl.int16))
    assert bool(rl.tensor([rl.nan] * 20).half().isnan().all())


def test_rows_added() -> None:
    rng = np.random.default_rng(2)
    for dtype in (np.float32, np.float64, np.float16, np.int64):
        for width in (1, 2, 15, 16, 40):
            x = rl.from_numpy(rng.integers(-9, 9, (12, width)).astype(dtype) / dtype(3))
            x = x.to(rl.from_numpy(np.zeros(1, dtype)).dtype)
            rows = rl.from_numpy(rng.integers(-12, 12, 70))
            y = rl.from_numpy((rng.standard_normal((70, width)) * 5).astype(dtype))
            same(lambda x=x, rows=rows, y=y: x.index_put((rows,), y, accumulate=True))
            same(lambda x=x, rows=rows, y=y: x.index_add(0, rows % 12, y))
            same(lambda x=x, rows=rows, y=y: x.mT.contiguous().mT.index_put((rows,), y, True))
    with pytest.raises(IndexError):
        rl.zeros(3, 4).index_put((rl.tensor([0, 3]),), rl.ones(2, 4), accumulate=True)
