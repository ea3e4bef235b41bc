"""Random programs of matrices and vectors: formulas keep the value and equal reverse mode."""

from __future__ import annotations

import random

import numpy as np
import pytest

import rushlight as rl
from rushlight import sym

A, B = (sym.var(name, (3, 3), rl.float64) for name in "AB")
x, y = (sym.var(name, (3,), rl.float64) for name in "xy")
c = sym.var("c", (), rl.float64)

MATRIX = (
    lambda d: matrix(d) @ matrix(d), lambda d: matrix(d).T, lambda d: matrix(d) + matrix(d),
    lambda d: matrix(d) - matrix(d), lambda d: number(d) * matrix(d),
    lambda d: matrix(d) * matrix(d), lambda d: rl.outer(vector(d), vector(d)),
    lambda d: rl.tanh(matrix(d)),
)  # fmt: skip
VECTOR = (
    lambda d: matrix(d) @ vector(d), lambda d: vector(d) @ matrix(d),
    lambda d: vector(d) + vector(d), lambda d: vector(d) * vector(d) - 2 * vector(d),
    lambda d: number(d) * vector(d), lambda d: rl.softmax(vector(d), 0),
    lambda d: matrix(d).sum(random.randrange(2)), lambda d: rl.sigmoid(vector(d)) / 3,
)  # fmt: skip
NUMBER = (
    lambda d: vector(d) @ vector(d), lambda d: (vector(d) ** 2).sum(),
    lambda d: rl.trace(matrix(d)), lambda d: matrix(d).mean(),
    lambda d: number(d) * number(d) - 0.5,
)  # fmt: skip


def grown(rules, leaves, depth):
    place = random.randrange(len(rules) + 1)
    return random.choice(leaves) if depth == 0 or place == len(rules) else rules[place](depth - 1)


def matrix(depth):
    return grown(MATRIX, [A, B], depth)


def vector(depth):
    return grown(VECTOR, [x, y], depth)


def number(depth):
    return grown(NUMBER, [c], depth)


def evaluated(formula, values):
    names = {str(v) for v in formula.variables()}
    return formula.eval({k: v for k, v in values.items() if k in names}).numpy()


@pytest.mark.parametrize("seed", range(60))
def test_random_programs(seed):
    random.seed(seed)
    loss = number(5) + 0 * c
    wrt = loss.variables()
    rng = np.random.default_rng(seed)
    values = {str(v): rl.tensor(rng.uniform(-1, 1, tuple(v.shape))) for v in wrt}
    leaves = {name: value.clone().requires_grad_() for name, value in values.items()}
    out = loss.eval(leaves)
    out.backward()
    np.testing.assert_allclose(evaluated(sym.simplify(loss), values), out.item(), 1e-6, 1e-9)
    for v, formula in zip(wrt, sym.grad(loss, wrt)):
        wanted = leaves[str(v)].grad.numpy()
        found = evaluated(formula, values)
        assert found.shape == wanted.shape
        scale = max(1.0, np.abs(wanted).max())
        np.testing.assert_allclose(found, wanted, 1e-6, 1e-8 * scale, err_msg=str(formula)[:300])


@pytest.mark.parametrize("seed", range(60))
def test_random_jacobians(seed):
    random.seed(seed)
    output = vector(3) + 0 * x
    values = {"A": (3, 3), "B": (3, 3), "x": (3,), "y": (3,), "c": ()}
    rng = np.random.default_rng(seed)
    values = {name: rl.tensor(rng.uniform(-1, 1, shape)) for name, shape in values.items()}
    given = {str(v): values[str(v)] for v in output.variables()}
    wanted = rl.autograd.functional.jacobian(lambda v: output.eval({**given, "x": v}), values["x"])
    try:
        formula = sym.jacobian(output, x)
    except sym.SymbolicError as error:
        assert "no matrix is known for" in str(error)
        return
    np.testing.assert_allclose(evaluated(formula, values), wanted.numpy(), 1e-6, 1e-8)
