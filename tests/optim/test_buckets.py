"""Parameters updated together in buckets end up as if each had been updated alone."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rushlight as rl
from rushlight.optim import elementwise

RULES = {
    "SGD": {"momentum": 0.9, "weight_decay": 0.01},
    "Adam": {"amsgrad": True},
    "AdamW": {},
    "Adagrad": {},
    "RMSprop": {"centered": True, "momentum": 0.5},
    "Adadelta": {},
    "Adamax": {},
    "NAdam": {},
    "RAdam": {},
    "ASGD": {"t0": 1},
    "Rprop": {},
}


def draw(seed, shape, dtype=np.float32):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def make(shapes, dtype=np.float32):
    params = [rl.from_numpy(draw(i, shape, dtype)) for i, shape in enumerate(shapes)]
    return [param.requires_grad_() for param in params]


def push(params, step, skip=()):
    """Give every parameter a gradient that depends on its place and the step alone."""
    for index, param in enumerate(params):
        shape = tuple(param.shape)
        array = draw(1000 * step + index, shape, param.detach().numpy().dtype)
        param.grad = None if index in skip else rl.from_numpy(array)


def values(params):
    return [param.detach().numpy().copy() for param in params]


SHAPES = [(3, 4), (), (5,), (0, 2), (70, 80), (2, 1, 3)]


@pytest.mark.parametrize("name", RULES)
def test_together_is_as_alone(name):
    together, alone = make(SHAPES), make(SHAPES)
    kind = getattr(rl.optim, name)
    one = kind(together, **RULES[name])
    many = [kind([param], **RULES[name]) for param in alone]
    for step in range(6):
        skip = (2,) if step in (0, 3) else ()
        push(together, step, skip)
        push(alone, step, skip)
        one.step()
        for optimizer in many:
            optimizer.step()
    for ours, theirs in zip(values(together), values(alone)):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("name", RULES)
def test_tensor_rule_and_array_rule_agree(name):
    """The same rule runs on tensors when the update itself is to be differentiated."""
    plain, recorded = make(SHAPES), make(SHAPES)
    leaves = [param.clone() for param in recorded]  # in place on a leaf is not allowed
    kind = getattr(rl.optim, name)
    one = kind(plain, **RULES[name])
    other = kind(leaves, **RULES[name], differentiable=True)
    for step in range(4):
        push(plain, step)
        push(leaves, step)
        one.step()
        other.step()
    for ours, theirs in zip(values(plain), values(leaves)):
        np.testing.assert_allclose(ours, theirs, 2e-6, 1e-7)


@settings(max_examples=25, deadline=None)
@given(
    sizes=st.lists(st.integers(0, 30), min_size=1, max_size=6),
    name=st.sampled_from(["SGD", "Adam", "RMSprop"]),
    small=st.sampled_from([0, 4, 1000]),
    block=st.sampled_from([3, 1000]),
)
def test_sizes_of_buckets_and_blocks_change_nothing(sizes, name, small, block):
    expected, found = make([(n,) for n in sizes]), make([(n,) for n in sizes])
    for params, limits in ((expected, None), (found, (small, 2 * small, block))):
        before = elementwise.SMALL, elementwise.BUCKET, elementwise.BLOCK
        if limits is not None:
            elementwise.SMALL, elementwise.BUCKET, elementwise.BLOCK = limits
        try:
            optimizer = getattr(rl.optim, name)(params, **RULES[name])
            for step in range(3):
                push(params, step)
                optimizer.step()
        finally:
            elementwise.SMALL, elementwise.BUCKET, elementwise.BLOCK = before
    for ours, theirs in zip(values(found), values(expected)):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("name", ["SGD", "Adam", "NAdam"])
def test_saved_state_goes_on_where_it_stopped(name):
    straight, broken = make(SHAPES), make(SHAPES)
    kind = getattr(rl.optim, name)
    one, other = kind(straight, **RULES[name]), kind(broken, **RULES[name])
    for step in range(6):
        push(straight, step)
        push(broken, step)
        one.step()
        if step == 3:
            saved = copy.deepcopy(other.state_dict())
            other = kind(broken, **RULES[name])
            other.load_state_dict(saved)
        other.step()
    for ours, theirs in zip(values(straight), values(broken)):
        np.testing.assert_array_equal(ours, theirs)


def test_replaced_state_and_data_are_used():
    params = make([(4,), (3,)])
    optimizer = rl.optim.SGD(params, lr=1.0, momentum=0.5)
    push(params, 0)
    optimizer.step()
    optimizer.state[params[0]]["momentum_buffer"] = rl.zeros(4)
    params[1].data = rl.zeros(3)
    before = values(params)
    velocity = optimizer.state[params[1]]["momentum_buffer"].numpy().copy()
    push(params, 1)
    optimizer.step()
    np.testing.assert_allclose(values(params)[0], before[0] - params[0].grad.numpy(), 1e-6)
    expected = -(0.5 * velocity + params[1].grad.numpy())
    np.testing.assert_allclose(values(params)[1], expected, 1e-6)


def test_state_tensors_are_written_in_place():
    """A state tensor a user holds shows every later step."""
    params = make([(4,), (3,)])
    optimizer = rl.optim.Adam(params)
    push(params, 0)
    optimizer.step()
    held = optimizer.state[params[0]]["exp_avg"]
    before = held.numpy().copy()
    push(params, 1)
    optimizer.step()
    assert held is optimizer.state[params[0]]["exp_avg"]
    assert not np.array_equal(held.numpy(), before)
    assert optimizer.state[params[0]]["step"].item() == 2


def test_group_options_may_change_between_steps():
    """Turning momentum on makes its buffers then; a schedule's new rate counts at once."""
    params = make([(4,)])
    optimizer = rl.optim.SGD(params, lr=1.0)
    push(params, 0)
    optimizer.step()
    assert not optimizer.state
    optimizer.param_groups[0].update(momentum=0.9, lr=0.5)
    before = values(params)[0]
    push(params, 1)
    optimizer.step()
    np.testing.assert_allclose(values(params)[0], before - 0.5 * params[0].grad.numpy(), 1e-6)
    assert "momentum_buffer" in optimizer.state[params[0]]


