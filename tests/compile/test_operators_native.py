"""Operators in native code: what each gives and records is what the operator in Python does."""

from __future__ import annotations

import copy
import functools
import gc
import inspect
import itertools
import pickle
import sys
import threading
import weakref
from collections.abc import Iterator
from multiprocessing.reduction import ForkingPickler
from typing import Any

import numpy as np
import pytest

import rushlight as torch
from rushlight.core import swift
from rushlight.core.gates import STANDS
from rushlight.core.primitive import Primitive
from rushlight.core.state import DUE
from rushlight.core.tape import LEAF, ORDER
from rushlight.core.tensor import Tensor
from rushlight.overrides import TorchFunctionMode
from rushlight.testing import assert_close

pytest.importorskip("llvmlite")
NAMES = (
    "__add__ __sub__ __mul__ __truediv__ __radd__ __rmul__ __matmul__ __pow__ __lt__ __le__ __gt__"
    " __ge__"
).split()


@pytest.fixture(autouse=True)
def swift_operators() -> Iterator[None]:
    due = DUE[0]
    if not swift.hasten():
        pytest.skip("no native operators in this interpreter")
    yield
    swift.relent()
    DUE[0] = due


OWN: dict[str, Any] = {}


def both_of(name: str) -> tuple[Any, Any]:
    """An operator in Python and in native code, also where something was put around it before."""
    found = STANDS.get(name) or OWN.get(name)
    if found is None:
        OWN[name] = found = swift.stand_in(name, vars(Tensor)[name])
    return found.python, found.made


def operands() -> list[Any]:
    torch.manual_seed(0)
    x = torch.randn(2, 3)
    wide, parameter = torch.randn(2, 3).double(), torch.nn.Parameter(torch.randn(2, 3))
    special = torch.tensor([[0.0, -0.0, float("inf")], [float("nan"), 1e-42, -3e38]])
    recorded = torch.randn(2, 3, requires_grad=True).exp()
    return [
        x, wide, parameter, special, recorded, special.double(), torch.randn(3),
        torch.randn(1), torch.tensor(0.5), torch.tensor(-1.5, dtype=torch.float64),
        torch.randn(2, 1), torch.randn(3, 2).T, torch.randn(4, 6)[::2, ::2], torch.randn(3, 4),
        torch.zeros(0, 3), torch.zeros(2, 0), torch.randn(70, 2, 3), torch.randn(40, 60),
        torch.randn(3, requires_grad=True), torch.arange(6).reshape(2, 3), x > 0,
        torch.randn(2, 3).half(), torch.randn(2, 3, dtype=torch.complex64), torch.tensor(3),
        0, 1, -2, 0.0, -0.0, 2.5, float("nan"), float("inf"), 1e300, 1e-300, 2**24, 2**24 + 1,
        -(2**24), -1, 2**70, True, 1j, None, "a", [1.0], np.ones((2, 3), np.float32),
        np.float32(2.0), np.float64(2.0), np.int64(2),
    ]  # fmt: skip


def test_an_operator_is_copied_pickled_and_asked_for_its_signature() -> None:
    native: Any = Tensor.__add__
    assert not hasattr(native, "primitive")
    sent = ForkingPickler.dumps(native)
    for again in (copy.copy(native), pickle.loads(pickle.dumps(native)), pickle.loads(sent)):
        assert again is native
    both = pickle.loads(pickle.dumps((str.join, functools.partial(native, torch.ones(1)))))
    assert both[0] is str.join and both[1](2).item() == 3
    assert str(inspect.signature(native)) == "(self, other, /)"
    assert native.__doc__ == STANDS["__add__"].python.__doc__
    assert native(1, torch.ones(1)).item() == 2  # of no tensor, as the operator in Python


def outcome(call: Any, *args: Any) -> tuple[Any, Any]:
    try:
        return call(*args), None
    except Exception as error:
        return None, error


def same_bits(x: Any, y: Any) -> bool:
    if type(x) is list and type(y) is list:
        assert_same_entries(x, y)
        return True
    if isinstance(x, np.ndarray):
        return (
            type(y) is np.ndarray and x.dtype is y.dtype and x.shape == y.shape
            and x.strides == y.strides and x.tobytes() == y.tobytes()
        )  # fmt: skip
    return x is y or (type(x) is type(y) and repr(x) == repr(y))


