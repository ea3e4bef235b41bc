"""What each known tag of a pickle stands for; the table of makers is the whole allow-list.

A tag stands for a value (a data type, a storage kind) or for a maker, a function here that takes
the rebuilder and the arguments in the file, checks them, and builds data.
"""

from __future__ import annotations

import re
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable
from math import prod
from typing import Any, NamedTuple

import numpy as np

import rushlight as rl

from ..core import dtypes
from ..core.shapes import Size
from ..core.tensor import Tensor
from ..version import TorchVersion
from . import tensors
from .errors import CheckpointError, short


class StorageKind(NamedTuple):
    """A typed storage of torch; `dtype` is None for plain bytes."""

    dtype: dtypes.dtype | None


class Storage(NamedTuple):
    """A storage as the file names it; its bytes are read when a tensor asks for them."""

    kind: StorageKind
    key: str
    location: str
    numel: int


class ArrayShell:
    """A NumPy array before its state came."""

    __slots__ = ()


class KindShell(NamedTuple):
    """A NumPy type before its state came."""

    code: str


def tensor_v2(
    self: Any, storage: Any, offset: Any, size: Any, stride: Any, requires_grad: Any = False,
    hooks: Any = None, metadata: Any = None,
) -> Tensor:  # fmt: skip
    """A tensor over a typed storage."""
    if not isinstance(storage, Storage) or storage.kind.dtype is None:
        raise CheckpointError("a tensor without a typed storage; refused")
    window = (offset, size, stride)
    return tensor_over(self, storage, storage.kind.dtype, window, requires_grad, metadata)


def tensor_v3(
    self: Any, storage: Any, offset: Any, size: Any, stride: Any, requires_grad: Any,
    hooks: Any, kind: Any, metadata: Any = None,
) -> Tensor:  # fmt: skip
    """A tensor over plain bytes."""
    if not isinstance(storage, Storage) or not isinstance(kind, dtypes.dtype):
        raise CheckpointError("a tensor without a storage or a data type; refused")
    return tensor_over(self, storage, kind, (offset, size, stride), requires_grad, metadata)


def without_values(self: Any, kind: Any, shape: Any, stride: Any, requires_grad: Any) -> Tensor:
    """A tensor of the meta device."""
    if not isinstance(kind, dtypes.dtype):
        raise CheckpointError("a tensor without a data type; refused")
    made = rl.empty_strided(shape, stride, dtype=kind, device="meta")
    return made.requires_grad_() if requires_grad is True else made


def tensor_over(
    self: Any, storage: Storage, kind: dtypes.dtype, window: tuple, requires_grad: Any,
    metadata: Any,
) -> Tensor:  # fmt: skip
    data = self.storage(storage, kind)
    if data is None:  # it goes to the meta device
        _, size, stride = window
        return without_values(self, kind, size, stride, requires_grad)
    made = tensors.window(data, kind, *window)
    if metadata:
        if metadata.get("conj"):
            made = tensors.wrap(np.asarray(np.conj(made._array)))
        if metadata.get("neg"):
            made = tensors.wrap(np.asarray(np.negative(made._array)))
    if requires_grad is True:
        made.requires_grad = True
    return made


def parameter(
    self: Any, data: Any, requires_grad: Any, hooks: Any = None, state: Any = None
) -> Any:
    """A Parameter."""
    if not isinstance(data, Tensor) or type(requires_grad) is not bool:
        raise CheckpointError("a parameter without a tensor; refused")
    return tensors.set_attributes(tensors.parameter(data, requires_grad), state or {})


def from_type(self: Any, maker: Any, kind: Any, arguments: Any, state: Any) -> Any:
    """A tensor with attributes that the user hung on it."""
    if maker not in (tensor_v2, tensor_v3, parameter) or type(arguments) is not tuple:
        raise CheckpointError("a tensor subclass; refused")
    return tensors.set_attributes(maker(self, *arguments), state)


def sparse_tensor(self: Any, layout: Any, data: Any) -> Any:
    """A sparse tensor from its places and values; the maker checks that they fit."""
    match layout, data:
        case dtypes.sparse_coo, (Tensor() as places, Tensor() as values, size, *once):
            found = rl.sparse_coo_tensor(places, values, size)
            return found.coalesce() if once and once[0] else found
        case dtypes.sparse_csr, (Tensor() as rows, Tensor() as columns, Tensor() as values, size):
            return rl.sparse_csr_tensor(rows, columns, values, size)
        case dtypes.sparse_csc, (Tensor() as columns, Tensor() as rows, Tensor() as values, size):
            return rl.sparse_csc_tensor(columns, rows, values, size)
        case dtypes.sparse_bsr, (Tensor() as rows, Tensor() as columns, Tensor() as values, size):
            return rl.sparse_bsr_tensor(rows, columns, values, size)
        case dtypes.sparse_bsc, (Tensor() as columns, Tensor() as rows, Tensor() as values, size):
            return rl.sparse_bsc_tensor(columns, rows, values, size)
    raise CheckpointError("a sparse tensor of an unknown layout; refused")


_LAYOUTS = (
    dtypes.strided, dtypes.sparse_coo, dtypes.sparse_csr, dtypes.sparse_csc, dtypes.sparse_bsr,
    dtypes.sparse_bsc,
)  # fmt: skip


def layout(self: Any, name: str) -> Any:
    """A layout by its name."""
    table = {str(kind): kind for kind in _LAYOUTS}
    return table[name]


def size(self: Any, values: Any = ()) -> Size:
    """A Size."""
    if type(values) is not tuple or any(type(value) is not int for value in values):
        raise CheckpointError("a size of something else than whole numbers; refused")
    return Size(values)


