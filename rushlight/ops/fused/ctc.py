"""Connectionist temporal classification: the loss of a label sequence over all its alignments.

States of an alignment are the labels with a blank before, between and after. `log_alpha[s]` is the
log-probability of all beginnings that end in state s, `log_beta[s]` of all endings from there.
Source: Graves et al. 2006, https://www.cs.toronto.edu/~graves/icml_2006.pdf
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...core.errors import fail
from ...core.families import general
from ...core.heavy import SWITCH, Pieces
from ..structure import reshape

_NEVER, _LEAST = -np.inf, -1e300  # what is taken off a sum of what is never
NATIVE = Pieces("alignments")


def _states(labels: np.ndarray, blank: int) -> tuple[np.ndarray, np.ndarray]:
    """(label of each state (B, S), where a state may be reached from two states before)."""
    batch, length = labels.shape
    states = np.full((batch, 2 * length + 1), blank)
    states[:, 1::2] = labels
    skips = np.zeros(states.shape, bool)
    skips[:, 2:] = (states[:, 2:] != blank) & (states[:, 2:] != states[:, :-2])
    return states, skips


def _log_sum(*terms: np.ndarray) -> np.ndarray:
    most = np.maximum.reduce(terms)
    safe = np.where(np.isneginf(most), 0, most)
    return np.log(sum(np.exp(term - safe) for term in terms)) + safe


def _forward(emitted: np.ndarray, skips: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """log_alpha for every time; beyond a sequence's length the last one is kept."""
    times, batch, width = emitted.shape
    room = np.full((times, batch, 2 + width), _NEVER)  # two states before that are never reached
    room[0, :, 2:4] = emitted[0, :, :2]
    if not lengths.all():
        room[0, lengths == 0] = _NEVER  # without any time, only the empty sequence is sure
        room[0, lengths == 0, 2] = 0
    found = NATIVE.found if emitted.size >= SWITCH.least else None
    if found is None:
        _step_by_step(room, emitted, skips, lengths)
    else:
        arrays = [np.ascontiguousarray(one) for one in (emitted, skips.astype(float), lengths)]
        found.get("alignments")(room.ctypes.data, *(one.ctypes.data for one in arrays),
                                times, batch, width)  # fmt: skip
    return room[:, :, 2:]


def _step_by_step(
    room: np.ndarray, emitted: np.ndarray, skips: np.ndarray, lengths: np.ndarray
) -> None:  # fmt: skip
    never, most = ~skips, np.empty(emitted.shape[1:])
    terms = np.empty((3, *most.shape))
    for t in range(1, len(emitted)):
        before, now = room[t - 1], room[t, :, 2:]
        for back in range(3):
            terms[back] = before[:, 2 - back : before.shape[1] - back]
        np.copyto(terms[2], _NEVER, where=never)
        np.maximum.reduce(terms, 0, out=most)
        np.maximum(most, _LEAST, out=most)
        terms -= most
        np.exp(terms, terms)
        now[:] = np.add.reduce(terms, 0)
        np.log(now, now)
        now += most
        now += emitted[t]
        over = t >= lengths
        if over.any():
            now[over] = before[over, 2:]


def _places(shape: tuple[int, ...], states: np.ndarray) -> np.ndarray:
    """Where every state's label stands among the scores, at every time (T, B, S)."""
    times, batch, classes = shape
    return np.arange(0, times * batch * classes, classes).reshape(times, batch, 1) + states


def _emitted(wide: np.ndarray, states: np.ndarray) -> np.ndarray:
    """The log-probability of every state's label at every time (T, B, S)."""
    return wide.reshape(-1).take(_places(wide.shape, states))


def _widened(x: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(x.astype(np.float64))


def _ends(alpha: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """The log-probability of all alignments: they end in the last label or the blank after it."""
    rows = np.arange(len(targets))
    last = alpha[-1][rows, 2 * targets]
    before = alpha[-1][rows, np.maximum(2 * targets - 1, 0)]
    return _log_sum(last, np.where(targets > 0, before, _NEVER))


def _ctc(
    x: np.ndarray, labels: np.ndarray, times: np.ndarray, targets: np.ndarray, blank: int,
    zero_infinity: bool,
) -> np.ndarray:  # fmt: skip
    states, skips = _states(labels, blank)
    loss = -_ends(_forward(_emitted(_widened(x), states), skips, times), targets)
    if zero_infinity:
        loss = np.where(np.isinf(loss), 0, loss)
    return loss.astype(x.dtype)


def _reversed(a: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Each sequence's own times in reverse order (what lies beyond stays)."""
    if (times == len(a)).all():
        return a[::-1]
    steps = np.arange(len(a))[:, None]
    places = np.where(steps < times, times - 1 - steps, steps)
    return np.take_along_axis(a, places[:, :, None], 0)


def _gradient(
    x: np.ndarray, labels: np.ndarray, times: np.ndarray, targets: np.ndarray, blank: int,
    zero_infinity: bool,
) -> np.ndarray:  # fmt: skip
    """d loss / d scores, for log-probabilities that come from a log_softmax (as torch has it)."""
    states, skips = _states(labels, blank)
    wide = _widened(x)
    emitted = _emitted(wide, states)
    # beta is alpha of the sequence read backwards, with its states in reverse order
    order = 2 * targets[:, None] - np.arange(states.shape[1])
    inside = order >= 0
    order = np.where(inside, order, 0)
    back = np.take_along_axis(states, order, 1)
    back_skips = np.zeros_like(skips)
    back_skips[:, 2:] = (back[:, 2:] != blank) & (back[:, 2:] != back[:, :-2])
    mirrored = np.take_along_axis(_reversed(emitted, times), order[None], 2)
    mirrored = np.where(inside, mirrored, _NEVER)
    both = _forward(np.concatenate((emitted, mirrored), 1), np.concatenate((skips, back_skips)),
                    np.concatenate((times, times)))  # fmt: skip
    alpha, beta = both[:, : len(labels)], both[:, len(labels) :]
    beta = np.take_along_axis(beta, order[None], 2)
    beta = _reversed(np.where(inside, beta, _NEVER), times)
    loss = -_ends(alpha, targets)
    # how likely each state is at each time, given the labels; states with one label add up
    likely = np.exp(alpha + beta + loss[:, None] - emitted)
    shares = np.bincount(_places(x.shape, states).reshape(-1), likely.reshape(-1), x.size)
    dx = np.exp(wide) - shares.reshape(x.shape)
    dx[np.isneginf(wide)] = np.nan  # torch divides by what is impossible
    dx[:, ~np.isfinite(loss)] = np.nan
    if zero_infinity:
        dx[:, np.isinf(loss)] = 0
    dx[np.arange(len(x))[:, None] >= times] = 0
    return dx.astype(x.dtype)


def _no_second_derivative(*_: Any) -> Any:
    raise fail(
        RuntimeError,
        "derivative for aten::_ctc_loss_backward is not implemented",
        "the loss has first derivatives only, forward and reverse; write its recursion with"
        " torch.logsumexp for more",
    )


ctc_gradient = general("ctc_gradient", eval=_gradient, vjp=_no_second_derivative, arity=4,
                       node="CtcLossBackwardBackward0", doc="The derivative of `ctc`.")  # fmt: skip


def _ctc_vjp(g: Any, y: Any, x: Any, *rest: Any) -> Any:
    return reshape(g, (1, x.shape[1], 1)) * ctc_gradient(x, *rest), None, None, None


ctc = general("ctc_loss", eval=_ctc, vjp=_ctc_vjp, arity=4, reads="x",
              doc="Minus the log-probability of each label sequence.")  # fmt: skip
