"""NumPy's remarks on numbers are not the user's to hear of, whatever filters a program sets."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import rushlight as torch

F = torch.nn.functional
inf = math.inf


def leaf(*values: float) -> Any:
    return torch.tensor(list(values), requires_grad=True)


CALLS: list[tuple[Callable[[], Any], list[float]]] = [
    (lambda: torch.log(torch.zeros(1)), [-inf]),
    (lambda: torch.sqrt(torch.tensor([-1.0])), [math.nan]),
    (lambda: torch.zeros(1) / torch.zeros(1), [math.nan]),
    (lambda: torch.ones(1) / 0, [inf]),
    (lambda: 1 / torch.zeros(1), [inf]),
    (lambda: torch.ones(1).div_(torch.zeros(1)), [inf]),
    (lambda: torch.full((1,), 3.0).__itruediv__(0), [inf]),
    (lambda: torch.full((1,), 3e38).mul_(10), [inf]),
    (lambda: torch.zeros(1, dtype=torch.float64) / torch.zeros(1), [math.nan]),
    (lambda: torch.tensor([inf, -inf]).sum(0, True), [math.nan]),
    (lambda: torch.softmax(torch.full((1, 2), -inf), 1)[0], [math.nan] * 2),
    (lambda: torch.matmul(torch.full((1, 1), 3e38), torch.full((1,), 3e38)), [inf]),
    (lambda: F.layer_norm(torch.full((1,), inf), (1,)), [math.nan]),
    (lambda: torch.tensor([1e6]).half(), [inf]),
]  # fmt: skip


@pytest.mark.parametrize(("call", "values"), CALLS)
def test_remarks_that_are_errors_break_no_op_off(call: Any, values: list[float]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(call().tolist(), values)


@pytest.mark.parametrize("action", ["error", "always"])
def test_gradients_pass_in_silence(action: Any) -> None:
    root, quotient, both = leaf(0.0), leaf(0.0), leaf(0.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        first, second = root.sqrt().sum(), (1 / quotient).sum()
        third = both.sqrt().sum()
    with warnings.catch_warnings(record=action == "always") as caught:
        warnings.simplefilter(action)
        first.backward()
        second.backward()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (found,) = torch.autograd.grad(third, both)
    assert [root.grad.item(), quotient.grad.item(), found.item()] == [inf, -inf, inf]
    assert not caught


def test_the_users_own_numbers_are_remarked_on() -> None:
    class Logarithm(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 1

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            np.log(np.zeros(1))
            return g

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        torch.log(torch.zeros(1))
        with pytest.raises(RuntimeWarning, match="divide by zero"):
            np.log(np.zeros(1))
        loss = Logarithm.apply(leaf(1.0)).sum()
        with pytest.raises(RuntimeWarning, match="divide by zero"):
            loss.backward()
