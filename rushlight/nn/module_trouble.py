"""Help for users of modules: where an error happened, and layers hidden in plain containers."""

from __future__ import annotations

import warnings
from types import FrameType
from typing import Any

import rushlight as rl

from ..core.names import class_path

_PLAIN = frozenset((int, float, str, bool, type(None)))


def add_module_path(
    error: BaseException, module: Any, caller: FrameType | None, given: Any = None
) -> None:
    """Note on `error` the path of the module it came from, as far out as it has bubbled.

    Each module on the way up replaces the note by a longer one: it finds the path so far below
    itself and puts its own name in front (the caller's variable, else the class). The innermost
    module's input is told too.
    """
    trail = getattr(error, "_module_trail", None)
    if trail is None:
        inner, path, position = module, "", len(getattr(error, "__notes__", ()))
    else:
        inner, below, path, position = trail
        step = _path_to(module, below)
        if step is None:
            return
        path = f"{step}.{path}" if path else step
    name = _name_in(caller, module)
    where = ".".join(part for part in (name, path) if part)
    kind = type(inner).__name__
    note = f"in {where}" if where == kind else f"in {where} ({kind})"
    try:
        if trail is None:
            error.add_note(note)
            if isinstance(given, rl.Tensor):
                error.add_note(f"its input has shape {tuple(given.shape)} and dtype {given.dtype}")
            elif type(given).__name__ in _INTO_TENSORS:
                error.add_note(f"layers take tensors: {_INTO_TENSORS[type(given).__name__]}")
        else:
            error.__notes__[position] = note
        error._module_trail = (inner, module, path, position)  # type: ignore[attr-defined]  # a note
    except (AttributeError, TypeError, IndexError):
        return


# The function that torch names when a layer is given no tensor, and its first arguments.
_CALLED = {
    "Linear": "linear", "LayerNorm": "layer_norm", "Dropout": "dropout", "PReLU": "prelu",
    "CrossEntropyLoss": "cross_entropy_loss", "NLLLoss": "nll_loss_nd", "KLDivLoss": "kl_div",
    "Embedding": "embedding", "Bilinear": "bilinear", "ReLU": "relu",
} | {
    f"{name}{n}d": f"{function}{n}d"
    for n in (1, 2, 3)
    for name, function in (("AvgPool", "avg_pool"), ("MaxPool", "max_pool"), ("Conv", "conv"),
                           ("ConvTranspose", "conv_transpose"))
}  # fmt: skip
_INTO_TENSORS = {
    "ndarray": "torch.from_numpy(x), and .float() where it holds float64",
    "list": "torch.tensor(x)",
    "tuple": "a recurrent layer gives (output, state), as attention does: output, _ = layer(x)",
}
_ARGUMENTS = {"Embedding": ("indices",), "Bilinear": ("input1", "input2")}


def without_tensor(error: AttributeError, module: Any, given: Any, others: tuple) -> Any:
    """torch's error where a layer of ours met a value that is no tensor; None for another reason.

    The layers take for granted that they are given tensors, and fail at the first attribute.
    """
    kind = type(module)
    if not class_path(kind).startswith("rushlight.nn."):
        return None
    values = (given, *others)
    for place, value in enumerate(values):
        short = type(value).__name__
        told = "numpy.ndarray" if short == "ndarray" else short
        if isinstance(value, rl.Tensor) or not str(error).startswith(f"'{told}' object has no"):
            continue
        name = _CALLED.get(kind.__name__)
        if name is None:
            return AttributeError(f"'{told}' object has no attribute 'size'")
        if name.startswith("conv") and name[4].isdigit():
            return TypeError(
                f"{name}() received an invalid combination of arguments - got ({told}, Parameter,"
                f" {type(module.bias).__name__}, tuple, tuple, tuple, int), but expected one of:"
            )
        names = _ARGUMENTS.get(kind.__name__, ("input", "target"))
        number = place + 1 + (kind.__name__ == "Embedding")
        return TypeError(
            f"{name}(): argument '{names[place]}' (position {number}) must be Tensor, not {told}"
        )
    return None


def _path_to(module: Any, wanted: Any) -> str | None:
    """The dotted path from `module` down to `wanted`; None if it is not below (or is the same)."""
    for path, found in module.named_modules():
        if found is wanted:
            return path or None
    return None


def _name_in(caller: FrameType | None, module: Any) -> str:
    """The variable that holds `module` where it was called, or the name of its class."""
    if caller is not None:
        for name, value in caller.f_locals.items():
            if value is module and name != "self":
                return name
    return type(module).__name__


def may_hide(value: Any) -> bool:
    """Whether a container can hold layers, now or later: all but a tuple of plain values."""
    return type(value) is not tuple or not all(type(item) in _PLAIN for item in value)


def warn_unregistered(module: Any) -> None:
    """Warn, once, when a plain list, tuple, dict or set of `module` holds layers or parameters."""
    own = module.__dict__

    known = {id(found) for found in module.modules()}
    known |= {id(found) for found in module.parameters()}
    for name, value in own.items():
        if name.startswith("_") or not isinstance(value, (list, tuple, dict, set)):
            continue
        lost = [item for item in _members(value) if id(item) not in known]
        layers = [item for item in lost if not isinstance(item, rl.Tensor)]
        kind, count = ("modules", len(layers)) if layers else ("parameters", len(lost))
        if count:
            keep = "Module" if layers else "Parameter"
            box = "Dict" if isinstance(value, dict) else "List"
            warnings.warn(
                f"{count} {kind} in the plain {type(value).__name__} "
                f"{type(module).__name__}.{name} are not registered: parameters(), to() and "
                f"state_dict() do not see them; use nn.{keep}{box}",
                UserWarning,
                stacklevel=3,
            )


def _members(value: Any, depth: int = 0) -> list[Any]:
    """Modules and parameters in nested plain containers, three levels down."""
    if isinstance(value, (rl.nn.Module, rl.nn.Parameter)):
        return [value]
    if depth > 3 or not isinstance(value, (list, tuple, dict, set)):
        return []
    inner = value.values() if isinstance(value, dict) else value
    return [found for item in inner for found in _members(item, depth + 1)]
