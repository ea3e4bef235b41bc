"""Recurrent layers as functions: the layers and directions of RNN, LSTM and GRU, and single cells.

The loop over time is one op (ops/fused/recurrent.py) for a direction of a layer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import rushlight as rl

from ...functions import neural as n
from ...functions.recurrent import recurrent_way


def recurrent(
    mode: str,
    x: Any,
    batch_sizes: list[int] | None,
    states: tuple,
    weights: Sequence[Any],
    has_biases: bool,
    num_layers: int,
    dropout: float,
    training: bool,
    bidirectional: bool,
) -> tuple[Any, tuple]:
    """All layers and directions.

    x (T, B, I), or packed rows (sum of batch_sizes, I); states each (layers * directions, B, H);
    weights as torch lays them out. Returns the outputs of the last layer, shaped as x with the last
    size directions * H, and the last states stacked like `states`.
    """
    ways = 2 if bidirectional else 1
    per_way = len(weights) // (num_layers * ways)
    ends: list[tuple] = []
    for layer in range(num_layers):
        sides = []
        for way in range(ways):
            place = layer * ways + way
            own = weights[place * per_way : (place + 1) * per_way]
            biases = own[2:4] if has_biases else (None, None)
            project = own[-1] if per_way in (3, 5) else None
            state = tuple(part[place] for part in states)
            outputs, end = recurrent_way(
                mode, x, state, (*own[:2], *biases, project), batch_sizes, way == 1
            )
            sides.append(outputs)
            ends.append(end)
        x = sides[0] if ways == 1 else rl.cat(sides, -1)
        if dropout and training and layer < num_layers - 1:
            x = rl.nn.functional.dropout(x, dropout, True)
    return x, tuple(rl.stack(list(parts)) for parts in zip(*ends))


_DOC = """All layers of a {mode} over (T, B, I) or packed rows: (outputs, last states).

    Arguments, for (T, B, I): input, first states, parameters, whether there are biases, how many
    layers, dropout, training, bidirectional, batch_first. For packed rows: data, batch_sizes, first
    states, and the same from the parameters to bidirectional.

    >>> import rushlight as torch
    >>> net = torch.nn.{kind}(2, 3{more})
    >>> x, h, w = torch.ones(4, 1, 2), {states}, list(net.parameters())
    >>> y, *ends = torch.{name}(x, h, w, True, 1, 0.0, False, False, False)
    >>> torch.equal(y, net(x)[0]), ends[0].shape
    (True, torch.Size([1, 1, 3]))
    """


def _as_torch_calls_it(mode: str, count: int) -> Callable[..., tuple]:
    """torch's two signatures: (input, hx, ...) and, for packed rows, (data, batch_sizes, hx, ...).

    `count` states go in and out: 2 for the LSTM, otherwise a single tensor.
    """

    def layer(input: Any, second: Any, third: Any, *rest: Any) -> tuple:
        if isinstance(rest[0], (list, tuple)):
            params, biases, layers, dropout, train, bidirectional = rest
            sizes, given, batch_first = second.tolist(), third, False
        else:
            biases, layers, dropout, train, bidirectional, batch_first = rest
            sizes, given, params = None, second, third
        x = input.transpose(0, 1) if batch_first else input
        states = tuple(given) if count > 1 else (given,)
        out, ends = recurrent(
            mode, x, sizes, states, list(params), biases, layers, dropout, train, bidirectional
        )
        return (out.transpose(0, 1) if batch_first else out, *ends)

    layer.__name__ = layer.__qualname__ = mode.lower()
    states, kind = "torch.zeros(1, 1, 3)", mode.partition("_")[0]
    more = ', nonlinearity="relu"' if mode == "RNN_RELU" else ""
    states = f"({states}, {states})" if count > 1 else states
    layer.__doc__ = _DOC.format(mode=mode, kind=kind, more=more, name=layer.__name__, states=states)
    return layer


rnn_tanh = _as_torch_calls_it("RNN_TANH", 1)
rnn_relu = _as_torch_calls_it("RNN_RELU", 1)
gru = _as_torch_calls_it("GRU", 1)
lstm = _as_torch_calls_it("LSTM", 2)


def _check_cell(input: Any, hidden: Any, w_ih: Any, gates: int) -> None:
    """torch's errors for sizes that do not fit, for (B, I) and (B, H)."""
    size = w_ih.shape[0] // gates
    if input.shape[-1] != w_ih.shape[1]:
        raise RuntimeError(
            f"input has inconsistent input_size: got {input.shape[-1]} expected {w_ih.shape[1]}"
        )
    if input.shape[0] != hidden.shape[0]:
        raise RuntimeError(
            f"Input batch size {input.shape[0]} doesn't match hidden0 batch size {hidden.shape[0]}"
        )
    if hidden.shape[1] != size:  # an input alone with states of several ends here too
        raise RuntimeError(
            f"hidden0 has inconsistent hidden_size: got {hidden.shape[1]}, expected {size}"
        )


