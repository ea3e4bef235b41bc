"""MNIST and the data sets made in its image: 28x28 grey pictures in IDX files."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import rushlight as rl

from ...core.errors import fail
from ...utils.download import Expected, download
from ...utils.errors import DataError, DownloadError, user_level
from .idx import read_idx
from .splits import stratified_split
from .vision import GreyPictures, Transform, search_roots

HELD_OUT = 1500
SEED = 0
PARTS = ("train", "t10k")


class SplitWarning(UserWarning):
    """The training files are missing, so the test pictures serve for both parts.

    >>> import tempfile
    >>> import warnings
    >>> from rushlight.vision import datasets
    >>> from rushlight.vision.datasets.fake import fake_files
    >>> size = 0, 0, 0, 1, 0, 0, 0, 28, 0, 0, 0, 28  # one picture
    >>> with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(record=True) as told:
    ...     warnings.simplefilter("always")
    ...     fake_files(folder, {
    ...         "MNIST/raw/t10k-images-idx3-ubyte": bytes([0, 0, 8, 3, *size]) + bytes(784),
    ...         "MNIST/raw/t10k-labels-idx1-ubyte": bytes([0, 0, 8, 1, 0, 0, 0, 1, 7]),
    ...     })
    ...     len(datasets.MNIST(folder)), told[0].category.__name__
    (1, 'SplitWarning')
    """


_told: set[Path] = set()


@dataclass(frozen=True)
class _Place:
    """A folder and which of the two parts it holds."""

    folder: Path
    train: bool
    test: bool


def find_idx(folder: Path, part: str, kind: str) -> Path | None:
    """The path of e.g. `t10k-images-idx3-ubyte`, packed or not, in `folder`; None if absent."""
    for end in (".gz", ""):
        path = folder / f"{part}-{kind}{end}"
        if path.is_file():
            return path
    return None


def _plain(name: str) -> str:
    """A folder's name without case and punctuation: Fashion-MNIST and fashion_mnist agree."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


