"""Damaged and foreign files: cut, flipped, mislabelled, lying. Only CheckpointError comes out."""

import io
import pickle
import re
import struct
import sys
import zipfile

import numpy as np
import pytest

from rushlight.serialize import CheckpointError, load, save
from rushlight.serialize.tensors import check_window
from tests.serialize.tools import (
    loaded,
    packed,
    records,
    same,
    sample,
    saved,
    tensor,
    with_pickle,
)


@pytest.fixture(scope="module")
def whole():
    return saved(sample())


@pytest.mark.parametrize("percent", range(1, 100, 9))
def test_a_cut_file_says_so(whole, percent):
    cut = whole[: len(whole) * percent // 100]
    with pytest.raises(CheckpointError, match=f"ends at (bytes? )?{len(cut)}") as caught:
        loaded(cut)
    assert "cut short" in str(caught.value)


def test_every_cut_is_refused(whole):
    for size in range(len(whole)):
        with pytest.raises(CheckpointError):
            loaded(whole[:size])


def test_a_cut_inside_a_tensor_names_the_record():
    data = saved({"w": tensor(np.zeros(10_000, np.float32))})
    with pytest.raises(
        CheckpointError, match=r"record archive/data/0, of which 2\d+ bytes are mis"
    ):
        loaded(data[:20_000])


def test_every_flipped_bit_is_seen_or_harmless(whole):
    expected = sample()
    seen = 0
    for at in range(len(whole)):
        bad = bytearray(whole)
        bad[at] ^= 1 << at % 8
        try:
            assert same(loaded(bytes(bad)), expected)
        except CheckpointError:
            seen += 1
    assert seen > 0.5 * len(whole)


def test_a_flipped_weight_names_its_tensor(whole):
    expected = sample()
    weight = expected["model"]["fc.weight"]._array.tobytes()
    at = whole.index(weight)
    for offset in (0, 70, len(weight) - 1):
        bad = bytearray(whole)
        bad[at + offset] ^= 4
        with pytest.raises(CheckpointError, match=r"checksum .*model\.fc\.weight.* differs"):
            loaded(bytes(bad))


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "empty"),
        (b"<!DOCTYPE html><html>404</html>", "HTML page"),
        (b"\n  <html><body>Sign in</body></html>", "HTML page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n", "Git LFS pointer"),
        (b'{"error": "Not Found"}', "JSON"),
        (b"Access denied\n", "is text"),
        (b"\x1f\x8b\x08\x00\x00\x00\x00\x00", "gzip"),
        (b"\x89HDF\r\n\x1a\n" + bytes(50), "HDF5"),
        (b"\x93NUMPY\x01\x00v\x00{'descr'", "numpy.load|NumPy"),
        (bytes(100), "zero bytes"),
        (bytes(range(200, 256)) * 9, "not a checkpoint"),
        (b"PK", "cut short"),
        (b"PK\x03\x04aaaa", "cut short"),
        (pickle.dumps(1), "magic number"),
        (pickle.dumps({"w": [1.0, 2.0]}, 2), "magic number"),
    ],
)
def test_what_is_no_checkpoint_is_named(data, sentence, tmp_path):
    path = tmp_path / "model.pt"
    path.write_bytes(data)
    for source in (path, io.BytesIO(data)):
        with pytest.raises(CheckpointError, match=sentence):
            load(source)
    with pytest.raises(RuntimeError) as caught:
        load(path)
    shown = str(caught.value) + "".join(getattr(caught.value, "__notes__", []))
    assert "model.pt" in shown
    assert isinstance(caught.value, pickle.UnpicklingError)
    assert isinstance(caught.value, EOFError) == (not data)


def test_other_zip_files_are_named():
    stream = io.BytesIO()
    np.savez(stream, a=np.zeros(3))
    with pytest.raises(CheckpointError, match=r"numpy\.load"):
        loaded(stream.getvalue())
    with pytest.raises(CheckpointError, match="TorchScript"):
        loaded(packed({"m/constants.pkl": b".", "m/code/a.py": b"", "m/data.pkl": b"N."}))
    with pytest.raises(CheckpointError, match="no checkpoint"):
        loaded(packed({"hello.txt": b"x"}))


