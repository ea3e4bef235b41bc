"""Tensors that change places, and conversions of modules that do or do not keep the Parameters.

The expectations are what torch 2.13 does with the same lines.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator

import pytest

import rushlight as rl

future = rl.__future__


@pytest.fixture
def swapping() -> Iterator[None]:
    future.set_swap_module_params_on_conversion(True)
    yield
    future.set_swap_module_params_on_conversion(False)


@pytest.fixture
def overwriting() -> Iterator[None]:
    future.set_overwrite_module_params_on_conversion(True)
    yield
    future.set_overwrite_module_params_on_conversion(False)


def test_class_attributes_and_values_change_places() -> None:
    p, q = rl.nn.Parameter(rl.ones(2)), rl.zeros(3, dtype=rl.int64)
    p.mark = 1
    rl.utils.swap_tensors(p, q)
    assert type(p) is rl.Tensor and p.tolist() == [0, 0, 0] and not hasattr(p, "mark")
    assert type(q) is rl.nn.Parameter and q.tolist() == [1, 1] and q.mark == 1 and q.requires_grad


def test_history_changes_places() -> None:
    x = rl.ones(3, requires_grad=True)
    y, z = x * 2, rl.zeros(2)
    rl.utils.swap_tensors(y, z)
    z.sum().backward()
    assert x.grad.tolist() == [2, 2, 2] and y.tolist() == [0, 0] and not y.requires_grad


def test_a_view_may_be_swapped_and_stays_known_to_its_base() -> None:
    base = rl.ones(3)
    view, other = base[:2], rl.zeros(5)
    rl.utils.swap_tensors(view, other)
    assert base.tolist() == [1, 1, 1] and view.tolist() == [0] * 5
    other.fill_(7)
    assert base.tolist() == [7, 7, 1]
    view.fill_(2)
    assert base.tolist() == [7, 7, 1]


def test_the_same_tensor_twice() -> None:
    p = rl.ones(2)
    rl.utils.swap_tensors(p, p)
    assert p.tolist() == [1, 1]


def test_what_others_hold_is_refused() -> None:
    x = rl.ones(3)
    held = weakref.ref(x)
    with pytest.raises(RuntimeError, match="Cannot swap t2 because it has weakref"):
        rl.utils.swap_tensors(rl.zeros(2), x)
    base = rl.ones(3)
    view = base[:2]
    with pytest.raises(RuntimeError, match="Expected use_count of t1"):
        rl.utils.swap_tensors(base, rl.zeros(2))
    assert held() is x and view.tolist() == base[:2].tolist() == [1, 1]


def test_conversion_by_swapping(swapping: None) -> None:
    assert future.get_swap_module_params_on_conversion()
    layer = rl.nn.Linear(2, 2)
    p = layer.weight
    p.grad = rl.ones(2, 2)
    assert layer.double().weight is p and type(p) is rl.nn.Parameter
    assert p.dtype is rl.float64 and p.grad.dtype is rl.float64 and p.requires_grad
    held = weakref.ref(layer.weight)
    with pytest.raises(RuntimeError, match=r"_apply\(\): Couldn't swap Linear.weight"):
        layer.float()
    assert held() is p


def test_training_goes_on_after_a_swap(swapping: None) -> None:
    layer = rl.nn.Linear(2, 1)
    optimiser = rl.optim.SGD(layer.parameters(), lr=0.5)
    layer.double()
    before = layer.bias.item()
    layer(rl.ones(2, dtype=rl.float64)).sum().backward()
    optimiser.step()
    assert layer.bias.item() == before - 0.5


def test_conversion_by_new_parameters(overwriting: None) -> None:
    assert future.get_overwrite_module_params_on_conversion()
    layer = rl.nn.Linear(2, 2)
    p = layer.weight
    p.grad = rl.ones(2, 2)
    assert layer.double().weight is not p
    assert p.dtype is p.grad.dtype is rl.float32
    assert layer.weight.dtype is layer.weight.grad.dtype is rl.float64
    again = layer.weight
    assert layer.double().weight is not again
