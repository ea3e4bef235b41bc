"""Calls that tell the world something and give nothing back: print, records, bars, writers.

A program may make them when it has run, in their order, as nothing in the rest of a step can tell
when they were made. Whether that is so, is said here of each by where it comes from and its name.
"""

from __future__ import annotations

import io
import logging
import sys
import types
from typing import Any

_LEVELS = frozenset("debug info warning warn error critical log".split())
_ASKING = frozenset(("isEnabledFor", "getEffectiveLevel"))
_SCALARS = frozenset("add_scalar add_scalars add_text flush".split())
_WRITERS = frozenset(("writerow", "writerows", "writeheader"))
_METRICS = frozenset("log log_metric log_metrics log_dict track".split())
# names that do nothing but tell, by the package of a function, or of an object's class
_TELL = {
    "warnings": frozenset(("warn",)), "_warnings": frozenset(("warn",)),
    "logging": _LEVELS, "_csv": _WRITERS, "csv": _WRITERS,
    "collections": frozenset(("append", "appendleft")),  # deques that grow
    "_io": frozenset(("write", "writelines", "flush")),
    "tqdm": frozenset("set_postfix set_postfix_str set_description set_description_str update write"
                      " refresh display".split()),
    "rich": frozenset("print log update advance".split()),
    "tensorboardX": _SCALARS, "torch.utils.tensorboard": _SCALARS,
    "rushlight.utils.tensorboard": _SCALARS,
    **dict.fromkeys("wandb mlflow comet_ml neptune aim clearml swanlab".split(), _METRICS),
}  # fmt: skip
STREAMS = frozenset(("stdout", "stderr"))
_LIMIT = 3  # parts of a module's name


def telling(module: str | None) -> frozenset[str]:
    """The names of what only tells, of a module."""
    parts = (module or "").split(".")
    found = (_TELL.get(".".join(parts[:k])) for k in range(1, _LIMIT + 1))
    return next((names for names in found if names is not None), frozenset())


def is_stream(x: Any) -> bool:
    """Whether it is what `print` writes to, or a stream of errors."""
    return any(x is getattr(sys, name) for name in STREAMS)


def is_file(x: Any) -> bool:
    """Whether `print` may write to it, and nobody sees that but who reads it."""
    return type(x) in (io.StringIO, io.TextIOWrapper)


def asks_level(owner: Any, name: str) -> bool:
    """Whether `owner.name(...)` asks what records are for, or who keeps them."""
    of_one = isinstance(owner, logging.Logger) and name in _ASKING
    return of_one or (owner is logging and name == "getLogger")


def level_of(owner: Any) -> Any:
    """What such a question depends on."""
    if owner is logging:
        return logging.getLogger
    return owner.getEffectiveLevel(), owner.manager.disable, owner.disabled


def tells(owner: Any, name: str) -> bool:
    """Whether `owner.name(...)` does nothing but tell."""
    if isinstance(owner, types.ModuleType):
        return name in telling(owner.__name__)
    return name in telling(type(owner).__module__) or (name in _TELL["_io"] and is_stream(owner))


def only_tells(function: Any, reach: Any) -> bool:
    """Whether a function only tells, to an object of before that nobody looks at."""
    name, owner = getattr(function, "__name__", ""), getattr(function, "__self__", None)
    if isinstance(function, type) or type(name) is not str:
        return False
    if owner is None or isinstance(owner, (type, types.ModuleType)):
        if isinstance(owner, types.ModuleType):  # of a function written in C
            return name in telling(owner.__name__)
        home = function if owner is None else owner
        return name in telling(getattr(home, "__module__", None))
    lives = id(owner) in reach.told and not reach.knows(owner)
    lives = lives or isinstance(owner, logging.Logger) or is_stream(owner)
    return lives and tells(owner, name)
