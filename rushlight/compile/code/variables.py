"""Numbers that change, and loops as long as something holds: for code written step by step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .emit import I64, Function, Type, Value


class Variable:
    """A number that changes."""

    def __init__(self, f: Function, value: Any, type: Type = I64) -> None:
        self.f, self.type, self.at = f, type, f.stack(type, align=8)
        self.set(value)

    def get(self) -> Value:
        return self.f.load(self.type, self.at)

    def set(self, value: Any) -> None:
        self.f.store(self.f.coerce(value, self.type), self.at)


def either(f: Function, condition: Value, yes: Callable[[], Any], no: Callable[[], Any]) -> None:
    """`yes()` where the condition holds, else `no()`; what they give counts for nothing."""
    f.branch(condition, lambda: yes() or (), lambda: no() or ())


def during(f: Function, condition: Callable[[], Value], body: Callable[[], Any]) -> None:
    """`body()` again and again, as long as the condition before it holds."""
    head, inside, done = f.new_label("head"), f.new_label("inside"), f.new_label("done")
    f.jump(head)
    f.place(head)
    f.jump_if(condition(), inside, done)
    f.place(inside)
    body()
    f.jump(head)
    f.place(done)
