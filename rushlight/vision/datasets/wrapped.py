"""Data sets whose targets say what they are, for `transforms.v2`: boxes, masks, labels."""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection
from typing import Any

import rushlight as rl

from ...core.errors import fail
from .. import tv_tensors
from .archives import joined
from .boundaries import SBDataset
from .cifar import CIFAR10
from .coco import CocoCaptions, CocoDetection
from .faces import WIDERFace
from .folder import DatasetFolder, ImageFolder
from .listed import GTSRB, Imagenette
from .mnist import MNIST
from .photographs import Caltech101, Caltech256, OxfordIIITPet
from .scenes import CelebA, VOCDetection, VOCSegmentation
from .streets import Cityscapes, Kitti
from .vision import VisionDataset

Change = Callable[[int, Any, Any], tuple[Any, Any]]

VOC_CLASSES = (
    "__background__ aeroplane bicycle bird boat bottle bus car cat chair cow diningtable dog horse "
    "motorbike person pottedplant sheep sofa train tvmonitor"
).split()
KITTI_CLASSES = "Car Van Truck Pedestrian Person_sitting Cyclist Tram Misc DontCare".split()
COCO_KEYS = {"segmentation", "area", "iscrowd", "image_id", "bbox", "category_id"}


def wrap_dataset_for_transforms_v2(
    dataset: VisionDataset, target_keys: Collection[str] | str | None = None
) -> Any:
    """The same data set with targets that `transforms.v2` knows: BoundingBoxes, Mask, tensors.

    Detection's targets become one dictionary of `boxes` (x1, y1, x2, y2), `labels` and, if asked
    for, `masks` and what the file says; masks of segmentation become `Mask`; classification stays
    as it is. The transforms of the data set are applied after that.

    Arguments: `target_keys` chooses among a detection target's keys, "all" takes all of them.
    Raises: ValueError for keys that are not there; TypeError for a data set that has no such form.
    Source: https://docs.pytorch.org/vision/stable/generated/torchvision.datasets.wrap_dataset_for_transforms_v2.html

    >>> import json
    >>> import tempfile
    >>> from rushlight.vision import datasets
    >>> from rushlight.vision.datasets.fake import fake_files
    >>> notes = {"images": [{"id": 5, "file_name": "5.jpg"}]}
    >>> notes["annotations"] = [{"id": 1, "image_id": 5, "bbox": [1, 0, 2, 3], "category_id": 7}]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fake_files(folder, {"notes.json": json.dumps(notes), "5.jpg": 0})
    ...     data = datasets.CocoDetection(folder, f"{folder}/notes.json")
    ...     _, target = datasets.wrap_dataset_for_transforms_v2(data)[0]
    ...     target["boxes"].tolist(), target["labels"].tolist()
    ([[1, 0, 3, 3]], [7])
    """
    several = isinstance(target_keys, Collection) and all(isinstance(k, str) for k in target_keys)
    if not (target_keys is None or several):
        raise ValueError(
            "`target_keys` can be None, 'all', or a collection of strings denoting the keys to be "
            f"returned, but got {target_keys}"
        )
    kind = type(dataset)
    return type(f"Wrapped{kind.__name__}", (_Wrapped, kind), {})(dataset, target_keys)


class _Wrapped:
    """Stands before a data set and changes its targets before the transforms see them."""

    def __init__(self, dataset: Any, target_keys: Any) -> None:
        self._dataset, self._target_keys = dataset, target_keys
        self._change = _change_of(dataset, target_keys)
        for name in ("transform", "target_transform", "transforms"):
            setattr(self, name, getattr(dataset, name))
            setattr(dataset, name, None)

    def __getattr__(self, name: str) -> Any:
        if name == "_dataset":  # while a copy is being made there is none yet
            raise AttributeError(name)
        return getattr(self._dataset, name)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        pair = self._change(index, *self._dataset[index])
        transforms: Any = vars(self)["transforms"]
        return pair if transforms is None else transforms(*pair)

    def __len__(self) -> int:
        return len(self._dataset)

    def __reduce__(self) -> tuple[Any, Any]:
        whole = copy.copy(self._dataset)
        for name in ("transform", "target_transform", "transforms"):
            setattr(whole, name, vars(self)[name])
        return wrap_dataset_for_transforms_v2, (whole, self._target_keys)


