"""Gradients of 3x3 kernels by minimal filtering, wherever they can be had, against float64."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("llvmlite")

import rushlight as rl
from rushlight.compile.code import llvm
from rushlight.compile.code.emit import Module
from rushlight.compile.kernels.program import build, single
from rushlight.compile.lower.convolution import WEIGHT
from rushlight.compile.middle import interpret
from rushlight.compile.products import conv, winograd_weight_plan
from rushlight.compile.products.conv_plan import STACK, Array, Shape
from rushlight.compile.products.winograd_points import POINTS, TAPS, filter_of
from rushlight.compile.products.winograd_weight import MinimalParts
from rushlight.compile.products.winograd_weight_plan import MinimalPlan, plan_minimal
from tests.compile.test_conv import answers_by_threads, close, graph_of
from tests.compile.test_gemm import SETS, TARGETS, spills, unsaved

each_target = pytest.mark.parametrize("name", TARGETS)

# images, groups, outputs and inputs per group, size, kernel, stride, padding, dilation
CASES = [
    (*lead, size, (3, 3), (1, 1), pad, (1, 1))
    for lead, size, pad in [
        ((1, 1, 16, 16), (8, 8), (1, 1)),
        ((3, 1, 40, 36), (9, 11), (1, 1)),
        ((2, 1, 17, 5), (13, 40), (0, 0)),
        ((5, 1, 33, 20), (7, 7), (2, 2)),
        ((4, 2, 12, 9), (6, 10), (1, 0)),
        ((7, 3, 8, 4), (5, 4), (0, 2)),
        ((9, 1, 70, 64), (3, 3), (1, 1)),
        ((32, 1, 24, 130), (6, 6), (1, 1)),
        ((3, 1, 1, 1), (4, 4), (1, 1)),
        ((1, 1, 96, 160), (28, 5), (1, 1)),
        ((13, 1, 48, 32), (2, 2), (1, 1)),
        ((2, 1, 20, 24), (1, 37), (1, 1)),
        ((2, 1, 20, 24), (37, 2), (1, 1)),
        ((1, 1, 8, 3), (3, 450), (1, 1)),
        ((11, 1, 256, 128), (4, 4), (1, 1)),
    ]
]


@pytest.fixture(params=POINTS)
def taken(monkeypatch, request):
    """The plans by tiles of one size, which are taken for whatever they can do."""
    found, tile = [], request.param
    monkeypatch.setattr(winograd_weight_plan, "POINTS", {tile: POINTS[tile]})

    def plan(*given):
        found.append(plan_minimal(*given))
        return found[-1]

    monkeypatch.setattr(conv, "plan_minimal", plan)
    monkeypatch.setattr(conv, "MINIMAL", math.inf)
    monkeypatch.setenv("RUSHLIGHT_COMPILE_CACHE", "0")
    conv._cheapest.cache_clear()
    yield found
    conv._cheapest.cache_clear()


def check(case, target=None):
    """Values; what may be rounded away is counted by kernels, whose sums share their factors."""
    graph, rng = graph_of(WEIGHT, case), np.random.default_rng(sum(case[:4]))
    arrays = [rng.standard_normal(x.shape).astype(np.float32) for x in graph.inputs]
    (found,) = build(graph, target).run(arrays)
    exact = graph_of(WEIGHT, case, "float64")
    (wanted,) = interpret.interpret(exact, [x.astype(np.float64) for x in arrays])
    (size,) = interpret.interpret(exact, [abs(x).astype(np.float64) for x in arrays])
    worst = np.max(abs(found - wanted) / (size.max((-2, -1), keepdims=True) + 1))
    assert worst < 8 * np.finfo(np.float32).eps, worst


@each_target
@pytest.mark.parametrize("case", CASES, ids=str)
def test_gradients_of_weights_agree_with_the_definition(name, case, taken):
    check(case, TARGETS[name])
    assert isinstance(taken[0], MinimalPlan)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_random_layers(data):
    whole = data.draw(st.sampled_from([1, 2, 3]))
    images, outs, ins, *size = (
        data.draw(st.integers(1, most)) for most in (9 // whole, 40, 40, 20, 20)
    )
    pad = data.draw(st.integers(0, 3)), data.draw(st.integers(0, 3))
    size = tuple(max(n, 4 - 2 * p) for n, p in zip(size, pad))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(conv, "MINIMAL", math.inf)
        conv._cheapest.cache_clear()
        check((images, whole, outs, ins, size, (3, 3), (1, 1), pad, (1, 1)))
    conv._cheapest.cache_clear()


@pytest.mark.parametrize("tile", POINTS)
def test_filters_are_exact_sums_of_products(tile):
    """Three sums along a line, of random whole numbers in double precision."""
    filter, rng = filter_of(tile), np.random.default_rng(tile)
    d, g = rng.integers(-9, 9, tile + TAPS - 1), rng.integers(-9, 9, tile)
    inputs, factors, sums = (np.array(x) for x in (filter.inputs, filter.factors, filter.sums))
    wanted = [g @ d[k : k + tile] for k in range(TAPS)]
    np.testing.assert_allclose(sums @ ((factors @ g) * (inputs @ d)), wanted, atol=1e-12)


@pytest.mark.parametrize("tile", POINTS)
def test_no_more_than_twice_is_rounded_away(tile, monkeypatch):
    """The square root of the mean error in sums over 2048 places, beside the direct way's."""
    monkeypatch.setattr(winograd_weight_plan, "POINTS", {tile: POINTS[tile]})
    case = (8, 1, 32, 32, (16, 16), (3, 3), (1, 1), (1, 1), (1, 1))
    graph, rng = graph_of(WEIGHT, case), np.random.default_rng(0)
    arrays = [rng.standard_normal(x.shape).astype(np.float32) for x in graph.inputs]
    exact = graph_of(WEIGHT, case, "float64")
    (wanted,) = interpret.interpret(exact, [x.astype(np.float64) for x in arrays])
    errors = []
    for least in (0.0, math.inf):
        monkeypatch.setattr(conv, "MINIMAL", least)
        conv._cheapest.cache_clear()
        (found,) = build(graph).run(arrays)
        errors.append(np.sqrt(np.mean((found - wanted) ** 2)))
    conv._cheapest.cache_clear()
    assert 0 < errors[1] < 2 * errors[0] and errors[1] != errors[0]


