"""Feature maps of several sizes, each told what the smaller ones saw."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import rushlight as rl

from .misc import Conv2dNormActivation

nn = rl.nn


class ExtraFPNBlock(nn.Module):
    """The base of what adds maps to a pyramid: (results, inputs, names) to (results, names)."""

    def forward(self, results: list[Any], x: list[Any], names: list[str]) -> Any:
        raise NotImplementedError  # each subclass says how


class FeaturePyramidNetwork(nn.Module):
    """From maps by name, largest first, maps of `out_channels`: their own and the next smaller's.

    in_channels_list: the channels of each map; extra_blocks: an ExtraFPNBlock for further maps;
    norm_layer: what normalises each. Raises: ValueError for 0 channels, TypeError for other blocks.
    Source: Lin et al., 2017, https://arxiv.org/abs/1612.03144

    >>> import rushlight as torch
    >>> from rushlight.vision.ops import FeaturePyramidNetwork
    >>> maps = {"a": torch.rand(1, 3, 8, 8), "b": torch.rand(1, 6, 4, 4)}
    >>> {name: tuple(y.shape) for name, y in FeaturePyramidNetwork([3, 6], 5)(maps).items()}
    {'a': (1, 5, 8, 8), 'b': (1, 5, 4, 4)}
    """

    def __init__(
        self,
        in_channels_list: list[int],
        out_channels: int,
        extra_blocks: ExtraFPNBlock | None = None,
        norm_layer: Callable[..., Any] | None = None,
    ) -> None:
        super().__init__()
        self.inner_blocks, self.layer_blocks = nn.ModuleList(), nn.ModuleList()
        for channels in in_channels_list:
            if channels == 0:
                raise ValueError("in_channels=0 is currently not supported")
            inner = Conv2dNormActivation(channels, out_channels, 1, norm_layer=norm_layer,
                                         activation_layer=None)  # fmt: skip
            layer = Conv2dNormActivation(out_channels, out_channels, 3, norm_layer=norm_layer,
                                         activation_layer=None)  # fmt: skip
            self.inner_blocks.append(inner)
            self.layer_blocks.append(layer)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                _draw(module)
        if extra_blocks is not None and not isinstance(extra_blocks, ExtraFPNBlock):
            raise TypeError(
                f"extra_blocks should be of type ExtraFPNBlock not {type(extra_blocks)}"
            )
        self.extra_blocks = extra_blocks

    def forward(self, x: dict[str, Any]) -> dict[str, Any]:
        names, maps = list(x), list(x.values())
        above, results = None, []
        for k in reversed(range(len(maps))):
            own = self.inner_blocks[k](maps[k])
            if above is not None:
                own = own + nn.functional.interpolate(above, size=own.shape[-2:], mode="nearest")
            above = own
            results.insert(0, self.layer_blocks[k](own))
        if self.extra_blocks is not None:
            results, names = self.extra_blocks(results, maps, names)
        return OrderedDict(zip(names, results))


def _draw(layer: Any) -> None:
    nn.init.kaiming_uniform_(layer.weight, a=1)
    if layer.bias is not None:
        nn.init.constant_(layer.bias, 0)


class LastLevelMaxPool(ExtraFPNBlock):
    """Every second pixel of the smallest result, as "pool"."""

    def forward(self, x: list[Any], y: list[Any], names: list[str]) -> Any:
        small = nn.functional.max_pool2d(x[-1], kernel_size=1, stride=2, padding=0)
        return [*x, small], [*names, "pool"]


class LastLevelP6P7(ExtraFPNBlock):
    """Two more maps, "p6" and "p7", by convolutions of stride 2.

    Source: Lin et al., 2017, https://arxiv.org/abs/1708.02002
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.p6 = nn.Conv2d(in_channels, out_channels, 3, 2, 1)
        self.p7 = nn.Conv2d(out_channels, out_channels, 3, 2, 1)
        for layer in (self.p6, self.p7):
            _draw(layer)
        self.use_P5 = in_channels == out_channels

    def forward(self, p: list[Any], c: list[Any], names: list[str]) -> Any:
        p6 = self.p6(p[-1] if self.use_P5 else c[-1])
        p7 = self.p7(nn.functional.relu(p6))
        return [*p, p6, p7], [*names, "p6", "p7"]
