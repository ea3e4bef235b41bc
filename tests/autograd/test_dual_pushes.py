"""Pushes on bare arrays: what the general way of forward mode finds for the same op, to the bit."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rushlight as rl
from rushlight.autograd import dual_short
from rushlight.autograd.pushes import ON_ARRAYS, PUSHES
from rushlight.core.primitive import REGISTRY, Primitive

sys.path.insert(0, str(Path(__file__).parent))
from op_samples import SMOOTH, Sample, direction, floats, outputs_of, tensors

TAKEN = [one for one in SMOOTH if one.values[0].name in ON_ARRAYS]  # type: ignore[union-attr]  # a Primitive


def test_they_are_pushes_of_ops() -> None:
    assert PUSHES.keys() >= ON_ARRAYS and not ON_ARRAYS - REGISTRY.keys()
    assert len({one.values[0].name for one in TAKEN}) > 50  # type: ignore[union-attr]  # a Primitive


@pytest.mark.parametrize(("prim", "sample"), TAKEN)
@pytest.mark.parametrize("kind", ["f", "d"])
def test_the_same_bits_as_on_tensors(
    prim: Primitive, sample: Sample, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    xs = [x.astype(kind) for x in floats(sample)]
    ts = [direction(x.shape, 100 + i).astype(kind) for i, x in enumerate(xs)]

    def function(*values: Any) -> Any:
        return outputs_of(prim, sample, values)

    short = rl.func.jvp(function, tensors(xs), tensors(ts))
    monkeypatch.setattr(dual_short, "_way", lambda prim: dual_short._general)
    dual_short.WAYS.clear()
    try:
        general = rl.func.jvp(function, tensors(xs), tensors(ts))
    finally:
        dual_short.WAYS.clear()
    for ours, others in zip(short, general):
        for one, other in zip(ours, others):
            assert one.dtype is other.dtype
            np.testing.assert_array_equal(one.numpy(), other.numpy())


def test_places_and_masks_beside_floats_stay_what_they_are() -> None:
    x, mask = rl.tensor([[1.0, -2.0], [3.0, 4.0]]), rl.tensor([[True, False], [False, True]])
    y, t = rl.func.jvp(lambda x: rl.where(mask, x * x, x), (x,), (rl.ones(2, 2),))
    assert y.tolist() == [[1.0, -2.0], [3.0, 16.0]] and t.tolist() == [[2.0, 1.0], [1.0, 8.0]]


def test_floats_of_two_types_go_the_general_way() -> None:
    x, wide = rl.tensor([1.0, 2.0]), rl.tensor([3.0], dtype=rl.float64)
    y, t = rl.func.jvp(lambda x: rl.cat((x, wide)), (x,), (rl.ones(2),))
    assert y.dtype is t.dtype is rl.float64 and t.tolist() == [1.0, 1.0, 0.0]


def test_parts_of_a_split_are_views_of_what_was_split() -> None:
    def first(x: Any) -> Any:
        whole = x * 1.0
        a, b = whole.split(1)
        a.mul_(3.0)
        return whole + b * 0

    y, t = rl.func.jvp(first, (rl.tensor([1.0, 2.0]),), (rl.ones(2),))
    assert y.tolist() == [3.0, 2.0] and t.tolist() == [3.0, 1.0]


PAIRS = ([1.0, 2.0, -3.0], [2.0, 1.0, -4.0]), ([1.0, 2.0, 0.0], [1.0, 3.0, 0.0])


@pytest.mark.parametrize("name", ["maximum", "minimum"])
@pytest.mark.parametrize("pair", PAIRS)
def test_extremes_of_two_share_ties_as_their_rule_says(name: str, pair: Any) -> None:
    a, b = map(rl.tensor, pair)
    t, u = rl.tensor([1.0, 10.0, 100.0]), rl.tensor([2.0, 20.0, 200.0])
    function = getattr(rl, name)
    for given, tangents in (((a, b), (t, u)), ((a,), (t,)), ((b,), (u,))):
        others = () if len(given) == 2 else (b,) if given[0] is a else (a,)
        _, found = rl.func.jvp(lambda *xs, o=others: function(*xs, *o), given, tangents)
        leaves = [x.clone().requires_grad_() for x in given]
        rules = [rl.autograd.grad(function(*leaves, *others).sum(), x)[0] for x in leaves]
        wanted = sum(t * rule for t, rule in zip(tangents, rules))
        assert found.dtype is rl.float32 and found.tolist() == wanted.tolist()


def test_comparisons_of_duals_are_plain_and_magnitudes_follow_signs() -> None:
    x = rl.tensor([[1.0, -2.0], [0.0, 4.0]])
    seen = []

    def function(x: Any) -> Any:
        seen.append((x > 0.5, x == x, x != 1))
        return x.abs()

    y, t = rl.func.jvp(function, (x,), (rl.full((2, 2), 3.0),))
    assert y.tolist() == [[1.0, 2.0], [0.0, 4.0]] and t.tolist() == [[3.0, -3.0], [0.0, 3.0]]
    larger, same, other = (one.tolist() for one in seen[0])
    assert larger == [[True, False], [False, True]] and same == [[True, True], [True, True]]
    assert other == [[False, True], [True, True]]
    assert all(type(one._array) is np.ndarray for one in seen[0])


@pytest.mark.filterwarnings("ignore:var.*degrees of freedom")
def test_variances_with_corrections_beyond_their_numbers_push_as_they_pull() -> None:
    x, t = rl.tensor([1.0, 2.0, 4.0]), rl.tensor([1.0, 0.0, 2.0])
    for correction in (0, 1, 5):
        function = lambda x, c=correction: x.var(0, correction=c)
        pushed = rl.func.jvp(function, (x,), (t,))[1]
        assert pushed.allclose(rl.func.grad(function)(x) @ t)
