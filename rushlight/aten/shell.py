"""Tensors that are a class's own: `_make_wrapper_subclass` and `__torch_dispatch__`.

A `Shell` stands in a Tensor where its array would, with sizes and a type and no values: what every
operator gives on it is for the class to say. The tape keeps shells, not tensors; a tensor made of a
kept shell has the attributes of the one that it was kept from.
"""

from __future__ import annotations

from types import MemberDescriptorType
from typing import Any, ClassVar

import numpy as np

from ..core import dtypes, gates, overrides
from ..core.dispatch import ARRAYS, WRAPPERS
from ..core.meta import laid_out
from ..core.primitive import Primitive
from ..core.state import get_default_dtype
from ..core.tape import LEAF
from ..core.tensor import Tensor, wrap
from ..core.values import Value, raw
from . import door

_PRIVATE = frozenset(
    "_grad _base _views _hooks _post_accumulate_hooks _retained _silent _inference".split()
)


class _Level:
    """Below all transforms."""

    depth = 0


class Shell(Value):
    """What a tensor of a class of its own has for an array: a form, the class and attributes."""

    __slots__ = ("fields", "form", "kind")
    shell: ClassVar[bool] = True
    level: Any = _Level

    def __init__(self, form: np.ndarray, kind: type, fields: dict[str, Any]) -> None:
        self.form, self.kind, self.fields = form, kind, fields

    @property
    def shape(self) -> Any:
        return self.form.shape

    def core(self) -> Tensor:
        return wrap(self.form)

    def met(self, entry: Any = None) -> Tensor:
        """A tensor of the class over this, with the attributes of the first one."""
        result = object.__new__(self.kind)
        result.__dict__.update((k, v) for k, v in self.fields.items() if k not in _PRIVATE)
        result._array, result._entry = self, entry
        return result

    def pickled(self, requires_grad: bool) -> Any:
        """How a tensor over this is made again: by its class, form and attributes."""
        form = self.form
        steps = tuple(step // form.itemsize for step in form.strides)
        fields = {k: v for k, v in self.fields.items() if k not in _PRIVATE}
        return _again, (self.kind, form.shape, steps, dtypes.of(form), requires_grad, fields)

    def detached(self) -> Any:
        """What the class gives for it, with attributes of its own."""
        return door.modes.Late.detach(self.met())._array

    def below(self) -> Tensor:
        return self.met()

    def for_each(self, x: Tensor) -> Tensor:
        return x

    def values(self, how: str) -> np.ndarray:
        raise RuntimeError(f"{how} is not supported for tensor subclasses.")

    def everything(self) -> np.ndarray:
        return self.values("a check of values")

    @staticmethod
    def put(level: Any, target: Tensor, result: Tensor) -> None:
        shell, source = target._array, result._array
        if isinstance(shell, Shell) and isinstance(source, Shell):
            target.__dict__.update((k, v) for k, v in source.fields.items() if k not in _PRIVATE)


def present(x: Any) -> Any:
    """A tensor over a shell in the shell's class; other things as they are."""
    if isinstance(x, Tensor) and isinstance(x._array, Shell) and not isinstance(x, x._array.kind):
        return x._array.met(x._entry)
    return x


def made(
    cls: type, size: Any, strides: Any = None, storage_offset: Any = None,
    memory_format: Any = None, dtype: Any = None, layout: Any = None, device: Any = None,
    pin_memory: bool = False, requires_grad: bool = False, *args: Any, **kwargs: Any,
) -> Tensor:  # fmt: skip
    """A tensor of a class with a `__torch_dispatch__`, of these sizes and without values."""
    if door.modes.handler_of(cls) is None:
        raise RuntimeError(
            f"{cls.__name__} must define __torch_dispatch__ to be used with _make_wrapper_subclass"
        )
    _prepare(cls)
    kind = get_default_dtype() if dtype is None else dtype
    steps = None if strides is None else tuple(n * kind.itemsize for n in strides)
    result = object.__new__(cls)
    result._array = Shell(laid_out(tuple(size), kind.numpy, steps), cls, result.__dict__)
    result._entry = LEAF if requires_grad else None
    return result


def _again(
    cls: type, size: Any, strides: Any, dtype: Any, requires_grad: bool, fields: dict[str, Any]
) -> Tensor:
    """A tensor of a class with a `__torch_dispatch__` from its pickle."""
    result = made(cls, size, strides, dtype=dtype, requires_grad=requires_grad)
    result.__dict__.update(fields)
    return result


_prepared: set[type] = set()


def _prepare(cls: type) -> None:
    """A class that says nothing about functions has them said as operators, as torch's are."""
    if cls in _prepared:
        return
    _prepared.add(cls)
    _hang_slots_on(cls)
    own = cls.__torch_function__
    if own is overrides.plain_results or getattr(own, "__func__", None) is gates.default_handler():
        cls.__torch_function__ = classmethod(_asked)
    gates.subclass_made(cls)


def _hang_slots_on(cls: type) -> None:
    """Attributes that a class has slots for go where a shell keeps attributes."""
    for owner in cls.__mro__[: cls.__mro__.index(Tensor)]:
        for name, slot in list(vars(owner).items()):
            if isinstance(slot, MemberDescriptorType):
                delattr(owner, name)
        if vars(owner).get("__slots__"):
            owner.__slots__ = ()


def _asked(cls: Any, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
    with overrides.disabled():
        return door.entered(func, tuple(map(present, args)), kwargs or {})


_asked.by_operators = True  # type: ignore[attr-defined]  # for ops that no public function called


def _below(prim: Primitive, inputs: tuple[Any, ...], params: tuple[Any, ...]) -> Any:
    return door.below(prim, tuple(map(present, inputs)), params)


def _on_raw(prim: Primitive, inputs: tuple[Any, ...], params: tuple[Any, ...]) -> Any:
    y = _below(prim, tuple(x.met() if isinstance(x, Shell) else x for x in inputs), params)
    return tuple(map(raw, y)) if type(y) is tuple else raw(y)


ARRAYS[Shell] = _below
WRAPPERS[Shell] = _on_raw
