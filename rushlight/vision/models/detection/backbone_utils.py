"""Classifiers as backbones of detectors: with a pyramid of maps, and partly held fixed."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import rushlight as rl
from rushlight import nn

from ...ops.feature_pyramid_network import (
    ExtraFPNBlock,
    FeaturePyramidNetwork,
    LastLevelMaxPool,
)
from ...ops.misc import FrozenBatchNorm2d
from .. import mobilenet, resnet
from .._utils import IntermediateLayerGetter, stages

Norm = Callable[..., nn.Module]


class BackboneWithFPN(nn.Module):
    """Some inner results of a network, and a pyramid of maps of `out_channels` from them.

    return_layers: which children's results are taken, under which names; in_channels_list: their
    channels; extra_blocks: what adds smaller maps, every second pixel of the last by default.

    >>> import rushlight as torch
    >>> net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3, 2, 1), torch.nn.Conv2d(4, 6, 3, 2, 1))
    >>> backbone = BackboneWithFPN(net, {"0": "a", "1": "b"}, [4, 6], 5)
    >>> {name: tuple(y.shape) for name, y in backbone(torch.zeros(1, 3, 16, 16)).items()}
    {'a': (1, 5, 8, 8), 'b': (1, 5, 4, 4), 'pool': (1, 5, 2, 2)}
    """

    def __init__(
        self, backbone: nn.Module, return_layers: dict[str, str], in_channels_list: list[int],
        out_channels: int, extra_blocks: ExtraFPNBlock | None = None,
        norm_layer: Norm | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.body = IntermediateLayerGetter(backbone, return_layers=return_layers)
        self.fpn = FeaturePyramidNetwork(
            in_channels_list, out_channels, extra_blocks or LastLevelMaxPool(), norm_layer
        )
        self.out_channels = out_channels

    def forward(self, x: rl.Tensor) -> dict[str, rl.Tensor]:
        """Maps (N, out_channels, h, w) by name, largest first."""
        return self.fpn(self.body(x))


def resnet_fpn_backbone(
    *, backbone_name: str, weights: Any, norm_layer: Norm = FrozenBatchNorm2d,
    trainable_layers: int = 3, returned_layers: list[int] | None = None,
    extra_blocks: ExtraFPNBlock | None = None,
) -> BackboneWithFPN:  # fmt: skip
    """A ResNet by its builder's name, with a pyramid of 256 channels.

    trainable_layers: how many stages learn, from the last to the first (5: all);
    returned_layers: the stages, 1 to 4, that the pyramid stands on, all by default.
    Raises: ValueError for stages that it has not.

    >>> backbone = resnet_fpn_backbone(backbone_name="resnet18", weights=None)
    >>> sum(weight.requires_grad for weight in backbone.body.parameters())
    15
    """
    net = getattr(resnet, backbone_name)(weights=weights, norm_layer=norm_layer)
    return _resnet_fpn_extractor(net, trainable_layers, returned_layers, extra_blocks)


def _resnet_fpn_extractor(
    backbone: Any, trainable_layers: int, returned_layers: list[int] | None = None,
    extra_blocks: ExtraFPNBlock | None = None, norm_layer: Norm | None = None,
) -> BackboneWithFPN:  # fmt: skip
    if not 0 <= trainable_layers <= 5:
        raise ValueError(f"Trainable layers should be in the range [0,5], got {trainable_layers}")
    learning = ["layer4", "layer3", "layer2", "layer1", "conv1"][:trainable_layers]
    if trainable_layers == 5:
        learning.append("bn1")
    for name, weight in backbone.named_parameters():
        if not name.startswith(tuple(learning)):
            weight.requires_grad_(False)
    stages_used = [1, 2, 3, 4] if returned_layers is None else returned_layers
    if min(stages_used) <= 0 or max(stages_used) >= 5:
        raise ValueError(f"Each returned layer should be in the range [1,4]. Got {stages_used}")
    names = {f"layer{stage}": str(place) for place, stage in enumerate(stages_used)}
    channels = [backbone.inplanes // 8 * 2 ** (stage - 1) for stage in stages_used]
    return BackboneWithFPN(backbone, names, channels, 256, extra_blocks, norm_layer)


def _validate_trainable_layers(
    is_trained: bool, trainable_backbone_layers: int | None, max_value: int, default_value: int
) -> int:
    """How many stages learn: all where nothing is trained yet, `default_value` where not said."""
    if not is_trained:
        if trainable_backbone_layers is not None:
            warnings.warn(
                "Changing trainable_backbone_layers has no effect if neither pretrained nor"
                " pretrained_backbone have been set to True, falling back to"
                f" trainable_backbone_layers={max_value} so that all layers are trainable",
                stacklevel=3,
            )
        return max_value
    chosen = default_value if trainable_backbone_layers is None else trainable_backbone_layers
    if not 0 <= chosen <= max_value:
        raise ValueError(
            f"Trainable backbone layers should be in the range [0,{max_value}], got {chosen} "
        )
    return chosen


def mobilenet_backbone(
    *, backbone_name: str, weights: Any, fpn: bool, norm_layer: Norm = FrozenBatchNorm2d,
    trainable_layers: int = 2, returned_layers: list[int] | None = None,
    extra_blocks: ExtraFPNBlock | None = None,
) -> nn.Module:  # fmt: skip
    """A MobileNet by its builder's name: with a pyramid, or one map of 256 channels.

    Arguments as of `resnet_fpn_backbone`; stages are counted by where the picture is halved.
    """
    net = getattr(mobilenet, backbone_name)(weights=weights, norm_layer=norm_layer)
    return _mobilenet_extractor(net, fpn, trainable_layers, returned_layers, extra_blocks)


def freeze(blocks: Any, begins: list[int], trainable_layers: int) -> None:
    """Hold all but the last stages fixed; `begins` says where each stage begins."""
    count = len(begins)
    if not 0 <= trainable_layers <= count:
        raise ValueError(
            f"Trainable layers should be in the range [0,{count}], got {trainable_layers}"
        )
    first = begins[count - trainable_layers] if trainable_layers else len(blocks)
    for block in blocks[:first]:
        for weight in block.parameters():
            weight.requires_grad_(False)


def _mobilenet_extractor(
    backbone: Any, fpn: bool, trainable_layers: int, returned_layers: list[int] | None = None,
    extra_blocks: ExtraFPNBlock | None = None, norm_layer: Norm | None = None,
) -> nn.Module:  # fmt: skip
    blocks, out_channels = backbone.features, 256
    begins = stages(blocks)
    freeze(blocks, begins, trainable_layers)
    if not fpn:
        net = nn.Sequential(blocks, nn.Conv2d(blocks[-1].out_channels, out_channels, 1))
        net.out_channels = out_channels
        return net
    last = len(begins) - 1
    used = [last - 1, last] if returned_layers is None else returned_layers
    if min(used) < 0 or max(used) > last:
        raise ValueError(f"Each returned layer should be in the range [0,{last}], got {used} ")
    names = {str(begins[stage]): str(place) for place, stage in enumerate(used)}
    channels = [blocks[begins[stage]].out_channels for stage in used]
    return BackboneWithFPN(blocks, names, channels, out_channels, extra_blocks, norm_layer)
