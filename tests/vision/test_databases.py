"""Data sets in files of HDF5 and LMDB; stand-ins take the packages' place where they are absent."""

from __future__ import annotations

import gzip
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from rushlight.utils.errors import DataError
from rushlight.vision import datasets
from tests.vision.packing import picture


class _Files(dict[str, Any]):
    """What h5py.File and lmdb.open give, from a table of contents by path."""

    def h5py(self) -> Any:
        contents = self

        class File:
            def __init__(self, path: Any, mode: str) -> None:
                assert mode == "r"
                self.name = path.name

            def __enter__(self) -> Any:
                if contents[self.name] is None:
                    raise OSError("no HDF5")
                return contents[self.name]

            def __exit__(self, *error: Any) -> None:
                pass

        return SimpleNamespace(File=File)

    def lmdb(self) -> Any:
        class Transaction:
            def __init__(self, rows: dict[bytes, bytes]) -> None:
                self.rows, self.get = rows, rows.get

            def __enter__(self) -> Any:
                return self

            def __exit__(self, *error: Any) -> None:
                pass

            def cursor(self) -> Any:
                return SimpleNamespace(iternext=lambda values: iter(sorted(self.rows)))

        def opened(path: str, **settings: Any) -> Any:
            assert settings["readonly"] and not settings["lock"]
            rows = self[path.rsplit("/", 1)[-1]]
            return SimpleNamespace(begin=lambda write: Transaction(rows))

        return SimpleNamespace(open=opened)


@pytest.fixture
def cells(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> _Files:
    stem = "camelyonpatch_level_2_split_valid_"
    pictures = np.arange(2 * 4 * 4 * 3, dtype=np.uint8).reshape(2, 4, 4, 3)
    labels = np.array([0, 1], dtype=np.uint8).reshape(2, 1, 1, 1)
    files = _Files({f"{stem}x.h5": {"x": pictures}, f"{stem}y.h5": {"y": labels}})
    (tmp_path / "pcam").mkdir()
    for name in files:
        (tmp_path / "pcam" / name).touch()
    monkeypatch.setitem(sys.modules, "h5py", files.h5py())
    return files


def test_patches_and_their_labels(cells: _Files, tmp_path: Any) -> None:
    found = datasets.PCAM(tmp_path, "val", transform=np.asarray, target_transform=lambda y: y + 5)
    assert len(found) == 2
    image, label = found[1]
    assert label == 6 and image.tolist() == cells[next(iter(cells))]["x"][1].tolist()
    assert found[-1][1] == 6
    with pytest.raises(IndexError):
        found[2]
    with pytest.raises(ValueError, match="Unknown value 'all' for argument split"):
        datasets.PCAM(tmp_path, "all")
    with pytest.raises(RuntimeError, match="Dataset not found"):
        datasets.PCAM(tmp_path, "train")


def test_patches_are_fetched_once(
    cells: _Files, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    asked: list[str] = []

    def fetch(key: str, path: Path, md5: str) -> None:
        assert len(key) == 33 and len(md5) == 32
        asked.append(path.name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(b"rows"))

    monkeypatch.setattr("rushlight.vision.datasets.cells.fetch_from_drive", fetch)
    root = tmp_path / "new"
    with pytest.raises(RuntimeError):
        datasets.PCAM(root, "val")
    for _ in range(2):
        assert len(datasets.PCAM(root, "val", download=True)) == 2
        assert asked == [f"{name}.gz" for name in cells]
    assert [(root / "pcam" / name).read_bytes() for name in cells] == [b"rows"] * 2


def test_a_broken_file_is_named(cells: _Files, tmp_path: Any) -> None:
    found = datasets.PCAM(tmp_path, "val")
    cells[next(iter(cells))] = None
    with pytest.raises(DataError, match=r"split_valid_x\.h5"):
        len(found)


def test_without_h5py(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(RuntimeError, match="h5py is not found"):
        datasets.PCAM(tmp_path)


@pytest.fixture
def scenes(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = {
        "bedroom_val_lmdb": {b"b": picture(shade=2), b"a": picture(shade=1)},
        "tower_val_lmdb": {b"c": picture(shade=3)},
    }
    monkeypatch.setitem(sys.modules, "lmdb", _Files(rows).lmdb())


@pytest.mark.usefixtures("scenes")
def test_scenes_count_through_their_databases() -> None:
    pytest.importorskip("PIL")
    found = datasets.LSUN("root", ["bedroom_val", "tower_val"], target_transform=lambda y: -y)
    assert len(found) == 3
    assert [target for _, target in found] == [0, 0, -1]
    assert [np.asarray(image).flat[0] for image, _ in found] == [1, 2, 3]
    assert "Classes: ['bedroom_val', 'tower_val']" in repr(found)
    with pytest.raises(IndexError):
        found[3]
    image, target = datasets.LSUNClass("root/tower_val_lmdb")[0]
    assert target is None and image.mode == "RGB"


@pytest.mark.parametrize(
    ("classes", "text"),
    [
        (["foo_val"], "Unknown value 'foo' for LSUN class. Valid values are {'bedroom', "),
        (
            ["tower_all"],
            "Unknown value 'all' for postfix. Valid values are {'train'",
        ),
        ("tower_val", "Unknown value '' for LSUN class"),
        ([3], "Expected type str, but got type <class 'int'>."),
        (3, "Expected type str or Iterable for argument classes, but got type <class 'int'>."),
    ],
)
def test_unknown_scenes_are_refused(classes: Any, text: str) -> None:
    with pytest.raises(ValueError) as caught:
        datasets.LSUN("root", classes)
    assert str(caught.value).startswith(text)


def test_without_lmdb(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lmdb", None)
    with pytest.raises(ImportError) as caught:
        datasets.LSUN("root", "test")
    assert "pip install lmdb" in caught.value.__notes__[0]
