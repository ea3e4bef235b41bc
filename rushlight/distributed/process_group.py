"""Groups of processes: how they are made and destroyed, and who is in them."""

from __future__ import annotations

import atexit
import os
import socket
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import rushlight as rl

from ..core.errors import fail
from . import waiting
from .errors import DistError, DistMismatch
from .meeting import Meeting
from .messages import Inbox, Outbox
from .mpi import MpiTransport, place
from .rendezvous import rendezvous
from .shared import SharedTransport
from .sockets import SocketTransport
from .store import HashStore, PrefixStore, Store
from .tcp_store import TCPStore
from .transport import Transport
from .work import Lane, Work

default_pg_timeout = timedelta(seconds=60)


class Backend(str):
    """The name of a backend, in small letters.

    >>> import rushlight.distributed as dist
    >>> dist.Backend("GLOO")
    'gloo'
    """

    UNDEFINED, GLOO, NCCL, UCC = "undefined", "gloo", "nccl", "ucc"
    MPI, XCCL, FAKE, SHM = "mpi", "xccl", "fake", "shm"

    def __new__(cls, name: str) -> Backend:
        return super().__new__(cls, name.lower())


class ProcessGroup:
    """Some of the processes of a job, and the way between them: `new_group` makes one.

    Source: https://docs.pytorch.org/docs/stable/distributed.html#groups

    >>> import rushlight.distributed as dist
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> group = dist.new_group([0])
    >>> group.rank(), group.size(), group.name()
    (0, 1, 'gloo')
    >>> dist.destroy_process_group()
    """

    def __init__(
        self, store: Store, ranks: list[int], rank: int, backend: str, timeout: timedelta,
        name: str, desc: str = "undefined",
    ) -> None:  # fmt: skip
        self._store, self._ranks, self._rank = store, ranks, rank
        self._backend, self.group_name, self.group_desc = backend, name, desc
        self._timeout, self._owner = timeout, os.getpid()
        self._closed: DistError | None = None
        self._transport = connect(store, rank, ranks, backend, timeout)
        self._lane = Lane(f"rushlight-{name}")
        self._inboxes: dict[int, Inbox] = {}
        self._outboxes: dict[int, Outbox] = {}

    def rank(self) -> int:
        """This process's number in the group."""
        return self._rank

    def size(self) -> int:
        """How many processes there are."""
        return len(self._ranks)

    def name(self) -> str:
        """The backend's name."""
        return self._backend

    def get_group_store(self) -> Store:
        """The store of the group."""
        return self._store

    def set_timeout(self, timeout: timedelta) -> None:
        """How long a collective waits for the other ranks."""
        self._timeout, self._transport.seconds = timeout, timeout.total_seconds()

    def start(
        self, job: Callable[[Transport, bool], Any], async_op: bool, result: list[rl.Tensor]
    ) -> Work | None:
        """Do a collective now, or give it to the group's thread."""

        def guarded(spin: bool) -> None:
            self._guarded(job, spin)

        if async_op:
            return self._lane.submit(guarded, Work(result))
        self._lane.run(guarded)
        return None

    def _guarded(self, job: Callable[[Transport, bool], Any], spin: bool) -> None:
        self._transport.count += 1
        try:
            job(self._transport, spin)
        except DistMismatch:
            raise  # the ranks are still in step
        except BaseException as error:
            if self._transport.broken is None:
                self._transport.give_up(error)
            raise

    def inbox(self, peer: int) -> Inbox:
        """What comes from a rank of the group."""
        if peer not in self._inboxes:
            self._check_open()
            channel = self._transport.channel(peer, self._rank)
            self._inboxes[peer] = Inbox(channel, self._ranks[peer])
        return self._inboxes[peer]

    def outbox(self, peer: int) -> Outbox:
        """What goes to a rank of the group."""
        if peer not in self._outboxes:
            self._check_open()
            channel = self._transport.channel(self._rank, peer)
            self._outboxes[peer] = Outbox(channel, self._ranks[peer])
        return self._outboxes[peer]

    def has_ended(self, peer: int) -> bool:
        """Whether the process of a rank of the group is known to have ended."""
        peers = self._transport.peers
        return peers is not None and peers.has_died(peer)

    def raise_death(self, peer: int, doing: str) -> None:
        """Raise the error that says how it ended."""
        peers = self._transport.peers
        if peers is not None:
            raise peers.death(peer, doing)

    def shutdown(self) -> None:
        """Leave the group; a copy of its process (fork) leaves nothing."""
        if self._owner == os.getpid():
            self._transport.close()
            self._close(DistError("it has been destroyed"))

    def forget(self) -> None:
        """In a copy of the process, which is no rank: refuse all calls."""
        self._lane = Lane(f"rushlight-{self.group_name}")  # its thread was not copied
        self._transport.let_go()
        self._close(
            DistError(
                f"this process is a copy (fork) of rank {self._ranks[self._rank]}, whose it is"
            )
        )

    def _close(self, reason: DistError) -> None:
        """Refuse all calls from now on."""
        self._transport.broken, self._closed = reason, reason
        self._inboxes, self._outboxes = {}, {}

    def _check_open(self) -> None:
        if self._closed is not None:
            raise DistError(f"the process group is broken since: {self._closed}")

    def __repr__(self) -> str:
        return f"ProcessGroup({self._backend}, rank {self._rank} of {self.size()})"