def _change_of(dataset: Any, target_keys: Any) -> Change:
    if not isinstance(dataset, VisionDataset):
        raise fail(
            TypeError,
            "This wrapper is meant for subclasses of `torchvision.datasets.VisionDataset`, "
            f"but got a '{type(dataset).__name__}' instead.",
        )
    found = next((kind for kind in type(dataset).mro() if kind in CHANGES), None)
    if found is None:
        name = type(dataset).__name__
        raise TypeError(
            f"No wrapper exists for dataset class {name}. Please wrap the output yourself."
        )
    if target_keys is not None and found not in (CocoDetection, VOCDetection, Kitti, WIDERFace):
        raise ValueError(
            "`target_keys` is currently only supported for `CocoDetection`, `VOCDetection`, "
            f"`Kitti`, and `WIDERFace`, but got {found.__name__}."
        )
    return CHANGES[found](dataset, target_keys)


def _chosen(wanted: Any, available: set[str], default: set[str]) -> set[str]:
    if wanted == "all":
        return available
    chosen = default if wanted is None else set(wanted)
    if extra := chosen - available:
        raise ValueError(f"Target keys {sorted(extra)} are not available")
    return chosen


def _refuse(what: str) -> BaseException:
    return RuntimeError(
        f"{what} is currently not supported by this wrapper. Please wrap the output yourself."
    )


def _size(image: Any) -> tuple[int, int]:
    """Height and width of a Pillow image."""
    return image.height, image.width


def _corners(boxes: Any, size: tuple[int, int]) -> Any:
    """Boxes of a corner with width and height, by two corners."""
    table = rl.as_tensor(boxes)
    table = rl.cat([table[..., :2], table[..., :2] + table[..., 2:]], -1)
    return _boxes(table.reshape(-1, 4), size)


def _boxes(corners: Any, size: tuple[int, int]) -> Any:
    return tv_tensors.BoundingBoxes(
        corners, format=tv_tensors.BoundingBoxFormat.XYXY, canvas_size=size
    )


def _as_they_are(dataset: Any, target_keys: Any) -> Change:
    return lambda index, image, target: (image, target)


def _masks(dataset: Any, target_keys: Any) -> Change:
    return lambda index, image, mask: (image, tv_tensors.Mask(mask))


def _outlines(dataset: Caltech101, target_keys: Any) -> Change:
    if "annotation" in dataset.target_type:
        raise _refuse("Caltech101 dataset with `target_type=['annotation', ...]`")
    return _as_they_are(dataset, target_keys)


def _voc(dataset: VOCDetection, target_keys: Any) -> Change:
    keys = _chosen(target_keys, {"annotation", "boxes", "labels"}, {"boxes", "labels"})
    sides = "xmin", "ymin", "xmax", "ymax"

    def change(index: int, image: Any, target: Any) -> tuple[Any, Any]:
        things = target["annotation"]["object"]
        result = target if "annotation" in keys else {}
        if "boxes" in keys:
            corners = [[int(one["bndbox"][side]) for side in sides] for one in things]
            result["boxes"] = _boxes(corners, _size(image))
        if "labels" in keys:
            result["labels"] = rl.tensor([VOC_CLASSES.index(one["name"]) for one in things])
        return image, result

    return change


def _coco(dataset: CocoDetection, target_keys: Any) -> Change:
    available = COCO_KEYS | {"boxes", "masks", "labels"}
    keys = _chosen(target_keys, available, {"image_id", "boxes", "labels"})

    def change(index: int, image: Any, target: Any) -> tuple[Any, Any]:
        number = dataset.ids[index]
        if not target:
            return image, {"image_id": number}
        result: dict[str, Any] = {}
        if "image_id" in keys:
            result["image_id"] = number
        if "boxes" in keys:
            result["boxes"] = _corners([one["bbox"] for one in target], _size(image))
        if "masks" in keys:
            several = [_filled(one["segmentation"], _size(image)) for one in target]
            result["masks"] = tv_tensors.Mask(rl.stack(several))
        if "labels" in keys:
            result["labels"] = rl.tensor([one["category_id"] for one in target])
        for key in keys & COCO_KEYS - {"image_id"}:
            if not any(key in one for one in target):
                raise KeyError(key)
            result[key] = [one[key] for one in target if key in one]
        return image, result

    return change


def _filled(outline: Any, size: tuple[int, int]) -> rl.Tensor:
    """The (H, W) uint8 mask of an outline: polygons, or runs of pixels."""
    try:
        from pycocotools import mask  # pyright: ignore[reportMissingImports]  # an extra
    except ImportError as error:
        error.add_note("masks of COCO's outlines: pip install pycocotools")
        raise
    if not isinstance(outline, dict | list):
        kind = type(outline)
        raise ValueError(f"COCO segmentation expected to be a dict or a list, got {kind}")
    runs: Any = outline
    if isinstance(outline, list):
        runs = mask.merge(mask.frPyObjects(outline, *size))
    elif not isinstance(outline["counts"], str):
        runs = mask.frPyObjects(runs, *size)
    return rl.from_numpy(mask.decode(runs))


