"""Functions in fresh processes, and values that another thread sets."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest

import rushlight as rl
from rushlight import __config__, futures, multiprocessing


def _write(index: int, folder: str, x: Any) -> None:
    Path(folder, str(index)).write_text(str((x * index).sum().item()))


def _fail(index: int) -> None:
    if index == 0:
        raise ValueError("no use")


def _leave(index: int) -> None:
    os._exit(3)


def test_every_process_gets_its_number_and_the_tensors(tmp_path: Path) -> None:
    method = "fork" if hasattr(os, "fork") else "spawn"
    multiprocessing.spawn(_write, (str(tmp_path), rl.ones(3)), nprocs=2, start_method=method)
    assert [(tmp_path / name).read_text() for name in "01"] == ["0.0", "3.0"]


def test_what_a_process_raises_is_raised_here() -> None:
    method = "fork" if hasattr(os, "fork") else "spawn"
    with pytest.raises(multiprocessing.ProcessRaisedException, match="ValueError: no use"):
        multiprocessing.start_processes(_fail, nprocs=1, start_method=method)
    with pytest.raises(multiprocessing.ProcessExitedException, match="exit code 3"):
        multiprocessing.start_processes(_leave, nprocs=1, start_method=method)


def test_a_future_is_waited_for_and_followed() -> None:
    future: Any = futures.Future()
    after = future.then(lambda done: done.value() + 1)
    threading.Timer(0.01, future.set_result, (1,)).start()
    assert futures.wait_all([future, after]) == [1, 2]
    with pytest.raises(RuntimeError, match="can only be marked completed once"):
        future.set_result(2)


def test_a_future_that_failed_raises() -> None:
    future: Any = futures.Future()
    after = future.then(lambda done: done.value())
    future.set_exception(ValueError("no use"))
    for one in (future, after):
        with pytest.raises(ValueError, match="no use"):
            one.wait()


def test_what_computes_is_described() -> None:
    assert "rushlight" in __config__.show() and "threads" in __config__.parallel_info()
