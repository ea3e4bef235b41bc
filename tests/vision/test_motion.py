"""Files of flow and shifts, and what is fetched; the data sets are in parity/whole/motion.txt."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import rushlight as rl
from rushlight.utils.errors import DataError
from rushlight.vision import io
from rushlight.vision.datasets import Middlebury2014Stereo, archives
from rushlight.vision.datasets.planes import read_deep_flow, read_flo, read_pfm
from rushlight.vision.io import load_deep
from tests.vision.packing import Shop, picture, tree, zipped

FLOATS = arrays.arrays(np.float32, arrays.array_shapes(min_dims=2, max_dims=2, max_side=6))
SAME_FOLDER = settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


Image = pytest.importorskip("PIL.Image")


def flo(values: np.ndarray) -> bytes:
    height, width = values.shape[1:]
    body = values.transpose(1, 2, 0).astype("<f4").tobytes()
    return b"PIEH" + struct.pack("<ii", width, height) + body


def pfm(values: np.ndarray, order: str) -> bytes:
    channels, height, width = values.shape
    head = f"{'PF' if channels == 3 else 'Pf'}\n{width} {height}\n{-1 if order == '<' else 1}.0\n"
    return head.encode() + values[:, ::-1].transpose(1, 2, 0).astype(f"{order}f4").tobytes()


def deep(values: np.ndarray, filters: bytes = b"\0") -> bytes:
    """A PNG of (H, W, 3) uint16, whose rows are stored in turn by the ways in `filters`."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    height, width, _ = values.shape
    rows = values.astype(">u2").view(np.uint8).reshape(height, -1).astype(int)
    stored = b""
    for number, row in enumerate(rows):
        way = filters[number % len(filters)]
        above = rows[number - 1] if number else np.zeros_like(row)
        left, corner = (np.concatenate([np.zeros(6, int), one])[: len(row)] for one in (row, above))
        guess = [0 * row, left, above, (left + above) // 2, paeth(left, above, corner)][way]
        stored += bytes([way]) + ((row - guess) % 256).astype(np.uint8).tobytes()
    head = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(stored))
        + chunk(b"IEND", b"")
    )  # fmt: skip


def paeth(left: np.ndarray, above: np.ndarray, corner: np.ndarray) -> np.ndarray:
    choices = np.stack([left, above, corner])
    nearest = np.abs(choices - (left + above - corner)).argmin(0)
    return np.take_along_axis(choices, nearest[None], 0)[0]


@SAME_FOLDER
@given(FLOATS, FLOATS.map(np.copy))
def test_flow_comes_back(tmp_path, first, second):
    values = np.stack([first, np.resize(second, first.shape)])
    (tmp_path / "x.flo").write_bytes(flo(values))
    found = read_flo(tmp_path / "x.flo")
    assert found.dtype == np.float32 and np.array_equal(found, values, equal_nan=True)


@SAME_FOLDER
@given(FLOATS, st.sampled_from("<>"), st.sampled_from([1, 3]), st.integers(1, 3))
def test_maps_come_back(tmp_path, values, order, channels, taken):
    planes = np.stack([values, -values, np.ones_like(values)][:channels])
    (tmp_path / "x.pfm").write_bytes(pfm(planes, order))
    found = read_pfm(tmp_path / "x.pfm", taken)
    assert found.dtype == np.float32 and np.array_equal(found, planes[:taken], equal_nan=True)


@SAME_FOLDER
@given(
    arrays.arrays(np.uint16, st.tuples(st.integers(1, 6), st.integers(1, 6), st.just(3))),
    st.binary(min_size=1, max_size=5).map(lambda noise: bytes(byte % 5 for byte in noise)),
)
def test_deep_pictures_come_back(tmp_path, values, filters):
    (tmp_path / "x.png").write_bytes(deep(values, filters))
    assert np.array_equal(load_deep(tmp_path / "x.png"), values)
    flow, known = read_deep_flow(tmp_path / "x.png")
    assert np.array_equal(flow, (values[..., :2].transpose(2, 0, 1) / 64.0 - 512).astype("f4"))
    assert known.dtype == bool and np.array_equal(known, values[..., 2] != 0)


@pytest.mark.parametrize("kind", ["flo", "pfm"])
def test_files_cut_anywhere_are_refused(tmp_path, kind):
    values = np.arange(48).reshape(3, 4, 4)
    whole = flo(values[:2]) if kind == "flo" else pfm(values, "<")
    for length in range(len(whole)):
        (tmp_path / "x").write_bytes(whole[:length])
        with pytest.raises((DataError, ValueError)) as caught:
            read_flo(tmp_path / "x") if kind == "flo" else read_pfm(tmp_path / "x")
        assert str(tmp_path) in str(caught.value) + "".join(getattr(caught.value, "__notes__", []))


