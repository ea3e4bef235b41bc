"""Writes to expanded tensors, whose elements are one place, in calls that are compiled."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import pytest

import rushlight as rl

WRITES: dict[str, Callable[[rl.Tensor, rl.Tensor], object]] = {
    "masked_fill_": lambda y, m: y.masked_fill_(m, 7.0),
    "index_fill_": lambda y, m: y.index_fill_(0, m.nonzero()[0][:1], 5.0),
    "index_put_": lambda y, m: y.index_put_((m.nonzero()[0][:1],), rl.ones(3)),
    "accumulate": lambda y, m: y.index_put_((rl.tensor([0, 2]),), rl.ones(3), accumulate=True),
    "places": lambda y, m: y.__setitem__(rl.tensor([1]), 3.0),
    "mask": lambda y, m: y.__setitem__(m, 4.0),
}


@pytest.mark.parametrize("name", WRITES)
def test_every_element_that_is_one_place_is_written(name: str) -> None:
    def call(x: rl.Tensor, mask: rl.Tensor) -> tuple[rl.Tensor, rl.Tensor]:
        y = x.expand(4, 3)
        WRITES[name](y, mask)
        return x * 2, y + 0

    compiled = rl.compile(call)
    for i in range(4):
        mask = rl.zeros(4, 3, dtype=rl.bool)
        mask[i % 4, i % 3] = True
        a, b = rl.arange(3.0), rl.arange(3.0)
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            expected, found = call(a, mask), compiled(b, mask)
        assert sum("on expanded tensors is deprecated" in str(one.message) for one in said) == 2
        assert (a == b).all() and not (a == rl.arange(3.0)).all()
        assert all((one == other).all() for one, other in zip(expected, found))
