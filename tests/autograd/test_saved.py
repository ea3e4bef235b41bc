"""Hooks on what the tape keeps, checkpoints built on them, and hooks on nodes."""

from __future__ import annotations

import functools
import gc
import tracemalloc
import weakref
from typing import Any

import numpy as np
import pytest

import rushlight as rl
from rushlight import nn
from rushlight.autograd import graph
from rushlight.autograd.segments import RESULT
from rushlight.core.tape import PRIM
from rushlight.utils.checkpoint import (
    CheckpointError,
    checkpoint,
    checkpoint_sequential,
    set_checkpoint_early_stop,
)


def network(x: Any, w: Any) -> Any:
    h = (x @ w).tanh()
    a, b = (h * 2).split(2, dim=1)
    values, _ = rl.cat([a, b.exp()], 1).max(dim=1)
    return (nn.functional.softmax(h, 1).sum() + values.sum()) * x.mean()


def gradients(run: Any) -> list[Any]:
    rl.manual_seed(0)
    x, w = rl.randn(3, 4, requires_grad=True), rl.randn(4, 4, requires_grad=True)
    run(x, w).backward()
    return [x.grad.clone(), w.grad.clone()]


def same(found: list[Any], wanted: list[Any]) -> None:
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a.numpy(force=True), b.numpy(force=True), rtol=1e-6)


def test_gradients_pass_through_pack_and_unpack() -> None:
    packed = []

    def run(x: Any, w: Any) -> Any:
        with graph.saved_tensors_hooks(
            lambda t: packed.append(t.shape) or (t.dtype, t.detach().numpy().tolist()),
            lambda kept: rl.tensor(kept[1], dtype=kept[0]),
        ):
            return network(x, w)

    same(gradients(run), gradients(network))
    assert len(packed) == 8


def test_packed_arrays_are_let_go() -> None:
    with graph.saved_tensors_hooks(
        lambda t: t.numpy(force=True).astype("f2"), lambda v: rl.tensor(v)
    ):
        x = rl.rand(100, requires_grad=True)
        y = x.exp()
        kept = weakref.ref(y._array)
        z = y.sum()
    del y
    assert kept() is None
    z.backward()
    assert np.allclose(x.grad.numpy(), np.exp(x.detach().numpy()), rtol=1e-2)


def test_identity_hooks_close_no_cycle() -> None:
    gc.collect()
    gc.disable()
    try:
        x = rl.rand(3, requires_grad=True)
        with graph.saved_tensors_hooks(lambda t: t, lambda t: t):
            y = x.exp()
        kept = weakref.ref(y._array)
        del y
        assert kept() is None
    finally:
        gc.enable()


def test_the_innermost_pair_counts_and_can_be_forbidden() -> None:
    seen: list[str] = []
    a = rl.ones(2, requires_grad=True)

    def hooks(name: str) -> Any:
        return graph.saved_tensors_hooks(lambda t: seen.append(name) or t, lambda t: t)

    with hooks("outer"):
        a.exp()
        with hooks("inner"):
            a.exp()
        a.exp()
    a.exp()
    assert seen == ["outer", "inner", "outer"]
    with (
        graph.disable_saved_tensors_hooks("not here"),
        pytest.raises(RuntimeError, match="not here"),
        hooks("never"),
    ):
        pass
    with hooks("again"):
        a.exp()
    assert seen[-1] == "again"


def test_hooks_that_misbehave() -> None:
    a = rl.ones(2, requires_grad=True)
    with (
        pytest.raises(RuntimeError, match="A saved tensor pack hook is modifying its input in pla"),
        graph.saved_tensors_hooks(lambda t: t.mul_(2), lambda t: t),
    ):
        a.clone().exp()
    with graph.saved_tensors_hooks(lambda t: t, lambda t: 3):
        y = a.exp().sum()
    with pytest.raises(TypeError, match="but got result of type int"):
        y.backward()


