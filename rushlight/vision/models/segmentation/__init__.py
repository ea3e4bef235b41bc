"""Networks that give each pixel scores of classes: FCN, DeepLabV3, LR-ASPP."""

from ..weights import KINDS as _KINDS
from .deeplabv3 import (
    DeepLabV3,
    deeplabv3_mobilenet_v3_large,
    deeplabv3_resnet50,
    deeplabv3_resnet101,
)
from .fcn import FCN, fcn_resnet50, fcn_resnet101
from .lraspp import LRASPP, lraspp_mobilenet_v3_large

_FAMILIES = ("FCN", "DeepLabV3", "LRASPP")
globals().update({name: kind for name, kind in _KINDS.items() if name.startswith(_FAMILIES)})
