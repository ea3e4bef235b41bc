"""Where torchvision keeps weights of networks that find, segment and watch, and their classes."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

from ..transforms._presets import ObjectDetection, SemanticSegmentation, VideoClassification

_COCO = tuple(
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
_VOC = tuple(
    "__background__ aeroplane bicycle bird boat bottle bus car cat chair cow diningtable dog horse"
    " motorbike person pottedplant sheep sofa train tvmonitor".split()
)
_KEYPOINTS = tuple(
    "nose left_eye right_eye left_ear right_ear left_shoulder right_shoulder left_elbow right_elbow"
    " left_wrist right_wrist left_hip right_hip left_knee right_knee left_ankle right_ankle".split()
)


class Dense(NamedTuple):
    """A file of weights: its name among the network's, and what they need.

    own: arguments of the network; "eps" is what frozen norms add to variances.
    """

    name: str
    file: str
    transforms: Callable[..., Any]
    meta: dict[str, Any]
    own: dict[str, Any]


def _detector(file: str, **own: Any) -> list[Dense]:
    meta = {"categories": list(_COCO), "min_size": (1, 1)}
    return [Dense("COCO_V1", file, ObjectDetection, meta, own)]


def _people(name: str, end: str) -> Dense:
    meta = {"categories": ["no person", "person"], "keypoint_names": list(_KEYPOINTS)}
    own = {"num_keypoints": len(_KEYPOINTS), **({"eps": 0.0} if name == "COCO_V1" else {})}
    file = f"keypointrcnn_resnet50_fpn_coco-{end}"
    return Dense(name, file, ObjectDetection, {**meta, "min_size": (1, 1)}, own)


def _segmenter(file: str, **own: Any) -> list[Dense]:
    ready = functools.partial(SemanticSegmentation, resize_size=520)
    meta = {"categories": list(_VOC), "min_size": (1, 1)}
    return [Dense("COCO_WITH_VOC_LABELS_V1", file, ready, meta, own)]


def _watcher(file: str) -> list[Dense]:
    ready = functools.partial(VideoClassification, crop_size=(112, 112), resize_size=(128, 171))
    return [Dense("KINETICS400_V1", file, ready, {"min_size": (1, 1)}, {"num_classes": 400})]


DENSE = {
    "FasterRCNN_ResNet50_FPN": _detector("fasterrcnn_resnet50_fpn_coco-258fb6c6", eps=0.0),
    "FasterRCNN_ResNet50_FPN_V2": _detector("fasterrcnn_resnet50_fpn_v2_coco-dd69338a"),
    "FasterRCNN_MobileNet_V3_Large_FPN": _detector("fasterrcnn_mobilenet_v3_large_fpn-fb6a3cc7"),
    "FasterRCNN_MobileNet_V3_Large_320_FPN": _detector(
        "fasterrcnn_mobilenet_v3_large_320_fpn-907ea3f9"
    ),
    "MaskRCNN_ResNet50_FPN": _detector("maskrcnn_resnet50_fpn_coco-bf2d0c1e", eps=0.0),
    "MaskRCNN_ResNet50_FPN_V2": _detector("maskrcnn_resnet50_fpn_v2_coco-73cbd019"),
    "KeypointRCNN_ResNet50_FPN": [
        _people("COCO_LEGACY", "9f466800"),
        _people("COCO_V1", "fc266e95"),
    ],
    "RetinaNet_ResNet50_FPN": _detector("retinanet_resnet50_fpn_coco-eeacb38b", eps=0.0),
    "RetinaNet_ResNet50_FPN_V2": _detector("retinanet_resnet50_fpn_v2_coco-5905b1c5"),
    "FCOS_ResNet50_FPN": _detector("fcos_resnet50_fpn_coco-99b0c9b7"),
    "SSD300_VGG16": _detector("ssd300_vgg16_coco-b556d3b4"),
    "SSDLite320_MobileNet_V3_Large": _detector("ssdlite320_mobilenet_v3_large_coco-a79551df"),
    "FCN_ResNet50": _segmenter("fcn_resnet50_coco-1167a1af", aux_loss=True),
    "FCN_ResNet101": _segmenter("fcn_resnet101_coco-7ecb50ca", aux_loss=True),
    "DeepLabV3_ResNet50": _segmenter("deeplabv3_resnet50_coco-cd0a2569", aux_loss=True),
    "DeepLabV3_ResNet101": _segmenter("deeplabv3_resnet101_coco-586e9e4e", aux_loss=True),
    "DeepLabV3_MobileNet_V3_Large": _segmenter(
        "deeplabv3_mobilenet_v3_large-fc3c493d", aux_loss=True
    ),
    "LRASPP_MobileNet_V3_Large": _segmenter("lraspp_mobilenet_v3_large-d234d4ea"),
    "R3D_18": _watcher("r3d_18-b3b3357e"),
    "MC3_18": _watcher("mc3_18-a90a0ba3"),
    "R2Plus1D_18": _watcher("r2plus1d_18-91a641e6"),
}
