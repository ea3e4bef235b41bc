"""Record torch's answers to the recipes of `random_cases` (needs torch).

Run from the repository root: `python -m tests.parity.record_random`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tests.parity.random_cases import Recipe, recipes, summary, weights

DATA = Path(__file__).parent / "data" / "random.json"
FILLS = {
    "uniform": "uniform_", "normal": "normal_", "exponential": "exponential_",
    "cauchy": "cauchy_", "log_normal": "log_normal_", "geometric": "geometric_",
    "bernoulli": "bernoulli_", "integers": "random_",
}  # fmt: skip


def to_torch(array: np.ndarray) -> torch.Tensor:
    """A tensor of the same values."""
    if array.dtype.name == "bfloat16":
        return torch.from_numpy(array.view(np.int16).copy()).view(torch.bfloat16)
    return torch.from_numpy(array)


def to_numpy(tensor: torch.Tensor) -> np.ndarray:
    """An array of the same values."""
    if tensor.dtype == torch.bfloat16:
        import ml_dtypes

        return tensor.contiguous().view(torch.int16).numpy().view(ml_dtypes.bfloat16)
    return tensor.numpy()


def torch_draw(recipe: Recipe) -> np.ndarray:
    """The recipe, cooked by torch's default generator."""
    draw, size, args = recipe["draw"], recipe["size"], recipe["args"]
    dtype = getattr(torch, recipe["dtype"])
    if draw == "randperm":
        return torch.randperm(args[0], dtype=dtype).numpy()
    if draw in FILLS:
        target = _target(recipe, dtype)
        return to_numpy(getattr(target, FILLS[draw])(*args))
    p = to_torch(weights(recipe))
    if draw == "normal_like":
        given = {"mean": (p, args[2]), "std": (args[2], p), "both": (p, p)}
        return torch.normal(*given[args[1]]).numpy()
    if draw == "binomial":
        return torch.binomial(torch.full(size, args[1], dtype=dtype), p).numpy()
    if draw == "multinomial":
        return torch.multinomial(p, *args[1:]).numpy()
    functions: dict[str, Any] = {
        "bernoulli_like": torch.bernoulli,
        "poisson": torch.poisson,
        "gamma": torch._standard_gamma,
        "dirichlet": torch._sample_dirichlet,
    }
    return to_numpy(functions[draw](p))


def _target(recipe: Recipe, dtype: torch.dtype) -> torch.Tensor:
    size = recipe["size"]
    if recipe["layout"] == "t":
        return torch.empty(size[::-1], dtype=dtype).t()
    if recipe["layout"] == "step":
        return torch.empty([*size[:-1], 2 * size[-1]], dtype=dtype)[..., ::2]
    return torch.empty(size, dtype=dtype)


def torch_summary(recipe: Recipe) -> dict[str, Any]:
    """Seed, draw, draw again, and keep the essence."""
    torch.manual_seed(recipe["seed"])
    torch.rand(recipe["before"])
    values = torch_draw(recipe)
    return summary(recipe, values, torch.rand(3).numpy())


if __name__ == "__main__":
    rows = [{**recipe, **torch_summary(recipe)} for recipe in recipes()]
    DATA.write_text("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n")
    print(len(rows), "cases,", DATA.stat().st_size, "bytes")
