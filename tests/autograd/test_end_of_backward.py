"""What hooks ask to be called at the end of the backward pass that they run in."""

from __future__ import annotations

import numpy as np
import pytest

import rushlight as rl
from rushlight.utils.checkpoint import checkpoint

ENGINE = rl.autograd.Variable._execution_engine


def test_a_callback_runs_after_all_gradients_are_there() -> None:
    a, b = (rl.ones(2, requires_grad=True) for _ in "ab")
    seen = []
    queue = lambda _: ENGINE.queue_callback(lambda: seen.append((a.grad, b.grad)))
    for x in (a, b):
        x.register_post_accumulate_grad_hook(queue)
    (a * b).sum().backward()
    assert len(seen) == 2 and all(x is not None and y is not None for x, y in seen)
    (a * b).sum().backward()
    assert len(seen) == 4, "each is called once"


def test_a_callback_from_an_inner_backward_waits_for_the_outer_one() -> None:
    first, second = (rl.ones(2, requires_grad=True) for _ in "ab")
    seen = []
    queue = lambda _: ENGINE.queue_callback(lambda: seen.append(first.grad))
    second.register_post_accumulate_grad_hook(queue)
    checkpoint(lambda x: x * second, first * 3, use_reentrant=True).sum().backward()
    assert [one.tolist() for one in seen] == [[3, 3]]


def test_a_backward_that_fails_leaves_the_next_ones_alone() -> None:
    x = rl.ones(2, requires_grad=True)

    def refuse(_: rl.Tensor) -> None:
        raise ValueError("no")

    y = x * 2
    y.register_hook(refuse)
    with pytest.raises(ValueError):
        y.sum().backward()
    seen = []
    x.register_post_accumulate_grad_hook(lambda _: ENGINE.queue_callback(lambda: seen.append(1)))
    (x * 2).sum().backward()
    assert seen == [1]


def test_memory_from_outside_counts_as_unwritten_until_it_is_written() -> None:
    weight = rl.ones(2000, requires_grad=True)
    given = rl.from_numpy(np.ones(2000, np.float32))
    loss, other = (given * weight).sum(), rl.ones(3)
    other.add_(1)  # some write, so that backward looks what was written
    loss.backward()
    assert weight.grad is not None and weight.grad[0] == 1
    loss = (given * weight).sum()
    given.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_a_callback_may_ask_for_another() -> None:
    queue, seen = rl.autograd.Variable._execution_engine.queue_callback, []
    x = rl.ones(2, requires_grad=True)

    def ask(g: rl.Tensor) -> None:
        queue(lambda: (seen.append("first"), queue(lambda: seen.append("second"))))

    x.register_hook(ask)
    x.sum().backward()
    assert seen == ["first", "second"]
