"""Errors of convolutions, pooling, padding and norms: torch's type and first line, live."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import rushlight as rl

torch = pytest.importorskip("torch")

CASES: list[Callable[[Any], Any]] = [
    lambda t: t.nn.functional.conv2d(t.zeros(1, 3, 2, 2), t.zeros(4, 3, 5, 5)),
    lambda t: t.nn.functional.conv2d(t.zeros(1, 3, 8, 8), t.zeros(4, 2, 3, 3)),
    lambda t: t.nn.functional.conv2d(t.zeros(3, 8), t.zeros(4, 3, 3, 3)),
    lambda t: t.nn.functional.conv2d(t.zeros(1, 3, 8, 8), t.zeros(4, 3, 3, 3), stride=0),
    lambda t: t.nn.functional.conv2d(t.zeros(1, 3, 8, 8), t.zeros(4, 3, 3, 3), padding=-1),
    lambda t: t.nn.functional.conv2d(
        t.zeros(1, 3, 8, 8), t.zeros(4, 3, 3, 3), padding="same", stride=2
    ),
    lambda t: t.nn.functional.conv2d(t.zeros(1, 3, 8, 8), t.zeros(4, 3, 3, 3), groups=2),
    lambda t: t.nn.functional.conv2d(t.zeros(1, 3, 8, 8), t.zeros(4, 3, 3, 3), t.zeros(3)),
    lambda t: t.nn.functional.conv2d(t.zeros(0, 3, 8, 8), t.zeros(4, 3, 3, 3)),
    lambda t: t.nn.functional.max_pool2d(t.zeros(1, 3, 8, 8), 2, padding=2),
    lambda t: t.nn.functional.max_pool2d(t.zeros(1, 3, 2, 2), 5),
    lambda t: t.nn.functional.avg_pool2d(t.zeros(1, 3, 8, 8), 2, padding=2),
    lambda t: t.nn.functional.avg_pool2d(t.zeros(1, 3, 2, 2), 5),
    lambda t: t.nn.functional.avg_pool2d(t.zeros(1, 3, 8, 8), 2, divisor_override=0),
    lambda t: t.nn.functional.max_pool2d(t.zeros(8, 8), 2),
    lambda t: t.nn.functional.max_pool2d(t.zeros(1, 3, 8, 8), 0),
    lambda t: t.nn.functional.max_pool2d(t.zeros(1, 3, 8, 8), 2, stride=0),
    lambda t: t.nn.functional.max_pool1d(t.zeros(1, 3, 8), 2, padding=2),
    lambda t: t.nn.functional.adaptive_avg_pool2d(t.zeros(1, 3, 0, 8), 2),
    lambda t: t.nn.functional.adaptive_max_pool2d(t.zeros(3, 3), 2),
    lambda t: t.nn.functional.pad(t.zeros(1, 3, 4, 4), (4, 0, 0, 0), "reflect"),
    lambda t: t.nn.functional.pad(t.zeros(1, 3, 4, 4), (5, 0, 0, 0), "circular"),
    lambda t: t.nn.functional.pad(t.zeros(1, 3, 4, 4), (1, 1, 1), "constant"),
    lambda t: t.nn.functional.pad(t.zeros(1, 3, 4, 4), (-5, 0, 0, 0)),
    lambda t: t.nn.functional.pad(t.zeros(1, 3, 4, 4), (1,) * 8, "reflect"),
    lambda t: t.nn.functional.pad(t.zeros(4), (1, 1), "replicate"),
    lambda t: t.nn.functional.pad(t.zeros(1, 3, 4, 4), (1, 1), "none"),
    lambda t: t.nn.functional.pad(t.zeros(1, 3, 4, 4), (1, 1, 1, 1), "reflect", value=1.0),
    lambda t: t.nn.functional.pad(t.zeros(1, 3, 0, 4), (1, 1, 1, 1), "replicate"),
    lambda t: t.nn.functional.conv_transpose2d(
        t.zeros(1, 3, 4, 4), t.zeros(3, 4, 3, 3), output_padding=1
    ),
    lambda t: t.nn.functional.conv_transpose2d(t.zeros(1, 3, 4, 4), t.zeros(2, 4, 3, 3)),
    lambda t: t.nn.functional.conv1d(t.zeros(1, 3, 4), t.zeros(4, 3, 3).double()),
    lambda t: t.nn.functional.conv2d(t.zeros(1, 3, 8, 8).long(), t.zeros(4, 3, 3, 3)),
    lambda t: t.nn.Conv2d(3, 4, 3, groups=2),
    lambda t: t.nn.Conv2d(4, 3, 3, groups=2),
    lambda t: t.nn.Conv2d(4, 4, 3, padding="same", stride=2),
    lambda t: t.nn.Conv2d(3, 4, 5, padding=3, padding_mode="reflect")(t.zeros(1, 3, 3, 3)),
    lambda t: t.nn.BatchNorm2d(3)(t.zeros(2, 3, 4)),
    lambda t: t.nn.BatchNorm2d(3)(t.zeros(2, 4, 4, 4)),
    lambda t: t.nn.BatchNorm1d(3)(t.zeros(1, 3)),
    lambda t: t.nn.GroupNorm(2, 3),
    lambda t: t.nn.InstanceNorm2d(3)(t.zeros(1, 3, 1, 1)),
    lambda t: t.nn.functional.interpolate(t.zeros(1, 3, 4, 4)),
    lambda t: t.nn.functional.interpolate(t.zeros(1, 3, 4, 4), size=3, scale_factor=2),
    lambda t: t.nn.functional.interpolate(t.zeros(1, 3, 4), size=3, mode="bilinear"),
    lambda t: t.nn.functional.interpolate(t.zeros(1, 3, 4, 4), size=0),
    lambda t: t.nn.functional.interpolate(t.zeros(1, 3, 4, 4), size=(3, 3, 3)),
    lambda t: t.nn.ReflectionPad2d(4)(t.zeros(1, 3, 4, 4)),
    lambda t: t.nn.Linear(3, 4)(t.zeros(2, 5)),
    lambda t: t.nn.Sequential(t.nn.Conv2d(3, 4, 3), t.nn.Flatten(), t.nn.Linear(10, 3))(
        t.zeros(1, 3, 8, 8)
    ),
    lambda t: t.nn.functional.unfold(t.zeros(1, 3, 2, 2), 3),
    lambda t: t.nn.functional.fold(t.zeros(1, 9, 5), (4, 4), 3),
    lambda t: t.nn.functional.lp_pool2d(t.zeros(1, 3, 2, 2), 2, 3),
    lambda t: t.nn.functional.fractional_max_pool2d(t.zeros(1, 3, 4, 4), 2, output_size=6),
    lambda t: t.nn.functional.conv3d(t.zeros(1, 3, 4, 4), t.zeros(4, 3, 3, 3, 3)),
    lambda t: t.nn.functional.conv2d(t.zeros(1, 3, 4, 4), t.zeros(4, 3, 3, 3), padding=(1, 2, 3)),
    lambda t: t.nn.functional.conv2d(t.zeros(1, 3, 4, 4), t.zeros(4, 3, 3, 3), stride=(1, 2, 3)),
    lambda t: t.nn.functional.conv2d(t.zeros(1, 3, 4, 4), t.zeros(4, 3, 0, 3)),
]


def outcome(t: Any, case: Callable[[Any], Any]) -> tuple[Any, Any]:
    """The error's type and first line, or the result's shape."""
    try:
        found = case(t)
    except Exception as error:
        return type(error), str(error).splitlines()[0]
    return None, tuple(found.shape) if isinstance(found, t.Tensor) else type(found).__name__


@pytest.mark.parametrize("place", range(len(CASES)))
def test_as_torch(place: int) -> None:
    (kind, line), (theirs, wanted) = (outcome(t, CASES[place]) for t in (rl, torch))
    assert line == wanted
    assert kind is theirs or issubclass(kind, theirs)


def test_layers_say_where_and_what_to_do() -> None:
    net = rl.nn.Sequential(rl.nn.Conv2d(3, 4, 3), rl.nn.BatchNorm1d(4))
    with pytest.raises(RuntimeError, match="expected input") as grey:
        net(rl.zeros(1, 1, 8, 8))
    with pytest.raises(RuntimeError, match="can't be greater") as small:
        net(rl.zeros(1, 3, 2, 2))
    with pytest.raises(ValueError, match="more than 1 value per channel") as single:
        net[1](rl.zeros(1, 4))
    said = ["\n".join(found.value.__notes__) for found in (grey, small, single)]
    assert "0 (Conv2d)" in said[0] and "in_channels=1" in said[0]
    assert "0 (Conv2d)" in said[1] and "(2 x 2) before padding" in said[1]
    assert "drop_last=True" in said[2]
