"""Samples of the ops on elements, shapes, sums and products."""

import numpy as np
from sampling import Sample, booleans, integers, uniform

from rushlight.core import dtypes

u = uniform
PAIR = (u(3, 4), u(3, 4, seed=1))
BROADCAST = (u(3, 1), u(1, 4, seed=1))
ROW = (u(4), u(3, 4, seed=2))
SCALAR = (u(2, 3), u(seed=3))
EMPTY = (u(0, 3), u(3))


def pairs(*extra, **kind):
    return [Sample(inputs, *extra, **kind) for inputs in (PAIR, BROADCAST, ROW, SCALAR, EMPTY)]


def one(low=-2.0, high=2.0, smooth=True, params=()):
    return [
        Sample((u(3, 4, low=low, high=high),), params, smooth),
        Sample((u(low=low, high=high),), params, smooth),
        Sample((u(0, 2),), params, smooth),
    ]


positive_pair = [
    Sample((u(3, 4, low=0.5), u(3, 4, low=0.5, seed=1))),
    Sample((u(3, 1, low=0.5), u(4, low=0.5))),
]
flat_pair = [Sample(PAIR, smooth=True), Sample(BROADCAST)]
ints = [
    Sample((integers(3, 4), integers(3, 4, low=1, seed=1))),
    Sample((integers(3, 1), integers(4, low=1))),
]
counts = [Sample((integers(3, 4), integers(3, 4, high=3, seed=1)))]
levels = [Sample((u(3, 4), u(1, 1, low=0.05, high=0.2), u(1, 1)), (-5, 5, True), smooth=False)]

