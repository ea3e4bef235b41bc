"""Rules of the backward pass that were traced once are noted again, without being run.

A step of a loop, or a layer of a kind, comes many times over, and each time the same rule runs on
arrays of the same form. A rule sees forms, parameters, and which operands want a gradient, never
values; so what it noted for one tape entry it would note for every entry told alike. These notes
are kept as a mould: of the next such entry its nodes are copied over the new operands, and its
results, which wait as any others, are the rule's own should somebody ask for them.

A mould is made only of rules that do nothing but compute new arrays: whatever draws, asks about
values, writes to operands, meets new inputs or gives views of what it was given runs every time.
"""

from __future__ import annotations

import marshal
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from ...core.tape import INPUTS, OUTPUT, PARAMS, PARENTS, PRIM, shape_of
from ..middle.graph import BFLOAT16, Node, order
from .later import one_form, sure, unfilled
from .required import ASKS
from .traced import Traced, covers

PLAIN = frozenset((int, float, bool, str, type(None)))
Entry = list[Any]


class Pulls:
    """The moulds of one sweep; between two, switches that rules look at may change."""

    def __init__(self, tracer: Any) -> None:
        self.tracer = tracer
        self._known: dict[Any, Any] = {}  # a mould, or what it is made of; None if there is none
        self._short: set[Any] = set()  # ops whose rules hand gradients on as they are

    def pulled(self, entry: Entry, g: Any) -> Any:
        """What `pull(g, entry)` of the entry's op gives."""
        prim = entry[PRIM]
        if prim in self._short or not self.tracer.later.on or not self.tracer.place:
            return pull(entry, g)
        operands = _operands(g, entry)
        key = None if operands is None else _key(entry, operands)
        if operands is None or key is None:
            return pull(entry, g)
        if key not in self._known:
            return self._traced(key, entry, g, operands)
        known = self._known[key]
        if type(known) is _Notes:  # most rules come but once
            known = self._known[key] = known.mould()
        if known is None:
            return pull(entry, g)
        return known.filled(self.tracer, entry, g, operands)

    def _traced(self, key: Any, entry: Entry, g: Any, operands: Sequence[Traced]) -> Any:
        """The rule run, and a mould made of what it notes."""
        before, first = self._marks(operands), Node("", (), (), (), None).index
        found = pull(entry, g)
        notes = None
        if self._marks(operands) == before and self.tracer.later.on:
            with suppress(_Otherwise):
                notes = _Notes(found, operands, first)
                if not notes.made:
                    self._short.add(entry[PRIM])
        self._known[key] = notes
        return found

    def _marks(self, operands: Sequence[Traced]) -> Any:
        """What a rule that only computes leaves as it is."""
        tracer = self.tracer
        notes = tracer.draws, tracer.required, tracer.sources, tracer.lifted
        return *map(len, notes), *[x.cell.version for x in operands]


class _Otherwise(Exception):
    """A rule that has to run each time."""


def _operands(g: Any, entry: Entry) -> list[Traced] | None:
    """The arrays that a rule is given: gradients, saved operands, the saved result."""
    found = list(g) if type(g) is tuple else [g]
    for kept in (entry[INPUTS], entry[OUTPUT]):
        found += kept if type(kept) is tuple else () if kept is None else (kept,)
    for x in found:
        if x is not None and (type(x) is not Traced or x.version != x.cell.version):
            return None
    return [x for x in found if x is not None]


def _key(entry: Entry, operands: Sequence[Traced]) -> Any:
    """All that a rule may look at; None where that cannot be said."""
    params = entry[PARAMS]
    if params and not plain(params):
        return None
    seen: dict[Any, int] = {}
    forms = []
    for k, x in enumerate(operands):
        memory = x.memory
        forms.append((memory.shape, memory.strides, memory.dtype.char, seen.setdefault(x.node, k)))
    inputs, output = entry[INPUTS], entry[OUTPUT]
    given = [x is None for x in inputs] if type(inputs) is tuple else inputs is None
    kept = [x is None for x in output] if type(output) is tuple else output is None
    shapes = [None if x is None else tuple(shape_of(x)) for x in entry[PARENTS]]
    try:
        told = marshal.dumps((params, given, kept, shapes), 0)
    except ValueError:
        return None
    return entry[PRIM], told, *forms


def plain(params: Any) -> bool:
    """Whether params hold nothing but numbers, words and tuples of them."""
    for part in params:
        kind = type(part)
        if kind not in PLAIN and (kind is not tuple or not plain(part)):
            return False
    return True


