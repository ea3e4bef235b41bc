"""Swin transformers of films in torchvision's form."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import rushlight as rl
from rushlight import fx, nn
from rushlight.nn import functional as F

from .. import initial
from ..listing import variant
from ..swin_transformer import (
    PatchMerging,
    ShiftedWindowAttention,
    SwinTransformerBlock,
    attend,
    first,
    relative_index,
    stages,
)


def _fitted(sizes: list[int], window: list[int], shift: list[int]) -> tuple[list[int], list[int]]:
    """Windows no larger than the film; where they are as large they are not shifted."""
    pairs = [
        (size, 0) if size <= side else (side, step)
        for size, side, step in zip(sizes, window, shift)
    ]
    return [side for side, _ in pairs], [step for _, step in pairs]


def _get_relative_position_bias(
    relative_position_bias_table: rl.Tensor, relative_position_index: rl.Tensor,
    window_size: list[int],
) -> rl.Tensor:  # fmt: skip
    """(1, heads, N, N) for the first N places of a window."""
    count = math.prod(window_size)
    rows = relative_position_bias_table[relative_position_index[:count, :count].flatten()]
    return rows.view(count, count, -1).permute(2, 0, 1).unsqueeze(0).contiguous()


def shifted_window_attention_3d(
    input: rl.Tensor, qkv_weight: rl.Tensor, proj_weight: rl.Tensor,
    relative_position_bias: rl.Tensor, window_size: list[int], num_heads: int,
    shift_size: list[int], attention_dropout: float = 0.0, dropout: float = 0.0,
    qkv_bias: rl.Tensor | None = None, proj_bias: rl.Tensor | None = None, training: bool = True,
) -> rl.Tensor:  # fmt: skip
    """Attention within the shifted windows of a film (N, T, H, W, C)."""
    return attend(input, qkv_weight, proj_weight, relative_position_bias, window_size, num_heads,
                  shift_size, attention_dropout, dropout, qkv_bias, proj_bias, None,
                  training)  # fmt: skip


for _name in ("_get_relative_position_bias", "shifted_window_attention_3d"):
    fx.wrap(_name)


class ShiftedWindowAttention3d(ShiftedWindowAttention):
    """Attention within shifted windows of space and time, with a learned bias for each step.

    Raises: ValueError unless there are three sizes of the window and of the shift.
    """

    @staticmethod
    def _check(window: list[int], shift: list[int]) -> None:
        if len(window) != 3 or len(shift) != 3:
            raise ValueError("window_size and shift_size must be of length 2")

    def define_relative_position_index(self) -> None:
        """Which row each pair of places reads."""
        self.register_buffer("relative_position_index", relative_index(self.window_size))

    def get_relative_position_bias(self, window_size: list[int] | None = None) -> rl.Tensor:
        """(1, heads, N, N) for windows of this size."""
        return _get_relative_position_bias(
            self.relative_position_bias_table, self.relative_position_index,
            window_size or self.window_size,
        )  # fmt: skip

    def forward(self, x: rl.Tensor) -> rl.Tensor:
        """(N, T, H, W, dim) from the same."""
        window, shift = _fitted(list(x.shape[1:4]), self.window_size, self.shift_size)
        return shifted_window_attention_3d(
            x, self.qkv.weight, self.proj.weight, self.get_relative_position_bias(window),
            window, self.num_heads, shift_size=shift, attention_dropout=self.attention_dropout,
            dropout=self.dropout, qkv_bias=self.qkv.bias, proj_bias=self.proj.bias,
            training=self.training,
        )  # fmt: skip


class PatchEmbed3d(nn.Module):
    """Patches of space and time, each a vector; films that they do not fill are padded."""

    def __init__(
        self, patch_size: list[int], in_channels: int = 3, embed_dim: int = 96,
        norm_layer: Callable[..., nn.Module] | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.tuple_patch_size = (patch_size[0], patch_size[1], patch_size[2])
        self.proj = nn.Conv3d(in_channels, embed_dim, self.tuple_patch_size, self.tuple_patch_size)
        self.norm = nn.Identity() if norm_layer is None else norm_layer(embed_dim)

    def forward(self, x: rl.Tensor) -> rl.Tensor:
        """(N, T', H', W', embed_dim) from (N, C, T, H, W)."""
        pads = [-size % side for size, side in zip(x.shape[2:], self.tuple_patch_size)]
        x = self.proj(F.pad(x, [part for pad in reversed(pads) for part in (0, pad)]))
        return self.norm(x.permute(0, 2, 3, 4, 1))


class SwinTransformer3d(nn.Module):
    """A Swin transformer whose windows reach over time as well.

    `forward` takes (N, 3, T, H, W) and gives (N, num_classes); arguments as `SwinTransformer`.
    Source: Z. Liu et al., "Video Swin Transformer", 2022.

    >>> import rushlight as torch
    >>> from rushlight.vision.models.video.swin_transformer import SwinTransformer3d
    >>> net = SwinTransformer3d([2, 4, 4], 8, [2], [2], [2, 2, 2], num_classes=5)
    >>> net(torch.zeros(1, 3, 4, 16, 16)).shape
    torch.Size([1, 5])
    """

    def __init__(
        self, patch_size: list[int], embed_dim: int, depths: list[int], num_heads: list[int],
        window_size: list[int], mlp_ratio: float = 4.0, dropout: float = 0.0,
        attention_dropout: float = 0.0, stochastic_depth_prob: float = 0.1,
        num_classes: int = 400, norm_layer: Callable[..., nn.Module] | None = None,
        block: Callable[..., nn.Module] | None = None,
        downsample_layer: Callable[..., nn.Module] = PatchMerging,
        patch_embed: Callable[..., nn.Module] | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.num_classes = num_classes
        norm = norm_layer or partial(nn.LayerNorm, eps=1e-5)
        block = block or partial(SwinTransformerBlock, attn_layer=ShiftedWindowAttention3d)
        embed = patch_embed or PatchEmbed3d
        self.patch_embed = embed(patch_size=patch_size, embed_dim=embed_dim, norm_layer=norm)
        self.pos_drop = nn.Dropout(p=dropout)
        self.features = nn.Sequential(*stages(
            embed_dim, depths, num_heads, window_size, stochastic_depth_prob, block,
            downsample_layer, norm, mlp_ratio=mlp_ratio, dropout=dropout,
            attention_dropout=attention_dropout,
        ))  # fmt: skip
        self.num_features = embed_dim * 2 ** (len(depths) - 1)
        self.norm = norm(self.num_features)
        self.avgpool = nn.AdaptiveAvgPool3d(1)
        self.head = nn.Linear(self.num_features, num_classes)
        initial.in_order(self, first)

    def forward(self, x: rl.Tensor) -> rl.Tensor:
        """Scores of the classes."""
        x = self.norm(self.features(self.pos_drop(self.patch_embed(x))))
        return self.head(rl.flatten(self.avgpool(x.permute(0, 4, 1, 2, 3)), 1))


def _built(wide: int, middle: int, heads: int, **kwargs: Any) -> SwinTransformer3d:
    shape = {
        "patch_size": [2, 4, 4], "embed_dim": wide, "depths": [2, 2, middle, 2],
        "num_heads": [heads << i for i in range(4)], "window_size": [8, 7, 7],
        "stochastic_depth_prob": 0.1,
    }  # fmt: skip
    return SwinTransformer3d(**{**shape, **kwargs})


def _named(kind: str, count: int, *rows: int) -> Callable[..., SwinTransformer3d]:
    doc = f"Swin3D-{kind.upper()}, {{}}; arguments as `SwinTransformer3d`."
    return variant(_built, f"swin3d_{kind}", doc, *rows, count=count)


swin3d_t = _named("t", 28_158_070, 96, 6, 3)
swin3d_s = _named("s", 49_816_678, 96, 18, 3)
swin3d_b = _named("b", 88_048_984, 128, 18, 4)
