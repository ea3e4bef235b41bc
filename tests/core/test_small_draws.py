"""Few numbers at a time are drawn from what was computed ahead: the stream must not notice."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rushlight as rl
from rushlight.core.random_draws import box_muller32, unit32, unit64
from rushlight.core.random_engine import Engine

DRAWS = st.lists(
    st.tuples(
        st.sampled_from(["words", "singles", "doubles", "normals", "rows"]), st.integers(1, 150)
    ),
    max_size=30,
)


def straight(engine, kind, count):
    """The same numbers from bare words."""
    if kind == "words":
        return engine.words(count)
    if kind == "singles":
        return unit32(engine.words(count))
    if kind == "doubles":
        return unit64(engine.words(2 * count))
    if kind == "rows":
        found = unit32(engine.words(16 * (1 + count % 16)))
        box_muller32(found, 0.0, 1.0)
        return found
    return engine.normal(16, np.float64, 0.5, 2.0)


def drawn(engine, kind, count):
    if kind == "normals":
        return engine.normal(16, np.float64, 0.5, 2.0)
    if kind == "rows":  # of 16 normals, some of which have words of two blocks
        return engine.normal((16 * (1 + count % 16),))
    return getattr(engine, kind)(count)


@settings(max_examples=60, deadline=None)
@given(DRAWS, st.integers(0, 5))
def test_draws_of_few_numbers_take_the_same_words(draws, seed):
    ahead, plain = Engine(seed), Engine(seed)
    for kind, count in draws:
        assert np.array_equal(drawn(ahead, kind, count), straight(plain, kind, count))
    assert np.array_equal(ahead.get_state(), plain.get_state())


def test_a_draw_is_no_view_of_what_was_computed_ahead():
    engine, plain = Engine(3), Engine(3)
    engine.doubles(4)[:] = -1
    plain.doubles(4)
    assert np.array_equal(engine.doubles(4), plain.doubles(4))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int64", "uint8", "int32"])
@pytest.mark.parametrize(("low", "high"), [(0, 10), (3, 128), (0, 1), (17, 100)])
def test_whole_numbers_in_place_are_those_of_randint(dtype, low, high):
    """Few and many, side by side in memory and not."""
    kind = getattr(rl, dtype)
    for shape in ((5,), (4, 4), (100,), (3, 40)):
        _ = rl.manual_seed(11)
        found = rl.zeros(shape, dtype=kind).random_(low, high)
        _ = rl.manual_seed(11)
        assert rl.equal(found, rl.randint(low, high, shape).to(kind))
    _ = rl.manual_seed(11)
    apart = rl.zeros(8, 6, dtype=kind)[:, ::2].random_(low, high)
    _ = rl.manual_seed(11)
    assert rl.equal(apart, rl.randint(low, high, (8, 3)).to(kind))


@pytest.mark.parametrize("bounds", [(0, 300), (-1, 3), (5, 5)])
def test_bounds_that_a_type_does_not_hold_are_refused(bounds):
    with pytest.raises(RuntimeError):
        rl.zeros(4, dtype=rl.uint8).random_(*bounds)
    with pytest.raises(RuntimeError):
        rl.zeros(4).uniform_(2.0, 1.0)


def test_a_draw_into_a_views_memory_is_as_that_memory_lies():
    for method, args in (("normal_", (1.0, 2.0)), ("uniform_", (0.0, 1.0)), ("bernoulli_", (0.3,))):
        _ = rl.manual_seed(0)
        turned = getattr(rl.zeros(4, 8).t(), method)(*args)
        _ = rl.manual_seed(0)
        straight = getattr(rl.zeros(4, 8), method)(*args)
        if method != "normal_":  # which has another algorithm for it, as in torch
            assert rl.equal(turned.t(), straight)
        assert turned.std() > 0


@pytest.mark.parametrize("draw", [
    lambda x: x.normal_(), lambda x: x.uniform_(), lambda x: x.random_(5),
    lambda x: x.exponential_(), lambda x: x.bernoulli_(0.5),
    lambda x: x.bernoulli_(rl.full((3,), 0.5)),
])  # fmt: skip
def test_a_draw_through_data_is_no_version(draw):
    """As every other write through `.data`: a graph that kept the values goes backward."""
    w = rl.ones(3, requires_grad=True)
    y, before = (w * w).sum(), w._version
    draw(w.data)
    assert w._version == before
    y.backward()
    assert rl.equal(w.grad, 2 * w.detach())
    z = rl.ones(3)
    draw(z)
    assert z._version == 1
