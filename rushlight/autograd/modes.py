"""Switches for recording: each a context manager and a decorator, per thread."""

from __future__ import annotations

import functools
import inspect
import sys
import warnings
from collections.abc import Callable
from typing import Any

from ..core import inference
from ..core.cuts import note_cut
from ..core.dispatch import note_line
from ..core.errors import is_ours
from ..core.state import STATE, unwatch, watch


def _flag() -> str:
    """Inside inference mode the grad modes only change what is reported."""
    return "grad_asked" if STATE.inference else "grad"


class Mode:
    """A setting of the thread's grad mode for a block or a function."""

    value = False

    def __enter__(self) -> None:
        self.flag = _flag()
        self.before = getattr(STATE, self.flag)
        setattr(STATE, self.flag, self.value)
        if not self.value and not is_ours(sys._getframe(1)):
            note_cut("no_grad()")

    def __exit__(self, *error: object) -> None:
        setattr(STATE, self.flag, self.before)

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        if inspect.isgeneratorfunction(function):
            return self._generator(function)
        if inspect.isclass(function):
            warnings.warn(
                "Decorating classes is deprecated and will be disabled in future versions. You"
                " should only decorate functions or methods. To preserve the current behavior of"
                " class decoration, you can directly decorate the `__init__` method and nothing"
                " else.",
                FutureWarning,
                stacklevel=2,
            )

        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            with self.clone():
                return function(*args, **kwargs)

        return wrapped

    def _generator(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Each step of the generator runs under the mode; between steps the caller's mode holds."""

        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            steps = function(*args, **kwargs)
            resume = functools.partial(next, steps)
            while True:
                try:
                    with self.clone():
                        value = resume()
                except StopIteration as stop:
                    return stop.value
                try:
                    sent = yield value
                    resume = functools.partial(steps.send, sent)
                except GeneratorExit:
                    with self.clone():
                        steps.close()
                    raise
                except BaseException as error:
                    resume = functools.partial(steps.throw, error)

        return wrapped

    def clone(self) -> Mode:
        return type(self)()


class _Bare(type):
    """Lets `@torch.no_grad` decorate without parentheses."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        if len(args) == 1 and inspect.isfunction(args[0]):
            return type.__call__(cls)(args[0])
        return type.__call__(cls, *args, **kwargs)


class no_grad(Mode, metaclass=_Bare):
    """Nothing is recorded inside: results require no gradient, and the tape does not grow.

    A block (`with torch.no_grad():`) or a decorator of functions, generators too; of this thread
    alone. Tensors made inside may take part in gradients later.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.no_grad.html

    >>> import rushlight as torch
    >>> x = torch.ones(1, requires_grad=True)
    >>> with torch.no_grad():
    ...     y = x * 2
    >>> y.requires_grad
    False
    """


class enable_grad(Mode, metaclass=_Bare):
    """Recording is on inside, whatever surrounds it but inference mode.

    A block (`with torch.enable_grad():`) or a decorator of functions, generators too; of this
    thread alone.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.enable_grad.html

    >>> import rushlight as torch
    >>> with torch.no_grad(), torch.enable_grad():
    ...     (torch.ones(1, requires_grad=True) * 2).requires_grad
    True
    """

    value = True


class set_grad_enabled(Mode):
    """Recording on or off: at once when called, and restored at the end of a `with` block.

    Args: mode, whether operations are recorded from now on in this thread.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.set_grad_enabled.html

    >>> import rushlight as torch
    >>> with torch.set_grad_enabled(False):
    ...     torch.is_grad_enabled()
    False
    """

    def __init__(self, mode: bool) -> None:
        self.value = mode
        super().__enter__()

    def __enter__(self) -> None:
        setattr(STATE, self.flag, self.value)

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        self.__exit__()
        return super().__call__(function)

    def clone(self) -> Mode:
        return set_grad_enabled(self.value)

    def __repr__(self) -> str:
        return f"set_grad_enabled(mode={self.value})"


class inference_mode(Mode):
    """Nothing is recorded inside, and tensors made inside never take part in gradients.

    Args: mode, whether to switch it on or off. A block or a decorator; of this thread alone.
    Raises: RuntimeError outside, where such a tensor is to be saved for a gradient or written to.
    Source:
    https://docs.pytorch.org/docs/stable/generated/torch.autograd.grad_mode.inference_mode.html

    >>> import rushlight as torch
    >>> with torch.inference_mode():
    ...     y = torch.ones(1)
    >>> y.is_inference()
    True
    """

    def __new__(cls, mode: Any = True) -> Any:
        if inspect.isfunction(mode):
            return cls()(mode)
        return super().__new__(cls)

    def __init__(self, mode: bool = True) -> None:
        self.mode = mode

    def __enter__(self) -> None:
        self.saved = STATE.grad, STATE.inference, STATE.grad_asked
        STATE.grad, STATE.inference, STATE.grad_asked = not self.mode, self.mode, False
        if self.mode:
            inference.enter()

    def __exit__(self, *error: object) -> None:
        STATE.grad, STATE.inference, STATE.grad_asked = self.saved
        if self.mode:
            inference.leave()

    def clone(self) -> Mode:
        return inference_mode(self.mode)


def _anomaly(mode: bool, check_nan: bool) -> None:
    """Switch anomaly mode, and with it the keeping of lines."""
    if mode != STATE.anomaly:
        (watch if mode else unwatch)(note_line)
    STATE.anomaly, STATE.anomaly_check_nan = mode, check_nan


def set_anomaly_enabled(enabled: bool, check_nan: bool = True) -> None:
    """Switch anomaly mode of this thread for good; `set_detect_anomaly` is the block.

    >>> import rushlight as torch
    >>> torch.set_anomaly_enabled(True, check_nan=False)
    >>> torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()
    (True, False)
    >>> torch.set_anomaly_enabled(False)
    """
    for place, (name, value) in enumerate((("enabled", enabled), ("check_nan", check_nan)), 1):
        if not isinstance(value, bool):
            raise TypeError(
                f"set_anomaly_enabled(): argument '{name}' (position {place}) must be bool, not"
                f" {type(value).__name__}"
            )
    _anomaly(enabled, check_nan)


class set_detect_anomaly(Mode):
    """Anomaly mode on or off: entries keep the user's line, and nan gradients are an error.

    >>> import rushlight as torch
    >>> with torch.autograd.set_detect_anomaly(True):
    ...     torch.is_anomaly_enabled()
    True
    >>> torch.is_anomaly_enabled()
    False
    """

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        self.value, self.check_nan = mode, check_nan
        self.saved = STATE.anomaly, STATE.anomaly_check_nan
        _anomaly(mode, check_nan)

    def __enter__(self) -> None:
        _anomaly(self.value, self.check_nan)

    def __exit__(self, *error: object) -> None:
        _anomaly(*self.saved)

    def clone(self) -> Mode:
        return set_detect_anomaly(self.value, self.check_nan)


class detect_anomaly(set_detect_anomaly):
    """`set_detect_anomaly(True)` for a block, and a warning that it slows things down.

    >>> import rushlight as torch, warnings
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     with torch.autograd.detect_anomaly():
    ...         torch.is_anomaly_enabled()
    True
    """

    def __init__(self, check_nan: bool = True) -> None:
        self.saved = STATE.anomaly, STATE.anomaly_check_nan
        self.value, self.check_nan = True, check_nan
        warnings.warn(
            "Anomaly Detection has been enabled. This mode will increase the runtime and should"
            " only be enabled for debugging.", UserWarning, stacklevel=2,
        )  # fmt: skip

    def clone(self) -> Mode:
        return set_detect_anomaly(True, self.check_nan)


class set_multithreading_enabled(set_grad_enabled):
    """Whether backward may use a thread for each device: with one device it uses the caller's.

    >>> import rushlight as torch
    >>> with torch.autograd.set_multithreading_enabled(False):
    ...     torch.autograd.is_multithreading_enabled()
    False
    """

    def __init__(self, mode: bool) -> None:
        self.value, self.before = mode, STATE.threads
        STATE.threads = mode

    def __enter__(self) -> None:
        STATE.threads = self.value

    def __exit__(self, *error: object) -> None:
        STATE.threads = self.before

    def clone(self) -> Mode:
        return set_multithreading_enabled(self.value)

    def __repr__(self) -> str:
        return f"set_multithreading_enabled(mode={self.value})"


def is_multithreading_enabled() -> bool:
    """What `set_multithreading_enabled` has set.

    >>> import rushlight as torch
    >>> torch.autograd.is_multithreading_enabled()
    True
    """
    return STATE.threads


def is_grad_enabled() -> bool:
    """Whether operations are recorded in this thread.

    >>> import rushlight as torch
    >>> torch.is_grad_enabled()
    True
    """
    return getattr(STATE, _flag())


def is_inference_mode_enabled() -> bool:
    """Whether this thread is inside `inference_mode`.

    >>> import rushlight as torch
    >>> with torch.inference_mode():
    ...     torch.is_inference_mode_enabled()
    True
    """
    return STATE.inference


def is_anomaly_enabled() -> bool:
    """Whether anomaly mode is on in this thread.

    >>> import rushlight as torch
    >>> torch.is_anomaly_enabled()
    False
    """
    return STATE.anomaly


def is_anomaly_check_nan_enabled() -> bool:
    """Whether anomaly mode, if on, takes a nan gradient for an error.

    >>> import rushlight as torch
    >>> with torch.autograd.set_detect_anomaly(True, check_nan=False):
    ...     torch.is_anomaly_check_nan_enabled()
    False
    """
    return STATE.anomaly_check_nan
