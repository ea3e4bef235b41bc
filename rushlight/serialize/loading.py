"""`load`: recognise a file by its content, check it, and rebuild what it holds."""

from __future__ import annotations

import io
import mmap as memory_map
import os
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core import dtypes
from ..core.state import STATE
from . import foreign, options, safetensors, tensors
from .archive import Archive, Source
from .errors import CheckpointError, EmptyCheckpointError, short
from .legacy import LegacyFile
from .makers import Storage
from .pickle import Reader
from .rebuild import Rebuilder

ZIP = b"PK\x03\x04"
OLD = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
MAX_PICKLE = 1 << 31


class _Passed(Exception):
    """Carries an error of the caller's own function past the checks of the file."""


def load(
    f: Any,
    map_location: Any = None,
    pickle_module: Any = None,
    *,
    weights_only: bool | None = None,
    mmap: bool | None = None,
    **pickle_load_args: Any,
) -> Any:
    """Load what `save`, torch or safetensors wrote; files are data, and nothing in them runs.

    Arguments: `f`, a path or a seekable binary file; `map_location`, where tensors go: a device, a
    dict or a function as in torch (there is only the CPU, so it serves to accept files from GPUs,
    and "meta" gives tensors without values, which are not read);
    `weights_only=False` also rebuilds models, objects of classes that the program has defined, and
    namespaces, paths and dates (still nothing is imported); `mmap=True` reads tensors from the file
    when they are used, without verifying their checksums. Raises CheckpointError (a RuntimeError
    and an UnpicklingError) for a damaged, foreign or refused file, OSError for one that cannot be
    opened.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.load.html

    >>> import io
    >>> import rushlight as torch
    >>> try:
    ...     torch.load(io.BytesIO(b"<html>Not found</html>"))
    ... except RuntimeError as error:
    ...     print(error)
    the file (22 bytes) is an HTML page
    """
    if STATE.tracer is not None:
        STATE.tracer.stop("torch.load() must happen at every call")
    trusted = weights_only is False
    locate = _locator(map_location)
    mmap = options.LOAD.mmap if mmap is None else mmap
    try:
        if isinstance(f, (str, os.PathLike)):
            with open(f, "r+b" if mmap and _writes_through() else "rb") as stream:
                return _load_file(stream, os.fspath(f), locate, trusted, bool(mmap))
        if mmap:
            raise ValueError("f must be a file path in order to use the mmap argument")
        return _load_stream(f, locate, trusted)
    except _Passed as passed:
        assert passed.__cause__ is not None
        raise passed.__cause__ from None


def get_unsafe_globals_in_checkpoint(f: Any) -> list[str]:
    """The names in a checkpoint that `load` would refuse: classes and functions to declare safe.

    `f` is a path or a seekable binary file; nothing in it runs. Raises ValueError for a file that
    is not in torch's zip layout.

    Source: https://docs.pytorch.org/docs/stable/notes/serialization.html

    >>> import io
    >>> import rushlight as torch
    >>> stream = io.BytesIO()
    >>> torch.save({"w": torch.ones(2), "error": OSError()}, stream)
    >>> _ = stream.seek(0)
    >>> torch.serialization.get_unsafe_globals_in_checkpoint(stream)
    ['builtins.OSError']
    """
    if isinstance(f, (str, os.PathLike)):
        with open(f, "rb") as stream:
            return get_unsafe_globals_in_checkpoint(stream)
    start = f.tell()
    size = f.seek(0, io.SEEK_END) - start
    source = Source(f, start, size)
    if source.read(0, min(4, size)) != ZIP:
        raise ValueError("Expected input to be a checkpoint returned by torch.save")
    return _ZipFile(source, "the file", _check_place, False, None).unknown()


def _writes_through() -> bool:
    """Whether writes to tensors of a mapped file go to the file."""
    return options.SHARED is not None and options.LOAD.mmap_flags == options.SHARED


