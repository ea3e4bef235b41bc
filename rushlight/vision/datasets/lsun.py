"""LSUN: scenes in databases of LMDB; the one place where lmdb is imported."""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Iterable
from itertools import accumulate
from pathlib import Path
from typing import Any

from ...core.errors import fail
from ..io import decode_pillow
from .archives import Root
from .vision import Transform, VisionDataset

_SCENES = (
    "bedroom", "bridge", "church_outdoor", "classroom", "conference_room", "dining_room", "kitchen",
    "living_room", "restaurant", "tower",
)  # fmt: skip
_SPLITS = ("train", "val", "test")


class LSUNClass(VisionDataset):
    """The pictures of one database: an item is (picture, None); needs lmdb and Pillow.

    Raises: ImportError that tells what to install; DataError for a broken picture.

    >>> from rushlight.vision import datasets
    >>> try:  # lmdb or the folder is missing
    ...     datasets.LSUNClass("no-such-folder")
    ... except Exception as error:
    ...     print("lmdb" in type(error).__module__ or "lmdb" in str(error))
    True
    """

    def __init__(
        self, root: Root, transform: Transform | None = None,
        target_transform: Transform | None = None,
    ) -> None:  # fmt: skip
        try:
            import lmdb  # pyright: ignore[reportMissingImports]  # an extra
        except ImportError as error:
            error.add_note("this data set is in databases of LMDB: pip install lmdb")
            raise
        super().__init__(root, transform=transform, target_transform=target_transform)
        self._path = os.fspath(root)
        self.env = lmdb.open(
            self._path, max_readers=1, readonly=True, lock=False, readahead=False, meminit=False
        )
        with self.env.begin(write=False) as transaction:
            self.keys = [bytes(key) for key in transaction.cursor().iternext(values=False)]
        self.length = len(self.keys)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        with self.env.begin(write=False) as transaction:
            data = transaction.get(self.keys[index])
        name = self.keys[index].decode(errors="replace")
        image = decode_pillow(bytes(data), f"{self._path}:{name}", "RGB")
        return self._transformed(image, None)

    def __len__(self) -> int:
        return self.length


class LSUN(VisionDataset):
    """Pictures of ten kinds of scenes: an item is (picture, place of its class in `classes`).

    Arguments: `classes` is "train", "val" or "test", or names as ["bedroom_train"]; needs lmdb and
    Pillow. Files: `root/{class}_lmdb/`.
    Raises: ValueError for unknown classes; ImportError that tells what to install.
    Source: F. Yu et al., "LSUN", 2015, https://arxiv.org/abs/1506.03365;
    https://docs.pytorch.org/vision/stable/generated/torchvision.datasets.LSUN.html

    >>> from rushlight.vision import datasets
    >>> datasets.LSUN(".", ["garden_train"])  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    ValueError: Unknown value 'garden' for LSUN class. Valid values are ...
    """

    def __init__(
        self, root: Root, classes: str | Iterable[str] = "train",
        transform: Transform | None = None, target_transform: Transform | None = None,
    ) -> None:  # fmt: skip
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.classes = _verified(classes)
        folder = Path(root)
        self.dbs = [LSUNClass(folder / f"{name}_lmdb", transform) for name in self.classes]
        self.indices = list(accumulate(map(len, self.dbs)))
        self.length = self.indices[-1] if self.indices else 0

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        index = range(self.length)[index]
        target = bisect_right(self.indices, index)
        before = self.indices[target - 1] if target else 0
        image, _ = self.dbs[target][index - before]
        return image, target if self.target_transform is None else self.target_transform(target)

    def __len__(self) -> int:
        return self.length

    def extra_repr(self) -> str:
        """Which classes, in torchvision's words."""
        return "Classes: {classes}".format(**self.__dict__)


def _verified(classes: Any) -> list[str]:
    if isinstance(classes, str) and classes in _SPLITS:
        return [classes] if classes == "test" else [f"{scene}_{classes}" for scene in _SCENES]
    if not isinstance(classes, Iterable):
        raise ValueError(
            f"Expected type str or Iterable for argument classes, but got type {type(classes)}."
        )
    names = list(classes)
    for name in names:
        if not isinstance(name, str):
            raise ValueError(f"Expected type str, but got type {type(name)}.")
        scene, _, split = name.rpartition("_")
        for value, what, known in ((scene, "LSUN class", _SCENES), (split, "postfix", _SPLITS)):
            if value not in known:
                valid = "', '".join(known)
                raise fail(
                    ValueError,
                    f"Unknown value '{value}' for {what}. Valid values are {{'{valid}'}}.",
                )
    return names