def assert_same_entries(one: Any, two: Any) -> None:
    if type(one) is not list:
        assert one is two
        return
    assert len(one) == len(two) == 8
    for place, (left, right) in enumerate(zip(one, two)):
        if place == ORDER:
            assert type(right) is int
        elif isinstance(left, tuple):
            assert type(right) is tuple and len(left) == len(right)
            assert all(map(same_bits, left, right)), place
        else:
            assert same_bits(left, right), place


def assert_same(python: Any, native: Any, *args: Any) -> None:
    """Run one call both ways."""
    with np.errstate(all="ignore"):
        (one, error), (two, other) = outcome(python, *args), outcome(native, *args)
    assert type(error) is type(other) and str(error) == str(other)
    assert type(one) is type(two)
    if isinstance(one, Tensor):
        assert same_bits(one._array, two._array)
        assert_same_entries(one._entry, two._entry)
        assert one._base is two._base
    elif error is None:
        assert same_bits(one, two)


@pytest.mark.parametrize("name", NAMES)
def test_every_pair_of_operands_gives_and_records_the_same(name: str) -> None:
    python, native = both_of(name)
    assert not hasattr(native, "__code__")
    for x, y in itertools.product(operands(), repeat=2):
        assert_same(python, native, x, y)


@pytest.mark.parametrize("name", NAMES)
def test_modes_are_asked_of_the_thread(name: str) -> None:
    python, native = both_of(name)
    w, x = torch.ones(2, 2, requires_grad=True), torch.ones(2, 2)
    with torch.no_grad():
        assert native(w, x)._entry is None
        assert_same(python, native, w, x)
        found: list[Any] = []
        other = threading.Thread(target=lambda: found.append(native(w, x)._entry))
        other.start()
        other.join()
        expected = python(w, x).dtype.is_floating_point
        assert (type(found[0]) is list) == expected  # that thread records
        with torch.enable_grad():
            assert_same(python, native, w, x)
    with torch.inference_mode():
        assert native(x, x).is_inference()


def test_they_are_in_place() -> None:
    for name in NAMES:
        found = vars(Tensor)[name]
        surrounded = hasattr(found, "surrounded")  # autocast was used in this process
        assert surrounded or found is STANDS[name].made
    assert not hasattr(vars(Tensor)["__add__"], "surrounded")


def test_modes_and_subclasses_see_every_operator() -> None:
    seen: list[str] = []

    class Mode(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None):
            seen.append(func.__name__)
            return func(*args, **(kwargs or {}))

    class Kind(torch.Tensor):
        pass

    x = torch.ones(2)
    with Mode():
        assert (x + x * 2).tolist() == [3.0, 3.0]
    assert seen[:2] == ["mul", "add"]
    assert type(x.as_subclass(Kind) + x) is Kind and type(x + x.as_subclass(Kind)) is Kind
    with pytest.warns(UserWarning, match="Anomaly"), torch.autograd.detect_anomaly():
        y = x.requires_grad_() * 2
    assert y._entry[7].line is not None  # anomaly mode keeps the line


def test_nothing_is_leaked_or_lost() -> None:
    things = operands()
    pairs = [(x, y) for x, y in itertools.product(things, repeat=2) if isinstance(x, Tensor)]

    def run() -> None:  # some versions of NumPy lose a reference where a matmul's shapes misfit
        for name in [one for one in NAMES if one != "__matmul__"]:
            _, native = both_of(name)
            for x, y in pairs:
                with np.errstate(all="ignore"):
                    outcome(native, x, y)

    run()
    gc.collect()
    watched = [*things, LEAF, np.dtype(np.float32), np.dtype(np.float64), np.add, 3.7, np.asarray]
    arrays = [x._array for x in things if isinstance(x, Tensor)]
    before = [sys.getrefcount(x) for x in (*watched, *arrays)]
    nones = sys.getrefcount(None)
    for _ in range(3):
        run()
    gc.collect()
    after = [sys.getrefcount(x) for x in (*watched, *arrays)]
    assert max(abs(x - y) for x, y in zip(before, after)) < 20
    assert abs(sys.getrefcount(None) - nones) < 500


