"""16-bit types keep their type where numbers meet them, under autocast and without, as in torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import rushlight as rl

torch = pytest.importorskip("torch")

NUMBERS = [[0.3, -1.2, 2.0], [1.0, 0.5, -0.7]]
CASES: dict[str, Callable[[Any, Any], Any]] = {
    "clamp": lambda t, x: x.clamp(-0.5, 0.5), "clamp_min": lambda t, x: x.clamp_min(0.1),
    "clamp_max": lambda t, x: x.clamp_max(0.1), "relu6": lambda t, x: t.nn.functional.relu6(x),
    "trapezoid": lambda t, x: t.trapezoid(x, dx=0.5),
    "running": lambda t, x: t.cumulative_trapezoid(x, dx=0.5),
    "addcmul": lambda t, x: x.addcmul(x, x, value=0.5),
    "addcdiv": lambda t, x: x.addcdiv(x, x, value=0.5),
    "lerp": lambda t, x: x.lerp(x * 2, 0.3), "normalize": lambda t, x: t.nn.functional.normalize(x),
    "cosine": lambda t, x: t.nn.functional.cosine_similarity(x, x + 1),
    "mul": lambda t, x: x * 0.5, "div": lambda t, x: 1 / x, "pow": lambda t, x: x.abs() ** 0.5,
    "where": lambda t, x: t.where(x > 0, x, 0.5), "std": lambda t, x: x.std(),
    "masked_fill": lambda t, x: x.masked_fill(x > 0, 0.1), "remainder": lambda t, x: x % 0.3,
    "nan_to_num": lambda t, x: x.nan_to_num(0.1), "median": lambda t, x: x.median(),
    "leaky": lambda t, x: t.nn.functional.leaky_relu(x), "add": lambda t, x: x.add(x, alpha=0.5),
}  # fmt: skip


def answers(t: Any, name: str, kind: str, cast: bool) -> list[tuple[str, np.ndarray]]:
    x = t.tensor(NUMBERS, dtype=getattr(t, kind), requires_grad=True)
    with t.autocast("cpu", dtype=t.bfloat16, enabled=cast):
        y = CASES[name](t, x)
    y.float().sum().backward()
    return [(str(a.dtype).split(".")[-1], a.detach().float().numpy()) for a in (y, x.grad)]


@pytest.mark.parametrize("cast", [False, True])
@pytest.mark.parametrize("kind", ["bfloat16", "float16"])
@pytest.mark.parametrize("name", CASES)
def test_types_and_values(name: str, kind: str, cast: bool) -> None:
    ours, theirs = (answers(t, name, kind, cast) for t in (rl, torch))
    for (a, x), (b, y) in zip(ours, theirs, strict=True):
        assert a == b
        np.testing.assert_allclose(x, y, rtol=2e-2, atol=2e-2)


def trained(t: Any) -> list[Any]:
    """Steps of a small network under autocast and a scaler; two of them overflow."""
    net = t.nn.Sequential(t.nn.Linear(6, 8), t.nn.ReLU(), t.nn.LayerNorm(8), t.nn.Linear(8, 3))
    draw = np.random.default_rng(0)
    with t.no_grad():
        for p in net.parameters():
            p.copy_(t.tensor(draw.standard_normal(tuple(p.shape)).astype("f")))
    optimizer = t.optim.SGD(net.parameters(), lr=0.05)
    scaler = t.amp.GradScaler("cpu", init_scale=64.0, growth_interval=3)
    found: list[Any] = []
    for step in range(9):
        x = t.tensor(draw.standard_normal((16, 6)).astype("f"))
        labels = t.tensor(draw.integers(0, 3, 16))
        with t.autocast("cpu", dtype=t.bfloat16):
            scores = net(x)
            loss = t.nn.functional.cross_entropy(scores, labels)
        optimizer.zero_grad()
        scaler.scale(loss * (float("inf") if step in (2, 6) else 1.0)).backward()
        scaler.unscale_(optimizer)
        norm = t.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        scaler.step(optimizer)
        scaler.update()
        types = [str(a.dtype).split(".")[-1] for a in (scores, loss, net[0].weight.grad)]
        found.append((types, loss.item(), norm.item(), scaler.state_dict()))
    return found


def test_a_scaler_goes_as_torchs() -> None:
    for ours, theirs in zip(trained(rl), trained(torch), strict=True):
        assert ours[0] == theirs[0] and ours[3] == theirs[3]
        np.testing.assert_allclose(ours[1:3], theirs[1:3], rtol=3e-2)
