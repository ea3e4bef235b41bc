"""Every op on operands without values: shapes, types and strides are those of the eager op."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rushlight as rl
from rushlight.core.dispatch import apply
from rushlight.core.primitive import REGISTRY, Primitive

sys.path.insert(0, str(Path(__file__).parent))
from sampling import Sample, all_samples

WITHOUT = frozenset(("ctc_gradient", "linalg_qr_complete", "linalg_qr_r"))  # derivative
CASES = [
    pytest.param(REGISTRY[name], sample, id=f"{name}-{place}")
    for name, samples in all_samples().items()
    if name in REGISTRY
    for place, sample in enumerate(samples)
]


def operands(sample: Sample, meta: bool, turned: bool) -> list[Any]:
    made = []
    for x in sample.inputs:
        if isinstance(x, np.ndarray):
            x = rl.from_numpy(x.copy(order="F" if turned else "C"))
            x.requires_grad_(x.is_floating_point())
            x = x.detach().to("meta").requires_grad_(x.requires_grad) if meta else x
        made.append(x)
    return made


def looks(found: Any) -> list[Any]:
    outputs = found if isinstance(found, tuple) else (found,)
    return [(tuple(y.shape), y.dtype, y.stride(), y.requires_grad) for y in outputs]


@pytest.mark.parametrize("turned", [False, True], ids=["rows", "columns"])
@pytest.mark.parametrize(("prim", "sample"), CASES)
def test_an_op_without_values(prim: Primitive, sample: Sample, turned: bool) -> None:
    if turned and prim.name in ("view", "strided_view"):
        return  # these are about memory order
    eager = apply(prim, tuple(operands(sample, False, turned)), sample.params)
    inputs = operands(sample, True, turned)
    found = apply(prim, tuple(inputs), sample.params)
    assert looks(found) == looks(eager)
    outputs = found if isinstance(found, tuple) else (found,)
    assert all(y.is_meta for y in outputs)
    total = [y.sum() for y in outputs if y.requires_grad and y.is_floating_point()]
    if total and prim.node != "NotImplemented" and prim.name not in WITHOUT:
        sum(total[1:], total[0]).backward()
        leaves = [x for x in inputs if isinstance(x, rl.Tensor) and x.grad is not None]
        assert leaves and all(x.grad.is_meta and x.grad.shape == x.shape for x in leaves)
