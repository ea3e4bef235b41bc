"""Pictures: data sets, transforms, files; torchvision's names."""

from . import datasets, io, models, ops, transforms, tv_tensors, utils
