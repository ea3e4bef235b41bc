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
