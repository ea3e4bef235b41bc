"""Text IR to machine code: targets, faults in the text, symbols, lifetime."""

from __future__ import annotations

import ctypes
import gc
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from rushlight.compile.code import llvm, switches
from rushlight.compile.code.targets import SETS, machine_of, runs

# y[i] = 2 x[i] + 1 over one register of lanes, as an emitter for that target would write it
AFFINE = """\
define void @affine(ptr %p) {{
  %x = load <{lanes} x float>, ptr %p, align 4
  %y = fmul <{lanes} x float> %x, splat (float 2.0)
  %z = fadd <{lanes} x float> %y, splat (float 1.0)
  store <{lanes} x float> %z, ptr %p, align 4
  ret void
}}
"""


def call(code: llvm.Code, name: str, *arguments: int) -> int:
    kind = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_int64] * len(arguments))
    return kind(code.address(name))(*arguments)


def run(script: str, **environment: str) -> subprocess.CompletedProcess[str]:
    import os

    return subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=200,
        env={**os.environ, **environment},
    )  # fmt: skip


def test_importing_the_package_or_the_door_loads_no_llvmlite():
    script = "import sys, rushlight, rushlight.compile.code.llvm; print('llvmlite' in sys.modules)"
    assert run(script).stdout.strip() == "False"


def test_a_missing_llvmlite_is_a_sentence_with_the_way_out():
    script = """if True:
        import sys
        sys.modules["llvmlite"] = sys.modules["llvmlite.binding"] = None
        from rushlight.compile.code import llvm
        print(llvm.available(), llvm.why_not())
        try:
            llvm.compile("")
        except RuntimeError as error:
            print(error)
    """
    first, second = run(script).stdout.splitlines()
    assert first == f"False {llvm.MISSING}" and second == llvm.MISSING
    assert "pip install 'rushlight[compile]'" in second


@pytest.mark.parametrize("name", ["native", *SETS])
def test_every_forced_set_runs_and_uses_its_own_registers(monkeypatch, name):
    monkeypatch.setenv("RUSHLIGHT_CPU", name)
    try:
        target = llvm.target()
    except RuntimeError as error:  # this machine has less: it must say so, and what it has
        assert f"asks for {name}" in str(error)
        assert llvm._native().name in error.__notes__[0]
        return
    assert target.lanes("float32") * 32 == target.bits == 2 * 32 * target.lanes("float64")
    code = llvm.compile(AFFINE.format(lanes=target.lanes("float32")))
    x = np.arange(target.lanes("float32"), dtype=np.float32)
    call(code, "affine", x.ctypes.data)
    assert np.array_equal(x, 2 * np.arange(x.size) + 1)
    assert registers_of(code.assembly(), target) == target.bits


def registers_of(assembly: str, target: llvm.Target) -> int:
    """How wide the widest vector registers are that the code names."""
    arm = machine_of(target.triple) == "aarch64"
    names = {".4s": 128} if arm else {"xmm": 128, "ymm": 256, "zmm": 512}
    return max(bits for name, bits in names.items() if name in assembly)


def test_sse_code_has_no_fused_multiply_add_and_others_have():
    ir = AFFINE.format(lanes=4).replace("fmul", "fmul contract").replace("fadd", "fadd contract")
    texts = {name: llvm.assembly(ir, llvm.named(name)) for name in SETS}
    fused = {name: "vfmadd" in text or "fmla" in text for name, text in texts.items()}
    assert fused == {"avx512": True, "avx512bf16": True, "avx2": True, "sse": False, "neon": True}
    assert all(llvm.named(name).fma == fused[name] for name in fused)


