"""What all picture data sets share: a root, transforms, a readable repr."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import rushlight as rl

from ...utils.cache import cache_home
from ..io import as_image

Transform = Callable[..., Any]


class StandardTransform:
    """Apply one transform to the picture and another to the target.

    >>> from rushlight.vision.datasets.vision import StandardTransform
    >>> StandardTransform(lambda x: x + 1, lambda y: -y)(1, 2)
    (2, -2)
    """

    def __init__(
        self, transform: Transform | None = None, target_transform: Transform | None = None
    ) -> None:
        self.transform = transform
        self.target_transform = target_transform

    def __call__(self, input: Any, target: Any) -> tuple[Any, Any]:
        if self.transform is not None:
            input = self.transform(input)
        if self.target_transform is not None:
            target = self.target_transform(target)
        return input, target

    def __repr__(self) -> str:
        lines = [type(self).__name__]
        for head, step in (
            ("Transform: ", self.transform),
            ("Target transform: ", self.target_transform),
        ):
            if step is not None:
                lines.append(head + repr(step).replace("\n", "\n" + " " * len(head)))
        return "\n".join(lines)


class VisionDataset(rl.utils.data.Dataset):
    """Base of the picture data sets: `root` and either `transforms` or the two single ones.

    Raises: ValueError when both forms of transform are given.
    Source: https://docs.pytorch.org/vision/stable/datasets.html

    >>> from rushlight.vision import datasets
    >>> class Squares(datasets.VisionDataset):
    ...     def __getitem__(self, index):
    ...         return self._transformed(index, index**2)
    ...     def __len__(self):
    ...         return 3
    >>> Squares(target_transform=lambda y: -y)[2]
    (2, -4)
    """

    def __init__(
        self,
        root: str | os.PathLike[str] | None = None,
        transforms: Transform | None = None,
        transform: Transform | None = None,
        target_transform: Transform | None = None,
    ) -> None:
        self.root = os.path.expanduser(root) if isinstance(root, str) else root
        single = transform is not None or target_transform is not None
        if transforms is not None and single:
            raise ValueError(
                "Only transforms or transform/target_transform can be passed as argument"
            )
        self.transform = transform
        self.target_transform = target_transform
        self.transforms = StandardTransform(transform, target_transform) if single else transforms

    def __getitem__(self, index: int) -> Any:
        raise NotImplementedError

    def __len__(self) -> int:
        raise NotImplementedError

    def _transformed(self, image: Any, target: Any) -> tuple[Any, Any]:
        """The pair after the transforms; read anew, since users assign `.transform` later."""
        if self.transform is not None:
            image = self.transform(image)
        if self.target_transform is not None:
            target = self.target_transform(target)
        if self.transforms is not None and not isinstance(self.transforms, StandardTransform):
            image, target = self.transforms(image, target)
        return image, target

    @property
    def _home(self) -> Path:
        """The folder of downloads: the root that was given, or the cache."""
        return default_root() if self.root is None else Path(self.root).expanduser()

    def extra_repr(self) -> str:
        """Further lines for the repr; for subclasses to fill."""
        return ""

    def __repr__(self) -> str:
        lines = [f"Number of datapoints: {len(self)}"]
        if self.root is not None:
            lines.append(f"Root location: {self.root}")
        lines += self.extra_repr().splitlines()
        if self.transforms is not None:
            lines.append(repr(self.transforms))
        return "\n".join([f"Dataset {type(self).__name__}", *(f"    {line}" for line in lines)])


class GreyPictures(VisionDataset):
    """Grey pictures in one uint8 tensor, `data` (N, H, W), with their labels in `targets` (N,)."""

    data: rl.Tensor
    targets: rl.Tensor
    train: bool
    classes = [
        "0 - zero", "1 - one", "2 - two", "3 - three", "4 - four", "5 - five", "6 - six",
        "7 - seven", "8 - eight", "9 - nine",
    ]  # fmt: skip

    @property
    def class_to_idx(self) -> dict[str, int]:
        """From class name to label."""
        return {name: index for index, name in enumerate(self.classes)}

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        return self._transformed(as_image(self.data[index].numpy()), int(self.targets[index]))

    def __len__(self) -> int:
        return len(self.data)

    def extra_repr(self) -> str:
        return f"Split: {'Train' if self.train else 'Test'}"


def search_roots(root: str | os.PathLike[str] | None) -> list[Path]:
    """Folders in which data sets are looked for: $RUSHLIGHT_DATA, `root`, the cache."""
    data = os.environ.get("RUSHLIGHT_DATA")
    roots = [Path(data).expanduser()] if data else []
    if root is not None:
        roots.append(Path(root).expanduser())
    return [*roots, default_root()]


def default_root() -> Path:
    """Where downloads go when the user names no root."""
    return cache_home() / "datasets"
