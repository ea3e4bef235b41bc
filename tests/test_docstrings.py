"""Every public name says what it does and shows it; examples that are made are run here.

Examples in the text of modules are run by `python -m pytest --doctest-modules rushlight`.
"""

from __future__ import annotations

import doctest
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import rushlight as torch
from rushlight import return_types

ROOT = Path(torch.__file__).parent
SPACES = """
nn nn.functional nn.init nn.utils nn.parallel optim optim.lr_scheduler optim.swa_utils autograd
autograd.functional autograd.forward_ad autograd.graph autograd.numeric autograd.matrix_calculus
func linalg fft special signal.windows utils utils.data utils.checkpoint utils.benchmark
utils.dlpack utils.hooks utils.tensorboard distributions distributions.constraints
distributions.transforms sparse nested masked amp jit export onnx fx random testing hub overrides
profiler compiler sym vision.ops vision.models vision.datasets vision.transforms
vision.transforms.v2 vision.transforms.functional vision.utils vision.io distributed
distributed.tensor tabular multiprocessing library serialization checkpoint viz futures
cuda cpu return_types storage quasirandom monitor
""".split()
MADE = ("return_types", "cuda", "sparse")


def public(space: Any) -> Iterator[tuple[str, Any]]:
    """The functions and classes that a module has for users, not what it imports from the core."""
    for name in getattr(space, "__all__", None) or dir(space):
        value = None if name.startswith("_") else getattr(space, name, None)
        home = getattr(value, "__module__", None) or ""
        ours = home.startswith(("rushlight", "torch")) and not home.startswith("rushlight.core.")
        if callable(value) and ours and not inspect.ismodule(value):
            yield name, value


def space(name: str) -> Any:
    found: Any = torch
    for part in name.split("."):
        found = getattr(found, part, None) or importlib.import_module(f"{found.__name__}.{part}")
    return found


def text(value: Any) -> str:
    """What a name says itself: a class does not speak by what it is derived from."""
    own = vars(value).get("__doc__") if inspect.isclass(value) else value.__doc__
    return own or ""


@pytest.mark.parametrize("name", ["rushlight", "Tensor", *SPACES])
def test_every_public_name_has_an_example(name: str) -> None:
    home = {"rushlight": torch, "Tensor": torch.Tensor}.get(name) or space(name)
    members = list(public(home))
    assert members
    assert not [one for one, value in members if ">>>" not in text(value)]


def made() -> Iterator[tuple[str, str]]:
    """Docstrings that stand in no file."""
    for name in MADE:
        yield from ((f"{name}.{one}", text(value)) for one, value in public(space(name)))
    for name, value in public(torch):
        if name.endswith("Storage"):
            yield name, text(value)
    for name, value in public(torch.Tensor):
        if "Sparse tensors have it" in text(value):
            yield name, text(value)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_made_examples_run() -> None:
    told: list[str] = []
    runner = doctest.DocTestRunner()
    for name, example in made():
        found = doctest.DocTestParser().get_doctest(example, {}, name, None, 0)
        runner.run(found, out=told.append)
    assert runner.tries > 150 and not runner.failures, "".join(told)


def test_classes_of_results_are_found_where_they_are_made() -> None:
    """One that is not yet made is looked for in the modules of a list, which has them all."""
    files = (ROOT / "functions").glob("*.py")
    making = {file.stem for file in files if re.search(r"[=:] named_result\(", file.read_text())}
    assert making == set(return_types._HOMES)
    assert return_types.geqrf._fields == ("a", "tau")
