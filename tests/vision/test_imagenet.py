"""ImageNet's archives, unpacked once: the kit's table, the parts to train and to validate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rushlight as rl
from rushlight.utils.download import file_digest
from rushlight.vision.datasets import ImageNet
from tests.vision.packing import matlab, picture, tar, tree

pytest.importorskip("PIL")
pytest.importorskip("scipy")

# number, folder, names, what it is, classes below it: those with some are not in the data set
SYNSETS = [
    (1, "n01", "tench, Tinca tinca", "a fish", 0),
    (2, "n02", "kit fox", "a fox", 0),
    (3, "n03", "barn, shed", "a house", 0),
    (4, "n00", "animal", "what breathes", 2),
]
TRUTH = [3, 1, 1, 2]
FIELDS = ("ILSVRC2012_ID", "WNID", "words", "gloss", "num_children", "wordnet_height")


def table() -> bytes:
    rows = np.empty((len(SYNSETS), 1), [(name, object) for name in FIELDS])
    for place, row in enumerate(SYNSETS):
        rows[place, 0] = (*row, 0)
    return matlab(synsets=rows)


def kit(truth: list[int] = TRUTH) -> bytes:
    base = "ILSVRC2012_devkit_t12/data/"
    lines = "".join(f"{number}\n" for number in truth).encode()
    return tar(
        {f"{base}meta.mat": table(), f"{base}ILSVRC2012_validation_ground_truth.txt": lines}, "gz"
    )


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A root with the three archives, of four classes."""
    monkeypatch.delenv("RUSHLIGHT_DATA", raising=False)
    monkeypatch.setenv("RUSHLIGHT_HOME", str(tmp_path / "cache"))
    train = {
        f"n0{number}.tar": tar(
            {f"n0{number}_{n}.JPEG": picture("jpeg", 10 * number + n) for n in (1, 2)}
        )
        for number in (1, 2, 3)
    }
    val = {f"ILSVRC2012_val_{n:08d}.JPEG": picture("jpeg", n) for n in (1, 2, 3, 4)}
    parts = {"train": tar(train), "val": tar(dict(reversed(val.items()))), "devkit": kit()}
    folder = tmp_path / "root"
    folder.mkdir()
    known = {}
    for part, content in parts.items():
        name = ImageNet.archives[part][0]
        (folder / name).write_bytes(content)
        known[part] = name, file_digest(folder / name, "md5")
    monkeypatch.setattr(ImageNet, "archives", known)
    return folder


def names(data: Any) -> list[tuple[str, int]]:
    return [(Path(path).relative_to(data.split_folder).as_posix(), y) for path, y in data.samples]


def test_the_part_to_train_is_sorted_by_class(root):
    data = ImageNet(root)
    assert names(data) == [
        (f"n0{number}/n0{number}_{n}.JPEG", number - 1) for number in (1, 2, 3) for n in (1, 2)
    ]
    assert data.wnids == ["n01", "n02", "n03"]
    assert data.wnid_to_idx == {"n01": 0, "n02": 1, "n03": 2}
    assert data.classes == [("tench", "Tinca tinca"), ("kit fox",), ("barn", "shed")]
    assert data.class_to_idx == {
        "tench": 0, "Tinca tinca": 0, "kit fox": 1, "barn": 2, "shed": 2
    }  # fmt: skip
    assert data[2][0].size == (5, 4) and data[2][1] == 1
    assert "Split: train" in repr(data) and f"Root location: {root}" in repr(data)


def test_the_part_to_validate_is_sorted_by_the_truth(root):
    data = ImageNet(str(root), "val")
    assert names(data) == [
        ("n01/ILSVRC2012_val_00000002.JPEG", 0), ("n01/ILSVRC2012_val_00000003.JPEG", 0),
        ("n02/ILSVRC2012_val_00000004.JPEG", 1), ("n03/ILSVRC2012_val_00000001.JPEG", 2),
    ]  # fmt: skip
    shades = [round(float(np.asarray(picture).mean())) for picture, _ in data]
    assert shades == [2, 3, 4, 1]


def test_the_table_is_torchvisions(root):
    ImageNet(root, "val")
    found = rl.load(root / "meta.bin", weights_only=True)
    assert found == (
        {"n01": ("tench", "Tinca tinca"), "n02": ("kit fox",), "n03": ("barn", "shed")},
        ["n03", "n01", "n01", "n02"],
    )


def test_it_is_unpacked_once_and_found_elsewhere(root, tmp_path, monkeypatch):
    ImageNet(root)
    ImageNet(root, "val")
    assert {path.split("/")[0] for path in tree(root)} == {
        "train", "val", "meta.bin", *(name for name, _ in ImageNet.archives.values())
    }  # fmt: skip
    for name, _ in ImageNet.archives.values():
        (root / name).unlink()
    assert (len(ImageNet(root)), len(ImageNet(root, "val"))) == (6, 4)
    monkeypatch.setenv("RUSHLIGHT_DATA", str(root))
    assert len(ImageNet(tmp_path / "other")) == 6 and not (tmp_path / "other").exists()


@pytest.mark.parametrize("part", ["devkit", "train"])
def test_archives_that_are_missing_or_others_are_refused(root, part):
    path = root / ImageNet.archives[part][0]
    path.write_bytes(path.read_bytes() + b"!")
    with pytest.raises(RuntimeError, match=f"{path.name} is not present") as caught:
        ImageNet(root)
    assert "md5" in caught.value.__notes__[0]
    path.unlink()
    with pytest.raises(RuntimeError, match=f"{path.name} is not present"):
        ImageNet(root)


def test_a_run_that_is_cut_leaves_no_half_of_a_part(root, monkeypatch):
    def cut(self: ImageNet, scratch: Path) -> None:
        assert any(scratch.iterdir())
        raise KeyboardInterrupt

    monkeypatch.setattr(ImageNet, "_sort_train", cut)
    before = tree(root)
    with pytest.raises(KeyboardInterrupt):
        ImageNet(root)
    assert tree(root) == before | {"meta.bin"} and not (root / "train").exists()


def test_a_part_whose_truth_is_of_another_length_is_refused(root, monkeypatch):
    path = root / ImageNet.archives["devkit"][0]
    path.write_bytes(kit(TRUTH[:3]))
    known = ImageNet.archives | {"devkit": (path.name, file_digest(path, "md5"))}
    monkeypatch.setattr(ImageNet, "archives", known)
    with pytest.raises(RuntimeError, match="4 pictures, 3 classes"):
        ImageNet(root, "val")
    assert not (root / "val").exists()
