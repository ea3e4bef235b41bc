"""Special functions against torch's recorded answers and against true values."""

import json
from pathlib import Path

import numpy as np
import pytest

from rushlight.core import special

CASES = json.loads((Path(__file__).parent / "data/special.json").read_text())
TORCH = [case for case in CASES if case[0] == "torch"]
TRUTH = [case for case in CASES if case[0] == "truth"]
TOLERANCE = {"float64": (1e-11, 1e-14), "float32": (3e-6, 3e-7), "float16": (2e-3, 1e-3)}
# Where torch's own answers are further than that from the true ones (test_true_values has those).
LOOSE = {
    **{(f"bessel_{k}", "float64"): (1e-7, 1e-7) for k in ("j0", "j1", "y0", "y1")},
    ("bessel_y1", "float32"): (1e-5, 1e-6),
    ("airy_ai", "float64"): (1e-8, 1e-9),
    ("airy_ai", "float32"): (1e-5, 3e-6),
    ("gammainc", "float64"): (1e-8, 1e-14),
    ("gammaincc", "float64"): (1e-8, 1e-14),
    ("polygamma", "float64"): (3e-9, 1e-14),
    ("chebyshev_polynomial_t", "float32"): (1e-5, 3e-6),
    ("chebyshev_polynomial_w", "float32"): (1e-5, 3e-6),
}
# Units in the last place from the true value; a large exponent costs gammainc some.
ULPS = {"float64": 6.0, "float32": 2.6}
INCOMPLETE_ULPS = 150.0


def arrays(case):
    """The arguments and the recorded answer."""
    dtype = np.dtype(case[2])
    arguments = [np.array([float(v) for v in values], dtype) for values in case[3]]
    wide = np.array([float(v) for v in case[4]])
    return arguments, wide if case[0] == "truth" else wide.astype(dtype)


def answer(case):
    arguments, _ = arrays(case)
    options = dict(case[5])
    if case[1] == "polygamma":
        arguments.insert(0, options.pop("n"))
    return getattr(special, case[1])(*arguments, **options)


def label(case):
    return f"{case[1]}-{case[2]}"


@pytest.mark.parametrize("case", TORCH, ids=label)
def test_as_torch(case):
    got, (_, expected) = answer(case), arrays(case)
    assert got.dtype == expected.dtype
    assert got.shape == expected.shape
    relative, absolute = LOOSE.get((case[1], case[2]), TOLERANCE[case[2]])
    np.testing.assert_allclose(got, expected, relative, absolute)
    if case[2] != "float16":
        zero = (got == 0) & (expected == 0)
        assert np.array_equal(np.signbit(got[zero]), np.signbit(expected[zero]))


@pytest.mark.parametrize("case", TRUTH, ids=label)
def test_true_values(case):
    arguments, expected = arrays(case)
    got = getattr(special, case[1])(*arguments)
    size = np.maximum(np.abs(expected), case[5].get("floor", np.finfo(case[2]).tiny))
    unit = np.spacing(size.astype(case[2])).astype(float)
    most = INCOMPLETE_ULPS if len(arguments) == 2 else ULPS[case[2]]
    assert np.max(np.abs(got.astype(float) - expected) / unit) <= most


ONE_ARGUMENT = sorted({case[1] for case in TRUTH if len(case[3]) == 1})


@pytest.mark.parametrize("name", ONE_ARGUMENT)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_large_arrays_agree_with_small_ones(name, dtype):
    function = getattr(special, name)
    x = np.random.default_rng(5).uniform(0.05, 0.95, 50_000).astype(dtype)
    whole, places = function(x), np.r_[0:40, 16_370:16_400, 32_750:32_780, 49_980:50_000]
    pieces = np.concatenate([function(x[i : i + 5]) for i in places])
    again = np.concatenate([whole[i : i + 5] for i in places])
    np.testing.assert_allclose(again, pieces, 12 * np.finfo(dtype).eps, 4 * np.finfo(dtype).eps)


@pytest.mark.parametrize("name", ONE_ARGUMENT)
def test_layouts(name):
    function = getattr(special, name)
    x = np.linspace(0.1, 0.9, 24).reshape(4, 6)
    near = {"rtol": 1e-14}
    expected = function(x)
    np.testing.assert_allclose(function(np.asfortranarray(x)), expected, **near)
    np.testing.assert_allclose(function(x.T), expected.T, **near)
    np.testing.assert_allclose(function(x[::2, ::-1]), expected[::2, ::-1], **near)
    np.testing.assert_allclose(function(x[1, 2]), expected[1, 2], **near)
    for shape in ((0,), (3, 0, 2)):
        empty = function(np.empty(shape, np.float32))
        assert empty.shape == shape and empty.dtype == np.float32
    assert isinstance(function(np.array(0.5)), np.ndarray)


