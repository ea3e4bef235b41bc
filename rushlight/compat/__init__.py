"""Let `import torch` and `import torchvision` find rushlight, on request and never by default."""

from .alias import install, installed, uninstall

__all__ = ["install", "installed", "uninstall"]
