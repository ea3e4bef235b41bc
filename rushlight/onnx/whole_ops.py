"""Ops for which ONNX has an operator of its own, so that other tools recognise the layers.

Rules are those of `core_ops`; one that answers None leaves the op to its core ops.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .core_ops import Nodes
from .writer import Constant, Writer


def _convolution(w: Writer, nodes: Nodes, x: Any, weight: Any, bias: Any = None) -> str:
    stride, padding, dilation, groups = nodes[0].params
    operands = (x, weight) if bias is None else (x, weight, bias)
    return w.op(
        "Conv", *operands, strides=stride, pads=(*padding, *padding), dilations=dilation,
        group=groups, kernel_shape=nodes[0].inputs[1].shape[2:],
    )  # fmt: skip


def _transposed(w: Writer, nodes: Nodes, x: Any, weight: Any) -> str:
    _, stride, padding, dilation, groups = nodes[0].params
    given, kernel = nodes[0].inputs[0].shape[2:], nodes[0].inputs[1].shape[2:]
    # What the geometry leaves over at the end: torch's output_padding.
    least = [(n - 1) * s - 2 * p + d * (k - 1) + 1
             for n, s, p, d, k in zip(given, stride, padding, dilation, kernel)]  # fmt: skip
    more = [size - n for size, n in zip(nodes[0].shape[2:], least)]
    return w.op(
        "ConvTranspose", x, weight, strides=stride, pads=(*padding, *padding),
        dilations=dilation, group=groups, kernel_shape=kernel, output_padding=more,
    )  # fmt: skip


def _windows(nodes: Nodes) -> dict[str, Any]:
    """Padding at the end such that the windows come out: torch's ceil_mode pads as needed."""
    kernel, stride, padding, dilation, out = nodes[0].params
    given = nodes[0].inputs[0].shape[2:]
    ends = [
        max(0, (m - 1) * s + d * (k - 1) + 1 - n - p)
        for n, m, k, s, p, d in zip(given, out, kernel, stride, padding, dilation)
    ]
    pads = (*padding, *ends)
    return {"kernel_shape": kernel, "strides": stride, "dilations": dilation, "pads": pads}


def _same_place(nodes: Nodes) -> bool:
    return all(node.params == nodes[0].params for node in nodes)


def _maxima(w: Writer, nodes: Nodes, x: Any) -> Any:
    return w.op("MaxPool", x, **_windows(nodes)) if _same_place(nodes) else None


def _maxima_and_places(w: Writer, nodes: Nodes, x: Any) -> Any:
    return (_maxima(w, nodes, x), None) if _same_place(nodes) else None


def _sums(w: Writer, nodes: Nodes, x: Any) -> Any:
    dilation = nodes[0].params[3]
    if not _same_place(nodes) or any(d != 1 for d in dilation):
        return None
    geometry = _windows(nodes)
    del geometry["dilations"]
    mean = w.op("AveragePool", x, count_include_pad=1, **geometry)
    return w.op("Mul", mean, np.asarray(math.prod(nodes[0].params[0]), nodes[0].dtype))


def _linear(w: Writer, nodes: Nodes, x: Any, weight: Any, bias: Any = None) -> Any:
    if nodes[0].ndim == 2 and bias is not None:
        return w.op("Gemm", x, weight, bias, transB=1)
    if isinstance(weight, Constant):
        name = f"{weight.name}.T" if weight.name else ""
        weight = Constant([a.T for a in weight.arrays], name)
    else:
        weight = w.op("Transpose", weight, perm=[1, 0])
    found = w.op("MatMul", x, weight)
    return found if bias is None else w.op("Add", found, bias)


def _standardise(w: Writer, nodes: Nodes, x: Any, scale: Any, shift: Any) -> Any:
    dims, epsilon = nodes[0].params
    whole = nodes[0].inputs[0].shape
    if tuple(dims) != tuple(range(len(whole) - len(dims), len(whole))):
        return None
    shape = whole[len(whole) - len(dims) :]
    given = [node.shape for node in nodes[0].inputs[1:]]
    if given != [shape, shape] or nodes[0].inputs[0].dtype != nodes[0].dtype[0]:
        return None
    return w.op("LayerNormalization", x, scale, shift, outputs=3, axis=dims[0], epsilon=epsilon)


def _along(kind: str) -> Callable[..., str]:
    return lambda w, nodes, x: w.op(kind, x, axis=nodes[0].params[0])


def _affine(w: Writer, nodes: Nodes, x: Any, scale: Any, shift: Any) -> str:
    """A normalisation by known numbers: part of the convolution before it, where nobody else reads
    that."""
    convolution = w.made(x) if isinstance(x, str) and w.readers(nodes[0].inputs[0]) == 1 else None
    known = isinstance(scale, Constant) and isinstance(shift, Constant)
    if known and convolution is not None and convolution.op_type == "Conv":
        weight = w.initializers.get(convolution.input[1])
        one_each = (1, len(weight), *[1] * (weight.ndim - 2)) if weight is not None else None
        if scale.arrays[0].shape == shift.arrays[0].shape == one_each:
            _fold(w, convolution, weight, scale.arrays[0].ravel(), shift.arrays[0].ravel())
            return x
    return w.op("Add", w.op("Mul", x, scale), shift)