class Cube(rl.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        y = x**3
        ctx.save_for_backward(x, y)
        return y

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        x, y = ctx.saved_tensors
        assert y.requires_grad
        return g * 3 * y / x


def test_functions_keep_through_hooks_too() -> None:
    seen = []
    x = rl.tensor([2.0], requires_grad=True)
    with graph.saved_tensors_hooks(lambda t: seen.append(t.item()) or t.item(), rl.tensor):
        y = Cube.apply(x)
    with graph.saved_tensors_hooks(lambda t: t.clone(), lambda t: t):
        z = Cube.apply(x)
    (g,) = rl.autograd.grad(z, x, create_graph=True)
    (h,) = rl.autograd.grad(g, x)
    assert seen == [2.0, 8.0]
    assert (g.item(), round(h.item(), 4)) == (12.0, 12.0)
    y.backward(rl.ones(1))
    assert x.grad.tolist() == [12.0]


def test_double_backward_through_hooks() -> None:
    x = rl.tensor([0.5, 2.0], requires_grad=True, dtype=rl.float64)
    with graph.saved_tensors_hooks(lambda t: t.detach().clone(), lambda t: t):
        y = (x.exp() * x.sin() / x).sum()
    (g,) = rl.autograd.grad(y, x, create_graph=True)
    (h,) = rl.autograd.grad(g.sum(), x)
    x2 = x.detach().requires_grad_()
    (g2,) = rl.autograd.grad((x2.exp() * x2.sin() / x2).sum(), x2, create_graph=True)
    (h2,) = rl.autograd.grad(g2.sum(), x2)
    np.testing.assert_allclose(h.numpy(), h2.numpy())


def test_mutation_of_saved_tensors() -> None:
    with graph.allow_mutation_on_saved_tensors() as copies:
        a = rl.ones(2, 3, requires_grad=True)
        b = a.clone()
        out = (b**2).sum()
        b.sin_()
        out.backward()
        assert a.grad.tolist() == [[2.0] * 3] * 2
        with (
            pytest.raises(RuntimeError, match="contexts cannot be nested"),
            graph.allow_mutation_on_saved_tensors(),
        ):
            pass
        late = (a * a).sum()
        assert copies.copies
    assert not copies.copies
    with pytest.raises(AssertionError, match="Trying to backward outside"):
        late.backward()


def test_what_a_node_keeps() -> None:
    a, b = rl.ones(2, requires_grad=True), rl.full((2,), 3.0)
    node = (a * b).grad_fn
    assert node._saved_other.tolist() == [3.0, 3.0]
    assert "_raw_saved_other" in dir(node)
    with pytest.raises(AttributeError):
        node._saved_self  # noqa: B018 (only for b's gradient, which nobody wants)
    y = a.exp()
    assert y.grad_fn._saved_result.grad_fn == y.grad_fn
    y.grad_fn._raw_saved_result.register_hooks(lambda t: t.numpy(force=True) * 2, rl.from_numpy)
    y.sum().backward()
    assert a.grad.tolist() == pytest.approx([2 * np.e] * 2)
    with pytest.raises(RuntimeError, match="Trying to backward through the graph a second time"):
        y.grad_fn._saved_result  # noqa: B018  (it raises)


def test_hooks_on_the_ends_of_paths() -> None:
    x = rl.ones(2, requires_grad=True)
    end = (x * 2).grad_fn.next_functions[0][0]
    order = []
    end.register_prehook(lambda gs: order.append(("before", gs[0].tolist())) or (gs[0] * 5,))
    end.register_hook(lambda _, gs: order.append(("after", gs[0].tolist())))
    (x * 2).sum().backward()
    assert order == [("before", [2.0, 2.0]), ("after", [10.0, 10.0])]
    assert x.grad.tolist() == [10.0, 10.0]


def test_multi_grad_hooks_do_not_wait_for_what_is_not_reached() -> None:
    a, b, c, d = (rl.rand(2, requires_grad=True) for _ in range(4))
    seen: list[Any] = []
    h = a * 1
    graph.register_multi_grad_hook((a, h, b, c), lambda gs: seen.append([g is None for g in gs]))
    (h * b).sum().backward()
    (h.detach() * c * d).sum().backward()
    (a * b * c).sum().backward()
    assert seen == [
        [False, False, False, True], [True, True, True, False], [False, True, False, False],
    ]  # fmt: skip
    first: list[Any] = []
    graph.register_multi_grad_hook((a, b), first.append, mode="any")
    for _ in range(2):
        (a * b).sum().backward()
    assert len(first) == 2


# -- checkpoints -----------------------------------------------------------------------------------


def nested(x: Any, w: Any) -> Any:
    def inner(h: Any) -> Any:
        return nn.functional.dropout(h.exp(), 0.5) * h.sin()

    def outer(h: Any) -> Any:
        h = checkpoint(inner, h @ w, use_reentrant=False)
        return network(checkpoint(inner, h, use_reentrant=False) / 50, w)

    return checkpoint(outer, x, use_reentrant=False)


def unnested(x: Any, w: Any) -> Any:
    def inner(h: Any) -> Any:
        return nn.functional.dropout(h.exp(), 0.5) * h.sin()

    return network(inner(inner(x @ w)) / 50, w)


@pytest.mark.parametrize("early", [True, False])
def test_nested_checkpoints_give_the_same_gradients(early: bool) -> None:
    with set_checkpoint_early_stop(early):
        same(gradients(nested), gradients(unnested))


def test_checkpoints_know_every_way_to_a_gradient() -> None:
    net = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 1))
    x = rl.randn(4, 3)  # parameters alone want gradients
    wanted = rl.autograd.grad(net(x).sum(), list(net.parameters()))
    y = checkpoint(lambda *, given: {"out": net(given)}, given=x, use_reentrant=False)["out"].sum()
    same(list(rl.autograd.grad(y, list(net.parameters()), retain_graph=True)), list(wanted))
    same(list(rl.autograd.grad(y, list(net.parameters()))), list(wanted))
    assert all(p.grad is None for p in net.parameters())
    z = rl.tensor([0.3], requires_grad=True)
    y = checkpoint(lambda t: t.sin().exp(), z, use_reentrant=False)
    (g,) = rl.autograd.grad(y, z, create_graph=True)
    (h,) = rl.autograd.grad(g, z)
    s, c = np.sin(0.3), np.cos(0.3)
    assert h.item() == pytest.approx(np.exp(s) * (c * c - s), rel=1e-5)


