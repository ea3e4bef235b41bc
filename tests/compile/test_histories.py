"""Calls between other parts of a tape: what was computed before one, and what goes on after it.

A gradient ends at the arguments of a compiled call; their own tape is walked by the pass that comes
through, once. A pass that begins inside and would go on behind the arguments is made eagerly, and
what such a pass has left alone can be differentiated afterwards.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import rushlight as torch

sys.path.insert(0, str(Path(__file__).parent))
from worlds import backends

MADE: dict[str, Callable[[Any], Any]] = {
    "a product": lambda x: x * 3,
    "part of it": lambda x: (x * 3)[1:],
    "a copy": lambda x: x.clone(),
    "turned": lambda x: x.mT.reshape(-1),
}


@backends()
@pytest.mark.parametrize("name", MADE)
def test_an_argument_made_of_another_one_hands_its_gradient_on_once(
    name: str, backend: str
) -> None:
    def step(x: Any, y: Any) -> Any:
        return x.sum() * y.square()

    compiled = torch.compile(step, backend=backend, fullgraph=True)
    for _ in range(3):
        given = [torch.arange(1.0, 10.0).reshape(3, 3).requires_grad_() for _ in range(2)]
        for function, x in zip((step, compiled), given):
            function(x, MADE[name](x)).sum().backward()
        assert torch.allclose(given[0].grad, given[1].grad)


@backends()
def test_a_view_of_another_argument_hands_on_all_of_its_gradient(backend: str) -> None:
    compiled = torch.compile(lambda x, y: y.transpose(0, 1), backend=backend)
    for _ in range(3):
        x = torch.ones(3, 1).requires_grad_()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            (5 * compiled(x, x.mT).sum()).backward()
        assert x.grad is not None
        assert x.grad.tolist() == [[5.0], [5.0], [5.0]]


@backends()
def test_a_weight_that_made_the_argument_too(backend: str) -> None:
    class Head(torch.nn.Module):
        def __init__(self, table: Any) -> None:
            super().__init__()
            self.table = table

        def forward(self, h: Any) -> Any:
            return h @ self.table.weight.T

    table, words = torch.nn.Embedding(5, 3), torch.tensor([1, 2])
    head = Head(table)
    compiled: Any = torch.compile(head, backend=backend, fullgraph=True)
    found = []
    for function in (head, compiled, compiled, compiled):
        table.zero_grad()
        function(table(words)).square().sum().backward()
        found.append(table.weight.grad.clone())
    for grad in found[1:]:
        assert torch.allclose(grad, found[0], rtol=1e-4, atol=1e-5)


@backends()
def test_a_module_that_is_called_on_its_own_result_is_a_program(backend: str) -> None:
    layer = torch.nn.Linear(3, 3)
    compiled: Any = torch.compile(layer, backend=backend, fullgraph=True)
    found = []
    for function in (layer, compiled, compiled):
        layer.zero_grad()
        function(function(torch.ones(2, 3))).sum().backward()
        found.append(layer.weight.grad.clone())
    assert torch.allclose(found[1], found[0], rtol=1e-4)
    assert torch.allclose(found[2], found[0], rtol=1e-4)


def _backward(x: Any, y: Any) -> Any:
    (x * y).sum().backward()
    return x.grad.clone()


def _asked(x: Any, y: Any) -> Any:
    return torch.autograd.grad((x * y).sum(), [x])[0]


@backends()
@pytest.mark.parametrize("step", [_backward, _asked])
def test_a_pass_inside_that_goes_on_behind_the_arguments(step: Any, backend: str) -> None:
    compiled = torch.compile(step, backend=backend)
    for factor in (1.0, 2.0, 3.0, 4.0):  # which stands on that tape alone
        x = torch.ones(2).requires_grad_()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            assert compiled(x, x * factor).tolist() == [2 * factor, 2 * factor]
    assert "before the call" in str(compiled.explain())


@backends()
def test_a_pass_inside_that_ends_at_an_argument_is_part_of_the_program(backend: str) -> None:
    compiled = torch.compile(
        lambda y: torch.autograd.grad(y.square().sum(), [y])[0], backend=backend, fullgraph=True
    )
    for factor in (1.0, 2.0, 3.0):
        x = torch.ones(2).requires_grad_()
        assert compiled(x * factor).tolist() == [2 * factor, 2 * factor]


@backends()
def test_what_a_pass_inside_has_left_alone_has_its_gradient(backend: str) -> None:
    weight = torch.nn.Parameter(torch.ones(3))

    def step(x: Any) -> Any:
        loss = (weight * x.detach()).square().sum()
        loss.backward()
        with torch.no_grad():
            weight.sub_(0.1 * weight.grad)
        weight.grad = None
        return loss, x * 2, (x * 3)[1:], loss * 2

    compiled: Any = torch.compile(step, backend=backend, fullgraph=True)
    for _ in range(3):
        x = torch.arange(3.0).requires_grad_()
        loss, twice, part, used = compiled(x)
        (twice.sum() + part.sum()).backward()
        assert x.grad.tolist() == [2.0, 5.0, 5.0]
        for value in (loss, used):
            with pytest.raises(RuntimeError, match="second time"):
                value.backward()


@backends()
def test_an_argument_that_looks_at_another_becomes_a_leaf(backend: str) -> None:
    def step(x: Any, part: Any) -> Any:
        part.requires_grad_()
        return 3.0

    compiled = torch.compile(step, backend=backend)
    for _ in range(3):
        x = torch.ones(1, 3)
        part = x[None]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            assert compiled(x, part) == 3.0
        assert part.requires_grad
        assert not x.requires_grad


USED_UP: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "power": lambda x: x**3,
    "power of a number": lambda x: 2**x,
    "power of tensors": lambda x: x.abs() ** x,
    "linear": lambda x: torch.nn.functional.linear(x, x, x.sum(0)),
    "linear without bias": lambda x: torch.nn.functional.linear(x, x),
    "product": lambda x: x @ x,
    "quotient": lambda x: x / 3,
    "loss": lambda x: torch.nn.functional.mse_loss(x, x.detach() + 1),
    "one of two": lambda x: x.max(0)[0],
}


@pytest.mark.parametrize("name", USED_UP)
def test_results_whose_graph_is_used_up_look_as_eager_ones(name: str) -> None:
    def step(x: torch.Tensor) -> torch.Tensor:
        y = USED_UP[name](x)
        y.sum().backward()
        return y

    program, seen = torch.compile(step, backend="numpy"), []
    for _ in range(3):
        for call in (step, program):
            y = call(torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True))
            edges = tuple(one is not None for one, _ in y.grad_fn.next_functions)
            with pytest.raises(RuntimeError, match="second time"):
                y.sum().backward()
            seen.append((repr(y), y.grad_fn.name(), edges))
    assert len(set(seen)) == 1 and len(program.programs) == 1
