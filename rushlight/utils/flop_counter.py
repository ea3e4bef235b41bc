"""How many multiplications and additions matrix products and convolutions take, by module."""

from __future__ import annotations

import threading
from collections import defaultdict
from math import prod
from typing import Any

import rushlight as rl

from ..autograd import engine
from ..core import dispatch
from ..core.tape import PARENTS
from ..core.tensor import Tensor

__all__ = ["FlopCounterMode"]

_BACKWARD: dict[str, str] = {"addmm": "mm", "convolution": "convolution_backward"}


def _cost(prim: Any, inputs: Any, shape: Any) -> tuple[str, int] | None:
    """torch's name of a product, and twice its number of multiplications; None for other ops."""
    name = prim.name
    if name in ("matmul", "bmm", "linear", "linear_bias"):
        first, second = (tuple(one._array.shape) for one in inputs[:2])
        if len(first) < 2 or len(second) < 2:
            return None
        kind = "bmm" if name in ("matmul", "bmm") and len(shape) > 2 else "mm"
        return "addmm" if name == "linear_bias" else kind, 2 * prod(shape) * first[-1]
    if name.startswith("convolution") and len(inputs) > 1:
        weight = inputs[1]._array.shape
        sites = inputs[0]._array.shape if name.startswith("convolution_data") else shape
        return "convolution", 2 * sites[0] * prod(sites[2:]) * prod(weight)
    return None


class FlopCounterMode:
    """A `with` block that counts the work of products and convolutions, forward and backward.

    display: print the table at the end. depth: down to which level of modules the table goes.
    `mods` is not needed and taken as torch takes it.

    >>> import rushlight as torch
    >>> from rushlight.utils.flop_counter import FlopCounterMode
    >>> net = torch.nn.Linear(5, 6)
    >>> with FlopCounterMode(display=False) as counter:
    ...     net(torch.ones(4, 5)).sum().backward()
    >>> counter.get_total_flops(), counter.get_flop_counts()["Linear"]
    (480, {'aten.addmm': 240, 'aten.mm': 240})
    """

    def __init__(self, mods: Any = None, depth: int = 2, display: bool = True,
                 custom_mapping: Any = None) -> None:  # fmt: skip
        self.depth, self.display = depth, display
        self.flop_counts: dict[str, dict[str, int]] = {}
        self._paths: list[str] = []
        self._names: dict[int, str] = {}
        self._seen: dict[int, Any] = {}

    def __enter__(self) -> FlopCounterMode:
        self.flop_counts = defaultdict(lambda: defaultdict(int))
        self._seen.clear()
        self._thread = threading.get_ident()
        hooks: Any = rl.nn.modules.module
        self._hooks = [
            hooks.register_module_forward_pre_hook(self._enter_module),
            hooks.register_module_forward_hook(self._leave_module, always_call=True),
        ]
        self._handler, self._outer = self._op, engine.TIMER[0]
        dispatch.intercept(self._handler)
        engine.TIMER[0] = self._pull
        return self

    def __exit__(self, *error: Any) -> None:
        engine.TIMER[0] = self._outer
        dispatch.release(self._handler)
        self._seen.clear()
        for hook in self._hooks:
            hook.remove()
        if self.display:
            print(self.get_table(self.depth))

    def _op(self, prim: Any, inputs: tuple[Any, ...], params: tuple[Any, ...]) -> Any:
        result = dispatch.apply_plain(prim, inputs, params)
        if isinstance(result, Tensor) and threading.get_ident() == self._thread:
            found = _cost(prim, inputs, result._array.shape)
            if found is not None:
                homes = ("Global", *dict.fromkeys(self._paths))
                self._add(homes, *found)
                entry = result._entry
                if type(entry) is list:
                    self._seen[id(entry)] = entry, homes, *found
        return result

    def _add(self, homes: tuple[str, ...], name: str, count: int) -> None:
        for home in homes:
            self.flop_counts[home][f"aten.{name}"] += count

    def _pull(self, entry: Any) -> Any:
        known = self._seen.get(id(entry))
        if known is not None:
            _, homes, name, count = known
            wanted = sum(one is not None for one in entry[PARENTS][:2])
            self._add(homes, _BACKWARD.get(name) or name, count * wanted)
        return entry[0].pull if self._outer is None else self._outer(entry)

    def _enter_module(self, module: Any, inputs: Any) -> None:
        if not self._paths:
            root = type(module).__name__
            named = module.named_modules(remove_duplicate=False)
            self._names = {id(part): f"{root}.{name}" if name else root for name, part in named}
        self._paths.append(self._names.get(id(module), type(module).__name__))

    def _leave_module(self, module: Any, inputs: Any, output: Any) -> None:
        if self._paths:
            self._paths.pop()

    def get_total_flops(self) -> int:
        """The work of the block."""
        return sum(self.flop_counts.get("Global", {}).values())

    def get_flop_counts(self) -> dict[str, dict[str, int]]:
        """The work by module ("Global" for all) and by operator."""
        return {home: dict(counts) for home, counts in self.flop_counts.items()}

    def get_table(self, depth: int | None = None) -> str:
        """The work by module as text."""
        depth = self.depth if depth is None else depth
        total = self.get_total_flops() or 1
        rows = [("Module", "FLOP", "% Total")]
        for home in ("Global", *sorted(name for name in self.flop_counts if name != "Global")):
            counts, level = self.flop_counts.get(home, {}), home.count(".") + 1
            if level > depth and home != "Global":
                continue
            indent = "" if home == "Global" else " " * level
            parts = [(f"{indent}{home}", sum(counts.values()))]
            parts += [(f"{indent} - {name}", count) for name, count in counts.items()]
            rows += [(name, f"{count:,}", f"{count / total:.2%}") for name, count in parts]
        widths = [max(map(len, column)) for column in zip(*rows)]
        ruler = "  ".join("-" * width for width in widths)
        lines = [f"{a:<{widths[0]}}  {b:>{widths[1]}}  {c:>{widths[2]}}" for a, b, c in rows]
        return "\n".join([lines[0], ruler, *lines[1:]])
