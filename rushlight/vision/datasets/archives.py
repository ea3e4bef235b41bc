"""What data sets that come as archives share: choosing a part, fetching and listing it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from ...core.errors import fail
from ...utils.archive import extract
from ...utils.download import Expected, download
from .folder import default_loader
from .vision import Transform, VisionDataset, search_roots

NOT_FOUND = "Dataset not found. You can use download=True to download it"
NOT_WHOLE = "Dataset not found or corrupted. You can use download=True to download it"
PACKED = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".zip")

Root = str | os.PathLike[str]
Loader = Callable[[Any], Any]


@dataclass(frozen=True)
class Archive:
    """A file to fetch; one that is packed is unpacked beside itself."""

    url: str
    md5: str | None = None
    name: str = ""

    def fetch(self, folder: Path) -> Path:
        """Put the file into `folder`, checked by its digest, and unpack it there.

        Raises: DownloadError, ArchiveError (both RuntimeErrors).
        """
        name = self.name or PurePosixPath(self.url).name
        path = download(self.url, folder / name, Expected(md5=self.md5))
        if name.endswith(PACKED):
            extract(path, folder)
        return path


def fetch_from_drive(key: str, path: Path, md5: str | None) -> None:
    """Fetch a file that only Google Drive has, through gdown.

    Raises: RuntimeError where gdown is not installed, or the file is not the expected one.
    """
    expected = Expected(md5=md5)
    if path.exists() and expected.mismatch(path) is None:
        return
    try:
        import gdown  # pyright: ignore[reportMissingImports]  # an extra
    except ImportError as error:
        raise fail(
            RuntimeError,
            "To download files from GDrive, 'gdown' is required. You can install it with "
            "'pip install gdown'.",
            f"or put https://drive.google.com/uc?id={key} at {path} yourself",
        ) from error
    path.parent.mkdir(parents=True, exist_ok=True)
    gdown.download(id=key, output=str(path), quiet=False)
    if not path.exists() or expected.mismatch(path) is not None:
        raise fail(RuntimeError, "File not found or corrupted.", f"{path}")


def choose(value: str, name: str, choices: Sequence[str]) -> str:
    """Return `value`, the argument `name`, if it is one of `choices`.

    Raises: ValueError as torchvision's.
    >>> choose("train", "split", ("train", "test"))
    'train'
    """
    if not isinstance(value, str):
        raise ValueError(f"Expected type str for argument {name}, but got type {type(value)}.")
    if value not in choices:
        known = "'" + "', '".join(map(str, choices)) + "'"
        raise ValueError(
            f"Unknown value '{value}' for argument {name}. Valid values are {{{known}}}."
        )
    return value


def need(found: Iterable[Path], text: str = NOT_FOUND) -> None:
    """Raise RuntimeError `text` with the paths that are missing, if any is."""
    missing = [path for path in found if not path.exists()]
    if missing:
        raise fail(RuntimeError, text, *(f"{path} is missing" for path in missing))


def read_lines(path: Path) -> list[str]:
    """The lines of a text file that hold something, without their ends."""
    return [line.strip() for line in path.read_text("utf-8").splitlines() if line.strip()]


class ListedPictures(VisionDataset):
    """Pictures in files, each with a label: what most sets here are once they are listed.

    A subclass says in `_archives` what is fetched into `_base_folder`, in `_needed` what must be
    there then, and in `_list` yields (path, label) pairs.
    """

    _image_files: list[Any]
    _labels: list[Any]
    _missing = NOT_FOUND

    def __init__(
        self,
        root: Root,
        base: str,
        download: bool,
        transform: Transform | None,
        target_transform: Transform | None,
        loader: Loader = default_loader,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.loader = loader
        for home in (*search_roots(root), self._home):
            self._base_folder = home / base
            if all(path.exists() for path in self._needed()):
                break
        if download:
            self.download()
        need(self._needed(), self._missing)
        pairs = list(self._list())
        self._image_files = [path for path, _ in pairs]
        self._labels = [label for _, label in pairs]

    @property
    def _samples(self) -> list[tuple[Any, Any]]:
        """The pictures' paths with their labels."""
        return list(zip(self._image_files, self._labels, strict=True))

    def _archives(self) -> Iterable[Archive]:
        raise NotImplementedError

    def _needed(self) -> Iterable[Path]:
        """The paths without which there is no data set."""
        return (self._base_folder,)

    def _list(self) -> Iterable[tuple[Any, Any]]:
        raise NotImplementedError

    def _name_classes(self, names: Sequence[Any]) -> dict[Any, int]:
        """Set `classes` and `class_to_idx`, and return the latter."""
        self.classes = list(names)
        self.class_to_idx = {name: number for number, name in enumerate(self.classes)}
        return self.class_to_idx

    def download(self) -> None:
        """Fetch and unpack what is missing below `root`, checked by its digests."""
        if not all(path.exists() for path in self._needed()):
            for archive in self._archives():
                archive.fetch(self._base_folder)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        return self._transformed(self.loader(self._image_files[index]), self._labels[index])

    def __len__(self) -> int:
        return len(self._image_files)


class SplitPictures(ListedPictures):
    """Listed pictures of which the argument `split` takes a part."""

    _splits: Sequence[str] = ("train", "test")
    _folder = ""

    def __init__(
        self,
        root: Root,
        split: str = "train",
        transform: Transform | None = None,
        target_transform: Transform | None = None,
        download: bool = False,
        loader: Loader = default_loader,
    ) -> None:
        self._split = choose(split, "split", self._splits)
        super().__init__(root, self._folder, download, transform, target_transform, loader)

    def extra_repr(self) -> str:
        return f"split={self._split}"
