"""LLVM past llvmlite's Python is the LLVM that llvmlite leads to."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rushlight.compile.code import engine, llvm

binding: Any = pytest.importorskip("llvmlite.binding")

ADD = """define float @add(float %a, float %b) {
  %sum = fadd float %a, %b
  ret float %sum
}
"""
HOME = llvm._home() or Path()


@pytest.fixture(scope="module")
def both():
    llvm.library()
    if not engine.known(HOME):
        pytest.skip("a version of llvmlite, or a system, for which llvmlite itself is the way")
    return engine.Direct(engine._library(HOME)), engine.Through(binding)


def test_what_the_library_takes_is_what_llvmlite_says(both):
    """A function that takes more or other operands would read beyond what it is given."""
    for name, (result, *operands) in engine.FUNCTIONS.items():
        function = getattr(binding.ffi.lib, f"LLVMPY_{name}")
        said = function.argtypes
        if said is None:  # llvmlite calls it without having said
            assert name.startswith("Initialize") or name in (
                "ContextCreate", "DisposeString", "GetVersionInfo"
            )  # fmt: skip
            continue
        assert [_size(kind) for kind in operands] == [_size(kind) for kind in said], name
        if result is not None:
            assert _size(result) == _size(function.restype), name


def _size(kind: Any) -> int:
    return engine.ctypes.sizeof(kind)


def test_both_ways_see_the_same_processor(both):
    direct, through = both
    assert direct.native() == through.native()
    assert direct.llvm_version_info == through.llvm_version_info
    direct.check()


@pytest.mark.parametrize("level", [0, 2])
def test_both_ways_make_the_same_code(both, level):
    direct, through = both
    target = llvm.target()
    one, two = direct.machine(target, level), through.machine(target, level)
    assert one.layout == two.layout
    text = llvm.complete(ADD, target)
    assert direct.object_of(one, text) == through.object_of(two, text)


@pytest.mark.parametrize("wrong", ["fadd float %a, %c", "fadd double %a, %b"])
def test_both_ways_find_the_same_faults(both, wrong):
    text, said = ADD.replace("fadd float %a, %b", wrong), []
    for way in both:
        with pytest.raises(RuntimeError) as caught:
            way.object_of(way.machine(llvm.target(), 2), llvm.complete(text, llvm.target()))
        said.append(str(llvm._explained(str(caught.value), text)))
    assert said[0] == said[1]


def test_both_ways_refuse_a_target_that_is_none(both):
    target = llvm.replace(llvm.target(), triple="nowhere")
    for way in both:
        with pytest.raises(RuntimeError):
            way.machine(target, 2)


def test_who_has_imported_llvmlite_is_led_through_it(both):
    assert engine.direct(HOME) is None
    script = (
        "import sys; from rushlight.compile.code import engine, llvm;"
        "print(type(llvm._engine()).__name__, 'llvmlite' in sys.modules)"
    )
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert told.stdout == "Direct False\n", told.stderr
