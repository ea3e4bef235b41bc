"""How alike all pairs of pixels are, looked up around places, and flows enlarged."""

from __future__ import annotations

import rushlight as rl
from rushlight import nn

F = nn.functional


def coordinates(batch: int, height: int, width: int) -> rl.Tensor:
    """Each pixel's x and y: (batch, 2, height, width)."""
    y, x = rl.meshgrid(rl.arange(height), rl.arange(width), indexing="ij")
    return rl.stack([x, y]).float().expand(batch, 2, height, width)


def _sampled(volume: rl.Tensor, places: rl.Tensor) -> rl.Tensor:
    """Values of (N, 1, H, W) at places (N, *, *, 2) in pixels; outside it is 0."""
    height, width = volume.shape[-2:]
    x, y = places.split([1, 1], dim=-1)
    x = 2 * x / (width - 1) - 1
    if height > 1:
        y = 2 * y / (height - 1) - 1
    grid = rl.cat([x, y], dim=-1)
    return F.grid_sample(volume, grid, mode="bilinear", align_corners=True)


def enlarged(flow: rl.Tensor, mask: rl.Tensor | None, factor: int) -> rl.Tensor:
    """A flow `factor` times as high, wide and far: bilinearly, or mixed as a mask says."""
    batch, channels, height, width = flow.shape
    size = (height * factor, width * factor)
    if mask is None:
        return factor * F.interpolate(flow, size=size, mode="bilinear", align_corners=True)
    mask = mask.view(batch, 1, 9, factor, factor, height, width).softmax(dim=2)
    around = F.unfold(factor * flow, kernel_size=3, padding=1)
    around = around.view(batch, channels, 9, 1, 1, height, width)
    mixed = (mask * around).sum(dim=2).permute(0, 1, 4, 2, 5, 3)
    return mixed.reshape(batch, channels, *size)


class CorrBlock(nn.Module):
    """How alike the pixels of two maps of features are, on several scales.

    num_levels: scales, each half as high and wide as the one before; radius: how far around a place
    is looked up, so that `index_pyramid` gives num_levels (2 radius + 1)^2 channels.
    """

    def __init__(self, *, num_levels: int = 4, radius: int = 4) -> None:
        super().__init__()
        self.num_levels, self.radius = num_levels, radius
        self.corr_pyramid: list[rl.Tensor] = []
        self.out_channels = num_levels * (2 * radius + 1) ** 2

    def build_pyramid(self, fmap1: rl.Tensor, fmap2: rl.Tensor) -> None:
        """Compare all pixels of two maps (N, C, H, W), and keep that on all scales.

        Raises: ValueError for maps of two shapes, or too small for so many scales.
        """
        if fmap1.shape != fmap2.shape:
            raise ValueError(
                "Input feature maps should have the same shape, instead got"
                f" {fmap1.shape} (fmap1.shape) != {fmap2.shape} (fmap2.shape)"
            )
        least = 2 * (2 ** (self.num_levels - 1))
        if any(size < least for size in fmap1.shape[-2:]):
            raise ValueError(
                "Feature maps are too small to be down-sampled by the correlation pyramid. H and W"
                f" of feature maps should be at least {least}; got: {fmap1.shape[-2:]}. Remember"
                " that input images to the model are downsampled by 8, so that means their"
                f" dimensions should be at least 8 * {least} = {8 * least}."
            )
        batch, channels, height, width = fmap1.shape
        one, two = (x.view(batch, channels, height * width) for x in (fmap1, fmap2))
        alike = rl.matmul(one.transpose(1, 2), two) / channels**0.5
        alike = alike.reshape(batch * height * width, 1, height, width)
        self.corr_pyramid = [alike]
        for _ in range(self.num_levels - 1):
            alike = F.avg_pool2d(alike, kernel_size=2, stride=2)
            self.corr_pyramid.append(alike)

    def index_pyramid(self, centroids_coords: rl.Tensor) -> rl.Tensor:
        """What each pixel is like around its place (N, 2, H, W): (N, out_channels, H, W)."""
        side = 2 * self.radius + 1
        steps = rl.linspace(-self.radius, self.radius, side)
        near = rl.stack(rl.meshgrid(steps, steps, indexing="ij"), dim=-1)
        near = near.to(centroids_coords.device).view(1, side, side, 2)
        batch, _, height, width = centroids_coords.shape
        places = centroids_coords.permute(0, 2, 3, 1).reshape(batch * height * width, 1, 1, 2)
        found = []
        for volume in self.corr_pyramid:
            found.append(_sampled(volume, places + near).view(batch, height, width, -1))
            places = places / 2
        return rl.cat(found, dim=-1).permute(0, 3, 1, 2).contiguous()
