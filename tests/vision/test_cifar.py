"""CIFAR's two forms, and pickles that are not data."""

from __future__ import annotations

import hashlib
import io
import pickle
import tarfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rushlight.utils.download import Expected
from rushlight.utils.errors import DataError
from rushlight.vision.datasets import CIFAR10, CIFAR100
from rushlight.vision.datasets.pickled import read_pickled
from tests.utils.server import Site, serve


@pytest.fixture(autouse=True)
def empty_machine(tmp_path, monkeypatch):
    monkeypatch.delenv("RUSHLIGHT_DATA", raising=False)
    monkeypatch.setenv("RUSHLIGHT_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("RUSHLIGHT_OFFLINE", "1")


def pixels(count, seed):
    return np.random.RandomState(seed).randint(0, 256, (count, 3072)).astype(np.uint8)


def dump(value, path, protocol):
    path.parent.mkdir(parents=True, exist_ok=True)
    data = pickle.dumps(value, protocol)
    if protocol < 4:  # the real files are old and name the older module
        data = data.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    path.write_bytes(data)


def make(kind, root, protocol=2):
    folder = root / kind.base_folder
    names = [*kind.train_list, *kind.test_list]
    for seed, name in enumerate(names):
        value = {"data": pixels(4, seed), kind.labels_key: [0, 1, 2, seed], "batch_label": name}
        dump(value, folder / name, protocol)
    classes = [f"class {number}" for number in range(10)]
    dump({kind.meta[1]: classes}, folder / kind.meta[0], protocol)
    return folder


def make_binary(kind, root):
    folder = root / kind.binary_folder
    folder.mkdir(parents=True)
    for seed, name in enumerate([*kind.train_list, *kind.test_list]):
        labels = np.array([[0], [1], [2], [seed]], np.uint8)
        coarse = np.full((4, kind.labels_in_record - 1), 9, np.uint8)
        records = np.concatenate([coarse, labels, pixels(4, seed)], 1)
        (folder / f"{name}.bin").write_bytes(records.tobytes())
    (folder / kind.meta[2]).write_text("\n".join(f"class{n}" for n in range(10)) + "\n\n")


@pytest.mark.parametrize("kind", [CIFAR10, CIFAR100])
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_python_version(tmp_path, kind, protocol):
    make(kind, tmp_path, protocol)
    train, test = kind(tmp_path), kind(tmp_path, train=False)
    count = 4 * len(kind.train_list)
    assert train.data.shape == (count, 32, 32, 3) and len(test) == 4
    planes = pixels(4, len(kind.train_list)).reshape(4, 3, 32, 32)
    assert np.array_equal(test.data, planes.transpose(0, 2, 3, 1))
    assert test.targets == [0, 1, 2, len(kind.train_list)]
    assert test.classes[2] == "class 2" and test.class_to_idx["class 3"] == 3
    image, label = test[1]
    assert image.mode == "RGB" and np.array_equal(np.asarray(image), test.data[1]) and label == 1
    assert f"Dataset {kind.__name__}\n    Number of datapoints: {count}" in repr(train)


@pytest.mark.parametrize("kind", [CIFAR10, CIFAR100])
def test_binary_version_is_the_same(tmp_path, kind):
    make(kind, tmp_path / "a")
    make_binary(kind, tmp_path / "b")
    for train in (True, False):
        one, other = kind(tmp_path / "a", train), kind(tmp_path / "b", train)
        assert np.array_equal(one.data, other.data) and one.targets == other.targets
    path = tmp_path / "b" / kind.binary_folder / f"{kind.test_list[0]}.bin"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match="not whole records"):
        kind(tmp_path / "b", train=False)


def test_download_unpacks_the_archive(tmp_path, monkeypatch):
    make(CIFAR10, tmp_path / "source")
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as file:
        file.add(tmp_path / "source" / CIFAR10.base_folder, CIFAR10.base_folder)
    content = buffer.getvalue()
    digest = hashlib.sha256(content).hexdigest()
    monkeypatch.setattr(CIFAR10, "expected", Expected(len(content), digest))
    monkeypatch.delenv("RUSHLIGHT_OFFLINE")
    with serve(Site(content)) as site:
        monkeypatch.setattr(CIFAR10, "mirrors", [site.url])
        assert len(CIFAR10(tmp_path / "root", download=True)) == 20
        assert len(CIFAR10(tmp_path / "root", train=False, download=True)) == 4
    assert len(site.requests) == 1


def test_nothing_found(tmp_path):
    with pytest.raises(RuntimeError, match="Dataset not found or corrupted") as caught:
        CIFAR10(tmp_path)
    assert str(tmp_path) in "".join(caught.value.__notes__)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"data": pixels(3, 0)}, "got uint8"),
        ({"data": pixels(4, 0).astype("i4")}, "got int32"),
        ({"data": None}, "no 'data' array"),
        ({"labels": ["a", 1, 2, 3]}, "not integers"),
        ({"labels": [0, 1, 2, 10]}, "beyond the 10 classes"),
    ],
)
def test_wrong_contents_are_named(tmp_path, change, text):
    folder = make(CIFAR10, tmp_path)
    dump({"data": pixels(4, 0), "labels": [0, 1, 2, 3]} | change, folder / "test_batch", 2)
    with pytest.raises(DataError, match=text):
        CIFAR10(tmp_path, train=False)


class Evil:
    def __init__(self, *call):
        self.call = call

    def __reduce__(self):
        return self.call


GADGETS = [
    Evil(eval, ("open('touched', 'w')",)),
    Evil(__import__, ("this",)),
    Evil(np.fromfile, ("/etc/passwd",)),
    Evil(getattr, (np.ndarray, "tofile")),
    np.array([object()]),
    np.zeros(2, "c16"),
    np.datetime64("2020"),
    Exception("x"),
]


@pytest.mark.parametrize("gadget", GADGETS, ids=lambda g: type(g).__name__)
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_pickles_that_are_not_data_are_refused(tmp_path, monkeypatch, gadget, protocol):
    monkeypatch.chdir(tmp_path)
    dump({"data": gadget}, tmp_path / "x", protocol)
    with pytest.raises(DataError, match="x: "):
        read_pickled(tmp_path / "x")
    assert [item.name for item in tmp_path.iterdir()] == ["x"]


def test_other_files_are_named(tmp_path):
    (tmp_path / "x").write_bytes(b"<html>")
    with pytest.raises(DataError, match="HTML page"):
        read_pickled(tmp_path / "x")
    dump([1, 2], tmp_path / "x", 2)
    with pytest.raises(DataError, match="expected a dictionary, got list"):
        read_pickled(tmp_path / "x")


@given(st.data())
@settings(
    deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_damaged_pickles_only_raise_data_error(tmp_path, data):
    dump({"data": np.arange(6, dtype=np.uint8), "labels": [1, 2]}, tmp_path / "x", 2)
    content = bytearray((tmp_path / "x").read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    (tmp_path / "x").write_bytes(content)
    try:
        assert isinstance(read_pickled(tmp_path / "x"), dict)
    except DataError:
        pass
