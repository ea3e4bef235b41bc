"""`torch.func` and `torch.vmap`: trees, levels, chunks, writes and draws, without an oracle."""

from __future__ import annotations

import warnings
from collections import OrderedDict, namedtuple
from typing import Any

import numpy as np
import pytest

import rushlight as rl
from rushlight.autograd.levels import STACK
from rushlight.core.trees import broadcast, flatten, unflatten
from rushlight.func import (
    debug_unwrap,
    functional_call,
    functionalize,
    grad,
    grad_and_value,
    hessian,
    jacfwd,
    jacrev,
    jvp,
    linearize,
    replace_all_batch_norm_modules_,
    stack_module_state,
    vjp,
    vmap,
)

Pair = namedtuple("Pair", "first second")


def draw(*shape: int, seed: int = 0) -> rl.Tensor:
    return rl.from_numpy(np.asarray(np.random.default_rng([seed, *shape]).standard_normal(shape)))


def same(a: rl.Tensor, b: rl.Tensor) -> None:
    np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-9, atol=1e-12)


def wave(x: rl.Tensor) -> rl.Tensor:
    return (x.sin() * x.flip(0)).sum() + x.prod()


@pytest.fixture(autouse=True)
def _no_level_is_left() -> Any:
    yield
    assert STACK.levels == ()


def test_trees() -> None:
    tree = {"a": [1, (2, Pair(3, None))], "b": OrderedDict(z=4, y=5)}
    leaves, spec = flatten(tree)
    assert leaves == [1, 2, 3, None, 4, 5]
    assert unflatten(leaves, spec) == tree
    assert type(unflatten(leaves, spec)["a"][1][1]) is Pair
    assert broadcast({"a": 0, "b": None}, spec) == [0, 0, 0, 0, None, None]
    assert broadcast((0, 1), spec) is None
    with pytest.raises(ValueError, match="has length 1"):
        unflatten([1], spec)


def test_arguments_may_be_trees() -> None:
    params = {"w": draw(3), "pair": Pair(draw(2), [draw(3, seed=1)])}

    def f(params: Any, scale: float, *, shift: float = 0.0) -> rl.Tensor:
        total = (params["w"] * params["pair"].second[0]).sum() * scale
        return total + (params["pair"].first ** 2).sum() + shift

    slopes, value = grad_and_value(f)(params, 2.0, shift=1.0)
    assert type(slopes["pair"]) is Pair
    same(slopes["w"], params["pair"].second[0] * 2)
    same(slopes["pair"].first, params["pair"].first * 2)
    same(value, f(params, 2.0, shift=1.0))
    assert not value.requires_grad


def test_aux_and_argnums() -> None:
    x, y = draw(3), draw(3, seed=1)

    def f(x: rl.Tensor, y: rl.Tensor) -> Any:
        return (x * y * y).sum(), {"seen": x + y}

    (by_x, by_y), (value, aux) = grad_and_value(f, argnums=(0, 1), has_aux=True)(x, y)
    same(by_x, y * y)
    same(by_y, 2 * x * y)
    same(aux["seen"], x + y)
    assert not aux["seen"].requires_grad and value.shape == ()
    same(grad(f, argnums=-1, has_aux=True)(x, y)[0], by_y)
    same(jacrev(f, has_aux=True)(x, y)[0], by_x)
    same(jacfwd(f, has_aux=True)(x, y)[0], by_x)
    _, pull, aux = vjp(f, x, y, has_aux=True)
    same(pull(rl.ones((), dtype=rl.float64))[1], by_y)
    same(jvp(f, (x, y), (x, y), has_aux=True)[1], (by_x * x + by_y * y).sum())


def test_jacobians_agree_and_chunks_change_nothing() -> None:
    x, w = draw(4), draw(3, 4, seed=2)

    def f(x: rl.Tensor) -> Any:
        return {"y": (w @ x).tanh(), "z": (x.cumsum(0), x.max())}

    backward, forward = jacrev(f)(x), jacfwd(f)(x)
    for a, b in zip(flatten(backward)[0], flatten(forward)[0]):
        same(a, b)
    for chunk in (1, 2, 100):
        for a, b in zip(flatten(jacrev(f, chunk_size=chunk)(x))[0], flatten(backward)[0]):
            same(a, b)
    assert backward["z"][1].shape == (4,) and backward["y"].shape == (3, 4)
    assert jacrev(lambda x: x[:0])(x).shape == (0, 4)


