"""The vision transformer in torchvision's form."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import rushlight as rl
from rushlight import nn
from rushlight.nn import functional as F

from ..ops.misc import MLP, Conv2dNormActivation
from .listing import variant

_norm = partial(nn.LayerNorm, eps=1e-6)


class ConvStemConfig(NamedTuple):
    """One layer of a stem of convolutions, in the place of cutting the picture into patches."""

    out_channels: int
    kernel_size: int
    stride: int
    norm_layer: Callable[..., nn.Module] = nn.BatchNorm2d
    activation_layer: Callable[..., nn.Module] = nn.ReLU


class MLPBlock(MLP):
    """Two linear layers with GELU between them, each followed by dropout."""

    _version = 2

    def __init__(self, in_dim: int, mlp_dim: int, dropout: float) -> None:
        layers = {"activation_layer": nn.GELU, "inplace": None, "dropout": dropout}
        super().__init__(in_dim, [mlp_dim, in_dim], **layers)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.normal_(module.bias, std=1e-6)

    def _load_from_state_dict(
        self, state_dict: Any, prefix: str, local_metadata: Any, *rest: Any
    ) -> None:
        if local_metadata.get("version", None) in (None, 1):  # as the published files name them
            for place, number in enumerate((0, 3), 1):
                for kind in ("weight", "bias"):
                    old = f"{prefix}linear_{place}.{kind}"
                    if old in state_dict:
                        state_dict[f"{prefix}{number}.{kind}"] = state_dict.pop(old)
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *rest)


class EncoderBlock(nn.Module):
    """x + attention(norm(x)), then y + mlp(norm(y))."""

    def __init__(
        self, num_heads: int, hidden_dim: int, mlp_dim: int, dropout: float,
        attention_dropout: float, norm_layer: Callable[..., nn.Module] = _norm,
    ) -> None:  # fmt: skip
        super().__init__()
        self.num_heads = num_heads
        self.ln_1 = norm_layer(hidden_dim)
        self.self_attention = nn.MultiheadAttention(
            hidden_dim, num_heads, dropout=attention_dropout, batch_first=True
        )
        self.dropout = nn.Dropout(dropout)
        self.ln_2 = norm_layer(hidden_dim)
        self.mlp = MLPBlock(hidden_dim, mlp_dim, dropout)

    def forward(self, input: rl.Tensor) -> rl.Tensor:
        """(N, positions, hidden_dim) from the same."""
        rl._assert(
            input.dim() == 3, f"Expected (batch_size, seq_length, hidden_dim) got {input.shape}"
        )
        x = self.ln_1(input)
        x, _ = self.self_attention(x, x, x, need_weights=False)
        x = self.dropout(x) + input
        return x + self.mlp(self.ln_2(x))


class Encoder(nn.Module):
    """Learned positions are added, then come the blocks and a last norm."""

    def __init__(
        self, seq_length: int, num_layers: int, num_heads: int, hidden_dim: int, mlp_dim: int,
        dropout: float, attention_dropout: float, norm_layer: Callable[..., nn.Module] = _norm,
    ) -> None:  # fmt: skip
        super().__init__()
        positions = rl.empty(1, seq_length, hidden_dim).normal_(std=0.02)
        self.pos_embedding = nn.Parameter(positions)
        self.dropout = nn.Dropout(dropout)
        shape = (num_heads, hidden_dim, mlp_dim, dropout, attention_dropout, norm_layer)
        layers = [(f"encoder_layer_{i}", EncoderBlock(*shape)) for i in range(num_layers)]
        self.layers = nn.Sequential(OrderedDict(layers))
        self.ln = norm_layer(hidden_dim)

    def forward(self, input: rl.Tensor) -> rl.Tensor:
        """(N, positions, hidden_dim) from the same."""
        rl._assert(
            input.dim() == 3, f"Expected (batch_size, seq_length, hidden_dim) got {input.shape}"
        )
        return self.ln(self.layers(self.dropout(input + self.pos_embedding)))


class VisionTransformer(nn.Module):
    """A picture cut into patches, each a token of a transformer; a class token gives the scores.

    `forward` takes (N, in_channels, image_size, image_size) and gives (N, num_classes).
    representation_size: the width of a layer with tanh before the last, None for none.
    conv_stem_configs: convolutions in the place of the patches.
    Raises: AssertionError for sizes that the patches do not fill.
    Source: A. Dosovitskiy et al., "An image is worth 16x16 words", 2021.

    >>> import rushlight as torch
    >>> net = torch.vision.models.VisionTransformer(32, 8, 1, 2, 16, 24, num_classes=10)
    >>> net(torch.zeros(2, 3, 32, 32)).shape
    torch.Size([2, 10])
    """

    def __init__(
        self, image_size: int, patch_size: int, num_layers: int, num_heads: int, hidden_dim: int,
        mlp_dim: int, dropout: float = 0.0, attention_dropout: float = 0.0,
        num_classes: int = 1000, representation_size: int | None = None,
        norm_layer: Callable[..., nn.Module] = _norm,
        conv_stem_configs: list[ConvStemConfig] | None = None, *, in_channels: int = 3,
    ) -> None:  # fmt: skip
        super().__init__()
        rl._assert(image_size % patch_size == 0, "Input shape indivisible by patch size!")
        self.image_size, self.patch_size = image_size, patch_size
        self.hidden_dim, self.mlp_dim = hidden_dim, mlp_dim
        self.attention_dropout, self.dropout = attention_dropout, dropout
        self.num_classes, self.representation_size = num_classes, representation_size
        self.norm_layer = norm_layer
        if conv_stem_configs is not None:
            self.conv_proj: Any = _stem(conv_stem_configs, in_channels, hidden_dim)
        else:
            self.conv_proj = nn.Conv2d(in_channels, hidden_dim, patch_size, patch_size)
        self.class_token = nn.Parameter(rl.zeros(1, 1, hidden_dim))
        self.seq_length = (image_size // patch_size) ** 2 + 1
        self.encoder = Encoder(
            self.seq_length, num_layers, num_heads, hidden_dim, mlp_dim, dropout,
            attention_dropout, norm_layer,
        )  # fmt: skip
        heads: OrderedDict[str, nn.Module] = OrderedDict()
        if representation_size is not None:
            heads["pre_logits"] = nn.Linear(hidden_dim, representation_size)
            heads["act"] = nn.Tanh()
        heads["head"] = nn.Linear(representation_size or hidden_dim, num_classes)
        self.heads: Any = nn.Sequential(heads)
        self._first()

    def _first(self) -> None:
        """The first weights of what turns the picture into tokens and tokens into scores."""
        if isinstance(self.conv_proj, nn.Conv2d):
            nn.init.trunc_normal_(
                self.conv_proj.weight, std=math.sqrt(1 / self.conv_proj.weight[0].numel())
            )
            nn.init.zeros_(self.conv_proj.bias)
        else:
            last = self.conv_proj.conv_last
            nn.init.normal_(last.weight, mean=0.0, std=math.sqrt(2.0 / last.out_channels))
            nn.init.zeros_(last.bias)
        if self.representation_size is not None:
            hidden = self.heads.pre_logits
            nn.init.trunc_normal_(hidden.weight, std=math.sqrt(1 / hidden.in_features))
            nn.init.zeros_(hidden.bias)
        nn.init.zeros_(self.heads.head.weight)
        nn.init.zeros_(self.heads.head.bias)

    def _process_input(self, x: rl.Tensor) -> rl.Tensor:
        """The tokens (N, patches, hidden_dim) of a picture."""
        n, _, h, w = x.shape
        side = self.image_size
        rl._assert(h == side, f"Wrong image height! Expected {side} but got {h}!")
        rl._assert(w == side, f"Wrong image width! Expected {side} but got {w}!")
        down, across = h // self.patch_size, w // self.patch_size
        x = self.conv_proj(x)
        return x.reshape(n, self.hidden_dim, down * across).permute(0, 2, 1)

    def forward(self, x: rl.Tensor) -> rl.Tensor:
        """Scores of the classes."""
        x = self._process_input(x)
        n = x.shape[0]
        token = self.class_token.expand(n, -1, -1)
        return self.heads(self.encoder(rl.cat([token, x], dim=1))[:, 0])


def _stem(rows: list[ConvStemConfig], wide: int, hidden_dim: int) -> nn.Sequential:
    parts: OrderedDict[str, nn.Module] = OrderedDict()
    for place, row in enumerate(rows):
        parts[f"conv_bn_relu_{place}"] = Conv2dNormActivation(
            wide, row.out_channels, row.kernel_size, row.stride, norm_layer=row.norm_layer,
            activation_layer=row.activation_layer,
        )  # fmt: skip
        wide = row.out_channels
    parts["conv_last"] = nn.Conv2d(wide, hidden_dim, kernel_size=1)
    return nn.Sequential(parts)


def interpolate_embeddings(
    image_size: int, patch_size: int, model_state: OrderedDict[str, rl.Tensor],
    interpolation_mode: str = "bicubic", reset_heads: bool = False,
) -> OrderedDict[str, rl.Tensor]:  # fmt: skip
    """The weights of a transformer with its positions interpolated for pictures of another size.

    reset_heads: leave the last layers out where the number of positions changes.
    Raises: ValueError for positions of more than one picture, or that make no square.

    >>> import rushlight as torch
    >>> state = {"encoder.pos_embedding": torch.zeros(1, 5, 8)}
    >>> interpolate_embeddings(32, 8, state)["encoder.pos_embedding"].shape
    torch.Size([1, 17, 8])
    """
    positions = model_state["encoder.pos_embedding"]
    n, length, _ = positions.shape
    if n != 1:
        raise ValueError(f"Unexpected position embedding shape: {positions.shape}")
    side = image_size // patch_size
    if side**2 + 1 == length:
        return model_state
    token, grid = positions[:, :1], positions[:, 1:].permute(0, 2, 1)
    before = int(math.sqrt(length - 1))
    if before * before != length - 1:
        raise ValueError(
            "seq_length is not a perfect square! Instead got seq_length_1d * seq_length_1d ="
            f" {before * before} and seq_length = {length - 1}"
        )
    grid = F.interpolate(grid.reshape(1, -1, before, before), size=side,
                         mode=interpolation_mode, align_corners=True)  # fmt: skip
    grid = grid.reshape(1, -1, side * side).permute(0, 2, 1)
    model_state["encoder.pos_embedding"] = rl.cat([token, grid], dim=1)
    if reset_heads:
        kept = [(name, value) for name, value in model_state.items() if name[:5] != "heads"]
        return OrderedDict(kept)
    return model_state


def _built(
    patch: int, layers: int, heads: int, wide: int, inner: int, *, image_size: int = 224,
    **kwargs: Any,
) -> VisionTransformer:  # fmt: skip
    return VisionTransformer(image_size, patch, layers, heads, wide, inner, **kwargs)


def _named(
    size: str, patch: int, count: int, layers: int, heads: int, *widths: int
) -> Callable[..., VisionTransformer]:
    doc = f"ViT-{size.upper()}/{patch}, {{}}; arguments as `VisionTransformer`, `image_size` 224."
    rows = (patch, layers, heads, *widths)
    return variant(_built, f"vit_{size}_{patch}", doc, *rows, count=count)


# size, side of a patch, parameters, layers, heads, width, width inside the MLP
vit_b_16 = _named("b", 16, 86_567_656, 12, 12, 768, 3072)
vit_b_32 = _named("b", 32, 88_224_232, 12, 12, 768, 3072)
vit_l_16 = _named("l", 16, 304_326_632, 24, 16, 1024, 4096)
vit_l_32 = _named("l", 32, 306_535_400, 24, 16, 1024, 4096)
vit_h_14 = _named("h", 14, 632_045_800, 32, 16, 1280, 5120)
