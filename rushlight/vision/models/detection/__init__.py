"""Detectors: Faster, Mask and Keypoint R-CNN, RetinaNet, FCOS, SSD and SSDLite.

They take lists of pictures (3, H, W) and, while training, of targets; see `GeneralizedRCNN`.
"""

from ..weights import KINDS as _KINDS
from . import (
    _utils,
    anchor_utils,
    backbone_utils,
    faster_rcnn,
    fcos,
    generalized_rcnn,
    image_list,
    keypoint_rcnn,
    mask_rcnn,
    retinanet,
    roi_heads,
    rpn,
    ssd,
    ssdlite,
    transform,
)
from .faster_rcnn import (
    FasterRCNN,
    fasterrcnn_mobilenet_v3_large_320_fpn,
    fasterrcnn_mobilenet_v3_large_fpn,
    fasterrcnn_resnet50_fpn,
    fasterrcnn_resnet50_fpn_v2,
)
from .fcos import FCOS, fcos_resnet50_fpn
from .keypoint_rcnn import KeypointRCNN, keypointrcnn_resnet50_fpn
from .mask_rcnn import MaskRCNN, maskrcnn_resnet50_fpn, maskrcnn_resnet50_fpn_v2
from .retinanet import RetinaNet, retinanet_resnet50_fpn, retinanet_resnet50_fpn_v2
from .ssd import ssd300_vgg16
from .ssdlite import ssdlite320_mobilenet_v3_large

_HOMES = {
    "FasterRCNN": faster_rcnn, "MaskRCNN": mask_rcnn, "KeypointRCNN": keypoint_rcnn,
    "RetinaNet": retinanet, "FCOS": fcos, "SSD300": ssd, "SSDLite320": ssdlite,
}  # fmt: skip
for _name, _kind in _KINDS.items():  # each in its module too, where torchvision has it
    _home = _HOMES.get(_name.partition("_")[0])
    if _home is not None:
        globals()[_name] = _kind
        setattr(_home, _name, _kind)
