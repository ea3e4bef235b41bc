"""Checkpoints that several processes write: in torch's format, and whatever goes wrong."""

from __future__ import annotations

import io
import pickle
import shutil
import warnings
from pathlib import Path
from typing import Any

import pytest

import rushlight as rl
from rushlight.distributed import init_device_mesh
from rushlight.distributed.checkpoint import metadata, metadata_file
from rushlight.distributed.checkpoint.flattening import flattened, put
from rushlight.distributed.checkpoint.format_utils import dcp_to_torch_save, torch_save_to_dcp
from rushlight.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_state_dict,
    set_optimizer_state_dict,
    set_state_dict,
)
from rushlight.distributed.fsdp import fully_shard
from rushlight.distributed.tensor import Replicate, Shard, distribute_tensor

from .ranks import on_ranks

nn = rl.nn
dist: Any = rl.distributed
dcp: Any = dist.checkpoint
TORCHS = Path(__file__).parents[1] / "parity" / "data" / "checkpoint_in_parts"


@pytest.fixture(autouse=True)
def quiet() -> Any:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "torch.distributed is disabled")
        warnings.filterwarnings("ignore", "Detected an existing checkpoint")
        yield


def empty() -> dict[str, Any]:
    last = rl.zeros((), dtype=rl.bfloat16)
    return {
        "net": {"rows": rl.zeros(5, 3), "whole": rl.zeros(2, dtype=rl.int64)},
        "epoch": 0, "rates": [0.0, {"last": last}],
    }  # fmt: skip


def test_what_torchs_processes_wrote_is_read() -> None:
    state = empty()
    dcp.load(state, checkpoint_id=TORCHS)
    assert state["net"]["rows"].tolist() == rl.arange(15.0).reshape(5, 3).tolist()
    assert state["net"]["whole"].tolist() == [1, 2] and state["epoch"] == 3
    assert state["rates"][0] == 0.1 and state["rates"][1]["last"].item() == 0.5
    about = dcp.FileSystemReader(TORCHS).read_metadata()
    chunks = about.state_dict_metadata["net.rows"].chunks
    assert [(tuple(one.offsets), tuple(one.sizes)) for one in chunks] == [
        ((0, 0), (3, 3)), ((3, 0), (2, 3))]  # fmt: skip
    assert about.planner_data["rates.1.last"] == ("rates", 1, "last")


def test_metadata_is_written_as_it_is_read() -> None:
    about = dcp.FileSystemReader(TORCHS).read_metadata()
    again = metadata_file.load(metadata_file.dump(about))
    assert again == about
    assert b"ctorch.distributed.checkpoint.metadata\nMetadata\n" in metadata_file.dump(about)


class Evil:
    def __reduce__(self) -> Any:
        return print, ("run!",)


@pytest.mark.parametrize(
    "data", [pickle.dumps(Evil()), pickle.dumps([1]), b"", b"\x80\x04\x95zz", pickle.dumps(Path)]
)
def test_metadata_that_is_none_is_refused(data: bytes, capsys: Any) -> None:
    with pytest.raises(pickle.UnpicklingError):
        metadata_file.load(data)
    assert "run!" not in capsys.readouterr().out


def test_there_and_back_alone(tmp_path: Path) -> None:
    state = {"a": {"b": rl.rand(3, 4).t(), 0: rl.ones(0, 2)}, "n": [1, 2], "s": rl.tensor(2 + 1j)}
    found = {"a": {"b": rl.zeros(4, 3), 0: rl.zeros(0, 2)}, "n": None, "s": rl.tensor(0j)}
    dcp.save(state, checkpoint_id=tmp_path / "x")
    dcp.load(found, checkpoint_id=tmp_path / "x")
    assert rl.equal(found["a"]["b"], state["a"]["b"]) and found["n"] == [1, 2]
    assert found["s"].item() == 2 + 1j
    dcp_to_torch_save(tmp_path / "x", tmp_path / "x.pt")
    one = rl.load(tmp_path / "x.pt")
    assert rl.equal(one["a"]["b"], state["a"]["b"]) and one["n"] == [1, 2]
    torch_save_to_dcp(tmp_path / "x.pt", tmp_path / "y")
    dcp.load(both := {"n": 0}, checkpoint_id=tmp_path / "y")
    assert both["n"] == [1, 2]
    part = io.BytesIO((tmp_path / "x" / "__0_0.distcp").read_bytes())
    info = dcp.FileSystemReader(tmp_path / "x").read_metadata().storage_data
    place = info[metadata.MetadataIndex("a.b", (0, 0))]
    part.seek(place.offset)
    assert rl.equal(rl.load(io.BytesIO(part.read(place.length))), state["a"]["b"])


def test_names_and_ways() -> None:
    assert flattened({"a": [rl.ones(1), [3]]})[1] == {"a.0": ("a", 0), "a.1": ("a", 1)}
    with pytest.raises(ValueError, match=r"duplicated flatten key a\.b"):
        flattened({"a": {"b": 1}, "a.b": 2})
    state: Any = {}
    put(state, ("a", 1, "b"), 5)
    assert state == {"a": [None, {"b": 5}]}


