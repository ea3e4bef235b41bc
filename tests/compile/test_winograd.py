"""Convolutions by minimal filtering: values, what may follow them, and when it is taken."""

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
from rushlight.compile.products import conv, winograd_plan, winograd_shared
from rushlight.compile.products import winograd_transform as transform
from rushlight.compile.products.conv_weight_plan import WeightPlan
from rushlight.compile.products.tiles import Tile, emit_tile, unrolled
from rushlight.compile.products.winograd_plan import FilterPlan
from rushlight.compile.records import replace
from tests.compile.test_conv import answers_by_threads, check, functions, graph_of
from tests.compile.test_gemm import SETS, TARGETS, spills, unsaved
from tests.compile.test_kept_weights import counted

each_target = pytest.mark.parametrize("name", TARGETS)
each_kind = pytest.mark.parametrize("kind", [FORWARD, DATA], ids=["y", "dx"])


def case_of(images, outs, ins, size, pad=(1, 1)):
    return (images, 1, outs, ins, size, (3, 3), (1, 1), pad, (1, 1))


# channels are at least as many as a vector of 512 bits has lanes: fewer are not done so
CASES = [
    case_of(2, 16, 16, (8, 8)),
    case_of(1, 64, 32, (14, 14)),
    case_of(3, 17, 19, (7, 7)),
    case_of(5, 33, 16, (5, 11)),
    case_of(2, 16, 47, (13, 4)),
    case_of(2, 20, 21, (9, 6), (0, 0)),
    case_of(2, 31, 24, (6, 9), (2, 2)),
    case_of(1, 24, 40, (3, 17), (0, 1)),
    case_of(4, 16, 18, (4, 3), (2, 1)),
    case_of(7, 48, 16, (2, 2), (2, 2)),
    case_of(2, 16, 16, (1, 23)),
    case_of(2, 16, 16, (40, 2)),
    case_of(1, 130, 130, (7, 7)),
    case_of(6, 16, 16, (2, 2)),
    case_of(2, 16, 16, (6, 5), (3, 4)),  # more padding than the window reaches back
]  # fmt: skip


@pytest.fixture
def taken(monkeypatch):
    """Minimal filtering wherever it can be done; the plans that were asked for."""
    monkeypatch.setenv("RUSHLIGHT_COMPILE_CACHE", "0")  # else other plans are found there, or left
    plans = []
    real = winograd_plan._cost
    monkeypatch.setattr(conv, "MINIMAL", np.inf)
    monkeypatch.setattr(
        winograd_plan, "_cost", lambda plan, near: plans.append(plan) or real(plan, near)
    )
    conv._cheapest.cache_clear()
    yield plans
    conv._cheapest.cache_clear()


class Numbers:
    """A function that computes where others write what computes."""

    add = staticmethod(lambda a, b: a + b)
    sub = staticmethod(lambda a, b: a - b)
    mul = staticmethod(lambda a, b: a * b)


def test_transforms_are_the_convolution():
    f, draw = Numbers(), np.random.default_rng(0).integers
    for _ in range(5):
        d, g = (draw(-9, 9, (n, n)).astype(float) for n in (4, 3))
        factors = np.array(transform.plane(f, transform.windows, [*d.ravel()], 4))
        weights = np.array(transform.plane(f, transform.weights, [*g.ravel()], 3))
        found = transform.plane(f, transform.sums, [*(factors * weights)], 4)
        views = np.lib.stride_tricks.sliding_window_view(d, (3, 3))
        assert found == [*np.einsum("abij,ij->ab", views, g).ravel()]


@each_target
@each_kind
@pytest.mark.parametrize("case", CASES, ids=str)
def test_minimal_filtering_agrees_with_the_definition(name, kind, case, taken):
    check(kind, case, target=TARGETS[name])
    assert taken


