"""Samples of the fused ops: what networks spend their time in."""

import numpy as np
from sampling import Sample, integers, uniform

u = uniform
X = u(2, 3, 5, 6)
KERNEL = u(4, 3, 3, 2, low=-1, high=1)
AT = ((2, 1), (1, 0), (1, 2), 1)
OUT = (3, 4)
PAIRED = ((1, 1), (0, 0), (1, 1), 2)
GROUPED = (u(2, 4, 4, 4), u(6, 2, 2, 2, seed=3))
POOL = ((2, 3), (2, 2), (1, 0), (1, 1), (3, 2))
APART = ((2, 2), (2, 2), (0, 0), (1, 1), (2, 3))
LABELS = integers(5, high=4)
PLACES = np.arange(2 * 3 * 2 * 2).reshape(2, 3, 2, 2) % 7
CODE = integers(2, 3, 3, 2, high=6)
SQUARE = u(3, 3)
CHANNELS = (1, 3, 1, 1)
GRID = u(2, 2, 4, 2, low=-0.8, high=0.8)
READ = [("bilinear", "zeros", True, (0, 0)), ("bilinear", "border", False, (0, 0)),
        ("bicubic", "reflection", False, (0, 0)), ("nearest", "zeros", False, (0, 0)),
        ("bicubic", "zeros", True, (1, 0)), ("bilinear", "zeros", False, (0, 1))]  # fmt: skip


def each(low=-2.0, high=2.0, params=()):
    shapes = ((3, 4), (), (0, 2))
    return [Sample((u(*shape, low=low, high=high),), params) for shape in shapes]


def both(params):
    """On either side of a kink at 0."""
    return each(0.1, 2, params) + each(-2, -0.1, params)


