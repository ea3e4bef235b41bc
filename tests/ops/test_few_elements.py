"""Calls on few elements go short ways of their own: they give what the long ones give."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rushlight as rl
from rushlight.core.shapes import dimension, sizes, target

ROWS = st.tuples(st.integers(1, 5), st.integers(2, 24))


@settings(max_examples=80, deadline=None)
@given(ROWS, st.integers(0, 3), st.booleans(), st.integers(0, 10**6))
def test_the_first_of_few_are_the_first_of_many(shape, kind, largest, seed):
    """Rows among 4096 and more elements are put in order whole; equal ones and nan included."""
    rng = np.random.default_rng(seed)
    values = rng.standard_normal(shape).astype(np.float32)
    if kind == 1:
        values = np.round(values * 2)
    elif kind == 2:
        values[rng.random(shape) < 0.2] = np.nan
    elif kind == 3:
        values[rng.random(shape) < 0.3] = np.inf
    k = int(rng.integers(0, shape[1] + 1))
    few, many = rl.tensor(values), rl.tensor(np.tile(values, (4096 // values.size + 1, 1)))
    for found, whole in (
        (few.topk(k, -1, largest), many.topk(k, -1, largest)),
        (few.sort(-1, largest), many.sort(-1, largest)),
    ):
        assert np.array_equal(found[0].numpy(), whole[0].numpy()[: shape[0]], equal_nan=True)
        assert np.array_equal(found[1].numpy(), whole[1].numpy()[: shape[0]])
        assert found[0].is_contiguous()
        assert found[1].is_contiguous()


def test_equal_ones_behind_the_first_leave_the_short_way_open():
    x = rl.tensor([[0.0, 0.0, 3.0, 2.0, 0.0], [1.0, 5.0, 5.0, 0.0, 0.0]])
    values, places = x.topk(2)
    assert values.tolist() == [[3.0, 2.0], [5.0, 5.0]]
    assert places[0].tolist() == [2, 3]
    assert sorted(places[1].tolist()) == [1, 2]


@pytest.mark.parametrize("source", [rl.tensor(5.0), rl.tensor([5.0]), 5.0])
def test_one_place_without_a_dimension_is_written_to(source):
    """It was refused: as torch has it, the number goes to the place."""
    x = rl.zeros(3)
    assert x.scatter(0, rl.tensor(1), source).tolist() == [0.0, 5.0, 0.0]
    if isinstance(source, rl.Tensor):
        wanting = source.clone().requires_grad_()
        (x.scatter(0, rl.tensor(1), wanting) * rl.tensor([1.0, 2.0, 4.0])).sum().backward()
        assert wanting.grad is not None
        assert wanting.grad.reshape(()).item() == 2.0


def test_of_several_values_for_a_number_the_last_stays():
    y = rl.tensor(1.0).scatter(0, rl.tensor([0, 0]), rl.tensor([2.0, 3.0]))
    assert (y.item(), y.shape) == (3.0, ())


@pytest.mark.parametrize(("index", "said"), [
    ([[0, 3]], "index 3 is out of bounds for dimension 1 with size 3"),
    ([[-1, 0]], "index -1 is out of bounds for dimension 1 with size 3"),
    ([0, 1], "Index tensor must have the same number of dimensions as"),
])  # fmt: skip
def test_places_are_looked_at_before_they_are_counted_through_rows(index, said):
    x, places = rl.zeros(2, 3), rl.tensor(index)
    ones = rl.ones(places.shape)
    for call in (
        lambda: x.gather(1, places), lambda: x.scatter(1, places, 1.0),
        lambda: x.scatter(1, places, ones), lambda: x.scatter_add(1, places, ones),
        lambda: x.scatter_reduce(1, places, ones, "amax"),
    ):  # fmt: skip
        with pytest.raises(RuntimeError, match=said):
            call()


@pytest.mark.parametrize("reduce", ["sum", "prod", "mean", "amax", "amin"])
@pytest.mark.parametrize("with_self", [True, False])
def test_reductions_at_places_of_turned_memory(reduce, with_self):
    x = rl.arange(6.0).reshape(2, 3)
    places, source = rl.tensor([[0, 0, 2], [1, 1, 1]]), rl.tensor([[1.0, 4, 2], [3, 5, 7]])
    found = x.t().contiguous().t().scatter_reduce(1, places, source, reduce, include_self=with_self)
    assert rl.equal(found, x.scatter_reduce(1, places, source, reduce, include_self=with_self))
    assert found.is_contiguous()


def test_parts_of_unlike_sizes_are_told_apart_by_all_other_dimensions():
    with pytest.raises(RuntimeError, match="same number of dimensions: got 2 and 1"):
        rl.cat([rl.zeros(2, 3), rl.zeros(2)], 1)
    with pytest.raises(RuntimeError, match="Expected size 2 but got size 3 for tensor number 2"):
        rl.cat([rl.zeros(2, 1), rl.zeros(2, 4), rl.zeros(3, 1)], 1)
    assert rl.cat([rl.zeros(2, 1), rl.zeros(2, 4)], 1).shape == (2, 5)
    with pytest.raises(TypeError, match="expected Tensor as element 1 in argument 0, but got int"):
        rl.cat([rl.zeros(2), 1, 1])  # type: ignore[list-item]  # it is refused


def test_sizes_that_are_plain_are_soon_found_and_no_others():
    assert sizes((2, 3)) == sizes(((2, 3),)) == sizes(([2, 3],)) == (2, 3)
    assert target((2, -1), 6) == target((2, 3), 6) == target(((2, 3),), 6) == (2, 3)
    assert (dimension(1, 2), dimension(-1, 2), dimension(-1, 0)) == (1, 1, 0)
    for dim in (True, False):
        with pytest.raises(TypeError, match="must be int, not bool"):
            dimension(dim, 2)
    with pytest.raises(RuntimeError, match="duplicate dims"):
        rl.zeros(2, 3).permute(1, -1)


def test_deviations_whose_squares_are_too_large_stand_beside_nan():
    x = rl.tensor([[1e30, -1e30], [rl.nan, 1.0], [1.0, 1.0]])
    found = x.std(1)
    assert found[0].item() == pytest.approx(2**0.5 * 1e30)
    assert bool(found[1].isnan())
    assert found[2].item() == 0.0


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_no_loss_is_a_zero_without_a_sign(reduction):
    loss = rl.nn.functional.nll_loss(rl.zeros(3, 2), rl.tensor([0, 1, 0]), reduction=reduction)
    assert not bool(loss.signbit())


@pytest.mark.parametrize("kind", [rl.float32, rl.float64, rl.bfloat16, rl.int64])
def test_masks_of_every_breadth_are_filled_alike(kind):
    """Where a mask is not wider than the tensor the numbers are written into a copy."""
    x = rl.arange(12).reshape(2, 2, 3).to(kind)
    mask = rl.tensor([True, False, True])
    wide = mask.expand(2, 2, 3)
    for value in (0, -0.0, 3, 7.0, True):
        wanted = rl.where(wide, rl.tensor(value).to(kind), x)
        for one in (mask, wide, mask.reshape(1, 1, 3), wide.contiguous()):
            found = x.masked_fill(one, value)
            assert found.dtype is kind
            assert rl.equal(found, wanted)
            assert rl.equal(found.signbit(), wanted.signbit())
    assert x[0, 0].masked_fill(wide, 9).shape == (2, 2, 3)
    assert x.permute(2, 1, 0).masked_fill(wide.permute(2, 1, 0), 1).is_contiguous()


@pytest.mark.parametrize("value", [float("inf"), -float("inf"), float("nan")])
def test_infinities_and_nan_are_held_and_what_is_too_large_is_refused(value):
    x, mask = rl.zeros(2), rl.tensor([True, False])
    found = x.masked_fill(mask, value)
    x[mask] = value
    assert rl.equal(found.isfinite(), ~mask)
    assert rl.equal(found.nan_to_num(), x.nan_to_num())
    with pytest.raises(RuntimeError, match="without overflow"):
        x.masked_fill(mask, 1e39)


def test_a_mask_alone_and_a_mask_among_others_choose_the_same():
    x = rl.arange(6.0).reshape(2, 3).requires_grad_()
    mask = rl.tensor([[True, False, True], [False, True, False]])
    assert rl.equal(x[mask], x[..., mask])
    assert rl.equal(x[mask[:, 0]], x[:1])
    (x[mask] * rl.tensor([1.0, 2.0, 3.0])).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [[1.0, 0.0, 2.0], [0.0, 3.0, 0.0]]
    base = rl.zeros(3, 2, 3)
    part = base[1]
    part[mask] = rl.tensor([[1.0, 2.0, 3.0]])
    assert base.sum().item() == 6.0
    assert base._version == 1
    with pytest.raises(IndexError, match="shape of the mask"):
        x[mask[:, :2]]
    with pytest.raises(IndexError, match="shape of the mask"):
        part[mask[:, :2]] = 1.0
