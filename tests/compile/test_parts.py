"""Long modules in parts: the same functions for any number of threads."""

from __future__ import annotations

import ctypes
import re
import threading

import pytest

import rushlight as rl
from rushlight.compile.code import llvm, loader, parts

HEAD = """\
@numbers = private unnamed_addr constant [3 x i64] [i64 5, i64 7, i64 11], align 64
@functions = private constant [2 x ptr] [ptr @f0, ptr @f3]
declare i64 @labs(i64)
"""
SMALL = """\
define internal i64 @add(i64 %x, i64 %y) {
  %z = add i64 %x, %y
  ret i64 %z
}
"""
ONE = """\
define i64 @f{k}(i64 %x) {{
  %at = getelementptr i64, ptr @numbers, i64 {r}
  %n = load i64, ptr %at
  %y = call i64 @add(i64 %x, i64 %n)
  %z = call i64 @labs(i64 %y)
  ret i64 %z
}}
"""
LAST = """\
define i64 @last(i64 %x) {
  %at = getelementptr ptr, ptr @functions, i64 1
  %f = load ptr, ptr %at
  %y = call i64 %f(i64 %x)
  ret i64 %y
}
"""
STEP = """\
define internal void @step(ptr %p, i64 %k) {
  %at = getelementptr i64, ptr %p, i64 %k
  store i64 %k, ptr %at
  ret void
}
"""
OUTER = """\
define void @all(ptr %p, i64 %end) {
entry:
  br label %loop
loop:
  %k = phi i64 [ 0, %entry ], [ %next, %loop ]
  call void @step(ptr %p, i64 %k)
  %next = add i64 %k, 1
  %more = icmp slt i64 %next, %end
  br i1 %more, label %loop, label %done
done:
  ret void
}
"""
IN_ASSEMBLY = """\
define void @{name}(ptr %p, i64 %k) naked {{
entry:
  call void asm sideeffect "2:
addq $${n}, (%{first})
decq %{second}
jnz 2b
retq", ""()
  unreachable
}}
"""
LAST_OF_ALL = """\
define i64 @twice(i64 %x) {
  %y = call i64 @add(i64 %x, i64 %x)
  ret i64 %y
}
"""
BOTH = """\
define void @both(ptr %p, i64 %k) {
entry:
  call void @three(ptr %p, i64 %k)
  call void @five(ptr %p, i64 %k)
  ret void
}
"""


def module(count: int = 9) -> str:
    return HEAD + SMALL + "".join(ONE.format(k=k, r=k % 3) for k in range(count)) + LAST


@pytest.fixture
def short(monkeypatch):
    """Parts are short."""
    monkeypatch.setattr(parts, "WEIGHT", 60)
    monkeypatch.setattr(parts, "LEAST", 40)


@pytest.fixture
def alone(monkeypatch):
    monkeypatch.setenv("RUSHLIGHT_COMPILE_CACHE", "0")
    before = rl.get_num_threads()
    yield
    rl.set_num_threads(before)


def test_a_short_module_and_one_that_is_not_ours_stay_whole(short):
    assert parts.parted(SMALL) == ([SMALL], [])
    for foreign in (module() + "!llvm.ident = !{}\n", module().replace("i64 %x) {", "i64 %x)\n{")):
        assert parts.parted(foreign) == ([foreign], [])


def test_parts_define_each_function_once_and_declare_what_others_define(short):
    found, outer = parts.parted(module())
    assert len(found) > 2 and not outer
    defined = [line.split("(")[0] for text in found for line in text.splitlines()
               if line.startswith("define")]  # fmt: skip
    assert len(defined) == len(set(defined)) == 11
    assert "declare i64 @add(i64, i64)\n" in found[1] and "@numbers = private" in found[1]
    assert "declare i64 @f3(i64)\n" in found[-1] and "@labs" not in SMALL


def test_functions_that_only_call_others_are_a_part_of_their_own(alone):
    loops = OUTER + OUTER.replace("@all", "@quiet").replace("call void @step", "call void @llvm.x")
    (inner,), (outer,) = parts.parted(STEP + loops)
    assert "define void @all" in outer and "declare void @step(ptr, i64)\n" in outer
    assert "define void @step" in inner and "define void @quiet" in inner and "@all" not in inner
    code = llvm.compile(STEP + OUTER)
    counts = (ctypes.c_int64 * 4)()
    ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)(code.address("all"))(
        ctypes.addressof(counts), 4
    )
    assert list(counts) == [0, 1, 2, 3]
    whole = code.assembly()
    assert "all:" in whole and "step:" in whole


def test_functions_in_assembly_are_the_assembly_of_their_part(alone):
    """Local labels are each function's own; `$$` is LLVM's way to write `$`."""
    first, second = ("rcx", "rdx") if "windows" in llvm.target().triple else ("rdi", "rsi")
    texts = "".join(
        IN_ASSEMBLY.format(name=name, n=n, first=first, second=second)
        for name, n in (("three", 3), ("five", 5))
    )
    (inner,), (outer,) = parts.parted(STEP + texts + BOTH)
    assert "define void @both" in outer and "define void @three" not in outer
    assert outer.count("declare void @three(ptr, i64)") == outer.count("module asm") == 1
    assert ".globl three" in outer and "addq $5," in outer and "@step" in inner
    if not loader.suits(llvm.target().triple):
        return
    code = llvm.compile(STEP + texts + BOTH)
    count = ctypes.c_int64(7)
    for name, found in (("three", 13), ("five", 23), ("both", 39)):
        kind = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)
        kind(code.address(name))(ctypes.addressof(count), 2)
        assert count.value == found, name


