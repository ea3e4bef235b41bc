"""Arguments and answers as JSON: tensors with type, sizes and numbers, types by name."""

from __future__ import annotations

from typing import Any


def _number(value: Any) -> Any:
    if isinstance(value, complex):
        return [_number(value.real), _number(value.imag)]
    if not isinstance(value, float):
        return value
    short = float(f"{value:.9g}")
    return (
        int(short)
        if short == int(short) and abs(short) < 1e9
        else short
        if short == short
        else "nan"
    )


def _listed(value: Any) -> Any:
    flat = value.detach().resolve_conj().reshape(-1).tolist()
    return [_limit(x) for x in flat]


def _limit(x: Any) -> Any:
    if isinstance(x, complex):
        return [_limit(x.real), _limit(x.imag)]
    if isinstance(x, float) and x - x != 0:
        return str(x)
    return _number(x)


def encode(value: Any) -> Any:
    """A value of torch as JSON; TypeError for what cannot be said."""
    if hasattr(value, "requires_grad"):
        kind = str(value.dtype).removeprefix("torch.")
        return {"t": kind + ("!" if value.requires_grad and value.is_leaf else ""),
                "s": list(value.shape), "v": _listed(value)}  # fmt: skip
    if isinstance(value, (list, tuple)):
        return [encode(part) for part in value]
    if isinstance(value, dict):
        return {"k": {name: encode(part) for name, part in value.items()}}
    if str(value).startswith("torch."):
        return {"n": str(value).removeprefix("torch.")}
    if isinstance(value, float) and value - value != 0:
        return {"f": str(value)}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(type(value).__name__)


def decode(code: Any, rl: Any) -> Any:
    """The value in rushlight."""
    if isinstance(code, list):
        return [decode(part, rl) for part in code]
    if not isinstance(code, dict):
        return code
    if "k" in code:
        return {name: decode(part, rl) for name, part in code["k"].items()}
    if "n" in code:
        return getattr(rl, code["n"])
    if "f" in code:
        return float(code["f"])
    kind = getattr(rl, code["t"].rstrip("!"))
    numbers = [_value(x, kind.is_complex) for x in code["v"]]
    made = rl.tensor(numbers, dtype=kind).reshape(code["s"])
    return made.requires_grad_() if code["t"].endswith("!") else made


def _value(x: Any, whole: bool) -> Any:
    if isinstance(x, list):
        return complex(_value(x[0], False), _value(x[1], False))
    x = float(x) if isinstance(x, str) else x
    return complex(x) if whole else x
