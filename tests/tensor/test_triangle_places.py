"""The places of triangles, beside NumPy's masks, on either side of where the way changes."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

import rushlight as rl

SIZES = (0, 1, 2, 3, 7, 63, 64, 65, 130)
OFFSETS = (-(10**9), -5000, -131, -3, -1, 0, 1, 2, 64, 129, 4999, 10**9)


@pytest.mark.parametrize("dtype", [rl.int64, rl.int32])
def test_places_of_triangles(dtype: rl.dtype) -> None:
    for row, col, offset in product(SIZES, SIZES, OFFSETS):
        apart = np.arange(col) - np.arange(row)[:, None]
        for call, mask in ((rl.tril_indices, apart <= offset), (rl.triu_indices, apart >= offset)):
            found = call(row, col, offset, dtype=dtype)
            assert found.dtype is dtype and found.is_contiguous()
            assert np.array_equal(found.numpy(), np.stack(mask.nonzero()))
