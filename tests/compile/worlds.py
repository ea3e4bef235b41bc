"""Worlds to compile in: a network, its training, and a comparison of everything that can be seen.

A `build` makes a fresh world and makes calls in it; `twice` does so eagerly and compiled.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import rushlight as torch
from rushlight.core import tensor as core_tensor
from rushlight.core.state import STATE

nn, F, optim = torch.nn, torch.nn.functional, torch.optim
BACKENDS = ["numpy"] + (["llvm"] if importlib.util.find_spec("llvmlite") else [])
backends = pytest.mark.parametrize("backend", BACKENDS)


def seen(value: Any) -> Any:
    """Values, types and histories of everything in a structure, ready to be compared."""
    if isinstance(value, torch.Tensor):
        grad = value.grad if value.is_leaf else None
        grad = None if grad is None else grad.numpy().copy()
        return (value.detach().numpy().copy(), str(value.dtype), value.requires_grad, value.is_leaf,
                grad)  # fmt: skip
    if isinstance(value, dict):
        return {key: seen(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [seen(part) for part in value]
    return value


def alike(found: Any, wanted: Any, path: str = "") -> None:
    assert type(found) is type(wanted), path
    if isinstance(wanted, dict):
        assert found.keys() == wanted.keys(), path
        for key in wanted:
            alike(found[key], wanted[key], f"{path}[{key!r}]")
    elif isinstance(wanted, (list, tuple)):
        assert len(found) == len(wanted), path
        for place, (a, b) in enumerate(zip(found, wanted)):
            alike(a, b, f"{path}[{place}]")
    elif isinstance(wanted, np.ndarray) and wanted.dtype.kind in "fc":
        np.testing.assert_allclose(found, wanted, rtol=2e-5, atol=1e-6, err_msg=path)
    elif isinstance(wanted, np.ndarray):
        np.testing.assert_array_equal(found, wanted, err_msg=path)
    elif isinstance(wanted, float):
        assert math.isclose(found, wanted, rel_tol=2e-5, abs_tol=1e-6), path
    else:
        assert found == wanted, path


def twice(
    build: Callable[[Callable[..., Any]], Any], backend: str, **options: Any
) -> list[Any]:  # fmt: skip
    """Run `build` eagerly and compiled and compare; the compiled callables it made."""
    made: list[Any] = []

    def compiled(function: Any) -> Any:
        made.append(torch.compile(function, backend=backend, **{"fullgraph": True, **options}))
        return made[-1]

    torch.manual_seed(0)
    wanted = seen(build(lambda function: function))
    torch.manual_seed(0)
    found = seen(build(compiled))
    alike(found, wanted)
    assert STATE.tracer is None
    assert torch.Tensor in core_tensor.EAGER_TYPES
    return made


def programs(made: Any) -> int:
    return len(made.programs)


class Net(nn.Module):
    """A small network with everything that keeps state."""

    def __init__(self, p: float = 0.0) -> None:
        super().__init__()
        self.inner = nn.Linear(3, 4, bias=False)  # none before a norm: its gradient is all rounding
        self.norm = nn.BatchNorm1d(4)
        self.drop = nn.Dropout(p)
        self.outer = nn.Linear(4, 2)
        self.scale = 1.0

    def forward(self, x: Any, twice: bool = False) -> Any:
        h = self.drop(torch.tanh(self.norm(self.inner(x)))) * self.scale
        return self.outer(h) * (2 if twice else 1)


def training(net: Any, opt: Any) -> Any:
    def step(x: Any, y: Any) -> Any:
        opt.zero_grad()
        loss = F.mse_loss(net(x), y)
        loss.backward()
        opt.step()
        return loss

    return step


def batch(rows: int = 5) -> tuple[Any, Any]:
    return torch.randn(rows, 3), torch.randn(rows, 2)


def state(net: Any, opt: Any = None) -> Any:
    grads = {name: p.grad for name, p in net.named_parameters()}
    rest = {} if opt is None else opt.state_dict()["state"]
    return [dict(net.state_dict()), grads, rest, torch.get_rng_state()[:8]]
