"""Sums of equal products as one product: the same values but for rounding, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from rushlight.compile.middle.gathering import FEWEST, gathered
from rushlight.compile.middle.graph import Graph, Node
from rushlight.compile.middle.interpret import evaluate
from rushlight.compile.middle.verify import verify

KIND = np.dtype("f8")


def value(*shape):
    return Node("input", (), (f"x{shape}",), shape, KIND)


def node(op, inputs, params, shape):
    return Node(op, inputs, params, shape, KIND)


def run(graph, arrays):
    known = dict(zip(graph.inputs, arrays))
    for one in graph.nodes:
        if one not in known:
            known[one] = evaluate(one, [known[x] for x in one.inputs])
    return [known[one] for one in graph.outputs]


def summed(steps, spec="bi,bj->ij", terms=None, more=()):
    """sum of a[t].T @ b[t], from left to right, and the nodes for other uses."""
    inputs, total, dots = [], None, []
    for t in range(steps):
        b = 3 if terms is None else terms[t]
        a_shape, b_shape = ((b, 4), (b, 5)) if spec == "bi,bj->ij" else ((4, b), (b, 5))
        a, c = value(*a_shape), value(*b_shape)
        inputs += [a, c]
        dots.append(node("dot", (a, c), (spec,), (4, 5)))
        total = dots[-1] if total is None else node("add", (total, dots[-1]), (), (4, 5))
        if t in more:
            extra = value(4, 5)
            inputs.append(extra)
            total = node("add", (extra, total), (), (4, 5))
    return inputs, total, dots


def products(graph):
    return sum(one.op == "dot" for one in graph.nodes)


def compared(inputs, outputs, count):
    graph = Graph(inputs, outputs)
    better = gathered(graph)
    verify(better, core=True)
    assert products(better) == count
    draw = np.random.default_rng(0).standard_normal
    arrays = [draw(x.shape) for x in graph.inputs]
    for one, two in zip(run(graph, arrays), run(better, arrays), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-12, atol=1e-12)
    return better


def test_products_of_all_steps_are_one():
    for spec in ("bi,bj->ij", "ib,bj->ij"):
        inputs, total, _ = summed(7, spec, more=(0, 3, 6))
        compared(inputs, [total], 1)


def test_steps_may_differ_in_length():
    inputs, total, _ = summed(6, terms=[3, 1, 4, 1, 5, 9])
    compared(inputs, [total], 1)


def test_few_and_long_products_stay():
    inputs, total, _ = summed(FEWEST - 1)
    graph = Graph(inputs, [total])
    assert gathered(graph) is graph
    inputs, total, _ = summed(5, terms=[1000] * 5)
    assert products(gathered(Graph(inputs, [total]))) == 5


def test_what_others_read_stays_as_it_is():
    inputs, total, dots = summed(8)
    compared(inputs, [total, dots[2], dots[5]], 3)
    inner = total.inputs[0]  # a sum of seven that is asked for itself: no part of another
    compared(inputs, [total, inner], 2)


def test_factors_that_two_sums_share_are_joined_once():
    inputs, total, dots = summed(5)
    others = [value(3, 5) for _ in dots]
    second = None
    for dot, other in zip(dots, others):
        made = node("dot", (dot.inputs[0], other), ("bi,bj->ij",), (4, 5))
        second = made if second is None else node("add", (made, second), (), (4, 5))
    better = compared([*inputs, *others], [total, second], 2)
    assert sum(one.op == "cat" for one in better.nodes) == 3


def test_two_sets_of_products_and_a_sum_that_depends_on_another():
    inputs, total, _ = summed(5)
    more, second, _ = summed(5)
    late = node("mul", (total, total), (), (4, 5))
    last = node("add", (node("add", (second, late), (), (4, 5)), total), (), (4, 5))
    compared([*inputs, *more], [last], 2)


def added(terms):
    total = terms[0]
    for term in terms[1:]:
        total = node("add", (total, term), (), term.shape)
    return total


def sums(graph):
    return sum(one.op == "reduce_sum" for one in graph.nodes)


@pytest.mark.parametrize("spec", ["bi,bj->ij", "bi,jb->ij"])
@pytest.mark.parametrize("keep", [True, False])
def test_sums_of_what_a_product_joins_are_one_sum(spec, keep):
    """The gradient of a bias beside that of a weight, both used at every step."""
    inputs, dots, rows = [], [], []
    for _ in range(6):
        a, b = value(3, 4), value(3, 5)
        inputs += [a, b]
        right = b if spec == "bi,bj->ij" else node("permute", (b,), ((1, 0),), (5, 3))
        dots.append(node("dot", (a, right), (spec,), (4, 5)))
        one = node("reduce_sum", (b,), ((0,), keep), (1, 5) if keep else (5,))
        rows.append(node("reshape", (one,), ((5,),), (5,)) if keep else one)
    more = value(5)
    better = compared([*inputs, more], [added([more, *rows]), added(dots)], 1)
    assert sums(better) == 1


def test_sums_of_other_values_stay():
    inputs, total, dots = summed(6)
    others = [value(3, 5) for _ in range(6)]
    last = [dot.inputs[1] for dot in dots]
    rows = [[node("reduce_sum", (x,), ((0,), False), (5,)) for x in xs] for xs in (last, others)]
    some = added(rows[0][:5])  # the product joins six
    apart = node("mul", (rows[0][5], rows[0][5]), (), (5,))
    better = compared([*inputs, *others], [total, some, added(rows[1]), apart], 1)
    assert sums(better) == 12