@pytest.mark.parametrize("name", ONE_ARGUMENT)
def test_arguments_are_not_written(name):
    for size in (3, 100, 40_000):
        x = np.random.default_rng(1).uniform(0.1, 0.9, size)
        kept = x.copy()
        getattr(special, name)(x)
        assert np.array_equal(x, kept)


def test_integers_become_float32():
    assert special.erf(np.array([1, 2])).dtype == np.float32
    assert special.xlogy(np.array([1, 2]), np.array([True, True])).dtype == np.float32


def test_identities():
    x = np.random.default_rng(2).uniform(0.05, 30, 5000)
    np.testing.assert_allclose(special.lgamma(x + 1), special.lgamma(x) + np.log(x), 1e-13, 1e-13)
    np.testing.assert_allclose(special.digamma(x + 1), special.digamma(x) + 1 / x, 1e-13, 1e-13)
    np.testing.assert_allclose(special.erf(x / 20) + special.erfc(x / 20), 1, 1e-15)
    np.testing.assert_allclose(special.erfinv(special.erf(x / 20)), x / 20, 1e-13)
    np.testing.assert_allclose(special.ndtri(special.ndtr(-x)), -x, 1e-13)
    np.testing.assert_allclose(special.logit(special.expit(x / 3)), x / 3, 1e-11)
    wronskian = special.bessel_j1(x) * special.bessel_y0(x)
    wronskian -= special.bessel_j0(x) * special.bessel_y1(x)
    np.testing.assert_allclose(wronskian, 2 / (np.pi * x), 1e-13)
    product = special.i0e(x) * special.scaled_modified_bessel_k1(x)
    product += special.i1e(x) * special.scaled_modified_bessel_k0(x)
    np.testing.assert_allclose(product, 1 / x, 1e-14)


def test_incomplete_gamma_sums_to_one_and_is_monotone():
    random = np.random.default_rng(3)
    a, x = 10 ** random.uniform(-3, 4, 4000), 10 ** random.uniform(-3, 4, 4000)
    low, high = special.gammainc(a, x), special.gammaincc(a, x)
    np.testing.assert_allclose(low + high, 1, 1e-13)
    line = np.linspace(20, 90, 3000)
    assert (np.diff(special.gammainc(np.array(50.0), line)) > -1e-15).all()


def test_logsumexp_over_axes():
    x = np.random.default_rng(4).normal(size=(3, 4, 5)) * 300
    shifted = x - x.max()
    for axis in (None, 0, -1, (0, 2)):
        for keep in (False, True):
            got = special.logsumexp(x, axis, keep)
            with np.errstate(divide="ignore"):
                expected = np.log(np.exp(shifted).sum(axis=axis, keepdims=keep)) + x.max()
            seen = np.isfinite(expected)
            assert got.shape == expected.shape
            np.testing.assert_allclose(got[seen], expected[seen], 1e-12)
    infinite = np.array([[np.inf, 1.0], [-np.inf, -np.inf], [np.nan, np.inf]])
    assert str(special.logsumexp(infinite, 1)) == "[ inf -inf  nan]"
    assert special.logsumexp(np.empty((2, 0)), 1).tolist() == [-np.inf, -np.inf]
    rows = special.log_softmax(x, 1)
    np.testing.assert_allclose(special.logsumexp(rows, 1), 0, atol=1e-14)


def test_refusals_name_the_argument():
    with pytest.raises(RuntimeError, match="does not support negative n") as caught:
        special.polygamma(-1, np.ones(2))
    assert "-1" in caught.value.__notes__[0]
    with pytest.raises(RuntimeError, match="p has to be greater than or equal to 1") as caught:
        special.multigammaln(np.ones(2), 0)
    assert "0" in caught.value.__notes__[0]


def test_half_width_floats_of_other_packages():
    from ml_dtypes import bfloat16

    x = np.linspace(0.1, 0.9, 50).astype(bfloat16)
    for name in ("erf", "lgamma", "digamma", "i0", "log_softmax", "logsumexp"):
        got = getattr(special, name)(x)
        assert got.dtype == bfloat16
        expected = getattr(special, name)(x.astype(np.float32)).astype(bfloat16)
        assert np.array_equal(got, expected)


def test_no_warning_escapes():
    edges = np.array([0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 1e308, -5.5, 1e-300] * 20)
    with np.errstate(all="raise"):
        for name in {case[1] for case in TORCH if len(case[3]) == 1 and not case[5]}:
            assert getattr(special, name)(edges).shape == edges.shape
