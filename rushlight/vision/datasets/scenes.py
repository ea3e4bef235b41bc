"""Scenes with boxes, outlines or traits: PASCAL VOC, CelebA, Omniglot."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import rushlight as rl

from ...core.errors import fail
from ...utils.archive import extract
from ...utils.errors import DataError
from ..io import load_pillow
from .archives import (
    NOT_WHOLE,
    Archive,
    ListedPictures,
    Loader,
    Root,
    choose,
    fetch_from_drive,
    find_home,
    joined,
    need,
    read_lines,
)
from .vision import Transform, VisionDataset

VOC_ARCHIVES = {
    "2012": ("VOCtrainval_11-May-2012.tar", "6cd6e144f989b92b3379bac3b3de84fd"),
    "2011": ("VOCtrainval_25-May-2011.tar", "6c3384ef61512963050cb5d687e5bf1e"),
    "2010": ("VOCtrainval_03-May-2010.tar", "da459979d0c395079b5c75ee67908abb"),
    "2009": ("VOCtrainval_11-May-2009.tar", "a3e00b113cfcfebf17e343f59da3caa1"),
    "2008": ("VOCtrainval_14-Jul-2008.tar", "2629fa636546599198acfcfbfcf1904a"),
    "2007": ("VOCtrainval_06-Nov-2007.tar", "c52e279531787c972589f7e41ab4ae64"),
    "2007-test": ("VOCtest_06-Nov-2007.tar", "b6e924de25625d8de591ea690078ad9f"),
}


class _VOC(VisionDataset):
    """The pictures that a list of PASCAL VOC's names, each with a file of its target."""

    _lists: str
    _targets: tuple[str, str]

    def __init__(
        self,
        root: Root,
        year: str = "2012",
        image_set: str = "train",
        download: bool = False,
        transform: Transform | None = None,
        target_transform: Transform | None = None,
        transforms: Transform | None = None,
    ) -> None:
        super().__init__(root, transforms, transform, target_transform)
        self.year = choose(year, "year", [str(one) for one in range(2007, 2013)])
        sets = ["train", "trainval", "val"] + (["test"] if year == "2007" else [])
        self.image_set = choose(image_set, "image_set", sets)
        base = ("TrainVal/" if year == "2011" else "") + f"VOCdevkit/VOC{year}"
        listed = f"ImageSets/{self._lists}/{image_set}.txt"
        folder = find_home(root, listed, below=[base])
        if download and not (folder / listed).exists():
            self._download()
        need([folder], NOT_WHOLE)
        names = read_lines(folder / listed)
        self.images = [str(folder / "JPEGImages" / f"{name}.jpg") for name in names]
        where, end = self._targets
        self.targets = [str(folder / where / f"{name}{end}") for name in names]

    def _download(self) -> None:
        """Fetch the archive of this year and part and unpack it below `root`."""
        name, md5 = VOC_ARCHIVES["2007-test" if self.image_set == "test" else self.year]
        address = f"https://thor.robots.ox.ac.uk/pascal/VOC/voc{self.year}/{name}"
        Archive(address, md5).fetch(self._home)

    def _read(self, path: Path) -> Any:
        """The target in a file."""
        raise NotImplementedError

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        image = load_pillow(self.images[index], "RGB")
        return self._transformed(image, self._read(Path(self.targets[index])))

    def __len__(self) -> int:
        return len(self.images)


