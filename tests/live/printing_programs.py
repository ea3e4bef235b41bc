"""Random short programs that make, view and print tensors, for either framework."""

from __future__ import annotations

import random
from typing import Any

import numpy as np

KINDS = {
    "float32": "f4", "float64": "f8", "float16": "f2", "int64": "i8", "int32": "i4", "uint8": "u1",
    "int8": "i1", "int16": "i2", "bool": "?", "complex64": "c8", "complex128": "c16",
}  # fmt: skip
VIEWS = (
    lambda x: x, lambda x: x.t() if x.ndim <= 2 else x.transpose(0, -1),
    lambda x: x[..., ::2] if x.ndim else x,
    lambda x: x[1:] if x.ndim else x, lambda x: x.unsqueeze(0), lambda x: x.flatten(),
    lambda x: x[None].expand(3, *x.shape), lambda x: x[..., :0] if x.ndim else x,
    lambda x: x.reshape(-1)[::3], lambda x: x[..., -1] if x.ndim and x.shape[-1] else x,
    lambda x: x.reshape(-1)[0] if x.numel() else x,
)  # fmt: skip
OPTIONS: tuple[dict[str, Any], ...] = (
    {"profile": "default"}, {"profile": "short"}, {"profile": "full"}, {"precision": 2},
    {"precision": 7}, {"sci_mode": True}, {"sci_mode": False}, {"linewidth": 40},
    {"threshold": 5, "edgeitems": 1}, {"precision": 0}, {"edgeitems": 2, "threshold": 20},
)  # fmt: skip
SPECIAL = (0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.0, 1e-8, 12345.678, 1e10, 0.1)


def numbers(rng: random.Random, count: int, kind: str) -> np.ndarray:
    """Values of a type at some scale, now and then special ones among them."""
    state = np.random.RandomState(rng.randrange(2**31))
    scale = 10.0 ** rng.choice((-9, -4, -2, 0, 0, 0, 1, 2, 4, 7))
    flat = state.standard_normal(count) * scale
    if rng.random() < 0.3:
        flat = np.round(flat)
    if rng.random() < 0.3:
        flat = np.where(state.random_sample(count) < 0.3, state.choice(SPECIAL, count), flat)
    if KINDS[kind][0] in "iu?":
        flat = np.clip(np.nan_to_num(flat), *((0, 200) if kind == "uint8" else (-100, 100)))
    with np.errstate(all="ignore"):
        made = flat.astype(KINDS[kind])
    if kind.startswith("complex"):
        made.imag = np.roll(flat, 1)
    return made


def program(seed: int) -> Any:
    """A function of a framework that gives the texts printed."""
    rng = random.Random(seed)
    kind = rng.choice(list(KINDS))
    shape = [
        rng.choice((1, 2, 3, 4, 5, 7, 1, 2, 3, 40))
        for _ in range(rng.choice((0, 1, 1, 2, 2, 3, 4)))
    ]
    if rng.random() < 0.05 and shape:
        shape[0] = 1200
    values = numbers(rng, int(np.prod(shape, dtype=int)), kind).reshape(shape)
    views = [rng.choice(VIEWS) for _ in range(rng.randrange(3))]
    options = rng.choice(OPTIONS) if rng.random() < 0.5 else None
    wrapped, form = rng.randrange(6), rng.choice(("", ".3f", ".2e", ">12.4f", "8.3g", "+.1f"))
    smooth = KINDS[kind][0] in "fc" and rng.random() < 0.4

    def run(lib: Any) -> list[str]:
        lib.set_printoptions(profile="default")
        x = lib.from_numpy(values.copy())
        if smooth:
            x.requires_grad_()
        for view in views:
            x = view(x)
        if options:
            lib.set_printoptions(**options)
        try:
            texts = [repr(x), str([x]), _formatted(x, form), _in_something(lib, x, wrapped)]
            return [text.replace("Alias", "Slice") for text in texts]
        finally:
            lib.set_printoptions(profile="default")

    return run


def _formatted(x: Any, form: str) -> str:
    if x.ndim and form:
        form = ""
    try:
        return format(x, form)
    except (TypeError, ValueError) as error:
        return type(error).__name__


def _in_something(lib: Any, x: Any, which: int) -> str:
    if which == 0:
        return repr({"x": x, "size": x.shape})
    if which == 1 and x.is_floating_point():
        return repr(lib.nn.Parameter(x.detach()))
    if which == 2 and x.ndim and x.shape[-1] and not x.is_complex():
        return repr(x.detach().max(dim=-1)[0])
    if which == 3:
        return f"{x.shape} {x.dtype} {x.numel()} {x.device}"
    return repr(x.clone())
