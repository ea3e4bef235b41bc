"""The `.metadata` file, as torch writes and reads it: objects of a few classes, and no code.

Reading makes nothing but what is listed here, whatever the file asks for.
"""

from __future__ import annotations

import io
import pathlib
import pickle
from collections import OrderedDict
from enum import Enum
from typing import Any

import rushlight as rl

from ...core import dtypes
from ...core.errors import fail
from . import metadata

_package: Any = rl
writing = _package.serialize.pickle_writer
_HOME = "torch.distributed.checkpoint.metadata"
_FILES = "torch.distributed.checkpoint.filesystem"
_PLAIN: dict[type, str] = {
    metadata.Metadata: _HOME, metadata.TensorStorageMetadata: _HOME,
    metadata.BytesStorageMetadata: _HOME, metadata.ChunkStorageMetadata: _HOME,
    metadata.MetadataIndex: _HOME, metadata.StorageMeta: _HOME, metadata._StorageInfo: _FILES,
}  # fmt: skip


class _Format(Enum):
    """How torch writes a memory format."""

    contiguous = 0
    preserve = 1
    channels_last = 2


class _Properties:
    """Properties of a tensor while they are read: torch keeps them as a tuple."""

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.__class__: Any = metadata.TensorProperties
        dtype, layout, requires_grad, _, pin_memory = state
        self.__dict__.update(
            dtype=dtype, layout=layout, requires_grad=requires_grad,
            memory_format=rl.contiguous_format, pin_memory=pin_memory,
        )  # fmt: skip


def dump(value: metadata.Metadata) -> bytes:
    """The bytes of the file."""
    return writing.Writer().dump(_sayable(value))


def _sayable(value: Any) -> Any:
    """The value, with its objects as what the writer writes for them."""
    if isinstance(value, dict):
        return {_sayable(key): _sayable(one) for key, one in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_sayable(one) for one in value)
    if isinstance(value, metadata.TensorProperties):
        form = writing.Call(_HOME, "_MEM_FORMAT_ENCODING", 0)
        kept = (value.dtype, value.layout, value.requires_grad, form, value.pin_memory)
        return writing.Instance(writing.Tag((_HOME, "TensorProperties")), kept)
    if type(value) in _PLAIN:
        kind = type(value)
        state = {key: _sayable(one) for key, one in vars(value).items()}
        return writing.Instance(writing.Tag((_PLAIN[kind], kind.__name__)), state)
    return str(value) if isinstance(value, pathlib.PurePath) else value


def _known() -> dict[tuple[str, str], Any]:
    """What a file may ask for."""
    known: dict[tuple[str, str], Any] = {
        (home, kind.__name__): kind for kind, home in _PLAIN.items()
    }
    known |= {("torch", name): kind for name, kind in dtypes.ALL.items()}
    known |= {
        (_HOME, "TensorProperties"): _Properties, (_HOME, "_MEM_FORMAT_ENCODING"): _Format,
        ("torch", "Size"): rl.Size, ("collections", "OrderedDict"): OrderedDict,
        ("torch.serialization", "_get_layout"): lambda name: getattr(rl, name.split(".")[-1]),
        ("builtins", "set"): set, ("__builtin__", "set"): set,
    }  # fmt: skip
    for home in ("pathlib", "pathlib._local"):
        for name in ("PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath"):
            known[home, name] = lambda *parts: str(pathlib.PurePosixPath(*parts))
    return known


class _Reader(pickle.Unpickler):
    def __init__(self, data: bytes) -> None:
        super().__init__(io.BytesIO(data))
        self.known = _known()

    def find_class(self, module: str, name: str) -> Any:
        found = self.known.get((module, name))
        if found is None:
            raise fail(
                pickle.UnpicklingError, f"the metadata of a checkpoint asks for {module}.{name}",
                "it holds names, shapes and places of tensors; nothing else is read",
            )  # fmt: skip
        return found


def load(data: bytes) -> metadata.Metadata:
    """What the bytes of a file say.

    Raises: pickle.UnpicklingError for what is no such file.
    """
    try:
        found = _Reader(data).load()
    except pickle.UnpicklingError:
        raise
    except Exception as error:
        raise pickle.UnpicklingError(f"the metadata of a checkpoint is damaged: {error}") from error
    if not isinstance(found, metadata.Metadata):
        raise pickle.UnpicklingError(f"the metadata of a checkpoint is a {type(found).__name__}")
    return found
