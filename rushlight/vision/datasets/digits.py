"""The handwritten digits that come with the package, so that training needs no network."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

import rushlight as rl

from .idx import read_idx
from .splits import stratified_split
from .vision import GreyPictures, Transform

FOLDER = Path(__file__).resolve().parents[1] / "data"
HELD_OUT = 360
SEED = 0


class Digits(GreyPictures):
    """1,797 grey 8x8 pictures of handwritten digits, 0 to 9.

    The pictures are in the package: nothing is downloaded and `root` and `download` are
    accepted only so that other data sets can be swapped in. 1,437 train and 360 are held out,
    class by class, with seed 0 (see `splits.stratified_split`). Stored values 0 to 16 are
    scaled to 0 to 255. `data` is a uint8 tensor (N, 8, 8), `targets` an int64 tensor (N,).

    >>> from rushlight.vision.datasets import Digits
    >>> len(Digits(train=True)), len(Digits(train=False))
    (1437, 360)

    Source: E. Alpaydin, C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine
    Learning Repository, 1998, https://doi.org/10.24432/C50P49 (its test set), CC BY 4.0, by
    way of scikit-learn; scaled and split here.
    """

    def __init__(
        self,
        root: str | os.PathLike[str] | None = None,
        train: bool = True,
        transform: Transform | None = None,
        target_transform: Transform | None = None,
        download: bool = False,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.train = train
        levels = read_idx(FOLDER / "digits-images-idx3-ubyte.gz").astype(np.uint16)
        targets = read_idx(FOLDER / "digits-labels-idx1-ubyte.gz").astype(np.int64)
        part = stratified_split(targets, HELD_OUT, SEED)[0 if train else 1]
        self.data = rl.from_numpy(((levels[part] * 255 + 8) // 16).astype(np.uint8))
        self.targets = rl.from_numpy(targets[part])
