"""Pictures and films made ready for trained networks, by what the networks do."""

from __future__ import annotations

from typing import Any

import rushlight as rl

from . import functional as pictures
from .functional import InterpolationMode

_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def _as_fractions(img: Any) -> rl.Tensor:
    """A picture as a tensor of floats from 0 to 1."""
    if not isinstance(img, rl.Tensor):
        img = pictures.pil_to_tensor(img)
    return pictures.convert_image_dtype(img, rl.float32)


class _Preset(rl.nn.Module):
    """Shows its settings, one a line."""

    def __repr__(self) -> str:
        names = ("crop_size", "resize_size", "mean", "std", "interpolation")
        rows = [f"\n    {name}={getattr(self, name)}" for name in names if hasattr(self, name)]
        return f"{type(self).__name__}({''.join(rows)}{chr(10) * bool(rows)})"


class ObjectDetection(_Preset):
    """A picture as detectors take it: floats from 0 to 1; they resize and normalise it."""

    def forward(self, img: Any) -> rl.Tensor:
        """(3, H, W) from a picture."""
        return _as_fractions(img)


class ImageClassification(_Preset):
    """A picture as ImageNet's networks take it: resized, its middle, 0 to 1, then normalised."""

    def __init__(
        self, *, crop_size: int, resize_size: int = 256, mean: tuple[float, ...] = _MEAN,
        std: tuple[float, ...] = _STD,
        interpolation: InterpolationMode = InterpolationMode.BILINEAR,
        antialias: bool | None = True,
    ) -> None:  # fmt: skip
        super().__init__()
        self.crop_size, self.resize_size = [crop_size], [resize_size]
        self.mean, self.std = list(mean), list(std)
        self.interpolation, self.antialias = interpolation, antialias

    def forward(self, img: Any) -> rl.Tensor:
        """(3, crop_size, crop_size) from a picture."""
        img = pictures.resize(img, self.resize_size, self.interpolation, antialias=self.antialias)
        img = _as_fractions(pictures.center_crop(img, self.crop_size))
        return pictures.normalize(img, self.mean, self.std)


class SemanticSegmentation(_Preset):
    """A picture as segmenting networks take it: resized, 0 to 1, then normalised."""

    def __init__(
        self, *, resize_size: int | None, mean: tuple[float, ...] = _MEAN,
        std: tuple[float, ...] = _STD,
        interpolation: InterpolationMode = InterpolationMode.BILINEAR,
        antialias: bool | None = True,
    ) -> None:  # fmt: skip
        super().__init__()
        self.resize_size = None if resize_size is None else [resize_size]
        self.mean, self.std = list(mean), list(std)
        self.interpolation, self.antialias = interpolation, antialias

    def forward(self, img: Any) -> rl.Tensor:
        """(3, h, w), the shorter side of which is `resize_size`, from a picture."""
        if self.resize_size is not None:
            size, how = self.resize_size, self.interpolation
            img = pictures.resize(img, size, how, antialias=self.antialias)
        return pictures.normalize(_as_fractions(img), self.mean, self.std)


class VideoClassification(_Preset):
    """A film (..., T, 3, H, W) as networks of films take it: (..., 3, T, h, w), normalised."""

    def __init__(
        self, *, crop_size: tuple[int, int], resize_size: tuple[int, ...],
        mean: tuple[float, ...] = (0.43216, 0.394666, 0.37645),
        std: tuple[float, ...] = (0.22803, 0.22145, 0.216989),
        interpolation: InterpolationMode = InterpolationMode.BILINEAR,
    ) -> None:  # fmt: skip
        super().__init__()
        self.crop_size, self.resize_size = list(crop_size), list(resize_size)
        self.mean, self.std = list(mean), list(std)
        self.interpolation = interpolation

    def forward(self, vid: Any) -> rl.Tensor:
        """The film with its channels before its time, each picture resized and its middle taken."""
        frames = vid.flatten(0, -4)
        # torchvision resizes films without smoothing, as their networks were trained
        frames = pictures.resize(frames, self.resize_size, self.interpolation, antialias=False)
        frames = pictures.center_crop(frames, self.crop_size)
        frames = pictures.convert_image_dtype(frames, rl.float32)
        frames = pictures.normalize(frames, self.mean, self.std)
        return frames.reshape(*vid.shape[:-3], *frames.shape[-3:]).transpose(-4, -3)


class OpticalFlow(_Preset):
    """Two pictures as networks of optical flow take them: floats from -1 to 1."""

    def forward(self, img1: Any, img2: Any) -> tuple[rl.Tensor, rl.Tensor]:
        """Both pictures."""
        first, second = (
            pictures.normalize(_as_fractions(img), [0.5] * 3, [0.5] * 3).contiguous()
            for img in (img1, img2)
        )
        return first, second
