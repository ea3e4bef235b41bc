"""What is saved comes back: types, bits, sharing, views, cycles."""

import argparse
import datetime
import enum
import io
import os
import pathlib
import pickletools
import threading
import types
import zipfile
from collections import Counter, OrderedDict, defaultdict, deque
from typing import Any

import hypothesis.extra.numpy as arrays
import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

import rushlight as rl
from rushlight.core import dtypes
from rushlight.core.shapes import Size
from rushlight.serialize import (
    CheckpointError,
    add_safe_globals,
    get_safe_globals,
    load,
    makers,
    safe_globals,
    save,
)
from tests.serialize.tools import loaded, packed, records, same, saved, tensor, with_pickle

NUMBERS = [
    "bool",
    "uint8",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint16",
    "uint32",
    "uint64",
    "float16",
    "float32",
    "float64",
]
NUMBERS += ["complex64", "complex128"]

scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**300), 2**300), st.floats(), st.binary(max_size=9),
    st.text(max_size=9), st.complex_numbers(allow_nan=False),
)  # fmt: skip
keys = st.one_of(st.text(max_size=4), st.integers(-9, 70000), st.tuples(st.integers(0, 3)))
dense = arrays.arrays(
    st.sampled_from([np.dtype(name) for name in NUMBERS]), arrays.array_shapes(min_dims=0)
).map(tensor)
values = st.recursive(
    st.one_of(scalars, dense),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(keys, inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(keys, inner, max_size=3).map(OrderedDict),
    ),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(values)
def test_any_data_comes_back_bit_for_bit(value):
    assert same(loaded(saved(value)), value)


@settings(max_examples=60, deadline=None)
@given(dense, st.data())
def test_views_come_back_as_views(base, data):
    array = base._array
    index = data.draw(arrays.basic_indices(array.shape, allow_newaxis=True))
    view = array[index]
    back_base, back_view = loaded(saved([base, tensor(view)]))
    assert same([back_base, back_view], [base, tensor(np.asarray(view))])
    steps_forward = isinstance(view, np.ndarray) and all(s >= 0 for s in view.strides)
    if steps_forward and view.size:
        assert np.shares_memory(back_base._array, back_view._array)


def test_tensors_over_one_storage_are_stored_once_and_still_share():
    base = np.zeros(100_000, np.float32)
    data = saved({"all": tensor(base), "part": tensor(base[10:20:2]), "again": tensor(base)})
    assert len(data) < 1.1 * base.nbytes
    back = loaded(data)
    back["all"]._array[12] = 7
    assert back["part"]._array.tolist() == [0, 7, 0, 0, 0]
    assert back["again"]._array[12] == 7


def test_the_same_object_comes_back_as_one_object():
    weight, row = tensor([1.0]), [1]
    back = loaded(saved([weight, weight, row, row]))
    assert back[0] is back[1] and back[2] is back[3]


def test_expanded_and_transposed_tensors_keep_their_strides():
    base = np.arange(6, dtype=np.float32).reshape(2, 3)
    wide = np.broadcast_to(base[:, :1], (2, 10**9))
    back = loaded(saved([tensor(base.T), tensor(wide)]))
    assert back[0]._array.strides == (4, 12)
    assert back[1]._array.shape == (2, 10**9) and back[1]._array.strides == (12, 0)


def test_what_a_user_hung_on_a_tensor():
    weight = tensor([1.0])
    weight.note = ["kept"]
    data = saved({"w": weight})
    assert loaded(data)["w"].note == ["kept"]
    pickled = records(data)["archive/data.pkl"]
    for name in (b"grad", b"_ref", b"view"):
        bad = pickled.replace(b"X\x04\x00\x00\x00note", b"X\x04\x00\x00\x00" + name)
        with pytest.raises(CheckpointError, match="inner attribute"):
            loaded(packed({**records(data), "archive/data.pkl": bad}))


def test_arrays_that_torch_cannot_describe_are_copied():
    base = np.arange(8, dtype=np.int32)
    packed = np.zeros(3, np.dtype([("a", "u1"), ("b", "<f4")]))
    packed["b"] = [1, 2, 3]
    back = loaded(saved([tensor(base[::-1]), tensor(packed["b"]), tensor(base.astype(">i4"))]))
    assert back[0]._array.tolist() == list(range(7, -1, -1))
    assert back[1]._array.tolist() == [1, 2, 3]
    assert back[2]._array.tolist() == list(range(8)) and back[2]._array.dtype.isnative


def test_one_memory_as_two_types_is_refused_as_in_torch():
    base = np.zeros(4, np.float32)
    with pytest.raises(RuntimeError, match="view the same data as different types"):
        saved([tensor(base), tensor(base.view(np.int32))])


def test_cycles_and_depth():
    loop: list = [1]
    loop.append({"self": loop})
    back = loaded(saved(loop))
    assert back[1]["self"] is back
    deep: list = []
    for _ in range(20_000):
        deep = [deep]
    back, depth = loaded(saved(deep)), 0
    while back:
        back, depth = back[0], depth + 1
    assert depth == 20_000
    inner: list = []
    knot = (inner,)
    inner.append(knot)
    with pytest.raises(ValueError, match="contains itself"):
        saved(knot)


def test_the_small_types():
    table = OrderedDict(a=1)
    table._metadata = OrderedDict({"": {"version": 1}})
    lists = defaultdict(list, a=[1])
    value = {
        "size": Size((2, 3)), "dtype": dtypes.bfloat16, "device": dtypes.device("cuda:1"),
        "layout": dtypes.strided, "sets": [{1, "a"}, frozenset([2]), set()], "table": table,
        "counter": Counter("aab"), "lists": lists, "sets of": defaultdict(set), "none": b"",
        "bytes": bytearray(b"\x00\xff"), "array": np.arange(6.0).reshape(2, 3).T,
        "text": np.array(["a", "bc"]), "big": np.arange(3, dtype=">i2"), "number": np.float32(1.5),
        "flag": np.bool_(True), "surrogate": "\udc80",
    }  # fmt: skip
    back = loaded(saved(value))
    assert same(back, value)
    assert back["table"]._metadata == table._metadata
    assert back["lists"].default_factory is list and back["sets of"].default_factory is set
    assert type(back["size"]) is Size and type(back["number"]) is np.float32


class Config:
    def __init__(self, width):
        self.width = width


class Mode(enum.Enum):
    FAST = 1


def test_an_object_of_a_class_declared_safe_is_stored_as_its_attributes():
    with safe_globals([Config]):
        data = saved({"config": Config(tensor([1, 2]))})
        assert loaded(data)["config"].width._array.tolist() == [1, 2]
    assert Config not in get_safe_globals()
    with pytest.raises(RuntimeError, match=r"test_round_trip\.Config"):
        loaded(data)
    with pytest.raises(TypeError, match="only classes"):
        add_safe_globals([3])


class Slots:
    __slots__ = ("weight",)

    def __init__(self, weight):
        self.weight = weight


def test_objects_are_stored_by_the_names_of_their_classes():
    own = Config([Slots(tensor([1.0, 2.0])), Mode.FAST])
    own.itself = own
    data = saved({"own": own, "mode": Mode.FAST})
    with pytest.raises(RuntimeError, match=r"test_round_trip\.Config") as caught:
        loaded(data)
    assert (
        "add_safe_globals([tests.serialize.test_round_trip.Config])" in caught.value.__notes__[-1]
    )
    with safe_globals([Config, Slots, Mode]):
        back = loaded(data)
    assert type(back["own"]) is Config and back["own"].itself is back["own"]
    assert back["own"].width[0].weight._array.tolist() == [1, 2]
    assert back["own"].width[1] is back["mode"] is Mode.FAST
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = pickletools.genops(archive.read("archive/data.pkl"))
    called = {argument for opcode, argument, _ in names if opcode.name == "GLOBAL"}
    home = "tests.serialize.test_round_trip"
    assert called >= {f"{home} Config", f"{home} Slots", f"{home} Mode"}


def test_options_paths_and_dates_come_back_where_the_file_is_trusted():
    options = argparse.Namespace(lr=0.1, out=pathlib.Path("runs/a"), sizes=[1, 2])
    options.started = datetime.datetime(2026, 1, 2, 3)
    options.more = types.SimpleNamespace(depth=3, since=datetime.timedelta(hours=1))
    data = saved({"args": options})
    assert loaded(data, weights_only=False)["args"] == options
    with pytest.raises(RuntimeError, match=r"argparse\.Namespace"):
        loaded(data)


@pytest.mark.parametrize(
    ("value", "where"),
    [
        ({"a": [1, {"f": print}]}, r"\['a'\]\[1\]\['f'\]"),
        (lambda: 1, "cannot save it"),
        ([Config(print)], r"\[0\]"),
        ({"m": Mode}, r"\['m'\]"),
        (np.array([print]), "ndarray"),
        ([iter([1])], r"\[0\]"),
        ({"lock": threading.Lock()}, "lock"),
        (type("Local", (), {})(), "cannot save it"),
        ([deque([1])], "deque"),
        ([rl.optim.SGD([tensor([1.0])], lr=0.1)], "SGD"),
        ([defaultdict(lambda: 1)], r"\[0\]"),
    ],
)
def test_what_is_not_data_is_refused_with_its_place(value, where, tmp_path):
    path = tmp_path / "model.pt"
    save([1], path)
    with pytest.raises(TypeError, match=where):
        save(value, path)
    assert load(path) == [1] and os.listdir(tmp_path) == ["model.pt"]


def test_file_objects_paths_and_torchs_errors_for_others(tmp_path):
    stream = io.BytesIO(b"before")
    stream.seek(6)
    save({"a": 1}, stream)
    stream.seek(6)
    assert load(stream) == {"a": 1}
    with open(tmp_path / "ünïcode 🙂.pt", "wb") as file:
        save([tensor([1.0])], file)
    assert load(str(tmp_path / "ünïcode 🙂.pt"))[0]._array == 1
    with pytest.raises(AttributeError, match="expected 'f' to be string, path"):
        save(1, 5)
    with pytest.raises(AttributeError, match="from a file that is seekable"):
        load(5)
    with pytest.raises(ValueError, match="f must be a file path"):
        load(stream, mmap=True)


def test_mapped_tensors_are_private_copies_of_the_file(tmp_path):
    path = tmp_path / "model.pt"
    save({"w": tensor(np.arange(5000, dtype=np.float32))}, path)
    before = path.read_bytes()
    weight = load(path, mmap=True)["w"]._array
    assert weight[4999] == 4999 and weight.ctypes.data % 64 == 0
    weight[0] = 9
    assert path.read_bytes() == before


def test_storages_lie_on_64_bytes():
    import zipfile

    data = saved([tensor(np.arange(n)) for n in range(1, 9)])
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        for info in archive.infolist():
            if "/data/" in info.filename:
                start = data.index(archive.read(info))
                names = int.from_bytes(data[info.header_offset + 26 :][:2], "little")
                extra = int.from_bytes(data[info.header_offset + 28 :][:2], "little")
                start = info.header_offset + 30 + names + extra
                assert start % 64 == 0


def test_map_location():
    data = saved({"w": tensor([1.0])})
    for place in ("cpu", dtypes.device("cpu"), {"cuda:0": "cpu"}, lambda storage, place: storage):
        assert loaded(data, map_location=place)["w"]._array == 1
    pickled = records(data)["archive/data.pkl"]
    cuda = pickled.replace(b"X\x03\x00\x00\x00cpu", b"X\x06\x00\x00\x00cuda:0")
    on_gpu = packed({**records(data), "archive/data.pkl": cuda})
    assert loaded(on_gpu, map_location="cpu")["w"]._array == 1
    assert loaded(on_gpu, map_location={"cuda:0": "cpu"})["w"]._array == 1
    with pytest.raises(RuntimeError, match="Attempting to deserialize object on a CUDA device"):
        loaded(on_gpu)
    with pytest.raises(TypeError, match="not callable"):
        loaded(data, map_location=3)
    with pytest.raises(KeyError, match="mine"):
        loaded(data, map_location=lambda storage, place: {}["mine"])
    with pytest.raises(RuntimeError, match="Attempting to deserialize object on a CUDA device"):
        loaded(data, map_location="cuda")


def test_the_version_is_saved_as_text_and_read_from_torchs_files(tmp_path):
    path = tmp_path / "state.pt"
    rl.save({"version": rl.__version__}, path)
    found = rl.load(path)["version"]
    assert type(found) is str and found == str(rl.__version__)
    text = b"X\x06\x00\x00\x002.13.0"
    for made in b"R", b"\x81":  # called, or by __new__ as torch writes it
        asked = b"\x80\x02ctorch.torch_version\nTorchVersion\n" + text + b"\x85" + made + b"."
        assert loaded(with_pickle(asked)) > (2, 9)


@pytest.mark.parametrize("mapped", [False, True])
@pytest.mark.parametrize("kind", [rl.float32, rl.bfloat16, rl.bool, rl.complex64, rl.uint16])
def test_storages_come_back_and_share_memory_with_their_tensors(kind, mapped, tmp_path):
    values = rl.ones(6).to(kind)
    part = rl.arange(6).to(rl.uint8).untyped_storage()[2:4]
    save({"bare": values.storage(), "view": values[2:4], "part": part}, tmp_path / "s.pt")
    back = load(tmp_path / "s.pt", mmap=mapped)
    if kind is rl.uint16:  # a type without a storage of its own in torch: plain bytes
        assert back["bare"].tolist() == values.untyped_storage().tolist()
    else:
        assert (back["bare"].tolist(), back["bare"].dtype) == (values.tolist(), kind)
    back["view"][0] = 0
    assert values.storage().tolist() == [1] * 6 != back["bare"].tolist()
    assert back["part"].tolist() == [2, 3]


@pytest.mark.parametrize(("mark", "expected"), [("neg", -1 - 2j), ("conj", 1 - 2j)])
def test_a_marked_tensor_without_dimensions(mark: str, expected: complex) -> None:
    """torch saves a lazy view's mark; where there is one number NumPy gives no array for it."""
    data = np.array([1 + 2j], np.complex64).view(np.uint8)
    reader = types.SimpleNamespace(storage=lambda storage, kind: data)
    nothing: Any = None  # what the reader would look its bytes up by
    made = makers.tensor_over(reader, nothing, rl.complex64, (0, (), ()), False, {mark: True})
    assert type(made._array) is np.ndarray and made.item() == expected
    assert made.add_(1).item() == expected + 1


@pytest.mark.parametrize("persistent", [True, False])
def test_buffers_come_back_as_buffers(persistent: bool) -> None:
    found = loaded(saved({"b": rl.nn.Buffer(rl.ones(2), persistent=persistent), "t": rl.ones(2)}))
    assert isinstance(found["b"], rl.nn.Buffer)
    assert not isinstance(found["t"], rl.nn.Buffer)
    assert found["b"].persistent is persistent
