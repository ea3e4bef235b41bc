"""The same program on two processes, with torch's gloo and with ours: the same lines."""

from __future__ import annotations

import contextlib
import io
import multiprocessing
from pathlib import Path
from typing import Any

import pytest

import rushlight as rl

torch = pytest.importorskip("torch")

PROGRAM = """
rank, size = dist.get_rank(), dist.get_world_size()
print(dist.get_backend(), size, dist.is_initialized(), dist.get_process_group_ranks(None))
for name in ("SUM", "AVG", "PRODUCT", "MIN", "MAX"):
    for kind in (torch.float32, torch.float64, torch.float16, torch.bfloat16):
        x = ((torch.arange(7.) + 1) / 3 + rank).to(kind)
        dist.all_reduce(x, op=getattr(dist.ReduceOp, name))
        print(name, x)
for name in ("SUM", "PRODUCT", "MIN", "MAX", "BAND", "BOR", "BXOR"):
    for kind in (torch.int8, torch.uint8, torch.int32, torch.int64):
        x = (torch.arange(5) * 3 + rank * 5).to(kind)
        dist.all_reduce(x, op=getattr(dist.ReduceOp, name))
        print(name, x)
x = torch.arange(6.).view(2, 3).t() + rank
dist.all_reduce(x)
print(x, x.stride())
x = torch.full((2, 2), float(rank)); dist.broadcast(x, src=1); print(x)
rows = [torch.zeros(2, dtype=torch.int64) for _ in range(size)]
dist.all_gather(rows, torch.tensor([rank, 7])); print(rows)
x = torch.ones(3) * (rank + 1); dist.reduce(x, 0); print(x if rank == 0 else "-")
rows = [torch.zeros(2) for _ in range(size)] if rank == 0 else None
dist.gather(torch.ones(2) * rank, rows, dst=0); print(rows)
x = torch.zeros(2)
dist.scatter(x, [torch.tensor([1., 2.]), torch.tensor([3., 4.])] if rank == 0 else None, src=0)
print(x)
x = torch.zeros(2); dist.reduce_scatter(x, [torch.ones(2) * rank, torch.ones(2) * 5]); print(x)
x = torch.zeros(4)
dist.all_to_all_single(x, torch.arange(4.) + 10 * rank); print(x)
x = torch.zeros(3 if rank else 3)
dist.all_to_all_single(x, torch.arange(3.) * (rank + 1), [1, 2] if rank == 0 else [2, 1],
                       [1, 2] if rank == 0 else [2, 1]); print(x)
if rank == 0:
    dist.send(torch.arange(3.), 1); y = torch.zeros(2); print(dist.recv(y, 1), y)
else:
    y = torch.zeros(3); print(dist.recv(y, 0), y); dist.send(torch.tensor([8., 9.]), 0)
work = dist.all_reduce(y.sum().reshape(1), async_op=True); print(work.wait(), work.is_completed())
works = dist.batch_isend_irecv([dist.P2POp(dist.isend, torch.ones(2) * rank, 1 - rank),
                                dist.P2POp(dist.irecv, y[:2], 1 - rank)])
for work in works: work.wait()
print(y)
things = [None] * size
dist.all_gather_object(things, {"rank": rank}); print(things)
told = [rank, "x"]; dist.broadcast_object_list(told, src=0); print(told)
mine = [None]; dist.scatter_object_list(mine, ["a", ["b"]] if rank == 0 else [None, None], src=0)
print(mine)
alone = dist.new_group([1])
print(dist.get_rank(alone), dist.get_world_size(alone))
for call in (lambda: dist.all_reduce([x]), lambda: dist.broadcast(x),
             lambda: dist.all_gather([], x), lambda: dist.send(x, rank),
             lambda: dist.all_reduce(x, op=dist.ReduceOp.BOR), lambda: dist.broadcast(x, 5),
             lambda: dist.all_reduce(torch.zeros(1, dtype=torch.int64), op=dist.ReduceOp.AVG),
             lambda: dist.new_group([0, 0]), lambda: dist.reduce_scatter(x, [x]),
             lambda: dist.all_to_all_single(x, x, [1], [2]),
             lambda: dist.init_process_group("gloo"),
             lambda: dist.gather(x, [x], dst=1 - rank), lambda: dist.get_node_local_rank()):
    try:
        call(); print("done")
    except Exception as error:
        print(type(error).__name__, str(error).splitlines()[0])
dist.barrier()
dist.destroy_process_group()
print(dist.is_initialized())
"""


def lines(library: Any, rank: int, where: str, answers: Any) -> None:
    dist = library.distributed
    dist.init_process_group("gloo", init_method=f"file://{where}", rank=rank, world_size=2)
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(PROGRAM, {"torch": library, "dist": dist})
    answers.put((rank, said.getvalue().splitlines()))


def printed(library: Any, folder: Path) -> dict[int, list[str]]:
    """What the program prints on each rank."""
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    where = str(folder / library.__name__)
    children = [
        context.Process(target=lines, args=(library, rank, where, answers)) for rank in range(2)
    ]
    for child in children:
        child.start()
    try:
        return dict(answers.get(timeout=30) for _ in children)
    finally:
        for child in children:
            child.kill()
            child.join()


def test_the_same_lines(tmp_path: Path) -> None:
    theirs, ours = printed(torch, tmp_path), printed(rl, tmp_path)
    for rank in range(2):
        assert ours[rank] == theirs[rank]
        assert len(ours[rank]) > 60
