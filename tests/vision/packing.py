"""Makes small archives, pictures and tables as the data sets' homes serve them."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

Files = Mapping[str, bytes]


def tar(files: Files, packed: str = "") -> bytes:
    """A tar file of `files`; `packed` is "gz", "bz2", "xz" or "" for plain."""
    stream: Any = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=f"w:{packed}") as archive:  # pyright: ignore[reportCallIssue, reportArgumentType]  # the mode is put together
        for name, content in files.items():
            item = tarfile.TarInfo(name)
            item.size = len(content)
            archive.addfile(item, io.BytesIO(content))
    return stream.getvalue()


def zipped(files: Files) -> bytes:
    """A zip file of `files`."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


def picture(kind: str = "png", shade: int = 7) -> bytes:
    """A picture of 5x4 of one shade."""
    image = pytest.importorskip("PIL.Image")
    stream = io.BytesIO()
    image.fromarray(np.full((4, 5, 3), shade, np.uint8)).save(stream, kind)
    return stream.getvalue()


def matlab(**arrays: Any) -> bytes:
    """A file of MATLAB's that holds `arrays`."""
    files = pytest.importorskip("scipy.io")
    stream = io.BytesIO()
    files.savemat(stream, arrays)
    return stream.getvalue()


def numbers(array: np.ndarray) -> bytes:
    """A file of NumPy's."""
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def tree(folder: Path) -> set[str]:
    """The files below a folder."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
