"""Recurrent layers written with ordinary ops: what runs when a layer's gradient is itself recorded.

The gradient is the kernel's (recurrent.py), step by step, over a forward pass made again; every
part is an op, so derivatives of any order follow. `unrolled` also serves complex numbers, and
types of 16 bits, whose numbers are rounded after each op as torch rounds them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ...core.dtypes import bfloat16, dtype, float32
from ..contract import linear, linear_bias, matmul
from ..reduce import sum as sum_of
from ..structure import cast, join, narrow, reshape, split, transpose, unsqueeze
from ..transcendental import relu, sigmoid, tanh

Steps = list[tuple[int, int, int, int]]


def schedule(sizes: Sequence[int], reverse: bool) -> Steps:
    """(first row, end, where the step before begins, rows shared with it), in order of work."""
    steps: Steps = []
    spans, start = [], 0
    for size in sizes:
        spans.append((start, start + size))
        start += size
    source = before = 0
    for start, stop in reversed(spans) if reverse else spans:
        steps.append((start, stop, source, min(before, stop - start)))
        source, before = start, stop - start
    return steps


def _cut(x: Any, start: int, stop: int) -> Any:
    """Rows start to stop."""
    rows = x.ndim - 2
    return x if (start, stop) == (0, x.shape[rows]) else narrow(x, rows, start, stop - start)


def _cat(parts: Sequence[Any]) -> Any:
    rows = parts[0].ndim - 2
    parts = [part for part in parts if part.shape[rows]] or list(parts[:1])
    if len(parts) == 1:
        return parts[0]
    return join(parts, rows, tuple(part.shape[rows] for part in parts))


def gates_of(x: Any, count: int) -> Sequence[Any]:
    last = x.ndim - 1
    return split(x, last, (x.shape[last] // count,) * count)


def side_by_side(parts: Sequence[Any]) -> Any:
    last = parts[0].ndim - 1
    return join(list(parts), last, tuple(part.shape[last] for part in parts))


def _product(x: Any, w: Any) -> Any:
    """x w^T, for each member if there are several."""
    return linear(x, w) if w.ndim == 2 else matmul(x, transpose(w, 1, 2))


# A step: (input's gates, share of h, (h, c), W_hr) -> (new state, what its gradient needs). Its
# gradient: (by h, by c, saved, W_hr) -> (by gates, by the share of h, by h beside it, by c).


def _tanh(gates: Any, share: Any, state: Any, w_hr: Any) -> tuple[Any, Any]:
    y = tanh(gates + share)
    return (y, None), y


def _tanh_back(by_h: Any, by_c: Any, y: Any, w_hr: Any) -> tuple[Any, ...]:
    d = by_h * (1 - y * y)
    return d, d, None, None


def _relu(gates: Any, share: Any, state: Any, w_hr: Any) -> tuple[Any, Any]:
    y = relu(gates + share)
    return (y, None), y


def _relu_back(by_h: Any, by_c: Any, y: Any, w_hr: Any) -> tuple[Any, ...]:
    d = by_h * (y > 0)
    return d, d, None, None


def _gru(gates: Any, share: Any, state: Any, w_hr: Any) -> tuple[Any, Any]:
    (a, b, c), (e, f, own) = gates_of(gates, 3), gates_of(share, 3)
    reset, update = sigmoid(a + e), sigmoid(b + f)
    new = tanh(c + reset * own)
    change = state[0] - new
    return (new + update * change, None), (reset, update, new, own, change)


def _gru_back(by_h: Any, by_c: Any, saved: Any, w_hr: Any) -> tuple[Any, ...]:
    reset, update, new, own, change = saved
    by_new = by_h * (1 - update) * (1 - new * new)
    by_update = by_h * change * update * (1 - update)
    by_reset = by_new * own * reset * (1 - reset)
    gates = side_by_side([by_reset, by_update, by_new])
    return gates, side_by_side([by_reset, by_update, by_new * reset]), by_h * update, None


def _lstm(gates: Any, share: Any, state: Any, w_hr: Any) -> tuple[Any, Any]:
    a, b, c, d = gates_of(gates + share, 4)
    enter, keep, candidate, leave = sigmoid(a), sigmoid(b), tanh(c), sigmoid(d)
    cell = keep * state[1] + enter * candidate
    bent = tanh(cell)
    hidden = leave * bent
    saved = (enter, keep, candidate, leave, bent, state[1], hidden)
    return (hidden if w_hr is None else _product(hidden, w_hr), cell), saved


def _lstm_back(by_h: Any, by_c: Any, saved: Any, w_hr: Any) -> tuple[Any, ...]:
    enter, keep, candidate, leave, bent, before, _ = saved
    inner = by_h if w_hr is None else by_h @ w_hr
    by_cell = by_c + inner * leave * (1 - bent * bent)
    d = side_by_side([
        by_cell * candidate * enter * (1 - enter), by_cell * before * keep * (1 - keep),
        by_cell * enter * (1 - candidate * candidate), inner * bent * leave * (1 - leave),
    ])  # fmt: skip
    return d, d, None, by_cell * keep


def rounded(x: Any, kind: dtype) -> Any:
    """Numbers of float32 that `kind` has too."""
    return cast(cast(x, kind), float32)


def _short_lstm(gates: Any, share: Any, state: Any, w_hr: Any) -> tuple[Any, Any]:
    (hidden, cell), (*doors, _, before, _) = _lstm(gates, share, state, None)
    hidden, cell = rounded(hidden, bfloat16), rounded(cell, bfloat16)
    doors = [rounded(door, bfloat16) for door in doors]
    return (hidden, cell), (*doors, tanh(cell), before, hidden)


def _short_lstm_back(by_h: Any, by_c: Any, saved: Any, w_hr: Any) -> tuple[Any, ...]:
    d, _, _, cell = _lstm_back(by_h, by_c, saved, None)
    d = rounded(d, bfloat16)
    return d, d, None, cell


MODES: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "RNN_TANH": (_tanh, _tanh_back), "RNN_RELU": (_relu, _relu_back), "GRU": (_gru, _gru_back),
    "LSTM": (_lstm, _lstm_back), "short LSTM": (_short_lstm, _short_lstm_back),
}  # fmt: skip


def is_short(mode: str, xs: Any, sizes: Any) -> bool:
    """Whether it is oneDNN's LSTM in bfloat16, whose mode is here "short LSTM".

    It computes in float32, and rounds the sum of its biases, the states after each step, what a
    step keeps for its gradient, and the gradients of the gates.
    """
    kind = xs[0].dtype
    short = kind is bfloat16 or getattr(kind, "char", "") == "E"
    return short and mode == "LSTM" and sizes is None and xs[7] is None


def short_operands(xs: Any) -> list[Any]:
    """The operands in float32; both biases are in the first."""
    *rest, b_ih, b_hh, _ = xs
    bias = None if b_ih is None else b_ih + b_hh
    return [None if a is None else cast(a, float32) for a in (*rest, bias)] + [None, None]


def _affine(x: Any, w: Any, bias: Any) -> Any:
    product = _product(x, w)
    if bias is None:
        return product
    return product + (bias if bias.ndim == 1 else unsqueeze(bias, 1))


def in_short(x: Any, w: Any, bias: Any) -> Any:
    """x w^T + b in the type of the weights, rounded once."""
    x = x if x.dtype == w.dtype else cast(x, w.dtype)
    return linear(x, w) if bias is None else linear_bias(x, w, bias)


def _run(
    rows: Any, xs: Any, steps: Steps, forward: Callable[..., Any], affine: Callable[..., Any]
) -> tuple[list[Any], list[Any]]:
    """The states before and after every step, and what its gradient needs, in order of work."""
    _, h, c, w_ih, w_hh, b_ih, b_hh, w_hr = xs
    spans = sorted(step[:2] for step in steps)
    parts = split(affine(rows, w_ih, b_ih), rows.ndim - 2, tuple(b - a for a, b in spans))
    gates = dict(zip(spans, parts))
    pairs, saved, last = [], [], None
    for start, stop, _, shared in steps:
        count = stop - start
        before = tuple(
            None if first is None
            else _cat([*([] if last is None else [_cut(last[i], 0, shared)]),
                       _cut(first, shared, count)])
            for i, first in enumerate((h, c))
        )  # fmt: skip
        share = affine(before[0], w_hh, b_hh)
        last, kept = forward(gates[start, stop], share, before, w_hr)
        pairs.append((before, last))
        saved.append(kept)
    return pairs, saved


def _turned(x: Any) -> Any:
    return transpose(x, x.ndim - 2, x.ndim - 1)


def _in_rows(parts: Sequence[Any], steps: Steps) -> Any:
    """The parts of all steps, put in the order of the rows."""
    order = sorted(range(len(steps)), key=lambda i: steps[i][0])
    return _cat([parts[i] for i in order])


def _laid(x: Any, sizes: Any) -> tuple[Any, Any]:
    """x (T, B, I) as rows, or packed rows as they are; and the rows of every step."""
    if sizes is not None:
        return x, sizes
    *members, count, rows, size = x.shape
    return reshape(x, (*members, count * rows, size)), (rows,) * count


def unrolled(
    mode: str, xs: Any, sizes: Any, reverse: bool, affine: Callable[..., Any] = _affine
) -> list[Any]:
    """The layer forwards: its output and last states."""
    if is_short(mode, xs, sizes):
        found = unrolled("short LSTM", short_operands(xs), None, reverse)
        return [cast(one, bfloat16) for one in found]
    shape = xs[0].shape
    rows, sizes = _laid(xs[0], sizes)
    steps = schedule(sizes, reverse)
    pairs, _ = _run(rows, xs, steps, MODES[mode][0], affine)
    y = _in_rows([after[0] for _, after in pairs], steps)
    counts = [stop - start for start, stop, _, _ in steps] + [0]
    ends = []
    for i in range(2 if mode.endswith("LSTM") else 1):
        left = [_cut(after[i], counts[k + 1], counts[k]) for k, (_, after) in enumerate(pairs)
                if counts[k + 1] < counts[k]]  # fmt: skip
        ends.append(_cat(left[::-1] or [pairs[-1][1][i]]))  # without a row: as it is
    return [reshape(y, (*shape[:-1], y.shape[-1])), *ends]


def formula(mode: str, g: Any, xs: Any, sizes: Any, reverse: bool) -> list[Any]:
    """The gradients of (x, h, c, w_ih, w_hh, b_ih, b_hh, w_hr), recorded op by op."""
    if is_short(mode, xs, sizes):
        wide = [cast(one, float32) for one in g]
        found = formula("short LSTM", wide, short_operands(xs), None, reverse)
        return [None if one is None else cast(one, bfloat16) for one in found]
    x, _, _, w_ih, w_hh, b_ih, _, w_hr = xs
    rows, sizes = _laid(x, sizes)
    steps = schedule(sizes, reverse)
    pairs, saved = _run(rows, xs, steps, MODES[mode][0], _affine)
    by_y = reshape(g[0], (*rows.shape[:-1], g[0].shape[-1]))
    by_h, by_c = g[1], g[2] if mode.endswith("LSTM") else None
    by_gates, by_share, turned = [], [], []
    for (start, stop, _, _), kept in zip(reversed(steps), reversed(saved)):
        count = stop - start
        now = _cut(by_h, 0, count) + _cut(by_y, start, stop)
        cell = None if by_c is None else _cut(by_c, 0, count)
        d, share, beside, cell = MODES[mode][1](now, cell, kept, w_hr)
        turned.insert(0, now)
        by_gates.insert(0, d)
        by_share.insert(0, share)
        before = share @ w_hh if beside is None else share @ w_hh + beside
        by_h = _cat([before, _cut(by_h, count, by_h.shape[-2])])
        if by_c is not None:
            by_c = _cat([cell, _cut(by_c, count, by_c.shape[-2])])
    inward, own = _in_rows(by_gates, steps), _in_rows(by_share, steps)
    met = _in_rows([before[0] for before, _ in pairs], steps)
    by_bias = by_inner = by_hr = None
    if b_ih is not None:
        at = (inward.ndim - 2,)
        by_bias, by_inner = sum_of(inward, at, False), sum_of(own, at, False)
    if w_hr is not None:
        by_hr = _turned(_cat(turned)) @ _cat([kept[-1] for kept in saved])
    by_x = reshape(inward @ w_ih, x.shape)
    by_w_ih, by_w_hh = _turned(inward) @ rows, _turned(own) @ met
    return [by_x, by_h, by_c, by_w_ih, by_w_hh, by_bias, by_inner, by_hr]