def test_hessian_is_symmetric_in_every_order() -> None:
    x = draw(5)
    wanted = rl.autograd.functional.hessian(wave, x)
    for outer in (jacfwd, jacrev):
        for inner in (jacfwd, jacrev):
            found = outer(inner(wave))(x)
            same(found, wanted)
            same(found, found.t())
    same(hessian(wave)(x), wanted)


def test_vmap_of_gradients_is_a_loop() -> None:
    rows = draw(6, 4)
    same(vmap(grad(wave))(rows), rl.stack([grad(wave)(row) for row in rows]))
    same(vmap(hessian(wave))(rows), rl.stack([hessian(wave)(row) for row in rows]))
    same(vmap(grad(wave), chunk_size=4)(rows), vmap(grad(wave))(rows))
    same(vmap(grad(wave), in_dims=1, out_dims=-1)(rows.t()), vmap(grad(wave))(rows).t())
    assert vmap(grad(wave))(rows[:0]).shape == (0, 4)
    nested = vmap(vmap(lambda a, b: a * b, (None, 0)), (0, None))(rows[:, 0], rows[:, 1])
    same(nested, rl.outer(rows[:, 0], rows[:, 1]))


def test_histories_stay_apart() -> None:
    """Captured leaves keep their gradients, inner levels do not leak, outer grad mode is kept."""
    w, x = draw(3).requires_grad_(), draw(3, seed=1)
    slope = grad(lambda x: (w * x**3).sum())(x)
    slope.sum().backward()
    same(w.grad, 3 * x**2)
    assert not grad(wave)(x).requires_grad
    with rl.no_grad():
        same(grad(wave)(x), grad(wave)(x.clone()))
        assert not grad(lambda x: (w * x).sum())(x).requires_grad
    leaf = x.clone().requires_grad_()
    vmap(lambda row: row * leaf.sum())(leaf).sum().backward()
    same(leaf.grad, rl.full((3,), 2 * float(x.sum()), dtype=rl.float64))
    inner = grad(lambda y: (grad(lambda z: (z * y).sum())(y) * y).sum())
    same(inner(x), 2 * x)
    stopped = grad(lambda x: (x.detach() * x).sum())
    same(stopped(x), x)


def test_linear_maps() -> None:
    x, v = draw(4), draw(4, seed=3)
    calls = []

    def f(x: rl.Tensor) -> rl.Tensor:
        calls.append(1)
        return x.sin() * x.sum()

    y, push = linearize(f, x)
    before = len(calls)
    for scale in (1.0, 2.0):
        same(push(v * scale), jvp(lambda x: x.sin() * x.sum(), (x,), (v * scale,))[1])
    assert len(calls) == before
    out, pull = vjp(f, x)
    same(out, y)
    same((pull(v)[0] * x).sum(), (push(x) * v).sum())
    with pytest.raises(RuntimeError, match=r"tangent:0 with dtype .* doesn't match the dtype"):
        push(v.to(rl.float32 if v.dtype is rl.float64 else rl.float64))
    with pytest.raises(RuntimeError, match="to have the same argspec as the primals"):
        push(v, v)


@pytest.mark.parametrize("nothing", [None, (), [None]])
def test_a_function_returns_something(nothing: Any) -> None:
    x = draw(2)
    for call in (
        lambda f: jvp(f, (x,), (x,)), lambda f: vjp(f, x), lambda f: jacfwd(f)(x),
        lambda f: jacrev(f)(x),
    ):  # fmt: skip
        with pytest.raises(RuntimeError, match=r"non-empty output \(got output = \["):
            call(lambda x: nothing)


