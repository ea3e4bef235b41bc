"""bfloat16 in compiled programs: stored in two bytes, computed in float32, rounded once per op."""

import ctypes
import os
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest

import rushlight as torch
from rushlight.compile.code import llvm
from rushlight.compile.code.emit import I64, PTR, VOID, Module, vector
from rushlight.compile.code.scalar import Emitter
from rushlight.compile.code.values import lanes_of
from rushlight.compile.kernels import stride_two
from rushlight.compile.kernels.program import build
from rushlight.compile.middle.graph import Graph, Node
from rushlight.compile.middle.interpret import interpret
from rushlight.compile.middle.simplify import simplify
from rushlight.compile.middle.turned import turned_last
from rushlight.compile.middle.verify import verify
from rushlight.core import dtypes

nn, F = torch.nn, torch.nn.functional
HALF, FLOAT = dtypes.bfloat16.numpy, np.dtype(np.float32)


def emitted(source, result, write, lanes=8):
    """`write(emitter, value)` of every `lanes` numbers of an array, as native code."""
    module = Module(llvm.target())
    f = module.function("each", [("x", PTR), ("y", PTR), ("n", I64)], VOID)
    kinds = vector(source.dtype, lanes), vector(result, lanes)
    s = Emitter(f)
    with f.loop(0, f.arguments[2], lanes) as loop:
        x = f.load(kinds[0], f.arguments[0], loop.index)
        f.store(write(s, x), f.arguments[1], loop.index)
    code = llvm.compile(module.text())
    y = np.empty(source.shape, result)
    call = ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * 3)(code.address("each"))
    call(source.ctypes.data, y.ctypes.data, source.size)
    return y


def test_rounding_is_to_nearest_even_for_all_kinds_of_numbers():
    draws = np.random.default_rng(0).integers(0, 1 << 32, 1 << 16, np.uint32)
    ties = (np.arange(1 << 12, dtype=np.uint32) << 20) | 0x8000
    x = np.concatenate([draws, ties, ties | 0x10000, ties + 1, ties - 1]).view(np.float32)
    found = emitted(x, HALF, lambda s, v: s.cast(v, HALF))
    with np.errstate(invalid="ignore"):
        wanted = x.astype(HALF)
    both = np.isnan(x)
    np.testing.assert_array_equal(np.isnan(found.astype("f")), both)
    bits = found.view(np.uint16), wanted.view(np.uint16)
    np.testing.assert_array_equal(bits[0][~both], bits[1][~both])


@pytest.mark.parametrize("kind", ["float32", "float64", "int32", "bool"])
def test_every_bfloat16_is_itself_in_wider_types(kind):
    x = np.arange(1 << 16).astype(np.uint16).view(HALF)
    if kind == "int32":
        x = x[np.abs(np.nan_to_num(x.astype("f"), nan=1e30)) < 1e9]
    x = x[: x.size // 8 * 8]
    with np.errstate(invalid="ignore"):
        wanted = x.astype(kind)
    np.testing.assert_array_equal(emitted(x, np.dtype(kind), lambda s, v: s.cast(v, kind)),
                                  wanted)  # fmt: skip


@pytest.mark.parametrize("lane", [0, 1, 15])
@pytest.mark.parametrize("kind, narrow", [("float32", HALF), ("int32", "int16"), ("int64", "int8")])
def test_one_lane_of_numbers_that_were_cut_is_written_no_wider(kind, narrow, lane):
    module, types = Module(llvm.target()), (vector(kind, 16), vector(np.dtype(narrow).name, 16))
    f = module.function("one", [("x", PTR), ("y", PTR)], VOID)
    x, y = f.arguments
    value = Emitter(f).cast(f.load(types[0], x), narrow)
    f.store(value, y, 0, lanes_of([n == lane for n in range(16)], vector("bool", 16)))
    given, found = np.full(16, 3, kind), np.full(24, 5, narrow)
    code = llvm.compile(module.text())
    call = ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * 2)(code.address("one"))
    call(given.ctypes.data, found.ctypes.data)
    assert found.astype(int).tolist() == [3 if n == lane else 5 for n in range(24)]


