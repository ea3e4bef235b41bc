"""The object cache: reuse, damage, size, several writers, places that cannot be written."""

from __future__ import annotations

import multiprocessing
import os
import time
from pathlib import Path

import numpy as np
import pytest

from rushlight.compile.code import cache, llvm

from .test_llvm import call


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path):
    llvm.target()  # what is remembered of the processor is no entry of these tests
    monkeypatch.setenv("RUSHLIGHT_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("RUSHLIGHT_COMPILE_CACHE", raising=False)
    monkeypatch.setattr(cache, "_unseen", [0])  # no sweep of its own
    return tmp_path / "home"


@pytest.fixture
def emitted(monkeypatch):
    """How often machine code was really made."""
    made, emit = [], llvm._emit
    monkeypatch.setattr(llvm, "_emit", lambda *args: made.append(args) or emit(*args))
    return made


def program(number: int) -> str:
    return f"define i64 @f() {{\n  ret i64 {number}\n}}\n"


def entries(home: Path) -> list[Path]:
    return sorted((home / "compiled").glob("*"))


def test_the_second_time_the_object_comes_from_disk(home, emitted):
    assert [call(llvm.compile(program(5)), "f") for _ in range(3)] == [5, 5, 5]
    assert len(emitted) == 1 and len(entries(home)) == 1


def test_text_target_and_version_each_make_another_entry(home, emitted, monkeypatch):
    llvm.compile(program(5))
    llvm.compile(program(6))
    monkeypatch.setenv("RUSHLIGHT_CPU", "sse")
    llvm.compile(program(5))
    monkeypatch.delenv("RUSHLIGHT_CPU")
    monkeypatch.setattr(llvm, "version", lambda: "llvmlite 99")
    llvm.compile(program(5))
    assert len(emitted) == len(entries(home)) == 4


def test_keys_know_where_one_part_ends():
    assert cache.key("ab", "c") != cache.key("a", "bc") != cache.key("abc")


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "head", "text"])
def test_a_damaged_entry_is_noticed_and_made_again(home, emitted, damage):
    llvm.compile(program(5))
    (path,) = entries(home)
    whole = bytearray(path.read_bytes())
    for position in (len(whole) // 2, len(whole) - 1, len(cache._MAGIC) + 33):
        if damage == "flip":
            broken = whole.copy()
            broken[position] ^= 1
        else:
            broken = {
                "cut": whole[:position], "empty": b"", "head": b"x" + whole[1:],
                "text": b"not an object",
            }[damage]  # fmt: skip
        path.write_bytes(bytes(broken))
        assert cache.load(path.stem) is None and not path.exists()
        assert call(llvm.compile(program(5)), "f") == 5
        assert path.read_bytes() == bytes(whole)
    assert len(emitted) == 4


def test_an_entry_under_the_name_of_another_is_made_again(home, emitted):
    llvm.compile(program(5))
    (five,) = entries(home)
    llvm.compile(program(7))
    (seven,) = set(entries(home)) - {five}
    seven.write_bytes(five.read_bytes())
    assert call(llvm.compile(program(7)), "f") == 7
    assert len(emitted) == 3


def test_a_sound_entry_that_will_not_load_is_made_again(home, emitted):
    llvm.compile(program(5))
    (path,) = entries(home)
    cache.store(path.stem, b"an object of another world")
    assert call(llvm.compile(program(5)), "f") == 5
    assert len(emitted) == 2
    assert cache.load(path.stem) != b"an object of another world"


def test_switched_off_nothing_is_written_nor_read(home, emitted, monkeypatch):
    monkeypatch.setenv("RUSHLIGHT_COMPILE_CACHE", "0")
    for _ in range(2):
        assert call(llvm.compile(program(5)), "f") == 5
    assert len(emitted) == 2 and not home.exists()
    assert cache.sweep() == 0 and cache.load("x") is None and not cache.store("x", b"")


@pytest.mark.parametrize("kind", ["file", "under a file", "device"])
def test_a_home_that_cannot_be_written_is_no_obstacle(monkeypatch, tmp_path, emitted, kind):
    (tmp_path / "file").write_text("in the way")
    place = {"file": tmp_path / "file", "under a file": tmp_path / "file" / "x",
             "device": Path("/proc/nowhere")}[kind]  # fmt: skip
    monkeypatch.setenv("RUSHLIGHT_HOME", str(place))
    for _ in range(2):
        assert call(llvm.compile(program(5)), "f") == 5
    assert len(emitted) == 2


def test_a_read_only_folder_is_still_read(home, emitted, monkeypatch):
    llvm.compile(program(5))
    monkeypatch.setattr(os, "replace", _refuse)
    monkeypatch.setattr(os, "utime", _refuse)
    monkeypatch.setattr(Path, "unlink", _refuse)
    monkeypatch.setattr(Path, "write_bytes", _refuse)
    assert [call(llvm.compile(program(k)), "f") for k in (5, 6, 6)] == [5, 6, 6]
    assert len(emitted) == 3


def _refuse(*_, **__):
    raise PermissionError(30, "Read-only file system")


def test_a_user_without_a_home_gets_no_cache(monkeypatch, emitted):
    monkeypatch.delenv("RUSHLIGHT_HOME")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("LOCALAPPDATA", raising=False)
    monkeypatch.setattr(Path, "home", lambda: (_ for _ in ()).throw(RuntimeError("no home")))
    cache._folder.cache_clear()  # as in a process of its own
    assert cache.folder() is None
    assert call(llvm.compile(program(5)), "f") == 5


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="folders have no such rights here")
def test_a_folder_that_anybody_may_write_is_not_trusted(home, emitted):
    llvm.compile(program(5))
    (home / "compiled").chmod(0o777)
    assert call(llvm.compile(program(5)), "f") == 5
    assert len(emitted) == 2
    (home / "compiled").chmod(0o700)
    llvm.compile(program(5))
    assert len(emitted) == 2


