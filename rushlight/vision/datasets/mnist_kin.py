"""EMNIST and QMNIST: letters and digits in IDX files, in parts of their own."""

from __future__ import annotations

import string
from pathlib import Path
from typing import Any

import numpy as np

import rushlight as rl

from ...utils.archive import extract, extract_single
from ...utils.download import Expected, download
from ...utils.errors import DataError
from ..io import as_image
from .archives import NOT_FOUND, Root, choose, find_home, need
from .idx import read_idx
from .vision import GreyPictures

# pairs of letters that look alike by hand are one class in the merged parts
MERGED = set("cijklmopsuvwxyz")


class _Parts(GreyPictures):
    """Grey pictures in two IDX files whose names say the part."""

    def _load(self, names: tuple[str, str], may_download: bool) -> tuple[np.ndarray, np.ndarray]:
        kind = type(self).__name__
        below = f"{kind}/raw", kind, ""
        self.folder = find_home(
            self.root, *names, below=below, has=lambda one: _either(one).exists()
        )
        paths = [self.folder / name for name in names]
        if may_download and not all(_either(path).exists() for path in paths):
            self.download()
        paths = [_either(path) for path in paths]
        need(paths, NOT_FOUND)
        images, labels = read_idx(paths[0]), read_idx(paths[1])
        if images.ndim != 3 or images.dtype != np.uint8 or len(images) != len(labels):
            raise DataError(
                f"{paths[0]}: expected uint8 pictures (N, H, W) and N labels, "
                f"got {images.dtype} {images.shape} and {labels.shape}"
            )
        return images, labels

    @property
    def raw_folder(self) -> str:
        """Where `download` puts the files."""
        return str(self._home / type(self).__name__ / "raw")

    def download(self) -> None:
        """Fetch this part's files into `raw_folder`."""
        raise NotImplementedError


def _either(path: Path) -> Path:
    """The path of a file, or where only its packed form is there that form's."""
    packed = path.with_name(path.name + ".gz")
    return packed if packed.is_file() and not path.is_file() else path


