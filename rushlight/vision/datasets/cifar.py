"""CIFAR-10 and CIFAR-100: 60,000 colour pictures of 32x32."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from ...utils.archive import extract
from ...utils.download import Expected, download
from ...utils.errors import DataError
from ..io import as_image
from .archives import NOT_WHOLE, find_home, need
from .pickled import read_pickled
from .vision import Transform, VisionDataset

PIXELS = 3 * 32 * 32


class CIFAR10(VisionDataset):
    """50,000 + 10,000 colour 32x32 pictures of 10 classes.

    Looked for in `$RUSHLIGHT_DATA`, `root` and the cache, in the folder `cifar-10-batches-py`
    (the Python version, read as data: its pickles run nothing) or `cifar-10-batches-bin` (the
    binary version); `download=True` fetches the Python version into `root` (default: the
    cache), checked by SHA-256.
    As in torchvision `data` is a uint8 NumPy array (N, 32, 32, 3) and `targets` a list of int.
    Raises: RuntimeError "Dataset not found or corrupted..."; DataError; DownloadError.
    Source: A. Krizhevsky, 2009, https://www.cs.toronto.edu/~kriz/cifar.html

    >>> import tempfile
    >>> from rushlight.vision import datasets
    >>> from rushlight.vision.datasets.fake import fake_files
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fake_files(folder, {
    ...         "cifar-10-batches-bin/test_batch.bin": bytes([2]) + bytes(3 * 32 * 32),
    ...         "cifar-10-batches-bin/batches.meta.txt": "airplane automobile bird",
    ...     })
    ...     data = datasets.CIFAR10(folder, train=False)
    ...     data[0][0].size, data.classes[data[0][1]]
    ((32, 32), 'bird')
    """

    base_folder = "cifar-10-batches-py"
    binary_folder = "cifar-10-batches-bin"
    filename = "cifar-10-python.tar.gz"
    mirrors = ["https://www.cs.toronto.edu/~kriz/"]
    expected = Expected(
        170498071, "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce"
    )
    train_list = [f"data_batch_{number}" for number in range(1, 6)]
    test_list = ["test_batch"]
    meta = ("batches.meta", "label_names", "batches.meta.txt")
    labels_key = "labels"
    labels_in_record = 1

    def __init__(
        self,
        root: str | os.PathLike[str] | None = None,
        train: bool = True,
        transform: Transform | None = None,
        target_transform: Transform | None = None,
        download: bool = False,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.train = train
        self.folder = self._find(download)
        parts = [self._read(name) for name in (self.train_list if train else self.test_list)]
        pictures = np.concatenate([images for images, _ in parts])
        self.data = np.ascontiguousarray(pictures.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
        self.targets = [label for _, labels in parts for label in labels]
        self.classes = self._read_classes()
        self.class_to_idx = {name: index for index, name in enumerate(self.classes)}
        if self.targets and not 0 <= min(self.targets) <= max(self.targets) < len(self.classes):
            raise DataError(f"{self.folder}: labels beyond the {len(self.classes)} classes")

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        return self._transformed(as_image(self.data[index]), self.targets[index])

    def __len__(self) -> int:
        return len(self.data)

    def extra_repr(self) -> str:
        return f"Split: {'Train' if self.train else 'Test'}"

    def download(self) -> None:
        """Fetch and unpack the archive below `root` (default: the cache)."""
        root = self._home
        addresses = [mirror + self.filename for mirror in self.mirrors]
        extract(download(addresses, root / self.filename, self.expected), root)

    def _find(self, may_download: bool) -> Path:
        kind = type(self).__name__
        starts = "", f"{kind}/", f"{kind.lower()}/"
        forms = self.base_folder, self.binary_folder
        below = [f"{start}{form}" for form in forms for start in starts]
        folder = find_home(
            self.root, *self._names(), below=below, has=lambda one: self._file(one).is_file()
        )
        paths = [self._file(folder / name) for name in self._names()]
        need(paths, NOT_WHOLE, self.download if may_download else None)
        return folder

    def _names(self) -> list[str]:
        return self.train_list if self.train else self.test_list

    def _file(self, path: Path) -> Path:
        """A file's path with the end that it has in this folder's form."""
        return path.with_suffix(".bin") if path.parent.name == self.binary_folder else path

    def _read(self, name: str) -> tuple[np.ndarray, list[int]]:
        path = self._file(self.folder / name)
        if self.folder.name == self.binary_folder:
            return self._read_binary(path)
        found = read_pickled(path)
        images, labels = found.get("data"), found.get(self.labels_key)
        if not isinstance(images, np.ndarray) or not isinstance(labels, list):
            raise DataError(f"{path}: no 'data' array and {self.labels_key!r} list inside")
        if images.dtype != np.uint8 or images.shape != (len(labels), PIXELS):
            raise DataError(
                f"{path}: expected uint8 ({len(labels)}, {PIXELS}), "
                f"got {images.dtype} {images.shape}"
            )
        if not all(type(label) is int for label in labels):
            raise DataError(f"{path}: labels that are not integers")
        return images, labels

    def _read_binary(self, path: Path) -> tuple[np.ndarray, list[int]]:
        """Records of one byte per label (the last is ours), then the picture's planes."""
        content = np.fromfile(path, np.uint8)
        record = self.labels_in_record + PIXELS
        if len(content) % record:
            raise DataError(f"{path}: {len(content)} bytes are not whole records of {record}")
        records = content.reshape(-1, record)
        return records[:, -PIXELS:], records[:, self.labels_in_record - 1].tolist()

    def _read_classes(self) -> list[str]:
        pickled, key, text = self.meta
        if self.folder.name == self.binary_folder:
            return (self.folder / text).read_text("utf-8").split()
        names = read_pickled(self.folder / pickled).get(key)
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise DataError(f"{self.folder / pickled}: no list of {key!r} inside")
        return names


class CIFAR100(CIFAR10):
    """50,000 + 10,000 colour 32x32 pictures of 100 classes; everything else as in CIFAR10.

    Source: A. Krizhevsky, 2009, https://www.cs.toronto.edu/~kriz/cifar.html

    >>> import tempfile
    >>> from rushlight.vision import datasets
    >>> from rushlight.vision.datasets.fake import fake_files
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fake_files(folder, {
    ...         "cifar-100-binary/test.bin": bytes([0, 1]) + bytes(3 * 32 * 32),  # two labels
    ...         "cifar-100-binary/fine_label_names.txt": "apple aquarium_fish",
    ...     })
    ...     data = datasets.CIFAR100(folder, train=False)
    ...     data[0][0].size, data.classes[data[0][1]]
    ((32, 32), 'aquarium_fish')
    """

    base_folder = "cifar-100-python"
    binary_folder = "cifar-100-binary"
    filename = "cifar-100-python.tar.gz"
    expected = Expected(
        169001437, "85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7"
    )
    train_list = ["train"]
    test_list = ["test"]
    meta = ("meta", "fine_label_names", "fine_label_names.txt")
    labels_key = "fine_labels"
    labels_in_record = 2
