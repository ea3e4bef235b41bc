"""The kernels of recurrent layers: one direction of one layer over the whole sequence.

Rows are the steps one below the other: all B sequences' first step, then their second (a packed
batch has fewer rows in later steps). A row of `met` is what one step multiplies, [x, 1, h before];
so a step is one product with [W_ih, b, W_hh], and the gradients of all weights and biases are one
product over all rows. The gates of a step lie together, (gates, B, H). A logistic gate is
(1 + tanh(x / 2)) / 2; the halves of x are taken in its weights.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from . import recurrent_steps
from .recurrent_formula import Steps, schedule

_BLOCK = 1 << 14  # numbers of a gate per round: the passes of a round find them in the cache
_FEW = 4  # steps that do not pay for laying the weights out anew
_SMALL = 330_000  # rows * inner * columns of a product that runs fast without being packed anew
# Gate k of the kernel is gate _ORDERS[mode][k] of the weights.
_ORDERS = {"RNN_TANH": [0], "RNN_RELU": [0], "GRU": [0, 1, 2], "LSTM": [2, 0, 1, 3]}
_LOGISTIC = {"GRU": slice(0, 2), "LSTM": slice(1, 4)}


# -- layout ------------------------------------------------------------------------------------


def _width(rows: int, inner: int, columns: int, steps: Steps) -> int:
    """How many columns of a weight one product takes: small ones read the weight as it lies."""
    most = min(64, _SMALL // max(1, rows * inner))
    if columns < 128 or len(steps) < _FEW:
        return columns
    return next((n for n in range(most, 15, -1) if columns % n == 0), columns)


def _tiles(blocks: np.ndarray, rows: int, steps: Steps) -> np.ndarray:
    """Matrices (gates, inner, columns) cut up: (gates, columns / width, inner, width)."""
    gates, inner, columns = blocks.shape
    width = _width(rows, inner, columns, steps)
    cut = blocks.reshape(gates, inner, columns // width, width).swapaxes(1, 2)
    return cut if len(steps) < _FEW else np.ascontiguousarray(cut)


def _tiled(room: np.ndarray, tiles: np.ndarray) -> np.ndarray:
    """Room for products (gates, rows, columns) as the tiles fill it."""
    return room.reshape(*room.shape[:2], *tiles.shape[1::2]).swapaxes(1, 2)


def _joined(
    mode: str, w_ih: np.ndarray, w_hh: np.ndarray, b_ih: Any, b_hh: Any
) -> tuple[np.ndarray, Any]:
    """[W_ih, b, W_hh] as (gates, columns, hidden), logistic gates halved; a GRU's b_hn."""
    gates, own = len(_ORDERS[mode]), None
    parts = [w_ih, w_hh]
    if b_ih is not None:
        bias = b_ih + b_hh
        if mode == "GRU":
            own = 2 * len(bias) // 3
            bias[own:], own = b_ih[own:], b_hh[own:]
        parts.insert(1, bias[:, None])
    whole = np.concatenate(parts, 1)
    whole = whole.reshape(gates, -1, whole.shape[1])
    if mode in _LOGISTIC:
        whole = whole[_ORDERS[mode]] if mode == "LSTM" else whole
        whole[_LOGISTIC[mode]] *= 0.5
    return whole.swapaxes(1, 2), own


def _state(values: np.ndarray, first: np.ndarray, step: tuple[int, ...]) -> np.ndarray:
    """The state before a step: rows of the step before, then sequences that begin."""
    start, stop, source, shared = step
    rows = stop - start
    if shared == rows:
        return values[source : source + rows]
    if not shared:
        return first[:rows]
    return np.concatenate((values[source : source + shared], first[shared:rows]))


def _before(values: np.ndarray, first: np.ndarray, steps: Steps) -> np.ndarray:
    """The states before the rows of adjacent steps."""
    return np.concatenate([_state(values, first, step) for step in steps])