@pytest.mark.parametrize(
    "name", ["../x/data.pkl", "/etc/passwd", "a/../../b", "a//b", "a/./b", "a\\b", "a\0b", "a/\n"]
)
def test_names_that_climb_are_refused(whole, name):
    with pytest.raises(CheckpointError, match="not a plain path"):
        loaded(packed({**records(whole), name: b"x"}))


def test_compressed_doubled_and_encrypted_records_are_refused(whole):
    found = records(whole)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in found.items():
            archive.writestr(name, data)
    with pytest.raises(CheckpointError, match="compressed"):
        loaded(stream.getvalue())
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive, pytest.warns(UserWarning, match="Duplicate"):
        for name, data in [*found.items(), ("archive/version", b"3\n")]:
            archive.writestr(name, data)
    with pytest.raises(CheckpointError, match="two records are named"):
        loaded(stream.getvalue())
    locked = bytearray(whole)
    locked[locked.index(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(CheckpointError, match="encrypted"):
        loaded(bytes(locked))


def test_plain_archives_of_other_writers_are_read(whole):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in records(whole).items():
            archive.writestr(name, data)
    assert same(loaded(stream.getvalue()), sample())


def test_64_bit_sizes_are_read_and_must_agree():
    data = struct.pack("4f", 0, 1, 2, 3)
    found = records(with_pickle(tensor_pickle(0, (4,), (1,)), _0=data))
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, part in found.items():
            with archive.open(name, "w", force_zip64=True) as record:
                record.write(part)
    whole = bytearray(stream.getvalue())
    for header in re.finditer(b"PK\x03\x04", bytes(whole)):  # Python before 3.11.4 leaves them out
        whole[header.start() + 18 : header.start() + 26] = b"\xff" * 8
    assert loaded(bytes(whole))._array.tolist() == [0, 1, 2, 3]
    bad = whole.copy()
    bad[whole.index(data) - 16] ^= 1  # the size in the field before the record
    with pytest.raises(CheckpointError, match="disagrees"):
        loaded(bytes(bad))


def test_the_directory_must_agree_with_the_local_headers(whole):
    start = whole.index(b"PK\x01\x02")
    for offset, what in [(16, "crc"), (24, "size"), (42, "offset"), (46, "name")]:
        bad = bytearray(whole)
        bad[start + offset] ^= 1
        with pytest.raises(CheckpointError):
            loaded(bytes(bad)), what
    for offset in (0, 6, 8, 14, 18, 22, 30):  # sign, flags, method, checksum, sizes, name
        bad = bytearray(whole)
        bad[offset] ^= 1
        with pytest.raises(CheckpointError, match="disagrees" if offset else "not a checkpoint"):
            loaded(bytes(bad))
    prefixed = b"\0" * 64 + whole
    with pytest.raises(CheckpointError):
        loaded(prefixed)
    with pytest.raises(CheckpointError):
        loaded(whole + b"tail")


def moved(whole, at, extra):
    """The archive with `extra` bytes put in at `at`, and a directory that knows."""
    bad = bytearray(whole)
    bad[at:at] = extra
    start = whole.index(b"PK\x01\x02") + len(extra)
    struct.pack_into("<L", bad, len(bad) - 6, start)
    while bad[start : start + 4] == b"PK\x01\x02":
        header = struct.unpack_from("<L", bad, start + 42)[0]
        struct.pack_into("<L", bad, start + 42, header + len(extra) * (header >= at))
        start += 46 + sum(struct.unpack_from("<HHH", bad, start + 28))
    return bytes(bad)


def test_hidden_bytes_and_overlapping_records_are_refused():
    whole = packed({"a/data.pkl": b"N.", "a/version": b"3\n"})
    second = whole.index(b"PK\x03\x04", 4)
    assert loaded(whole) is None and loaded(moved(whole, second, b"")) is None
    with pytest.raises(CheckpointError, match="leaves a gap"):
        loaded(moved(whole, second, b"hidden" * 9))
    # A record that is also the content of another: two readers could see two files.
    inner = whole[second : whole.index(b"PK\x01\x02")]
    outer = packed({"a/data.pkl": b"N.", "a/x": inner, "a/version": b"3\n"})
    last = outer.rindex(b"PK\x01\x02")
    bad = bytearray(outer)
    struct.pack_into("<L", bad, last + 42, outer.index(inner))
    with pytest.raises(CheckpointError, match="overlaps"):
        loaded(bytes(bad))


def tensor_pickle(offset, size, stride, numel=4, key="0", kind="FloatStorage", place="cpu"):
    """A pickle of one tensor that claims these numbers."""
    storage = pickle.dumps(("storage", None, key, place, numel), 2)[2:-1]
    storage = storage.replace(b"N", f"ctorch\n{kind}\n".encode(), 1)
    window = b"".join(pickle.dumps(part, 2)[2:-1] for part in (offset, size, stride, False))
    hooks = b"ccollections\nOrderedDict\n)R"
    return (
        b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(" + storage + b"Q" + window + hooks + b"tR."
    )


def test_an_honest_window_is_read():
    data = with_pickle(tensor_pickle(1, (3,), (1,)), _0=struct.pack("4f", 0, 1, 2, 3))
    assert loaded(data)._array.tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    "claim",
    [
        {"offset": -1}, {"offset": 4}, {"offset": 2**62}, {"offset": 1.0}, {"offset": True},
        {"size": (5,)}, {"size": (-1,)}, {"size": (2**62, 2**62), "stride": (0, 0)},
        {"size": (2, 2)}, {"size": [2]}, {"size": (2.0,)}, {"size": None}, {"size": (1,) * 65,
        "stride": (1,) * 65}, {"stride": (-1,)}, {"stride": (4,)}, {"stride": (2**63,)},
        {"numel": 5}, {"numel": -1}, {"numel": 2**60}, {"numel": 3}, {"key": "1"},
        {"key": "../version"}, {"kind": "DoubleStorage"}, {"kind": "NoStorage"}, {"kind": "Size"},
        {"place": "cuda:0"}, {"place": "nowhere"}, {"size": (0,), "offset": 5},
    ],
)  # fmt: skip
def test_lying_tensors_are_refused(claim):
    pickled = tensor_pickle(**{"offset": 0, "size": (2,), "stride": (1,), **claim})
    with pytest.raises(CheckpointError):
        loaded(with_pickle(pickled, _0=bytes(16)))


def test_windows_end_exactly_at_the_storage():
    assert check_window(4, 0, (4,), (1,)) == (0, (4,), (1,))
    assert check_window(4, 1, (2, 2), (1, 1))[0] == 1 and check_window(4, 4, (0,), (1,))[0] == 4
    assert check_window(1, 0, (10**9, 3), (0, 0))[1] == (10**9, 3)
    for offset, size, stride in [(1, (4,), (1,)), (0, (2, 2), (3, 1)), (5, (0,), (1,))]:
        with pytest.raises(CheckpointError, match="reaches past"):
            check_window(4, offset, size, stride)


def test_a_boolean_storage_must_hold_0_and_1():
    pickled = tensor_pickle(0, (4,), (1,), kind="BoolStorage")
    assert loaded(with_pickle(pickled, _0=b"\0\1\1\0"))._array.tolist() == [
        False,
        True,
        True,
        False,
    ]
    with pytest.raises(CheckpointError, match="beyond 0 and 1"):
        loaded(with_pickle(pickled, _0=b"\0\2\1\0"))


def test_the_other_byte_order_is_turned():
    found = records(with_pickle(tensor_pickle(0, (4,), (1,)), _0=struct.pack(">4f", 0, 1, 2, 3)))
    back = loaded(packed({**found, "a/byteorder": b"big"}))
    assert back._array.tolist() == [0, 1, 2, 3]
    with pytest.raises(CheckpointError, match="byte order"):
        loaded(packed({**found, "a/byteorder": b"odd"}))


def test_damage_in_a_file_on_disk_names_the_file(tmp_path):
    path = tmp_path / "best.pt"
    save(sample(), path)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(CheckpointError) as caught:
        load(path)
    assert any("best.pt" in note for note in caught.value.__notes__)
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "none.pt")
    with pytest.raises(PermissionError if sys.platform == "win32" else IsADirectoryError):
        load(tmp_path)
