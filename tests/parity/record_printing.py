"""Record torch's text for the recipes of `printing_cases` (needs torch).

Run from the repository root: `python -m tests.parity.record_printing`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tests.parity.printing_cases import DTYPES, FLOATS, Recipe, build_array, random_recipe

DATA = Path(__file__).parent / "data" / "printing.json"
LONGEST_TEXT = 1500
NUM_RANDOM = 420


def to_torch(array: np.ndarray) -> torch.Tensor:
    """A tensor of the same values."""
    if array.dtype.name == "bfloat16":
        return torch.from_numpy(array.view(np.int16).copy()).view(torch.bfloat16)
    return torch.from_numpy(np.array(array))


def with_grad_fn(tensor: torch.Tensor, name: str) -> torch.Tensor:
    """The tensor as the output of an autograd function called `name`."""
    methods = {
        "forward": staticmethod(lambda context, x: x.clone()),
        "backward": staticmethod(lambda context, g: g),
    }
    function: Any = type(name, (torch.autograd.Function,), methods)
    return function.apply(tensor.requires_grad_())


def torch_tensor(recipe: Recipe) -> torch.Tensor:
    """The tensor of a recipe, dressed as asked."""
    tensor = to_torch(build_array(recipe))
    if "device" in recipe:
        tensor = tensor.to(recipe["device"])
    if "prefix" in recipe:
        tensor = tensor.as_subclass(type(recipe["prefix"], (torch.Tensor,), {}))
    if "grad_fn" in recipe:
        return with_grad_fn(tensor, recipe["grad_fn"])
    return tensor.requires_grad_(recipe.get("requires_grad", False))


def torch_text(recipe: Recipe) -> str:
    """What torch's repr makes of a recipe."""
    default = torch.get_default_dtype()
    torch.set_default_dtype(getattr(torch, recipe.get("default", "float32")))
    try:
        with torch._tensor_str.printoptions(**recipe.get("options", {})):
            return torch_tensor(recipe).__repr__(tensor_contents=recipe.get("contents"))
    finally:
        torch.set_default_dtype(default)


def given(shape: list[int], values: list[Any], dtype: str = "float32", **more: Any) -> Recipe:
    """A recipe with its values written out (repeated to fill the shape)."""
    texts = [str(value) for value in values]
    return {"shape": shape, "dtype": dtype, "values": ["given", texts, 0], **more}


def special_vectors() -> list[Recipe]:
    """Floats at the edges of each rule: notation, width, sign, not finite."""
    vectors = [
        [0.0], [-0.0], ["inf"], ["-inf"], ["nan"], [1.0], [-1.0], [1.5], [3.14159265],
        [0, -0.0, 0], [1, 2, 3], [-1, 2, 300], [1.5, -2.5, 100.25], [1, "nan"], [1, "inf", "-inf"],
        [1.5, "nan", "-inf"], ["nan", "inf", "-inf", 0, -0.0], [1e8], [100000001.0], [1e9, 1],
        [1e-4], [9.9e-5], [1e-5, 1], [1000, 1], [1001, 1], [1000.5, 1], [1000.5, 1.5],
        [1e-45], [3e38], [-3e38, 1e-38], [0.00005, 0.5], [0.99995], [9.99995], [99999.5, 200.1],
        [1e10, "nan"], [1e10, "inf", -0.0], [123456789.0], [16777216.0, 2], [0.1, 0.2, 0.3],
        [2.5, 3.5], [1e-100, 1], [65504], [5e-8], [1 / 3, 2 / 3], [-0.00004, 0.0001],
    ]  # fmt: skip
    recipes = [given([len(vector)], vector) for vector in vectors]
    for dtype in ("float64", "bfloat16"):
        recipes += [given([len(vector)], vector, dtype) for vector in vectors[:33:2]]
    recipes += [given([], vector[:1]) for vector in vectors[:9]]
    return recipes + [given([len(v)], v, "complex64") for v in vectors[8:20]]


def plain_tensors() -> list[Recipe]:
    """Each dtype in each kind of shape, full, empty and summarised."""
    shapes = [[], [0], [0, 3], [2, 0, 4], [1], [7], [2, 3], [2, 2, 2], [1, 2, 1, 2]]
    shapes += [[1001], [40, 30]]
    recipes = []
    for dtype in DTYPES:
        kind = "uniform" if dtype in FLOATS or dtype.startswith("complex") else "small"
        for number, shape in enumerate(shapes):
            recipes.append({"shape": shape, "dtype": dtype, "values": [kind, number, 9]})
    deep = {"dtype": "float32", "values": ["uniform", 5, 1]}
    shapes = [[12, 12, 12], [2, 600], [600, 2], [4, 4, 70]]
    recipes += [{"shape": shape, **deep} for shape in shapes]
    recipes.append({"shape": [8, 7, 7, 7], "dtype": "int64", "values": ["small", 6, 1000]})
    return recipes


