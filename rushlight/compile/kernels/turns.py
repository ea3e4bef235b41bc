"""When threads of a pool give way to others on their core: between two chunks, before they must.

A thread that shares its core with a foreign process is put aside once its time is up, as a rule in
the middle of a chunk, and the job waits until the foreign one has had its time, some milliseconds.
So a worker that has run for a while lets others run when it holds no chunk: the rest of the job is
taken meanwhile by whoever runs. Where nobody waits for the core that is a system call of less than
a microsecond, and the clock in user space before it.
"""

from __future__ import annotations

import sys
import time

TURN = 1_500_000  # nanoseconds: systems give at least this much at a time, on two cores and more
YIELD = "call i32 @SwitchToThread()" if sys.platform == "win32" else "call i32 @sched_yield()"

# clock(): ticks; step_aside(since): let others run, if `since` is a turn ago
_POSIX = """\
declare i32 @clock_gettime(i32, ptr)
declare i32 @sched_yield()
define internal i64 @clock() {
  %both = alloca [2 x i64]
  call i32 @clock_gettime(i32 CLOCK, ptr %both)
  %seconds = load i64, ptr %both
  %second = getelementptr i64, ptr %both, i64 1
  %rest = load i64, ptr %second
  %whole = mul i64 %seconds, 1000000000
  %all = add i64 %whole, %rest
  ret i64 %all
}
"""
_WINDOWS = """\
declare i32 @QueryPerformanceCounter(ptr)
declare i32 @SwitchToThread()
define internal i64 @clock() {
  %now = alloca i64
  call i32 @QueryPerformanceCounter(ptr %now)
  %all = load i64, ptr %now
  ret i64 %all
}
"""
_ASIDE = """\
define internal void @step_aside(ptr %since) {
  %now = call i64 @clock()
  %begun = load i64, ptr %since
  %ran = sub i64 %now, %begun
  %over = icmp sgt i64 %ran, TURN
  br i1 %over, label %yield, label %end
yield:
  YIELD
  %later = call i64 @clock()
  store i64 %later, ptr %since
  br label %end
end:
  ret void
}
"""


def text() -> str:
    """`clock` and `step_aside` as IR."""
    if sys.platform == "win32":  # a tick of its clock is what the machine makes it
        clock, tick = _WINDOWS, 1e9 * time.get_clock_info("perf_counter").resolution
    else:
        clock, tick = _POSIX.replace("CLOCK", str(time.CLOCK_MONOTONIC)), 1
    return clock + _ASIDE.replace("TURN", str(int(TURN / tick))).replace("YIELD", YIELD)
