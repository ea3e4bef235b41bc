"""Recurrent layers whose steps are programs: values, states and gradients as NumPy's."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import rushlight as rl
from rushlight.core import heavy

from .single_programs import everything_counts as everything_counts
from .single_programs import plain

pytest.importorskip("llvmlite")
KINDS = {
    "tanh": lambda **how: rl.nn.RNN(5, 6, **how),
    "relu": lambda **how: rl.nn.RNN(5, 6, nonlinearity="relu", **how),
    "GRU": lambda **how: rl.nn.GRU(5, 6, **how),
    "LSTM": lambda **how: rl.nn.LSTM(5, 6, **how),
}


def states(found: Any) -> list[Any]:
    y, ends = found
    y = y.data if isinstance(y, rl.nn.utils.rnn.PackedSequence) else y
    return [y, *(ends if isinstance(ends, tuple) else (ends,))]


def agree(found: Any, wanted: Any, tolerance: float) -> None:
    for a, b in zip(found, wanted, strict=True):
        assert a.dtype is b.dtype and a.shape == b.shape
        np.testing.assert_allclose(
            a.detach().numpy(), b.detach().numpy(), rtol=tolerance, atol=tolerance
        )


def agree_with_plain(call: Callable[[], list[Any]], tolerance: float) -> None:
    """The second call, by native programs if any, against NumPy alone."""
    wanted = plain(call)
    call()
    agree(call(), wanted, tolerance)


def all_of(net: Any, x: Any) -> list[Any]:
    """All states, and the gradients of a sum of all."""
    found = states(net(x))
    total = sum((part.sin() * (k + 1)).sum() for k, part in enumerate(found))
    return [*found, *rl.autograd.grad(total, [x, *net.parameters()])]


def all_of_packed(net: Any, packed: Any) -> list[Any]:
    """All states of a packed sequence, and the gradients of outputs and last cells."""
    found = states(net(packed))
    return [*found, *rl.autograd.grad(found[0].sum() + found[2].sum(), list(net.parameters()))]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("how", [
    {}, {"bidirectional": True, "bias": False}, {"num_layers": 2, "batch_first": True},
], ids=["plain", "both ways", "two layers"])  # fmt: skip
def test_layers(kind: str, how: dict[str, Any]) -> None:
    rl.manual_seed(0)
    for dtype, tolerance in ((rl.float64, 1e-11), (rl.float32, 2e-5)):
        net = KINDS[kind](**how).to(dtype)
        x = rl.randn(4, 3, 5, dtype=dtype).requires_grad_()

        agree_with_plain(functools.partial(all_of, net, x), tolerance)
    made = [key[0] for key, found in heavy.FORMS.items() if callable(found)]
    assert sum("step" in name for name in made) >= 4  # there and back, in two types


@pytest.mark.parametrize("kind", ["GRU", "LSTM"])
def test_higher_orders_and_late_switches(kind: str) -> None:
    """A gradient's gradient; a backward pass after the switch was turned, either way."""
    rl.manual_seed(0)
    net, x = KINDS[kind]().double(), rl.randn(3, 2, 5, dtype=rl.float64).requires_grad_()

    def twice() -> list[Any]:
        y = net(x)[0]
        (g,) = rl.autograd.grad(y.square().sum(), x, create_graph=True)
        return list(rl.autograd.grad(g.square().sum(), [x, *net.parameters()]))

    wanted = plain(twice)
    agree(twice(), wanted, 1e-10)
    agree(twice(), wanted, 1e-10)
    first = plain(lambda: rl.autograd.grad(net(x)[0].sum(), x))
    y = net(x)[0].sum()
    agree(plain(lambda: rl.autograd.grad(y, x)), first, 1e-11)
    y = plain(lambda: net(x)[0].sum())
    agree(rl.autograd.grad(y, x), first, 1e-11)


def test_packed_sequences() -> None:
    """Of one length by steps, of several by NumPy; an output that is overwritten does no harm."""
    rl.manual_seed(0)
    net, x = rl.nn.LSTM(5, 6).double(), rl.randn(4, 3, 5, dtype=rl.float64)
    pack = rl.nn.utils.rnn.pack_padded_sequence
    for lengths in ([4, 4, 4], [4, 2, 1]):
        agree_with_plain(functools.partial(all_of_packed, net, pack(x, lengths)), 1e-11)
    wanted = rl.autograd.grad((net(x)[0] * 2).sum(), list(net.parameters()))
    y = net(x)[0].mul_(2)
    agree(rl.autograd.grad(y.sum(), list(net.parameters())), wanted, 1e-11)


@pytest.mark.parametrize("kind", ["GRU", "LSTM"])
def test_first_states_in_another_order_of_memory(kind: str) -> None:
    """The steps after the first find their program by the second's form."""
    rl.manual_seed(0)
    net, x = KINDS[kind](bidirectional=True), rl.randn(5, 3, 5)
    given = [rl.randn(6, 3, 2).permute(2, 1, 0) for _ in range(2)]
    hx: Any = given[0] if kind == "GRU" else tuple(given)

    def call() -> list[Any]:
        found = states(net(x, hx))
        return [*found, *rl.autograd.grad(found[0].sum(), list(net.parameters()))]

    wanted = plain(call)
    agree(call(), wanted, 2e-5)


def test_many_small_steps_are_programs() -> None:
    """What counts is the work of all steps, not the size of one."""
    heavy.SWITCH.least = heavy.LEAST
    net = rl.nn.LSTM(16, 16)
    net(rl.randn(4, 8, 16))
    assert not any("step" in key[0] for key in heavy.FORMS)
    net(rl.randn(40, 8, 16))
    assert any("step" in key[0] and callable(found) for key, found in heavy.FORMS.items())
