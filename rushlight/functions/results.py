"""Named results such as `torch.return_types.max`: tuples whose fields print with their names."""

from __future__ import annotations

import sys
from collections import namedtuple
from typing import Any

from ..core.errors import fail

__all__ = [
    "RETURN_TYPES", "named_result",
]  # fmt: skip

_PACKAGE = __name__.partition(".")[0]


def named_result(name: str, fields: tuple[str, ...]) -> Any:
    """A tuple class printing as `torch.return_types.<name>(field=..., ...)`.

    >>> from rushlight.functions.results import RETURN_TYPES, named_result
    >>> named_result("halves", ("low", "high"))(low=1, high=2)
    torch.return_types.halves(
    low=1,
    high=2)
    >>> del RETURN_TYPES["halves"]
    """
    base = namedtuple(name, fields)

    def __repr__(self: Any) -> str:
        lines = ",\n".join(f"{field}={value!r}" for field, value in zip(fields, self))
        return f"torch.return_types.{name}(\n{lines})"

    def __new__(cls: Any, *values: Any, **named: Any) -> Any:
        if len(values) == 1 and not named and len(fields) > 1:
            values = tuple(values[0])  # users make one of a sequence, as of torch's
        return base.__new__(cls, *values, **named)

    def __getattr__(self: Any, wanted: str) -> Any:
        raise fail(
            AttributeError,
            f"'torch.return_types.{name}' object has no attribute '{wanted}'",
            f"it holds {count} tensors, of which to take one: .{', .'.join(fields)}",
        )

    count = len(fields)
    kind = type(name, (base,), {
        "__doc__": f"What `torch.{name.replace('linalg_', 'linalg.')}` returns: the fields"
                   f" {', '.join(fields)}.",
        "__new__": __new__, "__repr__": __repr__, "__getattr__": __getattr__, "__slots__": (),
        "n_fields": count, "n_sequence_fields": count, "n_unnamed_fields": 0,
    })  # fmt: skip
    # The package's name of the hour: "torch" under the alias.
    kind.__module__ = f"{sys.modules[_PACKAGE].__name__}.return_types"
    RETURN_TYPES[name] = kind
    return kind


RETURN_TYPES: dict[str, Any] = {}
