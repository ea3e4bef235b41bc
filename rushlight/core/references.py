"""How many references `sys.getrefcount` tells of an object that nobody else holds.

Memory that nobody else holds may be written again. Up to Python 3.13 the question itself and every
call on the way hold the object too; from 3.14 on a variable only lends it. So the numbers are
found by asking, in code of the form in which they are used.
"""

from __future__ import annotations

from sys import getrefcount
from typing import Any


def _of_a_variable() -> int:
    x = object()
    return getrefcount(x)


def _of_an_argument(x: Any) -> int:
    return getrefcount(x)


def _of_a_name_for_it(x: Any) -> int:
    y = x.real if type(x) is complex else x
    return getrefcount(y)


class _Holder:
    __slots__ = ("held",)


def _of_an_attribute() -> int:
    holder = _Holder()
    holder.held = object()
    return getrefcount(holder.held)


def _passed_on() -> tuple[int, int]:
    x, y = object(), object()
    return _of_an_argument(x), _of_a_name_for_it(y)


VARIABLE = _of_a_variable()  # what a call returned, held by one variable
(LISTED,) = [getrefcount(x) for x in [object()]]  # of a list that a loop goes through
ATTRIBUTE = _of_an_attribute()
ARGUMENT, RENAMED = _passed_on()  # a variable's of the caller; the same, under a second name
