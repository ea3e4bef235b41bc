"""Groups that do the same to other memory have one expression, and their kernels are the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("llvmlite")

import rushlight as torch
from rushlight.compile.code import llvm
from rushlight.compile.kernels import program, templates

pytestmark = pytest.mark.skipif(not llvm.available(), reason="no native code here")


def _steps(x: Any, w: Any, b: Any) -> Any:
    """A loop over time whose gates are parts of parts, one of them read backwards."""
    w.grad = None
    h, total = torch.zeros(4, 8), torch.zeros(())
    given = (x.reshape(24, 8) @ w[:8] + b[:24]).reshape(6, 4, 24)
    for t in range(6):
        gates = given[t] + h @ w[8:16]
        r, z, n = gates[:, :8], gates[:, 8:16], gates[:, 16:]
        h = torch.sigmoid(z) * h + (1 - torch.sigmoid(z)) * torch.tanh(n * torch.sigmoid(r).flip(1))
        total = total + (h * x[t, :, ::1]).sum()
    total.backward()
    grad = w.grad
    assert grad is not None
    return grad * 1


def _layers(x: Any, w: Any, b: Any) -> Any:
    """Layers with a residual, whose weights are rows of one and of steps through another."""
    y = x.reshape(24, 8)
    for k in range(6):
        y = (
            y
            + torch.relu(y @ w[4 * k : 4 * k + 8, 8:16] + b[k : k + 8]) * b[2 * k : 2 * k + 16 : 2]
        )
        y = y - y.mean(1, keepdim=True).expand(24, 8)
    return y, y.t()[2:4].sum(0)


def _moved(x: Any, w: Any, b: Any) -> Any:
    """The same parts of values that lie in different ways, on their sides and spread out."""
    found = []
    for t in range(5):
        turned = (x[t].t() * 2 + 1)[t % 2 : t % 2 + 4]
        spread = (b[:8] * t).expand(4, 8)[:, t : t + 3]
        found.append(turned.exp().sum(1) + spread.sum(1) + w[t, ::3].sum())
    return torch.stack(found)


def _drafted(core: Any) -> Any:
    """The kernels of a graph as text, and where their operands lie."""
    draft, maker, writer = program._drafted(core, llvm.target(), None, None, False)
    recipe = writer.recipe()
    places = recipe.temporaries, recipe.fixed, recipe.status, recipe.clocks
    return maker.text(), [part.tolist() for part in places], recipe.arena, len(draft.steps)


@pytest.mark.parametrize("step", [_steps, _layers, _moved])
def test_kernels_are_those_of_groups_worked_out_alone(
    step: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    x, w, b = torch.randn(6, 4, 8), torch.randn(32, 24), torch.randn(32)
    w.requires_grad_(step is _steps)
    compiled = torch.compile(step, fullgraph=True)
    compiled(x, w, b)
    core = compiled.programs[0].program.core
    count: Counter[bool] = Counter()
    filled = templates.Templates.filled

    def counted(self: Any, template: Any, group: Any) -> Any:
        found = filled(self, template, group)
        count[found is not None] += 1
        return found

    monkeypatch.setattr(templates.Templates, "filled", counted)
    shared = _drafted(core)
    assert count[True] > 3
    monkeypatch.setattr(templates.Templates, "of", lambda *args: None)
    assert _drafted(core) == shared
