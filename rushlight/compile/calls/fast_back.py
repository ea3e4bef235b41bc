"""The short way through the backward half of a compiled call: one generated function.

Gradients of the results and the kept arrays go to native code at once; where one lies otherwise
than it did, the answer is None and the long way is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from ...core import memory


def maker(size: int, order: tuple[int, ...] | None) -> Callable[..., np.ndarray]:
    """What makes memory of so many bytes for an output, turned if its axes lie in an order."""
    if order is not None:
        return partial(memory.turned, order=order)
    return memory.empty if size >= memory.LARGE else np.empty


def turned(order: tuple[int, ...] | None) -> str:
    """The text that sees a gradient in C order, which lies as a leaf with its axes turned."""
    return f".transpose({np.argsort(order).tolist()})" if order else ""


def form_of(node: Any) -> Any:
    """Shape, data type and strides in bytes of a node's value in C order."""
    strides, step = [], node.dtype.itemsize
    for size in reversed(node.shape):
        strides.append(step)
        step *= size
    return node.shape, node.dtype, tuple(reversed(strides))


def backward(
    program: Any, kept: Sequence[Any]
) -> Callable[[Any, Sequence[np.ndarray]], list[np.ndarray] | None] | None:
    """`function(seeds, kept)` for a native backward program; `kept` are the forms of those arrays.

    None where the program is not one piece of native code.
    """
    if getattr(program, "draws", None) != []:
        return None
    graph = program.graph
    seeds = graph.inputs[: len(graph.inputs) - len(kept)]
    forms = [*map(form_of, seeds), *kept, *map(form_of, graph.outputs)]
    run = program.array_entry(range(len(forms)), forms, None)
    if run is None:
        return None
    names: dict[str, Any] = {"run": run, "lock": program.native._lock}
    heads = "".join(f"g{k}, " for k in range(len(seeds)))
    held = "".join(f"k{k}, " for k in range(len(kept)))
    lines = [f"({heads}) = seeds"] + ([f"({held}) = kept"] if kept else [])
    outs = []
    for k, node in enumerate(graph.outputs):
        names[f"S{k}"], names[f"D{k}"] = node.shape, node.dtype
        names[f"M{k}"] = memory.empty if node.nbytes >= memory.LARGE else np.empty
        lines.append(f"o{k} = M{k}(S{k}, D{k})")
        outs.append(f"o{k}")
    lines += [
        "if not lock.acquire(False): return None",
        f"try:\n        if not run({heads}{held}{', '.join(outs)}): return None",
        f"finally: lock.release()\n    return [{', '.join(outs)}]",
    ]
    source = "def back(seeds, kept):\n    " + "\n    ".join(lines)
    exec(compile(source, "<compiled backward>", "exec"), names)
    return names["back"]
