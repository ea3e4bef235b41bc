"""What NumPy, DLPack, copies and subclasses make of tensors where torch's record does not reach."""

from __future__ import annotations

import copy
import operator
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import rushlight as torch

OPERATORS = [operator.add, operator.sub, operator.mul, operator.truediv, operator.eq, operator.lt]
ARRAYS = hnp.arrays(
    st.sampled_from([np.float32, np.float64, np.int64, np.bool_, np.complex64]),
    hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
    elements=st.integers(0, 1),
)


@pytest.mark.parametrize("op", OPERATORS, ids=lambda op: op.__name__)
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_an_array_on_either_side_gives_a_tensor(op: Any, dtype: Any) -> None:
    a, b = np.array([1, 2, 3], dtype), np.array([3, 2, 1], dtype)
    expected = op(a, b)
    for mixed in (op(torch.from_numpy(a), b), op(a, torch.from_numpy(b))):
        assert type(mixed) is torch.Tensor
        np.testing.assert_allclose(mixed.numpy(), expected, rtol=1e-7)


@pytest.mark.parametrize("scalar", [np.float64(2), np.float32(2), np.int64(2), np.bool_(True)])
def test_numpy_scalars_count_as_numbers(scalar: Any) -> None:
    x = torch.ones(2)
    for mixed in (scalar * x, x * scalar, scalar + x, x - scalar):
        assert type(mixed) is torch.Tensor
        assert mixed.dtype is torch.float32


def test_gradients_flow_through_mixed_operators() -> None:
    x = torch.ones(2, requires_grad=True)
    (np.array([2.0, 3.0], np.float32) * x).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [2.0, 3.0]


def test_asarray_shares_memory_and_copies_only_when_told() -> None:
    x = torch.zeros(3)
    np.asarray(x)[0] = 1
    np.array(x, copy=True)[1] = 1
    np.array(x, copy=False)[2] = 1
    assert x.tolist() == [1, 0, 1]
    with pytest.raises(ValueError, match="avoid copy"):
        np.array(x, dtype=np.float64, copy=False)


@given(ARRAYS)
def test_dlpack_both_ways(array: np.ndarray) -> None:
    tensor = torch.from_numpy(array)
    for back in (np.from_dlpack(tensor), torch.from_dlpack(array).numpy()):
        assert back.dtype == array.dtype
        assert np.array_equal(back, array)
        assert array.size == 0 or np.shares_memory(back, array)


@pytest.mark.parametrize("read", [torch.from_dlpack, torch.asarray, torch.utils.dlpack.from_dlpack])
def test_a_capsule_is_shared_memory(read: Any) -> None:
    x = torch.ones(3)
    y = read(x.__dlpack__())
    y[0] = 5
    x[1] = 7
    assert x.tolist() == y.tolist() == [5, 7, 1]


def test_dlpack_keywords() -> None:
    x = torch.arange(3.0)
    capsule = x.__dlpack__(stream=None, max_version=(1, 0), dl_device=(1, 0), copy=True)
    assert type(capsule).__name__ == "PyCapsule"
    copied = np.from_dlpack(x, copy=True)
    copied[0] = 9
    assert x[0] == 0
    assert torch.from_dlpack(x, copy=True).data_ptr() != x.data_ptr()
    assert (
        torch.utils.dlpack.from_dlpack(torch.utils.dlpack.to_dlpack(x)).data_ptr() == x.data_ptr()
    )
    with pytest.raises(BufferError, match="detach"):
        x.requires_grad_().__dlpack__()


@given(ARRAYS, st.sampled_from([2, 3, 4, 5]))
def test_pickles_keep_everything(array: np.ndarray, protocol: int) -> None:
    x = torch.from_numpy(array)
    if x.is_floating_point():
        x.requires_grad_()
    x.note = "kept"
    back = pickle.loads(pickle.dumps(x, protocol))
    assert type(back) is torch.Tensor
    assert (back.dtype, back.shape, back.requires_grad) == (x.dtype, x.shape, x.requires_grad)
    assert back.note == "kept"
    assert np.array_equal(back.detach().numpy(), array)
    assert back.detach().numpy().flags.writeable


@given(ARRAYS)
def test_deep_copies_have_memory_of_their_own(array: np.ndarray) -> None:
    x = torch.from_numpy(array)
    back = copy.deepcopy(x)
    assert np.array_equal(back.numpy(), array)
    assert back.stride() == x.stride()
    assert not np.shares_memory(back.numpy(), array)


