"""Pictures: data sets, transforms, networks and files, under torchvision's names."""

from . import datasets, io, models, ops, transforms, tv_tensors, utils

__version__ = "0.28.0"  # of torchvision, whose interface this is


def get_image_backend() -> str:
    """What reads pictures: always "PIL"."""
    return "PIL"


def set_image_backend(backend: str) -> None:
    """Nothing for "PIL"; ValueError for anything else, as there is nothing else."""
    if backend != "PIL":
        raise ValueError(f"Invalid backend '{backend}'. Options are 'PIL' and 'accimage'")


def disable_beta_transforms_warning() -> None:
    """Nothing: there is no such warning any more; older programs still call this."""
