"""Kernels that are called over and over are a loop of the native program."""

import random
import re

import numpy as np
import pytest

import rushlight as torch

pytest.importorskip("llvmlite")

from rushlight.compile.code import llvm
from rushlight.compile.code.targets import SETS, machine_of
from rushlight.compile.kernels.program import build
from rushlight.compile.kernels.segments import stretches
from rushlight.compile.middle.graph import Graph, Node
from rushlight.compile.native import NativeProgram

STEPS = 9
HERE = llvm.target()


def written_out(rows, parts):
    """All calls in their order."""
    return [
        (row[0], row[1] + turn * step, *row[2:])
        for begin, size, count, step in parts
        for turn in range(count)
        for row in rows[begin : begin + size]
    ]


def test_rounds_with_the_next_operands():
    body = [("a", 0, 4, 0, 0), ("b", 3, 2, 0, 0), ("c", 5, 4, 1, 0)]
    rows = [("first", 10, 1, 0, 0)]
    rows += [(name, 12 + at + 8 * k, n, c, 0) for k in range(7) for name, at, n, c, _ in body]
    rows += [("last", 68, 1, 0, 0)]
    parts = stretches(rows)
    assert [(size, count, step) for _, size, count, step in parts] == [
        (1, 1, 0), (3, 7, 8), (1, 1, 0),
    ]  # fmt: skip
    assert written_out(rows, parts) == rows


def test_nothing_that_repeats():
    assert stretches([(f"k{k}", 3 * k, 1, 0, 0) for k in range(20)]) == []
    assert stretches([]) == [] and stretches([("k", 0, 1, 0, 0)]) == []


def test_operands_elsewhere_are_no_round():
    """The same kernels again, with operands at uneven distances."""
    places = [0, 5, 9, 20, 26, 40, 41, 57, 60, 75, 90, 91]
    rows = [(name, at + k, 1, 0, 0) for at in places for k, name in enumerate("ab")]
    assert written_out(rows, stretches(rows) or [(0, len(rows), 1, 0)]) == rows


@pytest.mark.parametrize("seed", range(200))
def test_any_rows_are_the_same_rows(seed):
    pick = random.Random(seed)
    rows, at = [], 0
    for _ in range(pick.randint(1, 4)):
        body = [(pick.choice("abc"), pick.randint(1, 3), pick.randint(0, 1))
                for _ in range(pick.randint(1, 5))]  # fmt: skip
        for _ in range(pick.randint(1, 8)):
            for name, units, chunk in body:
                rows.append((name, at, units, chunk, 0))
                at += 3 if pick.random() < 0.97 else 4
    assert written_out(rows, stretches(rows) or [(0, len(rows), 1, 0)]) == rows


def recurrent(x, w, u):
    w, u = w.detach().requires_grad_(), u.detach().requires_grad_()
    h, loss = torch.zeros(4, 40), torch.zeros(())
    for at in x:
        h = torch.tanh(at @ w + h @ u)
        loss = loss + (h**2).mean()
    loss.backward()
    return loss, w.grad, u.grad


@pytest.fixture(scope="module")
def compiled():
    torch.manual_seed(0)
    given = (torch.randn(STEPS, 4, 32), torch.randn(32, 40) / 6, torch.randn(40, 40) / 6)
    step = torch.compile(recurrent, backend="llvm", fullgraph=True)
    step(*given)
    return step, given


def test_the_steps_of_a_loop_are_rounds(compiled):
    step, given = compiled
    (program,) = step.explain().programs
    rounds = program["rounds"]
    assert max(count for count, _ in rounds) >= STEPS - 3
    assert "in a loop, " in str(step.explain())
    (numbers,) = re.findall(r"\[(\d+) x ptr\] \[ptr @k", step.ir())
    spared = sum((count - 1) * len(names) for count, names in rounds)
    assert int(numbers) <= len(program["kernels"]) - spared + 2 * len(rounds)
    for ours, eager in zip(step(*given), recurrent(*given), strict=True):
        assert np.allclose(ours.detach().numpy(), eager.detach().numpy(), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", [x for x in SETS if SETS[x][0] == machine_of(HERE.triple)])
def test_llvm_takes_it_for_every_set_of_vectors(compiled, name):
    step, _ = compiled
    core = NativeProgram(step.graph(), [], []).core
    assert build(core, target=llvm.named(name), recalled=False).code.address("program_0")


def test_profiled_programs_count_each_call(compiled):
    step, _ = compiled
    (program,) = step.explain(times=True).programs
    assert len(program["times"]) == len(program["kernels"])
    assert all(kernel["seconds"] > 0 for kernel in program["times"])


def test_rounds_that_threads_share(monkeypatch):
    """Wide steps, whose kernels are cut in units, come out as with one thread."""
    dtype = np.dtype("f4")
    x = Node("input", (), (0,), (64, 512), dtype)
    w = Node("input", (), (1,), (512, 512), dtype)
    h, many = x, []
    for _ in range(6):
        h = Node("dot", (h, w), ("ij,jk->ik",), (64, 512), dtype)
        h = Node("tanh", (h,), (), (64, 512), dtype)
        many.append(h)
    arrays = [np.random.default_rng(0).standard_normal(n.shape).astype("f4") / 9 for n in (x, w)]
    monkeypatch.setenv("RUSHLIGHT_NUM_THREADS", "2")
    program = build(Graph([x, w], many), recalled=False)
    expected, found = arrays[0].astype("f8"), program.run(arrays)
    assert any(kernel.chunk for kernel in program.kernels)
    for have in found:
        expected = np.tanh(expected @ arrays[1])
        assert np.allclose(have, expected, rtol=1e-3, atol=1e-4)
