"""A small function taken apart: its primal and its adjoint trace as tables, and every path."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

import numpy as np

from ..core.dispatch import OUTPUT_OF
from ..core.primitive import Elementwise
from ..core.state import unwatch, watch
from ..core.tape import LEAF, PARAMS, PARENTS, PRIM, SHAPE, Entry
from ..core.tensor import Tensor, wrap
from .leaves import Late
from .modes import enable_grad
from .picture import Tape
from .tables import Table
from .traces_words import computed_as, local_words, number_text

MOST_PATHS = 64


@dataclass
class Step:
    """One operation: its name in the tables, how it is computed, and its value."""

    name: str
    formula: str
    value: Any
    op: str
    sources: list[Any] = field(default_factory=list)  # for each operand: an adjoint's key, or None
    operands: list[str] = field(default_factory=list)  # names or numbers of the operands


@dataclass
class Term:
    """One contribution to an adjoint: along the edge from `step` to its operand `to`."""

    step: str
    to: str
    words: str  # the local derivative as a formula, where one is known
    local: Any  # its value: the diagonal for an operation on each element; None for others
    value: Any  # the contribution


class Traces:
    """What `traces` found: `primal`, `terms` of the adjoints, `gradients`, and `paths`."""

    def __init__(self, steps: list[Step], inputs: dict[str, Any], terms: list[Term], adjoints: Any):
        self.primal, self.inputs, self.terms = steps, inputs, terms
        self.adjoints: dict[str, Any] = adjoints
        self.gradients = {name: adjoints.get(name, np.zeros_like(inputs[name])) for name in inputs}

    def primal_table(self) -> Table:
        """The values from the inputs to the result, in the order they are computed."""
        rows = [[name, "", number_text(value)] for name, value in self.inputs.items()]
        rows += [[step.name, step.formula, number_text(step.value)] for step in self.primal]
        return Table(["value", "computed as", "is"], rows, right={2})

    def adjoint_table(self) -> Table:
        """The adjoints (v̄ is d result / d v) from the result back to the inputs.

        One row per edge, with its local derivative; a row of its own where several edges add up.
        """
        result = self.primal[-1].name if self.primal else ""
        rows = [[bar(result), "seed", "", number_text(self.adjoints.get(result, 1.0))]]
        left: dict[str, int] = {}
        for term in self.terms:
            left[term.to] = left.get(term.to, 0) + 1
        several = {name for name, count in left.items() if count > 1}
        for term in self.terms:
            edge = f"∂{term.step}/∂{term.to}"
            words = f"{edge} = {term.words}" if term.words else edge
            if term.local is not None:
                words += f" = {number_text(term.local)}" if term.words != _plain(term) else ""
            sign = "+=" if term.to in several else "="
            rows.append(
                [f"{bar(term.to)} {sign}", f"{bar(term.step)} · {edge}", words,
                 number_text(term.value)]
            )  # fmt: skip
            left[term.to] -= 1
            if term.to in several and not left[term.to]:
                total = number_text(self.adjoints[term.to])
                rows.append([bar(term.to), "all together", "", total])
        return Table(["adjoint", "from", "local derivative", "is"], rows, right={3})

    def paths(self, name: str) -> list[tuple[list[str], list[float]]]:
        """Every way from the result back to input `name`: its names and its local derivatives.

        The gradient is the sum over paths of the products. Raises ValueError where a value on the
        way is not a single number.
        """
        if name not in self.inputs:
            raise KeyError(f"{name!r} is none of the inputs {', '.join(self.inputs)}")
        below: dict[str, list[Term]] = {}
        for term in self.terms:
            below.setdefault(term.step, []).append(term)
        found: list[tuple[list[str], list[float]]] = []
        stack: list[tuple[list[str], list[float]]] = [([self.primal[-1].name], [])]
        while stack and len(found) < MOST_PATHS:
            names, factors = stack.pop()
            if names[-1] == name:
                found.append((names, factors))
            for term in reversed(below.get(names[-1], ())):
                if term.local is None or np.size(term.local) != 1 or np.size(term.value) != 1:
                    raise ValueError("paths are written out for single numbers only")
                stack.append(([*names, term.to], [*factors, float(np.ravel(term.local)[0])]))
        return found

    def path_table(self) -> Table | None:
        """The product along every path and their sums; None unless all values are numbers."""
        rows = []
        try:
            for name in self.inputs:
                ways = self.paths(name)
                for names, factors in ways:
                    product = " · ".join(_factor(value) for value in factors)
                    value = number_text(math.prod(factors))
                    rows.append([f"∂/∂{name}", " → ".join(names), product, value])
                if len(ways) > 1:
                    total = number_text(sum(math.prod(factors) for _, factors in ways))
                    rows.append(["", "sum over paths", "", total])
        except ValueError:
            return None
        return Table(["derivative", "path", "product", "is"], rows, right={3})

    def _parts(self) -> list[tuple[str, Table]]:
        found = [
            ("forward (primal) trace", self.primal_table()),
            ("reverse (adjoint) trace", self.adjoint_table()),
        ]
        paths = self.path_table()
        return found if paths is None else [*found, ("along each path", paths)]

    def text(self) -> str:
        """All tables for a terminal."""
        return "\n\n".join(f"{title}\n{table.text()}" for title, table in self._parts())

    __str__ = __repr__ = text

    def markdown(self) -> str:
        """All tables for a Markdown file."""
        return "\n\n".join(f"**{title}**\n\n{table.markdown()}" for title, table in self._parts())

    def html(self) -> str:
        """All tables for a page."""
        return "".join(f"<h4>{escape(title)}</h4>{table.html()}" for title, table in self._parts())

    _repr_html_ = html


def _plain(term: Term) -> str:
    return "" if term.local is None else number_text(term.local)


def _factor(value: float) -> str:
    text = number_text(value)
    return f"({text})" if text.startswith("-") else text


def bar(name: str) -> str:
    """v̄ for v: the adjoint's name."""
    return f"{name[:1]}̄{name[1:]}"