def _last(values: np.ndarray, steps: Steps) -> np.ndarray:
    """The last state of every sequence: a shorter one ends where the next step has fewer rows."""
    rows = max(stop - start for start, stop, _, _ in steps)
    last = np.empty((rows, values.shape[1]), values.dtype)
    after = [stop - start for start, stop, _, _ in steps[1:]] + [0]
    for (start, stop, _, _), rows in zip(steps, after):
        if rows < stop - start:
            last[rows : stop - start] = values[start + rows : stop]
    return last


def _blocks(gates: np.ndarray, count: int, hidden: int, step: tuple[int, ...]) -> np.ndarray:
    """The gates of one step (count, rows, hidden) in the memory of all."""
    size = count * hidden
    start, stop = step[:2]
    return gates[start * size : stop * size].reshape(count, stop - start, hidden)


def _carved(dtype: Any, *sizes: int) -> Iterator[np.ndarray]:
    """Arrays side by side in one piece of memory: the system hands out and clears fewer pages."""
    whole = np.empty(sum(sizes), dtype)
    start = 0
    for size in sizes:
        yield whole[start : start + size]
        start += size


# -- forward -----------------------------------------------------------------------------------


def _run_plain(gates: Any, weight: Any, h: Any, steps: Steps, met: Any, y: Any, relu: bool) -> None:
    hidden, inner = y.shape[1], met.shape[1] - y.shape[1]
    zeros = np.zeros_like(h)  # NumPy's maximum has vectors only for two arrays
    for step in steps:
        start, stop = step[:2]
        rows = met[start:stop]
        rows[:, inner:] = state = _state(y, h, step)
        block = _blocks(gates, 1, hidden, step)
        np.matmul(rows, weight, out=_tiled(block, weight))
        if relu:
            np.maximum(block[0], zeros[: len(state)], out=y[start:stop])
        else:
            np.tanh(block[0], out=y[start:stop])


def _run_gru(gates: Any, weight: Any, bias: Any, h: Any, steps: Steps, met: Any, y: Any) -> None:
    hidden, inner = y.shape[1], met.shape[1] - y.shape[1]
    doors_weight, own_weight = weight[:2], weight[2:, :, inner:]
    new_weight = weight[2:, :, :inner]
    room = np.empty_like(h)
    for step in steps:
        start, stop = step[:2]
        rows = met[start:stop]
        rows[:, inner:] = state = _state(y, h, step)
        block = _blocks(gates, 4, hidden, step)
        doors, spare = block[:2], room[: stop - start]
        reset, update, new, own = block
        np.matmul(rows, doors_weight, out=_tiled(doors, weight))
        np.matmul(rows[:, :inner], new_weight, out=_tiled(block[2:3], weight))
        np.matmul(rows[:, inner:], own_weight, out=_tiled(block[3:], weight))
        np.tanh(doors, out=doors)
        doors *= 0.5
        doors += 0.5
        if bias is not None:
            own += bias
        np.multiply(reset, own, out=spare)
        new += spare
        np.tanh(new, out=new)
        np.subtract(state, new, out=spare)
        spare *= update
        np.add(new, spare, out=y[start:stop])


def _run_lstm(
    gates: Any, weight: Any, project: Any, states: Any, steps: Steps, met: Any, cells: Any, y: Any
) -> None:
    h, c = states
    hidden, inner = cells.shape[1], met.shape[1] - y.shape[1]
    room = np.empty_like(c)
    for step in steps:
        start, stop = step[:2]
        rows = met[start:stop]
        rows[:, inner:] = _state(y, h, step)
        block = _blocks(gates, 4, hidden, step)
        np.matmul(rows, weight, out=_tiled(block, weight))
        np.tanh(block, out=block)
        doors = block[1:]
        doors *= 0.5
        doors += 0.5
        candidate, enter, keep, leave = block
        cell, spare = cells[start:stop], room[: stop - start]
        np.multiply(keep, _state(cells, c, step), out=cell)
        np.multiply(enter, candidate, out=spare)
        cell += spare
        np.tanh(cell, out=spare)
        if project is None:
            np.multiply(leave, spare, out=y[start:stop])
        else:
            spare *= leave
            np.matmul(spare, project, out=y[start:stop])


