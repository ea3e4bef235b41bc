"""A gamma or beta number moves with its shape so that its quantile stays."""

from __future__ import annotations

import numpy as np
import pytest

from rushlight.core import special
from rushlight.core.special_shape import _beta_tail, dirichlet_grad, standard_gamma_grad

rng = np.random.default_rng(3)


@pytest.mark.parametrize("size", [0.05, 0.7, 3.0, 40.0, 3e3])
def test_gamma_numbers_keep_their_quantile(size: float) -> None:
    a = size * rng.uniform(0.8, 1.2, 40)
    x = np.maximum(rng.gamma(a), 1e-200)
    step = 1e-5 * np.minimum(a, np.sqrt(a))
    moved = x + step * standard_gamma_grad(a, x)
    before, after = special.gammainc(a, x), special.gammainc(a + step, moved)
    kept = special.gammainc(a + step, x)
    # The movement undoes all but a thousandth of what the change of shape does.
    assert np.all(np.abs(after - before) <= 1e-3 * np.abs(kept - before) + 1e-14)


@pytest.mark.parametrize("shapes", [(0.3, 0.4), (2.0, 5.0), (30.0, 4.0), (200.0, 300.0)])
def test_beta_numbers_keep_their_quantile(shapes: tuple[float, float]) -> None:
    a, b = (np.full(40, one) for one in shapes)
    x = rng.beta(a, b)
    slope = dirichlet_grad(x, a, a + b) * (1 - x)
    step = 1e-5 * a
    before, after = _beta(a, b, x), _beta(a + step, b, x + step * slope)
    kept = _beta(a + step, b, x)
    assert np.all(np.abs(after - before) <= 2e-3 * np.abs(kept - before) + 1e-13)


def _beta(a: np.ndarray, b: np.ndarray, x: np.ndarray) -> np.ndarray:
    low = x < (a + 1) / (a + b + 2)
    inside = np.where(low, x, 0.1)
    return np.where(low, _beta_tail(a, b, inside), 1 - _beta_tail(b, a, np.where(low, 0.1, 1 - x)))


def test_the_incomplete_beta_function() -> None:
    # I_x(1, b) = 1 - (1 - x)^b and I_x(a, 1) = x^a.
    x = np.linspace(0.01, 0.3, 20)
    for shape in (0.5, 2.0, 7.5):
        one, own = np.ones_like(x), np.full_like(x, shape)
        np.testing.assert_allclose(_beta_tail(own, one, x), x**shape, 1e-13)
        small = x / (1 + shape)
        np.testing.assert_allclose(_beta_tail(one, own, small), 1 - (1 - small) ** shape, 1e-12)
