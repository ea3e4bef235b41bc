"""When leaves get their gradients, and in which order their hooks are called."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest

import rushlight as rl
from rushlight import nn
from rushlight.utils.checkpoint import checkpoint


def test_hooks_of_leaves_are_called_as_soon_as_their_gradient_is_whole() -> None:
    net = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3), nn.Tanh(), nn.Linear(3, 2))
    seen = []
    for name, p in net.named_parameters():
        p.register_hook(lambda g, name=name: seen.append(f"hook {name}"))
        p.register_post_accumulate_grad_hook(
            lambda p, name=name: seen.append(f"{name} {rl.is_grad_enabled()}")
        )
    for name, module in net.named_children():
        module.register_full_backward_hook(lambda m, i, o, name=name: seen.append(f"module {name}"))
    x = rl.randn(3, 4, requires_grad=True)
    x.register_hook(lambda g: seen.append("x"))
    ((net(x) ** 2).sum() + net[2].weight.sum()).backward()
    expected = []  # as torch 2.13 calls them
    for layer in (4, 2, 0):
        for name in ("bias", "weight"):
            expected += [f"hook {layer}.{name}", f"{layer}.{name} False"]
        expected += [f"module {layer}"] + ([f"module {layer - 1}"] if layer else [])
    assert seen == [*expected, "x"]


def test_leaves_of_one_op_come_in_its_operands_order() -> None:
    u, v, w = (rl.randn(3, requires_grad=True) for _ in "uvw")
    seen = []
    for name, leaf in zip("uvw", (u, v, w)):
        leaf.register_hook(lambda g, name=name: seen.append(name))
    ((w * u + v) * w).sum().backward()
    assert seen == ["v", "w", "u"]
    seen.clear()
    handle = u.register_hook(lambda g: seen.append("again"))
    handle.remove()
    (u * w).sum().backward()
    assert seen == ["u", "w"]


def test_a_gradient_that_comes_in_two_parts_is_given_once() -> None:
    x = rl.ones(3, requires_grad=True)
    seen = []
    x.register_post_accumulate_grad_hook(lambda p: seen.append(p.grad.tolist()))
    (x * 2 + checkpoint(lambda x: x * x, x, use_reentrant=False)).sum().backward()
    assert seen == [[4.0] * 3]
    x.grad = None
    y = x * 2
    (y * y + y).sum().backward(inputs=[x])
    assert seen[1:] == [[10.0] * 3]


def test_a_step_inside_backward_lets_each_gradient_go() -> None:
    weights = [nn.Parameter(rl.randn(256, 256) * 0.01) for _ in range(12)]

    def step(p: rl.Tensor) -> None:
        p -= 0.1 * p.grad
        p.grad = None

    for p in weights:
        p.register_post_accumulate_grad_hook(step)
    before = [p.detach().clone() for p in weights]
    h = rl.randn(2, 256)
    for p in weights:
        h = rl.tanh(h @ p)
    tracemalloc.start()
    try:
        h.sum().backward()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert all(not p.equal(old) and p.grad is None for p, old in zip(weights, before))
    assert peak < 6 * weights[0].numel() * 4, "of twelve gradients"


def test_nodes_show_the_edges_that_torch_has() -> None:
    net = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3))
    loss = nn.functional.cross_entropy(net(rl.randn(2, 4)), rl.tensor([0, 1]))
    names, node = [], loss.grad_fn
    while node is not None:
        names.append(node.name())
        steps = [one for one, _ in node.next_functions if one is not None]
        node = steps[0] if len(steps) == 1 else steps[1] if len(steps) == 3 else None
    assert names == [
        "NllLossBackward0", "LogSoftmaxBackward0", "AddmmBackward0", "ReluBackward0",
        "AddmmBackward0",
    ]  # fmt: skip
    bias, x, turned = (one for one, _ in net[0](rl.randn(2, 4)).grad_fn.next_functions)
    assert bias.variable is net[0].bias and x is None and repr(turned).startswith("<TBackward0 ob")
    assert turned.next_functions[0][0].variable is net[0].weight
    rows = nn.functional.embedding(rl.tensor([0]), net[0].weight).grad_fn
    assert [one.name() for one, _ in rows.next_functions] == ["torch::autograd::AccumulateGrad"]


def _formulas() -> dict[str, Any]:
    return {
        "a sum": lambda a, b, c: a + b,  # whose operands get one array
        "a product": lambda a, b, c: a * b * c,
        "used twice": lambda a, b, c: (a * b).exp() * a - c,
        "several outputs": lambda a, b, c: rl.cat((a * b, c)).chunk(2)[1] + a.sort(1)[0] * b,
        "a layer": lambda a, b, c: rl.nn.functional.linear(a, b, c[0]).tanh(),
        "a leaf": lambda a, b, c: a,
        "run again": lambda a, b, c: checkpoint(lambda x: x * b, a, use_reentrant=False) + c,
    }


@pytest.mark.parametrize("name", _formulas())
def test_gradients_are_the_same_by_every_entrance(name: str) -> None:
    rl.manual_seed(0)
    leaves = [rl.randn(4, 4, requires_grad=True) for _ in range(3)]
    given = rl.randn(4, 4)
    formula = _formulas()[name]
    kept = given.clone()

    def called(run: Any) -> list[Any]:
        for x in leaves:
            x.grad = None
        run(formula(*leaves))
        assert rl.equal(given, kept)
        return [x.grad for x in leaves]

    first = called(lambda y: y.backward(given))
    assert all(g is None or g.data_ptr() != given.data_ptr() for g in first)
    others = [
        called(lambda y: rl.autograd.backward([y], [given])),
        called(lambda y: (y * given).sum().backward()),
        rl.autograd.grad(formula(*leaves), leaves, given, allow_unused=True),
        [rl.autograd.grad(formula(*leaves), x, given, allow_unused=True)[0] for x in leaves],
        rl.autograd.grad(formula(*leaves), leaves, given, create_graph=True, allow_unused=True),
    ]
    for found in others:
        for g, h in zip(first, found, strict=True):
            assert (g is None) == (h is None)
            assert g is None or rl.allclose(g, h.detach())


def test_grad_leaves_other_gradients_alone() -> None:
    w, v = rl.ones(3, requires_grad=True), rl.ones(3, requires_grad=True)
    seen: list[Any] = []
    w.register_hook(seen.append)
    found = rl.autograd.grad((w * v).sum(), [w, v])
    assert [g.tolist() for g in found] == [[1.0] * 3] * 2 and len(seen) == 1
    assert w.grad is None and v.grad is None


def test_hooks_of_several_leaves_wait_for_those_that_are_asked_for() -> None:
    a, b, c, d = (rl.ones(2, requires_grad=True) for _ in range(4))
    seen: list[list[bool]] = []
    rl.autograd.graph.register_multi_grad_hook(
        (a, b, c, d), lambda gs: seen.append([g is not None for g in gs])
    )
    y = (b * c).sum()
    y.backward(retain_graph=True)
    y.backward(inputs=(b, c), retain_graph=True)
    y.backward(inputs=(b,), retain_graph=True)
    rl.autograd.grad(y, (b, c))
    both, one = [False, True, True, False], [False, True, False, False]
    assert seen == [both, both, one, both]  # as torch 2.13 calls them


def test_what_is_called_after_a_gradient_is_added_returns_nothing() -> None:
    a = rl.ones(2, requires_grad=True)
    leaf: Any = a
    leaf.register_post_accumulate_grad_hook(lambda a: a.grad)
    with pytest.raises(RuntimeError, match=r"hooks should return None\."):
        a.sum().backward()


def test_zeros_in_place_of_gradients_go_on_as_leaves() -> None:
    x, factor = (rl.tensor(0.5, requires_grad=True) for _ in range(2))
    slope = rl.autograd.grad(factor * x, x, create_graph=True)
    second = rl.autograd.grad(slope, x, create_graph=True, materialize_grads=True)
    assert second[0].requires_grad and second[0].is_leaf
    assert rl.autograd.grad(second, x, materialize_grads=True)[0].item() == 0
    assert not rl.autograd.grad(3 * x, second, materialize_grads=True)[0].requires_grad


def test_edges_stand_for_the_history_they_were_made_of() -> None:
    graph: Any = rl.autograd.graph
    x, y = (rl.ones(2, requires_grad=True).clone() for _ in range(2))
    total = (x + 2 * y).sum()
    edges = [graph.GradientEdge(z.grad_fn, z.output_nr) for z in (x, y)]
    found = rl.autograd.grad(total, edges)
    assert [g.tolist() for g in found] == [[1, 1], [2, 2]]
    before = graph.get_gradient_edge(x)
    x *= 3
    old, new = rl.autograd.grad(x.sum(), (before, x))
    assert (old.tolist(), new.tolist()) == ([3, 3], [1, 1])
