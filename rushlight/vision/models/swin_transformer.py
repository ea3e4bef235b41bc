"""Swin transformers, first and second version, in torchvision's form.

Windows of any number of dimensions are cut and shifted here; video/swin_transformer.py uses them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from itertools import product
from typing import Any

import rushlight as rl
from rushlight import fx, nn
from rushlight.nn import functional as F

from ..ops.misc import MLP, Permute, StochasticDepth
from . import initial
from .listing import variant


def _patch_merging_pad(x: rl.Tensor) -> rl.Tensor:
    """(..., H, W, C) to (..., H/2, W/2, 4C): each square of four pixels, columns first."""
    height, width, _ = x.shape[-3:]
    x = F.pad(x, (0, 0, 0, width % 2, 0, height % 2))
    return rl.cat([x[..., i::2, j::2, :] for j in (0, 1) for i in (0, 1)], -1)


def _get_relative_position_bias(
    relative_position_bias_table: rl.Tensor, relative_position_index: rl.Tensor,
    window_size: list[int],
) -> rl.Tensor:  # fmt: skip
    """(1, heads, N, N): what is added to the scores of each pair of the N places of a window."""
    count = math.prod(window_size)
    rows = relative_position_bias_table[relative_position_index]
    return rows.view(count, count, -1).permute(2, 0, 1).contiguous().unsqueeze(0)


for _name in ("_patch_merging_pad", "_get_relative_position_bias"):
    fx.wrap(_name)


def windows(x: rl.Tensor, window: list[int]) -> rl.Tensor:
    """(N, *sizes, C) cut into windows: (N * windows, places in a window, C)."""
    dims = len(window)
    cut = [part for size, side in zip(x.shape[1:], window) for part in (size // side, side)]
    order = (0, *range(1, 2 * dims, 2), *range(2, 2 * dims + 1, 2), 2 * dims + 1)
    return x.reshape(x.shape[0], *cut, x.shape[-1]).permute(order).reshape(
        -1, math.prod(window), x.shape[-1]
    )  # fmt: skip


def whole(x: rl.Tensor, sizes: list[int], window: list[int]) -> rl.Tensor:
    """The inverse of `windows`."""
    dims, counts = len(window), [size // side for size, side in zip(sizes, window)]
    order = [0, *(place for i in range(1, dims + 1) for place in (i, i + dims)), 2 * dims + 1]
    x = x.reshape(-1, *counts, *window, x.shape[-1])
    return x.permute(order).reshape(-1, *sizes, x.shape[-1])


def _parted(sizes: list[int], window: list[int], shift: list[int], x: rl.Tensor) -> rl.Tensor:
    """(windows, 1, N, N): -100 between places that stood apart before the shift, else 0."""
    dims, region = len(window), rl.zeros(1, *sizes, 1, dtype=rl.int64, device=x.device)
    for axis, (size, side, step) in enumerate(zip(sizes, window, shift)):
        place = rl.arange(size, device=x.device)
        part = (place >= size - side).long() + (place >= size - step).long()
        shape = [-1 if axis == i else 1 for i in range(dims)]
        region = 3 * region + part.view(1, *shape, 1)
    region = windows(region, window).squeeze(-1)
    apart = region.unsqueeze(1) != region.unsqueeze(2)
    return (apart.to(x.dtype) * -100.0).unsqueeze(1)


def attend(
    input: rl.Tensor, qkv_weight: rl.Tensor, proj_weight: rl.Tensor,
    relative_position_bias: rl.Tensor, window: list[int], num_heads: int, shift: list[int],
    attention_dropout: float, dropout: float, qkv_bias: rl.Tensor | None,
    proj_bias: rl.Tensor | None, logit_scale: rl.Tensor | None, training: bool,
) -> rl.Tensor:  # fmt: skip
    """Attention within windows of (N, *sizes, C), which are shifted against their last place."""
    sizes, channels = list(input.shape[1:-1]), input.shape[-1]
    pads = [-size % side for size, side in zip(sizes, window)]
    x = F.pad(input, [0, 0, *(part for pad in reversed(pads) for part in (0, pad))])
    padded = [size + pad for size, pad in zip(sizes, pads)]
    axes, shifted = list(range(1, len(sizes) + 1)), any(shift)
    if shifted:
        x = rl.roll(x, shifts=[-step for step in shift], dims=axes)
    qkv = F.linear(windows(x, window), qkv_weight, qkv_bias)
    count, places, _ = qkv.shape
    # 3 of (count, heads, places, channels / heads)
    qkv = qkv.reshape(count, places, 3, num_heads, channels // num_heads)
    q, k, v = qkv.permute(2, 0, 3, 1, 4)
    if logit_scale is not None:
        scores = F.normalize(q, dim=-1) @ F.normalize(k, dim=-1).transpose(-2, -1)
        scores = scores * logit_scale.clamp(max=math.log(100.0)).exp()
    else:
        scores = (q * (channels // num_heads) ** -0.5) @ k.transpose(-2, -1)
    scores = scores + relative_position_bias
    if shifted:
        mask = _parted(padded, window, shift, x)
        grouped = scores.view(-1, mask.shape[0], num_heads, places, places)
        scores = (grouped + mask).view(-1, num_heads, places, places)
    weights = F.dropout(F.softmax(scores, dim=-1), p=attention_dropout, training=training)
    x = (weights @ v).transpose(1, 2).reshape(count, places, channels)
    x = F.dropout(F.linear(x, proj_weight, proj_bias), p=dropout, training=training)
    x = whole(x, padded, window)
    if shifted:
        x = rl.roll(x, shifts=shift, dims=axes)
    for axis, size in zip(axes, sizes):
        x = x.narrow(axis, 0, size)
    return x.contiguous()


def shifted_window_attention(
    input: rl.Tensor, qkv_weight: rl.Tensor, proj_weight: rl.Tensor,
    relative_position_bias: rl.Tensor, window_size: list[int], num_heads: int,
    shift_size: list[int], attention_dropout: float = 0.0, dropout: float = 0.0,
    qkv_bias: rl.Tensor | None = None, proj_bias: rl.Tensor | None = None,
    logit_scale: rl.Tensor | None = None, training: bool = True,
) -> rl.Tensor:  # fmt: skip
    """Attention within the shifted windows of a picture (N, H, W, C); one window is not shifted.

    logit_scale: the second version's: cosines are scored, times exp(logit_scale), 100 at most.
    """
    sizes = [size - size % -side for size, side in zip(input.shape[1:3], window_size)]
    shift = [
        0 if side >= size else step for size, side, step in zip(sizes, window_size, shift_size)
    ]
    if logit_scale is not None and qkv_bias is not None:  # the keys of cosines have no bias
        q, k, v = qkv_bias.chunk(3)
        qkv_bias = rl.cat([q, rl.zeros_like(k), v])
    return attend(input, qkv_weight, proj_weight, relative_position_bias, window_size, num_heads,
                  shift, attention_dropout, dropout, qkv_bias, proj_bias, logit_scale,
                  training)  # fmt: skip


fx.wrap("shifted_window_attention")


def relative_index(window: list[int]) -> rl.Tensor:
    """(N, N): the row of the table of biases for each pair of a window's N places."""
    places = list(product(*map(range, window)))
    index = rl.zeros(len(places), len(places), dtype=rl.int64)
    for axis, side in enumerate(window):
        at = rl.tensor([place[axis] for place in places])
        index = index * (2 * side - 1) + at[:, None] - at[None, :] + side - 1
    return index


