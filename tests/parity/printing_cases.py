"""Recipes for tensors to print: plain data from which every side builds the same array.

A recipe is a dict that JSON can hold: `shape`, `dtype`, `values` and, where they are not the
usual, `order`, `default`, `requires_grad`, `grad_fn`, `prefix`, `contents`, `device`, `options`.
"""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np

from rushlight.core import printing

FLOATS = ("float16", "float32", "float64", "bfloat16")
COMPLEXES = ("complex64", "complex128")
INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
DTYPES = (*FLOATS, *COMPLEXES, *INTEGERS, "bool")
SPECIALS = (0.0, -0.0, math.inf, -math.inf, math.nan, 1.0, -1.0, 0.5, 1e-5, 12345.678, 1e8, 1e-40)

Recipe = dict[str, Any]


def numpy_dtype(name: str) -> np.dtype:
    """The NumPy dtype of that name; bfloat16 comes from ml_dtypes."""
    if name == "bfloat16":
        import ml_dtypes

        return np.dtype(ml_dtypes.bfloat16)
    return np.dtype(name)


def draw_reals(values: list[Any], count: int) -> np.ndarray:
    """Float64 numbers; RandomState, because its streams never change between releases."""
    kind, seed, scale = values
    if kind == "given":
        return np.resize(np.array([float(text) for text in seed]), count)
    state = np.random.RandomState(seed)
    uniform = state.random_sample(count) * 2 - 1
    if kind == "uniform":
        return uniform * scale
    if kind == "spread":  # numbers of quite different size in one tensor
        powers = state.randint(-scale, scale + 1, count)
        return uniform * np.array([float(f"1e{power}") for power in powers])
    if kind == "halves":
        return np.round(uniform * scale) / 2
    if kind == "whole":
        return np.round(uniform * scale)
    assert kind == "sprinkled", kind
    chosen = np.array(SPECIALS)[state.randint(0, len(SPECIALS), count)]
    return np.where(state.random_sample(count) < 0.3, chosen, uniform * scale)


def draw_integers(values: list[Any], count: int, dtype: np.dtype) -> np.ndarray:
    """Integers of the dtype: given ones, small ones of both signs, or its extremes."""
    kind, seed, scale = values
    if kind == "given":
        return np.resize(np.array([int(text) for text in seed], dtype), count)
    state = np.random.RandomState(seed)
    if kind == "extremes":
        limits = np.iinfo(dtype)
        pool = np.array([limits.min, limits.max, 0, 1, 42], dtype)
        return pool[state.randint(0, len(pool), count)]
    return state.randint(-int(scale), int(scale) + 1, count).astype(dtype)


def build_array(recipe: Recipe) -> np.ndarray:
    """The array of a recipe, contiguous."""
    shape, dtype, values = tuple(recipe["shape"]), numpy_dtype(recipe["dtype"]), recipe["values"]
    count = math.prod(shape)
    if recipe["dtype"] == "bool":
        flat = draw_integers(values, count, np.dtype(np.int64)) > 0
    elif recipe["dtype"] in INTEGERS:
        flat = draw_integers(values, count, dtype)
    else:
        with np.errstate(all="ignore"):
            flat = draw_reals(values, count).astype(dtype)
            if dtype.kind == "c":
                other = values if values[0] == "given" else [values[0], values[1] + 1, values[2]]
                flat.imag = draw_reals(other, count)[::-1]
    return flat.reshape(shape)


def reorder(array: np.ndarray, order: str) -> np.ndarray:
    """The same values, laid out in memory in another order."""
    if order == "transposed":
        return array.T.copy().T
    if order == "strided" and array.ndim:
        return np.repeat(array, 2, axis=-1)[..., ::2]
    return array


def rushlight_text(recipe: Recipe) -> str:
    """What format_tensor makes of a recipe."""
    array = reorder(build_array(recipe), recipe.get("order", "plain"))
    grad_fn = recipe.get("grad_fn")
    with printing.printoptions(**recipe.get("options", {})):
        return printing.format_tensor(
            array,
            prefix=recipe.get("prefix", "tensor") + "(",
            dtype_name=f"torch.{recipe['dtype']}",
            default_dtype_name=f"torch.{recipe.get('default', 'float32')}",
            requires_grad=recipe.get("requires_grad", False),
            grad_fn_name=f"{grad_fn}Backward" if grad_fn else None,
            device=recipe.get("device"),
            tensor_contents=recipe.get("contents"),
        )


def random_shape(rng: random.Random) -> list[int]:
    """Small tensors of 0 to 5 dimensions, some empty, some long enough to be summarised."""
    ndim = rng.choice((0, 1, 1, 2, 2, 2, 3, 3, 4, 5))
    most = (1, 60, 12, 8, 5, 3)[ndim]
    shape = [rng.randint(1, most) for _ in range(ndim)]
    if ndim and rng.random() < 0.1:
        shape[rng.randrange(ndim)] = rng.choice((0, 0, 1, 130, 1100 if ndim < 3 else 20))
    return shape


def random_options(rng: random.Random) -> dict[str, Any]:
    """Print options, each of them set in some of the cases."""
    options: dict[str, Any] = {}
    for name, choices in (
        ("precision", (0, 1, 2, 3, 6, 10)),
        ("threshold", (0, 5, 10, 30, 100)),
        ("edgeitems", (0, 1, 2, 4, 5)),
        ("linewidth", range(1, 160)),
        ("profile", ("default", "short", "full", "unheard")),
        ("sci_mode", (True, False)),
    ):
        if rng.random() < 0.25:
            options[name] = rng.choice(choices)
    return options


def random_values(rng: random.Random, dtype: str) -> list[Any]:
    """A way to draw values that suits the dtype."""
    seed = rng.randrange(2**31)
    if dtype in (*INTEGERS, "bool"):
        return [rng.choice(("small", "small", "extremes")), seed, 10 ** rng.randint(0, 6)]
    kind = rng.choice(("uniform", "uniform", "spread", "halves", "whole", "sprinkled"))
    if kind == "spread":
        return [kind, seed, rng.choice((1, 2, 4, 9, 40, 200))]
    return [kind, seed, float(f"1e{rng.choice((-9, -5, -3, -1, 0, 0, 0, 1, 2, 3, 5, 8, 12, 60))}")]


def random_recipe(seed: int) -> Recipe:
    """The recipe of that number."""
    rng = random.Random(seed)
    dtype = rng.choice((*DTYPES, "float32", "float32", "float32"))
    recipe: Recipe = {
        "shape": random_shape(rng),
        "dtype": dtype,
        "values": random_values(rng, dtype),
        "order": rng.choice(("plain", "transposed", "strided")),
    }
    if rng.random() < 0.6:
        recipe["options"] = random_options(rng)
    if rng.random() < 0.2:
        recipe["default"] = rng.choice(FLOATS)
    if rng.random() < 0.1:
        recipe["contents"] = rng.choice(("...", "x" * rng.randint(1, 90), "one,\n   two"))
    if rng.random() < 0.05:
        recipe["device"] = "meta"
        return recipe
    differentiable = dtype in FLOATS or dtype in COMPLEXES
    if differentiable and rng.random() < 0.3:
        recipe["grad_fn"] = "F" * rng.randint(1, 50)
    elif rng.random() < 0.3:
        recipe["prefix"] = "T" + "t" * rng.randint(1, 30)
    if differentiable and rng.random() < 0.3:
        recipe["requires_grad"] = True
    return recipe
