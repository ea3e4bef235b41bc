"""The older constructors that name a type: `FloatTensor([1, 2])`, `LongTensor(3)`."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import dtypes, elsewhere
from ..core.dispatch import scalar_type_name
from ..core.errors import fail
from ..core.overrides import kin
from ..core.shapes import Size
from ..core.state import DEFAULTS
from ..core.tensor import Tensor, wrap
from .from_data import tensor

__all__ = [
    "BFloat16Tensor", "BoolTensor", "ByteTensor", "CharTensor", "DoubleTensor", "FloatTensor",
    "HalfTensor", "IntTensor", "LongTensor", "ShortTensor",
]  # fmt: skip


def elements_of(storage: Any, kind: dtypes.dtype, called: str) -> np.ndarray:
    """What a storage holds, in the same memory, as elements of the type of a tensor.

    Raises: RuntimeError for a storage of another type.
    """
    if getattr(storage, "dtype", kind) is not kind:
        raise RuntimeError(
            f"Expected a Storage of type {called} or an UntypedStorage, but got type"
            f" {scalar_type_name(storage.dtype)} for argument 1 'storage'"
        )
    held = storage.untyped()
    held._own = False
    memory = held._bytes
    return memory[: memory.size // kind.itemsize * kind.itemsize].view(kind.numpy)


def from_sizes_or_data(data: tuple[Any, ...], kind: dtypes.dtype, device: Any) -> np.ndarray:
    """Uninitialised memory of given sizes, or given values, as the older constructors read them."""
    dtypes.require_cpu(device)
    if len(data) == 1 and not isinstance(data[0], (int, Size)):
        (given,) = data
        if isinstance(given, (float, complex)):
            raise TypeError(f"new(): data must be a sequence (got {type(given).__name__})")
        if isinstance(given, Tensor) and given.dtype is kind:
            return given._array
        if hasattr(given, "untyped"):  # a storage
            return elements_of(given, kind, scalar_type_name(kind))
        return tensor(given, dtype=kind)._array
    shape = data[0] if len(data) == 1 and isinstance(data[0], Size) else data or (0,)
    for size in shape:
        if isinstance(size, int) and size < 0:
            raise RuntimeError(
                f"Trying to create tensor with negative dimension {size}: {list(shape)}"
            )
    return np.empty(shape, kind.numpy)


def construct(cls: type, *data: Any, device: Any = None) -> Tensor:
    """`Tensor(2, 3)` is uninitialised of that size, `Tensor([1, 2])` holds those as floats."""
    result = object.__new__(cls)
    whole = len(data) == 1 and isinstance(data[0], Tensor)  # shared, whatever its type
    kind = data[0].dtype if whole else DEFAULTS.dtype
    result._array = from_sizes_or_data(data, kind, device)
    result._entry = None
    return result


def new(self: Tensor, *data: Any, size: Any = None, device: Any = None) -> Tensor:
    """`x.new(2, 3)` or `x.new([1, 2])`: another tensor of x's type.

    >>> import rushlight as torch
    >>> torch.zeros(1, dtype=torch.float64).new([1, 2])
    tensor([1., 2.], dtype=torch.float64)
    """
    data = data if size is None else (Size(size),)
    if device is None and self.device.type == "meta":
        return elsewhere.meta().moved(wrap(from_sizes_or_data(data, self.dtype, None)))
    return kin(wrap(from_sizes_or_data(data, self.dtype, device)), self)


class _Typed(type):
    """Calls make plain tensors of the class's type; instances are the tensors that have it."""

    dtype: dtypes.dtype

    is_cuda = is_sparse = False

    def __call__(cls, *data: Any, device: Any = None) -> Tensor:
        return wrap(from_sizes_or_data(data, cls.dtype, device))

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, Tensor) and instance.dtype is cls.dtype


def _typed(name: str, kind: dtypes.dtype) -> Any:
    doc = f"Tensors of {kind!r}: from data, or uninitialised from sizes."
    return _Typed(name, (), {"dtype": kind, "__doc__": doc, "__module__": "torch"})


BFloat16Tensor = _typed("BFloat16Tensor", dtypes.bfloat16)
BoolTensor = _typed("BoolTensor", dtypes.bool_)
ByteTensor = _typed("ByteTensor", dtypes.uint8)
CharTensor = _typed("CharTensor", dtypes.int8)
DoubleTensor = _typed("DoubleTensor", dtypes.float64)
FloatTensor = _typed("FloatTensor", dtypes.float32)
HalfTensor = _typed("HalfTensor", dtypes.float16)
IntTensor = _typed("IntTensor", dtypes.int32)
LongTensor = _typed("LongTensor", dtypes.int64)
ShortTensor = _typed("ShortTensor", dtypes.int16)

_KINDS = {one.__name__: one.dtype for one in (
    BFloat16Tensor, BoolTensor, ByteTensor, CharTensor, DoubleTensor, FloatTensor, HalfTensor,
    IntTensor, LongTensor, ShortTensor)}  # fmt: skip
_KINDS |= {"ComplexFloatTensor": dtypes.complex64, "ComplexDoubleTensor": dtypes.complex128}


def asked(kind: Any) -> dtypes.dtype:
    """The data type that a type, its name or a data type stands for (`x.type(kind)`).

    Raises: RuntimeError for types of GPUs, ValueError for what names none, TypeError for the rest.
    """
    if isinstance(kind, dtypes.dtype):
        return kind
    if not isinstance(kind, (str, type)):
        raise TypeError("dtype must be a type, str, or dtype object")
    if isinstance(kind, str):
        name = kind
    else:
        name = f"torch.{'cuda.' if getattr(kind, 'is_cuda', False) is True else ''}{kind.__name__}"
    if name.startswith("torch.cuda."):
        raise fail(
            RuntimeError,
            _NO_CUDA_LIBRARY,
            "rushlight computes on the CPU: torch.FloatTensor",
        )
    short = name.removeprefix("torch.").removeprefix("sparse.")
    if short == "Tensor":
        return DEFAULTS.dtype
    if not name.startswith("torch.") or short not in _KINDS:
        raise ValueError(f"invalid type: '{kind if isinstance(kind, str) else kind.__name__}'")
    return _KINDS[short]


# torch's one line, whole, for programs that look for it
_NO_CUDA_LIBRARY = (
    "Cannot initialize CUDA without ATen_cuda library. PyTorch splits its backend into two shared"
    " libraries: a CPU library and a CUDA library; this error has occurred because you are trying"
    " to use some CUDA functionality, but the CUDA library has not been loaded by the dynamic"
    " linker for some reason.  The CUDA library MUST be loaded, EVEN IF you don't directly use any"
    " symbols from the CUDA library! One common culprit is a lack of -Wl,--no-as-needed in your"
    " link arguments; many dynamic linkers will delete dynamic library dependencies if you don't"
    " depend on any of their symbols.  You can check if this has occurred by using ldd on your"
    " binary to see if there is a dependency on *_cuda.so library."
)
