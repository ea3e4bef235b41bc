"""`rushlight.checkpoint`: save the state of a training run, and resume from it after a crash.

    state = torch.checkpoint.latest("runs/a", epoch=0)
    state.restore(model=model, opt=opt)
    for epoch in range(state.epoch, 10):
        ...
        torch.checkpoint.save("runs/a", epoch + 1, epoch=epoch + 1, model=model, opt=opt)

With several processes all call these functions and rank 0 writes. A file is there whole or not at
all; the newest one is told by its number, never by a clock.
"""

from __future__ import annotations

import importlib
import re
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rushlight as rl

from ...core.errors import fail
from ...core.names import explain_missing as _explain_missing
from ...core.names import lazy_names as _lazy_names

if TYPE_CHECKING:
    from .state_dict_loader import load

__all__ = ["State", "every", "latest", "load", "save"]
dist: Any = rl.distributed
_NAME = re.compile(r"step-(\d+)\.pt")
_HOME = "rushlight.distributed.checkpoint"
_last: dict[str, float] = {}  # when this process last wrote into a folder


class State:
    """What `latest` found: plain values as attributes, the rest for `restore`.

    False in a condition when there was no checkpoint; attributes are then the defaults.

    >>> import rushlight as torch
    >>> import tempfile
    >>> net = torch.nn.Linear(2, 1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = torch.checkpoint.save(folder, 3, best=0.5, model=net)
    ...     state = torch.checkpoint.latest(folder).restore(model=net)
    >>> bool(state), state.step, state.best
    (True, 3, 0.5)
    """

    def __init__(self, path: Path | None, step: int, found: dict[str, Any]) -> None:
        self.path, self.step = path, step
        self._found = found
        for name, value in found.get("values", {}).items():
            setattr(self, name, value)

    def __bool__(self) -> bool:
        return self.path is not None

    def __repr__(self) -> str:
        return f"State({str(self.path)!r}, step={self.step})" if self else "State(None)"

    def restore(self, **parts: Any) -> State:
        """Give models, optimisers and the like their states; does nothing without a checkpoint.

        The random numbers go on where they were, if the checkpoint has them. Raises KeyError for a
        part that was not kept.
        """
        if not self:
            return self
        for name, part in parts.items():
            if name not in self._found["parts"]:
                raise fail(
                    KeyError,
                    f"{self.path} has no {name!r}",
                    "it has " + ", ".join(map(repr, self._found["parts"])),
                )
            part.load_state_dict(self._found["parts"][name])
        random = self._found["random"]
        rank, size = _place()
        if random and len(random) == size:
            rl.set_rng_state(random[rank])
        return self


