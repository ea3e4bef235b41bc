"""Optimisers with drawn options beside torch itself, where torch is installed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rushlight as rl
from tests.parity import optim_cases

torch = pytest.importorskip("torch")

small = st.floats(0.001, 0.2)
rate = st.floats(0.0, 0.99)
decay = st.sampled_from([0.0, 0.1])
flag = st.booleans()
pair = st.tuples(rate, rate).map(list)
CHOICES = {
    "SGD": st.fixed_dictionaries(
        {"lr": small, "momentum": rate, "dampening": rate, "weight_decay": decay, "maximize": flag}
    ),
    "Adam": st.fixed_dictionaries(
        {"lr": small, "betas": pair, "weight_decay": decay, "amsgrad": flag, "maximize": flag}
    ),
    "AdamW": st.fixed_dictionaries({"lr": small, "betas": pair, "weight_decay": small}),
    "Adagrad": st.fixed_dictionaries({"lr": small, "lr_decay": small, "weight_decay": decay}),
    "RMSprop": st.fixed_dictionaries(
        {"lr": small, "alpha": st.floats(0.5, 0.99), "momentum": rate, "weight_decay": decay}
    ),
    "Adadelta": st.fixed_dictionaries({"lr": small, "rho": rate, "weight_decay": decay}),
    "Adamax": st.fixed_dictionaries({"lr": small, "betas": pair, "maximize": flag}),
    "NAdam": st.fixed_dictionaries({"lr": small, "betas": pair, "momentum_decay": small}),
    "RAdam": st.fixed_dictionaries({"lr": small, "betas": pair, "weight_decay": decay}),
    "ASGD": st.fixed_dictionaries({"lr": small, "lambd": small, "t0": st.integers(0, 9)}),
    "Rprop": st.fixed_dictionaries({"lr": small, "maximize": flag}),
}


@pytest.mark.parametrize("name", CHOICES)
@settings(max_examples=6, deadline=None)
@given(data=st.data())
def test_training_beside_torch(name, data):
    run = {"name": name, "kwargs": data.draw(CHOICES[name]), "dtype": "float64"}
    ours, theirs = optim_cases.train(rl, run), optim_cases.train(torch, run)
    np.testing.assert_allclose(ours["losses"], theirs["losses"], 1e-10, 1e-12)
    for one, other in zip(ours["params"], theirs["params"], strict=True):
        np.testing.assert_allclose(one, other, 1e-9, 1e-11)


def test_state_dictionaries_cross_over():
    """torch's state continues here, and ours there."""
    run = {"name": "Adam", "kwargs": {"lr": 0.1, "amsgrad": True}, "dtype": "float32"}

    def start(t):
        params, optimizer, _ = optim_cases.make(t, run)
        for param in params:
            param.grad = t.ones_like(param)
        optimizer.step()
        return params, optimizer

    (ours, one), (theirs, other) = start(rl), start(torch)
    saved, foreign = one.state_dict(), other.state_dict()
    assert saved["param_groups"] == foreign["param_groups"]
    moved = {
        key: {name: rl.from_numpy(value.numpy()) for name, value in entries.items()}
        for key, entries in foreign["state"].items()
    }
    one.load_state_dict({"state": moved, "param_groups": foreign["param_groups"]})
    back = {
        key: {name: torch.from_numpy(value.numpy()) for name, value in entries.items()}
        for key, entries in saved["state"].items()
    }
    other.load_state_dict({"state": back, "param_groups": saved["param_groups"]})
    one.step()
    other.step()
    for mine, yours in zip(ours, theirs):
        np.testing.assert_allclose(mine.detach().numpy(), yours.detach().numpy(), 1e-6)
