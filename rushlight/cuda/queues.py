"""What would work on a GPU's queues: streams, events and graphs, refused as torch refuses them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, NoReturn

from ..core.errors import fail


def refuse() -> NoReturn:
    """Say that there is no GPU."""
    raise fail(
        AssertionError,
        "Torch not compiled with CUDA enabled",
        "rushlight computes on the CPU: the only device is 'cpu'",
        "write device = 'cuda' if torch.cuda.is_available() else 'cpu'",
    )


@contextlib.contextmanager
def stream(stream: Any) -> Iterator[None]:
    """Run the block, on the queue of work `stream`: None, for another cannot exist here.

    Raises: AssertionError for a stream that is not None.

    >>> import rushlight as torch
    >>> with torch.cuda.stream(None):
    ...     print(torch.ones(2))
    tensor([1., 1.])
    """
    if stream is not None:
        refuse()
    yield


class Stream:
    """A queue of work of a GPU. Raises: RuntimeError, for there is none here.

    >>> import rushlight as torch
    >>> try:
    ...     torch.cuda.Stream()
    ... except RuntimeError as error:
    ...     print(error)
    torch.cuda.Stream requires CUDA support
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise RuntimeError("torch.cuda.Stream requires CUDA support")


class Event:
    """A mark in a queue of work, with its time. Raises: RuntimeError, for there is no queue here.

    >>> import rushlight as torch
    >>> try:
    ...     torch.cuda.Event(enable_timing=True)
    ... except RuntimeError as error:
    ...     print(error)
    Tried to instantiate dummy base class Event
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise fail(
            RuntimeError,
            "Tried to instantiate dummy base class Event",
            "to time work on the CPU take time.perf_counter()",
        )


class StreamContext:
    """`with torch.cuda.stream(stream)` as an object.

    Raises: AssertionError unless `stream` is None.

    >>> import rushlight as torch
    >>> with torch.cuda.StreamContext(None):
    ...     print(torch.ones(2))
    tensor([1., 1.])
    """

    def __init__(self, stream: Any) -> None:
        if stream is not None:
            refuse()
        self.stream = stream

    def __enter__(self) -> None:
        """Nothing: work on the CPU needs no stream."""

    def __exit__(self, *error: Any) -> None:
        """Nothing to undo."""


class CUDAGraph:
    """A recorded sequence of a GPU's kernels. Raises: RuntimeError, for there is no GPU here.

    >>> import rushlight as torch
    >>> try:
    ...     torch.cuda.CUDAGraph()
    ... except RuntimeError as error:
    ...     print(error)
    Tried to instantiate dummy base class CUDAGraph
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise fail(
            RuntimeError,
            "Tried to instantiate dummy base class CUDAGraph",
            "torch.compile makes one program of a step on the CPU",
        )


class graph:
    """Record a CUDAGraph in a block. Raises: AssertionError, for there is none to be given.

    >>> import rushlight as torch
    >>> try:
    ...     torch.cuda.graph(None)
    ... except AssertionError as error:
    ...     print(error)
    Torch not compiled with CUDA enabled
    """

    def __init__(self, cuda_graph: CUDAGraph, *args: Any, **kwargs: Any) -> None:
        refuse()
