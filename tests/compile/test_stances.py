"""What is done with compiled functions under each stance, as torch 2.13 does it."""

from __future__ import annotations

from typing import Any

import pytest

import rushlight as rl

set_stance = rl.compiler.set_stance


def told() -> Any:
    """A compiled function that adds 1 in programs and subtracts 1 outside them."""
    return rl.compile(lambda x: x + 1 if rl.compiler.is_compiling() else x - 1)


def numbers(*found: Any) -> list[float]:
    return [x.sum().item() / x.numel() for x in found]


def test_stances_on_calls_with_and_without_a_program() -> None:
    f, one, two = told(), rl.zeros(1), rl.zeros(2, dtype=rl.float64)
    assert numbers(f(one), f(one)) == [1, 1]
    with set_stance("force_eager"):
        assert numbers(f(one), f(two)) == [-1, -1]
    with set_stance("fail_on_recompile"):
        assert numbers(f(one)) == [1]
        with pytest.raises(RuntimeError, match="Detected recompile when"):
            f(two)
    with set_stance("eager_on_recompile"):
        assert numbers(f(one), f(two)) == [1, -1]
    assert numbers(f(two), f(one)) == [1, 1]
    g = told()
    with set_stance("eager_then_compile"):
        assert numbers(g(one), g(one), g(two)) == [-1, 1, 1]


def test_ways_to_take_a_stance() -> None:
    f, x = told(), rl.zeros(1)
    assert numbers(f(x)) == [1]
    set_stance("force_eager")
    try:
        assert numbers(f(x)) == [-1]
        with set_stance("default"):
            assert numbers(f(x)) == [1]
        assert numbers(f(x)) == [-1]
    finally:
        set_stance("default")
    eager = set_stance("force_eager")(f)
    assert numbers(f(x), eager(x), f(x)) == [1, -1, 1]
    with pytest.raises(ValueError, match="no such stance: 'x'"):
        set_stance("x")
    with pytest.raises(ZeroDivisionError), set_stance("force_eager"):
        raise ZeroDivisionError
    assert numbers(f(x)) == [1]


def test_after_a_reset_every_call_is_as_a_first_one() -> None:
    f, one = told(), rl.zeros(1)
    g = rl.compile(lambda x: x - len(str(x.sum().item())[:1]))  # it stays eager
    with pytest.warns(UserWarning, match="runs eagerly"):
        assert numbers(f(one), f(one), g(one)) == [1, 1, -1]
    rl.compiler.reset()
    with pytest.warns(UserWarning, match="runs eagerly"):
        assert numbers(g(one)) == [-1]
    with set_stance("eager_on_recompile"):
        assert numbers(f(one)) == [-1]
    assert numbers(f(one)) == [1]
    assert rl._dynamo.reset is rl.compiler.reset
