"""Where the memory of a training step goes, over time: `memory_profile`."""

from __future__ import annotations

import time
import tracemalloc
import weakref
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from ..core.errors import user_line
from ..core.state import unwatch, watch
from ..core.tape import Entry, owner_of
from ..core.tensor import Tensor
from .cost import arrays_of, memory_of
from .graph import register_post_accumulate_grad_hook
from .picture import title_of
from .plot import areas
from .tables import Table, as_bytes

CATEGORIES: tuple[str, ...] = (
    "parameters",
    "gradients",
    "optimiser state",
    "kept for backward",
    "other",
)


class Moment(NamedTuple):
    """The live bytes of each category at one time, and what had just happened."""

    seconds: float
    live: dict[str, int]
    event: str

    @property
    def total(self) -> int:
        return sum(self.live.values())


class memory_profile:
    """Watches a block of code, such as a training step: live bytes by category, over time.

    model, optimizer: whose parameters, gradients and state are told apart (either may be left out).
    "Kept for backward" is what operations keep until it dies; "other" is everything else that was
    allocated inside, temporaries and Python objects included, counted by `tracemalloc`, which makes
    the block two or three times slower.

    >>> import rushlight as torch
    >>> net = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.Tanh(), torch.nn.Linear(64, 1))
    >>> optimizer = torch.optim.Adam(net.parameters())
    >>> with torch.memory_profile(net, optimizer) as profile:
    ...     net(torch.ones(32, 64)).sum().backward()
    ...     optimizer.step()
    >>> profile.end["gradients"] == profile.start["parameters"] == 4 * (64 * 64 + 64 + 64 + 1)
    True
    """

    def __init__(self, model: Any = None, optimizer: Any = None) -> None:
        self.model, self.optimizer = model, optimizer
        self.timeline: list[Moment] = []
        self.peak = 0
        self._held: dict[int, tuple[Any, str, int]] = {}
        self._live = dict.fromkeys(CATEGORIES, 0)
        self._open = False

    def _parameters(self) -> Iterator[Tensor]:
        if self.model is not None:
            yield from self.model.parameters()
        for group in getattr(self.optimizer, "param_groups", ()):
            yield from group["params"]

    def __enter__(self) -> memory_profile:
        self._open = True
        self._own_trace = not tracemalloc.is_tracing()
        if self._own_trace:
            tracemalloc.start()
        self._begin, self._base = time.perf_counter(), tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        self._known()
        self._before = sum(self._live.values())
        self._note("start")
        unique = {id(p): p for p in self._parameters() if p.requires_grad}
        self._handles = [
            register_post_accumulate_grad_hook(p, self._gradient) for p in unique.values()
        ]
        if hasattr(self.optimizer, "register_step_post_hook"):
            self._handles.append(self.optimizer.register_step_post_hook(self._stepped))
        watch(self._recorded)
        return self

    def __exit__(self, *error: object) -> None:
        unwatch(self._recorded)
        for handle in self._handles:
            handle.remove()
        self._known()
        self._note("end")
        traced = tracemalloc.get_traced_memory()[1] - self._base + self._before
        self.peak = max(traced, max(moment.total for moment in self.timeline))
        self._open = False
        if self._own_trace:
            tracemalloc.stop()
        self._held.clear()

    def _known(self) -> None:
        """Take stock of what is reached from the model and the optimizer."""
        for p in self._parameters():
            self._hold(p._array, "parameters")
            if p._grad is not None:
                self._hold(p._grad._array, "gradients")
        for state in getattr(self.optimizer, "state", {}).values():
            for value in state.values() if isinstance(state, dict) else ():
                if isinstance(value, Tensor):
                    self._hold(value._array, "optimiser state")

    def _hold(self, array: np.ndarray, category: str) -> None:
        """Count an array's memory from now until it dies."""
        key, size = memory_of(array)
        before = self._held.get(key)
        if before is not None:
            if before[1] == "kept for backward" != category:  # its true place is known now
                self._live[before[1]] -= size
                self._live[category] += size
                self._held[key] = before[0], category, size
            return
        try:
            reference = weakref.ref(owner_of(array), lambda _, key=key: self._died(key))
        except TypeError:
            return
        self._held[key] = reference, category, size
        self._live[category] += size

    def _died(self, key: int) -> None:
        found = self._held.pop(key, None)
        if found is not None and self._open:
            self._live[found[1]] -= found[2]
            self._note(f"{as_bytes(found[2])} freed ({found[1]})")

    def _recorded(self, entry: Entry, value: Any, operands: Any) -> None:
        for array in arrays_of(entry):
            self._hold(array, "kept for backward")
        self._note(f"{title_of(entry)} at {user_line()}")

    def _gradient(self, tensor: Tensor) -> None:
        if tensor._grad is not None:
            self._hold(tensor._grad._array, "gradients")
            self._note("gradient added")

    def _stepped(self, *_: Any) -> None:
        self._known()
        self._note("optimizer.step()")

    def _note(self, event: str) -> None:
        live = dict(self._live)
        traced = tracemalloc.get_traced_memory()[0] - self._base + self._before
        live["other"] = max(0, traced - sum(self._live.values()))
        self.timeline.append(Moment(time.perf_counter() - self._begin, live, event))

    @property
    def start(self) -> dict[str, int]:
        """Live bytes of each category when the block began."""
        return self.timeline[0].live

    @property
    def end(self) -> dict[str, int]:
        """Live bytes of each category when the block ended."""
        return self.timeline[-1].live

    @property
    def highest(self) -> Moment:
        """The moment with the most live bytes (between two moments there may have been more)."""
        return max(self.timeline, key=lambda moment: moment.total)

    def table(self) -> Table:
        """Each category at the start, at the highest moment and at the end."""
        columns = [self.start, self.highest.live, self.end]
        rows = [[name, *(as_bytes(live[name]) for live in columns)] for name in CATEGORIES]
        rows.append(["together", *(as_bytes(sum(live.values())) for live in columns)])
        return Table(["memory", "start", "highest", "end"], rows, right={1, 2, 3})

    def svg(self) -> str:
        """The timeline as stacked areas."""
        size, unit = (2**20, "MiB") if self.peak > 2**20 else (2**10, "KiB")
        return areas(
            [1e3 * moment.seconds for moment in self.timeline],
            {name: [m.live[name] / size for m in self.timeline] for name in CATEGORIES},
            f"live memory, peak {as_bytes(self.peak)}", "milliseconds", unit,
        )  # fmt: skip

    _repr_svg_ = svg

    def __str__(self) -> str:
        if not self.timeline:
            return "<memory_profile: not run yet>"
        return (
            f"{self.table()}\npeak {as_bytes(self.peak)}; highest moment: after"
            f" {self.highest.event}"
        )

    __repr__ = __str__
