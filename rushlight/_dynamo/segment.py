"""A graph that is being collected: its steps, what it is given, and the modes it runs under."""

from __future__ import annotations

import contextlib
import operator
import traceback
from collections.abc import Iterator
from typing import Any

import rushlight as rl

from .._C import _set_grad_enabled
from ..amp import autocast as autocast_mode
from ..core.state import DEFAULTS, STATE
from ..fx.graph import Graph
from ..fx.graph_module import GraphModule
from ..fx.node import Node, map_aggregate
from .steps import Ref, Step


def state() -> Any:
    """The modes under which steps are all alike but for those that graphs switch."""
    return STATE.inference, DEFAULTS.dtype


def _enter_autocast(device_type: str, dtype: Any, enabled: bool, cache_enabled: Any) -> Any:
    """Begin a block of autocast; what `_exit_autocast` ends."""
    mode = autocast_mode(device_type, dtype=dtype, enabled=enabled)
    mode.__enter__()
    return mode


def _exit_autocast(mode: Any) -> None:
    mode.__exit__(None, None, None)


class Segment:
    """The steps between two breaks."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.inputs: list[Any] = []
        self.names: list[str | None] = []  # of the inputs, as far as known
        self.outputs: list[Ref] = []
        self.state = state()
        self.grad = self._grad_now = STATE.grad
        self.autocast = self._autocast_now = STATE.autocast
        self._entered: Ref | None = None  # the step that entered another autocast
        self.stopped: tuple[str, traceback.FrameSummary] | None = None  # why it ended early

    def enter(self, tensor: Any, name: str | None) -> None:
        """Another input."""
        self.inputs.append(tensor)
        self.names.append(name)

    def add(self, step: Step) -> int:
        """Another step; its number. A change of modes is a step in front of it."""
        if not self.steps:
            self.state, self.grad, self._grad_now = state(), STATE.grad, STATE.grad
            self.autocast = self._autocast_now = STATE.autocast
        self._switch(STATE.grad, STATE.autocast)
        self.steps.append(step)
        return len(self.steps) - 1

    def _switch(self, grad: bool, autocast: Any) -> None:
        if self._autocast_now != autocast:
            if self._entered is not None:
                self.steps.append(Step("call_function", _exit_autocast, (self._entered,), {}))
                self._entered = None
            if autocast != self.autocast:
                self._entered = Ref("step", len(self.steps))
                args = ("cpu", autocast or None, bool(autocast), None)
                self.steps.append(Step("call_function", _enter_autocast, args, {}))
            self._autocast_now = autocast
        if self._grad_now != grad:
            self._grad_now = grad
            self.steps.append(Step("call_function", _set_grad_enabled, (grad,), {}))

    def close(self) -> None:
        """Leave the modes as they were at the beginning."""
        self._switch(self.grad, self.autocast)

    @contextlib.contextmanager
    def modes(self) -> Iterator[None]:
        """The modes under which the first step was noted."""
        inference, autocast = self.state[0], self.autocast
        with contextlib.ExitStack() as stack:
            if STATE.inference != inference:
                stack.enter_context(rl.inference_mode(inference))
            if STATE.autocast != autocast:
                on = bool(autocast)
                kind = autocast if on else None
                stack.enter_context(autocast_mode("cpu", dtype=kind, enabled=on))
            stack.enter_context(rl.set_grad_enabled(self.grad))
            yield

    def key(self) -> Any:
        """What tells this graph, with the look of its inputs, from others."""
        looks = tuple((type(x), x.shape, x.stride(), x.dtype, x.requires_grad) for x in self.inputs)
        steps = tuple(step.key() for step in self.steps)
        return self.state, self.grad, self.autocast, looks, steps, tuple(self.outputs)

    def begins(self) -> Any:
        """The line of the first step."""
        where = next((step.where for step in self.steps if step.where is not None), None)
        return None if where is None else (where.filename, where.lineno)

    def name_of(self, ref: Ref) -> str | None:
        """What the program calls a tensor."""
        if ref.kind == "input":
            return self.names[ref.index]
        return self.steps[ref.index].names.get(ref.part)

    def run(self, *inputs: Any) -> list[Any]:
        """Carry the steps out, one after the other."""
        results: list[Any] = []

        def find(ref: Any) -> Any:
            if not isinstance(ref, Ref):
                return ref
            if ref.kind == "input":
                return inputs[ref.index]
            found = results[ref.index]
            return found if ref.part is None else found[ref.part]

        for step in self.steps:
            results.append(step.run(find))  # noqa: PERF401  # a step reads what is there
        return [find(ref) for ref in self.outputs]

    def module(self, sources: dict[int, str]) -> GraphModule:
        """The graph as torch's compiler hands it over; `sources` has names of tensors by id."""
        return _Writer(self, sources).module()


class _Writer:
    """The nodes of a segment."""

    def __init__(self, segment: Segment, sources: dict[int, str]) -> None:
        self.segment, self.sources = segment, sources
        self.graph = Graph()
        self.nodes: dict[Ref, Node] = {}
        self.wanted: dict[int, set[int]] = {}  # the parts of results that are used
        for step in segment.steps:
            map_aggregate((step.args, step.kwargs), self._want)
        map_aggregate(segment.outputs, self._want)

    def _want(self, one: Any) -> None:
        if isinstance(one, Ref) and one.part is not None:
            self.wanted.setdefault(one.index, set()).add(one.part)

    def _find(self, one: Any) -> Any:
        return self.nodes[one] if isinstance(one, Ref) else one

    def module(self) -> GraphModule:
        for index, tensor in enumerate(self.segment.inputs):
            self._input(index, tensor)
        for index, step in enumerate(self.segment.steps):
            self._step(index, step)
        self.graph.output(tuple(self.nodes[ref] for ref in self.segment.outputs))
        return GraphModule(rl.nn.Module(), self.graph)

    def _input(self, index: int, tensor: Any) -> None:
        given = self.segment.names[index]
        name = self.sources.get(id(tensor)) or (f"L_{given}_" if given else f"L_tensor_{index}_")
        kind = rl.nn.Parameter if isinstance(tensor, rl.nn.Parameter) else rl.Tensor
        node = self.graph.create_node(
            "placeholder", name, name=f"{name[0].lower()}{name[1:]}", type_expr=kind
        )
        node.meta["example_value"] = tensor
        self.nodes[Ref("input", index)] = node

    def _step(self, index: int, step: Step) -> None:
        args, kwargs = map_aggregate((step.args, step.kwargs), self._find)
        node = self._node(step.op, step.target, args, kwargs, step, None)
        self.nodes[Ref("step", index)] = node
        wanted = self.wanted.get(index, ())
        parts = step.form if isinstance(step.form, (tuple, list)) else ()
        for part, form in enumerate(parts):
            if isinstance(form, rl.Tensor):  # all take a name, as in torch
                got = self._node("call_function", operator.getitem, (node, part), {}, step, part)
                self.nodes[Ref("step", index, part)] = got
                if part not in wanted:
                    self.graph.erase_node(got)

    def _node(
        self, op: str, target: Any, args: Any, kwargs: Any, step: Step, part: int | None
    ) -> Node:
        node = self.graph.create_node(op, target, args, kwargs)
        name = step.names.get(part)
        if name is not None:
            node.name = self.graph._names.create(name)
        form = step.form
        if form is not None:
            node.meta["example_value"] = form if part is None else form[part]
        if step.where is not None:
            where = step.where
            node.meta["stack_trace"] = (
                f'  File "{where.filename}", line {where.lineno}, in {where.name}\n    {where.line}'
            )
        return node
