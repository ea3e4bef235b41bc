"""Recurrent layers of several members, each with weights of its own: their steps made together.

Every array has the members in front: x (E, T, B, I), weights (E, gates * H, I), states (E, B, H).
The products of a step are one batched product, and all else passes over the members at once. Gates
lie in an order of our own (`_ORDERS`); a logistic gate is (1 + tanh(x / 2)) / 2, as in
`recurrent.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray
_ORDERS = {"RNN_TANH": [0], "RNN_RELU": [0], "GRU": [0, 1, 2], "LSTM": [2, 0, 1, 3]}
_SHARES = {"RNN_TANH": [0], "RNN_RELU": [0], "GRU": [2, 0, 1], "LSTM": [2, 0, 1, 3]}
_DOORS = {"GRU": (slice(0, 2), slice(1, 3)), "LSTM": (slice(1, 4), slice(1, 4))}


def _ordered(w: Array, order: list[int]) -> Array:
    """The gates of a weight or a bias (E, gates * H, ...) in another order, copied."""
    blocks = w.reshape(len(w), len(order), -1, *w.shape[2:])
    return blocks[:, order].reshape(w.shape)


def _turned(w: Array, doors: slice | None, gates: int) -> Array:
    """The transpose of each member's weight, its logistic gates halved."""
    w = np.ascontiguousarray(w.swapaxes(1, 2))
    if doors is not None:
        w.reshape(*w.shape[:2], gates, -1)[:, :, doors] *= 0.5
    return w


def _flat(x: Array) -> Array:
    """(E, T, B, ...) as (E, T * B, all the rest)."""
    return x.reshape(len(x), x.shape[1] * x.shape[2], -1)


def _turns(count: int, reverse: bool) -> range:
    return range(count - 1, -1, -1) if reverse else range(count)


def _before(values: Array, first: Array, reverse: bool) -> Array:
    """The states before all steps."""
    found = np.empty_like(values)
    if reverse:
        found[:, -1], found[:, :-1] = first, values[:, 1:]
    else:
        found[:, 0], found[:, 1:] = first, values[:, :-1]
    return found


# -- forward -----------------------------------------------------------------------------------


def _run_plain(gates: Array, weight: Array, h: Array, y: Array, turns: range, relu: bool) -> None:
    share = np.empty_like(h)
    for t in turns:
        np.matmul(h, weight, out=share)
        h = y[:, t]
        np.add(gates[:, t, :, 0], share, out=h)
        np.maximum(h, 0, out=h) if relu else np.tanh(h, out=h)


def _run_gru(gates: Array, weight: Array, own: Any, h: Array, y: Array, turns: range) -> None:
    share = np.empty((*h.shape[:2], 3, h.shape[2]), h.dtype)
    flat, spare = share.reshape(*h.shape[:2], -1), np.empty_like(h)
    for t in turns:
        np.matmul(h, weight, out=flat)
        step = gates[:, t]
        doors, new = step[:, :, 1:3], step[:, :, 3]
        doors += share[:, :, 1:]
        np.tanh(doors, out=doors)
        doors *= 0.5
        doors += 0.5
        np.add(share[:, :, 0], 0 if own is None else own, out=step[:, :, 0])
        np.multiply(step[:, :, 0], step[:, :, 1], out=spare)
        new += spare
        np.tanh(new, out=new)
        np.subtract(h, new, out=spare)
        spare *= step[:, :, 2]
        h = y[:, t]
        np.add(new, spare, out=h)


def _run_lstm(
    gates: Array, weight: Array, project: Any, h: Array, c: Array, y: Array, cells: Array,
    turns: range,
) -> None:  # fmt: skip
    share = np.empty((*c.shape[:2], 4, c.shape[2]), c.dtype)
    flat, spare = share.reshape(*c.shape[:2], -1), np.empty_like(c)
    for t in turns:
        np.matmul(h, weight, out=flat)
        step, cell = gates[:, t], cells[:, t]
        np.add(step, share, out=share)
        np.tanh(share, out=step)
        doors = step[:, :, 1:]
        doors *= 0.5
        doors += 0.5
        np.multiply(step[:, :, 2], c, out=cell)
        np.multiply(step[:, :, 1], step[:, :, 0], out=spare)
        cell += spare
        np.tanh(cell, out=spare)
        spare *= step[:, :, 3]
        h, c = y[:, t], cell
        if project is None:
            h[...] = spare
        else:
            np.matmul(spare, project, out=h)


