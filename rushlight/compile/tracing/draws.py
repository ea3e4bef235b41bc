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


class Draws(NumpyCalls):
    """The part of a tracer that stands between the call and its sources of chance."""

    engines: dict[int, DrawnEngine]
    draws: list[Node]
    fresh: Any
    later: Later
    settle: Any

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