def _load_file(stream: Any, path: Any, locate: Any, trusted: bool, mapped: bool) -> Any:
    name = short(os.fsdecode(path), 200)
    if os.sep == "\\":  # Windows' own, which need no escape
        name = name.replace("\\\\", os.sep)
    size = os.fstat(stream.fileno()).st_size
    try:
        if mapped and size:
            access = memory_map.ACCESS_WRITE if _writes_through() else memory_map.ACCESS_COPY
            mapping = memory_map.mmap(stream.fileno(), 0, access=access)
            return _load(Source(stream, 0, size), name, locate, trusted, mapping)
        return _load(Source(stream, 0, size), name, locate, trusted)
    except CheckpointError as error:
        if name not in str(error):
            error.add_note(f"file: {name} ({size} bytes)")
        raise


def _load_stream(f: Any, locate: Any, trusted: bool) -> Any:
    try:
        start = f.tell()
        size = f.seek(0, io.SEEK_END)
        size = f.tell() if size is None else size
        f.seek(start)
        f.read  # noqa: B018  (only asked for)
    except (io.UnsupportedOperation, AttributeError) as error:
        raise type(error)(
            f"{error}. You can only torch.load from a file that is seekable. Please pre-load the"
            " data into a buffer like io.BytesIO and try to load from it instead."
        ) from error
    return _load(Source(f, start, size - start), "the file", locate, trusted)


def _load(source: Source, name: str, locate: Any, trusted: bool, mapping: Any = None) -> Any:
    head = source.read(0, min(512, source.size))
    if not head:
        raise EmptyCheckpointError(f"Ran out of input: {name} is empty")
    if head.startswith(ZIP):
        return _ZipFile(source, name, locate, trusted, mapping).value()
    if head.startswith(foreign.GIT_LFS):
        raise foreign.not_a_checkpoint(head, source.size, name)
    if safetensors.looks_like(head, source.size):
        return safetensors.read(source)
    if head.startswith(OLD[: len(head)]) and len(head) <= len(OLD):
        raise CheckpointError(f"{name} ends at byte {source.size}: cut short")
    # Any other pickle goes through the same reader, which names what it asks for.
    if len(head) > 1 and head[0] == 0x80 and 2 <= head[1] <= 5:
        return LegacyFile(source, locate, trusted).value()
    if ZIP.startswith(head):
        raise CheckpointError(f"{name} ends at byte {source.size}: cut short")
    raise foreign.not_a_checkpoint(head, source.size, name)


class _ZipFile:
    """A `.pt` file in torch's zip layout."""

    def __init__(self, source: Source, name: str, locate: Any, trusted: bool, mapping: Any) -> None:
        self.archive = Archive(source)
        self.locate, self.mapping = locate, mapping
        self.rebuilder = Rebuilder(self.read_storage, trusted)
        self.loaded: dict[str, np.ndarray] = {}
        names = list(self.archive.records)
        roots = {part.split("/")[0] for part in names}
        self.root = roots.pop() if len(roots) == 1 else ""
        pickles = f"{self.root}/data.pkl"
        if pickles not in self.archive or f"{self.root}/constants.pkl" in self.archive:
            raise foreign.no_torch_archive(names, name)
        self.swapped = self._byte_order() != sys.byteorder

    def _byte_order(self) -> str:
        name = f"{self.root}/byteorder"
        if name not in self.archive:
            chosen = options.LOAD.endianness or options.LoadEndianness.LITTLE
            native = chosen is options.LoadEndianness.NATIVE
            return sys.byteorder if native else chosen.name.lower()
        order = self.archive.read(name, 16).decode("latin-1")
        if order not in ("little", "big"):
            raise CheckpointError(f"unknown byte order {short(order)}; the file is damaged")
        return order

    def value(self) -> Any:
        """What the file holds."""
        for name in (f"{self.root}/version", f"{self.root}/.data/version"):
            if name in self.archive:
                self.archive.read(name, 64)
        return self.rebuilder.rebuild(self._read(self.rebuilder.known))

    def _read(self, known: Callable[[str, str], bool]) -> Any:
        """The pickle, taken apart."""
        data = self.archive.read(f"{self.root}/data.pkl", MAX_PICKLE)
        reader = Reader(data, known)
        root = reader.load()
        if reader.position != len(data):
            raise CheckpointError("bytes after the pickle's end; refused")
        return root

    def unknown(self) -> list[str]:
        """The names in the pickle that would be refused, each once."""
        found: dict[str, None] = {}

        def noted(module: str, name: str) -> bool:
            if not self.rebuilder.known(module, name):
                found[f"{module}.{name}"] = None
            return True

        self._read(noted)
        return list(found)

    def read_storage(self, storage: Storage, kind: dtypes.dtype, label: str) -> np.ndarray | None:
        """The bytes of one storage, read once; its size must be what the file says elsewhere.

        None where it goes to the meta device.
        """
        if self.locate(storage.location):
            return None
        name = f"{self.root}/data/{storage.key}"
        record = self.archive.records.get(name)
        if record is None:
            raise CheckpointError(f"record {short(name)} of {short(label)} is not in the file")
        width = storage.kind.dtype.itemsize if storage.kind.dtype else 1
        if storage.numel * width != record.size:
            raise CheckpointError(
                f"{short(label)} claims a storage of {storage.numel} elements; record {short(name)}"
                f" has {record.size} bytes; refused"
            )
        if name not in self.loaded:
            skipped = options.SKIPPING.on
            self.loaded[name] = (
                np.zeros(record.size, np.uint8) if skipped else self._bytes(name, label, kind)
            )
        return self.loaded[name]

    def _bytes(self, name: str, label: str, kind: dtypes.dtype) -> np.ndarray:
        record = self.archive.records[name]
        if self.mapping is not None and not self.swapped and record.size:
            return np.frombuffer(self.mapping, np.uint8, record.size, record.start)
        data = np.empty(record.size, np.uint8)
        self.archive.read_into(name, data.data, label)
        if kind.name == "bool" and data.size and data.max() > 1:
            raise CheckpointError(f"{short(label)} of bool has values beyond 0 and 1; refused")
        return tensors.swapped(data, kind) if self.swapped else data


