"""A captured call bound to the world: fetch the inputs, run the program, repeat the effects."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ...core.inference import InferenceTensor
from ...core.locks import fork_safe
from ...core.state import STATE
from ...core.tape import FOLLOWED, LEAF, mark_written
from ...core.tensor import Tensor, wrap
from ..tracing.capture import Captured
from ..tracing.changes import through, window
from ..tracing.parts import own
from ..tracing.required import Refused
from ..tracing.results import Container, Result, alike, parts_of
from ..tracing.same import Same
from ..tracing.schedules import number
from ..tracing.sources import NUMBERS, Held, Owner, Source, owner_in
from ..tracing.telling import ALL, told_apart
from .apart import overlapping
from .backward import output_entry
from .guards import ABSENT, Place, Standing, modes, same, set_on
from .opened import STATES, Above, Opened, layout, opened, plain_parts
from .returned import may_give_back
from .texts import Texts, texts_in


def frozen(captured: Captured) -> list[int]:
    """Inputs that hardly ever change: large tensors of a call that writes and derives nothing."""
    if captured.joint is not None or captured.writes or captured.gradients:
        return []
    return [
        k for k, source in enumerate(captured.sources)
        if source.kind == "tensor" and source.array.nbytes >= FOLLOWED
    ]  # fmt: skip


def takers(captured: Captured) -> list[Owner]:
    """The tensors that get gradients, if an argument is among them: no two must be one tensor."""
    found = [x for x, _ in captured.gradients]
    found += [source.owner for source in captured.sources if source.kind == "gradient"]
    return list(dict.fromkeys(found)) if any(type(x) in (int, Held) for x in found) else []


HOOKED = 3


class Argument:
    """What a tensor argument must look like."""

    __slots__ = ("absent", "dtype", "history", "kind", "named", "shape", "strides")

    def __init__(self, x: Tensor) -> None:
        array = x._array
        self.kind, self.shape, self.dtype, self.strides = (
            type(x), array.shape, array.dtype, array.strides,
        )  # fmt: skip
        self.history = history(x)
        self.named = set_on(x)
        self.absent: frozenset[str] = frozenset()  # names that the call asks for, and x has not

    @property
    def expecting(self) -> bool:
        """Whether it counts what somebody has set on the tensor."""
        return bool(self.named or self.absent)

    def as_set(self, x: Any) -> bool:
        """Whether what is set on a tensor is what was set on that one."""
        table = vars(x)
        alike = all(same(table.get(name, ABSENT), value) for name, value in self.named.items())
        return alike and self.absent.isdisjoint(table)

    def fits(self, x: Any) -> bool:
        """Whether a value is a tensor of this form."""
        if type(x) is not self.kind or self.history == HOOKED:
            return False
        array = x._array
        return (
            array.shape == self.shape and array.dtype == self.dtype
            and array.strides == self.strides and history(x) == self.history
            and (not self.expecting or self.as_set(x))
        )  # fmt: skip

    def fits_but_sizes(self, x: Any) -> bool:
        """The same, whatever the sizes are."""
        if type(x) is not self.kind or self.history == HOOKED or x._array.dtype != self.dtype:
            return False
        alike = len(x._array.shape) == len(self.shape) and history(x) == self.history
        return alike and (not self.expecting or self.as_set(x))

    def __str__(self) -> str:
        grad = ", requires grad" if self.history else ""
        return f"{self.dtype}{list(self.shape)}{grad}"

    __repr__ = __str__  # in containers


def history(x: Tensor) -> int:
    """0: no gradient, 1: a leaf that wants one, 2: computed, 3: hooks would see its gradient."""
    entry = x._entry
    if entry is LEAF and (x._hooks or x._post_accumulate_hooks):
        return HOOKED
    return 0 if entry is None else 1 if entry is LEAF else 2


def pattern(value: Any) -> Any:
    """Nested arguments with each tensor replaced by its form."""
    STATES.settle()
    return _pattern(value, ())


def _pattern(value: Any, above: tuple[Any, ...]) -> Any:
    if isinstance(value, Tensor):
        return Argument(value)
    parts = plain_parts(value)
    if parts is not None:
        return alike(value, [_pattern(part, above) for part in parts])
    how = opened(value, above)
    if how is not None:
        inside = (*above, value)
        return Opened(value, how, [_pattern(part, inside) for part in how.parts(value)])
    if type(value) is weakref.ref:
        return next((Above(k) for k, x in enumerate(above) if value() is x), value)
    return value


def expects(wanted: Any, asked: Iterable[str]) -> bool:
    """Whether it counts what is set on arguments, of a call that asks for attributes by name."""
    if type(wanted) is Argument:
        names = [name for name in asked if not hasattr(wanted.kind, name)]
        wanted.absent = frozenset(names).difference(wanted.named)
        return wanted.expecting
    found = [expects(part, asked) for part in parts_of(wanted) or ()]  # all are told
    return any(found)


def sets(wanted: Any) -> bool:
    """Whether somebody has set something on a tensor among arguments."""
    if type(wanted) is Argument:
        return bool(wanted.named)
    return any(map(sets, parts_of(wanted) or ()))


def fits(value: Any, wanted: Any, leaves: list[Tensor], above: tuple[Any, ...] = ()) -> bool:
    """Whether arguments match a pattern; the tensors among them are collected on the way.

    `above` are the objects taken apart that hold the value.
    """
    kind = type(wanted)
    if kind is Argument:
        leaves.append(value)
        return wanted.fits(value)
    if kind is Opened:
        return _fits_opened(value, wanted, leaves, above)
    if kind is Above:
        return type(value) is weakref.ref and value() is above[wanted.place]
    parts = plain_parts(wanted)
    if parts is None:
        return _is_same(value, wanted)
    return (
        type(value) is kind and len(value) == len(wanted)
        # keys in order too: someone may go through them
        and (not issubclass(kind, dict) or list(value) == list(wanted))
        and all(fits(part, one, leaves, above) for part, one in zip(plain_parts(value), parts))
    )  # fmt: skip


def _is_same(value: Any, wanted: Any) -> bool:
    if same(value, wanted):
        return True
    if type(value) is type(wanted) and layout(type(value)) is not None:
        STATES.notice(type(value))
    return False


def _fits_opened(value: Any, wanted: Opened, leaves: list[Tensor], above: tuple[Any, ...]) -> bool:
    if not wanted.has_form(value):
        return False
    inside, parts = (*above, value), wanted.how.parts(value)
    if all(fits(part, one, leaves, inside) for part, one in zip(parts, wanted.parts)):
        return True
    if wanted.counts(value):
        STATES.notice(value)
    return False


class Bound:
    """One program with its guards: `matches` decides whether it may run, `__call__` runs it."""

    def __init__(
        self, captured: Captured, program: Any, halves: Any, arguments: Any, modes: Any,
        first: Any = None,
    ) -> None:  # fmt: skip
        self.captured, self.program, self.modes = captured, program, modes
        self.halves, self.first = halves, first  # `first` asks whether the values will do
        self.engines = list({id(x): x for x in map(_engine, captured.graph.effects)}.values())
        self.arguments = arguments
        self.expecting = expects(arguments, captured.asked)
        made = captured.results, captured.stored, captured.given
        self.once = may_give_back(made, arguments)  # it is for the traced call alone
        self.conditions: dict[str, Any] = {}  # on numbers among the arguments, asked by the caller
        self.places: list[Place] = captured.places
        self.presence = captured.presence
        self.standing = Standing(self.places)
        self.holds = self.standing.holds  # whether all places are as they were
        self._sources = captured.sources
        self._forms = [(s.array.shape, s.array.dtype, s.array.strides) for s in self._sources]
        self._aliases, self._takers = self._sharing(), takers(captured)
        written = {place for place, _ in captured.writes}
        tensors = [k for k, source in enumerate(self._sources) if source.kind not in NUMBERS]
        self._written = len(written)  # the first of those that must lie apart
        self._apart = sorted(tensors, key=lambda k: k not in written) if written else []
        texts = texts_in(made)
        self.texts = Texts(texts, captured.items, captured.keyed, "n")
        inputs = [source.owner for source in self._sources if source.kind == "text"]
        self.before = Texts(inputs, (), captured.keyed, "b")
        self._lock = fork_safe(self)
        self.runs = 0
        self.fast: Any = None  # the generated short way, where there is one
        self.card: Any = None  # what the function's shelf knows of it

    def let_go(self) -> None:
        """Keep nothing alive of the call that it was made of."""
        for source in self._sources:
            source.let_go()

    def conclude(self) -> None:
        """What Python does after every run."""
        for step in self.captured.afterwards:
            step()

    def _sharing(self) -> list[tuple[int, int]]:
        """Pairs of inputs of which one is written: they must not come to share memory."""
        written = {place for place, _ in self.captured.writes}
        tensors = [i for i, s in enumerate(self._sources) if s.kind not in NUMBERS]
        arguments = {
            i for i in tensors
            if self._sources[i].kind in ("argument", "item") or type(self._sources[i].owner) is int
        }  # fmt: skip
        few = sorted(arguments)
        return [(i, j) for i in written for j in (tensors if i in arguments else few) if i != j]

    def matches(self, args: Any, kwargs: Any, leaves: list[Tensor]) -> bool:
        """Whether everything that the program takes for granted is so."""
        return (
            self.fits(args, kwargs, modes(), leaves)
            and self.holds()
            and self.captured.apart in (None, told_apart(args, kwargs, self.places))
            and all(
                (owner_in(x, leaves)._grad is None) == (had is None) for x, had in self.presence
            )
        )

    def fits(self, args: Any, kwargs: Any, modes: Any, leaves: list[Tensor] | None = None) -> bool:
        """Whether the program is for arguments of this form in these modes."""
        leaves, (wanted, named) = [] if leaves is None else leaves, self.arguments
        alike = modes == self.modes and not self.once and fits(args, wanted, leaves)
        return alike and fits(kwargs, named, leaves)

    def fetch(self, leaves: Sequence[Tensor], drawn: Sequence[Any] = ()) -> list[np.ndarray] | None:
        """The arrays of all inputs, or None when one has another form than it had."""
        arrays = []
        if len({id(owner_in(x, leaves)) for x in self._takers}) != len(self._takers):
            return None
        if self.before and not self._foretell(leaves, drawn):
            return None
        for source, (shape, dtype, strides) in zip(self._sources, self._forms):
            array = _FETCH[source.kind](source, leaves)
            if array.shape != shape or array.dtype != dtype or array.strides != strides:
                return None
            if type(array) is not np.ndarray:  # another thread traces: a stand-in
                return None
            arrays.append(array)
        for where, place, form in self.captured.shared:
            if where is ALL:
                if not self._told_apart(leaves, place):
                    return None
                continue
            x = leaves[where] if type(where) is int else where
            if form is None:
                if x is not leaves[place]:
                    return None
            elif window(x._array, arrays[place]) != form:
                return None
        if any(np.may_share_memory(arrays[i], arrays[j]) for i, j in self._aliases):
            return None
        if self._apart and overlapping([arrays[k] for k in self._apart], self._written):
            return None
        return arrays

    def sized(self, *arrays: np.ndarray) -> bool:
        """Whether inputs have the sizes that they had."""
        return all(x.shape == form[0] for x, form in zip(arrays, self._forms))

    def _told_apart(self, leaves: Sequence[Tensor], count: int) -> bool:
        """Whether there are so many tensors among the arguments, none of them known by a name."""
        found = {id(x) for x in leaves}
        named = {id(x) for x, *_ in self.captured.shared if isinstance(x, Tensor)}
        known = {id(one.expected) for one in self.places if isinstance(one.expected, Tensor)}
        return len(found) == count and found.isdisjoint(known - named)

    def _foretell(self, leaves: Sequence[Tensor], drawn: Sequence[Any]) -> bool:
        """Compute the numbers that are inputs, if that is possible."""
        try:
            found = self.before.values((), drawn, self.captured.here.values(), leaves)
            for source in self._sources:
                if source.kind == "text":
                    source.array[()] = found[source.owner]
        except (ArithmeticError, ValueError, TypeError, KeyError, IndexError):
            return False
        return True

    def __call__(
        self, arrays: list[np.ndarray], leaves: Sequence[Tensor], drawn: Any = (), given: Any = ()
    ) -> Any:
        captured = self.captured
        with self._lock:
            outputs = self.outputs(arrays)
            self.runs += 1
            if captured.writes:
                self.write(arrays, outputs)
        captured.moves.repeat(leaves, arrays, outputs)
        own(captured.parts, arrays, outputs, captured.orders)
        for x, index in captured.gradients:
            owner_in(x, leaves)._grad = None if index is None else wrap(outputs[index])
        node = None
        if captured.joint is not None and STATE.grad:
            node = self.halves.entry(leaves, arrays, outputs)
        numbers: dict[str, Any] = {}
        if self.texts:
            numbers = self.texts.values(outputs, drawn, captured.here.values(), leaves)
        run = Run(outputs, arrays, node, leaves, numbers, {}, captured.viewed, self._sources, given)
        stored = [build(template, run) for template in captured.stored]
        for spot, value in zip(captured.stores, stored):
            spot.put(value)
        result, told = build(captured.results, run), build(captured.given, run)
        self.conclude()
        for spot, value in zip(captured.said, told):
            spot.put(value)
        return result

    def outputs(self, arrays: list[np.ndarray]) -> list[np.ndarray]:
        """Run the program; where that will not do, nothing is written nor drawn."""
        if self.first is not None:
            (fine,) = self.first.run([arrays[place] for place in self.captured.required.reads])
            if not fine:
                raise Refused
        states = [engine.get_state() for engine in self.engines]
        try:
            outputs = self.program.run(arrays)
            if self.captured.late is not None and not outputs[self.captured.late]:
                raise Refused
        except Exception as error:
            for engine, state in zip(self.engines, states):
                engine.set_state(state)
            raise Refused from error
        return outputs

    def write(self, arrays: list[np.ndarray], outputs: list[np.ndarray]) -> None:
        """New content for the inputs that the call writes, once nothing reads the old."""
        writes = [pair for pair in self.captured.writes if pair[0] not in self.program.wrote]
        for place in self.program.wrote:
            mark_written(arrays[place])
        targets = [arrays[place] for place, _ in writes]
        given = set(map(id, arrays)) if targets else ()
        for index, y in enumerate(outputs if targets else ()):
            inner = y.base is not None or id(y) in given
            if inner and any(np.may_share_memory(y, x) for x in targets):
                outputs[index] = y.copy()
        for place, index in writes:
            np.copyto(arrays[place], outputs[index])
            mark_written(arrays[place])


def _engine(draw: Any) -> Any:
    return draw.params[0]


class Run(NamedTuple):
    """What one run has given; `node` is the tape's entry for live results, `made` all so far."""

    outputs: Sequence[np.ndarray]
    arrays: Sequence[np.ndarray]
    node: Any
    leaves: Sequence[Tensor]
    numbers: dict[str, Any]
    made: dict[Any, Any]
    viewed: Sequence[Result]  # what stands for the tensors that others are views of
    sources: Sequence[Source]
    given: Any  # the arguments


