"""The functions that `torch.compile` can hand graphs to, by name.

A backend takes a `torch.fx.GraphModule` and the tensors that its first call will get, and returns
a callable that does what the module does: it takes as many tensors and gives a tuple or list.
Source: https://docs.pytorch.org/docs/stable/torch.compiler_custom_backends.html
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import rushlight as rl

from .exc import InvalidBackend

__all__ = ["list_backends", "lookup_backend", "register_backend"]

Backend = Callable[..., Callable[..., Any]]
_BACKENDS: dict[str, Backend] = {}
_TAGS: dict[str, tuple[str, ...]] = {}


def register_backend(
    compiler_fn: Backend | None = None, name: str | None = None, tags: Sequence[str] = ()
) -> Any:
    """Give a backend a name (its own), under which `torch.compile(backend=name)` finds it.

    tags: words by which `list_backends` leaves it out. Without `compiler_fn`: a decorator.
    Raises: AssertionError where the name is taken by another.

    >>> import rushlight as torch
    >>> @torch._dynamo.register_backend(tags=["debug"])
    ... def counting_nodes(gm, example_inputs):
    ...     print(len(gm.graph.nodes))
    ...     return gm.forward
    >>> torch.compile(lambda x: x.sin() + 1, backend="counting_nodes")(torch.zeros(1))
    4
    tensor([1.])
    """
    if compiler_fn is None:
        return functools.partial(register_backend, name=name, tags=tags)
    if not callable(compiler_fn):
        raise AssertionError(f"compiler_fn must be callable, got {type(compiler_fn)}")
    name = name or compiler_fn.__name__
    if _BACKENDS.get(name, compiler_fn) is not compiler_fn:
        raise AssertionError(f"duplicate name: {name}")
    _BACKENDS[name], _TAGS[name] = compiler_fn, tuple(tags)
    return compiler_fn


def lookup_backend(compiler_fn: str | Backend) -> Backend:
    """The function behind a name; functions as they are.

    Raises: InvalidBackend, a RuntimeError, for a name that nobody registered.

    >>> import rushlight as torch
    >>> torch._dynamo.lookup_backend("eager").__name__
    'eager'
    """
    if not isinstance(compiler_fn, str):
        return compiler_fn
    if compiler_fn not in _BACKENDS:
        raise InvalidBackend(compiler_fn)
    return _BACKENDS[compiler_fn]


def list_backends(exclude_tags: Any = ("debug", "experimental")) -> list[str]:
    """The names of the backends, but for those with one of the tags; None leaves none out.

    >>> import rushlight as torch
    >>> "eager" in torch._dynamo.list_backends(None), "eager" in torch._dynamo.list_backends()
    (True, False)
    """
    tags = set(exclude_tags or ())
    return sorted(name for name in _BACKENDS if not tags.intersection(_TAGS[name]))


@functools.partial(register_backend, tags=("debug",))
def eager(gm: Any, example_inputs: Any, **options: Any) -> Any:
    """The graph as it is."""
    return gm.forward


@functools.partial(register_backend, tags=("debug",))
def aot_eager(gm: Any, example_inputs: Any, **options: Any) -> Any:
    """The graph as it is: gradients need no graph of their own here."""
    return gm.forward


def _native(backend: str) -> None:
    def compiled(gm: Any, example_inputs: Any, **options: Any) -> Any:
        return rl.compile(gm, backend=backend)

    compiled.__name__ = compiled.__qualname__ = backend
    compiled.__doc__ = f"The graph, compiled by {backend!r}."
    register_backend(compiled)


for _name in ("inductor", "llvm", "numpy"):
    _native(_name)
