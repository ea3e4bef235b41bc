"""Programs for two processes, the same for torch and rushlight: each returns numbers to compare."""

from __future__ import annotations

import contextlib
import importlib
from typing import Any


def part(torch: Any, name: str) -> Any:
    """A submodule that importing torch alone may not load."""
    return importlib.import_module(f"{torch.__name__}.distributed.{name}")


def grads(model: Any) -> list[float]:
    """The sums of all gradients, weighted so that order matters; -9 where there is none."""
    return [
        -9.0 if p.grad is None else float((p.grad.flatten() * 0.9).cumsum(0).sum())
        for p in model.parameters()
    ]


def training(torch: Any, rank: int, **how: Any) -> list[float]:
    """A network with batch norm, momentum and gradients added up over two batches."""
    nn, found = torch.nn, []
    torch.manual_seed(rank)  # other weights on each: those of rank 0 are used
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(),
        nn.Linear(144, 16), nn.Tanh(), nn.Linear(16, 3),
    )  # fmt: skip
    model = nn.parallel.DistributedDataParallel(net, **how)
    opt = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    draws = torch.Generator().manual_seed(5)
    for step in range(4):
        x = torch.randn(8, 1, 8, 8, generator=draws)[rank::2]
        y = torch.randint(0, 3, (8,), generator=draws)[rank::2]
        with model.no_sync() if step == 2 else contextlib.nullcontext():
            loss = nn.functional.cross_entropy(model(x), y)
            loss.backward()
        found += [loss.item(), *grads(model)]
        if step != 2:
            opt.step()
            opt.zero_grad(set_to_none=step % 2 == 0)
    return found + [float(one.double().sum()) for one in model.state_dict().values()]


def heads(torch: Any, rank: int, **how: Any) -> list[float]:
    """Each process uses another part of the network, and one part is used by none."""

    class Heads(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.parts = torch.nn.ModuleList(torch.nn.Linear(2, 2) for _ in range(3))

        def forward(self, x: Any, which: int) -> Any:
            return self.parts[which](x)

    torch.manual_seed(0)
    model = torch.nn.parallel.DistributedDataParallel(Heads(), find_unused_parameters=True, **how)
    found = []
    for step in range(3):
        model(torch.ones(1, 2) * (step + 1), rank if step != 1 else 0).sum().backward()
        found += grads(model)
        for p in model.parameters():
            if p.grad is not None:
                p.grad.zero_().add_(step)
    return found


def hooked(torch: Any, rank: int, hook: str) -> list[float]:
    """Gradients made the same by a hook, in 16 bits for some."""
    hooks = part(torch, "algorithms.ddp_comm_hooks.default_hooks")
    torch.manual_seed(0)
    model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(5, 3))
    wraps = hook.endswith("wrapper")
    chosen = getattr(hooks, hook)(hooks.allreduce_hook) if wraps else getattr(hooks, hook)
    model.register_comm_hook(None, chosen)
    model(torch.arange(5.0) / 7 + rank / 3).square().sum().backward()
    return [float(value) for p in model.parameters() for value in p.grad.flatten()]


def uneven(torch: Any, rank: int, whole: bool, syncs: bool = True) -> list[float]:
    """Rank 1 has two batches more."""
    nn, found = torch.nn, []
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 4, bias=False), nn.BatchNorm1d(4), nn.Linear(4, 2))
    model = nn.parallel.DistributedDataParallel(net)
    opt = torch.optim.SGD(model.parameters(), lr=0.1)
    draws = torch.Generator().manual_seed(5)
    with model.join(divide_by_initial_world_size=whole):
        for step in range(3 + 2 * rank):
            x = torch.randn(6, 3, generator=draws)[rank::2]
            with contextlib.nullcontext() if syncs or step != 1 else model.no_sync():
                model(x).square().mean().backward()
            if syncs or step != 1:
                found += grads(model)
                opt.step()
                opt.zero_grad()
    return found + [float(one.double().sum()) for one in model.state_dict().values()]


def early(torch: Any, rank: int) -> list[float]:
    """All stop when one has no more inputs."""
    model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(2, 2))
    done = 0
    try:
        with model.join(throw_on_early_termination=True):
            for _ in range(2 + rank):
                model(torch.ones(1, 2)).sum().backward()
                done += 1
    except RuntimeError as error:
        return [done, float(len(str(error)))]
    return []