class EMNIST(_Parts):
    """Grey 28x28 pictures of handwritten letters and digits, in six parts.

    Arguments: `split` is "byclass" (62 classes, 814,255 pictures), "bymerge" (47), "balanced"
    (47, 131,600), "letters" (26, labels from 1), "digits" (10) or "mnist" (10). Pictures lie on
    their side, as stored. Files: `root/EMNIST/raw/emnist-{split}-{train,test}-...`.
    Raises: RuntimeError "Dataset not found..."; ValueError; DataError.
    Source: G. Cohen et al., https://arxiv.org/abs/1702.05373;
    https://docs.pytorch.org/vision/stable/generated/torchvision.datasets.EMNIST.html

    >>> import tempfile
    >>> from rushlight.vision import datasets
    >>> from rushlight.vision.datasets.fake import fake_files
    >>> size = 0, 0, 0, 1, 0, 0, 0, 28, 0, 0, 0, 28  # one picture
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fake_files(folder, {
    ...         "EMNIST/raw/emnist-letters-train-images-idx3-ubyte":
    ...             bytes([0, 0, 8, 3, *size]) + bytes(784),
    ...         "EMNIST/raw/emnist-letters-train-labels-idx1-ubyte":
    ...             bytes([0, 0, 8, 1, 0, 0, 0, 1, 26]),
    ...     })
    ...     data = datasets.EMNIST(folder, "letters")
    ...     data.data.shape, data.classes[data[0][1]]
    (torch.Size([1, 28, 28]), 'z')
    """

    url = "https://biometrics.nist.gov/cs_links/EMNIST/gzip.zip"
    md5 = "58c8d27c78d21e728a6bc7b3cc06412e"
    splits = ("byclass", "bymerge", "balanced", "letters", "digits", "mnist")
    _all = set(string.digits + string.ascii_letters)
    classes_split_dict = {
        "byclass": sorted(_all),
        "bymerge": sorted(_all - MERGED),
        "balanced": sorted(_all - MERGED),
        "letters": ["N/A", *string.ascii_lowercase],
        "digits": list(string.digits),
        "mnist": list(string.digits),
    }

    def __init__(
        self, root: Root, split: str, train: bool = True, transform: Any = None,
        target_transform: Any = None, download: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.split, self.train = choose(split, "split", self.splits), train
        self.classes = self.classes_split_dict[split]
        start = f"emnist-{split}-{'train' if train else 'test'}"
        names = f"{start}-images-idx3-ubyte", f"{start}-labels-idx1-ubyte"
        images, labels = self._load(names, download)
        self.data = rl.from_numpy(images)
        self.targets = rl.from_numpy(labels.astype(np.int64))

    def download(self) -> None:
        """Fetch and unpack all six parts (560 MB) into `raw_folder`."""
        raw = Path(self.raw_folder)
        path = download(self.url, raw / "gzip.zip", Expected(md5=self.md5))
        extract(path, raw)
        for packed in (raw / "gzip").glob("*.gz"):
            packed.replace(raw / packed.name)


class QMNIST(_Parts):
    """MNIST made again from NIST's pictures, with 60,000 to test and what is known of each.

    Arguments: `what` is "train", "test", "test10k" (MNIST's own), "test50k" (the others) or
    "nist" (all); without it `train` chooses. With `compat=False` the target is all that is known
    of a digit: (8,) int64.
    Raises: RuntimeError "Dataset not found..."; ValueError; DataError.
    Source: C. Yadav, L. Bottou, https://arxiv.org/abs/1905.10498;
    https://docs.pytorch.org/vision/stable/generated/torchvision.datasets.QMNIST.html

    >>> import tempfile
    >>> from rushlight.vision import datasets
    >>> from rushlight.vision.datasets.fake import fake_files
    >>> size = 0, 0, 0, 1, 0, 0, 0, 28, 0, 0, 0, 28  # one picture
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fake_files(folder, {
    ...         "QMNIST/raw/qmnist-train-images-idx3-ubyte":
    ...             bytes([0, 0, 8, 3, *size]) + bytes(784),
    ...         "QMNIST/raw/qmnist-train-labels-idx2-int":
    ...             bytes([0, 0, 12, 2, *size[:4], 0, 0, 0, 8, *[0, 0, 0, 5] * 8]),
    ...     })
    ...     data = datasets.QMNIST(folder)
    ...     data.data.shape, data[0][1]
    (torch.Size([1, 28, 28]), 5)
    """

    address = "https://raw.githubusercontent.com/facebookresearch/qmnist/master/"
    subsets = {"train": "train", "test": "test", "test10k": "test", "test50k": "test",
               "nist": "nist"}  # fmt: skip
    resources = {
        "train": (
            ("qmnist-train-images-idx3-ubyte.gz", "ed72d4157d28c017586c42bc6afe6370"),
            ("qmnist-train-labels-idx2-int.gz", "0058f8dd561b90ffdd0f734c6a30e5e4"),
        ),
        "test": (
            ("qmnist-test-images-idx3-ubyte.gz", "1394631089c404de565df7b7aeaf9412"),
            ("qmnist-test-labels-idx2-int.gz", "5b5b05890a5e13444e108efe57b788aa"),
        ),
        "nist": (
            ("xnist-images-idx3-ubyte.xz", "7f124b3b8ab81486c9d8c2749c17f834"),
            ("xnist-labels-idx2-int.xz", "5ed0e788978e45d4a8bd4b7caec3d79d"),
        ),
    }
    _taken = {"test10k": slice(10_000), "test50k": slice(10_000, None)}

    def __init__(
        self, root: Root, what: str | None = None, compat: bool = True, train: bool = True,
        transform: Any = None, target_transform: Any = None, download: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(root, transform=transform, target_transform=target_transform)
        what = ("train" if train else "test") if what is None else what
        self.what, self.train, self.compat = (
            choose(what, "what", tuple(self.subsets)),
            train,
            compat,
        )
        names = [name[:-3] for name, _ in self.resources[self.subsets[what]]]
        images, labels = self._load((names[0], names[1]), download)
        if labels.ndim != 2:
            raise DataError(f"{self.folder / names[1]}: labels of two dimensions expected")
        taken = self._taken.get(what, slice(None))
        self.data = rl.from_numpy(images[taken].copy())
        self.targets = rl.from_numpy(labels[taken].astype(np.int64))

    def download(self) -> None:
        """Fetch this part's two files into `raw_folder`."""
        for name, md5 in self.resources[self.subsets[self.what]]:
            path = Path(self.raw_folder) / name
            download(self.address + name, path, Expected(md5=md5))
            if path.suffix == ".xz":
                extract_single(path)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        target = self.targets[index]
        image = as_image(self.data[index].numpy())
        return self._transformed(image, int(target[0]) if self.compat else target)

    def extra_repr(self) -> str:
        return f"Split: {self.what}"
