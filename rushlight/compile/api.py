"""`compile`: a function, a module or a whole training step that runs as one program.

The first call is traced while it runs; later calls whose guards hold run the program. Whatever
cannot be one program runs as it always did, and says so once, with the line and the way out.
"""

from __future__ import annotations

import copy
import functools
import importlib
import logging
import os
import threading
import warnings
import weakref
from collections.abc import Callable
from typing import Any

from ..core.errors import levels_out
from ..core.locks import fork_safe
from ..core.state import STATE
from ..core.tensor import Tensor
from .backends import choose_backend
from .calls.backward import Halves
from .calls.bound import Bound, frozen, modes, pattern
from .calls.fast import MISS, make
from .calls.following import Following, differs_in_numbers, numbers_in
from .calls.passing_texts import NEW, PassingTexts
from .calls.refused import Refusals
from .calls.shelf import TOLD, TOO_MANY, WAITING, Shelf
from .calls.taken import Taken
from .code import cache
from .disk.kept import KeptForms
from .disk.standing import SWITCH, Call
from .middle.graph import Graph
from .middle.rolled import rolled
from .reports.report import Explanation
from .reports.source import NumpyProgram, Source
from .tracing.alive import rarely
from .tracing.capture import CHANGES, CONSTANT, Captured, Uncompilable, capture
from .tracing.followed import Followed
from .tracing.required import Refused
from .tracing.spots import Changing
from .tracing.trace import PASSING

LOG = logging.getLogger("rushlight.compile")
LOG.addHandler(logging.NullHandler())  # a library prints nothing of its own accord
USUAL = LIMIT = 8
STRIKES = 3
# One trace at a time: stand-ins take the place of arrays that other threads may use too.
TRACING = [threading.RLock()]
PATIENCE = 30.0  # seconds
DRAW: list[Callable[..., Any]] = []  # what draws a graph; set by those above
WATCHERS: list[Callable[..., Any]] = []  # profiles that are on, the newest last
STANCES = ("default", "force_eager", "eager_on_recompile", "fail_on_recompile",
           "eager_then_compile", "aot_eager_then_compile")  # fmt: skip
STANCE = [STANCES[0]]  # what is done now with calls that have, or would get, a program
_MADE: weakref.WeakSet[Compiled] = weakref.WeakSet()
_Ready = tuple[Bound, list[Any], list[Tensor], Taken]


def _renewed() -> None:
    TRACING[0] = threading.RLock()


if hasattr(os, "register_at_fork"):  # the thread that holds it is not in the child
    os.register_at_fork(after_in_child=_renewed)


def watch(handler: Callable[..., Any]) -> None:
    """Lead every compiled call to `handler(name, call)` until `unwatch`, and none the short way."""
    WATCHERS.append(handler)
    for one in list(_MADE):
        one._shorten()


def unwatch(handler: Callable[..., Any]) -> None:
    """End what `watch` began."""
    WATCHERS.remove(handler)
    for one in list(_MADE):
        one._shorten()


def stand(stance: str) -> str:
    """Take another stance in all threads; the one before."""
    if stance not in STANCES:
        raise ValueError(f"no such stance: {stance!r}; there are {', '.join(map(repr, STANCES))}")
    before, STANCE[0] = STANCE[0], stance
    for one in list(_MADE):
        one._shorten()
    return before


def reset() -> None:
    """Forget all programs, and what was not to be compiled: every next call is as a first one."""
    for one in list(_MADE):
        one.reset()


class Unsupported(RuntimeError):
    """A call under `fullgraph=True` that cannot be one program."""


