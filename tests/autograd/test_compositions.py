"""Transforms of transforms, of every op of the registry: each order gives the same numbers."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rushlight as rl
from rushlight.core.primitive import Primitive
from rushlight.func import grad, jacfwd, jacrev, jvp, linearize, vmap

sys.path.insert(0, str(Path(__file__).parent))
from op_samples import SMOOTH, Sample, direction, floats, outputs_of, tensors

MOST = 24  # elements of the inputs of which whole Jacobians are made
# their gradient leaves out what their tangent has (rows of padding), or has no derivative
ONE_WAY = {"embedding", "ctc_loss"}
pytestmark = pytest.mark.filterwarnings("ignore:There is a performance drop")
TAKEN = [
    case for case in SMOOTH
    if case.values[0].name not in ONE_WAY and floats(case.values[1])  # type: ignore[union-attr]  # a Primitive and a Sample
]  # fmt: skip


def close(found: Any, wanted: Any) -> None:
    for a, b in zip(found, wanted, strict=True):
        assert a.dtype is b.dtype and a.shape == b.shape
        scale = 1 + np.abs(b.numpy()).max(initial=0)
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-7, atol=1e-7 * scale)


def taken_apart(sample: Sample) -> tuple[Any, Any, Any]:
    """The operands to differentiate by, and two directions."""
    xs = floats(sample)
    ways = [[direction(x.shape, seed + i) for i, x in enumerate(xs)] for seed in (7, 70)]
    return tensors(xs), tensors(ways[0]), tensors(ways[1])


def in_a_loop(function: Callable[..., Any], columns: Any) -> Any:
    rows = [function(*row) for row in zip(*columns)]
    return [rl.stack(parts) for parts in zip(*rows)]


@pytest.mark.parametrize(("prim", "sample"), TAKEN)
def test_tangents_in_every_order(prim: Primitive, sample: Sample) -> None:
    xs, ts, us = taken_apart(sample)

    def function(*values: Any) -> Any:
        return outputs_of(prim, sample, values)

    def pushed(*ways: Any) -> Any:
        return jvp(function, xs, ways)[1]

    t = pushed(*ts)
    close(linearize(function, *xs)[1](*ts), t)
    ways = [rl.stack([a, b, a - b]) for a, b in zip(ts, us)]
    close(vmap(pushed)(*ways), in_a_loop(pushed, ways))
    many = [rl.stack([x, x]) for x in xs]
    several = jvp(lambda *xs: vmap(function)(*xs), tuple(many), tuple(w[:2] for w in ways))[1]
    close(several, in_a_loop(pushed, [w[:2] for w in ways]))


SMALL = [
    case for case in TAKEN
    if sum(x.size for x in floats(case.values[1])) <= MOST  # type: ignore[arg-type]  # a Sample
]  # fmt: skip


@pytest.mark.parametrize(("prim", "sample"), SMALL)
def test_jacobians_of_both_modes_agree(prim: Primitive, sample: Sample) -> None:
    xs, _, _ = taken_apart(sample)

    def function(*values: Any) -> Any:
        return outputs_of(prim, sample, values)

    every = tuple(range(len(xs)))
    forward, reverse = (make(function, argnums=every)(*xs) for make in (jacfwd, jacrev))
    for row, other in zip(forward, reverse, strict=True):
        close(row, other)


def test_numbers_in_the_place_of_weights_and_single_numbers() -> None:
    x, y = rl.tensor([[1.0, 2.0]]), rl.tensor([[3.0, 5.0]])
    slope = grad(lambda x: (rl.lerp(x, y, 0.25) ** 2).sum())
    assert jvp(slope, (x,), (y,))[1].tolist() == [[3.375, 5.625]]
    one, two = rl.tensor(1.5), rl.tensor(2.0)
    assert jvp(rl.linalg.vector_norm, (one,), (two,))[1].item() == 2
    assert jvp(lambda x: rl.prod(x, 0), (one,), (two,))[1].item() == 2
    z = rl.tensor([1 + 2j, 0])
    assert grad(lambda z: rl.linalg.vector_norm(z, 0))(z).tolist() == [0, 0]
    assert grad(lambda z: rl.linalg.vector_norm(z, 0))(z).dtype is rl.complex64


def test_batches_of_diagonals_masks_and_quantiles() -> None:
    x, one = rl.arange(12.0).reshape(3, 2, 2), rl.tensor([1.0, float("nan"), 3.0])
    placed = vmap(lambda x: rl.diagonal_scatter(x, x[0] * 10, 1)[:, 1])
    with pytest.raises(RuntimeError, match="src size = \\[2\\], slice size = \\[1\\]"):
        placed(x)
    found = vmap(lambda x: rl.diagonal_scatter(x, x[0] * 10))(x)
    assert found.tolist() == [rl.diagonal_scatter(row, row[0] * 10).tolist() for row in x]
    assert vmap(lambda x: x.masked_select(rl.tensor(True)))(one[::2]).tolist() == [[1.0], [3.0]]
    assert vmap(lambda x: x.unfold(0, 1, 1))(one[::2]).tolist() == [[1.0], [3.0]]
    rows = rl.stack([one, one * 2])
    assert vmap(lambda x: rl.nanquantile(x, 0.5))(rows).tolist() == [2.0, 4.0]
