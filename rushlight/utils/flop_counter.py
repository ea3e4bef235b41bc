"""How many multiplications and additions matrix products and convolutions take, by module."""

from __future__ import annotations

import functools
import warnings
from collections import defaultdict
from collections.abc import Callable
from math import prod
from typing import Any

import rushlight as rl

from ._python_dispatch import TorchDispatchMode
from ._pytree import tree_leaves, tree_map
from .module_tracker import ModuleTracker

__all__ = ["FlopCounterMode", "register_flop_formula"]

flop_registry: dict[Any, Callable[..., int]] = {}
_FORMULAS: dict[str, Callable[..., int]] = {}
Sizes = Any


def _sizes(value: Any) -> Any:
    return value.shape if isinstance(value, rl.Tensor) else value


def _of_sizes(formula: Callable[..., int]) -> Callable[..., int]:
    """A formula of sizes, asked with tensors."""

    @functools.wraps(formula)
    def counted(*args: Any, out_val: Any = None, **kwargs: Any) -> int:
        args, kwargs, shape = tree_map(_sizes, (args, kwargs, out_val))
        return formula(*args, out_shape=shape, **kwargs)

    return counted


def register_flop_formula(targets: Any, get_raw: bool = False) -> Callable[..., Any]:
    """A decorator that gives operators (`torch.ops.aten.mm`) a formula for their work.

    The formula gets what the operator got, tensors as their sizes, and the result's `out_shape`;
    with `get_raw` it gets the tensors themselves and `out_val`.
    Raises RuntimeError for an operator that has a formula.

    >>> import rushlight as torch
    >>> from rushlight.utils.flop_counter import FlopCounterMode, register_flop_formula
    >>> @register_flop_formula(torch.ops.aten.cumsum)
    ... def cumsum_flop(x, dim, out_shape=None, **kwargs):
    ...     return x.numel()
    >>> with FlopCounterMode(display=False) as counter:
    ...     y = torch.ones(3, 4).cumsum(0)
    >>> counter.get_total_flops()
    12
    """

    def register(formula: Callable[..., int]) -> Callable[..., int]:
        counted = formula if get_raw else _of_sizes(formula)
        for target in tree_leaves(targets):
            if not hasattr(target, "overloads"):
                raise ValueError(
                    "register_flop_formula(targets): expected each target to be OpOverloadPacket"
                    " (i.e. torch.ops.mylib.foo), JitFunction, or HigherOrderOperator, got"
                    f" {target} which is of type {type(target)}"
                )
            if target in flop_registry:
                raise RuntimeError(f"duplicate registrations for {target}")
            flop_registry[target] = counted
        return counted

    return register


def _products(a: Sizes, b: Sizes) -> int:
    """A matrix product: 2 n m k for (n, k) by (k, m), times the number of matrices."""
    return 2 * prod(a) * b[-1]


def mm_flop(a_shape: Sizes, b_shape: Sizes, *args: Any, out_shape: Any = None, **_: Any) -> int:
    """The work of a product of two matrices."""
    return _products(a_shape, b_shape)


def addmm_flop(self_shape: Sizes, a_shape: Sizes, b_shape: Sizes, **_: Any) -> int:
    """The work of a product of two matrices to which a third is added."""
    return _products(a_shape, b_shape)


def conv_flop_count(x_shape: Sizes, w_shape: Sizes, out_shape: Sizes,
                    transposed: bool = False) -> int:  # fmt: skip
    """The work of a convolution: a product with all weights at each place of each image."""
    places = (x_shape if transposed else out_shape)[2:]
    return 2 * x_shape[0] * prod(places) * prod(w_shape)


def conv_flop(x_shape: Sizes, w_shape: Sizes, _bias: Any, _stride: Any, _padding: Any,
              _dilation: Any, transposed: bool, *args: Any, out_shape: Any = None,
              **_: Any) -> int:  # fmt: skip
    """The work of `aten.convolution`."""
    return conv_flop_count(x_shape, w_shape, out_shape, transposed)


def conv_backward_flop(g: Sizes, x: Sizes, w: Sizes, _bias: Any, _stride: Any, _padding: Any,
                       _dilation: Any, transposed: bool, _more: Any, _groups: int, mask: Any,
                       out_shape: Any = None, **_: Any) -> int:  # fmt: skip
    """The work of a convolution's gradients: one of the input, one that correlates both sides."""
    count = conv_flop_count(g, w, out_shape[0], not transposed) if mask[0] else 0
    if mask[1]:
        first, second = (g, x) if transposed else (x, g)
        a, b, y = ([one[1], one[0], *one[2:]] for one in (first, second, out_shape[1]))
        count += conv_flop_count(a, b, y)
    return count


def _recurrent(steps: int, weights: tuple[int, int], times: int = 1) -> Callable[..., int]:
    """The work of a recurrent layer, told where among the arguments its steps and weights are.

    Each row of each step is multiplied by both matrices, and its gradient `times` as often.
    """

    def work(*args: Any, **_: Any) -> int:
        rows = prod(args[steps][:-1])
        return 2 * times * rows * sum(prod(args[place]) for place in weights)

    return work


