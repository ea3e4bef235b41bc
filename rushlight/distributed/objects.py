"""The collectives on Python objects, which travel pickled: between ranks that trust each other.

Source of all: https://docs.pytorch.org/docs/stable/distributed.html#collective-functions
"""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np

import rushlight as rl

from .collectives import EMPTY, own_group, root_of, take_nothing
from .point_to_point import recv, send
from .process_group import ProcessGroup
from .transport import Transport, Wants, plain_call


def _pickled(thing: Any) -> Any:
    return np.frombuffer(pickle.dumps(thing, pickle.HIGHEST_PROTOCOL), np.uint8)


def _move(group: ProcessGroup, name: str, mine: list[Any], wants: Any) -> dict[int, bytearray]:
    """Bytes from every rank: each gives `mine`, of which `wants` says who reads which entries."""
    found: dict[int, bytearray] = {}
    data = np.concatenate(mine) if mine else EMPTY

    def job(way: Transport, spin: bool) -> None:
        sizes = [part.size for part in mine] or [0]
        sizes += [0] * (way.size - len(sizes))
        every = way.details(plain_call(name), sizes, spin)
        starts = [np.cumsum([0, *row]).tolist() for row in every]
        places: Wants = lambda reader, source: wants(starts[source], reader, source)
        for source in range(way.size):
            start, stop = places(way.rank, source)
            found[source] = bytearray(stop - start)

        def take(source: int, start: int, view: Any) -> None:
            found[source][start : start + view.size] = view.tobytes()

        lengths = [row[-1] for row in starts]
        way.move(plain_call(name), data, lengths, places, take if found else take_nothing, spin)

    group.start(job, False, [])
    return found


def all_gather_object(object_list: list[Any], obj: Any, group: Any = None) -> None:
    """Write the object of every rank to `object_list`, on every rank.

    The objects travel as pickles. `object_list` has a place for each rank.

    >>> import rushlight.distributed as dist
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> found = [None]
    >>> dist.all_gather_object(found, {"loss": 0.5})
    >>> found
    [{'loss': 0.5}]
    >>> dist.destroy_process_group()
    """
    found = own_group(group, "all_gather_object")
    if found is None:
        return
    parts = _move(found, "all_gather_object", [_pickled(obj)], lambda at, r, s: (0, at[-1]))
    for source, data in parts.items():
        object_list[source] = pickle.loads(data)


def gather_object(
    obj: Any, object_gather_list: list[Any] | None = None, dst: int | None = None,
    group: Any = None, group_dst: int | None = None,
) -> None:  # fmt: skip
    """Write the object of every rank to `object_gather_list` on rank `dst`.

    The objects travel as pickles. object_gather_list: as long as the group on `dst`, else None.

    >>> import rushlight.distributed as dist
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> found = [None] if dist.get_rank() == 0 else None
    >>> dist.gather_object({"loss": 0.5}, found, dst=0)
    >>> found
    [{'loss': 0.5}]
    >>> dist.destroy_process_group()
    """
    found = own_group(group, "gather_object")
    if found is None:
        return
    root = root_of(found, dst, group_dst, 0 if group_dst is None else None, "gather")
    mine = found.rank() == root
    if mine and not object_gather_list:
        raise ValueError("Argument ``gather_list`` must be specified on destination rank.")
    if object_gather_list and not mine:
        raise ValueError("Argument ``gather_list`` must NOT be specified on non-destination ranks.")
    parts = _move(
        found, f"gather_object(to {root})", [_pickled(obj)],
        lambda at, r, s: (0, at[-1] if r == root else 0),
    )  # fmt: skip
    if object_gather_list and mine:
        for source, data in parts.items():
            object_gather_list[source] = pickle.loads(data)


