"""Samples of the ops of linear algebra, distances and Fourier transforms.

Ops that read one triangle of a symmetric matrix, and those whose vectors are free up to a phase,
are not smooth in every direction here; `tests/linalg` checks their derivatives on matrices made
symmetric, and on quantities that do not depend on the phase.
"""

import numpy as np
from sampling import Sample, uniform

u = uniform


def heavy(*shape, seed=0):
    """Matrices with a dominant diagonal: far from singular, singular values apart."""
    n = shape[-1]
    return u(*shape, low=-0.5, high=0.5, seed=seed) + np.diag(np.arange(n) + 2.0)[: shape[-2]]


def positive(*shape, seed=0):
    x = u(*shape, seed=seed)
    return x @ np.swapaxes(x, -1, -2) + np.eye(shape[-1])


def turning(*shape, seed=0):
    return u(*shape, seed=seed) + 1j * u(*shape, seed=seed + 1)


SAMPLES = {
    "linalg_solve": [Sample((heavy(3, 3), u(3, 2))), Sample((heavy(2, 3, 3), u(2, 3, 1))),
                     Sample((heavy(3, 3), u(2, 3, 2)))],
    "linalg_inv": [Sample((heavy(3, 3),)), Sample((heavy(2, 3, 3),))],
    "cofactors": [Sample((heavy(3, 3),)), Sample((np.diag([0.0, 2.0, 3.0]),), smooth=False)],
    "linalg_det": [Sample((heavy(3, 3),)), Sample((heavy(2, 2, 2),))],
    "linalg_slogdet": [Sample((heavy(3, 3),)), Sample((-heavy(2, 3, 3),))],
    "linalg_solve_triangular": [
        Sample((heavy(3, 3), u(3, 2)), (True, False)),
        Sample((heavy(2, 3, 3), u(3, 2)), (False, True)),
        Sample((heavy(5, 5), u(5, 1)), (False, False)),
        Sample((heavy(2, 3, 3), u(2, 3, 2)), (True, False, True)),
    ],
    "linalg_cholesky": [Sample((positive(3, 3),), ("linalg.cholesky",), smooth=False),
                        Sample((positive(2, 3, 3),), ("linalg.cholesky",), smooth=False)],
    "cholesky_solve": [Sample((u(3, 2), heavy(3, 3)), (False,), smooth=False),
                       Sample((u(2, 3, 1), heavy(3, 3)), (True,), smooth=False)],
    "cholesky_inverse": [Sample((heavy(3, 3),), (False,), smooth=False),
                         Sample((heavy(2, 3, 3),), (True,), smooth=False)],
    "linalg_matrix_exp": [Sample((u(3, 3),)), Sample((u(2, 2, 2) * 3,))],
    "block_triangle": [Sample((u(2, 2), u(2, 2, seed=1)))],
    "linalg_pinv": [Sample((heavy(3, 3),), (None, None, False)),
                    Sample((u(4, 2),), (1e-3, None, False)),
                    Sample((u(2, 2, 3),), (np.zeros(2), 1e-3, False))],
    "linalg_lu_factor": [Sample((heavy(3, 3),)), Sample((u(5, 3),)), Sample((u(2, 3, 4),))],
    "linalg_inv_ex": [Sample((heavy(3, 3),)), Sample((heavy(2, 3, 3),))],
    "linalg_solve_ex": [Sample((heavy(3, 3), u(3, 2))), Sample((heavy(3, 3), u(2, 3, 2)))],
    "linalg_cholesky_ex": [Sample((positive(3, 3),), (False,), smooth=False),
                           Sample((positive(2, 3, 3),), (True,), smooth=False)],
    "linalg_lu": [Sample((heavy(3, 3),)), Sample((u(5, 3),)), Sample((u(2, 3, 4),))],
    "lu_unpack": [Sample((u(3, 3),)), Sample((u(5, 3),)), Sample((u(2, 3, 4),))],
    "linalg_lu_solve": [
        Sample((heavy(3, 3), np.array([2, 2, 3], np.int32), u(3, 2)), (False,)),
        Sample((heavy(2, 3, 3), np.array([[2, 2, 3], [3, 3, 3]], np.int32), u(3, 2)), (True,)),
        Sample((heavy(3, 3), np.array([3, 2, 3], np.int32), u(2, 3, 1)), (False,)),
    ],
    "linalg_householder_product": [Sample((u(3, 3), u(3, seed=1))), Sample((u(2, 4, 3), u(2, 2))),
                                   Sample((u(4, 2), u(1)))],
    "linalg_lstsq": [Sample((u(4, 2), u(4, 3)), (1e-9, "gelsy"), smooth=False),
                     Sample((u(2, 2, 3), u(2, 2, 1)), (1e-9, "gelsd"), smooth=False),
                     Sample((heavy(3, 3), u(3, 2)), (0.0, "gels"), smooth=False)],
    "linalg_svdvals": [Sample((u(3, 2),)), Sample((heavy(2, 3, 3),))],
    "linalg_eigvalsh": [Sample((positive(3, 3),), ("L",), smooth=False)],
    "linalg_eigvals": [Sample((heavy(3, 3),), (True,), smooth=False)],
    "lu_permutation": [Sample((np.array([2, 2, 3], np.int32),), (3, np.dtype(np.float64)))],
    "linalg_qr": [Sample((heavy(3, 3),)), Sample((u(2, 4, 2),)), Sample((u(2, 5),))],
    "linalg_qr_complete": [Sample((u(4, 2),), smooth=False)],
    "linalg_qr_r": [Sample((u(4, 2),), smooth=False)],
    "linalg_svd": [Sample((u(3, 2),)), Sample((heavy(3, 3),)), Sample((u(2, 2, 4),))],
    "linalg_svd_full": [Sample((u(3, 2),), smooth=False), Sample((u(2, 2, 3),), smooth=False)],
    "linalg_eigh": [Sample((positive(3, 3),), ("L",), smooth=False)],
    "linalg_eig": [Sample((heavy(3, 3),), (True,), smooth=False)],
    "linalg_vector_norm": [
        Sample((u(3, 4, low=0.3),), (order, dims, keep))
        for order, dims, keep in (
            (2.0, None, False), (1.0, (0,), True), (3.0, (1,), False), (0.5, (0, 1), False),
            (float("inf"), (1,), False), (-float("inf"), None, True), (-1.5, (0,), False),
        )
    ] + [Sample((u(3, 4),), (0.0, None, False), smooth=False)],
    "cdist": [Sample((u(3, 2), u(4, 2, seed=1) + 5), (False,)),
              Sample((u(2, 3, 2), u(4, 2, seed=1) + 5), (True,))],
    "pdist": [
        Sample((u(4, 3, low=0.1) * np.arange(1.0, 5.0)[:, None],), (order,))
        for order in (1.0, 1.5, 2.0, 3.0, float("inf"))
    ] + [Sample((u(4, 3),), (0.0,), smooth=False)],
    "pull_pairs": [Sample((u(6), u(4, 3, seed=1)))],
    "pair_dots": [Sample((u(4, 3), u(4, 3, seed=1)))],
    "fft_c2c": [Sample((turning(3, 4),), ((1,), True, 1.0), smooth=False),
                Sample((turning(3, 4),), ((0, 1), False, 0.5), smooth=False)],
    "fft_r2c": [Sample((u(3, 4),), ((0, 1), 1.0), smooth=False)],
    "fft_c2r": [Sample((turning(3, 3),), ((0, 1), 5, 1.0), smooth=False)],
}  # fmt: skip
