"""Optimisers that treat every element alike: one rule per algorithm, run over many parameters.

Small parameters of one dtype are copied side by side into a *bucket*, so that a rule's dozen array
operations are paid once per bucket instead of once per parameter; their state (`exp_avg` ...) lives
in the bucket for good, and `optimizer.state` holds views of it.  Large parameters are updated where
they are, in blocks that stay in cache.  Whatever is not a plain float array (complex, half
precision, differentiable, traced) takes the same rule tensor by tensor.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from operator import is_
from typing import Any, ClassVar

import numpy as np

import rushlight as rl

from ..core.state import STATE
from ..core.tape import mark_written
from ..core.tensor import EAGER_TYPES
from . import halves
from .checks import check_fused_param
from .flat import Flat
from .optimizer import Grouped
from .programs import BLOCKS, Update, worthwhile

FLOATS = frozenset({np.dtype(np.float32), np.dtype(np.float64)})
SMALL = 4096  # elements: above it copying costs more than the calls it saves
BUCKET = 65536
BLOCK = 32768  # parameter, gradient, states and temporaries of a block fit the second-level cache


def number(value: Any) -> Any:
    """A hyperparameter as a Python number; tensors of one element and NumPy scalars too.

    In a trace a tensor stays one, in double precision: its number may differ at the next run.
    Where the step itself is recorded, one with a gradient stays as it is.
    """
    if type(value) is float or type(value) is int:
        return value
    if isinstance(value, rl.Tensor):
        if STATE.tracer is not None:
            return value.double()
        if value.requires_grad and rl.is_grad_enabled():
            return value
    return value.item() if hasattr(value, "item") else value


def rate(group: dict[str, Any]) -> Any:
    """The learning rate of a group; in a trace a tensor, for it may differ at the next run.

    Of what stands for a number there, `__class__` is the number's, and `type` is not.
    """
    lr = group["lr"]
    return STATE.tracer.scalar(group, "lr") if STATE.tracer and lr.__class__ is float else lr


def moved(group: dict[str, Any]) -> dict[str, Any]:
    """A group in a trace: what schedules move is a tensor, which may differ at the next run."""
    found = {**group, "lr": rate(group)}
    if "max_momentum" in group and group.get("momentum").__class__ is float:
        found["momentum"] = STATE.tracer.scalar(group, "momentum")
    elif "max_momentum" in group and "betas" in group:
        first, *rest = group["betas"]
        first = STATE.tracer.scalar(group, ("betas", 0)) if first.__class__ is float else first
        found["betas"] = (first, *rest)
    return found


def nearer(mean: Any, value: Any, weight: Any) -> Any:
    """`mean.lerp_(value, weight)`; a weight that is a tensor in a trace takes the mean's type."""
    return mean.lerp_(value, weight.to(mean.dtype) if isinstance(weight, rl.Tensor) else weight)


def descent(param: Any, grad: Any, group: dict[str, Any], lr: Any = None) -> Any:
    """The gradient that a rule follows: of what is to become small, with the weight decay in it.

    Decoupled decay, as AdamW's, shrinks `param` instead: by `lr` times the decay.
    """
    if group["maximize"]:
        grad = -grad
    decay = number(group["weight_decay"])
    if decay == 0:
        return grad
    if group.get("decoupled_weight_decay"):
        param.mul_(1 - lr * decay)
        return grad
    if isinstance(decay, rl.Tensor):  # its gradient needs what the step overwrites
        param = param.clone()
    return grad.add(param, alpha=decay)


def at_least(value: Any, low: float) -> Any:
    """The larger of a number, which is a tensor in a trace, and a bound."""
    return value.clamp(min=low) if isinstance(value, rl.Tensor) else max(low, value)


def scalar_dtype(fused: bool = False) -> Any:
    """The dtype of step counters: float64 where that is the default dtype, else float32.

    Optimisers that were asked for fused steps count in float32.
    """
    return rl.float64 if rl.get_default_dtype() == rl.float64 and not fused else rl.float32


def _orders(arrays: list[np.ndarray]) -> list[tuple[int, ...]] | None:
    """The axes of each array from the outermost in memory on; None where all lie in rows."""
    if all(array.flags.c_contiguous for array in arrays):
        return None
    return [tuple(np.argsort([-step for step in a.strides], kind="stable")) for a in arrays]


