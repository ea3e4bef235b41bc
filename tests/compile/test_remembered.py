"""Whole programs kept on disk: the same results without lowering, and entries not to be trusted."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("llvmlite")

import rushlight as rl
from rushlight.compile import native
from rushlight.compile.code import cache, llvm, loader
from rushlight.compile.disk import remembered
from rushlight.compile.disk.digest import digest, of_code
from rushlight.compile.middle.graph import Graph, Node

pytestmark = pytest.mark.skipif(
    not (llvm.available() and loader.suits(llvm.target().triple)), reason="no images here"
)
F32 = np.dtype("float32")


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path):
    llvm.target()
    monkeypatch.setenv("RUSHLIGHT_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("RUSHLIGHT_COMPILE_CACHE", raising=False)
    return tmp_path / "home"


@pytest.fixture
def built(monkeypatch):
    """How often a graph was lowered and scheduled."""
    made, real = [], native.NativeProgram._built
    monkeypatch.setattr(native.NativeProgram, "_built", lambda x: made.append(x) or real(x))
    return made


def graph(number: float = 2.0, line: str = "a.py:1", shape=(3, 4)) -> Graph:
    x = Node("input", (), (0,), shape, F32)
    c = Node("constant", (), (np.array(number, F32),), (), F32, line)
    y = Node("mul", (x, c), (), shape, F32, line)
    big = Node("constant", (), (np.arange(12, dtype=F32).reshape(shape),), shape, F32)
    return Graph([x], [Node("add", (y, big), (), shape, F32, line + "0")])


def program(*args, **kwargs):
    return native.NativeProgram(graph(*args, **kwargs), [], [])


def entry(home: Path) -> Path:
    """The file of the only whole program."""
    name = remembered.name(graph(), [], [])
    return home / "compiled" / f"{name}.object"


X = np.ones((3, 4), F32)
RIGHT = 2 * X + np.arange(12, dtype=F32).reshape(3, 4)


def test_the_second_time_nothing_is_built(home, built):
    first, second = program(), program(line="b.py:7")
    assert len(built) == 1 and entry(home).exists()
    for one in (first, second):
        np.testing.assert_array_equal(one.run([X])[0], RIGHT)
    assert [str(k) for k in first.native.kernels] == [str(k) for k in second.native.kernels]
    assert {node.line for k in second.native.kernels for node in k.nodes} <= {"b.py:7", "b.py:70"}
    assert second.native.plan.size == first.native.plan.size
    assert first.native.ir == second.native.ir and len(built) == 2  # asked for, it is made
    assert second.fired == first.fired and len(second.core) == len(first.core)


def test_what_decides_the_program_decides_its_name(monkeypatch):
    def name(made: Graph, writes=(), forms=()):
        return remembered.name(made, list(writes), list(forms))

    x = np.ones((3, 4), F32)
    other = graph()
    other.outputs[0].params = (1,)
    names = [
        name(graph()), name(graph(3.0)), name(graph(-0.0)), name(graph(0.0)),
        name(graph(shape=(4, 3))), name(other), name(graph(), [(0, 0)], [x]),
        name(graph(), [], [x]), name(graph(), [], [x.T.copy().T]),
    ]  # fmt: skip
    assert None not in names and len(set(names)) == len(names)
    assert name(graph()) == name(graph(line="elsewhere.py:4"))
    monkeypatch.setenv("RUSHLIGHT_CPU", "sse")
    assert name(graph()) not in names
    monkeypatch.delenv("RUSHLIGHT_CPU")
    monkeypatch.setattr(remembered, "writers", lambda: "another compiler")
    assert name(graph()) not in names
    monkeypatch.setenv("RUSHLIGHT_COMPILE_CACHE", "0")
    assert name(graph()) is None


def test_an_object_that_says_nothing_of_itself_has_no_digest(built):
    odd = graph()
    odd.outputs[0].params = (object(),)
    assert digest(odd, [], []) is None


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "text"])
def test_a_damaged_entry_is_noticed_and_made_again(home, built, damage):
    program()
    path = entry(home)
    whole = bytearray(path.read_bytes())
    for position in (len(whole) // 2, len(whole) - 1, 60):
        broken = whole.copy()
        broken[position] ^= 1
        path.write_bytes(
            {"flip": broken, "cut": whole[:position], "empty": b"", "text": b"not one"}[damage]
        )
        np.testing.assert_array_equal(program().run([X])[0], RIGHT)
        assert path.read_bytes() == whole
    assert len(built) == 4


def test_an_entry_of_another_kind_is_made_again(home, built):
    """Sound as files, but not what was written here: every length of it, and other content."""
    program()
    path = entry(home)
    body = cache.load(path.stem)
    assert body is not None
    image, head, *rest = remembered.parted(body)
    join = remembered.joined
    shorter = [body[:n] for n in (0, 7, 8, 40, len(body) // 2, len(body) - 1)]
    others = [
        join([]), join([image]), join([image, b"{}", *rest]), join([b"", head, *rest]),
        join([image[:30], head, *rest]), join([image, head[:-1], *rest]), join([image, head]),
        join([image, head.replace(b'"length"', b'"lengths"'), *rest]), body + b"more",
    ]  # fmt: skip
    for content in shorter + others:
        cache.store(path.stem, content)
        np.testing.assert_array_equal(program().run([X])[0], RIGHT)
        assert cache.load(path.stem) == body
    assert len(built) == 1 + len(shorter) + len(others)


def test_a_folder_that_cannot_be_written_is_no_obstacle(monkeypatch, tmp_path, built):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("RUSHLIGHT_HOME", str(tmp_path / "file"))
    for _ in range(2):
        np.testing.assert_array_equal(program().run([X])[0], RIGHT)
    assert len(built) == 2


STEP = """if True:
    import pathlib
    import sys
    maps = pathlib.Path("/proc/self/maps")
    import rushlight as torch
    torch.manual_seed(1)
    net = torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.ReLU(), torch.nn.Dropout(0.3),
                              torch.nn.Linear(8, 3))
    opt = torch.optim.Adam(net.parameters(), lr=0.05)
    loss_fn = torch.nn.CrossEntropyLoss()

    def step(x, y):
        opt.zero_grad()
        loss = loss_fn(net(x), y)
        loss.backward()
        opt.step()
        return loss

    x, y = torch.randn(12, 6), torch.randint(3, (12,))
    run = torch.compile(step) if sys.argv[1] == "compiled" else step
    losses = [f"{run(x, y).item():.5f}" for _ in range(6)]
    print(losses, sys.platform == "linux" and "libllvmlite" in maps.read_text()
          or "llvmlite" in sys.modules,
          "rushlight.compile.kernels.schedule" in sys.modules,
          "rushlight.compile.middle.lowering" in sys.modules)
