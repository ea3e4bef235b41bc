"""No room on the disk: an error that names the file, never a process that dies or waits."""

from __future__ import annotations

import errno
import json
import os
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import rushlight as rl
from rushlight import sym
from rushlight.utils import tensorboard

resource = pytest.importorskip("resource")  # by which POSIX systems limit files


@pytest.fixture
def no_room(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No file may grow beyond 16 kB; modules first imported meanwhile leave no half of theirs."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (16_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_shared_file_is_not_mapped_where_there_is_no_room(tmp_path: Path, no_room: None) -> None:
    path = tmp_path / "weights.bin"
    rl.from_file(str(path), shared=True, size=1000).fill_(2)
    for create in (rl.from_file, rl.UntypedStorage.from_file):
        with pytest.raises(RuntimeError, match=r"unable to open file <.*weights.bin>"):
            create(str(path), True, 1_000_000)
        assert path.stat().st_size == 4000
    assert rl.from_file(str(path), size=1000).sum().item() == 2000


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="the system cannot set room aside")
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EOPNOTSUPP])
def test_memory_is_shared_where_there_is_room(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    def refuse(*arguments: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    x = rl.ones(1000)
    if code == errno.ENOSPC:
        with pytest.raises(OSError, match="No space"):
            x.share_memory_()
    else:  # nobody knows
        x.share_memory_()
    assert x.is_shared() == (code != errno.ENOSPC) and x.sum().item() == 1000


def test_a_trace_that_does_not_fit_leaves_the_old_one(tmp_path: Path, no_room: None) -> None:
    path, x = tmp_path / "trace.json", rl.ones(2)
    for count in (3, 300):
        with rl.profiler.profile() as profile:
            for _ in range(count):
                x = x + 1
        if count == 3:
            profile.export_chrome_trace(str(path))
    with pytest.raises(OSError, match=r"MB needed.*trace\.json"):
        profile.export_chrome_trace(str(path))
    assert len(json.loads(path.read_text())["traceEvents"]) == 3
    assert os.listdir(tmp_path) == ["trace.json"]


def test_an_expression_that_does_not_fit_leaves_the_old_one(tmp_path: Path, no_room: None) -> None:
    path, link = tmp_path / "loss.json", tmp_path / "latest.json"
    link.symlink_to(path)
    x = sym.var("x")
    sym.save(x + 1, link)
    large: Any = x
    for _ in range(2000):
        large = large.sin() + 1
    with pytest.raises(OSError, match="too large"):
        sym.save(large, link)
    assert sorted(os.listdir(tmp_path)) == ["latest.json", "loss.json"] and link.is_symlink()
    assert str(sym.load(path)) == str(x + 1)


class Events:
    """What tensorboardX writes one file with."""

    def __init__(self) -> None:
        self.room, self.closed = 2, False

    def write_event(self, event: Any) -> None:
        self.room -= 1
        if self.room < 0:
            raise OSError(errno.ENOSPC, "No space left on device")

    def flush(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True


class Base:
    """tensorboardX's writer, but for its thread."""

    def __init__(self) -> None:
        self.events = Events()
        self.all_writers: Any = {
            "x": types.SimpleNamespace(event_writer=types.SimpleNamespace(_ev_writer=self.events))
        }

    def add_scalar(self, tag: str, value: Any) -> None:
        self.events.write_event((tag, value))

    def flush(self) -> None:
        self.events.flush()

    def close(self) -> None:
        self.all_writers = None
        self.events.close()


def test_the_thread_that_writes_for_tensorboard_lives_on(monkeypatch: pytest.MonkeyPatch) -> None:
    package: Any = types.ModuleType("tensorboardX")
    package.SummaryWriter = Base
    monkeypatch.setitem(sys.modules, "tensorboardX", package)
    tensorboard._writer.cache_clear()
    try:
        writer = tensorboard.SummaryWriter()
        for step in range(2):
            writer.add_scalar("loss", step)
        for ask in (lambda: writer.add_scalar("loss", 3), writer.flush, writer.close, writer.close):
            with pytest.raises(OSError, match="No space left on device; TensorBoard's file ends"):
                ask()
        assert writer.events.closed
    finally:
        tensorboard._writer.cache_clear()
