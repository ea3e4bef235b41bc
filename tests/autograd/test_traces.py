"""The primal and adjoint traces: the course's example by hand, and agreement with backward."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rushlight as rl


def logistic(w: Any, x: Any, b: Any) -> Any:
    return 1 / ((-(w * x + b)).exp() + 1)


def test_the_course_example() -> None:
    found = rl.traces(logistic, 2.0, 0.5, -1.5)
    v4 = math.exp(0.5)
    y = 1 / (v4 + 1)
    assert [(step.name, step.formula) for step in found.primal] == [
        ("v1", "w · x"), ("v2", "v1 + b"), ("v3", "-v2"), ("v4", "exp(v3)"), ("v5", "v4 + 1"),
        ("v6", "1 / v5"),
    ]  # fmt: skip
    values = [float(step.value) for step in found.primal]
    assert values == pytest.approx([1.0, -0.5, 0.5, v4, v4 + 1, y])
    local = {(t.step, t.to): (t.words, float(t.local)) for t in found.terms}
    assert local["v6", "v5"] == ("-1/v5²", pytest.approx(-(y**2)))
    assert local["v4", "v3"] == ("v4", pytest.approx(v4))
    assert local["v1", "w"] == ("x", 0.5)
    ways = found.paths("w")
    assert ways[0][0] == ["v6", "v5", "v4", "v3", "v2", "v1", "w"]
    assert math.prod(ways[0][1]) == pytest.approx(y * (1 - y) * 0.5)
    assert found.gradients["b"].item() == pytest.approx(y * (1 - y))


def test_the_three_forms_hold_the_same_tables() -> None:
    found = rl.traces(logistic, 2.0, 0.5, -1.5)
    text, markdown, page = found.text(), found.markdown(), found.html()
    for part in ("v̄5", "∂v6/∂v5 = -1/v5² = -0.1425", "0.1175", "v6 → v5 → v4 → v3 → v2 → b"):
        assert part in text
        assert part in markdown
        assert part in page
    assert str(found) == repr(found) == text
    assert found._repr_html_() == page
    lines = [line for line in text.splitlines() if line.startswith("v̄")]
    ends = {len(line) - sum(letter == "̄" for letter in line) for line in lines}
    assert len(ends) == 1  # marks over letters do not push the last column


def branching(x: Any, y: Any) -> Any:
    return (x * y).sin() * x + rl.log(x) ** 2 - y / x


@settings(max_examples=30, deadline=None)
@given(st.floats(0.2, 5), st.floats(-3, 3))
def test_paths_add_up_to_the_gradient(x: float, y: float) -> None:
    found = rl.traces(branching, x=x, y=y)
    leaves = [rl.tensor(v, dtype=rl.float64, requires_grad=True) for v in (x, y)]
    wanted = [g.item() for g in rl.autograd.grad(branching(*leaves), leaves)]
    assert [found.gradients[name].item() for name in "xy"] == pytest.approx(wanted)
    for name, g in zip("xy", wanted):
        products = [math.prod(factors) for _, factors in found.paths(name)]
        assert sum(products) == pytest.approx(g)
    assert len(found.paths("x")) == 4
    sums = [row for row in found.adjoint_table().rows if row[1] == "all together"]
    assert sorted(row[0][0] for row in sums) == ["x", "y"]


@pytest.mark.parametrize(
    "function",
    [
        lambda X, w: ((X @ w - 1) ** 2).mean(),
        lambda X, w: (X * w).max(dim=1).values,
        lambda X, w: rl.cat([X[0], w.tanh() * w]).softmax(0)[:3].prod(),
        lambda X, w: sum(part.sum() * k for k, part in enumerate((X + w).split(2, dim=1), 1)),
        lambda X, w: rl.nn.functional.layer_norm(X, (3,), w).abs(),
    ],
)
def test_tensors_give_the_gradients_of_backward(function: Callable[..., Any]) -> None:
    rl.manual_seed(0)
    X, w = rl.randn(2, 3), rl.randn(3)
    found = rl.traces(function, X, w)
    leaves = [X.clone().requires_grad_(), w.clone().requires_grad_()]
    wanted = rl.autograd.grad(function(*leaves).sum(), leaves)
    for name, g in zip(("X", "w"), wanted):
        np.testing.assert_allclose(found.gradients[name], g.numpy(), rtol=1e-5, atol=1e-7)
    assert not X.requires_grad
    found.text()
    with pytest.raises(ValueError, match="paths are written out for single numbers only"):
        found.paths("X")
    assert found.path_table() is None


@pytest.mark.parametrize(
    ("function", "at", "words"),
    [
        (lambda a: a.tanh(), 0.3, "1 - v1²"), (lambda a: a.sigmoid(), 0.3, "v1 · (1 - v1)"),
        (lambda a: a.sqrt(), 2.0, "1/(2 · v1)"), (lambda a: a.log(), 2.0, "1/a"),
        (lambda a: a**3, 2.0, "3 · a^(3 - 1)"), (lambda a: a.relu(), -1.0, "[a > 0]"),
        (lambda a: a.reciprocal(), 2.0, "-v1²"), (lambda a: a.cos(), 2.0, "-sin(a)"),
        (lambda a: a.tan(), 0.5, "1 + v1²"), (lambda a: a.atan(), 0.5, "1/(1 + a²)"),
        (lambda a: a.expm1(), 0.5, "v1 + 1"), (lambda a: a.square(), 0.5, "2 · a"),
    ],
)  # fmt: skip
def test_formulas_of_local_derivatives_have_the_values_beside_them(
    function: Any, at: float, words: str
) -> None:
    found = rl.traces(function, a=at)
    (term,) = found.terms
    assert term.words == words
    python = (
        words.replace("²", "**2").replace("·", "*").replace("^", "**").replace("[", "(")
        .replace("]", ")")
    )  # fmt: skip
    scope = {"a": at, "v1": float(found.primal[0].value), "sin": math.sin, "cos": math.cos}
    assert eval(python, scope) == pytest.approx(float(term.local))


def test_inputs_that_cannot_be_taken_apart() -> None:
    with pytest.raises(ValueError, match="does not depend on its inputs"):
        rl.traces(lambda x: rl.ones(2), 1.0)
    with pytest.raises(ValueError, match="does not depend on its inputs"):
        rl.traces(lambda x: x.detach() * 2, 1.0)
    with pytest.raises(TypeError, match="differentiates real numbers, not int64"):
        rl.traces(lambda x: x * 2, rl.arange(3))
    with pytest.raises(KeyError, match="'z' is none of the inputs w, x, b"):
        rl.traces(logistic, 1.0, 1.0, 1.0).paths("z")


def test_an_input_that_is_not_used_has_gradient_zero() -> None:
    found = rl.traces(lambda x, y: x * 3, 1.0, 2.0)
    assert found.gradients["y"].item() == 0
    assert found.paths("y") == []
    with rl.no_grad():
        assert rl.traces(lambda x: x * 3, 1.0).gradients["x"].item() == 3