def test_the_folder_stays_below_its_limit_and_the_newest_stay(home):
    for k in range(20):
        assert cache.store(f"entry{k:02}", bytes(1000))
        os.utime(home / "compiled" / f"entry{k:02}.object", (k, k))
    size = entries(home)[0].stat().st_size
    left = cache.sweep(limit=10 * size)
    assert left == 7 * size == sum(path.stat().st_size for path in entries(home))
    assert [path.stem for path in entries(home)] == [f"entry{k}" for k in range(13, 20)]
    assert cache.sweep(limit=10 * size) == left


def test_use_keeps_an_entry_from_being_removed(home):
    for k in range(4):
        cache.store(f"entry{k}", bytes(1000))
        os.utime(home / "compiled" / f"entry{k}.object", (k, k))
    assert cache.load("entry0") == bytes(1000)
    cache.sweep(limit=2500)
    assert [path.stem for path in entries(home)] == ["entry0"]


def test_storing_sweeps_now_and_then(home, monkeypatch):
    monkeypatch.setattr(cache, "LIMIT", 5000)
    monkeypatch.setattr(cache, "_SWEEP_EVERY", 2000)
    looks, sweep = [], cache.sweep
    monkeypatch.setattr(cache, "sweep", lambda: looks.append(k) or sweep())
    for k in range(20):
        cache.store(f"entry{k:02}", bytes(1000))
    assert looks == list(range(1, 20, 2))
    assert sum(path.stat().st_size for path in entries(home)) <= 5000
    monkeypatch.setattr(cache, "_unseen", [2000])  # as a process begins
    cache.store("first", b"x")
    assert len(looks) == 11


def test_abandoned_drafts_go_and_fresh_ones_stay(home):
    cache.store("entry", b"x")
    old, new = home / "compiled" / "a.draft", home / "compiled" / "b.draft"
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (time.time() - 7200,) * 2)
    cache.sweep()
    assert new.exists() and not old.exists()


def _hammer(number: int, rounds: int, seen) -> None:
    """Write, read, damage and sweep the same few entries as everybody else."""
    rng = np.random.default_rng(number)
    wrong = 0
    for _ in range(rounds):
        k = int(rng.integers(4))
        name, body = f"shared{k}", bytes([k]) * (5000 + k)
        cache.store(name, body)
        if rng.random() < 0.1:
            cache.sweep(limit=8000)
        if rng.random() < 0.1:
            cache.drop(name)
        found = cache.load(name)
        wrong += found is not None and found != body
    seen.put(wrong)


def test_writers_in_several_processes_never_see_a_torn_entry(home):
    context = multiprocessing.get_context("spawn")
    seen = context.Queue()
    writers = [context.Process(target=_hammer, args=(k, 150, seen)) for k in range(3)]
    for writer in writers:
        writer.start()
    wrong = [seen.get(timeout=120) for _ in writers]
    for writer in writers:
        writer.join()
    assert wrong == [0, 0, 0]
    assert not list((home / "compiled").glob("*.draft"))
    for path in entries(home):
        assert cache.load(path.stem) == bytes([int(path.stem[-1])]) * (5000 + int(path.stem[-1]))