@pytest.mark.parametrize("name", ["SGD", "Adam"])
def test_transposed_parameters_and_gradients(name):
    array, slope = draw(0, (90, 70)), draw(1, (90, 70))
    turned = rl.from_numpy(array.copy().T).requires_grad_()
    straight = rl.from_numpy(array.T.copy()).requires_grad_()
    for param, grad in ((turned, slope.T), (straight, slope.T.copy())):
        optimizer = getattr(rl.optim, name)([param], lr=0.1)
        for _ in range(3):
            param.grad = rl.from_numpy(grad)
            optimizer.step()
    np.testing.assert_array_equal(turned.detach().numpy(), straight.detach().numpy())


def test_a_step_counts_as_a_write():
    """Backward through a value that a step has overwritten is refused."""
    weight = rl.ones(3).requires_grad_()
    loss = (weight * weight).sum()
    optimizer = rl.optim.SGD([weight], lr=0.1)
    weight.grad = rl.ones(3)
    optimizer.step()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


@pytest.mark.parametrize("name", RULES)
def test_float64_parameters_stay_float64(name):
    params = make([(3,), (70, 70)], np.float64)
    optimizer = getattr(rl.optim, name)(params)
    push(params, 0)
    optimizer.step()
    assert all(param.dtype == rl.float64 for param in params)
    for entries in optimizer.state.values():
        slots = [value for value in entries.values() if value.ndim > 0]
        assert all(slot.dtype == rl.float64 for slot in slots)


@pytest.mark.parametrize("name", ["SGD", "Adam", "Adadelta"])
def test_every_rule_finds_the_bottom_of_a_bowl(name):
    weight = rl.tensor([3.0, -2.0], requires_grad=True)
    goal = rl.tensor([0.5, 1.0])
    rates = {"SGD": 0.1, "Adam": 0.1, "Adadelta": 10.0}
    optimizer = getattr(rl.optim, name)([weight], lr=rates[name])
    for _ in range(300):
        optimizer.zero_grad()
        ((weight - goal) ** 2).sum().backward()
        optimizer.step()
    np.testing.assert_allclose(weight.detach().numpy(), goal.numpy(), atol=0.05)


@pytest.mark.parametrize("compiled", [False, True])
def test_a_nan_has_no_sign(compiled):
    """Rprop leaves such an element and its step as they are (torch's numbers)."""
    param = rl.nn.Parameter(rl.ones(3))
    optimizer = rl.optim.Rprop([param], lr=0.1)

    def step(slope):
        param.grad = slope.clone()
        optimizer.step()

    run = rl.compile(step, backend="numpy") if compiled else step
    for row in ([1.0, 1.0, 1.0], [1.0, np.nan, np.inf], [1.0] * 3, [1.0, np.nan, -1.0], [1.0] * 3):
        run(rl.tensor(row))
    np.testing.assert_allclose(param.tolist(), [0.25584, 0.7, 0.564], 1e-5)
    np.testing.assert_allclose(
        optimizer.state[param]["step_size"].tolist(), [0.20736, 0.1, 0.072], 1e-5
    )