@pytest.mark.parametrize("step", [lambda y, b: y * b, lambda y, b: y - b, lambda y, b: b * y])
@pytest.mark.parametrize("shape", [(), (3,), (1,), (2, 3), (2, 1), (0, 3), (70, 40)])
def test_gradients_are_the_same_bits(step: Any, shape: tuple[int, ...]) -> None:
    def gradients() -> list[np.ndarray]:
        torch.manual_seed(1)
        x = torch.randn(2, 3, requires_grad=True) if shape != (70, 40) else torch.randn(
            70, 40, requires_grad=True)  # fmt: skip
        w = torch.randn(shape, requires_grad=True)
        numbers = [w, 2.5, w, 3, w.detach(), w * 2] if shape != (0, 3) else [2.5, -1]
        y: Any = x
        for one in numbers:
            y = step(y, one)
        (y * y).sum().backward()
        return [one.detach().numpy() for one in (x.grad, w.grad, y) if one is not None]

    native = gradients()
    assert len(native) == 2 + (shape != (0, 3))
    swift.relent()
    assert all(map(same_bits, gradients(), native))
    swift.hasten()


def test_second_derivatives_and_errors_are_as_before() -> None:
    x = torch.randn(3, requires_grad=True)
    (g,) = torch.autograd.grad((x * x * 2.0 - x).sum(), x, create_graph=True)
    (h,) = torch.autograd.grad(g.sum(), x)
    assert_close(h, torch.full((3,), 4.0))
    y = x * 2
    z = y * y
    y.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        z.sum().backward()
    with pytest.raises(RuntimeError, match="must match the size of tensor b"):
        _ = x + torch.ones(4)


def test_an_interrupt_is_not_swallowed() -> None:
    def interrupted(x: Any, y: Any) -> Any:
        raise KeyboardInterrupt

    native = swift._NATIVE.found
    prim = Primitive("interrupted", eval=interrupted, rule=None, listed=False)
    operator = native.operator("interrupted", lambda x, y: 7, prim, interrupted)
    with pytest.raises(KeyboardInterrupt):
        operator(torch.ones(2), torch.ones(2))
    assert operator(torch.ones(2), "other") == 7


def test_a_long_tape_brings_them() -> None:
    swift.relent()
    python = vars(Tensor)["__add__"]
    x = torch.ones(2, requires_grad=True)
    DUE[0] = sys.maxsize
    (x + x).sum().backward()
    assert vars(Tensor)["__add__"] is python
    DUE[0] = 0
    (x + x).sum().backward()
    assert vars(Tensor)["__add__"] is not python
    assert (x + x).tolist() == [2.0, 2.0] and DUE[0] == sys.maxsize


def test_the_setting_of_native_kernels_governs_them() -> None:
    assert not hasattr(vars(Tensor)["__add__"], "__code__")
    torch.eager_kernels(False)
    try:
        assert hasattr(vars(Tensor)["__add__"], "__code__")
        assert (torch.ones(2) + 1).tolist() == [2.0] * 2 and not swift.hasten()
    finally:
        torch.eager_kernels(True)
    assert not hasattr(vars(Tensor)["__add__"], "__code__")


def test_a_compiled_step_stays_what_it_is() -> None:
    swift.relent()
    w = torch.ones(3, requires_grad=True)

    @torch.compile
    def step(x: Any) -> Any:
        loss = ((w * x - 1) ** 2).sum()
        loss.backward()
        return loss

    for _ in range(3):
        step(torch.ones(3))
    programs = len(step.programs) if hasattr(step, "programs") else None
    swift.hasten()
    w.grad = None
    expected = 3 * 4.0
    assert step(torch.full((3,), 3.0)).item() == expected
    assert w.grad is not None and w.grad.tolist() == [12.0] * 3
    assert programs is None or len(step.programs) == programs


