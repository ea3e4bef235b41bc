"""Stereo pictures of rooms and yards, measured with care: Middlebury, InStereo2k, ETH3D."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from ..io import load_pillow
from .archives import Archive, Root, choose
from .planes import read_pfm
from .stereo import Shift, StereoPairs, grey_numbers
from .vision import Transform


class Middlebury2014Stereo(StereoPairs):
    """Scenes of rooms and things, finely measured; needs Pillow.

    Arguments: `split` is "train", "additional" or "test"; `calibration` "perfect", "imperfect",
    "both", of "test" None; `use_ambient_views` draws the right picture from those of other light
    (`random`). An item's mask says where the shift is known. Files: `root/Middlebury2014/{split}/
    Piano-perfect/im[01].png`, `im1[EL].png`, `disp[01].pfm`.
    Raises: ValueError; FileNotFoundError.
    Source: D. Scharstein et al., GCPR 2014, https://vision.middlebury.edu/stereo/data/scenes2014/;
    https://docs.pytorch.org/vision/stable/generated/torchvision.datasets.Middlebury2014Stereo.html

    >>> import tempfile
    >>> from rushlight.vision import datasets
    >>> from rushlight.vision.datasets.fake import fake_files
    >>> shift = b"Pf\\n6 4\\n-1.0\\n" + bytes(4 * 6 * 4)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fake_files(folder, {
    ...         "Middlebury2014/train/Piano-perfect/im{0,1}.png": 0,
    ...         "Middlebury2014/train/Piano-perfect/disp{0,1}.pfm": shift,
    ...     })
    ...     left, right, shift, known = datasets.Middlebury2014Stereo(folder)[0]
    ...     shift.shape, known.any().item()
    ((1, 4, 6), False)
    """

    _masked = True
    _name = "Middlebury2014"
    splits = {
        "train": (
            "Adirondack Jadeplant Motorcycle Piano Pipes Playroom Playtable Recycle Shelves Vintage"
        ).split(),
        "additional": (
            "Backpack Bicycle1 Cable Classroom1 Couch Flowers Mask Shopvac Sticks Storage Sword1 "
            "Sword2 Umbrella"
        ).split(),
        "test": (
            "Plants Classroom2E Classroom2 Australia DjembeL CrusadeP Crusade Hoops Bicycle2 "
            "Staircase Newkuba AustraliaP Djembe Livingroom Computer"
        ).split(),
    }

    def __init__(
        self,
        root: Root,
        split: str = "train",
        calibration: str | None = "perfect",
        use_ambient_views: bool = False,
        transforms: Transform | None = None,
        download: bool = False,
    ) -> None:
        super().__init__(root, transforms)
        self.split = choose(split, "split", ("train", "test", "additional"))
        self.use_ambient_views = use_ambient_views
        ends = _calibrations(split, calibration)
        if download:
            self._download()
        folder = self._base / split
        if not folder.exists():
            raise FileNotFoundError(
                f"The {split} directory was not found in the provided root directory"
            )
        if not any(path.name.startswith(tuple(self.splits[split])) for path in folder.iterdir()):
            raise FileNotFoundError(
                f"Provided root folder does not contain any scenes from the {split} split."
            )
        for end in ends:
            self._images += self._pairs(folder, f"*{end}/im0.png", f"*{end}/im1.png")
            if split != "test":
                self._disparities += self._pairs(folder, f"*{end}/disp0.pfm", f"*{end}/disp1.pfm")
        if split == "test":
            self._without()

    def _download(self) -> None:
        """Fetch the scenes of this part that are missing."""
        address, folder = "https://vision.middlebury.edu/stereo/", self._base / self.split
        if self.split != "test":
            for scene in self.splits[self.split]:
                for name in f"{scene}-perfect", f"{scene}-imperfect":
                    if not (folder / name).exists():
                        Archive(f"{address}data/scenes2014/zip/{name}.zip").fetch(folder).unlink()
        elif not all((folder / scene).exists() for scene in self.splits["test"]):
            Archive(f"{address}submit3/zip/MiddEval3-data-F.zip").fetch(self._base).unlink()
            folder.mkdir(exist_ok=True)
            for scene in (self._base / "MiddEval3" / "testF").iterdir():
                shutil.rmtree(folder / scene.name, ignore_errors=True)
                scene.replace(folder / scene.name)
            shutil.rmtree(self._base / "MiddEval3")

    def _picture(self, path: str) -> Any:
        chosen = Path(path)
        if chosen.name == "im1.png" and self.use_ambient_views:
            others = [chosen.with_name(name) for name in ("im1E.png", "im1L.png")]
            chosen = random.choice([*(one for one in others if one.exists()), chosen])
        return super()._picture(str(chosen))

    def _shift(self, path: str) -> Shift:
        shift = np.abs(read_pfm(path, 1))
        shift[shift == np.inf] = 0
        return shift, shift[0] > 0


def _calibrations(split: str, calibration: str | None) -> list[str]:
    """The ends of the names of scenes of a calibration."""
    if not calibration:
        if split != "test":
            raise ValueError(
                f"Split '{split}' has calibration settings, however None was provided as an "
                f"argument.\nSetting calibration to 'perfect' for split '{split}'. Available "
                "calibration settings are: 'perfect', 'imperfect', 'both'."
            )
        return [""]
    choose(calibration, "calibration", ("perfect", "imperfect", "both", None))  # pyright: ignore[reportArgumentType]  # torchvision's words for it
    if split == "test":
        raise ValueError(
            "Split 'test' has only no calibration settings, please set `calibration=None`."
        )
    return ["-perfect", "-imperfect"] if calibration == "both" else [f"-{calibration}"]


class InStereo2k(StereoPairs):
    """Pairs of pictures of rooms, to train and to test; needs Pillow.

    Arguments: `split` is "train" or "test". Files: `root/InStereo2k/{split}/scene/
    {left,right}.png` and `{left,right}_disp.png`.
    Raises: ValueError; FileNotFoundError.
    Source: W. Bao et al., https://github.com/YuhuaXu/StereoDataset;
    https://docs.pytorch.org/vision/stable/generated/torchvision.datasets.InStereo2k.html

    >>> import numpy as np
    >>> import tempfile
    >>> from rushlight.vision import datasets
    >>> from rushlight.vision.datasets.fake import fake_files
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fake_files(folder, {
    ...         "InStereo2k/train/room/{left,right}.png": 0,
    ...         "InStereo2k/train/room/{left,right}_disp.png": np.full((4, 6), 2048, np.uint16),
    ...     })
    ...     left, right, shift = datasets.InStereo2k(folder)[0]
    ...     shift.shape, shift[0, 0, 0].item()
    ((1, 4, 6), 2.0)
    """

    _name = "InStereo2k"

    def __init__(
        self, root: Root, split: str = "train", transforms: Transform | None = None
    ) -> None:
        super().__init__(root, transforms)
        folder = self._base / choose(split, "split", ("train", "test"))
        self._images = self._pairs(folder, "*/left.png", "*/right.png")
        self._disparities = self._pairs(folder, "*/left_disp.png", "*/right_disp.png")

    def _shift(self, path: str) -> Shift:
        return grey_numbers(path).astype(np.float32) / 1024.0, None


class ETH3DStereo(StereoPairs):
    """27 grey pairs of rooms and yards to train, 20 to test (no shift: None); needs Pillow.

    An item's mask says what both cameras see. Files: `root/ETH3D/two_view_training/scene/
    im[01].png`, `two_view_training_gt/scene/disp0GT.pfm` and `mask0nocc.png`; `two_view_test`.
    Raises: ValueError; FileNotFoundError.
    Source: T. Schöps et al., CVPR 2017, https://www.eth3d.net/datasets;
    https://docs.pytorch.org/vision/stable/generated/torchvision.datasets.ETH3DStereo.html

    >>> import numpy as np
    >>> import tempfile
    >>> from rushlight.vision import datasets
    >>> from rushlight.vision.datasets.fake import fake_files
    >>> shift = b"Pf\\n6 4\\n-1.0\\n" + bytes(4 * 6 * 4)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fake_files(folder, {
    ...         "ETH3D/two_view_training/yard/im{0,1}.png": 0,
    ...         "ETH3D/two_view_training_gt/yard/disp0GT.pfm": shift,
    ...         "ETH3D/two_view_training_gt/yard/mask0nocc.png": np.ones((4, 6), np.uint8),
    ...     })
    ...     left, right, shift, seen = datasets.ETH3DStereo(folder)[0]
    ...     shift.shape, seen.all().item()
    ((1, 4, 6), True)
    """

    _masked = True
    _name = "ETH3D"

    def __init__(
        self, root: Root, split: str = "train", transforms: Transform | None = None
    ) -> None:
        super().__init__(root, transforms)
        train = choose(split, "split", ("train", "test")) == "train"
        folder = self._base / ("two_view_training" if train else "two_view_test")
        self._images = self._pairs(folder, "*/im0.png", "*/im1.png")
        if train:
            self._disparities = self._pairs(self._base / "two_view_training_gt", "*/disp0GT.pfm")
        else:
            self._without()

    def _shift(self, path: str) -> Shift:
        seen = np.asarray(load_pillow(Path(path).with_name("mask0nocc.png"))).astype(bool)
        return np.abs(read_pfm(path, 1)), seen
