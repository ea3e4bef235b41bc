"""Write down how torch's built-in functions may be called (needs torch).

`python tests/faults/record_signatures.py` writes `rushlight/core/signatures.txt`, a line for each
form of a function: our name, torch's name in messages, the arguments as torch's messages spell
them. torch shows the forms of what has several in its own refusals; of the rest its registry
knows the only one.
"""

from __future__ import annotations

import contextlib
import re
import types
from pathlib import Path
from typing import Any

import torch

import rushlight

TARGET = Path(__file__).parents[2] / "rushlight" / "core" / "signatures.txt"
SPACES = ("", "Tensor", "nn.functional", "linalg", "fft", "special")
BUILT_IN = (types.BuiltinFunctionType, types.MethodDescriptorType)
_FORM = re.compile(r"^ \* \((.*)\)$", re.MULTILINE)
_ONLY = re.compile(r", but expected \((.*)\)$")
# what refusals of two arguments say, while the registry has the form without any
SAID = {key: ["int dim = None"] for key in ("Tensor.size", "Tensor.stride")}
_KINDS = {
    "Tensor": "Tensor", "number": "Number", "int": "int", "SymInt": "int", "float": "float",
    "bool": "bool", "str": "str", "ScalarType": "torch.dtype", "Layout": "torch.layout",
    "Device": "torch.device", "MemoryFormat": "torch.memory_format",
    "Generator": "torch.Generator", "Tensor[]": "tuple of Tensors", "int[]": "tuple of ints",
    "SymInt[]": "tuple of ints", "float[]": "tuple of floats", "number[]": "tuple of Scalars",
    "Optional[Tensor][]": "tuple of Tensors",
}  # fmt: skip


def shown(call: Any) -> list[str]:
    """The forms in torch's refusal of far too many arguments, by place or by name."""
    many = tuple(object() for _ in range(40))
    for args, kwargs in ((many, {}), ((), {f"_{i}": i for i in range(40)})):
        try:
            call(*args, **kwargs)
        except Exception as error:
            found = _FORM.findall(str(error)) or _ONLY.findall(str(error))
            if found:
                return found
    return []


def registered(name: str, method: bool) -> list[str]:
    """The one form that torch's registry has; nothing if it has several, or one we cannot say."""
    schemas = torch._C._jit_get_schemas_for_operator(f"aten::{name}")
    written = [re.findall(r"!\) (\w+)", str(one).partition("*,")[2]) for one in schemas]
    outputs = max(map(len, written), default=0) if not method else 0
    late = [["Tensor out = None"], ["tuple of Tensors out = None"]][outputs > 1] if outputs else []
    plain = {
        one.overload_name: one for one, names in zip(schemas, written)
        if not names and not re.search(r"Dimname|\bt\[\]|hacked", str(one))
    }  # fmt: skip
    if len(plain) > 1:
        plain = {key: one for key, one in plain.items() if "Tensor" in str(one).partition("->")[0]}
    chosen = [plain[key] for key in ("", "Tensor", "int", *plain) if key in plain]
    if not chosen or (len(plain) > 1 and chosen[0].overload_name not in ("", "Tensor", "int")):
        return []
    parts, named = [], False
    given = chosen[0].arguments[1:] if method else chosen[0].arguments
    for one in given:
        text = _argument(one)
        if text is None:
            return []
        if one.kwarg_only and not named:
            parts.append("*")
            named = True
        parts.append(text)
    if any("torch.layout" in one for one in parts):
        late.append("bool requires_grad = False")
    if late and not named:
        parts.append("*")
    return [", ".join([*parts, *late])]


def _argument(one: Any) -> str | None:
    match = re.match(r"Optional\[(.*)\]$", str(one.real_type))
    kind = match[1] if match else str(one.real_type)
    kind = re.sub(r"List\[(.*)\]", r"\1[]", kind)
    if kind not in _KINDS:
        return None
    name = "input" if one.name == "self" else one.name
    default = " = None" if match else " = 0" if one.has_default_value() else ""
    return f"{_KINDS[kind]} {name}{default}"


def lines() -> list[str]:
    """All forms of what both have."""
    found = []
    for space in SPACES:
        theirs, ours = torch, rushlight
        for part in space.split(".") if space else ():
            theirs, ours = getattr(theirs, part), getattr(ours, part)
        for name in sorted(dir(theirs)):
            public = name[:1] != "_"
            call = getattr(theirs, name, None)
            if not (public and hasattr(ours, name) and isinstance(call, BUILT_IN)):
                continue
            if space == "Tensor":
                x = torch.ones(2)
                with contextlib.suppress(Exception):
                    call = getattr(x, name)
            path = f"{space}.{name}" if space else name
            forms = shown(call) or SAID.get(path) or registered(call.__name__, space == "Tensor")
            found += [f"{path} | {call.__name__} | {form}" for form in forms]
    return found


if __name__ == "__main__":
    TARGET.write_text("\n".join(lines()) + "\n")
    print(len(lines()), "forms in", TARGET)
