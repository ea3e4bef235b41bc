"""Augmentation by random choice: learnt policies, and schemes that need none."""

from __future__ import annotations

import enum
import math
from collections.abc import Callable
from typing import Any

import rushlight as rl

from ...distributions import Dirichlet
from . import functional as F
from .functional import InterpolationMode
from .functional.convert import pil_to_tensor, to_pil_image
from .warp import filled, whole

NEAREST, BILINEAR = InterpolationMode.NEAREST, InterpolationMode.BILINEAR
Space = dict[str, tuple[rl.Tensor, bool]]  # how strong a change may be, and whether either way


class AutoAugmentPolicy(enum.Enum):
    """The data sets whose policies were learnt.

    >>> from rushlight.vision.transforms import AutoAugmentPolicy
    >>> AutoAugmentPolicy("cifar10")
    <AutoAugmentPolicy.CIFAR10: 'cifar10'>
    """

    IMAGENET = "imagenet"
    CIFAR10 = "cifar10"
    SVHN = "svhn"


# pairs of changes, each with its probability and its strength in 0..9 (Cubuk et al., 2019)
POLICIES = {
    "imagenet": """
        Posterize 0.4 8; Rotate 0.6 9
        Solarize 0.6 5; AutoContrast 0.6
        Equalize 0.8; Equalize 0.6
        Posterize 0.6 7; Posterize 0.6 6
        Equalize 0.4; Solarize 0.2 4
        Equalize 0.4; Rotate 0.8 8
        Solarize 0.6 3; Equalize 0.6
        Posterize 0.8 5; Equalize 1.0
        Rotate 0.2 3; Solarize 0.6 8
        Equalize 0.6; Posterize 0.4 6
        Rotate 0.8 8; Color 0.4 0
        Rotate 0.4 9; Equalize 0.6
        Equalize 0.0; Equalize 0.8
        Invert 0.6; Equalize 1.0
        Color 0.6 4; Contrast 1.0 8
        Rotate 0.8 8; Color 1.0 2
        Color 0.8 8; Solarize 0.8 7
        Sharpness 0.4 7; Invert 0.6
        ShearX 0.6 5; Equalize 1.0
        Color 0.4 0; Equalize 0.6
        Equalize 0.4; Solarize 0.2 4
        Solarize 0.6 5; AutoContrast 0.6
        Invert 0.6; Equalize 1.0
        Color 0.6 4; Contrast 1.0 8
        Equalize 0.8; Equalize 0.6
    """,
    "cifar10": """
        Invert 0.1; Contrast 0.2 6
        Rotate 0.7 2; TranslateX 0.3 9
        Sharpness 0.8 1; Sharpness 0.9 3
        ShearY 0.5 8; TranslateY 0.7 9
        AutoContrast 0.5; Equalize 0.9
        ShearY 0.2 7; Posterize 0.3 7
        Color 0.4 3; Brightness 0.6 7
        Sharpness 0.3 9; Brightness 0.7 9
        Equalize 0.6; Equalize 0.5
        Contrast 0.6 7; Sharpness 0.6 5
        Color 0.7 7; TranslateX 0.5 8
        Equalize 0.3; AutoContrast 0.4
        TranslateY 0.4 3; Sharpness 0.2 6
        Brightness 0.9 6; Color 0.2 8
        Solarize 0.5 2; Invert 0.0
        Equalize 0.2; AutoContrast 0.6
        Equalize 0.2; Equalize 0.6
        Color 0.9 9; Equalize 0.6
        AutoContrast 0.8; Solarize 0.2 8
        Brightness 0.1 3; Color 0.7 0
        Solarize 0.4 5; AutoContrast 0.9
        TranslateY 0.9 9; TranslateY 0.7 9
        AutoContrast 0.9; Solarize 0.8 3
        Equalize 0.8; Invert 0.1
        TranslateY 0.7 9; AutoContrast 0.9
    """,
    "svhn": """
        ShearX 0.9 4; Invert 0.2
        ShearY 0.9 8; Invert 0.7
        Equalize 0.6; Solarize 0.6 6
        Invert 0.9; Equalize 0.6
        Equalize 0.6; Rotate 0.9 3
        ShearX 0.9 4; AutoContrast 0.8
        ShearY 0.9 8; Invert 0.4
        ShearY 0.9 5; Solarize 0.2 6
        Invert 0.9; AutoContrast 0.8
        Equalize 0.6; Rotate 0.9 3
        ShearX 0.9 4; Solarize 0.3 3
        ShearY 0.8 8; Invert 0.7
        Equalize 0.9; TranslateY 0.6 6
        Invert 0.9; Equalize 0.6
        Contrast 0.3 3; Rotate 0.8 4
        Invert 0.8; TranslateY 0.0 2
        ShearY 0.7 6; Solarize 0.4 8
        Invert 0.6; Rotate 0.8 4
        ShearY 0.3 7; TranslateX 0.9 3
        ShearX 0.1 6; Invert 0.6
        Solarize 0.7 2; TranslateY 0.6 7
        ShearY 0.8 4; Invert 0.8
        ShearX 0.7 9; TranslateY 0.8 3
        ShearY 0.8 5; AutoContrast 0.7
        ShearX 0.7 2; Invert 0.1
    """,
}


