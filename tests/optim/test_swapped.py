"""An optimiser that steps over other tensors for a while."""

from __future__ import annotations

import copy

import pytest

import rushlight as torch
from rushlight.optim import swap_in_optimizer_params_and_state as swapped

KINDS = {
    "Adam": {}, "SGD": {"momentum": 0.9}, "RMSprop": {}, "AdamW": {"amsgrad": True}, "Adagrad": {},
}  # fmt: skip


def stepped(name: str):
    """A network, its optimiser after a step, and copies of the weights."""
    torch.manual_seed(0)
    net = torch.nn.Linear(2, 3)
    optimizer = getattr(torch.optim, name)(net.parameters(), lr=0.1, **KINDS[name])
    net(torch.ones(1, 2)).square().sum().backward()
    optimizer.step()
    return net, optimizer


@pytest.mark.parametrize("name", KINDS)
def test_steps_as_a_copy_would(name):
    net, optimizer = stepped(name)
    twin, other = stepped(name)
    gradients = [torch.randn_like(p) for p in net.parameters()]
    others = {n: p.detach().clone() for n, p in net.named_parameters()}
    state = copy.deepcopy(optimizer.state_dict())
    for p, q, g in zip(others.values(), twin.parameters(), gradients):
        p.grad, q.grad = g, g.clone()
    with swapped(optimizer, others, state) as nothing:
        assert nothing is None
        optimizer.step()
    other.step()
    for p, q in zip(others.values(), twin.parameters()):
        assert torch.equal(p, q)
    for number, values in other.state_dict()["state"].items():
        for key, value in values.items():
            if isinstance(value, torch.Tensor):
                assert torch.equal(state["state"][number][key], value)


def test_what_was_there_is_there_again():
    net, optimizer = stepped("Adam")
    weights = [p.detach().clone() for p in net.parameters()]
    state = copy.deepcopy(optimizer.state_dict()["state"])
    others = {n: torch.zeros_like(p) for n, p in net.named_parameters()}
    for p in others.values():
        p.grad = torch.ones_like(p)

    def broken():
        with swapped(optimizer, others, optimizer.state_dict()):
            raise KeyError("in the middle")

    with pytest.raises(KeyError, match="in the middle"):
        broken()
    with swapped(optimizer, others, copy.deepcopy(optimizer.state_dict())):
        optimizer.step()
    for before, p in zip(weights, net.parameters()):
        assert torch.equal(before, p)
    for number, values in optimizer.state_dict()["state"].items():
        assert all(torch.equal(values[key], state[number][key]) for key in values)
    assert optimizer.param_groups[0]["params"][0] is net.weight
    optimizer.step()
    assert not torch.equal(weights[0], net.weight)


def test_refusals():
    net, optimizer = stepped("Adam")
    named = {n: torch.zeros_like(p) for n, p in net.named_parameters()}
    fresh = torch.optim.Adam(net.parameters())
    state = optimizer.state_dict()
    with pytest.raises(RuntimeError, match="requires initialized optimizer state"):
        swapped(fresh, named, state).__enter__()
    with pytest.raises(RuntimeError, match=r"match optimizer\.param_groups ordering"):
        swapped(optimizer, {"weight": named["weight"]}, state).__enter__()
    twice = {**state, "param_groups": state["param_groups"] * 2}
    with pytest.raises(RuntimeError, match="different number of parameter groups"):
        swapped(optimizer, named, twice).__enter__()
