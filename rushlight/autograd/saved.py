"""What becomes of the arrays that the tape keeps: hooks that pack and unpack them."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from ..core.dispatch import OUTPUT_OF, result_entry
from ..core.errors import fail
from ..core.primitive import spared
from ..core.state import STATE, unwatch, watch
from ..core.tape import INPUTS, LEAF, OUTPUT, PARAMS, PARENTS, PRIM, Entry, hooks_of, tick, version
from ..core.tensor import Tensor, wrap
from ..ops.structure import kept

Pack = Callable[[Tensor], Any]
Unpack = Callable[[Any], Tensor]


class _Stack(threading.local):
    """The hooks in force in a thread, innermost last, and why there may be none."""

    pairs: tuple[tuple[Pack, Unpack], ...] = ()
    disabled: str | None = None


_stack = _Stack()


class Packed:
    """Stands in an entry for a saved array: what the pack hook made of it."""

    __slots__ = ("dtype", "ndim", "parent", "place", "shape", "unpack", "value")

    def __init__(
        self, tensor: Tensor, pack: Pack, unpack: Unpack, place: int = 0, parent: Any = None,
        made: bool = False,
    ) -> None:  # fmt: skip
        self.unpack, self.place, self.parent = unpack, place, parent
        array = tensor._array  # what names of nodes depend on is asked of it without unpacking
        self.dtype, self.ndim, self.shape = array.dtype, array.ndim, array.shape
        before, count = STATE.grad, version(array)
        STATE.grad = False
        try:
            value = pack(tensor)
        finally:
            STATE.grad = before
        if version(array) != count:
            raise RuntimeError(
                "A saved tensor pack hook is modifying its input in place. Tensors provided as"
                " input to pack hook cannot be modified by in-place operations as this can lead to"
                " unexpected side-effects. Please open an issue if you need to perform in-place"
                " operations on the input to a pack hook."
            )
        # what the entry made would hold the entry that holds it
        self.value = wrap(tensor._array) if made and value is tensor else value

    def array(self) -> np.ndarray:
        """The saved array again."""
        found = self.unpack(self.value)
        if not isinstance(found, Tensor):
            raise TypeError(
                "Output of saved tensor unpack_hook expected to be a Tensor but got result of type"
                f" {type(found).__name__}"
            )
        return found._array

    def tensor(self, entry: Entry | None) -> Tensor:
        """The saved tensor again, with its history: `entry`'s if that made it."""
        array = self.array()
        if self.parent is not OUTPUT_OF:
            return with_history(array, self.parent)
        if self.place < 0 or entry is None:
            return wrap(array, entry)
        return wrap(array, result_entry(entry, self.place, array.shape))


def with_history(array: np.ndarray, parent: Any) -> Tensor:
    """A tensor of these values that stands where `parent` (an entry or a leaf) stands."""
    if not isinstance(parent, Tensor):
        return wrap(array, parent)
    if parent._array is array:
        return parent
    return wrap(array, [kept.primitive, (parent,), None, None, (), array.shape, tick(), None])


def _pack_entry(entry: Entry, value: Any, operands: Any) -> None:
    """Hand every array that an entry keeps to the hooks (a watcher)."""
    pack, unpack = _stack.pairs[-1]
    if entry[INPUTS] is None and entry[OUTPUT] is None:
        return
    hooks_of(entry).packed = True
    prim, parents = entry[PRIM], entry[PARENTS]
    if prim.rule is None:
        _pack_function(entry, pack, unpack)
        return
    given = operands if isinstance(operands, (tuple, list)) else (operands,)

    def tensor(place: int, array: np.ndarray) -> Tensor:
        x = given[place] if place < len(given) else None
        if isinstance(x, Tensor) and x._array is array:
            return x
        parent = parents[place] if place < len(parents) else None
        return wrap(array, parent if type(parent) is list else None)

    if entry[INPUTS] is not None:
        saved = list(entry[INPUTS])
        for place in _order(saved):
            x = saved[place]
            if type(x) is np.ndarray and not spared(prim.reads, place, parents):
                saved[place] = Packed(tensor(place, x), pack, unpack)
        entry[INPUTS] = tuple(saved)
    y = entry[OUTPUT]
    if type(y) is tuple:
        entry[OUTPUT] = tuple(one if one is None else Packed(wrap(one), pack, unpack) for one in y)
    elif type(y) is np.ndarray and not spared(prim.reads, len(entry[INPUTS] or ()), parents):
        entry[OUTPUT] = Packed(wrap(y, entry), pack, unpack, made=True)


