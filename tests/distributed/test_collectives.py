"""Collectives between processes, against what NumPy makes of the same values."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest

import rushlight as rl

from .ranks import on_ranks as on_ranks_of_gloo

dist: Any = rl.distributed
WAYS = pytest.mark.parametrize("way", ["shm", "tcp"])


def over(rank: int, way: str, function: Any) -> Any:
    """Run with a group of that backend in the place of the first one."""
    rl.distributed.GroupMember.WORLD = dist.new_group(backend=way)
    assert dist.get_backend() == way
    return function(rank)


def on_ranks(function: Any, size: int, way: str) -> Any:
    """What `function(rank)` returns on each rank."""
    return on_ranks_of_gloo(over, size, way, function)


KINDS = (
    "float32", "float64", "float16", "bfloat16", "int64", "int32", "uint8", "bool", "complex64",
)  # fmt: skip
SHAPES = ((), (0,), (5,), (3, 4), (2, 0, 3))
JOINED = {
    "SUM": np.add, "PRODUCT": np.multiply, "MIN": np.minimum, "MAX": np.maximum,
    "BAND": np.bitwise_and, "BOR": np.bitwise_or, "BXOR": np.bitwise_xor,
}  # fmt: skip


def values(rank: int, shape: tuple[int, ...], kind: str) -> rl.Tensor:
    """Small whole numbers, exact in every type, other ones on each rank."""
    draws = np.random.default_rng(rank).integers(0, 4, shape)
    return rl.tensor(draws).to(getattr(rl, kind))


def numbers(x: rl.Tensor) -> Any:
    """The values, where NumPy has the type; bfloat16 as float32."""
    return (x.float() if x.dtype is rl.bfloat16 else x).numpy().copy()


def reductions(rank: int) -> dict[Any, Any]:
    found = {}
    for kind in KINDS:
        whole = "int" in kind or kind == "bool"
        names = ("SUM",) if kind == "complex64" else tuple(JOINED)[: 7 if whole else 4]
        for shape in SHAPES:
            for name in names:
                x = values(rank, shape, kind)
                dist.all_reduce(x, getattr(dist.ReduceOp, name))
                found[kind, shape, name] = numbers(x)
    return found


@WAYS
@pytest.mark.parametrize("size", [2, 3])
def test_all_reduce_is_the_reduction_in_the_order_of_the_ranks(size: int, way: str) -> None:
    answers = on_ranks(reductions, size, way)
    for (kind, shape, name), found in answers[0].items():
        given = [numbers(values(rank, shape, kind)) for rank in range(size)]
        expected = functools.reduce(JOINED[name], given)
        np.testing.assert_array_equal(found, expected, f"{kind} {shape} {name}")
        for other in answers[1:]:
            assert found.tobytes() == other[kind, shape, name].tobytes()


def many(rank: int) -> list[Any]:
    x = rl.from_numpy(np.random.default_rng(rank).standard_normal(700_001).astype(np.float32))
    wide = rl.from_numpy(np.random.default_rng(rank).standard_normal((900, 900)))[::2, 1::3]
    dist.all_reduce(x)
    dist.all_reduce(wide, dist.ReduceOp.AVG)
    part = rl.empty(300_000)
    whole = rl.arange(600_000.0) * (rank + 1)
    if dist.get_world_size() == 2:
        dist.reduce_scatter_tensor(part, whole)
    sent = rl.full((700_000,), float(rank))
    dist.broadcast(sent, 1)
    return [x.numpy().copy(), wide.numpy().copy(), part.numpy().copy(), sent.unique().tolist()]


@WAYS
@pytest.mark.parametrize("size", [2, 3])
def test_what_is_larger_than_the_window(size: int, way: str) -> None:
    answers = on_ranks(many, size, way)
    draws = [np.random.default_rng(rank) for rank in range(size)]
    given = [draw.standard_normal(700_001).astype(np.float32) for draw in draws]
    draws = [np.random.default_rng(rank) for rank in range(size)]
    wide = [draw.standard_normal((900, 900))[::2, 1::3] for draw in draws]
    for rank, (x, mean, part, sent) in enumerate(answers):
        assert x.tobytes() == functools.reduce(np.add, given).tobytes()
        np.testing.assert_allclose(mean, sum(wide) / size, rtol=1e-12)
        assert sent == [1.0]
        if size == 2:
            section = np.arange(300_000, dtype=np.float32) + 300_000 * rank
            np.testing.assert_array_equal(part, 3 * section)


def everything(rank: int) -> dict[str, Any]:
    n = dist.get_world_size()
    x = rl.arange(4.0).view(2, 2).t() + 10 * rank  # does not lie in order
    found: dict[str, Any] = {}
    lists = {
        name: [rl.zeros(2, 2) for _ in range(n)] for name in ("all_gather", "gather", "to_all")
    }
    dist.all_gather(lists["all_gather"], x)
    dist.gather(x, lists["gather"] if rank == 1 else None, 1)
    dist.all_to_all(lists["to_all"], [x + part for part in range(n)])
    found |= {name: [y.tolist() for y in rows] for name, rows in lists.items()}
    one = rl.zeros(2, 2)
    dist.scatter(one, [x + part for part in range(n)] if rank == 0 else None, 0)
    found["scatter"] = one.tolist()
    total = x.clone()
    dist.reduce(total, n - 1)
    found["reduce"] = total.tolist()
    dist.reduce_scatter(one, [x + part for part in range(n)])
    found["reduce_scatter"] = one.tolist()
    rows = rl.zeros(2 * n, 2)
    dist.all_gather_into_tensor(rows, x)
    found["into"] = rows.tolist()
    sizes = [rank + 1] * n
    out = rl.zeros(sum(range(1, n + 1)))
    dist.all_to_all_single(
        out, rl.full((n * (rank + 1),), float(rank)), list(range(1, n + 1)), sizes
    )
    found["uneven"] = out.tolist()
    work = dist.all_reduce(x, async_op=True)
    assert work.wait() and work.is_success() and work.get_future().wait()[0] is x
    found["async"] = x.tolist()
    return found


@WAYS
@pytest.mark.parametrize("size", [2, 3])
def test_each_collective(size: int, way: str) -> None:
    answers = on_ranks(everything, size, way)
    given = [np.arange(4.0).reshape(2, 2).T + 10 * rank for rank in range(size)]
    total = sum(given)
    for rank, found in enumerate(answers):
        rows = [x.tolist() for x in given]
        assert found["all_gather"] == rows
        assert found["gather"] == (rows if rank == 1 else np.zeros((size, 2, 2)).tolist())
        assert found["to_all"] == [(x + rank).tolist() for x in given]
        assert found["scatter"] == (given[0] + rank).tolist()
        assert found["reduce"] == (total if rank == size - 1 else given[rank]).tolist()
        assert found["reduce_scatter"] == (total + size * rank).tolist()
        assert found["into"] == np.concatenate(given).tolist()
        assert found["uneven"] == [float(r) for r in range(size) for _ in range(r + 1)]
        assert found["async"] == total.tolist()


def things(rank: int) -> list[Any]:
    n = dist.get_world_size()
    every: list[Any] = [None] * n
    dist.all_gather_object(every, {"rank": rank, "long": "x" * 10 * rank})
    told: list[Any] = [rank, {rank}]
    dist.broadcast_object_list(told, 1)
    mine: list[Any] = [None]
    dist.scatter_object_list(mine, [(r, "for") for r in range(n)] if rank == 0 else None, 0)
    seen: list[Any] = [None] * n
    dist.gather_object(rank * 2, seen if rank == 0 else None, 0)
    return [every, told, mine, seen]


@WAYS
def test_objects(way: str) -> None:
    for rank, (every, told, mine, seen) in enumerate(on_ranks(things, 3, way)):
        assert every == [{"rank": r, "long": "x" * 10 * r} for r in range(3)]
        assert told == [1, {1}] and mine == [(rank, "for")]
        assert seen == ([0, 2, 4] if rank == 0 else [None] * 3)


def letters(rank: int) -> list[Any]:
    big, small = rl.full((60_000,), float(rank)), rl.tensor([rank, 7])
    other = 1 - rank
    got, few = rl.zeros(60_000), rl.zeros(2, dtype=rl.int64)
    ops = [
        dist.P2POp(dist.irecv, few, other, tag=5), dist.P2POp(dist.irecv, got, other),
        dist.P2POp(dist.isend, big, other), dist.P2POp(dist.isend, small, other, tag=5),
    ]  # fmt: skip
    for work in dist.batch_isend_irecv(ops):
        work.wait()
    if rank == 0:
        dist.send(rl.ones(3, 2).t(), 1)
        told = [None, None]
        assert dist.recv_object_list(told, 1) == 1
        return [got.unique().tolist(), few.tolist(), told]
    row = rl.zeros(2, 3)
    source = dist.recv(row)  # from whoever sends
    dist.send_object_list(["a", {1: 2}], 0)
    return [got.unique().tolist(), few.tolist(), source, row.sum().item()]


@WAYS
def test_messages_find_their_receivers_by_tag(way: str) -> None:
    first, second = on_ranks(letters, 2, way)
    assert first == [[1.0], [1, 7], ["a", {1: 2}]]
    assert second == [[0.0], [0, 7], 0, 6.0]


def parts(rank: int) -> list[Any]:
    pairs = [dist.new_group([0, 2]), dist.new_group([1])]
    mine = pairs[rank % 2]
    x = rl.tensor([float(rank + 1)])
    dist.all_reduce(x, group=mine)
    y = rl.tensor([float(rank)])
    if rank != 1:
        dist.broadcast(y, 2, group=mine)
        assert dist.get_rank(pairs[1]) == -1
        assert dist.get_group_rank(mine, 2) == 1 and dist.get_global_rank(mine, 1) == 2
    return [x.item(), y.item(), dist.get_process_group_ranks(mine), dist.get_rank(mine)]


@WAYS
def test_groups_of_some(way: str) -> None:
    assert on_ranks(parts, 3, way) == [
        [4.0, 2.0, [0, 2], 0], [2.0, 1.0, [1], 0], [4.0, 2.0, [0, 2], 1],
    ]  # fmt: skip


def alternating(rank: int) -> float:
    """Works under way and direct calls take turns, in one order on all ranks."""
    x, y = rl.ones(50_000), rl.ones(3)
    for _ in range(10):
        work = dist.all_reduce(x, async_op=True)
        dist.all_reduce(y)
        work.wait()
        x /= 2
        y /= 2
    return float(x.sum() + y.sum())


@WAYS
def test_works_under_way_keep_the_order(way: str) -> None:
    assert on_ranks(alternating, 2, way) == [50_003.0] * 2


def of_sparse(rank: int) -> list[Any]:
    x = rl.sparse_coo_tensor([[0, rank + 1, 0]], rl.full((3, 2), rank + 1.0), (5, 2))
    assert dist.all_reduce(x) is None and x.is_coalesced()
    empty = rl.sparse_coo_tensor(size=(4,), dtype=rl.int64)
    other = rl.tensor([0, 7, 0, 0]).to_sparse() if rank else empty
    work = dist.all_reduce(other, async_op=True)
    work.wait()
    with pytest.raises(dist.errors.DistMismatch, match=r"float32 \(5, 2\)\), rank 1 has"):
        dist.all_reduce(rl.sparse_coo_tensor([[0]], [[1.0, 1.0]], (5 + rank, 2)))
    with pytest.raises(NotImplementedError, match="Could not run 'c10d::broadcast_' with argu"):
        dist.broadcast(x, 0)
    return [x.to_dense().tolist(), other.to_dense().tolist()]


@WAYS
def test_sums_of_sparse_tensors(way: str) -> None:
    found = [[[6.0, 6.0], [1.0, 1.0], [2.0, 2.0], [0.0, 0.0], [0.0, 0.0]], [0, 7, 0, 0]]
    assert on_ranks(of_sparse, 2, way) == [found, found]


@pytest.mark.parametrize(
    ("call", "kind", "said"),
    [
        (lambda x: dist.all_reduce([x]), TypeError, "Expected parameter `tensor` of type torch.T"),
        (lambda x: dist.all_reduce(x, dist.ReduceOp.BAND), RuntimeError, "with non-integral dtype"),
        (lambda x: dist.all_reduce(x.to_sparse(), dist.ReduceOp.MAX), RuntimeError, "only works w"),
        (lambda x: dist.all_gather([], x), RuntimeError, "invalid output tensor list at index 0"),
        (lambda x: dist.all_gather([x.int()], x), ValueError, "Found torch.int32 and  torch.float"),
        (lambda x: dist.broadcast(x), ValueError, "Must specify global_rank or group_rank"),
        (lambda x: dist.gather(x), ValueError, "``gather_list`` must be specified on destination"),
        (lambda x: dist.scatter(x, [x, x]), RuntimeError, "Incorrect input list size 2. Input"),
        (lambda x: dist.reduce_scatter(x, [x, x]), RuntimeError, "invalid input tensor list size"),
        (lambda x: dist.all_to_all_single(x, x, [2], [3]), RuntimeError, "Split sizes doesn't mat"),
        (lambda x: dist.new_group([0, 0]), ValueError, "ranks list must not contain duplicate ent"),
        (lambda x: dist.P2POp(3, x, 0), ValueError, "Expected ``op`` to be of type ``torch"),
        (lambda x: dist.scatter_object_list([], [5], 0), ValueError, "to be a list of size at lea"),
    ],
)  # fmt: skip
def test_wrong_arguments(call: Any, kind: type[Exception], said: str) -> None:
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    try:
        with pytest.raises(kind, match=said):
            call(rl.zeros(3))
        with pytest.raises(ValueError, match="trying to initialize the default process group twi"):
            dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    finally:
        dist.destroy_process_group()
