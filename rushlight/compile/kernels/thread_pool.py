"""Threads for compiled code: `rushlight_parallel(kernel, table, n, chunk)`, written in IR.

The caller publishes a job, takes chunks of it itself, and returns when all are done. Workers
spin a little between jobs and then sleep, so a job costs less than a microsecond while a
program runs and nothing while it does not. Chunks are taken one by one: whoever is held up by
a neighbour takes fewer, and workers give way to it between chunks (`turns.py`). A second caller,
and a kernel that calls again, work alone. Workers never see Python, block all signals, and are
made anew in a forked child by its first job.

One word holds (job number, next chunk), so a late worker cannot take a chunk of a newer job:
its compare-and-swap fails. The job's fields change only while that word is closed.
"""

from __future__ import annotations

import ctypes
import functools
import os
import re
import sys
import time
from typing import Any

from ...core import threads
from ..code import llvm
from ..code.targets import machine_of
from . import thread_calls, turns
from .runtime import PARALLEL

SPIN_SECONDS = 1e-4
# Offsets into the state; what different threads write lies two cache lines apart.
FIELDS = {
    "job": 0, "sleepers": 128, "next": 256, "done": 384, "kernel": 512, "table": 520, "n": 528,
    "chunk": 536, "count": 544, "busy": 640, "waiting": 768, "wanted": 896, "started": 900,
    "epoch": 904, "spin": 912, "mutex": 1024, "condition": 1152,
}  # fmt: skip
_RELAX = {
    "x86_64": ("declare void @llvm.x86.sse2.pause()", "call void @llvm.x86.sse2.pause()"),
    "aarch64": ("declare void @llvm.aarch64.hint(i32)", "call void @llvm.aarch64.hint(i32 1)"),
}

# The end of `rushlight_parallel`: the caller does all of it in one go.
_IN_ONE_GO = """\
  %some = icmp sgt i64 %n, 0
  br i1 %some, label %run, label %end
run:
  call void %kernel(ptr %table, i64 0, i64 %n)
  br label %end
end:
  ret void
}
"""

