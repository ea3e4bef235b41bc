"""Aligned memory, the way in from Python, and threads that survive what programs do to them."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import multiprocessing
import os
import signal as signal  # for the scripts
import sys
import textwrap
import threading
import time
import warnings
import weakref

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rushlight as rl
from rushlight.compile.code import llvm
from rushlight.compile.code.targets import machine_of
from rushlight.compile.kernels import runtime, thread_calls
from rushlight.compile.kernels import thread_pool as pool
from rushlight.core import threads

from .test_llvm import run

# table: [counts int64*, n, chunk, calls int64*]; kernel `mark` adds one to each of its units.
IR = """\
declare void @rushlight_parallel(ptr, ptr, i64, i64)
define void @mark(ptr %table, i64 %begin, i64 %end) {
entry:
  %counts = load ptr, ptr %table
  %slot = getelementptr ptr, ptr %table, i64 3
  %calls = load ptr, ptr %slot
  atomicrmw add ptr %calls, i64 1 seq_cst
  br label %loop
loop:
  %i = phi i64 [%begin, %entry], [%i1, %loop]
  %p = getelementptr i64, ptr %counts, i64 %i
  atomicrmw add ptr %p, i64 1 monotonic
  %i1 = add i64 %i, 1
  %more = icmp slt i64 %i1, %end
  br i1 %more, label %loop, label %done
done:
  ret void
}
define void @nest(ptr %table, i64 %begin, i64 %end) {
  %size = sub i64 %end, %begin
  %slot = getelementptr i64, ptr %table, i64 %begin
  call void @rushlight_parallel(ptr @mark, ptr %table, i64 100, i64 3)
  ret void
}
define void @share(ptr %table) {
  %p1 = getelementptr i64, ptr %table, i64 1
  %p2 = getelementptr i64, ptr %table, i64 2
  %n = load i64, ptr %p1
  %chunk = load i64, ptr %p2
  call void @rushlight_parallel(ptr @mark, ptr %table, i64 %n, i64 %chunk)
  ret void
}
define void @nested(ptr %table) {
  call void @rushlight_parallel(ptr @nest, ptr %table, i64 16, i64 1)
  ret void
}
define void @count(ptr %table) {
  %p = load ptr, ptr %table
  %x = load i64, ptr %p
  %y = add i64 %x, 1
  store i64 %y, ptr %p
  ret void
}
"""


class Job:
    """A table for `IR`, the memory it names, and a function of it."""

    def __init__(self, n: int = 4096, chunk: int = 7, name: str = "share", parallel: int = 0):
        self.counts = np.zeros(max(n, 1), np.int64)
        self.calls = np.zeros(1, np.int64)
        self.table = runtime.Table(4)
        self.table.slots[:] = self.counts.ctypes.data, n, chunk, self.calls.ctypes.data
        self.run = runtime.entry(code(parallel), name, True)

    def __call__(self) -> Job:
        self.run(self.table.address)
        return self


_codes: dict[int, llvm.Code] = {}


def code(parallel: int = 0) -> llvm.Code:
    """`IR`, linked with the process's pool or with the one whose address is given."""
    if parallel not in _codes:
        ir = IR.replace("rushlight_parallel", f"rushlight_parallel_{parallel}")
        if parallel:
            llvm.symbol(f"rushlight_parallel_{parallel}", parallel)
        _codes[parallel] = llvm.compile(ir if parallel else IR)
    return _codes[parallel]


@pytest.fixture(autouse=True)
def number_of_threads():
    before = list(threads._chosen)
    rl.set_num_threads(3)
    yield
    rl.set_num_threads(before[0] if before else threads.allowed())
    threads._chosen[:] = before


_variants: dict[str, pool.Pool] = {}


@pytest.fixture(params=thread_calls.ways(machine_of(llvm.target().triple)))
def parallel(request) -> int:
    """The address of `rushlight_parallel` in a pool of each kind, with three threads."""
    if request.param not in _variants:
        _variants[request.param] = pool.Pool(request.param)
    _variants[request.param].resize(3)
    return _variants[request.param].parallel


def workers() -> int:
    """How many threads of this process are the pool's, by the name they give themselves."""
    names = []
    for task in os.listdir("/proc/self/task"):
        with contextlib.suppress(OSError), open(f"/proc/self/task/{task}/comm") as file:
            names.append(file.read().strip())
    return names.count("rushlight")