def test_a_vector_is_declared_with_all_of_its_type():
    head = parts.DEFINED.match(
        "define internal <8 x double> @f(<8 x double> %0, ptr nocapture %p) {"
    )
    assert head and parts.declared(head) == "declare <8 x double> @f(<8 x double>, ptr)\n"
    none = parts.DEFINED.match("define void @g() {")
    assert none and parts.declared(none) == "declare void @g()\n"


@pytest.mark.parametrize("number", [1, 2, 5])
def test_code_in_parts_does_what_it_does_whole(short, alone, number):
    rl.set_num_threads(number)
    code = llvm.compile(module())
    for k in range(9):
        f = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(code.address(f"f{k}"))
        assert [f(x) for x in (-20, 4)] == [abs(x + (5, 7, 11)[k % 3]) for x in (-20, 4)]
    last = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(code.address("last"))
    assert last(-9) == 4


def assembled(parts: list[str]) -> dict[str, str]:
    """The machine code of functions as text, without the numbers of their labels."""
    found: dict[str, str] = {}
    for part in parts:
        text = llvm.assembly(part)
        for name, body in re.findall(r"^(\w+):(.*?)\.Lfunc_end", text, re.M | re.S):
            found[name] = re.sub(r"(\.L[A-Za-z_]+)\d+", r"\1", body)
    return found


def test_threads_change_the_parts_and_not_the_functions(alone, monkeypatch):
    monkeypatch.setattr(parts, "LEAST", 40)
    monkeypatch.setattr(parts, "WEIGHT", 200)
    cuts = [parts.parted(module(17), number)[0] for number in (1, 2, 4)]
    assert [len(cut) for cut in cuts] == [2, 3, 5]
    first, *others = map(assembled, cuts)
    assert len(first) == 19 and all(other == first for other in others)
    assert len(parts.parted(module(17) + STEP + OUTER, 2)[1]) == 1


def test_short_modules_are_cut_for_threads_alone(monkeypatch):
    monkeypatch.setattr(parts, "LEAST", 60)
    assert [len(parts.parted(module(), number)[0]) for number in (1, 2, 3, 9)] == [1, 3, 3, 3]
    assert [len(parts.parted(module(3), number)[0]) for number in (1, 2)] == [1, 1]


@pytest.mark.parametrize("number", [1, 2, 3])
def test_bytes_are_the_same_each_time(short, alone, number):
    rl.set_num_threads(number)
    binary, again = (llvm._emit(module() + STEP + OUTER, llvm.target()) for _ in range(2))
    assert binary == again
    objects = loader.parts(binary)
    assert len(objects) > 2 and loader.joined(objects) == binary


def test_a_module_besides_is_made_plainly(alone):
    ir, plain = SMALL + LAST_OF_ALL, "define i64 @besides(i64 %x) {\n  ret i64 %x\n}\n"
    code = llvm.compile(ir, plain=plain)
    for name, wanted in (("twice", 14), ("besides", 7)):
        assert ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(code.address(name))(7) == wanted
    assert len(loader.parts(llvm._emit(ir, llvm.target(), plain))) == 2
    assert "@besides" in code.ir and "@twice" in code.ir


def test_a_fault_in_a_part_shows_its_line(short, alone):
    rl.set_num_threads(3)
    wrong = module().replace("  %z = add i64 %x, %y", "  %z = addd i64 %x, %y")
    with pytest.raises(RuntimeError, match="addd"):
        llvm.compile(wrong)
    assert llvm.compile(module()).address("last")
    assert not [one for one in threading.enumerate() if one.name.startswith("rushlight")]


def test_an_interrupt_leaves_no_thread_behind():
    begun = threading.Event()

    def slow() -> bytes:
        begun.wait(10)
        return b""

    def interrupted() -> bytes:
        begun.set()
        raise KeyboardInterrupt

    def job() -> bytes:
        main = threading.current_thread() is threading.main_thread()
        return interrupted() if main else slow()

    with pytest.raises(KeyboardInterrupt):
        parts.side_by_side([job] * 6, 2)
    assert not [one for one in threading.enumerate() if one.name.startswith("rushlight")]


def test_where_no_thread_can_be_had_one_does_all(monkeypatch):
    def refused(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refused)
    jobs = [lambda k=k: bytes([k]) for k in range(5)]
    assert parts.side_by_side(jobs, 3) == [bytes([k]) for k in range(5)]


def test_a_state_stays_in_one_piece() -> None:
    state = "@state = internal global i64 0\n"
    assert len(parts.parted(HEAD + STEP + OUTER)[1]) == 1
    assert parts.parted(state + STEP + OUTER) == ([state + STEP + OUTER], [])


@pytest.mark.parametrize(("stored", "calls"), [("i64 8", True), ("ptr %p", True), ("i32 8", False)])
def test_places_stored_for_those_who_are_called_are_no_work(stored, calls):
    step = "call void @step(ptr %p, i64 %k)"
    assert parts._calls_only(OUTER.replace(step, f"store {stored}, ptr %p\n  {step}")) is calls