def _fold(w: Writer, convolution: Any, weight: Any, scale: np.ndarray, shift: np.ndarray) -> None:
    first, *others = convolution.input
    if len(others) > 1:
        shift = shift + w.initializers[others[1]] * scale
    folded = weight * scale.reshape(-1, *[1] * (weight.ndim - 1))
    names = [w.name(Constant([folded], f"{others[0]}.folded")), w.name(Constant([shift]))]
    del convolution.input[:]
    convolution.input.extend([first, *names])


def _cumsum(w: Writer, nodes: Nodes, x: Any) -> str:
    given, dim = nodes[0].inputs[0].dtype, nodes[0].params[0]
    x = x if given == nodes[0].dtype else w.cast(x, nodes[0].dtype)
    return w.op("CumSum", x, np.int64(dim))


def _topk(w: Writer, nodes: Nodes, x: Any) -> Any:
    dim, k, largest = nodes[0].params[:3]
    if not _same_place(nodes):
        return None
    return w.op("TopK", x, np.array([k]), outputs=2, axis=dim, largest=int(largest), sorted=1)


def _mean(w: Writer, nodes: Nodes, x: Any) -> Any:
    dims, keep = nodes[0].params
    if dims is None or nodes[0].inputs[0].dtype != nodes[0].dtype:
        return None
    dims = np.atleast_1d(np.array(dims, np.int64))
    return w.op("ReduceMean", x, dims, keepdims=int(keep)) if dims.size else None


def _sort(w: Writer, nodes: Nodes, x: Any) -> Any:
    dim, descending, *_ = nodes[0].params
    counts = {node.inputs[0].shape[dim] for node in nodes if node.inputs[0].ndim}
    if len(counts) != 1:
        return None
    count = np.array([*counts])
    return w.op("TopK", x, count, outputs=2, axis=dim, largest=int(descending), sorted=1)


_GATES = {"LSTM": (0, 3, 1, 2), "GRU": (1, 0, 2)}  # torch's blocks of gates in ONNX's order


def _arranged(x: Any, kind: str) -> Any:
    """A weight or bias with its gates in ONNX's order, and a first dimension for directions."""
    order = _GATES.get(kind, (0,))
    arrays = [np.concatenate([np.split(a, len(order))[k] for k in order])[None] for a in x.arrays]
    return Constant(arrays)


def _layer(w: Writer, nodes: Nodes, kind: str, xs: Any, params: Any) -> Any:
    """A recurrent layer in one direction, whole: any length then runs."""
    lengths, backwards, _ = params
    x, state, weights = xs[0], xs[1:-4], [one for one in xs[-4:] if one is not None]
    if lengths is not None or not all(isinstance(one, Constant) for one in weights):
        return None
    first, again, *biases = [_arranged(one, kind) for one in weights]
    pairs = zip(*[one.arrays for one in biases])
    both = Constant([np.concatenate(pair, 1) for pair in pairs]) if biases else None
    state = [w.op("Unsqueeze", one, np.array([0])) for one in state]
    attributes: dict[str, Any] = {"hidden_size": nodes[0].shape[1][-1]}
    if kind == "GRU":
        attributes["linear_before_reset"] = 1
    if kind == "RNN_RELU":
        attributes["activations"] = ["Relu"]
    if backwards:
        attributes["direction"] = "reverse"
    count = 1 + len(state)
    found = w.op(kind.partition("_")[0], x, first, again, both, "", *state,
                 outputs=count, **attributes)  # fmt: skip
    squeezed = [w.op("Squeeze", y, np.array([dim])) for y, dim in zip(found, (1, 0, 0))]
    return (*squeezed, *[None] * (len(nodes[0].shape) - count))


def _lstm(w: Writer, nodes: Nodes, *xs: Any) -> Any:
    if xs[-1] is not None:  # a projection, which ONNX's operator has not
        return None
    return _layer(w, nodes, "LSTM", xs[:-1], nodes[0].params)


def _recurrent(w: Writer, nodes: Nodes, *xs: Any) -> Any:
    kind, *params = nodes[0].params
    return _layer(w, nodes, kind, xs, params)


TABLE: dict[str, Callable[..., Any]] = {
    "convolution": _convolution, "convolution_bias": _convolution,
    "convolution_data": _transposed, "pooled_maxima": _maxima, "max_pool": _maxima_and_places,
    "sum_pool": _sums, "linear": _linear, "linear_bias": _linear, "affine": _affine,
    "matmul": lambda w, n, a, b: w.op("MatMul", a, b), "standardise": _standardise,
    "softmax": _along("Softmax"), "log_softmax": _along("LogSoftmax"),
    "relu": lambda w, n, x: w.op("Relu", x), "hardswish": lambda w, n, x: w.op("HardSwish", x),
    "embedding": lambda w, n, table, places: w.op("Gather", table, places), "cumsum": _cumsum,
    "topk": _topk, "sort": _sort, "mean": _mean,
    "lstm_layer": _lstm, "recurrent_layer": _recurrent,
}  # fmt: skip
