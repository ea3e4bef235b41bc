"""Blur, sharpen, spread or reduce the tones at random; whiten."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import rushlight as rl

from . import functional as F
from .warp import between


class GaussianBlur(rl.nn.Module):
    """Blur with a deviation drawn from `sigma` (one uniform draw).

    Raises: ValueError for even sizes and other ranges.
    Source: https://docs.pytorch.org/vision/stable/generated/torchvision.transforms.GaussianBlur.html

    >>> import rushlight as torch
    >>> from rushlight.vision import transforms
    >>> transforms.GaussianBlur(3, sigma=1.0)(torch.eye(3)[None])[0, 1]
    tensor([0.3715, 0.3544, 0.3715])
    """

    def __init__(self, kernel_size: int | Sequence[int], sigma: Any = (0.1, 2.0)) -> None:
        super().__init__()
        sizes = (kernel_size, kernel_size) if isinstance(kernel_size, int) else tuple(kernel_size)
        if len(sizes) == 1:
            sizes = sizes * 2
        if len(sizes) != 2:
            raise ValueError("Kernel size should be a tuple/list of two integers")
        if any(size <= 0 or size % 2 == 0 for size in sizes):
            raise ValueError("Kernel size value should be an odd and positive number.")
        if isinstance(sigma, int | float):
            if sigma <= 0:
                raise ValueError("If sigma is a single number, it must be positive.")
            sigma = (sigma, sigma)
        elif isinstance(sigma, Sequence) and len(sigma) == 2:
            if not 0.0 < sigma[0] <= sigma[1]:
                raise ValueError("sigma values should be positive and of the form (min, max).")
        else:
            raise ValueError("sigma should be a single number or a list/tuple with length 2.")
        self.kernel_size, self.sigma = sizes, sigma

    @staticmethod
    def get_params(sigma_min: float, sigma_max: float) -> float:
        """Draw the deviation."""
        return between(sigma_min, sigma_max)

    def forward(self, img: Any) -> Any:
        sigma = self.get_params(self.sigma[0], self.sigma[1])
        return F.gaussian_blur(img, self.kernel_size, [sigma, sigma])

    def __repr__(self) -> str:
        return f"{type(self).__name__}(kernel_size={self.kernel_size}, sigma={self.sigma})"


class _Sometimes(rl.nn.Module):
    """A change that is made with probability `p` (one `rand(1)`)."""

    change: Callable[..., Any]
    setting = ""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, img: Any) -> Any:
        if rl.rand(1).item() >= self.p:
            return img
        return type(self).change(img, *([getattr(self, self.setting)] if self.setting else []))

    def __repr__(self) -> str:
        setting = f"{self.setting}={getattr(self, self.setting)}," if self.setting else ""
        return f"{type(self).__name__}({setting}p={self.p})"


class RandomPosterize(_Sometimes):
    """Keep the highest `bits` bits of each number with probability `p` (one `rand(1)`).

    Raises: TypeError for tensors that are not uint8.

    >>> import rushlight as torch
    >>> from rushlight.vision import transforms
    >>> transforms.RandomPosterize(2, p=1)(torch.tensor([[[63, 100, 255]]], dtype=torch.uint8))
    tensor([[[  0,  64, 192]]], dtype=torch.uint8)
    """

    change, setting = F.posterize, "bits"

    def __init__(self, bits: int, p: float = 0.5) -> None:
        super().__init__(p)
        self.bits = bits


class RandomSolarize(_Sometimes):
    """Turn the tones from `threshold` on around with probability `p` (one `rand(1)`).

    Raises: TypeError for a threshold above the largest value.

    >>> import rushlight as torch
    >>> from rushlight.vision import transforms
    >>> transforms.RandomSolarize(0.5, p=1)(torch.tensor([[[0.25, 0.75]]]))
    tensor([[[0.2500, 0.2500]]])
    """

    change, setting = F.solarize, "threshold"

    def __init__(self, threshold: float, p: float = 0.5) -> None:
        super().__init__(p)
        self.threshold = threshold


class RandomAdjustSharpness(_Sometimes):
    """Blur or sharpen by `sharpness_factor` with probability `p` (one `rand(1)`).

    Arguments and errors are those of `functional.adjust_sharpness`.

    >>> import rushlight as torch
    >>> from rushlight.vision import transforms
    >>> transforms.RandomAdjustSharpness(2, p=1)(torch.eye(3)[None] / 2)[0, 1]
    tensor([0.0000, 0.7308, 0.0000])
    """

    change, setting = F.adjust_sharpness, "sharpness_factor"

    def __init__(self, sharpness_factor: float, p: float = 0.5) -> None:
        super().__init__(p)
        self.sharpness_factor = sharpness_factor


class RandomAutocontrast(_Sometimes):
    """Spread the tones over the whole range with probability `p` (one `rand(1)`).

    >>> import rushlight as torch
    >>> from rushlight.vision import transforms
    >>> transforms.RandomAutocontrast(p=1)(torch.tensor([[[0.4, 0.5, 0.6]]]))
    tensor([[[0.0000, 0.5000, 1.0000]]])
    """

    change = F.autocontrast

    def __init__(self, p: float = 0.5) -> None:
        super().__init__(p)


class RandomEqualize(_Sometimes):
    """Make all tones about equally frequent with probability `p` (one `rand(1)`).

    Raises: TypeError for tensors that are not uint8.

    >>> import rushlight as torch
    >>> from rushlight.vision import transforms
    >>> grey = torch.tensor([100, 101, 102], dtype=torch.uint8).repeat(1, 1, 500)
    >>> transforms.RandomEqualize(p=1)(grey)[..., :3]
    tensor([[[  0, 167, 255]]], dtype=torch.uint8)
    """

    change = F.equalize

    def __init__(self, p: float = 0.5) -> None:
        super().__init__(p)


class LinearTransformation(rl.nn.Module):
    """Flatten a tensor picture, subtract a mean and multiply by a square matrix (whitening).

    Raises: ValueError where the sizes do not fit.

    >>> import rushlight as torch
    >>> from rushlight.vision import transforms
    >>> whiten = transforms.LinearTransformation(torch.eye(4) * 2, torch.ones(4))
    >>> whiten(torch.tensor([[[1.0, 2.0], [3.0, 4.0]]]))
    tensor([[[0., 2.],
             [4., 6.]]])
    """

    def __init__(self, transformation_matrix: rl.Tensor, mean_vector: rl.Tensor) -> None:
        super().__init__()
        rows, columns = transformation_matrix.size()
        if rows != columns:
            raise ValueError(
                "transformation_matrix should be square. Got"
                f" {tuple(transformation_matrix.size())} rectangular matrix."
            )
        if mean_vector.size(0) != rows:
            raise ValueError(
                f"mean_vector should have the same length {mean_vector.size(0)} as any one of the"
                f" dimensions of the transformation_matrix [{tuple(transformation_matrix.size())}]"
            )
        self.transformation_matrix, self.mean_vector = transformation_matrix, mean_vector

    def forward(self, tensor: rl.Tensor) -> rl.Tensor:
        size = tensor.shape[-3] * tensor.shape[-2] * tensor.shape[-1]
        if size != self.transformation_matrix.shape[0]:
            raise ValueError(
                "Input tensor and transformation matrix have incompatible shape."
                f"[{tensor.shape[-3]} x {tensor.shape[-2]} x {tensor.shape[-1]}] != "
                f"{self.transformation_matrix.shape[0]}"
            )
        flat = tensor.view(-1, size) - self.mean_vector
        return rl.mm(flat, self.transformation_matrix).view(tensor.shape)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(transformation_matrix={self.transformation_matrix.tolist()},"
            f" mean_vector={self.mean_vector.tolist()})"
        )
