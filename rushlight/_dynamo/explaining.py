"""Which graphs a call of a function splits into, and why."""

from __future__ import annotations

import functools
import itertools
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .segment import Segment
from .segmented import Segmented

__all__ = ["ExplainOutput", "GraphCompileReason", "explain"]


@dataclass
class GraphCompileReason:
    """Why a graph ended where it did."""

    reason: str
    user_stack: list[traceback.FrameSummary]
    graph_break: bool = True


@dataclass
class ExplainOutput:
    """The graphs of a call, how many there are, and why there is not one.

    `ops_per_graph` has what the nodes call that call functions. Guards and times of compiling are
    torch's: graphs are told apart by their steps here, and nothing is compiled.
    """

    graphs: list[Any]
    graph_count: int
    graph_break_count: int
    break_reasons: list[GraphCompileReason]
    op_count: int
    ops_per_graph: list[list[Any]] | None = None
    out_guards: list[Any] | None = field(default_factory=list)
    compile_times: str | None = None

    def __str__(self) -> str:
        lines = [
            f"Graph Count: {self.graph_count}", f"Graph Break Count: {self.graph_break_count}",
            f"Op Count: {self.op_count}", "Break Reasons:",
        ]  # fmt: skip
        for number, why in enumerate(self.break_reasons, 1):
            lines += [f"  Break Reason {number}:", f"    Reason: {why.reason}", "    User Stack:"]
            lines += [f"      {frame}" for frame in why.user_stack]
        if self.ops_per_graph is not None:
            lines.append("Ops per Graph:")
            for number, ops in enumerate(self.ops_per_graph, 1):
                lines += [f"  Ops {number}:", *(f"    {op}" for op in ops)]
        return "\n".join(lines) + "\n"


class _Observed(Segmented):
    """A function of which graphs are kept, and why they ended."""

    def reset(self) -> None:
        super().reset()
        self.reasons: list[GraphCompileReason] = []
        self.modules: list[Any] = []

    def _compiled(self, args: Any, kwargs: Any, segment: Segment) -> Callable[..., Any]:
        if segment.stopped is not None:
            reason, where = segment.stopped
            self.reasons.append(GraphCompileReason(reason, [where]))
        return super()._compiled(args, kwargs, segment)

    def keep(self, module: Any, inputs: Any) -> Any:
        """The backend: the graph as it is."""
        self.modules.append(module)
        return module.forward


def explain(f: Callable[..., Any], *extra_args: Any, **extra_kwargs: Any) -> Any:
    """What graphs a call of `f` falls into: `explain(f)(*args)` makes the call and tells.

    Source: https://docs.pytorch.org/docs/stable/torch.compiler_troubleshooting.html

    >>> import rushlight as torch
    >>> def either(x):
    ...     y = x.exp()
    ...     return y + 1 if y.sum() > 0 else y
    >>> told = torch._dynamo.explain(either)(torch.ones(2))
    >>> told.graph_count, told.graph_break_count, told.op_count
    (2, 1, 2)
    """

    @functools.wraps(f)
    def inner(*args: Any, **kwargs: Any) -> ExplainOutput:
        observed = _Observed(f, lambda module, inputs: observed.keep(module, inputs))
        observed(*args, **kwargs)
        ops = [
            [node.target for node in module.graph.nodes if node.op == "call_function"]
            for module in observed.modules
        ]
        return ExplainOutput(
            observed.modules, len(ops), len(ops) - 1, observed.reasons,
            len(list(itertools.chain(*ops))), ops,
        )  # fmt: skip

    return inner(*extra_args, **extra_kwargs) if extra_args or extra_kwargs else inner
