"""What a process compiled or found compiled, as bytes that another one's cache takes in."""

from __future__ import annotations

import hashlib
import re

from ..code import cache
from .remembered import joined, parted

_MAGIC = b"rushlight programs 1\n"
_NAME = re.compile(r"[0-9a-f]{64}")


def packed() -> tuple[bytes, list[str]] | None:
    """The entries of the cache that this process used, and their names; None without any."""
    blobs: list[bytes] = []
    for name in list(cache.USED):
        body, notes = cache.load(name), cache.notes(name)
        if body is not None or notes:
            blobs += [name.encode(), b"" if body is None else b"1" + body, notes.encode()]
    if not blobs:
        return None
    whole = joined(blobs)
    names = [name.decode() for name in blobs[::3]]
    return _MAGIC + hashlib.sha256(whole).digest() + whole, names


def unpacked(data: bytes) -> list[str]:
    """Put entries into this machine's cache; their names. ValueError for bytes that are none."""
    head = len(_MAGIC) + 32
    if data[:head] != _MAGIC + hashlib.sha256(data[head:]).digest():
        raise ValueError("these bytes are not what save_cache_artifacts() gives, or were damaged")
    blobs = parted(data[head:])
    names = [name.decode("ascii", "replace") for name in blobs[::3]]
    if len(blobs) % 3 or not all(map(_NAME.fullmatch, names)):
        raise ValueError("these bytes are not what save_cache_artifacts() gives")
    for name, body, notes in zip(names, blobs[1::3], blobs[2::3]):
        if body:
            cache.store(name, body[1:])
        known = set(cache.notes(name).splitlines())
        fresh = [line for line in notes.decode("ascii").splitlines() if line not in known]
        if fresh:
            cache.note(name, "".join(f"{line}\n" for line in fresh))
    return names
