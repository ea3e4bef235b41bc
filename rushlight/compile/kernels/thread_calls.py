"""What the pool's threads ask of the operating system, as functions in IR.

`rest(word, value)` sleeps while the word has that value, and may return early; `wake(word, count)`
wakes so many that rest at the word, or more; `prepare()` makes what both need. `start(birth)` is a
thread that calls `worker(birth)`, and false where the system gives none; threads that are started
between `deafen(old)` and `listen(old)` get no signals. `introduce()` lets tools that list threads
show whose this one is.
"""

from __future__ import annotations

import signal
import sys

_FUTEX_CALL = {"x86_64": 202, "aarch64": 98, "riscv64": 98, "powerpc64le": 221, "s390x": 238}

_FUTEX = """\
declare i64 @syscall(i64, ...)
define internal void @rest(ptr %word, i32 %value) {
  call i64 (i64, ...) @syscall(i64 FUTEX, ptr %word, i32 128, i32 %value, ptr null, ptr null, i32 0)
  ret void
}
define internal void @wake(ptr %word, i32 %count) {
  call i64 (i64, ...) @syscall(i64 FUTEX, ptr %word, i32 129, i32 %count, ptr null, ptr null, i32 0)
  ret void
}
define internal void @prepare() {
  ret void
}
@name = internal constant [10 x i8] c"rushlight\\00"
declare i32 @prctl(i32, ...)
define internal void @introduce() {
  call i32 (i32, ...) @prctl(i32 15, ptr @name, i64 0, i64 0, i64 0)
  ret void
}
"""
_CONDITION = """\
declare i32 @pthread_mutex_init(ptr, ptr)
declare i32 @pthread_mutex_lock(ptr)
declare i32 @pthread_mutex_unlock(ptr)
declare i32 @pthread_cond_init(ptr, ptr)
declare i32 @pthread_cond_wait(ptr, ptr)
declare i32 @pthread_cond_broadcast(ptr)
define internal void @rest(ptr %word, i32 %value) {
  call i32 @pthread_mutex_lock(ptr $mutex)
  %now = load atomic i32, ptr %word seq_cst, align 4
  %same = icmp eq i32 %now, %value
  br i1 %same, label %wait, label %end
wait:
  call i32 @pthread_cond_wait(ptr $condition, ptr $mutex)
  br label %end
end:
  call i32 @pthread_mutex_unlock(ptr $mutex)
  ret void
}
define internal void @wake(ptr %word, i32 %count) {
  call i32 @pthread_mutex_lock(ptr $mutex)
  call i32 @pthread_cond_broadcast(ptr $condition)
  call i32 @pthread_mutex_unlock(ptr $mutex)
  ret void
}
define internal void @prepare() {
  call i32 @pthread_mutex_init(ptr $mutex, ptr null)
  call i32 @pthread_cond_init(ptr $condition, ptr null)
  ret void
}
define internal void @introduce() {
  ret void
}
"""
_POSIX = """\
declare i32 @pthread_create(ptr, ptr, ptr, ptr)
declare i32 @pthread_detach(i64)
declare i32 @sigfillset(ptr)
declare i32 @sigdelset(ptr, i32)
declare i32 @pthread_sigmask(i32, ptr, ptr)
define internal i1 @start(ptr %birth) {
  %thread = alloca i64
  %bad = call i32 @pthread_create(ptr %thread, ptr null, ptr @worker, ptr %birth)
  %good = icmp eq i32 %bad, 0
  br i1 %good, label %made, label %refused
made:
  %id = load i64, ptr %thread
  call i32 @pthread_detach(i64 %id)
  ret i1 true
refused:
  ret i1 false
}
define internal void @deafen(ptr %old) {
  %mask = alloca [128 x i8], align 16
  call i32 @sigfillset(ptr %mask)
KEEP
  call i32 @pthread_sigmask(i32 SETMASK, ptr %mask, ptr %old)
  ret void
}
define internal void @listen(ptr %old) {
  call i32 @pthread_sigmask(i32 SETMASK, ptr %old, ptr null)
  ret void
}
"""
# 65536: the size is of what is set aside, not of what is used; -1: no limit of time
_WINDOWS = """\
declare i32 @WaitOnAddress(ptr, ptr, i64, i32)
declare void @WakeByAddressSingle(ptr)
declare void @WakeByAddressAll(ptr)
declare ptr @CreateThread(ptr, i64, ptr, ptr, i32, ptr)
declare i32 @CloseHandle(ptr)
define internal void @rest(ptr %word, i32 %value) {
  %same = alloca i32
  store i32 %value, ptr %same
  call i32 @WaitOnAddress(ptr %word, ptr %same, i64 4, i32 -1)
  ret void
}
define internal void @wake(ptr %word, i32 %count) {
  %one = icmp eq i32 %count, 1
  br i1 %one, label %single, label %all
single:
  call void @WakeByAddressSingle(ptr %word)
  ret void
all:
  call void @WakeByAddressAll(ptr %word)
  ret void
}
define internal void @prepare() {
  ret void
}
define internal void @introduce() {
  ret void
}
define internal i1 @start(ptr %birth) {
  %made = call ptr @CreateThread(ptr null, i64 STACK, ptr @worker, ptr %birth, i32 65536, ptr null)
  %bad = icmp eq ptr %made, null
  br i1 %bad, label %refused, label %good
good:
  call i32 @CloseHandle(ptr %made)
  ret i1 true
refused:
  ret i1 false
}
define internal void @deafen(ptr %old) {
  ret void
}
define internal void @listen(ptr %old) {
  ret void
}
"""
_STACK = 1 << 23  # bytes, as Linux has them


def ways(machine: str) -> list[str]:
    """The ways to sleep and wake that this system has for a processor, the best first."""
    if sys.platform == "win32":
        return ["address"]
    return ["futex"] * (sys.platform == "linux" and machine in _FUTEX_CALL) + ["condition"]


def text(way: str, machine: str) -> str:
    """The functions, with one of the `ways` to sleep and wake."""
    if way == "address":
        return _WINDOWS.replace("STACK", str(_STACK))
    faults = [signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGABRT,
              signal.SIGTRAP]  # fmt: skip
    keep = "\n".join(f"  call i32 @sigdelset(ptr %mask, i32 {int(name)})" for name in faults)
    found = (_FUTEX if way == "futex" else _CONDITION) + _POSIX
    found = found.replace("FUTEX", str(_FUTEX_CALL.get(machine, 0)))
    return found.replace("KEEP", keep).replace("SETMASK", str(int(signal.SIG_SETMASK)))
