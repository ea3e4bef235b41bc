"""Multiscale vision transformers in torchvision's form."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import rushlight as rl
from rushlight import nn
from rushlight.nn import functional as F

from ...ops.misc import MLP, StochasticDepth
from .. import initial
from ..listing import variant

Layer = Callable[..., nn.Module]
Size = tuple[int, int, int]


@dataclass
class MSBlockConfig:
    """What a block is made of: heads, widths, and the pooling of queries, keys and values."""

    num_heads: int
    input_channels: int
    output_channels: int
    kernel_q: list[int]
    kernel_kv: list[int]
    stride_q: list[int]
    stride_kv: list[int]


class Pool(nn.Module):
    """Pooling of tokens as the film (T, H, W) that they are; the class token stays as it is."""

    def __init__(
        self, pool: nn.Module, norm: nn.Module | None, activation: nn.Module | None = None,
        norm_before_pool: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.pool = pool
        layers = [layer for layer in (norm, activation) if layer is not None]
        self.norm_act = nn.Sequential(*layers) if layers else None
        self.norm_before_pool = norm_before_pool

    def forward(self, x: rl.Tensor, thw: Size) -> tuple[rl.Tensor, Size]:
        """(N, heads, 1 + tokens, C) or without heads, and the film's new size."""
        dims = x.dim()
        if dims == 3:
            x = x.unsqueeze(1)
        token, x = rl.tensor_split(x, (1,), dim=2)
        x = x.transpose(2, 3)
        n, heads, channels = x.shape[:3]
        x = x.reshape(n * heads, channels, *thw)
        if self.norm_before_pool and self.norm_act is not None:
            x = self.norm_act(x)
        x = self.pool(x)
        after = (x.shape[2], x.shape[3], x.shape[4])
        x = rl.cat((token, x.reshape(n, heads, channels, -1).transpose(2, 3)), dim=2)
        if not self.norm_before_pool and self.norm_act is not None:
            x = self.norm_act(x)
        return (x.squeeze(1) if dims == 3 else x), after


def _rows(table: rl.Tensor, queries: int, keys: int) -> rl.Tensor:
    """(queries, keys, C): the rows of a table of steps, interpolated to as many as there are."""
    count = 2 * max(queries, keys) - 1
    if table.shape[0] != count:
        table = F.interpolate(table.permute(1, 0).unsqueeze(0), size=count, mode="linear")
        table = table.squeeze(0).permute(1, 0)
    across, back = max(keys / queries, 1.0), max(queries / keys, 1.0)
    steps = rl.arange(queries)[:, None] * across - (rl.arange(keys)[None, :] + (1.0 - keys)) * back
    return table[steps.long().to(table.device)]