def settled(check, seconds: float = 100.0) -> bool:
    """Whether `check` comes true before long."""
    end = time.monotonic() + seconds
    while not check():
        if time.monotonic() > end:
            return False
        time.sleep(0.002)
    return True


# Memory and tables


@pytest.mark.parametrize("nbytes", [0, 1, 63, 64, 65, 100_000])
def test_aligned_memory_begins_on_a_cache_line(nbytes):
    arrays = [runtime.aligned(nbytes) for _ in range(20)]
    assert all(a.size == nbytes for a in arrays)
    assert nbytes == 0 or all(a.ctypes.data % 64 == 0 for a in arrays)
    assert all(a.dtype == np.uint8 and a.flags.c_contiguous and a.flags.writeable for a in arrays)


def test_a_table_is_zero_and_where_it_says():
    table = runtime.Table(5)
    assert table.slots.dtype == np.int64 and not table.slots.any()
    table.slots[3] = 77
    assert ctypes.c_int64.from_address(table.address + 24).value == 77


# The way in


@pytest.mark.parametrize("release", [False, True])
def test_an_entry_runs_the_function_and_keeps_its_code(release):
    made = llvm.compile(IR)
    alive = weakref.ref(made)
    function = runtime.entry(made, "count", release)
    del made
    gc.collect()
    assert alive() is not None
    x, table = np.zeros(1, np.int64), runtime.Table(1)
    table.slots[0] = x.ctypes.data
    assert function(table.address) is None and function(table.address) is None
    assert x[0] == 2
    del function
    gc.collect()
    assert alive() is None


@pytest.mark.parametrize("release", [False, True])
def test_wrong_arguments_are_errors_and_run_nothing(release):
    function = runtime.entry(code(), "count", release)
    for wrong in ("7", 1.5, None):
        with pytest.raises(ctypes.ArgumentError):
            function(wrong)
    with pytest.raises(RuntimeError, match="no function 'absent'"):
        runtime.entry(code(), "absent", release)


def test_calls_leave_reference_counts_as_they_were():
    x, table = np.zeros(1, np.int64), runtime.Table(1)
    table.slots[0] = x.ctypes.data
    for release in (False, True):
        function = runtime.entry(code(), "count", release)
        before = sys.getrefcount(None), sys.getrefcount(table.address), sys.getrefcount(function)
        for _ in range(10_000):
            function(table.address)
        after = sys.getrefcount(None), sys.getrefcount(table.address), sys.getrefcount(function)
        assert abs(after[0] - before[0]) < 100 and after[1:] == before[1:]
    assert x[0] == 20_000


def test_kernels_lead_to_the_pool_once_there_are_threads_to_share_with():
    """In a process of its own, whose first program runs alone."""
    script = """
        import numpy as np, rushlight as rl
        from rushlight.compile.kernels import thread_pool as pool

        rl.set_num_threads(1)
        step = rl.compile(lambda x: (x * 2 + 1).exp())
        x = rl.ones(300_000)
        for _ in range(2):
            alone = step(x)
        assert not pool._made, "one thread needs no pool"
        rl.set_num_threads(2)
        assert len(pool._made) == 1
        rl.set_num_threads(1)
        rl.set_num_threads(3)
        assert len(pool._made) == 1
        assert np.array_equal(step(x).numpy(), alone.numpy())
        print("fine")
    """
    done = run(textwrap.dedent(script))
    assert done.stdout.strip() == "fine", done.stderr


def test_other_python_threads_run_while_a_released_entry_does():
    """Two entries that wait for each other can only finish if both hold no lock."""
    spin = llvm.compile(
        "define void @meet(ptr %t) {\nentry:\n  %p = load ptr, ptr %t\n"
        "  atomicrmw add ptr %p, i64 1 seq_cst\n  br label %wait\nwait:\n"
        "  %n = load atomic i64, ptr %p seq_cst, align 8\n  %both = icmp sge i64 %n, 2\n"
        "  br i1 %both, label %end, label %wait\nend:\n  ret void\n}\n"
    )
    x, table = np.zeros(1, np.int64), runtime.Table(1)
    table.slots[0] = x.ctypes.data
    function = runtime.entry(spin, "meet", True)
    pair = [threading.Thread(target=function, args=(table.address,)) for _ in range(2)]
    for thread in pair:
        thread.start()
    for thread in pair:
        thread.join(60)
    assert x[0] == 2 and not any(thread.is_alive() for thread in pair)


