"""Turn, shear, project and bend at random."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import rushlight as rl

from . import functional as F
from .functional import InterpolationMode
from .functional.kinds import interpolation_mode

NEAREST, BILINEAR = InterpolationMode.NEAREST, InterpolationMode.BILINEAR


def two(x: Any, name: str, lengths: Sequence[int] = (2,)) -> list[float]:
    """A range: a number means (-number, number).

    Raises: ValueError for a negative number, another length; TypeError for no sequence.
    """
    if isinstance(x, int | float):
        if x < 0:
            raise ValueError(f"If {name} is a single number, it must be positive.")
        return [float(-x), float(x)]
    known = " or ".join(map(str, lengths))
    if not isinstance(x, Sequence):
        raise TypeError(f"{name} should be a sequence of length {known}.")
    if len(x) not in lengths:
        raise ValueError(f"{name} should be a sequence of length {known}.")
    return [float(d) for d in x]


def between(low: float, high: float) -> float:
    """One uniform draw."""
    return float(rl.empty(1).uniform_(float(low), float(high)).item())


def whole(low: int, high: int) -> int:
    """One draw among low..high-1."""
    return int(rl.randint(low, high, size=(1,)).item())


def filled(fill: Any, img: Any) -> Any:
    """A fill value for each channel of a tensor picture; for others as it is."""
    if not isinstance(img, rl.Tensor):
        return fill
    channels = F.get_image_num_channels(img)
    return [float(fill)] * channels if isinstance(fill, int | float) else [float(f) for f in fill]


def _checked_fill(fill: Any) -> Any:
    if fill is None:
        return 0
    if not isinstance(fill, Sequence | int | float):
        raise TypeError("Fill should be either a sequence or a number.")
    return fill


def checked_center(center: Any) -> Any:
    if center is None:
        return None
    two(center, "center") if isinstance(center, Sequence) else two(None, "center")
    return center


class RandomRotation(rl.nn.Module):
    """Turn by an angle drawn from `degrees` (one uniform draw).

    Arguments: `degrees` is (least, most), or a number d for (-d, d); `expand` makes room for the
    corners; `center` (x, y) is the middle unless given; `fill` is what comes in from outside.
    Raises: ValueError, TypeError for other degrees and centres.
    Source: https://docs.pytorch.org/vision/stable/generated/torchvision.transforms.RandomRotation.html

    >>> import rushlight as torch
    >>> from rushlight.vision import transforms
    >>> transforms.RandomRotation((90, 90))(torch.tensor([[[1, 2], [3, 4]]]))
    tensor([[[2, 4],
             [1, 3]]])
    """

    def __init__(
        self,
        degrees: float | Sequence[float],
        interpolation: InterpolationMode | int = NEAREST,
        expand: bool = False,
        center: Sequence[float] | None = None,
        fill: Any = 0,
    ) -> None:
        super().__init__()
        self.degrees = two(degrees, "degrees")
        self.center = checked_center(center)
        self.interpolation = interpolation_mode(interpolation)
        self.expand, self.fill = expand, _checked_fill(fill)

    @staticmethod
    def get_params(degrees: Sequence[float]) -> float:
        """Draw the angle."""
        return between(degrees[0], degrees[1])

    def forward(self, img: Any) -> Any:
        fill, angle = filled(self.fill, img), self.get_params(self.degrees)
        return F.rotate(img, angle, self.interpolation, self.expand, self.center, fill)

    def __repr__(self) -> str:
        center = "" if self.center is None else f", center={self.center}"
        return (
            f"{type(self).__name__}(degrees={self.degrees},"
            f" interpolation={self.interpolation.value}, expand={self.expand}{center},"
            f" fill={self.fill})"
        )


class RandomAffine(rl.nn.Module):
    """Turn, move, scale and shear by numbers drawn from ranges.

    Draws: the angle; the moves across and down, in shares of the size; the scale; the shears.
    Raises: ValueError, TypeError for other ranges.
    Source: https://docs.pytorch.org/vision/stable/generated/torchvision.transforms.RandomAffine.html

    >>> from rushlight.vision import transforms
    >>> transforms.RandomAffine(10, translate=(0.1, 0.1), scale=(0.9, 1.1))
    RandomAffine(degrees=[-10.0, 10.0], translate=(0.1, 0.1), scale=(0.9, 1.1))
    """

    def __init__(
        self,
        degrees: float | Sequence[float],
        translate: Sequence[float] | None = None,
        scale: Sequence[float] | None = None,
        shear: float | Sequence[float] | None = None,
        interpolation: InterpolationMode | int = NEAREST,
        fill: Any = 0,
        center: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        turn, skew = self.check(degrees, translate, scale, shear)
        self.degrees, self.translate, self.scale, self.shear = turn, translate, scale, skew
        self.interpolation = interpolation_mode(interpolation)
        self.fill, self.center = _checked_fill(fill), checked_center(center)

    @staticmethod
    def check(
        degrees: Any, translate: Any, scale: Any, shear: Any
    ) -> tuple[list[float], list[float] | None]:
        """The ranges of degrees and shears spelled out; refuses others."""
        turn = two(degrees, "degrees")
        if translate is not None:
            two(translate, "translate")
            if not all(0.0 <= t <= 1.0 for t in translate):
                raise ValueError("translation values should be between 0 and 1")
        if scale is not None:
            two(scale, "scale")
            if any(s <= 0 for s in scale):
                raise ValueError("scale values should be positive")
        return turn, None if shear is None else two(shear, "shear", (2, 4))

    @staticmethod
    def get_params(
        degrees: Sequence[float],
        translate: Sequence[float] | None,
        scale_ranges: Sequence[float] | None,
        shears: Sequence[float] | None,
        img_size: Sequence[int],
    ) -> tuple[float, tuple[int, int], float, tuple[float, float]]:
        """Draw the angle, the move in pixels, the scale and the shears."""
        angle, move, scale, skew = between(degrees[0], degrees[1]), (0, 0), 1.0, (0.0, 0.0)
        if translate is not None:
            x, y = (round(between(-t * n, t * n)) for t, n in zip(translate, img_size))
            move = x, y
        if scale_ranges is not None:
            scale = between(scale_ranges[0], scale_ranges[1])
        if shears is not None:
            across = between(shears[0], shears[1])
            skew = across, between(shears[2], shears[3]) if len(shears) == 4 else 0.0
        return angle, move, scale, skew

    def forward(self, img: Any) -> Any:
        fill, size = filled(self.fill, img), F.get_image_size(img)
        drawn = self.get_params(self.degrees, self.translate, self.scale, self.shear, size)
        return F.affine(img, *drawn, interpolation=self.interpolation, fill=fill,
                        center=self.center)  # fmt: skip

    def __repr__(self) -> str:
        ranges = {name: getattr(self, name) for name in ("translate", "scale", "shear")}
        given = [f"{name}={value}" for name, value in ranges.items() if value is not None]
        parts = [f"degrees={self.degrees}", *given]
        if self.interpolation is not NEAREST:
            parts.append(f"interpolation={self.interpolation.value}")
        if self.fill != 0:
            parts.append(f"fill={self.fill}")
        if self.center is not None:
            parts.append(f"center={self.center}")
        return f"{type(self).__name__}({', '.join(parts)})"


class RandomPerspective(rl.nn.Module):
    """Look at the picture from aside with probability `p`.

    Draws: `rand(1)`; then x and y of each corner, up to `distortion_scale` of the way to the
    middle: upper left, upper right, lower right, lower left.
    Source: https://docs.pytorch.org/vision/stable/generated/torchvision.transforms.RandomPerspective.html

    >>> import rushlight as torch
    >>> from rushlight.vision import transforms
    >>> transforms.RandomPerspective(p=1)(torch.rand(3, 8, 8)).shape
    torch.Size([3, 8, 8])
    """

    def __init__(
        self,
        distortion_scale: float = 0.5,
        p: float = 0.5,
        interpolation: InterpolationMode | int = BILINEAR,
        fill: Any = 0,
    ) -> None:
        super().__init__()
        self.p, self.distortion_scale = p, distortion_scale
        self.interpolation, self.fill = interpolation_mode(interpolation), _checked_fill(fill)

    @staticmethod
    def get_params(
        width: int, height: int, distortion_scale: float
    ) -> tuple[list[list[int]], list[list[int]]]:
        """Draw where the corners go; the corners, and that."""
        across, down = (int(distortion_scale * (n // 2)) for n in (width, height))
        left, right = (0, across + 1), (width - across - 1, width)
        top, bottom = (0, down + 1), (height - down - 1, height)
        ends = [
            [whole(*x), whole(*y)]
            for x, y in ((left, top), (right, top), (right, bottom), (left, bottom))
        ]
        return [[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]], ends

    def forward(self, img: Any) -> Any:
        fill = filled(self.fill, img)
        if rl.rand(1) < self.p:
            _, height, width = F.get_dimensions(img)
            points = self.get_params(width, height, self.distortion_scale)
            return F.perspective(img, *points, self.interpolation, fill)
        return img

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.p})"


def _pair(x: Any, name: str) -> list[float]:
    if not isinstance(x, float | Sequence):
        raise TypeError(f"{name} should be float or a sequence of floats. Got {type(x)}")
    if isinstance(x, Sequence) and len(x) not in (1, 2):
        raise ValueError(f"If {name} is a sequence its length should be 2. Got {len(x)}")
    values = [x] * 2 if isinstance(x, float) else list(x) * (2 if len(x) == 1 else 1)
    for value in values:
        if not isinstance(value, float):
            raise TypeError(f"{name} should be a sequence of floats. Got {type(value)}")
    return values


class ElasticTransform(rl.nn.Module):
    """Bend a picture as through water: smooth random displacements.

    Draws: `rand` of the size for the displacements across, then down. `alpha`: how far, `sigma`:
    how smooth. Source: Simard et al., 2003.

    >>> import rushlight as torch
    >>> from rushlight.vision import transforms
    >>> transforms.ElasticTransform(alpha=5.0, sigma=1.0)(torch.rand(3, 8, 8)).shape
    torch.Size([3, 8, 8])
    """

    def __init__(
        self,
        alpha: Any = 50.0,
        sigma: Any = 5.0,
        interpolation: InterpolationMode | int = BILINEAR,
        fill: Any = 0,
    ) -> None:
        super().__init__()
        self.alpha, self.sigma = _pair(alpha, "alpha"), _pair(sigma, "sigma")
        self.interpolation = interpolation_mode(interpolation)
        self.fill = [float(fill)] if isinstance(fill, int | float) else [float(f) for f in fill]

    @staticmethod
    def get_params(alpha: list[float], sigma: list[float], size: list[int]) -> rl.Tensor:
        """Draw the displacements (1, H, W, 2)."""
        parts = []
        for far, smooth, edge in zip(alpha, sigma, reversed(size)):
            part = rl.rand(1, 1, *size) * 2 - 1
            if smooth > 0.0:
                kernel = int(8 * smooth + 1)
                part = F.gaussian_blur(part, [kernel + (kernel % 2 == 0)] * 2, sigma)
            parts.append(part * far / edge)
        return rl.cat(parts, 1).permute(0, 2, 3, 1)

    def forward(self, tensor: Any) -> Any:
        _, height, width = F.get_dimensions(tensor)
        displacement = self.get_params(self.alpha, self.sigma, [height, width])
        return F.elastic_transform(tensor, displacement, self.interpolation, self.fill)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(alpha={self.alpha}, sigma={self.sigma},"
            f" interpolation={self.interpolation}, fill={self.fill})"
        )
