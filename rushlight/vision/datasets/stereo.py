"""Data sets of two cameras: a picture of each and by how much what they see is shifted."""

from __future__ import annotations

import glob
import json
from pathlib import Path
from typing import Any

import numpy as np

from ..io import load_pillow
from .archives import Root, choose, find_home
from .flow import PASSES
from .planes import read_pfm
from .vision import Transform, VisionDataset

Shift = tuple[np.ndarray | None, np.ndarray | None]
Pair = tuple[str | None, str | None]


class StereoPairs(VisionDataset):
    """Pairs of pictures with files of the left and the right shift ("disparity").

    An item is the left and the right picture, the left shift (1, H, W), and where it is known,
    (H, W) bool, if the set or the transforms say that. `transforms` are given pairs: pictures,
    shifts, masks.
    """

    transforms: Any
    _masked = False  # whether an item has a mask, or None in its place
    _name: str  # the folder of the set

    def __init__(self, root: Root, transforms: Transform | None = None) -> None:
        super().__init__(root, transforms)
        self._images: list[Any] = []
        self._disparities: list[Pair] = []
        self._base = find_home(root, self._name) / self._name

    def _pairs(self, folder: Path, left: str, right: str | None = None) -> list[Any]:
        """The files below `folder` that the two patterns fit; without `right` None is there."""
        patterns = [str(folder / one) for one in (left, right) if one is not None]
        lists: list[Any] = [sorted(glob.glob(one)) for one in patterns]
        for one, paths in zip(patterns, lists, strict=True):
            if not paths:
                raise FileNotFoundError(f"Could not find any files matching the patterns: {one}")
        if right is None:
            lists.append([None] * len(lists[0]))
        if len(lists[0]) != len(lists[1]):
            raise ValueError(
                f"Found {len(lists[0])} left files but {len(lists[1])} right files using:\n "
                f"left pattern: {patterns[0]}\nright pattern: {patterns[1]}\n"
            )
        return list(zip(*lists, strict=True))

    def _without(self) -> None:
        """Note that no picture has a known shift."""
        self._disparities = [(None, None)] * len(self._images)

    def _picture(self, path: str) -> Any:
        return load_pillow(path, "RGB")

    def _shift(self, path: str) -> Shift:
        """The shift in a file and where it is known."""
        return np.abs(read_pfm(path, 1)), None

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        pictures = tuple(self._picture(path) for path in self._images[index])
        read = [
            (None, None) if path is None else self._shift(path) for path in self._disparities[index]
        ]
        shifts, masks = tuple(one for one, _ in read), tuple(one for _, one in read)
        if self.transforms is not None:
            pictures, shifts, masks = self.transforms(pictures, shifts, masks)
        found = pictures[0], pictures[1], shifts[0]
        return (*found, masks[0]) if self._masked or masks[0] is not None else found

    def __len__(self) -> int:
        return len(self._images)


def grey_numbers(path: str) -> np.ndarray:
    """The numbers of a grey picture, (1, H, W)."""
    return np.asarray(load_pillow(path))[None]


class CarlaStereo(StereoPairs):
    """Scenes of the driving simulator CARLA; needs Pillow.

    Files: `root/carla-highres/trainingF/scene/im[01].png` and `disp[01]GT.pfm`.
    Raises: FileNotFoundError; ValueError where the sides have not as many files.
    Source: https://github.com/megvii-research/CREStereo;
    https://docs.pytorch.org/vision/stable/generated/torchvision.datasets.CarlaStereo.html

    >>> import tempfile
    >>> from rushlight.vision import datasets
    >>> from rushlight.vision.datasets.fake import fake_files
    >>> shift = b"Pf\\n6 4\\n-1.0\\n" + bytes(4 * 6 * 4)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fake_files(folder, {
    ...         "carla-highres/trainingF/town/im{0,1}.png": 0,
    ...         "carla-highres/trainingF/town/disp{0,1}GT.pfm": shift,
    ...     })
    ...     left, right, shift = datasets.CarlaStereo(folder)[0]
    ...     left.size, shift.shape
    ((6, 4), (1, 4, 6))
    """

    _name = "carla-highres"

    def __init__(self, root: Root, transforms: Transform | None = None) -> None:
        super().__init__(root, transforms)
        folder = self._base / "trainingF"
        self._images = self._pairs(folder, "*/im0.png", "*/im1.png")
        self._disparities = self._pairs(folder, "*/disp0GT.pfm", "*/disp1GT.pfm")


