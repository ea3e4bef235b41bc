"""`finfo`, `iinfo` and devices: what they take, and torch's words for what they do not."""

from __future__ import annotations

from typing import Any

import pytest

import rushlight as torch


def test_limits_of_python_types_are_those_of_their_data_types() -> None:
    assert repr(torch.finfo(float)) == repr(torch.finfo(torch.float64))
    assert repr(torch.finfo(complex)) == repr(torch.finfo(torch.complex128))
    assert repr(torch.iinfo(int)) == repr(torch.iinfo(torch.int64))


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda: torch.finfo(int), "requires a floating point input type"),
        (lambda: torch.finfo("float32"), "'type' .position 1. must be torch.dtype, not str"),
        (lambda: torch.iinfo(float), "requires an integer input type"),
        (lambda: torch.iinfo(bool), "torch.bool is not supported by torch.iinfo"),
        (lambda: torch.iinfo([]), "must be torch.dtype, not list"),
    ],
)
def test_limits_refuse_other_types(ask: Any, words: str) -> None:
    with pytest.raises(TypeError, match=words):
        ask()


@pytest.mark.parametrize("given", [(-1,), ("cpu", -1), ("cuda", -2)])
def test_devices_have_no_negative_numbers(given: Any) -> None:
    with pytest.raises(RuntimeError, match="Device index must not be negative"):
        torch.device(*given)
    assert torch.device("cuda:1").index == 1


def test_older_constructors_read_a_size_without_dimensions() -> None:
    empty = torch.Size([])
    x = torch.zeros(2)
    assert x.new(empty).shape == torch.Tensor(empty).shape == torch.FloatTensor(empty).shape == ()
    assert x.new().shape == x.new([]).shape == (0,)
