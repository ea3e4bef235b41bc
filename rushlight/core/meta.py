"""Tensors on the meta device: a shape, a type and strides, and no values.

A `Meta` stands in a Tensor where its array would, like the values of transforms. Ops find out what
their results look like from their own declarations: views and everything that is not said otherwise
are evaluated on memory of zeros that takes no room, elementwise ops and products on a corner of
it. So all errors, types and strides are those of the eager ops.

Source: https://pytorch.org/docs/stable/meta.html
"""

from __future__ import annotations

import mmap
from collections.abc import Callable, Sequence
from math import prod
from typing import Any, ClassVar, NoReturn

import numpy as np

from . import dtypes, shapes
from .dispatch import ARRAYS, WRAPPERS, evaluate, finish, promote
from .errors import fail
from .operands import refuse_numbers
from .primitive import Elementwise, Primitive
from .tensor import Tensor, wrap
from .values import Value, raw

DEVICE = dtypes.device("meta")
ROOM = 1 << 44  # bytes of addresses; pages that are only read are one page of zeros
FORMS: dict[Any, Any] = {}  # by op, forms of operands and parameters: forms of results
MOST = 1 << 12
_zeros: list[Any] = []
ndarray = np.ndarray


class _Level:
    """Below all transforms."""

    depth = 0


class Meta(Value):
    """What is known of a tensor without values: an array of zeros that is laid out like it."""

    __slots__ = ("base", "form")
    absent: ClassVar[bool] = True
    torch_device: ClassVar[dtypes.device] = DEVICE
    level: Any = _Level

    def __init__(self, form: ndarray, base: Meta | None = None) -> None:
        self.form, self.base = form, base  # type: ignore[misc]  # set once, then frozen

    @property
    def shape(self) -> Any:
        return self.form.shape

    def core(self) -> Tensor:
        return wrap(self.form)

    def values(self, how: str) -> NoReturn:
        if how.startswith("aten::"):
            raise NotImplementedError(
                f"{how}: attempted to run this operator with Meta tensors, but there was no fake"
                " impl or Meta kernel registered."
            )
        if how in _NUMBERS:
            raise RuntimeError("Tensor.item() cannot be called on meta tensors")
        raise no_data()

    def everything(self) -> NoReturn:
        raise no_data()

    def for_each(self, x: Tensor) -> Tensor:
        return moved(x)

    def detached(self) -> Meta:
        return self

    def below(self) -> Tensor:
        return wrap(self)

    def copy(self, order: str = "C") -> Meta:
        return Meta(fresh(self.form))

    def describe(self) -> str:
        raise no_data()

    @staticmethod
    def put(level: Any, target: Tensor, result: Tensor) -> None:
        if not isinstance(target._array, Meta):
            raise no_data()


_NUMBERS = frozenset(("bool()", ".item()"))


def no_data(*notes: str) -> BaseException:
    """torch's error for a question about values."""
    return fail(
        NotImplementedError, "Cannot copy out of meta tensor; no data!",
        "its values were never there: to_empty(device='cpu') makes memory for them", *notes,
    )  # fmt: skip


def laid_out(shape: Sequence[int], kind: np.dtype, strides: Any = None) -> ndarray:
    """Zeros of any size that take no memory, and cannot be written."""
    shape = tuple(shape)
    if not _zeros:
        _zeros.append(_reserved(ROOM))
    return ndarray(shape, kind, _zeros[0], 0, strides)


