"""One traced call, turned into a graph with everything that a run of it must repeat.

What the call left behind is compared with what stood before: results, memory written, gradients
set. Each becomes an output of the graph and one of its effects. Python state that changed cannot be
repeated by a program, and is the reason a call stays eager.
"""

from __future__ import annotations

import dataclasses
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from types import MappingProxyType
from typing import Any

from ...core import trees
from ...core.dispatch import OUTPUT_OF
from ...core.inference import InferenceTensor
from ...core.sparse import EAGERLY, Sparse
from ...core.tape import LEAF, PARENTS, PRIM, SHAPE
from ...core.tensor import Tensor
from ..calls.guards import ABSENT, SCALARS, of_class
from ..calls.opened import layout
from ..disk.given import walk_arguments
from ..disk.reach import Reach
from ..middle.graph import Graph, order
from ..middle.joint import Joint, backwards, split, used_up
from .chances import HIDDEN, UNSEEN, Chances
from .changes import CHANGES, Changed, Uncompilable, window
from .exchanged import look_around
from .followed import Followed, bounded
from .items import items_in, numbers_in
from .later import Forms, Later, Left
from .moved import Given, Moves, check_old, shared_memory
from .numbers import Key, Number
from .ordered import Ordered, ordered
from .parts import Parts, of_input
from .pinned import NEW
from .replacing import let_go, values_in
from .required import Required
from .results import Container, Fields, Made, Result, alike, form_of_entry, is_constant, spent
from .said import Fixed, say
from .same import Same, containers, standing
from .sources import NUMBERS, Held, Owner, Source
from .spots import Changing, Here, Spot
from .telling import tells, told_apart
from .trace import PASSING, Tracer
from .traced import TORN, covers
from .varied import Varied
from .watch import Watch
from .written import Text

CONSTANT = "a number among the arguments must be a constant"


class Captured:
    """A graph, where its inputs come from and where its outputs go.

    `results` is the returned structure with a `Result` in each tensor's place; `writes` pairs
    inputs with the outputs that replace their content; `gradients` pairs tensors with the outputs
    that become their `.grad` (None: no gradient); `presence` says of tensors whether they had one.
    A tensor among the arguments is another at every call: its place stands for it (`Owner`).
    """

    def __init__(self, graph: Graph, sources: list[Source]) -> None:
        self.graph, self.sources = graph, sources
        self.results: Any = None
        self.writes: list[tuple[int, int]] = []
        self.gradients: list[tuple[Owner, int | None]] = []
        self.orders: dict[int, tuple[int, ...]] = {}  # how outputs are turned to be gradients
        self.presence: list[tuple[Owner, Any]] = []
        self.places: list[Any] = []
        self.shared: list[tuple[Any, int, Any]] = []  # see `_shared`
        self.joint: Joint | None = None
        self.required = Required((), ())
        self.asked: set[str] = set()  # attributes that the call may find missing
        self.apart: Any = None  # which containers were one, where code may tell (`told_apart`)
        self.late: int | None = None  # the output that says whether the call was right at all
        self.later: Later | None = None  # what of the traced call is still to be computed
        self.left: list[Left] = []  # and where it goes
        self.bases: list[tuple[Tensor, Any]] = []  # what results were views of, weakly
        self.afterwards: list[Any] = []  # what Python does after every run
        self.told: list[Any] = []  # of the traced call: schedules, and the numbers they wait for
        self.stores: list[Spot] = []  # places that get new values
        self.stored: Any = ()  # those, as `results`
        self.said: list[Spot] = []  # what tells the world of a run
        self.given: Any = ()  # what those are given, as `results`
        self.put_off: list[Any] = []  # of the traced call: what is to be said, and with what
        self.here = Here()  # the numbers that are known from where they stand
        self.items: list[int] = []  # the outputs of which numbers were asked for, -1: not needed
        self.chances = Chances()  # the numbers that are drawn before a run
        self.moves = Moves()  # tensors of before that lie elsewhere afterwards
        self.parts: list[int] = []  # outputs of which results are parts
        self.viewed: list[Any] = []  # what stands for the tensors that those are views of
        self.pinned = False  # whether the program is for calls that go by values as this one did
        self.keyed: dict[Key, int] = {}  # which tensors of the call stand for its numbers
        self.numbers: list[Any] = []  # weak references to what stands for them in the traced call

    def valued(self, result: Any) -> Any:
        """The result of the traced call with its numbers, which all objects get that hold any."""
        let_go(self.numbers)
        self.numbers = []
        for spot, value in self.told:
            spot.put(value)
        self.told = []
        return values_in(result)

    def give_up(self, result: Any) -> None:
        """Finish the traced call without a program."""
        if self.later is not None:
            self.later.settle()
        self.valued(result)
        self.say()

    def say(self) -> None:
        """What the traced call has put off, when everything else is done."""
        say(self.put_off)


