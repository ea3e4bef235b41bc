"""Data sets that need no files: digits, fakes; the base class and the IDX reader."""

from __future__ import annotations

import gzip
import struct

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import rushlight as rl
from rushlight.utils.errors import DataError
from rushlight.vision import datasets
from rushlight.vision import io as vision_io
from rushlight.vision.datasets import Digits, FakeData
from rushlight.vision.datasets.fake import fake_files
from rushlight.vision.datasets.idx import read_idx
from rushlight.vision.datasets.splits import stratified_split
from rushlight.vision.transforms import Compose, PILToTensor, ToTensor


@pytest.fixture
def no_pillow(monkeypatch):
    monkeypatch.setattr(vision_io, "has_pillow", lambda: False)


def idx_bytes(array, code=8):
    head = bytes([0, 0, code, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return head + array.tobytes()


def test_digits_are_all_there_and_split_by_class():
    train, test = Digits(), Digits(train=False)
    assert tuple(train.data.shape) == (1437, 8, 8) and tuple(test.data.shape) == (360, 8, 8)
    assert train.data.dtype == rl.uint8 and train.targets.dtype == rl.int64
    counts = np.bincount(np.concatenate([train.targets.numpy(), test.targets.numpy()]))
    # the counts the UCI page gives for the test set
    assert counts.tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert np.abs(np.bincount(test.targets.numpy()) - counts / 5).max() < 1
    assert set(np.unique(train.data.numpy())) == {(n * 255 + 8) // 16 for n in range(17)}
    whole = {item.numpy().tobytes() for item in train.data}
    assert not whole & {item.numpy().tobytes() for item in test.data}


def test_digits_are_the_same_on_every_machine():
    test = Digits(train=False)
    assert test.targets[:12].tolist() == [3, 7, 3, 9, 0, 8, 7, 0, 8, 0, 3, 3]
    assert int(test.data.to(rl.int64).sum()) == 1780794


def test_digits_can_be_learnt_by_nearest_neighbour():
    train, test = Digits(), Digits(train=False)
    known, asked = (part.data.numpy().reshape(len(part), -1) / 255 for part in (train, test))
    distance = (asked**2).sum(1)[:, None] - 2 * asked @ known.T + (known**2).sum(1)
    guess = train.targets.numpy()[distance.argmin(1)]
    assert (guess == test.targets.numpy()).mean() > 0.97


def test_items_are_pillow_images_or_arrays(no_pillow, monkeypatch):
    array, label = Digits()[5]
    assert isinstance(array, np.ndarray) and array.shape == (8, 8) and type(label) is int
    monkeypatch.undo()
    image, same = Digits()[5]
    assert image.size == (8, 8) and image.mode == "L" and same == label
    assert np.array_equal(np.asarray(image), array)
    for picture in (image, array):
        assert np.array_equal(ToTensor()(picture)[0].numpy(), array.astype("f4") / np.float32(255))


def test_transforms_see_picture_and_target():
    data = Digits(transform=ToTensor(), target_transform=lambda label: -label)
    picture, label = data[7]
    assert tuple(picture.shape) == (1, 8, 8) and label == -int(data.targets[7])
    data.transform = None
    assert not isinstance(data[7][0], rl.Tensor)


def test_reprs_are_torchvisions():
    data = Digits(root="some/where", train=False, transform=Compose([ToTensor(), PILToTensor()]))
    assert repr(data) == (
        "Dataset Digits\n    Number of datapoints: 360\n    Root location: some/where\n"
        "    Split: Test\n    StandardTransform\nTransform: Compose(\n"
        "               ToTensor()\n               PILToTensor()\n           )"
    )
    assert data.root == "some/where"
    assert repr(FakeData(5)) == "Dataset FakeData\n    Number of datapoints: 5"


def test_two_forms_of_transform_are_refused():
    with pytest.raises(ValueError, match="Only transforms or transform/target_transform"):
        datasets.VisionDataset("x", transforms=len, transform=len)


def test_data_loader_makes_batches_of_digits():
    loader = rl.utils.data.DataLoader(Digits(transform=ToTensor()), batch_size=32, shuffle=True)
    pictures, labels = next(iter(loader))
    assert tuple(pictures.shape) == (32, 1, 8, 8) and labels.dtype == rl.int64


@given(
    st.lists(st.integers(0, 5), min_size=1, max_size=80),
    st.floats(0, 1),
    st.integers(0, 2**32 - 1),
)
def test_split_takes_each_once_and_shares_fairly(targets, share, seed):
    targets = np.array(targets)
    held_out = int(share * len(targets))
    train, test = stratified_split(targets, held_out, seed)
    assert len(test) == held_out
    assert sorted([*train, *test]) == list(range(len(targets)))
    for label in np.unique(targets):
        exact = (targets == label).sum() * held_out / len(targets)
        assert abs((targets[test] == label).sum() - exact) < 1
    again = stratified_split(targets, held_out, seed)
    assert np.array_equal(again[1], test)


def test_fake_data_is_the_same_each_time_and_leaves_the_generator_alone():
    data = FakeData(10, (3, 4, 5), num_classes=4, transform=PILToTensor())
    rl.manual_seed(0)
    wanted = rl.rand(3)
    rl.manual_seed(0)
    first, label = data[3]
    assert bool((rl.rand(3) == wanted).all())
    assert bool((data[3][0] == first).all()) and 0 <= label < 4
    assert not bool((data[4][0] == first).all())
    moved = FakeData(10, (3, 4, 5), num_classes=4, transform=PILToTensor(), random_offset=1)
    assert bool((moved[2][0] == first).all())
    with pytest.raises(IndexError):
        data[10]


def test_folders_of_small_files_hold_what_was_asked_for(tmp_path):
    numbers = np.arange(6, dtype=np.uint16).reshape(2, 3)
    fake_files(tmp_path, {"{a,b}/{1,2}.txt": "x\n", "c/raw": b"\0\1", "n.npy": numbers})
    assert sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*.txt")) == [
        "a/1.txt", "a/2.txt", "b/1.txt", "b/2.txt",
    ]  # fmt: skip
    assert (tmp_path / "c" / "raw").read_bytes() == b"\0\1"
    assert np.array_equal(np.load(tmp_path / "n.npy"), numbers)
    pillow = pytest.importorskip("PIL.Image")
    fake_files(tmp_path, {"shade.png": 7, "deep.png": numbers})
    assert pillow.open(tmp_path / "shade.png").getpixel((5, 3)) == (7, 7, 7)
    assert np.array_equal(np.asarray(pillow.open(tmp_path / "deep.png")), numbers)


CODES = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("packed", [True, False])
def test_idx_files_of_every_type(tmp_path, code, packed):
    array = np.arange(24).reshape(2, 3, 4).astype(CODES[code])
    data = idx_bytes(array, code)
    (tmp_path / "x").write_bytes(gzip.compress(data, mtime=0) if packed else data)
    result = read_idx(tmp_path / "x")
    assert np.array_equal(result, array) and result.dtype.isnative and result.flags.writeable


@pytest.mark.parametrize("packed", [True, False])
def test_idx_files_cut_anywhere_are_refused(tmp_path, packed):
    data = idx_bytes(np.zeros((2, 3), np.uint8))
    data = gzip.compress(data, mtime=0) if packed else data
    for length in range(len(data)):
        (tmp_path / "x").write_bytes(data[:length])
        with pytest.raises(DataError, match="x: "):
            read_idx(tmp_path / "x")
    if not packed:
        (tmp_path / "x").write_bytes(data + b"!")
        with pytest.raises(DataError, match="there are more"):
            read_idx(tmp_path / "x")


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "empty"),
        (b"<html>", "HTML page"),
        (b"\0\0\x07\x01\0\0\0\0", "not an IDX file"),
        (b"\0\0\x08\x01\xff\xff\xff\xff", "promises 4294967295 bytes"),
        (gzip.compress(b"\0\0\x08\x03" + b"\xff" * 12, mtime=0), "too short"),
    ],
)
def test_other_files_are_named_and_no_memory_is_taken(tmp_path, data, text):
    (tmp_path / "x").write_bytes(data)
    with pytest.raises(DataError, match=text) as caught:
        read_idx(tmp_path / "x")
    assert str(tmp_path) in str(caught.value) and isinstance(caught.value, OSError)


@given(st.binary(max_size=60), st.integers(0, 30), st.booleans())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_damaged_idx_files_only_raise_data_error(tmp_path, noise, place, packed):
    data = idx_bytes(np.zeros((2, 3), np.uint8))
    data = bytearray(gzip.compress(data, mtime=0) if packed else data)
    data[place : place + len(noise)] = noise
    (tmp_path / "x").write_bytes(data)
    try:
        assert isinstance(read_idx(tmp_path / "x"), np.ndarray)
    except DataError:
        pass
