"""Write down what torch's functions in Python first ask of each tensor they are given.

`python tests/faults/record_first_uses.py` (needs torch and expecttest) writes
`rushlight/core/first_uses.txt`. Functions that torch has written in Python refuse what is no tensor
where they first use it: by an attribute that it lacks, or by handing it to a built-in function. A
line has our name, the argument (with a question mark if it may be None), and such uses in their
order: ".size", "relu input 1".
"""

from __future__ import annotations

import inspect
import re
import sys
import types
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch.testing._internal.common_methods_invocations import op_db
from torch.testing._internal.opinfo.core import SampleInput

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.live.op_db_bridge import Missing, _paths, function

TARGET = Path(__file__).parents[2] / "rushlight" / "core" / "first_uses.txt"
PROBES = ([1.0], np.ones((2, 2), np.float32))  # the second has many of a tensor's attributes


def functions() -> Iterator[tuple[Any, Any]]:
    """torch's functions in Python, each with samples of calls."""
    for op in op_db:
        call = op.op
        if op.name.startswith("nn.functional.") and "." not in op.name[14:]:
            call = getattr(F, op.name[14:], call)  # not the database's own wrapper
        known = isinstance(call, types.FunctionType) and id(call) in _paths()
        if known and not op.name.startswith("masked."):
            yield call, op.sample_inputs("cpu", torch.float32)
    x = torch.ones(2, 2)
    for call in (F.softmax, F.log_softmax, F.softmin, F.gumbel_softmax, F.sigmoid, F.tanh):
        yield call, [SampleInput(x, kwargs={"dim": 0} if "softm" in call.__name__ else {})]


def tensors_of(samples: Any) -> Iterator[tuple[tuple[Any, ...], dict[str, Any], Any]]:
    """Calls: the arguments, and the place or name of one that is a tensor."""
    forms = set()
    for sample in samples:
        args, kwargs = (sample.input, *sample.args), sample.kwargs
        form = (tuple(type(x).__name__ for x in args), tuple(kwargs))
        if form in forms:
            continue
        forms.add(form)
        for place, x in [*enumerate(args), *kwargs.items()]:
            if isinstance(x, torch.Tensor):
                yield args, kwargs, place
        if len(forms) == 4:
            return


def use(call: Any, args: tuple[Any, ...], kwargs: dict[str, Any], place: Any, x: Any) -> str | None:
    """How torch first refuses `x` in a place."""
    if isinstance(place, int):
        args = (*args[:place], x, *args[place + 1 :])
    else:
        kwargs = {**kwargs, place: x}
    try:
        call(*args, **kwargs)
    except Exception as error:
        text = str(error).partition("\n")[0]
    else:
        return None
    if found := re.fullmatch(r"'[\w.]+' object has no attribute '(\w+)'", text):
        return f".{found[1]}"
    said = r"(\w+)\(\): argument '(\w+)' \(position (\d+)\) must be Tensor, not .*"
    if found := re.fullmatch(said, text):
        return " ".join(found.groups())
    return None


def lines() -> list[str]:
    """A line for each argument of each function."""
    found: dict[tuple[str, str], list[str]] = {}
    for call, samples in functions():
        path = _paths()[id(call)]
        try:
            ours = function(call)
            names = list(inspect.signature(getattr(ours, "__wrapped__", ours)).parameters)
        except (Missing, TypeError, ValueError):
            continue
        for args, kwargs, place in tensors_of(samples):
            name = place if isinstance(place, str) else names[min(place, len(names) - 1)]
            uses = [use(call, args, kwargs, place, x) for x in PROBES]
            may_lack = "" if use(call, args, kwargs, place, None) else "?"
            kept = found.setdefault((path, name + may_lack), [])
            kept += [one for one in dict.fromkeys(uses) if one is not None and one not in kept]
    return [f"{path} | {name} | {' | '.join(uses)}" for (path, name), uses in found.items() if uses]


def rows_of_tensors() -> Iterator[str]:
    """The functions that take tensors in a row, and as which argument they hand them on."""
    for name in (
        "atleast_1d atleast_2d atleast_3d block_diag broadcast_tensors cartesian_prod einsum"
        " meshgrid"
    ).split():
        try:
            getattr(torch, name)(*(["i"] if name == "einsum" else []), 5, 5)
        except TypeError as error:
            if found := re.match(r"expected Tensor as element 0 in argument (\d)", str(error)):
                yield f"{name} | * | {found[1]}"


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    found = sorted([*lines(), *rows_of_tensors()])
    TARGET.write_text("\n".join(found) + "\n")
    print(len(found), "arguments in", TARGET)
