"""NumPy's own calls, as rules make them, lowered and interpreted, against NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rushlight.compile.middle.foreign import Hole, resolve
from rushlight.compile.middle.graph import Graph, Node
from rushlight.compile.middle.interpret import interpret
from rushlight.compile.middle.lowering import lower, native_share

RNG = np.random.default_rng(4)
X = RNG.standard_normal((3, 4)).astype(np.float32)
Y = RNG.standard_normal((3, 4)).astype(np.float32)
CUBE = RNG.standard_normal((2, 3, 4))
MASK = X > 0
PLACES = np.array([2, 0, 1, -1])
COUNTS = np.arange(12).reshape(3, 4) % 5
A, B, C = Hole(0), Hole(1), Hole(2)

# op, arrays, arguments, keywords
NATIVE: list[tuple[str, list[Any], tuple[Any, ...], dict[str, Any]]] = [
    *[(f"numpy.{name}", [X, Y], (A, B), {}) for name in (
        "add subtract multiply true_divide maximum minimum fmod arctan2 copysign hypot equal"
        " not_equal less less_equal greater greater_equal logical_and logical_or logical_xor"
        " logaddexp fmax fmin heaviside remainder vecdot").split()],
    *[(f"numpy.{name}", [X], (A,), {}) for name in (
        "negative absolute sign exp exp2 expm1 sin cos tan arctan sinh cosh tanh arcsinh floor"
        " ceil rint trunc isnan isinf isfinite square reciprocal positive logical_not signbit"
        " zeros_like ones_like ascontiguousarray tril triu").split()],
    *[(f"numpy.{name}", [np.abs(X) + 1], (A,), {}) for name in "log log2 log10 sqrt".split()],
    *[(f"numpy.{name}", [np.abs(X) / 9], (A,), {})
      for name in "log1p arcsin arccos arctanh".split()],
    *[(f"numpy.{name}", [MASK, X < 1], (A, B), {}) for name in (
        "bitwise_and bitwise_or bitwise_xor equal less greater_equal maximum add").split()],
    *[(f"numpy.{name}", [COUNTS, COUNTS + 1], (A, B), {}) for name in (
        "bitwise_and bitwise_or bitwise_xor true_divide add maximum less").split()],
    ("numpy.multiply", [X, MASK], (A, B), {}), ("numpy.multiply", [X, COUNTS], (A, B), {}),
    ("numpy.multiply", [X], (A, 2.0), {}), ("numpy.add", [COUNTS], (A, 0.5), {}),
    ("numpy.subtract", [X], (1, A), {}), ("numpy.add", [X], (A, np.float64(2)), {}),
    ("numpy.power", [X], (A, 2), {}), ("numpy.power", [X], (A, 3), {}),
    ("numpy.power", [COUNTS], (A, 2), {}), ("numpy.power", [np.abs(X)], (A, 1.7), {}),
    ("numpy.invert", [MASK], (A,), {}), ("numpy.where", [MASK, X], (A, B, 0.0), {}),
    ("numpy.where", [MASK], (A, 1.0, 0.0), {}), ("numpy.where", [COUNTS, X, Y], (A, B, C), {}),
    ("numpy.add.reduce", [CUBE], (A,), {}), ("numpy.add.reduce", [CUBE], (A, (0, 2)), {}),
    ("numpy.add.reduce", [CUBE], (A, None), {"keepdims": True}),
    ("numpy.add.reduce", [COUNTS], (A, 1, np.int64), {}),
    ("numpy.maximum.reduce", [CUBE], (A, -1), {"keepdims": True}),
    ("numpy.minimum.reduce", [CUBE], (A, 1), {}), ("numpy.multiply.reduce", [CUBE], (A, None), {}),
    *[(f"numpy.{name}", [CUBE], (A,), {"axis": axis, "keepdims": keep})
      for name in "sum prod max min mean var std".split()
      for axis, keep in ((None, False), (1, True), ((0, 2), False))],
    *[(f"method.{name}", [CUBE], (A,), {"axis": axis})
      for name in "sum mean max argmax argmin".split()
      for axis in (None, 2)],
    ("method.sum", [COUNTS.astype(np.int32)], (A, 0), {}), ("method.sum", [MASK], (A,), {}),
    ("method.any", [MASK], (A,), {"axis": 1}), ("method.all", [COUNTS], (A,), {}),
    ("numpy.mean", [X], (A,), {"dtype": np.float64}),
    ("method.reshape", [CUBE], (A, 6, -1), {}), ("method.reshape", [CUBE], (A, (4, 6)), {}),
    ("method.transpose", [CUBE], (A,), {}), ("method.transpose", [CUBE], (A, (1, 2, 0)), {}),
    ("method.transpose", [CUBE], (A, 1, 2, 0), {}), ("numpy.transpose", [CUBE], (A, (2, 0, 1)), {}),
    ("method.swapaxes", [CUBE], (A, 0, -1), {}), ("numpy.moveaxis", [CUBE], (A, 0, 2), {}),
    ("numpy.moveaxis", [CUBE], (A, (0, 1), (-1, 0)), {}),
    ("numpy.expand_dims", [CUBE], (A, (0, 2)), {}), ("numpy.expand_dims", [CUBE], (A, -1), {}),
    ("method.squeeze", [CUBE[:1]], (A,), {}), ("method.astype", [X], (A, np.float64), {}),
    ("method.astype", [X], (A, np.int64), {"copy": False}),
    ("method.astype", [COUNTS], (A, bool), {}),
    ("method.copy", [X], (A,), {"order": "C"}), ("method.conj", [X], (A,), {}),
    ("method.ravel", [CUBE], (A,), {}), ("method.clip", [X], (A, -0.5, 0.5), {}),
    ("numpy.clip", [X], (A, None, 0.5), {}), ("method.__getattribute__", [CUBE], (A, "T"), {}),
    ("method.__getattribute__", [CUBE], (A, "mT"), {}),
    ("method.__getattribute__", [X], (A, "real"), {}),
    ("method.__getitem__", [CUBE], (A, (0, slice(None, None, -1), ..., None)), {}),
    ("method.__getitem__", [CUBE], (A, (slice(1), slice(0, 3, 2), -1)), {}),
    ("method.__getitem__", [X.T.copy(), PLACES], (A, B), {}),
    ("method.__getitem__", [X, PLACES[:3]], (A, (np.array([0, 2, 1]), B)), {}),
    ("method.__getitem__", [CUBE, PLACES[:3] % 2], (A, (B, slice(None), B)), {}),
    ("numpy.take", [X, PLACES], (A, B), {"axis": 1}), ("numpy.take", [X, PLACES], (A, B), {}),
    ("numpy.take_along_axis", [X, COUNTS % 3], (A, B, 0), {}),
    ("numpy.matmul", [X, Y.T.copy()], (A, B), {}), ("method.dot", [X, Y.T.copy()], (A, B), {}),
    ("numpy.matmul", [CUBE, CUBE.swapaxes(1, 2).copy()], (A, B), {}),
    ("numpy.outer", [X[0], Y[0]], (A, B), {}), ("numpy.concatenate", [X, Y], ((A, B), 1), {}),
    ("numpy.concatenate", [X, Y], ([A, B],), {"axis": 0}),
    ("numpy.stack", [X, Y], ((A, B), -1), {}),
    ("numpy.broadcast_to", [X], (A, (2, 3, 4)), {}), ("numpy.flip", [CUBE], (A, (0, 2)), {}),
    ("numpy.flip", [CUBE], (A,), {}), ("numpy.tile", [X], (A, (2, 1)), {}),
    ("numpy.full_like", [X], (A, 2), {}), ("numpy.asarray", [X], (A,), {"dtype": np.float64}),
    ("numpy.written", [X, COUNTS[:1]], (A, B), {}),
    ("numpy.with_item", [X, Y], (A, (slice(0, 2), slice(1, 3)), 1.5), {}),
    ("numpy.with_item", [X, MASK], (A, B, 0.0), {}),
    ("numpy.with_item", [X, PLACES[:2]], (A, B, 0.0), {}),
    ("numpy.with_item", [X, PLACES[:1]], (A, (slice(None), B), 0.5), {}),
    ("numpy.with_item", [X, np.array([1, 0, 1])], (A, (..., B), np.arange(9.0).reshape(3, 3)), {}),
]  # fmt: skip
OUTSIDE: list[tuple[str, list[Any], tuple[Any, ...], dict[str, Any]]] = [
    ("numpy.add.reduce", [X], (A,), {"where": MASK}),
    ("method.reshape", [X], (A, 12), {"order": "F"}),
    ("numpy.sum", [X], (A,), {"initial": 1.0}), ("method.cumsum", [X], (A, 1), {}),
    ("method.view", [X], (A, np.int32), {}), ("numpy.linalg.norm", [X], (A,), {}),
    ("numpy.power", [COUNTS, COUNTS], (A, B), {}), ("numpy.matmul", [COUNTS, COUNTS.T], (A, B), {}),
    ("numpy.add", [X.astype(np.float16)], (A, A), {}), ("numpy.sin", [MASK], (A,), {}),
    ("numpy.with_item", [X, PLACES[:2], PLACES[:2]], (A, (B, Hole(2)), 0.0), {}),
    ("numpy.with_item", [X], (A, slice(None, None, -2), 1.0), {}), ("numpy.sort", [X], (A,), {}),
]  # fmt: skip


def run(case: Any) -> int:
    op, arrays, args, kwargs = case

    def filled(value: Any) -> Any:
        if type(value) is Hole:
            return arrays[value.index]
        return type(value)(map(filled, value)) if type(value) in (tuple, list) else value

    wanted = np.asarray(resolve(op)(*map(filled, args), **kwargs))
    nodes = [Node("input", (), (i,), x.shape, x.dtype) for i, x in enumerate(arrays)]
    node = Node(op, nodes, (args, kwargs), wanted.shape, wanted.dtype)
    core = lower(Graph(nodes, [node]))
    (found,) = interpret(core, arrays)
    assert found.dtype == wanted.dtype
    assert found.shape == wanted.shape
    np.testing.assert_allclose(found, wanted, rtol=2e-6, atol=2e-6)
    return native_share(core)[1]


@pytest.mark.parametrize("case", NATIVE, ids=lambda case: case[0])
def test_native(case: Any) -> None:
    assert run(case) == 0


@pytest.mark.parametrize("case", OUTSIDE, ids=lambda case: case[0])
def test_kept_as_numpy(case: Any) -> None:
    assert run(case) == 1
