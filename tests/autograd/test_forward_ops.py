"""Forward mode of every op: against differences, against reverse mode, and mixed with it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rushlight as rl
from rushlight.autograd.batched import RULES, SILENT
from rushlight.autograd.dual import push
from rushlight.autograd.pushes import PUSHES
from rushlight.autograd.transpose import push_by_pull
from rushlight.core.dispatch import apply
from rushlight.core.primitive import REGISTRY, General, Primitive
from rushlight.core.tensor import wrap

sys.path.insert(0, str(Path(__file__).parent))
from op_samples import (
    SMOOTH,
    Sample,
    direction,
    floats,
    is_float,
    outputs_of,
    scalar_of,
    tensors,
)


def test_rules_belong_to_ops() -> None:
    assert not PUSHES.keys() - REGISTRY.keys()
    assert not (RULES.keys() | SILENT) - REGISTRY.keys()


@pytest.mark.parametrize(("prim", "sample"), SMOOTH)
def test_push_against_differences_and_pull(prim: Primitive, sample: Sample) -> None:
    """J t = (f(x + h t) - f(x - h t)) / 2h, and <v, J t> = <J' v, t>."""
    xs = floats(sample)
    ts = [direction(x.shape, 100 + i) for i, x in enumerate(xs)]

    def function(*values: Any) -> Any:
        return outputs_of(prim, sample, values)

    ys, pushed = rl.func.jvp(function, tensors(xs), tensors(ts))
    step = 1e-5
    ends = [function(*tensors([x + s * t for x, t in zip(xs, ts)])) for s in (step, -step)]
    vs = [direction(y.shape, 7 + i) for i, y in enumerate(ys)]
    for t, high, low in zip(pushed, *ends):
        assert t.dtype is rl.float64
        measured = (high._array - low._array) / (2 * step)
        np.testing.assert_allclose(t._array, measured, rtol=2e-5, atol=2e-5)
    _, pull = rl.func.vjp(function, *tensors(xs))
    pulled = pull(tensors(vs))
    left = sum(float((v * t._array).sum()) for v, t in zip(vs, pushed))
    right = sum(float((g._array * t).sum()) for g, t in zip(pulled, ts))
    np.testing.assert_allclose(left, right, rtol=1e-9, atol=1e-9)


WRITTEN = [
    case for case in SMOOTH
    if isinstance(case.values[0].rule, General) and case.values[0].name in PUSHES
]  # fmt: skip


@pytest.mark.parametrize(("prim", "sample"), WRITTEN)
def test_written_push_equals_the_transposed_pull(prim: Primitive, sample: Sample) -> None:
    if prim.name == "logcumsumexp":
        return  # its pull is linear only piece by piece
    primals = [wrap(x.copy()) if isinstance(x, np.ndarray) else x for x in sample.inputs]
    ts = [wrap(direction(x.shape, i)) if is_float(x) else None for i, x in enumerate(sample.inputs)]
    y = apply(prim, tuple(primals), sample.params)
    found, wanted = (rule(prim, primals, ts, y, sample.params) for rule in (push, push_by_pull))
    several = isinstance(y, tuple)
    for one, two in zip(found if several else (found,), wanted if several else (wanted,)):
        if one is not None and two is not None:
            np.testing.assert_allclose(
                np.broadcast_to(one._array, two.shape), two._array, rtol=1e-9, atol=1e-9
            )
        else:
            assert all(t is None or not t._array.any() for t in (one, two))


@pytest.mark.parametrize(("prim", "sample"), SMOOTH)
def test_second_order_in_all_orders(prim: Primitive, sample: Sample) -> None:
    """Forward over reverse, reverse over reverse and reverse over forward give one H v."""
    function, xs = scalar_of(prim, sample), floats(sample)
    places = tuple(range(len(xs)))
    primals, vs = tensors(xs), tensors([direction(x.shape, 50 + i) for i, x in enumerate(xs)])
    slope = rl.func.grad(function, places)
    forward_reverse = rl.func.jvp(slope, primals, vs)[1]

    def along(*values: Any) -> Any:
        return sum(((g * v).sum() for g, v in zip(slope(*values), vs)), rl.zeros(()).double())

    reverse_reverse = rl.func.grad(along, places)(*primals)
    reverse_forward = rl.func.grad(
        lambda *values: rl.func.jvp(function, values, vs)[1], places
    )(*primals)  # fmt: skip
    for a, b, c in zip(forward_reverse, reverse_reverse, reverse_forward):
        np.testing.assert_allclose(a._array, b._array, rtol=1e-7, atol=1e-8)
        np.testing.assert_allclose(c._array, b._array, rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize(("prim", "sample"), SMOOTH)
def test_float32_tangents_stay_float32(prim: Primitive, sample: Sample) -> None:
    xs = [x.astype(np.float32) for x in floats(sample)]
    ts = [direction(x.shape, i).astype(np.float32) for i, x in enumerate(xs)]

    def function(*values: Any) -> Any:
        return outputs_of(prim, sample, values)

    ys, pushed = rl.func.jvp(function, tensors(xs), tensors(ts))
    for y, t in zip(ys, pushed):
        assert t.dtype is y.dtype
        assert t.shape == y.shape
