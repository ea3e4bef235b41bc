"""The one door for in-place writes: memory, version, history, and the views that share it.

A recorded in-place op is its functional twin on the old value, whose result is then stored into the
target's memory and whose history the target takes over. When the target is a view, its base is
rewritten as "the old base with that region replaced", and every other live view of the base reads
from the new history.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import dtypes
from .dispatch import LATE, OUTPUT_OF, node_name, result_type, scalar_type_name
from .errors import fail, unremarked, user_place
from .memory import blank
from .overlaps import (
    APART,
    READ,
    SPREAD,
    refuse_overlap,
    refuse_sharing,
    repeats,
    within,
    write_spread,
)
from .overlaps import refuse_shared_places as refuse_shared_places
from .shapes import broadcast
from .state import SMALL, STATE
from .tape import (
    LEAF,
    ORDER,
    OUTPUT,
    PARAMS,
    PARENTS,
    PRIM,
    hooks_of,
    mark_quietly,
    mark_written,
    tick,
)
from .tensor import EAGER_TYPES, Tensor, wrap
from .values import Value, put

ndarray = np.ndarray
_BLANK = "?bBhHiIlLqQefdgE"  # letters of types whose zeros are bytes of zeros
DOCUMENTED = """In-place version of `{name}`: the tensor takes the result's values, and is returned.

    Its history becomes the result's. Raises: RuntimeError for a leaf that requires grad while
    gradients are recorded, and for a result of another shape or of a type that does not fit.
    """


class Late:
    """The ops that histories of views are made of."""

    replace_region: Any
    strided_view: Any
    as_pairs: Any
    from_pairs: Any


def geometry(view: np.ndarray, base: np.ndarray) -> tuple[Any, ...]:
    """Where a view lies in its base: (shape, strides, offset) in elements, or flat indices."""
    size = base.itemsize
    offset = (view.ctypes.data - base.ctypes.data) // size if view.size else 0
    if base.flags.c_contiguous:
        return view.shape, tuple(s // size for s in view.strides), offset
    if type(base) is not ndarray and (found := _in_rows(view, base)) is not None:
        return found  # in a sample of a batch, as if it lay in rows
    flat = np.arange(base.size).reshape(base.shape)
    memory = np.empty_like(base, dtype=np.int64)
    if memory.strides != tuple(s // size * 8 for s in base.strides):  # it has gaps, or repeats
        return (_among(view, base),)
    memory[...] = flat
    return (
        np.lib.stride_tricks.as_strided(
            np.lib.stride_tricks.as_strided(memory, (base.size,), (8,))[offset:],
            view.shape, tuple(s // size * 8 for s in view.strides),
        ).copy(),
    )  # fmt: skip


def _among(view: np.ndarray, base: np.ndarray) -> np.ndarray:
    """Which elements of a base those of a view are, by their addresses."""
    known = addresses(base).reshape(-1)
    order = np.argsort(known, kind="stable")
    return order[np.searchsorted(known[order], addresses(view))]


def _in_rows(view: Any, base: Any) -> tuple[Any, ...] | None:
    """Where a view lies in a base taken in rows, where shape, strides and offset say that."""
    if not view.size:
        return view.shape, (0,) * view.ndim, 0
    if not np.isin(addresses(view), addresses(base)).all():
        return None
    places = _among(view, base)
    first, grid, steps = int(places.flat[0]), np.zeros(places.shape, np.int64), []
    for dim, n in enumerate(places.shape):
        second = np.take(places, min(1, n - 1), dim).flat[0]
        steps.append(int(second) - first)
        grid += (np.arange(n) * steps[-1]).reshape(-1, *[1] * (places.ndim - dim - 1))
    return (places.shape, tuple(steps), first) if (grid + first == places).all() else None


def addresses(x: np.ndarray) -> np.ndarray:
    """Where each element of an array stands."""
    found = np.full(x.shape, x.ctypes.data, np.int64)
    for dim, step in enumerate(x.strides):
        found += (np.arange(x.shape[dim]) * step).reshape(-1, *[1] * (x.ndim - dim - 1))
    return found


def refuse_leaf(target: Tensor, through_view: bool = False) -> None:
    """torch's errors for writing to a leaf that requires grad while recording."""
    if not STATE.grad:
        return
    base = target if target._base is None else target._base
    if target._entry is LEAF and base is target and not through_view:
        raise fail(
            RuntimeError,
            "a leaf Variable that requires grad is being used in an in-place operation.",
            "change a parameter inside `with torch.no_grad():`, or work on a .clone()",
        )
    if base is not target:
        _refuse_view(target, base)
    if base._entry is LEAF or (base is not target and _of_a_leaf(target, base)):
        raise fail(
            RuntimeError,
            "a view of a leaf Variable that requires grad is being used in an in-place operation.",
            "change a parameter inside `with torch.no_grad():`, or work on a .clone()",
        )


