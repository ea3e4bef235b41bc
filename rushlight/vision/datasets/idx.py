"""The IDX file format of MNIST: a small header, then the array's bytes."""

from __future__ import annotations

import gzip
import math
import os
import zlib
from pathlib import Path

import numpy as np

from ...core.errors import fail
from ...utils.errors import DataError, describe_file

DTYPES = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
# deflate cannot pack tighter than this, so a larger claim is a lie
DEFLATE_LIMIT = 1100


def read_idx(path: str | os.PathLike[str]) -> np.ndarray:
    """Read an IDX file, packed with gzip or not, into an array of the machine's byte order.

    The header gives the type and the sizes: 0, 0, type code, number of dimensions, then each
    size as a big-endian 32-bit integer.
    Raises: DataError (a RuntimeError) with the path and what is wrong.
    Source: https://yann.lecun.com/exdb/mnist/ (file formats)
    """
    source = Path(path)
    with open(source, "rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    try:
        with gzip.open(source, "rb") if packed else open(source, "rb") as file:
            dtype, shape = _read_header(file, source)
            size = math.prod(shape) * dtype.itemsize
            limit = source.stat().st_size * (DEFLATE_LIMIT if packed else 1)
            if size > limit:
                raise _broken(source, f"the header promises {size} bytes, the file is too short")
            body = file.read(size)
            surplus = file.read(1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise _broken(source, f"cut short or damaged ({error})") from error
    if len(body) != size or surplus:
        found = "more" if surplus else str(len(body))
        raise _broken(source, f"the header promises {size} bytes of data, there are {found}")
    array = np.frombuffer(body, dtype).reshape(shape)
    return array.astype(dtype.newbyteorder("="))


def _read_header(file, source: Path) -> tuple[np.dtype, tuple[int, ...]]:
    head = file.read(4)
    if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in DTYPES or head[3] == 0:
        what = describe_file(source) or f"not an IDX file (starts {head!r})"
        raise _broken(source, what)
    sizes = file.read(4 * head[3])
    if len(sizes) < 4 * head[3]:
        raise _broken(source, "cut short in the header")
    return np.dtype(DTYPES[head[2]]), tuple(int(size) for size in np.frombuffer(sizes, ">u4"))


def _broken(source: Path, what: str) -> BaseException:
    return fail(
        DataError,
        f"{source}: {what}",
        f"the file has {source.stat().st_size} bytes; delete it and fetch it again",
    )
