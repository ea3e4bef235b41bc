"""torch.futures: a value that another thread will set, and callbacks for when it does."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from .core.errors import fail

__all__ = ["Future", "collect_all", "wait_all"]
T = TypeVar("T")


class Future(Generic[T]):
    """A result to come: `wait()` for it, or let callbacks follow with `then`.

    Source: https://docs.pytorch.org/docs/stable/futures.html

    >>> import rushlight as torch
    >>> future = torch.futures.Future()
    >>> twice = future.then(lambda done: 2 * done.value())
    >>> future.set_result(21); twice.wait()
    42
    """

    def __init__(self, *, devices: Any = None) -> None:
        self._changed = threading.Condition()
        self._done = False
        self._value: Any = None
        self._error: BaseException | None = None
        self._followers: list[Callable[[Any], Any]] = []

    def done(self) -> bool:
        """Whether there is a result or an exception."""
        return self._done

    def wait(self) -> T:
        """The result, once it is there; raises the exception that was set in its place."""
        with self._changed:
            self._changed.wait_for(self.done)
        return self.value()

    def value(self) -> T:
        """The result, which must be there: RuntimeError otherwise."""
        if not self._done:
            raise fail(RuntimeError, "value() called on a Future that is not done", "use wait()")
        if self._error is not None:
            raise self._error
        return self._value

    def _finish(self, value: Any, error: BaseException | None) -> None:
        with self._changed:
            if self._done:
                raise RuntimeError(
                    "Attempting to mark a completed Future as complete again. Note that a Future"
                    " can only be marked completed once."
                )
            self._value, self._error, self._done = value, error, True
            followers, self._followers = self._followers, []
            self._changed.notify_all()
        for follow in followers:
            follow(self)

    def set_result(self, result: T) -> None:
        """Complete with a result; callbacks run at once, in this thread."""
        self._finish(result, None)

    def set_exception(self, result: BaseException) -> None:
        """Complete with an exception, which `wait` and `value` raise."""
        if not isinstance(result, Exception):
            raise AssertionError(f"{result} is of type {type(result)}, not an Exception.")
        self._finish(None, result)

    def add_done_callback(self, callback: Callable[[Future[T]], None]) -> None:
        """Call `callback(self)` when complete, or now if it is."""
        with self._changed:
            if not self._done:
                self._followers.append(callback)
                return
        callback(self)

    def then(self, callback: Callable[[Future[T]], Any]) -> Future[Any]:
        """A future of what `callback(self)` gives, or raises."""
        after: Future[Any] = Future()

        def follow(done: Future[T]) -> None:
            try:
                value = callback(done)
            except Exception as error:
                after.set_exception(error)
            else:
                after.set_result(value)

        self.add_done_callback(follow)
        return after


def collect_all(futures: list[Future[Any]]) -> Future[list[Future[Any]]]:
    """A future of the list of all these, complete when the last of them is.

    Futures that fail are complete as well: the list holds the futures, whose `value` raises then.

    >>> from rushlight.futures import Future, collect_all
    >>> first, second = Future(), Future()
    >>> both = collect_all([first, second])
    >>> first.set_result(1)
    >>> second.set_result(2)
    >>> [future.wait() for future in both.wait()]
    [1, 2]
    """
    together: Future[list[Future[Any]]] = Future()
    left, lock = [len(futures)], threading.Lock()
    if not futures:
        together.set_result([])

    def one_less(_: Any) -> None:
        with lock:
            left[0] -= 1
            last = left[0] == 0
        if last:
            together.set_result(futures)

    for future in futures:
        future.add_done_callback(one_less)
    return together


def wait_all(futures: list[Future[Any]]) -> list[Any]:
    """The results of all, in order; raises what the first failure raised.

    Source: https://docs.pytorch.org/docs/stable/futures.html

    >>> from rushlight.futures import Future, wait_all
    >>> future = Future()
    >>> future.set_result(3)
    >>> wait_all([future])
    [3]
    """
    return [future.wait() for future in collect_all(futures).wait()]