class GroupMember:
    """What stands for the group of all, and for a group that this process is not in.

    >>> import rushlight.distributed as dist
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> dist.GroupMember.WORLD.size()
    1
    >>> dist.destroy_process_group()
    """

    WORLD: ProcessGroup | None = None
    NON_GROUP_MEMBER = -100


class _World(type):
    @property
    def WORLD(cls) -> ProcessGroup | None:  # torch's name
        """The group of all processes; None before `init_process_group`."""
        return GroupMember.WORLD


class group(metaclass=_World):  # torch's name
    """`group.WORLD` is the group of all processes.

    >>> import rushlight.distributed as dist
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> dist.group.WORLD is dist.GroupMember.WORLD
    True
    >>> dist.destroy_process_group()
    """


class State:
    """The groups of this process."""

    groups: list[ProcessGroup] = []
    made = 0
    local: dict[str, int] = {}  # how many groups of the same ranks they alone have made
    store: Store | None = None


def connect(
    store: Store, rank: int, ranks: list[int], backend: str, timeout: timedelta
) -> Transport:
    """The way between the ranks: memory if they share a machine, else connections."""
    seconds = timeout.total_seconds()
    if backend == "mpi":
        return MpiTransport(rank, ranks, seconds)
    meeting = Meeting(store, rank, ranks, seconds, _processes_known())
    try:
        meeting.roll_call()
        apart = len(set(meeting.machines)) > 1 or not waiting.SUPPORTED
        if apart or backend == "tcp":
            return SocketTransport(meeting, _address(store))
        return SharedTransport(meeting)
    except BaseException:
        meeting.peers.close()
        raise


def _processes_known() -> dict[int, int]:
    """The processes of this machine, by their numbers among all, in the group of all."""
    peers = GroupMember.WORLD._transport.peers if GroupMember.WORLD else None
    return dict(zip(peers.ranks, peers.pids)) if peers else {}


def _address(store: Any) -> str:
    """Where the others reach this machine: as the store's server does."""
    while isinstance(store, PrefixStore):
        store = store.underlying_store
    if isinstance(store, TCPStore):
        return store.local_address()
    return socket.gethostbyname(socket.gethostname())


def _backend_named(backend: str | None) -> str:
    """The backend for tensors in main memory: "gloo" and "shm" are one here, which takes
    connections between machines; "tcp" takes them always."""
    name = Backend(backend or "shm")
    for part in name.split(","):
        device, _, named = part.rpartition(":")
        if device in ("", "cpu"):
            name = Backend(named)
    if name in ("gloo", "shm", "tcp", "mpi", "undefined"):
        return name
    if name in ("nccl", "ucc", "xccl"):
        raise fail(
            RuntimeError, f"Distributed package doesn't have {name.upper()} built in",
            'there are no graphics cards here: use backend="gloo" (or leave it out)',
        )  # fmt: skip
    raise AssertionError(f"Unknown backend type {name}")


