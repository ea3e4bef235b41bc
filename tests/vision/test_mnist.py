"""Where MNIST's files are found, how they are fetched, and what is done without all of them."""

from __future__ import annotations

import gzip
import hashlib
import warnings
from pathlib import Path

import numpy as np
import pytest

import rushlight as rl
from rushlight.utils.download import Expected
from rushlight.utils.errors import DataError, DownloadError
from rushlight.vision.datasets import KMNIST, MNIST, FashionMNIST, SplitWarning, mnist
from rushlight.vision.transforms import ToTensor
from tests.utils.server import Site, serve
from tests.vision.test_datasets import idx_bytes


@pytest.fixture(autouse=True)
def empty_machine(tmp_path, monkeypatch):
    """No data anywhere, no network."""
    monkeypatch.delenv("RUSHLIGHT_DATA", raising=False)
    monkeypatch.setenv("RUSHLIGHT_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("RUSHLIGHT_OFFLINE", "1")
    monkeypatch.setattr(mnist, "_told", set())


def make(folder: Path, part: str, count: int, shade: int = 1, packed: bool = True) -> Path:
    """Write `count` pictures of one shade and labels 0..9 in turn."""
    folder.mkdir(parents=True, exist_ok=True)
    for kind, array in (
        ("images-idx3", np.full((count, 28, 28), shade, np.uint8)),
        ("labels-idx1", np.arange(count, dtype=np.uint8) % 10),
    ):
        data = idx_bytes(array)
        path = folder / f"{part}-{kind}-ubyte{'.gz' if packed else ''}"
        path.write_bytes(gzip.compress(data) if packed else data)
    return folder


def make_whole(folder: Path, shade: int = 1, packed: bool = True) -> Path:
    make(folder, "train", 60, shade, packed)
    return make(folder, "t10k", 20, shade, packed)


def shade_of(data) -> int:
    return int(data.data[0, 0, 0])


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("below", ["MNIST/raw", "MNIST", "mnist", "mnist/raw", "."])
def test_files_are_found_below_root(tmp_path, below, packed):
    make_whole(tmp_path / "root" / below, packed=packed)
    train, test = MNIST(tmp_path / "root"), MNIST(tmp_path / "root", train=False)
    assert (len(train), len(test)) == (60, 20)
    assert train.data.dtype == rl.uint8 and train.targets[:12].tolist() == [*range(10), 0, 1]
    assert train.split_note is None and "Split: Train" in repr(train)
    image, label = train[3]
    assert image.size == (28, 28) and label == 3


def test_order_is_setting_then_root_then_cache(tmp_path, monkeypatch):
    make_whole(tmp_path / "cache" / "datasets" / "MNIST" / "raw", shade=3)
    assert shade_of(MNIST()) == 3
    make_whole(tmp_path / "root" / "MNIST" / "raw", shade=2)
    assert shade_of(MNIST(tmp_path / "root")) == 2
    make_whole(tmp_path / "data" / "mnist", shade=1)
    monkeypatch.setenv("RUSHLIGHT_DATA", str(tmp_path / "data"))
    assert shade_of(MNIST(tmp_path / "root")) == 1


def test_sets_of_one_format_are_not_taken_for_each_other(tmp_path, monkeypatch):
    make_whole(tmp_path / "mnist", shade=1)
    make_whole(tmp_path / "fashion-mnist", shade=2)
    monkeypatch.setenv("RUSHLIGHT_DATA", str(tmp_path))
    assert shade_of(MNIST()) == 1 and shade_of(FashionMNIST()) == 2
    monkeypatch.setenv("RUSHLIGHT_DATA", str(tmp_path / "mnist"))
    assert shade_of(MNIST()) == 1
    for other in (FashionMNIST, KMNIST):
        with pytest.raises(RuntimeError, match="Dataset not found"):
            other()
    monkeypatch.delenv("RUSHLIGHT_DATA")
    with pytest.raises(RuntimeError, match="Dataset not found"):
        MNIST(tmp_path / "fashion-mnist")
    assert shade_of(KMNIST(make_whole(tmp_path / "any", shade=3))) == 3


def test_test_files_alone_serve_for_both_parts(tmp_path):
    folder = make(tmp_path / "mnist", "t10k", 200)
    with pytest.warns(SplitWarning, match="170 of their 200 images train and 30 are held out") as w:
        train = MNIST(tmp_path)
    assert w[0].filename == __file__ and str(folder) in str(w[0].message)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        test = MNIST(tmp_path, train=False, transform=ToTensor())
    assert (len(train), len(test)) == (170, 30)
    assert np.bincount(test.targets.numpy()).tolist() == [3] * 10
    assert "170 to train of the 200 test images" in repr(train)
    assert "30 held out of the 200 test images" in repr(test)
    assert tuple(test[0][0].shape) == (1, 28, 28)


def test_the_whole_set_is_preferred_to_the_test_files_alone(tmp_path, monkeypatch):
    make(tmp_path / "data" / "mnist", "t10k", 200)
    make_whole(tmp_path / "root" / "MNIST" / "raw")
    monkeypatch.setenv("RUSHLIGHT_DATA", str(tmp_path / "data"))
    assert len(MNIST(tmp_path / "root")) == 60


def test_training_files_alone_train_but_do_not_test(tmp_path):
    make(tmp_path / "mnist", "train", 60)
    assert len(MNIST(tmp_path)) == 60
    with pytest.raises(RuntimeError, match="download=True"):
        MNIST(tmp_path, train=False)


def test_nothing_found_says_where_it_looked(tmp_path):
    with pytest.raises(RuntimeError, match=r"Dataset not found\. You can use download=True") as e:
        MNIST(tmp_path / "root")
    notes = "\n".join(e.value.__notes__)
    assert str(tmp_path / "root") in notes and str(tmp_path / "cache") in notes


def test_offline_download_is_refused(tmp_path):
    with pytest.raises(DownloadError, match="RUSHLIGHT_OFFLINE"):
        MNIST(tmp_path, download=True)


def mirror(tmp_path, monkeypatch, kind=MNIST):
    """Serve the test files from 127.0.0.1 as `kind`'s only mirror, in the order asked for."""
    source = make_whole(tmp_path / "source", shade=7)
    files = {}
    for name in kind.files:
        data = (source / name).read_bytes()
        files[name] = Expected(len(data), hashlib.sha256(data).hexdigest())
    monkeypatch.setattr(kind, "files", files)
    monkeypatch.delenv("RUSHLIGHT_OFFLINE")
    return source


def test_download_fills_root_and_is_done_once(tmp_path, monkeypatch):
    source = mirror(tmp_path, monkeypatch)
    with serve(Site(b"")) as site:
        monkeypatch.setattr(MNIST, "mirrors", [site.url])
        site.folder = source
        data = MNIST(tmp_path / "root", download=True)
        assert len(data) == 60 and shade_of(data) == 7
        assert len(site.requests) == len(MNIST.files)
        MNIST(tmp_path / "root", train=False, download=True)
        assert len(site.requests) == len(MNIST.files)
    raw = tmp_path / "root" / "MNIST" / "raw"
    assert data.raw_folder == str(raw)
    assert sorted(item.name for item in raw.iterdir()) == sorted(MNIST.files)


def test_failed_download_falls_back_to_the_test_files(tmp_path, monkeypatch):
    mirror(tmp_path, monkeypatch)
    make(tmp_path / "root" / "mnist", "t10k", 100)
    with serve(Site(b"<html>down")) as site:
        monkeypatch.setattr(MNIST, "mirrors", [site.url])
        with pytest.warns(SplitWarning):
            assert len(MNIST(tmp_path / "root", download=True)) == 85


def test_addresses_are_secure_first_and_every_file_is_pinned():
    for kind in (MNIST, FashionMNIST, KMNIST):
        assert kind.mirrors[0].startswith("https://") and len(kind.files) == 4
        assert len(kind.mirrors) > 1
        for expected in kind.files.values():
            assert expected.size and len(expected.sha256) == 64
    digests = [e.sha256 for kind in (MNIST, FashionMNIST, KMNIST) for e in kind.files.values()]
    assert len(set(digests)) == 12


def test_damaged_files_are_named(tmp_path):
    folder = make_whole(tmp_path / "mnist")
    labels = folder / "train-labels-idx1-ubyte.gz"
    labels.write_bytes(gzip.compress(idx_bytes(np.zeros(59, np.uint8))))
    with pytest.raises(DataError, match="60 pictures but 59 labels"):
        MNIST(tmp_path)
    labels.write_bytes(gzip.compress(idx_bytes(np.full(60, 11, np.uint8))))
    with pytest.raises(DataError, match="label 11 at 0; 10 classes are"):
        MNIST(tmp_path)
    labels.write_bytes(gzip.compress(idx_bytes(np.zeros((60, 2), np.uint8))))
    with pytest.raises(DataError, match=r"expected uint8 pictures"):
        MNIST(tmp_path)
    labels.write_bytes(b"<html>")
    with pytest.raises(DataError, match="HTML"):
        MNIST(tmp_path)


def test_classes():
    assert FashionMNIST.classes[9] == "Ankle boot" and KMNIST.classes[1] == "ki"
    assert MNIST.classes[3] == "3 - three"
