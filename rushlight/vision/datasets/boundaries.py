"""SBDataset: where objects end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ...utils.download import Expected
from ...utils.download import download as fetch
from ..io import as_image, load_pillow
from .archives import NOT_WHOLE, Archive, Root, choose, find_home, need, read_lines
from .matlab import read_matlab
from .vision import Transform, VisionDataset


class SBDataset(VisionDataset):
    """Pictures of PASCAL VOC 2011 with the edges of their objects; needs Pillow and SciPy.

    Arguments: `image_set` is "train", "val" or "train_noval" (without those that VOC 2012
    validates with); `mode` "boundaries" gives a uint8 array (20, H, W), "segmentation" a picture
    of class numbers. Files: `root/img/*.jpg`, `root/cls/*.mat`, `root/train.txt`, ...
    Raises: RuntimeError "Dataset not found or corrupted..."; ValueError.
    Source: B. Hariharan et al., ICCV 2011;
    https://docs.pytorch.org/vision/stable/generated/torchvision.datasets.SBDataset.html

    >>> import tempfile
    >>> from rushlight.vision import datasets
    >>> from rushlight.vision.datasets.fake import fake_files
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fake_files(folder, {"img/a.jpg": 0, "cls/a.mat": b"", "train.txt": "a\\n"})
    ...     data = datasets.SBDataset(folder)
    ...     len(data), data.num_classes
    (1, 20)
    """

    url = (
        "https://www2.eecs.berkeley.edu/Research/Projects/CS/vision/grouping/semantic_contours/"
        "benchmark.tgz"
    )
    md5 = "82b4d87ceb2ed10f6038a1cba92111cb"
    voc_train_url = "https://www.cs.cornell.edu/~bharathh/train_noval.txt"
    voc_split_md5 = "79bff800c5f0b1ec6b21080a3c066722"

    def __init__(
        self,
        root: Root,
        image_set: str = "train",
        mode: str = "boundaries",
        download: bool = False,
        transforms: Transform | None = None,
    ) -> None:
        super().__init__(root, transforms)
        self.image_set = choose(image_set, "image_set", ("train", "val", "train_noval"))
        self.mode = choose(mode, "mode", ("segmentation", "boundaries"))
        self.num_classes = 20
        names = "img", "cls", f"{image_set}.txt"
        base = self._base = find_home(root, *names)
        paths = [base / name for name in names]
        need(paths, NOT_WHOLE, self._download if download else None)
        listed = read_lines(paths[-1])
        self.images = [str(base / "img" / f"{name}.jpg") for name in listed]
        self.masks = [str(base / "cls" / f"{name}.mat") for name in listed]

    def _download(self) -> None:
        """Fetch and unpack the set (1.4 GB), and the list that its archive lacks."""
        if not (self._base / "img").exists():
            Archive(self.url, self.md5).fetch(self._base)
            for path in (self._base / "benchmark_RELEASE" / "dataset").iterdir():
                path.replace(self._base / path.name)
        if self.image_set == "train_noval":
            path = self._base / "train_noval.txt"
            fetch(self.voc_train_url, path, Expected(md5=self.voc_split_md5))

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        image = load_pillow(self.images[index], "RGB")
        return self._transformed(image, self._target(Path(self.masks[index])))

    def _target(self, path: Path) -> Any:
        found = read_matlab(path, squeeze=False)["GTcls"][0]
        if self.mode == "segmentation":
            return as_image(found["Segmentation"][0])
        edges = found["Boundaries"][0]
        return np.stack([edges[place][0].toarray() for place in range(self.num_classes)])

    def __len__(self) -> int:
        return len(self.images)

    def extra_repr(self) -> str:
        return f"Image set: {self.image_set}\nMode: {self.mode}"
