"""Memory laid out by strides of the caller's: what none can be laid out by is refused as by torch.

The sentences are torch 2.13's.
"""

from __future__ import annotations

from typing import Any

import pytest

import rushlight as rl

BEYOND = "Storage size calculation overflowed with sizes=[{}] and strides=[{}]"
REFUSED = [
    ((2, 3), (-1, 2), BEYOND.format("2, 3", "-1, 2")),
    ((2, 3), (1, -2), BEYOND.format("2, 3", "1, -2")),
    ((2, 3), (2**62, 2), BEYOND.format("2, 3", f"{2**62}, 2")),
    ((-2, 3), (1, 2), "Trying to create tensor with negative dimension -2: [-2, 3]"),
    ((2, 3), (1,), "dimensionality of sizes (2) must match dimensionality of strides (1)"),
]


@pytest.mark.parametrize(("size", "stride", "said"), REFUSED)
@pytest.mark.parametrize("make", [rl.empty_strided, rl.zeros(1).new_empty_strided])
def test_refused(make: Any, size: Any, stride: Any, said: str) -> None:
    with pytest.raises(RuntimeError) as caught:
        make(size, stride)
    assert str(caught.value).splitlines()[0] == said


@pytest.mark.parametrize(("size", "stride"), [((1, 3), (-1, 2)), ((2, 3), (0, 1))])
def test_laid(size: Any, stride: Any) -> None:
    x = rl.empty_strided(size, stride)
    assert x.shape == size and x.stride() == stride
    assert x.fill_(2.0).eq(2).all()


def test_two_numbers_are_not_looked_up() -> None:
    with pytest.raises(TypeError, match=r"^isin\(\) received an invalid combination of arguments"):
        rl.isin(1, 2)
    assert rl.isin(1, rl.tensor([1, 2])) and rl.isin(rl.tensor(1), 1)
