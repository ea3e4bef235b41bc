"""Every op of the registry, lowered and interpreted, against its own evaluation."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rushlight.compile.lower.activations import TABLE as ACTIVATIONS
from rushlight.compile.middle.foreign import Hole
from rushlight.compile.middle.graph import BFLOAT16, CORE, Graph, Node
from rushlight.compile.middle.interpret import interpret
from rushlight.compile.middle.lowering import lower, native_share
from rushlight.core import dtypes
from rushlight.core.primitive import REGISTRY, Elementwise, Primitive

sys.path.insert(0, str(Path(__file__).parent.parent / "ops"))
from sampling import Sample, all_samples

SAMPLES = all_samples()
CASES = [
    pytest.param(REGISTRY[name], sample, id=f"{name}-{place}")
    for name, samples in SAMPLES.items()
    for place, sample in enumerate(samples)
]
# Outputs that only the op itself makes: what a gradient of raw arrays reads again, as bits.
HIDDEN = {"cross_entropy": 1, "recurrent_layer": 2, "lstm_layer": 3}
BITS = {"lstm_layer", "recurrent_layer"}


def narrowed(x: Any, dtype: Any) -> Any:
    if isinstance(x, np.ndarray) and x.dtype.kind == "f":
        return x.astype(dtype)
    if isinstance(x, np.ndarray) and x.dtype.kind == "c" and dtype == np.float32:
        return x.astype(np.complex64)
    return x


def captured(
    prim: Primitive, operands: list[Any], params: tuple[Any, ...], held: bool = False
) -> tuple[Graph, list[np.ndarray], list[np.ndarray]]:
    """A graph of one op, its inputs, and what the op itself gives.

    With `held` arrays among the params are inputs too, that the params have holes for.
    """
    with np.errstate(all="ignore"):
        found = prim.eval(*((tuple(operands),) if prim.arity is None else operands), *params)
    several = prim.outputs != 1
    wanted = [np.asarray(y) for y in found] if several else [np.asarray(found)]
    arrays = [np.asarray(x) for x in operands if x is not None]
    nodes = [Node("input", (), (i,), x.shape, x.dtype) for i, x in enumerate(arrays)]
    if held:
        params = hollow(params, arrays, nodes)
    shape = tuple(y.shape for y in wanted) if several else wanted[0].shape
    dtype = tuple(y.dtype for y in wanted) if several else wanted[0].dtype
    node = Node(prim.name, nodes, params, shape, dtype)
    outputs = [node]
    if several:
        wanted = wanted[: HIDDEN.get(prim.name, len(wanted))]
        outputs = [Node("output_of", (node,), (i,), y.shape, y.dtype)
                   for i, y in enumerate(wanted)]  # fmt: skip
    return Graph(nodes, outputs), arrays, wanted


def hollow(value: Any, arrays: list[np.ndarray], nodes: list[Node]) -> Any:
    if isinstance(value, np.ndarray):
        nodes.append(Node("input", (), (len(nodes),), value.shape, value.dtype))
        arrays.append(value)
        return Hole(len(nodes) - 1)
    if type(value) is tuple:
        return tuple(hollow(one, arrays, nodes) for one in value)
    return value


def agree(found: list[np.ndarray], wanted: list[np.ndarray], what: str, rtol: float) -> None:
    assert len(found) == len(wanted)
    for y, z in zip(found, wanted):
        assert y.dtype == z.dtype, what
        assert y.shape == z.shape, what
        if z.dtype.char == BFLOAT16:  # here rounded once, by the op itself more than once
            y, z, rtol = y.astype("f"), z.astype("f"), 3e-2
        if z.dtype.kind in "fc":
            np.testing.assert_allclose(y, z, rtol=rtol, atol=rtol, err_msg=what)
        else:
            np.testing.assert_array_equal(y, z, err_msg=what)


def check(graph: Graph, arrays: list[np.ndarray], wanted: list[np.ndarray], what: str) -> int:
    core = lower(graph)
    for node in core.nodes:
        assert node.op in CORE or "." in node.op, node.op
    single = any(y.dtype in (np.float32, np.complex64) for y in wanted)
    agree(interpret(core, arrays), wanted, what, 2e-6 if single else 1e-11)
    return native_share(core)[1]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("prim", "sample"), CASES)
def test_lowered_gives_what_the_op_gives(prim: Primitive, sample: Sample, dtype: Any) -> None:
    operands = [narrowed(x, dtype) for x in sample.inputs]
    params = tuple(narrowed(x, dtype) if prim.name.endswith("noise") else x for x in sample.params)
    graph, arrays, wanted = captured(prim, operands, params)
    check(graph, arrays, wanted, prim.name)


HELD = [case for case in CASES if any(
    isinstance(p, (np.ndarray, tuple)) for p in case.values[1].params)]  # fmt: skip


@pytest.mark.parametrize(("prim", "sample"), HELD)
def test_arrays_among_the_params_may_change_from_run_to_run(
    prim: Primitive, sample: Sample
) -> None:
    graph, arrays, wanted = captured(prim, list(sample.inputs), sample.params, held=True)
    check(graph, arrays, wanted, prim.name)


SPECIAL = np.array([0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.5, -3.0, np.inf, -np.inf, np.nan, 1e-3])
SPECIAL_INTS = np.array([0, 1, -1, 2, 3, -3, 7, 100])


def elementwise(prim: Primitive) -> bool:
    known = isinstance(prim.rule, Elementwise) or prim.dtype in ("compare", "promote", "float")
    return (known or prim.name in ACTIVATIONS) and prim.arity in (1, 2) and prim.outputs == 1


POINTWISE = sorted(name for name, prim in REGISTRY.items() if elementwise(prim))


@pytest.mark.parametrize("name", POINTWISE)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_special_values(name: str, dtype: Any) -> None:
    prim, params = REGISTRY[name], SAMPLES[name][0].params
    grid = np.array(np.meshgrid(SPECIAL, SPECIAL)).reshape(2, -1).astype(dtype)
    operands = [grid[0]] if prim.arity == 1 else list(grid)
    if name in ("probability_loss",):
        operands = [np.clip(np.nan_to_num(x), 0, 1) for x in operands]
    try:
        graph, arrays, wanted = captured(prim, operands, params)
    except (RuntimeError, NotImplementedError, ValueError, TypeError):
        return  # the op refuses such operands
    check(graph, arrays, wanted, name)


KINDS = ["float16", "bfloat16", "complex64", "int64", "int32", "uint8", "bool"]


def of_kind(x: Any, kind: str) -> Any:
    if not (isinstance(x, np.ndarray) and x.dtype.kind == "f"):
        return x
    dtype = dtypes.bfloat16.numpy if kind == "bfloat16" else np.dtype(kind)
    if dtype.kind in "iu":
        x = np.round(x * 3)
    with np.errstate(all="ignore"):
        return np.abs(x).astype(dtype) if dtype.kind == "u" else x.astype(dtype)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_other_types_are_right_or_refused_by_the_op(name: str, kind: str) -> None:
    """What kernels do not know stays with the op: never another result than its own."""
    sample = SAMPLES[name][0]
    if REGISTRY[name].dtype == "float" and kind[0] in "iub" and kind != "bfloat16":
        return  # promotion makes floats of them before the op
    try:
        graph, arrays, wanted = captured(
            REGISTRY[name], [of_kind(x, kind) for x in sample.inputs], sample.params
        )
    except Exception:
        return  # each op has its own way to refuse a type
    core = lower(graph)
    agree(interpret(core, arrays), wanted, name, 1e-2 if kind.endswith("16") else 2e-6)
    if kind in ("float16", "complex64") and arrays[0].dtype.kind not in "iub":
        assert native_share(core)[1], "half and complex numbers have no kernels"


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_nothing_and_single_numbers(name: str) -> None:
    """Elementwise ops on no elements and on 0-d arrays."""
    prim, sample = REGISTRY[name], SAMPLES[name][0]
    if not elementwise(prim):
        return
    for shape in ((), (0,), (2, 0, 3), (1, 1)):
        operands = [np.resize(x, shape) for x in sample.inputs]
        params = tuple(np.empty(shape) if isinstance(p, np.ndarray) else p for p in sample.params)
        graph, arrays, wanted = captured(prim, operands, params)
        check(graph, arrays, wanted, name)


def natively_lowered() -> set[str]:
    """The ops that kernels compute for the first of their samples."""
    found = set()
    for name, samples in SAMPLES.items():
        sample = samples[0]
        graph, _, _ = captured(REGISTRY[name], list(sample.inputs), sample.params)
        if native_share(lower(graph))[1] == 0:
            found.add(name)
    return found


def test_ever_more_ops_are_native() -> None:
    found = natively_lowered()
    assert len(found) >= 261, sorted(SAMPLES.keys() - found)
