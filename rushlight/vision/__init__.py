"""Pictures: data sets, transforms, networks and files, under torchvision's names."""

from . import datasets, io, models, ops, transforms, tv_tensors, utils

__version__ = "0.28.0"  # of torchvision, whose interface this is
