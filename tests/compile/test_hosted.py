"""Functions that a program calls as they are: tensors arrive where they were given."""

from __future__ import annotations

from typing import Any

import pytest

import rushlight as rl
from rushlight.testing import assert_close

X, WEIGHT = rl.tensor([[10.0, 20.0], [30.0, 40.0]]), rl.tensor([[1.0, 2.0], [3.0, 4.0]])
CALLS: dict[str, Any] = {
    "histogram": lambda x, w: rl.histogram(x, 3, weight=w),
    "histogram of a range": lambda x, w: rl.histogram(x, 3, range=(0.0, 50.0), weight=w),
    "histogram by edges": lambda x, w: rl.histogram(x, bins=x[0] * 1.5, weight=w),
    "histc": lambda x, w: (rl.histc(input=x * w, bins=4), rl.histc(w, 3)),
    "matrix_rank": lambda x, w: rl.linalg.matrix_rank(x, atol=w[0] * 2, rtol=w[1] / 50),
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("backend", ["numpy", "llvm"])
def test_arguments_keep_their_places(name: str, backend: str) -> None:
    if backend == "llvm":
        pytest.importorskip("llvmlite")
    function = CALLS[name]
    program = rl.compile(function, backend=backend, fullgraph=True)
    for scale in (1.0, 2.0, 0.5):
        found, wanted = program(X * scale, WEIGHT), function(X * scale, WEIGHT)
        parts = [(found, wanted)] if isinstance(wanted, rl.Tensor) else zip(found, wanted)
        for a, b in parts:
            assert_close(a, b)
    assert len(program.programs) == 1