def forward(mode: str, xs: Any, reverse: bool) -> tuple[Array, ...]:
    """(outputs (E, T, B, H), last h, last c if any, then what the gradient needs)."""
    x, h, c, w_ih, w_hh, b_ih, b_hh, w_hr = xs
    (members, count, rows), order = x.shape[:3], _ORDERS[mode]
    inward, outward = _DOORS.get(mode, (None, None))
    hidden = w_hh.shape[1] // len(order)
    gates = _flat(x) @ _turned(_ordered(w_ih, order), inward, len(order))
    own = None
    if b_ih is not None:
        bias = b_ih + b_hh
        if mode == "GRU":
            bias[:, 2 * hidden :], own = b_ih[:, 2 * hidden :], b_hh[:, None, 2 * hidden :]
        gates += _turned(_ordered(bias, order)[..., None], inward, len(order))
    gates = gates.reshape(members, count, rows, len(order), hidden)
    weight, turns = _turned(_ordered(w_hh, _SHARES[mode]), outward, len(order)), _turns(
        count, reverse)  # fmt: skip
    y = np.empty((members, count, rows, w_hh.shape[2]), x.dtype)
    cells = np.empty((*y.shape[:3], hidden if mode == "LSTM" else 0), x.dtype)
    if mode == "LSTM":
        project = None if w_hr is None else np.ascontiguousarray(w_hr.swapaxes(1, 2))
        _run_lstm(gates, weight, project, h, c, y, cells, turns)
    elif mode == "GRU":
        inner, gates = gates, np.empty((*gates.shape[:3], 4, hidden), x.dtype)
        gates[..., 1:, :] = inner
        _run_gru(gates, weight, own, h, y, turns)
    else:
        _run_plain(gates, weight, h, y, turns, mode == "RNN_RELU")
        gates = gates[:, :0]
    last = turns[-1]
    ends = (y[:, last].copy(), *((cells[:, last].copy(),) if mode == "LSTM" else ()))
    return y, *ends, gates, y.copy(), *((cells,) if mode == "LSTM" else ())


# -- backward ----------------------------------------------------------------------------------


def _back_plain(y: Array, by_y: Array, by_h: Array, weight: Array, turns: range, relu: bool) -> Any:
    d = (y > 0).astype(y.dtype) if relu else 1 - y * y
    for t in turns:
        by_h += by_y[:, t]
        step = d[:, t]
        step *= by_h
        np.matmul(step, weight, out=by_h)
    return d[..., None, :]


def _gru_factors(gates: Array, before: Array) -> Array:
    """The derivatives of the output by (W_hn h, reset, update, candidate)."""
    own, reset, update, new = (gates[..., k, :] for k in range(4))
    d = np.empty_like(gates)
    d[..., 3, :] = by_new = (1 - new * new) * (1 - update)
    d[..., 2, :] = (before - new) * update * (1 - update)
    by_new *= reset
    d[..., 0, :] = by_new
    d[..., 1, :] = by_new * own * (1 - reset)
    return d


def _lstm_factors(gates: Array, cells: Array, before: Array) -> tuple[Array, Array, Array]:
    """The derivatives of the cell by (candidate, enter, keep) and of the output by (leave), by the
    cell; and the output itself before its projection."""
    new, enter, keep, leave = (gates[..., k, :] for k in range(4))
    d, bent = np.empty_like(gates), np.tanh(cells)
    d[..., 0, :] = enter * (1 - new * new)
    d[..., 1, :] = new * enter * (1 - enter)
    d[..., 2, :] = before * keep * (1 - keep)
    hidden = leave * bent
    d[..., 3, :] = hidden * (1 - leave)
    return d, leave - hidden * bent, hidden


def _back_gru(
    gates: Array, before: Array, by_y: Array, by_h: Array, weight: Array, turns: range
) -> Array:
    """The gradients of (W_hn h, reset, update, candidate)."""
    d, spare, update = _gru_factors(gates, before), np.empty_like(by_h), gates[..., 2, :]
    share = d.reshape(*d.shape[:3], -1)[..., : 3 * d.shape[-1]]
    for t in turns:
        by_h += by_y[:, t]
        step = d[:, t]
        step *= by_h[:, :, None]
        np.multiply(by_h, update[:, t], out=spare)
        np.matmul(share[:, t], weight, out=by_h)
        by_h += spare
    return d


