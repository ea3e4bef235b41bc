"""Derivatives in every form, their ties and kinks, and bad input: rushlight and torch agree."""

from __future__ import annotations

import importlib
import warnings
from typing import Any

import numpy as np
import pytest

import rushlight as rl

torch = pytest.importorskip("torch")
for package in ("torch", "rushlight"):
    importlib.import_module(f"{package}.utils.checkpoint")


def draw(t: Any, *shape: int, seed: int = 0) -> Any:
    return t.from_numpy(np.random.default_rng(seed).standard_normal(shape))


def leaves(found: Any) -> list[Any]:
    if isinstance(found, dict):
        found = list(found.values())
    if isinstance(found, (tuple, list)):
        return [leaf for part in found for leaf in leaves(part)]
    return [np.asarray(found.detach().numpy()) if hasattr(found, "detach") else found]


def outcome(t: Any, program: Any) -> tuple[str, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return "", leaves(program(t))
        except Exception as error:
            return type(error).__name__, str(error).split("\n")[0]


def cubes(x: Any) -> Any:
    return (x**3).sum() * x.sin().sum()


def z(t: Any) -> Any:
    return t.complex(draw(t, 3), draw(t, 3, seed=1))


def batched_rows(t: Any) -> Any:
    x = draw(t, 3).requires_grad_()
    return t.autograd.grad(x.sin() * 2, x, t.eye(3, dtype=t.float64), is_grads_batched=True)


def own_function(t: Any) -> Any:
    class Cube(t.autograd.Function):
        @staticmethod
        def forward(x: Any) -> Any:
            return x**3

        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
            ctx.save_for_backward(*inputs)
            ctx.save_for_forward(*inputs)

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * 3 * ctx.saved_tensors[0] ** 2

        @staticmethod
        def jvp(ctx: Any, tangent: Any) -> Any:
            return tangent * 3 * ctx.saved_tensors[0] ** 2

        @staticmethod
        def vmap(info: Any, in_dims: Any, x: Any) -> Any:
            return Cube.apply(x), in_dims[0]

    x, rows, f = draw(t, 3), draw(t, 2, 3), t.func
    slope = f.grad(lambda x: Cube.apply(x).sum())
    return f.jvp(Cube.apply, (x,), (x,)), f.vmap(Cube.apply)(rows), slope(x), f.vmap(slope)(rows)


def hooks(t: Any) -> Any:
    log: list[int] = []
    x = draw(t, 3).requires_grad_()
    y = x.sin()
    total = y.exp().sum()
    y.grad_fn.register_hook(lambda inputs, outputs: log.append(len(inputs)))
    y.grad_fn.register_prehook(lambda outputs: log.append(len(outputs)))
    t.autograd.graph.register_multi_grad_hook((x, y), lambda gs: log.append(10 + len(gs)))
    x.register_post_accumulate_grad_hook(lambda x: log.append(7))
    with t.autograd.graph.save_on_cpu():
        more = (x * x).sum()
    pack, unpack = lambda x: (log.append(1), x)[1], lambda x: (log.append(2), x)[1]
    with t.autograd.graph.saved_tensors_hooks(pack, unpack):
        more = more + (x * x.exp()).sum()
    (total + more).backward()
    return x.grad, sorted(log), y.grad_fn.name()


def nested_checkpoint(t: Any) -> Any:
    run = t.utils.checkpoint.checkpoint
    x = draw(t, 3).requires_grad_()

    def inner(x: Any) -> Any:
        return run(lambda x: x.sin().exp(), x * 2, use_reentrant=False).tanh()

    run(inner, x, use_reentrant=False).sum().backward()
    return x.grad


def twice_backward(t: Any) -> Any:
    x = t.ones(3, requires_grad=True)
    y = (x * x).sum()
    y.backward()
    y.backward()


def overwritten(t: Any) -> Any:
    y = t.ones(3, requires_grad=True).exp()
    total = y.sum()
    y.add_(1)
    total.backward()


def inference(t: Any) -> Any:
    with t.inference_mode():
        w = t.ones(3)
    return t.ones(3, requires_grad=True) * w


def wanting(t: Any, *shape: int) -> Any:
    return t.ones(*shape, requires_grad=True)


PROGRAMS: dict[str, Any] = {
    "jacobian": lambda t: t.autograd.functional.jacobian(lambda x: x.exp().cumsum(0), draw(t, 3)),
    "jacobian forward": lambda t: t.autograd.functional.jacobian(
        lambda x: x.exp().cumsum(0), draw(t, 3), vectorize=True, strategy="forward-mode"),
    "hessian": lambda t: t.autograd.functional.hessian(cubes, draw(t, 3)),
    "hessian forward": lambda t: t.autograd.functional.hessian(
        cubes, draw(t, 3), vectorize=True, outer_jacobian_strategy="forward-mode"),
    "vjp": lambda t: t.autograd.functional.vjp(t.exp, draw(t, 3), draw(t, 3, seed=1)),
    "jvp": lambda t: t.autograd.functional.jvp(t.exp, draw(t, 3), draw(t, 3, seed=1)),
    "hvp": lambda t: t.autograd.functional.hvp(cubes, draw(t, 3), draw(t, 3, seed=1)),
    "vhp": lambda t: t.autograd.functional.vhp(cubes, draw(t, 3), draw(t, 3, seed=1)),
    "strict": lambda t: t.autograd.functional.jacobian(
        lambda x: t.ones(2), draw(t, 3), strict=True),
    "linearize": lambda t: (lambda y, push: (y, push(draw(t, 3, seed=2))))(
        *t.func.linearize(lambda x: x.sin() * x, draw(t, 3))),
    "is_grads_batched": batched_rows, "own function": own_function, "hooks": hooks,
    "nested checkpoint": nested_checkpoint,
    # complex
    "complex gradient": lambda t: t.func.grad(lambda z: (z * z.conj()).abs().sum())(z(t)),
    "complex jvp": lambda t: t.func.jvp(lambda z: z.exp() * z, (z(t),), (z(t),)),
    "complex jacfwd": lambda t: t.func.jacfwd(lambda z: z * z)(z(t)),
    "complex jacrev": lambda t: t.func.jacrev(lambda x, z: x, 0)(draw(t, 3), z(t)),
    "complex outputs": lambda t: t.func.jacrev(lambda x: x * 1j)(draw(t, 3)),
    "complex outputs forward": lambda t: t.func.jacfwd(lambda x: x * 1j)(draw(t, 3)),
    "gradient of a complex number": lambda t: t.func.grad(lambda x: (x * 1j).sum())(draw(t, 3)),
    # no samples, one sample
    "vmap of none": lambda t: t.func.vmap(lambda x: x.sin().sum())(draw(t, 0, 3)),
    "vmap of one": lambda t: t.func.vmap(t.func.grad(cubes))(draw(t, 1, 3)),
    # ties, kinks, and derivatives that are not there
    "norm at 0": lambda t: t.func.grad(lambda x: x.norm())(t.zeros(2)),
    "max tie": lambda t: t.func.grad(lambda x: x.max())(t.ones(3)),
    "amax tie": lambda t: t.func.grad(lambda x: x.amax())(t.ones(3)),
    "maximum tie": lambda t: t.func.grad(lambda x: t.maximum(x, t.ones(3)).sum())(t.ones(3)),
    "clamp edge": lambda t: t.func.grad(lambda x: x.clamp(0, 1).sum())(t.tensor([0.0, 1.0, 0.5])),
    "median tie": lambda t: t.func.grad(lambda x: x.median())(t.tensor([1.0, 1.0, 2.0])),
    "powers of 0": lambda t: t.func.grad(lambda x: (x**0.5).sum() + (x**0).sum())(t.zeros(2)),
    "product of 0": lambda t: t.func.grad(lambda x: x.prod())(t.tensor([0.0, 0.0, 2.0])),
    "distance 0": lambda t: t.func.grad(lambda x: t.cdist(x, x).sum())(t.zeros(2, 2)),
    "sqrt at 0": lambda t: t.func.grad(lambda x: x.sqrt().sum())(t.zeros(1)),
    "log of -1": lambda t: t.func.grad(lambda x: x.log().sum())(-t.ones(1)),
    # bad input
    "overwritten": overwritten, "twice": twice_backward, "inference": inference,
    "leaf in place": lambda t: wanting(t, 3).add_(1),
    "no scalar": lambda t: (wanting(t, 3) * 2).backward(),
    "no history": lambda t: t.ones(3).sum().backward(),
    "detached": lambda t: (wanting(t, 3) * 2).detach().sum().backward(),
    "grad of a result": lambda t: str((wanting(t, 3) * 2).grad),
    "numpy": lambda t: wanting(t, 3).numpy(),
    "unused": lambda t: t.autograd.grad((wanting(t, 3) * 2).sum(), wanting(t, 2)),
    "func.grad, no scalar": lambda t: t.func.grad(lambda x: x)(t.ones(3)),
    "integers": lambda t: t.func.grad(lambda x: x.sum())(t.arange(3)),
    "tangent misfit": lambda t: t.func.jvp(t.sin, (t.ones(3),), (t.ones(2),)),
    "batch misfit": lambda t: t.func.vmap(t.add)(t.ones(3), t.ones(2)),
    "item of a sample": lambda t: t.func.vmap(lambda x: x.sum().item())(t.ones(3)),
    "if on a sample": lambda t: t.func.vmap(lambda x: x if x > 0 else -x)(t.ones(3)),
    "draw in a batch": lambda t: t.func.vmap(lambda x: x + t.rand(1))(t.ones(3)),
    "gradcheck of a cut": lambda t: t.autograd.gradcheck(
        lambda x: x.detach() * x, (t.ones(2, dtype=t.float64, requires_grad=True),)),
    "gradcheck of nothing": lambda t: t.autograd.gradcheck(
        lambda x: x, (t.ones(2, dtype=t.float64),)),
}  # fmt: skip
# points where a derivative is not defined: the function of (package, x), and the point
POINTS: dict[str, Any] = {
    "round": (lambda t, x: x.round(), [0.5, 1.0]),
    "max along": (lambda t, x: x.max(0)[0], [1.0, 1.0]),
    "hardtanh": (lambda t, x: t.nn.functional.hardtanh(x), [-1.0, 1.0]),
    "relu6": (lambda t, x: t.nn.functional.relu6(x), [0.0, 6.0]),
    "leaky": (lambda t, x: t.nn.functional.leaky_relu(x), [0.0]),
    "elu": (lambda t, x: t.nn.functional.elu(x), [0.0]),
    "l1": (lambda t, x: t.nn.functional.l1_loss(x, t.ones(1)), [1.0]),
    "ranking": (lambda t, x: t.nn.functional.margin_ranking_loss(x, x * 0, t.ones(1)), [0.0]),
    "asin": (lambda t, x: x.asin(), [1.0, -1.0]),
    "acosh": (lambda t, x: x.acosh(), [1.0]),
    "cosine": (lambda t, x: t.nn.functional.cosine_similarity(x, t.ones(2), 0), [0.0, 0.0]),
    "normalize": (lambda t, x: t.nn.functional.normalize(x, dim=0), [0.0, 0.0]),
    "std": (lambda t, x: x.std(), [1.0, 1.0]),
    "quotient": (lambda t, x: x / x, [0.0]),
    "atan2": (lambda t, x: t.atan2(x, t.zeros(1)), [0.0]),
    "hypot": (lambda t, x: t.hypot(x, x), [0.0]),
    "xlogy": (lambda t, x: t.xlogy(x, x), [0.0]),
    "remainder": (lambda t, x: x % 1, [1.0]),
    "complex abs": (lambda t, x: t.view_as_complex(x).abs(), [[0.0, 0.0]]),
    "max_pool": (lambda t, x: t.nn.functional.max_pool1d(x, 2), [[[1.0, 1.0]]]),
}
for _name, (_function, _point) in POINTS.items():
    PROGRAMS[f"{_name}, no derivative"] = lambda t, f=_function, x=_point: t.func.grad(
        lambda x: f(t, x).sum()
    )(t.tensor(x))
for _name in ("abs", "relu", "sign"):
    PROGRAMS[f"{_name} at 0"] = lambda t, name=_name: t.func.grad(
        lambda x: getattr(t, name)(x).sum()
    )(t.zeros(2))


@pytest.mark.parametrize("name", PROGRAMS)
def test_both_give_the_same(name: str) -> None:
    (error, wanted), (ours, found) = (outcome(t, PROGRAMS[name]) for t in (torch, rl))
    assert ours == error
    if error:
        assert found == wanted
        return
    assert len(found) == len(wanted)
    for a, b in zip(found, wanted):
        if isinstance(b, np.ndarray):
            np.testing.assert_allclose(a, b, 1e-4, 1e-6)
            assert a.dtype == b.dtype
        else:
            assert a == b


@pytest.mark.parametrize("inner", ["grad", "jacrev", "jacfwd", "hessian"])
@pytest.mark.parametrize("outer", ["grad", "jacrev", "jacfwd", "vmap"])
def test_transforms_compose_in_any_order(outer: str, inner: str) -> None:
    def run(t: Any) -> Any:
        f, x = t.func, draw(t, 2, 3)
        first = getattr(f, inner)(cubes)
        if outer == "grad":
            return f.grad(lambda x: first(x).sum())(x[0])
        return getattr(f, outer)(first)(x if outer == "vmap" else x[0])

    np.testing.assert_allclose(run(rl).numpy(), run(torch).numpy(), 1e-6, 1e-8)
