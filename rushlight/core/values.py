"""What may stand in a Tensor where its ndarray would: the common base of such values.

A `Value` belongs to a level of a transform (forward mode, batching, a nested gradient). Ops on
Tensors over values reach `dispatch.apply`, which finds the class in ARRAYS. Code that looks at
`tensor._array` finds an ndarray's facts here; its operators and methods are the Tensor's own.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from . import dtypes
from .numbers import unrepeated
from .state import STATE
from .tensor import Tensor, wrap

TWINS: dict[Any, Any] = {}  # NumPy's function -> what does the same to Tensors


KINDS: dict[type, type] = {}  # of values that users meet in a class of their own: that class


def shown(array: Any) -> Tensor:
    """A Tensor around an array or value, in the class in which users meet it."""
    result = wrap(array)
    if type(array) in KINDS:
        result.__class__ = KINDS[type(array)]
    return result


def raw(x: Any) -> Any:
    """What a Tensor wraps; other things as they are."""
    return x._array if isinstance(x, Tensor) else x


def lifted(x: Any) -> Any:
    """A Tensor around a value; other things as they are."""
    return wrap(x) if isinstance(x, Value) else x


def like(source: Tensor, fresh: Tensor) -> Tensor:
    """A tensor made in the likeness of `source`: one per sample, so that it may be written."""
    array = source._array
    return array.for_each(fresh) if isinstance(array, Value) else fresh


def put(target: Tensor, result: Tensor) -> None:
    """Let the higher level of the two carry out a write of `result` into `target`."""
    found = [x._array for x in (target, result) if isinstance(x._array, Value)]
    top = max(found, key=lambda value: value.level.depth)
    type(top).put(top.level, target, result)


def settled(x: Any) -> Any:
    """The real numbers of an array or tensor, for a check of arguments that only raises.

    A trace goes on behind such a check: see `refuses` and `outside`, which programs ask again.
    """
    array = raw(x)
    held = None if STATE.tracer is None else getattr(array, "value", None)
    return array if held is None else held


def noted(x: Any) -> Any:
    """An array or tensor's array as the running trace knows it."""
    array, tracer = raw(x), STATE.tracer
    if tracer is None or type(array) is not np.ndarray:
        return array
    known = tracer.known(array)
    return array if known is None else known


def made(array: np.ndarray) -> Any:
    """An array just made; a trace need not look through all tensors for one that holds it."""
    return array if STATE.tracer is None else STATE.tracer.constant(array)


def refuses(wrong: Any) -> bool:
    """Whether a mask holds anywhere, for a check that only raises; a program asks at every run."""
    array = raw(wrong)
    if getattr(array, "absent", False):
        return False
    if STATE.tracer is not None:
        STATE.tracer.require(np.logical_not(array))
    return bool(settled(array).any())


_UNSIGNED = np.dtype(np.uint64)  # a class NumPy looks up at each call


def outside(numbers: Any, low: int, high: int) -> bool:
    """Whether some whole number is not in low..high-1; a program asks at every run."""
    tracer = STATE.tracer
    if tracer is not None:
        tracer.within(noted(numbers), low, high)
    given = numbers if tracer is None and type(numbers) is np.ndarray else settled(numbers)
    long = type(given) is np.ndarray and given.dtype.char == dtypes.LONG_CODE
    if long and low == 0 and given.size:
        # one look instead of two: without its sign a negative number is larger than all others
        seen = (unrepeated(given) if 0 in given.strides else given).view(_UNSIGNED)
        return seen.item(seen.argmax()) >= high  # sooner told than a maximum
    if getattr(given, "absent", False) or not given.size:
        return False
    return bool(given.min() < low or given.max() >= high)


def some(mask: Any) -> bool:
    """Whether a mask holds anywhere, in any sample of a batch: for rules with a cheaper case.

    In a program, which serves other values too, it may.
    """
    array = raw(mask)
    return STATE.tracer is not None or getattr(array, "absent", False) or bool(array.any())


def together(x: Tensor) -> Tensor:
    """The numbers of all samples of all batches, and of no level."""
    array = x._array
    while isinstance(array, Value) and not array.absent:
        array = array.core()._array
    return wrap(array)


def unfollowed(x: Any) -> bool:
    """Whether nobody follows the derivatives of a rule's operand: an array, or a batch of one."""
    while x is not None:
        value = raw(x)
        if isinstance(x, Tensor) and x._entry is not None:
            return False
        if not isinstance(value, Value):
            return type(value) is np.ndarray
        if value.followed:
            return False
        x = value.core()
    return True


def only_batched(x: Any) -> bool:
    """Whether a rule's operand is a batch (of batches) with no level above but the tape below."""
    value = raw(x)
    if not isinstance(value, Value) or value.followed or value.nested:
        return type(value) is np.ndarray
    return (not isinstance(x, Tensor) or x._entry is None) and only_batched(value.core())


