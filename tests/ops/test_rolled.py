"""Rolls along one dimension are two parts exchanged: NumPy's own roll says what comes out."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rushlight as rl
from rushlight.core import dtypes


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=4), st.data())
def test_rolls_are_those_of_numpy_and_lie_in_rows(sizes, data):
    order = data.draw(st.permutations(range(len(sizes))))
    dim, by = data.draw(st.integers(-len(sizes), len(sizes) - 1)), data.draw(st.integers(-9, 9))
    a = np.arange(np.prod(sizes)).reshape(sizes).transpose(order)
    y = rl.roll(rl.tensor(np.arange(a.size)).view(sizes).permute(order), by, dim)
    assert np.array_equal(y.numpy(), np.roll(a, by, dim))
    assert y.is_contiguous()


def test_a_roll_by_nothing_is_no_view():
    x = rl.arange(3)
    rl.roll(x, 0, 0).zero_()
    assert x.tolist() == [0, 1, 2]


@pytest.mark.parametrize("kind", ["float32", "bool", "bfloat16", "complex64", "complex32"])
def test_memory_is_seen_in_other_steps(kind):
    """Within its values at once, beyond them (an anchor alone is given) all the same."""
    values = np.zeros(12, getattr(rl, kind).numpy)
    size = values.itemsize
    for given_ in (values, values[:1]):
        seen = dtypes.laid(given_, (3, 2), (4 * size, size))
        assert seen.dtype == values.dtype
        assert np.shares_memory(seen.view(f"V{size}"), values.view(f"V{size}"))
    seen[...] = 1
    assert [bool(one) for one in values] == [True, True, False, False] * 3


def test_a_window_into_memory_reads_writes_and_counts():
    x = rl.arange(6.0)
    window = rl.as_strided(x, (2, 2), (1, 2), 1)
    assert window.tolist() == [[1.0, 3.0], [2.0, 4.0]]
    before = x._version
    window.add_(10)
    assert x.tolist() == [0.0, 11.0, 12.0, 13.0, 14.0, 5.0]
    assert x._version == before + 1
    part = x[2:]
    assert rl.as_strided(part, (2,), (1,)).tolist() == [12.0, 13.0]
    assert rl.as_strided(part, (2,), (1,), 0).tolist() == [0.0, 11.0]
    with pytest.raises(RuntimeError, match="out of bounds for storage of size"):
        rl.as_strided(x, (4, 2), (2, 1))
    with pytest.raises(RuntimeError, match="Negative strides"):
        rl.as_strided(x, (2,), (-1,))
