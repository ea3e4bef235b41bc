"""A frozen backbone costs its forward pass: nothing is kept for it, and no gradient made."""

from __future__ import annotations

import gc
import tracemalloc
from typing import Any

import numpy as np
import pytest

import rushlight as rl
from rushlight.compile.lower.convolution import DATA, FORWARD, WEIGHT
from rushlight.compile.middle.graph import Node
from rushlight.ops.fused import convolution

pytest.importorskip("llvmlite")
nn = rl.nn


def backbone() -> Any:
    layers = []
    for channels in (3, 8, 8, 8):
        layers += [nn.Conv2d(channels, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())


def network(frozen: bool) -> Any:
    rl.manual_seed(0)
    net = nn.ModuleDict({"body": backbone().eval(), "head": nn.Linear(8, 5)})
    net["body"].requires_grad_(not frozen)
    return net


def batch() -> tuple[Any, Any]:
    rl.manual_seed(1)
    return rl.randn(6, 3, 24, 24), rl.randint(0, 5, (6,))


def stepping(net: Any) -> Any:
    wanted = [p for p in net.parameters() if p.requires_grad]
    optimizer = rl.optim.SGD(wanted, lr=0.1)

    def step(x: Any, labels: Any) -> Any:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net["head"](net["body"](x)), labels)
        loss.backward()
        optimizer.step()
        return loss

    return step


def convolutions(step: Any) -> list[str]:
    """The directions of all convolutions in a compiled step."""
    (bound,) = step.programs
    nodes: list[Node] = list(bound.program.core)
    return [node.params[0] for node in nodes if node.op == "conv"]


def test_nothing_is_recorded_for_it() -> None:
    net, (x, _) = network(frozen=True), batch()
    found = net["body"](x)
    assert found.grad_fn is None and not found.requires_grad
    net["head"](found).sum().backward()
    assert all(p.grad is None for p in net["body"].parameters())
    assert all(p.grad is not None for p in net["head"].parameters())


def kept(net: Any) -> int:
    """Bytes that a forward pass leaves behind for the backward pass."""
    x, _ = batch()
    net["body"](x)
    gc.collect()
    tracemalloc.start()
    try:
        found = net["head"](net["body"](x))
        return tracemalloc.get_traced_memory()[0] + 0 * found.numel()
    finally:
        tracemalloc.stop()


def test_nothing_is_kept_for_it() -> None:
    whole = 6 * 8 * 24 * 24 * 4  # bytes of one activation
    assert kept(network(frozen=True)) < whole // 4
    assert kept(network(frozen=False)) > 4 * whole


def test_an_input_that_wants_its_gradient_gets_only_that(monkeypatch: Any) -> None:
    """Through frozen convolutions the way back computes no weight gradients."""
    made, own = [], convolution.convolution_weight

    def counted(*args: Any) -> Any:
        made.append(1)
        return own(*args)

    monkeypatch.setattr(convolution, "convolution_weight", counted)
    for frozen in (True, False):
        body = network(frozen)["body"]
        x = rl.randn(2, 3, 12, 12, requires_grad=True)
        body(x).sum().backward()
        assert x.grad is not None and len(made) == (0 if frozen else 4)
        assert all((p.grad is None) == frozen for p in body.parameters())


def test_compiled_steps_make_no_gradients_of_it() -> None:
    (x, labels), found = batch(), {}
    for frozen in (True, False):
        eager, net = network(frozen), network(frozen)
        plain, step = stepping(eager), rl.compile(stepping(net), fullgraph=True)
        for _ in range(4):
            np.testing.assert_allclose(
                step(x, labels).item(), plain(x, labels).item(), rtol=1e-5
            )  # fmt: skip
        found[frozen] = convolutions(step)
    assert found[True] == [FORWARD] * 4
    assert sorted(found[False]) == sorted([FORWARD] * 4 + [DATA] * 3 + [WEIGHT] * 4)


def test_compiled_steps_need_less_memory() -> None:
    (x, labels), room = batch(), {}
    for frozen in (True, False):
        step = rl.compile(stepping(network(frozen)), fullgraph=True)
        for _ in range(3):
            step(x, labels)
        room[frozen] = step.programs[0].program.native.plan.size
    assert room[True] < 0.5 * room[False]


def test_normalisation_costs_no_pass_of_its_own() -> None:
    """In inference it is computed at the end of its convolution, activation included."""
    net = backbone()[:6].eval()
    x, _ = batch()
    infer = rl.compile(rl.no_grad()(lambda x: net(x)), fullgraph=True)
    np.testing.assert_allclose(infer(x).numpy(), net(x).detach().numpy(), rtol=1e-4, atol=1e-5)
    infer(x)
    kernels = infer.programs[0].program.native.kernels
    large = [k for k in kernels if k.nodes and k.nodes[-1].size >= x.numel()]
    assert len(large) == 2
    assert all([n.op for n in k.nodes if n.op in ("conv", "max")] == ["conv", "max"] for k in large)
