"""The helpers of torchvision.datasets.utils: fetching, unpacking, listing."""

from __future__ import annotations

import bz2
import gzip
import lzma
from pathlib import Path

import pytest

from rushlight.utils.download import file_digest
from rushlight.utils.errors import ArchiveError, DownloadError
from rushlight.vision.datasets import utils
from tests.utils.server import Site, serve
from tests.vision.packing import tar, tree, zipped

PACKED = {
    "a.tar": tar({"x/y": b"1"}), "a.tar.gz": tar({"x/y": b"1"}, "gz"),
    "a.tgz": tar({"x/y": b"1"}, "gz"), "a.tar.bz2": tar({"x/y": b"1"}, "bz2"),
    "a.tbz2": tar({"x/y": b"1"}, "bz2"), "a.tar.xz": tar({"x/y": b"1"}, "xz"),
    "a.zip": zipped({"x/y": b"1"}),
    "y.gz": gzip.compress(b"1"), "y.bz2": bz2.compress(b"1"), "y.xz": lzma.compress(b"1"),
}  # fmt: skip


@pytest.mark.parametrize("name", PACKED)
def test_archives_and_single_files_are_unpacked(tmp_path, name):
    (tmp_path / name).write_bytes(PACKED[name])
    alone = name.startswith("y")
    found = utils.extract_archive(str(tmp_path / name), tmp_path / "out" if not alone else tmp_path)
    assert found == str(tmp_path / ("y" if alone else "out"))
    assert (tmp_path / ("y" if alone else "out/x/y")).read_bytes() == b"1"
    assert utils.extract_archive(tmp_path / name, remove_finished=True) == (
        tmp_path / "y" if alone else tmp_path
    )
    assert not (tmp_path / name).exists()


def test_a_single_file_goes_into_a_new_folder_too(tmp_path):
    (tmp_path / "y.gz").write_bytes(PACKED["y.gz"])
    utils.extract_archive(tmp_path / "y.gz", tmp_path / "new" / "folder")
    assert tree(tmp_path) == {"y.gz", "new/folder/y"}


def test_a_single_file_that_swells_is_refused(tmp_path):
    (tmp_path / "zeros.gz").write_bytes(gzip.compress(bytes(101 * 2**20), 1))
    with pytest.raises(ArchiveError, match="more than 200 times its size"):
        utils.extract_archive(tmp_path / "zeros.gz", remove_finished=True)
    assert tree(tmp_path) == {"zeros.gz"}


@pytest.fixture
def site(tmp_path, monkeypatch):
    monkeypatch.delenv("RUSHLIGHT_OFFLINE", raising=False)
    monkeypatch.setenv("RUSHLIGHT_HOME", str(tmp_path / "cache"))
    with serve(Site(PACKED["a.tgz"])) as site:
        yield site


def test_an_archive_is_fetched_checked_and_unpacked(tmp_path, site):
    (tmp_path / "same").write_bytes(site.content)
    md5 = file_digest(tmp_path / "same", "md5")
    for _ in range(2):
        utils.download_and_extract_archive(site.url + "a.tgz", str(tmp_path / "one"), md5=md5)
    assert tree(tmp_path / "one") == {"a.tgz", "x/y"} and len(site.requests) == 1
    utils.download_and_extract_archive(
        site.url + "q", tmp_path / "two", tmp_path / "three", "b.tgz", md5, remove_finished=True
    )
    assert tree(tmp_path / "two") == set() and tree(tmp_path / "three") == {"x/y"}
    with pytest.raises(DownloadError, match=r"Error downloading a\.tgz"):
        utils.download_url(site.url + "a.tgz", tmp_path / "four", md5="0" * 32)
    assert not (tmp_path / "four" / "a.tgz").exists()


def test_files_and_folders_are_listed(tmp_path):
    for name in ("b.png", "a.txt", "one/c.png", "two/d.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    assert sorted(utils.list_dir(tmp_path)) == ["one", "two"]
    assert sorted(utils.list_dir(tmp_path, True)) == [str(tmp_path / n) for n in ("one", "two")]
    assert utils.list_files(tmp_path, ".png") == ["b.png"]
    assert utils.list_files(tmp_path, (".png"), prefix=True) == [str(Path(tmp_path, "b.png"))]
    assert utils.check_integrity(tmp_path / "a.txt", "d41d8cd98f00b204e9800998ecf8427e")
    assert not utils.check_integrity(tmp_path / "a.txt", "0" * 32)
    assert not utils.check_integrity(tmp_path / "one")


def test_a_file_of_the_drive_goes_where_it_is_asked_for(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(utils, "fetch_from_drive", lambda *given: asked.append(given))
    utils.download_file_from_google_drive("key", str(tmp_path), md5="1")
    utils.download_file_from_google_drive("key", tmp_path, "name")
    assert asked == [("key", tmp_path / "key", "1"), ("key", tmp_path / "name", None)]
