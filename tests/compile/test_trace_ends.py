"""What no program can hold runs eagerly and says why; errors and threads leave nothing behind."""

from __future__ import annotations

import copy
import math
import pickle
import random
import re
import sys
import threading
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rushlight as torch
from rushlight.core import tensor as core_tensor
from rushlight.core.state import STATE

sys.path.insert(0, str(Path(__file__).parent))
from worlds import F, Net, alike, backends, batch, seen

# --- what ends a trace, and says where


def eager_after(function: Any, *args: Any, backend: str = "numpy") -> str:
    """The warning of a call that cannot be compiled; it must name this file."""
    f = torch.compile(function, backend=backend)
    with pytest.warns(UserWarning, match="runs eagerly") as caught:
        for _ in range(4):
            f(*args)
    text = str(caught[0].message)
    assert "test_trace_ends.py:" in text
    assert not f.programs
    strict = torch.compile(function, backend=backend, fullgraph=True)
    with pytest.raises(RuntimeError, match=r"test_trace_ends\.py:\d+"):
        for _ in range(4):
            strict(*args)
    assert STATE.tracer is None and torch.Tensor in core_tensor.EAGER_TYPES
    return text


COUNT = 0


def _counting(x: Any) -> Any:
    global COUNT
    COUNT += 1
    return x + COUNT


def test_a_global_that_a_call_changes() -> None:
    f = torch.compile(_counting, backend="numpy")
    before = COUNT
    found = [float(f(torch.zeros(()))) - before for _ in range(5)]
    assert found == [1, 2, 3, 4, 5] and before + 5 == COUNT
    assert len(f.programs) == 1


LOG: list[Any] = []


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda x: x * math.gamma(x.sum().item()), "item"),
        (lambda x: x[: int(x[1])], "item|int|index"),
        (lambda x: x.numpy().sum() * x, "NumPy|numpy|need"),
        (lambda x: torch.tensor(np.asarray(x)), "NumPy|numpy"),
        (lambda x: x * hash(tuple(x.tolist())), "item"),
        (lambda x: x * len(str(x)), "repr|str|need"),
        (lambda x: x * random.sample((1, 2), 1)[0], "sample"),
        (lambda x: x * np.random.rand(1)[0], "rand"),
        (lambda x: x * (time.time() > 0), "time"),
        (lambda x: (LOG.insert(0, 1), x)[1], "insert"),
        (lambda x: (torch.manual_seed(1), x)[1], "random state"),
        (lambda x: x + torch.rand(3, generator=torch.Generator()), "random state"),
        (lambda x: x.nonzero(), "argwhere|nonzero"),
        (lambda x: torch.unique(x), "unique"),
        (lambda x: torch.argwhere(x), "argwhere|nonzero"),
        (lambda x: {1, 2}, "set"),
    ],
)  # fmt: skip
def test_it_says_why(function: Any, said: str) -> None:
    text = eager_after(function, torch.tensor([0.0, 1.0, 2.0]))
    assert re.search(said, text), text


