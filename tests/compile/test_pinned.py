"""Calls that go by values of tensors: programs that ask for them, others for other values."""

import sys
import warnings
from pathlib import Path

import pytest

import rushlight as torch
from rushlight import nn
from rushlight.compile.tracing.pinned import MOST

sys.path.insert(0, str(Path(__file__).parent))
from worlds import backends

F = nn.functional
X = torch.linspace(-1, 2, 24).reshape(6, 4)
CHOSEN = torch.tensor([True, False, True, True, False, False])
PAIRS = torch.arange(36).reshape(6, 6) % 5 == 0
LENGTHS = torch.tensor([2, 4])
RNN = nn.GRU(4, 3, batch_first=True)


def packed(x, lengths):
    given = nn.utils.rnn.pack_padded_sequence(
        x.reshape(2, 3, 4), lengths - 1, batch_first=True, enforce_sorted=False
    )
    return nn.utils.rnn.pad_packed_sequence(RNN(given)[0], batch_first=True)


def halved(x):
    while x.norm() > 1:
        x = x / 2
    return x


STANDING = {
    "mask": lambda x: x[CHOSEN].sum(),
    "its opposite": lambda x: x[~CHOSEN],
    "mask and slice": lambda x: x[CHOSEN, 1:],
    "mask and number": lambda x: x[CHOSEN, 2],
    "mask of two dimensions": lambda x: (x @ x.T)[PAIRS],
    "mask made in the call": lambda x: x[torch.triu(torch.ones(6, 4), 1) > 0],
    "masked_select": lambda x: x.masked_select(CHOSEN[:, None]),
    "places": lambda x: x[CHOSEN.nonzero().squeeze(1)] + x[torch.where(CHOSEN)[0]],
    "any": lambda x: x * 2 if CHOSEN.any() else x,
    "gradient": lambda x: torch.func.grad(lambda z: (z[CHOSEN] ** 2).sum())(x),
}
HANDED_OVER = {
    "mask": (lambda x, m: x[m].sum(0), CHOSEN, ~CHOSEN),
    "condition": (lambda x, m: x * 2 if m.all() else x[0], CHOSEN, torch.ones(6) > 0),
    "whole number": (lambda x, n: x[: int(n.max())], LENGTHS, LENGTHS + 1),
    "item": (lambda x, n: x[: n.max().item()] + n.sum().item(), LENGTHS, LENGTHS + 1),
    "list": (lambda x, n: x.split(n.tolist()), LENGTHS, torch.tensor([1, 5])),
    "repetitions": (lambda x, n: x[:2].repeat_interleave(n, 0), LENGTHS, LENGTHS + 1),
    "counts": (lambda x, n: torch.bincount(n), LENGTHS, LENGTHS + 1),
    "different ones": (lambda x, n: x[torch.unique(n)], LENGTHS, torch.tensor([3, 3])),
    "classes": (lambda x, n: F.one_hot(n), LENGTHS, LENGTHS + 1),
    "packed sequences": (packed, LENGTHS, torch.tensor([4, 3])),
    "sign": (lambda x, n: x if (x * n[0]).sum() > 0 else -x, LENGTHS, -LENGTHS),
    "steps": (lambda x, n: halved(x * n[0]), LENGTHS, LENGTHS * 8),
}


@pytest.fixture(autouse=True)
def never_said():
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "compiled .*")
        yield


@backends
@pytest.mark.parametrize("name", STANDING)
def test_values_outside_the_call(name, backend):
    function = STANDING[name]
    step = torch.compile(function, backend=backend)
    for k in range(3):
        torch.testing.assert_close(step(X + k), function(X + k))
    assert len(step.programs) == 1 and not step.reasons


@backends
@pytest.mark.parametrize("name", HANDED_OVER)
def test_each_value_that_comes_again_has_a_program(name, backend):
    function, first, second = HANDED_OVER[name]
    step = torch.compile(function, backend=backend)
    for value in (first, first, second, first, second, second, first, second):
        torch.testing.assert_close(step(X, value), function(X, value))
    assert len(step.programs) == 2
    assert len(step.reasons) == 2  # each value was new once


def test_standing_values_may_change():
    mask = CHOSEN.clone()
    step = torch.compile(lambda x: x[mask].sum(0))
    for k in range(6):
        torch.testing.assert_close(step(X), X[mask].sum(0))
        mask[k // 2] = k % 2 == 0
    assert step.programs


def test_values_that_are_never_the_same_are_told():
    step = torch.compile(lambda x, n: x[: int(n)])
    for k in range(MOST):
        assert step(X, torch.tensor(k)).shape[0] == k
    with pytest.raises(UserWarning, match="which is another from call to call"):
        step(X, torch.tensor(MOST))
    for k in range(6):
        assert step(X, torch.tensor(k)).shape[0] == k


def test_a_check_of_health_is_asked():
    def step(x):
        if torch.isnan(x).any():
            raise ValueError("not a number")
        return x * 2

    call = torch.compile(step)
    for _ in range(3):
        torch.testing.assert_close(call(X), X * 2)
    assert len(call.programs) == 1
    with pytest.raises(ValueError, match="not a number"):
        call(X * float("nan"))
    torch.testing.assert_close(call(X), X * 2)


def test_bad_values_beside_raise_as_ever():
    step = torch.compile(lambda x, n: x[n][CHOSEN[:2]])
    for _ in range(3):
        step(X, LENGTHS)
    with pytest.raises(IndexError, match="out of bounds"):
        step(X, LENGTHS + 4)
    with pytest.raises(RuntimeError, match="non-negative"):
        classes = torch.compile(lambda n: F.one_hot(n))
        for value in (LENGTHS, LENGTHS, torch.tensor([-1, 4])):
            classes(value)


def test_a_training_step_over_some_rows():
    torch.manual_seed(0)
    labels = torch.tensor([0, 2, 1, 1, 0, 2])
    found = []
    for compiled in (False, True):
        torch.manual_seed(1)
        net = nn.Linear(4, 3)
        optimizer = torch.optim.Adam(net.parameters(), 0.1)

        def step(net=net, optimizer=optimizer):
            loss = F.cross_entropy(net(X)[CHOSEN], labels[CHOSEN])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss

        call = torch.compile(step) if compiled else step
        found.append([call().item() for _ in range(6)] + net.weight.flatten().tolist())
    assert call.programs
    assert found[1] == pytest.approx(found[0], rel=1e-5)


@pytest.mark.parametrize("function", [*STANDING.values(), lambda x: x if x.sum() > 0 else -x])
def test_whole_graphs_go_by_values_too(function):
    step = torch.compile(function, fullgraph=True)
    for _ in range(3):
        torch.testing.assert_close(step(X), function(X))
    assert len(step.programs) == 1


def test_whole_graphs_name_the_line_of_values_that_never_come_again():
    step = torch.compile(lambda x, n: x[: int(n)], fullgraph=True)
    for k in range(MOST):
        assert step(X, torch.tensor(k)).shape[0] == k
    with pytest.raises(RuntimeError, match=r"test_pinned\.py:\d+"):
        step(X, torch.tensor(MOST))
    assert step(X, torch.tensor(1)).shape[0] == 1
