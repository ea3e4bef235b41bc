"""Whole programs kept on disk: what a second process needs to run what a first one built.

An entry is named by the digest of the captured graph, the code of the compiler, LLVM's version and
the processor. It holds the recipe and the machine code as it lies in memory, so that a process that
finds one neither lowers nor schedules, and imports nothing that does. An entry that cannot be read
is removed; whoever asked builds anew.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..code import cache, llvm, loader
from ..kernels import recipe
from ..kernels.running import Program
from ..middle.graph import Graph, Node
from .digest import digest, nodes_of
from .writers import writers

PROFILE = "RUSHLIGHT_PROFILE"


def name(
    graph: Graph, writes: Sequence[tuple[int, int]], forms: Sequence[np.ndarray],
    frozen: Sequence[int] = (), asks: int | None = None,
) -> str | None:  # fmt: skip
    """The name of a graph's entry; None where nothing can be kept of it."""
    if cache.folder() is None or not loader.suits(llvm.target().triple):
        return None
    number = digest(graph, writes, forms)
    if number is None:
        return None
    profile = f"{PROFILE in os.environ} {list(frozen)} {asks}"
    return cache.key("whole", writers(), llvm.version(), repr(llvm.target()), profile, number)


def load(name: str, nodes: Sequence[Node], ir: Callable[[], str]) -> Program | None:
    """The program kept under a name, for the nodes of its graph in the order of the trace.

    `ir` says what LLVM was given, should someone ask.
    """
    body = cache.load(name)
    if body is None:
        return None
    try:
        image, *blobs = parted(body)
        found = recipe.read(blobs, nodes)
        code = llvm.placed(loader.Image.read(image), ir, llvm.target())
        return Program(found, code, lambda: recipe.shown(blobs, nodes))
    except (recipe.Foreign, loader.Unexpected, RuntimeError, ValueError, IndexError) as error:
        llvm.LOG.info("a kept program cannot be used (%s); it is made again", error)
        cache.drop(name)
        return None


def store(name: str, program: Program, graph: Graph) -> None:
    """Keep a program that was built."""
    binary = cache.load(program.code.entry)
    if binary is None:
        return
    try:
        blobs = recipe.written(program.recipe, nodes_of(graph))
        image = loader.prelinked(binary).written()
    except (recipe.Foreign, loader.Unexpected):
        return
    cache.store(name, joined([image, *blobs]))


def joined(blobs: Sequence[bytes]) -> bytes:
    """Several pieces of bytes as one; `parted` gives them back."""
    sizes = struct.pack(f"<{len(blobs) + 1}q", len(blobs), *map(len, blobs))
    return b"".join([sizes, *blobs])


def parted(body: Any) -> list[bytes]:
    """The pieces that were joined; ValueError where they were not."""
    try:
        (count,) = struct.unpack_from("<q", body)
        sizes = struct.unpack_from(f"<{count}q", body, 8)
    except (struct.error, MemoryError, OverflowError) as error:
        raise ValueError(str(error)) from error
    at, found = 8 + 8 * count, []
    for size in sizes:
        found.append(bytes(body[at : at + size]))
        at += size
    if at != len(body) or min(sizes, default=0) < 0:
        raise ValueError("blobs of other sizes")
    return found
