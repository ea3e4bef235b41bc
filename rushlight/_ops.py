"""`torch.ops.aten`: the operators under the names that torch's own dispatcher has for them.

`torch.ops.aten.add.Tensor` is called like `torch.add`. The objects are hashable and stay the same,
so that tables by operator (`{torch.ops.aten.add.Tensor: ...}`) can be written.

Source: https://docs.pytorch.org/docs/stable/torch.compiler_ir.html
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

from .core.modes import STACK, Late, emit, listening
from .core.tensor import Tensor

__all__ = ["OpOverload", "OpOverloadPacket", "aten"]

_HOMES = ("rushlight", "rushlight.nn.functional", "rushlight.linalg", "rushlight.special")
_OTHERWISE = {"_to_copy": "to", "_softmax": "softmax", "_log_softmax": "log_softmax",
              "native_dropout": "dropout", "lift_fresh": "detach"}  # fmt: skip


def _slice(x: Tensor, dim: int = 0, start: Any = None, end: Any = None, step: int = 1) -> Tensor:
    return x[(slice(None),) * (dim % x.ndim) + (slice(start, end, step),)]


def _index(x: Tensor, indices: Any) -> Tensor:
    return x[tuple(slice(None) if one is None else one for one in indices)]


# What an operator is that no public function of its name answers for: by packet or whole name;
# `rushlight.aten.door` fills it.
KERNELS: dict[str, Any] = {}
_OWN = {"slice": _slice, "index": _index, "alias": lambda x: x.view(x.shape)}


def _found(name: str) -> Any:
    """The function of that name; a method where there is no function."""
    if name in _OWN:
        return _OWN[name]
    other = importlib.import_module("rushlight.aten.forms").FORMS.get(name)
    if other is not None:
        return other
    for known in (name, _OTHERWISE.get(name, name), name.removeprefix("linalg_")):
        for home in _HOMES:
            function = getattr(importlib.import_module(home), known, None)
            if callable(function):
                return function
        if not known.startswith("__") and callable(getattr(Tensor, known, None)):
            return getattr(Tensor, known)
    return None


class OpOverload:
    """One form of an operator: `aten.add.Tensor`."""

    __slots__ = ("__name__", "_overloadname", "overloadpacket")
    namespace = "aten"

    def __init__(self, packet: OpOverloadPacket, name: str) -> None:
        self.overloadpacket, self._overloadname = packet, name
        self.__name__ = f"{packet.__name__}.{name}"

    @property
    def _overloadpacket(self) -> OpOverloadPacket:  # torch's inner name for it, which counters read
        return self.overloadpacket

    def __deepcopy__(self, memo: Any = None) -> OpOverload:
        return self  # a copied table by operator is a table by the same operators

    def __str__(self) -> str:
        return f"aten.{self.__name__}"

    def __repr__(self) -> str:
        packet = self.overloadpacket.__name__
        return f"<OpOverload(op='aten.{packet}', overload='{self._overloadname}')>"

    def name(self) -> str:
        """The name with its namespace."""
        return f"aten::{self.__name__.removesuffix('.default')}"

    def kernel(self, *args: Any, **kwargs: Any) -> Any:
        """What the operator does, unseen by modes."""
        known = KERNELS.get(self.__name__)
        return (self.overloadpacket.kernel if known is None else known)(*args, **kwargs)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if STACK.below:
            return emit(self, args, kwargs)
        if listening():
            return Late.run(self, args, kwargs)
        return self.kernel(*args, **kwargs)


class HigherOrderOperator:
    """The class of torch's operators that take functions; those here are functions themselves."""


class OpOverloadPacket:
    """All forms of an operator; each is made when it is first asked for."""

    def __init__(self, name: str) -> None:
        self.__name__ = name
        self._forms: dict[str, OpOverload] = {}

    def __getattr__(self, form: str) -> OpOverload:
        if form.startswith("__"):
            raise AttributeError(form)
        return self._forms.setdefault(form, OpOverload(self, form))

    def overloads(self) -> list[str]:
        """The names of the forms that were asked for."""
        return list(self._forms)

    def __iter__(self) -> Iterator[str]:
        return iter(self._forms)

    def __deepcopy__(self, memo: Any = None) -> OpOverloadPacket:
        return self  # a copied table by operator is a table by the same operators

    def __str__(self) -> str:
        return f"aten.{self.__name__}"

    def __repr__(self) -> str:
        return f"<OpOverloadPacket(op='aten.{self.__name__}')>"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.kernel(*args, **kwargs)

    def kernel(self, *args: Any, **kwargs: Any) -> Any:
        """The public function of that name."""
        function = _found(self.__name__)
        if function is None:
            raise NotImplementedError(f"there is no operator aten::{self.__name__} here")
        return function(*args, **kwargs)


class _OpNamespace:
    """The operators by name."""

    def __init__(self) -> None:
        self._packets: dict[str, OpOverloadPacket] = {}
        for name in ("__and__", "__or__", "__xor__"):  # operators that torch names so
            vars(self)[name] = OpOverloadPacket(name)

    def __getattr__(self, name: str) -> OpOverloadPacket:
        if name.startswith("__"):
            raise AttributeError(name)
        known = self._packets.get(name)
        if known is None:
            if _found(name) is None and not name.startswith("_"):  # inner ones may be asked after
                importlib.import_module("rushlight.aten.door")
                if name not in self._packets:
                    raise AttributeError(f"'_OpNamespace' 'aten' object has no attribute '{name}'")
            known = self.packet(name)
        return known

    def packet(self, name: str) -> OpOverloadPacket:
        """All forms of an operator, whether there is a public function of that name or not."""
        return self._packets.setdefault(name, OpOverloadPacket(name))


aten = _OpNamespace()
