"""What a backward pass from here would do, in words: `explain`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from html import escape
from typing import Any

import numpy as np

from ..core.cuts import Cut, cut_of, cuts
from ..core.dispatch import node_name
from ..core.state import STATE
from ..core.tape import FREED, HOOKS, INPUTS, LEAF, PARENTS, PRIM, Entry
from ..core.tensor import Tensor
from .picture import Tape, names_in, shape_text, tensors_in
from .places import CUT_OPERANDS, line_of, module_of

# Their derivative is zero wherever it exists, so nothing but zeros passes them.
FLAT = frozenset(("sign", "sgn", "floor", "ceil", "round", "trunc", "heaviside", "zeros_like"))


class Explanation:
    """What `explain` found; printed, it is a text of a few lines.

    `reached`: names of leaves that get a gradient; `missed`: names of those that do not, with the
    reason; `cuts`: where the chain was cut; `flat`: operations that let only zeros pass.
    """

    def __init__(self, head: str) -> None:
        self.head = head
        self.reached: dict[str, str] = {}
        self.missed: dict[str, str] = {}
        self.cuts: list[str] = []
        self.flat: list[str] = []
        self.notes: list[str] = []

    def __str__(self) -> str:
        lines = [self.head]
        if self.reached:
            count = len(self.reached)
            lines.append(f"{count} {'leaf gets' if count == 1 else 'leaves get'} a gradient:")
            lines += [f"  {name}: {how}" for name, how in self.reached.items()]
        if self.missed:
            lines.append("without a gradient:")
            lines += [f"  {name}: {why}" for name, why in self.missed.items()]
        if self.flat:
            lines.append("only zeros pass through:")
            lines += [f"  {one}" for one in self.flat]
        if self.cuts:
            lines.append("the chain was cut:")
            lines += [f"  {one}" for one in self.cuts]
        return "\n".join([*lines, *self.notes])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return f"<pre>{escape(str(self))}</pre>"


def explain(value: Any, names: Any = None) -> Explanation:
    """Which leaves get gradients from `value`, which do not and why, and where the chain was cut.

    names: a module or a mapping name -> tensor of those that ought to get one; otherwise parameters
    and tensors that require grad among the caller's variables are looked at. Cuts by `detach()`,
    `.data`, `numpy(force=True)`, casts to integers and `no_grad()` are known with their lines; more
    of them are matched to operations, and operations have lines, inside `record_lines()`.
    Raises TypeError for what holds no tensor.

    >>> import rushlight as torch
    >>> w, b = torch.ones(2, requires_grad=True), torch.zeros(2, requires_grad=True)
    >>> print(torch.explain((w * b.detach()).sum()))  # doctest: +ELLIPSIS
    a scalar of float32 from SumBackward0, with 2 recorded operations behind it
    1 leaf gets a gradient:
      w: 2, through MulBackward0
    without a gradient:
      b: only used after detach() at <doctest ...
    the chain was cut:
      operand 1 of MulBackward0 is the result of detach() at <doctest ...
    """
    outputs = tensors_in(value)
    if not outputs:
        raise TypeError(f"explain() explains tensors, not {type(value).__name__}")
    known, _ = names_in(sys._getframe(1), names)
    candidates = _candidates(sys._getframe(1), names)
    tape = Tape(outputs, known)
    found = Explanation(_head(outputs, tape))
    for leaf, users in _users(tape).items():
        one = tape.leaves[leaf]
        through = ", ".join(dict.fromkeys(node_name(entry) for entry in users[:3]))
        more = f" and {len(users) - 3} more" if len(users) > 3 else ""
        text = f"{shape_text(one._array.shape)}, through {through}{more}"
        found.reached[tape.name(one) or f"leaf {len(found.reached) + 1}"] = text
    _cut_operands(found, tape)
    for name, one in candidates.items():
        if id(one) not in tape.leaves and not any(one is out for out in outputs):
            found.missed[name] = _why_missed(one)
    _flat(found, tape)
    if not tape.entries:
        _no_history(found, outputs)
    return found


def _head(outputs: list[Tensor], tape: Tape) -> str:
    first = outputs[0]
    entry = first._entry
    shape = shape_text(first._array.shape)
    kind = f"a {shape} of {first.dtype.name}" if shape == "scalar" else (
        f"a tensor of {first.dtype.name}, {shape}"
    )  # fmt: skip
    if len(outputs) > 1:
        kind = f"{len(outputs)} tensors, the first {kind}"
    if entry is None:
        return f"{kind}, without history: backward() cannot start here"
    if entry is LEAF:
        return f"{kind}, a leaf: its gradient is what backward() is given"
    where = f" at {line_of(entry)}" if line_of(entry) else ""
    module = f" in {module_of(entry)}" if module_of(entry) else ""
    count = len(tape.entries)
    behind = f"{count} recorded operation{'' if count == 1 else 's'} behind it"
    freed = any(entry[INPUTS] is FREED for entry in tape.entries)
    after = "; backward() has run: what it kept is given back" if freed else ""
    return f"{kind} from {node_name(entry)}{where}{module}, with {behind}{after}"


def _candidates(frame: Any, given: Any) -> dict[str, Tensor]:
    """The tensors that the reader may expect to get a gradient, by name."""
    if hasattr(given, "named_parameters"):
        return dict(given.named_parameters())
    if given is not None:
        return {str(name): x for name, x in dict(given).items() if isinstance(x, Tensor)}
    found: dict[str, Tensor] = {}
    scopes: list[Mapping[str, Any]] = [frame.f_locals]
    if frame.f_locals is not frame.f_globals:
        scopes.append(frame.f_globals)
    for scope in scopes:
        for name, x in list(scope.items()):
            if name.startswith("_") or isinstance(x, type):
                continue
            if isinstance(x, Tensor):
                if x._entry is LEAF:
                    found.setdefault(name, x)
            elif hasattr(x, "named_parameters"):
                found.update((f"{name}.{path}", p) for path, p in x.named_parameters())
    return found


def _users(tape: Tape) -> dict[int, list[Entry]]:
    """The operations that read each leaf."""
    found: dict[int, list[Entry]] = {}
    for entry in tape.entries:
        for parent in entry[PARENTS]:
            if isinstance(parent, Tensor):
                found.setdefault(id(parent), []).append(entry)
    return found


def _cut_operands(found: Explanation, tape: Tape) -> None:
    """Operands without history that came out of a known cut."""
    for entry in tape.entries:
        told: dict[int, Cut] = {}
        if entry[HOOKS] is not None:
            told.update(entry[HOOKS].metadata.get(CUT_OPERANDS, {}))
        kept = entry[INPUTS]
        if type(kept) is tuple and entry[PRIM].rule is not None:
            for place, (x, parent) in enumerate(zip(kept, entry[PARENTS])):
                if parent is None and type(x) is np.ndarray:
                    cut = cut_of(x)
                    if cut is not None:
                        told.setdefault(place, cut)
        where = f" at {line_of(entry)}" if line_of(entry) else ""
        for place, cut in sorted(told.items()):
            found.cuts.append(
                f"operand {place} of {node_name(entry)}{where} is the result of"
                f" {cut.what} at {cut.line}"
            )


def _why_missed(one: Tensor) -> str:
    if one._entry is None:
        return "requires_grad is False"
    if one._entry is not LEAF:
        return "not a leaf: call retain_grad() on it to see its gradient"
    cut = cut_of(one._array)
    if cut is not None:
        return f"only used after {cut.what} at {cut.line}"
    return "no recorded operation leads from it to here"


def _flat(found: Explanation, tape: Tape) -> None:
    for entry in tape.entries:
        if entry[PRIM].name in FLAT:
            where = f" at {line_of(entry)}" if line_of(entry) else ""
            found.flat.append(f"{node_name(entry)}{where}")


def _no_history(found: Explanation, outputs: list[Tensor]) -> None:
    """Why there may be no history: the cut that made the result, else the last ones."""
    if outputs[0]._entry is LEAF:
        return
    for out in outputs:
        cut = cut_of(out._array)
        if cut is not None:
            found.cuts.append(f"it is the result of {cut.what} at {cut.line}")
    if not STATE.grad:
        found.notes.append("gradients are switched off here (no_grad or set_grad_enabled(False))")
    if not found.cuts:
        last = list(dict.fromkeys((cut.what, cut.line) for cut in cuts()))[:3]
        found.notes += [f"a recent cut: {what} at {line}" for what, line in last]
    if not outputs[0].dtype.is_floating_point and not outputs[0].dtype.is_complex:
        found.notes.append(f"{outputs[0].dtype.name} values have no gradient")
    found.notes.append("no tensor that led here has requires_grad=True, or the chain was cut")
