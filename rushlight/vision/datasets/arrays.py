"""Data sets whose pictures lie in one array: binary files, tables, MATLAB's and NumPy's files."""

from __future__ import annotations

import bz2
import csv
from pathlib import Path
from typing import Any

import numpy as np

import rushlight as rl

from ...core.errors import fail
from ...utils.download import Expected, download
from ...utils.errors import DataError
from ..io import as_image
from .archives import NOT_FOUND, NOT_WHOLE, Archive, Root, choose, find_home, need, read_lines
from .matlab import read_matlab
from .vision import Transform, VisionDataset


class ArrayPictures(VisionDataset):
    """Pictures in the array `data`, (N, H, W) or (N, 3, H, W), labels in `labels`."""

    data: np.ndarray
    labels: Any

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        return self._transformed(as_image(self._picture(index)), int(self.labels[index]))

    def _picture(self, index: int) -> np.ndarray:
        picture = self.data[index]
        return picture if picture.ndim == 2 else np.ascontiguousarray(picture.transpose(1, 2, 0))

    def __len__(self) -> int:
        return len(self.data)

    def _find(self, *names: str) -> list[Path]:
        """The files' paths, together where they are or are to be."""
        home = find_home(self.root, *names)
        return [home / name for name in names]


class STL10(ArrayPictures):
    """96x96 colour pictures of 10 classes: 5,000 to train, 8,000 to test, 100,000 unlabelled.

    Arguments: `split` is "train", "train+unlabeled", "unlabeled" (labels -1) or "test"; `folds`,
    0 to 9, takes one of ten thousands of the training part.
    Files: `root/stl10_binary/*.bin`. `data` is uint8 (N, 3, 96, 96).
    Raises: RuntimeError "Dataset not found or corrupted..."; ValueError; DataError.
    Source: A. Coates, H. Lee, A. Ng, AISTATS 2011;
    https://docs.pytorch.org/vision/stable/generated/torchvision.datasets.STL10.html

    >>> import tempfile
    >>> from rushlight.vision import datasets
    >>> from rushlight.vision.datasets.fake import fake_files
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fake_files(folder, {
    ...         "stl10_binary/train_X.bin": bytes(3 * 96 * 96),
    ...         "stl10_binary/train_y.bin": bytes([2]),
    ...         "stl10_binary/class_names.txt": "airplane\\nbird\\n",
    ...     })
    ...     data = datasets.STL10(folder)
    ...     data[0][0].size, data.classes[data[0][1]]
    ((96, 96), 'bird')
    """

    base_folder = "stl10_binary"
    url = "http://ai.stanford.edu/~acoates/stl10/stl10_binary.tar.gz"
    tgz_md5 = "91f7769df0f17e558f3565bffb0c7dfb"
    splits = ("train", "train+unlabeled", "unlabeled", "test")

    def __init__(
        self,
        root: Root,
        split: str = "train",
        folds: int | None = None,
        transform: Transform | None = None,
        target_transform: Transform | None = None,
        download: bool = False,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.split = choose(split, "split", self.splits)
        self.folds = _checked_folds(folds)
        parts = {part: part for part in split.split("+")}
        names = [f"{part}_X.bin" for part in parts]
        names += [f"{part}_y.bin" for part in parts if part != "unlabeled"]
        paths = self._find(*(f"{self.base_folder}/{name}" for name in names))
        need(paths, NOT_WHOLE, self.download if download else None)
        self.folder = paths[0].parent
        loaded = [self._load(part) for part in parts]
        self.data = np.concatenate([pictures for pictures, _ in loaded])
        self.labels = np.concatenate([labels for _, labels in loaded])
        if (file := self.folder / "class_names.txt").is_file():
            self.classes = file.read_text("utf-8").splitlines()

    def download(self) -> None:
        """Fetch and unpack the archive (2.6 GB) below `root`."""
        Archive(self.url, self.tgz_md5).fetch(self._home)

    def _load(self, part: str) -> tuple[np.ndarray, np.ndarray]:
        path = self.folder / f"{part}_X.bin"
        pictures = np.fromfile(path, np.uint8)
        if len(pictures) % (3 * 96 * 96):
            raise DataError(f"{path}: {len(pictures)} bytes are not whole pictures of 3x96x96")
        pictures = pictures.reshape(-1, 3, 96, 96).transpose(0, 1, 3, 2)  # stored by columns
        if part == "unlabeled":
            return pictures, np.full(len(pictures), -1)
        labels = np.fromfile(self.folder / f"{part}_y.bin", np.uint8) - np.uint8(1)
        if len(labels) != len(pictures):
            raise DataError(f"{path}: {len(pictures)} pictures, {len(labels)} labels")
        if part == "train" and self.folds is not None:
            lines = read_lines(self.folder / "fold_indices.txt")
            chosen = np.array(lines[self.folds].split(), np.int64)
            return pictures[chosen], labels[chosen]
        return pictures, labels

    def extra_repr(self) -> str:
        return f"Split: {self.split}"


def _checked_folds(folds: Any) -> int | None:
    if folds is not None and not isinstance(folds, int):
        kind = type(folds)
        raise ValueError(f"Expected type None or int for argument folds, but got type {kind}.")
    if folds is not None and folds not in range(10):
        raise ValueError(
            f"Value for argument folds should be in the range [0, 10), but got {folds}."
        )
    return folds


class SVHN(ArrayPictures):
    """Street View house numbers, 32x32 in colour: 73,257 to train, 26,032 to test; needs SciPy.

    Arguments: `split` is "train", "test" or "extra" (531,131 easier ones).
    Files: `root/{split}_32x32.mat`. `data` is uint8 (N, 3, 32, 32); the digit 0 has label 0.
    Raises: RuntimeError "Dataset not found or corrupted..."; ValueError.
    Source: Y. Netzer et al., 2011;
    https://docs.pytorch.org/vision/stable/generated/torchvision.datasets.SVHN.html

    >>> import numpy as np
    >>> import tempfile
    >>> from scipy.io import savemat
    >>> from rushlight.vision import datasets
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     pictures = np.zeros((32, 32, 3, 1), np.uint8)
    ...     savemat(f"{folder}/train_32x32.mat", {"X": pictures, "y": [[7]]})
    ...     data = datasets.SVHN(folder)
    ...     data.data.shape, data[0][1]
    ((1, 3, 32, 32), 7)
    """

    split_list = {
        split: [f"http://ufldl.stanford.edu/housenumbers/{name}", name, md5]
        for split, name, md5 in (
            ("train", "train_32x32.mat", "e26dedcc434d2e4c54c9b2d4a06d8373"),
            ("test", "test_32x32.mat", "eb5a983be6a315427106f1b164d9cef3"),
            ("extra", "extra_32x32.mat", "a93ce644f1a588dc4d68dda5feec44a7"),
        )
    }

    def __init__(
        self,
        root: Root,
        split: str = "train",
        transform: Transform | None = None,
        target_transform: Transform | None = None,
        download: bool = False,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.split = choose(split, "split", tuple(self.split_list))
        self.url, self.filename, self.file_md5 = self.split_list[split]
        (path,) = self._find(self.filename)
        need([path], NOT_WHOLE, self.download if download else None)
        found = read_matlab(path, squeeze=False)
        self.data = found["X"].transpose(3, 2, 0, 1)
        self.labels = found["y"].astype(np.int64).reshape(-1) % 10  # MATLAB's ten is our nought

    def download(self) -> None:
        """Fetch this part's file into `root`."""
        Archive(self.url, self.file_md5).fetch(self._home)

    def extra_repr(self) -> str:
        return f"Split: {self.split}"


class USPS(ArrayPictures):
    """9,298 grey 16x16 digits from envelopes, 7,291 of them to train.

    Files: `root/usps.bz2` and `root/usps.t.bz2`. `data` is uint8 (N, 16, 16).
    Raises: FileNotFoundError where they are missing; DataError.
    Source: J. Hull, 1994;
    https://docs.pytorch.org/vision/stable/generated/torchvision.datasets.USPS.html

    >>> import bz2
    >>> import tempfile
    >>> from rushlight.vision import datasets
    >>> from rushlight.vision.datasets.fake import fake_files
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fake_files(folder, {
    ...         "usps.bz2":
    ...             bz2.compress(b"8 " + b" ".join(b"%d:-1" % k for k in range(1, 257)) + b"\\n"),
    ...     })
    ...     data = datasets.USPS(folder)
    ...     data[0][0].size, data[0][1]
    ((16, 16), 7)
    """

    files = {True: "ec16c51db3855ca6c91edd34d0e9b197", False: "8ea070ee2aca1ac39742fdd1ef5ed118"}
    url = "https://www.csie.ntu.edu.tw/~cjlin/libsvmtools/datasets/multiclass/"

    def __init__(
        self,
        root: Root,
        train: bool = True,
        transform: Transform | None = None,
        target_transform: Transform | None = None,
        download: bool = False,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        name = "usps.bz2" if train else "usps.t.bz2"
        (path,) = self._find(name)
        if download and not path.exists():
            Archive(self.url + name, self.files[bool(train)]).fetch(self._home)
        try:
            text = bz2.decompress(path.read_bytes()).decode()
            rows = [line.split() for line in text.splitlines()]
            values = [[value.split(":")[-1] for value in row[1:]] for row in rows]
            grey = np.array(values, np.float32).reshape(-1, 16, 16)
        except FileNotFoundError:
            raise
        except (ValueError, OSError, EOFError) as error:
            raise fail(DataError, f"{path}: rows that are not 256 numbers", str(error)) from error
        self.data = ((grey + 1) / 2 * 255).astype(np.uint8)
        self.targets = [int(row[0]) - 1 for row in rows]

    @property
    def labels(self) -> list[int]:
        """The digits."""
        return self.targets


class SEMEION(ArrayPictures):
    """1,593 black and white 16x16 digits by some eighty people.

    Files: `root/semeion.data`; `download=True` is the default here. `data` is uint8 (N, 16, 16).
    Raises: RuntimeError "Dataset not found or corrupted...".
    Source: M. Buscema, https://archive.ics.uci.edu/dataset/178/semeion+handwritten+digit;
    https://docs.pytorch.org/vision/stable/generated/torchvision.datasets.SEMEION.html

    >>> import tempfile
    >>> from rushlight.vision import datasets
    >>> from rushlight.vision.datasets.fake import fake_files
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fake_files(folder, {"semeion.data": "1.0000 " * 256 + "0 0 0 0 0 0 0 1 0 0 \\n"})
    ...     data = datasets.SEMEION(folder, download=False)
    ...     data[0][0].size, data[0][1]
    ((16, 16), 7)
    """

    url = "http://archive.ics.uci.edu/ml/machine-learning-databases/semeion/semeion.data"
    filename = "semeion.data"
    md5_checksum = "cb545d371d2ce14ec121470795a77432"

    def __init__(
        self,
        root: Root,
        transform: Transform | None = None,
        target_transform: Transform | None = None,
        download: bool = True,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        (path,) = self._find(self.filename)
        need([path], NOT_WHOLE, self.download if download else None)
        table = np.loadtxt(path, ndmin=2)
        self.data = (table[:, :256] * 255).astype(np.uint8).reshape(-1, 16, 16)
        self.labels = np.nonzero(table[:, 256:])[1]

    def download(self) -> None:
        """Fetch the file into `root`."""
        Archive(self.url, self.md5_checksum).fetch(self._home)


class MovingMNIST(VisionDataset):
    """10,000 films of two digits that move: 20 pictures of 64x64 each, (20, 1, 64, 64) uint8.

    Arguments: `split` "train" takes the first `split_ratio` pictures of each film, "test" the
    others, None all. An item is the film alone. Files: `root/MovingMNIST/mnist_test_seq.npy`.
    Raises: RuntimeError "Dataset not found..."; ValueError; TypeError.
    Source: N. Srivastava et al., https://arxiv.org/abs/1502.04681;
    https://docs.pytorch.org/vision/stable/generated/torchvision.datasets.MovingMNIST.html

    >>> import numpy as np
    >>> import tempfile
    >>> from rushlight.vision import datasets
    >>> from rushlight.vision.datasets.fake import fake_files
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fake_files(folder, {
    ...         "MovingMNIST/mnist_test_seq.npy": np.zeros((20, 3, 64, 64), np.uint8),
    ...     })
    ...     data = datasets.MovingMNIST(folder)
    ...     len(data), data[0].shape
    (3, torch.Size([20, 1, 64, 64]))
    """

    _file = "MovingMNIST/mnist_test_seq.npy"
    _url = "http://www.cs.toronto.edu/~nitish/unsupervised_video/mnist_test_seq.npy"
    _expected = Expected(md5="be083ec986bfe91a449d63653c411eb2")

    def __init__(
        self,
        root: Root,
        split: str | None = None,
        split_ratio: int = 10,
        download: bool = False,
        transform: Transform | None = None,
    ) -> None:
        super().__init__(root, transform=transform)
        self.split = None if split is None else choose(split, "split", ("train", "test"))
        if not isinstance(split_ratio, int):
            raise TypeError(f"`split_ratio` should be an integer, but got {type(split_ratio)}")
        if not 1 <= split_ratio <= 19:
            raise ValueError(
                f"`split_ratio` should be `1 <= split_ratio <= 19`, but got {split_ratio} instead."
            )
        self.split_ratio = split_ratio
        path = find_home(root, self._file) / self._file
        need([path], NOT_FOUND + ".", self.download if download else None)
        films = rl.from_numpy(np.load(path, allow_pickle=False))
        part = {"train": slice(split_ratio), "test": slice(split_ratio, None)}
        films = films[part.get(split or "", slice(None))]
        self.data = films.transpose(0, 1).unsqueeze(2).contiguous()

    def download(self) -> None:
        """Fetch the file (800 MB) below `root`."""
        download(self._url, self._home / self._file, self._expected)

    def __getitem__(self, index: int) -> Any:
        film = self.data[index]
        return film if self.transform is None else self.transform(film)

    def __len__(self) -> int:
        return len(self.data)


class FER2013(VisionDataset):
    """35,887 grey 48x48 faces of seven moods, from Kaggle.

    Files: `root/fer2013/`: `fer2013.csv`, or `icml_face_data.csv`, or `train.csv` and `test.csv`
    (which has no labels: None).
    Raises: RuntimeError "... not found in ..."; ValueError.
    Source: I. Goodfellow et al., https://arxiv.org/abs/1307.0414;
    https://docs.pytorch.org/vision/stable/generated/torchvision.datasets.FER2013.html

    >>> import tempfile
    >>> from rushlight.vision import datasets
    >>> from rushlight.vision.datasets.fake import fake_files
    >>> pixels = "0 " * 48 * 48
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fake_files(folder, {"fer2013/train.csv": f"emotion,pixels\\n3,{pixels}\\n"})
    ...     data = datasets.FER2013(folder)
    ...     data[0][0].size, data[0][1]
    ((48, 48), 3)
    """

    def __init__(
        self,
        root: Root,
        split: str = "train",
        transform: Transform | None = None,
        target_transform: Transform | None = None,
    ) -> None:
        self._split = choose(split, "split", ("train", "test"))
        super().__init__(root, transform=transform, target_transform=target_transform)
        names = ["fer2013.csv", "icml_face_data.csv", f"{split}.csv"]
        paths = [find_home(root, name, below=["fer2013"]) / name for name in names]
        path = next((one for one in paths if one.exists()), paths[-1])
        if not path.exists():
            raise RuntimeError(
                f"{path.name} not found in {path.parent} or corrupted. You can download it from "
                "https://www.kaggle.com/c/challenges-in-representation-learning-facial-expression-"
                "recognition-challenge"
            )
        uses = ("Training",) if split == "train" else ("PublicTest", "PrivateTest")
        with open(path, newline="", encoding="utf-8") as file:
            rows = [{str(key).strip(): row[key] for key in row} for row in csv.DictReader(file)]
        kept = [row for row in rows if row.get("Usage", uses[0]) in uses]
        self._samples = [(_face(row["pixels"]), _mood(row.get("emotion"))) for row in kept]

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        face, mood = self._samples[index]
        return self._transformed(as_image(face.numpy()), mood)

    def extra_repr(self) -> str:
        return f"split={self._split}"


def _face(pixels: str) -> rl.Tensor:
    return rl.from_numpy(np.array(pixels.split(), np.uint8).reshape(48, 48))


def _mood(emotion: str | None) -> int | None:
    return None if emotion is None else int(emotion)
