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
from ..structure import reshape

_NEVER = -np.inf


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


def _shifted(a: np.ndarray, by: int) -> np.ndarray:
    """The states moved on by `by` places, nothing coming in."""
    y = np.full_like(a, _NEVER)
    if a.shape[1] > by:
        y[:, by:] = a[:, :-by]
    return y


def _forward(emitted: np.ndarray, skips: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """log_alpha for every time; beyond a sequence's length the last one is kept."""
    alpha = np.full(emitted.shape, _NEVER)
    alpha[0, :, :2] = emitted[0, :, :2]
    alpha[0, lengths == 0] = _NEVER  # without any time, only the empty sequence is sure
    alpha[0, lengths == 0, 0] = 0
    for t in range(1, len(emitted)):
        before = alpha[t - 1]
        by_skip = np.where(skips, _shifted(before, 2), _NEVER)
        now = _log_sum(before, _shifted(before, 1), by_skip) + emitted[t]
        alpha[t] = np.where((t < lengths)[:, None], now, before)
    return alpha


def _emitted(x: np.ndarray, states: np.ndarray) -> np.ndarray:
    """The log-probability of every state's label at every time (T, B, S)."""
    x = x.astype(np.float64)
    return np.take_along_axis(x, np.broadcast_to(states, (len(x), *states.shape)), 2)


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
    loss = -_ends(_forward(_emitted(x, states), skips, times), targets)
    if zero_infinity:
        loss = np.where(np.isinf(loss), 0, loss)
    return loss.astype(x.dtype)


def _reversed(a: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Each sequence's own times in reverse order (what lies beyond stays)."""
    steps = np.arange(len(a))[:, None]
    places = np.where(steps < times, times - 1 - steps, steps)
    return np.take_along_axis(a, places[:, :, None], 0)


def _gradient(
    x: np.ndarray, labels: np.ndarray, times: np.ndarray, targets: np.ndarray, blank: int,
    zero_infinity: bool,
) -> np.ndarray:  # fmt: skip
    """d loss / d scores, for log-probabilities that come from a log_softmax (as torch has it)."""
    states, skips = _states(labels, blank)
    emitted = _emitted(x, states)
    alpha = _forward(emitted, skips, times)
    # beta is alpha of the sequence read backwards, with its states in reverse order
    width = states.shape[1]
    order = 2 * targets[:, None] - np.arange(width)
    inside = order >= 0
    order = np.where(inside, order, 0)
    back = np.take_along_axis(states, order, 1)
    back_skips = np.zeros_like(skips)
    back_skips[:, 2:] = (back[:, 2:] != blank) & (back[:, 2:] != back[:, :-2])
    mirrored = np.take_along_axis(_reversed(emitted, times), order[None], 2)
    mirrored = np.where(inside, mirrored, _NEVER)
    beta = np.take_along_axis(_forward(mirrored, back_skips, times), order[None], 2)
    beta = _reversed(np.where(inside, beta, _NEVER), times)
    loss = -_ends(alpha, targets)
    joint = np.full(x.shape, _NEVER)
    paths = alpha + beta
    for s in range(width):  # states with one label add up
        at = np.broadcast_to(states[:, s, None], (len(x), len(labels), 1))
        both = _log_sum(np.take_along_axis(joint, at, 2)[..., 0], paths[:, :, s])
        np.put_along_axis(joint, at, both[..., None], 2)
    wide = x.astype(np.float64)
    dx = np.exp(wide) - np.exp(joint + loss[None, :, None] - wide)
    dx[np.arange(len(x))[:, None] >= times] = 0
    if zero_infinity:
        dx[:, np.isinf(loss)] = 0
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
