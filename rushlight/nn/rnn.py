"""Recurrent layers: RNN, LSTM, GRU. Their loop over time is in functional/recurrent.py."""

from __future__ import annotations

import math
import warnings
from typing import Any

import rushlight as rl

from ..core.dispatch import named
from ..core.errors import fail
from . import init
from .functional.recurrent import recurrent
from .module import Module
from .parameter import Parameter
from .utils.rnn import PackedSequence

_GATES = {"LSTM": 4, "GRU": 3, "RNN_TANH": 1, "RNN_RELU": 1}


def _checked_dropout(dropout: Any, num_layers: int) -> float:
    given = dropout
    dropout = float(dropout)
    if isinstance(given, bool) or not 0 <= dropout <= 1:
        raise ValueError(
            "dropout should be a number in range [0, 1] representing the probability of an element "
            "being zeroed"
        )
    if dropout > 0 and num_layers == 1:
        warnings.warn(
            "dropout option adds dropout after all but last recurrent layer, so non-zero dropout "
            f"expects num_layers greater than 1, but got dropout={dropout} and "
            f"num_layers={num_layers}",
            stacklevel=4,
        )
    return dropout


def _check_kinds(input_size: Any, hidden_size: Any, bias: Any, batch_first: Any) -> None:
    for name, value, kind in (
        ("input_size", input_size, int), ("hidden_size", hidden_size, int), ("bias", bias, bool),
        ("batch_first", batch_first, bool),
    ):  # fmt: skip
        if not isinstance(value, kind):
            raise TypeError(
                f"{name} should be of type {kind.__name__}, got: {type(value).__name__}"
            )


def _check_sizes(input_size: Any, hidden_size: Any, num_layers: int, proj_size: int) -> None:
    if input_size <= 0:
        raise ValueError("input_size must be greater than zero")
    if hidden_size <= 0:
        raise ValueError("hidden_size must be greater than zero")
    if num_layers <= 0:
        raise ValueError("num_layers must be greater than zero")
    if proj_size < 0:
        raise ValueError("proj_size should be a positive integer or zero to disable projections")
    if proj_size >= hidden_size:
        raise ValueError("proj_size has to be smaller than hidden_size")


