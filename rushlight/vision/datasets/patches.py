"""PhotoTour: patches of photographs that show the same points."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import rushlight as rl

from ...core.errors import fail
from ...utils.archive import extract
from ...utils.download import Expected
from ...utils.download import download as fetch
from ...utils.errors import DataError
from ..io import load_pillow
from .archives import Root, find_home
from .vision import Transform, VisionDataset

SIDE = 64
ADDRESS = "http://matthewalunbrown.com/patchdata/"
OTHER = "http://icvl.ee.ic.ac.uk/vbalnt/"


class PhotoTour(VisionDataset):
    """Grey patches of 64x64 around points of three sights, and pairs of patches; needs Pillow.

    Arguments: `name` is "notredame", "yosemite", "liberty", each also with "_harris". With `train`
    an item is a patch, else two patches and whether they show one point (1) or two (0). `data` is
    uint8 (N, 64, 64), `labels` (N,), `matches` (M, 3) int64; they are kept in `root/{name}.pt`.
    Files: `root/{name}/*.bmp`, `info.txt`, `m50_100000_100000_0.txt`.
    Raises: KeyError for another name; FileNotFoundError; DataError.
    Source: S. Winder, M. Brown, CVPR 2007;
    https://docs.pytorch.org/vision/stable/generated/torchvision.datasets.PhotoTour.html

    >>> import numpy as np
    >>> import tempfile
    >>> from rushlight.vision import datasets
    >>> from rushlight.vision.datasets.fake import fake_files
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fake_files(folder, {
    ...         "liberty/patches0.bmp": np.zeros((64, 128), np.uint8),
    ...         "liberty/info.txt": "3 0\\n4 0\\n",
    ...         "liberty/m50_100000_100000_0.txt": "0 3 0 1 4 0 0\\n",
    ...     })
    ...     data = datasets.PhotoTour(folder, "liberty")
    ...     data.data.shape, data.labels
    (torch.Size([2, 64, 64]), tensor([3, 4]))
    """

    _known = {
        "notredame": (OTHER, "509eda8535847b8c0a90bbb210c83484", 0.4854, 0.1864, 468159),
        "yosemite": (OTHER, "533b2e8eb7ede31be40abc317b2fd4f0", 0.4844, 0.1818, 633587),
        "liberty": (OTHER, "fdd9152f138ea5ef2091746689176414", 0.4437, 0.2019, 450092),
        "notredame_harris": (ADDRESS, "69f8c90f78e171349abdf0307afefe4d", 0.4854, 0.1864, 325295),
        "yosemite_harris": (ADDRESS, "a73253d1c6fbd3ba2613c45065c00d46", 0.4844, 0.1818, 450912),
        "liberty_harris": (ADDRESS, "c731fcfb3abb4091110d0ae8c7ba182c", 0.4437, 0.2019, 379587),
    }
    urls = {name: [f"{row[0]}{name}.zip", f"{name}.zip", row[1]] for name, row in _known.items()}
    means = {name: row[2] for name, row in _known.items()}
    stds = {name: row[3] for name, row in _known.items()}
    lens = {name: row[4] for name, row in _known.items()}
    image_ext = "bmp"
    info_file = "info.txt"
    matches_files = "m50_100000_100000_0.txt"

    def __init__(
        self,
        root: Root,
        name: str,
        train: bool = True,
        transform: Transform | None = None,
        download: bool = False,
    ) -> None:
        super().__init__(root, transform=transform)
        self.name, self.train = name, train
        self.mean, self.std = self.means[name], self.stds[name]
        packed = find_home(root, f"{name}.pt")
        home = packed if (packed / f"{name}.pt").exists() else find_home(root, name)
        self.data_dir, self.data_file = str(home / name), str(home / f"{name}.pt")
        if not Path(self.data_file).exists():
            if download and not Path(self.data_dir).exists():
                self.download()
            self.cache()
        self.data, self.labels, self.matches = rl.load(self.data_file, weights_only=True)

    def download(self) -> None:
        """Fetch and unpack the patches of this sight."""
        address, name, md5 = self.urls[self.name]
        path = Path(self.data_dir).with_name(name)
        extract(fetch(address, path, Expected(md5=md5)), self.data_dir)
        path.unlink()

    def cache(self) -> None:
        """Read the patches and lists and keep them in one file."""
        folder = Path(self.data_dir)
        pictures = sorted(path for path in folder.iterdir() if path.suffix == f".{self.image_ext}")
        patches = [_cut(np.asarray(load_pillow(path, "L"))) for path in pictures]
        data = np.concatenate(patches)[: self.lens[self.name]]
        labels = _table(folder / self.info_file, (0,))[:, 0]
        table = _table(folder / self.matches_files, (0, 1, 3, 4))
        matches = np.stack([table[:, 0], table[:, 2], table[:, 1] == table[:, 3]], 1)
        rl.save(tuple(rl.from_numpy(one) for one in (data, labels.copy(), matches)), self.data_file)

    def __getitem__(self, index: int) -> Any:
        if self.train:
            return self._one(index)
        match = self.matches[index]
        return self._one(match[0]), self._one(match[1]), match[2]

    def _one(self, index: Any) -> Any:
        patch = self.data[index]
        return patch if self.transform is None else self.transform(patch)

    def __len__(self) -> int:
        return len(self.data if self.train else self.matches)

    def extra_repr(self) -> str:
        return f"Split: {'Train' if self.train else 'Test'}"


def _cut(sheet: np.ndarray) -> np.ndarray:
    """The patches of a sheet, row by row: (N, 64, 64)."""
    rows, columns = (size // SIDE for size in sheet.shape)
    if sheet.shape != (rows * SIDE, columns * SIDE):
        raise DataError(f"a sheet of {sheet.shape} is not made of patches of {SIDE}x{SIDE}")
    return sheet.reshape(rows, SIDE, columns, SIDE).swapaxes(1, 2).reshape(-1, SIDE, SIDE)


def _table(path: Path, columns: tuple[int, ...]) -> np.ndarray:
    """Some columns of whole numbers of a text file."""
    try:
        return np.loadtxt(path, np.int64, usecols=columns, ndmin=2)
    except ValueError as error:
        raise fail(DataError, f"{path}: {error}") from error
