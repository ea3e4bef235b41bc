"""What a compiled call means: everything is as after the eager call, or it says why it is eager.

Each case is a function that makes a fresh world (`build`) and gives a step and its calls; the same
calls are made eagerly and compiled, and everything that can be seen is compared.
"""

from __future__ import annotations

import copy
import importlib.util
import pickle
import random
import threading
import time
import warnings
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
        grad = None if value.grad is None else value.grad.tolist()
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
    elif isinstance(wanted, np.ndarray):
        np.testing.assert_allclose(found, wanted, rtol=2e-5, atol=1e-6, err_msg=path)
    elif isinstance(wanted, float):
        assert found == pytest.approx(wanted, rel=2e-5, abs=1e-6), path
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


# --- memory: views, writes, aliases


def _views(c: Any) -> Any:
    def step(x: Any) -> Any:
        rows = x[1:]
        rows.mul_(2)
        part = x.view(-1)[::2]
        part += 1
        x.t()[0].neg_()
        return x.sum(), rows, part

    f = c(step)
    xs = [torch.arange(6.0).reshape(3, 2) for _ in range(3)]
    return [f(x) for x in xs], xs


def _written_result(c: Any) -> Any:
    f = c(lambda x: (x.t(), x[0], x.view(-1)))
    x = torch.arange(6.0).reshape(3, 2)
    f(x)
    turned, row, flat = f(x)
    row.fill_(7)
    flat[5] = 9
    return x, turned, row


def _same_object(c: Any) -> Any:
    f = c(lambda x, y: (y, x, x.add_(1)))
    x, y = torch.ones(2), torch.zeros(2)
    found = [f(x, y), f(x, y)]
    return [a is y and b is x and d is x for a, b, d in found], x, y


def _aliased_arguments(c: Any) -> Any:
    def step(a: Any, b: Any) -> Any:
        a.add_(1)
        return a + b

    f = c(step)
    x, y = torch.ones(3), torch.ones(3)
    return f(x, y), f(x, y), f(x, x), f(x, y), x, y


def _swapped(c: Any) -> Any:
    def step(a: Any, b: Any) -> Any:
        kept = a.clone()
        a.copy_(b)
        b.copy_(kept)

    f = c(step)
    a, b = torch.arange(3.0), torch.ones(3)
    for _ in range(3):
        f(a, b)
    return a, b


def _set_items(c: Any) -> Any:
    def step(x: Any, m: Any, i: Any) -> Any:
        x[0] = 5
        x[1:, 1] = x[0, 0]
        x[m] = -1
        x[i] = x[i] * 2
        return x[..., None].sum(0)

    f = c(step)
    out = []
    for k in range(3):
        x = torch.arange(6.0).reshape(3, 2) + k
        out.append((f(x, x > 3, torch.tensor([2, 0])), x))
    return out


def _buffer_outside(c: Any) -> Any:
    total = torch.zeros(2)

    def step(x: Any) -> Any:
        total.add_(x)
        total[0] *= 2
        return total.sum()

    f = c(step)
    return [f(torch.ones(2) * k) for k in range(4)], total


def _expanded(c: Any) -> Any:
    f = c(lambda x: (x.expand(3, 2), x.unsqueeze(0).expand(2, 2).clone().add_(1)))
    return [f(torch.arange(2.0) + k) for k in range(3)]


MEMORY = [_views, _written_result, _same_object, _aliased_arguments, _swapped, _set_items,
          _buffer_outside, _expanded]  # fmt: skip


@backends
@pytest.mark.parametrize("build", MEMORY, ids=lambda build: build.__name__[1:])
def test_memory(build: Any, backend: str) -> None:
    assert programs(twice(build, backend)[0]) >= 1
