"""What the second set of transforms has in common: samples of any structure, drawn for once."""

from __future__ import annotations

import enum
import numbers
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import rushlight as rl

from ....utils._pytree import tree_flatten, tree_unflatten
from ...io import is_pillow_image
from ...tv_tensors import BoundingBoxes, Image, KeyPoints, Mask, Video
from . import functional as F
from .functional.dispatch import is_pure_tensor, kernel_of

Check = type | Callable[[Any], bool]
PICTURES: tuple[Check, ...] = (Image, is_pillow_image, Video)


def check_type(obj: Any, types_or_checks: Sequence[Check]) -> bool:
    """Whether an object is of one of the classes, or passes one of the checks.

    >>> from rushlight.vision.transforms.v2 import check_type
    >>> check_type(3, (str, lambda x: x == 3)), check_type("a", (int,))
    (True, False)
    """
    return any(
        isinstance(obj, one) if isinstance(one, type) else one(obj) for one in types_or_checks
    )


def has_any(flat_inputs: Sequence[Any], *types_or_checks: Check) -> bool:
    """Whether a sample has one object of the classes or checks.

    >>> from rushlight.vision.transforms import v2
    >>> v2.has_any([3], int, str), v2.has_any([None], int, str)
    (True, False)
    """
    return any(check_type(one, types_or_checks) for one in flat_inputs)


def has_all(flat_inputs: Sequence[Any], *types_or_checks: Check) -> bool:
    """Whether a sample has objects of each of the classes and checks.

    >>> from rushlight.vision.transforms import v2
    >>> v2.has_all([3, "a"], int, str), v2.has_all([3], int, str)
    (True, False)
    """
    return all(has_any(flat_inputs, one) for one in types_or_checks)


def _only(found: set[tuple[int, ...]], what: str, missing: str) -> tuple[int, ...]:
    if not found:
        raise TypeError(f"No {missing} was found in the sample")
    if len(found) > 1:
        shown = ", ".join(f"'{size}'" for size in sorted(found))
        raise ValueError(f"Found multiple {what} dimensions in the sample: {shown}")
    return found.pop()


def query_chw(flat_inputs: Sequence[Any]) -> tuple[int, ...]:
    """(channels, height, width) of the pictures of a sample. Raises: ValueError if they differ.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms import v2
    >>> v2.query_chw([torch.zeros(3, 4, 5), "a label"])
    (3, 4, 5)
    """
    kinds = (is_pure_tensor, *PICTURES)
    found = {tuple(F.get_dimensions(one)) for one in flat_inputs if check_type(one, kinds)}
    return _only(found, "CxHxW", "image or video")


def query_size(flat_inputs: Sequence[Any]) -> tuple[int, ...]:
    """(height, width) of what is in a sample. Raises: ValueError if they differ.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms import v2
    >>> v2.query_size([torch.zeros(3, 4, 5), "a label"])
    (4, 5)
    """
    kinds = (is_pure_tensor, *PICTURES, Mask, BoundingBoxes, KeyPoints)
    found = {tuple(F.get_size(one)) for one in flat_inputs if check_type(one, kinds)}
    return _only(found, "HxW", "image, video, mask, bounding box of keypoint")


def get_bounding_boxes(flat_inputs: Sequence[Any]) -> Any:
    """The first boxes of a sample. Raises: ValueError without any.

    >>> import rushlight as torch
    >>> from rushlight.vision import tv_tensors
    >>> from rushlight.vision.transforms import v2
    >>> box = tv_tensors.BoundingBoxes([[1, 2, 4, 8]], format="XYXY", canvas_size=(10, 10))
    >>> v2.get_bounding_boxes([torch.zeros(3), box]).tolist()
    [[1, 2, 4, 8]]
    """
    for one in flat_inputs:
        if isinstance(one, BoundingBoxes):
            return one
    raise ValueError("No bounding boxes were found in the sample")


def get_keypoints(flat_inputs: Sequence[Any]) -> Any:
    """The first points of a sample. Raises: ValueError without any.

    >>> from rushlight.vision import tv_tensors
    >>> from rushlight.vision.transforms import v2
    >>> v2.get_keypoints([tv_tensors.KeyPoints([[1, 2]], canvas_size=(10, 10))]).tolist()
    [[1, 2]]
    """
    for one in flat_inputs:
        if isinstance(one, KeyPoints):
            return one
    raise ValueError("No keypoints were found in the sample")


def fills(fill: Any) -> dict[Any, Any]:
    """A fill value for each class of inputs, under "others" for all that are not named.

    Raises: TypeError for what is no number, sequence or dictionary of such.
    """
    if isinstance(fill, dict):
        return {kind: fills(value)["others"] for kind, value in fill.items()}
    if fill is not None and not isinstance(fill, numbers.Number | tuple | list):
        raise TypeError(
            "Got inappropriate fill arg, only Numbers, tuples, lists and dicts are allowed."
        )
    return {"others": [float(v) for v in fill] if isinstance(fill, tuple | list) else fill}


