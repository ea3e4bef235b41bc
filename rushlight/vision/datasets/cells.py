"""PCAM: patches of lymph nodes, in files of HDF5; the one place where h5py is imported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...core.errors import fail
from ...utils.archive import extract_single
from ...utils.errors import DataError, describe_file
from ..io import as_image
from .archives import NOT_FOUND, Root, choose, fetch_from_drive, find_home, need
from .vision import Transform, VisionDataset

_X = {"train": ("1Ka0XfEMiwgCYPdTI-vv6eUElOBnKFKQ2", "1571f514728f59376b705fc836ff4b63"),
      "test": ("1qV65ZqZvWzuIVthK8eVDhIwrbnsJdbg_", "d8c2d60d490dbd479f8199bdfa0cf6ec"),
      "val": ("1hgshYGWK8V-eGRy8LToWJJgDU_rXWVJ3", "d5b63470df7cfa627aeec8b9dc0c066e")}  # fmt: skip
_Y = {"train": ("1269yhu3pZDP8UYFQs-NYs3FPwuK-nGSG", "35c2d7259d906cfc8143347bb8e05be7"),
      "test": ("17BHrSrwWKjYsOgTMmoqrIjDy6Fa2o_gP", "60a7035772fbdb7f34eb86d4420cf66a"),
      "val": ("1bH8ZRbhSVAhScTS0p9-ZzGnX91cHT3uO", "2b85f58b927af9964a4c15b8f7e8f179")}  # fmt: skip


class PCAM(VisionDataset):
    """Patches of 96x96 pixels of lymph nodes, and whether there is a tumour in the middle.

    An item is (picture, 0 or 1), 262,144 in "train", 32,768 in each of "val" and "test"; needs
    h5py. Arguments: `split` is "train", "val" or "test".
    Files: `root/pcam/camelyonpatch_level_2_split_{split}_{x,y}.h5`, where "val" is "valid".
    Raises: ValueError for another split; RuntimeError without h5py or files; DataError.
    Source: B. Veeling et al., MICCAI 2018;
    https://docs.pytorch.org/vision/stable/generated/torchvision.datasets.PCAM.html

    >>> from rushlight.vision import datasets
    >>> try:  # h5py or the files are missing
    ...     datasets.PCAM("no-such-folder")
    ... except RuntimeError as error:
    ...     print("not found" in str(error))
    True
    """

    def __init__(
        self,
        root: Root,
        split: str = "train",
        transform: Transform | None = None,
        target_transform: Transform | None = None,
        download: bool = False,
    ) -> None:
        try:
            import h5py  # pyright: ignore[reportMissingImports]  # an extra
        except ImportError as error:
            raise fail(
                RuntimeError,
                "h5py is not found. This dataset needs to have h5py installed: please run pip"
                " install h5py",
            ) from error
        self.h5py = h5py
        self._split = choose(split, "split", ("train", "test", "val"))
        super().__init__(root, transform=transform, target_transform=target_transform)
        part = "valid" if split == "val" else split
        names = [f"camelyonpatch_level_2_split_{part}_{which}.h5" for which in "xy"]
        self._base_folder = find_home(root, *names, below=["pcam"])
        self._files = [self._base_folder / name for name in names]
        need(self._files, NOT_FOUND, self._download if download else None)

    def _download(self) -> None:
        for path, (key, md5) in zip(self._files, (_X[self._split], _Y[self._split])):
            packed = path.with_name(f"{path.name}.gz")
            fetch_from_drive(key, packed, md5)
            extract_single(packed)

    def _read(self, path: Path, name: str, index: Any = None) -> Any:
        """An entry of the array in a file, or how many there are."""
        try:
            with self.h5py.File(path, "r") as file:
                return len(file[name]) if index is None else file[name][index]
        except (OSError, KeyError) as error:
            what = describe_file(path) or str(error)
            raise fail(DataError, f"{path}: {what}") from error

    def __len__(self) -> int:
        return self._read(self._files[0], "x")

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        index = range(len(self))[index]
        image = as_image(self._read(self._files[0], "x", index))
        return self._transformed(image, int(self._read(self._files[1], "y", index).reshape(-1)[0]))