@pytest.mark.parametrize("count", [1, 2, 8, 9, 15, 16])
def test_every_other_number_is_written_between_what_stands_there(count):
    module, kind = Module(llvm.target()), vector("bfloat16", 16)
    f = module.function("some", [("x", PTR), ("y", PTR)], VOID)
    value = Emitter(f).cast(f.load(kind.of("float32"), f.arguments[0]), HALF)
    mask = lanes_of([n < count for n in range(16)], vector("bool", 16)) if count < 16 else None
    stride_two.store(f, value, f.arguments[1], mask)
    given, found = np.full(16, 3, FLOAT), np.full(40, 5, HALF)
    code = llvm.compile(module.text())
    call = ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * 2)(code.address("some"))
    call(given.ctypes.data, found.ctypes.data)
    written = [n % 2 == 0 and n < 2 * count for n in range(40)]
    assert found.astype(int).tolist() == [3 if there else 5 for there in written]


class Recurrent(nn.Module):
    """The states of an LSTM, and what follows from each of them."""

    def __init__(self):
        super().__init__()
        self.layer, self.out = nn.LSTM(12, 16, batch_first=True), nn.Linear(16, 12)

    def forward(self, x):
        return self.out(self.layer(x)[0])


NETS = {
    "mlp": (lambda: nn.Sequential(nn.Linear(20, 33), nn.GELU(), nn.LayerNorm(33),
                                  nn.Linear(33, 10)), (24, 20)),
    "convolutions": (lambda: nn.Sequential(nn.Conv2d(2, 8, 3), nn.BatchNorm2d(8), nn.ReLU(),
                                           nn.MaxPool2d(2), nn.Conv2d(8, 12, 1), nn.SiLU(),
                                           nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                                           nn.Linear(12, 10)), (6, 2, 12, 12)),
    "attention": (lambda: nn.Sequential(nn.TransformerEncoderLayer(16, 2, 24, 0.0,
                                                                   batch_first=True),
                                        nn.Flatten(), nn.Linear(80, 10)), (4, 5, 16)),
    "recurrent": (lambda: nn.Sequential(Recurrent(), nn.Flatten(), nn.Linear(36, 10)), (4, 3, 12)),
}  # fmt: skip


