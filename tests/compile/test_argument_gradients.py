"""Gradients that a call leaves on tensors among its arguments, which are others at every call."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import rushlight as rl


def taken(x: Any) -> Any:
    """Ends as it begins: no gradient is left."""
    x.square().sum().backward()
    g, x.grad = x.grad, None
    return g * 2


def renewed(x: Any) -> Any:
    x.grad = None
    y = x.square().sum()
    y.backward()
    return y.detach()


def added(x: Any) -> Any:
    y = x.square().sum()
    y.backward()
    return y.detach()


def given(x: Any) -> Any:
    x.grad = x.detach() * 3
    return x.detach().sin()


def emptied(x: Any) -> Any:
    x.grad.zero_()
    (x * 3).sum().backward()
    return x.detach().cos()


def handed_back(x: Any) -> Any:
    x.square().sum().backward()
    return x.grad


def wrapped(parts: Any, more: Any) -> Any:
    (parts[0] * more["again"]).sum().backward()
    return more["again"] + 1


def seen(call: Any, function: Any) -> list[Any]:
    """What is left of calls with new tensors, and twice with one tensor."""
    found: list[Any] = []
    had = function is emptied
    for k in range(5):
        x = (rl.arange(3.0) + k).requires_grad_()
        x.grad = rl.ones(3) * k if had or k == 4 else None
        for _ in range(1 + k % 2):
            y = call(x)
            grad = None if x.grad is None else x.grad.tolist()
            found.append((y.tolist(), grad, y is x.grad))
    return found


@pytest.mark.parametrize("backend", ["llvm", "numpy"])
@pytest.mark.parametrize("function", [taken, renewed, added, given, emptied, handed_back])
def test_every_call_leaves_them_on_its_own_tensors(function: Any, backend: str) -> None:
    if backend == "llvm":
        pytest.importorskip("llvmlite")
    call = rl.compile(function, backend=backend)
    assert seen(call, function) == seen(function, function)
    assert call.programs
    assert not call.reasons


@pytest.mark.parametrize("backend", ["llvm", "numpy"])
def test_arguments_in_lists_and_by_name(backend: str) -> None:
    if backend == "llvm":
        pytest.importorskip("llvmlite")
    call = rl.compile(wrapped, backend=backend)
    for k in range(4):
        x = (rl.arange(3.0) + k).requires_grad_()
        call([x], more={"again": rl.ones(3) * k})
        assert x.grad is not None
        assert x.grad.tolist() == [k] * 3
    assert len(call.programs) == 1


@pytest.mark.parametrize("backend", ["llvm", "numpy"])
def test_one_tensor_in_two_places_gets_both_gradients(backend: str) -> None:
    if backend == "llvm":
        pytest.importorskip("llvmlite")

    def product(x: Any, y: Any) -> Any:
        z = (x * y * 3).sum()
        z.backward()
        return z.detach()

    call = rl.compile(product, backend=backend)
    for k in range(6):
        x = (rl.arange(3.0) + k).requires_grad_()
        y = x if k in (2, 3, 5) else (rl.arange(3.0) - k).requires_grad_()
        call(x, y)
        wanted = (6 if y is x else 3) * y.detach().numpy()
        assert x.grad is not None
        np.testing.assert_array_equal(x.grad.numpy(), wanted)