class RNNBase(Module):
    """Arguments, weights and the forward that RNN, LSTM and GRU share.

    Raises: ValueError for another mode than RNN_TANH, RNN_RELU, LSTM or GRU, and for sizes of 0.

    >>> import rushlight as torch
    >>> torch.nn.RNNBase("GRU", 3, 5, num_layers=2).weight_ih_l1.shape
    torch.Size([15, 5])
    """

    __constants__ = [
        "mode", "input_size", "hidden_size", "num_layers", "bias", "batch_first", "dropout",
        "bidirectional", "proj_size",
    ]  # fmt: skip

    def __init__(
        self,
        mode: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.dropout = _checked_dropout(dropout, num_layers)
        _check_kinds(input_size, hidden_size, bias, batch_first)
        _check_sizes(input_size, hidden_size, num_layers, proj_size)
        if mode not in _GATES:
            raise ValueError("Unrecognized RNN mode: " + mode)
        self.mode = mode
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.bidirectional = bidirectional
        self.proj_size = proj_size
        self._all_weights: list[list[str]] = []
        for layer in range(num_layers):
            for suffix in ("", "_reverse") if bidirectional else ("",):
                self._add_way(layer, suffix, device, dtype)
        self.reset_parameters()

    def _add_way(self, layer: int, suffix: str, device: Any, dtype: Any) -> None:
        """The weights of one layer in one direction."""
        rows = _GATES[self.mode] * self.hidden_size
        out = self.proj_size or self.hidden_size
        ways = 2 if self.bidirectional else 1
        columns = self.input_size if layer == 0 else out * ways
        shapes: dict[str, tuple] = {"weight_ih": (rows, columns), "weight_hh": (rows, out)}
        if self.bias:
            shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)}
        if self.proj_size:
            shapes["weight_hr"] = (self.proj_size, self.hidden_size)
        names = []
        for kind, shape in shapes.items():
            names.append(f"{kind}_l{layer}{suffix}")
            setattr(self, names[-1], Parameter(rl.empty(shape, device=device, dtype=dtype)))
        self._all_weights.append(names)

    @property
    def _flat_weights_names(self) -> list[str]:
        return [name for names in self._all_weights for name in names]

    @property
    def _flat_weights(self) -> list[Any]:
        """The weights in order: those of the module, or a list that was given in their place."""
        given = self.__dict__.get("_given_weights")
        if given is not None:
            return given
        held = self._parameters
        names = self._flat_weights_names
        return [held[name] if name in held else getattr(self, name) for name in names]

    @_flat_weights.setter
    def _flat_weights(self, weights: Any) -> None:
        self.__dict__["_given_weights"] = list(weights)

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        self.__dict__.pop("_given_weights", None)  # the module's own are converted
        return super()._apply(fn, recurse)

    def __setattr__(self, name: str, value: Any) -> None:
        given = self.__dict__.get("_given_weights")
        if given is not None and name in self._flat_weights_names:
            given[self._flat_weights_names.index(name)] = value
        super().__setattr__(name, value)

    @property
    def all_weights(self) -> list[list[Any]]:
        """The parameters, one list for each layer and direction."""
        return [[getattr(self, name) for name in names] for names in self._all_weights]

    def flatten_parameters(self) -> None:
        """Does nothing here: it arranges memory for GPUs in torch."""

    def reset_parameters(self) -> None:
        """Draw all weights from U(-1/sqrt(hidden_size), 1/sqrt(hidden_size))."""
        bound = 1.0 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    # -- checks --------------------------------------------------------------------------------

    def check_input(self, input: Any, batch_sizes: Any) -> None:
        """Refuse an input of another dtype or size."""
        weight = self._flat_weights[0]
        if input.dtype != weight.dtype:
            raise fail(
                ValueError,
                f"RNN input dtype ({input.dtype}) does not match weight dtype ({weight.dtype}). "
                f"Convert input: input.to({weight.dtype}), or convert model: "
                f"model.to({input.dtype})",
            )
        wanted = 2 if batch_sizes is not None else 3
        if input.dim() != wanted:
            raise RuntimeError(f"input must have {wanted} dimensions, got {input.dim()}")
        if input.size(-1) != self.input_size:
            raise fail(
                RuntimeError,
                "input.size(-1) must be equal to input_size. "
                f"Expected {self.input_size}, got {input.size(-1)}",
                f"the input has shape {tuple(input.shape)}",
            )

    def get_expected_hidden_size(self, input: Any, batch_sizes: Any) -> tuple[int, int, int]:
        """(layers * directions, batch, hidden)."""
        if batch_sizes is not None:
            batch = int(batch_sizes[0])
        else:
            batch = input.size(0) if self.batch_first else input.size(1)
        ways = 2 if self.bidirectional else 1
        return (self.num_layers * ways, batch, self.proj_size or self.hidden_size)

    def check_hidden_size(
        self, hx: Any, expected: tuple, msg: str = "Expected hidden size {}, got {}"
    ) -> None:
        """Refuse a hidden state of another size."""
        if tuple(hx.size()) != tuple(expected):
            raise RuntimeError(msg.format(expected, list(hx.size())))

    def check_forward_args(self, input: Any, hidden: Any, batch_sizes: Any) -> None:
        """Refuse an input or hidden state of another size."""
        self.check_input(input, batch_sizes)
        self.check_hidden_size(hidden, self.get_expected_hidden_size(input, batch_sizes))

    def permute_hidden(self, hx: Any, permutation: Any) -> Any:
        """The state with its batch in another order."""
        return hx if permutation is None else hx.index_select(1, permutation)

    def _check_state_dims(self, input: Any, hx: Any) -> None:
        wanted, kind = (3, "batched") if input.dim() == 3 else (2, "unbatched")
        if hx.dim() != wanted:
            raise RuntimeError(
                f"For {kind} {wanted}-D input, hx should also be {wanted}-D but got "
                f"{hx.dim()}-D tensor"
            )

    # -- forward -------------------------------------------------------------------------------

    def _zeros(self, input: Any, sizes: tuple) -> Any:
        return rl.zeros(sizes, dtype=input.dtype, device=input.device)

    def _initial(self, input: Any, batch_sizes: Any) -> Any:
        return self._zeros(input, self.get_expected_hidden_size(input, batch_sizes))

    def _with_batch(self, hx: Any) -> Any:
        return hx.unsqueeze(1)

    def _without_batch(self, hx: Any) -> Any:
        return hx.squeeze(1)

    def _run(self, input: Any, hx: Any, batch_sizes: Any) -> tuple[Any, Any]:
        """(output, state) for (T, B, I), (B, T, I) or packed rows."""
        sizes = None if batch_sizes is None else batch_sizes.tolist()
        flip = self.batch_first and sizes is None
        x = input.transpose(0, 1) if flip else input
        if x.shape[0] == 0:
            raise RuntimeError("Expected sequence length to be larger than 0 in RNN")
        states = hx if isinstance(hx, tuple) else (hx,)
        out, ends = recurrent(
            self.mode,
            x,
            sizes,
            states,
            self._flat_weights,
            self.bias,
            self.num_layers,
            self.dropout,
            self.training,
            self.bidirectional,
        )
        if flip:
            out = out.transpose(0, 1)
            out = out if self.mode == "LSTM" else named(out, "TransposeBackward1")
        return out, ends if isinstance(hx, tuple) else ends[0]

    def forward(self, input: Any, hx: Any = None) -> Any:
        """input (T, B, I), (B, T, I) if batch_first, (T, I), or a PackedSequence; and a state."""
        if isinstance(input, PackedSequence):
            return self._forward_packed(input, hx)
        if input.dim() not in (2, 3):
            raise ValueError(
                f"{self._label()}: Expected input to be 2D or 3D, got {input.dim()}D "
                f"{'instead' if self.mode == 'LSTM' else 'tensor instead'}"
            )
        if hx is not None:
            self._check_state_dims(input, hx)
        batched = input.dim() == 3
        if not batched:
            input = input.unsqueeze(0 if self.batch_first else 1)
            hx = None if hx is None else self._with_batch(hx)
        if hx is None:
            hx = self._initial(input, None)
        self.check_forward_args(input, hx, None)
        out, hx = self._run(input, hx if isinstance(hx, rl.Tensor) else tuple(hx), None)
        if not batched:
            return out.squeeze(0 if self.batch_first else 1), self._without_batch(hx)
        return out, hx

    def _label(self) -> str:
        return "RNN" if self.mode.startswith("RNN") else self.mode

    def _forward_packed(self, packed: PackedSequence, hx: Any) -> Any:
        data, batch_sizes, order, back = packed
        if hx is None:
            hx = self._initial(data, batch_sizes)
        else:
            hx = self.permute_hidden(hx, order)
        self.check_forward_args(data, hx, batch_sizes)
        out, hx = self._run(data, hx if isinstance(hx, rl.Tensor) else tuple(hx), batch_sizes)
        return PackedSequence(out, batch_sizes, order, back), self.permute_hidden(hx, back)

    def extra_repr(self) -> str:
        text = f"{self.input_size}, {self.hidden_size}"
        defaults = {
            "proj_size": 0, "num_layers": 1, "bias": True, "batch_first": False, "dropout": 0,
            "bidirectional": False,
        }  # fmt: skip
        for name, default in defaults.items():
            if getattr(self, name) != default:
                text += f", {name}={getattr(self, name)}"
        return text


