"""rushlight's random engine against torch's recorded draws, and its state, order and refusals."""

from __future__ import annotations

import copy
import doctest
import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from rushlight.core import random_draws, random_engine
from rushlight.core.random_engine import Engine
from tests.parity.random_cases import Recipe, engine_draw, summary

CASES = json.loads((Path(__file__).parent / "data" / "random.json").read_text())


def name_of(case: Recipe) -> str:
    return "-".join(str(case[key]) for key in ("draw", "dtype", "size", "args", "layout"))


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_draw_and_the_stream_after_it_are_torchs(case: Recipe) -> None:
    engine = Engine(case["seed"])
    engine.uniform(case["before"])
    kept = summary(case, engine_draw(case, engine), engine.uniform(3))
    for key, value in kept.items():
        if key in ("ends", "sum", "mass"):
            assert value == pytest.approx(case[key], rel=1e-13, abs=1e-13), key
        else:
            assert value == case[key], key


def test_enough_cases() -> None:
    assert len(CASES) >= 350 and len({name_of(case) for case in CASES}) == len(CASES)


@pytest.mark.parametrize("count", [0, 1, 5, 623, 624, 625, 2000])
def test_state_brings_the_stream_back(count: int) -> None:
    engine = Engine(9)
    engine.words(count)
    engine.normal(3)  # leaves a spare normal
    state = engine.get_state()
    assert state.dtype == np.uint8 and state.shape == (5056,)
    twins = [Engine().set_state(state), engine.clone(), copy.deepcopy(engine)]
    twins.append(pickle.loads(pickle.dumps(engine)))
    expected = [engine.normal(2), engine.uniform(700), engine.get_state()]
    for twin in twins:
        assert twin.initial_seed() == 9
        for x, y in zip(expected, [twin.normal(2), twin.uniform(700), twin.get_state()]):
            assert np.array_equal(x, y)


def test_words_do_not_depend_on_how_they_are_asked_for() -> None:
    whole = Engine(3).words(5000)
    engine = Engine(3)
    parts = [engine.words(size) for size in (1, 622, 1, 1, 0, 1247, 625, 3, 2500)]
    assert np.array_equal(np.concatenate(parts), whole)


def test_single_doubles_are_the_doubles() -> None:
    one, many = Engine(4), Engine(4)
    one.words(3), many.words(3)
    each = one._each_double()
    assert [next(each) for _ in range(900)] == many.doubles(900).tolist()
    assert one.words(1) == many.words(1)


def test_new_arrays_belong_to_the_caller() -> None:
    engine = Engine(0)
    for array in (engine.uniform(3), engine.integers(3), engine.integers(4, np.uint8)):
        before = engine.get_state()
        array[...] = 0
        assert np.array_equal(engine.get_state(), before)
    assert not np.array_equal(engine.words(4), np.zeros(4))


@pytest.mark.parametrize("n", [2, 31, 1000, 4097])
def test_both_shuffles_agree(n: int) -> None:
    generator = np.random.default_rng(n)
    partners = np.arange(n) + generator.integers(0, n - np.arange(n))
    items = list(range(n))
    for i, j in enumerate(partners.tolist()):
        items[i], items[j] = items[j], items[i]
    assert random_draws._swap_forward_all(partners).tolist() == items
    assert random_draws.swap_forward(partners).tolist() == items


def test_fused_multiply_add_rounds_once() -> None:
    from fractions import Fraction

    x = Engine(5).doubles(400) - 0.5
    for scale, shift in ((1.7, 0.3), (-3.3, 1e-3), (1e-5, 7.0), (1e200, 0.1)):
        exact = [float(Fraction(v) * Fraction(scale) + Fraction(shift)) for v in x.tolist()]
        assert random_draws.affine(x, scale, shift).tolist() == exact


