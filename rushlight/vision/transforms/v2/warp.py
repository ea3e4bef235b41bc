"""Turn, shear, project and bend whole samples at random."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import warp as first
from ..functional.warp import coefficients
from ..warp import between, checked_center, two
from . import functional as F
from .functional.geometry import Mode
from .transform import Filling, RandomTransform, query_size


def two_numbers(values: Any, name: str) -> list[float]:
    """One number twice, or two. Raises: TypeError, ValueError for anything else."""
    if not isinstance(values, int | float | Sequence):
        raise TypeError(f"{name} should be a number or a sequence of numbers. Got {type(values)}")
    given = [values] if isinstance(values, int | float) else list(values)
    if len(given) not in (1, 2):
        raise ValueError(f"If {name} is a sequence its length should be 1 or 2. Got {len(given)}")
    for one in given:
        if not isinstance(one, int | float):
            raise ValueError(f"{name} should be a sequence of numbers. Got {type(one)}")
    return [float(one) for one in given] * (3 - len(given))


class RandomRotation(Filling):
    """Turn by an angle drawn from `degrees` (one uniform draw).

    degrees: (lowest, highest), or one number a for (-a, a); expand: enlarge the picture so that it
    holds all. Raises: ValueError for a negative number.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms import v2
    >>> v2.RandomRotation(degrees=(90, 90))(torch.tensor([[[1, 2], [3, 4]]]))
    tensor([[[2, 4],
             [1, 3]]])
    """

    first = first.RandomRotation

    def __init__(
        self,
        degrees: float | Sequence[float],
        interpolation: Mode = "nearest",
        expand: bool = False,
        center: Sequence[float] | None = None,
        fill: Any = 0,
    ) -> None:
        super().__init__()
        self.degrees = two(degrees, "degrees")
        self.interpolation, self.expand = interpolation, expand
        self._set_fill(fill)
        self.center = checked_center(center)

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        return {"angle": between(self.degrees[0], self.degrees[1])}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return self._call_kernel(
            F.rotate, inpt, **params, interpolation=self.interpolation, expand=self.expand,
            center=self.center, fill=self._fill_of(inpt),
        )  # fmt: skip


class RandomAffine(Filling):
    """Turn, move, scale and shear by numbers drawn from ranges, as the first set draws them.

    degrees, shear: (lowest, highest), or one number a for (-a, a); translate: the largest shares
    of width and height; scale: (least, most). Raises: ValueError for ranges of other forms.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms import v2
    >>> v2.RandomAffine(degrees=30, translate=(0.1, 0.1))(torch.rand(3, 8, 8)).shape
    torch.Size([3, 8, 8])
    """

    first = first.RandomAffine

    def __init__(
        self,
        degrees: float | Sequence[float],
        translate: Sequence[float] | None = None,
        scale: Sequence[float] | None = None,
        shear: float | Sequence[float] | None = None,
        interpolation: Mode = "nearest",
        fill: Any = 0,
        center: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        turn, skew = first.RandomAffine.check(degrees, translate, scale, shear)
        self.degrees, self.translate, self.scale, self.shear = turn, translate, scale, skew
        self.interpolation = interpolation
        self._set_fill(fill)
        self.center = checked_center(center)

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        size = query_size(flat_inputs)[::-1]
        drawn = first.RandomAffine.get_params(self.degrees, self.translate, self.scale, self.shear,
                                              size)  # fmt: skip
        return dict(zip(("angle", "translate", "scale", "shear"), drawn))

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return self._call_kernel(
            F.affine, inpt, **params, interpolation=self.interpolation, fill=self._fill_of(inpt),
            center=self.center,
        )  # fmt: skip


class RandomPerspective(RandomTransform, Filling):
    """Look at the picture from aside with probability `p`; corners drawn as by the first set.

    Raises: ValueError for a `distortion_scale` outside of 0..1.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms import v2
    >>> v2.RandomPerspective(p=1.0)(torch.rand(3, 8, 8)).shape
    torch.Size([3, 8, 8])
    """

    first = first.RandomPerspective

    def __init__(
        self,
        distortion_scale: float = 0.5,
        p: float = 0.5,
        interpolation: Mode = "bilinear",
        fill: Any = 0,
    ) -> None:
        super().__init__(p=p)
        if not 0 <= distortion_scale <= 1:
            raise ValueError("Argument distortion_scale value should be between 0 and 1")
        self.distortion_scale, self.interpolation = distortion_scale, interpolation
        self._set_fill(fill)

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        height, width = query_size(flat_inputs)
        drawn = first.RandomPerspective.get_params(width, height, self.distortion_scale)
        return {"coefficients": coefficients(*drawn)}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return self._call_kernel(F.perspective, inpt, None, None, fill=self._fill_of(inpt),
                                 interpolation=self.interpolation, **params)  # fmt: skip


class ElasticTransform(Filling):
    """Bend as through water: smooth random displacements, drawn as by the first set.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms import v2
    >>> v2.ElasticTransform(alpha=50.0)(torch.rand(3, 32, 32)).shape
    torch.Size([3, 32, 32])
    """

    first = first.ElasticTransform

    def __init__(
        self,
        alpha: float | Sequence[float] = 50.0,
        sigma: float | Sequence[float] = 5.0,
        interpolation: Mode = "bilinear",
        fill: Any = 0,
    ) -> None:
        super().__init__()
        self.alpha, self.sigma = two_numbers(alpha, "alpha"), two_numbers(sigma, "sigma")
        self.interpolation = interpolation
        self._set_fill(fill)

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        size = list(query_size(flat_inputs))
        drawn = first.ElasticTransform.get_params(self.alpha, self.sigma, size)
        return {"displacement": drawn}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return self._call_kernel(F.elastic, inpt, **params, fill=self._fill_of(inpt),
                                 interpolation=self.interpolation)  # fmt: skip
