"""Data sets of optical flow: two pictures and how each point of the first moved to the second."""

from __future__ import annotations

import glob
import itertools
from pathlib import Path
from typing import Any

import numpy as np

import rushlight as rl

from ...core.errors import fail
from .archives import Loader, Root, choose, find_home
from .folder import default_loader
from .planes import read_deep_flow, read_flo, read_pfm
from .vision import Transform, VisionDataset

PASSES = {
    "clean": ["frames_cleanpass"],
    "final": ["frames_finalpass"],
    "both": ["frames_cleanpass", "frames_finalpass"],
}


def found(folder: Path, pattern: str) -> list[str]:
    """The paths below `folder` that a pattern fits, sorted."""
    return sorted(str(folder / one) for one in glob.glob(pattern, root_dir=folder))


class _Flow(VisionDataset):
    """Pairs of pictures, each with a file of its flow where there is one."""

    transforms: Any
    _masked = False  # whether a file of flow says where it is known

    def __init__(
        self,
        root: Root,
        transforms: Transform | None = None,
        loader: Loader = default_loader,
    ) -> None:
        super().__init__(root, transforms)
        self._flow_list: list[str] = []
        self._image_list: list[list[str]] = []
        self._loader = loader

    def _base(self, name: str) -> Path:
        """The data set's own folder, whose name is `name`."""
        return find_home(self.root, name) / name

    def _read_flow(self, path: str) -> Any:
        return read_flo(path)

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        first, second = (self._loader(path) for path in self._image_list[index])
        flow = mask = None
        if self._flow_list:
            flow = self._read_flow(self._flow_list[index])
            if self._masked:
                flow, mask = flow
        if self.transforms is not None:
            first, second, flow, mask = self.transforms(first, second, flow, mask)
        if self._masked or mask is not None:  # transforms may make one
            return first, second, flow, mask
        return first, second, flow

    def __len__(self) -> int:
        return len(self._image_list)

    def __rmul__(self, times: int) -> rl.utils.data.ConcatDataset:
        return rl.utils.data.ConcatDataset([self] * times)


class Sintel(_Flow):
    """Flow of drawn films, 1,041 pairs to train; needs Pillow.

    Arguments: `split` is "train" or "test" (no flow: None); `pass_name` "clean", "final" or
    "both". An item is two pictures and the flow, (2, H, W) float32, all of them given to
    `transforms` with a mask (None). Files: `root/Sintel/training/{clean,final}/scene/*.png` and
    `flow/scene/*.flo`.
    Raises: ValueError; FileNotFoundError.
    Source: D. Butler et al., ECCV 2012, http://sintel.is.tue.mpg.de/;
    https://docs.pytorch.org/vision/stable/generated/torchvision.datasets.Sintel.html

    >>> import struct
    >>> import tempfile
    >>> from rushlight.vision import datasets
    >>> from rushlight.vision.datasets.fake import fake_files
    >>> flow = b"PIEH" + struct.pack("<ii", 6, 4) + bytes(4 * 6 * 2 * 4)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fake_files(folder, {
    ...         "Sintel/training/clean/alley/frame_{1,2}.png": 0,
    ...         "Sintel/training/flow/alley/frame_1.flo": flow,
    ...     })
    ...     first, second, flow = datasets.Sintel(folder)[0]
    ...     first.size, flow.shape
    ((6, 4), (2, 4, 6))
    """

    def __init__(
        self,
        root: Root,
        split: str = "train",
        pass_name: str = "clean",
        transforms: Transform | None = None,
        loader: Loader = default_loader,
    ) -> None:
        super().__init__(root, transforms, loader)
        choose(split, "split", ("train", "test"))
        choose(pass_name, "pass_name", ("clean", "final", "both"))
        base = self._base("Sintel")
        for one in ["clean", "final"] if pass_name == "both" else [pass_name]:
            folder = base / ("training" if split == "train" else split) / one
            for scene in sorted(path.name for path in folder.iterdir()):
                self._image_list += map(list, itertools.pairwise(found(folder / scene, "*.png")))
                if split == "train":
                    self._flow_list += found(base / "training" / "flow" / scene, "*.flo")


