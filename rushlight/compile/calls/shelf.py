"""The programs of one function, and for which sizes of tensors there are more of them.

Batches padded to their longest text, the growing past of a decoder: calls that differ in sizes
alone are of one *kind*. A few programs of a kind are made at once. After those, sizes must come a
second time before there is a program for them: those that never do cost no more than the eager
call. When as many are kept as may be, one makes way that has not run since the new sizes came
first, and sizes must come twice as often from then on: however long it goes on, the number of
programs that were ever made grows with the logarithm of the number of calls.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from ...core.state import STATE
from ...core.tensor import Tensor
from ..tracing.varied import PLACES, mark_of
from .bound import Argument, Bound, fits
from .guards import Place, look
from .opened import Opened, opened, plain_parts
from .refused import AGAIN

FREE = 4  # programs of a kind that are made at once
KEPT = 64  # programs of one function
ROOM = 1 << 30  # bytes that all their temporaries may take
TOLD = 2 * KEPT  # calls that ran eagerly, after which that is said
_REMEMBERED = 1024  # sizes for which there is no program yet
_NUMBERS = (int, float)
_GONE = (KeyError, IndexError, AttributeError, ValueError)
TOO_MANY = (
    "{} programs were made for different inputs; this call and others of new kinds run eagerly."
    " Inputs that differ in shape can be padded to one; see step.explain() for what differed"
)
WAITING = (
    "has programs for {} sets of sizes; calls whose tensors have sizes that have not come before"
    " run eagerly. Inputs can be padded to fewer sizes; see step.explain()"
)

Key = tuple[Any, Any]


class Card:
    """What is known of a program on the shelf: its sizes, its kind, when it ran last."""

    __slots__ = ("hidden", "kind", "sizes", "used")

    def __init__(self, sizes: Any, kind: int, used: int) -> None:
        self.sizes, self.kind, self.used = sizes, kind, used
        self.hidden: list[Any] = []  # of tensors outside; None: the program does not see it

    def suits(self, key: Key) -> bool:
        """Whether a program may be for a call with these sizes."""
        if self.sizes != key[0]:
            return False
        return all(own is None or own == one for own, one in zip(self.hidden, key[1]))


class _Met:
    """Sizes for which there is no program: how often they came, and since when that is counted."""

    __slots__ = ("count", "since")

    def __init__(self, since: int) -> None:
        self.count, self.since = 1, since


class Shelf:
    """The programs of one function; `strict`: no more than `limit`, whatever they differ in."""

    def __init__(self, limit: int, strict: bool) -> None:
        self.limit, self.strict = limit, strict
        self.programs: list[Bound] = []
        self.waited = 0  # calls that ran eagerly as their sizes had not come often enough
        self._hidden: list[Place] = []  # places of tensors outside that are of other sizes at times
        self._met: OrderedDict[Key, _Met] = OrderedDict()
        self._turned: dict[Any, list[int]] = {}  # calls that were not admitted: how many, of what
        self._clock = self._made = self._kinds = 0
        self._next = 0  # the kind of the program that is being made

    def key(self, args: Any, kwargs: Any) -> Key:
        """The sizes of all tensors that may be of others at the next call, and texts."""
        return _sizes_of(args, kwargs), tuple([_sizes(_found(place)) for place in self._hidden])

    def suited(self, key: Key) -> list[Bound]:
        """The programs that may be for a call with these sizes and texts."""
        self._clock += 1
        return [one for one in self.programs if one.card.suits(key)]

    def turns_away(self, key: Key) -> bool:
        """Whether calls of this look were not admitted; it is asked again after ever more of them.

        What they look like is not all that admits them.
        """
        known = self._turned.get((key, STATE.grad))
        if known is None:
            return False
        known[0] += 1
        if known[0] < known[1]:
            return True
        known[:] = 0, 2 * known[1]
        return False

    def _turn_away(self, key: Key) -> None:
        if len(self._turned) < _REMEMBERED:
            self._turned.setdefault((key, STATE.grad), [0, AGAIN])

    def use(self, bound: Bound) -> None:
        """A program runs."""
        bound.card.used = self._clock

    def add(self, bound: Bound) -> None:
        """One program more, the first to be tried."""
        bound.card = Card(_sizes_of(*bound.arguments), self._next, self._clock)
        bound.card.hidden = [_expected(bound, place) for place in self._hidden]
        self.prefer(bound)

    def prefer(self, bound: Bound) -> None:
        """Try a program first from now on."""
        if self.programs:
            self.use(self.programs[0])  # whose runs nobody counts
        self.programs = [bound, *(one for one in self.programs if one is not bound)]

    @property
    def kinds(self) -> int:
        """How many kinds of calls there are programs for; of a strict shelf, how many programs."""
        return len(self.programs if self.strict else {one.card.kind for one in self.programs})

    @property
    def _needed(self) -> int:
        """How often sizes must come before there is a program for them."""
        return 2 << self._made // KEPT

    def waits(self, key: Key) -> bool:
        """Whether sizes without a program are known, and are to come more often."""
        met = self._met.get(key)
        if met is None:
            return False
        self._met.move_to_end(key)
        met.count += 1
        self.waited += met.count < self._needed
        return met.count < self._needed

    def admits(
        self, args: Any, kwargs: Any, now: Any, refused: bool, others: int = 0
    ) -> bool | None:
        """Whether to make a program of a call; None: of its kind, but only when it comes again.

        `refused`: a program for these sizes will not do, for another reason. There are programs
        for `others` kinds elsewhere.
        """
        kind = None if self.strict or refused else self._kind_of(args, kwargs, now)
        if kind is None:
            self._kinds = self._next = self._kinds + 1
            admitted = self.kinds + others < self.limit
            if not admitted:
                self._turn_away(self.key(args, kwargs))
            return admitted
        self._next = kind
        alike = sum(one.card.kind == kind for one in self.programs)
        if alike < FREE or self._come_again(args, kwargs):
            return True
        self.waited += 1
        return None

    def _come_again(self, args: Any, kwargs: Any) -> bool:
        """Whether sizes have come often enough, and there is room for their program."""
        key = self.key(args, kwargs)
        met = self._met.get(key)
        if met is None:
            self._met[key] = _Met(self._clock)
            if len(self._met) > _REMEMBERED:
                self._met.popitem(last=False)
            return False
        if met.count < self._needed:
            return False
        if len(self.programs) >= KEPT or sum(map(_temporaries, self.programs)) > ROOM:
            oldest = min(self.programs[1:], key=lambda one: one.card.used)
            if oldest.card.used >= met.since:
                self._met[key] = _Met(self._clock)
                return False
            self.programs = [one for one in self.programs if one is not oldest]
        del self._met[key]
        self._made += 1
        return True

    def _kind_of(self, args: Any, kwargs: Any, now: Any) -> int | None:
        """The kind of a call that differs from those of programs in sizes alone."""
        for one in self.programs:
            wanted = tuple(one.arguments)
            if now != one.modes or one.once or not _alike((args, kwargs), wanted, ()):
                continue
            hidden = _hidden(one.places)
            if hidden is None or not (hidden or _sizes_of(args, kwargs) != one.card.sizes):
                continue
            self._note(hidden)
            return one.card.kind
        return None

    def _note(self, places: list[Place]) -> None:
        """Go by the sizes in these places too."""
        known = set(map(mark_of, self._hidden))
        new = [place for place in places if mark_of(place) not in known]
        if new:
            self._hidden += new
            for one in self.programs:
                one.card.hidden = [_expected(one, place) for place in self._hidden]

    def told(self) -> list[str]:
        """What `explain()` says of sizes."""
        told = []
        if len(self.programs) > self.kinds:
            told.append(
                f"{len(self.programs)} programs for {self.kinds} kind(s) of calls: the others"
                f" differ in the sizes of tensors alone (at most {KEPT} are kept)"
            )
        if self.waited:
            told.append(
                f"{self.waited} call(s) ran eagerly with sizes (or whole numbers among the"
                f" arguments) that had come fewer than {self._needed} times: beyond {FREE}"
                " programs there is one for sizes that come again. Inputs can be padded to fewer"
                " sizes"
            )
        return told


def _temporaries(bound: Bound) -> int:
    """The bytes of memory that a program keeps for itself."""
    halves = (bound.program, getattr(bound.halves, "program", None))
    plans = (getattr(getattr(one, "native", None), "plan", None) for one in halves)
    return sum(plan.size for plan in plans if plan is not None)


def _sizes_of(args: Any, kwargs: Any) -> tuple[Any, ...]:
    """The shapes of all tensors in arguments, or in a pattern of some; texts as they are."""
    found: list[Any] = []
    for x in args:
        _collect(x, found, ())
    for x in kwargs.values():
        _collect(x, found, ())
    return tuple(found)


def _collect(x: Any, found: list[Any], above: tuple[Any, ...]) -> None:
    if isinstance(x, Tensor):
        found.append(getattr(x._array, "shape", None))
    elif type(x) is Argument:
        found.append(x.shape)
    elif type(x) is str:
        found.append(x)
    elif type(x) is Opened:
        for part in x.parts:
            _collect(part, found, above)
    else:
        parts, inside = plain_parts(x), above
        if parts is None:
            how = opened(x, above)
            parts, inside = (() if how is None else how.parts(x)), (*above, x)
        for part in parts:
            _collect(part, found, inside)


def _sizes(form: Any) -> Any:
    """The sizes in what `forms` says of a place."""
    if type(form) is tuple and len(form) == 2:
        rest = [part for _, part in form[1]] if form[0] is dict else form[1]
        return tuple(map(_sizes, rest))
    return form[1] if type(form) is tuple else None


def _found(place: Place) -> Any:
    try:
        return look(place)
    except _GONE:
        return None


def _expected(bound: Bound, place: Place) -> Any:
    """The sizes that a program is for at a place, if it goes by them."""
    mark = mark_of(place)
    same = [one for one in bound.places if one.kind == "like" and mark_of(one) == mark]
    return _sizes(same[0].expected) if same else None


def _hidden(places: list[Place]) -> list[Place] | None:
    """The places that hold tensors of other sizes; None if any differs in something else."""
    found = []
    for place in places:
        if place.holds():
            continue
        try:
            now = look(place)
        except _GONE:
            return None
        if place.kind == "like" and _form_but_sizes(now) == _form_but_sizes(place.expected):
            found.append(place)
        elif place.kind not in PLACES or not _both_numbers(now, place.expected):
            return None
    return found


def _form_but_sizes(form: Any) -> Any:
    if type(form) is tuple and len(form) == 2:
        if form[0] is dict:
            return dict, [(key, _form_but_sizes(part)) for key, part in form[1]]
        return form[0], list(map(_form_but_sizes, form[1]))
    if type(form) is tuple:
        kind, shape, dtype, _, wants = form
        return kind, len(shape), dtype, wants
    return form


def _both_numbers(a: Any, b: Any) -> bool:
    return type(a) is type(b) and type(a) in _NUMBERS


def _alike(value: Any, wanted: Any, above: tuple[Any, ...]) -> bool:
    """Whether arguments are of a pattern but for sizes, and numbers, which may go with them."""
    if type(wanted) is Argument:
        return wanted.fits_but_sizes(value)
    if type(wanted) is Opened:
        parts = wanted.how.parts(value) if wanted.has_form(value) else ()
        inside = (*above, value)
        return len(parts) == len(wanted.parts) and all(
            _alike(part, one, inside) for part, one in zip(parts, wanted.parts)
        )
    if _both_numbers(value, wanted):
        return True
    parts = plain_parts(wanted)
    if parts is None:
        return fits(value, wanted, [], above)
    if type(value) is not type(wanted) or len(value) != len(wanted):
        return False
    if isinstance(wanted, dict) and list(value) != list(wanted):
        return False
    return all(_alike(part, one, above) for part, one in zip(plain_parts(value), parts))