class _Loud(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        return x * 2

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        print("seen")
        return g * 2


class Ending(str):
    """Something to print that nobody can take for a constant."""


def _hooked(x: Any) -> Any:
    y = x * 3
    y.register_hook(lambda g: print("seen"))
    return y


def _after_an_error(x: Any) -> Any:
    try:
        return x @ torch.ones(7, 7)
    except RuntimeError:
        print("seen")
        return x * 2


def _by_numpy(x: Any) -> Any:
    return torch.from_numpy(np.apply_along_axis(lambda row: (print("seen"), row)[1], 0, x._array))


@pytest.mark.parametrize("part", [_Loud.apply, _hooked, _after_an_error, _by_numpy])
def test_print_behind_what_is_not_looked_at(part: Any, capsys: Any) -> None:
    """The hook is away while the package works, and back for whatever the user's code does."""
    x = torch.ones(3, requires_grad=part is not _by_numpy)

    def f() -> Any:
        y = (part(x.exp()) ** 2).sum()
        if y.requires_grad:
            y.backward()
        return y.detach()

    f()
    said = capsys.readouterr().out
    step = torch.compile(f, backend="numpy")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what NumPy calls may be called more than once
        for _ in range(3):
            step()
            assert capsys.readouterr().out == said != ""
    assert sys.getprofile() is None and len(step.programs) == (part is not _by_numpy)


def test_print_inside(capsys: pytest.CaptureFixture[str]) -> None:
    def step(x: Any) -> Any:
        print("seen", end=Ending("\n"))
        return x + 1

    f = torch.compile(step, backend="numpy")
    with pytest.warns(UserWarning, match=r"print\(\) must happen .*test_trace_ends\.py"):
        for _ in range(3):
            f(torch.ones(2))
    assert capsys.readouterr().out == "seen\n" * 3


@backends
def test_data_dependent_branches_stay_right(backend: str) -> None:
    def step(x: Any) -> Any:
        while x.sum() < 10:
            x = x * 2
        return x if x[0] > 0 else -x

    f = torch.compile(step, backend=backend)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for k in (1.0, 5.0, 100.0, -50.0):
            x = torch.tensor([k, 40.0])
            assert f(x).tolist() == step(x).tolist()


@backends
def test_arrays_of_numpy_may_change(backend: str) -> None:
    buffer = np.ones(3, np.float32)
    f = torch.compile(lambda x: x + torch.from_numpy(buffer), backend=backend)
    g = torch.compile(lambda x, a: x + torch.tensor(a), backend=backend)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for k in range(4):
            buffer[:] = k
            assert f(torch.zeros(3)).tolist() == [k] * 3
            assert g(torch.zeros(3), buffer).tolist() == [k] * 3


# --- errors


@backends
def test_an_error_inside_leaves_nothing_behind(backend: str) -> None:
    w = torch.ones(2, requires_grad=True)

    def step(x: Any, bad: bool) -> Any:
        w.grad = None
        (w * x).sum().backward()
        if bad:
            raise KeyError("mine")
        return w.grad * 2

    f = torch.compile(step, backend=backend, fullgraph=True)
    x = torch.ones(2)
    with pytest.raises(KeyError, match="mine"):
        f(x, True)
    assert STATE.tracer is None and torch.Tensor in core_tensor.EAGER_TYPES
    assert type(x._array) is type(w._array) is type(w.grad._array) is np.ndarray
    assert f(x, False).tolist() == [2, 2]
    with pytest.raises(KeyError):
        f(x, True)
    assert f(x, False).tolist() == [2, 2]


@backends
def test_bad_shapes_raise_as_in_eager(backend: str) -> None:
    f = torch.compile(lambda a, b: a @ b, backend=backend, fullgraph=True)
    f(torch.ones(2, 3), torch.ones(3, 2))
    for call in (f, lambda a, b: a @ b):
        with pytest.raises(RuntimeError, match="cannot be multiplied"):
            call(torch.ones(2, 3), torch.ones(2, 3))


@backends
@pytest.mark.parametrize(
    "function",
    [
        lambda x, i: F.embedding(i, x), lambda x, i: x[i], lambda x, i: x.index_select(0, i),
        lambda x, i: x.gather(0, i.unsqueeze(1)), lambda x, i: torch.take(x, i + 10),
        lambda x, i: torch.zeros(10, 2).index_add(0, i, torch.ones(3, 2)),
        lambda x, i: torch.zeros(10, 2).scatter_add(0, i.unsqueeze(1), torch.ones(3, 1)),
        lambda x, i: torch.zeros(10, 2).scatter(0, i.unsqueeze(1), 1.0),
        lambda x, i: F.one_hot(i, 10), lambda x, i: F.multi_margin_loss(x.t()[[0, 0, 0]], i),
    ],
)  # fmt: skip
def test_an_index_out_of_range_is_noticed(function: Any, backend: str) -> None:
    f = torch.compile(function, backend=backend, fullgraph=True)
    x, good, bad = torch.ones(10, 2), torch.tensor([1, 2, 9]), torch.tensor([1, 2, 12])
    f(x, good)
    f(x, good)
    with pytest.raises((IndexError, RuntimeError)):
        f(x, bad)
    assert len(f.programs) == 1
    alike(seen(f(x, good)), seen(function(x, good)))


@backends
def test_a_second_derivative_is_refused_as_torch_does(backend: str) -> None:
    f = torch.compile(lambda x: (x**3).sum(), backend=backend)
    x = torch.ones(2, requires_grad=True)
    f(x)
    with pytest.raises(RuntimeError, match="does not currently support double backward"):
        torch.autograd.grad(f(x), [x], create_graph=True)[0].sum().backward()


# --- modules


@backends
def test_modules_stand_for_themselves(backend: str) -> None:
    net = Net()
    fast = torch.compile(net, backend=backend)
    assert list(fast.state_dict()) == [f"_orig_mod.{key}" for key in net.state_dict()]
    x, _ = batch()
    for _ in range(2):
        alike(seen(fast(x)), seen(copy.deepcopy(net)(x)))
        net.eval()
    twin = copy.deepcopy(fast)
    alike(seen(twin(x)), seen(net(x)))
    again = pickle.loads(pickle.dumps(net))
    again.compile(backend=backend)
    alike(seen(again(x)), seen(net(x)))
    alike(seen(again(x)), seen(net(x)))
    assert list(again.state_dict()) == list(net.state_dict())


# --- threads


@backends
def test_other_threads_are_not_traced(backend: str) -> None:
    wrong, rounds = [], []

    def other() -> None:
        x = torch.arange(6.0, requires_grad=True)
        for _ in range(50):
            (g,) = torch.autograd.grad((x * x).sum(), [x])
            rounds.append(g)
            if g.tolist() != [0, 2, 4, 6, 8, 10] or type(g._array) is not np.ndarray:
                wrong.append(g)

    net = Net()
    net.eval()

    def function(x):
        go.set()  # while this thread is in the middle of a trace
        done.wait(20)
        return net(x).sum()

    go, done = threading.Event(), threading.Event()
    thread = threading.Thread(target=lambda: (go.wait(20), other(), done.set()))
    thread.start()
    x = torch.randn(3, 3)
    f = torch.compile(function, backend=backend)
    alike(seen(f(x)), seen(net(x).sum()))
    thread.join()
    assert f.programs
    assert len(rounds) == 50 and not wrong


@backends
def test_threads_share_one_compiled_function(backend: str) -> None:
    w = torch.arange(4.0)
    f = torch.compile(lambda x: (x * w).sin().sum(), backend=backend, fullgraph=True)
    wrong = []

    def work(k: int) -> None:
        for i in range(30):
            x = torch.full((4,), float(k * 30 + i))
            if not np.allclose(float(f(x)), float((x * w).sin().sum()), atol=1e-4):
                wrong.append((k, i))

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.parametrize("way", ["module", "module that asks for a value", "tensor", "node"])
def test_hooks_on_gradients_are_called_in_every_backward_pass(way: str) -> None:
    net = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU(), torch.nn.Linear(3, 1))
    called: list[Any] = []

    def on_output(module: Any, inputs: Any, output: torch.Tensor) -> None:
        if way == "tensor":
            output.register_hook(lambda g: called.append(g.clone()))
        else:
            output.grad_fn.register_hook(lambda ins, outs: called.append(outs[0].clone()))

    if way.startswith("module"):
        keep = (lambda g: g.sum().item()) if "value" in way else (lambda g: g.clone())
        net[0].register_full_backward_hook(lambda module, ins, outs: called.append(keep(outs[0])))
    else:
        net[0].register_forward_hook(on_output)
    compiled = torch.compile(net)
    for place in range(3):
        x = torch.randn(5, 4)
        for call in (compiled, net):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                call(x).sum().backward()
        assert len(called) == 2 * place + 2
        assert torch.allclose(torch.as_tensor(called[-2]), torch.as_tensor(called[-1]))
    assert "hooks on gradients" in compiled.explain().reasons[0]


