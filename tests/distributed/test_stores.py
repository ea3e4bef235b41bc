"""Stores: the same answers from all of them, and from several processes at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import rushlight as rl

dist: Any = rl.distributed


@pytest.fixture(params=["hash", "file", "tcp", "prefix"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    if request.param == "file":
        made = dist.FileStore(str(tmp_path / "store"), 1)
    elif request.param == "tcp":
        made = dist.TCPStore("127.0.0.1", 0, 1, True)
    else:
        made = dist.HashStore()
    yield dist.PrefixStore("inner", made) if request.param == "prefix" else made
    if hasattr(made, "close"):
        made.close()
    assert not (tmp_path / "store").exists()


def test_what_a_store_answers(store: Any) -> None:
    store.set("a", "b")
    assert store.get("a") == b"b" and store.check(["a"]) and not store.check(["a", "q"])
    assert (store.add("n", 2), store.add("n", 3), store.get("n")) == (2, 5, b"5")
    assert store.num_keys() == 2 and sorted(store.list_keys()) == ["a", "n"]
    assert store.delete_key("a") and not store.delete_key("zz")
    store.append("n", "7")
    assert store.get("n") == b"57"
    assert store.compare_set("k", "", "v") == b"v" and store.compare_set("k", "v", "w") == b"w"
    assert store.compare_set("k", "v", "u") == b"w" and store.compare_set("zz", "v", "u") == b"v"
    store.multi_set(["x", "y"], ["1", "2"])
    assert store.multi_get(["x", "y"]) == [b"1", b"2"]
    store.queue_push("q", "1")
    store.queue_push("q", b"\0two")
    assert store.queue_len("q") == 2 and store.queue_pop("q") == b"1"
    assert store.queue_pop("q") == b"\0two"
    with pytest.raises(dist.QueueEmptyError):
        store.queue_pop("q", block=False)


def test_waiting_ends(store: Any) -> None:
    with pytest.raises(dist.DistStoreError, match="50ms, keys: /never, here"):
        store.wait(["never", "here"], timedelta(seconds=0.05))
    assert store.timeout == timedelta(seconds=300)
    store.set_timeout(timedelta(seconds=0.05))
    with pytest.raises(dist.DistStoreError, match="wait timeout after 50ms, keys: /never"):
        store.get("never")
    store.set_timeout(timedelta(seconds=5))
    later = threading.Timer(0.05, lambda: store.set("never", "now"))
    later.start()
    assert store.get("never") == b"now"
    later.join()


def test_counters_are_counted_once_by_each(store: Any, tmp_path: Path) -> None:
    def count() -> None:
        mine = store
        if isinstance(store, dist.TCPStore):
            mine = store.clone()
        for _ in range(50):
            mine.add("n", 1)
        if mine is not store:
            mine.close()

    threads = [threading.Thread(target=count) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.get("n") == b"150"


def test_a_prefix_is_part_of_the_key() -> None:
    whole = dist.HashStore()
    part = dist.PrefixStore("p", whole)
    part.set("a", "1")
    whole.set("b", "2")
    assert whole.get("p/a") == b"1" and part.num_keys() == 1 and part.underlying_store is whole