def broadcast_object_list(
    object_list: list[Any], src: int | None = None, group: Any = None, device: Any = None,
    group_src: int | None = None,
) -> None:  # fmt: skip
    """Replace the entries of the list, on every rank, by those of rank `src`.

    The objects travel as pickles. Arguments: `src` counts among all processes, `group_src` in the
    group; `device` is accepted.

    >>> import rushlight.distributed as dist
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> settings = ["a", 3]
    >>> dist.broadcast_object_list(settings, src=0)
    >>> dist.destroy_process_group()
    """
    found = own_group(group, "broadcast_object_list")
    if found is None:
        return
    root = root_of(found, src, group_src, 0 if group_src is None else None, "broadcast")
    mine = [_pickled(list(object_list))] if found.rank() == root else []
    name = f"broadcast_object_list(from {root}, {len(object_list)})"
    parts = _move(found, name, mine, lambda at, r, s: (0, at[-1] if s == root and r != root else 0))
    if found.rank() != root:
        object_list[:] = pickle.loads(parts[root])


def scatter_object_list(
    scatter_object_output_list: list[Any], scatter_object_input_list: list[Any] | None = None,
    src: int | None = None, group: Any = None, group_src: int | None = None,
) -> None:  # fmt: skip
    """Write to the first entry of each rank's output its entry of the input on rank `src`.

    The objects travel as pickles.

    >>> import rushlight.distributed as dist
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> mine = [None]
    >>> dist.scatter_object_list(mine, ["for rank 0"], src=0)
    >>> mine
    ['for rank 0']
    >>> dist.destroy_process_group()
    """
    found = own_group(group, "scatter_object_list")
    if found is None:
        return
    if not isinstance(scatter_object_output_list, list) or not scatter_object_output_list:
        raise ValueError(
            "Expected argument scatter_object_output_list to be a list of size at least 1."
        )
    root = root_of(found, src, group_src, 0 if group_src is None else None, "scatter")
    mine: list[Any] = []
    if found.rank() == root:
        given = scatter_object_input_list or []
        if len(given) != found.size():
            raise ValueError(
                f"Expected one object for each of the {found.size()} ranks, got {len(given)}"
            )
        mine = [_pickled(thing) for thing in given]
    parts = _move(
        found, f"scatter_object_list(from {root})", mine,
        lambda at, r, s: (at[r], at[r + 1]) if s == root else (0, 0),
    )  # fmt: skip
    scatter_object_output_list[0] = pickle.loads(parts[root])


def send_object_list(
    object_list: list[Any], dst: int | None = None, group: Any = None, device: Any = None,
    group_dst: int | None = None, use_batch: bool = False,
) -> None:  # fmt: skip
    """Send the entries of the list to a rank, which calls `recv_object_list`.

    They travel as pickles. Raises: ValueError where the rank is this process's own.

    >>> import rushlight.distributed as dist
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> try:
    ...     dist.send_object_list(["hello"], dst=0)
    ... except ValueError as error:
    ...     print(str(error)[:24])
    Invalid destination rank
    >>> dist.destroy_process_group()
    """
    data = rl.from_numpy(_pickled(list(object_list)).copy())
    send(rl.tensor([data.numel()]), dst, group, group_dst=group_dst)
    send(data, dst, group, group_dst=group_dst)


def recv_object_list(
    object_list: list[Any], src: int | None = None, group: Any = None, device: Any = None,
    group_src: int | None = None, use_batch: bool = False,
) -> int:  # fmt: skip
    """Replace the entries of the list by what a rank sends; its number.

    object_list: as long as the list that is sent; src: the rank, None for whoever sends.
    Raises: ValueError where the rank is this process's own.

    >>> import rushlight.distributed as dist
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> try:
    ...     dist.recv_object_list([None], src=0)
    ... except ValueError as error:
    ...     print(str(error)[:19])
    Invalid source rank
    >>> dist.destroy_process_group()
    """
    size = rl.zeros(1, dtype=rl.int64)
    source = recv(size, src, group, group_src=group_src)
    data = rl.empty(int(size[0].item()), dtype=rl.uint8)
    recv(data, source, group)
    things = pickle.loads(data.numpy().tobytes())
    if len(things) != len(object_list):
        raise RuntimeError(f"{len(things)} objects have come, expected were {len(object_list)}")
    object_list[:] = things
    return source
