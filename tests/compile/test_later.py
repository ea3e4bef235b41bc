"""First calls whose work waits: what a known program computes, or nobody asks for, is not done."""

from __future__ import annotations

import importlib
import weakref
from typing import Any

import numpy as np
import pytest

import rushlight as rl
from rushlight.core.primitive import REGISTRY

later = importlib.import_module("rushlight.compile.tracing.later")
bound = importlib.import_module("rushlight.compile.calls.bound")
nn, F = rl.nn, rl.nn.functional


@pytest.fixture(autouse=True)
def everything_waits(monkeypatch):
    """Operations on small arrays are put off too."""
    monkeypatch.setattr(later, "SMALL", 0)


@pytest.fixture
def handed(monkeypatch) -> list[int]:
    """How many operations waited, of each call that its program computed."""
    found: list[int] = []
    real = later.Later.handed_over

    def spied(self: Any, *args: Any) -> None:
        before = len(self.steps) if self.on else 0
        real(self, *args)
        found.append(before)

    monkeypatch.setattr(later.Later, "handed_over", spied)
    return found


def worlds(build: Any, steps: int = 1, backend: str = "llvm") -> tuple[Any, Any]:
    """What is left of an eager world, and of a compiled one that knows all forms beforehand."""
    left, kept = [], None
    for kind in ("eager", "learning", "later"):
        rl.manual_seed(0)
        step, seen = build()
        if kind != "eager":
            step = rl.compile(step, backend=backend)
            step._forms, kept = kept, step
        for _ in range(steps):
            result = step()
            if kind == "learning":
                kept = step._forms
        left.append(flat((result, seen(), rl.rand(3))))
    same(left[0], left[1])
    same(left[0], left[2])
    return left[0], left[2]


def flat(value: Any) -> list[Any]:
    if isinstance(value, rl.Tensor):
        return [value.detach().numpy().copy()]
    if isinstance(value, (list, tuple)):
        return [leaf for part in value for leaf in flat(part)]
    return [value]


def same(wanted: list[Any], found: list[Any]) -> None:
    assert len(wanted) == len(found)
    for a, b in zip(wanted, found):
        np.testing.assert_allclose(b, a, rtol=2e-5, atol=1e-6)


def training(net: Any, loss: Any, x: Any, y: Any, optimizer: Any = rl.optim.SGD) -> Any:
    opt = optimizer(net.parameters(), lr=0.1)

    def step() -> Any:
        opt.zero_grad()
        value = loss(net(x), y)
        value.backward()
        opt.step()
        return value

    def seen() -> Any:
        state = [v for held in opt.state.values() for v in held.values()]
        return [[p, p.grad] for p in net.parameters()], list(net.buffers()), state

    return step, seen


def mlp() -> Any:
    net = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))
    return training(net, F.cross_entropy, rl.randn(5, 6), rl.tensor([0, 1, 2, 0, 1]))


def convolutions() -> Any:
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2),
                        nn.Flatten(), nn.Linear(36, 2))  # fmt: skip
    return training(net, F.mse_loss, rl.randn(3, 1, 8, 8), rl.randn(3, 2))


def recurrent() -> Any:
    layer = nn.LSTM(3, 4)
    return training(layer, lambda out, y: ((out[0] - y) ** 2).mean(), rl.randn(5, 2, 3),
                    rl.randn(5, 2, 4))  # fmt: skip


@pytest.mark.parametrize("build", [mlp, convolutions, recurrent])
def test_a_known_step_leaves_what_the_eager_step_leaves(build, handed):
    worlds(build)
    assert handed[-1] > 10


def test_new_state_is_made_by_the_first_step_and_used_by_the_second(handed):
    def build() -> Any:
        net = nn.Linear(3, 2)
        return training(net, F.mse_loss, rl.randn(4, 3), rl.randn(4, 2), rl.optim.Adam)

    worlds(build, steps=3)
    assert handed[-1] > 10


