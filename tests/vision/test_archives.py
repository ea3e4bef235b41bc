"""What each data set fetches, where it puts it, and where it looks: files made here are served."""

from __future__ import annotations

import bz2
import gzip
import inspect
import json
import lzma
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from rushlight.utils.download import file_digest
from rushlight.utils.errors import ArchiveError
from rushlight.vision import datasets as sets
from rushlight.vision.datasets import archives, arrays, mnist_kin
from rushlight.vision.datasets.archives import Archive, fetch_from_drive, find_home, need
from tests.vision.packing import Shop, matlab, numbers, picture, tar, tree, zipped
from tests.vision.test_datasets import idx_bytes

Made = Callable[[], dict[str, bytes]]


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """An empty machine whose only source of files is what the test puts there."""
    monkeypatch.delenv("RUSHLIGHT_DATA", raising=False)
    monkeypatch.setenv("RUSHLIGHT_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("RUSHLIGHT_OFFLINE", "1")
    return Shop.serving(monkeypatch, archives, arrays, mnist_kin)


def plain(item: Any) -> list[Any]:
    """The numbers in an item."""
    return [np.asarray(part).tolist() for part in (item if isinstance(item, tuple) else [item])]


def digits(count: int, shade: int = 1) -> bytes:
    return idx_bytes(np.full((count, 28, 28), shade, np.uint8))


def listed() -> dict[str, Made]:
    """Files that the sets with lists of pictures are made of, by the names they are fetched by."""
    return {
        "Food101": lambda: {"food-101.tar.gz": tar({
            "food-101/meta/train.json": json.dumps({"pie": ["pie/0"]}).encode(),
            "food-101/images/pie/0.jpg": picture("jpeg")}, "gz")},
        "DTD": lambda: {"dtd-r1.0.1.tar.gz": tar({
            "dtd/labels/train1.txt": b"a/a_1.jpg\n", "dtd/images/a/a_1.jpg": picture("jpeg")},
            "gz")},
        "FGVCAircraft": lambda: {"fgvc-aircraft-2013b.tar.gz": tar({
            "fgvc-aircraft-2013b/data/variants.txt": b"747\n",
            "fgvc-aircraft-2013b/data/images_variant_trainval.txt": b"12 747\n",
            "fgvc-aircraft-2013b/data/images/12.jpg": picture("jpeg")}, "gz")},
        "GTSRB": lambda: {"GTSRB-Training_fixed.zip": zipped({
            "GTSRB/Training/00000/1.ppm": picture("ppm")})},
        "RenderedSST2": lambda: {"rendered-sst2.tgz": tar({
            "rendered-sst2/train/negative/0.png": picture(),
            "rendered-sst2/train/positive/1.png": picture()}, "gz")},
        "CLEVRClassification": lambda: {"CLEVR_v1.0.zip": zipped({
            "CLEVR_v1.0/images/train/0.png": picture(),
            "CLEVR_v1.0/scenes/CLEVR_train_scenes.json": json.dumps(
                {"scenes": [{"image_filename": "0.png", "objects": [1, 2]}]}).encode()})},
        "SUN397": lambda: {"SUN397.tar.gz": tar({
            "SUN397/ClassName.txt": b"/a/abbey\n", "SUN397/a/abbey/sun_1.jpg": picture("jpeg")},
            "gz")},
        "Imagenette": lambda: {"imagenette2.tgz": tar({
            "imagenette2/train/n01440764/p.JPEG": picture("jpeg")}, "gz")},
        "Omniglot": lambda: {"images_background.zip": zipped({
            "images_background/Greek/character01/1.png": picture()})},
        "EuroSAT": lambda: {"EuroSAT.zip": zipped({"2750/River/p.jpg": picture("jpeg")})},
        "Country211": lambda: {"country211.tgz": tar({
            "country211/train/AD/p.jpg": picture("jpeg")}, "gz")},
        "Caltech256": lambda: {"256_ObjectCategories.tar": tar({
            "256_ObjectCategories/001.ak47/001_0001.jpg": picture("jpeg")})},
        "Caltech101": lambda: {"caltech-101.zip": zipped({
            "caltech-101/101_ObjectCategories.tar.gz": tar({
                "101_ObjectCategories/crab/image_0001.jpg": picture("jpeg"),
                "101_ObjectCategories/BACKGROUND_Google/image_0001.jpg": picture("jpeg")}, "gz"),
            "caltech-101/Annotations.tar": tar({"Annotations/crab/annotation_0001.mat": b""})})},
        "VOCSegmentation": lambda: {"VOCtrainval_11-May-2012.tar": tar({
            "VOCdevkit/VOC2012/ImageSets/Segmentation/train.txt": b"1\n",
            "VOCdevkit/VOC2012/JPEGImages/1.jpg": picture("jpeg"),
            "VOCdevkit/VOC2012/SegmentationClass/1.png": picture()})},
        "OxfordIIITPet": lambda: {
            "images.tar.gz": tar({"images/a_cat_1.jpg": picture("jpeg")}, "gz"),
            "annotations.tar.gz": tar({"annotations/trainval.txt": b"a_cat_1 1 1 1\n"}, "gz")},
        "Flowers102": lambda: {
            "102flowers.tgz": tar({"jpg/image_00001.jpg": picture("jpeg"),
                                   "jpg/image_00002.jpg": picture("jpeg")}, "gz"),
            "imagelabels.mat": matlab(labels=np.array([[5, 2]])),
            "setid.mat": matlab(trnid=np.array([[2, 1]]))},
    }  # fmt: skip


def packed() -> dict[str, Made]:
    """The same of sets whose pictures lie in arrays."""
    row = " ".join(["1.0000"] * 256 + ["0"] * 9 + ["1"]) + "\n"
    line = "3 " + " ".join(f"{place}:-0.5" for place in range(1, 257)) + "\n"
    return {
        "STL10": lambda: {"stl10_binary.tar.gz": tar({
            "stl10_binary/train_X.bin": bytes(3 * 96 * 96),
            "stl10_binary/train_y.bin": b"\x03"}, "gz")},
        "SVHN": lambda: {"train_32x32.mat": matlab(
            X=np.zeros((32, 32, 3, 1), np.uint8), y=np.array([[10]], np.uint8))},
        "USPS": lambda: {"usps.bz2": bz2.compress(line.encode())},
        "SEMEION": lambda: {"semeion.data": row.encode()},
        "MovingMNIST": lambda: {"mnist_test_seq.npy": numbers(np.zeros((20, 1, 8, 8), np.uint8))},
        "QMNIST": lambda: {
            "qmnist-train-images-idx3-ubyte.gz": gzip.compress(digits(1)),
            "qmnist-train-labels-idx2-int.gz": gzip.compress(
                idx_bytes(np.zeros((1, 8), ">i4"), 12))},
        "EMNIST": lambda: {"gzip.zip": zipped({
            "gzip/emnist-digits-train-images-idx3-ubyte.gz": gzip.compress(digits(1)),
            "gzip/emnist-digits-train-labels-idx1-ubyte.gz": gzip.compress(
                idx_bytes(np.zeros(1, np.uint8)))})},
    }  # fmt: skip


MADE = listed() | packed()
BESIDE: dict[str, tuple[Any, ...]] = {"EMNIST": ("digits",)}


@pytest.mark.parametrize("name", MADE)
def test_a_set_is_fetched_once_and_found_again(tmp_path, monkeypatch, shop, name):
    shop.files, kind, beside = MADE[name](), getattr(sets, name), BESIDE.get(name, ())
    if name == "SEMEION":  # the only one that fetches unasked
        beside = (None, None, False)
    root = tmp_path / "root"
    with pytest.raises((RuntimeError, FileNotFoundError)):
        kind(root, *beside)
    assert not root.exists() and shop.asked == []

    data = kind(root, *beside[:1], download=True)
    assert shop.asked == list(shop.files) and tree(tmp_path / "cache") == set()
    assert all(len(known.md5 or "") == 32 for known in shop.expected) or name == "FGVCAircraft"
    count = 2 if name in ("RenderedSST2", "Flowers102") else 1
    assert len(data) == count
    first = plain(data[0])

    kind(root, *beside[:1], download=True)
    assert shop.asked == list(shop.files), "it is there and was fetched again"
    monkeypatch.setenv("RUSHLIGHT_DATA", str(root))
    for other in (tmp_path / "other", str(tmp_path / "other")):
        again = kind(other, *beside[:1], download=True)
        assert len(again) == count and plain(again[0]) == first
    assert shop.asked == list(shop.files) and not (tmp_path / "other").exists()


def test_every_set_that_can_be_fetched_is_fetched_in_a_test():
    own = {"MNIST", "FashionMNIST", "KMNIST", "CIFAR10", "CIFAR100"}  # in files of their own
    others = {"CelebA", "StanfordCars", "VOCDetection", "Digits"}
    others |= {"Middlebury2014Stereo", "Kitti", "LFWPeople", "LFWPairs", "WIDERFace", "SBU"}
    others |= {"Places365", "INaturalist", "SBDataset", "PhotoTour", "PCAM"}
    kinds = {name: getattr(sets, name) for name in sets.__all__}
    fetching = {
        name
        for name, kind in kinds.items()
        if isinstance(kind, type)
        and issubclass(kind, sets.VisionDataset)
        and "download" in inspect.signature(kind).parameters
    }
    assert fetching == MADE.keys() | own | others


def test_the_two_files_of_the_test_part_of_traffic_signs(tmp_path, shop):
    shop.files = {
        "GTSRB_Final_Test_Images.zip": zipped({"GTSRB/Final_Test/Images/1.ppm": picture("ppm")}),
        "GTSRB_Final_Test_GT.zip": zipped({"GT-final_test.csv": b"Filename;ClassId\n1.ppm;12\n"}),
    }
    data = sets.GTSRB(tmp_path, "test", download=True)
    assert data[0][1] == 12 and shop.asked == list(shop.files)


def test_the_test_part_of_voc_2007_joins_the_other(tmp_path, shop):
    def part(name: str) -> bytes:
        base = "VOCdevkit/VOC2007/"
        return tar({
            f"{base}ImageSets/Main/{name}.txt": name.encode(),
            f"{base}JPEGImages/{name}.jpg": picture("jpeg"),
            f"{base}Annotations/{name}.xml": b"<annotation><object/></annotation>"})  # fmt: skip

    shop.files = {
        "VOCtrainval_06-Nov-2007.tar": part("train"), "VOCtest_06-Nov-2007.tar": part("test")
    }  # fmt: skip
    for name in ("train", "test"):
        data = sets.VOCDetection(tmp_path, "2007", name, download=True)
        assert [Path(path).stem for path in data.images] == [name]
    assert shop.asked == list(shop.files)


def test_the_packed_half_of_qmnist_is_unpacked(tmp_path, shop):
    labels = np.arange(16).reshape(2, 8).astype(">i4")
    shop.files = {
        "xnist-images-idx3-ubyte.xz": lzma.compress(digits(2)),
        "xnist-labels-idx2-int.xz": lzma.compress(idx_bytes(labels, 12)),
    }
    data = sets.QMNIST(tmp_path, "nist", compat=False, download=True)
    assert data.targets.tolist() == labels.tolist()
    raw = tmp_path / "QMNIST" / "raw"
    assert tree(raw) == {name for one in shop.files for name in (one, one.removesuffix(".xz"))}


def test_a_file_of_digits_that_swells_is_refused(tmp_path, monkeypatch, shop):
    from rushlight.utils.archive import Limits, extract_single

    monkeypatch.setattr(
        mnist_kin, "extract_single",
        lambda path: extract_single(path, limits=Limits(ratio_from=1000)),
    )  # fmt: skip
    shop.files = {"xnist-images-idx3-ubyte.xz": lzma.compress(bytes(10_000_000))}
    with pytest.raises(ArchiveError, match="200 times"):
        sets.QMNIST(tmp_path, "nist", download=True)


def test_digits_of_no_kind_are_refused(tmp_path):
    for damaged in (b"no bz2", bz2.compress(b"1 1:0.5\n"), bz2.compress(bytes(99))[:-9]):
        (tmp_path / "usps.bz2").write_bytes(damaged)
        with pytest.raises(RuntimeError, match=r"usps\.bz2: "):
            sets.USPS(tmp_path)


@pytest.fixture
def drive(monkeypatch):
    """A gdown whose files are put here by their keys."""
    files: dict[str, bytes] = {}
    asked: list[str] = []

    def download(id: str, output: str, quiet: bool) -> None:
        asked.append(id)
        if id in files:
            Path(output).write_bytes(files[id])

    monkeypatch.setitem(sys.modules, "gdown", SimpleNamespace(download=download))
    return SimpleNamespace(files=files, asked=asked)


def test_files_of_the_drive_are_checked_and_fetched_once(tmp_path, drive):
    target = tmp_path / "deep" / "x"
    (tmp_path / "y").write_bytes(b"content")
    md5 = file_digest(tmp_path / "y", "md5")
    with pytest.raises(RuntimeError, match="File not found or corrupted"):
        fetch_from_drive("key", target, md5)
    drive.files["key"] = b"a page that says no"
    with pytest.raises(RuntimeError, match="File not found or corrupted"):
        fetch_from_drive("key", target, md5)
    drive.files["key"] = b"content"
    for _ in range(2):
        fetch_from_drive("key", target, md5)
    assert target.read_bytes() == b"content" and drive.asked == ["key"] * 3


def test_without_gdown_the_address_is_told(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "gdown", None)
    with pytest.raises(RuntimeError, match="'gdown' is required") as caught:
        fetch_from_drive("key", tmp_path / "x", None)
    assert "https://drive.google.com/uc?id=key" in caught.value.__notes__[0]


def test_faces_come_from_the_drive(tmp_path, monkeypatch, shop, drive):
    contents = {
        "img_align_celeba.zip": zipped({"img_align_celeba/000001.jpg": picture("jpeg")}),
        "list_attr_celeba.txt": b"1\nYoung Bald\n000001.jpg -1 1\n",
        "identity_CelebA.txt": b"000001.jpg 7\n",
        "list_bbox_celeba.txt": b"1\nimage_id x y w h\n000001.jpg 1 2 3 4\n",
        "list_landmarks_align_celeba.txt": b"1\nx y\n000001.jpg 1 2 3 4 5 6 7 8 9 10\n",
        "list_eval_partition.txt": b"000001.jpg 0\n",
    }
    assert [name for _, _, name in sets.CelebA.file_list] == list(contents)
    monkeypatch.setattr(sets.CelebA, "file_list", [(f"key {n}", None, n) for n in contents])
    drive.files |= {f"key {name}": content for name, content in contents.items()}
    data = sets.CelebA(tmp_path / "root", target_type=["attr", "identity"], download=True)
    assert [one.tolist() for one in data[0][1]] == [[0, 1], 7]
    assert drive.asked == [f"key {name}" for name in contents]
    monkeypatch.setenv("RUSHLIGHT_DATA", str(tmp_path / "root"))
    assert len(sets.CelebA(tmp_path / "other")) == 1


def test_moods_are_looked_for_in_every_root(tmp_path, monkeypatch, shop):
    folder = tmp_path / "data" / "fer2013"
    folder.mkdir(parents=True)
    (folder / "train.csv").write_text(f"emotion,pixels\n4,{' '.join(['9'] * 48 * 48)}\n")
    with pytest.raises(RuntimeError, match="not found in"):
        sets.FER2013(tmp_path / "root")
    monkeypatch.setenv("RUSHLIGHT_DATA", str(tmp_path / "data"))
    assert sets.FER2013(tmp_path / "root")[0][1] == 4


def test_an_archive_is_fetched_and_unpacked_by_its_name(tmp_path, shop):
    shop.files = {"a.tar": tar({"x/y": b"1"}), "b": b"2"}
    assert Archive("https://x.org/a.tar", "0" * 32).fetch(tmp_path) == tmp_path / "a.tar"
    assert Archive("https://x.org/b", name="c.txt").fetch(tmp_path) == tmp_path / "c.txt"
    assert tree(tmp_path) == {"a.tar", "x/y", "c.txt"}
    assert [known.md5 for known in shop.expected] == ["0" * 32, None]


def test_a_home_has_all_of_the_names(tmp_path, monkeypatch, shop):
    for name in ("one/a", "two/below/a", "two/below/b", "three/a", "three/b"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    monkeypatch.setenv("RUSHLIGHT_DATA", str(tmp_path / "one"))
    root = tmp_path / "two"
    assert find_home(root, "a") == tmp_path / "one"
    assert find_home(root, "a", "b") == root  # nowhere: its own
    assert find_home(root, "a", "b", below=["below", ""]) == root / "below"
    assert find_home(tmp_path / "three", "a", "b", below=["below", ""]) == tmp_path / "three"
    assert find_home(None, "c", below=["x"]) == tmp_path / "cache" / "datasets" / "x"


def test_what_is_needed_is_fetched_only_where_it_is_missing(tmp_path):
    path = tmp_path / "x"
    with pytest.raises(RuntimeError, match="gone") as caught:
        need([path], "gone", lambda: None)
    assert caught.value.__notes__ == [f"{path} is missing"]
    need([path], "gone", path.touch)
    need([path], "gone", lambda: pytest.fail("it is there"))