class KittiFlow(_Flow):
    """Flow of street scenes of 2015, known at some points, 200 pairs to train; needs Pillow.

    An item is two pictures, the flow, (2, H, W) float32, and where it is known, (H, W) bool; of
    the part "test" both are None. Files: `root/KittiFlow/{training,testing}/image_2/*_1[01].png`
    and `flow_occ/*_10.png`.
    Raises: ValueError; FileNotFoundError.
    Source: M. Menze, A. Geiger, CVPR 2015;
    https://docs.pytorch.org/vision/stable/generated/torchvision.datasets.KittiFlow.html

    >>> import tempfile
    >>> from rushlight.vision import datasets
    >>> from rushlight.vision.datasets.fake import fake_files
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fake_files(folder, {"KittiFlow/testing/image_2/0_{10,11}.png": 0})
    ...     first, second, flow, known = datasets.KittiFlow(folder, "test")[0]
    ...     first.size, flow, known
    ((6, 4), None, None)
    """

    _masked = True

    def __init__(
        self,
        root: Root,
        split: str = "train",
        transforms: Transform | None = None,
        loader: Loader = default_loader,
    ) -> None:
        super().__init__(root, transforms, loader)
        folder = self._base("KittiFlow") / f"{choose(split, 'split', ('train', 'test'))}ing"
        pairs = [found(folder / "image_2", f"*_{end}.png") for end in (10, 11)]
        if not all(pairs):
            raise _missing("Kitti flow", folder)
        self._image_list = [list(pair) for pair in zip(*pairs, strict=False)]
        if split == "train":
            self._flow_list = found(folder / "flow_occ", "*_10.png")

    def _read_flow(self, path: str) -> Any:
        return read_deep_flow(path)


class FlyingChairs(_Flow):
    """Flow of chairs before photographs, 22,872 pairs; needs Pillow.

    Arguments: `split` is "train" or "val". Files: `root/FlyingChairs/data/00001_img1.ppm`,
    `00001_img2.ppm`, `00001_flow.flo`, ... and `FlyingChairs_train_val.txt` beside `data`.
    Raises: ValueError; FileNotFoundError.
    Source: A. Dosovitskiy et al., ICCV 2015;
    https://docs.pytorch.org/vision/stable/generated/torchvision.datasets.FlyingChairs.html

    >>> import struct
    >>> import tempfile
    >>> from rushlight.vision import datasets
    >>> from rushlight.vision.datasets.fake import fake_files
    >>> flow = b"PIEH" + struct.pack("<ii", 6, 4) + bytes(4 * 6 * 2 * 4)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fake_files(folder, {
    ...         "FlyingChairs/data/00001_img{1,2}.ppm": 0,
    ...         "FlyingChairs/data/00001_flow.flo": flow,
    ...         "FlyingChairs/FlyingChairs_train_val.txt": "1\\n",
    ...     })
    ...     first, second, flow = datasets.FlyingChairs(folder)[0]
    ...     first.size, flow.shape
    ((6, 4), (2, 4, 6))
    """

    def __init__(
        self, root: Root, split: str = "train", transforms: Transform | None = None
    ) -> None:
        super().__init__(root, transforms)
        wanted = {"train": 1, "val": 2}[choose(split, "split", ("train", "val"))]
        base = self._base("FlyingChairs")
        images, flows = found(base / "data", "*.ppm"), found(base / "data", "*.flo")
        parts = base / "FlyingChairs_train_val.txt"
        if not parts.exists():
            raise fail(
                FileNotFoundError,
                "The FlyingChairs_train_val.txt file was not found - please download it from the "
                "dataset page (see docstring).",
                f"it belongs at {parts}",
            )
        numbers = np.loadtxt(parts, np.int32, ndmin=1)
        chosen = [place for place in range(len(flows)) if numbers[place] == wanted]
        self._flow_list = [flows[place] for place in chosen]
        self._image_list = [images[2 * place : 2 * place + 2] for place in chosen]


