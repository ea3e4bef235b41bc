"""Faces, streets, places, captions: what is fetched, and files that are others.

What the sets hold is compared with torchvision in parity/whole/more_pictures.txt.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from rushlight.utils.errors import DataError, DownloadError
from rushlight.vision import datasets as sets
from rushlight.vision.datasets import archives, boundaries, captions, patches
from tests.vision.packing import Shop, picture, tar, tree, zipped

Image = pytest.importorskip("PIL.Image")


@pytest.fixture
def shop(tmp_path, monkeypatch):
    monkeypatch.delenv("RUSHLIGHT_DATA", raising=False)
    monkeypatch.setenv("RUSHLIGHT_HOME", str(tmp_path / "cache"))
    shop = Shop.serving(monkeypatch, archives)
    for module in (boundaries, captions, patches):
        monkeypatch.setattr(module, "fetch", shop.download)
    return shop


def test_street_scenes_are_fetched_once(tmp_path, monkeypatch, shop):
    line = "Car 0.00 1 -1.58 587.01 173.33 614.12 200.12 1.65 1.67 3.64 -0.65 1.71 46.70 -1.59\n"
    shop.files = {
        "data_object_image_2.zip": zipped({"training/image_2/0.png": picture()}),
        "data_object_label_2.zip": zipped({"training/label_2/0.txt": line.encode()}),
    }
    for _ in range(2):
        data = sets.Kitti(tmp_path, download=True)
        assert data[0][1][0]["location"] == [-0.65, 1.71, 46.7]
    assert shop.asked == list(shop.files)
    monkeypatch.setenv("RUSHLIGHT_DATA", str(tmp_path))
    assert len(sets.Kitti(tmp_path / "other")) == 1
    (tmp_path / "Kitti/raw/training/label_2/0.txt").write_text("Car 1 2\n")
    with pytest.raises(DataError, match=r"0\.txt: not KITTI's list"):
        data[0]


def test_towns_are_unpacked_from_their_archives(tmp_path, shop):
    things = np.array([[7, 26_001], [26_002, 33_000]], np.uint16)
    stream = tmp_path / "x.png"
    Image.fromarray(things).save(stream)
    town = "gtFine/val/bonn/bonn_0_gtFine_"
    (tmp_path / "leftImg8bit_trainvaltest.zip").write_bytes(
        zipped({"leftImg8bit/val/bonn/bonn_0_leftImg8bit.png": picture()})
    )
    with pytest.raises(RuntimeError, match="Dataset not found or incomplete"):
        sets.Cityscapes(tmp_path, "val")
    (tmp_path / "gtFine_trainvaltest.zip").write_bytes(
        zipped({f"{town}instanceIds.png": stream.read_bytes()})
    )
    data = sets.wrap_dataset_for_transforms_v2(sets.Cityscapes(tmp_path, "val"))
    _, target = data[0]
    # torchvision meets a type here that it cannot compare; the classes are in the thousands
    assert target["labels"].tolist() == [7, 26, 26, 33]
    assert target["masks"].flatten(1).tolist() == np.eye(4, dtype=bool).tolist()


def test_boxes_of_faces_come_from_two_homes(tmp_path, monkeypatch, shop):
    folders = {name: zipped({f"{name[:-4]}/images/a.jpg": picture("jpeg")})
               for _, _, name in sets.WIDERFace.FILE_LIST}  # fmt: skip
    monkeypatch.setattr(sets.WIDERFace, "FILE_LIST", [(name, None, name) for name in folders])
    drive = SimpleNamespace(
        download=lambda id, output, quiet: Path(output).write_bytes(folders[id])
    )
    monkeypatch.setitem(sys.modules, "gdown", drive)
    lists = {"wider_face_split/wider_face_val_bbx_gt.txt": b"a.jpg\n1\n1 2 3 4 0 1 0 1 0 1\n"}
    shop.files = {"wider_face_split.zip": zipped(lists)}
    data = sets.WIDERFace(tmp_path, "val", download=True)
    assert data[0][1]["bbox"].tolist() == [[1, 2, 3, 4]] and shop.asked == list(shop.files)
    path = tmp_path / "widerface" / "wider_face_split" / "wider_face_val_bbx_gt.txt"
    for text in ("a.jpg\n2\n1 2 3 4 0 1 0 1 0 1\n", "a.jpg\nx\n", "a.jpg\n"):
        path.write_text(text)
        with pytest.raises(DataError, match="Error parsing annotation file"):
            sets.WIDERFace(tmp_path, "val")


@pytest.mark.parametrize("text", ["2\nBo\t1\n", "x\n", "1\nNobody\t1\n", "1\n1\n"])
def test_lists_of_people_that_are_others_are_refused(tmp_path, shop, text):
    folder = tmp_path / "lfw-py"
    (folder / "lfw_funneled").mkdir(parents=True)
    (folder / "lfw-names.txt").write_text("Bo\t1\n")
    for name in ("peopleDevTrain.txt", "pairsDevTrain.txt"):
        (folder / name).write_text(text)
    for kind in (sets.LFWPeople, sets.LFWPairs):
        with pytest.raises(DataError, match=r"DevTrain\.txt: not a list"):
            kind(tmp_path, "train")


def test_photographs_that_are_gone_are_left_out(tmp_path, monkeypatch, shop):
    start = "dataset/SBU_captioned_photo_dataset_"
    urls = "http://x.org/1.jpg\nhttp://x.org/2.jpg\n"
    shop.files = {
        "SBUCaptionedPhotoDataset.tar.gz": tar(
            {f"{start}urls.txt": urls.encode(), f"{start}captions.txt": b"One.\nTwo.\n"}, "gz"
        ),
        "2.jpg": picture("jpeg"),
    }

    def fetch(url: str, path: Path, attempts: int) -> None:
        if url.endswith("1.jpg"):
            raise DownloadError("gone")
        shop.download(url, path, archives.Expected())

    monkeypatch.setattr(captions, "fetch", fetch)
    for _ in range(2):
        data = sets.SBU(tmp_path)
        assert data.photos == ["2.jpg"] and data[0][1] == "Two."
    assert shop.asked == list(shop.files)


def test_captions_of_other_forms_are_refused(tmp_path):
    (tmp_path / "page").write_text("<table><a>http://x.org/photos/12/</a></table>")
    with pytest.raises(DataError, match="a picture that is not there"):
        sets.Flickr8k(tmp_path, str(tmp_path / "page"))
    (tmp_path / "list").write_text("1.jpg#0\tOne.\n2.jpg Two.\n")
    with pytest.raises(DataError, match="line 2 is not a name"):
        sets.Flickr30k(tmp_path, str(tmp_path / "list"))


@pytest.mark.parametrize(
    ("split", "small", "archive", "inside"),
    [
        ("train-standard", False, "train_large_places365standard.tar", "data_large/a/1.jpg"),
        ("train-challenge", True, "train_256_places365challenge.tar", "data_256/a/1.jpg"),
        ("val", True, "val_256.tar", "val_256/a/1.jpg"),
        ("test", False, "test_large.tar", "test_large/a/1.jpg"),
    ],
)
def test_lists_and_pictures_of_places_are_fetched(tmp_path, shop, split, small, archive, inside):
    variant = "challenge" if "challenge" in split else "standard"
    label = b"" if split == "test" else b" 4"
    shop.files = {
        f"filelist_places365-{variant}.tar": tar({
            "categories_places365.txt": b"/a/attic 4\n",
            f"places365_{split.replace('-', '_')}.txt": b"/a/1.jpg" + label}),
        archive: tar({inside: picture("jpeg")}),
    }  # fmt: skip
    for _ in range(2):
        data = sets.Places365(tmp_path, split, small, download=True)
        assert data[0][0].size == (5, 4) and data[0][1] == (None if split == "test" else 4)
    assert shop.asked == list(shop.files)
    (tmp_path / "categories_places365.txt").write_text("/a/attic four\n")
    with pytest.raises(DataError, match="not a list of Places365's"):
        sets.Places365(tmp_path, split, small)


def test_living_things_are_fetched_and_named_by_version(tmp_path, shop):
    shop.files = {
        "train_val2019.tar.gz": tar({"train_val2019/Aves/0/a.jpg": picture("jpeg")}, "gz")
    }
    for _ in range(2):
        assert sets.INaturalist(tmp_path, "2019", download=True)[0][1] == 0
    assert shop.asked == list(shop.files)
    assert tree(tmp_path) == {"2019/Aves/0/a.jpg", "train_val2019.tar.gz"}


def test_edges_and_the_list_that_their_archive_lacks(tmp_path, shop):
    base = "benchmark_RELEASE/dataset/"
    files = {f"{base}img/a.jpg": picture("jpeg"), f"{base}cls/a.mat": b"", f"{base}val.txt": b"a\n"}
    shop.files = {"benchmark.tgz": tar(files, "gz"), "train_noval.txt": b"a\na\n"}
    for _ in range(2):
        assert len(sets.SBDataset(tmp_path, "train_noval", download=True)) == 2
    assert len(sets.SBDataset(tmp_path, "val", download=True)) == 1
    assert shop.asked == list(shop.files)


def test_patches_are_fetched_cut_and_kept(tmp_path, shop):
    sheet = np.arange(64 * 128, dtype=np.int64).reshape(64, 128).astype(np.uint8)
    Image.fromarray(sheet).save(tmp_path / "sheet.bmp")
    shop.files = {"yosemite.zip": zipped({
        "patches0000.bmp": (tmp_path / "sheet.bmp").read_bytes(),
        "info.txt": b"3 0\n4 0\n", "m50_100000_100000_0.txt": b"0 3 0 1 4 0 0\n"})}  # fmt: skip
    data = sets.PhotoTour(tmp_path / "root", "yosemite", download=True)
    assert np.array_equal(data.data.numpy(), [sheet[:, :64], sheet[:, 64:]])
    assert data.labels.tolist() == [3, 4] and data.matches.tolist() == [[0, 1, 0]]
    assert not (tmp_path / "root" / "yosemite.zip").exists()
    for path in (tmp_path / "root" / "yosemite").iterdir():
        path.unlink()
    assert len(sets.PhotoTour(tmp_path / "root", "yosemite", download=True)) == 2
    assert shop.asked == list(shop.files)


def test_sheets_of_other_sizes_are_refused(tmp_path):
    (tmp_path / "liberty").mkdir()
    Image.fromarray(np.zeros((60, 64), np.uint8)).save(tmp_path / "liberty" / "1.bmp")
    with pytest.raises(DataError, match="not made of patches"):
        sets.PhotoTour(tmp_path, "liberty")
    assert not (tmp_path / "liberty.pt").exists()
