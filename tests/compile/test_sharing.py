"""Products of one program that read the same operand share one packed copy of it."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from rushlight.compile.code import llvm
from rushlight.compile.kernels import program
from rushlight.compile.middle.graph import Graph, Node

pytestmark = pytest.mark.skipif(not llvm.available(), reason="no native code here")
F32 = np.dtype("float32")


def value(*shape):
    return Node("input", (), ("x",), shape, F32)


def chain(steps, spec, weights, start):
    """start, tanh(start @ w), ...: each product reads the one before, all read the weights."""
    found = start
    for _ in range(steps):
        product = Node("dot", (found, weights), (spec,), start.shape, F32)
        found = Node("tanh", (product,), (), start.shape, F32)
    return found


@pytest.mark.parametrize("spec", ["ik,kj->ij", "ik,jk->ij"])
@pytest.mark.parametrize("update", [False, True])
def test_weights_of_many_steps_are_packed_once(spec, update):
    x, w = value(24, 256), value(256, 256)
    outputs = [chain(6, spec, w, x)]
    if update:  # the weights' own memory is written at the end
        outputs.append(Node("add", (w, w), (), w.shape, F32))
    built = program.build(Graph([x, w], outputs), donate={1: 1} if update else None)
    packs = [kernel.name for kernel in built.kernels if "pack" in kernel.name]
    turned = spec == "ik,jk->ij"  # else the weights are read as they lie
    assert len(packs) <= 1 if not turned or llvm.target().registers < 32 else packs == ["k0_pack"]
    rng = np.random.default_rng(3)
    arrays = [rng.standard_normal(n.shape).astype(F32) / 8 for n in (x, w)]
    exact = arrays[0].astype(np.float64)
    matrix = arrays[1].astype(np.float64)
    for _ in range(6):
        exact = np.tanh(exact @ (matrix if spec == "ik,kj->ij" else matrix.T))
    doubled = 2 * arrays[1]
    found = built.run(arrays)
    np.testing.assert_allclose(found[0], exact, rtol=1e-4, atol=1e-5)
    if update:
        np.testing.assert_array_equal(found[1], doubled)
    again = built.run([arrays[0], matrix.astype(F32)])  # packed anew in every run
    np.testing.assert_allclose(again[0], exact, rtol=1e-4, atol=1e-5)


def test_different_operands_keep_their_own_copies():
    x, w, v = value(24, 256), value(256, 256), value(256, 256)
    first = chain(3, "ik,kj->ij", w, x)
    last = chain(3, "ik,kj->ij", v, first)
    built = program.build(Graph([x, w, v], [last]))
    rng = np.random.default_rng(4)
    arrays = [rng.standard_normal(n.shape).astype(F32) / 8 for n in (x, w, v)]
    exact = arrays[0].astype(np.float64)
    for matrix in (1, 1, 1, 2, 2, 2):
        exact = np.tanh(exact @ arrays[matrix])
    np.testing.assert_allclose(built.run(arrays)[0], exact, rtol=1e-4, atol=1e-5)


def test_a_value_of_many_parts_is_packed_once_for_products_of_different_sizes():
    parts = [value(64, 256) for _ in range(4)]
    whole = Node(
        "cat", [Node("tanh", (x,), (), x.shape, F32) for x in parts], (0,), (256, 256), F32
    )
    wide, narrow = value(256, 784), value(256, 28)
    outputs = [
        Node("dot", (whole, y), ("ki,kj->ij",), (256, y.shape[1]), F32) for y in (narrow, wide)
    ]
    built = program.build(Graph([*parts, wide, narrow], outputs))
    aligned = [kernel.name for kernel in built.kernels if "align" in kernel.name]
    assert len({name.split("_")[0] for name in aligned}) <= 1
    if llvm.target().name == "avx512":
        assert aligned
    rng = np.random.default_rng(5)
    for _ in range(2):
        arrays = [rng.standard_normal(n.shape).astype(F32) for n in (*parts, wide, narrow)]
        left = np.tanh(np.vstack(arrays[:4])).astype(np.float64).T
        for found, y in zip(built.run(arrays), arrays[:3:-1]):
            np.testing.assert_allclose(found, left @ y, rtol=1e-4, atol=1e-4)
