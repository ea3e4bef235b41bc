"""Convolutions that generated kernels do, and what is computed at the end of their tiles.

The core op `conv` has the letters of a product as its first parameter, then stride, padding and
dilation. Its operands have their groups apart: x (n, g, c, h, w), the weight (g, o, c, i, j), the
result (n, g, o, a, b). Each of the three directions is a product of the other two.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Container, Sequence
from typing import Any

import numpy as np

from ..code.emit import Function, Module, Value, vector
from ..kernels import nest as nests
from ..kernels.expression import Expression, Layout, Store, Term, stores
from ..kernels.nest import Nest
from ..kernels.schedule import Group, Schedule
from ..kernels.terms import Terms
from ..middle.graph import Node
from ..middle.verify import InvalidGraph
from ..records import record, replace
from .conv_channels import emit_channels
from .conv_channels_plan import ChannelPlan, plan_channels
from .conv_depth import DepthPlan, emit_depth, plan_depth
from .conv_depth_weight import DepthWeightPlan, emit_depth_weight, plan_depth_weight
from .conv_images import ImagesPlan, emit_images, plan_images
from .conv_kernel import Driver
from .conv_plan import STACK, Array, Correlation, Shape, axes_of, plan_correlation
from .conv_weight import emit_weight
from .conv_weight_plan import WeightPlan, plan_weight
from .dispatch import around, behind
from .gemm import CHUNK_FLOPS, KernelCall
from .winograd import emit_filter
from .winograd_plan import FilterPlan, plan_filter
from .winograd_weight_plan import MinimalPlan, plan_minimal

PLACES = 576  # of a window: each is code of its own, which takes seconds to make from there on
CLOSE = 1.05  # how much more cycles lanes along channels may take: they wait less for memory
FEWER = 0.94  # of the cycles that lanes along images may take: their estimate is the rougher one
MINIMAL = 0.85  # of the cycles that minimal filtering may take: less would not be worth its rules
KINDS = {"ngchw,gocij->ngoab": "forward", "ngoab,gocij->ngchw": "data",
         "ngoab,ngchw->gocij": "weight"}  # fmt: skip


def letters_of(node: Node) -> dict[str, int]:
    """The size of every letter of a `conv` node."""
    operands, result = node.params[0].split("->")
    parts = [*operands.split(","), result]
    return {c: n for part, x in zip(parts, (*node.inputs, node)) for c, n in zip(part, x.shape)}


def shape_of(node: Node) -> Shape:
    return _shape(letters_of(node), node.params[1:4])


def _shape(at: dict[str, int], rest: Any) -> Shape:
    n, g, o, c = (at[x] for x in "ngoc")
    h, k, p = ((at[x], at[y]) for x, y in ("hw", "ij", "ab"))
    stride, padding, dilation = rest
    return Shape(n, g, o, c, h, k, p, stride, padding, dilation)


def native(spec: str, sizes: dict[str, int], dtype: np.dtype[Any], at: Any) -> bool:
    """Whether there is a kernel for a convolution of these sizes, on every processor."""
    if dtype.name not in ("float32", "float64") or 0 in sizes.values():
        return False
    if sizes["i"] * sizes["j"] > PLACES:
        return False
    kind = KINDS[spec]
    shape, lanes = _shape(sizes, at), vector(dtype, 64 // dtype.itemsize)
    whole = Array(0, 0, (1,) * 5)
    if kind == "weight":
        return WeightPlan(lanes, shape, whole, whole, whole, vectors=4).stack <= STACK
    rows, terms = (shape.outs, shape.ins) if kind == "forward" else (shape.ins, shape.outs)
    axes = axes_of(kind, shape)
    plan = Correlation(
        lanes, shape.images, shape.groups, rows, terms, axes, whole, whole, tile=(6, 4)
    )  # fmt: skip
    return not _one_column(kind, shape) and plan.stack <= STACK


def _one_column(kind: str, shape: Shape) -> bool:
    """Whether the rows of a result by places are of one element: no lanes can lie along them."""
    return kind != "weight" and axes_of(kind, shape)[1].out == 1


@record
class Convolution:
    """One convolution with its members.

    Where its operands are words of two terms, the plan's type is "pairs": tiles multiply these, all
    else only moves them, and the sums are float32.
    """

    expression: Expression
    plan: (
        Correlation | ChannelPlan | DepthPlan | DepthWeightPlan | FilterPlan | ImagesPlan
        | MinimalPlan | WeightPlan
    )  # fmt: skip
    nest: Nest
    variables: dict[str, Any]  # by letter: the group's variables that number it, with their steps
    result: Term
    stores: list[Store]
    scratch: int
    flops: int

    @property
    def signature(self) -> str:
        return f"{self.plan}{self.expression.signature()}{[s.slot for s in self.stores]}"

    def write(self, module: Module, name: str, target: Any) -> list[KernelCall]:
        """Add the kernels."""
        if isinstance(self.plan, (MinimalPlan, WeightPlan)):
            return emit_weight(module, name, self.plan, len(self.expression.slots))
        if isinstance(self.plan, DepthWeightPlan):
            return emit_depth_weight(module, name, self.plan)
        slot = len(self.expression.slots)
        if isinstance(self.plan, FilterPlan):
            return emit_filter(
                module, name, self.plan, self._finish, slot, self.flops, self._flat()
            )  # fmt: skip
        if isinstance(self.plan, ChannelPlan):
            return emit_channels(
                module, name, self.plan, self._finish, slot, self.flops, self._touched(),
                self._flat(),
            )  # fmt: skip
        if isinstance(self.plan, DepthPlan):
            units = emit_depth(module, name, self.plan, self._finish)
        elif isinstance(self.plan, ImagesPlan):
            units = emit_images(module, name, self.plan, self._finish, self._flat())
        else:
            units = Driver(module, name, self.plan, self._finish).emit()
        grain = max(1, CHUNK_FLOPS * units // max(1, self.flops))
        return [KernelCall(name, units, grain, self.flops)]

    def _flat(self) -> bool:
        """Whether rows of a plane lie behind each other in all that the end reads and writes."""
        (_, down), (_, across) = list(self.variables.values())[-2:]
        if len(down) != 1 or len(across) != 1 or (down[0][1], across[0][1]) != (1, 1):
            return False
        (a, _), (b, _) = down[0], across[0]
        terms = behind(self.stores)
        indices = [store.index for store in self.stores] + [t.index for t in terms if t.index[1]]
        straight = all(
            dict(index[1]).get(a, 0) == self.nest.extents[b] * dict(index[1]).get(b, 0)
            for index in indices
        )  # fmt: skip
        known = {t.kind for t in terms} <= {"load", "op", "constant", "result"}
        return straight and known and not any(x.looked for x in (*self.stores, *terms))

    def _touched(self) -> list[Array]:
        """What the end reads and writes, as far as every place has an element of it."""
        found = [(s.slot, s.index, s.value.dtype) for s in self.stores if not s.looked]
        found += [
            (t.slot, t.index, t.dtype) for t in behind(self.stores)
            if t.kind == "load" and not t.looked
        ]  # fmt: skip
        dtype = self.result.dtype
        return [
            Array(slot, index[0], _steps(index, self.variables))
            for slot, index, kind in dict.fromkeys(found) if kind == dtype
        ]  # fmt: skip

    def _finish(self, f: Function, value: Value, place: Any, mask: Value | None) -> None:
        """The members' values, from one vector of finished sums."""
        terms = Terms(f, self.expression, self.nest, whole=False)
        for index, number in zip(self.variables.values(), place):
            terms.counters.update(_pieces(f, index, number, self.nest.extents))
        terms.blocks, terms.mask = 1, mask
        terms.keep(self.result, [Value(value.name, value.type.of(self.result.dtype))])
        terms.ask(behind(self.stores))
        for store in self.stores:
            terms.store(store)


