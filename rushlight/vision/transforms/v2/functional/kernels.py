"""What each function does to one kind, under a name of its own: `resize_mask`, `crop_keypoints`.

These take and give plain tensors. What tensors of a class know about themselves is an argument: the
format of boxes, and the canvas that boxes and points lie on, which comes back where it changes.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import rushlight as rl

from ....tv_tensors import BoundingBoxes, BoundingBoxFormat, Image, KeyPoints, Mask, Video
from . import color, convert, geometry, warp
from .dispatch import KERNELS, plain

_EMPTY = inspect.Parameter.empty
# The arguments beside boxes or points; a name that ends in > gives the canvas back too.
_PLACES = """
affine canvas_size angle translate scale shear center=None
center_crop> canvas_size output_size
crop> top left height width
elastic canvas_size displacement
horizontal_flip canvas_size
pad> canvas_size padding padding_mode=constant
perspective canvas_size startpoints endpoints coefficients=None
resize> canvas_size size max_size=None
resized_crop> top left height width size
rotate> canvas_size angle expand=False center=None
vertical_flip canvas_size
"""
_VALUES = {"None": None, "False": False}
_OF_IMAGES_ALONE = ("rgb_to_grayscale", "grayscale_to_rgb")
_NOT_OF_MASKS = ("interpolation", "antialias")


def _named(kernel: Any, function: Any, kind: str, what: str, parameters: list[Any]) -> Any:
    name = kernel.__name__ = kernel.__qualname__ = f"{function.__name__}_{kind}"
    kernel.__module__ = __name__
    kernel.__doc__ = f"`{function.__name__}` of {what}; see there."
    kernel.__signature__ = inspect.Signature(parameters)
    return name, kernel


def _plainly(found: Any) -> Any:
    if isinstance(found, (tuple, list)):
        return type(found)(map(_plainly, found))
    return plain(found) if isinstance(found, rl.Tensor) else found


def _of_pictures(function: Any, kind: str, what: str) -> Any:
    inner = function.__wrapped__

    def kernel(*args: Any, **kwargs: Any) -> Any:
        call = kernel.__signature__.bind(*args, **kwargs)  # type: ignore[attr-defined]  # set below
        given = [plain(x) if isinstance(x, rl.Tensor) else x for x in call.args]
        return _plainly(inner(*given, **call.kwargs))

    first, *rest = inspect.signature(inner).parameters.values()
    return _named(kernel, function, kind, what, [first.replace(name=kind), *rest])


def _of_masks(function: Any) -> Any:
    inner = KERNELS[function][Mask]

    def kernel(*args: Any, **kwargs: Any) -> Any:
        call = kernel.__signature__.bind(*args, **kwargs)  # type: ignore[attr-defined]  # set below
        given = call.arguments
        mask = given.pop("mask")
        return _plainly(inner(Mask(plain(mask)), **given))

    _, *rest = inspect.signature(function.__wrapped__).parameters.values()
    dropped = _NOT_OF_MASKS if function.__name__ != "resize" else _NOT_OF_MASKS[1:]
    mask = inspect.Parameter("mask", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    rest = [one for one in rest if one.name not in dropped]
    return _named(kernel, function, "mask", "masks (..., H, W)", [mask, *rest])


def _arguments(words: Sequence[str]) -> list[inspect.Parameter]:
    found = []
    for word in words:
        name, _, value = word.partition("=")
        default = _VALUES.get(value, value) if value else _EMPTY
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        found.append(inspect.Parameter(name, kind, default=default))
    return found


def _of_boxes(function: Callable[..., Any], words: Sequence[str], moved: bool) -> Any:
    def kernel(*args: Any, **kwargs: Any) -> Any:
        call = kernel.__signature__.bind(*args, **kwargs)  # type: ignore[attr-defined]  # set below
        call.apply_defaults()
        given = call.arguments
        about = {"format": given.pop("format"), "clamping_mode": given.pop("clamping_mode", "soft")}
        canvas = given.pop("canvas_size", (0, 0))
        boxes = BoundingBoxes(plain(given.pop("bounding_boxes")), canvas_size=canvas, **about)
        found = function(boxes, **given)
        return (plain(found), found.canvas_size) if moved else plain(found)

    boxes, format, *rest = _arguments(["bounding_boxes", "format", *words])
    mode = [] if "flip" in function.__name__ else _arguments(["clamping_mode=soft"])
    parameters = [boxes, format, *rest, *mode]
    if function.__name__ == "resize":
        parameters = [boxes, *rest, format.replace(default=BoundingBoxFormat.XYXY), *mode]
    return _named(kernel, function, "bounding_boxes", "boxes (..., 4)", parameters)


def _of_points(function: Callable[..., Any], words: Sequence[str], moved: bool) -> Any:
    def kernel(*args: Any, **kwargs: Any) -> Any:
        call = kernel.__signature__.bind(*args, **kwargs)  # type: ignore[attr-defined]  # set below
        call.apply_defaults()
        given = call.arguments
        canvas = given.pop("canvas_size", (0, 0))
        found = function(KeyPoints(plain(given.pop("keypoints")), canvas_size=canvas), **given)
        return (plain(found), found.canvas_size) if moved else plain(found)

    moved = moved or function.__name__ == "affine"  # as in torchvision
    words = ["size", "canvas_size", "max_size=None"] if function.__name__ == "resize" else words
    return _named(
        kernel, function, "keypoints", "points (..., 2)", _arguments(["keypoints", *words])
    )


def _all() -> dict[str, Any]:
    found: dict[str, Any] = {}
    by_name = {
        name: one for home in (color, convert, geometry, warp) for name, one in vars(home).items()
        if inspect.isfunction(one) and one in KERNELS
    }  # fmt: skip
    for name, function in by_name.items():
        if Image in KERNELS[function]:
            found.update([_of_pictures(function, "image", "pictures (..., C, H, W)")])
        if Video in KERNELS[function] and name not in _OF_IMAGES_ALONE:
            found.update([_of_pictures(function, "video", "films (..., T, C, H, W)")])
        if Mask in KERNELS[function] and name != "to_dtype":
            found.update([_of_masks(function)])
    for line in _PLACES.strip().splitlines():
        name, *words = line.split()
        function, moved = by_name[name.rstrip(">")], name.endswith(">")
        found.update([_of_boxes(function, words, moved), _of_points(function, words, moved)])
    for kind, known in (("bounding_boxes", BoundingBoxes), ("keypoints", KeyPoints)):
        found[f"get_size_{kind}"] = KERNELS[convert.get_size][known]
    return found


NAMED = _all()
globals().update(NAMED)
