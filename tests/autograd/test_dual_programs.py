"""Partials written out as lines of NumPy calls: the rule's own numbers, to the last bit."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import pytest

import rushlight as rl
from rushlight.autograd.dual_programs import written
from rushlight.autograd.dual_rules import by_partials
from rushlight.core.primitive import REGISTRY, Elementwise, Primitive

UNARY = [
    prim
    for prim in (REGISTRY[name] for name in list(REGISTRY))
    if type(prim.rule) is Elementwise and prim.arity == 1 and callable(prim.rule.partials[0])
]


def operands(kind: str, shape: tuple[int, ...]) -> tuple[Any, Any]:
    draw = np.random.default_rng(3)
    x = np.asarray(draw.uniform(0.1, 0.9, shape), kind)
    return np.asarray(draw.standard_normal(shape), kind), x


def test_most_rules_are_written_out() -> None:
    found = [prim.name for prim in UNARY if written(prim.rule.partials[0], np.dtype("f"))]
    assert len(found) > 30 and {"tanh", "sigmoid", "sqrt", "sin", "relu", "log"} <= set(found)


@pytest.mark.parametrize("prim", UNARY, ids=lambda prim: prim.name)
@pytest.mark.parametrize("kind", ["f", "d"])
@pytest.mark.parametrize("shape", [(), (7, 5)], ids=["flat", "matrix"])
def test_the_same_bits(prim: Primitive, kind: str, shape: tuple[int, ...]) -> None:
    program = written(prim.rule.partials[0], np.dtype(kind), not shape)
    if program is None:
        return  # such a rule stays as it is
    t, x = operands(kind, shape)
    with np.errstate(all="ignore"):  # acosh of numbers below 1
        check(prim, program, t, x)


def check(prim: Primitive, program: Any, t: Any, x: Any) -> None:
    y = prim.eval(x)
    before = [one.copy() for one in (t, np.asarray(y), x)]
    found = np.asarray(program(t, y, x))
    for one, old in zip((t, np.asarray(y), x), before):
        np.testing.assert_array_equal(one, old)  # operands are read only
    wanted = np.asarray(by_partials(prim, (t,), (x,), np.asarray(y), ()))
    assert found.dtype == wanted.dtype and found.shape == wanted.shape
    np.testing.assert_array_equal(found, wanted)


def test_rules_that_ask_for_more_stay_as_they_are() -> None:
    for rule in (
        lambda y, x: x.reshape(-1), lambda y, x: y if x > 0 else x, lambda y, x: x * x.shape[0],
        lambda y, x: (x > 0) * y, lambda y, x: 2.0,
    ):  # fmt: skip
        assert written(rule, np.dtype("f")) is None


@pytest.mark.parametrize("shape", [(), (3,), (2, 3)])
@pytest.mark.parametrize("other", [0, -0.0, 2, -1.5, float("inf"), float("nan")])
@pytest.mark.parametrize("op", [operator.add, operator.sub, operator.mul, operator.truediv])
@pytest.mark.parametrize("left", [False, True])
def test_numbers_beside_duals(shape: tuple[int, ...], other: float, op: Any, left: bool) -> None:
    def function(x: rl.Tensor) -> rl.Tensor:
        return op(other, x) if left else op(x, other)

    x, t = rl.full(shape, -2.0), rl.ones(shape)
    y, dy = rl.func.jvp(function, (x,), (t,))
    plain = function(x)
    assert y.dtype == dy.dtype == plain.dtype and dy.shape == plain.shape
    np.testing.assert_array_equal(y.numpy(), plain.numpy())
    np.testing.assert_array_equal(np.signbit(y.numpy()), np.signbit(plain.numpy()))
    wide, _ = rl.func.jvp(function, (x.double(),), (t.double(),))
    np.testing.assert_allclose(y.numpy(), wide.numpy(), rtol=1e-6)
