"""Pictures in one folder per class."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...core.errors import fail
from ..io import load_pillow
from .vision import Transform, VisionDataset

IMG_EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")

Test = Callable[[str], bool]
Sample = tuple[str, int]


def has_file_allowed_extension(filename: str, extensions: str | tuple[str, ...]) -> bool:
    """True when the name ends in one of `extensions`, whatever its case.

    >>> from rushlight.vision.datasets.folder import has_file_allowed_extension
    >>> has_file_allowed_extension("cat.PNG", (".png",))
    True
    """
    return filename.lower().endswith(extensions)


def is_image_file(filename: str) -> bool:
    """True when the name ends as a picture's does.

    >>> from rushlight.vision.datasets.folder import is_image_file
    >>> is_image_file("cat.jpeg"), is_image_file("cat.txt")
    (True, False)
    """
    return has_file_allowed_extension(filename, IMG_EXTENSIONS)


def pil_loader(path: str) -> Any:
    """Open a picture as RGB, with errors that name the file.

    >>> import tempfile
    >>> from rushlight.vision import datasets
    >>> from rushlight.vision.datasets.fake import fake_files
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fake_files(folder, {"1.png": 0})
    ...     image = datasets.default_loader(f"{folder}/1.png")
    ...     image.mode, image.size
    ('RGB', (6, 4))
    """
    return load_pillow(path, "RGB")


default_loader = pil_loader


def find_classes(directory: str | os.PathLike[str]) -> tuple[list[str], dict[str, int]]:
    """Return the names of the folders in `directory`, sorted, and their numbers.

    Raises: FileNotFoundError when there is none.

    >>> import pathlib, tempfile
    >>> from rushlight.vision.datasets.folder import find_classes
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("dog", "cat"):
    ...         pathlib.Path(folder, name).mkdir()
    ...     find_classes(folder)
    (['cat', 'dog'], {'cat': 0, 'dog': 1})
    """
    classes = sorted(entry.name for entry in os.scandir(directory) if entry.is_dir())
    if not classes:
        raise FileNotFoundError(f"Couldn't find any class folder in {directory}.")
    return classes, {name: index for index, name in enumerate(classes)}


def make_dataset(
    directory: str | os.PathLike[str],
    class_to_idx: dict[str, int] | None = None,
    extensions: str | tuple[str, ...] | None = None,
    is_valid_file: Test | None = None,
    allow_empty: bool = False,
) -> list[Sample]:
    """List (path, class number) of every valid file below the class folders, in fixed order.

    Exactly one of `extensions` and `is_valid_file` says what is valid.
    Raises: ValueError; FileNotFoundError for a class without files unless `allow_empty`.

    >>> import tempfile
    >>> from rushlight.vision import datasets
    >>> from rushlight.vision.datasets.fake import fake_files
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fake_files(folder, {"{cat,dog}/1.png": 0})
    ...     samples = datasets.make_dataset(folder, extensions=(".png",))
    ...     [(path.removeprefix(folder), number) for path, number in samples]
    [('/cat/1.png', 0), ('/dog/1.png', 1)]
    """
    if class_to_idx is None:
        _, class_to_idx = find_classes(directory)
    elif not class_to_idx:
        raise ValueError("'class_to_index' must have at least one entry to collect any samples.")
    if (extensions is None) == (is_valid_file is None):
        raise ValueError(
            "Both extensions and is_valid_file cannot be None or not None at the same time"
        )
    test = is_valid_file or (lambda path: has_file_allowed_extension(path, extensions or ()))
    root = os.path.expanduser(directory)
    samples = [
        (path, number)
        for name, number in sorted(class_to_idx.items())
        for path in _files(os.path.join(root, name))
        if test(path)
    ]
    empty = set(class_to_idx.values()) - {number for _, number in samples}
    if empty and not allow_empty:
        raise _no_files(
            {name for name, number in class_to_idx.items() if number in empty}, extensions
        )
    return samples


def _files(folder: str) -> list[str]:
    """Every file below `folder`, links followed, sorted by folder and name."""
    return [
        os.path.join(parent, name)
        for parent, _, names in sorted(os.walk(folder, followlinks=True))
        for name in sorted(names)
    ]


def _no_files(names: set[str], extensions: str | tuple[str, ...] | None) -> BaseException:
    text = f"Found no valid file for the classes {', '.join(sorted(names))}. "
    if extensions is not None:
        ends = extensions if isinstance(extensions, str) else ", ".join(extensions)
        text += f"Supported extensions are: {ends}"
    return fail(FileNotFoundError, text, "allow_empty=True leaves such classes out")


class DatasetFolder(VisionDataset):
    """Files of any kind in `root/class/...`, read by `loader`.

    `classes`, `class_to_idx`, `samples` [(path, class number)] and `targets` are torchvision's.
    Raises: FileNotFoundError when there are no classes, or classes without files.
    Source: https://docs.pytorch.org/vision/stable/generated/torchvision.datasets.DatasetFolder.html

    >>> import pathlib, tempfile
    >>> from rushlight.vision import datasets
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     pathlib.Path(folder, "poems").mkdir()
    ...     _ = pathlib.Path(folder, "poems", "a.txt").write_text("Spring")
    ...     read = lambda path: pathlib.Path(path).read_text()
    ...     datasets.DatasetFolder(folder, read, (".txt",))[0]
    ('Spring', 0)
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        loader: Callable[[str], Any],
        extensions: tuple[str, ...] | None = None,
        transform: Transform | None = None,
        target_transform: Transform | None = None,
        is_valid_file: Test | None = None,
        allow_empty: bool = False,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.classes, self.class_to_idx = self.find_classes(Path(root).expanduser())
        self.loader = loader
        self.extensions = extensions
        self.samples = self.make_dataset(
            Path(root).expanduser(), self.class_to_idx, extensions, is_valid_file, allow_empty
        )
        self.targets = [number for _, number in self.samples]

    @staticmethod
    def make_dataset(
        directory: str | os.PathLike[str],
        class_to_idx: dict[str, int],
        extensions: tuple[str, ...] | None = None,
        is_valid_file: Test | None = None,
        allow_empty: bool = False,
    ) -> list[Sample]:
        """List the samples; may be overridden."""
        return make_dataset(directory, class_to_idx, extensions, is_valid_file, allow_empty)

    def find_classes(self, directory: str | os.PathLike[str]) -> tuple[list[str], dict[str, int]]:
        """Find the classes; may be overridden."""
        return find_classes(directory)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        path, target = self.samples[index]
        return self._transformed(self.loader(path), target)

    def __len__(self) -> int:
        return len(self.samples)


class ImageFolder(DatasetFolder):
    """Pictures in `root/class/...`, opened as RGB (needs Pillow).

    Raises: FileNotFoundError as DatasetFolder; on reading, DataError with the picture's path.
    Source: https://docs.pytorch.org/vision/stable/generated/torchvision.datasets.ImageFolder.html

    >>> import rushlight as torch
    >>> import pathlib, tempfile
    >>> from rushlight.vision import datasets, io
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     pathlib.Path(folder, "cat").mkdir()
    ...     io.write_png(torch.zeros(3, 4, 5, dtype=torch.uint8), f"{folder}/cat/1.png")
    ...     data = datasets.ImageFolder(folder)
    ...     data.classes, data[0][0].size, data[0][1]
    (['cat'], (5, 4), 0)
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        transform: Transform | None = None,
        target_transform: Transform | None = None,
        loader: Callable[[str], Any] = default_loader,
        is_valid_file: Test | None = None,
        allow_empty: bool = False,
    ) -> None:
        extensions = IMG_EXTENSIONS if is_valid_file is None else None
        super().__init__(
            root, loader, extensions, transform, target_transform, is_valid_file, allow_empty
        )
        self.imgs = self.samples
