"""What the ranks that are left are told, and how soon, when something happens to one."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import rushlight as rl

from .ranks import on_ranks

dist: Any = rl.distributed
LONG = 100  # seconds of a time limit; what comes well before it did not wait for it
Outcome = tuple[str, str, float, float]


def told(
    program: Callable[[int], Any],
    size: int,
    folder: Path,
    seconds: float,
    asked: list[int],
    way: str = "gloo",
) -> dict[int, Outcome]:
    """(type, text, time, rank it names) of the errors that end `program` on the ranks asked."""
    context = multiprocessing.get_context("fork")
    here, there = context.SimpleQueue(), context.SimpleQueue()

    def one(rank: int) -> None:
        dist.init_process_group(way, f"file://{folder}/met", timedelta(seconds=seconds), size, rank)
        try:
            program(rank)
            here.put((rank, ("none", "", time.time(), -1)))
        except SystemExit:
            dist.destroy_process_group()
        except BaseException as error:
            here.put((rank, (type(error).__name__, str(error), time.time(), named(error))))
        if rank in asked:
            there.get()
        os._exit(0)

    children = [context.Process(target=one, args=(rank,)) for rank in range(size)]
    for child in children:
        child.start()
    try:
        return dict(here.get() for _ in asked)
    finally:
        for child in children:
            os.kill(child.pid or 0, signal.SIGKILL)
            child.join()


def named(error: BaseException) -> int:
    return getattr(error, "rank", getattr(error, "ranks", (-1,))[0])


def steps(rank: int, at: int, victim: int, event: Callable[[], Any]) -> None:
    """All-reduce without end, until `event` on one rank."""
    x = rl.ones(3000)
    for step in range(1_000_000):
        if step == at and rank == victim:
            event()
        dist.all_reduce(x)


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize(
    ("victim", "at", "way"), [(0, 0, "shm"), (1, 5, "shm"), (2, 40, "shm"), (1, 5, "tcp")]
)
def test_a_killed_rank_is_noticed_long_before_time_is_up(
    victim: int, at: int, way: str, tmp_path: Path
) -> None:
    others = [rank for rank in range(3) if rank != victim]
    began = time.time()
    found = told(lambda rank: steps(rank, at, victim, kill), 3, tmp_path, LONG, others, way)
    for kind, text, when, rank in found.values():
        assert kind == "DistPeerDied" and "all_reduce #" in text
        assert when - began < LONG / 2
        assert rank in (victim, *others)  # another may have given up before
    assert way == "tcp" or any(
        f"rank {victim} (process" in text for _, text, _, _ in found.values()
    )


@pytest.mark.parametrize("way", ["shm", "tcp"])
def test_a_stopped_rank_is_named_when_time_is_up(way: str, tmp_path: Path) -> None:
    stop = lambda: os.kill(os.getpid(), signal.SIGSTOP)
    found = told(lambda rank: steps(rank, 7, 1, stop), 2, tmp_path, 2, [0], way)
    kind, text, _, rank = found[0]
    assert kind == "DistTimeoutError" and rank == 1
    assert "all_reduce #8" in text and "has not come within 2 s" in text


def test_a_rank_that_ends_early_is_named(tmp_path: Path) -> None:
    found = told(lambda rank: steps(rank, 3, 1, lambda: sys.exit(0)), 2, tmp_path, LONG, [0])
    kind, text, _, rank = found[0]
    assert kind == "DistPeerDied" and rank == 1 and "all_reduce #4" in text


def test_an_exception_of_one_ends_the_others(tmp_path: Path) -> None:
    found = told(lambda rank: steps(rank, 3, 0, lambda: 1 / 0), 2, tmp_path, LONG, [0])
    assert found[0][0] == "ZeroDivisionError"
    (tmp_path / "2").mkdir()
    found = told(lambda rank: steps(rank, 3, 0, lambda: os._exit(3)), 2, tmp_path / "2", LONG, [1])
    assert found[1][0] == "DistPeerDied" and found[1][3] == 0


def different(rank: int) -> list[str]:
    """Errors of calls that do not match, and a sum after them."""
    texts = []
    calls: list[Callable[[], Any]] = [
        lambda: dist.all_reduce(rl.zeros(1024 - 24 * rank)),
        lambda: dist.broadcast(rl.zeros(3, dtype=(rl.float32, rl.float64)[rank]), 0),
        lambda: dist.barrier() if rank else dist.all_reduce(rl.zeros(2)),
        lambda: dist.all_reduce(rl.zeros(2), (dist.ReduceOp.MAX, dist.ReduceOp.MIN)[rank]),
        lambda: dist.broadcast(rl.zeros(2), rank),
    ]
    for call in calls:
        try:
            call()
        except dist.DistMismatch as error:
            texts.append(str(error))
    x = rl.ones(2)
    dist.all_reduce(x)
    return [*texts, str(x.tolist())]


def test_calls_that_do_not_match_are_refused_before_data_moves() -> None:
    first, second = on_ranks(different, 2)
    assert len(first) == len(second) == 6 and first[-1] == second[-1] == "[2.0, 2.0]"
    assert first[0] == (
        "all_reduce #1: rank 0 has all_reduce(SUM, float32 (1024,)),"
        " rank 1 has all_reduce(SUM, float32 (1000,))"
    )
    assert "float32 (3,)), rank 1 has broadcast(from 0, float64 (3,))" in second[1]
    assert first[2].startswith("all_reduce #3") and second[2].startswith("barrier #3")
    assert "MAX" in first[3] and "MIN" in first[3] and "from 1" in first[4]


def wrong_message(rank: int) -> str:
    if rank == 0:
        dist.send(rl.zeros(3), 1)
        return ""
    with pytest.raises(dist.DistMismatch) as found:
        dist.recv(rl.zeros(4), 0)
    return str(found.value)


def test_a_message_of_another_size_is_refused() -> None:
    said = "recv: rank 0 has sent 3 elements of float32, expected were 4 of float32"
    assert on_ranks(wrong_message, 2)[1] == said


def interrupted(rank: int, done: Path) -> list[Any]:
    """Rank 0 waits, is interrupted, and has used hardly any time until then."""
    if rank == 1:
        until = time.monotonic() + LONG
        while not done.exists() and time.monotonic() < until:
            time.sleep(0.05)
        return []
    me = os.getpid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    began, used = time.monotonic(), time.process_time()
    threading.Timer(1, lambda: os.kill(me, signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        dist.all_reduce(rl.ones(2))
    waited, used = time.monotonic() - began, time.process_time() - used
    with pytest.raises(dist.DistError, match="the process group is broken since"):
        dist.barrier()
    done.touch()
    return [waited, used]


def test_waiting_can_be_interrupted_and_costs_nothing(tmp_path: Path) -> None:
    waited, used = on_ranks(interrupted, 2, tmp_path / "done")[0]
    assert 0.9 < waited < LONG / 2
    assert used < 0.2 + waited / 10


def summed(rank: int, factor: float) -> float:
    x = rl.full((1000,), factor)
    for _ in range(30):
        dist.all_reduce(x)
        x /= 2
    return x.sum().item()


def test_two_jobs_at_once_and_nothing_left_behind() -> None:
    before = set(os.listdir("/dev/shm")) if os.path.isdir("/dev/shm") else set()
    found: dict[float, Any] = {}

    def job(factor: float) -> None:
        found[factor] = on_ranks(summed, 2, factor)

    jobs = [threading.Thread(target=job, args=(factor,)) for factor in (1.0, 3.0)]
    for thread in jobs:
        thread.start()
    for thread in jobs:
        thread.join()
    assert found == {1.0: [1000.0] * 2, 3.0: [3000.0] * 2}
    if before:
        assert set(os.listdir("/dev/shm")) <= before


def test_a_port_in_use_is_named() -> None:
    store = dist.TCPStore("127.0.0.1", 0, 1, True)
    said = f"failed to listen on any local network address. port: {store.port}"
    with pytest.raises(dist.DistNetworkError, match=said):
        dist.TCPStore("127.0.0.1", store.port, 1, True)
    store.close()


def test_nobody_at_the_other_end() -> None:
    wait = timedelta(seconds=0.1)
    with pytest.raises(dist.DistNetworkError, match="timed out after 100ms while try"):
        dist.TCPStore("127.0.0.1", 1, 1, False, wait)
    with pytest.raises(dist.DistStoreError):
        dist.init_process_group("gloo", store=_impatient(wait), rank=0, world_size=2, timeout=wait)
    assert not dist.is_initialized()


def _impatient(wait: timedelta) -> Any:
    store = dist.HashStore()
    store.set_timeout(wait)
    return store