def init_process_group(
    backend: str | None = None, init_method: str | None = None, timeout: timedelta | None = None,
    world_size: int = -1, rank: int = -1, store: Store | None = None, group_name: str = "",
    pg_options: Any = None, device_id: Any = None, _ranks: Any = None,
) -> None:  # fmt: skip
    """Meet the other processes of the job, and make the group of all.

    `init_method` is "env://" (RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT are set, as the
    launcher does), "tcp://host:port" or "file:///path"; or a `store` is given. A collective waits
    `timeout` for the other ranks (60 seconds).

    Raises: ValueError if it was called before, or something is not said; DistNetworkError;
    DistTimeoutError.
    Source: https://docs.pytorch.org/docs/stable/distributed.html#initialization

    >>> import rushlight.distributed as dist
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> dist.get_rank(), dist.get_world_size()
    (0, 1)
    >>> dist.destroy_process_group()
    """
    if GroupMember.WORLD is not None:
        raise ValueError("trying to initialize the default process group twice!")
    if store is not None and init_method is not None:
        raise AssertionError("Cannot specify both init_method and store.")
    if store is not None and world_size <= 0:
        raise AssertionError("world_size must be positive if using store")
    if store is not None and rank < 0:
        raise AssertionError("rank must be non-negative if using store")
    if timeout is not None and not isinstance(timeout, timedelta):
        raise TypeError(
            f"Expected timeout argument to be of type datetime.timedelta, got {timeout}"
        )
    name, limit = _backend_named(backend), timeout or default_pg_timeout
    if name == "mpi":
        store, (rank, world_size) = HashStore(), place()
    if store is None:
        store, rank, world_size = next(
            rendezvous(init_method or "env://", rank, world_size, timeout=limit)
        )
        State.store = store
    GroupMember.WORLD = _make(
        store, list(range(world_size)), rank, name, limit, _next_key(), group_name, "default_pg"
    )


def _make(
    store: Store, ranks: list[int], rank: int, backend: str, timeout: timedelta, key: str,
    name: str = "", desc: str = "undefined",
) -> ProcessGroup:  # fmt: skip
    inner = PrefixStore(f"group{key}", store)
    inner.set_timeout(timeout)
    made = ProcessGroup(inner, ranks, rank, backend, timeout, name or key, desc)
    State.groups.append(made)
    return made


def new_group(
    ranks: list[int] | None = None, timeout: timedelta | None = None, backend: str | None = None,
    pg_options: Any = None, use_local_synchronization: bool = False, group_desc: str | None = None,
    device_id: Any = None, sort_ranks: bool = True,
) -> Any:  # fmt: skip
    """A group of some of the processes; all must call this, those outside get a stand-in.

    Source: https://docs.pytorch.org/docs/stable/distributed.html#torch.distributed.new_group

    >>> import rushlight.distributed as dist
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> dist.get_process_group_ranks(dist.new_group([0]))
    [0]
    >>> dist.destroy_process_group()
    """
    world = default_group()
    chosen = list(range(world.size())) if ranks is None else list(ranks)
    if sort_ranks:
        chosen.sort()
    if len(set(chosen)) != len(chosen):
        raise ValueError(f"ranks list must not contain duplicate entries, got {ranks}")
    if len(chosen) > world.size() or any(not 0 <= r < world.size() for r in chosen):
        raise ValueError(
            "the new group's world size should be less or equal to the world size set by"
            " init_process_group"
        )
    key = "" if use_local_synchronization else _next_key()
    if world.rank() not in chosen:
        return None if use_local_synchronization else GroupMember.NON_GROUP_MEMBER
    if use_local_synchronization:  # the other ranks do not call this, and count on
        members = "-".join(map(str, chosen))
        key = f"local{members}/{State.local.setdefault(members, 0)}"
        State.local[members] += 1
    name = world._backend if backend is None else _backend_named(backend)
    store: Any = world._store
    return _make(
        store.underlying_store, chosen, chosen.index(world.rank()), name,
        timeout or world._timeout, key, desc=group_desc or "undefined",
    )  # fmt: skip


