"""Gradients and states lie in memory as their leaves, compiled as eagerly."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import rushlight as rl
from rushlight import nn
from rushlight.core.memory import laid_as, outward, packed
from rushlight.testing import assert_close


def _step() -> tuple[list[nn.Parameter], rl.optim.Adam, Callable[[rl.Tensor], rl.Tensor]]:
    rl.manual_seed(0)
    made = [
        rl.randn(4, 3, 3, 3).to(memory_format=rl.channels_last), rl.randn(4, 5).t(),
        rl.randn(3, 4, 5).permute(2, 0, 1), rl.randn(4, 6), rl.randn(6, 4)[::2],
    ]  # fmt: skip
    own = [nn.Parameter(x) for x in made]
    optimizer = rl.optim.Adam(own)

    def step(x: rl.Tensor) -> rl.Tensor:
        optimizer.zero_grad()
        loss = nn.functional.conv2d(x, own[0]).square().mean() + (own[1] @ own[3]).exp().mean()
        loss = loss + (own[2].sin() * own[2]).sum() + own[4].pow(2).sum()
        loss.backward()
        optimizer.step()
        return loss

    return own, optimizer, step


@pytest.mark.parametrize("keeps", [False, True])
def test_a_compiled_step_lays_them_as_the_eager_one(keeps: bool) -> None:
    eager, compiled = _step(), _step()
    program, kept = rl.compile(compiled[2]), []
    for _ in range(5):
        x = rl.randn(2, 3, 8, 8)
        assert_close(program(x), eager[2](x))
        for theirs, ours in zip(eager[0], compiled[0]):
            assert theirs.grad is not None and ours.grad is not None
            assert theirs.grad.stride() == ours.grad.stride()
            assert_close(ours.grad, theirs.grad)
            assert_close(ours, theirs)
            states = eager[1].state[theirs], compiled[1].state[ours]
            assert [s["exp_avg"].stride() for s in states] == [ours.grad.stride()] * 2
            if keeps:  # a gradient that somebody holds is not written again
                kept.append((ours.grad.mT, ours.grad.mT.clone()))
    assert all((held == then).all() for held, then in kept)
    assert program.explain().programs


def test_a_copy_in_the_order_of_another() -> None:
    rows = rl.arange(24.0).reshape(2, 3, 4).numpy()
    for order in [(0, 1, 2), (2, 0, 1), (1, 2, 0)]:
        like = rl.empty(5, 6, 7).numpy().transpose(order)[: 2 + 3, :, :]
        dense = packed(like, outward(like))
        found = laid_as(like * 0 + 1, like)
        assert packed(found, outward(like) if dense else range(3))
    assert laid_as(rows, rows) is rows
