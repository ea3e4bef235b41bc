"""Programs of single operations as they are made, kept on disk, and found there.

An entry holds the plan of the program, the names of the functions that it calls, and the image of
those that were new when it was made (`code/shared.py`). The others lie in entries that came before.
"""

from __future__ import annotations

import functools
import importlib
import itertools
import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..code import cache, llvm, loader, shared
from ..disk import remembered
from ..disk.digest import nodes_of
from ..disk.writers import writers
from ..kernels import recipe
from ..lower.value import NotNative
from ..middle.graph import Graph
from ..records import record

_unkept = itertools.count()  # programs that have no name, as nothing is kept on disk


@record
class Kept:
    """One program; `missing` are the places of results that are None, None if there is one."""

    recipe: recipe.Recipe
    calls: list[Any]  # shared name of the kernel, its first operand, units, units at a time
    moves: list[Any]
    missing: list[int] | None
    batches: list[str]  # of functions that must be in memory

    def spec(self) -> np.ndarray:
        """What `helpers.rows` goes through."""
        numbers = [len(self.moves), len(self.calls), *itertools.chain(*self.moves)]
        for name, *rest in self.calls:
            address = shared.address(name)
            if not address:
                raise LookupError(name)
            numbers += [address, *rest]
        return np.array(numbers, np.int64)


def make(
    key: str | None, graph: Graph, name: str, args: tuple[Any, ...], over: int
) -> Kept:  # fmt: skip
    """Make the program of a formula, and keep it under `key`."""
    formulas: Any = importlib.import_module(".eager_formulas", __package__)
    target = llvm.target()
    built, missing = formulas.build(name, args, over, target)
    if built is None:
        raise NotNative("it takes more than one piece of native code")
    plan, ir, rows, moves = built
    batch = key or f"unkept {next(_unkept)}"
    find = _found if key is not None else bool
    names, batches, image = shared.make(ir, [row[0] for row in rows], batch, target, find)
    calls = [[name, *row[1:4]] for name, row in zip(names, rows)]
    kept = Kept(plan, calls, moves, missing, batches)
    if key is not None:
        _store(key, kept, image, graph)
    return kept


def _store(key: str, kept: Kept, image: loader.Image | None, graph: Graph) -> None:
    head = json.dumps([kept.calls, kept.moves, kept.missing, kept.batches]).encode()
    try:
        blobs = recipe.written(kept.recipe, nodes_of(graph))
    except recipe.Foreign:
        return
    whole = remembered.joined([image.written() if image else b"", head, *blobs])
    if cache.store(key, whole) and image:
        cache.note(_notes(), "".join(f"{name} {key}\n" for name in image.exported))


def _notes() -> str:
    """The name of the notes which say what entry has a function."""
    return cache.key("functions", writers(), llvm.version(), repr(llvm.target()))


@functools.cache
def _noted(name: str, folder: str) -> dict[str, str]:
    """What was noted before this process asked for the first time."""
    return dict(line.split() for line in cache.notes(name).splitlines() if line.count(" ") == 1)


def _found(name: str) -> None:
    """Load the entry that has a function, if there is one on the disk."""
    entry = _noted(_notes(), str(cache.folder())).get(name)
    if entry is not None:
        try:
            shared.load(_of(entry)[1], llvm.target(), lambda name: _image(*_of(name)))
        except (loader.Unexpected, RuntimeError, ValueError, LookupError) as error:
            llvm.LOG.info("a kept function cannot be used (%s); it is made again", error)


def load(key: str, graph: Graph) -> Kept | None:
    """The program kept under a name; None where it, or code that it needs, is not there."""
    body = cache.load(key)
    if body is None:
        return None
    try:
        image, head, *blobs = remembered.parted(body)
        calls, moves, missing, batches = json.loads(head)
        found = Kept(recipe.read(blobs, nodes_of(graph)), calls, moves, missing, batches)
        given = {key: (image, batches)}
        if shared.load(
            batches, llvm.target(), lambda name: _image(*(given.get(name) or _of(name)))
        ):
            found.spec()
            return found
    except (recipe.Foreign, loader.Unexpected, RuntimeError, ValueError, LookupError) as error:
        llvm.LOG.info("a kept program cannot be used (%s); it is made again", error)
    return None


def _of(name: str) -> tuple[bytes, Sequence[str]]:
    """The image of another entry, and the batches that come before it."""
    body = cache.load(name)
    if body is None:
        raise LookupError(name)
    image, head, *_ = remembered.parted(body)
    return image, json.loads(head)[3]


def _image(image: bytes, batches: Sequence[str]) -> tuple[loader.Image, Sequence[str]]:
    return loader.Image.read(image), batches