@pytest.mark.parametrize(
    ("triple", "features", "told"),
    [
        ("x86_64-unknown-linux-gnu", "+avx,+avx2,+fma,-avx512f", "avx2"),
        (  # rounding factors to bfloat16 is never chosen for anyone
            "x86_64-unknown-linux-gnu",
            ",".join(sorted(SETS["avx512bf16"][1])),
            "avx512",
        ),
        ("x86_64-apple-darwin", "+sse2", "sse"),
        ("aarch64-unknown-linux-gnu", "+fp-armv8,+neon,-sve", "neon"),
        ("arm64-apple-darwin24.0", "+neon", "neon"),
        ("aarch64_be-unknown-linux-gnu", "+neon", None),
        ("riscv64-unknown-linux-gnu", "+v", None),
    ],
)
def test_the_set_of_a_processor(triple, features, told):
    assert next((name for name in SETS if runs(name, triple, features)), None) == told


@pytest.mark.skipif(sys.platform != "linux", reason="asks for /proc/cpuinfo")
def test_a_processor_is_not_taken_for_the_one_that_is_emulated(monkeypatch):
    here = llvm._own_name()
    system = os.uname()
    monkeypatch.setattr(os, "uname", lambda: os.uname_result((*system[:4], "another")))
    assert llvm._own_name() != here


def test_an_unknown_set_names_the_known_ones(monkeypatch):
    monkeypatch.setenv("RUSHLIGHT_CPU", "mmx")
    with pytest.raises(RuntimeError, match="RUSHLIGHT_CPU is 'mmx'") as caught:
        llvm.target()
    assert "avx2" in caught.value.__notes__[0]


@pytest.mark.parametrize(
    ("ir", "told"),
    [
        ("define i64 @f() {\n  %a = add i64 1, 2.0\n  ret i64 %a\n}", r"line 2: %a = add i64 1, 2"),
        ("define void @f() {\n  %a = sbb i64 1, 2\n  ret void\n}", r"line 2: %a = sbb"),
        (
            "define i64 @f(i64 %x) {\nb:\n  br label %c\nc:\n  %y = add i64 %z, 1\n  br label %d\n"
            "d:\n  %z = add i64 %y, 2\n  ret i64 %z\n}",
            r"does not dominate all uses! \(line 8: %z = add i64 %y, 2\)",
        ),
        ("define void @f() {\n  call void @g()\n  ret void\n}", r"@g"),
        (
            "declare void @nobody_has_this()\ndefine void @f() {\n"
            "  call void @nobody_has_this()\n  ret void\n}",
            "needs nobody_has_this",
        ),
        ("@nor_this = external global i8\ndefine ptr @f() {\n  ret ptr @nor_this\n}", "nor_this"),
    ],
)
def test_faults_in_the_text_are_told_with_the_line(ir, told):
    with pytest.raises(RuntimeError, match=told):
        llvm.compile(ir)


def test_an_unknown_function_name_is_an_error_and_internal_ones_are_unknown():
    code = llvm.compile(
        "define internal i64 @hidden() {\n  ret i64 1\n}\n"
        "define i64 @shown() {\n  %x = call i64 @hidden()\n  ret i64 %x\n}\n"
    )
    assert call(code, "shown") == 1
    for name in ("hidden", "absent"):
        with pytest.raises(RuntimeError, match=f"no function '{name}'"):
            code.address(name)


def test_code_calls_the_c_library_and_given_symbols():
    seen = []
    callback = ctypes.CFUNCTYPE(None, ctypes.c_int64)(seen.append)
    llvm.symbol("rushlight_test_seen", lambda: ctypes.cast(callback, ctypes.c_void_p).value)
    code = llvm.compile(
        "declare void @rushlight_test_seen(i64)\ndeclare i64 @labs(i64)\n"
        "define i64 @f(i64 %x) {\n  %y = call i64 @labs(i64 %x)\n"
        "  call void @rushlight_test_seen(i64 %y)\n  ret i64 %y\n}\n"
    )
    assert call(code, "f", -7) == 7 and seen == [7]


