"""Arguments that share parts of the same memory, as `x[:, :-1]` and `x[:, 1:]` do."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest

import rushlight as rl
from rushlight import nn
from rushlight.nn import functional as F


def same(function: Callable[..., Any], calls: list[tuple[Any, ...]]) -> None:
    """The compiled function gives at each call what the function gives, and is a program."""
    compiled = rl.compile(function)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for args in calls:
            assert rl.allclose(compiled(*args), function(*args))


def shifted(count: int = 4) -> list[tuple[rl.Tensor, rl.Tensor]]:
    """Windows of one long row, ever further along, each beside the one a step on."""
    row = rl.arange(40.0)
    return [(row[5 * k : 5 * k + 6], row[5 * k + 1 : 5 * k + 7]) for k in range(count)]


def test_windows_a_step_apart_are_a_program() -> None:
    same(lambda x, y: x * 2 + y, shifted())


def test_views_of_them_are_those_of_their_own_argument() -> None:
    apart = (rl.arange(6.0) * 7, rl.arange(6.0) - 50)
    for order in ([*shifted(), apart], [apart, *shifted()]):
        same(lambda x, y: y[1:3] * 10 + x[1:3] + y.detach()[2:4].sum(), order)
        same(lambda x, y: y[:4].reshape(2, 2).t() @ x[2:].reshape(2, 2), order)
        same(lambda x, y: (y[1:5][1:].detach() + x[:3]).flip(0), order)


def test_a_whole_beside_its_parts() -> None:
    rows = [rl.randn(4, 6) for _ in range(3)]
    same(lambda x, y, z: (x * y).sum() + z.mean(), [(r[:, :-1], r[:, 1:], r) for r in rows])
    same(lambda z, x, y: (x * y).sum() + z.mean(), [(r, r[:, :-1], r[:, 1:]) for r in rows])
    same(lambda x, y, z: x[0] * y[0] + z, [(r[:, :-1], r[:, 1:], r[1, 1:]) for r in rows])


def test_a_language_model_is_trained_on_them() -> None:
    data = rl.arange(400).remainder(11).view(4, 100)

    def losses(wrap: Callable[..., Any]) -> list[float]:
        rl.manual_seed(0)
        net = nn.Sequential(nn.Embedding(11, 8), nn.Linear(8, 11))
        optimiser = rl.optim.Adam(net.parameters(), 0.05)

        def step(x: rl.Tensor, y: rl.Tensor) -> rl.Tensor:
            optimiser.zero_grad()
            loss = F.cross_entropy(net(x).flatten(0, 1), y.flatten())
            loss.backward()
            optimiser.step()
            return loss

        run = wrap(step)
        return [run(data[:, i : i + 9], data[:, i + 1 : i + 10]).item() for i in range(0, 40, 8)]

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert losses(rl.compile) == pytest.approx(losses(lambda step: step), rel=1e-5)


def test_writing_them_runs_eagerly() -> None:
    def write(x: rl.Tensor, y: rl.Tensor) -> rl.Tensor:
        x.mul_(2)
        return x + y

    run = rl.compile(write)
    for k in range(3):
        row, again = rl.arange(10.0), rl.arange(10.0)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            found = run(row[:6], row[1:7])
        assert not k or not caught
        assert rl.equal(found, write(again[:6], again[1:7])) and rl.equal(row, again)


@pytest.mark.parametrize("which", [0, 1])
def test_writing_after_both_are_read_runs_eagerly(which: int) -> None:
    def write(x: rl.Tensor, y: rl.Tensor) -> rl.Tensor:
        z = x + y
        (x, y)[which].add_(z)
        return x - y

    run = rl.compile(write)
    for k in range(3):
        row, again = rl.arange(10.0) + k, rl.arange(10.0) + k
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = run(row[:6], row[2:8])
        assert rl.equal(found, write(again[:6], again[2:8])) and rl.equal(row, again)


def test_a_view_of_one_that_is_returned_lies_in_it() -> None:
    run = rl.compile(lambda x, y: (y[1:3], x + y))
    for k in range(3):
        row = rl.arange(10.0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            part, _ = run(row[k : k + 4], row[k + 1 : k + 5])
        part.fill_(-1)
        assert row[k + 2 : k + 4].tolist() == [-1, -1] and (row == -1).sum() == 2


def test_gradients_reach_the_tensor_of_which_they_are_parts() -> None:
    weight = rl.randn(8, requires_grad=True)
    run = rl.compile(lambda x, y: (x * y * y).sum())
    for k in range(3):
        run(weight[k : k + 4], weight[k + 1 : k + 5]).backward()
        found, weight.grad = weight.grad, None
        assert found is not None
        x, y = weight[k : k + 4], weight[k + 1 : k + 5]
        (x * y * y).sum().backward()
        assert weight.grad is not None and rl.allclose(found, weight.grad)
        weight.grad = None


@pytest.mark.filterwarnings("ignore:compiled step runs eagerly")
def test_a_row_that_meets_some_of_what_a_column_has_is_no_part_of_it() -> None:
    table = rl.arange(12.0)
    weight, column = table[4:8], table[::3]  # they have one element in common

    def step(x: rl.Tensor) -> rl.Tensor:
        return weight.add_(2 * x).sum()

    assert rl.compile(step)(column).item() == 58
    assert weight.tolist() == [4.0, 11.0, 18.0, 25.0]
