"""Follows one call of a function and collects what it does to tensors into graphs.

The function itself runs, with tensors whose values are still to come (`pending.py`). Every public
call on tensors is noted, and tried on the meta device to know what its result looks like. Where the
function asks for a value (`if x.sum() > 0:`), does what no graph can hold, or ends, the graph so
far is handed over to be compiled and is run: that is a break, and a new graph begins. So a call
does what it does eagerly, whatever it is; only the tensor work happens elsewhere.
"""

from __future__ import annotations

import contextlib
import operator
import traceback
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import rushlight as rl

from ..core import gates
from ..core.errors import fail
from ..core.overrides import MODES
from ..core.state import STATE
from ..core.tensor import Tensor
from ..export.handlers import property_name
from ..fx.node import map_aggregate
from ..optim.optimizer import (
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)
from .exc import Unsupported
from .pending import Pending, form_of, fulfil, pending
from .segment import Segment, state
from .steps import Ref, Step, as_written, frozen, place, site

# What a graph cannot hold, though a tensor without values would have an answer.
_BREAKS = frozenset(
    """
backward item tolist numpy requires_grad_ register_hook retain_grad data_ptr untyped_storage
storage set_ share_memory_ equal allclose is_nonzero is_shared apply_ map_ resize_ cuda
register_post_accumulate_grad_hook is_pinned pin_memory save load manual_seed
""".split()
)
_TOLD = frozenset(
    """
shape ndim dtype layout requires_grad is_leaf itemsize nbytes is_sparse is_nested is_quantized
""".split()
)  # properties that the form knows
_NOTED = frozenset("T mT H mH real imag data".split())  # properties that are views
_OPERATORS = frozenset(
    f"__{way}{name}__" for way in ("", "r", "i")
    for name in "add sub mul truediv pow mod floordiv matmul and or xor lshift rshift div".split()
) | frozenset(
    f"__{name}__" for name in "eq ne lt le gt ge invert getitem setitem len".split()
)  # fmt: skip
_REASONS = {
    "__bool__": "generic_jump TensorVariable()", "item": "Tensor.item()",
    "tolist": "Tensor.tolist()", "backward": "Tensor.backward()",
}  # fmt: skip
_CPU = rl.device("cpu")
_META = rl.device("meta")


