"""torch.version: which interface is offered, and that there is no GPU."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

__version__ = "2.13.0+rushlight0.1.0"
debug = False
cuda: str | None = None
hip: str | None = None
rocm: str | None = None
xpu: str | None = None
git_version = "unknown"

_FORM = (
    r"\s*v?(?:(?P<epoch>\d+)!)?(?P<release>\d+(?:\.\d+)*)"
    r"(?:[-_.]?(?P<pre>alpha|beta|preview|pre|rc|a|b|c)[-_.]?(?P<pre_n>\d*))?"
    r"(?P<post>-(?P<post_a>\d+)|[-_.]?(?:post|rev|r)[-_.]?(?P<post_b>\d*))?"
    r"(?P<dev>[-_.]?dev[-_.]?(?P<dev_n>\d*))?"
    r"(?:\+(?P<local>[a-z0-9]+(?:[-_.][a-z0-9]+)*))?\s*"
)
_STAGES = {"a": 0, "alpha": 0, "b": 1, "beta": 1, "c": 2, "rc": 2, "pre": 2, "preview": 2}
_FIRST, _LAST = float("-inf"), float("inf")


def _key(given: Any) -> tuple[Any, ...] | None:
    """What orders versions; None for what is none.

    Source: https://peps.python.org/pep-0440/#summary-of-permitted-suffixes-and-relative-ordering
    """
    if not isinstance(given, str):
        if not isinstance(given, Iterable):
            return None
        given = ".".join(map(str, given))
    found = re.fullmatch(_FORM, given, re.IGNORECASE)
    if found is None:
        return None
    release = [int(part) for part in found["release"].split(".")]
    while len(release) > 1 and not release[-1]:
        release.pop()
    pre: tuple[float, int] = (_LAST, 0)
    if found["pre"]:
        pre = (_STAGES[found["pre"].lower()], int(found["pre_n"] or 0))
    elif found["dev"] and not found["post"]:
        pre = (_FIRST, 0)  # a development state comes before every stage of its release
    post = int(found["post_a"] or found["post_b"] or 0) if found["post"] else _FIRST
    dev = int(found["dev_n"] or 0) if found["dev"] else _LAST
    local = tuple(
        (int(part), "") if part.isdigit() else (_FIRST, part.lower())
        for part in re.split(r"[-_.]", found["local"] or "") if part
    )  # fmt: skip
    return int(found["epoch"] or 0), tuple(release), pre, post, dev, local


class TorchVersion(str):
    """A version that compares with versions, as text or as tuples; with other text as text.

    >>> version = TorchVersion("1.10.0a0")
    >>> version > "1.9.1", version >= (1, 10), version > (1, 9)
    (True, False, True)
    """

    __slots__ = ()
    __hash__ = str.__hash__

    def _compared(self, other: Any, method: str) -> Any:
        mine, theirs = _key(str(self)), _key(other)
        if mine is None or theirs is None:
            return getattr(super(), method)(other)
        return getattr(mine, method)(theirs)

    def __eq__(self, other: object) -> bool:
        return self._compared(other, "__eq__")

    def __lt__(self, other: Any) -> bool:
        return self._compared(other, "__lt__")

    def __le__(self, other: Any) -> bool:
        return self._compared(other, "__le__")

    def __gt__(self, other: Any) -> bool:
        return self._compared(other, "__gt__")

    def __ge__(self, other: Any) -> bool:
        return self._compared(other, "__ge__")


OF_PACKAGE = TorchVersion(__version__)  # what `torch.__version__` is
