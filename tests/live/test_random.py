"""The random engine beside torch itself: whole arrays, states, and draws after draws."""

from __future__ import annotations

import numpy as np
import pytest

from rushlight.core.random_engine import Engine
from tests.parity.random_cases import Recipe, curved, engine_draw, recipes

torch = pytest.importorskip("torch")


def torch_draw(recipe: Recipe) -> np.ndarray:
    from tests.parity.record_random import torch_draw as draw

    return draw(recipe)


@pytest.mark.parametrize("turn", range(4))
def test_every_recipe_with_other_seeds(turn: int) -> None:
    for recipe in recipes()[turn::4]:
        torch.manual_seed(recipe["seed"] + turn + 1)
        engine = Engine(recipe["seed"] + turn + 1)
        expected, found = torch_draw(recipe), engine_draw(recipe, engine)
        if curved(recipe):
            np.testing.assert_allclose(found, expected, rtol=5e-13)
        else:
            assert found.tobytes() == np.ascontiguousarray(expected).tobytes(), recipe
        assert np.array_equal(engine.uniform(3), torch.rand(3).numpy()), recipe


def test_many_normals_are_equal_to_the_bit() -> None:
    torch.manual_seed(11)
    expected = torch.empty(300_005).normal_(0.25, 3.0).numpy()
    assert np.array_equal(Engine(11).normal(300_005, np.float32, 0.25, 3.0), expected)


def test_float64_normals_are_within_two_units() -> None:
    torch.manual_seed(12)
    expected = torch.randn(50_003, dtype=torch.float64).numpy()
    found = Engine(12).normal(50_003, np.float64)
    assert (np.abs(found - expected) <= 2 * np.spacing(np.abs(expected))).all()


@pytest.mark.parametrize("before", [0, 1, 623, 624, 625, 3000])
def test_states_are_interchangeable(before: int) -> None:
    torch.manual_seed(5)
    engine = Engine(5)
    torch.rand(before), engine.uniform(before)
    assert np.array_equal(engine.get_state(), torch.get_rng_state().numpy())
    torch.randn(3, dtype=torch.float32)  # leaves a spare normal in torch's state
    resumed = Engine().set_state(torch.get_rng_state().numpy())
    assert np.array_equal(resumed.get_state(), torch.get_rng_state().numpy())
    generator = torch.Generator()
    generator.set_state(torch.from_numpy(resumed.get_state()))
    assert np.array_equal(resumed.normal(2), torch.randn(2, generator=generator).numpy())
    assert np.array_equal(resumed.uniform(900), torch.rand(900, generator=generator).numpy())


@pytest.mark.parametrize("seed", [0, -1, 2**32 + 5, 2**64 - 1, -(2**63), 67280421310721])
def test_seeds_are_torchs(seed: int) -> None:
    torch.manual_seed(seed)
    engine = Engine(seed)
    assert engine.initial_seed() == torch.initial_seed()
    assert np.array_equal(engine.uniform(4), torch.rand(4).numpy())


def test_dropout_multiplies_by_the_same_noise() -> None:
    x = torch.linspace(-1, 1, 1003)
    torch.manual_seed(3)
    expected = torch.nn.functional.dropout(x, 0.3).numpy()
    noise = Engine(3).dropout_noise((1003,), np.float32, 0.3)
    assert np.array_equal(x.numpy() * noise, expected)