def _pieces(f: Function, index: Any, number: Any, extents: dict[int, int]) -> dict[int, Any]:
    """The loop variables that together number one letter."""
    found: dict[int, Any] = {}
    for v, step in index[1]:
        piece = number
        if step != 1:
            piece = piece // step if isinstance(piece, int) else f.emit(
                piece.type, f"udiv {piece.typed}, {step}"
            )  # fmt: skip
        if len(index[1]) > 1 and step * extents[v] < _extent(index, extents):
            piece = piece % extents[v] if isinstance(piece, int) else f.emit(
                piece.type, f"urem {piece.typed}, {extents[v]}"
            )  # fmt: skip
        found[v] = piece
    return found


def _extent(index: Any, extents: dict[int, int]) -> int:
    return 1 + sum(step * (extents[v] - 1) for v, step in index[1])


def convolution(
    group: Group, schedule: Schedule, layout: Layout, target: Any, frozen: Container[Node] = ()
) -> Convolution:
    """A group around a `conv` as kernels and what follows them; `frozen` values never change."""
    expression, root, (a, b), result, own = around(group, schedule, layout)
    node = root.node
    written = [s for s in stores(expression) if s is not own or root in group.stored]
    expression.phases[0].stores = written
    del expression.phases[1:]
    first, second, out = (_named(part, at, group, root) for part, at in _coordinates(root))
    nest = _nest(group, out[node.params[0][-1]])
    nests.mark(expression, nest)
    nest.lanes = target.lanes(node.dtype)
    operands = [_array(t, part) for t, part in ((a, first), (b, second))]
    owners = [owner for owner, _ in expression.operands()]
    kept = owners[operands[1].slot] in frozen and not group.chain
    plan, scratch = _plan(node, operands, _array_of(own, out), target, kept)
    flops = shape_of(node).flops * (1 + _in_words(node))
    return Convolution(expression, plan, nest, out, result, written, scratch, flops)


def _coordinates(root: Any) -> list[tuple[str, Any]]:
    operands, result = root.node.params[0].split("->")
    (_, left), (_, right) = root.sinks
    return list(zip([*operands.split(","), result], (left, right, root.own)))


def _named(part: str, at: Any, group: Group, root: Any) -> dict[str, Any]:
    """By letter, the index that numbers it in the group's variables."""
    return dict(zip(part, group.at(root, at)))