class ShiftedWindowAttention(nn.Module):
    """Attention within shifted windows, with a learned bias for each step between two places.

    Raises: ValueError unless there are two sizes of the window and of the shift.
    """

    def __init__(
        self, dim: int, window_size: list[int], shift_size: list[int], num_heads: int,
        qkv_bias: bool = True, proj_bias: bool = True, attention_dropout: float = 0.0,
        dropout: float = 0.0,
    ) -> None:  # fmt: skip
        super().__init__()
        self._check(window_size, shift_size)
        self.window_size, self.shift_size, self.num_heads = window_size, shift_size, num_heads
        self.attention_dropout, self.dropout = attention_dropout, dropout
        self.qkv = nn.Linear(dim, dim * 3, bias=qkv_bias)
        self.proj = nn.Linear(dim, dim, bias=proj_bias)
        self.define_relative_position_bias_table()
        self.define_relative_position_index()

    @staticmethod
    def _check(window: list[int], shift: list[int]) -> None:
        if len(window) != 2 or len(shift) != 2:
            raise ValueError("window_size and shift_size must be of length 2")

    def define_relative_position_bias_table(self) -> None:
        """A row for each step between two places of a window, a column for each head."""
        steps = math.prod(2 * side - 1 for side in self.window_size)
        table = rl.zeros(steps, self.num_heads)
        self.relative_position_bias_table = nn.Parameter(table)
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)

    def define_relative_position_index(self) -> None:
        """Which row each pair of places reads."""
        self.register_buffer("relative_position_index", relative_index(self.window_size).flatten())

    def get_relative_position_bias(self) -> rl.Tensor:
        """(1, heads, N, N)."""
        return _get_relative_position_bias(
            self.relative_position_bias_table, self.relative_position_index, self.window_size
        )

    def forward(self, x: rl.Tensor) -> rl.Tensor:
        """(N, H, W, dim) from the same."""
        bias = self.get_relative_position_bias()
        return shifted_window_attention(
            x, self.qkv.weight, self.proj.weight, bias,
            self.window_size, self.num_heads, shift_size=self.shift_size,
            attention_dropout=self.attention_dropout, dropout=self.dropout,
            qkv_bias=self.qkv.bias, proj_bias=self.proj.bias, training=self.training,
        )  # fmt: skip


