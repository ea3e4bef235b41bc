"""Warnings that torch gives about tensors that leave the graph, or are copied the long way."""

import subprocess
import sys
import warnings

import pytest

import rushlight as torch

NUMBERS = """
import math, warnings
import rushlight as torch
x = torch.ones((), requires_grad=True) * 2
with warnings.catch_warnings(record=True) as seen:
    warnings.simplefilter("always")
    x.item(), x.tolist(), int(x), bool(x), f"{x:.1f}", float(x.detach())
    with torch.no_grad():
        float(x), complex(x)
    print(len(seen))
    math.sqrt(x), float(x), complex(x)
print(len(seen), str(seen[0].message).splitlines())
"""


REVERSED = """
import warnings
import rushlight as torch
with warnings.catch_warnings(record=True) as seen:
    warnings.simplefilter("always")
    torch.ones(2, 3).T, torch.ones(2, 3, 4).mT
    print(len(seen))
    for sizes in ((), (3,), (2, 3, 4), ()):
        print(tuple(torch.ones(sizes).T.shape))
print([str(warning.message).split(".")[0] for warning in seen])
"""


def test_reversing_other_than_two_dimensions_is_told_of_once():
    run = subprocess.run([sys.executable, "-c", REVERSED], capture_output=True, text=True)
    assert run.stdout.splitlines() == [
        "0", "()", "(3,)", "(4, 3, 2)", "()", "['Tensor', 'The use of `x']",
    ]  # fmt: skip


def test_numbers_out_of_the_graph_are_told_of_once():
    run = subprocess.run([sys.executable, "-c", NUMBERS], capture_output=True, text=True)
    first = (
        "Converting a tensor with requires_grad=True to a scalar may lead to unexpected behavior."
    )
    assert run.stdout.splitlines() == [
        "0", f"1 {[first, 'Consider using tensor.detach() first.']}",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("copy", "name"),
    [(lambda x: torch.tensor(x), "torch.tensor"), (lambda x: x.new_tensor(x), "tensor.new_tensor")],
)
def test_copying_by_the_function_for_data(copy, name):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    with pytest.warns(UserWarning, match=f"rather than {name}.sourceTensor.") as seen:
        y = copy(x)
    assert len(seen) == 1 and y.is_leaf and not y.requires_grad and y.tolist() == [1.0, 2.0]


def test_as_tensor_says_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        torch.as_tensor(torch.ones(2))
        torch.asarray(torch.ones(2))
        torch.tensor([[1.0]])
        torch.as_tensor(torch.ones(2), dtype=torch.float64)
