"""From a captured graph to a core graph: each op of the registry said in the few core ops.

A rule is `rule(s, *operands, *params)` with the `Builder` as `s`; elementwise ops declare theirs as
`Primitive.lower`, all others stand in the tables of the `lower_*` modules. An op without a rule, or
met with types that no kernel has, stays a call of its own NumPy evaluation (`extern`), so lowering
always succeeds.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from inspect import signature
from typing import Any

from ...core.primitive import REGISTRY
from ..lower import (
    activations as lower_activations,
)
from ..lower import (
    contract as lower_contract,
)
from ..lower import (
    convolution as lower_convolution,
)
from ..lower import (
    elementwise as lower_elementwise,
)
from ..lower import (
    grids as lower_grids,
)
from ..lower import (
    indexing as lower_indexing,
)
from ..lower import (
    losses as lower_losses,
)
from ..lower import (
    norms as lower_norms,
)
from ..lower import (
    numpy as lower_numpy,
)
from ..lower import (
    pool as lower_pool,
)
from ..lower import (
    recurrent as lower_recurrent,
)
from ..lower import (
    reduce as lower_reduce,
)
from ..lower import (
    structure as lower_structure,
)
from ..lower.builder import Builder
from ..lower.moulds import Moulds
from ..lower.value import FLOAT32, NotNative, Value
from .foreign import fill, has_hole, operand_count, restored
from .graph import BFLOAT16, FOREIGN, Graph, Node, native, order

Rule = Callable[..., Any]
_taken = functools.cache(signature)

TABLE: dict[str, Rule] = {
    **lower_elementwise.TABLE, **lower_activations.TABLE, **lower_structure.TABLE,
    **lower_reduce.TABLE, **lower_contract.TABLE, **lower_indexing.TABLE, **lower_norms.TABLE,
    **lower_losses.TABLE, **lower_recurrent.TABLE, **lower_pool.TABLE,
    **lower_convolution.TABLE, **lower_grids.TABLE,
}  # fmt: skip
KEPT = frozenset(("input", "constant", "draw", "extern"))


def lower(graph: Graph) -> Graph:
    """The same computation in core ops; draws of random numbers keep their order."""
    s = Builder()
    moulds = Moulds(s)
    values: dict[Node, Any] = {node: Value(s, node) for node in graph.inputs}
    wanted = _wanted(graph)
    for node in sorted(graph.nodes, key=lambda node: node.index):
        if node in values:
            continue
        s.line, s.module, s.wanted = node.line, node.module, wanted.get(node, ())
        values[node] = _lowered(s, node, values, moulds)
    effects = [values[node].node for node in graph.effects]
    return Graph(graph.inputs, [values[node].node for node in graph.outputs], effects)


def lower_one(node: Node, fixed: Sequence[bool]) -> tuple[list[Node], list[Node], Any] | None:
    """One captured op alone in core ops: its operands, the steps, and the result (or results).

    Operands that are `fixed` and constants of the graph keep their values, which rules may look at.
    None for an op that has no rule.
    """
    s = Builder()
    inputs = [
        x if known and x.op == "constant" else Node("input", (), (k,), x.shape, x.dtype)
        for k, (x, known) in enumerate(zip(node.inputs, fixed))
    ]
    try:
        found = _native(s, node, [Value(s, x) for x in inputs])
    except NotNative:
        return None
    several = type(found) is tuple
    nodes = [x and x.node for x in (found if several else (found,))]
    steps = order([x for x in nodes if x], inputs)[len(inputs) :]
    return inputs, steps, tuple(nodes) if several else nodes[0]


def _wanted(graph: Graph) -> dict[Node, set[int]]:
    """Which outputs of the ops with several are read."""
    wanted: dict[Node, set[int]] = {}
    for node in graph.nodes:
        if node.op == "output_of":
            wanted.setdefault(node.inputs[0], set()).add(node.params[0])
    return wanted


def _lowered(s: Builder, node: Node, values: dict[Node, Any], moulds: Moulds) -> Any:
    """The value of a captured node: one, or a tuple for several outputs."""
    if node.op == "output_of":
        whole = values[node.inputs[0]]
        if type(whole) is tuple:
            return whole[node.params[0]]
        return s.make("output_of", (whole,), node.params, node.shape, node.dtype)
    xs = [values[x] for x in node.inputs]
    if node.op not in KEPT:
        try:
            return moulds.lowered(node, xs, _native)
        except NotNative:
            pass
    return _foreign(s, node, xs)


def _native(s: Builder, node: Node, xs: list[Any]) -> Any:
    several = type(node.dtype) is tuple
    kinds = node.dtype if several else (node.dtype,)
    if any(type(x) is Value and not native(x.dtype) for x in xs):
        raise NotNative("an operand's type")
    if not several:
        if not native(node.dtype):
            raise NotNative("the result's type")
        if 0 in node.shape:
            return s.zeros(node.shape, node.dtype)
    xs = [_wide(s, x) for x in xs]
    rule, arguments, keywords = _call(node, xs)
    s.kinds = kinds
    found = rule(s, *arguments, **keywords)
    if not several:
        return _checked(s, found, node.shape, kinds[0])
    if len(found) != len(kinds) or any(found[place] is None for place in s.wanted):
        raise NotNative("an output that only the op itself makes")
    return tuple(
        None if one is None else _checked(s, one, shape, kind)
        for one, shape, kind in zip(found, node.shape, kinds)
    )


def _call(node: Node, xs: list[Any]) -> tuple[Rule, Any, Any]:
    """The rule of a node and its arguments, holes filled."""
    if "." in node.op:
        rule = lower_numpy.TABLE.get(node.op)
        if rule is None:
            raise NotNative(node.op)
        args, kwargs = (fill(template, xs) for template in node.params)
        try:
            _taken(rule).bind(None, *args, **kwargs)
        except TypeError:
            raise NotNative("arguments that the rule does not take") from None
        return rule, args, kwargs
    prim = REGISTRY.get(node.op)
    rule = TABLE.get(node.op) or (prim and prim.lower)
    if prim is None or not callable(rule):
        raise NotNative(node.op)
    params = node.params
    if has_hole(params):
        params, xs = fill(params, xs), xs[: operand_count(params, len(xs))]
    xs = [None if type(x) is Value and _nothing(x.node) else x for x in xs]
    if prim.arity is None:
        return rule, (xs, *params), {}
    return rule, (*restored(prim, xs), *params), {}


def _nothing(node: Node) -> bool:
    """Whether a node stands for an operand that is None."""
    return node.op == "constant" and node.params[0] is None


def _wide(s: Builder, x: Any) -> Any:
    """An operand as rules know it: bfloat16 as float32; what comes of it is rounded."""
    return s.cast(x, FLOAT32) if type(x) is Value and x.dtype.char == BFLOAT16 else x


def _checked(s: Builder, found: Any, shape: Any, dtype: Any) -> Value:
    found = s.wrap(found)
    if dtype.char == BFLOAT16 and found.dtype == FLOAT32:
        found = s.cast(found, dtype)
    if found.shape != tuple(shape) or found.dtype != dtype:
        raise NotNative(f"{found.dtype}{found.shape} for {dtype}{shape}")
    return found


def _foreign(s: Builder, node: Node, xs: list[Any]) -> Value:
    """The node as it was captured; an op of the registry becomes `extern`."""
    if node.op in KEPT or "." in node.op or node.op not in REGISTRY:
        if not node.inputs:
            return Value(s, node)
        return s.make(node.op, xs, node.params, node.shape, node.dtype)
    if not has_hole(node.params):  # what is missing has no memory; `foreign.restored` knows where
        xs = [x for x in xs if not (type(x) is Value and _nothing(x.node))]
    return s.make("extern", xs, (node.op, node.params), node.shape, node.dtype)


def native_share(graph: Graph) -> tuple[int, int]:
    """How many nodes of a core graph kernels compute, and how many NumPy does."""
    outside = sum(not _is_native(node) for node in graph.nodes)
    return len(graph.nodes) - outside, outside


def _is_native(node: Node) -> bool:
    return node.op not in FOREIGN and "." not in node.op
