"""Generated convolutions against the interpreter in float64, in all three directions."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("llvmlite")

import rushlight as rl
from rushlight.compile.code import llvm, parts
from rushlight.compile.code.emit import Module, vector
from rushlight.compile.kernels.program import build, single
from rushlight.compile.lower.convolution import DATA, FORWARD, WEIGHT
from rushlight.compile.middle import interpret
from rushlight.compile.middle.graph import Graph, Node
from rushlight.compile.middle.verify import InvalidGraph, verify
from rushlight.compile.products import conv, conv_images
from rushlight.compile.products.conv_plan import Array, Shape, plan_correlation
from rushlight.compile.products.conv_tile import Grid, TapTile, emit_taps
from rushlight.compile.products.gemm_plan import tile_shapes
from tests.compile.test_gemm import SETS, TARGETS, spills, unsaved

each_target = pytest.mark.parametrize("name", TARGETS)
each_kind = pytest.mark.parametrize("kind", [FORWARD, DATA, WEIGHT], ids=["y", "dx", "dw"])

# images, groups, outputs and inputs per group, size, kernel, stride, padding, dilation
CASES = [
    (2, 1, 6, 1, (28, 28), (5, 5), (1, 1), (2, 2), (1, 1)),
    (3, 1, 16, 6, (14, 14), (5, 5), (1, 1), (0, 0), (1, 1)),
    (2, 1, 64, 32, (14, 14), (3, 3), (1, 1), (1, 1), (1, 1)),
    (3, 1, 8, 5, (17, 19), (3, 3), (2, 2), (1, 1), (1, 1)),
    (2, 1, 20, 7, (9, 11), (3, 2), (3, 2), (2, 1), (1, 2)),
    (2, 3, 4, 5, (9, 40), (3, 3), (1, 1), (1, 1), (2, 2)),
    (1, 1, 17, 3, (37, 37), (7, 7), (2, 2), (3, 3), (1, 1)),
    (5, 1, 40, 33, (8, 8), (1, 1), (1, 1), (0, 0), (1, 1)),
    (5, 1, 33, 17, (8, 9), (1, 1), (2, 2), (0, 0), (1, 1)),
    (2, 13, 1, 1, (13, 13), (3, 3), (1, 1), (1, 1), (1, 1)),
    (2, 5, 2, 1, (13, 13), (3, 3), (2, 2), (1, 1), (1, 1)),
    (2, 1, 3, 2, (7, 7), (2, 2), (5, 5), (0, 0), (1, 1)),
    (2, 1, 5, 4, (13, 13), (3, 3), (4, 4), (1, 1), (1, 1)),
    (2, 1, 5, 4, (12, 31), (3, 3), (1, 1), (4, 4), (1, 1)),
    (2, 1, 8, 4, (1, 100), (1, 9), (1, 1), (0, 4), (1, 1)),
    (1, 1, 1, 1, (2, 2), (1, 1), (1, 1), (0, 0), (1, 1)),
    (1, 1, 1, 1, (1, 2), (1, 1), (1, 1), (0, 0), (1, 1)),
    (4, 1, 130, 130, (7, 7), (3, 3), (1, 1), (1, 1), (1, 1)),
    (7, 1, 257, 129, (4, 4), (3, 3), (1, 1), (1, 1), (1, 1)),
    (8, 1, 40, 33, (3, 3), (3, 3), (1, 1), (1, 1), (1, 1)),
    (12, 2, 33, 36, (6, 6), (3, 3), (2, 2), (1, 1), (1, 1)),
    (6, 1, 48, 64, (2, 2), (2, 3), (1, 1), (1, 1), (1, 1)),
    (16, 1, 64, 96, (7, 7), (3, 3), (2, 2), (1, 1), (1, 1)),
    (2, 3, 1, 1, (6, 150), (5, 5), (1, 1), (2, 2), (1, 1)),
    (1, 3, 1, 1, (9, 241), (5, 3), (2, 2), (1, 1), (1, 2)),
    (2, 2, 1, 1, (7, 200), (3, 5), (3, 3), (1, 1), (1, 1)),
    # many single channels: gradients of weights by lanes along columns, all of a plane at once,
    # some rows, columns in a loop, more taps than registers, windows mostly outside
    (3, 16, 1, 1, (7, 7), (3, 3), (1, 1), (1, 1), (1, 1)),
    (2, 24, 1, 1, (28, 30), (5, 5), (2, 2), (2, 2), (1, 1)),
    (2, 8, 1, 1, (21, 150), (7, 7), (1, 1), (3, 3), (1, 1)),
    (1, 8, 1, 1, (6, 301), (3, 3), (2, 2), (1, 1), (1, 1)),
    (3, 9, 1, 1, (40, 11), (3, 4), (2, 1), (5, 4), (3, 2)),
    # as many images as lanes, and more: lanes along them where windows lie half outside
    (16, 1, 16, 6, (14, 14), (5, 5), (1, 1), (0, 0), (1, 1)),
    (24, 1, 70, 64, (3, 3), (3, 3), (1, 1), (1, 1), (1, 1)),
    (32, 1, 6, 1, (28, 28), (5, 5), (1, 1), (2, 2), (1, 1)),
    (8, 1, 9, 12, (5, 7), (5, 4), (1, 1), (2, 1), (1, 1)),
    # planes of a few columns, cut from rows of more: lanes that no single load reaches
    (1, 1, 1, 2, (4, 5), (4, 1), (2, 2), (1, 2), (1, 1)),
    (2, 3, 16, 1, (22, 7), (3, 1), (2, 2), (1, 1), (1, 2)),
    (1, 3, 21, 20, (25, 10), (5, 2), (4, 1), (1, 3), (3, 1)),
    (2, 3, 6, 3, (17, 10), (1, 2), (1, 4), (1, 0), (3, 3)),
]  # fmt: skip


def graph_of(kind, case, dtype="float32"):
    n, g, o, c, size, kernel, stride, pad, gap = case
    out = tuple(
        (h + 2 * p - d * (k - 1) - 1) // s + 1
        for h, k, s, p, d in zip(size, kernel, stride, pad, gap)
    )
    shapes = {"x": (n, g, c, *size), "w": (g, o, c, *kernel), "y": (n, g, o, *out)}
    a, b, result = {FORWARD: "xwy", DATA: "ywx", WEIGHT: "yxw"}[kind]
    kinds = np.dtype(dtype)
    inputs = [Node("input", (), (name,), shapes[name], kinds) for name in (a, b)]
    node = Node("conv", inputs, (kind, stride, pad, gap), shapes[result], kinds)
    graph = Graph(inputs, [node])
    verify(graph, core=True)
    return graph


def check(kind, case, dtype="float32", target=None):
    graph = graph_of(kind, case, dtype)
    rng = np.random.default_rng(sum(case[:4]))
    arrays = [rng.standard_normal(x.shape).astype(dtype) for x in graph.inputs]
    (found,) = build(graph, target).run(arrays)
    exact = graph_of(kind, case, "float64")
    (wanted,) = interpret.interpret(exact, [x.astype(np.float64) for x in arrays])
    (size,) = interpret.interpret(exact, [abs(x).astype(np.float64) for x in arrays])
    worst = np.max(abs(found - wanted) / (size + 1), initial=0)
    assert worst < 8 * np.finfo(dtype).eps, worst


@each_target
@each_kind
@pytest.mark.parametrize("case", CASES, ids=str)
def test_directions(name, kind, case):
    check(kind, case, target=TARGETS[name])


def test_gradients_of_single_channels_know_no_threads():
    """Channels are the units: however many threads share them, sums have one order."""
    case = (3, 48, 1, 1, (15, 37), (3, 3), (2, 2), (1, 1), (1, 1))
    graph = graph_of(WEIGHT, case)
    rng = np.random.default_rng(3)
    arrays = [rng.standard_normal(x.shape).astype(np.float32) for x in graph.inputs]
    program, found, before = build(graph), [], rl.get_num_threads()
    try:
        for threads in (1, 3):
            rl.set_num_threads(threads)
            found += program.run(arrays)
    finally:
        rl.set_num_threads(before)
    assert np.array_equal(*found)


@pytest.mark.parametrize(
    ("kind", "case"),
    [
        (FORWARD, (2, 1, 5, 3, (9, 1), (3, 1), (1, 1), (1, 0), (1, 1))),
        (FORWARD, (2, 1, 24, 16, (8, 3), (3, 3), (1, 1), (1, 0), (1, 1))),
        (FORWARD, (2, 13, 1, 1, (13, 1), (3, 3), (1, 1), (1, 1), (1, 1))),
        (DATA, (2, 1, 24, 16, (8, 1), (3, 2), (1, 1), (1, 1), (1, 1))),
    ],
    ids=str,
)
def test_results_of_one_column_are_refused(kind, case):
    """Lowering makes no such node; one made by hand must not write past its result."""
    with pytest.raises(InvalidGraph, match="no kernel makes a result of one column"):
        build(graph_of(kind, case))


@each_target
@pytest.mark.parametrize("size", [(9, 1), (14, 3)], ids=str)
def test_gradients_of_weights_from_one_column(name, size):
    check(WEIGHT, (2, 1, 5, 3, size, (3, size[1]), (1, 1), (1, 0), (1, 1)), target=TARGETS[name])


@each_kind
@pytest.mark.parametrize("case", CASES[::3], ids=str)
def test_double_precision(kind, case):
    check(kind, case, "float64")


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("case", [(2, 1, 24, 33, 9), (3, 2, 5, 8, 13), (5, 1, 40, 9, 4)], ids=str)
def test_kernels_of_one_element(case, stride):
    """They may be matrix products at every place; values are those of the general kernels."""
    n, g, o, c, side = case
    draw = np.random.default_rng(side).standard_normal
    x, w, bias = draw((n, g * c, side, side)), draw((g * o, c, 1, 1)), draw(g * o)

    def step(x, w, bias):
        y = rl.nn.functional.conv2d(x, w, bias, stride, groups=g)
        return y.detach(), rl.autograd.grad((y * y).sum() / 2, (x, w, bias))

    inputs = [rl.tensor(one, requires_grad=True) for one in (x, w, bias)]
    y, grads = rl.compile(step, fullgraph=True)(*inputs)
    seen = x[:, :, ::stride, ::stride].reshape(n, g, c, *y.shape[2:])
    kernel = w.reshape(g, o, c)
    whole = np.einsum("goc,ngchw->ngohw", kernel, seen).reshape(y.shape) + bias[:, None, None]
    close(y, rl.tensor(whole))
    back, apart = np.zeros_like(x), whole.reshape(n, g, o, *y.shape[2:])
    back[:, :, ::stride, ::stride] = np.einsum("goc,ngohw->ngchw", kernel, apart).reshape(
        n, g * c, *y.shape[2:]
    )
    close(grads[0], rl.tensor(back))
    close(grads[1], rl.tensor(np.einsum("ngohw,ngchw->goc", apart, seen).reshape(w.shape)))


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_random_convolutions(data):
    case = random_case(lambda low, high: data.draw(st.integers(low, high)))
    kind = data.draw(st.sampled_from([FORWARD, DATA, WEIGHT]))
    if graph_of(FORWARD, case).outputs[0].shape[-1] > 1:
        check(kind, case)


def random_case(draw, outs=20, ins=6):
    """A case of numbers `draw(low, high)`."""
    lead = [draw(1, high) for high in (3, 3, outs, ins)]
    kernel, stride, pad, gap = (
        (draw(low, high), draw(low, high)) for low, high in ((1, 5), (1, 4), (0, 3), (1, 3))
    )
    size = tuple(max(2, d * (k - 1) + 1 - 2 * p) + draw(0, 20) for k, p, d in zip(kernel, pad, gap))
    return (*lead, size, kernel, stride, pad, gap)


def random_cases(seed, count):
    """The same cases of a seed every time, a third of them with more channels than lanes."""
    rng = np.random.default_rng(seed)

    def draw(low, high):
        return int(rng.integers(low, high + 1))

    while count:
        case = random_case(draw, *((40, 40) if count % 3 == 0 else ()))
        if graph_of(FORWARD, case).outputs[0].shape[-1] > 1:
            count -= 1
            yield case


@pytest.mark.parametrize("name", [name for name in TARGETS if TARGETS[name].bits == 256])
@pytest.mark.parametrize("kind", [FORWARD, DATA], ids=["y", "dx"])
@pytest.mark.parametrize("number", range(7))
def test_lanes_along_images(number, kind, name, monkeypatch):
    """Values, where they are taken for whatever they can do."""
    taken = []
    monkeypatch.setattr(conv_images, "_cost", lambda plan: taken.append(plan) or 0.0)
    conv._cheapest.cache_clear()
    case = [
        (16, 1, 16, 6, (14, 14), (5, 5), (1, 1), (0, 0), (1, 1)),
        (24, 1, 7, 3, (9, 13), (3, 4), (1, 1), (1, 2), (1, 1)),
        (32, 1, 13, 5, (1, 33), (1, 5), (1, 1), (0, 2), (1, 1)),
        (16, 1, 20, 9, (4, 4), (3, 3), (1, 1), (1, 1), (1, 1)),
        (8, 1, 3, 2, (5, 5), (5, 5), (1, 1), (2, 2), (1, 1)),
        (64, 1, 1, 4, (6, 5), (2, 3), (1, 1), (1, 1), (1, 1)),
        (16, 1, 3, 2, (5, 6), (1, 1), (1, 1), (0, 0), (1, 1)),
    ][number]  # fmt: skip
    check(kind, case, ("float32", "float64")[number % 2], TARGETS[name])
    conv._cheapest.cache_clear()
    assert taken


@each_target
@each_kind
@pytest.mark.parametrize("seed", range(3))
def test_random_convolutions_on_every_set_of_instructions(name, kind, seed):
    for number, case in enumerate(random_cases(seed, 8)):
        check(kind, case, ("float32", "float64")[number % 4 == 3], TARGETS[name])


@each_kind
@pytest.mark.parametrize("name", [name for name in SETS if name not in TARGETS] or SETS[-1:])
def test_code_for_sets_that_this_machine_lacks_is_sound(name, kind):
    """It cannot be run here, but LLVM accepts it."""
    for case in (*CASES[::4], *CASES[-4:], *random_cases(7, 6)):
        _, text, *_ = single(graph_of(kind, case), llvm.named(name), {}, ())
        assert llvm.assembly(text, llvm.named(name), 0)


def answers_by_threads(graph):
    """What a program of the graph says with one, two and three threads."""
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(x.shape).astype(np.float32) for x in graph.inputs]
    program, before, found = build(graph), rl.get_num_threads(), set()
    try:
        for threads in (1, 2, 3):
            rl.set_num_threads(threads)
            found.add(program.run(arrays)[0].tobytes())
    finally:
        rl.set_num_threads(before)
    return found


@each_kind
def test_the_answer_does_not_depend_on_the_number_of_threads(kind):
    assert len(answers_by_threads(graph_of(kind, CASES[2]))) == 1


def close(found, wanted, rtol=1e-7, atol=1e-8):
    assert found.shape == wanted.shape
    np.testing.assert_allclose(found.detach().numpy(), wanted.detach().numpy(), rtol, atol)


def functions(t, groups):
    """What may follow a convolution: at the end of its tiles, or in a kernel of its own."""

    def conv(x, w, b=None, **more):
        return t.nn.functional.conv2d(x, w, b, padding=1, groups=groups, **more)

    return [
        lambda x, w, b: conv(x, w, b).relu(),
        lambda x, w, b: t.sigmoid(conv(x, w, b)) * 2,
        lambda x, w, b: conv(x, w, b).reshape(x.shape[0], -1) + 1,
        lambda x, w, b: t.nn.functional.max_pool2d(conv(x, w, b), 2),
        lambda x, w, b: t.nn.functional.avg_pool2d(conv(x, w, b), 3, 2, 1),
        lambda x, w, b: conv(x, w, b).mean((2, 3)),
        lambda x, w, b: conv(x, w, b, stride=2).permute(0, 2, 3, 1).exp(),
        lambda x, w, b: conv(x.transpose(2, 3), w, b),
        lambda x, w, b: conv(x[:, :, ::2, 1:], w, b),
        lambda x, w, b: conv(x, w.flip(3), b) + conv(x, w),
        lambda x, w, b: (conv(x, w, b) - x[:, :1]).softmax(1),
        lambda x, w, b: conv(x, w, b).reshape(-1, 8, 6, 2, 6, 2).exp() + 1,
        lambda x, w, b: conv(x, w, b).reshape(-1, 2, 4, 2, 6, 12) * 3 + x.mean(),
    ]


@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("number", range(13))
def test_what_follows_and_precedes(number, groups):
    rl.manual_seed(number)
    x = rl.randn(3, 4, 12, 12, dtype=rl.float64, requires_grad=True)
    w = rl.randn(8, 4 // groups, 3, 3, dtype=rl.float64, requires_grad=True)
    b = rl.randn(8, dtype=rl.float64, requires_grad=True)
    function = functions(rl, groups)[number]

    def step(x, w, b):
        y = function(x, w, b)
        return y, rl.autograd.grad((y * y).sum(), (x, w, b))

    y, grads = step(x, w, b)
    again, others = rl.compile(step)(x, w, b)
    close(again, y)
    for one, other in zip(others, grads):
        close(one, other)


def test_weights_are_updated_in_the_same_program():
    rl.manual_seed(1)
    nets = [rl.nn.Conv2d(3, 8, 3, dtype=rl.float64) for _ in "ab"]
    nets[1].load_state_dict(nets[0].state_dict())
    x = rl.randn(4, 3, 9, 9, dtype=rl.float64)
    for net, wrap in zip(nets, (lambda step: step, rl.compile)):
        opt = rl.optim.SGD(net.parameters(), lr=0.1)

        def step(x, net=net, opt=opt):
            opt.zero_grad()
            net(x).square().mean().backward()
            opt.step()

        step = wrap(step)
        for _ in range(3):
            step(x)
    for one, other in zip(*(net.parameters() for net in nets)):
        close(one, other)


def test_a_gradient_of_one_number_and_an_empty_batch():
    w = rl.randn(8, 3, 3, 3, requires_grad=True)

    def step(x):
        return rl.autograd.grad(rl.nn.functional.conv2d(x, w, padding=1).sum(), w)[0]

    for n in (2, 0):
        x = rl.randn(n, 3, 10, 10)
        close(rl.compile(step)(x), step(x), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_no_tile_spills(name, dtype):
    target = unsaved(llvm.named(name))
    module, type = Module(target), vector(dtype, target.lanes(dtype))
    taps = {
        "small": (Grid((0, 0), (3, 3), (3, 66), (1, 1)),),
        "single": (Grid((0, 0), (1, 1), (0, 0), (0, 0)),),
        "phases": tuple(Grid((n, 900 * n), (2, 2), (6, 66), (2, 1)) for n in range(4)),
    }
    for rows, vectors in tile_shapes(target.registers, target.fma, type.lanes):
        for word, grids in taps.items():
            x = tuple(n * 576 for n in range(rows))
            tile = TapTile(type, x, vectors, 64, (9, 900), grids, 512)
            emit_taps(module, f"tile_{word}_{rows}x{vectors}", tile)
    plan = conv_images.ImagesPlan(
        type, 4 * type.lanes, 6, 16, (conv_images.Line(10, 14, 5, 0, -1),) * 2,
        Array(0, 0, (1600, 0, 100, 10, 1)), Array(0, 0, (0, 25, 150, 5, 1)), (6, 2),
    )  # fmt: skip
    if target.bits == 256:
        for rows in range(1, 7):
            conv_images.emit_rows(module, f"tile_images_{rows}", plan, rows)
    text = module.text().replace("define internal", "define")
    parts = re.split(r"^(tile_\w+):", llvm.assembly(text, target), flags=re.M)[1:]
    found = {title: len(spills(body)) for title, body in zip(parts[::2], parts[1::2])}
    assert len(found) == len(module.functions)
    assert {title: count for title, count in found.items() if count} == {}


def test_plans_cover_every_place_once():
    shape = Shape(2, 1, 17, 5, (30, 41), (3, 3), (30, 41), (1, 1), (1, 1), (1, 1))
    array = Array(0, 0, (6150, 6150, 1230, 41, 1))
    plan = plan_correlation("forward", shape, "float32", array, array, llvm.target())
    assert sum(height * count for height, count in plan.heights) == 17
    assert plan.units[1] * plan.block >= 30 > (plan.units[1] - 1) * plan.block
    full, last = plan.panels
    assert full * plan.tile[1] + last == plan.vectors
    assert plan.vectors * plan.type.lanes >= plan.length


def test_a_weight_is_updated_in_the_step_that_made_its_gradient():
    rl.manual_seed(0)
    layer, x = rl.nn.Conv2d(8, 16, 3, padding=1), rl.randn(4, 8, 12, 12)
    optimiser = rl.optim.SGD(layer.parameters(), lr=0.01)

    def step(x):
        optimiser.zero_grad()
        (layer(x) ** 3).mean().backward()
        optimiser.step()

    compiled = rl.compile(step, backend="llvm", fullgraph=True)
    for _ in range(3):
        before = layer.weight.detach().clone()
        compiled(x)
        wanted = before - 0.01 * layer.weight.grad
        assert np.allclose(layer.weight.detach().numpy(), wanted.numpy(), rtol=0, atol=1e-7)
        assert not np.array_equal(before.numpy(), layer.weight.detach().numpy())


@pytest.mark.parametrize("kind", ["forward", "data", "weight"])
def test_what_goes_around_tiles_only_calls(kind, monkeypatch):
    seen = []
    parted = parts.parted
    monkeypatch.setattr(parts, "parted", lambda ir, *more: seen.append(ir) or parted(ir, *more))
    monkeypatch.setenv("RUSHLIGHT_COMPILE_CACHE", "0")
    x, w = rl.randn(2, 16, 9, 9), rl.randn(40, 16, 3, 3)
    x.requires_grad_(kind == "data")
    w.requires_grad_(kind == "weight")
    wanted = [leaf for leaf in (x, w) if leaf.requires_grad]

    def step(x, w):
        y = rl.nn.functional.conv2d(x, w, stride=2, padding=1)
        return rl.autograd.grad(y.sum(), wanted) if wanted else y

    rl.compile(step)(x, w)
    functions = [piece for ir in seen for piece in parts.pieces(ir)[0]]
    around = [piece for piece in functions if re.search("call void @(k[0-9a-z_]*)?tile", piece)]
    assert around
    assert all(parts._calls_only(piece) for piece in around)