@each_kind
@pytest.mark.parametrize("seed", range(12))
def test_every_plan_gives_the_values(kind, seed, taken, monkeypatch):
    """Whatever is cut how: a plan drawn from all that fit."""
    draw = np.random.default_rng(seed)
    monkeypatch.setattr(
        winograd_plan, "_cost", lambda plan, near: taken.append(plan) or draw.random()
    )
    monkeypatch.setattr(winograd_plan, "UNITS", (1, 4, 100)[seed % 3])
    conv._cheapest.cache_clear()
    check(kind, (CASES[1], case_of(4, 40, 35, (9, 7)), case_of(6, 33, 18, (8, 12)))[seed // 4])
    assert taken


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_random_cases(data):
    numbers = [data.draw(st.integers(*pair)) for pair in ((1, 4), (8, 40), (8, 40))]
    pad = data.draw(st.integers(0, 2)), data.draw(st.integers(0, 2))
    size = tuple(max(1, 3 - 2 * p) + data.draw(st.integers(0, 20)) for p in pad)
    kind = data.draw(st.sampled_from([FORWARD, DATA]))
    before, conv.MINIMAL = conv.MINIMAL, np.inf
    conv._cheapest.cache_clear()
    try:
        if graph_of(kind, case_of(*numbers, size, pad)).outputs[0].shape[-1] > 1:
            check(kind, case_of(*numbers, size, pad))
    finally:
        conv.MINIMAL = before
        conv._cheapest.cache_clear()


def errors(kind, case, target):
    """Root mean square of what is wrong, over that of the values."""
    graph = graph_of(kind, case)
    draw = np.random.default_rng(1).standard_normal
    arrays = [draw(x.shape).astype(np.float32) for x in graph.inputs]
    (found,) = build(graph, target).run(arrays)
    exact = graph_of(kind, case, "float64")
    (wanted,) = interpret.interpret(exact, [x.astype(np.float64) for x in arrays])
    return np.sqrt(np.mean((found - wanted) ** 2) / np.mean(wanted**2))


@each_kind
def test_rounding_is_no_worse_than_that_of_the_definition(kind, taken):
    """Sums over terms are a ninth as long, which outweighs what the transforms round."""
    case, target = case_of(2, 64, 64, (12, 12)), llvm.target()
    found, plain = (errors(kind, case, replace(target, minimal=few)) for few in (True, False))
    assert found < 1.25 * plain
    assert found < 4e-7
    assert found != plain


@pytest.mark.parametrize("kind", [FORWARD, DATA], ids=["y", "dx"])
@pytest.mark.parametrize("case", [CASES[1], CASES[2], case_of(1, 64, 64, (12, 12))], ids=str)
def test_the_answer_does_not_depend_on_the_number_of_threads(kind, case, taken):
    assert len(answers_by_threads(graph_of(kind, case))) == 1 and taken


@pytest.mark.parametrize("number", [n for n in range(13) if n != 6])  # that has a stride
def test_what_follows_and_precedes(number, taken):
    rl.manual_seed(number)
    x = rl.randn(3, 16, 12, 12, requires_grad=True)
    w = (rl.randn(24, 16, 3, 3) / 12).requires_grad_()
    b = rl.randn(24, requires_grad=True)
    function = functions(rl, 1)[number]

    def step(x, w, b):
        y = function(x, w, b)
        return y, rl.autograd.grad((y * y).mean(), (x, w, b))

    y, grads = rl.compile(step)(x, w, b)
    exact = [z.detach().double().requires_grad_() for z in (x, w, b)]
    wanted, others = step(*exact)
    assert taken
    for one, other in zip((y, *grads), (wanted, *others)):
        scale = float(other.detach().abs().max())
        assert float((one.detach().double() - other.detach()).abs().max()) < 2e-5 * scale


def test_a_residual_block_with_batch_statistics(taken):
    rl.manual_seed(0)
    nets = [
        rl.nn.ModuleList([
            rl.nn.Conv2d(16, 16, 3, padding=1, bias=False, dtype=dtype),
            rl.nn.BatchNorm2d(16, dtype=dtype),
        ]) for dtype in (rl.float32, rl.float64)
    ]  # fmt: skip
    nets[1].load_state_dict(nets[0].state_dict())
    x = rl.randn(4, 16, 10, 10)
    found = []
    for net, wrap, kind in zip(nets, (rl.compile, lambda f: f), (rl.float32, rl.float64)):
        given = x.detach().to(kind).requires_grad_()

        def step(x, net=net):
            y = (net[1](net[0](x)) + x).relu()
            (y * y).mean().backward()
            return y.detach()

        y = wrap(step)(given)
        found.append([y, given.grad, net[0].weight.grad, net[1].running_mean, net[1].running_var])
    assert taken
    for one, other in zip(*found):
        np.testing.assert_allclose(one.double().numpy(), other.numpy(), rtol=2e-4, atol=2e-6)


def test_weights_that_stay_are_transformed_once_and_again_when_they_change(taken):
    rl.manual_seed(0)
    net = rl.nn.Conv2d(32, 48, 3, padding=1).eval()

    @rl.compile
    def infer(x):
        with rl.no_grad():
            return net(x)

    def agrees():
        x = rl.randn(2, 32, 14, 14)
        found = infer(x)
        with rl.no_grad():
            exact = [p.double() for p in net.parameters()]
            wanted = rl.nn.functional.conv2d(x.double(), *exact, padding=1)
        return float((found.double() - wanted).abs().max()) < 1e-5

    assert agrees()
    assert any(plan.lasting for plan in taken)
    again = counted(infer)
    assert agrees()
    assert agrees()
    assert again == [0]
    with rl.no_grad():
        net.weight.mul_(2)
    assert agrees()
    assert again == [1]


def test_an_infinity_reaches_its_tile_and_no_further(taken, monkeypatch):
    """docs/compile.md says so; the switch gives the definition back."""
    x, w = np.ones((1, 16, 12, 12), np.float32), np.ones((16, 16, 3, 3), np.float32)
    x[0, 3, 5, 5] = np.inf
    graph = graph_of(FORWARD, case_of(1, 16, 16, (12, 12)))
    arrays = [x[:, None], w[None]]
    (found,) = build(graph).run(arrays)
    reached = ~np.isfinite(found[0, 0, 0])
    assert reached[4:7, 4:7].all()
    assert not reached[:4].any()
    assert not reached[8:].any()
    monkeypatch.setenv("RUSHLIGHT_WINOGRAD", "0")
    conv._cheapest.cache_clear()
    (found,) = build(graph).run(arrays)
    assert np.isposinf(found[0, 0, :, 4:7, 4:7]).all()
    assert np.isfinite(found).sum() == found.size - 16 * 9


def plan_of(case, kind=FORWARD, dtype="float32", target=None, kept=False):
    """What a convolution is done by."""
    graph = graph_of(kind, case, dtype)
    (node,) = graph.outputs
    shape = conv.shape_of(node)
    steps = [np.empty(x.shape, np.int8).strides for x in graph.inputs]
    if kind == DATA:
        g, o, c, i, j = steps[1]
        steps[1] = (g, c, o, i, j)
    if kind == WEIGHT:
        steps.append(np.empty(node.shape, np.int8).strides)
    conv._cheapest.cache_clear()
    return conv._cheapest(
        conv.KINDS[kind], shape, dtype, tuple(steps), target or llvm.target(), kept
    )


@pytest.mark.parametrize("name", SETS)
@each_kind
def test_it_is_taken_where_products_are_what_takes_the_time(name, kind):
    target = llvm.named(name)
    for images, channels, side in ((16, 64, 56), (16, 128, 28), (16, 256, 14), (32, 64, 24)):
        case = case_of(images, channels, channels, (side, side))
        assert isinstance(plan_of(case, kind, target=target), FilterPlan), (case, name)
    assert isinstance(plan_of(case_of(1, 64, 64, (56, 56)), kind, target=target), FilterPlan)


def test_it_is_left_where_it_does_not_pay_or_is_something_else():
    avx2 = llvm.named("avx2")
    case = case_of(16, 64, 64, (28, 28))
    assert isinstance(plan_of(case, target=avx2), FilterPlan)
    assert not isinstance(plan_of(case, dtype="float64", target=avx2), FilterPlan)
    assert not isinstance(plan_of(case, target=replace(avx2, minimal=False)), FilterPlan)
    for place, other in ((1, 2), (5, (5, 5)), (6, (2, 2)), (8, (2, 2))):
        changed = (*case[:place], other, *case[place + 1 :])
        assert not isinstance(plan_of(changed, target=avx2), FilterPlan), changed
    for few in (
        case_of(16, 64, 3, (56, 56)), case_of(16, 4, 64, (56, 56)), case_of(64, 8, 8, (16, 16)),
        case_of(32, 512, 512, (3, 3)), case_of(1, 512, 512, (2, 2)),
    ):  # fmt: skip
        assert not isinstance(plan_of(few, target=avx2), FilterPlan), few


@pytest.mark.parametrize("kind", [FORWARD, DATA, WEIGHT], ids=["y", "dx", "dw"])
def test_plans_that_need_no_look_are_not_the_best(kind, monkeypatch):
    """The least that the definition takes is less than each of its plans does."""
    rng, target, looked = np.random.default_rng(7), llvm.target(), []
    search = "plan_weight" if kind == WEIGHT else "plan_correlation"
    real = getattr(conv, search)
    monkeypatch.setattr(conv, search, lambda *at: looked.append(at) or real(*at))
    cases = [case_of(32, 64, 64, (24, 24))]
    for _ in range(25):
        images, outs, ins = (int(rng.choice(s)) for s in ((1, 8, 32), (16, 64, 200), (16, 96)))
        cases.append(case_of(images, outs, ins, (int(rng.integers(1, 30)),) * 2))
    for case in cases:
        found = plan_of(case, kind, target=target)
        seen = len(looked)
        with monkeypatch.context() as patch:
            patch.setattr(conv, "_least", lambda *_: 0.0)
            assert plan_of(case, kind, target=target) == found, case
        assert len(looked) == seen + 1
    assert len(looked) < 2 * len(cases)


def test_plans_share_little_memory():
    for images, channels, side in ((64, 64, 56), (64, 256, 14), (256, 512, 7), (1, 512, 7)):
        plan = plan_of(case_of(images, channels, channels, (side, side)))
        if isinstance(plan, FilterPlan):
            weights = 16 * plan.weight_step * 4
            assert plan.stack <= conv.STACK
            assert plan.scratch - weights <= winograd_plan.SHARED


def test_a_switch_says_no(monkeypatch):
    before = llvm.target()
    monkeypatch.setenv("RUSHLIGHT_WINOGRAD", "0")
    assert not llvm.target().minimal
    assert repr(llvm.target()) != repr(before)  # which names what is kept on disk
    assert not isinstance(plan_of(case_of(16, 64, 64, (28, 28))), FilterPlan)
    assert isinstance(plan_of(case_of(16, 64, 64, (28, 28)), WEIGHT), WeightPlan)
    monkeypatch.setenv("RUSHLIGHT_WINOGRAD", "1")
    assert llvm.target() == before


@pytest.mark.parametrize("name", SETS)
def test_nothing_spills(name):
    """Tiles spill nothing; of the transforms, whose 16 vectors meet as many registers, few do."""
    target = unsaved(llvm.named(name))
    type, module = vector("float32", target.lanes("float32")), Module(target)
    plan = plan_of(case_of(16, 64, 64, (28, 28)), target=target)
    assert isinstance(plan, FilterPlan)
    for _, size, _ in plan.strips:
        for _, high, _ in plan.heights:
            lanes = tuple(range(0, size * type.lanes, type.lanes))
            tile = Tile(
                type, tuple(n * plan.tile_step for n in range(high)), lanes,
                ((plan.terms, 1, size * type.lanes),),
                (tuple(n * plan.wide for n in range(high)), lanes), unrolled(type, size, high),
            )  # fmt: skip
            emit_tile(module, f"tile_{high}x{size}", tile)
    winograd_shared.windows_name(module, type)
    winograd_shared.sums_name(module, type)
    text = module.text().replace("define internal", "define")
    pieces = re.split(r"^((?:tile|filter)_\w+):", llvm.assembly(text, target), flags=re.M)[1:]
    found = {title: len(spills(body)) for title, body in zip(pieces[::2], pieces[1::2])}
    assert {title: n for title, n in found.items() if n and title.startswith("tile")} == {}
    assert {title: n for title, n in found.items() if n > 4} == {}
    assert len(found) >= 3


@pytest.mark.parametrize("name", [name for name in SETS if name not in TARGETS] or SETS[-1:])
@each_kind
def test_code_for_sets_that_this_machine_lacks_is_sound(name, kind, taken):
    """It cannot be run here, but LLVM accepts it."""
    target = llvm.named(name)
    for case in CASES[:6]:
        _, text, *_ = single(graph_of(kind, case), target, {}, ())
        assert llvm.assembly(text, target, 0)
    assert taken


@each_kind
def test_what_goes_around_tiles_only_calls(kind, taken):
    _, text, *_ = single(graph_of(kind, CASES[1]), llvm.target(), {}, ())
    around = [
        piece for piece in parts.pieces(text)[0]
        if re.search("call void @(k[0-9a-z_]*)?(tile|filter)", piece)
    ]  # fmt: skip
    assert around
    assert all(parts._calls_only(piece) for piece in around)