_CHANGES: dict[str, Callable[[Any, float], Any]] = {
    "Brightness": lambda img, by: F.adjust_brightness(img, 1.0 + by),
    "Color": lambda img, by: F.adjust_saturation(img, 1.0 + by),
    "Contrast": lambda img, by: F.adjust_contrast(img, 1.0 + by),
    "Sharpness": lambda img, by: F.adjust_sharpness(img, 1.0 + by),
    "Posterize": lambda img, by: F.posterize(img, int(by)),
    "Solarize": F.solarize,
    "AutoContrast": lambda img, by: F.autocontrast(img),
    "Equalize": lambda img, by: F.equalize(img),
    "Invert": lambda img, by: F.invert(img),
    "Identity": lambda img, by: img,
}


def _changed(img: Any, name: str, by: float, mode: InterpolationMode, fill: Any) -> Any:
    """A picture after one change of a strength."""
    if name in _CHANGES:
        return _CHANGES[name](img, by)
    if name == "Rotate":
        return F.rotate(img, by, mode, fill=fill)
    move, shear, center = change_places(name, by)
    return F.affine(img, 0.0, move, 1.0, shear, mode, fill, center=center)


def change_places(name: str, by: float) -> tuple[list[int], list[float], list[int] | None]:
    """The move, the shear and its centre of a change of place, such as "TranslateX"."""
    move, shear, place = [0, 0], [0.0, 0.0], "XY".index(name[-1])
    if name.startswith("Translate"):
        move[place] = int(by)
        return move, shear, None
    shear[place] = math.degrees(math.atan(by))
    return move, shear, [0, 0]


def moves(bins: int, shear: float, across: float, down: float, turn: float) -> Space:
    most = {"ShearX": shear, "ShearY": shear, "TranslateX": across, "TranslateY": down,
            "Rotate": turn}  # fmt: skip
    return {name: (rl.linspace(0.0, far, bins), True) for name, far in most.items()}


def colors(bins: int, most: float) -> Space:
    names = ("Brightness", "Color", "Contrast", "Sharpness")
    return {name: (rl.linspace(0.0, most, bins), True) for name in names}


def tones(bins: int, bits: int, steps: float, white: float = 255.0) -> Space:
    kept = bits - (rl.arange(bins) / ((bins - 1) / steps)).round().int()
    return {
        "Posterize": (kept, False), "Solarize": (rl.linspace(white, 0.0, bins), False),
        "AutoContrast": (rl.tensor(0.0), False), "Equalize": (rl.tensor(0.0), False),
    }  # fmt: skip


def _strength(values: rl.Tensor, either: bool, place: Callable[[], int]) -> float:
    """One strength, its place and its sign drawn where there is a choice."""
    by = float(values[place()].item()) if values.ndim else 0.0
    return -by if either and rl.randint(2, (1,)) else by


class _Auto(rl.nn.Module):
    interpolation: InterpolationMode
    fill: Any

    def _filled(self, img: Any) -> Any:
        return None if self.fill is None else filled(self.fill, img)

    def _one(self, img: Any, space: Space, place: Callable[[rl.Tensor], int], fill: Any) -> Any:
        """A picture after one change drawn from a space."""
        name = list(space)[whole(0, len(space))]
        values, either = space[name]
        by = _strength(values, either, lambda: place(values))
        return _changed(img, name, by, self.interpolation, fill)