# In a loop `spin` of k turns: look once more, or sleep when the limit is reached.
_PATIENCE = """\
patience:
  %k1 = add i64 %k, 1
  %more = icmp ult i64 %k, %limit
  br i1 %more, label %again, label %sleep
again:
  RELAX
  br label %spin
"""
_WORK = """\
@state = internal global [1280 x i8] zeroinitializer, align 128
define internal void @drain(i32 %job, ptr %since) {
entry:
  %worker = icmp ne ptr %since, null
  %kernel = load atomic ptr, ptr $kernel acquire, align 8
  %table = load atomic ptr, ptr $table acquire, align 8
  %n = load atomic i64, ptr $n acquire, align 8
  %chunk = load atomic i64, ptr $chunk acquire, align 8
  %count = load atomic i32, ptr $count acquire, align 4
  %job64 = zext i32 %job to i64
  br label %look
look:
  %word = load atomic i64, ptr $next seq_cst, align 8
  %high = lshr i64 %word, 32
  %same = icmp eq i64 %high, %job64
  %index = trunc i64 %word to i32
  %left = icmp slt i32 %index, %count
  %both = and i1 %same, %left
  br i1 %both, label %take, label %end
take:
  %more = add i64 %word, 1
  %pair = cmpxchg ptr $next, i64 %word, i64 %more seq_cst seq_cst
  %won = extractvalue {i64, i1} %pair, 1
  br i1 %won, label %run, label %look
run:
  %wide = zext i32 %index to i64
  %begin = mul i64 %wide, %chunk
  %far = add i64 %begin, %chunk
  %over = icmp sgt i64 %far, %n
  %stop = select i1 %over, i64 %n, i64 %far
  call void %kernel(ptr %table, i64 %begin, i64 %stop)
  %before = atomicrmw add ptr $done, i32 1 seq_cst
  %now = add i32 %before, 1
  %last = icmp eq i32 %now, %count
  br i1 %last, label %finished, label %between
between:
  br i1 %worker, label %aside, label %look
aside:
  call void @step_aside(ptr %since)
  br label %look
finished:
  %waiting = load atomic i32, ptr $waiting seq_cst, align 4
  %waits = icmp ne i32 %waiting, 0
  br i1 %waits, label %tell, label %end
tell:
  call void @wake(ptr $done, i32 1)
  br label %end
end:
  ret void
}
define internal ptr @worker(ptr %birth) {
entry:
  call void @introduce()
  %since = alloca i64
  %now = call i64 @clock()
  store i64 %now, ptr %since
  %born = ptrtoint ptr %birth to i64
  %first = trunc i64 %born to i32
  %shifted = lshr i64 %born, 32
  %mine = trunc i64 %shifted to i32
  br label %outer
outer:
  %seen = phi i32 [%first, %entry], [%job, %work]
  %limit = load i64, ptr $spin
  br label %spin
spin:
  %k = phi i64 [0, %outer], [%k1, %again], [%limit, %sleep]
  %job = load atomic i32, ptr $job seq_cst, align 4
  %new = icmp ne i32 %job, %seen
  br i1 %new, label %check, label %patience
PATIENCE
sleep:
  atomicrmw add ptr $sleepers, i32 1 seq_cst
  call void @rest(ptr $job, i32 %seen)
  atomicrmw sub ptr $sleepers, i32 1 seq_cst
  br label %spin
check:
  %epoch = load atomic i32, ptr $epoch seq_cst, align 4
  %stay = icmp eq i32 %epoch, %mine
  br i1 %stay, label %work, label %leave
work:
  call void @drain(i32 %job, ptr %since)
  call void @step_aside(ptr %since)
  br label %outer
leave:
  ret ptr null
}
"""

_STAFF = """\
define internal void @dismiss(i32 %helpers) {
  %started = load i32, ptr $started
  %many = icmp sgt i32 %started, %helpers
  br i1 %many, label %all, label %stay
all:
  %epoch0 = load i32, ptr $epoch
  %epoch1 = add i32 %epoch0, 1
  store atomic i32 %epoch1, ptr $epoch seq_cst, align 4
  atomicrmw add ptr $job, i32 1 seq_cst
  call void @wake(ptr $job, i32 2147483647)
  store i32 0, ptr $started
  ret void
stay:
  ret void
}
define internal void @hire(i32 %helpers) {
entry:
  %old = alloca [128 x i8], align 16
  call void @dismiss(i32 %helpers)
  %from = load i32, ptr $started
  call void @deafen(ptr %old)
  %epoch = load i32, ptr $epoch
  %job = load atomic i32, ptr $job seq_cst, align 4
  %low = zext i32 %job to i64
  %wide = zext i32 %epoch to i64
  %high = shl i64 %wide, 32
  %both = or i64 %low, %high
  %birth = inttoptr i64 %both to ptr
  br label %next
next:
  %have = phi i32 [%from, %entry], [%have1, %made]
  %fewer = icmp slt i32 %have, %helpers
  br i1 %fewer, label %make, label %end
make:
  %good = call i1 @start(ptr %birth)
  br i1 %good, label %made, label %refused
made:
  %have1 = add i32 %have, 1
  br label %next
refused:
  %all = add i32 %have, 1
  store atomic i32 %all, ptr $wanted seq_cst, align 4
  br label %end
end:
  store i32 %have, ptr $started
  call void @listen(ptr %old)
  ret void
}
define void @rushlight_forked() {
  store i32 0, ptr $sleepers
  store i32 0, ptr $busy
  store i32 0, ptr $waiting
  store i32 0, ptr $started
  call void @prepare()
  ret void
}
define void @rushlight_threads(i32 %number, i64 %spin) {
  store i64 %spin, ptr $spin
  store atomic i32 %number, ptr $wanted seq_cst, align 4
  %pair = cmpxchg ptr $busy, i32 0, i32 1 seq_cst seq_cst
  %mine = extractvalue {i32, i1} %pair, 1
  br i1 %mine, label %now, label %later
now:
  %helpers = sub i32 %number, 1
  call void @dismiss(i32 %helpers)
  store atomic i32 0, ptr $busy seq_cst, align 4
  ret void
later:
  ret void
}
define void @rushlight_relax(i64 %times) {
entry:
  br label %loop
loop:
  %k = phi i64 [0, %entry], [%k1, %loop]
  RELAX
  %k1 = add i64 %k, 1
  %more = icmp ult i64 %k1, %times
  br i1 %more, label %loop, label %end
end:
  ret void
}
"""

