"""Random numbers inside `vmap`: refused, the same for all samples, or different for each."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..core.memory import dense_like
from ..core.tensor import Tensor, wrap
from ..core.values import Value, raw
from ..ops.structure import expand, reshape, select, stack
from .batched import Batched
from .levels import STACK, Level

# Methods that take (shape, dtype, ...) or fill `out`.
_SHAPED = frozenset(
    "uniform normal exponential cauchy log_normal geometric bernoulli integers randint"
    " dropout_noise random".split()
)
# What takes parameters place by place, or row by row.
_BY_PLACE = frozenset(
    "normal_like bernoulli_like poisson binomial standard_gamma dirichlet".split()
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
    """The engine, or what stands for it inside a batch: each batch asks the one around it."""
    for level in STACK.levels:
        if level.kind == "vmap":
            engine = BatchedDraws(engine, level)
    return engine


def target(array: Any, engine: Any, dtype: Any = None) -> Any:
    """What a draw in a value's place fills: the value, where a batch lays out its own memory."""
    if type(array) is Batched and type(engine) is BatchedDraws:
        return _Place(array, dtype or array.dtype)
    return np.empty(array.shape, dtype or array.dtype)


class _Place(NamedTuple):
    """Memory still to be had: as a batch's, of another type of numbers perhaps."""

    array: Any
    dtype: Any

    @property
    def shape(self) -> Any:
        return self.array.shape


def _placed(array: Any, out: Any) -> Any:
    return _Place(array, out.dtype) if type(array) is Batched else None


def filler(engine: Any) -> Any:
    """The engine, for memory that all samples share: it cannot hold a draw for each."""
    if type(engine) is BatchedDraws and engine.level.randomness == "different":
        raise RuntimeError(_SHARED)
    return engine


class BatchedDraws:
    """An engine whose draws follow a batch's `randomness`, all samples of it in one go."""

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
            out = kwargs.get("out")
            if same and type(out) is _Place:
                kwargs["out"] = out if self.inside(out.array) else np.empty(out.shape, out.dtype)
            return self.same(method, args, kwargs) if same else self.each(name, args, kwargs)

        return draw

    def same(self, method: Any, args: Any, kwargs: Any) -> Any:
        """One draw for all samples, unless a parameter differs from sample to sample."""
        if any(map(self.own, args)):
            raise RuntimeError(
                "Vmap does not currently support same randomness with a batched tensor input."
                " Please file an issue with functorch"
            )
        return method(*args, **kwargs)

    def own(self, x: Any) -> bool:
        """Whether a parameter differs from sample to sample of this batch."""
        return isinstance(x, Value) and not (type(x) is Batched and x.level is not self.level)

    def inside(self, x: Any) -> bool:
        """Whether something is a batch of a level around this one."""
        return type(x) is Batched and x.level is not self.level

    def each(self, name: str, args: Any, kwargs: Any) -> Any:
        """A draw for each sample: in one go where the sizes are all that matters."""
        method, size = getattr(self.engine, name), self.level.size
        out = kwargs.pop("out", None)
        whole = self.memory(out)
        if name in _SHAPED and not any(isinstance(x, Value) for x in args):
            shape, dtype, *rest = args
            if whole is not None:
                return Batched(self.level, wrap(method(None, None, *rest, out=whole, **kwargs)))
            if out is not None:
                shape, dtype = out.shape, out.dtype
            shape = (shape,) if isinstance(shape, int) else tuple(shape)
            found = method((size, *shape), dtype, *rest, **kwargs)
            return Batched(self.level, wrap(found))
        if out is not None and name not in _SHAPED:
            args = (args[0], out.dtype, *args[2:]) if len(args) > 1 else args
        if name in _BY_PLACE and all(map(self.known, args)):
            args = self.aligned(args)
        if any(isinstance(x, Value) for x in args) and all(map(self.plain, args)):
            # element by element, or row by row: the whole batch in one go
            first, *rest = map(self.numbers, args)
            rows = first.shape[:-1] if name == "multinomial" else ()
            if len(rows) == 2:  # the engine takes one table of weights
                first = first.reshape(-1, first.shape[-1])
            if whole is not None and name == "bernoulli_like":
                kwargs["out"] = whole
            found = _drawn(method(first, *rest, **kwargs))
            return Batched(self.level, found.view(*rows, -1) if len(rows) == 2 else found)
        each = [_drawn(method(*(self.row(x, i) for x in args), **kwargs))
                for i in range(size)]  # fmt: skip
        return Batched(self.level, stack(tuple(each), 0))

    def memory(self, out: Any) -> Any:
        """What all samples' numbers of a draw go to, as they lie, if that is this batch's own."""
        if type(out) is not _Place or self.inside(out.array):
            return None
        inner = out.array.inner._array
        return dense_like(inner, out.dtype) if type(inner) is np.ndarray else _placed(inner, out)

    def aligned(self, args: Any) -> Any:
        """Parameters of which some stand for all samples, each with numbers for every sample."""
        given = (np.ndarray, Batched)
        shape = np.broadcast_shapes(*[x.shape for x in args if type(x) in given])

        def wide(x: Any) -> Any:
            if type(x) not in given:
                return x
            own, ones = wrap(x), ()
            if type(x) is Batched and x.level is self.level:
                own, ones = x.inner, (1,) * (len(shape) - len(x.shape))
                own = reshape(own, (self.level.size, *ones, *x.shape))
            return Batched(self.level, expand(own, (self.level.size, *shape)))

        return tuple(map(wide, args))

    def known(self, x: Any) -> bool:
        """Whether a parameter's numbers are there: an array's, or a batch's."""
        while type(x) is Batched:
            x = x.inner._array
        return type(x) is np.ndarray or not isinstance(x, np.ndarray)

    def plain(self, x: Any) -> bool:
        """Whether a parameter is a number, or this batch's own numbers."""
        if type(x) is Batched:
            inner = x.inner._array
            return x.level is self.level and (
                type(inner) is Batched or not isinstance(inner, Value)
            )
        return not isinstance(x, np.ndarray)

    def numbers(self, x: Any) -> Any:
        return x.inner._array if type(x) is Batched else x

    def row(self, x: Any, i: int) -> Any:
        """A parameter as sample i has it."""
        if type(x) is Batched and x.level is self.level:
            return raw(select(x.inner, 0, i))
        return x