def test_numbers_drawn_in_the_call_are_drawn_once(handed):
    def build() -> Any:
        net = nn.Sequential(nn.Linear(6, 8), nn.Dropout(0.5), nn.Linear(8, 3))
        return training(net, F.mse_loss, rl.randn(5, 6), rl.randn(5, 3))

    worlds(build)
    assert handed[-1] > 10
    worlds(build, steps=2)


def test_who_draws_in_between_is_not_given_the_same_numbers(handed):
    def build() -> Any:
        x = rl.randn(2, 3)

        def step() -> Any:
            return (x + rl.rand(2, 3)) * rl.rand(3)

        return step, lambda: x

    rl.manual_seed(0)
    first = rl.compile(build()[0])
    first()
    rl.manual_seed(0)
    step = rl.compile(build()[0])
    step._forms, make, drawn = first._forms, step._bound, []
    step._bound = lambda *args: (drawn.append(rl.rand(4)), make(*args))[1]
    found = flat((step(), drawn, rl.rand(1)))
    rl.manual_seed(0)
    same(flat((build()[0](), rl.rand(4), rl.rand(1))), found)


def test_what_a_result_is_a_view_of_need_not_stay(handed):
    def build() -> Any:
        x = rl.randn(4, 3)

        def step() -> Any:
            return (x * 2).reshape(3, 4), (x + 1).t()

        return step, lambda: x

    worlds(build)
    assert handed[-1] == 2


def test_windows_of_written_memory_see_the_write(handed):
    def build() -> Any:
        x = rl.arange(12.0).reshape(4, 3)

        def step() -> Any:
            windows = x.unfold(-1, 2, 1)
            x.view(-1)[::2].add_(1)
            return rl.normal(windows, 0.1), windows + 0

        return step, lambda: x

    worlds(build, steps=2)


@pytest.mark.filterwarnings("ignore:compiled step")
def test_a_value_asked_for_ends_the_waiting_and_nothing_is_done_twice():
    def build() -> Any:
        x, seen = rl.arange(6.0), []

        def step() -> Any:
            x.mul_(2)
            y = x.sum()
            if y > 10:
                seen.append(float(y))
                x.add_(1)
            return x + y

        return step, lambda: [x, list(seen)]

    worlds(build, steps=2)


def test_writes_through_views_and_results_that_share_memory():
    def build() -> Any:
        x = rl.arange(12.0).reshape(3, 4)

        def step() -> Any:
            x[1] += 5
            x.t()[0].neg_()
            y = x * 2
            y[0, 1:3] = 7
            return y, y.t(), x[2], x.sum(0)

        return step, lambda: x

    worlds(build)
    (
        _,
        (y, turned, *_),
    ) = None, later_result(build)
    y[0, 0] = 100
    assert turned[0, 0].item() == 100


def later_result(build: Any) -> Any:
    """What the first call gives in a world where all forms are known."""
    kept = None
    for _ in range(2):
        step = rl.compile(build()[0])
        step._forms = kept
        found = step()
        kept = step._forms
    return found


@pytest.mark.parametrize("last", [3, 9])
def test_errors_are_raised_where_they_always_were(last):
    def build(last: int) -> Any:
        table, places, seen = rl.randn(4, 3), rl.tensor([0, last]), rl.zeros(1)

        def step() -> Any:
            y = table * 2
            try:
                y = y[places]
            except IndexError:
                seen.add_(1)
            return y

        return step, lambda: seen

    kept = None
    for place in (3, last):  # the first world learns the forms
        step, seen = build(place)
        step = rl.compile(step)
        step._forms = kept
        found = step()
        kept = step._forms
    assert found.shape == ((2 if last == 3 else 4), 3) and seen().item() == (last == 9)


