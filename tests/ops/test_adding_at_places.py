"""Values added at places are added one after the other, as torch does, however places are given."""

from __future__ import annotations

import numpy as np
import pytest

import rushlight as rl
from rushlight.ops import indexing


def one_by_one(x: np.ndarray, places: np.ndarray, source: np.ndarray) -> np.ndarray:
    y = x.copy()
    for place, row in zip(places.tolist(), source):
        y[place] += row
    return y


@pytest.mark.parametrize(
    ("rows", "shape"), [(90, (7, 16)), (300, (5,)), (40, (3, 2, 5)), (9, (3, 0))]
)
@pytest.mark.parametrize("piece", [1 << 17, 64])
def test_index_add_sums_in_the_order_of_the_source(
    rows: int, shape: tuple[int, ...], piece: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexing, "_PIECE", piece)  # rows of places are made in several turns
    draw = np.random.default_rng(rows)
    x, source = (draw.normal(size=size).astype("f") for size in (shape, (rows, *shape[1:])))
    places = draw.integers(0, shape[0], rows)
    found = rl.tensor(x).index_add(0, rl.tensor(places), rl.tensor(source))
    np.testing.assert_array_equal(found.numpy(), one_by_one(x, places, source))


def test_index_add_along_other_dimensions_and_with_a_factor() -> None:
    x, source = rl.zeros(2, 3, 4), rl.arange(40.0).reshape(2, 5, 4)
    places = rl.tensor([2, 0, 2, 2, 1])
    found = x.index_add(1, places, source, alpha=-2)
    wanted = one_by_one(np.zeros((3, 2, 4)), places.numpy(), -2 * source.numpy().swapaxes(0, 1))
    assert found.tolist() == wanted.swapaxes(0, 1).tolist() and found.is_contiguous()
    small = rl.tensor([250, 3], dtype=rl.uint8)
    assert small.index_add(0, rl.tensor([0, 1]), small, alpha=-3).tolist() == [12, 250]


@pytest.mark.parametrize("dim", [0, 1])
@pytest.mark.parametrize("repeated", [(slice(None), slice(0, 1)), (slice(0, 1), slice(None))])
def test_expanded_places_are_what_their_copies_are(dim: int, repeated: tuple[slice, slice]) -> None:
    draw = np.random.default_rng(dim)
    places = rl.tensor(draw.integers(0, 4, (6, 4)))[repeated].expand(6, 4)
    x, source = rl.tensor(draw.normal(size=(6, 4))), rl.tensor(draw.normal(size=(6, 4)))
    copies = places.clone(memory_format=rl.contiguous_format)
    assert 0 in places.stride() and 0 not in copies.stride()
    for call in (
        lambda at: x.scatter_add(dim, at, source), lambda at: x.gather(dim, at),
        lambda at: x.scatter(dim, at, 1.0),
    ):  # fmt: skip
        assert rl.equal(call(places), call(copies))


def test_expanded_places_outside_are_refused() -> None:
    places = rl.tensor([[0], [4]]).expand(2, 3)
    with pytest.raises(RuntimeError, match="index 4 is out of bounds for dimension 0 with size 4"):
        rl.zeros(4, 3).scatter_add(0, places, rl.ones(2, 3))


@pytest.mark.parametrize("key", [([[0, 1], [2, 3]],), ([0, 2], slice(None), [1, 3]), (1, [0, 2])])
@pytest.mark.parametrize("backend", ["", "numpy"])
def test_values_with_more_dimensions_than_their_places(
    key: tuple[object, ...], backend: str
) -> None:
    """Dimensions of 1 in front, and one that is repeated: each value's gradient is its places'."""
    key = tuple(rl.tensor(part) if isinstance(part, list) else part for part in key)

    def slope(x: rl.Tensor, value: rl.Tensor, weights: rl.Tensor) -> rl.Tensor:
        y = x * 1
        y[key] = value
        return rl.autograd.grad((y * weights).sum(), value)[0]

    weights = rl.arange(64.0).reshape(4, 4, 4)
    sizes = weights[key].shape
    value = rl.ones(1, 1, *sizes[:-1], 1, requires_grad=True)
    found = rl.compile(slope, backend=backend) if backend else slope
    wanted = weights[key].sum(-1).reshape(value.shape)
    assert rl.equal(found(rl.zeros(4, 4, 4), value, weights), wanted)


@pytest.mark.parametrize("accumulate", [True, False])
def test_values_that_do_not_fit_are_refused_in_torchs_words(accumulate: bool) -> None:
    with pytest.raises(RuntimeError) as caught:
        rl.zeros(4, 3).index_put_((rl.tensor([0, 2]),), rl.ones(3, 3), accumulate)
    assert str(caught.value).splitlines()[0] == (
        "shape mismatch: value tensor of shape [3, 3] cannot be broadcast to indexing result of"
        " shape [2, 3]"
    )
    with pytest.raises(IndexError, match="index 4 is out of bounds for dimension 0 with"):
        rl.zeros(4, 3).index_put_((rl.tensor([0, 4]),), rl.tensor(1.0), accumulate)


@pytest.mark.parametrize("place", [2, -1])
def test_index_reduce_refuses_a_place_that_is_not_there(place: int) -> None:
    with pytest.raises(IndexError, match="index out of range in self"):
        rl.index_reduce(rl.zeros(2), 0, rl.tensor([place]), rl.ones(1), "mean")