def test_modules() -> None:
    nets = [rl.nn.Sequential(rl.nn.Linear(3, 4), rl.nn.ReLU(), rl.nn.Linear(4, 2)) for _ in "abc"]
    params, buffers = stack_module_state(nets)
    assert buffers == {} and all(p.requires_grad and p.is_leaf for p in params.values())
    x = rl.randn(5, 3)
    found = vmap(lambda p, b: functional_call(nets[0], (p, b), (x,)))(params, buffers)
    wanted = rl.stack([net(x) for net in nets])
    np.testing.assert_allclose(found.detach().numpy(), wanted.detach().numpy(), rtol=1e-5)
    found.sum().backward()
    assert params["0.weight"].grad.shape == (3, 4, 3)
    norm = replace_all_batch_norm_modules_(rl.nn.Sequential(rl.nn.BatchNorm1d(3)))
    assert norm[0].running_mean is None
    assert vmap(norm)(rl.randn(2, 5, 3)).shape == (2, 5, 3)


def test_batch_norm_tells_what_to_do() -> None:
    layer = rl.nn.BatchNorm1d(3)
    with pytest.raises(RuntimeError, match="Batch norm got a batched tensor"):
        vmap(layer)(rl.randn(2, 5, 3))


def test_writes_reach_batches_and_nothing_else() -> None:
    x = draw(3, 2)
    kept = x.clone()
    shared = rl.zeros(2).double()
    with pytest.raises(RuntimeError, match="inplace arithmetic"):
        vmap(lambda row: shared.add_(row))(x)
    assert not shared.numpy().any()

    def total(row: rl.Tensor) -> rl.Tensor:
        out = rl.zeros_like(row)
        out[0] += row.sum()
        out[1:] = row[0]
        return out

    same(vmap(total)(x), rl.stack([total(row) for row in x]))
    assert functionalize(total)(x[0]).shape == (2,)
    same(x, kept)
    with pytest.raises(RuntimeError, match="requires_grad_"):
        grad(lambda x: x.requires_grad_().sum())(x)


def test_draws() -> None:
    x = draw(4, 3)
    with pytest.raises(RuntimeError, match="randomness error mode"):
        vmap(lambda row: row + rl.rand(3))(x)
    alike = vmap(lambda row: rl.rand(3), randomness="same")(x)
    assert (alike == alike[0]).all()
    apart = vmap(lambda row: rl.rand(3), randomness="different")(x)
    assert len(set(apart.flatten().tolist())) == 12
    rl.manual_seed(0)
    first = vmap(lambda row: rl.nn.functional.dropout(row), randomness="different")(x)
    rl.manual_seed(0)
    same(first, rl.nn.functional.dropout(x))


def test_what_runs_sample_by_sample_says_so_once() -> None:
    from rushlight.autograd import batched

    batched._warned.discard("block_diag")
    with pytest.warns(UserWarning, match="batching rule for aten::block_diag"):
        found = vmap(lambda row: rl.block_diag(row, row))(draw(2, 3))
    assert found.shape == (2, 2, 6)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        vmap(lambda row: rl.block_diag(row, row))(draw(2, 3))


class Cube(rl.autograd.Function):
    """A Function with all that transforms ask for."""

    @staticmethod
    def forward(x: rl.Tensor) -> rl.Tensor:
        return x**3

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)

    @staticmethod
    def backward(ctx: Any, g: rl.Tensor) -> rl.Tensor:
        return 3 * g * ctx.saved_tensors[0] ** 2

    @staticmethod
    def jvp(ctx: Any, t: rl.Tensor) -> rl.Tensor:
        return 3 * t * ctx.saved_tensors[0] ** 2

    @staticmethod
    def vmap(info: Any, in_dims: Any, x: rl.Tensor) -> Any:
        return Cube.apply(x), in_dims[0]


def test_functions_of_the_user() -> None:
    x = draw(4)
    total = lambda x: Cube.apply(x).sum()
    same(grad(total)(x), 3 * x**2)
    same(jvp(Cube.apply, (x,), (x,))[1], 3 * x**3)
    same(vmap(Cube.apply)(x), x**3)
    same(vmap(grad(Cube.apply))(x), 3 * x**2)
    same(vmap(grad(grad(Cube.apply)))(x), 6 * x)
    same(hessian(total)(x), rl.diag(6 * x))
    leaf = x.clone().requires_grad_()
    vmap(Cube.apply)(leaf).sum().backward()
    same(leaf.grad, 3 * x**2)


