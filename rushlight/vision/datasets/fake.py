"""Random pictures and folders of small files, for trying a pipeline without data."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

import rushlight as rl

from ..io import as_image, pillow
from .vision import Transform, VisionDataset


class FakeData(VisionDataset):
    """`size` pictures of normal noise, each drawn from a generator seeded with its index.

    The same index gives the same picture, and torch's for that index, since the draws and
    their order are torchvision's. The global generator is left as it was.

    >>> from rushlight.vision.datasets import FakeData
    >>> len(FakeData(size=3, image_size=(3, 8, 8)))
    3

    Raises: IndexError beyond the end.
    Source: https://docs.pytorch.org/vision/stable/generated/torchvision.datasets.FakeData.html
    """

    def __init__(
        self,
        size: int = 1000,
        image_size: tuple[int, int, int] = (3, 224, 224),
        num_classes: int = 10,
        transform: Transform | None = None,
        target_transform: Transform | None = None,
        random_offset: int = 0,
    ) -> None:
        super().__init__(None, transform=transform, target_transform=target_transform)
        self.size = size
        self.num_classes = num_classes
        self.image_size = image_size
        self.random_offset = random_offset

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        if index >= len(self):
            raise IndexError(f"{type(self).__name__} index out of range")
        before = rl.get_rng_state()
        rl.manual_seed(index + self.random_offset)
        noise = rl.randn(*self.image_size)
        target = int(rl.randint(0, self.num_classes, size=(1,), dtype=rl.long)[0])
        rl.set_rng_state(before)
        # negative floats to bytes: C leaves it open, wrapping is what torch's CPU does
        pixels = (noise.numpy() * 255).astype(np.int64).astype(np.uint8).transpose(1, 2, 0)
        pixels = np.ascontiguousarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
        return self._transformed(as_image(pixels), target)

    def __len__(self) -> int:
        return self.size


def fake_files(root: Any, files: Mapping[str, Any]) -> None:
    """Write small files below the folder `root`, so that a data set finds there what it looks for.

    Arguments: `files` maps a path below `root` to its content: bytes; a text; an array of uint8 or
    uint16, (H, W) or (H, W, 3), or a number, the shade of 6x4 pixels, as a picture (needs Pillow).
    An array for a name in `.npy` is stored by NumPy. `a/{b,c}` stands for `a/b` and `a/c`.
    Raises: OSError where a file cannot be written; ImportError for a picture without Pillow.
    Source: ours; torchvision's data sets are tried on what their homes serve.

    >>> import tempfile
    >>> from rushlight.vision import datasets
    >>> from rushlight.vision.datasets.fake import fake_files
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fake_files(folder, {"{cat,dog}/1.png": 0})
    ...     datasets.ImageFolder(folder).classes
    ['cat', 'dog']
    """
    for names, content in files.items():
        for name in _spelled(names):
            path = Path(root, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, str):
                path.write_text(content, encoding="utf-8")
            elif isinstance(content, bytes):
                path.write_bytes(content)
            elif path.suffix == ".npy":
                np.save(path, content)
            else:
                shade = isinstance(content, int)
                pixels = np.full((4, 6, 3), content, np.uint8) if shade else content
                pillow().fromarray(pixels).save(path)


def _spelled(names: str) -> list[str]:
    """The names that one with alternatives in braces stands for."""
    found = re.match(r"(.*?)\{(.*?)\}(.*)", names)
    if found is None:
        return [names]
    start, middle, end = found.groups()
    return [name for one in middle.split(",") for name in _spelled(start + one + end)]
