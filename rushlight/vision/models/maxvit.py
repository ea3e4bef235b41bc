"""MaxViT in torchvision's form."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

import rushlight as rl
from rushlight import nn
from rushlight.nn import functional as F

from ..ops.misc import Conv2dNormActivation, SqueezeExcitation, StochasticDepth
from . import initial
from .listing import model
from .swin_transformer import relative_index

Layer = Callable[..., nn.Module]


def _halved(size: tuple[int, int]) -> tuple[int, int]:
    return (size[0] - 1) // 2 + 1, (size[1] - 1) // 2 + 1


class MBConv(nn.Module):
    """project(x) + an inverted residual with its norm first, squeezed and excited."""

    def __init__(
        self, in_channels: int, out_channels: int, expansion_ratio: float, squeeze_ratio: float,
        stride: int, activation_layer: Layer, norm_layer: Layer,
        p_stochastic_dropout: float = 0.0,
    ) -> None:  # fmt: skip
        super().__init__()
        self.proj: nn.Module = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            pool = [nn.AvgPool2d(kernel_size=3, stride=stride, padding=1)] if stride == 2 else []
            self.proj = nn.Sequential(*pool, nn.Conv2d(in_channels, out_channels, 1, bias=True))
        wide, narrow = int(out_channels * expansion_ratio), int(out_channels * squeeze_ratio)
        drop = p_stochastic_dropout
        self.stochastic_depth = StochasticDepth(drop, "row") if drop else nn.Identity()
        layer = partial(Conv2dNormActivation, activation_layer=activation_layer,
                        norm_layer=norm_layer, inplace=None)  # fmt: skip
        self.layers = nn.Sequential(OrderedDict([
            ("pre_norm", norm_layer(in_channels)),
            ("conv_a", layer(in_channels, wide, kernel_size=1)),
            ("conv_b", layer(wide, wide, kernel_size=3, stride=stride, groups=wide)),
            ("squeeze_excitation", SqueezeExcitation(wide, narrow, activation=nn.SiLU)),
            ("conv_c", nn.Conv2d(wide, out_channels, kernel_size=1, bias=True)),
        ]))  # fmt: skip

    def forward(self, x: rl.Tensor) -> rl.Tensor:
        """Features of the same or half the size."""
        return self.proj(x) + self.stochastic_depth(self.layers(x))


class RelativePositionalMultiHeadAttention(nn.Module):
    """Attention among the places of each part, with a learned bias for each step between two.

    Raises: ValueError unless head_dim divides feat_dim.
    """

    def __init__(self, feat_dim: int, head_dim: int, max_seq_len: int) -> None:
        super().__init__()
        if feat_dim % head_dim != 0:
            raise ValueError(f"feat_dim: {feat_dim} must be divisible by head_dim: {head_dim}")
        self.n_heads, self.head_dim = feat_dim // head_dim, head_dim
        self.size, self.max_seq_len = int(math.sqrt(max_seq_len)), max_seq_len
        self.to_qkv = nn.Linear(feat_dim, self.n_heads * head_dim * 3)
        self.scale_factor = feat_dim**-0.5
        self.merge = nn.Linear(head_dim * self.n_heads, feat_dim)
        steps = (2 * self.size - 1) ** 2
        self.relative_position_bias_table = nn.Parameter(rl.empty(steps, self.n_heads))
        self.register_buffer("relative_position_index", relative_index([self.size] * 2))
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)

    def get_relative_positional_bias(self) -> rl.Tensor:
        """(1, heads, N, N)."""
        count = self.max_seq_len
        rows = self.relative_position_bias_table[self.relative_position_index.view(-1)]
        return rows.view(count, count, -1).permute(2, 0, 1).contiguous().unsqueeze(0)

    def forward(self, x: rl.Tensor) -> rl.Tensor:
        """(N, parts, places, feat_dim) from the same."""
        n, parts, places, dim = x.shape
        shape = (n, parts, places, self.n_heads, self.head_dim)
        q, k, v = self.to_qkv(x).chunk(3, dim=-1)
        q = q.reshape(shape).permute(0, 1, 3, 2, 4)
        k = k.reshape(shape).permute(0, 1, 3, 2, 4)
        v = v.reshape(shape).permute(0, 1, 3, 2, 4)
        scores = rl.einsum("bghid,bghjd->bghij", q, k * self.scale_factor)
        weights = F.softmax(scores + self.get_relative_positional_bias(), dim=-1)
        x = rl.einsum("bghij,bghjd->bghid", weights, v)
        return self.merge(x.permute(0, 1, 3, 2, 4).reshape(n, parts, places, dim))


class SwapAxes(nn.Module):
    """`swapaxes` as a layer."""

    def __init__(self, a: int, b: int) -> None:
        super().__init__()
        self.a, self.b = a, b

    def forward(self, x: rl.Tensor) -> rl.Tensor:
        """The same values, two axes exchanged."""
        return rl.swapaxes(x, self.a, self.b)


class WindowPartition(nn.Module):
    """(N, C, H, W) cut into squares of side p: (N, squares, p * p, C)."""

    def forward(self, x: rl.Tensor, p: int) -> rl.Tensor:
        """The squares."""
        n, channels, height, width = x.shape
        x = x.reshape(n, channels, height // p, p, width // p, p).permute(0, 2, 4, 3, 5, 1)
        return x.reshape(n, (height // p) * (width // p), p * p, channels)


class WindowDepartition(nn.Module):
    """The inverse of `WindowPartition`."""

    def forward(self, x: rl.Tensor, p: int, h_partitions: int, w_partitions: int) -> rl.Tensor:
        """The picture."""
        n, _, _, channels = x.shape
        x = x.reshape(n, h_partitions, w_partitions, p, p, channels).permute(0, 5, 1, 3, 2, 4)
        return x.reshape(n, channels, h_partitions * p, w_partitions * p)


class PartitionAttentionLayer(nn.Module):
    """Attention within squares ("window"), or among the same places of all squares ("grid").

    Raises: NotImplementedError for another partition_type.
    """

    def __init__(
        self, in_channels: int, head_dim: int, partition_size: int, partition_type: str,
        grid_size: tuple[int, int], mlp_ratio: int, activation_layer: Layer, norm_layer: Layer,
        attention_dropout: float, mlp_dropout: float, p_stochastic_dropout: float,
    ) -> None:  # fmt: skip
        super().__init__()
        self.n_heads, self.head_dim = in_channels // head_dim, head_dim
        self.n_partitions = grid_size[0] // partition_size
        self.partition_type, self.grid_size = partition_type, grid_size
        if partition_type not in ("grid", "window"):
            raise NotImplementedError("partition_type must be either 'grid' or 'window'")
        grid = partition_type == "grid"
        sides = (self.n_partitions, partition_size)
        self.p, self.g = sides if grid else sides[::-1]
        self.partition_op = WindowPartition()
        self.departition_op = WindowDepartition()
        self.partition_swap = SwapAxes(-2, -3) if grid else nn.Identity()
        self.departition_swap = SwapAxes(-2, -3) if grid else nn.Identity()
        self.attn_layer = nn.Sequential(
            norm_layer(in_channels),
            RelativePositionalMultiHeadAttention(in_channels, head_dim, partition_size**2),
            nn.Dropout(attention_dropout),
        )
        self.mlp_layer = nn.Sequential(
            nn.LayerNorm(in_channels), nn.Linear(in_channels, in_channels * mlp_ratio),
            activation_layer(), nn.Linear(in_channels * mlp_ratio, in_channels),
            nn.Dropout(mlp_dropout),
        )  # fmt: skip
        self.stochastic_dropout = StochasticDepth(p_stochastic_dropout, mode="row")

    def forward(self, x: rl.Tensor) -> rl.Tensor:
        """Features of the same shape."""
        high, wide = self.grid_size[0] // self.p, self.grid_size[1] // self.p
        rl._assert(
            self.grid_size[0] % self.p == 0 and self.grid_size[1] % self.p == 0,
            "Grid size must be divisible by partition size. Got grid size of"
            f" {self.grid_size} and partition size of {self.p}",
        )
        x = self.partition_swap(self.partition_op(x, self.p))
        x = x + self.stochastic_dropout(self.attn_layer(x))
        x = x + self.stochastic_dropout(self.mlp_layer(x))
        return self.departition_op(self.departition_swap(x), self.p, high, wide)


class MaxVitLayer(nn.Module):
    """An inverted residual, attention within windows, attention over a grid."""

    def __init__(
        self, in_channels: int, out_channels: int, squeeze_ratio: float, expansion_ratio: float,
        stride: int, norm_layer: Layer, activation_layer: Layer, head_dim: int, mlp_ratio: int,
        mlp_dropout: float, attention_dropout: float, p_stochastic_dropout: float,
        partition_size: int, grid_size: tuple[int, int],
    ) -> None:  # fmt: skip
        super().__init__()
        convolved = MBConv(in_channels, out_channels, expansion_ratio, squeeze_ratio, stride,
                           activation_layer, norm_layer, p_stochastic_dropout)  # fmt: skip
        layers: OrderedDict[str, nn.Module] = OrderedDict(MBconv=convolved)
        for kind in ("window", "grid"):
            layers[f"{kind}_attention"] = PartitionAttentionLayer(
                out_channels, head_dim, partition_size, kind, grid_size, mlp_ratio,
                activation_layer, nn.LayerNorm, attention_dropout, mlp_dropout,
                p_stochastic_dropout,
            )  # fmt: skip
        self.layers = nn.Sequential(layers)

    def forward(self, x: rl.Tensor) -> rl.Tensor:
        """Features of the same or half the size."""
        return self.layers(x)


class MaxVitBlock(nn.Module):
    """A stage: `n_layers` layers, the first of which halves the picture.

    Raises: ValueError unless p_stochastic has a rate for each layer.
    """

    def __init__(
        self, in_channels: int, out_channels: int, squeeze_ratio: float, expansion_ratio: float,
        norm_layer: Layer, activation_layer: Layer, head_dim: int, mlp_ratio: int,
        mlp_dropout: float, attention_dropout: float, partition_size: int,
        input_grid_size: tuple[int, int], n_layers: int, p_stochastic: list[float],
    ) -> None:  # fmt: skip
        super().__init__()
        if len(p_stochastic) != n_layers:
            raise ValueError(
                f"p_stochastic must have length n_layers={n_layers}, got"
                f" p_stochastic={p_stochastic}."
            )
        self.layers = nn.ModuleList()
        self.grid_size = _halved(input_grid_size)
        for place, drop in enumerate(p_stochastic):
            self.layers.append(MaxVitLayer(
                out_channels if place else in_channels, out_channels, squeeze_ratio,
                expansion_ratio, 1 if place else 2, norm_layer, activation_layer, head_dim,
                mlp_ratio, mlp_dropout, attention_dropout, drop, partition_size, self.grid_size,
            ))  # fmt: skip

    def forward(self, x: rl.Tensor) -> rl.Tensor:
        """Features of half the size."""
        for layer in self.layers:
            x = layer(x)
        return x


class MaxVit(nn.Module):
    """Inverted residuals and attention, within windows and over a grid, at each size.

    `forward` takes (N, in_channels, *input_size) and gives (N, num_classes).
    partition_size: the side of windows, which must divide each stage's input.
    block_channels, block_layers: the width and the layers of each stage.
    Raises: ValueError for sizes that windows do not divide.
    Source: Z. Tu et al., "MaxViT: multi-axis vision transformer", 2022.

    >>> import rushlight as torch
    >>> net = torch.vision.models.MaxVit((16, 16), 4, 2, [4, 8], [1, 1], 4, 0.2, num_classes=5)
    >>> net.eval()(torch.zeros(1, 3, 16, 16)).shape
    torch.Size([1, 5])
    """

    def __init__(
        self, input_size: tuple[int, int], stem_channels: int, partition_size: int,
        block_channels: list[int], block_layers: list[int], head_dim: int,
        stochastic_depth_prob: float, norm_layer: Layer | None = None,
        activation_layer: Layer = nn.GELU, squeeze_ratio: float = 0.25,
        expansion_ratio: float = 4, mlp_ratio: int = 4, mlp_dropout: float = 0.0,
        attention_dropout: float = 0.0, num_classes: int = 1000, *, in_channels: int = 3,
    ) -> None:  # fmt: skip
        super().__init__()
        norm = norm_layer or partial(nn.BatchNorm2d, eps=1e-3, momentum=0.01)
        _check(input_size, len(block_channels), partition_size)
        layers = {"norm_layer": norm, "activation_layer": activation_layer}
        self.stem = nn.Sequential(
            Conv2dNormActivation(in_channels, stem_channels, 3, stride=2, **layers, bias=False,
                                 inplace=None),
            Conv2dNormActivation(stem_channels, stem_channels, 3, stride=1, norm_layer=None,
                                 activation_layer=None, bias=True),
        )  # fmt: skip
        size = _halved(input_size)
        self.partition_size = partition_size
        self.blocks = nn.ModuleList()
        drops = np.linspace(0, stochastic_depth_prob, sum(block_layers)).tolist()
        wide = stem_channels
        for after, count in zip(block_channels, block_layers):
            block = MaxVitBlock(
                wide, after, squeeze_ratio, expansion_ratio, norm, activation_layer, head_dim,
                mlp_ratio, mlp_dropout, attention_dropout, partition_size, size, count,
                drops[:count],
            )  # fmt: skip
            self.blocks.append(block)
            size, wide, drops = block.grid_size, after, drops[count:]
        self.classifier = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LayerNorm(wide), nn.Linear(wide, wide),
            nn.Tanh(), nn.Linear(wide, num_classes, bias=False),
        )  # fmt: skip
        initial.in_order(self, _first)

    def forward(self, x: rl.Tensor) -> rl.Tensor:
        """Scores of the classes."""
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        return self.classifier(x)


def _check(size: Sequence[int], count: int, side: int) -> None:
    """Refuse pictures that windows do not divide at each stage."""
    sizes = [_halved((size[0], size[1]))]
    for _ in range(count):
        sizes.append(_halved(sizes[-1]))
    sizes = sizes[1:]
    for place, one in enumerate(sizes):
        if one[0] % side or one[1] % side:
            raise ValueError(
                f"Input size {one} of block {place} is not divisible by partition size {side}."
                " Consider changing the partition size or the input size.\nCurrent configuration"
                f" yields the following block input sizes: {sizes}."
            )


def _first(module: nn.Module) -> None:
    initial.norms_to_identity(module)
    if isinstance(module, (nn.Conv2d, nn.Linear)):
        nn.init.normal_(module.weight, std=0.02)
        initial.no_bias(module)


@model
def maxvit_t(*, input_size: tuple[int, int] = (224, 224), **kwargs: Any) -> MaxVit:
    """MaxViT-T, 30.9 million parameters; arguments as `MaxVit`.

    weights: a member of `MaxVit_T_Weights` or its name ("DEFAULT": the best), which is
    fetched; None: drawn at random.

    >>> import rushlight as torch
    >>> from rushlight.vision import models
    >>> with torch.device("meta"):  # shapes alone, without numbers
    ...     net = models.maxvit_t()
    >>> sum(p.numel() for p in net.parameters())
    30919624
    >>> net.classifier[-1]
    Linear(in_features=512, out_features=1000, bias=False)
    """
    shape = {"stem_channels": 64, "block_channels": [64, 128, 256, 512],
             "block_layers": [2, 2, 5, 2], "head_dim": 32, "stochastic_depth_prob": 0.2,
             "partition_size": 7}  # fmt: skip
    return MaxVit(input_size=input_size, **{**shape, **kwargs})
