"""Networks for pictures: torchvision's, with its names, shapes and first weights, and the course's.

Every builder takes torchvision's arguments and `in_channels` (default 3) beside them. Trained
weights (`VGG16_Weights.DEFAULT`) are fetched from torchvision's site when they are asked for.
"""

from ...core.names import explain_missing as _explain_missing
from . import detection, mobilenet, segmentation, video
from .alexnet import AlexNet, alexnet
from .d2l import (
    d2l_alexnet,
    d2l_densenet,
    d2l_googlenet,
    d2l_lenet,
    d2l_nin,
    d2l_resnet18,
    d2l_vgg11,
)
from .densenet import DenseNet, densenet121, densenet161, densenet169, densenet201
from .googlenet import GoogLeNet, GoogLeNetOutputs, googlenet
from .lenet import LeNet, lenet
from .listing import get_model, get_model_builder, list_models
from .mobilenetv2 import MobileNetV2, mobilenet_v2
from .mobilenetv3 import MobileNetV3, mobilenet_v3_large, mobilenet_v3_small
from .nin import NiN, nin
from .resnet import (
    ResNet,
    resnet18,
    resnet34,
    resnet50,
    resnet101,
    resnet152,
    resnext50_32x4d,
    resnext101_32x8d,
    resnext101_64x4d,
    wide_resnet50_2,
    wide_resnet101_2,
)
from .vgg import VGG, vgg11, vgg11_bn, vgg13, vgg13_bn, vgg16, vgg16_bn, vgg19, vgg19_bn
from .weights import KINDS, Weights, WeightsEnum, get_model_weights, get_weight

globals().update(KINDS)
_explain_missing(
    __name__, {"feature_extraction": ("rushlight.vision.models.feature_extraction", None)}
)
