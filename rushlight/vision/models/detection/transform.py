"""Pictures and what is known of them, resized and normalised for a detector, and back."""

from __future__ import annotations

import math
from typing import Any

import rushlight as rl
from rushlight import nn

from .image_list import ImageList
from .masks import paste_masks_in_image

Target = dict[str, Any]


def _ratios(old: Any, new: Any, device: Any) -> tuple[rl.Tensor, rl.Tensor]:
    """How much larger a picture becomes, down and across."""
    before = rl.tensor(tuple(old), dtype=rl.float32, device=device)
    after = rl.tensor(tuple(new), dtype=rl.float32, device=device)
    down, across = (after / before).unbind()
    return down, across


def resize_keypoints(keypoints: rl.Tensor, original_size: Any, new_size: Any) -> rl.Tensor:
    """Points (..., 3), rows (x, y, visible), of a picture that is resized; sizes (height, width).

    >>> import rushlight as torch
    >>> resize_keypoints(torch.tensor([[[2., 3., 1.]]]), (4, 4), (8, 2))
    tensor([[[1., 6., 1.]]])
    """
    down, across = _ratios(original_size, new_size, keypoints.device)
    x, y, *rest = keypoints.unbind(-1)
    return rl.stack((x * across, y * down, *rest), dim=-1)


def resize_boxes(boxes: rl.Tensor, original_size: Any, new_size: Any) -> rl.Tensor:
    """Boxes (N, 4) of a picture that is resized; sizes (height, width).

    >>> import rushlight as torch
    >>> resize_boxes(torch.tensor([[1., 1., 2., 3.]]), (4, 4), (8, 2))
    tensor([[0.5000, 2.0000, 1.0000, 6.0000]])
    """
    down, across = _ratios(original_size, new_size, boxes.device)
    return boxes * rl.stack((across, down, across, down))


class GeneralizedRCNNTransform(nn.Module):
    """Normalise pictures, resize them with their boxes, masks and points, and pad them to a batch.

    min_size: what the shorter side becomes, one of several while training; max_size: what the
    longer side is at most; size_divisible: what both sides of the batch are multiples of;
    fixed_size: (width, height) in the place of all that.
    Raises: ValueError for a picture without three dimensions, TypeError for one of whole numbers.
    """

    def __init__(
        self, min_size: Any, max_size: int, image_mean: list[float], image_std: list[float],
        size_divisible: int = 32, fixed_size: tuple[int, int] | None = None, **kwargs: Any,
    ) -> None:  # fmt: skip
        super().__init__()
        self.min_size = min_size if isinstance(min_size, (list, tuple)) else (min_size,)
        self.max_size = max_size
        self.image_mean, self.image_std = image_mean, image_std
        self.size_divisible, self.fixed_size = size_divisible, fixed_size
        self._skip_resize = kwargs.pop("_skip_resize", False)

    def forward(
        self, images: list[rl.Tensor], targets: list[Target] | None = None
    ) -> tuple[ImageList, list[Target] | None]:
        """The batch, and the targets in its pixels; what is given stays as it is."""
        pictures, changed = [], []
        for place, image in enumerate(images):
            if image.dim() != 3:
                raise ValueError(
                    "images is expected to be a list of 3d tensors of shape [C, H, W], got"
                    f" {image.shape}"
                )
            target = None if targets is None else dict(targets[place])
            image, target = self.resize(self.normalize(image), target)
            pictures.append(image)
            changed.append(target)
        sizes = [(one.shape[-2], one.shape[-1]) for one in pictures]
        batch = ImageList(self.batch_images(pictures, self.size_divisible), sizes)
        return batch, None if targets is None else changed

    def normalize(self, image: rl.Tensor) -> rl.Tensor:
        """(image - mean) / std, channel by channel."""
        if not image.is_floating_point():
            raise TypeError(
                "Expected input images to be of floating type (in range [0, 1]), but found type"
                f" {image.dtype} instead"
            )
        mean, std = (
            rl.as_tensor(values, dtype=image.dtype, device=image.device)[:, None, None]
            for values in (self.image_mean, self.image_std)
        )
        return (image - mean) / std

    def torch_choice(self, k: Any) -> int:
        """One of the entries, drawn."""
        return k[int(rl.empty(1).uniform_(0.0, float(len(k))).item())]

    def resize(
        self, image: rl.Tensor, target: Target | None = None
    ) -> tuple[rl.Tensor, Target | None]:
        """A picture (C, H, W) at its new size, and its target (changed in place) with it."""
        if self.training and self._skip_resize:
            return image, target
        old = image.shape[-2:]
        shorter = self.torch_choice(self.min_size) if self.training else self.min_size[-1]
        if self.fixed_size is not None:
            how: dict[str, Any] = {"size": (self.fixed_size[1], self.fixed_size[0])}
        else:
            scale = min(shorter / min(old), self.max_size / max(old))
            how = {"scale_factor": scale, "recompute_scale_factor": True}
        image = nn.functional.interpolate(image[None], mode="bilinear", align_corners=False, **how)[
            0
        ]
        if target is None:
            return image, target
        if "masks" in target:
            masks = nn.functional.interpolate(target["masks"][:, None].float(), **how)
            target["masks"] = masks[:, 0].byte()
        target["boxes"] = resize_boxes(target["boxes"], old, image.shape[-2:])
        if "keypoints" in target:
            target["keypoints"] = resize_keypoints(target["keypoints"], old, image.shape[-2:])
        return image, target

    def batch_images(self, images: list[rl.Tensor], size_divisible: int = 32) -> rl.Tensor:
        """Pictures (C, H, W) padded with zeros to the right and below, as one tensor."""
        height, width = (
            math.ceil(max(one.shape[dim] for one in images) / size_divisible) * size_divisible
            for dim in (-2, -1)
        )
        padded = [
            nn.functional.pad(one, (0, width - one.shape[-1], 0, height - one.shape[-2]))
            for one in images
        ]
        return rl.stack(padded)

    def postprocess(
        self, result: list[Target], image_shapes: Any, original_image_sizes: Any
    ) -> list[Target]:
        """What was found, in pixels of the pictures as they were given."""
        if self.training:
            return result
        for found, seen, given in zip(result, image_shapes, original_image_sizes):
            boxes = found["boxes"] = resize_boxes(found["boxes"], seen, given)
            if "masks" in found:
                found["masks"] = paste_masks_in_image(found["masks"], boxes, given)
            if "keypoints" in found:
                found["keypoints"] = resize_keypoints(found["keypoints"], seen, given)
        return result

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(\n    Normalize(mean={self.image_mean}, std={self.image_std})"
            f"\n    Resize(min_size={self.min_size}, max_size={self.max_size}, mode='bilinear')\n)"
        )
