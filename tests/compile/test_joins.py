"""Joins that share parts are made once: the same values, and nothing where order forbids it."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from rushlight.compile.middle.graph import Graph
from rushlight.compile.middle.joins import merged
from rushlight.compile.middle.verify import verify

sys.path.insert(0, str(Path(__file__).parent))
from test_gathering import node, run, value


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
