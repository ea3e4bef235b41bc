"""Transforms as functions of pictures, videos, masks, boxes and points, by the second set of names.

Pictures are tensors (..., C, H, W) or Pillow images; the classes of `tv_tensors` say what else a
tensor may be. What the first set does to pictures is done by its functions.
"""

from .....core.names import explain_missing as _explain_missing
from ...functional import (
    InterpolationMode,
    get_image_size,
    pil_to_tensor,
    to_pil_image,
    to_tensor,
)
from .boxes import (
    clamp_bounding_boxes,
    clamp_keypoints,
    convert_bounding_box_format,
    sanitize_bounding_boxes,
    sanitize_keypoints,
)
from .color import (
    adjust_brightness,
    adjust_contrast,
    adjust_gamma,
    adjust_hue,
    adjust_saturation,
    adjust_sharpness,
    autocontrast,
    equalize,
    erase,
    gaussian_blur,
    gaussian_noise,
    grayscale_to_rgb,
    invert,
    jpeg,
    normalize,
    permute_channels,
    posterize,
    rgb_to_grayscale,
    solarize,
)
from .convert import (
    convert_image_dtype,
    get_dimensions,
    get_num_channels,
    get_num_frames,
    get_size,
    to_dtype,
    to_image,
    uniform_temporal_subsample,
)
from .dispatch import is_pure_tensor, register_kernel
from .geometry import (
    center_crop,
    crop,
    five_crop,
    horizontal_flip,
    pad,
    resize,
    resized_crop,
    ten_crop,
    vertical_flip,
)
from .kernels import NAMED as _NAMED
from .warp import affine, elastic, perspective, rotate

hflip, vflip, elastic_transform = horizontal_flip, vertical_flip, elastic
get_image_num_channels, to_grayscale = get_num_channels, rgb_to_grayscale
__all__ = [
    "InterpolationMode", "adjust_brightness", "adjust_contrast", "adjust_gamma", "adjust_hue",
    "adjust_saturation", "adjust_sharpness", "affine", "autocontrast", "center_crop",
    "clamp_bounding_boxes", "clamp_keypoints", "convert_bounding_box_format",
    "convert_image_dtype", "crop", "elastic", "elastic_transform", "equalize", "erase", "five_crop",
    "gaussian_blur", "gaussian_noise", "get_dimensions", "get_image_num_channels",
    "get_image_size", "get_num_channels", "get_num_frames", "get_size", "grayscale_to_rgb", "hflip",
    "horizontal_flip", "invert", "is_pure_tensor", "jpeg", "normalize", "pad", "permute_channels",
    "perspective", "pil_to_tensor", "posterize", "register_kernel", "resize", "resized_crop",
    "rgb_to_grayscale", "rotate", "sanitize_bounding_boxes", "sanitize_keypoints", "solarize",
    "ten_crop", "to_dtype", "to_grayscale", "to_image", "to_pil_image", "to_tensor",
    "uniform_temporal_subsample", "vertical_flip", "vflip",
]  # fmt: skip
globals().update(_NAMED)
_explain_missing(__name__)
