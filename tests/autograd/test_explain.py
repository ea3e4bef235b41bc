"""Explanations in words: leaves, cuts with their lines, and errors that name lines."""

from __future__ import annotations

import warnings
from typing import Any

import pytest

import rushlight as rl
from rushlight import nn


def here(text: str) -> bool:
    return "test_explain.py:" in text


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.used, self.unused = nn.Linear(3, 3), nn.Linear(3, 3)
        self.frozen = nn.Linear(3, 3).requires_grad_(False)
        self.cut = nn.Linear(3, 3)

    def forward(self, x: Any) -> Any:
        h = self.frozen(self.used(x))
        return h @ self.cut.weight.detach()


def test_which_parameters_get_gradients_and_why_others_do_not() -> None:
    net = Net()
    with rl.record_lines():
        loss = net(rl.ones(2, 3)).sum()
    found = rl.explain(loss, net)
    assert list(found.reached) == ["used.weight", "used.bias"]
    assert found.reached["used.weight"] == "3×3, through AddmmBackward0"
    assert found.missed["frozen.weight"] == "requires_grad is False"
    assert found.missed["unused.bias"] == "no recorded operation leads from it to here"
    assert found.missed["cut.weight"].startswith("only used after detach() at ")
    assert here(found.missed["cut.weight"])
    assert found.missed["cut.weight"].endswith(" in forward")
    assert len(found.cuts) == 1
    assert found.cuts[0].startswith("operand 1 of MmBackward0 at ")
    text = str(found)
    assert text.startswith("a scalar of float32 from SumBackward0 at ")
    assert "with 4 recorded operations behind it" in text
    assert found._repr_html_().startswith("<pre>a scalar")
    loss.backward()
    got = {name for name, p in net.named_parameters() if p.grad is not None}
    assert got == set(found.reached)
    assert "backward() has run" in str(rl.explain(loss, net))


def test_names_come_from_the_callers_variables() -> None:
    weight, other = rl.ones(2, requires_grad=True), rl.ones(2, requires_grad=True)
    found = rl.explain((weight * 3).sum())
    assert "weight" in found.reached
    assert "other" in found.missed
    assert other.grad is None


@pytest.mark.parametrize(
    ("cut", "what"),
    [
        (lambda x: x.detach(), "detach()"),
        (lambda x: x.data, ".data"),
        (lambda x: rl.from_numpy(x.numpy(force=True)), "numpy(force=True)"),
        (lambda x: x.long(), "cast to int64"),
        (lambda x: x.to(rl.int32), "cast to int32"),
    ],
)
def test_every_kind_of_cut_is_found_with_its_line(cut: Any, what: str) -> None:
    x = rl.ones(2, requires_grad=True)
    y = rl.full((2,), 3.0, requires_grad=True)
    with rl.record_lines():
        z = (x * 2 + cut(y * 5)).sum()
    found = rl.explain(z)
    (line,) = found.cuts
    assert line.startswith("operand 1 of AddBackward0 at ")
    assert f"is the result of {what} at " in line
    assert line.count("test_explain.py:") == 2
    z.backward()
    assert y.grad is None
    ended = rl.explain(cut(y * 5))
    assert "without history" in ended.head
    assert ended.cuts[0].startswith(f"it is the result of {what} at ")
    assert here(ended.cuts[0])


def test_blocks_without_gradients() -> None:
    x = rl.ones(2, requires_grad=True)
    with rl.no_grad():
        y = (x * 2).sum()
        inside = rl.explain(y)
    assert "gradients are switched off here" in str(inside)
    outside = rl.explain(y)
    assert "a recent cut: no_grad() at " in str(outside)
    assert here(str(outside))
    with pytest.raises(RuntimeError, match="element 0 of tensors does not require grad") as caught:
        y.backward()
    notes = "\n".join(caught.value.__notes__)
    assert "the last no_grad() was at " in notes
    assert here(notes)


def test_operations_that_pass_only_zeros() -> None:
    x = rl.tensor([1.4], requires_grad=True)
    found = rl.explain((x * 2).round().sum())
    assert found.flat == ["RoundBackward0"]
    assert list(found.reached) == ["x"]


def test_leaves_numbers_and_other_things() -> None:
    x = rl.ones(2, requires_grad=True)
    assert "a leaf: its gradient is what backward() is given" in str(rl.explain(x))
    assert "int64 values have no gradient" in str(rl.explain(rl.arange(3)))
    assert str(rl.explain([x * 2, x * 3])).startswith("2 tensors, the first a tensor of float32, 2")
    with pytest.raises(TypeError, match="explain\\(\\) explains tensors, not int"):
        rl.explain(3)


# -- lines in the errors of backward ---------------------------------------------------------------


def test_recorded_lines_appear_in_the_errors_of_backward() -> None:
    x = rl.ones(2, requires_grad=True)
    with rl.record_lines():
        y = x.exp()
        z = y.sum()
    y.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation") as caught:
        z.backward()
    notes = "\n".join(caught.value.__notes__)
    assert notes.count("test_explain.py:") == 2  # the forward call and the write


def test_without_recording_the_errors_say_how_to_get_the_line() -> None:
    x = rl.ones(2, requires_grad=True)
    y = x.exp()
    z = y.sum()
    y.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation") as caught:
        z.backward()
    assert "record_lines()" in "\n".join(caught.value.__notes__)


def test_anomaly_mode_names_the_forward_line_and_leaves_no_trace() -> None:
    x = rl.zeros(1, requires_grad=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with rl.autograd.detect_anomaly():
            y = (x / x).sum()
            with pytest.raises(RuntimeError, match="returned nan values in its") as caught:
                y.backward()
    assert here("\n".join(caught.value.__notes__))
    from rushlight.core.state import STATE, WATCHED

    assert STATE.watchers == ()
    assert WATCHED == [0]


def test_custom_functions_have_lines_too() -> None:
    class Breaks(rl.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 2

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            raise ArithmeticError("no")

    x = rl.ones(1, requires_grad=True)
    with rl.record_lines():
        y = Breaks.apply(x)
    with (
        pytest.warns(UserWarning, match="Error detected in BreaksBackward"),
        pytest.raises(ArithmeticError) as caught,
    ):
        y.backward()
    assert "its forward call: " in "\n".join(caught.value.__notes__)


def test_layers_are_named_by_their_path() -> None:
    outer = nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.Tanh(), nn.Linear(2, 1)))
    with rl.record_lines():
        y = outer(rl.ones(1, 2))
        z = y * 2
    kept = rl.kept_for_backward(z)
    assert {row.module for row in kept.rows if not row.leaf} == {
        "Sequential.0", "Sequential.1.0",
    }  # fmt: skip
    found = rl.explain(y, outer)
    assert " in Sequential.1.1, with 3 recorded operations" in found.head
