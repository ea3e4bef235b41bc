"""Places365 and INaturalist: millions of photographs of places and of what lives there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...core.errors import fail
from ...utils.errors import DataError
from ..io import load_pillow
from .archives import (
    NOT_WHOLE,
    Archive,
    Loader,
    Root,
    choose,
    choose_several,
    find_home,
    joined,
    need,
    read_lines,
)
from .folder import default_loader
from .vision import Transform, VisionDataset

PLACES = "http://data.csail.mit.edu/places/places365/"
NATURALIST = "https://ml-inat-competition-datasets.s3.amazonaws.com/"


class Places365(VisionDataset):
    """1.8 million (challenge: 8 million) photographs of 365 kinds of places; needs Pillow.

    Arguments: `split` is "train-standard", "train-challenge", "val" or "test" (no labels: None);
    `small` takes pictures of 256x256. `imgs` are (path, label), `targets` the labels. Files:
    `root/categories_places365.txt`, `places365_train_standard.txt`, `data_large_standard/`, ...
    Raises: RuntimeError "The file ... does not exist..."; ValueError.
    Source: B. Zhou et al., TPAMI 2017;
    https://docs.pytorch.org/vision/stable/generated/torchvision.datasets.Places365.html

    >>> import tempfile
    >>> from rushlight.vision import datasets
    >>> from rushlight.vision.datasets.fake import fake_files
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fake_files(folder, {
    ...         "categories_places365.txt": "/a/attic 0\\n/b/beach 1\\n",
    ...         "places365_val.txt": "1.jpg 1\\n",
    ...         "val_256/1.jpg": 0,
    ...     })
    ...     data = datasets.Places365(folder, "val", small=True)
    ...     data.classes, data[0][1]
    (['/a/attic', '/b/beach'], 1)
    """

    _kits = {
        "standard": "35a0585fee1fa656440f3ab298f8479c",
        "challenge": "70a8307e459c3de41690a7c76c931734",
    }
    _pictures = {
        ("train-standard", False): "67e186b496a84c929568076ed01a8aa1",
        ("train-challenge", False): "605f18e68e510c82b958664ea134545f",
        ("val", False): "9b71c4993ad89d2d8bcbdc4aef38042f",
        ("test", False): "41a4b6b724b1d2cd862fb3871ed59913",
        ("train-standard", True): "53ca1c756c3d1e7809517cc47c5561c5",
        ("train-challenge", True): "741915038a5e3471ec7332404dfb64ef",
        ("val", True): "e27b17d8d44f4af9a78502beb927f808",
        ("test", True): "f532f6ad7b582262a2ec8009075e186b",
    }

    def __init__(
        self,
        root: Root,
        split: str = "train-standard",
        small: bool = False,
        download: bool = False,
        transform: Transform | None = None,
        target_transform: Transform | None = None,
        loader: Loader = default_loader,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.split = choose(split, "split", ("train-standard", "train-challenge", "val", "test"))
        self.small, self.loader = small, loader
        listed = f"places365_{split.replace('-', '_')}.txt"
        names = "categories_places365.txt", listed
        self._base = find_home(root, *names)
        for path in (self._base / name for name in names):
            text = (
                f"The file {path} does not exist or is corrupted. You can set download=True to "
                "download it."
            )
            need([path], text, self._fetch_kit if download else None)
        if download and not Path(self.images_dir).exists():
            self._fetch_pictures()
        self._read(*(self._base / name for name in names))

    def _read(self, categories: Path, listed: Path) -> None:
        try:
            rows = [line.split() for line in read_lines(categories)]
            self.class_to_idx = {name: int(number) for name, number in rows}
            self.classes = sorted(self.class_to_idx)
            words = [line.split() for line in read_lines(listed)]
            self.targets = [int(row[1]) if len(row) > 1 else None for row in words]
        except ValueError as error:
            raise fail(DataError, f"{listed}: not a list of Places365's", str(error)) from error
        paths = [str(Path(self.images_dir, row[0].lstrip("/"))) for row in words]
        self.imgs = list(zip(paths, self.targets, strict=True))

    @property
    def variant(self) -> str:
        """ "standard", or "challenge" for its training part."""
        return "challenge" if "challenge" in self.split else "standard"

    @property
    def images_dir(self) -> str:
        """The folder of this part's pictures."""
        size, train = "256" if self.small else "large", self.split.startswith("train")
        name = f"data_{size}_{self.variant}" if train else f"{self.split}_{size}"
        return str(self._base / name)

    def _fetch_kit(self) -> None:
        name = f"filelist_places365-{self.variant}.tar"
        Archive(PLACES + name, self._kits[self.variant]).fetch(self._base)

    def _fetch_pictures(self) -> None:
        folder, start = Path(self.images_dir), self.split.split("-")[0]
        end = f"_places365{self.variant}" if start == "train" else ""
        name = f"{start}_{'256' if self.small else 'large'}{end}.tar"
        Archive(PLACES + name, self._pictures[self.split, self.small]).fetch(self._base)
        if start == "train":  # both training parts are packed under one name
            Path(str(folder).rsplit("_", 1)[0]).replace(folder)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        path, target = self.imgs[index]
        return self._transformed(self.loader(path), target)

    def __len__(self) -> int:
        return len(self.imgs)

    def extra_repr(self) -> str:
        return f"Split: {self.split}\nSmall: {self.small}"


