"""Recurrent layers and cells on fixed numbers: outputs, states and gradients as short digests."""

from __future__ import annotations

import itertools
import math
from typing import Any

KINDS = ("tanh", "relu", "GRU", "LSTM", "projected")
FORMS = ("whole", "batch first", "alone", "packed", "packed unsorted")
WIDTH, HIDDEN, STEPS, BATCH = 3, 4, 5, 3


def all_cases() -> list[str]:
    """Names `kind/layers/ways/bias/form/state/type`, and `cell/...`."""
    cases = []
    for place, (kind, layers, ways, form) in enumerate(
        itertools.product(KINDS, (1, 2), (1, 2), FORMS)
    ):
        bias, state = ("bias", "free")[place % 3 == 0], ("zero", "given")[place // 2 % 2]
        cases += [f"{kind}/{layers}/{ways}/{bias}/{form}/{state}/double",
                  f"{kind}/{layers}/{ways}/bias/{form}/given/float"]  # fmt: skip
    for kind, bias, kept in itertools.product(KINDS[:4], ("bias", "free"), ("double", "float")):
        cases.append(f"cell/{kind}/{bias}/{kept}")
    return cases


def _numbers(t: Any, shape: tuple[int, ...], seed: float, dtype: Any) -> Any:
    size = math.prod(shape)
    values = [math.sin(seed + 1.7 * i) * 0.8 for i in range(size)]
    return t.tensor(values, dtype=t.float64).reshape(shape).to(dtype)


def _fill(t: Any, module: Any) -> list[Any]:
    parameters = list(module.parameters())
    with t.no_grad():
        for place, weight in enumerate(parameters):
            weight.copy_(_numbers(t, tuple(weight.shape), place + 0.3, weight.dtype))
    return parameters


def _digest(t: Any, x: Any) -> list[Any]:
    """The shape, and products with two fixed vectors."""
    flat = x.detach().double().reshape(-1)
    places = t.arange(flat.numel(), dtype=t.float64)
    return [list(x.shape), (flat * t.cos(places)).sum().item(), (flat * t.sin(places)).sum().item()]


def _answers(t: Any, results: list[Any], sources: list[Any], second: bool) -> list[Any]:
    total = sum((y * _numbers(t, tuple(y.shape), i + 0.9, y.dtype)).sum()
                for i, y in enumerate(results))  # fmt: skip
    grads = t.autograd.grad(total, sources, create_graph=second)
    found = [_digest(t, x) for x in (*results, *grads)]
    if second:
        size = sum((g * g).sum() for g in grads)
        again = t.autograd.grad(size, sources, allow_unused=True)  # relu's slope is constant
        found += [_digest(t, t.zeros_like(x) if g is None else g) for g, x in zip(again, sources)]
    return found


def _states(t: Any, kind: str, rows: tuple[int, ...], dtype: Any) -> list[Any]:
    out = 2 if kind == "projected" else HIDDEN
    widths = [out, HIDDEN] if kind in ("LSTM", "projected") else [HIDDEN]
    return [_numbers(t, (*rows, n), 5.0 + n, dtype).requires_grad_() for n in widths]


def _cell(t: Any, kind: str, bias: str, kept: str) -> list[Any]:
    dtype = getattr(t, "float64" if kept == "double" else "float32")
    options = {"bias": bias == "bias", "dtype": dtype}
    if kind in ("tanh", "relu"):
        module = t.nn.RNNCell(WIDTH, HIDDEN, nonlinearity=kind, **options)
    else:
        module = getattr(t.nn, f"{kind}Cell")(WIDTH, HIDDEN, **options)
    sources = _fill(t, module)
    x = _numbers(t, (BATCH, WIDTH), 2.0, dtype).requires_grad_()
    states = _states(t, kind, (BATCH,), dtype)
    found = module(x, tuple(states) if len(states) > 1 else states[0])
    results = list(found) if isinstance(found, tuple) else [found]
    return _answers(t, results, [x, *states, *sources], kept == "double")


def answer(t: Any, case: str) -> list[Any]:
    """What a case gives on a library."""
    if case.startswith("cell/"):
        return _cell(t, *case.split("/")[1:])
    kind, layers, ways, bias, form, state, kept = case.split("/")
    dtype = getattr(t, "float64" if kept == "double" else "float32")
    options: dict[str, Any] = {"nonlinearity": kind} if kind in ("tanh", "relu") else {}
    options |= {"proj_size": 2} if kind == "projected" else {}
    name = {"tanh": "RNN", "relu": "RNN", "projected": "LSTM"}.get(kind, kind)
    module = getattr(t.nn, name)(
        WIDTH, HIDDEN, int(layers), bias=bias == "bias", bidirectional=ways == "2", dtype=dtype,
        batch_first=form == "batch first", **options,
    )  # fmt: skip
    sources = _fill(t, module)
    shape = {"alone": (STEPS, WIDTH), "batch first": (BATCH, STEPS, WIDTH)}.get(
        form, (STEPS, BATCH, WIDTH)
    )
    x = _numbers(t, shape, 2.0, dtype).requires_grad_()
    rows = (int(layers) * int(ways),) if form == "alone" else (int(layers) * int(ways), BATCH)
    states = _states(t, kind, rows, dtype) if state == "given" else []
    fed, rnn = x, t.nn.utils.rnn
    if form.startswith("packed"):
        lengths = [5, 3, 1] if form == "packed" else [2, 5, 4]
        fed = rnn.pack_padded_sequence(x, lengths, enforce_sorted=form == "packed")
    y, ends = module(fed, *([tuple(states) if len(states) > 1 else states[0]] if states else []))
    y = y.data if form.startswith("packed") else y
    results = [y, *(ends if isinstance(ends, tuple) else (ends,))]
    return _answers(t, results, [x, *states, *sources], kept == "double")