class _Notes:
    """What a rule gave for some operands, of which a mould can be made."""

    def __init__(self, found: Any, operands: Sequence[Traced], first: int) -> None:
        if type(found) not in (tuple, list):
            raise _Otherwise
        self.given, self.first, self.several = [x.node for x in operands], first, type(found)
        self.made: list[Node] = []  # what is in memory of its own
        self.forms: list[Any] = []
        self.places: list[int] = []  # where the rule gives that
        self.results: list[tuple[bool, int]] = []  # operands, or what was made, by place
        seen: dict[int, int] = {}
        cells = {id(x.cell) for x in operands}
        for place, x in enumerate(found):
            of = next((k for k, y in enumerate(operands) if x is y), -1)
            if of < 0 and x is not None and id(x) not in seen:
                self._made(x, place, cells)
                seen[id(x)] = len(self.made) - 1
            self.results.append((of >= 0, of if of >= 0 else seen.get(id(x), -1)))

    def _made(self, x: Any, place: int, cells: set[int]) -> None:
        """A result that is neither an operand nor a view, and waits."""
        if type(x) is not Traced or id(x.cell) in cells or not x.cell.waits:
            raise _Otherwise
        if not covers(x.memory, x.cell.base):
            raise _Otherwise
        cells.add(id(x.cell))
        self.made.append(x.read())
        self.forms.append(_form(x.memory))
        self.places.append(place)

    def mould(self) -> _Mould | None:
        """The mould; None where the rule has to run each time."""
        try:
            return _Mould(self)
        except _Otherwise:
            return None


class _Mould:
    """The nodes that a rule noted, by place: in front the operands' nodes, then its own."""

    def __init__(self, notes: _Notes) -> None:
        given, self.notes = set(notes.given), notes
        made = [x for x in order(notes.made, notes.given) if x not in given]
        made.sort(key=lambda node: node.index)
        places = {x: k for k, x in reversed(list(enumerate([*notes.given, *made])))}
        self.steps = [_step(node, places, notes.first) for node in made]
        self.nodes = [places[x] for x in notes.made]
        notes.given, notes.made = [], []

    def filled(self, tracer: Any, entry: Entry, g: Any, operands: Sequence[Traced]) -> Any:
        """The same over the operands of another entry."""
        nodes, line = [x.node for x in operands], tracer.place
        for op, reads, params, shape, dtype, told in self.steps:
            inputs = [nodes[x] for x in reads]
            nodes.append(Node(op, inputs, params, shape, dtype, line if told else ""))
        notes = self.notes
        memory = [unfilled(form) for form in notes.forms]
        if memory:
            real = list(entry)
            real[INPUTS], real[OUTPUT] = _held(entry[INPUTS]), _held(entry[OUTPUT])
            tracer.later.put_off(_computed, (real, _held(g), notes.places), {}, memory)
        fresh = [tracer.fresh(y, nodes[at]) for y, at in zip(memory, self.nodes)]
        return notes.several([
            None if k < 0 else operands[k] if of else fresh[k] for of, k in notes.results
        ])  # fmt: skip


def pull(entry: Entry, g: Any) -> Any:
    """What the rule of an entry gives: one that reads bfloat16 computes in float32 as kernels do.

    What it gives is rounded once, to the types of what was read.
    """
    given = _each(entry[INPUTS]), _each(entry[OUTPUT])
    if entry[PRIM].rounds or not any(_is_half(x) for part in given for x in part):
        return entry[PRIM].pull(g, entry)
    real = list(entry)
    real[INPUTS], real[OUTPUT] = _wide(entry[INPUTS]), _wide(entry[OUTPUT])
    found = entry[PRIM].pull(_wide(g), real)
    alike = next(x.dtype for part in given for x in part if _is_half(x))
    kinds = [getattr(x, "dtype", alike) for x in given[0]]
    kinds += [alike] * (len(found) - len(kinds))
    return [
        y.astype(kind) if kind == alike and getattr(y, "dtype", kind) != kind else y
        for y, kind in zip(found, kinds)
    ]


def _each(value: Any) -> Sequence[Any]:
    return value if type(value) in (tuple, list) else (value,)


def _is_half(x: Any) -> bool:
    return type(x) in (Traced, np.ndarray) and x.dtype.char == BFLOAT16


def _wide(value: Any) -> Any:
    """Arrays of bfloat16 as float32."""
    if type(value) in (tuple, list):
        return type(value)(map(_wide, value))
    return value.astype(np.float32) if _is_half(value) else value


def _step(node: Node, places: dict[Node, int], first: int) -> Any:
    """How a node is made again."""
    if node.index <= first:
        raise _Otherwise  # something that is no operand
    made = node.op not in ("constant", "output_of")
    if made and (node.op in ASKS or not sure(node.op, node.inputs)):  # type: ignore[arg-type]  # asks their types
        raise _Otherwise  # it may raise, so it must not wait
    reads = [places[x] for x in node.inputs]
    return node.op, reads, node.params, node.shape, node.dtype, bool(node.line)


def _form(y: np.ndarray) -> Any:
    form = one_form(y, ())
    if type(form) is not tuple:
        raise _Otherwise
    return form


def _held(value: Any) -> Any:
    """The memory of a traced array, or of several."""
    if type(value) is tuple:
        return tuple([_held(part) for part in value])
    if type(value) is not Traced:
        return value
    node = value.node
    return node.params[0] if node.op == "constant" and value.cell.source is None else value.memory


def _computed(entry: Entry, g: Any, places: Sequence[int]) -> list[Any]:
    """What a rule gives for arrays that are there by now, at some places."""
    found = pull(entry, g)
    return [found[place] for place in places]