class AutoAugment(_Auto):
    """Two changes by a learnt policy.

    Draws: which pair; `rand(2)` for whether each is made; `randint(2, (2,))` for their signs.
    Source: Cubuk et al., 2019, https://arxiv.org/abs/1805.09501

    >>> import rushlight as torch
    >>> from rushlight.vision import transforms
    >>> augment = transforms.AutoAugment(transforms.AutoAugmentPolicy.CIFAR10)
    >>> augment(torch.zeros(3, 8, 8, dtype=torch.uint8)).shape
    torch.Size([3, 8, 8])
    """

    def __init__(
        self,
        policy: AutoAugmentPolicy = AutoAugmentPolicy.IMAGENET,
        interpolation: InterpolationMode = NEAREST,
        fill: Any = None,
    ) -> None:
        super().__init__()
        if policy not in AutoAugmentPolicy:
            raise ValueError(f"The provided policy {policy} is not recognized.")
        self.policy, self.interpolation, self.fill = policy, interpolation, fill
        self.policies = []
        for line in POLICIES[policy.value].strip().splitlines():
            parts = [part.split() for part in line.split(";")]
            self.policies.append(tuple(
                (name, float(chance), int(level[0]) if level else None)
                for name, chance, *level in parts
            ))  # fmt: skip

    @staticmethod
    def get_params(transform_num: int) -> tuple[int, rl.Tensor, rl.Tensor]:
        """Draw the pair, whether, and the signs."""
        return whole(0, transform_num), rl.rand((2,)), rl.randint(2, (2,))

    def forward(self, img: Any) -> Any:
        fill = self._filled(img)
        _, height, width = F.get_dimensions(img)
        space = {
            **moves(10, 0.3, 150.0 / 331.0 * width, 150.0 / 331.0 * height, 30.0),
            **colors(10, 0.9), **tones(10, 8, 4), "Invert": (rl.tensor(0.0), False),
        }  # fmt: skip
        number, chances, signs = self.get_params(len(self.policies))
        for place, (name, chance, level) in enumerate(self.policies[number]):
            if chances[place] <= chance:
                values, either = space[name]
                by = 0.0 if level is None else float(values[level].item())
                by = -by if either and signs[place] == 0 else by
                img = _changed(img, name, by, self.interpolation, fill)
        return img

    def __repr__(self) -> str:
        return f"{type(self).__name__}(policy={self.policy}, fill={self.fill})"


class RandAugment(_Auto):
    """`num_ops` changes drawn from fourteen, all of one strength.

    Source: Cubuk et al., 2020, https://arxiv.org/abs/1909.13719

    >>> import rushlight as torch
    >>> from rushlight.vision import transforms
    >>> transforms.RandAugment(num_ops=3)(torch.zeros(3, 8, 8, dtype=torch.uint8)).shape
    torch.Size([3, 8, 8])
    """

    def __init__(
        self,
        num_ops: int = 2,
        magnitude: int = 9,
        num_magnitude_bins: int = 31,
        interpolation: InterpolationMode = NEAREST,
        fill: Any = None,
    ) -> None:
        super().__init__()
        self.num_ops, self.magnitude, self.num_magnitude_bins = (
            num_ops, magnitude, num_magnitude_bins,
        )  # fmt: skip
        self.interpolation, self.fill = interpolation, fill

    def forward(self, img: Any) -> Any:
        fill, bins = self._filled(img), self.num_magnitude_bins
        _, height, width = F.get_dimensions(img)
        across, down = 150.0 / 331.0 * width, 150.0 / 331.0 * height
        space = {"Identity": (rl.tensor(0.0), False), **moves(bins, 0.3, across, down, 30.0),
                 **colors(bins, 0.9), **tones(bins, 8, 4)}  # fmt: skip
        for _ in range(self.num_ops):
            img = self._one(img, space, lambda values: self.magnitude, fill)
        return img

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(num_ops={self.num_ops}, magnitude={self.magnitude},"
            f" num_magnitude_bins={self.num_magnitude_bins}, interpolation={self.interpolation},"
            f" fill={self.fill})"
        )


