"""What goes wrong while a group is made, between messages of any rank, and in copies of a rank."""

from __future__ import annotations

import os
import socket
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import rushlight as rl
from rushlight.distributed import store as stores

from .ranks import on_ranks
from .test_faults import LONG, kill, told

dist: Any = rl.distributed
SOON = timedelta(seconds=0.2)


def groups(rank: int) -> None:
    """A new group, to which rank 1 does not come any more."""
    if rank == 1:
        kill()
    dist.new_group([0, 1, 2])


@pytest.mark.parametrize("way", ["shm", "tcp"])
def test_a_rank_that_dies_while_a_group_is_made_is_named_at_once(way: str, tmp_path: Path) -> None:
    began = time.time()
    for kind, text, when, _ in told(groups, 3, tmp_path, LONG, [0, 2], way).values():
        assert kind == "DistPeerDied" and when - began < LONG / 2
        assert text.startswith("making a process group: rank 1 (process ")


def test_a_rank_that_never_came_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    where = f"file://{tmp_path}/met"
    with pytest.raises(dist.DistStoreError, match="rank 1 has not come within") as found:
        dist.init_process_group("gloo", where, SOON, 2, 0)
    assert isinstance(found.value, dist.DistTimeoutError) and found.value.ranks == (1,)
    assert not dist.is_initialized()
    monkeypatch.setenv("RUSHLIGHT_LAUNCH_FOLDER", str(tmp_path))
    (tmp_path / "exit.1").write_text("-9")
    with pytest.raises(dist.DistPeerDied, match="rank 1 was killed by SIGKILL"):
        dist.init_process_group("gloo", where + "2", timedelta(seconds=LONG), 2, 0)


def any_sender(rank: int) -> None:
    """Rank 0 receives what rank 1 has sent, and waits for more; rank 2 dies."""
    x = rl.zeros(3)
    if rank == 0:
        assert dist.recv(x) == 1
        dist.send(x, 2)
        dist.recv(x)
    if rank == 1:
        dist.send(x, 0)
    if rank == 2:
        dist.recv(x, 0)
        kill()
    time.sleep(LONG)


@pytest.mark.parametrize("way", ["shm", "tcp"])
def test_who_waits_for_any_rank_is_told_of_a_death(way: str, tmp_path: Path) -> None:
    began = time.time()
    kind, text, when, rank = told(any_sender, 3, tmp_path, LONG, [0], way)[0]
    assert (kind, rank) == ("DistPeerDied", 2) and when - began < LONG / 2
    assert text.startswith("recv from any rank: rank 2 (process ")


def left_alone(rank: int) -> None:
    if rank:
        raise SystemExit
    dist.recv(rl.zeros(3))


@pytest.mark.parametrize("way", ["shm", "tcp"])
def test_who_waits_for_any_rank_is_told_that_all_have_left(way: str, tmp_path: Path) -> None:
    kind, text, _, _ = told(left_alone, 2, tmp_path, LONG, [0], way)[0]
    assert kind == "DistPeerDied"
    assert "all other ranks have left" in text or "(process" in text  # it has ended by now


def copied(rank: int) -> list[Any]:
    """A copy of each rank may ask who it is, and nothing else."""
    here, there = os.pipe()
    if not (copy := os.fork()):
        said = [str(dist.get_rank())]
        for call in (
            dist.barrier,
            lambda: dist.all_reduce(rl.ones(1), async_op=True).wait(),
            lambda: dist.send(rl.ones(1), 1 - rank),
        ):
            try:
                call()
            except dist.DistError as error:
                said.append(str(error))
        dist.destroy_process_group()
        os.write(there, "\n".join(said).encode())
        os._exit(0)
    os.waitpid(copy, 0)
    x = rl.ones(1)
    dist.all_reduce(x)
    return [os.read(here, 10000).decode().splitlines(), x.item()]


def test_a_copy_of_a_rank_is_refused_and_does_no_harm() -> None:
    for rank, (said, total) in enumerate(on_ranks(copied)):
        assert total == 2.0 and said[0] == str(rank) and len(said) == 4
        assert all(f"this process is a copy (fork) of rank {rank}" in text for text in said[1:])


def test_a_store_that_is_stopped_is_not_waited_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:  # takes connections, answers nothing
        port = server.getsockname()[1]
        store = dist.TCPStore("127.0.0.1", port, 1, False, SOON, wait_for_workers=False)
        with pytest.raises(dist.DistNetworkError, match="which rank 0 or the launcher holds"):
            store.set("a", "b")


def test_an_interrupted_question_leaves_no_answer_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    from rushlight.distributed import tcp_store

    store = dist.TCPStore("127.0.0.1", 0, 1, True)

    def interrupt(connection: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(tcp_store, "receive_message", interrupt)
        with pytest.raises(KeyboardInterrupt):
            store.add("a", 1)
    with pytest.raises(dist.DistNetworkError):  # not the answer to the question before
        store.get("b")
    store.close()


def test_a_full_disk_leaves_a_file_store_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = dist.FileStore(str(tmp_path / "met"), 2)
    store.set("a", "1")
    write = os.write

    def half(file: int, data: bytes) -> int:
        if len(data) < 20:
            raise OSError(28, "No space left on device")
        return write(file, data[: len(data) // 2])

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", half)
        with pytest.raises(OSError, match="No space"):
            store.set("b", "2" * 100)
    assert dist.FileStore(str(tmp_path / "met"), 2).get("a") == b"1"
    assert not store.check(["b"])


def test_a_file_store_whose_lock_is_held_says_so(tmp_path: Path) -> None:
    store = dist.FileStore(str(tmp_path / "met"), 2)
    store.set_timeout(SOON)
    with store._locked(), pytest.raises(dist.DistStoreError, match="is locked by a process"):
        stores.Store.set(store, "a", "1")


def groups_of_few(rank: int) -> list[Any]:
    """Groups that are made by their members alone, used, destroyed, and asked for once more."""
    found = []
    if rank:
        only = dist.new_group([1], use_local_synchronization=True)
        dist.all_reduce(rl.ones(1), group=only)
    else:
        assert dist.new_group([1], use_local_synchronization=True) is None
        dist.new_group([0], use_local_synchronization=True)
    for _ in range(2):
        both = dist.new_group([0, 1], use_local_synchronization=True)
        x = rl.ones(1)
        dist.all_reduce(x, group=both)
        found.append(x.item())
    dist.destroy_process_group(both)
    for call in (
        lambda: dist.all_reduce(x, group=both),
        lambda: dist.send(x, 1 - rank, group=both),
    ):
        with pytest.raises(dist.DistError, match="it has been destroyed"):
            call()
    return found


def test_groups_that_their_members_alone_make() -> None:
    assert on_ranks(groups_of_few) == [[2.0, 2.0]] * 2


def other_members(rank: int) -> str:
    if rank == 0:
        dist.new_group([0])
        return ""
    with pytest.raises(dist.DistMismatch) as found:
        dist.new_group([0, 1])
    return str(found.value)


def test_ranks_that_make_different_groups_are_told() -> None:
    said = "rank 1 makes one of the ranks [0, 1], rank 0 makes one of [0]"
    assert on_ranks(other_members)[1] == f"making a process group: {said}"