def _cell(
    mode: str, gates: int, input: Any, state: tuple, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any
) -> tuple:
    _check_cell(input, state[0], w_ih, gates)
    weights = (w_ih, w_hh, b_ih, b_hh, None)
    y, ends = recurrent_way(mode, input, state, weights, (input.shape[0],), False)
    return y, *(end.clone() for end in ends[1:])  # the op keeps its own last states


def rnn_tanh_cell(
    input: Any, hx: Any, w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None
) -> Any:
    """tanh(W_ih x + b_ih + W_hh h + b_hh): (B, I) and (B, H) to (B, H).

    >>> import rushlight as torch
    >>> x, h, w = torch.ones(1, 1), torch.ones(1, 1), torch.full((1, 1), 0.5)
    >>> torch.rnn_tanh_cell(x, h, w, w)
    tensor([[0.7616]])
    """
    y = _cell("RNN_TANH", 1, input, (hx,), w_ih, w_hh, b_ih, b_hh)[0]
    return n.whole(y, "TanhBackward0")


def rnn_relu_cell(
    input: Any, hx: Any, w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None
) -> Any:
    """relu(W_ih x + b_ih + W_hh h + b_hh): (B, I) and (B, H) to (B, H).

    >>> import rushlight as torch
    >>> x, h, w = torch.ones(1, 1), torch.ones(1, 1), torch.full((1, 1), 0.5)
    >>> torch.rnn_relu_cell(x, h, w, -3 * w)
    tensor([[0.]])
    """
    y = _cell("RNN_RELU", 1, input, (hx,), w_ih, w_hh, b_ih, b_hh)[0]
    return n.whole(y, "ReluBackward0")


def gru_cell(input: Any, hx: Any, w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None) -> Any:
    """One step of a GRU: (B, I) and (B, H) to (B, H).

    Shapes: weights (3 H, I) and (3 H, H), biases (3 H,) or None; gates reset, update, new.
    Raises: RuntimeError for other sizes.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.GRUCell.html

    >>> import rushlight as torch
    >>> x, h, w = torch.ones(1, 2), torch.zeros(1, 3), torch.zeros(9, 2)
    >>> torch.gru_cell(x, h, w, torch.zeros(9, 3)).shape
    torch.Size([1, 3])
    """
    return n.whole(_cell("GRU", 3, input, (hx,), w_ih, w_hh, b_ih, b_hh)[0], "AddBackward0")


def lstm_cell(
    input: Any, hx: Any, w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None
) -> tuple:
    """One step of an LSTM: (B, I) and a pair of (B, H) to a pair of (B, H).

    >>> import rushlight as torch
    >>> x, h, w = torch.ones(1, 2), torch.zeros(1, 3), torch.zeros(12, 2)
    >>> [y.shape for y in torch.lstm_cell(x, (h, h), w, torch.zeros(12, 3))]
    [torch.Size([1, 3]), torch.Size([1, 3])]
    """
    h, c = _cell("LSTM", 4, input, tuple(hx), w_ih, w_hh, b_ih, b_hh)
    return n.named(h, "MulBackward0"), n.named(c, "AddBackward0")