def test_the_reentrant_form() -> None:
    def run(x: Any, w: Any) -> Any:
        return checkpoint(network, x, w, use_reentrant=True)

    same(gradients(run), gradients(network))
    with pytest.warns(UserWarning, match="None of the inputs have requires_grad=True"):
        assert not checkpoint(rl.exp, rl.ones(1), use_reentrant=True).requires_grad
    with pytest.warns(UserWarning, match="use_reentrant parameter should be passed explicitly"):
        checkpoint(rl.exp, rl.ones(1, requires_grad=True))
    with pytest.raises(ValueError, match="Unexpected keyword arguments: more"):
        checkpoint(rl.exp, rl.ones(1, requires_grad=True), use_reentrant=True, more=1)


def changing(*steps: Any) -> Any:
    left = list(steps)
    return lambda x: left.pop(0)(x)


@pytest.mark.parametrize(
    ("again", "message"),
    [
        (lambda x: x * 1, "A different number of tensors was saved"),
        (lambda x: rl.cat([x, x]).exp()[:2].sin(), "have different metadata than during"),
        (lambda x: x.exp().exp().exp().sin(), "trying to save more tensors during recomputation"),
    ],
)
def test_a_second_run_that_differs_is_refused(again: Any, message: str) -> None:
    x = rl.ones(2, requires_grad=True)
    run = changing(lambda x: x.exp().sin(), again)
    y = checkpoint(run, x, use_reentrant=False, early_stop=False).sum()
    with pytest.raises(CheckpointError, match=message):
        y.backward()


