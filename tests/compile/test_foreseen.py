"""First calls of a function nobody knows: forms are told or tried, and nothing wrong is left."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest

import rushlight as rl
from rushlight.core import dispatch
from rushlight.core.primitive import REGISTRY

later = importlib.import_module("rushlight.compile.tracing.later")
foreseen = importlib.import_module("rushlight.compile.tracing.foreseen")
nn, F = rl.nn, rl.nn.functional


@pytest.fixture(autouse=True)
def everything_waits(monkeypatch):
    monkeypatch.setattr(later, "SMALL", 0)
    monkeypatch.setattr(foreseen, "LEAST", 0)


@pytest.fixture
def waited(monkeypatch) -> list[int]:
    """How many operations waited for a program, of each first call."""
    found: list[int] = []
    real = later.Later.handed_over

    def spied(self: Any, *args: Any) -> None:
        found.append(len(self.steps) if self.on else 0)
        real(self, *args)

    monkeypatch.setattr(later.Later, "handed_over", spied)
    return found


def real(*shape: int, kind: Any = np.float32) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape).astype(kind)


X, W, AT = real(2, 4, 7, 6), real(6, 2, 3, 2), ((2, 1), (1, 0), (1, 2), 2)
Y = real(2, 6, 4, 4)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize(("op", "arrays", "params"), [
    ("convolution", (X, W), AT), ("convolution_bias", (X, W, real(6)), AT),
    ("convolution_data", (Y, W, ), ((7, 6), *AT)), ("convolution_weight", (Y, X), ((3, 2), *AT)),
    ("convolution", (real(3, 2, 5), real(4, 2, 1)), ((1,), (0,), (1,), 1)),
    ("convolution_data", (real(3, 4, 5), real(4, 2, 1)), ((5,), (1,), (0,), (1,), 1)),
    ("matmul", (real(3, 4), real(4, 5)), ()), ("matmul", (real(2, 3, 4), real(4, 5)), ()),
    ("bmm", (real(2, 3, 4), real(2, 4, 5)), ()), ("matmul", (real(4, 3).T, real(5, 4).T), ()),
    ("linear", (real(2, 3, 4), real(5, 4)), ()), ("linear_bias", (X, real(5, 6), real(5)), ()),
])  # fmt: skip
def test_what_is_foreseen_comes(op, arrays, params, kind):
    arrays = tuple(x.astype(kind, order="K") for x in arrays)
    shape, letter, strides, *_ = foreseen.foreseen(op, arrays, (REGISTRY[op], arrays, params))
    y = dispatch.evaluate(REGISTRY[op], arrays, params)
    assert (shape, letter, strides) == (y.shape, y.dtype.char, None)
    assert y.flags.c_contiguous


@pytest.mark.parametrize("op", sorted(foreseen.EACH))
@pytest.mark.parametrize("kind", [np.float32, np.float64, np.int64])
def test_so_it_is_for_ops_on_each_element(op, kind):
    arrays = (real(3, 4, kind=kind), real(4, kind=kind))[: REGISTRY[op].arity]
    form = foreseen.foreseen(op, arrays, ())
    with np.errstate(all="ignore"):
        y = REGISTRY[op].eval(*arrays)
    assert form == (y.shape, y.dtype.char, None, True, True)
    assert y.flags.c_contiguous


POOL = ((2, 2), (2, 2), (1, 1), (1, 1), (4, 4))  # kernel, stride, padding, dilation, out
CODE = np.zeros((2, 4, 4, 4), np.uint8)
LAYER = (real(40, 4, 3), real(4, 32))


def weights(gates: int) -> tuple[np.ndarray, ...]:
    return real(gates * 32, 3), real(gates * 32, 32), real(gates * 32), real(gates * 32)


@pytest.mark.parametrize(("op", "arrays", "params"), [
    ("max_pool", (X,), POOL), ("max_pool_back", (real(2, 4, 4, 4), CODE), ((7, 6), *POOL)),
    ("sum_pool", (X,), POOL), ("spread_pool", (real(2, 4, 4, 4),), ((7, 6), *POOL)),
    ("standardise", (X, real(1, 4, 1, 1), real(1, 4, 1, 1)), ((0, 2, 3), 1e-5)),
    ("standardise", (X, real(6), None), ((3,), 1e-5)),
    ("sum", (X,), ((0, 2), False)), ("sum", (X,), (None, False)), ("mean", (X,), ((-1,), True)),
    ("sum_to", (X,), ((4, 1, 6),)), ("softmax", (X,), (1,)), ("log_softmax", (X,), (-1,)),
    ("cat", (X, X[:1]), (0, (2, 1))), ("stack", (X, X.transpose(0, 1, 2, 3)), (-1,)),
    ("stack", (real(3, 4).T, real(4, 3)), (1,)), ("contiguous_copy", (real(3, 4).T,), ()),
    ("mean_squared_error", (X, X), ()),
    ("recurrent_layer", (*LAYER, *weights(3)), ("GRU", None, False, True)),
    ("recurrent_layer", (*LAYER, *weights(1)), ("RNN_TANH", None, True, True)),
    ("lstm_layer", (*LAYER, real(4, 32), *weights(4), None), (None, False, True)),
])  # fmt: skip
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_and_so_do_reductions_windows_and_layers(op, arrays, params, kind):
    if kind is np.float64:
        arrays = tuple(x.astype(kind) if x is not None and x.dtype.kind == "f" else x
                       for x in arrays)  # fmt: skip
    operands = [x for x in arrays if x is not None]
    told = foreseen.foreseen(op, operands, (REGISTRY[op], arrays, params))
    found = dispatch.evaluate(REGISTRY[op], arrays, params)
    found = found if type(found) is tuple else (found,)
    parts = told[0] if type(told) is list else (told,)
    assert len(parts) == len(found)
    for (shape, letter, strides, *_), y in zip(parts, map(np.asarray, found)):
        assert (shape, np.dtype(letter), strides) == (y.shape, y.dtype, None)
        assert y.flags.c_contiguous


@pytest.mark.parametrize("arrays", [
    (real(1, 4, 1, 1), X), (X.transpose(2, 0, 1, 3), np.float32(2)),
    (np.broadcast_to(real(4, 1), (3, 4, 5)), real(3, 4, 5)), (X[:, ::2], X[:, :2]),
    (np.broadcast_to(real(2, 4, 1, 1), X.shape), X.transpose(0, 1, 2, 3)),
    (np.lib.stride_tricks.as_strided(real(64), (1, 64, 1, 1), (0, 0, 0, 0)), real(2, 64, 3, 3)),
    (real(5, 4).T, real(4, 5)), (np.asfortranarray(X), np.asfortranarray(X)),
])  # fmt: skip
@pytest.mark.parametrize("op", ["mul", "sub", "gt"])
def test_a_result_lies_as_numpy_lays_it(op, arrays):
    arrays = tuple(map(np.asarray, arrays))
    shape, letter, strides, *_ = foreseen.foreseen(op, arrays, ())
    y = REGISTRY[op].eval(*arrays)
    assert (shape, letter, strides or y.strides) == (y.shape, y.dtype.char, y.strides)
    assert strides is not None or y.flags.c_contiguous


@pytest.mark.parametrize(("x", "kind"), [(X > 0, np.float32), (X, np.float64), (X, np.int64)])
def test_a_cast_is_foreseen(x, kind):
    y = x.astype(kind)
    assert foreseen.foreseen("method.astype", (x,), (x, np.dtype(kind))) == (
        y.shape, y.dtype.char, None, True, True
    )  # fmt: skip
    assert foreseen.foreseen("method.astype", (x,), (x, x.dtype)) is None


@pytest.mark.parametrize(("op", "arrays", "params"), [
    ("convolution", (X, real(6, 3, 3, 2)), AT), ("matmul", (real(3, 4), real(3, 4)), ()),
    ("convolution_data", (Y, W), ((9, 9), *AT)), ("linear", (real(3, 4), real(4, 5)), ()),
    ("convolution_weight", (Y, X), ((5, 5), *AT)), ("add", (real(3), real(4)), ()),
    ("convolution", (real(1, 2, 2, 2), real(6, 1, 3, 3)), AT), ("add", (real(4, 3).T, X), ()),
    ("matmul", (real(3, 4), real(4, 5).astype(np.float64)), ()),
])  # fmt: skip
def test_nothing_is_foreseen_of_what_does_not_fit(op, arrays, params):
    assert foreseen.foreseen(op, arrays, (REGISTRY[op], arrays, params)) is None


def both(build: Any, steps: int = 1) -> None:
    """What an eager and a compiled world leave behind, from the first call on."""
    left = []
    for compiled in (False, True):
        rl.manual_seed(0)
        step, seen = build()
        step = rl.compile(step) if compiled else step
        found = [leaf.detach().numpy().copy() for _ in range(steps) for leaf in step()]
        left.append([*found, *(leaf.detach().numpy() for leaf in seen), rl.rand(2).numpy()])
    for a, b in zip(*left, strict=True):
        np.testing.assert_allclose(b, a, rtol=2e-5, atol=1e-6)


def network() -> Any:
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2),
                        nn.Flatten(), nn.Dropout(0.25), nn.Linear(36, 4), nn.GELU(),
                        nn.Linear(4, 2))  # fmt: skip
    opt, x, y = rl.optim.SGD(net.parameters(), 0.1), rl.randn(3, 1, 8, 8), rl.tensor([0, 1, 1])

    def step() -> Any:
        opt.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        opt.step()
        return (loss,)

    return step, [*net.parameters(), *net.buffers()]


def indices() -> Any:
    table, x = rl.randn(5, 3), rl.randn(4, 5)

    def step() -> Any:
        places = (x * 2).argmax(1)  # nobody knows them yet
        order = (x + 1).argsort(1)
        return table[places], F.embedding(places, table), x.gather(1, order), order.float().mean(0)

    return step, [table]


def negative() -> Any:
    """Whole numbers that are no indices, and bits that are looked at as such."""
    x = rl.randn(4, 5)

    def step() -> Any:
        y = x * 3
        bits = y.view(rl.int32)
        return (bits & 7), rl.arange(8.0)[(bits & 7).long()], y.to(rl.int64) % 5 - 2

    return step, [x]


@pytest.mark.parametrize("build", [network, indices, negative])
def test_a_first_call_that_nobody_knows_leaves_what_the_eager_call_leaves(build):
    both(build)


def test_the_program_computes_the_first_call(waited):
    both(network, steps=2)
    assert waited[0] > 40


def test_errors_of_form_and_of_values_are_raised_in_the_first_call():
    table, seen = rl.randn(4, 3), rl.zeros(2)

    def step(x: Any) -> Any:
        y = x * 2
        try:
            y = y @ table.T[:2]
        except RuntimeError:
            seen[0] += 1
        places = y.argmax(1)
        try:
            y = table[places + 3]
        except IndexError:
            seen[1] += 1
        return y

    found = rl.compile(step)(rl.eye(3))
    assert found.shape == (3, 3)
    assert seen.tolist() == [1, 1]
