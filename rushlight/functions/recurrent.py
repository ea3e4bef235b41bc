"""One direction of one recurrent layer: the fused op where it fits, else ordinary ops."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..core.dispatch import named
from ..core.inplace import is_value
from ..core.state import STATE
from ..core.tensor import Tensor
from ..ops.fused.kernels import half
from ..ops.fused.recurrent import lstm_layer, recurrent_layer
from ..ops.fused.recurrent_formula import in_short, is_short, unrolled
from ..ops.fused.recurrent_short import worthwhile
from ..ops.structure import cast

_GATES = {"RNN_TANH": 1, "RNN_RELU": 1, "GRU": 3, "LSTM": 4}
_CAST = "feE"  # of the types, those that autocast turns into the fast one
_LARGE = 1 << 15  # numbers of a weight that one step alone does not pay for laying out anew


def _fits(mode: str, x: Tensor, states: Sequence[Any], weights: Sequence[Any], rows: int) -> bool:
    """Whether all is of one floating type and of the sizes that the op takes for granted."""
    given: list[Any] = [None if w is None else w._array for w in weights]
    w_ih, w_hh, b_ih, b_hh, w_hr = given
    kind, arrays = x._array.dtype, [state._array for state in states]
    gates = len(w_hh)
    hidden, out = gates // _GATES[mode], w_hh.shape[1]
    found = [a for a in (w_ih, w_hh, b_ih, b_hh, w_hr, *arrays) if a is not None]
    return (
        x.is_floating_point()
        and all(a.dtype == kind for a in found)
        and (b_ih is None) == (b_hh is None)
        and w_ih.shape == (gates, x._array.shape[-1])
        and all(b is None or b.shape == (gates,) for b in (b_ih, b_hh))
        and (out == hidden if w_hr is None else w_hr.shape == (out, hidden))
        and [a.shape for a in arrays] == [(rows, out), (rows, hidden)][: len(arrays)]
    )


def recurrent_way(
    mode: str, x: Tensor, states: Sequence[Any], weights: Sequence[Any], sizes: Any, reverse: bool
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Outputs of all steps and the last states.

    x (T, B, I), or packed rows with `sizes`, the rows of each step; states (B, H) each; weights
    (W_ih, W_hh, b_ih or None, b_hh or None, W_hr or None).
    """
    h, c = states[0], states[1] if len(states) > 1 else None
    rows = x._array.shape[1] if sizes is None else sizes[0]
    sizes = None if sizes is None else tuple(sizes)
    steps = x._array.shape[0] if sizes is None else len(sizes)
    if STATE.autocast and weights[1]._array.dtype.char in _CAST:
        weights = [None if w is None else cast(w, STATE.autocast) for w in weights]
    wants_x = x.requires_grad or is_value(x)
    xs = (x, h, c, *weights)
    if half(weights[1]._array) and not is_short(mode, xs, sizes):
        y, *ends = _rounded(mode, xs, sizes, reverse, wants_x)
        return named(y, "StackBackward0"), tuple(ends)
    large = _GATES[mode] == 1 or weights[1]._array.size > _LARGE
    nothing = not (x._array.size and h._array.size)
    if (steps == 1 and large) or nothing or not _fits(mode, x, states, weights, rows):
        y, *ends = unrolled(mode, (x, h, c, *weights), sizes, reverse)
        return y, tuple(ends)
    y, *ends = _whole(mode, xs, sizes, reverse, wants_x)
    return y, tuple(ends)


def _whole(
    mode: str, xs: Sequence[Any], sizes: Any, reverse: bool, wants_x: bool
) -> Sequence[Tensor]:
    """The layer as one op: its outputs and last states."""
    if mode == "LSTM":
        return lstm_layer(*xs, sizes, reverse, wants_x)[:3]
    return recurrent_layer(*xs[:2], *xs[3:7], mode, sizes, reverse, wants_x)[:2]


def _rounded(
    mode: str, xs: Sequence[Any], sizes: Any, reverse: bool, wants_x: bool
) -> Sequence[Tensor]:
    """The layer of numbers of 16 bits, rounded after each op, as torch's is.

    Under autocast only the products are in the fast type; states are of the widest that meets.
    """
    arrays = [None if one is None else one._array for one in xs]
    if STATE.tracer is None and worthwhile(mode, arrays, sizes):
        return _whole(mode, xs, sizes, reverse, wants_x)
    return unrolled(mode, xs, sizes, reverse, in_short)
