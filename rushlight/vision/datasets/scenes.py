"""Scenes with boxes, outlines, captions or traits: PASCAL VOC, COCO, CelebA, Omniglot."""

from __future__ import annotations

import json
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


class CocoAnnotations:
    """A file of COCO's annotations: pictures `imgs`, notes `anns`, classes `cats`, by number.

    What CocoDetection needs of pycocotools' COCO, under its names.
    Raises: DataError for a file that is not such a one.
    """

    def __init__(self, annotation_file: str) -> None:
        path = Path(annotation_file)
        try:
            self.dataset = json.loads(path.read_text("utf-8"))
            self.imgs = {one["id"]: one for one in self.dataset["images"]}
            self.anns = {one["id"]: one for one in self.dataset.get("annotations", [])}
            self.cats = {one["id"]: one for one in self.dataset.get("categories", [])}
            self.imgToAnns: dict[Any, list[Any]] = {one: [] for one in self.imgs}
            for one in self.anns.values():
                self.imgToAnns.setdefault(one["image_id"], []).append(one)
        except (ValueError, KeyError, TypeError) as error:
            what = f"not annotations as COCO's ({type(error).__name__}: {error})"
            raise fail(DataError, f"{path}: {what}") from error

    def getAnnIds(self, imgIds: Any = ()) -> list[Any]:
        """The numbers of the notes on some pictures (none named: of all)."""
        pictures = _several(imgIds)
        notes = [note for one in pictures for note in self.imgToAnns.get(one, [])]
        return [note["id"] for note in (notes if pictures else self.anns.values())]

    def loadAnns(self, ids: Any = ()) -> list[Any]:
        """The notes of these numbers."""
        return [self.anns[one] for one in _several(ids)]

    def loadImgs(self, ids: Any = ()) -> list[Any]:
        """The pictures of these numbers."""
        return [self.imgs[one] for one in _several(ids)]

    def getCatIds(self) -> list[Any]:
        """The numbers of all classes."""
        return list(self.cats)

    def loadCats(self, ids: Any = ()) -> list[Any]:
        """The classes of these numbers."""
        return [self.cats[one] for one in _several(ids)]

    def getImgIds(self) -> list[Any]:
        """The numbers of all pictures."""
        return list(self.imgs)


def _several(ids: Any) -> list[Any]:
    return list(ids) if isinstance(ids, list | tuple | set) else [ids]


class CocoDetection(VisionDataset):
    """Pictures in `root` with COCO's notes on them, a list of dictionaries; needs Pillow.

    Arguments: `annFile` is a JSON file such as `instances_val2017.json`; it is read without
    pycocotools, into `coco` (a CocoAnnotations). Pictures come by rising numbers (`ids`).
    Raises: DataError for another file; ValueError for an index that is no int.
    Source: T.-Y. Lin et al., https://arxiv.org/abs/1405.0312;
    https://docs.pytorch.org/vision/stable/generated/torchvision.datasets.CocoDetection.html
    """

    def __init__(
        self,
        root: Root,
        annFile: str,
        transform: Transform | None = None,
        target_transform: Transform | None = None,
        transforms: Transform | None = None,
    ) -> None:
        super().__init__(root, transforms, transform, target_transform)
        self.coco = CocoAnnotations(annFile)
        self.ids = sorted(self.coco.imgs)

    def _load_image(self, id: int) -> Any:
        return load_pillow(self._home / self.coco.loadImgs(id)[0]["file_name"], "RGB")

    def _load_target(self, id: int) -> list[Any]:
        return self.coco.loadAnns(self.coco.getAnnIds(id))

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        if not isinstance(index, int):
            raise ValueError(f"Index must be of type integer, got {type(index)} instead.")
        number = self.ids[index]
        return self._transformed(self._load_image(number), self._load_target(number))

    def __len__(self) -> int:
        return len(self.ids)


class CocoCaptions(CocoDetection):
    """As CocoDetection, with captions (a list of texts) for targets.

    Source: X. Chen et al., https://arxiv.org/abs/1504.00325;
    https://docs.pytorch.org/vision/stable/generated/torchvision.datasets.CocoCaptions.html
    """

    def _load_target(self, id: int) -> list[str]:
        return [note["caption"] for note in super()._load_target(id)]


class Omniglot(ListedPictures):
    """32,460 grey pictures of 1,623 characters of 50 alphabets; needs Pillow.

    Arguments: `background` takes the 30 alphabets to learn from, or else the other 20.
    Files: `root/omniglot-py/images_background/Greek/character01/*.png`, ...
    Raises: RuntimeError "Dataset not found or corrupted...".
    Source: B. Lake, R. Salakhutdinov, J. Tenenbaum, Science 2015;
    https://docs.pytorch.org/vision/stable/generated/torchvision.datasets.Omniglot.html
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