def test_deep_copies_of_views_share_as_the_views_did() -> None:
    base = torch.arange(12.0).reshape(3, 4)
    first, second = copy.deepcopy((base[1:].t(), base[2, ::2]))
    assert torch.equal(first, base[1:].t())
    second[0] = -1
    assert first[0, 1] == -1
    assert base[2, 0] == 8


class Marked(torch.Tensor):
    """A bare subclass."""


class Loud(torch.Tensor):
    """A subclass that counts the ops it takes part in."""

    count = 0

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        cls.count += 1
        return super().__torch_function__(func, types, args, kwargs or {})


def test_results_are_of_the_subclass() -> None:
    x = Marked([[1.0, 2.0], [3.0, 4.0]])
    results = [
        x + 1, 1 - x, x @ x, x.sum(), x[0], x.view(-1), x.exp(), torch.relu(x), x.detach(),
        torch.cat([x, torch.ones(1, 2)]), x.to(torch.float64), x.clone(), torch.ones(2) * x,
        *x.unbind(), *x.max(dim=0),
    ]  # fmt: skip
    assert [type(one) for one in results] == [Marked] * len(results)
    assert type(x.tolist()) is list


def test_subclasses_record_gradients() -> None:
    x = Marked([1.0, 2.0]).requires_grad_()
    (x * x).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [2.0, 4.0]


def test_a_handler_sees_each_op_once() -> None:
    x = Loud([1.0, 2.0])
    Loud.count = 0
    y = torch.exp(x) + torch.ones(2)
    assert (type(y), Loud.count) == (Loud, 2)
    with pytest.raises(TypeError, match="Multiple dispatch failed"):
        torch.add(x, Marked([1.0, 2.0]))  # neither derives from the other


def test_parameters_give_plain_tensors() -> None:
    p = torch.nn.Parameter(torch.ones(2))
    assert [type(one) for one in (p + 1, p.detach(), p.clone(), p[0])] == [torch.Tensor] * 4


def test_storages_are_the_memory_itself() -> None:
    x = torch.zeros(2, 3)
    view = x[1]
    view.storage()[0] = 5.0
    assert x[0, 0] == 5
    assert view.untyped_storage() == x.untyped_storage()
    assert view.untyped_storage().nbytes() == 24
    clone = x.untyped_storage().clone().fill_(0)
    assert clone.tolist() == [0] * 24
    assert x[0, 0] == 5


def test_matplotlib_draws_tensors() -> None:
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots()
    (line,) = axes.plot(torch.arange(4), torch.arange(4.0) ** 2)
    assert line.get_ydata().tolist() == [0, 1, 4, 9]
    heights = axes.bar(torch.arange(2), torch.tensor([1.0, 3.0]))
    assert [bar.get_height() for bar in heights] == [1, 3]
    axes.imshow(torch.rand(3, 3))
    pyplot.close(figure)


def test_a_method_that_a_user_gave_tensors_is_no_operation(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in torch, no handler is asked for it: those of unlike classes would all decline."""
    monkeypatch.setattr(torch.Tensor, "label_as", lambda self, other: other.label, raising=False)
    asked: list[str] = []

    class Seen(torch.Tensor):
        @classmethod
        def __torch_function__(
            cls, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            asked.append(func.__name__)
            return super().__torch_function__(func, types, args, kwargs or {})

    class First(Seen):
        label = "first"

    class Second(Seen):
        label = "second"

    first: Any = torch.ones(2).as_subclass(First)
    second: Any = torch.ones(2).as_subclass(Second)
    assert (first.label_as(second), second.label_as(first)) == ("second", "first")
    assert asked == []
    assert first.sum() == 2 and asked[0] == "sum"


@pytest.mark.parametrize("given", [((0, 0),), ([1, 1],)])
def test_dimensions_in_one_tuple_are_refused_as_dimensions(given: Any) -> None:
    """They were taken for as many arguments, of which torch's function has none."""
    with pytest.raises(RuntimeError, match="duplicate dims are not allowed"):
        torch.permute(torch.zeros(2, 3), *given)
    with pytest.raises(IndexError, match="but got 2"):
        torch.permute(torch.zeros(2, 3), (0, 2))