def test_operations_without_an_instruction_find_their_library_function():
    """Selection turns frem, and big memory moves, into calls that the text does not declare."""
    code = llvm.compile(
        "declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)\n"
        "define i64 @f(ptr %p) {\n  %x = load double, ptr %p\n  %y = frem double %x, 3.0\n"
        "  %z = fptosi double %y to i64\n"
        "  call void @llvm.memset.p0.i64(ptr %p, i8 1, i64 4096, i1 false)\n  ret i64 %z\n}\n"
    )
    x = np.full(512, 17.0)
    assert call(code, "f", x.ctypes.data) == 2
    assert set(x.view(np.uint8)) == {1}


def test_equal_text_compiled_twice_shares_no_state():
    ir = (
        "@count = internal global i64 0\ndefine i64 @f() {\n  %x = load i64, ptr @count\n"
        "  %y = add i64 %x, 1\n  store i64 %y, ptr @count\n  ret i64 %y\n}\n"
    )
    one, two = llvm.compile(ir), llvm.compile(ir)
    assert [call(one, "f"), call(one, "f"), call(two, "f")] == [1, 2, 1]


def test_code_is_freed_with_its_last_reference(monkeypatch):
    monkeypatch.setenv("RUSHLIGHT_COMPILE_CACHE", "0")
    gc.collect()
    before = len(llvm._loaded)
    codes = [llvm.compile("define i64 @f() {\n  ret i64 3\n}") for _ in range(5)]
    assert len(llvm._loaded) >= before + 5
    del codes
    gc.collect()
    assert len(llvm._loaded) <= before + 1  # the linker itself may be new


def test_threads_compile_at_once(monkeypatch):
    monkeypatch.setenv("RUSHLIGHT_COMPILE_CACHE", "0")
    answers: dict[int, int] = {}

    def work(k: int) -> None:
        for j in range(5):
            code = llvm.compile(f"define i64 @f() {{\n  ret i64 {100 * k + j}\n}}")
            answers[100 * k + j] = call(code, "f")

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 20 and all(key == value for key, value in answers.items())


def test_spills_can_be_counted():
    """A function that keeps 40 vectors alive must spill on any x86; one that keeps 4 must not."""
    if not llvm.target().triple.startswith("x86_64"):
        return
    counts = {}
    for n in (4, 40):
        lanes = llvm.target().lanes("float32")
        kind = f"<{lanes} x float>"
        loads = "".join(
            f"  %p{k} = getelementptr {kind}, ptr %p, i64 {k}\n  %x{k} = load volatile {kind},"
            f" ptr %p{k}, align 4\n" for k in range(n)
        )  # fmt: skip
        stores = "".join(
            f"  store volatile {kind} %x{k}, ptr %p{k}, align 4\n" for k in reversed(range(n))
        )
        text = llvm.assembly(f"define void @f(ptr %p) {{\n{loads}{stores}  ret void\n}}")
        counts[n] = text.count("(%rsp)")
    assert counts[4] == 0 and counts[40] >= 16


class Noting:
    """Stands for llvmlite: notes what is switched, also by a file."""

    llvm_version_info: tuple[int, ...] = (20, 1, 0)

    def __init__(self) -> None:
        self.told: list[str] = []

    def set_option(self, name: str, option: str) -> None:
        text = Path(option[1:]).read_text() if option.startswith("@") else option
        self.told += text.splitlines()


@pytest.mark.parametrize("by_file", [True, False])
def test_switches_are_turned_and_turned_back(by_file, monkeypatch):
    """One by one where no file can be made of them; not at all in a version that is not known."""
    if not by_file:
        monkeypatch.delattr(os, "memfd_create", raising=False)
    noting = Noting()
    with switches.without_idle_passes(noting):
        turned = noting.told
        noting.told = []
    assert "-disable-lsr=true" in turned and len(set(turned)) == len(turned) > 10
    assert noting.told == [switch.replace("=true", "=false") for switch in turned]
    noting.told, noting.llvm_version_info = [], (99, 0, 0)
    with switches.without_idle_passes(noting):
        assert not noting.told
