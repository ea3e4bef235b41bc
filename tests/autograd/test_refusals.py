"""What the error about an overwritten saved tensor says: the op, the write, the forward line."""

import inspect
import sys

import pytest

import rushlight as rl
from rushlight.core.errors import line_at, user_place


def line_of(function, text):
    rows, first = inspect.getsourcelines(function)
    return f"{__file__}:{first + next(i for i, row in enumerate(rows) if text in row)}"


def notes(function):
    x = rl.ones(3, requires_grad=True)
    with pytest.raises(RuntimeError, match="modified by an inplace operation") as caught:
        function(x).backward()
    return "\n".join(caught.value.__notes__)


def by_method(x):
    y = (x * 1.5).sigmoid()
    y.add_(1)
    return y.sum()


def by_operator(x):
    y = x.exp()
    z = y / x.cos()
    y[0] = 2.0
    return z.sum()


def twice(x):
    y = x.sin()
    z = y * y
    w = y * z
    y += 1
    return w.sum()


def unseen(x):
    y = rl.nn.functional.softplus(x.exp())
    with rl.no_grad():
        y.mul_(2)
    return (y * y).sum()


def quietly(x):
    y = x.sigmoid()
    with rl.no_grad():
        y.mul_(2)
    return y.sum()


@pytest.mark.parametrize(
    ("function", "op", "forward", "write"),
    [(by_method, "sigmoid", "sigmoid()", "add_"), (by_operator, "div", "y / x", "y[0]")],
)
def test_the_forward_line_and_the_line_of_the_write_are_named(function, op, forward, write):
    said = notes(function)
    assert f"{op} needs the old value" in said
    assert f"forward call: probably {line_of(function, forward)}" in said
    assert f"written in place at {line_of(function, write)}" in said


def test_where_several_lines_may_be_meant_all_are_named():
    said = notes(twice)
    assert "probably one of" in said
    assert line_of(twice, "z = y * y") in said and line_of(twice, "w = y * z") in said


def test_recorded_lines_leave_nothing_to_guess():
    with rl.record_lines():
        said = notes(twice)
    assert "probably" not in said
    assert line_of(twice, "w = y * z") in said


def test_anomaly_mode_names_the_forward_line():
    with rl.autograd.set_detect_anomaly(True):
        said = notes(by_operator)
    assert f"forward call: {line_of(by_operator, 'y / x')}" in said


def test_a_write_without_a_line_says_so():
    assert "lines are not kept" in notes(quietly)
    x = rl.ones(3, requires_grad=True)
    unseen(x).backward()  # softplus reads its input, not its output: nothing was spoiled
    assert x.grad is not None


def test_a_place_is_kept_and_named_when_it_is_asked_for():
    """The line is worked out from the code and how far it had come."""
    place, line = user_place(), sys._getframe().f_lineno
    own = "test_a_place_is_kept_and_named_when_it_is_asked_for"
    assert line_at(place) == f"{__file__}:{line} in {own}"
    assert line_at(None) == "<unknown>"