def test_what_is_refused_alone(tmp_path: Path) -> None:
    def failure(state: Any, place: Path, **more: Any) -> Exception:
        with pytest.raises(dcp.CheckpointException) as caught:
            dcp.load(state, checkpoint_id=place, **more)
        assert "(RANK 0)" in str(caught.value)
        return caught.value.failures[0][0]

    assert isinstance(failure({"x": 1}, tmp_path / "nowhere"), FileNotFoundError)
    assert str(failure({"x": 1}, TORCHS)) == "Missing key in checkpoint state_dict: x."
    wrong = failure({"net": {"rows": rl.ones(2)}}, TORCHS)
    assert isinstance(wrong, ValueError) and "Size mismatch between saved" in str(wrong)
    assert "expected BytesStorageMetadata" in str(failure({"net": {"rows": 3}}, TORCHS))
    some = {"epoch": 0, "new": 4}
    dcp.load(some, checkpoint_id=TORCHS, planner=dcp.DefaultLoadPlanner(allow_partial_load=True))
    assert some == {"epoch": 3, "new": 4}
    with pytest.raises(RuntimeError, match="checkpoint_id"):
        dcp.load({})
    shutil.copytree(TORCHS, tmp_path / "cut")
    file = tmp_path / "cut" / "__1_0.distcp"
    file.write_bytes(file.read_bytes()[:-900])
    assert isinstance(failure(empty(), tmp_path / "cut"), RuntimeError)
    once = dcp.FileSystemWriter(tmp_path / "once", overwrite=False, single_file_per_rank=False)
    dcp.save({"a": rl.ones(1), "b": 2}, storage_writer=once)
    assert len(list((tmp_path / "once").glob("__0_*.distcp"))) == 2
    with pytest.raises(dcp.CheckpointException, match="Checkpoint already exists"):
        dcp.save({"a": rl.ones(1)}, storage_writer=once)


class App:
    """What the tutorials write: a network and its optimiser as one object with a state."""

    def __init__(self, net: Any, opt: Any) -> None:
        self.net, self.opt = net, opt

    def state_dict(self) -> dict[str, Any]:
        net, opt = get_state_dict(self.net, self.opt)
        return {"net": net, "opt": opt}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        set_state_dict(
            self.net, self.opt, model_state_dict=state["net"], optim_state_dict=state["opt"]
        )


def made(seed: int, sharded: bool = True) -> App:
    rl.manual_seed(seed)
    net: Any = nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 3))
    if sharded:
        fully_shard(net)
    return App(net, rl.optim.Adam(net.parameters(), lr=0.1))


def step(app: App, seed: int) -> None:
    app.opt.zero_grad()
    app.net(rl.rand(4, 5, generator=rl.Generator().manual_seed(seed))).square().sum().backward()
    app.opt.step()


def values(app: App) -> list[Any]:
    every = [*app.net.parameters(), *(app.opt.state[p]["exp_avg"] for p in app.net.parameters())]
    return [one.full_tensor() if hasattr(one, "full_tensor") else one.detach() for one in every]


def same(a: list[Any], b: list[Any]) -> bool:
    return len(a) == len(b) and all(rl.equal(x, y) for x, y in zip(a, b))


def in_parts(rank: int, folder: str) -> None:
    app = made(0)
    step(app, rank)
    kept = [one.clone() for one in values(app)]
    dcp.save({"app": app}, checkpoint_id=f"{folder}/now")
    written = dcp.async_save({"app": app}, checkpoint_id=f"{folder}/later")
    step(app, rank)  # while it is being written
    assert written.result().version and not same(values(app), kept)
    for place in ("now", "later"):
        other = made(1)
        dcp.load({"app": other}, checkpoint_id=f"{folder}/{place}")
        assert same(values(other), kept), place
    whole_states(rank, app)
    with pytest.raises(dcp.CheckpointException) as caught:  # on one rank: told to both
        dcp.load({"app": app} if rank else {"gone": 1}, checkpoint_id=f"{folder}/now")
    assert list(caught.value.failures) == [0]
    mesh = init_device_mesh("cpu", (2,))
    rows = distribute_tensor(rl.zeros(5, 3), mesh, [Shard(1)])
    whole = distribute_tensor(rl.zeros(2, dtype=rl.int64), mesh, [Replicate()])
    dcp.load({"net": {"rows": rows, "whole": whole}}, checkpoint_id=TORCHS)
    assert rl.equal(rows.full_tensor(), rl.arange(15.0).reshape(5, 3))
    assert whole.to_local().tolist() == [1, 2]


def whole_states(rank: int, app: App) -> None:
    how = StateDictOptions(full_state_dict=True, cpu_offload=True)
    net, opt = get_state_dict(app.net, app.opt, options=how)
    assert sorted(net) == ([] if rank else ["0.bias", "0.weight", "2.bias", "2.weight"])
    assert rank or tuple(opt["state"]["2.weight"]["exp_avg"].shape) == (3, 7)
    other, spread = made(2), StateDictOptions(broadcast_from_rank0=True, full_state_dict=True)
    set_state_dict(other.net, other.opt, model_state_dict=net, optim_state_dict=opt, options=spread)
    assert same(values(other), values(app))
    joined = StateDictOptions(flatten_optimizer_state_dict=True)
    one = get_state_dict(app.net, app.opt, options=joined)[1]
    assert one["param_groups.2.bias.lr"] == 0.1 and "state.2.bias.exp_avg_sq" in one
    third = made(3)
    set_optimizer_state_dict(third.net, third.opt, one, options=joined)
    assert same(values(third)[4:], values(app)[4:])


def test_states_of_two_processes(tmp_path: Path) -> None:
    on_ranks(in_parts, 2, str(tmp_path))
    alone = made(5, sharded=False)
    dcp.load({"app": alone}, checkpoint_id=tmp_path / "now")
    reference = made(0, sharded=False)
    for rank in range(2):
        generator = rl.Generator().manual_seed(rank)
        (reference.net(rl.rand(4, 5, generator=generator)).square().sum() / 2).backward()
    reference.opt.step()
    for a, b in zip(values(alone), values(reference)):
        assert rl.allclose(a, b, atol=1e-6)
