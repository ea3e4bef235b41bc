"""The second set of transforms: of whole samples, with their boxes, masks, points and videos.

The classes of `tv_tensors` say what a tensor is. Names, arguments, texts and random draws are
those of torchvision.transforms.v2.
Source: https://docs.pytorch.org/vision/stable/transforms.html
"""

from ....core.names import explain_missing as _explain_missing
from ..functional import InterpolationMode
from . import functional
from .auto import AugMix, AutoAugment, AutoAugmentPolicy, RandAugment, TrivialAugmentWide
from .color import (
    RGB,
    ColorJitter,
    Grayscale,
    RandomAdjustSharpness,
    RandomAutocontrast,
    RandomChannelPermutation,
    RandomEqualize,
    RandomGrayscale,
    RandomInvert,
    RandomPhotometricDistort,
    RandomPosterize,
    RandomSolarize,
)
from .combine import Compose, RandomApply, RandomChoice, RandomOrder
from .convert import (
    ClampBoundingBoxes,
    ClampKeyPoints,
    ConvertBoundingBoxFormat,
    ConvertImageDtype,
    PILToTensor,
    SetClampingMode,
    ToDtype,
    ToImage,
    ToPILImage,
    ToPureTensor,
    ToTensor,
    UniformTemporalSubsample,
)
from .geometry import (
    CenterCrop,
    FiveCrop,
    Pad,
    RandomCrop,
    RandomHorizontalFlip,
    RandomIoUCrop,
    RandomResizedCrop,
    RandomVerticalFlip,
    RandomZoomOut,
    Resize,
    TenCrop,
)
from .misc import (
    JPEG,
    GaussianBlur,
    GaussianNoise,
    Identity,
    Lambda,
    LinearTransformation,
    Normalize,
    RandomErasing,
    SanitizeBoundingBoxes,
    SanitizeKeyPoints,
)
from .mixing import CutMix, MixUp
from .sizes import RandomResize, RandomShortestSize, ScaleJitter
from .transform import (
    Transform,
    check_type,
    get_bounding_boxes,
    get_keypoints,
    has_all,
    has_any,
    query_chw,
    query_size,
)
from .warp import ElasticTransform, RandomAffine, RandomPerspective, RandomRotation

__all__ = [
    "JPEG", "RGB", "AugMix", "AutoAugment", "AutoAugmentPolicy", "CenterCrop",
    "ClampBoundingBoxes", "ClampKeyPoints", "ColorJitter", "Compose", "ConvertBoundingBoxFormat",
    "ConvertImageDtype", "CutMix", "ElasticTransform", "FiveCrop", "GaussianBlur", "GaussianNoise",
    "Grayscale", "Identity", "InterpolationMode", "Lambda", "LinearTransformation", "MixUp",
    "Normalize", "PILToTensor", "Pad", "RandAugment", "RandomAdjustSharpness", "RandomAffine",
    "RandomApply", "RandomAutocontrast", "RandomChannelPermutation", "RandomChoice", "RandomCrop",
    "RandomEqualize", "RandomErasing", "RandomGrayscale", "RandomHorizontalFlip", "RandomInvert",
    "RandomIoUCrop", "RandomOrder", "RandomPerspective", "RandomPhotometricDistort",
    "RandomPosterize", "RandomResize", "RandomResizedCrop", "RandomRotation",
    "RandomShortestSize", "RandomSolarize", "RandomVerticalFlip", "RandomZoomOut", "Resize",
    "SanitizeBoundingBoxes", "SanitizeKeyPoints", "ScaleJitter", "SetClampingMode", "TenCrop",
    "ToDtype", "ToImage", "ToPILImage", "ToPureTensor", "ToTensor", "Transform",
    "TrivialAugmentWide", "UniformTemporalSubsample", "check_type", "functional",
    "get_bounding_boxes", "get_keypoints", "has_all", "has_any", "query_chw", "query_size",
]  # fmt: skip
_explain_missing(__name__)