_PARALLEL = """\
define internal void @publish(ptr %kernel, ptr %table, i64 %n, i64 %chunk, i32 %count) {
entry:
  %job0 = load atomic i32, ptr $job seq_cst, align 4
  %job = add i32 %job0, 1
  %wide = zext i32 %job to i64
  %open = shl i64 %wide, 32
  %closed = or i64 %open, 2147483647
  store atomic i64 %closed, ptr $next seq_cst, align 8
  store atomic ptr %kernel, ptr $kernel release, align 8
  store atomic ptr %table, ptr $table release, align 8
  store atomic i64 %n, ptr $n release, align 8
  store atomic i64 %chunk, ptr $chunk release, align 8
  store atomic i32 %count, ptr $count release, align 4
  store atomic i32 0, ptr $done seq_cst, align 4
  store atomic i64 %open, ptr $next seq_cst, align 8
  store atomic i32 %job, ptr $job seq_cst, align 4
  %sleepers = load atomic i32, ptr $sleepers seq_cst, align 4
  %asleep = icmp ne i32 %sleepers, 0
  br i1 %asleep, label %call, label %work
call:
  %others = sub i32 %count, 1
  call void @wake(ptr $job, i32 %others)
  br label %work
work:
  call void @drain(i32 %job, ptr null)
  %limit = load i64, ptr $spin
  br label %spin
spin:
  %k = phi i64 [0, %work], [%k1, %again], [%k, %sleep]
  %done = load atomic i32, ptr $done seq_cst, align 4
  %all = icmp eq i32 %done, %count
  br i1 %all, label %end, label %patience
PATIENCE
sleep:
  store atomic i32 1, ptr $waiting seq_cst, align 4
  call void @rest_unless(ptr $done, i32 %count)
  store atomic i32 0, ptr $waiting seq_cst, align 4
  br label %spin
end:
  ret void
}
define internal void @rest_unless(ptr %word, i32 %value) {
  %now = load atomic i32, ptr %word seq_cst, align 4
  %there = icmp eq i32 %now, %value
  br i1 %there, label %end, label %wait
wait:
  call void @rest(ptr %word, i32 %now)
  br label %end
end:
  ret void
}
define void @rushlight_parallel(ptr %kernel, ptr %table, i64 %n, i64 %chunk) {
entry:
  %wanted = load atomic i32, ptr $wanted seq_cst, align 4
  %several = icmp sgt i32 %wanted, 1
  %parts = icmp sgt i64 %n, %chunk
  %worth = and i1 %several, %parts
  br i1 %worth, label %lock, label %alone
lock:
  %pair = cmpxchg ptr $busy, i32 0, i32 1 seq_cst seq_cst
  %mine = extractvalue {i32, i1} %pair, 1
  br i1 %mine, label %check, label %alone
check:
  %helpers = sub i32 %wanted, 1
  %started = load i32, ptr $started
  %ready = icmp eq i32 %started, %helpers
  br i1 %ready, label %share, label %hire
hire:
  call void @hire(i32 %helpers)
  br label %share
share:
  %least = ashr i64 %n, 24
  %fine = icmp sgt i64 %chunk, %least
  %size0 = select i1 %fine, i64 %chunk, i64 %least
  %whole = icmp sgt i64 %size0, 1
  %size = select i1 %whole, i64 %size0, i64 1
  %up0 = add i64 %n, %size
  %up = sub i64 %up0, 1
  %count64 = udiv i64 %up, %size
  %count = trunc i64 %count64 to i32
  call void @publish(ptr %kernel, ptr %table, i64 %n, i64 %size, i32 %count)
  store atomic i32 0, ptr $busy seq_cst, align 4
  ret void
alone:
"""

