"""Pictures: data sets, transforms, networks and files, under torchvision's names."""

from . import datasets, io, models, ops, transforms, tv_tensors, utils