class Value:
    """An array-like thing of some level, made of inner Tensors."""

    __slots__ = ("level",)
    # rules and functions ask `isinstance(x, np.ndarray)` to tell raw arrays from Tensors
    __class__ = property(lambda self: np.ndarray)
    __array_priority__ = 500
    __hash__ = object.__hash__
    value: ClassVar[Any] = None  # no numbers that a trace knows
    memory: ClassVar[Any] = None  # none of its own whose writes could be noted
    base: ClassVar[Any] = None
    followed: ClassVar[bool] = False  # whether tangents hang on it
    absent: ClassVar[bool] = False  # no values anywhere: a tensor on the meta device
    entries: Any = None  # the Tensor of values, of which a sparse tensor's history is
    gradient: Any = None  # how gradients of this kind add up in `.grad`, if in a way of their own
    blank: Any = None  # what `zeros_like` and its kin make in the likeness of this
    nested: ClassVar[bool] = False  # whether gradients of a level above live on the tapes below
    level: Any
    shape: Any  # of each subclass: the sizes that user code sees

    def core(self) -> Any:
        """The inner Tensor that carries the values."""
        raise NotImplementedError

    @staticmethod
    def put(level: Any, target: Tensor, result: Tensor) -> None:
        """Carry out a write at a level; `result` fits the target's shape."""
        raise NotImplementedError

    def for_each(self, x: Tensor) -> Tensor:
        """A fresh tensor, as many of it as this value has samples."""
        inner = self.core()._array
        return inner.for_each(x) if isinstance(inner, Value) else x

    def drawn(self, x: Tensor) -> Tensor:
        """Noise of this value's shape, as it goes with it."""
        return x

    def detached(self) -> Any:
        """The array of `tensor.detach()`."""
        raise NotImplementedError

    def below(self) -> Tensor:
        """What a backward pass that is not recorded computes with."""
        return wrap(self)

    def values(self, how: str) -> np.ndarray:
        """The plain numbers, for a use (`how`) that ops cannot follow."""
        inner = self.core()._array
        return inner.values(how) if isinstance(inner, Value) else inner

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        count = 1
        for n in self.shape:
            count *= n
        return count

    @property
    def dtype(self) -> Any:
        return self.core()._array.dtype

    @property
    def itemsize(self) -> int:
        return self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        return self.size * self.itemsize

    @property
    def flags(self) -> Any:
        return self.core()._array.flags

    @property
    def strides(self) -> Any:
        return self.core()._array.strides[-self.ndim :] if self.ndim else ()

    @property
    def ctypes(self) -> Any:
        return self.core()._array.ctypes

    def copy(self, order: str = "C") -> Any:
        return wrap(self).clone()._array

    def astype(self, kind: Any, **_: Any) -> Any:
        return raw(TWINS["cast"](wrap(self), dtypes.OF_NUMPY[np.dtype(kind)]))

    def reshape(self, *shape: Any, copy: Any = None) -> Any:
        if copy is False:  # whether memory allows it is asked
            return self.core()._array.reshape(*shape, copy=False)
        return raw(wrap(self).reshape(*shape))

    def conj(self) -> Any:
        return raw(wrap(self).conj())

    def sum(self, axis: Any = None, keepdims: bool = False) -> Any:
        return raw(wrap(self).sum(axis, keepdims))

    # over all samples of a batch: what checks of whole arrays ask

    def everything(self) -> np.ndarray:
        """The numbers of all samples."""
        array = self.core()._array
        return array.everything() if isinstance(array, Value) else array

    def all(self) -> Any:
        return self.everything().all()

    def any(self) -> Any:
        return self.everything().any()

    def min(self) -> Any:
        found = self.everything()
        return found.min() if found.size else 0  # of no samples: in any range

    def max(self) -> Any:
        found = self.everything()
        return found.max() if found.size else 0

    def item(self) -> Any:
        return self.values(".item()").item()

    def tolist(self) -> Any:
        return self.values(".tolist()").tolist()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.values(f".{name}"), name)

    def __bool__(self) -> bool:
        return bool(self.values("bool()"))

    def __int__(self) -> int:
        return int(self.values(".item()"))

    def __float__(self) -> float:
        return float(self.values(".item()"))

    def __complex__(self) -> complex:
        return complex(self.values(".item()"))

    def __index__(self) -> int:
        return self.values(".item()").__index__()

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> Any:
        return raw(wrap(self)[key])

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return np.array(self.values("NumPy"), dtype=dtype, copy=copy)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if "out" in kwargs:
            raise ValueError("a write is for `inplace.store`")
        twin = TWINS.get(ufunc)
        if twin is not None and method == "__call__" and not kwargs:
            return raw(twin(*map(lifted, inputs)))
        return getattr(ufunc, method)(*map(_plain, inputs), **kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        twin = TWINS.get(function)
        if twin is not None and not kwargs:
            return raw(twin(*map(lifted, args)))
        return function(*map(_plain, args), **kwargs)


def _plain(x: Any) -> Any:
    return x.values("NumPy") if isinstance(x, Value) else x


def _operator(name: str) -> Any:
    def operator(self: Value, *others: Any) -> Any:
        return raw(getattr(Tensor, name)(wrap(self), *map(lifted, others)))

    return operator


for _name in """add sub mul truediv floordiv mod pow radd rsub rmul rtruediv rpow eq ne lt le gt ge
        and or xor neg pos abs invert matmul""".split():
    setattr(Value, f"__{_name}__", _operator(f"__{_name}__"))
