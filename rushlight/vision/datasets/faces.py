"""Faces in the wild: who they are (LFW), and where in a picture (WIDER FACE)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import rushlight as rl

from ...core.errors import fail
from ...utils.archive import extract
from ...utils.errors import DataError
from ..io import load_pillow
from .archives import (
    NOT_WHOLE,
    Archive,
    Loader,
    Root,
    choose,
    fetch_from_drive,
    find_home,
    need,
    read_lines,
)
from .folder import default_loader
from .vision import Transform, VisionDataset


class _LFW(VisionDataset):
    """Pictures of people in folders named after them, and a list of some of them."""

    _view: str
    _beside: tuple[str, ...] = ()
    _folders = {"original": "lfw", "funneled": "lfw_funneled", "deepfunneled": "lfw-deepfunneled"}
    data: list[Any]
    targets: list[int]

    def __init__(
        self,
        root: Root,
        split: str = "10fold",
        image_set: str = "funneled",
        transform: Transform | None = None,
        target_transform: Transform | None = None,
        download: bool = False,
        loader: Loader = default_loader,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.image_set = choose(image_set.lower(), "image_set", tuple(self._folders))
        self.split = choose(split.lower(), "split", ("10fold", "train", "test"))
        part = {"10fold": "", "train": "DevTrain", "test": "DevTest"}[self.split]
        self.labels_file = f"{self._view}{part}.txt"
        names = self._folders[self.image_set], self.labels_file, *self._beside
        base = find_home(root, *names, below=["lfw-py"])
        if download:
            raise fail(
                ValueError,
                "LFW dataset is no longer available for automatic download."
                "Please download the dataset manually and place it in the specified directory."
                "A commonly used mirror is available at: "
                "https://www.kaggle.com/datasets/jessicali9530/lfw-dataset",
                f"files of your own are looked for in {base}",
            )
        need([base / name for name in names], NOT_WHOLE)
        self.root, self.images_dir, self._loader = str(base), str(base / names[0]), loader
        try:
            self._read(base)
        except (StopIteration, ValueError, KeyError, IndexError) as error:
            path = base / self.labels_file
            raise fail(DataError, f"{path}: not a list of LFW's", repr(error)) from error

    def _read(self, base: Path) -> None:
        raise NotImplementedError

    def _path(self, name: str, number: str | int) -> str:
        return str(Path(self.images_dir, name, f"{name}_{int(number):04d}.jpg"))

    def __len__(self) -> int:
        return len(self.data)

    def extra_repr(self) -> str:
        return f"Alignment: {self.image_set}\nSplit: {self.split}"


class LFWPeople(_LFW):
    """13,233 faces of 5,749 people; needs Pillow.

    Arguments: `split` is "10fold", "train" or "test"; `image_set` "original", "funneled" or
    "deepfunneled", by how faces were turned upright; nobody serves the files any more. Files:
    `root/lfw-py/lfw_funneled/Some_Name/Some_Name_0001.jpg`, `people.txt`, `lfw-names.txt`.
    Raises: RuntimeError "Dataset not found or corrupted..."; ValueError.
    Source: G. Huang et al., 2007, http://vis-www.cs.umass.edu/lfw/;
    https://docs.pytorch.org/vision/stable/generated/torchvision.datasets.LFWPeople.html

    >>> import tempfile
    >>> from rushlight.vision import datasets
    >>> from rushlight.vision.datasets.fake import fake_files
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fake_files(folder, {
    ...         "lfw-py/lfw_funneled/Bo/Bo_0001.jpg": 0,
    ...         "lfw-py/lfw-names.txt": "Bo\\t1\\n",
    ...         "lfw-py/peopleDevTrain.txt": "1\\nBo\\t1\\n",
    ...     })
    ...     data = datasets.LFWPeople(folder, "train")
    ...     data.class_to_idx, data[0][1]
    ({'Bo': 0}, 0)
    """

    _view, _beside = "people", ("lfw-names.txt",)

    def _read(self, base: Path) -> None:
        known = read_lines(base / "lfw-names.txt")
        self.class_to_idx = {line.split()[0]: number for number, line in enumerate(known)}
        self.data, self.targets = [], []
        lines = iter(read_lines(base / self.labels_file))
        folds = int(next(lines)) if self.split == "10fold" else 1
        for _ in range(folds):
            for _ in range(int(next(lines))):
                name, count = next(lines).split("\t")
                self.data += [self._path(name, one) for one in range(1, int(count) + 1)]
                self.targets += [self.class_to_idx[name]] * int(count)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        return self._transformed(self._loader(self.data[index]), self.targets[index])

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}\nClasses (identities): {len(self.class_to_idx)}"


class LFWPairs(_LFW):
    """Pairs of faces, of one person (target 1) or of two (0); needs Pillow.

    An item is two pictures and the target; arguments as in LFWPeople. Files:
    `root/lfw-py/lfw_funneled/...` and `pairs.txt`.
    Raises: RuntimeError "Dataset not found or corrupted..."; ValueError.
    Source: G. Huang et al., 2007, http://vis-www.cs.umass.edu/lfw/;
    https://docs.pytorch.org/vision/stable/generated/torchvision.datasets.LFWPairs.html

    >>> import tempfile
    >>> from rushlight.vision import datasets
    >>> from rushlight.vision.datasets.fake import fake_files
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fake_files(folder, {
    ...         "lfw-py/lfw_funneled/{Bo/Bo_0001,Bo/Bo_0002,Ann/Ann_0001}.jpg": 0,
    ...         "lfw-py/lfw-names.txt": "Ann\\t1\\nBo\\t2\\n",
    ...         "lfw-py/pairsDevTrain.txt": "1\\nBo\\t1\\t2\\nBo\\t1\\tAnn\\t1\\n",
    ...     })
    ...     data = datasets.LFWPairs(folder, "train")
    ...     data.pair_names, [target for _, _, target in data]
    ([('Bo', 'Bo'), ('Bo', 'Ann')], [1, 0])
    """

    _view = "pairs"

    def _read(self, base: Path) -> None:
        lines = iter(read_lines(base / self.labels_file))
        head = next(lines).split("\t")
        folds, count = (int(head[0]), int(head[1])) if self.split == "10fold" else (1, int(head[0]))
        self.pair_names, self.data, self.targets = [], [], []
        for _ in range(folds):
            for place in range(2 * count):
                words = next(lines).split("\t")
                same = place < count
                first, one, second, other = (
                    (words[0], words[1], words[0], words[2]) if same else words
                )
                self.pair_names.append((first, second))
                self.data.append((self._path(first, one), self._path(second, other)))
                self.targets.append(int(same))

    def __getitem__(self, index: int) -> tuple[Any, Any, Any]:
        first, second = (self._loader(path) for path in self.data[index])
        target = self.targets[index]
        if self.transform is not None:
            first, second = self.transform(first), self.transform(second)
        if self.target_transform is not None:
            target = self.target_transform(target)
        return first, second, target


class WIDERFace(VisionDataset):
    """32,203 pictures with boxes around 393,703 faces; needs Pillow.

    Arguments: `split` is "train", "val" or "test" (no target: None). The target is a dictionary
    of int64 tensors: `bbox` (N, 4) as a corner with width and height, `blur`, `expression`,
    `illumination`, `occlusion`, `pose`, `invalid` (N,). Files: `root/widerface/WIDER_train/`,
    `WIDER_val`, `WIDER_test` and `wider_face_split`.
    Raises: RuntimeError "Dataset not found or corrupted..."; ValueError; DataError.
    Source: S. Yang et al., https://arxiv.org/abs/1511.06523;
    https://docs.pytorch.org/vision/stable/generated/torchvision.datasets.WIDERFace.html

    >>> import tempfile
    >>> from rushlight.vision import datasets
    >>> from rushlight.vision.datasets.fake import fake_files
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fake_files(folder, {
    ...         "widerface/WIDER_val/images/a.jpg": 0,
    ...         "widerface/wider_face_split/wider_face_val_bbx_gt.txt":
    ...             "a.jpg\\n1\\n1 2 3 4 0 1 0 1 0 1\\n",
    ...         "widerface/WIDER_{train,test}/images/b.jpg": 0,
    ...     })
    ...     data = datasets.WIDERFace(folder, "val")
    ...     data[0][1]["bbox"]
    tensor([[1, 2, 3, 4]])
    """

    BASE_FOLDER = "widerface"
    FILE_LIST = [
        ("15hGDLhsx8bLgLcIRD5DhYt5iBxnjNF1M", "3fedf70df600953d25982bcd13d91ba2",
         "WIDER_train.zip"),
        ("1GUCogbp16PMGa39thoMMeWxp7Rp5oM8Q", "dfa7d7e790efa35df3788964cf0bbaea",
         "WIDER_val.zip"),
        ("1HIfDbVEWKmsYKJZm4lchTBDLW5N7dY5T", "e5d8f4248ed24c334bbd12f49c29dd40",
         "WIDER_test.zip"),
    ]  # fmt: skip
    ANNOTATIONS_FILE = (
        "http://shuoyang1213.me/WIDERFACE/support/bbx_annotation/wider_face_split.zip",
        "0e3767bcf0e326556d407bf5bff5d27c",
        "wider_face_split.zip",
    )
    _columns = ("blur", "expression", "illumination", "occlusion", "pose", "invalid")

    def __init__(
        self,
        root: Root,
        split: str = "train",
        transform: Transform | None = None,
        target_transform: Transform | None = None,
        download: bool = False,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.split = choose(split, "split", ("train", "val", "test"))
        names = "WIDER_train", "WIDER_val", "WIDER_test", "wider_face_split"
        base = find_home(root, *names, below=[self.BASE_FOLDER])
        self.root = str(base)
        need(
            [base / name for name in names],
            NOT_WHOLE.replace("download it", "download and prepare it"),
            self.download if download else None,
        )
        listed = "test_filelist" if split == "test" else f"{split}_bbx_gt"
        path = base / "wider_face_split" / f"wider_face_{listed}.txt"
        images = base.absolute() / f"WIDER_{split}" / "images"
        try:
            self.img_info = list(self._pictures(iter(read_lines(path)), images))
        except (ValueError, RuntimeError) as error:  # RuntimeError: the lines end too early
            raise fail(DataError, f"Error parsing annotation file {path}", str(error)) from error

    def _pictures(self, lines: Iterator[str], folder: Path) -> Iterator[dict[str, Any]]:
        for name in lines:
            found: dict[str, Any] = {"img_path": str(folder / name)}
            if self.split != "test":
                count = max(int(next(lines)), 1)  # where there is no face a row of noughts stands
                rows = rl.tensor([[int(one) for one in next(lines).split()] for _ in range(count)])
                rest = {key: rows[:, 4 + place] for place, key in enumerate(self._columns)}
                found["annotations"] = {"bbox": rows[:, :4]} | rest
            yield found

    def download(self) -> None:
        """Fetch the pictures through gdown, and their boxes, and unpack them."""
        base = Path(str(self.root))
        for key, md5, name in self.FILE_LIST:
            fetch_from_drive(key, base / name, md5)
            extract(base / name, base)
        address, md5, _ = self.ANNOTATIONS_FILE
        Archive(address, md5).fetch(base)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        found = self.img_info[index]
        return self._transformed(load_pillow(found["img_path"]), found.get("annotations"))

    def __len__(self) -> int:
        return len(self.img_info)

    def extra_repr(self) -> str:
        return f"Split: {self.split}"
