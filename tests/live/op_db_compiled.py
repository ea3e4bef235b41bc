"""Samples of torch's op database, eager beside compiled: which ops a program can hold.

python -m tests.live.op_db_compiled                  every op, what stays eager and why
python -m tests.live.op_db_compiled --llvm add cumsum     these ops, by native code
"""

from __future__ import annotations

import sys
import traceback
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

import rushlight as rl
from tests.live import op_db
from tests.live.op_db_bridge import Missing, twin
from tests.live.op_db_checks import UNFILLED, callable_of, is_tensor, leaves, quick, samples

# What a program cannot hold, and why; a pattern of the beginning of the reason.
DEPENDS = "the shape of what"


def total(value: Any) -> list[Any]:
    """The tensors and numbers of an answer, and the gradients of what wanted one."""
    ys = [y for y in leaves(value) if is_tensor(y) or isinstance(y, (bool, int, float, str))]
    return ys


def called(ours: Callable[..., Any], differentiate: bool) -> Callable[..., Any]:
    """A function of one sample: its answer and its gradients for fixed cotangents."""

    def function(start: Any, rest: Any, named: Any) -> list[Any]:
        ys = total(ours(start, *rest, **named))
        smooth = [y for y in ys if is_tensor(y) and y.requires_grad]
        xs = [x for x in leaves([start, rest, named]) if is_tensor(x) and x.requires_grad]
        if not (differentiate and smooth and xs):
            return ys
        seeds = [rl.arange(1.0, y.numel() + 1, dtype=rl.float64).cos().view(y.shape).to(y.dtype)
                 for y in smooth]  # fmt: skip
        return [*ys, *rl.autograd.grad(smooth, xs, seeds, allow_unused=True)]

    return function


class Differs(AssertionError):
    """Compiled and eager part."""


def agree(found: list[Any], wanted: list[Any], filled: bool) -> None:
    """Differs unless values, types, sizes and strides are the same."""
    if len(found) != len(wanted):
        raise Differs(f"{len(found)} results, not {len(wanted)}")
    for a, b in zip(found, wanted):
        if not is_tensor(a):
            if a is not b and a != b and a == a:
                raise Differs(f"{a!r}, not {b!r}")
            continue
        if (a.dtype, a.shape) != (b.dtype, b.shape):
            raise Differs(f"{a.dtype}{list(a.shape)}, not {b.dtype}{list(b.shape)}")
        x, y = a.detach()._array, b.detach()._array
        near = 1e-9 if x.dtype.char in "dDqQ" else 2e-5
        if filled and not np.allclose(x, y, near, near, equal_nan=True):
            raise Differs(f"values {x.ravel()[:3]}, not {y.ravel()[:3]}")


def attempt(op: Any, ours: Any, sample: Any, backend: str, smooth: bool) -> str | None:
    """Why a sample stays eager or differs; None when all is well."""

    def made() -> Any:
        return twin((sample.input, sample.args, sample.kwargs))

    function = called(ours, smooth)
    try:
        rl.manual_seed(0)
        wanted = function(*made())
    except Exception:
        return None
    step = rl.compile(function, backend=backend, fullgraph=True)
    filled = op.name not in UNFILLED
    try:
        for _ in range(3):
            rl.manual_seed(0)
            agree(step(*made()), wanted, filled)
        if step.fallbacks:
            return f"fallback {step.fallbacks[0]!r:.200}"
        return None if len(step.programs) == 1 else f"{len(step.programs)} programs"
    except Differs as error:
        return f"DIFFERS {error}"
    except Exception as error:
        return f"{type(error).__name__}: {str(error).partition(' (')[0]:.100} {place(error)}"


def place(error: BaseException) -> str:
    """The lines of rushlight that gave up."""
    frames = [f for f in traceback.extract_tb(error.__traceback__)
              if "/rushlight/" in f.filename and "/compile/" not in f.filename]  # fmt: skip
    return " < ".join(f"{f.filename.split('rushlight/')[-1]}:{f.lineno} {f.line}"
                      for f in reversed(frames[-3:]))  # fmt: skip


def check(name: str, backend: str, most: int = 3) -> dict[str, str]:
    """Of one op: what went wrong, by aspect."""
    op = op_db.in_scope().get(name)
    wrong: dict[str, str] = {}
    with warnings.catch_warnings(), quick():
        warnings.simplefilter("ignore")
        for dtype in (torch.float64, torch.int64, torch.bool, torch.complex64, torch.float32):
            if dtype not in op.supported_dtypes("cpu"):
                continue
            smooth = op.supports_autograd and dtype is torch.float64
            drawn = samples(op, dtype, smooth)
            drawn = drawn[:: max(1, -(-len(drawn) // most))]
            for sample in drawn:
                for aspect, theirs in (("value", None), ("method", op.method_variant),
                                       ("in-place", op.inplace_variant)):  # fmt: skip
                    if aspect != "value" and (theirs is None or dtype is not torch.float64):
                        continue
                    given = sample
                    if aspect != "value":
                        given = sample.transform(
                            lambda v: v.detach().clone() if isinstance(v, torch.Tensor) else v
                        )
                    try:
                        ours = callable_of(op) if theirs is None else op_db_function(theirs)
                        why = attempt(op, ours, given, backend, smooth and aspect == "value")
                    except Missing:
                        continue
                    if why is not None:
                        wrong.setdefault(f"{aspect} {dtype}", why)
    return wrong


def op_db_function(value: Any) -> Any:
    from tests.live.op_db_bridge import function

    return function(value)


if __name__ == "__main__":
    names = [word for word in sys.argv[1:] if not word.startswith("--")]
    chosen = [
        n for n in op_db.in_scope() if not names or n in names or n.partition("[")[0] in names
    ]
    good = 0
    for name in chosen:
        wrong = check(name, "llvm" if "--llvm" in sys.argv else "numpy")
        good += not wrong
        for aspect, why in wrong.items():
            print(f"{name:30} {aspect:24} {why}", flush=True)
    print(f"{good} of {len(chosen)} compile")
