"""Transforms of pictures, with torchvision's names, arguments, reprs and random draws.

Source: https://docs.pytorch.org/vision/stable/transforms.html
"""

from . import functional
from .color import ColorJitter, Grayscale, RandomGrayscale, RandomInvert
from .combine import Compose, Lambda, RandomApply, RandomChoice, RandomOrder
from .convert import ConvertImageDtype, Normalize, PILToTensor, ToPILImage, ToTensor
from .erasing import RandomErasing
from .functional import InterpolationMode
from .geometry import (
    CenterCrop,
    FiveCrop,
    Pad,
    RandomCrop,
    RandomHorizontalFlip,
    RandomResizedCrop,
    RandomVerticalFlip,
    Resize,
    TenCrop,
)

__all__ = [
    "CenterCrop",
    "ColorJitter",
    "Compose",
    "ConvertImageDtype",
    "FiveCrop",
    "Grayscale",
    "InterpolationMode",
    "Lambda",
    "Normalize",
    "PILToTensor",
    "Pad",
    "RandomApply",
    "RandomChoice",
    "RandomCrop",
    "RandomErasing",
    "RandomGrayscale",
    "RandomHorizontalFlip",
    "RandomInvert",
    "RandomOrder",
    "RandomResizedCrop",
    "RandomVerticalFlip",
    "Resize",
    "TenCrop",
    "ToPILImage",
    "ToTensor",
    "functional",
]
