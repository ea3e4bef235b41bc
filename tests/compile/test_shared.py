"""Functions that programs share: found by their text, in this process and from the disk."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("llvmlite")

import rushlight as rl
from rushlight.compile.code import llvm, loader, shared
from rushlight.core import heavy

F = rl.nn.functional
MODULE = """\
@data0 = private unnamed_addr constant [2 x i64] [i64 {held}, i64 5], align 64
define internal i64 @inner(i64 %x) {{
entry:
  %at = getelementptr i64, ptr @data0, i64 {place}
  %held = load i64, ptr %at, align 8
  %sum = add i64 %x, %held
  ret i64 %sum
}}
define i64 @{name}(i64 %x) {{
entry:
  %y = call i64 @inner(i64 %x)
  %z = mul i64 %y, {factor}
  ret i64 %z
}}
"""


@pytest.fixture
def alone(monkeypatch: Any, tmp_path: Path) -> None:
    """Nothing was made yet, in no process before this one either."""
    llvm.target()
    monkeypatch.setenv("RUSHLIGHT_HOME", str(tmp_path / "home"))
    for name in ("_homes", "_needs", "_addresses"):
        monkeypatch.setattr(shared, name, {})


@pytest.fixture
def made(monkeypatch: Any) -> list[str]:
    """What is given to LLVM."""
    texts, real = [], llvm.fresh
    monkeypatch.setattr(llvm, "fresh", lambda ir, target: texts.append(ir) or real(ir, target))
    return texts


def make(batch: str, name: str = "f", **numbers: int) -> Any:
    text = MODULE.format(**{"name": name, "held": 3, "place": 0, "factor": 2, **numbers})
    return shared.make(text, [name], batch, llvm.target())


def call(name: str, x: int) -> int:
    return ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(shared.address(name))(x)


def test_equal_functions_are_made_once(alone: None, made: list[str]) -> None:
    """Whatever they are called; other numbers, constants and callees make another."""
    (first,), batches, _ = make("a")
    assert batches == ["a"] and call(first, 4) == 14
    (again,), batches, image = make("b", name="other")
    assert again == first and batches == ["a"] and image is None and len(made) == 1
    (tripled,), batches, _ = make("c", factor=3)
    assert batches == ["a", "c"] and call(tripled, 4) == 21
    assert made[1].count("define") == 1 and made[1].count("declare") == 1
    (held,), batches, _ = make("d", held=30, factor=3)
    assert call(held, 4) == 102 and batches == ["d"]
    (placed,), batches, _ = make("e", place=1)
    assert call(placed, 4) == 18 and len({first, tripled, held, placed}) == 4


@pytest.mark.skipif(not loader.suits(llvm.target().triple), reason="no images here")
def test_batches_load_in_their_order(alone: None, monkeypatch: Any) -> None:
    """From images alone; a batch that is lacking is said to be."""
    images = {"a": (make("a")[2], ["a"])}
    (name,), batches, image = make("c", factor=3)
    images["c"] = image, batches
    for field in ("_homes", "_needs", "_addresses"):
        monkeypatch.setattr(shared, field, {})
    assert not shared.load(["a", "b"], llvm.target(), images.get)
    assert not shared.address(name)
    assert shared.load(batches, llvm.target(), images.get)
    assert call(name, 4) == 21


def test_what_is_no_function_is_refused(alone: None) -> None:
    with pytest.raises(ValueError, match="no line of a program"):
        shared.make("@state = internal global i64 0\n", [], "a", llvm.target())


def grown(n: int) -> np.ndarray:
    rl.manual_seed(0)
    return F.linear(rl.randn(n, 64), rl.randn(96, 64), rl.randn(96)).numpy()


def test_other_numbers_of_rows_share_tiles(alone: None, made: list[str]) -> None:
    """And give, row by row, the same bits as ever."""
    heavy.forget()
    grown(26 * 16)
    grown(26 * 32)
    assert len(made) == 2 and made[1].count("\n") < made[0].count("\n") / 2
    rl.eager_kernels(False)
    try:
        wanted = grown(26 * 32)
    finally:
        rl.eager_kernels(True)
    np.testing.assert_allclose(grown(26 * 32), wanted, rtol=1e-4, atol=1e-4)


def test_numpy_is_not_asked_where_there_is_a_program() -> None:
    """Not even in the first call; where the result may lie otherwise, once."""
    asked: list[Any] = []
    run = heavy.heavy("tanh", lambda x: asked.append(x.shape) or np.tanh(x), light=True)
    heavy.forget()
    x = np.random.default_rng(0).standard_normal((300, 301)).astype(np.float32)
    first = run(x)
    assert not asked and (run(x) == first).all()
    np.testing.assert_allclose(first, np.tanh(x), rtol=1e-5)
    turned = run(x.T)
    assert asked == [(301, 300)] and turned.strides == x.T.strides
    heavy.forget()


SCRIPT = """
import sys
import rushlight as rl
from rushlight.compile.code import cache, llvm
rl.manual_seed(0)
lines, real = [0], llvm.fresh
def fresh(ir, target):
    lines[0] += ir.count("\\n")
    return real(ir, target)
llvm.fresh = fresh
for n in map(int, sys.argv[1:]):
    print(rl.nn.functional.linear(rl.randn(n, 64), rl.randn(96, 64)).double().sum().item())
print(lines[0])
"""


@pytest.mark.skipif(not loader.suits(llvm.target().triple), reason="no images here")
def test_processes_share_functions(tmp_path: Path) -> None:
    """What one made serves others, other sizes too; what is gone is made again."""
    env = {**os.environ, "RUSHLIGHT_HOME": str(tmp_path),
           "PYTHONPATH": str(Path(rl.__file__).parent.parent)}  # fmt: skip

    def run(*sizes: int) -> list[str]:
        line = [sys.executable, "-c", SCRIPT, *map(str, sizes)]
        return subprocess.run(line, env=env, capture_output=True, text=True,
                              check=True).stdout.split()  # fmt: skip

    first, second = run(416), run(832)
    assert int(second[1]) < int(first[1]) / 2
    assert run(416) == [first[0], "0"] and run(832) == [second[0], "0"]
    whole = [path for path in tmp_path.glob("compiled/*.object") if b"shared_" in path.read_bytes()]
    assert len(whole) == 2
    min(whole, key=lambda path: path.stat().st_mtime_ns).unlink()  # the tiles of both
    again = run(832)
    assert again[0] == second[0] and int(again[1]) > 0
