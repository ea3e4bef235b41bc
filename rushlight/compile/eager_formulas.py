"""Formulas of eager operations as core graphs: each op in one lowers itself on `Value`s."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.dispatch import WRAPPERS
from ..core.heavy import FORMULAS
from ..core.primitive import REGISTRY, Primitive
from .graph import Graph, Node
from .kernels import program
from .kernels.running import Program
from .lower import losses
from .lower.builder import Builder
from .lower.value import NotNative, Value
from .lowering import TABLE
from .simplify import simplify


def _on_values(prim: Primitive, inputs: tuple[Any, ...], params: tuple[Any, ...]) -> Any:
    """An op of a formula, by its own lowering rule."""
    rule = TABLE.get(prim.name) or prim.lower
    if not callable(rule):
        raise NotNative(prim.name)
    s = next(x.s for x in inputs if type(x) is Value)
    return rule(s, *((inputs,) if prim.arity is None else inputs), *params)


WRAPPERS[Value] = _on_values


def build(
    name: str, args: tuple[Any, ...], outputs: Sequence[np.ndarray], over: int = 0
) -> Program:  # fmt: skip
    """A program of the arrays among `args` whose results are like `outputs`.

    The first `over` results overwrite the arrays that come first.
    """
    s, inputs, steps, given = Builder(), [], [], []
    for x in args:
        if type(x) is np.ndarray:
            inputs.append(Node("input", (), (len(inputs),), x.shape, x.dtype))
            steps.append(tuple(step // x.itemsize for step in x.strides))
            x = Value(s, inputs[-1])
        given.append(x)
    graph = Graph(inputs, _results(s, _found(name, given), outputs))
    donate = {k: k for k in range(over)}
    return program.build(simplify(graph)[0], strides=steps, donate=donate)


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


def _results(s: Builder, found: Any, outputs: Sequence[np.ndarray]) -> list[Node]:
    values = [one for one in (found if type(found) is tuple else (found,)) if one is not None]
    nodes = []
    for value, y in zip(map(s.wrap, values), outputs, strict=True):
        if value.shape != y.shape or value.dtype != y.dtype:
            raise NotNative(f"{value.dtype}{value.shape} for {y.dtype}{y.shape}")
        nodes.append(value.node)
    return nodes
