"""The pictures a command trains on: by name, or from a folder of the user's."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import rushlight as rl
from rushlight.nn import functional as F

from ..core.names import nearest
from ..vision.datasets import MNIST, Digits, FashionMNIST, ImageFolder, SplitWarning
from ..vision.datasets.idx import read_idx
from ..vision.datasets.mnist import SEED as SPLIT_SEED
from ..vision.datasets.mnist import find_idx
from ..vision.datasets.splits import stratified_split
from ..vision.io import has_pillow, load_pillow
from .terminal import Complaint

NAMED = {"digits": Digits, "mnist": MNIST, "fashion-mnist": FashionMNIST}
HELD_OUT_NAMES = ("test", "val", "valid", "validation")
HELD_OUT_SHARE = 0.2
SEED = 0


@dataclass
class Part:
    """Pictures (N, C, H, W) in float32, and their labels (N,) in int64.

    With `size` the pictures are kept as they came, and each batch is made that large on its way
    into the network: 10,000 enlarged pictures would not fit where 10,000 small ones do.
    """

    images: rl.Tensor
    labels: rl.Tensor
    size: int | None = None

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of a picture as the network sees it."""
        _, channels, height, width = self.images.shape
        return (channels, height, width) if self.size is None else (channels, self.size, self.size)

    def fitted(self, images: rl.Tensor) -> rl.Tensor:
        """Some of the part's pictures in the size that the network sees (bilinear)."""
        if self.shape == images.shape[1:]:
            return images
        smaller = self.shape[1] < images.shape[2] or self.shape[2] < images.shape[3]
        return F.interpolate(images, self.shape[1:], mode="bilinear", antialias=smaller)