class VOCSegmentation(_VOC):
    """Pictures of PASCAL VOC with the class of each pixel (0 to 20, 255 at edges); needs Pillow.

    Arguments: `year` is "2007" to "2012"; `image_set` "train", "trainval", "val", of 2007 "test".
    The target is a picture of palette numbers. Files: `root/VOCdevkit/VOC2012/...`.
    Raises: RuntimeError "Dataset not found or corrupted..."; ValueError.
    Source: M. Everingham et al., http://host.robots.ox.ac.uk/pascal/VOC/;
    https://docs.pytorch.org/vision/stable/generated/torchvision.datasets.VOCSegmentation.html

    >>> import tempfile
    >>> from rushlight.vision import datasets
    >>> from rushlight.vision.datasets.fake import fake_files
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fake_files(folder, {
    ...         "VOCdevkit/VOC2012/JPEGImages/2007_1.jpg": 0,
    ...         "VOCdevkit/VOC2012/SegmentationClass/2007_1.png": 0,
    ...         "VOCdevkit/VOC2012/ImageSets/Segmentation/val.txt": "2007_1\\n",
    ...     })
    ...     data = datasets.VOCSegmentation(folder, image_set="val")
    ...     len(data), data[0][1].size
    (1, (6, 4))
    """

    _lists = "Segmentation"
    _targets = ("SegmentationClass", ".png")

    @property
    def masks(self) -> list[str]:
        """The paths of the targets."""
        return self.targets

    def _read(self, path: Path) -> Any:
        return load_pillow(path)


class VOCDetection(_VOC):
    """Pictures of PASCAL VOC with boxes: the annotation as nested dictionaries; needs Pillow.

    `target["annotation"]["object"]` is a list of `{"name": ..., "bndbox": {"xmin": ...}}`, all
    texts; other arguments as in VOCSegmentation.
    Raises: RuntimeError "Dataset not found or corrupted..."; ValueError; DataError.
    Source: M. Everingham et al., http://host.robots.ox.ac.uk/pascal/VOC/;
    https://docs.pytorch.org/vision/stable/generated/torchvision.datasets.VOCDetection.html

    >>> import tempfile
    >>> from rushlight.vision import datasets
    >>> from rushlight.vision.datasets.fake import fake_files
    >>> note = "<annotation><object><name>dog</name></object></annotation>"
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fake_files(folder, {
    ...         "VOCdevkit/VOC2012/JPEGImages/2007_1.jpg": 0,
    ...         "VOCdevkit/VOC2012/ImageSets/Main/val.txt": "2007_1\\n",
    ...         "VOCdevkit/VOC2012/Annotations/2007_1.xml": note,
    ...     })
    ...     data = datasets.VOCDetection(folder, image_set="val")
    ...     data[0][1]["annotation"]["object"]
    [{'name': 'dog'}]
    """

    _lists = "Main"
    _targets = ("Annotations", ".xml")

    @property
    def annotations(self) -> list[str]:
        """The paths of the targets."""
        return self.targets

    def _read(self, path: Path) -> dict[str, Any]:
        text = path.read_bytes()
        # entities are what makes an XML file of a kilobyte fill the memory; VOC has none
        if b"<!ENTITY" in text:
            raise DataError(f"{path}: it defines entities, which annotations never do")
        try:
            return self.parse_voc_xml(ElementTree.fromstring(text))
        except ElementTree.ParseError as error:
            raise fail(DataError, f"{path}: {error}") from error

    @staticmethod
    def parse_voc_xml(node: ElementTree.Element) -> dict[str, Any]:
        """An element as `{tag: text}` or `{tag: {child: ...}}`; children of one tag are a list.

        >>> text = "<annotation><size><width>4</width></size></annotation>"
        >>> VOCDetection.parse_voc_xml(ElementTree.fromstring(text))
        {'annotation': {'size': {'width': '4'}}}
        """
        children: dict[str, list[Any]] = {}
        for child in node:
            for tag, value in VOCDetection.parse_voc_xml(child).items():
                children.setdefault(tag, []).append(value)
        if not children:
            return {node.tag: node.text.strip()} if node.text else {}
        parts: dict[str, Any] = {
            tag: several if len(several) > 1 else several[0] for tag, several in children.items()
        }
        if node.tag == "annotation" and "object" in children:
            parts["object"] = children["object"]  # a list, of one object too
        return {node.tag: parts}