class Compiled:
    """A callable that stands for `function` and runs programs made of its calls."""

    def __init__(
        self, function: Callable[..., Any], backend: str, fullgraph: bool = False,
        limit: int | None = None,
    ) -> None:  # fmt: skip
        functools.update_wrapper(self, function)
        self.function, self.backend = function, backend
        self.fullgraph, self._wanted = fullgraph, limit
        self.limit = LIMIT if limit is None else limit
        self._raises = Unsupported if fullgraph else None
        self._lock = fork_safe(self, threading.RLock)
        _MADE.add(self)
        self.reset()

    def reset(self) -> None:
        """Forget the programs, and why there were none."""
        with self._lock:
            self._shelf = Shelf(self.limit, self._wanted is not None or LIMIT != USUAL)
            self._followings: list[Following] = []  # of calls that differ in numbers
            self._changing = Changing()
            self.reasons: list[Uncompilable] = []
            self.fallbacks: list[Exception] = []  # why NumPy runs a program, not native code
            self._latest: Bound | None = None
            self._strikes = 0
            self._refusals = Refusals()
            self._texts = PassingTexts()
            self._eager: str | None = None  # why no call is looked at any more
            self._warned = self._called = False
            self._forms: Any = None
            self._shorten()

    def _shelves(self) -> list[Shelf]:
        """Where programs are, those for calls that differ in numbers last."""
        return [self._shelf, *(v._shelf for one in self._followings for v in one.variants)]

    @property
    def programs(self) -> list[Bound]:
        """All programs, those for calls that differ in numbers last."""
        return [program for shelf in self._shelves() for program in shelf.programs]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if WATCHERS:
            call = functools.partial(self._long_call, args, kwargs)
            return WATCHERS[-1](_name(self.function), call)
        return self._long_call(args, kwargs)

    def _long_call(self, args: Any, kwargs: Any) -> Any:
        stays = self._eager is not None or self.backend == "eager" or STANCE[0] == "force_eager"
        if stays or STATE.tracer is not None or STATE.transforms or STATE.duals:
            return self.function(*args, **kwargs)
        for following in self._followings:
            given = following.given(args, kwargs)
            if given is not None:
                return self._follow(following, args, kwargs, given)
        taken, shelf = Taken(), self._shelf
        key = shelf.key(args, kwargs)
        suited = shelf.suited(key)
        likely = [bound for bound in suited if bound.standing.likely()]
        for bound in likely:
            later = bound is not shelf.programs[0]
            if bound.fast is None or not (later or bound.captured.chances):
                continue
            right = taken.for_call(bound, args, kwargs)
            result = bound.fast(None, *args, **kwargs) if right else MISS
            if result is not MISS:
                if later:
                    self._prefer(bound)
                return result
        ready = self._ready(args, kwargs, (), taken, likely)
        if ready is not None:
            return self._run(ready, args, kwargs)
        if self._refusals.meet(args, kwargs):
            return self.function(*args, **kwargs)
        numbers = numbers_in(args, kwargs)
        if numbers and any(differs_in_numbers(args, kwargs, one.arguments) for one in suited):
            self._start_following(numbers)
            return self._long_call(args, kwargs)
        if STANCE[0] == "default" and (shelf.turns_away(key) or shelf.waits(key)):
            self._say_waiting()
            return self.function(*args, **kwargs)
        return self._make(args, kwargs)

    def _start_following(self, kinds: dict[Any, type]) -> None:
        """From now on numbers are inputs where calls have some of these kinds in these places."""
        with self._lock:
            self._followings.append(Following(kinds, self._shelf))
            kept = [one for one in self._shelf.programs if numbers_in(*one.arguments) != kinds]
            self._shelf.programs = kept
            self._shorten()

    def _follow(self, following: Following, args: Any, kwargs: Any, given: Any) -> Any:
        """A call in which numbers are inputs of the program."""
        variant = following.variant(args, kwargs, self._vary)
        if variant is None:
            return self.function(*args, **kwargs)
        args, kwargs = given
        return variant._long_call(args, kwargs) if WATCHERS else variant(*args, **kwargs)

    def _vary(self, keys: list[Any]) -> Compiled | None:
        """What compiles calls with other answers to what is asked of the numbers there."""
        if self._shelf.kinds + sum(x.kinds_made for x in self._followings) >= self.limit:
            known = f"runs eagerly: {self.reasons[-1]}" if self.reasons else ""
            self._say(known or TOO_MANY.format(self.limit))
            return None
        call = Compiled(Followed(self.function, keys), self.backend, self.fullgraph, self._wanted)
        call.reasons, call.fallbacks, call._called = self.reasons, self.fallbacks, True
        call._changing = self._changing
        return call

    def _ready(
        self, args: Any, kwargs: Any, refused: tuple[Bound, ...] = (), taken: Taken | None = None,
        suited: list[Bound] | None = None,
    ) -> _Ready | None:  # fmt: skip
        """The program that a call can run, with its arrays and the tensors among the arguments."""
        taken = Taken() if taken is None else taken
        shelf = self._shelf
        for bound in shelf.suited(shelf.key(args, kwargs)) if suited is None else suited:
            leaves: list[Tensor] = []
            if bound in refused or not bound.matches(args, kwargs, leaves):
                continue
            arrays = bound.fetch(leaves, taken.values) if taken.suits(bound, leaves) else None
            if arrays is not None:
                if bound is not shelf.programs[0]:
                    self._prefer(bound)
                return bound, arrays, leaves, taken
        taken.undo()
        return None

    def _run(self, ready: _Ready, args: Any, kwargs: Any, refused: tuple[Bound, ...] = ()) -> Any:
        bound, arrays, leaves, taken = ready
        try:
            return bound(arrays, leaves, taken.values, (args, kwargs))
        except Refused as error:
            taken.undo()
            if bound.captured.pinned:
                return self._otherwise((*refused, bound), args, kwargs)
            LOG.debug("%s: a call runs eagerly", _name(self.function), exc_info=error)
            return self.function(*args, **kwargs)

    def _otherwise(self, refused: tuple[Bound, ...], args: Any, kwargs: Any) -> Any:
        """A call that goes by other values than these programs: by another one, known or new."""
        ready = self._ready(args, kwargs, refused)
        if ready is not None:
            return self._run(ready, args, kwargs, refused)
        if self._refusals.meet(args, kwargs):
            return self.function(*args, **kwargs)
        return self._make(args, kwargs, refused)

    def _prefer(self, bound: Bound) -> None:
        """Try a program first from now on, once it was the right one twice in a row."""
        self._shelf.use(bound)
        if self._latest is not bound:
            self._latest = bound
            return
        with self._lock:
            if bound in self._shelf.programs:
                self._shelf.prefer(bound)
            self._shorten()

    def _shorten(self) -> None:
        """Give this object a class whose call tries the short way of the first program at once."""
        own = self._shelf.programs
        longer = WATCHERS or not own or STANCE[0] == "force_eager"
        fast = None if longer or own[0].captured.chances else own[0].fast
        if fast is None:
            self.__class__ = Compiled  # type: ignore[assignment]  # its own class but for the call
            return
        self.__class__ = type("Compiled", (Compiled,), {"__call__": fast})  # type: ignore[assignment]  # its own class but for the call

    def __deepcopy__(self, memo: Any) -> Compiled:
        function = copy.deepcopy(self.function, memo)
        return Compiled(function, self.backend, self.fullgraph, self._wanted)

    def __reduce__(self) -> Any:
        return Compiled, (self.function, self.backend, self.fullgraph, self._wanted)

    def __get__(self, owner: Any, kind: Any = None) -> Any:
        return self if owner is None else functools.partial(self, owner)

    def _held_back(self) -> bool:
        """Whether the stance leaves a call without a program eager; RuntimeError: it forbids it."""
        if STANCE[0] == "fail_on_recompile":
            code = getattr(self.function, "__code__", None)
            where = "" if code is None else (
                f" filename: '{code.co_filename}', function name: '{code.co_name}',"
                f" line number: {code.co_firstlineno}"
            )  # fmt: skip
            raise RuntimeError(
                f"Detected recompile when torch.compile stance is 'fail_on_recompile'.{where}"
            )
        first, self._called = not self._called, True
        return STANCE[0] == "eager_on_recompile" or (first and STANCE[0].endswith("_then_compile"))

    def _make(self, args: Any, kwargs: Any, refused: tuple[Bound, ...] = ()) -> Any:
        if STANCE[0] != "default" and self._held_back():
            return self.function(*args, **kwargs)
        lock = TRACING[0]
        if not lock.acquire(timeout=PATIENCE):  # held by a call that waits for this one
            return self.function(*args, **kwargs)
        try:
            # another thread may have made it, or traced
            ready = self._ready(args, kwargs, refused)
            if ready is None:
                return self._made(args, kwargs, refused)
        finally:
            lock.release()
        return self._run(ready, args, kwargs, refused)

    def _made(self, args: Any, kwargs: Any, refused: tuple[Bound, ...]) -> Any:
        """Trace a call and make a program of it, or say why there is none; the call's result."""
        if self._leaves(args, kwargs, bool(refused)):
            return self.function(*args, **kwargs)
        arguments, before = (pattern(args), pattern(kwargs)), modes()
        with rarely():
            call = None if refused else self._described(args, kwargs)  # it may be one of those
            bound = None if call is None else call.bound(arguments, before)
        if bound is not None:
            self._add(bound)
            ready = self._ready(args, kwargs)
            if ready is not None:
                return self._run(ready, args, kwargs)
        alike = [x for x in self._shelf.programs if x.fits(args, kwargs, before)]
        self._changing.moved([x.places for x in alike])
        kept = self._remembered(arguments)
        result, captured, _ = capture(
            self.function, args, kwargs, self._raises, kept.forms, self._changing
        )
        if isinstance(captured, Uncompilable):
            self._refuse(captured, args, kwargs, before)
            return result
        self._strikes = 0
        try:
            with rarely():
                bound = self._bound(captured, arguments, before)
        except BaseException:
            captured.give_up(result)
            raise
        if captured.later is not None:
            captured.later.handed_over(bound, captured.left)
        captured.later, captured.left = None, []
        result = captured.valued(result)
        bound.conclude()
        kept.store()
        if call is not None:
            with rarely():
                call.keep(bound)
        self._add(bound)
        captured.say()
        return result

    def _leaves(self, args: Any, kwargs: Any, refused: bool) -> bool:
        """Whether a call is left eager: there are too many programs, or it is to come again."""
        others = sum(x.kinds_made for x in self._followings if x.variants)
        admitted = self._shelf.admits(args, kwargs, modes(), refused, others)
        if admitted is False:
            self._say(TOO_MANY.format(self.limit))
        if not admitted:
            self._say_waiting()
            return True
        held = self._texts.hold_back
        if self.fullgraph or not held(self._shelf.programs, args, kwargs, modes()):
            return False
        if all(why.reason != NEW for why in self.reasons):
            self.reasons.append(Uncompilable(NEW))
        return True

    def _add(self, bound: Bound) -> None:
        """One program more, to be tried first."""
        bound.let_go()
        self._shelf.add(bound)
        self._shorten()
        LOG.info("%s: a program of %d ops for %s", _name(self.function),
                 len(bound.captured.graph), bound.arguments[0])  # fmt: skip

    def _described(self, args: Any, kwargs: Any) -> Call | None:
        """What a call can see, if that can be written down and calls are kept."""
        on = self.backend == "llvm" and os.environ.get(SWITCH) != "0"
        if not on or type(self.function) is Followed or cache.folder() is None:
            return None
        try:
            return Call(self.function, args, kwargs)
        except Exception as why:  # some object will not be looked at: nothing is lost but time
            LOG.debug("%s: not a call that is kept: %s", _name(self.function), why)
            return None

    def _remembered(self, arguments: Any) -> KeptForms:
        """What forms results of this function's ops have, as far as known."""
        if self._forms is None:
            self._forms = KeptForms(self.function, arguments)
        return self._forms

    def _bound(self, captured: Captured, arguments: Any, before: Any) -> Bound:
        """The program of a captured call."""
        halves = None
        if captured.joint is not None:
            halves = Halves(captured, self._build)
        given = [source.array for source in captured.sources], frozen(captured), captured.late
        program = self._build(captured.graph, captured.writes, *given)
        asked = captured.required.graph
        first = None if asked is None else self._build(asked, [], [])
        bound = Bound(captured, program, halves, arguments, before, first)
        bound.conditions = getattr(self.function, "conditions", {})
        bound.fast = make(bound)
        return bound

    def _build(self, graph: Graph, writes: Any, *given: Any) -> Any:
        if self.backend == "numpy":
            return NumpyProgram(graph)
        native = importlib.import_module(".native", __package__)  # its modules load on use
        try:
            return native.NativeProgram(graph, writes, *given)
        except Exception as error:
            self.fallbacks.append(error)
            LOG.warning("native code could not be made", exc_info=error)
            return NumpyProgram(graph)

    def _refuse(self, why: Uncompilable, args: Any, kwargs: Any, before: Any) -> None:
        """Note why calls of a kind stay eager; what changes only at first is tried again."""
        if why.reason == CONSTANT:  # the next call is traced with what it is then
            return
        self.reasons.append(why)
        if why.reason.startswith(PASSING):
            return
        self._strikes += 1
        if CHANGES in why.reason and self._strikes < STRIKES:
            return
        if self.fullgraph:
            raise Unsupported(str(why))
        self._refusals.note(args, kwargs, before, why)
        if self._refusals.full and not self.programs:
            self._eager = str(why)
        self._say(f"runs eagerly: {why}")

    def _say_waiting(self) -> None:
        if self._shelf.waited == TOLD:
            self._say(WAITING.format(len(self._shelf.programs)))

    def _say(self, text: str) -> None:
        if not self._warned:
            self._warned = True
            text = f"compiled {_name(self.function)} {text}"
            LOG.warning(text)
            warnings.warn(text, UserWarning, stacklevel=levels_out())

    def explain(self, times: bool = False) -> Explanation:
        """What was compiled (guards, kernels, what moved where), and why calls stayed eager.

        `times`: also how long each kernel takes, beside the peak and the bandwidth of the machine.
        Copies of the programs with counters in them are made and run for it.
        """
        sizes = [line for one in self._shelves() for line in one.told()]
        return Explanation(_name(self.function), self.backend, self.programs, self.reasons,
                           self.fallbacks, times, sizes)  # fmt: skip

    def picture(self, limit: int = 60) -> Any:
        """The graph of the program last used as a drawing: `svg()`, `dot()`, `save(path)`.

        Of more than `limit` ops, what is done over and over is one box.
        """
        graph = self.graph()
        return DRAW[0](rolled(graph) if len(graph) > limit else graph, limit=limit)

    def source(self) -> str:
        """The program last used, as NumPy code that runs."""
        return Source(self._first().captured.graph).text()

    def ir(self) -> str:
        """The program last used, as LLVM's intermediate language."""
        native = getattr(self._first().program, "native", None)
        if native is None:
            raise RuntimeError(f"backend {self.backend!r} makes no native code")
        return native.ir

    def graph(self) -> Graph:
        """The graph that the program last used was made of."""
        return self._first().captured.graph

    def _first(self) -> Bound:
        if not self.programs:
            raise RuntimeError("no program yet: call it once (or see explain())")
        return self.programs[0]


def _name(function: Callable[..., Any]) -> str:
    return getattr(function, "__name__", type(function).__name__)


def compile_callable(
    function: Callable[..., Any], backend: Any, fullgraph: bool, limit: int | None = None
) -> Compiled:
    """A compiled stand-in for a function."""
    disabled = os.environ.get("RUSHLIGHT_COMPILE") == "0"
    chosen = "eager" if disabled else choose_backend(backend)
    return Compiled(function, chosen, fullgraph, limit)
