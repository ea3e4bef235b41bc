"""Transforms of values: standard units, blur, noise, patches, functions; boxes to be dropped."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import rushlight as rl

from ....utils._pytree import tree_unflatten
from ...io import is_pillow_image
from ...tv_tensors import BoundingBoxes, Image, KeyPoints, Mask, Video, wrap
from .. import convert as first_convert
from .. import erasing, filters
from ..functional.kinds import pair
from ..warp import between
from . import functional as F
from .functional.boxes import valid_boxes, valid_points
from .functional.dispatch import is_pure_tensor, plain
from .transform import (
    RandomTransform,
    Simple,
    Transform,
    flattened,
    get_bounding_boxes,
    get_keypoints,
    has_any,
    query_chw,
    whole,
)
from .warp import two_numbers


class Identity(Transform):
    """Everything as it is.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms import v2
    >>> v2.Identity()(torch.tensor([1, 2]))
    tensor([1, 2])
    """

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return inpt


class Lambda(Transform):
    """Apply a function to the inputs of some classes, or to all.

    >>> from rushlight.vision.transforms import v2
    >>> v2.Lambda(abs, int)({"x": -3, "y": -3.0})
    {'x': 3, 'y': -3.0}
    """

    _transformed_types = (object,)

    def __init__(self, lambd: Callable[[Any], Any], *types: type) -> None:
        super().__init__()
        self.lambd = lambd
        self.types = types or (object,)

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return self.lambd(inpt) if isinstance(inpt, self.types) else inpt

    def extra_repr(self) -> str:
        name = getattr(self.lambd, "__name__", None)
        return f"{f'{name}, ' if name else ''}types={[kind.__name__ for kind in self.types]}"


class _OfTensors(Transform):
    """The base of transforms that refuse Pillow images."""

    def check_inputs(self, flat_inputs: list[Any]) -> None:
        if has_any(flat_inputs, is_pillow_image):
            raise TypeError(f"{type(self).__name__}() does not support PIL images.")


class LinearTransformation(_OfTensors):
    """Flatten pictures, subtract a mean and multiply by a square matrix (whitening).

    Raises: ValueError where the sizes or types do not fit.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms import v2
    >>> whiten = v2.LinearTransformation(0.5 * torch.eye(4), torch.ones(4))
    >>> whiten(torch.tensor([[[1.0, 3.0], [5.0, 7.0]]]))
    tensor([[[0., 1.],
             [2., 3.]]])
    """

    first = filters.LinearTransformation
    _transformed_types = (is_pure_tensor, Image, Video)

    def __init__(self, transformation_matrix: rl.Tensor, mean_vector: rl.Tensor) -> None:
        super().__init__()
        if transformation_matrix.dtype != mean_vector.dtype:
            raise ValueError("Input tensors should have the same dtype. Got "
                             f"{transformation_matrix.dtype} and {mean_vector.dtype}")  # fmt: skip
        self._change = filters.LinearTransformation(transformation_matrix, mean_vector)
        self.transformation_matrix, self.mean_vector = transformation_matrix, mean_vector

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        changed = self._change(plain(inpt))
        return changed if is_pure_tensor(inpt) else wrap(changed, like=inpt)


class Normalize(_OfTensors, Simple):
    """(x - mean) / std, channel by channel, of float pictures.

    mean, std: one number for each channel. Raises: TypeError for whole numbers.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms import v2
    >>> v2.Normalize(mean=[0.5], std=[0.25])(torch.tensor([[[0.5, 1.0]]]))
    tensor([[[0., 2.]]])
    """

    first = first_convert.Normalize
    functional = F.normalize
    settings = ("mean", "std", "inplace")

    def __init__(self, mean: Sequence[float], std: Sequence[float], inplace: bool = False) -> None:
        super().__init__()
        self.mean = list(mean)
        self.std = list(std)
        self.inplace = inplace


class GaussianBlur(Simple):
    """Blur with a deviation drawn from `sigma` (one uniform draw).

    Raises: ValueError for even sizes and other ranges.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms import v2
    >>> v2.GaussianBlur(kernel_size=3, sigma=(0.1, 2.0))(torch.rand(3, 8, 8)).shape
    torch.Size([3, 8, 8])
    """

    first = filters.GaussianBlur
    functional = F.gaussian_blur
    settings = ("kernel_size",)

    def __init__(self, kernel_size: int | Sequence[int], sigma: Any = (0.1, 2.0)) -> None:
        super().__init__()
        self.kernel_size = pair(kernel_size, "Kernel size should be a tuple/list of two integers")
        if any(size <= 0 or size % 2 == 0 for size in self.kernel_size):
            raise ValueError("Kernel size value should be an odd and positive number.")
        self.sigma = two_numbers(sigma, "sigma")
        if not 0.0 < self.sigma[0] <= self.sigma[1]:
            raise ValueError("sigma values should be positive and of the form (min, max). Got "
                             f"{self.sigma}")  # fmt: skip

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        return {"sigma": [between(self.sigma[0], self.sigma[1])] * 2}


class GaussianNoise(Simple):
    """Add normal noise, in shares of white (`randn_like`).

    Arguments: `mean` and `sigma` of the noise; `clip`: hold the sum between 0 and white.
    Raises: ValueError for a negative sigma.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms import v2
    >>> v2.GaussianNoise(sigma=0.1)(torch.rand(3, 8, 8)).shape
    torch.Size([3, 8, 8])
    """

    functional = F.gaussian_noise
    settings = ("mean", "sigma", "clip")

    def __init__(self, mean: float = 0.0, sigma: float = 0.1, clip: bool = True) -> None:
        super().__init__()
        self.mean = mean
        self.sigma = sigma
        self.clip = clip


class JPEG(Simple):
    """Store pictures as JPEG of a quality drawn from a range (one `randint`), and read them back.

    Raises: TypeError, ValueError for qualities outside of 1..100.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms import v2
    >>> picture = torch.zeros(3, 4, 5, dtype=torch.uint8)
    >>> v2.JPEG((50, 90))(picture).shape
    torch.Size([3, 4, 5])
    """

    functional = F.jpeg

    def __init__(self, quality: int | Sequence[int]) -> None:
        super().__init__()
        if isinstance(quality, bool):
            raise TypeError("quality can't be bool")
        low, high = pair(quality, "quality should be a sequence of length 2.")
        if not (isinstance(low, int) and isinstance(high, int) and 1 <= low <= high <= 100):
            raise ValueError(
                f"quality must be an integer from 1 to 100, got quality ={[low, high]!r}"
            )
        self.quality = [low, high]

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        return {"quality": int(rl.randint(self.quality[0], self.quality[1] + 1, ()))}


class RandomErasing(RandomTransform):
    """Cover a random rectangle with probability `p`, with the draws of the first set.

    Boxes, points and masks pass through, with a warning.
    Raises: TypeError, ValueError for arguments of other forms.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms import v2
    >>> bool((v2.RandomErasing(p=1.0)(torch.ones(3, 16, 16)) == 0).any())
    True
    """

    first = erasing.RandomErasing

    def __init__(
        self,
        p: float = 0.5,
        scale: Sequence[float] = (0.02, 0.33),
        ratio: Sequence[float] = (0.3, 3.3),
        value: Any = 0.0,
        inplace: bool = False,
    ) -> None:
        super().__init__(p=p)
        erasing.RandomErasing(p, scale, ratio, value)  # which refuses what it cannot take
        self.scale, self.ratio = scale, ratio
        values = value if isinstance(value, tuple | list) else [value]
        self.value = None if isinstance(value, str) else [float(v) for v in values]
        self.inplace = inplace

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        channels, height, width = query_chw(flat_inputs)
        if self.value is not None and len(self.value) not in (1, channels):
            raise ValueError("If value is a sequence, it should have either a single value or "
                             f"{channels} (number of inpt channels)")  # fmt: skip
        place = erasing.draw_patch(channels, height, width, self.scale, self.ratio, self.value)
        return {"place": place}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        if isinstance(inpt, BoundingBoxes | KeyPoints | Mask):
            warnings.warn(
                f"{type(self).__name__}() is currently passing through inputs of type "
                f"tv_tensors.{type(inpt).__name__}. This will likely change in the future.",
                stacklevel=2,
            )
        if params["place"] is None:
            return inpt
        return self._call_kernel(F.erase, inpt, *params["place"], inplace=self.inplace)


def _labels_of(inputs: Any) -> Any:
    """The labels of a sample: the second of a pair, or what a dictionary has by such a name.

    Raises: ValueError where there is nothing of the kind.
    """
    found = inputs[1] if isinstance(inputs, tuple | list) else inputs
    if is_pure_tensor(found):
        return found
    if not isinstance(found, Mapping):
        raise ValueError(
            "When using the default labels_getter, the input passed to forward must be a "
            "dictionary or a two-tuple whose second item is a dictionary or a tensor, but got "
            f"{found} instead."
        )
    exact = [key for key in found if key.lower() == "labels"]
    near = [key for key in found if "label" in key.lower()]
    for key in [*exact, *near]:
        return found[key]
    raise ValueError(
        "Could not infer where the labels are in the sample. Try passing a callable as the "
        "labels_getter parameter?If there are no labels in the sample by design, pass "
        "labels_getter=None."
    )


def labels_getter_of(getter: Any) -> Callable[[Any], Any]:
    """The function that finds labels, for "default", None or a function.

    Raises: ValueError for anything else.
    """
    if getter is None:
        return lambda inputs: None
    if isinstance(getter, str) and getter == "default":
        return _labels_of
    if not callable(getter):
        raise ValueError("labels_getter should either be 'default', a callable, or None, but got "
                         f"{getter}.")  # fmt: skip
    return getter


class _Sanitize(Transform):
    """The base of transforms that drop rows, and the labels (and masks) that belong to them."""

    labels_getter: Any
    kinds: ClassVar[tuple[type, ...]] = ()
    what: ClassVar[str] = ""

    def _set_labels(self, labels_getter: Any) -> None:
        self.labels_getter, self._labels = labels_getter, labels_getter_of(labels_getter)

    def _rows(self, flat: list[Any]) -> tuple[Any, rl.Tensor]:
        """The table, and which of its rows stay."""
        raise NotImplementedError  # each subclass says how

    def forward(self, *inputs: Any) -> Any:
        found = self._labels(whole(inputs))
        labels = found if isinstance(found, tuple | list) else () if found is None else (found,)
        for one in labels:
            if not isinstance(one, rl.Tensor):
                raise ValueError("The labels in the input to forward() must be a tensor or None, "
                                 f"got {type(one)} instead.")  # fmt: skip
        flat, structure = flattened(inputs)
        rows, valid = self._rows(flat)
        for one in labels:
            if rows.shape[0] != one.shape[0]:
                raise ValueError(
                    f"Number of {self.what} (shape={rows.shape}) and must match the number of "
                    f"labels.Found labels with shape={one.shape})."
                )
        params = {"valid": valid, "labels": labels}
        return tree_unflatten([self.transform(one, params) for one in flat], structure)

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        valid = params["valid"]
        if any(inpt is one for one in params["labels"]):
            return inpt[valid]
        if not isinstance(inpt, self.kinds):
            return inpt
        if isinstance(inpt, Mask) and len(inpt) != len(valid):
            return inpt  # a mask of classes has no rows for boxes
        return wrap(plain(inpt)[valid], like=inpt)


class SanitizeBoundingBoxes(_Sanitize):
    """Drop boxes that are too small or stick out of the picture, with their labels and masks.

    min_size: the least side; min_area: the least area; labels_getter: a function of the sample
    that gives the labels (a tensor or several), None for none, "default" for those found by name.
    Raises: ValueError for bounds below 1, and where boxes and labels differ in number.

    >>> import rushlight as torch
    >>> from rushlight.vision import tv_tensors
    >>> from rushlight.vision.transforms import v2
    >>> rows = [[1, 1, 5, 5], [2, 2, 2, 9]]  # the second has no width
    >>> boxes = tv_tensors.BoundingBoxes(rows, format="XYXY", canvas_size=(10, 10))
    >>> sample = v2.SanitizeBoundingBoxes()({"boxes": boxes, "labels": torch.tensor([3, 4])})
    >>> sample["boxes"].tolist(), sample["labels"]
    ([[1, 1, 5, 5]], tensor([3]))
    """

    kinds = (BoundingBoxes, Mask)
    what = "boxes"

    def __init__(
        self, min_size: float = 1.0, min_area: float = 1.0, labels_getter: Any = "default"
    ) -> None:
        super().__init__()
        for name, value in (("min_size", min_size), ("min_area", min_area)):
            if value < 1:
                raise ValueError(f"{name} must be >= 1, got {value}.")
        self.min_size = min_size
        self.min_area = min_area
        self._set_labels(labels_getter)

    def _rows(self, flat: list[Any]) -> tuple[Any, rl.Tensor]:
        boxes = get_bounding_boxes(flat)
        bounds = self.min_size, self.min_area
        return boxes, valid_boxes(boxes, boxes.format, boxes.canvas_size, *bounds)


class SanitizeKeyPoints(_Sanitize):
    """Drop points outside of the picture, and their labels.

    Raises: ValueError where points and labels differ in number.

    >>> from rushlight.vision import tv_tensors
    >>> from rushlight.vision.transforms import v2
    >>> points = tv_tensors.KeyPoints([[1, 1], [20, 1]], canvas_size=(10, 10))
    >>> v2.SanitizeKeyPoints(labels_getter=None)({"points": points})["points"].tolist()
    [[1, 1]]
    """

    kinds = (KeyPoints,)
    what = "kepyoints"

    def __init__(self, labels_getter: Any = None) -> None:
        super().__init__()
        self._set_labels(labels_getter)

    def _rows(self, flat: list[Any]) -> tuple[Any, rl.Tensor]:
        points = get_keypoints(flat)
        return points, valid_points(points, points.canvas_size)