def _of_a_leaf(target: Tensor, base: Tensor) -> bool:
    """Whether a view of a base without history is, or is taken from, a leaf on the same memory."""
    entry: Any = target._entry
    if base._entry is not None or entry is None:
        return False
    while type(entry) is list and entry[PARENTS]:
        entry = entry[PARENTS][0]
    return entry is LEAF or (isinstance(entry, Tensor) and entry._base is base)


_OF_FUNCTION = (
    "is a view and is being modified inplace. This view was created inside a custom Function (or"
    " because an input was returned as-is) and the autograd logic to handle view+inplace would"
    " override the custom backward associated with the custom Function, leading to incorrect"
    " gradients. This behavior is forbidden. You can fix this by cloning the output of the custom"
    " Function."
)


def _part_of_many(entry: Any, base: Tensor) -> Any:
    """The output of a function of several, or of the user's, that a view is, or is a view of."""
    while type(entry) is list and entry is not base._entry:
        if entry[PRIM] is OUTPUT_OF or entry[PRIM].rule is None:
            return entry
        if not getattr(entry[PRIM].rule, "view", False):
            return None
        entry = entry[PARENTS][0]
    return None


def _refuse_view(target: Tensor, base: Tensor) -> None:
    """torch's errors for views that must not be written while recording."""
    entry = target._entry
    part = _part_of_many(entry, base)
    if part is not None:
        many = part[PARENTS][0] if part[PRIM] is OUTPUT_OF else part
        # whose callers promise to know what they do; of a program each result has its own history
        if node_name(many).startswith(("UnsafeSplit", "CompiledFunction")):
            return
        number = part[PARAMS][0] if entry[PRIM] is OUTPUT_OF else 0
        name = node_name(many if part is entry else entry).removesuffix("0")
        output = f"Output {number} of {name.removesuffix('Backward')}"
        if many[PRIM].rule is None:
            raise fail(RuntimeError, f"{output} {_OF_FUNCTION}")
        raise fail(
            RuntimeError,
            f"{output} is a view and is being modified inplace. This"
            " view is the output of a function that returns multiple views. Such functions do not"
            " allow the output views to be modified inplace. You should replace the inplace"
            " operation by an out-of-place one.",
            "or write to the part by its index: x[i] += 1",
        )
    if entry is None and base._entry is not None:
        raise fail(
            RuntimeError,
            "A view was created in no_grad mode and is being modified inplace with grad mode"
            " enabled. Given that this use case is ambiguous and error-prone, it is forbidden. You"
            " can clarify your code by moving both the view and the inplace either both inside the"
            " no_grad block (if you don't want the inplace to be tracked) or both outside (if you"
            " want the inplace to be tracked).",
        )


def shadow(target: Tensor) -> Tensor:
    """The target's present value and history, out of reach of the coming write."""
    return wrap(target._array.copy(), target._entry)


def recording(target: Tensor, others: Any) -> bool:
    """Whether an in-place op on these operands goes on the tape."""
    grad = STATE.grad
    for x in (target, *others):
        if isinstance(x, Tensor) and (
            (grad and x._entry is not None)
            or (type(x._array) is not ndarray and isinstance(x._array, Value))
        ):
            return True
    return False


def is_value(x: Any) -> bool:
    """Whether a tensor belongs to a transform's level, which sees to writes itself."""
    return isinstance(x, Tensor) and type(x._array) is not ndarray and isinstance(x._array, Value)


def memory(target: Tensor) -> Any:
    """The array of a tensor that is about to be written; a trace follows it from here on."""
    if STATE.tracer is not None:
        STATE.tracer.lift(target)
    return target._array


def store(target: Tensor, result: Tensor) -> Tensor:
    """Write a result into the target's memory and give the target the result's history."""
    a = target._array if STATE.tracer is None else memory(target)
    y = result._array
    if type(a) is ndarray is type(y) and y.dtype is a.dtype and y.shape == a.shape:
        a[...] = y
    else:
        a = _stored(target, result, a, y)
    grad = STATE.grad
    entry = result._entry if grad and result._entry is not LEAF else None
    if target._silent:
        mark_quietly(a)
    elif not grad:
        mark_written(a)
    else:
        node = "" if entry is None else entry[PRIM].node
        place: Any = user_place()  # the line is asked for in errors alone
        mark_written(a, place, node if type(node) is str else "")
    if entry is not None and target.dtype.category >= dtypes.FLOAT:
        if entry[OUTPUT] is y:
            entry[OUTPUT] = a
        entry[ORDER] = tick()
        _move(target, entry)
        rebase(target)
    return target


