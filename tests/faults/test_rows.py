"""Bad input fails as in torch, and our notes say what, where and how to repair it."""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path

import pytest

import rushlight as rl

sys.path.insert(0, str(Path(__file__).parent))
from rows import failure, head, rows

ROWS = rows()
TORCH = json.loads((Path(__file__).parent / "rows.json").read_text())


def test_every_row_is_recorded() -> None:
    assert ROWS.keys() == TORCH.keys(), "run tests/faults/record_rows.py"


@pytest.mark.parametrize("title", sorted(TORCH))
def test_row(title: str) -> None:
    error = failure(ROWS[title].source, rl)
    assert list(head(error)) == TORCH[title]
    text = "\n".join([*str(error).splitlines()[1:], *getattr(error, "__notes__", ())])
    for note in ROWS[title].notes:
        assert note in text, f"{note!r} is not in our notes:\n{text}"


def warned(source: str) -> str:
    names = {"torch": rl, "nn": rl.nn, "F": rl.nn.functional}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        exec(compile(source, "program", "exec"), names)
    return "\n".join(str(one.message) for one in caught if one.category is UserWarning)


def test_row_14_bytes_wrap_around_as_in_torch() -> None:
    assert (rl.tensor([1], dtype=rl.uint8) * 300).item() == 44


def test_row_15_a_column_against_a_row_warns() -> None:
    found = warned("F.mse_loss(torch.ones(4, 1), torch.ones(4))")
    assert "Using a target size (torch.Size([4])) that is different to the input size" in found


def test_row_28_the_gradient_of_an_intermediate_warns() -> None:
    found = warned(
        "y = torch.ones(1, requires_grad=True) * 2\ny.sum().backward()\nassert y.grad is None"
    )
    assert ".grad attribute of a Tensor that is not a leaf Tensor is being accessed" in found


def test_row_32_a_long_chain() -> None:
    x = rl.ones(1, requires_grad=True)
    y = x
    for _ in range(100_000):
        y = y + 1
    y.backward()
    assert x.grad.item() == 1


def test_row_33_values_at_the_edge_are_torchs() -> None:
    x = rl.tensor([0.0, -1.0], requires_grad=True)
    rl.sqrt(x).sum().backward()
    assert x.grad[0].item() == float("inf") and x.grad[1].isnan()
    assert rl.log(x.detach())[1].isnan()


@pytest.mark.parametrize(
    "source",
    [
        "l = F.cross_entropy(torch.zeros(0, 3), torch.zeros(0, dtype=torch.long))",
        "l = F.cross_entropy(torch.zeros(2, 3), torch.tensor([-100, -100]))",
        "l = torch.ones(0).mean()",
    ],
)
def test_row_40_nothing_to_average_is_nan(source: str) -> None:
    names = {"torch": rl, "F": rl.nn.functional}
    with pytest.warns(RuntimeWarning, match="the mean of nothing is nan") as caught:
        exec(compile(source, "program", "exec"), names)
    assert names["l"].isnan()
    assert [one.filename for one in caught] == ["program"]  # the user's line


def test_row_44_layers_in_a_plain_list_are_told() -> None:
    found = warned(
        "class Net(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.layers = [nn.Linear(2, 2), nn.Linear(2, 2)]\n"
        "    def forward(self, x):\n"
        "        return self.layers[1](self.layers[0](x))\n"
        "net = Net()\nnet(torch.ones(1, 2))\nnet(torch.ones(1, 2))\n"
    )
    assert found.count("2 modules in the plain list Net.layers are not registered") == 1
    assert "nn.ModuleList" in found