@dataclass
class Data:
    """A training part, a held-out part, and what the labels mean."""

    name: str
    train: Part
    held_out: Part
    classes: list[str]
    note: str | None = None
    scale: dict[str, float] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of a picture."""
        return self.train.shape


def short_name(name: str) -> str:
    """The data set's name, or the last part of a folder's path."""
    return name if name in NAMED else Path(name).resolve().name


def check_name(name: str) -> str:
    """The name or folder as given; refuses what is neither."""
    if name in NAMED or os.path.isdir(name):
        return name
    near = nearest(name, NAMED, 1)
    hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(NAMED)}"
    raise Complaint(f"--data {name}: neither a data set nor a folder; {hint}", code=2)


def load(
    name: str,
    size: int | None = None,
    scale: dict[str, float] | None = None,
    resize: int | None = None,
) -> Data:
    """Read both parts of a data set and bring the training pixels to mean 0 and deviation 1.

    `size` makes pictures of a folder square as they are read; `resize` makes the pictures of any
    data set so, batch by batch; `scale` is the {"mean", "std"} of an earlier run.
    Raises: Complaint, DataError, DownloadError, OSError.
    """
    check_name(name)
    data = _load_named(name) if name in NAMED else _load_folder(Path(name), size)
    if scale is None:
        mean = data.train.images.mean().item()
        std = (data.train.images - mean).square().mean().sqrt().item()
        scale = {"mean": mean, "std": std or 1.0}
    for part in (data.train, data.held_out):
        part.images.sub_(scale["mean"]).div_(scale["std"])
        part.size = resize
    data.scale = scale
    return data


def _part(images: Any, labels: Any) -> Part:
    """From uint8 pictures (N, H, W) or (N, H, W, C) and labels, as arrays or tensors."""
    images, labels = rl.as_tensor(images), rl.as_tensor(labels)
    pixels = images.unsqueeze(1) if images.dim() == 3 else images.permute(0, 3, 1, 2)
    return Part(pixels.contiguous().float().div_(255), labels.long())


def _load_named(name: str) -> Data:
    kind: Any = NAMED[name]
    with warnings.catch_warnings():
        # The split is told as a note of the run, not as a warning from inside.
        warnings.simplefilter("ignore", SplitWarning)
        train = kind(train=True, download=True)
        test = kind(train=False, download=True)
    note = None
    if getattr(train, "split_note", None):
        count = len(train) + len(test)
        note = (
            f"only the test files were found, in {train.folder}: {len(train):,} of their "
            f"{count:,} images train, {len(test):,} are held out (seed {SPLIT_SEED})"
        )
    parts = [_part(part.data, part.targets) for part in (train, test)]
    return Data(name, *parts, classes=list(kind.classes), note=note)


def _load_folder(folder: Path, size: int | None) -> Data:
    if find_idx(folder, "train", "images-idx3-ubyte") or find_idx(
        folder, "t10k", "images-idx3-ubyte"
    ):
        return _load_idx(folder)
    return _load_pictures(folder, size)


def _load_idx(folder: Path) -> Data:
    """MNIST-format files; where one part is missing the other serves for both."""
    parts = []
    for part in ("train", "t10k"):
        paths = [find_idx(folder, part, f"{kind}-ubyte") for kind in ("images-idx3", "labels-idx1")]
        if paths[0] and paths[1]:
            parts.append((read_idx(paths[0]), read_idx(paths[1])))
    if not parts:
        raise Complaint(f"{folder}: there are pictures without labels")
    note = None
    if len(parts) == 1:
        parts, note = _split(*parts[0])
    count = max(int(labels.max()) for _, labels in parts) + 1
    classes = [str(label) for label in range(count)]
    train, test = (_part(*part) for part in parts)
    return Data(folder.resolve().name, train, test, classes, note)


def _split(images: np.ndarray, labels: np.ndarray) -> tuple[list[Any], str]:
    """Hold out a share of each class, by a fixed seed."""
    held_out = max(1, round(len(labels) * HELD_OUT_SHARE))
    halves = stratified_split(labels, held_out, SEED)
    note = f"no separate held-out part: {held_out:,} of {len(labels):,} pictures set aside"
    return [(images[half], labels[half]) for half in halves], f"{note} (seed {SEED})"


def _load_pictures(folder: Path, size: int | None) -> Data:
    """Pictures in DIR/class/..., or DIR/train/class/... and DIR/test/class/..."""
    if not has_pillow():
        raise Complaint("pictures need Pillow: pip install 'rushlight[vision]'")
    train = folder / "train"
    tests = [folder / name for name in HELD_OUT_NAMES if (folder / name).is_dir()]
    try:
        found = ImageFolder(train if train.is_dir() and tests else folder)
    except FileNotFoundError as error:
        raise Complaint(f"{folder}: {error}") from error
    images, labels = _read_all(found, size, None)
    note = None
    if train.is_dir() and tests:
        test = ImageFolder(tests[0])
        if test.classes != found.classes:
            raise Complaint(f"{train} and {tests[0]} have different classes")
        parts = [(images, labels), _read_all(test, size, images)]
    else:
        parts, note = _split(images, labels)
    first, second = (_part(*part) for part in parts)
    return Data(folder.resolve().name, first, second, found.classes, note)


def _read_all(
    found: ImageFolder, size: int | None, like: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """All pictures of a folder as one array; sizes and channels are those of the first."""
    first = found.samples[0][0]
    if like is None:
        mode = "L" if load_pillow(first).mode in ("1", "L", "LA", "I;16") else "RGB"
    else:
        mode = "L" if like.ndim == 3 else "RGB"
    images: list[np.ndarray] = []
    wanted = None if like is None else like.shape[1:3]
    for path, _ in found.samples:
        image = load_pillow(path, mode)
        array = np.asarray(image if size is None else image.resize((size, size)))
        wanted = wanted or array.shape[:2]
        if array.shape[:2] != wanted:
            raise Complaint(
                f"{path} is {array.shape[1]}x{array.shape[0]}, {first} {wanted[1]}x{wanted[0]}: "
                "pictures must be of one size; --image-size N makes them so"
            )
        images.append(array)
    return np.stack(images), np.array([label for _, label in found.samples], np.int64)
