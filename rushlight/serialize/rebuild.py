"""From descriptions to values: walks what a `Reader` found and lets `makers.py` build the parts.

The walk is iterative (depth is no limit), keeps sharing and cycles of lists and dictionaries, and
knows where it stands, so that an error names the tensor.
"""

from __future__ import annotations

import enum
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable, Generator, Iterable
from typing import Any

import numpy as np

from ..core import dtypes
from ..core.names import class_path
from . import definition, tensors
from .errors import CheckpointError, short
from .makers import (
    KNOWN,
    ArrayShell,
    KindShell,
    Storage,
    StorageKind,
    filled_array,
    filled_kind,
    ordered,
    version,
)
from .pickle import Call, Items, Persistent, Tag, refused_global
from .safe import PLAIN, safe_class

DAMAGE = (
    ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RuntimeError, MemoryError
)  # fmt: skip
SCALARS = {type(None), bool, int, float, str, bytes, bytearray}
RENAMED = {
    "__builtin__": "builtins",
    "numpy.core.multiarray": "numpy._core.multiarray",
    "numpy.core.numeric": "numpy._core.numeric",
}
_AS_NEW = (ordered, version)  # makers of what pickles may ask for by `__new__`
Walk = Generator[tuple[str, Any], Any, Any]


class Rebuilder:
    """Turns what a `Reader` found into values.

    Arguments: `read_storage(storage, dtype, label)` gives a storage's bytes; `trusted` is
    `not weights_only`.
    """

    def __init__(
        self, read_storage: Callable[..., np.ndarray | None], trusted: bool = False
    ) -> None:
        self.read_storage, self.trusted = read_storage, trusted
        self.made: dict[int, Any] = {}
        self.open: set[int] = set()
        self.path: list[str] = []
        self.loose: set[Storage] = set()  # named, but so far under no tensor
        self.under: set[int] = set()  # the storages, by their nodes, that calls are made with

    def known(self, module: str, name: str) -> bool:
        """Whether the tag may appear in a file at all."""
        full = f"{RENAMED.get(module, module)}.{name}"
        return full in KNOWN or safe_class(full, self.trusted) is not None

    def rebuild(self, root: Any) -> Any:
        """The value of a whole pickle; every way to fail is a CheckpointError."""
        try:
            value = self._run(root)
        except CheckpointError:
            raise
        except DAMAGE as error:
            raise self._damaged(error) from error
        if self.loose:
            raise CheckpointError("the file holds a bare storage; save tensors instead")
        return value

    def _damaged(self, error: BaseException) -> CheckpointError:
        where = f" at {short(self.label())}" if self.path else ""
        return CheckpointError(f"the file is damaged{where}: {short(str(error), 200)}")

    def label(self) -> str:
        """Where in the structure the work stands: the names of the keys down to it."""
        return ".".join(part for part in self.path if part)

    def storage(self, storage: Storage, kind: dtypes.dtype) -> np.ndarray | None:
        """The bytes of a storage under the tensor being made; None on the meta device."""
        self.loose.discard(storage)
        return self.read_storage(storage, kind, self.label())

    def _run(self, root: Any) -> Any:
        stack: list[Walk] = [self._value(root)]
        answer: Any = None
        while True:
            try:
                name, child = stack[-1].send(answer)
            except StopIteration as done:
                stack.pop()
                answer = done.value
                if not stack:
                    return answer
                del self.path[len(stack) - 1 :]
                continue
            del self.path[len(stack) - 1 :]
            self.path.append(name)
            if type(child) in SCALARS:
                answer = child
            else:
                stack.append(self._value(child))
                answer = None

    def _value(self, node: Any) -> Walk:
        """The value of one node, walking its parts."""
        kind = type(node)
        if kind in SCALARS:
            return node
        key = id(node)
        if key in self.made:
            return self.made[key]
        if kind is Tag:
            self.made[key] = self._bare(node)
            return self.made[key]
        if key in self.open:
            raise CheckpointError("the pickle has a value that contains itself; refused")
        self.open.add(key)
        value = yield from WALKS[kind](self, node)
        self.open.discard(key)
        self.made[key] = value
        return value

    def _bare(self, tag: Tag) -> Any:
        full = full_name(tag)
        if full in KNOWN:
            return KNOWN[full]
        return safe_class(full, self.trusted)

    def _parts(self, nodes: Iterable[Any], made: list[Any], named: bool = True) -> Walk:
        for i, part in enumerate(nodes):
            if type(part) not in SCALARS:
                part = yield str(i) if named else "", part
            made.append(part)
        return made

    def _list(self, node: list) -> Walk:
        made = self.made[id(node)] = []
        return (yield from self._parts(node, made))

    def _tuple(self, node: tuple) -> Walk:
        return tuple((yield from self._parts(node, [])))

    def _set(self, node: set | frozenset) -> Walk:
        return type(node)((yield from self._parts(node, [], named=False)))

    def _dict(self, node: dict) -> Walk:
        described = definition.is_description(node)
        made: dict[Any, Any] = {}
        if not described:
            self.made[id(node)] = made
        for key, part in node.items():
            name = key if type(key) is str else ""
            key = key if type(key) in SCALARS else (yield "", key)
            made[key] = part if type(part) in SCALARS else (yield name, part)
        return definition.revive(made, self.trusted) if described else made

    def _persistent(self, node: Persistent) -> Walk:
        found = yield "", node.key
        match found:
            case ("storage", StorageKind(), str(), str(), int(), *old):
                if old not in ([], [None]):
                    raise CheckpointError("a storage that is a view of another; refused")
                storage = Storage(*found[1:5])
                if id(node) not in self.under:
                    kind = storage.kind.dtype or dtypes.uint8
                    data = self.storage(storage, kind)
                    if data is None:
                        raise CheckpointError("there are no bare storages on the meta device")
                    return tensors.storage_over(data, kind)
                self.loose.add(storage)
                return storage
        raise CheckpointError("the pickle refers to something that is no tensor storage; refused")

    def _call(self, node: Call) -> Walk:
        full = full_name(node.tag)
        maker = KNOWN.get(full)
        for part in node.arguments:  # a tensor's own, or those of one with attributes
            inner = part if type(part) is tuple else (part,)
            self.under.update(id(one) for one in inner if type(one) is Persistent)
        arguments = yield from self._parts(node.arguments, [], named=False)
        if not callable(maker) or isinstance(maker, type) or (node.new and maker not in _AS_NEW):
            made = self._user_object(full, arguments, node.new)
        else:
            made = maker(self, *arguments)
        self.made[id(node)] = made  # states may refer back to it
        for state in node.states:
            made = self.made[id(node)] = yield from self._state(made, state)
        return made

    def _user_object(self, full: str, arguments: list[Any], new: bool) -> Any:
        """An object of a class declared safe; the file's word alone never runs a constructor."""
        kind = safe_class(full, self.trusted)
        if kind is None or full in KNOWN:
            raise refused_global(full, " to be called")
        if new:
            return kind.__new__(kind, *arguments)
        if not isinstance(kind, type):
            return kind(*arguments)  # a function that the user said files may call
        if safe_class(full) is None and full not in PLAIN and not issubclass(kind, enum.Enum):
            raise refused_global(full, " to be called")
        return kind(*arguments)

    def _state(self, made: Any, state: Any) -> Walk:
        if type(state) is Items:
            return (yield from self._add_items(made, state.pairs))
        found = yield "", state
        if isinstance(made, ArrayShell):
            return filled_array(*found)
        if isinstance(made, KindShell):
            return filled_kind(made, *found)
        if type(made) is OrderedDict:
            vars(made).update(plain_state(found))
            return made
        if safe_class(class_path(type(made)), self.trusted):
            return restored(made, found)
        raise CheckpointError(f"the pickle sets the state of a {type(made).__name__}; refused")

    def _add_items(self, made: Any, pairs: list[Any]) -> Walk:
        if type(made) not in (OrderedDict, Counter, defaultdict):
            raise CheckpointError(f"the pickle puts items into a {type(made).__name__}; refused")
        for key, part in zip(pairs[::2], pairs[1::2]):
            name = key if type(key) is str else ""
            key = key if type(key) in SCALARS else (yield "", key)
            made[key] = part if type(part) in SCALARS else (yield name, part)
        return made


WALKS: dict[type, Any] = {
    list: Rebuilder._list, tuple: Rebuilder._tuple, set: Rebuilder._set, dict: Rebuilder._dict,
    frozenset: Rebuilder._set, Persistent: Rebuilder._persistent, Call: Rebuilder._call,
}  # fmt: skip


def full_name(tag: Tag) -> str:
    """The tag's path with Python 2's and old NumPy's names made today's."""
    return f"{RENAMED.get(tag.module, tag.module)}.{tag.name}"


def plain_state(found: Any) -> dict[str, Any]:
    """Attributes of an OrderedDict (`_metadata`): a dictionary of text keys."""
    if type(found) is not dict or any(type(k) is not str or k.startswith("__") for k in found):
        raise CheckpointError("the pickle sets attributes that are not plain; refused")
    return found


def restored(made: Any, found: Any) -> Any:
    """An object of a safe class with its state set, as pickle sets it."""
    if hasattr(made, "__setstate__"):
        made.__setstate__(found)
    elif type(found) is tuple and len(found) == 2 and type(found[1]) is dict:
        for key, value in {**(found[0] or {}), **found[1]}.items():
            setattr(made, key, value)
    else:
        vars(made).update(plain_state(found))
    return made
