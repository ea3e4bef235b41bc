"""Transforms of functions inside compiled functions: one program, and what the eager call gives."""

from __future__ import annotations

import gc
import warnings
import weakref
from collections.abc import Callable
from typing import Any

import pytest

import rushlight as rl
from rushlight.compile.tracing.alive import alive, kinds

f = rl.func
WEIGHTS, ROWS = rl.randn(3, 4), rl.randn(5, 3)
LABELS = (rl.randn(5) > 0).float()
DIRECTION = rl.randn(12)


def loss(p: Any) -> Any:
    scores = (ROWS @ p.reshape(3, 4)).tanh().sum(1) + p[0]
    return rl.nn.functional.binary_cross_entropy_with_logits(scores, LABELS) + (p[3:] ** 2).sum()


def layer(p: Any) -> Any:
    return (ROWS @ p.reshape(3, 4)).tanh()


TRANSFORMS: dict[str, tuple[Callable[..., Any], tuple[int, ...]]] = {
    "grad": (f.grad(loss), (12,)),
    "grad_and_value": (f.grad_and_value(loss), (12,)),
    "jvp": (lambda p: f.jvp(loss, (p,), (DIRECTION,)), (12,)),
    "vjp": (lambda p: f.vjp(loss, p)[1](rl.ones(()))[0], (12,)),
    "hvp": (lambda p: f.jvp(f.grad(loss), (p,), (DIRECTION,))[1], (12,)),
    "jacrev": (f.jacrev(layer), (12,)),
    "jacfwd": (f.jacfwd(layer), (12,)),
    "hessian": (f.hessian(loss), (12,)),
    "vmap": (f.vmap(layer), (2, 12)),
    "vmap(grad)": (f.vmap(f.grad(loss)), (3, 12)),
}


@pytest.mark.parametrize("name", TRANSFORMS)
def test_a_transform_becomes_one_program(name: str) -> None:
    function, shape = TRANSFORMS[name]
    compiled = rl.compile(function, fullgraph=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for place in range(3):
            x = rl.randn(*shape)
            given, wanted = compiled(x), function(x)
            rl.testing.assert_close(given, wanted, rtol=1e-4, atol=1e-5, msg=f"call {place}")
    report = compiled.explain()
    assert len(report.programs) == 1 and not report.reasons


def test_what_a_transform_closes_over_is_taken_for_granted() -> None:
    """A weight that the transformed function names is an input, not a constant."""
    weights = rl.randn(4)
    slope = rl.compile(f.grad(lambda x: (x * weights).sum()), fullgraph=True)
    for _ in range(3):
        x = rl.randn(4)
        rl.testing.assert_close(slope(x), weights)
        weights.mul_(1.5)


def test_a_look_at_all_objects_holds_none_of_them() -> None:
    def seen(step: int) -> int:
        return len(alive(kinds(rl.Tensor))) if step else 0

    gc.disable()
    try:
        x = rl.randn(4)
        assert tuple(seen(step) for step in (0, 1))[1] > 0  # a tuple seen while it is filled
        gone = weakref.ref(x)
        del x
        assert gone() is None
    finally:
        gc.enable()