@pytest.mark.filterwarnings("ignore:compiled step")
def test_a_tensor_that_somebody_else_holds_gets_its_value():
    class Holder:
        __slots__ = ("__weakref__", "held")

    holders: list[Any] = []

    def build() -> Any:
        x, holder = rl.randn(4), Holder()
        holders[:] = [holder]
        where = weakref.ref(holder)  # what it leads to is not looked at

        def step() -> Any:
            y = x * 2
            where().held = y
            return (y + 1).sum()

        return step, lambda: holder.held

    worlds(build)


def test_without_the_program_all_is_done_after_all(monkeypatch, handed):
    def refuse(self: Any, arrays: Any) -> Any:
        raise bound.Refused

    monkeypatch.setattr(bound.Bound, "outputs", refuse)
    worlds(mlp)
    assert handed[-1] > 10


def test_an_interrupt_while_the_program_is_made_leaves_values(monkeypatch):
    step, seen = mlp()
    first = rl.compile(step)
    first()
    api = importlib.import_module("rushlight.compile.api")

    def stop(*args: Any) -> Any:
        raise KeyboardInterrupt

    rl.manual_seed(0)
    step, seen = mlp()
    second = rl.compile(step)
    second._forms = first._forms
    monkeypatch.setattr(api.Compiled, "_build", stop)
    with pytest.raises(KeyboardInterrupt):
        second()
    found = flat(seen())
    rl.manual_seed(0)
    step, seen = mlp()
    step()
    same(flat(seen()), found)


@pytest.mark.parametrize("backend", ["numpy", "llvm"])
def test_numpy_code_computes_the_first_call_too(backend, handed):
    worlds(mlp, backend=backend)
    assert handed[-1] > 10


_BASE = np.arange(24.0, dtype=np.float32).reshape(2, 3, 4)


@pytest.mark.parametrize("y", [
    _BASE, _BASE.copy().T, np.exp(_BASE.transpose(1, 0, 2)), np.asfortranarray(_BASE)[:, 1],
    np.broadcast_to(_BASE[0], (5, 3, 4)), np.float64(3.0), _BASE[::2, ::2, 1::2], _BASE > 4,
], ids=str)  # fmt: skip
def test_what_waits_looks_like_what_comes(y):
    form = later._form_of(y, [])
    y = np.asarray(y)
    found = later.unfilled(form)
    assert (found.shape, found.strides, found.dtype) == (y.shape, y.strides, y.dtype)
    assert (found.base is None) == (y.base is None)
    assert found.flags.writeable == y.flags.writeable
    later._fill(found, y)
    assert np.array_equal(found, y)


def test_forms_that_cannot_be_made_anew_are_not_put_off():
    x = np.arange(6.0)
    assert later._form_of(x[1:], [x]) == later.ALIAS
    assert later._form_of(x.copy()[::-1], [x]) == later.NEVER
    assert later._form_of((y := x.copy(), y[2:]), [x]) == later.NEVER
    assert later._form_of((x.copy(), x[2:]), [x]) == later.NEVER
    assert later._form_of(np.array(["a"]), [x]) == later.NEVER


def test_forms_come_back_from_the_disk(tmp_path, monkeypatch, handed):
    monkeypatch.setenv("RUSHLIGHT_HOME", str(tmp_path))
    monkeypatch.setenv("RUSHLIGHT_COMPILE_CACHE", "1")
    for _ in range(2):
        step, _ = mlp()
        rl.compile(step)()
    assert handed[-1] > 10


def test_only_ops_that_there_are_can_wait() -> None:
    assert set(REGISTRY) >= later.SURE


def test_forms_of_indices_of_one_content_are_told_apart():
    def step(x):
        return [x[np.array(places)] * 2 for places in ([0, 1], [[0, 1]], [[0], [1]])]

    call, x = rl.compile(step), rl.arange(40_000.0).reshape(100, 400)
    for _ in range(3):
        for found, wanted in zip(call(x), step(x), strict=True):
            assert rl.equal(found, wanted)
    assert len(call.programs) == 1