def _refuse_projection(kwargs: dict) -> None:
    if "proj_size" in kwargs:
        raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")


class RNN(RNNBase):
    """h_t = tanh(W_ih x_t + b_ih + W_hh h_(t-1) + b_hh), in one or more layers.

    Arguments: input_size, hidden_size, num_layers=1, nonlinearity="tanh" (or "relu"), bias=True,
    batch_first=False, dropout=0, bidirectional=False. Shapes: input (T, B, input_size), state
    (layers * directions, B, hidden_size), output (T, B, directions * hidden_size).
    Source: https://pytorch.org/docs/stable/generated/torch.nn.RNN.html

    >>> import rushlight as torch
    >>> output, state = torch.nn.RNN(10, 20)(torch.zeros(5, 3, 10))
    >>> output.shape
    torch.Size([5, 3, 20])
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        _refuse_projection(kwargs)
        if len(args) > 3:
            nonlinearity = args[3]
            args = args[:3] + args[4:]
        else:
            nonlinearity = kwargs.pop("nonlinearity", "tanh")
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(
                f"Unknown nonlinearity '{nonlinearity}'. Select from 'tanh' or 'relu'."
            )
        super().__init__(f"RNN_{nonlinearity.upper()}", *args, **kwargs)
        self.nonlinearity = nonlinearity


class GRU(RNNBase):
    """Gated recurrent units. Source: Cho et al., 2014; arguments and shapes as in RNN.

    r = sigmoid(W_ir x + W_hr h), z = sigmoid(W_iz x + W_hz h), n = tanh(W_in x + r (W_hn h)),
    h' = (1 - z) n + z h, each with its biases.

    >>> import rushlight as torch
    >>> output, h = torch.nn.GRU(10, 20, num_layers=2)(torch.zeros(5, 3, 10))
    >>> output.shape, h.shape
    (torch.Size([5, 3, 20]), torch.Size([2, 3, 20]))
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        _refuse_projection(kwargs)
        super().__init__("GRU", *args, **kwargs)


