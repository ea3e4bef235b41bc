"""RAFT in torchvision's form: all pairs of pixels are compared once, the flow is refined in steps.

Source: Z. Teed and J. Deng, "RAFT: recurrent all-pairs field transforms for optical flow", 2020,
https://arxiv.org/abs/2003.12039
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import rushlight as rl
from rushlight import nn

from ...ops.misc import Conv2dNormActivation
from .. import initial
from ..listing import variant
from .volumes import CorrBlock, coordinates, enlarged

Norm = Callable[..., nn.Module] | None
_EIGHTH = 8  # how much smaller features are than pictures


def _layer(wide: int, after: int, norm: Norm, kernel: Any = 3, **rest: Any) -> Conv2dNormActivation:
    return Conv2dNormActivation(
        wide, after, norm_layer=norm, kernel_size=kernel, bias=True, **rest
    )  # fmt: skip


class _Block(nn.Module):
    """Layers beside a way round them, both followed by ReLU."""

    def _around(self, wide: int, after: int, norm: Norm, stride: int, always: bool = False) -> None:
        """The way round: the input itself, or a convolution where its size changes."""
        if stride == 1 and not always:
            self.downsample = nn.Identity()
        else:
            self.downsample = _layer(wide, after, norm, 1, stride=stride, activation_layer=None)

    def forward(self, x: rl.Tensor) -> rl.Tensor:
        """Features of the same or half the size."""
        y = self.convnormrelu2(self.convnormrelu1(x))
        if hasattr(self, "convnormrelu3"):
            y = self.convnormrelu3(y)
        return self.relu(self.downsample(x) + y)


class ResidualBlock(_Block):
    """Two 3x3 convolutions."""

    def __init__(
        self, in_channels: int, out_channels: int, *, norm_layer: Norm, stride: int = 1,
        always_project: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.convnormrelu1 = _layer(in_channels, out_channels, norm_layer, stride=stride)
        self.convnormrelu2 = _layer(out_channels, out_channels, norm_layer)
        self._around(in_channels, out_channels, norm_layer, stride, always_project)
        self.relu = nn.ReLU(inplace=True)


class BottleneckBlock(_Block):
    """A 3x3 convolution between two 1x1 ones, on a quarter of the channels."""

    def __init__(
        self, in_channels: int, out_channels: int, *, norm_layer: Norm, stride: int = 1
    ) -> None:
        super().__init__()
        few = out_channels // 4
        self.convnormrelu1 = _layer(in_channels, few, norm_layer, 1)
        self.convnormrelu2 = _layer(few, few, norm_layer, stride=stride)
        self.convnormrelu3 = _layer(few, out_channels, norm_layer, 1)
        self.relu = nn.ReLU(inplace=True)
        self._around(in_channels, out_channels, norm_layer, stride)


class FeatureEncoder(nn.Module):
    """Features of pictures (N, 3, H, W), of an eighth of their height and width."""

    def __init__(
        self, *, block: type[_Block] = ResidualBlock,
        layers: Sequence[int] = (64, 64, 96, 128, 256), strides: Sequence[int] = (2, 1, 2, 2),
        norm_layer: Norm = nn.BatchNorm2d,
    ) -> None:  # fmt: skip
        super().__init__()
        if len(layers) != 5:
            raise ValueError(f"The expected number of layers is 5, instead got {len(layers)}")
        made: list[nn.Module] = [_layer(3, layers[0], norm_layer, 7, stride=strides[0])]
        for wide, after, stride in zip(layers, layers[1:4], strides[1:]):
            first = block(wide, after, norm_layer=norm_layer, stride=stride)
            made.append(nn.Sequential(first, block(after, after, norm_layer=norm_layer)))
        self.convnormrelu, self.layer1, self.layer2, self.layer3 = made
        self.conv = nn.Conv2d(layers[3], layers[4], kernel_size=1)
        initial.in_order(self, _first)
        self.output_dim = layers[-1]
        self.downsample_factor = 2 ** sum(stride == 2 for stride in strides)

    def forward(self, x: rl.Tensor) -> rl.Tensor:
        """(N, layers[-1], H / 8, W / 8)."""
        return self.conv(self.layer3(self.layer2(self.layer1(self.convnormrelu(x)))))


def _first(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    elif isinstance(module, (nn.BatchNorm2d, nn.InstanceNorm2d)) and module.weight is not None:
        nn.init.ones_(module.weight)
        nn.init.zeros_(module.bias)


class MotionEncoder(nn.Module):
    """What the comparisons and the flow so far say together, the flow itself as last channels."""

    def __init__(
        self, *, in_channels_corr: int, corr_layers: Sequence[int] = (256, 192),
        flow_layers: Sequence[int] = (128, 64), out_channels: int = 128,
    ) -> None:  # fmt: skip
        super().__init__()
        for name, given, counts in (
            ("flow_layers", flow_layers, (2,)), ("corr_layers", corr_layers, (1, 2)),
        ):  # fmt: skip
            if len(given) not in counts:
                wanted = " or ".join(map(str, counts))
                raise ValueError(
                    f"The expected number of {name} is {wanted}, instead got {len(given)}"
                )
        self.convcorr1 = _layer(in_channels_corr, corr_layers[0], None, 1)
        both = len(corr_layers) == 2
        self.convcorr2 = _layer(corr_layers[0], corr_layers[1], None) if both else nn.Identity()
        self.convflow1 = _layer(2, flow_layers[0], None, 7)
        self.convflow2 = _layer(flow_layers[0], flow_layers[1], None)
        self.conv = _layer(corr_layers[-1] + flow_layers[-1], out_channels - 2, None)
        self.out_channels = out_channels

    def forward(self, flow: rl.Tensor, corr_features: rl.Tensor) -> rl.Tensor:
        """(N, out_channels, H, W)."""
        compared = self.convcorr2(self.convcorr1(corr_features))
        moved = self.convflow2(self.convflow1(flow))
        return rl.cat([self.conv(rl.cat([compared, moved], dim=1)), flow], dim=1)


class ConvGRU(nn.Module):
    """A gated recurrent unit whose products are convolutions."""

    def __init__(
        self, *, input_size: int, hidden_size: int, kernel_size: Any, padding: Any
    ) -> None:
        super().__init__()
        rest = (hidden_size + input_size, hidden_size, kernel_size)
        self.convz = nn.Conv2d(*rest, padding=padding)
        self.convr = nn.Conv2d(*rest, padding=padding)
        self.convq = nn.Conv2d(*rest, padding=padding)

    def forward(self, h: rl.Tensor, x: rl.Tensor) -> rl.Tensor:
        """The next state."""
        both = rl.cat([h, x], dim=1)
        update, reset = rl.sigmoid(self.convz(both)), rl.sigmoid(self.convr(both))
        proposed = rl.tanh(self.convq(rl.cat([reset * h, x], dim=1)))
        return (1 - update) * h + update * proposed


class RecurrentBlock(nn.Module):
    """One unit, or one along rows and one along columns."""

    def __init__(
        self, *, input_size: int, hidden_size: int,
        kernel_size: Sequence[Any] = ((1, 5), (5, 1)), padding: Sequence[Any] = ((0, 2), (2, 0)),
    ) -> None:  # fmt: skip
        super().__init__()
        if len(kernel_size) != len(padding):
            raise ValueError(
                "kernel_size should have the same length as padding, instead got"
                f" len(kernel_size) = {len(kernel_size)} and len(padding) = {len(padding)}"
            )
        if len(kernel_size) not in (1, 2):
            raise ValueError(f"kernel_size should either 1 or 2, instead got {len(kernel_size)}")
        units = [
            ConvGRU(input_size=input_size, hidden_size=hidden_size, kernel_size=kernel, padding=pad)
            for kernel, pad in zip(kernel_size, padding)
        ]
        self.convgru1 = units[0]
        self.convgru2 = units[1] if len(units) == 2 else _as_it_is
        self.hidden_size = hidden_size

    def forward(self, h: rl.Tensor, x: rl.Tensor) -> rl.Tensor:
        """The next state."""
        return self.convgru2(self.convgru1(h, x), x)


def _as_it_is(h: rl.Tensor, _: rl.Tensor) -> rl.Tensor:
    return h


class FlowHead(nn.Module):
    """What is added to the flow, of the state."""

    def __init__(self, *, in_channels: int, hidden_size: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, hidden_size, 3, padding=1)
        self.conv2 = nn.Conv2d(hidden_size, 2, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: rl.Tensor) -> rl.Tensor:
        """(N, 2, H, W)."""
        return self.conv2(self.relu(self.conv1(x)))


class UpdateBlock(nn.Module):
    """A step: the next state, and what it adds to the flow."""

    def __init__(
        self, *, motion_encoder: nn.Module, recurrent_block: nn.Module, flow_head: nn.Module
    ) -> None:
        super().__init__()
        self.motion_encoder, self.recurrent_block = motion_encoder, recurrent_block
        self.flow_head, self.hidden_state_size = flow_head, recurrent_block.hidden_size

    def forward(
        self, hidden_state: rl.Tensor, context: rl.Tensor, corr_features: rl.Tensor, flow: rl.Tensor
    ) -> tuple[rl.Tensor, rl.Tensor]:
        """(next state, change of the flow)."""
        motion = self.motion_encoder(flow, corr_features)
        hidden_state = self.recurrent_block(hidden_state, rl.cat([context, motion], dim=1))
        return hidden_state, self.flow_head(hidden_state)


class MaskPredictor(nn.Module):
    """How each of 8x8 finer places mixes the nine coarse ones around it."""

    def __init__(self, *, in_channels: int, hidden_size: int, multiplier: float = 0.25) -> None:
        super().__init__()
        self.convrelu = _layer(in_channels, hidden_size, None)
        self.conv = nn.Conv2d(hidden_size, _EIGHTH * _EIGHTH * 9, 1, padding=0)
        self.multiplier = multiplier

    def forward(self, x: rl.Tensor) -> rl.Tensor:
        """(N, 8 * 8 * 9, H, W)."""
        return self.multiplier * self.conv(self.convrelu(x))


class RAFT(nn.Module):
    """The flow from a first picture to a second, refined step by step.

    `forward(image1, image2, num_flow_updates=12)` takes pictures (N, 3, H, W) with numbers from -1
    to 1 and gives a list of flows (N, 2, H, W), one of each step: along x and along y, in pixels.
    feature_encoder sees both pictures, context_encoder the first; corr_block compares their pixels,
    update_block makes a step, mask_predictor says how flows are enlarged (None: bilinearly).
    Raises: ValueError for pictures of two shapes, below 128 pixels, or no multiples of 8.

    >>> import rushlight as torch
    >>> from rushlight.vision.models.optical_flow import raft_small
    >>> net = raft_small().eval()
    >>> with torch.no_grad():
    ...     flows = net(torch.zeros(1, 3, 128, 128), torch.zeros(1, 3, 128, 128), 2)
    >>> len(flows), flows[-1].shape
    (2, torch.Size([1, 2, 128, 128]))
    """

    def __init__(
        self, *, feature_encoder: nn.Module, context_encoder: nn.Module, corr_block: nn.Module,
        update_block: nn.Module, mask_predictor: nn.Module | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.feature_encoder, self.context_encoder = feature_encoder, context_encoder
        self.corr_block, self.update_block = corr_block, update_block
        self.mask_predictor = mask_predictor
        if not hasattr(update_block, "hidden_state_size"):
            raise ValueError(
                "The update_block parameter should expose a 'hidden_state_size' attribute."
            )

    def forward(
        self, image1: rl.Tensor, image2: rl.Tensor, num_flow_updates: int = 12
    ) -> list[rl.Tensor]:
        """One flow for each step."""
        batch, _, height, width = image1.shape
        if (height, width) != tuple(image2.shape[-2:]):
            raise ValueError(
                f"input images should have the same shape, instead got ({height}, {width}) !="
                f" {image2.shape[-2:]}"
            )
        if height % _EIGHTH or width % _EIGHTH:
            raise ValueError(
                f"input image H and W should be divisible by 8, instead got {height} (h) and"
                f" {width} (w)"
            )
        first, second = self.feature_encoder(rl.cat([image1, image2], dim=0)).chunk(2, dim=0)
        self.corr_block.build_pyramid(first, second)
        hidden, context = self._states(image1)
        start = coordinates(batch, height // _EIGHTH, width // _EIGHTH)
        start = start.to(first.device, first.dtype)
        return self._steps(hidden, context, start, num_flow_updates)

    def _states(self, image: rl.Tensor) -> tuple[rl.Tensor, rl.Tensor]:
        """The first state, and what is shown at each step."""
        found = self.context_encoder(image)
        wide = self.update_block.hidden_state_size
        if found.shape[1] <= wide:
            raise ValueError(
                f"The context encoder outputs {found.shape[1]} channels, but it should have at"
                f" strictly more thanhidden_state={wide} channels"
            )
        hidden, context = rl.split(found, [wide, found.shape[1] - wide], dim=1)
        return rl.tanh(hidden), nn.functional.relu(context)

    def _steps(
        self, hidden: rl.Tensor, context: rl.Tensor, start: rl.Tensor, count: int
    ) -> list[rl.Tensor]:
        reached, flows = start, []
        for _ in range(count):
            reached = reached.detach()  # a step learns by itself
            compared = self.corr_block.index_pyramid(centroids_coords=reached)
            hidden, change = self.update_block(hidden, context, compared, reached - start)
            reached = reached + change
            mask = None if self.mask_predictor is None else self.mask_predictor(hidden)
            flows.append(enlarged(reached - start, mask, _EIGHTH))
        return flows


def _raft(
    block: type[_Block], features: Sequence[int], context: Sequence[int], norms: tuple[Norm, Norm],
    radius: int, corr_layers: Sequence[int], flow_layers: Sequence[int], motion: int,
    recurrent: tuple[int, Any, Any], head: int, masked: bool, **given: Any,
) -> RAFT:  # fmt: skip
    """RAFT from a row of numbers; parts that are given stand in their place."""
    hidden, kernels, padding = recurrent

    def part(name: str, make: Callable[[], nn.Module]) -> Any:
        return given.pop(name, None) or make()

    seen = part("feature_encoder", lambda: FeatureEncoder(
        block=block, layers=features, norm_layer=norms[0]))  # fmt: skip
    about = part("context_encoder", lambda: FeatureEncoder(
        block=block, layers=context, norm_layer=norms[1]))  # fmt: skip
    corr = part("corr_block", lambda: CorrBlock(num_levels=4, radius=radius))

    def step() -> nn.Module:
        encoder = MotionEncoder(
            in_channels_corr=corr.out_channels, corr_layers=corr_layers, flow_layers=flow_layers,
            out_channels=motion,
        )  # fmt: skip
        unit = RecurrentBlock(
            input_size=motion + context[-1] - hidden, hidden_size=hidden, kernel_size=kernels,
            padding=padding,
        )  # fmt: skip
        return UpdateBlock(
            motion_encoder=encoder, recurrent_block=unit,
            flow_head=FlowHead(in_channels=hidden, hidden_size=head),
        )  # fmt: skip

    update = part("update_block", step)
    mask = given.pop("mask_predictor", None)
    if mask is None and masked:
        mask = MaskPredictor(in_channels=hidden, hidden_size=256, multiplier=0.25)
    return RAFT(feature_encoder=seen, context_encoder=about, corr_block=corr, update_block=update,
                mask_predictor=mask, **given)  # fmt: skip


raft_large = variant(
    _raft, "raft_large", "RAFT with residual blocks, {}; arguments as `RAFT`.",
    ResidualBlock, (64, 64, 96, 128, 256), (64, 64, 96, 128, 256),
    (nn.InstanceNorm2d, nn.BatchNorm2d), 4, (256, 192), (128, 64), 128,
    (128, ((1, 5), (5, 1)), ((0, 2), (2, 0))), 256, True, count=5_257_536,
)  # fmt: skip
raft_small = variant(
    _raft, "raft_small", "RAFT with bottlenecks, {}; arguments as `RAFT`.",
    BottleneckBlock, (32, 32, 64, 96, 128), (32, 32, 64, 96, 160), (nn.InstanceNorm2d, None), 3,
    (96,), (64, 32), 82, (96, (3,), (1,)), 128, False, count=990_162,
)  # fmt: skip