# The pool


@settings(max_examples=150, deadline=None)
@given(
    n=st.integers(-3, 5000), chunk=st.integers(-2, 6000), workers=st.integers(1, 5),
)  # fmt: skip
def test_every_unit_is_done_exactly_once(n, chunk, workers):
    rl.set_num_threads(workers)
    job = Job(n, chunk)()
    if n <= 0:
        assert job.calls[0] == 0
        return
    assert (job.counts == 1).all()
    size = max(chunk, 1)
    assert job.calls[0] == (1 if workers == 1 or n <= chunk else -(-n // size))


def test_many_short_jobs_in_a_row(parallel):
    job = Job(40, 3, parallel=parallel)
    for _ in range(5000):
        job()
    assert (job.counts == 5000).all()


def test_jobs_after_the_workers_fell_asleep(parallel):
    job = Job(1000, 3, parallel=parallel)
    for k in range(20):
        time.sleep(0.003)
        assert (job().counts == k + 1).all()


def test_workers_take_part(parallel):
    """A kernel whose first chunk waits for the second to begin ends only with two threads."""
    ir = """\
declare void @PARALLEL(ptr, ptr, i64, i64)
define void @meet(ptr %table, i64 %begin, i64 %end) {
entry:
  %p = load ptr, ptr %table
  atomicrmw add ptr %p, i64 1 seq_cst
  br label %wait
wait:
  %n = load atomic i64, ptr %p seq_cst, align 8
  %both = icmp sge i64 %n, 3
  br i1 %both, label %end1, label %wait
end1:
  ret void
}
define void @f(ptr %table) {
  call void @PARALLEL(ptr @meet, ptr %table, i64 3, i64 1)
  ret void
}
"""
    llvm.symbol("rushlight_test_parallel", parallel)
    function = runtime.entry(
        llvm.compile(ir.replace("PARALLEL", "rushlight_test_parallel")), "f", True
    )
    x, table = np.zeros(1, np.int64), runtime.Table(1)
    table.slots[0] = x.ctypes.data
    for _ in range(50):
        x[0] = 0
        function(table.address)
        assert x[0] == 3


@pytest.mark.parametrize(("turn", "gives_way"), [(-1, True), (1 << 62, False)])
def test_workers_give_way_between_chunks_when_their_turn_is_over(monkeypatch, turn, gives_way):
    """Counted in the place of the system's call; every unit is done once all the same."""
    given = np.zeros(1, np.int64)
    real, call = pool.turns.text, pool.turns.YIELD
    counted = f"atomicrmw add ptr inttoptr (i64 {given.ctypes.data} to ptr), i64 1 seq_cst"
    assert call in real()
    monkeypatch.setattr(pool.turns, "TURN", turn)
    monkeypatch.setattr(pool.turns, "text", lambda: real().replace(call, counted))
    _kept.append(given)  # workers outlive the test
    made = pool.Pool()
    made.resize(3)
    job = Job(400, 3, parallel=made.parallel)
    for _ in range(200):
        time.sleep(0.0001)
        job()
    made.resize(1)
    assert (job.counts == 200).all()
    assert bool(given[0]) is gives_way


_kept: list[np.ndarray] = []


def test_a_kernel_that_calls_again_works_alone(parallel):
    job = Job(100, 1, "nested", parallel)
    for k in range(1, 200):
        assert (job().counts == 16 * k).all()


def test_several_python_threads_at_once(parallel):
    jobs = [Job(3000, 11, parallel=parallel) for _ in range(4)]

    def work(job: Job) -> None:
        for _ in range(300):
            job()

    team = [threading.Thread(target=work, args=(job,)) for job in jobs]
    for thread in team:
        thread.start()
    for thread in team:
        thread.join()
    assert all((job.counts == 300).all() for job in jobs)


LINUX = sys.platform.startswith("linux")


def in_a_new_process(body: str, **environment: str) -> list[str]:
    """Run `body` after this module's definitions; its printed lines. It must end cleanly."""
    script = f"""if True:
        import sys, importlib.util
        def bring(name, path):
            spec = importlib.util.spec_from_file_location(name, path)
            module = sys.modules[name] = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            return module
        import types
        sys.modules["beside"] = types.ModuleType("beside")
        sys.modules["beside"].__path__ = []
        bring("beside.test_llvm", {__file__.replace("test_runtime", "test_llvm")!r})
        bring("beside.test_runtime", {__file__!r})
        from beside.test_runtime import *
        from beside.test_runtime import _unchanged
    """
    done = run(textwrap.dedent(script) + textwrap.dedent(body), **environment)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout.split()


def test_the_number_of_threads_follows_set_num_threads():
    if not LINUX:
        return
    lines = in_a_new_process("""
        for number in (2, 5, 3, 4, 1, 2):
            rl.set_num_threads(number)
            assert rl.get_num_threads() == threads.number() == number
            assert (Job()().counts == 1).all()
            print(settled(lambda: workers() == number - 1))
    """)
    assert lines == ["True"] * 6


@pytest.mark.parametrize(
    ("environment", "number"),
    [
        ({"RUSHLIGHT_NUM_THREADS": "3", "OMP_NUM_THREADS": "2"}, 3),
        ({"OMP_NUM_THREADS": "2,4"}, 2),
        ({"OMP_NUM_THREADS": "many"}, None),
    ],
)
def test_the_environment_decides_at_first(environment, number):
    clean = {"RUSHLIGHT_NUM_THREADS": "", "OMP_NUM_THREADS": ""}
    lines = in_a_new_process(
        """
        Job()()
        print(threads.number(), not LINUX or settled(lambda: workers() == threads.number() - 1))
        """,
        **clean | environment,
    )
    assert lines == [str(number or threads.allowed()), "True"]


@pytest.mark.parametrize(
    ("files", "number"),
    [
        ({"cpu.max": "max 100000"}, 0),
        ({"cpu.max": "250000 100000"}, 2),
        ({"cpu.max": "50000 100000"}, 1),
        ({"cpu.max": "400000 100000", "a/cpu.max": "300000 100000", "a/b/cpu.max": "max 1"}, 3),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, 0),
        ({"cpu/cpu.cfs_quota_us": "700000", "cpu/cpu.cfs_period_us": "100000"}, 7),
        ({"cpu,cpuacct/job/cpu.cfs_quota_us": "200000",
          "cpu,cpuacct/job/cpu.cfs_period_us": "100000"}, 2),
        ({"cpu.max": "not numbers"}, 0),
        ({}, 0),
    ],
)  # fmt: skip
def test_quotas_of_control_groups(tmp_path, files, number):
    if not LINUX:
        return
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text + "\n")
    own = tmp_path / "own"
    own.write_text("4:memory:/elsewhere\n3:cpu,cpuacct:/job\n0::/a/b\n")
    assert threads._quota(str(tmp_path), str(own)) == number
    assert threads._quota(str(tmp_path), str(tmp_path / "absent")) in (number, 0, 4)


