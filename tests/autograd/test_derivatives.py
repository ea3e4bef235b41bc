"""Derivatives of every order agree with differences, and with each other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import rushlight as rl
from rushlight.nn import functional as F

D = rl.float64
FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "matmul": lambda x: x @ x.t(),
    "softmax": lambda x: x.softmax(1),
    "logsumexp": lambda x: x.logsumexp(1),
    "layer_norm": lambda x: F.layer_norm(x, (3,)),
    "batch_norm": lambda x: F.batch_norm(x, None, None, training=True),
    "gelu": F.gelu,
    "silu": F.silu,
    "cross_entropy": lambda x: F.cross_entropy(x, rl.tensor([0, 2])),
    "smooth_l1": lambda x: F.smooth_l1_loss(x, rl.zeros(2, 3, dtype=D)),
    "norm": lambda x: x.norm(dim=1),
    "prod": lambda x: x.prod(1),
    "cumsum": lambda x: x.cumsum(1).sin(),
    "cumprod": lambda x: x.cumprod(1),
    "var": lambda x: x.var(1),
    "std": lambda x: x.std(),
    "div": lambda x: x[0] / x[1],
    "pow": lambda x: x.abs() ** x,
    "index": lambda x: x[rl.tensor([0, 0, 1])] ** 2,
    "cat": lambda x: rl.cat([x, x * 2]) ** 2,
    "where": lambda x: rl.where(x > 0, x**3, x.exp()),
    "einsum": lambda x: rl.einsum("ij,kj->ik", x, x.sin()),
    "conv": lambda x: F.conv1d(x.reshape(1, 1, 6), x.reshape(2, 1, 3)),
    "max_pool": lambda x: F.max_pool1d(x.reshape(1, 1, 6) ** 2, 2),
    "sort": lambda x: x.sort(1).values ** 3,
    "det": lambda x: (x @ x.t() + 2 * rl.eye(2, dtype=D)).det(),
    "inverse": lambda x: (x @ x.t() + 2 * rl.eye(2, dtype=D)).inverse(),
}


def sample() -> Any:
    return rl.tensor([[0.3, -0.7, 1.1], [0.9, 0.4, -1.3]], dtype=D, requires_grad=True)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_first_and_second_order(name: str) -> None:
    assert rl.autograd.gradcheck(FUNCTIONS[name], sample())
    assert rl.autograd.gradgradcheck(FUNCTIONS[name], sample())


@pytest.mark.parametrize(
    "name", ["matmul", "softmax", "gelu", "div", "pow", "einsum", "layer_norm"]
)
def test_third_order(name: str) -> None:
    def slope(x: Any) -> Any:
        y = FUNCTIONS[name](x)
        weights = rl.from_numpy(np.cos(np.arange(y.numel())).reshape(tuple(y.shape)))
        (g,) = rl.autograd.grad((y * weights).sum(), x, create_graph=True)
        return (g * rl.from_numpy(np.sin(np.arange(6.0) + 1).reshape(2, 3))).sum()

    assert rl.autograd.gradgradcheck(slope, sample(), atol=1e-4)


@pytest.mark.parametrize("name", ["softmax", "norm", "conv", "cross_entropy"])
def test_products_are_those_of_the_matrix(name: str) -> None:
    f, x = FUNCTIONS[name], sample().detach()
    u = rl.from_numpy(np.cos(np.arange(6.0)).reshape(2, 3))
    matrix = rl.autograd.functional.jacobian(f, x)
    y, along = rl.autograd.functional.jvp(f, x, u)
    flat = matrix.reshape(-1, 6)
    assert rl.allclose(along.reshape(-1), flat @ u.reshape(-1))
    v = rl.from_numpy(np.sin(np.arange(y.numel()) + 1.0).reshape(tuple(y.shape)))
    _, back = rl.autograd.functional.vjp(f, x, v)
    assert rl.allclose(back.reshape(-1), v.reshape(-1) @ flat)


def test_the_hessian_is_symmetric_and_gives_its_products() -> None:
    def f(x: Any) -> Any:
        return (x.softmax(1) * x).sum() + x.prod()

    x = sample().detach()
    matrix = rl.autograd.functional.hessian(f, x).reshape(6, 6)
    assert rl.allclose(matrix, matrix.t())
    u = rl.from_numpy(np.cos(np.arange(6.0)).reshape(2, 3))
    for product in (rl.autograd.functional.hvp, rl.autograd.functional.vhp):
        assert rl.allclose(product(f, x, u)[1].reshape(-1), matrix @ u.reshape(-1))


def test_batched_gradients_are_the_jacobian() -> None:
    x = sample()
    y = x.softmax(1)
    seeds = rl.eye(6, dtype=D).reshape(6, 2, 3)
    (rows,) = rl.autograd.grad(y, x, seeds, is_grads_batched=True)
    matrix = rl.autograd.functional.jacobian(lambda t: t.softmax(1), x.detach())
    assert rl.allclose(rows.reshape(6, 6), matrix.reshape(6, 6))


def test_gradcheck_finds_a_wrong_gradient() -> None:
    class Wrong(rl.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x**2

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g

    assert not rl.autograd.gradcheck(Wrong.apply, sample(), raise_exception=False)
    with pytest.raises(RuntimeError, match="Jacobian mismatch for output 0"):
        rl.autograd.gradcheck(Wrong.apply, sample())


@pytest.mark.parametrize("reduce", ["sum", "prod", "mean", "amax", None])
def test_a_source_larger_than_its_places_gets_zeros_beyond_them(reduce):
    x = rl.linspace(-1, 1, 12, dtype=rl.float64).reshape(4, 3).requires_grad_()
    source = rl.linspace(0.5, 1.5, 12, dtype=rl.float64).reshape(4, 3).requires_grad_()

    def scattered(x, places, source):
        if reduce is None:
            return x.scatter_add(0, places, source)
        return x.scatter_reduce(0, places, source, reduce)

    for places in (rl.tensor([[0], [2]]).expand(2, 3), rl.empty(0, 3, dtype=rl.long)):
        assert rl.autograd.gradcheck(scattered, (x, places, source))
        assert rl.autograd.gradgradcheck(scattered, (x, places, source))


def test_powers_of_the_number_zero() -> None:
    exponent = rl.tensor([-1.0, 0.0, 0.5, 1.0], requires_grad=True)
    for base in (0, 0.0, rl.tensor(0.0), rl.zeros(4)):
        (slope,) = rl.autograd.grad(rl.pow(base, exponent).sum(), exponent)
        assert slope.tolist() == [-float("inf"), 0, 0, 0]