def _named(function: Callable[..., Any], inputs: Sequence[Any], named: dict[str, Any]) -> dict:
    """Names for the inputs: the function's own parameter names where they can be read."""
    try:
        own = [
            p.name for p in inspect.signature(function).parameters.values()
            if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
        ]  # fmt: skip
    except (TypeError, ValueError):
        own = []
    own += [f"x{place + 1}" for place in range(len(own), len(inputs))]
    return {**dict(zip(own, inputs)), **named}


def _leaf(value: Any) -> Tensor:
    """An input that wants its gradient; numbers become float64."""
    array = value._array if isinstance(value, Tensor) else np.asarray(value, np.float64)
    if array.dtype.kind not in "fV":
        raise TypeError(f"traces() differentiates real numbers, not {array.dtype.name}")
    return wrap(array.copy(), LEAF)


def traces(function: Callable[..., Any], *inputs: Any, **named: Any) -> Traces:
    """The forward and the reverse trace of `function(*inputs)`: values and local derivatives.

    inputs: numbers or tensors. The result must be one tensor; if it has several elements the
    adjoint trace is of their sum. `.gradients` holds the derivatives, `.paths(name)` the ways.
    Source: Baydin et al. 2018, https://jmlr.org/papers/v18/17-468.html (tables 2 and 3)
    Raises TypeError for what is not a real number, ValueError if nothing depends on the inputs.

    >>> import rushlight as torch
    >>> found = torch.traces(lambda w, x, b: 1 / ((-(w * x + b)).exp() + 1), 2.0, 0.5, -1.0)
    >>> print(found.primal_table())
    value  computed as   is
    -----  -----------  ---
    w                     2
    x                   0.5
    b                    -1
    v1     w · x          1
    v2     v1 + b         0
    v3     -v2            0
    v4     exp(v3)        1
    v5     v4 + 1         2
    v6     1 / v5       0.5
    >>> found.gradients["w"].item()
    0.125
    """
    given = {name: _leaf(value) for name, value in _named(function, inputs, named).items()}
    positional = list(given.values())[: len(inputs)]
    seen: dict[int, tuple[Any, Any, Entry]] = {}

    def note(entry: Entry, value: Any, operands: Any) -> None:
        seen[id(entry)] = value, operands, entry  # the entry is kept so that its id stays its own

    watch(note)
    try:
        with enable_grad():
            result = function(*positional, **{name: given[name] for name in named})
    finally:
        unwatch(note)
    if not isinstance(result, Tensor) or type(result._entry) is not list:
        raise ValueError("the function's result does not depend on its inputs")
    return _take_apart(result, given, seen)