def build(template: Any, run: Run) -> Any:
    """The returned structure with its tensors and numbers."""
    kind = type(template)
    if kind is Result:
        if template.kind in _MADE:
            if template not in run.made:
                found = _made(template, run.outputs, run.arrays, run.node)
                if template.kind in ("part", "view") and template.value.base is not None:
                    template.value.link(found, _base(template, run))
                run.made[template] = found
            return run.made[template]
        if template.kind == "number":
            return run.numbers[template.value]
        if template.kind == "argument":
            return run.leaves[template.index]
        value = template.value
        if template.kind == "held":
            return owner_in(value, run.leaves)
        return owner_in(value, run.leaves)._grad if template.kind == "gradient" else value
    if kind is dict:
        return {key: build(part, run) for key, part in template.items()}
    if kind is Same:
        return template.found(run.made, run.given, lambda part: build(part, run))
    if issubclass(kind, Container):
        return template.built([build(part, run) for part in template.parts])
    return alike(template, [build(part, run) for part in template])


def _base(template: Result, run: Run) -> Tensor:
    """The tensor of which a result is a view: another result, or an input's."""
    number = template.value.base
    if template.kind == "part":
        return build(run.viewed[number], run)
    return owner_in(run.sources[number].owner, run.leaves)


_MADE = ("new", "view", "beside", "part")


