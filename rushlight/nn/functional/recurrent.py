"""Recurrent layers as functions: the loop over time of RNN, LSTM and GRU, and single cells.

The input's share of the gates is one matrix product for all steps, made before the loop; each step
then adds one product with the hidden state. A packed batch is a list of steps of falling size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import rushlight as rl


def _linear(x: Any, weight: Any, bias: Any = None) -> Any:
    return rl.nn.functional.linear(x, weight, bias)


# One step: (gates of the input (B, G*H), state, W_hh^T (H, G*H), b_hh, W_hr^T) -> new state.
# A state is a tuple whose first member is the output h (B, H).


def _step_tanh(gates: Any, state: tuple, weight: Any, bias: Any, project: Any) -> tuple:
    return (rl.tanh(rl.addmm(gates, state[0], weight)),)


def _step_relu(gates: Any, state: tuple, weight: Any, bias: Any, project: Any) -> tuple:
    return (rl.relu(rl.addmm(gates, state[0], weight)),)


def _step_lstm(gates: Any, state: tuple, weight: Any, bias: Any, project: Any) -> tuple:
    hidden, cell = state
    size = cell.shape[-1]
    both = rl.addmm(gates, hidden, weight)  # (B, 4H): input, forget, candidate, output
    doors, candidate, out = both.split([2 * size, size, size], 1)
    enter, keep = rl.sigmoid(doors).chunk(2, 1)
    cell = keep * cell + enter * rl.tanh(candidate)
    hidden = rl.sigmoid(out) * rl.tanh(cell)
    if project is not None:
        hidden = hidden @ project
    return hidden, cell


def _step_gru(gates: Any, state: tuple, weight: Any, bias: Any, project: Any) -> tuple:
    hidden = state[0]
    size = hidden.shape[-1]
    own = hidden @ weight if bias is None else rl.addmm(bias, hidden, weight)  # (B, 3H)
    from_input, candidate = gates.split([2 * size, size], 1)
    from_hidden, own_candidate = own.split([2 * size, size], 1)
    reset, update = rl.sigmoid(from_input + from_hidden).chunk(2, 1)
    new = rl.tanh(candidate + reset * own_candidate)
    return (new + update * (hidden - new),)


_STEPS: dict[str, Callable[..., tuple]] = {
    "RNN_TANH": _step_tanh,
    "RNN_RELU": _step_relu,
    "LSTM": _step_lstm,
    "GRU": _step_gru,
}


def _input_gates(mode: str, x: Any, weight: Any, biases: Sequence[Any]) -> tuple[Any, Any]:
    """Gates of all steps, and the bias left for the step: a GRU's reset gate scales b_hh."""
    if not biases:
        return _linear(x, weight), None
    if mode == "GRU":
        return _linear(x, weight, biases[0]), biases[1]
    return _linear(x, weight, biases[0] + biases[1]), None


def _one_way(
    mode: str, steps: list[Any], state: tuple, weight_hh: Any, rest: tuple, reverse: bool
) -> tuple[list[Any], tuple]:
    """Run over `steps` of one size (B, G*H); the outputs in time order, and the last state."""
    step, recurrent = _STEPS[mode], weight_hh.t()
    outputs = []
    for gates in reversed(steps) if reverse else steps:
        state = step(gates, state, recurrent, *rest)
        outputs.append(state[0])
    if reverse:
        outputs.reverse()
    return outputs, state


