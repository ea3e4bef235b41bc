"""Forward mode of operators in native code: what each gives is what Python gives, bit by bit."""

from __future__ import annotations

import gc
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import rushlight as torch
from rushlight import func
from rushlight.core import swift
from rushlight.core.state import DUE
from rushlight.core.tensor import Tensor

pytest.importorskip("llvmlite")
SHAPES: list[tuple[int, ...]] = [(2, 3), (3,), (1,), (), (2, 1), (0, 3), (60, 70)]
STEPS = {
    "add": lambda x, y: x + y, "sub": lambda x, y: x - y, "mul": lambda x, y: x * y,
    "div": lambda x, y: x / y, "radd": lambda x, y: y + x, "rsub": lambda x, y: y - x,
    "named": lambda x, y: torch.add(x, y) * torch.div(x, y), "square": lambda x, y: x * x,
}  # fmt: skip


@pytest.fixture(autouse=True)
def swift_operators() -> Iterator[None]:
    due = DUE[0]
    if not swift.hasten():
        pytest.skip("no native operators in this interpreter")
    yield
    swift.relent()
    DUE[0] = due


def same(x: Any, y: Any) -> bool:
    if isinstance(x, tuple):
        return isinstance(y, tuple) and len(x) == len(y) and all(map(same, x, y))
    a, b = x.numpy(), y.numpy()
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def both(run: Any) -> tuple[Any, Any]:
    """What a call gives with native operators and without."""
    native = run()
    swift.relent()
    expected = run()
    swift.hasten()
    return native, expected


def drawn(shape: tuple[int, ...], kind: Any) -> Tensor:
    return torch.randn(shape, dtype=kind) if shape else torch.randn(1, dtype=kind)[0]


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_tangents_of_two_operands(step: str, kind: Any) -> None:
    torch.manual_seed(0)
    function = STEPS[step]
    for one in SHAPES:
        for two in SHAPES:
            try:
                np.broadcast_shapes(one, two)
            except ValueError:
                continue
            x, y, t, u = (drawn(shape, kind) for shape in (one, two, one, two))
            for native, expected in (
                both(lambda x=x, y=y, t=t, u=u: func.jvp(function, (x, y), (t, u))),
                both(lambda x=x, y=y, t=t: func.jvp(lambda z: function(z, y), (x,), (t,))),
                both(lambda x=x, y=y, u=u: func.jvp(lambda z: function(x, z), (y,), (u,))),
                both(lambda x=x, t=t: func.jvp(lambda z: function(z, z), (x,), (t,))),
                both(lambda x=x, t=t: func.jvp(lambda z: function(z, 2.5), (x,), (t,))),
                both(lambda x=x, t=t: func.jvp(lambda z: function(z, -3), (x,), (t,))),
            ):
                assert same(native, expected)


def program(x: Tensor) -> Tensor:
    y = (x * 2 + 1).tanh() * x.sin() / (x * x + 1)
    return (y - x / 3 + y * y).sum() * y[0] - x


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_levels_upon_levels(kind: Any) -> None:
    torch.manual_seed(1)
    x, t = torch.randn(5, dtype=kind), torch.randn(5, dtype=kind)
    total = lambda z: program(z).sum()
    for run in (
        lambda: func.jvp(lambda z: func.jvp(program, (z,), (t,))[1], (x,), (t,)),
        lambda: func.jvp(func.grad(total), (x,), (t,)),
        lambda: func.grad(lambda z: func.jvp(total, (z,), (t,))[1])(x),
        lambda: func.vmap(lambda z: func.jvp(program, (z,), (t,))[1])(torch.stack([x, t, x])),
        lambda: func.jacfwd(program)(x),
        lambda: func.hessian(total)(x),
    ):
        native, expected = both(run)
        assert same(native, expected)


def test_a_level_that_ended_is_forgotten() -> None:
    kept: list[Tensor] = []
    func.jvp(lambda x: kept.append(x) or x * 2, (torch.ones(3),), (torch.ones(3),))
    native, expected = both(lambda: kept[0] * 2 + kept[0])
    assert native.tolist() == expected.tolist() == [3.0] * 3


def test_forward_ad_and_requires_grad() -> None:
    from rushlight.autograd import forward_ad

    def run() -> tuple[Any, ...]:
        with forward_ad.dual_level():
            w = torch.ones(3, requires_grad=True)
            x = forward_ad.make_dual(torch.arange(3.0), torch.ones(3))
            y = (x * w + x) * 2
            value, tangent = forward_ad.unpack_dual(y)
            tangent.sum().backward()
            assert w.grad is not None
            return value.detach(), tangent.detach(), w.grad

    native, expected = both(run)
    assert same(native, expected)


def test_nothing_is_leaked() -> None:
    x, t = torch.randn(4), torch.randn(4)

    def run() -> None:
        for function in STEPS.values():
            func.jvp(lambda z, function=function: function(z, z), (x,), (t,))
            func.jvp(lambda z, function=function: function(z, 2.0), (x,), (t,))

    run()
    gc.collect()
    before = sys.getrefcount(x._array), sys.getrefcount(t._array), len(gc.get_objects())
    for _ in range(200):
        run()
    gc.collect()
    after = sys.getrefcount(x._array), sys.getrefcount(t._array), len(gc.get_objects())
    assert before[:2] == after[:2] and after[2] - before[2] < 200


LATE = """
import rushlight as torch
from rushlight.core import swift
swift.hasten()
x, t = torch.arange(3.0), torch.ones(3)
y, dy = torch.func.jvp(lambda x: x * x + x, (x,), (t,))
from rushlight.autograd.dual import Dual
from rushlight.autograd.dual_short import WAYS
print(y.tolist(), dy.tolist(), type(WAYS[torch.mul.primitive]).__name__)
"""


def test_forward_mode_may_come_after_the_operators() -> None:
    done = subprocess.run([sys.executable, "-c", LATE], capture_output=True, text=True, check=True)
    assert (
        done.stdout.split() == "[0.0, 2.0, 6.0] [1.0, 3.0, 5.0] builtin_function_or_method".split()
    )
