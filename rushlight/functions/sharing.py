"""Memory that several processes see: `share_memory_`, and how such tensors travel to them."""

from __future__ import annotations

import errno
import mmap
import os
import weakref
from multiprocessing import heap, reduction
from multiprocessing.context import get_spawning_popen
from typing import IO, Any

import numpy as np

from ..core.tape import LEAF, storage_of
from ..core.tensor import Tensor, hung_on
from .copying import memory_of, placed

_FULL = (errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC))
# where a mapping came from: the file that another process maps too
_files: weakref.WeakKeyDictionary[mmap.mmap, heap.Arena] = weakref.WeakKeyDictionary()
# memory that was moved, by what held it before: views that are moved later find each other there
_moved: dict[int, tuple[Any, np.ndarray]] = {}


def file_of(array: Any) -> heap.Arena | None:
    """The file behind an array that other processes see, None for memory of this process."""
    while (below := getattr(array, "base", None)) is not None:
        array = below
    memory: Any = array.obj if type(array) is memoryview else None
    return _files.get(memory) if type(memory) is mmap.mmap else None


def is_shared(self: Tensor) -> bool:
    """Whether other processes see the tensor's memory.

    >>> import rushlight as torch
    >>> x = torch.ones(2)
    >>> x.is_shared(), x.share_memory_().is_shared()
    (False, True)
    """
    return file_of(self._array) is not None


def share_memory_(self: Tensor) -> Tensor:
    """Move the memory to where other processes see it, and what they write is seen here.

    Processes that are forked afterwards share it, and so do those that the tensor is sent to
    (as an argument of a process, through a queue or a pipe). Views that were recorded follow;
    others of the old memory keep to it until they are moved too.
    Source: https://docs.pytorch.org/docs/stable/notes/multiprocessing.html

    >>> import rushlight as torch
    >>> x = torch.ones(2)
    >>> x.is_shared(), x.share_memory_().is_shared()
    (False, True)
    """
    send_shared(type(self))
    old = self._array
    if type(old) is not np.ndarray or not old.size or file_of(old) is not None:
        return self
    owner = storage_of(old)
    base = self if self._base is None else self._base
    for view in (self, base, *(ref() for ref in base._views or ())):
        if view is not None and storage_of(view._array) is owner:
            view._array = _moved_array(view._array, owner)
    return self


def _moved_array(array: np.ndarray, owner: np.ndarray) -> np.ndarray:
    """The array over shared memory that holds what its own memory holds."""
    key, found = id(owner), memory_of(array)
    if found is None:  # foreign memory: the elements alone
        array = array.copy(order="K")
        return placed(shared_copy(array.reshape(-1, order="A").view(np.uint8)), array, 0)
    memory, start = found
    if key not in _moved:
        _moved[key] = weakref.ref(owner, lambda _: _moved.pop(key, None)), shared_copy(memory)
    return placed(_moved[key][1], array, start)


def shared_copy(memory: np.ndarray) -> np.ndarray:
    """The same bytes where other processes see them."""
    file = heap.Arena(memory.nbytes)
    reserve(getattr(file, "fd", -1), memory.nbytes)
    shared = _bytes_of(file)[: memory.nbytes]
    shared[...] = memory
    return shared


def reserve(file: int | IO[bytes], nbytes: int) -> None:
    """Have the disk set the first bytes of a file aside: a write to a map of none there is fatal.

    Raises: OSError where there is no room; the file is as long as it was.
    """
    if nbytes and hasattr(os, "posix_fallocate"):
        descriptor = file if isinstance(file, int) else file.fileno()
        before = os.fstat(descriptor).st_size
        try:
            os.posix_fallocate(descriptor, 0, nbytes)
        except OSError as error:
            os.ftruncate(descriptor, before)
            if error.errno in _FULL:  # others: a file system that cannot
                raise


def _bytes_of(file: heap.Arena) -> np.ndarray:
    _files[file.buffer] = file
    return np.frombuffer(file.buffer, np.uint8)


def _reduced(tensor: Tensor) -> Any:
    """How a tensor travels: what lies in shared memory as its file, all else by value.

    A process that is started gets its arguments in shared memory, as torch moves all it sends.
    """
    if tensor._entry is not None and tensor._entry is not LEAF:
        raise RuntimeError(
            "Cowardly refusing to serialize non-leaf tensor which requires_grad, since autograd"
            " does not support crossing process boundaries.  If you just want to transfer the"
            " data, call detach() on the tensor before serializing (e.g., putting it on the"
            " queue)."
        )
    if get_spawning_popen() is not None:
        share_memory_(tensor)
    array = tensor._array
    file = file_of(array)
    if file is None:
        return tensor.__reduce_ex__(2)
    start = array.ctypes.data - np.frombuffer(file.buffer, np.uint8).ctypes.data
    layout = array.dtype, array.shape, array.strides, start
    kind = Tensor if tensor._inference else type(tensor)
    return _received, (kind, file, layout, tensor._entry is LEAF, hung_on(tensor))


def _received(
    kind: type, file: heap.Arena, layout: tuple[Any, ...], requires_grad: bool, extra: dict
) -> Tensor:
    dtype, shape, strides, start = layout
    result = object.__new__(kind)
    result._array = np.ndarray(shape, dtype, _bytes_of(file), start, strides)
    result._entry = LEAF if requires_grad else None
    result.__dict__.update(extra)
    send_shared(kind)
    return result


def send_shared(*kinds: type) -> None:
    """Let tensors of these classes travel to other processes in shared memory."""
    for kind in kinds:
        reduction.ForkingPickler.register(kind, _reduced)


METHODS: dict[str, Any] = {"is_shared": is_shared, "share_memory_": share_memory_}