def _order(saved: Sequence[Any]) -> range:
    """Of two operands torch saves the second first: the first one's gradient reads that."""
    return range(1, -1, -1) if len(saved) == 2 else range(len(saved))


def _pack_function(entry: Entry, pack: Pack, unpack: Unpack) -> None:
    """The tensors given to `ctx.save_for_backward`."""
    (ctx,) = entry[PARAMS]
    packed = []
    for x in ctx._saved:
        if isinstance(x, Tensor):
            parent = x if x._entry is LEAF else x._entry
            packed.append(Packed(x, pack, unpack, 0, parent))
        elif x is None:
            packed.append(None)
        else:  # an output: its values and which of the outputs it is
            place = -1 if x.place is None else x.place
            packed.append(Packed(x.tensor(entry), pack, unpack, place, OUTPUT_OF, made=True))
    ctx._saved = tuple(packed)
    entry[INPUTS] = tuple(packed)


def unpacked(entry: Entry) -> Entry:
    """A copy of an entry with arrays in the place of what the hooks made of them."""
    if entry[PRIM].rule is None:
        return entry
    found = entry[:]
    for field in (INPUTS, OUTPUT):
        saved = entry[field]
        if type(saved) is tuple:
            arrays = list(saved)
            for place in _order(saved):
                if type(saved[place]) is Packed:
                    arrays[place] = saved[place].array()
            found[field] = tuple(arrays)
        elif type(saved) is Packed:
            found[field] = saved.array()
    return found


def kept_in(entries: Iterable[Entry]) -> Iterator[Any]:
    """What entries keep, arrays or what hooks made of them, in the order of recording."""
    for entry in entries:
        y, parents = entry[OUTPUT], entry[PARENTS]
        kept = [*(entry[INPUTS] or ()), *(y if type(y) is tuple else (y,))]
        for place, x in enumerate(kept):
            if type(x) is Packed or (
                type(x) is np.ndarray and not spared(entry[PRIM].reads, place, parents)
            ):
                yield x


class saved_tensors_hooks:
    """Inside, whatever the tape keeps goes through `pack_hook`, and back through `unpack_hook`.

    Raises RuntimeError where hooks are disabled. The innermost pair counts.
    Source: https://pytorch.org/docs/stable/autograd.html#torch.autograd.graph.saved_tensors_hooks

    >>> import rushlight as torch
    >>> x = torch.tensor([3.0], requires_grad=True)
    >>> with torch.autograd.graph.saved_tensors_hooks(lambda t: t.numpy() * 10, torch.tensor):
    ...     y = x.detach() * x
    >>> y.backward(); x.grad
    tensor([30.])
    """

    def __init__(self, pack_hook: Pack, unpack_hook: Unpack) -> None:
        self.pack_hook, self.unpack_hook = pack_hook, unpack_hook

    def __enter__(self) -> Any:
        if _stack.disabled is not None:
            raise RuntimeError(_stack.disabled)
        if not _stack.pairs:
            watch(_pack_entry)
        _stack.pairs = (*_stack.pairs, (self.pack_hook, self.unpack_hook))

    def __exit__(self, *error: object) -> None:
        _stack.pairs = _stack.pairs[:-1]
        if not _stack.pairs:
            unwatch(_pack_entry)


