"""Sorting without a promise of stability: the steps in Python and in native code are the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rushlight as rl
from rushlight.ops import introsort

ROWS = st.lists(st.integers(0, 6), min_size=1, max_size=90)


@settings(max_examples=60, deadline=None)
@given(ROWS, st.data(), st.booleans())
def test_native_steps_are_those_in_python(row: list[int], data: st.DataObject, down: bool) -> None:
    x = np.array([row, row[::-1]], np.float32)
    first = data.draw(st.integers(1, len(row)))
    before, introsort.PAYS = introsort.PAYS, 0
    try:
        native = introsort.natively(x, down), introsort.natively(x, down, first)
    finally:
        introsort.PAYS = before
    slow: Any = introsort.slowly(x, down), introsort.slowly(x, down, first)
    for mine, other in zip(native, slow):
        assert (mine == other).all()
    whole = np.take_along_axis(x, slow[0], -1)
    wanted = np.sort(x)
    assert (whole == (wanted[:, ::-1] if down else wanted)).all()
    assert (np.take_along_axis(x, slow[1], -1) == whole[:, :first]).all()


def test_rows_that_split_badly_fall_back_on_a_heap(monkeypatch: pytest.MonkeyPatch) -> None:
    half = 300
    row = [0] * (2 * half)  # of which the middle one of three is always next to the smallest
    for i in range(1, half + 1):
        if i % 2:
            row[i - 1], row[i] = i, half + i
        row[half + i - 1] = 2 * i
    piled = []
    gather = introsort.Row.gather
    monkeypatch.setattr(
        introsort.Row, "gather", lambda self, *args: piled.append(args) or gather(self, *args)
    )
    x = np.array([row]) // 2
    found = introsort.slowly(x, False)
    assert piled
    monkeypatch.setattr(introsort, "PAYS", 0)
    assert (introsort.natively(x, False) == found).all()


@pytest.mark.parametrize("kind", [np.float16, np.float64, np.int8, np.uint64, np.bool_])
def test_keys_are_in_the_order_of_elements(kind: type) -> None:
    x = np.array([0, 1, -1, 2, 100, 1, 0], np.float64).astype(kind)
    if np.dtype(kind).kind == "f":
        x = np.concatenate((x, np.array([-0.0, np.inf, -np.inf, np.nan, -np.nan], kind)))
    for down in (False, True):
        keys = introsort.keys_of(x, down)
        order = np.argsort(keys, kind="stable")
        wanted = rl.from_numpy(x).sort(descending=down, stable=True).indices
        assert order.tolist() == wanted.tolist()


def test_without_native_code_long_rows_are_in_stable_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(introsort, "PAYS", 1 << 60)
    monkeypatch.setattr(introsort, "MOST", 20)
    x = rl.arange(60) % 3
    assert rl.equal(x.argsort(), x.argsort(stable=True))
