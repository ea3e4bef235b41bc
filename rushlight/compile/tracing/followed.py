"""A function that is traced with stand-ins for numbers among its arguments (`numbers.py`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from ...core import dtypes, gates, holes
from ...core.state import STATE
from .numbers import Key, Number, asked, condition, plain
from .numpy_calls import value_of
from .placed import placed
from .respelled import OTHERWISE, respelled

_SCALED = (dtypes.float32, dtypes.float64)


class _Boundary:
    """The mode of public calls in which only some are given numbers, all others their values."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        noted = name in _TAKE_NUMBERS
        if name == "__setitem__" and len(args) > 1 and holes.holds(args[1], Number):
            args = args[0], *placed(*args)
        if noted and type(kwargs.get("alpha")) is Number:
            args, kwargs = _scaled(name, args, kwargs)
        if not noted and holes.holds((args, kwargs), Number):
            if name in _OPENED:
                with bounded():
                    return gates.GATES[id(func)].inner(*args, **kwargs)
            found = respelled(func, args, kwargs)
            if found is not OTHERWISE:
                return found
            args, kwargs = holes.replaced((args, kwargs), Number, plain)
        return func(*args, **kwargs)


def _scaled(name: str, args: Any, kwargs: Any) -> tuple[Any, Any]:
    """`add(x, y, alpha=k)` as `add(x, k * y)`, where that is how it is computed."""
    x, y, *rest = (*args, None, None)
    kind = getattr(y, "dtype", None)
    if any(rest) or kind is not getattr(x, "dtype", 0) or kind not in _SCALED:
        return args, kwargs
    by = kwargs["alpha"]
    scaled = (x * by, y) if name == "rsub" else (x, y * by)
    return scaled, {k: v for k, v in kwargs.items() if k != "alpha"}


@contextmanager
def bounded() -> Iterator[None]:
    """Keep numbers from public calls that do not know them meanwhile."""
    gates.enter_mode(_Boundary())
    try:
        yield
    finally:
        gates.leave_mode()


# public names of what is noted: operators of tensors, their spellings as functions, mixtures
_TAKE_NUMBERS = frozenset(
    """
add add_ sub sub_ subtract subtract_ rsub mul mul_ multiply multiply_ div div_ divide divide_
true_divide true_divide_ pow pow_ eq ne lt le gt ge less less_equal greater greater_equal not_equal
__rsub__ __rtruediv__ __rpow__ __pow__ __ipow__ __eq__ __radd__ __rmul__ lerp lerp_
gumbel_softmax
""".split()
)

# public functions that are written in public calls, which are given the numbers in turn
_OPENED = frozenset(
    """
normalize cosine_similarity pairwise_distance margin_ranking_loss triplet_margin_loss
triplet_margin_with_distance_loss hinge_embedding_loss cosine_embedding_loss multi_margin_loss
poisson_nll_loss gaussian_nll_loss
_foreach_add _foreach_add_ _foreach_sub _foreach_sub_ _foreach_mul _foreach_mul_ _foreach_div
_foreach_div_ _foreach_lerp _foreach_lerp_ _foreach_pow _foreach_pow_ _foreach_addcmul
_foreach_addcmul_ _foreach_addcdiv _foreach_addcdiv_ _foreach_clamp_min _foreach_clamp_min_
_foreach_clamp_max _foreach_clamp_max_ _foreach_maximum _foreach_maximum_ _foreach_minimum
_foreach_minimum_
""".split()
)


class Followed:
    """A function given 0-d tensors for some numbers, as which it takes them while it is traced.

    `keys` are their places among the arguments. What the calls of its programs have in common is
    in `conditions`. With `constant` all numbers are.
    """

    def __init__(self, function: Callable[..., Any], keys: Sequence[Key]) -> None:
        self.function, self.keys = function, keys
        self.__name__ = getattr(function, "__name__", type(function).__name__)
        self.conditions: dict[str, Any] = {}
        self.holds: Callable[[Any, Any], bool] = condition({})
        self.constant = False
        self.whole: tuple[str, ...] = ()  # whole numbers that the calls have in common

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        tracer = STATE.tracer
        given = {**dict(enumerate(args)), **kwargs}
        tensors = {key: given[key] for key in self.keys}
        values = {key: value_of(x._array).item() for key, x in tensors.items()}
        args, kwargs = _exchanged(args, kwargs, values)
        if tracer is None or tracer.closed:
            return self.function(*args, **kwargs)
        tracer.given.update(args=args, kwargs=kwargs)
        if self.constant:
            for key in self.keys:
                asked(_place(key))
            return self.function(*args, **kwargs)
        tracer.keyed = tensors
        numbers = {key: Number(_place(key), x) for key, x in tensors.items()}
        args, kwargs = _exchanged(args, kwargs, numbers)
        with bounded():
            return self.function(*args, **kwargs)

    def noted(self, conditions: Mapping[str, Any]) -> None:
        """What a trace asked is asked before programs are run, from now on."""
        self.conditions = {**self.conditions, **conditions}
        self.whole = tuple([text for text, x in self.conditions.items() if type(x) is int])
        self.holds = condition(self.conditions)


def _place(key: Key) -> str:
    return f"kwargs[{key!r}]" if type(key) is str else f"args[{key}]"


def _exchanged(args: Any, kwargs: Any, new: Mapping[Key, Any]) -> tuple[Any, Any]:
    """The arguments with others in some places."""
    args, kwargs = list(args), dict(kwargs)
    for key, value in new.items():
        place: Any = kwargs if type(key) is str else args
        place[key] = value
    return tuple(args), kwargs
