"""Values of torch as values of rushlight: tensors, types, functions and test helpers."""

from __future__ import annotations

import functools
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

import rushlight as rl
from rushlight.core.tensor import wrap

NAMESPACES = (
    "nn.functional", "linalg", "special", "fft", "signal.windows", "masked", "nn.init", "nn", "",
    "Tensor",
)  # fmt: skip


# What NumPy has no type of its own for.
WIDER = {"bfloat16": torch.float32, "complex32": torch.complex64}


class Missing(Exception):
    """A name of torch that rushlight does not have."""


def find(root: Any, path: str) -> Any:
    """The attribute at a dotted path; Missing where there is none."""
    found = root
    for part in path.split(".") if path else ():
        try:
            found = getattr(found, part)
        except AttributeError:
            raise Missing(path) from None
    return found


@functools.cache
def _paths() -> dict[int, str]:
    """Dotted names of torch's callables, by identity."""
    found: dict[int, str] = {}
    for place in NAMESPACES:
        space = find(torch, place)
        for name in dir(space):
            value = getattr(space, name, None)
            if callable(value) and not isinstance(value, types.ModuleType):
                found.setdefault(id(value), f"{place}.{name}".lstrip("."))
    return found


def seeded(op: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """The database's own helper for random ops."""
    rl.manual_seed(42)
    return op(*args, **kwargs)


def twin(value: Any, remember: dict[Any, Any] | None = None) -> Any:
    """What stands in rushlight for a value of torch (a structure is walked; tensors are copied)."""
    remember = {} if remember is None else remember
    if isinstance(value, torch.Tensor):
        if id(value) not in remember:
            remember[id(value)] = tensor(value, remember), value
        return remember[id(value)][0]
    if isinstance(value, torch.Size):
        return rl.Size(value)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return tuple(twin(part, remember) for part in value)
    if isinstance(value, (list, tuple)):
        return type(value)(twin(part, remember) for part in value)
    if isinstance(value, dict):
        return {key: twin(part, remember) for key, part in value.items()}
    if isinstance(value, slice):
        return slice(*(twin(part, remember) for part in (value.start, value.stop, value.step)))
    if isinstance(value, (torch.dtype, torch.layout, torch.memory_format)):
        return find(rl, str(value).removeprefix("torch."))
    if isinstance(value, torch.device):
        return rl.device(str(value))
    if isinstance(value, torch.Generator):
        return rl.Generator().manual_seed(value.initial_seed())
    if isinstance(value, torch.nn.Module):
        return getattr(rl.nn, type(value).__name__)()
    return function(value) if callable(value) or isinstance(value, types.ModuleType) else value


def tensor(value: torch.Tensor, remember: dict[Any, Any] | None = None) -> Any:
    """A copy with the same sizes, strides, type and wish for a gradient.

    Tensors over one memory stay so within what is remembered.
    """
    plain = value.detach().resolve_conj().resolve_neg()
    if plain.layout is not torch.strided or plain.ndim > 64:
        raise Missing(f"{plain.layout} of {plain.ndim} dimensions")
    if plain.device.type == "meta":
        return rl.empty(plain.shape, dtype=find(rl, str(plain.dtype)[6:]), device="meta")
    if plain.dtype is torch.bfloat16:
        made = tensor(plain.float()).to(rl.bfloat16)
    else:
        size = plain.untyped_storage().nbytes() // plain.itemsize
        # a copy before NumPy looks at it: torch resizes no memory that NumPy has seen
        flat = torch.as_strided(plain, (size,), (1,), 0).clone().numpy()
        if remember is not None and size and plain.data_ptr() == value.data_ptr():
            place = "memory", plain.untyped_storage().data_ptr(), plain.dtype
            flat = remember.setdefault(place, flat)
        steps = [s * flat.itemsize for s in plain.stride()]
        part = flat[plain.storage_offset() :]
        made = wrap(np.lib.stride_tricks.as_strided(part, tuple(plain.shape), steps))
        if size > plain.numel() and 0 not in plain.stride():  # part of some memory
            made = rl.as_strided(wrap(flat), plain.shape, plain.stride(), plain.storage_offset())
    return made.requires_grad_() if followed(value) else made


def followed(value: torch.Tensor) -> bool:
    """Whether torch gives the tensor a gradient: a view made under no_grad of a leaf that requires
    one says that it does, and gets none."""
    if not value.requires_grad or value.grad_fn is not None:
        return value.requires_grad
    with torch.enable_grad():
        return value.view_as(value).grad_fn.next_functions[0][0] is not None


def function(value: Any) -> Any:
    """A callable or module of torch as rushlight's; a helper of the database over rushlight."""
    if isinstance(value, types.ModuleType):
        name = value.__name__
        return (
            find(rl, name.removeprefix("torch").lstrip(".")) if name.startswith("torch") else value
        )
    if isinstance(value, functools.partial):
        return functools.partial(function(value.func), *twin(value.args), **twin(value.keywords))
    if isinstance(value, types.FunctionType) and value.__module__.startswith("torch.testing"):
        return seeded if value.__name__ == "wrapper_set_seed" else _rebound(value)
    if getattr(value, "__module__", None) in ("_operator", "builtins", "numpy"):
        path = _paths().get(id(value))
        return value if path is None else find(rl, path)
    path = _paths().get(id(value))
    if path is not None:
        return find(rl, path)
    if "torch" in str(getattr(value, "__module__", "")):
        raise Missing(getattr(value, "__qualname__", repr(value)))
    return value


def _names(code: types.CodeType) -> set[str]:
    inner = [part for part in code.co_consts if isinstance(part, types.CodeType)]
    return set(code.co_names).union(*map(_names, inner))


def _rebound(value: types.FunctionType) -> Any:
    """The same code with `torch`, and what it closes over, replaced."""
    used = {
        name: part for name, part in value.__globals__.items() if name in _names(value.__code__)
    }
    world = {**value.__globals__, **{name: _soft(part) for name, part in used.items()}}
    cells = tuple(types.CellType(twin(cell.cell_contents)) for cell in value.__closure__ or ())
    made = types.FunctionType(
        value.__code__, world, value.__name__, twin(value.__defaults__), cells
    )
    made.__kwdefaults__ = twin(value.__kwdefaults__)
    return made


def _soft(value: Any) -> Any:
    try:
        return function(value) if callable(value) or isinstance(value, types.ModuleType) else value
    except Missing:
        return value


def numpy_of(value: Any) -> np.ndarray:
    """The numbers of a tensor of either framework."""
    if isinstance(value, torch.Tensor):
        plain = value.detach().resolve_conj().resolve_neg()
        return plain.to(WIDER.get(str(plain.dtype)[6:], plain.dtype)).numpy(force=True)
    array = value.detach()._array
    wider = WIDER.get(array.dtype.name)
    return array if wider is None else array.astype(str(wider)[6:])
