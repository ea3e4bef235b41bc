"""One file proves every declaration: registry x samples, in value, type, gradient and memory."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rushlight as rl
from rushlight.core.dispatch import apply
from rushlight.core.primitive import REGISTRY, Elementwise, Primitive, bake_elementwise
from rushlight.core.tape import INPUTS, OUTPUT

sys.path.insert(0, str(Path(__file__).parent))
from sampling import Sample, all_samples

SAMPLES = all_samples()
CASES = [
    pytest.param(REGISTRY[name], sample, id=f"{name}-{place}")
    for name, samples in SAMPLES.items()
    if name in REGISTRY
    for place, sample in enumerate(samples)
]
SMOOTH = [
    case for case in CASES if case.values[0].rule is not None and case.values[1].smooth
    and case.values[0].node != "NotImplemented"
]  # fmt: skip


def is_float(x: Any) -> bool:
    return isinstance(x, np.ndarray) and x.dtype.kind == "f"


def call(prim: Primitive, inputs: Any, params: tuple[Any, ...]) -> tuple[rl.Tensor, ...]:
    found = apply(prim, tuple(inputs), params)
    return found if isinstance(found, tuple) else (found,)


def tensors(sample: Sample, dtype: Any = np.float64, grad: bool = False) -> list[Any]:
    made = []
    for x in sample.inputs:
        if is_float(x):
            made.append(rl.from_numpy(x.astype(dtype)).requires_grad_(grad))
        else:
            made.append(rl.from_numpy(x.copy()) if isinstance(x, np.ndarray) else x)
    return made


def floats(outputs: tuple[rl.Tensor, ...]) -> list[rl.Tensor]:
    return [y for y in outputs if y.is_floating_point()]


def direction(shape: tuple[int, ...], seed: int) -> np.ndarray:
    return np.asarray(np.random.default_rng(seed).standard_normal(shape))


def contracted(outputs: tuple[rl.Tensor, ...]) -> rl.Tensor:
    """A scalar of all float outputs: their inner product with fixed random directions."""
    total = rl.zeros((), dtype=rl.float64)
    for place, y in enumerate(floats(outputs)):
        total = total + (y * rl.from_numpy(direction(y.shape, place + 1))).sum()
    return total


def test_every_op_has_samples_and_a_sentence() -> None:
    ops = REGISTRY.keys()
    assert not ops - SAMPLES.keys(), f"ops without a sample: {sorted(ops - SAMPLES.keys())}"
    assert not SAMPLES.keys() - ops, f"samples without an op: {sorted(SAMPLES.keys() - ops)}"
    assert not [name for name in ops if not REGISTRY[name].doc.strip()]


@pytest.mark.parametrize(("prim", "sample"), CASES)
def test_value_type_and_layout(prim: Primitive, sample: Sample) -> None:
    wide = call(prim, tensors(sample), sample.params)
    narrow = call(prim, tensors(sample, np.float32), sample.params)
    assert prim.outputs in (None, len(wide))
    for y64, y32 in zip(wide, narrow):
        assert type(y64._array) is np.ndarray
        assert y64.shape == y32.shape
        if y64.is_floating_point():
            assert y64.dtype in (rl.float64, y32.dtype)
            np.testing.assert_allclose(y32.double()._array, y64._array, rtol=2e-3, atol=2e-3)
        elif y64.is_complex():
            np.testing.assert_allclose(y32._array, y64._array, rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize(("prim", "sample"), CASES)
def test_memory_order_of_inputs_does_not_matter(prim: Primitive, sample: Sample) -> None:
    if prim.name in ("view", "strided_view"):
        return  # these are about memory order
    plain = call(prim, tensors(sample), sample.params)
    turned = [
        rl.from_numpy(np.asfortranarray(x._array)) if isinstance(x, rl.Tensor) else x
        for x in tensors(sample)
    ]
    for y, z in zip(plain, call(prim, turned, sample.params)):
        np.testing.assert_allclose(np.asarray(z._array), y._array, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("prim", "sample"), SMOOTH)
def test_gradient_against_differences(prim: Primitive, sample: Sample) -> None:
    inputs = tensors(sample, grad=True)
    leaves = [x for x in inputs if isinstance(x, rl.Tensor) and x.requires_grad]
    outputs = call(prim, inputs, sample.params)
    if not leaves or not any(y.requires_grad for y in outputs):
        pytest.fail(f"{prim.name} records nothing for a differentiable sample")
    total = contracted(outputs)
    grads = rl.autograd.grad(total, leaves, allow_unused=True)
    step = 1e-5
    moves = [direction(x.shape, 100 + i) for i, x in enumerate(leaves)]
    slope = sum(float((g._array * move).sum()) for g, move in zip(grads, moves) if g is not None)
    for g, x in zip(grads, leaves):
        assert g is None or (g.shape == x.shape and g.dtype is x.dtype)
    ends = []
    for sign in (1, -1):
        for x, move in zip(leaves, moves):
            x.data = rl.from_numpy(np.asarray(x._array + sign * step * move))
        with rl.no_grad():
            ends.append(contracted(call(prim, inputs, sample.params)).item())
        for x, move in zip(leaves, moves):
            x.data = rl.from_numpy(np.asarray(x._array - sign * step * move))
    np.testing.assert_allclose(slope, (ends[0] - ends[1]) / (2 * step), rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize(("prim", "sample"), SMOOTH)
def test_second_order(prim: Primitive, sample: Sample) -> None:
    """The gradient recorded by create_graph is itself differentiated right."""
    inputs = tensors(sample, grad=True)
    leaves = [x for x in inputs if isinstance(x, rl.Tensor) and x.requires_grad]

    def slope(values: list[np.ndarray]) -> tuple[rl.Tensor, list[rl.Tensor]]:
        fresh = iter(values)
        made = [
            rl.from_numpy(next(fresh)).requires_grad_() if is_float(x) else rl.from_numpy(x.copy())
            if isinstance(x, np.ndarray) else x for x in sample.inputs
        ]  # fmt: skip
        ls = [x for x in made if isinstance(x, rl.Tensor) and x.requires_grad]
        total = contracted(call(prim, made, sample.params))
        gs = rl.autograd.grad(total, ls, create_graph=True, allow_unused=True)
        value = rl.zeros((), dtype=rl.float64)
        for i, g in enumerate(gs):
            if g is not None:
                value = value + (g * rl.from_numpy(direction(g.shape, 50 + i))).sum()
        return value, ls

    values = [x._array.copy() for x in leaves]
    value, ls = slope(values)
    moves = [direction(x.shape, 200 + i) for i, x in enumerate(values)]
    step = 1e-5
    high = slope([np.asarray(x + step * m) for x, m in zip(values, moves)])[0].item()
    low = slope([np.asarray(x - step * m) for x, m in zip(values, moves)])[0].item()
    measured = (high - low) / (2 * step)
    if not value.requires_grad:
        np.testing.assert_allclose(measured, 0.0, atol=1e-5)
        return
    grads = rl.autograd.grad(value, ls, allow_unused=True)
    found = sum(float((g._array * m).sum()) for g, m in zip(grads, moves) if g is not None)
    np.testing.assert_allclose(found, measured, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize(("prim", "sample"), SMOOTH)
def test_float32_gradients_stay_float32(prim: Primitive, sample: Sample) -> None:
    inputs = tensors(sample, np.float32, grad=True)
    leaves = [x for x in inputs if isinstance(x, rl.Tensor) and x.requires_grad]
    outputs = floats(call(prim, inputs, sample.params))
    if any(y.dtype is not rl.float32 for y in outputs):
        return  # a cast says its own type
    total = sum((y.sum() for y in outputs), rl.zeros(()))
    pulled: list[Any] = []
    for y in outputs:
        if y.requires_grad:
            y.register_hook(lambda g: pulled.append(g.dtype))
    for g in rl.autograd.grad(total, leaves, allow_unused=True):
        assert g is None or g.dtype is rl.float32
    assert all(kind is rl.float32 for kind in pulled)


@pytest.mark.parametrize(("prim", "sample"), SMOOTH)
def test_bfloat16_gradients_stay_bfloat16(prim: Primitive, sample: Sample) -> None:
    pytest.importorskip("ml_dtypes")
    if prim.name.startswith(("linalg_", "coo_", "cdist")) or "bfloat16" in prim.refuses:
        return  # of full precision alone
    inputs = [
        x.bfloat16().requires_grad_() if isinstance(x, rl.Tensor) and x.is_floating_point() else x
        for x in tensors(sample, np.float32)
    ]
    leaves = [x for x in inputs if isinstance(x, rl.Tensor) and x.requires_grad]
    outputs = [y for y in floats(call(prim, inputs, sample.params)) if y.requires_grad]
    if any(y.dtype is not rl.bfloat16 for y in outputs):
        return
    total = sum((y.float().sum() for y in outputs), rl.zeros(()))
    for g in rl.autograd.grad(total, leaves, allow_unused=True):
        assert g is None or g.dtype is rl.bfloat16


@pytest.mark.parametrize(
    "name",
    sorted(
        n
        for n in SAMPLES
        if n in REGISTRY and REGISTRY[n].reads and any(s.smooth for s in SAMPLES[n])
    ),
)
def test_what_is_kept_is_read(name: str) -> None:
    """An op that keeps an operand or its output for backward really needs it for some sample."""
    prim = REGISTRY[name]
    used = {"x": False, "y": False}
    for sample in SAMPLES[name]:
        for which, slot in (("x", INPUTS), ("y", OUTPUT)):
            if which in prim.reads and not used[which]:
                used[which] = _gradient(prim, sample, None) != _gradient(prim, sample, slot)
    kept = [which for which in "xy" if which in prim.reads]
    assert all(used[which] for which in kept), f"{name} keeps {prim.reads} but reads {used}"


ELEMENTWISE = [case for case in SMOOTH if isinstance(case.values[0].rule, Elementwise)]


@pytest.mark.parametrize(("prim", "sample"), ELEMENTWISE)
def test_hand_tuned_pulls_equal_the_derived_ones(prim: Primitive, sample: Sample) -> None:
    derived = bake_elementwise(prim.rule.partials, prim.reads)
    for dtype in (np.float64, np.float32):
        (y,) = call(prim, tensors(sample, dtype, grad=True), sample.params)
        g = direction(y.shape, 7).astype(dtype)
        for found, wanted in zip(prim.pull(g, y._entry), derived(g, y._entry)):
            assert (found is None) == (wanted is None)
            if found is not None:
                np.testing.assert_allclose(found, wanted, rtol=1e-6)


def _gradient(prim: Primitive, sample: Sample, spoil: int | None) -> list[bytes]:
    inputs = tensors(sample, grad=True)
    leaves = [x for x in inputs if isinstance(x, rl.Tensor) and x.requires_grad]
    outputs = call(prim, inputs, sample.params)
    recorded = [y for y in outputs if y.requires_grad]
    if not recorded or not leaves:
        return []
    entry = recorded[0].grad_fn.entry
    if spoil is not None:
        entry[spoil] = tuple(map(_spoilt, entry[spoil])) if type(entry[spoil]) is tuple else (
            _spoilt(entry[spoil]))  # fmt: skip
    try:
        grads = rl.autograd.grad(contracted(outputs), leaves, allow_unused=True)
    except (ValueError, IndexError, RuntimeError, TypeError):
        return [b"refused"]
    return [b"" if g is None else g._array.tobytes() for g in grads]


def _spoilt(x: Any) -> Any:
    if not isinstance(x, np.ndarray):
        return x
    if x.dtype.kind == "b":
        return ~x
    return (x + 1 if x.dtype.kind in "iu" else x * -1.37 + 0.21).astype(x.dtype)


@pytest.mark.parametrize("name", ["floor_divide", "heaviside"])
def test_what_torch_cannot_differentiate_is_recorded_and_refused(name: str) -> None:
    x = rl.tensor([1.0, -2.0], requires_grad=True)
    y = getattr(rl, name)(x, rl.tensor([2.0, 3.0]))
    assert y.requires_grad and type(y.grad_fn).__name__ == "NotImplemented"
    with pytest.raises(RuntimeError, match=f"derivative for aten::{name} is not implemented"):
        y.sum().backward()
    assert not getattr(rl, name)(x.detach(), rl.ones(2)).requires_grad
