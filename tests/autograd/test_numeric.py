"""Derivatives by differences: their error, their step, their price."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rushlight as rl
from rushlight.autograd import numeric

GOOD = {"forward": 1e-6, "central": 1e-9, "richardson": 1e-11}
FUNCTIONS = {
    "sin": (rl.sin, np.cos), "exp": (rl.exp, np.exp), "cube": (lambda x: x**3, lambda x: 3 * x * x),
    "log": (lambda x: rl.log(x * x + 1), lambda x: 2 * x / (x * x + 1)),
}  # fmt: skip


@pytest.mark.parametrize("method", GOOD)
@pytest.mark.parametrize("name", FUNCTIONS)
@settings(max_examples=15, deadline=None)
@given(x=st.floats(-3, 3))
def test_each_method_is_as_good_as_its_order_promises(method, name, x):
    function, slope = FUNCTIONS[name]
    found = numeric.derivative(function, x, method).value.item()
    assert found == pytest.approx(slope(x), rel=GOOD[method] * 40, abs=GOOD[method] * 40)


@pytest.mark.parametrize("dtype", [rl.float32, rl.float64])
def test_the_chosen_step_is_near_the_best(dtype):
    curve = numeric.error_curve(rl.exp, rl.tensor(0.7, dtype=dtype))
    for method, errors in curve.errors.items():
        chosen = numeric.derivative(rl.exp, rl.tensor(0.7, dtype=dtype), method).value.item()
        assert abs(chosen - np.exp(0.7)) <= 300 * max(np.nanmin(errors), np.finfo(dtype.numpy).eps)


def test_steps_shrink_with_precision_and_grow_with_order():
    steps = [numeric.best_step(method) for method in ("forward", "central", "richardson")]
    assert steps == sorted(steps)
    assert numeric.best_step("central", rl.float32) > numeric.best_step("central", rl.float64)
    assert numeric.best_step("forward") == pytest.approx(2**-26)
    assert numeric.best_step("central", scale=100.0) == 100 * numeric.best_step("central")


def test_large_arguments_get_large_steps():
    found = numeric.derivative(lambda x: x * x, 1e8)
    assert found.value.item() == pytest.approx(2e8, rel=1e-8)


@pytest.mark.parametrize("method", GOOD)
@pytest.mark.parametrize("count", [1, 7, 30])
def test_a_gradient_takes_as_many_evaluations_as_it_has_elements(method, count):
    calls = [0]

    def f(x):
        calls[0] += 1
        return (x * x).sum()

    x = rl.rand(count, dtype=rl.float64)
    estimate = numeric.gradient(f, x, method)
    assert calls[0] == estimate.evaluations == numeric.evaluations(method, count)
    np.testing.assert_allclose(estimate.value.numpy(), 2 * x.numpy(), 1e-6, 1e-6)


def test_gradients_and_jacobians_equal_reverse_mode_and_leave_the_argument_alone():
    A = rl.rand(3, 4, dtype=rl.float64)
    x = rl.rand(4, dtype=rl.float64)
    before = x.clone()
    found = numeric.jacobian(lambda x: rl.tanh(A @ x), x).value
    expected = rl.autograd.functional.jacobian(lambda x: rl.tanh(A @ x), x)
    np.testing.assert_allclose(found.numpy(), expected.numpy(), 1e-8)
    assert rl.equal(x, before)


def test_the_table_shows_rounding_below_and_truncation_above_the_best_step():
    curve = numeric.error_curve(rl.sin, 1.0)
    errors = curve.errors["forward"]
    place = int(np.nanargmin(errors))
    assert errors[place - 4] > 100 * errors[place] and errors[place + 4] > 100 * errors[place]
    for i in range(
        1, 5
    ):  # order 1 and 2: a tenth of the step, a tenth and a hundredth of the error
        assert curve.errors["forward"][i] / curve.errors["forward"][i + 1] == pytest.approx(10, 0.1)
    assert curve.errors["central"][1] / curve.errors["central"][2] == pytest.approx(100, 0.1)
    assert "truncation" in curve.table() and "rounding" in curve.table()


def test_the_picture_is_an_svg_with_a_curve_per_method(tmp_path):
    numeric.error_curve(rl.sin, 1.0).save(tmp_path / "c.svg")
    root = ElementTree.parse(tmp_path / "c.svg").getroot()
    paths = [e for e in root.iter() if e.tag.endswith("path") and e.get("class") == "line"]
    assert len(paths) == 6  # a curve and a mark for each method
    for dot in (e for e in root.iter() if e.tag.endswith("circle")):
        assert 0 <= float(dot.get("cx")) <= 460 and 0 <= float(dot.get("cy")) <= 300


def test_the_price_is_linear_but_for_reverse_mode():
    cost = numeric.cost_curve((1, 10, 100))
    assert cost.counts["central"] == [2, 20, 200] and cost.counts["reverse"] == [1, 1, 1]
    assert "<svg" in cost.svg() and cost.table().count("\n") == 3


@pytest.mark.parametrize(
    "call, kind, text",
    [
        (lambda: numeric.derivative(rl.sin, rl.ones(2)), ValueError, "one number, not 2"),
        (lambda: numeric.derivative(rl.sin, 1.0, "backward"), ValueError, "unknown method"),
        (lambda: numeric.derivative(rl.sin, 1.0, step=0.0), ValueError, "must be positive"),
        (lambda: numeric.gradient(rl.sin, rl.ones(2)), ValueError, "gives 2 numbers"),
        (lambda: numeric.gradient(rl.sum, rl.tensor([1, 2])), TypeError, "floating-point"),
        (lambda: numeric.error_curve(lambda x: x.detach(), 1.0), TypeError, "not known"),
    ],
)
def test_misuse_is_named(call, kind, text):
    with pytest.raises(kind, match=text):
        call()
