"""Steps of learning-rate schedules in a compiled call: made at its end, in Python, every time.

A program takes learning rates as inputs, read when the call begins. So the step of a schedule may
as well wait until the call is over, unless somebody in it would see the difference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from .guards import Place

Step = Callable[[], None]
# Who names one of these may look at a schedule, or at what it has set.
_LOOKS = frozenset("last_epoch _last_lr get_last_lr param_groups state_dict _step_count".split())


class Afterwards:
    """The steps that a call has put off."""

    def __init__(self, reach: Any) -> None:
        self.reach = reach
        self.schedules: list[Any] = []
        self.steps: list[Step] = []

    def takes(self, schedule: Any, step: Step) -> bool:
        """Put a step off, if the call's code does not look at what it changes."""
        reach = self.reach
        if reach is None or reach.reads_rates or reach.words & _LOOKS or not reach.knows(schedule):
            return False
        self.schedules.append(schedule)
        self.steps.append(step)
        return True

    def govern(self, group: Any) -> bool:
        """Whether a parameter group waits for its new rate."""
        return any(group is one for x in self.schedules for one in x.optimizer.param_groups)

    def guarded(self, places: list[Place]) -> list[Place]:
        """Without those that the steps write: they differ at every call, and nobody looks."""
        own = {id(vars(schedule)) for one in self.schedules for schedule in _parts(one)}
        return [place for place in places if id(place.container) not in own]

    def run(self) -> None:
        """Make the steps."""
        steps, self.steps = self.steps, []
        for step in steps:
            step()


def _parts(schedule: Any) -> Iterator[Any]:
    """A schedule and those that it is made of."""
    yield schedule
    for part in getattr(schedule, "_schedulers", ()):
        yield from _parts(part)
