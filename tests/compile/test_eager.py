"""Single operations on native kernels in eager mode: as NumPy, for every form they may meet."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import weakref
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rushlight as rl
from rushlight.core import heavy
from rushlight.core.dispatch import apply
from rushlight.core.primitive import REGISTRY

from .single_programs import everything_counts as everything_counts
from .single_programs import plain

pytest.importorskip("llvmlite")
sys.path.insert(0, str(Path(__file__).parent.parent / "ops"))
from sampling import Sample, all_samples

F = rl.nn.functional
HEAVY = (
    "convolution convolution_bias convolution_data convolution_weight pooled_maxima max_pool"
    " max_pool_back max_pool_read sum_pool spread_pool standardise embedding_back gather"
    " spread_along index_select"
).split()
SAMPLES = all_samples()
CASES = [
    pytest.param(name, sample, kind, id=f"{name}-{place}-{kind}")
    for name in HEAVY for place, sample in enumerate(SAMPLES[name])
    for kind in ("float32", "float64")
]  # fmt: skip


def programs() -> list[str]:
    return [key[0] for key, found in heavy.FORMS.items() if callable(found)]


def values(found: Any) -> list[np.ndarray]:
    parts = found if isinstance(found, (tuple, list)) else (found,)
    return [part.detach().numpy() for part in parts if part is not None]


def agree(found: Any, wanted: Any, tolerance: float = 1e-5) -> None:
    for a, b in zip(values(found), values(wanted), strict=True):
        assert a.dtype == b.dtype and a.shape == b.shape
        finite = np.abs(b[np.isfinite(b)])
        size = max(1.0, float(finite.max(initial=0.0)) if finite.size < 1000 else 1.0)
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * size)


def tensors(sample: Sample, kind: str) -> list[Any]:
    return [
        rl.from_numpy(x.astype(kind) if x.dtype.kind == "f" else x.copy())
        if isinstance(x, np.ndarray) else x
        for x in sample.inputs
    ]  # fmt: skip


@pytest.mark.parametrize(("name", "sample", "kind"), CASES)
def test_every_op_is_numpys(name: str, sample: Sample, kind: str) -> None:
    """Value and gradient of every sample, from the program."""
    prim, inputs = REGISTRY[name], tensors(sample, kind)
    if sample.smooth:
        for x in inputs:
            if x is not None and x.dtype.is_floating_point:
                x.requires_grad_()

    def call() -> list[Any]:
        found = apply(prim, tuple(inputs), sample.params)
        ys = list(found) if isinstance(found, tuple) else [found]
        leaves = [x for x in inputs if x is not None and x.requires_grad]
        smooth = [y for y in ys if y.requires_grad]
        if not smooth:
            return ys
        total = sum((y.double() * (1 + rl.arange(y.numel()).view(y.shape))).sum() for y in smooth)
        return ys + list(rl.autograd.grad(total, leaves, allow_unused=True))

    wanted = plain(call)
    call(), call()
    assert name in programs()
    agree(call(), wanted, 2e-5 if kind == "float32" else 1e-11)


SMOOTH = {
    "exp": rl.exp, "log": lambda x: (x * x + 0.1).log(), "sigmoid": rl.sigmoid, "tanh": rl.tanh,
    "gelu": F.gelu, "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"), "silu": F.silu,
    "mish": F.mish, "hardswish": F.hardswish, "erf": rl.erf,
    "relu": lambda x: F.relu(x.repeat(20, 1)).view(20, 70, 30).sum(0),
    "leaky_relu": F.leaky_relu, "elu": F.elu, "softplus": F.softplus, "log_sigmoid": F.logsigmoid,
    "softmax": lambda x: F.softmax(x, 1), "log_softmax": lambda x: F.log_softmax(x, 0),
}  # fmt: skip


@pytest.mark.parametrize("kind", ["float32", "float64"])
@pytest.mark.parametrize("name", SMOOTH)
def test_smooth_functions(name: str, kind: str) -> None:
    """Elementwise functions and softmax, at sizes that nobody reads; extremes and nan too."""
    x = rl.linspace(-9, 9, 2100, dtype=getattr(rl, kind)).reshape(70, 30)
    if name != "hardswish":
        x[3, 4:7] = rl.tensor([float("nan"), 95.0, -95.0])
    x.requires_grad_()

    def call() -> list[Any]:
        y = SMOOTH[name](x)
        (first,) = rl.autograd.grad((y * x.detach()).sum(), x, create_graph=True)
        return [y, *rl.autograd.grad(y.square().sum(), x), first, x.detach().T.exp()]

    wanted = plain(call)
    call(), call()
    assert {name, f"{name}_back"} & set(programs())
    found = call()
    agree(found, wanted, 5e-6 if kind == "float32" else 1e-12)
    assert found[-1].stride() == wanted[-1].stride()


def image(*shape: int, order: str = "plain") -> Any:
    x = rl.from_numpy(np.random.default_rng(0).standard_normal(shape).astype(np.float32))
    if order == "channels_last":
        return x.contiguous(memory_format=rl.channels_last)
    if order == "turned":
        return x.transpose(2, 3).contiguous().transpose(2, 3)
    if order == "sliced":
        return rl.cat([x, x], 1)[:, ::2]
    if order == "expanded":
        return x[:1].expand(*shape)
    return x


@pytest.mark.parametrize("order", "plain channels_last turned sliced expanded".split())
def test_memory_orders(order: str) -> None:
    """Operands that lie in memory in other orders give the same values in the same order."""
    x, net = image(2, 4, 9, 8, order=order), rl.nn.Conv2d(4, 6, 3, stride=2, padding=1)
    norm, weight = rl.nn.BatchNorm2d(6).eval(), image(2, 6, 2, 2, order=order)

    def call() -> list[Any]:
        given = x.detach().requires_grad_()
        y = F.max_pool2d(norm(net(given)), 2)
        grads = rl.autograd.grad((y * weight).sum(), [given, *net.parameters()])
        return [y, *grads, F.avg_pool2d(x, 3, 2, 1), F.layer_norm(x, x.shape[1:])]

    wanted = plain(call)
    for _ in range(3):
        found = call()
        agree(found, wanted, 2e-5)
        assert [y.stride() for y in found] == [y.stride() for y in wanted]
    assert {"convolution_bias", "max_pool", "sum_pool"} <= set(programs())


@pytest.mark.parametrize("lead", [(90,), (3, 30), (2, 3, 15)], ids=str)
def test_products(lead: tuple[int, ...]) -> None:
    """Layers, matrix products and their gradients; wide, thin, batched, transposed."""
    rng = np.random.default_rng(0)
    made = lambda *shape: rl.from_numpy(rng.standard_normal(shape).astype(np.float32))
    x, w, b = made(*lead, 70), made(80, 70), made(80)
    many, thin = made(4, 60, 70), made(70, 3)
    leaves = [one.requires_grad_() for one in (x, w, b, many, thin)]

    def call() -> list[Any]:
        y, z = F.linear(x, w, b), many @ w.T
        scores = many @ many.transpose(1, 2)
        ys = [y, z, scores, x @ thin, x.reshape(-1, 70).T @ y.reshape(-1, 80), F.linear(x, w)]
        return [*ys, *rl.autograd.grad(sum((one / 70).sin().sum() for one in ys), leaves)]

    wanted = plain(call)
    call(), call()
    assert {"linear_bias", "matmul"} <= set(programs())
    agree(call(), wanted, 1e-4)
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        F.linear(x, made(80, 71), b)


def test_nothing_and_wrong_shapes() -> None:
    """Empty batches and operands that do not fit are NumPy's business."""
    w = rl.randn(4, 3, 3, 3)
    for _ in range(4):
        assert F.conv2d(rl.randn(0, 3, 8, 8), w).shape == (0, 4, 6, 6)
        with pytest.raises(RuntimeError, match="Kernel size can't be greater"):
            F.conv2d(rl.randn(1, 3, 2, 2), w)
    assert not programs()


