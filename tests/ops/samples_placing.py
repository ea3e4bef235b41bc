"""Samples of the ops that fill, pick, replace, scatter, repeat and view."""

import numpy as np
from sampling import Sample, booleans, uniform

u = uniform
X, ROW = u(3, 4), u(4)
MASK = booleans(3, 4)
INDEX = np.array([2, 0, 2])
ONCE = np.array([2, 0])
PLACES = np.array([[0, 2, 1, 0], [1, 0, 0, 2]])
FLAT = np.array([[0, 11], [5, 0]])
Z = u(3, 4) + 1j * u(3, 4, seed=1)


def scattered(reduce, with_self):
    return [Sample((X + 3, u(2, 4, seed=1) + 3), (0, PLACES, reduce, with_self))]


REDUCED = [
    sample for reduce in ("sum", "prod", "mean", "amax", "amin") for with_self in (True, False)
    for sample in scattered(reduce, with_self)
]  # fmt: skip

SAMPLES = {
    "masked_fill": [Sample((X,), (MASK, 1.5)), Sample((ROW,), (MASK, -1.0))],
    "masked_fill_tensor": [Sample((X, u(seed=5)), (MASK,))],
    "masked_select": [Sample((X,), (MASK,)), Sample((ROW,), (MASK,))],
    "masked_scatter": [Sample((X, u(5, 4, seed=1)), (MASK,))],
    "masked_source": [Sample((X,), (MASK, (5, 4)))],
    "masked_target": [Sample((u(5, 4, seed=1),), (MASK, X.shape))],
    "index_select": [
        Sample((X,), (0, INDEX)),
        Sample((X,), (1, INDEX)),
        Sample((u(),), (0, np.array([0]))),
    ],
    "spread_rows": [Sample((u(3, 4),), ((3, 4), 0, INDEX)), Sample((u(3, 3),), ((3, 4), 1, INDEX))],
    "coo_product": [
        Sample((u(4), u(3, 2, seed=1)), (np.array([0, 2, 2, 0]), np.array([1, 0, 2, 1]), 4)),
        Sample((u(0), u(3, 2, seed=1)), (np.zeros(0, int), np.zeros(0, int), 2)),
    ],
    "coo_sample": [
        Sample((u(4, 2), u(3, 2, seed=1)), (np.array([0, 3, 3]), np.array([1, 0, 2]))),
    ],
    "index_add": [
        Sample((X, u(3, 4, seed=1)), (0, INDEX, 1)),
        Sample((X, u(3, 3, seed=1)), (1, INDEX, 0.5)),
    ],
    "index_fill": [Sample((X,), (0, INDEX, 0.5)), Sample((X,), (1, INDEX, 0.5))],
    "index_fill_tensor": [Sample((X, u(seed=3)), (1, ONCE))],
    "index_copy": [
        Sample((X, u(2, 4, seed=1)), (0, ONCE)),
        Sample((X, u(3, 2, seed=1)), (1, ONCE)),
    ],
    "scatter_value": [Sample((X,), (0, PLACES, 0.5))],
    "scatter": [Sample((X, u(2, 3, seed=1)), (0, np.array([[0, 2, 1], [1, 0, 0]])))],
    "take": [Sample((X,), (FLAT,))],
    "put": [
        Sample((X, u(2, 2, seed=1)), (FLAT, True)),
        Sample((X, u(2, 2, seed=1)), (np.array([[0, 3], [5, 7]]), False)),
    ],
    "select_scatter": [Sample((X, u(4, seed=1)), (0, 1))],
    "slice_scatter": [Sample((X, u(3, 2, seed=1)), ((slice(None), slice(0, 4, 2)),))],
    "diagonal_scatter": [Sample((X, u(3, seed=1)), (1, 0, 1))],
    "as_strided_scatter": [Sample((X, u(2, 2, seed=1)), ((2, 2), (4, 2), 1))],
    "block_diag": [Sample((X, u(2, 1, seed=1)), (((0, 0), (3, 4)), (5, 5)))],
    "diagonal_copy": [Sample((X,), (1, 0, 1))],
    "scatter_reduce": REDUCED,
    "index_reduce": REDUCED,
    "repeat": [Sample((X,), ((2, 1, 3),)), Sample((u(),), ((2,),)), Sample((X,), ((0, 2),))],
    "unfold": [Sample((u(2, 7),), (1, 3, 2)), Sample((u(5, 2),), (0, 2, 1))],
    "from_windows": [Sample((u(2, 3, 3),), ((2, 7), 1, 3, 2))],
    "view_as_real": [Sample((Z,), smooth=False)],
    "view_as_complex": [Sample((u(3, 4, 2),), smooth=False)],
    "conj_physical": [Sample((Z,), smooth=False)],
    "complex": [Sample((X, u(3, 4, seed=1)), smooth=False)],
    "polar": [Sample((X, u(3, 4, seed=1)), smooth=False)],
    **{
        name: [Sample((X,), (1, (1, 3)))]
        for name in ("split_with_sizes", "unsafe_split", "unsafe_split_with_sizes")
    },
    **{
        name: [Sample((u(1, 3, 1),), ((0, 2),))]
        for name in ("squeeze_all_", "squeeze_dim_", "squeeze_many_")
    },
    "unsqueeze_": [Sample((X,), (1,))],
    "transpose_": [Sample((X,), (0, 1))],
    "t_": [Sample((X,))],
    "squeeze_all": [Sample((u(1, 3, 1),), ((0, 1, 2),))],
    "squeeze_many": [Sample((u(1, 3, 1),), ((0, 1),))],
    "unsafe_view": [Sample((u(12),), ((2, 6),))],
    "rot90": [Sample((X,), (1, (0, 1))), Sample((X,), (2, (1, 0)))],
}
