"""Tensor methods about memory and kind: storages, subclasses, older constructors."""

from __future__ import annotations

import importlib
from typing import Any

from ..core.tape import LEAF, PARAMS, PRIM
from ..core.tensor import Tensor, wrap
from . import typed
from .storage import storage, untyped_storage


def _make_subclass(cls: type, data: Tensor, require_grad: bool = False) -> Tensor:
    """The memory of `data` as an instance of a Tensor subclass, a leaf."""
    result = object.__new__(cls)
    result._array = wrap(data._array)._array
    result._entry = LEAF if require_grad else None
    return result


def _make_wrapper_subclass(cls: type, *args: Any, **kwargs: Any) -> Tensor:
    """A tensor of a class with a `__torch_dispatch__`, of some sizes and without values."""
    return importlib.import_module("rushlight.aten.shell").made(cls, *args, **kwargs)


def _output_nr(self: Tensor) -> int:
    """Which output of its operation the tensor is."""
    entry = self._entry
    if entry is None or entry is LEAF or entry[PRIM].name != "output_of":
        return 0
    return entry[PARAMS][0]


def _itself(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """The tensor itself: memory is never page-locked here.

    >>> import rushlight as torch
    >>> torch.ones(2).pin_memory()
    tensor([1., 1.])
    """
    return self


def _no(self: Tensor, *args: Any) -> bool:
    """False: memory is plain memory of this process.

    >>> import rushlight as torch
    >>> torch.ones(2).is_pinned(), torch.ones(2).is_distributed()
    (False, False)
    """
    return False


METHODS: dict[str, Any] = {
    "is_pinned": _no, "is_distributed": _no,
    "name": property(lambda self: None),
    "new": typed.new, "storage": storage, "_typed_storage": storage,
    "untyped_storage": untyped_storage,
    "pin_memory": _itself, "output_nr": property(_output_nr),
    "_make_subclass": staticmethod(_make_subclass),
    "_make_wrapper_subclass": staticmethod(_make_wrapper_subclass),
}  # fmt: skip
