"""The safetensors format: a JSON header, then the bytes of every tensor; no code can hide in it.

Source: https://github.com/huggingface/safetensors (the format's description)
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np

from ..core import dtypes
from ..core.tensor import Tensor
from . import tensors
from .archive import Source
from .atomic import replacing
from .errors import CheckpointError, EmptyCheckpointError, short

MAX_HEADER = 100_000_000
NAMES = {
    "BOOL": "bool", "U8": "uint8", "I8": "int8", "I16": "int16", "U16": "uint16", "F16": "float16",
    "BF16": "bfloat16", "I32": "int32", "U32": "uint32", "F32": "float32", "F64": "float64",
    "I64": "int64", "U64": "uint64", "C64": "complex64", "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2", "F8_E8M0": "float8_e8m0fnu", "F8_E4M3FNUZ": "float8_e4m3fnuz",
    "F8_E5M2FNUZ": "float8_e5m2fnuz",
}  # fmt: skip
CODES = {name: code for code, name in NAMES.items()}
# Wide types first, so that every tensor starts at a multiple of its element size.
WIDE_FIRST = ["U64", "I64", "F64", "C64", "F32", "U32", "I32", "BF16", "F16", "U16", "I16"]
WIDE_FIRST += ["I8", "U8", "F8_E8M0", "F8_E5M2", "F8_E4M3"]
WIDE_FIRST += ["F8_E5M2FNUZ", "F8_E4M3FNUZ", "BOOL"]


def save_file(
    tensors: dict[str, Any], filename: Any, metadata: dict[str, str] | None = None
) -> None:
    """Write tensors by name to a `.safetensors` file, replacing it in one step.

    Arguments: `tensors`, name to tensor; views are written out in full, and sharing is lost;
    `metadata`, text to text (`format` is `pt` unless given, which other readers look for).
    Raises TypeError for what is no tensor, OSError with the path when it cannot be written.
    """
    pieces = list(_pieces(tensors, metadata))
    with replacing(filename, sum(map(len, pieces))) as stream:
        for piece in pieces:
            stream.write(piece)


def save(tensors: dict[str, Any], metadata: dict[str, str] | None = None) -> bytes:
    """The bytes of a safetensors file.

    >>> import rushlight as torch
    >>> from rushlight.serialize import safetensors
    >>> safetensors.load(safetensors.save({"w": torch.ones(2)}))
    {'w': tensor([1., 1.])}
    """
    return b"".join(_pieces(tensors, metadata))


def _pieces(found: dict[str, Any], metadata: dict[str, str] | None) -> Iterator[bytes | memoryview]:
    if not isinstance(found, dict):
        raise TypeError(f"safetensors holds a dict of tensors, not a {type(found).__name__}")
    arrays = {name: _array(name, value) for name, value in found.items()}
    codes = {name: CODES[dtypes.of(array).name] for name, array in arrays.items()}
    header: dict[str, Any] = {"__metadata__": _metadata(metadata)}
    names = sorted(arrays, key=lambda name: (WIDE_FIRST.index(codes[name]), name))
    at = 0
    for name in names:
        end = at + arrays[name].nbytes
        shape = list(arrays[name].shape)
        header[name] = {"dtype": codes[name], "shape": shape, "data_offsets": [at, end]}
        at = end
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    yield len(text).to_bytes(8, "little") + text
    for name in names:
        array = arrays[name]
        yield array.reshape(-1).view(np.uint8).data if array.nbytes else b""


def _array(name: Any, value: Any) -> np.ndarray:
    if type(name) is not str or name == "__metadata__":
        raise TypeError(f"safetensors names tensors by text, not by {short(repr(name))}")
    if not isinstance(value, Tensor):
        error = TypeError(f"safetensors holds tensors only; {name!r} is a {type(value).__name__}")
        error.add_note("flatten nested dictionaries, or save to a .pt file")
        raise error
    array = value._array
    if dtypes.of(array).name not in CODES:
        raise TypeError(f"safetensors has no type for {name!r}, a {value.dtype} tensor")
    little = array.dtype.newbyteorder("<") if array.dtype.kind in "iufc" else array.dtype
    return np.asarray(array, little, order="C")


def _metadata(metadata: dict[str, str] | None) -> dict[str, str]:
    metadata = metadata or {}
    for key, value in metadata.items():
        if type(key) is not str or type(value) is not str:
            raise TypeError(
                f"safetensors metadata is text to text, not {short(repr((key, value)))}"
            )
    return {"format": "pt", **metadata}


def load_file(filename: Any, device: Any = "cpu") -> dict[str, Any]:
    """The tensors of a `.safetensors` file by name; CheckpointError for a damaged one."""
    with open(filename, "rb") as stream:
        return read(Source(stream, 0, os.fstat(stream.fileno()).st_size))


def load(data: bytes) -> dict[str, Any]:
    """The tensors in the bytes of a safetensors file."""
    import io

    return read(Source(io.BytesIO(data), 0, len(data)))


def looks_like(head: bytes, size: int) -> bool:
    """Whether a file of `size` bytes that starts with `head` says it is safetensors."""
    return len(head) > 8 and head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= MAX_HEADER


def read(source: Source) -> dict[str, Any]:
    """The tensors of a source; every size is checked before its bytes are read."""
    entries, start = read_header(source)
    found = {}
    for name, (kind, shape, begin, end) in entries.items():
        data = np.empty(end - begin, np.uint8)
        if end > begin:
            source.read_into(start + begin, data.data)
        array = data.view(kind.numpy.newbyteorder("<") if kind.itemsize > 1 else kind.numpy)
        if not array.dtype.isnative:
            array = array.astype(kind.numpy)
        if kind.name == "bool" and data.size and data.max() > 1:
            raise CheckpointError(f"tensor {short(name)} of bool has values beyond 0 and 1")
        found[name] = tensors.wrap(array.reshape(shape))
    return found


def read_header(source: Source) -> tuple[dict[str, tuple], int]:
    """({name: (dtype, shape, begin, end)}, where the data starts), all of it checked."""
    if not source.size:
        raise EmptyCheckpointError("Ran out of input: the file is empty")
    if source.size < 8:
        raise CheckpointError(f"a safetensors file of {source.size} bytes: cut short")
    length = int.from_bytes(source.read(0, 8), "little")
    if length > min(MAX_HEADER, source.size - 8):
        raise CheckpointError(
            f"safetensors header claims {length} bytes; the file has {source.size}: cut short?"
        )
    try:
        header = json.loads(source.read(8, length).decode("utf-8"), object_pairs_hook=_no_twins)
    except CheckpointError:
        raise
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"safetensors header is damaged: {short(str(error))}") from error
    if type(header) is not dict:
        raise CheckpointError("safetensors header is not a table; the file is damaged")
    _check_metadata(header.pop("__metadata__", {}))
    entries = {name: _entry(name, entry) for name, entry in header.items()}
    _check_cover(entries, source.size - 8 - length)
    return entries, 8 + length


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        raise CheckpointError("safetensors header names something twice; refused")
    return table


def _check_metadata(metadata: Any) -> None:
    if type(metadata) is not dict or any(type(value) is not str for value in metadata.values()):
        raise CheckpointError("safetensors metadata is not text to text; refused")


def _entry(name: str, entry: Any) -> tuple:
    if type(entry) is not dict or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise CheckpointError(f"safetensors entry {short(name)} is malformed; refused")
    code, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if type(code) is not str or code not in NAMES:
        raise CheckpointError(f"tensor {short(name)} has the unknown type {short(str(code))}")
    if not _whole(shape) or not _whole(offsets) or len(offsets) != 2:
        raise CheckpointError(f"tensor {short(name)} has a shape or place that is no whole number")
    kind = dtypes.ALL[NAMES[code]]
    begin, end = offsets
    if len(shape) > tensors.MAX_DIMENSIONS or prod(shape) * kind.itemsize != end - begin:
        raise CheckpointError(
            f"tensor {short(name)} of {code} {short(str(shape))} claims bytes {begin} to {end};"
            " the sizes disagree"
        )
    return kind, tuple(shape), begin, end


def _whole(values: Any) -> bool:
    return type(values) is list and all(type(n) is int and 0 <= n < 2**63 for n in values)


def _check_cover(entries: dict[str, tuple], size: int) -> None:
    """Tensors lie one after the other and cover the file: no overlap, no hidden bytes."""
    at = 0
    for name, (_, _, begin, end) in sorted(entries.items(), key=lambda item: item[1][2:]):
        if begin != at:
            raise CheckpointError(f"tensor {short(name)} overlaps or leaves a gap; refused")
        at = end
    if at != size:
        what = "cut short" if at > size else "more than the header tells"
        raise CheckpointError(f"safetensors data has {size} bytes, {at} expected: {what}")
