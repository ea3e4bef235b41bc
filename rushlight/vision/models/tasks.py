"""What trained weights need by what their networks do: pictures made ready, classes, arguments."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from ...core.folders import content_of
from ..transforms import functional as pictures
from ..transforms._presets import (
    ImageClassification,
    ObjectDetection,
    OpticalFlow,
    SemanticSegmentation,
    VideoClassification,
)

# The lists have torchvision's names: its `models._meta` is found here (compat/vision_homes).
_COCO_CATEGORIES = (
    "__background__, person, bicycle, car, motorcycle, airplane, bus, train, truck, boat,"
    " traffic light, fire hydrant, N/A, stop sign, parking meter, bench, bird, cat, dog, horse,"
    " sheep, cow, elephant, bear, zebra, giraffe, N/A, backpack, umbrella, N/A, N/A, handbag, tie,"
    " suitcase, frisbee, skis, snowboard, sports ball, kite, baseball bat, baseball glove,"
    " skateboard, surfboard, tennis racket, bottle, N/A, wine glass, cup, fork, knife, spoon, bowl,"
    " banana, apple, sandwich, orange, broccoli, carrot, hot dog, pizza, donut, cake, chair, couch,"
    " potted plant, bed, N/A, dining table, N/A, N/A, toilet, N/A, tv, laptop, mouse, remote,"
    " keyboard, cell phone, microwave, oven, toaster, sink, refrigerator, N/A, book, clock, vase,"
    " scissors, teddy bear, hair drier, toothbrush".split(", ")
)  # fmt: skip
_VOC_CATEGORIES = (
    "__background__ aeroplane bicycle bird boat bottle bus car cat chair cow diningtable dog horse"
    " motorbike person pottedplant sheep sofa train tvmonitor".split()
)
_COCO_PERSON_CATEGORIES = ["no person", "person"]
_COCO_PERSON_KEYPOINT_NAMES = (
    "nose left_eye right_eye left_ear right_ear left_shoulder right_shoulder left_elbow right_elbow"
    " left_wrist right_wrist left_hip right_hip left_knee right_knee left_ankle right_ankle".split()
)


def _listed(name: str) -> list[str]:
    """The classes of a data set, from a file of a line each."""
    path = Path(__file__).parent.parent / "data" / f"{name}.txt"
    return content_of(path).decode().splitlines()


_IMAGENET_CATEGORIES = _listed("imagenet")
_KINETICS400_CATEGORIES = _listed("kinetics")


def _options(words: list[str]) -> dict[str, Any]:
    """How pictures are made ready: `resize/crop`, an interpolation, mean and std."""
    found: dict[str, Any] = {}
    for word in words:
        name, equal, text = word.partition("=")
        if equal:
            shares = [one.partition("/") for one in text.split(",")]
            values = [float(over) / float(under or 1) for over, _, under in shares]
            found[name] = tuple(values * (3 if len(values) == 1 else 1))
        elif "/" in word:
            sides, _, crop = word.partition("/")
            found |= {
                "resize_size": [int(side) for side in sides.split(",")],
                "crop_size": int(crop),
            }
        elif word == "bicubic":
            found["interpolation"] = pictures.InterpolationMode.BICUBIC
    return found


def _classifier(network: str, member: str, side: int, words: list[str]) -> tuple[Any, ...]:
    options = {"crop_size": 224, **_options(words)}
    if "resize_size" in options:
        (options["resize_size"],) = options["resize_size"]
    whole = "FEATURES" not in member  # which are convolutions alone, as SSD begins with them
    meta = {"categories": list(_IMAGENET_CATEGORIES) if whole else None}
    own: dict[str, Any] = {"image_size": side} if network.startswith("ViT") else {}
    if network.startswith("MaxVit"):
        own = {"input_size": (side, side)}
    return functools.partial(ImageClassification, **options), meta, own


def _watcher(network: str, member: str, side: int, words: list[str]) -> tuple[Any, ...]:
    options = _options(words)
    options["resize_size"] = tuple(options["resize_size"])
    options["crop_size"] = (options["crop_size"],) * 2
    meta: dict[str, Any] = {"categories": list(_KINETICS400_CATEGORIES)}
    own: dict[str, Any] = {"num_classes": len(meta["categories"])}
    if "frames" in options:
        (frames, _, _) = options.pop("frames")
        meta["min_temporal_size"] = int(frames)
        if network.startswith("MViT"):
            own |= {"spatial_size": (side, side), "temporal_size": int(frames)}
    return functools.partial(VideoClassification, **options), meta, own


def _segmenter(network: str, member: str, side: int, words: list[str]) -> tuple[Any, ...]:
    own = {"aux_loss": True} if "aux" in words else {}
    ready = functools.partial(SemanticSegmentation, resize_size=520)
    return ready, {"categories": list(_VOC_CATEGORIES)}, own


def _detector(network: str, member: str, side: int, words: list[str]) -> tuple[Any, ...]:
    own: dict[str, Any] = {"eps": 0.0} if "eps" in words else {}
    meta: dict[str, Any] = {"categories": list(_COCO_CATEGORIES)}
    if network.startswith("Keypoint"):
        own["num_keypoints"] = len(_COCO_PERSON_KEYPOINT_NAMES)
        meta = {
            "categories": list(_COCO_PERSON_CATEGORIES),
            "keypoint_names": list(_COCO_PERSON_KEYPOINT_NAMES),
        }
    return ObjectDetection, meta, own


def _flow(network: str, member: str, side: int, words: list[str]) -> tuple[Any, ...]:
    return OpticalFlow, {}, {}


# by how the names of their weights begin, the longer first
_TASKS = {
    "IMAGENET1K": _classifier, "KINETICS400": _watcher, "COCO_WITH": _segmenter,
    "COCO": _detector, "C_T": _flow,
}  # fmt: skip


def row_of(network: str, member: str, row: list[str]) -> tuple[Any, dict[str, Any], dict[str, Any]]:
    """(transforms, meta, the network's own arguments) of a line: parameters, least side, words.

    Of the own arguments "eps" is what frozen norms add to variances.
    """
    count, side, *words = row
    task = next(make for start, make in _TASKS.items() if member.startswith(start))
    ready, meta, own = task(network, member, int(side), words)
    meta = {"num_params": int(count), "min_size": (int(side), int(side)), **meta}
    return ready, meta, own
