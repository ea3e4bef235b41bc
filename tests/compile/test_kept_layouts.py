"""Arguments that a backward half reads again lie there as they lay forwards."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import rushlight as rl
from rushlight.testing import assert_close

WAYS = {
    "expanded": lambda x: x[:1].expand(4, 4),
    "turned": lambda x: x.t(),
    "gaps": lambda x: x.repeat(1, 2)[:, ::2],
    "rows": lambda x: x.repeat(2, 1)[::2],
}
FORMULAS: dict[str, Callable[[Any, Any], Any]] = {
    "product": lambda x, w: x * w,
    "quotient": lambda x, w: w / (x.abs() + 1) + w**2,
    "matrix product": lambda x, w: x @ w.view(x.shape[-1], -1),
    "chain": lambda x, w: rl.linalg.multi_dot([x.t(), x, w.view(x.shape[-1], -1)]),
    "three": lambda x, w: (x * w).sin() * w,
}


@pytest.mark.parametrize("backend", ["numpy", "llvm"])
@pytest.mark.parametrize("both", [False, True], ids=["weight", "both"])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("formula", FORMULAS)
def test_gradients(formula: str, way: str, both: bool, backend: str) -> None:
    if backend == "llvm":
        pytest.importorskip("llvmlite")
    rl.manual_seed(0)
    function, base = FORMULAS[formula], rl.randn(4, 4, dtype=rl.float64)
    start = WAYS[way](base)
    weight = rl.randn(start.shape, dtype=rl.float64)
    compiled = rl.compile(function, backend=backend)
    for scale in (1.0, 2.0, -0.5):
        found = []
        for call in (function, compiled):
            # what is a leaf here lies in memory as it does in a batch that was sliced or expanded
            x = WAYS[way](base * scale).requires_grad_(both)
            w = weight.clone().requires_grad_()
            y = call(x, w)
            wanted = [x, w] if both else [w]
            found.append(rl.autograd.grad(y, wanted, rl.arange(1.0, y.numel() + 1).view(y.shape)))
        for a, b in zip(*found):
            assert_close(b, a)
    assert len(compiled.programs) == 1 and not compiled.reasons


@pytest.mark.parametrize("step", [1, 2])
def test_fields_of_records(step: int) -> None:
    """NumPy's steps may be no multiple of an element: such memory is copied before each run."""
    records = np.zeros(6, dtype=[("number", "f4"), ("flag", "i1")])
    x = rl.from_numpy(records["number"][::step])
    weight = rl.ones(len(x), requires_grad=True)
    plain, kept = rl.compile(lambda x: x * 2 + 1), rl.compile(lambda x, w: x * w)
    added = rl.compile(lambda x: x.add_(1))
    for start in (0.0, 10.0, 20.0):
        records["number"] = np.arange(6) + start
        wanted = (np.arange(6) + start)[::step]
        np.testing.assert_array_equal(plain(x).numpy(), wanted * 2 + 1)
        (found,) = rl.autograd.grad(kept(x, weight).sum(), weight)
        np.testing.assert_array_equal(found.numpy(), wanted)
        added(x)
        np.testing.assert_array_equal(records["number"][::step], wanted + 1)
    assert len(plain.programs) == len(kept.programs) == len(added.programs) == 1