def test_an_argument_written_meanwhile_is_refused() -> None:
    y = rl.ones(2, requires_grad=True) * 1
    z = checkpoint(lambda a: a.exp(), y, use_reentrant=False).sum()
    y.mul_(3)
    with pytest.raises(RuntimeError, match="has been modified by an inplace operation"):
        z.backward()


@pytest.mark.parametrize("reentrant", [True, False])
def test_a_checkpoint_keeps_no_tape_either(reentrant: bool) -> None:
    """Sixteen times the operations take about four times the memory, tape and all."""

    run = functools.partial(
        checkpoint_sequential, use_reentrant=reentrant, preserve_rng_state=False
    )  # fmt: skip

    def peak(length: int) -> int:
        x = rl.ones(2, requires_grad=True)
        steps = [rl.sin] * length
        gc.collect()
        tracemalloc.start()
        try:
            run(steps, None, x).sum().backward()
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(64)  # what the first run caches
    assert peak(1024) - 16 * 1024 < 6 * peak(64)  # two lists of the functions aside


def test_a_second_run_stands_on_the_tape_for_the_first() -> None:
    """Every way to ask for gradients of a folded segment, beside the plain function."""
    w, x = rl.randn(3, requires_grad=True), rl.randn(3, requires_grad=True)

    def run(x: Any) -> Any:
        a = (x * w).sin()
        return a, (a * x).exp()

    def asked(function: Any) -> list[Any]:
        h = x * 2
        seen: list[Any] = []
        a, b = function(h)
        b.register_hook(lambda g: seen.append(g.clone()))
        b.grad_fn.register_prehook(lambda gs: seen.append(gs[0].clone()))
        y = (a * a + b).sum()
        first = rl.autograd.grad(y, (w, x, h), retain_graph=True, create_graph=True)
        second = rl.autograd.grad(first[0].sum() + first[1].sum(), (w, x), retain_graph=True)
        part = rl.autograd.grad(b.sum(), h, retain_graph=True)
        w.grad = x.grad = None
        y.backward()
        with pytest.raises(RuntimeError, match="backward through the graph a second time"):
            b.sum().backward()
        return [a, b, *first, *second, *part, w.grad, x.grad, *seen[:2]]

    folded = checkpoint(run, x * 2, use_reentrant=False)[1]
    assert folded._entry[PRIM] is RESULT
    assert folded.grad_fn.name() == "ExpBackward0"
    same(asked(lambda h: checkpoint(run, h, use_reentrant=False)), asked(run))


def test_hooks_around_and_inside_a_segment() -> None:
    def inner(x: Any) -> Any:
        with rl.autograd.graph.saved_tensors_hooks(lambda t: t + 1, lambda t: t - 1):
            y = x.sin()
        return y.exp()

    def run(x: Any, w: Any) -> Any:
        with rl.autograd.graph.save_on_cpu():
            y = checkpoint(inner, x @ w, use_reentrant=False).sum()
            y.backward(retain_graph=True)
        return y

    same(gradients(run), [2 * g for g in gradients(lambda x, w: (x @ w).sin().exp().sum())])


@pytest.mark.parametrize("how", ["a tensor", "a hook", "a node"])
def test_a_segment_that_somebody_looks_into_keeps_its_tape(how: str) -> None:
    x, kept = rl.ones(2, requires_grad=True), []

    def run(x: Any) -> Any:
        y = x.sin()
        if how == "a tensor":
            kept.append(y)
        elif how == "a hook":
            y.register_hook(lambda g: kept.append(g) or g * 2)
        else:
            kept.append(y.grad_fn)
        return y.exp()

    z = checkpoint(run, x, use_reentrant=False)
    assert z._entry[PRIM] is not RESULT
    (g,) = rl.autograd.grad(z.sum(), x)
    wanted = x.sin().exp() * x.cos() * (2 if how == "a hook" else 1)
    same([g], [wanted.detach()])
    assert kept