class MNIST(GreyPictures):
    """60,000 + 10,000 grey 28x28 pictures of handwritten digits.

    Files are looked for in `$RUSHLIGHT_DATA`, `root` and the cache, each time in the folder
    itself, `MNIST/raw`, `MNIST` and `mnist`; packed with gzip or not. With `download=True`
    missing ones are fetched into `root` (default: the cache) and checked by SHA-256.
    Where only the test files are found, both parts come from them: 8,500 pictures to train and
    1,500 held out, class by class, with seed 0. A SplitWarning says so once, and `split_note`
    and the repr keep saying it.

    `data` is a uint8 tensor (N, 28, 28), `targets` an int64 tensor (N,). An item is a Pillow
    image, or a uint8 array (28, 28) where Pillow is not installed, and an int.
    Raises: RuntimeError "Dataset not found..." with the folders searched; DownloadError.
    Source: Y. LeCun, C. Cortes, C. Burges, http://yann.lecun.com/exdb/mnist/;
    https://docs.pytorch.org/vision/stable/generated/torchvision.datasets.MNIST.html

    >>> import tempfile
    >>> from rushlight.vision import datasets
    >>> from rushlight.vision.datasets.fake import fake_files
    >>> size = 0, 0, 0, 1, 0, 0, 0, 28, 0, 0, 0, 28  # one picture
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fake_files(folder, {
    ...         "MNIST/raw/{train,t10k}-images-idx3-ubyte": bytes([0, 0, 8, 3, *size]) + bytes(784),
    ...         "MNIST/raw/{train,t10k}-labels-idx1-ubyte": bytes([0, 0, 8, 1, 0, 0, 0, 1, 7]),
    ...     })
    ...     data = datasets.MNIST(folder)
    ...     data.data.shape, data.classes[data[0][1]]
    (torch.Size([1, 28, 28]), '7 - seven')
    """

    mirrors = [
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ]
    files = {
        "train-images-idx3-ubyte.gz": Expected(
            9912422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"
        ),
        "train-labels-idx1-ubyte.gz": Expected(
            28881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"
        ),
        "t10k-images-idx3-ubyte.gz": Expected(
            1648877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"
        ),
        "t10k-labels-idx1-ubyte.gz": Expected(
            4542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"
        ),
    }
    folder_names = ("MNIST", "mnist")

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
        self.split_note: str | None = None
        place = self._find(download)
        self.folder = place.folder
        whole = place.train if train else place.train and place.test
        images, targets = self._read("train" if train and place.train else "t10k")
        if not whole:
            images, targets = self._share(images, targets)
        self.data = rl.from_numpy(images)
        self.targets = rl.from_numpy(targets.astype(np.int64))

    @property
    def raw_folder(self) -> str:
        """Where `download` puts the files."""
        return str(self._home / type(self).__name__ / "raw")

    def extra_repr(self) -> str:
        note = f" ({self.split_note})" if self.split_note else ""
        return f"{super().extra_repr()}{note}"

    def download(self) -> None:
        """Fetch the four files into `raw_folder`; those already there and right are kept."""
        for name, expected in self.files.items():
            addresses = [mirror + name for mirror in self.mirrors]
            download(addresses, Path(self.raw_folder) / name, expected)

    def _find(self, may_download: bool) -> _Place:
        """The folder to read: whole sets first, then a download, then the test files alone."""
        places = list(self._places())
        for place in places:
            if place.train and place.test:
                return place
        halves = [place for place in places if (place.train and self.train) or place.test]
        given = os.environ.get("RUSHLIGHT_DATA")
        if halves and given and halves[0].folder.is_relative_to(Path(given).expanduser()):
            return halves[0]
        if may_download:
            try:
                self.download()
                return _Place(Path(self.raw_folder), True, True)
            except (DownloadError, OSError):
                if not halves:
                    raise
        if halves:
            return halves[0]
        raise fail(
            RuntimeError,
            "Dataset not found. You can use download=True to download it",
            *(f"no {type(self).__name__} files in {root}" for root in search_roots(self.root)),
            f"looked for {', '.join(self.files)} there and in {', '.join(self.folder_names)}",
        )

    def _places(self) -> Iterator[_Place]:
        kinds = ("images-idx3-ubyte", "labels-idx1-ubyte")
        for folder in self._folders():
            has = [all(find_idx(folder, part, kind) for kind in kinds) for part in PARTS]
            if any(has):
                yield _Place(folder, *has)

    def _folders(self) -> Iterator[Path]:
        for root in search_roots(self.root):
            if self._may_lie_in(root):
                yield root
            for name in self.folder_names:
                yield root / name / "raw"
                yield root / name

    def _may_lie_in(self, root: Path) -> bool:
        """Whether bare files in `root` are this set's: all sets name their files alike."""
        own = {_plain(name) for name in self.folder_names}
        others = {_plain(name) for kind in ALIKE for name in kind.folder_names}
        name = _plain(root.name if _plain(root.name) != "raw" else root.parent.name)
        given = self.root is not None and root == self._home
        return name in own or (name not in others and (given or type(self) is MNIST))

    def _read(self, part: str) -> tuple[np.ndarray, np.ndarray]:
        paths = [
            find_idx(self.folder, part, kind) for kind in ("images-idx3-ubyte", "labels-idx1-ubyte")
        ]
        assert paths[0] is not None and paths[1] is not None
        images, targets = read_idx(paths[0]), read_idx(paths[1])
        if images.ndim != 3 or targets.ndim != 1 or images.dtype != np.uint8:
            raise DataError(
                f"{paths[0]}: expected uint8 pictures (N, H, W) and labels (N,), "
                f"got {images.dtype} {images.shape} and {targets.shape}"
            )
        if len(images) != len(targets):
            raise DataError(f"{paths[0]}: {len(images)} pictures but {len(targets)} labels")
        if len(targets) and int(targets.max()) >= len(self.classes):
            raise DataError(
                f"{paths[1]}: label {targets.max()} at {targets.argmax()}; "
                f"{len(self.classes)} classes are 0..{len(self.classes) - 1}"
            )
        return images, targets

    def _share(self, images: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """This part's share of the test pictures, when they must serve for both."""
        held_out = HELD_OUT * len(targets) // 10_000
        part = stratified_split(targets, held_out, SEED)[0 if self.train else 1]
        what = "to train" if self.train else "held out"
        self.split_note = f"{len(part):,} {what} of the {len(targets):,} test images"
        if self.folder not in _told:
            _told.add(self.folder)
            warnings.warn(
                f"{type(self).__name__}: only the test files are in {self.folder}; "
                f"{len(targets) - held_out:,} of their {len(targets):,} images train and "
                f"{held_out:,} are held out (seed {SEED})",
                SplitWarning,
                stacklevel=user_level(),
            )
        return images[part], targets[part]


class FashionMNIST(MNIST):
    """60,000 + 10,000 grey 28x28 pictures of clothes; everything else as in MNIST.

    Source: H. Xiao, K. Rasul, R. Vollgraf, 2017, https://arxiv.org/abs/1708.07747 (MIT)

    >>> import tempfile
    >>> from rushlight.vision import datasets
    >>> from rushlight.vision.datasets.fake import fake_files
    >>> size = 0, 0, 0, 1, 0, 0, 0, 28, 0, 0, 0, 28  # one picture
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fake_files(folder, {
    ...         "FashionMNIST/raw/{train,t10k}-images-idx3-ubyte":
    ...             bytes([0, 0, 8, 3, *size]) + bytes(784),
    ...         "FashionMNIST/raw/{train,t10k}-labels-idx1-ubyte":
    ...             bytes([0, 0, 8, 1, 0, 0, 0, 1, 9]),
    ...     })
    ...     data = datasets.FashionMNIST(folder)
    ...     data.data.shape, data.classes[data[0][1]]
    (torch.Size([1, 28, 28]), 'Ankle boot')
    """

    mirrors = [
        "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    ]
    files = {
        "train-images-idx3-ubyte.gz": Expected(
            26421880, "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"
        ),
        "train-labels-idx1-ubyte.gz": Expected(
            29515, "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"
        ),
        "t10k-images-idx3-ubyte.gz": Expected(
            4422102, "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"
        ),
        "t10k-labels-idx1-ubyte.gz": Expected(
            5148, "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"
        ),
    }
    classes = [
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ]
    folder_names = ("FashionMNIST", "fashion-mnist", "fashion_mnist", "fashion")


class KMNIST(MNIST):
    """60,000 + 10,000 grey 28x28 pictures of cursive Japanese; everything else as in MNIST.

    Source: T. Clanuwat et al., 2018, https://arxiv.org/abs/1812.01718 (CC BY-SA 4.0)

    >>> import tempfile
    >>> from rushlight.vision import datasets
    >>> from rushlight.vision.datasets.fake import fake_files
    >>> size = 0, 0, 0, 1, 0, 0, 0, 28, 0, 0, 0, 28  # one picture
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fake_files(folder, {
    ...         "KMNIST/raw/{train,t10k}-images-idx3-ubyte":
    ...             bytes([0, 0, 8, 3, *size]) + bytes(784),
    ...         "KMNIST/raw/{train,t10k}-labels-idx1-ubyte": bytes([0, 0, 8, 1, 0, 0, 0, 1, 2]),
    ...     })
    ...     data = datasets.KMNIST(folder)
    ...     data.data.shape, data.classes[data[0][1]]
    (torch.Size([1, 28, 28]), 'su')
    """

    mirrors = [
        "https://codh.rois.ac.jp/kmnist/dataset/kmnist/",
        "http://codh.rois.ac.jp/kmnist/dataset/kmnist/",
    ]
    files = {
        "train-images-idx3-ubyte.gz": Expected(
            18165135, "51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4"
        ),
        "train-labels-idx1-ubyte.gz": Expected(
            29497, "e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17"
        ),
        "t10k-images-idx3-ubyte.gz": Expected(
            3041136, "edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5"
        ),
        "t10k-labels-idx1-ubyte.gz": Expected(
            5120, "20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c"
        ),
    }
    classes = ["o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"]
    folder_names = ("KMNIST", "kmnist")


ALIKE = (MNIST, FashionMNIST, KMNIST)