def _kitti(dataset: Kitti, target_keys: Any) -> Change:
    native = {"type", "truncated", "occluded", "alpha", "bbox", "dimensions", "location"}
    native.add("rotation_y")
    keys = _chosen(target_keys, native | {"boxes", "labels"}, {"boxes", "labels"})

    def change(index: int, image: Any, target: Any) -> tuple[Any, Any]:
        if target is None:
            return image, None
        result: dict[str, Any] = {}
        if "boxes" in keys:
            result["boxes"] = _boxes([one["bbox"] for one in target], _size(image))
        if "labels" in keys:
            numbers = [KITTI_CLASSES.index(one["type"]) for one in target]
            result["labels"] = rl.tensor(numbers)
        return image, result | {key: [one[key] for one in target] for key in keys & native}

    return change


def _faces(dataset: WIDERFace, target_keys: Any) -> Change:
    known = {"bbox", "blur", "expression", "illumination", "occlusion", "pose", "invalid"}
    keys = _chosen(target_keys, known, known)

    def change(index: int, image: Any, target: Any) -> tuple[Any, Any]:
        if target is None:
            return image, None
        result = {key: target[key] for key in keys}
        if "bbox" in keys:
            result["bbox"] = _corners(target["bbox"], _size(image))
        return image, result

    return change


def _edges(dataset: SBDataset, target_keys: Any) -> Change:
    if dataset.mode == "boundaries":
        raise _refuse("SBDataset with mode='boundaries'")
    return _masks(dataset, target_keys)


def _towns(dataset: Cityscapes, target_keys: Any) -> Change:
    if {"polygon", "color"} & set(dataset.target_type):
        raise _refuse("`Cityscapes` dataset with `target_type=['polygon', 'color', ...]`")
    semantic: Callable[[Any, Any], Any] = lambda one, image: tv_tensors.Mask(one)
    return _by_kind(dataset.target_type, {"instance": _things, "semantic": semantic})


def _things(picture: Any, image: Any) -> dict[str, Any]:
    """A mask for each number in a picture; those from 1000 on are a class and three digits more."""
    numbers = rl.as_tensor(tv_tensors.Mask(picture))
    kinds = rl.unique(numbers)
    masks = tv_tensors.Mask(rl.stack([numbers == one for one in kinds]))
    return {"masks": masks, "labels": rl.where(kinds >= 1000, kinds // 1000, kinds)}


def _celeba(dataset: CelebA, target_keys: Any) -> Change:
    if {"attr", "landmarks"} & set(dataset.target_type):
        raise _refuse("`CelebA` dataset with `target_type=['attr', 'landmarks', ...]`")
    return _by_kind(dataset.target_type, {"bbox": _celeba_box})


def _celeba_box(box: rl.Tensor, image: Any) -> Any:
    return _corners(box, _size(image))


def _pets(dataset: OxfordIIITPet, target_keys: Any) -> Change:
    return _by_kind(
        dataset._target_types, {"segmentation": lambda one, image: tv_tensors.Mask(one)}
    )


def _by_kind(kinds: list[str], changes: dict[str, Callable[[Any, Any], Any]]) -> Change:
    """Change those of several targets whose kind is in `changes`."""

    def change(index: int, image: Any, target: Any) -> tuple[Any, Any]:
        if target is None:
            return image, None
        several = target if isinstance(target, tuple | list) else [target]
        changed = [
            changes[kind](one, image) if kind in changes else one
            for kind, one in zip(kinds, several, strict=True)
        ]
        return image, joined(changed)

    return change


CHANGES: dict[type, Callable[[Any, Any], Change]] = {
    **dict.fromkeys((Caltech256, CIFAR10, DatasetFolder, GTSRB, ImageFolder), _as_they_are),
    **dict.fromkeys((Imagenette, MNIST, CocoCaptions), _as_they_are),
    Caltech101: _outlines, CelebA: _celeba, CocoDetection: _coco, OxfordIIITPet: _pets,
    VOCDetection: _voc, VOCSegmentation: _masks, Kitti: _kitti, WIDERFace: _faces,
    SBDataset: _edges, Cityscapes: _towns,
}  # fmt: skip
