"""Where the time goes: a table by op and by module, and a trace for the Chrome/Perfetto viewer.

While a profile is on, every op takes the long way of dispatch and is timed there, and so is every
entry of a backward pass; modules are named by their path in the outermost module called.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from ..autograd import engine
from ..compile import api
from ..core import dispatch
from ..core.dispatch import node_name
from ..core.handles import EVERY_MODULE
from ..core.primitive import Primitive
from ..core.tensor import Tensor
from ..nn.module_global_hooks import (
    register_module_forward_hook,
    register_module_forward_pre_hook,
)
from ..serialize.atomic import replacing
from .averages import EventList, averages
from .schedules import ProfilerAction

# What torch.profiler.profile takes besides, and nobody measures here.
_UNMEASURED = frozenset((
    "profile_memory", "with_stack", "with_flops", "experimental_config", "acc_events",
    "execution_trace_observer", "use_cuda", "custom_trace_id_callback",
))  # fmt: skip
_current: list[Profile] = []


class Event:
    """One op, call or block: its name, module, start and length in nanoseconds."""

    __slots__ = ("inner", "kind", "length", "module", "name", "shapes", "start")

    def __init__(self, name: str, kind: str, module: str, shapes: str, start: int) -> None:
        self.name, self.kind, self.module, self.shapes = name, kind, module, shapes
        self.start, self.length, self.inner = start, 0, 0


class Profile:
    """The events of a `with rushlight.profile():` block.

    `table(by)` prints calls and time by "op", "module" or "shape", the time of what an op called in
    its turn taken off; a call of a compiled function is one event (`explain(times=True)` tells its
    kernels apart); `events` are in the order of their ends; `export_chrome_trace(path)` writes
    a file for https://ui.perfetto.dev.

    >>> import rushlight as torch
    >>> with torch.profile() as p:
    ...     _ = (torch.ones(3) * 2).sum()
    >>> sorted(event.name for event in p.events)
    ['mul', 'sum']
    """

    def __init__(self, ready: Callable[[Profile], Any] | None = None) -> None:
        self.events: list[Event] = []
        self._ready = ready
        self._open: list[Event] = []
        self._paths: list[str] = []
        self._names: dict[int, str] = {}
        self._hooks: list[Any] = []
        self._thread = threading.get_ident()

    def __enter__(self) -> Profile:
        self._hooks = [
            register_module_forward_pre_hook(self._enter_module),
            register_module_forward_hook(self._leave_module, always_call=True),
        ]
        EVERY_MODULE.update(dict.fromkeys([hook.id for hook in self._hooks], False))
        self._handler = self._op
        dispatch.intercept(self._handler)
        api.watch(self._compiled)
        engine.TIMER[0] = self._pull
        _current.append(self)
        return self

    def __exit__(self, *error: Any) -> None:
        _current.remove(self)
        engine.TIMER[0] = None
        dispatch.release(self._handler)
        api.unwatch(self._compiled)
        for hook in self._hooks:
            hook.remove()
        if self._ready is not None:
            self._ready(self)

    def start(self) -> None:
        """Begin, without a `with` block."""
        self.__enter__()

    def stop(self) -> None:
        """End what `start` began."""
        self.__exit__()

    step_num = 0

    def step(self) -> None:
        """The next step of a run begins."""
        self.step_num += 1

    # --- what is timed

    def _op(self, prim: Primitive, inputs: tuple[Any, ...], params: tuple[Any, ...]) -> Any:
        if threading.get_ident() != self._thread:
            return dispatch.apply_plain(prim, inputs, params)
        with self.block(prim.name, "op", shapes_of(inputs)):
            return dispatch.apply_plain(prim, inputs, params)

    def _compiled(self, name: str, call: Callable[[], Any]) -> Any:
        if threading.get_ident() != self._thread:
            return call()
        with self.block(f"compiled {name}", "compiled"):
            return call()

    def _pull(self, entry: Any) -> Callable[..., Any]:
        prim = entry[0]

        def timed(g: Any, found: Any) -> Any:
            with self.block(node_name(entry), "backward", ""):
                return prim.pull(g, found)

        return timed

    @contextmanager
    def block(self, name: str, kind: str, shapes: str = "") -> Iterator[None]:
        """Time a piece of code as one event."""
        module = self._paths[-1] if self._paths else ""
        event = Event(name, kind, module, shapes, time.perf_counter_ns())
        self._open.append(event)
        try:
            yield
        finally:
            self._open.pop()
            event.length = time.perf_counter_ns() - event.start
            if self._open:
                self._open[-1].inner += event.length
            self.events.append(event)

    def _enter_module(self, module: Any, inputs: Any) -> None:
        if not self._paths:
            named = module.named_modules(remove_duplicate=False)
            self._names = {id(part): name or type(module).__name__ for name, part in named}
        self._paths.append(self._names.get(id(module), type(module).__name__))

    def _leave_module(self, module: Any, inputs: Any, output: Any) -> None:
        if self._paths:
            self._paths.pop()

    # --- what is told

    def totals(self, by: str = "op") -> dict[str, tuple[int, int]]:
        """Calls and nanoseconds by "op", "module" or "shape", the longest first."""
        found: dict[str, list[int]] = {}
        for event in self.events:
            label = {"op": event.name, "module": event.module or "(outside)",
                     "shape": f"{event.name} {event.shapes}"}[by]  # fmt: skip
            row = found.setdefault(label, [0, 0])
            row[0] += 1
            row[1] += event.length - event.inner
        rows = sorted(found.items(), key=lambda pair: -pair[1][1])
        return {label: (calls, spent) for label, (calls, spent) in rows}

    def key_averages(self, group_by_input_shape: bool = False) -> EventList:
        """Calls and times by name (and shapes), in a list whose `table` is torch's.

        >>> import rushlight as torch
        >>> with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as p:
        ...     _ = torch.ones(2).exp().exp()
        >>> found = p.key_averages()
        >>> [(event.key, event.count) for event in found]
        [('exp', 2)]
        >>> found.table(sort_by="cpu_time_total", row_limit=10).splitlines()[1].split()[:4]
        ['Name', 'Self', 'CPU', '%']
        """
        return averages(self.events, group_by_input_shape)

    def table(self, by: str = "op", rows: int = 30) -> str:
        """The totals as text."""
        totals = self.totals(by)
        whole = sum(spent for _, spent in totals.values()) or 1
        lines = [f"{by:<40} {'calls':>7} {'time':>10} {'share':>7}"]
        for label, (calls, spent) in list(totals.items())[:rows]:
            lines.append(
                f"{label[:40]:<40} {calls:>7} {spent / 1e6:>7.3f} ms {spent / whole:>7.1%}"
            )
        lines.append(f"{'all':<40} {len(self.events):>7} {whole / 1e6:>7.3f} ms")
        return "\n".join(lines)

    __str__ = table

    def export_chrome_trace(self, path: str) -> None:
        """Write the events for the Chrome/Perfetto viewer."""
        start = min((event.start for event in self.events), default=0)
        events = [
            {"name": event.name, "cat": event.kind, "ph": "X", "pid": 0, "tid": 0,
             "ts": (event.start - start) / 1e3, "dur": event.length / 1e3,
             "args": {"module": event.module, "shapes": event.shapes}}
            for event in self.events
        ]  # fmt: skip
        trace = json.dumps({"traceEvents": events, "displayTimeUnit": "ns"}).encode()
        with replacing(path, len(trace)) as file:
            file.write(trace)


class _Scheduled(Profile):
    """A profile of the steps that a schedule names; each turn is handed out at its end."""

    def __init__(self, ready: Any, plan: Callable[[int], ProfilerAction]) -> None:
        super().__init__(ready)
        self._plan, self._on = plan, False

    def __enter__(self) -> Profile:
        self._turn()
        return self

    def __exit__(self, *error: Any) -> None:
        if self._on:
            self._on = False
            super().__exit__(*error)

    def _turn(self) -> None:
        self.current_action = self._plan(self.step_num)
        if self.current_action.value >= ProfilerAction.RECORD.value and not self._on:
            self.events, self._on = [], True
            super().__enter__()

    def step(self) -> None:
        super().step()  # what is handed out has the number of the step that begins, as in torch
        if self.current_action is ProfilerAction.RECORD_AND_SAVE:
            self.__exit__(None, None, None)
        self._turn()


def shapes_of(inputs: tuple[Any, ...]) -> str:
    """The shapes of the tensors among an op's operands."""
    return " ".join("x".join(map(str, x.shape)) or "()" for x in inputs if isinstance(x, Tensor))