def device(self: Any, kind: str, index: int | None = None) -> dtypes.device:
    """A device, as a name."""
    return dtypes.device(kind, index)


def ordered(self: Any, pairs: Any = ()) -> OrderedDict:
    """An OrderedDict, from pairs in old files."""
    return OrderedDict(pairs)


def counter(self: Any, counts: dict) -> Counter:
    """A Counter."""
    return Counter(counts)


def default_dict(self: Any, factory: Any = None) -> defaultdict:
    """A defaultdict of a built-in factory."""
    if factory is KNOWN["builtins.set"]:
        factory = set
    if factory is not None and factory not in (int, float, list, dict, set):
        raise CheckpointError("a defaultdict whose factory is not data; refused")
    return defaultdict(factory)


def encode(self: Any, text: str, encoding: str) -> bytes:
    """Bytes, which old pickles write as text."""
    if encoding not in ("latin1", "latin-1"):
        raise CheckpointError("bytes written in an unknown way; refused")
    return text.encode("latin-1")


def simple(kind: type, *types: type) -> Callable[..., Any]:
    """The maker of a built-in value, from arguments of exactly these types."""

    def make(self: Any, *arguments: Any) -> Any:
        if any(type(argument) not in types for argument in arguments) or len(arguments) > 2:
            raise CheckpointError(f"a {kind.__name__} of unknown arguments; refused")
        return kind(*arguments)

    return make


version = simple(TorchVersion, str)


def array_shell(self: Any, kind: Any, shape: Any, code: Any) -> ArrayShell:
    """An array that waits for its state."""
    return ArrayShell()


def numpy_kind(self: Any, code: str, *flags: Any) -> KindShell:
    """A NumPy type that waits for its byte order."""
    if not re.fullmatch(r"[biufcSU][0-9]{1,9}", code):
        raise CheckpointError(f"a NumPy type {short(code)} that is not plain numbers; refused")
    return KindShell(code)


def filled_kind(shell: KindShell, version: Any, order: Any, *rest: Any) -> np.dtype:
    """The NumPy type with the byte order of the file."""
    if order not in ("<", ">", "|", "=") or any(part is not None for part in rest[:3]):
        raise CheckpointError("a NumPy type with fields; refused")
    return np.dtype(shell.code).newbyteorder(order)


def filled_array(version: Any, shape: Any, kind: Any, fortran: Any, data: Any) -> np.ndarray:
    """The array of these bytes."""
    kind = np.dtype(kind.code) if isinstance(kind, KindShell) else kind
    if type(shape) is not tuple or any(type(n) is not int or n < 0 for n in shape):
        raise CheckpointError("an array of an impossible shape; refused")
    if type(data) is not bytes or not isinstance(kind, np.dtype):
        raise CheckpointError("an array without bytes; refused")
    if prod(shape) * kind.itemsize != len(data):
        raise CheckpointError(f"an array of {shape} {kind} in {len(data)} bytes; refused")
    array = np.frombuffer(bytearray(data), kind) if data else np.empty(0, kind)
    return array.reshape(shape, order="F" if fortran else "C")


def array_of_bytes(self: Any, data: Any, kind: Any, shape: Any, order: Any) -> np.ndarray:
    """An array as pickle protocol 5 writes it."""
    data = bytes(data) if type(data) is bytearray else data
    return filled_array(1, shape, kind, order == "F", data)


def numpy_scalar(self: Any, kind: Any, data: Any) -> Any:
    """A NumPy number."""
    return filled_array(1, (), kind, False, data)[()]


def _known() -> dict[str, Any]:
    table: dict[str, Any] = {
        "torch._utils._rebuild_tensor": tensor_v2,
        "torch._utils._rebuild_tensor_v2": tensor_v2,
        "torch._utils._rebuild_tensor_v3": tensor_v3,
        "torch._utils._rebuild_meta_tensor_no_storage": without_values,
        "torch._utils._rebuild_parameter": parameter,
        "torch._utils._rebuild_parameter_with_state": parameter,
        "torch._utils._rebuild_sparse_tensor": sparse_tensor,
        "torch._tensor._rebuild_from_type_v2": from_type,
        "torch.serialization._get_layout": layout,
        "torch.Size": size, "torch.device": device,
        "torch.Tensor": Tensor, "torch.nn.parameter.Parameter": Tensor,
        "torch.storage.UntypedStorage": StorageKind(None),
        "collections.OrderedDict": ordered, "collections.Counter": counter,
        "collections.defaultdict": default_dict, "_codecs.encode": encode,
        "torch.torch_version.TorchVersion": version,
        "builtins.complex": simple(complex, float, int),
        "builtins.bytearray": simple(bytearray, bytes),
        "builtins.bytes": simple(bytes, bytes, list),
        "builtins.frozenset": simple(frozenset, list),
        "numpy.ndarray": np.ndarray, "numpy.dtype": numpy_kind,
        "numpy._core.multiarray._reconstruct": array_shell,
        "numpy._core.multiarray.scalar": numpy_scalar,
        "numpy._core.numeric._frombuffer": array_of_bytes,
    }  # fmt: skip
    table |= {f"builtins.{kind.__name__}": kind for kind in (int, float, list, dict)}
    table["builtins.set"] = simple(set, list)
    table |= {f"torch.{name}": kind for name, kind in dtypes.ALL.items()}
    for storage, name in tensors.STORAGES.items():
        for home in ("torch", "torch.cuda"):
            table[f"{home}.{storage}"] = StorageKind(dtypes.ALL[name])
    return table


KNOWN = _known()
