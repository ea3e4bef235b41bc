"""Tensors from one rank to another.

Source of all: https://docs.pytorch.org/docs/stable/distributed.html#point-to-point-communication
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import rushlight as rl

from . import waiting
from .collectives import Answer, Target, expect_tensor, flat_of, own_group, root_of
from .errors import DistPeerDied, DistTimeoutError
from .messages import Receipt
from .peers import Wait
from .process_group import ProcessGroup
from .work import Work


def _kind(x: rl.Tensor) -> str:
    return str(x.dtype)[6:22]


def _peer(group: ProcessGroup, rank: int | None, group_rank: int | None, verb: str) -> int:
    peer = root_of(group, rank, group_rank, None, verb)
    if peer == group.rank():
        what = {"send": "destination", "recv": "source"}[verb]
        raise ValueError(
            f"Invalid {what} rank: {what} rank should not be the same as the rank of the current"
            " process."
        )
    return peer


def _wait(group: ProcessGroup, doing: str) -> Wait:
    return Wait(doing, group._timeout.total_seconds())


def isend(
    tensor: rl.Tensor, dst: int | None = None, group: Any = None, tag: int = 0,
    group_dst: int | None = None,
) -> Answer:  # fmt: skip
    """Start sending the tensor to a rank; do not change it before the work is done.

    dst: among all processes, or `group_dst` in the group; tag: as that of the `irecv` there.
    Raises: ValueError where the rank is this process's own.

    >>> import rushlight as torch
    >>> import rushlight.distributed as dist
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> try:
    ...     dist.isend(torch.zeros(2), dst=0)
    ... except ValueError as error:
    ...     print(str(error)[:24])
    Invalid destination rank
    >>> dist.destroy_process_group()
    """
    return _send(tensor, dst, group, tag, group_dst, True)


def send(
    tensor: rl.Tensor, dst: int | None = None, group: Any = None, tag: int = 0,
    group_dst: int | None = None,
) -> None:  # fmt: skip
    """Send the tensor to a rank; returns when it may be changed.

    Arguments as `isend`. Raises: ValueError where the rank is this process's own.

    >>> import rushlight as torch
    >>> import rushlight.distributed as dist
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> try:
    ...     dist.send(torch.zeros(2), dst=0)
    ... except ValueError as error:
    ...     print(str(error)[:24])
    Invalid destination rank
    >>> dist.destroy_process_group()
    """
    _send(tensor, dst, group, tag, group_dst, False)


def _send(
    tensor: rl.Tensor, dst: int | None, group: Any, tag: int, group_dst: int | None, later: bool
) -> Answer:
    found = own_group(group, "isend" if later else "send")
    if found is None:
        return None
    flat = flat_of(expect_tensor(tensor, "tensor"))
    peer = _peer(found, dst, group_dst, "send")
    box = found.outbox(peer)
    job = box.job(flat, _kind(tensor), tag, _wait(found, f"send to rank {found._ranks[peer]}"))
    if later:
        return box.lane.submit(job, Work([tensor]))
    box.lane.run(job)
    return None


def irecv(
    tensor: rl.Tensor, src: int | None = None, group: Any = None, tag: int = 0,
    group_src: int | None = None,
) -> Answer:  # fmt: skip
    """Start receiving a tensor from a rank, or (without `src`) from whoever sends one.

    tensor: of the shape and type that is sent, written when the work that is returned is done.
    Raises: ValueError where the rank is this process's own.

    >>> import rushlight as torch
    >>> import rushlight.distributed as dist
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> try:
    ...     dist.irecv(torch.zeros(2), src=0)
    ... except ValueError as error:
    ...     print(str(error)[:19])
    Invalid source rank
    >>> dist.destroy_process_group()
    """
    found = own_group(group, "irecv")
    if found is None:
        return None
    expect_tensor(tensor, "tensor")
    if src is None and group_src is None:
        work = Work([tensor])
        _aside(lambda: _receive_any(found, tensor, tag, work), work)
        return work
    work, receive = _expect(found, tensor, _peer(found, src, group_src, "recv"), tag)
    _aside(lambda: receive(False), work)
    return work


def _aside(job: Callable[[], Any], work: Work) -> None:
    """Run in a thread of its own; an error is the work's."""

    def run() -> None:
        try:
            job()
        except BaseException as error:
            if not work.is_completed():
                work.finish(error)

    threading.Thread(target=run, daemon=True).start()


