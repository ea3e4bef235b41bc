"""Gradients of several processes: gathered in buckets, summed over the processes, handed back.

A bucket is one piece of memory for the gradients of several parameters, so that a network with a
hundred small parameters needs a few sums over processes and not a hundred. Buckets follow the
parameters from the last to the first, as backward reaches them, and their sums are started in that
order on every process, whatever order the gradients came in.

Source: Li et al. 2020, https://arxiv.org/abs/2006.15704
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Collection, Sequence
from typing import Any

import rushlight as rl

from ...core.errors import fail
from ...core.state import STATE

dist: Any = rl.distributed
UNFINISHED = (
    "Expected to have finished reduction in the prior iteration before starting a new one. This"
    " error indicates that your module has parameters that were not used in producing loss. You can"
    " enable unused parameter detection by passing the keyword argument"
    " `find_unused_parameters=True` to `torch.nn.parallel.DistributedDataParallel`, and by making"
    " sure all `forward` function outputs participate in calculating loss."
)
TWICE = (
    "Expected to mark a variable ready only once. This error is caused by one of the following"
    " reasons: 1) Use of a module parameter outside the `forward` function. 2) Reused parameters in"
    " multiple reentrant backward passes."
)


class Bucket:
    """Some parameters of one data type, and the memory in which their gradients are summed."""

    def __init__(self, places: list[int], parameters: list[Any]) -> None:
        self.places, self.parameters = places, parameters
        self.buffer = rl.zeros(sum(p.numel() for p in parameters), dtype=parameters[0].dtype)
        self.cut()
        self.waiting = len(places)
        self.under_way: Any = None  # what tells when the sum is there

    def nothing(self) -> None:
        """Hold zeros, in new memory."""
        self.buffer = self.buffer.new_zeros(self.buffer.shape)
        self.cut()

    def cut(self) -> None:
        """Give every parameter its part of the buffer."""
        parts = self.buffer.split([p.numel() for p in self.parameters])
        self.views = [part.view(p.shape) for part, p in zip(parts, self.parameters)]

    def clear(self) -> None:
        """Wait for all gradients again."""
        self.waiting, self.under_way = len(self.places), None


class SparseBucket(Bucket):
    """One parameter whose gradients are sparse: their entries are summed as they are."""

    def __init__(self, place: int, parameter: Any) -> None:
        self.places, self.parameters, self.views = [place], [parameter], [None]
        self.waiting, self.under_way = 1, None
        self.nothing()

    def nothing(self) -> None:
        """Hold no entries."""
        self.buffer = rl.zeros_like(self.parameters[0]).to_sparse(1)

    def take(self, gradient: Any) -> None:
        """Hold a gradient, or nothing for None; one that came dense is made sparse."""
        if gradient is None:
            self.nothing()
        else:
            self.buffer = (gradient if gradient.is_sparse else gradient.to_sparse(1)).coalesce()


class Reducer:
    """What makes the gradients of one module's parameters the same on all processes."""

    def __init__(
        self, named: list[tuple[str, Any]], group: Any, caps: Sequence[float],
        sparse: Collection[str] = (),
    ) -> None:  # fmt: skip
        self.names = [name for name, _ in named]
        self.parameters = [parameter for _, parameter in named]
        self.group = group
        self.size = dist.get_world_size(group)
        self.as_views = self.find_unused = self.static = False
        self.hook: tuple[Any, Callable[..., Any]] | None = None
        self.count: Any = None  # of processes that still have inputs, a tensor; None: all
        dense = [i for i, name in enumerate(self.names) if name not in sparse]
        of_dense = [self.parameters[i] for i in dense]
        self.buckets: list[Any] = [
            Bucket([dense[i] for i in places], [of_dense[i] for i in places])
            for places in dist.algorithms.buckets.layout(of_dense, caps)
        ]
        self.buckets += [
            SparseBucket(i, self.parameters[i])
            for i in reversed(range(len(self.names))) if self.names[i] in sparse
        ]  # fmt: skip
        self.home = {
            place: (bucket, slot)
            for bucket in self.buckets
            for slot, place in enumerate(bucket.places)
        }
        self.expecting = self.queued = False
        self.ready: set[int] = set()
        self.launched = 0
        me: Any = weakref.ref(self)
        self.hooks = [
            parameter.register_post_accumulate_grad_hook(functools.partial(_arrived, me, place))
            for place, parameter in enumerate(self.parameters)
        ]

    def __del__(self) -> None:
        for hook in getattr(self, "hooks", ()):
            hook.remove()

    def prepare(self) -> None:
        """Expect the gradients of a backward pass; RuntimeError if the last one left some out."""
        if self.ready and self.expecting:
            missing = [i for i in range(len(self.parameters)) if i not in self.ready]
            rank = dist.get_rank(self.group)
            raise fail(
                RuntimeError,
                UNFINISHED,
                f"Parameter indices which did not receive grad for rank {rank}: "
                + " ".join(map(str, missing)),
                "by name: " + ", ".join(self.names[i] for i in missing),
            )
        self._rest()
        self.expecting = True

    def _rest(self) -> None:
        self.expecting = self.queued = False
        self.ready.clear()
        self.launched = 0
        for bucket in self.buckets:
            bucket.clear()

    def arrived(self, place: int) -> None:
        """A parameter has its gradient."""
        if not self.expecting:
            return
        not_compiled()
        if not self.queued:
            self.queued = True
            rl.autograd.Variable._execution_engine.queue_callback(self.finish)
        if self.static:
            self.ready.add(place)  # it may come again: all are taken at the end
            return
        if place in self.ready:
            raise fail(RuntimeError, TWICE, f"the parameter is {self.names[place]}")
        self.ready.add(place)
        self._take(place)
        if not self.find_unused:  # there a question to all processes comes first
            self._launch()

    def _take(self, place: int) -> None:
        """Copy a gradient into its bucket."""
        bucket, slot = self.home[place]
        view, gradient = bucket.views[slot], self.parameters[place].grad
        bucket.waiting -= 1
        with rl.no_grad():
            if view is None:
                bucket.take(gradient)
            elif gradient is None:
                view.zero_()
            elif gradient.is_sparse:
                raise fail(
                    RuntimeError,
                    f"the gradient of {self.names[place]} is sparse",
                    "only those of nn.Embedding and nn.EmbeddingBag may be: they say so ahead",
                )
            elif gradient is not view:
                view.copy_(gradient)

    def divisor(self) -> float:
        """By how much a sum is divided: the processes, or those that still have inputs."""
        return self.size if self.count is None else self.count.item()

    def _launch(self) -> None:
        """Start the sums of buckets that are full, in order."""
        while self.launched < len(self.buckets) and not self.buckets[self.launched].waiting:
            bucket = self.buckets[self.launched]
            bucket.under_way = self.start(bucket.buffer, self.launched)
            self.launched += 1

    def start(self, buffer: Any, index: int) -> Any:
        """Start the sum of one bucket's buffer; returns what to wait for."""
        last = index == len(self.buckets) - 1
        if self.hook is None:  # nothing is left to do beside the last one
            with rl.no_grad():
                buffer.mul_(1.0 / self.divisor())
            return dist.all_reduce(buffer, group=self.group, async_op=not last)
        state, hook = self.hook
        parts = [buffer]
        if not buffer.is_sparse:
            parts = buffer.split([p.numel() for p in self.buckets[index].parameters])
        return hook(
            state,
            dist.GradBucket(index, last, buffer, parts, self.buckets[index].parameters),
        )

    def finish(self) -> None:
        """At the end of backward: wait for all sums and hand them to the parameters."""
        self.queued = False
        if not self.expecting:
            return
        leave: set[int] = set()
        if self.find_unused or self.static:
            leave = self._settle_unused()
        if self.launched < len(self.buckets):
            return  # another backward may bring the rest; if not, the next forward complains
        self._hand_all(leave)

    @rl.no_grad()
    def _hand_all(self, leave: set[int]) -> None:
        """Wait for all sums and hand them to the parameters, except those to be left alone."""
        for bucket in self.buckets:
            self._wait(bucket)
            for place, parameter, view in zip(bucket.places, bucket.parameters, bucket.views):
                if place not in leave:
                    if view is None:
                        parameter.grad = bucket.buffer
                    else:
                        self._hand(parameter, view)
        self._rest()

    def _wait(self, bucket: Bucket) -> None:
        """Wait for a bucket's sum, and put it where it belongs."""
        found: Any = None if bucket.under_way is None else bucket.under_way.wait()
        if self.hook is None or found is bucket.buffer:
            return
        if bucket.buffer.is_sparse or found.data_ptr() != bucket.buffer.data_ptr():
            bucket.buffer.copy_(found)

    def _hand(self, parameter: Any, view: Any) -> None:
        if self.as_views:
            parameter.grad = view
        elif parameter.grad is None:
            parameter.grad = view.clone()
        else:
            parameter.grad.copy_(view)

    def _settle_unused(self) -> set[int]:
        """Start what waits for parameters without gradients; those that no process has used."""
        used = self.used_map(self.ready)
        nowhere = {place for place, count in enumerate(used.tolist()) if not count}
        if self.static:
            missing = set(range(len(self.parameters)))
        else:
            missing = set(range(len(self.parameters))) - self.ready
        for place in sorted(missing):
            parameter = self.parameters[place]
            if place in nowhere and self.as_views and parameter.grad is not None:
                parameter.grad = parameter.grad.clone()  # its old memory is about to be summed
            self._take(place)
        self.ready.update(missing)
        self._launch()
        return nowhere

    def used_map(self, ready: set[int]) -> Any:
        """How many processes have used each parameter."""
        used = rl.tensor([int(i in ready) for i in range(len(self.parameters))], dtype=rl.int32)
        dist.all_reduce(used, group=self.group)
        return used

    def shadow(self) -> None:
        """Take part in the sums of others with zeros, for a process without inputs of its own."""
        nowhere: set[int] = set()
        if self.find_unused or self.static:
            nowhere = {i for i, n in enumerate(self.used_map(set()).tolist()) if not n}
        for index, bucket in enumerate(self.buckets):
            bucket.nothing()
            bucket.under_way = self.start(bucket.buffer, index)
        self._hand_all(nowhere)


def not_compiled() -> None:
    """End a trace: what several processes do together is no part of a program."""
    if STATE.tracer is not None:
        STATE.tracer.stop(
            "gradients are summed over processes: compile the module inside of"
            " DistributedDataParallel"
        )


def _arrived(reducer: weakref.ref[Reducer], place: int, parameter: Any) -> None:
    if (me := reducer()) is not None:
        me.arrived(place)