class ShiftedWindowAttentionV2(ShiftedWindowAttention):
    """Scores are scaled cosines, and a small network gives the bias of each step."""

    def __init__(
        self, dim: int, window_size: list[int], shift_size: list[int], num_heads: int,
        qkv_bias: bool = True, proj_bias: bool = True, attention_dropout: float = 0.0,
        dropout: float = 0.0,
    ) -> None:  # fmt: skip
        rest = (qkv_bias, proj_bias, attention_dropout, dropout)
        super().__init__(dim, window_size, shift_size, num_heads, *rest)
        self.logit_scale = nn.Parameter(rl.log(10 * rl.ones(num_heads, 1, 1)))
        self.cpb_mlp = nn.Sequential(
            nn.Linear(2, 512, bias=True), nn.ReLU(inplace=True),
            nn.Linear(512, num_heads, bias=False),
        )  # fmt: skip
        if qkv_bias:
            with rl.no_grad():
                self.qkv.bias[dim : 2 * dim].zero_()

    def define_relative_position_bias_table(self) -> None:
        """The steps themselves, from -8 to 8, by their logarithms."""
        sides = [rl.arange(1 - side, side, dtype=rl.float32) for side in self.window_size]
        steps = [8 * side / (window - 1) for side, window in zip(sides, self.window_size)]
        table = rl.stack(rl.meshgrid(*steps, indexing="ij"), -1).unsqueeze(0)
        table = rl.sign(table) * rl.log2(rl.abs(table) + 1.0) / 3.0
        self.register_buffer("relative_coords_table", table)

    def get_relative_position_bias(self) -> rl.Tensor:
        """(1, heads, N, N), from 0 to 16."""
        table = self.cpb_mlp(self.relative_coords_table).view(-1, self.num_heads)
        return 16 * rl.sigmoid(
            _get_relative_position_bias(table, self.relative_position_index, self.window_size)
        )

    def forward(self, x: rl.Tensor) -> rl.Tensor:
        """(N, H, W, dim) from the same."""
        bias = self.get_relative_position_bias()
        return shifted_window_attention(
            x, self.qkv.weight, self.proj.weight, bias,
            self.window_size, self.num_heads, shift_size=self.shift_size,
            attention_dropout=self.attention_dropout, dropout=self.dropout,
            qkv_bias=self.qkv.bias, proj_bias=self.proj.bias, logit_scale=self.logit_scale,
            training=self.training,
        )  # fmt: skip


class PatchMerging(nn.Module):
    """Four pixels become one of twice the channels: norm, then a linear layer."""

    def __init__(self, dim: int, norm_layer: Callable[..., nn.Module] = nn.LayerNorm) -> None:
        super().__init__()
        self.dim = dim
        self.reduction = nn.Linear(4 * dim, 2 * dim, bias=False)
        self.norm = norm_layer(4 * dim)

    def forward(self, x: rl.Tensor) -> rl.Tensor:
        """(..., H/2, W/2, 2 dim) from (..., H, W, dim)."""
        return self.reduction(self.norm(_patch_merging_pad(x)))


