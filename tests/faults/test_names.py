"""Arguments may be given by the names that torch takes them by."""

from __future__ import annotations

import inspect
import re
from operator import attrgetter
from typing import Any

import pytest

import rushlight as rl
from rushlight.core.misuse import _table, forms_of

torch: Any = rl  # checkers know our names only

# Names that no function of ours takes yet: results into a given tensor where torch's own rules
# have them, numbers in the first place by name, memory of other devices.
LATER = {"out", "out_dtype", "self", "pin_memory", "cudnn_enabled", "generator"}
# Functions with forms of several orders, or whose arguments are taken in a row.
SEVERAL = set(
    """
embedding_bag gru lstm rnn_relu rnn_tanh result_type isin sparse_bsc_tensor sparse_bsr_tensor
sparse_csc_tensor sparse_csr_tensor Tensor.is_pinned Tensor.new Tensor.to Tensor.expand
Tensor.polygamma nn.functional.elu_
""".split()
)


@pytest.mark.parametrize("path", sorted(_table("signatures").keys() - SEVERAL))
def test_arguments_have_torch_names(path: str) -> None:
    taken = inspect.signature(attrgetter(path)(rl)).parameters
    if any(one.kind is one.VAR_KEYWORD for one in taken.values()):
        return
    named = {one.name for form in forms_of(path) for one in form.parameters}
    assert named - taken.keys() <= LATER


@pytest.mark.parametrize(
    ("call", "value"),
    [
        (lambda x: torch.pow(input=x, exponent=2), [4.0, 9.0]),
        (lambda x: x.pow(exponent=x), [4.0, 27.0]),
        (lambda x: x.clone().pow_(exponent=2), [4.0, 9.0]),
        (lambda x: torch.neg_(input=x.clone()), [-2.0, -3.0]),
        (lambda x: torch.hsplit(x, sections=2)[1], [3.0]),
        (lambda x: torch.vsplit(x[:, None], indices=[1])[0].flatten(), [2.0]),
        (lambda x: torch.heaviside(x - 2, values=x), [2.0, 1.0]),
        (lambda x: x.unfold(dimension=0, size=1, step=1).flatten(), [2.0, 3.0]),
        (lambda x: torch.special.chebyshev_polynomial_t(x=x, n=x), [7.0, 99.0]),
        (lambda x: torch.linalg.norm(input=x, ord=1), 5.0),
        (lambda x: torch.zeros(2).copy_(other=x), [2.0, 3.0]),
    ],
)
def test_values_by_torch_names(call: Any, value: Any) -> None:
    assert call(rl.tensor([2.0, 3.0])).tolist() == value


def test_operands_given_by_name_get_their_gradients_in_place() -> None:
    x = rl.ones(2, requires_grad=True)
    y = rl.ones(2).atan2_(other=x)
    assert y.requires_grad
    y.sum().backward()
    assert x.grad is not None and x.grad.tolist() == [-0.5, -0.5]


def test_what_only_modes_of_torch_do_not_see_is_told_by_the_whole_path() -> None:
    class Loud(rl.Tensor):
        @classmethod
        def __torch_function__(
            cls, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            return func.__name__

    assert rl.linalg.cond(rl.eye(2).as_subclass(Loud)) == "cond"


@pytest.mark.parametrize(
    ("name", "argument"),
    [("flip", "dims"), ("tile", "dims"), ("permute", "dims"), ("expand", "size"),
     ("repeat", "repeats"), ("reshape", "shape")],
)  # fmt: skip
def test_a_row_of_numbers_left_out_is_missed(name: str, argument: str) -> None:
    words = f'{name}() missing 1 required positional arguments: "{argument}"'
    with pytest.raises(TypeError, match=re.escape(words)):
        getattr(rl.ones(2, 3), name)()


def test_tensors_in_the_place_of_numbers_are_refused_by_name() -> None:
    x = rl.ones(2, 3)
    with pytest.raises(TypeError, match=r"argmax\(\): argument 'dim' must be int, not Tensor"):
        torch.argmax(x, dim=x)
    nothing: dict[str, Any] = {}
    with pytest.raises(TypeError, match=r"ceil\(\) takes 1 positional argument but 2 were given"):
        torch.ceil(x, x, **nothing)


def test_what_is_handed_on_by_name_leaves_out_what_stands_before() -> None:
    given = {"kernel_size": (2, 2), "divisor_override": 0}
    with pytest.raises(RuntimeError, match="divisor must be not zero"):
        torch.nn.functional.avg_pool2d(rl.ones(3, 3, 3), **given)
