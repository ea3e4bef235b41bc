"""Objects between two processes: small ones through the pipe, large ones in shared memory.

Pickle's out-of-band buffers give the arrays of any object.  Where they are large, they are written
into an anonymous memory file whose descriptor goes through the pipe; the receiver maps it, and the
kernel frees it when the last array is gone, also after a kill.
"""

from __future__ import annotations

import mmap
import os
import pickle
import socket
from multiprocessing.connection import Connection
from typing import Any

INLINE = 16384  # bytes; what fits the pipe's buffer lets the sender go on at once
ALIGN = 64
CAN_SHARE = hasattr(os, "memfd_create") and hasattr(socket, "send_fds")


def send(connection: Connection, message: Any) -> None:
    """Send an object; raises BrokenPipeError when the other side is gone."""
    buffers: list[pickle.PickleBuffer] = []
    body = pickle.dumps(message, protocol=5, buffer_callback=buffers.append)
    parts = [memoryview(body), *(buffer.raw() for buffer in buffers)]
    sizes = [part.nbytes for part in parts]
    shared = _write_shared(parts) if CAN_SHARE and sum(sizes) > INLINE else None
    if shared is None:
        connection.send_bytes(pickle.dumps((False, sizes)))
        connection.send_bytes(b"".join(parts))
        return
    try:
        connection.send_bytes(pickle.dumps((True, sizes)))
        with socket.fromfd(connection.fileno(), socket.AF_UNIX, socket.SOCK_STREAM) as door:
            socket.send_fds(door, [b"m"], [shared])
    finally:
        os.close(shared)


def receive(connection: Connection) -> Any:
    """Receive an object; raises EOFError when the other side is gone."""
    shared, sizes = pickle.loads(connection.recv_bytes())
    if not shared:
        whole = memoryview(bytearray(connection.recv_bytes()))
        body, *parts = _cut(whole, sizes, align=1)
        return pickle.loads(body, buffers=parts)
    with socket.fromfd(connection.fileno(), socket.AF_UNIX, socket.SOCK_STREAM) as door:
        _, descriptors, _, _ = socket.recv_fds(door, 1, 1)
    if not descriptors:
        raise EOFError
    try:
        whole = memoryview(_map(descriptors[0]))
    finally:
        os.close(descriptors[0])
    body, *parts = _cut(whole, sizes, align=ALIGN)
    return pickle.loads(body, buffers=parts)


def _aligned(size: int, align: int) -> int:
    return -(-size // align) * align


def _write_shared(parts: list[memoryview]) -> int | None:
    """A memory file holding the parts one after the other; None where there is no room."""
    try:
        descriptor = os.memfd_create("rushlight-batch", os.MFD_CLOEXEC)
    except OSError:
        return None
    try:
        offset = 0
        for part in parts:
            done = 0
            while done < part.nbytes:
                done += os.pwrite(descriptor, part[done:], offset + done)
            offset += _aligned(part.nbytes, ALIGN)
        os.ftruncate(descriptor, max(offset, 1))
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def _map(descriptor: int) -> mmap.mmap:
    size = os.fstat(descriptor).st_size
    return mmap.mmap(descriptor, size, flags=mmap.MAP_SHARED | getattr(mmap, "MAP_POPULATE", 0))


def _cut(whole: memoryview, sizes: list[int], align: int) -> list[memoryview]:
    pieces, offset = [], 0
    for size in sizes:
        pieces.append(whole[offset : offset + size])
        offset += _aligned(size, align)
    return pieces
