"""Every op of the registry, alone in a compiled function: value and gradient as in eager."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rushlight as rl
from rushlight.core.dispatch import apply
from rushlight.core.primitive import REGISTRY, Primitive

sys.path.insert(0, str(Path(__file__).parent.parent / "ops"))
from sampling import Sample, all_samples

CASES = [
    pytest.param(REGISTRY[name], sample, id=f"{name}-{place}")
    for name, samples in all_samples().items()
    if name in REGISTRY
    for place, sample in enumerate(samples)
]


def tensors(sample: Sample, dtype: Any, grad: bool) -> list[Any]:
    made = []
    for x in sample.inputs:
        if isinstance(x, np.ndarray) and x.dtype.kind == "f":
            made.append(rl.from_numpy(x.astype(dtype)).requires_grad_(grad))
        else:
            made.append(rl.from_numpy(x.copy()) if isinstance(x, np.ndarray) else x)
    return made


def fresh(params: Any) -> Any:
    """Params with copies of their arrays: made in the call, so that a program may hold them."""
    if isinstance(params, (tuple, list)):
        return type(params)(fresh(one) for one in params)
    return params.copy() if isinstance(params, np.ndarray) else params


def called(prim: Primitive, params: tuple[Any, ...], differentiate: bool) -> Any:
    def function(*inputs: Any) -> tuple[Any, ...]:
        found = apply(prim, inputs, fresh(params))
        ys = found if isinstance(found, tuple) else (found,)
        smooth = [y for y in ys if y.requires_grad]
        if not (differentiate and smooth):
            return ys
        leaves = [x for x in inputs if isinstance(x, rl.Tensor) and x.requires_grad]
        total = sum(
            (y * rl.arange(1.0, y.numel() + 1, dtype=rl.float64).view(y.shape).cos()).sum()
            for y in smooth
        )
        return (*ys, *rl.autograd.grad(total, leaves, allow_unused=True))

    return function


def agree(found: Any, wanted: Any, tolerance: float) -> None:
    assert len(found) == len(wanted)
    for y, z in zip(found, wanted):
        if z is None:
            assert y is None
            continue
        assert y.dtype is z.dtype
        assert y.shape == z.shape
        a, b = y.detach().resolve_conj().numpy(), z.detach().resolve_conj().numpy()
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def shaped_by_values(prim: Primitive) -> bool:
    """Whether the shape of a result depends on values: a program cannot have it."""
    return prim.name == "masked_select"


def run(prim: Primitive, sample: Sample) -> tuple[Any, list[Any], Any]:
    """The function, its inputs and what it gives eagerly; values alone where torch refuses more."""
    smooth = prim.rule is not None and sample.smooth
    inputs = tensors(sample, np.float64, smooth)
    function = called(prim, sample.params, smooth)
    try:
        return function, inputs, function(*inputs)
    except RuntimeError as error:
        assert "differentiable" in str(error) or "derivative" in str(error)
        function, inputs = called(prim, sample.params, False), tensors(sample, np.float64, False)
        return function, inputs, function(*inputs)


# Each native case compiles a program; the plain run takes every fourth, RUSHLIGHT_EVERY_OP=1 all.
NATIVE = CASES if "RUSHLIGHT_EVERY_OP" in os.environ else CASES[::4]
BOTH = [*((case, "numpy") for case in CASES), *((case, "llvm") for case in NATIVE)]


@pytest.mark.parametrize(
    ("prim", "sample", "backend"),
    [pytest.param(*case.values, name, id=f"{case.id}-{name}") for case, name in BOTH],
)
def test_compiled_equals_eager(prim: Primitive, sample: Sample, backend: str) -> None:
    if backend == "llvm":
        pytest.importorskip("llvmlite")
    function, inputs, wanted = run(prim, sample)
    if shaped_by_values(prim):
        step = rl.compile(function, backend=backend)
        with pytest.warns(UserWarning, match="depends on values"):
            agree(step(*inputs), wanted, 1e-9)
        agree(step(*inputs), wanted, 1e-9)
        assert not step.programs
        return
    step = rl.compile(function, backend=backend, fullgraph=True)
    first, second = step(*inputs), step(*inputs)
    assert len(step.programs) == 1 and not step.reasons and not step.fallbacks
    agree(first, wanted, 1e-9)
    agree(second, wanted, 1e-9)