def trained(name, compiled, steps=3):
    """Losses and parameters after some steps under autocast, and what the program does."""
    torch.manual_seed(0)
    make, shape = NETS[name]
    net = make()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05)
    x, y = torch.randn(*shape), torch.randint(0, 10, shape[:1])

    def step(x, y):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = F.cross_entropy(net(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    call = torch.compile(step, fullgraph=True) if compiled else step
    losses = [float(call(x, y).detach()) for _ in range(steps)]
    flat = np.concatenate([p.detach().numpy().ravel() for p in net.parameters()])
    return losses, flat, str(call.explain()) if compiled else ""


@pytest.mark.parametrize("name", NETS)
def test_a_compiled_step_under_autocast_is_the_eager_one(name):
    losses, parameters, told = trained(name, True)
    wanted, others, _ = trained(name, False)
    np.testing.assert_allclose(losses, wanted, rtol=4e-3)
    np.testing.assert_allclose(parameters, others, atol=4e-4)
    assert "1 program(s), backend llvm" in told


def test_nothing_of_it_is_left_to_numpy():
    told = trained("mlp", True)[2]
    assert "NumPy" not in told
    assert "narrow moves" in told


def test_moves_of_bfloat16_in_a_row_are_joined_and_shared():
    x = Node("input", (), (0,), (12, 4), FLOAT)
    few = Node("cast", (x,), (), (12, 4), HALF)
    parts = Node("cast", (Node("reshape", (few,), ((3, 4, 4),), (3, 4, 4), HALF),), (), (3, 4, 4),
                 FLOAT)  # fmt: skip
    again = [Node("reshape", (parts,), ((12, 4),), (12, 4), FLOAT) for _ in range(2)]
    turned = Node("permute", (parts,), ((0, 2, 1),), (3, 4, 4), FLOAT)
    others = [Node("permute", (turned,), ((2, 1, 0),), (4, 4, 3), FLOAT) for _ in range(2)]
    graph, _ = simplify(Graph([x], [*again, *others]))
    ops = Counter(node.op for node in graph)
    assert ops["reshape"] == 1 and ops["permute"] == 1
    value = np.random.default_rng(0).standard_normal((12, 4)).astype("f")
    for y, z in zip(build(graph).run([value]), interpret(graph, [value])):
        np.testing.assert_array_equal(y, z)


def test_turned_factors_are_cast_as_they_lie_and_once():
    x, y = (Node("input", (), (k,), (20, n), HALF) for k, n in ((0, 16), (1, 12)))
    turned = Node("permute", (x,), ((1, 0),), (16, 20), HALF)
    wide = [Node("cast", (node,), (), node.shape, FLOAT) for node in (turned, y, x)]
    graph = Graph([x, y], [
        Node("dot", wide[:2], ("ik,kj->ij",), (16, 12), FLOAT),
        Node("dot", [wide[2], wide[1]], ("ki,kj->ij",), (16, 12), FLOAT),
        Node("neg", (wide[2],), (), (20, 16), FLOAT),
    ])  # fmt: skip
    found = turned_last(graph)
    verify(found, core=True)
    assert [node.inputs[0] for node in found if node.op == "cast"] == [x, y]
    draws = np.random.default_rng(0)
    given = [draws.standard_normal(node.shape).astype(HALF) for node in (x, y)]
    for one, other in zip(interpret(found, given), interpret(graph, given)):
        np.testing.assert_array_equal(one, other)
    assert turned_last(found) is found


def test_a_gradient_has_the_type_of_its_operand():
    weight = torch.randn(8, 8).bfloat16().requires_grad_()

    def step(x):
        y = (F.softmax(x @ weight * 0.3, 1) / 3).float().square().sum()
        (gradient,) = torch.autograd.grad(y, weight)
        return gradient

    x = torch.randn(4, 8).bfloat16()
    found = torch.compile(step, fullgraph=True)(x)
    assert found.dtype is torch.bfloat16
    torch.testing.assert_close(found, step(x), rtol=3e-2, atol=1e-5)


def test_a_second_process_finds_the_whole_program(tmp_path):
    script = """
import sys
import rushlight as torch
step = torch.compile(lambda x, w: (x @ w.T).relu().sum(1), fullgraph=True)
x = torch.arange(4096).reshape(64, 64).remainder(7).bfloat16()
print(step(x, x).float().sum().item(), "llvmlite" in sys.modules,
      "rushlight.compile.kernels.program" in sys.modules)
"""
    told = []
    for _ in range(2):
        found = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=True,
            env={**os.environ, "RUSHLIGHT_HOME": str(tmp_path), "RUSHLIGHT_COMPILE_CACHE": "1"},
        )  # fmt: skip
        told.append(found.stdout.split())
    assert told[0][0] == told[1][0]
    assert told[1][1:] == ["False", "False"]


@pytest.mark.parametrize("autocast", [False, True])
def test_an_lstm_and_its_gradients_are_those_of_eager_code(autocast):
    found = []
    for compiled in (False, True):
        torch.manual_seed(0)
        net, x = torch.nn.LSTM(9, 12, num_layers=2), torch.randn(6, 4, 9)
        if not autocast:
            net, x = net.bfloat16(), x.bfloat16()

        def step(x, net=net):
            net.zero_grad()
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
                y, _ = net(x)
                loss = y.float().square().sum()
            loss.backward()
            return y

        run = torch.compile(step, fullgraph=True) if compiled else step
        found.append([run(x), *[one.grad for one in net.parameters()]])
    for eager, native in zip(*found):
        assert eager.dtype == native.dtype
        assert torch.equal(eager, native)
