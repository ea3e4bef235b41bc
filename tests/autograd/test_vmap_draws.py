"""Draws inside `vmap` beside those that torch 2.13 makes from the same seed (recorded)."""

from __future__ import annotations

from typing import Any

import pytest

import rushlight as torch

F = torch.nn.functional
D = torch.distributions
# randomness, what is mapped over three samples of 0.5, and what torch gives from seed 0
RECORDED: dict[str, Any] = {
    "gumbel": (
        "different", lambda y: F.gumbel_softmax(torch.stack([y, y * 2])),
        [0.1754, 0.8246, 0.7143, 0.2857, 0.4784, 0.5216],
    ),
    "categorical": (
        "different",
        lambda y: D.Categorical(logits=torch.stack([y, y]), validate_args=False).sample(),
        [1, 0, 0],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", RECORDED)
def test_each_sample_has_its_own(name: str) -> None:
    randomness, function, wanted = RECORDED[name]
    torch.manual_seed(0)
    found = torch.vmap(function, randomness=randomness)(torch.full((3,), 0.5))
    assert found.flatten().tolist() == pytest.approx(wanted, abs=6e-5)
    assert torch.rand(1).item() == pytest.approx(0.0223, abs=6e-5)


@pytest.mark.parametrize(
    "draw", [torch.Tensor.normal_, torch.Tensor.uniform_, lambda x: x.bernoulli_(torch.rand(2))]
)
def test_memory_that_all_samples_share_holds_no_draw_for_each(draw: Any) -> None:
    each = torch.vmap(lambda y: draw(torch.zeros(2)) + y, randomness="different")
    with pytest.raises(RuntimeError, match="different inplace randomness on an unbatched tensor"):
        each(torch.ones(3))
    same = torch.vmap(lambda y: torch.zeros(2).normal_() + y, randomness="same")(torch.zeros(3))
    assert torch.equal(same[0], same[1]) and same.any()


@pytest.mark.parametrize("chunk", [None, 1, 2])
def test_the_same_draws_in_every_chunk(chunk: int | None) -> None:
    torch.manual_seed(0)
    noisy = torch.vmap(lambda x: x + torch.rand(2), randomness="same", chunk_size=chunk)
    wanted = pytest.approx([0.4963, 0.7682], abs=6e-5)
    assert noisy(torch.zeros(3)).tolist() == [wanted] * 3


@pytest.mark.parametrize("mapped", [0, None])
def test_coins_of_probabilities_in_memory_of_each_sample(mapped: int | None) -> None:
    torch.manual_seed(0)
    half = torch.full((2, 3) if mapped == 0 else (3,), 0.5)
    toss = torch.vmap(lambda x, p: x.clone().bernoulli_(p), (0, mapped), randomness="different")
    assert toss(torch.zeros(2, 3), half).tolist() == [[1, 0, 1], [1, 1, 0]]
    same = torch.vmap(lambda x, p: x.clone().bernoulli_(p), (0, mapped), randomness="same")
    if mapped == 0:
        with pytest.raises(RuntimeError, match="same randomness with a batched tensor input"):
            same(torch.zeros(2, 3), half)
    else:
        first, second = same(torch.zeros(2, 3), half)
        assert torch.equal(first, second)


def test_forward_mode_by_columns_draws_once() -> None:
    """The batch is that of tangents: the probabilities themselves are the same for all."""
    slopes = torch.func.jacfwd(lambda x: torch.bernoulli(x) * x, randomness="same")
    found = slopes(torch.tensor([0.0, 1.0, 1.0]))
    assert found.tolist() == [[0, 0, 0], [0, 1, 0], [0, 0, 1]]