def test_types_that_are_equal_but_not_the_same() -> None:
    """Any array may bring a data type object of its own."""
    own = np.dtype(np.float32, metadata={"whose": "own"})
    assert own == np.float32 and own is not np.dtype(np.float32)
    x, w = image(2, 3, 8, 8), image(4, 3, 3, 3)
    evaluate = REGISTRY["convolution"].eval
    wanted = evaluate(x.numpy(), w.numpy(), (1, 1), (0, 0), (1, 1), 1)
    for kind in (own, np.float32, own):
        y = evaluate(np.array(x.numpy(), kind), w.numpy(), (1, 1), (0, 0), (1, 1), 1)
        np.testing.assert_allclose(y, wanted, rtol=1e-5, atol=1e-5)
    assert programs() == ["convolution"]


def test_rows_of_a_table() -> None:
    """The gradient of an embedding; a row that the table does not have is an error every time."""
    table, places = rl.randn(50, 8, requires_grad=True), rl.arange(300) % 47
    call = lambda: rl.autograd.grad((F.embedding(places, table, 3) ** 2).sum(), table)
    wanted = plain(call)
    call(), call()
    assert "embedding_back" in programs()
    agree(call(), wanted)
    evaluate = REGISTRY["embedding_back"].eval
    g, far = np.ones((300, 8), np.float32), np.full(300, 50)
    for near in (far - 1, far - 1, far - 2):
        with pytest.raises(IndexError):
            evaluate(g, far, 50, -1, False)
        assert evaluate(g, near, 50, -1, False).sum() == g.sum()