class _KittiStereo(StereoPairs):
    """Street scenes of two parts, whose shifts are stored in 256ths."""

    _masked = True
    _sides: tuple[str, str]
    _shifts: tuple[str, str | None]

    def __init__(
        self, root: Root, split: str = "train", transforms: Transform | None = None
    ) -> None:
        super().__init__(root, transforms)
        folder = self._base / f"{choose(split, 'split', ('train', 'test'))}ing"
        self._images = self._pairs(folder, *self._sides)
        if split == "train":
            self._disparities = self._pairs(folder, *self._shifts)
        else:
            self._without()

    def _shift(self, path: str) -> Shift:
        return grey_numbers(path) / 256.0, None


class Kitti2012Stereo(_KittiStereo):
    """194 pairs of street scenes of 2012 to train, 195 to test (no shift: None); needs Pillow.

    An item ends in None, the place of a mask. Files: `root/Kitti2012/{training,testing}/
    colored_[01]/*_10.png` and `disp_noc/*.png`.
    Raises: ValueError; FileNotFoundError.
    Source: A. Geiger, P. Lenz, R. Urtasun, CVPR 2012;
    https://docs.pytorch.org/vision/stable/generated/torchvision.datasets.Kitti2012Stereo.html

    >>> import numpy as np
    >>> import tempfile
    >>> from rushlight.vision import datasets
    >>> from rushlight.vision.datasets.fake import fake_files
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fake_files(folder, {
    ...         "Kitti2012/training/{colored_0,colored_1}/0_10.png": 0,
    ...         "Kitti2012/training/disp_noc/0_10.png": np.full((4, 6), 512, np.uint16),
    ...     })
    ...     left, right, shift, _ = datasets.Kitti2012Stereo(folder)[0]
    ...     shift.shape, shift[0, 0, 0].item()
    ((1, 4, 6), 2.0)
    """

    _name = "Kitti2012"
    _sides = "colored_0/*_10.png", "colored_1/*_10.png"
    _shifts = "disp_noc/*.png", None


class Kitti2015Stereo(_KittiStereo):
    """Pairs of street scenes of 2015, to train and to test (no shift: None); needs Pillow.

    An item ends in None, the place of a mask. Files: `root/Kitti2015/{training,testing}/
    image_[23]/*.png` and `disp_occ_[01]/*.png`.
    Raises: ValueError; FileNotFoundError.
    Source: M. Menze, A. Geiger, CVPR 2015;
    https://docs.pytorch.org/vision/stable/generated/torchvision.datasets.Kitti2015Stereo.html

    >>> import numpy as np
    >>> import tempfile
    >>> from rushlight.vision import datasets
    >>> from rushlight.vision.datasets.fake import fake_files
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fake_files(folder, {
    ...         "Kitti2015/training/{image_2,image_3}/0.png": 0,
    ...         "Kitti2015/training/disp_occ_{0,1}/0.png": np.full((4, 6), 512, np.uint16),
    ...     })
    ...     left, right, shift, _ = datasets.Kitti2015Stereo(folder)[0]
    ...     shift.shape, shift[0, 0, 0].item()
    ((1, 4, 6), 2.0)
    """

    _name = "Kitti2015"
    _sides = "image_2/*.png", "image_3/*.png"
    _shifts = "disp_occ_0/*.png", "disp_occ_1/*.png"


