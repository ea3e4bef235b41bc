"""Tensors whose memory several processes write: `share_memory_`, and what is sent to a process."""

from __future__ import annotations

import multiprocessing
import os
from multiprocessing.reduction import ForkingPickler
from typing import Any

import pytest

import rushlight as rl
from rushlight import multiprocessing as ours

assert ours.Process is multiprocessing.Process  # and what it sends is sent so
METHODS = [
    "spawn",
    pytest.param("fork", marks=pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")),
]


def _step(net: Any, *rest: Any) -> None:
    optimizer = rl.optim.SGD(net.parameters(), lr=0.5)
    net(rl.ones(1, 2)).sum().backward()
    optimizer.step()


def _raise_all(*tensors: Any) -> None:
    for tensor in tensors:
        tensor += 1


def _raise_received(queue: Any, done: Any) -> None:
    _raise_all(queue.get())
    done.put("raised")


def _run(method: str, function: Any, *args: Any) -> None:
    context: Any = multiprocessing.get_context(method)
    process = context.Process(target=function, args=args)
    process.start()
    process.join(60)
    assert process.exitcode == 0


@pytest.mark.parametrize("method", METHODS)
def test_a_step_in_another_process_is_seen_here(method: str) -> None:
    net = rl.nn.Linear(2, 1)
    before = net.weight.detach().clone()
    weight = net.weight
    assert net.share_memory() is net and net.weight is weight and net.bias.is_shared()
    _run(method, _step, net)
    assert rl.equal(net.weight, before - 0.5)
    assert weight.grad is None  # gradients are each process's own


def test_arguments_of_a_fresh_process_are_the_same_memory_there() -> None:
    net, whole = rl.nn.Linear(2, 1), rl.zeros(2, 3)
    before, column = net.weight.detach().clone(), whole[:, 1]
    assert not whole.is_shared()
    _run("spawn", _step, net)
    _run("spawn", _raise_all, whole, column)
    assert rl.equal(net.weight, before - 0.5) and net.weight.requires_grad
    assert whole.tolist() == [[1, 2, 1], [1, 2, 1]] and column.tolist() == [2, 2]
    assert whole.is_shared() and whole.untyped_storage().is_shared()


def test_a_forked_process_writes_its_own_copy_of_what_is_not_shared() -> None:
    if hasattr(os, "fork"):
        x = rl.zeros(2)
        _run("fork", _raise_all, x)
        assert x.tolist() == [0, 0]


@pytest.mark.parametrize("method", METHODS)
def test_through_a_queue_shared_memory_stays_the_same(method: str) -> None:
    context: Any = multiprocessing.get_context(method)
    queue, done = context.Queue(), context.Queue()
    process = context.Process(target=_raise_received, args=(queue, done))
    process.start()
    x = rl.arange(3).share_memory_()
    queue.put(x)
    assert done.get(timeout=200) == "raised"
    process.join(60)
    assert x.tolist() == [1, 2, 3]


def test_views_go_on_sharing() -> None:
    x = rl.arange(6.0).reshape(2, 3)
    row, other = x[0], x.detach()
    row.share_memory_()  # recorded views and their base follow ...
    row.zero_()
    assert x.tolist() == [[0, 0, 0], [3, 4, 5]] and x.is_shared()
    assert not other.is_shared() and other.share_memory_()[0].tolist() == [0, 0, 0]
    assert x.t().share_memory_().is_shared() and x.t().stride() == (1, 3)


@pytest.mark.parametrize("dtype", [rl.bfloat16, rl.complex64, rl.bool, rl.int64])
def test_every_type_keeps_its_values(dtype: Any) -> None:
    x = rl.arange(4).to(dtype)
    assert rl.equal(x.clone().share_memory_(), x)
    assert rl.ones(0, dtype=dtype).share_memory_().shape == (0,)


def test_what_has_a_history_is_not_sent() -> None:
    x = rl.ones(2, requires_grad=True) * 2
    with pytest.raises(RuntimeError, match="Cowardly refusing to serialize non-leaf tensor"):
        ForkingPickler.dumps(x)
