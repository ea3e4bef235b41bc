"""Functions that programs share: what was once made for one, the next finds by its text.

Programs of single operations have most of their code in common with others: the tiles of products
and the copies before them are the same for any number of rows. A function gets its name from its
text, in which those that it calls have theirs already and constants are what they hold. So equal
names are equal code, and LLVM sees only functions that are new.

What is new in a program is made in one go, a *batch*, and kept as one image. It refers to functions
of earlier batches, which must be in memory before it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Sequence

from . import llvm, loader, parts

Image = loader.Image
_NAMED = re.compile(r"@([\w.$]+)")
_CONSTANT = re.compile(r"@([\w.$]+) = (private (?:unnamed_addr )?constant .*)")
_DECLARED = re.compile(r"declare [^@]*@([\w.$]+)")
_SELF = "@itself"  # a function's own name, while its text has none yet

_homes: dict[str, str] = {}  # by function, the batch that has it
_addresses: dict[str, int] = {}
_needs: dict[str, list[str]] = {}  # by batch in memory, what comes before it, and itself
_kept: list[llvm.Code] = []  # code of all batches: programs may run in any


def make(
    ir: str, wanted: Iterable[str], batch: str, target: llvm.Target,
    elsewhere: Callable[[str], object] = bool,
) -> tuple[list[str], list[str], Image | None]:  # fmt: skip
    """Make what is new in a module, as the batch of that name.

    `elsewhere` may load a function that is not in memory. Gives the shared names of the functions
    `wanted`, the batches that they need in the order in which these can be loaded, and the image
    of this batch; None if there is nothing new, or where no images are kept.
    """
    module = _Module(ir, f"{target.cpu} {target.features} {target.bits}")
    names = [module.shared(name) for name in wanted]
    for name in module.made:
        if name not in _homes:
            elsewhere(name)
    new = {name: text for name, text in module.made.items() if name not in _homes}
    image = None
    if new:
        code, image = llvm.fresh(module.text(new), target)
        called = {name for text in new.values() for name in _NAMED.findall(text)} - new.keys()
        _take(batch, code, new, _before(name for name in called if name in _homes))
    return names, _before(names), image


def load(
    batches: Iterable[str], target: llvm.Target,
    image: Callable[[str], tuple[Image, Sequence[str]] | None],
) -> bool:  # fmt: skip
    """Put batches in memory that are not there yet; False where one is lacking.

    `image` gives the image of a batch, and all that it needs.
    """
    for name in batches:
        if name in _needs:
            continue
        found = image(name)
        if found is None:
            return False
        own, needs = found
        code = llvm.placed(own, str, target)
        _take(name, code, own.exported, [before for before in needs if before != name])
    return True


def address(name: str) -> int:
    """Where the function of that shared name is; 0 if it is not in memory."""
    return _addresses.get(name, 0)


def _take(batch: str, code: llvm.Code, functions: Iterable[str], before: list[str]) -> None:
    for name in functions:
        if name not in _homes:
            _homes[name], _addresses[name] = batch, code.address(name)
            llvm.symbol(name, _addresses[name])
    _needs[batch] = [*before, batch]
    _kept.append(code)


def _before(functions: Iterable[str]) -> list[str]:
    """The batches that functions need, those first that others need."""
    found: dict[str, None] = {}
    for name in functions:
        found.update(dict.fromkeys(_needs[_homes[name]]))
    return list(found)


class _Module:
    """A module's functions under the names that their texts give them."""

    def __init__(self, ir: str, target: str) -> None:
        functions, lines = parts.pieces(ir)
        self._target = target.encode()
        self._heads: dict[str, str] = {}  # by shared name, its declaration
        self._functions = {match["name"]: text for text in functions
                           if (match := parts.DEFINED.match(text))}  # fmt: skip
        self._constants: dict[str, str] = {}
        self._outside: dict[str, str] = {}
        for line in lines:
            if match := _CONSTANT.fullmatch(line):
                self._constants[match[1]] = match[2]
            elif match := _DECLARED.match(line):
                self._outside[match[1]] = line
            elif line:
                raise ValueError(f"no line of a program: {line}")
        self._names: dict[str, str] = {}
        self.made: dict[str, str] = {}  # by shared name the text, those first that others call

    def shared(self, name: str) -> str:
        """The shared name of one of the functions."""
        found = self._names.get(name)
        if found is None:
            self._names[name] = name  # should it call itself
            text = self._functions[name].replace("define internal ", "define ", 1)
            text = _NAMED.sub(lambda at: _SELF if at[1] == name else self._of(at[1]), text)
            found = self._names[name] = f"shared_{self._number(text)}"
            self.made[found] = text.replace(_SELF, f"@{found}")
            head = parts.DEFINED.match(self.made[found])
            self._heads[found] = parts.declared(head) if head else ""
        return found

    def _of(self, name: str) -> str:
        """What stands for a name in the text of a function."""
        if name in self._functions:
            return f"@{self.shared(name)}"
        held = self._constants.get(name)
        if held is None:
            return f"@{name}"
        found = self._names.get(name)
        if found is None:
            held = _NAMED.sub(lambda at: self._of(at[1]), held)
            found = self._names[name] = f"constant_{self._number(held)}"
            self._constants[found] = held
        return f"@{found}"

    def _number(self, text: str) -> str:
        return hashlib.sha256(self._target + text.encode()).hexdigest()[:32]

    def text(self, new: dict[str, str]) -> str:
        """A module of some of the functions, in which the others are declared."""
        lines: dict[str, str] = {}
        left = [name for text in new.values() for name in _NAMED.findall(text)]
        while left:
            name = left.pop()
            if name in lines or name in new:
                continue
            if name in self._constants:
                lines[name] = f"@{name} = {self._constants[name]}"
                left += _NAMED.findall(lines[name])
            else:
                lines[name] = self._heads.get(name) or self._outside.get(name, "")
        return "\n".join([*filter(None, lines.values()), *new.values()])
