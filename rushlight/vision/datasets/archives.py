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
from .vision import Transform, VisionDataset, default_root, search_roots

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


def find_home(
    root: Root | None,
    *names: str,
    below: Sequence[str] = ("",),
    has: Callable[[Path], bool] = Path.exists,
) -> Path:
    """The first folder that has all of `names`, else the data set's own.

    Looked through are the folders `below` of `$RUSHLIGHT_DATA`, `root` and the cache; the data
    set's own is the first of `below`, in `root` or without one in the cache. `has` says whether
    what a name stands for is there.

    >>> find_home("no-such-root", "no-such-file", below=["food"]).as_posix()
    'no-such-root/food'
    """
    for home in search_roots(root):
        for part in below:
            if all(has(home / part / name) for name in names):
                return home / part
    return (default_root() if root is None else Path(root).expanduser()) / below[0]


def need(
    found: Sequence[Path], text: str = NOT_FOUND, fetch: Callable[[], object] | None = None
) -> None:
    """Raise RuntimeError `text` with the paths that are missing, if any is and `fetch` is no help.

    Without `fetch` nothing may be fetched.
    """
    if fetch is not None and not all(path.exists() for path in found):
        fetch()
    missing = [path for path in found if not path.exists()]
    if missing:
        raise fail(RuntimeError, text, *(f"{path} is missing" for path in missing))


def choose_several(value: str | Sequence[str], name: str, choices: Sequence[str]) -> list[str]:
    """One value or several of the argument `name`, all of `choices`, as a list.

    Raises: ValueError as `choose`.
    """
    return [choose(one, name, choices) for one in ([value] if isinstance(value, str) else value)]


def joined(targets: Sequence[Any]) -> Any:
    """Several targets as a tuple, one as itself, none as None.

    >>> joined([1, 2]), joined([1]), joined([])
    ((1, 2), 1, None)
    """
    return tuple(targets) if len(targets) > 1 else targets[0] if targets else None


def read_lines(path: Path) -> list[str]:
    """The lines of a text file that hold something, without their ends."""
    return [line.strip() for line in path.read_text("utf-8").splitlines() if line.strip()]


class ListedPictures(VisionDataset):
    """Pictures in files, each with a label: what most sets here are once they are listed.

    A subclass says in `_folder` where below a root it lies (`_base_folder` is that), in
    `_archives` what is fetched into it, in `_names` what must be there then, and in `_list`
    yields (path, label) pairs.
    """

    _image_files: list[Any]
    _labels: list[Any]
    _missing = NOT_FOUND
    _folder = ""

    def __init__(
        self,
        root: Root,
        transform: Transform | None = None,
        target_transform: Transform | None = None,
        download: bool = False,
        loader: Loader = default_loader,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.loader = loader
        self._base_folder = find_home(root, *self._names(), below=[self._folder])
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

    def _names(self) -> Sequence[str]:
        """What there must be in `_base_folder`."""
        raise NotImplementedError

    def _needed(self) -> list[Path]:
        """The paths of `_names`."""
        return [self._base_folder / name for name in self._names()]

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
        super().__init__(root, transform, target_transform, download, loader)

    def extra_repr(self) -> str:
        return f"split={self._split}"
