"""Every differentiable op of the registry as a formula: its shape, its value, its gradient."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rushlight as rl
from rushlight import sym
from rushlight.autograd.symbolic.evaluation import evaluate, run
from rushlight.core.overrides import OPS
from rushlight.core.primitive import REGISTRY
from rushlight.core.tensor import wrap

sys.path.insert(0, str(Path(__file__).parent.parent / "ops"))
from sampling import Sample, all_samples

CASES = [
    pytest.param(name, sample, id=f"{name}-{place}")
    for name, samples in all_samples().items()
    if name in REGISTRY and name in OPS and REGISTRY[name].rule is not None
    for place, sample in enumerate(samples)
    if sample.smooth
]


def is_float(x: Any) -> bool:
    return isinstance(x, np.ndarray) and x.dtype.kind == "f"


# Their rules have a second form for inputs with a zero; a formula is that of the generic point.
GENERIC = ("prod", "cumprod")


def operands(sample: Sample, generic: bool) -> tuple[list[Any], list[Any], dict[Any, rl.Tensor]]:
    """The operands as tensors, as expressions (float ones as variables), and what to feed."""
    eager, symbolic, feed = [], [], {}
    for place, x in enumerate(sample.inputs):
        if not isinstance(x, np.ndarray):
            eager.append(x)
            symbolic.append(x)
            continue
        value = wrap(np.where(x == 0, 0.5, x) if generic else x.copy())
        if is_float(x):
            value.requires_grad_()
        kind = rl.tensor(np.zeros((), x.dtype)).dtype
        name = sym.var(f"x{place}", x.shape, kind)
        eager.append(value)
        symbolic.append(name)
        feed[name._array] = value
    return eager, symbolic, feed


def contracted(outputs: Any) -> Any:
    """One number from all floating-point outputs."""
    rng = np.random.default_rng(7)
    total = None
    for y in outputs if isinstance(outputs, tuple) else (outputs,):
        if y.dtype.is_floating_point:
            term = (y * wrap(rng.normal(size=tuple(y.shape)).astype(y.dtype.numpy))).sum()
            total = term if total is None else total + term
    return total


@pytest.mark.parametrize(("name", "sample"), CASES)
def test_value_and_gradient_as_formulas(name: str, sample: Sample) -> None:
    eager, symbolic, feed = operands(sample, name in GENERIC)
    expected = run(name, eager, sample.params)
    found = run(name, symbolic, sample.params)
    for a, b in zip(*(x if isinstance(x, tuple) else (x,) for x in (expected, found))):
        assert tuple(a.shape) == tuple(b.shape) and a.dtype is b.dtype
    loss = contracted(expected)
    if loss is None or loss._entry is None:
        return
    wanted = [place for place, x in enumerate(sample.inputs) if is_float(x)]
    formulas = sym.grad(contracted(found), [symbolic[i] for i in wanted])
    slopes = rl.autograd.grad(loss, [eager[i] for i in wanted], allow_unused=True)
    plain = {x: value.detach() for x, value in feed.items()}
    values = evaluate([f._array for f in formulas], plain)
    for slope, value, formula in zip(slopes, values, formulas):
        wished = np.zeros(tuple(value.shape)) if slope is None else slope.numpy()
        assert tuple(formula.shape) == tuple(value.shape)
        np.testing.assert_allclose(value.numpy(), wished, 1e-7, 1e-9, err_msg=str(formula)[:500])
    assert all(isinstance(one, str) and one for f in formulas for one in (str(f), f.latex()))
