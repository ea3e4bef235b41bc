"""Places of nonzero elements are NumPy's, in its order and layout, for few elements and many."""

from __future__ import annotations

import numpy as np
import pytest

import rushlight as rl

SHAPES = ((), (0,), (5,), (2000,), (0, 3), (3, 4), (60, 70), (1500, 1), (1, 1500), (12, 10, 11),
          (3, 5, 7, 11), (2, 0, 4))  # fmt: skip
KINDS = ("?", "u1", "i4", "i8", "f2", "f4", "f8", "c8")


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 1.0])
def test_places_of_nonzero_elements(share: float) -> None:
    rng = np.random.default_rng(7)
    for shape in SHAPES:
        for kind in KINDS:
            x = np.where(rng.random(shape) < share, rng.integers(1, 9, shape), 0).astype(kind)
            if kind[0] in "fc" and x.size > 3:
                x.reshape(-1)[:3] = np.nan, -0.0, np.inf
            for part in (x, x.T, x[..., ::2] if x.ndim else x):
                given = rl.from_numpy(part)
                wanted = np.argwhere(part)
                found = given.nonzero()
                assert found.dtype is rl.int64 and found.shape == wanted.shape
                assert np.array_equal(found.numpy(), wanted)
                if len(wanted) > 1 and wanted.shape[1] > 1:
                    assert found.stride() == (1, len(wanted))
                columns = given.nonzero(as_tuple=True)
                assert len(columns) == max(part.ndim, 1)
                if part.ndim:
                    assert all(map(np.array_equal, columns, part.nonzero()))
    halves = rl.tensor([0.0, 2.0, rl.nan], dtype=rl.bfloat16).repeat(700)
    assert len(halves.nonzero()) == 1400
