"""torch.monitor: events that a program logs, handlers that take them, and statistics over windows.

Source: https://docs.pytorch.org/docs/stable/monitor.html
"""

from __future__ import annotations

import datetime
import enum
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

__all__ = [
    "Aggregation", "Event", "EventHandlerHandle", "STAT_EVENT", "Stat", "TensorboardEventHandler",
    "data_value_t", "log_event", "register_event_handler", "unregister_event_handler",
]  # fmt: skip

STAT_EVENT = "torch.monitor.Stat"
data_value_t = str | float | int | bool


class Aggregation(enum.IntEnum):
    """What a `Stat` makes of the values of a window.

    >>> import rushlight as torch
    >>> [one.name for one in torch.monitor.Aggregation]
    ['VALUE', 'MEAN', 'COUNT', 'SUM', 'MAX', 'MIN']
    """

    VALUE = 0
    MEAN = 2
    COUNT = 3
    SUM = 4
    MAX = 5
    MIN = 6

    def __str__(self) -> str:
        return f"Aggregation.{self.name}"

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)


VALUE, MEAN, COUNT, SUM, MAX, MIN = Aggregation


class Event:
    """What happened, when, and the numbers and words that belong to it.

    Raises: TypeError for other kinds of arguments.

    >>> import rushlight as torch
    >>> from datetime import datetime
    >>> torch.monitor.Event("loss", datetime(2026, 1, 1), {"epoch": 3, "value": 0.5}).data
    {'epoch': 3, 'value': 0.5}
    """

    def __init__(self, name: str, timestamp: datetime.datetime, data: dict[str, Any]) -> None:
        sound = (
            isinstance(name, str)
            and isinstance(timestamp, datetime.datetime)
            and all(isinstance(key, str) for key in data)
            and all(isinstance(value, data_value_t) for value in data.values())
        )
        if not sound:
            raise TypeError(
                "__init__(): incompatible constructor arguments. The following argument types are"
                " supported:\n    1. torch._C._monitor.Event(name: str, timestamp:"
                " datetime.datetime, data: collections.abc.Mapping[str, data_value_t])"
            )
        self.name, self.timestamp, self.data = name, timestamp, dict(data)


class EventHandlerHandle:
    """What `register_event_handler` gives, for `unregister_event_handler`.

    >>> import rushlight as torch
    >>> handle = torch.monitor.register_event_handler(print)
    >>> type(handle).__name__; torch.monitor.unregister_event_handler(handle)
    'EventHandlerHandle'
    """


_handlers: dict[EventHandlerHandle, Callable[[Event], Any]] = {}


def register_event_handler(callback: Callable[[Event], Any]) -> EventHandlerHandle:
    """From now on call a function with each event that is logged.

    >>> import rushlight as torch
    >>> from datetime import datetime
    >>> seen = []
    >>> handle = torch.monitor.register_event_handler(seen.append)
    >>> torch.monitor.log_event(torch.monitor.Event("step", datetime.now(), {"loss": 0.5}))
    >>> seen[0].name, seen[0].data; torch.monitor.unregister_event_handler(handle)
    ('step', {'loss': 0.5})
    """
    handle = EventHandlerHandle()
    _handlers[handle] = callback
    return handle


def unregister_event_handler(handler: EventHandlerHandle) -> None:
    """Call a function no more.

    >>> import rushlight as torch
    >>> torch.monitor.unregister_event_handler(torch.monitor.register_event_handler(print))
    """
    _handlers.pop(handler, None)


def log_event(event: Event) -> None:
    """Hand an event to all handlers; without any nothing happens.

    >>> import rushlight as torch
    >>> from datetime import datetime
    >>> torch.monitor.log_event(torch.monitor.Event("step", datetime.now(), {}))
    """
    for callback in list(_handlers.values()):
        callback(event)