def dressed_tensors() -> list[Recipe]:
    """Suffixes that just fit and just do not; other prefixes, contents and options."""
    base = {"shape": [3], "dtype": "float32", "values": ["uniform", 1, 1]}
    recipes: list[Recipe] = [{**base, "grad_fn": "F" * length} for length in range(22, 32)]
    recipes += [{**base, "dtype": "float64", "grad_fn": "F" * length} for length in range(4, 12)]
    recipes += [{**base, "shape": [size], "requires_grad": True} for size in range(4, 12)]
    recipes += [{**base, "prefix": "T" * size, "shape": [12]} for size in (1, 8, 25, 60, 90)]
    recipes += [{**base, "device": "meta", "dtype": dtype} for dtype in ("float32", "int64")]
    recipes += [{**base, "contents": text} for text in ("...", "", "a\nb")]
    wrapped = {**base, "dtype": "float64", "contents": "x" * 30, "requires_grad": True}
    recipes += [{**wrapped, "options": {"linewidth": width}} for width in range(43, 50)]
    for options in (
        {"precision": 2}, {"precision": 0}, {"precision": 12}, {"sci_mode": True},
        {"sci_mode": False}, {"profile": "short"}, {"profile": "full"}, {"threshold": 4},
        {"threshold": 4, "edgeitems": 1}, {"threshold": 4, "edgeitems": 0}, {"linewidth": 30},
        {"edgeitems": 0}, {"linewidth": 5, "precision": 1}, {"threshold": 0, "edgeitems": 2},
    ):  # fmt: skip
        for shape in ([], [14], [5, 6], [3, 7, 2]):
            recipes.append({**base, "shape": shape, "options": options})
    return [*recipes, {**base, "shape": [9], "options": {"threshold": 4, "edgeitems": -2}}]


def record_sparse() -> list[dict[str, Any]]:
    """Sparse tensors, whose parts are printed further to the right and whose suffixes wrap."""
    answers = []
    for count, scale in ((0, 1), (1, 1), (5, 1), (14, 1000), (40, 0.01)):
        array = build_array({"shape": [6, 7], "dtype": "float32", "values": ["uniform", 3, scale]})
        array.ravel()[count:] = 0
        sparse = torch.from_numpy(array[::-1].copy()).to_sparse()
        parts = {"indices": sparse.indices().tolist(), "values": sparse.values().tolist()}
        answers.append({"shape": [6, 7], **parts, "text": repr(sparse)})
    return answers


def record_errors() -> list[dict[str, Any]]:
    """What torch raises for options that cannot be used, and when."""
    answers = []
    for options in (
        {"precision": -1}, {"precision": 2.5}, {"precision": "x"}, {"linewidth": float("inf")},
        {"unheard": 1}, {"linewidth": "wide"}, {"threshold": "big"},
        {"edgeitems": 1.5, "threshold": 0},
    ):  # fmt: skip
        recipe = given([8], [1.5, 2], options=options)
        try:
            torch_text(recipe)
        except Exception as error:
            answers.append({"recipe": recipe, "type": type(error).__name__, "text": str(error)})
    return answers


def record_option_changes() -> list[dict[str, Any]]:
    """Calls of set_printoptions one after another and the options after each."""
    calls: list[dict[str, Any]] = [
        {}, {"precision": 2}, {"sci_mode": True}, {"threshold": 5}, {"profile": "short"},
        {"edgeitems": 7, "linewidth": 100}, {"profile": "full", "precision": 9}, {"profile": "no"},
        {"sci_mode": False, "profile": "default"}, {"precision": -3, "threshold": 0},
        {"edgeitems": 0}, {"profile": "default"},
    ]  # fmt: skip
    answers = []
    for call in calls:
        torch.set_printoptions(**call)
        answers.append({"call": call, "options": torch._tensor_str.get_printoptions()})
    return answers


def main() -> None:
    """Write the data file, one case to a line."""
    recipes = special_vectors() + plain_tensors() + dressed_tensors()
    recipes += [random_recipe(seed) for seed in range(NUM_RANDOM)]
    cases = [{**recipe, "text": torch_text(recipe)} for recipe in recipes]
    cases = [case for case in cases if len(case["text"]) <= LONGEST_TEXT]
    parts = {
        "cases": cases,
        "sparse": record_sparse(),
        "errors": record_errors(),
        "changes": record_option_changes(),
    }
    blocks = []
    for name, rows in parts.items():
        lines = ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows)
        blocks.append(f'"{name}": [\n{lines}\n]')
    DATA.parent.mkdir(exist_ok=True)
    DATA.write_text("{\n" + ",\n".join(blocks) + "\n}\n")
    print({name: len(rows) for name, rows in parts.items()}, DATA.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
