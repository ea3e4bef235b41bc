"""Transforms of place: resize, crop, flip, pad."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

import rushlight as rl

from . import functional as F
from .functional import InterpolationMode
from .functional.kinds import interpolation_mode, pair

TWO_SIZES = "Please provide only two dimensions (h, w) for size."


def _draw(low: float, high: float) -> float:
    """One number from [low, high), with torchvision's draw."""
    return float(rl.empty(1).uniform_(low, high).item())


def _draw_corner(height: int, width: int, h: int, w: int) -> tuple[int, int]:
    """The corner of an (h, w) rectangle in a (height, width) picture: row first."""
    top = int(rl.randint(0, height - h + 1, size=(1,)).item())
    left = int(rl.randint(0, width - w + 1, size=(1,)).item())
    return top, left


def draw_part(
    height: int, width: int, scale: Sequence[float], ratio: Sequence[float]
) -> tuple[int, int, int, int]:
    """(top, left, height, width) of a part of random area and shape; see RandomResizedCrop."""
    low, high = rl.log(rl.tensor(ratio)).tolist()
    for _ in range(10):
        area = height * width * _draw(scale[0], scale[1])
        aspect = float(rl.exp(rl.empty(1).uniform_(low, high)).item())
        w = round(math.sqrt(area * aspect))
        h = round(math.sqrt(area / aspect))
        if 0 < w <= width and 0 < h <= height:
            return *_draw_corner(height, width, h, w), h, w
    w, h = width, height
    if width / height < min(ratio):
        h = round(width / min(ratio))
    elif width / height > max(ratio):
        w = round(height * max(ratio))
    return (height - h) // 2, (width - w) // 2, h, w


class Resize(rl.nn.Module):
    """Resize to `size` (h, w); one number fits the smaller edge, up to `max_size` for the other.

    Raises: TypeError, ValueError for sizes of other forms.

    >>> import rushlight as torch
    >>> from rushlight.vision import transforms
    >>> transforms.Resize(8)(torch.zeros(3, 16, 32)).shape
    torch.Size([3, 8, 16])
    >>> transforms.Resize((8, 8))(torch.zeros(3, 16, 32)).shape
    torch.Size([3, 8, 8])
    """

    def __init__(
        self,
        size: int | Sequence[int],
        interpolation: InterpolationMode | int = InterpolationMode.BILINEAR,
        max_size: int | None = None,
        antialias: bool | None = True,
    ) -> None:
        super().__init__()
        if not isinstance(size, int | Sequence):
            raise TypeError(f"Size should be int or sequence. Got {type(size)}")
        if isinstance(size, Sequence) and len(size) not in (1, 2):
            raise ValueError("If size is a sequence, it should have 1 or 2 values")
        self.size = size
        self.max_size = max_size
        self.interpolation = interpolation_mode(interpolation)
        self.antialias = antialias

    def forward(self, img: Any) -> Any:
        return F.resize(img, self.size, self.interpolation, self.max_size, self.antialias)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(size={self.size}, interpolation={self.interpolation.value}, "
            f"max_size={self.max_size}, antialias={self.antialias})"
        )


class CenterCrop(rl.nn.Module):
    """Cut out the middle `size`; a smaller picture is padded with black.

    size: (height, width), or one number for both. Raises: ValueError for other forms.

    >>> import rushlight as torch
    >>> from rushlight.vision import transforms
    >>> transforms.CenterCrop(2)(torch.arange(16).view(1, 4, 4))
    tensor([[[ 5,  6],
             [ 9, 10]]])
    """

    def __init__(self, size: int | Sequence[int]) -> None:
        super().__init__()
        self.size = pair(size, TWO_SIZES)

    def forward(self, img: Any) -> Any:
        return F.center_crop(img, self.size)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(size={self.size})"


