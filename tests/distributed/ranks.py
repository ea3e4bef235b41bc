"""A function on several processes at once: forked from the test, or begun anew; met over a file."""

from __future__ import annotations

import multiprocessing
import os
import tempfile
import time
import traceback
from collections.abc import Callable
from datetime import timedelta
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

import rushlight as rl

dist: Any = rl.distributed


def on_ranks(function: Callable[..., Any], size: int = 2, *args: Any, seconds: float = 120) -> Any:
    """What `function(rank, *args)` returns on each of `size` processes of one group."""
    context = multiprocessing.get_context("fork" if hasattr(os, "fork") else "spawn")
    with tempfile.TemporaryDirectory() as folder:
        pipes, processes = [], []
        for rank in range(size):
            here, there = context.Pipe(duplex=False)
            pipes.append(here)
            where = Path(folder) / "met"
            child = context.Process(target=_one, args=(function, rank, size, where, there, args))
            child.start()
            there.close()
            processes.append(child)
        try:
            return _collected(pipes, processes, time.monotonic() + seconds)
        finally:
            for child in processes:
                if child.is_alive():
                    child.kill()
                child.join()


def _collected(pipes: list[Any], processes: list[Any], until: float) -> list[Any]:
    found: list[Any] = [None] * len(pipes)
    waiting = dict(enumerate(pipes))
    while waiting:
        ready = wait(list(waiting.values()), max(0.0, until - time.monotonic()))
        assert ready, f"no answer from ranks {sorted(waiting)}"
        for rank in [rank for rank, pipe in waiting.items() if pipe in ready]:
            try:
                error, found[rank] = waiting.pop(rank).recv()
            except EOFError:
                processes[rank].join()
                error = f"ended with {processes[rank].exitcode}"
            assert error is None, f"rank {rank}: {error}"
    return found


def _one(function: Any, rank: int, size: int, where: Path, answer: Any, args: Any) -> None:
    status = 1
    try:
        dist.init_process_group(
            "gloo", where.as_uri(), timedelta(seconds=60), world_size=size, rank=rank
        )
        found = function(rank, *args)
        answer.send((None, found))
        dist.destroy_process_group()
        status = 0
    except BaseException:
        answer.send((traceback.format_exc(), None))
    finally:
        os._exit(status)