def _reserved(room: int) -> Any:
    """Addresses that may be read: as many as the system gives."""
    try:
        if hasattr(mmap, "MAP_ANONYMOUS"):
            return mmap.mmap(-1, room, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, mmap.PROT_READ)
        return mmap.mmap(-1, room, access=mmap.ACCESS_READ)
    except OSError:
        return _reserved(room // 4)


def fresh(like: ndarray, kind: np.dtype | None = None) -> ndarray:
    """The form of a new array laid out as this one: dense, with its order of dimensions."""
    corner = np.empty_like(like[tuple(slice(0, 2) for _ in like.shape)], kind)
    return laid_out(like.shape, corner.dtype, _packed(like.shape, corner))


def _packed(shape: Sequence[int], corner: ndarray) -> tuple[int, ...]:
    """Strides of a dense array whose dimensions are in the order of another's strides."""
    order = sorted(range(len(shape)), key=lambda dim: -abs(corner.strides[dim]))
    steps, step = [0] * len(shape), corner.itemsize
    for dim in reversed(order):
        steps[dim] = step
        step *= max(shape[dim], 1)
    return tuple(steps)


def blank(shape: Sequence[int], kind: np.dtype, strides: Any = None) -> Tensor:
    """A new tensor without values."""
    if prod(shape) * kind.itemsize >= 1 << 63:
        raise RuntimeError(f"Storage size calculation overflowed with sizes={list(shape)}")
    return wrap(Meta(laid_out(shape, kind, strides)))


def moved(x: Tensor) -> Tensor:
    """What a tensor looks like, without its values; itself if it has none."""
    return x if isinstance(x._array, Meta) else wrap(Meta(fresh(x._array)))


def form_of(x: Any) -> Any:
    """What stands for an operand when an op is tried."""
    if isinstance(x, Tensor):
        x = x._array
    return x.form if type(x) is Meta else x


def _param(x: Any) -> Any:
    """What stands for a parameter; how much a mask chooses is a question about values."""
    if type(x) is tuple:
        return tuple(map(_param, x))
    if type(x) is Meta and x.dtype.kind == "b":
        x.values("aten::nonzero")
    return form_of(x)


def _same_device(inputs: Sequence[Any]) -> None:
    here = [x.device.type for x in inputs if isinstance(x, Tensor) and x._array.ndim]
    first = here[0] if here else "meta"
    for one in here:
        if one != first:
            raise fail(
                RuntimeError, f"Tensor on device {one} is not on the expected device {first}!",
                "x.to('meta') drops the values of x; nothing brings values to a meta tensor",
            )  # fmt: skip


def apply(prim: Primitive, inputs: tuple[Any, ...], params: tuple[Any, ...]) -> Any:
    """What an op gives on operands without values."""
    if prim.arity == 2:
        refuse_numbers(prim, inputs)
    _same_device(inputs)
    inputs = promote(prim, inputs)
    arrays = tuple([x._array if isinstance(x, Tensor) else x for x in inputs])
    found = remembered(prim, tuple(map(form_of, arrays)), tuple(map(_param, params)))
    base = next((a for a in arrays if type(a) is Meta), None)
    is_view = getattr(prim.rule, "view", False)

    def result(y: ndarray) -> Meta:
        if is_view and base is not None:
            return Meta(y, base if base.base is None else base.base)
        return Meta(y)

    y = tuple(map(result, found)) if prim.outputs != 1 else result(found)
    return finish(prim, inputs, arrays, y, params)


def _on_raw(prim: Primitive, inputs: tuple[Any, ...], params: tuple[Any, ...]) -> Any:
    """The same for values as rules meet them, outside of a Tensor."""
    y = apply(prim, tuple([wrap(x) if type(x) is Meta else x for x in inputs]), params)
    return tuple(map(raw, y)) if type(y) is tuple else raw(y)


def remembered(prim: Primitive, forms: tuple[Any, ...], params: tuple[Any, ...]) -> Any:
    if getattr(prim.rule, "view", False):
        return evaluate(prim, forms, params)
    try:
        key = (prim, params, *map(_looks, forms))
        known = FORMS.get(key)
    except TypeError:  # arrays among the parameters
        key = known = None
    if known is None:
        known = _inferred(prim, forms, params)
        if key is not None:
            if len(FORMS) >= MOST:
                FORMS.clear()
            FORMS[key] = known
    return known


def _looks(x: Any) -> Any:
    return (x.shape, x.strides, x.dtype.char) if type(x) is ndarray else (x, type(x))


def _inferred(prim: Primitive, forms: tuple[Any, ...], params: tuple[Any, ...]) -> Any:
    arrays = [x for x in forms if type(x) is ndarray]
    elementwise = type(prim.rule) is Elementwise or (
        prim.rule is None and prim.dtype in ("compare", "promote", "float")
    )
    if elementwise and prim.arity is not None and prim.outputs == 1:
        shape = shapes.broadcast(*(x.shape for x in arrays))
    else:
        shape = _contracted(prim, arrays) if len(arrays) == len(forms) else None
    with np.errstate(all="ignore"):
        if shape is not None:
            small = tuple(map(_corner, forms))
            corner = np.asarray(evaluate(prim, small, params))
            return laid_out(shape, corner.dtype, _packed(shape, corner))
        y = _tried(prim, forms, params)
    if prim.outputs == 1:
        return _emptied(np.asarray(y))
    return tuple([_emptied(np.asarray(one)) for one in y])


def _tried(prim: Primitive, forms: tuple[Any, ...], params: tuple[Any, ...]) -> Any:
    try:
        return evaluate(prim, forms, params)
    except RuntimeError as error:
        if "singular" not in str(error) and "positive" not in str(error):
            raise
    # a matrix of zeros has no inverse; the identity has
    return evaluate(prim, tuple(map(_invertible, forms)), params)


def _invertible(x: Any) -> Any:
    if type(x) is not ndarray or x.ndim < 2 or x.shape[-1] != x.shape[-2]:
        return x
    return np.broadcast_to(np.eye(x.shape[-1], dtype=x.dtype), x.shape)


def _emptied(y: ndarray) -> ndarray:
    """The form of a computed result."""
    return laid_out(y.shape, y.dtype, y.strides)


def _corner(x: Any) -> Any:
    """At most two along each dimension of an operand, dense where it is dense."""
    if type(x) is not ndarray:
        return x
    part = x[tuple(slice(0, 2) for _ in x.shape)]
    if _packed(x.shape, x) != x.strides:
        return part
    ones = np.ones(part.size, x.dtype)  # by which whole numbers can be divided
    return ndarray(part.shape, x.dtype, ones, 0, _packed(part.shape, x))


def _contracted(prim: Primitive, arrays: Sequence[ndarray]) -> tuple[int, ...] | None:
    """The shape of a product, by its declaration; None where that is not said or does not fit."""
    lower = prim.lower
    if type(lower) is not tuple or lower[0] != "contraction":
        return None
    terms, result = lower[1].split("->")
    sizes: dict[str, int] = {}
    leading: tuple[int, ...] = ()
    for term, x in zip(terms.split(","), arrays):
        letters = term.removeprefix("...")
        if x.ndim < len(letters) or (x.ndim > len(letters) and letters == term):
            return None
        split = x.ndim - len(letters)
        for letter, size in zip(letters, x.shape[split:]):
            if sizes.setdefault(letter, size) != size:
                return None
        if x.shape[:split]:
            try:
                leading = np.broadcast_shapes(leading, x.shape[:split])
            except ValueError:
                return None
    return (*leading, *(sizes[letter] for letter in result.removeprefix("...")))


Handler = Callable[..., Any]
ARRAYS[Meta] = apply
WRAPPERS[Meta] = _on_raw
