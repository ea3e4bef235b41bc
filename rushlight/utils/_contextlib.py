"""Context managers that are decorators too: `with mode(): ...` and `@mode()`."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from ..core.names import explain_missing as _explain_missing

_explain_missing(__name__)


def _each_step(block: Callable[[], Any], function: Callable[..., Any]) -> Callable[..., Any]:
    """A generator function whose steps run in a block of their own, and its caller's do not."""

    @functools.wraps(function)
    def steps(*args: Any, **kwargs: Any) -> Any:
        generator = function(*args, **kwargs)
        resume: Callable[[], Any] = functools.partial(next, generator)
        while True:
            try:
                with block():
                    value = resume()
            except StopIteration as end:
                return end.value
            try:
                sent = yield value
            except GeneratorExit:
                with block():
                    generator.close()
                raise
            except BaseException as error:  # what the caller throws in is the generator's
                resume = functools.partial(generator.throw, error)
            else:
                resume = functools.partial(generator.send, sent)

    return steps


def context_decorator(ctx: Any, func: Any) -> Any:
    """`func` run inside a context: `ctx` is one, or makes a new one for each call.

    A generator function enters at each of its steps.

    Raises: RuntimeError for a class; AssertionError for a context that can be called.

    >>> import contextlib
    >>> context_decorator(contextlib.nullcontext(), abs)(-3)
    3
    """
    if callable(ctx) and hasattr(ctx, "__enter__"):
        raise AssertionError(
            f"Passed in {ctx} is both callable and also a valid context manager (has __enter__),"
            " making it ambiguous which interface to use.  If you intended to pass a context"
            " manager factory, rewrite your call as context_decorator(lambda: ctx()); if you"
            " intended to pass a context manager directly, rewrite your call as"
            " context_decorator(lambda: ctx)"
        )
    block: Callable[[], Any] = ctx if callable(ctx) else lambda: ctx
    if inspect.isclass(func):
        raise RuntimeError(
            "Cannot decorate classes; it is ambiguous whether or not only the constructor or all"
            " methods should have the context manager applied; additionally, decorating a class at"
            " definition-site will prevent use of the identifier as a conventional type.  To"
            " specify which methods to decorate, decorate each of them individually."
        )
    if inspect.isgeneratorfunction(func):
        return _each_step(block, func)

    @functools.wraps(func)
    def inside(*args: Any, **kwargs: Any) -> Any:
        with block():
            return func(*args, **kwargs)

    return inside


class _DecoratorContextManager:
    """A context manager that decorates functions: each call is in a clone of it.

    >>> class loud(_DecoratorContextManager):
    ...     def __enter__(self): print("in")
    ...     def __exit__(self, *error): print("out")
    >>> loud()(abs)(-3)
    in
    out
    3
    """

    def __call__(self, orig_func: Any) -> Any:
        return context_decorator(self.clone, orig_func)

    def __enter__(self) -> Any:
        raise NotImplementedError

    def __exit__(self, exc_type: Any, exc_value: Any, traceback: Any) -> Any:
        raise NotImplementedError

    def clone(self) -> Any:
        """A new one like it; with arguments, a subclass says how."""
        return type(self)()


class _NoParamDecoratorContextManager(_DecoratorContextManager):
    """One without arguments, which decorates without parentheses too: `@mode`."""

    def __new__(cls, orig_func: Any = None) -> Any:
        return super().__new__(cls) if orig_func is None else cls()(orig_func)
