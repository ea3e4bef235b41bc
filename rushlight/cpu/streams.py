"""Streams and events of the CPU, for code that asks any device for them.

Everything here is finished when it returns, so there is one order of work and nothing to wait for.
"""

from __future__ import annotations

import threading
from typing import Any

__all__ = ["Event", "Stream", "StreamContext", "current_stream", "stream"]

_CHOSEN = threading.local()


class Stream:
    """An order in which work is done; on the CPU all streams are one.

    Source: https://docs.pytorch.org/docs/stable/cpu.html

    >>> import rushlight as torch
    >>> torch.cpu.Stream().wait_stream(torch.cpu.current_stream())
    """

    def __init__(self, priority: int = -1) -> None:
        self.priority = priority

    def wait_stream(self, stream: Any) -> None:
        """Return at once: what the other stream does is done."""

    def record_event(self) -> None:
        """Nothing, as torch: there is no work to come before."""

    def wait_event(self, event: Any) -> None:
        """Return at once: what the event stands for is done."""


class Event:
    """A point in the order of work; on the CPU it has always been reached.

    >>> import rushlight as torch
    >>> event = torch.cpu.Event()
    >>> event.record(), event.query()
    (None, True)
    """

    def query(self) -> bool:
        """True: all work before it is done."""
        return True

    def record(self, stream: Any = None) -> None:
        """Set the point behind all work so far."""

    def synchronize(self) -> None:
        """Return at once."""

    def wait(self, stream: Any = None) -> None:
        """Return at once."""


_DEFAULT = Stream()


def current_stream(device: Any = None) -> Stream:
    """The stream chosen in this thread.

    >>> import rushlight as torch
    >>> torch.cpu.current_stream() is torch.cpu.current_stream("cpu")
    True
    """
    return getattr(_CHOSEN, "stream", _DEFAULT)


class StreamContext:
    """A block in which a stream is the current one; None changes nothing.

    >>> import rushlight as torch
    >>> mine = torch.cpu.Stream()
    >>> with torch.cpu.stream(mine):
    ...     torch.cpu.current_stream() is mine
    True
    """

    def __init__(self, stream: Stream | None) -> None:
        self.stream = stream
        self._before: list[Stream] = []

    def __enter__(self) -> None:
        self._before.append(current_stream())
        if self.stream is not None:
            _CHOSEN.stream = self.stream

    def __exit__(self, *_: Any) -> None:
        _CHOSEN.stream = self._before.pop()


def stream(stream: Stream | None) -> StreamContext:
    """The same, as a function: `with torch.cpu.stream(s):`.

    >>> import rushlight as torch
    >>> with torch.cpu.stream(None):
    ...     pass
    """
    return StreamContext(stream)
