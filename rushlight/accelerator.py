"""torch.accelerator on a machine without one: questions are answered, requests refused as there."""

from __future__ import annotations

from typing import Any, NoReturn

import rushlight as rl

from .core.errors import fail
from .core.names import explain_missing as _explain_missing

__all__ = [
    "current_accelerator", "current_device_index", "current_stream", "device_count", "device_index",
    "empty_cache", "get_memory_info", "is_available", "max_memory_allocated",
    "max_memory_reserved", "memory_allocated", "memory_reserved", "memory_stats",
    "reset_accumulated_memory_stats", "reset_peak_memory_stats", "set_device_index", "set_stream",
    "synchronize",
]  # fmt: skip


def is_available() -> bool:
    """False: everything is computed on the CPU.

    >>> import rushlight as torch
    >>> torch.accelerator.is_available(), torch.accelerator.current_accelerator()
    (False, None)
    """
    return False


def device_count() -> int:
    """0: how many accelerators there are.

    >>> import rushlight as torch
    >>> torch.accelerator.device_count()
    0
    """
    return 0


def current_accelerator(check_available: bool = False) -> None:
    """None: there is no accelerator.

    check_available: ask whether it is there too, which changes nothing here.

    >>> import rushlight as torch
    >>> device = torch.accelerator.current_accelerator() or torch.device("cpu")
    >>> device
    device(type='cpu')
    """


class device_index:
    """A block on another accelerator; for None a block like any other.

    Raises: RuntimeError when a block with a number is entered.

    >>> import rushlight as torch
    >>> with torch.accelerator.device_index(None):
    ...     print(torch.ones(2))
    tensor([1., 1.])
    """

    def __init__(self, device: int | None) -> None:
        self.device = device

    def __enter__(self) -> None:
        if self.device is not None:
            _refuse()

    def __exit__(self, *error: object) -> None:
        """Nothing to undo."""


class Stream:
    """A queue of work. On the CPU an operation is finished when it returns.

    >>> import rushlight as torch
    >>> torch.Stream("cpu").query()
    True
    """

    stream_id, device_index, device_type = 0, -1, 0

    def __init__(self, device: Any = None, *, priority: int = 0) -> None:
        self.device = rl.device("cpu" if device is None else device)
        if self.device.type != "cpu":
            raise RuntimeError(f"PyTorch is not linked with support for {self.device.type} devices")

    def query(self) -> bool:
        """True: there is never unfinished work."""
        return True

    def synchronize(self) -> None:
        """Return at once."""

    def _no_events(self, *_: Any) -> NoReturn:
        raise RuntimeError("cpu backend doesn't support events.")

    record_event = wait_event = wait_stream = _no_events

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *error: object) -> None:
        """Nothing to wait for."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stream)

    def __hash__(self) -> int:
        return hash(Stream)

    def __repr__(self) -> str:
        return "torch.Stream device_type=cpu, device_index=-1, stream_id=0"


class AcceleratorError(RuntimeError):
    """What an accelerator's driver reports: never raised here, but programs name it in `except`.

    >>> import rushlight as torch
    >>> issubclass(torch.AcceleratorError, RuntimeError)
    True
    """


class Event:
    """A mark in a queue of work: on the CPU nothing is ever unfinished, and none can be recorded.

    Raises: RuntimeError for other devices.

    >>> import rushlight as torch
    >>> torch.Event("cpu").query()
    True
    """

    event_id = 0

    def __init__(
        self, device: Any = None, *, enable_timing: bool = False, blocking: bool = False,
        interprocess: bool = False,
    ) -> None:  # fmt: skip
        if isinstance(device, int):
            _refuse()
        self.device = Stream(device).device
        self._timed = enable_timing

    def record(self, stream: Any = None) -> NoReturn:
        """Raises: RuntimeError, as torch."""
        raise RuntimeError("cpu backend doesn't support events.")

    def query(self) -> bool:
        """True: there is never unfinished work."""
        return True

    def wait(self, stream: Any = None) -> None:
        """Return at once."""

    def synchronize(self) -> None:
        """Return at once."""

    def elapsed_time(self, end_event: Event) -> NoReturn:
        """Raises: ValueError, for no event has been recorded."""
        if not (self._timed and end_event._timed):
            raise ValueError("Both events must be created with argument 'enable_timing=True'.")
        raise ValueError("Both events must be recorded before calculating elapsed time.")

    def __repr__(self) -> str:
        flag = int(self._timed)
        return f"torch.Event device_type=cpu, device_index=-1, event_flag={flag}, event_id=0"


def get_device_module(device: Any = None) -> Any:
    """The module of a device's own functions: `torch.cpu`, `torch.cuda` ...

    >>> import rushlight as torch
    >>> torch.get_device_module("cuda") is torch.cuda
    True
    """
    kind = "cpu" if device is None else rl.device(device).type
    if kind not in ("cpu", "cuda", "mps", "xpu"):
        raise RuntimeError(
            f"Device '{kind}' does not have a corresponding module registered as 'torch.{kind}'."
        )
    return getattr(rl, kind)


def _refuse(*_: Any) -> NoReturn:
    """What only an accelerator has or does. Raises: RuntimeError, for there is none here.

    >>> import rushlight as torch
    >>> try:
    ...     torch.accelerator.synchronize()
    ... except RuntimeError as error:
    ...     print(error)
    Cannot access accelerator device when none is available.
    """
    raise fail(
        RuntimeError, "Cannot access accelerator device when none is available.",
        "ask torch.accelerator.is_available() first: this build computes on the CPU",
    )  # fmt: skip


def current_device_index() -> int:
    """The number of the accelerator in use. Raises: RuntimeError, for there is none here.

    >>> import rushlight as torch
    >>> try:
    ...     torch.accelerator.current_device_index()
    ... except RuntimeError as error:
    ...     print(error)
    Cannot access accelerator device when none is available.
    """
    _refuse()


def get_memory_info(device_index: Any = None, /) -> tuple[int, int]:
    """(free, whole) memory of an accelerator in bytes.

    Raises: RuntimeError, for there is none here.

    >>> import rushlight as torch
    >>> try:
    ...     torch.accelerator.get_memory_info()
    ... except RuntimeError as error:
    ...     print(error)
    Cannot access accelerator device when none is available.
    """
    _refuse()


def memory_stats(device_index: Any = None, /) -> dict[str, Any]:
    """What an accelerator's allocator has counted. Raises: RuntimeError, for there is none here.

    >>> import rushlight as torch
    >>> try:
    ...     torch.accelerator.memory_stats()
    ... except RuntimeError as error:
    ...     print(error)
    Cannot access accelerator device when none is available.
    """
    _refuse()


current_stream = empty_cache = max_memory_allocated = max_memory_reserved = _refuse
memory_allocated = memory_reserved = reset_accumulated_memory_stats = _refuse
reset_peak_memory_stats = set_device_index = set_stream = synchronize = _refuse

_explain_missing(__name__)
