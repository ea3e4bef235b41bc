"""Data sets whose archives hold pictures and lists of their labels."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from .archives import (
    NOT_WHOLE,
    Archive,
    ListedPictures,
    Loader,
    Root,
    SplitPictures,
    choose,
    read_lines,
)
from .folder import default_loader, find_classes, make_dataset
from .vision import Transform

OXFORD = "https://www.robots.ox.ac.uk/~vgg/data/"
CLIP = "https://openaipublic.azureedge.net/clip/data/"


class Food101(SplitPictures):
    """101 dishes, 750 photographs of each to train and 250 to test; needs Pillow.

    Files: `root/food-101/meta/{split}.json` and `images/`; `download=True` fetches 5 GB.
    Raises: RuntimeError "Dataset not found..." with the paths that are missing; ValueError.
    Source: L. Bossard, M. Guillaumin, L. Van Gool, ECCV 2014;
    https://docs.pytorch.org/vision/stable/generated/torchvision.datasets.Food101.html

    >>> import tempfile
    >>> from rushlight.vision import datasets
    >>> from rushlight.vision.datasets.fake import fake_files
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fake_files(folder, {
    ...         "food-101/images/pie/1.jpg": 0,
    ...         "food-101/meta/train.json": '{"pie": ["pie/1"]}',
    ...     })
    ...     data = datasets.Food101(folder)
    ...     data[0][0].size, data.classes[data[0][1]]
    ((6, 4), 'pie')
    """

    def _archives(self) -> Iterable[Archive]:
        yield Archive(
            "http://data.vision.ee.ethz.ch/cvl/food-101.tar.gz", "85eeb15f3717b99a5da872d97d918f87"
        )

    def _names(self) -> Sequence[str]:
        return "food-101/meta", "food-101/images"

    def _list(self) -> Iterable[tuple[Path, int]]:
        meta, images = self._needed()
        found = json.loads((meta / f"{self._split}.json").read_text("utf-8"))
        numbers = self._name_classes(sorted(found))
        for name, pictures in found.items():
            for picture in pictures:
                yield images / f"{picture}.jpg", numbers[name]


class DTD(ListedPictures):
    """5,640 pictures of 47 textures, in ten partitions of thirds; needs Pillow.

    Files: `root/dtd/dtd/labels/{split}{partition}.txt` and `images/`.
    Raises: RuntimeError "Dataset not found..."; ValueError for another `split` or `partition`.
    Source: M. Cimpoi et al., CVPR 2014;
    https://docs.pytorch.org/vision/stable/generated/torchvision.datasets.DTD.html

    >>> import tempfile
    >>> from rushlight.vision import datasets
    >>> from rushlight.vision.datasets.fake import fake_files
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fake_files(folder, {
    ...         "dtd/dtd/images/{dotted,lined}/1.jpg": 0,
    ...         "dtd/dtd/labels/val3.txt": "lined/1.jpg\\ndotted/1.jpg\\n",
    ...     })
    ...     data = datasets.DTD(folder, "val", partition=3)
    ...     data.classes, data[0][1]
    (['dotted', 'lined'], 1)
    """

    _folder = "dtd"

    def __init__(
        self,
        root: Root,
        split: str = "train",
        partition: int = 1,
        transform: Transform | None = None,
        target_transform: Transform | None = None,
        download: bool = False,
        loader: Loader = default_loader,
    ) -> None:
        self._split = choose(split, "split", ("train", "val", "test"))
        if not isinstance(partition, int) or not 1 <= partition <= 10:
            raise ValueError(
                "Parameter 'partition' should be an integer with `1 <= partition <= 10`, "
                f"but got {partition} instead"
            )
        self._partition = partition
        super().__init__(root, transform, target_transform, download, loader)

    def _archives(self) -> Iterable[Archive]:
        yield Archive(OXFORD + "dtd/download/dtd-r1.0.1.tar.gz", "fff73e5086ae6bdbea199a49dfb8a4c1")

    def _names(self) -> Sequence[str]:
        return ("dtd",)

    def _list(self) -> Iterable[tuple[Path, int]]:
        (folder,) = self._needed()
        names = read_lines(folder / "labels" / f"{self._split}{self._partition}.txt")
        numbers = self._name_classes(sorted({name.split("/")[0] for name in names}))
        for name in names:
            yield folder / "images" / name, numbers[name.split("/")[0]]

    def extra_repr(self) -> str:
        return f"split={self._split}, partition={self._partition}"


class FGVCAircraft(ListedPictures):
    """10,000 photographs of aircraft, told by variant, family or manufacturer; needs Pillow.

    Files: `root/fgvc-aircraft-2013b/data/images_{annotation_level}_{split}.txt` and `images/`.
    Raises: RuntimeError "Dataset not found..."; ValueError.
    Source: S. Maji et al., https://arxiv.org/abs/1306.5151;
    https://docs.pytorch.org/vision/stable/generated/torchvision.datasets.FGVCAircraft.html

    >>> import tempfile
    >>> from rushlight.vision import datasets
    >>> from rushlight.vision.datasets.fake import fake_files
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fake_files(folder, {
    ...         "fgvc-aircraft-2013b/data/images/7.jpg": 0,
    ...         "fgvc-aircraft-2013b/data/manufacturers.txt": "Airbus\\nBoeing\\n",
    ...         "fgvc-aircraft-2013b/data/images_manufacturer_test.txt": "7 Boeing\\n",
    ...     })
    ...     data = datasets.FGVCAircraft(folder, "test", "manufacturer")
    ...     data[0][0].size, data.classes[data[0][1]]
    ((6, 4), 'Boeing')
    """

    _levels = {
        "variant": "variants.txt",
        "family": "families.txt",
        "manufacturer": "manufacturers.txt",
    }

    def __init__(
        self,
        root: Root,
        split: str = "trainval",
        annotation_level: str = "variant",
        transform: Transform | None = None,
        target_transform: Transform | None = None,
        download: bool = False,
        loader: Loader = default_loader,
    ) -> None:
        self._split = choose(split, "split", ("train", "val", "trainval", "test"))
        self._annotation_level = choose(annotation_level, "annotation_level", tuple(self._levels))
        super().__init__(root, transform, target_transform, download, loader)

    def _archives(self) -> Iterable[Archive]:
        yield Archive(OXFORD + "fgvc-aircraft/archives/fgvc-aircraft-2013b.tar.gz")

    def _names(self) -> Sequence[str]:
        return ("fgvc-aircraft-2013b/data",)

    def _list(self) -> Iterable[tuple[str, int]]:
        (folder,) = self._needed()
        numbers = self._name_classes(read_lines(folder / self._levels[self._annotation_level]))
        for line in read_lines(folder / f"images_{self._annotation_level}_{self._split}.txt"):
            picture, name = line.split(" ", 1)
            yield str(folder / "images" / f"{picture}.jpg"), numbers[name]


class GTSRB(SplitPictures):
    """39,270 German traffic signs of 43 kinds (26,640 to train); needs Pillow.

    Files: `root/gtsrb/GTSRB/Training/...`, or `Final_Test/Images` with `GT-final_test.csv`.
    Raises: RuntimeError "Dataset not found..."; ValueError.
    Source: J. Stallkamp et al., IJCNN 2011;
    https://docs.pytorch.org/vision/stable/generated/torchvision.datasets.GTSRB.html

    >>> import tempfile
    >>> from rushlight.vision import datasets
    >>> from rushlight.vision.datasets.fake import fake_files
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fake_files(folder, {"gtsrb/GTSRB/Training/{00000,00001}/x.ppm": 0})
    ...     data = datasets.GTSRB(folder)
    ...     len(data), data[1][1]
    (2, 1)
    """

    _folder = "gtsrb"

    def _archives(self) -> Iterable[Archive]:
        address = "https://sid.erda.dk/public/archives/daaeac0d7ce1152aea9b61d9f1e19370/"
        if self._split == "train":
            yield Archive(address + "GTSRB-Training_fixed.zip", "513f3c79a4c5141765e10e952eaa2478")
            return
        yield Archive(address + "GTSRB_Final_Test_Images.zip", "c7e4e6327067d32654124b0fe9e82185")
        yield Archive(address + "GTSRB_Final_Test_GT.zip", "fe31e9c9270bbcd7b84b7f21a9d9d9e5")

    def _names(self) -> Sequence[str]:
        return ("GTSRB/Training" if self._split == "train" else "GTSRB/Final_Test/Images",)

    def _list(self) -> Iterable[tuple[str, int]]:
        (folder,) = self._needed()
        if self._split == "train":
            yield from make_dataset(str(folder), extensions=(".ppm",))
            return
        with open(self._base_folder / "GT-final_test.csv", newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file, delimiter=";", skipinitialspace=True):
                yield str(folder / row["Filename"]), int(row["ClassId"])

    def extra_repr(self) -> str:
        return ""


class RenderedSST2(SplitPictures):
    """Sentences of film reviews as pictures, negative or positive; needs Pillow.

    Files: `root/rendered-sst2/{train,valid,test}/{negative,positive}/*.png`.
    Raises: RuntimeError "Dataset not found..."; ValueError.
    Source: https://github.com/openai/CLIP/blob/main/data/rendered-sst2.md;
    https://docs.pytorch.org/vision/stable/generated/torchvision.datasets.RenderedSST2.html

    >>> import tempfile
    >>> from rushlight.vision import datasets
    >>> from rushlight.vision.datasets.fake import fake_files
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fake_files(folder, {"rendered-sst2/valid/{negative,positive}/0.png": 0})
    ...     data = datasets.RenderedSST2(folder, "val")
    ...     data.classes, data[1][1]
    (['negative', 'positive'], 1)
    """

    _splits = ("train", "val", "test")

    def _archives(self) -> Iterable[Archive]:
        yield Archive(CLIP + "rendered-sst2.tgz", "2384d08e9dcfa4bd55b324e610496ee5")

    def _names(self) -> Sequence[str]:
        part = "valid" if self._split == "val" else self._split
        return [f"rendered-sst2/{part}/{label}" for label in ("negative", "positive")]

    def _list(self) -> Iterable[tuple[str, int]]:
        negative, _ = self._needed()
        numbers = self._name_classes(("negative", "positive"))
        yield from make_dataset(str(negative.parent), numbers, extensions=("png",))


class CLEVRClassification(SplitPictures):
    """Drawn scenes of three to ten bodies; the label is how many there are; needs Pillow.

    Files: `root/clevr/CLEVR_v1.0/images/{split}` and `scenes/CLEVR_{split}_scenes.json`. The
    test part has no labels: None.
    Raises: RuntimeError "Dataset not found or corrupted..."; ValueError.
    Source: J. Johnson et al., https://arxiv.org/abs/1612.06890;
    https://docs.pytorch.org/vision/stable/generated/torchvision.datasets.CLEVRClassification.html

    >>> import json
    >>> import tempfile
    >>> from rushlight.vision import datasets
    >>> from rushlight.vision.datasets.fake import fake_files
    >>> scenes = [{"image_filename": "1.png", "objects": ["cube", "ball", "ball"]}]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fake_files(folder, {
    ...         "clevr/CLEVR_v1.0/images/train/1.png": 0,
    ...         "clevr/CLEVR_v1.0/scenes/CLEVR_train_scenes.json": json.dumps({"scenes": scenes}),
    ...     })
    ...     datasets.CLEVRClassification(folder)[0][1]
    3
    """

    _splits = ("train", "val", "test")
    _folder = "clevr"
    _missing = NOT_WHOLE

    def _archives(self) -> Iterable[Archive]:
        yield Archive(
            "https://dl.fbaipublicfiles.com/clevr/CLEVR_v1.0.zip",
            "b11922020e72d0cd9154779b2d3d07d2",
        )

    def _names(self) -> Sequence[str]:
        return ("CLEVR_v1.0",)

    def _list(self) -> Iterable[tuple[Path, int | None]]:
        (folder,) = self._needed()
        counts: dict[str, int] = {}
        if self._split != "test":
            path = folder / "scenes" / f"CLEVR_{self._split}_scenes.json"
            scenes = json.loads(path.read_text("utf-8"))["scenes"]
            counts = {scene["image_filename"]: len(scene["objects"]) for scene in scenes}
        for picture in sorted((folder / "images" / self._split).glob("*")):
            yield picture, counts.get(picture.name)


class SUN397(ListedPictures):
    """108,754 pictures of 397 kinds of places; needs Pillow.

    Files: `root/SUN397/ClassName.txt` and `a/abbey/sun_*.jpg`, ...
    Raises: RuntimeError "Dataset not found...".
    Source: J. Xiao et al., CVPR 2010;
    https://docs.pytorch.org/vision/stable/generated/torchvision.datasets.SUN397.html

    >>> import tempfile
    >>> from rushlight.vision import datasets
    >>> from rushlight.vision.datasets.fake import fake_files
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fake_files(folder, {
    ...         "SUN397/{a/abbey,b/bow_window/indoor}/sun_1.jpg": 0,
    ...         "SUN397/ClassName.txt": "/a/abbey\\n/b/bow_window/indoor\\n",
    ...     })
    ...     data = datasets.SUN397(folder)
    ...     len(data), data.classes
    (2, ['abbey', 'bow_window/indoor'])
    """

    def _archives(self) -> Iterable[Archive]:
        yield Archive(
            "http://vision.princeton.edu/projects/2010/SUN/SUN397.tar.gz",
            "8ca2778205c41d23104230ba66911c7a",
        )

    def _names(self) -> Sequence[str]:
        return ("SUN397",)

    def _list(self) -> Iterable[tuple[Path, int]]:
        (folder,) = self._needed()
        # a line is "/a/abbey": the letter is only a folder
        numbers = self._name_classes([line[3:] for line in read_lines(folder / "ClassName.txt")])
        for picture in folder.rglob("sun_*.jpg"):
            yield picture, numbers["/".join(picture.relative_to(folder).parts[1:-1])]


class Imagenette(ListedPictures):
    """Ten classes of ImageNet that are easily told apart, in three sizes; needs Pillow.

    Files: `root/imagenette2{,-320,-160}/{train,val}/n.../*.JPEG`.
    Raises: RuntimeError "Dataset not found..."; ValueError.
    Source: J. Howard, https://github.com/fastai/imagenette;
    https://docs.pytorch.org/vision/stable/generated/torchvision.datasets.Imagenette.html

    >>> import tempfile
    >>> from rushlight.vision import datasets
    >>> from rushlight.vision.datasets.fake import fake_files
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fake_files(folder, {"imagenette2-160/val/{n01440764,n03000684}/1.JPEG": 0})
    ...     data = datasets.Imagenette(folder, "val", "160px")
    ...     data.classes[data[1][1]]
    ('chain saw', 'chainsaw')
    """

    _sizes = {
        "full": ("imagenette2", "fe2fc210e6bb7c5664d602c3cd71e612"),
        "320px": ("imagenette2-320", "3df6f0d01a2c9592104656642f5e78a3"),
        "160px": ("imagenette2-160", "e793b78cc4c9e9a4ccc0c1155377a412"),
    }
    _called: dict[str, tuple[str, ...]] = {
        "n01440764": ("tench", "Tinca tinca"),
        "n02102040": ("English springer", "English springer spaniel"),
        "n02979186": ("cassette player",),
        "n03000684": ("chain saw", "chainsaw"),
        "n03028079": ("church", "church building"),
        "n03394916": ("French horn", "horn"),
        "n03417042": ("garbage truck", "dustcart"),
        "n03425413": ("gas pump", "gasoline pump", "petrol pump", "island dispenser"),
        "n03445777": ("golf ball",),
        "n03888257": ("parachute", "chute"),
    }
    _missing = "Dataset not found. You can use download=True to download it."

    def __init__(
        self,
        root: Root,
        split: str = "train",
        size: str = "full",
        download: bool = False,
        transform: Transform | None = None,
        target_transform: Transform | None = None,
        loader: Loader = default_loader,
    ) -> None:
        self._split = choose(split, "split", ("train", "val"))
        self._size = choose(size, "size", tuple(self._sizes))
        super().__init__(root, transform, target_transform, download, loader)

    def _archives(self) -> Iterable[Archive]:
        name, md5 = self._sizes[self._size]
        yield Archive(f"https://s3.amazonaws.com/fast-ai-imageclas/{name}.tgz", md5)

    def _names(self) -> Sequence[str]:
        return (self._sizes[self._size][0],)

    def _list(self) -> Iterable[tuple[str, int]]:
        (folder,) = self._needed()
        self.wnids, self.wnid_to_idx = find_classes(folder / self._split)
        self.classes: list[Any] = [self._called[one] for one in self.wnids]
        self.class_to_idx = {
            name: number for one, number in self.wnid_to_idx.items() for name in self._called[one]
        }
        yield from make_dataset(folder / self._split, self.wnid_to_idx, extensions=".jpeg")
