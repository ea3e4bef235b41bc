"""Python numbers beside tensors become arrays once: values, signs and types are as before."""

from __future__ import annotations

import math

import numpy as np
import pytest

import rushlight as rl
from rushlight.core.numbers import number


def test_a_number_is_made_an_array_once_and_cannot_be_written() -> None:
    kind = np.dtype("f")
    assert number(0.1, kind) is number(0.1, kind)
    assert number(0.1, kind).dtype is kind and number(0.1, np.dtype("d")).dtype == "d"
    with pytest.raises(ValueError, match="read-only"):
        number(0.1, kind)[...] = 2.0


def test_zeros_keep_their_signs() -> None:
    one = rl.tensor([1.0])
    for _ in range(2):
        assert [math.copysign(1.0, (one * z).item()) for z in (0, -0.0, 0.0)] == [1.0, -1.0, 1.0]
        assert [(one / z).item() for z in (0, -0.0, 0.0)] == [math.inf, -math.inf, math.inf]


@pytest.mark.parametrize("kind", [rl.float32, rl.float64])
@pytest.mark.parametrize("value", [2, 2.0, 0.1, -3, 2**24 + 1, 1e300, math.inf, -math.inf, 10**30])
def test_results_are_those_of_numpy(kind: rl.dtype, value: float) -> None:
    x = rl.tensor([0.5, -1.5, 3.0], dtype=kind)
    with np.errstate(all="ignore"):
        for ours, numpys in (
            (x * value, x.numpy() * value), (value * x, value * x.numpy()),
            (x + value, x.numpy() + value), (value + x, value + x.numpy()),
            (x / value, x.numpy() / value), (x > value, x.numpy() > value),
        ):  # fmt: skip
            assert ours.numpy().dtype == numpys.dtype
            np.testing.assert_array_equal(ours.numpy(), numpys)


def test_gradients_and_shapes_are_those_of_the_number() -> None:
    x = rl.tensor(3.0, requires_grad=True)
    y = 2.0 * x + 1
    y.backward()
    assert y.shape == () and y.item() == 7.0 and x.grad.item() == 2.0
    assert type(y.grad_fn).__name__ == "AddBackward0"


def test_too_large_whole_numbers_are_refused_as_before() -> None:
    with pytest.raises(OverflowError, match="too large"):
        rl.tensor([1.0]) * 10**400


@pytest.mark.parametrize("kind", [rl.int8, rl.int16, rl.int32, rl.int64])
def test_integers_beside_integers_keep_their_type_and_wrap_around(kind: rl.dtype) -> None:
    x = rl.tensor([1, 2, 127], dtype=kind)
    bits = 8 * x.element_size()
    assert (x + 3).dtype is kind and (3 - x).tolist() == [2, 1, -124]
    assert (x + (1 << bits)).tolist() == x.tolist() == (x - (1 << bits)).tolist()
    assert (x == (1 << bits) + 2).tolist() == [False, True, False] == (x == 2).tolist()
    assert (x // 2).tolist() == [0, 1, 63] and (x % 5).tolist() == [1, 2, 2]
    assert (x * 0.5).dtype is (x / 2).dtype is rl.float32


def test_operands_that_do_not_fit_are_refused_in_torchs_words() -> None:
    whole, real = rl.tensor([1, 2]), rl.tensor([1.0, 2.0])
    with pytest.raises(RuntimeError, match="Integers to negative integer powers"):
        whole**-1
    for x in (whole, real):
        with pytest.raises(TypeError, match=r"eq\(\) received an invalid combination"):
            rl.eq(2, x)  # type: ignore[arg-type]  # that is asked
    with pytest.raises(NotImplementedError, match="\"lshift_cpu\" not implemented for 'Float'"):
        2 << real
