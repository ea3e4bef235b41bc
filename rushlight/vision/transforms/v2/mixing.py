"""Batches mixed with themselves, pictures and labels: MixUp and CutMix."""

from __future__ import annotations

import math
from typing import Any

import rushlight as rl

from ....distributions import Beta
from ....utils._pytree import tree_unflatten
from ...io import is_pillow_image
from ...tv_tensors import BoundingBoxes, Image, KeyPoints, Mask, Video, wrap
from .functional.dispatch import is_pure_tensor, plain
from .misc import labels_getter_of
from .transform import Transform, flattened, has_any, query_size, whole


class _Mixing(Transform):
    """The base: every picture of a batch with the one before it, labels as shares of classes."""

    def __init__(
        self, *, alpha: float = 1.0, num_classes: int | None = None, labels_getter: Any = "default"
    ) -> None:
        super().__init__()
        self.alpha = float(alpha)
        self._dist = Beta(rl.tensor([alpha]), rl.tensor([alpha]))
        self.num_classes = num_classes
        self._labels_getter = labels_getter_of(labels_getter)

    def _checked(self, labels: Any) -> rl.Tensor:
        if not isinstance(labels, rl.Tensor):
            raise ValueError(f"The labels must be a tensor, but got {type(labels)} instead.")
        if labels.ndim not in (1, 2):
            raise ValueError(
                "labels should be index based with shape (batch_size,) or probability based with "
                "shape (batch_size, num_classes), but got a tensor of shape "
                f"{labels.shape} instead."
            )
        if labels.ndim == 1 and self.num_classes is None:
            raise ValueError("num_classes must be passed if the labels are index-based (1D)")
        if labels.ndim == 2 and self.num_classes not in (None, labels.shape[-1]):
            raise ValueError(
                "When passing 2D labels, the number of elements in last dimension must match "
                f"num_classes: {labels.shape[-1]} != {self.num_classes}. You can Leave num_classes "
                "to None."
            )
        return labels

    def forward(self, *inputs: Any) -> Any:
        flat, structure = flattened(inputs)
        wanted = self._needs_transform_list(flat)
        if has_any(flat, is_pillow_image, BoundingBoxes, Mask, KeyPoints):
            raise ValueError(f"{type(self).__name__}() does not support PIL images, bounding "
                             "boxes, keypoints and masks.")  # fmt: skip
        labels = self._checked(self._labels_getter(whole(inputs)))
        params = self.make_params([one for one, want in zip(flat, wanted) if want])
        params |= {"labels": labels}
        changed = [
            self.transform(one, params) if want or one is labels else one
            for one, want in zip(flat, wanted)
        ]
        return tree_unflatten(changed, structure)

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        labels = params["labels"]
        if inpt is labels:
            return self._mixed_labels(inpt, params["share"])
        if not (is_pure_tensor(inpt) or isinstance(inpt, Image | Video)):
            return inpt
        dims = 5 if isinstance(inpt, Video) else 4
        if inpt.ndim != dims:
            raise ValueError(f"Expected a batched input with {dims} dims, but got {inpt.ndim} "
                             "dimensions instead.")  # fmt: skip
        if len(inpt) != len(labels):
            raise ValueError("The batch size of the image or video does not match the batch size "
                             f"of the labels: {len(inpt)} != {len(labels)}.")  # fmt: skip
        mixed = self._mixed(plain(inpt), params)
        return mixed if is_pure_tensor(inpt) else wrap(mixed, like=inpt)

    def _mixed(self, pictures: rl.Tensor, params: dict[str, Any]) -> rl.Tensor:
        raise NotImplementedError  # each subclass says how

    def _mixed_labels(self, labels: rl.Tensor, share: float) -> rl.Tensor:
        if labels.ndim == 1:
            labels = rl.nn.functional.one_hot(labels, num_classes=self.num_classes or -1)
        labels = labels if labels.is_floating_point() else labels.float()
        return labels.roll(1, 0).mul_(1.0 - share).add_(labels.mul(share))


class MixUp(_Mixing):
    """x_i s + x_(i-1) (1 - s) of a batch and its labels, s drawn from Beta(alpha, alpha).

    num_classes: how many classes labels (N) are among; labels (N, classes) need none.
    Raises: ValueError for samples of other forms.
    Source: Zhang et al., 2018, https://arxiv.org/abs/1710.09412

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms import v2
    >>> mixed, labels = v2.MixUp(num_classes=3)(torch.rand(2, 3, 4, 4), torch.tensor([0, 2]))
    >>> mixed.shape, labels.sum(1)
    (torch.Size([2, 3, 4, 4]), tensor([1., 1.]))
    """

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        return {"share": float(self._dist.sample(()))}

    def _mixed(self, pictures: rl.Tensor, params: dict[str, Any]) -> rl.Tensor:
        share = params["share"]
        return pictures.roll(1, 0).mul_(1.0 - share).add_(pictures.mul(share))


class CutMix(_Mixing):
    """A rectangle of each picture of a batch from the one before it; labels by area.

    Draws: a share from Beta(alpha, alpha), then the middle of the rectangle, x and y.
    Raises: ValueError for samples of other forms.
    Source: Yun et al., 2019, https://arxiv.org/abs/1905.04899

    >>> import rushlight as torch
    >>> from rushlight.vision.transforms import v2
    >>> x, y = torch.rand(4, 3, 8, 8), torch.tensor([0, 1, 2, 0])
    >>> pictures, labels = v2.CutMix(num_classes=3)(x, y)
    >>> labels.shape, labels.sum(1)
    (torch.Size([4, 3]), tensor([1., 1., 1., 1.]))
    """

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        share = float(self._dist.sample(()))
        height, width = query_size(flat_inputs)
        x, y = (int(rl.randint(n, size=(1,))) for n in (width, height))
        half = 0.5 * math.sqrt(1.0 - share)
        wide, high = int(half * width), int(half * height)
        left, right = max(x - wide, 0), min(x + wide, width)
        top, bottom = max(y - high, 0), min(y + high, height)
        rest = 1.0 - (right - left) * (bottom - top) / (width * height)
        return {"part": (slice(top, bottom), slice(left, right)), "share": rest}

    def _mixed(self, pictures: rl.Tensor, params: dict[str, Any]) -> rl.Tensor:
        mixed, part = pictures.clone(), (..., *params["part"])
        mixed[part] = pictures.roll(1, 0)[part]
        return mixed