def _back_lstm(
    gates: Array, cells: Array, first: Array, by_y: Array, by_h: Array, by_c: Array, weight: Array,
    w_hr: Any, turns: range, reverse: bool,
) -> tuple[Array, Any]:  # fmt: skip
    """The gradients of the gates, and of W_hr; by_h and by_c become those of the first states."""
    d, scale, hidden = _lstm_factors(gates, cells, _before(cells, first, reverse))
    spare, keep = np.empty_like(by_c), gates[..., 2, :]
    met = None if w_hr is None else np.empty_like(by_y)
    flat = d.reshape(*d.shape[:3], -1)
    for t in turns:
        by_h += by_y[:, t]
        inner = by_h
        if met is not None:
            met[:, t] = by_h
            inner = by_h @ w_hr
        step = d[:, t]
        step[:, :, 3] *= inner
        np.multiply(inner, scale[:, t], out=spare)
        by_c += spare
        step[:, :, :3] *= by_c[:, :, None]
        by_c *= keep[:, t]
        np.matmul(flat[:, t], weight, out=by_h)
    return d, None if met is None else _flat(met).swapaxes(1, 2) @ _flat(hidden)


def backward(
    mode: str, gs: Any, kept: Any, xs: Any, reverse: bool, wants_x: bool
) -> list[Array | None]:
    """Gradients of x, h, c and the weights; `gs` are those of the outputs and the last states."""
    x, h, c, w_ih, w_hh, b_ih, _, w_hr = xs
    gates, y, *cells = kept
    by_y, by_h = gs[0], gs[1].copy()
    by_c: Any = gs[2].copy() if mode == "LSTM" else None
    order, turns, by_hr = _SHARES[mode], _turns(x.shape[1], not reverse), None
    weight, before = _ordered(w_hh, order), _before(y, h, reverse)
    if mode == "LSTM":
        d, by_hr = _back_lstm(
            gates, cells[0], c, by_y, by_h, by_c, weight, w_hr, turns, reverse)  # fmt: skip
    elif mode == "GRU":
        d = _back_gru(gates, before, by_y, by_h, weight, turns)
    else:
        d = _back_plain(y, by_y, by_h, weight, turns, mode == "RNN_RELU")
    d, size = _flat(d), w_hh.shape[1]
    share, inner = d[..., :size], d[..., -size:]
    back = [int(i) for i in np.argsort(order)]
    inward = [int(i) for i in np.argsort(_ORDERS[mode])]
    by_x = (inner @ _ordered(w_ih, _ORDERS[mode])).reshape(x.shape) if wants_x else None
    by_w_ih = _ordered(inner.swapaxes(1, 2) @ _flat(x), inward)
    by_w_hh = _ordered(share.swapaxes(1, 2) @ _flat(before), back)
    biases = [None, None]
    if b_ih is not None:
        biases = [
            _ordered(np.add.reduce(inner, 1), inward),
            _ordered(np.add.reduce(share, 1), back),
        ]
    return [by_x, by_h, by_c, by_w_ih, by_w_hh, *biases, by_hr]


# -- forward mode ------------------------------------------------------------------------------


def laid(mode: str, y: Array, kept: Any) -> tuple[Any, Any]:
    """(gates, cells) as here, of what one of the kernels kept, members in front."""
    gates = kept[0] if kept[0].ndim == 5 or mode not in _DOORS else None
    cells = kept[2].reshape(*y.shape[:3], -1) if mode == "LSTM" else None
    if gates is None and kept[1].ndim == 3:  # by steps: in the order of the weights
        gates = kept[1].reshape(*y.shape[:3], 4, -1)
        gates = gates[..., [2, 0, 1, 3] if mode == "LSTM" else [3, 0, 1, 2], :]
    elif gates is None:
        gates = kept[1].reshape(*y.shape[:2], 4, y.shape[2], -1).swapaxes(2, 3)
        gates = gates if mode == "LSTM" else gates[..., [3, 0, 1, 2], :]
    return gates, cells


def _moved(x: Any, t: Any, w: Any, tw: Any, tb: Any, order: list[int]) -> Any:
    """The tangent of x w^T + b with the gates in another order; 0 if there is none."""
    total: Any = 0
    if t is not None:
        total = _flat(t) @ _ordered(w, order).swapaxes(1, 2)
    if tw is not None:
        total = total + _flat(x) @ _ordered(tw, order).swapaxes(1, 2)
    return total if tb is None else total + _ordered(tb, order)[:, None]