def capture(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any],
    raises: type[BaseException] | None = None, forms: Forms | None = None,
    changing: Changing | None = None,
) -> tuple[Any, Captured | Uncompilable, Reach]:  # fmt: skip
    """Call a function while tracing: its result, and a program's makings or why there are none.

    With `changing` the result may hold numbers that are yet to come (see `Captured.valued`), and
    numbers that the call is known to change are lent.
    """
    reach = Reach()
    reach.walk(function, "")
    leaves = walk_arguments(reach, args, kwargs, (Tensor, *SCALARS))
    look_around(reach, leaves)
    opaque = reach.opaque or [EAGERLY for x in leaves if type(x._array) is Sparse]
    opaque = opaque or ([UNSEEN] if reach.engines and changing is None else [])
    if opaque:
        why = Uncompilable(opaque[0], _line_of(function))
        return _eagerly(function, args, kwargs, why, reach, raises)
    followed = _followed(function, reach)
    tracer = Tracer(reach, leaves, forms)
    tracer.raises, tracer.given_containers = raises, containers(args, kwargs)
    watch = Watch(tracer)
    try:
        with tracer:
            for leaf in leaves:
                tracer.lift(leaf)
            tracer.lend(x for x, _ in reach.tensors.values())
            guarding = changing is not None and tracer.promise(reach, changing)
            with bounded() if guarding else nullcontext(), watch:
                result = function(*args, **kwargs)
            captured: Any = _finished(tracer, result, reach, leaves, followed)
    except BaseException:
        _give_back(tracer)
        raise
    tracer.here.asks(tracer.conditions)
    if followed is not None:
        followed.noted(tracer.conditions)
    if captured is not None and tells(reach.functions):
        captured.apart = told_apart(args, kwargs, captured.places)
    if captured is None:
        _give_back(tracer)
        result, captured = values_in(result), Uncompilable(*(tracer.broken or ("", "")))
        captured.here = tracer.here
    elif tracer.strangers:
        tracer.settle()
        for x, base in captured.bases:
            x._base = base()
    return result, captured, reach


def _give_back(tracer: Tracer) -> None:
    """Put numbers in the places of all that stood for them."""
    tracer.called.restore()
    tracer.here.restored()
    let_go(tracer.numbers)


def _finished(
    tracer: Tracer, result: Any, reach: Reach, leaves: list[Tensor], followed: Followed | None
) -> Captured | None:
    """What a trace that went through has captured; otherwise it ends now."""
    if tracer.closed:
        return None
    try:
        captured = finish(tracer, result, reach, leaves)
        captured.keyed = {key: tracer.places[id(x)] for key, x in tracer.keyed.items()}
        _without_numbers(captured.graph, followed, tracer.changing, tracer.here)
        return captured
    except Uncompilable as error:
        if CHANGES in error.reason or error.reason.startswith(PASSING):
            tracer.raises = None  # perhaps only at first: it will be tried again
        tracer.stop(error.reason, error.line or None)
        return None


