"""Networks for films (N, 3, T, H, W)."""

from ..weights import KINDS as _KINDS
from .mvit import MViT, mvit_v1_b, mvit_v2_s
from .resnet import VideoResNet, mc3_18, r2plus1d_18, r3d_18
from .s3d import S3D, s3d
from .swin_transformer import SwinTransformer3d, swin3d_b, swin3d_s, swin3d_t

_FAMILIES = ("MViT", "R3D", "MC3", "R2Plus1D", "S3D", "Swin3D")
globals().update({name: kind for name, kind in _KINDS.items() if name.startswith(_FAMILIES)})