@pytest.mark.parametrize("kind", [rl.bfloat16, rl.float16], ids=str)
def test_half_precision_goes_by_the_programs_of_float32(kind: Any) -> None:
    """Rounded once, so that it is what NumPy gives but for a last digit here and there."""
    x, w = image(2, 3, 8, 8).to(kind), image(4, 3, 3, 3).to(kind)
    calls = {
        "convolution": lambda: F.conv2d(x, w), "gelu": lambda: F.gelu(x),
        "softmax": lambda: F.softmax(x, -1), "standardise": lambda: F.layer_norm(x, (8, 8)),
        "gelu_back": lambda: rl.autograd.grad(F.gelu(x.requires_grad_()).sum(), x)[0],
    }  # fmt: skip
    for name, call in calls.items():
        wanted = plain(call)
        for _ in range(3):
            found = call()
        assert name in programs()
        assert found.dtype is kind
        assert (found == wanted).float().mean() > 0.98
        assert rl.allclose(found.float(), wanted.float(), atol=1e-2, rtol=1e-2)


def test_small_arrays_stay(monkeypatch: Any) -> None:
    """What may be printed whole never changes its last digit."""
    monkeypatch.setattr(heavy.SWITCH, "least", heavy.LEAST)
    x, w = image(1, 3, 8, 8), image(4, 3, 3, 3)
    first = F.conv2d(x, w).numpy()
    for _ in range(3):
        assert (F.conv2d(x, w).numpy() == first).all()
    assert not heavy.FORMS


def test_second_order() -> None:
    """Gradients of gradients go through the ops' own rules, and their programs."""
    x, w = image(2, 3, 7, 7).double().requires_grad_(), image(4, 3, 3, 3).double().requires_grad_()

    def call() -> Any:
        y = F.conv2d(x, w, padding=1).tanh()
        g = rl.autograd.grad(y.square().sum(), x, create_graph=True)[0]
        return rl.autograd.grad(g.square().sum(), [x, w])

    wanted = plain(call)
    for _ in range(3):
        agree(call(), wanted, 1e-10)
    direction = rl.ones_like(x)

    def push() -> Any:
        with rl.autograd.forward_ad.dual_level():
            dual = rl.autograd.forward_ad.make_dual(x.detach(), direction)
            return rl.autograd.forward_ad.unpack_dual(F.conv2d(dual, w)).tangent

    agree(push(), plain(push), 1e-10)
    many = rl.stack([x.detach(), 2 * x.detach()])
    batched = lambda: rl.vmap(lambda x: F.conv2d(x, w.detach()))(many)
    agree(batched(), plain(batched), 1e-10)


