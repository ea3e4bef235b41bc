"""Files that torch wrote, read without torch: every value, type, bit, view and shared storage."""

import base64
import io
import json
import pathlib
import zlib
from typing import Any

import numpy as np
import pytest

from rushlight.core.dtypes import dtype
from rushlight.core.shapes import Size
from rushlight.core.tensor import Tensor
from rushlight.serialize import CheckpointError, load, save

RECORDED = json.loads((pathlib.Path(__file__).parent / "data" / "files.json").read_text())
FILES = {case["name"]: case for case in RECORDED["files"]}


def unpacked(text: str) -> bytes:
    return zlib.decompress(base64.b64decode(text))


def root_of(array: np.ndarray) -> int:
    """The address of the memory that the array is a view of."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array.__array_interface__["data"][0]


def check(value: Any, expected: dict, storages: dict[int, int], views: bool = True) -> None:
    """The loaded value is what torch holds."""
    kind = type(value).__name__
    assert kind == expected["kind"]
    if isinstance(value, Tensor):
        array = value._array
        assert str(value.dtype) == expected["dtype"]
        assert list(array.shape) == expected["shape"]
        assert value.requires_grad == expected["grad"]
        assert array.tobytes().hex() == expected["bytes"]
        if array.size and views:
            steps = [step // array.itemsize for step in array.strides]
            assert steps == expected["stride"]
            start = array.__array_interface__["data"][0] - root_of(array)
            assert start == expected["offset"] * array.itemsize
            assert storages.setdefault(expected["storage"], root_of(array)) == root_of(array)
    elif "items" in expected:
        assert len(value) == len(expected["items"])
        for (key, part), (named, told) in zip(value.items(), expected["items"]):
            check(key, named, storages, views)
            check(part, told, storages, views)
        check(getattr(value, "_metadata", None), expected["metadata"], storages)
    elif "parts" in expected:
        assert len(value) == len(expected["parts"])
        for part, told in zip(value, expected["parts"]):
            check(part, told, storages, views)
    elif isinstance(value, np.ndarray):
        assert f"{value.dtype.str} {value.tolist()}" == expected["text"]
    else:
        assert repr(value) == expected["text"]


@pytest.mark.parametrize("name", FILES)
def test_torchs_files_are_read(name):
    data = unpacked(FILES[name]["file"])
    # Views under a conjugate mark are made plain when read, so they are memory of their own.
    views = not name.startswith("conj")
    check(load(io.BytesIO(data)), FILES[name]["value"], {}, views)


@pytest.mark.parametrize("name", FILES)
def test_read_write_read(name):
    stream = io.BytesIO()
    save(load(io.BytesIO(unpacked(FILES[name]["file"]))), stream)
    stream.seek(0)
    check(load(stream), FILES[name]["value"], {}, not name.startswith("conj"))


@pytest.mark.parametrize("name", [name for name in FILES if name.endswith("zip")])
def test_read_mapped(name, tmp_path):
    path = tmp_path / "file.pt"
    path.write_bytes(unpacked(FILES[name]["file"]))
    check(load(path, mmap=True), FILES[name]["value"], {}, not name.startswith("conj"))


def test_parameters_are_parameters_and_shared_ones_are_one():
    found = load(io.BytesIO(unpacked(FILES["parameters, zip"]["file"])))
    assert found[2] is found[3] and found[1].note == "kept"
    types = [type(FILES[f"{name}, zip"]["value"]) for name in ("state dict", "nested")]
    assert types == [dict, dict] and issubclass(Size, tuple) and isinstance(found[0].dtype, dtype)


def test_whole_models_of_torch_are_refused_by_name():
    words = {"module": r"torch\.nn\.modules\.container\.Sequential", "pickle": "print"}
    for name, word in words.items():
        with pytest.raises(CheckpointError, match=word) as caught:
            load(io.BytesIO(unpacked(RECORDED["refused"][name])))
        assert "load_state_dict" in "".join(caught.value.__notes__)


@pytest.mark.parametrize("name", ["state dict, zip", "views, legacy", "adam, zip"])
def test_damage_is_seen(name):
    data = unpacked(FILES[name]["file"])
    rng = np.random.default_rng(3)
    seen = 0
    for _ in range(150):
        bad = bytearray(data)
        bad[rng.integers(0, len(bad))] ^= 1 << rng.integers(0, 8)
        try:
            found = load(io.BytesIO(bytes(bad)))
        except CheckpointError:
            seen += 1
        else:
            if name.endswith("zip"):
                check(found, FILES[name]["value"], {})
        with pytest.raises(CheckpointError):
            load(io.BytesIO(data[: rng.integers(0, len(data) - 64)]))
    assert seen > 10
