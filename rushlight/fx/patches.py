"""Replacements for functions and methods during a trace, undone afterwards."""

from __future__ import annotations

import builtins
import functools
import sys
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import rushlight as rl

from .proxy import find_proxy

__all__ = ["Patches", "wrap"]

_WRAPPED: list[tuple[dict[str, Any], str]] = []  # what `wrap` was called for: a module, a name
_MISSING = object()
_SPACES = ("", "nn.functional", "linalg", "fft", "special", "nn.init")


def noting(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function`, but a call with a Proxy among its arguments is noted instead of made."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        proxy = find_proxy((args, kwargs))
        if proxy is None:
            return function(*args, **kwargs)
        handed = getattr(function, "handed", None)  # einsum's list of operands is taken apart
        given = args if handed is None else handed(args)
        return proxy.tracer.create_proxy("call_function", function, given, kwargs)

    return call


def wrap(fn_or_name: str | Callable[..., Any]) -> Any:
    """Let calls of a function of this module be one node; used at the top of a module.

    Raises: RuntimeError for something else than a function or a name, NotImplementedError when
    it is called inside a function.
    Source: https://docs.pytorch.org/docs/stable/fx.html#torch.fx.wrap

    >>> import rushlight as torch
    >>> import rushlight.fx
    >>> def double(x):
    ...     return 2 * x
    >>> torch.fx.wrap(double) is double
    True
    """
    if not callable(fn_or_name) and not isinstance(fn_or_name, str):
        raise RuntimeError(
            "Unsupported type for global function! Must be either a callable or string name"
        )
    name = fn_or_name if isinstance(fn_or_name, str) else fn_or_name.__code__.co_name
    frame = sys._getframe(1)
    if frame.f_code.co_name != "<module>":
        raise NotImplementedError("wrap must be called at the top level of a module")
    _WRAPPED.append((frame.f_globals, name))
    return fn_or_name


@functools.cache
def public_functions() -> dict[int, Any]:
    """All functions of torch's namespaces, by identity."""
    found: dict[int, Any] = {}
    for space in _SPACES:
        home = functools.reduce(getattr, space.split(".") if space else [], rl)
        for name in dir(home):
            value = getattr(home, name) if not name.startswith("_") else None
            if callable(value) and not isinstance(value, type):
                found[id(value)] = value
    found[id(rl._assert)] = rl._assert
    for name in ("compile", "is_tensor", "typename", "set_num_threads", "save", "load"):
        found.pop(id(getattr(rl, name, None)), None)
    return found


class Patches:
    """Assignments to modules, classes and dictionaries that are undone at the end of a block."""

    def __init__(self, also: tuple[Callable[..., Any], ...] = ()) -> None:
        self.done: list[tuple[Any, str, Any]] = []
        self.noted = {**public_functions(), **{id(one): one for one in also}}
        self.searched: set[int] = set()
        self.wrappers: dict[int, Any] = {}

    def __enter__(self) -> Patches:
        return self

    def __exit__(self, *failure: Any) -> None:
        while self.done:
            place, name, value = self.done.pop()
            if not isinstance(place, dict):
                setattr(place, name, value)
            elif value is _MISSING:
                del place[name]
            else:
                place[name] = value

    def attribute(self, owner: Any, name: str, value: Any) -> None:
        """Assign to an attribute of a class or module."""
        self.done.append((owner, name, getattr(owner, name)))
        setattr(owner, name, value)

    def entry(self, space: dict[str, Any], name: str, value: Any) -> None:
        """Assign to a name of a module's dictionary."""
        self.done.append((space, name, space.get(name, _MISSING)))
        space[name] = value

    def _noting(self, function: Any) -> Any:
        if id(function) not in self.wrappers:
            self.wrappers[id(function)] = noting(function)
        return self.wrappers[id(function)]

    def search(self, space: Any) -> None:
        """Let the functions that a module's names stand for be noted, once for each module."""
        if id(space) in self.searched:
            return
        self.searched.add(id(space))
        for name, value in list(space.items()):
            if id(value) in self.noted and self.noted[id(value)] is value:
                self.entry(space, name, self._noting(value))

    def search_all(self, modules: Iterator[ModuleType]) -> None:
        """`search` of torch's namespaces, and of all modules beside those given."""
        for space in _SPACES:
            home = functools.reduce(getattr, space.split(".") if space else [], rl)
            self.search(vars(home))
        tops = {module.__name__.partition(".")[0] for module in modules} - {"rushlight", "torch"}
        for name, module in list(sys.modules.items()):
            if name.partition(".")[0] in tops and isinstance(module, ModuleType):
                self.search(vars(module))

    def wrapped(self) -> None:
        """Put what `wrap` was called for in place."""
        for space, name in _WRAPPED:
            function = space.get(name, getattr(builtins, name, None))
            if function is not None:
                self.entry(space, name, noting(function))