class Omniglot(ListedPictures):
    """32,460 grey pictures of 1,623 characters of 50 alphabets; needs Pillow.

    Arguments: `background` takes the 30 alphabets to learn from, or else the other 20.
    Files: `root/omniglot-py/images_background/Greek/character01/*.png`, ...
    Raises: RuntimeError "Dataset not found or corrupted...".
    Source: B. Lake, R. Salakhutdinov, J. Tenenbaum, Science 2015;
    https://docs.pytorch.org/vision/stable/generated/torchvision.datasets.Omniglot.html

    >>> import tempfile
    >>> from rushlight.vision import datasets
    >>> from rushlight.vision.datasets.fake import fake_files
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fake_files(folder, {
    ...         "omniglot-py/images_background/Greek/{character01,character02}/1.png": 0,
    ...     })
    ...     data = datasets.Omniglot(folder)
    ...     len(data), data[1][1]
    (2, 1)
    """

    _folder = "omniglot-py"
    _missing = NOT_WHOLE
    zips_md5 = {
        "images_background": "68d2efa1b9178cc56df9314c21c6e718",
        "images_evaluation": "6b91aef0f799c5bb55b94e3f2daec811",
    }

    def __init__(
        self,
        root: Root,
        background: bool = True,
        transform: Transform | None = None,
        target_transform: Transform | None = None,
        download: bool = False,
        loader: Loader | None = None,
    ) -> None:
        self.background = background
        self._part = "images_background" if background else "images_evaluation"
        super().__init__(root, transform, target_transform, download, loader or _grey)
        self.root = str(self._base_folder)

    def _archives(self) -> Iterable[Archive]:
        address = "https://raw.githubusercontent.com/brendenlake/omniglot/master/python/"
        yield Archive(f"{address}{self._part}.zip", self.zips_md5[self._part])

    def _names(self) -> Sequence[str]:
        return (self._part,)

    def _list(self) -> Iterable[tuple[Path, int]]:
        (folder,) = self._needed()
        characters = sorted(path for path in folder.glob("*/*") if path.is_dir())
        self._characters = [str(path.relative_to(folder)) for path in characters]
        for number, character in enumerate(characters):
            for picture in sorted(character.glob("*.png")):
                yield picture, number


def _grey(path: Path) -> Any:
    return load_pillow(path, "L")