class Pad(rl.nn.Module):
    """Add a border of `padding`: one width, (left and right, top and bottom) or (l, t, r, b).

    `fill` is the value of a "constant" border; `padding_mode` may be "edge", "reflect" or
    "symmetric" instead.
    Raises: TypeError, ValueError for arguments of other forms.

    >>> import rushlight as torch
    >>> from rushlight.vision import transforms
    >>> transforms.Pad(1, padding_mode="edge")(torch.tensor([[[1, 2]]]))
    tensor([[[1, 1, 2, 2],
             [1, 1, 2, 2],
             [1, 1, 2, 2]]])
    """

    def __init__(
        self,
        padding: int | Sequence[int],
        fill: float | Sequence[float] = 0,
        padding_mode: str = "constant",
    ) -> None:
        super().__init__()
        if not isinstance(padding, int | float | tuple | list):
            raise TypeError("Got inappropriate padding arg")
        if not isinstance(fill, int | float | tuple | list):
            raise TypeError("Got inappropriate fill arg")
        if padding_mode not in ("constant", "edge", "reflect", "symmetric"):
            raise ValueError("Padding mode should be either constant, edge, reflect or symmetric")
        if isinstance(padding, Sequence) and len(padding) not in (1, 2, 4):
            raise ValueError(
                f"Padding must be an int or a 1, 2, or 4 element tuple, not a "
                f"{len(padding)} element tuple"
            )
        self.padding = padding
        self.fill = fill
        self.padding_mode = padding_mode

    def forward(self, img: Any) -> Any:
        return F.pad(img, self.padding, self.fill, self.padding_mode)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(padding={self.padding}, fill={self.fill}, "
            f"padding_mode={self.padding_mode})"
        )


class RandomCrop(rl.nn.Module):
    """Cut out a rectangle of `size` at a random place, after padding.

    Draws: `randint` for the row, `randint` for the column; none when nothing is cut off.
    Raises: ValueError when the picture is smaller than `size` (see `pad_if_needed`).

    >>> import rushlight as torch
    >>> from rushlight.vision import transforms
    >>> transforms.RandomCrop(32, padding=4)(torch.zeros(3, 32, 32)).shape
    torch.Size([3, 32, 32])
    """

    def __init__(
        self,
        size: int | Sequence[int],
        padding: int | Sequence[int] | None = None,
        pad_if_needed: bool = False,
        fill: float | Sequence[float] = 0,
        padding_mode: str = "constant",
    ) -> None:
        super().__init__()
        self.size = pair(size, TWO_SIZES)
        self.padding = padding
        self.pad_if_needed = pad_if_needed
        self.fill = fill
        self.padding_mode = padding_mode

    @staticmethod
    def get_params(img: Any, output_size: tuple[int, int]) -> tuple[int, int, int, int]:
        """Draw (top, left, height, width)."""
        _, height, width = F.get_dimensions(img)
        rows, columns = output_size
        if height < rows or width < columns:
            raise ValueError(
                f"Required crop size {(rows, columns)} is larger than input image size "
                f"{(height, width)}"
            )
        if (height, width) == (rows, columns):
            return 0, 0, height, width
        return *_draw_corner(height, width, rows, columns), rows, columns

    def forward(self, img: Any) -> Any:
        if self.padding is not None:
            img = F.pad(img, self.padding, self.fill, self.padding_mode)
        _, height, width = F.get_dimensions(img)
        if self.pad_if_needed and width < self.size[1]:
            img = F.pad(img, [self.size[1] - width, 0], self.fill, self.padding_mode)
        if self.pad_if_needed and height < self.size[0]:
            img = F.pad(img, [0, self.size[0] - height], self.fill, self.padding_mode)
        return F.crop(img, *self.get_params(img, self.size))

    def __repr__(self) -> str:
        return f"{type(self).__name__}(size={self.size}, padding={self.padding})"


class RandomHorizontalFlip(rl.nn.Module):
    """Mirror left and right with probability `p` (one `rand(1)`).

    >>> import rushlight as torch
    >>> from rushlight.vision import transforms
    >>> transforms.RandomHorizontalFlip(p=1)(torch.tensor([[[1, 2], [3, 4]]]))
    tensor([[[2, 1],
             [4, 3]]])
    """

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        self.p = p

    def forward(self, img: Any) -> Any:
        return F.hflip(img) if rl.rand(1) < self.p else img

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.p})"


