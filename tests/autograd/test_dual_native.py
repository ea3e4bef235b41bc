"""Tangents of large arrays by native programs: what the pushes say op by op."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rushlight as rl
from rushlight.autograd.dual_native import WORTH
from rushlight.core.heavy import FORMS, SWITCH
from rushlight.core.primitive import REGISTRY, Primitive
from rushlight.func import jvp

sys.path.insert(0, str(Path(__file__).parent))
from op_samples import SMOOTH, Sample, direction, floats, outputs_of, tensors

pytest.importorskip("llvmlite")
TAKEN = [one for one in SMOOTH if one.values[0].name in WORTH]  # type: ignore[union-attr]  # a Primitive


def test_they_are_ops_with_samples() -> None:
    assert not WORTH - REGISTRY.keys()
    assert {one.values[0].name for one in TAKEN} == WORTH  # type: ignore[union-attr]  # a Primitive


@pytest.mark.parametrize(("prim", "sample"), TAKEN)
def test_programs_find_the_tangents_of_pushes(
    prim: Primitive, sample: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    xs = floats(sample)
    ts = [direction(x.shape, 100 + i) for i, x in enumerate(xs)]

    def pushed() -> Any:
        return jvp(lambda *xs: outputs_of(prim, sample, xs), tensors(xs), tensors(ts))[1]

    monkeypatch.setattr(SWITCH, "least", 1 << 30)
    by_pushes = pushed()
    monkeypatch.setattr(SWITCH, "least", 0)
    for one, other in zip(pushed(), by_pushes):
        assert one.dtype is other.dtype and one.shape == other.shape
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=1e-10, atol=1e-12)


EDGES = {
    "a row whose extremum is shared": (lambda x: x.amax(1), [[2.0, 2.0, 1.0], [0.0, 3.0, 3.0]]),
    "the largest of all, shared": (lambda x: x.max(), [[2.0, 3.0], [3.0, 3.0]]),
    "the norm of nothing but zeros": (lambda x: x.norm(dim=1), [[0.0, 0.0], [3.0, 4.0]]),
    "rows that do not vary": (lambda x: x.std(1), [[1.0, 1.0], [1.0, 3.0]]),
    "rows that are not numbers": (lambda x: x.amax(1), [[float("nan"), 1.0], [2.0, 1.0]]),
    "minus infinity": (lambda x: x.logsumexp(1), [[-float("inf"), 1.0], [2.0, 1.0]]),
}


@pytest.mark.parametrize("case", EDGES)
def test_edges_are_those_of_pushes(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    function, values = EDGES[case]
    x = rl.tensor(values)
    t = rl.arange(1.0, 1.0 + x.numel()).reshape(x.shape)
    t.view(-1)[1] = float("inf")
    monkeypatch.setattr(SWITCH, "least", 1 << 30)
    by_pushes = jvp(function, (x,), (t,))[1]
    monkeypatch.setattr(SWITCH, "least", 0)
    by_program = jvp(function, (x,), (t,))[1]
    np.testing.assert_allclose(by_program.numpy(), by_pushes.numpy(), rtol=1e-6)


def test_a_large_array_is_pushed_by_a_program() -> None:
    x = rl.linspace(-1.0, 1.0, 91 * 92).reshape(91, 92)
    for _ in range(2):
        jvp(lambda x: rl.nn.functional.layer_norm(x, (92,)), (x,), (x,))
    form = next(key for key in FORMS if key[0] == "tangent standardise" and (91, 92) in key)
    assert FORMS[form] is not None