def _take_apart(result: Tensor, given: dict[str, Tensor], seen: Any) -> Traces:
    tape = Tape([result])
    names = {id(leaf): name for name, leaf in given.items()}
    for leaf in tape.leaves.values():
        names.setdefault(id(leaf), f"p{len(names) - len(given) + 1}")
    steps = []
    for place, entry in enumerate(tape.entries):
        names[id(entry)] = f"v{place + 1}"
        value, operands, _ = seen.get(id(entry), (None, (), None))
        steps.append(_step(entry, value, operands, names))
    inputs = {name: leaf._array for name, leaf in given.items()}
    adjoints, terms = _adjoints(tape, result, steps, names)
    return Traces(steps, inputs, terms, adjoints)


def _name_of(parent: Any, names: dict[int, str]) -> str | None:
    if type(parent) is list and parent[PRIM] is OUTPUT_OF:
        return f"{names[id(parent[PARENTS][0])]}[{parent[PARAMS][0]}]"
    return None if parent is None else names[id(parent)]


def _step(entry: Entry, value: Any, operands: Any, names: dict[int, str]) -> Step:
    given = operands if isinstance(operands, (tuple, list)) else (operands,)
    words, sources = [], []
    for place, parent in enumerate(entry[PARENTS]):
        name = _name_of(parent, names)
        sources.append(name)
        if name is None:
            x = given[place] if place < len(given) else None
            x = x._array if isinstance(x, Tensor) else x
            name = "constant" if x is None else number_text(x)
        words.append(name)
    op = entry[PRIM].name
    formula = computed_as(op, words, entry[PARAMS])
    return Step(names[id(entry)], formula, value, op, sources, words)


def _adjoints(tape: Tape, result: Tensor, steps: list[Step], names: dict[int, str]) -> Any:
    """The reverse sweep by hand: every contribution is a `Term`."""
    adjoints: dict[str, Any] = {}
    top = _name_of(result._entry, names)
    assert top is not None
    adjoints[top] = np.ones_like(result._array)
    terms: list[Term] = []
    for entry, step in zip(reversed(tape.entries), reversed(steps)):
        g = _gradient_at(entry, step, adjoints)
        if g is None:
            continue
        grads = entry[PRIM].pull(g, entry)
        locals_ = _locals(entry, g)
        for place, (parent, found) in enumerate(zip(entry[PARENTS], grads)):
            to = step.sources[place]
            if to is None or found is None:
                continue
            shape = parent[SHAPE] if type(parent) is list else parent._array.shape
            value = Late.sum_to(np.asarray(found), shape)
            words = local_words(step.op, place, step.operands, step.name)
            terms.append(Term(step.name, to, words, locals_[place], value))
            adjoints[to] = adjoints[to] + value if to in adjoints else value
    return adjoints, terms


def _gradient_at(entry: Entry, step: Step, adjoints: dict[str, Any]) -> Any:
    """The adjoint of an operation's value; a tuple, with zeros, if it has several."""
    shapes = entry[SHAPE]
    if not (isinstance(shapes, tuple) and shapes and isinstance(shapes[0], tuple)):
        return adjoints.get(step.name)
    parts = [adjoints.get(f"{step.name}[{place}]") for place in range(len(shapes))]
    known = next((part for part in parts if part is not None), None)
    if known is None:
        return None
    return tuple(
        np.zeros(shape, known.dtype) if part is None else part for part, shape in zip(parts, shapes)
    )


def _locals(entry: Entry, g: Any) -> list[Any]:
    """The local derivatives: numbers, or the diagonal of an operation on each element."""
    nothing: list[Any] = [None] * len(entry[PARENTS])
    if type(g) is tuple or (type(entry[PRIM].rule) is not Elementwise and g.size != 1):
        return nothing
    return list(entry[PRIM].pull(np.ones_like(g), entry))
