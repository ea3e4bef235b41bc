"""Joins that share parts are made once: the same values, and nothing where order forbids it."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

import rushlight as torch
from rushlight.compile.middle.graph import Graph
from rushlight.compile.middle.joins import merged
from rushlight.compile.middle.verify import verify

sys.path.insert(0, str(Path(__file__).parent))
from test_gathering import node, run, value
from worlds import backends, twice


def cat(parts, axis=0):
    shape = list(parts[0].shape)
    shape[axis] = sum(part.shape[axis] for part in parts)
    return node("cat", parts, (axis,), tuple(shape))


def used(x):
    return node("reduce_sum", (x,), ((0,), False), x.shape[1:])


def compared(inputs, outputs, joins):
    graph = Graph(inputs, outputs)
    better = merged(graph)
    verify(better, core=True)
    assert sum(one.op == "cat" for one in better.nodes) == joins
    draw = np.random.default_rng(0).standard_normal
    arrays = [draw(x.shape) for x in graph.inputs]
    for one, two in zip(run(graph, arrays), run(better, arrays), strict=True):
        np.testing.assert_array_equal(one, two)
    return better


def states(count, shape=(2, 3)):
    first = value(*shape)
    found = [first]
    for _ in range(count):
        found.append(node("tanh", (found[-1],), (), shape))
    return first, found


def test_states_before_and_after_each_step_are_one_join():
    first, found = states(6)
    compared([first], [used(cat(found[:-1])), used(cat(found[1:]))], 1)


def test_permuted_parts_are_joined_as_they_lie():
    first, found = states(6)
    turned = [node("permute", (x,), ((1, 0),), (3, 2)) for x in found[:-1]]
    compared([first], [used(cat(found[1:])), used(cat(turned, 1))], 1)


def test_a_join_that_later_parts_need_stays():
    first, found = states(5)
    early = cat(found[:5])
    more = node("add", (found[-1], used(early)), (), (2, 3))
    late = cat([*found[1:], more])
    compared([first], [used(early), used(late)], 2)


def test_a_join_that_is_a_result_stays():
    first, found = states(6)
    compared([first], [cat(found[:-1]), used(cat(found[1:]))], 2)


def gates(steps, count=4, last=True):
    """Gates of each step, joined per step (in the last only if asked for) and over the steps."""
    first, rows, every = value(2, 3), [], []
    state = first
    for step in range(steps):
        parts = [node(op, (state,), (), (2, 3)) for op in ("sin", "cos", "tanh", "neg")[:count]]
        every.append(parts)
        if last or step + 1 < steps:
            rows.append(cat(parts, 1))
            state = node("slice", (rows[-1],), ((0, 1), (2, 4), (1, 1)), (2, 3))
    return first, rows, [cat(column) for column in zip(*every, strict=True)]


def test_gates_of_all_steps_are_columns_of_what_the_steps_join():
    for last in (True, False):
        first, rows, columns = gates(5, last=last)
        compared([first], [used(rows[-1]), *map(used, columns)], 5 + 1)


def test_few_joined_steps_change_nothing():
    first, rows, columns = gates(6)
    assert rows
    alone = [used(column) for column in columns[:2]]
    compared([first], [used(rows[-1]), *alone], 6 + 2)


def _sliced(a, b):
    v = b + 1
    return torch.cat([torch.cat([a, v])[::2], v])


def _of_one_join(a, b):
    v = b + 1
    inner = torch.cat([a, v])
    other = torch.cat([inner[1:4], v])
    return torch.cat([inner, other, other[::2]])


def _turned(a, b):
    v = b + 1
    return torch.cat([torch.cat([a, v]).flip(0)[:3], v]), v


def _at_its_own_place(a, b):
    v = b + 1
    return torch.cat([torch.cat([a, v])[:3] * 2, v])


def _twice(a, b):
    v = b.roll(1)
    return torch.cat([v, v, v])


def _twice_and_more(a, b):
    v = torch.cat([a[1:], a[:-1] * 2])
    return torch.cat([v, v.roll(1), v]), v[:2] * 2


def _again_outside(a, b):
    v = torch.cat([b, a])
    w = torch.cat([v, b + 1])
    return torch.cat([w, v]), torch.cat([v, w])


PARTS = [
    _sliced, _of_one_join, _turned, _at_its_own_place, _twice, _twice_and_more, _again_outside,
]  # fmt: skip


@backends
@pytest.mark.parametrize("join", PARTS)
def test_a_part_that_reads_another_join_waits_for_it(join, backend):
    """It was read where it was not yet, or a part that comes twice was written once."""

    def build(wrap):
        call = wrap(join)
        return [call(torch.arange(3.0) - k, torch.arange(3.0) * k) for k in range(3)]

    twice(build, backend)


MADE = (
    lambda x, y: x + 1, lambda x, y: torch.cat([x, y, x]), lambda x, y: x[::2],
    lambda x, y: torch.cat([y, x[1:]]), lambda x, y: x.roll(1),
    lambda x, y: torch.stack([x, x + 1], 1).reshape(-1),
)  # fmt: skip


@backends
@pytest.mark.parametrize("seed", range(12))
def test_random_joins_of_parts_of_joins(seed, backend):
    rng = np.random.default_rng(seed)
    inputs = [rng.standard_normal((2, 3)).tolist() for _ in range(3)]
    steps = [[int(n) for n in rng.integers((6, 4, 4))] for _ in range(7)]

    def step(*values):
        found = [values[0], values[1], values[0] * 2, values[1]]
        for kind, a, b in steps:
            found.append(MADE[kind](found[a - 4], found[b - 4])[:40])
        return found[-3:]

    def build(wrap):
        call = wrap(step)
        return [call(*map(torch.tensor, one)) for one in inputs]

    twice(build, backend)
