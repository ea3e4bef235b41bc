"""`SummaryWriter`: numbers, pictures and histograms for TensorBoard, written by tensorboardX.

torch's own writer has the same methods; this one takes rushlight's tensors wherever they take
arrays. Needs `pip install 'rushlight[tensorboard]'`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import rushlight as rl

__path__: list[str] = []  # torch's is a package: the alias finds its `writer` here
MISSING = "TensorBoard's files need tensorboardX: pip install 'rushlight[tensorboard]'"


def plain(value: Any) -> Any:
    """The value with tensors as arrays, in lists, tuples and dictionaries too.

    >>> import rushlight as torch
    >>> from rushlight.utils.tensorboard import plain
    >>> plain({"loss": torch.tensor([1.0, 2.0])})
    {'loss': array([1., 2.], dtype=float32)}
    """
    if isinstance(value, rl.Tensor):
        return value.detach().numpy()
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    if type(value) in (list, tuple):
        return type(value)(map(plain, value))
    return value


def _taking_tensors(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = method(self, *map(plain, args), **plain(kwargs))
        _raise_trouble(self)
        return result

    return call


def _ending(method: Callable[..., Any]) -> Callable[..., Any]:
    """`flush` and `close`: what could not be written is told afterwards."""

    @functools.wraps(method)
    def call(self: Any) -> None:
        method(self)
        _raise_trouble(self)

    return call


def _raise_trouble(writer: Any) -> None:
    """Raise what the disk refused.

    tensorboardX writes in a thread that would end there: its queue fills, and all wait for good.
    """
    files = writer.__dict__.setdefault("_files", [])  # closing forgets the writers of files
    for one in (getattr(writer, "all_writers", None) or {}).values():
        events = getattr(getattr(one, "event_writer", None), "_ev_writer", None)
        if events is not None and events not in files:
            _keep_trouble(events)
            files.append(events)
    for error in filter(None, (events.trouble for events in files)):
        raise OSError(error.errno, f"{error.strerror}; TensorBoard's file ends", error.filename)


def _keep_trouble(events: Any) -> None:
    """Have the writer of one file note what the disk refuses, and go on."""
    events.trouble = None

    def noting(method: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(method)
        def call(*args: Any) -> Any:
            try:
                return method(*args)
            except OSError as error:
                error.filename = error.filename or getattr(events, "_file_name", None)
                events.trouble = events.trouble or error

        return call

    for name in ("write_event", "flush", "close"):
        setattr(events, name, noting(getattr(events, name)))


@functools.cache
def _writer() -> type:
    """The class, made when it is first asked for."""
    try:
        from tensorboardX import SummaryWriter as Base  # type: ignore[import-not-found]  # an extra
    except ImportError as error:
        error.add_note(MISSING)
        raise

    def add_graph(self: Any, model: Any, input_to_model: Any = None, **_: Any) -> None:
        raise NotImplementedError(
            "add_graph writes torch's graphs; draw one with rushlight.graph_picture(model, x)"
        )

    body: dict[str, Any] = {
        name: _taking_tensors(getattr(Base, name))
        for name in dir(Base) if name.startswith("add_") and name != "add_graph"
    }  # fmt: skip
    body |= {name: _ending(getattr(Base, name)) for name in ("flush", "close") if name in dir(Base)}

    def begin(self: Any, *args: Any, **kwargs: Any) -> None:
        Base.__init__(self, *args, **kwargs)
        _raise_trouble(self)

    own = {"__module__": __name__, "__init__": begin, "add_graph": add_graph}
    return type("SummaryWriter", (Base,), body | own)


def __getattr__(name: str) -> Any:
    if name == "SummaryWriter":
        return _writer()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