def random_loss(seed: int) -> tuple[list[Tensor], Tensor]:
    """A loss of some leaves, through operators and other ops, with leaves and values used again."""
    random = np.random.default_rng(seed)
    torch.manual_seed(seed)
    kind = [torch.float32, torch.float64][seed % 2]
    shapes = [(2, 3), (3,), (1,), (2, 1), (), (2, 3), (2, 3)]
    leaves = [torch.randn(shape, dtype=kind, requires_grad=True) for shape in shapes]
    values: list[Any] = [leaves[0] * 1, *leaves, 2.0, -1, 0.5, torch.randn(2, 3, dtype=kind)]
    for _ in range(int(random.integers(3, 25))):
        x, y = (values[k] for k in random.integers(0, len(values), 2))
        x = x if isinstance(x, Tensor) else values[0]
        made = [
            lambda x=x, y=y: x + y, lambda x=x, y=y: x - y, lambda x=x, y=y: x * y,
            lambda x=x: x.tanh(), lambda x=x: x / 2, lambda x=x: -x, lambda x=x: x.sum(),
            lambda x=x: x.exp().clamp(max=3.0), lambda x=x: 2 * x, lambda x=x: x.reshape(-1)[:1],
            lambda x=x, y=y: x / (y * y + 1),
            lambda x=x: torch.stack(x.unbind(-1)).sum(0).unsqueeze(-1) if x.dim() else x,
        ][int(random.integers(12))]()  # fmt: skip
        values.append(made)
    parts = [one.mean() for one in values if isinstance(one, Tensor) and one.requires_grad]
    return leaves, sum(parts[-4:], parts[0] * 0)


def grads_of(leaves: list[Tensor]) -> list[Any]:
    return [None if x.grad is None else x.grad.numpy().copy() for x in leaves]


@pytest.mark.parametrize("seed", range(60))
def test_a_walk_gives_what_python_gives(seed: int) -> None:
    def run() -> list[Any]:
        leaves, loss = random_loss(seed)
        hooked: list[Any] = []
        if seed % 5 == 0:
            leaves[0].register_hook(lambda g: hooked.append(g.clone()))
        loss.backward(retain_graph=True)
        found = grads_of(leaves)
        loss.backward()  # adds to what is there
        with pytest.raises(RuntimeError, match="backward through the graph a second time"):
            loss.backward()
        return found + grads_of(leaves) + [g.numpy() for g in hooked]

    native = run()
    swift.relent()
    expected = run()
    swift.hasten()
    assert len(native) == len(expected) and all(map(same_bits, expected, native))
    assert sum(g is not None for g in native) > 1


