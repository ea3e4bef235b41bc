"""Files read where they are used: the bytes behind `from_file`."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from .sharing import reserve


def mapped(filename: Any, shared: bool, nbytes: int) -> np.ndarray:
    """The first bytes of a file. Raises: RuntimeError where it is not there, or too short."""
    path = os.fspath(filename)
    try:
        if shared:
            with open(path, "ab") as file:
                reserve(file, nbytes)
                file.truncate(max(file.tell(), nbytes))
        size = os.path.getsize(path)
    except OSError as error:
        mode = "read-write" if shared else "read-only"
        raise RuntimeError(
            f"unable to open file <{path}> in {mode} mode: {error.strerror} ({error.errno})"
        ) from error
    if nbytes > size:
        raise RuntimeError(
            f"file <{path}> size <{size}> is smaller than the required mapping size <{nbytes}>"
        )
    if not nbytes:
        return np.zeros(0, np.uint8)
    return np.asarray(np.memmap(path, np.uint8, "r+" if shared else "c", 0, (nbytes,)))


def path_of(array: Any) -> str | None:
    """The file that writes to an array go to, None where there is none."""
    while array is not None and not isinstance(array, np.memmap):
        array = getattr(array, "base", None)
    return None if array is None or array.mode == "c" else str(array.filename)
