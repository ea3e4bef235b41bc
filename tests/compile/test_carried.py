"""Programs as bytes: what one process compiled, another one's cache takes in."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import rushlight as torch

pytest.importorskip("llvmlite")
SCRIPT = """
import sys, rushlight as torch

def step(x):
    return (torch.tanh(x) * 3).sum()

if sys.argv[1] == "load":
    info = torch.compiler.load_cache_artifacts(open(sys.argv[2], "rb").read())
    assert not info.empty()
compiled = torch.compile(step)
assert abs(compiled(torch.ones(300)).item() - 900 * 0.7615942) < 0.1
if sys.argv[1] == "save":
    data, info = torch.compiler.save_cache_artifacts()
    open(sys.argv[2], "wb").write(data)
    assert info.artifacts["rushlight"]
else:
    loaded = [name for name in sys.modules if name.startswith("rushlight.compile.middle.lowering")]
    print("built" if loaded else "found")
"""


def run(tmp_path: Path, home: str, mode: str) -> str:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, str(script), mode, str(tmp_path / "programs")],
        env={**os.environ, "RUSHLIGHT_HOME": str(tmp_path / home), "RUSHLIGHT_COMPILE_CACHE": "1"},
        capture_output=True, text=True, timeout=120, cwd=Path(torch.__file__).parents[1],
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_another_cache_finds_them(tmp_path: Path) -> None:
    run(tmp_path, "first", "save")
    assert run(tmp_path, "second", "compile") == "built"
    assert run(tmp_path, "third", "load") == "found"


def test_damaged_bytes_are_left_alone(tmp_path: Path) -> None:
    run(tmp_path, "first", "save")
    data = bytearray((tmp_path / "programs").read_bytes())
    data[len(data) // 2] ^= 1
    for wrong in (bytes(data), bytes(data[:-5]), b""):
        with pytest.warns(UserWarning, match="not what save_cache_artifacts"):
            assert torch.compiler.load_cache_artifacts(wrong) is None


def test_the_default_backend_is_taken() -> None:
    seen = []

    def backend(graph, inputs):
        seen.append(len(inputs))
        return graph.forward

    torch.compiler.set_default_backend(backend)
    try:
        assert torch.compiler.get_default_backend() is backend
        assert torch.compile(lambda x: x + 1)(torch.ones(2)).tolist() == [2, 2]
    finally:
        torch.compiler.set_default_backend(None)
    assert seen and torch.compiler.get_default_backend() == "inductor"
    with pytest.raises(TypeError, match="must be a string or callable"):
        torch.compiler.set_default_backend(3)