class FlyingThings3D(_Flow):
    """Flow of drawn things, forwards and backwards; needs Pillow.

    Arguments: `split` is "train" or "test"; `pass_name` "clean", "final" or "both"; `camera`
    "left", "right" or "both". Files: `root/FlyingThings3D/frames_cleanpass/TRAIN/A/0000/left/
    *.png` and `optical_flow/TRAIN/A/0000/into_future/left/*.pfm`.
    Raises: ValueError; FileNotFoundError.
    Source: N. Mayer et al., CVPR 2016;
    https://docs.pytorch.org/vision/stable/generated/torchvision.datasets.FlyingThings3D.html

    >>> import tempfile
    >>> from rushlight.vision import datasets
    >>> from rushlight.vision.datasets.fake import fake_files
    >>> flow = b"PF\\n6 4\\n-1.0\\n" + bytes(4 * 6 * 3 * 4)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fake_files(folder, {
    ...         "FlyingThings3D/frames_cleanpass/TRAIN/A/0/left/{6,7}.png": 0,
    ...         "FlyingThings3D/optical_flow/TRAIN/A/0/into_{future,past}/left/{6,7}.pfm": flow,
    ...     })
    ...     data = datasets.FlyingThings3D(folder)
    ...     len(data), data[0][2].shape
    (2, (2, 4, 6))
    """

    def __init__(
        self,
        root: Root,
        split: str = "train",
        pass_name: str = "clean",
        camera: str = "left",
        transforms: Transform | None = None,
        loader: Loader = default_loader,
    ) -> None:
        super().__init__(root, transforms, loader)
        part = choose(split, "split", ("train", "test")).upper()
        passes = PASSES[choose(pass_name, "pass_name", tuple(PASSES))]
        choose(camera, "camera", ("left", "right", "both"))
        cameras = ["left", "right"] if camera == "both" else [camera]
        base = self._base("FlyingThings3D")
        for one, side, way in itertools.product(passes, cameras, ("into_future", "into_past")):
            pictures = [Path(path, side) for path in found(base / one / part, "*/*")]
            flows = [Path(path, way, side) for path in found(base / "optical_flow" / part, "*/*")]
            if not pictures or not flows:
                raise _missing("FlyingThings3D flow", base)
            for folders in zip(pictures, flows, strict=False):
                self._add(*folders, back=way == "into_past")

    def _add(self, pictures: Path, flows: Path, back: bool) -> None:
        """Take one film; `back` from each picture to the one before it."""
        pairs = list(itertools.pairwise(found(pictures, "*.png")))
        files = found(flows, "*.pfm")
        for pair, first, second in zip(pairs, files, files[1:], strict=False):
            self._image_list.append(list(reversed(pair)) if back else list(pair))
            self._flow_list.append(second if back else first)

    def _read_flow(self, path: str) -> Any:
        return read_pfm(path)


class HD1K(_Flow):
    """Flow of street scenes in 36 sequences, known at some points; needs Pillow.

    An item is as KittiFlow's. Files: `root/hd1k/hd1k_input/image_2/000000_*.png` and
    `hd1k_flow_gt/flow_occ/000000_*.png`; of "test" `hd1k_challenge/image_2/*1[01].png`.
    Raises: ValueError; FileNotFoundError.
    Source: D. Kondermann et al., CVPR Workshops 2016;
    https://docs.pytorch.org/vision/stable/generated/torchvision.datasets.HD1K.html

    >>> import tempfile
    >>> from rushlight.vision import datasets
    >>> from rushlight.vision.datasets.fake import fake_files
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fake_files(folder, {"hd1k/hd1k_challenge/image_2/0_{10,11}.png": 0})
    ...     first, second, flow, known = datasets.HD1K(folder, "test")[0]
    ...     first.size, flow, known
    ((6, 4), None, None)
    """

    _masked = True

    def __init__(
        self,
        root: Root,
        split: str = "train",
        transforms: Transform | None = None,
        loader: Loader = default_loader,
    ) -> None:
        super().__init__(root, transforms, loader)
        base = self._base("hd1k")
        if choose(split, "split", ("train", "test")) == "train":
            for number in range(36):
                flows = found(base / "hd1k_flow_gt" / "flow_occ", f"{number:06d}_*.png")
                images = found(base / "hd1k_input" / "image_2", f"{number:06d}_*.png")
                self._flow_list += flows[:-1]  # the last picture of a sequence has no next
                self._image_list += map(list, itertools.pairwise(images[: len(flows)]))
        else:
            folder = base / "hd1k_challenge" / "image_2"
            pairs = found(folder, "*10.png"), found(folder, "*11.png")
            self._image_list = [list(pair) for pair in zip(*pairs, strict=False)]
        if not self._image_list:
            raise _missing("HD1K", base)

    def _read_flow(self, path: str) -> Any:
        return read_deep_flow(path)


def _missing(name: str, folder: Path) -> BaseException:
    return fail(
        FileNotFoundError,
        f"Could not find the {name} images. Please make sure the directory structure is correct.",
        f"looked in {folder}",
    )
