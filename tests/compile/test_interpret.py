"""The meaning of the core ops, by numbers worked out by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import rushlight as rl
from rushlight.compile.middle.graph import CORE, Graph, Node
from rushlight.compile.middle.interpret import EVALUATE, interpret

NAN, INF = np.nan, np.inf
SINGLE, DOUBLE, WHOLE, TRUTH = (np.dtype(kind) for kind in ("f4", "f8", "i8", "?"))
SIX = np.arange(6.0).reshape(2, 3)

# op, arrays, params, the result
CASES: list[tuple[str, list[Any], tuple[Any, ...], Any]] = [
    ("max", [np.array([1.0, NAN, -0.0]), np.array([NAN, 2.0, 3.0])], (), [NAN, NAN, 3.0]),
    ("min", [np.array([1.0, NAN]), np.array([2.0, 2.0])], (), [1.0, NAN]),
    ("sign", [np.array([NAN, -0.0, -3.0, INF])], (), [0.0, 0.0, -1.0, 1.0]),
    ("fmod", [np.array([-7.0, 7.0]), np.array([3.0, -3.0])], (), [-1.0, 1.0]),
    ("floor_div", [np.array([-7.0, 7.0, 1.0]), np.array([2.0, -2.0, 0.0])], (), [-4.0, -4.0, INF]),
    ("floor_div", [np.array([-7, 7]), np.array([2, -2])], (), [-4, -4]),
    ("sigmoid", [np.array([-INF, -800.0, 0.0, INF, NAN])], (), [0.0, 0.0, 0.5, 1.0, NAN]),
    ("rsqrt", [np.array([4.0, 0.0])], (), [0.5, INF]),
    ("round", [np.array([0.5, 1.5, -2.5])], (), [0.0, 2.0, -2.0]),
    ("trunc", [np.array([-1.7, 1.7])], (), [-1.0, 1.0]),
    ("copysign", [np.array([3.0, -3.0]), np.array([-0.0, 1.0])], (), [-3.0, 3.0]),
    ("isfinite", [np.array([NAN, INF, 1.0])], (), [False, False, True]),
    ("where", [np.array([True, False]), np.array([1.0, 2.0]), np.array(9.0)], (), [1.0, 9.0]),
    ("not", [np.array([True, False])], (), [False, True]),
    ("not", [np.array([0, 5])], (), [-1, -6]),
    ("shift_right", [np.array([-8, 8]), np.array(1)], (), [-4, 4]),
    ("add", [np.array([[1.0], [2.0]]), np.array([10.0, 20.0])], (), [[11, 21], [12, 22.0]]),
    ("reduce_sum", [SIX], ((0,), False), [3.0, 5.0, 7.0]),
    ("reduce_sum", [np.array([200, 100], np.uint8)], ((0,), True), np.array([44], np.uint8)),
    ("reduce_max", [np.array([[1.0, NAN], [3.0, 2.0]])], ((1,), True), [[NAN], [3.0]]),
    ("reduce_min", [np.array([True, False])], ((0,), False), False),
    ("reduce_prod", [SIX], ((0, 1), False), 0.0),
    ("argmax", [np.array([1.0, 3.0, 3.0])], (0, False), 1),
    ("argmax", [np.array([[1.0, NAN, 3.0]])], (1, True), [[1]]),
    ("argmin", [np.array([2.0, NAN, 1.0])], (0, False), 1),
    ("dot", [SIX, SIX], ("ik,jk->ij",), [[5.0, 14.0], [14.0, 50.0]]),
    ("dot", [SIX, SIX], ("ik,jk->ji",), [[5.0, 14.0], [14.0, 50.0]]),
    ("dot", [SIX, np.array([1.0, 2.0])], ("ik,i->k",), [6.0, 9.0, 12.0]),
    ("dot", [SIX, SIX], ("ik,ik->i",), [5.0, 50.0]),
    ("dot", [SIX, SIX], ("ab,ab->ba",), (SIX**2).T),
    ("reshape", [SIX], ((3, 2),), [[0, 1], [2, 3], [4, 5.0]]),
    ("permute", [SIX], ((1, 0),), [[0, 3], [1, 4], [2, 5.0]]),
    ("expand", [np.array([[1.0], [2.0]])], ((2, 2, 2),), [[[1, 1], [2, 2]], [[1, 1], [2, 2.0]]]),
    ("slice", [SIX], ((0, 0), (1, 3), (1, 2)), [[0.0, 2.0]]),
    ("pad", [np.array([1.0, 2.0])], ((1,), (2,), -1.0), [-1, 1, 2, -1, -1.0]),
    ("flip", [SIX], ((1,),), [[2, 1, 0], [5, 4, 3.0]]),
    ("cat", [np.array([1.0]), np.array([2.0, 3.0])], (0,), [1, 2, 3.0]),
    ("take", [SIX, np.array([[2, 0]])], (1,), [[[2, 0]], [[5, 3.0]]]),
    ("scatter_add", [np.zeros((2, 3)), np.array([0, 0, 2]), np.ones((2, 3))], (1,),
     [[2, 0, 1], [2, 0, 1.0]]),
    ("strided", [SIX], ((2, 2), (1, 2), 1), [[1, 3], [2, 4.0]]),
    ("replace", [SIX, np.array([7.0, 8.0])], ((2,), (3,), 1), [[0, 7, 2], [3, 8, 5.0]]),
    ("extern", [SIX], ("cumsum", (1,)), [[0, 1, 3], [3, 7, 12.0]]),
]  # fmt: skip


def graph_of(op: str, arrays: list[Any], params: tuple[Any, ...], wanted: np.ndarray) -> Graph:
    nodes = [Node("input", (), (i,), x.shape, x.dtype) for i, x in enumerate(arrays)]
    return Graph(nodes, [Node(op, nodes, params, wanted.shape, wanted.dtype)])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0])
def test_core_ops_mean_what_numpy_computes(case: Any) -> None:
    op, arrays, params, wanted = case
    wanted = np.asarray(wanted)
    (found,) = interpret(graph_of(op, arrays, params, wanted), arrays)
    assert found.dtype == wanted.dtype
    np.testing.assert_array_equal(found, wanted)


def test_casts_iota_and_constants_need_no_more_than_their_node() -> None:
    x = Node("input", (), (0,), (2,), DOUBLE)
    outputs = [
        Node("cast", (x,), (), (2,), WHOLE), Node("cast", (x,), (), (2,), TRUTH),
        Node("iota", (), (1,), (2, 3), WHOLE), Node("constant", (), (np.float32(2.5),), (), SINGLE),
    ]  # fmt: skip
    found = interpret(Graph([x], outputs), [np.array([-1.7, 0.0])])
    assert [y.dtype for y in found] == [WHOLE, TRUTH, WHOLE, SINGLE]
    wanted = [[-1, 0], [True, False], [[0, 1, 2], [0, 1, 2]], 2.5]
    assert [y.tolist() for y in found] == wanted


def test_several_outputs() -> None:
    x = Node("input", (), (0,), (3,), DOUBLE)
    whole = Node("extern", (x,), ("sort", (0, False, None)), ((3,), (3,)), (DOUBLE, WHOLE))
    kinds = (DOUBLE, WHOLE)
    parts = [Node("output_of", (whole,), (i,), (3,), kinds[i]) for i in range(2)]
    values, places = interpret(Graph([x], parts), [np.array([3.0, 1.0, 2.0])])
    assert values.tolist() == [1.0, 2.0, 3.0]
    assert places.tolist() == [1, 2, 0]


def test_inputs_are_not_written_to() -> None:
    base = SIX.copy()
    node = graph_of("replace", [base, np.array([7.0])], ((1,), (1,), 0), base)
    interpret(node, [base, np.array([7.0])])
    assert (base == SIX).all()


def test_values_are_let_go_after_their_last_use_but_outputs_stay() -> None:
    x = Node("input", (), (0,), (2,), DOUBLE)
    one = Node("exp", (x,), (), (2,), DOUBLE)
    two = Node("add", (one, one), (), (2,), DOUBLE)
    first, second = interpret(Graph([x], [one, two]), [np.zeros(2)])
    assert first.tolist() == [1.0, 1.0]
    assert second.tolist() == [2.0, 2.0]


def test_every_core_op_has_a_meaning() -> None:
    assert CORE - EVALUATE.keys() == {"input", "extern", "draw"}


def test_the_sign_of_nan_is_zero_in_eager_code_too() -> None:
    x = rl.tensor([NAN, -2.0, -0.0, 5.0])
    assert rl.sign(x).tolist() == [0.0, -1.0, 0.0, 1.0]
