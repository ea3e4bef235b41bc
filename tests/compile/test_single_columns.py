"""Products of one column or row with something after them that does not lie as they do."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

import rushlight as rl

SIZES = [(25, 10, 40, 1), (12, 16, 40, 1), (25, 1, 64, 9), (40, 1, 64, 1), (30, 7, 33, 1)]
ENDS = {
    "by row": lambda y, s: y * s,
    "by row, turned": lambda y, s: (y * s).permute(2, 1, 0),
    "by row and by itself": lambda y, s: (y - s, (y * s).relu()),
    "by row, kept": lambda y, s: (y, y + s),
    "by sample": lambda y, s: y * s[:1] + rl.arange(len(y)).float()[:, None, None],
}


@pytest.mark.parametrize(("sizes", "end"), [*itertools.product(SIZES, ENDS)])
def test_what_follows_a_product_of_one_column(sizes: tuple[int, ...], end: str) -> None:
    samples, rows, inner, columns = sizes
    x, w, s = rl.randn(samples, rows, inner), rl.randn(columns, inner), rl.rand(rows, 1)

    def run(x: Any, w: Any, s: Any) -> Any:
        return ENDS[end](x @ w.T, s)

    found, wanted = rl.compile(run, fullgraph=True)(x, w, s), run(x, w, s)
    for one, other in zip(*(y if isinstance(y, tuple) else (y,) for y in (found, wanted))):
        rl.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)