@pytest.mark.parametrize("kind", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("wants", [(True, False), (False, True), (True, True)])
def test_mean_squared_errors_give_the_same(kind: Any, wants: tuple[bool, bool]) -> None:
    mse = torch.nn.functional.mse_loss

    def run(shape: Any, other: Any) -> list[Any]:
        torch.manual_seed(0)
        x = torch.randn(shape, dtype=kind, requires_grad=wants[0])
        t = torch.randn(other, dtype=kind, requires_grad=wants[1])
        (mse(x, t) * 3.7).backward()
        return [one.grad.float().numpy() for one in (x, t) if one.grad is not None]

    for shape, other in [((10, 1),) * 2, ((),) * 2, ((7,),) * 2, ((50, 60),) * 2]:
        native = run(shape, other)
        swift.relent()
        expected = run(shape, other)
        swift.hasten()
        assert len(native) == sum(wants) and all(map(same_bits, expected, native))


@pytest.mark.parametrize("options", [{}, {"maximize": True}, {"momentum": 0.5}])
def test_descents_give_the_same(options: dict[str, Any]) -> None:
    def run() -> list[Any]:
        torch.manual_seed(0)
        weights = [
            torch.randn(shape, dtype=kind) for kind in (torch.float32, torch.float64)
            for shape in [(), (3,), (4, 5), (0, 2), (50, 60)]
        ]  # fmt: skip
        weights.append(torch.randn(6, 4).T)
        parameters = [torch.nn.Parameter(one) for one in weights]
        optimizer = torch.optim.SGD(parameters, lr=0.1, **options)
        for rate in (0.1, 1e300, 1e-3):
            optimizer.param_groups[0]["lr"] = rate
            for one in parameters:
                one.grad = torch.full_like(one, 1e-3) * torch.randn(one.shape).to(one.dtype)
            optimizer.step()
        return [one.detach().numpy() for one in parameters]

    with np.errstate(all="ignore"):
        native = run()
        swift.relent()
        expected = run()
        swift.hasten()
    assert all(map(same_bits, expected, native))


@pytest.mark.parametrize("alpha", [2, -0.3, 1e-3, 0.0, 2**25, 1e300, True, float("nan")])
@pytest.mark.parametrize("kind", [torch.float32, torch.float64, torch.int64, torch.float16])
def test_scaled_sums_in_place_give_the_same(alpha: Any, kind: Any) -> None:
    def run() -> list[Any]:
        torch.manual_seed(0)
        found: list[Any] = []
        for shape, other in [((2, 3), (2, 3)), ((2, 3), (3,)), ((), ()), ((50, 60), (50, 60))]:
            for call in ("add_", "sub_"):
                x, y = (torch.randn(one).mul(5).to(kind) for one in (shape, other))
                before = x._version, x.data_ptr()
                try:
                    assert getattr(x, call)(y, alpha=alpha) is x
                except RuntimeError as error:
                    found.append(str(error))
                    continue
                assert (x._version - 1, x.data_ptr()) == before
                w = torch.ones(shape, requires_grad=True)
                z = (w * 2).to(kind if kind.is_floating_point else torch.float32)
                z = z.add_(y.to(z.dtype), alpha=1.5)
                found += [x.numpy(), z.detach().numpy(), z.grad_fn.name()]
        return found

    with np.errstate(all="ignore"):
        native = run()
        swift.relent()
        expected = run()
        swift.hasten()
    assert len(native) == len(expected) and all(map(same_bits, expected, native))


@pytest.mark.parametrize("backend", ["numpy", "llvm"])
@pytest.mark.parametrize("constant", ["prediction", "target", "neither"])
def test_rules_leave_what_a_trace_follows_to_python(constant: str, backend: str) -> None:
    torch.manual_seed(0)
    w, fixed = torch.randn(3, 1, requires_grad=True), torch.randn(4, 1, requires_grad=True)
    mse = torch.nn.functional.mse_loss

    def step(x: Any, y: Any) -> Any:
        a, b = x @ w, y
        if constant == "prediction":
            a = fixed
        elif constant == "target":
            b = fixed
        loss = mse(a, b + 0 * w.sum()) + (a * b - a).sum()
        return torch.autograd.grad(loss, (w, fixed), allow_unused=True)

    call = torch.compile(step, backend=backend, fullgraph=True)
    for _ in range(3):
        x, y = torch.randn(4, 3), torch.randn(4, 1)
        for found, wanted in zip(call(x, y), step(x, y), strict=True):
            assert (found is None) == (wanted is None)
            assert found is None or torch.allclose(found, wanted, atol=1e-5)
    assert call.programs


def test_a_walk_frees_what_it_is_done_with() -> None:
    x = torch.randn(30, 30, requires_grad=True)
    y = x * 2.0
    kept = weakref.ref((z := y * y)._entry[2][0])
    loss = (z * 3 - z).sum()
    del y, z
    assert kept() is not None
    loss.backward()
    assert kept() is None and x.grad is not None and x.grad._array.base is None


def test_errors_of_rules_come_through() -> None:
    class Fails(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 2

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            raise ValueError("no way back")

    x = torch.ones(3, requires_grad=True)
    for _ in range(3):
        with pytest.raises(ValueError, match="no way back"):
            (Fails.apply(x * 3) * 2).sum().backward()
    assert x.grad is None
    (x * 2).sum().backward()
    assert x.grad is not None and x.grad.tolist() == [2.0] * 3


def test_a_long_chain_does_not_overflow() -> None:
    x = torch.ones(2, requires_grad=True)
    y = x
    for _ in range(100_000):
        y = y + x
    y.sum().backward()
    assert x.grad is not None and x.grad.tolist() == [100_001.0] * 2
