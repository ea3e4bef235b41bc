"""Where an op goes by size, both ways give the same."""

from __future__ import annotations

import numpy as np
import pytest

import rushlight as rl
from rushlight.core import heavy, numbers
from rushlight.functions import neural
from rushlight.ops import indexing, reduce, sort
from rushlight.ops.fused import nll, norms, patches, pooling

RANDOM = np.random.default_rng(5)


def floats(*shape: int, kind: str = "f") -> np.ndarray:
    return RANDOM.standard_normal(shape).astype(kind)


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("dim", [0, 1])
def test_rows_with_equal_numbers_or_nan_are_put_in_order_by_themselves(
    dim: int, descending: bool
) -> None:
    x = floats(40, 40)
    x[3, 5] = x[3, 7] = x[9, 2] = x[11, 2] = 0.25
    x[20, 4] = np.nan
    values, places = sort._sort(x, dim, descending)
    plain = sort._sorted(x, dim, descending, None)
    np.testing.assert_array_equal(values, plain[0])
    np.testing.assert_array_equal(places, plain[1])
    first, at = sort._topk(x, dim, 3, descending)
    ours = sort._usual_first(x, dim, 3, descending)
    np.testing.assert_array_equal(at, ours)
    np.testing.assert_array_equal(first, np.take_along_axis(x, ours, dim))


@pytest.mark.parametrize("width", [2, 3, 16])
def test_short_rows_reduce_as_long_ones(width: int) -> None:
    x = floats(2000, width)
    assert reduce.short_rows(x, (1,), 16)
    np.testing.assert_allclose(reduce.row_sums(x, (1,), True), x.sum(1, keepdims=True), atol=1e-5)
    wide = floats(500, width, 9)
    for keep in (False, True):
        found = reduce.row_sums(wide, (1,), keep)
        np.testing.assert_allclose(found, wide.sum(1, keepdims=keep), atol=1e-5)
    assert reduce._few_slices(wide, (1,)) == 1
    for ufunc in (np.maximum, np.minimum):
        found = reduce.row_extremes(ufunc, x, (1,), False)
        np.testing.assert_array_equal(found, ufunc.reduce(x, 1))
    t = rl.from_numpy(x)
    np.testing.assert_allclose(t.cumsum(1).numpy(), np.cumsum(x, 1), atol=1e-5)
    np.testing.assert_allclose(t.cumprod(1).numpy(), np.cumprod(x, 1), rtol=1e-5)


def test_gradients_of_running_products_with_and_without_zeros_agree() -> None:
    x = rl.from_numpy(floats(3, 6, kind="d")).requires_grad_()
    (plain,) = rl.autograd.grad(x.cumprod(1).sum(), x)
    wide = rl.cat([x, rl.zeros(1, 6, dtype=rl.float64)])
    (beside,) = rl.autograd.grad(wide.cumprod(1).sum(), x)
    np.testing.assert_allclose(plain.numpy(), beside.numpy(), rtol=1e-12)


def _at(x: np.ndarray, places: np.ndarray) -> np.ndarray:
    flat = np.take_along_axis(x.reshape(*x.shape[:2], -1), places.reshape(*x.shape[:2], -1), -1)
    return flat.reshape(places.shape)


