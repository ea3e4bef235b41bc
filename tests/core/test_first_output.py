"""Ops of several outputs asked for their first alone, and what else few elements take at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import rushlight as rl
from rushlight import func
from rushlight.core.numbers import anywhere, everywhere
from rushlight.functions import neural as n


def _operands() -> list[Any]:
    """Rows, their weights and biases, all of which want gradients."""
    numbers = np.random.default_rng(0).standard_normal((6, 4)).astype(np.float32)
    given = [numbers, numbers[0] + 2, numbers[1]]
    return [rl.tensor(one).requires_grad_() for one in given]


def test_the_first_output_alone_is_the_first_of_all() -> None:
    found = []
    for op in (lambda *xs: n.standardise(*xs)[0], n.standardise.first):
        operands = _operands()
        y = op(*operands, (1,), 1e-5)
        (y * y).sum().backward()
        found.append([y.detach(), *[one.grad for one in operands]])
    for ours, wanted in zip(*found):
        assert rl.equal(ours, wanted)


def test_it_is_found_inside_transforms_too() -> None:
    x, w, b = (one.detach() for one in _operands())
    call = lambda op: func.vmap(lambda row: op(row))(x)
    alone = call(lambda row: n.standardise.first(row, w, b, (0,), 1e-5))
    assert rl.equal(alone, call(lambda row: n.standardise(row, w, b, (0,), 1e-5)[0]))
    tangent = func.jvp(lambda x: n.standardise.first(x, w, b, (1,), 1e-5), (x,), (x,))[1]
    assert rl.equal(
        tangent, func.jvp(lambda x: n.standardise(x, w, b, (1,), 1e-5)[0], (x,), (x,))[1]
    )


@pytest.mark.parametrize("kept", [(), (3,), (0, 1, 2, 3)])
def test_masks_are_searched(kept: tuple[int, ...]) -> None:
    mask = np.zeros((2, 2), bool)
    mask.reshape(-1)[list(kept)] = True
    for seen in (mask, mask.T):
        assert anywhere(seen) == bool(kept)
        assert everywhere(seen) == (len(kept) == 4)


def test_known_statistics_norm_alike_whether_recorded_or_not() -> None:
    x, w, b = _operands()
    mean, variance = rl.arange(4) * 1.0, rl.arange(4) + 0.5
    norm = lambda: rl.nn.functional.batch_norm(x, mean, variance, w, b)
    recorded = norm()
    with rl.no_grad():
        assert rl.equal(norm(), recorded.detach())
    wide = (x - mean) / (variance + 1e-5).sqrt() * w + b
    assert rl.allclose(recorded, wide, atol=1e-5)


def test_a_view_for_an_op_alone_is_part_of_the_history() -> None:
    x = rl.ones(2, 3).requires_grad_()
    (n.inner_view(x, (3, 2)) * rl.arange(6).reshape(3, 2)).sum().backward()
    assert x.grad is not None and x.grad.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert n.inner_view(None, (3, 2)) is None
    turned = rl.arange(6).reshape(2, 3).t()
    assert n.inner_view(turned, (6,)).tolist() == [0, 3, 1, 4, 2, 5]
