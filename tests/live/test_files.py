"""Files both ways with torch itself, where it is installed."""

import collections
import io

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from rushlight.serialize import load, safetensors, save
from tests.parity import record_files
from tests.parity.test_files import check
from tests.serialize.tools import same, tensor

CASES = record_files.cases()


def written(value, writer, **options):
    stream = io.BytesIO()
    writer(value, stream, **options)
    stream.seek(0)
    return stream


@pytest.mark.parametrize("name", CASES)
def test_torch_to_rushlight_to_torch(name):
    value = CASES[name]
    found = load(written(value, torch.save))
    views = not name.startswith("conj")
    check(found, record_files.describe(value, {}), {}, views)
    back = torch.load(written(found, save), weights_only=True)
    # NaN payloads and all: the same bytes, the same sharing.
    expected, got = record_files.describe(value, {}), record_files.describe(back, {})
    if views:
        assert got == expected
    else:
        assert str(got).count("'bytes'") == str(expected).count("'bytes'")


@pytest.mark.parametrize("name", record_files.TYPES)
def test_safetensors_to_torch(name, tmp_path):
    reference = pytest.importorskip("safetensors.torch")
    if name == "complex128":
        return  # the format has no such type; refused in test_safetensors
    found = load(written(CASES[name], torch.save))
    save({"w": found}, tmp_path / "a.safetensors")
    theirs = reference.load_file(tmp_path / "a.safetensors")["w"]
    assert theirs.dtype == CASES[name].dtype and torch.equal(theirs, CASES[name])
    reference.save_file({"w": CASES[name]}, tmp_path / "b.safetensors", {"format": "pt"})
    ours = safetensors.load_file(tmp_path / "b.safetensors")["w"]
    assert ours._array.tobytes() == found._array.tobytes()


def test_numpy_and_the_other_containers_are_written_as_torch_writes_them():
    value = {"a": np.arange(6.0).reshape(2, 3).T, "f": np.float32(2.5), "s": frozenset([1])}
    value["d"] = collections.defaultdict(list, a=[1])
    value["u"] = np.array(["ab", "c"])
    stream = written(value, save)
    back = torch.load(stream, weights_only=False)
    assert same(back, value) and back["d"].default_factory is list
    assert same(load(written(value, torch.save)), value)
    for protocol in (2, 3, 4, 5):
        assert same(load(written(value, torch.save, pickle_protocol=protocol)), value)


def test_torch_maps_our_storages(tmp_path):
    save({"w": tensor(np.arange(1000.0))}, tmp_path / "a.pt")
    found = torch.load(tmp_path / "a.pt", mmap=True, weights_only=True)["w"]
    assert torch.equal(found, torch.arange(1000.0, dtype=torch.float64))


def test_a_model_of_torch_takes_our_state_dict(tmp_path):
    model, other = record_files.network(), record_files.network()
    torch.save(model.state_dict(), tmp_path / "a.pt")
    save(load(tmp_path / "a.pt"), tmp_path / "b.pt")
    with torch.no_grad():
        for weight in other.parameters():
            weight.zero_()
    state = torch.load(tmp_path / "b.pt", weights_only=True)
    assert state._metadata == model.state_dict()._metadata
    other.load_state_dict(state)
    assert all(map(torch.equal, model.parameters(), other.parameters()))


@pytest.mark.parametrize("persistent", [True, False])
def test_buffers_go_both_ways(persistent):
    value = torch.nn.Buffer(torch.arange(3.0), persistent=persistent)
    found = load(written({"b": value}, torch.save))["b"]
    back = torch.load(written({"b": found}, save), weights_only=True)["b"]
    assert isinstance(back, torch.nn.Buffer)
    assert (found.persistent, back.persistent) == (persistent, persistent)
