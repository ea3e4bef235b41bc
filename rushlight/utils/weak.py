"""Weak references to tensors, and dictionaries by identity: `==` of tensors is no key's `==`."""

from __future__ import annotations

import copy
import operator
import weakref
from collections.abc import Callable, Iterator, MutableMapping
from typing import Any

import rushlight as rl

from ..core.names import explain_missing as _explain_missing

__all__ = ["TensorWeakRef", "WeakIdKeyDictionary", "WeakIdRef", "WeakTensorKeyDictionary"]
_explain_missing(__name__)


class _KeyRef(weakref.ref):
    """A weak reference that serves as a key: it keeps its hash when its object is gone.

    Two are equal if their objects are, as `_same` has it; one without its object only to itself.
    """

    __slots__ = ["_id"]
    _hashed: Callable[[Any], int] = staticmethod(hash)
    _same: Callable[[Any, Any], Any] = staticmethod(operator.eq)

    def __init__(self, key: Any, callback: Any = None) -> None:
        self._id = self._hashed(key)
        weakref.ref.__init__(self, key, callback)  # pyright: ignore[reportCallIssue]  # takes them

    def __hash__(self) -> int:
        return self._id

    def __eq__(self, other: object) -> bool:
        mine, theirs = self(), other() if isinstance(other, weakref.ref) else None
        return self._same(mine, theirs) if not (mine is None or theirs is None) else self is other


class WeakIdRef(_KeyRef):
    """A weak reference that is equal to those of the same object, whatever its `==` says.

    >>> import rushlight as torch
    >>> x = torch.ones(2)
    >>> WeakIdRef(x) == WeakIdRef(x), WeakIdRef(x) == WeakIdRef(torch.ones(2))
    (True, False)
    """

    __slots__ = ()
    _hashed = staticmethod(id)
    _same = staticmethod(operator.is_)


class _WeakHashRef(_KeyRef):
    """A weak reference with the hash and the `==` of its object."""

    __slots__ = ()


class WeakIdKeyDictionary(MutableMapping[Any, Any]):
    """A dictionary by the identity of its keys, which it does not keep alive.

    >>> import rushlight as torch
    >>> notes, x = WeakIdKeyDictionary(), torch.ones(2)
    >>> notes[x] = "ones"
    >>> notes[x], torch.ones(2) in notes, len(notes)
    ('ones', False, 1)
    >>> del x
    >>> len(notes)
    0
    """

    def __init__(self, dict: Any = None, ref_type: Any = WeakIdRef) -> None:
        self.data: Any = {}
        self.ref_type = ref_type
        if dict is not None:
            self.update(dict)

    def _ref(self, key: Any) -> Any:
        """The reference to a key; the entry goes with the object."""
        table = weakref.ref(self)

        def forget(reference: Any) -> None:
            held = table()
            if held is not None:
                held.data.pop(reference, None)

        return self.ref_type(key, forget)

    def __getitem__(self, key: Any) -> Any:
        return self.data[self.ref_type(key)]

    def __setitem__(self, key: Any, value: Any) -> None:
        self.data[self._ref(key)] = value

    def __delitem__(self, key: Any) -> None:
        del self.data[self.ref_type(key)]

    def __contains__(self, key: object) -> bool:
        try:
            return self.ref_type(key) in self.data
        except TypeError:  # what has no weak references is no key
            return False

    def __len__(self) -> int:
        return len(self.data)

    def __iter__(self) -> Iterator[Any]:
        for reference in list(self.data):
            key = reference()
            if key is not None:
                yield key

    def keyrefs(self) -> list[Any]:
        """The references to the keys."""
        return list(self.data)

    def __copy__(self) -> WeakIdKeyDictionary:
        """Another with the same keys and values."""
        return type(self)(self, self.ref_type)

    copy = __copy__

    def __deepcopy__(self, memo: Any) -> WeakIdKeyDictionary:
        made = type(self)(None, self.ref_type)
        for key, value in self.items():
            made[key] = copy.deepcopy(value, memo)
        return made

    def __or__(self, other: Any) -> Any:
        made = self.copy()
        made.update(other)
        return made

    def __ior__(self, other: Any) -> Any:
        self.update(other)
        return self

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, WeakIdKeyDictionary):
            return NotImplemented
        mine, theirs = ({id(k): v for k, v in one.items()} for one in (self, other))
        return mine == theirs

    __hash__ = None  # type: ignore[assignment]  # it changes, as every dictionary

    def __repr__(self) -> str:
        return f"<{type(self).__name__} at {id(self):#x}>"


WeakTensorKeyDictionary = WeakIdKeyDictionary


class TensorWeakRef:
    """A weak reference to a tensor: called, the tensor, or None when it is gone.

    Raises: AssertionError for anything but a tensor.

    >>> import rushlight as torch
    >>> from rushlight.utils.weak import TensorWeakRef
    >>> x = torch.ones(1)
    >>> found = TensorWeakRef(x)
    >>> found() is x
    True
    >>> del x
    >>> found() is None
    True
    """

    ref: weakref.ref[rl.Tensor]

    def __init__(self, tensor: Any) -> None:
        if not isinstance(tensor, rl.Tensor):
            raise AssertionError(f"expected torch.Tensor, got {type(tensor)}.")
        self.ref = weakref.ref(tensor)

    def __call__(self) -> Any:
        return self.ref()
