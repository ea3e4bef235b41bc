"""Random numbers during a trace, and Python functions in the middle of a program."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...core.state import STATE
from ..middle.foreign import Layout
from ..middle.graph import Node
from .later import Later, Met
from .numpy_calls import NumpyCalls, line, value_of
from .traced import Traced

ndarray = np.ndarray


class Aside(BaseException):
    """The trace has ended in a side of a choice that the call does not take."""


class Draws(NumpyCalls):
    """The part of a tracer that stands between the call and its sources of chance."""

    engines: dict[int, DrawnEngine]
    draws: list[Node]
    fresh: Any
    later: Later
    settle: Any
    said: list[Any]
    stop: Any
    lift: Any
    broken: tuple[str, str] | None
    raises: type[BaseException] | None

    def sides(self, truth: Any, yes: Any, no: Any) -> tuple[bool, Any]:
        """(True, what both sides of a choice give); (False, what is taken) where the trace ends.

        The side that the call takes goes first. What the other would do but compute is not done.
        """
        if type(truth._array) not in (ndarray, Traced):  # of a transform: both are, in any case
            return True, (yes(), no())
        held = self.lift(truth)
        taken = bool(value_of(held).all())
        before = len(self.draws), len(self.said)
        found = (yes if taken else no)()
        if (len(self.draws), len(self.said)) != before:
            self.stop("a branch of cond draws random numbers, or tells the world something")
        if self.closed:
            return False, found
        raises, self.raises = self.raises, Aside
        try:
            other = (no if taken else yes)()
        except (Aside, Exception) as error:
            self.raises = None
            self.stop(f"the branch of cond that is not taken raises {type(error).__name__}")
            if raises is not None:
                raise raises("{} ({})".format(*self.broken or ("", ""))) from None
            return False, found
        if self.closed:
            return False, found
        self.raises = raises
        return True, (found, other) if taken else (other, found)

    def host(self, function: Any, arrays: Any) -> Any:
        """Call a function of arrays that gives a tuple of arrays, now and at each run."""

        def called(function: Any, *arrays: np.ndarray) -> Any:
            STATE.tracer = None
            try:
                return function(*arrays)
            finally:
                STATE.tracer = None if self.over else self

        return self.numpy("numpy.called", called, (function, *arrays), {})

    def engine(self, engine: Any) -> Any:
        """A stand-in for an engine of random numbers that notes each draw."""
        found = self.engines.get(id(engine))
        if found is None:
            found = self.engines[id(engine)] = DrawnEngine(self, engine)
        return found

    def draw(self, engine: Any, name: str, args: Any, kwargs: Any) -> Any:
        """Draw now, and note it as something to be drawn again at each run."""
        if self.raises is Aside:
            self.stop("a branch of cond draws random numbers")
        if self.closed:
            return getattr(engine, name)(*value_of(args), **value_of(kwargs))
        nodes: list[Node] = []
        out = kwargs.pop("out", None)
        args, places = self.split(tuple(args), nodes, met := Met())
        kwargs, names = self.split(dict(kwargs), nodes, met)
        if met.waits or out is not None:
            self.settle()
        into: Any = out.value if type(out) is Traced else out
        if out is not None:
            names = {**names, "out": Layout(into)}
            kwargs["out"] = into
        with self.later.drawing(engine):
            y = getattr(engine, name)(*args, **kwargs)
        y = y if type(y) is ndarray else np.asarray(y)
        node = Node("draw", nodes, (engine, name, places, names), y.shape, y.dtype, line())
        self.draws.append(node)
        if type(out) is Traced:
            out.written(node)
            return out
        return self.fresh(y, node) if (known := self.find(y)) is None else _rewritten(known, node)


class DrawnEngine:
    """An engine of random numbers under tracing: whatever draws is noted."""

    def __init__(self, tracer: Draws, engine: Any) -> None:
        self._tracer, self._engine = tracer, engine

    def __getattr__(self, name: str) -> Any:
        if name in ("get_state", "set_state", "manual_seed", "seed", "initial_seed", "clone"):
            self._tracer.stop("setting or reading the random state")
            return getattr(self._engine, name)
        return lambda *args, **kwargs: self._tracer.draw(self._engine, name, args, kwargs)


def _rewritten(known: Traced, node: Node) -> Traced:
    known.written(node)
    return known
