"""What public functions do when they fail: torch's refusals are found, and only where they fit."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

import rushlight as rl
from rushlight.core.failures import explained
from rushlight.core.gates import start_asking
from rushlight.core.misuse import forms_of, misfit

told: list[str] = []


def _explain() -> bool:
    error: Any = sys.exc_info()[1]
    told.append(type(error).__name__)
    if isinstance(error, AttributeError):
        raise TypeError("explained") from None
    return isinstance(error, KeyError)


def _behind(function: Any) -> Any:
    function.__code__ = explained(function.__code__, _explain, lambda: "again")
    return function


@_behind
def _busy(x: Any, *more: Any) -> Any:
    total = 0
    for one in more:
        try:
            total += x[one]
        except IndexError:
            total -= 1
        finally:
            x = [0, *x]
    try:
        return x.total
    except AttributeError:
        if total > 100:
            raise
    return total


def test_what_the_function_catches_itself_is_not_seen() -> None:
    told.clear()
    assert _busy([1, 2], 0, 9, 1) == 0 and told == []


def test_what_leaves_it_is_replaced_repeated_or_goes_on() -> None:
    told.clear()
    with pytest.raises(TypeError, match="explained") as caught:
        _busy([200], 0)
    assert caught.value.__suppress_context__
    assert _busy({}, "a") == "again" and sys.exc_info() == (None, None, None)
    with pytest.raises(ZeroDivisionError) as caught:
        _divide(0)
    assert [entry.name for entry in caught.traceback][1:] == ["_divide"]
    assert told == ["AttributeError", "KeyError", "ZeroDivisionError"]


@_behind
def _divide(x: Any) -> Any:
    with open("/dev/null"):
        return 1 / x


@_behind
def _numbers(n: int) -> Any:
    yield n / 0


def test_generators_are_left_alone() -> None:
    told.clear()
    with pytest.raises(ZeroDivisionError):
        next(_numbers(1))
    assert told == []


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda x: rl.mm(x, rl.ones(4, 4)), "mat1 and mat2 shapes cannot be multiplied"),
        (lambda x: rl.ones(2).reshape(3, 5), "is invalid for input of size 2"),
        (lambda x: x.sum(7), "Dimension out of range"),
        (lambda x: rl.softmax(x, 7), "Dimension out of range"),
        (lambda x: rl.nn.functional.softmax(x, 7), "Dimension out of range"),
        (lambda x: rl.nn.functional.cross_entropy(x, rl.tensor([0, 5])), "Target 5"),
        (lambda x: rl.gather(x, 0, rl.tensor([9])), "[Ii]ndex"),
        (lambda x: rl.cat([x, rl.ones(1)]), "[Ss]izes of tensors|zero-dimensional|dimensions"),
    ],
)
def test_calls_that_fit_keep_their_own_errors(call: Any, text: str) -> None:
    with pytest.raises((RuntimeError, IndexError), match=text) as caught:
        call(rl.ones(2, 3))
    assert not isinstance(caught.value, TypeError)


@pytest.mark.parametrize(
    "values", [(1,), (1, 2), ((1, 2),), ([1, 2],), (np.int64(3),), (rl.Size([1]),)]
)
def test_sizes_fit_in_all_their_spellings(values: Any) -> None:
    for path in ("ones", "Tensor.view", "Tensor.expand"):
        assert misfit(forms_of(path), list(values), {}) is None


def test_a_handler_that_comes_after_the_function_was_loaded_is_asked() -> None:
    source = (
        "class Handler:\n"
        "    @classmethod\n"
        "    def __torch_function__(cls, func, types, args=(), kwargs=None):\n"
        "        return func.__name__\n"
        "found = F.softmax(Handler(), 1), torch.einsum('ij,jk', [Handler(), torch.ones(2, 2)])\n"
    )
    names: dict[str, Any] = {"torch": rl, "F": rl.nn.functional}
    assert rl.einsum and rl.nn.functional.softmax
    exec(source, names)
    assert names["found"] == ("softmax", "einsum")


def test_arguments_that_a_caller_hands_on_by_name_are_not_counted_by_place() -> None:
    named = {"approximate": "asdf"}
    with pytest.raises(RuntimeError, match="approximate argument must be either none or tanh"):
        rl.nn.functional.gelu(*(rl.ones(()),), **named)


def test_a_function_that_autocast_has_taken_in_hand_refuses_as_before() -> None:
    with rl.autocast("cpu", dtype=rl.bfloat16):
        rl.ones(2, 2) @ rl.ones(2, 2)
    functional = rl.nn.functional
    with pytest.raises(TypeError, match=r"cross_entropy_loss\(\): argument 'input'"):
        functional.cross_entropy([1.0], [0])
    with pytest.raises(AttributeError, match="'list' object has no attribute 'size'"):
        functional.mse_loss([1.0], rl.ones(1))


def test_a_function_that_keeps_layouts_refuses_as_before_while_classes_are_asked() -> None:
    rl.nn.functional.relu(rl.ones(1, 2, 3, 3).to(memory_format=rl.channels_last))
    start_asking()
    with pytest.raises(TypeError, match=r"relu\(\): argument 'input' \(position 1\) must be"):
        rl.nn.functional.relu(None)


@pytest.mark.parametrize("name", ["size", "stride"])
def test_a_dimension_that_is_not_there_is_no_misfit(name: str) -> None:
    """torch's registry has the form without a dimension alone, by which any would be too many."""
    (form,) = forms_of(f"Tensor.{name}")
    assert form.text == "int dim = None"
    assert misfit([form], [3], {}) is None
    wrong = misfit([form], [0, 1], {})
    assert str(wrong) == f"{name}() takes from 0 to 1 positional arguments but 2 were given"