def test_square_root_memory() -> None:
    live: list[weakref.ref[Any]] = []
    peak = [0]

    def step(x: Any) -> Any:
        y = x.sin()
        live.append(weakref.ref(y._array))
        peak[0] = max(peak[0], sum(ref() is not None for ref in live))
        return y

    x = rl.ones(2, requires_grad=True)
    y = checkpoint_sequential([step] * 100, None, x, use_reentrant=False)
    y.sum().backward()
    assert 10 <= peak[0] <= 24  # 10 ends of segments and 10 steps of the one at work
    plain = rl.ones(2, requires_grad=True)
    y = plain
    for _ in range(100):
        y = y.sin()
    y.sum().backward()
    assert x.grad.tolist() == plain.grad.tolist()


def test_hooks_see_the_tensors_themselves_the_second_operand_first() -> None:
    a, b = rl.ones(2, requires_grad=True), rl.ones(2, requires_grad=True) * 2
    packed: list[Any] = []
    unpacked: list[Any] = []
    pair = [lambda t: packed.append(t) or t, lambda t: unpacked.append(t) or t]
    with graph.saved_tensors_hooks(*pair):
        product, ratio = (a * b).sum(), (a / b).sum()
        matrices = (a.reshape(1, 2) @ b.reshape(2, 1)).sum()
    assert packed[0] is b and packed[1] is a and packed[2] is b and packed[3] is a
    assert [one.shape for one in packed[4:]] == [(2, 1), (1, 2)]
    rl.autograd.backward([matrices, ratio, product])
    wanted = [*packed[4:], *packed[2:4], *packed[:2]]
    assert all(one is other for one, other in zip(unpacked, wanted, strict=True))


def _linear(x: Any, w: Any, b: Any) -> Any:
    return rl.nn.functional.linear(x, w, b)


def _convolution(x: Any, w: Any, b: Any) -> Any:
    return rl.nn.functional.conv1d(x[None], w[..., None], b)


@pytest.mark.parametrize("wanted", ["b", "x", "w", "xw", "xb", "wb", "xwb"])
@pytest.mark.parametrize("written", ["x", "w", "b"])
@pytest.mark.parametrize("function", [_linear, _convolution])
def test_only_operands_that_a_gradient_reads_are_guarded(
    wanted: str, written: str, function: Any
) -> None:
    """torch 2.13: a linear layer saves x for w's gradient and w for x's, a convolution both."""
    shapes = {"x": (3, 3), "w": (4, 3), "b": (4,)}
    operands = {
        name: rl.ones(shape).requires_grad_(name in wanted) for name, shape in shapes.items()
    }
    y = function(*operands.values()).sum()
    with rl.no_grad():
        operands[written].add_(1)
    both = function is _convolution
    needed = {"x": both or "w" in wanted, "w": both or "x" in wanted, "b": False}[written]
    if needed:
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            y.backward()
    else:
        y.backward()


def test_a_linear_layer_packs_what_its_gradients_read() -> None:
    count = [0]

    def pack(x: rl.Tensor) -> rl.Tensor:
        count[0] += x.numel()
        return x

    net = rl.nn.Sequential(rl.nn.Linear(3, 3), rl.nn.ReLU(), rl.nn.Linear(3, 1))
    with rl.autograd.graph.saved_tensors_hooks(pack, lambda x: x):
        net(rl.ones(2, 3))
    assert count == [21]  # torch's: x 6, relu's result 6 and again for the product, weight 3


def test_hooks_for_what_was_given_back_are_refused() -> None:
    x = rl.ones(2, requires_grad=True)
    y = (x * x).sum()
    saved = y.grad_fn.next_functions[0][0]._raw_saved_self
    y.backward()
    with pytest.raises(RuntimeError, match="Calling register_hooks on a saved tensor after it has"):
        saved.register_hooks(lambda x: x, lambda x: x)