def test_functions_without_rules_say_which() -> None:
    class Bare(rl.autograd.Function):
        forward = staticmethod(lambda x: x * 2)
        setup_context = staticmethod(lambda ctx, inputs, output: None)
        backward = staticmethod(lambda ctx, g: g * 2)

    class Rule(Bare):
        generate_vmap_rule = True

    with pytest.raises(RuntimeError, match="does not have vmap support"):
        vmap(Bare.apply)(rl.ones(2))
    same(vmap(Rule.apply)(rl.ones(2)), rl.full((2,), 2.0))
    leaf = rl.ones(3, requires_grad=True)
    vmap(Rule.apply)(leaf).sum().backward()
    assert leaf.grad.tolist() == [2.0, 2.0, 2.0]


def test_values_are_tensors_to_user_code() -> None:
    seen: list[Any] = []

    def look(x: rl.Tensor) -> rl.Tensor:
        seen.append((isinstance(x, rl.Tensor), tuple(x.shape), x.dim(), x.numel(), x.dtype, len(x)))
        seen.append(repr(x).split("(")[0])
        seen.append(debug_unwrap(x))
        return x.sum()

    vmap(look)(draw(3, 2))
    grad(look)(draw(2))
    assert seen[0] == (True, (2,), 1, 2, rl.float64, 2) and seen[1] == "BatchedTensor"
    assert seen[2].shape == (3, 2)
    jvp(lambda x: seen.append(repr(x)) or x, (draw(1),), (draw(1),))
    assert seen[-1].startswith("GradTrackingTensor(lvl=1")
    assert grad(lambda x: x * x if x > 0 else -x)(rl.tensor(-2.0)).item() == -1.0


def test_batched_gradients() -> None:
    x = draw(3).requires_grad_()
    y = x.sin() * x.sum()
    (found,) = rl.autograd.grad(y, x, rl.eye(3).double(), is_grads_batched=True, retain_graph=True)
    same(found, jacrev(lambda x: x.sin() * x.sum())(x.detach()))
    with pytest.raises(RuntimeError, match="is_grads_batched=True"):
        rl.autograd.grad(y, x, rl.eye(4).double(), is_grads_batched=True)


def test_pytrees_under_torchs_name() -> None:
    trees = rl.utils._pytree

    class Box:
        def __init__(self, content: Any) -> None:
            self.content = content

    trees.register_pytree_node(
        Box, lambda box: ([box.content], None), lambda parts, _: Box(parts[0])
    )
    leaves, spec = trees.tree_flatten({"a": Box(1.0), "b": (2.0, None)})
    assert leaves == [1.0, 2.0, None] and spec == trees.tree_structure(
        trees.tree_unflatten(leaves, spec)
    )
    doubled = trees.tree_map_only(float, lambda x: 2 * x, {"a": Box(1.0), "b": "text"})
    assert doubled["a"].content == 2.0 and doubled["b"] == "text"
    assert grad(lambda box: (box.content**2).sum())(Box(rl.ones(2))).content.tolist() == [2.0, 2.0]


class NamedVjp(rl.autograd.Function):
    @staticmethod
    def forward(x: Any) -> Any:
        return x.clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        pass

    @staticmethod
    def vjp(ctx: Any, g: Any) -> Any:
        return 2 * g


class NamedTwice(NamedVjp):
    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        return g


def test_backward_may_be_called_vjp_but_not_both() -> None:
    x = rl.ones(2, requires_grad=True)
    NamedVjp.apply(x).sum().backward()
    assert x.grad is not None and x.grad.tolist() == [2, 2]
    with pytest.raises(RuntimeError, match="Implementing both 'backward' and 'vjp'"):
        NamedTwice.apply(x).sum().backward()


def test_every_function_has_a_rule_for_batches_that_says_there_is_none() -> None:
    with pytest.raises(NotImplementedError, match="override the vmap staticmethod or set"):
        NamedVjp.vmap(None, (0,), rl.ones(2))
    with pytest.raises(RuntimeError, match="does not have vmap support"):
        rl.vmap(NamedVjp.apply)(rl.ones(2))
