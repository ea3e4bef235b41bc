"""Recurrent layers' values and tangents in one walk are those of two walks, and of differences."""

from __future__ import annotations

from typing import Any

import pytest

import rushlight as rl
from rushlight.autograd import dual_choices

pytestmark = pytest.mark.skipif(
    rl.compile(lambda x: x).backend != "llvm", reason="steps are native programs"
)
SIZES = {"input": 24, "hidden": 64, "steps": 35, "batch": 32}  # large enough to go by steps


def results(found: Any) -> list[Any]:
    """Outputs and last states in a list."""
    y, last = found
    return [y, *(last if isinstance(last, tuple) else (last,))]


@pytest.mark.parametrize("by", ["x", "weights", "both", "biases"])
@pytest.mark.parametrize(
    "options", [{}, {"bias": False}, {"bidirectional": True, "num_layers": 2}], ids=str
)
@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_one_walk_gives_what_two_give(
    kind: str, options: dict[str, Any], by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if by == "biases" and not options.get("bias", True):
        by = "both"
    rl.manual_seed(0)
    layer = getattr(rl.nn, kind)(SIZES["input"], SIZES["hidden"], **options).double()
    x, tx = (rl.randn(SIZES["steps"], SIZES["batch"], SIZES["input"]).double() for _ in "ab")
    weights = {name: w.detach() for name, w in layer.named_parameters()}
    moving = {
        name: rl.randn(*w.shape).double() for name, w in weights.items()
        if by in ("weights", "both") or (by == "biases" and "bias" in name)
    }  # fmt: skip
    tx = tx if by in ("x", "both") else rl.zeros_like(tx)

    def f(moved: dict[str, Any], x: Any) -> list[Any]:
        return results(rl.func.functional_call(layer, {**weights, **moved}, (x,)))

    def pushed() -> tuple[list[Any], list[Any]]:
        return rl.func.jvp(f, ({k: weights[k] for k in moving}, x), (moving, tx))

    walks: list[Any] = []
    at_once = dual_choices.at_once

    def counted(*given: Any) -> Any:
        walks.append(at_once(*given))
        return walks[-1]

    monkeypatch.setattr(dual_choices, "at_once", counted)
    once = pushed()
    assert len(walks) == (4 if options.get("num_layers") else 1)
    assert all(found is not None for found in walks)
    monkeypatch.setattr(dual_choices, "at_once", lambda *given: None)
    twice = pushed()
    step = 1e-6
    ahead, behind = (
        f({k: weights[k] + s * step * moving[k] for k in moving}, x + s * step * tx)
        for s in (1, -1)
    )
    for y, t, y2, t2, plus, minus in zip(*once, *twice, ahead, behind, strict=True):
        assert (y == y2).all()
        assert rl.allclose(t, t2, rtol=1e-10, atol=1e-12)
        assert rl.allclose(t, (plus - minus) / (2 * step), rtol=1e-4, atol=1e-7)