SAMPLES = {
    "add": pairs(), "sub": pairs(), "mul": pairs(),
    "div": [Sample((u(3, 4), u(3, 4, low=0.5, seed=1))),
            Sample((u(3, 1), u(4, low=-2, high=-0.5)))],
    "pow": [Sample((u(3, 4, low=0.3), u(3, 4, seed=1))), Sample((u(3, 1, low=0.3), u(4)))],
    "neg": one(), "abs": one(0.1, 2) + one(-2, -0.1),
    "sgn": [Sample((u(3, 4) + 1j * u(3, 4, seed=1),), smooth=False)], "sign": one(0.1, 2),
    "square": one(), "reciprocal": one(0.5, 2),
    "where": [Sample((booleans(3, 4), *PAIR)), Sample((booleans(3, 1), u(4), u(3, 4, seed=2)))],
    "floor_divide": [Sample(one.inputs, smooth=False) for one in ints],
    "trunc_divide": [Sample((u(3, 4, low=1.1, high=1.8), u(3, 4, low=0.35, high=0.36)))],
    "floor_quotient": [Sample((u(3, 4, low=1.1, high=1.3), u(3, 4, low=0.35, high=0.36)))],
    "remainder": [Sample((u(3, 4, low=1.1, high=1.3), u(3, 4, low=0.35, high=0.36)))],
    "fmod": [Sample((u(3, 4, low=1.1, high=1.3), u(3, 4, low=0.35, high=0.36)))],
    "maximum": flat_pair, "minimum": flat_pair, "fmax": flat_pair, "fmin": flat_pair,
    "clamp": one(params=(-1.03, 1.07)) + one(params=(None, 0.52)) + one(params=(-0.48, None)),
    "floor": one(0.1, 0.9), "ceil": one(0.1, 0.9), "trunc": one(0.1, 0.9), "frac": one(0.1, 0.9),
    "round": one(0.6, 0.9, params=(0,)) + one(0.602, 0.604, params=(2,)),
    "lerp": [Sample((*PAIR, u(3, 4, low=0.1, high=0.4, seed=4))),
             Sample((*PAIR, u(low=0.6, high=0.9)))],
    "addcmul": [Sample((*PAIR, u(4, seed=5)), (0.5,)), Sample((*PAIR, u(seed=5)), (1,))],
    "addcdiv": [Sample((*PAIR, u(4, low=0.5, seed=5)), (0.5,))],
    "hypot": [Sample((u(3, 4, low=0.5), u(3, 4, low=0.5, seed=1))),
              Sample((u(3, 1, low=0.5), u(4, low=0.5)))],
    "copysign": [Sample((u(3, 4, low=0.2), u(3, 4, low=-2, high=-0.5)))],
    "nextafter": [Sample(PAIR)], "gcd": ints, "lcm": ints,
    "heaviside": [Sample(PAIR, smooth=False)],
    "fake_quantize_by_numbers": levels, "fake_quantize_by_tensors": levels,
    "fake_quantize_by_channel": [
        Sample((u(3, 4), u(3, 1, low=0.05, high=0.2), u(3, 1)), (-5, 5, False), smooth=False)
    ],
    "exp": one(), "exp2": one(), "expm1": one(), "log": one(0.2, 3), "log2": one(0.2, 3),
    "log10": one(0.2, 3), "log1p": one(-0.5, 2), "sqrt": one(0.2, 3), "rsqrt": one(0.2, 3),
    "sin": one(), "cos": one(), "tan": one(-1, 1), "asin": one(-0.9, 0.9), "acos": one(-0.9, 0.9),
    "atan": one(), "sinh": one(), "cosh": one(), "tanh": one(), "asinh": one(),
    "acosh": one(1.2, 3), "atanh": one(-0.9, 0.9), "sigmoid": [*one(), *one(-30, 30)],
    "conj": [Sample((u(3, 4) + 1j * u(3, 4, seed=1),), smooth=False)], "atan2": positive_pair,
    "logaddexp": pairs(), "logaddexp2": pairs(), "deg2rad": one(), "rad2deg": one(),
    "relu": one(0.1, 2) + one(-2, -0.1),
    **{name: [Sample(PAIR), Sample(BROADCAST)] for name in ("eq", "ne", "lt", "le", "gt", "ge")},
    **{name: [Sample((booleans(3, 4), booleans(3, 4, seed=1)))] for name in
       ("logical_and", "logical_or", "logical_xor")},
    "logical_not": [Sample((booleans(3, 4),))],
    **dict.fromkeys(("bitwise_and", "bitwise_or", "bitwise_xor", "bitwise_left_shift",
                     "bitwise_right_shift"), counts),
    "bitwise_not": [Sample((integers(3, 4),)), Sample((booleans(3),))],
    **{name: one() for name in ("isnan", "isinf", "isfinite", "isposinf", "isneginf", "signbit")},
    "cast": [Sample((u(3, 4),), (dtypes.float64, dtypes.float64))],
    "cast_to_integer": [Sample((u(3, 4),), (dtypes.int64, dtypes.float64))],
    "take_from": [Sample((u(3, 4),), params=(2.0,))],
    "clone": one(), "contiguous_copy": one(), "kept_gradient": one(),
    "view": [Sample((u(3, 4),), ((2, 6),)), Sample((u(0, 3),), ((3, 0),))],
    "permute": [Sample((u(2, 3, 4),), ((2, 0, 1),))],
    "transpose": [Sample((u(2, 3, 4),), (0, 2))], "t": [Sample((u(3, 4),))],
    "expand": [Sample((u(3, 1),), ((2, 3, 4),)), Sample((u(),), ((2,),))],
    "sum_to": [Sample((u(2, 3, 4),), ((3, 1),)), Sample((u(2, 3),), ((),))],
    "unsqueeze": [Sample((u(3, 4),), (1,))], "squeeze": [Sample((u(3, 1, 4),), ((1,),))],
    "diagonal": [Sample((u(3, 4),), (1, 0, 1)), Sample((u(2, 3, 4),), (-1, 1, 2))],
    "embed_diagonal": [Sample((u(3),), ((3, 4), 1, 0, 1))],
    "strided_view": [Sample((u(3, 4),), ((2, 2), (4, 2), 1)), Sample((u(6),), ((3, 4), (1, 1), 0))],
    "embed_strided": [Sample((u(2, 2),), ((3, 4), (2, 2), (4, 2), 1))],
    "replace_region": [Sample((u(3, 4), u(2, 2)), ((2, 2), (4, 2), 1))],
    "zero": [Sample((u(3, 4),))], "fill": [Sample((u(3, 4), u()))],
    "copy": [Sample((u(3, 4), u(4, seed=1)))],
    "cat": [Sample((u(2, 3), u(4, 3)), (0, (2, 4))), Sample((u(2, 3), u(2, 1)), (1, (3, 1)))],
    "stack": [Sample((u(2, 3), u(2, 3, seed=1)), (1,))],
    "split": [Sample((u(3, 5),), (1, (2, 0, 3))), Sample((u(4, 2),), (0, (1, 3)))],
    "unbind": [Sample((u(3, 4),), (0,)), Sample((u(3, 4),), (1,))],
    "slice": [Sample((u(3, 4),), (1, 1, 2))], "select": [Sample((u(3, 4),), (1, 2))],
    "place": [Sample((u(2, 4),), ((3, 4), (slice(1, 3),)))],
    "part": [Sample((u(3, 4),), ((slice(1, 3), None, 2, ...),))],
    "flip": [Sample((u(3, 4),), ((0, 1),))], "roll": [Sample((u(3, 4),), ((1, 2), (0, 1)))],
    "tril": [Sample((u(3, 4),), (0,))], "triu": [Sample((u(2, 3, 4),), (1,))],
    "sum": [Sample((u(3, 4),), (None, False)), Sample((u(2, 3, 4),), ((0, 2), True)),
            Sample((u(2, 3, 4),), ((1,), False))],
    "mean": [Sample((u(3, 4),), (None, False)), Sample((u(2, 3, 4),), ((0, 2), True))],
    "amax": [Sample((u(3, 4),), (None, False)), Sample((u(3, 4),), ((1,), True)),
             Sample((u(3, 4),), ((0,), False))],
    "amin": [Sample((u(3, 4),), (None, False)), Sample((u(3, 4),), ((1,), True))],
    "max_all": [Sample((u(3, 4),))], "min_all": [Sample((u(3, 4),))],
    "argmax": [Sample((u(3, 4),), (None, False)), Sample((u(3, 4),), (1, True))],
    "argmin": [Sample((u(3, 4),), (None, False)), Sample((u(3, 4),), (1, True))],
    "all": [Sample((booleans(3, 4),), (None, False)), Sample((booleans(3, 4),), ((1,), True))],
    "any": [Sample((booleans(3, 4),), (None, False)), Sample((booleans(3, 4),), ((1,), True))],
    "hash_tensor": [Sample((u(3, 4),), (None, False)), Sample((u(3, 4),), ((1,), True))],
    "extremum_along": [Sample((u(3, 4),), (1, False, "max")), Sample((u(3, 4),), (0, True, "min"))],
    "gather": [Sample((u(3, 4),), (1, integers(3, 2, high=4)))],
    "spread_along": [Sample((u(3, 2),), ((3, 4), 1, integers(3, 2, high=4)))],
    "scatter_add": [Sample((u(3, 4), u(3, 2)), (1, integers(3, 2, high=4)))],
    "index": [Sample((u(5, 3),), ((integers(4, high=5),),)),
              Sample((u(3, 4),), ((booleans(3, 4),),)),
              Sample((u(3, 4),), ((integers(2, high=3), integers(2, high=4)),))],
    "add_at": [Sample((u(4, 3),), ((5, 3), (integers(4, high=5),)))],
    "index_put": [Sample((u(5, 3), u(3)), ((np.array([0, 2]),), False)),
                  Sample((u(5, 3), u(4, 3)), ((integers(4, high=5),), True))],
    "matmul": [Sample((u(2, 3), u(3, 4))), Sample((u(3), u(3, seed=1))), Sample((u(3), u(3, 4))),
               Sample((u(2, 3), u(3))), Sample((u(5, 2, 3), u(3, 4))),
               Sample((u(5, 2, 3), u(5, 3, 4))), Sample((u(2, 1, 2, 3), u(4, 3, 2))),
               Sample((u(5, 2, 3), u(3))), Sample((u(3), u(5, 3, 2)))],
    "bmm": [Sample((u(5, 2, 3), u(5, 3, 4)))],
    "linear": [Sample((u(5, 3), u(4, 3))), Sample((u(3), u(4, 3))), Sample((u(2, 5, 3), u(4, 3)))],
    "linear_bias": [Sample((u(5, 3), u(4, 3), u(4))), Sample((u(2, 5, 3), u(4, 3), u(4)))],
}  # fmt: skip