class INaturalist(VisionDataset):
    """Photographs of animals and plants, by species; needs Pillow.

    Arguments: `version` is "2017", "2018", "2019", "2021_train", "2021_train_mini" or
    "2021_valid"; `target_type` is "full" (the species), up to 2019 "super", of 2021 "kingdom",
    "phylum", "class", "order", "family", "genus", or a list. Files:
    `root/2021_train/00000_Animalia_..._terrestris/*.jpg`, `root/2019/Amphibians/42/*.jpg`.
    Raises: RuntimeError "Dataset not found or corrupted..." or what is unexpected; ValueError.
    Source: G. Van Horn et al., https://arxiv.org/abs/1707.06642;
    https://docs.pytorch.org/vision/stable/generated/torchvision.datasets.INaturalist.html

    >>> import tempfile
    >>> from rushlight.vision import datasets
    >>> from rushlight.vision.datasets.fake import fake_files
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fake_files(folder, {"2019/Birds/{0,1}/a.jpg": 0})
    ...     data = datasets.INaturalist(folder, "2019")
    ...     len(data), data[1][1], data.category_name("full", 1)
    (2, 1, 'Birds/1')
    """

    _archives = {
        "2017": ("2017/train_val_images", "7c784ea5e424efaec655bd392f87301f"),
        "2018": ("2018/train_val2018", "b1c6952ce38f31868cc50ea72d066cc3"),
        "2019": ("2019/train_val2019", "c60a6e2962c9b8ccbd458d12c8582644"),
        "2021_train": ("2021/train", "e0526d53c7f7b2e3167b2b43bb2690ed"),
        "2021_train_mini": ("2021/train_mini", "db6ed8330e634445efc8fec83ae81442"),
        "2021_valid": ("2021/val", "f6f6e0e242e3d4c9569ba56400938afc"),
    }
    _ranks = ("kingdom", "phylum", "class", "order", "family", "genus")

    def __init__(
        self,
        root: Root,
        version: str = "2021_train",
        target_type: list[str] | str = "full",
        transform: Transform | None = None,
        target_transform: Transform | None = None,
        download: bool = False,
        loader: Loader | None = None,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.version = choose(version, "version", tuple(self._archives))
        home = find_home(root, version)
        need([home / version], NOT_WHOLE, (lambda: self._fetch(home)) if download else None)
        self.root, self.loader = str(home / version), loader
        new = version.startswith("2021")
        known = ("full", *self._ranks) if new else ("full", "super")
        self.target_type = choose_several(target_type, "target_type", known)
        self.all_categories: list[str] = []
        self.categories_index: dict[str, dict[str, int]] = {}
        self.categories_map: list[dict[str, int]] = []
        (self._number_ranks if new else self._number_supers)(home / version)
        self.index = [
            (number, path.name)
            for number, name in enumerate(self.all_categories)
            for path in sorted(Path(self.root, name).iterdir())
        ]

    def _fetch(self, home: Path) -> None:
        start, md5 = self._archives[self.version]
        Archive(f"{NATURALIST}{start}.tar.gz", md5).fetch(home)
        (home / start.split("/")[1]).replace(home / self.version)

    def _number_ranks(self, folder: Path) -> None:
        """Of 2021: a folder's name is a number, six ranks and the species."""
        self.all_categories = sorted(path.name for path in folder.iterdir())
        self.categories_index = {rank: {} for rank in self._ranks}
        for number, name in enumerate(self.all_categories):
            words = name.split("_")
            if len(words) != 8:
                raise RuntimeError(f"Unexpected category name {name}, wrong number of pieces")
            if words[0] != f"{number:05d}":
                raise RuntimeError(f"Unexpected category id {words[0]}, expecting {number:05d}")
            found = {}
            for rank, word in zip(self._ranks, words[1:7], strict=True):
                known = self.categories_index[rank]
                found[rank] = known.setdefault(word, len(known))
            self.categories_map.append(found)

    def _number_supers(self, folder: Path) -> None:
        """Up to 2019: folders of the larger categories, and in them of the smaller by number."""
        supers = sorted(path.name for path in folder.iterdir())
        self.categories_index = {"super": {name: number for number, name in enumerate(supers)}}
        found: dict[int, tuple[str, int]] = {}
        for number, name in enumerate(supers):
            for species in sorted(path.name for path in (folder / name).iterdir()):
                if self.version != "2017" and not species.isdecimal():
                    raise RuntimeError(f"Unexpected non-numeric dir name: {species}")
                place = len(found) if self.version == "2017" else int(species)
                if place in found:
                    raise RuntimeError(f"Duplicate category {species}")
                found[place] = f"{name}/{species}", number
        for place in range(max(found, default=-1) + 1):
            if place not in found:
                raise RuntimeError(f"Missing category {place}")
            path, number = found[place]
            self.all_categories.append(path)
            self.categories_map.append({"super": number})

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        number, name = self.index[index]
        path = Path(str(self.root), self.all_categories[number], name)
        image = load_pillow(path) if self.loader is None else self.loader(str(path))
        found = self.categories_map[number]
        targets = [number if kind == "full" else found[kind] for kind in self.target_type]
        return self._transformed(image, joined(targets))

    def category_name(self, category_type: str, category_id: int) -> str:
        """The name of a category by its kind ("full", "genus", ...) and number.

        Raises: ValueError.
        """
        if category_type == "full":
            return self.all_categories[category_id]
        if category_type not in self.categories_index:
            raise ValueError(f"Invalid category type '{category_type}'")
        for name, number in self.categories_index[category_type].items():
            if number == category_id:
                return name
        raise ValueError(f"Invalid category id {category_id} for {category_type}")

    def __len__(self) -> int:
        return len(self.index)
