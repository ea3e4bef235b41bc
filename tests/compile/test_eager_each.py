"""Functions of each element run one program for arrays of all sizes, to the same bits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

pytest.importorskip("llvmlite")

import rushlight as rl
from rushlight.compile.lower.builder import Builder
from rushlight.compile.lower.value import Value
from rushlight.compile.middle.graph import POINTWISE, Node
from rushlight.compile.single import eager_each, eager_formulas, eager_kept
from rushlight.core import heavy

F = rl.nn.functional
SMOOTH: dict[str, Callable[[Any], Any]] = {
    "relu": F.relu, "gelu": F.gelu, "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "sigmoid": rl.sigmoid, "silu": F.silu, "elu": F.elu, "softplus": F.softplus, "mish": F.mish,
    "leaky_relu": F.leaky_relu, "hardswish": F.hardswish, "log_sigmoid": F.logsigmoid,
    "hardsigmoid": F.hardsigmoid, "hardshrink": F.hardshrink, "softshrink": F.softshrink,
    "tanh_back": rl.tanh, "exp": rl.exp, "log": lambda x: (x.abs() + 1).log(),
    "hardtanh": F.hardtanh, "erf": rl.erf, "erfc": rl.erfc,
    "rsqrt": lambda x: (x.abs() + 1).rsqrt(), "sign": rl.sign,
}  # fmt: skip


@pytest.fixture(autouse=True)
def nothing_yet() -> Iterator[None]:
    heavy.forget()
    yield
    heavy.forget()


def both_ways(function: Callable[[Any], Any], size: int, kind: Any = rl.float32) -> list[Any]:
    x = rl.linspace(-6, 6, size, dtype=kind).reshape(5, -1).requires_grad_()
    y = function(x)
    grads = rl.autograd.grad((y * x.detach()).sum(), x) if y.requires_grad else ()
    return [one.detach().numpy() for one in (y, *grads)]


@pytest.mark.parametrize("name", list(SMOOTH)[::2])
def test_the_long_rows_bits_are_those_of_any_size(name: str, monkeypatch: Any) -> None:
    """With a whole number of units, and with some elements left."""
    sizes = [5 * (1 << 14), 5 * ((1 << 14) + 3)]
    found = [both_ways(SMOOTH[name], size) for size in sizes]
    assert any(key[0].removesuffix("_back") == name.removesuffix("_back") for key in heavy.FORMS)
    monkeypatch.setattr(eager_each, "NAMES", frozenset())
    heavy.forget()
    for size, many in zip(sizes, found):
        for one, own in zip(many, both_ways(SMOOTH[name], size), strict=True):
            np.testing.assert_array_equal(one, own)


def test_all_names_are_functions_of_each_element() -> None:
    """Their formulas hold no op that looks further, whatever their parameters."""
    for function in SMOOTH.values():
        both_ways(function, 5 * (1 << 14))
    seen = {key[0]: key for key in heavy.FORMS if key[0] in eager_each.NAMES}
    assert set(seen) == eager_each.NAMES
    for name, key in seen.items():
        builder, given, parts = Builder(), [], iter(key[1:])
        for part in parts:
            if isinstance(part, np.dtype):
                _, _ = next(parts), next(parts)
                given.append(Value(builder, Node("input", (), (len(given),), (6, 7), part)))
            else:
                given.append(part)
        left = [builder.wrap(eager_formulas._found(name, given)).node]
        while left:
            node = left.pop()
            plain = node.op in POINTWISE or not node.size > 1
            assert plain or node.op in ("input", "expand"), f"{name}: {node.op}"
            left += node.inputs


def test_new_sizes_make_nothing(monkeypatch: Any) -> None:
    """Sizes, shapes, and another order of memory where elements lie in a row."""
    both_ways(F.gelu, 5 * (1 << 14), rl.float64)

    def never(*_: Any) -> Any:
        raise AssertionError("a program for a size")

    monkeypatch.setattr(eager_kept, "make", never)
    monkeypatch.setattr(eager_kept, "load", never)
    for size in (5 * 20_000, 5 * 16_385, 5 * (1 << 15)):
        y, g = both_ways(F.gelu, size, rl.float64)
        rl.eager_kernels(False)
        try:
            wanted = both_ways(F.gelu, size, rl.float64)
        finally:
            rl.eager_kernels(True)
        np.testing.assert_allclose(y, wanted[0], rtol=1e-11, atol=1e-11)
        np.testing.assert_allclose(g, wanted[1], rtol=1e-11, atol=1e-11)
