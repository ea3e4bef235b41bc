"""Results that may be what the call was given: an object that must be the same one again.

A program makes the objects that it returns. Whether a dataclass that holds exactly what a given one
holds is that one or a copy of it, nobody knows afterwards: no program serves such a call twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..tracing.results import Container, Fields, Made, Result, parts_of
from ..tracing.same import Same
from .guards import same
from .opened import Opened


def may_give_back(results: Any, arguments: Any) -> bool:
    """Whether an object among results has the content of one that was taken apart."""
    given = list(_objects(arguments))
    return any(_is_that(one, wanted) for one in _made(results) for wanted in given)


def _objects(wanted: Any) -> Iterator[Opened]:
    if type(wanted) is Opened:
        yield wanted
    for part in parts_of(wanted) or ():
        yield from _objects(part)


def _made(template: Any) -> Iterator[Container]:
    if isinstance(template, (Fields, Made)):
        yield template
    if type(template) is not Result:
        for part in _parts(template):
            yield from _made(part)


def _parts(template: Any) -> Any:
    if isinstance(template, Container):
        return template.parts
    return template.values() if type(template) is dict else template


def _is_that(template: Any, wanted: Any) -> bool:
    """Whether what a template makes may be what stood there."""
    if type(template) is Same:
        return _is_that(template.parts[0], wanted)
    if type(template) is Result:
        if template.kind == "value":
            return same(template.value, wanted)
        return template.kind == "argument"
    if type(wanted) is Opened:
        if isinstance(template, Made):
            alike = template.kind is wanted.kind and template.context[1] == wanted.keys
            return alike and all(map(_is_that, template.parts, wanted.parts))
        if not isinstance(template, Fields) or template.kind is not wanted.kind:
            return False
        names = [*(wanted.keys[1] or ()), *(member.__name__ for member in wanted.how.slots)]
        held = dict(zip(names, wanted.parts))
        return all(
            name in held and _is_that(part, held[name])
            for name, part in zip(template.context, template.parts)
        )
    parts = parts_of(wanted)
    return (
        parts is not None and type(template) is type(wanted) and len(template) == len(parts)
        and all(map(_is_that, _parts(template), parts))
    )  # fmt: skip
