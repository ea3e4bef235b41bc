"""Photographs with sentences about them: Flickr8k, Flickr30k, SBU."""

from __future__ import annotations

import glob
import os
from html.parser import HTMLParser
from pathlib import Path, PurePosixPath
from typing import Any

from ...core.errors import fail
from ...utils.download import download as fetch
from ...utils.errors import DataError, DownloadError
from .archives import NOT_WHOLE, Archive, Loader, Root, find_home, need
from .folder import default_loader
from .vision import Transform, VisionDataset


class _Captioned(VisionDataset):
    """Pictures in `root` with several captions each, by the pictures' names (`ids`)."""

    annotations: dict[str, list[str]]

    def __init__(
        self,
        root: Root,
        ann_file: str,
        transform: Transform | None = None,
        target_transform: Transform | None = None,
        loader: Loader = default_loader,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.ann_file = os.path.expanduser(ann_file)
        self.annotations = self._captions(Path(self.ann_file).read_text("utf-8"))
        self.ids = sorted(self.annotations)
        self.loader = loader

    def _captions(self, text: str) -> dict[str, list[str]]:
        raise NotImplementedError

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        name = self.ids[index]
        image = self.loader(os.path.join(self._home, name))
        return self._transformed(image, self.annotations[name])

    def __len__(self) -> int:
        return len(self.ids)


class _Page(HTMLParser):
    """Collects the captions of Flickr8k's web page: links to pictures, each with a list."""

    def __init__(self, root: Path) -> None:
        super().__init__()
        self.root, self.found = root, dict[str, list[str]]()
        self.inside, self.tag, self.picture = False, "", ""

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tag, self.inside = tag, self.inside or tag == "table"

    def handle_endtag(self, tag: str) -> None:
        self.tag, self.inside = "", self.inside and tag != "table"

    def handle_data(self, data: str) -> None:
        if not self.inside:
            return
        if data == "Image Not Found":
            self.picture = ""
        elif self.tag == "a":
            number = data.split("/")[-2]
            names = sorted(glob.glob(f"{glob.escape(number)}_*.jpg", root_dir=self.root))
            self.picture = str(self.root / names[0])
            self.found[self.picture] = []
        elif self.tag == "li" and self.picture:
            self.found[self.picture].append(data.strip())


class Flickr8k(_Captioned):
    """8,091 photographs with five sentences each; needs Pillow.

    Arguments: `ann_file` is the web page that lists them. Files: `root/{number}_*.jpg`.
    Raises: FileNotFoundError; DataError for a page with pictures that are not there.
    Source: M. Hodosh, P. Young, J. Hockenmaier, JAIR 2013;
    https://docs.pytorch.org/vision/stable/generated/torchvision.datasets.Flickr8k.html

    >>> import tempfile
    >>> from rushlight.vision import datasets
    >>> from rushlight.vision.datasets.fake import fake_files
    >>> page = "<table><a>http://x.org/x/12/</a><ul><li>A bird.</ul></table>"
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fake_files(folder, {"12_a.jpg": 0, "page.html": page})
    ...     datasets.Flickr8k(folder, f"{folder}/page.html")[0][1]
    ['A bird.']
    """

    def _captions(self, text: str) -> dict[str, list[str]]:
        page = _Page(self._home)
        try:
            page.feed(text)
        except IndexError as error:
            what = "it names a picture that is not there, or by no address of Flickr's"
            raise fail(DataError, f"{self.ann_file}: {what}", f"looked in {self._home}") from error
        return page.found


class Flickr30k(_Captioned):
    """31,783 photographs with five sentences each; needs Pillow.

    Arguments: `ann_file` has a line a sentence: `1000092795.jpg#0`, a tab, the sentence. Files:
    `root/*.jpg`.
    Raises: FileNotFoundError; DataError for another list.
    Source: P. Young et al., TACL 2014;
    https://docs.pytorch.org/vision/stable/generated/torchvision.datasets.Flickr30k.html

    >>> import tempfile
    >>> from rushlight.vision import datasets
    >>> from rushlight.vision.datasets.fake import fake_files
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fake_files(folder, {
    ...         "12.jpg": 0,
    ...         "list.token": "12.jpg#0\\tA bird.\\n12.jpg#1\\tOne bird.\\n",
    ...     })
    ...     datasets.Flickr30k(folder, f"{folder}/list.token")[0][1]
    ['A bird.', 'One bird.']
    """

    def _captions(self, text: str) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for number, line in enumerate(text.splitlines(), 1):
            words = line.strip().split("\t")
            if len(words) != 2:
                raise DataError(f"{self.ann_file}: line {number} is not a name, a tab, a sentence")
            found.setdefault(words[0][:-2], []).append(words[1])
        return found


class SBU(VisionDataset):
    """Up to a million photographs with a sentence each, of which many are gone; needs Pillow.

    `download=True`, the default here, fetches the list and then each photograph from its own
    address. `photos` are their names, `captions` the sentences. Files:
    `root/dataset/SBU_captioned_photo_dataset_{urls,captions}.txt` and the photographs beside them.
    Raises: RuntimeError "Dataset not found or corrupted...".
    Source: V. Ordonez, G. Kulkarni, T. Berg, NeurIPS 2011;
    https://docs.pytorch.org/vision/stable/generated/torchvision.datasets.SBU.html

    >>> import tempfile
    >>> from rushlight.vision import datasets
    >>> from rushlight.vision.datasets.fake import fake_files
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fake_files(folder, {
    ...         "dataset/2.jpg": 0,
    ...         "SBUCaptionedPhotoDataset.tar.gz": b"",
    ...         "dataset/SBU_captioned_photo_dataset_urls.txt":
    ...             "http://x.org/1.jpg\\nhttp://x.org/2.jpg\\n",
    ...         "dataset/SBU_captioned_photo_dataset_captions.txt": "One.\\nTwo.\\n",
    ...     })
    ...     data = datasets.SBU(folder, download=False)
    ...     data.photos, data.captions
    (['2.jpg'], ['Two.'])
    """

    url = "https://www.cs.rice.edu/~vo9/sbucaptions/SBUCaptionedPhotoDataset.tar.gz"
    filename = "SBUCaptionedPhotoDataset.tar.gz"
    md5_checksum = "9aec147b3488753cf758b4d493422285"

    def __init__(
        self,
        root: Root,
        transform: Transform | None = None,
        target_transform: Transform | None = None,
        download: bool = True,
        loader: Loader = default_loader,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.loader = loader
        names = [f"dataset/SBU_captioned_photo_dataset_{one}.txt" for one in ("urls", "captions")]
        base = find_home(root, *names)
        self._folder, lists = base / "dataset", [base / name for name in names]
        need(lists, NOT_WHOLE, self.download if download else None)
        urls, captions = (path.read_text("utf-8").splitlines() for path in lists)
        self.photos, self.captions = [], []
        for url, caption in zip(urls, captions, strict=False):
            name = PurePosixPath(url.rstrip()).name
            if (self._folder / name).exists():
                self.photos.append(name)
                self.captions.append(caption.rstrip())

    def download(self) -> None:
        """Fetch the list and all photographs that are still to be had."""
        Archive(self.url, self.md5_checksum).fetch(self._folder.parent)
        urls = (self._folder / "SBU_captioned_photo_dataset_urls.txt").read_text("utf-8")
        for url in urls.split():
            try:
                fetch(url, self._folder / PurePosixPath(url).name, attempts=1)
            except (DownloadError, OSError):
                continue  # its owner has taken it away

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        image = self.loader(str(self._folder / self.photos[index]))
        return self._transformed(image, self.captions[index])

    def __len__(self) -> int:
        return len(self.photos)