class TrivialAugmentWide(_Auto):
    """One change drawn from fourteen, of a drawn strength.

    Source: Mueller and Hutter, 2021, https://arxiv.org/abs/2103.10158

    >>> import rushlight as torch
    >>> from rushlight.vision import transforms
    >>> transforms.TrivialAugmentWide()(torch.zeros(3, 8, 8, dtype=torch.uint8)).shape
    torch.Size([3, 8, 8])
    """

    def __init__(
        self,
        num_magnitude_bins: int = 31,
        interpolation: InterpolationMode = NEAREST,
        fill: Any = None,
    ) -> None:
        super().__init__()
        self.num_magnitude_bins, self.interpolation, self.fill = (
            num_magnitude_bins, interpolation, fill,
        )  # fmt: skip

    def forward(self, img: Any) -> Any:
        bins = self.num_magnitude_bins
        space = {"Identity": (rl.tensor(0.0), False), **moves(bins, 0.99, 32.0, 32.0, 135.0),
                 **colors(bins, 0.99), **tones(bins, 8, 6)}  # fmt: skip
        return self._one(img, space, lambda values: whole(0, len(values)), self._filled(img))

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(num_magnitude_bins={self.num_magnitude_bins},"
            f" interpolation={self.interpolation}, fill={self.fill})"
        )


def weights(alpha: float, rows: int, count: int) -> rl.Tensor:
    """Shares (rows, count) that sum to 1, from a Dirichlet distribution."""
    return Dirichlet(rl.tensor([alpha] * count).expand(rows, -1)).sample()


class AugMix(_Auto):
    """A mixture of the picture and of several chains of changes.

    Source: Hendrycks et al., 2020, https://arxiv.org/abs/1912.02781

    >>> import rushlight as torch
    >>> from rushlight.vision import transforms
    >>> transforms.AugMix()(torch.zeros(3, 8, 8, dtype=torch.uint8)).shape
    torch.Size([3, 8, 8])
    """

    def __init__(
        self,
        severity: int = 3,
        mixture_width: int = 3,
        chain_depth: int = -1,
        alpha: float = 1.0,
        all_ops: bool = True,
        interpolation: InterpolationMode = BILINEAR,
        fill: Any = None,
    ) -> None:
        super().__init__()
        if not 1 <= severity <= 10:
            raise ValueError(f"The severity must be between [1, 10]. Got {severity} instead.")
        self.severity, self.mixture_width, self.chain_depth = severity, mixture_width, chain_depth
        self.alpha, self.all_ops = alpha, all_ops
        self.interpolation, self.fill = interpolation, fill

    def _space(self, height: int, width: int) -> Space:
        space = {**moves(10, 0.3, width / 3.0, height / 3.0, 30.0), **tones(10, 4, 4)}
        return {**space, **colors(10, 0.9)} if self.all_ops else space

    def forward(self, orig_img: Any) -> Any:
        picture = not isinstance(orig_img, rl.Tensor)
        img = pil_to_tensor(orig_img) if picture else orig_img
        _, height, width = F.get_dimensions(orig_img)
        space, fill = self._space(height, width), self._filled(orig_img)
        batch = img.view(*[1] * max(4 - img.ndim, 0), *img.shape)
        shape, rows = (-1, *[1] * (batch.ndim - 1)), batch.shape[0]
        shares = weights(self.alpha, rows, 2)
        chains = weights(self.alpha, rows, self.mixture_width) * shares[:, 1].reshape(-1, 1)
        mix = shares[:, 0].reshape(shape) * batch
        for k in range(self.mixture_width):
            chain = batch
            depth = self.chain_depth if self.chain_depth > 0 else whole(1, 4)
            for _ in range(depth):
                chain = self._one(chain, space, lambda values: whole(0, self.severity), fill)
            mix = mix + chains[:, k].reshape(shape) * chain
        mix = mix.view(img.shape).to(dtype=img.dtype)
        return to_pil_image(mix) if picture else mix

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(severity={self.severity}, mixture_width={self.mixture_width},"
            f" chain_depth={self.chain_depth}, alpha={self.alpha}, all_ops={self.all_ops},"
            f" interpolation={self.interpolation}, fill={self.fill})"
        )