class PatchMergingV2(PatchMerging):
    """The linear layer first, then the norm."""

    def __init__(self, dim: int, norm_layer: Callable[..., nn.Module] = nn.LayerNorm) -> None:
        super().__init__(dim, norm_layer)
        self.norm = norm_layer(2 * dim)

    def forward(self, x: rl.Tensor) -> rl.Tensor:
        """(..., H/2, W/2, 2 dim) from (..., H, W, dim)."""
        return self.norm(self.reduction(_patch_merging_pad(x)))


class SwinTransformerBlock(nn.Module):
    """x + attention(norm(x)), then y + mlp(norm(y)); in training whole rows are left out."""

    def __init__(
        self, dim: int, num_heads: int, window_size: list[int], shift_size: list[int],
        mlp_ratio: float = 4.0, dropout: float = 0.0, attention_dropout: float = 0.0,
        stochastic_depth_prob: float = 0.0,
        norm_layer: Callable[..., nn.Module] = nn.LayerNorm,
        attn_layer: Callable[..., nn.Module] = ShiftedWindowAttention,
    ) -> None:  # fmt: skip
        super().__init__()
        self.norm1 = norm_layer(dim)
        drops = {"attention_dropout": attention_dropout, "dropout": dropout}
        self.attn = attn_layer(dim, window_size, shift_size, num_heads, **drops)
        self.stochastic_depth = StochasticDepth(stochastic_depth_prob, "row")
        self.norm2 = norm_layer(dim)
        layers = {"activation_layer": nn.GELU, "inplace": None, "dropout": dropout}
        self.mlp = MLP(dim, [int(dim * mlp_ratio), dim], **layers)
        for module in self.mlp.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.normal_(module.bias, std=1e-6)

    def forward(self, x: rl.Tensor) -> rl.Tensor:
        """(N, *sizes, dim) from the same."""
        x = x + self.stochastic_depth(self.attn(self.norm1(x)))
        return x + self.stochastic_depth(self.mlp(self.norm2(x)))


class SwinTransformerBlockV2(SwinTransformerBlock):
    """The norms come after the attention and the layers."""

    def __init__(
        self, dim: int, num_heads: int, window_size: list[int], shift_size: list[int],
        mlp_ratio: float = 4.0, dropout: float = 0.0, attention_dropout: float = 0.0,
        stochastic_depth_prob: float = 0.0,
        norm_layer: Callable[..., nn.Module] = nn.LayerNorm,
        attn_layer: Callable[..., nn.Module] = ShiftedWindowAttentionV2,
    ) -> None:  # fmt: skip
        rest = (mlp_ratio, dropout, attention_dropout, stochastic_depth_prob)
        super().__init__(dim, num_heads, window_size, shift_size, *rest, norm_layer, attn_layer)

    def forward(self, x: rl.Tensor) -> rl.Tensor:
        """(N, *sizes, dim) from the same."""
        x = x + self.stochastic_depth(self.norm1(self.attn(x)))
        return x + self.stochastic_depth(self.norm2(self.mlp(x)))