class Follower:
    """The mode of public calls that follows one call of a function."""

    def __init__(
        self, compiled: Callable[[Segment], Callable[..., Any]], fullgraph: bool, given: Any
    ) -> None:
        self.compiled, self.fullgraph = compiled, fullgraph
        self.given = {id(one) for one in _tensors_in(given)}
        self.segment = Segment()
        self.waiting: list[weakref.ref[Pending]] = []
        self.refs: dict[int, Ref] = {}  # of the segment's inputs, by id
        self.forms: dict[int, tuple[Any, Tensor]] = {}  # of tensors from outside
        self.paused = 0
        self.ended = False
        self.names: dict[int, tuple[Any, str]] = {}  # of tensors that earlier segments computed
        self._unsure: Any = None  # a result that may have been given a name since

    # the call as a whole

    @contextlib.contextmanager
    def following(self) -> Iterator[None]:
        """The block in which public calls of this thread are noted."""
        hooks = [
            register_optimizer_step_pre_hook(self._before_step),
            register_optimizer_step_post_hook(self._after_step),
        ]
        before, STATE.follower = STATE.follower, self
        gates.enter_mode(self)
        try:
            yield
        finally:
            gates.leave_mode()
            STATE.follower = before
            for hook in hooks:
                hook.remove()

    def _before_step(self, *_: Any) -> None:
        if STATE.follower is self:
            self.stop("the step of an optimizer")
            self.paused += 1

    def _after_step(self, *_: Any) -> None:
        if STATE.follower is self:
            self.paused -= 1

    @contextlib.contextmanager
    def pause(self, reason: str) -> Iterator[None]:
        """A block that is no part of graphs."""
        self.stop(reason)
        self.paused += 1
        try:
            yield
        finally:
            self.paused -= 1

    def finish(self, result: Any) -> Any:
        """The end of the function: the last graph runs, and what it returns has values."""
        self.ended = True
        self._settle_name()
        self.run([one for one in _tensors_in(result) if type(one) is Pending])
        return result

    def settle(self, tensor: Any) -> None:
        """Somebody needs the values of a tensor."""
        with self._quiet():
            self.stop("a value is asked for", tensor)
        if type(tensor) is Pending:
            raise RuntimeError("the graph that computes this tensor failed")

    def stop(self, reason: str, asked: Any = ()) -> None:
        """A break: the graph so far is run, for the tensors in `asked` before all others.

        Raises: Unsupported with `fullgraph=True`.
        """
        if self.ended and not self.waiting:
            return
        frame = place()[1]
        summary = traceback.FrameSummary(
            frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name
        )
        if self.fullgraph and not self.ended:
            raise fail(
                Unsupported, reason,
                f"at {summary.filename}:{summary.lineno} in {summary.name}: with fullgraph=True"
                " a function must be one graph",
            )  # fmt: skip
        self.segment.stopped = (reason, summary)
        self._settle_name()
        self.run([one for one in _tensors_in(asked) if type(one) is Pending])

    @contextlib.contextmanager
    def _quiet(self) -> Iterator[None]:
        """A block in which calls go past this mode."""
        before = MODES.active
        MODES.active = [one for one in before if one is not self]
        try:
            yield
        finally:
            MODES.active = before

    def run(self, first: list[Any]) -> None:
        """Compile and run the graph; the tensors that wait for it have values then."""
        segment, self.segment = self.segment, Segment()
        alive = {id(one): one for ref in self.waiting if (one := ref()) is not None}
        waiting = list({**{id(one): one for one in first}, **alive}.values())
        self.waiting, self.refs, self.forms = [], {}, {}
        if not segment.steps:
            return
        segment.close()
        segment.outputs = [one._ref for one in waiting]
        for one in waiting:
            name = segment.name_of(one._ref)
            if name is not None:
                self.names[id(one)] = weakref.ref(one), name
        with self._quiet(), segment.modes():
            values = self.compiled(segment)(*segment.inputs)
        if not isinstance(values, (tuple, list)):
            values = [values]
        fulfil(waiting, list(values), {id(one) for one in segment.inputs})

    # a single call

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if self.paused or STATE.transforms or STATE.tracer is not None:
            return func(*args, **kwargs)
        name = getattr(func, "__name__", "")
        owner = getattr(func, "__self__", None)
        if isinstance(owner, property):
            return self._property(func, property_name(owner), args)
        if name in _BREAKS or (name.startswith("__") and name not in _OPERATORS):
            return self._aside(func, args, kwargs, name)
        return self._call(func, name, args, kwargs)

    def _property(self, func: Any, name: str, args: Any) -> Any:
        if func.__name__ == "__get__" and isinstance(args[0], Pending):
            if name == "device":
                return _CPU
            if name in ("is_cpu", "is_meta", "is_cuda"):
                return name == "is_cpu"
            if name in _TOLD:
                return func(args[0]._form)
        if func.__name__ == "__get__" and name in _NOTED:
            return self._call(func, name, args[:1], {})
        known = func.__name__ == "__get__" and type(args[0]) is not Pending
        return func(*args) if known else self._aside(func, args, {}, name)

    def _aside(self, func: Any, args: Any, kwargs: Any, name: str) -> Any:
        """A call that no graph can hold."""
        self.stop(_REASONS.get(name, f"call of {name}"), (args, kwargs))
        return func(*args, **kwargs)

    def _call(self, func: Any, name: str, args: Any, kwargs: Any) -> Any:
        tensors = _tensors_in((args, kwargs))
        if not all(map(self._plain, tensors)):
            return self._aside(func, args, kwargs, name)
        if self.segment.steps and self.segment.state != state():
            self.stop("inference mode begins or ends")
        for one in tensors:
            if type(one) is not Pending and id(one) not in self.forms:
                self.forms[id(one)] = one, form_of(one)
        try:
            frozen((args, kwargs))
            form = self._tried(func, name, args, kwargs, bool(tensors))
        except Exception:  # it will be raised again by the call itself, or there is an answer
            return self._aside(func, args, kwargs, name) if tensors else func(*args, **kwargs)
        changes = (name.endswith("_") and not name.endswith("__")) or name == "__setitem__"
        if not changes and not _tensors_in(form):
            return form if tensors else func(*args, **kwargs)
        return self._note(func, args, kwargs, form, tensors)

    def _plain(self, one: Any) -> bool:
        if type(one) is Pending:
            return one._follower is self
        return type(one._array) is np.ndarray and not one._inference and (
            type(one) in (Tensor, rl.nn.Parameter, rl.nn.Buffer)
        )  # fmt: skip

    def _named(self, one: Any) -> Any:
        """A tensor among arguments as the graph names it; what it did not make is an input."""
        if type(one) is Pending:
            return one._ref
        if not isinstance(one, Tensor):
            return one
        if id(one) not in self.refs:
            self.refs[id(one)] = Ref("input", len(self.segment.inputs))
            known, name = self.names.get(id(one), (lambda: None, None))
            self.segment.enter(one, name if known() is one else None)
        return self.refs[id(one)]

    def _form(self, one: Any) -> Any:
        if isinstance(one, Tensor):
            return one._form if type(one) is Pending else self.forms[id(one)][1]
        return _META if isinstance(one, rl.device) and one == _CPU else one

    def _tried(self, func: Any, name: str, args: Any, kwargs: Any, given: bool) -> Any:
        """What the result looks like."""
        args, kwargs = map_aggregate((args, kwargs), self._form)
        if kwargs.get("device") == "cpu" or not given:
            kwargs["device"] = _META
        if name in ("to", "cpu") and isinstance(args[0], Tensor):
            args = tuple(_META if one == "cpu" else one for one in args)
            if name == "cpu":
                return args[0]
        form = func(*args, **kwargs)
        wrong = [one for one in _tensors_in(form) if not one.is_meta]
        if wrong or not _nested_once(form):
            raise NotImplementedError(name)
        return form

    def _note(self, func: Any, args: Any, kwargs: Any, form: Any, tensors: list[Any]) -> Any:
        caller, user = place()
        self._settle_name()
        here = site(caller.f_code, caller.f_lasti)
        for one in tensors if caller is not user else ():
            if id(one) not in self.given:  # a layer's own come before what it is given
                self._named(one)
        op, target, noted = as_written(func, args, here.operation)
        noted, named = map_aggregate((noted, kwargs), self._named)
        step = Step(op, target, noted, named, form)
        step.where = traceback.FrameSummary(
            user.f_code.co_filename, user.f_lineno, user.f_code.co_name, lookup_line=False
        )
        index = self.segment.add(step)
        same = {id(self._form(one)): one for one in tensors}
        if target is operator.setitem:
            return None
        result = self._results(form, index, same)
        direct = caller is user
        names = here.names if direct else site(user.f_code, user.f_lasti).names
        self._name(step, names, result, None if direct else user)
        return result

    def _place(self, one: Any, ref: Ref) -> None:
        if type(one) is Pending:
            one.__dict__["_ref"] = ref
        else:
            self.refs[id(one)] = ref

    def _results(self, form: Any, index: int, same: dict[int, Any]) -> Any:
        """Tensors that look like the parts of `form`; an argument that is given back is itself."""

        def made(one: Any, ref: Ref) -> Any:
            if not isinstance(one, Tensor):
                return one
            given = id(one) in same
            tensor = same[id(one)] if given else pending(self, one)
            self._place(tensor, ref)
            if not given:
                self.waiting.append(weakref.ref(tensor))
            return tensor

        if not isinstance(form, (tuple, list)):
            return made(form, Ref("step", index))
        parts = [made(one, Ref("step", index, part)) for part, one in enumerate(form)]
        return type(form)(*parts) if hasattr(form, "_fields") else type(form)(parts)

    def _name(self, step: Step, names: tuple[str, ...], result: Any, frame: Any) -> None:
        """Results are called what the program calls them."""
        if frame is not None:
            if len(names) == 1 and type(result) is Pending:
                self._unsure = step, names[0], weakref.ref(result), frame
        elif isinstance(result, (tuple, list)):
            step.names.update(enumerate(names) if len(names) == len(result) else ())
        elif len(names) == 1:
            step.names[None] = names[0]

    def _settle_name(self) -> None:
        """Whether what a part of the library gave last is what the program's line stored."""
        if self._unsure is not None:
            step, name, result, frame = self._unsure
            self._unsure = None
            found = result()
            if found is not None and frame.f_locals.get(name) is found:
                step.names[None] = name


def _tensors_in(value: Any) -> list[Tensor]:
    found: list[Tensor] = []

    def look(one: Any) -> None:
        if isinstance(one, Tensor):
            found.append(one)

    map_aggregate(value, look)
    return found


def _nested_once(form: Any) -> bool:
    """Whether a result is a tensor or a sequence of such, as graphs can take apart."""
    if not isinstance(form, (tuple, list)):
        return form is None or isinstance(form, Tensor) or not _tensors_in(form)
    return all(not isinstance(one, (tuple, list, dict)) or not _tensors_in(one) for one in form)
