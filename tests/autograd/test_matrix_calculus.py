"""Matrix calculus: nine derivatives, two layouts, and the chain rule with its shapes."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import rushlight as rl
from rushlight.autograd import matrix_calculus as mc

SHAPES = {"scalar": (), "vector": (3,), "matrix": (4, 2)}


def sample(shape, seed=0):
    return rl.tensor(np.random.default_rng(seed).normal(size=shape))


def function(x_shape, y_shape):
    """A smooth function between tensors of two shapes."""
    n, m = int(np.prod(x_shape)), int(np.prod(y_shape))
    A = sample((m, n), 1)
    return lambda x: rl.tanh(A @ x.reshape(n)).reshape(y_shape)


PAIRS = list(itertools.product(SHAPES, SHAPES))


@pytest.mark.parametrize("y, x", PAIRS)
@pytest.mark.parametrize("layout", mc.LAYOUTS)
def test_every_entry_is_in_its_place(y, x, layout):
    ys, xs = SHAPES[y], SHAPES[x]
    at = sample(xs, 2)
    found = mc.jacobian(function(xs, ys), at, layout)
    plain = rl.autograd.functional.jacobian(function(xs, ys), at).numpy()
    assert found.shape == mc.shape_of(ys, xs, layout)
    np.testing.assert_allclose(found.plain(), plain)
    array = found.value.numpy()
    for i in np.ndindex(ys):
        for j in np.ndindex(xs):
            key = (*i, *reversed(j)) if layout == "numerator" else (*j, *reversed(i))
            if array.ndim > len(key):  # a row or column of one
                key = (0, *key) if array.shape[0] == 1 and len(key) == 1 else (*key, 0)
            assert array.reshape(found.shape)[key] == plain[(*i, *j)]


@pytest.mark.parametrize("y, x", PAIRS)
def test_the_layouts_are_each_others_transpose(y, x):
    numerator = mc.jacobian(function(SHAPES[x], SHAPES[y]), sample(SHAPES[x]))
    denominator = numerator.to("denominator")
    a, b = numerator.value.numpy(), denominator.value.numpy()
    np.testing.assert_array_equal(a.transpose(), b)
    np.testing.assert_array_equal(denominator.to("numerator").value.numpy(), a)


def test_the_gradient_of_a_scalar_has_its_arguments_shape_in_denominator_layout():
    for shape in SHAPES.values():
        wanted = shape if len(shape) != 1 else (*shape, 1)
        assert mc.shape_of((), shape, "denominator") == wanted


def test_the_table_of_shapes():
    table = mc.shape_table("denominator").splitlines()
    assert len(table) == 4 and "(n, k, l, m)" in table[3] and "(n, 1)" in table[1]


def steps():
    x = sample((4,), 3)
    return [
        ("z", lambda W: W.T @ x), ("a", rl.sigmoid), ("L", lambda a: ((a - 1) ** 2).sum()),
    ]  # fmt: skip


def test_the_chain_rule_is_written_with_shapes():
    rule = mc.chain(steps(), sample((4, 3)), "W")
    assert str(rule) == "dL/dW = dL/da (1x3) . da/dz (3x3) . dz/dW (3x3x4)  (3x4)"
    turned = mc.chain(steps(), sample((4, 3)), "W", "denominator")
    assert str(turned) == "dL/dW = dz/dW (4x3x3) . da/dz (3x3) . dL/da (3x1)  (4x3)"


@pytest.mark.parametrize("layout", mc.LAYOUTS)
def test_the_product_is_the_gradient(layout):
    W = sample((4, 3)).requires_grad_()
    value = W
    for _, step in steps():
        value = step(value)
    value.backward()
    rule = mc.chain(steps(), W, "W", layout)
    np.testing.assert_allclose(rule.product.to("denominator").value.numpy(), W.grad.numpy())
    if layout == "numerator":  # factors multiply in the order in which they are written
        total = np.tensordot(rule.factors[0].value.numpy(), rule.factors[1].value.numpy(), 1)
        total = np.tensordot(total, rule.factors[2].value.numpy(), 1)
        np.testing.assert_allclose(total[0], rule.product.value.numpy())


def test_misuse_is_named():
    with pytest.raises(RuntimeError, match="scalars, vectors and matrices"):
        mc.jacobian(lambda x: x, rl.ones(2, 2, 2))
    with pytest.raises(ValueError, match="'numerator' or 'denominator'"):
        mc.jacobian(lambda x: x, rl.ones(2), "row")
    with pytest.raises(ValueError, match="at least one step"):
        mc.chain([], rl.ones(2))
