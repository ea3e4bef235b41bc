"""What torch says of writes to memory that something else reads too, or that repeats itself.

Two arrays without gaps have nothing in common, the same places in the same order, or share some of
them. Elementwise functions refuse the last; what writes by places refuses the last two. Of arrays
with gaps torch does not ask.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .errors import fail, levels_out
from .state import STATE
from .tape import mark_written
from .tensor import Tensor, wrap

ndarray = np.ndarray
# functions of which the twins in place read nothing that they write
APART = frozenset(
    "index_copy index_add index_fill index_put index_reduce scatter scatter_add scatter_reduce put"
    .split()
)  # fmt: skip
# what they say of expanded tensors, which they write all the same
_CLONE = (
    "Use of {} on expanded tensors is deprecated. Please clone() the tensor before performing this"
    " operation. This also applies to advanced indexing e.g. tensor[{}] = {}"
)
# how many operands are read while some others are written; of the rest a copy is made before
READ = {"masked_fill": 1, "masked_scatter": 1, "index_fill": 2}
SPREAD = {
    "masked_fill": _CLONE.format("masked_fill_", "mask", "scalar"),
    "index_fill": _CLONE.format("index_fill_", "mask", "scalar"),
    "index_put": _CLONE.format("index_put_", "indices", "tensor"),
}


def refuse_overlap(target: Tensor, others: Any = ()) -> None:
    """torch's errors for writing where elements share a place: an expanded tensor's own, or some
    of the target's and some of an operand's (`x[1:] += x[:-1]`).
    """
    refuse_shared_places(target._array)
    refuse_partly_shared(target, others)


def refuse_partly_shared(target: Tensor, others: Any) -> None:
    """torch's error for reading some places in another order than they are written in."""
    for other in others:
        if isinstance(other, Tensor) and _partly_shared(target._array, other._array):
            raise _overlapping()


def refuse_sharing(out: Tensor | None, *inputs: Tensor) -> None:
    """torch's error for an `out` that has any place in common with what is read."""
    if out is not None and any(_meet(out._array, x._array) for x in inputs):
        raise _overlapping()


def within(operands: Any) -> Iterator[Tensor]:
    """The tensors among operands, and in sequences of them."""
    for one in operands:
        if isinstance(one, Tensor):
            if type(one._array) is ndarray:
                yield one
        elif type(one) in (tuple, list):
            yield from within(one)


def _overlapping() -> BaseException:
    return fail(
        RuntimeError,
        "unsupported operation: some elements of the input tensor and the written-to tensor refer"
        " to a single memory location. Please clone() the tensor before performing the operation.",
    )


def _meet(a: Any, b: Any) -> bool:
    """Whether two arrays without gaps have places in common."""
    a, b = getattr(a, "memory", a), getattr(b, "memory", b)  # what traced arrays stand for
    if not (type(a) is ndarray is type(b) and a.size and b.size):
        return False
    if not np.may_share_memory(a, b):
        return False
    return a.flags.forc and b.flags.forc


def _partly_shared(a: Any, b: Any) -> bool:
    """Whether two arrays without gaps have places in common, but not all in the same order."""
    if a is b or not _meet(a, b):
        return False
    a, b = getattr(a, "memory", a), getattr(b, "memory", b)
    same = a.ctypes.data == b.ctypes.data and a.nbytes == b.nbytes
    return not same or a.strides != b.strides


def repeats(a: Any) -> bool:
    """Whether several elements of an array are one place."""
    a = getattr(a, "memory", a)  # that a traced array stands for
    return type(a) is ndarray and a.size > 0 and any(
        not step and n > 1 for step, n in zip(a.strides, a.shape)
    )  # fmt: skip


def refuse_shared_places(a: Any) -> None:
    """torch's error for writing to an array of which several elements are one place."""
    if repeats(a):
        raise fail(
            RuntimeError,
            "unsupported operation: more than one element of the written-to tensor refers to a"
            " single memory location. Please clone() the tensor before performing the operation.",
        )


def refuse_assigned(target: Tensor, array: Any, value: Any, places: Any) -> None:
    """torch's errors and warning for `target[...] = value`, which writes to `array`, all of it or
    at places.
    """
    if repeats(array):
        if not places:
            refuse_shared_places(array)
        if STATE.tracer is not None:
            STATE.tracer.stop("a write to an expanded tensor")
        warnings.warn(SPREAD["index_put"], stacklevel=levels_out())
    if isinstance(value, Tensor) and (
        value is target or target._base is not None or value._base is not None
    ):
        given = value._array
        if places and not (given.ndim or len(places) > 1 or places[0].dtype.kind != "b"):
            return  # one number, where a mask says
        alike = array.shape == given.shape
        if _meet(array, given) if places else alike and _partly_shared(array, given):
            raise _overlapping()


def write_spread(
    target: Tensor, text: str, function: Callable[..., Any], others: tuple[Any, ...]
) -> None:  # fmt: skip
    """Write to an expanded tensor what changes in any of the elements that are one place.

    Sums of several places (`accumulate`, the last operand) are all added.
    """
    if STATE.tracer is not None:
        STATE.tracer.stop("a write to an expanded tensor")
    warnings.warn(text, stacklevel=levels_out())
    a = target._array
    before = a.copy()
    after = function(wrap(before))._array
    if others[-1] is True and a.dtype.kind in "iufc":
        rows = tuple(slice(0, 1) if not step else slice(None) for step in a.strides)
        dims = tuple(dim for dim, step in enumerate(a.strides) if not step)
        a[rows] += (after - before).sum(dims, dtype=a.dtype, keepdims=True)
    else:
        np.copyto(a, after, where=after != before)
    mark_written(a)