SAMPLES = {
    "softmax": [Sample((u(3, 4),), (1,)), Sample((u(2, 3, 4),), (1,)), Sample((u(),), (0,))],
    "log_softmax": [Sample((u(3, 4),), (0,)), Sample((u(2, 3, 4),), (2,)), Sample((u(),), (0,))],
    "nll_loss": [
        Sample((u(5, 4), LABELS, None), (-100, "mean")),
        Sample((u(5, 4), LABELS, np.array([1, 2, 3, 4])), (1, "none")),
        Sample((u(2, 4, 3), integers(2, 3, high=4), None), (2, "sum")),
    ],
    "nll_loss_back": [Sample((u(), LABELS, None), ((5, 4), -100, "mean"))],
    "cross_entropy": [
        Sample((u(5, 4), LABELS, None), (-100, "mean")),
        Sample((u(5, 4), LABELS, None), (1, "none")),
        Sample((u(2, 4, 3), integers(2, 3, high=4), None), (2, "sum")),
    ],
    "embedding": [Sample((u(4, 3), integers(2, 5, high=4)), (1, False), smooth=False),
                  Sample((u(4, 3), integers(7, high=4)), (-1, False))],
    "embedding_back": [Sample((u(2, 5, 3), integers(2, 5, high=4)), (4, 1, True)),
                       Sample((u(7, 3), integers(7, high=4)), (4, -1, False))],
    "weighted_rows": [Sample((u(4, 3), integers(2, 5, high=4)), (1, True))],
    "convolution": [Sample((X, KERNEL), AT), Sample(GROUPED, PAIRED),
                    Sample((u(2, 3, 4), u(5, 3, 1)), ((1,), (0,), (1,), 1))],
    "convolution_bias": [Sample((X, KERNEL, u(4, seed=5)), AT)],
    "convolution_data": [
        Sample((u(2, 4, 3, 4), KERNEL), ((5, 6), *AT)),
        Sample((u(2, 4, 5, 5), u(4, 3, 3, 3)), ((5, 5), (1, 1), (1, 1), (1, 1), 1)),
        Sample((u(2, 6, 3, 3), GROUPED[1]), ((4, 4), *PAIRED)),
    ],
    "convolution_weight": [Sample((u(2, 4, 3, 4), X), ((3, 2), *AT)),
                           Sample((u(2, 6, 3, 3), GROUPED[0]), ((2, 2), *PAIRED))],
    "pooled_maxima": [Sample((X,), POOL)],
    "max_pool": [Sample((X,), POOL), Sample((u(2, 3, 4, 6),), APART)],
    "max_pool_back": [Sample((u(2, 3, 3, 2), CODE), ((5, 6), *POOL))],
    "max_pool_read": [Sample((X, CODE), ((5, 6), *POOL))],
    "flat_places": [Sample((integers(2, 3, 2, 3, high=4),), ((4, 6), *APART))],
    "sum_pool": [Sample((X,), POOL), Sample((u(2, 3, 4, 6),), APART)],
    "spread_pool": [Sample((u(2, 3, 3, 2),), ((5, 6), *POOL)),
                    Sample((u(2, 3, 2, 3),), ((4, 6), *APART))],
    "take_flat": [Sample((u(2, 3, 3, 3), PLACES))],
    "add_flat": [Sample((u(2, 3, 2, 2), PLACES), ((3, 3),))],
    "put_flat": [Sample((u(2, 3, 2, 2), PLACES), ((3, 3),))],
    "window_argmax": [
        Sample((u(2, 3, 4, 4),), (np.array([[0, 1], [2, 3]]), np.array([[0, 1, 2]])))
    ],
    "standardise": [
        Sample((u(4, 3, 2, 2), u(*CHANNELS), u(*CHANNELS, seed=2)), ((0, 2, 3), 1e-5)),
        Sample((u(3, 5), u(5, seed=1), u(5, seed=2)), ((1,), 0.1)),
        Sample((u(3, 4, 10), None, None), ((1, 2), 1e-5)),
    ],
    "root_mean_square": [Sample((u(3, 5),), ((1,), 1e-5)), Sample((u(2, 3, 9),), ((1, 2), 0.1))],
    "affine": [Sample((u(4, 3, 2), u(1, 3, 1), u(1, 3, 1, seed=2)))],
    "hardtanh": each(-0.9, 0.9, (-1.0, 1.0)) + each(1.1, 2, (-1.0, 1.0)),
    "slope_at": both((0.2,)), "leaky_relu": both((0.2,)) + both((1.5,)),
    "elu": both((0.7, 1.2, 0.8)),
    "normal_cdf": each(), "gelu": each(), "gelu_tanh": each(), "silu": each(), "mish": each(),
    "softplus": each(params=(2.0, 20.0)) + each(2.1, 3, (2.0, 4.0)), "log_sigmoid": each(),
    "hardshrink": each(-0.4, 0.4, (0.5,)) + each(0.6, 2, (0.5,)),
    "softshrink": each(-0.4, 0.4, (0.5,)) + each(-2, -0.6, (0.5,)),
    "threshold": both((0.0, 0.3)), "hardsigmoid": each(-2.9, 2.9) + each(3.1, 4),
    "hardswish": each(-2.9, 2.9) + each(3.1, 4) + each(-4, -3.1),
    "prelu": [Sample((u(3, 4, low=0.1), u(4))), Sample((u(3, 4, high=-0.1), u(1, 1)))],
    "logit_loss": [Sample((u(3, 4), u(3, 4, low=0, high=1, seed=2)))],
    "probability_loss": [
        Sample((u(3, 4, low=0.1, high=0.9), u(3, 4, low=0.1, high=0.9, seed=2)))
    ],
    "self_information": each(0.2, 2), "mean_squared_error": [
        Sample((u(3, 4), u(3, 4, seed=2))), Sample((u(), u(seed=2))), Sample((u(3, 1), u(4)))
    ],
    "smooth_l1": each(-0.4, 0.4, (0.5,)) + each(0.6, 2, (0.5,)),
    "huber": each(-0.4, 0.4, (0.5,)) + each(-2, -0.6, (0.5,)),
    "im2col": [Sample((X,), ((2, 3), (2, 1), (1, 0), (1, 2)))],
    "col2im": [Sample((u(2, 18, 6),), ((5, 6), (2, 3), (2, 1), (1, 0), (1, 2)))],
    "grid_sample": [Sample((X, GRID), how) for how in READ],
    "grid_spread": [Sample((u(2, 3, 2, 4), GRID), ((5, 6), *how)) for how in READ],
    "grid_slopes": [Sample((u(2, 3, 2, 4), 0.1 * X, GRID), how) for how in READ],
    "constant_pad_nd": [Sample((u(3, 4),), (((1, 0), (-1, 2)), 0.5))],
    "take_slices": [Sample((u(3, 4),), (1, np.array([3, 0, 0, 2, 3])))],
    "add_slices": [Sample((u(3, 5),), (1, np.array([3, 0, 0, 2, 3]), 4))],
    "map_dim": [Sample((u(2, 3, 4),), (1, SQUARE)), Sample((u(2, 3),), (1, SQUARE))],
    "ctc_loss": [
        Sample((u(5, 2, 4), integers(2, 2, low=1, high=4), np.array([5, 4]), np.array([2, 1])),
               (0, False), smooth=False)
    ],
    "ctc_gradient": [
        Sample((u(5, 2, 4), integers(2, 2, low=1, high=4), np.array([5, 4]), np.array([2, 1])),
               (0, False), smooth=False)
    ],
}  # fmt: skip
