"""Records: what dataclasses are, made late."""

from __future__ import annotations

import pytest

from rushlight.compile.records import field, record, replace


@record(frozen=True)
class Point:
    x: int
    y: int = 2
    cost: float = field(default=0.5, compare=False)

    @property
    def sum(self) -> int:
        return self.x + self.y


@record
class Row:
    name: str
    parts: list[int] = field(default_factory=list)


def test_fields_have_their_defaults_and_names() -> None:
    assert Point(1).sum == 3 and Point(1, y=5).y == 5 and Point(1, cost=2.0).cost == 2.0
    first, second = Row("a"), Row("b", [1])
    first.parts.append(7)
    assert Row("c").parts == [] and second.parts == [1]
    assert repr(Point(1)) == "Point(x=1, y=2, cost=0.5)"


def test_frozen_records_are_keys_and_pass_over_what_is_not_compared() -> None:
    assert {Point(1, 2, 3.0): "found"}[Point(1, 2, 4.0)] == "found"
    assert Point(1) != Point(2) and Row("a") == Row("a") and Row("a", [1]) != Row("a")
    assert Point(1) != (1, 2)
    with pytest.raises(AttributeError, match="x"):
        Point(1).x = 3
    with pytest.raises(TypeError, match="unhashable"):
        hash(Row("a"))


def test_a_replaced_field_and_wrong_names() -> None:
    one = Point(1)
    assert replace(one, x=4) == Point(4) and one.x == 1
    with pytest.raises(TypeError, match="z"):
        replace(one, z=1)
    with pytest.raises(TypeError, match="missing"):
        Point()