class Bucket:
    """Parameters updated by one call of the rule, and where their state lives."""

    def __init__(
        self, params: list, states: list[dict], optimizer: Elementwise, names, native: bool
    ) -> None:
        self.params = params
        self.native = native
        self.states = states
        self.fresh = False
        arrays = [param._array for param in params]
        self.orders = _orders(arrays)  # state lies in memory as its parameter
        self.shapes = [array.shape for array in self._turned(arrays)]
        self.sizes = [param._array.size for param in params]
        total = sum(self.sizes)
        self.packed = total <= BUCKET
        self.room = -(-total // BLOCKS[-1]) * BLOCKS[-1] if native and self.packed else total
        self.slots: dict[str, np.ndarray] = {}
        self.scalars: dict[str, Flat] = {}
        if self.packed:
            dtype = params[0]._array.dtype
            self.param, self.grad = np.zeros(self.room, dtype), np.zeros(self.room, dtype)
            self.pieces = self._turned(self._cut(self.param))
        for name in names:
            self.slots[name] = self._adopt(name)
        for name in optimizer._scalars:
            self.scalars[name] = self._adopt_scalar(name)
        self.kept = [list(state.values()) for state in states]

    def _turned(self, arrays: list[np.ndarray]) -> list[np.ndarray]:
        """Arrays with the parameters' shapes, seen as the parameters lie in memory."""
        if self.orders is None:
            return arrays
        return [array.transpose(order) for array, order in zip(arrays, self.orders)]

    def _cut(self, flat: np.ndarray) -> list[np.ndarray]:
        ends = np.cumsum(self.sizes).tolist()
        pieces = [
            flat[end - size : end].reshape(shape)
            for end, size, shape in zip(ends, self.sizes, self.shapes)
        ]
        if self.orders is None:
            return pieces
        return [piece.transpose(np.argsort(order)) for piece, order in zip(pieces, self.orders)]

    def _adopt(self, name: str) -> np.ndarray:
        """One flat array for all the parameters' state `name`, which become views of it."""
        arrays = self._turned([state[name]._array for state in self.states])
        dtype = self.params[0]._array.dtype
        plain = arrays[0].flags.c_contiguous and arrays[0].dtype == dtype
        if not self.packed and plain:
            return arrays[0].reshape(-1)
        flat = np.zeros(self.room, dtype)
        np.concatenate([array.ravel() for array in arrays], out=flat[: sum(self.sizes)])
        for state, view in zip(self.states, self._cut(flat)):
            state[name] = rl.from_numpy(view)
        return flat

    def _adopt_scalar(self, name: str) -> Flat:
        arrays = [state[name]._array for state in self.states]
        if len(arrays) == 1:
            return Flat(arrays[0])
        flat = np.stack(arrays)
        for index, state in enumerate(self.states):
            state[name] = rl.from_numpy(flat[index : index + 1].reshape(()))
        return Flat(flat)

    def holds(self, table: dict) -> bool:
        """Whether the optimiser's state is still the one this bucket was made of."""
        if not (self.slots or self.scalars):
            return True
        for param, state, kept in zip(self.params, self.states, self.kept):
            if table.get(param) is not state or len(state) != len(kept):
                return False
            if not all(map(is_, state.values(), kept)):
                return False
        return True

    def run(self, optimizer: Elementwise, group: dict, arrays: list, grads: list) -> None:
        """Update the parameters' arrays in place."""
        written, arrays, grads = arrays, self._turned(arrays), self._turned(grads)
        numbers = optimizer._advance(self.scalars, group, self.fresh)
        self.fresh = False
        update = Update(optimizer._update, group, numbers) if self.native else None
        rule = partial(optimizer._update, numbers=numbers, group=group)
        if self.packed:
            total = sum(self.sizes)
            np.concatenate([array.ravel() for array in arrays], out=self.param[:total])
            np.concatenate([grad.ravel() for grad in grads], out=self.grad[:total])
            self._run_blocks(rule, update, self.param, self.grad)
            for array, piece in zip(arrays, self.pieces):
                array[...] = piece
        else:
            array, grad = arrays[0], np.ascontiguousarray(grads[0]).reshape(-1)
            flat = array.reshape(-1)
            self._run_blocks(rule, update, flat, grad)
            if not array.flags.c_contiguous:
                array[...] = flat.reshape(array.shape)
        for array in written:
            mark_written(array)

    def _run_blocks(self, rule: Callable, update: Update | None, param, grad) -> None:
        done = 0 if update is None else update.run(param, grad, self.slots)
        for start in range(done, param.size, BLOCK):
            cut = slice(start, start + BLOCK)
            state = {name: Flat(slot[cut]) for name, slot in self.slots.items()}
            rule(Flat(param[cut]), Flat(grad[cut]), state)


class Plan:
    """The buckets of one parameter group."""

    def __init__(self, params: list, arrays: list, names: tuple, buckets: list[Bucket]) -> None:
        self.params = params
        self.shapes = [array.shape for array in arrays]
        self.dtypes = [array.dtype for array in arrays]
        self.names = names
        self.buckets = buckets
        place = {id(param): index for index, param in enumerate(params)}
        self.places = [[place[id(param)] for param in bucket.params] for bucket in buckets]

    def fits(self, params: list, arrays: list, names: tuple, table: dict) -> bool:
        """Whether this plan still describes these parameters and their state."""
        return (
            len(params) == len(self.params)
            and names == self.names
            and all(map(is_, params, self.params))
            and [array.shape for array in arrays] == self.shapes
            and [array.dtype for array in arrays] == self.dtypes
            and all(bucket.holds(table) for bucket in self.buckets)
        )


# Options younger than old checkpoints, which may lack them, and what they are there.
LATE = {"maximize": False, "foreach": None, "differentiable": False}


class Elementwise(Grouped):
    """An optimiser given by `_slots`, `_advance` and `_update`.

    `_slots(group)` names the state that has the parameter's shape, `_scalars` the state that is one
    number.  `_advance(scalars, group, fresh)` runs once per step and returns what `_update` needs;
    `_update(param, grad, state, numbers, group)` is the rule, in place, on tensors or `Flat`s.
    """

    _scalars: ClassVar[tuple[str, ...]] = ("step",)
    _late_options: ClassVar[dict[str, Any]] = {}  # the algorithm's own, beside LATE
    _refuses_sparse: ClassVar[str | None] = "{} does not support sparse gradients"

    def _slots(self, group: dict) -> tuple[str, ...]:
        raise NotImplementedError

    def _advance(self, scalars: dict, group: dict, fresh: bool) -> Any:
        raise NotImplementedError

    def _update(self, param, grad, state: dict, numbers, group: dict) -> None:
        raise NotImplementedError

    def _new_slot(self, name: str, param, group: dict):
        return rl.zeros_like(param)

    def _new_scalar(self, name: str, group: dict) -> float:
        return 0.0

    def __getstate__(self) -> dict[str, Any]:
        return super().__getstate__()

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._plans: dict[int, Plan] = {}
        for group in self.param_groups:
            for name, default in {**LATE, **self._late_options}.items():
                group.setdefault(name, default)

    def _step_group(self, index: int, group: dict[str, Any]) -> None:
        params, arrays, grads, others = [], [], [], []
        plain = not group.get("differentiable") and STATE.tracer is None
        ndarray = np.ndarray
        for param in group["params"]:
            array = param._array
            usual = plain and type(array) is ndarray and type(param) in EAGER_TYPES
            grad = param._grad if usual else param.grad  # a property, of classes with one of theirs
            if grad is None:
                continue
            slope = grad._array
            if (
                usual
                and type(slope) is ndarray
                and (dtype := array.dtype) is slope.dtype
                and array.shape == slope.shape
                and dtype in FLOATS
            ):
                params.append(param)
                arrays.append(array)
                grads.append(slope)
            else:
                others.append(param)
        if params:
            self._step_arrays(index, group, params, arrays, grads)
        for param in others:
            self._step_tensor(param, group)

    def _step_arrays(self, index: int, group: dict, params: list, arrays: list, grads: list):
        names = self._slots(group)
        plans = self.__dict__.setdefault("_plans", {})
        plan = plans.get(index)
        if plan is None or not plan.fits(params, arrays, names, self.state):
            plan = plans[index] = self._make_plan(params, arrays, names, group)
        for bucket, places in zip(plan.buckets, plan.places):
            bucket.run(self, group, [arrays[i] for i in places], [grads[i] for i in places])

    def _make_plan(self, params: list, arrays: list, names: tuple, group: dict) -> Plan:
        """Put together the parameters that share dtype, scalars and freshness."""
        drafts: dict[Any, list] = {}
        closed: list[tuple[bool, list]] = []
        for param, array in zip(params, arrays):
            state, fresh = self._prepare(param, group, names)
            if array.size > SMALL:
                closed.append((fresh, [(param, state)]))
                continue
            scalars = tuple(state[name].item() for name in self._scalars)
            key = (array.dtype, fresh, scalars)
            draft = drafts.setdefault(key, [])
            draft.append((param, state))
            if sum(member._array.size for member, _ in draft) > BUCKET - SMALL:
                closed.append((fresh, drafts.pop(key)))
        closed += [(key[1], draft) for key, draft in drafts.items()]
        buckets, native = [], worthwhile(sum(array.size for array in arrays))
        for fresh, members in closed:
            owners, states = [m[0] for m in members], [m[1] for m in members]
            bucket = Bucket(owners, states, self, names, native)
            bucket.fresh = fresh
            buckets.append(bucket)
        return Plan(params, arrays, names, buckets)

    def _prepare(self, param, group: dict, names: tuple) -> tuple[dict, bool]:
        """The parameter's state with every entry present, and whether a slot had to be made."""
        if not (names or self._scalars):
            return {}, False
        state = self.state[param]
        for name in self._scalars:
            value = state.get(name)
            if not isinstance(value, rl.Tensor):
                value = self._new_scalar(name, group) if value is None else float(value)
                state[name] = rl.tensor(value, dtype=scalar_dtype(bool(group.get("fused"))))
        fresh = False
        for name in names:
            if state.get(name) is None:
                fresh = True
                state[name] = self._new_slot(name, param, group)
        return state, fresh

    def _by_rows(self, group: dict) -> bool:
        """Whether the rule leaves what has a gradient of zero, and its state, as it is."""
        return False

    def _step_rows(self, param, grad, group: dict[str, Any]) -> None:
        """The rule on the rows of a table that a sparse gradient names."""
        names = self._slots(group)
        rows = grad.indices()[0]
        with rl.no_grad():
            state, fresh = self._prepare(param, group, names)
            numbers = self._advance({name: state[name] for name in self._scalars}, group, fresh)
            slots = {name: state[name][rows] for name in names}
            part = param.detach()[rows]
            self._update(part, grad.values(), slots, numbers, group)
            param[rows] = part
            for name in names:
                state[name][rows] = slots[name]

    def _step_tensor(self, param, group: dict[str, Any]) -> None:
        """The same rule on one parameter's tensors."""
        grad = param.grad
        if group.get("fused"):
            check_fused_param(param)
        if grad.is_sparse:
            if self._refuses_sparse is not None:
                raise RuntimeError(self._refuses_sparse.format(type(self).__name__))
            if self._by_rows(group) and grad.sparse_dim() == 1:
                return self._step_rows(param, grad.coalesce(), group)
            grad = grad.to_dense()
        differentiable = group.get("differentiable", False)
        names = self._slots(group)
        with rl.set_grad_enabled(differentiable):
            state, fresh = self._prepare(param, group, names)
            if differentiable:  # the graph of the last step still reads the old values
                for name in names:
                    state[name] = state[name].clone()
            scalars = {name: state[name] for name in self._scalars}
            if STATE.tracer is not None:
                group = moved(group)
            numbers = self._advance(scalars, group, fresh)
            slots = {name: state[name] for name in names}
            if param.is_complex():
                param, grad = rl.view_as_real(param), rl.view_as_real(grad)
                slots = {name: rl.view_as_real(slot) for name, slot in slots.items()}
            quick = not differentiable and STATE.tracer is None
            if not (quick and halves.update(self._update, param, grad, slots, numbers, group)):
                self._update(param, grad, slots, numbers, group)
