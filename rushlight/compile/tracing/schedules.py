"""What schedules move: numbers that are inputs, and the schedules' own steps.

The steps of schedules in a compiled call are made at its end, in Python, every time. A program
takes learning rates as inputs, read when the call begins; so a step may as well wait until the call
is over, unless somebody in it would see the difference.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...core import dispatch, dtypes
from ...core.tensor import Tensor, wrap
from ..calls.guards import Place
from .numbers import Number
from .spots import Spot
from .traced import Traced

Step = Callable[[], None]
# Who names one of these may look at a schedule, or at what it has set.
_OF_SCHEDULES = frozenset(
    "last_epoch _last_lr get_last_lr get_lr state_dict _step_count best"
    " num_bad_epochs cooldown_counter in_cooldown".split()
)
_LOOKS = _OF_SCHEDULES | {"param_groups"}
_SHOW = frozenset("vars __dict__ __getstate__ getattr".split())  # what shows all of an object


class Told(Spot):
    """A schedule that is told a number after every run, in the place of one that holds it."""

    __slots__ = ()

    def put(self, value: Any) -> None:
        """Take the step."""
        self.holder(value)

    def line(self, name: str, value: str) -> str:
        """The effect in Python."""
        return f"{name}({value})"

    def __str__(self) -> str:
        return "schedule.step(...)"


class Afterwards:
    """The steps that a call has put off."""

    def __init__(self, reach: Any) -> None:
        self.reach = reach
        self.schedules: list[Any] = []
        self.steps: list[Step] = []
        self.told: list[list[Any]] = []  # schedules that go by a number of the call, and which
        self.looked: set[int] = set()  # groups whose settings something in the package has read
        self.moved = False  # whether a schedule took its step at once

    def seen(self) -> bool:
        """Whether the call's code may look at what schedules change."""
        return self.reach is None or self.reach.reads_rates or bool(self.reach.words & _LOOKS)

    def takes(self, schedule: Any, step: Step) -> bool:
        """Put a step off, if the call's code does not look at what it changes."""
        if self.seen() or not self.reach.knows(schedule) or self.told:
            return False
        self.schedules.append(schedule)
        self.steps.append(step)
        return True

    def tells(self, schedule: Any, step: Callable[[float], None], number: Number) -> bool:
        """Put off a step that goes by a number which is known after the run."""
        if self.seen() or not self.reach.knows(schedule) or self.steps:
            return False
        self.schedules.append(schedule)
        self.told.append([Told(step, None, ""), number])
        return True

    def govern(self, group: Any) -> bool:
        """Whether a parameter group waits for its new rate."""
        return any(group is one for x in self.schedules for one in x.optimizer.param_groups)

    def guarded(self, places: list[Place]) -> list[Place]:
        """Without those that steps write, within the call or elsewhere, if nobody looks."""
        if self.seen() and (self.moved or self.steps or self._shown(_OF_SCHEDULES)):
            return places
        own = {id(vars(schedule)) for schedule in self.reach.schedules}
        return [place for place in places if id(place.container) not in own]

    def _shown(self, names: frozenset[str]) -> bool:
        """Whether the code may look at what has one of these names, or at all of an object."""
        return bool(self.reach.strange) or not (_SHOW | names).isdisjoint(self.reach.named)

    def rates(self, inputs: list[Any]) -> list[Place]:
        """The guards of learning rates, given the program's inputs; all, if the code reads some.

        Of an optimiser that the call lets be (a step of several whose gradients add up) none
        counts: its schedule gives it another rate in the call between.
        """
        reach = self.reach
        betas = [_rest(place) for place in reach.rates if place.key == "betas"]
        if reach.reads_rates:
            return reach.rates + betas
        used = {(id(x.owner), x.path[0]) for x in inputs if x.kind == "number"}
        rates = [x for x in reach.rates if (id(x.container), x.key) not in used]
        if rates and not (self.moved or self.seen() or self._shown(_LOOKS)):
            unread = _inside(reach) - self.looked
            rates = [x for x in rates if id(x.container) not in unread]
        return betas + rates

    def run(self) -> None:
        """Make the steps."""
        steps, self.steps = self.steps, []
        for step in steps:
            step()
        told, self.told = self.told, []
        for spot, number in told:
            spot.put(number.value)


def _inside(reach: Any) -> set[int]:
    """The groups, by their addresses, to which nothing but their optimiser leads."""
    lists = {id(x.param_groups): x for x in reach.optimizers}
    ways = Counter(id(x.expected) for x in reach.places) + reach.loose
    return {
        id(group) for at, x in lists.items() for group in x.param_groups
        if ways[at] == ways[id(group)] == 1
    }  # fmt: skip


def _rest(place: Place) -> Place:
    """The guard of the betas but for the first, which schedules move and is an input."""
    group = place.container
    return Place("content", group, _but_first, _but_first(group), f"{place.path}[1:]")


def _but_first(group: dict[str, Any]) -> Any:
    return type(group["betas"]), tuple(group["betas"][1:])


def number(owner: Any, path: tuple[Any, ...]) -> float:
    """The number that stands at a place now."""
    for key in path:
        owner = owner[key]
    return float(owner)


class Settings:
    """The part of a tracer that hyperparameters speak to."""

    closed: bool
    afterwards: Afterwards
    sources: list[Any]
    stop: Callable[..., None]
    external: Callable[..., Traced]
    lift: Callable[[Tensor], Traced]
    items: Any

    def scalar(self, owner: dict[str, Any], key: Any) -> Tensor:
        """A Python number that may differ at the next call, as a 0-d tensor of double precision.

        A key that is a tuple is a way: ("betas", 0).
        """
        found = owner[key] if type(key) is str else owner[key[0]][key[1]]
        if type(found) is Number and found.tensor is not None:
            return dispatch.LATE.cast(found.tensor, dtypes.float64)
        for source in self.sources:
            if source.kind == "number" and source.owner is owner and source.key == key:
                return wrap(Traced(self, source.array, source.node, source.cell))
        path = key if type(key) is tuple else (key,)
        if self.afterwards.govern(owner):
            self.stop("a learning rate is read after the step of its schedule")  # which is made now
            return wrap(np.array(number(owner, path)))
        return wrap(self.external("number", owner, key, np.array(number(owner, path))))

    def postpones(self, schedule: Any, step: Step) -> bool:
        """Whether a schedule's step is put off to the end of the call."""
        taken = not self.closed and self.afterwards.takes(schedule, step)
        self.afterwards.moved |= not taken
        return taken

    def looks_into(self, groups: Sequence[dict[str, Any]]) -> None:
        """The settings of these groups of parameters are about to be read."""
        self.afterwards.looked.update(map(id, groups))

    def postpones_for(self, schedule: Any, step: Callable[[float], None], metrics: Any) -> bool:
        """The same of a step that goes by a number of the call."""
        if self.closed:
            return False
        number: Any = metrics
        array = self.lift(metrics) if isinstance(metrics, Tensor) else None
        if type(array) is Traced and array.memory.size == 1 and array.memory.dtype.kind == "f":
            place = self.items.of(array)
            number = Number(f"items[{place}]", self.items.tensors[place], float)
        late = type(number) is Number and number.late
        taken = late and self.afterwards.tells(schedule, step, number)
        self.afterwards.moved |= not taken
        return taken
