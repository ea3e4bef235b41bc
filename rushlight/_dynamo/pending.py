"""Tensors without values yet: the graph that is being collected will compute them.

A `Pending` knows what it will look like (a tensor of the meta device). Whatever asks for its array
or its place on the tape has the graph run first; from then on it is an ordinary tensor, the same
object, so that nobody has to know what it was.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import Any

import rushlight as rl

from ..core.overrides import plain_results
from ..core.tensor import Tensor, new

_ARRAY: Any = vars(Tensor)["_array"]  # where an ordinary tensor keeps what a Pending has not yet
_ENTRY: Any = vars(Tensor)["_entry"]


class Pending(Tensor):
    """A tensor that a graph will compute. `_follower` runs the graph, `_form` is on meta."""

    __slots__ = ()
    __torch_function__ = plain_results
    _follower: Any
    _form: Tensor
    _ref: Any

    def _get_array(self) -> Any:
        self._follower.settle(self)
        return _ARRAY.__get__(self)

    def _get_entry(self) -> Any:
        self._follower.settle(self)
        return _ENTRY.__get__(self)

    def _set_array(self, value: Any) -> None:
        self._follower.settle(self)
        _ARRAY.__set__(self, value)

    def _set_entry(self, value: Any) -> None:
        self._follower.settle(self)
        _ENTRY.__set__(self, value)

    _array = property(_get_array, _set_array)
    _entry = property(_get_entry, _set_entry)

    def __iter__(self) -> Iterator[Any]:
        """The rows, as `unbind` gives them."""
        return iter(self.unbind(0))


def pending(follower: Any, form: Tensor) -> Pending:
    """A tensor that looks like `form` and is computed when the follower's graph runs."""
    made = new(Pending)
    made.__dict__.update(_follower=follower, _form=form)
    return made


def fulfil(waiting: list[Pending], values: list[Any], taken: set[int]) -> None:
    """Let each tensor of `waiting` be what was computed for it.

    taken: ids of tensors that somebody else holds (inputs); what is computed to be one of them
    becomes a view of it.
    """
    turned: dict[int, Tensor] = {}
    for tensor, value in zip(waiting, values):
        if id(value) in taken or id(value) in turned:
            value = value.view_as(value)
        for name in ("_follower", "_form", "_ref"):
            del tensor.__dict__[name]
        tensor.__class__ = type(value)
        tensor.__dict__.update(value.__dict__)
        _ARRAY.__set__(tensor, value._array)
        _ENTRY.__set__(tensor, value._entry)
        turned[id(value)] = tensor
        taken = taken | {id(value)}
        _known_to_base(tensor, value)
    for tensor in turned.values():
        base = tensor._base
        if base is not None and id(base) in turned:
            tensor._base = turned[id(base)]


def _known_to_base(tensor: Tensor, before: Tensor) -> None:
    """A write through the base reaches its views: it knows them by weak references."""
    base = tensor._base
    if base is not None and base._views:
        base._views = [
            weakref.ref(tensor) if one() is before else one for one in base._views
        ]  # fmt: skip


def form_of(tensor: Tensor) -> Tensor:
    """What a tensor looks like, on the meta device: sizes, strides, type, and its gradient."""
    form = rl.empty_strided(
        tensor.shape, tensor.stride(), dtype=tensor.dtype, device="meta",
        requires_grad=tensor.requires_grad,
    )  # fmt: skip
    return form if tensor.is_leaf else form.view_as(form)
