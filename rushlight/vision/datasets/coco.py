"""COCO: pictures with boxes, outlines and captions, listed in files of JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ...core.errors import fail
from ...utils.errors import DataError
from ..io import load_pillow
from .archives import Root
from .vision import Transform, VisionDataset


class CocoAnnotations:
    """A file of COCO's annotations: pictures `imgs`, notes `anns`, classes `cats`, by number.

    What CocoDetection needs of pycocotools' COCO, under its names.
    Raises: DataError for a file that is not such a one.

    >>> import json
    >>> import tempfile
    >>> from rushlight.vision import datasets
    >>> from rushlight.vision.datasets.fake import fake_files
    >>> notes = {"images": [{"id": 5, "file_name": "5.jpg"}]}
    >>> notes["annotations"] = [{"id": 1, "image_id": 5, "bbox": [1, 0, 2, 3], "category_id": 7}]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fake_files(folder, {"notes.json": json.dumps(notes)})
    ...     coco = datasets.CocoAnnotations(f"{folder}/notes.json")
    ...     coco.getImgIds(), coco.getAnnIds(5)
    ([5], [1])
    """

    def __init__(self, annotation_file: str) -> None:
        path = Path(annotation_file)
        try:
            self.dataset = json.loads(path.read_text("utf-8"))
            self.imgs = {one["id"]: one for one in self.dataset["images"]}
            self.anns = {one["id"]: one for one in self.dataset.get("annotations", [])}
            self.cats = {one["id"]: one for one in self.dataset.get("categories", [])}
            self.imgToAnns: dict[Any, list[Any]] = {one: [] for one in self.imgs}
            for one in self.anns.values():
                self.imgToAnns.setdefault(one["image_id"], []).append(one)
        except (ValueError, KeyError, TypeError) as error:
            what = f"not annotations as COCO's ({type(error).__name__}: {error})"
            raise fail(DataError, f"{path}: {what}") from error

    def getAnnIds(self, imgIds: Any = ()) -> list[Any]:
        """The numbers of the notes on some pictures (none named: of all)."""
        pictures = _several(imgIds)
        notes = [note for one in pictures for note in self.imgToAnns.get(one, [])]
        return [note["id"] for note in (notes if pictures else self.anns.values())]

    def loadAnns(self, ids: Any = ()) -> list[Any]:
        """The notes of these numbers."""
        return [self.anns[one] for one in _several(ids)]

    def loadImgs(self, ids: Any = ()) -> list[Any]:
        """The pictures of these numbers."""
        return [self.imgs[one] for one in _several(ids)]

    def getCatIds(self) -> list[Any]:
        """The numbers of all classes."""
        return list(self.cats)

    def loadCats(self, ids: Any = ()) -> list[Any]:
        """The classes of these numbers."""
        return [self.cats[one] for one in _several(ids)]

    def getImgIds(self) -> list[Any]:
        """The numbers of all pictures."""
        return list(self.imgs)


def _several(ids: Any) -> list[Any]:
    return list(ids) if isinstance(ids, list | tuple | set) else [ids]


class CocoDetection(VisionDataset):
    """Pictures in `root` with COCO's notes on them, a list of dictionaries; needs Pillow.

    Arguments: `annFile` is a JSON file such as `instances_val2017.json`; it is read without
    pycocotools, into `coco` (a CocoAnnotations). Pictures come by rising numbers (`ids`).
    Raises: DataError for another file; ValueError for an index that is no int.
    Source: T.-Y. Lin et al., https://arxiv.org/abs/1405.0312;
    https://docs.pytorch.org/vision/stable/generated/torchvision.datasets.CocoDetection.html

    >>> import json
    >>> import tempfile
    >>> from rushlight.vision import datasets
    >>> from rushlight.vision.datasets.fake import fake_files
    >>> notes = {"images": [{"id": 5, "file_name": "5.jpg"}]}
    >>> notes["annotations"] = [{"id": 1, "image_id": 5, "bbox": [1, 0, 2, 3], "category_id": 7}]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fake_files(folder, {"notes.json": json.dumps(notes), "5.jpg": 0})
    ...     data = datasets.CocoDetection(folder, f"{folder}/notes.json")
    ...     data[0][0].size, data[0][1][0]["bbox"]
    ((6, 4), [1, 0, 2, 3])
    """

    def __init__(
        self,
        root: Root,
        annFile: str,
        transform: Transform | None = None,
        target_transform: Transform | None = None,
        transforms: Transform | None = None,
    ) -> None:
        super().__init__(root, transforms, transform, target_transform)
        self.coco = CocoAnnotations(annFile)
        self.ids = sorted(self.coco.imgs)

    def _load_image(self, id: int) -> Any:
        return load_pillow(self._home / self.coco.loadImgs(id)[0]["file_name"], "RGB")

    def _load_target(self, id: int) -> list[Any]:
        return self.coco.loadAnns(self.coco.getAnnIds(id))

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        if not isinstance(index, int):
            raise ValueError(f"Index must be of type integer, got {type(index)} instead.")
        number = self.ids[index]
        return self._transformed(self._load_image(number), self._load_target(number))

    def __len__(self) -> int:
        return len(self.ids)


class CocoCaptions(CocoDetection):
    """As CocoDetection, with captions (a list of texts) for targets.

    Source: X. Chen et al., https://arxiv.org/abs/1504.00325;
    https://docs.pytorch.org/vision/stable/generated/torchvision.datasets.CocoCaptions.html

    >>> import json
    >>> import tempfile
    >>> from rushlight.vision import datasets
    >>> from rushlight.vision.datasets.fake import fake_files
    >>> notes = {"images": [{"id": 5, "file_name": "5.jpg"}]}
    >>> notes["annotations"] = [{"id": 1, "image_id": 5, "caption": "Two cats."}]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fake_files(folder, {"notes.json": json.dumps(notes), "5.jpg": 0})
    ...     datasets.CocoCaptions(folder, f"{folder}/notes.json")[0][1]
    ['Two cats.']
    """

    def _load_target(self, id: int) -> list[str]:
        return [note["caption"] for note in super()._load_target(id)]
