"""`torch.overrides`: what classes that look like tensors use to handle operations themselves.

A subclass of Tensor, or any class with a `__torch_function__`, is asked for every public function
it is given to; a TorchFunctionMode for every public function that is called.
Source: https://docs.pytorch.org/docs/stable/torch.overrides.html
"""

from __future__ import annotations

import functools
import importlib
import warnings
from collections.abc import Callable
from types import FunctionType
from typing import Any

import rushlight as rl

from .contents import FUNCTIONS, SHARED
from .core import gates
from .core.overrides import MODES, SWITCH, UNCONVERTED, dispatch, overloaded, speaks
from .core.tensor import Tensor

__all__ = [
    "BaseTorchFunctionMode", "TorchFunctionMode", "get_default_nowrap_functions",
    "get_ignored_functions", "get_overridable_functions", "handle_torch_function",
    "has_torch_function", "has_torch_function_unary", "has_torch_function_variadic",
    "is_tensor_like", "is_tensor_method_or_property", "resolve_name", "wrap_torch_function",
]  # fmt: skip


def is_tensor_like(inp: Any) -> bool:
    """Whether something is a tensor or has a `__torch_function__`.

    >>> import rushlight as torch
    >>> torch.overrides.is_tensor_like(torch.ones(1)), torch.overrides.is_tensor_like([1.0])
    (True, False)
    """
    return type(inp) is Tensor or hasattr(inp, "__torch_function__")


def has_torch_function(relevant_args: Any) -> bool:
    """Whether a mode is active, or some argument handles operations itself.

    >>> import rushlight as torch
    >>> class Noting:
    ...     @classmethod
    ...     def __torch_function__(cls, func, types, args=(), kwargs=None):
    ...         return func.__name__
    >>> torch.overrides.has_torch_function((torch.ones(1), Noting()))
    True
    """
    if MODES.active:
        return True
    return not SWITCH.off and any(
        type(arg) is not Tensor and speaks(type(arg)) for arg in relevant_args
    )


def has_torch_function_unary(input: Any) -> bool:
    """`has_torch_function` of one argument.

    >>> import rushlight as torch
    >>> torch.overrides.has_torch_function_unary(torch.ones(1))
    False
    """
    return has_torch_function((input,))


def has_torch_function_variadic(*args: Any) -> bool:
    """`has_torch_function` of the arguments themselves.

    >>> import rushlight as torch
    >>> torch.overrides.has_torch_function_variadic(torch.ones(1), 2)
    False
    """
    return has_torch_function(args)


def handle_torch_function(public_api: Any, relevant_args: Any, *args: Any, **kwargs: Any) -> Any:
    """What a mode, or the first argument that handles `public_api`, makes of it.

    relevant_args: those that may handle it; the others are what it was called with.
    Raises: TypeError where none of them does.

    >>> import rushlight as torch
    >>> class Noting:
    ...     @classmethod
    ...     def __torch_function__(cls, func, types, args=(), kwargs=None):
    ...         return f"{func.__name__} was called"
    >>> def double(x):
    ...     if torch.overrides.has_torch_function((x,)):
    ...         return torch.overrides.handle_torch_function(double, (x,), x)
    ...     return 2 * x
    >>> double(torch.ones(1)), double(Noting())
    (tensor([2.]), 'double was called')
    """
    found = overloaded(relevant_args, {})
    try:
        return dispatch(public_api, found, args, kwargs)
    except TypeError as error:
        if not str(error).startswith("Multiple dispatch failed"):
            raise
    name = f"{public_api.__module__}.{public_api.__name__}"
    raise TypeError(
        f"no implementation found for {name!r} on types that implement"
        f" __torch_function__: {[type(one) for one in found]}"
    )