def stages(
    wide: int, depths: list[int], heads: list[int], window: list[int], drop: float,
    block: Callable[..., nn.Module], merge: Callable[..., nn.Module], norm: Any, **rest: Any,
) -> list[nn.Module]:  # fmt: skip
    """Stages of blocks of doubling width with merged patches between them; every second shifts."""
    total, count, parts = sum(depths), 0, []
    for number, (depth, head) in enumerate(zip(depths, heads)):
        blocks = []
        for place in range(depth):
            shift = [0 if place % 2 == 0 else side // 2 for side in window]
            at = drop * float(count) / (total - 1)
            blocks.append(block(wide << number, head, window_size=window, shift_size=shift,
                                stochastic_depth_prob=at, norm_layer=norm, **rest))  # fmt: skip
            count += 1
        parts.append(nn.Sequential(*blocks))
        if number < len(depths) - 1:
            parts.append(merge(wide << number, norm))
    return parts


def first(module: nn.Module) -> None:
    """The first weights of all linear layers."""
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        initial.no_bias(module)


class SwinTransformer(nn.Module):
    """Attention within windows that shift from block to block; patches are merged between stages.

    `forward` takes (N, in_channels, H, W) and gives (N, num_classes).
    embed_dim: the first width; depths, num_heads: blocks of each stage and their heads;
    stochastic_depth_prob: how often the last block is left out in training, those before it less.
    Source: Z. Liu et al., "Swin Transformer", 2021, and "Swin Transformer V2", 2022.

    >>> import rushlight as torch
    >>> shape = dict(patch_size=[4, 4], embed_dim=8, depths=[2], num_heads=[2], window_size=[2, 2])
    >>> torch.vision.models.SwinTransformer(**shape, num_classes=5)(torch.zeros(2, 3, 16, 16)).shape
    torch.Size([2, 5])
    """

    def __init__(
        self, patch_size: list[int], embed_dim: int, depths: list[int], num_heads: list[int],
        window_size: list[int], mlp_ratio: float = 4.0, dropout: float = 0.0,
        attention_dropout: float = 0.0, stochastic_depth_prob: float = 0.1,
        num_classes: int = 1000, norm_layer: Callable[..., nn.Module] | None = None,
        block: Callable[..., nn.Module] | None = None,
        downsample_layer: Callable[..., nn.Module] = PatchMerging, *, in_channels: int = 3,
    ) -> None:  # fmt: skip
        super().__init__()
        self.num_classes = num_classes
        norm = norm_layer or partial(nn.LayerNorm, eps=1e-5)
        patch = (patch_size[0], patch_size[1])
        patches = nn.Sequential(
            nn.Conv2d(in_channels, embed_dim, patch, patch), Permute([0, 2, 3, 1]), norm(embed_dim)
        )
        self.features = nn.Sequential(patches, *stages(
            embed_dim, depths, num_heads, window_size, stochastic_depth_prob,
            block or SwinTransformerBlock, downsample_layer, norm, mlp_ratio=mlp_ratio,
            dropout=dropout, attention_dropout=attention_dropout,
        ))  # fmt: skip
        wide = embed_dim * 2 ** (len(depths) - 1)
        self.norm = norm(wide)
        self.permute = Permute([0, 3, 1, 2])
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten(1)
        self.head = nn.Linear(wide, num_classes)
        initial.in_order(self, first)

    def forward(self, x: rl.Tensor) -> rl.Tensor:
        """Scores of the classes."""
        x = self.permute(self.norm(self.features(x)))
        return self.head(self.flatten(self.avgpool(x)))


# kind: first width, blocks of the third stage, heads of the first, stochastic depth by version
_KINDS = {"t": (96, 6, 3, 0.2, 0.2), "s": (96, 18, 3, 0.3, 0.3), "b": (128, 18, 4, 0.5, 0.5)}


def _built(kind: str, version: int, **kwargs: Any) -> SwinTransformer:
    wide, middle, heads, *drops = _KINDS[kind]
    second = {"block": SwinTransformerBlockV2, "downsample_layer": PatchMergingV2}
    shape = {
        "patch_size": [4, 4], "embed_dim": wide, "depths": [2, 2, middle, 2],
        "num_heads": [heads << i for i in range(4)], "window_size": [6 + version] * 2,
        "stochastic_depth_prob": drops[version - 1], **(second if version == 2 else {}),
    }  # fmt: skip
    return SwinTransformer(**{**shape, **kwargs})


def _named(kind: str, count: int, version: int = 1) -> Callable[..., SwinTransformer]:
    name = f"swin_v2_{kind}" if version == 2 else f"swin_{kind}"
    doc = f"Swin{'V2' * (version - 1)}-{kind.upper()}, {{}}; arguments as `SwinTransformer`."
    return variant(_built, name, doc, kind, version, count=count)


swin_t = _named("t", 28_288_354)
swin_s = _named("s", 49_606_258)
swin_b = _named("b", 87_768_224)
swin_v2_t = _named("t", 28_351_570, 2)
swin_v2_s = _named("s", 49_737_442, 2)
swin_v2_b = _named("b", 87_930_848, 2)