def whole(inputs: tuple[Any, ...]) -> Any:
    """The sample: the one thing that was given, or all."""
    return inputs[0] if len(inputs) == 1 else inputs


def flattened(inputs: tuple[Any, ...]) -> tuple[list[Any], Any]:
    """The objects of a sample, and how it is put together."""
    return tree_flatten(whole(inputs))


class Transform(rl.nn.Module):
    """The base of transforms of whole samples, and of one's own: see `make_params`, `transform`.

    A sample is any structure of tuples, lists and dictionaries. Tensors that do not say what they
    are pass through beside a picture that does; else the first of them is taken for the picture.

    >>> import rushlight as torch
    >>> from rushlight.vision import tv_tensors
    >>> from rushlight.vision.transforms import v2
    >>> boxes = tv_tensors.BoundingBoxes([[0, 0, 2, 1]], format="XYXY", canvas_size=(4, 6))
    >>> v2.RandomHorizontalFlip(1.0)(torch.zeros(3, 4, 6), {"boxes": boxes, "label": 3})[1]["label"]
    3
    """

    _transformed_types: ClassVar[tuple[Check, ...]] = (rl.Tensor, is_pillow_image)
    first: ClassVar[Any] = None  # the class of the first set, whose `get_params` this one has too

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if hasattr(cls.first, "get_params"):
            cls.get_params = staticmethod(cls.first.get_params)  # type: ignore[attr-defined]  # one's own

    def check_inputs(self, flat_inputs: list[Any]) -> None:
        """Refuse samples, by raising an error; to be overridden."""

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """What is drawn, once for a sample, of which the inputs to change are given."""
        return {}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """One input changed as `make_params` says; to be overridden."""
        raise NotImplementedError  # each subclass says how

    def _call_kernel(
        self, functional: Callable[..., Any], inpt: Any, *args: Any, **kwargs: Any
    ) -> Any:
        """What a function does to an input; inputs that it is not for stay as they are."""
        return kernel_of(functional, type(inpt), pass_others=True)(inpt, *args, **kwargs)

    def forward(self, *inputs: Any) -> Any:
        flat, structure = flattened(inputs)
        self.check_inputs(flat)
        return tree_unflatten(self._changed(flat), structure)

    def _changed(self, flat: list[Any]) -> list[Any]:
        wanted = self._needs_transform_list(flat)
        params = self.make_params([one for one, want in zip(flat, wanted) if want])
        return [self.transform(one, params) if want else one for one, want in zip(flat, wanted)]

    def _needs_transform_list(self, flat_inputs: list[Any]) -> list[bool]:
        wanted, plain_too = [], not has_any(flat_inputs, *PICTURES)
        for one in flat_inputs:
            want = check_type(one, self._transformed_types)
            if want and is_pure_tensor(one):
                want, plain_too = plain_too, False
            wanted.append(want)
        return wanted

    def extra_repr(self) -> str:
        shown = (bool, int, float, str, tuple, list, enum.Enum)
        return ", ".join(
            f"{name}={value}"
            for name, value in self.__dict__.items()
            if not name.startswith("_") and name != "training" and isinstance(value, shown)
        )


class RandomTransform(Transform):
    """The base of transforms that are made with probability `p` (one `rand(1)`, drawn first).

    Raises: ValueError for a p outside of 0..1.
    """

    def __init__(self, p: float = 0.5) -> None:
        if not 0.0 <= p <= 1.0:
            raise ValueError("`p` should be a floating point value in the interval [0.0, 1.0].")
        super().__init__()
        self.p = p

    def forward(self, *inputs: Any) -> Any:
        flat, structure = flattened(inputs)
        self.check_inputs(flat)
        if rl.rand(1) >= self.p:
            return whole(inputs)
        return tree_unflatten(self._changed(flat), structure)


class Simple(Transform):
    """A function of inputs with the settings that `settings` names."""

    functional: ClassVar[Any]
    settings: ClassVar[tuple[str, ...]] = ()

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        given = {name: getattr(self, name) for name in self.settings}
        return self._call_kernel(type(self).functional, inpt, **params, **given)


class RandomSimple(RandomTransform, Simple):
    """A function of inputs that is called with probability `p`."""


class Filling(Transform):
    """The base of transforms that fill what comes in from outside, by the class of the input."""

    fill: Any
    _fill: dict[Any, Any]

    def _set_fill(self, fill: Any) -> None:
        self.fill, self._fill = fill, fills(fill)

    def _fill_of(self, inpt: Any) -> Any:
        return self._fill.get(type(inpt), self._fill.get("others"))