def test_deep_pictures_cut_anywhere_are_refused_or_whole(tmp_path):
    values = np.random.RandomState(0).randint(0, 2**16, (4, 5, 3)).astype(np.uint16)
    whole = deep(values)
    for length in range(len(whole)):
        (tmp_path / "x").write_bytes(whole[:length])
        if length < len(whole) - 20:  # without check sums and the mark of the end it is whole
            with pytest.raises(DataError, match="x: "):
                load_deep(tmp_path / "x")
        else:
            assert np.array_equal(load_deep(tmp_path / "x"), values)


def test_sizes_that_lie_take_no_memory(tmp_path):
    for width, height in ((2**31 - 1, 2**31 - 1), (-1, -2), (0, 5)):
        (tmp_path / "x").write_bytes(b"PIEH" + struct.pack("<ii", width, height) + bytes(16))
        with pytest.raises(DataError, match="16 bytes of numbers are not"):
            read_flo(tmp_path / "x")
    (tmp_path / "x").write_bytes(b"Pf\n" + b"9" * 40 + b" 9\n-1\n" + bytes(16))
    with pytest.raises(DataError, match="16 bytes of numbers are not"):
        read_pfm(tmp_path / "x")


def test_pictures_of_eight_bits_are_no_flow(tmp_path):
    for kind in ("png", "jpeg"):
        (tmp_path / "x").write_bytes(picture(kind))
        with pytest.raises(DataError, match="not a PNG in RGB with 16 bits"):
            read_deep_flow(tmp_path / "x")


@pytest.fixture
def shop(tmp_path, monkeypatch):
    monkeypatch.delenv("RUSHLIGHT_DATA", raising=False)
    monkeypatch.setenv("RUSHLIGHT_HOME", str(tmp_path / "cache"))
    return Shop.serving(monkeypatch, archives)


def room(name: str, shifts: bool = True) -> dict[str, bytes]:
    values = np.ones((1, 4, 5), np.float32)
    files = {f"{name}/im{side}.png": picture() for side in "01"}
    return files | {f"{name}/disp{side}.pfm": pfm(values, "<") for side in "01" if shifts}


def test_scenes_that_are_missing_are_fetched(tmp_path, shop):
    names = [
        f"{scene}-{kind}"
        for scene in Middlebury2014Stereo.splits["additional"]
        for kind in ("perfect", "imperfect")
    ]
    shop.files = {f"{name}.zip": zipped(room(name)) for name in names}
    for _ in range(2):
        data = Middlebury2014Stereo(tmp_path, "additional", download=True)
        assert len(data) == 13 and shop.asked == list(shop.files)
    assert len(Middlebury2014Stereo(tmp_path, "additional", "both")) == 26
    folder = tmp_path / "Middlebury2014" / "additional"
    assert tree(folder) == {name for one in names for name in room(one)}


def test_scenes_to_test_come_in_one_archive(tmp_path, shop):
    scenes = Middlebury2014Stereo.splits["test"]
    files = {}
    for name in scenes:
        files |= room(f"MiddEval3/testF/{name}", False)
    shop.files = {"MiddEval3-data-F.zip": zipped(files | room("MiddEval3/trainingF/Piano"))}
    for _ in range(2):
        data = Middlebury2014Stereo(tmp_path, "test", None, download=True)
        assert len(data) == 15 and data[0][2:] == (None, None)
    assert shop.asked == ["MiddEval3-data-F.zip"]
    assert {path.name for path in (tmp_path / "Middlebury2014").iterdir()} == {"test"}


@pytest.mark.parametrize("turn", [False, True])
def test_pictures_of_sixteen_bits_are_read_whole(tmp_path, turn):
    values = np.random.RandomState(0).randint(0, 2**16, (4, 5, 3)).astype(np.uint16)
    path = tmp_path / "colour.png"
    path.write_bytes(deep(values))
    planes, opaque = values.transpose(2, 0, 1), np.full((1, 4, 5), 65535)
    data = io.read_file(path)
    for found in (io.read_image(path, apply_exif_orientation=turn), io.decode_png(data)):
        assert found.dtype == rl.uint16 and np.array_equal(found.numpy(), planes)
    clear = io.decode_image(data, "RGB_ALPHA", turn)
    assert np.array_equal(clear.numpy(), np.concatenate([planes, opaque]))

    Image.fromarray(values[..., 0]).save(tmp_path / "grey.png")
    for mode, wanted in (
        ("UNCHANGED", planes[:1]), ("GRAY", planes[:1]), ("RGB", planes[[0, 0, 0]]),
        ("GRAY_ALPHA", np.concatenate([planes[:1], opaque])),
        ("RGB_ALPHA", np.concatenate([planes[[0, 0, 0]], opaque])),
    ):  # fmt: skip
        found = io.read_image(tmp_path / "grey.png", mode, turn)
        assert found.dtype == rl.uint16 and np.array_equal(found.numpy(), wanted)