def _line_of(function: Any) -> str:
    """Where a function begins."""
    code = getattr(function, "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno} in {code.co_name}" if code else ""


def _eagerly(function: Any, args: Any, kwargs: Any, why: Any, reach: Reach, raises: Any) -> Any:
    if raises is not None:
        raise raises(str(why))
    return function(*args, **kwargs), why, reach


def _followed(function: Any, reach: Reach) -> Followed | None:
    """The function, if numbers among its arguments are to be followed."""
    if not isinstance(function, Followed):
        return None
    function.constant |= "type" in reach.words  # which tells what stands for a float from one
    return function


def _without_numbers(
    graph: Graph, followed: Followed | None, changing: Changing | None, here: Here
) -> None:
    """Numbers that are inputs must not be parameters of an op, where they would be constants."""
    found = [x for node in order([*graph.outputs, *graph.effects]) for x in numbers_in(node.params)]
    if found:
        if followed is not None:
            followed.constant = True
        if changing is not None:
            changing.keep([spot for x in found for spot in here.in_text(x.text)])
        raise Uncompilable(CONSTANT)


def finish(tracer: Tracer, result: Any, reach: Reach, leaves: list[Tensor]) -> Captured:
    """The graph and the effects of a trace that went through."""
    if tracer.unsure:
        raise Uncompilable(f"{PASSING} {NEW}", tracer.unsure)
    if tracer.chances.unseen():
        raise Uncompilable(HIDDEN)
    changed = Changed(tracer, reach)
    result = result, changed.values, changed.told
    check_old(tracer)
    varied, give = Varied(tracer, reach), Given(standing(result, tracer.given_containers))
    give.results.update((key, Result("same", value=x)) for key, x in changed.standing.items())
    given = list(_leaves(result))
    parts = give.parts = Parts(tracer, given)
    live = _live(tracer, given, parts)
    required = Required(tracer.required, [source.node for source in tracer.sources])
    pulled = backwards(tracer, live, given) if live else None
    moves = give.moves.note(tracer, give)
    results, viewed = (_results(tracer, found, give) for found in (result, parts.bases))
    gradients = _gradients(tracer, give)
    writes = _writes(tracer, give)
    items = _items(tracer, give)
    shared = shared_memory(tracer, leaves, bool(live))
    if varied.shares(shared):
        raise Uncompilable("a tensor that is another one at each call shares memory")
    joint = None if pulled is None else _joint(tracer, pulled, live, give)
    late = None if required.late is None else give(required.late)
    graph = Graph([source.node for source in tracer.sources], give.outputs, tracer.draws)
    captured = Captured(graph, tracer.sources)
    captured.required, captured.late, captured.numbers = required, late, tracer.numbers
    captured.chances, captured.pinned = tracer.chances.done(), tracer.pinned > 0
    captured.joint, captured.shared, captured.items, captured.moves = joint, shared, items, moves
    captured.parts, captured.viewed = parts.outputs, viewed
    (captured.results, captured.stored, captured.given), captured.writes = results, writes
    captured.said, captured.put_off, captured.stores = changed.said, tracer.said, changed.spots
    captured.gradients, captured.orders, captured.here = gradients, give.orders, tracer.here
    captured.afterwards, captured.told = tracer.afterwards.steps, tracer.afterwards.told
    fixed = tracer.afterwards.guarded(reach.places + tracer.afterwards.rates(tracer.sources))
    captured.places, captured.asked = varied.guarded(changed.guarded(fixed)), reach.asked
    captured.presence = _presence(tracer)
    if late is None and tracer.later.on:
        _put_off(tracer, captured, give)
    return captured


def _writes(tracer: Tracer, give: Given) -> list[tuple[int, int]]:
    """The inputs that have new content, and the outputs that it is."""
    written = [place for place, source in enumerate(tracer.sources) if source.cell.version]
    if any(tracer.sources[place].kind in NUMBERS for place in written):
        raise Uncompilable("a hyperparameter was written")
    return [(place, give(tracer.sources[place].cell.node)) for place in written]


def _presence(tracer: Tracer) -> list[tuple[Owner, Any]]:
    """The tensors of before of which it counted whether they had a gradient."""
    return [
        (_owner(tracer, x), had)
        for x, how, had in tracer.gradients.values()
        if how == "seen" and tracer.stood(x)
    ]


def _items(tracer: Tracer, give: Given) -> list[int]:
    """The outputs for the items that somebody still needs."""
    alive = [number for ref in tracer.numbers if (number := ref()) is not None]
    needed = items_in([number.text for number in alive if number.late])
    tensors = tracer.items.tensors
    return [give(tracer.lift(x).read(), x) if k in needed else -1 for k, x in enumerate(tensors)]


def _joint(tracer: Tracer, pulled: Any, live: list[Tensor], give: Given) -> Joint:
    """The backward half, and which values it reads: inputs, or outputs of the first half."""
    backward, kept = split(*pulled[:2])
    inputs = {s.node: i for i, s in enumerate(tracer.sources) if not s.cell.version}
    places = [(node in inputs, inputs[node] if node in inputs else give(node)) for node in kept]
    return Joint(backward, places, pulled[2], [tuple(x._array.shape) for x in live])


def _put_off(tracer: Tracer, captured: Captured, give: Given) -> None:
    """What the call leaves may be computed by its program."""
    captured.later, captured.left = tracer.later, give.left
    tracer.through = give.known
    captured.bases = _let_go(tracer.through)


def _let_go(results: dict[int, Tensor]) -> list[tuple[Tensor, Any]]:
    """Let results no longer hold what they are views of, as those of a program do not."""
    found = []
    for x in results.values():
        base = x._base
        if base is not None and id(base) not in results:
            found.append((x, weakref.ref(base)))
            x._base = None
    return found


def _results(tracer: Tracer, value: Any, give: Given) -> Any:
    """The returned structure with a `Result` for every tensor."""
    if id(value) in give.same:
        give.results[id(value)] = Same(give.same.pop(id(value)), _results(tracer, value, give))
    if id(value) in give.results:  # what stands in several places, perhaps
        return give.results[id(value)]
    if isinstance(value, Tensor):
        give.results[id(value)] = _tensor(tracer, value, give)
        return give.results[id(value)]
    named = isinstance(value, tuple) and hasattr(type(value), "_fields")
    if type(value) in (tuple, list) or named:
        return alike(value, [_results(tracer, part, give) for part in value])
    if type(value) is dict:
        return {key: _results(tracer, part, give) for key, part in value.items()}
    if type(value) is Number or type(value) is Text:
        return Result("number", value=value.text)
    if type(value) is Held:
        return Result("held", value=value)
    if type(value) is Fixed:
        return _fixed(tracer, value, give)
    if isinstance(value, SCALARS):
        return Result("value", value=value)
    whole = ordered(value)
    taken = whole or trees.taken_apart(value)
    if taken is not None:
        parts = [_results(tracer, part, give) for part in taken[0]]
        return (Ordered if whole else Container)(type(value), parts, taken[1])
    names = _fields(value)
    if names:
        parts = [_results(tracer, getattr(value, name), give) for name in names]
        return Fields(type(value), parts, names)
    return _object(tracer, value, give)


def _object(tracer: Tracer, value: Any, give: Given) -> Any:
    """A constant, or an object of the call's own of which everything is in sight."""
    if is_constant(value):
        return Result("value", value=value)
    how = layout(type(value))
    if how is None or of_class(type(value), "__del__") is not ABSENT:
        raise Uncompilable(f"it returns a {type(value).__name__}, which is not a tensor")
    if id(value) in tracer.reach.shells or tracer.reach.knows(value):
        raise Uncompilable(f"it returns a {type(value).__name__} that stood before the call")
    if id(value) in give.objects:
        raise Uncompilable(f"it returns a {type(value).__name__} in two places")
    give.objects[id(value)] = value
    parts = [_results(tracer, part, give) for part in how.parts(value)]
    return Made(type(value), parts, (how, how.keys(value)))


def _fixed(tracer: Tracer, value: Fixed, give: Given) -> Result:
    x = value.tensor
    if x is None:
        return Result("value", value=value.value)
    return Result("new", give(tracer.lift(x).read(), x), None, value.entry)


def _fields(value: Any) -> list[str]:
    """The names of a dataclass' fields, where an instance holds those and nothing else."""
    if not dataclasses.is_dataclass(value) or type(value).__new__ is not object.__new__:
        return []
    names = [field.name for field in dataclasses.fields(value)]
    return names if set(getattr(value, "__dict__", names)) == set(names) else []


def _leaves(value: Any, above: Mapping[int, Any] = MappingProxyType({})) -> Iterator[Any]:
    """What a returned structure holds, objects (of which `above` hold it) taken apart too."""
    for x in trees.leaves_of(value):
        names = _fields(x)
        how = None if names else layout(type(x))
        if names or how is not None:
            if above.get(id(x)) is x:
                raise Uncompilable(f"it returns a {type(x).__name__} that holds itself")
            parts = [getattr(x, name) for name in names] if how is None else how.parts(x)
            yield from _leaves(parts, {**above, id(x): x})
        else:
            yield x


def _tensor(tracer: Tracer, x: Tensor, give: Given) -> Result:
    if tracer.stood(x):
        return _known(tracer, x)
    for owner, *_ in tracer.gradients.values():
        if owner._grad is x and tracer.stood(owner):
            return Result("gradient", value=_owner(tracer, owner))
    inferred = type(x) is InferenceTensor
    if type(x) is not Tensor and not inferred:
        raise Uncompilable(f"it returns a {type(x).__name__}")
    if x._grad is not None:
        raise Uncompilable("it returns a tensor of its own that got a gradient")
    traced = tracer.lift(x)
    source = traced.cell.source
    if isinstance(source, Source):
        if traced.cell.torn:
            raise Uncompilable(TORN)
        place = None if covers(traced.memory, source.array) else window(traced.memory, source.array)
        number = tracer.sources.index(source)
        part = of_input(x, number, source, place)
        return Result("view", number, part, _stub(tracer, x), inferred)
    beside = give.moves.beside(traced)
    if beside is not None:
        give.known[id(x)] = x
        return Result("beside", -1, beside, _stub(tracer, x), inferred)
    part = give.parts.result(x, give, _stub(tracer, x), inferred)
    if part is not None:
        return part
    return Result("new", give(traced.read(), x), None, _stub(tracer, x), inferred)


def _known(tracer: Tracer, x: Tensor) -> Result:
    """A returned tensor that stood before the call: where the next call finds its own."""
    if id(x) in tracer.places:
        return Result("argument", tracer.places[id(x)])
    for owner, _, had in tracer.gradients.values():
        if had is x:
            if owner._grad is not x:
                raise Uncompilable("it returns a gradient that it replaces")
            return Result("gradient", value=_owner(tracer, owner))
    if id(x) not in tracer.reach.tensors or id(x) in tracer.replaced:
        raise Uncompilable("it returns a tensor that is neither an argument nor reachable by name")
    return Result("same", value=x)


def _stub(tracer: Tracer, x: Tensor) -> Any:
    """What stands for the history of a result whose graph has been used up."""
    entry = x._entry
    if entry is None or entry is LEAF:
        return entry
    if not tracer.swept or id(x) in tracer.live:
        return tracer.live[id(x)]
    shape = entry[SHAPE]
    if entry[PRIM] is OUTPUT_OF:  # what it is an output of has its name
        entry = entry[PARENTS][0]
    return spent(*form_of_entry(entry), shape)


def _live(tracer: Tracer, given: list[Any], parts: Parts) -> list[Tensor]:
    """The returned tensors whose graph has not been used up, and what those are views of."""
    if tracer.broken is not None:
        raise Uncompilable(*tracer.broken)
    live = [
        x for x in dict.fromkeys(x for x in (*given, *parts.bases) if isinstance(x, Tensor))
        if type(x._entry) is list and not tracer.stood(x)
        and not (tracer.swept and used_up(x, tracer.began))
    ]  # fmt: skip
    if live:
        tracer.settle()
        if any(x.kind == "item" and x.entry is not None for x in tracer.sources):
            raise Uncompilable("a result wants the gradient of a tensor that the call replaces")
    return live


def _owner(tracer: Tracer, x: Tensor) -> Owner:
    return tracer.held.get(id(x)) or tracer.places.get(id(x), x)


def _gradients(tracer: Tracer, give: Given) -> list[tuple[Owner, int | None]]:
    """The tensors whose `.grad` is another object than before the call."""
    found = []
    for x, how, had in tracer.gradients.values():
        grad = x._grad
        if not tracer.stood(x):  # it goes with the call, and its gradient with it
            continue
        if grad is None:
            if had is not None or how == "cleared":  # the next call may find one
                found.append((_owner(tracer, x), None))
        elif not tracer.stood(grad):
            if grad._entry is not None:
                raise Uncompilable("a gradient keeps its history")
            if give.moves.beside(tracer.lift(grad)) is not None:
                raise Uncompilable("a gradient shares memory with a tensor that it is not of")
            found.append((_owner(tracer, x), give.gradient(tracer.lift(grad), grad)))
        elif grad is not had:
            raise Uncompilable("a gradient is replaced by another tensor")
    return found
