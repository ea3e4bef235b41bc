"""Where torch takes a whole number, NumPy's and tensors of one element do; and other defaults."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import rushlight as torch

F = torch.nn.functional
X = torch.arange(16.0).reshape(1, 1, 4, 4)
Y = X[0, 0]
KERNEL = torch.ones(1, 1, 2, 2)
CALLS: dict[str, Callable[[Any], Any]] = {
    "max_pool1d": lambda n: F.max_pool1d(X[0], n),
    "max_pool2d": lambda n: F.max_pool2d(X, 2, stride=n),
    "MaxPool2d": lambda n: torch.nn.MaxPool2d(n)(X),
    "avg_pool2d": lambda n: F.avg_pool2d(X, (n, n), stride=n),
    "conv2d": lambda n: F.conv2d(X, KERNEL, stride=n, padding=n, dilation=n),
    "conv_transpose2d": lambda n: F.conv_transpose2d(X, KERNEL, stride=n),
    "movedim": lambda n: torch.movedim(Y, n, 0),
    "norm": lambda n: torch.linalg.norm(Y, dim=n),
    "vector_norm": lambda n: torch.linalg.vector_norm(Y, 2, n),
    "fftn": lambda n: torch.fft.fftn(Y, dim=n).real,
    "histc": lambda n: torch.histc(Y, n),
}


@pytest.fixture
def of_64_bits() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("name", CALLS)
def test_other_whole_numbers(name: str) -> None:
    call = CALLS[name]
    expected = call(1)
    for number in (np.int64(1), np.int32(1), torch.tensor(1)):
        assert torch.equal(call(number), expected)


def test_sections_and_orders_as_tensors() -> None:
    one = torch.tensor(1)
    assert [part.tolist() for part in torch.split(one + torch.arange(2), one)] == [[1], [2]]
    assert len(torch.hsplit(Y, np.int64(2))) == 2
    with pytest.raises(TypeError):  # as in torch
        torch.split(Y, np.int64(1))
    polygamma: Any = torch.polygamma
    assert torch.equal(polygamma(one, Y + 1), polygamma(1, Y + 1))
    for wrong in (torch.tensor([1]), torch.tensor(1.0), torch.tensor(True)):
        with pytest.raises(TypeError, match=r"argument 'n' \(position 1\) must be int, not Tensor"):
            polygamma(wrong, Y + 1)


SPECIAL: dict[str, Callable[[Any], Any]] = {
    "logit": torch.logit,
    "polygamma": lambda x: torch.polygamma(1, x),
    "mvlgamma": lambda x: torch.mvlgamma(x, 1),
    "angle": torch.angle,
    "cov": torch.cov,
    "corrcoef": torch.corrcoef,
    "logsumexp": lambda x: torch.logsumexp(x, 0),
}


@pytest.mark.parametrize("name", SPECIAL)
def test_whole_numbers_become_the_default_type(name: str, of_64_bits: None) -> None:
    x = torch.tensor([1, 2, 3])
    found, expected = SPECIAL[name](x), SPECIAL[name](x.double())
    assert found.dtype == torch.float64
    assert torch.equal(found.nan_to_num(), expected.nan_to_num())


@pytest.mark.parametrize(
    ("steps", "values"),
    [
        ((0, 3), (0, 2)),
        ((2, 0), (2, 3)),
        ((2, 3), (2, 0)),
        ((0, 0), (0, 0)),
        ((2, 0, 3), (2, 0, 1)),
    ],
)
def test_places_among_no_steps(steps: tuple[int, ...], values: tuple[int, ...]) -> None:
    found = torch.searchsorted(torch.zeros(steps), torch.zeros(values))
    assert found.shape == values and found.dtype == torch.int64 and not found.any()
