"""Photographs with labels in MATLAB's files or lists of their own: flowers, pets, cars, objects."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from ...core.errors import fail
from ...utils.archive import extract
from ..io import load_pillow
from .archives import (
    NOT_FOUND,
    NOT_WHOLE,
    Archive,
    ListedPictures,
    Root,
    SplitPictures,
    choose,
    choose_several,
    find_home,
    joined,
    need,
    read_lines,
)
from .listed import OXFORD
from .matlab import read_matlab
from .vision import Transform, VisionDataset


class Flowers102(SplitPictures):
    """8,189 photographs of 102 flowers (1,020 to train and to validate); needs Pillow and SciPy.

    Files: `root/flowers-102/jpg/`, `imagelabels.mat`, `setid.mat`.
    Raises: RuntimeError "Dataset not found or corrupted..."; ValueError.
    Source: M.-E. Nilsback, A. Zisserman, ICVGIP 2008;
    https://docs.pytorch.org/vision/stable/generated/torchvision.datasets.Flowers102.html

    >>> import tempfile
    >>> from scipy.io import savemat
    >>> from rushlight.vision import datasets
    >>> from rushlight.vision.datasets.fake import fake_files
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fake_files(folder, {"flowers-102/jpg/image_0000{1,2}.jpg": 0})
    ...     savemat(f"{folder}/flowers-102/imagelabels.mat", {"labels": [4, 5]})
    ...     savemat(f"{folder}/flowers-102/setid.mat", {"trnid": [2, 1], "valid": [], "tstid": []})
    ...     data = datasets.Flowers102(folder)
    ...     data[0][1], data.classes[data[0][1]]
    (4, 'english marigold')
    """

    _splits = ("train", "val", "test")
    _folder = "flowers-102"
    _missing = NOT_WHOLE
    classes: list[str] = (
        resources.files("rushlight.vision")
        .joinpath("data/flowers.txt")
        .read_text("utf-8")
        .splitlines()
    )

    def _archives(self) -> Iterable[Archive]:
        for name, md5 in (
            ("102flowers.tgz", "52808999861908f626f3c1f4e79d11fa"),
            ("imagelabels.mat", "e0620be6f572b9609742df49c70aed4d"),
            ("setid.mat", "a5357ecc9cb78c4bef273ce3793fc85c"),
        ):
            yield Archive(OXFORD + "flowers/102/" + name, md5)

    def _names(self) -> Sequence[str]:
        return "jpg", "imagelabels.mat", "setid.mat"

    def _list(self) -> Iterable[tuple[Path, int]]:
        pictures, labels, parts = self._needed()
        part = {"train": "trnid", "val": "valid", "test": "tstid"}[self._split]
        numbers = read_matlab(labels)["labels"]
        for one in read_matlab(parts)[part].tolist():
            yield pictures / f"image_{one:05d}.jpg", int(numbers[one - 1]) - 1


class StanfordCars(SplitPictures):
    """16,185 photographs of 196 cars, half of them to train; needs Pillow and SciPy.

    Files: `root/stanford_cars/cars_train`, `cars_test`, `devkit/cars_train_annos.mat`,
    `devkit/cars_meta.mat`, `cars_test_annos_withlabels.mat`; its own address is gone.
    Raises: RuntimeError "Dataset not found."; ValueError for `download=True`.
    Source: J. Krause et al., 3DRR 2013;
    https://docs.pytorch.org/vision/stable/generated/torchvision.datasets.StanfordCars.html

    >>> import numpy as np
    >>> import tempfile
    >>> from scipy.io import savemat
    >>> from rushlight.vision import datasets
    >>> from rushlight.vision.datasets.fake import fake_files
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fake_files(folder, {"stanford_cars/{cars_train,devkit}/1.jpg": 0})
    ...     kit = f"{folder}/stanford_cars/devkit"
    ...     notes = np.array([("1.jpg", 1), ("1.jpg", 2)], [("fname", object), ("class", np.uint8)])
    ...     savemat(f"{kit}/cars_train_annos.mat", {"annotations": notes})
    ...     names = np.array(["AM General", "Acura"], object)
    ...     savemat(f"{kit}/cars_meta.mat", {"class_names": names})
    ...     data = datasets.StanfordCars(folder)
    ...     data.classes[data[1][1]]
    'Acura'
    """

    _folder = "stanford_cars"
    _missing = "Dataset not found."

    def download(self) -> None:
        """Refuse: nobody serves the archives any more."""
        raise fail(
            ValueError,
            "The original URL is broken so the StanfordCars dataset cannot be downloaded anymore.",
            f"files of your own are looked for in {self._base_folder}",
        )

    def _names(self) -> Sequence[str]:
        if self._split == "train":
            return "devkit/cars_train_annos.mat", "cars_train"
        return "cars_test_annos_withlabels.mat", "cars_test"

    def _list(self) -> Iterable[tuple[str, int]]:
        labels, pictures = self._needed()
        names = read_matlab(self._base_folder / "devkit" / "cars_meta.mat")["class_names"]
        self._name_classes(names.tolist())
        for row in read_matlab(labels)["annotations"]:
            yield str(pictures / str(row["fname"])), int(row["class"]) - 1

    def extra_repr(self) -> str:
        return ""


class OxfordIIITPet(VisionDataset):
    """7,349 photographs of 37 breeds of cats and dogs, with outlines; needs Pillow.

    Arguments: `target_types` is "category" (the breed), "binary-category" (cat 0, dog 1),
    "segmentation" (a picture) or several of them: a tuple. Files: `root/oxford-iiit-pet/images`
    and `annotations`.
    Raises: RuntimeError "Dataset not found..."; ValueError.
    Source: O. Parkhi et al., CVPR 2012;
    https://docs.pytorch.org/vision/stable/generated/torchvision.datasets.OxfordIIITPet.html

    >>> import tempfile
    >>> from rushlight.vision import datasets
    >>> from rushlight.vision.datasets.fake import fake_files
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fake_files(folder, {
    ...         "oxford-iiit-pet/images/{great_dane_1,Abyssinian_2}.jpg": 0,
    ...         "oxford-iiit-pet/annotations/trimaps/{great_dane_1,Abyssinian_2}.png": 1,
    ...         "oxford-iiit-pet/annotations/test.txt":
    ...             "great_dane_1 2 2 1\\nAbyssinian_2 1 1 1\\n",
    ...     })
    ...     data = datasets.OxfordIIITPet(folder, "test", ["category", "binary-category"])
    ...     data.classes, data[0][1]
    (['Abyssinian', 'Great Dane'], (1, 1))
    """

    def __init__(
        self,
        root: Root,
        split: str = "trainval",
        target_types: Sequence[str] | str = "category",
        transforms: Transform | None = None,
        transform: Transform | None = None,
        target_transform: Transform | None = None,
        download: bool = False,
    ) -> None:
        self._split = choose(split, "split", ("trainval", "test"))
        known = ("category", "binary-category", "segmentation")
        self._target_types = choose_several(target_types, "target_types", known)
        super().__init__(root, transforms, transform, target_transform)
        names = "images", "annotations"
        self._base_folder = find_home(root, *names, below=["oxford-iiit-pet"])
        needed = [self._base_folder / name for name in names]
        need(needed, NOT_FOUND, self.download if download else None)
        self._read(*needed)

    def download(self) -> None:
        """Fetch and unpack the two archives."""
        for name, md5 in (
            ("images.tar.gz", "5c4f3ee8e5d25df40f4fd59a7f44e54c"),
            ("annotations.tar.gz", "95a8c909bbe2e81eed6a22bccdf3f68f"),
        ):
            Archive(OXFORD + "pets/data/" + name, md5).fetch(self._base_folder)

    def _read(self, images: Path, annotations: Path) -> None:
        rows = [line.split() for line in read_lines(annotations / f"{self._split}.txt")]
        self._images = [images / f"{name}.jpg" for name, *_ in rows]
        self._segs = [annotations / "trimaps" / f"{name}.png" for name, *_ in rows]
        self._labels = [int(row[1]) - 1 for row in rows]
        self._bin_labels = [int(row[2]) - 1 for row in rows]
        breeds = {int(row[1]): row[0].rsplit("_", 1)[0] for row in rows}
        self.classes = [
            " ".join(word.title() for word in breeds[number].split("_"))
            for number in sorted(breeds)
        ]
        self.bin_classes = ["Cat", "Dog"]
        self.class_to_idx = {name: number for number, name in enumerate(self.classes)}
        self.bin_class_to_idx = {name: number for number, name in enumerate(self.bin_classes)}

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        image = load_pillow(self._images[index], "RGB")
        targets = [self._target(kind, index) for kind in self._target_types]
        return self._transformed(image, joined(targets))

    def _target(self, kind: str, index: int) -> Any:
        if kind == "segmentation":
            return load_pillow(self._segs[index])
        return (self._labels if kind == "category" else self._bin_labels)[index]


class _Caltech(ListedPictures):
    """Pictures in a folder for each category, their names counted from 1 as `_picture` says."""

    _missing = NOT_WHOLE
    _picture: str
    categories: list[str]
    index: list[int]

    def __init__(
        self,
        root: Root,
        transform: Transform | None = None,
        target_transform: Transform | None = None,
        download: bool = False,
    ) -> None:
        super().__init__(root, transform, target_transform, download, load_pillow)
        self.root = str(self._base_folder)

    def _list(self) -> Iterable[tuple[Path, int]]:
        (folder,) = self._needed()
        names = {path.name for path in folder.iterdir()} - {"BACKGROUND_Google"}
        self.categories, self.index = sorted(names), []
        for number, name in enumerate(self.categories):
            count = len(list((folder / name).glob("*.jpg")))
            self.index.extend(range(1, count + 1))
            for one in range(1, count + 1):
                yield folder / name / self._picture.format(category=number + 1, one=one), number

    @property
    def y(self) -> list[int]:
        """The label of each picture."""
        return self._labels


class Caltech256(_Caltech):
    """30,607 pictures of 257 kinds of things; needs Pillow.

    Files: `root/caltech256/256_ObjectCategories/001.ak47/001_0001.jpg`, ...
    Raises: RuntimeError "Dataset not found or corrupted...".
    Source: G. Griffin, A. Holub, P. Perona, 2007;
    https://docs.pytorch.org/vision/stable/generated/torchvision.datasets.Caltech256.html

    >>> import tempfile
    >>> from rushlight.vision import datasets
    >>> from rushlight.vision.datasets.fake import fake_files
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fake_files(folder, {
    ...         "caltech256/256_ObjectCategories/{001.ak47,002.american-flag}/001_0001.jpg": 0,
    ...     })
    ...     data = datasets.Caltech256(folder)
    ...     data.categories, data.y
    (['001.ak47', '002.american-flag'], [0, 1])
    """

    _folder = "caltech256"
    _picture = "{category:03d}_{one:04d}.jpg"

    def _archives(self) -> Iterable[Archive]:
        yield Archive(
            "https://data.caltech.edu/records/nyy15-4j048/files/256_ObjectCategories.tar",
            "67b4f42ca05d46448c6bb8ecd2220f6d",
        )

    def _names(self) -> Sequence[str]:
        return ("256_ObjectCategories",)


class Caltech101(_Caltech):
    """9,146 pictures of 101 kinds of things, with outlines; needs Pillow (outlines: SciPy).

    Arguments: `target_type` is "category", "annotation" (the outline, (2, points)) or a list of
    both. Files: `root/caltech101/101_ObjectCategories/...` and `Annotations/...`.
    Raises: RuntimeError "Dataset not found or corrupted..."; ValueError.
    Source: L. Fei-Fei, R. Fergus, P. Perona, 2004;
    https://docs.pytorch.org/vision/stable/generated/torchvision.datasets.Caltech101.html

    >>> import tempfile
    >>> from rushlight.vision import datasets
    >>> from rushlight.vision.datasets.fake import fake_files
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fake_files(folder, {
    ...         "caltech101/101_ObjectCategories/{ant,lotus}/image_0001.jpg": 0,
    ...         "caltech101/Annotations/about.txt": "outlines",
    ...     })
    ...     data = datasets.Caltech101(folder)
    ...     data.categories, data[1][1]
    (['ant', 'lotus'], 1)
    """

    _folder = "caltech101"
    _picture = "image_{one:04d}.jpg"
    # folders of outlines that are not named as those of their pictures
    _outlines = {
        "Faces": "Faces_2", "Faces_easy": "Faces_3", "Motorbikes": "Motorbikes_16",
        "airplanes": "Airplanes_Side_2",
    }  # fmt: skip

    def __init__(
        self,
        root: Root,
        target_type: list[str] | str = "category",
        transform: Transform | None = None,
        target_transform: Transform | None = None,
        download: bool = False,
    ) -> None:
        known = ("category", "annotation")
        self.target_type = choose_several(target_type, "target_type", known)
        super().__init__(root, transform, target_transform, download)
        self.annotation_categories = [self._outlines.get(one, one) for one in self.categories]

    def download(self) -> None:
        """Fetch the archive and unpack the two packed in it."""
        (pictures,) = self._needed()
        if pictures.exists():
            return
        base, name = self._base_folder, "caltech-101.zip"
        address = f"https://data.caltech.edu/records/mzrjq-6wc02/files/{name}"
        Archive(address, "3138e1922a9193bfa496528edbbc45d0").fetch(base)
        for packed in sorted((base / "caltech-101").glob("*.tar*")):
            extract(packed, base)

    def _names(self) -> Sequence[str]:
        return ("101_ObjectCategories",)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        image = load_pillow(self._image_files[index])
        targets = [self._target(kind, index) for kind in self.target_type]
        return self._transformed(image, joined(targets))

    def _target(self, kind: str, index: int) -> Any:
        number = self._labels[index]
        if kind == "category":
            return number
        name = f"annotation_{self.index[index]:04d}.mat"
        folder = self._base_folder / "Annotations" / self.annotation_categories[number]
        return read_matlab(folder / name, squeeze=False)["obj_contour"]

    def extra_repr(self) -> str:
        return f"Target type: {self.target_type}"
