"""`rushlight.debug()` names the op and the line where nan, inf and wrapped integers come from."""

import inspect
import warnings

import pytest

import rushlight as rl


def said(function):
    with warnings.catch_warnings(record=True) as caught, rl.debug():
        warnings.simplefilter("always")
        function()
    return [str(one.message) for one in caught if one.category is UserWarning]


def line_of(function, text):
    rows, first = inspect.getsourcelines(function)
    return f"{__file__}:{first + next(i for i, row in enumerate(rows) if text in row)}"


def forward():
    x = rl.tensor([-1.0, 4.0])
    y = x + 1
    z = rl.log(x) * y
    return z.sum()


def backward():
    x = rl.zeros(2, requires_grad=True)
    y = x.sqrt()
    y.sum().backward()


def test_the_first_op_is_named_with_its_line():
    (text,) = said(forward)
    assert text.startswith("log gives nan where its operands have none at ")
    assert line_of(forward, "rl.log(x)") in text


def test_a_gradient_is_named_by_its_forward_line():
    (text,) = said(backward)
    assert text.startswith("the gradient of SqrtBackward0 is inf")
    assert line_of(backward, "x.sqrt()") in text


def test_infinities_that_are_asked_for_are_no_surprise():
    mask = rl.tensor([True, False])
    assert said(lambda: rl.ones(2).masked_fill(mask, float("-inf")).softmax(0)) == []


def test_integers_that_wrap_around():
    (text,) = said(lambda: rl.tensor([1, 2], dtype=rl.uint8) * 300)
    assert "300 does not fit uint8 (0..255)" in text


def test_raising_stops_at_the_op_and_the_block_leaves_nothing():
    with pytest.raises(FloatingPointError, match=r"^div gives nan"), rl.debug(raises=True):
        rl.zeros(1) / rl.zeros(1)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        assert (rl.zeros(1) / rl.zeros(1)).isnan().all()