def test_workers_block_signals_so_that_python_gets_them():
    if not LINUX:
        return
    lines = in_a_new_process("""
        rl.set_num_threads(3)
        Job()()
        assert settled(lambda: workers() == 2)
        for task in os.listdir("/proc/self/task"):
            status = open(f"/proc/self/task/{task}/status").read()
            if "rushlight" in status.splitlines()[0]:
                blocked = int(status.split("SigBlk:")[1].split()[0], 16)
                print(*(bool(blocked >> (n - 1) & 1) for n in (
                    signal.SIGINT, signal.SIGTERM, signal.SIGALRM, signal.SIGSEGV)))
        print(signal.pthread_sigmask(signal.SIG_BLOCK, []) == set())
    """)
    assert lines == [*"True True True False".split()] * 2 + ["True"]


# What programs do


def _unchanged(job: Job, k: int) -> bool:
    return bool((job().counts == k).all())


def test_a_forked_child_gets_its_own_workers(parallel):
    if not hasattr(os, "fork"):
        return
    job = Job(parallel=parallel)
    assert _unchanged(job, 1)
    for _ in range(3):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # forking beside threads
            child = os.fork()
        if child == 0:
            good = False
            try:
                good = all(_unchanged(job, k) for k in range(2, 200))
                good &= call_alone() == 1
            finally:
                os._exit(0 if good else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert _unchanged(job, 2)


def call_alone() -> int:
    """Compile and run something new; it must work after a fork too."""
    x, table = np.zeros(1, np.int64), runtime.Table(1)
    table.slots[0] = x.ctypes.data
    runtime.entry(llvm.compile(IR), "count", False)(table.address)
    return int(x[0])


def test_a_fork_while_another_thread_works_leaves_a_sound_child():
    if not LINUX:
        return
    lines = in_a_new_process(
        """
        rl.set_num_threads(3)
        stop = threading.Event()
        def busy():
            job = Job(20000, 100)
            while not stop.is_set():
                job()
        other = threading.Thread(target=busy)
        other.start()
        for k in range(10):
            child = os.fork()
            if child == 0:
                job = Job()
                good = all(_unchanged(job, k) for k in range(1, 20))
                good &= settled(lambda: workers() == 2)
                os._exit(0 if good else 1)
            print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        stop.set()
        other.join()
        """,
        PYTHONWARNINGS="ignore",  # forking beside threads is what this is about
    )
    assert lines == ["0"] * 10


def _in_a_pool_process(n: int) -> bool:
    rl.set_num_threads(2)
    return bool((Job(n)().counts == 1).all())


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_worker_processes_of_either_kind(method):
    if method not in multiprocessing.get_all_start_methods():
        return
    assert _in_a_pool_process(500)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        with multiprocessing.get_context(method).Pool(2) as team:
            assert team.map(_in_a_pool_process, [10, 5000, 70]) == [True] * 3


@pytest.mark.parametrize("moment", ["spinning", "asleep", "working"])
def test_the_interpreter_ends_with_live_workers(moment):
    """The last thing is a daemon thread inside compiled code, with workers helping it."""
    lines = in_a_new_process(f"""
        rl.set_num_threads(3)
        Job()()
        if {moment!r} == "asleep":
            time.sleep(0.05)
        if {moment!r} == "working":
            def busy():
                job = Job(200000, 1000)
                while True:
                    job()
            for _ in range(2):
                threading.Thread(target=busy, daemon=True).start()
            time.sleep(0.05)
        print("end")
    """)
    assert lines == ["end"]


def test_an_interrupt_comes_after_the_job_and_breaks_nothing():
    if not LINUX:
        return
    lines = in_a_new_process("""
        rl.set_num_threads(3)
        job = Job(300000, 1000)
        caught = 0
        signal.signal(signal.SIGALRM, signal.default_int_handler)
        for _ in range(15):
            try:
                signal.setitimer(signal.ITIMER_REAL, 0.01)
                while True:
                    job()
            except KeyboardInterrupt:
                caught += 1
                assert (job.counts == job.counts[0]).all()
        print(caught, job.counts[0] > 0, (Job()().counts == 1).all())
    """)
    assert lines == ["15", "True", "True"]


def test_a_system_that_refuses_threads_is_no_obstacle():
    if not LINUX:
        return
    lines = in_a_new_process("""
        @ctypes.CFUNCTYPE(ctypes.c_int, *[ctypes.c_void_p] * 4)
        def refuse(*_):
            asked.append(1)
            return 11
        asked = []
        llvm.symbol("pthread_create", ctypes.cast(refuse, ctypes.c_void_p).value)
        rl.set_num_threads(4)
        job = Job()
        print(all(_unchanged(job, k) for k in range(1, 10)), len(asked), workers())
    """)
    assert lines == ["True", "1", "0"]


@pytest.mark.parametrize("slow", [0, 1, 9])
@pytest.mark.parametrize("nbytes", [100, (4 << 20) - 1, 4 << 20, (9 << 20) + 4160])
def test_memory_of_programs_is_whole_whatever_its_pages_take(monkeypatch, nbytes, slow):
    """Large pages are asked for until one comes slowly; what lies there is as it was."""
    clock = iter(range(1000))
    monkeypatch.setattr(runtime, "_SLOW", slow)
    monkeypatch.setattr(runtime.time, "thread_time", lambda: next(clock))
    memory = runtime.arena(nbytes)
    assert memory.nbytes == nbytes and memory.dtype == np.uint8
    assert memory.ctypes.data % runtime.ALIGNMENT == 0
    fetched = next(clock) // 2
    if sys.platform == "linux" and nbytes >= 4 << 20 and fetched:
        assert fetched == (1 if slow == 0 else nbytes >> 21)
    memory[:] = 7
    assert (memory == 7).all()