"""


def test_a_second_process_trains_alike_without_the_compiler(home, monkeypatch, capsys):
    """Draws, gradients, optimiser state: from the cache as made, and neither imports LLVM again."""

    def told() -> str:
        return subprocess.run(
            [sys.executable, "-c", STEP, "compiled"], capture_output=True, text=True, check=True,
            env={**os.environ, "RUSHLIGHT_HOME": str(home)},
        ).stdout  # fmt: skip

    monkeypatch.setattr(sys, "argv", ["", "eager"])
    exec(STEP, {})
    cold, warm = told(), told()
    losses = [text.partition("]")[0] for text in (capsys.readouterr().out, cold, warm)]
    assert losses[0] == losses[1] == losses[2]
    assert cold.endswith("True True True\n") and warm.endswith("False False False\n")


def _same(number: int, seen) -> None:
    found = [program(float(k % 3)).run([X])[0][0, 1] for k in range(9)]
    seen.put([float(one) for one in found])


def test_several_processes_make_the_same_programs_at_once(home):
    context = multiprocessing.get_context("spawn")
    seen = context.Queue()
    workers = [context.Process(target=_same, args=(k, seen)) for k in range(2)]
    for worker in workers:
        worker.start()
    found = [seen.get(timeout=120) for _ in workers]
    for worker in workers:
        worker.join()
    assert found == [[1.0 + k % 3 for k in range(9)]] * 2


def test_ops_that_numpy_runs_come_back_too(built):
    """Draws and ops without a native form: the engine and the op are those of this process."""

    def function(x):
        return rl.nn.functional.dropout(x.cumsum(0), 0.5) + rl.fft.fft(x).real

    found = []
    for _ in range(2):
        rl.manual_seed(3)
        x = rl.randn(4, 4)
        step = rl.compile(function)
        found.append([step(x).numpy().copy() for _ in range(3)])
        assert not step.explain().fallbacks
    rl.manual_seed(3)
    x = rl.randn(4, 4)
    eager = [function(x).numpy() for _ in range(3)]
    assert len(built) == 1
    for arrays in found:
        np.testing.assert_allclose(arrays, eager, rtol=1e-5, atol=1e-6)


def test_code_with_slices_among_its_constants_has_a_number():
    """As the interpreter writes it from Python 3.14 on."""

    def code(part: slice):
        inner = (lambda x: x[1:2]).__code__
        inner = inner.replace(co_consts=(*inner.co_consts, part))
        outer = (lambda: None).__code__
        return outer.replace(co_consts=(*outer.co_consts, inner, (1, part)))

    assert of_code(code(slice(1, 2))) == of_code(code(slice(1, 2)))
    assert of_code(code(slice(1, 2))) != of_code(code(slice(1, 3)))


def test_a_public_function_compiles_while_classes_handle_operations():
    """Its code then has among its constants the way to them, which is no data."""

    class Seen(rl.Tensor):
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            inherited: Any = super()
            return inherited.__torch_function__(func, types, args, kwargs or {})

    Seen([1.0]).exp()
    x = rl.randn(1, 2, 3, 4)
    attention = rl.nn.functional.scaled_dot_product_attention
    np.testing.assert_allclose(
        rl.compile(attention)(x, x, x).numpy(), attention(x, x, x).numpy(), rtol=1e-5
    )
    assert of_code(attention.__code__) != of_code(rl.nn.functional.softmax.__code__)