@pytest.mark.parametrize("out", [(3, 5), (1, 1), (1, 4)])
def test_maxima_of_large_and_small_windows(out: tuple[int, int]) -> None:
    x = np.round(floats(2, 3, 20, 23), 1)
    bounds = [[(i * n // k, -(-(i + 1) * n // k)) for i in range(k)] for n, k in zip((20, 23), out)]
    tables = []
    for one in bounds:
        longest = max(end - start for start, end in one)
        tables.append(np.array([[min(s + i, e - 1) for i in range(longest)] for s, e in one]))
    each = pooling._argmax_each(x, tuple(tables), False)
    np.testing.assert_array_equal(each, pooling._window_argmax(x, *tables))
    x[..., 3:17:5, 2:19:4] = np.nan
    each = pooling._argmax_each(x, tuple(tables), True)
    np.testing.assert_array_equal(each, pooling._window_argmax(x, *tables))
    assert all(i // 23 % 5 == 3 and i % 23 % 4 == 2 for i in each[np.isnan(_at(x, each))])


def test_norms_of_few_and_many_elements() -> None:
    x, w, b = floats(8, 6, 20), floats(1, 6, 1), floats(1, 6, 1)
    few = norms._standardise(x, w, b, (0, 2), 1e-5)
    many = norms._standardise(np.concatenate([x] * 8), w, b, (0, 2), 1e-5)
    assert 8 * x.size > norms._FEW >= x.size
    np.testing.assert_allclose(few[0], many[0][:8], atol=1e-5)
    np.testing.assert_allclose(few[2], many[2], rtol=1e-4)


@pytest.mark.parametrize("width", [3, 80])
def test_rows_added_one_by_one_and_in_turns(width: int) -> None:
    rows, g = RANDOM.integers(0, 7, 300), floats(300, width, kind="d")
    y = np.zeros((7, width))
    indexing.add_rows(y, rows, g)
    expected = np.zeros_like(y)
    np.add.at(expected, rows, g)
    np.testing.assert_allclose(y, expected, rtol=1e-12)


@pytest.mark.parametrize("width", [3, 16, 17, 300])
def test_rows_of_bfloat16_are_added_natively_as_numpy_adds_them(
    width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = rl.bfloat16.numpy
    rows, g = RANDOM.integers(0, 9, 2000), floats(2000, width).astype(kind)
    found, expected = np.zeros((9, width), kind), np.zeros((9, width), kind)
    monkeypatch.setattr(heavy, "_before", [0])
    indexing.add_rows(found, rows, g)
    np.add.at(expected, rows, g)
    np.testing.assert_array_equal(found.astype("f"), expected.astype("f"))


@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize("dims", [(3,), (2, 3), (1, 2, 3)])
def test_sums_over_the_last_dimensions_are_those_of_rows(
    dims: tuple[int, ...], keep: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heavy, "_before", [0])
    x = floats(3, 5, 9, 333)
    expected = np.add.reduce(x, dims, keepdims=keep)
    np.testing.assert_array_equal(reduce.row_sums(x, dims, keep), expected)
    turned = x.transpose(0, 1, 3, 2)
    expected = np.add.reduce(turned, dims, keepdims=keep)
    np.testing.assert_array_equal(reduce.row_sums(turned, dims, keep), expected)


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
def test_pads_by_slices_are_pads_by_places(mode: str) -> None:
    x = floats(3, 5, 90)
    places = patches.padding_places(90, 4, 2, mode)
    found = patches._take(x, 2, places)
    np.testing.assert_array_equal(found, x.take(places, 2))
    g = floats(*found.shape, kind="d")
    expected = np.zeros((3, 5, 90))
    for at, place in enumerate(places):
        expected[..., place] += g[..., at]
    np.testing.assert_allclose(patches._untake(g, 2, places, 90), expected, rtol=1e-12)


def test_a_causal_mask_is_added_or_filled_in() -> None:
    q, k = (rl.from_numpy(floats(2, 5, 4)) for _ in range(2))
    mask = rl.ones(5, 5, dtype=rl.bool).tril()
    attention = rl.nn.functional.scaled_dot_product_attention
    causal, masked = attention(q, k, k, is_causal=True), attention(q, k, k, attn_mask=mask)
    np.testing.assert_allclose(causal.numpy(), masked.numpy(), rtol=1e-6)
    assert neural.causal_mask(2, 3, rl.float32).tolist()[0] == [0.0, -np.inf, -np.inf]


def test_bags_of_one_size_are_bags_by_offsets() -> None:
    table, places = rl.from_numpy(floats(9, 4)), rl.from_numpy(RANDOM.integers(0, 9, (6, 3)))
    bag = rl.nn.functional.embedding_bag
    for mode in ("sum", "mean", "max"):
        ends = rl.arange(0, 18, 3)
        found = bag(places, table, mode=mode), bag(places.reshape(-1), table, ends, mode=mode)
        np.testing.assert_allclose(found[0].numpy(), found[1].numpy(), rtol=1e-5)


@pytest.mark.parametrize("kernel", [(6, 3, 4), (3, 3, 3), (2, 4, 3), (5, 5, 5)])
@pytest.mark.parametrize("kind", ["f", "d"])
def test_large_windows_of_few_elements_are_added_in_turn(kernel, kind, monkeypatch) -> None:
    places = []
    for size in ((7, 5, 7), (6, 6, 6), (6, 5, 5)):
        for padding in ((0, 0, 0), (1, 1, 2)):
            for stride in ((1, 1, 1), (2, 3, 2)):
                out = tuple(
                    (n + 2 * p - k) // s + 1 for n, k, p, s in zip(size, kernel, padding, stride)
                )
                places.append((size, (kernel, stride, padding, (1, 1, 1), out)))
    given = []
    for size, at in places:
        if min(at[-1]) < 1:
            continue
        x, g = floats(2, 1, *size, kind=kind), floats(2, 1, *at[-1], kind=kind)
        x.reshape(-1)[::7], g.reshape(-1)[::3] = -0.0, -0.0
        minus = np.full_like(x, -0.0)
        if pooling._inside(size, *at):  # where the long way begins with the first element
            minus[:] = 1.0
        x[0, 0, 1, 1, 1], x[1, 0, 2, 2, 2] = np.nan, np.inf
        given.append((x, minus, g, size, at))

    def found() -> list[bytes]:
        return [one.tobytes() for x, minus, g, size, at in given for one in
                (pooling._sum_pool(x, *at), pooling._sum_pool(x[:1], *at),
                 pooling._sum_pool(minus, *at), pooling._spread_pool(g, size, *at))]  # fmt: skip

    short = found()
    assert any(pooling._sum_windows(one[0], one[-1]) is not None for one in given)
    monkeypatch.setattr(pooling, "_sum_windows", lambda *_: None)
    monkeypatch.setattr(pooling, "_spread_few", lambda *_: None)
    assert short == found()


@pytest.mark.parametrize("reduction", ["none", "sum", "mean"])
@pytest.mark.parametrize("weighted", [False, True])
def test_labels_of_places_are_found_by_flat_indices(reduction, weighted, monkeypatch) -> None:
    x, labels = floats(3, 5, 14), RANDOM.integers(0, 5, (3, 14))
    x[0, 1, 2], x[1, 2, 3] = np.nan, -np.inf
    weight = floats(5).clip(0) if weighted else None
    for ignore in (-100, 2):
        g = floats(3, 14) if reduction == "none" else np.array(0.7, "f")

        def found(g=g, ignore=ignore) -> list[bytes]:
            one = nll._nll(x, labels, weight, ignore, reduction)
            back = nll._nll_back(g, labels, weight, x.shape, ignore, reduction)
            return [one.tobytes(), back.tobytes()]

        short = found()
        with monkeypatch.context() as patch:
            patch.setattr(nll, "_flat", lambda *_: None)
            assert short == found()


@pytest.mark.parametrize("kind", ["f", "d"])
@pytest.mark.parametrize("shape", [(40000,), (3, 700), (5,), (0,)])
def test_next_numbers_are_numpys(kind: str, shape: tuple[int, ...]) -> None:
    limits = np.finfo(kind)
    odd = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, limits.max, limits.tiny, -limits.tiny,
                    limits.smallest_subnormal, -limits.smallest_subnormal], kind)  # fmt: skip
    x, y = floats(*shape, kind=kind), floats(*shape, kind=kind)
    for one, step in ((x, 3), (y, 2)):
        part = one.reshape(-1)[::step]
        part[:] = RANDOM.choice(odd, part.shape)
    for a, b in (
        (x, y), (y, x), (np.abs(x), y), (x, x), (x[::-1], y), (x, -x), (x, y[..., :1]), (y[:1], x)
    ):  # fmt: skip
        with np.errstate(all="ignore"):
            assert numbers.next_after(a, b).tobytes() == np.nextafter(a, b).tobytes()


def test_windows_that_are_kept_are_given_out_as_copies() -> None:
    for name in ("hann", "hamming", "blackman", "bartlett", "kaiser"):
        make = getattr(rl, f"{name}_window")
        for periodic in (False, True):
            first = make(12, periodic)
            seen = first.tolist()
            first.zero_()
            assert make(12, periodic).tolist() == seen
            assert make(12, not periodic).tolist() != seen
        assert make(12, dtype=rl.float64).dtype is rl.float64
    assert rl.kaiser_window(12, True, 3.0).tolist() != rl.kaiser_window(12, True, 4.0).tolist()
