"""Data sets that are folders of classes once they are unpacked."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import rushlight as rl

from ...core.errors import fail
from ...utils.archive import extract
from ...utils.download import Expected
from ...utils.errors import DataError
from .archives import Archive, Loader, Root, choose, find_home, need
from .folder import ImageFolder, default_loader
from .listed import CLIP
from .matlab import read_matlab
from .vision import Transform


class EuroSAT(ImageFolder):
    """27,000 satellite pictures of 10 kinds of land; needs Pillow.

    Files: `root/eurosat/2750/AnnualCrop/*.jpg`, ...
    Raises: RuntimeError "Dataset not found...".
    Source: P. Helber et al., https://arxiv.org/abs/1709.00029;
    https://docs.pytorch.org/vision/stable/generated/torchvision.datasets.EuroSAT.html

    >>> import tempfile
    >>> from rushlight.vision import datasets
    >>> from rushlight.vision.datasets.fake import fake_files
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fake_files(folder, {"eurosat/2750/{Forest,River}/1.jpg": 0})
    ...     data = datasets.EuroSAT(folder)
    ...     data.classes, data[1][1]
    (['Forest', 'River'], 1)
    """

    def __init__(
        self,
        root: Root,
        transform: Transform | None = None,
        target_transform: Transform | None = None,
        download: bool = False,
        loader: Loader = default_loader,
    ) -> None:
        base = find_home(root, "2750", below=["eurosat"])
        address = "https://huggingface.co/datasets/torchgeo/eurosat/resolve/"
        archive = Archive(
            address + "c877bcd43f099cd0196738f714544e355477f3fd/EuroSAT.zip",
            "c8fa014336c82ac7804f0398fcb19387",
        )
        need([base / "2750"], fetch=(lambda: archive.fetch(base)) if download else None)
        super().__init__(base / "2750", transform, target_transform, loader)
        self.root = os.path.expanduser(root)


class Country211(ImageFolder):
    """63,300 pictures of 211 countries; needs Pillow.

    Files: `root/country211/{train,valid,test}/AD/*.jpg`, ...
    Raises: RuntimeError "Dataset not found..."; ValueError.
    Source: A. Radford et al., https://arxiv.org/abs/2103.00020;
    https://docs.pytorch.org/vision/stable/generated/torchvision.datasets.Country211.html

    >>> import tempfile
    >>> from rushlight.vision import datasets
    >>> from rushlight.vision.datasets.fake import fake_files
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fake_files(folder, {"country211/valid/{AD,FR}/1.jpg": 0})
    ...     data = datasets.Country211(folder, "valid")
    ...     data.classes, data[1][1]
    (['AD', 'FR'], 1)
    """

    def __init__(
        self,
        root: Root,
        split: str = "train",
        transform: Transform | None = None,
        target_transform: Transform | None = None,
        download: bool = False,
        loader: Loader = default_loader,
    ) -> None:
        self._split = choose(split, "split", ("train", "valid", "test"))
        home = find_home(root, "country211")
        archive = Archive(CLIP + "country211.tgz", "84988d7644798601126c29e9877aab6a")
        need([home / "country211"], fetch=(lambda: archive.fetch(home)) if download else None)
        super().__init__(home / "country211" / split, transform, target_transform, loader)
        self.root = os.path.expanduser(root)


class ImageNet(ImageFolder):
    """ILSVRC 2012: 1,281,167 pictures of 1,000 classes to train, 50,000 to validate.

    The archives are not public: what is in `root` of `ILSVRC2012_devkit_t12.tar.gz`,
    `ILSVRC2012_img_train.tar` and `ILSVRC2012_img_val.tar` is unpacked once, as torchvision does
    it (`root/train/n01440764/...`, `root/meta.bin`). Needs Pillow, for the kit SciPy too.
    `classes` are tuples of names; `wnids` are the folders' names.
    Raises: RuntimeError for an archive that is missing or not the known one; ValueError.
    Source: O. Russakovsky et al., https://arxiv.org/abs/1409.0575;
    https://docs.pytorch.org/vision/stable/generated/torchvision.datasets.ImageNet.html

    >>> import rushlight as torch
    >>> import tempfile
    >>> from rushlight.vision import datasets
    >>> from rushlight.vision.datasets.fake import fake_files
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fake_files(folder, {"val/n01440764/1.JPEG": 0})
    ...     names = {"n01440764": ("tench", "Tinca tinca")}
    ...     torch.save((names, ["n01440764"]), f"{folder}/meta.bin")  # as it is made of the kit
    ...     data = datasets.ImageNet(folder, "val")
    ...     data.classes, data.wnids
    ([('tench', 'Tinca tinca')], ['n01440764'])
    """

    archives = {
        "train": ("ILSVRC2012_img_train.tar", "1d675b47d978889d74fa0da5fadfb00e"),
        "val": ("ILSVRC2012_img_val.tar", "29b22e2961454d5413ddabcf34fc5622"),
        "devkit": ("ILSVRC2012_devkit_t12.tar.gz", "fa75699e90414af021442c21a62c3abf"),
    }

    def __init__(self, root: Root, split: str = "train", **kwargs: Any) -> None:
        self.split = choose(split, "split", ("train", "val"))
        self._place = find_home(root, "meta.bin", split)
        self._parse()
        names, _ = rl.load(self._place / "meta.bin", weights_only=True)
        super().__init__(self.split_folder, **kwargs)
        self.root = str(self._place)
        self.wnids, self.wnid_to_idx = self.classes, self.class_to_idx
        self.classes: list[Any] = [names[one] for one in self.wnids]
        self.class_to_idx = {
            name: number for number, several in enumerate(self.classes) for name in several
        }

    @property
    def split_folder(self) -> str:
        """The folder of this part's classes."""
        return str(self._place / self.split)

    def extra_repr(self) -> str:
        return f"Split: {self.split}"

    def _archive(self, part: str) -> Path:
        name, md5 = self.archives[part]
        path = self._place / name
        if not path.exists() or (wrong := Expected(md5=md5).mismatch(path)):
            raise fail(
                RuntimeError,
                f"The archive {name} is not present in the root directory or is corrupted. "
                f"You need to download it externally and place it in {self._place}.",
                *([wrong] if path.exists() else []),
            )
        return path

    def _parse(self) -> None:
        if not (self._place / "meta.bin").exists():
            self._unpack(self._read_kit, "devkit")
        if not Path(self.split_folder).is_dir():
            sort = self._sort_train if self.split == "train" else self._sort_val
            self._unpack(sort, self.split)

    def _unpack(self, then: Callable[[Path], None], part: str) -> None:
        """Unpack beside the data, so that a run that is cut leaves no half of a part."""
        archive = self._archive(part)
        with tempfile.TemporaryDirectory(prefix=".unpack-", dir=self._place) as scratch:
            extract(archive, scratch)
            then(Path(scratch))

    def _read_kit(self, scratch: Path) -> None:
        data = scratch / "ILSVRC2012_devkit_t12" / "data"
        synsets = [tuple(row)[:5] for row in read_matlab(data / "meta.mat")["synsets"]]
        leaves = [row for row in synsets if row[4] == 0]  # the others have classes below them
        names = {str(row[1]): tuple(str(row[2]).split(", ")) for row in leaves}
        folders = {int(row[0]): str(row[1]) for row in leaves}
        truth = (data / "ILSVRC2012_validation_ground_truth.txt").read_text("utf-8").split()
        rl.save((names, [folders[int(one)] for one in truth]), self._place / "meta.bin")

    def _sort_train(self, scratch: Path) -> None:
        for packed in sorted(scratch.glob("*.tar")):
            extract(packed, packed.with_suffix(""))
            packed.unlink()
        self._keep(scratch)

    def _sort_val(self, scratch: Path) -> None:
        _, folders = rl.load(self._place / "meta.bin", weights_only=True)
        pictures = sorted(path for path in scratch.iterdir() if path.is_file())
        if len(pictures) != len(folders):
            archive = self._place / self.archives["val"][0]
            raise DataError(f"{archive}: {len(pictures)} pictures, {len(folders)} classes")
        for folder, picture in zip(folders, pictures, strict=True):
            (scratch / folder).mkdir(exist_ok=True)
            picture.rename(scratch / folder / picture.name)
        self._keep(scratch)

    def _keep(self, scratch: Path) -> None:
        whole = scratch / "whole"
        whole.mkdir()
        for path in list(scratch.iterdir()):
            if path != whole:
                shutil.move(path, whole / path.name)
        os.replace(whole, self.split_folder)
