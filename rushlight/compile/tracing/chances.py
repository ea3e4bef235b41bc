"""Random numbers of Python's and NumPy's that the user's code draws during a trace.

`random.random() < 0.5` needs a number that is another one at every call. It is drawn when the trace
comes to it, and a stand-in (`numbers.py`) goes on in its place: beside tensors it is an input of
the program, and what the code asks of it is a condition. Before a run the numbers are drawn again,
in their order; which program is the right one, they decide (`calls/taken.py`).

Nothing of this is noted where the code comes by its numbers another way (in an import of its own,
through a library). So the state of the engines is looked at: it is as the last draw that was noted
left it, or the call stays eager.
"""

from __future__ import annotations

import importlib
import random
import sys
from collections.abc import Callable, Iterable, Sequence
from types import ModuleType
from typing import Any

import numpy as np

from ...core.state import STATE
from .numbers import NAMES, Number, by_python, condition, plain

_OF_PYTHON = frozenset(
    "random uniform randint randrange getrandbits gauss normalvariate lognormvariate triangular"
    " betavariate gammavariate expovariate paretovariate weibullvariate vonmisesvariate".split()
)
_OF_NUMPY = frozenset(
    "rand random random_sample sample ranf uniform randint integers randn normal standard_normal"
    " beta gamma exponential lognormal laplace poisson binomial triangular".split()
)
NAMES_OF_DRAWS = _OF_PYTHON | _OF_NUMPY | {"choice"}
UNSEEN = "draws numbers at every call that a program would not see"
HIDDEN = "random numbers are drawn in a way that a program would not see"
DRAW_OUTSIDE = ": draw outside the function, and pass the batch or a tensor of the places"
GIVEN = "drawn, here, args, kwargs"
_PLAIN = frozenset((int, float))


class Draw:
    """One number to be drawn: by a method of an engine, with these arguments.

    `given` is what gives them for other calls, where they follow from numbers of the call.
    """

    def __init__(self, engine: Any, name: str, args: Sequence[Any], kwargs: dict[str, Any]) -> None:
        self.engine, self.name = engine, name
        placed, named = list(map(_text, args)), {key: _text(x) for key, x in kwargs.items()}
        inside = ", ".join([*placed, *(f"{key}={text}" for key, text in named.items())])
        self.text = f"{name}({inside})"
        self.given: Any = None
        self._args: tuple[Any, ...] = tuple(map(_value, args))
        self._kwargs = {key: _value(x) for key, x in kwargs.items()}
        if any(type(x) is Number for x in (*args, *kwargs.values())):
            spread = "lambda *args, **kwargs: (args, kwargs)"
            self.given = eval(f"lambda {GIVEN}: ({spread})({inside})", {**NAMES})

    def make(self, *given: Any) -> Any:
        """The next number, in a call with these numbers (`GIVEN`) or in that which is traced."""
        args, kwargs = self._args, self._kwargs
        if given and self.given is not None:
            args, kwargs = self.given(*given)
        return getattr(self.engine, self.name)(*args, **kwargs)

    def like(self, other: Draw) -> bool:
        """Whether two programs draw the same here."""
        fixed = self.given is None and other.given is None
        return self is other or (fixed and self.engine is other.engine and self.text == other.text)


def _text(x: Any) -> str:
    return x.text if type(x) is Number else repr(x)


def _value(x: Any) -> Any:
    return x.value if type(x) is Number else x


def engine_of(function: Any) -> Any:
    """What a function draws from, if its draws can be noted."""
    engine, name = getattr(function, "__self__", None), getattr(function, "__name__", "")
    if type(engine) is random.Random:
        return engine if name in _OF_PYTHON or name == "choice" else None
    return engine if _is_numpys(engine) and name in _OF_NUMPY else None


def is_engine(x: Any) -> bool:
    """Whether numbers may be drawn from something."""
    return type(x) is random.Random or _is_numpys(x)


def _is_numpys(engine: Any) -> bool:
    found = sys.modules.get("numpy.random")
    return found is not None and type(engine) in (found.RandomState, found.Generator)


def state_of(engine: Any) -> Any:
    """The state of an engine, to be given back by `restore`."""
    if type(engine) is random.Random:
        return engine.getstate()
    if hasattr(engine, "bit_generator"):
        return engine.bit_generator.state
    return engine.get_state(legacy=False)


def restore(engine: Any, state: Any) -> None:
    """Give an engine the state that it had."""
    if type(engine) is random.Random:
        engine.setstate(state)
    elif hasattr(engine, "bit_generator"):
        engine.bit_generator.state = state
    else:
        engine.set_state(state)


def _alike(a: Any, b: Any) -> bool:
    """Whether two states of an engine are one."""
    if type(a) is dict:
        return all(_alike(a[key], b[key]) for key in a)
    return np.array_equal(a, b) if isinstance(a, np.ndarray) else bool(a == b)


def _shared() -> list[Any]:
    """The engines that all code has in common."""
    found = sys.modules.get("numpy.random")
    python = getattr(random.random, "__self__", None)
    numpys = None if found is None else getattr(found.rand, "__self__", None)
    return [x for x in (python, numpys) if is_engine(x)]


