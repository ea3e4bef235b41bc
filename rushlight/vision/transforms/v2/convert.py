"""Transforms of kind and type: pictures to tensors and back, boxes to other forms."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

import rushlight as rl

from ...io import is_pillow_image
from ...tv_tensors import BoundingBoxes, Image, KeyPoints, TVTensor, Video
from .. import convert as first
from . import functional as F
from .functional.dispatch import is_pure_tensor, plain
from .transform import Simple, Transform


def _is_array(inpt: Any) -> bool:
    return isinstance(inpt, np.ndarray)


class PILToTensor(Transform):
    """Turn Pillow images into tensors (C, H, W) of their own type, without scaling.

    >>> from PIL import Image
    >>> from rushlight.vision.transforms import v2
    >>> picture = v2.PILToTensor()(Image.new("RGB", (5, 4), "red"))
    >>> picture.shape, picture[:, 0, 0]
    (torch.Size([3, 4, 5]), tensor([255,   0,   0], dtype=torch.uint8))
    """

    _transformed_types = (is_pillow_image,)

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return F.pil_to_tensor(inpt)


class ToImage(Transform):
    """Turn tensors, Pillow images and arrays (H, W[, C]) into tv_tensors.Image.

    >>> import numpy as np
    >>> from rushlight.vision.transforms import v2
    >>> v2.ToImage()(np.zeros((4, 5, 3), np.uint8)).shape
    torch.Size([3, 4, 5])
    """

    _transformed_types = (is_pure_tensor, is_pillow_image, _is_array)

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return F.to_image(inpt)


class ToPILImage(Transform):
    """Turn tensors (C, H, W) and arrays (H, W[, C]) into Pillow images of `mode`.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms import v2
    >>> image = v2.ToPILImage()(torch.zeros(3, 4, 5, dtype=torch.uint8))
    >>> image.mode, image.size
    ('RGB', (5, 4))
    """

    _transformed_types = (is_pure_tensor, Image, _is_array)

    def __init__(self, mode: str | None = None) -> None:
        super().__init__()
        self.mode = mode

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return F.to_pil_image(plain(inpt) if isinstance(inpt, TVTensor) else inpt, mode=self.mode)


class ToPureTensor(Transform):
    """Have tensors forget what they are.

    >>> import rushlight as torch
    >>> from rushlight.vision import tv_tensors
    >>> from rushlight.vision.transforms import v2
    >>> type(v2.ToPureTensor()(tv_tensors.Image(torch.zeros(3, 2, 2)))).__name__
    'Tensor'
    """

    _transformed_types = (TVTensor,)

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return plain(inpt)


class ToTensor(Transform):
    """Turn Pillow images and arrays into tensors (C, H, W), bytes into [0, 1].

    ToImage and ToDtype(scale=True) are what replaces it, as a warning says.

    >>> import warnings
    >>> import numpy as np
    >>> from rushlight.vision.transforms import v2
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     transform = v2.ToTensor()
    >>> transform(np.full((1, 2, 1), 51, np.uint8))
    tensor([[[0.2000, 0.2000]]])
    """

    _transformed_types = (is_pillow_image, _is_array)

    def __init__(self) -> None:
        warnings.warn(
            "The transform `ToTensor()` is deprecated and will be removed in a future release. "
            "Instead, please use `v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, "
            "scale=True)])`.Output is equivalent up to float precision.", stacklevel=2
        )  # fmt: skip
        super().__init__()

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return F.to_tensor(inpt)


class ConvertImageDtype(Simple):
    """Change the type of pictures and their range with it.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms import v2
    >>> v2.ConvertImageDtype(torch.float32)(torch.tensor([[[0, 51, 255]]], dtype=torch.uint8))
    tensor([[[0.0000, 0.2000, 1.0000]]])
    """

    first = first.ConvertImageDtype
    functional = F.to_dtype

    def __init__(self, dtype: Any = rl.float32) -> None:
        super().__init__()
        self.dtype = dtype

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        return {"dtype": self.dtype, "scale": True}


class ToDtype(Transform):
    """Change the type of pictures, or of each class of tensors by a dictionary ("others": None).

    scale: whether pictures change their range with it.
    Raises: ValueError for no type or dictionary, and for a class that has none in it.

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms import v2
    >>> v2.ToDtype(torch.float32, scale=True)(torch.full((1, 1, 2), 255, dtype=torch.uint8))
    tensor([[[1., 1.]]])
    """

    _transformed_types = (rl.Tensor,)

    def __init__(self, dtype: Any, scale: bool = False) -> None:
        super().__init__()
        if not isinstance(dtype, dict | rl.dtype):
            raise ValueError(f"dtype must be a dict or a torch.dtype, got {type(dtype)} instead")
        if isinstance(dtype, dict) and rl.Tensor in dtype and (Image in dtype or Video in dtype):
            warnings.warn(
                "Got `dtype` values for `torch.Tensor` and either `tv_tensors.Image` or "
                "`tv_tensors.Video`. Note that a plain `torch.Tensor` will *not* be transformed by "
                "this (or any other transformation) in case a `tv_tensors.Image` or "
                "`tv_tensors.Video` is present in the input.", stacklevel=2
            )  # fmt: skip
        self.dtype = dtype
        self.scale = scale

    def _type_of(self, inpt: Any, picture: bool) -> Any:
        if not isinstance(self.dtype, dict):
            return self.dtype if picture else None
        if type(inpt) in self.dtype:
            return self.dtype[type(inpt)]
        if "others" not in self.dtype:
            raise ValueError(
                f"No dtype was specified for type {type(inpt)}. Use 'others' as a catch-all key, "
                "with None for inputs to leave as they are."
            )
        return self.dtype["others"]

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        picture = is_pure_tensor(inpt) or isinstance(inpt, Image | Video)
        dtype = self._type_of(inpt, picture)
        if dtype is not None:
            return self._call_kernel(F.to_dtype, inpt, dtype=dtype, scale=self.scale)
        if self.scale and picture:
            warnings.warn("scale was set to True but no dtype was specified for images or videos: "
                          "no scaling will be done.", stacklevel=2)  # fmt: skip
        return inpt


class ConvertBoundingBoxFormat(Transform):
    """Turn boxes into another form.

    >>> from rushlight.vision import tv_tensors
    >>> from rushlight.vision.transforms import v2
    >>> box = tv_tensors.BoundingBoxes([[1, 2, 4, 8]], format="XYXY", canvas_size=(10, 10))
    >>> v2.ConvertBoundingBoxFormat("XYWH")(box).tolist()
    [[1, 2, 3, 6]]
    """

    _transformed_types = (BoundingBoxes,)

    def __init__(self, format: Any) -> None:
        super().__init__()
        self.format = format

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return F.convert_bounding_box_format(inpt, new_format=self.format)


class ClampBoundingBoxes(Transform):
    """Cut boxes at the edges of their picture, by their own mode ("auto") or another.

    >>> from rushlight.vision import tv_tensors
    >>> from rushlight.vision.transforms import v2
    >>> box = tv_tensors.BoundingBoxes([[-1, 2, 12, 7]], format="XYXY", canvas_size=(10, 10))
    >>> v2.ClampBoundingBoxes()(box).tolist()
    [[0, 2, 10, 7]]
    """

    _transformed_types = (BoundingBoxes,)

    def __init__(self, clamping_mode: str | None = "auto") -> None:
        super().__init__()
        self.clamping_mode = clamping_mode

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return F.clamp_bounding_boxes(inpt, clamping_mode=self.clamping_mode)


class ClampKeyPoints(Transform):
    """Hold points within their picture.

    >>> from rushlight.vision import tv_tensors
    >>> from rushlight.vision.transforms import v2
    >>> v2.ClampKeyPoints()(tv_tensors.KeyPoints([[-1, 12]], canvas_size=(10, 10))).tolist()
    [[0, 9]]
    """

    _transformed_types = (KeyPoints,)

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return F.clamp_keypoints(inpt)


class SetClampingMode(Transform):
    """Say how the transforms that follow cut boxes: "soft", "hard" or None, not at all.

    Raises: ValueError for another mode.

    >>> from rushlight.vision import tv_tensors
    >>> from rushlight.vision.transforms import v2
    >>> box = tv_tensors.BoundingBoxes([[1, 2, 4, 8]], format="XYXY", canvas_size=(10, 10))
    >>> v2.SetClampingMode("hard")(box).clamping_mode
    'hard'
    """

    _transformed_types = (BoundingBoxes,)

    def __init__(self, clamping_mode: str | None) -> None:
        super().__init__()
        if clamping_mode not in (None, "soft", "hard"):
            raise ValueError(f"clamping_mode must be soft, hard or None, got {clamping_mode}")
        self.clamping_mode = clamping_mode

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        found = inpt.clone()
        found.clamping_mode = self.clamping_mode
        return found


class UniformTemporalSubsample(Simple):
    """Keep `num_samples` pictures of videos (..., T, C, H, W), as evenly apart as may be.

    >>> import rushlight as torch
    >>> from rushlight.vision import tv_tensors
    >>> from rushlight.vision.transforms import v2
    >>> film = tv_tensors.Video(torch.arange(5.0).view(5, 1, 1, 1))
    >>> v2.UniformTemporalSubsample(3)(film).flatten().tolist()
    [0.0, 2.0, 4.0]
    """

    _transformed_types = (rl.Tensor,)
    functional = F.uniform_temporal_subsample
    settings = ("num_samples",)

    def __init__(self, num_samples: int) -> None:
        super().__init__()
        self.num_samples = num_samples