class CelebA(VisionDataset):
    """202,599 faces of 10,177 people with 40 traits, boxes and five points; needs Pillow.

    Arguments: `split` is "train", "valid", "test" or "all"; `target_type` is "attr" ((40,), 0 or
    1), "identity" (a number), "bbox" ((4,)), "landmarks" ((10,)) or a list of them; an empty
    list gives None. Files: `root/celeba/img_align_celeba/` and the five lists beside it.
    Raises: RuntimeError "Dataset not found or corrupted..."; ValueError.
    Source: Z. Liu et al., https://arxiv.org/abs/1411.7766;
    https://docs.pytorch.org/vision/stable/generated/torchvision.datasets.CelebA.html

    >>> import tempfile
    >>> from rushlight.vision import datasets
    >>> from rushlight.vision.datasets.fake import fake_files
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fake_files(folder, {
    ...         "celeba/img_align_celeba/1.jpg": 0,
    ...         "celeba/list_eval_partition.txt": "1.jpg 0\\n",
    ...         "celeba/identity_CelebA.txt": "1.jpg 7\\n",
    ...         "celeba/list_bbox_celeba.txt": "1\\nx y w h\\n1.jpg 95 71 226 313\\n",
    ...         "celeba/list_landmarks_align_celeba.txt": "1\\nx y\\n1.jpg 1 2 3 4 5 6 7 8 9 0\\n",
    ...         "celeba/list_attr_celeba.txt": "1\\nYoung Bald\\n1.jpg -1 1\\n",
    ...     })
    ...     data = datasets.CelebA(folder, "train", ["attr", "identity"])
    ...     data.attr_names[:2], data[0][1]
    (['Young', 'Bald'], (tensor([0, 1]), tensor(7)))
    """

    base_folder = "celeba"
    file_list = [
        ("0B7EVK8r0v71pZjFTYXZWM3FlRnM", "00d2c5bc6d35e252742224ab0c1e8fcb",
         "img_align_celeba.zip"),
        ("0B7EVK8r0v71pblRyaVFSWGxPY0U", "75e246fa4810816ffd6ee81facbd244c",
         "list_attr_celeba.txt"),
        ("1_ee_0u7vcNLOfNLegJRHmolfH5ICW-XS", "32bd1bd63d3c78cd57e08160ec5ed1e2",
         "identity_CelebA.txt"),
        ("0B7EVK8r0v71pbThiMVRxWXZ4dU0", "00566efa6fedff7a56946cd1c10f1c16",
         "list_bbox_celeba.txt"),
        ("0B7EVK8r0v71pd0FJY3Blby1HUTQ", "cc24ecafdb5b50baae59b03474781f8c",
         "list_landmarks_align_celeba.txt"),
        ("0B7EVK8r0v71pY0NSMzRuSXJEVkk", "d32c9cbf5e040fd4025c592c306e6668",
         "list_eval_partition.txt"),
    ]  # fmt: skip

    def __init__(
        self,
        root: Root,
        split: str = "train",
        target_type: list[str] | str = "attr",
        transform: Transform | None = None,
        target_transform: Transform | None = None,
        download: bool = False,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.split = split
        self.target_type = target_type if isinstance(target_type, list) else [target_type]
        if not self.target_type and target_transform is not None:
            raise RuntimeError("target_transform is specified but target_type is empty")
        names = "img_align_celeba", *(name for _, _, name in self.file_list[1:])
        self._folder = find_home(root, *names, below=[self.base_folder])
        paths = [self._folder / name for name in names]
        need(paths, NOT_WHOLE, self.download if download else None)
        name = split.lower() if isinstance(split, str) else split
        self._load(choose(name, "split", ("train", "valid", "test", "all")))

    def download(self) -> None:
        """Fetch the files through gdown and unpack the pictures."""
        for key, md5, name in self.file_list:
            fetch_from_drive(key, self._folder / name, md5)
        extract(self._folder / "img_align_celeba.zip", self._folder)

    def _load(self, split: str) -> None:
        names, parts, _ = self._table("list_eval_partition.txt")
        wanted = {"train": 0, "valid": 1, "test": 2}.get(split)
        kept = [place for place, (part,) in enumerate(parts) if wanted in (None, part)]
        self.filename = [names[place] for place in kept]

        def take(rows: list[list[int]]) -> rl.Tensor:
            return rl.tensor(rows)[kept]

        self.identity = take(self._table("identity_CelebA.txt")[1])
        self.bbox = take(self._table("list_bbox_celeba.txt", 1)[1])
        self.landmarks_align = take(self._table("list_landmarks_align_celeba.txt", 1)[1])
        _, traits, self.attr_names = self._table("list_attr_celeba.txt", 1)
        self.attr = rl.div(take(traits) + 1, 2, rounding_mode="floor")  # they are -1 or 1

    def _table(self, name: str, header: int | None = None) -> tuple[list[str], Any, list[str]]:
        """The first words of a list's lines, the numbers after them, and the header's words."""
        lines = (self._folder / name).read_text("utf-8").splitlines()
        head = [] if header is None else lines[header].split(" ")
        rows = [line.split() for line in lines[0 if header is None else header + 1 :]]
        return [row[0] for row in rows], [list(map(int, row[1:])) for row in rows], head

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        image = load_pillow(self._folder / "img_align_celeba" / self.filename[index])
        targets = [self._target(kind, index) for kind in self.target_type]
        if self.transform is not None:
            image = self.transform(image)
        if not targets:
            return image, None
        target = joined(targets)
        return image, target if self.target_transform is None else self.target_transform(target)

    def _target(self, kind: str, index: int) -> rl.Tensor:
        if kind == "identity":
            return self.identity[index, 0]
        known = {"attr": self.attr, "bbox": self.bbox, "landmarks": self.landmarks_align}
        if kind not in known:
            raise ValueError(f'Target type "{kind}" is not recognized.')
        return known[kind][index, :]

    def __len__(self) -> int:
        return len(self.attr)

    def extra_repr(self) -> str:
        return f"Target type: {self.target_type}\nSplit: {self.split}"
