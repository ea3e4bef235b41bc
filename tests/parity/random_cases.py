"""The draws whose results are recorded from torch: recipes, and how rushlight's engine cooks them.

A recipe is a dict: draw, size, dtype, args, layout, seed. Layouts of the filled array: "new" (a
new one), "t" (the transpose of a contiguous one), "step" (every second column of a wider one).
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from rushlight.core.random_engine import Engine

Recipe = dict[str, Any]
FLOATS = ("float32", "float64", "float16", "bfloat16")
WHOLE = ("int64", "int32", "int16", "int8", "uint8")
SIZES = ([0], [1], [7], [15], [16], [17], [33], [4, 16], [700], [1300], [70001])
# In float64 these go through logarithms and the like, which differ in the last bit by platform.
CURVED = ("normal", "log_normal", "exponential", "cauchy", "gamma", "dirichlet", "normal_like")


def numpy_dtype(name: str) -> np.dtype:
    """The NumPy dtype of that name, bfloat16 included."""
    if name == "bfloat16":
        import ml_dtypes

        return np.dtype(ml_dtypes.bfloat16)
    return np.dtype(name)


def weights(recipe: Recipe) -> np.ndarray:
    """The parameters of a draw that takes an array, made of exact fractions."""
    size, top = recipe["size"], recipe["args"][0]
    count = int(np.prod(size))
    values = (np.arange(count) * 37 % 64).reshape(size) / 64 * top
    return values.astype(numpy_dtype(recipe["dtype"]))


def engine_draw(recipe: Recipe, engine: Engine) -> np.ndarray:
    """The recipe, cooked by the engine."""
    draw, size, args = recipe["draw"], tuple(recipe["size"]), recipe["args"]
    dtype = numpy_dtype(recipe["dtype"])
    if draw == "randperm":
        return engine.randperm(args[0], dtype)
    if draw in ("bernoulli_like", "poisson", "gamma", "dirichlet"):
        p = weights(recipe)
        name = {"gamma": "standard_gamma"}.get(draw, draw)
        return getattr(engine, name)(p)
    if draw == "normal_like":
        mean = weights(recipe) if args[1] != "std" else args[2]
        std = weights(recipe) if args[1] != "mean" else args[2]
        return engine.normal_like(mean, std)
    if draw == "binomial":
        return engine.binomial(np.full(size, args[1], dtype), weights(recipe))
    if draw == "multinomial":
        return engine.multinomial(weights(recipe), *args[1:])
    method = getattr(engine, draw)
    if recipe["layout"] == "new":
        return method(size, dtype, *args)
    if recipe["layout"] == "t":
        return method(None, None, *args, out=np.empty(size[::-1], dtype).T)
    wide = np.empty((*size[:-1], 2 * size[-1]), dtype)
    return method(None, None, *args, out=wide[..., ::2])


def curved(recipe: Recipe) -> bool:
    """Whether the last bits depend on the platform's mathematical functions."""
    return recipe["draw"] in CURVED and recipe["dtype"] in ("float64", "complex128")


def summary(recipe: Recipe, values: np.ndarray, following: np.ndarray) -> dict[str, Any]:
    """What is kept of a result and of the three uniforms drawn after it."""
    kept: dict[str, Any] = {"shape": list(values.shape), "next": following.tolist()}
    if not curved(recipe):
        kept["sha256"] = hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()[:24]
    else:
        kept["sum"] = float(values.real.sum())
        kept["mass"] = float(np.abs(values).sum())
    if values.dtype.kind in "fV" and values.size:
        ends = values.ravel()[[0, -1]].astype(np.float64)
        kept["ends"] = ends.tolist()
    return kept


def _recipe(draw: str, size: Any, dtype: str, *args: Any, layout: str = "new") -> Recipe:
    return {"draw": draw, "size": size, "dtype": dtype, "args": list(args), "layout": layout}