def _one_way_packed(
    mode: str, steps: list[Any], state: tuple, weight_hh: Any, rest: tuple, reverse: bool
) -> tuple[list[Any], tuple]:
    """The same for steps of falling size: forwards sequences leave, backwards they join."""
    step, recurrent = _STEPS[mode], weight_hh.t()
    outputs: list[Any] = []
    if reverse:
        current = tuple(part[: steps[-1].shape[0]] for part in state)
        for gates in reversed(steps):
            rows, wanted = current[0].shape[0], gates.shape[0]
            if wanted > rows:
                joined = [rl.cat([c, s[rows:wanted]]) for c, s in zip(current, state)]
                current = tuple(joined)
            current = step(gates, current, recurrent, *rest)
            outputs.append(current[0])
        return outputs[::-1], current
    left: list[tuple] = []
    current = state
    for gates in steps:
        rows, wanted = current[0].shape[0], gates.shape[0]
        if wanted < rows:
            left.append(tuple(part[wanted:] for part in current))
            current = tuple(part[:wanted] for part in current)
        current = step(gates, current, recurrent, *rest)
        outputs.append(current[0])
    ends = [current, *reversed(left)]
    return outputs, tuple(rl.cat(list(parts)) for parts in zip(*ends)) if left else current


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
            biases = own[2:4] if has_biases else ()
            project = own[-1].t() if per_way in (3, 5) else None
            gates, left_over = _input_gates(mode, x, own[0], biases)
            state = tuple(part[place] for part in states)
            rest = (left_over, project)
            if batch_sizes is None:
                outputs, end = _one_way(mode, list(gates.unbind(0)), state, own[1], rest, way == 1)
                sides.append(rl.stack(outputs))
            else:
                steps = list(gates.split(batch_sizes))
                outputs, end = _one_way_packed(mode, steps, state, own[1], rest, way == 1)
                sides.append(rl.cat(outputs))
            ends.append(end)
        x = sides[0] if ways == 1 else rl.cat(sides, -1)
        if dropout and training and layer < num_layers - 1:
            x = rl.nn.functional.dropout(x, dropout, True)
    return x, tuple(rl.stack(list(parts)) for parts in zip(*ends))


def _as_torch_calls_it(mode: str, count: int) -> Callable[..., tuple]:
    """torch's two signatures: (input, hx, ...) and, for packed rows, (data, batch_sizes, hx, ...).

    `count` states go in and out: 2 for the LSTM, otherwise a single tensor.
    """

    def layer(input: Any, second: Any, third: Any, *rest: Any) -> tuple:
        packed = not isinstance(third, (list, tuple)) or len(rest) == 6
        if packed and len(rest) == 6:
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
    if hidden.shape[-1] != size:
        raise RuntimeError(
            f"hidden0 has inconsistent hidden_size: got {hidden.shape[-1]}, expected {size}"
        )


def _cell(
    mode: str, gates: int, input: Any, state: tuple, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any
) -> tuple:
    _check_cell(input, state[0], w_ih, gates)
    biases = () if b_ih is None else (b_ih, b_hh)
    from_input, left_over = _input_gates(mode, input, w_ih, biases)
    return _STEPS[mode](from_input, state, w_hh.t(), left_over, None)


def rnn_tanh_cell(
    input: Any, hx: Any, w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None
) -> Any:
    """tanh(W_ih x + b_ih + W_hh h + b_hh): (B, I) and (B, H) to (B, H)."""
    return _cell("RNN_TANH", 1, input, (hx,), w_ih, w_hh, b_ih, b_hh)[0]


def rnn_relu_cell(
    input: Any, hx: Any, w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None
) -> Any:
    """relu(W_ih x + b_ih + W_hh h + b_hh): (B, I) and (B, H) to (B, H)."""
    return _cell("RNN_RELU", 1, input, (hx,), w_ih, w_hh, b_ih, b_hh)[0]


def gru_cell(input: Any, hx: Any, w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None) -> Any:
    """One step of a GRU: (B, I) and (B, H) to (B, H)."""
    return _cell("GRU", 3, input, (hx,), w_ih, w_hh, b_ih, b_hh)[0]


def lstm_cell(
    input: Any, hx: Any, w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None
) -> tuple:
    """One step of an LSTM: (B, I) and a pair of (B, H) to a pair of (B, H)."""
    return _cell("LSTM", 4, input, tuple(hx), w_ih, w_hh, b_ih, b_hh)
