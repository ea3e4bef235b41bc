"""What a backward pass refuses: freed graphs, overwritten arrays, nan; and the names of nodes."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ..core import dtypes
from ..core.dispatch import node_name, scalar_type_name
from ..core.errors import fail, line_at
from ..core.primitive import spared
from ..core.state import STATE
from ..core.tape import HOOKS, INPUTS, ORDER, OUTPUT, PARENTS, PRIM, Entry, written_since
from ..core.tensor import Tensor
from .likely import forward_notes

ndarray = np.ndarray
_UNKNOWN = "written in place under no_grad (an optimizer's step?), where lines are not kept"


def freed() -> BaseException:
    """torch's error for a graph whose saved arrays were given back."""
    return fail(
        RuntimeError,
        "Trying to backward through the graph a second time (or directly access saved tensors after"
        " they have already been freed). Saved intermediate values of the graph are freed when you"
        " call .backward() or autograd.grad(). Specify retain_graph=True if you need to backward"
        " through the graph a second time or if you need to access saved tensors after calling"
        " backward.",
        "did a tensor from an earlier step stay in this step's graph? detach() it there",
    )


def check_versions(entry: Entry) -> None:
    """Refuse an entry when an array that its rule needs was written since."""
    saved = [*(entry[INPUTS] or ()), *_outputs(entry[OUTPUT])]
    parents = [*entry[PARENTS], entry, entry]
    reads = entry[PRIM].reads
    for place, array in enumerate(saved):
        if type(array) is not ndarray:  # of a call that is, or was, traced: over memory of its own
            array = getattr(array, "memory", None)
        if type(array) is not ndarray or spared(reads, place, entry[PARENTS]):
            continue
        found: Any = written_since(array, entry[ORDER])
        if found is None:
            continue
        now, then, places, writer = found
        lines = [line_at(one) for one in places]
        is_output = place >= len(entry[INPUTS] or ())
        source = entry if is_output else parents[place]
        origin = ""
        if (writer and not is_output) or type(source) is list:
            name = node_name(source) if is_output or not writer else writer
            origin = f", which is output 0 of {re.sub('Backward[0-9]*$', '', name)},"
        kind = scalar_type_name(dtypes.of(array))
        line = None if entry[HOOKS] is None else entry[HOOKS].line
        ops = {entry[PRIM].name, re.sub("Backward[0-9]*$", "", node_name(entry))}
        raise fail(
            RuntimeError,
            "one of the variables needed for gradient computation has been modified by an inplace"
            f" operation: [torch.{kind}Tensor {list(array.shape)}]{origin} is at version {now};"
            f" expected version {then} instead. Hint: enable anomaly detection to find the"
            " operation that failed to compute its gradient, with"
            " torch.autograd.set_detect_anomaly(True,"
            " check_nan=False).",
            f"{entry[PRIM].name} needs the old value for its gradient",
            *([f"its forward call: {line}"] if line else forward_notes(ops, lines)),
            f"written in place at {lines[-1]}" if lines else _UNKNOWN,
            "use the out-of-place form (x = x + 1 for x += 1), or write to a .clone()",
        )


def _outputs(y: Any) -> Iterable[Any]:
    return () if y is None else y if type(y) is tuple else (y,)


def note_origin(error: Exception, entry: Entry) -> None:
    """Add the forward line of an entry, where it is known, to an error in its gradient."""
    line = entry[HOOKS].line if entry[HOOKS] is not None else None
    if line and not any("forward call" in note for note in getattr(error, "__notes__", ())):
        error.add_note(f"in the gradient of {node_name(entry)}; its forward call: {line}")
        warnings.warn(
            f"Error detected in {node_name(entry)}. Traceback of forward call that caused the"
            f" error:\n  {line}", UserWarning, stacklevel=2,
        )  # fmt: skip


def check_nan(entry: Entry, grads: Sequence[Any]) -> None:
    """Anomaly mode: refuse a gradient with nan."""
    if not STATE.anomaly_check_nan:
        return
    for place, g in enumerate(grads):
        array = g._array if isinstance(g, Tensor) else g
        if array is not None and np.isnan(array).any():
            error = RuntimeError(
                f"Function '{node_name(entry)}' returned nan values in its {place}th output."
            )
            note_origin(error, entry)
            raise error