def _nest(group: Group, lanes: Any) -> Nest:
    extents = dict(enumerate(group.extents))
    nest = Nest(extents, list(extents), [])
    nest.vector = lanes[1][-1][0] if lanes[1] else None
    nest.at = dict.fromkeys(extents, 0)
    return nest


def _array(t: Term, part: dict[str, Any]) -> Array:
    return Array(t.slot, t.index[0], _steps(t.index, part))


def _array_of(store: Store, part: dict[str, Any]) -> Array:
    return Array(store.slot, store.index[0], _steps(store.index, part))


def _steps(index: Any, part: dict[str, Any]) -> tuple[int, ...]:
    """Elements from one value of each letter to the next."""
    at = dict(index[1])
    found = []
    for _, pieces in part.values():
        last = next((v for v, step in pieces if step == 1), None)
        found.append(at.get(last, 0))
    return tuple(found)


def _plan(
    node: Node, operands: list[Array], out: Array, target: Any, kept: bool
) -> tuple[Any, int]:
    kind, shape = KINDS[node.params[0]], shape_of(node)
    if _one_column(kind, shape):  # a vector's stores would pass the end of the result
        raise InvalidGraph(f"{node!r}: no kernel makes a result of one column")
    named = _named_arrays(kind, operands, out)
    steps = tuple(array.steps for array in named.values())
    plan = replace(_cheapest(kind, shape, _multiplied(node), steps, target, kept), **named)
    return plan, 0 if isinstance(plan, Correlation) else plan.scratch


def _named_arrays(kind: str, operands: Sequence[Array], out: Array) -> dict[str, Array]:
    """What a plan reads and writes, by its names for them."""
    one, two = operands
    if kind == "data":  # rows are the channels of the input
        g, o, c, i, j = two.steps
        two = Array(two.slot, two.offset, (g, c, o, i, j))
    if kind == "weight":
        return {"grad": one, "source": two, "out": out}
    return {"source": one, "weight": two}


def _in_words(node: Node) -> bool:
    """Whether the operands are words of two bfloat16."""
    return node.inputs[0].dtype != node.dtype


def _multiplied(node: Node) -> str:
    """The type that tiles multiply."""
    return "pairs" if _in_words(node) else node.dtype.name


def cycles(node: Node, target: Any) -> float:
    """What a `conv` takes, roughly, where its operands lie in C order."""
    arrays = [Array(0, 0, _dense(x.shape)) for x in (*node.inputs, node)]
    kind, shape = KINDS[node.params[0]], shape_of(node)
    named = _named_arrays(kind, arrays[:2], arrays[2])
    steps = tuple(array.steps for array in named.values())
    return _cheapest(kind, shape, _multiplied(node), steps, target, False).cost * shape.images


def _dense(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(math.prod(shape[dim + 1 :]) for dim in range(len(shape)))


@functools.lru_cache(1024)
def _cheapest(kind: str, shape: Shape, dtype: str, steps: Any, target: Any, kept: bool) -> Any:
    """The plan for operands that lie like this, wherever that is; `kept`: weights stay packed."""
    arrays = [Array(0, 0, at) for at in steps]
    least = _least(kind, shape, dtype, target)
    if kind == "weight":
        grad, source, out = arrays
        single = plan_depth_weight(shape, dtype, grad, source, out, target)
        if single is not None:
            return single
        tiled = plan_minimal(shape, dtype, grad, source, out, target) if target.minimal else None
        if _takes_less(tiled, MINIMAL * least):
            return tiled
        direct = plan_weight(shape, dtype, grad, source, out, target)
        return tiled if _takes_less(tiled, MINIMAL * direct.cost) else direct
    source, weight = arrays
    single = plan_depth(kind, shape, dtype, source, weight, target)
    if single is not None and dtype != "pairs":
        return single
    few = plan_filter(kind, shape, dtype, source, weight, target, kept)
    turned = plan_images(kind, shape, dtype, source, weight, target)
    if turned is not None:  # it leaves out what meets nothing but zeros
        least = min(least, turned.cost)
    if _takes_less(few, MINIMAL * least):
        return few
    plan = plan_correlation(kind, shape, dtype, source, weight, target)
    assert plan is not None, f"no plan for {kind} {shape}"
    wide = plan_channels(kind, shape, dtype, source, weight, target, kept)
    best: Any = wide if _takes_less(wide, CLOSE * plan.cost) else plan
    if _takes_less(turned, FEWER * best.cost):
        best = turned
    return few if _takes_less(few, MINIMAL * best.cost) else best


def _takes_less(plan: Any, cycles: float) -> bool:
    return plan is not None and plan.cost < cycles


def _least(kind: str, shape: Shape, dtype: str, target: Any) -> float:
    """Cycles per image of the multiply-adds alone, at two vectors a cycle; of stride 1.

    No plan that follows the definition takes fewer: none has to be looked at where another way
    takes fewer still.
    """
    places = math.prod(shape.size if kind == "data" else shape.out)
    sums = shape.groups * shape.ins * shape.outs * math.prod(shape.kernel) * places
    return sums / target.lanes(dtype) / 2
