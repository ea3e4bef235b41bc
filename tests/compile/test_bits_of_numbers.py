"""Whole numbers among the arguments of which single bits are asked."""

from __future__ import annotations

from typing import Any

import pytest

import rushlight as rl


def by_bits(x: Any, n: Any) -> Any:
    """What differs from step to step by the bits of its count."""
    if n & 1:
        x = x * 2
    if 6 & n or (n ^ 3) == 4:
        x = x + 1
    return x[: (n >> 2 | 1)] - (1 << (n & 1)) + (~n) // 16


def test_programs_are_told_apart_by_them() -> None:
    call = rl.compile(by_bits, recompile_limit=40)
    for n in (*range(12), 3, 1, 8, 30):
        x = rl.arange(12.0) * n
        assert call(x, n).tolist() == by_bits(x, n).tolist()
    assert not call.reasons


def test_the_same_answers_need_no_other_program() -> None:
    call = rl.compile(lambda x, n: x * (n & 1))
    for n in range(9):
        assert call(rl.ones(2), n).tolist() == [n & 1] * 2
    assert len(call.programs) == 2


def test_floats_have_none() -> None:
    call = rl.compile(lambda x, n: x * (n & 1))
    for n in (0.5, 1.5, 2.5):
        with pytest.raises(TypeError, match="unsupported operand"):
            call(rl.ones(2), n)