def forward(
    mode: str, x: Any, h: Any, c: Any, weights: Any, sizes: Any, reverse: bool
) -> tuple[np.ndarray, ...]:
    """(output rows, last h, last c if any, then what the gradient needs), all of one type."""
    w_ih, w_hh, b_ih, b_hh, w_hr = weights
    if recurrent_steps.worthwhile(mode, h, w_hr, sizes):
        return recurrent_steps.forward(mode, x, h, c, weights, len(sizes), reverse)
    steps = schedule(sizes, reverse)
    joined, own = _joined(mode, w_ih, w_hh, b_ih, b_hh)
    weight = _tiles(joined, len(h), steps)
    hidden, (rows, inner) = joined.shape[2], x.shape
    length, blocks = joined.shape[1], 1 if mode.startswith("RNN") else 4
    stride = -(-length // 16) * 16  # rows begin aligned
    met, gates, cells = _carved(
        x.dtype, rows * stride, rows * blocks * hidden, rows * hidden if c is not None else 0
    )
    met = met.reshape(rows, stride)[:, :length]
    met[:, :inner] = x
    if b_ih is not None:
        met[:, inner] = 1
    y = np.empty((rows, w_hh.shape[1]), x.dtype)
    if mode == "LSTM":
        cells = cells.reshape(rows, hidden)
        project = None if w_hr is None else w_hr.T
        _run_lstm(gates, weight, project, (h, c), steps, met, cells, y)
        return y, _last(y, steps), _last(cells, steps), met, gates, cells
    if mode == "GRU":
        _run_gru(gates, weight, own, h, steps, met, y)
        return y, _last(y, steps), met, gates
    _run_plain(gates, weight, h, steps, met, y, mode == "RNN_RELU")
    gates[...] = y.reshape(-1)  # ours stays as it is when the caller writes into the output
    return y, _last(y, steps), met, gates


# -- backward ----------------------------------------------------------------------------------


def _groups(steps: Steps, hidden: int) -> Iterator[tuple[Steps, int, int, int]]:
    """Runs of steps of one size, last first, that are worked on together; the rows they span."""
    group: Steps = []
    size = 0
    for step in [*reversed(steps), (0, -1, 0, 0)]:
        count = step[1] - step[0]
        if group and (count != size or (len(group) + 1) * size * hidden > _BLOCK):
            low = min(group[0][0], group[-1][0])
            yield group, size, low, low + size * len(group)
            group = []
        group.append(step)
        size = count


def _span(gates: Any, count: int, hidden: int, size: int, low: int, high: int) -> np.ndarray:
    """The gates of a run of steps (count, steps, rows, hidden)."""
    block = gates[low * count * hidden : high * count * hidden]
    return block.reshape(-1, count, size, hidden).swapaxes(0, 1)


def _split(rows: np.ndarray, size: int, low: int, high: int) -> np.ndarray:
    """Rows (..., rows, hidden) of a run of steps as (..., steps, rows, hidden)."""
    part = rows[..., low:high, :]
    return part.reshape(*part.shape[:-2], -1, size, part.shape[-1])


def _back_plain(y: Any, by_y: Any, by_h: Any, weight: Any, steps: Steps, relu: bool) -> np.ndarray:
    """The gradient of the gates (1, rows, hidden); by_h becomes that of the first state."""
    d = np.empty((1, *y.shape), y.dtype)
    weight = _tiles(weight, len(by_h), steps)
    if relu:
        d[0] = y > 0
    else:
        np.multiply(y, y, out=d[0])
        np.subtract(1, d[0], out=d[0])
    room = np.empty((1, *by_h.shape), by_h.dtype)
    tiled = _tiled(room, weight)
    room = room[0]
    for start, stop, _, _ in reversed(steps):
        count = stop - start
        now, step = by_h[:count], d[:, start:stop]
        now += by_y[start:stop]
        step *= now
        np.matmul(step[:, None], weight, out=tiled[:, :, :count])
        now[...] = room[:count]
    return d


def _gru_factors(gates: Any, before: Any, d: Any) -> None:
    """d (own candidate, reset, update, candidate before tanh) / d output, into d."""
    reset, update, new, own = gates
    by_own, by_reset, by_update, by_new = d
    np.multiply(new, new, out=by_new)
    np.subtract(1, by_new, out=by_new)
    np.subtract(1, update, out=by_update)
    by_new *= by_update
    by_update *= update
    np.multiply(by_new, reset, out=by_own)
    np.subtract(1, reset, out=by_reset)
    by_reset *= by_own
    by_reset *= own
    by_update *= before - new


def _back_gru(
    gates: Any, by_y: Any, by_h: Any, before: Any, weight: Any, steps: Steps
) -> np.ndarray:
    """The gradient of (W_hn h, reset, update, candidate); by_h becomes that of the first state."""
    hidden = before.shape[1]
    d = np.empty((4, *before.shape), before.dtype)
    weight = _tiles(weight, len(by_h), steps)
    room = np.empty((3, *by_h.shape), by_h.dtype)
    tiled = _tiled(room, weight)
    for group, size, low, high in _groups(steps, hidden):
        part = _span(gates, 4, hidden, size, low, high)
        _gru_factors(part, _split(before, size, low, high), _split(d, size, low, high))
        for start, stop, _, _ in group:
            now, step = by_h[:size], d[:, start:stop]
            now += by_y[start:stop]
            step *= now
            np.matmul(step[:3, None], weight, out=tiled[:, :, :size])
            now *= part[1, (start - low) // size]
            for share in room[:, :size]:
                now += share
    return d


def _lstm_factors(gates: Any, cell: Any, before: Any, d: Any) -> tuple[np.ndarray, np.ndarray]:
    """d gate / d cell (d output for the output gate) into d; returns hidden and its d cell."""
    candidate, enter, _, leave = gates
    bent = np.tanh(cell)
    hidden = leave * bent
    doors, by_doors = gates[1:], d[1:]
    np.subtract(1, doors, out=by_doors)
    by_doors *= doors
    own, by_enter, by_keep, by_leave = d
    by_enter *= candidate
    by_keep *= before
    by_leave *= bent
    np.multiply(enter, candidate, out=own)
    own *= candidate
    np.subtract(enter, own, out=own)
    bent *= hidden
    return hidden, np.subtract(leave, bent, out=bent)


def _back_lstm(
    kept: Any, by_y: Any, by_h: Any, by_c: Any, first: Any, weight: Any, w_hr: Any, steps: Steps
) -> tuple[np.ndarray, Any]:
    """The gradient of the gates and of W_hr; by_h and by_c become those of the first states."""
    (gates, cells), size_h = kept, first.shape[1]
    d = np.empty((4, *cells.shape), cells.dtype)
    kept_rows = 0 if w_hr is None else len(cells)
    hidden, rows = (np.empty((kept_rows, a.shape[1]), a.dtype) for a in (cells, by_h))
    weight = _tiles(weight, len(by_h), steps)
    room, spare = np.empty((4, *by_h.shape), by_h.dtype), np.empty_like(by_c)
    tiled = _tiled(room, weight)
    for group, size, low, high in _groups(steps, size_h):
        part = _span(gates, 4, size_h, size, low, high)
        cell, by_gates = (_split(a, size, low, high) for a in (cells, d))
        before = _before(cells, first, sorted(group)).reshape(cell.shape)
        own, scale = _lstm_factors(part, cell, before, by_gates)
        if w_hr is not None:
            hidden[low:high] = own.reshape(-1, size_h)
        now, cell, tmp, shares = by_h[:size], by_c[:size], spare[:size], room[:, :size]
        for start, stop, _, _ in group:
            at = (start - low) // size
            now += by_y[start:stop]
            inner = now
            if w_hr is not None:
                rows[start:stop] = now
                inner = now @ w_hr
            step = d[:, start:stop]
            leave, rest = step[3], step[:3]
            leave *= inner
            np.multiply(inner, scale[at], out=tmp)
            cell += tmp
            rest *= cell
            cell *= part[2, at]
            np.matmul(step[:, None], weight, out=tiled[:, :, :size])
            np.add.reduce(shares, 0, out=now)
    return d, None if w_hr is None else rows.T @ hidden


def _weight_gradients(mode: str, d: Any, met: np.ndarray, weights: Any) -> tuple[Any, ...]:
    """Of W_ih, W_hh, b_ih and b_hh (or None), from the gates' gradients."""
    w_ih, _, b_ih, _, _ = weights
    inner, order = w_ih.shape[1], _ORDERS[mode]
    biased = b_ih is not None
    found = np.empty((len(order), d.shape[2], met.shape[1]), met.dtype)
    if mode == "GRU":
        edge = inner + biased
        for one, place in zip(d[1:3], (0, 1)):
            np.matmul(one.T, met, out=found[place])
        np.matmul(d[3].T, met[:, :edge], out=found[2, :, :edge])
        np.matmul(d[0].T, met[:, edge:], out=found[2, :, edge:])
    else:
        for one, place in zip(d, order):
            np.matmul(one.T, met, out=found[place])
    found = found.reshape(-1, met.shape[1])
    if not biased:
        return found[:, :inner], found[:, inner:], None, None
    bias = found[:, inner].copy()
    own = bias.copy()
    if mode == "GRU":
        own[-len(own) // 3 :] = np.add.reduce(d[0], 0)
    return found[:, :inner], found[:, inner + 1 :], bias, own


def backward(
    mode: str, gs: Any, kept: Any, xs: Any, weights: Any, sizes: Any, reverse: bool, wants_x: bool
) -> tuple[Any, ...]:
    """Gradients of x, h, c and the weights, all arrays of one float type."""
    if kept[1].ndim == 2:
        count = len(sizes)
        return recurrent_steps.backward(mode, gs, kept, xs, weights, count, reverse, wants_x)
    c, (w_ih, w_hh, _, _, w_hr) = xs[2], weights
    steps = schedule(sizes, reverse)
    met, gates, *cells = kept
    by_y, by_h = gs[0], gs[1].copy()
    order = _ORDERS[mode]
    blocks = w_hh.reshape(len(order), -1, w_hh.shape[1])
    by_c = by_hr = None
    if mode == "LSTM":
        by_c = gs[2].copy()
        d, by_hr = _back_lstm((gates, cells[0]), by_y, by_h, by_c, c, blocks[order], w_hr, steps)
    elif mode == "GRU":
        before = met[:, -w_hh.shape[1] :]
        d = _back_gru(gates, by_y, by_h, before, blocks[[2, 0, 1]], steps)
    else:
        y = gates.reshape(len(met), -1)
        d = _back_plain(y, by_y, by_h, blocks, steps, mode == "RNN_RELU")
    by_x = None
    if wants_x:
        blocks = w_ih.reshape(len(order), -1, w_ih.shape[1])[order]
        own = d[1:] if mode == "GRU" else d
        by_x = own[0] @ blocks[0]
        for one, block in zip(own[1:], blocks[1:]):
            by_x += one @ block
    return by_x, by_h, by_c, *_weight_gradients(mode, d, met, weights), by_hr