class CREStereo(StereoPairs):
    """Drawn scenes for training CREStereo; needs Pillow.

    An item ends in None, the place of a mask. Files: `root/CREStereo/{shapenet,reflective,tree,
    hole}/*_{left,right}.jpg` and `*_{left,right}.disp.png`.
    Raises: FileNotFoundError; ValueError where the sides have not as many files.
    Source: J. Li et al., https://arxiv.org/abs/2203.11483;
    https://docs.pytorch.org/vision/stable/generated/torchvision.datasets.CREStereo.html

    >>> import numpy as np
    >>> import tempfile
    >>> from rushlight.vision import datasets
    >>> from rushlight.vision.datasets.fake import fake_files
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fake_files(folder, {
    ...         "CREStereo/{shapenet,reflective,tree,hole}/1_{left,right}.jpg": 0,
    ...         "CREStereo/{shapenet,reflective,tree,hole}/1_{left,right}.disp.png":
    ...             np.full((4, 6), 64, np.uint8),
    ...     })
    ...     data = datasets.CREStereo(folder)
    ...     len(data), data[0][2][0, 0, 0].item()
    (4, 2.0)
    """

    _masked = True
    _name = "CREStereo"

    def __init__(self, root: Root, transforms: Transform | None = None) -> None:
        super().__init__(root, transforms)
        for part in ("shapenet", "reflective", "tree", "hole"):
            folder = self._base / part
            self._images += self._pairs(folder, "*_left.jpg", "*_right.jpg")
            self._disparities += self._pairs(folder, "*_left.disp.png", "*_right.disp.png")

    def _shift(self, path: str) -> Shift:
        return grey_numbers(path).astype(np.float32) / 32.0, None


class FallingThingsStereo(StereoPairs):
    """Drawn household things that fall, 61,500 pairs; needs Pillow.

    Arguments: `variant` is "single", "mixed" or "both". Shifts are made of stored depths. Files:
    `root/FallingThings/single/thing/place/*.{left,right}.jpg`, `*.{left,right}.depth.png` and
    `_camera_settings.json`; of "mixed" without the folders of things.
    Raises: ValueError; FileNotFoundError.
    Source: J. Tremblay, T. To, S. Birchfield, CVPR Workshops 2018;
    https://docs.pytorch.org/vision/stable/generated/torchvision.datasets.FallingThingsStereo.html

    >>> import json
    >>> import numpy as np
    >>> import tempfile
    >>> from rushlight.vision import datasets
    >>> from rushlight.vision.datasets.fake import fake_files
    >>> camera = {"camera_settings": [{"intrinsic_settings": {"fx": 768}}]}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fake_files(folder, {
    ...         "FallingThings/single/box/kite/1.{left,right}.jpg": 0,
    ...         "FallingThings/single/box/kite/1.{left,right}.depth.png":
    ...             np.full((4, 6), 600, np.uint16),
    ...         "FallingThings/single/box/kite/_camera_settings.json": json.dumps(camera),
    ...     })
    ...     left, right, shift = datasets.FallingThingsStereo(folder)[0]
    ...     shift.shape, shift[0, 0, 0].item()  # 6 cm * 768 / 6 cm
    ((1, 4, 6), 768.0)
    """

    _name = "FallingThings"

    def __init__(
        self, root: Root, variant: str = "single", transforms: Transform | None = None
    ) -> None:
        super().__init__(root, transforms)
        choose(variant, "variant", ("single", "mixed", "both"))
        for one, depth in (("single", "*/*"), ("mixed", "*")):
            if variant in (one, "both"):
                folder, left, right = self._base / one, f"{depth}/*.left", f"{depth}/*.right"
                self._images += self._pairs(folder, f"{left}.jpg", f"{right}.jpg")
                self._disparities += self._pairs(folder, f"{left}.depth.png", f"{right}.depth.png")

    def _shift(self, path: str) -> Shift:
        settings = json.loads(Path(path).with_name("_camera_settings.json").read_text("utf-8"))
        focal = settings["camera_settings"][0]["intrinsic_settings"]["fx"]
        apart, unit = 6, 100  # 6 cm between the cameras; depths are in tenths of a millimetre
        with np.errstate(divide="ignore"):  # where there is no depth the shift is infinite
            return apart * focal * unit / grey_numbers(path).astype(np.float32), None