def test_threads() -> None:
    """Several threads in one program at the same time, and while it is made."""
    net = rl.nn.Sequential(rl.nn.Conv2d(3, 8, 3), rl.nn.BatchNorm2d(8), rl.nn.MaxPool2d(2))
    net.eval()
    images = [image(4, 3, 16, 16) * (k + 1) for k in range(4)]
    wanted = plain(lambda: [net(x) for x in images])
    wrong: list[Any] = []

    def work(place: int) -> None:
        try:
            for _ in range(20):
                agree(net(images[place]), wanted[place], 2e-5)
        except BaseException as error:
            wrong.append(error)

    team = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for one in team:
        one.start()
    for one in team:
        one.join()
    assert not wrong and programs()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_goes_on() -> None:
    net, x = rl.nn.Conv2d(3, 8, 3), image(2, 3, 12, 12)
    wanted = net(x), net(x), net(x)
    child = os.fork()
    if not child:
        good = np.allclose(net(x).detach().numpy(), wanted[-1].detach().numpy())
        good = good and net(rl.cat([x, x])).shape == (4, 8, 10, 10)
        os._exit(0 if good else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_a_trace_makes_none() -> None:
    """The compiler wants the graph; values it meets on the way are right."""
    net, x = rl.nn.Conv2d(3, 4, 3), image(2, 3, 8, 8)
    step = rl.compile(lambda x: net(net(x).new_ones(x.shape) * x), fullgraph=True)
    agree(step(x), plain(lambda: net(x)))
    agree(step(x), plain(lambda: net(x)))
    assert not programs()


def test_the_table_is_bounded(monkeypatch: Any) -> None:
    monkeypatch.setattr(heavy, "LIMIT", 8)
    w, x = rl.randn(2, 1, 3, 3), rl.randn(1, 1, 20, 20)
    for n in range(3, 20):
        F.conv2d(x[..., :n], w)
    assert len(heavy.FORMS) == 8
    agree(F.conv2d(x, w), plain(lambda: F.conv2d(x, w)))


@pytest.mark.parametrize("kept", [False, True])
def test_a_program_holds_none_of_its_arrays(kept: bool) -> None:
    """Neither one just made nor one from the disk."""
    layer = rl.nn.Conv2d(2, 3, 3)
    for _ in range(2 if kept else 1):
        heavy.FORMS.clear()
        x = image(1, 2, 9, 11)
        y = F.gelu(layer(x))
        assert programs()
        held = [weakref.ref(one._array) for one in (x, y)]
        y.sum().backward()
        x = y = None
        assert all(one() is None for one in held)


def test_equal_calls_give_equal_bits() -> None:
    """The first one too: what runs a form is settled when it is first met."""
    heavy.SWITCH.least = heavy.LEAST
    net = rl.nn.Sequential(
        rl.nn.Conv2d(3, 8, 3), rl.nn.BatchNorm2d(8), rl.nn.GELU(), rl.nn.MaxPool2d(2),
        rl.nn.Flatten(), rl.nn.Linear(8 * 15 * 15, 32), rl.nn.Softmax(1),
    )  # fmt: skip
    x = image(8, 3, 32, 32)

    def gradients() -> list[Any]:
        net.zero_grad()
        y = net(x)
        (y * y).sum().backward()
        return [y.detach().numpy(), *[p.grad.numpy().copy() for p in net.parameters()]]

    first = gradients()
    assert programs()
    for _ in range(2):
        for one, again in zip(first, gradients(), strict=True):
            np.testing.assert_array_equal(one, again)


def test_what_cannot_be_made_is_said_once(monkeypatch: Any, caplog: Any) -> None:
    from rushlight.compile.single import eager

    def broken(*_: Any) -> Any:
        raise ZeroDivisionError("no")

    monkeypatch.setattr(eager, "_program", broken)
    monkeypatch.setattr(eager, "_said", set())
    logger = logging.getLogger("rushlight.compile")
    monkeypatch.setattr(logger, "handlers", [])
    x, w = image(2, 3, 8, 8), image(4, 3, 3, 3)
    first = F.conv2d(x, w).numpy()
    for _ in range(5):
        assert (F.conv2d(x, w).numpy() == first).all()
        F.conv2d(x[:1], w)
    assert sum("stays with NumPy" in line for line in caplog.messages) == 1


SCRIPT = """
import sys
import rushlight as rl
x, net = rl.ones(8, 3, 32, 32), rl.nn.Conv2d(3, 8, 3)
assert "rushlight.compile.single.eager" not in sys.modules
net(x), net(x)
from rushlight.core import heavy
print(sum(callable(found) for found in heavy.FORMS.values()), "llvmlite" in sys.modules)
"""


@pytest.mark.parametrize("setting", ["1", "0"])
def test_a_second_process_needs_no_compiler(setting: str, tmp_path: Path) -> None:
    """Nothing loads before a call comes again; what one process made, the next one finds."""
    home = str(Path(rl.__file__).parent.parent)
    env = {**os.environ, "RUSHLIGHT_HOME": str(tmp_path), "RUSHLIGHT_EAGER_KERNELS": setting,
           "PYTHONPATH": home}  # fmt: skip
    lines = [
        subprocess.run([sys.executable, "-c", SCRIPT], env=env, capture_output=True, text=True,
                       check=True).stdout.split()
        for _ in range(2)
    ]  # fmt: skip
    if setting == "0":
        assert lines == [["0", "False"]] * 2
    else:
        assert [line[0] for line in lines] == ["1", "1"]
        assert lines[1][1] == "False" or not sys.platform.startswith("linux")


def test_sizes_that_never_come_again_cost_little() -> None:
    """Batches and sequences of ever new lengths: programs for the first few."""
    table, layer = rl.randn(4, 6), rl.nn.Conv1d(3, 4, 3)
    w = rl.randn(5, 2, 3, 3)
    for n in range(40):
        F.gelu(rl.randn(n + 3, 6) @ table.T)
        F.layer_norm(rl.randn(2, n + 3, 6), (6,))
        layer(rl.randn(2, 3, n + 5))
        F.conv2d(rl.randn(n + 1, 2, 5, 5), w)
    counts = Counter(key[0] for key in heavy.FORMS)
    assert counts and max(counts.values()) <= 2 * heavy.ALIKE
    x = rl.randn(50, 2, 5, 5)
    agree(F.conv2d(x, w), plain(lambda: F.conv2d(x, w)))
