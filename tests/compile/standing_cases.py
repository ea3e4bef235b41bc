"""Calls kept on disk: recalled where nothing differs, traced where anything does."""

from __future__ import annotations

import copy
import logging
import math
import os
import subprocess
import sys
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("llvmlite")

import rushlight as rl
from rushlight.compile import api
from rushlight.compile.calls.fast import MISS
from rushlight.compile.code import llvm, loader
from rushlight.compile.disk import standing
from rushlight.compile.disk.world import Unclear, World

pytestmark = pytest.mark.skipif(
    not (llvm.available() and loader.suits(llvm.target().triple)), reason="no images here"
)
F = rl.nn.functional
SCALE = 0.5
TABLE = np.ones(3, np.float32)
SETTINGS = {"power": 2}


def shrink(x):
    return x * SCALE


class Plan:
    """Plain settings, with a part that no step looks at."""

    def __init__(self):
        self.times, self.log = 3, logging.getLogger(__name__)

    def after(self, x):
        return shrink(x) ** SETTINGS["power"]

    def close(self):
        self.log.info("closed")


class Net(rl.nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = rl.nn.Linear(3, 4), rl.nn.Linear(4, 4)
        self.acts = [rl.tanh, F.relu]
        self.plan = Plan()
        self.gain = 1.5

    def forward(self, x):
        h = self.a(x)
        for _ in range(self.plan.times):
            h = self.acts[0](self.b(h)) + self.gain
        return self.plan.after(h if self.training else -h)


def built():
    """A world: a net, its optimiser, a step, and what a step is given."""
    rl.manual_seed(0)
    net = Net()
    opt = rl.optim.SGD(net.parameters(), lr=0.1, momentum=0.5)
    for p in net.parameters():  # the state is there from the first step on
        opt.state[p]["momentum_buffer"] = rl.zeros_like(p)
    close, count = F.mse_loss, 2

    def step(x, y):
        opt.zero_grad()
        loss = close(net(x), y) * count
        loss.backward()
        opt.step()
        return loss.detach()

    return SimpleNamespace(net=net, opt=opt, step=step, x=rl.randn(5, 3), y=rl.randn(5, 4))


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path):
    llvm.target()
    monkeypatch.setenv("RUSHLIGHT_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("RUSHLIGHT_COMPILE_CACHE", raising=False)
    monkeypatch.delenv(standing.SWITCH, raising=False)
    monkeypatch.setattr(standing, "LEAST", 0)


@pytest.fixture
def traces(monkeypatch):
    """One item for each trace that was made."""
    made, real = [], api.capture
    monkeypatch.setattr(api, "capture", lambda *args: made.append(args) or real(*args))
    return made


def losses(world, wrap=rl.compile, steps=3):
    run = wrap(world.step)
    found = [float(run(world.x, world.y)) for _ in range(steps)]
    return [*found, *(float(p.detach().sum()) for p in world.net.parameters())]


def same(a, b):
    np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_the_second_time_nothing_is_traced(traces):
    eager = losses(built(), lambda f: f)
    same(losses(built()), eager)
    assert len(traces) == 1
    world = built()
    step = rl.compile(world.step)
    same(losses(world, lambda _: step), eager)
    assert len(traces) == 1
    assert "mse_loss" in str(step.graph()) or "mean_squared_error" in str(step.graph())
    assert len(step.graph()) == len(step.graph().nodes) and "def " in step.source()
    assert step.ir() and "kernel" in str(step.explain())
    world.x = rl.randn(2, 3)  # guards are those of any program
    world.y = rl.randn(2, 4)
    other = built()
    other.net.load_state_dict(world.net.state_dict())
    other.opt.load_state_dict(copy.deepcopy(world.opt.state_dict()))
    other.x, other.y = world.x, world.y
    same(losses(world, lambda _: step), losses(other, lambda f: f))
    assert len(traces) == 2


class _Asking:
    """Its code asks by name for what a tensor may not have."""

    def __init__(self, kind):
        self.power = getattr(self, kind)() if kind == "gain" else 1

    def gain(self):
        return 2 if SCALE == "gain" else 3

    def __call__(self, x):
        return (x.exp() + 1) ** self.power


def test_attributes_of_arguments_count_for_what_is_recalled(traces):
    x, other = rl.ones(3), rl.ones(3)
    other.gain = 5.0
    for given, count in ((x, 1), (x, 1), (other, 2), (x, 2)):
        asking = _Asking("gain")
        same(rl.compile(lambda x, asking=asking: asking(x))(given), asking(given))
        assert len(traces) == count


def _hook(module, args, output):
    return output * 0.75


def _patched(self, x):
    return F.linear(x, self.weight, self.bias) * 0.5


def _tied(w):
    w.net.a = rl.nn.Linear(3, 4)
    w.opt = rl.optim.SGD(w.net.parameters(), lr=0.1)


def _fill(cell, value):
    cell.cell_contents = value


def closed(w, name):
    return w.step.__closure__[w.step.__code__.co_freevars.index(name)]


# What may differ between two processes, by the part of the world that it stands in.
CHANGES = {
    "a global": lambda w, m: m.setattr(sys.modules[__name__], "SCALE", 0.25),
    "a global dictionary": lambda w, m: m.setitem(SETTINGS, "power", 3),
    "a global function": lambda w, m: m.setattr(sys.modules[__name__], "shrink", lambda x: x - 1),
    "a number in a closure": lambda w, m: _fill(closed(w, "count"), 5),
    "a function in a closure": lambda w, m: _fill(closed(w, "close"), F.l1_loss),
    "an attribute": lambda w, m: setattr(w.net, "gain", 0.25),
    "an attribute behind another": lambda w, m: setattr(w.net.plan, "times", 2),
    "a list's item": lambda w, m: w.net.acts.__setitem__(0, F.relu),
    "the mode": lambda w, m: w.net.eval(),
    "what wants gradients": lambda w, m: w.net.a.weight.requires_grad_(False),
    "a layer that is there twice": lambda w, m: setattr(w.net.b, "bias", w.net.a.bias),
    "a layer's hook": lambda w, m: w.net.a.register_forward_hook(_hook),
    "a setting of the optimiser": lambda w, m: w.opt.param_groups[0].update(momentum=0.1),
    "a method": lambda w, m: m.setattr(Net, "forward", lambda self, x: self.b(self.a(x))),
    "a plain class's method": lambda w, m: m.setattr(Plan, "after", lambda self, x: x),
    "a method on the object": lambda w, m: setattr(w.net, "forward", lambda x: w.net.a(x)),
    "a method of a layer of the package": lambda w, m: m.setattr(rl.nn.Linear, "forward", _patched),
    "a function of the package": lambda w, m: m.setattr(F, "mse_loss", F.l1_loss),
    "a function that layers call": lambda w, m: m.setattr(
        sys.modules[rl.nn.Linear.__module__], "linear", lambda x, w, b: x @ w.t(), raising=False
    ),
    "an operator": lambda w, m: m.setattr(rl.Tensor, "__mul__", lambda x, y: rl.add(x, y)),
    "the given tensor": lambda w, m: w.x.requires_grad_(),
    "its memory": lambda w, m: setattr(w, "x", rl.ones(3, 5).t()),
    "its type": lambda w, m: (w.net.double(), vars(w).update(x=w.x.double(), y=w.y.double())),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_whatever_differs_is_traced(change, traces, monkeypatch):
    losses(built(), steps=1)
    worlds = built(), built()
    with monkeypatch.context() as changed:
        for world in worlds:
            CHANGES[change](world, changed)
        made = len(traces)
        same(losses(worlds[0], steps=2), losses(worlds[1], lambda f: f, steps=2))
    assert len(traces) > made


def _scaled(x, w, b, gain):
    return (x @ w.t() + b) * gain


class _Scaling:
    def __init__(self, gain):
        self.gain = gain

    def __call__(self, x, w, b):
        return _scaled(x, w, b, self.gain)


LINEAR = sys.modules[rl.nn.Linear.__module__]
# Code of the user's in the package that differs in what it holds, on the same line.
PUT = {
    "a method": lambda m, k: m.setattr(
        rl.nn.Linear, "forward", lambda self, x: _scaled(x, self.weight, self.bias, k)
    ),
    "a function": lambda m, k: m.setattr(
        LINEAR, "linear", lambda x, w, b: _scaled(x, w, b, k), raising=False
    ),
    "a function with some arguments": lambda m, k: m.setattr(
        LINEAR, "linear", partial(_scaled, gain=k), raising=False
    ),
    "an object": lambda m, k: m.setattr(LINEAR, "linear", _Scaling(k), raising=False),
}


@pytest.mark.parametrize("kind", PUT)
def test_what_the_user_puts_into_the_package_is_traced(kind, traces, monkeypatch):
    losses(built(), steps=1)
    for gain in (0.5, 2.0):
        made = len(traces)
        with monkeypatch.context() as changed:
            PUT[kind](changed, gain)
            same(losses(built()), losses(built(), lambda f: f))
        assert len(traces) > made


def test_a_hook_for_all_layers_is_seen(traces):
    losses(built(), steps=1)
    for count, hook in enumerate((_hook, lambda module, args, output: output * 0.5), 2):
        handle = rl.nn.modules.module.register_module_forward_hook(hook)
        try:
            same(losses(built()), losses(built(), lambda f: f))
        finally:
            handle.remove()
        assert len(traces) == count
    losses(built(), steps=1)
    assert len(traces) == 3


def test_other_modes_are_other_calls(traces):
    net = Net()

    def forward(x):
        return net(x).sum()

    x = rl.randn(5, 3)
    with rl.no_grad():
        expected = forward(x)
        same(rl.compile(forward)(x), expected)
        same(rl.compile(forward)(x), expected)
    assert len(traces) == 1
    y = rl.compile(forward)(x)
    assert y.requires_grad and len(traces) == 2


def _environment(x):
    return x * float(os.environ["SCALE_OF_A_TEST"])


def _array(x):
    return x + float(TABLE.sum())


def _made_up(x):
    return getattr(rl, "ta" + "nh")(x)


def _imports(x):
    import json

    return x * len(json.dumps(1))


def _address_of(x):
    return x * (id(x) % 2)


def _pointer(x):
    return x * (x.data_ptr() % 2 + 1)


def _threads(x):
    return x * rl.get_num_threads()


def _drawn(x):
    return x + rl.rand(3)


def _chance(x):
    for part in {"a", "b"}:
        x = x * len(part)
    return x


def _typed(x):
    return x if type(x) is rl.Tensor else -x


UNCLEAR = [_environment, _array, _made_up, _imports, _address_of, _pointer, _threads, _typed]


@pytest.mark.parametrize("function", UNCLEAR, ids=lambda f: f.__name__)
def test_what_cannot_be_written_down_is_not_kept(function):
    with pytest.raises(Unclear):
        World([function, (rl.ones(3),), {}])


def test_pure_functions_are_written_down():
    def step(x):
        parts = [x * math.sqrt(k) for k in range(1, 4)]
        return sum(parts) / len(parts)

    def other(x):
        parts = [x * math.sqrt(k) for k in range(1, 5)]
        return sum(parts) / len(parts)

    def text(function, *args):
        return World([function, args, {}]).text

    x = rl.ones(3)
    assert text(step, x) == text(step, rl.zeros(3)) != text(step, rl.zeros(4))
    assert text(step, x) != text(other, x) != text(step, rl.ones(3, requires_grad=True))
    y = np.ones(6, np.float32)
    head, tail = rl.from_numpy(y[:3]), rl.from_numpy(y[3:])
    assert text(step, head) != text(step, tail)
    assert text(step, head, tail) != text(step, head, head)
    assert text(step, x, x) != text(step, x, rl.ones(3))


def test_draws_warnings_and_live_results_are_not_kept(traces):
    def warned(x):
        return F.mse_loss(x, rl.ones(1, 3))

    layer = rl.nn.Linear(3, 2)
    x = rl.ones(3)
    for function in (_drawn, lambda x: layer(x)):
        for _ in range(2):
            rl.compile(function)(x)
    with rl.no_grad():
        for _ in range(2):
            with pytest.warns(UserWarning, match="target size"):
                rl.compile(warned)(x)
    assert len(traces) == 6


def test_entries_of_another_state_are_made_again(traces, monkeypatch):
    losses(built(), steps=1)
    with monkeypatch.context() as changed:
        changed.setattr(standing, "_seen", lambda file: None)
        losses(built(), steps=1)
    assert len(traces) == 2
    with monkeypatch.context() as changed:
        changed.setattr(standing.pickle, "loads", lambda body: {})
        losses(built(), steps=1)
    assert len(traces) == 3
    monkeypatch.setenv(standing.SWITCH, "0")
    losses(built(), steps=1)
    assert len(traces) == 4
    monkeypatch.delenv(standing.SWITCH)
    losses(built(), steps=1)
    assert len(traces) == 4


def asking():
    """A world whose step asks for its loss on the way."""
    world = built()
    net, opt, close = world.net, world.opt, F.mse_loss

    def step(x, y):
        opt.zero_grad()
        loss = close(net(x), y)
        if rl.isnan(loss):
            return rl.zeros(())
        loss.backward()
        opt.step()
        return loss.detach()

    return SimpleNamespace(net=world.net, step=step, x=world.x, y=world.y)


def moving():
    """A world whose step gives tensors other memory."""
    world, kept = built(), rl.zeros(4, 3)
    net = world.net

    def step(x, y):
        weight = net.a.weight
        with rl.no_grad():
            weight.data = weight.data - 0.1 * (net(x) - y).sum()
            kept.data = weight.data
            return kept.sum()

    return SimpleNamespace(net=world.net, step=step, x=world.x, y=world.y, kept=kept)


@pytest.mark.parametrize(("make", "first"), [(asking, 2), (moving, 1)])
def test_steps_that_ask_and_steps_that_move_memory_are_kept(make, first, traces):
    eager = losses(make(), lambda f: f)
    same(losses(make()), eager)
    assert len(traces) == first  # a value must come twice
    world = make()
    step = rl.compile(world.step)
    same(losses(world, lambda _: step), eager)
    assert len(traces) == 2 * first - 1
    if make is moving:
        assert world.kept.data_ptr() == world.net.a.weight.data_ptr()
        return
    guards = [str(x) for x in step.explain().programs[0]["guards"]]
    assert any("bool() gives False" in x for x in guards)
    before = [p.detach().clone() for p in world.net.parameters()]
    assert step(world.x * math.nan, world.y).item() == 0.0  # what was recalled is not right for it
    assert all(rl.equal(a, b) for a, b in zip(before, world.net.parameters()))


def labelled():
    """A world whose step takes labels, which have to be in range."""
    world, close = built(), F.cross_entropy
    net, opt = world.net, world.opt

    def step(x, y):
        opt.zero_grad()
        loss = close(net(x), y)
        loss.backward()
        opt.step()
        return loss.detach()

    return SimpleNamespace(net=net, step=step, x=world.x, y=rl.arange(5) % 4)


def test_what_is_recalled_goes_the_short_way_though_labels_are_asked_first(traces):
    found = []
    for _ in range(2):
        world = labelled()
        step = rl.compile(world.step)
        taken = [step(world.x, world.y).item() for _ in range(3)]
        (program,) = step.programs
        assert program.first is not None
        found.append((taken, program.fast(None, world.x, world.y)))
    (one, last), (other, again) = found
    assert len(traces) == 1 and last is not MISS and again is not MISS
    same([*one, last.item()], [*other, again.item()])


PROGRAM = """
import importlib, sys
import rushlight as torch
api = importlib.import_module("rushlight.compile.api")
traced, real = [], api.capture
api.capture = lambda *args: traced.append(1) or real(*args)
torch.manual_seed(0)
w = torch.randn(4, 4, requires_grad=True)
opt = torch.optim.SGD([w], lr=0.1)

@torch.compile
def step(x):
    h = x
    for _ in range(30):
        h = torch.tanh(h @ w)
    opt.zero_grad()
    loss = (h * h).mean()
    loss.backward()
    opt.step()
    return loss.detach()

x = torch.randn(2, 4)
print(*[f"{step(x).item():.6f}" for _ in range(3)], len(traced))
"""


def test_another_process_recalls_it(tmp_path):
    script = tmp_path / "program.py"
    script.write_text(PROGRAM)
    found = [
        subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True)
        for _ in range(2)
    ]
    (*first, traced), (*second, again) = (x.stdout.split() for x in found)
    assert first == second and len(first) == 3
    assert (traced, again) == ("1", "0")