def profile(
    *,
    activities: Any = None,
    on_trace_ready: Callable[[Profile], Any] | None = None,
    record_shapes: bool = False,
    with_modules: bool = False,
    schedule: Callable[[int], ProfilerAction] | None = None,
    **others: Any,
) -> Profile:
    """Time every op inside a `with` block, eager and compiled; see `Profile`.

    `on_trace_ready` is called with the profile at its end, with a `schedule` at the end of each
    turn of active steps (`step()` says that the next begins). Shapes and modules are always noted,
    and of the `activities` only the processor's are there.

    Raises: NotImplementedError for what is not measured: memory, stacks, FLOPs.

    >>> import rushlight as torch
    >>> with torch.profile() as p:
    ...     _ = torch.ones(2).exp()
    >>> print(p.table().splitlines()[1].split()[:2])
    ['exp', '1']
    """
    for name, value in others.items():
        if name not in _UNMEASURED:
            raise TypeError(f"profile() got an unexpected keyword argument '{name}'")
        if value:
            raise NotImplementedError(f"rushlight's profiler has no {name}")
    return Profile(on_trace_ready) if schedule is None else _Scheduled(on_trace_ready, schedule)


def old_profile(enabled: bool = True, *, record_shapes: bool = False, **others: Any) -> Any:
    """`torch.autograd.profiler.profile`: the same; not enabled, nothing is measured."""
    return profile(record_shapes=record_shapes, **others) if enabled else nullcontext()


def kineto_available() -> bool:
    """False: the times are taken here, not by the Kineto library.

    >>> import rushlight as torch
    >>> torch.profiler.kineto_available()
    False
    """
    return False


@contextmanager
def record_function(name: str) -> Iterator[None]:
    """Name a block of code in the profile that is on, if one is.

    >>> import rushlight as torch
    >>> with torch.profile() as p, torch.profiler.record_function("double"):
    ...     _ = torch.ones(2) * 2
    >>> [event.name for event in p.events]
    ['mul', 'double']
    """
    if not _current:
        yield
        return
    with _current[-1].block(name, "block"):
        yield