_LAYERS = {  # torch's LSTM is one operator of oneDNN's, which it does not count
    "recurrent_layer": _of_sizes(_recurrent(0, (2, 3))),
    "recurrent_layer_back": _of_sizes(_recurrent(4, (6, 7), 2)),
}

for _names, _formula in {
    "mm": mm_flop, "bmm": mm_flop, "addmm baddbmm": addmm_flop,
    "convolution _convolution": conv_flop, "convolution_backward": conv_backward_flop,
}.items():  # fmt: skip
    for _name in _names.split():
        _FORMULAS[_name] = _of_sizes(_formula)


def _unit(number: int) -> int:
    """By which power of 1000 numbers up to this are shown."""
    return next((place for place in range(4, 0, -1) if number >= 1000**place), 0)


class _Counting(TorchDispatchMode):
    def __init__(self, counter: FlopCounterMode) -> None:
        self.counter = counter

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        self.counter._count(func.overloadpacket, result, args, kwargs or {})
        return result


class FlopCounterMode:
    """A `with` block that counts the work of products and convolutions, forward and backward.

    display: print the table at the end. depth: down to which level of modules the table goes.
    custom_mapping: formulas by operator, as `register_flop_formula` takes them.
    `mods` is not needed; passing it warns.

    >>> import rushlight as torch
    >>> from rushlight.utils.flop_counter import FlopCounterMode
    >>> net = torch.nn.Linear(5, 6)
    >>> with FlopCounterMode(display=False) as counter:
    ...     net(torch.ones(4, 5)).sum().backward()
    >>> counter.get_total_flops()
    480
    >>> print(counter.get_table())
    Module          FLOP    % Total
    ------------  ------  ---------
    Linear           480    100.00%
    - aten.addmm     240     50.00%
    - aten.mm        240     50.00%
    """

    def __init__(self, mods: Any = None, depth: int | None = 2, display: bool = True,
                 custom_mapping: dict[Any, Any] | None = None) -> None:  # fmt: skip
        if mods is not None:
            warnings.warn("mods argument is not needed anymore, you can stop passing it",
                          stacklevel=2)  # fmt: skip
        self.depth, self.display = depth, display
        self.flop_counts: Any = defaultdict(lambda: defaultdict(int))
        self.mod_tracker = ModuleTracker()
        self._custom = {
            key: one if getattr(one, "_get_raw", False) else _of_sizes(one)
            for key, one in (custom_mapping or {}).items()
        }

    def __enter__(self) -> FlopCounterMode:
        self.flop_counts.clear()
        self.mod_tracker.__enter__()
        self._mode = _Counting(self)
        self._mode.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._mode.__exit__(*error)
        self.mod_tracker.__exit__()
        if self.display:
            print(self.get_table(self.depth))

    def _count(self, packet: Any, result: Any, args: Any, kwargs: Any) -> None:
        formula = self._custom.get(packet) or flop_registry.get(packet)
        if formula is None:
            known = _FORMULAS if str(packet).startswith("aten.") else {}
            known = known if hasattr(packet, "overloads") else _LAYERS  # an op of our own
            formula = known.get(packet.__name__)
        if formula is not None:
            count = formula(*args, **kwargs, out_val=result)
            for home in set(self.mod_tracker.parents):
                self.flop_counts[home][packet] += count

    def get_total_flops(self) -> int:
        """The work of the block."""
        return sum(self.flop_counts["Global"].values())

    def get_flop_counts(self) -> dict[str, dict[Any, int]]:
        """The work by module ("Global" for all) and by operator (`torch.ops.aten.mm`)."""
        return {home: dict(counts) for home, counts in self.flop_counts.items()}

    def get_table(self, depth: int | None = None) -> str:
        """The work by module as text."""
        depth = self.depth if depth is None else depth
        total = self.get_total_flops()
        rows: list[tuple[str, str, str]] = []
        covered = False
        for home in sorted(self.flop_counts):
            if home != "Global" and (depth is None or home.count(".") < depth):
                rows += self._rows(home, total)
                covered = covered or sum(self.flop_counts[home].values()) >= total
        if "Global" in self.flop_counts and not covered:
            rows = self._rows("Global", total) + rows
        rows = [("Module", "FLOP", "% Total"), *(rows or [("Global", "0", "0%")])]
        least = (0, 0, 0) if len(rows) < 2 else (len("Module") + 2, len("FLOP") + 2, 9)
        widths = [max(least[k] - 0, *(len(row[k]) for row in rows)) for k in range(3)]
        lines = [f"{a:<{widths[0]}}  {b:>{widths[1]}}  {c:>{widths[2]}}" for a, b, c in rows]
        ruler = "  ".join("-" * width for width in widths)
        return "\n".join([lines[0], ruler, *lines[1:]])

    def _rows(self, home: str, total: int) -> list[tuple[str, str, str]]:
        counts, unit = self.flop_counts[home], _unit(total)

        def row(name: str, count: int) -> tuple[str, str, str]:
            shown = f"{count / 1000**unit:.3f}{' KMBT'[unit]}" if unit else str(count)
            return name, shown, f"{count / total:.2%}" if total else "0%"

        names = [
            str(packet) if hasattr(packet, "overloads") else packet.__name__ for packet in counts
        ]
        parts = [row(f"- {name}", count) for name, count in zip(names, counts.values())]
        return [row(home, sum(counts.values())), *parts]
