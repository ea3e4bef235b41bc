"""Augmentation by random choice, of the one picture or video of a sample."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import rushlight as rl

from ....utils._pytree import tree_unflatten
from ...io import is_pillow_image
from ...tv_tensors import BoundingBoxes, Image, KeyPoints, Mask, Video, wrap
from .. import auto as first
from ..auto import AutoAugmentPolicy, Space, change_places, colors, moves, tones
from ..functional.kinds import max_value
from . import functional as F
from .functional.dispatch import is_pure_tensor, plain
from .functional.geometry import Mode
from .transform import PICTURES, Filling, check_type, flattened


class _Auto(Filling):
    """The base: finds the picture, changes it, puts it back.

    Raises: TypeError for samples with boxes, points or masks, and without just one picture.
    """

    def __init__(self, interpolation: Mode, fill: Any) -> None:
        super().__init__()
        self.interpolation = interpolation
        self._set_fill(fill)

    def forward(self, *inputs: Any) -> Any:
        flat, structure = flattened(inputs)
        found = []
        for place, (one, want) in enumerate(zip(flat, self._needs_transform_list(flat))):
            if want and check_type(one, (is_pure_tensor, *PICTURES)):
                found.append(place)
            elif isinstance(one, BoundingBoxes | Mask | KeyPoints):
                raise TypeError(f"Inputs of type {type(one).__name__} are not supported by "
                                f"{type(self).__name__}()")  # fmt: skip
        if not found:
            raise TypeError("Found no image in the sample.")
        if len(found) > 1:
            raise TypeError("Auto augment transformations are only properly defined for a single "
                            f"image or video, but found {len(found)}.")  # fmt: skip
        flat[found[0]] = self._augmented(flat[found[0]])
        return tree_unflatten(flat, structure)

    def _augmented(self, picture: Any) -> Any:
        raise NotImplementedError  # each subclass says how

    def _by(self, values: rl.Tensor, either: bool, place: Callable[[], int]) -> float:
        """One strength: its place, and its sign by `rand(())` where it may go either way."""
        if not values.ndim:
            return 0.0
        strength = float(values[place()])
        return -strength if either and rl.rand(()) <= 0.5 else strength

    def _changed(self, picture: Any, name: str, by: float) -> Any:
        fill = self._fill_of(picture)
        if name in CHANGES:
            return CHANGES[name](picture, by)
        if name == "Rotate":
            return F.rotate(picture, by, self.interpolation, fill=fill)
        angles = change_places(name, by)
        return F.affine(picture, 0.0, angles[0], 1.0, angles[1], self.interpolation, fill,
                        center=angles[2])  # fmt: skip

    def _one(self, picture: Any, space: Space, place: Callable[[], int]) -> Any:
        """A picture after one change drawn from a space."""
        name = list(space)[int(rl.randint(len(space), ()))]
        values, either = space[name]
        return self._changed(picture, name, self._by(values, either, place))


def _solarized(picture: Any, share: float) -> Any:
    white = max_value(picture.dtype) if isinstance(picture, rl.Tensor) else 255.0
    return F.solarize(picture, white * share)


CHANGES: dict[str, Callable[[Any, float], Any]] = {
    "Brightness": lambda x, by: F.adjust_brightness(x, 1.0 + by),
    "Color": lambda x, by: F.adjust_saturation(x, 1.0 + by),
    "Contrast": lambda x, by: F.adjust_contrast(x, 1.0 + by),
    "Sharpness": lambda x, by: F.adjust_sharpness(x, 1.0 + by),
    "Posterize": lambda x, by: F.posterize(x, int(by)),
    "Solarize": _solarized,
    "AutoContrast": lambda x, by: F.autocontrast(x),
    "Equalize": lambda x, by: F.equalize(x),
    "Invert": lambda x, by: F.invert(x),
    "Identity": lambda x, by: x,
}
NOTHING = (rl.tensor(0.0), False)  # a change without strengths


class AutoAugment(_Auto):
    """Two changes by a learnt policy.

    Draws: `randint` for which pair; for each change `rand(())` for whether, and for its sign.
    Source: Cubuk et al., 2019, https://arxiv.org/abs/1805.09501

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms import v2
    >>> v2.AutoAugment()(torch.zeros(3, 8, 8, dtype=torch.uint8)).shape
    torch.Size([3, 8, 8])
    """

    def __init__(
        self,
        policy: AutoAugmentPolicy = AutoAugmentPolicy.IMAGENET,
        interpolation: Mode = "nearest",
        fill: Any = None,
    ) -> None:
        super().__init__(interpolation, fill)
        self._policies = first.AutoAugment(policy).policies
        self.policy = policy

    def _augmented(self, picture: Any) -> Any:
        height, width = F.get_size(picture)
        across, down = 150.0 / 331.0 * width, 150.0 / 331.0 * height
        space = {**moves(10, 0.3, across, down, 30.0), **colors(10, 0.9),
                 **tones(10, 8, 4, 1.0), "Invert": NOTHING}  # fmt: skip
        for name, chance, level in self._policies[int(rl.randint(len(self._policies), ()))]:
            if rl.rand(()) <= chance:
                values, either = space[name]
                by = self._by(values, either, lambda level=level: level or 0)
                picture = self._changed(picture, name, by)
        return picture


class RandAugment(_Auto):
    """`num_ops` changes drawn from fourteen, all of one strength.

    Draws: `randint` for each change, `rand(())` for its sign.
    Raises: ValueError for a number below 0.
    Source: Cubuk et al., 2020, https://arxiv.org/abs/1909.13719

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms import v2
    >>> v2.RandAugment(num_ops=2)(torch.zeros(3, 8, 8, dtype=torch.uint8)).shape
    torch.Size([3, 8, 8])
    """

    def __init__(
        self,
        num_ops: int = 2,
        magnitude: int = 9,
        num_magnitude_bins: int = 31,
        interpolation: Mode = "nearest",
        fill: Any = None,
    ) -> None:
        super().__init__(interpolation, fill)
        if not isinstance(num_ops, int) or num_ops < 0:
            raise ValueError(
                f"num_ops should be a non-negative integer, but got {num_ops} instead."
            )
        self.num_ops = num_ops
        self.magnitude = magnitude
        self.num_magnitude_bins = num_magnitude_bins

    def _augmented(self, picture: Any) -> Any:
        height, width = F.get_size(picture)
        bins, across, down = self.num_magnitude_bins, 150.0 / 331.0 * width, 150.0 / 331.0 * height
        space = {"Identity": NOTHING, **moves(bins, 0.3, across, down, 30.0), **colors(bins, 0.9),
                 **tones(bins, 8, 4, 1.0)}  # fmt: skip
        for _ in range(self.num_ops):
            picture = self._one(picture, space, lambda: self.magnitude)
        return picture


class TrivialAugmentWide(_Auto):
    """One change drawn from fourteen, of a drawn strength.

    Draws: `randint` for the change, `randint` for its strength, `rand(())` for its sign.
    Source: Mueller and Hutter, 2021, https://arxiv.org/abs/2103.10158

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms import v2
    >>> v2.TrivialAugmentWide()(torch.zeros(3, 8, 8, dtype=torch.uint8)).shape
    torch.Size([3, 8, 8])
    """

    def __init__(
        self, num_magnitude_bins: int = 31, interpolation: Mode = "nearest", fill: Any = None
    ) -> None:
        super().__init__(interpolation, fill)
        self.num_magnitude_bins = num_magnitude_bins

    def _augmented(self, picture: Any) -> Any:
        bins = self.num_magnitude_bins
        space = {"Identity": NOTHING, **moves(bins, 0.99, 32.0, 32.0, 135.0),
                 **colors(bins, 0.99), **tones(bins, 8, 6, 1.0)}  # fmt: skip
        return self._one(picture, space, lambda: int(rl.randint(bins, ())))


class AugMix(_Auto):
    """A mixture of the picture and of several chains of changes.

    Draws: two Dirichlet samples; for each chain `randint(1, 4)` for its length, and its changes.
    Raises: ValueError for a severity outside of 1..10.
    Source: Hendrycks et al., 2020, https://arxiv.org/abs/1912.02781

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms import v2
    >>> v2.AugMix()(torch.zeros(3, 8, 8, dtype=torch.uint8)).shape
    torch.Size([3, 8, 8])
    """

    def __init__(
        self,
        severity: int = 3,
        mixture_width: int = 3,
        chain_depth: int = -1,
        alpha: float = 1.0,
        all_ops: bool = True,
        interpolation: Mode = "bilinear",
        fill: Any = None,
    ) -> None:
        super().__init__(interpolation, fill)
        if not 1 <= severity <= 10:
            raise ValueError(f"The severity must be between [1, 10]. Got {severity} instead.")
        self.severity, self.mixture_width, self.chain_depth = severity, mixture_width, chain_depth
        self.alpha, self.all_ops = alpha, all_ops

    def _chain(self, picture: Any, space: Space) -> Any:
        depth = self.chain_depth if self.chain_depth > 0 else int(rl.randint(1, 4, size=(1,)))
        for _ in range(depth):
            picture = self._one(picture, space, lambda: int(rl.randint(self.severity, ())))
        return picture

    def _augmented(self, picture: Any) -> Any:
        height, width = F.get_size(picture)
        space = {**moves(10, 0.3, width / 3.0, height / 3.0, 30.0), **tones(10, 4, 4, 1.0)}
        space = {**space, **colors(10, 0.9)} if self.all_ops else space
        values = F.pil_to_tensor(picture) if is_pillow_image(picture) else plain(picture)
        dims = 5 if isinstance(picture, Video) else 4
        batch = values.reshape(*[1] * max(dims - values.ndim, 0), *values.shape)
        shares = first.weights(self.alpha, len(batch), 2)
        weights = first.weights(self.alpha, len(batch), self.mixture_width) * shares[:, 1:]
        shape = (-1, *[1] * (batch.ndim - 1))
        mix = shares[:, 0].reshape(shape) * batch
        for k in range(self.mixture_width):
            mix = mix + weights[:, k].reshape(shape) * self._chain(batch, space)
        mix = mix.reshape(values.shape).to(values.dtype)
        if is_pillow_image(picture):
            return F.to_pil_image(mix)
        return wrap(mix, like=picture) if isinstance(picture, Image | Video) else mix