class Chances:
    """The draws of one trace, what they gave, and what was asked of that."""

    def __init__(self) -> None:
        self.draws: list[Draw] = []
        self.values: list[Any] = []
        self.conditions: dict[str, Any] = {}
        self.holds: Callable[..., bool] = condition({})
        self.possible = False
        self._states: dict[int, tuple[Any, Any]] = {}  # of engines, as the draws noted left them

    def __bool__(self) -> bool:
        return bool(self.draws)

    def begin(self, names: Iterable[str], engines: Sequence[Any]) -> None:
        """Numbers may be drawn from now on, by code that uses these names and engines."""
        if not (engines or any("rand" in name for name in names)):
            return
        self.possible = True
        importlib.import_module("numpy.random")  # if that is not done in the middle
        for engine in (*_shared(), *engines):
            self._states[id(engine)] = engine, state_of(engine)

    def unseen(self) -> bool:
        """Whether numbers were drawn that nobody has noted."""
        return not all(_alike(state_of(engine), was) for engine, was in self._states.values())

    def draw(self, draw: Draw) -> Any:
        """Draw a number, and note it as one to be drawn at each run."""
        engine, tracer = draw.engine, STATE.tracer
        known = self._states.get(id(engine))
        if known is not None and not _alike(state_of(engine), known[1]):
            tracer.stop(f"{draw.name}() comes after others, which a program would not see")
            return draw.make()
        value = draw.make()
        if type(value) not in _PLAIN:
            tracer.stop(f"{draw.name}() must happen at every call{DRAW_OUTSIDE}")
            return value
        self._states[id(engine)] = engine, state_of(engine)
        self.draws.append(draw)
        self.values.append(value)
        return by_python(f"drawn[{len(self.values) - 1}]")

    def ask(self, text: str) -> Any:
        """What a text gives of what was drawn: the program is for calls in which it is the same."""
        tracer = STATE.tracer
        value, needs = eval(text, tracer.given), f"the call goes by {self._named(text)}"
        if type(value) is float:
            tracer.stop(f"{needs}, which is another from call to call")
        elif type(value) is bool or tracer.comes(repr(value).encode(), text, needs):
            self.conditions[text] = value
        return value

    def done(self) -> Chances:
        """The trace has gone through."""
        self.holds = condition(self.conditions, GIVEN)
        self._states.clear()
        return self

    def told(self) -> list[str]:
        """What is asked, in words."""
        return [f"{self._named(text)} gives {x!r}" for text, x in self.conditions.items()]

    def _named(self, text: str) -> str:
        for k, draw in enumerate(self.draws):
            text = text.replace(f"drawn[{k}]", draw.text)
        return text


class Source:
    """A module, or an engine, whose draws are noted: what code has in its place during a trace."""

    def __init__(self, genuine: Any) -> None:
        self._genuine = genuine

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._genuine, name)
        if isinstance(found, ModuleType):
            return Source(found)
        return noted(found, name)


def source_of(found: Any, name: str) -> Source | None:
    """What stands for a module or an engine that is asked for an attribute; None: itself."""
    if found is random or is_engine(found):
        return Source(found)
    if not isinstance(found, ModuleType):
        return None
    leads = found.__name__ == "numpy.random" or (found is np and name == "random")
    return Source(found) if leads else None


def noted(function: Any, name: str) -> Any:
    """What draws as a function of this name does, and notes it; anything else as it is."""
    tracer, engine = STATE.tracer, engine_of(function)
    if tracer is None or tracer.closed:
        return function
    if engine is None:
        home = getattr(function, "__module__", None) or type(function).__module__
        if _is_numpys(getattr(function, "__self__", None)) or home.startswith("numpy.random"):
            tracer.stop(f"{name}() must happen at every call{DRAW_OUTSIDE}")
        return function

    def drawn(*args: Any, **kwargs: Any) -> Any:
        if STATE.tracer is tracer and not tracer.closed and not _are_late(args, kwargs):
            return _drawn(tracer, engine, function, args, kwargs)
        return function(*map(plain, args), **{key: plain(x) for key, x in kwargs.items()})

    return drawn


def _are_late(args: Any, kwargs: Any) -> bool:
    """Whether some number is yet to come: then the trace ends."""
    found = [x for x in (*args, *kwargs.values()) if type(x) is Number and x.late]
    return bool(found) and plain(found[0]) is not None


def _drawn(tracer: Any, engine: Any, function: Any, args: Any, kwargs: Any) -> Any:
    name = function.__name__
    if name == "choice" and len(args) == 1 and not kwargs and hasattr(args[0], "__len__"):
        place = tracer.chances.draw(Draw(engine, name, (range(len(args[0])),), {}))
        return args[0][plain(place)]
    if name == "choice" or not all(
        _value(x).__class__ in _PLAIN for x in (*args, *kwargs.values())
    ):
        tracer.stop(f"{name}() must happen at every call{DRAW_OUTSIDE}")
        return function(*map(plain, args), **{key: plain(x) for key, x in kwargs.items()})
    return tracer.chances.draw(Draw(engine, name, args, kwargs))