def test_a_parameter_elsewhere_may_have_no_shape_yet():
    later = torch.nn.LazyLinear(3)
    net = torch.nn.Linear(2, 2)
    x = torch.ones(1, 2)
    step = torch.compile(lambda x: net(x).sum())
    assert [step(x).item() for _ in range(2)] == [net(x).sum().item()] * 2
    assert "1 program" in str(step.explain()) and later(x).shape == (1, 3)


def test_a_mask_that_takes_one_value_is_no_question_of_shape():
    """As attention with valid lengths writes it: `X[~mask] = value`, backward included."""
    weight = torch.nn.Parameter(torch.randn(4, 5))
    value = torch.nn.Parameter(torch.tensor([[2.0]]))

    def step(mask):
        weight.grad = value.grad = None
        x = weight * 2
        x[~mask] = value
        x[mask[:, 0]] = -1.0
        loss = (x**2).sum()
        loss.backward()
        return loss

    compiled = torch.compile(step, fullgraph=True)
    for k in range(3):
        mask = torch.arange(20).reshape(4, 5) % (k + 2) == 0
        wanted = [step(mask), weight.grad, value.grad]
        for a, b in zip([compiled(mask), weight.grad, value.grad], wanted, strict=True):
            assert torch.allclose(a, b)
    assert len(compiled.programs) == 1


def test_dicts_that_find_any_attribute_among_their_keys():
    class Odd(dict):
        def __getattr__(self, name):
            return self[name]

    step = torch.compile(lambda batch: Odd(x=batch["x"] * 2))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(3):
            found = step(Odd(x=torch.ones(3)))
            assert type(found) is Odd and torch.equal(found.x, 2 * torch.ones(3))