def _expect(
    group: ProcessGroup, tensor: rl.Tensor, peer: int, tag: int
) -> tuple[Work, Callable[[bool], None]]:
    """The work of a receipt that stands in line from now on, and what carries it out."""
    target, box = Target(tensor), group.inbox(peer)
    inner, work = Work(), Work([tensor], group._ranks[peer])
    box.expect(Receipt(target.flat, _kind(tensor), tag, inner))

    def receive(spin: bool) -> None:
        wait = _wait(group, f"recv from rank {group._ranks[peer]}")
        try:
            box.read_until(inner, wait, spin)
            target.done()
        except BaseException as error:
            work.finish(error)
            raise
        work.finish()

    return work, receive


def recv(
    tensor: rl.Tensor, src: int | None = None, group: Any = None, tag: int = 0,
    group_src: int | None = None,
) -> int:  # fmt: skip
    """Receive a tensor from a rank, or (without `src`) from whoever sends one; the rank.

    Arguments as `irecv`. Raises: ValueError where the rank is this process's own.

    >>> import rushlight as torch
    >>> import rushlight.distributed as dist
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> try:
    ...     dist.recv(torch.zeros(2), src=0)
    ... except ValueError as error:
    ...     print(str(error)[:19])
    Invalid source rank
    >>> dist.destroy_process_group()
    """
    found = own_group(group, "recv")
    if found is None:
        return -1
    expect_tensor(tensor, "tensor")
    if src is None and group_src is None:
        return _receive_any(found, tensor, tag, Work())
    peer = _peer(found, src, group_src, "recv")
    _, receive = _expect(found, tensor, peer, tag)
    receive(True)
    return found._ranks[peer]


def _receive_any(group: ProcessGroup, tensor: rl.Tensor, tag: int, work: Work) -> int:
    wait, pause = _wait(group, "recv from any rank"), 0.0001
    others = [rank for rank in range(group.size()) if rank != group.rank()]
    while True:
        ended = [group.has_ended(peer) for peer in others]  # before a look at its last messages
        for peer in others:
            if group.inbox(peer).has_message(tag):
                _, receive = _expect(group, tensor, peer, tag)
                receive(False)
                work._source = group._ranks[peer]
                work.finish()
                return group._ranks[peer]
        for peer, has_ended in zip(others, ended):
            if has_ended:
                group.raise_death(peer, wait.doing)
        if all(group.inbox(peer).channel.is_closed() for peer in others):
            raise DistPeerDied(f"{wait.doing}: all other ranks have left the group", -1)
        if wait.left() <= 0:
            raise DistTimeoutError(
                f"{wait.doing}: nothing has come within {wait.seconds:g} s", (), wait.seconds
            )
        waiting.time.sleep(pause)
        pause = min(2 * pause, 0.005)


class P2POp:
    """One `isend` or `irecv` for `batch_isend_irecv`.

    op: one of these two functions; tensor: what is sent or written; peer: the other rank.
    Raises: ValueError for another function.

    >>> import rushlight as torch
    >>> import rushlight.distributed as dist
    >>> try:
    ...     dist.P2POp(dist.all_reduce, torch.zeros(2), 0)
    ... except ValueError as error:
    ...     print(str(error)[:14])
    Invalid ``op``
    """

    def __init__(
        self, op: Any, tensor: rl.Tensor, peer: int | None = None, group: Any = None, tag: int = 0,
        group_peer: int | None = None,
    ) -> None:  # fmt: skip
        if op not in (isend, irecv):
            raise ValueError(
                "Invalid ``op``. Expected ``op`` to be of type ``torch.distributed.isend`` or"
                " ``torch.distributed.irecv``."
            )
        self.op, self.tensor, self.peer, self.group, self.tag = op, tensor, peer, group, tag
        self.group_peer = group_peer


def batch_isend_irecv(p2p_op_list: list[P2POp]) -> list[Work]:
    """Start all of them; their works.

    p2p_op_list: objects of `P2POp`. Raises: ValueError for anything else.

    >>> import rushlight.distributed as dist
    >>> try:
    ...     dist.batch_isend_irecv([dist.isend])
    ... except ValueError as error:
    ...     print(error)
    Invalid ``p2p_op_list``. Each op is expected to to be of type ``torch.distributed.P2POp``.
    """
    if not all(isinstance(op, P2POp) for op in p2p_op_list):
        raise ValueError(
            "Invalid ``p2p_op_list``. Each op is expected to to be of type"
            " ``torch.distributed.P2POp``."
        )
    works = [
        one.op(one.tensor, one.peer, one.group, one.tag, one.group_peer) for one in p2p_op_list
    ]
    return [work for work in works if work is not None]
