"""Samples of gamma and Dirichlet draws.

The values drawn are a param, so differences cannot see how they would move with the shapes;
tests/core/test_shape_gradients.py checks that against the quantiles.
"""

from sampling import Sample, uniform

SHAPES = uniform(2, 3, low=0.5, high=3.0)
DRAWN = uniform(2, 3, low=0.2, high=2.0, seed=1)
WEIGHTS = DRAWN / DRAWN.sum(-1, keepdims=True)
SAMPLES = {
    "standard_gamma_grad": [Sample((SHAPES, DRAWN)), Sample((SHAPES[:1], DRAWN[:1]))],
    "dirichlet_grad": [Sample((WEIGHTS, SHAPES, SHAPES.sum(-1, keepdims=True) + 0 * SHAPES))],
    "gamma_by": [Sample((SHAPES,), (DRAWN,), smooth=False)],
    "dirichlet_by": [Sample((SHAPES,), (WEIGHTS,), smooth=False)],
}
