"""A network cut into stages where its modules say: `pipeline`, `SplitPoint`, `pipe_split`.

The network is traced down to the modules at which it is cut; modules that hold no such point stay
as they are. A value that a later stage needs goes through the stages between.
Source: https://docs.pytorch.org/docs/stable/distributed.pipelining.html
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any

import rushlight as rl

from ...core.errors import fail
from .stage import PipelineStage

_package: Any = rl
_tracers: list[Any] = []  # those that are at work


class SplitPoint(Enum):
    """Cut before the module, or after it.

    >>> from rushlight.distributed.pipelining import SplitPoint
    >>> [point.name for point in SplitPoint]
    ['BEGINNING', 'END']
    """

    BEGINNING = 1
    END = 2


def pipe_split() -> None:
    """In the forward of a network: the next stage begins here. Does nothing but in `pipeline`.

    >>> import rushlight as torch
    >>> from rushlight.distributed.pipelining import pipe_split, pipeline
    >>> class Net(torch.nn.Module):
    ...     def forward(self, x):
    ...         x = x + 1
    ...         pipe_split()
    ...         return x * 2
    >>> pipeline(Net(), mb_args=(torch.zeros(2),)).num_stages
    2
    """
    if _tracers:
        _tracers[-1].create_node("call_function", pipe_split, (), {})


def _tracer(points: dict[str, SplitPoint]) -> Any:
    """A tracer that looks into modules with a point (or, without points, a `pipe_split`) inside."""

    class Tracer(_package.fx.Tracer):
        def is_leaf_module(self, module: Any, name: str) -> bool:
            if points:
                return not any(point.startswith(f"{name}.") for point in points)
            return super().is_leaf_module(module, name)

    return Tracer()


class Pipe(rl.nn.Module):
    """The stages of a network: `pipeline` makes it. Calling it runs all of them here.

    >>> import rushlight as torch
    >>> from rushlight.distributed.pipelining import SplitPoint, pipeline
    >>> net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Linear(3, 1))
    >>> pipe = pipeline(net, (torch.zeros(1, 2),), split_spec={"1": SplitPoint.BEGINNING})
    >>> pipe.num_stages, pipe(torch.zeros(4, 2)).shape
    (2, torch.Size([4, 1]))
    """

    def __init__(self, stages: list[Any]) -> None:
        super().__init__()
        self.stages = rl.nn.ModuleList(stages)
        self.num_stages = len(stages)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """All stages, one after the other."""
        found = self.stages[0](*args, **kwargs)
        for stage in list(self.stages)[1:]:
            found = stage(*found) if isinstance(found, tuple) else stage(found)
        return found

    def get_stage_module(self, stage_idx: int) -> Any:
        """One stage. Raises ValueError for a number out of range."""
        if not 0 <= stage_idx < self.num_stages:
            raise ValueError(f"Invalid stage index {stage_idx}!")
        return self.stages[stage_idx]

    def build_stage(self, stage_index: int, device: Any, group: Any = None) -> PipelineStage:
        """One stage, for this process."""
        module = self.get_stage_module(stage_index)
        return PipelineStage(module, stage_index, self.num_stages, device, group=group)


def pipeline(
    module: Any, mb_args: tuple[Any, ...], mb_kwargs: dict[str, Any] | None = None,
    split_spec: dict[str, SplitPoint] | None = None, split_policy: Callable[..., Any] | None = None,
) -> Pipe:  # fmt: skip
    """Cut a network into stages at modules (`split_spec`, by name) or at its `pipe_split()`s.

    `mb_args`, `mb_kwargs`: inputs of one part of a batch. Parameters keep their names.
    Raises: ValueError for both ways to say it, RuntimeError for a module that is not called.

    >>> import rushlight as torch
    >>> from rushlight.distributed.pipelining import SplitPoint, pipeline
    >>> net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Linear(3, 1))
    >>> pipe = pipeline(net, (torch.zeros(1, 2),), split_spec={"1": SplitPoint.BEGINNING})
    >>> sorted(pipe.stages[1].state_dict())
    ['1.bias', '1.weight']
    """
    if split_spec and split_policy:
        raise ValueError(
            "Cannot specify both `split_spec` and `split_policy`. Please use only one of them."
        )
    if split_policy is not None:
        raise NotImplementedError("split_policy is not there: name the modules in split_spec")
    points, tracer = dict(split_spec or {}), _tracer(split_spec or {})
    _tracers.append(tracer)
    try:
        graph = tracer.trace(module)
    finally:
        _tracers.pop()
    homes = _homes(graph, points)
    count = max(homes.values()) + 1
    made = Pipe([_stage(module, graph, homes, at, count) for at in range(count)])
    with rl.no_grad():
        made(*mb_args, **(mb_kwargs or {}))  # what cannot run is told now
    return made


def _homes(graph: Any, points: dict[str, SplitPoint]) -> dict[Any, int]:
    """The stage of each step."""
    homes, at, left = {}, 0, dict(points)
    for node in graph.nodes:
        if node.target is pipe_split:
            at += 1
            continue
        point = left.pop(node.target, None) if node.op == "call_module" else None
        if point is SplitPoint.BEGINNING and any(one.op != "placeholder" for one in homes):
            at += 1
        homes[node] = 0 if node.op == "placeholder" else at
        if point is SplitPoint.END:
            at += 1
    if left:
        raise fail(
            RuntimeError, f"the network does not call {', '.join(map(repr, left))}",
            "split_spec has the names of modules, as named_modules() gives them",
        )  # fmt: skip
    last = next(node for node in graph.nodes if node.op == "output")
    homes[last] = max(home for node, home in homes.items() if node is not last)
    for node in graph.nodes:  # a parameter of the network itself is read where it is first used
        if node.op == "get_attr" and node.users:
            homes[node] = min(homes[user] for user in node.users)
    return homes


def _crossing(graph: Any, homes: dict[Any, int], at: int) -> list[Any]:
    """The values that are there when stage `at` begins and are used in it or later."""
    return [
        node for node in graph.nodes
        if node in homes and homes[node] < at and any(homes[user] >= at for user in node.users)
    ]  # fmt: skip


def _stage(module: Any, graph: Any, homes: dict[Any, int], at: int, count: int) -> Any:
    """The steps of one stage as a module."""
    made = _package.fx.Graph()
    known: dict[Any, Any] = {}
    if at:
        for node in _crossing(graph, homes, at):
            known[node] = made.placeholder(node.name)
    for node in graph.nodes:
        if homes.get(node) == at and node.op != "output":
            known[node] = made.node_copy(node, lambda one: known[one])
    if at == count - 1:
        last = next(node for node in graph.nodes if node.op == "output")
        made.node_copy(last, lambda one: known[one])
    else:
        values = tuple(known[node] for node in _crossing(graph, homes, at + 1))
        made.output(values[0] if len(values) == 1 else values)
    return _package.fx.GraphModule(module, made)
