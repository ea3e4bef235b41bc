"""Makes small archives, pictures and tables as the data sets' homes serve them."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rushlight.utils.download import Expected

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


@dataclass
class Shop:
    """What stands for the network: files by the last part of their address."""

    files: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    expected: list[Expected] = field(default_factory=list)

    def download(self, url: str, path: Path, expected: Expected) -> Path:
        assert url.startswith(("http://", "https://"))
        self.asked.append(url.rpartition("/")[2])
        self.expected.append(expected)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.files[self.asked[-1]])
        return path

    @classmethod
    def serving(cls, monkeypatch: pytest.MonkeyPatch, *modules: Any) -> Shop:
        """One that `modules` fetch from."""
        shop = cls()
        for module in modules:
            monkeypatch.setattr(module, "download", shop.download)
        return shop