def test_joined_comparison_equals_the_numbers() -> None:
    words = Engine(6).words(4000)
    unit = random_draws.unit64(words)
    for p in (0.0, 1.0, 0.3, 2.0**-60, float(unit[7]), float(np.nextafter(unit[7], 1))):
        assert np.array_equal(random_draws.below64(words, p), unit < p)


def test_a_large_permutation_grows_from_the_inside() -> None:
    order = Engine(2)._randperm_large(50)
    wide = random_draws.join64(Engine(2).words(100)).tolist()
    items: list[int] = []
    for i, word in enumerate(wide):
        items.append(i)
        j = word % (i + 1)
        items[i], items[j] = items[j], i
    assert order.tolist() == items


@pytest.mark.parametrize(
    ("kind", "message", "call"),
    [
        (ValueError, "Overflow when unpacking long long", lambda e: e.manual_seed(2**64)),
        (RuntimeError, "Invalid mt19937 state", lambda e: e.set_state(np.zeros(5056, np.uint8))),
        (
            RuntimeError,
            "Expected a CPUGeneratorImplState of size 5056 but found the input RNG state size to "
            "be 9",
            lambda e: e.set_state(np.zeros(9, np.uint8)),
        ),
        (TypeError, "RNG state must be a torch.ByteTensor", lambda e: e.set_state(np.zeros(5056))),
        (
            RuntimeError,
            "uniform_ expects to return a [from, to) range, but found from=1 > to=0",
            lambda e: e.uniform(3, np.float32, 1, 0),
        ),
        (RuntimeError, "to is out of bounds for float", lambda e: e.uniform(3, "f4", 0, 1e39)),
        (
            RuntimeError,
            "normal expects std >= 0.0, but found std -1",
            lambda e: e.normal(3, std=-1),
        ),
        (
            NotImplementedError,
            "\"normal_kernel_cpu\" not implemented for 'Int'",
            lambda e: e.normal(3, np.int32),
        ),
        (
            NotImplementedError,
            "\"check_uniform_bounds\" not implemented for 'Long'",
            lambda e: e.uniform(3, np.int64),
        ),
        (
            RuntimeError,
            "bernoulli_ expects p to be in [0, 1], but got p=1.5",
            lambda e: e.bernoulli(3, p=1.5),
        ),
        (
            RuntimeError,
            "random_ expects 'from' to be less than 'to', but got from=5 >= to=5",
            lambda e: e.randint(5, 5, (2,)),
        ),
        (
            RuntimeError,
            "to - 1 is out of bounds for unsigned char",
            lambda e: e.randint(0, 257, (2,), np.uint8),
        ),
        (
            RuntimeError,
            "cannot sample n_sample > prob_dist.size(-1) samples without replacement",
            lambda e: e.multinomial(np.ones(2), 3),
        ),
        (
            RuntimeError,
            "probability tensor contains either `inf`, `nan` or element < 0",
            lambda e: e.multinomial(np.array([1.0, -1.0]), 1),
        ),
        (
            RuntimeError,
            "invalid multinomial distribution (sum of probabilities <= 0)",
            lambda e: e.multinomial(np.zeros(4), 3, True),
        ),
        (
            RuntimeError,
            "exponential_ expects lambda > 0.0, but found lambda=0",
            lambda e: e.exponential(3, rate=0),
        ),
        (
            RuntimeError,
            "Cauchy distribution is a continuous probability distribution. dtype must be a "
            "floating point but you specified int",
            lambda e: e.cauchy(3, np.int32),
        ),
    ],
)
def test_refusals_read_as_torchs(kind, message, call) -> None:
    with pytest.raises(kind) as caught:
        call(Engine())
    assert str(caught.value) == message


def test_a_seed_from_the_system_is_kept() -> None:
    engine = Engine()
    seeds = {engine.seed() for _ in range(4)}
    assert len(seeds) == 4 and engine.initial_seed() in seeds and max(seeds) < 1 << 53


def test_docstrings_run() -> None:
    assert doctest.testmod(random_engine).failed == 0
