"""Numbers that Python computes before or after every run.

Before it inputs of the program are, after it what follows of its outputs.

A trace says of such a number in a text how it follows (`tracing/numbers.py`): from `items[k]`, the
numbers in outputs of the program; from `here[k]`, numbers that stand in places of before the call;
from `drawn[k]`, what was drawn for it;
from `args` and `kwargs`, of which only those matter that are inputs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...core.tensor import Tensor
from ..tracing.numbers import NAMES, Key
from ..tracing.results import Container, Result

_GIVEN = "items, drawn, here, args, kwargs"


def texts_in(template: Any) -> list[str]:
    """The texts of the numbers in a template of results."""
    if type(template) is Result:
        return [template.value] if template.kind == "number" else []
    if isinstance(template, Container):
        template = template.parts
    parts = template.values() if type(template) is dict else template
    return [text for part in parts for text in texts_in(part)]


class Texts:
    """The texts of one program.

    `items` are the outputs that hold the items (-1: nobody needs it), `keyed` the places, among
    the tensors of a call, of those that stand for its numbers; names of numbers begin with
    `prefix`.
    """

    def __init__(
        self, texts: Sequence[str], items: Sequence[int], keyed: Mapping[Key, int], prefix: str
    ) -> None:
        self._prefix = prefix
        self.texts, self.items, self.keyed = list(dict.fromkeys(texts)), items, keyed
        inside = "".join(f"{text}, " for text in self.texts)
        self._all = eval(f"lambda {_GIVEN}: ({inside})", {**NAMES})

    def __bool__(self) -> bool:
        return bool(self.texts)

    def values(
        self, outputs: Sequence[Any], drawn: Sequence[Any], here: Sequence[Any],
        leaves: Sequence[Tensor],
    ) -> dict[str, Any]:  # fmt: skip
        """What each text gives for one call."""
        items = [None if k < 0 else outputs[k].tolist() for k in self.items]
        given = {key: leaves[k]._array.item() for key, k in self.keyed.items()}
        return dict(zip(self.texts, self._all(items, drawn, here, given, given)))

    def name(self, text: str) -> str:
        """The name of a number in the lines."""
        return f"{self._prefix}_{self.texts.index(text)}"

    def lines(self, here: Sequence[str], leaves: Sequence[str]) -> list[str]:
        """The same as lines of Python, which give each number its name."""
        items = "".join("None, " if k < 0 else f"o{k}.tolist(), " for k in self.items)
        given = "".join(f"{key!r}: {leaves[k]}._array.item(), " for key, k in self.keyed.items())
        names = "".join(f"{self.name(text)}, " for text in self.texts)
        found = [f"items = ({items})"] if items else []
        found += [f"here = ({''.join(f'{one}, ' for one in here)})"] if here else []
        found += [f"args = kwargs = {{{given}}}"] if given else []
        return [*found, f"{names} = {''.join(f'{text}, ' for text in self.texts)}"]