def _stored(target: Tensor, result: Tensor, a: Any, y: Any) -> Any:
    """A result of another type or shape in the target's memory, if it may be; that memory."""
    if y.shape != a.shape:
        joined = np.broadcast_shapes(y.shape, a.shape) if _fits(y.shape, a.shape) else y.shape
        raise RuntimeError(
            f"output with shape {list(a.shape)} doesn't match the broadcast shape {list(joined)}"
        )
    if y.dtype is not a.dtype and not dtypes.can_cast(result.dtype, target.dtype):
        raise _not_castable(result.dtype, target.dtype)
    if is_value(target) or is_value(result):
        put(target, result)
        return target._array
    np.copyto(a, y, casting="unsafe")
    return a


def _fits(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    return all(m == n or 1 in (m, n) for m, n in zip(reversed(a), reversed(b)))


def rebase(target: Tensor) -> None:
    """After a recorded write: new history for the base and for every live view of it."""
    base = target._base
    if base is not None:
        _move(base, _replaced(base._entry, base._array, target._entry, target._array))
    else:
        base = target
    for ref in base._views or ():
        view = ref()
        if view is not None:
            _move(view, _region(base._entry, base._array, view._array))


def _move(x: Tensor, entry: Any) -> None:
    """Give a tensor its new history; what retains its gradient goes along."""
    before, x._entry = x._entry, entry
    if x._retained and type(before) is list and before is not entry:
        hooks_of(entry).retain[0] = hooks_of(before).retain.pop(0)


def _entry(op: Any, parents: tuple[Any, ...], params: Any, shape: Any) -> Any:
    return [op.primitive, parents, None, None, params, shape, tick(), None]


def _replaced(old: Any, base: np.ndarray, new: Any, values: np.ndarray) -> Any:
    """The base's history, with that of some of its elements replaced."""
    if is_complex(base) == is_complex(values):
        return _entry(Late.replace_region, (old, new), geometry(values, base), base.shape)
    entry = _replaced(*_in_pairs(old, base), *_in_pairs(new, values))
    return _entry(Late.from_pairs, (entry,), (), base.shape) if is_complex(base) else entry


def _region(entry: Any, base: np.ndarray, view: np.ndarray) -> Any:
    """The history of a view that reads from its base's."""
    if is_complex(base) == is_complex(view):
        return _entry(Late.strided_view, (entry,), geometry(view, base), view.shape)
    _, pairs = _in_pairs(None, view)
    read = _region(*_in_pairs(entry, base), pairs)
    return _entry(Late.from_pairs, (read,), (), view.shape) if is_complex(view) else read


def _in_pairs(entry: Any, values: np.ndarray) -> tuple[Any, np.ndarray]:
    """Complex numbers as the real ones that they share memory with, and their history."""
    if not is_complex(values):
        return entry, values
    pairs: np.ndarray = Late.as_pairs.primitive.eval(values)
    return entry and _entry(Late.as_pairs, (entry,), (), pairs.shape), pairs


def is_complex(values: np.ndarray) -> bool:
    """Whether an array holds complex numbers; views of one may be real, and the other way round."""
    return values.dtype.char in dtypes.COMPLEX_CODES


def refuse_larger(target: Tensor, source: Tensor) -> None:
    """torch's errors for a source that does not broadcast to the target's shape."""
    shape = tuple(target._array.shape)
    common = broadcast(shape, source._array.shape)
    if common != shape or len(source._array.shape) > len(shape):
        raise RuntimeError(
            f"output with shape {list(shape)} doesn't match the broadcast shape {list(common)}"
        )


def write(target: Tensor, value: Any) -> Tensor:
    """Overwrite without recording: the values of an array or number, cast to the target's type."""
    a = target._array if STATE.tracer is None else memory(target)
    kind, plain = type(value), type(a) is ndarray
    if plain and kind is ndarray and value.dtype is a.dtype and value.shape == a.shape:
        a[...] = value  # which NumPy does sooner than what follows
    elif plain and kind is int and not value and a.dtype.char in _BLANK:
        blank(a)
    elif plain and (kind is int or kind is float) and a.dtype.char in "fd":
        a.fill(value)
    else:
        if a.dtype.itemsize == 1 and a.dtype.kind == "V":
            value = dtypes.narrowed(np.asarray(value), a.dtype)
        np.copyto(a, value, casting="unsafe")
    (mark_quietly if target._silent else mark_written)(a)
    return target


LATE.assign = lambda target, result: write(target, result._array)


def in_place(function: Callable[..., Any]) -> Callable[..., Any]:
    """The in-place twin (`add_`) of a function whose first argument is the target."""

    name = function.__name__
    apart, spread, read = name in APART, SPREAD.get(name), READ.get(name)

    def twin(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        others = (*args, *kwargs.values()) if kwargs else args
        if self._base is not None:
            refuse_leaf(self)
            if spread and repeats(self._array) and not recording(self, others):
                write_spread(self, spread, lambda x: function(x, *args, **kwargs), others)
                return self
            refuse_overlap(self, others[:read])
        elif self._entry is not None:
            refuse_leaf(self)
        elif not others and type(self._array) is ndarray:  # nothing to refuse or to record
            return store(self, function(self))
        else:
            for one in others[:read]:
                if isinstance(one, Tensor) and one._base is not None:
                    refuse_overlap(self, (one,))
        if apart:
            refuse_sharing(self, *within(others[:read]))
        source = shadow(self) if recording(self, others) else self
        try:
            return store(self, function(source, *args, **kwargs))
        except (NotImplementedError, TypeError) as error:
            raise _refused(error, function, self, others) from None

    twin.__name__ = twin.__qualname__ = f"{function.__name__}_"
    twin.__doc__ = DOCUMENTED.format(name=function.__name__)
    return twin


def _refused(error: BaseException, function: Any, target: Tensor, others: Any) -> BaseException:
    """What torch refuses a write for whose values its kernel, or NumPy, does not make.

    torch looks at operands and at the type of the result first.
    """
    prim = getattr(function, "primitive", None)
    if isinstance(error, TypeError):
        try:
            if prim is not None and prim.forbids is not None:
                prim.forbids(target, *others)
        except RuntimeError as said:
            return said
        return error
    numbers = [x for x in others if isinstance(x, (Tensor, int, float, complex))]
    kind = result_type(target, *numbers)
    fits = dtypes.can_cast(kind, target.dtype) or "not implemented for" not in str(error)
    return error if fits else _not_castable(kind, target.dtype)


def _not_castable(kind: dtypes.dtype, wanted: dtypes.dtype) -> BaseException:
    return fail(
        RuntimeError,
        f"result type {scalar_type_name(kind)} can't be cast to the desired output type"
        f" {scalar_type_name(wanted)}",
        f"what is written to stays {wanted}: write x = x / y for x /= y, or convert it before",
    )


def scaled(general: Callable[..., Any], sign: int) -> Callable[..., Any]:
    """The in-place twin of a sum (sign 1) or difference with a factor, `general` at its longest."""

    def twin(self: Tensor, other: Any, alpha: Any) -> Tensor:
        few, recorded = SMALL.descend, self._entry is not None
        if few is not None and type(other) in EAGER_TYPES and type(alpha) in (float, int) and (
            self._base is None and not (STATE.grad and (recorded or other._entry is not None))
        ):  # fmt: skip
            a = memory(self)
            if few(a, other._array, -sign * alpha):
                (mark_quietly if self._silent else mark_written)(a)
                return self
        return general(self, other, alpha=alpha)

    return twin


def in_place_ufunc(op: Callable[..., Any], ufunc: Any, general: Any = None) -> Callable[..., Any]:
    """The in-place twin of a NumPy ufunc: writes straight into the target when not recording.

    `general` is what every other call goes to.
    """
    general = general or in_place(op)
    # of int64 and a number: steps counted
    counting = "" if ufunc is np.true_divide else f"{dtypes.LONG_CODE}q"

    def twin(self: Tensor, other: Any) -> Tensor:
        if not STATE.grad or (self._entry is None and getattr(other, "_entry", None) is None):
            a = memory(self)
            kind = type(other)
            b = other._array if kind in EAGER_TYPES else other
            char = a.dtype.char
            if self._base is None and (
                kind is float
                or kind is int
                or (kind in EAGER_TYPES and b.dtype is a.dtype and other._base is not self)
                if char in "fd"
                else kind is int and char in counting
            ):
                try:
                    ufunc(a, b, a)
                except (ValueError, OverflowError):
                    return general(self, other)
                except RuntimeWarning as error:
                    unremarked(error, tuple)  # the result is written before NumPy remarks on it
                (mark_quietly if self._silent else mark_written)(a)
                return self
        return general(self, other)

    twin.__name__ = twin.__qualname__ = f"{op.__name__}_"
    twin.__doc__ = DOCUMENTED.format(name=op.__name__)
    return twin