def _place() -> tuple[int, int]:
    """This process's rank, and how many there are."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1


def _agreed(decide: Callable[[], Any]) -> Any:
    """What rank 0 decides, on all processes; its exception, too."""
    rank, size = _place()
    if size == 1:
        return decide()
    box: list[Any] = [None, None]
    if rank == 0:
        try:
            box[0] = decide()
        except Exception as error:
            box[1] = error
    dist.broadcast_object_list(box)
    if box[1] is not None:
        raise box[1]
    return box[0]


def _numbered(folder: Path) -> list[tuple[int, Path]]:
    """The checkpoints of a folder, oldest first."""
    if not folder.is_dir():
        return []
    found = [(_NAME.fullmatch(path.name), path) for path in folder.iterdir()]
    return sorted((int(match[1]), path) for match, path in found if match)


def latest(folder: Any, **defaults: Any) -> State:
    """The newest checkpoint in `folder` that is whole; one that is not is skipped with a warning.

    `defaults` are the attributes of the result where there is none.

    >>> import rushlight as torch
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     state = torch.checkpoint.latest(folder, epoch=0)
    >>> bool(state), state.epoch
    (False, 0)
    """

    read: dict[Path, dict[str, Any]] = {}

    def choose() -> tuple[int, Path] | None:
        for step, path in reversed(_numbered(Path(folder))):
            try:
                read[path] = _read(path)
                return step, path
            except (rl.serialize.CheckpointError, OSError) as error:
                warnings.warn(f"skipped the checkpoint {path}: {error}", stacklevel=4)
        return None

    chosen = _agreed(choose)
    if chosen is None:
        return State(None, 0, {"values": {"step": 0} | defaults})
    found = read[chosen[1]] if read else _read(chosen[1])
    found["values"] = defaults | found["values"]
    return State(chosen[1], chosen[0], found)


def _read(path: Path) -> dict[str, Any]:
    found = rl.serialize.load(path)
    if not isinstance(found, dict) or not {"parts", "values", "random"} <= set(found):
        raise rl.serialize.CheckpointError(f"it was not written by {__name__}")
    return found


def save(
    folder: Any, step: int | None = None, *, keep: int = 3, rng: bool = True,
    checkpoint_id: Any = None, **state: Any,
) -> Any:  # fmt: skip
    """Write a checkpoint numbered `step` into `folder`, and remove the oldest ones beyond `keep`.

    `state` has models, optimisers and whatever else has `state_dict`, and plain values; `rng` keeps
    the random numbers of all processes. All processes call it and rank 0 writes; the others wait
    until the file is there. Raises OSError on all of them when it cannot be written; older
    checkpoints are then as they were.

    `save(state_dict, checkpoint_id=folder)` is torch's: each process writes its parts of a state of
    DTensors there, for `load`.

    >>> import rushlight as torch
    >>> import tempfile
    >>> net = torch.nn.Linear(2, 1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = torch.checkpoint.save(folder, 3, epoch=3, model=net)
    ...     torch.checkpoint.latest(folder).epoch
    3
    """
    if isinstance(folder, dict):
        return _in_parts("state_dict_saver").save(folder, checkpoint_id=checkpoint_id, **state)
    if step is None:
        raise TypeError("save() missing 1 required positional argument: 'step'")
    rank, size = _place()
    for part in state.values():
        if hasattr(part, "consolidate_state_dict"):
            part.consolidate_state_dict(0)
    random: Any = [None] * size if rng else []
    if rng and size == 1:
        random = [rl.get_rng_state()]
    elif rng:
        dist.gather_object(rl.get_rng_state(), random if rank == 0 else None)

    def write() -> None:
        place = Path(folder)
        place.mkdir(parents=True, exist_ok=True)
        parts = {k: v.state_dict() for k, v in state.items() if hasattr(v, "state_dict")}
        values = {k: v for k, v in state.items() if k not in parts}
        found = {"parts": parts, "values": values, "random": random}
        rl.serialize.save(found, place / f"step-{step:08d}.pt")
        for _, old in [one for one in _numbered(place) if one[0] <= step][:-keep]:
            old.unlink(missing_ok=True)

    _agreed(write)


def _in_parts(name: str) -> Any:
    """A module for states in parts, loaded when there are any."""
    return importlib.import_module(f"{_HOME}.{name}")


def every(
    folder: Any, step: int, *, steps: int = 0, minutes: float = 0, keep: int = 3, **state: Any
) -> bool:
    """`save` when due: at every `steps`-th step, or `minutes` after this run last wrote here.

    Minutes are counted by rank 0's clock, which cannot be set back. Returns whether it wrote.

    >>> import rushlight as torch
    >>> import tempfile
    >>> net = torch.nn.Linear(2, 1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     [torch.checkpoint.every(folder, step, steps=2, model=net) for step in (1, 2, 3, 4)]
    [False, True, False, True]
    """
    if not steps and not minutes:
        raise fail(ValueError, "neither steps nor minutes", "say when: steps=100 or minutes=5")
    key = str(Path(folder).absolute())
    due = bool(steps) and step % steps == 0
    if minutes and not due:
        now = time.monotonic()
        due = _agreed(lambda: now - _last.setdefault(key, now) >= 60 * minutes)
    if due:
        save(folder, step, keep=keep, **state)
        _last[key] = time.monotonic()
    return due


_NAMES = {
    "default_planner": "DefaultLoadPlanner DefaultSavePlanner",
    "filesystem": "FileSystemReader FileSystemWriter",
    "metadata": "BytesStorageMetadata ChunkStorageMetadata Metadata TensorStorageMetadata",
    "parties": "CheckpointException",
    "planner": "LoadPlan LoadPlanner ReadItem SavePlan SavePlanner WriteItem",
    "state_dict_loader": "load load_state_dict",
    "state_dict_saver": "async_save save_state_dict",
    "storage": "StorageReader StorageWriter",
}
_MODULES = (
    "default_planner", "filesystem", "format_utils", "metadata", "planner", "state_dict",
    "state_dict_loader", "state_dict_saver", "stateful", "storage",
)  # fmt: skip
_explain_missing(
    __name__,
    {
        **_lazy_names(__name__, _NAMES),
        **{name: (f"{__name__}.{name}", None) for name in _MODULES},
    },
)
