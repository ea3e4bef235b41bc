"""The safetensors format: as the reference library writes and reads it, and every lie refused."""

import json
import os

import hypothesis.extra.numpy as arrays
import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from rushlight.serialize import CheckpointError, load, safetensors, save
from tests.serialize.tools import loaded, same, tensor

NUMBERS = ["bool", "float16", "float32", "float64", "complex64", "uint8", "int8", "int16", "int32"]
NUMBERS += ["int64", "uint16", "uint32", "uint64"]
tables = st.dictionaries(
    st.text(max_size=6),
    arrays.arrays(
        st.sampled_from([np.dtype(name) for name in NUMBERS]),
        arrays.array_shapes(min_dims=0, min_side=0),
    ),
    max_size=5,
)


@settings(max_examples=80, deadline=None)
@given(tables)
def test_tensors_come_back_bit_for_bit(table):
    tensors = {name: tensor(array) for name, array in table.items()}
    back = loaded(safetensors.save(tensors))
    assert set(back) == set(tensors) and all(same(back[name], tensors[name]) for name in back)


@settings(max_examples=60, deadline=None)
@given(tables)
def test_the_reference_library_writes_and_reads_the_same_bytes(table):
    reference = pytest.importorskip("safetensors.numpy")
    data = safetensors.save({name: tensor(array) for name, array in table.items()})
    theirs = reference.load(data)
    assert all(same(theirs[name], np.ascontiguousarray(table[name]).reshape(table[name].shape))
               for name in table) and set(theirs) == set(table)  # fmt: skip
    assert reference.save(table, {"format": "pt"}) == data


def test_the_suffix_chooses_the_format(tmp_path):
    path = tmp_path / "model.safetensors"
    base = np.arange(6, dtype=np.float32).reshape(2, 3)
    save({"w": tensor(base), "t": tensor(base.T), "scalar": tensor(2.0)}, path)
    back = load(path)
    assert back["t"]._array.tolist() == base.T.tolist() and back["scalar"]._array.shape == ()
    assert same(safetensors.load_file(path)["w"], tensor(base))
    header = path.read_bytes()[8:]
    assert json.JSONDecoder().raw_decode(header.decode("latin-1"))[0]["__metadata__"] == {
        "format": "pt"
    }
    assert os.listdir(tmp_path) == ["model.safetensors"]


@pytest.mark.parametrize(
    ("value", "match"),
    [([1], "not a list"), ({"a": 1}, "'a' is a int"), ({1: None}, "text"),
     ({"a": tensor(1j, "complex128")}, "no type"), ({"__metadata__": tensor(1)}, "text")],
)  # fmt: skip
def test_what_it_cannot_hold(value, match, tmp_path):
    with pytest.raises(TypeError, match=match):
        save(value, tmp_path / "a.safetensors")
    with pytest.raises(TypeError, match="text to text"):
        safetensors.save({}, {"epoch": 3})
    assert os.listdir(tmp_path) == []


def file(header, data=b"", length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + data


def entry(**changes):
    return {"dtype": "F32", "shape": [2], "data_offsets": [0, 8], **changes}


LIES = {
    "short": file({"a": entry()}, bytes(7)), "long": file({"a": entry()}, bytes(9)),
    "header past end": file({"a": entry()}, bytes(8), 10**6),
    "header cap": file({"a": entry()}, bytes(8), 2**62),
    "no header": b"\x01\0\0\0\0\0\0\0{", "tiny": b"\x02\0\0{", "list": file(b"{]"),
    "shape": file({"a": entry(shape=[3])}, bytes(8)),
    "negative": file({"a": entry(shape=[-2])}, bytes(8)),
    "fraction": file({"a": entry(shape=[2.0])}, bytes(8)),
    "true": file({"a": entry(shape=[True, 2])}, bytes(8)),
    "overflow": file({"a": entry(shape=[2**62, 4])}, bytes(8)),
    "huge int": file({"a": entry(shape=[2**70])}, bytes(8)),
    "ranks": file({"a": entry(shape=[1] * 70 + [2])}, bytes(8)),
    "dtype": file({"a": entry(dtype="F33")}, bytes(8)),
    "no dtype": file({"a": {"shape": [2], "data_offsets": [0, 8]}}, bytes(8)),
    "extra": file({"a": entry(code="x")}, bytes(8)),
    "backwards": file({"a": entry(data_offsets=[8, 0])}, bytes(8)),
    "three": file({"a": entry(data_offsets=[0, 8, 8])}, bytes(8)),
    "overlap": file({"a": entry(), "b": entry()}, bytes(8)),
    "partial overlap": file({"a": entry(), "b": entry(data_offsets=[4, 12])}, bytes(12)),
    "gap": file({"a": entry(data_offsets=[8, 16])}, bytes(16)),
    "twice": file(b'{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},'
                  b'"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}'),
    "metadata": file({"__metadata__": {"a": 1}}), "metadata list": file({"__metadata__": []}),
    "not utf8": file(b'{"\xff":1}'), "deep": file(b'{"a":' + b"[" * 100_000),
    "digits": file(b'{"a":' + b"9" * 5000 + b"}"),
    "bool": file({"a": entry(dtype="BOOL", shape=[8])}, b"\x02" * 8),
}  # fmt: skip


@pytest.mark.parametrize("name", LIES)
def test_lies_are_refused(name):
    with pytest.raises(CheckpointError):
        loaded(LIES[name])
    with pytest.raises(CheckpointError):
        safetensors.load(LIES[name])


def test_every_cut_is_refused():
    whole = safetensors.save({"a": tensor(np.arange(9.0)), "b": tensor([True])})
    for size in range(len(whole)):
        with pytest.raises(CheckpointError):
            loaded(whole[:size])