def _continuous() -> list[Recipe]:
    cases = []
    for dtype in FLOATS:
        for size in SIZES:
            cases.append(_recipe("uniform", size, dtype, 0.0, 1.0))
            cases.append(_recipe("normal", size, dtype, 0.0, 1.0))
        for size in ([5], [16], [90]):
            cases.append(_recipe("uniform", size, dtype, -0.3, 0.77))
            cases.append(_recipe("normal", size, dtype, 0.5, 1.7))
        for size in ([9], [300]):
            cases.append(_recipe("exponential", size, dtype, 2.5))
            cases.append(_recipe("cauchy", size, dtype, 1.0, 2.0))
            cases.append(_recipe("log_normal", size, dtype, 0.5, 1.3))
            cases.append(_recipe("geometric", size, dtype, 0.2))
            cases.append(_recipe("bernoulli", size, dtype, 0.3))
            cases.append(_recipe("bernoulli_like", size, dtype, 1.0))
        for layout in ("t", "step"):
            cases += [
                _recipe(draw, [5, 9], dtype, *args, layout=layout)
                for draw, *args in (
                    ("uniform", 0, 1), ("normal", 0, 1), ("exponential", 1), ("bernoulli", 0.5),
                )
            ]  # fmt: skip
    for dtype in ("complex64", "complex128"):
        cases += [_recipe("uniform", [n], dtype, 0, 1) for n in (3, 8, 40)]
        cases += [_recipe("normal", [n], dtype, 0, 1) for n in (3, 8, 40)]
    return cases


def _whole() -> list[Recipe]:
    cases = []
    for dtype in (*WHOLE, *FLOATS, "bool"):
        cases.append(_recipe("integers", [50], dtype))
        cases.append(_recipe("integers", [50], dtype, 0, 2))
        if dtype != "bool":
            cases.append(_recipe("integers", [50], dtype, 3, None))
            cases.append(_recipe("geometric", [20], dtype, 0.4))
            cases.append(_recipe("integers", [4, 5], dtype, 0, 100, layout="t"))
        cases.append(_recipe("bernoulli", [40], dtype, 0.75))
    for dtype in ("int64", "float64"):
        bounds = (10, 4096, 2**28 - 1, 2**28, 2**31, 2**32, 2**32 + 5, 2**40, 2**53)
        cases += [_recipe("integers", [60], dtype, -7, high) for high in bounds]
        cases.append(_recipe("integers", [60], dtype, -(2**63), None))
    cases.append(_recipe("integers", [60], "int64", -(2**63), 2**63 - 1))
    lengths = (0, 1, 2, 3, 10, 600, 999, 1000, 1001, 5000, 70000)
    cases += [_recipe("randperm", [n], "int64", n) for n in lengths]
    cases += [_recipe("randperm", [200], dtype, 200) for dtype in ("int32", "float32", "uint8")]
    return cases


def _choices() -> list[Recipe]:
    cases = []
    for dtype in ("float32", "float64"):
        for top in (0.5, 4.0, 9.0, 40.0, 900.0):
            cases.append(_recipe("poisson", [150], dtype, top))
            cases.append(_recipe("gamma", [60], dtype, top))
        cases.append(_recipe("dirichlet", [6, 5], dtype, 3.0))
        cases += [_recipe("binomial", [90], dtype, 1.0, n) for n in (0, 1, 12, 100, 5000)]
        for size, number in (([7], 1), ([7], 5), ([3, 40], 1), ([3, 40], 30), ([500], 77)):
            cases.append(_recipe("multinomial", size, dtype, 1.0, number, False))
            cases.append(_recipe("multinomial", size, dtype, 1.0, number, True))
        for size in ([6], [40], [3, 11]):
            cases += [
                _recipe("normal_like", size, dtype, 3.0, given, 0.7)
                for given in ("mean", "std", "both")
            ]
    return cases


def recipes() -> list[Recipe]:
    """All of them, each with a seed of its own and 0 to 3 words drawn before."""
    cases = [*_continuous(), *_whole(), *_choices()]
    for i, case in enumerate(cases):
        case["seed"], case["before"] = i * 7919 - 5, (0, 1, 0, 621, 2)[i % 5]
    return cases