def _made(
    template: Result, outputs: Sequence[np.ndarray], arrays: Sequence[np.ndarray], node: Any
) -> Tensor:
    """A result that is another tensor at every call: new memory, or a view of an input's."""
    entry = template.entry
    if type(entry) is int:
        entry = output_entry(node, entry)
    if template.kind == "new":
        found = wrap(outputs[template.index], entry[:] if type(entry) is list else entry)
    elif template.kind == "part":
        array = template.value.of(outputs[template.index])
        found = wrap(array, entry[:] if type(entry) is list else entry)
    elif template.kind == "beside":
        array = template.value.of(arrays, outputs)
        found = wrap(array, entry[:] if type(entry) is list else entry)
    else:
        array = arrays[template.index]
        if template.value.where is not None:
            array = through(array, *template.value.where)
        found = wrap(array, entry)
    if found._inference is not template.inferred:  # a view is what it looks at, in either mode
        found.__class__ = InferenceTensor if template.inferred else Tensor
    return found


def _number(source: Source, leaves: Sequence[Tensor]) -> np.ndarray:
    source.array[()] = number(source.owner, source.path)
    return source.array


def _spot(source: Source, leaves: Sequence[Tensor]) -> np.ndarray:
    source.array[()] = source.owner.now()
    return source.array


def _gradient(source: Source, leaves: Sequence[Tensor]) -> np.ndarray:
    return owner_in(source.owner, leaves)._grad._array


_FETCH = {
    "argument": lambda source, leaves: leaves[source.owner]._array,
    "tensor": lambda source, leaves: source.owner._array,
    "gradient": _gradient,
    "item": lambda source, leaves: source.owner[source.key]._array,
    "number": _number,
    "spot": _spot,
    "text": lambda source, leaves: source.array,
}
