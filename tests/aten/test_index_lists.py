"""Lists of slices as indices, seen by modes below autograd."""

from __future__ import annotations

import warnings
from typing import Any

import pytest

import rushlight as torch
from rushlight.utils.flop_counter import FlopCounterMode


@pytest.mark.parametrize("key", [[slice(None), 1], [None, slice(1, 2)], [..., 0], [1, 0]])
def test_a_list_of_slices_is_a_tuple_of_them(key: Any) -> None:
    x = torch.arange(6.0).reshape(2, 3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = x[key]
        with FlopCounterMode(display=False):
            found = x[key]
    assert torch.equal(found, expected)
