"""Compiled functions inside of transforms: what is transformed is the function, not its program."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import rushlight as rl
from rushlight import func
from rushlight.autograd import forward_ad
from rushlight.testing import assert_close

X = rl.linspace(-1, 1, 6, dtype=rl.float64).view(3, 2)


def formula(x: rl.Tensor) -> rl.Tensor:
    return x.sin() * 2 + x**2


def total(f: Any) -> Callable[[rl.Tensor], rl.Tensor]:
    return lambda x: f(x).sum()


def dual(f: Any) -> rl.Tensor:
    with forward_ad.dual_level():
        return forward_ad.unpack_dual(f(forward_ad.make_dual(X, X + 1))).tangent


WAYS: dict[str, Callable[[Any], Any]] = {
    "vmap": lambda f: func.vmap(f)(X),
    "vmap of vmap": lambda f: func.vmap(func.vmap(f))(X),
    "grad": lambda f: func.grad(total(f))(X),
    "grad of grad": lambda f: func.grad(total(func.grad(total(f))))(X),
    "vmap of grad": lambda f: func.vmap(func.grad(total(f)))(X),
    "grad of vmap": lambda f: func.grad(total(func.vmap(f)))(X),
    "jvp": lambda f: func.jvp(f, (X,), (X + 1,))[1],
    "vjp": lambda f: func.vjp(f, X)[1](X)[0],
    "jacrev": lambda f: func.jacrev(f)(X),
    "jacfwd": lambda f: func.jacfwd(f)(X),
    "hessian": lambda f: func.hessian(total(f))(X[0]),
    "linearize": lambda f: func.linearize(f, X)[1](X),
    "dual level": dual,
    "jacobian": lambda f: rl.autograd.functional.jacobian(f, X),
}


@pytest.mark.parametrize("backend", ["numpy", "llvm"])
@pytest.mark.parametrize("before", [0, 3], ids=["first", "later"])
@pytest.mark.parametrize("name", WAYS)
def test_as_without_compile(name: str, before: int, backend: str) -> None:
    if backend == "llvm":
        pytest.importorskip("llvmlite")
    compiled = rl.compile(formula, backend=backend)
    for k in range(before):
        compiled(X * k)
    for _ in range(3):
        assert_close(WAYS[name](compiled), WAYS[name](formula))
    assert_close(compiled(X), formula(X))
    assert len(compiled.programs) >= bool(before)


@pytest.mark.parametrize("name", ["vmap", "jvp", "grad of grad", "dual level"])
def test_from_call_to_call(name: str) -> None:
    compiled = rl.compile(formula)
    for _ in range(40):  # so often that modes are asked one by one
        assert_close(compiled(X), formula(X))
        assert_close(WAYS[name](compiled), WAYS[name](formula))
    assert len(compiled.programs) == 1


def test_parameters_that_are_transformed() -> None:
    net = rl.nn.Linear(2, 2, dtype=rl.float64)
    compiled = rl.compile(net)
    assert_close(compiled(X), net(X))
    several = {name: rl.stack([p.detach() * k for k in (1, 2)]) for name, p in
               net.named_parameters()}  # fmt: skip
    inside = {f"_orig_mod.{name}": p for name, p in several.items()}
    found = func.vmap(lambda p: func.functional_call(compiled, p, (X,)))(inside)
    assert_close(found, func.vmap(lambda p: func.functional_call(net, p, (X,)))(several))
    with forward_ad.dual_level():
        weight = forward_ad.make_dual(several["weight"][0], several["weight"][1])
        y = func.functional_call(compiled, {"_orig_mod.weight": weight}, (X,))
        assert_close(forward_ad.unpack_dual(y).tangent, X @ several["weight"][1].t())
