"""Tensors that say what they are: pictures, videos, masks, boxes and points.

`transforms.v2` goes by these classes: what turns a picture turns its boxes and masks with it.
Source: https://docs.pytorch.org/vision/stable/tv_tensors.html
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import Any, ClassVar

import rushlight as rl

from .._C import DisableTorchFunctionSubclass
from ..core.names import explain_missing as _explain_missing
from ..utils._pytree import tree_leaves
from .io import is_pillow_image
from .transforms.functional import pil_to_tensor

__all__ = [
    "BoundingBoxFormat", "BoundingBoxes", "Image", "KeyPoints", "Mask", "TVTensor", "Video",
    "is_rotated_bounding_format", "set_return_type", "wrap",
]  # fmt: skip
# methods of which the result is of the class again; that of all others is a plain tensor
KEEPING = ("clone", "to", "detach", "requires_grad_", "pin_memory")


class TVTensor(rl.Tensor):
    """The base: a tensor whose operations give plain tensors, but for copies of it.

    >>> import rushlight as torch
    >>> from rushlight.vision.tv_tensors import Image, TVTensor
    >>> x = Image(torch.zeros(3, 2, 2))
    >>> isinstance(x, TVTensor), type(x.clone()).__name__, type(x + 1).__name__
    (True, 'Image', 'Tensor')
    """

    fields: ClassVar[tuple[str, ...]] = ()  # what is known beside the numbers
    keeps_type: ClassVar[bool] = False  # see set_return_type

    @classmethod
    def wrap(cls, tensor: rl.Tensor, like: Any, **fields: Any) -> Any:
        """`tensor` as one of this class, with what `like` has beside its numbers."""
        return cls._with_fields(tensor, like, **fields)

    @classmethod
    def _with_fields(cls, tensor: rl.Tensor, like: Any, **fields: Any) -> Any:
        result = tensor.as_subclass(cls)
        for name in cls.fields:
            setattr(result, name, fields[name] if name in fields else getattr(like, name))
        return result

    @classmethod
    def _again(cls, output: Any, like: Any) -> Any:
        if isinstance(output, tuple | list):
            return type(output)(cls._again(part, like) for part in output)
        return cls._with_fields(output, like) if isinstance(output, rl.Tensor) else output

    @classmethod
    def __torch_function__(
        cls, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        if not all(issubclass(cls, kind) for kind in types):
            return NotImplemented
        with DisableTorchFunctionSubclass():
            output = func(*args, **(kwargs or {}))
        if TVTensor.keeps_type or (_keeps(func) and isinstance(args[0], cls)):
            given = tree_leaves((args, kwargs))
            return cls._again(output, next(x for x in given if isinstance(x, cls)))
        return output.as_subclass(rl.Tensor) if isinstance(output, cls) else output

    def __deepcopy__(self, memo: Any) -> Any:
        return self.detach().clone().requires_grad_(self.requires_grad)

    def _described(self) -> str:
        own = ", ".join(f"{name}={getattr(self, name)}" for name in self.fields)
        return f"{super().__repr__()[:-1]}, {own})"


def _keeps(func: Any) -> bool:
    name = getattr(func, "__name__", "")
    return name in KEEPING and func is getattr(rl.Tensor, name)


def _numbers(data: Any, dtype: Any, device: Any, requires_grad: bool | None) -> rl.Tensor:
    """Numbers as a plain tensor; that of a tensor keeps whether gradients are asked for."""
    data = pil_to_tensor(data) if is_pillow_image(data) else data
    if requires_grad is None:
        requires_grad = data.requires_grad if isinstance(data, rl.Tensor) else False
    tensor = rl.as_tensor(data, dtype=dtype, device=device)
    return tensor.as_subclass(rl.Tensor).requires_grad_(requires_grad)


class Image(TVTensor):
    """A picture (..., C, H, W), from a tensor, a Pillow image or what `as_tensor` takes.

    Raises: ValueError for fewer than two dimensions.

    >>> import rushlight as torch
    >>> from rushlight.vision.tv_tensors import Image
    >>> Image(torch.zeros(4, 5)).shape, type(Image(torch.zeros(3, 4, 5)) + 1).__name__
    (torch.Size([1, 4, 5]), 'Tensor')
    """

    def __new__(
        cls, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool | None = None
    ) -> Any:
        tensor = _numbers(data, dtype, device, requires_grad)
        if tensor.ndim < 2:
            raise ValueError(f"Tensor must be 2D or higher, got {tensor.ndim}D tensor.")
        return (tensor.unsqueeze(0) if tensor.ndim == 2 else tensor).as_subclass(cls)

    def __repr__(self, *, tensor_contents: Any = None) -> str:
        return self._described()


class Video(TVTensor):
    """Pictures in a row (..., T, C, H, W). Raises: ValueError for fewer than four dimensions.

    >>> import rushlight as torch
    >>> from rushlight.vision.tv_tensors import Video
    >>> Video(torch.zeros(7, 3, 4, 5)).shape
    torch.Size([7, 3, 4, 5])
    """

    def __new__(
        cls, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool | None = None
    ) -> Any:
        tensor = _numbers(data, dtype, device, requires_grad)
        if tensor.ndim < 4:
            raise ValueError
        return tensor.as_subclass(cls)

    def __repr__(self, *, tensor_contents: Any = None) -> str:
        return self._described()


class Mask(TVTensor):
    """What belongs to what in a picture: (H, W) of classes, or (N, H, W), a mask per object.

    >>> import rushlight as torch
    >>> from rushlight.vision.tv_tensors import Mask
    >>> Mask(torch.tensor([[True, False]])).shape
    torch.Size([1, 2])
    """

    def __new__(
        cls, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool | None = None
    ) -> Any:
        return _numbers(data, dtype, device, requires_grad).as_subclass(cls)


class BoundingBoxFormat(enum.Enum):
    """What the numbers of a box are: corners, a corner and sizes, or a centre and sizes.

    Those with an angle (R) and those of four corners are names only: transforms refuse them.

    >>> from rushlight.vision.tv_tensors import BoundingBoxFormat
    >>> [form.name for form in BoundingBoxFormat][:3]
    ['XYXY', 'XYWH', 'CXCYWH']
    """

    XYXY = "XYXY"
    XYWH = "XYWH"
    CXCYWH = "CXCYWH"
    XYWHR = "XYWHR"
    CXCYWHR = "CXCYWHR"
    XYXYXYXY = "XYXYXYXY"


def is_rotated_bounding_format(format: BoundingBoxFormat | str) -> bool:
    """Whether boxes of a form may be turned. Raises: ValueError for what is no form.

    >>> from rushlight.vision.tv_tensors import is_rotated_bounding_format
    >>> is_rotated_bounding_format("XYXY"), is_rotated_bounding_format("CXCYWHR")
    (False, True)
    """
    if not isinstance(format, BoundingBoxFormat | str):
        raise ValueError(f"format should be str or BoundingBoxFormat, got {type(format)}")
    name = format if isinstance(format, str) else format.value
    return name in ("XYWHR", "CXCYWHR", "XYXYXYXY")


class BoundingBoxes(TVTensor):
    """Boxes (N, K) in a picture of `canvas_size` (H, W); one box (K) is a table of one row.

    format: a BoundingBoxFormat or its name; clamping_mode: None leaves boxes that stick out.
    Raises: ValueError for other shapes and modes, KeyError for an unknown form.

    >>> from rushlight.vision.tv_tensors import BoundingBoxes
    >>> boxes = BoundingBoxes([1, 2, 4, 8], format="XYXY", canvas_size=(10, 10))
    >>> boxes.shape, boxes.canvas_size
    (torch.Size([1, 4]), (10, 10))
    """

    fields: ClassVar[tuple[str, ...]] = ("format", "canvas_size", "clamping_mode")
    format: BoundingBoxFormat
    canvas_size: tuple[int, int]
    clamping_mode: str | None

    def __new__(
        cls,
        data: Any,
        *,
        format: BoundingBoxFormat | str,
        canvas_size: tuple[int, int],
        clamping_mode: str | None = "soft",
        dtype: Any = None,
        device: Any = None,
        requires_grad: bool | None = None,
    ) -> Any:
        tensor = _numbers(data, dtype, device, requires_grad)
        if not tensor.is_floating_point() and is_rotated_bounding_format(format):
            raise ValueError(
                f"Rotated bounding boxes should be floating point tensors, got {tensor.dtype}."
            )
        return cls.wrap(tensor, None, format=format, canvas_size=canvas_size,
                        clamping_mode=clamping_mode)  # fmt: skip

    @classmethod
    def wrap(cls, tensor: rl.Tensor, like: Any, **fields: Any) -> Any:
        """`tensor` as boxes, with what `like` has beside its numbers."""
        fields = {name: getattr(like, name, None) for name in cls.fields} | fields
        if tensor.ndim not in (1, 2):
            raise ValueError(f"Expected a 1D or 2D tensor, got {tensor.ndim}D")
        mode = fields["clamping_mode"]
        if mode not in (None, "hard", "soft"):
            raise ValueError(f"clamping_mode must be None, hard or soft, got {mode}.")
        if isinstance(fields["format"], str):
            fields["format"] = BoundingBoxFormat[fields["format"].upper()]
        return super().wrap(tensor.unsqueeze(0) if tensor.ndim == 1 else tensor, like, **fields)

    def __repr__(self, *, tensor_contents: Any = None) -> str:
        return self._described()


class KeyPoints(TVTensor):
    """Points (..., 2), x and y, in a picture of `canvas_size` (H, W).

    Raises: ValueError for other shapes.

    >>> from rushlight.vision.tv_tensors import KeyPoints
    >>> KeyPoints([[1, 2], [3, 4]], canvas_size=(10, 10)).canvas_size
    (10, 10)
    """

    fields: ClassVar[tuple[str, ...]] = ("canvas_size",)
    canvas_size: tuple[int, int]

    def __new__(
        cls,
        data: Any,
        *,
        canvas_size: tuple[int, int],
        dtype: Any = None,
        device: Any = None,
        requires_grad: bool | None = None,
    ) -> Any:
        tensor = _numbers(data, dtype, device, requires_grad)
        return cls.wrap(tensor, None, canvas_size=canvas_size)

    @classmethod
    def wrap(cls, tensor: rl.Tensor, like: Any, **fields: Any) -> Any:
        """`tensor` as points, with the canvas of `like`."""
        tensor = tensor.unsqueeze(0) if tensor.ndim == 1 else tensor
        if tensor.shape[-1] != 2:
            raise ValueError(f"Expected a tensor of shape (..., 2), not {tensor.shape}")
        fields = {"canvas_size": getattr(like, "canvas_size", None)} | fields
        return super().wrap(tensor, like, **fields)

    def __repr__(self, *, tensor_contents: Any = None) -> str:
        return self._described()


def wrap(wrappee: rl.Tensor, *, like: Any, **kwargs: Any) -> Any:
    """A plain tensor as one of the class of `like`, with its form and canvas unless given.

    >>> import rushlight as torch
    >>> from rushlight.vision.tv_tensors import Mask, wrap
    >>> type(wrap(torch.zeros(2, 2), like=Mask(torch.ones(2, 2)))).__name__
    'Mask'
    """
    if hasattr(type(like), "wrap"):
        return type(like).wrap(wrappee, like, **kwargs)
    return wrappee.as_subclass(type(like))


class set_return_type:
    """Have operations on these tensors give their class ("TVTensor") or plain tensors ("Tensor").

    A call sets it for good; a `with` block sets it back at its end.
    Raises: ValueError for another word.

    >>> import rushlight as torch
    >>> from rushlight.vision import tv_tensors
    >>> x = tv_tensors.Image(torch.zeros(3, 2, 2))
    >>> with tv_tensors.set_return_type("TVTensor"):
    ...     type(x + 1).__name__
    'Image'
    """

    def __init__(self, return_type: str) -> None:
        kinds = {"tensor": False, "tvtensor": True}
        if return_type.lower() not in kinds:
            raise ValueError(f"return_type must be 'TVTensor' or 'Tensor', got {return_type}")
        self.before = TVTensor.keeps_type
        TVTensor.keeps_type = kinds[return_type.lower()]

    def __enter__(self) -> set_return_type:
        return self

    def __exit__(self, *error: object) -> None:
        TVTensor.keeps_type = self.before


_explain_missing(__name__)
