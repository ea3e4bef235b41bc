"""What registering a hook gives back: the one way to take it out again."""

from __future__ import annotations

import itertools
from typing import Any

# The ids of hooks that run for every module; False: it looks on, and programs need not call it.
EVERY_MODULE: dict[int, bool] = {}


class Changes(dict[str, int]):
    """A table among a handle's that only counts what is put into the others and taken out."""

    def pop(self, *key: Any) -> None:
        """One more change."""
        self["changes"] = self.get("changes", 0) + 1


OF_LEAVES = Changes()  # hooks of tensors that are no results: their gradients'


def acting(hooks: dict[int, bool]) -> tuple[int, ...]:
    """Those of `EVERY_MODULE` that do more than look on."""
    return tuple([number for number, acts in hooks.items() if acts])


class RemovableHandle:
    """Takes a hook out of its table again: `handle.remove()`, or by leaving a `with` block.

    `id` is the hook's key, unique over all tables, so that sets of ids can mark hooks. What stands
    in `extra_dict` (a table or a list of them) under that key goes with it.

    >>> import rushlight as torch
    >>> layer = torch.nn.ReLU()
    >>> handle = layer.register_forward_hook(lambda module, args, y: y + 1)
    >>> layer(torch.zeros(1))
    tensor([1.])
    >>> handle.remove()
    >>> layer(torch.zeros(1))
    tensor([0.])
    """

    _numbers = itertools.count()

    def __init__(self, hooks_dict: Any, *, extra_dict: Any = None) -> None:
        self.id = next(RemovableHandle._numbers)
        self.tables = [hooks_dict]
        if extra_dict is not None:
            self.tables += extra_dict if isinstance(extra_dict, list) else [extra_dict]

    def hooks_dict_ref(self) -> Any:
        """The table that the hook stands in."""
        return self.tables[0]

    def remove(self) -> None:
        """Take the hook out; a second call does nothing."""
        for table in self.tables:
            table.pop(self.id, None)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *error: object) -> None:
        self.remove()


def attached_to_leaf(table: Any, hook: Any) -> RemovableHandle:
    """`attached` for a hook of a leaf, which `OF_LEAVES` counts."""
    handle = attached(table, hook)
    handle.tables.append(OF_LEAVES)
    OF_LEAVES.pop()
    return handle


def attached(table: Any, hook: Any, prepend: bool = False) -> RemovableHandle:
    """The handle of `hook`, put at the end of an ordered table or at its front."""
    handle = RemovableHandle(table)
    table[handle.id] = hook
    if prepend:
        table.move_to_end(handle.id, last=False)
    return handle