def wrap_torch_function(dispatcher: Callable[..., Any]) -> Callable[..., Any]:
    """A decorator that leads a function of one's own to handlers.

    dispatcher: takes the function's arguments and gives those that may handle it.

    >>> import rushlight as torch
    >>> @torch.overrides.wrap_torch_function(lambda x: (x,))
    ... def double(x):
    ...     return x + x
    >>> double(torch.ones(1))
    tensor([2.])
    """

    def wrap(func: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(func)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            relevant = dispatcher(*args, **kwargs)
            if has_torch_function(relevant):
                return handle_torch_function(wrapped, relevant, *args, **kwargs)
            return func(*args, **kwargs)

        return wrapped

    return wrap


class TorchFunctionMode:
    """A `with` block in which every public call of this thread goes through a method.

    Subclasses define `__torch_function__(self, func, types, args=(), kwargs=None)`; inside it the
    mode is off, so that `func(*args, **kwargs)` is the call itself.

    >>> import rushlight as torch
    >>> class Loud(torch.overrides.TorchFunctionMode):
    ...     def __torch_function__(self, func, types, args=(), kwargs=None):
    ...         print(torch.overrides.resolve_name(func))
    ...         return func(*args, **(kwargs or {}))
    >>> with Loud():
    ...     x = torch.ones(2) + 1
    torch.ones
    torch.Tensor.add
    """

    inner: TorchFunctionMode

    def __init__(self) -> None:
        """Nothing is kept."""

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:  # fmt: skip
        raise NotImplementedError

    def __enter__(self) -> Any:
        gates.enter_mode(self)
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        gates.leave_mode()

    @classmethod
    def push(cls, *args: Any, **kwargs: Any) -> Any:
        """The old spelling of the constructor; warns."""
        warnings.warn(
            "`Mode.push()` is no longer necessary and can be replaced with just `with Mode()`",
            stacklevel=2,
        )
        return cls(*args, **kwargs)


class BaseTorchFunctionMode(TorchFunctionMode):
    """A mode that lets every call through.

    >>> import rushlight as torch
    >>> from rushlight.overrides import BaseTorchFunctionMode
    >>> with BaseTorchFunctionMode():
    ...     print(torch.ones(1) + 1)
    tensor([2.])
    """

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:  # fmt: skip
        return func(*args, **(kwargs or {}))


def _get_current_function_mode() -> Any:
    return MODES.active[-1] if MODES.active else None


def _get_current_function_mode_stack() -> list[Any]:
    return list(MODES.active)


_HOMES = (".functional", "", ".nn.functional", ".nn.init", ".linalg", ".fft", ".special")
_TOP = [name for table in (FUNCTIONS, SHARED) for names in table.values() for name in names.split()]


@functools.cache
def _listed() -> tuple[dict[Any, list[Any]], dict[Any, str]]:
    """The overridable functions by home, and the names of all."""
    homes: dict[Any, list[Any]] = {}
    names: dict[Any, str] = {}
    for suffix in _HOMES:
        home: Any = importlib.import_module(__name__.partition(".")[0] + suffix)
        found = homes[home] = []
        for name in _TOP if suffix == "" else dir(home):
            value = getattr(home, name) if name[:1] != "_" else None
            if type(value) is FunctionType and id(value) in gates.GATES:
                found.append(value)
                names.setdefault(value, f"torch{suffix}.{name}")
    found = homes[Tensor] = []
    for name in gates.seen_names():
        value = gates.method(name)
        if isinstance(value, property):
            value, name = value.__get__, f"{name}.__get__"
        if callable(value):
            found.append(value)
            names.setdefault(value, f"torch.Tensor.{name}")
    return homes, names


def get_overridable_functions() -> dict[Any, list[Any]]:
    """The functions that handlers are asked for, by the module or class they belong to.

    >>> import rushlight as torch
    >>> torch.add in torch.overrides.get_overridable_functions()[torch]
    True
    """
    return {home: list(functions) for home, functions in _listed()[0].items()}


def get_ignored_functions() -> set[Any]:
    """The public functions that handlers are never asked for.

    >>> import rushlight as torch
    >>> torch.is_tensor in torch.overrides.get_ignored_functions()
    True
    """
    found = {getattr(rl, name, None) or getattr(rl.nn.init, name, None) for name in gates.UNSEEN}
    return {one for one in found if one is not None}


def get_default_nowrap_functions() -> set[Any]:
    """The attributes whose value the inherited handler hands out as it is stored, as a set.

    >>> import rushlight as torch
    >>> torch.Tensor.grad.__get__ in torch.overrides.get_default_nowrap_functions()
    True
    """
    return {Tensor.grad.__get__, *UNCONVERTED}


def resolve_name(f: Any) -> str | None:
    """torch's name of a function that a handler was given; None if it is none of torch's.

    >>> import rushlight as torch
    >>> torch.overrides.resolve_name(torch.Tensor.add)
    'torch.Tensor.add'
    """
    if isinstance(f, str):
        return f
    return _listed()[1].get(f)


def is_tensor_method_or_property(func: Any) -> bool:
    """Whether a function that a handler was given is a method or property of Tensor.

    >>> import rushlight as torch
    >>> torch.overrides.is_tensor_method_or_property(torch.Tensor.add)
    True
    >>> torch.overrides.is_tensor_method_or_property(torch.add)
    False
    """
    return func in _listed()[0][Tensor] or getattr(func, "__name__", "") == "__get__"
