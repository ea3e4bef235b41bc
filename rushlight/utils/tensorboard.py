"""`SummaryWriter`: numbers, pictures and histograms for TensorBoard, written by tensorboardX.

torch's own writer has the same methods; this one takes rushlight's tensors wherever they take
arrays. Needs `pip install 'rushlight[tensorboard]'`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import rushlight as rl

MISSING = "TensorBoard's files need tensorboardX: pip install 'rushlight[tensorboard]'"


def plain(value: Any) -> Any:
    """The value with tensors as arrays, in lists, tuples and dictionaries too."""
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
        return method(self, *map(plain, args), **plain(kwargs))

    return call


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
    return type("SummaryWriter", (Base,), body | {"__module__": __name__, "add_graph": add_graph})


def __getattr__(name: str) -> Any:
    if name == "SummaryWriter":
        return _writer()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