@pytest.mark.parametrize("case", [CASES[1], CASES[7], CASES[14]], ids=str)
def test_the_answer_does_not_depend_on_the_number_of_threads(case, taken):
    assert len(answers_by_threads(graph_of(WEIGHT, case))) == 1 and taken


def test_what_lies_around_an_operand_is_not_used(taken):
    """Numbers beside the operands, which vectors may reach, change nothing."""
    for case in (CASES[1], CASES[3], CASES[6]):
        graph, rng = graph_of(WEIGHT, case), np.random.default_rng(0)
        arrays, around = [], []
        for x in graph.inputs:
            arrays.append(rng.standard_normal(x.shape).astype(np.float32))
            room = np.full(x.size + 128, np.nan, np.float32)
            around.append(room[64:-64].reshape(x.shape))
            around[-1][:] = arrays[-1]
        program = build(graph)
        assert np.array_equal(program.run(around)[0], program.run(arrays)[0])
    assert taken


@pytest.mark.parametrize("name", SETS)
def test_code_for_every_set_of_instructions_is_sound_and_does_not_spill(name, taken):
    """Also for those that this machine lacks, where it cannot be run."""
    for case in CASES[::3]:
        _, text, *_ = single(graph_of(WEIGHT, case), llvm.named(name), {}, ())
        assert llvm.assembly(text, llvm.named(name), 0)
    target, whole = unsaved(llvm.named(name)), Array(0, 0, (36 * 96, 0, 36, 6, 1))
    for outs in (8, 24, 64, 80):
        shape = Shape(32, 1, outs, 96, (6, 6), (3, 3), (6, 6), (1, 1), (1, 1), (1, 1))
        plan, module = plan_minimal(shape, "float32", whole, whole, whole, target), Module(target)
        assert plan is not None and plan.stack <= STACK
        MinimalParts(module, "k", plan, 3).emit()
        text = module.text().replace("define internal", "define")
        parts = re.split(r"^([a-z]\w*):", llvm.assembly(text, target), flags=re.M)[1:]
        bodies = zip(parts[::2], parts[1::2])
        found = {title: len(spills(body)) for title, body in bodies if title[:4] == "tile"}
        assert found and not any(found.values()), found


@pytest.mark.parametrize(
    "view",
    [
        lambda x: x.transpose(2, 3),
        lambda x: x[:, :, ::2, 1:],
        lambda x: x[:, :, :, ::2],
        lambda x: x.permute(0, 3, 1, 2)[:, :16],
        lambda x: x[:, 3:11].flip(1),
        lambda x: x[:, :1].expand(-1, 16, -1, -1),
    ],
)
def test_inputs_that_lie_otherwise(view, taken):
    rl.manual_seed(0)
    x = rl.randn(3, 16, 16, 16)
    w = rl.randn(24, view(x).shape[1], 3, 3, requires_grad=True)

    def step(x, w):
        y = rl.nn.functional.conv2d(view(x), w, padding=1)
        return rl.autograd.grad((y * y).sum(), w)[0]

    close(rl.compile(step)(x, w), step(x, w), rtol=1e-4, atol=1e-2)
    assert taken


@pytest.mark.parametrize("keep", [False, True])
def test_layers_learn_in_the_same_program(keep, taken):
    """The optimiser's step in the program, with the bias; gradients added to those of before."""
    rl.manual_seed(1)
    nets = [rl.nn.Conv2d(8, 16, 3, padding=1) for _ in "ab"]
    nets[1].load_state_dict(nets[0].state_dict())
    x = rl.randn(4, 8, 10, 10)
    for net, wrap in zip(nets, (lambda step: step, rl.compile)):
        opt = rl.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)

        def step(x, net=net, opt=opt):
            if not keep:
                opt.zero_grad()
            net(x).square().mean().backward()
            opt.step()

        step = wrap(step)
        for _ in range(4):
            step(x)
    for one, other in zip(*(net.parameters() for net in nets)):
        close(one, other, rtol=1e-4, atol=1e-5)
    assert taken


def test_it_is_taken_where_it_is_quicker():
    """For layers of many channels, unless tiles reach far over the edges of their images."""

    def plan(images, channels, side):
        shape = (images, 1, channels, channels, (side, side), (3, 3), (1, 1), (1, 1))
        node = graph_of(WEIGHT, (*shape, (1, 1))).outputs[0]
        steps = (channels * side * side, 0, side * side, side, 1)
        at = (steps, steps, (0, channels * 9, 9, 3, 1))
        return conv._cheapest("weight", conv.shape_of(node), "float32", at, llvm.target(), False)

    assert isinstance(plan(32, 64, 24), MinimalPlan)
    assert isinstance(plan(32, 256, 6), MinimalPlan)
    assert not isinstance(plan(32, 2, 24), MinimalPlan)
    assert isinstance(plan(32, 512, 3), MinimalPlan)
    assert not isinstance(plan(32, 64, 2), MinimalPlan)
