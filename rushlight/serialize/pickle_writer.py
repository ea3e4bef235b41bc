"""A pickle writer for data only: containers, numbers, text, and torch's tags for tensors.

What it writes uses only the opcodes that `torch.load(weights_only=True)` reads, so the file goes
both ways. Walks are iterative: depth is no limit.

Source: https://docs.pytorch.org/docs/stable/notes/serialization.html
"""

from __future__ import annotations

import struct
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np

import rushlight as rl

from ..core import dtypes
from ..core.shapes import Size
from ..core.tensor import Tensor
from ..version import TorchVersion
from . import definition, tensors
from .errors import short
from .objects import reduced
from .options import PACKAGES, location_tag
from .safe import safe_name

Step = Iterator[tuple[str, Any]]


class Tag(tuple):
    """(module, name): written as a global."""

    __slots__ = ()


class Call:
    """Written as `tag(*arguments)`."""

    __slots__ = ("arguments", "tag")

    def __init__(self, module: str, name: str, *arguments: Any) -> None:
        self.tag, self.arguments = Tag((module, name)), arguments


def _sparse_call(value: Any) -> Call:
    """A sparse tensor as its places and values."""
    kind = Call("torch.serialization", "_get_layout", repr(value.layout))
    size = Size(value.shape)
    if value.layout is dtypes.sparse_coo:
        parts = (value._indices(), value._values(), size, value.is_coalesced())
    elif value.layout in (dtypes.sparse_csr, dtypes.sparse_bsr):
        parts = (value.crow_indices(), value.col_indices(), value.values(), size)
    else:
        parts = (value.ccol_indices(), value.row_indices(), value.values(), size)
    return Call("torch._utils", "_rebuild_sparse_tensor", kind, parts)


FACTORIES = {kind: Tag(("__builtin__", kind.__name__)) for kind in (int, float, list, dict, set)}


