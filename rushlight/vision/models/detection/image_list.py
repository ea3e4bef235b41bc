"""Pictures of different sizes in one tensor."""

from __future__ import annotations

from typing import Any

import rushlight as rl


class ImageList:
    """Pictures padded to one size, (N, C, H, W), and the sizes (height, width) that they have."""

    def __init__(self, tensors: rl.Tensor, image_sizes: list[tuple[int, int]]) -> None:
        self.tensors = tensors
        self.image_sizes = image_sizes

    def to(self, device: Any) -> ImageList:
        """The same on another device."""
        return ImageList(self.tensors.to(device), self.image_sizes)
