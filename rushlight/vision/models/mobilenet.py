"""Both generations of MobileNet under one name, as torchvision has them."""

from .mobilenetv2 import InvertedResidual, MobileNetV2, mobilenet_v2
from .mobilenetv3 import MobileNetV3, mobilenet_v3_large, mobilenet_v3_small

__all__ = [
    "InvertedResidual", "MobileNetV2", "MobileNetV3", "mobilenet_v2", "mobilenet_v3_large",
    "mobilenet_v3_small",
]  # fmt: skip