class RandomVerticalFlip(rl.nn.Module):
    """Mirror top and bottom with probability `p` (one `rand(1)`).

    >>> import rushlight as torch
    >>> from rushlight.vision import transforms
    >>> transforms.RandomVerticalFlip(p=1)(torch.tensor([[[1, 2], [3, 4]]]))
    tensor([[[3, 4],
             [1, 2]]])
    """

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        self.p = p

    def forward(self, img: Any) -> Any:
        return F.vflip(img) if rl.rand(1) < self.p else img

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.p})"


class RandomResizedCrop(rl.nn.Module):
    """Cut out a rectangle of random area and shape and resize it to `size`.

    Draws, up to ten times until the rectangle fits: the share of the area from `scale`, the
    logarithm of width / height from `ratio`; then the corner. Else the middle is taken.
    Source: C. Szegedy et al., 2015, https://arxiv.org/abs/1409.4842

    >>> import rushlight as torch
    >>> from rushlight.vision import transforms
    >>> transforms.RandomResizedCrop(24)(torch.rand(3, 40, 60)).shape
    torch.Size([3, 24, 24])
    """

    def __init__(
        self,
        size: int | Sequence[int],
        scale: Sequence[float] = (0.08, 1.0),
        ratio: Sequence[float] = (3.0 / 4.0, 4.0 / 3.0),
        interpolation: InterpolationMode | int = InterpolationMode.BILINEAR,
        antialias: bool | None = True,
    ) -> None:
        super().__init__()
        self.size = pair(size, TWO_SIZES)
        if not isinstance(scale, Sequence):
            raise TypeError("Scale should be a sequence")
        if not isinstance(ratio, Sequence):
            raise TypeError("Ratio should be a sequence")
        if scale[0] > scale[1] or ratio[0] > ratio[1]:
            warnings.warn("Scale and ratio should be of kind (min, max)", stacklevel=2)
        self.interpolation = interpolation_mode(interpolation)
        self.antialias = antialias
        self.scale = scale
        self.ratio = ratio

    @staticmethod
    def get_params(
        img: Any, scale: Sequence[float], ratio: Sequence[float]
    ) -> tuple[int, int, int, int]:
        """Draw (top, left, height, width)."""
        _, height, width = F.get_dimensions(img)
        return draw_part(height, width, scale, ratio)

    def forward(self, img: Any) -> Any:
        place = self.get_params(img, self.scale, self.ratio)
        return F.resized_crop(img, *place, self.size, self.interpolation, self.antialias)

    def __repr__(self) -> str:
        scale = tuple(round(value, 4) for value in self.scale)
        ratio = tuple(round(value, 4) for value in self.ratio)
        return (
            f"{type(self).__name__}(size={self.size}, scale={scale}, ratio={ratio}, "
            f"interpolation={self.interpolation.value}, antialias={self.antialias})"
        )


class FiveCrop(rl.nn.Module):
    """The four corners and the middle, as a tuple of five pictures.

    Raises: ValueError for a picture that is smaller.

    >>> import rushlight as torch
    >>> from rushlight.vision import transforms
    >>> [int(part) for part in transforms.FiveCrop(1)(torch.arange(9).view(1, 3, 3))]
    [0, 2, 6, 8, 4]
    """

    def __init__(self, size: int | Sequence[int]) -> None:
        super().__init__()
        self.size = pair(size, TWO_SIZES)

    def forward(self, img: Any) -> tuple[Any, ...]:
        return F.five_crop(img, self.size)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(size={self.size})"


class TenCrop(rl.nn.Module):
    """FiveCrop of the picture and of its mirror image, as a tuple of ten pictures.

    `vertical_flip`: mirrored top and bottom instead of left and right.

    >>> import rushlight as torch
    >>> from rushlight.vision import transforms
    >>> [int(part) for part in transforms.TenCrop(1)(torch.arange(9).view(1, 3, 3))]
    [0, 2, 6, 8, 4, 2, 0, 8, 6, 4]
    """

    def __init__(self, size: int | Sequence[int], vertical_flip: bool = False) -> None:
        super().__init__()
        self.size = pair(size, TWO_SIZES)
        self.vertical_flip = vertical_flip

    def forward(self, img: Any) -> tuple[Any, ...]:
        return F.ten_crop(img, self.size, self.vertical_flip)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(size={self.size}, vertical_flip={self.vertical_flip})"
