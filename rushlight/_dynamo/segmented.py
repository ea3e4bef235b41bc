"""What `torch.compile` returns when the backend is a function."""

from __future__ import annotations

import contextlib
import functools
import inspect
import logging
import re
import types
import weakref
from collections.abc import Callable
from typing import Any

import rushlight as rl

from ..compile import api
from ..core.state import STATE
from .backends import lookup_backend
from .exc import BackendCompilerFailed, Unsupported
from .following import Follower
from .segment import Segment

LOG = logging.getLogger("rushlight.compile")
_MADE: weakref.WeakSet[Segmented] = weakref.WeakSet()


class Segmented:
    """A callable that stands for `function`: its tensor work is done by what a backend makes.

    The Python of the function runs at every call (`following.py`); the backend is asked once for
    each graph, and again where an input looks different (shape, strides, type, gradient).
    """

    def __init__(
        self, function: Callable[..., Any], backend: Any, fullgraph: bool = False,
        options: dict[str, Any] | None = None, limit: int | None = None,
    ) -> None:  # fmt: skip
        functools.update_wrapper(self, function)
        self.function, self.backend = function, lookup_backend(backend)
        self.fullgraph, self.options, self.limit = fullgraph, options or {}, limit
        _MADE.add(self)
        self.reset()

    def reset(self) -> None:
        """Forget what the backend made."""
        self.programs: dict[Any, Callable[..., Any]] = {}
        self._begun: dict[Any, int] = {}  # graphs by the line at which they begin

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        inside = STATE.follower is not None or STATE.tracer is not None
        if inside or api.STANCE[0] == "force_eager":
            return self.function(*args, **kwargs)
        compiled = functools.partial(self._compiled, args, kwargs)
        follower = Follower(compiled, self.fullgraph, (args, kwargs))
        with follower.following():
            try:
                return follower.finish(self.function(*args, **kwargs))
            except Unsupported:  # a graph was asked for, and nothing else
                raise
            except BaseException:
                follower.ended = True
                follower.run([])
                raise

    def __get__(self, owner: Any, kind: Any = None) -> Any:
        return self if owner is None else functools.partial(self, owner)

    def __reduce__(self) -> Any:
        return Segmented, (self.function, self.backend, self.fullgraph, self.options, self.limit)

    def _compiled(self, args: Any, kwargs: Any, segment: Segment) -> Callable[..., Any]:
        """What runs a segment."""
        key = segment.key()
        program = self.programs.get(key)
        if program is None:
            line = segment.begins()
            count = self._begun[line] = self._begun.get(line, 0) + 1
            if count > (self.limit or api.LIMIT):
                LOG.warning("%s graphs begin at %s; more are not compiled", count - 1, line)
                return segment.run
            program = self._made(segment, sources(self.function, args, kwargs))
            self.programs[key] = program
        return program

    def _made(self, segment: Segment, names: dict[int, str]) -> Callable[..., Any]:
        module = segment.module(names)
        try:
            program = self.backend(module, list(segment.inputs), **self.options)
            if not callable(program):
                raise AssertionError("compiler_fn did not return callable")
        except Exception as error:
            raise BackendCompilerFailed(self.backend, error).with_traceback(
                error.__traceback__
            ) from None
        return program


def reset() -> None:
    """Forget what backends made for all functions."""
    for one in list(_MADE):
        one.reset()


def sources(function: Any, args: Any, kwargs: Any) -> dict[int, str]:
    """torch's names of the tensors that a call can reach, by id: `L_self_modules_lin_...`."""
    found: dict[int, str] = {}
    module = getattr(function, "__self__", function)
    code_of = module.forward if isinstance(module, rl.nn.Module) else function
    code_of = inspect.unwrap(getattr(code_of, "__func__", code_of))
    if isinstance(module, rl.nn.Module):
        first = next(iter(inspect.signature(code_of).parameters), "self")
        _name(found, module, f"L[{first!r}]")
        _name_given(found, functools.partial(code_of, module), args, kwargs)
    else:
        _name_given(found, function, args, kwargs)
    for name, cell in zip(
        getattr(getattr(code_of, "__code__", None), "co_freevars", ()),
        getattr(code_of, "__closure__", None) or (),
    ):
        with contextlib.suppress(ValueError):  # an empty cell
            _name(found, cell.cell_contents, f"L[{name!r}]")
    space = getattr(code_of, "__globals__", {})
    for name in getattr(getattr(code_of, "__code__", None), "co_names", ()):
        if name in space:
            _name(found, space[name], f"G[{name!r}]")
    return found


def _name_given(found: dict[int, str], function: Any, args: Any, kwargs: Any) -> None:
    try:
        given = inspect.signature(function).bind(*args, **kwargs).arguments
    except (TypeError, ValueError):
        given = {"args": args, "kwargs": kwargs}
    for name, value in given.items():
        _name(found, value, f"L[{name!r}]")


def _name(found: dict[int, str], value: Any, path: str, depth: int = 6) -> None:
    """Name the tensors below a value by the path that leads to them."""
    if isinstance(value, rl.Tensor):
        found.setdefault(id(value), re.sub("[^a-zA-Z0-9]+", "_", path))
        return
    parts: Any = ()
    if isinstance(value, rl.nn.Module):
        kinds = ("_parameters", "_buffers", "_modules")
        parts = [(f".{kind}[{name!r}]", one) for kind in kinds
                 for name, one in getattr(value, kind).items()]  # fmt: skip
    elif isinstance(value, dict):
        parts = [(f"[{name!r}]", one) for name, one in value.items()]
    elif isinstance(value, (tuple, list)):
        parts = [(f"[{name}]", one) for name, one in enumerate(value)]
    elif hasattr(value, "__dict__") and not isinstance(value, (type, types.ModuleType)):
        parts = [(f".{name}", one) for name, one in vars(value).items()]
    for step, one in parts if depth else ():
        if one is not None and not isinstance(one, (int, float, str)):
            _name(found, one, path + step, depth - 1)