class save_on_cpu(saved_tensors_hooks):
    """Saved tensors are moved to the CPU; they are there, so this keeps them as they are.

    Source: https://pytorch.org/docs/stable/autograd.html#torch.autograd.graph.save_on_cpu

    >>> import rushlight as torch
    >>> x = torch.tensor(2.0, requires_grad=True)
    >>> with torch.autograd.graph.save_on_cpu():
    ...     y = x * x
    >>> y.backward()
    >>> x.grad
    tensor(4.)
    """

    def __init__(self, pin_memory: bool = False, device_type: str = "cuda") -> None:
        self.pin_memory = pin_memory
        super().__init__(lambda x: x, lambda x: x)


@contextlib.contextmanager
def disable_saved_tensors_hooks(error_message: str) -> Iterator[None]:
    """A block in which `saved_tensors_hooks` raises RuntimeError(error_message).

    >>> import rushlight as torch
    >>> with torch.autograd.graph.disable_saved_tensors_hooks("not here"):
    ...     y = torch.ones(1, requires_grad=True).exp()
    >>> y.requires_grad
    True
    """
    before, _stack.disabled = _stack.disabled, error_message
    try:
        yield
    finally:
        _stack.disabled = before


@contextlib.contextmanager
def without_hooks() -> Iterator[None]:
    """A block in which the hooks around it do not count."""
    before, _stack.pairs = _stack.pairs, ()
    if before:
        unwatch(_pack_entry)
    try:
        yield
    finally:
        _stack.pairs = before
        if before:
            watch(_pack_entry)


def hold(tensor: Tensor) -> Callable[[], np.ndarray]:
    """Keep a tensor's values as the tape would now; the result gives them back.

    Raises RuntimeError, from the result, if they were overwritten meanwhile.
    """
    if _stack.pairs:
        return Packed(tensor, *_stack.pairs[-1]).array
    array, count = tensor._array, version(tensor._array)

    def give() -> np.ndarray:
        now = version(array)
        if now != count:
            raise fail(
                RuntimeError,
                "one of the variables needed for gradient computation has been modified by an"
                f" inplace operation: a tensor of shape {list(array.shape)} is at version {now};"
                f" expected version {count} instead.",
            )
        return array

    return give


class _Mutation:
    """What `allow_mutation_on_saved_tensors` gives: the copies that it keeps."""

    def __init__(self) -> None:
        self.open = True
        self.copies: dict[int, tuple[Any, int, Tensor]] = {}

    def clear(self) -> None:
        """Let go of the copies."""
        self.copies.clear()

    def pack(self, x: Tensor) -> Tensor:
        """A copy of `x`, shared by all who keep the same values."""
        array, count = x._array, version(x._array)
        found = self.copies.get(id(array))
        if found is None or found[0] is not array or found[1] != count:
            found = self.copies[id(array)] = array, count, wrap(array.copy())
        return found[2]

    def unpack(self, x: Tensor) -> Tensor:
        if not self.open:
            raise AssertionError(
                "Trying to backward outside of the 'allow_mutation_on_saved_tensors' context"
                "in which the graph was originally recorded."
            )
        return x


_mutating = threading.local()


@contextlib.contextmanager
def allow_mutation_on_saved_tensors() -> Iterator[_Mutation]:
    """A block in which tensors kept for backward may be written in place: the tape has copies.

    The copy is made when a tensor is kept, so the block costs the memory of all that is kept.
    Source: https://pytorch.org/docs/stable/autograd.html#torch.autograd.graph.allow_mutation_on_saved_tensors

    >>> import rushlight as torch
    >>> with torch.autograd.graph.allow_mutation_on_saved_tensors():
    ...     x = torch.ones(2, requires_grad=True)
    ...     y = x.clone()
    ...     z = (y**2).sum()
    ...     _ = y.sin_()
    ...     z.backward()
    >>> x.grad
    tensor([2., 2.])
    """
    if getattr(_mutating, "inside", False):
        raise RuntimeError("allow_mutation_on_saved_tensors contexts cannot be nested")
    copies = _Mutation()
    _mutating.inside = True
    try:
        with saved_tensors_hooks(copies.pack, copies.unpack):
            yield copies
    finally:
        _mutating.inside, copies.open = False, False
        copies.clear()