def split_group(
    parent_pg: Any = None, split_ranks: list[list[int]] | None = None,
    timeout: timedelta | None = None, pg_options: Any = None, group_desc: str | None = None,
) -> Any:  # fmt: skip
    """The group of those of a parent's ranks that this process is listed with, else None.

    `split_ranks` counts within the parent, all of whose processes call this with the same lists.
    torch has it for nccl only. Raises: ValueError for no list, an empty one, or ranks twice.

    >>> import rushlight.distributed as dist
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> dist.split_group(split_ranks=[[0]]).size()
    1
    >>> dist.destroy_process_group()
    """
    parent = group_of(parent_pg)
    if not split_ranks or not all(split_ranks):
        raise ValueError("split_ranks cannot be None or empty")
    every = [rank for some in split_ranks for rank in some]
    if len(set(every)) != len(every):
        raise ValueError("the split group cannot have duplicate ranks")
    if parent is None:
        return None
    if any(not 0 <= rank < parent.size() for rank in every):
        raise ValueError("the split group's ranks should be within the parent group")
    for some in split_ranks:
        if parent.rank() in some:
            members = [parent._ranks[rank] for rank in some]
            return new_group(
                members, timeout or parent._timeout, parent._backend, None, True, group_desc
            )
    return None


def _next_key() -> str:
    """The place in the store of the next group that all processes make, or stand by at."""
    number, State.made = State.made, State.made + 1
    return str(number)


def default_group() -> ProcessGroup:
    """The group of all processes, which must have been made."""
    if GroupMember.WORLD is None:
        raise fail(
            ValueError,
            "Default process group has not been initialized, please make sure to call "
            "init_process_group.",
            "ask torch.distributed.is_initialized() first, or start the program with"
            " `rushlight launch -n 2 program.py`",
        )
    return GroupMember.WORLD


def group_of(given: Any) -> ProcessGroup | None:
    """The group that was given, or that of all; None if this process is not in it."""
    if given is None:
        return default_group()
    if isinstance(given, ProcessGroup):
        return given
    if given == GroupMember.NON_GROUP_MEMBER:
        return None
    raise ValueError("Invalid process group specified")


def destroy_process_group(group: Any = None) -> None:
    """Leave a group; or, without one, all groups.

    Raises: AssertionError where there is none.

    >>> import rushlight.distributed as dist
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> dist.destroy_process_group()
    >>> dist.is_initialized()
    False
    """
    if GroupMember.WORLD is None:
        raise AssertionError("Process group cannot be None")
    chosen = group_of(group)
    if chosen is None:
        return
    if chosen is not GroupMember.WORLD:
        if chosen not in State.groups:
            raise ValueError("Invalid process group specified")
        State.groups.remove(chosen)
        chosen.shutdown()
        return
    for one in State.groups:
        one.shutdown()
    State.groups.clear()
    GroupMember.WORLD = None
    _leave_store(chosen)


def _leave_store(world: ProcessGroup) -> None:
    """End the connection to the store; the process that holds it waits a little for the rest."""
    store, State.store = State.store, None
    if store is None:
        return
    try:
        key = f"{world.group_name}/left"
        gone = store.add(key, 1)
        until = waiting.now() + 1
        while getattr(store, "server", None) and gone < world.size() and waiting.now() < until:
            waiting.time.sleep(0.001)
            gone = store.add(key, 0)
    except (OSError, RuntimeError):
        pass  # whoever held it has gone
    close: Any = getattr(store, "close", None)
    if close is not None:
        close()


@atexit.register
def _at_exit() -> None:
    for one in State.groups:
        one.shutdown()


def _in_a_copy() -> None:
    for one in State.groups:
        one.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_a_copy)