def spread(torch: Any, rank: int, **how: Any) -> list[float]:
    """Adam with its state on two processes, two groups, a scheduler, clipping, saved and loaded."""
    nn, found = torch.nn, []
    kind = part(torch, "optim").ZeroRedundancyOptimizer
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 3), nn.Linear(3, 1))
    model = nn.parallel.DistributedDataParallel(net)
    weights = list(model.parameters())
    make = lambda: kind(
        [{"params": weights[:3]}, {"params": weights[3:], "lr": 0.02}], torch.optim.Adam,
        lr=0.05, **how,
    )  # fmt: skip
    opt = make()
    scheduler = torch.optim.lr_scheduler.StepLR(opt, 2)
    draws = torch.Generator().manual_seed(3)
    for _ in range(5):
        loss = model(torch.randn(8, 5, generator=draws)[rank::2]).square().mean()
        loss.backward()
        found += [loss.item(), float(nn.utils.clip_grad_norm_(model.parameters(), 0.1))]
        opt.step()
        opt.zero_grad()
        scheduler.step()
    opt.consolidate_state_dict(0)
    box = [opt.state_dict() if rank == 0 else None]
    torch.distributed.broadcast_object_list(box, 0)
    state = box[0]
    found += [float(one["exp_avg"].sum()) for one in state["state"].values()]
    found += [*map(float, state["state"]), state["param_groups"][1]["lr"]]
    again = make()
    again.load_state_dict(state)
    model(torch.ones(1, 5)).sum().backward()
    again.step()
    return found + [float(len(again.optim.state)), *(float(p.sum()) for p in weights)]


def pipeline(torch: Any, rank: int, schedule: str, parts: int) -> list[float]:
    """Two stages of one network."""
    kinds, nn, found = part(torch, "pipelining"), torch.nn, []
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 3))
    mine = net[2:] if rank else net[:2]
    stage = kinds.PipelineStage(mine, rank, 2, torch.device("cpu"))
    run = getattr(kinds, schedule)(stage, parts, loss_fn=nn.functional.mse_loss)
    opt = torch.optim.SGD(mine.parameters(), lr=0.1)
    draws = torch.Generator().manual_seed(3)
    for _ in range(3):
        x, y = torch.randn(8, 5, generator=draws), torch.randn(8, 3, generator=draws)
        losses: list[Any] = []
        out = run.step(target=y, losses=losses) if rank else run.step(x)
        found += [loss.item() for loss in losses] + ([float(out.sum())] if rank else [])
        found += grads(mine)
        opt.step()
        opt.zero_grad()
    out = run.eval(target=y) if rank else run.eval(x)
    return found + ([float(out.sum())] if rank else [])


def collectives(torch: Any, rank: int) -> list[float]:
    """Every collective that carries gradients, forward and backward."""
    calls, found = part(torch, "nn.functional"), []
    group = torch.distributed.group.WORLD
    pair = lambda x: list(x.reshape(2, 2).unbind())
    empty = lambda: [torch.zeros(2), torch.zeros(2)]
    for function in (
        lambda x: calls.all_reduce(x, group=group),
        lambda x: calls.broadcast(x, 1, group=group),
        lambda x: calls.reduce(x, 1, group=group) * rank,
        lambda x: calls.all_gather(x, group=group),
        lambda x: calls.gather(x, 1, group=group),
        lambda x: calls.scatter(pair(x), 0, group=group),
        lambda x: calls.reduce_scatter(torch.zeros(2), pair(x), group=group),
        lambda x: calls.all_to_all(empty(), pair(x), group=group),
        lambda x: calls.all_to_all_single(torch.zeros(4), x * 1, group=group),
    ):
        x = (torch.arange(4.0) + 10 * rank).requires_grad_()
        y = function(x)
        outputs = y if isinstance(y, tuple) else (y,)
        sum(((k + 1 + rank) * t * t).sum() for k, t in enumerate(outputs)).backward()
        found += [float(v) for t in (*outputs, x.grad) for v in t.flatten()]
    return found


CASES: dict[str, tuple[Any, dict[str, Any]]] = {
    "plain": (training, {}),
    "views": (training, {"gradient_as_bucket_view": True}),
    "small buckets": (training, {"bucket_cap_mb": 0.001}),
    "looks for unused": (training, {"find_unused_parameters": True}),
    "static": (training, {"static_graph": True}),
    "static, views": (training, {"static_graph": True, "gradient_as_bucket_view": True}),
    "heads": (heads, {}),
    "heads, views": (heads, {"gradient_as_bucket_view": True}),
    "hook": (hooked, {"hook": "allreduce_hook"}),
    "hook in float16": (hooked, {"hook": "fp16_compress_hook"}),
    "wrapped hook": (hooked, {"hook": "fp16_compress_wrapper"}),
    "uneven, whole mean": (uneven, {"whole": True}),
    "uneven, mean of the rest": (uneven, {"whole": False}),
    "uneven, adding up": (uneven, {"whole": True, "syncs": False}),
    "early": (early, {}),
    "spread state": (spread, {}),
    "spread state, views": (spread, {"parameters_as_bucket_view": True}),
    "GPipe": (pipeline, {"schedule": "ScheduleGPipe", "parts": 4}),
    "1F1B": (pipeline, {"schedule": "Schedule1F1B", "parts": 4}),
    "collectives": (collectives, {}),
}


def all_cases(torch: Any, rank: int) -> dict[str, list[float]]:
    """Every program's numbers on one of the two processes."""
    return {name: function(torch, rank, **how) for name, (function, how) in CASES.items()}
