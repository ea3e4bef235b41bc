"""Random numbers inside `vmap`: refused, the same for all samples, or different for each."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.tensor import Tensor, wrap
from ..core.values import Value, raw
from ..ops.structure import select, stack
from .batched import Batched
from .levels import STACK, Level

# Methods that take (shape, dtype, ...) or fill `out`.
_SHAPED = frozenset(
    "uniform normal exponential cauchy log_normal geometric bernoulli integers randint"
    " dropout_noise random".split()
)
_ERROR = (
    "vmap: called random operation while in randomness error mode. Please either use the 'same' or"
    " 'different' randomness flags on vmap or perform the randomness operation out of vmap"
)
_SHARED = (
    "vmap: Cannot ask for different inplace randomness on an unbatched tensor. This will appear"
    " like same randomness. If this is necessary for your usage, please file an issue with"
    " functorch."
)


DEFAULT: list[Any] = []  # the default generator, once there is one


def start_of_chunk(randomness: str) -> Callable[[], Any]:
    """What to call before each chunk of samples: the same draws begin where the first began."""
    if randomness != "same" or not DEFAULT:
        return lambda: None
    engine = DEFAULT[0]._engine
    return functools.partial(engine.set_state, engine.get_state())


def _bare(x: Any) -> Any:
    """A parameter as a batch at most, without what is followed of its derivatives."""
    while isinstance(x, Value) and type(x) is not Batched:
        x = x.core()._array
    return x


def _drawn(found: Any) -> Tensor:
    """What an engine gave as a tensor: an array, a number, or a trace's array."""
    return wrap(found if isinstance(found, np.ndarray) else np.asarray(found))


def drawing_for_batch(engine: Any) -> Any:
    """The engine, or what stands for it inside a batch."""
    for level in reversed(STACK.levels):
        if level.kind == "vmap":
            return BatchedDraws(engine, level)
    return engine


def filler(engine: Any) -> Any:
    """The engine, for memory that all samples share: it cannot hold a draw for each."""
    if type(engine) is BatchedDraws and engine.level.randomness == "different":
        raise RuntimeError(_SHARED)
    return engine


class BatchedDraws:
    """An engine whose draws follow the innermost batch's `randomness`."""

    def __init__(self, engine: Any, level: Level) -> None:
        self.engine, self.level = engine, level

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.engine, name)
        if not callable(method) or name in ("manual_seed", "get_state", "set_state", "seed",
                                            "initial_seed", "clone"):  # fmt: skip
            return method
        if self.level.randomness == "error":
            raise RuntimeError(_ERROR)

        def draw(*args: Any, **kwargs: Any) -> Any:
            args = tuple(map(_bare, args))
            same = self.level.randomness == "same"
            return self.same(method, args, kwargs) if same else self.each(name, args, kwargs)

        return draw

    def same(self, method: Any, args: Any, kwargs: Any) -> Any:
        """One draw for all samples, unless a parameter differs from sample to sample."""
        if any(isinstance(x, Value) for x in (*args, *kwargs.values())):
            raise RuntimeError(
                "Vmap does not currently support same randomness with a batched tensor input."
                " Please file an issue with functorch"
            )
        return method(*args, **kwargs)

    def each(self, name: str, args: Any, kwargs: Any) -> Any:
        """A draw for each sample: in one go where the sizes are all that matters."""
        method, size = getattr(self.engine, name), self.level.size
        out = kwargs.pop("out", None)
        if name in _SHAPED and not any(isinstance(x, Value) for x in args):
            shape, dtype, *rest = args
            if out is not None:
                shape, dtype = out.shape, out.dtype
            shape = (shape,) if isinstance(shape, int) else tuple(shape)
            found = method((size, *shape), dtype, *rest, **kwargs)
            return Batched(self.level, wrap(found))
        if out is not None and name not in _SHAPED:
            args = (args[0], out.dtype, *args[2:]) if len(args) > 1 else args
        if any(isinstance(x, Value) for x in args) and all(map(self.plain, args)):
            # element by element, or row by row: the whole batch in one go
            first, *rest = map(self.numbers, args)
            rows = first.shape[:-1] if name == "multinomial" else ()
            if len(rows) == 2:  # the engine takes one table of weights
                first = first.reshape(-1, first.shape[-1])
            found = _drawn(method(first, *rest, **kwargs))
            return Batched(self.level, found.view(*rows, -1) if len(rows) == 2 else found)
        each = [_drawn(method(*(self.row(x, i) for x in args), **kwargs))
                for i in range(size)]  # fmt: skip
        return Batched(self.level, stack(tuple(each), 0))

    def plain(self, x: Any) -> bool:
        """Whether a parameter is a number, or this batch's own numbers."""
        if type(x) is Batched:
            return x.level is self.level and not isinstance(x.inner._array, Value)
        return not isinstance(x, np.ndarray)

    def numbers(self, x: Any) -> Any:
        return x.inner._array if type(x) is Batched else x

    def row(self, x: Any, i: int) -> Any:
        """A parameter as sample i has it."""
        if type(x) is Batched and x.level is self.level:
            return raw(select(x.inner, 0, i))
        return x