class LSTM(RNNBase):
    """Long short-term memory. Source: Hochreiter and Schmidhuber, 1997.

    i, f, o = sigmoid(W x + U h + b), g = tanh(W x + U h + b), c' = f c + i g, h' = o tanh(c'). The
    state is a pair (h, c). proj_size: h is projected to this size. Shapes as in RNN.

    >>> import rushlight as torch
    >>> output, (h, c) = torch.nn.LSTM(10, 20, batch_first=True)(torch.zeros(3, 5, 10))
    >>> output.shape, h.shape
    (torch.Size([3, 5, 20]), torch.Size([1, 3, 20]))
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__("LSTM", *args, **kwargs)

    def get_expected_cell_size(self, input: Any, batch_sizes: Any) -> tuple[int, int, int]:
        """(layers * directions, batch, hidden)."""
        layers, batch, _ = self.get_expected_hidden_size(input, batch_sizes)
        return (layers, batch, self.hidden_size)

    def check_forward_args(self, input: Any, hidden: Any, batch_sizes: Any) -> None:
        """Refuse an input or states of another size."""
        self.check_input(input, batch_sizes)
        expected = self.get_expected_hidden_size(input, batch_sizes)
        self.check_hidden_size(hidden[0], expected, "Expected hidden[0] size {}, got {}")
        expected = self.get_expected_cell_size(input, batch_sizes)
        self.check_hidden_size(hidden[1], expected, "Expected hidden[1] size {}, got {}")

    def permute_hidden(self, hx: Any, permutation: Any) -> Any:
        """Both states with their batch in another order."""
        if permutation is None:
            return hx
        return tuple(part.index_select(1, permutation) for part in hx)

    def _check_state_dims(self, input: Any, hx: Any) -> None:
        wanted, kind = (3, "batched") if input.dim() == 3 else (2, "unbatched")
        try:
            dims = hx[0].dim(), hx[1].dim()
        except IndexError as error:  # of a tensor with one layer's state
            error.add_note("the state of an LSTM is a pair: (h, c)")
            raise
        if dims != (wanted, wanted):
            raise RuntimeError(
                f"For {kind} {wanted}-D input, hx and cx should also be {wanted}-D but got "
                f"({dims[0]}-D, {dims[1]}-D) tensors"
            )

    def _initial(self, input: Any, batch_sizes: Any) -> Any:
        return (
            self._zeros(input, self.get_expected_hidden_size(input, batch_sizes)),
            self._zeros(input, self.get_expected_cell_size(input, batch_sizes)),
        )

    def _with_batch(self, hx: Any) -> Any:
        return tuple(part.unsqueeze(1) for part in hx)

    def _without_batch(self, hx: Any) -> Any:
        return tuple(part.squeeze(1) for part in hx)
