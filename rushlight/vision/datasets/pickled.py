"""Read the pickles CIFAR comes in, as data: nothing in them is imported or called."""

from __future__ import annotations

import math
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np

from ...core.errors import fail
from ...utils.errors import DataError, describe_file

MOST_BYTES = 2**31


class _DType:
    """What stands for numpy.dtype; only bytes and plain numbers are known."""

    def __init__(self, code: str, *ignored: Any) -> None:
        if code not in ("u1", "i4", "i8", "f4", "f8"):
            raise pickle.UnpicklingError(f"arrays of {code!r} are not expected")
        self.dtype = np.dtype(code)

    def __setstate__(self, state: tuple) -> None:
        if state[1] == ">":
            self.dtype = self.dtype.newbyteorder(">")


class _Array:
    """What stands for a numpy array until its bytes have come and fit its shape."""

    value: np.ndarray

    def __init__(self, *ignored: Any) -> None:
        pass

    def __setstate__(self, state: tuple) -> None:
        _version, shape, dtype, fortran, data = state
        data = data.encode("latin1") if isinstance(data, str) else data
        size = math.prod(shape) * dtype.dtype.itemsize
        if size != len(data) or size > MOST_BYTES:
            raise pickle.UnpicklingError(f"an array of {shape} does not fit {len(data)} bytes")
        order = "F" if fortran else "C"
        self.value = np.frombuffer(bytearray(data), dtype.dtype).reshape(shape, order=order)


def _encode(text: str, encoding: str = "latin1") -> bytes:
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"encoding {encoding!r} is not expected")
    return text.encode("latin1")


_KNOWN = {
    ("numpy.core.multiarray", "_reconstruct"): _Array,
    ("numpy._core.multiarray", "_reconstruct"): _Array,
    ("numpy", "ndarray"): object(),
    ("numpy", "dtype"): _DType,
    ("_codecs", "encode"): _encode,
}


class _DataOnly(pickle.Unpickler):
    """An unpickler whose every global is one of the stand-ins above."""

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        try:
            return _KNOWN[module_name, global_name]
        except KeyError:
            raise pickle.UnpicklingError(
                f"it asks for {module_name}.{global_name}, which is not data; nothing was imported"
            ) from None


def read_pickled(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the dictionary of numbers, texts and arrays in a CIFAR file.

    Raises: DataError (a RuntimeError) for anything else, with the path.
    """
    source = Path(path)
    try:
        with open(source, "rb") as file:
            found = _DataOnly(file, encoding="latin1").load()
        if not isinstance(found, dict):
            raise pickle.UnpicklingError(f"expected a dictionary, got {type(found).__name__}")
        return {
            str(key): item.value if isinstance(item, _Array) else item
            for key, item in found.items()
        }
    except OSError:
        raise
    except Exception as error:
        # hostile bytes can make the unpickler fail in any way at all
        what = describe_file(source) or str(error) or type(error).__name__
        raise fail(DataError, f"{source}: {what}") from error
