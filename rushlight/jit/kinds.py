"""Whether a value is of a type that is written with its parts, such as `List[int]`."""

from __future__ import annotations

import types
import typing
import warnings
from typing import Any

from ..core.errors import levels_out

_is = isinstance
_EMPTY = (
    "The inner type of a container is lost when calling torch.jit.isinstance in eager mode. For"
    " example, List[int] would become list and therefore falsely return True for List[float] or"
    " List[str]."
)
_UNIONS = (typing.Union, types.UnionType)
_BARE = {
    list: "Attempted to use {} without a contained type. Please add a contained type, e.g. {}[int]",
    tuple: "Attempted to use {} without a contained type. Please add a contained type, e.g."
    " {}[int]",
    dict: "Attempted to use {} without contained types. Please add contained type, e.g."
    " {}[int, int]",
}
_WITHOUT_PARTS = (*_BARE, typing.List, typing.Dict, typing.Tuple)  # noqa: UP006  # both spellings


def isinstance(obj: Any, target_type: Any) -> bool:
    """Whether a value is of a type, or of one of several, looking into lists, dicts and tuples.

    Args: `target_type` is a class, a `List[...]`, `Dict[...]`, `Tuple[...]`, `Optional[...]` or
    `Union[...]` of such, or a tuple of them. An empty container is of any such type; torch's
    warning says so. (In torch None is of any union.)
    Raises: RuntimeError for containers without the types of their contents.
    Source: https://pytorch.org/docs/stable/generated/torch.jit.isinstance.html

    >>> import rushlight as torch
    >>> torch.jit.isinstance([1, 2], list[int]), torch.jit.isinstance([1, "a"], list[int])
    (True, False)
    """
    if _is(target_type, tuple):
        return any(_of(obj, one) for one in target_type)
    if _is(target_type, list):
        raise RuntimeError(
            "The second argument to `torch.jit.isinstance` must be a type or a tuple of types"
        )
    return _of(obj, target_type)


def _of(obj: Any, kind: Any) -> bool:
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    _refuse_bare(kind)
    if origin in _UNIONS:
        return any(_of(obj, one) for one in parts)
    if origin not in _BARE:
        return origin is None and _is(obj, kind)
    _remark(obj)
    if not _is(obj, origin):
        return False
    if origin is list:
        return all(_of(one, parts[0]) for one in obj)
    if origin is dict:
        return all(_of(key, parts[0]) and _of(value, parts[1]) for key, value in obj.items())
    return len(obj) == len(parts) and all(map(_of, obj, parts))


def _remark(obj: Any) -> None:
    if _is(obj, (list, dict, tuple)) and not obj:
        warnings.warn(_EMPTY, UserWarning, levels_out())


def _refuse_bare(kind: Any) -> None:
    """torch's errors for a container that does not say what it holds."""
    if any(kind is one for one in _WITHOUT_PARTS):
        name = getattr(kind, "_name", None) or kind.__name__
        raise RuntimeError(_BARE[typing.get_origin(kind) or kind].format(name, name))
