"""Networks for films (N, 3, T, H, W)."""

from ..weights import KINDS as _KINDS
from .resnet import VideoResNet, mc3_18, r2plus1d_18, r3d_18

_FAMILIES = ("R3D", "MC3", "R2Plus1D")
globals().update({name: kind for name, kind in _KINDS.items() if name.startswith(_FAMILIES)})