def _inward(mode: str, xs: Any, ts: Any, before: Array) -> Array:
    """The tangents of what goes into the gates of all steps, but for that of the state."""
    x, _, _, w_ih, w_hh, *_ = xs
    tx, _, _, tw_ih, tw_hh, tb_ih, tb_hh, _ = ts
    sizes, hidden = before.shape[:3], w_hh.shape[1] // len(_ORDERS[mode])
    z = np.zeros((*sizes, 4 if mode == "GRU" else len(_ORDERS[mode]), hidden), x.dtype)
    flat: Any = _flat(z)
    flat[..., -w_hh.shape[1] :] += _moved(x, tx, w_ih, tw_ih, tb_ih, _ORDERS[mode])
    flat[..., : w_hh.shape[1]] += _moved(before, None, w_hh, tw_hh, tb_hh, _SHARES[mode])
    return z


def _pushed_lstm(
    factors: Any, keep: Array, z: Array, weight: Array, th: Array, tc: Array, project: Any,
    moved: Any, turns: range, found: Array,
) -> Array:  # fmt: skip
    """Fill the tangents of the outputs; returns that of the last cell."""
    d, scale, _ = factors
    share: Any = np.empty((*tc.shape[:2], 4, tc.shape[2]), tc.dtype)
    flat, tc = share.reshape(*tc.shape[:2], -1), tc.copy()
    for t in turns:
        np.matmul(th, weight, out=flat)
        share += z[:, t]
        share *= d[:, t]
        tc *= keep[:, t]
        for k in range(3):
            tc += share[:, :, k]
        out = scale[:, t] * tc
        th = found[:, t]
        if project is None:
            np.add(out, share[:, :, 3], out=th)
        else:
            out += share[:, :, 3]
            np.matmul(out, project, out=th)
        if moved is not None:
            th += moved[:, t]
    return tc


def _pushed_gru(
    d: Array, update: Array, z: Array, weight: Array, th: Array, turns: range, found: Array
) -> None:
    """Fill the tangents of the outputs; (W_hn h, reset, update, h) of a step lie together."""
    z *= d
    z = np.add.reduce(z, 3)
    d[..., 3, :] = update
    room = np.empty((*th.shape[:2], 4, th.shape[2]), th.dtype)
    share = room.reshape(*th.shape[:2], -1)[..., : weight.shape[2]]
    for t in turns:
        np.matmul(th, weight, out=share)
        room[:, :, 3] = th
        room *= d[:, t]
        th = np.add.reduce(room, 2, out=found[:, t])
        th += z[:, t]


def _pushed_plain(d: Array, z: Array, weight: Array, th: Array, turns: range, found: Array) -> None:
    """Fill the tangents of the outputs."""
    for t in turns:
        th = np.matmul(th, weight, out=found[:, t])
        th += z[:, t, :, 0]
        th *= d[:, t]


def push(mode: str, ts: Any, y: Array, kept: Any, xs: Any, reverse: bool) -> list[Array]:
    """The tangents of the outputs and of the last states, from those of the operands (or None)."""
    _, h, c, _, w_hh, _, _, w_hr = xs
    gates, cells = laid(mode, y, kept)
    before, turns = _before(y, h, reverse), _turns(y.shape[1], reverse)
    z, found = _inward(mode, xs, ts, before), np.empty_like(y)
    weight = np.ascontiguousarray(_ordered(w_hh, _SHARES[mode]).swapaxes(1, 2))
    th: Any
    tc: Any
    th, tc = (None if x is None else np.zeros_like(x) if t is None else t
              for x, t in zip((h, c), ts[1:3]))  # fmt: skip
    ends: tuple[Array, ...] = ()
    if mode == "LSTM":
        factors: Any = _lstm_factors(gates, cells, _before(cells, c, reverse))
        moved = None if ts[7] is None else factors[2] @ ts[7].swapaxes(1, 2)[:, None]
        project = None if w_hr is None else w_hr.swapaxes(1, 2)
        keep: Any = gates[..., 2, :]
        ends = (_pushed_lstm(factors, keep, z, weight, th, tc, project, moved, turns, found),)
    elif mode == "GRU":
        _pushed_gru(
            _gru_factors(gates, before), gates[..., 2, :], z, weight, th, turns, found)  # fmt: skip
    else:
        d: Any = y > 0 if mode == "RNN_RELU" else 1 - y * y
        _pushed_plain(d, z, weight, th, turns, found)
    return [found, found[:, turns[-1]].copy(), *ends]
