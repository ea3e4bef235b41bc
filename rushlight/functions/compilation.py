"""`compile` under torch's signature."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from .. import compile as compiler

__all__ = ["compile"]

DEFAULT: list[Any] = [None]  # the backend of functions compiled without one
_OWN = ("inductor", "llvm", "numpy", "eager", "aot_eager")  # the others are given graphs
_MODES = ("default", "reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs")


def _picture(*args: Any, **kwargs: Any) -> Any:
    """A graph drawn by what draws tapes, which is loaded when somebody wants to see."""
    drawing: Any = importlib.import_module("rushlight.autograd.picture")
    return drawing.graph_picture(*args, **kwargs)


def compile(
    model: Callable[..., Any] | None = None,
    *,
    fullgraph: bool = False,
    dynamic: bool | None = None,
    backend: str | Callable[..., Any] | None = None,
    mode: str | None = None,
    options: dict[str, Any] | None = None,
    name: str | None = None,
    disable: bool = False,
    recompile_limit: int | None = None,
    isolate_recompiles: bool = False,
    shapes_spec: Any = None,
) -> Any:
    """A stand-in for a function, a module or a whole training step that runs compiled programs.

    The first call is traced while it runs; later calls of the same kind (shapes, types, modes and
    whatever else the function looks at) run the program that was made of it. What cannot be one
    program runs eagerly and says why once; with `fullgraph=True` that is an error.
    `backend`: "llvm" (the default where llvmlite is installed; "inductor" means it too), "numpy" or
    "eager"; or a function, or the name of one (`torch._dynamo.register_backend`), that takes a
    `torch.fx.GraphModule` and example inputs and returns a callable. `mode`, `dynamic`, `options`
    are accepted as torch spells them. `recompile_limit` is the number of programs made before new
    kinds of calls stay eager (8).
    Returns an object with `source()`, and for a module a module around it. Without `model`: a
    decorator. Raises RuntimeError for unknown modes and backends.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.compile.html

    >>> import rushlight as torch
    >>> @torch.compile(fullgraph=True)
    ... def double(x):
    ...     return 2 * x
    >>> double(torch.ones(2))
    tensor([2., 2.])
    """
    if mode is not None and options is not None:
        raise RuntimeError(
            "Either mode or options can be specified, but both can't be specified at the same time."
        )
    if mode is not None and mode not in _MODES:
        raise RuntimeError(f"Unrecognized mode={mode}, should be one of: {', '.join(_MODES)}")
    if model is None:
        return lambda given: compile(
            given, fullgraph=fullgraph, backend=backend, mode=mode, options=options,
            disable=disable, recompile_limit=recompile_limit,
        )  # fmt: skip
    if not callable(model):
        raise TypeError(f"compile needs a function or a module, got {type(model).__name__}")
    if disable:
        return model

    backend = DEFAULT[0] if backend is None else backend

    def make(function: Callable[..., Any]) -> Any:
        if backend is not None and backend not in _OWN:
            given = {"mode": mode, "options": options}
            told = {name: one for name, one in given.items() if one is not None}
            segmented: Any = importlib.import_module("rushlight._dynamo.segmented")
            return segmented.Segmented(function, backend, fullgraph, told, recompile_limit)
        compiler.api.DRAW[:] = [_picture]
        return compiler.api.compile_callable(function, backend, fullgraph, recompile_limit)

    around = getattr(model, "_compiled", None)
    return make(model) if around is None else around(make)
