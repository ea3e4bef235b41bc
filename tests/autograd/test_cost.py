"""What the tape keeps and where memory goes: counted against sizes known by hand."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from typing import Any

import pytest

import rushlight as rl
from rushlight import nn
from rushlight.autograd.plot import Axis, areas, lines
from rushlight.autograd.tables import Table
from rushlight.utils.checkpoint import checkpoint


class TwoLayers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(10, 20), nn.Tanh())
        self.outer = nn.Linear(20, 3)

    def forward(self, x: Any) -> Any:
        h = self.inner(x)
        return self.outer(h)


def test_every_array_counts_once_and_has_its_place() -> None:
    net, x = TwoLayers(), rl.rand(50, 10)
    with rl.record_lines():
        loss = (net(x) ** 2).sum()
    kept = rl.kept_for_backward(loss)
    assert kept.by_op() == {"Addmm": 50 * 10 * 4, "Tanh": 50 * 20 * 4, "Pow": 50 * 3 * 4}
    assert kept.by_module() == {
        "TwoLayers.inner.1": 4000, "TwoLayers.inner.0": 2000, "": 600,
    }  # fmt: skip
    # no gradient reads a bias, nor the weight beside an input that gets none
    assert kept.leaves == net.outer.weight.nbytes == 240
    assert kept.total == 6600 + 240
    by_line = kept.by_line()
    assert all(__file__ in line for line in by_line)
    assert sorted(line.rsplit(" in ")[1] for line in by_line) == [
        "forward", "test_every_array_counts_once_and_has_its_place",
    ]  # fmt: skip
    text = str(kept)
    assert text.startswith("kept for backward: 6.4 KiB in 3 arrays, and 240 B of parameters")
    assert "float32[50, 20]" in text
    assert "<table>" in kept._repr_html_()


def test_views_and_repeated_use_do_not_count_again() -> None:
    x = rl.rand(100, requires_grad=True)
    y = x.exp()
    parts = [y[i * 10 : (i + 1) * 10] for i in range(10)]
    total = sum((part * part * y[:10]).sum() for part in parts)
    kept = rl.kept_for_backward(total)
    assert kept.by_op()["Exp"] == 400
    assert sum(kept.by_op().values()) == 400 + 10 * 40  # and ten products of ten numbers


def test_masks_places_and_custom_functions_count() -> None:
    class Keeps(rl.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x * 1)
            ctx.more = rl.ones(7)
            return x * 2

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * 2

    x = rl.rand(8, requires_grad=True)
    assert rl.kept_for_backward(Keeps.apply(x)).by_op() == {"Keeps": 4 * (8 + 7)}
    places = rl.tensor([1, 2, 3])
    assert rl.kept_for_backward(x[places]).by_op() == {"Index": 24}


def test_checkpoints_keep_less() -> None:
    net = nn.Sequential(*[m for _ in range(6) for m in (nn.Linear(30, 30), nn.Tanh())])
    x = rl.rand(64, 30, requires_grad=True)
    whole = rl.kept_for_backward(net(x).sum())
    part = rl.kept_for_backward(checkpoint(net, x, use_reentrant=False).sum())
    assert sum(whole.by_op().values()) >= 6 * 64 * 30 * 4
    assert sum(part.by_op().values()) == 0


def test_nothing_is_kept_after_backward_or_without_history() -> None:
    x = rl.rand(8, requires_grad=True)
    y = x.exp().sum()
    y.backward()
    assert rl.kept_for_backward(y).total == 0
    with pytest.raises(RuntimeError, match="nothing is kept: the tensors have no history"):
        rl.kept_for_backward(rl.ones(2))


def step(net: Any, optimizer: Any, x: Any) -> None:
    optimizer.zero_grad()
    net(x).square().mean().backward()
    optimizer.step()


def test_the_memory_of_a_training_step() -> None:
    net = nn.Sequential(nn.Linear(100, 100), nn.Tanh(), nn.Linear(100, 100), nn.Tanh())
    optimizer = rl.optim.Adam(net.parameters())
    x = rl.rand(1000, 100)
    size = 4 * 2 * (100 * 100 + 100)
    with rl.memory_profile(net, optimizer) as profile:
        step(net, optimizer, x)
    assert profile.start["parameters"] == profile.end["parameters"] == size
    assert (profile.start["gradients"], profile.end["gradients"]) == (0, size)
    assert profile.end["optimiser state"] == pytest.approx(2 * size, rel=0.01)
    most = max(moment.live["kept for backward"] for moment in profile.timeline)
    activations = 4 * 1000 * 100
    assert 3 * activations <= most <= 5 * activations
    assert profile.end["kept for backward"] <= activations  # the input, which lives on
    assert profile.peak >= profile.highest.total >= most + size
    events = [moment.event for moment in profile.timeline]
    assert any("Tanh at" in event and "test_cost.py" in event for event in events)
    assert "optimizer.step()" in events
    assert "kept for backward" in str(profile)
    ElementTree.fromstring(profile.svg())


def test_a_profile_without_a_model_and_of_a_second_step() -> None:
    net = nn.Linear(10, 10)
    optimizer = rl.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    x = rl.rand(500, 10)
    step(net, optimizer, x)
    with rl.memory_profile(net, optimizer) as second:
        step(net, optimizer, x)
    assert second.start["optimiser state"] == second.end["optimiser state"] == 440
    with rl.memory_profile() as bare:
        y = rl.rand(1000, requires_grad=True).exp().exp()
    assert bare.end["kept for backward"] == 8000
    del y
    assert "rushlight" not in repr(rl.memory_profile())


def test_tables_in_three_forms() -> None:
    table = Table(["a|b", "n"], [["<x>", "1"], ["y", "22"]], right={1})
    assert table.text().splitlines() == ["a|b   n", "---  --", "<x>   1", "y    22"]
    assert table.markdown().splitlines()[:2] == ["| a\\|b | n |", "| --- | --: |"]
    assert "&lt;x&gt;" in table.html()


def test_charts_put_points_where_they_belong() -> None:
    axis = Axis([1, 1000], 0, 300, True)
    assert [round(axis(v)) for v in (1, 10, 100, 1000)] == [0, 100, 200, 300]
    assert axis.marks() == [1, 10, 100, 1000]
    even = Axis([0, 7], 100, 0, False)
    assert (even(0), even(7)) == (100, 0)
    assert even.marks() == [0, 2, 4, 6]
    root = ElementTree.fromstring(lines({"a & b": [(1, 2), (10, 20)]}, "t", "x", "y"))
    assert "a & b" in [node.text for node in root.iter("{http://www.w3.org/2000/svg}text")]
    ElementTree.fromstring(areas([0, 1], {"a": [1, 2], "b": [0, 3]}, "t", "x", "y"))