class Stat:
    """Statistics of the values of a window of time, logged as an event when it closes.

    Args: name, which the event's keys begin with; aggregations; window_size, a timedelta;
        max_samples, after so many values a window closes early and waits for its end.

    >>> import rushlight as torch
    >>> from datetime import timedelta
    >>> kinds = [torch.monitor.Aggregation.SUM, torch.monitor.Aggregation.MEAN]
    >>> stat = torch.monitor.Stat("loss", kinds, timedelta(minutes=1), max_samples=2)
    >>> stat.add(1.0); stat.add(2.0); [stat.get()[kind] for kind in kinds]
    [3.0, 1.5]
    """

    def __init__(
        self, name: str, aggregations: Iterable[Aggregation], window_size: datetime.timedelta,
        max_samples: int = 2**63 - 1,
    ) -> None:  # fmt: skip
        kinds = list(aggregations)
        if isinstance(window_size, (int, float)) and not isinstance(window_size, int):
            window_size = datetime.timedelta(seconds=window_size)
        sound = isinstance(window_size, datetime.timedelta)
        if not sound or not all(isinstance(kind, Aggregation) for kind in kinds):
            raise TypeError(
                "__init__(): incompatible constructor arguments. The following argument types are"
                " supported:\n    1. torch._C._monitor.Stat(name: str, aggregations:"
                " collections.abc.Sequence[torch._C._monitor.Aggregation], window_size:"
                " datetime.timedelta, max_samples: typing.SupportsInt | typing.SupportsIndex ="
                " 9223372036854775807)"
            )
        self.name, self._kinds, self._most = name, kinds, int(max_samples)
        self._length = window_size.total_seconds()
        self._window, self._values = self._now(), []
        self._last = dict.fromkeys(kinds, 0.0)
        self._lock = threading.RLock()

    def _now(self) -> int:
        return int(time.time() / self._length) if self._length > 0 else time.time_ns()

    @property
    def count(self) -> int:
        """How many values the open window has."""
        return len(self._values)

    def add(self, v: float) -> None:
        """Add a value; a window that is over is logged first."""
        with self._lock:
            self._turn()
            if self._closed:
                return
            self._values.append(float(v))
            if len(self._values) >= self._most:
                self._log()
                self._closed = True

    _closed = False  # whether the window had all its values before its end

    def _turn(self) -> None:
        now = self._now()
        if now != self._window:
            self._log()
            self._window, self._closed = now, False

    def _log(self) -> None:
        if not self._values:
            return
        self._last = {kind: _aggregated(kind, self._values) for kind in self._kinds}
        self._values = []
        data = {f"{self.name}.{kind.name.lower()}": value for kind, value in self._last.items()}
        log_event(Event(STAT_EVENT, datetime.datetime.now(), data))

    def get(self) -> dict[Aggregation, float]:
        """The statistics of the last window that closed."""
        with self._lock:
            self._turn()
            return dict(self._last)

    def __del__(self) -> None:
        if getattr(self, "_values", None):
            self._log()


def _aggregated(kind: Aggregation, values: list[float]) -> float:
    if kind is Aggregation.MEAN:
        return sum(values) / len(values)
    table = {COUNT: len, SUM: sum, MAX: max, MIN: min}
    return float(table[kind](values)) if kind in table else values[-1]


class TensorboardEventHandler:
    """A handler that writes statistics as scalars of a SummaryWriter.

    >>> import rushlight as torch
    >>> class Writer:
    ...     def add_scalar(self, tag, value, walltime=None):
    ...         print(tag, value)
    >>> from datetime import datetime
    >>> handler = torch.monitor.TensorboardEventHandler(Writer())
    >>> handler(torch.monitor.Event("torch.monitor.Stat", datetime.now(), {"loss.mean": 0.5}))
    loss.mean 0.5
    """

    def __init__(self, writer: Any) -> None:
        self._writer = writer

    def __call__(self, event: Event) -> None:
        if event.name == STAT_EVENT:
            for key, value in event.data.items():
                self._writer.add_scalar(key, value, walltime=event.timestamp.timestamp())
