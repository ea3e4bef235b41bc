"""Formulas of eager operations as core graphs: each op in one lowers itself on `Value`s."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...core.dispatch import WRAPPERS
from ...core.heavy import FORMULAS, ROUNDING
from ...core.primitive import REGISTRY, Primitive
from ..code import llvm
from ..kernels import program
from ..lower import losses
from ..lower.builder import Builder
from ..lower.value import NotNative, Value
from ..middle.graph import Graph, Node, takes
from ..middle.lowering import TABLE
from ..middle.simplify import simplify


def _on_values(prim: Primitive, inputs: tuple[Any, ...], params: tuple[Any, ...]) -> Any:
    """An op of a formula, by its own lowering rule."""
    rule = TABLE.get(prim.name) or prim.lower
    if not callable(rule):
        raise NotNative(prim.name)
    s = next(x.s for x in inputs if type(x) is Value)
    return rule(s, *((inputs,) if prim.arity is None else inputs), *params)


WRAPPERS[Value] = _on_values


def build(
    name: str, args: tuple[Any, ...], over: int, target: llvm.Target
) -> tuple[Any, list[int] | None]:  # fmt: skip
    """What runs a formula of the arrays among `args`, and the places of results that are None.

    The first `over` results overwrite the arrays that come first. With one result there are no
    places but None; what runs it is None where that takes more than one native segment.
    """
    s, inputs, steps, given = Builder(), [], [], []
    for x in args:
        if type(x) is np.ndarray:
            inputs.append(Node("input", (), (len(inputs),), x.shape, x.dtype))
            steps.append(tuple(step // x.itemsize for step in x.strides))
            x = Value(s, inputs[-1])
        given.append(x)
    found = _found(name, given)
    several = type(found) is tuple
    parts = found if several else (found,)
    graph = Graph(inputs, _results(s, parts, over > 0 or name in ROUNDING))
    donate = {k: k for k in range(over)}
    built = program.single(simplify(graph)[0], target, donate, steps)
    return built, [k for k, one in enumerate(parts) if one is None] if several else None


def _found(name: str, given: list[Any]) -> Any:
    formula = FORMULAS.get(name)
    if formula is not None:
        return formula(*given)
    rule = losses.EAGER.get(name)
    if rule is not None:
        return rule(next(x.s for x in given if type(x) is Value), *given)
    prim = REGISTRY[name]
    arity = prim.arity or 0
    return _on_values(prim, tuple(given[:arity]), tuple(given[arity:]))


def _results(s: Builder, found: tuple[Any, ...], rounds: bool) -> list[Node]:
    nodes = [s.wrap(one).node for one in found if one is not None]
    if not all(takes(node.dtype, rounds) for node in nodes):
        raise NotNative("a result of another type")
    return nodes