class MultiscaleAttention(nn.Module):
    """Attention whose queries, keys and values are pooled first."""

    def __init__(
        self, input_size: list[int], embed_dim: int, output_dim: int, num_heads: int,
        kernel_q: list[int], kernel_kv: list[int], stride_q: list[int], stride_kv: list[int],
        residual_pool: bool, residual_with_cls_embed: bool, rel_pos_embed: bool,
        dropout: float = 0.0, norm_layer: Layer = nn.LayerNorm,
    ) -> None:  # fmt: skip
        super().__init__()
        self.embed_dim, self.output_dim, self.num_heads = embed_dim, output_dim, num_heads
        self.head_dim = output_dim // num_heads
        self.scaler = 1.0 / math.sqrt(self.head_dim)
        self.residual_pool = residual_pool
        self.residual_with_cls_embed = residual_with_cls_embed
        self.qkv = nn.Linear(embed_dim, 3 * output_dim)
        drop = [nn.Dropout(dropout, inplace=True)] if dropout > 0.0 else []
        self.project = nn.Sequential(nn.Linear(output_dim, output_dim), *drop)
        self.pool_q = self._pool(kernel_q, stride_q, norm_layer)
        self.pool_k = self._pool(kernel_kv, stride_kv, norm_layer)
        self.pool_v = self._pool(kernel_kv, stride_kv, norm_layer)
        self.rel_pos_h = self.rel_pos_w = self.rel_pos_t = None
        if rel_pos_embed:
            size = max(input_size[1:])
            sizes = [size // stride[1] if stride else size for stride in (stride_q, stride_kv)]
            for name, count in (("h", max(sizes)), ("w", max(sizes)), ("t", input_size[0])):
                table = nn.Parameter(rl.zeros(2 * count - 1, self.head_dim))
                setattr(self, f"rel_pos_{name}", table)
            for name in "hwt":
                nn.init.trunc_normal_(getattr(self, f"rel_pos_{name}"), std=0.02)

    def _pool(self, kernel: Any, stride: Any, norm: Layer) -> Pool | None:
        if math.prod(kernel) <= 1 and math.prod(stride) <= 1:
            return None
        wide, padding = self.head_dim, [side // 2 for side in kernel]
        conv = nn.Conv3d(wide, wide, kernel, stride, padding, groups=wide, bias=False)
        return Pool(conv, norm(wide))

    def _positions(self, q: rl.Tensor, sizes: Size, keys: Size) -> rl.Tensor:
        """(N, heads, tokens of q, tokens of k): what steps in time, height and width add."""
        n, heads, _, wide = q.shape
        film = q[:, :, 1:].reshape(n, heads, *sizes, wide)
        tables: tuple[Any, ...] = (self.rel_pos_t, self.rel_pos_h, self.rel_pos_w)
        total: Any = 0
        for axis, (table, name) in enumerate(zip(tables, "thw")):
            rows = _rows(table, sizes[axis], keys[axis])
            part = rl.einsum(f"bythwc,{name}kc->bythwk", film, rows)
            shape = [keys[i] if i == axis else 1 for i in range(3)]
            total = total + part.reshape(*part.shape[:-1], *shape)
        return total.reshape(n, heads, math.prod(sizes), math.prod(keys))

    def forward(self, x: rl.Tensor, thw: Size) -> tuple[rl.Tensor, Size]:
        """(N, 1 + tokens, output_dim) from (N, 1 + tokens, embed_dim), and the film's new size."""
        n, tokens, _ = x.shape
        qkv = self.qkv(x).reshape(n, tokens, 3, self.num_heads, self.head_dim)
        q, k, v = qkv.transpose(1, 3).unbind(dim=2)
        keys = thw
        if self.pool_k is not None:
            k, keys = self.pool_k(k, thw)
        if self.pool_v is not None:
            v = self.pool_v(v, thw)[0]
        if self.pool_q is not None:
            q, thw = self.pool_q(q, thw)
        scores = rl.matmul(self.scaler * q, k.transpose(2, 3))
        if self.rel_pos_h is not None:
            scores = scores + F.pad(self._positions(q, thw, keys), (1, 0, 1, 0))
        x = rl.matmul(scores.softmax(dim=-1), v)
        if self.residual_pool:
            x = x + (q if self.residual_with_cls_embed else F.pad(q[:, :, 1:], (0, 0, 1, 0)))
        return self.project(x.transpose(1, 2).reshape(n, -1, self.output_dim)), thw


class MultiscaleBlock(nn.Module):
    """Attention and two layers, each with its norm and residual; the block may pool and widen."""

    def __init__(
        self, input_size: list[int], cnf: MSBlockConfig, residual_pool: bool,
        residual_with_cls_embed: bool, rel_pos_embed: bool, proj_after_attn: bool,
        dropout: float = 0.0, stochastic_depth_prob: float = 0.0,
        norm_layer: Layer = nn.LayerNorm,
    ) -> None:  # fmt: skip
        super().__init__()
        self.proj_after_attn = proj_after_attn
        self.pool_skip = None
        if math.prod(cnf.stride_q) > 1:
            kernel: Any = [step + 1 if step > 1 else step for step in cnf.stride_q]
            padding = [side // 2 for side in kernel]
            self.pool_skip = Pool(nn.MaxPool3d(kernel, cnf.stride_q, padding), None)
        before, after = cnf.input_channels, cnf.output_channels
        inner = after if proj_after_attn else before
        self.norm1, self.norm2 = norm_layer(before), norm_layer(inner)
        self.needs_transposal = isinstance(self.norm1, nn.BatchNorm1d)
        self.attn = MultiscaleAttention(
            input_size, before, inner, cnf.num_heads, cnf.kernel_q, cnf.kernel_kv, cnf.stride_q,
            cnf.stride_kv, residual_pool, residual_with_cls_embed, rel_pos_embed, dropout,
            norm_layer,
        )  # fmt: skip
        self.mlp = MLP(inner, [4 * inner, after], activation_layer=nn.GELU, inplace=None,
                       dropout=dropout)  # fmt: skip
        self.stochastic_depth = StochasticDepth(stochastic_depth_prob, "row")
        self.project = nn.Linear(before, after) if before != after else None

    def _normed(self, norm: nn.Module, x: rl.Tensor) -> rl.Tensor:
        return norm(x.transpose(1, 2)).transpose(1, 2) if self.needs_transposal else norm(x)

    def forward(self, x: rl.Tensor, thw: Size) -> tuple[rl.Tensor, Size]:
        """(N, 1 + tokens, C) and the film's new size."""
        normed = self._normed(self.norm1, x)
        found, after = self.attn(normed, thw)
        if self.project is not None and self.proj_after_attn:
            x = self.project(normed)
        x = x if self.pool_skip is None else self.pool_skip(x, thw)[0]
        x = x + self.stochastic_depth(found)
        normed = self._normed(self.norm2, x)
        if self.project is not None and not self.proj_after_attn:
            x = self.project(normed)
        return x + self.stochastic_depth(self.mlp(normed)), after


class PositionalEncoding(nn.Module):
    """The class token before the others; positions of space and time unless steps give them."""

    def __init__(
        self, embed_size: int, spatial_size: tuple[int, int], temporal_size: int,
        rel_pos_embed: bool,
    ) -> None:  # fmt: skip
        super().__init__()
        self.spatial_size, self.temporal_size = spatial_size, temporal_size
        self.class_token = nn.Parameter(rl.zeros(embed_size))
        self.spatial_pos = self.temporal_pos = self.class_pos = None
        if not rel_pos_embed:
            self.spatial_pos = nn.Parameter(rl.zeros(math.prod(spatial_size), embed_size))
            self.temporal_pos = nn.Parameter(rl.zeros(temporal_size, embed_size))
            self.class_pos = nn.Parameter(rl.zeros(embed_size))

    def forward(self, x: rl.Tensor) -> rl.Tensor:
        """(N, 1 + tokens, C) from (N, tokens, C)."""
        token = self.class_token.expand(x.shape[0], -1).unsqueeze(1)
        x = rl.cat((token, x), dim=1)
        space, time, first = self.spatial_pos, self.temporal_pos, self.class_pos
        if space is None or time is None or first is None:
            return x
        places = (time.unsqueeze(1) + space.unsqueeze(0)).reshape(-1, space.shape[1])
        return x + rl.cat((first.unsqueeze(0), places)).unsqueeze(0)


class MViT(nn.Module):
    """A transformer of films whose tokens become fewer and wider from stage to stage.

    `forward` takes (N, 3, temporal_size, *spatial_size) and gives (N, num_classes).
    block_setting: the blocks; residual_pool: add pooled queries to what attention finds;
    rel_pos_embed: learned steps in the place of positions; proj_after_attn: widen before the second
    half of a block rather than after it.
    Raises: ValueError without blocks.
    Source: H. Fan et al., "Multiscale vision transformers", 2021; Y. Li et al., "MViTv2", 2022.

    >>> import rushlight as torch
    >>> from rushlight.vision.models.video.mvit import MSBlockConfig, MViT
    >>> rows = [MSBlockConfig(1, 8, 8, [], [], [], []), MSBlockConfig(2, 8, 8, [], [], [], [])]
    >>> net = MViT((16, 16), 4, rows, False, True, False, False, num_classes=5)
    >>> net(torch.zeros(1, 3, 4, 16, 16)).shape
    torch.Size([1, 5])
    """

    def __init__(
        self, spatial_size: tuple[int, int], temporal_size: int,
        block_setting: Sequence[MSBlockConfig], residual_pool: bool,
        residual_with_cls_embed: bool, rel_pos_embed: bool, proj_after_attn: bool,
        dropout: float = 0.5, attention_dropout: float = 0.0, stochastic_depth_prob: float = 0.0,
        num_classes: int = 400, block: Layer | None = None, norm_layer: Layer | None = None,
        patch_embed_kernel: Size = (3, 7, 7), patch_embed_stride: Size = (2, 4, 4),
        patch_embed_padding: Size = (1, 3, 3),
    ) -> None:  # fmt: skip
        super().__init__()
        if not block_setting:
            raise ValueError("The configuration parameter can't be empty.")
        block, norm = block or MultiscaleBlock, norm_layer or partial(nn.LayerNorm, eps=1e-6)
        wide = block_setting[0].input_channels
        self.conv_proj = nn.Conv3d(3, wide, patch_embed_kernel, patch_embed_stride,
                                   patch_embed_padding)  # fmt: skip
        film = (temporal_size, *spatial_size)
        size = [side // step for side, step in zip(film, patch_embed_stride)]
        self.pos_encoding = PositionalEncoding(wide, (size[1], size[2]), size[0], rel_pos_embed)
        how = (residual_pool, residual_with_cls_embed, rel_pos_embed, proj_after_attn)
        self.blocks = nn.ModuleList()
        for place, cnf in enumerate(block_setting):
            drop = stochastic_depth_prob * place / (len(block_setting) - 1.0)
            self.blocks.append(block(size, cnf, *how, attention_dropout, drop, norm))
            if cnf.stride_q:
                size = [side // step for side, step in zip(size, cnf.stride_q)]
        wide = block_setting[-1].output_channels
        self.norm = norm(wide)
        self.head = nn.Sequential(nn.Dropout(dropout, inplace=True), nn.Linear(wide, num_classes))
        initial.in_order(self, _first)

    def forward(self, x: rl.Tensor) -> rl.Tensor:
        """Scores of the classes."""
        if x.dim() == 4:
            x = x.unsqueeze(2)
        x = self.pos_encoding(self.conv_proj(x).flatten(2).transpose(1, 2))
        thw = (self.pos_encoding.temporal_size, *self.pos_encoding.spatial_size)
        for block in self.blocks:
            x, thw = block(x, thw)
        return self.head(self.norm(x)[:, 0])


def _first(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        initial.no_bias(module)
    elif isinstance(module, nn.LayerNorm):
        nn.init.constant_(module.weight, 1.0)
        nn.init.constant_(module.bias, 0.0)
    elif isinstance(module, PositionalEncoding):
        for weight in module.parameters():
            nn.init.trunc_normal_(weight, std=0.02)


_HALVING = (1, 3, 14)  # the blocks of both networks that pool queries and begin a wider stage


def _built(version: int, **kwargs: Any) -> MViT:
    rows, cube, second = [], [3, 3, 3], version == 2
    stage = 0
    for place in range(16):
        halving = place in _HALVING
        before = 96 << stage
        # the first version widens in the block before the stage, the second in its first
        widens = place + (0 if second else 1) in _HALVING
        stage += widens
        heads = 1 << sum(place >= one for one in _HALVING)
        step = 8 >> sum(place >= one for one in _HALVING)
        stride = [1, 2, 2] if halving else [1, 1, 1] if second else []
        kernel = cube if halving or second else []
        rows.append(MSBlockConfig(heads, before, 96 << stage, kernel, cube, stride,
                                  [1, step, step]))  # fmt: skip
    shape = {
        "spatial_size": (224, 224), "temporal_size": 16, "block_setting": rows,
        "residual_pool": second, "residual_with_cls_embed": not second,
        "rel_pos_embed": second, "proj_after_attn": second, "stochastic_depth_prob": 0.2,
    }  # fmt: skip
    return MViT(**{**shape, **kwargs})


mvit_v1_b = variant(_built, "mvit_v1_b", "MViT-B, {}; arguments as `MViT`.", 1, count=36_610_672)
mvit_v2_s = variant(_built, "mvit_v2_s", "MViTv2-S, {}; arguments as `MViT`.", 2, count=34_537_744)
