"""Street scenes with boxes or outlines: KITTI and Cityscapes."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

from ...core.errors import fail
from ...utils.archive import extract
from ...utils.errors import DataError
from ..io import load_pillow
from .archives import (
    Archive,
    Root,
    choose,
    choose_several,
    find_home,
    joined,
    need,
    read_lines,
)
from .vision import Transform, VisionDataset


class Kitti(VisionDataset):
    """7,481 street scenes with boxes of what moves, to test 7,518 without; needs Pillow.

    The target is a list of dictionaries: `type`, `truncated`, `occluded`, `alpha`, `bbox` (4),
    `dimensions` (3), `location` (3), `rotation_y`; to test None. Files:
    `root/Kitti/raw/{training,testing}/image_2/*.png` and `label_2/*.txt`.
    Raises: RuntimeError "Dataset not found..."; DataError for another list of boxes.
    Source: A. Geiger, P. Lenz, R. Urtasun, CVPR 2012;
    https://docs.pytorch.org/vision/stable/generated/torchvision.datasets.Kitti.html

    >>> import tempfile
    >>> from rushlight.vision import datasets
    >>> from rushlight.vision.datasets.fake import fake_files
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fake_files(folder, {
    ...         "Kitti/raw/training/image_2/0.png": 0,
    ...         "Kitti/raw/training/label_2/0.txt":
    ...             "Car 0 1 -1.5 587 173 614 200 1 2 3 -0.6 1.7 46 -1.5\\n",
    ...     })
    ...     _, targets = datasets.Kitti(folder)[0]
    ...     targets[0]["type"], targets[0]["bbox"]
    ('Car', [587.0, 173.0, 614.0, 200.0])
    """

    data_url = "https://s3.eu-central-1.amazonaws.com/avg-kitti/"
    resources = ["data_object_image_2.zip", "data_object_label_2.zip"]
    image_dir_name = "image_2"
    labels_dir_name = "label_2"

    def __init__(
        self,
        root: Root,
        train: bool = True,
        transform: Transform | None = None,
        target_transform: Transform | None = None,
        transforms: Transform | None = None,
        download: bool = False,
    ) -> None:
        super().__init__(root, transforms, transform, target_transform)
        self.train = train
        part = "training" if train else "testing"
        names = [f"{part}/{self.image_dir_name}"] + [f"{part}/{self.labels_dir_name}"] * train
        self._folder = find_home(root, *names, below=["Kitti/raw"])
        folders = [self._folder / name for name in names]
        text = "Dataset not found. You may use download=True to download it."
        need(folders, text, self.download if download else None)
        pictures = sorted(folders[0].iterdir())
        self.images = [str(path) for path in pictures]
        self.targets = [str(folders[1] / f"{path.stem}.txt") for path in pictures if train]

    def download(self) -> None:
        """Fetch and unpack the pictures (12 GB) and their boxes."""
        for name in self.resources:
            Archive(self.data_url + name).fetch(self._folder)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        target = self._parse_target(index) if self.train else None
        return self._transformed(load_pillow(self.images[index]), target)

    def _parse_target(self, index: int) -> list[dict[str, Any]]:
        path = Path(self.targets[index])
        try:
            return [_thing(line.split(" ")) for line in read_lines(path)]
        except (ValueError, IndexError) as error:
            raise fail(DataError, f"{path}: not KITTI's list of boxes ({error})") from error

    def __len__(self) -> int:
        return len(self.images)


def _thing(words: list[str]) -> dict[str, Any]:
    """What a line of a list says of one thing."""
    numbers = [float(word) for word in words[3:15]]
    return {
        "type": words[0],
        "truncated": float(words[1]),
        "occluded": int(words[2]),
        "alpha": numbers[0],
        "bbox": numbers[1:5],
        "dimensions": numbers[5:8],
        "location": numbers[8:11],
        "rotation_y": numbers[11],
    }


class CityscapesClass(NamedTuple):
    """One kind of thing: its numbers for labels and for training (255: left out), its colour."""

    name: str
    id: int
    train_id: int
    category: str
    category_id: int
    has_instances: bool
    ignore_in_eval: bool
    color: tuple[int, int, int]


def _classes() -> list[CityscapesClass]:
    text = resources.files("rushlight.vision").joinpath("data/cityscapes.txt").read_text("utf-8")
    found = []
    for line in text.splitlines():
        name, one, train, category, number, several, ignored, *colour = line.split(",")
        red, green, blue = map(int, colour)
        found.append(
            CityscapesClass(
                name, int(one), int(train), category, int(number),
                several == "1", ignored == "1", (red, green, blue),
            )
        )  # fmt: skip
    return found


class Cityscapes(VisionDataset):
    """Scenes of 50 towns with the class, or the thing, of each pixel; needs Pillow.

    Arguments: `split` is "train", "val" or, where `mode` is "fine", "test" and else
    "train_extra"; `target_type` is "instance", "semantic", "color" (pictures), "polygon" (what
    the JSON file says) or a list of them. Files: `root/leftImg8bit/{split}/town/*_leftImg8bit.png`
    and `root/{gtFine,gtCoarse}/{split}/town/`, or their zip files, which are unpacked.
    Raises: RuntimeError "Dataset not found or incomplete..."; ValueError.
    Source: M. Cordts et al., https://arxiv.org/abs/1604.01685;
    https://docs.pytorch.org/vision/stable/generated/torchvision.datasets.Cityscapes.html

    >>> import tempfile
    >>> from rushlight.vision import datasets
    >>> from rushlight.vision.datasets.fake import fake_files
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fake_files(folder, {
    ...         "leftImg8bit/val/bonn/bonn_0_leftImg8bit.png": 0,
    ...         "gtFine/val/bonn/bonn_0_gtFine_labelIds.png": 7,
    ...     })
    ...     data = datasets.Cityscapes(folder, "val", target_type="semantic")
    ...     data.classes[data[0][1].getpixel((0, 0))[0]].name
    'road'
    """

    CityscapesClass = CityscapesClass
    classes = _classes()
    _ends = {
        "instance": "instanceIds.png", "semantic": "labelIds.png", "color": "color.png",
        "polygon": "polygons.json",
    }  # fmt: skip

    def __init__(
        self,
        root: Root,
        split: str = "train",
        mode: str = "fine",
        target_type: list[str] | str = "instance",
        transform: Transform | None = None,
        target_transform: Transform | None = None,
        transforms: Transform | None = None,
    ) -> None:
        super().__init__(root, transforms, transform, target_transform)
        self.mode = "gtFine" if choose(mode, "mode", ("fine", "coarse")) == "fine" else "gtCoarse"
        self.split = _checked(split, mode)
        known = ("instance", "semantic", "polygon", "color")
        self.target_type = choose_several(target_type, "target_type", known)
        parts = f"leftImg8bit/{split}", f"{self.mode}/{split}"
        base = find_home(root, *parts)
        if not all((base / part).is_dir() for part in parts):
            self._unpack(base)
        pictures, targets = (base / part for part in parts)
        self.images_dir, self.targets_dir = str(pictures), str(targets)
        self.images: list[str] = []
        self.targets: list[list[str]] = []
        for picture in sorted(pictures.glob("*/*")):
            start = picture.name.split("_leftImg8bit")[0]
            names = [f"{start}_{self.mode}_{self._ends[kind]}" for kind in self.target_type]
            self.images.append(str(picture))
            self.targets.append([str(targets / picture.parent.name / name) for name in names])

    def _unpack(self, base: Path) -> None:
        """Unpack the two archives, which only those who have agreed to the terms can fetch."""
        extra = "trainextra" if self.split == "train_extra" else "trainvaltest"
        labels = "_trainvaltest" if self.mode == "gtFine" else ""
        archives = base / f"leftImg8bit_{extra}.zip", base / f"{self.mode}{labels}.zip"
        need(
            archives,
            "Dataset not found or incomplete. Please make sure all required folders for the "
            'specified "split" and "mode" are inside the "root" directory',
        )
        for archive in archives:
            extract(archive, base)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        image = load_pillow(self.images[index], "RGB")
        targets = [
            json.loads(Path(path).read_text("utf-8")) if kind == "polygon" else load_pillow(path)
            for kind, path in zip(self.target_type, self.targets[index], strict=True)
        ]
        return self._transformed(image, joined(targets))

    def __len__(self) -> int:
        return len(self.images)

    def extra_repr(self) -> str:
        return f"Split: {self.split}\nMode: {self.mode}\nType: {self.target_type}"


def _checked(split: Any, mode: str) -> str:
    known = ("train", "test", "val") if mode == "fine" else ("train", "train_extra", "val")
    if isinstance(split, str) and split not in known:
        words = "'" + "', '".join(known) + "'"
        raise ValueError(
            f"Unknown value '{split}' for argument split if mode is '{mode}'. "
            f"Valid values are {{{words}}}."
        )
    return choose(split, "split", known)
