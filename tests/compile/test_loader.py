"""Loading objects without LLVM: the same answers as its own linker, and what is left to that."""

from __future__ import annotations

import ctypes
import gc
import sys

import pytest

from rushlight.compile.code import llvm, loader

from .test_llvm import call, run

# Constants, own and outside data, own, outside and taken functions: every kind of reference.
IR = """\
@table = internal constant [4 x i64] [i64 2, i64 3, i64 5, i64 7]
@count = internal global i64 10
@room = internal global [100 x i64] zeroinitializer, align 128
@functions = internal global [2 x ptr] [ptr @twice, ptr @llabs]
@rushlight_test_number = external global i64
declare i64 @llabs(i64)
define internal i64 @twice(i64 %x) {
  %y = shl i64 %x, 1
  ret i64 %y
}
define i64 @all(i64 %k) {
  %p = getelementptr i64, ptr @table, i64 %k
  %a = load i64, ptr %p
  %b0 = load i64, ptr @count
  %b = add i64 %b0, 1
  store i64 %b, ptr @count
  %q = getelementptr i64, ptr @room, i64 %k
  store i64 %b, ptr %q
  %c = load i64, ptr @rushlight_test_number
  %minus = sub i64 0, %c
  %d = call i64 @llabs(i64 %minus)
  %e = call i64 @twice(i64 %d)
  %i = and i64 %k, 1
  %r = getelementptr ptr, ptr @functions, i64 %i
  %f = load ptr, ptr %r
  %g = call i64 %f(i64 %e)
  %s = load i64, ptr %q
  %x = frem double 7.0, 4.0
  %t1 = add i64 %a, %g
  %t2 = add i64 %t1, %s
  ret i64 %t2
}
define ptr @where() {
  ret ptr @room
}
define float @scale(float %x) {
  %y = fmul float %x, 2.5
  ret float %y
}
"""
number = ctypes.c_int64(1000)
llvm.symbol("rushlight_test_number", ctypes.addressof(number))


OWN, WINDOWS = loader.suits(llvm.target().triple), sys.platform == "win32"
MAPS = pytest.mark.skipif(sys.platform != "linux", reason="asks for /proc/self/maps")


@pytest.fixture(  # LLVM's own linker gives up on Windows
    params=[True] * OWN + [False] * (not WINDOWS), ids=lambda own: "own" if own else "LLVM"
)
def linker(request, monkeypatch) -> list[bytes]:
    """Both ways of linking; the objects that our own loader was given."""
    given, load = [], loader.load
    monkeypatch.setattr(loader, "load", lambda *args: given.append(args[0]) or load(*args))
    if not request.param:
        monkeypatch.setattr(loader, "suits", lambda triple: False)
        given.append(b"none: it is not asked")
    return given


def protection(address: int) -> str | None:
    """What may be done with the memory there, as /proc says: r-xp; None if there is none."""
    with open("/proc/self/maps") as lines:
        for line in lines:
            limits, rights = line.split()[:2]
            low, high = (int(part, 16) for part in limits.split("-"))
            if low <= address < high:
                return rights
    return None


def test_every_kind_of_reference(linker):
    code = llvm.compile(IR)
    assert len(linker) == 1
    for n in range(8):
        k = n % 4
        doubled = 2000 if k & 1 else 4000
        assert call(code, "all", k) == [2, 3, 5, 7][k] + doubled + 11 + n
    assert call(code, "where") % 128 == 0
    scale = ctypes.CFUNCTYPE(ctypes.c_float, ctypes.c_float)(code.address("scale"))
    assert scale(3.0) == 7.5
    for name in ("twice", "llabs", "table"):
        with pytest.raises(RuntimeError, match="no function"):
            code.address(name)


def test_a_missing_function_is_named(linker):
    with pytest.raises(RuntimeError, match="needs rushlight_nowhere, which nobody provides"):
        llvm.compile("declare void @rushlight_nowhere()\ndefine void @f() {\n"
                     "  call void @rushlight_nowhere()\n  ret void\n}")  # fmt: skip


@MAPS
def test_code_can_be_run_and_not_written_and_data_the_other_way(linker):
    code = llvm.compile(IR)
    assert protection(code.address("all")) == "r-xp"
    assert protection(call(code, "where")) == "rw-p"


@pytest.mark.skipif(not OWN, reason="the memory is LLVM's")
def test_memory_goes_back_with_the_code():
    blocks = {id(x) for x in llvm._loaded}
    code = llvm.compile(IR)
    (block,) = (x for x in llvm._loaded if id(x) not in blocks and isinstance(x, loader.Block))
    assert block.size > 0
    del code
    gc.collect()
    assert block.size == 0


def test_what_the_loader_does_not_know_is_left_to_llvm():
    ir = IR + "@shared = common global i64 0\ndefine ptr @it() {\n  ret ptr @shared\n}\n"
    if OWN:
        with pytest.raises(loader.Unexpected, match="common"):
            loader.load(llvm._emit(ir, llvm.target()), lambda name: 1)
    if WINDOWS:  # where that one ends the process
        with pytest.raises(RuntimeError, match="cannot be loaded: common symbols"):
            llvm.compile(ir)
        return
    code = llvm.compile(ir)
    assert call(code, "it") and call(code, "all", 0) == 2 + 4000 + 11


@pytest.mark.parametrize("length", [0, 1, 16, 63, 64, 100, 500, 1000])
def test_a_cut_object_is_unexpected(length):
    binary = llvm._emit(IR, llvm.target())
    assert length < len(binary)
    with pytest.raises(loader.Unexpected):
        loader.load(binary[:length], lambda name: 1)


@pytest.mark.skipif(not OWN, reason="LLVM places what is found")
def test_a_process_that_finds_everything_in_the_cache_never_loads_llvm(tmp_path):
    script = f"""if True:
        import sys, ctypes
        from rushlight.compile.code import llvm
        from rushlight.compile.kernels import runtime
        runtime.ctypes.pythonapi
        code = llvm.compile({IR.replace("rushlight_test_number", "malloc")!r})
        scale = ctypes.CFUNCTYPE(ctypes.c_float, ctypes.c_float)(code.address("scale"))
        table = runtime.Table(1)
        runtime.entry(llvm.compile("define void @f(ptr %t) {{\\n  ret void\\n}}"), "f", True)(
            table.address)
        loaded = sys.platform == "linux" and "libllvmlite" in open("/proc/self/maps").read()
        print(scale(2.0), llvm.available(), llvm.target().bits, loaded or "llvmlite" in sys.modules)
    """
    told = [run(script, RUSHLIGHT_HOME=str(tmp_path)) for _ in range(2)]
    assert [text.stderr for text in told] == ["", ""]
    bits = llvm.target().bits
    assert [text.stdout for text in told] == [
        f"5.0 True {bits} True\n", f"5.0 True {bits} False\n",
    ]  # fmt: skip
