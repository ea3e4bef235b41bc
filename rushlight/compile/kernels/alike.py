"""Functions that came out alike are one: each costs LLVM a millisecond, however often it is there.

Products of one size with different ends pack their operands alike; kernels of several layers end
alike. What calls them, or lists their addresses, then names the first.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

_NAMED = re.compile(r"@([\w.$]+)")


def merged(
    functions: Mapping[str, str], others: Sequence[str], kept: str
) -> tuple[list[str], list[str]]:
    """The texts of functions without repetitions, and other lines that name them.

    Functions whose names begin with `kept` are looked up by them, and stay.
    """
    first: dict[str, str] = {}
    same: dict[str, str] = {}
    texts = dict(functions)
    for name, text in functions.items():
        own = _renamed(text, same)
        head, _, rest = own.partition(f"@{name}(")
        key = f"{head}({rest}"
        if name.startswith(kept) or first.setdefault(key, name) == name:
            texts[name] = own
        else:
            same[name] = first[key]
            del texts[name]
    if not same:
        return list(texts.values()), list(others)
    last = [_renamed(text, same) for text in texts.values()]
    return last, [_renamed(line, same) for line in others]


def _renamed(text: str, same: Mapping[str, str]) -> str:
    if not any(f"@{name}" in text for name in same):
        return text
    return _NAMED.sub(lambda found: "@" + same.get(found[1], found[1]), text)
