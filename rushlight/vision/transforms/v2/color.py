"""Transforms of colours and tones, of the pictures of samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import rushlight as rl

from .. import color as first
from . import functional as F
from .transform import RandomSimple, Simple, Transform, query_chw


class Grayscale(Simple):
    """Turn to grey, in one channel or three equal ones.

    Raises: ValueError for other numbers of channels, when it is called.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms import v2
    >>> v2.Grayscale()(torch.rand(3, 4, 4)).shape
    torch.Size([1, 4, 4])
    """

    functional = F.rgb_to_grayscale
    settings = ("num_output_channels",)

    def __init__(self, num_output_channels: int = 1) -> None:
        super().__init__()
        self.num_output_channels = num_output_channels


class RandomGrayscale(RandomSimple):
    """Turn to grey with probability `p`, keeping the number of channels.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms import v2
    >>> v2.RandomGrayscale(p=1.0)(torch.rand(3, 4, 4)).shape
    torch.Size([3, 4, 4])
    """

    functional = F.rgb_to_grayscale

    def __init__(self, p: float = 0.1) -> None:
        super().__init__(p=p)

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        return {"num_output_channels": query_chw(flat_inputs)[0]}


class RGB(Simple):
    """Pictures of one channel in three.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms import v2
    >>> v2.RGB()(torch.rand(1, 4, 4)).shape
    torch.Size([3, 4, 4])
    """

    functional = F.grayscale_to_rgb


CHANGES = {
    "brightness": F.adjust_brightness,
    "contrast": F.adjust_contrast,
    "saturation": F.adjust_saturation,
    "hue": F.adjust_hue,
}


class ColorJitter(Transform):
    """Change brightness, contrast, saturation and hue by random factors, in random order.

    Amounts and draws are those of the first set; None changes nothing.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms import v2
    >>> v2.ColorJitter(brightness=0.5, hue=0.1)(torch.rand(3, 4, 4)).shape
    torch.Size([3, 4, 4])
    """

    first = first.ColorJitter

    def __init__(
        self,
        brightness: float | Sequence[float] | None = None,
        contrast: float | Sequence[float] | None = None,
        saturation: float | Sequence[float] | None = None,
        hue: float | Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        jitter = first.ColorJitter(brightness or 0, contrast or 0, saturation or 0, hue or 0)  # type: ignore[arg-type]  # pairs are checked there
        self.brightness, self.contrast = jitter.brightness, jitter.contrast
        self.saturation, self.hue = jitter.saturation, jitter.hue

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        ranges = self.brightness, self.contrast, self.saturation, self.hue
        order, *drawn = first.ColorJitter.get_params(*ranges)
        named = list(zip(CHANGES, drawn))
        return {"changes": [named[k] for k in order.tolist() if drawn[k] is not None]}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        for name, factor in params["changes"]:
            inpt = self._call_kernel(CHANGES[name], inpt, factor)
        return inpt


class RandomChannelPermutation(Simple):
    """The channels in a random order (`randperm`).

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms import v2
    >>> x = torch.arange(3).view(3, 1, 1)
    >>> sorted(v2.RandomChannelPermutation()(x).flatten().tolist())
    [0, 1, 2]
    """

    functional = F.permute_channels

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        return {"permutation": rl.randperm(query_chw(flat_inputs)[0])}


class RandomPhotometricDistort(Transform):
    """Change brightness, contrast, saturation, hue and the order of channels, each at random.

    Draws: for each of the four `rand(1)`, and a uniform number where that is below `p`; `rand(())`
    for whether contrast comes before saturation; `rand(1)` and `randperm` for the channels.
    Source: Liu et al., 2016, https://arxiv.org/abs/1512.02325

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms import v2
    >>> v2.RandomPhotometricDistort(p=1.0)(torch.rand(3, 4, 4)).shape
    torch.Size([3, 4, 4])
    """

    def __init__(
        self,
        brightness: tuple[float, float] = (0.875, 1.125),
        contrast: tuple[float, float] = (0.5, 1.5),
        saturation: tuple[float, float] = (0.5, 1.5),
        hue: tuple[float, float] = (-0.05, 0.05),
        p: float = 0.5,
    ) -> None:
        super().__init__()
        self.brightness, self.contrast, self.hue, self.saturation = (
            brightness, contrast, hue, saturation,
        )  # fmt: skip
        self.p = p

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        channels = query_chw(flat_inputs)[0]
        drawn = {
            name: first.draw(getattr(self, name)) if rl.rand(1) < self.p else None
            for name in CHANGES
        }
        early = bool(rl.rand(()) < 0.5)
        names = ["brightness", "contrast", "saturation", "hue"]
        names = names if early else ["brightness", "saturation", "hue", "contrast"]
        changes = [(name, drawn[name]) for name in names if drawn[name] is not None]
        order = rl.randperm(channels) if rl.rand(1) < self.p else None
        return {"changes": changes, "order": order}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        for name, factor in params["changes"]:
            inpt = self._call_kernel(CHANGES[name], inpt, factor)
        order = params["order"]
        return inpt if order is None else self._call_kernel(F.permute_channels, inpt, order)


class RandomEqualize(RandomSimple):
    """Make all tones about equally frequent with probability `p`.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms import v2
    >>> v2.RandomEqualize(p=1.0)(torch.tensor([[[10, 20, 30, 40]]], dtype=torch.uint8))
    tensor([[[10, 20, 30, 40]]], dtype=torch.uint8)
    """

    functional = F.equalize


class RandomInvert(RandomSimple):
    """White for black with probability `p`.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms import v2
    >>> v2.RandomInvert(p=1.0)(torch.tensor([[[0.25, 0.75]]]))
    tensor([[[0.7500, 0.2500]]])
    """

    functional = F.invert


class RandomAutocontrast(RandomSimple):
    """Spread the tones over the whole range with probability `p`.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms import v2
    >>> v2.RandomAutocontrast(p=1.0)(torch.tensor([[[0.25, 0.5, 0.75]]]))
    tensor([[[0.0000, 0.5000, 1.0000]]])
    """

    functional = F.autocontrast


class RandomPosterize(RandomSimple):
    """Keep the highest `bits` bits of each number with probability `p`.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms import v2
    >>> v2.RandomPosterize(bits=2, p=1.0)(torch.tensor([[[7, 100, 255]]], dtype=torch.uint8))
    tensor([[[  0,  64, 192]]], dtype=torch.uint8)
    """

    functional = F.posterize
    settings = ("bits",)

    def __init__(self, bits: int, p: float = 0.5) -> None:
        super().__init__(p=p)
        self.bits = bits


class RandomSolarize(RandomSimple):
    """Turn the tones from `threshold` on around with probability `p`.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms import v2
    >>> v2.RandomSolarize(threshold=0.5, p=1.0)(torch.tensor([[[0.25, 0.75]]]))
    tensor([[[0.2500, 0.2500]]])
    """

    functional = F.solarize
    settings = ("threshold",)

    def __init__(self, threshold: float, p: float = 0.5) -> None:
        super().__init__(p=p)
        self.threshold = threshold


class RandomAdjustSharpness(RandomSimple):
    """Blur or sharpen by `sharpness_factor` with probability `p`.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms import v2
    >>> v2.RandomAdjustSharpness(sharpness_factor=2.0, p=1.0)(torch.rand(3, 4, 4)).shape
    torch.Size([3, 4, 4])
    """

    functional = F.adjust_sharpness
    settings = ("sharpness_factor",)

    def __init__(self, sharpness_factor: float, p: float = 0.5) -> None:
        super().__init__(p=p)
        self.sharpness_factor = sharpness_factor