def _locator(map_location: Any) -> Any:
    """A function that refuses places that are not here, and says which go to the meta device."""
    default = _check_place
    if map_location is None:
        return default
    if isinstance(map_location, dict):
        return lambda place: default(str(map_location.get(place, place)))
    if isinstance(map_location, (str, dtypes.device)):
        target = str(map_location)
        return lambda place: default(target)
    if not callable(map_location):
        raise TypeError(f"'{type(map_location).__name__}' object is not callable")
    return lambda place: _ask(map_location, place)


def _ask(map_location: Any, place: str) -> bool:
    try:
        found = map_location(_StorageName(), place)
    except Exception as error:
        raise _Passed from error
    if found is None:
        return _check_place(place)
    return str(getattr(found, "device", "cpu")) == "meta"


class _StorageName:
    """What a `map_location` function gets as the storage: it can only be handed back."""

    def __init__(self, place: str = "cpu") -> None:
        self.device = dtypes.device(place)

    def cpu(self) -> _StorageName:
        """Itself: everything is on the CPU."""
        return self

    def cuda(self, device: Any = None) -> _StorageName:
        """Refused, as there is none here."""
        _check_place("cuda")
        return self


def default_restore_location(storage: Any, location: str) -> Any:
    """The storage as it is at `location`, for functions that are given as `map_location`.

    Raises: CheckpointError (a RuntimeError) for places that are not here.

    >>> import rushlight as torch
    >>> storage = torch.ones(2).untyped_storage()
    >>> torch.serialization.default_restore_location(storage, "cpu") is storage
    True
    """
    return _StorageName("meta") if _check_place(location) else storage


def _check_place(place: str) -> bool:
    """Whether the place is the meta device; refuses what is neither that nor the CPU."""
    if options.PACKAGES:
        try:
            found = options.restored(_StorageName(), place)
        except Exception as error:
            raise _Passed from error
        if found is not None:
            return str(getattr(found, "device", "cpu")) == "meta"
    kind = place.split(":")[0]
    if kind in ("cpu", "meta"):
        return kind == "meta"
    if kind == "cuda":
        error = CheckpointError(
            "Attempting to deserialize object on a CUDA device but torch.cuda.is_available() is"
            " False. If you are running on a CPU-only machine, please use torch.load with"
            " map_location=torch.device('cpu') to map your storages to the CPU."
        )
    else:
        error = CheckpointError(
            "don't know how to restore data location of torch.storage.UntypedStorage (tagged with"
            f" {short(place)})"
        )
    error.add_note("load it here: torch.load(path, map_location='cpu')")
    raise error