class SceneFlowStereo(StereoPairs):
    """Three drawn films; needs Pillow.

    Arguments: `variant` is "FlyingThings3D", "Driving" or "Monkaa"; `pass_name` "clean", "final"
    or "both". Files: `root/SceneFlow/Monkaa/frames_{clean,final}pass/scene/{left,right}/*.png` and
    `disparity/scene/{left,right}/*.pfm`; the other two have three folders in place of `scene`.
    Raises: ValueError; FileNotFoundError.
    Source: N. Mayer et al., CVPR 2016;
    https://docs.pytorch.org/vision/stable/generated/torchvision.datasets.SceneFlowStereo.html

    >>> import tempfile
    >>> from rushlight.vision import datasets
    >>> from rushlight.vision.datasets.fake import fake_files
    >>> shift = b"Pf\\n6 4\\n-1.0\\n" + bytes(4 * 6 * 4)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fake_files(folder, {
    ...         "SceneFlow/Monkaa/frames_cleanpass/tree/{left,right}/1.png": 0,
    ...         "SceneFlow/Monkaa/disparity/tree/{left,right}/1.pfm": shift,
    ...     })
    ...     left, right, shift = datasets.SceneFlowStereo(folder, "Monkaa")[0]
    ...     left.size, shift.shape
    ((6, 4), (1, 4, 6))
    """

    _name = "SceneFlow"

    def __init__(
        self,
        root: Root,
        variant: str = "FlyingThings3D",
        pass_name: str = "clean",
        transforms: Transform | None = None,
    ) -> None:
        super().__init__(root, transforms)
        choose(variant, "variant", ("FlyingThings3D", "Driving", "Monkaa"))
        passes = PASSES[choose(pass_name, "pass_name", tuple(PASSES))]
        folder, scene = self._base / variant, "*" if variant == "Monkaa" else "*/*/*"
        for one in passes:
            self._images += self._pairs(folder / one, f"{scene}/left/*.png", f"{scene}/right/*.png")
            self._disparities += self._pairs(
                folder / "disparity", f"{scene}/left/*.pfm", f"{scene}/right/*.pfm"
            )


class SintelStereo(StereoPairs):
    """Drawn films from two cameras; needs Pillow.

    Arguments: `pass_name` is "final", "clean" or "both". An item's mask leaves out what the other
    camera does not see. Files: `root/Sintel/training/{final,clean}_{left,right}/scene/*.png`,
    `disparities`, `occlusions` and `outofframe`.
    Raises: ValueError; FileNotFoundError.
    Source: D. Butler et al., ECCV 2012, http://sintel.is.tue.mpg.de/stereo;
    https://docs.pytorch.org/vision/stable/generated/torchvision.datasets.SintelStereo.html

    >>> import numpy as np
    >>> import tempfile
    >>> from rushlight.vision import datasets
    >>> from rushlight.vision.datasets.fake import fake_files
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fake_files(folder, {
    ...         "Sintel/training/{final_left,final_right,disparities}/alley/1.png": 1,
    ...         "Sintel/training/{occlusions,outofframe}/alley/1.png": np.zeros((4, 6), np.uint8),
    ...     })
    ...     left, right, shift, seen = datasets.SintelStereo(folder)[0]
    ...     shift.shape, seen.all().item()
    ((1, 4, 6), True)
    """

    _masked = True
    _name = "Sintel"

    def __init__(
        self, root: Root, pass_name: str = "final", transforms: Transform | None = None
    ) -> None:
        super().__init__(root, transforms)
        choose(pass_name, "pass_name", ("final", "clean", "both"))
        folder = self._base / "training"
        for one in ["final", "clean"] if pass_name == "both" else [pass_name]:
            self._images += self._pairs(folder, f"{one}_left/*/*.png", f"{one}_right/*/*.png")
            self._disparities += self._pairs(folder, "disparities/*/*.png")

    def _shift(self, path: str) -> Shift:
        red, green, blue = np.asarray(load_pillow(path), np.float32).transpose(2, 0, 1)
        shift = red * 4 + green / 2**6 + blue / 2**14
        seen = self._seen(path, "occlusions", "Occlusion")
        return shift[None], seen & self._seen(path, "outofframe", "Out of frame")

    def _seen(self, path: str, kind: str, called: str) -> np.ndarray:
        """Where a mask that lies beside the shifts is nought."""
        file = Path(path)
        mask = file.parents[2] / kind / file.parent.name / file.name
        if not mask.exists():
            raise FileNotFoundError(f"{called} mask {mask} does not exist")
        return np.asarray(load_pillow(mask)) == 0