# functions in which no time passes, or which are there to let it pass: LLVM need not try hard
_SELDOM = re.compile(
    r"^(define [^@\n]*@(?:rest|wake|prepare|introduce|deafen|listen|start|dismiss|hire|worker"
    r"|clock|step_aside|rushlight_forked|rushlight_threads|rushlight_relax)\(.*\)) {$",
    re.M,
)


def source(triple: str, way: str = "") -> str:
    """The pool as IR; it sleeps and wakes in one of `thread_calls.ways`."""
    machine = machine_of(triple)
    declared, relax = _RELAX.get(machine, ("", "call i32 @sched_yield()"))
    way = way or thread_calls.ways(machine)[0]
    text = turns.text() + thread_calls.text(way, machine) + _WORK + _STAFF + _PARALLEL + _IN_ONE_GO
    text = text.replace("PATIENCE\n", _PATIENCE).replace("RELAX", relax)
    for name, offset in sorted(FIELDS.items(), key=lambda item: -len(item[0])):
        text = text.replace(f"${name}", f"getelementptr (i8, ptr @state, i64 {offset})")
    text = _SELDOM.sub(r"\1 noinline optnone {", text)
    return f"{declared}\n{text}"


_made: list[Pool] = []  # none is ever freed: workers and the fork handler run in its code


class Pool:
    """The threads of this process; `parallel` is the address of `rushlight_parallel`."""

    def __init__(self, way: str = "") -> None:
        triple = llvm.target().triple
        self.code = code = llvm.compile(source(triple, way))
        self.parallel = code.address(PARALLEL)
        self._set = ctypes.CFUNCTYPE(None, ctypes.c_int32, ctypes.c_int64)(
            code.address("rushlight_threads")
        )
        self._patience = _patience(code.address("rushlight_relax"))
        if sys.platform != "win32":  # where nothing forks
            _after_fork(code.address("rushlight_forked"))
        _made.append(self)

    def resize(self, number: int) -> None:
        """Share jobs among `number` threads, the caller one of them, from the next job on."""
        crowded = number > threads.allowed()  # spinning would keep the others from working
        self._set(number, 16 if crowded else self._patience)


def _patience(relax: int) -> int:
    """How many pauses `SPIN_SECONDS` are: 10 to 150 cycles each, as processors differ."""
    pause = ctypes.CFUNCTYPE(None, ctypes.c_int64)(relax)
    times = []
    for _ in range(3):
        start = time.perf_counter()
        pause(500)
        times.append(time.perf_counter() - start)
    return int(500 * SPIN_SECONDS / max(min(times), 1e-7))


def _after_fork(address: int) -> None:
    """Run the C function at `address` in every forked child, however it was forked."""
    kind = ctypes.CFUNCTYPE(None)
    process = ctypes.CDLL(None)
    register = getattr(process, "pthread_atfork", None) or getattr(
        process, "__register_atfork", None
    )
    if register is None:
        os.register_at_fork(after_in_child=kind(address))
        return
    nothing = ctypes.c_void_p(None)
    kind(address)()
    register(nothing, nothing, ctypes.c_void_p(address), nothing)


@functools.cache
def pool() -> Any:
    """The pool of this process, made on first use and never freed: its workers run in it."""
    made = Pool()
    threads.follow(made.resize)
    return made
