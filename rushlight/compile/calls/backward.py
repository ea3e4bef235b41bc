"""A compiled call on the tape: one entry whose rule is the compiled backward half."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...core.dispatch import result_entry
from ...core.errors import fail, line_at
from ...core.primitive import General, Primitive
from ...core.tape import INPUTS, LEAF, ORDER, SHAPE, Entry, last_write, tick, written_since
from ...core.tensor import Tensor
from ..tracing.capture import Captured
from .fast_back import backward, form_of


class Kept:
    """What one call keeps for its backward pass."""

    __slots__ = ("arrays", "halves")

    def __init__(self, halves: Halves, arrays: list[np.ndarray]) -> None:
        self.halves, self.arrays = halves, arrays


def _pull(g: Any, entry: Entry) -> Any:
    """The gradients of the inputs, from those of the results."""
    seeds = g if type(g) is tuple else (g,)
    kept: Kept = entry[INPUTS][0]
    if isinstance(seeds[0], Tensor):
        raise fail(
            RuntimeError,
            "torch.compile with aot_autograd does not currently support double backward",
            "call the function without compile where a second derivative is needed, or compile the"
            " function that computes both",
        )
    halves = kept.halves
    if halves.mixed:
        seeds = [g.astype(t, copy=False) for g, t in zip(seeds, halves.types)]
    if last_write[0] > entry[ORDER]:
        halves.unwritten(kept.arrays, entry)
    if halves.quick is not None:
        found = halves.quick(seeds, kept.arrays)
        if found is not None:
            return found
    return halves.program.run([*seeds, *kept.arrays])


def _refuse(*args: Any) -> Any:
    raise NotImplementedError("a compiled call is differentiated by its compiled backward half")


ONE = Primitive("compiled_call", eval=_refuse, rule=General(_refuse), pull=_pull, reads="",
                node="CompiledFunctionBackward", doc="A compiled call.", listed=False)  # fmt: skip
MANY = Primitive("compiled_calls", eval=_refuse, rule=General(_refuse), pull=_pull, reads="",
                 outputs=2, node="CompiledFunctionBackward", doc="A compiled call with several"
                 " results.", listed=False)  # fmt: skip


def _memory(captured: Captured) -> list[np.ndarray]:
    """Arrays that lie in memory as the inputs of the backward half; none where all are in C order.

    Gradients of results and what the forward half gives are made in C order; an argument that is
    kept lies as the caller's does.
    """
    joint: Any = captured.joint
    given = [captured.sources[place].array if is_input else None for is_input, place in joint.kept]
    if all(x is None or x.flags.c_contiguous for x in given):
        return []
    nodes = joint.graph.inputs
    forms = [*[None] * (len(nodes) - len(given)), *given]
    return [np.empty(node.shape, node.dtype) if x is None else x for node, x in zip(nodes, forms)]


class Halves:
    """The compiled backward half of a captured call."""

    def __init__(self, captured: Captured, build: Callable[..., Any]) -> None:
        assert captured.joint is not None
        self.joint, self.sources = captured.joint, captured.sources
        self.program = program = build(self.joint.graph, [], _memory(captured))
        seeds = self.joint.graph.inputs[: len(self.joint.shapes)]
        self.types = [seed.dtype for seed in seeds]
        # The sweep knows shapes alone: a result that nobody used gets zeros of another's type.
        self.mixed = len(set(self.types)) > 1
        self.quick = backward(program, [self._form(captured, *one) for one in self.joint.kept])

    def entry(
        self, leaves: Sequence[Tensor], arrays: Sequence[np.ndarray], outputs: Sequence[np.ndarray]
    ) -> Entry:
        """The tape's entry of one call."""
        joint = self.joint
        parents = []
        for place in joint.targets:
            source = self.sources[place]
            x = leaves[source.owner] if source.kind == "argument" else source.owner
            parents.append(x if x._entry is LEAF else x._entry)
        kept = [arrays[i] if is_input else outputs[i] for is_input, i in joint.kept]
        single = len(joint.shapes) == 1
        shape = joint.shapes[0] if single else tuple(joint.shapes)
        return [
            ONE if single else MANY, tuple(parents), (Kept(self, kept),), None, (), shape, tick(),
            None,
        ]  # fmt: skip

    @staticmethod
    def _form(captured: Captured, is_input: bool, place: int) -> Any:
        if is_input:
            array = captured.sources[place].array
            return array.shape, array.dtype, array.strides
        return form_of(captured.graph.outputs[place])

    def unwritten(self, arrays: Sequence[np.ndarray], entry: Entry) -> None:
        """torch's error when something that was kept has been overwritten since."""
        for (is_input, place), array in zip(self.joint.kept, arrays):
            found: Any = written_since(array, entry[ORDER])
            if found is not None:
                what = "input" if is_input else "output"
                raise fail(
                    RuntimeError,
                    "one of the variables needed for gradient computation has been modified by an"
                    f" inplace operation: {what} {place} of the compiled call, of shape"
                    f" {list(array.shape)}, is at version {found[0]}; expected version {found[1]}"
                    " instead.",
                    *(f"written in place at {line_at(one)}" for one in found[2][-1:]),
                )


def output_entry(node: Entry | None, place: int) -> Any:
    """The history of one live result."""
    if node is None or node[0] is ONE:
        return node
    return result_entry(node, place, node[SHAPE][place])