class Writer:
    """Writes one object; afterwards `storages` holds the bytes of every tensor, in order."""

    def __init__(self) -> None:
        self.out = bytearray(b"\x80\x02")
        self.memo: dict[Any, int] = {}
        self.count = 0
        self.places: dict[int, str] = {}  # of storages, where they are not on the CPU
        self.alive: list[Any] = []  # ids in the memo stay valid while their objects live
        self.storages: list[memoryview] = []
        self.keys: dict[tuple[int, int], tuple[int, dtypes.dtype]] = {}
        self.open: set[int] = set()
        self.path: list[str] = []

    def dump(self, value: Any) -> bytes:
        """The pickle of the value; TypeError, naming the place, for what is not data."""
        stack = [self._write(value)]
        while stack:
            try:
                label, child = next(stack[-1])
            except StopIteration:
                stack.pop()
                del self.path[len(stack) - 1 :]
                continue
            del self.path[len(stack) - 1 :]
            self.path.append(label)
            if not self._write_simple(child):
                stack.append(self._write(child))
        self.out += b"."
        return bytes(self.out)

    # -- values without parts

    def _write_simple(self, value: Any) -> bool:
        act = SIMPLE.get(type(value))
        if act is None:
            return self._recall(id(value))
        act(self, value)
        return True

    def _recall(self, key: Any) -> bool:
        index = self.memo.get(key)
        if index is None:
            return False
        self.out += b"h" + bytes([index]) if index < 256 else b"j" + struct.pack("<I", index)
        return True

    def _keep(self, key: Any) -> None:
        index = self.memo[key] = self.count
        self.count += 1
        self.out += b"q" + bytes([index]) if index < 256 else b"r" + struct.pack("<I", index)

    def _none(self, value: None) -> None:
        self.out += b"N"

    def _bool(self, value: bool) -> None:
        self.out += b"\x88" if value else b"\x89"

    def _int(self, value: int) -> None:
        if 0 <= value < 256:
            self.out += b"K" + bytes([value])
        elif 0 <= value < 65536:
            self.out += b"M" + struct.pack("<H", value)
        elif -(2**31) <= value < 2**31:
            self.out += b"J" + struct.pack("<i", value)
        else:
            size = value.bit_length() // 8 + 1
            if size > 255:
                raise OverflowError(f"cannot save an integer of {size} bytes; 255 are the limit")
            self.out += b"\x8a" + bytes([size]) + value.to_bytes(size, "little", signed=True)

    def _float(self, value: float) -> None:
        self.out += b"G" + struct.pack(">d", value)

    def _str(self, value: str) -> None:
        if not self._recall(value):
            data = value.encode("utf-8", "surrogatepass")
            self.out += b"X" + struct.pack("<I", len(data)) + data
            self._keep(value)

    def _tag(self, value: Tag) -> None:
        if not self._recall(value):
            self.out += f"c{value[0]}\n{value[1]}\n".encode()
            self._keep(value)

    def _dtype(self, value: dtypes.dtype) -> None:
        self._tag(Tag(("torch", value.name)))

    # -- values with parts: each yields (label, part), which is written before it goes on

    def _write(self, value: Any) -> Step:
        if self._write_simple(value):
            return
        if type(value) is Call:
            yield from self._call(value)
            return
        self.alive.append(value)
        kind = type(value)
        known = PARTS.get(kind)
        if known is not None:
            yield from known(self, value)
        elif isinstance(value, Tensor):
            yield from self._tensor(value)
        else:
            if id(value) in self.open:
                raise ValueError(f"cannot save a {kind.__qualname__} that contains itself")
            self.open.add(id(value))
            yield "", self._described(value)
        if id(value) not in self.memo:
            self._keep(id(value))

    def _described(self, value: Any) -> Any:
        """What stands for a value of another kind in the file."""
        if isinstance(value, np.generic):
            kind = _NumpyType(value.dtype)
            return Call("numpy._core.multiarray", "scalar", kind, value.tobytes())
        if definition.is_definable(value):
            return definition.describe(value)
        name = safe_name(type(value))
        if name is not None and hasattr(value, "__dict__"):
            return Instance(Tag(tuple(name.rsplit(".", 1))), dict(vars(value)))
        parts = reduced(value)
        if parts is None:
            raise self.refusal(value)
        return Reduced(value, *parts)

    def refusal(self, value: Any) -> TypeError:
        """The error for what is not data, saying where it was."""
        kind = type(value)
        where = "".join(self.path)
        error = TypeError(
            f"cannot save {where or 'it'}: {kind.__module__}.{kind.__qualname__} is not data"
            f" ({_shown(value)})"
        )
        error.add_note("files hold tensors, numbers, text, containers of them and objects made of")
        error.add_note(
            "these whose class is found by its name, and no code; save what it is made of"
        )
        return error

    def _call(self, value: Call) -> Step:
        yield "", value.tag
        yield from self._tuple_parts(value.arguments, inner=True)
        self.out += b"R"

    def _tuple_parts(self, values: tuple, inner: bool = False) -> Step:
        if len(values) > 3:
            self.out += b"("
        for i, part in enumerate(values):
            yield "" if inner else f"[{i}]", part
        self.out += {0: b")", 1: b"\x85", 2: b"\x86", 3: b"\x87"}.get(len(values), b"t")

    def _tuple(self, value: tuple) -> Step:
        yield from self._tuple_parts(value)
        if id(value) in self.memo:
            raise ValueError("cannot save a tuple that contains itself")

    def _list(self, value: list) -> Step:
        self.out += b"]"
        self._keep(id(value))
        for start in range(0, len(value), 1000):
            self.out += b"("
            for i, part in enumerate(value[start : start + 1000], start):
                yield f"[{i}]", part
            self.out += b"e"

    def _dict(self, value: dict) -> Step:
        self.out += b"}"
        self._keep(id(value))
        yield from self._items(value)

    def _items(self, value: dict) -> Step:
        if not value:
            return
        self.out += b"("
        for key, part in list(value.items()):
            yield f"[{short(repr(key))}]", key
            yield f"[{short(repr(key))}]", part
        self.out += b"u"

    def _ordered(self, value: OrderedDict) -> Step:
        yield from self._call(Call("collections", "OrderedDict"))
        self._keep(id(value))
        yield from self._items(value)
        if vars(value):
            yield ".__dict__", dict(vars(value))
            self.out += b"b"

    def _counter(self, value: Counter) -> Step:
        yield from self._call(Call("collections", "Counter", dict(value)))

    def _defaultdict(self, value: defaultdict) -> Step:
        factory = value.default_factory
        if factory is not None and factory not in FACTORIES:
            raise self.refusal(value)
        tag = () if factory is None else (FACTORIES[factory],)
        yield from self._call(Call("collections", "defaultdict", *tag))
        self._keep(id(value))
        yield from self._items(value)

    def _set(self, value: set | frozenset) -> Step:
        yield from self._call(Call("__builtin__", type(value).__name__, list(value)))

    def _bytes(self, value: bytes) -> Step:
        yield from self._call(Call("_codecs", "encode", value.decode("latin-1"), "latin1"))

    def _bytearray(self, value: bytearray) -> Step:
        yield from self._call(Call("__builtin__", "bytearray", bytes(value)))

    def _complex(self, value: complex) -> Step:
        yield from self._call(Call("__builtin__", "complex", value.real, value.imag))

    def _layout(self, value: dtypes.layout) -> Step:
        yield from self._call(Call("torch.serialization", "_get_layout", str(value)))

    def _size(self, value: Size) -> Step:
        yield from self._call(Call("torch", "Size", tuple(value)))

    def _device(self, value: dtypes.device) -> Step:
        index = () if value.index is None else (value.index,)
        yield from self._call(Call("torch", "device", value.type, *index))

    def _instance(self, value: Instance) -> Step:
        yield "", value.tag
        self.out += b")\x81"
        yield "", value.state
        self.out += b"b"

    def _reduced(self, value: Reduced) -> Step:
        yield "", Tag(value.path)
        yield from self._tuple_parts(value.arguments, inner=True)
        self.out += b"\x81" if value.new else b"R"
        self._keep(id(value.owner))  # before its parts, which may refer back to it
        if value.state is not None:
            yield "", value.state
            self.out += b"b"

    def _array(self, value: np.ndarray) -> Step:
        if value.dtype.hasobject:
            raise self.refusal(value)
        shell = (Tag(("numpy", "ndarray")), (0,), b"b")
        empty = Call("numpy._core.multiarray", "_reconstruct", *shell)
        yield from self._call(empty)
        fortran = value.flags.f_contiguous and not value.flags.c_contiguous
        data = value.tobytes("F" if fortran else "C")
        yield "", (1, tuple(value.shape), _NumpyType(value.dtype), fortran, data)
        self.out += b"b"

    def _numpy_dtype(self, value: _NumpyType) -> Step:
        if value.kind.kind not in "biufcSU":
            raise self.refusal(value.kind)
        code = value.kind.str[1:]
        yield from self._call(Call("numpy", "dtype", code, False, True))
        size = value.kind.itemsize if value.kind.kind in "SU" else -1
        alignment = value.kind.alignment if value.kind.kind in "SU" else -1
        order = value.kind.str[0]
        yield "", (3, order, None, None, None, size, alignment, 0)
        self.out += b"b"

    # -- tensors

    def _tensor(self, value: Tensor) -> Step:
        if value.layout is not dtypes.strided:
            yield from self._call(_sparse_call(value))
            return
        plain = type(value) is Tensor or value._inference
        if not plain and not tensors.is_parameter(value):
            raise self.refusal(value)
        call = self._tensor_call(value)
        extra = tensors.attributes(value)
        if tensors.is_parameter(value):
            name = "_rebuild_parameter_with_state" if extra else "_rebuild_parameter"
            state = (extra,) if extra else ()
            call = Call("torch._utils", name, call, value.requires_grad, OrderedDict(), *state)
        elif extra:
            rebuild, arguments = call.tag, call.arguments
            kind = Tag(("torch", "Tensor"))
            call = Call("torch._tensor", "_rebuild_from_type_v2", rebuild, kind, arguments, extra)
        yield from self._call(call)

    def _tensor_call(self, value: Tensor) -> Call:
        if value.is_meta:
            steps = tuple(value.stride())
            arguments = (value.dtype, tuple(value.shape), steps, value.requires_grad)
            return Call("torch._utils", "_rebuild_meta_tensor_no_storage", *arguments)
        found = tensors.stored(value)
        kind = found.dtype
        storage = self._place(found, kind)
        requires_grad = value.requires_grad and not tensors.is_parameter(value)
        window = (found.offset, found.shape, found.strides, requires_grad, OrderedDict())
        if kind.name not in tensors.STORAGE_OF:
            return Call("torch._utils", "_rebuild_tensor_v3", storage, *window, kind)
        return Call("torch._utils", "_rebuild_tensor_v2", storage, *window)

    def _place(self, found: tensors.Stored, kind: dtypes.dtype, plain: bool = False) -> _Storage:
        """Where in the file the bytes are, which is written once and read as one type."""
        index, first = self.keys.setdefault(found.key, (len(self.storages), kind))
        if index == len(self.storages) or not found.data:
            index = len(self.storages)
            self.storages.append(found.data)
            self.alive.append(found.owner)
            if PACKAGES:
                data = np.frombuffer(found.data, np.uint8)
                self.places[index] = location_tag(tensors.storage_over(data, kind).untyped())
        elif first is not kind:
            raise RuntimeError(
                "Cannot save multiple tensors or storages that view the same data as different"
                " types"
            )
        typed = tensors.STORAGE_OF.get(kind.name)
        if typed is None or plain:
            return _Storage(Tag(("torch.storage", "UntypedStorage")), index, len(found.data))
        return _Storage(Tag(("torch", typed)), index, len(found.data) // kind.itemsize)

    def _bare_storage(self, value: Any) -> Step:
        """A storage that stands for itself."""
        plain = isinstance(value, rl.UntypedStorage)
        kind = rl.uint8 if plain else value.dtype
        found = tensors.stored_bytes(value if plain else value.untyped())
        yield from self._storage(self._place(found, kind, plain))

    def _storage(self, value: _Storage) -> Step:
        place = self.places.get(value.index, "cpu")
        parts = ("storage", value.tag, str(value.index), place, value.numel)
        yield from self._tuple_parts(parts, inner=True)
        self.out += b"Q"


def _shown(value: Any) -> str:
    try:
        return short(repr(value), 60)
    except Exception:  # a half-made object may fail to show itself
        return "no text form"


class Instance:
    """An object of a class that the user declared safe, as its attributes."""

    __slots__ = ("state", "tag")

    def __init__(self, tag: Tag, state: Any) -> None:
        self.tag, self.state = tag, state


class Reduced:
    """An object of any class that is found by its name, in the parts that pickle names."""

    __slots__ = ("arguments", "new", "owner", "path", "state")

    def __init__(
        self, owner: Any, path: tuple[str, str], arguments: tuple, new: bool, state: Any
    ) -> None:
        self.owner, self.path, self.arguments = owner, path, arguments
        self.new, self.state = new, state


class _NumpyType:
    __slots__ = ("kind",)

    def __init__(self, kind: np.dtype) -> None:
        self.kind = kind


class _Storage:
    __slots__ = ("index", "numel", "tag")

    def __init__(self, tag: Tag, index: int, numel: int) -> None:
        self.tag, self.index, self.numel = tag, index, numel


SIMPLE: dict[type, Any] = {
    type(None): Writer._none, bool: Writer._bool, int: Writer._int, float: Writer._float,
    str: Writer._str, Tag: Writer._tag, dtypes.dtype: Writer._dtype,
    TorchVersion: lambda writer, value: writer._str(str(value)),
}  # fmt: skip
PARTS: dict[type, Any] = {
    tuple: Writer._tuple, list: Writer._list, dict: Writer._dict, OrderedDict: Writer._ordered,
    Counter: Writer._counter, defaultdict: Writer._defaultdict, set: Writer._set,
    frozenset: Writer._set, bytes: Writer._bytes, bytearray: Writer._bytearray,
    complex: Writer._complex, Size: Writer._size, dtypes.device: Writer._device,
    dtypes.layout: Writer._layout,
    np.ndarray: Writer._array, _NumpyType: Writer._numpy_dtype, _Storage: Writer._storage,
    Instance: Writer._instance, Reduced: Writer._reduced,
    rl.UntypedStorage: Writer._bare_storage, rl.TypedStorage: Writer._bare_storage,
}  # fmt: skip
