"""The state of a run is kept, found again, and goes on from there."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest

import rushlight as rl
from rushlight.distributed.optim import ZeroRedundancyOptimizer

from .ranks import on_ranks

checkpoint = rl.checkpoint


def made(seed: int = 0) -> tuple[Any, Any]:
    rl.manual_seed(seed)
    net = rl.nn.Linear(3, 2)
    return net, rl.optim.Adam(net.parameters(), lr=0.1)


def train(net: Any, opt: Any) -> None:
    opt.zero_grad()
    net(rl.rand(2, 3)).square().sum().backward()
    opt.step()


def test_a_run_goes_on_as_if_it_had_not_stopped(tmp_path: Path) -> None:
    net, opt = made()
    state = checkpoint.latest(tmp_path / "run", epoch=7)
    assert not state and (state.step, state.epoch) == (0, 7) and repr(state) == "State(None)"
    state.restore(model=net)
    for step in range(1, 8):
        train(net, opt)
        wrote = checkpoint.every(tmp_path / "run", step, steps=2, model=net, opt=opt, epoch=step)
        assert wrote == (step % 2 == 0)
    again, its = made(1)
    state = checkpoint.latest(tmp_path / "run").restore(model=again, opt=its)
    assert state and state.step == state.epoch == 6
    train(again, its)
    assert rl.equal(again.weight, net.weight), "the same random numbers, too"


def test_a_damaged_file_is_skipped_with_a_sentence(tmp_path: Path) -> None:
    net, _ = made()
    for step in (1, 2, 3, 4, 5):
        checkpoint.save(tmp_path, step, keep=3, model=net)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["step-00000003.pt", "step-00000004.pt", "step-00000005.pt"]
    newest = tmp_path / names[-1]
    newest.write_bytes(newest.read_bytes()[:-300])
    (tmp_path / names[-2]).write_bytes(b"")
    rl.save({"other": 1}, tmp_path / "step-00000009.pt")
    with pytest.warns(UserWarning, match="skipped the checkpoint") as caught:
        assert checkpoint.latest(tmp_path).step == 3
    assert [Path(str(one.message).split(": ")[0].split()[-1]).stem for one in caught] == [
        "step-00000009",
        "step-00000005",
        "step-00000004",
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        state = checkpoint.latest(tmp_path)
    with pytest.raises(KeyError, match="has no 'opt'"):
        state.restore(opt=net)


def test_when_it_is_due(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(checkpoint.time, "monotonic", lambda: clock[0])
    wrote = []
    for step in range(1, 9):
        wrote.append(checkpoint.every(tmp_path, step, minutes=1, value=step))
        clock[0] += 25
    assert wrote == [False, False, False, True, False, False, True, False]
    with pytest.raises(ValueError, match="neither steps nor minutes"):
        checkpoint.every(tmp_path, 1)


def on_two(rank: int, folder: Path) -> None:
    net, _ = made()
    opt = ZeroRedundancyOptimizer(net.parameters(), rl.optim.Adam, lr=0.1)
    rl.manual_seed(rank)
    net(rl.ones(1, 3)).sum().backward()
    opt.step()
    checkpoint.save(folder / "run", 1, model=net, opt=opt)
    draw, weight = rl.rand(1), net.weight.detach().clone()
    again, _ = made(1)
    its = ZeroRedundancyOptimizer(again.parameters(), rl.optim.Adam, lr=0.2)
    assert checkpoint.latest(folder / "run").restore(model=again, opt=its).step == 1
    assert rl.equal(rl.rand(1), draw), "each process its own random numbers"
    assert rl.equal(again.weight, weight) and its.param_groups[0]["lr"] == 0.1
    assert len(its.optim.state) == 1, "and its own share of the state"
    (folder / "file").touch()
    with pytest.raises(OSError, match="file"):
        checkpoint.save(folder / "file", 1, model=net)


def test_rank_0_writes_and_all_hear_of_it(tmp_path: Path) -> None:
    on_ranks(on_two, 2, tmp_path)
