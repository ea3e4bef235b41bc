"""What hooks ask to be called at the end of the backward pass that they run in."""

from __future__ import annotations

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
