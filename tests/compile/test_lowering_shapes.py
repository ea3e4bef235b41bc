"""Random shapes, geometries and keys: lowered and interpreted, against the op itself."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
import pytest

from rushlight.compile.middle.foreign import Hole
from rushlight.compile.middle.graph import Graph, Node
from rushlight.compile.middle.interpret import interpret
from rushlight.compile.middle.lowering import lower, native_share
from rushlight.core.primitive import REGISTRY

SPECIAL = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1e30])


def compare(name: str, operands: list[Any], params: tuple[Any, ...], holes: bool = False) -> int:
    """Runs one op both ways; how many nodes were left to NumPy."""
    prim = REGISTRY[name]
    with np.errstate(all="ignore"):
        found = prim.eval(*operands, *params)
    several = prim.outputs != 1
    wanted = [np.asarray(y) for y in (found if several else (found,))]
    arrays = [np.asarray(x) for x in operands]
    nodes = [Node("input", (), (i,), x.shape, x.dtype) for i, x in enumerate(arrays)]
    if holes:
        params = _hollow(params, arrays, nodes)
    shapes, kinds = tuple(y.shape for y in wanted), tuple(y.dtype for y in wanted)
    if several:
        whole = Node(name, nodes, params, shapes, kinds)
        outputs = [Node("output_of", (whole,), (i,), shapes[i], kinds[i])
                   for i in range(len(wanted))]  # fmt: skip
    else:
        outputs = [Node(name, nodes, params, shapes[0], kinds[0])]
    core = lower(Graph(nodes, outputs))
    for y, z in zip(interpret(core, arrays), wanted):
        assert (y.dtype, y.shape) == (z.dtype, z.shape)
        np.testing.assert_allclose(y, z, rtol=1e-11, atol=1e-11, err_msg=f"{name} {params}")
    return native_share(core)[1]


def _hollow(value: Any, arrays: list[Any], nodes: list[Node]) -> Any:
    if isinstance(value, np.ndarray):
        nodes.append(Node("input", (), (len(nodes),), value.shape, value.dtype))
        arrays.append(value)
        return Hole(len(nodes) - 1)
    return tuple(_hollow(v, arrays, nodes) for v in value) if type(value) is tuple else value


def numbers(rng: Any, *shape: int) -> np.ndarray:
    return rng.standard_normal(shape)


def spoiled(rng: Any, x: np.ndarray) -> np.ndarray:
    """x with special values in every third place."""
    flat = x.reshape(-1)
    places = rng.permutation(flat.size)[: flat.size // 3]
    flat[places] = rng.choice(SPECIAL, len(places))
    return x


def window(rng: Any, dims: int, dilated: bool) -> tuple[Any, Any]:
    """A random pooling geometry, and the size of what it runs over."""
    kernel = tuple(rng.integers(1, 4, dims).tolist())
    dilation = tuple(rng.integers(1, 3 if dilated else 2, dims).tolist())
    stride = tuple(rng.integers(1, 4, dims).tolist())
    padding = tuple(int(rng.integers(0, k // 2 + 1)) for k in kernel)
    out = tuple(rng.integers(1, 5, dims).tolist())
    size = tuple(
        max(1, (o - 1) * s + d * (k - 1) + 1 - 2 * p + int(rng.integers(0, s)))
        for o, s, d, k, p in zip(out, stride, dilation, kernel, padding)
    )
    return (kernel, stride, padding, dilation, out), size


@pytest.mark.parametrize("seed", range(24))
def test_pooling(seed: int) -> None:
    rng = np.random.default_rng(seed)
    dims = 1 + seed % 3
    at, size = window(rng, dims, dilated=True)
    x = spoiled(rng, numbers(rng, 2, 3, *size))
    assert compare("max_pool", [x], at) in (0, 1)  # 1: a window that sees nothing but padding
    assert compare("pooled_maxima", [x], at) == 0
    _, code = REGISTRY["max_pool"].eval(x, *at)
    g = numbers(rng, *code.shape)
    assert compare("max_pool_back", [g, code], (size, *at)) == 0
    assert compare("max_pool_read", [numbers(rng, *x.shape), code], (size, *at)) == 0
    at, size = window(rng, dims, dilated=False)
    x = numbers(rng, 2, 3, *size)
    assert compare("sum_pool", [x], at) == 0
    g = numbers(rng, 2, 3, *at[-1])
    assert compare("spread_pool", [g], (size, *at)) == 0


@pytest.mark.parametrize("seed", range(18))
def test_convolution(seed: int) -> None:
    rng = np.random.default_rng(seed)
    dims, groups = 1 + seed % 3, 1 + seed % 2
    (kernel, stride, padding, dilation, _), size = window(rng, dims, dilated=True)
    at = (stride, padding, dilation, groups)
    x = numbers(rng, 2, 2 * groups, *size)
    w = numbers(rng, 3 * groups, 2, *kernel)
    y = REGISTRY["convolution"].eval(x, w, *at)
    if not y.size:
        return
    assert compare("convolution", [x, w], at) == 0
    assert compare("convolution_bias", [x, w, numbers(rng, 3 * groups)], at) == 0
    g = numbers(rng, *y.shape)
    assert compare("convolution_data", [g, w], (size, *at)) == 0
    assert compare("convolution_weight", [g, x], (kernel, *at)) == 0


def test_the_way_back_through_a_wide_window_is_left_to_numpy() -> None:
    rng = np.random.default_rng(0)  # enlarging 16 times, as segmentation does: 1024 places
    g, w = numbers(rng, 1, 2, 3, 2), numbers(rng, 2, 2, 32, 32)
    assert compare("convolution_data", [g, w], ((48, 32), (16, 16), (8, 8), (1, 1), 1)) == 1


@pytest.mark.parametrize("holes", [False, True])
@pytest.mark.parametrize("seed", range(20))
def test_places_along_a_dimension(seed: int, holes: bool) -> None:
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(1, 5, 1 + seed % 3).tolist())
    dim = int(rng.integers(len(shape)))
    x = numbers(rng, *shape)
    sizes = tuple(int(rng.integers(1, n + 1)) if i != dim else int(rng.integers(1, 6))
                  for i, n in enumerate(shape))  # fmt: skip
    places = rng.integers(0 if seed % 2 else -shape[dim], shape[dim], sizes)
    source = numbers(rng, *(n + 1 for n in sizes))
    assert compare("gather", [x], (dim, places), holes) == 0
    assert compare("scatter_add", [x, source], (dim, places), holes) == 0
    assert compare("spread_along", [numbers(rng, *sizes)], (shape, dim, places), holes) == 0
    index = rng.integers(0, shape[dim], 4)
    rows = numbers(rng, *shape[:dim], 4, *shape[dim + 1 :])
    assert compare("index_select", [x], (dim, index), holes) == 0
    assert compare("index_add", [x, rows], (dim, index, 0.5), holes) == 0
    assert compare("spread_rows", [rows], (shape, dim, index), holes) == 0
    assert compare("index_fill", [x], (dim, index, 2.0), holes) == 0
    one = tuple(1 if i == dim else n for i, n in enumerate(shape))
    single = rng.integers(0, shape[dim], one)
    assert compare("scatter_value", [x], (dim, single, 7.0), holes) == 0
    assert compare("scatter", [x, numbers(rng, *one)], (dim, single), holes) == 0
    assert compare("spread_along", [numbers(rng, *one)], (shape, dim, single), holes) == 0
    compare("scatter_value", [x], (dim, places, 7.0), holes)
    compare("scatter", [x, source], (dim, places), holes)


KEYS = {
    "one": lambda r: (r.integers(-3, 3, 5),),
    "second": lambda r: (slice(None), r.integers(0, 4, (2, 2))),
    "adjacent": lambda r: (slice(None), r.integers(-4, 4, 6), r.integers(0, 5, 6)),
    "broadcast": lambda r: (r.integers(0, 3, (2, 1)), r.integers(0, 4, 3)),
    "apart": lambda r: (r.integers(0, 3, 4), slice(None), r.integers(-5, 5, 4)),
    "all": lambda r: tuple(r.integers(0, n, (2, 3)) for n in (3, 4, 5)),
    "dots": lambda r: (..., r.integers(0, 5, 3)),
}


@pytest.mark.parametrize("holes", [False, True])
@pytest.mark.parametrize("kind", KEYS)
def test_index_arrays(kind: str, holes: bool) -> None:
    rng = np.random.default_rng(len(kind))
    key = KEYS[kind](rng)
    x = numbers(rng, 3, 4, 5)
    assert compare("index", [x], (key,), holes) == 0
    g = numbers(rng, *x[key].shape)
    assert compare("add_at", [g], (x.shape, key), holes) == 0
    assert compare("index_put", [x, g], (key, True), holes) == 0
    if not holes:
        assert compare("index_put", [x, g[:1] * 0 + 1], (key, False)) == 0


def test_masks_that_are_known_or_only_choose() -> None:
    rng = np.random.default_rng(0)
    x, mask = numbers(rng, 3, 4, 5), rng.random((3, 4)) < 0.5
    assert compare("index", [x], ((mask,),)) == 0
    assert compare("index_put", [x, np.array(2.0)], ((mask,), False), True) == 0
    assert compare("masked_fill", [x], (mask[..., None], -1.0), True) == 0


MATRICES = [
    ((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 4)), ((2, 3), (3, 4)), ((5, 2, 3), (3, 4)),
    ((5, 2, 3), (3,)), ((5, 2, 3), (5, 3, 4)), ((1, 2, 3), (5, 3, 4)), ((2, 1, 2, 3), (4, 3, 2)),
    ((2, 1, 2, 3), (1, 4, 3, 2)), ((3,), (5, 3, 2)), ((2, 4, 1, 3), (2, 4, 3, 1)),
    ((1, 1, 3), (1, 3, 1)), ((2, 0, 3), (3, 4)), ((2, 0), (0, 4)),
]  # fmt: skip


@pytest.mark.parametrize(("a", "b"), MATRICES)
def test_matrix_products(a: Any, b: Any) -> None:
    rng = np.random.default_rng(prod(a))
    assert compare("matmul", [numbers(rng, *a), numbers(rng, *b)], ()) == 0


PARTS = [
    (slice(1, 3), None, 2, ...), (slice(None, None, -1),), (..., slice(3, 0, -2)), (-1, -1, -1),
    (slice(5, 2),), (None, ..., None), (slice(-2, None), slice(None, -1), slice(0, 5, 3)),
]  # fmt: skip


@pytest.mark.parametrize("key", PARTS, ids=str)
def test_basic_parts(key: Any) -> None:
    rng = np.random.default_rng(1)
    x = numbers(rng, 3, 4, 5)
    assert compare("part", [x], (key,)) == 0
    g = numbers(rng, *x[key].shape)
    outside = compare("place", [g], (x.shape, key))
    assert outside == int(any(isinstance(k, slice) and (k.step or 1) < 0 for k in key))
    if g.ndim:
        compare("slice_scatter", [x, g], (key,))


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("ignore", [-100, 1])
@pytest.mark.parametrize("weighted", [False, True])
def test_losses_of_labels(reduction: str, ignore: int, weighted: bool) -> None:
    rng = np.random.default_rng(3)
    for shape in ((6, 4), (3, 4, 5)):
        x = numbers(rng, *shape) * 30
        labels = rng.integers(0, 4, (shape[0], *shape[2:]))
        labels.reshape(-1)[:2] = ignore
        weight = np.array([0.5, 2.0, 0.0, 1.0]) if weighted else None
        operands = [x, labels] if weight is None else [x, labels, weight]
        rest = () if weight is not None else (None,)
        given = REGISTRY["cross_entropy"].eval(*operands, *rest, ignore, reduction)[0]
        nodes = [Node("input", (), (i,), a.shape, a.dtype) for i, a in enumerate(operands)]
        whole = Node("cross_entropy", nodes, (ignore, reduction),
                     (given.shape, x.shape), (x.dtype, np.dtype(np.int64)))  # fmt: skip
        core = lower(Graph(nodes, [Node("output_of", (whole,), (0,), given.shape, x.dtype)]))
        assert native_share(core)[1] == 0
        np.testing.assert_allclose(interpret(core, operands)[0], given, rtol=1e-12, atol=1e-12)


def test_a_label_out_of_range_is_never_a_number() -> None:
    nodes = [Node("input", (), (0,), (2, 3), np.dtype("f8")),
             Node("input", (), (1,), (2,), np.dtype("i8"))]  # fmt: skip
    node = Node("nll_loss", nodes, (-100, "mean"), (), np.dtype("f8"))
    core = lower(Graph(nodes, [node]))
    for label in (3, -1, 1 << 40):
        assert np.isnan(interpret(core, [np.zeros((2, 3)), np.array([0, label])])[0])


POWERS = [1, 2, 3, -1, -2, 0.5, 2.5, 0]
KNOWN = [
    *[("pow", np.abs(numbers(np.random.default_rng(5), 4)), power, 0) for power in POWERS],
    *[("pow", np.array([-2, 0, 3]), power, int(power == 0)) for power in (0, 1, 2, 3)],
    *[(name, np.array([-7, 0, 7, 8]), 3, 0) for name in (
        "floor_divide", "remainder", "fmod", "trunc_divide", "bitwise_right_shift", "mul")],
    *[(name, np.array([-7, 0, 7, 8]), -3, 1) for name in ("floor_divide", "remainder", "fmod")],
    *[(name, np.array([-7.5, -0.0, 7.5, np.inf, np.nan]), number, 0)
      for name in ("floor_divide", "remainder", "fmod") for number in (2.0, -2.0, np.inf)],
]  # fmt: skip


@pytest.mark.parametrize("case", KNOWN, ids=lambda case: f"{case[0]}-{case[2]}")
def test_numbers_that_the_graph_knows(case: Any) -> None:
    """Whole division is native by a positive number, powers are products where they are small."""
    name, x, number, outside = case
    known = np.asarray(number, x.dtype)
    with np.errstate(all="ignore"):
        wanted = np.asarray(REGISTRY[name].eval(x, known))
    nodes = [Node("input", (), (0,), x.shape, x.dtype),
             Node("constant", (), (known,), (), x.dtype)]  # fmt: skip
    core = lower(Graph(nodes[:1], [Node(name, nodes, (), wanted.shape, wanted.dtype)]))
    (found,) = interpret(core, [x])
    assert found.dtype == wanted.dtype
    np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-12)
    assert native_share(core)[1] == outside


def test_draws_keep_their_order_and_stay() -> None:
    engine = _Engine()
    draws = [Node("draw", (), (engine, "draw", (), {}), (), np.dtype("f8")) for _ in range(3)]
    total = Node("sub", (draws[2], draws[0]), (), (), np.dtype("f8"))
    core = lower(Graph([], [total], draws))
    assert interpret(core, [])[0] == 2.0
    assert engine.count == 3


class _Engine:
    """Counts instead of drawing."""

    count = 0

    def draw(self) -> np.ndarray:
        self.count += 1
        return np.asarray(float(self.count))


def test_lines_and_layers_stay_with_what_they_became() -> None:
    x = Node("input", (), (0,), (3,), np.dtype("f8"))
    node = Node("silu", (x,), (), (3,), x.dtype, "train.py:7 in step", "net.0")
    for made in lower(Graph([x], [node])).nodes[1:]:
        assert (made.line, made.module) == ("train.py:7 in step", "net.0")
